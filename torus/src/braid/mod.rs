//! The braid: tori that take each other's projections as constraints, without a barrier and without a leader.
//!
//! Pure: time is an argument, the same code runs in the agent, in [`crate::lockstep`] and in tests. One [`Braid`] belongs to one
//! torus. Its owner calls, in this order:
//!
//! 1. [`Braid::heard`] when the life line of a peer was looked at, and [`Braid::due`] each time round its loop;
//! 2. when due: reads the projections of [`Braid::sources`] and gives each to [`Braid::observe`];
//! 3. [`Braid::decide`], and carries the decision out ([`crate::Input::HandOver`], [`crate::Input::Lost`], ...);
//! 4. [`Braid::project`], and publishes the projection.
//!
//! None of these allocates. Rules kept: clocks of two tori are never compared (`decisions:NODE-1`); corrections conserve work or
//! shape rate, they never invent any (`decisions:NODE-3`); of a pair the loaded side acts, and waits until the other confirms
//! what it got (`decisions:NODE-4`).

mod config;
pub mod conserve;
mod decide;
mod decision;
mod faces;
pub mod interval;
pub mod level;
mod liveness;
mod peer;

#[cfg(test)]
mod converge_tests;
#[cfg(test)]
mod tests;

pub use self::config::{BraidConfig, BraidError, MAX_WINDOW, Rule};
pub use self::decision::{Change, Decision, HandOver, Kind, Link, MAX_CHANGES, Own, Totals};
pub use self::interval::{IntervalChange, IntervalReason};
pub use self::level::Cause;
pub use self::peer::{Peer, PeerState};
pub use crate::projection::native::KINDS;

use self::faces::FacePair;
use self::interval::Interval;
use crate::projection::native::{Expectation, Projection};
use crate::{MAX_TORI, Mode};

/// What became of an observed projection (`rse:B5`: at most once for each boot and sequence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Newer than anything seen of this boot; it will be applied by the next [`Braid::decide`] if its sender is a source.
    Fresh {
        /// Sequences between the last one seen and this one.
        missed: u64,
    },
    /// Of another boot than the life line of the torus tells ([`Braid::heard`]): what an earlier boot left behind, or a forgery.
    /// Only the life line introduces a boot; a slot that could would shut the living one out.
    OtherBoot,
    /// Seen already.
    Duplicate,
    /// Older than one seen of the same boot.
    Stale,
    /// Left behind by a boot that is over.
    OldBoot,
    /// The sender was never seen moving: kept as a mark, not taken. A slot may hold what a dead process left.
    Unproven,
    /// Not from that torus or not of this braid.
    Foreign,
}

impl Verdict {
    /// Whether it was taken.
    #[must_use]
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Fresh { .. })
    }
}

/// The braid as one torus sees it.
#[derive(Debug, Clone)]
pub struct Braid {
    config: BraidConfig,
    me: u8,
    tori: u8,
    boot: u64,
    seq: u64,
    round: u64,
    highest_seen: u64,
    source: Option<u8>,
    interval: Interval,
    last_ticks: u64,
    last_ns: u64,
    called_ns: Option<u64>,
    judged_ns: u64,
    throttle_permille: u32,
    alone: bool,
    peers: [Peer; MAX_TORI],
    pairs: [FacePair; 2],
    changes: [Option<Change>; MAX_CHANGES],
    changed: usize,
    lost: [u64; MAX_TORI],
    totals: Totals,
}

impl Braid {
    /// The braid of torus `me` of `tori` in boot `boot`.
    ///
    /// # Errors
    /// [`BraidError`] names the first setting out of range.
    pub fn new(config: BraidConfig, me: u8, boot: u64, tori: u8) -> Result<Self, BraidError> {
        config.check(me, boot, tori)?;
        Ok(Self {
            config,
            me,
            tori,
            boot,
            seq: 0,
            round: 0,
            highest_seen: 0,
            source: None,
            interval: Interval::new(&config),
            last_ticks: 0,
            last_ns: 0,
            called_ns: None,
            judged_ns: 0,
            throttle_permille: 1_000,
            alone: tori > 1,
            peers: [Peer::default(); MAX_TORI],
            pairs: FacePair::both(me, tori),
            changes: [None; MAX_CHANGES],
            changed: 0,
            lost: [0; MAX_TORI],
            totals: Totals::default(),
        })
    }

