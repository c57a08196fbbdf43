//! What a program may take beside the heap, and how long one execution may keep others from running: all of it ends in a named
//! error (`decisions:AVM-11`, `decisions:AVM-1`).

use super::replays::{result, started, until_note};
use super::{close, config, main, run_with, short, solo_with};
use crate::Val;
use crate::event::TraceLevel;
use crate::vm::{Config, Start};

/// Result of a body of `main` under a quota of one MiB.
fn within(body: &str) -> String {
    let small = Config { memory_bytes: 1 << 20, trace: TraceLevel::Off, ..config() };
    let start = Start { trace: Some(TraceLevel::Off), ..main() };
    run_with(&format!("fn main() {{\n{body}\n}}"), small, &start).0
}

#[track_caller]
fn is_bounded(body: &str) {
    let found = within(body);
    assert!(found.starts_with("ErrProgramMemory"), "{found}\n{body}");
}

#[test]
fn choices_requirements_and_conditions_are_charged() {
    let atomic = |body: &str| {
        format!(
            "let mut i = 0\nlet d = atomic {{\nlet x = choose [1, 2]\nwhile i < 1000000 {{\n{body}\ni += 1\n}}\n}}\n[d, i]"
        )
    };
    is_bounded(&atomic("require x + i > 0"));
    is_bounded(&atomic("require true"));
    is_bounded(&atomic("prefer x == 1 weight 1"));
    is_bounded(&atomic("if x > i - 5 { i += 1 } else { i += 2 }"));
    is_bounded(&atomic("let y = choose [1, 2]"));
    is_bounded(
        "let l = 1..2000\nlet mut i = 0\nlet d = atomic {\nwhile i < 3000 {\nlet y = choose l\ni += 1\n}\n}\n[d, i]",
    );
    let lists = "let l = 1..500\nlet m = 2..501\nlet mut n = 0\nlet d = atomic {\nlet x = choose [l, m]\nlet y = choose [m, l]\n\
                 while n < 100000 {\nn += x[3] - x[3]\nn += y[3] - y[3] + 1\n}\n}\n[d, n]";
    is_bounded(lists);
}

#[test]
fn what_a_transaction_remembers_is_charged() {
    is_bounded(
        "let o = create ctr at %c1\nlet mut i = 0\nlet d = atomic {\nwhile i < 1000000 {\no.get()\ni += 1\n}\n}\n[d, i]",
    );
    is_bounded(
        "let mut i = 0\nlet d = atomic {\nwhile i < 1000000 {\ncallPure(\"f\" ++ text(i), [])\ni += 1\n}\n}\n[d, i]",
    );
    is_bounded("let mut i = 0\nlet t = beginTx()\nwhile i < 1000000 {\nlet u = beginTx()\ni += 1\n}\ni");
}

#[test]
fn finite_domains_are_charged() {
    is_bounded("let l = 1..2000\nlet mut i = 0\nwhile i < 3000 {\nlet v = newVar(l)\ni += 1\n}\ni");
    is_bounded(
        "let v = newVar([1, 2])\nlet w = newVar([1, 2])\nlet mut i = 0\nwhile i < 1000000 {\nlet p = post v <= w\ni += 1\n}\ni",
    );
    is_bounded(
        "let v = newVar([1])\nlet mut i = 0\nlet t = beginTx()\nwhile i < 1000000 {\nlet a = label v\ni += 1\n}\ni",
    );
    is_bounded(
        "let mut i = 0\nlet t = beginTx()\nwhile i < 60000 {\nlet v = newVar([1, 2])\nlet a = label v\ni += 1\n}\ni",
    );
    is_bounded("let vs = map(1..19, |_| newVar([0, 1]))\nlen(solveAll(vs))");
}

// What was taken back is not charged any more.
#[test]
fn what_is_given_back_can_be_taken_again() {
    let again = "let l = 1..500\nlet mut i = 0\nwhile i < 300 {\nlet d = atomic {\nlet x = choose l\nrequire x > 0\n}\n\
                 let t = beginTx()\nlet v = newVar(l)\nlet a = label v\nabortTx(t)\ni += 1\n}\ni";
    assert_eq!(within(again), "300");
    let nested = "let l = 1..100\nlet v = newVar(l)\nlet mut i = 0\nlet t = beginTx()\nwhile i < 90 {\nlet u = beginTx()\n\
                  let a = label v\nabortTx(u)\ni += 1\n}\ncommitTx(t)";
    assert_eq!(within(nested), "true");
}

