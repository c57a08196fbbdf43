//! The checked form of the cluster part of a configuration; only [`super::parse`] and [`super::load`] make one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use super::raw_cluster::{Answer, Cipher, InDoubt, Io, Metric, OnDeadline, Preset, Quorum, StartTori};

/// The cluster a node belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// Number of this node, 1..=u32::MAX - 1.
    pub id: u32,
    /// Failure domain, at most 16 bytes.
    pub zone: String,
    /// All periods.
    pub preset: Preset,
    /// Fast plane.
    pub listen: SocketAddr,
    /// Reliable plane.
    pub reliable: SocketAddr,
    /// Fast plane as others reach it; `None` when `listen` names no address, then the source of datagrams tells.
    pub advertise: Option<SocketAddr>,
    /// Founders, ascending, no number twice, 1 to 64.
    pub founders: Vec<u32>,
    /// Addresses to ask, `host:port`; resolved when asked.
    pub seeds: Vec<String>,
    /// Nodes known by address.
    pub peers: Vec<Peer>,
    /// Ready founders needed.
    pub quorum: Quorum,
    /// When forming is overdue.
    pub deadline: Duration,
    /// What happens then.
    pub on_deadline: OnDeadline,
    /// Lowest epoch to form with.
    pub epoch: u64,
    /// When the tori start.
    pub start: StartTori,
    /// What makes a node near.
    pub metric: Metric,
    /// Where the node stands.
    pub position: [i16; 3],
    /// Neighbours elected, 3 to 15.
    pub neighbours: u32,
    /// Voters of ballots of scope `cluster`, ascending.
    pub voters: Vec<u32>,
    /// What happens to hand-overs in doubt.
    pub in_doubt: InDoubt,
    /// Files of the identity.
    pub identity: IdentityFiles,
    /// The link.
    pub link: Link,
    /// How this node votes.
    pub votes: Votes,
    /// Tori of the braid that other nodes run.
    pub remotes: Vec<Remote>,
    /// The seed peer.
    pub rsepx: Option<Rsepx>,
}

/// A node known by address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Number.
    pub id: u32,
    /// Name, if one is given.
    pub name: Option<String>,
    /// Reliable plane, `host:port`.
    pub address: String,
}

/// Files of the identity, absolute or relative to the working folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityFiles {
    /// CA certificates.
    pub ca: Vec<PathBuf>,
    /// Certificate.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Member card.
    pub card: PathBuf,
    /// Revocation list.
    pub revoked: Option<PathBuf>,
}

/// The link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// How datagrams are moved.
    pub io: Io,
    /// Core of the link thread.
    pub core: Option<u32>,
    /// Largest IP packet, bytes.
    pub mtu: u32,
    /// Most projections a second over one remote edge.
    pub projections_per_s: u32,
    /// Most bytes a second, `None` = no limit.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// Code point.
    pub dscp: u8,
    /// Zero-copy sends.
    pub zero_copy: bool,
    /// Kernel thread polls the queue.
    pub sq_poll: bool,
    /// Cipher.
    pub cipher: Cipher,
    /// Age at which keys are renewed.
    pub rekey: Duration,
    /// Most handshakes begun a second.
    pub handshakes_per_s: u32,
}

/// How this node votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Votes {
    /// Change of mode.
    pub mode: Answer,
    /// Limit of power.
    pub power_limit: Answer,
    /// Shutdown.
    pub shutdown: Answer,
    /// Reformation.
    pub reformation: Answer,
    /// Quarantine with sound evidence.
    pub quarantine: Answer,
    /// The user's own kinds.
    pub custom: Answer,
    /// How long an operator's ballot stays open.
    pub open: Duration,
}

/// A torus of the braid that another node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// Name, unique among all tori named in the file.
    pub torus: String,
    /// Index in the braid, unique among all tori named in the file.
    pub id: u8,
    /// The node, `None` for the seed peer.
    pub node: Option<u32>,
}

/// A seed peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rsepx {
    /// Where its frames come to.
    pub listen: SocketAddr,
    /// Where frames go to.
    pub peer: SocketAddr,
    /// Index of the remote torus it stands for.
    pub torus: u8,
}
