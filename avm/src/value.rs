//! Values as they cross borders: program constants, messages from outside, trace entries, solver terms (`avm:2`,
//! `decisions:AVM-15`). Inside a lane values live in its heap (`vm::heap`); this owned form is what goes in and comes out.

mod read;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ControllerId, ExecutionId, MachineId, ObjectId, ROOT, TxId, VarId};

pub use read::ValError;

/// Least number.
pub const INT_MIN: i128 = i64::MIN as i128;
/// Greatest number.
pub const INT_MAX: i128 = u64::MAX as i128;

/// A value. One number kind, from -2^63 to 2^64 - 1. Equality is total and values of different kinds are unequal; order exists
/// within one kind only ([`Val::compare`]).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Val {
    /// No value; also the unit.
    Nothing,
    /// A value that is there, of an option.
    Just(Box<Val>),
    /// Truth value.
    Bool(bool),
    /// Number, [`INT_MIN`] to [`INT_MAX`].
    Int(i128),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// List.
    List(Vec<Val>),
    /// Pair.
    Pair(Box<(Val, Val)>),
    /// Record: fields ascending by name, each once.
    Record(Vec<(Arc<str>, Val)>),
    /// Reference to an object; [`ROOT`] is the root.
    Object(ObjectId),
    /// Reference to a transaction.
    Tx(TxId),
    /// Reference to an execution.
    Execution(ExecutionId),
    /// A machine.
    Machine(MachineId),
    /// A controller.
    Controller(ControllerId),
    /// A finite-domain variable.
    Var(VarId),
}

/// Kind of a value, in the order of the canonical encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// [`Val::Nothing`].
    Nothing,
    /// [`Val::Just`].
    Just,
    /// [`Val::Bool`].
    Bool,
    /// [`Val::Int`].
    Int,
    /// [`Val::Text`].
    Text,
    /// [`Val::Bytes`].
    Bytes,
    /// [`Val::List`].
    List,
    /// [`Val::Pair`].
    Pair,
    /// [`Val::Record`].
    Record,
    /// [`Val::Object`].
    Object,
    /// [`Val::Tx`].
    Tx,
    /// [`Val::Execution`].
    Execution,
    /// [`Val::Machine`].
    Machine,
    /// [`Val::Controller`].
    Controller,
    /// [`Val::Var`].
    Var,
    /// A function value: exists inside an execution only.
    Function,
}

impl Kind {
    /// The word of the language for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Just => "just",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Pair => "pair",
            Self::Record => "record",
            Self::Object => "object",
            Self::Tx => "transaction",
            Self::Execution => "execution",
            Self::Machine => "machine",
            Self::Controller => "controller",
            Self::Var => "variable",
            Self::Function => "function",
        }
    }
}

impl Val {
    /// Text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// `Just value`.
    #[must_use]
    pub fn just(value: Self) -> Self {
        Self::Just(Box::new(value))
    }

    /// Pair of two values.
    #[must_use]
    pub fn pair(first: Self, second: Self) -> Self {
        Self::Pair(Box::new((first, second)))
    }

    /// Record from fields in any order; of equal names the last wins.
    #[must_use]
    pub fn record(fields: impl IntoIterator<Item = (Arc<str>, Self)>) -> Self {
        Self::Record(fields.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect())
    }

    /// Number when in range.
    #[must_use]
    pub fn int(number: impl Into<i128>) -> Option<Self> {
        let number = number.into();
        (INT_MIN..=INT_MAX).contains(&number).then_some(Self::Int(number))
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::Nothing,
            Self::Just(_) => Kind::Just,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::List(_) => Kind::List,
            Self::Pair(_) => Kind::Pair,
            Self::Record(_) => Kind::Record,
            Self::Object(_) => Kind::Object,
            Self::Tx(_) => Kind::Tx,
            Self::Execution(_) => Kind::Execution,
            Self::Machine(_) => Kind::Machine,
            Self::Controller(_) => Kind::Controller,
            Self::Var(_) => Kind::Var,
        }
    }

    /// Order of two values of one kind: numbers numerically, texts and bytes by bytes, false before true, lists, pairs and records
    /// from the front; `None` when they, or elements that decide, are of different kinds (`avm:2`).
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => Some(Ordering::Equal),
            (Self::Just(one), Self::Just(two)) => one.compare(two),
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(two)),
            (Self::Text(one), Self::Text(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (Self::Bytes(one), Self::Bytes(two)) => Some(one.cmp(two)),
            (Self::List(one), Self::List(two)) => {
                let decided = one.iter().zip(two).map(|(a, b)| a.compare(b)).find(|o| *o != Some(Ordering::Equal));
                decided.unwrap_or_else(|| Some(one.len().cmp(&two.len())))
            }
            (Self::Pair(one), Self::Pair(two)) => match one.0.compare(&two.0) {
                Some(Ordering::Equal) => one.1.compare(&two.1),
                decided => decided,
            },
            (Self::Record(one), Self::Record(two)) => {
                let pairs = one.iter().zip(two).map(|(a, b)| match a.0.cmp(&b.0) {
                    Ordering::Equal => a.1.compare(&b.1),
                    decided => Some(decided),
                });
                pairs
                    .into_iter()
                    .find(|o| *o != Some(Ordering::Equal))
                    .unwrap_or_else(|| Some(one.len().cmp(&two.len())))
            }
            (Self::Object(one), Self::Object(two)) => Some(one.cmp(two)),
            (Self::Tx(one), Self::Tx(two)) => Some(one.cmp(two)),
            (Self::Execution(one), Self::Execution(two)) => Some(one.cmp(two)),
            (Self::Machine(one), Self::Machine(two)) | (Self::Controller(one), Self::Controller(two)) => {
                Some(one.cmp(two))
            }
            (Self::Var(one), Self::Var(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }
}

impl From<i64> for Val {
    fn from(number: i64) -> Self {
        Self::Int(i128::from(number))
    }
}

impl From<bool> for Val {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Vec<Val>> for Val {
    fn from(values: Vec<Val>) -> Self {
        Self::List(values)
    }
}

impl fmt::Debug for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Val {
    /// As the language writes it: `["deposit", 5]`, `{a: 1}`, `(1, 2)`, `just 3`, `nothing`, `o7`, `root`, `@m1`, `%c1`, `v1`, `0x0aff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Just(value) => write!(f, "just {value}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{:?}", &**text),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
            Self::Pair(both) => write!(f, "({}, {})", both.0, both.1),
            Self::Record(fields) => {
                f.write_str("{")?;
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name}: {value}")?;
                }
                f.write_str("}")
            }
            Self::Object(id) if *id == ROOT => f.write_str("root"),
            Self::Object(id) => write!(f, "{id}"),
            Self::Tx(id) => write!(f, "{id}"),
            Self::Execution(id) => write!(f, "{id}"),
            Self::Machine(name) => write!(f, "@{name}"),
            Self::Controller(name) => write!(f, "%{name}"),
            Self::Var(var) => write!(f, "v{}", var.0),
        }
    }
}
