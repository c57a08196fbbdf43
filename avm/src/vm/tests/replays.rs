//! What the machine has going on while frames of the program run: messages that `freeze` takes again, scans. Choices and labels in
//! them are taken back with them (`avm:10.4`, `avm:4.3`, `decisions:AVM-11`).

use super::{Everything, close, config, main, run, run_with, short, solo, solo_with};
use crate::Val;
use crate::id::ExecutionId;
use crate::vm::solo::{Finished, Solo};
use crate::vm::{Config, Start};

const ADDER: &str = r#"
behaviour adder {
    state n = 0
    on add() -> int {
        n += 1
        n
    }
    on some() -> int {
        n += choose [1, 2, 3]
        n
    }
    on get() -> int { n }
}
/// An object with a message that its replica on m2 has taken.
fn ahead(message: text) -> object {
    let o = create adder at %c1
    teleport(@m2)
    fetch(o)
    call o [message]
    teleport(@m1)
    o
}
"#;

fn of(functions: &str) -> String {
    run(&format!("{ADDER}{functions}")).0
}

/// Result of the entry `main` of an unsafe module; no value is left behind.
fn unsafe_with(config: Config, functions: &str) -> (String, Finished) {
    let mut solo = Solo::new(config, Box::new(Everything));
    let module = super::compiled(&format!("module kit\nunsafe\n{functions}"));
    solo.load(&module).unwrap_or_else(|error| panic!("{error}"));
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    close(solo.lane);
    (short(&finished).0, finished)
}

fn unsafe_run(functions: &str) -> String {
    unsafe_with(config(), functions).0
}

