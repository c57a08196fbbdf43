//! Vectors of `avm:14` that end with a value.

use super::{close, main, run, run_with, short, solo};
use crate::Val;
use crate::vm::{Start, solo::Solo};

fn check((result, trace): (String, String), expected: &str, events: &[&str]) {
    assert_eq!(result, expected);
    assert_eq!(trace, events.join("\n"));
}

// avm:R3
#[test]
fn avm_v1_ping_pong_of_five_rounds() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let o0 = create pong
    let o1 = create ping
    commitTx(t)
    ["complete", call o1 ["Ping", 0, o0, 5]]
}"#;
    let events = [
        "TS t0",
        "OC o0",
        "OC o1",
        "TC t0",
        r#"CALL o0 ["Pong", 5, o1, 5] -> "pong-done""#,
        r#"CALL o1 ["Ping", 4, o0, 5] -> "ping-continue""#,
        r#"CALL o0 ["Pong", 3, o1, 5] -> "pong-continue""#,
        r#"CALL o1 ["Ping", 2, o0, 5] -> "ping-continue""#,
        r#"CALL o0 ["Pong", 1, o1, 5] -> "pong-continue""#,
        r#"CALL o1 ["Ping", 0, o0, 5] -> "ping-continue""#,
    ];
    check(run(functions), r#"["complete", "ping-continue"]"#, &events);
}

