//! Choices that are decided at commit: the constraint IR and who solves it (`avm:9`, `decisions:AVM-3`).

mod ir;

pub use ir::{Answer, Asserted, Choice, Expr, FdPart, Ir, Limits, Objective, Ordering, Outcome, Soft, Solver};
