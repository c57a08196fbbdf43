//! Calls, mailboxes, and how a program fails or ends (`avm:4.1`, `avm:7.2`, `avm:7.5`).

use super::config::{Capability, Failure, Output, StackEntry, Status, Why};
use super::convert::kind;
use super::exec::{Context, Enter, Exec, Fault, Restart, Saved, type_error};
use super::interp::enter;
use super::loaded::{Behaviour, Code};
use super::native::Native;
use super::queue::Letter;
use super::remote::Step;
use super::trace::What;
use super::tx::{Mode, NO_ENTRY};
use super::word::{NOTHING, Value};
use super::world::{Did, Flow, World, error_text};
use crate::error::{AvmError, ControllerError, MachineError, ObjError, ProgramError, ReflectError, TxError};
use crate::event::Event;
use crate::id::{ObjectId, ROOT};

/// Levels of a failed execution that are told.
const STACK: usize = 64;

impl World {
    /// call (`avm:4.1`, `avm:7.2`).
    pub(super) fn call(&mut self, code: &Code, x: &mut Exec, dst: u8, start: u8) -> Result<Did, Fault> {
        let target = x.arg(start, 0);
        let id = self.object_arg(x, target)?;
        let message = x.arg(start, 1);
        self.no_function(message)?;
        // An implicit one that is open here waited for an object of another torus.
        let outermost = x.tx.mode != Mode::Explicit;
        self.open(x);
        let at = self.find(x, id)?;
        if x.tx.explicit() {
            self.own(x, at)?;
            self.observe(x, at);
        } else {
            self.covered(x, &x.tx.table[at as usize])?;
        }
        let entry = &x.tx.table[at as usize];
        let machine = entry.machine;
        let behaviour = &code.behaviours[entry.behaviour as usize];
        if machine != self.machine && !self.machine_reachable(machine) {
            return Err(MachineError::MachineUnreachable(self.machine_name(machine)).into());
        }
        if let Some(messages) = &behaviour.messages
            && !self.understood(x, messages, message)
        {
            return Err(ObjError::InvalidInput(id, self.val(message)).into());
        }
        if x.contexts.len() > self.config.call_depth as usize {
            return Err(self.too_deep());
        }
        if outermost && !x.inside() {
            self.note_restart(x, behaviour);
        }
        let caller = x.context();
        let replicas = !self.store.replicas.is_empty() || !x.shadows.is_empty();
        let replica = replicas && self.on_replica(x, id, machine, caller.machine)?;
        let base = x.frame().base as usize + start as usize;
        let input = std::mem::replace(&mut x.regs[base + 1], NOTHING);
        x.contexts.push(Context {
            id,
            input,
            sender: Some(caller.id),
            machine: if replica { caller.machine } else { machine },
            entry: if replica { NO_ENTRY } else { at },
            epoch: if replica { 0 } else { x.tx.epoch },
            replica,
        });
        enter(self, code, x, behaviour.function, base, dst, Enter::Call);
        Ok(Did::Switched)
    }

    fn note_restart(&self, x: &mut Exec, behaviour: &Behaviour) {
        x.restart = Some(Restart {
            trace: x.trace.mark(),
            frame: x.frames.len() as u32,
            func: behaviour.function,
            natives: x.natives.len(),
            random: x.random,
            fd: x.fd.as_ref().map(|fd| fd.mark()),
            again: 0,
        });
    }

    /// Whether a call from a machine runs on a replica there; what undoes it is remembered.
    fn on_replica(&mut self, x: &mut Exec, id: ObjectId, primary: u32, machine: u32) -> Result<bool, Fault> {
        // What this transaction has frozen has its newest state at home until the commit.
        if x.tx.explicit() || primary == machine || x.tx.frozen(id) {
            return Ok(false);
        }
        if !self.remotes.idle() && self.undecided_write(id, u64::MAX) {
            // It may be frozen, and then gives up what it has taken until now.
            return Err(Self::want_decision(x));
        }
        let Some(replica) = Self::replica(&mut self.store, x, (id, machine)) else { return Ok(false) };
        let (state, inputs) = (replica.state, replica.inputs.len());
        if inputs >= self.config.mailbox as usize {
            return Err(ProgramError::Memory(u64::from(self.config.mailbox)).into());
        }
        if !x.replicas.iter().any(|(other, at, ..)| (*other, *at) == (id, machine)) {
            x.replicas.push((id, machine, self.heap.retain(state), inputs));
        }
        Ok(true)
    }

