//! Orders of calls that are required (`avm:9.4`).

use super::{compiled, config, main, run, solo};
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::tests::Everything;
use crate::nondet::{Ir, Ordering, Solver};
use crate::vm::{Input, Output, Refused};

/// Questions that a run asks, answered by the built-in solver.
pub(super) fn questions(functions: &str) -> (Vec<Ir>, String) {
    let mut lane = crate::vm::Lane::new(config());
    lane.load(&compiled(&format!("{}\n{functions}", super::KIT))).unwrap_or_else(|error| panic!("{error}"));
    let execution = lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    let mut asked = Vec::new();
    while lane.quantum(execution) != crate::vm::Quantum::Ended {
        let outputs: Vec<Output> = lane.outputs().collect();
        for output in outputs {
            if let Output::Solve { execution, ir, limits } = output {
                let outcome = BuiltinSolver.solve(&ir, &limits);
                assert_eq!(Everything.solve(&ir, &limits), outcome, "{ir:?}");
                #[cfg(feature = "z3")]
                assert_eq!(crate::nondet::z3::Z3Solver::new().solve(&ir, &limits), outcome, "{ir:?}");
                let text = crate::nondet::json::to_json(&ir);
                assert_eq!(crate::nondet::json::from_json(&text, &limits).as_ref(), Ok(&*ir), "{text}");
                asked.push(*ir);
                let _ = lane.input(Input::Solved { execution, outcome });
            }
        }
    }
    let result = lane.result(execution).map(|result| match result {
        Ok(value) => value.to_string(),
        Err(failure) => format!("{} {}", failure.error.name(), failure.error),
    });
    super::close(lane);
    (asked, result.unwrap_or_default())
}

// avm:9.4
#[test]
fn the_order_of_calls_decides_choices() {
    let functions = r#"
fn main() -> list {
    let a = create acc
    let b = create acc
    let t = beginTx()
    let first = choose ["a", "b"]
    if first == "a" {
        a.deposit(1)
        b.deposit(2)
    } else {
        b.deposit(2)
        a.deposit(1)
    }
    require b.deposit(2) before a.deposit(1) as "b comes first"
    [commitTx(t), first]
}"#;
    let (asked, result) = questions(functions);
    assert_eq!(result, r#"[true, "b"]"#);
    assert!(matches!(&asked[0].msc[..], [Ordering::Before((one, _), (two, _))] if one > two), "{:?}", asked[0].msc);
    assert_eq!(asked[0].requires[0].name.as_deref(), Some("b comes first"));
}

/// Which call is meant depends on choices and variables: the order is a term.
#[test]
fn messages_may_depend_on_choices_and_variables() {
    let functions = r#"
fn main() -> list {
    let a = create acc
    let done = atomic {
        let one = choose 1..4
        a.deposit(one)
        let two = choose 1..4
        a.deposit(two)
        a.deposit(3)
        var q in [2, 4]
        require a.deposit(q) before a.deposit(3)
        require a.deposit(3) before a.deposit(1)
        note [one, two, valueOf(q)]
    }
    let more = atomic {
        let one = choose 1..4
        a.deposit(one)
        a.deposit(3)
        var q in [1, 2, 4]
        require a.deposit(3) before a.deposit(q)
    }
    let last = atomic {
        let amounts = map(1..3, |_| choose 1..4)
        for amount in amounts { a.deposit(amount) }
        var q in [4, 2]
        require a.deposit(q) before a.deposit(1)
        require a.deposit(1) before a.deposit(3)
    }
    [done, more, last, a.balance()]
}"#;
    // In the first there is no call of 1 behind those of 3; in the second none at all behind 3.
    assert_eq!(questions(functions).1, "[false, false, true, 6]");
}

#[test]
fn calls_that_are_undone_or_never_made_are_in_no_order() {
    let functions = r#"
fn main() -> list {
    let a = create acc
    let b = create acc
    let none = atomic { require a.deposit(1) before b.deposit(1) }
    let half = atomic {
        a.deposit(1)
        require a.deposit(1) before b.deposit(1)
    }
    let undone = atomic {
        let inner = beginTx()
        a.deposit(1)
        abortTx(inner)
        b.deposit(1)
        require a.deposit(1) before b.deposit(1)
    }
    let dropped = atomic {
        let inner = beginTx()
        require a.deposit(1) before b.deposit(1)
        abortTx(inner)
    }
    let nested = atomic {
        let r = create relay
        r.send_on(a)
        call r [a, ["deposit", 5]]
        require call a ["deposit", 5] before call r [a, ["deposit", 5]] as "the inner call ends first"
    }
    [none, half, undone, dropped, nested]
}"#;
    let functions = functions.replace("        r.send_on(a)\n", "");
    assert_eq!(run(&functions).0, "[false, false, false, true, true]");
    assert!(
        run("fn main() { let a = create acc\n require a.deposit(1) before a.balance() }")
            .0
            .starts_with("ErrNoActiveTx")
    );
}

#[test]
fn the_core_names_an_order() {
    let functions = r#"
fn main() -> bool {
    let a = create acc
    atomic {
        let x = choose 1..3
        a.deposit(x)
        a.deposit(2)
        require a.deposit(2) before a.deposit(1) as "two before one"
    }
}"#;
    let mut solo = solo(functions);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let Some(Refused::Unsatisfiable { names, places, .. }) = &decisions[0].refused else { panic!("{decisions:?}") };
    assert_eq!(names, &["two before one"]);
    assert!(places[0].starts_with("test.avm:") && places[0].ends_with(":9"), "{places:?}");
    super::close(solo.lane);
}
