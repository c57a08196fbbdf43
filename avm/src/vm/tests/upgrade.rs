//! Another behaviour for a living object (`decisions:AVM-17`, `decisions:AVM-23`).

use super::{close, compiled, main, run, short, solo};
use crate::Val;
use crate::id::ObjectId;
use crate::vm::Start;

const SECOND: &str = r#"
behaviour slow {
    state n = 0
    on inc() -> int {
        n += 1
        n
    }
}
behaviour fast {
    state n = 0
    on inc() -> int {
        n += 10
        n
    }
}
"#;

fn with(functions: &str) -> (String, String) {
    run(&format!("{SECOND}{functions}"))
}

// decisions:AVM-23
#[test]
fn an_object_runs_another_behaviour_with_the_state_it_has() {
    let (result, trace) =
        with("fn main() -> list {\n let o = create slow at %c1\n [o.inc(), upgrade(o, \"fast\"), o.inc(), o.inc()]\n}");
    assert_eq!(result, "[1, true, 11, 21]");
    let events = [
        "OC o0",
        r#"CALL o0 ["inc"] -> 1"#,
        "OU o0 kit.slow kit.fast",
        r#"CALL o0 ["inc"] -> 11"#,
        r#"CALL o0 ["inc"] -> 21"#,
    ];
    assert_eq!(trace, events.join("\n"));
}

// decisions:AVM-23
#[test]
fn a_transaction_takes_it_back_and_authority_is_asked() {
    let functions = r#"
fn main() -> list {
    let o = create slow at %c1
    let done = atomic(%c1) {
        upgrade(o, "fast")
        note o.inc()
        abort
    }
    [done, o.inc()]
}"#;
    assert_eq!(with(functions).0, "[false, 1]");
    let foreign = r#"
fn main() -> list {
    let o = create slow at %c1
    atomic(%c2) { upgrade(o, "fast") }
    []
}"#;
    assert!(with(foreign).0.starts_with("ErrCrossControllerTx"), "{}", with(foreign).0);
    let unknown = "fn main() { upgrade(create slow, \"nobody\") }";
    assert!(
        with(unknown).0.starts_with("ErrObjectBehaviorNotFound") || with(unknown).0.contains("nobody"),
        "{}",
        with(unknown).0
    );
    let gone = "fn main() {\n let o = create slow at %c1\n destroyObj(o)\n upgrade(o, \"fast\")\n}";
    assert!(with(gone).0.starts_with("ErrObjectNotFound"), "{}", with(gone).0);
}

// decisions:AVM-17, decisions:AVM-23
#[test]
fn loading_again_changes_no_object_until_it_is_upgraded() {
    let functions = r#"
behaviour greeter {
    on hello() -> text { "one" }
}
fn main() -> object { create greeter at %c1 }
fn hello(o: object) -> text { o.hello() }
fn renew(o: object) -> bool { upgrade(o, "kit.greeter") }"#;
    let mut solo = solo(functions);
    let object = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&object).0, "o0");
    let text = format!("{}{}", super::KIT, functions.replace("\"one\"", "\"two\""));
    solo.load(&compiled(&text)).unwrap_or_else(|error| panic!("{error}"));
    let mut ask = |entry: &str| {
        let start = Start { args: vec![Val::Object(ObjectId(0))], ..Start::new("kit", entry) };
        short(&solo.run(&start).unwrap_or_else(|error| panic!("{error}"))).0
    };
    assert_eq!(["hello", "renew", "hello"].map(&mut ask), ["\"one\"", "true", "\"two\""]);
    close(solo.lane);
}
