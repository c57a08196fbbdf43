//! The machine: classify the input, look the cell up, carry it out, tell the observer.

use super::config::{Config, ConfigError, Formation, OnDeadline, Policy, Role, Rules, Stamp, Warning};
use super::io::{Input, InputKind, Outputs, Refusal, Verdict};
use super::members::{Roll, Set, WORD};
use super::observer::{Brief, NoObserver, Observer};
use super::table::{Cell, Event, State, cell};
use super::view::{Admissible, Label, View};
use super::waiting::{Guests, Peer, Trouble};
use crate::id::NodeId;

/// The decision whether the cluster is formed; room for `64 * W` members, founders and admitted ones.
///
/// Same configuration and inputs give the same outputs and views (`bootstrap:P1`, `bootstrap:P16`); no allocation in any step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine<const W: usize = 2> {
    pub(super) me: NodeId,
    pub(super) me_index: Option<u16>,
    pub(super) rules: Rules,
    pub(super) role: Role,
    pub(super) policy: Policy,
    pub(super) adopt_quorum: u8,
    pub(super) on_deadline: OnDeadline,
    pub(super) genesis: u16,
    /// Members that are different ones; the seed's rules take an id twice.
    pub(super) distinct: u16,
    pub(super) quorum: usize,
    pub(super) own: Stamp,
    pub(super) record: Option<Formation>,
    pub(super) state: State,
    pub(super) local_done: bool,
    pub(super) late: bool,
    /// The deadline was said since the last re-arming; the next one acts.
    pub(super) warned: bool,
    pub(super) open: bool,
    pub(super) gave_up: bool,
    pub(super) adopted: bool,
    pub(super) formation: Option<Formation>,
    pub(super) split: Option<(NodeId, Formation)>,
    pub(super) members: Roll<W>,
    pub(super) seen: Roll<W>,
    pub(super) ready: Roll<W>,
    pub(super) seen_set: Set<W>,
    pub(super) ready_set: Set<W>,
    /// Heard of late, whatever the frozen sets say: for display.
    pub(super) up_seen: Set<W>,
    pub(super) up_ready: Set<W>,
    pub(super) peers: [[Peer; WORD]; W],
    pub(super) guests: Guests,
    pub(super) inputs: u64,
    pub(super) late_since: u64,
    pub(super) split_since: u64,
}

/// What one call came to.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Taken, refused or shown.
    pub verdict: Verdict,
    /// What to do, in order.
    pub outputs: Outputs,
    /// The machine after it.
    pub view: View<'a>,
    /// What it would take next.
    pub admissible: Admissible,
}

/// A classified input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) event: Event,
    /// Dense index of the peer; out of range when it is no member.
    pub(super) index: usize,
    /// The incarnation to remember.
    pub(super) inc: Option<u32>,
    /// The peer is a later incarnation than the one known.
    pub(super) renewed: bool,
    pub(super) trouble: Trouble,
}

impl Found {
    #[inline]
    pub(super) const fn of(event: Event) -> Found {
        Found::at(event, usize::MAX)
    }

    #[inline]
    pub(super) const fn at(event: Event, index: usize) -> Found {
        Found { event, index, inc: None, renewed: false, trouble: Trouble::None }
    }

    pub(super) const fn with_trouble(mut self, trouble: Trouble) -> Found {
        self.trouble = trouble;
        self
    }

    pub(super) const fn into_event(mut self, event: Event) -> Found {
        self.event = event;
        self
    }
}

impl<const W: usize> Machine<W> {
    /// Members there is room for.
    pub const CAPACITY: usize = Roll::<W>::CAPACITY;

    /// A machine at its start.
    ///
    /// # Errors
    /// The first mistake of the configuration (D3).
    pub fn new(config: &Config<'_>) -> Result<(Self, Option<Warning>), ConfigError> {
        let warning = config.check(Self::CAPACITY)?;
        let mut members = Roll::new();
        let mut distinct = 0;
        for &id in config.members {
            distinct += u16::from(members.find(id).is_none());
            members.push(id);
        }
        let me_index = members.find(config.me).map(|at| at as u16);
        let n = config.members.len();
        let mut machine = Machine {
            me: config.me,
            me_index,
            rules: config.rules,
            role: config.role,
            policy: config.policy,
            adopt_quorum: config.adopt_quorum,
            on_deadline: config.on_deadline,
            genesis: n as u16,
            distinct,
            quorum: config.policy.threshold(n, n),
            own: config.stamp(),
            record: config.record,
            state: State::Fresh,
            local_done: false,
            late: false,
            warned: false,
            open: false,
            gave_up: false,
            adopted: false,
            formation: None,
            split: None,
            members,
            seen: Roll::new(),
            ready: Roll::new(),
            seen_set: Set::EMPTY,
            ready_set: Set::EMPTY,
            up_seen: Set::EMPTY,
            up_ready: Set::EMPTY,
            peers: [[Peer::UNKNOWN; WORD]; W],
            guests: Guests::default(),
            inputs: 0,
            late_since: 0,
            split_since: 0,
        };
        if let Some(me) = me_index {
            machine.peer_mut(usize::from(me)).inc = Some(config.boot_inc);
        }
        Ok((machine, warning))
    }

