//! The endpoint: sessions, and what comes in and goes out over them.

use core::net::SocketAddr;
use std::marker::PhantomData;

use crate::aead::{Aead, SessionKeys};
use crate::config::Config;
use crate::deliver::Deliver;
use crate::dropped::DropReason;
use crate::error::{CommandError, ConfigError, InstallError, SendError};
use crate::frame::Kind;
use crate::out::Out;
use crate::view::{EdgeView, SessionView, Totals};

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

    /// The most important reason, as shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "recent",
            1 => "neighbour",
            2 | 3 => "watch",
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
    /// Number of the keys; later keys of one boot have a higher one.
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
    /// How often it was sent.
    pub tries: u32,
    /// Its bytes, for a policy that does it again.
    pub bytes: &'a [u8],
}

/// One node's side of all its links.
#[derive(Debug)]
pub struct Endpoint<A> {
    config: Config,
    keys: PhantomData<A>,
}

impl<A: Aead> Endpoint<A> {
    /// An endpoint without sessions; takes all the memory it will ever use.
    ///
    /// # Errors
    /// A field of `config` outside its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config, keys: PhantomData })
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Begins a session or gives an existing one its next keys.
    ///
    /// # Errors
    /// See [`InstallError`]; nothing changed.
    pub fn install(&mut self, now_ns: u64, peer: PeerInfo, keys: SessionKeys<A>) -> Result<Installed, InstallError> {
        let _ = (now_ns, peer, keys);
        Ok(Installed::default())
    }

    /// Ends a session; returns how many commands came into doubt.
    pub fn remove(&mut self, peer: u32, why: Gone) -> usize {
        let _ = (peer, why);
        0
    }

    /// Says what a session is kept for. False when there is none.
    pub fn keep_for(&mut self, peer: u32, kept_for: KeptFor) -> bool {
        let _ = (peer, kept_for);
        false
    }

    /// Says the path MTU to a peer, bytes (IP header included). False when there is no session.
    pub fn set_mtu(&mut self, peer: u32, mtu_bytes: usize) -> bool {
        let _ = (peer, mtu_bytes);
        false
    }

    /// Phase and round that every later frame tells (`rse:U6`).
    pub fn set_round(&mut self, phase: u8, round: u32) {
        let _ = (phase, round);
    }

    /// True when there is a session with keys.
    #[must_use]
    pub fn has_session(&self, peer: u32) -> bool {
        let _ = peer;
        false
    }

    /// Seals one datagram of kind [`Kind::Ekk`] into `out`.
    ///
    /// # Errors
    /// See [`SendError`]; `out` is then empty.
    pub fn seal(&mut self, now_ns: u64, peer: u32, kind: Kind, payload: &[u8], out: &mut Out) -> Result<(), SendError> {
        let _ = (now_ns, kind, payload);
        out.clear();
        Err(SendError::NoSession { peer })
    }

    /// Seals a projection as 1 to 8 segments into `out`; returns how many.
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::Coalesced`] and [`SendError::Bandwidth`] are counted, not faults.
    #[expect(clippy::too_many_arguments, reason = "the parts of a projection's name")]
    pub fn seal_projection(
        &mut self,
        now_ns: u64,
        peer: u32,
        edge: u8,
        boot: u64,
        seq: u64,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<usize, SendError> {
        let _ = (now_ns, edge, boot, seq, bytes);
        out.clear();
        Err(SendError::NoSession { peer })
    }

    /// Takes over a command; [`Endpoint::poll`] sends it. `stream` is handed to the peer as it is.
    ///
    /// # Errors
    /// See [`CommandError`]; the command then stays the caller's.
    pub fn send_command(
        &mut self,
        now_ns: u64,
        peer: u32,
        stream: u8,
        bytes: &[u8],
    ) -> Result<CommandId, CommandError> {
        let _ = (now_ns, stream, bytes);
        Err(CommandError::NoSession { peer })
    }

    /// Takes one datagram; opens it in place.
    ///
    /// # Errors
    /// Why it had no effect; counted already.
    pub fn receive(
        &mut self,
        now_ns: u64,
        from: SocketAddr,
        datagram: &mut [u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        let _ = (now_ns, from, datagram, deliver);
        Err(DropReason::UnknownSender)
    }

    /// Sends what is due: commands, acknowledgements, pongs, pings, heartbeats. Call it after a batch of datagrams, after
    /// [`Endpoint::send_command`] and at [`Endpoint::next_deadline_ns`].
    pub fn poll(&mut self, now_ns: u64, send: impl FnMut(u32, Option<SocketAddr>, &[u8])) {
        let _ = (now_ns, send);
    }

    /// Offers commands again for which there was no room. Cheap when there are none.
    pub fn poll_deliver(&mut self, now_ns: u64, deliver: &mut impl Deliver) {
        let _ = (now_ns, deliver);
    }

    /// When [`Endpoint::poll`] has something to do next, ns; `None` = only after new input.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        None
    }

    /// Commands in doubt, oldest first; `peer` = 0 means of all peers.
    pub fn in_doubt(&self, peer: u32) -> impl Iterator<Item = InDoubt<'_>> {
        let _ = peer;
        std::iter::empty()
    }

    /// Takes a command off the list of those in doubt; false when it is not there.
    pub fn resolve(&mut self, id: CommandId) -> bool {
        let _ = id;
        false
    }

    /// One session.
    #[must_use]
    pub fn session(&self, peer: u32) -> Option<SessionView> {
        let _ = peer;
        None
    }

    /// All sessions.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView> {
        std::iter::empty()
    }

    /// One remote edge.
    #[must_use]
    pub fn edge(&self, peer: u32, edge: u8) -> Option<EdgeView> {
        let _ = (peer, edge);
        None
    }

    /// Sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::default()
    }

    /// A hash over all state but counts and key material: equal before and after means that nothing changed.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        0
    }
}
