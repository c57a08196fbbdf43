//! One remote edge: its rate out, and the newest value in.

use super::Segment;
use super::reassembly::{Held, Pool, Progress};
use crate::dropped::DropReason;
use crate::hash::Apart;
use crate::keys::Position;
use crate::view::EdgeView;

/// Boots that ended and never count as fresh again (`rse:M3`).
const RETIRED: usize = 4;

/// State of an edge of a peer, both directions.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Edge {
    /// When the next projection may go out, ns.
    next_out_ns: u64,
    /// Boot of the newest value; meaningless while `known` is false.
    boot: u64,
    known: bool,
    /// Newest sequence taken of that boot; 0 = none.
    last: u64,
    /// Newest frame that carried a part of that boot: another boot must come later than this.
    newest: Position,
    retired: [Option<u64>; RETIRED],
    held: [Option<Held>; 2],
    pub(crate) counts: Apart<EdgeView>,
}

impl Edge {
    pub(crate) fn new() -> Self {
        Self {
            next_out_ns: 0,
            boot: 0,
            known: false,
            last: 0,
            newest: (0, 0),
            retired: [None; RETIRED],
            held: [None; 2],
            counts: Apart(EdgeView::default()),
        }
    }

    /// Forgets everything: another boot of the peer.
    pub(crate) fn reset(&mut self, pool: &mut Pool) {
        self.release_all(pool);
        *self = Self::new();
    }

    /// Whether a projection may go out now (`decisions:CLU-11`).
    ///
    /// # Errors
    /// Nanoseconds until it may; counted as coalesced.
    pub(crate) fn may_send(&mut self, now_ns: u64) -> Result<(), u64> {
        if now_ns < self.next_out_ns {
            self.counts.0.coalesced += 1;
            return Err(self.next_out_ns - now_ns);
        }
        Ok(())
    }

    pub(crate) fn sent(&mut self, now_ns: u64, interval_ns: u64) {
        self.next_out_ns = now_ns.saturating_add(interval_ns);
        self.counts.0.sent += 1;
    }

    /// Takes a segment of a proven frame; `deliver` gets the projection when it is whole.
    pub(crate) fn take(
        &mut self,
        now_ns: u64,
        position: Position,
        segment: &Segment<'_>,
        pool: &mut Pool,
        deliver: impl FnOnce(&[u8]),
    ) -> Result<(), DropReason> {
        self.turn_boot(position, segment.boot, pool)?;
        if segment.seq <= self.last {
            self.counts.0.older += 1;
            return Err(DropReason::Older);
        }
        if segment.count == 1 {
            deliver(segment.bytes);
        } else {
            let held = self.place(now_ns, segment, pool)?;
            match pool.add(held, segment) {
                Progress::More => return Ok(()),
                Progress::Repeated => return Err(DropReason::Older),
                Progress::Misfit => return Err(DropReason::Malformed),
                Progress::Whole(bytes) => deliver(bytes),
            }
        }
        self.taken(now_ns, segment.seq, pool);
        Ok(())
    }

    /// Gives up parts whose time is over.
    pub(crate) fn expire(&mut self, now_ns: u64, pool: &mut Pool) {
        for held in &mut self.held {
            if held.is_some_and(|held| !pool.is_live(held, now_ns)) {
                if let Some(held) = held.take() {
                    pool.release(held);
                }
                self.counts.0.incomplete += 1;
            }
        }
    }

    /// A part of another boot than the current one: the sender has started again, or this is an echo of an earlier boot.
    fn turn_boot(&mut self, position: Position, boot: u64, pool: &mut Pool) -> Result<(), DropReason> {
        let current = self.known && self.boot == boot;
        if !current {
            if self.known && (position <= self.newest || self.retired.contains(&Some(boot))) {
                self.counts.0.older += 1;
                return Err(DropReason::Older);
            }
            if self.known {
                self.retired.rotate_right(1);
                self.retired[0] = Some(self.boot);
            }
            self.release_all(pool);
            (self.boot, self.known, self.last) = (boot, true, 0);
        }
        self.newest = self.newest.max(position);
        Ok(())
    }

    /// The place where this projection is put together: its own, a free one, or that of an older one.
    fn place(&mut self, now_ns: u64, segment: &Segment<'_>, pool: &mut Pool) -> Result<Held, DropReason> {
        self.expire(now_ns, pool);
        if let Some(held) = self.held.iter().flatten().find(|held| held.seq == segment.seq) {
            return Ok(*held);
        }
        let at = match self.held.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                let oldest = usize::from(self.held[0].map(|held| held.seq) > self.held[1].map(|held| held.seq));
                if self.held[oldest].is_some_and(|held| held.seq > segment.seq) {
                    self.counts.0.incomplete += 1;
                    return Err(DropReason::NoRoom);
                }
                self.give_up(oldest, pool);
                oldest
            }
        };
        let held = pool.begin(now_ns, segment).ok_or(DropReason::NoRoom)?;
        self.held[at] = Some(held);
        Ok(held)
    }

    fn taken(&mut self, now_ns: u64, seq: u64, pool: &mut Pool) {
        for at in 0..self.held.len() {
            match self.held[at] {
                Some(held) if held.seq == seq => {
                    pool.release(held);
                    self.held[at] = None;
                }
                Some(held) if held.seq < seq => self.give_up(at, pool),
                _ => {}
            }
        }
        let counts = &mut self.counts.0;
        counts.taken += 1;
        counts.missed += if self.last == 0 { 0 } else { seq - self.last - 1 };
        (counts.boot, counts.seq, counts.taken_ns) = (self.boot, seq, now_ns);
        self.last = seq;
    }

    fn give_up(&mut self, at: usize, pool: &mut Pool) {
        if let Some(held) = self.held[at].take() {
            pool.release(held);
            self.counts.0.incomplete += 1;
        }
    }

    fn release_all(&mut self, pool: &mut Pool) {
        for held in &mut self.held {
            if let Some(held) = held.take() {
                pool.release(held);
            }
        }
    }
}
