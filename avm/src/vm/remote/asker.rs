//! The side of the execution: what it wants from elsewhere, and its commit over several tori.

use super::super::config::{Refused, Why};
use super::super::exec::{Exec, Fault};
use super::super::lane::Lane;
use super::super::loaded::Code;
use super::super::store::Version;
use super::super::tx::{CANCELLED, CREATED, DESTROYED, ELSEWHERE, Entry, MOVED, Mode, OBSERVED, STATE, TRANSFERRED};
use super::super::word::Value;
use super::super::world::{Did, Flow, World};
use super::home::Placed;
use super::{About, Key, Moving, Remote, Shipped, Wanted};
use crate::error::{ObjError, ProgramError, TxError};
use crate::id::{ExecutionId, ObjectId, ROOT};

/// A commit over several tori on its way.
#[derive(Debug)]
pub(in crate::vm) struct Joint {
    key: Key,
    /// Homes of what was touched, ascending.
    tori: Vec<u8>,
    /// Which is being prepared.
    at: usize,
    /// It was asked; and what it has answered.
    asked: bool,
    answer: Option<Answer>,
    /// Stamp of the commit.
    pub(in crate::vm) decided: Option<u64>,
}

/// What a home says to a prepare.
#[derive(Debug)]
pub(super) enum Answer {
    Placed,
    /// This is no longer what was read; by whom it was written.
    Changed(ObjectId, Option<ExecutionId>),
    /// There is no way to it.
    Lost,
}

/// How far a commit is.
pub(in crate::vm) enum Step {
    /// It may be applied.
    Done,
    /// Something has to come first.
    Wait,
    Refused(Refused),
}

/// Whether the transaction would write the object.
const fn dirty(entry: &Entry) -> bool {
    entry.has(STATE | CREATED | TRANSFERRED | MOVED | DESTROYED)
        && !entry.has(CANCELLED)
        && !(entry.has(CREATED) && entry.has(DESTROYED))
}

impl World {
    /// An object of another torus is wanted: the instruction is done again when it has come.
    #[cold]
    pub(in crate::vm) fn want(&mut self, x: &mut Exec, object: ObjectId, torus: u8) -> Fault {
        if let Some(Wanted::Failed(error)) = x.wanted.take() {
            return error;
        }
        x.wanted = Some(Wanted::Object(object, torus));
        ProgramError::Raised(String::new()).into()
    }

    /// A decision is wanted, in the same way.
    #[cold]
    pub(in crate::vm) fn want_decision(x: &mut Exec) -> Fault {
        x.wanted = Some(Wanted::Decision);
        ProgramError::Raised(String::new()).into()
    }

    /// Waits for what is wanted.
    #[cold]
    pub(in crate::vm) fn wait_for(&mut self, x: &mut Exec) -> Flow {
        if let Some(Wanted::Object(object, torus)) = x.wanted {
            self.remotes.attempts += 1;
            let key = Key { execution: x.id, attempt: self.remotes.attempts };
            x.attempt = key.attempt;
            self.say(torus, About::Fetch { key, object, snapshot: x.tx.snapshot });
        } else if let Some(Wanted::Look(_)) = x.wanted {
            self.look(x);
        }
        Self::park(x, Why::Elsewhere)
    }

    /// A version has come for a waiting execution.
    pub(super) fn arrived(&mut self, code: &Code, x: &mut Exec, object: ObjectId, shipped: &Shipped) {
        x.wanted = None;
        let version = match self.unship(code, shipped) {
            Ok(Some(version)) => version,
            Ok(None) => {
                let name = shipped.behaviour.0.to_string();
                x.wanted = Some(Wanted::Failed(Box::new(ObjError::BehaviourNotFound(name).into())));
                return;
            }
            Err(full) => {
                x.wanted = Some(Wanted::Failed(Box::new(ProgramError::Memory(full.0).into())));
                return;
            }
        };
        if let Err(full) = self.shadow(x, object, &shipped.replicas) {
            self.heap.release(version.state);
            x.wanted = Some(Wanted::Failed(Box::new(ProgramError::Memory(full.0).into())));
            return;
        }
        if x.tx.lookup(object).is_none() {
            let mut entry = Entry::of(object, &version);
            entry.flags |= ELSEWHERE;
            if x.tx.mode == Mode::Implicit {
                entry.flags |= OBSERVED;
            }
            x.tx.insert(&mut self.heap, entry);
            x.tx.elsewhere = true;
        }
        self.heap.release(version.state);
    }

