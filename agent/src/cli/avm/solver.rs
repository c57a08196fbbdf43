//! Who answers questions here, and questions from files.

use std::path::Path;
use std::time::Duration;

use avm::nondet::builtin::BuiltinSolver;
use avm::nondet::{Ir, Limits, Outcome, Solver, json, smtlib};

use super::args::{self, Constraints, Who};
use crate::cli::{Failure, out};

/// Largest question that is read, bytes.
const MOST_BYTES: u64 = 64 << 20;

/// The solver that was asked for.
pub(super) fn solver(who: &Who) -> Result<Box<dyn Solver>, Failure> {
    let limit = Duration::from_millis(who.solver_timeout);
    match who.solver {
        Some(args::Solver::BuiltIn) => Ok(Box::new(BuiltinSolver)),
        #[cfg(feature = "z3")]
        Some(args::Solver::Z3) | None => Ok(Box::new(watched::Watched::new(limit))),
        #[cfg(not(feature = "z3"))]
        Some(args::Solver::Z3) => Err(Failure::usage("this trefoil was built without Z3; leave --solver out")),
        #[cfg(not(feature = "z3"))]
        None => {
            let _ = limit;
            Ok(Box::new(BuiltinSolver))
        }
    }
}

#[cfg(feature = "z3")]
mod watched {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use avm::nondet::z3::Z3Solver;
    use avm::nondet::{Ir, Limits, Outcome, Solver};

    /// Between two interrupts of a question that is over its time: one that comes between two checks is lost.
    const AGAIN: Duration = Duration::from_millis(5);

    /// Z3, interrupted when a question takes too long: its own count of work does not bound every one.
    pub(super) struct Watched {
        engine: Z3Solver,
        limit: Duration,
    }

    impl Watched {
        pub(super) fn new(limit: Duration) -> Self {
            Self { engine: Z3Solver::new(), limit }
        }
    }

    impl Solver for Watched {
        fn solve(&mut self, ir: &Ir, limits: &Limits) -> Outcome {
            let limit = self.limit;
            let (done, over) = channel::<()>();
            let (outcome, late) = self.engine.watched(|engine, handle| {
                std::thread::scope(|scope| {
                    let watch = scope.spawn(move || {
                        let (mut wait, mut late) = (limit, false);
                        while over.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                            handle.interrupt();
                            (wait, late) = (AGAIN, true);
                        }
                        late
                    });
                    let outcome = engine.solve(ir, limits);
                    drop(done);
                    (outcome, watch.join().unwrap_or(false))
                })
            });
            match outcome {
                Outcome::Unknown(why) if late => {
                    let ms = limit.as_millis();
                    Outcome::Unknown(format!("interrupted after {ms} ms (--solver-timeout, in ms): {why}"))
                }
                outcome => outcome,
            }
        }
    }
}

/// Whether this names a question rather than a program.
pub(super) fn is_question(what: &str) -> bool {
    let ending = Path::new(what).extension().and_then(std::ffi::OsStr::to_str);
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("smt2") || ending.eq_ignore_ascii_case("json"))
}

/// Reads a question in the form that is written.
fn read(path: &Path) -> Result<Ir, Failure> {
    let name = path.display();
    let wrong = |text: String| Failure::usage(format!("{name}: {text}"));
    let meta = std::fs::metadata(path).map_err(|error| {
        wrong(format!("{error}; name a program, or a question that `trefoil avm constraints` wrote"))
    })?;
    if meta.len() > MOST_BYTES {
        return Err(wrong(format!("{} bytes; a question is at most {MOST_BYTES}", meta.len())));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(format!("{error}; a question is text in UTF-8")))?;
    let limits = Limits::default();
    let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    if is_json {
        json::from_json(&text, &limits).map_err(|error| wrong(error.to_string()))
    } else {
        smtlib::read(&text, &limits).map_err(|error| wrong(error.to_string()))
    }
}

/// Reads a question, answers it and says the answer.
pub(super) fn answer(asked: &Constraints) -> Result<(), Failure> {
    if asked.smtlib {
        return Err(Failure::usage(format!("{}: a question is answered here; leave --smtlib out", asked.what)));
    }
    let ir = read(Path::new(&asked.what))?;
    match solver(&asked.how.who)?.solve(&ir, &Limits::default()) {
        Outcome::Sat(answer) => {
            out::line("sat");
            for (choice, option) in ir.choices.iter().zip(&answer.choices) {
                let value = choice.options.get(*option as usize).map_or_else(String::new, ToString::to_string);
                let place = place(choice.place.as_ref());
                out::line(&format!("  choice {}: option {option}, {value}{place}", choice.id.0));
            }
            for (var, value) in &answer.vars {
                out::line(&format!("  {}: {value}", avm::Val::Var(*var)));
            }
            Ok(())
        }
        Outcome::Unsat(core) => {
            out::line("unsat");
            for at in core {
                let Some(asserted) = ir.requires.get(at as usize) else { continue };
                let name = asserted.name.as_deref().map_or_else(String::new, |name| format!(", {name}"));
                out::line(&format!("  requirement {at}{name}{}", place(asserted.place.as_ref())));
            }
            Ok(())
        }
        Outcome::Unknown(why) => {
            out::line("unknown");
            Err(Failure::failed(format!("{}: not decided: {why}", asked.what)))
        }
    }
}

/// ` (bank.avm:12:5)`.
fn place(place: Option<&(std::sync::Arc<str>, avm::code::Place)>) -> String {
    place.map_or_else(String::new, |(file, place)| format!(" ({file}:{}:{})", place.line, place.column))
}
