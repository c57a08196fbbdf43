//! The protocol around the machine: who is told what, and how often. Pure: time is an argument, messages leave through the sink.
//!
//! Nothing is made up: every input of the machine is an authenticated message, a word of the caller or a timer (`bootstrap:W4`). A
//! formed node is silent until it is asked (`bootstrap:C3`).

use super::config::{Config, ConfigError, Formation, Role, Warning};
use super::io::{Input, Output, Outputs, Refusal, Verdict};
use super::machine::Machine;
use super::members::WORD;
use super::observer::{NoObserver, Observer};
use super::pace::{Backoff, Budget, Gate};
use super::table::State;
use super::view::View;
use crate::id::{Identity, NodeId};
use crate::sink::{Class, Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::WireError;
use crate::wire::v1::bootstrap::{BOOTSTRAP_BYTES_MAX, Body, Message, NOTICE_IDS_MAX, Say, encode};

/// Who decides about those who are no founders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JoinPolicy {
    /// A certificate of the cluster is enough: a formed node tells at once (`decisions:CLU-8`).
    #[default]
    Certificate,
    /// An operator says so for each.
    Operator,
}

/// How often, and who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// First wait before a repetition.
    pub retry_first: Span,
    /// Longest wait.
    pub retry_max: Span,
    /// Least gap between two reassurances to one peer; below three quarters of `retry_first`.
    pub reassure_gap: Span,
    /// Least gap between two refusals to one peer.
    pub refusal_gap: Span,
    /// Messages per second, at most.
    pub per_second: u32,
    /// Until the deadline passes, and again until it acts.
    pub deadline: Span,
    /// Who decides about joiners.
    pub join: JoinPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            retry_first: Span::from_ms(50),
            retry_max: Span::from_s(2),
            reassure_gap: Span::from_ms(25),
            refusal_gap: Span::from_s(1),
            per_second: 400,
            deadline: Span::from_s(60),
            join: JoinPolicy::Certificate,
        }
    }
}

/// What a driver counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    /// Messages out.
    pub sent: u64,
    /// Messages in that were read.
    pub received: u64,
    /// Messages that the budget held back; repeated later.
    pub held_back: u64,
    /// Answers left out because the last one was just given.
    pub gated: u64,
}

/// Slots of the gates of those who are no members; two of one slot share a gap.
const STRANGER_GATES: usize = 16;

/// The machine and its timers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Driver<const W: usize = 2> {
    machine: Machine<W>,
    settings: Settings,
    me: Identity,
    role: Role,
    started: bool,
    backoff: Backoff,
    budget: Budget,
    retry: Time,
    deadline: Time,
    /// Where the next round of messages begins, so that a short budget starves nobody.
    cursor: u16,
    sequence: u32,
    reassured: [[Gate; WORD]; W],
    refused: [[Gate; WORD]; W],
    strangers: [Gate; STRANGER_GATES],
    tally: Tally,
}

impl<const W: usize> Driver<W> {
    /// A driver that has not started. `seed` spreads the repetitions.
    ///
    /// # Errors
    /// The first mistake of the configuration.
    pub fn new(
        config: &Config<'_>,
        me: Identity,
        settings: Settings,
        seed: u64,
    ) -> Result<(Self, Option<Warning>), ConfigError> {
        let (machine, warning) = Machine::new(config)?;
        let driver = Driver {
            machine,
            settings,
            me: Identity { id: config.me, boot_inc: config.boot_inc, life: me.life },
            role: config.role,
            started: false,
            backoff: Backoff::new(settings.retry_first, settings.retry_max, seed),
            budget: Budget::new(settings.per_second),
            retry: Time::NEVER,
            deadline: Time::NEVER,
            cursor: 0,
            sequence: 0,
            reassured: [[Gate::SHUT_NEVER; WORD]; W],
            refused: [[Gate::SHUT_NEVER; WORD]; W],
            strangers: [Gate::SHUT_NEVER; STRANGER_GATES],
            tally: Tally::default(),
        };
        Ok((driver, warning))
    }

    /// Begins: tells the founders that we are here.
    pub fn start(&mut self, now: Time, sink: &mut impl Sink) {
        self.started = true;
        self.deadline = now.after(self.settings.deadline);
        self.repeat(now, sink);
    }

    /// A message from a sender that the link has verified.
    ///
    /// # Errors
    /// Why the bytes are no message; another version is noted for the display.
    pub fn receive(&mut self, now: Time, from: NodeId, bytes: &[u8], sink: &mut impl Sink) -> Result<(), WireError> {
        self.receive_observed(now, from, bytes, sink, &mut NoObserver)
    }

