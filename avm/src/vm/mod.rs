//! The machine: one [`Lane`] a torus executes programs step by step, keeps objects with versions and commits transactions
//! (`avm:7`). A lane is a value: what it does depends on its configuration, its code and its inputs in their order, and on
//! nothing else (`decisions:AVM-5`).

mod config;
mod lane;

pub use config::{
    Config, Decision, Envelope, ExecutionSummary, Failure, Input, LoadError, ObjectSummary, Output, Quantum, Refused,
    StackEntry, Start, StartError, Status, Why,
};
pub use lane::{Lane, Verified};
