//! Liveness of watched peers: windows of sequence and incarnation, thresholds that adapt to each peer, and doubt in ourselves.
//!
//! Each peer carries two instants, worked out when it was last heard: from one on it is suspect, from the other on it is dead.
//! A tick compares; most ticks compare one number, the earliest of all of them. What a verdict leads to is not decided here: it
//! goes into the neighbour table, into a statement of silence or into an event.

mod config;
mod doubt;
mod peer;
#[cfg(test)]
mod property;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Config, ConfigError};
pub use doubt::{DOUBT_MAX, Doubt};
pub use peer::PeerView;
pub use state::{Action, Health, Input, after};

use crate::id::{Identity, Index, NodeId};
use crate::time::{Span, Time};
use peer::Peer;

/// A peer could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The id names no node, or ourselves (`ekk:D-10`).
    Invalid,
    /// It is watched already.
    Exists,
    /// Every place is taken.
    Full,
}

impl core::fmt::Display for AddError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            AddError::Invalid => "the id names no other node",
            AddError::Exists => "it is watched already",
            AddError::Full => "every place for a watched peer is taken",
        })
    }
}

impl core::error::Error for AddError {}

/// What a heartbeat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receipt {
    /// First sign of life of this being.
    Found,
    /// It was suspect and is not.
    Recovered,
    /// It was dead and is not.
    Returned,
    /// It goes on living.
    Steady,
    /// Not newer than what was heard last: a replay or a duplicate; nothing changed (`ekk:D-15`).
    Stale,
    /// From an earlier being of the node; nothing changed. The sender may be told who it is now.
    Past,
    /// From a being whose incarnation lies too far ahead (`membership:MB-12`); nothing changed.
    Leap,
    /// From a node that is not watched; nothing changed.
    Stranger,
}

/// A change of a verdict in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// Whose.
    pub identity: Identity,
    /// The verdict before.
    pub from: Health,
    /// The verdict now. An entry that ends its probation goes from unknown to unknown and is not watched any more.
    pub to: Health,
    /// Time since the last sign of life; since it is watched if there never was one.
    pub silent: Span,
    /// Sequence of the last sign of life.
    pub sequence: u32,
}

/// What a tick found besides the transitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Number of transitions.
    pub changes: u16,
    /// A heartbeat of our own is due with this sequence; report by [`Heartbeat::sent`].
    pub beat: Option<u32>,
    /// We were not running: this much time passed since the last tick, and all deadlines moved by it (`decisions:CLU-13`).
    pub stalled: Option<Span>,
}

/// Counted events; each saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Verdicts changed, by heartbeats and by ticks.
    pub changes: u32,
    /// Heartbeats that were not newer than the last.
    pub stale: u32,
    /// Heartbeats of earlier beings.
    pub past: u32,
    /// Heartbeats from too far ahead.
    pub leaps: u32,
    /// Heartbeats of nodes that are not watched.
    pub strangers: u32,
    /// Beats that never came, by gaps in the sequences.
    pub lost: u32,
    /// Entries that never came alive.
    pub expired: u32,
    /// Stalls of our own.
    pub stalls: u32,
    /// Own heartbeats that could not be sent (`ekk:D-31`).
    pub send_failed: u32,
}

/// Watches at most `N` peers; `CELLS` is a power of two, at least 2 `N`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat<const N: usize, const CELLS: usize> {
    config: Config,
    me: NodeId,
    peers: [Peer; N],
    count: u16,
    index: Index<CELLS>,
    /// No verdict changes by time before this instant; a lower bound, refreshed by the scan it triggers.
    due: Time,
    doubt: Doubt,
    /// Peers by health, kept with each change.
    tally: [u16; 4],
    last_tick: Option<Time>,
    /// After this without a tick we have stalled.
    stall_at: Time,
    /// A stall noticed since the last tick.
    stall: Option<Span>,
    last_beat: Option<Time>,
    sequence: u32,
    counters: Counters,
}

impl<const N: usize, const CELLS: usize> Heartbeat<N, CELLS> {
    const FITS: () = assert!(Index::<CELLS>::holds(N), "CELLS is at least twice N");

    /// Watches nobody yet.
    ///
    /// # Errors
    /// Names the value that is out of range (`ekk:D-17`).
    pub fn new(config: Config, me: NodeId) -> Result<Self, ConfigError> {
        let () = Self::FITS;
        config.check()?;
        Ok(Heartbeat {
            config,
            me,
            peers: [Peer::NOBODY; N],
            count: 0,
            index: Index::new(),
            due: Time::NEVER,
            doubt: Doubt::new(),
            tally: [0; 4],
            last_tick: None,
            stall_at: Time::NEVER,
            stall: None,
            last_beat: config.first_beat(),
            sequence: 0,
            counters: Counters::default(),
        })
    }

