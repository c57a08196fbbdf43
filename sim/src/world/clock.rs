//! The clock of a node: it starts anywhere, may jump and may run fast or slow.

/// A clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What it showed at `since_ns`.
    shown_ns: u64,
    /// Real time of the last change.
    since_ns: u64,
    /// Parts per million it runs fast.
    ppm: i32,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// A clock that shows `shown_ns` at time 0.
    #[must_use]
    pub const fn new(shown_ns: u64) -> Self {
        Self { shown_ns, since_ns: 0, ppm: 0 }
    }

    /// What it shows at `now_ns`.
    #[must_use]
    pub fn show(&self, now_ns: u64) -> u64 {
        let passed = now_ns.saturating_sub(self.since_ns);
        let run = i128::from(passed) * (MILLION + i128::from(self.ppm)) / MILLION;
        self.shown_ns.saturating_add(run.max(0) as u64)
    }

    /// When it will show `shown_ns`; `now_ns` when it does already, `u64::MAX` when it never will.
    #[must_use]
    pub fn when(&self, now_ns: u64, shown_ns: u64) -> u64 {
        if shown_ns == u64::MAX {
            return u64::MAX;
        }
        let run = i128::from(shown_ns.saturating_sub(self.shown_ns));
        // Rounded up, so that the clock shows at least that much then.
        let passed = (run * MILLION + (MILLION + i128::from(self.ppm)) - 1) / (MILLION + i128::from(self.ppm));
        let at = i128::from(self.since_ns) + passed;
        u64::try_from(at).unwrap_or(u64::MAX).max(now_ns)
    }

    /// It jumps.
    pub fn jump(&mut self, now_ns: u64, by_ns: i64) {
        self.shown_ns = self.show(now_ns).saturating_add_signed(by_ns);
        self.since_ns = now_ns;
    }

    /// It runs at another rate from now on.
    pub fn set_drift(&mut self, now_ns: u64, ppm: i32) {
        (self.shown_ns, self.since_ns, self.ppm) = (self.show(now_ns), now_ns, ppm);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// `when` is the first moment at which `show` has reached a time, whatever happened to the clock.
        #[test]
        fn when_and_show_agree(
            start in 0_u64..1 << 50, by in -1_000_000_000_000_i64..1_000_000_000_000, ppm in -500_000..500_000,
            ahead in 0_u64..100_000_000_000,
        ) {
            let mut clock = Clock::new(start);
            clock.set_drift(1_000, ppm);
            clock.jump(5_000_000, by);
            let now = 7_000_000;
            let target = clock.show(now) + ahead;
            let at = clock.when(now, target);
            prop_assert!(at >= now && clock.show(at) >= target);
            prop_assert!(at == now || clock.show(at - 1) < target);
        }
    }

    #[test]
    fn jumps_add_up_and_stop_at_zero() {
        let mut clock = Clock::new(100);
        assert_eq!(clock.show(50), 150);
        clock.jump(50, 1_000);
        assert_eq!(clock.show(60), 1_160);
        clock.jump(60, -5_000);
        assert_eq!(clock.show(60), 0);
        assert_eq!(clock.when(60, u64::MAX), u64::MAX);
    }
}
