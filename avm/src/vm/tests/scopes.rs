//! Scopes of finite-domain variables, shapes of messages that depend on choices, segments that hold transactions, owners and names
//! (`avm:8.1`, `avm:9.2`, `avm:R2`, `avm:3`).

use super::replays::{result, started, until_note};
use super::{close, config, main, run, run_with, short, solo, solo_with};
use crate::Val;
use crate::id::{ObjectId, ROOT};
use crate::vm::{Composition, Config, Segment, Start};

// avm:8.1: whether there were variables before makes no difference.
#[test]
fn variables_of_a_transaction_vanish_with_it_also_when_they_were_the_first() {
    for prior in ["", "let w = newVar([1])\n"] {
        let functions = format!(
            "fn main() {{\n{prior}let t = beginTx()\nlet v = newVar([1, 2, 3])\nlet c = commitTx(t)\n[c, narrow(v, [2])]\n}}"
        );
        assert!(run(&functions).0.starts_with("ErrUnknownVar"), "{prior}");
    }
    let inner = r#"
fn main() -> list {
    let t = beginTx()
    let u = beginTx()
    let v = newVar([1, 2, 3])
    let s = beginTx()
    let a = label v
    abortTx(s)
    commitTx(u)
    let b = label v
    [a, b, commitTx(t)]
}"#;
    assert_eq!(run(inner).0, "[1, 1, true]", "what an inner transaction refuted ends with it");
}

const TAKER: &str = r#"
behaviour taker {
    state n = 0
    on take(k: int) -> int {
        n += k
        n
    }
    on all(ks: [int], p: int?) -> int { len(ks) }
}
"#;

// avm:9.2: the first valid resolution, also when another one fails at the border of the object.
#[test]
fn a_message_that_another_choice_makes_fit() {
    let with = |options: &str, wanted: &str, message: &str| {
        run(&format!(
            "{TAKER}fn main() -> list {{\nlet o = create taker\nlet mut y = nothing\nlet done = atomic {{\nlet m = choose {options}\n\
             require m == {wanted}\ny = call o {message}\n}}\n[done, y]\n}}"
        ))
        .0
    };
    assert_eq!(with("[\"a\", 5]", "5", "[\"take\", m]"), "[true, 5]");
    assert_eq!(with("[[\"nope\", 1], [\"take\", 5]]", "[\"take\", 5]", "m"), "[true, 5]");
    assert_eq!(with("[\"nope\", \"take\"]", "\"take\"", "[m, 4]"), "[true, 4]");
    assert_eq!(with("[[\"x\"], [1, 2]]", "[1, 2]", "[\"all\", m, nothing]"), "[true, 2]");
    assert_eq!(with("[\"x\", 1]", "1", "[\"all\", [7, m], nothing]"), "[true, 2]");
    assert_eq!(with("[just \"x\", just 1]", "just 1", "[\"all\", [7], m]"), "[true, 1]");
    assert_eq!(with("[1, nothing]", "nothing", "[\"all\", [7], m]"), "[true, 1]");
    assert!(with("[5, \"a\"]", "\"a\"", "[\"take\", m]").starts_with("ErrInvalidInput"));
}

#[test]
fn alternatives_that_another_choice_brings() {
    let functions = r#"
fn main() -> list {
    let mut got = nothing
    let done = atomic {
        let l = choose [[], [1, 2]]
        require l != []
        got = choose l
    }
    [done, got]
}"#;
    assert_eq!(run(functions).0, "[true, 1]");
}

