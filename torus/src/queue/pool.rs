//! Items in chunks, shared by the buckets of both wheels.

use super::Item;
use crate::memory::{Carver, TooSmall, slice_bytes};

/// Items per chunk: four cache lines.
pub(super) const CHUNK: usize = 16;
/// End of a chain of chunks.
pub(super) const NONE: u32 = u32::MAX;

const _: () = assert!(CHUNK.is_power_of_two());

/// Chunks for `events` items however they spread: every bucket may end in a chunk of one item.
const fn chunks(events: u32, buckets: usize) -> usize {
    (events as usize + buckets * (CHUNK - 1)).div_ceil(CHUNK)
}

pub(super) const fn bytes(events: u32, buckets: usize) -> usize {
    let chunks = chunks(events, buckets);
    slice_bytes(chunks * CHUNK, size_of::<Item>()) + slice_bytes(chunks, size_of::<u32>())
}

#[derive(Debug)]
pub(super) struct Pool<'m> {
    pub(super) items: &'m mut [Item],
    /// Next chunk of the same bucket, or of the free list.
    chain: &'m mut [u32],
    free: u32,
}

impl<'m> Pool<'m> {
    pub(super) fn new(events: u32, buckets: usize, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let chunks = chunks(events, buckets);
        let items = carver.take(chunks * CHUNK)?;
        let chain: &mut [u32] = carver.take(chunks)?;
        for (chunk, next) in chain.iter_mut().enumerate() {
            *next = chunk as u32 + 1;
        }
        if let Some(last) = chain.last_mut() {
            *last = NONE;
        }
        Ok(Self { items, chain, free: 0 })
    }

    /// Takes the chunk that was freed last (it is the warmest); there is one, by the count of [`chunks`].
    #[inline]
    pub(super) fn take(&mut self) -> usize {
        let chunk = self.free as usize;
        self.free = self.chain[chunk];
        chunk
    }

    /// Gives a chunk back; returns the one that followed it in its chain.
    #[inline]
    pub(super) fn give(&mut self, chunk: usize) -> u32 {
        let next = std::mem::replace(&mut self.chain[chunk], self.free);
        self.free = chunk as u32;
        next
    }

    #[inline]
    pub(super) fn link(&mut self, chunk: usize, next: u32) {
        self.chain[chunk] = next;
    }

    #[inline]
    pub(super) fn after(&self, chunk: usize) -> u32 {
        self.chain[chunk]
    }
}
