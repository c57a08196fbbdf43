//! Phase 1: one message at a time, sorted by group and limited per tick (`ekk:D-40`).

use super::tap::Tap;
use super::{Drop, NodeWith, State};
use crate::heartbeat::Receipt;
use crate::id::NodeId;
use crate::membership::Refused;
use crate::profile::Profile;
use crate::sign::Crypto;
use crate::sink::{Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::field::{FieldBody, decode_subscribe};
use crate::wire::v1::{Group, Header, Kind, Reader, WireError};

/// Messages taken since the last tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Inbox {
    /// All but heartbeats.
    taken: u16,
    /// Heartbeats.
    beats: u16,
    /// Copies of known news, which were not counted.
    copies: u16,
    /// The transport failed.
    pub(super) failed: bool,
}

/// Heartbeats taken per message of the budget: they go first, but nothing is unlimited.
const BEATS_PER_BUDGET: u16 = 4;

/// Copies of known news that cost nothing, per message of the budget: one for each other watch link.
const COPIES_PER_BUDGET: u16 = 12;

impl Inbox {
    /// Takes one of a group, or says that the budget of this tick is used up. Groups give way in the order of how well
    /// they can wait: fields at half of the budget, ballots and the bootstrap at three quarters, membership at the end;
    /// heartbeats have a budget of their own.
    fn take(&mut self, group: Group, budget: u16) -> Result<(), Drop> {
        let (used, limit) = match group {
            Group::Heartbeat => (&mut self.beats, budget.saturating_mul(BEATS_PER_BUDGET)),
            Group::Membership => (&mut self.taken, budget),
            Group::Ballot | Group::Bootstrap => (&mut self.taken, budget - budget / 4),
            Group::Field => (&mut self.taken, budget - budget / 2),
        };
        if *used >= limit {
            return Err(Drop::Budget);
        }
        *used += 1;
        Ok(())
    }

    /// News come once over each link: the copies after the first cost no signature check and no place in the budget, else a
    /// dozen deaths at once would crowd each other out. So many copies as a full budget of news can have.
    fn give_back(&mut self, group: Group, budget: u16) {
        if group == Group::Membership && self.copies < budget.saturating_mul(COPIES_PER_BUDGET) {
            self.copies += 1;
            self.taken = self.taken.saturating_sub(1);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl From<Refused> for Drop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(error) => error.into(),
            Refused::Echo => Drop::Echo,
            Refused::Stranger => Drop::Stranger,
            Refused::Stale => Drop::Stale,
            Refused::OldSequence => Drop::OldSequence,
            Refused::BadSignature => Drop::BadSignature,
            Refused::UnknownKey => Drop::UnknownKey,
            Refused::Full => Drop::Full,
            Refused::Unwanted => Drop::Unwanted,
            Refused::RateLimited => Drop::RateLimited,
            Refused::Quarantined => Drop::Quarantined,
            Refused::Rule => Drop::Refused,
        }
    }
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// Phase 1, piece by piece: one message from a sender that the link has verified.
    ///
    /// # Errors
    /// Why the message changed nothing; it is counted and told as [`Event::Dropped`].
    pub fn receive(
        &mut self,
        now: Time,
        from: NodeId,
        bytes: &[u8],
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let taken = self.take(now, from, bytes, crypto, sink);
        match taken {
            Ok(()) => self.counters.received = self.counters.received.saturating_add(1),
            Err(reason) => {
                self.drops.count(reason);
                if reason == Drop::Budget {
                    self.counters.over_budget = self.counters.over_budget.saturating_add(1);
                }
                sink.event(&Event::Dropped { from, reason: reason as u8 });
            }
        }
        taken
    }

    fn take(
        &mut self,
        now: Time,
        from: NodeId,
        bytes: &[u8],
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        if matches!(self.state, State::Init | State::Shutdown) {
            return Err(Drop::NotRunning);
        }
        if self.quarantine.holds(from) {
            return Err(Drop::Quarantined);
        }
        if self.config.profile == Profile::Seed {
            if from == self.identity().id {
                return Err(Drop::Echo);
            }
            self.inbox.take(Group::Membership, self.config.inbox_per_tick)?;
            return self.take_v0(now, from, bytes, sink);
        }
        let (header, body) = Header::decode(bytes)?;
        if header.sender.id != from {
            return Err(Drop::SenderMismatch);
        }
        if from == self.identity().id {
            return Err(Drop::Echo);
        }
        let group = header.kind.group().ok_or(WireError::Kind(header.kind.0))?;
        self.inbox.take(group, self.config.inbox_per_tick)?;
        match group {
            Group::Heartbeat | Group::Membership => {
                let taken = self.take_membership(now, &header, body, crypto, sink);
                if taken == Err(Drop::Unwanted) {
                    self.inbox.give_back(group, self.config.inbox_per_tick);
                }
                taken
            }
            Group::Field => self.take_field(now, &header, body, sink),
            Group::Ballot => {
                let me = self.identity();
                let links = self.watch_links(now);
                let taken = self.ballots.receive(now, me, &header, body, &links, &mut self.counters, crypto, sink);
                self.act_on_decisions(now, crypto, sink);
                taken
            }
            Group::Bootstrap => self.take_bootstrap(now, from, bytes, sink),
        }
    }

    fn take_membership(
        &mut self,
        now: Time,
        header: &Header,
        body: Reader<'_>,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        if self.formed.is_none() {
            return Err(Drop::NotRunning);
        }
        let mut tap = Tap { now, sink, nearest: &mut self.nearest, ended: &mut self.ended };
        self.membership.receive(now, header, body, crypto, &mut tap)?;
        Ok(())
    }

    fn take_field(&mut self, now: Time, header: &Header, body: Reader<'_>, sink: &mut impl Sink) -> Result<(), Drop> {
        let from = header.sender.id;
        // A being that is over says nothing more; the membership tells it so when it beats.
        if self.membership.known(from).is_some_and(|(known, live)| !live && known.rank() >= header.sender.rank()) {
            return Err(Drop::Stale);
        }
        match header.kind {
            Kind::FIELD => {
                let said = FieldBody::decode(body)?;
                match self.peers.received(now, &header.sender, header.sequence) {
                    Receipt::Stranger => return Err(Drop::Unwanted),
                    Receipt::Stale => return Err(Drop::OldSequence),
                    Receipt::Past | Receipt::Leap => return Err(Drop::Stale),
                    Receipt::Steady => {}
                    Receipt::Found | Receipt::Recovered | Receipt::Returned => self.fresh_verdicts = true,
                }
                self.neighbours.take(now, from, &said);
                self.fresh_fields = true;
            }
            Kind::SUBSCRIBE => {
                let lease = Span::from_ms(u64::from(decode_subscribe(body)?));
                if self.leases.grant(now, from, lease)? && self.own.published {
                    self.send_field_to(from, sink);
                }
            }
            Kind::UNSUBSCRIBE => {
                body.done()?;
                if !self.leases.end(from) {
                    return Err(Drop::Unwanted);
                }
            }
            _ => {
                body.done()?;
                self.leases.end(from);
                self.nearest.shun(now, from, now.after(self.config.timing.discovery));
                self.ended.note(from);
            }
        }
        Ok(())
    }
}
