//! Waits that end by a message or by time.

use super::{close, config, main, solo_with};
use crate::id::ExecutionId;
use crate::value::Val;
use crate::vm::solo::Solo;
use crate::vm::{Input, Output, Quantum, Start, Status, Why};

const PROGRAM: &str = "fn main() -> list { [receiveFor(10), receiveFor(20)] }
fn block() { receive() }";

fn waits(solo: &mut Solo, execution: ExecutionId, ticks: u64) {
    assert_eq!(solo.lane.quantum(execution), Quantum::Suspended(Why::Receiving));
    let outputs: Vec<Output> = solo.lane.outputs().filter(|output| *output != Output::Ready(execution)).collect();
    assert_eq!(outputs, [Output::Sleep { execution, ticks }]);
}

// decisions:AVM-23
#[test]
fn a_message_or_the_time_ends_a_wait() {
    let mut solo = solo_with(config(), PROGRAM);
    let start = |solo: &mut Solo, start: &Start| solo.lane.start(start).unwrap_or_else(|error| panic!("{error}"));
    let blocked = start(&mut solo, &Start { entry: "block".into(), blocking: true, ..main() });
    assert_eq!(solo.lane.quantum(blocked), Quantum::Suspended(Why::Receiving));
    let execution = start(&mut solo, &main());
    waits(&mut solo, execution, 10);
    let message = Val::from(5);
    solo.lane.input(Input::RootMessage { to: execution, message }).unwrap_or_else(|error| panic!("{error}"));
    waits(&mut solo, execution, 20);
    solo.lane.input(Input::Woken { execution, now_ns: 7 }).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.lane.quantum(execution), Quantum::Ended);
    let value = solo.lane.result(execution).and_then(Result::ok);
    assert_eq!(value.map(|value| value.to_string()).as_deref(), Some("[5, nothing]"));
    // Whoever waits without an end is still found by its message.
    let message = Val::from(6);
    solo.lane.input(Input::RootMessage { to: blocked, message }).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(solo.lane.status(blocked), Some(Status::Running));
    close(solo.lane);
}

// Alone, time passes at once.
#[test]
fn alone_a_wait_without_messages_gives_nothing() {
    let mut solo = solo_with(config(), PROGRAM);
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(finished.value().map(ToString::to_string), Ok("[nothing, nothing]".to_owned()));
    close(solo.lane);
}
