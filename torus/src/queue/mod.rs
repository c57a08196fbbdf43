//! The event queue: two time wheels with an overflow heap, and a short sorted array while there are few events.
//!
//! `rse:T6` makes a wheel legal: an event can only make events later than itself, so the events of one time can be gathered and
//! sorted at once. Times are divided into blocks of [`BLOCK`]. The first wheel holds the current block and the next, one bucket a
//! time; the second the [`BUCKETS`] blocks from the current one on, one bucket a block; the heap the rest. When the clock enters
//! another block, the events that have come near move down one level. Items lie in chunks of consecutive memory and need no time
//! (in the second wheel: only the offset in the block), so they are 16 bytes.
//!
//! Order of execution is the canonical order in full (`decisions:NODE-11`), whatever the order of pushing; the tests compare with a
//! plain binary heap.

mod near;
mod overflow;
mod pool;
mod sort;
mod wheel;

#[cfg(test)]
mod tests;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Event;
use crate::memory::{Carver, TooSmall, slice_bytes};
use near::{NEAR, Near};
use overflow::Overflow;
use pool::Pool;
use wheel::{BUCKETS, Wheel};

/// Times in a block: two blocks fill the first wheel.
const BLOCK: u64 = BUCKETS as u64 / 2;
/// Where an item of the second wheel keeps its offset in the block: above the 15 bits of dst in the high half of the key, so that
/// the order of items is the order of events.
const OFFSET_SHIFT: u32 = 48;
/// With this few events left the queue goes back to the short array; well below [`NEAR`], so that it does not go to and fro.
const FEW: usize = NEAR / 3;

/// An event without its time: what a bucket holds.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub(crate) struct Item {
    /// dst in the high half, src in the low half; both are cells.
    pub(crate) key: u64,
    pub(crate) payload: u64,
}

impl Item {
    #[inline]
    pub(crate) const fn new(dst: u32, src: u32, payload: u64) -> Self {
        Self { key: (dst as u64) << 32 | src as u64, payload }
    }

    #[inline]
    pub(crate) const fn at(self, time: u64) -> Event {
        Event { time, dst: self.dst(), src: self.key as u32, payload: self.payload }
    }

    #[inline]
    pub(crate) const fn dst(self) -> u32 {
        (self.key >> 32) as u32
    }

    #[inline]
    const fn with_offset(self, time: u64) -> Self {
        Self { key: self.key | (time % BLOCK) << OFFSET_SHIFT, payload: self.payload }
    }

    /// The item and its time, from the second wheel.
    #[inline]
    const fn in_block(self, block: u64) -> (u64, Self) {
        let key = self.key & ((1 << OFFSET_SHIFT) - 1);
        (block * BLOCK + (self.key >> OFFSET_SHIFT), Self { key, payload: self.payload })
    }
}

impl Event {
    #[inline]
    pub(crate) const fn item(&self) -> Item {
        Item::new(self.dst, self.src, self.payload)
    }
}

/// Bytes a queue of `events` events takes.
pub(crate) const fn bytes(events: u32) -> usize {
    pool::bytes(events, 2 * BUCKETS)
        + 2 * wheel::bytes()
        + slice_bytes(events as usize, size_of::<Event>())
        + 2 * slice_bytes(events as usize, size_of::<Item>())
}

/// Pending events in canonical order. Holds at most the events it was made for; the owner asks [`Queue::len`] before it pushes.
#[derive(Debug)]
pub(crate) struct Queue<'m> {
    /// Time of the last popped event: nothing earlier may be pushed.
    now: u64,
    len: usize,
    capacity: usize,
    /// Everything is in `near`, and the rest is empty; or the other way round.
    few: bool,
    near: Near,
    /// Items at `now`, sorted, of which `current[next..end]` still wait.
    current: &'m mut [Item],
    next: usize,
    end: usize,
    scratch: &'m mut [Item],
    pool: Pool<'m>,
    times: Wheel<'m>,
    blocks: Wheel<'m>,
    overflow: Overflow<'m>,
}

