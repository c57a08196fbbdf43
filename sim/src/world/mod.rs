//! The run: virtual time, nodes, their network, faults and checks.
//!
//! Everything happens in one queue in order of (time, scheduling). A node is stepped when a datagram comes or its own time has
//! come, by its own clock; what it sends goes through sessions (`sessions`) and the network; what it tells is measured and
//! checked. The safety phase has the faults; at [`Scenario::calm_ns`] they end and the cluster must heal.

mod clock;
mod deliver;
mod faults;
mod sample;
pub mod sessions;

use std::collections::BTreeMap;

pub use clock::Clock;
use ekk::hash::Digest;
pub use faults::late_nodes;
use sessions::Sessions;

use crate::invariants::{Checks, Violation};
use crate::measure::{Cause, Measure};
use crate::network::Network;
use crate::peer::{Boot, Outbox, Protocol, Seen, View};
use crate::queue::Queue;
use crate::random::{Random, Stream};
use crate::scenario::{Behaviour, Scenario, Start};

/// Datagrams that wait for a node that stands still; what comes then is dropped, as a socket does.
pub const BACKLOG_MAX: usize = 4_096;
/// Least time between two samples of all nodes, ns.
const SAMPLE_NS: u64 = 1_000_000_000;

/// What a run is told beside its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Nodes.
    pub nodes: u32,
    /// Seed of everything.
    pub seed: u64,
    /// Heartbeat period of the nodes, ns, for rounds.
    pub period_ns: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Tick { node: u32, turn: u32 },
    Packet { slot: u32 },
    Shake { pending: u64 },
    FaultStarts { index: u16 },
    FaultEnds { index: u16 },
    FaultStep { index: u16 },
    Start { node: u32, boot: Boot, epoch: u32 },
    Sample,
    Calm,
}

#[derive(Debug, Clone, Default)]
struct Packet {
    from: u32,
    to: u32,
    /// Keys it was sealed by.
    key: u64,
    sequence: u64,
    copies: u8,
    bytes: Vec<u8>,
}

struct Slot<M> {
    member: Option<M>,
    clock: Clock,
    /// Number of this boot; counts starts and ends of the process, so that nothing of an earlier one is taken.
    epoch: u32,
    turn: u32,
    tick_at_ns: u64,
    up_since_ns: u64,
    sessions: Sessions,
    stalled: bool,
    backlog: Vec<u32>,
    slow_ns: u64,
    behaviour: Option<Behaviour>,
    /// It has behaved badly at some time: what it says of itself proves nothing.
    behaved_badly: bool,
    /// End of the last condition that may still explain a removal, ns.
    excused_until_ns: u64,
    excuse: Cause,
    random: Random,
    rank: u64,
    was_up: bool,
}

struct Pending {
    from: u32,
    to: u32,
    tries: u8,
    held: Vec<(u8, Vec<u8>)>,
}

/// A run.
pub struct World<P: Protocol> {
    protocol: P,
    scenario: Scenario,
    settings: Settings,
    queue: Queue<Event>,
    network: Network,
    slots: Vec<Slot<P::Member>>,
    packets: Vec<Packet>,
    free: Vec<u32>,
    pending: BTreeMap<u64, Pending>,
    shaking: BTreeMap<(u32, u32), u64>,
    shakes: u64,
    targets: Vec<Vec<u32>>,
    random: Random,
    session_random: Random,
    out: Outbox,
    measure: Measure,
    checks: Checks,
    violation: Option<Violation>,
    events: u64,
    trace: Digest,
}

