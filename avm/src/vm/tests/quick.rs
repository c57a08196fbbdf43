//! Calls and runs of operations that are done at once give what they give in full: a quantum of one operation does none of them at
//! once, whatever the program (`decisions:AVM-1`).

use super::{close, config, main, short, solo_with};
use crate::Val;
use crate::event::TraceLevel;
use crate::id::ObjectId;
use crate::vm::{Config, Quantum, Start};

/// Result, trace, operations, events, and states in the end.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    result: String,
    trace: String,
    operations: u64,
    events: u64,
    states: Vec<(ObjectId, Option<Val>)>,
}

fn numbers(of: &[i64]) -> Val {
    Val::List(of.iter().map(|number| Val::from(*number)).collect())
}

fn ended(functions: &str, config: Config, start: &Start) -> Ended {
    let mut solo = solo_with(config, functions);
    let execution = solo.lane.start(start).unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let summary = solo.lane.summary(execution).expect("it is not forgotten");
    let objects = solo.lane.objects(ObjectId(0), 1000);
    let states = objects.iter().map(|object| (object.id, solo.lane.state(object.id))).collect();
    let (result, trace) = short(&solo.finish(execution));
    close(solo.lane);
    Ended { result, trace, operations: summary.operations, events: summary.events, states }
}

/// Runs a program in quanta of every size, at every level of its trace, with and without fuel: all alike.
fn alike(functions: &str) -> Ended {
    let of = |quantum_ops, trace, fuel| {
        ended(functions, Config { quantum_ops, trace, ..config() }, &Start { fuel, ..main() })
    };
    for level in [TraceLevel::Off, TraceLevel::Default, TraceLevel::Extended] {
        let in_full = of(1, level, None);
        for quantum in [2, 3, 4, 5, 7, 11, 1024] {
            assert_eq!(of(quantum, level, None), in_full, "quantum {quantum}, trace {level:?}:\n{functions}");
        }
    }
    let all = of(1024, TraceLevel::Default, None);
    let most = all.operations.min(150);
    for fuel in 1..=most {
        let (at_once, in_full) = (of(1024, TraceLevel::Default, Some(fuel)), of(1, TraceLevel::Default, Some(fuel)));
        assert_eq!(at_once, in_full, "fuel {fuel}:\n{functions}");
    }
    all
}

/// Behaviours beside the kit, and a program.
fn program(main: &str) -> String {
    format!(
        r#"
behaviour cell {{
    on fill(k: int) -> int {{
        for i in 0..<k {{
            setState([i])
            let [j] = getState()
            assert i == j
        }}
        k
    }}
    on wrap(l: list) -> list {{ [l] }}
    on great() -> int {{ 9223372036854775807 + 1 }}
    on text_of(t: text) -> text {{
        setState([t])
        t ++ "!"
    }}
    on wrong(x) -> int {{
        setState([1])
        setState(x)
        1
    }}
    on function() -> int {{
        setState([|x| x])
        1
    }}
}}
behaviour bad {{
    state n = 0
    on go(o: object) -> int {{
        n = 5
        o.inc()
        note("half")
        n / 0
    }}
    on refuse() -> int {{
        n = 6
        reject
    }}
    on silent() {{
        n = n + 1
        decline
    }}
}}
behaviour down {{
    state n = 0
    on go(k: int) -> int {{
        n = n + 1
        if k > 0 {{ self.go(k - 1) + n }} else {{ n }}
    }}
    on both(k: int, other: object) -> int {{
        n = n + k
        if k > 0 {{ other.both(k - 1, self) + 1 }} else {{ n }}
    }}
    on deposits(o: object) -> int {{
        let t = beginTx()
        n = n + 1
        o.deposit(5)
        let u = beginTx()
        n = 100
        abortTx(u)
        commitTx(t)
        o.deposit(1)
        n = n + 10
        o.balance() + n
    }}
    on chosen() -> int {{
        let ok = atomic {{
            let x = choose [1, 2, 3]
            n = x
            require x > 1
        }}
        n = n + 10
        n
    }}
    on labels() -> int {{
        let v = newVar([1, 2, 3])
        narrow(v, [2, 3])
        n = label v
        n
    }}
    on pure_in() -> int {{
        n = n + 1
        callPure("add", [n, 1])
    }}
    on made() -> int {{
        let c = create ctr
        c.inc()
        n = n + c.inc()
        n
    }}
    on mail(o: object) {{
        send o "letter"
        n = n + 1
        decline
    }}
    on deep(k: int) -> list {{
        let mut l = [1]
        for _ in 0..<k {{ l = [l] }}
        n = k
        l
    }}
}}
fn same(x) {{ x }}
fn nest(levels: int) -> list {{
    let mut l = [1]
    for _ in 1..<levels {{ l = [l] }}
    l
}}
fn listed(x) {{ [x] }}
{main}"#
    )
}

