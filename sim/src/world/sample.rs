//! From time to time all nodes are looked at: neighbours against the truth, and the checks.

use super::{Slot, World};
use crate::invariants::{Facts, Standing, Violation};
use crate::peer::{Protocol, Seen, View};

/// Neighbours wanted.
const K: usize = 7;

impl<P: Protocol> World<P> {
    pub(super) fn sample(&mut self, now_ns: u64) {
        let views = self.views();
        self.count_wrong_neighbours(now_ns, &views);
        let mut checks = std::mem::take(&mut self.checks);
        let found = checks.sample(&self.facts(now_ns, &views));
        self.checks = checks;
        self.violation = self.violation.take().or(found);
    }

    fn count_wrong_neighbours(&mut self, now_ns: u64, views: &[Option<View>]) {
        if self.protocol.nearest(0).is_empty() {
            return;
        }
        let (mut wrong, mut living) = (0_u64, 0_u64);
        for (node, view) in views.iter().enumerate() {
            let Some(view) = view else { continue };
            living += 1;
            let alive = self.protocol.nearest(node as u32).iter().filter(|&&other| views[other as usize].is_some());
            let truth: Vec<u32> = alive.take(K).copied().collect();
            wrong += truth.iter().filter(|other| !view.neighbours.contains(other)).count() as u64;
        }
        self.measure.wrong_neighbours.push((now_ns, (wrong * 1_000).checked_div(living).unwrap_or(0)));
    }

    pub(super) fn check_told(&mut self, now_ns: u64, node: u32, seen: &Seen) {
        let mut checks = std::mem::take(&mut self.checks);
        let found: Option<Violation> = checks.seen(&self.facts(now_ns, &[]), node, seen);
        self.checks = checks;
        self.violation = self.violation.take().or(found);
    }

    pub(super) fn facts<'a>(&'a self, now_ns: u64, views: &'a [Option<View>]) -> Facts<'a> {
        Facts {
            now_ns,
            nodes: self.settings.nodes,
            scenario: &self.scenario,
            period_ns: self.settings.period_ns,
            views,
            measure: &self.measure,
            network: &self.network,
            standing: &self.slots,
        }
    }
}

impl<M> Standing for Vec<Slot<M>> {
    fn is_up(&self, node: u32) -> bool {
        self.get(node as usize).is_some_and(|slot| slot.member.is_some())
    }

    fn misbehaves(&self, node: u32) -> bool {
        self.get(node as usize).is_some_and(|slot| slot.behaved_badly)
    }
}
