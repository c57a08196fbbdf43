//! The k nearest neighbours, elected by (distance, id) from a bounded set of candidates.
//!
//! The order is total, so that the result depends on the set of candidates only and not on the order of their arrival. Distances
//! are computed once, when a candidate is heard of, and kept beside its id as one comparable word: an election is one pass over
//! these words with a short list of the best, not a sort.
//!
//! Liveness never touches a position (`ekk:D-10`); it only sets [`Neighbour::health`] (`ekk:D-05`).

mod candidates;
mod config;
mod elect;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
mod tombstones;

pub use candidates::Candidate;
pub use config::{Config, ConfigError, DISTANCE_MAX, Metric, Position, distance};
pub use tombstones::Tombstones;

use crate::heartbeat::Health;
use crate::id::{Identity, NodeId};
use crate::profile::Profile;
use crate::time::{Span, Time};
use candidates::Candidates;

/// One of the k nearest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Neighbour {
    /// Who.
    pub id: NodeId,
    /// Verdict of the heartbeats, as last set by [`Topology::set_health`].
    pub health: Health,
    /// By the metric, 0..=[`DISTANCE_MAX`].
    pub distance: u32,
    /// How much its field counts, from [`crate::field::distance_weight`]; kept here so that sampling divides nothing.
    pub weight: u32,
    /// When it became a neighbour.
    pub since: Time,
}

/// Why a candidate was not taken; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The id names nobody or everybody.
    Invalid,
    /// The table is full of candidates that are nearer, alive or neighbours.
    Full,
    /// This being is known to be dead; a later one of the same node is welcome.
    Tombstoned,
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Refused::Invalid => "the id names no node",
            Refused::Full => "the table of candidates is full of better ones",
            Refused::Tombstoned => "that being is dead",
        })
    }
}

impl core::error::Error for Refused {}

/// What a tick asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Announce ourselves now, this many times (the seed may ask twice in one tick). Report a failure by
    /// [`Topology::announce_failed`].
    pub announce: u8,
    /// The list of neighbours is another one.
    pub changed: bool,
    /// Candidates that never came alive and were dropped.
    pub expired: u16,
    /// Fewer candidates than neighbours wanted: the caller may know more.
    pub starved: bool,
}

/// Counted events; each saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// The list of neighbours became another one.
    pub changes: u32,
    /// Announcements asked for.
    pub announcements: u32,
    /// Announcements that could not be sent (`ekk:D-31`).
    pub announcements_failed: u32,
    /// Candidates refused because the table was full.
    pub refused_full: u32,
    /// Candidates refused because they are dead.
    pub refused_dead: u32,
    /// Candidates pushed out by nearer ones or dropped after probation.
    pub evicted: u32,
}

/// At most `K` neighbours out of at most `N` candidates; `CELLS` is a power of two, at least 2 `N`; `TOMBS` dead are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topology<const K: usize, const N: usize, const CELLS: usize, const TOMBS: usize> {
    config: Config,
    me: NodeId,
    position: Position,
    neighbours: [Neighbour; K],
    count: u8,
    candidates: Candidates<N, CELLS>,
    tombstones: Tombstones<TOMBS>,
    /// A replacement waits for the residence time of an incumbent.
    held_until: Time,
    /// When the next candidate may leave probation.
    probation_due: Time,
    last_announce: Option<Time>,
    last_change: Time,
    counters: Counters,
}

impl<const K: usize, const N: usize, const CELLS: usize, const TOMBS: usize> Topology<K, N, CELLS, TOMBS> {
    /// An empty neighbourhood of `me` at `position`.
    ///
    /// # Errors
    /// Names the value that is out of range (`ekk:D-38`).
    pub fn new(config: Config, me: NodeId, position: Position) -> Result<Self, ConfigError> {
        config.check(me, K, N)?;
        Ok(Topology {
            config,
            me,
            position,
            neighbours: [Neighbour::default(); K],
            count: 0,
            candidates: Candidates::new(),
            tombstones: Tombstones::new(),
            held_until: Time::NEVER,
            probation_due: Time::NEVER,
            last_announce: config.first_announce(),
            last_change: Time::ZERO,
            counters: Counters::default(),
        })
    }

