//! One lane driven to its end on the spot, with a solver beside it: `trefoil avm run`, tests, benchmarks.

use crate::code::Verified;
use crate::error::AvmError;
use crate::event::LogEntry;
use crate::id::ExecutionId;
use crate::nondet::Solver;
use crate::value::Val;

use super::{Config, Failure, Input, Lane, LoadError, Output, Quantum, Start, StartError, Status, Why};

/// A lane and who answers it.
pub struct Solo {
    /// The lane.
    pub lane: Lane,
    solver: Box<dyn Solver>,
    now_ns: u64,
}

impl std::fmt::Debug for Solo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solo").field("lane", &self.lane).finish_non_exhaustive()
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its value or failure.
    pub result: Result<Val, Failure>,
    /// Its trace.
    pub trace: Vec<LogEntry>,
    /// Entries that did not fit.
    pub gap: u64,
}

impl Finished {
    /// Its value or error.
    ///
    /// # Errors
    /// The error it failed with.
    pub fn value(&self) -> Result<&Val, &AvmError> {
        self.result.as_ref().map_err(|failure| &failure.error)
    }
}

impl Solo {
    /// A lane with a solver.
    #[must_use]
    pub fn new(config: Config, solver: Box<dyn Solver>) -> Self {
        Self { lane: Lane::new(config), solver, now_ns: 0 }
    }

    /// Loads a module.
    ///
    /// # Errors
    /// As [`Lane::load`].
    pub fn load(&mut self, module: &Verified) -> Result<(), LoadError> {
        self.lane.load(module)
    }

    /// Runs an entry to its end and forgets the execution. An execution that waits for what cannot come is terminated.
    ///
    /// # Errors
    /// As [`Lane::start`].
    pub fn run(&mut self, start: &Start) -> Result<Finished, StartError> {
        let execution = self.lane.start(start)?;
        Ok(self.finish(execution))
    }

    /// Runs an execution to its end and forgets it.
    pub fn finish(&mut self, execution: ExecutionId) -> Finished {
        while let Some(false) = self.step(execution) {}
        self.lane.terminate(execution);
        let result = self.lane.result(execution);
        let result = result.unwrap_or_else(|| {
            let error =
                crate::error::IntrospectError::ContextUnavailable(format!("execution {execution} is not here")).into();
            Err(Failure { error, stack: Vec::new() })
        });
        let finished = Finished { result, trace: self.lane.trace(execution), gap: self.lane.trace_gap(execution) };
        self.lane.forget(execution);
        finished
    }

    /// One quantum and the answers to what it asks; whether the execution is over, none when it waits for what only others can send.
    pub fn step(&mut self, execution: ExecutionId) -> Option<bool> {
        let quantum = self.lane.quantum(execution);
        self.answer();
        match quantum {
            Quantum::Yielded | Quantum::Suspended(Why::Solving | Why::Sleeping | Why::Recording) => Some(false),
            Quantum::Ended => Some(true),
            // One that waited for a message so long and no longer can go on.
            Quantum::Suspended(_) => (self.lane.status(execution) == Some(Status::Running)).then_some(false),
        }
    }

    /// Answers questions and ends sleeps; ticks are nanoseconds here.
    fn answer(&mut self) {
        let outputs: Vec<Output> = self.lane.outputs().collect();
        for output in outputs {
            let input = match output {
                Output::Solve { execution, ir, limits } => {
                    Input::Solved { execution, outcome: self.solver.solve(&ir, &limits) }
                }
                Output::Sleep { execution, ticks } => {
                    self.now_ns = self.now_ns.saturating_add(ticks);
                    Input::Woken { execution, now_ns: self.now_ns }
                }
                Output::Record(record) => Input::Recorded { number: record.number },
                _ => continue,
            };
            // Neither can be refused.
            let _taken = self.lane.input(input);
        }
        self.lane.process_queue();
    }
}
