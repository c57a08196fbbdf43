//! What is remembered for whoever looks.

use super::super::solo::Solo;
use super::super::tests::{close, config, solo_with};
use super::super::{Config, Input, Refused, Start};
use super::{Change, Decided, Past};
use crate::Val;
use crate::event::TraceLevel;
use crate::id::{ExecutionId, ObjectId};

const BANK: &str = r#"
fn setup() -> object { create acc at %c1 }
fn pay(o: object, n: int) { o.deposit(n) }
fn gone(o: object) { destroyObj(o) }
fn move(a: object, b: object, n: int) -> bool {
    atomic {
        a.withdraw(n)
        b.deposit(n)
    }
}
fn drop(o: object) {
    let t = beginTx()
    o.deposit(1)
    abortTx(t)
}
fn fails(o: object) {
    let t = beginTx()
    o.deposit(1)
    commitTx(t)
    let u = beginTx()
    1 / (o.balance() - o.balance())
}
fn never() -> bool {
    let t = beginTx()
    let x = choose [1, 2]
    require x > 5 as "more than five"
    commitTx(t)
}
fn nevers(n: int) { for i in 0..<n { never() } }
fn slow(o: object) -> bool {
    let t = beginTx()
    note getMachine(o)
    note o.balance()
    commitTx(t)
}
fn wait() { receive() }
fn fill(n: int) -> int {
    let mut all = []
    let mut i = 0
    while i < n {
        all = [i, ..all]
        i += 1
    }
    len(all)
}
"#;

fn bank(history: u32, transactions: u32) -> Solo {
    solo_with(Config { history, transactions, quantum_ops: 1, ..config() }, BANK)
}

fn started(solo: &mut Solo, entry: &str, args: &[Val]) -> ExecutionId {
    let start = Start { args: args.to_vec(), blocking: true, ..Start::new("kit", entry) };
    solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"))
}

fn ended(solo: &mut Solo, entry: &str, args: &[Val]) -> ExecutionId {
    let execution = started(solo, entry, args);
    while solo.step(execution) == Some(false) {}
    execution
}

fn object(solo: &mut Solo) -> ObjectId {
    let made = ended(solo, "setup", &[]);
    match solo.lane.result(made) {
        Some(Ok(Val::Object(object))) => object,
        other => panic!("{other:?}"),
    }
}

// decisions:AVM-23
#[test]
fn changes_of_an_object_are_remembered_with_who_when_and_what() {
    let mut solo = bank(8, 4);
    solo.lane.set_time(100);
    let (a, b) = (object(&mut solo), object(&mut solo));
    solo.lane.set_time(200);
    let pays = ended(&mut solo, "pay", &[Val::Object(a), Val::Int(5)]);
    solo.lane.set_time(300);
    let moves = ended(&mut solo, "move", &[Val::Object(a), Val::Object(b), Val::Int(2)]);
    let past = solo.lane.history(a, 9);
    let told: Vec<_> = past.iter().map(|change| (change.by, change.at_ns, change.what, change.tx.is_some())).collect();
    assert_eq!(told[0], (moves, 300, Change::State, true));
    assert_eq!(told[1], (pays, 200, Change::State, false));
    assert_eq!((told[2].1, told[2].2, told.len()), (100, Change::Created, 3));
    assert!(past[0].version > past[1].version && past[1].version > past[2].version);
    assert_eq!(past[0].state.as_ref().map(Val::to_string).as_deref(), Some("[3]"));
    assert_eq!(past[1].state, None, "no snapshot keeps it");
    let row = solo.lane.objects(a, 1).remove(0);
    assert_eq!((row.writer, row.changed_ns), (Some(moves), 300));
    ended(&mut solo, "gone", &[Val::Object(a)]);
    assert_eq!(solo.lane.history(a, 1)[0].what, Change::Destroyed);
    // The ring holds eight: the first changes are forgotten, those of others do not show.
    for n in 0..9 {
        ended(&mut solo, "pay", &[Val::Object(b), Val::Int(n)]);
    }
    assert_eq!((solo.lane.history(a, 9).len(), solo.lane.history(b, 99).len()), (0, 8));
    close(solo.lane);
    assert!(Past::new(0).is_none());
}

/// The remembered decisions of an execution, in their order.
fn decided(solo: &Solo, execution: ExecutionId) -> Vec<Decided> {
    solo.lane.decided().filter(|decided| decided.execution == execution).cloned().collect()
}

