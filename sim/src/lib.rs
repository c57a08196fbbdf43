//! The cluster under virtual time: the code of the agent, driven from one seed.
//!
//! Pure: no clock, no thread, no file and no random source but the seed. A [`Scenario`] says who is hit by what and when; a run
//! of it with the same seed gives the same state hash, always. What fails is told in one line that repeats it.
//!
//! Start reading at `scenario`, then `world`, then `peer`.
#![forbid(unsafe_code)]

pub mod invariants;
pub mod measure;
pub mod network;
pub mod peer;
pub mod queue;
pub mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod world;

pub use crate::scenario::{Fidelity, Problem, Problems, Scenario};