pub(super) fn started(solo: &mut Solo, entry: &str, args: Vec<Val>) -> ExecutionId {
    let start = Start { args, ..Start::new("kit", entry) };
    solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs until the trace has a note.
pub(super) fn until_note(solo: &mut Solo, execution: ExecutionId) {
    let noted = |solo: &Solo| solo.lane.trace(execution).iter().any(|e| matches!(e.event, crate::Event::Noted(_)));
    while !noted(solo) {
        assert_eq!(solo.step(execution), Some(false));
    }
}

pub(super) fn result(solo: &mut Solo, entry: &str, args: Vec<Val>) -> String {
    let execution = started(solo, entry, args);
    short(&solo.finish(execution)).0
}

#[test]
fn a_choice_in_a_message_that_is_taken_again_is_decided_at_the_commit() {
    let functions = r#"
fn main() -> list {
    let o = ahead("some")
    teleport(@m2)
    o.add()
    teleport(@m1)
    let mut f = nothing
    let done = atomic {
        f = freeze(o)
        require o.get() > 2
    }
    [f, done, o.get()]
}"#;
    assert_eq!(of(functions), "[just true, true, 3]");
}

#[test]
fn a_choice_in_a_predicate_is_decided_at_the_commit() {
    let functions = r#"
behaviour b { on get() { 1 } }
fn main() -> list {
    create b
    let mut rows = nothing
    let done = atomic {
        rows = scryMeta(|m| {
            let y = choose [1, 2, 3]
            require y > 1
            y > 0
        })
    }
    [done, len(rows)]
}"#;
    assert_eq!(unsafe_run(functions), "[true, 1]");
}

// The first predicate labels v: the dead end behind the scan goes back into it, and the scan is done again from there.
#[test]
fn a_dead_end_goes_back_into_a_scan_that_is_over() {
    let functions = r#"
behaviour b { on get() { 1 } }
fn main() -> list {
    let o = create b
    let p = create b
    let t = beginTx()
    let v = newVar([1, 2])
    let w = newVar([1, 2])
    let rows = scryMeta(|m| label v == 2)
    let k = narrow(w, [2])
    let q = post v == w
    if !q {
        note rows
        let z = newVar([1])
        let u = beginTx()
        label z
        abortTx(u)
        label z
    }
    let x = label w
    [len(rows), k, q, x, commitTx(t), o != p]
}"#;
    let (result, finished) = unsafe_with(config(), functions);
    assert_eq!(result, "[2, true, true, 2, true, true]");
    assert!(finished.trace.iter().any(|entry| entry.event == crate::Event::Noted(Val::List(vec![]))));
}

// avm:10.4, decisions:AVM-9: a replica gives up what it has taken when the state that holds it is committed, not before.
#[test]
fn a_freeze_that_does_not_commit_takes_nothing_from_the_replicas() {
    for undone in ["abort", "require false"] {
        let functions = format!(
            "fn main() -> list {{\nlet o = ahead(\"add\")\nlet done = atomic {{\nfreeze(o)\n{undone}\n}}\n\
             let after = o.get()\nlet f = freeze(o)\n[done, after, f, o.get(), freeze(o), o.get()]\n}}"
        );
        assert_eq!(of(&functions), "[false, 0, just true, 1, just true, 1]", "{undone}");
    }
    let inner = r#"
fn main() -> list {
    let o = ahead("add")
    let t = beginTx()
    let u = beginTx()
    freeze(o)
    let inside = o.get()
    abortTx(u)
    let outside = o.get()
    let done = commitTx(t)
    [inside, outside, done, freeze(o), o.get()]
}"#;
    assert_eq!(of(inner), "[1, 0, true, just true, 1]");
}

#[test]
fn a_freeze_does_not_commit_over_what_its_replicas_have_taken_since() {
    let functions = format!(
        "{ADDER}
fn make() -> object {{ ahead(\"add\") }}
fn hold(o: object) -> list {{
    let t = beginTx()
    let f = freeze(o)
    note \"here\"
    [f, commitTx(t)]
}}
fn more(o: object) -> int {{
    teleport(@m2)
    o.add()
}}
fn end(o: object) -> list {{ [freeze(o), o.get()] }}"
    );
    let mut solo = solo_with(Config { quantum_ops: 4, ..config() }, &functions);
    let o = solo
        .run(&Start::new("kit", "make"))
        .unwrap_or_else(|e| panic!("{e}"))
        .result
        .unwrap_or_else(|e| panic!("{e:?}"));
    let hold = started(&mut solo, "hold", vec![o.clone()]);
    until_note(&mut solo, hold);
    assert_eq!(result(&mut solo, "more", vec![o.clone()]), "2");
    assert_eq!(short(&solo.finish(hold)).0, "[just true, false]");
    assert_eq!(result(&mut solo, "end", vec![o]), "[just true, 2]");
    close(solo.lane);
}

// avm:10.4: in order of machine, whatever the program has named first.
#[test]
fn replicas_are_taken_in_the_order_of_their_machines() {
    let functions = r#"
behaviour s {
    state xs = []
    on add(v) { xs = push(xs, v) }
    on get() -> list { xs }
}
fn order(names: list) -> list {
    let o = create s at %c1
    for n in names {
        teleport(machine(n))
        fetch(o)
        o.add(n)
    }
    teleport(@m1)
    freeze(o)
    o.get()
}
fn main() -> list { [order(["zz", "aa"]), order(["aa", "zz"])] }"#;
    let all = Config { machines: Vec::new(), ..config() };
    assert_eq!(run_with(functions, all, &main()).0, r#"[["aa", "zz"], ["aa", "zz"]]"#);
}

#[test]
fn a_second_fetch_keeps_what_the_replica_has_taken() {
    let functions = r#"
fn main() -> list {
    let o = create adder at %c1
    teleport(@m2)
    fetch(o)
    o.add()
    fetch(o)
    o.add()
    teleport(@m1)
    let before = o.get()
    [before, freeze(o), o.get()]
}"#;
    assert_eq!(of(functions), "[0, just true, 2]");
}

#[test]
fn replicas_are_bounded_and_staged_once() {
    let functions = format!(
        "{ADDER}
fn main() {{
    let o = create adder at %c1
    teleport(@m2)
    fetch(o)
    for i in 1..9 {{ o.add() }}
}}
fn often() {{
    let o = create adder at %c1
    teleport(@m2)
    let t = beginTx()
    for i in 0..100 {{ fetch(o) }}
    note \"here\"
}}"
    );
    let few = Config { mailbox: 8, ..config() };
    assert!(run_with(&functions, few, &main()).0.starts_with("ErrProgramMemory"));
    let mut solo = solo(&functions);
    let execution = started(&mut solo, "often", vec![]);
    solo.lane.world.config.quantum_ops = 1;
    until_note(&mut solo, execution);
    assert_eq!(solo.lane.execs[&execution].tx.staged.len(), 1);
    close(solo.lane);
}

#[test]
fn a_scan_costs_its_rows_and_gives_back_what_does_not_fit() {
    let functions = r#"
behaviour b { on get() { 1 } }
fn main() -> int {
    for i in 1..500 { let _ = create b }
    note "here"
    len(scryMeta(|m| true))
}"#;
    let mut solo = Solo::new(config(), Box::new(Everything));
    let module = super::compiled(&format!("module kit\nunsafe\n{functions}"));
    solo.load(&module).unwrap_or_else(|error| panic!("{error}"));
    let execution = started(&mut solo, "main", vec![]);
    solo.lane.world.config.quantum_ops = 16;
    until_note(&mut solo, execution);
    let quanta = std::iter::repeat_with(|| solo.step(execution)).take_while(|over| *over == Some(false)).count();
    assert!(quanta >= 240, "a row costs 8 operations beside the predicate: {quanta}");
    assert_eq!(short(&solo.finish(execution)).0, "500");
    close(solo.lane);
    for bytes in (40..140).map(|kib| kib << 10) {
        let small = Config { memory_bytes: bytes, ..config() };
        let (result, _) = unsafe_with(small, functions);
        assert!(result == "500" || result.starts_with("ErrProgramMemory"), "{result}");
    }
}

// avm:4.3: what the predicate raises is its failure; what the execution has used up is not.
#[test]
fn what_a_predicate_raises() {
    let with = |predicate: &str| {
        let functions = format!(
            "behaviour b {{ on get() {{ raise \"no\" }} }}\nfn main() -> int {{\nlet o = create b\nlen(scryMeta(|m| {predicate}))\n}}"
        );
        unsafe_with(Config { fuel: 10_000, ..config() }, &functions).0
    };
    assert!(with("1 / 0 > 0").starts_with("ErrScryPredicateFailed"));
    assert!(with("o.get()").starts_with("ErrScryPredicateFailed"));
    let missing = with("{\nlet g = createObj(\"none\", nothing)\ntrue\n}");
    assert!(missing.starts_with("ErrScryPredicateFailed ") && missing.contains("ErrBehaviourNotFound"), "{missing}");
    let spent = with("{\nlet mut i = 0\nwhile true { i += 1 }\ntrue\n}");
    assert!(spent.starts_with("ErrProgramFuel"), "{spent}");
    let full = with("{\nlet mut l = [1]\nwhile true { l = [l, l] }\ntrue\n}");
    assert!(full.starts_with("ErrProgramMemory"), "{full}");
}
