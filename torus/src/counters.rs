//! Counters a torus exports and the conservation identity.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::FACE;

/// Face counters: x = 0 first (index y * 32 + z), then x = 31; cumulative, wrapping (`decisions:NODE-13`).
pub const FACES: usize = 2 * FACE;

/// Counters of a torus since it was made; events unless said otherwise.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Counters {
    /// Put in from outside, accepted or not.
    pub injected: u64,
    /// Put in by a correction (`decisions:NODE-3`), accepted or not.
    pub injected_corrective: u64,
    /// Made by executing events, accepted or not.
    pub generated: u64,
    /// Executed.
    pub executed: u64,
    /// Waiting in the queue.
    pub pending: u64,
    /// Refused because the queue was full or the reactor did not want it; never silent (`rse:T4`).
    pub rejected: u64,
    /// Handed to other tori.
    pub handed_out: u64,
    /// Offered by other tori, accepted or not.
    pub handed_in: u64,
    /// Known to be gone with a dead peer (`decisions:NODE-8`); not part of this torus's own identity.
    pub lost: u64,
    /// Logical time of the last executed event, ticks; never goes back (`rse:T3`).
    pub clock: u64,
    /// Most events that ever waited at once.
    pub high_water: u64,
}

impl Counters {
    /// The conservation identity `rse:T4` with the terms of `decisions:NODE-8`:
    /// injected + corrective + generated + handed in = executed + pending + handed out + rejected.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let sum = |terms: [u64; 4]| terms.into_iter().map(u128::from).sum::<u128>();
        sum([self.injected, self.injected_corrective, self.generated, self.handed_in])
            == sum([self.executed, self.pending, self.handed_out, self.rejected])
    }
}

/// What a torus has to do (`decisions:NODE-7`): disjoint quantities, their sum is the load that braids level.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Load {
    /// Pieces of work ready to go on, beyond their events.
    pub runnable: u64,
    /// Events waiting in the queue.
    pub pending: u64,
    /// Pieces of work that wait for something outside.
    pub suspended: u64,
}

impl Load {
    /// runnable + pending + suspended, saturating.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.runnable.saturating_add(self.pending).saturating_add(self.suspended)
    }
}