    /// Whether a commit has to look beyond its own table.
    #[inline(always)]
    pub(in crate::vm) fn jointly(&self, x: &Exec) -> bool {
        x.tx.elsewhere || !self.remotes.idle()
    }

    /// Drives the commit of the open transaction as far as it goes.
    pub(in crate::vm) fn joint(&mut self, code: &Code, x: &mut Exec) -> Result<Step, Fault> {
        if x.joint.is_none() {
            if let Some(refused) = self.conflict(x) {
                return Ok(Step::Refused(refused));
            }
            let mut tori: Vec<u8> = Vec::new();
            for entry in x.tx.table.iter().filter(|entry| entry.id != ROOT && (entry.has(OBSERVED) || dirty(entry))) {
                if !tori.contains(&entry.id.torus()) {
                    tori.push(entry.id.torus());
                }
            }
            if tori.iter().all(|torus| *torus == self.config.torus) {
                if self.blocked(x) {
                    x.wanted = Some(Wanted::Decision);
                    return Ok(Step::Wait);
                }
                return Ok(Step::Done);
            }
            if !x.terms.is_empty() {
                self.make_plain(x)?;
            }
            tori.sort_unstable();
            self.remotes.attempts += 1;
            let key = Key { execution: x.id, attempt: self.remotes.attempts };
            x.joint = Some(Box::new(Joint { key, tori, at: 0, asked: false, answer: None, decided: None }));
        }
        self.prepare_next(code, x)
    }

    /// Whether an undecided transaction has left something in what this one touches.
    fn blocked(&self, x: &Exec) -> bool {
        x.tx.table.iter().any(|entry| {
            let Some(intent) = self.remotes.intents.get(&entry.id) else { return false };
            intent.write.is_some() && (entry.has(OBSERVED) || dirty(entry)) || dirty(entry) && !intent.reads.is_empty()
        })
    }

    fn prepare_next(&mut self, code: &Code, x: &mut Exec) -> Result<Step, Fault> {
        loop {
            let Some(joint) = &mut x.joint else { return Ok(Step::Done) };
            if joint.decided.is_some() {
                return Ok(Step::Done);
            }
            let (key, at) = (joint.key, joint.at);
            let Some(torus) = joint.tori.get(at).copied() else {
                self.store.clock += 1;
                let stamp = self.store.clock;
                joint.decided = Some(stamp);
                let tori = joint.tori.clone();
                self.tell(&tori, key, Some(stamp));
                return Ok(Step::Done);
            };
            let answer = joint.answer.take();
            if torus == self.config.torus {
                let (reads, writes) = Self::part(x, torus);
                let written: Vec<ObjectId> = writes.iter().map(|entry| entry.id).collect();
                match self.place(key, &reads, &written) {
                    Placed::Yes => {}
                    Placed::Wait => {
                        x.wanted = Some(Wanted::Decision);
                        return Ok(Step::Wait);
                    }
                    Placed::Changed(object) => {
                        let by = self.store.writer(object);
                        return Ok(self.give_up(x, object, by));
                    }
                }
            } else {
                match answer {
                    None if !joint.asked => {
                        joint.asked = true;
                        let (reads, writes) = Self::part(x, torus);
                        let writes = writes.iter().map(|entry| (entry.id, self.written(code, entry))).collect();
                        let frozen = self.frozen_at(x, torus);
                        self.say(torus, About::Prepare { key, reads, writes, frozen });
                        return Ok(Step::Wait);
                    }
                    None => return Ok(Step::Wait),
                    Some(Answer::Changed(object, by)) => return Ok(self.give_up(x, object, by)),
                    Some(Answer::Lost) => {
                        self.drop_joint(x);
                        return Err(Self::lost_torus(torus));
                    }
                    Some(Answer::Placed) => {}
                }
            }
            if let Some(joint) = &mut x.joint {
                joint.at += 1;
                joint.asked = false;
            }
        }
    }

