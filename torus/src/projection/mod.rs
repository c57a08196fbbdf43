//! Projections: the fixed-size summary a torus publishes of itself.
//!
//! Two profiles exist and never share an identifier (`rse:P1`): [`native`] is what tori of this project exchange, [`seed_v1`]
//! is the byte-exact form of the seed, kept for its vectors and for standing in a region beside seed-compatible peers.

pub mod native;
pub mod seed_v1;

#[cfg(test)]
mod native_tests;
