//! All formed nodes belong to one formation (`bootstrap:E5`), a process forms once (`bootstrap:P4`), and with enough founders
//! and a fair network all form (`bootstrap:C1`).

use std::collections::BTreeMap;

use super::{Facts, Invariant};
use crate::peer::Seen;

#[derive(Default)]
pub(super) struct OneFormation {
    first: Option<(u64, u32)>,
    formed: BTreeMap<u32, u64>,
}

impl Invariant for OneFormation {
    fn name(&self) -> &'static str {
        "one formation (bootstrap:E5, bootstrap:C1)"
    }

    fn seen(&mut self, _facts: &Facts<'_>, node: u32, seen: &Seen) -> Result<(), String> {
        let Seen::Formed { formation } = *seen else { return Ok(()) };
        let (first, who) = *self.first.get_or_insert((formation, node));
        if first != formation {
            let (node, who) = (node + 1, who + 1);
            return Err(format!("node {who} is of formation {first:016x}, node {node} of {formation:016x}"));
        }
        self.formed.insert(node, formation);
        Ok(())
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        if !facts.scenario.expect.formed {
            return Ok(());
        }
        match facts.living().find(|(_, view)| view.formation.is_none()) {
            Some((node, _)) => Err(format!("node {} has not formed", node + 1)),
            None => Ok(()),
        }
    }
}