    /// What the transaction has read and would write of a torus.
    fn part(x: &Exec, torus: u8) -> (Vec<(ObjectId, u64)>, Vec<Entry>) {
        let of = || x.tx.table.iter().filter(move |entry| entry.id != ROOT && entry.id.torus() == torus);
        let reads = of().filter(|entry| entry.has(OBSERVED) && !entry.has(CREATED));
        (reads.map(|entry| (entry.id, entry.stamp)).collect(), of().filter(|entry| dirty(entry)).copied().collect())
    }

    fn written(&self, code: &Code, entry: &Entry) -> Shipped {
        let version = Version {
            state: entry.state,
            stamp: entry.stamp,
            behaviour: entry.behaviour,
            machine: entry.machine,
            creating: entry.creating,
            current: entry.current,
            exists: true,
            damaged: false,
        };
        Shipped { exists: !entry.has(DESTROYED), ..self.ship(code, &version) }
    }

    fn tell(&mut self, tori: &[u8], key: Key, stamp: Option<u64>) {
        for torus in tori {
            if *torus == self.config.torus {
                self.decided(key, stamp);
            } else {
                self.say(*torus, About::Decide { key, stamp });
            }
        }
    }

    fn give_up(&mut self, x: &mut Exec, object: ObjectId, by: Option<ExecutionId>) -> Step {
        self.drop_joint(x);
        Step::Refused(Refused::Changed { object, by })
    }

    /// A commit that is not decided is called off.
    pub(in crate::vm) fn drop_joint(&mut self, x: &mut Exec) {
        if let Some(joint) = x.joint.take()
            && joint.decided.is_none()
        {
            let asked = (joint.at + 1).min(joint.tori.len());
            self.tell(&joint.tori[..asked], joint.key, None);
        }
    }

    /// Before the implicit transaction is published in the middle of a call: none when it may be.
    pub(in crate::vm) fn await_joint(&mut self, code: &Code, x: &mut Exec) -> Result<Option<Did>, Fault> {
        if x.tx.mode != Mode::Implicit || !self.jointly(x) {
            return Ok(None);
        }
        match self.joint(code, x)? {
            Step::Done => Ok(None),
            Step::Wait => Ok(Some(Did::Flow(Self::park(x, Why::Elsewhere)))),
            Step::Refused(refused) => {
                self.call_again(code, x, &refused)?;
                Ok(Some(Did::Switched))
            }
        }
    }

    /// The outermost call is run again.
    pub(in crate::vm) fn call_again(&mut self, code: &Code, x: &mut Exec, refused: &Refused) -> Result<(), Fault> {
        let what = match refused {
            Refused::Changed { object, .. } => format!("object {object} was changed by others"),
            Refused::Updated { function } => format!("the pure function {function} was updated"),
            Refused::Unsatisfiable { .. } | Refused::Dropped { .. } => return Err(TxError::NoActiveTx.into()),
        };
        self.met(code, x, &what)
    }

    /// An instruction outside every call has done its part on the overlay; its value is given when the commit is through.
    pub(in crate::vm) fn give_later(&mut self, code: &Code, x: &mut Exec, dst: u8, value: Value) -> Result<Did, Fault> {
        match self.joint(code, x) {
            Ok(Step::Done) => {
                self.publish(code, x)?;
                Ok(Did::Value(value))
            }
            Ok(Step::Wait) => {
                x.later = Some((dst, value));
                Ok(Did::Flow(Flow::Park(Why::Elsewhere)))
            }
            Ok(Step::Refused(_)) => {
                self.heap.release(value);
                if let Some(mark) = x.decided {
                    x.trace.rewind(&mut self.heap, mark);
                }
                self.drop_staged(x, 0);
                self.ended(x, true);
                if let Some(frame) = x.frames.last_mut() {
                    frame.pc -= 1;
                }
                Ok(Did::Flow(Flow::Next))
            }
            Err(fault) => {
                self.heap.release(value);
                Err(fault)
            }
        }
    }

