//! Every crash is known to 99 % of the living in time and to all at the end (`membership:MB-5`, `membership:MB-8`,
//! `decisions:CLU-16`).

use super::{Facts, Invariant};

pub(super) struct Detection;

impl Invariant for Detection {
    fn name(&self) -> &'static str {
        "crashes are known (membership:MB-5, decisions:CLU-16)"
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let deaths = &facts.measure.deaths;
        if facts.scenario.expect.all_detected {
            for (subject, at_ns, _) in deaths.standing() {
                let ignorant: Vec<u32> = facts
                    .living()
                    .filter(|(node, _)| facts.measure.census.has(*node, subject))
                    .map(|(node, _)| node + 1)
                    .collect();
                if !ignorant.is_empty() {
                    let (subject, at, first) = (subject + 1, at_ns as f64 / 1e9, &ignorant[..ignorant.len().min(5)]);
                    let count = ignorant.len();
                    return Err(format!(
                        "node {subject} crashed at {at:.1} s; {count} nodes do not know it: {first:?} .."
                    ));
                }
            }
        }
        match (facts.scenario.expect.detect_p99_ms, deaths.latency.p99()) {
            (Some(most_ms), Some(p99_ns)) if p99_ns > most_ms * 1_000_000 => {
                let p99_ms = p99_ns / 1_000_000;
                Err(format!(
                    "99 % knew of a crash after {p99_ms} ms (p99 of {}), at most {most_ms}",
                    deaths.latency.count()
                ))
            }
            (Some(_), None) if deaths.crashes > 0 => {
                Err(format!("none of {} crashes was known to 99 %", deaths.crashes))
            }
            _ => Ok(()),
        }
    }
}
