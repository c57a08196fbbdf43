//! The lane: what its host sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compose::{Composition, MOST_SEGMENTS, Segment, Segments};
use super::config::{
    Config, Decision, Envelope, ExecutionSummary, Failure, Input, ObjectSummary, Output, Quantum, Start, StartError,
    Status, Why,
};
use super::convert::{from_val, to_val};
use super::exec::{Enter, Exec};
use super::interp::{self, Exit};
use super::loaded::Code;
use super::store::Version;
use super::tx::Mode;
use super::word::Value;
use super::world::{Flow, World};
use crate::error::ProgramError;
use crate::event::LogEntry;
use crate::id::{ExecutionId, ObjectId, ROOT};
use crate::value::Val;

/// Executions kept for reuse of their memory.
const POOL: usize = 64;

/// Name of an entry and the number of its arguments.
pub type Arity = (Arc<str>, u8);

/// Executions, objects and code of one torus.
#[derive(Debug)]
pub struct Lane {
    pub(super) world: World,
    pub(super) code: Code,
    pub(super) execs: BTreeMap<ExecutionId, Box<Exec>>,
    #[allow(clippy::vec_box, reason = "they go back and forth between here and the map, which boxes them")]
    pool: Vec<Box<Exec>>,
    next: u64,
    /// Executions that wait for a message.
    pub(super) receiving: usize,
}

