//! What a store may hold, and why it refuses.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::VarId;

/// Variables whose domains changed, ascending.
pub type Changes = Vec<VarId>;

/// What a store may hold. Each bound is a count; reaching one is [`Refusal::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Variables at a time.
    pub variables: u32,
    /// Values of all domains together, as they were made.
    pub values: u32,
    /// Constraints at a time.
    pub constraints: u32,
    /// Combinations refuted, those that were forgotten in an open transaction among them.
    pub refutations: u32,
    /// Bits that the constraints may write out together (supports of tables, relations and numberings of values that are not runs of
    /// numbers).
    pub cells: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { variables: 1 << 16, values: 1 << 22, constraints: 1 << 20, refutations: 1 << 20, cells: 1 << 28 }
    }
}

/// The bound that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Limit {
    /// [`Limits::variables`].
    #[error("too many finite-domain variables")]
    Variables,
    /// [`Limits::values`].
    #[error("too many values in finite domains")]
    Values,
    /// [`Limits::constraints`].
    #[error("too many constraints")]
    Constraints,
    /// [`Limits::refutations`].
    #[error("too many refuted combinations")]
    Refutations,
    /// [`Limits::cells`].
    #[error("the constraints are too large to be written out")]
    Cells,
    /// A sum whose parts could leave 127 bits.
    #[error("the sum is too large for exact arithmetic")]
    Arithmetic,
}

/// A domain would become empty; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inconsistent {
    /// Position of the constraint that found it, as in [`super::Store::constraints`]; one past the last for the constraint that was
    /// being posted; `None` when a narrowing or assignment left nothing by itself.
    pub constraint: Option<u32>,
}

/// Why an operation did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// A domain would become empty: `false` to the program.
    #[error("inconsistent")]
    Inconsistent(Inconsistent),
    /// The variable never was, or its transaction has ended: `ErrUnknownVar`.
    #[error("variable v{} does not exist", .0.0)]
    UnknownVar(VarId),
    /// A variable without a value: `ErrEmptyDomain`.
    #[error("a domain needs a value")]
    EmptyDomain,
    /// A bound of the store: `ErrProgramMemory`, or `ErrProgramArithmetic` for [`Limit::Arithmetic`].
    #[error("{0}")]
    Limit(Limit),
    /// A constraint that cannot be understood: `ErrProgramType`. Says what was expected.
    #[error("{0}")]
    Malformed(String),
}
