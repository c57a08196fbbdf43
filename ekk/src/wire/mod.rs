//! What travels: `v0` is byte-compatible with the seed, `v1` is what nodes of this build speak.

pub mod v0;
pub mod v1;
