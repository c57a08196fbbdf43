//! A wheel: [`BUCKETS`] buckets of one slot each (a slot is a time, or a block of times), and an occupancy bitmap.
//!
//! The slots in a wheel lie within [`BUCKETS`] of the `from` the caller names, so a bucket stands for one slot at a time.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Item;
use super::pool::{CHUNK, NONE, Pool};
use crate::memory::{Carver, TooSmall, slice_bytes};

/// Buckets of a wheel. A power of two, so that a bucket is found by a mask.
pub(super) const BUCKETS: usize = 1024;
const WORDS: usize = BUCKETS / 64;

const _: () = assert!(BUCKETS.is_power_of_two() && WORDS <= 64);

/// Items that lie in the bucket itself: with its four numbers they fill a cache line, so that a bucket of few items is one line
/// to fill and one to empty.
pub(super) const INLINE: usize = 3;

#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Bucket {
    /// The items pushed first.
    items: [Item; INLINE],
    /// First chunk of the others.
    head: u32,
    /// Where the next of the others goes in the item pool; a multiple of [`CHUNK`] asks for a new chunk.
    at: u32,
    /// Items in the bucket.
    count: u32,
    /// The items are in ascending order if this equals `count` ([`Wheel::take_greatest`] sorts and notes it; pushing outgrows it).
    sorted: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// Forgets the items.
    #[inline]
    const fn clear(&mut self) {
        (self.head, self.at, self.count, self.sorted) = (NONE, 0, 0, 0);
    }

    /// Puts an item behind those that lie here; `count` counts it already.
    #[inline(never)]
    fn push_to_chunks(&mut self, pool: &mut Pool<'_>, item: Item) {
        let mut at = self.at as usize;
        if at.is_multiple_of(CHUNK) {
            let chunk = pool.take();
            if self.count as usize == INLINE + 1 {
                self.head = chunk as u32;
            } else {
                pool.link((at - 1) / CHUNK, chunk as u32);
            }
            at = chunk * CHUNK;
        }
        pool.items[at] = item;
        self.at = at as u32 + 1;
    }
}

pub(super) const fn bytes() -> usize {
    slice_bytes(BUCKETS, size_of::<Bucket>())
}

#[derive(Debug)]
pub(super) struct Wheel<'m> {
    buckets: &'m mut [Bucket; BUCKETS],
    /// Bit b of word w: bucket 64 w + b holds items.
    occupied: [u64; WORDS],
    /// Bit w: word w of `occupied` is not zero.
    summary: u64,
}

impl<'m> Wheel<'m> {
    pub(super) fn new(carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let buckets: &mut [Bucket] = carver.take(BUCKETS)?;
        let buckets: &mut [Bucket; BUCKETS] = buckets.try_into().map_err(|_| TooSmall { wanted: bytes(), left: 0 })?;
        buckets.iter_mut().for_each(Bucket::clear);
        Ok(Self { buckets, occupied: [0; WORDS], summary: 0 })
    }

    #[inline]
    const fn index(slot: u64) -> usize {
        (slot % BUCKETS as u64) as usize
    }

    #[inline(always)]
    pub(super) fn push(&mut self, pool: &mut Pool<'_>, slot: u64, item: Item) {
        let index = Self::index(slot);
        let bucket = &mut self.buckets[index];
        let count = bucket.count as usize;
        bucket.count += 1;
        if count < INLINE {
            bucket.items[count] = item;
            self.occupied[index / 64] |= 1 << (index % 64);
            self.summary |= 1 << (index / 64);
        } else {
            bucket.push_to_chunks(pool, item);
        }
    }

    /// Items in a slot.
    #[inline]
    pub(super) fn count(&self, slot: u64) -> usize {
        self.buckets[Self::index(slot)].count as usize
    }

    /// The first occupied slot at or after `from`.
    #[inline]
    pub(super) fn first(&self, from: u64) -> Option<u64> {
        let start = Self::index(from);
        let (word, bit) = (start / 64, start % 64);
        let here = self.occupied[word] >> bit;
        if here != 0 {
            return Some(from + u64::from(here.trailing_zeros()));
        }
        if self.summary == 0 {
            return None;
        }
        // Later words first; then those before, where the wheel has wrapped; the lower part of the start word comes last.
        let later = self.summary & (u64::MAX << 1 << word);
        let words = if later != 0 { later } else { self.summary };
        let word = words.trailing_zeros() as usize % WORDS;
        let index = word * 64 + self.occupied[word].trailing_zeros() as usize;
        Some(from + Self::index((index as u64).wrapping_sub(start as u64)) as u64)
    }

    /// The last occupied slot of the [`BUCKETS`] slots from `from` on.
    pub(super) fn last(&self, from: u64) -> Option<u64> {
        if self.summary == 0 {
            return None;
        }
        let start = Self::index(from);
        let (word, bit) = (start / 64, start % 64);
        let top = |bits: u64| 63 - bits.leading_zeros() as usize;
        // The last slot lies before the start where the wheel has wrapped; else it is the highest bucket of all.
        let below = self.occupied[word] & ((1 << bit) - 1);
        let earlier = self.summary & ((1 << word) - 1);
        let index = if earlier != 0 && below == 0 {
            top(earlier) * 64 + top(self.occupied[top(earlier)])
        } else if below != 0 {
            word * 64 + top(below)
        } else {
            top(self.summary) * 64 + top(self.occupied[top(self.summary)])
        };
        Some(from + Self::index((index as u64).wrapping_sub(start as u64)) as u64)
    }

