//! Records, farewells and what is given to who asks: how beings of members are told apart (`membership:MB-8`,
//! `membership:MB-11`, `membership:MB-12`, `decisions:CLU-7`).

use super::life::{RIVAL_GRACE_PERIODS, RIVAL_PERIODS, leave_bytes};
use super::member::{MemberEvent, MemberNote, MemberState};
use super::memory::{Gone, JUMP_MAX, Tomb};
use super::record::MemberRecord;
use super::{Io, Membership, Refused};
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::{Event, Sink};
use crate::time::Time;
use crate::wire::v1::membership::{Cause, Message, News, NewsKind, Notice};

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// An earlier being of a peer still speaks after a later one: two run with one certificate, if it goes on.
    pub(super) fn note_rival<C: Crypto, S: Sink>(&mut self, now: Time, stale: &Identity, io: &mut Io<'_, C, S>) {
        let spacing = self.periods(RIVAL_PERIODS);
        let later_boot = self.links.get(stale.id).is_some_and(|link| link.identity.boot_inc > stale.boot_inc);
        if !later_boot {
            return;
        }
        // Datagrams of an ended boot may still be on their way for a moment.
        match self.life.rival {
            Some((rival, since)) if rival == *stale && now.since(since) < spacing => {
                if now.since(since) >= self.periods(RIVAL_GRACE_PERIODS) && !self.life.rival_told {
                    self.life.rival_told = true;
                    io.sink.event(&Event::DuplicateIdentity(*stale));
                }
            }
            _ => {
                self.life.rival = Some((*stale, now));
                self.life.rival_told = false;
            }
        }
    }

    /// Checks a record through the authority's card and the member's signature, and that its being is not over.
    pub(super) fn admit<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        record: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let id = record.identity.id;
        if let Some(tomb) = self.tombs.get(id).copied() {
            if record.identity.rank() <= tomb.identity.rank() {
                if from == id {
                    self.say(id, &Message::YouAre { known: tomb.identity }, io.sink);
                }
                return Err(Refused::Stale);
            }
            return self.on_record(now, from, Cause::Undone, record, io);
        }
        let linked = self.links.get(id);
        if linked.is_some_and(|link| link.record.as_ref() == Some(record)) {
            return Ok(());
        }
        if linked.is_some_and(|link| link.identity.newer_than(&record.identity)) {
            return Err(Refused::Stale);
        }
        match io.crypto.admit(record) {
            Verdict::Good => Ok(()),
            Verdict::Bad => Err(Refused::BadSignature),
            Verdict::UnknownKey => Err(Refused::UnknownKey),
        }
    }

    /// Takes a record in without telling anybody.
    pub(super) fn learn<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        record: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        self.on_record(now, record.identity.id, Cause::Direct, record, io)
    }

    /// A member's record: a new member, a later being of a known one, or nothing new.
    pub(super) fn on_record<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        cause: Cause,
        record: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let identity = record.identity;
        if identity.id == self.me.identity.id {
            return self.on_record_of_me(now, record, io);
        }
        if self.is_quarantined(identity.id) {
            return Err(Refused::Quarantined);
        }
        let known = self.member(identity.id);
        let held = self.links.get(identity.id).is_none_or(|link| link.record.as_ref() == Some(record));
        let told = !cause.is_for_all() || self.seen.has(NewsKind::Record as u8, &identity);
        if held && told && known.is_some_and(|known| known.rank() >= identity.rank()) {
            return Err(Refused::Unwanted);
        }
        let (state, last) = self.held(identity.id);
        let note = self.check_later(&identity, state, last)?;
        match io.crypto.admit(record) {
            Verdict::Good => {}
            Verdict::Bad => {
                self.counters.bad_signatures = self.counters.bad_signatures.saturating_add(1);
                return Err(Refused::BadSignature);
            }
            Verdict::UnknownKey => return Err(Refused::UnknownKey),
        }
        self.take_record(now, cause, record, note, last, io);
        if cause.is_for_all() && self.seen.insert(NewsKind::Record as u8, &identity) {
            let message = Message::Record { cause, record: *record };
            self.flood(Some(from), &message, Self::record_news(record), io.sink);
        }
        Ok(())
    }

    /// What is held of a node, and its last being.
    fn held(&self, id: NodeId) -> (MemberState, Option<Identity>) {
        match self.tombs.get(id) {
            Some(tomb) if tomb.gone == Gone::Dead => (MemberState::Dead, Some(tomb.identity)),
            Some(tomb) => (MemberState::Left, Some(tomb.identity)),
            None => match self.member(id) {
                Some(known) if known.boot_inc != 0 => (MemberState::Alive, Some(known)),
                _ => (MemberState::Unknown, None),
            },
        }
    }

    /// What a record means by the table of members; refused when its being is over, or when its incarnation jumps too far
    /// (`membership:MB-12`).
    fn check_later(
        &mut self,
        identity: &Identity,
        state: MemberState,
        last: Option<Identity>,
    ) -> Result<MemberNote, Refused> {
        let event = match last {
            Some(last) if last.newer_than(identity) => return Err(Refused::Stale),
            Some(last) if identity.boot_inc.saturating_sub(last.boot_inc) > JUMP_MAX => {
                self.counters.jumps_refused = self.counters.jumps_refused.saturating_add(1);
                return Err(Refused::Rule);
            }
            Some(last) if identity.boot_inc > last.boot_inc => MemberEvent::LaterBoot,
            Some(last) if identity.life > last.life => MemberEvent::LaterLife,
            _ => MemberEvent::Record,
        };
        state.after(event).map(|(_, note)| note).ok_or(Refused::Stale)
    }

    fn take_record<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        cause: Cause,
        record: &MemberRecord,
        note: MemberNote,
        last: Option<Identity>,
        io: &mut Io<'_, C, S>,
    ) {
        let identity = record.identity;
        // A link to somebody who is still joining does not make a member of it: its own announcement does.
        let announced = cause != Cause::Direct || !self.is_joining(identity.id);
        let tomb = self.tombs.remove(identity.id);
        if let Some(tomb) = tomb {
            self.counters.undone = self.counters.undone.saturating_add(1);
            if let Some(removal) = self.verdicts.find_mut(|removal| removal.certificate.subject == tomb.identity) {
                removal.undone_at = Some(now);
            }
        }
        if tomb.is_some() || (note == MemberNote::Joined && announced) {
            self.known = self.known.saturating_add(1);
        }
        match note {
            MemberNote::Joined if announced => io.sink.event(&Event::Joined(record)),
            MemberNote::Returned => io.sink.event(&Event::Returned(identity)),
            MemberNote::Undone => {
                self.heal.note(now, identity.id, true);
                io.sink.event(&Event::Undone(identity));
            }
            _ if cause == Cause::Undone && last.is_some_and(|last| identity.newer_than(&last)) => {
                self.heal.note(now, identity.id, false);
            }
            _ => {}
        }
        if self.links.get(identity.id).is_some_and(|link| identity.newer_than(&link.identity)) {
            self.renew_link(identity.id, identity, io);
        }
        self.note_link_record(record);
        if announced {
            self.note_member(record);
            if let Some(link) = self.links.get_mut(identity.id) {
                link.member = true;
            }
        }
    }

    /// Linked here, and not announced yet.
    fn is_joining(&self, id: NodeId) -> bool {
        self.links.get(id).is_some_and(|link| !link.member)
    }

    /// The latest being of an announced member.
    fn member(&self, id: NodeId) -> Option<Identity> {
        let linked = self.links.get(id).filter(|link| link.member).map(|link| link.identity);
        linked.or_else(|| self.passive.get(id).map(|known| known.identity))
    }

    /// Somebody else's copy of this node's record: a later being that this node never was is a rival or its lost past.
    fn on_record_of_me<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        record: &MemberRecord,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        if !record.identity.newer_than(&self.me.identity) {
            return Err(Refused::Unwanted);
        }
        if !io.crypto.admit(record).is_good() {
            return Err(Refused::BadSignature);
        }
        if self.life.visible {
            io.sink.event(&Event::DuplicateIdentity(record.identity));
        }
        self.return_above(now, &record.identity, io)
    }

    pub(super) fn on_left<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: Option<NodeId>,
        identity: &Identity,
        signature: &Signature,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let gone = self.tombs.get(identity.id).is_some_and(|tomb| tomb.identity.rank() >= identity.rank());
        if gone || identity.id == self.me.identity.id || self.seen.has(NewsKind::Left as u8, identity) {
            return Err(Refused::Unwanted);
        }
        let (state, last) = self.held(identity.id);
        if last.is_some_and(|last| last.newer_than(identity)) || state.after(MemberEvent::Farewell).is_none() {
            return Err(Refused::Stale);
        }
        let verdict = io.crypto.verify(identity.id, &leave_bytes(self.config.cluster_id, identity), signature);
        if verdict != Verdict::Good {
            return Err(if verdict == Verdict::Bad { Refused::BadSignature } else { Refused::UnknownKey });
        }
        self.seen.insert(NewsKind::Left as u8, identity);
        if state != MemberState::Dead {
            self.known = self.known.saturating_sub(1).max(1);
        }
        self.passive.remove(identity.id);
        self.tombs.insert(Tomb { identity: *identity, at: now, gone: Gone::Left });
        self.farewells.push((*identity, *signature));
        io.sink.event(&Event::Left(*identity));
        let message = Message::Left { identity: *identity, signature: *signature };
        let news = News { kind: NewsKind::Left, identity: *identity, digest: 0 };
        self.flood(from, &message, news, io.sink);
        self.remove_link(now, identity.id, io);
        Ok(())
    }

    /// Gives what a piece of news is about.
    pub(super) fn on_ask<C: Crypto, S: Sink>(
        &mut self,
        from: NodeId,
        kind: NewsKind,
        identity: &Identity,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let message = match kind {
            NewsKind::Record => {
                // Who needs the record of a link asks for no being in particular and passes nothing on.
                let cause = if identity.boot_inc == 0 { Cause::Direct } else { Cause::Joined };
                self.record(identity.id).map(|record| Message::Record { cause, record: *record })
            }
            NewsKind::Dead => {
                let of_it = |removal: &&super::Removal| removal.certificate.subject == *identity;
                self.verdicts.iter().find(of_it).map(|removal| Message::Certificate(removal.certificate))
            }
            NewsKind::Left => {
                let of_it = |farewell: &&(Identity, Signature)| farewell.0 == *identity;
                let found = self.farewells.iter().find(of_it);
                found.map(|&(identity, signature)| Message::Left { identity, signature })
            }
            NewsKind::Maintenance => {
                let of_it = |notice: &&Notice| notice.identity() == *identity;
                self.notices.iter().find(of_it).map(|notice| Message::Maintenance(*notice))
            }
        };
        let message = message.ok_or(Refused::Unwanted)?;
        self.say(from, &message, io.sink);
        Ok(())
    }

    /// Whether a piece of news is about something that this node has not got.
    pub(super) fn lacks(&self, news: &News) -> bool {
        let identity = &news.identity;
        if self.seen.has(news.kind as u8, identity) {
            return false;
        }
        let being = self.known(identity.id);
        match news.kind {
            NewsKind::Record if identity.id == self.me.identity.id => false,
            NewsKind::Record if self.is_joining(identity.id) => true,
            NewsKind::Record => being.is_none_or(|(known, _)| identity.newer_than(&known)),
            NewsKind::Dead | NewsKind::Left => {
                being.is_none_or(|(known, here)| identity.newer_than(&known) || (here && known == *identity))
            }
            NewsKind::Maintenance => true,
        }
    }

    /// A sender whose being is over is told so; a later one is taken note of (`decisions:CLU-7`).
    pub(super) fn check_sender<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        header: &crate::wire::v1::Header,
        message: &Message,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        // These say by themselves what being they are about.
        if matches!(
            message,
            Message::Record { .. } | Message::YouAre { .. } | Message::Ask { .. } | Message::Left { .. }
        ) {
            return Ok(());
        }
        let sender = header.sender;
        if let Some(tomb) = self.tombs.get(sender.id)
            && sender.rank() <= tomb.identity.rank()
        {
            self.say(sender.id, &Message::YouAre { known: tomb.identity }, io.sink);
            return Err(Refused::Stale);
        }
        self.check_being(now, header, io)
    }
}
