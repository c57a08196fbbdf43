//! One node: all machines composed into one tick.
//!
//! The caller feeds [`Node::receive`] with verified messages, calls [`Node::tick`] at [`Node::next_tick`] and carries out what
//! arrives at the [`Sink`]. Nothing else happens: no clock, no allocation, no call back (`ekk:D-39`).

mod ballots;
mod config;
mod drop;
mod formation;
mod fuzz;
mod lease;
mod nearest;
mod neighbours;
mod quarantine;
mod receive;
mod seed;
mod state;
mod tap;
mod tick;
mod view;

pub use crate::bootstrap::Formation;
pub use crate::heartbeat::Health;
pub use config::{ConfigError, FOUNDERS_MAX, Founders, NEIGHBOURS_MAX, NodeConfig};
pub use drop::{Drop, Drops};
pub use fuzz::fuzz_node;
pub use lease::SUBSCRIBERS_MAX;
pub use nearest::CANDIDATES_MAX;
pub use quarantine::QUARANTINED_MAX;
pub use state::Input;
pub use view::{Counters, NeighbourView, Outcome, State};

use crate::bootstrap::Driver;

use crate::field::Rules;
use crate::fixed::Q16;
use crate::heartbeat::{self, Heartbeat};
use crate::id::{Identity, NodeId};
use crate::membership::record::MemberRecord;
use crate::membership::{self, LinkView, Membership};
use crate::profile::Profile;
use crate::sign::Crypto;
use crate::sink::{Class, Event, Sink};
use crate::task::{Task, TaskEnd, TaskError, TaskId, TaskSpec, Tasks};
use crate::time::{Span, Time};
use crate::topology;
use crate::wire::v1::{HEADER_BYTES, Kind, field};

/// Peers judged by the node itself: all neighbours have room. In the seed profile this many of its 64 peers, enough for the
/// vectors of a module.
pub const PEERS_MAX: usize = 16;
const _: () = assert!(NEIGHBOURS_MAX < PEERS_MAX);

/// Neighbours are judged by their fields, which come each second period; the seed judges heartbeats.
fn peers_config(config: &NodeConfig) -> heartbeat::Config {
    match config.profile {
        Profile::Seed => heartbeat::Config::seed(),
        Profile::Product => heartbeat::Config {
            period: config.timing.field,
            beats: false,
            probation: config.timing.period.times(PROBATION_PERIODS),
            ..heartbeat::Config::product(&config.timing)
        },
    }
}

/// A neighbour that sent no field for so long after its election gives way to another one.
const PROBATION_PERIODS: u64 = 20;

/// The own field and its publication.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Own {
    components: [Q16; 6],
    slack: Q16,
    draining: bool,
    published: bool,
    /// When the field was stamped last.
    stamp: Time,
    sequence: u32,
}

/// A node of an agent: 1 024 tombstones (`decisions:CLU-3`), 4 096 remembered news, 16 certificates.
pub type Node = NodeWith<1024, 4096, 16>;
/// A node of which ten thousand fit into the memory of a simulation.
pub type SmallNode = NodeWith<256, 512, 1>;

