//! What a machine is told at its start, checked; the digests by which two nodes see that they were told the same.

use crate::hash::Digest;
use crate::id::NodeId;

/// Which of the deliberate differences D1 to D8 to the seed are in force (`bootstrap` section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules(u8);

impl Rules {
    /// The seed's rules, step by step.
    pub const SEED: Rules = Rules(0);
    /// All differences.
    pub const PRODUCT: Rules = Rules(0xff);
    /// D1: a deadline is accepted before anything else happened (`bootstrap:W6`).
    pub const D1: Rules = Rules(1);
    /// D2: a stranger does not move the machine out of Fresh (`bootstrap:W8`).
    pub const D2: Rules = Rules(2);
    /// D3: errors of the configuration are found at construction (`bootstrap:W5`).
    pub const D3: Rules = Rules(4);
    /// D4: sight and readiness after forming are recorded, not refused.
    pub const D4: Rules = Rules(8);
    /// D5: the own echo is not counted.
    pub const D5: Rules = Rules(16);
    /// D6: a repeated deadline is told apart, and acts by policy.
    pub const D6: Rules = Rules(32);
    /// D7: refusals say why. Reasons are always there; the switch is kept so that the numbers are complete.
    pub const D7: Rules = Rules(64);
    /// D8: incarnations, digests, epochs, adoption.
    pub const D8: Rules = Rules(128);

    /// The eight, D1 first.
    pub const EACH: [Rules; 8] =
        [Rules::D1, Rules::D2, Rules::D3, Rules::D4, Rules::D5, Rules::D6, Rules::D7, Rules::D8];

    /// Whether all of `other` are in force.
    #[inline]
    pub const fn has(self, other: Rules) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub const fn with(self, other: Rules) -> Rules {
        Rules(self.0 | other.0)
    }

    /// These without `other`.
    pub const fn without(self, other: Rules) -> Rules {
        Rules(self.0 & !other.0)
    }
}

/// How many are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// This many.
    Fixed(u16),
    /// floor(n/2) + 1.
    Majority,
    /// floor(2n/3) + 1.
    TwoThirds,
    /// n.
    All,
}

/// Of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// The configured list.
    Genesis,
    /// The list with those admitted later.
    Live,
}

/// The quorum (`bootstrap` section 3); part of the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How many.
    pub rule: Rule,
    /// Of whom.
    pub over: Over,
}

impl Policy {
    /// This many, whatever the number of members.
    pub const fn fixed(count: u16) -> Policy {
        Policy { rule: Rule::Fixed(count), over: Over::Genesis }
    }

    /// The threshold for `genesis` configured and `live` present members.
    pub const fn threshold(&self, genesis: usize, live: usize) -> usize {
        let n = match self.over {
            Over::Genesis => genesis,
            Over::Live => live,
        };
        match self.rule {
            Rule::Fixed(count) => count as usize,
            Rule::Majority => n / 2 + 1,
            Rule::TwoThirds => 2 * n / 3 + 1,
            Rule::All => n,
        }
    }

    fn digest(&self) -> u64 {
        let (rule, count) = match self.rule {
            Rule::Fixed(count) => (1, u64::from(count)),
            Rule::Majority => (2, 0),
            Rule::TwoThirds => (3, 0),
            Rule::All => (4, 0),
        };
        let mut digest = Digest::new(rule);
        digest.word(count);
        digest.word(match self.over {
            Over::Genesis => 0,
            Over::Live => 1,
        });
        core::hash::Hasher::finish(&digest)
    }
}

/// What happens when the deadline passes a second time; the first time it is only said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDeadline {
    /// Say it again.
    #[default]
    Warn,
    /// The caller may start without the cluster; the machine goes on trying.
    FailOpen,
    /// Stop trying until re-armed.
    GiveUp,
}

/// Who this node is to the founding set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// One of the founders: counts and is counted.
    #[default]
    Founder,
    /// Comes later: never forms by its own quorum, adopts (`decisions:CLU-8`).
    Joiner,
}

/// One formation; equal configuration and epoch give an equal id on every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Formation {
    /// Number of the cluster.
    pub cluster_id: u64,
    /// Counts formations, from 1.
    pub epoch: u64,
    /// Digest of cluster id, protocol version, founders and policy.
    pub digest: u64,
}

