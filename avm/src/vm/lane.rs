//! The lane: what its host sees.

use std::sync::Arc;

use super::{
    Config, Decision, ExecutionSummary, Failure, Input, LoadError, ObjectSummary, Output, Quantum, Start, StartError,
};
use crate::code::Module;
use crate::event::LogEntry;
use crate::id::{ExecutionId, ObjectId};
use crate::value::Val;

/// A module that may be loaded.
pub type Verified = Arc<Module>;

/// Executions, objects and code of one torus.
#[derive(Debug)]
pub struct Lane {
    config: Config,
    outputs: Vec<Output>,
}

impl Lane {
    /// Takes all memory that is bounded by the configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, outputs: Vec::new() }
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Loads a module; one of the same name is replaced for new objects and executions only (`decisions:AVM-17`).
    ///
    /// # Errors
    /// When it needs what the node does not grant, or does not fit.
    pub fn load(&mut self, module: &Verified) -> Result<(), LoadError> {
        Err(LoadError::Code(module.name.clone()))
    }

    /// Starts an execution.
    ///
    /// # Errors
    /// When the entry does not exist or nothing is free.
    pub fn start(&mut self, start: &Start) -> Result<ExecutionId, StartError> {
        Err(StartError::NoModule(start.module.clone()))
    }

    /// One bounded step of one execution; one that is unknown or over answers `Ended`.
    pub fn quantum(&mut self, _execution: ExecutionId) -> Quantum {
        Quantum::Ended
    }

    /// Takes what has come out since the last call, in order.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Takes an input; one that nobody waits for is dropped.
    ///
    /// # Errors
    /// A message whose mailbox does not exist or is full.
    pub fn input(&mut self, _input: Input) -> Result<(), StartError> {
        Ok(())
    }

    /// Holds an execution at the next boundary of an instruction; whether it was running.
    pub fn suspend(&mut self, _execution: ExecutionId) -> bool {
        false
    }

    /// Lets a held execution go on; whether it was held.
    pub fn resume(&mut self, _execution: ExecutionId) -> bool {
        false
    }

    /// Ends an execution: its children first, then its open transactions are aborted (`avm:11`); whether it was not over yet.
    pub fn terminate(&mut self, _execution: ExecutionId) -> bool {
        false
    }

    /// Forgets an execution that is over; whether it was there and over.
    pub fn forget(&mut self, _execution: ExecutionId) -> bool {
        false
    }

    /// Its result once it is over (`avm:11`).
    #[must_use]
    pub fn result(&self, _execution: ExecutionId) -> Option<Result<Val, Failure>> {
        None
    }

    /// All executions, ascending.
    #[must_use]
    pub fn executions(&self) -> Vec<ExecutionSummary> {
        Vec::new()
    }

    /// Up to `most` objects from `from` on, ascending.
    #[must_use]
    pub fn objects(&self, _from: ObjectId, _most: usize) -> Vec<ObjectSummary> {
        Vec::new()
    }

    /// Committed state of an object.
    #[must_use]
    pub fn state(&self, _object: ObjectId) -> Option<Val> {
        None
    }

    /// Trace so far; entries of an undecided transaction are provisional (`decisions:AVM-21`).
    #[must_use]
    pub fn trace(&self, execution: ExecutionId) -> Vec<LogEntry> {
        self.trace_from(execution, 0, usize::MAX)
    }

    /// Up to `most` decided entries from timestamp `from` on: for live streams.
    #[must_use]
    pub fn trace_from(&self, _execution: ExecutionId, _from: u64, _most: usize) -> Vec<LogEntry> {
        Vec::new()
    }

    /// Entries that did not fit the byte cap.
    #[must_use]
    pub fn trace_gap(&self, _execution: ExecutionId) -> u64 {
        0
    }

    /// How the outermost transactions with choices, and those refused, were decided; the newest 1 024.
    #[must_use]
    pub fn decisions(&self, _execution: ExecutionId) -> Vec<Decision> {
        Vec::new()
    }
}
