//! What a run says: numbers for people and as JSON.

mod braided;
mod compare;
mod text;
mod thresholds;

pub use braided::Braided;
pub use compare::{Claim, Comparison};
use serde::Serialize;
pub use thresholds::{ThresholdRow, Thresholds};

use crate::measure::{CAUSES, Measure, Values};
use crate::network::{LOST_NAMES, Network};
use crate::peer::{CLASS_NAMES, Protocol, SESSION};
use crate::world::World;

/// Latencies, ms; `None` when there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many.
    pub count: usize,
    /// Middle.
    pub p50_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Greatest.
    pub max_ms: Option<f64>,
}

impl Latency {
    fn of(values: &Values) -> Self {
        let ms = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e6);
        Self { count: values.count(), p50_ms: ms(values.p50()), p99_ms: ms(values.p99()), max_ms: ms(values.max()) }
    }
}

/// Traffic of one class, a node and second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassRate {
    /// Class.
    pub class: String,
    /// Datagrams.
    pub packets: f64,
    /// Bytes, with IP and UDP headers and the link's frame.
    pub bytes: f64,
}

/// A cause of removals and how many living beings were removed for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseCount {
    /// Cause.
    pub cause: String,
    /// Distinct beings.
    pub removed: u64,
    /// Whether it counts as a mistake.
    pub is_false: bool,
}

/// What the caller measured with its clock, which the run has not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// Wall time, s.
    pub wall_s: f64,
    /// Virtual time over wall time.
    pub times_real: f64,
    /// Steps of nodes a second of wall time.
    pub node_ticks_per_s: f64,
    /// Events a second of wall time.
    pub events_per_s: f64,
}

/// A run, reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was simulated.
    pub protocol: String,
    /// What the scenario shows.
    pub about: String,
    /// Nodes.
    pub nodes: u32,
    /// Seed.
    pub seed: u64,
    /// Virtual time, s.
    pub virtual_s: f64,
    /// Node-hours.
    pub node_hours: f64,
    /// Fingerprint of the end state: the same seed gives the same, always.
    pub state_hash: String,
    /// What went against a check, if anything did.
    pub violation: Option<String>,
    /// Crashes.
    pub crashes: u64,
    /// Crashes that 99 % of the living knew of.
    pub detected: u64,
    /// Crashes whose node was back before.
    pub returned_before: u64,
    /// From the crash to 99 % knowledge.
    pub detection: Latency,
    /// From the crash to the first who knew.
    pub first_known: Latency,
    /// Rounds from the first who knew to 99 %, at the 99th percentile.
    pub rounds_to_99: Option<f64>,
    /// False removals.
    pub false_removals: u64,
    /// False removals a node-hour.
    pub false_removals_per_node_hour: f64,
    /// Removals of the living by cause.
    pub removals: Vec<CauseCount>,
    /// Traffic by class.
    pub traffic: Vec<ClassRate>,
    /// All datagrams a node and second.
    pub packets_per_node_s: f64,
    /// All bytes a node and second.
    pub bytes_per_node_s: f64,
    /// Hand-shakes apart: bytes of coordination a node and second.
    pub coordination_bytes_per_node_s: f64,
    /// Of those, bytes of what foca does too: heartbeats, membership and hand-shakes, without fields, ballots and bootstrap.
    pub detection_bytes_per_node_s: f64,
    /// Datagrams lost, by reason.
    pub lost: Vec<(String, u64)>,
    /// Datagrams the replay window kept back.
    pub replayed: u64,
    /// Datagrams to nobody.
    pub astray: u64,
    /// Datagrams dropped while a hand-shake was pending.
    pub held_over: u64,
    /// Hand-shakes.
    pub handshakes: u64,
    /// Wrong neighbours a node, over time: s, number.
    pub wrong_neighbours: Vec<(f64, f64)>,
    /// Time from start to formation.
    pub formed: Latency,
    /// What healing took.
    pub heal: Heal,
    /// Ballots decided, as told.
    pub ballots_decided: u64,
    /// Memory of a node, bytes, and of tables all share.
    pub bytes_per_node: usize,
    /// Steps of nodes.
    pub node_ticks: u64,
    /// Events.
    pub events: u64,
    /// Commands over whole links: sent, taken, acknowledged, in doubt, taken wrongly.
    pub commands: Option<[u64; 5]>,
    /// What tori in a braid did.
    pub braid: Option<Braided>,
    /// Filled in by a caller with a clock.
    pub speed: Option<Speed>,
}

/// What healing took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Heal {
    /// Living beings removed across a partition.
    pub removed_across: u64,
    /// Refutations, as told.
    pub refuted: u64,
    /// Removals undone, as told.
    pub undone: u64,
    /// Returns, as told.
    pub returned: u64,
    /// Heal reports.
    pub reports: u64,
    /// Times a safety valve shut.
    pub valves: u64,
    /// Nodes that found themselves alone.
    pub alone: u64,
}