/// One node of the cluster, with room for `TOMBS` tombstones, `SEEN` remembered news and `VERDICTS` certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeWith<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> {
    config: NodeConfig,
    rules: Rules,
    state: State,
    state_since: Time,
    last_tick: Time,
    /// Next beat of the watch links, sending of the field, asking for candidates, end of patience with an election.
    beat_at: Time,
    publish_at: Time,
    ask_candidates_at: Time,
    settle_by: Time,
    /// Next deadline of a ballot; next lease to ask for.
    ballots_at: Time,
    leases_at: Time,
    aggregate_at: Time,
    fresh_fields: bool,
    fresh_verdicts: bool,
    /// A discovery met a full table since the last tick (seed profile).
    full: bool,
    inbox: receive::Inbox,
    counters: Counters,
    drops: Drops,
    formed: Option<Formation>,
    /// Members known, this one included.
    known: u32,
    own: Own,
    gradients: [Option<Q16>; 6],
    ended: tap::Ended,
    quarantine: quarantine::Quarantine,
    leases: lease::Leases,
    tasks: Tasks,
    neighbours: neighbours::Neighbours,
    nearest: nearest::Nearest,
    /// How well the neighbours are heard; in the seed profile: all peers.
    peers: Heartbeat<PEERS_MAX, 32>,
    ballots: ballots::Ballots,
    driver: Driver,
    membership: Membership<TOMBS, SEEN, VERDICTS>,
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// A node that has not started: [`Node::tick`] does nothing before [`Node::start`]. `seed` is for walks and jitter.
    ///
    /// # Errors
    /// Names the value of the configuration that is out of range.
    pub fn new(config: NodeConfig, me: MemberRecord, seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        let id = me.identity.id;
        if !id.is_node() {
            return Err(ConfigError::Me(id));
        }
        let members = membership::Config { cluster_id: config.cluster_id, timing: config.timing };
        let mut membership = Membership::new(members, me, seed);
        membership.set_seeds(config.founders.ids());
        let own = Own {
            components: [Q16::ZERO; 6],
            slack: Q16::ONE,
            draining: false,
            published: false,
            stamp: Time::ZERO,
            sequence: 0,
        };
        Ok(Self {
            config,
            rules: Rules::product(&config.timing),
            state: State::Init,
            state_since: Time::ZERO,
            last_tick: Time::ZERO,
            beat_at: Time::ZERO,
            publish_at: Time::ZERO,
            ask_candidates_at: Time::ZERO,
            settle_by: Time::ZERO,
            ballots_at: Time::ZERO,
            leases_at: Time::ZERO,
            aggregate_at: Time::ZERO,
            fresh_fields: true,
            fresh_verdicts: true,
            full: false,
            inbox: receive::Inbox::default(),
            counters: Counters::default(),
            drops: Drops::default(),
            formed: None,
            known: 1,
            own,
            gradients: [None; 6],
            ended: tap::Ended::new(),
            quarantine: quarantine::Quarantine::new(),
            leases: lease::Leases::new(),
            tasks: Tasks::new(),
            neighbours: neighbours::Neighbours::new(),
            nearest: nearest::Nearest::new(&config, id, me.position)?,
            peers: Heartbeat::new(peers_config(&config), id).map_err(ConfigError::Heartbeat)?,
            ballots: ballots::Ballots::new(&config, me.identity),
            driver: config.driver(&me, seed)?,
            membership,
        })
    }

    /// Starts, or starts again after [`Node::stop`]; the first tick is due at once.
    pub fn start(&mut self, now: Time, sink: &mut impl Sink) {
        if !matches!(self.state, State::Init | State::Shutdown) {
            return;
        }
        self.last_tick = now;
        self.beat_at = now;
        self.publish_at = now;
        self.ask_candidates_at = now;
        self.apply(now, Input::Start, sink);
        if self.formed.is_none() && self.config.profile == Profile::Product {
            self.driver.start(now, sink);
        }
    }

    /// Stops: those that know this node as a neighbour are told, and nothing is done until the next start. A planned leave
    /// is [`Node::leave`].
    pub fn stop(&mut self, now: Time, sink: &mut impl Sink) {
        if matches!(self.state, State::Init | State::Shutdown) {
            return;
        }
        let mut buffer = [0; HEADER_BYTES];
        if let Ok(bytes) = field::encode_bare(Kind::SHUTDOWN, self.identity(), self.own.sequence, &mut buffer) {
            let told = self.neighbours.all().iter().map(|neighbour| neighbour.id);
            let others = self.leases.ids().filter(|&id| self.neighbours.get(id).is_none());
            for id in told.chain(others) {
                sink.send(id, Class::Field, bytes);
            }
        }
        self.leases.clear();
        self.apply(now, Input::Stop, sink);
    }

    /// The transport failed hard: the next tick reports it and still does its work (`ekk:D-33`).
    pub fn receive_failed(&mut self) {
        self.inbox.failed = true;
        self.drops.count(Drop::Transport);
    }

    /// When the next tick has something to do; ticking earlier is harmless. [`Time::NEVER`] while the node is stopped.
    #[must_use]
    pub fn next_tick(&self) -> Time {
        match self.state {
            State::Init | State::Shutdown => Time::NEVER,
            _ => self.beat_at.min(self.publish_at).min(self.tasks.next_release()).min(self.driver.next_tick()),
        }
    }

    /// First watch rings as (ring, previous, next): for a founding set and for a simulation that starts warm.
    pub fn link_rings(&mut self, now: Time, rings: &[(u8, NodeId, NodeId)], _crypto: &mut impl Crypto) {
        self.membership.link_rings(now, rings);
    }

    /// A candidate for neighbourhood from the caller's directory; answers [`Event::NeedCandidates`].
    /// The record has been checked by the caller or by the membership.
    ///
    /// # Errors
    /// The table is full of nearer candidates, the id is no node's, or that being is dead.
    pub fn offer(&mut self, now: Time, record: &MemberRecord) -> Result<(), topology::Refused> {
        let ended = self.membership.known(record.identity.id);
        if ended.is_some_and(|(known, live)| !live && known.rank() >= record.identity.rank()) {
            return Err(topology::Refused::Tombstoned);
        }
        self.nearest.offer(now, record.identity, record.position)
    }

    /// How many members the caller's directory has, this node included; sizes walks, the safety valve and the wanted
    /// number of neighbours.
    pub fn set_known(&mut self, members: u32) {
        self.known = members.max(1);
        self.membership.set_known(self.known);
    }

    /// Sets one component of the own field, 0..6; slack (5) comes from the tasks and is overwritten. False when there is no
    /// such component.
    pub fn set_component(&mut self, component: usize, value: Q16) -> bool {
        self.fresh_fields = true;
        self.own.components.get_mut(component).map(|slot| *slot = value).is_some()
    }

    /// While draining, the load component says no: full, and a flag travels with it.
    pub fn drain(&mut self, on: bool) {
        self.own.draining = on;
        self.fresh_fields = true;
    }

    /// A planned leave: signed, at once, final for this incarnation (`membership:MB-11`).
    pub fn leave(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        self.membership.leave(now, crypto, sink);
        self.stop(now, sink);
    }

    /// Nobody here says anything about the silence of `node` until then (`decisions:CLU-19`).
    pub fn maintenance(&mut self, node: NodeId, until: Time) {
        self.membership.maintenance(node, until);
    }

    /// Nobody in the cluster says anything about the silence of `node` for `span`; zero ends it (`decisions:CLU-19`).
    pub fn announce_maintenance(
        &mut self,
        now: Time,
        node: NodeId,
        span: Span,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) {
        self.membership.announce_maintenance(now, node, span, crypto, sink);
    }

    /// Nodes under maintenance, whoever announced it, each with its end.
    pub fn maintained(&self, now: Time) -> impl Iterator<Item = (NodeId, Time)> + '_ {
        self.membership.maintained(now)
    }

    /// Forgets a removed member. False when nothing was known.
    pub fn forget(&mut self, node: NodeId) -> bool {
        self.membership.forget(node)
    }

    /// Other bounds of the watchers' thresholds, see [`Membership::set_threshold_bounds`].
    pub fn set_threshold_bounds(&mut self, least: u16, most: u16) {
        self.membership.set_threshold_bounds(least, most);
    }

    /// Opens the safety valve again (`decisions:CLU-14`).
    pub fn resume_removals(&mut self, now: Time) {
        self.membership.resume_removals(now);
    }

    /// Takes no message of `node` from now on and treats it as gone; the effect of a decision (`ekk:D-26`). False when
    /// [`QUARANTINED_MAX`] nodes are quarantined already.
    pub fn quarantine(&mut self, now: Time, node: NodeId, crypto: &mut impl Crypto, sink: &mut impl Sink) -> bool {
        if node == self.identity().id || !self.quarantine.add(node) {
            return false;
        }
        self.nearest.remove(now, node);
        self.ended.note(node);
        let mut tap = tap::Tap { now, sink, nearest: &mut self.nearest, ended: &mut self.ended };
        self.membership.quarantine(now, node, crypto, &mut tap);
        sink.event(&Event::QuarantineExecuted(node));
        true
    }

    /// Ends a quarantine. False when there was none.
    pub fn lift(&mut self, node: NodeId) -> bool {
        self.membership.lift(node);
        self.quarantine.lift(node)
    }

    /// Adds a local task, ready at once (`ekk:D-34`).
    ///
    /// # Errors
    /// [`TaskError::Full`].
    pub fn add_task(&mut self, now: Time, spec: TaskSpec) -> Result<TaskId, TaskError> {
        self.tasks.add(now, spec)
    }

    /// Makes a task ready.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn ready_task(&mut self, now: Time, id: TaskId) -> Result<(), TaskError> {
        self.tasks.ready(now, id)
    }

    /// Blocks a task.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn block_task(&mut self, id: TaskId) -> Result<(), TaskError> {
        self.tasks.block(id)
    }

    /// The caller reports the end of a run of [`Event::RunTask`] and how long it took.
    ///
    /// # Errors
    /// See [`Tasks::done`].
    pub fn task_done(&mut self, id: TaskId, ran: Span, end: TaskEnd) -> Result<(), TaskError> {
        self.tasks.done(id, ran, end)
    }

    /// A task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// This node; its life may have risen.
    #[must_use]
    pub const fn me(&self) -> &MemberRecord {
        self.membership.me()
    }

    /// This node's current being.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.membership.me().identity
    }

    /// What the node was told at its start.
    #[must_use]
    pub const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The state of `ekk` section 8.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the last tick was; a hard tick counts too, for it did its work (`ekk:D-33`).
    #[must_use]
    pub const fn last_tick(&self) -> Time {
        self.last_tick
    }

    /// When the own field was stamped last.
    #[must_use]
    pub fn published_at(&self) -> Option<Time> {
        self.own.published.then_some(self.own.stamp)
    }

    /// The formation this node belongs to.
    #[must_use]
    pub const fn formation(&self) -> Option<&Formation> {
        self.formed.as_ref()
    }

    /// The watch links.
    pub fn watches(&self, now: Time) -> impl Iterator<Item = LinkView> + '_ {
        self.membership.links(now)
    }

    /// The membership machine, for its views.
    #[must_use]
    pub const fn membership(&self) -> &Membership<TOMBS, SEEN, VERDICTS> {
        &self.membership
    }

    /// Factor on own thresholds, 1..8 (`decisions:CLU-13`), and whether it mutes own statements.
    #[must_use]
    pub const fn doubt(&self) -> (Q16, bool) {
        let (sixteenths, muted) = self.membership.doubt();
        (Q16((sixteenths as i32) << 12), muted)
    }

    /// Removals, newest first (`membership:MB-15`).
    pub fn removals(&self) -> impl Iterator<Item = &membership::Removal> {
        self.membership.removals()
    }

    /// The record of a member that is kept here: of this node, of a watch link, or among the latest ones.
    #[must_use]
    pub fn record(&self, id: NodeId) -> Option<&MemberRecord> {
        self.membership.record(id)
    }

    /// Whether the node is draining.
    #[must_use]
    pub const fn draining(&self) -> bool {
        self.own.draining
    }

    /// Nodes in quarantine.
    #[must_use]
    pub fn quarantined(&self) -> &[NodeId] {
        self.quarantine.ids()
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
}

/// Bytes of a node by part; see [`footprint`].
pub type Footprint = [(&'static str, usize); 11];

/// Bytes of a node of an agent by part, the whole first. The core (`decisions:CLU-3`) is what is left without the records and
/// stores of the membership.
#[must_use]
pub const fn footprint() -> Footprint {
    use core::mem::size_of;
    [
        ("node", size_of::<Node>()),
        ("small node", size_of::<SmallNode>()),
        ("membership", size_of::<Membership>()),
        ("election", size_of::<nearest::Nearest>()),
        ("health", size_of::<Heartbeat<PEERS_MAX, 32>>()),
        ("neighbours", size_of::<neighbours::Neighbours>()),
        ("ballots", size_of::<ballots::Ballots>()),
        ("tasks", size_of::<Tasks>()),
        ("bootstrap", size_of::<Driver>()),
        ("leases", size_of::<lease::Leases>()),
        ("config", size_of::<NodeConfig>() + size_of::<Rules>()),
    ]
}
