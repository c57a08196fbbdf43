//! Pieces of programs.

use std::ops::{Add, Div, Mul, Neg, Not, Rem, Sub};
use std::panic::Location;
use std::sync::Arc;

use super::message::ToVal;
use crate::code::{Builtin, Instr};
use crate::id::ObjectId;
use crate::value::{Kind, Val};

/// A piece of a program that has a value. Cheap to clone; where it is used twice it runs twice, unless it was bound
/// ([`Code::bind`]).
#[derive(Debug, Clone)]
pub struct Code(pub(super) Arc<Node>);

/// What stands for a bound value: told apart by where it lives.
#[derive(Debug, Clone)]
pub(super) struct Token(pub(super) Arc<u8>);

impl Token {
    pub(super) fn fresh() -> Self {
        Self(Arc::new(0))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Operations of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Two {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Ne,
    Lt,
    Le,
    Pair,
}

/// Operations of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum One {
    Neg,
    Not,
    Just,
    First,
    Second,
    Unwrap,
    Item(u16),
    Rest(u16),
    Field(Arc<str>),
    HasField(Arc<str>),
    KindIs(Kind),
    LenIs(u16),
}

#[derive(Debug)]
pub(super) enum Node {
    Const(Val),
    Local(Token),
    Param(u8),
    Let(Token, Code, Code),
    Then(Code, Code),
    If(Code, Code, Code),
    And(Code, Code),
    Or(Code, Code),
    One(One, Code),
    Two(Two, Code, Code),
    List(Vec<Code>),
    Record(Vec<(Arc<str>, Code)>),
    Builtin(Builtin, Vec<Code>),
    Instr(Instr, Vec<Code>, &'static Location<'static>),
    Invoke(Arc<str>, Vec<Code>),
    Closure(Arc<str>, Vec<Code>),
    InvokeValue(Code, Vec<Code>),
    Fold { list: Code, first: Code, so_far: Token, item: Token, body: Code },
    Return(Code),
    NoMatch(Code),
}

impl Code {
    pub(super) fn new(node: Node) -> Self {
        Self(Arc::new(node))
    }

    /// Runs this piece once and goes on with its value.
    #[must_use]
    pub fn bind(self, rest: impl FnOnce(&Self) -> Self) -> Self {
        let token = Token::fresh();
        let bound = Self::new(Node::Local(token.clone()));
        Self::new(Node::Let(token, self, rest(&bound)))
    }

    /// Runs this piece, then another, whose value is that of both.
    #[must_use]
    pub fn then(self, rest: impl Into<Self>) -> Self {
        Self::new(Node::Then(self, rest.into()))
    }

    /// Goes on with a function of the value that runs once.
    #[must_use]
    pub fn map(self, with: impl FnOnce(&Self) -> Self) -> Self {
        self.bind(with)
    }

    fn one(&self, how: One) -> Self {
        Self::new(Node::One(how, self.clone()))
    }

    fn two(&self, how: Two, other: impl Into<Self>) -> Self {
        Self::new(Node::Two(how, self.clone(), other.into()))
    }

    /// Whether two values are equal; those of different kinds are not.
    #[must_use]
    pub fn equals(&self, other: impl Into<Self>) -> Self {
        self.two(Two::Eq, other)
    }

    /// Whether two values differ.
    #[must_use]
    pub fn differs(&self, other: impl Into<Self>) -> Self {
        self.two(Two::Ne, other)
    }

    /// self < other.
    #[must_use]
    pub fn less(&self, other: impl Into<Self>) -> Self {
        self.two(Two::Lt, other)
    }

    /// self <= other.
    #[must_use]
    pub fn at_most(&self, other: impl Into<Self>) -> Self {
        self.two(Two::Le, other)
    }

    /// self > other.
    #[must_use]
    pub fn more(&self, other: impl Into<Self>) -> Self {
        other.into().two(Two::Lt, self.clone())
    }