impl<P: Protocol> World<P> {
    /// A run of `scenario`; nothing has happened yet.
    #[must_use]
    pub fn new(protocol: P, scenario: Scenario, settings: Settings, checks: Checks) -> Self {
        let nodes = settings.nodes as usize;
        let seed = settings.seed;
        let mut world = Self {
            network: Network::new(nodes, scenario.zones, scenario.network, seed),
            slots: (0..settings.nodes).map(|node| Slot::new(node, seed)).collect(),
            protocol,
            settings,
            queue: Queue::new(),
            packets: Vec::new(),
            free: Vec::new(),
            pending: BTreeMap::new(),
            shaking: BTreeMap::new(),
            shakes: 0,
            targets: Vec::new(),
            random: Random::new(seed, Stream::Fault, 0),
            session_random: Random::new(seed, Stream::Session, 0),
            out: Outbox::default(),
            measure: Measure::new(nodes),
            checks,
            violation: None,
            events: 0,
            trace: Digest::new(seed),
            scenario,
        };
        world.lay_out();
        world
    }

    fn lay_out(&mut self) {
        self.targets = faults::draw_targets(&self.scenario, self.settings.nodes, &mut self.random);
        let late = late_nodes(&self.scenario, self.settings.nodes, self.settings.seed);
        let boot = if self.scenario.start == Start::Warm { Boot::Warm } else { Boot::Fresh };
        for node in 0..self.settings.nodes {
            if boot == Boot::Warm {
                let late = &late;
                self.measure.census.fill(node, self.settings.nodes, |subject| !late.contains(&subject));
            }
        }
        for node in (0..self.settings.nodes).filter(|node| !late.contains(node)) {
            let phase = Random::new(self.settings.seed, Stream::Phase, u64::from(node)).below(self.settings.period_ns);
            // Founders of a cold cluster are started within seconds of each other, not at one moment.
            let at_ns = if boot == Boot::Fresh { phase * 20 } else { phase };
            self.queue.push(at_ns, Event::Start { node, boot, epoch: 0 });
            if boot == Boot::Warm && self.protocol.sessions() {
                for peer in self.protocol.warm_sessions(node) {
                    self.slots[node as usize].sessions.install(peer, 1, 0);
                }
            }
        }
        for index in 0..self.scenario.faults.len() as u16 {
            let fault = self.scenario.faults[usize::from(index)];
            if fault.at_ns < self.scenario.calm_ns || self.scenario.calm_ns == self.scenario.until_ns {
                self.queue.push(fault.at_ns, Event::FaultStarts { index });
                if fault.until_ns < self.scenario.until_ns {
                    self.queue.push(fault.until_ns, Event::FaultEnds { index });
                }
            }
        }
        if self.scenario.calm_ns < self.scenario.until_ns {
            self.queue.push(self.scenario.calm_ns, Event::Calm);
        }
        self.queue.push(SAMPLE_NS, Event::Sample);
    }

    /// Goes on until `until_ns`, the end of the scenario or the first violation, whichever is first. True while there is more.
    pub fn advance(&mut self, until_ns: u64) -> bool {
        let end_ns = until_ns.min(self.scenario.until_ns);
        while self.violation.is_none() {
            let Some((now_ns, event)) = self.queue.pop(end_ns) else { break };
            self.events += 1;
            self.step(now_ns, event);
        }
        self.queue.rest_until(end_ns);
        self.violation.is_none() && end_ns < self.scenario.until_ns
    }

    fn step(&mut self, now_ns: u64, event: Event) {
        match event {
            Event::Tick { node, turn } => self.tick(now_ns, node, turn),
            Event::Packet { slot } => self.arrive(now_ns, slot),
            Event::Shake { pending } => self.shake(now_ns, pending),
            Event::FaultStarts { index } => self.fault_starts(now_ns, index),
            Event::FaultEnds { index } => self.fault_ends(now_ns, index),
            Event::FaultStep { index } => self.fault_step(now_ns, index),
            Event::Start { node, boot, epoch } => self.start(now_ns, node, boot, epoch),
            Event::Sample => {
                self.sample(now_ns);
                self.queue.push(now_ns + SAMPLE_NS, Event::Sample);
            }
            Event::Calm => self.calm(now_ns),
        }
    }

