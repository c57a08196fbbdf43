//! What managers of executions ask of a lane (`avm:11`): programs loaded in two steps, families, ends, and lists page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{ExecutionSummary, Failure, LoadError, Output, Status, Why};
use super::lane::Lane;
use super::loaded::Code;
use super::word::{T_FUNCTION, Value};
use crate::code::{ContentHash, Verified};
use crate::error::ProgramError;
use crate::event::LogEntry;
use crate::id::{ExecutionId, ObjectId};

/// A module that is in the code of a lane and that nothing finds by its name yet; see [`Lane::prepare`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a prepared module has no name until it is published"]
pub struct Prepared(u32);

/// Executions, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// All of them, those that are over and remembered included.
    pub executions: u64,
    /// Can go on.
    pub running: u64,
    /// Wait.
    pub suspended: u64,
    /// Of those, held by hand.
    pub by_hand: u64,
    /// Of those, wait for the solver.
    pub solving: u64,
    /// Ended well.
    pub ended: u64,
    /// Ended by an error.
    pub failed: u64,
    /// In a transaction.
    pub open: u64,
    /// Operations.
    pub operations: u64,
    /// Trace events.
    pub events: u64,
    /// Outermost transactions committed.
    pub committed: u64,
    /// Refused at their commit.
    pub refused: u64,
    /// Aborted.
    pub aborted: u64,
    /// Of those refused: no resolution satisfies the requirements.
    pub unsatisfiable: u64,
    /// Of those aborted: the solver did not decide.
    pub undecided: u64,
    /// Of those aborted: another error ended the program.
    pub errors: u64,
    /// Trace events that did not fit.
    pub lost: u64,
    /// Of each module, those that are not over.
    pub alive: BTreeMap<Arc<str>, u64>,
}

impl Census {
    /// Adds another part of the count.
    pub fn add(&mut self, other: &Self) {
        self.executions += other.executions;
        self.running += other.running;
        self.suspended += other.suspended;
        self.by_hand += other.by_hand;
        self.solving += other.solving;
        self.ended += other.ended;
        self.failed += other.failed;
        self.open += other.open;
        self.operations += other.operations;
        self.events += other.events;
        self.committed += other.committed;
        self.refused += other.refused;
        self.aborted += other.aborted;
        self.unsatisfiable += other.unsatisfiable;
        self.undecided += other.undecided;
        self.errors += other.errors;
        self.lost += other.lost;
        for (name, count) in &other.alive {
            *self.alive.entry(name.clone()).or_default() += count;
        }
    }
}

impl Lane {
    /// Loads a module; one of the same name is replaced for new objects and executions only (`decisions:AVM-17`,
    /// `decisions:AVM-23m`). Its pure functions go on with the next version (`avm:4.6`). The newest module again changes nothing:
    /// updates of its functions stay.
    ///
    /// # Errors
    /// When it needs what the node does not grant, or does not fit.
    pub fn load(&mut self, verified: &Verified) -> Result<(), LoadError> {
        let prepared = self.prepare(verified)?;
        self.publish(prepared);
        Ok(())
    }

    /// First half of [`Lane::load`], in which everything that can fail fails: where a program is loaded on several lanes, all of
    /// them prepare it before one publishes it. Executions of it that come from other lanes find it from here on.
    ///
    /// # Errors
    /// As [`Lane::load`]; the lane is as it was then.
    pub fn prepare(&mut self, verified: &Verified) -> Result<Prepared, LoadError> {
        let module = verified.module();
        let world = &mut self.world;
        if module.needs_unsafe && !world.config.grant_unsafe {
            return Err(LoadError::UnsafeRefused(module.name.clone()));
        }
        let own = |code: &Code, function: Value| {
            let number = if function.is_ref() { world.heap.child(function, 0).bits32() } else { function.bits32() };
            code.modules[code.functions[number as usize].module as usize].module.name == module.name
        };
        let again = self.code.module(&module.name).is_some_and(|(_, newest)| newest.hash == verified.hash());
        for pure in module.pures.iter().filter(|_| !again) {
            if world.pures.get(&pure.name).is_some_and(|other| !own(&self.code, other.function)) {
                return Err(LoadError::FunctionTaken(module.name.clone(), pure.name.clone()));
            }
        }
        world.heap.allow(usize::MAX);
        let prepared = self.code.append(&mut world.heap, &mut world.names, verified).map(Prepared);
        world.made.resize(self.code.behaviours.len(), false);
        prepared
    }

