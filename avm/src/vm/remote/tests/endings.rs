//! What is written down, and what is lost on the way.

use super::*;
use crate::vm::Why;

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
fn avm_10_1_who_asks_an_unreachable_torus_gets_an_error() {
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
fn avm_10_1_a_home_forgets_a_transaction_whose_maker_is_not_reached() {
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

/// Lanes that write down; an execution that commits with its last operation.
fn written_down(entry: &str) -> (Lanes, ExecutionId, u64) {
    let mut lanes = Lanes::new(2, 1000);
    let a = lanes.account(0, 10);
    lanes.lanes[0].keep_records();
    let args: Vec<Val> = match entry {
        "deposits" => vec![object(a), Val::from(1)],
        _ => vec![object(a)],
    };
    let id = lanes.start(0, entry, &args);
    let mut last = 0;
    for _ in 0..20 {
        lanes.lanes[0].quantum(id);
        for output in lanes.lanes[0].outputs().collect::<Vec<_>>() {
            match output {
                Output::Record(record) => last = record.number,
                Output::Ended(_) => panic!("it ended before its record was written down"),
                _ => {}
            }
        }
    }
    (lanes, id, last)
}

// The end of an execution is said once its last record is written down, and so is its result (`decisions:AVM-14`).
#[test]
fn avm_14_an_execution_ends_when_its_last_record_is_written_down() {
    for how in ["runs out", "is terminated"] {
        let (mut lanes, id, last) = written_down("deposits");
        assert_eq!(last, 1);
        let lane = &mut lanes.lanes[0];
        if how == "is terminated" {
            assert!(lane.terminate(id));
            assert!(!lane.terminate(id), "it is over but for its record");
        }
        assert_eq!(lane.status(id), Some(Status::Suspended(Why::Recording)), "{how}");
        assert!(lane.result(id).is_none() && !lane.forget(id), "{how}");
        lane.input(Input::Recorded { number: last }).expect("taken");
        if how == "runs out" {
            assert_eq!(lane.quantum(id), Quantum::Ended);
        }
        let ended = lane.outputs().filter(|output| *output == Output::Ended(id)).count();
        assert_eq!(ended, 1, "{how}");
        assert_eq!(lane.status(id), Some(Status::Terminated));
        assert_eq!(lane.result(id).expect("it is over").is_ok(), how == "runs out");
        lanes.close();
    }
}
