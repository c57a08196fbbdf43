//! Variables that stand in requirements (`decisions:AVM-20`): decided at commit together with the choices, the same by every solver.

use super::{compiled, config, main, run, short, solo};
use crate::Val;
use crate::nondet::builtin::BuiltinSolver;
use crate::vm::solo::Solo;
use crate::vm::{Decision, Input, Output, Refused};

/// Runs `main` and gives its value, its trace, and how its transactions were decided.
fn decided(functions: &str) -> (String, String, Vec<Decision>) {
    let mut solo = solo(functions);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let (result, trace) = short(&solo.finish(execution));
    super::close(solo.lane);
    (result, trace, decisions)
}

/// Names and places of the core.
fn core(functions: &str) -> Vec<(String, String)> {
    let (_, _, decisions) = decided(functions);
    match decisions.last().and_then(|decision| decision.refused.clone()) {
        Some(Refused::Unsatisfiable { names, places, .. }) => names.into_iter().zip(places).collect(),
        other => panic!("{other:?}"),
    }
}

// decisions:AVM-20
#[test]
fn variables_are_decided_at_commit() {
    let functions = r#"
fn main() -> list {
    var a in 1..9
    var b in [7, 5, 3]
    let posted = post a < b
    let t = beginTx()
    require a * b == 20
    let done = commitTx(t)
    [posted, done, domainOf(a), domainOf(b), label a]
}"#;
    let (result, trace, decisions) = decided(functions);
    assert_eq!(result, "[true, true, [4], [5], 4]");
    assert_eq!(trace, "TS t0\nTC t0");
    let vars: Vec<String> = decisions[0].vars.iter().map(|(var, value)| format!("v{}={value}", var.0)).collect();
    assert_eq!(vars, ["v1=4", "v2=5"]);
}

/// Choices come first, then variables in the order in which they were made, each in the order of its domain.
#[test]
fn choices_come_before_variables() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    var q in [3, 2, 1]
    let v = valueOf(q)
    let c = choose [1, 2, 3]
    require v + c == 4
    let done = commitTx(t)
    [done, c, v]
}"#;
    assert_eq!(run(functions).0, "[true, 1, 3]");
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    var q in [3, 2, 1]
    var r in [1, 2, 3]
    require q != r && q + r < 5
    let done = commitTx(t)
    let two = beginTx()
    var s in [1, 2]
    let c = choose [5, 6]
    require s + c > 6
    prefer s == 2 weight 1
    [done, commitTx(two), c]
}"#;
    assert_eq!(run(functions).0, "[true, true, 5]");
}

/// What the program keeps of such a value is what was decided on: in states, messages, results.
#[test]
fn the_observable_run_has_seen_what_was_decided() {
    let functions = r#"
fn main() -> list {
    let o = create acc at %c1
    let t = beginTx()
    var q in 1..10
    let v = valueOf(q)
    o.deposit(v * 2)
    require o.balance() > 7 as "enough"
    let done = commitTx(t)
    [done, v, o.balance()]
}"#;
    let (result, trace) = run(functions);
    assert_eq!(result, "[true, 4, 8]");
    let calls = [
        "OC o0",
        "TS t0",
        r#"CALL o0 ["deposit", 8] -> "ok" @c1"#,
        r#"CALL o0 ["balance"] -> 8 @c1"#,
        "TC t0 @c1",
        r#"CALL o0 ["balance"] -> 8"#,
    ];
    assert_eq!(trace, calls.join("\n"));
}

#[test]
fn all_forms_of_conditions() {
    let functions = r#"
pure apart(a, b, k) { a != b + k && a != b - k }
fn main() -> list {
    let qs = map(1..4, |_| newVar(1..4))
    let done = atomic {
        require distinct(qs)
        for i in 0..<4 { for j in i + 1..<4 { require apart(qs[i], qs[j], j - i) } }
        require contains([qs[0], 9], 3) as "first is three"
    }
    let more = atomic {
        var x in 0..9
        var y in 0..3
        require if y == 0 { x == 7 } else { x / y == 4 && x % y == 1 }
        require y == 0 || x > 5
        require any([x, y], |v| v == 9) && all([x, y], |v| v < 10)
        require max(x, y) - min(x, y) == 7 && abs(y - x) == 7
        require [x, [y]] == [9, [2]]
        note [valueOf(x), valueOf(y)]
    }
    [done, map(qs, |q| label q), more]
}"#;
    let (result, trace) = run(functions);
    assert_eq!(result, "[true, [3, 1, 4, 2], true]");
    assert!(trace.contains("NOTE [9, 2]"), "{trace}");
}

