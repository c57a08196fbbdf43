//! Identities: distinct types, never reused (`avm:2`, `decisions:AVM-14`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bits of the counter in an id; above them 8 bits of torus and 16 bits of node (`decisions:AVM-14`).
pub const COUNTER_BITS: u32 = 40;

macro_rules! wide_id {
    ($name:ident, $letter:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl $name {
            /// Puts an id together from node, torus and counter; the counter is cut to 40 bits.
            #[must_use]
            pub const fn new(node: u16, torus: u8, counter: u64) -> Self {
                Self((node as u64) << 48 | (torus as u64) << COUNTER_BITS | counter & ((1 << COUNTER_BITS) - 1))
            }

            /// Node that made it.
            #[must_use]
            pub const fn node(self) -> u16 {
                (self.0 >> 48) as u16
            }

            /// Torus that made it.
            #[must_use]
            pub const fn torus(self) -> u8 {
                (self.0 >> COUNTER_BITS) as u8
            }

            /// Counter of its maker.
            #[must_use]
            pub const fn counter(self) -> u64 {
                self.0 & ((1 << COUNTER_BITS) - 1)
            }
        }

        impl fmt::Display for $name {
            /// `o7` on node 0 torus 0, `o2.1.7` elsewhere (node, torus, counter), `root` for what stands for it.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if $letter == "o" && self.0 == u64::MAX {
                    f.write_str("root")
                } else if self.node() == 0 && self.torus() == 0 {
                    write!(f, "{}{}", $letter, self.counter())
                } else {
                    write!(f, "{}{}.{}.{}", $letter, self.node(), self.torus(), self.counter())
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if $letter == "o" && text == "root" {
                    return Ok(Self(u64::MAX));
                }
                let wrong = || IdError { text: text.to_owned(), letter: $letter };
                let numbers: Vec<&str> = text.strip_prefix($letter).ok_or_else(wrong)?.split('.').collect();
                let number = |part: &str, most: u64| part.parse::<u64>().ok().filter(|n| *n <= most).ok_or_else(wrong);
                match numbers[..] {
                    [counter] => Ok(Self::new(0, 0, number(counter, (1 << COUNTER_BITS) - 1)?)),
                    [node, torus, counter] => Ok(Self::new(
                        number(node, u64::from(u16::MAX))? as u16,
                        number(torus, u64::from(u8::MAX))? as u8,
                        number(counter, (1 << COUNTER_BITS) - 1)?,
                    )),
                    _ => Err(wrong()),
                }
            }
        }

        impl Serialize for $name {
            /// As text: prefixed ids exceed 2^53 (`avm:2`).
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_u64(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    u64::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an id: expected {letter}COUNTER or {letter}NODE.TORUS.COUNTER, for example {letter}7")]
pub struct IdError {
    /// What was given.
    pub text: String,
    /// Letter that starts such an id.
    pub letter: &'static str,
}

wide_id!(ObjectId, "o", "An object. Shown as `o7`.");
wide_id!(TxId, "t", "A transaction. Shown as `t3`.");
wide_id!(ExecutionId, "x", "An execution. Shown as `x2`.");

/// The reserved pseudo-object of code that runs outside every object; never in the store (`avm:2`).
pub const ROOT: ObjectId = ObjectId(u64::MAX);

/// A finite-domain variable of one execution; counts from 1 (`avm:8.1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VarId(pub u32);

/// A `choose` of one transaction, in order of execution from 0 (`avm:9.1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChoiceId(pub u32);

/// Name of a machine or of a controller: short text, shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub Arc<str>);

impl Name {
    /// Makes a name.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Name of a machine (`avm:1`).
pub type MachineId = Name;
/// Name of a controller (`avm:1`).
pub type ControllerId = Name;
