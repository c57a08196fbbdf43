//! Phases 2 to 8 of a tick; their order is part of the contract (`ekk` section 8).

use super::tap::Tap;
use super::{CANDIDATES_MAX, Health, Input, NodeWith, Outcome, State};
use crate::field::{Sampling, gradients, product};
use crate::fixed::Q16;
use crate::id::NodeId;
use crate::profile::Profile;
use crate::sign::Crypto;
use crate::sink::{Class, Event, Sink};
use crate::task::{ByGradient, TaskSelector};
use crate::time::{Span, Time};
use crate::wire::v1::field::{self, FieldBody};
use crate::wire::v1::{HEADER_BYTES, Kind};

/// The load component of a field (`ekk` section 2).
const LOAD: usize = 0;
/// The slack component.
const SLACK: usize = 5;
/// Periods for which a lease on a field is asked; it is asked for again three times within.
const LEASE_PERIODS: u64 = 24;
/// Periods after which REFORMING ends whether the election has settled or not (`ekk:D-36`).
const SETTLE_PERIODS: u64 = 10;
/// Periods between two questions for candidates.
const ASK_PERIODS: u64 = 10;
/// A field travels each second period.
const FIELD_PERIODS: u64 = 2;

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// Phases 2 to 8, with the usual choice among tasks; see [`Node::tick_with`].
    pub fn tick(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) -> Outcome {
        self.tick_with(now, crypto, sink, &mut ByGradient)
    }

    /// Phases 2 to 8, in the order of `ekk` section 8. A failed transport is reported as [`Outcome::Hard`], but suspends
    /// nothing (`ekk:D-33`). A node that is not started does nothing and counts nothing.
    pub fn tick_with(
        &mut self,
        now: Time,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
        selector: &mut impl TaskSelector,
    ) -> Outcome {
        if matches!(self.state, State::Init | State::Shutdown) {
            return Outcome::Ok;
        }
        self.counters.ticks = self.counters.ticks.saturating_add(1);
        self.notice_stall(now);
        let hard = core::mem::take(&mut self.inbox.failed);
        self.inbox.clear();
        let seed = self.config.profile == Profile::Seed;
        if seed && hard {
            // The seed gives up the whole tick; nobody but a conformance vector wants that.
            return self.count_outcome(true, false);
        }
        self.run_bootstrap(now, sink);
        let beat = now >= self.beat_at;
        if beat {
            self.beat_at = next_on_grid(self.beat_at, now, self.config.timing.period);
            self.run_membership(now, crypto, sink);
        }
        let (lost, own_beat) = self.run_verdicts(now);
        let announce = self.run_topology(now, sink);
        if seed {
            self.broadcast_v0(now, own_beat, announce, sink);
        }
        let mut degraded = !self.aggregate(now);
        degraded |= core::mem::take(&mut self.full);
        let me = self.identity();
        if now >= self.ballots_at {
            if self.ballots.0.next_due() <= now {
                let links = self.watch_links(now);
                self.ballots.tick(now, me, &links, &mut self.counters, crypto, sink);
                self.act_on_decisions(now, crypto, sink);
            }
            self.ballots_at = self.ballots.0.next_due();
        }
        let slack = self.tasks.slack_component(now);
        self.fresh_fields |= slack != core::mem::replace(&mut self.own.slack, slack);
        if let Some(task) = self.tasks.choose(now, self.config.capabilities, &self.gradients, selector) {
            sink.event(&Event::RunTask(task.0));
        }
        degraded |= !self.publish(now, sink);
        self.advance(now, lost, sink);
        self.last_tick = now;
        self.count_outcome(hard, degraded)
    }

    fn count_outcome(&mut self, hard: bool, degraded: bool) -> Outcome {
        if hard {
            self.counters.ticks_hard = self.counters.ticks_hard.saturating_add(1);
            Outcome::Hard
        } else if degraded {
            self.counters.ticks_degraded = self.counters.ticks_degraded.saturating_add(1);
            Outcome::Degraded
        } else {
            Outcome::Ok
        }
    }

    /// After a stall of our own nobody is late: all ages and ends move by the gap (`decisions:CLU-13`).
    fn notice_stall(&mut self, now: Time) {
        let since = now.since(self.last_tick);
        if since <= self.config.timing.stall {
            return;
        }
        let gap = since.minus(self.config.timing.period);
        self.counters.stalls = self.counters.stalls.saturating_add(1);
        self.neighbours.shift(gap);
        self.leases.shift(gap);
        self.ballots.shift(gap);
        self.ballots_at = Time::ZERO;
        self.settle_by = self.settle_by.after(gap);
    }

    /// Phase 2.
    fn run_membership(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        if self.formed.is_none() {
            return;
        }
        let mut tap = Tap { now, sink, nearest: &mut self.nearest, ended: &mut self.ended };
        self.membership.tick(now, crypto, &mut tap);
    }

    /// Judges the neighbours, takes up who ended since the last tick, and copies the verdicts (`ekk:D-05`). Whether
    /// a neighbour was lost, and the heartbeat that the seed wants sent.
    fn run_verdicts(&mut self, now: Time) -> (bool, Option<u32>) {
        let ended = &mut self.ended;
        let mut silent = [NodeId::NONE; super::NEIGHBOURS_MAX];
        let mut count = 0;
        let judged = self.peers.tick(now, &mut |change| {
            // Also one that never came alive: its entry goes from unknown to unknown and ends.
            if matches!(change.to, Health::Dead | Health::Unknown) {
                ended.note(change.identity.id);
                if let Some(slot) = silent.get_mut(count) {
                    *slot = change.identity.id;
                    count += 1;
                }
            }
        });
        self.counters.health_changes = self.peers.counters().changes;
        let lost = !self.ended.is_empty() && self.take_ended(now, &silent[..count]);
        if core::mem::take(&mut self.fresh_verdicts) || judged.changes > 0 || lost {
            for neighbour in self.neighbours.all() {
                self.nearest.set_health(neighbour.id, self.peers.health(neighbour.id));
            }
        }
        (lost, judged.beat)
    }

    fn take_ended(&mut self, now: Time, silent: &[NodeId]) -> bool {
        let until = now.after(self.config.timing.discovery);
        let seed = self.config.profile == Profile::Seed;
        // The seed reforms whoever died, also when it was no neighbour.
        let mut lost = seed && !silent.is_empty();
        for &id in silent {
            if seed {
                self.nearest.remove(now, id);
            } else {
                self.nearest.shun(now, id, until);
            }
        }
        if self.ended.more {
            for neighbour in self.neighbours.all() {
                if self.membership.known(neighbour.id).is_some_and(|(_, live)| !live) {
                    self.nearest.remove(now, neighbour.id);
                    lost = true;
                }
            }
        }
        for &id in self.ended.ids() {
            self.leases.end(id);
            lost |= self.neighbours.get(id).is_some();
        }
        self.ended = super::tap::Ended::new();
        lost
    }

    /// Phase 3: election, sessions and leases of who was elected, electorate.
    fn run_topology(&mut self, now: Time, sink: &mut impl Sink) -> u8 {
        let (changed, announce) = self.nearest.tick(now);
        if changed {
            self.take_election(now, sink);
        }
        if self.config.profile == Profile::Seed {
            return announce;
        }
        if self.nearest.starved && now >= self.ask_candidates_at {
            self.nearest.starved = false;
            self.ask_candidates_at = now.after(self.config.timing.period.times(ASK_PERIODS));
            // A small cluster has no more than it has.
            if (self.nearest.known() as u64) < u64::from(self.known).saturating_sub(1).min(CANDIDATES_MAX as u64) {
                sink.event(&Event::NeedCandidates);
            }
        }
        if now >= self.leases_at {
            self.renew_leases(now, sink);
        }
        announce
    }

    fn take_election(&mut self, now: Time, sink: &mut impl Sink) {
        if self.config.profile == Profile::Product {
            self.watch_elected(now, sink);
        }
        self.neighbours.elect(now, self.nearest.elected());
        self.leases_at = now;
        self.fresh_fields = true;
        self.fresh_verdicts = true;
        self.ballots.set_electorate(self.neighbours.all().iter().map(|neighbour| neighbour.id));
        self.counters.neighbour_changes = self.nearest.changes();
        sink.event(&Event::NeighboursChanged);
    }

    /// Whoever is no neighbour any more is told and not judged any more; newcomers are.
    fn watch_elected(&mut self, now: Time, sink: &mut impl Sink) {
        let (me, sequence) = (self.identity(), self.own.sequence);
        for gone in self.neighbours.all().iter().filter(|old| !self.nearest.is_neighbour(old.id)) {
            self.peers.remove(gone.id);
            let mut buffer = [0; HEADER_BYTES];
            if let Ok(bytes) = field::encode_bare(Kind::UNSUBSCRIBE, me, sequence, &mut buffer) {
                sink.send(gone.id, Class::Field, bytes);
            }
        }
        for chosen in self.nearest.elected().iter().filter(|new| self.neighbours.get(new.id).is_none()) {
            let identity = self.nearest.identity(chosen.id).unwrap_or_default();
            // There is room: neighbours are fewer than places, and who left was removed above.
            if self.peers.add(now, identity).is_ok() {
                sink.event(&Event::NeedSession { id: chosen.id, why: "neighbour" });
            }
        }
    }

    fn renew_leases(&mut self, now: Time, sink: &mut impl Sink) {
        let lease = self.config.timing.period.times(LEASE_PERIODS);
        let (me, sequence) = (self.identity(), self.own.sequence);
        let mut next = Time::NEVER;
        for neighbour in self.neighbours.all_mut() {
            if now < neighbour.ask_at {
                next = next.min(neighbour.ask_at);
                continue;
            }
            // Soon again until it answers, then three times within the lease.
            let wait = if neighbour.field_at.is_some() { lease.over(3) } else { self.config.timing.field };
            neighbour.ask_at = now.after(wait);
            next = next.min(neighbour.ask_at);
            let lease_ms = lease.as_ms().clamp(1, u64::from(field::LEASE_MS_MAX)) as u32;
            let mut buffer = [0; field::SUBSCRIBE_BYTES];
            if let Ok(bytes) = field::encode_subscribe(me, sequence, lease_ms, &mut buffer) {
                sink.send(neighbour.id, Class::Field, bytes);
            }
        }
        self.leases_at = next;
    }

    /// Phase 4: neighbours' weighted mean minus own, per component. False when somebody should have given a sample and
    /// nobody did; the gradients keep their values then. Between two fields of a neighbour only the weights age, all alike:
    /// the mean is computed anew when something was said, and at least as often as fields come.
    fn aggregate(&mut self, now: Time) -> bool {
        if !self.fresh_fields && now < self.aggregate_at {
            return true;
        }
        let read = self.neighbours.samples(now, self.rules.lifetime());
        let said = product(&self.rules, self.nearest.elected(), read);
        if said.sampling == Sampling::Degraded {
            self.counters.sample_failed = self.counters.sample_failed.saturating_add(1);
            return false;
        }
        self.fresh_fields = false;
        self.aggregate_at = now.after(self.config.timing.field);
        self.gradients = gradients(&self.own_components(), &said);
        true
    }

    /// Own components as published: slack from the tasks, load full while draining.
    pub(super) fn own_components(&self) -> [Q16; 6] {
        let mut components = self.own.components;
        components[SLACK] = self.own.slack;
        if self.own.draining {
            components[LOAD] = components[LOAD].max(Q16::ONE);
        }
        components
    }

    /// Phase 7: the own field is stamped each tick and sent each second period. False when it cannot be stamped, because
    /// time went back behind the last stamp.
    fn publish(&mut self, now: Time, sink: &mut impl Sink) -> bool {
        if now < self.own.stamp {
            self.counters.publish_failed = self.counters.publish_failed.saturating_add(1);
            return false;
        }
        self.own.stamp = now;
        self.own.published = true;
        self.counters.publish_ok = self.counters.publish_ok.saturating_add(1);
        if now < self.publish_at {
            return true;
        }
        self.publish_at = next_on_grid(self.publish_at, now, self.config.timing.period.times(FIELD_PERIODS));
        self.own.sequence = self.own.sequence.wrapping_add(1);
        self.leases.expire(now);
        if !self.leases.is_empty() {
            let mut buffer = [0; field::FIELD_BYTES_MAX];
            let bytes = self.field_message(&mut buffer);
            for id in self.leases.ids() {
                sink.send(id, Class::Field, bytes);
            }
        }
        true
    }

    pub(super) fn send_field_to(&self, to: NodeId, sink: &mut impl Sink) {
        let mut buffer = [0; field::FIELD_BYTES_MAX];
        sink.send(to, Class::Field, self.field_message(&mut buffer));
    }

    fn field_message<'a>(&self, buffer: &'a mut [u8; field::FIELD_BYTES_MAX]) -> &'a [u8] {
        let mut neighbours = [NodeId::NONE; field::NEIGHBOURS_MAX];
        for (slot, neighbour) in neighbours.iter_mut().zip(self.neighbours.all()) {
            *slot = neighbour.id;
        }
        let body = FieldBody {
            draining: self.own.draining,
            state: self.state as u8,
            capabilities: self.config.capabilities,
            components: self.own_components(),
            neighbours,
        };
        body.encode(self.identity(), self.own.sequence, buffer).expect("the buffer has the length of the longest body")
    }

    /// Phase 8.
    fn advance(&mut self, now: Time, lost: bool, sink: &mut impl Sink) {
        if lost {
            self.settle_by = now.after(self.config.timing.period.times(SETTLE_PERIODS));
            self.apply(now, Input::Lost, sink);
        }
        let count = self.neighbours.all().len();
        let input = if self.state == State::Reforming && self.held(now) {
            Input::Unsettled
        } else {
            let late = self.state == State::Discovering && now.since(self.state_since) >= self.config.timing.discovery;
            match (count, late) {
                (n, _) if n >= self.nearest.enough(self.known) => Input::Enough,
                (0, false) => Input::None,
                (0, true) => Input::NoneLate,
                (_, false) => Input::Few,
                (_, true) => Input::FewLate,
            }
        };
        self.apply(now, input, sink);
        self.membership.set_state(self.state as u8);
    }

    /// The seed leaves REFORMING in the tick that enters it; we hold it for a period at least, so that it can be seen, and until
    /// the election has settled (`ekk:D-36`).
    fn held(&self, now: Time) -> bool {
        let entered = now < self.state_since.after(self.config.timing.period);
        self.config.profile == Profile::Product && (entered || now < self.settle_by && !self.settled())
    }

    /// The election has settled when every neighbour was heard since it was elected, and there is one.
    fn settled(&self) -> bool {
        let elected = self.nearest.elected();
        !elected.is_empty() && self.nearest.settled() && elected.iter().all(|chosen| chosen.health == Health::Alive)
    }

    pub(super) fn apply(&mut self, now: Time, input: Input, sink: &mut impl Sink) {
        let Some(next) = self.state.after(input) else { return };
        if next != self.state {
            let from = core::mem::replace(&mut self.state, next);
            self.state_since = now;
            sink.event(&Event::StateChanged { from: from as u8, to: next as u8 });
        }
    }
}

/// The first multiple of `step` after `last` that lies after `now`: periods keep their phase, and a late tick does not make
/// up for what it missed.
pub(super) fn next_on_grid(last: Time, now: Time, step: Span) -> Time {
    let next = last.after(step);
    if next > now { next } else { now.after(Span(step.0 - now.since(last).0 % step.0)) }
}