    /// Second half of [`Lane::load`]: new objects and executions are made with it from here on. A function of another module that
    /// has come in between keeps its name.
    pub fn publish(&mut self, prepared: Prepared) {
        let Self { world, code, .. } = self;
        let Some(loaded) = code.modules.get(prepared.0 as usize) else { return };
        let (module, functions) = (loaded.module.clone(), loaded.functions);
        if code.module(&module.name).is_some_and(|(newest, _)| newest == prepared.0) {
            return;
        }
        code.publish(prepared.0);
        world.heap.allow(usize::MAX);
        for pure in &module.pures {
            let function = Value::word32(T_FUNCTION, functions + u32::from(pure.function));
            let version = world.pures.get(&pure.name).map_or(0, |before| before.version + 1);
            world.put_pure(pure.name.clone(), function, version);
        }
    }

    /// Content hash of the module an object was made with: later versions of its program do not change it (`decisions:AVM-17`).
    #[must_use]
    pub fn behaviour_hash(&self, object: ObjectId) -> Option<ContentHash> {
        let version = self.world.store.newest(object);
        let loaded = self.code.module_of(version.behaviour).filter(|_| version.exists)?;
        Some(loaded.hash)
    }

    /// Up to `most` executions from `from` on, ascending.
    #[must_use]
    pub fn executions_from(&self, from: ExecutionId, most: usize) -> Vec<ExecutionSummary> {
        self.execs.range(from..).take(most).map(|(_, x)| self.summarise(x)).collect()
    }

    /// Up to `most` entries of a trace from timestamp `from` on, those of an undecided transaction among them.
    #[must_use]
    pub fn trace_page(&self, execution: ExecutionId, from: u64, most: usize) -> Vec<LogEntry> {
        let world = &self.world;
        let Some(x) = self.execs.get(&execution) else { return Vec::new() };
        x.trace.entries(&world.heap, &world.names, &self.code, (from, u64::MAX, most))
    }

    /// Timestamp from which on the entries of a trace are provisional (`decisions:AVM-21`); `u64::MAX` = all are decided.
    #[must_use]
    pub fn trace_decided(&self, execution: ExecutionId) -> u64 {
        let decided = self.execs.get(&execution).and_then(|x| x.decided);
        decided.map_or(u64::MAX, super::trace::TraceMark::position)
    }

    /// The execution before which so many others stand.
    #[must_use]
    pub fn execution_at(&self, place: u64) -> Option<ExecutionId> {
        self.execs.keys().nth(usize::try_from(place).ok()?).copied()
    }

    /// The object before which, from `from` on, so many others stand.
    #[must_use]
    pub fn object_after(&self, from: ObjectId, others: u64) -> Option<ObjectId> {
        let mut all = self.world.store.from(from.counter());
        all.nth(usize::try_from(others).ok()?).map(|(id, _)| id)
    }

    /// Counts up to `most` executions from `from` on, and says where to go on; makes no rows of them.
    #[must_use]
    pub fn census(&self, from: ExecutionId, most: usize) -> (Census, Option<ExecutionId>) {
        let mut census = Census::default();
        let mut all = self.execs.range(from..);
        for (_, x) in all.by_ref().take(most) {
            census.executions += 1;
            let held = x.held && x.status == Status::Running;
            match x.status {
                Status::Running if !held => census.running += 1,
                Status::Running | Status::Suspended(_) => {
                    census.suspended += 1;
                    census.by_hand += u64::from(held || x.status == Status::Suspended(Why::Asked));
                    census.solving += u64::from(x.status == Status::Suspended(Why::Solving));
                }
                Status::Terminated if matches!(x.result, Some(Err(_))) => census.failed += 1,
                Status::Terminated => census.ended += 1,
            }
            if x.status != Status::Terminated {
                let name = &self.code.modules[x.module as usize].module.name;
                match census.alive.get_mut(name) {
                    Some(count) => *count += 1,
                    None => drop(census.alive.insert(name.clone(), 1)),
                }
            }
            census.open += u64::from(!x.tx.begun.is_empty());
            census.operations += x.done;
            census.events += x.trace.next;
            census.committed += x.committed;
            census.refused += x.refused;
            census.aborted += x.aborted;
            census.unsatisfiable += x.unsatisfiable;
            census.undecided += x.carried.undecided;
            census.errors += x.carried.failed;
            census.lost += x.trace.lost();
        }
        (census, all.next().map(|(id, _)| *id))
    }

