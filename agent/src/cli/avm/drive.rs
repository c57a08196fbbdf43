//! One lane in this process, driven to the end of an execution, with a solver beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use avm::code::Verified;
use avm::event::{Event, TraceLevel};
use avm::id::ExecutionId;
use avm::nondet::builtin::BuiltinSolver;
use avm::nondet::{Ir, Solver};
use avm::vm::{Config, Decision, Failure, Input, Lane, Output, Quantum, Refused, Start, Why};
use avm::{LogEntry, Val};

use super::args::{self, How};
use crate::cli::Failure as Failed;

/// A lane and who answers it.
pub(super) struct Drive {
    lane: Lane,
    solver: Box<dyn Solver>,
    now_ns: u64,
    /// What the solver was asked, in order.
    pub(super) questions: Vec<Ir>,
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

/// The solver that was asked for.
fn solver(asked: Option<args::Solver>) -> Result<Box<dyn Solver>, Failed> {
    match asked {
        Some(args::Solver::BuiltIn) => Ok(Box::new(BuiltinSolver)),
        #[cfg(feature = "z3")]
        Some(args::Solver::Z3) | None => Ok(Box::new(avm::nondet::z3::Z3Solver::new())),
        #[cfg(not(feature = "z3"))]
        Some(args::Solver::Z3) => Err(Failed::usage("this trefoil was built without Z3; leave --solver out")),
        #[cfg(not(feature = "z3"))]
        None => Ok(Box::new(BuiltinSolver)),
    }
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
        Ok(Self { lane: Lane::new(config), solver: solver(how.solver)?, now_ns, questions: Vec::new() })
    }

    pub(super) fn load(&mut self, module: &Verified) -> Result<(), Failed> {
        self.lane.load(module).map_err(|error| Failed { code: 5, text: format!("{error} (here: --unsafe)") })
    }

    /// What is started, as the command line says.
    pub(super) fn order(&self, how: &How, module: &str, entry: &str, arguments: &[Val], level: TraceLevel) -> Start {
        Start {
            args: arguments.to_vec(),
            seed: how.seed,
            now_ns: self.now_ns,
            fuel: how.bounds.fuel,
            memory_bytes: how.bounds.memory,
            trace: Some(level),
            ..Start::new(module, entry)
        }
    }

    /// Runs to the end; notes go to `noted` as they come.
    pub(super) fn run(&mut self, start: &Start, noted: &mut dyn FnMut(&Val)) -> Result<End, Failed> {
        let execution = self.lane.start(start).map_err(Failed::usage)?;
        let mut seen = 0;
        let stuck = loop {
            let quantum = self.lane.quantum(execution);
            self.answer();
            self.tell(execution, &mut seen, noted);
            match quantum {
                Quantum::Yielded | Quantum::Suspended(Why::Solving | Why::Sleeping) => {}
                Quantum::Ended => break None,
                Quantum::Suspended(why) => break Some(why),
            }
        };
        self.lane.terminate(execution);
        let operations = self.lane.summary(execution).map_or(0, |summary| summary.operations);
        let gone = || Failed::failed("the execution is gone; this is a bug");
        let end = End {
            result: self.lane.result(execution).ok_or_else(gone)?,
            trace: self.lane.trace(execution),
            gap: self.lane.trace_gap(execution),
            decisions: self.lane.decisions(execution),
            operations,
            stuck,
        };
        self.lane.forget(execution);
        self.lane.outputs().for_each(drop);
        Ok(end)
    }

    fn tell(&self, execution: ExecutionId, seen: &mut u64, noted: &mut dyn FnMut(&Val)) {
        for entry in self.lane.trace_from(execution, *seen, usize::MAX) {
            *seen = entry.timestamp + 1;
            if let Event::Noted(value) = &entry.event {
                noted(value);
            }
        }
    }

    /// Answers questions, and ends sleeps at once: a tick is a nanosecond here.
    fn answer(&mut self) {
        let outputs: Vec<Output> = self.lane.outputs().collect();
        for output in outputs {
            let input = match output {
                Output::Solve { execution, ir, limits } => {
                    let outcome = self.solver.solve(&ir, &limits);
                    self.questions.push(*ir);
                    Input::Solved { execution, outcome }
                }
                Output::Sleep { execution, ticks } => {
                    self.now_ns = self.now_ns.saturating_add(ticks);
                    Input::Woken { execution, now_ns: self.now_ns }
                }
                _ => continue,
            };
            // Neither can be refused.
            let _ = self.lane.input(input);
        }
    }

    /// Why a commit was false, in the program's own words; the requirements of a core with their places.
    pub(super) fn why_not(&self, decision: &Decision) -> Option<String> {
        let Some(Refused::Unsatisfiable { names, places, .. }) = &decision.refused else {
            return crate::runtime::avm::view::why_not(decision);
        };
        let line = |(name, place): (&String, &String)| match place.is_empty() || place == name {
            true => format!("\n  {name}"),
            false => format!("\n  {name} ({place})"),
        };
        let lines: Vec<String> = names.iter().zip(places).map(line).collect();
        Some(match lines.len() {
            0 => "no choice leads to a commit".to_owned(),
            1 => format!("no choice satisfies:{}", lines[0]),
            _ => format!("no choice satisfies all of:{}", lines.concat()),
        })
    }
}
