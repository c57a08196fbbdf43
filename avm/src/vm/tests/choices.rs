//! Choices in the machine: vectors 34 to 36 and 39 of `avm:14`, failing runs (`decisions:AVM-4`), runs that leave nothing.

use super::{close, main, run, short, solo};
use crate::vm::Refused;

fn check((result, trace): (String, String), expected: &str, events: &[&str]) {
    assert_eq!(result, expected);
    assert_eq!(trace, events.join("\n"));
}

// avm:A30, decisions:AVM-3
#[test]
fn avm_v34_two_choices() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose 1..4
    let y = choose 1..4
    require x + y == 6
    require x < y
    let done = commitTx(t)
    [x, y, done]
}"#;
    check(run(functions), "[2, 4, true]", &["TS t0", "TC t0"]);
}

// avm:A31
#[test]
fn avm_v35_no_resolution() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [1, 2, 3]
    require x > 5 as "more than five"
    let done = commitTx(t)
    [x, done]
}"#;
    check(run(functions), "[1, false]", &["TS t0", "TA t0"]);
    let mut solo = solo(functions);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let Some(Refused::Unsatisfiable { core, names, .. }) = &decisions[0].refused else { panic!("{decisions:?}") };
    assert_eq!((&core[..], &names[..]), (&[0][..], &["more than five".to_owned()][..]));
    close(solo.lane);
}

#[test]
fn avm_v36_a_choice_goes_through_an_object() {
    let functions = r#"
fn main() -> list {
    let o0 = create acc at %c1
    let t = beginTx(%c1)
    let x = choose [10, 20, 30]
    o0.deposit(x)
    let b = o0.balance()
    require b >= 20
    let done = commitTx(t)
    [b, done, o0.balance()]
}"#;
    let events = [
        "OC o0",
        "TS t0",
        r#"CALL o0 ["deposit", 20] -> "ok" @c1"#,
        r#"CALL o0 ["balance"] -> 20 @c1"#,
        "TC t0 @c1",
        r#"CALL o0 ["balance"] -> 20"#,
    ];
    check(run(functions), "[20, true, 20]", &events);
}

const ESCROW: &str = r#"
behaviour escrow {
    state offers = []
    on offer(who: text, kind: text, amount: int, wanted: text, least: int) -> text {
        offers = push(offers, [who, kind, amount, wanted, least])
        match offers {
            [[_, kind_a, amount_a, wanted_a, least_a], [_, kind_b, amount_b, wanted_b, least_b]] => {
                require kind_a == wanted_b && kind_b == wanted_a
                require amount_b >= least_a
                require amount_a >= least_b
                "matched"
            }
            _ => "waiting"
        }
    }
    on trade() -> list { map(offers, |offer| offer[0..<3]) }
}
fn main() -> list {
    let e = create escrow at %c1
    let t = beginTx()
    let x = choose 1..5
    e.offer("alice", "A", x, "B", 3)
    require x <= 4
    let y = choose 1..4
    e.offer("bob", "B", y, "A", 2)
    let done = commitTx(t)
    [x, y, done, e.trade()]
}
fn setup() -> object { create escrow at %c1 }
fn alice(e: object) -> int {
    let x = choose 1..5
    e.offer("alice", "A", x, "B", 3)
    require x <= 4
    x
}
fn bob(e: object) -> int {
    let y = choose 1..4
    e.offer("bob", "B", y, "A", 2)
    y
}"#;

#[test]
fn avm_v39_intent_match() {
    let trade = r#"[["alice", "A", 2], ["bob", "B", 3]]"#;
    let events = [
        "OC o0",
        "TS t0",
        r#"CALL o0 ["offer", "alice", "A", 2, "B", 3] -> "waiting" @c1"#,
        r#"CALL o0 ["offer", "bob", "B", 3, "A", 2] -> "matched" @c1"#,
        "TC t0 @c1",
        &format!(r#"CALL o0 ["trade"] -> {trade}"#),
    ];
    check(run(ESCROW), &format!("[2, 3, true, {trade}]"), &events);
}

#[test]
fn avm_v39_intent_match_of_two_programs() {
    use crate::vm::{Composition, Segment, Start};
    let mut solo = solo(ESCROW);
    let made = solo.run(&Start::new("kit", "setup")).unwrap_or_else(|error| panic!("{error}"));
    let e = made.result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let segment = |entry: &str| Segment { module: "kit".into(), entry: entry.into(), args: vec![e.clone()] };
    let segments = [segment("alice"), segment("bob")];
    let execution = solo.lane.compose(&segments, Composition::Sequential, &main());
    let finished = solo.finish(execution.unwrap_or_else(|error| panic!("{error}")));
    let events = [
        "TS t0",
        r#"CALL o0 ["offer", "alice", "A", 2, "B", 3] -> "waiting" @c1"#,
        "TS t1",
        r#"CALL o0 ["offer", "bob", "B", 3, "A", 2] -> "matched" @c1"#,
        "TC t0 @c1",
        "TC t1 @c1",
    ];
    check(short(&finished), "(true, [2, 3])", &events);
    close(solo.lane);
}

// decisions:AVM-3
#[test]
fn a_branch_on_a_choice_leads_other_ways() {
    let functions = r#"
fn main() -> list {
    let o = create acc at %c1
    let t = beginTx()
    let x = choose [1, 2, 3]
    let y = if x == 2 { choose [10, 20] } else { 0 }
    o.deposit(x + y)
    require x + y == 22
    let done = commitTx(t)
    [x, y, done, o.balance()]
}"#;
    let events =
        ["OC o0", "TS t0", r#"CALL o0 ["deposit", 22] -> "ok" @c1"#, "TC t0 @c1", r#"CALL o0 ["balance"] -> 22"#];
    check(run(functions), "[2, 20, true, 22]", &events);
}

#[test]
fn a_failing_run_with_a_false_requirement_is_no_resolution() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [0, 1, 2]
    require x > 1
    let y = 10 / x
    let done = commitTx(t)
    [x, y, done]
}"#;
    check(run(functions), "[2, 5, true]", &["TS t0", "TC t0"]);
}