    fn start(&mut self, now_ns: u64, node: u32, boot: Boot, epoch: u32) {
        let slot = &mut self.slots[node as usize];
        if slot.member.is_some() || slot.epoch != epoch {
            return;
        }
        slot.epoch += 1;
        slot.up_since_ns = now_ns;
        if boot != Boot::Warm {
            slot.sessions = Sessions::default();
            self.measure.census.fill(node, self.settings.nodes, |_| false);
        }
        self.measure.census.set(node, node, true);
        slot.was_up = true;
        let shown = slot.clock.show(now_ns);
        let member = self.protocol.boot(node, boot, shown, &mut self.out);
        slot.rank = self.protocol.rank(&member);
        slot.member = Some(member);
        self.measure.deaths.returned(node);
        self.out.seen.insert(0, Seen::Started);
        self.flush(now_ns, node);
        self.schedule(now_ns, node);
    }

    fn tick(&mut self, now_ns: u64, node: u32, turn: u32) {
        let slot = &mut self.slots[node as usize];
        if slot.turn != turn || slot.stalled {
            return;
        }
        let Some(member) = slot.member.as_mut() else { return };
        slot.tick_at_ns = u64::MAX;
        self.measure.ticks += 1;
        let shown = slot.clock.show(now_ns);
        self.protocol.tick(member, shown, &mut self.out);
        if let Some(behaviour) = slot.behaviour {
            self.protocol.misbehave(member, behaviour, shown, &mut self.out);
        }
        self.flush(now_ns, node);
        self.schedule(now_ns, node);
    }

    /// Sees to it that the node is stepped when its time comes.
    fn schedule(&mut self, now_ns: u64, node: u32) {
        let slot = &mut self.slots[node as usize];
        let Some(member) = slot.member.as_ref().filter(|_| !slot.stalled) else { return };
        let next = self.protocol.next_ns(member);
        let mut at_ns = slot.clock.when(now_ns, next);
        if at_ns == u64::MAX || at_ns >= slot.tick_at_ns {
            return;
        }
        // At most one step without time passing, whatever the node asks for.
        at_ns = at_ns.max(now_ns + 1);
        if slot.slow_ns > 0 {
            at_ns += slot.random.below(slot.slow_ns);
        }
        slot.tick_at_ns = at_ns;
        slot.turn = slot.turn.wrapping_add(1);
        self.queue.push(at_ns, Event::Tick { node, turn: slot.turn });
    }

    /// Carries out what a node did: sends, then what it told.
    fn flush(&mut self, now_ns: u64, node: u32) {
        let mut out = std::mem::take(&mut self.out);
        for (parcel, bytes) in out.parcels() {
            self.send(now_ns, node, parcel.to, parcel.class, bytes);
        }
        for &peer in &out.wishes {
            self.wish(now_ns, node, peer);
        }
        for seen in &out.seen {
            self.told(now_ns, node, seen);
        }
        out.clear();
        self.out = out;
    }

    fn told(&mut self, now_ns: u64, node: u32, seen: &Seen) {
        match *seen {
            Seen::Joined { subject, .. } | Seen::Returned { subject, .. } | Seen::Undone { subject, .. } => {
                self.measure.census.set(node, subject, true);
                self.measure.returned += u64::from(matches!(seen, Seen::Returned { .. }));
                self.measure.undone += u64::from(matches!(seen, Seen::Undone { .. }));
            }
            Seen::Left { subject } => {
                if self.measure.census.set(node, subject, false) && self.slots[subject as usize].member.is_none() {
                    self.measure.deaths.learnt(subject, now_ns);
                }
            }
            Seen::Removed { subject, rank, .. } => self.removed(now_ns, node, subject, rank),
            Seen::Refuted { .. } => self.measure.refuted += 1,
            Seen::Formed { .. } => {
                let since_ns = self.slots[node as usize].up_since_ns;
                self.measure.formed.add(now_ns - since_ns);
            }
            Seen::Decided { .. } => self.measure.decided += 1,
            Seen::ValveShut => self.measure.valves += 1,
            Seen::Alone => self.measure.alone += 1,
            Seen::Healed => self.measure.heals += 1,
            Seen::Started => {}
        }
        self.check_told(now_ns, node, seen);
    }

