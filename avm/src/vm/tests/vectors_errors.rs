//! Vectors of `avm:14` that end with an error.

use super::{config, run, run_with};
use crate::Val;
use crate::id::{ObjectId, TxId};
use crate::vm::Start;

/// Runs `main` with arguments; name of the error, its payload in words, trace.
fn fails(functions: &str, args: Vec<Val>, error: &str, payload: &str, events: &[&str]) {
    let (result, trace) = run_with(functions, config(), &Start { args, ..super::main() });
    let (name, text) = result.split_once(' ').unwrap_or((&result, ""));
    assert_eq!(name, error, "{result}");
    assert!(text.contains(payload), "{text:?} does not say {payload:?}");
    assert_eq!(trace, events.join("\n"));
}

// avm:R5, avm:A41
#[test]
fn avm_v8_objects_of_two_controllers() {
    let functions = r#"
fn main() {
    let o0 = create ctr at %c1
    let o1 = create ctr at %c2
    beginTx(%c1)
    o0.inc()
    o1.inc()
}"#;
    let events =
        ["OC o0", "OC o1", "TS t0", r#"CALL o0 ["inc"] -> 1 @c1"#, "ERR ErrCrossControllerTx @c1", "TA t0 @c1"];
    fails(functions, vec![], "ErrCrossControllerTx", "object o1 belongs to controller c2", &events);
}

#[test]
fn avm_v9_destroy_without_controller() {
    let functions = r#"
fn main() {
    let o0 = create ctr
    destroyObj(o0)
}"#;
    fails(functions, vec![], "ErrObjectHasNoController", "o0", &["OC o0", "ERR ErrObjectHasNoController"]);
}

// avm:A23
#[test]
fn avm_v11_teleport_in_a_transaction() {
    let functions = r#"
fn main() {
    beginTx(%c1)
    teleport(@m2)
}"#;
    let events = ["TS t0", "ERR ErrInvalidDuringTx @c1", "TA t0 @c1"];
    fails(functions, vec![], "ErrInvalidDuringTx", "teleport", &events);
}

// avm:A7
#[test]
fn avm_v14_commit_of_what_is_not_open() {
    let t77 = Val::Tx(TxId(77));
    let nothing_open = "fn main(t) { commitTx(t) }";
    fails(nothing_open, vec![t77.clone()], "ErrNoActiveTx", "", &["ERR ErrNoActiveTx"]);
    let other_open = r#"
fn main(t) {
    beginTx()
    commitTx(t)
}"#;
    fails(other_open, vec![t77], "ErrTxNotFound", "t77", &["TS t0", "ERR ErrTxNotFound", "TA t0"]);
}

// avm:A7, avm:A35
#[test]
fn avm_v15_commit_of_an_outer_transaction() {
    let functions = r#"
fn main() {
    let t0 = beginTx(%c1)
    beginTx()
    commitTx(t0)
}"#;
    let events = ["TS t0", "TS t1 @c1", "ERR ErrTxConflict @c1", "TA t1 @c1", "TA t0 @c1"];
    fails(functions, vec![], "ErrTxConflict", "t0", &events);
}

// avm:A24
#[test]
fn avm_v16_begin_with_an_unreachable_controller() {
    fails(
        "fn main() { beginTx(%dead) }",
        vec![],
        "ErrControllerUnreachable",
        "dead",
        &["ERR ErrControllerUnreachable"],
    );
}

// avm:A39
#[test]
fn avm_v18_version_conflict() {
    let functions = r#"
fn main() {
    updatePure("add", |x, y| 7)
    updatePure("add", |x, y| 8, 0)
}"#;
    fails(functions, vec![], "ErrVersionConflict", "at version 1, expected 0", &["FU add", "ERR ErrVersionConflict"]);
}

// avm:A16
#[test]
fn avm_v23_create_with_another_controller() {
    let functions = r#"
fn main() {
    beginTx(%c1)
    create ctr at %c2
}"#;
    let events = ["TS t0", "ERR ErrCrossControllerTx @c1", "TA t0 @c1"];
    fails(functions, vec![], "ErrCrossControllerTx", "c2", &events);
}

#[test]
fn avm_v25_unknown_object() {
    let gone = Val::Object(ObjectId(99));
    fails("fn main(o) { call o 1 }", vec![gone], "ErrObjectNotFound", "o99", &["ERR ErrObjectNotFound"]);
}

// avm:A24
#[test]
fn avm_v27_transfers_that_cannot_be() {
    let bare = r#"
fn main() {
    let o0 = create ctr
    transferObject(o0, %c1)
}"#;
    fails(bare, vec![], "ErrObjectHasNoController", "o0", &["OC o0", "ERR ErrObjectHasNoController"]);
    let dead = r#"
fn main() {
    let o0 = create ctr at %c1
    transferObject(o0, %dead)
}"#;
    fails(dead, vec![], "ErrControllerUnreachable", "dead", &["OC o0", "ERR ErrControllerUnreachable"]);
}

// avm:A15
#[test]
fn avm_v28_destroyed_twice() {
    let outside = r#"
fn main() {
    let o0 = create ctr at %c1
    destroyObj(o0)
    destroyObj(o0)
}"#;
    fails(outside, vec![], "ErrObjectNotFound", "o0", &["OC o0", "OD o0", "ERR ErrObjectNotFound"]);
    let inside = r#"
fn main() {
    let o0 = create ctr at %c1
    beginTx()
    destroyObj(o0)
    destroyObj(o0)
}"#;
    let events = ["OC o0", "TS t0", "OD o0 @c1", "ERR ErrObjectAlreadyDestroyed @c1", "TA t0 @c1"];
    fails(inside, vec![], "ErrObjectAlreadyDestroyed", "o0", &events);
}

#[test]
fn avm_v30_committed_twice() {
    let functions = r#"
fn main() {
    let t = beginTx()
    commitTx(t)
    commitTx(t)
}"#;
    fails(functions, vec![], "ErrTxAlreadyCommitted", "t0", &["TS t0", "TC t0", "ERR ErrTxAlreadyCommitted"]);
}

// avm:A32
#[test]
fn avm_v37_require_and_choose_that_cannot_be() {
    fails("fn main() { require true }", vec![], "ErrNoActiveTx", "", &["ERR ErrNoActiveTx"]);
    let none = r#"
fn main() {
    beginTx()
    choose []
}"#;
    fails(none, vec![], "ErrNoAlternatives", "", &["TS t0", "ERR ErrNoAlternatives", "TA t0"]);
}

// avm:A22
#[test]
fn a_failed_call_leaves_nothing_of_its_writes() {
    let functions = r#"
fn main(gone) {
    let o0 = create boom
    call o0 gone
}"#;
    let gone = Val::Object(ObjectId(99));
    fails(functions, vec![gone], "ErrObjectNotFound", "o99", &["OC o0", "ERR ErrObjectNotFound"]);
}

#[test]
fn a_failure_names_its_place() {
    let (result, _) = run("fn main() { 1 / 0 }");
    assert!(result.starts_with("ErrProgramArithmetic"), "{result}");
}
