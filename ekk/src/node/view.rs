//! What a node shows: values and small copies, never references into its machines.

use crate::fixed::Q16;
use crate::id::{Identity, NodeId};
use crate::time::{Span, Time};

/// The state of the node's own machine (`ekk` section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Not started.
    Init = 0,
    /// Looking for peers.
    Discovering = 1,
    /// At least the wanted number of neighbours.
    Active = 2,
    /// Fewer neighbours than wanted.
    Degraded = 3,
    /// No neighbour.
    Isolated = 4,
    /// A neighbour died and the election has not settled.
    Reforming = 5,
    /// Stopped.
    Shutdown = 6,
}

impl State {
    /// The word shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Init => "init",
            State::Discovering => "discovering",
            State::Active => "active",
            State::Degraded => "degraded",
            State::Isolated => "isolated",
            State::Reforming => "reforming",
            State::Shutdown => "shutdown",
        }
    }
}

/// How a tick went: hard outweighs degraded, degraded outweighs ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// All phases ran on current data.
    Ok,
    /// All phases ran, on stale or partial data, or a table was full.
    Degraded,
    /// The transport failed; the phases without messages ran (`ekk:D-33`).
    Hard,
}

/// What a node counts; every counter only grows, and stops at its greatest value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Ticks.
    pub ticks: u32,
    /// Degraded ticks.
    pub ticks_degraded: u32,
    /// Ticks with a hard error.
    pub ticks_hard: u32,
    /// Fields published.
    pub publish_ok: u32,
    /// Fields that could not be published.
    pub publish_failed: u32,
    /// Neighbours that gave no sample although they should have.
    pub sample_failed: u32,
    /// Changes of the neighbour list.
    pub neighbour_changes: u32,
    /// Announcements of this node (seed profile).
    pub discovery_broadcasts: u32,
    /// Changes of a peer's health.
    pub health_changes: u32,
    /// Ballots opened here.
    pub ballots_started: u32,
    /// Ballots decided.
    pub ballots_completed: u32,
    /// Ballots cancelled.
    pub ballots_cancelled: u32,
    /// Ballots that ran out of time.
    pub ballots_timed_out: u32,
    /// Messages taken.
    pub received: u32,
    /// Messages over the inbox budget (`ekk:D-40`).
    pub over_budget: u32,
    /// Own stalls noticed (`decisions:CLU-13`).
    pub stalls: u32,
}

/// A formation record (`bootstrap` section 8.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Formation {
    /// Number of the cluster.
    pub cluster_id: u64,
    /// Counts formations.
    pub epoch: u64,
    /// Digest of founders and policy.
    pub digest: u64,
}

/// One of the k nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourView {
    /// Who.
    pub id: NodeId,
    /// 0 unknown, 1 alive, 2 suspect, 3 dead.
    pub health: u8,
    /// By the metric in force.
    pub distance: u32,
    /// Since when it is a neighbour.
    pub since: Time,
    /// Its field as it last said; `None` before the first.
    pub field: Option<[Q16; 6]>,
    /// Age of it.
    pub field_age: Span,
    /// Weight it counts with now.
    pub weight: Q16,
    /// It is draining.
    pub draining: bool,
    /// Its own neighbours as it last said.
    pub its_neighbours: [NodeId; super::NEIGHBOURS_MAX],
}

/// One watch link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchView {
    /// Who.
    pub identity: Identity,
    /// 0 unknown, 1 alive, 2 suspect, 3 dead.
    pub health: u8,
}
