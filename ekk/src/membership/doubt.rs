//! How far a node trusts its own ears (`decisions:CLU-13`, `membership:MB-7`).
//!
//! Doubt grows with late ticks, with refutations received and with the share of watched peers that are silent; it multiplies
//! the node's own thresholds (1.0 to 8.0) and mutes its own statements. It never changes how others judge the node.

use crate::time::{Span, Time};

/// Doubt of nothing: 1.0 in sixteenths.
pub const DOUBT_NONE: u8 = 16;
/// Greatest doubt: 8.0 in sixteenths.
pub const DOUBT_MAX: u8 = 128;
/// What one refutation adds: 0.5.
const REFUTED: u8 = 8;
/// What one late tick adds: 0.25.
const LATE: u8 = 4;
/// Periods in which doubt from events falls by one sixteenth.
const EASE_PERIODS: u64 = 8;

/// The doubt of one node in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// From events, above 1.0, in sixteenths; falls with time.
    events: u8,
    /// When it falls next.
    ease: Time,
    /// More than half of the watched peers are silent.
    deaf: bool,
    /// After a stall: no statements until half of the watched were heard.
    stalled: bool,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { events: 0, ease: Time::ZERO, deaf: false, stalled: false }
    }
}

impl Doubt {
    /// The factor on own thresholds, in sixteenths.
    #[must_use]
    pub const fn factor(&self) -> u8 {
        if self.deaf || self.stalled {
            return DOUBT_MAX;
        }
        let sum = DOUBT_NONE.saturating_add(self.events);
        if sum > DOUBT_MAX { DOUBT_MAX } else { sum }
    }

    /// Whether own statements are muted.
    #[must_use]
    pub const fn muted(&self) -> bool {
        self.deaf || self.stalled
    }

    /// A tick came later than one period and a half.
    pub const fn late(&mut self) {
        self.add(LATE);
    }

    /// Somebody this node called silent refuted it (`membership:MB-6`).
    pub const fn refuted(&mut self) {
        self.add(REFUTED);
    }

    /// This node did not run for more than two periods.
    pub const fn stall(&mut self) {
        self.events = DOUBT_MAX - DOUBT_NONE;
        self.stalled = true;
    }

    /// Once a tick: `silent` of `watched` peers are silent, `fresh` of them were heard since the last stall.
    pub const fn observe(&mut self, now: Time, period: Span, silent: usize, fresh: usize, watched: usize) {
        // Of one or two watched a single silent one says nothing about our own ears.
        self.deaf = 2 * silent > watched && watched > 1;
        if self.stalled && 2 * fresh >= watched {
            self.stalled = false;
            self.events = 0;
        }
        if now.0 >= self.ease.0 {
            self.events = self.events.saturating_sub(1);
            self.ease = now.after(period.times(EASE_PERIODS));
        }
    }

    const fn add(&mut self, amount: u8) {
        let sum = self.events.saturating_add(amount);
        self.events = if sum > DOUBT_MAX - DOUBT_NONE { DOUBT_MAX - DOUBT_NONE } else { sum };
    }
}
