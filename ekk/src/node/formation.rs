//! Forming, adopting, joining: the bootstrap within a node (`decisions:CLU-8`). The membership rests until the node has formed or
//! adopted a formation; from then on the bootstrap only answers.

use super::{ConfigError, Drop, NodeConfig, NodeWith};
use crate::bootstrap::{self, Driver, Formation, Policy, Refusal, Role};
use crate::hash::mix;
use crate::id::NodeId;
use crate::membership::MemberRecord;
use crate::membership::config::{MESH_MAX, RINGS};
use crate::profile::Profile;
use crate::sign::Crypto;
use crate::sink::Sink;
use crate::time::{Span, Time};

impl NodeConfig {
    fn bootstrap(&self, me: NodeId, boot_inc: u32) -> bootstrap::Config<'_> {
        let policy = Policy::fixed(u16::from(self.quorum));
        bootstrap::Config {
            role: if self.founders.contains(me) { Role::Founder } else { Role::Joiner },
            cluster_id: self.cluster_id,
            boot_inc,
            record: self.record,
            on_deadline: self.on_deadline,
            ..bootstrap::Config::product(me, self.founders.ids(), policy)
        }
    }

    /// The formation of that epoch under this configuration: what a snapshot of a cluster with the same founders and quorum
    /// carries.
    #[must_use]
    pub fn formation(&self, epoch: u64) -> Formation {
        self.bootstrap(NodeId::NONE, 0).formation(epoch)
    }

    pub(super) fn driver(&self, record: &MemberRecord, seed: u64) -> Result<Driver, ConfigError> {
        let me = record.identity;
        let config = self.bootstrap(me.id, me.boot_inc);
        let (driver, _) = Driver::new(&config, me, self.bootstrap, seed).map_err(ConfigError::Bootstrap)?;
        Ok(driver)
    }
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    pub(super) fn take_bootstrap(
        &mut self,
        now: Time,
        from: NodeId,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        self.driver.receive(now, from, bytes, sink)?;
        self.conclude(now);
        Ok(())
    }

    pub(super) fn run_bootstrap(&mut self, now: Time, sink: &mut impl Sink) {
        if now >= self.driver.next_tick() && self.config.profile == Profile::Product {
            self.driver.tick(now, sink);
            self.conclude(now);
        }
    }

    /// Own start-up work is done: one step of the bootstrap.
    ///
    /// # Errors
    /// It was said before, or the cluster is formed.
    pub fn local_done(&mut self, now: Time, _crypto: &mut impl Crypto, sink: &mut impl Sink) -> Result<(), Refusal> {
        let taken = self.driver.local_done(now, sink);
        self.conclude(now);
        taken
    }

    /// The deadline of the bootstrap passed by the caller's clock; the node has one of its own besides.
    ///
    /// # Errors
    /// The cluster is formed.
    pub fn deadline(&mut self, now: Time, _crypto: &mut impl Crypto, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.driver.deadline_passed(now, sink)
    }

    /// Tries again after the policy gave up.
    ///
    /// # Errors
    /// There is nothing to try.
    pub fn rearm(&mut self, now: Time, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.driver.rearm(now, sink)
    }

    /// The operator's word about one that asked to join.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn join_decision(&mut self, now: Time, id: NodeId, grant: bool, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.driver.join_decision(now, id, grant, sink)
    }

    /// A peer that could not be authenticated (`version` is `None`) or speaks another version: shown among what is waited for.
    pub fn trouble(&mut self, peer: NodeId, version: Option<u8>) {
        self.driver.trouble(peer, version);
    }

    /// A snapshot from the reliable plane: the formation and members to begin with. Also members alone, with the formation that
    /// is known already.
    ///
    /// # Errors
    /// The formation is of another cluster or configuration; no member was taken then.
    pub fn adopt(
        &mut self,
        now: Time,
        members: &mut impl Iterator<Item = MemberRecord>,
        formation: Formation,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refusal> {
        if self.formed != Some(formation) {
            match self.driver.snapshot(now, formation, sink) {
                // A later epoch is ours: its members are members all the same.
                Ok(()) | Err(Refusal::OlderFormation) => self.conclude(now),
                Err(refusal) => return Err(refusal),
            }
        }
        let mut tap = super::tap::Tap { now, sink, nearest: &mut self.nearest, ended: &mut self.ended };
        self.membership.adopt(now, members, crypto, &mut tap);
        Ok(())
    }

    /// A peer was met: its record came over an authenticated session. It is a candidate for neighbourhood and known to the
    /// membership, also before the cluster has formed.
    pub fn met(&mut self, now: Time, record: &MemberRecord, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        let mut tap = super::tap::Tap { now, sink, nearest: &mut self.nearest, ended: &mut self.ended };
        self.membership.adopt(now, &mut core::iter::once(*record), crypto, &mut tap);
        // A refusal means that nearer ones are known, or that this being is dead.
        let _ = self.offer(now, record);
    }

    /// The bootstrap driver, for its views: label, sets, what is waited for.
    #[must_use]
    pub const fn bootstrap(&self) -> &Driver {
        &self.driver
    }

    /// After each step of the driver: once formed, the membership begins.
    fn conclude(&mut self, now: Time) {
        let view = self.driver.view();
        if self.formed.is_some() || !view.concluded() {
            return;
        }
        let (formation, adopted) = (view.formation, view.adopted);
        self.formed = formation;
        self.beat_at = now;
        let founders = self.config.founders.ids().len() as u32;
        self.set_known(self.known.max(founders));
        if !adopted && founders > MESH_MAX {
            self.link_founders(now);
        }
    }

    /// The first rings of a founding set too large to watch everybody: each ring is the founders in an order of its own, which
    /// every founder works out alike.
    fn link_founders(&mut self, now: Time) {
        let me = self.identity().id;
        let founders = self.config.founders;
        let digest = self.formed.map_or(0, |formation| formation.digest);
        let mut rings = [(0, NodeId::NONE, NodeId::NONE); RINGS];
        for (ring, slot) in rings.iter_mut().enumerate() {
            let mut order = founders;
            let place = |id: &NodeId| (mix(digest ^ mix(u64::from(id.get()) << 8 | ring as u64)), *id);
            let order = order.shuffle(place);
            let Some(at) = order.iter().position(|&id| id == me) else { return };
            let count = order.len();
            *slot = (ring as u8, order[(at + count - 1) % count], order[(at + 1) % count]);
        }
        self.membership.link_rings(now, &rings);
    }

    /// A session with `peer` is up: what waits for it goes out at once.
    pub fn session_up(&mut self, _now: Time, peer: NodeId, _sink: &mut impl Sink) {
        self.neighbours.ask_now(peer);
        self.leases_at = Time::ZERO;
    }

    /// The session with `peer` is gone; a neighbour is judged by its silence.
    pub fn session_down(&mut self, _now: Time, _peer: NodeId, _sink: &mut impl Sink) {}

    /// A measured round-trip time to `peer`; moves elections under [`crate::topology::Metric::Rtt`].
    pub fn rtt_sample(&mut self, now: Time, peer: NodeId, rtt: Span) {
        self.nearest.rtt(now, peer, rtt);
    }
}
