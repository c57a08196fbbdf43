//! The adaptive interval (`rse:B4`): violations per evaluated constraint over a sliding window of rounds.

use super::config::{BraidConfig, MAX_WINDOW};

/// Why the interval changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalReason {
    /// Violations above the upper threshold: exchange more often.
    Violations,
    /// Violations below the lower threshold: exchange less often.
    Quiet,
    /// Set by hand.
    Hand,
}

/// A change of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalChange {
    /// Ticks before.
    pub from: u32,
    /// Ticks now.
    pub to: u32,
    /// Violations per evaluated constraint at the change, parts per million.
    pub rate_ppm: u32,
    /// Why.
    pub reason: IntervalReason,
}

/// The seed's rule as a pure function: by default 0.8 of the interval above the upper threshold, 1.2 of it below the lower one,
/// both rounded down and clamped (rse.md section 6.4).
#[must_use]
pub fn adapted(ticks: u32, rate_ppm: u32, config: &BraidConfig) -> u32 {
    let scaled = |ppm: u32| (u64::from(ticks) * u64::from(ppm) / 1_000_000).min(u64::from(u32::MAX)) as u32;
    if rate_ppm > config.shrink_above_ppm {
        scaled(config.shrink_ppm).max(config.interval_min)
    } else if rate_ppm < config.grow_below_ppm {
        scaled(config.grow_ppm).min(config.interval_max)
    } else {
        ticks
    }
}

/// Interval and window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub ticks: u32,
    fixed: bool,
    rounds: [(u32, u32); MAX_WINDOW],
    filled: usize,
    next: usize,
    since_change: u32,
    by_hand: Option<IntervalChange>,
}

impl Interval {
    pub fn new(config: &BraidConfig) -> Self {
        let rounds = [(0, 0); MAX_WINDOW];
        Self {
            ticks: config.interval_ticks,
            fixed: !config.adaptive,
            rounds,
            filled: 0,
            next: 0,
            since_change: 0,
            by_hand: None,
        }
    }

    pub fn fixed(&self) -> bool {
        self.fixed
    }

    /// `Some` fixes the interval, `None` gives it back to the rule.
    pub fn set(&mut self, ticks: Option<u32>) {
        self.fixed = ticks.is_some();
        if let Some(to) = ticks.map(|ticks| ticks.max(1)) {
            let change =
                IntervalChange { from: self.ticks, to, rate_ppm: self.rate_ppm(), reason: IntervalReason::Hand };
            self.by_hand = Some(change);
            self.ticks = to;
        }
    }

    /// Violations per evaluated constraint in the window, parts per million.
    pub fn rate_ppm(&self) -> u32 {
        let sums = self.rounds[..self.filled]
            .iter()
            .fold((0, 0), |sums: (u64, u64), round| (sums.0 + u64::from(round.0), sums.1 + u64::from(round.1)));
        (sums.0 * 1_000_000).checked_div(sums.1).unwrap_or(0).min(1_000_000) as u32
    }