impl Lane {
    /// Takes all memory that is bounded by the configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut first = Box::new(Exec::new(config.trace_bytes));
        first.trace.level = config.trace;
        first.trace.warm();
        Self {
            world: World::new(config),
            code: Code::default(),
            execs: BTreeMap::new(),
            pool: vec![first],
            next: 0,
            receiving: 0,
        }
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.world.config
    }

    /// Names of loaded modules and of their entries, with the number of arguments each takes.
    #[must_use]
    pub fn programs(&self) -> Vec<(Arc<str>, Vec<Arity>)> {
        let mut all: BTreeMap<Arc<str>, Vec<Arity>> = BTreeMap::new();
        for loaded in &self.code.modules {
            let module = &loaded.module;
            let arity =
                |function: u16| module.functions.get(usize::from(function)).map_or(0, |function| function.arity);
            let entries = module.entries.iter().map(|entry| (entry.name.clone(), arity(entry.function))).collect();
            all.insert(module.name.clone(), entries);
        }
        all.into_iter().collect()
    }

    /// Number of an entry's function over all modules, of its module, and whether it is pinned.
    fn entry(&self, module: &Arc<str>, entry: &Arc<str>, args: usize) -> Result<(u32, u32, bool), StartError> {
        let (number, loaded) = self.code.module(module).ok_or_else(|| StartError::NoModule(module.clone()))?;
        let of = |name: &Arc<str>| name == entry;
        let all = loaded.module.entries.iter().chain(&loaded.module.tests);
        let Some(found) = all.clone().find(|known| of(&known.name)) else {
            let names = all.map(|known| known.name.to_string()).collect::<Vec<_>>().join(", ");
            return Err(StartError::NoEntry(module.clone(), entry.clone(), names));
        };
        let function = &loaded.module.functions[usize::from(found.function)];
        if usize::from(function.arity) != args {
            return Err(StartError::Arity(entry.clone(), function.arity, args));
        }
        Ok((loaded.functions + u32::from(found.function), number, function.pinned))
    }

    /// Starts an execution.
    ///
    /// # Errors
    /// When the entry does not exist or nothing is free.
    pub fn start(&mut self, start: &Start) -> Result<ExecutionId, StartError> {
        let (func, module, pinned) = self.entry(&start.module, &start.entry, start.args.len())?;
        let mut x = self.fresh(start)?;
        x.module = module;
        // What was decided before stays with the lane it was given to.
        x.pinned = pinned || !start.decided.is_empty();
        x.entry = start.entry.clone();
        let args = match self.values(&start.args) {
            Ok(args) => args,
            Err(error) => {
                self.recycle(x);
                return Err(error);
            }
        };
        for (at, arg) in args.iter().enumerate() {
            x.regs[at] = self.world.heap.retain(*arg);
        }
        match self.world.heap.list_of(&args) {
            Ok(list) => x.args = list,
            Err(_) => {
                self.recycle(x);
                return Err(StartError::Memory);
            }
        }
        interp::enter(&mut self.world, &self.code, &mut x, func, 0, 0, Enter::Root);
        let id = x.id;
        self.execs.insert(id, x);
        Ok(id)
    }

    /// Starts several entries as one commit (`avm:11` R2): the result is a pair of whether it was committed and the list of the
    /// results. `common` says everything but module, entry and arguments.
    ///
    /// # Errors
    /// As [`Self::start`]; [`StartError::Full`] for more than 63 segments.
    pub fn compose(
        &mut self,
        segments: &[Segment],
        how: Composition,
        common: &Start,
    ) -> Result<ExecutionId, StartError> {
        if segments.is_empty() || segments.len() > MOST_SEGMENTS {
            return Err(StartError::Full(MOST_SEGMENTS as u32));
        }
        let mut functions = Vec::with_capacity(segments.len());
        for segment in segments {
            functions.push(self.entry(&segment.module, &segment.entry, segment.args.len())?);
        }
        let mut x = self.fresh(common)?;
        let mut parts: Vec<(u32, Vec<Value>)> = Vec::with_capacity(segments.len());
        for (segment, (func, ..)) in segments.iter().zip(&functions) {
            match self.values(&segment.args) {
                Ok(args) => parts.push((*func, args)),
                Err(error) => {
                    parts.into_iter().flat_map(|(_, args)| args).for_each(|value| self.world.heap.release(value));
                    self.recycle(x);
                    return Err(error);
                }
            }
        }
        x.module = functions[0].1;
        x.pinned = functions.iter().any(|(_, _, pinned)| *pinned);
        x.entry = segments.iter().map(|segment| &*segment.entry).collect::<Vec<_>>().join("+").into();
        x.segments = Some(Box::new(Segments::new(how, parts)));
        if self.world.segment_begin(&self.code, &mut x).is_err() {
            self.world.end_transactions(&mut x);
            self.recycle(x);
            return Err(StartError::Memory);
        }
        let id = x.id;
        self.execs.insert(id, x);
        Ok(id)
    }

    pub(super) fn values(&mut self, vals: &[Val]) -> Result<Vec<Value>, StartError> {
        let world = &mut self.world;
        world.heap.allow(usize::MAX);
        let mut made = Vec::with_capacity(vals.len());
        for val in vals {
            match from_val(&mut world.heap, &mut world.names, val) {
                Ok(value) => made.push(value),
                Err(_) => {
                    made.into_iter().for_each(|value| world.heap.release(value));
                    return Err(StartError::Memory);
                }
            }
        }
        Ok(made)
    }

    /// An execution with nothing to do yet.
    pub(super) fn fresh(&mut self, start: &Start) -> Result<Box<Exec>, StartError> {
        if self.execs.len() >= self.world.config.executions as usize {
            return Err(StartError::Full(self.world.config.executions));
        }
        if let Some(id) = start.parent {
            let parent = self.execs.get_mut(&id).filter(|parent| parent.status != Status::Terminated);
            parent.ok_or(StartError::NoParent(id))?.family = true;
        }
        let world = &mut self.world;
        world.heap.allow(usize::MAX);
        let input = from_val(&mut world.heap, &mut world.names, &start.input).map_err(|_| StartError::Memory)?;
        let authority = match &start.authority {
            Some(name) => world.names.number(name.as_str()).map_err(|_| StartError::Memory)?,
            None => 0,
        };
        let mut x = self.pool.pop().unwrap_or_else(|| Box::new(Exec::new(world.config.trace_bytes)));
        x.id = ExecutionId::new(world.config.node, world.config.torus, self.next);
        self.next += 1;
        x.status = Status::Running;
        x.held = false;
        x.woken = false;
        x.fuel = start.fuel.unwrap_or(world.config.fuel);
        x.done = 0;
        x.trace.reset(&mut world.heap, start.trace.unwrap_or(world.config.trace));
        x.random = start.seed;
        x.now_ns = start.now_ns;
        x.authority = authority;
        x.parent = start.parent;
        x.family = false;
        x.blocking = start.blocking;
        x.known = start.decided.iter().cloned().collect();
        x.result = None;
        x.words = 0;
        x.named = 0;
        x.decisions.clear();
        x.set_counts([0; 4]);
        let memory_bytes = start.memory_bytes.unwrap_or(u64::MAX).min(world.config.memory_bytes);
        x.carried = super::past::Carried { memory_bytes, ..Default::default() };
        x.contexts.push(Exec::root_context(input, world.machine));
        Ok(x)
    }

    pub(super) fn recycle(&mut self, mut x: Box<Exec>) {
        let world = &mut self.world;
        x.release_all(&mut world.heap, &self.code);
        if let Some(Ok(value)) = x.result.take() {
            world.heap.release(value);
        }
        x.recording = None;
        let level = x.trace.level;
        x.trace.reset(&mut world.heap, level);
        if self.pool.len() < POOL && x.regs.len() <= 1 << 16 {
            self.pool.push(x);
        }
    }

    /// One bounded step of one execution; one that is unknown or over answers `Ended`.
    pub fn quantum(&mut self, execution: ExecutionId) -> Quantum {
        self.process_queue();
        let Self { world, code, execs, .. } = self;
        let Some(x) = execs.get_mut(&execution) else { return Quantum::Ended };
        match x.status {
            Status::Terminated => return Quantum::Ended,
            Status::Suspended(why) => return Quantum::Suspended(why),
            Status::Running => {}
        }
        if x.held && x.tx.mode != Mode::Implicit {
            return Quantum::Suspended(Why::Asked);
        }
        if world.alone.is_some_and(|alone| alone != execution) {
            return Quantum::Yielded;
        }
        let budget = u64::from(world.config.quantum_ops.max(1)).min(x.fuel) as u32;
        let live = world.heap.live();
        let quota = world.quota(x);
        world.heap.set_quota(x.carried.memory_bytes);
        world.heap.allow(usize::try_from(quota).unwrap_or(0));
        let exit = if budget == 0 {
            world.failed(code, x, ProgramError::Fuel(x.done).into());
            Exit::Over
        } else if quota < 0 && x.joint.is_none() {
            world.failed(code, x, ProgramError::Memory(x.carried.memory_bytes).into());
            Exit::Over
        } else {
            x.left = budget;
            x.spare = 0;
            let mut first = if x.registering.is_some() { world.go_on_registering(code, x) } else { None };
            if first.is_none() && x.later.is_some() {
                first = world.go_on_later(code, x);
            }
            match first {
                None => interp::run(world, code, x),
                Some(Flow::Park(why)) => Exit::Park(why),
                Some(Flow::Over) => Exit::Over,
                Some(_) => Exit::Yield,
            }
        };
        x.left += std::mem::take(&mut x.spare);
        let used = u64::from(budget - x.left.min(budget));
        x.done += used;
        x.fuel = if x.fuel == u64::MAX { u64::MAX } else { x.fuel - used };
        x.words += world.heap.live() as i64 - live as i64;
        if !x.trace.noted_nothing() {
            world.put_out_notes(x);
        }
        self.after(execution, &exit)
    }

    fn after(&mut self, execution: ExecutionId, exit: &Exit) -> Quantum {
        let world = &mut self.world;
        let Some(x) = self.execs.get_mut(&execution) else { return Quantum::Ended };
        let answer = match exit {
            Exit::Yield if x.recording.is_some() => {
                world.keep_snapshot(x);
                x.wait(Why::Recording);
                Quantum::Suspended(Why::Recording)
            }
            Exit::Yield if x.registering.is_some() => {
                // It is asked for at once: nothing else of the execution comes first.
                match world.go_on_registering(&self.code, x) {
                    None => Quantum::Yielded,
                    Some(Flow::Over) => {
                        self.ended(execution);
                        Quantum::Ended
                    }
                    Some(_) => {
                        x.wait(Why::Elsewhere);
                        Quantum::Suspended(Why::Elsewhere)
                    }
                }
            }
            Exit::Yield => {
                world.keep_snapshot(x);
                world.stay_alone(x);
                Quantum::Yielded
            }
            Exit::Park(why) => {
                world.keep_snapshot(x);
                x.wait(*why);
                if world.alone == Some(execution) {
                    world.alone = None;
                }
                if *why == Why::Receiving {
                    self.receiving += 1;
                }
                Quantum::Suspended(*why)
            }
            Exit::Over if x.recording.is_some() => {
                x.wait(Why::Recording);
                Quantum::Suspended(Why::Recording)
            }
            Exit::Over => {
                self.ended(execution);
                Quantum::Ended
            }
        };
        self.process_queue();
        if self.world.remotes.stirred {
            self.stir();
        }
        answer
    }

    /// An execution is over, and written down: those it has started end with it.
    fn ended(&mut self, execution: ExecutionId) {
        if let Some(x) = self.execs.get_mut(&execution) {
            x.status = Status::Terminated;
        }
        if self.world.alone == Some(execution) {
            self.world.alone = None;
        }
        self.world.outputs.push(Output::Ended(execution));
        self.end_children(execution);
    }

    /// Takes what has come out since the last call, in order.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output> {
        self.world.outputs.drain(..)
    }

    /// Takes an input; one that nobody waits for is dropped.
    ///
    /// # Errors
    /// A message whose mailbox does not exist or is full, or that does not fit the heap.
    pub fn input(&mut self, input: Input) -> Result<(), StartError> {
        match input {
            Input::Solved { execution, outcome } => {
                if let Some(x) = self.execs.get_mut(&execution)
                    && x.exploring.as_mut().is_some_and(|exploring| exploring.answer(outcome))
                {
                    self.ready(execution);
                }
                Ok(())
            }
            Input::Woken { execution, now_ns } => {
                if let Some(x) = self.execs.get_mut(&execution)
                    && matches!(x.status, Status::Suspended(Why::Sleeping | Why::Receiving))
                {
                    self.receiving -= usize::from(x.status == Status::Suspended(Why::Receiving));
                    x.woken = true;
                    x.now_ns = now_ns;
                    self.ready(execution);
                }
                Ok(())
            }
            Input::Message { to, message } => self.message(to, (ROOT, ExecutionId(0)), &message),
            Input::Envelope { envelope: Envelope::Message { to, sender, execution, message }, .. } => {
                self.message(to, (sender, execution), &message)
            }
            Input::Recorded { number } => {
                self.recorded(number);
                Ok(())
            }
            Input::RootMessage { to, message } => self.root_message(to, &message),
            Input::Undeliverable { to, envelope } => {
                self.undeliverable(to, envelope);
                Ok(())
            }
            Input::Envelope { from, envelope: Envelope::Remote(remote) } => {
                self.remote(from, *remote);
                Ok(())
            }
        }
    }

    /// Records up to a number are written down: who waits for that goes on, or is over.
    fn recorded(&mut self, number: u64) {
        let mut waited = Vec::new();
        for x in self.execs.values_mut().filter(|x| x.recording.is_some_and(|waits| waits <= number)) {
            x.recording = None;
            if x.status == Status::Suspended(Why::Recording) {
                waited.push((x.id, x.result.is_some()));
            }
        }
        for (execution, over) in waited {
            if over {
                self.ended(execution);
            } else {
                self.ready(execution);
            }
        }
    }

    pub(super) fn ready(&mut self, execution: ExecutionId) {
        if let Some(x) = self.execs.get_mut(&execution) {
            x.status = Status::Running;
            self.world.outputs.push(Output::Ready(execution));
        }
    }

    fn root_message(&mut self, to: ExecutionId, message: &Val) -> Result<(), StartError> {
        let most = self.world.config.mailbox as usize;
        let open = self.execs.get(&to).is_some_and(|x| x.status != Status::Terminated && x.mailbox.len() < most);
        if !open {
            return Err(StartError::Mailbox(crate::id::ROOT));
        }
        let values = self.values(std::slice::from_ref(message))?;
        if let Some(x) = self.execs.get_mut(&to) {
            x.mailbox.extend(values);
            if x.status == Status::Suspended(Why::Receiving) && !x.inside() {
                self.receiving -= 1;
                self.ready(to);
            }
        }
        Ok(())
    }

    /// Holds an execution at the next boundary of an instruction; whether it was running.
    pub fn suspend(&mut self, execution: ExecutionId) -> bool {
        match self.execs.get_mut(&execution) {
            Some(x) if x.status != Status::Terminated && !x.held => {
                x.held = true;
                true
            }
            _ => false,
        }
    }

    /// Lets a held execution go on; whether it was held.
    pub fn resume(&mut self, execution: ExecutionId) -> bool {
        match self.execs.get_mut(&execution) {
            Some(x) if x.held => {
                x.held = false;
                if x.status == Status::Running {
                    self.world.outputs.push(Output::Ready(execution));
                }
                true
            }
            _ => false,
        }
    }

    /// Forgets an execution that is over; whether it was there and over.
    pub fn forget(&mut self, execution: ExecutionId) -> bool {
        if self.execs.get(&execution).is_none_or(|x| x.status != Status::Terminated) {
            return false;
        }
        if let Some(x) = self.execs.remove(&execution) {
            self.recycle(x);
        }
        true
    }

    /// Its result once it is over (`avm:11`).
    #[must_use]
    pub fn result(&self, execution: ExecutionId) -> Option<Result<Val, Failure>> {
        let over = self.execs.get(&execution).filter(|x| x.status == Status::Terminated)?;
        match over.result.as_ref()? {
            Ok(value) => Some(Ok(to_val(&self.world.heap, &self.world.names, *value))),
            Err(failure) => Some(Err(Failure::clone(failure))),
        }
    }

    /// Where an execution stands; none for an unknown one.
    #[must_use]
    pub fn status(&self, execution: ExecutionId) -> Option<Status> {
        self.execs
            .get(&execution)
            .map(|x| if x.held && x.status == Status::Running { Status::Suspended(Why::Asked) } else { x.status })
    }

    /// All executions, ascending.
    #[must_use]
    pub fn executions(&self) -> Vec<ExecutionSummary> {
        self.execs.values().map(|x| self.summarise(x)).collect()
    }

    /// One execution.
    #[must_use]
    pub fn summary(&self, execution: ExecutionId) -> Option<ExecutionSummary> {
        self.execs.get(&execution).map(|x| self.summarise(x))
    }

    pub(super) fn summarise(&self, x: &Exec) -> ExecutionSummary {
        ExecutionSummary {
            id: x.id,
            program: format!("{}.{}", self.code.modules[x.module as usize].module.name, x.entry),
            status: self.status(x.id).unwrap_or(x.status),
            failed: matches!(x.result, Some(Err(_))),
            operations: x.done,
            events: x.trace.next,
            lost: x.trace.lost(),
            depth: (x.contexts.len() as u32).saturating_sub(1),
            transactions: x.tx.begun.iter().map(|begun| begun.id).collect(),
            touched: x.tx.table.len() as u32,
            memory_bytes: 8 * x.words.max(0) as u64 + x.beside(),
            memory_limit: x.carried.memory_bytes,
            trace: x.trace.level,
            waits_for: Self::waits_for(x),
            parent: x.parent,
            pinned: x.pinned,
            committed: x.committed,
            refused: x.refused,
            unsatisfiable: x.unsatisfiable,
            aborted: x.aborted,
            undecided: x.carried.undecided,
            failures: x.carried.failed,
        }
    }

    /// Number of objects.
    #[must_use]
    pub const fn object_count(&self) -> u64 {
        self.world.store.count
    }

    /// Up to `most` objects from `from` on, ascending.
    #[must_use]
    pub fn objects(&self, from: ObjectId, most: usize) -> Vec<ObjectSummary> {
        let world = &self.world;
        let some = world.store.from(from.counter()).take(most);
        some.map(|(id, version)| self.summarise_object(id, &version)).collect()
    }

    pub(super) fn summarise_object(&self, id: ObjectId, version: &Version) -> ObjectSummary {
        let world = &self.world;
        ObjectSummary {
            id,
            behaviour: self.code.behaviours[version.behaviour as usize].name.clone(),
            machine: world.names.name(version.machine),
            creating_controller: world.names.option(version.creating),
            controller: world.names.option(version.current),
            version: version.stamp,
            state_nodes: world.heap.size(version.state),
            mailbox: world.store.mailboxes.get(&id).map_or(0, |mailbox| mailbox.len() as u32),
            writer: world.store.writer(id),
            changed_ns: self.changed_ns(id),
            intent: world.remotes.writer(id),
            replicas: world.store.replicas.range((id, 0)..=(id, u32::MAX)).count() as u32,
        }
    }

    /// Committed state of an object.
    #[must_use]
    pub fn state(&self, object: ObjectId) -> Option<Val> {
        let version = self.world.store.newest(object);
        version.exists.then(|| to_val(&self.world.heap, &self.world.names, version.state))
    }

    /// Trace so far; entries of an undecided transaction are provisional (`decisions:AVM-21`).
    #[must_use]
    pub fn trace(&self, execution: ExecutionId) -> Vec<LogEntry> {
        let world = &self.world;
        let trace = self.execs.get(&execution).map(|x| &x.trace);
        trace
            .map(|trace| trace.entries(&world.heap, &world.names, &self.code, (0, u64::MAX, usize::MAX)))
            .unwrap_or_default()
    }

    /// Up to `most` decided entries from timestamp `from` on: for live streams.
    #[must_use]
    pub fn trace_from(&self, execution: ExecutionId, from: u64, most: usize) -> Vec<LogEntry> {
        let world = &self.world;
        let Some(x) = self.execs.get(&execution) else { return Vec::new() };
        let to = x.decided.map_or(u64::MAX, super::trace::TraceMark::position);
        x.trace.entries(&world.heap, &world.names, &self.code, (from, to, most))
    }

    /// Entries that did not fit the byte cap.
    #[must_use]
    pub fn trace_gap(&self, execution: ExecutionId) -> u64 {
        self.execs.get(&execution).map_or(0, |x| x.trace.lost())
    }

    /// How the outermost transactions with choices, and those refused, were decided; the newest 1 024.
    #[must_use]
    pub fn decisions(&self, execution: ExecutionId) -> Vec<Decision> {
        self.execs.get(&execution).map(|x| x.decisions.iter().cloned().collect()).unwrap_or_default()
    }

    /// Words of the heap in use.
    #[must_use]
    pub fn live_words(&self) -> usize {
        self.world.heap.live()
    }

    /// Ends everything and gives all values back; the words still in use then, which are none.
    #[must_use]
    pub fn close(mut self) -> usize {
        let all: Vec<ExecutionId> = self.execs.keys().copied().collect();
        for id in all {
            self.terminate(id);
            if let Some(x) = self.execs.get_mut(&id) {
                x.status = Status::Terminated;
            }
            self.forget(id);
        }
        self.world.forget_remotes();
        self.world.letters.drain(..).for_each(|letter| self.world.heap.release(letter.message));
        self.world.store.clear(&mut self.world.heap);
        for pure in std::mem::take(&mut self.world.pures).into_values() {
            self.world.heap.release(pure.function);
        }
        for constant in std::mem::take(&mut self.code.constants) {
            self.world.heap.release(constant);
        }
        self.world.heap.settle();
        self.world.heap.live()
    }
}
