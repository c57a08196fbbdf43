//! The command line.
pub mod units;
