//! Questions that `avm:13` settles and no vector covers.

use super::transactions::run_unsafe;
use super::{close, config, main, run, run_with, solo, solo_with};
use crate::event::{Event, TraceLevel};
use crate::id::{ObjectId, TxId};
use crate::nondet::builtin::BuiltinSolver;
use crate::vm::solo::Solo;
use crate::vm::{Config, Start};
use crate::{LogEntry, Val};

#[test]
fn avm_a6_abort_of_what_is_not_open() {
    let with = |functions: &str| run_with(functions, config(), &Start { args: vec![Val::Tx(TxId(77))], ..main() }).0;
    assert!(with("fn main(t) {\n beginTx()\n abortTx(t)\n}").starts_with("ErrTxNotFound"));
    let committed = "fn main(t) {\n let u = beginTx()\n commitTx(u)\n abortTx(u)\n}";
    assert!(with(committed).starts_with("ErrTxAlreadyCommitted"));
    let twice = "fn main() -> int {\n let u = beginTx()\n abortTx(u)\n abortTx(u)\n 5\n}";
    assert_eq!(run(twice), ("5".to_owned(), "TS t0\nTA t0".to_owned()));
}

// avm:A9: and nothing of the state is left.
#[test]
fn avm_a8_states_apply_before_destroys() {
    let functions = r#"
fn main() -> bool {
    let o = create ctr at %c1
    let t = beginTx()
    destroyObj(o)
    o.inc()
    commitTx(t)
}"#;
    let mut solo = solo(functions);
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(finished.result.ok(), Some(Val::Bool(true)));
    assert_eq!(solo.lane.state(ObjectId(0)), None);
    assert_eq!(solo.lane.object_count(), 0);
    close(solo.lane);
}

#[test]
fn avm_a10_the_machine_is_restored_after_a_call() {
    let functions = r#"
fn main() -> list {
    let o = create mach
    teleport(@m2)
    [call o 1, getCurrentMachine()]
}"#;
    assert_eq!(run(functions).0, "[@m1, @m2]");
}

#[test]
fn avm_a12_a_transfer_of_a_pending_create_checks_and_counts() {
    let functions = r#"
fn main() {
    let p = create ctr at %c2
    beginTx()
    let o = create ctr at %c1
    transferObject(o, %c3)
    p.inc()
}"#;
    // The helper checks that timestamps count without gaps or repetition.
    let (result, trace) = run(functions);
    assert!(result.starts_with("ErrCrossControllerTx"), "the transfer took the authority of c1: {result}");
    assert!(trace.contains("OT o1 c1 c3"), "{trace}");
}

#[test]
fn avm_a17_a_create_is_bound_late() {
    let functions = r#"
fn main() -> list {
    let p = create ctr at %c1
    let t = beginTx()
    let o = create ctr
    let before = getController(o)
    p.inc()
    let after = getController(o)
    commitTx(t)
    [before, after, getController(o)]
}"#;
    assert_eq!(run(functions).0, "[nothing, %c1, %c1]");
}

#[test]
fn avm_a19_fetch_leaves_the_machine() {
    let functions = r#"
fn main() -> list {
    let o = create ctr at %c1
    teleport(@m2)
    [fetch(o), getMachine(o)]
}"#;
    assert_eq!(run(functions).0, "[true, @m1]");
}

#[test]
fn avm_a33_reflection_sees_committed_data_only() {
    let functions = r#"
fn main() -> list {
    let t = beginTx(%c1)
    let o = create ctr
    let inside = reflect(o) == nothing
    commitTx(t)
    [inside, reflect(o) == nothing]
}"#;
    assert_eq!(run_unsafe(functions).0, "[true, false]");
}