#[test]
fn avm_v2_an_object_calls_itself() {
    let functions = r#"
fn main() {
    let o0 = create pong
    call o0 ["Ping", 0, o0, 1]
}"#;
    let events =
        ["OC o0", r#"CALL o0 ["Pong", 1, o0, 1] -> "pong-done""#, r#"CALL o0 ["Ping", 0, o0, 1] -> "pong-continue""#];
    check(run(functions), r#""pong-continue""#, &events);
}

#[test]
fn avm_v3_hit_and_miss() {
    let functions = r#"
fn main() -> list {
    let o0 = create board
    o0.ship(0, 0, 3)
    [o0.coord(0, 1), o0.coord(5, 5)]
}"#;
    let events = [
        "OC o0",
        r#"CALL o0 ["ship", 0, 0, 3] -> [0, 0, 3]"#,
        r#"CALL o0 ["coord", 0, 1] -> [0, 1]"#,
        r#"CALL o0 ["coord", 5, 5]"#,
    ];
    check(run(functions), "[[0, 1], nothing]", &events);
}

#[test]
fn avm_v4_battleship() {
    let functions = r#"
fn shoot(o: object, x: int, y: int) {
    let t = beginTx()
    let hit = o.coord(x, y)
    commitTx(t)
    hit
}
fn main() -> list {
    let t = beginTx()
    let o0 = create board
    let o1 = create board
    o0.ship(0, 0, 3)
    o0.ship(2, 2, 2)
    o1.ship(1, 1, 3)
    o1.ship(4, 4, 2)
    commitTx(t)
    [shoot(o1, 1, 1), shoot(o0, 0, 0), shoot(o1, 5, 5), shoot(o0, 2, 2)]
}"#;
    let (result, trace) = run(functions);
    assert_eq!(result, "[[1, 1], [0, 0], nothing, [2, 2]]");
    let words: Vec<&str> = trace.lines().map(|line| line.split(' ').next().unwrap_or("")).collect();
    let shot = ["TS", "CALL", "TC"];
    let start = ["TS", "OC", "OC", "CALL", "CALL", "CALL", "CALL", "TC"];
    assert_eq!(words, [&start[..], &shot, &shot, &shot, &shot].concat());
    assert!(!trace.contains('@'));
}

// avm:A1, avm:A36
#[test]
fn avm_v5_own_writes_are_seen() {
    let functions = r#"
fn main() -> list {
    let o0 = create ctr at %c1
    let t = beginTx()
    let a = o0.inc()
    let b = o0.inc()
    let c = o0.inc()
    let done = commitTx(t)
    [a, b, c, done, o0.get()]
}"#;
    let events = [
        "OC o0",
        "TS t0",
        r#"CALL o0 ["inc"] -> 1 @c1"#,
        r#"CALL o0 ["inc"] -> 2 @c1"#,
        r#"CALL o0 ["inc"] -> 3 @c1"#,
        "TC t0 @c1",
        r#"CALL o0 ["get"] -> 3"#,
    ];
    check(run(functions), "[1, 2, 3, true, 3]", &events);
}

// avm:A2
#[test]
fn avm_v6_without_controller() {
    let functions = r#"
fn main() -> list {
    let o0 = create ctr
    let t = beginTx()
    let a = o0.inc()
    let done = commitTx(t)
    [a, done, o0.get()]
}"#;
    let events = ["OC o0", "TS t0", r#"CALL o0 ["inc"] -> 1"#, "TC t0", r#"CALL o0 ["get"] -> 1"#];
    check(run(functions), "[1, true, 1]", &events);
}

#[test]
fn avm_v7_abort_undoes() {
    let functions = r#"
fn main() -> list {
    let o0 = create ctr at %c1
    o0.inc()
    let t = beginTx(%c1)
    let a = o0.inc()
    abortTx(t)
    [a, o0.get()]
}"#;
    let events = [
        "OC o0",
        r#"CALL o0 ["inc"] -> 1"#,
        "TS t0",
        r#"CALL o0 ["inc"] -> 2 @c1"#,
        "TA t0 @c1",
        r#"CALL o0 ["get"] -> 1"#,
    ];
    check(run(functions), "[2, 1]", &events);
}

#[test]
fn avm_v10_created_and_destroyed_in_one_transaction() {
    let functions = r#"
fn main() -> list {
    let t = beginTx(%c1)
    let o0 = create ctr
    let c = getController(o0)
    let n = o0.inc()
    let d = destroyObj(o0)
    let done = commitTx(t)
    [c, n, d, done, getController(o0)]
}"#;
    let events = ["TS t0", "OC o0 @c1", r#"CALL o0 ["inc"] -> 1 @c1"#, "OD o0 @c1", "TC t0 @c1"];
    check(run(functions), "[%c1, 1, true, true, nothing]", &events);
}

// avm:A11
#[test]
fn avm_v12_teleport() {
    check(run("fn main() -> list { [teleport(@m2), getCurrentMachine()] }"), "[true, @m2]", &["EM m1 m2"]);
}

#[test]
fn avm_v13_senders() {
    let functions = r#"
fn main() -> list {
    let o0 = create who at %c1
    let o1 = create relay at %c1
    [call o1 [o0, "hi"], call o0 "hi", sender]
}"#;
    let events = [
        "OC o0",
        "OC o1",
        r#"CALL o0 "hi" -> [o1, o0]"#,
        r#"CALL o1 [o0, "hi"] -> [o1, o0]"#,
        r#"CALL o0 "hi" -> [root, o0]"#,
    ];
    check(run(functions), "[[o1, o0], [root, o0], nothing]", &events);
}

// avm:A25
#[test]
fn avm_v17_pure_functions() {
    let functions = r#"
fn main() -> list {
    let a = callPure("add", [2, 3])
    let b = callPure("nope", [2, 3])
    let c = callPure("add", [1])
    let d = updatePure("add", |x, y| 7)
    [a, b, c, d, callPure("add", [2, 3])]
}"#;
    check(run(functions), "[5, nothing, nothing, true, 7]", &["FU add"]);
}

// avm:A14
#[test]
fn avm_v19_freeze() {
    let functions = r#"
fn main() -> list {
    let o0 = create ctr at %c1
    let a = freeze(o0)
    let o1 = create ctr
    [a, freeze(o1)]
}"#;
    check(run(functions), "[just true, nothing]", &["OC o0", "OZ o0 c1", "OC o1"]);
}

#[test]
fn avm_v20_receive_from_an_empty_mailbox() {
    check(run("fn main() { receive() }"), "nothing", &[]);
}

#[test]
fn avm_v21_context() {
    check(run("fn main() { reifyContext() }"), r#"[root, "main", nothing, @m1, "ambient"]"#, &[]);
}

#[test]
fn avm_v22_transfer_of_money() {
    let functions = r#"
fn main() -> list {
    let o0 = create acc at %c1
    let o1 = create acc at %c1
    o0.deposit(100)
    let t = beginTx()
    let a = o0.withdraw(30)
    let b = o1.deposit(30)
    let done = commitTx(t)
    let word = if a == "ok" && b == "ok" && done { "transfer-complete" } else { "failed" }
    [word, o0.balance(), o1.balance()]
}"#;
    let events = [
        "OC o0",
        "OC o1",
        r#"CALL o0 ["deposit", 100] -> "ok""#,
        "TS t0",
        r#"CALL o0 ["withdraw", 30] -> "ok" @c1"#,
        r#"CALL o1 ["deposit", 30] -> "ok" @c1"#,
        "TC t0 @c1",
        r#"CALL o0 ["balance"] -> 70"#,
        r#"CALL o1 ["balance"] -> 30"#,
    ];
    check(run(functions), r#"["transfer-complete", 70, 30]"#, &events);
}

// avm:A13, avm:A26
#[test]
fn avm_v24_open_transaction_at_the_end_is_aborted() {
    let functions = r#"
fn main() {
    let o0 = create ctr
    beginTx()
    getController(o0)
}"#;
    check(run(functions), "nothing", &["OC o0", "TS t0", "TA t0"]);
}

#[test]
fn avm_v26_no_output() {
    let functions = r#"
fn main() {
    let o0 = create empty
    call o0 "x"
}"#;
    check(run(functions), "nothing", &["OC o0", r#"CALL o0 "x""#]);
}

// avm:A18
#[test]
fn avm_v29_a_staged_move_is_undone() {
    let functions = r#"
fn main() -> list {
    let o0 = create ctr at %c1
    let t = beginTx(%c1)
    moveObject(o0, @m2)
    let a = getMachine(o0)
    abortTx(t)
    [a, getMachine(o0)]
}"#;
    check(run(functions), "[@m2, @m1]", &["OC o0", "TS t0", "OM o0 m1 m2 @c1", "TA t0 @c1"]);
}

#[test]
fn avm_v31_an_open_transaction_leaves_nothing() {
    let functions = r#"
fn main() -> int {
    let o0 = create ctr at %c1
    beginTx(%c1)
    o0.inc()
}"#;
    let mut solo = solo(functions);
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    check(short(&finished), "1", &["OC o0", "TS t0", r#"CALL o0 ["inc"] -> 1 @c1"#, "TA t0 @c1"]);
    assert_eq!(solo.lane.state(crate::id::ObjectId(0)), Some(Val::List(vec![])));
    close(solo.lane);
}

/// Runs an execution until it has logged so many events.
fn until(solo: &mut Solo, execution: crate::id::ExecutionId, events: usize) {
    while solo.lane.trace(execution).len() < events {
        assert_eq!(solo.step(execution), Some(false));
    }
}

// avm:A3, avm:A4
#[test]
fn avm_v32_the_first_committer_wins() {
    let functions = r#"
fn setup() -> object {
    let o0 = create ctr at %c1
    o0.inc()
    o0
}
fn main(o: object) -> bool {
    let t = beginTx()
    o.inc()
    sleep(1)
    commitTx(t)
}"#;
    let config = crate::vm::Config { quantum_ops: 1, ..super::config() };
    let mut solo = super::solo_with(config, functions);
    let made = solo.run(&Start::new("kit", "setup")).unwrap_or_else(|error| panic!("{error}"));
    let o0 = made.result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let start = Start { args: vec![o0], ..Start::new("kit", "main") };
    let e1 = solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    let e2 = solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    until(&mut solo, e1, 2);
    until(&mut solo, e2, 2);
    let second = solo.finish(e2);
    let first = solo.finish(e1);
    assert_eq!(short(&second).0, "true");
    check(short(&first), "false", &["TS t0", r#"CALL o0 ["inc"] -> 2 @c1"#, "TA t0 @c1"]);
    assert_eq!(solo.lane.state(crate::id::ObjectId(0)), Some(Val::List(vec![Val::from(2)])));
    close(solo.lane);
}

// avm:R2, decisions:AVM-18
#[test]
fn avm_v33_composition() {
    use crate::vm::{Composition, Segment};
    let functions = r#"
fn setup() -> list { [create ctr at %c1, create ctr at %c1] }
fn inc(o: object) -> int { o.inc() }"#;
    let mut solo = solo(functions);
    let made = solo.run(&Start::new("kit", "setup")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&made).0, "[o0, o1]");
    let segment =
        |o: u64| Segment { module: "kit".into(), entry: "inc".into(), args: vec![Val::Object(crate::id::ObjectId(o))] };
    let mut go = |how: Composition, targets: [u64; 2]| {
        let segments = targets.map(segment);
        let execution = solo.lane.compose(&segments, how, &main()).unwrap_or_else(|error| panic!("{error}"));
        let finished = solo.finish(execution);
        let states = [0, 1].map(|o| solo.lane.state(crate::id::ObjectId(o)));
        (short(&finished), states.map(|state| state.unwrap_or(Val::Nothing).to_string()).join(" "))
    };
    let (done, states) = go(Composition::Sequential, [0, 0]);
    let events =
        ["TS t0", r#"CALL o0 ["inc"] -> 1 @c1"#, "TS t1", r#"CALL o0 ["inc"] -> 2 @c1"#, "TC t0 @c1", "TC t1 @c1"];
    check(done, "(true, [1, 2])", &events);
    assert_eq!(states, "[2] []");
    let (done, states) = go(Composition::Parallel, [0, 1]);
    assert_eq!(done.0, "(true, [3, 1])");
    assert_eq!(states, "[3] [1]");
    let (done, states) = go(Composition::Parallel, [0, 0]);
    assert!(done.0.starts_with("ErrTxConflict"), "{}", done.0);
    assert!(done.1.ends_with("ERR ErrTxConflict @c1\nTA t4 @c1\nTA t5 @c1"), "{}", done.1);
    assert_eq!(states, "[3] [1]");
    close(solo.lane);
}

#[test]
fn avm_v37_a_choice_outside_a_transaction_is_the_first() {
    check(run("fn main() { choose [7, 8] }"), "7", &[]);
}

#[test]
fn arguments_and_output() {
    let functions = r#"
fn main(a: int, b: list) -> list {
    note "hello"
    [a, b, args()]
}"#;
    let start = Start { args: vec![Val::from(1), Val::List(vec![Val::from("x")])], ..main() };
    let (result, trace) = run_with(functions, super::config(), &start);
    assert_eq!(result, r#"[1, ["x"], [1, ["x"]]]"#);
    assert_eq!(trace, r#"NOTE "hello""#);
}
