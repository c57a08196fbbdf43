//! What a torus that runs programs does in each turn of its loop beside events: jobs of the control side, answers of the solver,
//! envelopes of other tori in; questions and envelopes out; wake tokens into the queue.
//!
//! A job is a closure of the control side that looks at the machine or changes it between two events; its answer goes back by a ring
//! of its own. So nothing of the machine is shared, and no lock is taken.
//!
//! What finds no room waits in a line of its own: questions in one, envelopes in one for each torus. So a solver that is behind
//! keeps no answer from the tori that wait for it, and a torus that is behind none from the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use avm::id::{ExecutionId, TxId};
use avm::nondet::{Ir, Limits};
use avm::vm::{Envelope, Input as LaneInput, Output};
use torus::{Input, Torus};

use super::machine::LaneMachine;
use super::ports::Ports;
use super::reactor::Avm;
use super::solver::Asker;
use crate::runtime::aside::Aside;
use crate::runtime::clock::Clock;
use crate::runtime::inputs::Inputs;
use crate::runtime::ring::Receiver;

/// A torus that runs programs.
pub type AvmTorus<'m> = Torus<'m, Avm<LaneMachine>>;

/// What the control side wants done.
pub type Job = Box<dyn FnOnce(&mut Avm<LaneMachine>) + Send>;

/// Wakes a torus, by its braid id, when it sleeps.
pub type Bell = Box<dyn FnMut(u8) + Send>;

/// Who asks the solver, and in which transaction.
type Asks = (ExecutionId, Option<TxId>);

/// Jobs of one turn.
const JOBS: u32 = 8;
/// Envelopes and answers of one turn.
const LETTERS: u32 = 256;
/// Wake tokens injected in one turn.
const WAKES: u32 = 512;

/// The desk of one torus.
pub struct Desk {
    jobs: Receiver<Job>,
    asker: Asker,
    envelopes: Ports<Envelope>,
    clock: Clock,
    /// Tokens of its own the queue takes.
    own_limit: u64,
    bell: Bell,
    /// Tori that something was sent to in this turn: each is woken once.
    sent: BTreeSet<u8>,
    /// Questions for which the solver had no room, the oldest first.
    questions: VecDeque<(Asks, Box<Ir>, Limits)>,
    /// Envelopes for which their way had no room, by torus, the oldest first.
    letters: BTreeMap<u8, VecDeque<Envelope>>,
    /// Envelopes to which no way leads, or none any more.
    lost: Vec<(u8, Envelope)>,
}

impl Desk {
    /// Puts it together.
    #[must_use]
    pub fn new(
        jobs: Receiver<Job>,
        asker: Asker,
        envelopes: Ports<Envelope>,
        clock: Clock,
        own_limit: u64,
        bell: Bell,
    ) -> Self {
        let (sent, questions, letters) = (BTreeSet::new(), VecDeque::new(), BTreeMap::new());
        Self { jobs, asker, envelopes, clock, own_limit, bell, sent, questions, letters, lost: Vec::new() }
    }

    fn take_jobs(&mut self, avm: &mut Avm<LaneMachine>) -> bool {
        for done in 0..JOBS {
            match self.jobs.try_recv() {
                Ok(job) => job(avm),
                Err(_) => return done > 0,
            }
        }
        true
    }

    fn take_letters(&mut self, avm: &mut Avm<LaneMachine>) -> bool {
        let mut any = false;
        for _ in 0..LETTERS {
            let Some(solved) = self.asker.answer() else { break };
            any = true;
            // An execution that was ended meanwhile waits for nothing.
            let machine = avm.machine_mut();
            machine.note_answer(solved.execution, solved.took_ns);
            let input = LaneInput::Solved { execution: solved.execution, outcome: solved.outcome };
            let _ = machine.lane.input(input);
        }
        for _ in 0..LETTERS {
            let Some((from, envelope)) = self.envelopes.take() else { break };
            any = true;
            // A message for a mailbox that is gone or full is dropped here, and counted: who sent it has gone on.
            if avm.machine_mut().lane.input(LaneInput::Envelope { from, envelope }).is_err() {
                avm.machine_mut().note_lost_message();
            }
        }
        // Jobs may have handed messages over, too.
        avm.machine_mut().lane.process_queue();
        any
    }

