//! What is asked of a solver at commit (`avm:9.4`), as plain data.
//! Names every choice and requirement of a run (`avm:R1`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::code::Place;
use crate::fd::Constraint;
use crate::id::{ChoiceId, ObjectId, VarId};
use crate::value::Val;

/// A question: choices, what must hold, what should hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Ir {
    /// Choices in order of execution.
    pub choices: Vec<Choice>,
    /// Conditions on which this path depends, in order of execution: every one must hold.
    pub path: Vec<Expr>,
    /// What the program required, in order of execution.
    pub requires: Vec<Asserted>,
    /// What the program prefers.
    pub prefers: Vec<Soft>,
    /// Variables, constraints and refutations that stand in assertions.
    pub fd: FdPart,
    /// Orders of calls that were required, as the run has made them. Each is decided as one of `requires` ([`Expr::before`]): which
    /// calls are meant may depend on what is chosen.
    pub msc: Vec<Ordering>,
    /// What is best.
    pub objective: Objective,
}

/// One `choose`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Which: equals its position.
    pub id: ChoiceId,
    /// Alternatives, preferred first; at least one.
    pub options: Vec<Val>,
    /// Weights, as many as alternatives; without: zero each.
    pub weights: Option<Vec<i64>>,
    /// Where it stands in the program.
    pub place: Option<(Arc<str>, Place)>,
}

/// One `require`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asserted {
    /// The condition: a truth value.
    pub expr: Expr,
    /// Its name in the program.
    pub name: Option<Arc<str>>,
    /// Where it stands: file and place.
    pub place: Option<(Arc<str>, Place)>,
}

/// A soft requirement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Soft {
    /// The condition.
    pub expr: Expr,
    /// What it is worth; positive.
    pub weight: i64,
}

/// Finite-domain part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FdPart {
    /// Variables with what is left of their domains, ascending by id.
    pub vars: Vec<(VarId, Vec<Val>)>,
    /// Posted constraints, in the order in which they were posted.
    pub constraints: Vec<Constraint>,
    /// Where each constraint was posted: file and place. Shorter than the constraints where that is not known.
    pub places: Vec<Option<(Arc<str>, Place)>>,
    /// Combinations that are refuted.
    pub refutations: Vec<Vec<(VarId, Val)>>,
}

/// What is best among what is possible. Every order ends with: least choice indices in order of execution, then variables by the
/// order of their domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Objective {
    /// Only that.
    #[default]
    LexFirst,
    /// First the greatest sum of soft weights that hold, then the greatest sum of choice weights.
    MaxWeight,
}

/// Order between two calls of a transaction, as their entries in the trace are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ordering {
    /// Both are made, and the first call on the one object with the one message comes before that of the other.
    Before((ObjectId, Val), (ObjectId, Val)),
}

/// An expression over choices and variables. Where a partial operation is undefined (overflow, division by zero, kinds that do not
/// go together) the expression is undefined, and a condition that is undefined does not hold (`decisions:AVM-4`).
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Expr {
    Const(Val),
    Choice(ChoiceId),
    Fd(VarId),
    Add(Arc<Expr>, Arc<Expr>),
    Sub(Arc<Expr>, Arc<Expr>),
    Mul(Arc<Expr>, Arc<Expr>),
    /// Towards minus infinity.
    Div(Arc<Expr>, Arc<Expr>),
    Mod(Arc<Expr>, Arc<Expr>),
    Neg(Arc<Expr>),
    /// Total.
    Eq(Arc<Expr>, Arc<Expr>),
    Neq(Arc<Expr>, Arc<Expr>),
    Lt(Arc<Expr>, Arc<Expr>),
    Leq(Arc<Expr>, Arc<Expr>),
    Gt(Arc<Expr>, Arc<Expr>),
    Geq(Arc<Expr>, Arc<Expr>),
    And(Arc<Expr>, Arc<Expr>),
    Or(Arc<Expr>, Arc<Expr>),
    Not(Arc<Expr>),
    Ite(Arc<Expr>, Arc<Expr>, Arc<Expr>),
    /// The value is one of these.
    In(Arc<Expr>, Vec<Val>),
    AllDiff(Vec<Expr>),
    /// The options picked by the choices are one of the rows (an assertion known only as a truth value per run).
    Table(Vec<ChoiceId>, Vec<Vec<Val>>),
    /// The expression is defined.
    Defined(Arc<Expr>),
}

/// What solving may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Steps of the built-in search; the resource limit of Z3 is derived from it. Deterministic.
    pub steps: u64,
    /// Most nodes of expressions, options and domain values in a question.
    pub nodes: u32,
    /// Most memory, bytes, where the solver can hold it.
    pub memory_bytes: u64,
    /// Longest core that is made smaller one by one.
    pub core: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 50_000_000, nodes: 200_000, memory_bytes: 1 << 30, core: 64 }
    }
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The best resolution.
    Sat(Answer),
    /// None; a canonical core: indices into [`Ir::requires`], by deletion in program order (`decisions:AVM-10`), and from the number
    /// of requirements on into the constraints of [`Ir::fd`], by deletion in the order in which they were posted. Empty when the
    /// path and the domains alone exclude everything.
    Unsat(Vec<u32>),
    /// Not decided, with the reason: an error of its own, never "no".
    Unknown(String),
}

/// The best resolution.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Option index of each choice.
    pub choices: Vec<u32>,
    /// Value of each variable.
    pub vars: BTreeMap<VarId, Val>,
}

/// Who answers. Answers are canonical: every implementation gives the same `Sat` for the same question.
pub trait Solver {
    /// Answers one question.
    fn solve(&mut self, ir: &Ir, limits: &Limits) -> Outcome;
}
