//! What a braid knows of one other torus.

use super::conserve::Emptied;
use super::decision::Link;
use crate::projection::native::{Account, Expectation, KINDS, Projection};
use crate::{Counters, Load};

/// Boots of a peer that are remembered as over, so that what they left behind is never taken for news.
const RETIRED: usize = 4;

/// Life of a peer as judged here; the numbers are those of the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum PeerState {
    /// Never seen moving.
    #[default]
    Absent = 0,
    /// Its heartbeat moves.
    Alive = 1,
    /// Its heartbeat stood still for too long; the others are asked.
    Suspect = 2,
    /// A majority of the live tori suspects it, or its process is gone.
    Failed = 3,
    /// A new boot moves, nothing of it was applied yet.
    Returning = 4,
}

impl PeerState {
    /// Counted among the live.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Returning)
    }
}

/// Waiting for the peer to confirm a hand-over (`decisions:NODE-4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Await {
    /// Nothing is under way.
    #[default]
    Nothing,
    /// Decided; how much was sent is known at the next exchange.
    Sent,
    /// Until the peer's projection says it received this many.
    Received(u64),
}

/// What the last projection said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub checksum: u64,
    pub round: u64,
    pub heartbeat_ns: u64,
    pub load: Load,
    pub counters: Counters,
    pub room: u64,
    pub graph_digest: u64,
    pub coupled: bool,
    pub accused: u32,
    /// What it says about the reader.
    pub account: Account,
    pub expectations: [Expectation; KINDS],
}

/// One other torus.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peer {
    pub(super) state: PeerState,
    pub(super) boot: u64,
    retired: [u64; RETIRED],
    pub(super) seen_seq: u64,
    pub(super) applied_seq: u64,
    pub(super) missed: u64,
    pub(super) fresh: bool,
    pub(super) seen: Seen,
    /// Executed events and heartbeat of it, own executed events and time, at the last comparison of rates.
    pub(super) rate_base: Option<[u64; 4]>,
    pub(super) counter: u64,
    pub(super) moved_ns: u64,
    pub(super) missed_periods: u32,
    pub(super) awaits: Await,
    pub(super) link: Link,
    /// Received from it as of the exchange before this one: work that came in the last round is not sent straight back.
    pub(super) received_before: u64,
    pub(super) skipped: u32,
    pub(super) emptied: Emptied,
}

impl Peer {
    /// Its life as judged here.
    #[must_use]
    pub const fn state(&self) -> PeerState {
        self.state
    }

    /// Its boot id; 0 = never met.
    #[must_use]
    pub const fn boot(&self) -> u64 {
        self.boot
    }

    /// Sequence of its projection applied last.
    #[must_use]
    pub const fn applied_seq(&self) -> u64 {
        self.applied_seq
    }

    /// Liveness periods its heartbeat has stood still.
    #[must_use]
    pub const fn missed_periods(&self) -> u32 {
        self.missed_periods
    }

    /// Sequences of it that were never seen.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The reader's own time since its heartbeat last moved, ns.
    #[must_use]
    pub const fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.moved_ns)
    }

    /// Load in its last projection.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.seen.load
    }

    /// Messages sent to this boot of it and not confirmed by its last projection.
    #[must_use]
    pub fn unconfirmed(&self, own_boot: u64) -> u64 {
        let confirmed = if self.seen.account.boot == own_boot { self.seen.account.received } else { 0 };
        if self.link.boot == self.boot { self.link.sent.saturating_sub(confirmed) } else { 0 }
    }

    pub(super) fn is_over(&self, boot: u64) -> bool {
        boot == 0 || self.retired.contains(&boot)
    }

    /// Forgets everything about the boot before; what was known is of no use for another one.
    pub(super) fn enter_boot(&mut self, boot: u64, now_ns: u64) {
        let mut retired = self.retired;
        if self.boot != 0 {
            retired.rotate_right(1);
            retired[0] = self.boot;
        }
        *self = Self { boot, retired, missed: self.missed, moved_ns: now_ns, skipped: self.skipped, ..Self::default() };
    }

    /// Remembers the exchange with the boot known here. The owner may see a new boot first; what the old one left unconfirmed
    /// must still be known when the braid hears of it.
    pub(super) fn keep(&mut self, link: &Link) {
        if link.boot == self.boot {
            self.link = *link;
        }
    }

    pub(super) fn take(&mut self, projection: &Projection, me: u8) {
        self.seen = Seen {
            checksum: projection.checksum,
            round: projection.round,
            heartbeat_ns: projection.heartbeat_ns,
            load: projection.load,
            counters: projection.counters,
            room: projection.room,
            graph_digest: projection.graph_digest,
            coupled: projection.coupled == 1,
            accused: projection.suspects | projection.failed,
            account: projection.accounts[usize::from(me)],
            expectations: projection.expectations,
        };
    }
}
