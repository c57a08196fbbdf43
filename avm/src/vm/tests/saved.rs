//! Saved executions go on elsewhere with the same result (`avm:R4`).

use super::{close, config, main, short, solo_with};
use crate::error::{AvmError, MachineError, ProgramError};
use crate::vm::solo::Solo;
use crate::vm::{Config, SavedExecution, Status};

const PROGRAM: &str = r#"
fn total_of(xs: list, f) -> int {
    let mut total = 0
    for x in xs { total += f(x) }
    total
}
fn main() -> list {
    setState(["kept"])
    let k = 3
    let v = newVar([1, 2, 3, 4])
    narrow(v, [2, 3])
    note "begun"
    let total = total_of(range(0, 40), |x| x * k)
    let c = reifyContext()
    [total, random(1000), getState(), domainOf(v), newVar([1]) != v, c[4]]
}"#;

fn elsewhere(machine: &str) -> Config {
    Config { quantum_ops: 5, machine: machine.into(), ..config() }
}

// avm:R4
#[test]
fn a_saved_execution_goes_on_elsewhere() {
    let mut whole = solo_with(elsewhere("m1"), PROGRAM);
    let execution = whole.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    let (result, trace) = short(&whole.finish(execution));
    for quanta in [0, 1, 7, 20, 40, 60] {
        let mut here = solo_with(elsewhere("m1"), PROGRAM);
        let execution = here.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
        (0..quanta).for_each(|_| {
            here.step(execution);
        });
        let saved = here.lane.export(execution).unwrap_or_else(|error| panic!("{error}"));
        let text = serde_json::to_string(&saved).unwrap_or_else(|error| panic!("{error}"));
        let saved: SavedExecution = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        close(here.lane);
        let mut there = solo_with(elsewhere("m2"), PROGRAM);
        let execution = there.lane.import(&saved).unwrap_or_else(|error| panic!("{error}"));
        let (moved_result, moved_trace) = short(&there.finish(execution));
        assert_eq!(moved_result, result);
        let lines: Vec<&str> = moved_trace.lines().filter(|line| *line != "EM m1 m2").collect();
        assert_eq!(lines.join("\n"), trace);
        assert_eq!(moved_trace.lines().count(), lines.len() + 1);
        close(there.lane);
    }
}

// avm:R4
#[test]
fn no_execution_moves_during_a_transaction() {
    let mut solo = solo_with(elsewhere("m1"), "fn main() {\n beginTx()\n while true { self }\n}");
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    (0..5).for_each(|_| {
        solo.step(execution);
    });
    assert_eq!(solo.lane.export(execution).err(), Some(AvmError::Machine(MachineError::TeleportDuringTx)));
    assert!(solo.lane.terminate(execution));
    assert!(super::trace(&solo.lane.trace(execution)).ends_with("TA t0"));
    close(solo.lane);
}

#[test]
fn held_executions_go_on() {
    let mut solo = solo_with(elsewhere("m1"), PROGRAM);
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert!(solo.lane.suspend(execution));
    assert_eq!(solo.step(execution), None);
    assert!(solo.lane.resume(execution));
    assert!(short(&solo.finish(execution)).0.starts_with("[2340, "));
    close(solo.lane);
}

#[test]
fn children_end_with_their_parent() {
    let mut solo = solo_with(elsewhere("m1"), "fn main() { while true { self } }");
    let parent = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    let child = super::Start { parent: Some(parent), ..main() };
    let child = solo.lane.start(&child).unwrap_or_else(|error| panic!("{error}"));
    assert!(solo.lane.terminate(parent));
    assert!(matches!(solo.lane.result(child), Some(Err(_))));
    close(solo.lane);
}

// avm:11: a whole line of descendants ends, whatever its length, and the state of a family keeps nobody else in its place.
#[test]
fn a_long_line_of_children_ends_with_the_first_and_holds_no_one_else() {
    let mut solo = solo_with(Config { executions: 4096, ..elsewhere("m1") }, "fn main() { while true { self } }");
    let start = |solo: &mut Solo, parent| {
        solo.lane.start(&super::Start { parent, ..main() }).unwrap_or_else(|error| panic!("{error}"))
    };
    let first = start(&mut solo, None);
    let mut line = vec![first];
    for _ in 0..3000 {
        let last = line.last().copied();
        line.push(start(&mut solo, last));
    }
    let stranger = start(&mut solo, None);
    assert_eq!(solo.lane.children(first), [line[1]]);
    assert_eq!(solo.lane.descendants(first), line[1..]);
    assert!(solo.lane.save(line[3000]).is_none() && solo.lane.save(first).is_none(), "a family stays together");
    assert!(solo.lane.save(stranger).is_some(), "others may go");
    assert!(solo.lane.terminate(first));
    assert!(line.iter().all(|id| solo.lane.status(*id) == Some(Status::Terminated)));
    close(solo.lane);
}

// decisions:AVM-23: a deadline ends an execution with an error of its own, its open transactions aborted.
#[test]
fn a_deadline_is_a_failure_with_a_name_and_a_place() {
    let mut solo = solo_with(elsewhere("m1"), "fn main() { atomic { while true { self } } }");
    let execution = solo.lane.start(&main()).unwrap_or_else(|error| panic!("{error}"));
    let child = super::Start { parent: Some(execution), ..main() };
    let child = solo.lane.start(&child).unwrap_or_else(|error| panic!("{error}"));
    solo.step(execution);
    assert!(solo.lane.expire(execution, 70));
    assert!(!solo.lane.expire(execution, 70), "it is over");
    let failure = solo.lane.result(execution).and_then(Result::err).expect("it failed");
    assert_eq!(failure.error, ProgramError::Deadline(70).into());
    assert_eq!(failure.error.name(), "ErrProgramDeadline");
    assert!(!failure.stack.is_empty(), "where it was");
    let trace = super::trace(&solo.lane.trace(execution));
    assert!(trace.ends_with("ERR ErrProgramDeadline\nTA t0"), "{trace}");
    assert_eq!(solo.lane.status(child), Some(Status::Terminated));
    close(solo.lane);
}