    /// Goes on with an instruction whose commit was under way; none when the program may go on.
    pub(in crate::vm) fn go_on_later(&mut self, code: &Code, x: &mut Exec) -> Option<Flow> {
        let (dst, value) = x.later.take()?;
        match self.give_later(code, x, dst, value) {
            Ok(Did::Value(value)) => {
                x.set(&mut self.heap, dst, value);
                None
            }
            Ok(Did::Flow(Flow::Next) | Did::Switched) => None,
            Ok(Did::Flow(flow)) => Some(flow),
            Err(fault) => match self.fail(code, x, fault) {
                Flow::Next => None,
                flow => Some(flow),
            },
        }
    }
}

impl Lane {
    /// Something from another torus about objects.
    pub(in crate::vm) fn remote(&mut self, from: u8, remote: Remote) {
        self.world.store.clock = self.world.store.clock.max(remote.clock);
        match remote.about {
            About::Fetched { key, object, shipped, exact, older } => {
                if let Some(x) = self.execs.get_mut(&key.execution)
                    && x.attempt == key.attempt
                    && matches!(x.wanted, Some(Wanted::Object(wanted, _)) if wanted == object)
                {
                    if exact {
                        self.world.arrived(&self.code, x, object, &shipped);
                    } else {
                        let moving = Moving { object, shipped, older, to: remote.clock, left: Vec::new() };
                        self.world.move_on(&self.code, x, Box::new(moving));
                    }
                    self.ready_unless_waiting(key.execution);
                }
            }
            About::Checked { key, same } => {
                if let Some(x) = self.execs.get_mut(&key.execution)
                    && x.attempt == key.attempt
                {
                    self.world.checked(&self.code, x, from, same);
                    self.ready_unless_waiting(key.execution);
                }
            }
            About::Looked { key, rows } => self.rows(key, rows),
            About::Prepared { key, refused } => {
                let answer = refused.map_or(Answer::Placed, |(object, by)| Answer::Changed(object, by));
                self.prepared(key, answer);
            }
            About::Registry(what) => self.registry(from, what),
            asked => self.world.asked(&self.code, from, asked),
        }
        self.stir();
    }

    /// A home has answered a prepare.
    pub(super) fn prepared(&mut self, key: Key, answer: Answer) {
        if let Some(x) = self.execs.get_mut(&key.execution)
            && let Some(joint) = &mut x.joint
            && joint.key == key
        {
            joint.answer = Some(answer);
            self.ready(key.execution);
        }
    }

    /// What an execution waited for may have come.
    pub(super) fn ready_unless_waiting(&mut self, execution: ExecutionId) {
        let waits = |x: &Exec| matches!(x.wanted, Some(Wanted::Snapshot(_) | Wanted::Decision));
        if self.execs.get(&execution).is_some_and(|x| !waits(x)) {
            self.ready(execution);
        }
    }

    /// Intents may have gone: who waits for that looks again.
    pub(in crate::vm) fn stir(&mut self) {
        while self.world.remotes.stirred {
            self.take_answers();
            self.world.look_again(&self.code);
            let waits = self.execs.values_mut().filter(|x| matches!(x.wanted, Some(Wanted::Decision)));
            let mut ready = Vec::new();
            for x in waits {
                x.wanted = None;
                ready.push(x.id);
            }
            ready.into_iter().for_each(|execution| self.ready(execution));
        }
    }

    /// Intents and questions of transactions that are not decided yet.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.world.remotes.open()
    }
}