    /// self >= other.
    #[must_use]
    pub fn at_least(&self, other: impl Into<Self>) -> Self {
        other.into().two(Two::Le, self.clone())
    }

    /// Both; the other runs only if this is true.
    #[must_use]
    pub fn and(&self, other: impl Into<Self>) -> Self {
        Self::new(Node::And(self.clone(), other.into()))
    }

    /// Either; the other runs only if this is false.
    #[must_use]
    pub fn or(&self, other: impl Into<Self>) -> Self {
        Self::new(Node::Or(self.clone(), other.into()))
    }

    /// Element `index` of a list.
    #[must_use]
    pub fn item(&self, index: u16) -> Self {
        self.one(One::Item(index))
    }

    /// A list without its first elements.
    #[must_use]
    pub fn rest(&self, from: u16) -> Self {
        self.one(One::Rest(from))
    }

    /// Element of a list at a number that is known when it runs.
    #[must_use]
    pub fn at(&self, index: impl Into<Self>) -> Self {
        builtin(Builtin::At, [self.clone(), index.into()])
    }

    /// First element of a list, or another value when it is empty: states begin empty.
    #[must_use]
    pub fn first_or(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        self.bind(|list| when(list.len_is(0), other, list.item(0)))
    }

    /// A field of a record.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.one(One::Field(name.into()))
    }

    /// Whether it is a record with a field.
    #[must_use]
    pub fn has_field(&self, name: &str) -> Self {
        self.one(One::HasField(name.into()))
    }

    /// Whether it is of a kind.
    #[must_use]
    pub fn is(&self, kind: Kind) -> Self {
        self.one(One::KindIs(kind))
    }

    /// Whether it is a list of so many.
    #[must_use]
    pub fn len_is(&self, len: u16) -> Self {
        self.one(One::LenIs(len))
    }

    /// First of a pair.
    #[must_use]
    pub fn first(&self) -> Self {
        self.one(One::First)
    }

    /// Second of a pair.
    #[must_use]
    pub fn second(&self) -> Self {
        self.one(One::Second)
    }

    /// What is in a `just`.
    #[must_use]
    pub fn unwrap_just(&self) -> Self {
        self.one(One::Unwrap)
    }
}

/// A constant.
#[must_use]
pub fn value(value: impl ToVal) -> Code {
    Code::new(Node::Const(value.to_val()))
}

/// `nothing`.
#[must_use]
pub fn nothing() -> Code {
    Code::new(Node::Const(Val::Nothing))
}

/// A list.
#[must_use]
pub fn list<C: Into<Code>>(parts: impl IntoIterator<Item = C>) -> Code {
    Code::new(Node::List(parts.into_iter().map(Into::into).collect()))
}

/// A pair.
#[must_use]
pub fn pair(first: impl Into<Code>, second: impl Into<Code>) -> Code {
    Code::new(Node::Two(Two::Pair, first.into(), second.into()))
}

/// `just` a value.
#[must_use]
pub fn just(inner: impl Into<Code>) -> Code {
    inner.into().one(One::Just)
}

/// A record, from fields in any order; of equal names the last stands.
#[must_use]
pub fn record<'n, C: Into<Code>>(fields: impl IntoIterator<Item = (&'n str, C)>) -> Code {
    let fields: std::collections::BTreeMap<Arc<str>, Code> =
        fields.into_iter().map(|(name, code)| (name.into(), code.into())).collect();
    Code::new(Node::Record(fields.into_iter().collect()))
}

/// One of two pieces, as a truth value says.
#[must_use]
pub fn when(cond: impl Into<Code>, yes: impl Into<Code>, no: impl Into<Code>) -> Code {
    Code::new(Node::If(cond.into(), yes.into(), no.into()))
}

/// A piece only if a truth value says so; `nothing` otherwise.
#[must_use]
pub fn choose_if(cond: impl Into<Code>, yes: impl Into<Code>) -> Code {
    when(cond, yes, nothing())
}

