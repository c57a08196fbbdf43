//! Heartbeats: what goes out each period, what a received one means, and stalls of this node itself.

use super::evidence::WatchSet;
use super::link::{LinkAction, LinkEvent, ROLES_ALL, ROLES_RING, mirrored, next, previous};
use super::memory::JUMP_MAX;
use super::{Io, Membership, Refused, config};
use crate::id::NodeId;
use crate::sign::{Crypto, Verdict};
use crate::sink::{Class, Event, Sink};
use crate::time::Time;
use crate::wire::v1::membership::{HEARTBEAT_BYTES_MAX, Heartbeat, Message, News, NewsKind};
use crate::wire::v1::{HEADER_BYTES, Header, Kind};

/// Heartbeats in a row without a role until this end gives the role up.
const MISMATCH_MAX: u8 = 8;

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// One heartbeat over every link, if the period has passed.
    pub(super) fn send_beats<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let period = self.config.timing.period;
        // A tick that comes a little early is this period's tick, not a reason to skip it.
        if now.after(period.over(8)) < self.graph.next_beat {
            return;
        }
        self.graph.next_beat = self.graph.next_beat.after(period).max(now.after(period.over(2)));
        self.sequence = self.sequence.wrapping_add(1);
        let header = Header { kind: Kind::HEARTBEAT, sender: self.me.identity, sequence: self.sequence };
        let repeats = self.repeats();
        let degree = self.links.len() as u8;
        let set_digest = if self.set.version == 0 { 0 } else { self.set.digest() };
        for slot in 0..config::LINKS_MAX {
            let Some(link) = self.links.at(slot) else { continue };
            let beat = Heartbeat {
                state: self.state,
                doubt: self.doubt.factor(),
                muted: self.doubt.muted(),
                degree,
                roles: link.roles,
                set_digest,
                held_digest: link.set.as_ref().map_or(0, WatchSet::digest),
                news: self.news.fill(slot, repeats),
                set: (link.held_digest != set_digest).then_some(self.set),
            };
            let mut buffer = [0; HEADER_BYTES + HEARTBEAT_BYTES_MAX];
            if let Ok(mut writer) = header.begin(&mut buffer)
                && beat.encode(&mut writer).is_ok()
            {
                io.sink.send(link.peer(), Class::Heartbeat, writer.done());
            }
        }
        let links = &self.links;
        self.news.retire(|slot| links.at(slot).is_some(), repeats);
    }

    pub(super) fn on_beat<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        header: &Header,
        beat: &Heartbeat,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let from = header.sender.id;
        if self.links.get(from).is_none() {
            return self.on_beat_of_stranger(header, beat, io);
        }
        self.check_being(now, header, io)?;
        let Some(link) = self.links.get_mut(from) else { return Err(Refused::Stranger) };
        if !link.heard.beat(now, header.sequence) {
            return Err(Refused::OldSequence);
        }
        link.fresh = true;
        link.doubt = beat.doubt;
        link.peer_state = beat.state;
        link.degree = beat.degree;
        link.held_digest = beat.held_digest;
        if link.step(LinkEvent::Beat) == LinkAction::CameAlive {
            link.since = now;
            self.set_dirty = true;
        }
        self.compare_roles(now, from, beat.roles);
        self.on_life(now, from, io);
        if let Some(set) = &beat.set {
            self.take_set(from, set, io);
        }
        for news in beat.news.iter().flatten() {
            self.on_news(now, from, news, io);
        }
        Ok(())
    }

    /// Somebody counts on us whom we do not hold: it is told so, or that its being is over.
    fn on_beat_of_stranger<C: Crypto, S: Sink>(
        &mut self,
        header: &Header,
        beat: &Heartbeat,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let sender = header.sender;
        if let Some(tomb) = self.tombs.get(sender.id)
            && sender.rank() <= tomb.identity.rank()
        {
            self.say(sender.id, &Message::YouAre { known: tomb.identity }, io.sink);
            return Err(Refused::Stale);
        }
        if beat.roles & ROLES_ALL != 0 {
            self.say(sender.id, &Message::WatchDrop, io.sink);
        }
        Err(Refused::Stranger)
    }

    /// Holds the sender's being against the one known over the link (`decisions:CLU-7`).
    pub(super) fn check_being<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        header: &Header,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let sender = header.sender;
        let Some(link) = self.links.get(sender.id) else { return Ok(()) };
        let known = link.identity;
        if known == sender {
            return Ok(());
        }
        if known.newer_than(&sender) {
            self.say(sender.id, &Message::YouAre { known }, io.sink);
            self.note_rival(now, &sender, io);
            return Err(Refused::Stale);
        }
        let first_contact = known.boot_inc == 0 && !link.heard.any();
        if !first_contact && sender.boot_inc.saturating_sub(known.boot_inc) > JUMP_MAX {
            return Err(Refused::Rule);
        }
        self.renew_link(sender.id, sender, io);
        Ok(())
    }

    /// The link is to a later being of its peer from now on; what was known of the earlier one is over.
    pub(super) fn renew_link<C: Crypto, S: Sink>(
        &mut self,
        peer: NodeId,
        later: crate::id::Identity,
        io: &mut Io<'_, C, S>,
    ) {
        self.on_refutation(peer, io);
        let Some(link) = self.links.get_mut(peer) else { return };
        if link.identity.boot_inc != later.boot_inc {
            link.heard = super::heard::Heard::nothing();
            link.set = None;
            link.held_digest = 0;
        }
        link.identity = later;
        if link.record.is_some_and(|record| record.identity.boot_inc != later.boot_inc) {
            link.record = None;
        }
    }

    /// Both ends come to hold the same roles: what the other end lacks for long is given up, what it claims and is free here
    /// is taken.
    fn compare_roles(&mut self, now: Time, peer: NodeId, peer_roles: u16) {
        let claimed = mirrored(peer_roles & ROLES_ALL);
        let fade = now.after(self.periods(super::graph::FADE_PERIODS));
        let Some(link) = self.links.get_mut(peer) else { return };
        let mine = link.roles;
        if claimed == mine {
            link.mismatch = 0;
            return;
        }
        let lacking = mine & !claimed;
        let mut wanted = claimed & !mine;
        for bit in (0..2 * config::RINGS).map(|at| 1 << at) {
            if wanted & ROLES_RING & bit != 0 && self.links.holder(bit).is_some() {
                wanted &= !bit;
            }
        }
        let Some(link) = self.links.get_mut(peer) else { return };
        link.roles |= wanted;
        link.mismatch = if lacking == 0 { 0 } else { link.mismatch.saturating_add(1) };
        if link.mismatch >= MISMATCH_MAX {
            link.roles &= !lacking;
            link.mismatch = 0;
        }
        if link.roles == 0 && mine != 0 {
            link.step(LinkEvent::RolesGone);
            link.expires = fade;
        } else if link.roles != 0 && mine == 0 {
            link.step(LinkEvent::RoleCame);
        }
        if link.roles != mine {
            self.set_dirty = true;
        }
    }

    fn take_set<C: Crypto, S: Sink>(&mut self, from: NodeId, set: &WatchSet, io: &mut Io<'_, C, S>) {
        let cluster = self.config.cluster_id;
        let Some(link) = self.links.get_mut(from) else { return };
        let own = set.subject.id == from && set.subject.boot_inc == link.identity.boot_inc;
        let newer = link.set.as_ref().is_none_or(|held| {
            (set.subject.life, set.version) > (held.subject.life, held.version) || held.digest() == set.digest()
        });
        if !own || !newer || set.subject.life > link.identity.life {
            return;
        }
        match set.verify(cluster, io.crypto) {
            Verdict::Good => link.set = Some(*set),
            Verdict::Bad => self.counters.bad_signatures = self.counters.bad_signatures.saturating_add(1),
            Verdict::UnknownKey => self.want_record(from, from, io),
        }
    }

    /// Asks `teller` and the caller for the record of `id`.
    pub(super) fn want_record<C: Crypto, S: Sink>(&self, teller: NodeId, id: NodeId, io: &mut Io<'_, C, S>) {
        io.sink.event(&Event::NeedRecord(id));
        let identity = crate::id::Identity { id, boot_inc: 0, life: 0 };
        self.say(teller, &Message::Ask { kind: NewsKind::Record, identity }, io.sink);
    }

    fn on_news<C: Crypto, S: Sink>(&mut self, now: Time, from: NodeId, news: &News, io: &mut Io<'_, C, S>) {
        if !self.lacks(news) {
            return;
        }
        let spacing = self.periods(3);
        let same = |asked: &(u8, NodeId, Time)| asked.0 == news.kind as u8 && asked.1 == news.identity.id;
        match self.graph.asked.find_mut(same) {
            Some(asked) if now.since(asked.2) < spacing => return,
            Some(asked) => asked.2 = now,
            None => self.graph.asked.push((news.kind as u8, news.identity.id, now)),
        }
        self.counters.asks = self.counters.asks.saturating_add(1);
        self.say(from, &Message::Ask { kind: news.kind, identity: news.identity }, io.sink);
    }

    /// Signs the own watch set anew when the links that count have changed.
    pub(super) fn sign_set<C: Crypto, S: Sink>(&mut self, io: &mut Io<'_, C, S>) {
        if !self.set_dirty {
            return;
        }
        self.set_dirty = false;
        let mut set = WatchSet::empty(self.me.identity, self.set.version.wrapping_add(1));
        for link in self.links.iter().filter(|link| link.is_live()) {
            set.add(link.peer());
            for ring in 0..config::RINGS {
                if link.roles & previous(ring) != 0 {
                    set.place(2 * ring, link.peer());
                }
                if link.roles & next(ring) != 0 {
                    set.place(2 * ring + 1, link.peer());
                }
            }
        }
        set.sign(self.config.cluster_id, io.crypto);
        self.set = set;
    }

    /// A node that did not run must not blame others for its own silence (`decisions:CLU-13`).
    pub(super) fn notice_stall(&mut self, now: Time) {
        let Some(last) = self.last_tick else { return };
        let gap = now.since(last);
        let period = self.config.timing.period;
        if gap.0 > self.config.timing.stall.0 {
            let stall = gap.minus(period);
            self.doubt.stall();
            self.counters.stalls = self.counters.stalls.saturating_add(1);
            for link in self.links.iter_mut() {
                link.fresh = false;
                link.heard.forgive(stall);
                link.expires = link.expires.after(stall);
            }
            self.cases.restart_windows();
        } else if gap.0 > period.0.saturating_add(period.0 / 2) {
            self.doubt.late();
        }
    }
}
