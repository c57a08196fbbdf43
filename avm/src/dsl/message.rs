//! Rust values as values of the machine, and typed messages.

use std::sync::Arc;

use thiserror::Error;

use crate::id::{ExecutionId, ObjectId, TxId, VarId};
use crate::value::{Kind, Val};

/// A value of the machine that is not of the Rust type asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found} is not {expected}")]
pub struct WrongValue {
    /// What was there.
    pub found: Val,
    /// What was expected, in words.
    pub expected: &'static str,
}

impl WrongValue {
    /// For implementations of [`FromVal`].
    #[must_use]
    pub fn new(found: &Val, expected: &'static str) -> Self {
        Self { found: found.clone(), expected }
    }
}

/// Rust values that the machine can hold.
pub trait ToVal {
    /// The value.
    fn to_val(&self) -> Val;
}

/// Rust values that can be read from one of the machine.
pub trait FromVal: Sized {
    /// The Rust value.
    ///
    /// # Errors
    /// When the value is of another form.
    fn from_val(value: &Val) -> Result<Self, WrongValue>;
}

impl<T: ToVal + ?Sized> ToVal for &T {
    fn to_val(&self) -> Val {
        (**self).to_val()
    }
}

impl ToVal for Val {
    fn to_val(&self) -> Val {
        self.clone()
    }
}

impl FromVal for Val {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        Ok(value.clone())
    }
}

impl ToVal for () {
    fn to_val(&self) -> Val {
        Val::Nothing
    }
}

impl FromVal for () {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        if *value == Val::Nothing { Ok(()) } else { Err(WrongValue::new(value, "nothing")) }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl ToVal for $number {
            fn to_val(&self) -> Val {
                Val::Int(i128::from(*self))
            }
        }

        impl FromVal for $number {
            fn from_val(value: &Val) -> Result<Self, WrongValue> {
                let wrong = || WrongValue::new(value, concat!("a number of type ", stringify!($number)));
                match value {
                    Val::Int(number) => Self::try_from(*number).map_err(|_| wrong()),
                    _ => Err(wrong()),
                }
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! wrapped {
    ($($rust:ty, $variant:ident, $expected:literal;)*) => {$(
        impl ToVal for $rust {
            fn to_val(&self) -> Val {
                Val::$variant(self.clone().into())
            }
        }

        impl FromVal for $rust {
            fn from_val(value: &Val) -> Result<Self, WrongValue> {
                match value {
                    Val::$variant(inner) => Ok(inner.clone().into()),
                    _ => Err(WrongValue::new(value, $expected)),
                }
            }
        }
    )*};
}
wrapped! {
    bool, Bool, "a truth value";
    Arc<str>, Text, "a text";
    Arc<[u8]>, Bytes, "bytes";
    ObjectId, Object, "an object";
    TxId, Tx, "a transaction";
    ExecutionId, Execution, "an execution";
    VarId, Var, "a variable";
}

impl ToVal for str {
    fn to_val(&self) -> Val {
        Val::text(self)
    }
}

impl ToVal for String {
    fn to_val(&self) -> Val {
        Val::text(self)
    }
}

impl FromVal for String {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        match value {
            Val::Text(text) => Ok(text.as_ref().to_owned()),
            _ => Err(WrongValue::new(value, "a text")),
        }
    }
}

impl<T: ToVal> ToVal for Vec<T> {
    fn to_val(&self) -> Val {
        Val::List(self.iter().map(ToVal::to_val).collect())
    }
}

impl<T: FromVal> FromVal for Vec<T> {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        match value {
            Val::List(values) => values.iter().map(T::from_val).collect(),
            _ => Err(WrongValue::new(value, "a list")),
        }
    }
}

impl<T: ToVal> ToVal for Option<T> {
    fn to_val(&self) -> Val {
        self.as_ref().map_or(Val::Nothing, |inner| Val::just(inner.to_val()))
    }
}

impl<T: FromVal> FromVal for Option<T> {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        match value {
            Val::Nothing => Ok(None),
            Val::Just(inner) => T::from_val(inner).map(Some),
            _ => Err(WrongValue::new(value, "nothing or just a value")),
        }
    }
}

impl<A: ToVal, B: ToVal> ToVal for (A, B) {
    fn to_val(&self) -> Val {
        Val::pair(self.0.to_val(), self.1.to_val())
    }
}

