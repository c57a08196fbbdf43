//! What the whole-system tests stand on: the rules of the house as code ([`tidy`]), one entry for each parser of hostile bytes
//! ([`fuzz`]), and a harness that drives the real binary ([`harness`]).
//!
//! The crate is for tests alone; nothing of the product depends on it. It holds no `unsafe`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "test support: a failed assumption must stop the test where it stands")]

pub mod fuzz;
pub mod harness;
pub mod mutate;
pub mod seeds;
pub mod tidy;
