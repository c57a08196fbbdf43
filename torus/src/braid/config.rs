//! What a braid is told at start, and what is wrong with it.

use super::Kind;
use crate::projection::native::{GAIN_LIMIT_PPM, KINDS};
use crate::{MAX_TORI, Mode};

/// Most rounds the window of the adaptive interval can hold.
pub const MAX_WINDOW: usize = 64;

/// How one quantity is held (`rse:B2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// A difference above this is a violation, in the unit of the quantity ([`Kind`]); `u64::MAX` = not evaluated.
    pub tolerance: u64,
    /// A difference up to this is never corrected.
    pub dead_band: u64,
    /// Share of half the difference one correction moves, parts per million, at most 500,000; 0 = observed only.
    pub gain_ppm: u32,
    /// Most units one correction moves; there is at most one correction per round.
    pub cap: u64,
}

impl Rule {
    /// A quantity that is watched and counted but has no correction of its own.
    #[must_use]
    pub const fn observed(tolerance: u64) -> Self {
        Self { tolerance, dead_band: 0, gain_ppm: 0, cap: 0 }
    }
}

/// Settings of a braid; the defaults are those of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BraidConfig {
    /// Which sources a round applies (`rse:B1`).
    pub mode: Mode,
    /// Executed events between exchanges at start.
    pub interval_ticks: u32,
    /// Least time between exchanges, ns (`decisions:NODE-9`); 0 in lockstep.
    pub floor_ns: u64,
    /// Longest time between exchanges, ns: an idle torus still publishes, or loaded peers would never see that it is idle.
    pub idle_ns: u64,
    /// One rule for each [`Kind`].
    pub rules: [Rule; KINDS],
    /// Whether a correction of load moves gain x the difference, rounded down, instead of gain x half of it (`decisions:AVM-16`).
    /// With the effective gain, at most 1 / N, this is the most that cannot make max - min grow.
    pub whole: bool,
    /// A torus with less work than this gives none away (`rse:B8`), pieces.
    pub min_source: u64,
    /// A peer with more suspended work than own + this gets none (`rse:B8` rule 0), pieces.
    pub blocked_margin: u64,
    /// Period of liveness, ns (`decisions:NODE-9`).
    pub liveness_ns: u64,
    /// Missed periods after which a peer is suspect.
    pub suspect_after: u32,
    /// Rounds of the sliding window of violations, 1..=64 (`rse:B4`).
    pub window: u32,
    /// Rounds before the interval is adapted for the first time, and between two changes.
    pub settle_rounds: u32,
    /// Whether the interval adapts; otherwise it stands as if set by hand.
    pub adaptive: bool,
    /// Violations per evaluated constraint above which the interval shrinks, ppm.
    pub shrink_above_ppm: u32,
    /// Violations per evaluated constraint below which the interval grows, ppm.
    pub grow_below_ppm: u32,
    /// What a shrinking interval becomes, ppm of itself, less than 1,000,000.
    pub shrink_ppm: u32,
    /// What a growing interval becomes, ppm of itself, more than 1,000,000.
    pub grow_ppm: u32,
    /// Least interval of the adaptive rule, ticks.
    pub interval_min: u32,
    /// Largest interval of the adaptive rule, ticks.
    pub interval_max: u32,
    /// Messages a ring between two tori holds, for the conservation constraint (`decisions:NODE-8`).
    pub ring_capacity: u64,
}

impl Default for BraidConfig {
    fn default() -> Self {
        let mut rules = [Rule::observed(0); KINDS];
        rules[Kind::Load as usize] = Rule { tolerance: 3, dead_band: 3, gain_ppm: GAIN_LIMIT_PPM, cap: 256 };
        rules[Kind::Face as usize] = Rule::observed(1_024);
        // Events a second below the dead band are too few to call a difference of rates a difference.
        rules[Kind::Rate as usize] = Rule { tolerance: 900, dead_band: 1_000, gain_ppm: 0, cap: 0 };
        rules[Kind::Round as usize] = Rule::observed(64);
        Self {
            mode: Mode::Rotate,
            interval_ticks: 1_000,
            floor_ns: 500_000,
            idle_ns: 10_000_000,
            rules,
            whole: false,
            min_source: 5,
            blocked_margin: 2,
            liveness_ns: 100_000_000,
            suspect_after: 3,
            window: 32,
            settle_rounds: 10,
            adaptive: true,
            shrink_above_ppm: 50_000,
            grow_below_ppm: 25_000,
            shrink_ppm: 800_000,
            grow_ppm: 1_200_000,
            interval_min: 100,
            interval_max: 10_000,
            ring_capacity: 1_024,
        }
    }
}

/// What is wrong with the settings of a braid. Nothing was made; the caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BraidError {
    /// A number outside its range.
    #[error("braid {key} is {value}, expected {least}..={most}: set it inside that range")]
    Range {
        /// Name of the setting.
        key: &'static str,
        /// Value given.
        value: u64,
        /// Least value allowed.
        least: u64,
        /// Largest value allowed.
        most: u64,
    },
}

impl BraidConfig {
    /// Checks every setting for torus `me` of `tori` in boot `boot`.
    ///
    /// # Errors
    /// [`BraidError`] names the first setting out of range.
    pub fn check(&self, me: u8, boot: u64, tori: u8) -> Result<(), BraidError> {
        let range = |key, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(BraidError::Range { key, value, least, most }) }
        };
        range("tori", tori.into(), 1, MAX_TORI as u64)?;
        range("torus id", me.into(), 0, u64::from(tori) - 1)?;
        range("boot id", boot, 1, u64::MAX)?;
        range("interval_ticks", self.interval_ticks.into(), 1, u32::MAX.into())?;
        range("interval_min", self.interval_min.into(), 1, self.interval_max.into())?;
        range("window", self.window.into(), 1, MAX_WINDOW as u64)?;
        range("liveness_ns", self.liveness_ns, 1, u64::MAX / 1_024)?;
        range("suspect_after", self.suspect_after.into(), 1, 1_000)?;
        range("grow_below_ppm", self.grow_below_ppm.into(), 0, self.shrink_above_ppm.into())?;
        range("shrink_ppm", self.shrink_ppm.into(), 1, 999_999)?;
        range("grow_ppm", self.grow_ppm.into(), 1_000_001, 100_000_000)?;
        range("idle_ns", self.idle_ns, self.floor_ns.max(1), u64::MAX)?;
        for rule in &self.rules {
            range("gain_ppm", rule.gain_ppm.into(), 0, GAIN_LIMIT_PPM.into())?;
        }
        Ok(())
    }
}