    /// As [`Driver::receive`], with somebody watching the machine.
    ///
    /// # Errors
    /// As [`Driver::receive`].
    pub fn receive_observed(
        &mut self,
        now: Time,
        from: NodeId,
        bytes: &[u8],
        sink: &mut impl Sink,
        observer: &mut impl Observer,
    ) -> Result<(), WireError> {
        let message = Message::decode(bytes).inspect_err(|error| {
            if let WireError::Version(version) = *error {
                self.machine.step_observed(&Input::Trouble { peer: from, version: Some(version) }, observer);
            }
        })?;
        self.tally.received += 1;
        let signal = message.signal(from);
        // A refused signal of a peer changes nothing and the observer has seen it.
        let mut input = |input: Input| {
            let _ = self.feed(now, &input, sink, observer);
        };
        match message.body {
            Body::Ping => input(Input::Seen(signal)),
            Body::Ready { asking } => {
                input(Input::Ready(signal));
                if asking {
                    input(Input::Seen(signal));
                }
            }
            // Forming is no private knowledge (`bootstrap:W1`).
            Body::Notice { formation, .. } => input(Input::Notice(signal, formation)),
            Body::Refusal { listed } => input(Input::Answer { signal, listed }),
            Body::Ask => self.asked(now, from, &Input::Seen(signal), sink, observer),
        }
        Ok(())
    }

    /// One that is no founder asks: the checks of a signal come first, then the policy.
    fn asked(&mut self, now: Time, from: NodeId, input: &Input, sink: &mut impl Sink, observer: &mut impl Observer) {
        let outputs = self.machine.step_observed(input, observer).outputs;
        if !matches!(*outputs, [Output::Stranger(_)]) {
            self.act(now, input, &outputs, sink);
        } else if self.settings.join == JoinPolicy::Operator {
            // Asking is never refused.
            let _ = self.feed(now, &Input::JoinAsk(from), sink, observer);
        } else {
            self.reassure(now, from, sink);
        }
    }

    /// Own start-up work is finished.
    pub fn local_done(&mut self, now: Time, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.feed(now, &Input::LocalDone, sink, &mut NoObserver)
    }

    /// The operator's word about one that asked to join.
    pub fn join_decision(&mut self, now: Time, id: NodeId, grant: bool, sink: &mut impl Sink) -> Result<(), Refusal> {
        let input = if grant { Input::JoinGrant(id) } else { Input::JoinRefuse(id) };
        self.feed(now, &input, sink, &mut NoObserver)
    }

    /// The formation of an authenticated snapshot.
    pub fn snapshot(&mut self, now: Time, formation: Formation, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.feed(now, &Input::Snapshot(formation), sink, &mut NoObserver)
    }

    /// The deadline passed by the caller's own clock.
    pub fn deadline_passed(&mut self, now: Time, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.feed(now, &Input::Deadline, sink, &mut NoObserver)
    }

    /// Tries again after giving up, with a deadline of its own.
    pub fn rearm(&mut self, now: Time, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.feed(now, &Input::Rearm, sink, &mut NoObserver)
    }

    /// A source could not be authenticated (`version` is `None`) or speaks another version.
    pub fn trouble(&mut self, peer: NodeId, version: Option<u8>) {
        self.machine.step(&Input::Trouble { peer, version });
    }

    /// Does what is due: repetitions and the deadline.
    pub fn tick(&mut self, now: Time, sink: &mut impl Sink) {
        if now >= self.deadline {
            self.deadline = now.after(self.settings.deadline);
            if self.deadline_passed(now, sink).is_err() {
                self.deadline = Time::NEVER;
            }
        }
        if now >= self.retry {
            self.repeat(now, sink);
        }
    }

    /// When [`Driver::tick`] has something to do; never, once formed.
    pub fn next_tick(&self) -> Time {
        self.retry.min(self.deadline)
    }

    /// One input and what follows from it.
    fn feed(
        &mut self,
        now: Time,
        input: &Input,
        sink: &mut impl Sink,
        observer: &mut impl Observer,
    ) -> Result<(), Refusal> {
        let step = self.machine.step_observed(input, observer);
        let (verdict, outputs) = (step.verdict, step.outputs);
        self.act(now, input, &outputs, sink);
        match verdict {
            Verdict::Refused(why) => Err(why),
            Verdict::Accepted | Verdict::Viewed => Ok(()),
        }
    }

    fn act(&mut self, now: Time, input: &Input, outputs: &Outputs, sink: &mut impl Sink) {
        for &output in outputs.iter() {
            match output {
                Output::Announce | Output::Rearmed => {
                    self.backoff.reset();
                    if output == Output::Rearmed {
                        self.deadline = now.after(self.settings.deadline);
                    }
                    self.repeat(now, sink);
                }
                Output::Reassure(peer) => self.reassure(now, peer, sink),
                // One who is behind learns where we are, if there is something to learn.
                Output::Stale(peer) | Output::Ahead(peer) if self.formed() => self.reassure(now, peer, sink),
                Output::Stranger(peer) => self.refuse(now, peer, false, sink),
                // A refusal is never answered by one: two differing nodes would go on for ever.
                Output::Mismatch(peer, _) if !matches!(input, Input::Answer { .. }) => {
                    let listed = self.machine.members.find(peer).is_some();
                    self.refuse(now, peer, listed, sink);
                }
                Output::Denied(peer) => self.refuse(now, peer, false, sink),
                Output::Admitted(peer) if self.formed() => self.reassure(now, peer, sink),
                Output::Formed | Output::Adopted => self.concluded(output, sink),
                Output::GaveUp(_) => self.retry = Time::NEVER,
                _ => {}
            }
        }
    }

