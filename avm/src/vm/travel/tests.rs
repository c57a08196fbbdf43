//! Executions that go on elsewhere end as if they had stayed.

use super::*;
use crate::code::{Verified, verify};
use crate::event::LogEntry;
use crate::lang::{Source, compile};
use crate::value::Val;
use crate::vm::{Config, Input, Output, Quantum, Start};

const PROGRAM: &str = "
module t

fn count(n: int, sum: int) -> int {
    if n == 0 { sum } else { count(n - 1, sum + n) }
}

fn main(n: int) -> list {
    var q in 1..4
    post q > 1
    note(\"start\")
    let words = [\"a\", (n, just 2), {x: 1}]
    let more = |m| n + m
    let sum = more(count(n, 0)) - n
    let t = beginTx(nothing)
    let a = label(q)
    let done = commitTx(t)
    note(\"end\")
    [sum, words, a, done, random(1000)]
}
";

fn module() -> Verified {
    let module = compile(&[Source::new("t.avm", PROGRAM)], &|_| None);
    verify(module.unwrap_or_else(|remarks| panic!("{remarks}"))).expect("the compiler makes good code")
}

fn lane(torus: u8) -> Lane {
    Lane::new(Config { torus, quantum_ops: 16, heap_bytes: 1 << 20, executions: 8, ..Config::default() })
}

/// Runs to the end; moves to the other lane after each quantum when it may. How often it moved, result and trace.
fn run(moving: bool) -> (u32, Option<Result<Val, super::super::Failure>>, Vec<LogEntry>) {
    let module = module();
    let mut lanes = [lane(0), lane(1)];
    lanes.iter_mut().for_each(|lane| lane.load(&module).expect("it fits"));
    let start = Start { args: vec![Val::from(100)], seed: 7, ..Start::new("t", "main") };
    let execution = lanes[0].start(&start).expect("there is room");
    let (mut at, mut moves) = (0, 0);
    for _ in 0..10_000 {
        match lanes[at].quantum(execution) {
            Quantum::Ended => break,
            Quantum::Yielded => {}
            Quantum::Suspended(why) => panic!("waits: {why:?}"),
        }
        if moving && let Some(saved) = lanes[at].save(execution) {
            assert!(lanes[at].result(execution).is_none() && lanes[at].status(execution).is_none());
            at = 1 - at;
            moves += 1;
            assert_eq!(lanes[at].restore(Box::new(saved)).expect("there is room"), execution);
        }
    }
    let end = (moves, lanes[at].result(execution), lanes[at].trace(execution));
    for lane in lanes {
        assert_eq!(lane.close(), 0, "every value was given back");
    }
    end
}

// avm:11 R4, decisions:AVM-6: result and trace are those of the run that stayed; finite domains and random numbers come along.
#[test]
fn a_travelled_execution_ends_as_if_it_had_stayed() {
    let (stayed, travelled) = (run(false), run(true));
    assert!(stayed.0 == 0 && travelled.0 > 10, "{} moves", travelled.0);
    assert!(matches!(stayed.1, Some(Ok(Val::List(_)))), "{:?}", stayed.1);
    assert_eq!(stayed.1, travelled.1);
    let semantic = |trace: &[LogEntry]| crate::trace::trace_hash(trace, 0).semantic;
    assert_eq!(semantic(&stayed.2), semantic(&travelled.2));
    assert_eq!(stayed.2.len(), travelled.2.len());
    assert_ne!(stayed.2, travelled.2, "transactions are numbered by the torus they began on");
}

// decisions:AVM-21: a full trace stays full, however often its execution moves.
#[test]
fn a_moved_execution_has_no_room_for_another_trace() {
    let source = "
module n
fn main(n: int) -> int {
    for i in 0..<n { note i }
    n
}
";
    let module = compile(&[Source::new("n.avm", source)], &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
    let module = verify(module).expect("the compiler makes good code");
    let ends = [false, true].map(|moving| {
        let mut lanes = [0, 1].map(|torus| {
            let mut lane = Lane::new(Config {
                torus,
                quantum_ops: 16,
                heap_bytes: 1 << 20,
                trace_bytes: 4096,
                ..Config::default()
            });
            lane.load(&module).expect("it fits");
            lane
        });
        let start = Start { args: vec![Val::from(1000)], ..Start::new("n", "main") };
        let execution = lanes[0].start(&start).expect("there is room");
        let mut at = 0;
        while lanes[at].quantum(execution) == Quantum::Yielded {
            if moving && let Some(saved) = lanes[at].save(execution) {
                at = 1 - at;
                assert_eq!(lanes[at].restore(Box::new(saved)).expect("there is room"), execution);
            }
        }
        let charged = lanes[at].summary(execution).expect("it is there").memory_bytes;
        (lanes[at].trace(execution), lanes[at].trace_gap(execution), charged > 4096)
    });
    assert!(ends[0].1 > 0, "the trace is full");
    assert_eq!(ends[0], ends[1]);
}

// decisions:AVM-16: between transactions only, and who knows an object stays with it.
#[test]
fn who_is_in_a_transaction_or_knows_an_object_stays() {
    let source = "
module s

behaviour box {
    state n = 0
    on get() -> int { n }
}

fn spin(n: int) -> int {
    if n == 0 { 0 } else { spin(n - 1) }
}

fn tx() -> int {
    let t = beginTx(nothing)
    let n = spin(200)
    abortTx(t)
    n
}

fn owner() -> int {
    let o = create box
    let n = spin(200)
    n + o.get()
}

fn free() -> int { spin(200) }
";
    let module = compile(&[Source::new("s.avm", source)], &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
    let module = verify(module).expect("the compiler makes good code");
    let mut lane = lane(0);
    lane.load(&module).expect("it fits");
    for (entry, may) in [("tx", false), ("owner", false), ("free", true)] {
        let execution = lane.start(&Start::new("s", entry)).expect("there is room");
        assert!(lane.movable(execution));
        (0..4).for_each(|_| assert_eq!(lane.quantum(execution), Quantum::Yielded, "{entry}"));
        assert_eq!(lane.save(execution).is_some(), may, "{entry}");
    }
    let outputs: Vec<Output> = lane.outputs().collect();
    assert_eq!(outputs, []);
    let unknown = Input::Woken { execution: ExecutionId(99), now_ns: 0 };
    assert_eq!(lane.input(unknown), Ok(()));
}
