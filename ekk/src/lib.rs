//! Coordination without a leader, as a pure state machine: time and messages in, effects out.
//!
//! No clock, no thread, no socket, no allocation and no random source: time is an argument ([`time::Time`]), randomness a seed
//! ([`hash::Rng`]), effects leave through [`sink::Sink`] and signatures pass through [`sign::Crypto`]. Every machine in here is a
//! plain value (`Clone + PartialEq + Hash`), so that a simulator or a model checker can copy, compare and hash it
//! (`decisions:CLU-3`).
//!
//! Start reading at [`node`], which composes the machines in the order of one tick; each machine can also be driven alone.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands"))]

#[cfg(test)]
extern crate std;

pub mod bootstrap;
pub mod consensus;
pub mod field;
pub mod fixed;
pub mod hash;
pub mod heartbeat;
pub mod id;
pub mod membership;
pub mod node;
pub mod profile;
pub mod sign;
pub mod sink;
pub mod task;
pub mod time;
pub mod topology;
pub mod wire;