impl Formation {
    /// The number people compare.
    pub const fn id(&self) -> u64 {
        let mut digest = Digest::new(self.cluster_id);
        digest.word(self.epoch);
        digest.word(self.digest);
        digest.value()
    }
}

/// A part of the configuration in which two nodes can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Another cluster.
    ClusterId,
    /// Another version of the protocol.
    Version,
    /// Another list of founders.
    Founders,
    /// Another quorum.
    Policy,
}

impl Field {
    /// The word shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Field::ClusterId => "cluster id",
            Field::Version => "protocol version",
            Field::Founders => "founders",
            Field::Policy => "policy",
        }
    }
}

/// What every signal carries besides its sender: the digests of the configuration field by field, so that both sides can say which
/// one differs (`bootstrap:W7`), the epoch it is meant for and the sender's incarnation (`bootstrap:W3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Version of the protocol.
    pub version: u8,
    /// Number of the cluster.
    pub cluster_id: u64,
    /// Digest of the sorted founders.
    pub founders: u64,
    /// Digest of the policy.
    pub policy: u64,
    /// The epoch the sender wants to form, or has formed.
    pub epoch: u64,
    /// Boot counter of the sender.
    pub boot_inc: u32,
}

impl Stamp {
    /// Digest of the whole configuration.
    pub const fn digest(&self) -> u64 {
        let mut digest = Digest::new(self.cluster_id);
        digest.word(self.version as u64);
        digest.word(self.founders);
        digest.word(self.policy);
        digest.value()
    }
}

/// What a machine is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Own id.
    pub me: NodeId,
    /// The founders.
    pub members: &'a [NodeId],
    /// The quorum.
    pub policy: Policy,
    /// Rules in force.
    pub rules: Rules,
    /// Founder, or one that comes later.
    pub role: Role,
    /// Number of the cluster.
    pub cluster_id: u64,
    /// Version of the protocol.
    pub version: u8,
    /// Own boot counter.
    pub boot_inc: u32,
    /// The formation this node remembers.
    pub record: Option<Formation>,
    /// A quorum above the number of founders is meant: others will be admitted.
    pub expect_joins: bool,
    /// Notices with one id that are needed to adopt.
    pub adopt_quorum: u8,
    /// What a second deadline does.
    pub on_deadline: OnDeadline,
}

impl<'a> Config<'a> {
    /// The product's rules for a founder.
    pub const fn product(me: NodeId, members: &'a [NodeId], policy: Policy) -> Config<'a> {
        Config {
            me,
            members,
            policy,
            rules: Rules::PRODUCT,
            role: Role::Founder,
            cluster_id: 1,
            version: 1,
            boot_inc: 1,
            record: None,
            expect_joins: false,
            adopt_quorum: 1,
            on_deadline: OnDeadline::Warn,
        }
    }

    /// The seed's rules; nothing is checked but the capacity.
    pub const fn seed(me: NodeId, members: &'a [NodeId], quorum: u16) -> Config<'a> {
        let mut config = Config::product(me, members, Policy::fixed(quorum));
        config.rules = Rules::SEED;
        config
    }

    /// What is wrong, or what is unwise.
    ///
    /// # Errors
    /// The first mistake; nothing is built then.
    pub fn check(&self, capacity: usize) -> Result<Option<Warning>, ConfigError> {
        let n = self.members.len();
        let listed = self.members.contains(&self.me);
        if n + usize::from(!listed) > capacity {
            return Err(ConfigError::TooMany { members: n, capacity });
        }
        if !self.rules.has(Rules::D3) {
            return Ok(None);
        }
        if n == 0 {
            return Err(ConfigError::Empty);
        }
        if let Some(&id) = self.members.iter().chain([&self.me]).find(|id| !id.is_node()) {
            return Err(ConfigError::NoNode(id));
        }
        if let Some((_, &twice)) = self.members.iter().enumerate().find(|(at, id)| self.members[..*at].contains(id)) {
            return Err(ConfigError::Duplicate(twice));
        }
        match (self.role, listed) {
            (Role::Founder, false) => return Err(ConfigError::NotListed(self.me)),
            (Role::Joiner, true) => return Err(ConfigError::JoinerListed(self.me)),
            _ => {}
        }
        if self.adopt_quorum == 0 || usize::from(self.adopt_quorum) > n {
            return Err(ConfigError::AdoptQuorum { wanted: self.adopt_quorum, members: n });
        }
        match self.policy.threshold(n, n) {
            0 => Err(ConfigError::QuorumZero),
            q if q > n && !self.expect_joins => Err(ConfigError::QuorumUnreachable { quorum: q, members: n }),
            q if q <= n / 2 => Ok(Some(Warning::SplitPossible { quorum: q, members: n })),
            _ => Ok(None),
        }
    }

    /// The formation of that epoch under this configuration.
    #[must_use]
    pub fn formation(&self, epoch: u64) -> Formation {
        Formation { cluster_id: self.cluster_id, epoch, digest: self.stamp().digest() }
    }

    /// What this node's own signals carry.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            version: self.version,
            cluster_id: self.cluster_id,
            founders: founders_digest(self.members),
            policy: self.policy.digest(),
            // A node that remembers a formation looks for the next one; a formed peer will say when it lasts.
            epoch: self.record.map_or(1, |record| record.epoch.saturating_add(1)),
            boot_inc: self.boot_inc,
        }
    }
}