// avm:R2: one commit, whatever the segments commit inside.
#[test]
fn a_segment_that_holds_a_transaction_commits_with_the_others() {
    let functions = r#"
fn make() -> object { create ctr at %c1 }
fn inner(o: object) -> bool { atomic { o.inc() } }
fn bad(o: object) -> int {
    o.inc()
    require false as "never"
    1
}
fn fine(o: object) -> int { o.inc() }
"#;
    for (second, expected) in [("bad", "(false, [true, 1]) [0]"), ("fine", "(true, [true, 2]) [2]")] {
        let mut solo = solo(functions);
        let o = solo.run(&Start::new("kit", "make")).map(|made| made.result);
        let Ok(Ok(o)) = o else { panic!("{o:?}") };
        let segment = |entry: &str| Segment { module: "kit".into(), entry: entry.into(), args: vec![o.clone()] };
        let segments = [segment("inner"), segment(second)];
        let execution =
            solo.lane.compose(&segments, Composition::Sequential, &main()).unwrap_or_else(|e| panic!("{e}"));
        let found = short(&solo.finish(execution)).0;
        let state = solo.lane.state(ObjectId(0)).unwrap_or(Val::Nothing);
        let state = if state == Val::List(vec![]) { "[0]".to_owned() } else { state.to_string() };
        assert_eq!(format!("{found} {state}"), expected);
        close(solo.lane);
    }
}

fn several(body: &str) -> String {
    run_with(&format!("fn main() {{\n{body}\n}}"), Config { multi_controller: true, ..config() }, &main()).0
}

// avm:3: at every such access.
#[test]
fn lost_owners_at_every_access() {
    for access in ["moveObject(o, @m2)", "getController(o)", "transferObject(o, %c1)", "destroyObj(o)", "o.inc()"] {
        for begin in ["", "beginTx()\n"] {
            let found = several(&format!("let o = create ctr at %dead\n{begin}{access}"));
            assert!(found.starts_with("ErrObjectNotAvailable"), "{begin}{access}: {found}");
        }
    }
    // avm:4.8
    for begin in ["", "beginTx()\n"] {
        let found = several(&format!("let o = create ctr at %dead\n{begin}freeze(o)"));
        assert!(found.starts_with("ErrControllerUnreachable"), "{found}");
    }
}

#[test]
fn a_transaction_can_freeze_what_is_not_consistent() {
    let body = "let o = create ctr at %c1\nteleport(@m2)\nfetch(o)\no.inc()\nteleport(@m1)\nlet t = beginTx()\nlet f = freeze(o)\n\
                let n = o.inc()\n[f, n, commitTx(t), o.get()]";
    assert_eq!(several(body), "[just true, 2, true, 2]");
}

// avm:10.1: reachability and replicas are asked about at the access, not once in a transaction.
#[test]
fn a_replica_that_gets_ahead_is_met_at_the_next_access() {
    let functions = r#"
fn make() -> object {
    let o = create ctr at %c1
    teleport(@m2)
    fetch(o)
    o
}
fn hold(o: object) -> int {
    let t = beginTx()
    o.inc()
    note "here"
    o.inc()
}
fn ahead(o: object) -> int {
    teleport(@m2)
    o.inc()
}"#;
    let mut solo = solo_with(Config { multi_controller: true, quantum_ops: 1, ..config() }, functions);
    let made = started(&mut solo, "make", vec![]);
    let o = solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let hold = started(&mut solo, "hold", vec![o.clone()]);
    until_note(&mut solo, hold);
    assert_eq!(result(&mut solo, "ahead", vec![o]), "1");
    assert!(short(&solo.finish(hold)).0.starts_with("ErrObjectNotConsistent"));
    close(solo.lane);
}

#[test]
fn names_of_machines_and_controllers_are_not_empty() {
    for body in ["controller(\"\")", "machine(\"\")", "create ctr at \"\"", "teleport(\"\")"] {
        let found = run(&format!("fn main() {{\n{body}\n}}")).0;
        assert!(found.starts_with("ErrProgramType"), "{body}: {found}");
    }
    let long = format!("fn main() {{ machine(\"{}\") }}", "m".repeat(101));
    assert!(run(&long).0.starts_with("ErrProgramType"));
}

#[test]
fn the_root_is_called_root() {
    assert_eq!(run("fn main() { call self \"x\" }").0, "ErrObjectNotFound object root does not exist");
    assert_eq!("root".parse::<ObjectId>(), Ok(ROOT));
}
