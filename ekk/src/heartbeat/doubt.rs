//! Doubt in ourselves: a node that is late, deaf or wrong judges more slowly and says less (`decisions:CLU-13`).

use super::peer::Peer;
use crate::time::{Span, Time};

/// The greatest multiplier of own thresholds.
pub const DOUBT_MAX: u8 = 8;

/// One step of the multiplier, in points.
const LEVEL: u16 = 256;
/// A tick that came late by more than a quarter of a period.
const LATE: u16 = LEVEL / 4;
/// A refuted statement.
const REFUTED: u16 = LEVEL;
/// Points lost in each period without incident: one level in 16 periods.
const FADE: u16 = LEVEL / 16;
const POINTS_MAX: u16 = LEVEL * 7;
/// From this level on, own statements are worth nothing.
const MUTE: u8 = 6;

/// The score. It stretches own thresholds and mutes own statements; it never changes how others judge us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    points: u16,
    level: u8,
    /// Changes with each stall, so that who was heard since can be told.
    round: u8,
    /// Peers heard since the stall; `None` when there is no stall to recover from.
    recovering: Option<u16>,
    faded: Time,
}

impl Doubt {
    pub(super) const fn new() -> Doubt {
        Doubt { points: 0, level: 1, round: 0, recovering: None, faded: Time::NEVER }
    }

    /// Multiplier of own thresholds, 1..=[`DOUBT_MAX`].
    #[inline]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Whether we have not yet heard half of the watched since we last stalled.
    pub const fn recovering(&self) -> bool {
        self.recovering.is_some()
    }

    pub(super) fn muted(&self, tally: [u16; 4]) -> bool {
        let [_, alive, suspect, dead] = tally;
        let silent = suspect + dead;
        // More than half of those who were once heard are silent: more likely we are deaf.
        self.recovering() || self.level >= MUTE || silent > alive
    }

    pub(super) fn stalled(&mut self, now: Time) {
        self.round = self.round.wrapping_add(1);
        self.recovering = Some(0);
        self.level = DOUBT_MAX;
        self.faded = now;
    }

    #[inline]
    pub(super) fn heard(&mut self, peer: &mut Peer) {
        if let Some(heard) = &mut self.recovering
            && peer.round != self.round
        {
            *heard += 1;
        }
        peer.round = self.round;
    }

    /// True when the level changed.
    pub(super) fn refuted(&mut self) -> bool {
        self.points = (self.points + REFUTED).min(POINTS_MAX);
        let level = self.level.max(1 + (self.points / LEVEL) as u8);
        core::mem::replace(&mut self.level, level) != level
    }

    /// Takes the lateness of this tick and the verdicts in; true when the level changed.
    pub(super) fn tick(&mut self, now: Time, since_last: Span, period: Span, tally: [u16; 4]) -> bool {
        if since_last > period.plus(period.over(4)) {
            self.points = (self.points + LATE).min(POINTS_MAX);
            self.faded = now;
        }
        self.faded = self.faded.min(now);
        let passed = now.since(self.faded);
        if passed >= period {
            let periods = passed.0 / period.0;
            self.faded = self.faded.after(period.times(periods));
            self.points = self.points.saturating_sub(FADE.saturating_mul(u16::try_from(periods).unwrap_or(u16::MAX)));
        }
        let [_, alive, suspect, dead] = tally.map(u32::from);
        let (silent, watched) = (suspect + dead, alive + suspect + dead);
        if let Some(heard) = self.recovering
            && u32::from(heard) * 2 >= watched
        {
            self.recovering = None;
        }
        let level = if self.recovering.is_some() {
            DOUBT_MAX
        } else {
            // A third of the watched may die at once without making us slow; all of them silent is the greatest doubt.
            let beyond = (silent * 3).saturating_sub(watched);
            let share = if watched == 0 { 0 } else { beyond * 7 / (watched * 2) };
            (1 + u32::from(self.points / LEVEL) + share).min(u32::from(DOUBT_MAX)) as u8
        };
        core::mem::replace(&mut self.level, level) != level
    }
}
