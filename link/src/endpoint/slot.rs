//! What is kept about one peer.

use core::net::SocketAddr;

use super::KeptFor;
use crate::command::{Receiver, Sender};
use crate::config::Config;
use crate::dropped::Drops;
use crate::hash::Apart;
use crate::keys::{Keys, Position};
use crate::projection::Edge;
use crate::rtt::{Histogram, Smoothed};

/// Counts of a session: shown, never part of the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    /// How far the sequence numbers of the peer have come, over all keys.
    pub(crate) expected: u64,
    pub(crate) drops: Drops,
    pub(crate) commands_acked: u64,
    pub(crate) retransmitted: u64,
    pub(crate) missed: u64,
    pub(crate) commands_taken: u64,
    pub(crate) commands_repeated: u64,
    pub(crate) moves: u64,
    /// Pings, then command to acknowledgement; absent where neither is used.
    pub(crate) times: Option<Box<(Histogram, Histogram)>>,
}

impl Counts {
    /// All zero; keeps its memory.
    fn clear(&mut self) {
        let times = self.times.take().map(|mut times| {
            *times = Default::default();
            times
        });
        *self = Self { times, ..Self::default() };
    }
}

/// A question that waits for its answer to go out.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct PongDue {
    pub(crate) stamp: u64,
    pub(crate) asked_ns: u64,
}

/// A place for a peer: with keys it is a session, without it is the memory of one.
#[derive(Debug, Hash)]
pub(crate) struct Slot<A> {
    /// 0 = free.
    pub(crate) peer: u32,
    pub(crate) peer_boot: u64,
    pub(crate) keys: Keys<A>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) wire_version: u8,
    pub(crate) kept_for: KeptFor,
    pub(crate) mtu_bytes: usize,
    /// Folds of the boots, in and out: compared before anything is opened.
    pub(crate) boots_in: u16,
    pub(crate) boots_out: u16,
    pub(crate) used_ns: u64,
    pub(crate) heard_ns: u64,
    /// Newest proven datagram.
    pub(crate) newest: Position,
    pub(crate) phase: u8,
    pub(crate) round: u32,
    pub(crate) srtt: Smoothed,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) edges: Box<[Edge]>,
    pub(crate) pong_due: Option<PongDue>,
    /// Stamp of the ping whose answer is awaited.
    pub(crate) ping_open: Option<u64>,
    pub(crate) next_ping_ns: u64,
    pub(crate) next_heartbeat_ns: u64,
    pub(crate) heartbeats: u64,
    /// Stands in the list of slots that have something to send.
    pub(crate) is_ready: bool,
    pub(crate) counts: Apart<Counts>,
}

impl<A: crate::Aead> Slot<A> {
    pub(crate) fn new(config: &Config) -> Self {
        let timed = config.ping_interval_ns > 0 || config.command_bytes_max > 0;
        let counts = Counts { times: timed.then(Box::default), ..Counts::default() };
        Self {
            peer: 0,
            peer_boot: 0,
            keys: Keys::none(),
            address: None,
            wire_version: 0,
            kept_for: KeptFor::RECENT,
            mtu_bytes: config.mtu_bytes,
            boots_in: 0,
            boots_out: 0,
            used_ns: 0,
            heard_ns: 0,
            newest: (0, 0),
            phase: 0,
            round: 0,
            srtt: Smoothed::default(),
            sender: Sender::new(config.command_window, config.command_bytes_max),
            receiver: Receiver::new(config.command_window, config.command_bytes_max),
            edges: vec![Edge::new(); config.max_edges].into_boxed_slice(),
            pong_due: None,
            ping_open: None,
            next_ping_ns: 0,
            next_heartbeat_ns: 0,
            heartbeats: 0,
            is_ready: false,
            counts: Apart(counts),
        }
    }

    /// True for a session, false for a memory or a free place.
    pub(crate) fn is_live(&self) -> bool {
        self.peer != 0 && self.keys.is_some()
    }

    /// Everything about this boot of the peer is over. The caller has seen to what is in doubt and to the edges.
    pub(crate) fn reset(&mut self, config: &Config, generation: u32) {
        self.peer = 0;
        self.peer_boot = 0;
        self.keys.reset();
        self.address = None;
        self.kept_for = KeptFor::RECENT;
        self.mtu_bytes = config.mtu_bytes;
        self.newest = (0, 0);
        (self.phase, self.round) = (0, 0);
        self.srtt = Smoothed::default();
        self.sender.reset(generation);
        self.receiver.reset();
        self.pong_due = None;
        self.ping_open = None;
        self.heartbeats = 0;
        self.counts.0.clear();
    }

    pub(crate) fn note_rtt(&mut self, rtt_ns: u64) {
        self.srtt.note(rtt_ns);
        if let Some(times) = &mut self.counts.0.times {
            times.0.note(rtt_ns);
        }
    }

    /// Bytes of a datagram to this peer.
    pub(crate) fn datagram_bytes(&self) -> usize {
        crate::projection::datagram_bytes(self.mtu_bytes, !self.address.is_some_and(|address| address.is_ipv4()))
    }

    /// When this session needs [`crate::Endpoint::poll`], ns; `u64::MAX` = not by itself.
    pub(crate) fn deadline_ns(&self, config: &Config) -> u64 {
        let mut deadline_ns = self.sender.due_ns();
        if config.ping_interval_ns > 0 {
            deadline_ns = deadline_ns.min(self.next_ping_ns);
        }
        if config.heartbeat_interval_ns > 0 {
            deadline_ns = deadline_ns.min(self.next_heartbeat_ns);
        }
        deadline_ns.min(self.keys.deadline_ns(config).unwrap_or(u64::MAX))
    }
}
