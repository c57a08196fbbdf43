//! What a node is told at its start; a checked value, so that a node cannot be built wrong (`ekk:D-17`, `ekk:D-38`).

use crate::bootstrap::{self, Formation, OnDeadline, Settings};
use crate::consensus::Policies;
use crate::heartbeat;
use crate::id::NodeId;
use crate::profile::{Preset, Profile, Timing};
use crate::topology::{self, Metric};

/// Most founders a configuration can name (`decisions:CLU-8`).
pub const FOUNDERS_MAX: usize = 64;
/// Most neighbours that can be wanted (`ekk` section 2).
pub const NEIGHBOURS_MAX: usize = 15;

/// The founding set: ascending, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Founders {
    ids: [NodeId; FOUNDERS_MAX],
    count: u8,
}

impl Founders {
    /// Sorts the ids.
    ///
    /// # Errors
    /// Nobody, more than [`FOUNDERS_MAX`], an id that names no single node, an id given twice.
    pub fn new(ids: &[NodeId]) -> Result<Self, ConfigError> {
        if ids.is_empty() || ids.len() > FOUNDERS_MAX {
            return Err(ConfigError::FounderCount(ids.len()));
        }
        let mut sorted = [NodeId::NONE; FOUNDERS_MAX];
        sorted[..ids.len()].copy_from_slice(ids);
        sorted[..ids.len()].sort_unstable();
        for (at, &id) in sorted[..ids.len()].iter().enumerate() {
            if !id.is_node() || (at > 0 && sorted[at - 1] == id) {
                return Err(ConfigError::Founder(id));
            }
        }
        Ok(Self { ids: sorted, count: ids.len() as u8 })
    }

    /// The ids, ascending.
    #[must_use]
    pub fn ids(&self) -> &[NodeId] {
        &self.ids[..usize::from(self.count)]
    }

    /// The ids in another order.
    pub(super) fn shuffle<K: Ord>(&mut self, key: impl FnMut(&NodeId) -> K) -> &[NodeId] {
        let ids = &mut self.ids[..usize::from(self.count)];
        ids.sort_unstable_by_key(key);
        ids
    }

    /// Whether `id` is one of them.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.ids().binary_search(&id).is_ok()
    }
}

/// What a node is told at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeConfig {
    /// Number of the cluster; other clusters are strangers.
    pub cluster_id: u64,
    /// Which rules (`decisions:CLU-10`).
    pub profile: Profile,
    /// All times.
    pub timing: Timing,
    /// The metric of neighbourhood.
    pub metric: Metric,
    /// Neighbours wanted, 1..=15.
    pub k: u8,
    /// Neighbours below which the node calls itself degraded, 1..=k; a smaller cluster lowers it (`ekk:D-37`).
    pub neighbours_min: u8,
    /// The founding set.
    pub founders: Founders,
    /// Ready founders needed to form, 1..=number of founders.
    pub quorum: u8,
    /// The formation this node remembers from before.
    pub record: Option<Formation>,
    /// What the bootstrap does when its deadline passes a second time.
    pub on_deadline: OnDeadline,
    /// Retries and deadline of the bootstrap.
    pub bootstrap: Settings,
    /// Messages taken per tick, heartbeats apart (`ekk:D-40`).
    pub inbox_per_tick: u16,
    /// What this node can do, bits of `ekk` section 2.
    pub capabilities: u16,
    /// Who may vote on ballots of scope `cluster` (`decisions:CLU-9`).
    pub voters: Founders,
    /// How this node answers ballots.
    pub policies: Policies,
}

impl NodeConfig {
    /// The usual node of a preset: product rules, majority of the founders.
    #[must_use]
    pub fn new(cluster_id: u64, preset: Preset, founders: Founders) -> Self {
        Self {
            cluster_id,
            profile: Profile::Product,
            timing: Timing::preset(preset),
            metric: Metric::Physical,
            k: 7,
            neighbours_min: 3,
            founders,
            quorum: founders.count / 2 + 1,
            record: None,
            on_deadline: OnDeadline::Warn,
            bootstrap: Settings::default(),
            inbox_per_tick: 64,
            capabilities: 0,
            voters: founders,
            policies: Policies::CAREFUL,
        }
    }

    /// Says what is wrong, if anything is.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.k == 0 || usize::from(self.k) > NEIGHBOURS_MAX {
            return Err(ConfigError::Neighbours(self.k));
        }
        if self.neighbours_min == 0 || self.neighbours_min > self.k {
            return Err(ConfigError::NeighboursMin(self.neighbours_min));
        }
        if self.quorum == 0 || self.quorum > self.founders.count {
            return Err(ConfigError::Quorum(self.quorum));
        }
        if self.inbox_per_tick == 0 {
            return Err(ConfigError::Inbox);
        }
        Ok(())
    }
}

/// Why a node cannot be built; nothing exists then. The fault is the caller's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigError {
    /// The own id names no single node.
    Me(NodeId),
    /// Number of founders outside 1..=64.
    FounderCount(usize),
    /// A founder that is no node, or is named twice.
    Founder(NodeId),
    /// Number of neighbours outside 1..=15.
    Neighbours(u8),
    /// Least number of neighbours outside 1..=k.
    NeighboursMin(u8),
    /// Quorum outside 1..=number of founders.
    Quorum(u8),
    /// No message could ever be received.
    Inbox,
    /// The neighbourhood refuses it.
    Topology(topology::ConfigError),
    /// The bootstrap refuses it.
    Bootstrap(bootstrap::ConfigError),
    /// The judgement of neighbours refuses it.
    Heartbeat(heartbeat::ConfigError),
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ConfigError::Me(id) => write!(f, "own id {id} names no single node; take 1..=4294967294"),
            ConfigError::FounderCount(n) => write!(f, "{n} founders; name 1..={FOUNDERS_MAX}"),
            ConfigError::Founder(id) => write!(f, "founder {id} is no node or is named twice"),
            ConfigError::Neighbours(k) => write!(f, "k = {k}; take 1..={NEIGHBOURS_MAX}"),
            ConfigError::NeighboursMin(n) => write!(f, "least number of neighbours {n}; take 1..=k"),
            ConfigError::Quorum(q) => write!(f, "quorum {q}; take 1..=number of founders"),
            ConfigError::Bootstrap(error) => write!(f, "{error}"),
            ConfigError::Topology(error) => write!(f, "{error}"),
            ConfigError::Heartbeat(error) => write!(f, "{error}"),
            ConfigError::Inbox => f.write_str("inbox budget 0; take at least 1 message a tick"),
        }
    }
}

impl core::error::Error for ConfigError {}