#[test]
fn calls_give_the_same_at_once_and_in_full() {
    let simple = alike(&program(
        r#"fn main() -> list {
    let o = create ctr
    let e = create echo
    let b = create bad
    let mut all = []
    for i in 0..<3 {
        let j = same(i)
        all = [o.inc(), call e j, call e [j], call e ["tag", o], b.silent(), ..all]
    }
    [listed(2), call create who 1, call create relay [e, "through"], all]
}"#,
    ));
    assert!(simple.result.starts_with("[[2], [root, "), "{}", simple.result);
    assert_eq!(simple.states.len(), 5);
    assert_eq!(simple.states[0].1, Some(numbers(&[3])));
    let counting = alike(&program(
        "fn main() -> int { let c = create cell; c.fill(40); c.fill(2); let mut n = 0; while n < 9 { n = n + 1 }; n }",
    ));
    assert_eq!(counting.states[0].1, Some(numbers(&[1])));
    let nested = alike(&program(
        "fn main() -> list { let a = create down; let b = create down; [a.go(3), a.both(4, b), b.made(), a.pure_in()] }",
    ));
    assert_eq!(nested.result, "[16, 14, 6, 12]");
    let deep = "fn main() -> int { let c = create cell; c.wrap(nest(510)); call create echo nest(511); 1 }";
    assert_eq!(alike(&program(deep)).result, "1");
    let values = alike(&program(
        r#"fn main() -> list { let c = create cell; [c.great(), c.text_of("a longer text than a word holds"), c.text_of("é")] }"#,
    ));
    assert_eq!(values.result, r#"[9223372036854775808, "a longer text than a word holds!", "é!"]"#);
}

#[test]
fn transactions_choices_and_mail_inside_of_a_call() {
    let explicit =
        alike(&program("fn main() -> int { let d = create down; let a = create acc; d.deposits(a) + d.deposits(a) }"));
    assert_eq!(explicit.result, "51");
    let chosen = alike(&program("fn main() -> list { let d = create down; [d.chosen(), d.labels(), d.chosen()] }"));
    assert_eq!(chosen.result, "[12, 2, 12]");
    let mail =
        alike(&program("fn main() -> int { let d = create down; let o = create down; d.mail(o); d.mail(o); d.go(0) }"));
    assert_eq!(mail.result, "3");
}