    /// One input.
    #[inline]
    pub fn step(&mut self, input: &Input) -> Step<'_> {
        self.step_observed(input, &mut NoObserver)
    }

    /// One input; the observer is told once, after the step is complete (`bootstrap:P12`, `bootstrap:W10`).
    #[inline]
    pub fn step_observed(&mut self, input: &Input, observer: &mut impl Observer) -> Step<'_> {
        let before = self.brief();
        let mut outputs = Outputs::new();
        let verdict = self.apply(input, &mut outputs);
        let step = Step { verdict, outputs, view: self.view(), admissible: self.admissible() };
        match verdict {
            Verdict::Accepted => observer.accepted(input, &before, &outputs, &step.view),
            Verdict::Viewed => observer.viewed(input, &step.view),
            Verdict::Refused(why) => observer.refused(input, why, &step.view, step.admissible),
        }
        step
    }

    #[inline]
    fn apply(&mut self, input: &Input, outputs: &mut Outputs) -> Verdict {
        if input.kind() > InputKind::Query && !self.rules.has(Rules::D8) {
            return Verdict::Refused(Refusal::NotInRules);
        }
        let found = self.classify(input);
        match cell(self.rules, self.state, found.event) {
            // The classification yields no such pair; a test walks the whole grid.
            Cell::Never => Verdict::Refused(Refusal::NotInRules),
            Cell::Refuse(why) => Verdict::Refused(why),
            Cell::View => Verdict::Viewed,
            Cell::Go { next, effect, say } => {
                self.inputs += 1;
                let reason = self.reason_code(found.index);
                if let Some(inc) = found.inc {
                    self.remember(&found, inc, outputs);
                }
                let peer = input.peer();
                self.carry_out(effect, &found, peer, input, outputs);
                if let Some(next) = next {
                    self.state = next;
                }
                for &word in say {
                    outputs.push(self.output(word, peer, &found));
                }
                if found.event == Event::DeadlineAgain {
                    self.warned = true;
                }
                self.stamp_reason(found.index, reason);
                Verdict::Accepted
            }
        }
    }

    #[inline]
    pub(super) fn enough(&self, count: usize) -> bool {
        count >= self.quorum && self.role == Role::Founder
    }

    /// Whether this node counts itself among the ready.
    #[inline]
    pub(super) fn me_ready(&self) -> bool {
        match self.me_index {
            Some(me) => self.ready_set.has(usize::from(me)),
            None => self.local_done && self.role == Role::Founder,
        }
    }

    /// The machine as others see it.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View {
            label: self.label(),
            local_done: self.local_done,
            seen: self.seen.list(),
            ready: self.ready.list(),
            quorum: self.quorum,
            late: self.late,
            members: self.members.list(),
            adopted: self.adopted,
            formation: self.formation,
            epoch: self.own.epoch,
            open: self.open,
            gave_up: self.gave_up,
            split: self.split,
        }
    }

    /// The state, which the label Overdue hides.
    pub const fn state(&self) -> State {
        self.state
    }

    /// What this node's own signals carry now.
    pub const fn stamp(&self) -> Stamp {
        self.own
    }

    /// Own id.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    #[inline]
    fn label(&self) -> Label {
        match self.state {
            State::Formed => Label::Formed,
            _ if self.late => Label::Overdue,
            State::Fresh => Label::Fresh,
            State::Gathering => Label::Gathering,
            State::Confirming => Label::Confirming,
        }
    }

    #[inline]
    fn brief(&self) -> Brief {
        Brief {
            label: self.label(),
            local_done: self.local_done,
            late: self.late,
            seen: self.seen.len(),
            ready: self.ready.len(),
            members: self.members.len(),
        }
    }

    /// The inputs that would not be refused (`bootstrap:P11`).
    #[inline]
    pub fn admissible(&self) -> Admissible {
        const fn bit(kind: InputKind) -> u16 {
            1 << kind as u8
        }
        let mut mask = if self.rules.has(Rules::D8) { 0x1fff } else { 0xff };
        match self.state {
            State::Fresh if !self.rules.has(Rules::D1) => mask &= !bit(InputKind::Deadline),
            State::Fresh | State::Gathering => {}
            State::Confirming => mask &= !bit(InputKind::LocalDone),
            State::Formed => {
                mask &= !(bit(InputKind::Deadline) | bit(InputKind::Rearm));
                if !self.adopted || self.local_done {
                    mask &= !bit(InputKind::LocalDone);
                }
                if !self.rules.has(Rules::D4) {
                    mask &= !bit(InputKind::Ready);
                }
            }
        }
        Admissible(mask)
    }

    /// This machine without the numbers of its inputs and with its lists sorted: two that behave alike compare equal. For checkers
    /// that visit each state once.
    pub fn without_history(mut self) -> Self {
        self.inputs = 0;
        self.late_since = 0;
        self.split_since = 0;
        self.peers.as_flattened_mut().iter_mut().for_each(|peer| peer.since = 0);
        self.guests = Guests::default();
        self.seen.sort();
        self.ready.sort();
        self
    }

    #[inline]
    pub(super) fn peer(&self, index: usize) -> &Peer {
        &self.peers.as_flattened()[index]
    }

    #[inline]
    pub(super) fn peer_mut(&mut self, index: usize) -> &mut Peer {
        &mut self.peers.as_flattened_mut()[index]
    }
}