/// An operation that has no result under some values excludes them; a branch that is not taken excludes nothing.
#[test]
fn undefined_operations_exclude() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    var q in 0..3
    require 6 / q < 4 as "a share"
    let v = valueOf(q)
    let done = commitTx(t)
    [done, v]
}"#;
    assert_eq!(run(functions).0, "[true, 2]");
    let functions = r#"
fn main() -> bool {
    atomic {
        var q in [0, 1]
        var r in [0, 1]
        require r + q == 0 as "nothing"
        note 6 / valueOf(r)
    }
}"#;
    let core = core(functions);
    let line = 1 + format!("{}\n{functions}", super::KIT).lines().position(|l| l.contains("6 / valueOf")).unwrap_or(0);
    let names: Vec<&str> = core.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["nothing", "an operation on variables has a result"], "{core:?}");
    assert_eq!(core[1].1, format!("test.avm:{line}:14"));
}

/// The core names the requirement and the constraints, with their places.
#[test]
fn the_core_names_requirements_and_constraints() {
    let functions = r#"
fn main() -> bool {
    var a in 1..9
    var b in 1..9
    var c in 1..9
    assert post a <= 3
    assert post c != b
    assert post b < a
    atomic {
        require c > 1
        require a * b > 6 as "a large product"
    }
}"#;
    let line = 1 + format!("{}\n{functions}", super::KIT).lines().position(|l| l.contains("post a <= 3")).unwrap_or(0);
    let place = |down: usize, column: usize| format!("test.avm:{}:{column}", line + down);
    assert_eq!(
        core(functions),
        [
            ("a large product".to_owned(), place(5, 9)),
            ("post v1 <= 3".to_owned(), place(0, 12)),
            ("post v2 < v1".to_owned(), place(2, 12)),
        ]
    );
}

/// The way of the program does not go by what is not decided.
#[test]
fn going_by_a_value_is_an_error() {
    for (use_of, with) in [
        ("if valueOf(q) == 2 { note 1 }", ""),
        ("note (1..3)[valueOf(q)]", ""),
        ("let m = match valueOf(q) { 1 => 1, _ => 2 }", ""),
        ("call valueOf(p) 1", "let o = create echo\n var p in [o, self]"),
        ("let d = assert post q != valueOf(q)", ""),
    ] {
        let functions =
            format!("fn main() {{\nvar q in 1..3\n{with}\nlet t = beginTx()\n{use_of}\nlet _ = commitTx(t)\n}}");
        if crate::lang::build(&[crate::lang::Source::new("t.avm", &format!("module t\n{functions}"))], &|_| None)
            .is_err()
        {
            continue;
        }
        let (result, trace) = run(&functions);
        assert!(result.starts_with("ErrInvalidDuringTx"), "{use_of}: {result}\n{trace}");
        assert!(result.contains("label it before"), "{result}");
    }
    let (result, _) = run("fn main() { var q in 1..3\n note valueOf(q) }");
    assert!(result.starts_with("ErrNoActiveTx"), "{result}");
}

/// A variable that is labelled, or comes down to one value, is a plain value; later narrowing counts.
#[test]
fn what_the_store_says_at_commit_counts() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    var q in 1..9
    var r in 1..9
    require q + r == 10
    let posted = post q > 6
    let narrowed = narrow(r, [9, 8, 1])
    let done = commitTx(t)
    let two = beginTx()
    var s in 1..9
    let v = valueOf(s)
    let found = label s
    require s == found && v == found
    [done, posted, narrowed, commitTx(two), v]
}"#;
    assert_eq!(run(functions).0, "[true, true, true, true, 1]");
}

/// An inner transaction that is aborted takes its requirements and its variables with it.
#[test]
fn inner_transactions() {
    let functions = r#"
fn main() -> list {
    let t = beginTx()
    var q in 1..5
    let inner = beginTx()
    require q > 4
    abortTx(inner)
    let two = beginTx()
    var r in 1..5
    require r > q
    let merged = commitTx(two)
    require q > 1
    let v = [valueOf(q), valueOf(r)]
    [merged, commitTx(t), v]
}"#;
    assert_eq!(run(functions).0, "[true, true, [2, 3]]");
    let functions = r#"
fn main() -> bool {
    let t = beginTx()
    let inner = beginTx()
    var q in 1..5
    let v = valueOf(q)
    abortTx(inner)
    require v > 1
    commitTx(t)
}"#;
    assert!(run(functions).0.starts_with("ErrUnknownVar"));
}

