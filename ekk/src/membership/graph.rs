//! The watch graph: four random rings both ways, repaired by what the dead said about themselves (`membership:MB-1`); nothing
//! in it depends on who is near (`decisions:CLU-1`).

use super::config::{LINKS_MAX, LINKS_TARGET, MESH_MAX, RINGS};
use super::evidence::WatchSet;
use super::link::{
    Link, LinkAction, LinkEvent, LinkState, ROLE_EXTRA, ROLE_MESH, ROLES_ALL, ROLES_RING, mirrored, next, previous,
};
use super::memory::{Known, Latest, zone_digest};
use super::{Io, Membership, Refused};
use crate::id::{Identity, NodeId};
use crate::sign::Crypto;
use crate::sink::Sink;
use crate::time::Time;
use crate::wire::v1::membership::{HOPS_MAX, Message, NewsKind, RING_EXTRA};

use super::record::MemberRecord;

/// An offer that is never answered by a heartbeat ends after this many periods.
pub(super) const OFFER_PERIODS: u64 = 20;
/// A link without a role is kept this long, so that what replaces it is heard first.
pub(super) const FADE_PERIODS: u64 = 20;
/// Between two repetitions of an offer.
const REPEAT_PERIODS: u64 = 3;
/// Between two looks at what is missing.
const LOOK_PERIODS: u64 = 5;
/// A word of the other end that it holds no link is not believed this long after an offer: it may not have arrived.
const DROP_GRACE_PERIODS: u64 = 3;