#[test]
fn avm_a34_state_updates_are_extended_events() {
    let functions = "fn main() {\n let o = create ctr\n o.inc()\n}";
    let updates = |trace: TraceLevel| {
        let mut solo = solo_with(Config { trace, ..config() }, functions);
        let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
        close(solo.lane);
        let is_update = |entry: &&LogEntry| matches!(entry.event, Event::StateUpdated(_));
        finished.trace.iter().filter(is_update).count()
    };
    assert_eq!(updates(TraceLevel::Default), 0);
    assert!(updates(TraceLevel::Extended) > 0);
}

#[test]
fn avm_a38_the_write_log_skips_what_the_callee_closed() {
    let functions = r#"
behaviour closer {
    on close(t) { commitTx(t) }
}
fn main() -> list {
    let o = create closer
    let t = beginTx()
    call o ["close", t]
    beginTx()
    reifyTxState()
}"#;
    assert_eq!(run_unsafe(functions).0, "[t1, [], [], [], []]");
}

#[test]
fn avm_8_a_blocking_receive_with_open_choices_is_a_named_error() {
    let functions = "fn main() {\n beginTx()\n let x = choose [1, 2]\n receive()\n}";
    let start = Start { blocking: true, ..main() };
    let (result, _) = run_with(functions, config(), &start);
    assert!(result.starts_with("ErrInvalidDuringTx") && result.contains("open choices"), "{result}");
}

// Two runs are tried; the update is applied once, and stays although nothing else of an aborted transaction does.
#[test]
fn avm_9_updates_of_functions_wait_for_the_observable_run() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [1, 2]
    updatePure("add", |a, b| 7)
    require x == 2
    let done = commitTx(t)
    let u = beginTx()
    updatePure("add", |a, b| 8, 1)
    abortTx(u)
    [x, done, callPure("add", [2, 3])]
}"#;
    assert_eq!(run(functions).0, "[2, true, 8]");
}

#[test]
fn avm_21_a_full_trace_shows_its_gap() {
    let functions = "fn main() { for i in 0..<5000 { note i } }";
    let mut solo = Solo::new(Config { trace_bytes: 4096, ..config() }, Box::new(BuiltinSolver));
    solo.load(&super::compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    let kept = finished.trace.len() as u64;
    assert!(kept > 0 && kept < 5000, "{kept}");
    assert_eq!(kept + finished.gap, 5000, "the gap is told");
    close(solo.lane);
}

// decisions:AVM-21, decisions:AVM-11: events are charged what they hold.
#[test]
fn avm_21_wide_events_are_charged_with_their_values() {
    let functions = "fn main() { for _ in 0..<200 { let _ = atomic { let _ = newVar(range(0, 4000)); abort } } }";
    let mut solo = Solo::new(Config { trace_bytes: 1 << 20, ..config() }, Box::new(BuiltinSolver));
    solo.load(&super::compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    let start = Start { trace: Some(TraceLevel::Extended), ..main() };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
    let held = |entry: &crate::event::LogEntry| match &entry.event {
        Event::VarCreated(_, domain) => size_of_val(&domain[..]),
        _ => 0,
    };
    let held: usize = finished.trace.iter().map(held).sum();
    assert!(held > 1 << 18 && held <= 1 << 20, "{held} bytes are held");
    assert_eq!(finished.trace.len() as u64 + finished.gap, 600);
    close(solo.lane);
}

// A nested abort of a choice and what rewinds the trace give back what was charged.
#[test]
fn avm_21_runs_that_are_not_observable_charge_nothing() {
    let functions = r#"
fn main() -> bool {
    atomic {
        let x = choose range(0, 50)
        let v = newVar(range(0, 1000))
        let y = at(range(0, 50), x)
        require y == 49
    }
}"#;
    let mut solo = Solo::new(Config { trace_bytes: 1 << 18, ..config() }, Box::new(BuiltinSolver));
    solo.load(&super::compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    let start = Start { trace: Some(TraceLevel::Extended), ..main() };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((finished.trace.len(), finished.gap), (3, 0));
    close(solo.lane);
}
