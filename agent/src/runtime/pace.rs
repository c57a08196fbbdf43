//! Pace: how far logical time may have come at a moment of wall time. The only place where the two meet, and what comes out
//! of it enters the torus as a recorded `Input::Horizon` (`decisions:NODE-2`).

/// Shortest wall time between two horizons, ns: a recording holds a thousand a second at most.
const STEP_NS: u64 = 1_000_000;

/// Logical ticks a second, from a start that pauses push back.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    ticks_per_s: f64,
    base_ns: u64,
    paused_ns: Option<u64>,
    given: Option<(u64, u64)>,
}

impl Pace {
    /// Tick 0 is at `now_ns`.
    #[must_use]
    pub fn new(ticks_per_s: f64, now_ns: u64) -> Self {
        Self { ticks_per_s, base_ns: now_ns, paused_ns: None, given: None }
    }

    /// The horizon to apply now, if it moved and the last one is old enough.
    pub fn horizon(&mut self, now_ns: u64) -> Option<u64> {
        let now_ns = self.paused_ns.unwrap_or(now_ns);
        let ticks = (now_ns.saturating_sub(self.base_ns) as f64 * self.ticks_per_s / 1e9) as u64;
        if let Some((at_ns, before)) = self.given
            && (ticks <= before || now_ns.saturating_sub(at_ns) < STEP_NS)
        {
            return None;
        }
        self.given = Some((now_ns, ticks));
        Some(ticks)
    }

    /// Wall time until the horizon reaches `tick`, ns.
    #[must_use]
    pub fn until_ns(&self, tick: u64, now_ns: u64) -> u64 {
        if self.paused_ns.is_some() {
            return u64::MAX;
        }
        let at_ns = self.base_ns as f64 + tick as f64 * 1e9 / self.ticks_per_s;
        let left_ns = at_ns - now_ns as f64;
        // A float far beyond the range saturates, which is right here: never.
        (left_ns.max(0.0) as u64).max(STEP_NS)
    }

    /// Logical time stands still from here.
    pub fn pause(&mut self, now_ns: u64) {
        self.paused_ns.get_or_insert(now_ns);
    }

    /// Logical time goes on where it stood.
    pub fn resume(&mut self, now_ns: u64) {
        if let Some(since_ns) = self.paused_ns.take() {
            self.base_ns += now_ns.saturating_sub(since_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn ticks_follow_wall_time_and_not_more_often_than_each_millisecond() {
        let mut pace = Pace::new(10_000.0, 5 * MS);
        assert_eq!(pace.horizon(5 * MS), Some(0));
        assert_eq!(pace.horizon(5 * MS + 500_000), None);
        assert_eq!(pace.horizon(6 * MS), Some(10));
        assert_eq!(pace.horizon(106 * MS), Some(1010));
        assert_eq!(pace.until_ns(2010, 106 * MS), 100 * MS);
        assert_eq!(pace.until_ns(0, 106 * MS), MS);
    }

    #[test]
    fn a_pause_is_no_time() {
        let mut pace = Pace::new(1_000.0, 0);
        assert_eq!(pace.horizon(10 * MS), Some(10));
        pace.pause(20 * MS);
        pace.pause(30 * MS);
        assert_eq!(pace.horizon(500 * MS), Some(20));
        assert_eq!(pace.horizon(900 * MS), None);
        assert_eq!(pace.until_ns(30, 500 * MS), u64::MAX);
        pace.resume(1_020 * MS);
        assert_eq!(pace.horizon(1_025 * MS), Some(25));
    }
}