    /// Takes the count of one round and adapts when the window says so. A round that evaluated nothing tells nothing and is
    /// not entered, or rotating past oneself would look like quiet.
    pub fn round(&mut self, violations: u32, evaluated: u32, config: &BraidConfig) -> Option<IntervalChange> {
        if evaluated > 0 {
            let window = config.window as usize;
            self.rounds[self.next] = (violations, evaluated);
            self.next = (self.next + 1) % window;
            self.filled = (self.filled + 1).min(window);
            self.since_change = self.since_change.saturating_add(1);
        }
        if let Some(change) = self.by_hand.take() {
            return Some(change);
        }
        if self.fixed || self.since_change < config.settle_rounds || evaluated == 0 {
            return None;
        }
        let rate_ppm = self.rate_ppm();
        let to = adapted(self.ticks, rate_ppm, config);
        if to == self.ticks {
            return None;
        }
        let reason = if to < self.ticks { IntervalReason::Violations } else { IntervalReason::Quiet };
        let change = IntervalChange { from: self.ticks, to, rate_ppm, reason };
        self.ticks = to;
        self.since_change = 0;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rse:B4`: the sequence of rse.md section 6.4, up without violations, down with, clamped at both ends.
    #[test]
    fn the_seeds_sequence_b4() {
        let config = BraidConfig::default();
        let up: Vec<u32> =
            std::iter::successors(Some(1000), |&ticks| Some(adapted(ticks, 0, &config))).take(15).collect();
        let expected = [1000, 1200, 1440, 1728, 2073, 2487, 2984, 3580, 4296, 5155, 6186, 7423, 8907, 10_000, 10_000];
        assert_eq!(up, expected);
        let down: Vec<u32> =
            std::iter::successors(Some(1000), |&ticks| Some(adapted(ticks, 50_001, &config))).take(13).collect();
        assert_eq!(down, [1000, 800, 640, 512, 409, 327, 261, 208, 166, 132, 105, 100, 100]);
        for still in [25_000, 50_000] {
            assert_eq!(adapted(1000, still, &config), 1000, "thresholds themselves change nothing");
        }
    }

    /// `rse:B4`: a burst of violations counts while it is in the window and no longer (the seed summed for ever).
    #[test]
    fn the_window_slides_b4() {
        let config = BraidConfig { settle_rounds: 1_000_000, ..BraidConfig::default() };
        let mut interval = Interval::new(&config);
        for _ in 0..4 {
            interval.round(1, 2, &config);
        }
        assert_eq!(interval.rate_ppm(), 500_000);
        for _ in 0..28 {
            interval.round(0, 2, &config);
        }
        assert_eq!(interval.rate_ppm(), 4 * 1_000_000 / 64);
        for _ in 0..4 {
            interval.round(0, 2, &config);
        }
        assert_eq!(interval.rate_ppm(), 0);
    }

    /// `rse:B4`: nothing changes before the tenth round, then one change every ten rounds; by hand it stays until given back.
    #[test]
    fn it_settles_between_changes_b4() {
        let config = BraidConfig::default();
        let mut interval = Interval::new(&config);
        let changes: Vec<u32> = (1..=30).filter(|_| interval.round(0, 5, &config).is_some()).collect();
        assert_eq!(changes, [10, 20, 30]);
        assert_eq!(interval.ticks, 1728);
        interval.set(Some(500));
        assert_eq!(
            interval.round(0, 5, &config).map(|c| (c.from, c.to, c.reason)),
            Some((1728, 500, IntervalReason::Hand))
        );
        assert!((0..50).all(|_| interval.round(5, 5, &config).is_none()) && interval.fixed());
        interval.set(None);
        let change = interval.round(5, 5, &config).expect("violations in the window");
        assert_eq!((change.from, change.to, change.reason), (500, 400, IntervalReason::Violations));
    }

    /// `rse:B4`: the factors are those of the configuration, and without the rule the interval stands until it is handed over.
    #[test]
    fn factors_are_configured_and_a_fixed_interval_stands_b4() {
        let config = BraidConfig { shrink_ppm: 500_000, grow_ppm: 3_000_000, ..BraidConfig::default() };
        assert_eq!((adapted(1000, 0, &config), adapted(1000, 50_001, &config)), (3000, 500));
        let config = BraidConfig { adaptive: false, ..config };
        let mut interval = Interval::new(&config);
        assert!((0..50).all(|_| interval.round(0, 5, &config).is_none()));
        assert_eq!((interval.ticks, interval.fixed()), (1000, true));
        interval.set(None);
        assert_eq!(interval.round(0, 5, &config).map(|change| (change.from, change.to)), Some((1000, 3000)));
    }

    /// Rounds that evaluated nothing are not quiet rounds.
    #[test]
    fn rounds_without_evaluation_say_nothing() {
        let config = BraidConfig::default();
        let mut interval = Interval::new(&config);
        assert!((0..100).all(|_| interval.round(0, 0, &config).is_none()));
        assert_eq!(interval.rate_ppm(), 0);
    }
}
