//! The desk of a torus without threads: what goes out, in which order, and who is woken.

use std::sync::{Arc, Mutex};

use avm::Val;
use avm::id::ObjectId;
use avm::vm::{Config, Lane};
use torus::memory::{Capacities, Carver};

use super::super::solver::Pool;
use super::*;
use crate::config::avm::{Solver, SolverKind};
use crate::runtime::ring::{Sender, ring};

const CAPACITIES: Capacities =
    Capacities { events: 256, edges: 64, processes: 64, processes_per_cell: 8, admission: 64 };

/// A solver without threads: what it is asked stays with it.
fn settings() -> Solver {
    let timeout = std::time::Duration::from_secs(1);
    Solver { kind: SolverKind::BuiltIn, threads: 0, queue: 2, timeout, steps: 1, nodes: 1, memory_bytes: 1 << 20 }
}

/// Torus 0 and the ends of its ways to tori 1 and 2, which hold two pieces each.
struct Tested {
    desk: Desk,
    others: Vec<Ports<Envelope>>,
    rung: Arc<Mutex<Vec<u8>>>,
    _jobs: Sender<Job>,
    _pool: Pool,
}

fn tested() -> Tested {
    let (pool, mut askers) = Pool::start(settings(), 1, None, Clock::new()).expect("no thread is needed");
    let mut ports = Ports::mesh(&[0, 1, 2], 2);
    let own = ports.remove(0);
    let (jobs, taken) = ring(1);
    let rung = Arc::new(Mutex::new(Vec::new()));
    let bells = Arc::clone(&rung);
    let bell: Bell = Box::new(move |to| bells.lock().expect("no panic").push(to));
    let desk = Desk::new(taken, askers.remove(0), own, Clock::new(), 192, bell);
    Tested { desk, others: ports, rung, _jobs: jobs, _pool: pool }
}

impl Tested {
    fn rung(&self) -> Vec<u8> {
        std::mem::take(&mut *self.rung.lock().expect("no panic"))
    }

    /// What has come to torus 1 or 2.
    fn taken(&mut self, at: usize) -> Vec<i64> {
        let pieces = std::iter::from_fn(|| self.others[at - 1].take());
        let number = |(_, envelope)| match envelope {
            Envelope::Message { message: Val::Int(number), .. } => number as i64,
            other => panic!("{other:?}"),
        };
        pieces.map(number).collect()
    }
}

