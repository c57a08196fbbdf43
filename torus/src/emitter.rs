//! The queue with its accounts: the only way events get in and out.

use std::num::NonZeroU64;

use crate::event::Event;
use crate::memory::{Carver, TooSmall};
use crate::queue::{Item, Queue};
use crate::torus::Watch;
use crate::{Capacities, Cell};

/// Where a reactor puts the events it makes, and the accounts of everything that waits.
#[derive(Debug)]
pub struct Emitter<'m> {
    pub(crate) queue: Queue<'m>,
    /// Cell of the event that is being executed: the source of what is emitted.
    pub(crate) src: u32,
    /// Events the torus itself may have waiting; admissions may fill the rest.
    pub(crate) own_limit: usize,
    pub(crate) generated: u64,
    pub(crate) rejected: u64,
    pub(crate) high_water: usize,
    /// Sum of the hashes of all events ever pushed minus those that left: the multiset hash of what waits.
    pub(crate) pending_hash: u64,
    /// Fold of the events taken out to be given away, in order.
    pub(crate) given_fold: u64,
    /// Set when an emission was rejected; the torus clears it.
    pub(crate) overflowed: bool,
    /// Notes what is emitted, during a step.
    pub(crate) watch: Option<Watch>,
}

impl<'m> Emitter<'m> {
    pub(crate) fn new(capacities: &Capacities, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        Ok(Self {
            queue: Queue::new(capacities.events, carver)?,
            src: 0,
            own_limit: capacities.events.saturating_sub(capacities.admission) as usize,
            generated: 0,
            rejected: 0,
            high_water: 0,
            pending_hash: 0,
            given_fold: 0,
            overflowed: false,
            watch: None,
        })
    }

    /// Sends an event from the cell being executed to `dst`, `delay` ticks from now (saturating at the end of time). When the queue
    /// is full the event is counted rejected, never silently dropped (`rse:T4`). Returns whether it was taken.
    #[inline]
    pub fn emit(&mut self, delay: NonZeroU64, dst: Cell, payload: u64) -> bool {
        self.generated += 1;
        let time = self.queue.now().saturating_add(delay.get());
        let taken = self.put(time, Item::new(dst.get(), self.src, payload), self.own_limit);
        self.overflowed |= !taken;
        if let Some(watch) = &mut self.watch {
            watch.note(dst, delay.get());
        }
        taken
    }

    /// Puts an item in at a time, lifted to the clock (`rse:T3`), if fewer than `limit` wait; otherwise counts it rejected.
    #[inline(always)]
    pub(crate) fn put(&mut self, time: u64, item: Item, limit: usize) -> bool {
        let waiting = self.queue.len();
        if waiting >= limit {
            self.rejected += 1;
            return false;
        }
        let time = time.max(self.queue.now());
        self.pending_hash = self.pending_hash.wrapping_add(hash(time, item));
        self.queue.push(time, item);
        self.high_water = self.high_water.max(waiting + 1);
        true
    }

    /// Current logical time: that of the event being executed or last executed.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.queue.now()
    }

    /// Events that wait.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Takes the canonically last pending event out, to give it away. Only during [`crate::Reactor::hand_over`]: the torus counts
    /// what the hand-over returns.
    pub fn take_latest(&mut self) -> Option<Event> {
        let event = self.queue.take_latest()?;
        let hashed = hash(event.time, event.item());
        self.pending_hash = self.pending_hash.wrapping_sub(hashed);
        self.given_fold = fold_in(self.given_fold, hashed);
        Some(event)
    }

    /// Puts an event back that [`Emitter::take_latest`] gave and that is not given away after all, at its own time. It always
    /// fits: its place was free since. That it was taken stays in the fold of what was taken out, which is as deterministic.
    pub fn put_back(&mut self, event: Event) {
        let hashed = hash(event.time, event.item());
        self.pending_hash = self.pending_hash.wrapping_add(hashed);
        self.queue.push(event.time, event.item());
    }

    /// Multiset hash of what waits, by a full scan; equals the incremental one.
    pub(crate) fn pending_hash_full(&self) -> u64 {
        let mut sum = 0u64;
        self.queue.scan(|event| {
            sum = sum.wrapping_add(hash(event.time, event.item()));
        });
        sum
    }
}

/// Hash of one event: two folded 128-bit products; every field reaches every bit.
#[inline]
pub(crate) fn hash(time: u64, item: Item) -> u64 {
    fold(fold(time ^ 0x9E37_79B9_7F4A_7C15, item.key ^ 0xE703_7ED1_A0B4_28DB) ^ item.payload, 0xA076_1D64_78BD_642F)
}

/// Takes the next of a sequence of hashes into their fold; the order counts.
#[inline]
pub(crate) const fn fold_in(folded: u64, hashed: u64) -> u64 {
    (folded ^ hashed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

/// Folded product: low xor high half of the 128-bit product.
#[inline]
pub(crate) const fn fold(one: u64, other: u64) -> u64 {
    let product = one as u128 * other as u128;
    product as u64 ^ (product >> 64) as u64
}
