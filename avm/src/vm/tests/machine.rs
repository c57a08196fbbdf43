//! Depth, fuel, memory, sharing, determinism.

use super::{close, config, main, run, run_with, short, solo, solo_with};
use crate::vm::{Config, Start};

const PING_PONG: &str = r#"
fn main(most: int) {
    let o0 = create pong
    let o1 = create ping
    call o1 ["Ping", 0, o0, most]
}"#;

#[test]
fn a_hundred_thousand_nested_calls_take_no_host_stack() {
    let start = Start { args: vec![99_999.into()], ..main() };
    let config = Config { heap_bytes: 64 << 20, ..config() };
    let (result, trace) = run_with(PING_PONG, config, &start);
    assert_eq!(result, r#""ping-continue""#);
    assert_eq!(trace.lines().count(), 100_002);
}

#[test]
fn one_call_more_is_an_error() {
    let start = Start { args: vec![100.into()], ..main() };
    let deep = Config { call_depth: 100, ..config() };
    assert!(run_with(PING_PONG, deep, &start).0.starts_with("ErrContextUnavailable"));
    let enough = Config { call_depth: 101, ..config() };
    assert_eq!(run_with(PING_PONG, enough, &start).0, r#""ping-continue""#);
}

#[test]
fn a_hundred_thousand_nested_functions() {
    let functions =
        "fn down(n: int) -> int { if n == 0 { 0 } else { 1 + down(n - 1) } }\nfn main() -> int { down(99990) }";
    assert_eq!(run(functions).0, "99990");
    let without_end = "fn down(n: int) -> int { 1 + down(n) }\nfn main() -> int { down(1) }";
    assert!(run(without_end).0.starts_with("ErrContextUnavailable"));
}

#[test]
fn fuel_ends() {
    let start = Start { fuel: Some(10_000), ..main() };
    let (result, trace) = run_with("fn main() { while true { self } }", config(), &start);
    assert_eq!(result, "ErrProgramFuel fuel is used up after 10000 operations");
    assert_eq!(trace, "ERR ErrProgramFuel");
}

// decisions:AVM-11
#[test]
fn memory_ends_and_nothing_is_lost() {
    let functions = r#"
fn main() {
    let mut all = []
    while true { all = [all, all, "0123456789abcdef"] }
}"#;
    assert!(run(functions).0.starts_with("ErrProgramMemory"));
    let wide = r#"
fn main() {
    let mut all = [1]
    while true { all = all ++ all }
}"#;
    assert!(run(wide).0.starts_with("ErrProgramMemory"));
    let kept = r#"
fn main() {
    let mut all = []
    while true { all = push(all, range(0, 1000)) }
}"#;
    let tight = Config { memory_bytes: 1 << 20, ..config() };
    assert!(run_with(kept, tight, &main()).0.starts_with("ErrProgramMemory"));
}

// decisions:AVM-5
#[test]
fn the_same_inputs_give_the_same_trace() {
    let functions = r#"
fn main() -> list {
    let os = map(1..5, |_| create acc at %c1)
    for i in 0..<200 {
        os[random(5)].deposit(random(100))
    }
    map(os, |o| o.balance())
}"#;
    let start = Start { seed: 7, ..main() };
    let one = run_with(functions, config(), &start);
    assert_eq!(one, run_with(functions, config(), &start));
    let small = Config { quantum_ops: 3, ..config() };
    assert_eq!(one, run_with(functions, small, &start));
    let other = Start { seed: 8, ..main() };
    assert_ne!(one, run_with(functions, config(), &other));
}

// decisions:AVM-1
#[test]
fn calls_of_many_quanta_are_atomic() {
    let functions = r#"
behaviour slow {
    state n = 0
    on work() -> int {
        let before = n
        let mut i = 0
        for k in 0..<300 { i += 1 }
        n = before + 1
        n
    }
    on get() -> int { n }
}
fn setup() -> object { create slow }
fn main(o: object) { for k in 0..<10 { o.work() } }"#;
    let mut solo = solo_with(Config { quantum_ops: 64, ..config() }, functions);
    let o = solo.run(&Start::new("kit", "setup")).unwrap_or_else(|error| panic!("{error}"));
    let o = o.result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let start = Start { args: vec![o], ..main() };
    let all: Vec<_> = (0..4).map(|_| solo.lane.start(&start).unwrap_or_else(|error| panic!("{error}"))).collect();
    let mut running = all.clone();
    while !running.is_empty() {
        running.retain(|execution| solo.step(*execution) == Some(false));
    }
    for execution in all {
        let finished = solo.finish(execution);
        assert_eq!(finished.trace.len(), 10, "{:?}", short(&finished));
    }
    assert_eq!(solo.lane.state(crate::id::ObjectId(0)).map(|state| state.to_string()).as_deref(), Some("[40]"));
    close(solo.lane);
}

// avm:A20, decisions:AVM-13
#[test]
fn blocking_receive_waits() {
    let functions = r#"
fn main() -> list { [receive(), receive()] }"#;
    let mut solo = solo(functions);
    let execution = solo.lane.start(&Start { blocking: true, ..main() }).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.step(execution), None);
    for number in [1, 2] {
        let message = crate::Val::from(number);
        solo.lane
            .input(crate::vm::Input::RootMessage { to: execution, message })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(short(&solo.finish(execution)).0, "[1, 2]");
    close(solo.lane);
}

#[test]
fn replicas_diverge_and_freeze_reconciles() {
    let functions = r#"
fn main() -> list {
    let o = create ctr at %c1
    o.inc()
    teleport(@m2)
    let fetched = fetch(o)
    let there = o.inc()
    teleport(@m1)
    let here = o.get()
    let frozen = freeze(o)
    [fetched, there, here, frozen, o.get()]
}"#;
    assert_eq!(run(functions).0, "[true, 2, 1, just true, 2]");
}

#[test]
fn objects_that_are_gone_give_their_place_back() {
    let functions = r#"
fn main() {
    for i in 0..<2000 {
        let o = create ctr at %c1
        destroyObj(o)
    }
    create ctr at %c1
}
fn again(o: object) -> int { o.inc() }"#;
    let mut solo = solo(functions);
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&finished).0, "o2000");
    assert_eq!(solo.lane.object_count(), 1);
    assert_eq!(solo.lane.objects(crate::id::ObjectId(0), 10).len(), 1);
    let start = Start { args: vec![crate::Val::Object(crate::id::ObjectId(2000))], ..Start::new("kit", "again") };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&finished).0, "1");
    let gone = Start { args: vec![crate::Val::Object(crate::id::ObjectId(7))], ..Start::new("kit", "again") };
    let finished = solo.run(&gone).unwrap_or_else(|error| panic!("{error}"));
    assert!(short(&finished).0.starts_with("ErrObjectNotFound"));
    close(solo.lane);
}