    /// Ends a behaviour with its list of outputs; takes over the reference.
    pub(super) fn call_returned(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Flow, Fault> {
        // A message that is taken again is a part of its freeze, which commits.
        let outermost = x.contexts.len() == 2 && x.frame().enter != Enter::Replay;
        let jointly = outermost && x.tx.mode == Mode::Implicit && self.jointly(x);
        if !jointly
            && x.contexts.len() == 2
            && x.tx.mode == Mode::Implicit
            && x.restart.is_some()
            && self.stale(x)
            && let Some(refused) = self.conflict(x)
        {
            self.heap.release(value);
            return self.call_again(code, x, &refused).map(|()| Flow::Next);
        }
        let outputs = self.settle(x, value);
        if !outputs.is_list() {
            let found = kind(&self.heap, outputs);
            self.heap.release(value);
            return Err(type_error("a list of outputs from the behaviour", found));
        }
        if outputs.flags() & super::word::FUNCTION != 0 {
            self.heap.release(value);
            return Err(ProgramError::Type("a function does not leave its execution".to_owned()).into());
        }
        if jointly {
            let step = self.joint(code, x);
            if !matches!(step, Ok(Step::Done)) {
                self.heap.release(value);
            }
            match step? {
                Step::Done => {}
                Step::Wait => return Ok(Self::park(x, Why::Elsewhere)),
                Step::Refused(refused) => return self.call_again(code, x, &refused).map(|()| Flow::Next),
            }
        }
        let none = self.heap.len(outputs) == 0;
        let output = if none { NOTHING } else { self.heap.retain(self.heap.child(outputs, 0)) };
        self.heap.release(value);
        let frame = x.frame();
        self.leave(code, x);
        let context = x.context();
        x.contexts.pop();
        if (x.contexts.len() as u32) < x.context_floor {
            self.heap.retain(context.input);
            x.saved.push(Saved::Context(x.contexts.len() as u32, context));
            x.context_floor = x.contexts.len() as u32;
        }
        if frame.enter == Enter::Replay {
            self.heap.release(output);
            self.heap.release(context.input);
            return self.replay_next(code, x, frame.dst);
        }
        let what = if none { What::CalledWithoutOutput } else { What::Called };
        self.log(x, what, context.id.0, context.input, output);
        if context.replica {
            self.log_input(x, &context);
        }
        if x.tx.explicit() {
            x.tx.log.push((context.id, context.input));
        } else {
            self.heap.release(context.input);
        }
        x.set(&mut self.heap, frame.dst, output);
        if x.contexts.len() == 1 && x.tx.mode == Mode::Implicit {
            self.publish(code, x)?;
        }
        Ok(Flow::Next)
    }

    /// A replica remembers what it was asked, for the freeze that reconciles it (`avm:10.4`).
    fn log_input(&mut self, x: &mut Exec, context: &Context) {
        let stamp = self.store.replica_stamp();
        if let Some(replica) = Self::replica(&mut self.store, x, (context.id, context.machine)) {
            replica.inputs.push(self.heap.retain(context.input));
            replica.stamp = stamp;
        }
    }

    /// receive (`avm:4.1`, `decisions:AVM-13`).
    pub(super) fn receive(&mut self, code: &Code, x: &mut Exec) -> Result<Did, Fault> {
        match self.take_message(x) {
            Some(message) => Ok(Did::Value(message)),
            None if !x.blocking => Ok(Did::Value(NOTHING)),
            None => self.wait_for_message(code, x, None),
        }
    }

    /// receiveFor (`decisions:AVM-23`): waits for a message, also when the execution does not block, but not longer than so many
    /// ticks from when it finds none.
    pub(super) fn receive_for(&mut self, code: &Code, x: &mut Exec, ticks: Value) -> Result<Did, Fault> {
        self.capable(Capability::Clock)?;
        let over = std::mem::take(&mut x.woken);
        let ticks = self.ticks_arg(x, ticks, "receiveFor")?;
        match self.take_message(x) {
            Some(message) => Ok(Did::Value(message)),
            None if over => Ok(Did::Value(NOTHING)),
            None => self.wait_for_message(code, x, Some(ticks)),
        }
    }

    /// The next message of the mailbox of whoever runs.
    fn take_message(&mut self, x: &mut Exec) -> Option<Value> {
        let id = x.context().id;
        let message = if id == ROOT {
            x.mailbox.pop_front()
        } else {
            self.store.mailboxes.get_mut(&id).and_then(std::collections::VecDeque::pop_front)
        }?;
        self.open(x);
        self.heap.retain(message);
        x.tx.pops.push((id, message));
        self.log(x, What::Received, id.0, message, NOTHING);
        Some(message)
    }

    fn wait_for_message(&mut self, code: &Code, x: &mut Exec, ticks: Option<u64>) -> Result<Did, Fault> {
        if x.undecided() {
            return Err(TxError::InvalidDuringTx("receive with open choices".to_owned()).into());
        }
        // What it waits for may be an answer to what was done before.
        if let Some(did) = self.await_joint(code, x)? {
            return Ok(did);
        }
        if x.tx.mode == Mode::Implicit && !self.publish(code, x)? {
            return Ok(Did::Switched);
        }
        if let Some(ticks) = ticks {
            self.outputs.push(Output::Sleep { execution: x.id, ticks });
        }
        Ok(Did::Flow(Self::park(x, Why::Receiving)))
    }

    /// Waits; the instruction is done again then.
    pub(super) fn park(x: &mut Exec, why: Why) -> Flow {
        if let Some(frame) = x.frames.last_mut() {
            frame.pc -= 1;
        }
        Flow::Park(why)
    }

    /// send (`decisions:AVM-13`).
    pub(super) fn send(&mut self, x: &mut Exec, target: Value, message: Value) -> Result<Did, Fault> {
        self.capable(Capability::Send)?;
        let id = self.object_arg(x, target)?;
        self.no_function(message)?;
        self.open(x);
        let at = self.find(x, id)?;
        self.observe(x, at);
        let staged = x.tx.sends.iter().filter(|letter| letter.to == id).count();
        if self.waiting_for(id) + staged >= self.config.mailbox as usize {
            return Err(ProgramError::Memory(u64::from(self.config.mailbox)).into());
        }
        self.heap.retain(message);
        let (sender, execution) = (x.context().id, x.id);
        x.tx.sends.push(Letter { to: id, sender, execution, message });
        Ok(Did::Value(NOTHING))
    }

    /// Ends the entry with a value whose reference it takes over (`avm:7.5`, last sentence).
    pub(super) fn root_returned(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Flow, Fault> {
        if x.segments.is_some() {
            return self.segment_returned(code, x, value);
        }
        if x.undecided() {
            match self.leave_early(code, x) {
                Ok(None) => {}
                other => {
                    self.heap.release(value);
                    return Ok(other?.unwrap_or(Flow::Next));
                }
            }
        }
        if x.tx.explicit() {
            self.remember_dropped(x, None);
            self.abort_frames(x, 0, false);
        }
        let plain = self.heap.plain(value)?;
        self.heap.release(value);
        self.over(code, x, Ok(plain));
        Ok(Flow::Over)
    }

    /// The execution is over.
    pub(super) fn over(&mut self, code: &Code, x: &mut Exec, result: Result<Value, Box<Failure>>) {
        self.leave_registering(code, x);
        x.release_all(&mut self.heap, code);
        x.result = Some(result);
        x.status = Status::Terminated;
    }

    /// A program fails (`avm:7.5`). What fails in a pure function is `nothing`.
    pub(super) fn fail(&mut self, code: &Code, x: &mut Exec, fault: Fault) -> Flow {
        // Nothing failed: something from elsewhere has to come first.
        if x.wanted.is_some() {
            return self.wait_for(x);
        }
        let mut fault = fault;
        if x.tx.mode == Mode::Implicit
            && let Some(restart) = x.restart
            && restart.again < super::again::MOST_AGAIN
            && matches!(*fault, AvmError::Program(ProgramError::SnapshotEvicted(_)))
        {
            self.begin_anew(code, x, restart);
            return Flow::Next;
        }
        if x.tx.mode == Mode::Implicit
            && x.restart.is_none()
            && matches!(*fault, AvmError::Program(ProgramError::SnapshotEvicted(_)))
            && self.instruction_again(code, x)
        {
            return Flow::Next;
        }
        if x.pures > 0 && Self::caught_by_pure(&fault) {
            self.leave_pure(code, x);
            return Flow::Next;
        }
        if x.frames.iter().any(|frame| frame.enter == Enter::Scry) && !Self::used_up(&fault) {
            fault = ReflectError::ScryPredicateFailed(error_text(&fault)).into();
        }
        if let Some(id) = Self::replayed(x, &fault) {
            fault = ControllerError::FreezeFailed(id).into();
        }
        if x.undecided() {
            match self.leave_early(code, x) {
                Ok(Some(flow)) => return flow,
                Ok(None) => {}
                Err(other) => fault = other,
            }
        }
        self.failed(code, x, fault)
    }

    /// Object whose replicas are not to be reconciled, when a message it takes again fails on it (`avm:10.4`). What an execution has
    /// used up says nothing about the object.
    fn replayed(x: &Exec, fault: &AvmError) -> Option<ObjectId> {
        if Self::used_up(fault) || x.frames.iter().all(|frame| frame.enter != Enter::Replay) {
            return None;
        }
        x.natives.iter().rev().find_map(|native| match native {
            Native::Freeze { replay, .. } => Some(replay.id),
            _ => None,
        })
    }

    /// Whether a failure says what an execution has used up, and nothing about what it was doing.
    const fn used_up(fault: &AvmError) -> bool {
        use ProgramError as P;
        matches!(
            fault,
            AvmError::Program(
                P::Fuel(_)
                    | P::Memory(_)
                    | P::SolverUnknown(_)
                    | P::SnapshotEvicted(_)
                    | P::Conflict(_)
                    | P::Terminated
            )
        )
    }

    const fn caught_by_pure(fault: &AvmError) -> bool {
        use ProgramError as P;
        matches!(fault, AvmError::Program(P::Arithmetic(_) | P::Match(_) | P::Type(_) | P::Raised(_)))
    }

    /// Leaves the innermost pure function with `nothing`.
    fn leave_pure(&mut self, code: &Code, x: &mut Exec) {
        let Some(at) = x.frames.iter().rposition(|frame| frame.enter == Enter::Pure) else { return };
        let dst = x.frames[at].dst;
        x.unwind(code, &mut self.heap, at, x.contexts.len());
        x.pures -= 1;
        x.set(&mut self.heap, dst, NOTHING);
    }

    /// The failure is the observable one.
    pub(super) fn failed(&mut self, code: &Code, x: &mut Exec, fault: Fault) -> Flow {
        let stack = Self::stack(code, x);
        let error = AvmError::clone(&fault);
        x.trace.listen();
        self.log_wide(x, || Event::ErrorOccurred(error));
        self.remember_dropped(x, Some(&*fault));
        self.end_transactions(x);
        self.over(code, x, Err(Box::new(Failure { error: *fault, stack })));
        Flow::Over
    }

    /// Aborts what is open, also what nobody sees.
    pub(super) fn end_transactions(&mut self, x: &mut Exec) {
        match x.tx.mode {
            Mode::Explicit => self.abort_frames(x, 0, x.segments.is_some()),
            Mode::Implicit => {
                self.undo_replicas(x);
                self.ended(x, true);
            }
            Mode::None => {}
        }
    }

    /// Replicas are as they were before the outermost call.
    pub(super) fn undo_replicas(&mut self, x: &mut Exec) {
        for (id, machine, state, inputs) in std::mem::take(&mut x.replicas) {
            match Self::replica(&mut self.store, x, (id, machine)) {
                Some(replica) => {
                    let before = std::mem::replace(&mut replica.state, state);
                    self.heap.release(before);
                    replica.stamp = 0;
                    for input in replica.inputs.drain(inputs.min(replica.inputs.len())..) {
                        self.heap.release(input);
                    }
                }
                None => self.heap.release(state),
            }
        }
    }

    fn stack(code: &Code, x: &Exec) -> Vec<StackEntry> {
        let mut contexts = x.contexts.iter().rev();
        let frames = x.frames.iter().rev().take(STACK);
        frames
            .map(|frame| {
                let (function, file, place) = code.place(frame.func, frame.pc.saturating_sub(1));
                let called = matches!(frame.enter, Enter::Call | Enter::Replay);
                let object = if called { contexts.next().map(|context| context.id) } else { None };
                StackEntry { function, file, place, object }
            })
            .collect()
    }
}
