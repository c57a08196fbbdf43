//! The checks before code, in their order: version, cluster id, authentication, digest, membership, incarnation, self; the first
//! that fails decides and nothing after it runs (`bootstrap:E4`).

use super::config::{Field, Formation, Role, Rules};
use super::io::{Input, Signal};
use super::machine::{Found, Machine};
use super::table::{Event, State};
use super::waiting::Trouble;
use crate::id::NodeId;

impl<const W: usize> Machine<W> {
    /// What an input is, given what is known; changes nothing.
    #[inline]
    pub(super) fn classify(&self, input: &Input) -> Found {
        match input {
            Input::Seen(signal) => self.sight(signal),
            Input::Ready(signal) => self.readiness(signal),
            Input::LocalDone => Found::of(self.completion()),
            Input::Deadline if self.rules.has(Rules::D6) && self.late => Found::of(Event::DeadlineAgain),
            Input::Deadline => Found::of(Event::Deadline),
            Input::JoinAsk(_) => Found::of(Event::JoinAsk),
            Input::JoinGrant(peer) => self.grant(*peer),
            Input::JoinRefuse(_) => Found::of(Event::JoinRefuse),
            Input::Query => Found::of(Event::Query),
            Input::Notice(signal, formation) => self.notice(signal, formation),
            Input::Answer { signal, listed } => self.answer(signal, *listed),
            Input::Snapshot(formation) => Found::of(self.snapshot(formation)),
            Input::Trouble { version, .. } => {
                Found::of(Event::Trouble).with_trouble(version.map_or(Trouble::Unverified, Trouble::Version))
            }
            Input::Rearm => Found::of(Event::Rearm),
        }
    }

    #[inline]
    fn sight(&self, signal: &Signal) -> Found {
        let mut found = self.checked(signal, Event::SeenStranger);
        if found.event == Event::SeenNew && !found.renewed && self.seen_set.has(found.index) {
            found.event = Event::SeenKnown;
        }
        found
    }

    #[inline]
    fn readiness(&self, signal: &Signal) -> Found {
        let mut found = self.checked(signal, Event::ReadyStranger);
        if found.event != Event::SeenNew {
            return found;
        }
        let counted = self.ready_set.has(found.index);
        found.event = if counted && !found.renewed {
            Event::ReadyKnown
        } else if self.state == State::Confirming && self.enough(self.ready.len() + 1 - usize::from(counted)) {
            Event::ReadyEnough
        } else {
            Event::ReadyNew
        };
        found
    }

    /// The checks up to the duplicate; [`Event::SeenNew`] stands for a signal that passed them all.
    #[inline]
    fn checked(&self, signal: &Signal, stranger: Event) -> Found {
        let found = self.known(signal, stranger);
        match signal.stamp {
            Some(stamp) if found.event == Event::SeenNew && self.rules.has(Rules::D8) => match stamp.epoch {
                epoch if epoch < self.own.epoch => found.into_event(Event::Stale),
                epoch if epoch > self.own.epoch => found.into_event(Event::Ahead),
                _ => found,
            },
            _ => found,
        }
    }

    /// All checks of a signal but the epoch, which a notice reads otherwise.
    #[inline]
    fn known(&self, signal: &Signal, stranger: Event) -> Found {
        let stamp = signal.stamp.filter(|_| self.rules.has(Rules::D8));
        if let Some(found) = stamp.as_ref().and_then(|stamp| self.refuted(signal, stamp)) {
            return found;
        }
        let Some(index) = self.members.find(signal.peer) else {
            return Found::of(stranger);
        };
        let mut found = Found::at(Event::SeenNew, index);
        if let Some(stamp) = &stamp {
            let known = self.peer(index).inc;
            found.inc = Some(stamp.boot_inc);
            if known.is_some_and(|known| stamp.boot_inc < known) {
                found.inc = None;
                found.event = Event::Stale;
                return found;
            }
            found.renewed = known.is_some_and(|known| stamp.boot_inc > known);
        }
        if signal.peer == self.me && self.rules.has(Rules::D5) {
            found.event = Event::Echo;
            found.renewed = false;
            found.inc = None;
        }
        found
    }