/// Digest of the sorted list without sorting it: each round takes the least id above the last one.
fn founders_digest(members: &[NodeId]) -> u64 {
    let mut digest = Digest::new(members.len() as u64);
    let mut last: Option<NodeId> = None;
    while let Some(next) = members.iter().copied().filter(|&id| last.is_none_or(|last| id > last)).min() {
        digest.word(u64::from(next.get()));
        last = Some(next);
    }
    digest.value()
}

/// Why a machine cannot be built. The fault is the operator's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No members.
    Empty,
    /// Own id is not on the list.
    NotListed(NodeId),
    /// A joiner that is on the list.
    JoinerListed(NodeId),
    /// An id twice.
    Duplicate(NodeId),
    /// An id that names no single node.
    NoNode(NodeId),
    /// A quorum of nobody.
    QuorumZero,
    /// A quorum that cannot be reached.
    QuorumUnreachable {
        /// Wanted.
        quorum: usize,
        /// There are.
        members: usize,
    },
    /// Number of notices to adopt outside 1..=members.
    AdoptQuorum {
        /// Wanted.
        wanted: u8,
        /// There are.
        members: usize,
    },
    /// More members than there is room for.
    TooMany {
        /// Given.
        members: usize,
        /// Room.
        capacity: usize,
    },
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            ConfigError::Empty => f.write_str("no founders: name at least this node"),
            ConfigError::NotListed(id) => {
                write!(f, "this node ({id}) is not among the founders: add it, or make it a joiner")
            }
            ConfigError::JoinerListed(id) => write!(f, "this node ({id}) joins and is a founder: choose one"),
            ConfigError::Duplicate(id) => write!(f, "founder {id} is named twice"),
            ConfigError::NoNode(id) => write!(f, "id {id} names no single node"),
            ConfigError::QuorumZero => f.write_str("a quorum of 0 forms at once: take at least 1"),
            ConfigError::QuorumUnreachable { quorum, members } => {
                write!(f, "a quorum of {quorum} cannot be reached by {members} founders: lower it, or expect joins")
            }
            ConfigError::AdoptQuorum { wanted, members } => write!(f, "{wanted} notices to adopt: take 1..={members}"),
            ConfigError::TooMany { members, capacity } => write!(f, "{members} founders: there is room for {capacity}"),
        }
    }
}

impl core::error::Error for ConfigError {}

/// What is unwise but allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Half or fewer are enough: two groups that share nobody can both form.
    SplitPossible {
        /// Wanted.
        quorum: usize,
        /// There are.
        members: usize,
    },
}

impl core::fmt::Display for Warning {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Warning::SplitPossible { quorum, members } = *self;
        write!(
            f,
            "a quorum of {quorum} of {members} lets two groups form that share nobody: take at least {}",
            members / 2 + 1
        )
    }
}
