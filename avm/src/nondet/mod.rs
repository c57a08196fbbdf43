//! Choices that are decided at commit: the constraint IR and who solves it (`avm:9`, `decisions:AVM-3`).

mod bounds;
pub mod builtin;
mod check;
mod core;
mod eval;
mod explorer;
mod expr;
mod flat;
mod fuzz;
mod ground;
mod ir;
pub mod json;
pub mod smtlib;
#[cfg(feature = "z3")]
pub mod z3;

pub use check::IrError;
pub use explorer::{Explorer, MAX_RUNS, MOST_BESIDE, Next, Run, Verdict};
pub use fuzz::{fuzz_json, fuzz_smtlib};
pub use ir::{Answer, Asserted, Choice, Expr, FdPart, Ir, Limits, Objective, Ordering, Outcome, Soft, Solver};

#[cfg(test)]
pub(crate) mod tests;