impl<A: FromVal, B: FromVal> FromVal for (A, B) {
    fn from_val(value: &Val) -> Result<Self, WrongValue> {
        match value {
            Val::Pair(both) => Ok((A::from_val(&both.0)?, B::from_val(&both.1)?)),
            _ => Err(WrongValue::new(value, "a pair")),
        }
    }
}

/// Form of a Rust type as the machine checks it; types that say nothing take anything.
pub trait Shaped {
    /// The form.
    fn shape() -> crate::code::Shape {
        crate::code::Shape::Any
    }
}

macro_rules! shapes {
    ($($kind:ident: $($rust:ty),*;)*) => {$($(
        impl Shaped for $rust {
            fn shape() -> crate::code::Shape {
                crate::code::Shape::Is(Kind::$kind)
            }
        }
    )*)*};
}
shapes! {
    Int: i8, i16, i32, i64, u8, u16, u32, u64;
    Bool: bool;
    Text: String, Arc<str>;
    Bytes: Arc<[u8]>;
    Object: ObjectId;
    Tx: TxId;
    Execution: ExecutionId;
    Var: VarId;
    Nothing: ();
}

impl Shaped for Val {}

impl<T: Shaped> Shaped for Vec<T> {
    fn shape() -> crate::code::Shape {
        crate::code::Shape::List(Box::new(T::shape()))
    }
}

impl<T: Shaped> Shaped for Option<T> {
    fn shape() -> crate::code::Shape {
        crate::code::Shape::Option(Box::new(T::shape()))
    }
}

impl<A: Shaped, B: Shaped> Shaped for (A, B) {
    fn shape() -> crate::code::Shape {
        crate::code::Shape::Pair(Box::new((A::shape(), B::shape())))
    }
}

/// A message type: an enumeration whose values are lists `[tag, part, ...]`, written and read both ways, with the shapes that a
/// behaviour checks (`Type::shapes()` for [`super::BehaviourBuilder::takes`]).
///
/// ```
/// use avm::dsl::{FromVal, ToVal};
///
/// avm::message! {
///     /// What an account understands.
///     #[derive(Debug, PartialEq)]
///     pub enum Account {
///         Deposit(amount: u64) = "deposit",
///         Balance() = "balance",
///     }
/// }
///
/// let message = Account::Deposit(5).to_val();
/// assert_eq!(message.to_string(), r#"["deposit", 5]"#);
/// assert_eq!(Account::from_val(&message), Ok(Account::Deposit(5)));
/// assert_eq!(Account::shapes().len(), 2);
/// ```
#[macro_export]
macro_rules! message {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$inner:meta])* $variant:ident($($part:ident: $type:ty),*) = $tag:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[allow(missing_docs)]
        $vis enum $name {
            $($(#[$inner])* $variant($($type),*),)+
        }

        impl $crate::dsl::ToVal for $name {
            fn to_val(&self) -> $crate::Val {
                match self {
                    $(Self::$variant($($part),*) => $crate::Val::List(vec![
                        $crate::Val::text($tag),
                        $($crate::dsl::ToVal::to_val($part)),*
                    ]),)+
                }
            }
        }

        impl $crate::dsl::FromVal for $name {
            fn from_val(value: &$crate::Val) -> Result<Self, $crate::dsl::WrongValue> {
                let wrong = || $crate::dsl::WrongValue::new(value, concat!("a message of ", stringify!($name)));
                let $crate::Val::List(parts) = value else { return Err(wrong()) };
                let Some(($crate::Val::Text(tag), parts)) = parts.split_first() else { return Err(wrong()) };
                match (&**tag, parts) {
                    $(($tag, [$($part),*]) => Ok(Self::$variant($($crate::dsl::FromVal::from_val($part)?),*)),)+
                    _ => Err(wrong()),
                }
            }
        }

        impl $name {
            /// Shapes of all its messages.
            #[must_use]
            $vis fn shapes() -> Vec<$crate::code::MessageShape> {
                vec![$($crate::code::MessageShape {
                    tag: $tag.into(),
                    parts: vec![$(<$type as $crate::dsl::Shaped>::shape()),*],
                }),+]
            }
        }
    };
}
