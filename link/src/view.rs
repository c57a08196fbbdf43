//! What can be shown of an endpoint.

use core::net::SocketAddr;

use crate::dropped::Drops;
use crate::endpoint::KeptFor;

/// One session, for status pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionView {
    /// The peer.
    pub peer: u32,
    /// Its boot.
    pub peer_boot: u64,
    /// Where its newest verified datagram came from.
    pub address: Option<SocketAddr>,
    /// Wire version of frames to it.
    pub wire_version: u8,
    /// Key epoch of frames to it.
    pub epoch: u32,
    /// What it is kept for.
    pub kept_for: KeptFor,
    /// Path MTU, bytes.
    pub mtu_bytes: usize,
    /// Round-trip time of pings, median, ns; 0 = not measured.
    pub rtt_p50_ns: u64,
    /// Round-trip time of pings, 99th percentile, ns.
    pub rtt_p99_ns: u64,
    /// Smoothed round-trip time, ns.
    pub srtt_ns: u64,
    /// From sending a command to its acknowledgement, median, ns (`rse:U7`).
    pub ack_p50_ns: u64,
    /// From sending a command to its acknowledgement, 99th percentile, ns.
    pub ack_p99_ns: u64,
    /// Datagrams out.
    pub sent: u64,
    /// Bytes out.
    pub sent_bytes: u64,
    /// Datagrams in that were authentic.
    pub received: u64,
    /// Bytes in, of those.
    pub received_bytes: u64,
    /// Sequence numbers skipped and not (yet) seen.
    pub lost: u64,
    /// Lost of expected, parts per million.
    pub loss_ppm: u32,
    /// Drops of datagrams that named this peer.
    pub drops: Drops,
    /// Commands sent and not acknowledged.
    pub commands_open: usize,
    /// Commands acknowledged.
    pub commands_acked: u64,
    /// Retransmissions of commands.
    pub retransmitted: u64,
    /// Commands that were not acknowledged within the configured tries (`rse:U3`).
    pub missed: u64,
    /// Commands taken from the peer.
    pub commands_taken: u64,
    /// Commands of the peer that came again and were acknowledged without effect.
    pub commands_repeated: u64,
    /// When the newest verified datagram came, ns.
    pub heard_ns: u64,
    /// Phase the peer last said (`rse:U6`).
    pub phase: u8,
    /// Round the peer last said.
    pub round: u32,
    /// Times the address changed.
    pub moves: u64,
    /// True when new keys are due.
    pub wants_rotation: bool,
}

/// One remote edge of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EdgeView {
    /// Projections sent.
    pub sent: u64,
    /// Projections held back by the cap of the edge.
    pub coalesced: u64,
    /// Projections taken.
    pub taken: u64,
    /// Sequence numbers skipped.
    pub missed: u64,
    /// Projections that came too late.
    pub older: u64,
    /// Partial projections given up: a newer one came or the deadline passed.
    pub incomplete: u64,
    /// Boot of the newest one taken.
    pub boot: u64,
    /// Sequence of the newest one taken.
    pub seq: u64,
    /// When it was taken, ns.
    pub taken_ns: u64,
}

/// Sums over the life of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Datagrams out.
    pub sent: u64,
    /// Bytes out.
    pub sent_bytes: u64,
    /// Bytes out that are neither projections nor commands.
    pub coordination_bytes: u64,
    /// Datagrams in, all.
    pub received: u64,
    /// Bytes in, all.
    pub received_bytes: u64,
    /// Drops by reason, those without a session included.
    pub drops: Drops,
    /// AEAD openings: what strangers must not be able to cause.
    pub opened: u64,
    /// Sends refused by the bandwidth cap.
    pub held_back: u64,
    /// Sessions that gave way to others.
    pub evicted: u64,
    /// Remembered peers that gave way to others.
    pub forgotten: u64,
    /// Commands that came into doubt.
    pub in_doubt: u64,
    /// Commands in doubt that could not be remembered.
    pub in_doubt_lost: u64,
}