/// A library function.
#[must_use]
pub fn builtin<C: Into<Code>>(which: Builtin, args: impl IntoIterator<Item = C>) -> Code {
    Code::new(Node::Builtin(which, args.into_iter().map(Into::into).collect()))
}

/// A function of the same program, by name.
#[must_use]
pub fn invoke<C: Into<Code>>(function: &str, args: impl IntoIterator<Item = C>) -> Code {
    Code::new(Node::Invoke(function.into(), args.into_iter().map(Into::into).collect()))
}

/// A function value: a function of the same program with its first parameters bound.
#[must_use]
pub fn closure<C: Into<Code>>(function: &str, bound: impl IntoIterator<Item = C>) -> Code {
    Code::new(Node::Closure(function.into(), bound.into_iter().map(Into::into).collect()))
}

/// Calls a function value.
#[must_use]
pub fn invoke_value<C: Into<Code>>(function: impl Into<Code>, args: impl IntoIterator<Item = C>) -> Code {
    Code::new(Node::InvokeValue(function.into(), args.into_iter().map(Into::into).collect()))
}

/// Goes through a list with a value that each step makes anew.
#[must_use]
pub fn fold(over: impl Into<Code>, first: impl Into<Code>, body: impl FnOnce(&Code, &Code) -> Code) -> Code {
    let (so_far, item) = (Token::fresh(), Token::fresh());
    let local = |token: &Token| Code::new(Node::Local(token.clone()));
    let body = body(&local(&so_far), &local(&item));
    Code::new(Node::Fold { list: over.into(), first: first.into(), so_far, item, body })
}

/// Runs a piece for each element of a list.
#[must_use]
pub fn for_each(over: impl Into<Code>, body: impl FnOnce(&Code) -> Code) -> Code {
    fold(over, nothing(), |_, item| body(item).then(nothing()))
}

/// Ends the function at once with a value.
#[must_use]
pub fn ret(value: impl Into<Code>) -> Code {
    Code::new(Node::Return(value.into()))
}

/// Fails: nothing matches a value.
#[must_use]
pub fn no_match(value: impl Into<Code>) -> Code {
    Code::new(Node::NoMatch(value.into()))
}

impl From<&Self> for Code {
    fn from(code: &Self) -> Self {
        code.clone()
    }
}

impl From<Val> for Code {
    fn from(value: Val) -> Self {
        Self::new(Node::Const(value))
    }
}

macro_rules! constants {
    ($($from:ty),*) => {$(
        impl From<$from> for Code {
            fn from(constant: $from) -> Self {
                value(constant)
            }
        }
    )*};
}
constants!(bool, i32, i64, u32, u64, &str, String, ObjectId);

impl<C: Into<Self>> From<Vec<C>> for Code {
    fn from(parts: Vec<C>) -> Self {
        list(parts)
    }
}

macro_rules! operators {
    ($($name:ident $method:ident)*) => {$(
        impl<C: Into<Code>> $name<C> for Code {
            type Output = Code;

            fn $method(self, other: C) -> Code {
                self.two(Two::$name, other)
            }
        }

        impl<C: Into<Code>> $name<C> for &Code {
            type Output = Code;

            fn $method(self, other: C) -> Code {
                self.two(Two::$name, other)
            }
        }
    )*};
}
operators!(Add add Sub sub Mul mul Div div);

impl<C: Into<Self>> Rem<C> for Code {
    type Output = Self;

    fn rem(self, other: C) -> Self {
        self.two(Two::Mod, other)
    }
}

impl<C: Into<Code>> Rem<C> for &Code {
    type Output = Code;

    fn rem(self, other: C) -> Code {
        self.two(Two::Mod, other)
    }
}

impl Neg for Code {
    type Output = Self;

    fn neg(self) -> Self {
        self.one(One::Neg)
    }
}

impl Not for Code {
    type Output = Self;

    fn not(self) -> Self {
        self.one(One::Not)
    }
}

impl Not for &Code {
    type Output = Code;

    fn not(self) -> Code {
        self.one(One::Not)
    }
}