/// What the graph still has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    /// When the next heartbeat is due.
    pub next_beat: Time,
    /// When missing links are looked at next.
    look: Time,
    /// What was asked for lately: kind, node, when.
    pub asked: Latest<(u8, NodeId, Time), 8>,
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// Initial watch rings of a founding set: (ring 0..=3, previous, next). The members of these rings are known to each
    /// other; nobody announces itself. Unknown rings and ids are left out.
    pub fn link_rings(&mut self, now: Time, rings: &[(u8, NodeId, NodeId)]) {
        for &(ring, before, after) in rings {
            let ring = usize::from(ring);
            if ring < RINGS {
                self.hold(now, before, previous(ring));
                self.hold(now, after, next(ring));
            }
        }
        for link in self.links.iter_mut() {
            // Both ends know already: the first heartbeat says the rest.
            link.speak = now.after(self.config.timing.period.times(OFFER_PERIODS));
            link.member = true;
        }
        self.known = self.known.max(self.links.len() as u32 + 1);
        self.life.make_visible();
    }

    /// Takes up a lease in `role`; the slot, or `None` when all are taken.
    pub(super) fn hold(&mut self, now: Time, peer: NodeId, role: u16) -> Option<usize> {
        if peer == self.me.identity.id || !peer.is_node() || self.is_quarantined(peer) {
            return None;
        }
        if let Some(slot) = self.links.slot_of(peer) {
            let link = self.links.at_mut(slot)?;
            self.set_dirty |= link.roles | role != link.roles;
            link.roles |= role;
            link.step(LinkEvent::RoleCame);
            return Some(slot);
        }
        let known = self.passive.get(peer).map(|known| known.identity);
        let identity = known.unwrap_or(Identity { id: peer, boot_inc: 0, life: 0 });
        let expires = now.after(self.periods(OFFER_PERIODS));
        let mut link = Link::new(identity, now, expires);
        link.roles = role;
        link.member = known.is_some();
        link.step(LinkEvent::Take);
        let kept = self.records.iter().find(|record| record.identity == identity).copied();
        link.record = kept;
        let slot = self.links.insert(link)?;
        self.news.reset(slot);
        Some(slot)
    }

    /// Takes roles away from a link; without any it fades.
    fn strip(&mut self, now: Time, peer: NodeId, roles: u16) {
        let expires = now.after(self.periods(FADE_PERIODS));
        let Some(link) = self.links.get_mut(peer) else { return };
        let before = link.roles;
        link.roles &= !roles;
        if before != 0 && link.roles == 0 {
            if link.state == LinkState::Offered {
                let _ = self.links.take(peer);
            } else {
                link.step(LinkEvent::RolesGone);
                link.expires = expires;
            }
        }
        self.set_dirty = true;
    }

    /// Ends a link whose peer is gone and closes the rings around it by the peer's own signed watch set, before anything
    /// else (`membership:MB-1`).
    pub(super) fn remove_link<C: Crypto, S: Sink>(&mut self, now: Time, peer: NodeId, io: &mut Io<'_, C, S>) {
        self.cases.close(peer);
        let Some((slot, mut link)) = self.links.take(peer) else { return };
        self.news.reset(slot);
        self.set_dirty = true;
        if link.step(LinkEvent::Removed) != LinkAction::Repair {
            return;
        }
        let Some(set) = &link.set else { return };
        for ring in 0..RINGS {
            if link.roles & previous(ring) != 0 {
                self.close_ring(now, set, 2 * ring, previous(ring), io);
            }
            if link.roles & next(ring) != 0 {
                self.close_ring(now, set, 2 * ring + 1, next(ring), io);
            }
        }
    }

    fn close_ring<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        set: &WatchSet,
        place: usize,
        role: u16,
        io: &mut Io<'_, C, S>,
    ) {
        let Some(other) = set.at_place(place) else { return };
        if self.tombs.get(other).is_some() || self.links.holder(role).is_some() {
            return;
        }
        if self.hold(now, other, role).is_some() {
            self.offer(now, other, io.sink);
        }
    }

    /// Says that the link is held here, with the own record.
    fn offer(&mut self, now: Time, peer: NodeId, sink: &mut impl Sink) {
        let speak = now.after(self.periods(REPEAT_PERIODS));
        let Some(link) = self.links.get_mut(peer) else { return };
        link.speak = speak;
        let roles = mirrored(link.roles);
        self.say(peer, &Message::WatchTake { roles, member: self.me }, sink);
    }

    /// Deadlines of leases, and what the silence of peers means for the trust in own ears.
    pub(super) fn tick_links<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let period = self.config.timing.period;
        let (mut watched, mut silent, mut fresh) = (0, 0, 0);
        for slot in 0..LINKS_MAX {
            let Some(link) = self.links.at(slot) else { continue };
            if link.is_live() {
                watched += 1;
                fresh += usize::from(link.fresh);
                silent += usize::from(link.heard.is_silent(now, period, link.heard.threshold(16)));
            }
            let (peer, state, speak, expired) = (link.peer(), link.state, now >= link.speak, now >= link.expires);
            let record_missing = link.record.is_none_or(|record| record.identity != link.identity);
            match state {
                LinkState::Offered if expired => self.expire(peer, io.sink),
                LinkState::Fading if expired && self.links.len() > LINKS_TARGET.min(self.others()) => {
                    self.expire(peer, io.sink);
                }
                LinkState::Fading if expired => {
                    self.hold(now, peer, ROLE_EXTRA);
                }
                LinkState::Offered if speak => self.offer(now, peer, io.sink),
                LinkState::Live if speak && record_missing => {
                    self.put_off(now, peer, OFFER_PERIODS);
                    let identity = Identity { id: peer, boot_inc: 0, life: 0 };
                    self.say(peer, &Message::Ask { kind: NewsKind::Record, identity }, io.sink);
                }
                _ => {}
            }
        }
        self.doubt.observe(now, period, silent, fresh, watched);
        self.life.observe(watched, silent);
    }

    fn put_off(&mut self, now: Time, peer: NodeId, periods: u64) {
        let speak = now.after(self.periods(periods));
        if let Some(link) = self.links.get_mut(peer) {
            link.speak = speak;
        }
    }

    fn expire(&mut self, peer: NodeId, sink: &mut impl Sink) {
        if let Some(link) = self.links.get_mut(peer)
            && link.step(LinkEvent::Expired) == LinkAction::Close
        {
            self.let_go(peer);
            self.say(peer, &Message::WatchDrop, sink);
        }
    }

    /// Forgets a link whose peer is alive.
    pub(super) fn let_go(&mut self, peer: NodeId) {
        self.cases.close(peer);
        if let Some((slot, _)) = self.links.take(peer) {
            self.news.reset(slot);
            self.set_dirty = true;
        }
    }

    /// Number of other members known.
    pub(super) fn others(&self) -> usize {
        (self.known as usize).saturating_sub(1)
    }

    /// Looks for what is missing, now and then.
    pub(super) fn tick_graph<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        if now < self.graph.look {
            return;
        }
        let period = self.config.timing.period;
        let jitter = crate::time::Span(self.rng.below(period.0.max(1)));
        self.graph.look = now.after(period.times(LOOK_PERIODS)).after(jitter);
        if self.known <= MESH_MAX {
            self.fill_mesh(now, io);
            return;
        }
        for ring in 0..RINGS {
            let empty = self.links.holder(previous(ring)).is_none() && self.links.holder(next(ring)).is_none();
            if empty {
                self.ask_for_place(ring as u8, io.sink);
            }
        }
        let held = self.links.len();
        if held < LINKS_TARGET.min(self.others()) {
            self.ask_for_place(RING_EXTRA, io.sink);
        } else if held > LINKS_TARGET {
            self.trim(io.sink);
        }
        self.mix_zones(now, io);
    }

    /// In a small cluster everybody watches everybody.
    fn fill_mesh<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        for place in 0..self.passive.len() {
            let Some(peer) = self.passive.at(place).map(|known| known.identity.id) else { continue };
            let held = self.links.get(peer).is_some_and(|link| link.roles != 0);
            if !held && self.hold(now, peer, ROLE_MESH).is_some() {
                self.offer(now, peer, io.sink);
            }
        }
    }

    /// Starts a random walk that ends where a place is found.
    fn ask_for_place(&mut self, ring: u8, sink: &mut impl Sink) {
        let Some(first) = self.any_member() else { return };
        let hops = (self.known.ilog2() as u8 + 2).min(HOPS_MAX);
        self.say(first, &Message::WatchAsk { ring, hops, origin: self.me }, sink);
    }

    /// Somebody to begin a walk at: a random live link, or as often somebody of the passive view, so that a few nodes that hold
    /// only each other find the way out; else a seed.
    pub(super) fn any_member(&mut self) -> Option<NodeId> {
        let inside = self.passive.is_empty() || self.rng.below(2) == 0;
        if inside && let Some(peer) = self.random_link(NodeId::NONE, NodeId::NONE) {
            return Some(peer);
        }
        if !self.passive.is_empty() {
            let place = self.rng.below(self.passive.len() as u64) as usize;
            return self.passive.at(place).map(|known| known.identity.id);
        }
        let me = self.me.identity.id;
        let usable = |seed: &&NodeId| seed.is_node() && **seed != me;
        let seeds = self.seeds.iter().filter(usable).count();
        let nth = self.rng.below(seeds as u64) as usize;
        self.seeds.iter().filter(usable).nth(nth).copied()
    }

    /// A random live link to neither of two nodes.
    fn random_link(&mut self, not: NodeId, nor: NodeId) -> Option<NodeId> {
        let fits = |link: &&Link| link.is_live() && link.peer() != not && link.peer() != nor;
        let count = self.links.iter().filter(fits).count();
        let nth = self.rng.below(count as u64) as usize;
        self.links.iter().filter(fits).nth(nth).map(Link::peer)
    }

    /// Ends one link outside the rings that neither end needs.
    fn trim(&mut self, sink: &mut impl Sink) {
        let mine = zone_digest(&self.me);
        let foreign = |link: &Link| link.record.is_some_and(|record| zone_digest(&record) != mine);
        let foreigners = self.links.iter().filter(|link| foreign(link)).count();
        let spare = |link: &&Link| {
            let extra = link.roles != 0 && link.roles & ROLES_RING == 0;
            let needed = foreign(link) && foreigners == 1;
            link.state == LinkState::Live && extra && usize::from(link.degree) > LINKS_TARGET && !needed
        };
        // The higher id ends it, so that both ends do not each end one.
        let me = self.me.identity.id;
        let found = self.links.iter().filter(spare).map(Link::peer).find(|&peer| peer < me);
        if let Some(peer) = found {
            self.let_go(peer);
            self.say(peer, &Message::WatchDrop, sink);
        }
    }

    /// At least two failure domains among the watchers, when two are known (`membership:MB-1`).
    fn mix_zones<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let mine = zone_digest(&self.me);
        let known = |link: &Link| link.record.map(|record| zone_digest(&record));
        let same = self.links.iter().all(|link| known(link).is_none_or(|zone| zone == mine));
        if !same || self.links.len() >= LINKS_MAX {
            return;
        }
        let foreign = |known: &&Known| known.zone != mine && known.zone != 0;
        let count = self.passive.iter().filter(foreign).count();
        let nth = self.rng.below(count as u64) as usize;
        let Some(peer) = self.passive.iter().filter(foreign).map(|known| known.identity.id).nth(nth) else { return };
        if self.hold(now, peer, ROLE_EXTRA).is_some() {
            self.offer(now, peer, io.sink);
        }
    }

    pub(super) fn on_ask_watch<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        ring: u8,
        hops: u8,
        origin: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let joiner = origin.identity.id;
        if joiner == self.me.identity.id || self.is_quarantined(joiner) {
            return Err(Refused::Unwanted);
        }
        if hops > 0
            && let Some(peer) = self.random_link(from, joiner)
        {
            self.say(peer, &Message::WatchAsk { ring, hops: hops - 1, origin: *origin }, io.sink);
            return Ok(());
        }
        self.admit(now, joiner, origin, io)?;
        let placed = if ring == RING_EXTRA {
            self.place_extra(now, origin, io.sink)
        } else {
            self.splice(now, usize::from(ring), origin, io.sink)
        };
        if placed {
            return Ok(());
        }
        // No room here: on average one more step, so that a walk among full nodes ends.
        if self.rng.below(2) == 0
            && let Some(peer) = self.random_link(from, joiner)
        {
            self.say(peer, &Message::WatchAsk { ring, hops: 0, origin: *origin }, io.sink);
        }
        Err(Refused::Full)
    }

    fn place_extra(&mut self, now: Time, origin: &MemberRecord, sink: &mut impl Sink) -> bool {
        let joiner = origin.identity.id;
        let room = self.links.get(joiner).is_some() || self.links.len() < LINKS_MAX - 1;
        if !room || self.hold(now, joiner, ROLE_EXTRA).is_none() {
            return false;
        }
        self.note_link_record(origin);
        self.offer(now, joiner, sink);
        true
    }

    /// Puts `origin` between this node and its next in a ring.
    fn splice(&mut self, now: Time, ring: usize, origin: &MemberRecord, sink: &mut impl Sink) -> bool {
        let joiner = origin.identity.id;
        let after = self.links.holder(next(ring)).and_then(|peer| self.links.get(peer)).copied();
        if self.links.get(joiner).is_none() && self.links.len() >= LINKS_MAX {
            return false;
        }
        let mut roles = next(ring);
        match &after {
            Some(link) if link.peer() == joiner || !link.is_live() || link.record.is_none() => return false,
            Some(link) => self.strip(now, link.peer(), next(ring)),
            None if self.links.holder(previous(ring)).is_none() => roles |= previous(ring),
            None => {}
        }
        if self.hold(now, joiner, roles).is_none() {
            return false;
        }
        self.note_link_record(origin);
        self.offer(now, joiner, sink);
        if let Some(link) = after
            && let Some(record) = link.record
        {
            self.say(joiner, &Message::WatchTake { roles: next(ring), member: record }, sink);
            self.say(link.peer(), &Message::WatchTake { roles: previous(ring), member: *origin }, sink);
        }
        true
    }

    pub(super) fn note_link_record(&mut self, record: &MemberRecord) {
        if let Some(link) = self.links.get_mut(record.identity.id)
            && record.identity.rank() >= link.identity.rank()
        {
            link.identity = record.identity;
            link.record = Some(*record);
        }
    }

    /// The sender holds `member` as a link of this node: itself, or whom it splices in at its own place.
    pub(super) fn on_take<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        roles: u16,
        member: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let peer = member.identity.id;
        if peer == self.me.identity.id || self.is_quarantined(peer) {
            return Err(Refused::Unwanted);
        }
        self.admit(now, from, member, io)?;
        let mut granted = roles & ROLES_ALL & !ROLES_RING;
        for bit in (0..2 * RINGS).map(|at| 1 << at).filter(|bit| roles & bit != 0) {
            match self.links.holder(bit) {
                None => granted |= bit,
                Some(holder) if holder == peer => granted |= bit,
                // Only who holds a place may pass it on.
                Some(holder) if holder == from => {
                    self.strip(now, holder, bit);
                    granted |= bit;
                }
                Some(_) => {}
            }
        }
        let linked = self.links.get(peer).is_some();
        if granted == 0 && !linked && self.links.len() < LINKS_TARGET {
            granted = ROLE_EXTRA;
        }
        if (granted == 0 && !linked) || self.hold(now, peer, granted).is_none() {
            if from == peer {
                self.say(peer, &Message::WatchDrop, io.sink);
            }
            return Err(Refused::Full);
        }
        self.note_link_record(member);
        Ok(())
    }

    pub(super) fn on_drop<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        _io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let grace = self.periods(DROP_GRACE_PERIODS);
        let Some(link) = self.links.get_mut(from) else { return Err(Refused::Unwanted) };
        if link.state == LinkState::Offered && now.since(link.since) < grace {
            return Err(Refused::Unwanted);
        }
        if link.step(LinkEvent::Dropped) == LinkAction::Forget {
            self.let_go(from);
        }
        Ok(())
    }
}
