//! Nobody alive and reachable is removed (`membership:MB-5`, `membership:MB-7`, `decisions:CLU-16`): no more often than the
//! scenario allows, and with one-way loss exactly as the rate says.

use super::{Facts, Invariant};
use crate::measure::Cause;
use crate::peer::Seen;

pub(super) struct Removals;

impl Invariant for Removals {
    fn name(&self) -> &'static str {
        "no false removal (membership:MB-5, decisions:CLU-16)"
    }

    fn seen(&mut self, facts: &Facts<'_>, node: u32, seen: &Seen) -> Result<(), String> {
        let (Seen::Removed { subject, .. }, Some(most)) = (seen, facts.scenario.expect.false_removals) else {
            return Ok(());
        };
        let removed = facts.measure.false_removals();
        if removed <= most {
            return Ok(());
        }
        Err(format!(
            "node {} was told that node {} is dead: false removal {removed}, at most {most}",
            node + 1,
            subject + 1
        ))
    }

    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let one_way = [Cause::Deaf, Cause::Outbound50, Cause::OutboundBetween, Cause::OutboundDead];
        let removed: u64 = one_way.iter().map(|&cause| facts.measure.removed(cause)).sum();
        match facts.scenario.expect.one_way_removed {
            Some(true) if removed == 0 => {
                Err("nobody with one-way loss was removed, though nothing of them is heard".to_owned())
            }
            Some(false) if removed > 0 => Err(format!("{removed} nodes with one-way loss were removed")),
            _ => Ok(()),
        }
    }
}