    fn concluded(&mut self, output: Output, sink: &mut impl Sink) {
        self.retry = Time::NEVER;
        self.deadline = Time::NEVER;
        let Some(Formation { epoch, digest, .. }) = self.machine.formation else { return };
        if output == Output::Formed {
            sink.event(&Event::Formed { epoch, digest });
        } else {
            sink.event(&Event::Adopted { epoch, digest });
        }
    }

    /// Tells all founders where we are and sets the next time to do so. A node that completes and forms in one step says so once.
    fn repeat(&mut self, now: Time, sink: &mut impl Sink) {
        let formed = self.formed();
        let quiet = formed || !self.started || self.machine.gave_up;
        self.retry = if quiet { Time::NEVER } else { now.after(self.backoff.next()) };
        if !self.started || self.machine.gave_up || self.role == Role::Joiner && formed {
            return;
        }
        let say = match (self.role, self.machine.local_done) {
            (Role::Joiner, _) => Say::Ask,
            (Role::Founder, true) => Say::Ready { asking: !formed },
            (Role::Founder, false) => Say::Ping,
        };
        let count = self.machine.members.len();
        let from = usize::from(self.cursor);
        for at in 0..count {
            let index = (from + at) % count;
            let to = self.machine.members.list()[index];
            if to != self.me.id && !self.send(now, to, say, sink) {
                self.cursor = index as u16;
                return;
            }
        }
    }

    /// Our readiness, or our formation, to one that is still trying.
    fn reassure(&mut self, now: Time, to: NodeId, sink: &mut impl Sink) {
        let index = self.machine.members.find(to);
        if to == self.me.id
            || !pass(&mut self.reassured, &mut self.strangers, index, to, now, self.settings.reassure_gap)
        {
            self.tally.gated += 1;
            return;
        }
        let formation = self.machine.formation.filter(|_| self.formed());
        match formation {
            Some(formation) => {
                let mut founders = [NodeId::NONE; NOTICE_IDS_MAX];
                let genesis = usize::from(self.machine.genesis).min(NOTICE_IDS_MAX);
                founders[..genesis].copy_from_slice(&self.machine.members.list()[..genesis]);
                self.send(now, to, Say::Notice(formation, &founders[..genesis]), sink);
            }
            None if self.machine.local_done && index.is_some() => {
                self.send(now, to, Say::Ready { asking: false }, sink);
            }
            None => {}
        }
    }

    fn refuse(&mut self, now: Time, to: NodeId, listed: bool, sink: &mut impl Sink) {
        let index = self.machine.members.find(to);
        if to == self.me.id || !pass(&mut self.refused, &mut self.strangers, index, to, now, self.settings.refusal_gap)
        {
            self.tally.gated += 1;
            return;
        }
        self.send(now, to, Say::Refusal { listed }, sink);
    }

    fn send(&mut self, now: Time, to: NodeId, say: Say<'_>, sink: &mut impl Sink) -> bool {
        if !self.budget.take(now) {
            self.tally.held_back += 1;
            return false;
        }
        let mut buffer = [0; BOOTSTRAP_BYTES_MAX];
        self.sequence = self.sequence.wrapping_add(1);
        // The buffer holds the longest message and a notice names at most as many founders as fit.
        if let Ok(bytes) = encode(&mut buffer, self.me, self.sequence, &self.machine.own, say) {
            sink.send(to, Class::Bootstrap, bytes);
            self.tally.sent += 1;
        }
        true
    }

    fn formed(&self) -> bool {
        self.machine.state() == State::Formed
    }

    /// What the machine shows.
    pub fn view(&self) -> View<'_> {
        self.machine.view()
    }

    /// The machine, for its reasons and displays.
    pub const fn machine(&self) -> &Machine<W> {
        &self.machine
    }

    /// What was counted.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// The gate of a peer: its own if it is a member, a shared one if not.
fn pass<const W: usize>(
    members: &mut [[Gate; WORD]; W],
    strangers: &mut [Gate; STRANGER_GATES],
    index: Option<usize>,
    id: NodeId,
    now: Time,
    gap: Span,
) -> bool {
    let gate = match index {
        Some(index) => members.as_flattened_mut().get_mut(index),
        None => strangers.get_mut(id.get() as usize % STRANGER_GATES),
    };
    gate.is_some_and(|gate| gate.pass(now, gap))
}
