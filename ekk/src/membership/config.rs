//! Limits, rules and refusals of the membership.

use core::fmt;

use crate::profile::Timing;

/// Watch links wanted (`membership:MB-1`).
pub const LINKS_TARGET: usize = 8;
/// Most watch links (`membership:MB-1`).
pub const LINKS_MAX: usize = 12;
/// Random rings; each gives two links.
pub const RINGS: usize = 4;
/// Up to this many members everybody watches everybody.
pub const MESH_MAX: u32 = 9;
/// Members remembered without a link (`decisions:CLU-3`).
pub const PASSIVE_MAX: usize = 64;
/// News slots of a heartbeat: a fixed number, so that idle cost is constant (`membership:MB-8`).
pub const NEWS_SLOTS: usize = 4;

/// What the membership is told at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Config {
    /// Number of the cluster; part of what is signed.
    pub cluster_id: u64,
    /// All times; one period is one heartbeat.
    pub timing: Timing,
}

/// Statements needed when `live` watchers of the signed watch set live (`membership:MB-5`).
///
/// Eight and more: a majority (5 of 8). Five to seven: a majority and one more. Up to four, where a majority and one more
/// would let two crashes at once block each other for ever: a majority of the group, which is the watchers and their
/// subject. So two of two watchers remove the third node of a cluster, and a single watcher can never remove alone: `None`.
#[must_use]
pub const fn quorum(live: usize) -> Option<usize> {
    match live {
        0 | 1 => None,
        2..=4 => Some(live.div_ceil(2) + 1),
        5..=7 => Some(live / 2 + 2),
        _ => Some(live / 2 + 1),
    }
}

/// Why a message of the membership changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The bytes are no message.
    Malformed(crate::wire::v1::WireError),
    /// It claims to be from this node.
    Echo,
    /// The sender is no member known here.
    Stranger,
    /// A being of the sender or subject that is over (`decisions:CLU-7`).
    Stale,
    /// A sequence that is not newer than one seen (`ekk:D-15`).
    OldSequence,
    /// A signature does not verify.
    BadSignature,
    /// The key of a signer is not known yet; its record was asked for.
    UnknownKey,
    /// A table is full.
    Full,
    /// Nothing here asked for it, or it is known already.
    Unwanted,
    /// The sender says more than it may in this time.
    RateLimited,
    /// The sender is quarantined.
    Quarantined,
    /// A rule refuses it: no quorum, safety valve, jump too large.
    Rule,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Malformed(error) => write!(f, "malformed: {error}"),
            Refused::Echo => f.write_str("claims to be from this node"),
            Refused::Stranger => f.write_str("from nobody known here"),
            Refused::Stale => f.write_str("of a being that is over"),
            Refused::OldSequence => f.write_str("old sequence"),
            Refused::BadSignature => f.write_str("bad signature"),
            Refused::UnknownKey => f.write_str("key of a signer unknown"),
            Refused::Full => f.write_str("table full"),
            Refused::Unwanted => f.write_str("not wanted or known already"),
            Refused::RateLimited => f.write_str("too many"),
            Refused::Quarantined => f.write_str("sender quarantined"),
            Refused::Rule => f.write_str("against a rule"),
        }
    }
}

impl core::error::Error for Refused {}

impl From<crate::wire::v1::WireError> for Refused {
    fn from(error: crate::wire::v1::WireError) -> Self {
        Refused::Malformed(error)
    }
}
