//! Everybody who could be a neighbour: a bounded table, found by id and compared by one word each.

use super::{Counters, Position, Refused};
use crate::id::{Identity, Index, NodeId};
use crate::time::{Span, Time};

/// One node that could be a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Which being.
    pub identity: Identity,
    /// Where it says it is.
    pub position: Position,
    /// Round-trip time in microseconds, or the caller's own metric; `u32::MAX` when not measured.
    pub reading: u32,
    /// It was heard alive, or its record was checked: it is not on probation.
    pub vouched: bool,
}

impl Candidate {
    /// An unmeasured, unvouched candidate.
    pub const fn new(identity: Identity, position: Position) -> Candidate {
        Candidate { identity, position, reading: u32::MAX, vouched: false }
    }

    /// Of a record that was checked.
    pub const fn vouched(identity: Identity, position: Position) -> Candidate {
        Candidate { identity, position, reading: u32::MAX, vouched: true }
    }
}

/// On probation above distance above id: the order of the election is the order of these words, so that nobody who never came
/// alive takes the place of one who did (`ekk:D-16`).
#[inline]
pub(super) const fn key(distance: u32, candidate: &Candidate) -> u64 {
    let probation = if candidate.vouched { 0 } else { PROBATION };
    probation | (distance as u64) << 32 | candidate.identity.id.get() as u64
}

const PROBATION: u64 = 1 << 63;

#[inline]
pub(super) const fn distance_of(key: u64) -> u32 {
    ((key & !PROBATION) >> 32) as u32
}

#[inline]
pub(super) const fn id_of(key: u64) -> NodeId {
    NodeId::from_raw(key as u32)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    candidate: Candidate,
    /// When it was first heard of: probation counts from here.
    first: Time,
}

const NOBODY: Entry =
    Entry { candidate: Candidate::new(Identity { id: NodeId::NONE, boot_inc: 0, life: 0 }, [0; 3]), first: Time::ZERO };

/// Entries lie densely in 0..count; `keys` runs beside `entries` so that an election reads eight bytes a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidates<const N: usize, const CELLS: usize> {
    keys: [u64; N],
    entries: [Entry; N],
    count: u16,
    index: Index<CELLS>,
}

impl<const N: usize, const CELLS: usize> Candidates<N, CELLS> {
    const FITS: () = assert!(Index::<CELLS>::holds(N), "CELLS is at least twice N");

    pub(super) const fn new() -> Self {
        let () = Self::FITS;
        Candidates { keys: [0; N], entries: [NOBODY; N], count: 0, index: Index::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    #[inline]
    pub(super) fn keys(&self) -> &[u64] {
        &self.keys[..usize::from(self.count)]
    }

    #[inline]
    fn find(&self, id: NodeId) -> Option<usize> {
        self.index.find(id, |place| id_of(self.keys[place]))
    }

    pub(super) fn key_of(&self, id: NodeId) -> Option<u64> {
        self.find(id).map(|place| self.keys[place])
    }

    pub(super) fn get(&self, id: NodeId) -> Option<Candidate> {
        self.find(id).map(|place| self.entries[place].candidate)
    }

    /// Ends the probation of a candidate; true when it was on probation.
    pub(super) fn vouch(&mut self, id: NodeId) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.keys[place] &= !PROBATION;
        !core::mem::replace(&mut self.entries[place].candidate.vouched, true)
    }

    /// Inserts or updates; returns its words before (none if it was unknown) and now. A full table first gives up the oldest that
    /// never came alive, then one that is farther than the newcomer; never a neighbour.
    pub(super) fn put(
        &mut self,
        now: Time,
        candidate: &Candidate,
        distance: u32,
        keep: &[NodeId],
        counters: &mut Counters,
    ) -> Result<(Option<u64>, u64), Refused> {
        let id = candidate.identity.id;
        if let Some(place) = self.find(id) {
            let before = self.keys[place];
            let old = self.entries[place].candidate;
            if old.identity.newer_than(&candidate.identity) {
                // Old news of an earlier being.
                return Ok((Some(before), before));
            }
            let candidate = Candidate { vouched: candidate.vouched || old.vouched, ..*candidate };
            self.entries[place].candidate = candidate;
            self.keys[place] = key(distance, &candidate);
            return Ok((Some(before), self.keys[place]));
        }
        if usize::from(self.count) == N {
            let Some(victim) = self.victim(key(distance, candidate), keep) else {
                counters.refused_full = counters.refused_full.saturating_add(1);
                return Err(Refused::Full);
            };
            counters.evicted = counters.evicted.saturating_add(1);
            self.remove(victim);
        }
        let place = usize::from(self.count);
        self.keys[place] = key(distance, candidate);
        self.entries[place] = Entry { candidate: *candidate, first: now };
        self.index.insert(id, place);
        self.count += 1;
        Ok((None, self.keys[place]))
    }

    /// Who makes room for a newcomer: the one longest on probation; else the farthest, if the newcomer comes before it. A table
    /// whose every entry is in `keep` gives up nobody.
    fn victim(&self, newcomer: u64, keep: &[NodeId]) -> Option<NodeId> {
        let free = |&(_, key): &(usize, &u64)| !keep.contains(&id_of(*key));
        let places = || self.keys().iter().enumerate().filter(free);
        let waiting = places().filter(|&(_, &key)| key & PROBATION != 0);
        let oldest = waiting.min_by_key(|&(place, &key)| (self.entries[place].first, key));
        if let Some((_, &key)) = oldest {
            return Some(id_of(key));
        }
        let farthest = places().map(|(_, &key)| key).max()?;
        (farthest > newcomer).then(|| id_of(farthest))
    }

    pub(super) fn remove(&mut self, id: NodeId) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.index.remove(id, |place| id_of(self.keys[place]));
        let last = usize::from(self.count) - 1;
        if place != last {
            self.index.moved(id_of(self.keys[last]), last, place);
            self.keys[place] = self.keys[last];
            self.entries[place] = self.entries[last];
        }
        // Equal tables compare equal, whatever once stood in their unused places.
        self.keys[last] = 0;
        self.entries[last] = NOBODY;
        self.count -= 1;
        true
    }

    /// Computes all distances anew.
    pub(super) fn measure(&mut self, distance: impl Fn(&Candidate) -> u32) {
        let count = usize::from(self.count);
        for (key_slot, entry) in self.keys[..count].iter_mut().zip(&self.entries) {
            *key_slot = key(distance(&entry.candidate), &entry.candidate);
        }
    }

    /// When the probation of the next candidate ends.
    pub(super) fn probation_due(&self, probation: Span) -> Time {
        let count = usize::from(self.count);
        let waiting = self.entries[..count].iter().filter(|entry| !entry.candidate.vouched);
        waiting.map(|entry| entry.first.after(probation)).min().unwrap_or(Time::NEVER)
    }

    /// Somebody whose probation has ended.
    pub(super) fn expired(&self, now: Time, probation: Span) -> Option<NodeId> {
        let count = usize::from(self.count);
        let over = |entry: &&Entry| !entry.candidate.vouched && entry.first.after(probation) <= now;
        self.entries[..count].iter().find(over).map(|entry| entry.candidate.identity.id)
    }
}
