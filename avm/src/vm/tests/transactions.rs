//! Transactions beyond the vectors: nesting, cancelled creates, absence, snapshots, mailboxes, authority, conflicts.

use super::{close, config, main, run, run_with, short, solo, solo_with};
use crate::Val;
use crate::id::{ExecutionId, ObjectId};
use crate::vm::solo::Solo;
use crate::vm::{Config, Refused, Start};

// avm:A5
#[test]
fn inner_aborts_undo_their_own_changes_only() {
    let functions = r#"
fn main() -> list {
    let o = create acc at %c1
    let t = beginTx()
    o.deposit(1)
    let u = beginTx()
    o.deposit(10)
    let v = beginTx()
    o.deposit(100)
    commitTx(v)
    let inside = o.balance()
    abortTx(u)
    let after = o.balance()
    let w = beginTx()
    o.deposit(1000)
    commitTx(w)
    let done = commitTx(t)
    [inside, after, done, o.balance()]
}"#;
    assert_eq!(run(functions).0, "[111, 1, true, 1001]");
}

#[test]
fn a_create_is_cancelled_by_the_frame_that_made_it() {
    let functions = r#"
fn main() -> list {
    let t = beginTx(%c1)
    let a = create ctr
    let u = beginTx()
    destroyObj(a)
    let inner = a.inc()
    commitTx(u)
    let left = getController(a)
    let b = create ctr
    let v = beginTx()
    destroyObj(b)
    abortTx(v)
    let kept = b.inc()
    commitTx(t)
    [inner, left, kept, b.inc(), getMachine(a)]
}"#;
    assert_eq!(run(functions).0, "[1, nothing, 1, 2, nothing]");
}

#[test]
fn a_destroyed_object_stays_callable_until_commit() {
    let functions = r#"
fn main() -> list {
    let o = create ctr at %c1
    let t = beginTx()
    destroyObj(o)
    let n = o.inc()
    let done = commitTx(t)
    [n, done, getController(o)]
}"#;
    assert_eq!(run(functions).0, "[1, true, nothing]");
}