    fn removed(&mut self, now_ns: u64, node: u32, subject: u32, rank: u64) {
        let was_member = self.measure.census.set(node, subject, false);
        let alive = self.slots[subject as usize].member.is_some();
        if !alive {
            if was_member {
                self.measure.deaths.learnt(subject, now_ns);
            }
        } else if rank >= self.current_rank(subject) {
            self.measure.removals_told += 1;
            let cause = self.cause(now_ns, node, subject);
            let known = self.measure.removals.iter().any(|removal| (removal.0, removal.1) == (subject, rank));
            if !known {
                self.measure.removals.insert((subject, rank, cause));
            }
        } else if was_member {
            // The news is about an earlier life: the later one is a member still.
            self.measure.census.set(node, subject, true);
        }
    }

    fn current_rank(&mut self, node: u32) -> u64 {
        let slot = &mut self.slots[node as usize];
        if let Some(member) = slot.member.as_ref() {
            slot.rank = self.protocol.rank(member);
        }
        slot.rank
    }

    /// Digest of everything: the seed's fingerprint.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut digest = self.trace;
        digest.word(self.events);
        digest.word(self.measure.received);
        digest.word(self.measure.total().bytes);
        for slot in &self.slots {
            digest.word(slot.member.as_ref().map_or(0, |member| self.protocol.digest(member)));
        }
        std::hash::Hasher::finish(&digest)
    }

    /// Ends the run: last sample and the checks of the end.
    pub fn finish(&mut self) {
        let now_ns = self.queue.now_ns();
        for node in 0..self.settings.nodes {
            self.close_uptime(now_ns, node);
        }
        if self.violation.is_none() {
            self.sample(now_ns);
        }
        if self.violation.is_none() && now_ns >= self.scenario.until_ns {
            let views = self.views();
            let mut checks = std::mem::take(&mut self.checks);
            self.violation = checks.finish(&self.facts(now_ns, &views));
            self.checks = checks;
        }
    }

    fn close_uptime(&mut self, now_ns: u64, node: u32) {
        let slot = &mut self.slots[node as usize];
        if slot.member.is_some() {
            self.measure.up_ns += now_ns - slot.up_since_ns;
            slot.up_since_ns = now_ns;
        }
    }

    /// What was measured so far.
    #[must_use]
    pub const fn measure(&self) -> &Measure {
        &self.measure
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> &P {
        &self.protocol
    }

    /// The scenario.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What the run was told.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// The first thing that went against a check.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Virtual time, ns.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.queue.now_ns()
    }

    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The member of a node that is up.
    #[must_use]
    pub fn member(&self, node: u32) -> Option<&P::Member> {
        self.slots.get(node as usize).and_then(|slot| slot.member.as_ref())
    }

    /// What all nodes show, `None` for those that are down.
    #[must_use]
    pub fn views(&self) -> Vec<Option<View>> {
        self.slots.iter().map(|slot| slot.member.as_ref().map(|member| self.protocol.view(member))).collect()
    }
}

impl<M> Slot<M> {
    fn new(node: u32, seed: u64) -> Self {
        let mut random = Random::new(seed, Stream::Phase, 1 << 32 | u64::from(node));
        // A monotonic clock has run since the host was booted: between ten minutes and a hundred days.
        let shown_ns = 600_000_000_000 + random.below(8_640_000_000_000_000);
        Self {
            member: None,
            clock: Clock::new(shown_ns),
            epoch: 0,
            turn: 0,
            tick_at_ns: u64::MAX,
            up_since_ns: 0,
            sessions: Sessions::default(),
            stalled: false,
            backlog: Vec::new(),
            slow_ns: 0,
            behaviour: None,
            behaved_badly: false,
            excused_until_ns: 0,
            excuse: Cause::None,
            random,
            rank: 0,
            was_up: false,
        }
    }
}
