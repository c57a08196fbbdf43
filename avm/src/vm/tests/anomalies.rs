//! What stands outside the guarantee of transactions, by name (`decisions:AVM-19`): what was found by scrying and reflecting, and what
//! replicas answer, is not validated at commit. Each test shows the anomaly, and beside it the read that is validated.

use super::{Everything, KIT, close, compiled, config, short};
use crate::Val;
use crate::id::ExecutionId;
use crate::id::ObjectId;
use crate::vm::solo::Solo;
use crate::vm::{Input, Start};

/// A lane with the kit as a module that may scry.
fn solo(functions: &str) -> Solo {
    let mut solo = Solo::new(config(), Box::new(Everything));
    let text = KIT.replacen("module kit", "module kit\nunsafe", 1);
    solo.load(&compiled(&format!("{text}\n{functions}"))).unwrap_or_else(|error| panic!("{error}"));
    solo
}

/// Starts an entry that waits for a message in the middle of its transaction.
fn halfway(solo: &mut Solo, entry: &str) -> ExecutionId {
    let start = Start { blocking: true, args: vec![Val::Object(ObjectId(0))], ..Start::new("kit", entry) };
    let execution = solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.step(execution), None, "it waits");
    execution
}

fn go_on(solo: &mut Solo, to: ExecutionId) -> String {
    let message = Input::RootMessage { to, message: Val::Nothing };
    solo.lane.input(message).unwrap_or_else(|error| panic!("{error}"));
    short(&solo.finish(to)).0
}

fn at_once(solo: &mut Solo, entry: &str) -> String {
    let args = vec![Val::Object(ObjectId(0))];
    let finished = solo.run(&Start { args, ..Start::new("kit", entry) });
    short(&finished.unwrap_or_else(|error| panic!("{error}"))).0
}

// decisions:AVM-19
#[test]
fn what_scrying_did_not_find_may_come_into_being_before_the_commit() {
    let functions = r#"
fn setup(_o: object) -> object { create ctr at %c1 }
fn only_two(_o: object) -> bool {
    atomic(%c1) {
        let found = len(scryMeta(|m| m.currentController == %c1))
        receive()
        if found < 2 {
            create ctr at %c1
        }
    }
}
fn count(_o: object) -> int { len(scryMeta(|m| m.currentController == %c1)) }
fn guarded(o: object) -> bool {
    atomic(%c1) {
        let found = o.get()
        receive()
        if found < 1 {
            o.inc()
        }
    }
}
fn value(o: object) -> int { o.get() }"#;
    let mut solo = solo(functions);
    assert_eq!(at_once(&mut solo, "setup"), "o0");
    let both = [halfway(&mut solo, "only_two"), halfway(&mut solo, "only_two")];
    assert_eq!(both.map(|one| go_on(&mut solo, one)), ["true", "true"], "both found one");
    assert_eq!(at_once(&mut solo, "count"), "3", "each of them alone would have left two");
    let both = [halfway(&mut solo, "guarded"), halfway(&mut solo, "guarded")];
    assert_eq!(both.map(|one| go_on(&mut solo, one)), ["true", "false"], "what is read is validated");
    assert_eq!(at_once(&mut solo, "value"), "1");
    close(solo.lane);
}

// decisions:AVM-19
#[test]
fn what_was_reflected_may_be_changed_before_the_commit() {
    let functions = r#"
fn setup(_o: object) -> object { create ctr at %c1 }
fn reflected(o: object) -> bool {
    atomic(%c1) {
        let before = reflect(o)
        receive()
        note before
        create ctr at %c1
    }
}
fn asked(o: object) -> bool {
    atomic(%c1) {
        let before = getMachine(o)
        receive()
        note before
        create ctr at %c1
    }
}
fn there(o: object) -> bool { moveObject(o, @m2) }
fn back(o: object) -> bool { moveObject(o, @m1) }"#;
    let mut solo = solo(functions);
    assert_eq!(at_once(&mut solo, "setup"), "o0");
    let open = halfway(&mut solo, "reflected");
    assert_eq!(at_once(&mut solo, "there"), "true");
    assert_eq!(go_on(&mut solo, open), "true", "it commits on a machine that is not so any more");
    let open = halfway(&mut solo, "asked");
    assert_eq!(at_once(&mut solo, "back"), "true");
    assert_eq!(go_on(&mut solo, open), "false", "the machine that was asked for is observed");
    close(solo.lane);
}

// decisions:AVM-19
#[test]
fn a_replica_answers_what_it_was_until_it_is_reconciled() {
    let functions = r#"
fn setup(_o: object) -> object { create ctr at %c1 }
fn replica(o: object) -> list {
    teleport(@m2)
    let fetched = fetch(o)
    teleport(@m1)
    o.inc()
    teleport(@m2)
    let stale = o.get()
    let mut inside = nothing
    let done = atomic(%c1) { inside = o.get() }
    [fetched, stale, inside, done]
}"#;
    let mut solo = solo(&(functions.to_owned() + "\nfn unsafely() { reflect(self) }"));
    assert_eq!(at_once(&mut solo, "setup"), "o0");
    assert_eq!(
        at_once(&mut solo, "replica"),
        "[true, 0, 1, true]",
        "outside a transaction the replica answers, inside the primary"
    );
    close(solo.lane);
}