    /// A candidate was heard of, or moved. True when the list of neighbours is another one. News of ourselves is ignored.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn offer(&mut self, now: Time, candidate: &Candidate) -> Result<bool, Refused> {
        let id = candidate.identity.id;
        if id == self.me {
            return Ok(false);
        }
        if !id.is_node() || self.config.id_limit.is_some_and(|limit| id.get() >= limit) {
            return Err(Refused::Invalid);
        }
        if self.tombstones.blocks(now, &candidate.identity) {
            self.counters.refused_dead = self.counters.refused_dead.saturating_add(1);
            return Err(Refused::Tombstoned);
        }
        // The seed knows no probation and pushes nobody out of a full table.
        let seed = self.config.profile == Profile::Seed;
        let candidate = Candidate { vouched: candidate.vouched || seed, ..*candidate };
        if seed && self.candidates.len() == N && self.candidates.get(id).is_none() {
            self.counters.refused_full = self.counters.refused_full.saturating_add(1);
            return Err(Refused::Full);
        }
        let distance = distance(self.config.metric, (self.me, self.position), &candidate);
        let worst = self.list().last().and_then(|worst| self.candidates.key_of(worst.id));
        let keep = self.neighbour_ids();
        let keep = &keep[..self.list().len()];
        let (before, word) = self.candidates.put(now, &candidate, distance, keep, &mut self.counters)?;
        if !candidate.vouched {
            self.probation_due = self.probation_due.min(now.after(self.config.probation));
        }
        let stands = match before {
            Some(before) if self.is_neighbour(id) => before == word,
            _ => worst.is_some_and(|worst| worst < word),
        };
        if self.list().len() < self.wanted() || !stands {
            return Ok(self.elect(now));
        }
        Ok(false)
    }

    /// A node died as that being: it is no candidate any more and its place is filled at once (`ekk:D-11`). True when the list of
    /// neighbours is another one.
    pub fn died(&mut self, now: Time, identity: &Identity) -> bool {
        self.tombstones.bury(now, identity);
        self.removed(now, identity.id)
    }

    /// A node left or is not to be a candidate any more, without a tombstone.
    pub fn removed(&mut self, now: Time, id: NodeId) -> bool {
        if !self.candidates.remove(id) {
            return false;
        }
        let Some(place) = self.list().iter().position(|neighbour| neighbour.id == id) else { return false };
        let count = usize::from(self.count);
        self.neighbours.copy_within(place + 1..count, place);
        self.neighbours[count - 1] = Neighbour::default();
        self.count -= 1;
        if !self.elect(now) {
            // The list is shorter than before the loss, and that is a change (ekk:D-12).
            self.note_change(now);
        }
        true
    }

    /// A candidate was heard alive or has a good record: its probation ends (`ekk:D-16`). True when the list of neighbours is
    /// another one.
    pub fn vouch(&mut self, now: Time, id: NodeId) -> bool {
        self.candidates.vouch(id) && self.elect(now)
    }

    /// Copies a verdict of the heartbeats into the neighbour entry (`ekk:D-05`). False when it is no neighbour.
    pub fn set_health(&mut self, id: NodeId, health: Health) -> bool {
        let count = usize::from(self.count);
        let found = self.neighbours[..count].iter_mut().find(|neighbour| neighbour.id == id);
        found.map(|neighbour| neighbour.health = health).is_some()
    }

    /// A new reading (a round-trip time in microseconds, or the caller's own metric) for a candidate. True when the list of
    /// neighbours is another one. Only the metrics [`Metric::Rtt`] and [`Metric::Custom`] look at it.
    pub fn reading(&mut self, now: Time, id: NodeId, reading: u32) -> bool {
        let Some(candidate) = self.candidates.get(id) else { return false };
        self.offer(now, &Candidate { reading, ..candidate }).unwrap_or(false)
    }

    /// We moved: all distances are computed anew. True when the list of neighbours is another one.
    pub fn moved(&mut self, now: Time, position: Position) -> bool {
        self.position = position;
        let (metric, me) = (self.config.metric, (self.me, position));
        self.candidates.measure(|candidate| distance(metric, me, candidate));
        self.elect(now)
    }

    /// Drops candidates that never came alive, carries out replacements whose time has come, and asks for announcements.
    pub fn tick(&mut self, now: Time) -> Tick {
        let mut tick = Tick::default();
        if now >= self.probation_due {
            while let Some(id) = self.candidates.expired(now, self.config.probation) {
                tick.changed |= self.removed(now, id);
                tick.expired = tick.expired.saturating_add(1);
                self.counters.evicted = self.counters.evicted.saturating_add(1);
            }
            self.probation_due = self.candidates.probation_due(self.config.probation);
        }
        if now >= self.held_until {
            tick.changed |= self.elect(now);
        }
        tick.announce = self.announce(now);
        tick.starved = self.candidates.len() < usize::from(self.config.k);
        tick
    }

    fn announce(&mut self, now: Time) -> u8 {
        let passed = |last: Option<Time>, span: Span| last.is_none_or(|last| now.since(last) >= span);
        let mut count = 0;
        if passed(self.last_announce, self.config.discovery) {
            self.last_announce = Some(now);
            count += 1;
        }
        if self.list().len() < usize::from(self.config.min) && passed(self.last_announce, self.config.discovery.over(4))
        {
            self.last_announce = Some(now);
            count += 1;
        }
        self.counters.announcements = self.counters.announcements.saturating_add(u32::from(count));
        count
    }

    /// The announcement of the last tick could not be sent: the next tick asks again (`ekk:D-31`).
    pub fn announce_failed(&mut self) {
        self.last_announce = None;
        self.counters.announcements_failed = self.counters.announcements_failed.saturating_add(1);
    }

    /// When the next tick may have something to do.
    pub fn next_due(&self) -> Time {
        let announce = self.last_announce.map_or(Time::ZERO, |last| last.after(self.config.discovery.over(4)));
        self.held_until.min(self.probation_due).min(announce)
    }

    /// The neighbours, nearest first.
    pub fn list(&self) -> &[Neighbour] {
        &self.neighbours[..usize::from(self.count)]
    }

    /// Whether `id` is a neighbour.
    pub fn is_neighbour(&self, id: NodeId) -> bool {
        self.list().iter().any(|neighbour| neighbour.id == id)
    }

    /// The neighbour entry of `id`.
    pub fn neighbour(&self, id: NodeId) -> Option<&Neighbour> {
        self.list().iter().find(|neighbour| neighbour.id == id)
    }

    /// How many neighbours are enough in a cluster of `members` nodes, ourselves among them (`ekk:D-37`); at least one.
    pub fn enough(&self, members: usize) -> usize {
        usize::from(self.config.min).min(members.saturating_sub(1)).max(1)
    }

    /// A candidate as it was offered.
    pub fn candidate(&self, id: NodeId) -> Option<Candidate> {
        self.candidates.get(id)
    }

    /// Number of candidates.
    pub fn known(&self) -> usize {
        self.candidates.len()
    }

    /// Whether no replacement is being held back by residence or margin times.
    pub fn settled(&self) -> bool {
        self.held_until == Time::NEVER
    }

    /// The dead.
    pub fn tombstones(&self) -> &Tombstones<TOMBS> {
        &self.tombstones
    }

    /// The dead, to forget one.
    pub fn tombstones_mut(&mut self) -> &mut Tombstones<TOMBS> {
        &mut self.tombstones
    }

    /// Counted events.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// When the list last became another one.
    pub fn last_change(&self) -> Time {
        self.last_change
    }

    fn wanted(&self) -> usize {
        usize::from(self.config.k)
    }

    fn neighbour_ids(&self) -> [NodeId; K] {
        let mut ids = [NodeId::NONE; K];
        for (id, neighbour) in ids.iter_mut().zip(self.list()) {
            *id = neighbour.id;
        }
        ids
    }

    fn note_change(&mut self, now: Time) {
        self.last_change = now;
        self.counters.changes = self.counters.changes.saturating_add(1);
    }
}