    /// Starts to watch a peer; until its first heartbeat its health is unknown.
    ///
    /// # Errors
    /// Why it is not watched.
    pub fn add(&mut self, now: Time, identity: Identity) -> Result<(), AddError> {
        if !identity.id.is_node() || identity.id == self.me {
            return Err(AddError::Invalid);
        }
        if self.find(identity.id).is_some() {
            return Err(AddError::Exists);
        }
        let place = usize::from(self.count);
        let slot = self.peers.get_mut(place).ok_or(AddError::Full)?;
        *slot = Peer::new(now, identity, &self.config);
        self.due = self.due.min(slot.suspect_at);
        self.index.insert(identity.id, place);
        self.count += 1;
        self.tally[Health::Unknown as usize] += 1;
        Ok(())
    }

    /// Stops to watch a peer. False when it was not watched.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.remove_at(place);
        true
    }

    fn remove_at(&mut self, place: usize) {
        self.tally[self.peers[place].health as usize] -= 1;
        self.index.remove(self.peers[place].identity.id, |place| self.peers[place].identity.id);
        let last = usize::from(self.count) - 1;
        if place != last {
            self.index.moved(self.peers[last].identity.id, last, place);
            self.peers[place] = self.peers[last];
        }
        self.peers[last] = Peer::NOBODY;
        self.count -= 1;
    }

    #[inline]
    fn find(&self, id: NodeId) -> Option<usize> {
        self.index.find(id, |place| self.peers[place].identity.id)
    }

    /// A heartbeat of that being arrived. Only a newer sequence, or a later being, counts as a sign of life.
    pub fn received(&mut self, now: Time, identity: &Identity, sequence: u32) -> Receipt {
        let Some(place) = self.find(identity.id) else {
            return count(&mut self.counters.strangers, Receipt::Stranger);
        };
        self.notice_stall(now);
        let multiplier = self.doubt.level();
        let peer = &mut self.peers[place];
        if identity.rank() != peer.identity.rank() {
            if !identity.newer_than(&peer.identity) {
                return count(&mut self.counters.past, Receipt::Past);
            }
            if self.config.refuses_leap(&peer.identity, identity) {
                return count(&mut self.counters.leaps, Receipt::Leap);
            }
            peer.reborn(*identity, sequence, &self.config);
        } else if !peer.is_newer(sequence, &self.config) {
            return count(&mut self.counters.stale, Receipt::Stale);
        } else {
            let lost = peer.learn(now, sequence, &self.config);
            self.counters.lost = self.counters.lost.saturating_add(lost);
        }
        peer.heard(now, sequence, multiplier, &self.config);
        self.due = self.due.min(peer.suspect_at);
        let before = peer.health;
        let (health, action) = after(self.config.profile, before, Input::Beat);
        peer.health = health;
        self.doubt.heard(peer);
        if before == health {
            return Receipt::Steady;
        }
        self.tally[before as usize] -= 1;
        self.tally[health as usize] += 1;
        self.counters.changes = self.counters.changes.saturating_add(1);
        match action {
            Action::Found => Receipt::Found,
            Action::Returned => Receipt::Returned,
            _ => Receipt::Recovered,
        }
    }

    /// Compares the time with what was worked out when each peer was heard; each transition is handed to `note`, at most one a
    /// peer and tick.
    pub fn tick(&mut self, now: Time, note: &mut impl FnMut(Transition)) -> Tick {
        self.notice_stall(now);
        let mut tick = Tick { stalled: self.stall.take(), ..Tick::default() };
        let late = self.last_tick.map_or(Span::ZERO, |last| now.since(last));
        let back = self.last_tick.is_some_and(|last| now < last);
        self.ticked(now);
        // Time that steps back changes no verdict (ekk:D-08).
        if now >= self.due && !back {
            tick.changes = self.scan(now, note);
        }
        if self.config.doubts() && self.doubt.tick(now, late, self.config.period, self.tally) {
            self.judge_anew();
        }
        tick.beat = self.beat_due(now);
        tick
    }

    /// Verdicts by time, and the next instant at which one can change.
    fn scan(&mut self, now: Time, note: &mut impl FnMut(Transition)) -> u16 {
        let (mut changes, mut place, mut due) = (0_u16, 0, Time::NEVER);
        while place < usize::from(self.count) {
            let peer = &mut self.peers[place];
            let input = peer.input(now);
            let (health, action) = after(self.config.profile, peer.health, input);
            if action != Action::None {
                let transition = peer.transition(now, health);
                changes = changes.saturating_add(1);
                self.tally[peer.health as usize] -= 1;
                self.tally[health as usize] += 1;
                peer.health = health;
                note(transition);
            }
            if action == Action::Expired {
                self.counters.expired = self.counters.expired.saturating_add(1);
                self.remove_at(place);
                continue;
            }
            due = due.min(peer.next_due());
            place += 1;
        }
        self.due = due;
        self.counters.changes = self.counters.changes.saturating_add(u32::from(changes));
        changes
    }

    /// A gap in our own running is no silence of others: all deadlines move by it, and doubt is greatest until half of the
    /// watched are heard (`decisions:CLU-13`).
    #[inline]
    fn notice_stall(&mut self, now: Time) {
        if now > self.stall_at {
            self.stalled(now);
        }
    }

    #[cold]
    fn stalled(&mut self, now: Time) {
        let gap = self.last_tick.map_or(Span::ZERO, |last| now.since(last));
        let count = usize::from(self.count);
        self.doubt.stalled(now);
        let multiplier = self.doubt.level();
        let mut due = Time::NEVER;
        for peer in &mut self.peers[..count] {
            peer.shift(gap, multiplier, &self.config);
            due = due.min(peer.next_due());
        }
        self.due = due;
        self.ticked(now);
        self.counters.stalls = self.counters.stalls.saturating_add(1);
        self.stall = Some(self.stall.unwrap_or(Span::ZERO).plus(gap));
    }

    fn ticked(&mut self, now: Time) {
        let last = self.last_tick.map_or(now, |last| last.max(now));
        self.last_tick = Some(last);
        if self.config.doubts() {
            self.stall_at = last.after(self.config.period.times(2));
        }
    }

    fn judge_anew(&mut self) {
        let multiplier = self.doubt.level();
        let mut due = Time::NEVER;
        for peer in &mut self.peers[..usize::from(self.count)] {
            peer.judge(multiplier, &self.config);
            due = due.min(peer.next_due());
        }
        self.due = due;
    }

    fn beat_due(&mut self, now: Time) -> Option<u32> {
        if !self.config.beats || self.last_beat.is_some_and(|last| now.since(last) < self.config.period) {
            return None;
        }
        // The sequence is used up even if sending fails: two different heartbeats never share one.
        self.sequence = self.sequence.wrapping_add(1);
        Some(self.sequence)
    }

    /// The heartbeat asked for by the last tick was sent, or not; one that was not is asked for again (`ekk:D-31`).
    pub fn sent(&mut self, now: Time, done: bool) {
        if done {
            self.last_beat = Some(self.config.beat_base(self.last_beat, now));
        } else {
            self.counters.send_failed = self.counters.send_failed.saturating_add(1);
        }
    }

    /// A newer sign of life of that being was seen by somebody else: an indirect confirmation. The peer is judged from then on as
    /// if we had heard it `age` ago. False when it is not newer than what we heard.
    pub fn confirmed(&mut self, now: Time, identity: &Identity, sequence: u32, age: Span) -> bool {
        let Some(place) = self.find(identity.id) else { return false };
        let multiplier = self.doubt.level();
        let peer = &mut self.peers[place];
        if peer.health == Health::Unknown
            || identity.rank() != peer.identity.rank()
            || !peer.is_newer(sequence, &self.config)
        {
            return false;
        }
        let heard_at = now.before(age);
        if heard_at <= peer.last_heard {
            return false;
        }
        peer.heard(heard_at, sequence, multiplier, &self.config);
        let before = peer.health;
        if now < peer.suspect_at && before != Health::Alive {
            (peer.health, _) = after(self.config.profile, before, Input::Beat);
            self.tally[before as usize] -= 1;
            self.tally[peer.health as usize] += 1;
            self.counters.changes = self.counters.changes.saturating_add(1);
        }
        self.due = self.due.min(peer.next_due());
        true
    }

    /// Somebody refuted a statement of ours: our doubt in ourselves rises (`membership:MB-6`).
    pub fn refuted(&mut self) {
        if self.doubt.refuted() {
            self.judge_anew();
        }
    }

    /// Verdict on a peer; unknown when it is not watched.
    pub fn health(&self, id: NodeId) -> Health {
        self.find(id).map_or(Health::Unknown, |place| self.peers[place].health)
    }

    /// Everything known of a peer.
    pub fn peer(&self, now: Time, id: NodeId) -> Option<PeerView> {
        self.find(id).map(|place| self.peers[place].view(now, self.doubt.level(), &self.config))
    }

    /// Everything known of every peer, in no particular order.
    pub fn peers(&self, now: Time) -> impl Iterator<Item = PeerView> + '_ {
        let level = self.doubt.level();
        self.peers[..usize::from(self.count)].iter().map(move |peer| peer.view(now, level, &self.config))
    }

    /// Own doubt: how far thresholds are stretched, and whether statements are muted.
    pub fn doubt(&self) -> &Doubt {
        &self.doubt
    }

    /// Whether own judgement is worth nothing to others now: no statements of silence (`membership:MB-7`).
    pub fn muted(&self) -> bool {
        self.config.doubts() && self.doubt.muted(self.tally)
    }

    /// Number of watched peers of that health.
    pub fn tally(&self, health: Health) -> usize {
        usize::from(self.tally[health as usize])
    }

    /// Number of watched peers.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nobody is watched.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When the next tick has something to do.
    pub fn next_due(&self) -> Time {
        let beat = match (self.config.beats, self.last_beat) {
            (false, _) => Time::NEVER,
            (true, None) => Time::ZERO,
            (true, Some(last)) => last.after(self.config.period),
        };
        self.due.min(beat)
    }

    /// When the last own heartbeat went out.
    pub const fn last_beat(&self) -> Option<Time> {
        self.last_beat
    }

    /// Counted events.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }
}

fn count(counter: &mut u32, receipt: Receipt) -> Receipt {
    *counter = counter.saturating_add(1);
    receipt
}