#[test]
fn sorting_is_stable_and_never_guesses() {
    let functions = r#"
fn main(xs: list) -> list { sort(xs) }"#;
    let with =
        |xs: Vec<crate::Val>| run_with(functions, config(), &Start { args: vec![crate::Val::List(xs)], ..main() }).0;
    let numbers: Vec<i64> = (0..100).map(|at| (at * 37 + 11) % 50).collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(with(numbers.into_iter().map(crate::Val::from).collect()), format!("{sorted:?}"));
    let mixed = |at: i64| {
        let second = if at % 7 == 3 { crate::Val::text("x") } else { crate::Val::from(at) };
        crate::Val::List(vec![crate::Val::from(at % 3), second])
    };
    assert!(with((0..60).map(mixed).collect()).starts_with("ErrProgramType"));
    assert_eq!(with(vec![]), "[]");
}

// avm:11: one program cannot get the clock that all share to its end.
#[test]
fn a_sleep_is_bounded() {
    let (result, _) = super::run("fn main() { sleep(1000000001) }");
    assert!(result.starts_with("ErrProgramArithmetic") && result.contains("0 to 1000000000 ticks"), "{result}");
    assert_eq!(super::run("fn main() -> int { sleep(1000000000); 1 }").0, "1");
}

// decisions:AVM-12: names are never forgotten, so no program may fill their table.
#[test]
fn a_program_that_makes_up_names_starves_no_other() {
    let functions = r#"
fn main(n: int) -> int {
    for i in 0..<n { let _ = controller("m" ++ text(i)) }
    n
}
fn other() -> list { [controller("another"), machine("another")] }
fn as_text() { let _ = beginTx("by its text") }"#;
    let config = crate::vm::Config { names: 4096, controllers: Vec::new(), ..super::config() };
    let mut solo = super::solo_with(config, functions);
    let mut run = |entry: &str, args: &[i64], authority: Option<String>| {
        let args = args.iter().map(|n| crate::Val::from(*n)).collect();
        let authority = authority.map(|name| name.as_str().into());
        let start = crate::vm::Start { args, authority, ..crate::vm::Start::new("kit", entry) };
        let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
        super::short(&finished).0
    };
    assert_eq!(run("main", &[1000], None), "1000");
    assert!(run("main", &[70_000], None).starts_with("ErrProgramMemory"));
    assert_eq!(run("other", &[], None), "[%another, @another]");
    assert_eq!(run("as_text", &[], None), "nothing");
    // What comes in from outside has room however many programs have come before.
    for n in 1..9 {
        let functions = [1000 * n];
        let _ = run("main", &functions, None);
    }
    for n in 0..900 {
        assert_eq!(run("main", &[0], Some(format!("authority{n}"))), "0");
    }
    super::close(solo.lane);
}
