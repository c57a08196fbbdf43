//! The wheel: [`SPAN`] buckets of one time each, items in chunks, an occupancy bitmap.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Item;
use crate::Event;
use crate::memory::{Carver, TooSmall, slice_bytes};

/// Times the wheel covers, from the current one on. A power of two, so that a bucket is found by a mask.
pub(super) const SPAN: u64 = 1024;
/// Items per chunk: four cache lines.
pub(super) const CHUNK: usize = 16;

const BUCKETS: usize = SPAN as usize;
const WORDS: usize = BUCKETS / 64;
/// End of a chain of chunks.
const NONE: u32 = u32::MAX;

const _: () = assert!(SPAN.is_power_of_two() && WORDS <= 64 && CHUNK.is_power_of_two());

#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Bucket {
    /// First chunk.
    head: u32,
    /// Where the next item goes in the item pool; a multiple of [`CHUNK`] asks for a new chunk.
    at: u32,
    /// Items in the bucket.
    count: u32,
    /// The items are in ascending order if this equals `count` ([`Wheel::take_greatest`] sorts and notes it; pushing outgrows it).
    sorted: u32,
}

const EMPTY: Bucket = Bucket { head: NONE, at: 0, count: 0, sorted: 0 };

/// Chunks for `events` items however they spread: every bucket may end in a chunk of one item.
const fn chunks(events: u32) -> usize {
    (events as usize + BUCKETS * (CHUNK - 1)).div_ceil(CHUNK)
}

pub(super) const fn bytes(events: u32) -> usize {
    slice_bytes(BUCKETS, size_of::<Bucket>())
        + slice_bytes(chunks(events) * CHUNK, size_of::<Item>())
        + slice_bytes(chunks(events), size_of::<u32>())
}

#[derive(Debug)]
pub(super) struct Wheel<'m> {
    buckets: &'m mut [Bucket; BUCKETS],
    items: &'m mut [Item],
    /// Next chunk of the same bucket, or of the free list.
    chain: &'m mut [u32],
    free: u32,
    /// Bit b of word w: bucket 64 w + b holds items.
    occupied: [u64; WORDS],
    /// Bit w: word w of `occupied` is not zero.
    summary: u64,
}

impl<'m> Wheel<'m> {
    pub(super) fn new(events: u32, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let buckets: &mut [Bucket] = carver.take(BUCKETS)?;
        let items = carver.take(chunks(events) * CHUNK)?;
        let chain: &mut [u32] = carver.take(chunks(events))?;
        for (chunk, next) in chain.iter_mut().enumerate() {
            *next = chunk as u32 + 1;
        }
        if let Some(last) = chain.last_mut() {
            *last = NONE;
        }
        let wanted = bytes(events);
        let buckets: &mut [Bucket; BUCKETS] = buckets.try_into().map_err(|_| TooSmall { wanted, left: 0 })?;
        buckets.fill(EMPTY);
        Ok(Self { buckets, items, chain, free: 0, occupied: [0; WORDS], summary: 0 })
    }

    #[inline]
    const fn index(time: u64) -> usize {
        (time % SPAN) as usize
    }

    #[inline]
    pub(super) fn push(&mut self, time: u64, item: Item) {
        let index = Self::index(time);
        let bucket = &mut self.buckets[index];
        let mut at = bucket.at as usize;
        if at.is_multiple_of(CHUNK) {
            let chunk = self.free as usize;
            self.free = self.chain[chunk];
            self.chain[chunk] = NONE;
            if bucket.count == 0 {
                bucket.head = chunk as u32;
                self.occupied[index / 64] |= 1 << (index % 64);
                self.summary |= 1 << (index / 64);
            } else {
                self.chain[(at - 1) / CHUNK] = chunk as u32;
            }
            at = chunk * CHUNK;
        }
        self.items[at] = item;
        bucket.at = at as u32 + 1;
        bucket.count += 1;
    }

    #[inline]
    pub(super) fn holds(&self, time: u64) -> bool {
        self.buckets[Self::index(time)].count > 0
    }

    /// Time of the first occupied bucket at or after `now`, of the [`SPAN`] times from `now` on.
    #[inline]
    pub(super) fn next_time(&self, now: u64) -> Option<u64> {
        if self.summary == 0 {
            return None;
        }
        let start = Self::index(now);
        let (word, bit) = (start / 64, start % 64);
        let here = self.occupied[word] >> bit;
        if here != 0 {
            return Some(now + u64::from(here.trailing_zeros()));
        }
        // Later words first; then those before, where the wheel has wrapped; the lower part of the start word comes last.
        let later = self.summary & (u64::MAX << 1 << word);
        let from = if later != 0 { later } else { self.summary };
        let word = from.trailing_zeros() as usize;
        let index = word * 64 + self.occupied[word].trailing_zeros() as usize;
        Some(now + (index as u64).wrapping_sub(start as u64) % SPAN)
    }

