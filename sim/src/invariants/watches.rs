//! Nobody watches itself, nobody has more than 12 watch links (`membership:MB-1`), and once calm nobody is unwatched
//! (`membership:MB-3`).

use super::{Facts, Invariant};
use crate::scenario::Start;

pub(super) struct Watches;

/// Most watch links of a node.
const MOST: usize = 12;
/// Periods after which links are repaired.
const REPAIRED_PERIODS: u64 = 100;

impl Invariant for Watches {
    fn name(&self) -> &'static str {
        "everybody is watched (membership:MB-1, membership:MB-3)"
    }

    fn sample(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        for (node, view) in facts.living() {
            if view.watches.contains(&node) {
                return Err(format!("node {} watches itself", node + 1));
            }
            if view.watches.len() > MOST {
                return Err(format!("node {} has {} watch links, at most {MOST}", node + 1, view.watches.len()));
            }
        }
        Ok(())
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let calm_for_ns = facts.scenario.until_ns - facts.scenario.calm_ns;
        let has_time = calm_for_ns >= REPAIRED_PERIODS * facts.period_ns;
        let expected = has_time || (facts.scenario.faults.is_empty() && facts.scenario.start == Start::Warm);
        let living = facts.living().count();
        if !expected || living < 2 || facts.living().all(|(_, view)| view.watches.is_empty()) {
            return Ok(());
        }
        let mut watched = vec![0_u32; facts.nodes as usize];
        for (_, view) in facts.living() {
            view.watches.iter().for_each(|&other| watched[other as usize] += 1);
        }
        match facts.living().find(|(node, _)| watched[*node as usize] == 0) {
            Some((node, view)) => Err(format!(
                "nobody watches node {}, which itself watches {} (active: {})",
                node + 1,
                view.watches.len(),
                view.is_active
            )),
            None => Ok(()),
        }
    }
}
