//! What goes wrong, carried out.

use super::{Event, World};
use crate::measure::Cause;
use crate::network::{Flap, Uplink};
use crate::peer::{Boot, Protocol};
use crate::random::{Chance, Random, Stream};
use crate::scenario::{Fault, Kind, Scenario, Who};

/// A condition explains a removal for so long after its end: detection has to run its course, ns.
const AFTERMATH_NS: u64 = 3_000_000_000;

/// Draws who is hit by each fault, in order of the faults.
pub(super) fn draw_targets(scenario: &Scenario, nodes: u32, random: &mut Random) -> Vec<Vec<u32>> {
    scenario.faults.iter().map(|fault| draw(fault.who, scenario.zones, nodes, random)).collect()
}

/// The nodes that start late.
#[must_use]
pub fn late_nodes(scenario: &Scenario, nodes: u32, seed: u64) -> Vec<u32> {
    let targets = draw_targets(scenario, nodes, &mut Random::new(seed, Stream::Fault, 0));
    let faults = scenario.faults.iter().zip(targets);
    faults.filter(|(fault, _)| fault.kind == Kind::Late).flat_map(|(_, targets)| targets).collect()
}

fn draw(who: Who, zones: u8, nodes: u32, random: &mut Random) -> Vec<u32> {
    let count = match who {
        Who::Share(share) => ((f64::from(nodes) * share) as u32).clamp(1, nodes),
        Who::Count(count) => count.min(nodes),
        Who::Node(node) => return if node <= nodes { vec![node - 1] } else { Vec::new() },
        Who::Zone(zone) => {
            return (0..nodes).filter(|node| node % u32::from(zones.max(1)) == u32::from(zone)).collect();
        }
    };
    let mut all: Vec<u32> = (0..nodes).collect();
    random.shuffle(&mut all);
    all.truncate(count as usize);
    all.sort_unstable();
    all
}

impl<P: Protocol> World<P> {
    pub(super) fn fault_starts(&mut self, now_ns: u64, index: u16) {
        let Fault { kind, until_ns, .. } = self.scenario.faults[usize::from(index)];
        let targets = self.targets[usize::from(index)].clone();
        self.excuse(kind, &targets, until_ns.min(self.scenario.calm_ns.max(now_ns)).saturating_add(AFTERMATH_NS));
        match kind {
            Kind::Loss(loss) => self.network.conditions_mut().loss = loss,
            Kind::Burst(burst) => self.network.conditions_mut().burst = Some(burst),
            Kind::Uplink { loss, outage_ns, bandwidth } => {
                self.network.add_uplink(&targets, Uplink::new(loss, outage_ns, bandwidth));
            }
            Kind::Churn { .. } | Kind::Upgrade { .. } => self.queue.push(now_ns, Event::FaultStep { index }),
            Kind::Ballot { cluster } => {
                if let Some(&node) = targets.first() {
                    self.with_member(now_ns, node, |protocol, member, shown, out| {
                        protocol.propose(member, cluster, shown, out);
                    });
                }
            }
            _ => targets.into_iter().for_each(|node| self.hit(now_ns, node, kind)),
        }
    }

    fn hit(&mut self, now_ns: u64, node: u32, kind: Kind) {
        match kind {
            Kind::Crash { restart_ns, keep_state } => {
                self.crash(now_ns, node, restart_ns, if keep_state { Boot::Kept } else { Boot::Lost });
            }
            Kind::Leave => {
                self.with_member(now_ns, node, P::leave);
                self.stop(now_ns, node, false);
            }
            Kind::Stall => self.slots[node as usize].stalled = self.slots[node as usize].member.is_some(),
            Kind::Slow(delay_ns) => self.slots[node as usize].slow_ns = delay_ns,
            Kind::ClockJump(by_ns) => {
                self.slots[node as usize].clock.jump(now_ns, by_ns);
                self.reschedule(now_ns, node);
            }
            Kind::ClockDrift(ppm) => {
                self.slots[node as usize].clock.set_drift(now_ns, ppm);
                self.reschedule(now_ns, node);
            }
            Kind::OneWay { inbound, outbound } => self.network.set_one_way(node, inbound, outbound),
            Kind::Partition => self.network.set_side(node, 1),
            Kind::Flap(flap) => {
                let phase_ns = self.random.below(flap.period_ns);
                self.network.set_flap(node, Some(Flap { phase_ns, ..flap }));
            }
            Kind::Byzantine(behaviour) => {
                let slot = &mut self.slots[node as usize];
                (slot.behaviour, slot.behaved_badly) = (Some(behaviour), true);
            }
            Kind::Late => {
                let epoch = self.slots[node as usize].epoch;
                self.queue.push(now_ns, Event::Start { node, boot: Boot::Fresh, epoch });
            }
            Kind::Loss(_) | Kind::Burst(_) | Kind::Uplink { .. } => {}
            Kind::Churn { .. } | Kind::Ballot { .. } | Kind::Upgrade { .. } => {}
        }
    }