    /// Whether it is time for an exchange: the interval in executed events and the wall floor have both passed, or the torus
    /// has been idle for long (`decisions:NODE-9`). Judges liveness on the way; call it each time round the loop.
    pub fn due(&mut self, executed: u64, now_ns: u64) -> bool {
        self.judge(now_ns);
        let waited_ns = now_ns.saturating_sub(self.last_ns);
        let ticks = executed.saturating_sub(self.last_ticks);
        let due = (ticks >= u64::from(self.interval.ticks) && waited_ns >= self.config.floor_ns)
            || waited_ns >= self.config.idle_ns;
        if due {
            self.last_ticks = executed;
            self.last_ns = now_ns;
        }
        due
    }

    /// Peers whose projections to read this round, ascending: the source of the mode, and every live peer while one is
    /// suspected, because their projections carry the votes.
    pub fn sources(&self) -> impl Iterator<Item = u8> + use<> {
        let voting = self.bits(|peer| peer.state == PeerState::Suspect) != 0;
        let voters = if voting { self.bits(|peer| peer.state.is_live()) } else { 0 };
        let wanted = voters | self.source.map_or(0, |source| 1 << source);
        (0..self.tori).filter(move |id| wanted >> id & 1 == 1)
    }

    /// Takes a projection that parsed, read from the slot of torus `from`. What it says is kept; constraints are evaluated by
    /// [`Braid::decide`].
    pub fn observe(&mut self, from: u8, projection: &Projection, now_ns: u64) -> Verdict {
        let foreign = projection.torus != from || projection.tori != self.tori;
        if from == self.me || from >= self.tori || foreign {
            return Verdict::Foreign;
        }
        let id = usize::from(from);
        let previous = self.peers[id].boot;
        if self.peers[id].is_over(projection.boot) {
            return Verdict::OldBoot;
        }
        if previous == 0 {
            // Nothing was heard yet: the mark that makes the next, moving one prove itself.
            self.new_boot(from, projection.boot, now_ns);
        } else if projection.boot != previous {
            return Verdict::OtherBoot;
        }
        let peer = &mut self.peers[id];
        let last = peer.seen_seq;
        if projection.seq <= last {
            return if projection.seq == last { Verdict::Duplicate } else { Verdict::Stale };
        }
        peer.seen_seq = projection.seq;
        if peer.state == PeerState::Absent && last == 0 {
            return Verdict::Unproven;
        }
        self.moved(from, now_ns);
        let peer = &mut self.peers[id];
        let missed = if last == 0 { 0 } else { projection.seq - last - 1 };
        peer.missed += missed;
        self.totals.missed += missed;
        peer.take(projection, self.me);
        if peer.state == PeerState::Returning {
            peer.state = PeerState::Alive;
        }
        // A projection read for its vote only is not applied (`decisions:NODE-6`).
        peer.fresh = self.source == Some(from);
        if peer.fresh {
            for pair in self.pairs.iter_mut().filter(|pair| pair.peer == from) {
                pair.arrived(projection.boot, projection.heartbeat_ns, &projection.faces);
            }
        }
        self.highest_seen = self.highest_seen.max(projection.round);
        Verdict::Fresh { missed }
    }

    /// Writes the torus's projection of this round: its facts, its accounts, what it expects of others, its suspicions; sealed.
    pub fn project(&mut self, out: &mut Projection, own: &Own<'_>, now_ns: u64) {
        self.seq += 1;
        out.fill(&own.facts);
        out.torus = self.me;
        out.tori = self.tori;
        out.boot = self.boot;
        out.seq = self.seq;
        out.round = self.round;
        out.mode = u8::from(self.config.mode == Mode::Ring);
        out.heartbeat_ns = now_ns;
        out.interval_ticks = self.interval.ticks;
        out.suspects = self.bits(|peer| peer.state == PeerState::Suspect);
        out.failed = self.bits(|peer| peer.state == PeerState::Failed);
        for id in 0..usize::from(self.tori) {
            let (link, peer) = (&own.links[id], &mut self.peers[id]);
            peer.keep(link);
            let account = &mut out.accounts[id];
            account.boot = link.boot;
            account.sent = link.sent;
            account.received = link.received;
            account.applied_seq = peer.applied_seq;
        }
        let values =
            [own.facts.load.total(), 0, own.facts.counters.executed, self.round, own.facts.counters.handed_out];
        for kind in Kind::ALL {
            out.expectations[kind as usize] = self.expectation(kind, values[kind as usize]);
        }
        out.seal();
    }

