//! Parallel compositions whose commit has to wait for the solver (`avm:R2`, `decisions:AVM-18`).

use super::{KIT, close, compiled, config, main, short, solo};
use crate::Val;
use crate::id::ObjectId;
use crate::nondet::{Ir, Limits, Outcome, Solver};
use crate::vm::solo::Solo;
use crate::vm::{Composition, Segment, Start};

const ENTRIES: &str = r#"
fn setup() -> list { [create ctr at %c1, create ctr at %c1] }
fn pick(o: object) -> int {
    let x = choose [1, 2, 3]
    let _ = o.inc()
    require x > 1 as "more than one"
    x
}
fn nothing_touched() -> int {
    let y = choose [5, 6]
    require y == 6 as "six"
    y
}
fn either(o: object, other: object, least: int) -> int {
    let x = choose [1, 2]
    let _ = if x == 1 { o.inc() } else { other.inc() }
    require x >= least as "at least"
    x
}
fn inc(o: object) -> int { o.inc() }
"#;

/// Result and states of o0 and o1 after `how` of these entries with the objects of these numbers, and a number behind them.
fn compose(solo: &mut Solo, parts: &[(&str, &[u64], Option<i64>)]) -> (String, String) {
    let segments = parts.iter().map(|(entry, objects, number)| {
        let objects = objects.iter().map(|o| Val::Object(ObjectId(*o)));
        Segment { module: "kit".into(), entry: (*entry).into(), args: objects.chain(number.map(Val::from)).collect() }
    });
    let segments: Vec<Segment> = segments.collect();
    let execution = solo.lane.compose(&segments, Composition::Parallel, &main());
    let finished = solo.finish(execution.unwrap_or_else(|error| panic!("{error}")));
    let states = [0, 1].map(|o| solo.lane.state(ObjectId(o)));
    (short(&finished).0, states.map(|state| state.unwrap_or(Val::Nothing).to_string()).join(" "))
}

fn made(mut solo: Solo) -> Solo {
    let made = solo.run(&Start::new("kit", "setup")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&made).0, "[o0, o1]");
    solo
}

// avm:R2, decisions:AVM-18
#[test]
fn parallel_segments_with_choices_commit_when_they_touch_different_objects() {
    let mut solo = made(solo(ENTRIES));
    let done = compose(&mut solo, &[("pick", &[0], None), ("pick", &[1], None)]);
    assert_eq!(done, ("(true, [2, 2])".to_owned(), "[1] [1]".to_owned()));
    let done = compose(&mut solo, &[("pick", &[0], None), ("nothing_touched", &[], None)]);
    assert_eq!(done, ("(true, [2, 6])".to_owned(), "[2] [1]".to_owned()));
    let done = compose(&mut solo, &[("nothing_touched", &[], None), ("inc", &[0], None), ("pick", &[1], None)]);
    assert_eq!(done, ("(true, [6, 3, 2])".to_owned(), "[3] [2]".to_owned()));
    close(solo.lane);
}

/// Fails the test when it is asked.
struct Nobody;

impl Solver for Nobody {
    fn solve(&mut self, _: &Ir, _: &Limits) -> Outcome {
        panic!("the solver is asked");
    }
}

// decisions:AVM-18
#[test]
fn parallel_segments_with_choices_that_overlap_conflict_before_anything_is_solved() {
    let mut solo = Solo::new(config(), Box::new(Nobody));
    solo.load(&compiled(&format!("{KIT}\n{ENTRIES}"))).unwrap_or_else(|error| panic!("{error}"));
    let mut solo = made(solo);
    for parts in [[("pick", &[0][..], None), ("pick", &[0], None)], [("pick", &[0], None), ("inc", &[0], None)]] {
        let (result, states) = compose(&mut solo, &parts);
        assert!(result.starts_with("ErrTxConflict"), "{result}");
        assert_eq!(states, "[] []");
    }
    close(solo.lane);
}

// decisions:AVM-4, decisions:AVM-18
#[test]
fn an_overlap_on_some_ways_only_is_a_failing_run() {
    let mut solo = made(solo(ENTRIES));
    let done = compose(&mut solo, &[("either", &[0, 1], Some(2)), ("inc", &[0], None)]);
    assert_eq!(done, ("(true, [2, 1])".to_owned(), "[1] [1]".to_owned()));
    let (result, states) = compose(&mut solo, &[("either", &[0, 1], Some(1)), ("inc", &[0], None)]);
    assert!(result.starts_with("ErrTxConflict"), "{result}");
    assert_eq!(states, "[1] [1]");
    close(solo.lane);
}