    pub(super) fn fault_ends(&mut self, now_ns: u64, index: u16) {
        let fault = self.scenario.faults[usize::from(index)];
        let targets = self.targets[usize::from(index)].clone();
        match fault.kind {
            Kind::Loss(_) => self.network.conditions_mut().loss = self.scenario.network.loss,
            Kind::Burst(_) => self.network.conditions_mut().burst = self.scenario.network.burst,
            Kind::Uplink { .. } => self.network.remove_uplinks(&targets),
            kind => targets.into_iter().for_each(|node| self.mend(now_ns, node, kind)),
        }
    }

    fn mend(&mut self, now_ns: u64, node: u32, kind: Kind) {
        match kind {
            Kind::Stall => self.stall_ends(now_ns, node),
            Kind::Slow(_) => self.slots[node as usize].slow_ns = 0,
            Kind::ClockDrift(_) => self.slots[node as usize].clock.set_drift(now_ns, 0),
            Kind::OneWay { .. } => self.network.set_one_way(node, Chance::NEVER, Chance::NEVER),
            Kind::Partition => self.network.set_side(node, 0),
            Kind::Flap(_) => self.network.set_flap(node, None),
            Kind::Byzantine(_) => self.slots[node as usize].behaviour = None,
            _ => {}
        }
    }

    /// One more of a fault that happens again and again.
    pub(super) fn fault_step(&mut self, now_ns: u64, index: u16) {
        let Fault { kind, until_ns, .. } = self.scenario.faults[usize::from(index)];
        if now_ns >= until_ns.min(self.scenario.calm_ns) {
            return;
        }
        match kind {
            Kind::Churn { every_ns, down_ns } => {
                let node = self.random.below(u64::from(self.settings.nodes)) as u32;
                self.crash(now_ns, node, Some(down_ns), Boot::Kept);
                let next_ns = now_ns + every_ns / 2 + self.random.below(every_ns);
                self.queue.push(next_ns, Event::FaultStep { index });
            }
            Kind::Upgrade { every_ns } => {
                // The list is used up from its front: one node after the other.
                let targets = &mut self.targets[usize::from(index)];
                if !targets.is_empty() {
                    let node = targets.remove(0);
                    self.protocol.upgrade(node);
                    self.crash(now_ns, node, Some(self.settings.period_ns * 5), Boot::Kept);
                    self.queue.push(now_ns + every_ns, Event::FaultStep { index });
                }
            }
            _ => {}
        }
    }

    fn crash(&mut self, now_ns: u64, node: u32, restart_ns: Option<u64>, boot: Boot) {
        if self.slots[node as usize].member.is_none() {
            return;
        }
        self.stop(now_ns, node, true);
        if let Some(restart_ns) = restart_ns {
            let epoch = self.slots[node as usize].epoch;
            self.queue.push(now_ns + restart_ns, Event::Start { node, boot, epoch });
        }
    }