    fn expectation(&self, kind: Kind, expected: u64) -> Expectation {
        let rule = &self.config.rules[kind as usize];
        Expectation {
            kind: kind as u32,
            gain_ppm: rule.gain_ppm,
            cell_first: 0,
            cells: if kind == Kind::Face { crate::FACE as u32 } else { 0 },
            expected,
            tolerance: rule.tolerance,
            dead_band: rule.dead_band,
            cap: rule.cap,
        }
    }

    /// Changes which sources are applied from the next round on.
    pub fn set_mode(&mut self, mode: Mode) {
        self.config.mode = mode;
        self.plan();
    }

    /// Fixes the interval, or gives it back to the adaptive rule.
    pub fn set_interval(&mut self, ticks: Option<u32>) {
        self.interval.set(ticks);
    }

    /// The settings, with the mode as it is now.
    #[must_use]
    pub const fn config(&self) -> &BraidConfig {
        &self.config
    }

    /// What is known of each torus; index = torus id, the own entry stays absent.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers[..usize::from(self.tori)]
    }

    /// Lamport round of the last exchange.
    #[must_use]
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// Ticks between exchanges, now.
    #[must_use]
    pub const fn interval_ticks(&self) -> u32 {
        self.interval.ticks
    }

    /// Whether the interval was fixed by hand.
    #[must_use]
    pub fn interval_fixed(&self) -> bool {
        self.interval.fixed()
    }

    /// Violations per evaluated constraint in the window, parts per million.
    #[must_use]
    pub fn violation_rate_ppm(&self) -> u32 {
        self.interval.rate_ppm()
    }

    /// No other torus is alive.
    #[must_use]
    pub const fn alone(&self) -> bool {
        self.alone
    }

    /// Counts since the braid was made.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Picks the source of the coming round (`decisions:NODE-6`). Rotate: round mod the live tori, itself included: then it
    /// projects and applies nothing. Lamport rounds may advance by the same step each time and never land on some torus; one
    /// passed over for two full turns comes first. Ring: the live predecessor.
    fn plan(&mut self) {
        self.source = match self.config.mode {
            Mode::Ring => {
                let behind = (1..self.tori).map(|back| (self.me + self.tori - back) % self.tori);
                let mut live = behind.filter(|&id| self.peers[usize::from(id)].state.is_live());
                live.next()
            }
            Mode::Rotate => self.rotate(),
        };
        for id in 0..self.tori {
            let peer = &mut self.peers[usize::from(id)];
            peer.skipped = if self.source == Some(id) { 0 } else { peer.skipped.saturating_add(1) };
        }
    }

    fn rotate(&self) -> Option<u8> {
        let is_live = |id: u8| id == self.me || self.peers[usize::from(id)].state.is_live();
        let live = (0..self.tori).filter(|&id| is_live(id));
        let count = live.clone().count();
        let passed_over = |id: &u8| *id != self.me && self.peers[usize::from(*id)].skipped as usize >= 2 * count;
        let longest = live.clone().filter(passed_over).max_by_key(|&id| self.peers[usize::from(id)].skipped);
        let turn = (self.round.max(self.highest_seen) + 1) % count as u64;
        longest.or_else(|| live.clone().nth(turn as usize).filter(|&id| id != self.me))
    }

    fn bits(&self, wanted: impl Fn(&Peer) -> bool) -> u32 {
        let bit = |id: u8| u32::from(id != self.me && wanted(&self.peers[usize::from(id)])) << id;
        (0..self.tori).map(bit).sum()
    }
}
