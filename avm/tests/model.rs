//! The machine against a model of it that is as plain as can be: whole copies of the store, no heap, no quanta. Random programs
//! must end alike: values, errors, traces, store.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

#[path = "model/program.rs"]
mod program;
#[path = "model/reference.rs"]
mod reference;

use avm::event::LogEntry;
use avm::id::ObjectId;
use avm::value::Val;
use avm::vm::solo::Solo;
use avm::vm::{Config, Start};
use program::{Step, module, steps};
use proptest::prelude::*;
use reference::Model;

struct NoSolver;

impl avm::nondet::Solver for NoSolver {
    fn solve(&mut self, _: &avm::nondet::Ir, _: &avm::nondet::Limits) -> avm::nondet::Outcome {
        avm::nondet::Outcome::Unknown("nothing is chosen here".into())
    }
}

/// How a run ended, in words that can be compared.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    result: Result<Val, String>,
    trace: Vec<String>,
    depths: Vec<u32>,
    store: Vec<String>,
}

fn words(trace: &[LogEntry]) -> (Vec<String>, Vec<u32>) {
    // Where an error is found and what is aborted then is told by nobody: only calls have a depth to compare.
    let calls = trace.iter().filter(|entry| matches!(entry.event, avm::Event::ObjectCalled(..)));
    (trace.iter().map(ToString::to_string).collect(), calls.map(|entry| entry.depth).collect())
}

fn machine(steps: &[Step], quantum: u32) -> Ended {
    let config = Config {
        machine: "m1".into(),
        machines: ["m1", "m2"].map(Into::into).to_vec(),
        controllers: ["c1", "c2"].map(Into::into).to_vec(),
        heap_bytes: 4 << 20,
        quantum_ops: quantum,
        ..Config::default()
    };
    let mut solo = Solo::new(config, Box::new(NoSolver));
    solo.load(&module(steps).build().unwrap()).unwrap();
    let finished = solo.run(&Start::new("m", "main")).unwrap();
    let (trace, depths) = words(&finished.trace);
    let result = finished.result.map_err(|failure| format!("{}: {}", failure.error.name(), failure.error));
    let objects = solo.lane.objects(ObjectId(0), 1000);
    let store = objects.iter().map(|object| {
        let name = |name: &Option<avm::id::Name>| name.as_ref().map_or("-".to_owned(), ToString::to_string);
        let state = solo.lane.state(object.id).unwrap();
        let (made, now) = (name(&object.creating_controller), name(&object.controller));
        format!("{} {} {} {made} {now} {state}", object.id, object.behaviour, object.machine)
    });
    let store = store.collect();
    assert_eq!(solo.lane.close(), 0, "nothing is left in the heap");
    Ended { result, trace, depths, store }
}

fn model(steps: &[Step]) -> Ended {
    let mut model = Model::new();
    let result = model.run(steps).map_err(|error| format!("{}: {error}", error.name()));
    let (trace, depths) = words(&model.trace);
    Ended { result, trace, depths, store: model.store() }
}

/// Programs of one run; ten times as many with `TREFOIL_DEEP=1` (`make check-deep`).
fn cases() -> u32 {
    if std::env::var_os("TREFOIL_DEEP").is_some_and(|value| value == "1") { 30_000 } else { 3000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    // avm:4, avm:7: result, error, trace and store are those of the specification read plainly.
    #[test]
    fn the_machine_does_as_the_model(steps in steps(), quantum in prop_oneof![Just(1_u32), Just(5), Just(1024)]) {
        prop_assert_eq!(machine(&steps, quantum), model(&steps));
    }
}

// The comparison can fail: a program that differs in one step ends otherwise.
#[test]
fn a_difference_is_seen() {
    let one = [Step::Create("ctr", Some("c1")), Step::Call(0, program::Message::Inc)];
    let two = [Step::Create("ctr", Some("c1")), Step::Call(0, program::Message::Get)];
    assert_eq!(machine(&one, 1024), model(&one));
    assert_ne!(machine(&one, 1024), model(&two));
}

// avm:2.1, decisions:AVM-19: that an object was not there is remembered, and gives way when it is made.
#[test]
fn what_was_asked_for_before_it_was_made_is_there_then() {
    use program::Message::{Inc, Relay};
    let begun =
        [Step::Create("ctr", Some("c2")), Step::Begin(Some("c2")), Step::Controller(1), Step::Create("ctr", None)];
    let ends =
        [vec![Step::Call(0, Relay(1, Box::new(Inc))), Step::Commit(0)], vec![Step::Destroy(1), Step::Machine(1)]];
    for end in ends {
        let steps = [begun.to_vec(), end].concat();
        assert_eq!(machine(&steps, 1024), model(&steps));
    }
}