impl Report {
    /// Reports a run that has been finished.
    #[must_use]
    pub fn of<P: Protocol>(protocol: &str, world: &World<P>) -> Self {
        let (measure, settings) = (world.measure(), world.settings());
        let node_s = (measure.up_ns as f64 / 1e9).max(f64::MIN_POSITIVE);
        let total = measure.total();
        let coordination = total.bytes - measure.traffic[SESSION].bytes;
        let rounds = |ns: u64| ns as f64 / settings.period_ns as f64;
        Self {
            protocol: protocol.to_owned(),
            about: world.scenario().about.clone(),
            nodes: settings.nodes,
            seed: settings.seed,
            virtual_s: world.now_ns() as f64 / 1e9,
            node_hours: measure.node_hours(),
            state_hash: format!("{:016x}", world.state_hash()),
            violation: world.violation().map(ToString::to_string),
            crashes: measure.deaths.crashes,
            detected: measure.deaths.detected,
            returned_before: measure.deaths.returned_before,
            detection: Latency::of(&measure.deaths.latency),
            first_known: Latency::of(&measure.deaths.first),
            rounds_to_99: measure.deaths.spread.p99().map(rounds),
            false_removals: measure.false_removals(),
            false_removals_per_node_hour: measure.false_removals() as f64 / (node_s / 3_600.0),
            removals: removals(measure),
            traffic: traffic(measure, node_s),
            packets_per_node_s: total.packets as f64 / node_s,
            bytes_per_node_s: total.bytes as f64 / node_s,
            coordination_bytes_per_node_s: coordination as f64 / node_s,
            detection_bytes_per_node_s: detection_bytes(measure) as f64 / node_s,
            lost: lost(world.network()),
            replayed: measure.replayed,
            astray: measure.astray,
            held_over: measure.held_over,
            handshakes: measure.handshakes,
            wrong_neighbours: measure
                .wrong_neighbours
                .iter()
                .map(|&(ns, n)| (ns as f64 / 1e9, n as f64 / 1e3))
                .collect(),
            formed: Latency::of(&measure.formed),
            heal: heal(measure),
            ballots_decided: measure.decided,
            bytes_per_node: world.protocol().member_bytes(),
            node_ticks: measure.ticks,
            events: world.events(),
            commands: None,
            braid: None,
            speed: None,
        }
    }

    /// Adds what became of commands; one taken twice or out of order is a violation (`rse:U3`, `rse:U8`, `decisions:CLU-12`).
    pub fn set_commands(&mut self, commands: crate::peer::linked::Commands) {
        let crate::peer::linked::Commands { sent, taken, acknowledged, in_doubt, wrong } = commands;
        self.commands = Some([sent, taken, acknowledged, in_doubt, wrong]);
        if wrong > 0 && self.violation.is_none() {
            self.violation = Some(format!("commands exactly once (rse:U8): {wrong} taken twice or out of order"));
        }
    }

    /// Adds what a braid did; what went wrong in it is a violation.
    pub fn set_braid(&mut self, braid: Braided) {
        self.violation = self.violation.take().or_else(|| braid.problem.clone());
        self.braid = Some(braid);
    }

    /// Adds what only a caller with a clock knows.
    pub fn set_wall_s(&mut self, wall_s: f64) {
        let wall_s = wall_s.max(1e-9);
        self.speed = Some(Speed {
            wall_s,
            times_real: self.virtual_s / wall_s,
            node_ticks_per_s: self.node_ticks as f64 / wall_s,
            events_per_s: self.events as f64 / wall_s,
        });
    }

    /// The line that repeats this run.
    #[must_use]
    pub fn reproduce(&self, file: &str) -> String {
        let Self { nodes, seed, virtual_s, .. } = self;
        // Rounded up: the run must reach the moment again.
        let until_s = (virtual_s * 1e3).ceil() / 1e3;
        format!("trefoil sim {file} --nodes {nodes} --seed {seed} --until {until_s}s")
    }

    /// As JSON, one object.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn removals(measure: &Measure) -> Vec<CauseCount> {
    let count = |cause: crate::measure::Cause| CauseCount {
        cause: cause.name().to_owned(),
        removed: measure.removed(cause),
        is_false: cause.is_false(),
    };
    CAUSES.into_iter().map(count).collect()
}

fn traffic(measure: &Measure, node_s: f64) -> Vec<ClassRate> {
    let rate = |(class, flow): (&str, &crate::measure::Flow)| ClassRate {
        class: class.to_owned(),
        packets: flow.packets as f64 / node_s,
        bytes: flow.bytes as f64 / node_s,
    };
    CLASS_NAMES.into_iter().zip(&measure.traffic).map(rate).collect()
}

/// Bytes of heartbeats, membership and hand-shakes.
fn detection_bytes(measure: &Measure) -> u64 {
    [0, 1, SESSION].iter().map(|&class| measure.traffic[class].bytes).sum()
}

fn lost(network: &Network) -> Vec<(String, u64)> {
    LOST_NAMES.into_iter().zip(network.lost()).map(|(name, &count)| (name.to_owned(), count)).collect()
}

fn heal(measure: &Measure) -> Heal {
    Heal {
        removed_across: measure.removed(crate::measure::Cause::Partition),
        refuted: measure.refuted,
        undone: measure.undone,
        returned: measure.returned,
        reports: measure.heals,
        valves: measure.valves,
        alone: measure.alone,
    }
}
