//! What a watcher knows of one peer's heartbeats: sequence, age, length of silent runs, and the threshold that follows.
//!
//! The threshold T adapts to the peer (`membership:MB-4`): three more than the longest run of missing heartbeats seen lately,
//! between 4 and 16, 6 before anything is known. So a burst that the path makes often is no news, and a clean path is judged
//! sooner. The longest run is forgotten slowly, one heartbeat per [`FORGET_BEATS`].

use crate::time::{Span, Time};

/// Smallest threshold, heartbeats.
pub const T_MIN: u16 = 4;
/// Greatest threshold, heartbeats, doubt apart.
pub const T_MAX: u16 = 16;
/// Threshold before anything is known.
pub const T_START: u16 = RUN_START as u16 + MARGIN;
/// Heartbeats after which the longest run counts one less.
pub const FORGET_BEATS: u16 = 512;

const MARGIN: u16 = 3;
const RUN_START: u8 = 3;
/// A sequence this far ahead is another count, not a gap: half of the number space is "older" (`ekk:D-15`).
const AHEAD_MAX: u32 = u32::MAX / 2;

const _: () = assert!(T_START == 6);

/// Heartbeats of one peer as this node heard them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heard {
    /// Sequence heard last; meaningless before the first.
    pub sequence: u32,
    /// When it was heard; [`Time::NEVER`] before the first.
    pub at: Time,
    /// Longest run of missing heartbeats lately.
    run: u8,
    /// Heartbeats until `run` is forgotten by one.
    forget: u16,
    /// Mean gap, ns, and mean deviation of it, ns.
    mean: u64,
    deviation: u64,
}

