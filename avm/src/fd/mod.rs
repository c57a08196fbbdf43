//! Finite domains: variables over ordered finite domains, constraints that propagate when posted, search (`avm:8`).

mod constraint;

pub use constraint::Constraint;
