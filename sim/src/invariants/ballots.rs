//! No two honest nodes hold different final results for one ballot (property 8 of `ekk` section 12).

use std::collections::BTreeMap;

use super::{Facts, Invariant};
use crate::peer::Seen;

#[derive(Default)]
pub(super) struct Ballots {
    /// First result by ballot, and who had it.
    results: BTreeMap<(u32, u32), (u8, u32)>,
}

impl Invariant for Ballots {
    fn name(&self) -> &'static str {
        "ballots agree (ekk section 12, property 8)"
    }

    fn seen(&mut self, facts: &Facts<'_>, node: u32, seen: &Seen) -> Result<(), String> {
        let Seen::Decided { ballot, result } = *seen else { return Ok(()) };
        if facts.standing.misbehaves(node) {
            return Ok(());
        }
        let (first, who) = *self.results.entry(ballot).or_insert((result, node));
        if first == result {
            return Ok(());
        }
        let (proposer, number) = ballot;
        let (node, who) = (node + 1, who + 1);
        Err(format!("ballot {number} of node {proposer}: node {who} has result {first}, node {node} has {result}"))
    }
}
