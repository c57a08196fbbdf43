//! Traffic of a node is bounded (`membership:MB-8`, `bootstrap:E6`): packets a node and second over the calm phase, everything
//! counted.

use super::{Facts, Invariant};

#[derive(Default)]
pub(super) struct Traffic {
    /// Time, packets and up time at the first sample of the calm phase.
    calm: Option<(u64, u64)>,
}

impl Invariant for Traffic {
    fn name(&self) -> &'static str {
        "traffic is bounded (membership:MB-8, bootstrap:E6)"
    }

    fn sample(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        if facts.now_ns >= facts.scenario.calm_ns.min(facts.scenario.until_ns / 2) {
            self.calm.get_or_insert((facts.now_ns, facts.measure.total().packets));
        }
        Ok(())
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let (Some(most), Some((since_ns, packets))) = (facts.scenario.expect.packets_per_s, self.calm) else {
            return Ok(());
        };
        let seconds = facts.now_ns.saturating_sub(since_ns) as f64 / 1e9;
        let living = facts.living().count() as f64;
        if seconds <= 0.0 || living == 0.0 {
            return Ok(());
        }
        let rate = (facts.measure.total().packets - packets) as f64 / seconds / living;
        if rate <= most { Ok(()) } else { Err(format!("{rate:.1} packets a node and second, at most {most}")) }
    }
}
