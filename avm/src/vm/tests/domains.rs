//! Finite domains in the machine: vectors 38 to 40 of `avm:14` and the worked examples of `avm:8.5`.

use super::{config, run, run_with};
use crate::event::TraceLevel;
use crate::vm::Start;

fn check((result, trace): (String, String), expected: &str, events: &str) {
    assert_eq!(result, expected);
    assert_eq!(trace, events.split(", ").collect::<Vec<_>>().join("\n"));
}

const NARROW: &str = r#"
fn search(qs: list, i: int) -> list {
    let n = len(qs)
    if i >= n {
        return []
    }
    let t = beginTx()
    let a = label qs[i]
    let free = all(i + 1..<n, |j| narrow(qs[j], filter(1..n, |r| r != a && r != a + (j - i) && r != a - (j - i))))
    if !free {
        abortTx(t)
        return search(qs, i)
    }
    let rest = search(qs, i + 1)
    commitTx(t)
    [a, ..rest]
}
fn main(n: int) -> list {
    let qs = map(1..n, |_| newVar(1..n))
    post all_different(qs)
    search(qs, 0)
}"#;

// avm:A28
#[test]
fn avm_v38_an_abort_refutes() {
    let functions = r#"
fn main() -> list {
    let v = newVar([1, 2, 3])
    let t = beginTx()
    let a = label v
    abortTx(t)
    let u = beginTx()
    let b = label v
    commitTx(u)
    [a, b, domainOf(v)]
}"#;
    check(run(functions), "[1, 2, [2]]", "TS t0, TA t0, TS t1, TC t1");
}

#[test]
fn avm_v39_four_queens_by_narrowing() {
    let start = Start { args: vec![4.into()], ..super::main() };
    let events = "TS t0, TS t1, TA t1, TS t2, TS t3, TA t3, TS t4, TA t4, TA t2, TS t5, TS t6, TS t7, TC t7, TC t6, TC t5, TC t0";
    check(run_with(NARROW, config(), &start), "[2, 4, 1, 3]", events);
}

#[test]
fn avm_v39_four_queens_by_offsets() {
    let functions = r#"
fn main() -> list {
    let qs = map(1..4, |_| newVar(1..4))
    post all_different(qs)
    for i in 0..<4 {
        for j in i + 1..<4 {
            post qs[i] != qs[j] + (j - i)
            post qs[i] != qs[j] - (j - i)
        }
    }
    let t = beginTx()
    let rows = map(qs, |q| label q)
    commitTx(t)
    rows
}"#;
    let start = Start { trace: Some(TraceLevel::Extended), ..super::main() };
    let (result, trace) = run_with(functions, config(), &start);
    assert_eq!(result, "[2, 4, 1, 3]");
    let after: Vec<&str> = trace.lines().skip_while(|line| *line != "TS t0").collect();
    let expected = [
        "TS t0",
        "LB v1 1",
        "DN v2 {3,4}",
        "DN v3 {2,4}",
        "DN v4 {2,3}",
        "CF v2",
        "LB v1 2",
        "DN v2 {4}",
        "DN v3 {1}",
        "DN v4 {3}",
        "LB v2 4",
        "LB v3 1",
        "LB v4 3",
        "TC t0",
    ];
    assert_eq!(after, expected);
}

// avm:A27
#[test]
fn avm_v40_three_queens_have_no_place() {
    let start = Start { args: vec![3.into()], ..super::main() };
    let (result, trace) = run_with(NARROW, config(), &start);
    assert!(result.starts_with("ErrEmptyDomain variable v2"), "{result}");
    for tx in 0..=5 {
        assert!(trace.contains(&format!("TS t{tx}")));
    }
    assert!(trace.ends_with("ERR ErrEmptyDomain\nTA t5\nTA t3"), "{trace}");
}

// avm:A29
#[test]
fn narrowing_and_posting_that_fail_change_nothing() {
    let functions = r#"
fn main() -> list {
    let x = newVar([1, 2])
    let y = newVar([1, 2])
    let z = newVar([1, 2, 3])
    let a = post all_different([x, y, z])
    let w = newVar([1, 2])
    let b = post all_different([x, y, w])
    [a, domainOf(z), b, narrow(z, [1, 2]), narrow(z, [3, 9]), domainOf(z)]
}"#;
    assert_eq!(run(functions).0, "[true, [3], false, false, true, [3]]");
}

// decisions:AVM-11
#[test]
fn going_back_restores_objects_frames_and_messages() {
    let functions = r#"
fn pick(v, o: object) -> int {
    let a = label v
    o.deposit(a)
    a
}
fn main() -> list {
    let o = create acc at %c1
    let x = newVar([1, 2, 3])
    let y = newVar([2, 3])
    let t = beginTx()
    let mut tries = 0
    let a = pick(x, o)
    tries += 1
    let b = pick(y, o)
    if a + b != 6 {
        let w = newVar([1])
        narrow(w, [1])
        post w > w
        let none = newVar([1, 2])
        post none == w
        post none != w
        narrow(y, [b])
        if narrow(y, [7]) { tries += 100 }
        dead(y, b)
    }
    let done = commitTx(t)
    [a, b, tries, done, o.balance()]
}
fn dead(y, b: int) {
    let u = beginTx()
    let again = label y
    abortTx(u)
    label y
}"#;
    let (result, _) = run(functions);
    assert_eq!(result, "[3, 3, 1, true, 6]");
}
