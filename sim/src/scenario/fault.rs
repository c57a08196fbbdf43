//! What goes wrong in a scenario.

use crate::network::{Burst, Flap};
use crate::random::Chance;

/// Who is hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Who {
    /// A share of all nodes, drawn from the seed; at least one.
    Share(f64),
    /// So many nodes, drawn from the seed.
    Count(u32),
    /// The node with this number, from 1.
    Node(u32),
    /// All nodes of a zone: nodes i with i mod zones = this.
    Zone(u8),
}

/// What a Byzantine node does beside its duties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Votes yes to one half and no to the other, on every ballot.
    Equivocate,
    /// Says of living nodes that they are silent, with its own valid signature.
    Slander,
    /// Sends death certificates with statements that nobody made.
    Forge,
    /// Sends random bytes and copies of what it heard.
    Noise,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The process ends; when `restart_ns` is given it starts again so much later, with or without its state.
    Crash {
        /// Starts again after, ns.
        restart_ns: Option<u64>,
        /// Whether it still knows its incarnation.
        keep_state: bool,
    },
    /// The node leaves by its own word.
    Leave,
    /// The process is stopped and goes on at the end of the fault.
    Stall,
    /// Each step of the process takes up to so much longer, ns.
    Slow(u64),
    /// The clock jumps by so much, ns.
    ClockJump(i64),
    /// The clock runs fast or slow, parts per million.
    ClockDrift(i32),
    /// Independent loss of the whole network.
    Loss(Chance),
    /// Loss in bursts on every link.
    Burst(Burst),
    /// Loss of some nodes' inbound and outbound datagrams.
    OneWay {
        /// Lost on the way in.
        inbound: Chance,
        /// Lost on the way out.
        outbound: Chance,
    },
    /// These nodes on one side, the others on the other.
    Partition,
    /// Their links go down and up again.
    Flap(Flap),
    /// They share an uplink.
    Uplink {
        /// Share of the time it is down.
        loss: f64,
        /// Mean length of an outage, ns.
        outage_ns: u64,
        /// Bytes a second it carries.
        bandwidth: Option<u64>,
    },
    /// They behave badly on purpose.
    Byzantine(Behaviour),
    /// So many crashes a second, each of a node drawn anew, each down so long.
    Churn {
        /// Mean time between two crashes, ns.
        every_ns: u64,
        /// Time a node is down, ns.
        down_ns: u64,
    },
    /// They are not started before this moment.
    Late,
    /// One of them proposes a ballot.
    Ballot {
        /// `cluster` scope instead of `local`.
        cluster: bool,
    },
    /// They run the next version of the program: each is stopped and started in turn.
    Upgrade {
        /// Between two restarts, ns.
        every_ns: u64,
    },
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// When it begins, ns.
    pub at_ns: u64,
    /// When it ends, ns; the calm phase ends it too. What cannot end (a crash) ignores it.
    pub until_ns: u64,
    /// Who is hit.
    pub who: Who,
    /// What happens.
    pub kind: Kind,
}