impl<'m> Queue<'m> {
    pub(crate) fn new(events: u32, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let capacity = events as usize;
        Ok(Self {
            now: 0,
            len: 0,
            capacity,
            few: true,
            near: Near::new(),
            current: carver.take(capacity)?,
            next: 0,
            end: 0,
            scratch: carver.take(capacity)?,
            pool: Pool::new(events, 2 * BUCKETS, carver)?,
            times: Wheel::new(carver)?,
            blocks: Wheel::new(carver)?,
            overflow: Overflow::new(carver.take(capacity)?),
        })
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Time of the last popped event, 0 before the first.
    #[inline]
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    /// Adds an item at `time`, which is at or after [`Queue::now`]; the queue is not full (the caller has checked).
    #[inline(always)]
    pub(crate) fn push(&mut self, time: u64, item: Item) {
        debug_assert!(time >= self.now && self.len < self.capacity);
        if self.few {
            if self.len < NEAR {
                self.len += 1;
                self.near.insert(item.at(time));
                return;
            }
            self.leave_near();
        }
        self.len += 1;
        self.place(time, item);
    }

    #[inline(always)]
    fn place(&mut self, time: u64, item: Item) {
        match time / BLOCK - self.now / BLOCK {
            0 | 1 => self.times.push(&mut self.pool, time, item),
            ahead if ahead < BUCKETS as u64 => self.blocks.push(&mut self.pool, time / BLOCK, item.with_offset(time)),
            _ => self.overflow.push(item.at(time)),
        }
    }

    #[cold]
    fn leave_near(&mut self) {
        self.few = false;
        for at in 0..self.near.events().len() {
            let event = self.near.events()[at];
            self.place(event.time, event.item());
        }
        self.near.clear();
    }

    #[cold]
    fn enter_near(&mut self) {
        while let Some(time) = self.times.first(self.now) {
            let count = self.times.drain(&mut self.pool, time, self.scratch, 0);
            self.scratch[..count].iter().for_each(|item| self.near.insert(item.at(time)));
        }
        while let Some(block) = self.blocks.first(self.now / BLOCK) {
            let count = self.blocks.drain(&mut self.pool, block, self.scratch, 0);
            for item in &self.scratch[..count] {
                let (time, item) = item.in_block(block);
                self.near.insert(item.at(time));
            }
        }
        while let Some(event) = self.overflow.pop_least() {
            self.near.insert(event);
        }
        self.few = true;
    }

    /// Time of the earliest pending event.
    #[inline]
    pub(crate) fn next_time(&self) -> Option<u64> {
        if self.few {
            return self.near.first().map(|event| event.time);
        }
        if self.next < self.end {
            return Some(self.now);
        }
        self.times.first(self.now).or_else(|| self.far_time())
    }

    /// The earliest time beyond the first wheel.
    fn far_time(&self) -> Option<u64> {
        let Some(block) = self.blocks.first(self.now / BLOCK) else { return self.overflow.least_time() };
        let mut least = u64::MAX;
        self.blocks.scan(&self.pool, block, &mut |item| least = least.min(item.in_block(block).0));
        Some(least)
    }

    /// Makes the canonically next event the next of [`Queue::take`] and returns how many are ready, itself included; 0 when nothing is
    /// pending at or before `horizon`. Moves the clock only when there is something to execute.
    #[inline]
    pub(crate) fn ready(&mut self, horizon: u64) -> usize {
        if self.few {
            return match self.near.first() {
                Some(event) if event.time <= horizon => {
                    self.now = event.time;
                    1
                }
                _ => 0,
            };
        }
        self.ready_far(horizon)
    }

    fn ready_far(&mut self, horizon: u64) -> usize {
        if self.next < self.end {
            if self.now > horizon {
                return 0;
            }
            // An item pushed at the current time since may come before those that wait.
            if self.times.count(self.now) > 0 {
                self.gather();
            }
            return self.end - self.next;
        }
        if self.len <= FEW {
            self.enter_near();
            return self.ready(horizon);
        }
        let Some(time) = self.next_time() else { return 0 };
        if time > horizon {
            return 0;
        }
        let entered = time / BLOCK != self.now / BLOCK;
        self.now = time;
        if entered {
            self.enter_block();
        }
        match self.times.drain_few(time, self.current) {
            Some(count) => (self.next, self.end) = (0, count),
            None => self.gather(),
        }
        self.end - self.next
    }

    /// Moves down what has come near by entering the block of `now`.
    fn enter_block(&mut self) {
        let block = self.now / BLOCK;
        while self.overflow.least_time().is_some_and(|least| least / BLOCK - block < BUCKETS as u64) {
            if let Some(event) = self.overflow.pop_least() {
                self.place(event.time, event.item());
            }
        }
        for near in [Some(block), block.checked_add(1)].into_iter().flatten() {
            let count = self.blocks.drain(&mut self.pool, near, self.scratch, 0);
            for at in 0..count {
                let (time, item) = self.scratch[at].in_block(near);
                self.times.push(&mut self.pool, time, item);
            }
        }
    }

    /// Takes the next ready item; there is one ([`Queue::ready`] said so).
    #[inline]
    pub(crate) fn take(&mut self) -> Item {
        self.len -= 1;
        if self.few {
            return self.near.pop().item();
        }
        let item = self.current[self.next];
        self.next += 1;
        item
    }

    /// The next ready item, left in place.
    pub(crate) fn peek(&self) -> Option<Item> {
        if self.few { self.near.first().map(Event::item) } else { self.current[..self.end].get(self.next).copied() }
    }

    /// Brings the items of the bucket of `now` and what is left of the current ones into `current[0..end]`, sorted.
    fn gather(&mut self) {
        let left = self.end - self.next;
        if left > 0 {
            self.scratch[..left].copy_from_slice(&self.current[self.next..self.end]);
            std::mem::swap(&mut self.current, &mut self.scratch);
        }
        let count = self.times.drain(&mut self.pool, self.now, self.current, left);
        self.next = 0;
        self.end = count;
        if sort::sort(&mut self.current[..count], &mut self.scratch[..count]) {
            std::mem::swap(&mut self.current, &mut self.scratch);
        }
    }

    /// Takes the canonically last pending event.
    pub(crate) fn take_latest(&mut self) -> Option<Event> {
        let latest = self.find_latest()?;
        self.len -= 1;
        Some(latest)
    }

    fn find_latest(&mut self) -> Option<Event> {
        if self.few {
            return self.near.pop_greatest();
        }
        if let Some(event) = self.overflow.pop_greatest() {
            return Some(event);
        }
        if let Some(block) = self.blocks.last(self.now / BLOCK) {
            let (time, item) = self.blocks.take_greatest(&mut self.pool, block, self.scratch)?.in_block(block);
            return Some(item.at(time));
        }
        if self.next < self.end && self.times.count(self.now) > 0 {
            self.gather();
        }
        if let Some(time) = self.times.last(self.now) {
            return Some(self.times.take_greatest(&mut self.pool, time, self.scratch)?.at(time));
        }
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        Some(self.current[self.end].at(self.now))
    }

    /// Calls `see` with every pending event, in no particular order.
    pub(crate) fn scan(&self, mut see: impl FnMut(Event)) {
        if self.few {
            return self.near.events().iter().for_each(|&event| see(event));
        }
        self.current[self.next..self.end].iter().for_each(|item| see(item.at(self.now)));
        self.times.scan_all(&self.pool, self.now, &mut |time, item| see(item.at(time)));
        self.blocks.scan_all(&self.pool, self.now / BLOCK, &mut |block, item| {
            let (time, item) = item.in_block(block);
            see(item.at(time));
        });
        self.overflow.scan(&mut see);
    }
}
