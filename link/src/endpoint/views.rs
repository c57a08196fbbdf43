//! What can be shown.

use std::hash::{Hash, Hasher};

use super::{CommandId, Endpoint, InDoubt, Slot};
use crate::aead::Aead;
use crate::hash::Fnv;
use crate::view::{EdgeView, SessionView, Totals};

impl<A: Aead> Endpoint<A> {
    /// One session.
    #[must_use]
    pub fn session(&self, peer: u32) -> Option<SessionView> {
        self.live_slot(peer).map(|at| self.view(&self.slots[at]))
    }

    /// All sessions, by place.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView> {
        self.slots.iter().filter(|slot| slot.is_live()).map(|slot| self.view(slot))
    }

    /// One remote edge.
    #[must_use]
    pub fn edge(&self, peer: u32, edge: u8) -> Option<EdgeView> {
        let slot = &self.slots[self.index.get(peer)?];
        slot.edges.get(usize::from(edge)).map(|edge| edge.counts.0)
    }

    /// Sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals.0
    }

    /// Commands in doubt, oldest first; `peer` = 0 means of all peers.
    pub fn in_doubt(&self, peer: u32) -> impl Iterator<Item = InDoubt<'_>> {
        self.doubts.of(peer)
    }

    /// Takes a command off the list of those in doubt; false when it is not there.
    pub fn resolve(&mut self, id: CommandId) -> bool {
        self.doubts.resolve(id)
    }

    /// A hash over all state but counts and key material: equal before and after means that nothing changed.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut hasher = Fnv::new();
        (&self.speaker, &self.slots, &self.index, self.live, &self.pool, &self.doubts).hash(&mut hasher);
        (&self.bucket, self.generation, &self.ready, self.deadline_ns, self.blocked).hash(&mut hasher);
        hasher.finish()
    }

    fn view(&self, slot: &Slot<A>) -> SessionView {
        let counts = &slot.counts.0;
        let ping = |part| counts.times.as_ref().map_or(0, |times| times.0.percentile(part, 100));
        let ack = |part| counts.times.as_ref().map_or(0, |times| times.1.percentile(part, 100));
        let lost = counts.expected.saturating_sub(counts.received);
        let key = slot.keys.shown();
        SessionView {
            peer: slot.peer,
            peer_boot: slot.peer_boot,
            address: slot.address,
            wire_version: slot.wire_version,
            epoch: key.map_or(0, |key| key.epoch),
            kept_for: slot.kept_for,
            mtu_bytes: slot.mtu_bytes,
            rtt_p50_ns: ping(50),
            rtt_p99_ns: ping(99),
            srtt_ns: slot.srtt.ns(),
            ack_p50_ns: ack(50),
            ack_p99_ns: ack(99),
            sent: counts.sent,
            sent_bytes: counts.sent_bytes,
            received: counts.received,
            received_bytes: counts.received_bytes,
            lost,
            loss_ppm: (lost.saturating_mul(1_000_000) / counts.expected.max(1)) as u32,
            drops: counts.drops,
            commands_open: slot.sender.open(),
            commands_acked: counts.commands_acked,
            retransmitted: counts.retransmitted,
            missed: counts.missed,
            commands_taken: counts.commands_taken,
            commands_repeated: counts.commands_repeated,
            heard_ns: slot.heard_ns,
            phase: slot.phase,
            round: slot.round,
            moves: counts.moves,
            wants_rotation: key.is_some_and(|key| key.frames_sent() >= self.config.rotate_after_frames),
        }
    }
}