fn with_torus(run: impl FnOnce(&mut AvmTorus<'_>, &mut Tested)) {
    let mut bytes = vec![0; CAPACITIES.bytes()];
    let lane = Lane::new(Config { heap_bytes: 1 << 20, executions: 64, ..Config::default() });
    let avm = Avm::new(LaneMachine::new(lane, "A", 8), Ports::none(), 192, 7);
    let mut torus = Torus::new(&CAPACITIES, &mut Carver::new(&mut bytes), avm, None).expect("sized");
    run(&mut torus, &mut tested());
}

fn turn(torus: &mut AvmTorus<'_>, tested: &mut Tested) -> bool {
    tested.desk.turn(torus, &mut Inputs::new(None), 5)
}

fn message(to: ObjectId, message: Val) -> Envelope {
    Envelope::Message { to, sender: avm::id::ROOT, execution: ExecutionId(0), message }
}

fn letter(to: u8, number: i64) -> Output {
    Output::Send { to, envelope: message(ObjectId::new(0, to, 1), Val::from(number)) }
}

fn question(number: u64) -> Output {
    Output::Solve { execution: ExecutionId(number), ir: Box::default(), limits: Limits::default() }
}

/// As if a quantum had put it out.
fn put_out(torus: &mut AvmTorus<'_>, outputs: Vec<Output>) {
    outputs.into_iter().rev().for_each(|output| torus.reactor_mut().keep_output(output));
}

// decisions:AVM-2: a torus that sleeps is woken by what is sent to it, once a turn.
#[test]
fn whoever_is_sent_something_is_woken_once() {
    with_torus(|torus, tested| {
        put_out(torus, vec![letter(1, 1), letter(2, 2), letter(1, 3)]);
        assert!(turn(torus, tested));
        assert_eq!(tested.rung(), [1, 2]);
        assert_eq!((tested.taken(1), tested.taken(2)), (vec![1, 3], vec![2]));
        assert!(!turn(torus, tested), "there is nothing more to do");
        assert!(tested.rung().is_empty(), "nobody is woken for nothing");
    });
}

// decisions:AVM-10: what waits for the solver keeps no envelope back, and what waits for one torus none for another.
#[test]
fn what_finds_no_room_keeps_nothing_else_back() {
    with_torus(|torus, tested| {
        let questions = (1..=5).map(question);
        let outputs = questions.chain([letter(1, 1), letter(1, 2), letter(1, 3), letter(1, 4), letter(2, 5)]);
        put_out(torus, outputs.collect());
        assert!(turn(torus, tested));
        assert_eq!(tested.desk.asker.open(), 2, "as many as the solver takes");
        assert_eq!(tested.rung(), [1, 2]);
        assert_eq!((tested.taken(1), tested.taken(2)), (vec![1, 2], vec![5]));
        put_out(torus, vec![letter(1, 6)]);
        assert!(turn(torus, tested), "there is room again");
        assert_eq!(tested.taken(1), [3, 4], "in their order");
        turn(torus, tested);
        assert_eq!(tested.taken(1), [6]);
        assert!(!turn(torus, tested), "questions wait for an answer");
        let waiting: Vec<u64> = tested.desk.questions.iter().map(|((execution, _), ..)| execution.0).collect();
        assert_eq!(waiting, [3, 4, 5]);
    });
}

// decisions:AVM-13: a message for a mailbox that is not there is counted.
#[test]
fn a_message_that_finds_no_mailbox_is_counted() {
    with_torus(|torus, tested| {
        let message = message(ObjectId::new(0, 0, 9), Val::from(1));
        tested.others[0].send(0, message).expect("room");
        assert!(turn(torus, tested));
        assert_eq!(torus.reactor().machine().tally.lost_messages, 1);
    });
}

// avm:10.1: a torus that has ended, and one to which there never was a way: who asks it fails, and it is counted.
#[test]
fn who_asks_a_torus_that_is_not_reached_gets_an_error() {
    let source = avm::lang::Source::new("m.avm", "module m\nfn main(o: object) { getMachine(o) }");
    let module = avm::lang::compile(&[source], &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let module = avm::code::verify(module).expect("it is sound");
    let mut bytes = vec![0; CAPACITIES.bytes()];
    let config = Config { homes: vec![0, 1, 2, 3], heap_bytes: 1 << 20, executions: 64, ..Config::default() };
    let mut lane = Lane::new(config);
    lane.load(&module).expect("it fits");
    let avm = Avm::new(LaneMachine::new(lane, "A", 8), Ports::none(), 192, 7);
    let mut torus = Torus::new(&CAPACITIES, &mut Carver::new(&mut bytes), avm, None).expect("sized");
    let mut tested = tested();
    tested.others.remove(0);
    for (lost, to) in [(1, 1), (2, 3)] {
        let machine = torus.reactor_mut().machine_mut();
        let args = vec![Val::Object(ObjectId::new(0, to, 0))];
        let id = machine
            .start(&avm::vm::Start { args, ..avm::vm::Start::new("m", "main") }, Default::default())
            .expect("it starts");
        let waits = avm::vm::Quantum::Suspended(avm::vm::Why::Elsewhere);
        assert_eq!(machine.lane.quantum(id), waits);
        assert!(turn(&mut torus, &mut tested));
        let machine = torus.reactor_mut().machine_mut();
        assert_eq!(machine.lane.quantum(id), avm::vm::Quantum::Ended);
        let failure = machine.result(id).expect("it is over").expect_err("it fails");
        assert_eq!(failure.error.name(), "ErrMachineUnreachable");
        assert_eq!(machine.lane.lost_envelopes(), lost);
    }
}
