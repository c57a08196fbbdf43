//! The table of peers: sessions with keys and memories without, each within its limit.

use super::{Endpoint, Gone, Installed, PeerInfo};
use crate::aead::{Aead, SessionKeys};
use crate::error::InstallError;
use crate::frame::{Binding, fold_boots};
use crate::keys::Key;

impl<A: Aead> Endpoint<A> {
    /// Begins a session or gives an existing one its next keys (`decisions:CLU-5`, `rse:U2`).
    ///
    /// # Errors
    /// See [`InstallError`]; nothing changed.
    pub fn install(&mut self, now_ns: u64, peer: PeerInfo, keys: SessionKeys<A>) -> Result<Installed, InstallError> {
        if peer.id == self.config.me || peer.id == 0 || peer.id == u32::MAX {
            return Err(InstallError::Own);
        }
        if !self.config.versions.contains(peer.wire_version) {
            return Err(InstallError::Version { version: peer.wire_version });
        }
        let known = self.index.get(peer.id).filter(|&at| self.slots[at].peer_boot == peer.boot_id);
        if known.is_some_and(|at| self.slots[at].keys.knows(&keys)) {
            return Err(InstallError::Reused { epoch: peer.epoch });
        }
        let mut done = Installed { resumed: known.is_some(), ..Installed::default() };
        if known.is_none() {
            // Another boot of this peer, if it is known, has ended.
            done.in_doubt = self.remove(peer.id, Gone::BootEnded);
        }
        let was_live = known.is_some_and(|at| self.slots[at].is_live());
        if !was_live {
            done.evicted = self.make_room();
        }
        let at = known.unwrap_or_else(|| self.take_place(&peer));
        self.enter(now_ns, at, peer, keys, was_live);
        self.make_ready(at);
        Ok(done)
    }

    fn enter(&mut self, now_ns: u64, at: usize, peer: PeerInfo, keys: SessionKeys<A>, was_live: bool) {
        let config = &self.config;
        let (me, other) = ((config.me, config.boot_id), (peer.id, peer.boot_id));
        let out = Binding::new(config.cluster_id, me, other, peer.epoch);
        let into = Binding::new(config.cluster_id, other, me, peer.epoch);
        let slot = &mut self.slots[at];
        slot.keys.add(now_ns, Key::new(peer.epoch, out, into, keys), config);
        slot.wire_version = peer.wire_version;
        slot.kept_for = slot.kept_for.with(peer.kept_for);
        slot.boots_out = fold_boots(config.boot_id, peer.boot_id);
        slot.boots_in = fold_boots(peer.boot_id, config.boot_id);
        slot.sender.rekeyed(slot.keys.turn());
        if was_live {
            // The address in use was proven by datagrams; a handshake's word is not newer than those.
            slot.address = slot.address.or(peer.address);
            return;
        }
        self.live += 1;
        slot.address = peer.address.or(slot.address);
        slot.kept_for = peer.kept_for;
        slot.used_ns = now_ns;
        slot.heard_ns = now_ns;
        slot.next_ping_ns = now_ns;
        slot.next_heartbeat_ns = now_ns;
        slot.sender.resume(now_ns);
    }

    /// Ends a session; returns how many commands came into doubt (`decisions:CLU-12`).
    pub fn remove(&mut self, peer: u32, why: Gone) -> usize {
        let Some(at) = self.index.get(peer) else { return 0 };
        match why {
            Gone::Closed => {
                self.park(at);
                0
            }
            Gone::BootEnded => self.free(at),
        }
    }

    /// Takes the keys away; the memory stays.
    fn park(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if slot.is_live() {
            slot.keys.clear();
            slot.pong_due = None;
            slot.ping_open = None;
            self.live -= 1;
        }
    }

    /// Frees a place; what was unacknowledged comes into doubt.
    fn free(&mut self, at: usize) -> usize {
        self.park(at);
        let doubtful = self.doubt(at);
        let generation = self.next_generation();
        let slot = &mut self.slots[at];
        self.index.remove(slot.peer);
        for edge in &mut slot.edges {
            edge.reset(&mut self.pool);
        }
        slot.reset(&self.config, generation);
        doubtful
    }

    /// Moves the unacknowledged commands of a peer to the list of those in doubt.
    pub(super) fn doubt(&mut self, at: usize) -> usize {
        let slot = &self.slots[at];
        let mut doubtful = 0;
        for command in slot.sender.doubtful() {
            doubtful += 1;
            let kept = self.doubts.note(slot.peer, slot.peer_boot, &command);
            self.totals.0.in_doubt_lost += u64::from(!kept);
        }
        self.totals.0.in_doubt += doubtful as u64;
        doubtful
    }

    pub(super) fn next_generation(&mut self) -> u32 {
        // 0 means none; after 2^32 streams the numbers begin again.
        self.generation = self.generation.wrapping_add(1).max(1);
        self.generation
    }

    /// Room for one more session: the least important, least recently used one becomes a memory.
    fn make_room(&mut self) -> Option<u32> {
        if self.live < self.config.max_sessions {
            return None;
        }
        let live = (0..self.slots.len()).filter(|&at| self.slots[at].is_live());
        let at = live.min_by_key(|&at| (self.slots[at].kept_for.class(), self.slots[at].used_ns))?;
        let peer = self.slots[at].peer;
        self.totals.0.evicted += 1;
        self.park(at);
        Some(peer)
    }

    /// A place for a new peer: a free one, or that of the oldest memory.
    fn take_place(&mut self, peer: &PeerInfo) -> usize {
        let places = (0..self.slots.len()).filter(|&at| !self.slots[at].is_live());
        let at = places.min_by_key(|&at| (self.slots[at].peer != 0, self.slots[at].used_ns));
        let at = at.expect("there are at least as many places as sessions, and one session just made room");
        if self.slots[at].peer != 0 {
            self.totals.0.forgotten += 1;
            self.free(at);
        }
        let generation = self.next_generation();
        let slot = &mut self.slots[at];
        slot.reset(&self.config, generation);
        slot.peer = peer.id;
        slot.peer_boot = peer.boot_id;
        self.index.insert(peer.id, at);
        at
    }
}
