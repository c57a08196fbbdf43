//! What a ballot is: its key, what it decides, who may vote, how it stands.

use core::fmt;

use super::table::Phase;
use super::tally::Threshold;
use crate::hash::Digest;
use crate::id::NodeId;
use crate::time::{Span, Time};

/// Most voters of a ballot of scope `cluster` (`decisions:CLU-9`).
pub const CLUSTER_VOTERS_MAX: usize = 64;
/// Most voters of a ballot of scope `local`: the neighbours and the proposer.
pub const LOCAL_VOTERS_MAX: usize = 16;

/// Names a ballot in the whole cluster, across restarts of its proposer (`ekk:D-35`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BallotKey {
    /// Who proposed.
    pub proposer: NodeId,
    /// In which boot.
    pub boot_inc: u32,
    /// Which one, from 1.
    pub number: u32,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Change of mode; the value is the mode.
    Mode,
    /// Limit of power; the value in watts.
    PowerLimit,
    /// Shutdown.
    Shutdown,
    /// Reformation.
    Reformation,
    /// Quarantine of the node whose id is the value; scope `cluster` only.
    Quarantine,
    /// End of a quarantine; scope `cluster` only. Ours: the seed knows no way back.
    Rehabilitation,
    /// A user's own, 0 to 3.
    Custom(u8),
}

impl Kind {
    /// As it travels (`ekk` section 2).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Kind::Mode => 0,
            Kind::PowerLimit => 1,
            Kind::Shutdown => 2,
            Kind::Reformation => 3,
            Kind::Quarantine => 4,
            Kind::Rehabilitation => 5,
            Kind::Custom(which) => 16 + which,
        }
    }

    /// From its code; `None` for what is none (`ekk:D-21`).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Kind> {
        match code {
            0 => Some(Kind::Mode),
            1 => Some(Kind::PowerLimit),
            2 => Some(Kind::Shutdown),
            3 => Some(Kind::Reformation),
            4 => Some(Kind::Quarantine),
            5 => Some(Kind::Rehabilitation),
            16..=19 => Some(Kind::Custom(code - 16)),
            _ => None,
        }
    }

    /// Whether it is about a node and binds everybody.
    #[must_use]
    pub const fn is_of_a_node(self) -> bool {
        matches!(self, Kind::Quarantine | Kind::Rehabilitation)
    }
}

/// Whom a decision binds (`decisions:CLU-9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The neighbours vote; it binds the voters.
    Local,
    /// The configured voters vote, by at least a majority of their list; all members adopt the signed decision.
    Cluster,
}

/// One voter's word; final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vote {
    /// Counts as cast.
    Abstain,
    /// For it.
    Yes,
    /// Against it.
    No,
}

impl Vote {
    /// As it travels.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Vote::Abstain => 0,
            Vote::Yes => 1,
            Vote::No => 2,
        }
    }

    /// From its code; `None` for what is no vote (`ekk:D-21`).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Vote> {
        match code {
            0 => Some(Vote::Abstain),
            1 => Some(Vote::Yes),
            2 => Some(Vote::No),
            _ => None,
        }
    }
}

/// How a ballot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Enough said yes.
    Approved,
    /// Enough did not.
    Rejected,
    /// All had to vote and not all did.
    Timeout,
    /// Withdrawn, or inhibited by a competing ballot.
    Cancelled,
    /// Too few voted for any decision.
    NoQuorum,
    /// This node never heard the decision; it may be anything but is not rejected (`ekk:D-19`).
    Unknown,
}

impl Outcome {
    /// As it travels; 0 is pending.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Outcome::Approved => 1,
            Outcome::Rejected => 2,
            Outcome::Timeout => 3,
            Outcome::Cancelled => 4,
            Outcome::NoQuorum => 5,
            Outcome::Unknown => 6,
        }
    }

    /// From its code; unknown is nobody's decision and does not travel.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Outcome> {
        match code {
            1 => Some(Outcome::Approved),
            2 => Some(Outcome::Rejected),
            3 => Some(Outcome::Timeout),
            4 => Some(Outcome::Cancelled),
            5 => Some(Outcome::NoQuorum),
            _ => None,
        }
    }

    /// The word shown to people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Approved => "approved",
            Outcome::Rejected => "rejected",
            Outcome::Timeout => "timeout",
            Outcome::Cancelled => "cancelled",
            Outcome::NoQuorum => "no-quorum",
            Outcome::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a proposer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// What is decided.
    pub kind: Kind,
    /// Whom it binds.
    pub scope: Scope,
    /// About what.
    pub value: u32,
    /// How many must say yes.
    pub threshold: Threshold,
    /// Of two competing ballots the lower goes on.
    pub priority: u8,
    /// How long it stays open; `None` = the usual time of a ballot.
    pub open: Option<Span>,
    /// Digest of the evidence of a quarantine, 0 = none.
    pub evidence: u64,
}

impl Proposal {
    /// A ballot without further wishes.
    #[must_use]
    pub const fn new(kind: Kind, scope: Scope, value: u32, threshold: Threshold) -> Self {
        Self { kind, scope, value, threshold, priority: 128, open: None, evidence: 0 }
    }

    /// Binds votes to the content: key, everything asked, and the electorate.
    #[must_use]
    pub fn digest(&self, key: BallotKey, electorate: u64) -> u64 {
        let (tag, parameter) = self.threshold.code();
        let mut digest = Digest::new(u64::from(key.proposer.get()));
        digest.word(u64::from(key.boot_inc) << 32 | u64::from(key.number));
        digest.word(u64::from(self.kind.code()) << 8 | self.scope as u64);
        digest.word(u64::from(self.value) << 8 | u64::from(self.priority));
        digest.word(u64::from(tag) << 32 | u64::from(parameter));
        digest.word(self.evidence);
        digest.word(electorate);
        core::hash::Hasher::finish(&digest)
    }
}

/// Digest of an electorate in its order.
#[must_use]
pub fn electorate_digest(voters: &[NodeId]) -> u64 {
    let mut digest = Digest::new(voters.len() as u64);
    voters.iter().for_each(|voter| digest.word(u64::from(voter.get())));
    core::hash::Hasher::finish(&digest)
}

/// The order of competing ballots: the lower one goes on.
#[must_use]
pub const fn rank(key: BallotKey, priority: u8) -> (u8, u32, u32, u32) {
    (priority, key.proposer.get(), key.boot_inc, key.number)
}

/// This node's word on a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnVote {
    /// It is not among the voters.
    NotAVoter,
    /// The operator is asked.
    Ask,
    /// The evidence is on its way.
    Waits,
    /// It did not vote because a competing ballot goes first.
    Inhibited,
    /// Cast; final.
    Cast(Vote),
}

/// A ballot as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BallotView<'a> {
    /// Its name.
    pub key: BallotKey,
    /// What it asks.
    pub proposal: &'a Proposal,
    /// Where in its life it is.
    pub phase: Phase,
    /// How it ended, once it did.
    pub outcome: Option<Outcome>,
    /// Who may vote, in the order of `votes`.
    pub voters: &'a [NodeId],
    /// The proposer knows every vote; others know the yes votes of the decision.
    pub votes: [Option<Vote>; CLUSTER_VOTERS_MAX],
    /// Votes cast, yes and no: the proposer's count, for others that of the decision once it is known.
    pub tally: [u8; 3],
    /// Yes votes needed.
    pub needed: u32,
    /// This node's word.
    pub own: OwnVote,
    /// When it was opened here.
    pub opened: Time,
    /// When it ends.
    pub deadline: Time,
}
