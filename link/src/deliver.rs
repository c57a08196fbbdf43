//! What an endpoint hands to its caller.

use core::net::SocketAddr;

/// Receiver of what verified datagrams carry. `peer` is the node id proved by the session's key.
pub trait Deliver {
    /// A message of `ekk`.
    fn ekk(&mut self, peer: u32, bytes: &[u8]);

    /// A whole projection; at most once for each (edge, boot, seq), and only a newer `seq` of the same boot.
    fn projection(&mut self, peer: u32, edge: u8, boot: u64, seq: u64, bytes: &[u8]);

    /// The next command of the peer, exactly once and in order. `false` = no room now: it is offered again by a later
    /// [`crate::Endpoint::poll_deliver`] and the peer is not told that it arrived.
    fn command(&mut self, peer: u32, stream: u8, seq: u64, bytes: &[u8]) -> bool;

    /// A heartbeat of the link (`rse:U6`): a count, and phase and round as the sender last said them.
    fn heartbeat(&mut self, peer: u32, count: u64, phase: u8, round: u32) {
        let _ = (peer, count, phase, round);
    }

    /// A round-trip time was measured, ns.
    fn rtt(&mut self, peer: u32, rtt_ns: u64) {
        let _ = (peer, rtt_ns);
    }

    /// A command of this node was taken by the peer.
    fn acked(&mut self, peer: u32, stream: u8, seq: u64) {
        let _ = (peer, stream, seq);
    }

    /// The peer's newest verified datagram came from another address (`decisions:CLU-19`).
    fn moved(&mut self, peer: u32, from: Option<SocketAddr>, to: SocketAddr) {
        let _ = (peer, from, to);
    }
}
