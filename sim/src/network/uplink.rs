//! An uplink that several nodes share: what it loses, it loses for all of them at once.

use super::{QUEUE_MAX_NS, transfer_ns};
use crate::random::Random;

/// A shared uplink.
#[derive(Debug, Clone, PartialEq)]
pub struct Uplink {
    /// Mean length of an outage, ns; 0 = none.
    outage_ns: u64,
    /// Mean time between outages, ns.
    between_ns: u64,
    bandwidth: Option<u64>,
    busy_until_ns: u64,
    is_down: bool,
    changes_at_ns: u64,
}

impl Uplink {
    /// An uplink that is down for the share `loss` (less than 1) of the time, `outage_ns` at a time on average, and carries
    /// `bandwidth` bytes a second.
    #[must_use]
    pub fn new(loss: f64, outage_ns: u64, bandwidth: Option<u64>) -> Self {
        let outage_ns = if loss > 0.0 { outage_ns } else { 0 };
        let between_ns = if loss > 0.0 { (outage_ns as f64 * (1.0 - loss) / loss) as u64 } else { 0 };
        Self { outage_ns, between_ns, bandwidth, busy_until_ns: 0, is_down: true, changes_at_ns: 0 }
    }

    /// Passes a datagram: when it is through, or `None` when it is lost.
    pub(super) fn pass(&mut self, now_ns: u64, bytes: usize, random: &mut Random) -> Option<u64> {
        while self.outage_ns > 0 && self.changes_at_ns <= now_ns {
            self.is_down = !self.is_down;
            let mean_ns = if self.is_down { self.outage_ns } else { self.between_ns };
            // Uniform around the mean: bounded, and short outages are as likely as long ones.
            self.changes_at_ns += 1 + random.below(2 * mean_ns + 1);
        }
        if self.outage_ns > 0 && self.is_down {
            return None;
        }
        let Some(bandwidth) = self.bandwidth else { return Some(now_ns) };
        let start_ns = self.busy_until_ns.max(now_ns);
        if start_ns - now_ns > QUEUE_MAX_NS {
            return None;
        }
        self.busy_until_ns = start_ns + transfer_ns(bytes, bandwidth);
        Some(self.busy_until_ns)
    }
}