impl Heard {
    /// Nothing heard yet.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { sequence: 0, at: Time::NEVER, run: RUN_START, forget: FORGET_BEATS, mean: 0, deviation: 0 }
    }

    /// Whether anything was ever heard.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.at.0 != Time::NEVER.0
    }

    /// Takes a heartbeat; false when its sequence is not newer (`ekk:D-15`).
    pub fn beat(&mut self, now: Time, sequence: u32) -> bool {
        if !self.any() {
            self.sequence = sequence;
            self.at = now;
            return true;
        }
        let ahead = sequence.wrapping_sub(self.sequence);
        if ahead == 0 || ahead > AHEAD_MAX {
            return false;
        }
        let run = u8::try_from(ahead - 1).unwrap_or(u8::MAX).min(T_MAX as u8);
        if run >= self.run {
            self.run = run;
            self.forget = FORGET_BEATS;
        } else {
            self.forget = self.forget.saturating_sub(1);
            if self.forget == 0 {
                self.run = self.run.saturating_sub(1);
                self.forget = FORGET_BEATS;
            }
        }
        self.measure(now.since(self.at).0 / u64::from(ahead));
        self.sequence = sequence;
        self.at = self.at.max(now);
        true
    }

    /// Heartbeats missed at `now`: whole periods of silence, the first of which is the heartbeat on its way.
    #[must_use]
    pub const fn missed(&self, now: Time, period: Span) -> u32 {
        if !self.any() {
            return 0;
        }
        let missed = now.since(self.at).0 / period.0;
        if missed > u32::MAX as u64 { u32::MAX } else { missed as u32 }
    }

    /// Whether at least `threshold` heartbeats are missing; the same as asking [`Heard::missed`], without its division.
    #[must_use]
    pub const fn is_silent(&self, now: Time, period: Span, threshold: u16) -> bool {
        self.any() && now.since(self.at).0 >= period.times(threshold as u64).0
    }

    /// The threshold T of this peer, times `doubt` in sixteenths.
    #[must_use]
    pub const fn threshold(&self, doubt: u8) -> u16 {
        self.threshold_within((T_MIN, T_MAX), doubt)
    }

    /// The same within bounds of the caller's; equal bounds fix it.
    #[must_use]
    pub const fn threshold_within(&self, (least, most): (u16, u16), doubt: u8) -> u16 {
        let own = self.run as u16 + MARGIN;
        let bounded = if own < least {
            least
        } else if own > most {
            most
        } else {
            own
        };
        // Doubt is 16 to 128, so the product stays below 16 * 8.
        let times = (bounded as u32 * doubt as u32).div_ceil(16);
        if times < T_MIN as u32 { T_MIN } else { times as u16 }
    }

    /// Age of the last heartbeat.
    #[must_use]
    pub const fn age(&self, now: Time) -> Span {
        if self.any() { now.since(self.at) } else { Span::ZERO }
    }

    /// How many mean deviations the last heartbeat is later than the mean gap, Q16.16; zero when on time.
    #[must_use]
    pub fn phi(&self, now: Time) -> i32 {
        let late = self.age(now).0.saturating_sub(self.mean);
        if self.mean == 0 || late == 0 {
            return 0;
        }
        // A deviation below a sixteenth of the gap says more about the clock than about the peer.
        let deviation = self.deviation.max(self.mean / 16).max(1);
        i32::try_from(u128::from(late) * 65_536 / u128::from(deviation)).unwrap_or(i32::MAX)
    }

    /// Forgives `stall`: the time in which this node itself did not run (`decisions:CLU-13`).
    pub fn forgive(&mut self, stall: Span) {
        if self.any() {
            self.at = self.at.after(stall);
        }
    }

    fn measure(&mut self, gap: u64) {
        if self.mean == 0 {
            self.mean = gap.max(1);
            return;
        }
        let off = gap.abs_diff(self.mean);
        self.mean = (self.mean - self.mean / 8).saturating_add(gap / 8).max(1);
        self.deviation = (self.deviation - self.deviation / 8).saturating_add(off / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Span = Span::from_ms(100);

    /// membership:MB-4: the threshold follows the longest silent run, inside its bounds, and forgets.
    #[test]
    fn the_threshold_adapts_to_runs() {
        let mut heard = Heard::nothing();
        assert_eq!(heard.threshold(16), 6);
        assert_eq!(heard.threshold(32), 12, "doubt multiplies");
        let mut sequence = 1;
        assert!(heard.beat(Time::from_ms(100), sequence));
        sequence += 8;
        assert!(heard.beat(Time::from_ms(900), sequence));
        assert_eq!(heard.threshold(16), 10, "a run of seven was seen");
        sequence += 100;
        heard.beat(Time::from_ms(1_000), sequence);
        assert_eq!(heard.threshold(16), 16);
        assert_eq!(heard.threshold(128), 128);
        for step in 1..=u32::from(FORGET_BEATS) * 20 {
            heard.beat(Time::from_ms(1_000 + u64::from(step) * 100), sequence + step);
        }
        assert_eq!(heard.threshold(16), 4, "a clean path is judged sooner");
    }

    /// ekk:D-15: neither a replay nor an old sequence is a sign of life, and a backward clock makes nobody old.
    #[test]
    fn only_newer_sequences_count() {
        let mut heard = Heard::nothing();
        assert_eq!(heard.missed(Time::from_ms(9_999), P), 0, "never heard counts for nothing");
        assert!(heard.beat(Time::from_ms(1_000), 10));
        assert!(!heard.beat(Time::from_ms(1_100), 10));
        assert!(!heard.beat(Time::from_ms(1_100), 9));
        assert_eq!(heard.missed(Time::from_ms(1_750), P), 7);
        assert_eq!(heard.missed(Time::from_ms(500), P), 0);
        assert!(heard.beat(Time::from_ms(900), 11));
        assert_eq!(heard.at, Time::from_ms(1_000), "last heard never goes back");
        heard.sequence = u32::MAX;
        assert!(heard.beat(Time::from_ms(1_300), 0), "the count may wrap");
        heard.forgive(Span::from_ms(300));
        assert_eq!(heard.missed(Time::from_ms(1_900), P), 3);
    }

    #[test]
    fn suspicion_grows_with_lateness() {
        let mut heard = Heard::nothing();
        for step in 1..100_u32 {
            heard.beat(Time::from_ms(u64::from(step) * 100), step);
        }
        assert_eq!(heard.phi(Time::from_ms(9_950)), 0);
        let late = heard.phi(Time::from_ms(10_200));
        assert!(late > 65_536 && heard.phi(Time::from_ms(10_400)) > late);
    }
}
