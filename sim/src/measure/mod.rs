//! What a run measures.

mod census;
mod deaths;
mod histogram;

use std::collections::BTreeSet;

pub use census::Census;
pub use deaths::Deaths;
pub use histogram::Values;

use crate::peer::CLASSES;

/// Why a living node was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// For no reason but the network's own loss: false.
    None,
    /// It lost on the way in: false, whatever the rate (`decisions:CLU-16`).
    Deaf,
    /// It lost up to half on the way out: false.
    Outbound50,
    /// It lost between a half and 95 % on the way out: reported.
    OutboundBetween,
    /// It lost 95 % or more on the way out: right.
    OutboundDead,
    /// Its links went up and down: reported.
    Flapping,
    /// It stood still or was slow: reported.
    Stalled,
    /// It was on the other side of a partition: right for that side.
    Partition,
    /// Its uplink was down: reported.
    Uplink,
    /// It behaved badly on purpose: reported.
    Byzantine,
}

/// Causes in order.
pub const CAUSES: [Cause; 10] = [
    Cause::None,
    Cause::Deaf,
    Cause::Outbound50,
    Cause::OutboundBetween,
    Cause::OutboundDead,
    Cause::Flapping,
    Cause::Stalled,
    Cause::Partition,
    Cause::Uplink,
    Cause::Byzantine,
];

impl Cause {
    /// Whether such a removal is a mistake by `decisions:CLU-16`.
    #[must_use]
    pub const fn is_false(self) -> bool {
        matches!(self, Self::None | Self::Deaf | Self::Outbound50)
    }

    /// As shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Deaf => "deaf",
            Self::Outbound50 => "outbound <= 50 %",
            Self::OutboundBetween => "outbound 50..95 %",
            Self::OutboundDead => "outbound >= 95 %",
            Self::Flapping => "flapping",
            Self::Stalled => "stalled or slow",
            Self::Partition => "across a partition",
            Self::Uplink => "uplink",
            Self::Byzantine => "byzantine",
        }
    }
}

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Datagrams.
    pub packets: u64,
    /// Bytes with all headers.
    pub bytes: u64,
}

impl Flow {
    /// Counts datagrams.
    pub const fn add(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }
}

/// Everything measured in one run.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Who is a member for whom.
    pub census: Census,
    /// Crashes.
    pub deaths: Deaths,
    /// Removals of the living: who, in which life, why; each once, however many were told.
    pub removals: BTreeSet<(u32, u64, Cause)>,
    /// How often a node was told of such a removal.
    pub removals_told: u64,
    /// Traffic by class.
    pub traffic: [Flow; CLASSES],
    /// Time nodes were up, ns, summed.
    pub up_ns: u64,
    /// Steps of nodes.
    pub ticks: u64,
    /// Datagrams taken by nodes.
    pub received: u64,
    /// Datagrams the replay window kept back.
    pub replayed: u64,
    /// Datagrams to nobody: no process, an earlier boot, no session.
    pub astray: u64,
    /// Datagrams dropped because too many waited for a hand-shake.
    pub held_over: u64,
    /// Hand-shakes that succeeded.
    pub handshakes: u64,
    /// Wrong neighbours: time, ns, and wrong entries a node on average, in thousandths.
    pub wrong_neighbours: Vec<(u64, u64)>,
    /// Refutations seen by anybody.
    pub refuted: u64,
    /// Removals undone, as told.
    pub undone: u64,
    /// Returns, as told.
    pub returned: u64,
    /// Times a valve shut.
    pub valves: u64,
    /// Nodes that found themselves alone.
    pub alone: u64,
    /// Heal reports.
    pub heals: u64,
    /// Ballots decided, as told.
    pub decided: u64,
    /// Time until a node had formed, ns.
    pub formed: Values,
}

impl Measure {
    /// Nothing yet.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            census: Census::new(nodes),
            deaths: Deaths::default(),
            removals: BTreeSet::new(),
            removals_told: 0,
            traffic: [Flow::default(); CLASSES],
            up_ns: 0,
            ticks: 0,
            received: 0,
            replayed: 0,
            astray: 0,
            held_over: 0,
            handshakes: 0,
            wrong_neighbours: Vec::new(),
            refuted: 0,
            undone: 0,
            returned: 0,
            valves: 0,
            alone: 0,
            heals: 0,
            decided: 0,
            formed: Values::default(),
        }
    }

    /// Node-hours.
    #[must_use]
    pub fn node_hours(&self) -> f64 {
        self.up_ns as f64 / 3.6e12
    }

    /// Distinct removals of a living being for a cause.
    #[must_use]
    pub fn removed(&self, cause: Cause) -> u64 {
        self.removals.iter().filter(|removal| removal.2 == cause).count() as u64
    }

    /// Distinct removals that were mistakes.
    #[must_use]
    pub fn false_removals(&self) -> u64 {
        self.removals.iter().filter(|removal| removal.2.is_false()).count() as u64
    }

    /// All traffic.
    #[must_use]
    pub fn total(&self) -> Flow {
        let mut total = Flow::default();
        self.traffic.iter().for_each(|flow| total.add(flow.packets, flow.bytes));
        total
    }
}
