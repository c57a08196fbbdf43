//! Once nothing fails any more, everybody alive becomes a member for everybody (`membership:MB-12`, `membership:MB-14`).

use super::{Facts, Invariant};

pub(super) struct Healing;

impl Invariant for Healing {
    fn name(&self) -> &'static str {
        "the cluster heals (membership:MB-14)"
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        if !facts.scenario.expect.healed {
            return Ok(());
        }
        let living: Vec<u32> = facts.living().map(|(node, _)| node).collect();
        let mut missing = 0_u64;
        let mut example = None;
        for &observer in &living {
            for &subject in living.iter().filter(|&&subject| !facts.measure.census.has(observer, subject)) {
                missing += 1;
                example.get_or_insert((observer + 1, subject + 1));
            }
        }
        match example {
            Some((observer, subject)) => {
                Err(format!("{missing} pairs: for node {observer}, living node {subject} is no member at the end"))
            }
            None => Ok(()),
        }
    }
}