fn started(solo: &mut Solo, entry: &str, args: Vec<Val>) -> ExecutionId {
    let start = Start { args, ..Start::new("kit", entry) };
    solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs until so many events are logged.
fn until(solo: &mut Solo, execution: ExecutionId, events: usize) {
    while solo.lane.trace(execution).len() < events {
        assert_eq!(solo.step(execution), Some(false));
    }
}

const RACES: &str = r#"
fn setup() -> object { create acc at %c1 }
fn read(o: object) -> list {
    let t = beginTx()
    let a = getMachine(o)
    note a
    let b = o.balance()
    [a, b, commitTx(t)]
}
fn gone(o: object) -> list {
    let t = beginTx()
    let a = getMachine(o)
    note a
    [a, commitTx(t)]
}
fn write(o: object) { o.deposit(5) }
fn many(o: object) { for i in 0..<100 { o.deposit(1) } }
"#;

fn races() -> (Solo, Val) {
    let mut solo = solo_with(Config { quantum_ops: 1, versions: 4, ..config() }, RACES);
    let made = started(&mut solo, "setup", vec![]);
    let o = solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"));
    (solo, o)
}

// decisions:AVM-8
#[test]
fn a_snapshot_is_read_and_validated() {
    let (mut solo, o) = races();
    let reader = started(&mut solo, "read", vec![o.clone()]);
    until(&mut solo, reader, 2);
    let writer = started(&mut solo, "write", vec![o.clone()]);
    let by = writer;
    solo.finish(writer);
    while solo.step(reader) == Some(false) {}
    let decisions = solo.lane.decisions(reader);
    assert_eq!(decisions[0].refused, Some(Refused::Changed { object: ObjectId(0), by: Some(by) }));
    assert_eq!(short(&solo.finish(reader)).0, "[@m1, 0, false]");
    close(solo.lane);
}

#[test]
fn absence_is_observed() {
    let (mut solo, _) = races();
    let next = Val::Object(ObjectId(1));
    let reader = started(&mut solo, "gone", vec![next]);
    until(&mut solo, reader, 2);
    let maker = started(&mut solo, "setup", vec![]);
    solo.finish(maker);
    assert_eq!(short(&solo.finish(reader)).0, "[nothing, false]");
    close(solo.lane);
}

#[test]
fn an_old_snapshot_is_evicted_by_name() {
    let (mut solo, o) = races();
    let reader = started(&mut solo, "read", vec![o.clone()]);
    until(&mut solo, reader, 1);
    let other = started(&mut solo, "many", vec![o.clone()]);
    solo.finish(other);
    let (result, trace) = short(&solo.finish(reader));
    assert!(result.starts_with("ErrProgramSnapshotEvicted"), "{result}");
    assert!(trace.ends_with("ERR ErrProgramSnapshotEvicted\nTA t0"), "{trace}");
    close(solo.lane);
}

// avm:A20, decisions:AVM-13
#[test]
fn an_abort_puts_messages_back() {
    let functions = r#"
behaviour box {
    on first() { decline }
    on second() { decline }
    on take() { [receive(), receive()] }
    on peek() {
        let t = beginTx()
        let m = receive()
        abortTx(t)
        m
    }
}
fn main() -> list {
    let b = create box at %c1
    let t = beginTx()
    send b.first()
    let early = b.peek()
    commitTx(t)
    send b.second()
    let peeked = b.peek()
    [early, peeked, b.take(), b.take()]
}"#;
    let (result, trace) = run(functions);
    assert_eq!(result, r#"[nothing, ["first"], [["first"], ["second"]], [nothing, nothing]]"#);
    assert!(trace.contains(r#"MR o0 ["first"]"#), "{trace}");
}

// avm:R5
#[test]
fn an_authority_covers_its_own_objects_only() {
    let functions = r#"
fn setup() -> list { [create ctr at %c1, create ctr at %c2] }
fn use_it(o: object) { o.inc() }
fn hand(o: object) { transferObject(o, %c3) }
"#;
    let mut solo = solo(functions);
    let made = started(&mut solo, "setup", vec![]);
    solo.finish(made);
    let mut under = |entry: &str, object: u64| {
        let start = Start {
            args: vec![Val::Object(ObjectId(object))],
            authority: Some("c1".into()),
            ..Start::new("kit", entry)
        };
        let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
        short(&finished).0.split(' ').next().unwrap_or("").to_owned()
    };
    assert_eq!(under("use_it", 0), "1");
    assert_eq!(under("use_it", 1), "ErrCrossControllerTx");
    assert_eq!(under("hand", 1), "ErrUnauthorizedTransfer");
    assert_eq!(under("hand", 0), "true");
    assert_eq!(under("use_it", 0), "ErrCrossControllerTx");
    close(solo.lane);
}

#[test]
fn lost_owners_and_open_replicas() {
    let lost = r#"
fn main() {
    let o = create ctr at %dead
    o.inc()
}"#;
    let multi = Config { multi_controller: true, ..config() };
    assert!(run_with(lost, multi.clone(), &main()).0.starts_with("ErrObjectNotAvailable"));
    let open = r#"
fn main() {
    let o = create ctr at %c1
    teleport(@m2)
    fetch(o)
    o.inc()
    beginTx()
    o.inc()
}"#;
    assert!(run_with(open, multi, &main()).0.starts_with("ErrObjectNotConsistent"));
}

#[test]
fn rejected_and_unfitting_messages() {
    let functions = r#"
behaviour picky {
    on take(n: int) -> int { if n < 0 { reject } else { n } }
}
fn main(m) {
    let o = create picky
    call o m
}"#;
    let with = |message: Val| run_with(functions, config(), &Start { args: vec![message], ..main() }).0;
    assert_eq!(with(Val::List(vec!["take".into(), 3.into()])), "3");
    assert!(with(Val::List(vec!["take".into(), (-3).into()])).starts_with("ErrObjectRejectedCall"));
    assert!(with(Val::List(vec!["take".into(), "x".into()])).starts_with("ErrInvalidInput"));
    assert!(with(Val::Nothing).starts_with("ErrInvalidInput"));
}

// decisions:AVM-1
#[test]
fn a_begin_inside_a_call_publishes_what_came_before() {
    let functions = r#"
behaviour odd {
    state n = 0
    on work(gone) {
        n = 1
        let t = beginTx()
        n = 2
        commitTx(t)
        n = 3
        call gone 1
    }
    on get() -> int { n }
}
fn setup() -> object { create odd }
fn main(o: object, gone) { o.work(gone) }
fn read_it(o: object) -> int { o.get() }"#;
    let mut solo = solo(functions);
    let made = started(&mut solo, "setup", vec![]);
    let o = solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let broken = started(&mut solo, "main", vec![o.clone(), Val::Object(ObjectId(99))]);
    assert!(short(&solo.finish(broken)).0.starts_with("ErrObjectNotFound"));
    let get = started(&mut solo, "read_it", vec![o]);
    assert_eq!(short(&solo.finish(get)).0, "2");
    close(solo.lane);
}

#[test]
fn a_reified_transaction() {
    let functions = r#"
fn main() -> list {
    let o = create ctr at %c1
    let t = beginTx()
    let p = create ctr
    o.inc()
    destroyObj(o)
    reifyTxState()
}"#;
    let (result, _) = run_unsafe(functions);
    assert_eq!(result, r#"[t0, [(o0, ["inc"])], [o1], [o0], [o0]]"#);
}

#[test]
fn safe_programs_are_refused_what_is_unsafe() {
    let program = super::compiled("module safe\nunsafe\nfn main() { reflect(self) }");
    let mut lane = crate::vm::Lane::new(Config { grant_unsafe: false, ..config() });
    assert!(matches!(lane.load(&program), Err(crate::vm::LoadError::UnsafeRefused(_))));
}

pub(super) fn run_unsafe(functions: &str) -> (String, String) {
    let text = super::KIT.replace("module kit", "module kit\nunsafe");
    let mut solo = Solo::new(config(), Box::new(super::Everything));
    solo.load(&super::compiled(&format!("{text}\n{functions}"))).unwrap_or_else(|error| panic!("{error}"));
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    close(solo.lane);
    short(&finished)
}

#[test]
fn scrying_finds_what_a_predicate_holds_for() {
    let functions = r#"
fn main() -> list {
    let a = create ctr at %c1
    let b = create acc at %c2
    let mine = scryMeta(|m| m.currentController == %c1)
    let named = scryDeep(|name, m| name == "kit.acc")
    [map(mine, |row| row[0]), map(named, |row| row[0])]
}"#;
    let with_pairs = functions.replace("map(mine, |row| row[0])", "map(mine, first_of)")
        + "\nfn first_of(row) { let (o, _) = row\n o }";
    assert_eq!(run_unsafe(&with_pairs).0, "[[o0], [o1]]");
    let failing = "fn main() {\n let a = create ctr\n scryMeta(|m| m.nothing_of_that)\n}";
    assert!(run_unsafe(failing).0.starts_with("ErrScryPredicateFailed"));
}

#[test]
fn an_outermost_call_never_tells_of_evicted_snapshots() {
    let functions = r#"
behaviour slow {
    on look(o: object) -> int {
        let mut i = 0
        while i < 20 { i += 1 }
        o.balance()
    }
}
fn setup() -> list { [create acc at %c1, create slow] }
fn look(s: object, o: object) -> int { s.look(o) }
fn many(o: object) { for i in 0..<100 { o.deposit(1) } }"#;
    let mut solo = solo_with(Config { quantum_ops: 1, versions: 2, ..config() }, functions);
    let made = started(&mut solo, "setup", vec![]);
    solo.finish(made);
    let objects = [0, 1].map(|o| Val::Object(ObjectId(o)));
    let looker = started(&mut solo, "look", vec![objects[1].clone(), objects[0].clone()]);
    for _ in 0..20 {
        assert_eq!(solo.step(looker), Some(false));
    }
    let writer = started(&mut solo, "many", vec![objects[0].clone()]);
    solo.finish(writer);
    let (result, trace) = short(&solo.finish(looker));
    assert_eq!(result, "100");
    assert_eq!(trace.lines().count(), 2);
    close(solo.lane);
}
