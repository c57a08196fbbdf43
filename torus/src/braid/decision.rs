//! What goes into a decision and what comes out: plain values of fixed size.

use super::conserve::Break;
use super::interval::IntervalChange;
use super::level::Cause;
use crate::MAX_TORI;
use crate::projection::native::{Facts, KINDS};

/// What a constraint or a correction is about; index into every array of [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Load: runnable + pending + suspended, pieces of work. Corrected by handing work over.
    Load = 0,
    /// Activity of facing cells, events per cell since the last comparison. Observed.
    Face = 1,
    /// Events a second, per mille of the faster side. Corrected by a throttle when its gain is not 0 (the default is 0).
    Rate = 2,
    /// Lag in braid rounds. Observed.
    Round = 3,
    /// Conservation of messages, messages. Observed; a break is never corrected away.
    Conservation = 4,
}

impl Kind {
    /// All kinds in order of their index.
    pub const ALL: [Self; KINDS] = [Self::Load, Self::Face, Self::Rate, Self::Round, Self::Conservation];
}

/// What a torus holds of its exchange with one other torus; the counters start at 0 with each boot of that peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// Boot of the peer these counters are about; 0 = none.
    pub boot: u64,
    /// Messages sent to it.
    pub sent: u64,
    /// Messages received from it.
    pub received: u64,
    /// Messages the ring to it has room for; the whole [`crate::braid::BraidConfig::ring_capacity`] means that it is empty.
    pub credit: u64,
    /// True when the ring from it was found empty after its projection was read and before `received` was taken.
    pub drained: bool,
}

/// A torus as it stands at an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// What goes into its projection.
    pub facts: Facts<'a>,
    /// Exchange with every other torus; index = torus id.
    pub links: &'a [Link; MAX_TORI],
}

/// Work to give away, and why (`rse:B8`). Becomes [`crate::Input::HandOver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOver {
    /// Torus it goes to.
    pub to: u8,
    /// Pieces of work; at least 1.
    pub count: u32,
    /// Threshold that was passed.
    pub cause: Cause,
    /// Difference it was computed from, pieces.
    pub difference: u64,
    /// Boot of the projection it was derived from.
    pub boot: u64,
    /// Sequence of that projection.
    pub seq: u64,
    /// Checksum of that projection (`decisions:NODE-2`).
    pub checksum: u64,
}

/// Something about a peer that people should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// First sign of life of a peer.
    Joined {
        /// The peer.
        peer: u8,
        /// Its boot.
        boot: u64,
    },
    /// Its heartbeat stood still for `missed` periods.
    Suspected {
        /// The peer.
        peer: u8,
        /// Periods.
        missed: u32,
    },
    /// It moved again in the same boot.
    Recovered {
        /// The peer.
        peer: u8,
    },
    /// A majority of the live tori suspects it, or its process is known to be gone.
    Failed {
        /// The peer.
        peer: u8,
        /// Its boot.
        boot: u64,
        /// Tori that suspect it, this one included; 0 = known from the host.
        votes: u32,
        /// Live tori that could say so.
        voters: u32,
        /// Messages it never confirmed: in doubt until it returns.
        unconfirmed: u64,
    },
    /// It is back in another boot; what the old boot never confirmed is lost (`decisions:NODE-8`).
    Returned {
        /// The peer.
        peer: u8,
        /// New boot.
        boot: u64,
        /// Boot before.
        previous: u64,
    },
    /// No other torus is alive: nothing is decided about anyone.
    Alone,
    /// Another torus is alive again.
    Company,
}

/// Most changes one decision can carry; more are kept for the next one.
pub const MAX_CHANGES: usize = 2 * MAX_TORI;

/// What an exchange led to.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// Lamport round of this exchange.
    pub round: u64,
    /// Peers whose projections were applied, bit = torus id.
    pub applied: u32,
    /// Constraints evaluated, by [`Kind`].
    pub evaluated: [u32; KINDS],
    /// Violations, at most one per peer and kind (`rse:B4`).
    pub violations: [u32; KINDS],
    /// Corrections made, by [`Kind`].
    pub corrections: [u32; KINDS],
    /// Work to give away now.
    pub hand_over: Option<HandOver>,
    /// Share of the full batch to run until the next exchange, per mille; 1000 unless the rate constraint throttles.
    pub throttle_permille: u32,
    /// The interval changed.
    pub interval: Option<IntervalChange>,
    /// Largest difference of facing cells over the peers applied, events; `None` when none was compared.
    pub face_spread: Option<u64>,
    /// The worst break of conservation seen.
    pub broken: Option<Break>,
    /// Messages lost with a dead boot, by peer; each becomes [`crate::Input::Lost`].
    pub lost: [u64; MAX_TORI],
    /// No other torus is alive.
    pub alone: bool,
    pub(super) changes: [Option<Change>; MAX_CHANGES],
}

impl Decision {
    /// What happened to peers since the last exchange, in order.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        self.changes.iter().flatten().copied()
    }

    pub(super) fn evaluated(&mut self, kind: Kind, violated: bool) {
        self.evaluated[kind as usize] += 1;
        self.violations[kind as usize] += u32::from(violated);
    }
}

/// What a braid counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Exchanges.
    pub exchanges: u64,
    /// Projections of peers applied.
    pub applied: u64,
    /// Sequences of peers that were never seen because newer ones were.
    pub missed: u64,
    /// Constraints evaluated.
    pub evaluated: u64,
    /// Violations by [`Kind`].
    pub violations: [u64; KINDS],
    /// Corrections by [`Kind`].
    pub corrections: [u64; KINDS],
    /// Messages declared lost.
    pub lost: u64,
    /// Changes that could not be kept for a decision; they are in the peers' states all the same.
    pub changes_dropped: u64,
}