    /// The process ends, at once; `is_crash` = the others have to notice.
    fn stop(&mut self, now_ns: u64, node: u32, is_crash: bool) {
        self.current_rank(node);
        self.close_uptime(now_ns, node);
        let slot = &mut self.slots[node as usize];
        if slot.member.take().is_none() {
            return;
        }
        self.protocol.stopped(node);
        slot.epoch += 1;
        slot.tick_at_ns = u64::MAX;
        slot.turn = slot.turn.wrapping_add(1);
        slot.stalled = false;
        let backlog = std::mem::take(&mut slot.backlog);
        self.measure.astray += backlog.len() as u64;
        backlog.into_iter().for_each(|packet| self.release(packet));
        let census = &self.measure.census;
        self.measure.deaths.observer_crashed(|subject| !census.has(node, subject), now_ns);
        if is_crash {
            let living: Vec<u32> =
                (0..self.settings.nodes).filter(|&other| self.slots[other as usize].member.is_some()).collect();
            let living_members = living.iter().filter(|&&other| self.measure.census.has(other, node)).count();
            self.measure.deaths.crashed(node, now_ns, living_members as u32);
        }
    }

    pub(super) fn stall_ends(&mut self, now_ns: u64, node: u32) {
        let slot = &mut self.slots[node as usize];
        if !slot.stalled {
            return;
        }
        slot.stalled = false;
        slot.tick_at_ns = u64::MAX;
        // Its own step is due first, with everything that came waiting behind it: the worst order there is.
        let backlog = std::mem::take(&mut slot.backlog);
        self.schedule(now_ns, node);
        for packet in backlog {
            self.queue.push(now_ns + 2, Event::Packet { slot: packet });
        }
    }

    fn reschedule(&mut self, now_ns: u64, node: u32) {
        self.slots[node as usize].tick_at_ns = u64::MAX;
        self.schedule(now_ns, node);
    }

    fn with_member(
        &mut self,
        now_ns: u64,
        node: u32,
        act: impl FnOnce(&mut P, &mut P::Member, u64, &mut crate::peer::Outbox),
    ) {
        let slot = &mut self.slots[node as usize];
        let shown = slot.clock.show(now_ns);
        if let Some(member) = slot.member.as_mut() {
            act(&mut self.protocol, member, shown, &mut self.out);
        }
        self.flush(now_ns, node);
        self.schedule(now_ns, node);
    }

    /// Everything that still goes wrong ends; the dead stay dead.
    pub(super) fn calm(&mut self, now_ns: u64) {
        self.network.calm();
        for node in 0..self.settings.nodes {
            self.stall_ends(now_ns, node);
            let slot = &mut self.slots[node as usize];
            slot.slow_ns = 0;
            slot.behaviour = None;
            slot.clock.set_drift(now_ns, 0);
        }
    }

    fn excuse(&mut self, kind: Kind, targets: &[u32], until_ns: u64) {
        let cause = match kind {
            Kind::Stall | Kind::Slow(_) | Kind::ClockJump(_) | Kind::ClockDrift(_) => Cause::Stalled,
            Kind::Flap(_) => Cause::Flapping,
            Kind::Uplink { .. } => Cause::Uplink,
            Kind::Byzantine(_) => Cause::Byzantine,
            Kind::Partition => Cause::Partition,
            Kind::OneWay { inbound, outbound } => one_way_cause(inbound, outbound),
            _ => return,
        };
        for &node in targets {
            let slot = &mut self.slots[node as usize];
            (slot.excuse, slot.excused_until_ns) = (cause, until_ns);
        }
    }

    /// Why `observer` was told that the living `subject` is dead.
    pub(super) fn cause(&self, now_ns: u64, observer: u32, subject: u32) -> Cause {
        let slot = &self.slots[subject as usize];
        if now_ns < slot.excused_until_ns {
            return slot.excuse;
        }
        // In a partition each side is right about the other, also for as long as the news of it lasts.
        let other = &self.slots[observer as usize];
        if other.excuse == Cause::Partition && now_ns < other.excused_until_ns { Cause::Partition } else { Cause::None }
    }
}

fn one_way_cause(inbound: Chance, outbound: Chance) -> Cause {
    if outbound >= Chance::new(0.95) {
        Cause::OutboundDead
    } else if outbound > Chance::new(0.5) {
        Cause::OutboundBetween
    } else if outbound > Chance::NEVER {
        Cause::Outbound50
    } else if inbound > Chance::NEVER {
        Cause::Deaf
    } else {
        Cause::None
    }
}