    /// The checks that need no list: `Some` when one failed.
    fn refuted(&self, signal: &Signal, stamp: &super::config::Stamp) -> Option<Found> {
        let own = &self.own;
        let mismatch = |field| Found::of(Event::Mismatch).with_trouble(Trouble::Mismatch(field));
        let found = if stamp.version != own.version {
            Found::of(Event::WrongVersion).with_trouble(Trouble::Version(stamp.version))
        } else if stamp.cluster_id != own.cluster_id {
            mismatch(Field::ClusterId)
        } else if signal.claimed != signal.peer {
            Found::of(Event::Unverified).with_trouble(Trouble::Unverified)
        } else if stamp.founders != own.founders {
            mismatch(Field::Founders)
        } else if stamp.policy != own.policy {
            mismatch(Field::Policy)
        } else {
            return None;
        };
        Some(found)
    }

    #[inline]
    fn completion(&self) -> Event {
        if self.state == State::Formed && self.adopted && !self.local_done {
            return Event::DoneAdopted;
        }
        if self.enough(self.ready.len() + usize::from(!self.me_ready())) { Event::DoneEnough } else { Event::DoneShort }
    }

    fn grant(&self, peer: NodeId) -> Found {
        Found::of(match self.members.find(peer) {
            Some(_) => Event::GrantKnown,
            None if self.rules.has(Rules::D8) && !peer.is_node() => Event::GrantNobody,
            // A node that is not on its own list needs a place among the ready all the same.
            None if self.members.len() + usize::from(self.me_index.is_none()) >= Self::CAPACITY => Event::GrantFull,
            None => Event::GrantNew,
        })
    }

    fn notice(&self, signal: &Signal, formation: &Formation) -> Found {
        // A member that is no founder may tell of the formation as well (`decisions:CLU-8`).
        let found = self.known(signal, Event::NoticeNoted);
        if !matches!(found.event, Event::SeenNew | Event::NoticeNoted) {
            return found;
        }
        let fits = formation.cluster_id == self.own.cluster_id && formation.digest == self.own.digest();
        let ours = match self.state {
            State::Formed => self.formation,
            _ => self.record,
        };
        let event = if !fits {
            Event::NoticeSplit
        } else if ours.is_some_and(|ours| ours.epoch > formation.epoch) {
            Event::Stale
        } else if self.state == State::Formed && ours == Some(*formation) {
            Event::NoticeNoted
        } else {
            self.weigh(signal.peer, formation)
        };
        found.into_event(event)
    }

    /// Whether the notices that stand, this one included, are of one mind and enough.
    fn weigh(&self, peer: NodeId, formation: &Formation) -> Event {
        let (mut same, mut other) = (1, 0);
        for (index, &id) in self.members.list().iter().enumerate().filter(|&(_, &id)| id != peer) {
            debug_assert!(id != peer);
            match self.peer(index).notice {
                0 => {}
                epoch if epoch == formation.epoch => same += 1,
                _ => other += 1,
            }
        }
        match (other, same >= self.adopt_quorum) {
            (0, true) => Event::NoticeAdopts,
            (0, false) => Event::NoticeNoted,
            // A formed node takes the later formation; one that is not formed lets an operator decide.
            _ if self.state == State::Formed => Event::NoticeAdopts,
            _ => Event::NoticeSplit,
        }
    }

    /// The answer of a peer that did not count us; its own configuration says in which field we differ.
    fn answer(&self, signal: &Signal, listed: bool) -> Found {
        if signal.claimed != signal.peer {
            return Found::of(Event::Unverified).with_trouble(Trouble::Unverified);
        }
        if !listed && self.role == Role::Founder {
            return Found::of(Event::AnswerUnlisted).with_trouble(Trouble::NotListed);
        }
        let refuted = signal.stamp.and_then(|stamp| self.refuted(signal, &stamp));
        refuted.unwrap_or(Found::of(Event::AnswerListed))
    }

    fn snapshot(&self, formation: &Formation) -> Event {
        let ours = match self.state {
            State::Formed => self.formation,
            _ => None,
        };
        if formation.cluster_id != self.own.cluster_id || formation.digest != self.own.digest() {
            Event::SnapshotOther
        } else if ours.is_some_and(|ours| ours.epoch >= formation.epoch) {
            Event::SnapshotOld
        } else {
            Event::SnapshotAdopts
        }
    }
}