#[test]
fn decided_transactions_are_remembered_with_their_sets() {
    let mut solo = bank(8, 2);
    solo.lane.set_time(7);
    let (a, b) = (object(&mut solo), object(&mut solo));
    let moves = ended(&mut solo, "move", &[Val::Object(a), Val::Object(b), Val::Int(0)]);
    let sets = decided(&solo, moves).remove(0).sets;
    assert_eq!((sets.read_count, sets.write_count, sets.began_ns, sets.ended_ns), (2, 2, 7, 7));
    assert_eq!((sets.writes[1], sets.version), ((b, Change::State), Some(solo.lane.history(b, 1)[0].version)));
    assert_eq!(sets.controller.as_ref().map(ToString::to_string).as_deref(), Some("c1"));
    // A conflict says what was read and what was found.
    let slow = started(&mut solo, "slow", &[Val::Object(a)]);
    while solo.lane.trace(slow).len() < 2 {
        assert_eq!(solo.step(slow), Some(false));
    }
    assert_eq!(solo.lane.open_sets(slow, 4).map(|sets| sets.read_count), Some(1));
    ended(&mut solo, "pay", &[Val::Object(a), Val::Int(1)]);
    while solo.step(slow) == Some(false) {}
    let refused = decided(&solo, slow).remove(0);
    assert!(matches!(refused.decision.refused, Some(Refused::Changed { object, .. }) if object == a));
    assert!(refused.sets.found > refused.sets.reads[0].1, "{refused:?}");
    // What never came to its commit is remembered too.
    let drops = ended(&mut solo, "drop", &[Val::Object(a)]);
    assert_eq!(decided(&solo, drops)[0].decision.refused, Some(Refused::Dropped { error: None }));
    let fails = ended(&mut solo, "fails", &[Val::Object(a)]);
    let last = decided(&solo, fails).pop().expect("remembered").decision.refused;
    assert!(matches!(&last, Some(Refused::Dropped { error: Some(why) }) if why.contains("ErrProgram")), "{last:?}");
    assert_eq!(solo.lane.summary(fails).map(|summary| (summary.failures, summary.aborted)), Some((1, 1)));
    // All are counted, the newest two are remembered, and plain commits take no place from them.
    let nevers = ended(&mut solo, "nevers", &[Val::Int(5)]);
    let summary = solo.lane.summary(nevers).expect("it is there");
    assert_eq!((summary.unsatisfiable, summary.refused), (5, 5));
    for _ in 0..9 {
        ended(&mut solo, "move", &[Val::Object(a), Val::Object(b), Val::Int(0)]);
    }
    assert_eq!((decided(&solo, nevers).len(), solo.lane.decided().count()), (2, 4));
    close(solo.lane);
    // Where nobody asks, nothing is remembered.
    let mut plain = bank(0, 0);
    let a = object(&mut plain);
    let drops = ended(&mut plain, "drop", &[Val::Object(a)]);
    assert!(plain.lane.decisions(drops).is_empty() && plain.lane.decided().count() == 0);
    assert!(plain.lane.history(a, 9).is_empty());
    close(plain.lane);
}

#[test]
fn an_execution_says_what_it_waits_for_and_what_its_trace_holds() {
    let mut solo = bank(0, 0);
    let a = object(&mut solo);
    let start = Start { blocking: true, trace: Some(TraceLevel::Extended), ..Start::new("kit", "wait") };
    let waits = solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.step(waits), None);
    let summary = solo.lane.summary(waits).expect("it is there");
    assert_eq!((summary.waits_for, summary.trace), (None, TraceLevel::Extended), "its own mailbox is no object");
    solo.lane.input(Input::Message { to: a, message: Val::Int(3) }).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.lane.messages(a, 9), [Val::Int(3)]);
    assert_eq!(solo.lane.messages(a, 0), []);
    close(solo.lane);
}

// decisions:AVM-11
#[test]
fn memory_is_bounded_for_each_start() {
    // Each has a lane of its own: what one leaves to be freed, the next would be credited with.
    let run = |memory_bytes| {
        let mut solo = bank(0, 0);
        let start = Start { args: vec![Val::Int(2000)], memory_bytes, ..Start::new("kit", "fill") };
        let ended = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
        close(solo.lane);
        ended.result.map_err(|failure| failure.error.name())
    };
    assert_eq!(run(None), Ok(Val::Int(2000)));
    assert_eq!(run(Some(8_000)), Err("ErrProgramMemory"));
    assert_eq!(run(Some(u64::MAX)), Ok(Val::Int(2000)));
    let mut solo = bank(0, 0);
    let started = Start { memory_bytes: Some(u64::MAX), args: vec![Val::Int(1)], ..Start::new("kit", "fill") };
    let execution = solo.lane.start(&started).unwrap_or_else(|error| panic!("{error}"));
    let most = solo.lane.config().memory_bytes;
    assert_eq!(
        solo.lane.summary(execution).map(|summary| summary.memory_limit),
        Some(most),
        "never more than the lane's"
    );
    close(solo.lane);
}
