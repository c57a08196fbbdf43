//! What a cell of the table does to the sets, and the data of what it says.

use super::config::{Formation, OnDeadline, Role, Rules};
use super::io::{Input, Output, Outputs};
use super::machine::{Found, Machine};
use super::members::Set;
use super::table::{Effect, Event, Say, State};
use super::waiting::{Peer, Trouble};
use crate::id::NodeId;

impl<const W: usize> Machine<W> {
    /// A first or a later incarnation of a member.
    pub(super) fn remember(&mut self, found: &Found, inc: u32, outputs: &mut Outputs) {
        let index = found.index;
        let Some(&id) = self.members.list().get(index) else { return };
        let old = self.peer(index).inc;
        let peer = self.peer_mut(index);
        peer.inc = Some(inc);
        peer.trouble = Trouble::None;
        self.guests.remove(id);
        if !found.renewed {
            return;
        }
        // A ready that was given by an earlier life counts no more (`bootstrap:W2`, `bootstrap:E1`).
        let peer = self.peer_mut(index);
        peer.notice = 0;
        peer.restarted = true;
        self.up_seen.take(index);
        self.up_ready.take(index);
        match self.state {
            State::Formed => outputs.push(Output::Restarted(id)),
            State::Fresh => {}
            State::Gathering | State::Confirming => {
                self.seen_set.take(index);
                self.ready_set.take(index);
                self.seen.remove(id);
                self.ready.remove(id);
                outputs.push(Output::Retracted(id, old.unwrap_or(0)));
            }
        }
    }

    #[inline]
    pub(super) fn carry_out(
        &mut self,
        effect: Effect,
        found: &Found,
        peer: NodeId,
        input: &Input,
        outputs: &mut Outputs,
    ) {
        let index = found.index;
        match effect {
            Effect::Nothing | Effect::Again | Effect::Dismiss | Effect::Pend => self.aside(effect, found, peer),
            Effect::See => {
                self.seen_set.put(index);
                self.up_seen.put(index);
                self.seen.push(peer);
            }
            Effect::NoteSeen => self.up_seen.put(index),
            Effect::Report | Effect::ReportAndForm => {
                self.ready_set.put(index);
                self.up_ready.put(index);
                self.ready.push(peer);
                if matches!(effect, Effect::ReportAndForm) {
                    self.form();
                }
            }
            Effect::NoteReady => self.up_ready.put(index),
            Effect::Complete => self.complete(),
            Effect::CompleteAndForm => {
                self.complete();
                self.form();
            }
            Effect::CompleteLate => self.local_done = true,
            Effect::Late => {
                if !self.late {
                    self.late_since = self.inputs;
                }
                self.late = true;
                self.warned = true;
            }
            _ => self.carry_out_rare(effect, found, peer, input, outputs),
        }
    }

    fn carry_out_rare(&mut self, effect: Effect, found: &Found, peer: NodeId, input: &Input, _: &mut Outputs) {
        match (effect, input) {
            (Effect::Admit, _) => {
                self.members.push(peer);
                self.distinct += 1;
                self.guests.remove(peer);
                let index = self.members.len() - 1;
                *self.peer_mut(index) = Peer { since: self.inputs, ..Peer::UNKNOWN };
                if peer == self.me {
                    let counted = self.me_ready();
                    self.me_index = Some(index as u16);
                    if counted {
                        self.ready_set.put(index);
                    }
                }
                let threshold = self.policy.threshold(usize::from(self.genesis), self.members.len());
                // A formed node keeps the quorum it formed by: a grant never un-forms (`bootstrap:P4`).
                if self.state != State::Formed {
                    self.quorum = self.quorum.max(threshold);
                }
            }
            (Effect::Raise, Input::Seen(signal) | Input::Ready(signal)) => {
                self.raise(signal.stamp.map_or(self.own.epoch, |stamp| stamp.epoch));
            }
            (Effect::NoteTrouble, _) => self.trouble(found, peer),
            (Effect::NoteNotice, Input::Notice(_, formation)) => self.note_notice(found.index, formation),
            (Effect::Split, Input::Notice(_, formation)) => {
                self.note_notice(found.index, formation);
                if self.split.is_none() {
                    self.split_since = self.inputs;
                }
                self.split = Some((peer, *formation));
            }
            (Effect::Adopt, Input::Notice(_, formation) | Input::Snapshot(formation)) => self.adopt(*formation),
            (Effect::Rearm, _) => {
                self.warned = false;
                self.gave_up = false;
                self.open = false;
            }
            _ => {}
        }
    }

