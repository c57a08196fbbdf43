//! The AVM: a transactional object machine. Programs in a small language become verified bytecode; a lane (one a torus) executes
//! them step by step, keeps objects with versions, commits transactions, propagates finite domains at call time and has choices
//! solved at commit.
//!
//! Pure: every function here takes inputs and returns outputs. No clock, thread, socket, file or random source; the agent, the
//! command line, the tests and the fuzzer run the same code.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands"))]

pub mod code;
pub mod dsl;
pub mod error;
pub mod event;
pub mod fd;
mod fixed;
pub mod fuzz;
pub mod id;
pub mod lang;
pub mod nondet;
pub mod trace;
pub mod value;
pub mod vm;

pub use error::AvmError;
pub use event::{Event, LogEntry};
pub use value::Val;
