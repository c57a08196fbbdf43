//! One node: all machines composed into one tick.
//!
//! The caller feeds [`Node::receive`] with verified messages, calls [`Node::tick`] at [`Node::next_tick`] and carries out what
//! arrives at the [`Sink`]. Nothing else happens: no clock, no allocation, no call back (`ekk:D-39`).

mod config;
mod drop;
mod lease;
mod neighbours;
mod state;
mod view;

pub use config::{ConfigError, FOUNDERS_MAX, Founders, MetricKind, NEIGHBOURS_MAX, NodeConfig};
pub use drop::{Drop, Drops};
pub use neighbours::Health;
pub use state::Input;
pub use view::{Counters, Formation, NeighbourView, Outcome, State, WatchView};

use crate::fixed::Q16;
use crate::id::{Identity, NodeId};
use crate::membership::record::MemberRecord;
use crate::sign::Crypto;
use crate::sink::Sink;
use crate::time::{Span, Time};
use crate::wire::v1::Header;

/// One node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    config: NodeConfig,
    me: MemberRecord,
    state: State,
    counters: Counters,
    drops: Drops,
    components: [Q16; 6],
    gradients: [Option<Q16>; 6],
    last_tick: Time,
}

impl Node {
    /// A node that has not started: [`Node::tick`] does nothing before [`Node::start`].
    ///
    /// # Errors
    /// Names the value of the configuration that is out of range.
    pub fn new(config: NodeConfig, me: MemberRecord, _seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        if !me.identity.id.is_node() {
            return Err(ConfigError::Me(me.identity.id));
        }
        Ok(Self {
            config,
            me,
            state: State::Init,
            counters: Counters::default(),
            drops: Drops::default(),
            components: [Q16::default(); 6],
            gradients: [None; 6],
            last_tick: Time::ZERO,
        })
    }

    /// Starts, or starts again after [`Node::stop`].
    pub fn start(&mut self, now: Time, _sink: &mut impl Sink) {
        self.state = State::Discovering;
        self.last_tick = now;
    }

    /// Stops: subscribers are told, nothing is done until the next start. For a planned leave use [`Node::leave`].
    pub fn stop(&mut self, _now: Time, _sink: &mut impl Sink) {
        self.state = State::Shutdown;
    }

    /// Phase 1, piece by piece: one message from a sender that the link has verified.
    ///
    /// # Errors
    /// Why the message changed nothing; it is counted.
    pub fn receive(
        &mut self,
        _now: Time,
        from: NodeId,
        bytes: &[u8],
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let checked = Header::decode(bytes)
            .map_err(Drop::from)
            .and_then(|(header, _)| if header.sender.id == from { Ok(()) } else { Err(Drop::SenderMismatch) });
        checked.inspect_err(|&reason| self.drops.count(reason))
    }

    /// The transport failed hard: the next tick reports it and still does its work (`ekk:D-33`).
    pub fn receive_failed(&mut self) {
        self.drops.count(Drop::Transport);
    }

    /// Phases 2 to 8, in the order of `ekk` section 8.
    pub fn tick(&mut self, now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) -> Outcome {
        self.last_tick = now;
        Outcome::Ok
    }

    /// When the next tick has something to do; ticking earlier is harmless.
    #[must_use]
    pub fn next_tick(&self) -> Time {
        self.last_tick.after(self.config.timing.period)
    }

    /// A session with `peer` is up: messages to it go out at once.
    pub fn session_up(&mut self, _now: Time, _peer: NodeId, _sink: &mut impl Sink) {}

    /// The session with `peer` is gone.
    pub fn session_down(&mut self, _now: Time, _peer: NodeId, _sink: &mut impl Sink) {}

    /// A measured round-trip time to `peer`.
    pub fn rtt_sample(&mut self, _now: Time, _peer: NodeId, _rtt: Span) {}

    /// Own start-up work is done: one step of the bootstrap.
    pub fn local_done(&mut self, _now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// The deadline of the bootstrap passed.
    pub fn deadline(&mut self, _now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// The operator's word about one that asked to join.
    pub fn join_decision(&mut self, _now: Time, _id: NodeId, _grant: bool, _sink: &mut impl Sink) {}

    /// A snapshot from the reliable plane: the formation and members to begin with.
    pub fn adopt(
        &mut self,
        _now: Time,
        _members: &mut impl Iterator<Item = MemberRecord>,
        _formation: Formation,
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) {
    }

    /// First watch rings as (ring, previous, next): for a founding set and for a simulation that starts warm.
    pub fn link_rings(&mut self, _now: Time, _rings: &[(u8, NodeId, NodeId)], _crypto: &mut impl Crypto) {}

    /// A candidate for neighbourhood from the caller's directory; answers [`crate::sink::Event::NeedCandidates`].
    pub fn offer(&mut self, _record: &MemberRecord) {}

    /// Sets one component of the own field, 0..6. False when there is no such component.
    pub fn set_component(&mut self, component: usize, value: Q16) -> bool {
        self.components.get_mut(component).map(|slot| *slot = value).is_some()
    }

    /// While draining, the load component says no: full, and a flag travels with it.
    pub fn drain(&mut self, _on: bool) {}

    /// A planned leave: signed, at once, final for this incarnation (`membership:MB-11`).
    pub fn leave(&mut self, _now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// Nobody here says anything about the silence of `node` until then (`decisions:CLU-19`).
    pub fn maintenance(&mut self, _node: NodeId, _until: Time) {}

    /// Forgets a removed member. False when it is not removed.
    pub fn forget(&mut self, _node: NodeId) -> bool {
        false
    }

    /// Opens the safety valve again (`decisions:CLU-14`).
    pub fn resume_removals(&mut self, _now: Time) {}

    /// This node.
    #[must_use]
    pub const fn me(&self) -> &MemberRecord {
        &self.me
    }

    /// This node's current being.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.me.identity
    }

    /// The state of `ekk` section 8.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The k nearest, nearest first.
    pub fn neighbours(&self) -> impl Iterator<Item = NeighbourView> + '_ {
        core::iter::empty()
    }

    /// The watch links.
    pub fn watches(&self) -> impl Iterator<Item = WatchView> + '_ {
        core::iter::empty()
    }

    /// Own field.
    #[must_use]
    pub const fn fields(&self) -> &[Q16; 6] {
        &self.components
    }

    /// Neighbours' aggregate minus own; `None` without a signal (`ekk:D-06`).
    #[must_use]
    pub const fn gradients(&self) -> &[Option<Q16>; 6] {
        &self.gradients
    }

    /// Factor on own thresholds, Q16.16, 1..8 (`decisions:CLU-13`).
    #[must_use]
    pub fn doubt(&self) -> Q16 {
        Q16::default()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Dropped messages by reason.
    #[must_use]
    pub const fn drops(&self) -> &Drops {
        &self.drops
    }

    /// The record of a member this node keeps (itself, watch peers, passive view).
    #[must_use]
    pub fn record(&self, id: NodeId) -> Option<&MemberRecord> {
        (id == self.me.identity.id).then_some(&self.me)
    }
}

/// Fuzz entry: arbitrary bytes as messages.
pub fn fuzz_node(bytes: &[u8]) {
    let _ = Header::decode(bytes);
}
