//! What the cluster part of a configuration comes to, in plain values; made by whoever starts the cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ekk::membership::record::MemberRecord;
use ekk::node::NodeConfig;
use shm_transport::udp::UdpOptions;

/// Everything the link thread is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the cluster, for people.
    pub cluster: String,
    /// As shown: `fast`, `lan` or `wan`.
    pub preset: &'static str,
    /// The `ekk` node: cluster number, periods, founders, quorum, metric.
    pub node: NodeConfig,
    /// This node as others know it, signed; its address is that of the reliable plane.
    pub me: MemberRecord,
    /// Boot id of the fast plane: random, not zero, new at each start.
    pub boot_id: u64,
    /// Seed of everything `ekk` draws.
    pub seed: u64,
    /// The socket of the fast plane.
    pub udp: UdpOptions,
    /// Core of the link thread; `None` = wherever the system puts it.
    pub core: Option<u32>,
    /// Largest IP packet, bytes.
    pub mtu_bytes: usize,
    /// Most bytes a second, all peers together; 0 = no limit (`decisions:CLU-19`).
    pub bandwidth_bytes_per_s: u64,
    /// Most projections a second over one remote edge (`decisions:CLU-11`).
    pub projections_per_s: u32,
    /// Age at which keys are renewed, ns.
    pub rekey_ns: u64,
    /// Most handshakes begun a second (`decisions:CLU-5`).
    pub handshakes_per_s: u32,
    /// Nodes known by address of their reliable plane, founders among them.
    pub peers: Vec<Peer>,
    /// What the file calls them, until they say their own names.
    pub names: BTreeMap<u32, String>,
    /// Addresses of reliable planes to ask, whoever answers there.
    pub seeds: Vec<SocketAddr>,
    /// Tori of the braid that other nodes run.
    pub remotes: Vec<Remote>,
    /// What becomes of hand-overs in doubt.
    pub in_doubt: InDoubt,
    /// How long a ballot that the operator answers stays open, ns.
    pub open_ns: u64,
    /// When forming is overdue, ns after the start; 0 = never.
    pub deadline_ns: u64,
    /// Frames of the seed, off by default (`decisions:CLU-17`).
    pub rsepx: Option<Rsepx>,
}

/// A node known by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Number.
    pub id: u32,
    /// Its reliable plane.
    pub address: SocketAddr,
}

/// A torus of the braid that another node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub torus: u8,
    /// The node.
    pub node: u32,
}

/// What becomes of hand-overs that may or may not have been taken when a peer died (`decisions:CLU-12`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InDoubt {
    /// The sender takes them back: done at least once.
    #[default]
    Redo,
    /// They are given up: done at most once.
    Drop,
}

/// A peer that speaks only the frames of the seed: unauthenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rsepx {
    /// Where its frames come to.
    pub listen: SocketAddr,
    /// Where frames go to.
    pub peer: SocketAddr,
    /// Index of the torus of the braid it stands for.
    pub torus: u8,
    /// Name of that torus.
    pub name: String,
}
