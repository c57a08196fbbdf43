//! What is written down, and what is lost on the way.

use super::*;
use crate::vm::{Composition, Segment, Why};

impl Lanes {
    /// As `finish`, where there is no way to a torus: what goes there comes back.
    fn finish_without(&mut self, torus: u8) {
        loop {
            for lane in 0..self.lanes.len() {
                for envelope in self.wires.remove(&(lane as u8, torus)).unwrap_or_default() {
                    self.lanes[lane].input(Input::Undeliverable { to: torus, envelope }).expect("taken");
                }
                self.collect(lane);
            }
            if self.choices() == 0 {
                return;
            }
            self.step(0);
        }
    }
}

// A torus that is not reached: who asks for its objects gets an error and nobody waits for ever (`avm:10.1`).
#[test]
fn who_asks_an_unreachable_torus_gets_an_error() {
    let mut lanes = Lanes::new(3, 10_000);
    let [a, b, c] = [0, 1, 2].map(|lane| lanes.account(lane, 5));
    let asks = lanes.start(0, "broken", &[object(c)]);
    let reads = lanes.start(0, "altogether", &[object(a), object(b), object(c)]);
    lanes.finish_without(2);
    for id in [asks, reads] {
        let failure = lanes.lanes[0].result(id).expect("it does not wait").expect_err("it fails");
        assert_eq!(failure.error.name(), "ErrMachineUnreachable");
    }
    assert_eq!(lanes.lanes[0].lost_envelopes(), 2);
    // One that has come to its commit fails too, and leaves no intent where it was prepared already.
    let pays = lanes.start(0, "transfers", &[object(b), object(c), Val::from(1), Val::from(1)]);
    while lanes.lanes[1].undecided() == 0 {
        lanes.step(0);
    }
    lanes.finish_without(2);
    let failure = lanes.lanes[0].result(pays).expect("it does not wait").expect_err("it fails");
    assert_eq!(failure.error.name(), "ErrMachineUnreachable");
    assert!(lanes.lanes.iter().all(|lane| lane.undecided() == 0), "no intent is left");
    assert_eq!(lanes.balance(b), 5);
    lanes.close();
}

// The answer to a prepare finds no way: its maker cannot have decided, so the home forgets it.
#[test]
fn a_home_forgets_a_transaction_whose_maker_is_not_reached() {
    let mut lanes = Lanes::new(2, 10_000);
    let [a, b] = [0, 1].map(|lane| lanes.account(lane, 5));
    lanes.start(0, "transfers", &[object(a), object(b), Val::from(1), Val::from(1)]);
    while lanes.lanes[1].undecided() == 0 {
        lanes.step(0);
    }
    let answer = lanes.wires.remove(&(1, 0)).into_iter().flatten().next().expect("it has answered");
    lanes.lanes[1].input(Input::Undeliverable { to: 0, envelope: answer }).expect("taken");
    assert_eq!(lanes.lanes[1].undecided(), 0);
    lanes.close();
}

/// Lanes that write down; an execution that has committed with its last operation, and the number of its record.
fn written_down() -> (Lanes, ExecutionId, u64) {
    let mut lanes = Lanes::new(2, 1000);
    let a = lanes.account(0, 10);
    lanes.lanes[0].keep_records();
    let part = Segment { module: "lanes".into(), entry: "deposits".into(), args: vec![object(a), Val::from(1)] };
    let common = Start::new("", "");
    let id = lanes.lanes[0].compose(&[part], Composition::Sequential, &common).expect("it starts");
    assert_eq!(lanes.lanes[0].quantum(id), Quantum::Suspended(Why::Recording));
    let mut last = 0;
    for output in lanes.lanes[0].outputs() {
        match output {
            Output::Record(record) => last = record.number,
            Output::Ended(_) => panic!("it ended before its record was written down"),
            _ => {}
        }
    }
    (lanes, id, last)
}

// The end of an execution is said once its last record is written down, and so is its result (`decisions:AVM-14`).
#[test]
fn avm_14_an_execution_ends_when_its_last_record_is_written_down() {
    let (mut lanes, id, last) = written_down();
    assert_eq!(last, 1);
    let lane = &mut lanes.lanes[0];
    assert_eq!(lane.quantum(id), Quantum::Suspended(Why::Recording));
    assert!(!lane.terminate(id), "it is over but for its record");
    assert_eq!(lane.status(id), Some(Status::Suspended(Why::Recording)));
    assert!(lane.result(id).is_none() && !lane.forget(id));
    lane.input(Input::Recorded { number: last }).expect("taken");
    assert_eq!(lane.outputs().collect::<Vec<_>>(), [Output::Ended(id)]);
    assert_eq!((lane.status(id), lane.quantum(id)), (Some(Status::Terminated), Quantum::Ended));
    assert!(lane.result(id).expect("it is over").is_ok());
    lanes.close();
}

// So is that of one that is ended by hand: what it has committed stands.
#[test]
fn avm_14_a_terminated_execution_ends_when_its_last_record_is_written_down() {
    let mut lanes = Lanes::new(2, 1000);
    let a = lanes.account(0, 10);
    lanes.lanes[0].keep_records();
    let id = lanes.start(0, "deposits", &[object(a), Val::from(9)]);
    let lane = &mut lanes.lanes[0];
    assert_eq!(lane.quantum(id), Quantum::Suspended(Why::Recording));
    assert!(lane.terminate(id));
    assert_eq!(lane.status(id), Some(Status::Suspended(Why::Recording)));
    assert!(!lane.outputs().any(|output| output == Output::Ended(id)));
    lane.input(Input::Recorded { number: 1 }).expect("taken");
    assert_eq!(lane.outputs().collect::<Vec<_>>(), [Output::Ended(id)]);
    assert!(lane.result(id).expect("it is over").is_err());
    lanes.close();
}

// An acknowledgement that comes while its execution sleeps is not waited for afterwards.
#[test]
fn avm_14_an_acknowledgement_that_comes_during_a_sleep_counts() {
    let mut lanes = Lanes::new(2, 1000);
    let a = lanes.account(0, 10);
    lanes.lanes[0].keep_records();
    let id = lanes.start(0, "naps", &[object(a)]);
    let lane = &mut lanes.lanes[0];
    while lane.quantum(id) != Quantum::Suspended(Why::Sleeping) {
        lane.input(Input::Recorded { number: 1 }).expect("taken");
    }
    lane.input(Input::Recorded { number: 2 }).expect("taken");
    lane.input(Input::Woken { execution: id, now_ns: 1 }).expect("taken");
    lanes.finish(|_| 0);
    let _ = lanes.value(0, id);
    lanes.close();
}
