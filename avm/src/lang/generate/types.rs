//! Kinds of values as far as they can be told before the program runs. What cannot be told is [`Ty::Any`], which goes with
//! everything.

use std::sync::Arc;

use crate::code::Shape;
use crate::lang::ast::{Type, TypeKind};
use crate::value::{INT_MAX, INT_MIN, Kind, Val};

/// A set of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ty {
    /// Not known.
    Any,
    /// No value: the program does not come here.
    Never,
    /// `nothing`, or just such a value.
    Option(Box<Ty>),
    /// Just such a value.
    Just(Box<Ty>),
    /// A number between two bounds.
    Int(i128, i128),
    /// A list of such values.
    List(Box<Ty>),
    /// A pair.
    Pair(Box<Ty>, Box<Ty>),
    /// An object of a behaviour that is known, by its full name.
    Object(Option<Arc<str>>),
    /// Another kind.
    Is(Kind),
}

/// Any number.
pub const INT: Ty = Ty::Int(INT_MIN, INT_MAX);
/// A truth value.
pub const BOOL: Ty = Ty::Is(Kind::Bool);
/// `nothing`.
pub const NOTHING: Ty = Ty::Is(Kind::Nothing);

impl Ty {
    /// The kind, when it is one.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Any | Self::Never | Self::Option(_) => None,
            Self::Just(_) => Some(Kind::Just),
            Self::Int(..) => Some(Kind::Int),
            Self::List(_) => Some(Kind::List),
            Self::Pair(..) => Some(Kind::Pair),
            Self::Object(_) => Some(Kind::Object),
            Self::Is(kind) => Some(*kind),
        }
    }

    /// Of a kind.
    pub fn of(kind: Kind) -> Self {
        let any = || Box::new(Self::Any);
        match kind {
            Kind::Int => INT,
            Kind::Just => Self::Just(any()),
            Kind::List => Self::List(any()),
            Kind::Pair => Self::Pair(any(), any()),
            Kind::Object => Self::Object(None),
            kind => Self::Is(kind),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Any | Self::Never => "a value".into(),
            Self::Option(inner) => format!("{} or nothing", inner.words()),
            Self::List(inner) if **inner != Self::Any => format!("list of {}", inner.words()),
            Self::Int(..) => "int".into(),
            other => other.kind().map_or("a value", Kind::word).into(),
        }
    }

    /// Whether a value can be in both.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Never, _) | (_, Self::Any | Self::Never) => true,
            (Self::Option(_), Self::Option(_)) => true,
            (Self::Option(inner), one) | (one, Self::Option(inner)) => match one {
                Self::Is(Kind::Nothing) => true,
                Self::Just(one) => inner.meets(one),
                _ => false,
            },
            (Self::Just(one), Self::Just(two)) => one.meets(two),
            // Two lists meet in the empty one; what is in them is worth a remark all the same when both are known to differ.
            (Self::List(one), Self::List(two)) => one.meets(two),
            (Self::Pair(a, b), Self::Pair(c, d)) => a.meets(c) && b.meets(d),
            (Self::Object(_), Self::Object(_)) | (Self::Int(..), Self::Int(..)) => true,
            (one, two) => one.kind() == two.kind(),
        }
    }

    /// The least set known that holds both.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, one) | (one, Self::Never) => one,
            (one, two) if one == two => one,
            (Self::Int(a, b), Self::Int(c, d)) => Self::Int(a.min(c), b.max(d)),
            (Self::List(one), Self::List(two)) => Self::List(Box::new(one.join(*two))),
            (Self::Pair(a, b), Self::Pair(c, d)) => Self::Pair(Box::new(a.join(*c)), Box::new(b.join(*d))),
            (Self::Just(one), Self::Just(two)) => Self::Just(Box::new(one.join(*two))),
            (Self::Option(one) | Self::Just(one), Self::Option(two) | Self::Just(two)) => {
                Self::Option(Box::new(one.join(*two)))
            }
            (Self::Is(Kind::Nothing), Self::Option(one) | Self::Just(one))
            | (Self::Option(one) | Self::Just(one), Self::Is(Kind::Nothing)) => Self::Option(one),
            (Self::Object(_), Self::Object(_)) => Self::Object(None),
            _ => Self::Any,
        }
    }

    /// What is known of a variable that can be assigned to: its kind only.
    pub fn element(&self) -> Self {
        match self {
            Self::List(inner) => (**inner).clone(),
            _ => Self::Any,
        }
    }

    /// Of a constant.
    pub fn of_val(value: &Val) -> Self {
        match value {
            Val::Int(number) => Self::Int(*number, *number),
            Val::Just(inner) => Self::Just(Box::new(Self::of_val(inner))),
            Val::List(values) => {
                let inner = values.iter().map(Self::of_val).reduce(Self::join).unwrap_or(Self::Never);
                Self::List(Box::new(inner))
            }
            Val::Pair(both) => Self::Pair(Box::new(Self::of_val(&both.0)), Box::new(Self::of_val(&both.1))),
            other => Self::of(other.kind()),
        }
    }

    /// As declared; `None` when the word names no kind.
    pub fn declared(ty: &Type) -> Option<Self> {
        Some(match &ty.kind {
            TypeKind::Word(word) => match &**word {
                "any" => Self::Any,
                word => Self::of(kind_named(word)?),
            },
            TypeKind::List(inner) => Self::List(Box::new(Self::declared(inner)?)),
            TypeKind::Pair(a, b) => Self::Pair(Box::new(Self::declared(a)?), Box::new(Self::declared(b)?)),
            TypeKind::Option(inner) => Self::Option(Box::new(Self::declared(inner)?)),
        })
    }
}

/// Every kind.
pub const KINDS: [Kind; 16] = [
    Kind::Nothing,
    Kind::Just,
    Kind::Bool,
    Kind::Int,
    Kind::Text,
    Kind::Bytes,
    Kind::List,
    Kind::Pair,
    Kind::Record,
    Kind::Object,
    Kind::Tx,
    Kind::Execution,
    Kind::Machine,
    Kind::Controller,
    Kind::Var,
    Kind::Function,
];

/// The kind that a word of the language names.
pub fn kind_named(word: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.word() == word)
}

/// Form of a message part as declared; `None` when the word names no kind.
pub fn shape(ty: Option<&Type>) -> Option<Shape> {
    let Some(ty) = ty else { return Some(Shape::Any) };
    Some(match &ty.kind {
        TypeKind::Word(word) if &**word == "any" => Shape::Any,
        TypeKind::Word(word) => Shape::Is(kind_named(word)?),
        TypeKind::List(inner) => Shape::List(Box::new(shape(Some(inner))?)),
        TypeKind::Pair(a, b) => Shape::Pair(Box::new((shape(Some(a))?, shape(Some(b))?))),
        TypeKind::Option(inner) => Shape::Option(Box::new(shape(Some(inner))?)),
    })
}
