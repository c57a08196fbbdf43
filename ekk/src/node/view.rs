//! What a node shows: values and small copies, never references into its machines.

use super::{Health, NEIGHBOURS_MAX, NodeWith};
use crate::fixed::Q16;
use crate::id::NodeId;
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

/// One of the k nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourView {
    /// Who.
    pub id: NodeId,
    /// How well it is heard.
    pub health: Health,
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
    /// Number of its state as it last said.
    pub state: u8,
    /// What it can do.
    pub capabilities: u16,
    /// Its own neighbours as it last said; [`NodeId::NONE`] after the last.
    pub its_neighbours: [NodeId; NEIGHBOURS_MAX],
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// The k nearest, nearest first.
    pub fn neighbours(&self, now: Time) -> impl Iterator<Item = NeighbourView> + '_ {
        self.nearest.elected().iter().map(move |chosen| {
            let said = self.neighbours.get(chosen.id).filter(|neighbour| neighbour.field_at.is_some());
            let field_age = said.and_then(|said| said.field_at).map_or(Span::MAX, |at| now.since(at));
            let near = chosen.weight >> if chosen.health == Health::Suspect { 13 } else { 12 };
            let body = said.map(|said| said.body);
            NeighbourView {
                id: chosen.id,
                health: chosen.health,
                distance: chosen.distance,
                since: chosen.since,
                field: body.map(|body| body.components),
                field_age,
                weight: body
                    .map_or(Q16::ZERO, |_| self.rules.components()[0].curve.factor(field_age).mul(Q16(near as i32))),
                draining: body.is_some_and(|body| body.draining),
                state: body.map_or(0, |body| body.state),
                capabilities: body.map_or(0, |body| body.capabilities),
                its_neighbours: body.map_or([NodeId::NONE; NEIGHBOURS_MAX], |body| body.neighbours),
            }
        })
    }

    /// Own field as it is published: load, thermal, power, custom0, custom1, slack.
    #[must_use]
    pub fn fields(&self) -> [Q16; 6] {
        self.own_components()
    }

    /// Neighbours' aggregate minus own; `None` without a signal (`ekk:D-06`).
    #[must_use]
    pub const fn gradients(&self) -> &[Option<Q16>; 6] {
        &self.gradients
    }

    /// Candidates for neighbourhood that are known here, at most [`super::CANDIDATES_MAX`].
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.nearest.known()
    }

    /// Time after which a value counts half: 0.693 of the time constant.
    #[must_use]
    pub const fn half_life(&self) -> Span {
        Span(self.config.timing.tau.0 / 1_000 * 693)
    }
}
