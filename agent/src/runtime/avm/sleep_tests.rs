//! Sleeps of real programs on a real torus, without threads.

use avm::id::ExecutionId;
use avm::lang::Source;
use avm::vm::{Config, Lane, Output, Start, Status, Why};
use torus::memory::{Capacities, Carver};
use torus::{Input, Torus};

use super::machine::{LaneMachine, Owner};
use super::ports::Ports;
use super::programs;
use super::reactor::Avm;

type Tested<'m> = Torus<'m, Avm<LaneMachine>>;

/// A queue of 512 events, of which 384 may be the torus's own.
const CAPACITIES: Capacities =
    Capacities { events: 512, edges: 64, processes: 64, processes_per_cell: 8, admission: 128 };
const OWN_LIMIT: u64 = 384;

const PROGRAM: &str = "module nap

fn main(times: int, ticks: int) -> int {
    if times == 0 { 0 } else {
        sleep(ticks)
        main(times - 1, ticks)
    }
}

fn wait(ticks: int, after: int) -> list {
    let message = receiveFor(ticks)
    sleep(after)
    [message, receiveFor(1)]
}

fn busy(turns: int) -> int { if turns == 0 { 0 } else { busy(turns - 1) } }
";

fn with_torus(run: impl FnOnce(&mut Tested<'_>)) {
    let mut bytes = vec![0; CAPACITIES.bytes()];
    let config = Config { heap_bytes: 4 << 20, executions: 2048, quantum_ops: 64, ..Config::default() };
    let mut machine = LaneMachine::new(Lane::new(config), "A", 2048);
    let program = programs::compile(&[Source::new("nap.avm", PROGRAM)], &|_| None, false);
    let program = program.unwrap_or_else(|remarks| panic!("{remarks}"));
    program.all().for_each(|module| machine.lane.load(module).expect("it fits"));
    let avm = Avm::new(machine, Ports::none(), OWN_LIMIT, 7);
    run(&mut Torus::new(&CAPACITIES, &mut Carver::new(&mut bytes), avm, None).expect("sized"));
}

fn start(torus: &mut Tested<'_>, entry: &str, args: &[i64]) -> ExecutionId {
    let args = args.iter().map(|arg| avm::Val::from(*arg)).collect();
    let asked = Start { args, ..Start::new("nap", entry) };
    let execution = torus.reactor_mut().machine_mut().start(&asked, Owner::default()).expect("it starts");
    torus.reactor_mut().wake(execution);
    execution
}

/// What the loop of a torus does, without its clock.
fn turn(torus: &mut Tested<'_>) {
    torus.reactor_mut().settle();
    while let Some(output) = torus.reactor_mut().next_output() {
        if let Output::Ended(execution) = output {
            torus.reactor_mut().machine_mut().note_end(execution);
        }
    }
    while torus.counters().pending < OWN_LIMIT {
        let Some((execution, cell, delay)) = torus.reactor_mut().next_ready() else { break };
        let time = torus.counters().clock.saturating_add(delay);
        torus.apply(&Input::InjectAt { time, dst: cell, src: cell, payload: execution.0 });
    }
}

/// Turns until an execution is over; its last tick.
fn run_to_end(torus: &mut Tested<'_>, execution: ExecutionId) -> u64 {
    for _ in 0..100_000 {
        turn(torus);
        if status(torus, execution) == Some(Status::Terminated) {
            return torus.counters().clock;
        }
        torus.run(1);
    }
    panic!("{execution} does not end: {:?} {:?}", status(torus, execution), torus.counters());
}

fn status(torus: &Tested<'_>, execution: ExecutionId) -> Option<Status> {
    torus.reactor().machine().lane.status(execution)
}

// decisions:AVM-7, AVM-23: every sleep lasts as long as it says, not the first alone.
#[test]
fn every_sleep_of_an_execution_lasts_its_ticks() {
    for ticks in [1, 2, 3, 1000, 65_537] {
        with_torus(|torus| {
            let execution = start(torus, "main", &[5, ticks]);
            let ended = run_to_end(torus, execution);
            // A quantum of 64 operations is more than the program needs between two sleeps.
            let slept = 5 * ticks as u64;
            assert!((slept..=slept + 2).contains(&ended), "5 times {ticks} ticks end at {ended}");
        });
    }
}

#[test]
fn sleepers_wake_at_their_own_ticks_beside_others_that_run() {
    with_torus(|torus| {
        let long = start(torus, "main", &[2, 5000]);
        let short = start(torus, "main", &[3, 100]);
        let busy = start(torus, "busy", &[1000]);
        let ends = [run_to_end(torus, short), run_to_end(torus, long)];
        assert!((300..=302).contains(&ends[0]) && (10_000..=10_002).contains(&ends[1]), "{ends:?}");
        assert_eq!(status(torus, busy), Some(Status::Terminated));
        assert_eq!((torus.reactor().counts().stale, torus.counters().pending), (0, 0));
    });
}

// decisions:AVM-23: a wait for a message has an end; a message that comes before is the end of it, and of nothing after it.
#[test]
fn a_wait_for_a_message_ends_by_its_time_or_by_a_message() {
    with_torus(|torus| {
        let waiting = start(torus, "wait", &[1000, 50]);
        let ended = run_to_end(torus, waiting);
        assert!((1051..=1055).contains(&ended), "{ended}");
        let served = start(torus, "wait", &[1_000_000, 500]);
        turn(torus);
        torus.run(1);
        assert_eq!(status(torus, served), Some(Status::Suspended(Why::Receiving)));
        let message = avm::Val::from(7);
        let lane = &mut torus.reactor_mut().machine_mut().lane;
        lane.input(avm::vm::Input::RootMessage { to: served, message }).expect("it waits");
        let last = run_to_end(torus, served);
        assert!((ended + 501..=ended + 510).contains(&last), "from {ended} to {last}");
        let lane = &torus.reactor().machine().lane;
        let values = |id| lane.result(id).and_then(Result::ok).map(|value| value.to_string());
        assert_eq!(values(waiting).as_deref(), Some("[nothing, nothing]"));
        assert_eq!(values(served).as_deref(), Some("[7, nothing]"));
    });
}

// decisions:AVM-7: a sleeper that is ended leaves nothing in the queue of the torus.
#[test]
fn ended_sleepers_take_no_room() {
    with_torus(|torus| {
        for number in 0..4 * OWN_LIMIT as i64 {
            // Each sleeps less than those before it: the earliest alarm is of no use to it.
            let sleeper = start(torus, "main", &[1, 1_000_000 - 100 * number]);
            turn(torus);
            torus.run(1);
            assert_eq!(status(torus, sleeper), Some(Status::Suspended(Why::Sleeping)), "sleeper {number}");
            assert!(torus.reactor_mut().machine_mut().lane.terminate(sleeper));
            assert!(torus.counters().pending <= 64, "{:?}", torus.counters());
        }
        let busy = start(torus, "busy", &[100]);
        run_to_end(torus, busy);
    });
}

// More sleepers than the queue of the torus has places: they wait in none of them, and all wake.
#[test]
fn more_sleepers_than_the_queue_holds_all_wake() {
    with_torus(|torus| {
        let all: Vec<ExecutionId> = (0..1500).map(|_| start(torus, "main", &[1, 50_000])).collect();
        let last = all.iter().map(|execution| run_to_end(torus, *execution)).max();
        assert!(last.is_some_and(|last| (50_000..51_000).contains(&last)), "{last:?}");
    });
}

// An idle torus goes to the end of the sleep at once; at the end of time it stands still, and whoever runs runs on.
#[test]
fn a_sleep_to_the_end_of_time_does_not_overflow() {
    with_torus(|torus| {
        let most = avm::Val::from((1_i64 << 62) - 1);
        for _ in 0..6 {
            let asked = Start { args: vec![avm::Val::from(1), most.clone()], ..Start::new("nap", "main") };
            let execution = torus.reactor_mut().machine_mut().start(&asked, Owner::default()).expect("it starts");
            torus.reactor_mut().wake(execution);
            run_to_end(torus, execution);
        }
        let busy = start(torus, "busy", &[100]);
        run_to_end(torus, busy);
    });
}