#[test]
fn a_store_that_forgets_refutations_says_so() {
    let functions = r#"
fn main() -> list {
    let v = newVar([1, 2, 3])
    note "here"
    let t = beginTx()
    let a = label v
    abortTx(t)
    [a, label(v)]
}"#;
    let mut solo = solo_with(Config { quantum_ops: 1, ..config() }, functions);
    let execution = started(&mut solo, "main", vec![]);
    until_note(&mut solo, execution);
    if let Some(x) = solo.lane.execs.get_mut(&execution)
        && let Some(fd) = &mut x.fd
    {
        fd.limits.refutations = 0;
    }
    assert!(short(&solo.finish(execution)).0.starts_with("ErrProgramMemory"));
    close(solo.lane);
}

const TAIL: &str = r#"
behaviour tail {
    state n = 0
    on go() {
        let _ = atomic { n = 1 }
        n = 2
        note "here"
        while true { }
    }
}
fn make() -> object { create tail }
fn go(o: object) { o.go() }
fn other() -> int { 7 }
"#;

// decisions:AVM-1
#[test]
fn the_rest_of_a_call_does_not_keep_others_from_running_for_ever() {
    let mut solo = solo_with(Config { quantum_ops: 16, ..config() }, TAIL);
    let made = started(&mut solo, "make", vec![]);
    let o = solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let stalls = started(&mut solo, "go", vec![o]);
    until_note(&mut solo, stalls);
    let other = started(&mut solo, "other", vec![]);
    let rounds = (0..1000).find(|_| {
        assert_eq!(solo.step(stalls), Some(false));
        solo.step(other) == Some(true)
    });
    assert!(rounds.is_some_and(|rounds| rounds > 100), "alone for a while, and then not: {rounds:?}");
    assert_eq!(short(&solo.finish(other)).0, "7");
    assert!(solo.lane.terminate(stalls));
    let failure = solo.lane.result(stalls).and_then(Result::err);
    assert_eq!(failure.map(|failure| failure.error.name()), Some("ErrProgramTerminated"));
    close(solo.lane);
}

const BOXES: &str = r#"
behaviour mb {
    on box(m) { note m }
    on take() { receive() }
}
fn main() -> int {
    for i in 0..50 {
        let _ = atomic {
            let o = create mb at %c1
            send o.box([i, 1, 2])
            destroyObj(o)
        }
    }
    1
}
fn make() -> object { create mb at %c1 }
fn hold(o: object) -> bool {
    let t = beginTx()
    send o.box(5)
    note "here"
    commitTx(t)
}
fn gone(o: object) -> bool { destroyObj(o) }
fn mail(o: object) { send o.box(6) }
fn taken(o: object) -> bool {
    let t = beginTx()
    let m = o.take()
    note "here"
    abortTx(t)
    true
}
"#;

// avm:11, decisions:AVM-13
#[test]
fn messages_to_who_is_gone_are_dropped() {
    let mut solo = solo_with(Config { quantum_ops: 1, ..config() }, BOXES);
    assert_eq!(result(&mut solo, "main", vec![]), "1");
    assert!(solo.lane.world.store.mailboxes.is_empty());
    let make = |solo: &mut crate::vm::solo::Solo| -> Val {
        let made = started(solo, "make", vec![]);
        solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"))
    };
    let o = make(&mut solo);
    let hold = started(&mut solo, "hold", vec![o.clone()]);
    until_note(&mut solo, hold);
    assert_eq!(result(&mut solo, "gone", vec![o]), "true");
    assert_eq!(short(&solo.finish(hold)).0, "false", "who sends has seen that the receiver is there");
    let o = make(&mut solo);
    assert_eq!(result(&mut solo, "mail", vec![o.clone()]), "nothing");
    let taken = started(&mut solo, "taken", vec![o.clone()]);
    until_note(&mut solo, taken);
    assert_eq!(result(&mut solo, "gone", vec![o]), "true");
    assert_eq!(short(&solo.finish(taken)).0, "true");
    assert!(solo.lane.world.store.mailboxes.is_empty());
    close(solo.lane);
}
