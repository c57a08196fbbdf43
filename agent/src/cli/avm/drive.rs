//! One lane in this process, driven to the end of an execution, with a solver beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use avm::code::Verified;
use avm::event::TraceLevel;
use avm::id::ExecutionId;
use avm::nondet::{Ir, Solver};
use avm::vm::{Config, Decision, Failure, Input, Lane, LoadError, Output, Quantum, Start, StartError, Why};
use avm::{LogEntry, Val};

use super::args::{Entry, How};
use super::solver::solver;
use crate::cli::Failure as Failed;

/// Most questions that are kept.
pub(super) const QUESTIONS: usize = 1000;

/// A lane and who answers it.
pub(super) struct Drive {
    lane: Lane,
    solver: Box<dyn Solver>,
    now_ns: u64,
    /// How many questions to keep.
    keep: usize,
    /// The first that the solver was asked, in order.
    pub(super) questions: Vec<Ir>,
    /// How many it was asked.
    pub(super) asked: u64,
}

/// What a program tells while it runs.
#[derive(Debug)]
pub(super) enum Told {
    /// A note.
    Note(Val),
    /// So many notes did not fit and are lost.
    Lost(u64),
}

/// How an execution ended.
pub(super) struct End {
    pub(super) result: Result<Val, Failure>,
    pub(super) trace: Vec<LogEntry>,
    pub(super) gap: u64,
    pub(super) decisions: Vec<Decision>,
    pub(super) operations: u64,
    /// It waited for what nobody here can send.
    pub(super) stuck: Option<Why>,
}

/// Unix time, ns.
fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

impl Drive {
    pub(super) fn new(how: &How) -> Result<Self, Failed> {
        let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let config = Config {
            machine: "m1".into(),
            machines: names(&how.machines),
            controllers: names(&how.controllers),
            grant_unsafe: how.grant_unsafe,
            ..Config::default()
        };
        let now_ns = how.now.unwrap_or_else(unix_ns);
        let solver = solver(&how.who)?;
        Ok(Self { lane: Lane::new(config), solver, now_ns, keep: 0, questions: Vec::new(), asked: 0 })
    }

    /// Keeps the questions that are asked, the first [`QUESTIONS`] of them.
    pub(super) fn keeping_questions(mut self) -> Self {
        self.keep = QUESTIONS;
        self
    }

    pub(super) fn load(&mut self, module: &Verified) -> Result<(), Failed> {
        let refused = |text: String| Failed { code: 5, text };
        self.lane.load(module).map_err(|error| match error {
            LoadError::UnsafeRefused(name) => {
                refused(format!("program {name} says `unsafe`, which is not granted; grant it with --unsafe"))
            }
            other => refused(other.to_string()),
        })
    }

    /// What is started, as the command line says: with the seed that is given (`decisions:AVM-23d`).
    pub(super) fn order(&self, how: &How, module: &str, from: &Entry, level: TraceLevel) -> Start {
        Start {
            args: from.arguments.clone(),
            seed: how.seed,
            now_ns: self.now_ns,
            fuel: how.bounds.fuel,
            memory_bytes: how.bounds.memory,
            trace: Some(level),
            ..Start::new(module, &from.entry)
        }
    }

    /// Runs to the end; what the program tells goes to `tell` as it comes.
    pub(super) fn run(&mut self, start: &Start, tell: &mut dyn FnMut(Told)) -> Result<End, Failed> {
        let execution = self.lane.start(start).map_err(|error| match error {
            StartError::Arity(..) => Failed::usage(format!("{error}; give each with --arg VALUE")),
            other => Failed::usage(other),
        })?;
        let stuck = loop {
            let quantum = self.lane.quantum(execution);
            self.answer(tell);
            match quantum {
                Quantum::Yielded | Quantum::Suspended(Why::Solving | Why::Sleeping) => {}
                Quantum::Ended => break None,
                Quantum::Suspended(why) => break Some(why),
            }
        };
        self.lane.terminate(execution);
        let end = self.end(execution, stuck);
        self.lane.forget(execution);
        self.lane.outputs().for_each(drop);
        end
    }

    fn end(&self, execution: ExecutionId, stuck: Option<Why>) -> Result<End, Failed> {
        let gone = || Failed::failed("the execution is gone; this is a bug");
        Ok(End {
            result: self.lane.result(execution).ok_or_else(gone)?,
            trace: self.lane.trace(execution),
            gap: self.lane.trace_gap(execution),
            decisions: self.lane.decisions(execution),
            operations: self.lane.summary(execution).map_or(0, |summary| summary.operations),
            stuck,
        })
    }

    /// Answers questions, passes on notes, and ends sleeps at once (`decisions:AVM-23e`): a tick is a nanosecond here.
    fn answer(&mut self, tell: &mut dyn FnMut(Told)) {
        let outputs: Vec<Output> = self.lane.outputs().collect();
        for output in outputs {
            let input = match output {
                Output::Solve { execution, ir, limits } => {
                    let outcome = self.solver.solve(&ir, &limits);
                    self.asked += 1;
                    if self.questions.len() < self.keep {
                        self.questions.push(*ir);
                    }
                    Input::Solved { execution, outcome }
                }
                Output::Sleep { execution, ticks } => {
                    self.now_ns = self.now_ns.saturating_add(ticks);
                    Input::Woken { execution, now_ns: self.now_ns }
                }
                Output::Noted { value, .. } => {
                    tell(Told::Note(value));
                    continue;
                }
                Output::NotesLost { count, .. } => {
                    tell(Told::Lost(count));
                    continue;
                }
                _ => continue,
            };
            // Neither can be refused.
            let _ = self.lane.input(input);
        }
    }
}
