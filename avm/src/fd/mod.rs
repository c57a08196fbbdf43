//! Finite domains: variables over ordered finite domains, constraints that propagate when posted, refutations, search (`avm:8`).
//!
//! # Strength
//! After every operation the domains are the common fixpoint of generalised arc consistency of each constraint by itself
//! (`avm:8.2`), and of bounds consistency of each sum. That fixpoint is unique, so nothing here depends on the order of
//! propagation. Values of different kinds differ and cannot be compared: equality and order are false between them, difference is
//! true. With an offset (`x != y + k` and its like) only numbers can be added to: a value that is no number equals no sum, is not
//! below it, and differs from it. Sums of offsets are exact: they never overflow.
//!
//! # Cost
//! Bits of a domain are words of one flat list; every change goes on one trail, with its cause. Undoing costs what was changed.
//! Searching allocates nothing once the trail has grown.

mod constraint;
mod domains;
mod encode;
mod engine;
mod explain;
mod fuzz;
mod label;
mod limits;
mod part;
mod prop;
mod refute;
mod saved;
pub mod search;
mod store;
mod universe;

#[cfg(test)]
mod tests;

pub use constraint::Constraint;
pub use explain::{Attempt, Explanation};
pub use fuzz::fuzz_operations;
pub use label::Label;
pub use limits::{Changes, Inconsistent, Limit, Limits, Refusal};
pub use part::Part;
pub use saved::Saved;
pub use store::{Mark, Store};
