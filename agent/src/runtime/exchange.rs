//! What an exchange costs: histograms whose memory is taken at start, so that recording never allocates.

use control::page::BUCKETS;
use hdrhistogram::Histogram;

/// Durations are shown over the last one to two of these, ns: what an operator changes must be seen to change them.
const WINDOW_NS: u64 = 5_000_000_000;
/// Durations beyond this are counted as this, ns.
const LONGEST_NS: u64 = 1_000_000_000;

/// Cost of the exchanges of one torus, and of its events.
#[derive(Debug)]
pub struct ExchangeStats {
    /// Both take every duration; they start anew by turns, and the one that started earlier is shown.
    windows: [Window; 2],
    older: usize,
    exchanges: u64,
    service: [u64; BUCKETS],
}

#[derive(Debug)]
struct Window {
    durations: Histogram<u64>,
    spent_ns: u64,
    started_ns: u64,
}

impl Window {
    fn new(now_ns: u64) -> Self {
        let durations = Histogram::new_with_bounds(1, LONGEST_NS, 2).expect("1 <= 1e9 / 2 and 2 digits are in range");
        Self { durations, spent_ns: 0, started_ns: now_ns }
    }

    fn restart(&mut self, now_ns: u64) {
        self.durations.reset();
        (self.spent_ns, self.started_ns) = (0, now_ns);
    }
}

/// The figures the status page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExchangeFigures {
    /// Exchanges done since start.
    pub exchanges: u64,
    /// Median duration of the last seconds, ns.
    pub p50_ns: u64,
    /// 99th percentile of the duration of the last seconds, ns.
    pub p99_ns: u64,
    /// Time in exchanges per time running, over the last seconds, parts per million.
    pub overhead_ppm: u64,
}

impl ExchangeStats {
    /// Takes all memory. `now_ns` is when the loop starts.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        let windows = [Window::new(now_ns), Window::new(now_ns)];
        Self { windows, older: 0, exchanges: 0, service: [0; BUCKETS] }
    }

    /// Exchanges so far.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Counts one exchange of this duration that ended at `now_ns`. Never allocates: the range is fixed and larger values
    /// saturate.
    pub fn exchange(&mut self, duration_ns: u64, now_ns: u64) {
        if now_ns.saturating_sub(self.windows[1 - self.older].started_ns) >= WINDOW_NS {
            self.windows[self.older].restart(now_ns);
            self.older = 1 - self.older;
        }
        self.exchanges += 1;
        for window in &mut self.windows {
            window.durations.saturating_record(duration_ns.max(1));
            window.spent_ns = window.spent_ns.saturating_add(duration_ns);
        }
    }

    /// Counts a batch of `events` that took `duration_ns`.
    pub fn batch(&mut self, events: u64, duration_ns: u64) {
        if let Some(each_ns) = duration_ns.checked_div(events) {
            self.service[bucket(each_ns)] += events;
        }
    }

    /// Nanoseconds per event of the batches, power-of-two buckets.
    #[must_use]
    pub fn service_ns(&self) -> &[u64; BUCKETS] {
        &self.service
    }

    /// The figures so far. Walks the histogram (about a thousand buckets): for the status cadence, not for each exchange.
    #[must_use]
    pub fn figures(&self, now_ns: u64) -> ExchangeFigures {
        let window = &self.windows[self.older];
        let running_ns = u128::from(now_ns.saturating_sub(window.started_ns).max(1));
        ExchangeFigures {
            exchanges: self.exchanges,
            p50_ns: window.durations.value_at_quantile(0.5),
            p99_ns: window.durations.value_at_quantile(0.99),
            overhead_ppm: (u128::from(window.spent_ns) * 1_000_000 / running_ns).min(1_000_000) as u64,
        }
    }
}

fn bucket(value: u64) -> usize {
    (value.max(1).ilog2() as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_durations() {
        let mut stats = ExchangeStats::new(1_000);
        for duration_ns in 1..=100 {
            stats.exchange(duration_ns * 10, 2_000);
        }
        let figures = stats.figures(1_000 + 50_500_000);
        assert_eq!((figures.exchanges, figures.overhead_ppm), (100, 1_000));
        assert!((490..=510).contains(&figures.p50_ns), "{figures:?}");
        assert!((980..=1_000).contains(&figures.p99_ns), "{figures:?}");
        stats.exchange(u64::MAX, 3_000);
        assert_eq!(stats.figures(u64::MAX).exchanges, 101);
    }

    // An hour of fast exchanges must not hide that they have become slow, nor the other way round.
    #[test]
    fn figures_follow_the_last_seconds() {
        let mut stats = ExchangeStats::new(0);
        for at in 0..1_000u64 {
            stats.exchange(1_000, at * WINDOW_NS / 10);
        }
        let turn_ns = 100 * WINDOW_NS;
        for at in 0..=20u64 {
            stats.exchange(100_000, turn_ns + at * WINDOW_NS / 10);
        }
        let figures = stats.figures(turn_ns + 2 * WINDOW_NS);
        assert_eq!(figures.exchanges, 1_021);
        assert!(figures.p50_ns > 90_000, "{figures:?}");
        // 10 to 11 exchanges of 100 us in a window of 5 s.
        assert!((200..=220).contains(&figures.overhead_ppm), "{figures:?}");
    }

    #[test]
    fn service_times_fall_into_the_buckets_of_the_page() {
        let mut stats = ExchangeStats::new(0);
        stats.batch(4, 400);
        stats.batch(0, 400);
        stats.batch(1, u64::MAX);
        assert_eq!((stats.service_ns()[6], stats.service_ns()[BUCKETS - 1]), (4, 1));
    }
}