    /// If a slot holds at most [`INLINE`] items, moves them to the beginning of `out`, sorted, and returns how many.
    #[inline]
    pub(super) fn drain_few(&mut self, slot: u64, out: &mut [Item]) -> Option<usize> {
        let index = Self::index(slot);
        let bucket = &mut self.buckets[index];
        let count = bucket.count as usize;
        if count > INLINE {
            return None;
        }
        let [mut first, mut second, third] = bucket.items;
        bucket.clear();
        if count > 1 {
            (first, second) = ordered(first, second);
            if count > 2 {
                let (low, high) = ordered(second, third);
                (first, second) = ordered(first, low);
                out[2] = high;
            }
            out[1] = second;
        }
        out[0] = first;
        self.vacate(index);
        Some(count)
    }

    /// Moves the items of a slot behind `out[..from]` in the order they were pushed; returns the end.
    pub(super) fn drain(&mut self, pool: &mut Pool<'_>, slot: u64, out: &mut [Item], from: usize) -> usize {
        let index = Self::index(slot);
        let bucket = &mut self.buckets[index];
        let (count, mut chunk) = (bucket.count as usize, bucket.head as usize);
        if count == 0 {
            return from;
        }
        let end = from + count;
        let mut to = from + count.min(INLINE);
        out[from..to].copy_from_slice(&bucket.items[..to - from]);
        bucket.clear();
        self.vacate(index);
        while to < end {
            let take = (end - to).min(CHUNK);
            out[to..to + take].copy_from_slice(&pool.items[chunk * CHUNK..chunk * CHUNK + take]);
            to += take;
            chunk = pool.give(chunk) as usize;
        }
        end
    }

    #[inline]
    fn vacate(&mut self, index: usize) {
        self.occupied[index / 64] &= !(1 << (index % 64));
        if self.occupied[index / 64] == 0 {
            self.summary &= !(1 << (index / 64));
        }
    }

    /// Takes the greatest item of a slot. The bucket is sorted once, so that taking many costs little more than taking one (and the
    /// gathering later finds one sorted run).
    pub(super) fn take_greatest(&mut self, pool: &mut Pool<'_>, slot: u64, scratch: &mut [Item]) -> Option<Item> {
        let index = Self::index(slot);
        if self.buckets[index].sorted != self.buckets[index].count {
            let count = self.drain(pool, slot, scratch, 0);
            let items = &mut scratch[..count];
            if !items.is_sorted() {
                items.sort_unstable();
            }
            items.iter().for_each(|&item| self.push(pool, slot, item));
            self.buckets[index].sorted = count as u32;
        }
        let bucket = &mut self.buckets[index];
        let count = (bucket.count as usize).checked_sub(1)?;
        bucket.count = count as u32;
        bucket.sorted = bucket.count;
        if count < INLINE {
            let item = bucket.items[count];
            if count == 0 {
                bucket.clear();
                self.vacate(index);
            }
            return Some(item);
        }
        let last = bucket.at as usize - 1;
        bucket.at = last as u32;
        if last.is_multiple_of(CHUNK) {
            self.drop_last_chunk(pool, index, last / CHUNK);
        }
        Some(pool.items[last])
    }

    /// Frees the last, now empty, chunk of a bucket.
    fn drop_last_chunk(&mut self, pool: &mut Pool<'_>, index: usize, chunk: usize) {
        let bucket = &mut self.buckets[index];
        if bucket.count as usize == INLINE {
            (bucket.head, bucket.at) = (NONE, 0);
        } else {
            let mut before = bucket.head as usize;
            while pool.after(before) != chunk as u32 {
                before = pool.after(before) as usize;
            }
            bucket.at = ((before + 1) * CHUNK) as u32;
        }
        pool.give(chunk);
    }

    /// Calls `see` with every item of a slot.
    pub(super) fn scan(&self, pool: &Pool<'_>, slot: u64, see: &mut impl FnMut(Item)) {
        let bucket = &self.buckets[Self::index(slot)];
        let few = (bucket.count as usize).min(INLINE);
        bucket.items[..few].iter().for_each(|&item| see(item));
        let (mut left, mut chunk) = (bucket.count as usize - few, bucket.head as usize);
        while left > 0 {
            let take = left.min(CHUNK);
            pool.items[chunk * CHUNK..chunk * CHUNK + take].iter().for_each(|&item| see(item));
            left -= take;
            chunk = pool.after(chunk) as usize;
        }
    }

    /// Calls `see` with every slot and item of the [`BUCKETS`] slots from `from` on.
    pub(super) fn scan_all(&self, pool: &Pool<'_>, from: u64, see: &mut impl FnMut(u64, Item)) {
        // Near the end of time the buckets past it are empty.
        for slot in (0..BUCKETS as u64).map_while(|ahead| from.checked_add(ahead)) {
            self.scan(pool, slot, &mut |item| see(slot, item));
        }
    }
}

/// The two, the lesser first.
#[inline]
fn ordered(one: Item, other: Item) -> (Item, Item) {
    if other < one { (other, one) } else { (one, other) }
}
