//! The endpoint: sessions, and what comes in and goes out over them.

mod poll;
mod receive;
mod send;
mod slot;
mod table;
mod views;

use core::net::SocketAddr;

use crate::aead::Aead;
use crate::bucket::Bucket;
use crate::config::Config;
use crate::doubt::Doubts;
use crate::error::ConfigError;
use crate::hash::Apart;
use crate::index::Index;
use crate::projection::Pool;
use crate::view::Totals;
use poll::SCRATCH_BYTES;
use send::Speaker;
use slot::Slot;

/// What a session is kept for: a set. A session that serves more important things is evicted later; within a class the least
/// recently used goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeptFor(u8);

impl KeptFor {
    /// Used lately, nothing else.
    pub const RECENT: Self = Self(0);
    /// One of the k nearest.
    pub const NEIGHBOUR: Self = Self(1);
    /// A watch link.
    pub const WATCH: Self = Self(2);
    /// A braid runs over it.
    pub const BRAID: Self = Self(4);

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True when all of `other` is in this set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The most important reason as a number; higher stays longer.
    const fn class(self) -> u32 {
        8 - self.0.leading_zeros()
    }

    /// The most important reason, as shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.class() {
            0 => "recent",
            1 => "neighbour",
            2 => "watch",
            _ => "braid",
        }
    }
}

/// The other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerInfo {
    /// Node id.
    pub id: u32,
    /// Boot id of its link.
    pub boot_id: u64,
    /// Number of the keys, the same on both sides; the next keys of a session have the next number. Keys are never installed twice.
    pub epoch: u32,
    /// Wire version agreed on.
    pub wire_version: u8,
    /// Where to send; learned from the first verified datagram when not known.
    pub address: Option<SocketAddr>,
    /// What the session is for.
    pub kept_for: KeptFor,
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Installed {
    /// The session that gave way.
    pub evicted: Option<u32>,
    /// True when the peer's boot was known: its cursors and unacknowledged commands go on.
    pub resumed: bool,
    /// Commands that came into doubt because the peer's earlier boot has ended.
    pub in_doubt: usize,
}

/// Why a session is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gone {
    /// It is not needed now; the peer may live. Cursors and unacknowledged commands stay.
    Closed,
    /// This boot of the peer has ended: dead, left or started again. Unacknowledged commands come into doubt.
    BootEnded,
}

/// Names a command of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId {
    /// To whom.
    pub peer: u32,
    /// To which boot.
    pub peer_boot: u64,
    /// Number of the stream: a new one begins when the peer has lost its place.
    pub generation: u32,
    /// Number in the stream, from 1.
    pub seq: u64,
}

/// A command of which nobody can say whether the peer took it (`decisions:CLU-12`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InDoubt<'a> {
    /// Which one.
    pub id: CommandId,
    /// As given to [`Endpoint::send_command`].
    pub stream: u8,
    /// How often it was sent; 0 = never, so it was certainly not taken.
    pub tries: u32,
    /// Its bytes, for a policy that does it again.
    pub bytes: &'a [u8],
}

/// Edges of a peer and peers whose projections may be in the making at the same time: bounds the memory of the pool.
const REASSEMBLY_EDGES: usize = 4;
const REASSEMBLY_SESSIONS: usize = 8;

/// One node's side of all its links.
#[derive(Debug)]
pub struct Endpoint<A> {
    config: Config,
    speaker: Speaker,
    slots: Box<[Slot<A>]>,
    index: Index,
    /// Sessions with keys.
    live: usize,
    pool: Pool,
    doubts: Doubts,
    bucket: Bucket,
    /// Number of the newest command stream.
    generation: u32,
    /// Slots that have something to send, each at most once.
    ready: Vec<u16>,
    /// No timer is over before this, ns.
    deadline_ns: u64,
    /// At least one session waits for room at the caller's while this is not 0.
    blocked: usize,
    scratch: Box<[u8]>,
    command: Box<[u8]>,
    totals: Apart<Totals>,
}

impl<A: Aead> Endpoint<A> {
    /// An endpoint without sessions; takes all the memory it will ever use.
    ///
    /// # Errors
    /// A field of `config` outside its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let places = config.max_sessions + config.max_parked;
        let edges = config.max_edges.min(REASSEMBLY_EDGES) * config.max_sessions.min(REASSEMBLY_SESSIONS);
        let scratch = if config.command_bytes_max == 0 { 128 } else { SCRATCH_BYTES };
        Ok(Self {
            speaker: Speaker::new(&config),
            slots: (0..places).map(|_| Slot::new(&config)).collect(),
            index: Index::new(places),
            live: 0,
            pool: Pool::new(2 * edges, config.projection_bytes_max, config.reassembly_ns),
            doubts: Doubts::new(config.in_doubt_max, config.command_bytes_max),
            bucket: Bucket::new(config.bandwidth_bytes_per_s, config.bandwidth_burst_bytes),
            generation: 0,
            ready: Vec::with_capacity(places),
            deadline_ns: u64::MAX,
            blocked: 0,
            scratch: vec![0; scratch].into_boxed_slice(),
            command: vec![0; config.command_bytes_max].into_boxed_slice(),
            totals: Apart(Totals::default()),
            config,
        })
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Says what a session is kept for. False when there is none.
    pub fn keep_for(&mut self, peer: u32, kept_for: KeptFor) -> bool {
        let at = self.live_slot(peer);
        at.map(|at| self.slots[at].kept_for = kept_for).is_some()
    }

    /// Says the path MTU to a peer, bytes (IP header included, 576 to 9216). False when there is no session.
    pub fn set_mtu(&mut self, peer: u32, mtu_bytes: usize) -> bool {
        let at = self.live_slot(peer);
        at.map(|at| self.slots[at].mtu_bytes = mtu_bytes.clamp(576, 9_216)).is_some()
    }

    /// Phase and round that every later frame tells (`rse:U6`).
    pub fn set_round(&mut self, phase: u8, round: u32) {
        (self.speaker.phase, self.speaker.round) = (phase, round);
    }

    /// True when there is a session with keys.
    #[must_use]
    pub fn has_session(&self, peer: u32) -> bool {
        self.live_slot(peer).is_some()
    }

    fn live_slot(&self, peer: u32) -> Option<usize> {
        self.index.get(peer).filter(|&at| self.slots[at].is_live())
    }
}
