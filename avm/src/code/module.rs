//! A module: what one source file compiles to, and what a node loads.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Op;
use crate::value::{Kind, Val};

/// A compiled program. Anything may stand in it until the verifier has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Module {
    /// Name; behaviours and functions are known as `module.name`.
    pub name: Arc<str>,
    /// Names of source files, for messages.
    pub files: Vec<Arc<str>>,
    /// Whether the source says `unsafe`: it may hold unsafe instructions, and runs only where the node grants it.
    pub needs_unsafe: bool,
    /// Constants of all functions.
    pub constants: Vec<Val>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Behaviours of objects.
    pub behaviours: Vec<Behaviour>,
    /// Pure functions registered when the module is loaded, at version 0.
    pub pures: Vec<PureFunction>,
    /// Functions that can be started from outside; `main` is the one `run` starts.
    pub entries: Vec<Entry>,
    /// Functions that `trefoil avm test` runs.
    pub tests: Vec<Entry>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Function {
    /// Name, for messages.
    pub name: Arc<str>,
    /// Parameters; they arrive in the registers 0 to arity - 1.
    pub arity: u8,
    /// Registers it uses, arity included; at most 255.
    pub registers: u8,
    /// Its code; the last operation never falls through.
    pub code: Vec<Op>,
    /// Where each operation stands in the source; as long as `code`, or empty.
    pub places: Vec<Place>,
    /// Uses machine instructions, itself or by what it invokes: its execution is not moved by the balancer (`decisions:AVM-6`).
    pub pinned: bool,
}

/// A place in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Place {
    /// Index into [`Module::files`].
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u16,
}

/// What an object does with a message: function `function`, without parameters, returns the list of outputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Behaviour {
    /// Name inside the module.
    pub name: Arc<str>,
    /// Its function.
    pub function: u16,
    /// Messages it takes; `None`: any. Others are refused with `ErrInvalidInput`.
    pub messages: Option<Vec<MessageShape>>,
}

/// Form of a message `[tag, part, ...]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageShape {
    /// First element, a text.
    pub tag: Arc<str>,
    /// The others.
    pub parts: Vec<Shape>,
}

/// Form of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// Anything.
    Any,
    /// A kind.
    Is(Kind),
    /// `nothing`, or just of a form.
    Option(Box<Shape>),
    /// A list of one form.
    List(Box<Shape>),
    /// A pair.
    Pair(Box<(Shape, Shape)>),
}

/// A pure function that a module brings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PureFunction {
    /// Name it is registered under.
    pub name: Arc<str>,
    /// Its function; holds no instruction.
    pub function: u16,
}

/// A function that can be started.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Name.
    pub name: Arc<str>,
    /// Its function.
    pub function: u16,
}

impl Shape {
    /// Whether a value has this form.
    #[must_use]
    pub fn fits(&self, value: &Val) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Is(kind), value) => *kind == value.kind(),
            (Self::Option(_), Val::Nothing) => true,
            (Self::Option(inner), Val::Just(value)) => inner.fits(value),
            (Self::List(inner), Val::List(values)) => values.iter().all(|value| inner.fits(value)),
            (Self::Pair(inner), Val::Pair(both)) => inner.0.fits(&both.0) && inner.1.fits(&both.1),
            _ => false,
        }
    }
}
