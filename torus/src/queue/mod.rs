//! The event queue: a time wheel with an overflow heap.
//!
//! `rse:T6` makes a wheel legal: an event can only make events later than itself, so the events of one time can be gathered and
//! sorted at once. A wheel bucket holds exactly one time, so its items need no time: 16 bytes, (dst, src) packed into one key that
//! orders as the pair does. Items lie in chunks of [`CHUNK`] consecutive items, so gathering reads memory in order.
//!
//! Order of execution is the canonical order in full (`decisions:NODE-11`), whatever the order of pushing; the tests compare with a
//! plain binary heap.

mod overflow;
mod sort;
mod wheel;

#[cfg(test)]
mod tests;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Event;
use crate::memory::{Carver, TooSmall, slice_bytes};
use overflow::Overflow;
use wheel::Wheel;
use wheel::SPAN;

/// An event without its time: what a bucket holds.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub(crate) struct Item {
    /// dst in the high half, src in the low half.
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
}

/// Bytes a queue of `events` events takes.
pub(crate) const fn bytes(events: u32) -> usize {
    wheel::bytes(events)
        + slice_bytes(events as usize, size_of::<Event>())
        + 2 * slice_bytes(events as usize, size_of::<Item>())
}

/// Pending events in canonical order. Holds at most the events it was made for; the owner asks [`Queue::len`] before it pushes.
#[derive(Debug)]
pub(crate) struct Queue<'m> {
    /// Time of the last popped event: nothing earlier may be pushed. Wheel and current items are at or after it.
    now: u64,
    len: usize,
    capacity: usize,
    /// Items at `now`, sorted, of which `current[next..end]` still wait.
    current: &'m mut [Item],
    next: usize,
    end: usize,
    scratch: &'m mut [Item],
    wheel: Wheel<'m>,
    overflow: Overflow<'m>,
}

impl<'m> Queue<'m> {
    pub(crate) fn new(events: u32, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let capacity = events as usize;
        Ok(Self {
            now: 0,
            len: 0,
            capacity,
            current: carver.take(capacity)?,
            next: 0,
            end: 0,
            scratch: carver.take(capacity)?,
            wheel: Wheel::new(events, carver)?,
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
    #[inline]
    pub(crate) fn push(&mut self, time: u64, item: Item) {
        debug_assert!(time >= self.now && self.len < self.capacity);
        self.len += 1;
        if time - self.now < SPAN {
            self.wheel.push(time, item);
        } else {
            self.overflow.push(item.at(time));
        }
    }

    /// Time of the earliest pending event.
    pub(crate) fn next_time(&self) -> Option<u64> {
        if self.next < self.end {
            return Some(self.now);
        }
        self.wheel.next_time(self.now).or_else(|| self.overflow.least_time())
    }

    /// True when an item was pushed at the current time since the last [`Queue::ready`]: the canonical next event may be it.
    #[inline]
    pub(crate) fn disturbed(&self) -> bool {
        self.wheel.holds(self.now)
    }

    /// Makes the canonically next event the next of [`Queue::take`] and returns how many more are ready behind it, itself
    /// included; 0 when nothing is pending at or before `horizon`. Moves the clock only when there is something to execute.
    #[inline]
    pub(crate) fn ready(&mut self, horizon: u64) -> usize {
        if self.next < self.end {
            if self.now > horizon {
                return 0;
            }
            if self.disturbed() {
                self.gather();
            }
            return self.end - self.next;
        }
        let Some(time) = self.wheel.next_time(self.now).or_else(|| self.overflow.least_time()) else {
            return 0;
        };
        if time > horizon {
            return 0;
        }
        self.now = time;
        while self.overflow.least_time().is_some_and(|least| least - time < SPAN) {
            let event = self.overflow.pop_least().expect("least_time has just found one");
            self.wheel.push(event.time, Item::new(event.dst, event.src, event.payload));
        }
        self.gather();
        self.end - self.next
    }

    /// Takes the next ready item; there is one ([`Queue::ready`] said so).
    #[inline]
    pub(crate) fn take(&mut self) -> Item {
        let item = self.current[self.next];
        self.next += 1;
        self.len -= 1;
        item
    }

    /// The next ready item; there is one.
    pub(crate) fn peek(&self) -> Item {
        self.current[self.next]
    }

    /// Brings the items of the bucket of `now` and what is left of the current ones into `current[0..end]`, sorted.
    fn gather(&mut self) {
        let left = self.end - self.next;
        if left > 0 {
            self.scratch[..left].copy_from_slice(&self.current[self.next..self.end]);
            std::mem::swap(&mut self.current, &mut self.scratch);
        }
        let count = self.wheel.drain(self.now, self.current, left);
        self.next = 0;
        self.end = count;
        if sort::sort(&mut self.current[..count], &mut self.scratch[..count]) {
            std::mem::swap(&mut self.current, &mut self.scratch);
        }
    }

    /// Takes the canonically last pending event.
    pub(crate) fn take_latest(&mut self) -> Option<Event> {
        if let Some(event) = self.overflow.pop_greatest() {
            self.len -= 1;
            return Some(event);
        }
        if self.next < self.end && self.disturbed() {
            self.gather();
        }
        if let Some(time) = self.wheel.last_time(self.now) {
            let item = self.wheel.take_greatest(time, self.scratch)?;
            self.len -= 1;
            return Some(item.at(time));
        }
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        self.len -= 1;
        Some(self.current[self.end].at(self.now))
    }

    /// Calls `see` with every pending event, in no particular order.
    pub(crate) fn scan(&self, mut see: impl FnMut(Event)) {
        self.current[self.next..self.end].iter().for_each(|item| see(item.at(self.now)));
        self.wheel.scan(self.now, &mut see);
        self.overflow.scan(&mut see);
    }
}
