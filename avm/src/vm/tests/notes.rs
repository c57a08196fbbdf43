//! Notes as an output of their own (`decisions:AVM-23a`).

use super::{close, config, solo_with};
use crate::event::TraceLevel;
use crate::nondet::Solver as _;
use crate::nondet::builtin::BuiltinSolver;
use crate::value::Val;
use crate::vm::{Config, Input, Output, Quantum, Start};

/// What came out of a run of `main`: its notes, how many were lost, and its result.
fn noted(config: Config, functions: &str, level: TraceLevel) -> (Vec<Val>, u64, Result<Val, String>) {
    let mut lane = solo_with(config, functions).lane;
    let start = Start { trace: Some(level), ..Start::new("kit", "main") };
    let execution = lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    let (mut notes, mut lost) = (Vec::new(), 0);
    loop {
        let quantum = lane.quantum(execution);
        for output in lane.outputs().collect::<Vec<_>>() {
            match output {
                Output::Noted { value, .. } => notes.push(value),
                Output::NotesLost { count, .. } => lost += count,
                Output::Solve { ir, limits, .. } => {
                    let outcome = BuiltinSolver.solve(&ir, &limits);
                    lane.input(Input::Solved { execution, outcome }).unwrap_or_else(|error| panic!("{error}"));
                }
                _ => {}
            }
        }
        if quantum == Quantum::Ended {
            break;
        }
    }
    let result = lane.result(execution).expect("it is over").map_err(|failure| failure.error.to_string());
    lane.forget(execution);
    close(lane);
    (notes, lost, result)
}

// decisions:AVM-23a: what a program notes comes out, all of it and in order, though its trace holds little or nothing.
#[test]
fn notes_come_out_whatever_the_trace_holds() {
    let functions = "fn main() -> int {\n    for i in 0..<20000 { note i }\n    5\n}";
    for (level, trace_bytes) in [(TraceLevel::Off, 1 << 20), (TraceLevel::Default, 1024)] {
        let (notes, lost, result) = noted(Config { trace_bytes, ..config() }, functions, level);
        assert_eq!((notes.len(), lost, result), (20_000, 0, Ok(Val::Int(5))), "{level:?}");
        assert!(notes.iter().enumerate().all(|(at, note)| *note == Val::Int(at as i128)), "{level:?}");
    }
}

// decisions:AVM-4, decisions:AVM-23a: of the runs of a transaction only the observable one has noted something.
#[test]
fn only_the_observable_run_has_notes() {
    let functions = r#"
fn main() -> int {
    note "before"
    let t = beginTx()
    let x = choose [1, 2, 3]
    note x
    require x > 2
    note "required"
    let _ = commitTx(t)
    note "after"
    x
}"#;
    let (notes, lost, result) = noted(config(), functions, TraceLevel::Off);
    let notes: Vec<String> = notes.iter().map(Val::to_string).collect();
    assert_eq!((notes.join(" "), lost, result), ("\"before\" 3 \"required\" \"after\"".to_owned(), 0, Ok(Val::Int(3))));
}

// decisions:AVM-23a: what waits for its transaction is bounded, and what did not fit is counted.
#[test]
fn notes_that_do_not_fit_are_counted() {
    let functions = r#"
fn main() -> int {
    let t = beginTx()
    for i in 0..<10000 { note i }
    let _ = commitTx(t)
    note "after"
    5
}"#;
    let (notes, lost, result) = noted(config(), functions, TraceLevel::Default);
    // What comes behind a lost one in the same quantum is lost too: those that come out have no gap between them.
    assert_eq!((notes.len(), lost, result), (4096, 5905, Ok(Val::Int(5))));
    assert_eq!(notes[4095], Val::Int(4095));
}