    /// Time of the last occupied bucket of the [`SPAN`] times from `now` on.
    pub(super) fn last_time(&self, now: u64) -> Option<u64> {
        if self.summary == 0 {
            return None;
        }
        let start = Self::index(now);
        let (word, bit) = (start / 64, start % 64);
        let highest = |word: usize, bits: u64| word * 64 + 63 - bits.leading_zeros() as usize;
        // The last time lies before the start where the wheel has wrapped; else it is the highest bucket of all.
        let below = self.occupied[word] & ((1 << bit) - 1);
        let earlier = self.summary & ((1 << word) - 1);
        let index = if below != 0 {
            highest(word, below)
        } else if earlier != 0 {
            let word = 63 - earlier.leading_zeros() as usize;
            highest(word, self.occupied[word])
        } else {
            let word = 63 - self.summary.leading_zeros() as usize;
            highest(word, self.occupied[word])
        };
        Some(now + (index as u64).wrapping_sub(start as u64) % SPAN)
    }

    /// Moves the items of `time` behind `out[..from]` in the order they were pushed; returns the end.
    #[inline]
    pub(super) fn drain(&mut self, time: u64, out: &mut [Item], from: usize) -> usize {
        let index = Self::index(time);
        let bucket = std::mem::replace(&mut self.buckets[index], EMPTY);
        if bucket.count == 0 {
            return from;
        }
        self.vacate(index);
        let end = from + bucket.count as usize;
        let mut to = from;
        let mut chunk = bucket.head as usize;
        loop {
            let take = (end - to).min(CHUNK);
            out[to..to + take].copy_from_slice(&self.items[chunk * CHUNK..chunk * CHUNK + take]);
            to += take;
            let next = self.chain[chunk];
            self.chain[chunk] = self.free;
            self.free = chunk as u32;
            if to == end {
                return end;
            }
            chunk = next as usize;
        }
    }

    /// Takes the greatest item of `time`. The bucket is sorted once, so that taking many costs little more than taking one (and the
    /// gathering later finds one sorted run).
    pub(super) fn take_greatest(&mut self, time: u64, scratch: &mut [Item]) -> Option<Item> {
        let index = Self::index(time);
        if self.buckets[index].sorted != self.buckets[index].count {
            let count = self.drain(time, scratch, 0);
            let items = &mut scratch[..count];
            if !items.is_sorted() {
                items.sort_unstable();
            }
            items.iter().for_each(|&item| self.push(time, item));
            self.buckets[index].sorted = count as u32;
        }
        let bucket = &mut self.buckets[index];
        let last = (bucket.at as usize).checked_sub(1)?;
        let item = self.items[last];
        bucket.count -= 1;
        bucket.sorted = bucket.count;
        bucket.at = last as u32;
        if last.is_multiple_of(CHUNK) {
            self.drop_last_chunk(index, last / CHUNK);
        }
        Some(item)
    }

    /// Frees the last, now empty, chunk of a bucket.
    fn drop_last_chunk(&mut self, index: usize, chunk: usize) {
        let bucket = &mut self.buckets[index];
        if bucket.count == 0 {
            *bucket = EMPTY;
            self.vacate(index);
        } else {
            let mut before = bucket.head as usize;
            while self.chain[before] != chunk as u32 {
                before = self.chain[before] as usize;
            }
            self.chain[before] = NONE;
            bucket.at = ((before + 1) * CHUNK) as u32;
        }
        self.chain[chunk] = self.free;
        self.free = chunk as u32;
    }

    #[inline]
    fn vacate(&mut self, index: usize) {
        self.occupied[index / 64] &= !(1 << (index % 64));
        if self.occupied[index / 64] == 0 {
            self.summary &= !(1 << (index / 64));
        }
    }

    pub(super) fn scan(&self, now: u64, see: &mut impl FnMut(Event)) {
        for ahead in 0..SPAN {
            // Near the end of time the buckets past it are empty.
            let Some(time) = now.checked_add(ahead) else { return };
            let bucket = &self.buckets[Self::index(time)];
            let (mut left, mut chunk) = (bucket.count as usize, bucket.head as usize);
            while left > 0 {
                let take = left.min(CHUNK);
                self.items[chunk * CHUNK..chunk * CHUNK + take].iter().for_each(|item| see(item.at(time)));
                left -= take;
                chunk = self.chain[chunk] as usize;
            }
        }
    }
}