    /// Asks the solver, after those that wait already.
    fn ask(&mut self, question: (Asks, Box<Ir>, Limits), now_ns: u64) {
        self.questions.push_back(question);
        while let Some((asks, ir, limits)) = self.questions.pop_front() {
            if let Err((ir, limits)) = self.asker.ask(asks, ir, limits, now_ns) {
                self.questions.push_front((asks, ir, limits));
                return;
            }
        }
    }

    /// Sends to a torus, after what waits for it already; what no way leads to goes back to the lane.
    fn post(&mut self, to: u8, envelope: Envelope) {
        let line = self.letters.entry(to).or_default();
        line.push_back(envelope);
        while let Some(envelope) = line.pop_front() {
            if let Err(envelope) = self.envelopes.send(to, envelope) {
                if self.envelopes.reaches(to) {
                    line.push_front(envelope);
                    return;
                }
                self.lost.push((to, envelope));
                continue;
            }
            self.sent.insert(to);
        }
    }

    /// What waited for room tries again.
    fn pass_on_late(&mut self, now_ns: u64) {
        if let Some(last) = self.questions.pop_back() {
            self.ask(last, now_ns);
        }
        let behind: Vec<u8> = self.letters.iter().filter(|(_, line)| !line.is_empty()).map(|(to, _)| *to).collect();
        for to in behind {
            if let Some(last) = self.letters.get_mut(&to).and_then(VecDeque::pop_back) {
                self.post(to, last);
            }
        }
    }

    /// Passes on what has come out, and wakes whom it was sent to. Whether there is more to do soon: what waits for room on its way
    /// to a torus tries until there is some, what waits for the solver until an answer comes.
    fn pass_on(&mut self, avm: &mut Avm<LaneMachine>, now_ns: u64) -> bool {
        self.pass_on_late(now_ns);
        let mut any = false;
        while let Some(output) = avm.next_output() {
            any = true;
            match output {
                Output::Solve { execution, ir, limits } => {
                    avm.machine_mut().note_question(execution, &ir);
                    let asks = (execution, avm.machine().lane.open_transaction(execution));
                    self.ask((asks, ir, limits), now_ns);
                }
                Output::Send { to, envelope } => self.post(to, envelope),
                Output::Ended(execution) => avm.machine_mut().note_end(execution),
                // There is no journal yet: what is recorded is in memory.
                Output::Record(record) => {
                    let _ = avm.machine_mut().lane.input(LaneInput::Recorded { number: record.number });
                }
                // Taken by the reactor and the machine.
                Output::Ready(_) | Output::Sleep { .. } | Output::Noted { .. } | Output::NotesLost { .. } => {}
            }
        }
        while let Some(to) = self.sent.pop_first() {
            (self.bell)(to);
        }
        any |= !self.lost.is_empty();
        for (to, envelope) in self.lost.drain(..) {
            // Nobody waits for ever: the lane counts it, and who waits for an answer fails.
            let _ = avm.machine_mut().lane.input(LaneInput::Undeliverable { to, envelope });
        }
        avm.settle();
        any || self.letters.values().any(|line| !line.is_empty())
    }

    fn inject(&mut self, torus: &mut AvmTorus<'_>, inputs: &mut Inputs) -> bool {
        let mut any = false;
        for _ in 0..WAKES {
            if torus.counters().pending >= self.own_limit || inputs.room() == 0 {
                break;
            }
            let clock = torus.counters().clock;
            let Some((execution, cell, delay)) = torus.reactor_mut().next_ready() else { break };
            any = true;
            let input = match delay {
                0 => Input::Inject { dst: cell, src: cell, payload: execution.0, count: 1 },
                ticks => {
                    let time = clock.saturating_add(ticks);
                    Input::InjectAt { time, dst: cell, src: cell, payload: execution.0 }
                }
            };
            inputs.apply(torus, input);
        }
        any
    }
}

impl Aside<Avm<LaneMachine>> for Desk {
    fn turn(&mut self, torus: &mut Torus<'_, Avm<LaneMachine>>, inputs: &mut Inputs, now_ns: u64) -> bool {
        let unix_ns = self.clock.unix_ns(now_ns);
        let avm = torus.reactor_mut();
        avm.set_now(unix_ns);
        avm.machine_mut().set_unix(unix_ns);
        let mut worked = self.take_jobs(avm);
        worked |= self.take_letters(avm);
        avm.settle();
        worked |= self.pass_on(avm, now_ns);
        worked |= self.inject(torus, inputs);
        worked
    }

    fn waiting(&self) -> bool {
        !self.jobs.is_empty() || self.asker.waiting() || self.envelopes.waiting()
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