/// A run that leaves by an error is the observable one when what was required can still hold.
#[test]
fn runs_that_leave_early() {
    let with = |bound: u32| {
        format!(
            "fn main() -> list {{\nlet t = beginTx()\nvar q in 1..5\nlet c = choose [1, 2]\nrequire q + c == {bound}\n\
             if c == 1 {{ raise \"left\" }}\nlet done = commitTx(t)\n[done, c]\n}}"
        )
    };
    assert!(run(&with(6)).0.starts_with("ErrProgramRaised"));
    assert_eq!(run(&with(7)).0, "[true, 2]");
}

/// The witness goes into the commit record.
#[test]
fn the_record_holds_the_witness() {
    let functions = r#"
fn main() -> bool {
    let o = create acc at %c1
    atomic {
        var q in 1..9
        let c = choose [1, 2]
        require q * c == 14
        o.deposit(valueOf(q))
    }
}"#;
    let mut solo = Solo::new(config(), Box::new(BuiltinSolver));
    solo.load(&compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    solo.lane.keep_records();
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    let mut found = Vec::new();
    for _ in 0..100 {
        let _ = solo.lane.quantum(execution);
        let outputs: Vec<Output> = solo.lane.outputs().collect();
        for output in outputs {
            match output {
                Output::Record(record) => {
                    found.push((record.choices.clone(), record.vars.clone()));
                    let _ = solo.lane.input(Input::Recorded { number: record.number });
                }
                Output::Solve { execution, ir, limits } => {
                    use crate::nondet::Solver as _;
                    let outcome = BuiltinSolver.solve(&ir, &limits);
                    let _ = solo.lane.input(Input::Solved { execution, outcome });
                }
                _ => {}
            }
        }
    }
    assert_eq!(found.last(), Some(&(vec![1], vec![(crate::id::VarId(1), Val::from(7))])));
    solo.lane.terminate(execution);
    super::close(solo.lane);
}

/// The extended trace shows what became of variables that outlive the transaction.
#[test]
fn the_extended_trace_shows_the_witness() {
    let functions = "fn main() -> bool {\nvar q in 1..3\natomic { require q > 1 }\n}";
    let start = crate::vm::Start { trace: Some(crate::event::TraceLevel::Extended), ..main() };
    let (_, trace) = super::run_with(functions, config(), &start);
    assert_eq!(trace, "VC v1 {1,2,3}\nTS t0\nDN v1 {2}\nTC t0");
}

/// How transactions were decided is all that a replay needs: it asks nobody.
// decisions:AVM-10
#[test]
fn a_replay_does_not_solve() {
    struct Nobody;
    impl crate::nondet::Solver for Nobody {
        fn solve(&mut self, ir: &crate::nondet::Ir, _: &crate::nondet::Limits) -> crate::nondet::Outcome {
            panic!("asked: {ir:?}")
        }
    }
    let functions = r#"
fn one(least: int) -> any {
    let o = create acc at %c1
    let done = atomic {
        var q in 1..9
        let c = choose [1, 2, 3]
        require q * c >= least as "much"
        prefer c == 2 weight 1
        o.deposit(valueOf(q) + c)
    }
    [done, o.balance()]
}
fn main() -> list {
    let free = atomic { note choose [7, 8] }
    let way = atomic {
        let x = choose 1..5
        if x * x < 10 { require x == 5 } else { require x > 4 }
    }
    [one(14), free, one(100), way, one(5)]
}"#;
    let (result, trace, decisions) = decided(functions);
    assert_eq!(result, "[[true, 9], true, [false, 0], true, [true, 5]]");
    let mut solo = Solo::new(config(), Box::new(Nobody));
    solo.load(&compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    let start = crate::vm::Start { decided: decisions.clone(), ..main() };
    let execution = solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let again = solo.lane.decisions(execution);
    let shape = |all: &[Decision]| {
        all.iter().map(|one| (one.choices.clone(), one.vars.clone(), one.refused.clone())).collect::<Vec<_>>()
    };
    assert_eq!(shape(&again), shape(&decisions));
    assert_eq!(short(&solo.finish(execution)), (result, trace));
    super::close(solo.lane);
}
