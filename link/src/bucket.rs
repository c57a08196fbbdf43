//! The bandwidth cap: a bucket of bytes that fills with time.

/// Bytes that may go now. Coordination is charged and never held back: a node that falls silent to save bandwidth would be
/// taken for dead. It may leave the bucket in debt by one burst; projections and commands wait until it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    rate_bytes_per_s: u64,
    burst_bytes: u64,
    /// Billionths of a byte; negative = debt.
    level: i128,
    filled_at_ns: u64,
}

const UNIT: i128 = 1_000_000_000;

impl Bucket {
    /// A full bucket; rate 0 = no cap.
    #[must_use]
    pub fn new(rate_bytes_per_s: u64, burst_bytes: u64) -> Self {
        Self { rate_bytes_per_s, burst_bytes, level: i128::from(burst_bytes) * UNIT, filled_at_ns: 0 }
    }

    fn fill(&mut self, now_ns: u64) {
        let gone_ns = now_ns.saturating_sub(self.filled_at_ns);
        self.filled_at_ns = self.filled_at_ns.max(now_ns);
        let full = i128::from(self.burst_bytes) * UNIT;
        self.level = (self.level + i128::from(gone_ns) * i128::from(self.rate_bytes_per_s)).min(full);
    }

    /// Takes `bytes` if the bucket is not in debt.
    ///
    /// # Errors
    /// Nanoseconds until the debt is paid.
    pub fn take(&mut self, now_ns: u64, bytes: usize) -> Result<(), u64> {
        if self.rate_bytes_per_s == 0 {
            return Ok(());
        }
        self.fill(now_ns);
        if self.level <= 0 {
            let missing = 1 - self.level;
            let wait_ns = missing / i128::from(self.rate_bytes_per_s) + 1;
            return Err(u64::try_from(wait_ns).unwrap_or(u64::MAX));
        }
        self.charge(now_ns, bytes);
        Ok(())
    }

    /// Takes `bytes` whatever is left.
    pub fn charge(&mut self, now_ns: u64, bytes: usize) {
        if self.rate_bytes_per_s == 0 {
            return;
        }
        self.fill(now_ns);
        let floor = -i128::from(self.burst_bytes) * UNIT;
        self.level = (self.level - bytes as i128 * UNIT).max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    // decisions:CLU-19
    #[test]
    fn the_cap_holds_over_time() {
        let mut bucket = Bucket::new(1_000_000, 10_000);
        let (mut sent, mut refused) = (0_u64, 0_u64);
        for step in 0..10_000_u64 {
            match bucket.take(step * 100_000, 1_000) {
                Ok(()) => sent += 1_000,
                Err(_) => refused += 1,
            }
        }
        // One second at 1 MB/s, one burst and one datagram over.
        assert!((1_000_000..=1_011_000).contains(&sent), "{sent}");
        assert!(refused > 8_900, "{refused}");
    }

    #[test]
    fn the_wait_it_names_is_enough_and_not_too_long() {
        let mut bucket = Bucket::new(1_000, 100);
        assert_eq!(bucket.take(0, 600), Ok(()));
        let wait_ns = bucket.take(0, 1).expect_err("in debt");
        assert!(bucket.clone().take(wait_ns - 2, 1).is_err());
        assert_eq!(bucket.take(wait_ns, 1), Ok(()));
    }

    #[test]
    fn coordination_makes_debt_up_to_one_burst_and_no_cap_takes_all() {
        let mut bucket = Bucket::new(1_000, 100);
        (0..1_000).for_each(|_| bucket.charge(0, 1_000));
        assert!(bucket.take(99_000_000, 1).is_err());
        assert_eq!(bucket.take(101_000_000, 1), Ok(()));
        let mut open = Bucket::new(0, 0);
        assert_eq!(open.take(0, usize::MAX), Ok(()));
    }
}
