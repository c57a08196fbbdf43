//! Neighbours: at most k, none twice, never the node itself (property 9 of `ekk` section 12); once calm, the nearest there are.

use super::{Facts, Invariant};

pub(super) struct Neighbours;

/// Most neighbours of a node.
const MOST: usize = 7;

impl Invariant for Neighbours {
    fn name(&self) -> &'static str {
        "neighbours are the nearest (ekk section 12, property 9)"
    }

    fn sample(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        for (node, view) in facts.living() {
            let mut sorted = view.neighbours.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if view.neighbours.len() > MOST || sorted.len() < view.neighbours.len() || sorted.contains(&node) {
                return Err(format!("node {} has the neighbours {:?}", node + 1, view.neighbours));
            }
        }
        Ok(())
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let Some(most) = facts.scenario.expect.wrong_neighbours else { return Ok(()) };
        let wrong = facts.measure.wrong_neighbours.last().map_or(0.0, |sample| sample.1 as f64 / 1e3);
        if wrong <= most { Ok(()) } else { Err(format!("{wrong:.3} wrong neighbours a node, at most {most}")) }
    }
}
