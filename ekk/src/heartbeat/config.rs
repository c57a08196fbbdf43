//! How patient we are.

use crate::id::Identity;
use crate::profile::{Profile, Timing};
use crate::time::{Span, Time};

/// Thresholds of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Between two heartbeats of a peer, and of ourselves.
    pub period: Span,
    /// Heartbeats missed until a peer is silent, [`Config::THRESHOLD_MIN`]..=[`Config::THRESHOLD_MAX`]; the least for a peer whose
    /// losses come in runs, for which it grows.
    pub threshold: u8,
    /// Heartbeats missed until a peer is late (`ekk:D-14`); below `threshold`.
    pub suspect: u8,
    /// Own heartbeats are asked for by the tick.
    pub beats: bool,
    /// A peer that never came alive is dropped after this; [`Span::MAX`] keeps it for ever.
    pub probation: Span,
    /// Which rules apply.
    pub profile: Profile,
}

impl Config {
    /// The least threshold.
    pub const THRESHOLD_MIN: u8 = 4;
    /// The greatest threshold, also for a peer whose losses come in long runs.
    pub const THRESHOLD_MAX: u8 = 16;
    /// Incarnations may jump by this much at once.
    pub const LEAP_MAX: u32 = 1 << 16;

    /// The seed's defaults.
    pub const fn seed() -> Config {
        Config {
            period: Span::from_us(10_000),
            threshold: 5,
            suspect: 1,
            beats: true,
            probation: Span::MAX,
            profile: Profile::Seed,
        }
    }

    /// Defaults for those times.
    pub const fn product(timing: &Timing) -> Config {
        Config {
            period: timing.period,
            threshold: 6,
            suspect: 2,
            beats: true,
            probation: timing.probation,
            profile: Profile::Product,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.period.0 == 0 || self.period > Timing::PERIOD_MAX {
            return Err(ConfigError::Period(self.period));
        }
        let least = match self.profile {
            Profile::Seed => 1,
            Profile::Product => Self::THRESHOLD_MIN,
        };
        let most = match self.profile {
            Profile::Seed => u8::MAX,
            Profile::Product => Self::THRESHOLD_MAX,
        };
        if self.threshold < least || self.threshold > most {
            return Err(ConfigError::Threshold(self.threshold));
        }
        if self.suspect == 0 || self.suspect > self.threshold || (self.doubts() && self.suspect == self.threshold) {
            return Err(ConfigError::Suspect(self.suspect));
        }
        if self.probation < self.period {
            return Err(ConfigError::Probation);
        }
        Ok(())
    }

    /// The seed neither doubts itself nor adapts.
    #[inline]
    pub(super) const fn doubts(&self) -> bool {
        matches!(self.profile, Profile::Product)
    }

    /// The seed counts its first heartbeat from the start of the clock; we beat at once.
    pub(super) const fn first_beat(&self) -> Option<Time> {
        match self.profile {
            Profile::Seed => Some(Time::ZERO),
            Profile::Product => None,
        }
    }

    /// From when the next own heartbeat is counted: from when the last was due, so that ticks between do not stretch the period.
    pub(super) fn beat_base(&self, last: Option<Time>, now: Time) -> Time {
        match (self.profile, last) {
            (Profile::Product, Some(last)) if now.since(last) < self.period.times(2) => {
                last.after(self.period).min(now)
            }
            _ => now,
        }
    }

    pub(super) fn refuses_leap(&self, known: &Identity, claimed: &Identity) -> bool {
        claimed.boot_inc.saturating_sub(known.boot_inc) > Self::LEAP_MAX
    }
}

/// The configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Zero or beyond an hour: detection would never happen.
    Period(Span),
    /// Outside the range of the profile.
    Threshold(u8),
    /// Zero, or not below the threshold.
    Suspect(u8),
    /// Shorter than a period: no peer could come alive.
    Probation,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ConfigError::Period(period) => write!(f, "period of {period} is zero or beyond {}", Timing::PERIOD_MAX),
            ConfigError::Threshold(threshold) => write!(
                f,
                "threshold of {threshold} missed heartbeats is outside {}..={}",
                Config::THRESHOLD_MIN,
                Config::THRESHOLD_MAX
            ),
            ConfigError::Suspect(suspect) => {
                write!(f, "suspicion after {suspect} missed heartbeats is zero or not below the threshold")
            }
            ConfigError::Probation => f.write_str("probation is shorter than a period"),
        }
    }
}

impl core::error::Error for ConfigError {}
