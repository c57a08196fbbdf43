//! Choices that are decided at commit: the constraint IR and who solves it (`avm:9`, `decisions:AVM-3`).

mod bounds;
mod eval;
mod explorer;
mod expr;
mod flat;
mod ground;
mod ir;

pub use explorer::{Explorer, MAX_RUNS, Next, Run, Verdict};
pub use ir::{Answer, Asserted, Choice, Expr, FdPart, Ir, Limits, Objective, Ordering, Outcome, Soft, Solver};

#[cfg(test)]
mod tests;
