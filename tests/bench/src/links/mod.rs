//! Ways for two processes to pass payloads: ours, the physical limit, and a peer.

#[cfg(feature = "iceoryx2")]
pub mod iceoryx;
pub mod ours;
pub mod raw;

use std::sync::atomic::AtomicU64;

/// One direction of a link, as seen by the side that sends.
pub trait Send {
    /// Sends the payload; waits while a stream is full.
    fn send(&mut self, payload: &[u64]);
}

/// One direction of a link, as seen by the side that receives.
pub trait Recv {
    /// Takes the next (or newest) payload into `out`; false when there is nothing new.
    fn recv(&mut self, out: &mut [u64]) -> bool;
}

/// Words of shared memory cut into two directions of equal size.
pub fn halves(words: &[AtomicU64]) -> (&[AtomicU64], &[AtomicU64]) {
    words.split_at(words.len() / 2)
}

/// Records of a stream link: 64 stay in L2 (transport-figures section 7).
pub const RECORDS: usize = 64;
