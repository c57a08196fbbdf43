//! Hashing of state: what counts is hashed, counters and key material are not.

use std::hash::{Hash, Hasher};

/// FNV-1a, 64 bit: small, and the same on every machine and in every run.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(14_695_981_039_346_656_037)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
        }
    }
}

/// A value that is no part of the state: counters, and keys, which have no bytes to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Apart<T>(pub(crate) T);

impl<T> Hash for Apart<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
