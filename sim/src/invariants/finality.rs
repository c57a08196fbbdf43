//! Death is final for one life: who was removed comes back only in a later one (`decisions:CLU-7`, `membership:MB-12`).

use std::collections::BTreeMap;

use super::{Facts, Invariant};
use crate::peer::Seen;

#[derive(Default)]
pub(super) struct Finality {
    /// Highest removed life by (observer, subject).
    removed: BTreeMap<(u32, u32), u64>,
}

impl Invariant for Finality {
    fn name(&self) -> &'static str {
        "death is final for a life (decisions:CLU-7)"
    }

    fn seen(&mut self, _facts: &Facts<'_>, node: u32, seen: &Seen) -> Result<(), String> {
        match *seen {
            Seen::Removed { subject, rank, .. } => {
                let known = self.removed.entry((node, subject)).or_insert(rank);
                *known = rank.max(*known);
            }
            Seen::Joined { subject, rank } | Seen::Returned { subject, rank } => {
                let removed = self.removed.get(&(node, subject));
                if removed.is_some_and(|&removed| rank <= removed) {
                    let (node, subject) = (node + 1, subject + 1);
                    return Err(format!("node {node} took node {subject} back in the life it had removed"));
                }
            }
            // A process that starts anew without its memory may hear of old lives again.
            Seen::Started => self.removed.retain(|(observer, _), _| *observer != node),
            _ => {}
        }
        Ok(())
    }
}