    /// Up to `most` executions with an open transaction among the newest `look`, the newest first.
    #[must_use]
    pub fn open(&self, most: usize, look: usize) -> Vec<ExecutionSummary> {
        let newest = self.execs.values().rev().take(look);
        newest.filter(|x| !x.tx.begun.is_empty()).take(most).map(|x| self.summarise(x)).collect()
    }

    /// Nodes of the result of an execution that ended well: what [`Lane::result`] copies.
    #[must_use]
    pub fn result_nodes(&self, execution: ExecutionId) -> u32 {
        match self.execs.get(&execution).and_then(|x| x.result.as_ref()) {
            Some(Ok(value)) => self.world.heap.size(*value),
            _ => 0,
        }
    }

    /// Executions that one has started, ascending; those that are over and remembered are among them.
    #[must_use]
    pub fn children(&self, parent: ExecutionId) -> Vec<ExecutionId> {
        if !self.execs.get(&parent).is_some_and(|x| x.family) {
            return Vec::new();
        }
        self.execs.values().filter(|x| x.parent == Some(parent)).map(|x| x.id).collect()
    }

    /// Executions that end with one: those it has started and that are not over, and theirs, each before those it has started.
    #[must_use]
    pub fn descendants(&self, of: ExecutionId) -> Vec<ExecutionId> {
        let mut found = Vec::new();
        if !self.execs.get(&of).is_some_and(|x| x.family) {
            return found;
        }
        let mut families: BTreeMap<ExecutionId, Vec<ExecutionId>> = BTreeMap::new();
        for x in self.execs.values().filter(|x| x.status != Status::Terminated) {
            if let Some(parent) = x.parent {
                families.entry(parent).or_default().push(x.id);
            }
        }
        let mut open = vec![of];
        while let Some(parent) = open.pop() {
            for child in families.remove(&parent).unwrap_or_default() {
                found.push(child);
                open.push(child);
            }
        }
        found
    }

    /// An execution is over: those it has started end with it.
    pub(super) fn end_children(&mut self, of: ExecutionId) {
        for child in self.descendants(of).into_iter().rev() {
            self.end_one(child, None);
        }
    }

    /// Ends an execution: its children first, then its open transactions are aborted (`avm:11`); whether it was not over yet.
    pub fn terminate(&mut self, execution: ExecutionId) -> bool {
        self.end_children(execution);
        self.end_one(execution, None)
    }

    /// The deadline of an execution has come (`decisions:AVM-23`), so many ticks after its start: it ends as by
    /// [`Lane::terminate`], failed with `ErrProgramDeadline`; whether it was not over yet.
    pub fn expire(&mut self, execution: ExecutionId, ticks: u64) -> bool {
        self.end_children(execution);
        self.end_one(execution, Some(ticks))
    }

    fn end_one(&mut self, execution: ExecutionId, deadline: Option<u64>) -> bool {
        let Self { world, code, execs, receiving, .. } = self;
        let Some(x) = execs.get_mut(&execution).filter(|x| x.result.is_none()) else { return false };
        if x.status == Status::Suspended(Why::Receiving) {
            *receiving -= 1;
        }
        world.heap.allow(usize::MAX);
        match deadline {
            Some(ticks) => {
                world.failed(code, x, ProgramError::Deadline(ticks).into());
            }
            None => {
                world.remember_dropped(x, None);
                world.end_transactions(x);
                let error = ProgramError::Terminated.into();
                world.over(code, x, Err(Box::new(Failure { error, stack: Vec::new() })));
            }
        }
        if world.alone == Some(execution) {
            world.alone = None;
        }
        if x.recording.is_some() {
            // What it has committed is written down first.
            x.wait(Why::Recording);
        } else {
            world.outputs.push(Output::Ended(execution));
        }
        if self.world.remotes.stirred {
            self.stir();
        }
        true
    }
}
