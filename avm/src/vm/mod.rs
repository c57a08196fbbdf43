//! The machine: one [`Lane`] a torus executes programs step by step, keeps objects with versions and commits transactions
//! (`avm:7`). A lane is a value: what it does depends on its configuration, its code and its inputs in their order, and on
//! nothing else (`decisions:AVM-5`).

mod again;
mod builtin;
mod calls;
mod choose;
mod compose;
mod config;
mod convert;
mod deferred;
mod exec;
mod fast;
mod heap;
mod instr;
mod interp;
mod label;
mod lane;
mod loaded;
mod manage;
mod measure;
mod native;
mod notes;
mod order;
mod owners;
mod past;
mod pure;
mod queue;
mod quick;
mod record;
mod reflect;
pub mod remote;
mod replica;
mod saved;
mod search;
mod slow;
pub mod solo;
mod standing;
mod store;
mod strict;
mod trace;
mod transact;
mod travel;
mod tx;
mod upgrade;
mod weighing;
mod word;
mod world;

#[cfg(test)]
mod tests;

pub use compose::{Composition, Segment};
pub use config::{
    Capability, Config, Decision, Envelope, ExecutionSummary, Failure, Input, LoadError, ObjectSummary, Output,
    Quantum, Refused, StackEntry, Start, StartError, Status, Why,
};
pub use lane::{Arity, Lane};
pub use manage::{Census, Prepared};
pub use past::{Change, Changed, Decided, Sets, Waits};
pub use record::Record;
pub use saved::SavedExecution;
pub use store::Damage;
pub use strict::{ContextView, TxView};