#[test]
fn what_fails_inside_of_a_call_leaves_nothing() {
    let failing = [
        ("b.go(o)", "ErrProgramArithmetic"),
        ("b.refuse()", "ErrObjectRejectedCall"),
        ("c.wrong(7)", "ErrProgramType"),
        ("c.function()", "ErrProgramType"),
        (r#"call o same(["inc", 1])"#, "ErrInvalidInput"),
        (r#"call o same(["incr"])"#, "ErrInvalidInput"),
        (r#"call c ["fill", "x"]"#, "ErrInvalidInput"),
        ("call o 5", "ErrInvalidInput"),
        ("call o []", "ErrInvalidInput"),
        ("call same(5) []", "ErrProgramType"),
        ("call o [same]", "ErrProgramType"),
        ("call self 1", "ErrObjectNotFound"),
        ("d.deep(511)", "ErrProgramMemory"),
        ("c.wrap(nest(511))", "ErrProgramMemory"),
        ("call create echo nest(512)", "ErrProgramMemory"),
        ("d.both(2, self)", "ErrObjectNotFound"),
        (r#"{ destroyObj(p); p.inc() }"#, "ErrObjectNotFound"),
    ];
    for (call, error) in failing {
        let failed = alike(&program(&format!(
            "fn main() -> int {{
    let o = create ctr
    let b = create bad
    let c = create cell
    let d = create down
    let p = create ctr at %c1
    o.inc()
    o.inc()
    {call}
    1
}}"
        )));
        assert!(failed.result.starts_with(error), "{call}: {}", failed.result);
        let states: Vec<_> = failed.states.iter().map(|(_, state)| state.clone().expect("it exists")).collect();
        assert_eq!(states[..4], [numbers(&[2]), numbers(&[]), numbers(&[]), numbers(&[])], "{call}");
    }
}

#[test]
fn a_pure_function_with_an_instruction_is_nothing() {
    let instructions = ["self", "sender", "getState()", "getCurrentMachine()", "setState([1])", "call o 1"];
    for instruction in instructions {
        let pure = alike(&program(&format!(
            r#"unsafe
fn main() -> list {{
    let o = create echo
    setState([7])
    registerPure("p", |_| {{ let r = {instruction}; 1 }})
    [callPure("p", [1]), getState()]
}}"#
        )));
        assert_eq!(pure.result, "[nothing, [7]]", "{instruction}");
    }
}

#[test]
fn the_depth_of_calls_is_counted_alike() {
    let functions = program("fn main() -> int { let a = create down; a.go(4) }");
    for (call_depth, result) in [(4, "ErrContextUnavailable"), (5, "25")] {
        for quantum_ops in [1, 1024] {
            let ended = ended(&functions, Config { call_depth, quantum_ops, ..config() }, &main());
            assert!(ended.result.starts_with(result), "{call_depth} deep: {}", ended.result);
        }
    }
}

#[test]
fn memory_ends_inside_of_a_call() {
    let functions = r#"
behaviour hoard {
    on keep(k: int) -> int {
        for i in 0..<k { setState([i, getState()]) }
        k
    }
}
fn main() -> int {
    let h = create hoard
    h.keep(10)
    h.keep(100000)
}"#;
    for trace in [TraceLevel::Off, TraceLevel::Default] {
        let tight = Config { memory_bytes: 20_000, trace, ..config() };
        let ended = ended(functions, tight, &main());
        assert!(ended.result.starts_with("ErrProgramMemory"), "{}", ended.result);
        assert_eq!(ended.states.len(), 1);
        assert!(ended.states[0].1.as_ref().expect("it exists").to_string().starts_with("[9, [8, "));
    }
}

#[test]
fn two_executions_in_turn_lose_no_increment() {
    let functions = r#"
fn main() -> object { create ctr }
fn rise(o: object, times: int) -> int {
    let mut last = 0
    for _ in 0..<times { last = o.inc() }
    last
}"#;
    for quantum_ops in 1..40 {
        let mut solo = solo_with(Config { quantum_ops, ..config() }, functions);
        let made = solo.run(&main()).expect("it starts").result.expect("an object");
        let start = |times: i64| Start { args: vec![made.clone(), times.into()], ..Start::new("kit", "rise") };
        let both = [60, 40].map(|times| solo.lane.start(&start(times)).expect("it starts"));
        while both.iter().any(|execution| solo.lane.quantum(*execution) != Quantum::Ended) {
            for execution in both {
                solo.lane.quantum(execution);
            }
        }
        let Val::Object(object) = made else { panic!("an object") };
        assert_eq!(solo.lane.state(object), Some(numbers(&[100])), "quantum {quantum_ops}");
        for execution in both {
            let finished = solo.finish(execution);
            finished.result.as_ref().expect("it counts");
            assert!(finished.trace.len() == 60 || finished.trace.len() == 40, "one entry for each call");
        }
        close(solo.lane);
    }
}