#[test]
fn a_failing_run_without_a_false_requirement_is_the_observable_one() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [1, 0, 2]
    require x != 1
    let y = 10 / x
    require y > 3
    [x, commitTx(t)]
}"#;
    let (result, trace) = run(functions);
    assert!(result.starts_with("ErrProgramArithmetic"), "{result}");
    assert_eq!(trace, "TS t0\nERR ErrProgramArithmetic\nTA t0");
}

// decisions:AVM-14
#[test]
fn ids_are_those_of_the_observable_run() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [1, 2, 3]
    let u = beginTx()
    let o = create acc at %c1
    o.deposit(x)
    let inner = commitTx(u)
    require x == 3
    let done = commitTx(t)
    let p = create acc
    [x, done, o, p, o.balance()]
}"#;
    let (result, trace) = run(functions);
    assert_eq!(result, "[3, true, o0, o1, 3]");
    assert!(trace.starts_with("TS t0\nTS t1\nOC o0\n"), "{trace}");
}

#[test]
fn weights_and_preferences() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = chooseWeighted([(1, 5), (2, 9), (3, 9)])
    let y = choose [1, 2]
    prefer(y == 2, 3)
    let done = commitTx(t)
    [x, y, done]
}"#;
    check(run(functions), "[2, 2, true]", &["TS t0", "TC t0"]);
}

// The run of first options states no preference; the one that does is preferred all the same.
#[test]
fn a_preference_that_only_another_run_states() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    let x = choose [1, 2]
    if x == 2 {
        prefer(true, 5)
    }
    [x, commitTx(t)]
}"#;
    check(run(functions), "[2, true]", &["TS t0", "TC t0"]);
}

#[test]
fn labels_and_choices_in_one_transaction() {
    let functions = r#"
fn main() -> list {
    let v = newVar([1, 2, 3])
    let t = beginTx()
    let a = label v
    let x = choose [1, 2, 3]
    require a + x == 4
    let done = commitTx(t)
    [a, x, done, domainOf(v)]
}"#;
    check(run(functions), "[1, 3, true, [1]]", &["TS t0", "TC t0"]);
}

/// What is certain to be required bounds what is looked at: of many ways through the transaction few are run.
#[test]
fn requirements_that_stay_cut_the_search() {
    let with = |requires: &str, done: &str| {
        format!(
            "fn main() -> list {{\nlet t = beginTx()\nlet x = choose 1..40\n{requires}\n\
             for n in 1..40 {{ if x == n {{ note n }} }}\n{done}\n[commitTx(t), x]\n}}"
        )
    };
    let decided = |functions: &str| {
        let mut solo = solo(functions);
        let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
        while solo.step(execution) == Some(false) {}
        let runs = solo.lane.decisions(execution)[0].runs;
        let (result, _) = short(&solo.finish(execution));
        close(solo.lane);
        (result, runs)
    };
    let (result, runs) = decided(&with("require x > 37", ""));
    assert_eq!(result, "[true, 38]");
    assert!(runs <= 3, "{runs}");
    let (result, runs) = decided(&with("let inner = beginTx()\nrequire x > 37\nlet _ = commitTx(inner)", ""));
    assert_eq!(result, "[true, 38]");
    assert!(runs <= 3, "{runs}");
    // What an inner transaction takes back bounds nothing.
    let aborted = with("let inner = beginTx()\nrequire x > 37", "abortTx(inner)\nrequire x > 1");
    assert_eq!(decided(&aborted).0, "[true, 2]");
    // What a dead end takes back bounds nothing either.
    let labelled = with(
        "var q in [1, 2]\nlet found = label q\nif found == 1 { require x > 37 }\nlet dead = found == 1 && !narrow(q, [2])",
        "if dead { var r in [1]\nlet one = beginTx()\nlet _ = label r\nabortTx(one)\nlet _ = label r }\nrequire x > 1",
    );
    assert_eq!(decided(&labelled).0, "[true, 2]");
}

// decisions:AVM-10, decisions:AVM-23: each way through the transaction is excluded by a requirement of its own, and all are named.
#[test]
fn a_refusal_names_what_excludes_each_way() {
    let functions = r#"
fn main() -> bool {
    let t = beginTx()
    let x = choose [1, 2, 3]
    require x < 3 as "below three"
    if x == 1 {
        require x != 1 as "never for one"
    } else {
        require x != 2 as "never for two"
    }
    commitTx(t)
}"#;
    let mut solo = solo(functions);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let Some(Refused::Unsatisfiable { core, names, .. }) = &decisions[0].refused else { panic!("{decisions:?}") };
    assert_eq!(&core[..], &[1]);
    assert_eq!(names.join("; "), "never for one; below three; never for two");
    close(solo.lane);
}

#[test]
fn a_refusal_by_very_many_requirements_says_that_there_are_others() {
    let functions = r#"
fn main() -> bool {
    let t = beginTx()
    let x = choose range(0, 100)
    let y = at(range(0, 100), x)
    require x != y as text(y)
    commitTx(t)
}"#;
    let mut solo = solo(functions);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let Some(Refused::Unsatisfiable { names, .. }) = &decisions[0].refused else { panic!("{decisions:?}") };
    assert_eq!((names.len(), names.last().map(String::as_str)), (1 + crate::nondet::MOST_BESIDE + 1, Some("others")));
    close(solo.lane);
}