    /// Effects on display only.
    #[inline]
    fn aside(&mut self, effect: Effect, found: &Found, peer: NodeId) {
        match effect {
            Effect::Again if self.warned && self.on_deadline == OnDeadline::FailOpen => self.open = true,
            Effect::Again if self.warned && self.on_deadline == OnDeadline::GiveUp => self.gave_up = true,
            Effect::Pend if self.rules.has(Rules::D8) => self.guests.pend(peer, self.inputs),
            Effect::Dismiss if self.rules.has(Rules::D8) => self.guests.remove(peer),
            Effect::Nothing
                if matches!(found.event, Event::SeenStranger | Event::ReadyStranger) && self.rules.has(Rules::D8) =>
            {
                self.guests.stranger(peer, self.inputs);
            }
            _ => {}
        }
    }

    /// A later epoch is formed somewhere: what was counted for the earlier one is void, and the next signals count for that one.
    fn raise(&mut self, epoch: u64) {
        self.own.epoch = epoch;
        let me_ready = self.me_ready();
        self.seen.clear();
        self.ready.clear();
        self.seen_set = Set::EMPTY;
        self.ready_set = Set::EMPTY;
        self.up_seen = Set::EMPTY;
        self.up_ready = Set::EMPTY;
        if self.local_done && me_ready {
            self.complete();
        }
    }

    fn note_notice(&mut self, index: usize, formation: &Formation) {
        if index < self.members.len() {
            self.peer_mut(index).notice = formation.epoch;
        }
    }

    #[inline]
    fn complete(&mut self) {
        let counted = self.me_ready();
        self.local_done = true;
        if self.role == Role::Joiner || counted {
            return;
        }
        if let Some(me) = self.me_index {
            self.ready_set.put(usize::from(me));
            self.up_ready.put(usize::from(me));
        }
        self.ready.push(self.me);
    }

    fn form(&mut self) {
        let formation = Formation {
            cluster_id: self.own.cluster_id,
            epoch: self.own.epoch,
            digest: if self.rules.has(Rules::D8) { self.own.digest() } else { 0 },
        };
        self.formation = Some(formation);
        self.conclude(formation);
    }

    fn adopt(&mut self, formation: Formation) {
        self.adopted = true;
        self.formation = Some(formation);
        self.own.epoch = formation.epoch;
        self.conclude(formation);
    }

    fn conclude(&mut self, formation: Formation) {
        self.record = Some(formation);
        self.open = false;
        self.gave_up = false;
        self.split = None;
    }

    #[inline]
    pub(super) fn output(&self, word: Say, peer: NodeId, found: &Found) -> Output {
        match word {
            Say::SeenNew => Output::SeenNew(peer),
            Say::SeenDup => Output::SeenDup(peer),
            Say::ReadyNew => Output::ReadyNew(peer),
            Say::ReadyDup => Output::ReadyDup(peer),
            Say::Stranger => Output::Stranger(peer),
            Say::LocalDone => Output::LocalDone,
            Say::Announce => Output::Announce,
            Say::Reassure => Output::Reassure(peer),
            Say::Late => Output::Late(self.ready.len() as u32),
            Say::Again => self.again(),
            Say::JoinPending => Output::JoinPending(peer),
            Say::Admitted => Output::Admitted(peer),
            Say::MemberDup => Output::MemberDup(peer),
            Say::Denied => Output::Denied(peer),
            Say::Formed => Output::Formed,
            Say::WrongVersion => Output::WrongVersion(peer),
            Say::Unverified => Output::Unverified(peer),
            Say::Mismatch => match found.trouble {
                Trouble::Mismatch(field) => Output::Mismatch(peer, field),
                _ => Output::Unverified(peer),
            },
            Say::Stale => Output::Stale(peer),
            Say::Ahead => Output::Ahead(peer),
            Say::Echo => Output::Echo(peer),
            Say::Noted => Output::Noted(peer),
            Say::NoticeNoted => Output::NoticeNoted(peer),
            Say::SplitSuspected => Output::SplitSuspected(peer),
            Say::Adopted => Output::Adopted,
            Say::NotListed => Output::NotListed(peer),
            Say::Rearmed => Output::Rearmed,
        }
    }

    fn again(&self) -> Output {
        let ready = self.ready.len() as u32;
        match self.on_deadline {
            OnDeadline::FailOpen if self.open => Output::FailOpen(ready),
            OnDeadline::GiveUp if self.gave_up => Output::GaveUp(ready),
            _ => Output::LateAgain(ready),
        }
    }
}
