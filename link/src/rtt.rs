//! Round-trip times: smoothed, and a small histogram for percentiles.

/// Octaves times four: 256 ns to 4.3 s.
const BUCKETS: usize = 96;
/// Values below 2^8 ns share the first bucket.
const FIRST_OCTAVE: u32 = 8;
/// When so many values are in, all counts are halved: percentiles follow the last minutes, not the whole life.
const HALVE_AT: u32 = 4_096;

/// Counts by size, four buckets an octave: percentiles are exact within a quarter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u32; BUCKETS],
    total: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Notes a value, ns.
    pub fn note(&mut self, value_ns: u64) {
        if self.total >= HALVE_AT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
        self.counts[bucket(value_ns)] += 1;
        self.total += 1;
    }

    /// Upper end of the bucket below which `part` of `of` values lie, ns; 0 when empty.
    #[must_use]
    pub fn percentile(&self, part: u64, of: u64) -> u64 {
        if self.total == 0 {
            return 0;
        }
        let wanted = (u64::from(self.total) * part).div_ceil(of).max(1);
        let mut below = 0;
        for (at, &count) in self.counts.iter().enumerate() {
            below += u64::from(count);
            if below >= wanted {
                return upper_ns(at);
            }
        }
        upper_ns(BUCKETS - 1)
    }
}

fn bucket(value_ns: u64) -> usize {
    let octave = (value_ns | 1).ilog2();
    if octave < FIRST_OCTAVE {
        return 0;
    }
    let quarter = (value_ns >> (octave - 2)) & 3;
    (((octave - FIRST_OCTAVE) as usize) * 4 + quarter as usize).min(BUCKETS - 1)
}

fn upper_ns(bucket: usize) -> u64 {
    let octave = FIRST_OCTAVE + (bucket / 4) as u32;
    (1 << octave) + ((bucket as u64 % 4 + 1) << (octave - 2))
}

/// Smoothed round-trip time with a weight of an eighth for each new one, ns; 0 = none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Smoothed(u64);

impl Smoothed {
    /// Takes a sample, ns.
    pub fn note(&mut self, sample_ns: u64) {
        let sample_ns = sample_ns.clamp(1, 60_000_000_000);
        self.0 = if self.0 == 0 { sample_ns } else { self.0 - self.0 / 8 + sample_ns / 8 };
    }

    /// The smoothed value, ns.
    #[must_use]
    pub fn ns(self) -> u64 {
        self.0
    }

    /// First retransmission timeout (`rse:U3`): four times the smoothed value, 200 us to 50 ms; 50 ms while unknown.
    #[must_use]
    pub fn timeout_ns(self) -> u64 {
        if self.0 == 0 { RTO_MAX_NS } else { (4 * self.0).clamp(RTO_MIN_NS, RTO_MAX_NS) }
    }
}

/// Shortest first timeout of a command, ns.
pub const RTO_MIN_NS: u64 = 200_000;
/// Longest first timeout of a command, ns.
pub const RTO_MAX_NS: u64 = 50_000_000;

#[cfg(test)]
mod tests {
    use super::{Histogram, RTO_MAX_NS, RTO_MIN_NS, Smoothed, bucket, upper_ns};

    // rse:U7
    #[test]
    fn percentiles_are_exact_within_a_quarter() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50, 100), 0);
        for value in 1..=1_000_u64 {
            histogram.note(value * 1_000);
        }
        for (part, exact) in [(50, 500_000), (99, 990_000)] {
            let found = histogram.percentile(part, 100);
            assert!(found >= exact && found <= exact * 5 / 4, "p{part} is {found}, exact {exact}");
        }
    }

    #[test]
    fn buckets_cover_everything_in_order() {
        for value in [0, 1, 255, 256, 257, 320, 400, 511, 512, 1 << 20, (1 << 32) - 1] {
            let at = bucket(value);
            assert!(value < upper_ns(at), "{value} is not below the end of its bucket");
            assert!(at == 0 || value >= upper_ns(at - 1), "{value} lies in an earlier bucket");
        }
        assert_eq!(bucket(u64::MAX), 95);
    }

    #[test]
    fn old_values_fade() {
        let mut histogram = Histogram::default();
        (0..100_000).for_each(|_| histogram.note(1_000_000));
        (0..20_000).for_each(|_| histogram.note(1_000));
        assert!(histogram.percentile(99, 100) < 2_000, "{}", histogram.percentile(99, 100));
    }

    // rse:U3
    #[test]
    fn the_timeout_is_four_smoothed_times_within_its_bounds() {
        let mut smoothed = Smoothed::default();
        assert_eq!(smoothed.timeout_ns(), RTO_MAX_NS);
        smoothed.note(1_000);
        assert_eq!((smoothed.ns(), smoothed.timeout_ns()), (1_000, RTO_MIN_NS));
        let mut smoothed = Smoothed::default();
        smoothed.note(1_000_000);
        assert_eq!(smoothed.timeout_ns(), 4_000_000);
        smoothed.note(9_000_000);
        assert_eq!(smoothed.ns(), 1_000_000 - 125_000 + 1_125_000);
        (0..100).for_each(|_| smoothed.note(u64::MAX));
        assert_eq!(smoothed.timeout_ns(), RTO_MAX_NS);
    }
}
