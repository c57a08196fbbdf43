//! What goes out by itself: commands, acknowledgements, pongs, pings, heartbeats.

use core::net::SocketAddr;

use super::Endpoint;
use super::send::seal_frame;
use crate::aead::Aead;
use crate::command::COMMAND_HEADER_BYTES;
use crate::deliver::Deliver;
use crate::error::SendError;
use crate::frame::{HEADER_BYTES_MAX, Kind, overhead_bytes};
use crate::rtt::RTO_MAX_NS;

/// Bytes of a ping and of a heartbeat.
pub(super) const STAMP_BYTES: usize = 8;
/// Bytes of a pong: the stamp and how long it was held, ns.
pub(super) const PONG_BYTES: usize = 16;
/// Bytes of the longest frame that goes out by itself.
pub(super) const SCRATCH_BYTES: usize = 1_280;

const _: () = assert!(SCRATCH_BYTES >= HEADER_BYTES_MAX + COMMAND_HEADER_BYTES + 1_200 + 16);

impl<A: Aead> Endpoint<A> {
    /// Sends what is due: commands, acknowledgements, pongs, pings, heartbeats. Call it after a batch of datagrams, after
    /// [`Endpoint::send_command`] and at [`Endpoint::next_deadline_ns`]. Free of cost when nothing is due.
    pub fn poll(&mut self, now_ns: u64, mut send: impl FnMut(u32, Option<SocketAddr>, &[u8])) {
        if now_ns >= self.deadline_ns {
            // A timer is over somewhere: look at all of them, once.
            self.deadline_ns = u64::MAX;
            for at in 0..self.slots.len() {
                if self.slots[at].is_live() {
                    self.slots[at].keys.expire(now_ns, &self.config);
                    self.slots[at].edges.iter_mut().for_each(|edge| edge.expire(now_ns, &mut self.pool));
                    self.make_ready(at);
                }
            }
        }
        while let Some(at) = self.ready.pop() {
            let at = usize::from(at);
            self.slots[at].is_ready = false;
            if self.slots[at].is_live() {
                self.poll_slot(now_ns, at, &mut send);
                self.deadline_ns = self.deadline_ns.min(self.slots[at].deadline_ns(&self.config));
            }
        }
    }

    /// Offers commands again for which there was no room. Cheap when there are none.
    pub fn poll_deliver(&mut self, now_ns: u64, deliver: &mut impl Deliver) {
        let _ = now_ns;
        if self.blocked == 0 {
            return;
        }
        self.blocked = 0;
        for at in 0..self.slots.len() {
            if self.slots[at].is_live() && self.slots[at].receiver.is_blocked() {
                self.hand_over(at, deliver);
            }
        }
    }

    /// When [`Endpoint::poll`] has something to do next, ns (it may turn out to be nothing); 0 = at once, `None` = only after new
    /// input.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        (self.deadline_ns < u64::MAX).then_some(self.deadline_ns)
    }

    /// Puts a slot on the list of those that have something to send.
    pub(super) fn make_ready(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if !slot.is_ready {
            slot.is_ready = true;
            self.ready.push(at as u16);
        }
    }

    fn poll_slot(&mut self, now_ns: u64, at: usize, send: &mut impl FnMut(u32, Option<SocketAddr>, &[u8])) {
        if let Some(due) = self.slots[at].pong_due.take() {
            let mut content = [0; PONG_BYTES];
            content[..8].copy_from_slice(&due.stamp.to_le_bytes());
            content[8..].copy_from_slice(&now_ns.saturating_sub(due.asked_ns).to_le_bytes());
            self.send_own(now_ns, at, Kind::Pong, &content, send);
        }
        if self.slots[at].receiver.ack_due {
            let content = self.slots[at].receiver.ack().encode();
            self.send_own(now_ns, at, Kind::Ack, &content, send);
        }
        self.send_commands(now_ns, at, send);
        let slot = &mut self.slots[at];
        if self.config.ping_interval_ns > 0 && now_ns >= slot.next_ping_ns {
            slot.next_ping_ns = now_ns.saturating_add(self.config.ping_interval_ns);
            slot.ping_open = Some(now_ns);
            self.send_own(now_ns, at, Kind::Ping, &now_ns.to_le_bytes(), send);
        }
        let slot = &mut self.slots[at];
        if self.config.heartbeat_interval_ns > 0 && now_ns >= slot.next_heartbeat_ns {
            slot.next_heartbeat_ns = now_ns.saturating_add(self.config.heartbeat_interval_ns);
            slot.heartbeats += 1;
            let count = slot.heartbeats.to_le_bytes();
            self.send_own(now_ns, at, Kind::Heartbeat, &count, send);
        }
    }

    /// Coordination goes out whatever the bandwidth cap says. Without usable keys it is left out: the session asks for new ones.
    fn send_own(
        &mut self,
        now_ns: u64,
        at: usize,
        kind: Kind,
        content: &[u8],
        send: &mut impl FnMut(u32, Option<SocketAddr>, &[u8]),
    ) {
        let slot = &mut self.slots[at];
        let about = (&self.config, &self.speaker);
        if let Ok(length) = seal_frame(now_ns, about, slot, kind, (content, &[]), &mut self.scratch) {
            send(slot.peer, slot.address, &self.scratch[..length]);
            self.charge(now_ns, length, true);
        }
    }

    /// Commands whose time has come (`rse:U3`).
    fn send_commands(&mut self, now_ns: u64, at: usize, send: &mut impl FnMut(u32, Option<SocketAddr>, &[u8])) {
        // Each command at most once a call, whatever the clock says.
        for _ in 0..self.slots[at].sender.open() {
            let Some(command) = self.slots[at].sender.due(now_ns) else { break };
            let (seq, length) = (command.seq, command.bytes.len());
            let head = command.head();
            // The bytes are copied first: sealing needs the whole slot.
            self.command[..length].copy_from_slice(command.bytes);
            let slot = &mut self.slots[at];
            let cost = overhead_bytes(slot.wire_version) + head.len() + length;
            let about = (&self.config, &self.speaker);
            let sealed = match self.bucket.take(now_ns, cost) {
                Ok(()) => {
                    let content = (&head[..], &self.command[..length]);
                    seal_frame(now_ns, about, slot, Kind::Command, content, &mut self.scratch)
                }
                Err(again_ns) => Err(SendError::Bandwidth { again_ns }),
            };
            match sealed {
                Ok(length) => {
                    let timeout_ns = slot.srtt.timeout_ns();
                    let (again, missed) = slot.sender.sent(now_ns, seq, timeout_ns, self.config.command_tries);
                    slot.counts.0.retransmitted += u64::from(again);
                    slot.counts.0.missed += u64::from(missed);
                    send(slot.peer, slot.address, &self.scratch[..length]);
                    self.charge(now_ns, length, false);
                }
                Err(SendError::Bandwidth { again_ns }) => {
                    self.totals.0.held_back += 1;
                    slot.sender.hold(seq, now_ns.saturating_add(again_ns.max(1)));
                }
                Err(_) => slot.sender.hold(seq, now_ns.saturating_add(RTO_MAX_NS)),
            }
        }
        self.slots[at].sender.settle_timers();
    }
}
