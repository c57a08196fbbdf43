//! Levelling of executions in the deterministic driver (`decisions:AVM-16`): real tori, real braid, real reactor; only the programs
//! are toys that never end.

use std::collections::{BTreeMap, VecDeque};

use avm::id::ExecutionId;
use avm::vm::{Output, Quantum, Why};
use torus::braid::BraidConfig;
use torus::lockstep::Lockstep;
use torus::memory::{Capacities, Carver};
use torus::{Input, Mode, Torus};

use super::ports::Ports;
use super::reactor::{Avm, Machine, cell_of};

/// An execution that counts its quanta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Toy {
    steps: u64,
    /// Bound to its machine by its program.
    pinned: bool,
    /// In a transaction in each quantum but every fourth.
    busy: bool,
}

#[derive(Debug, Default)]
struct Toys {
    here: BTreeMap<u64, Toy>,
    out: VecDeque<Output>,
    /// Executions for which there is no place.
    refused: Vec<u64>,
}

impl Machine for Toys {
    type Parcel = (u64, Toy);

    fn quantum(&mut self, execution: ExecutionId) -> Quantum {
        let Some(toy) = self.here.get_mut(&execution.0) else { return Quantum::Ended };
        toy.steps += 1;
        Quantum::Yielded
    }

    fn drain(&mut self, out: &mut VecDeque<Output>) {
        out.append(&mut self.out);
    }

    fn woken(&mut self, _execution: ExecutionId, _now_ns: u64) {}

    fn movable(&self, execution: ExecutionId) -> bool {
        self.here.get(&execution.0).is_some_and(|toy| !toy.pinned)
    }

    fn pack(&mut self, execution: ExecutionId) -> Option<(u64, Toy)> {
        let toy = self.here.get(&execution.0)?;
        if toy.busy && !(toy.steps + execution.0).is_multiple_of(4) {
            return None;
        }
        self.here.remove(&execution.0).map(|toy| (execution.0, toy))
    }

    fn unpack(&mut self, (id, toy): (u64, Toy)) -> Result<ExecutionId, (u64, Toy)> {
        if self.refused.contains(&id) {
            return Err((id, toy));
        }
        self.here.insert(id, toy);
        Ok(ExecutionId(id))
    }
}

/// Bounds of a torus that takes all of them.
const CAPACITIES: Capacities =
    Capacities { events: 16_384, edges: 64, processes: 64, processes_per_cell: 8, admission: 4_096 };

fn config(mode: Mode) -> BraidConfig {
    let mut config = BraidConfig { mode, whole: true, ring_capacity: 4_096, ..BraidConfig::default() };
    config.rules[torus::braid::Kind::Load as usize].cap = 4_096;
    config
}

fn id(number: u64) -> ExecutionId {
    ExecutionId::new(0, 0, number)
}

/// `counts[i]` executions on torus i; `toy` makes them.
fn braid<T>(
    counts: &[u64],
    toy: impl Fn(u64) -> Toy,
    config: BraidConfig,
    run: impl FnOnce(&mut Lockstep<'_, Avm<Toys>>) -> T,
) -> T {
    let mut memory: Vec<Vec<u8>> = counts.iter().map(|_| vec![0; CAPACITIES.bytes()]).collect();
    let ids: Vec<u8> = (0..counts.len() as u8).collect();
    let mut ports = Ports::mesh(&ids, 4_096);
    let mut tori = Vec::new();
    for bytes in &mut memory {
        let avm = Avm::new(Toys::default(), ports.remove(0), 12_288, 7);
        tori.push(Torus::new(&CAPACITIES, &mut Carver::new(bytes), avm, None).expect("sized"));
    }
    let mut number = 0;
    for (torus, count) in tori.iter_mut().zip(counts) {
        for _ in 0..*count {
            torus.reactor_mut().machine_mut().here.insert(id(number).0, toy(number));
            torus.reactor_mut().wake(id(number));
            number += 1;
        }
        while let Some((execution, cell, _)) = torus.reactor_mut().next_ready() {
            torus.apply(&Input::Inject { dst: cell, src: cell, payload: execution.0, count: 1 });
        }
    }
    let mut lockstep = Lockstep::new(tori, config, true).expect("in range");
    run(&mut lockstep)
}

const FREE: Toy = Toy { steps: 0, pinned: false, busy: false };

fn movable(lockstep: &Lockstep<'_, Avm<Toys>>, tori: usize) -> Vec<u64> {
    (0..tori).map(|at| lockstep.torus(at).reactor().movable()).collect()
}

fn level(counts: &[u64]) -> bool {
    let (most, least) = (counts.iter().max().unwrap_or(&0), counts.iter().min().unwrap_or(&0));
    let mean = counts.iter().sum::<u64>() / counts.len() as u64;
    (most - least) * 20 <= mean
}

/// Rounds until the movable executions are level, and how many there are where at the end.
fn rounds_to_level(counts: &[u64], toy: impl Fn(u64) -> Toy, config: BraidConfig) -> (u32, Vec<u64>) {
    let tori = counts.len();
    braid(counts, toy, config, |lockstep| {
        let mut rounds = 0;
        while !level(&movable(lockstep, tori)) && rounds < 200 {
            lockstep.round();
            rounds += 1;
        }
        (rounds, movable(lockstep, tori))
    })
}

// decisions:AVM-16: 10 000 executions started on one torus are level within 20 rounds, in both modes, and stay so.
#[test]
fn ten_thousand_executions_level_out_within_twenty_rounds() {
    for mode in [Mode::Rotate, Mode::Ring] {
        for counts in [[10_000, 0, 0], [0, 9_000, 1_000], [7_000, 3_000, 0]] {
            let (rounds, end) = rounds_to_level(&counts, |_| FREE, config(mode));
            assert!(rounds <= 20, "{mode:?} {counts:?}: {rounds} rounds, {end:?}");
        }
    }
}

#[test]
fn nothing_is_lost_or_run_twice_while_it_moves() {
    braid(
        &[10_000, 0, 0],
        |_| FREE,
        config(Mode::Rotate),
        |lockstep| {
            for _ in 0..40 {
                lockstep.round();
                assert!(lockstep.conserved());
            }
            let mut steps = 0;
            let mut seen: Vec<u64> = Vec::new();
            for at in 0..3 {
                let reactor = lockstep.torus(at).reactor();
                steps += reactor.machine().here.values().map(|toy| toy.steps).sum::<u64>();
                seen.extend(reactor.machine().here.keys());
                assert_eq!((reactor.counts().stale, reactor.counts().homeless), (0, 0));
            }
            let executed: u64 = (0..3).map(|at| lockstep.torus(at).counters().executed).sum();
            assert_eq!(steps, executed, "each event was one quantum of one execution");
            seen.sort_unstable();
            assert_eq!(seen.len() as u64 + lockstep.under_way(), 10_000);
            seen.dedup();
            assert_eq!(seen.len() as u64 + lockstep.under_way(), 10_000, "none is in two places");
        },
    );
}

// decisions:AVM-6: what is bound to its machine stays; the others level around it.
#[test]
fn pinned_executions_stay_where_they_are() {
    let pin = |number: u64| Toy { pinned: number.is_multiple_of(10), ..FREE };
    let (rounds, end) = rounds_to_level(&[10_000, 0, 0], pin, config(Mode::Rotate));
    assert!(rounds <= 20, "{rounds} rounds, {end:?}");
    assert_eq!(end.iter().sum::<u64>(), 9_000);
    braid(&[10_000, 0, 0], pin, config(Mode::Rotate), |lockstep| {
        (0..20).for_each(|_| lockstep.round());
        let pinned = |at: usize| lockstep.torus(at).reactor().machine().here.values().filter(|toy| toy.pinned).count();
        assert_eq!([pinned(0), pinned(1), pinned(2)], [1_000, 0, 0]);
    });
}

// decisions:AVM-16: an execution inside a transaction waits until it is between two.
#[test]
fn executions_move_between_transactions_only() {
    let (rounds, end) = rounds_to_level(&[10_000, 0, 0], |_| Toy { busy: true, ..FREE }, config(Mode::Rotate));
    assert!(rounds <= 30, "{rounds} rounds, {end:?}");
}

#[test]
fn the_same_start_moves_the_same_executions() {
    let run = || {
        braid(
            &[4_000, 0, 0],
            |_| FREE,
            config(Mode::Rotate),
            |lockstep| {
                (0..15).for_each(|_| lockstep.round());
                let here =
                    |at: usize| -> Vec<u64> { lockstep.torus(at).reactor().machine().here.keys().copied().collect() };
                (lockstep.digests(), [here(0), here(1), here(2)])
            },
        )
    };
    assert_eq!(run(), run());
}

/// A machine whose one execution sleeps, is woken and ends.
#[derive(Debug, Default)]
struct Sleeper {
    stage: u32,
    woken_ns: Vec<u64>,
    out: VecDeque<Output>,
}

impl Machine for Sleeper {
    type Parcel = ();

    fn quantum(&mut self, execution: ExecutionId) -> Quantum {
        self.stage += 1;
        match self.stage {
            1 => {
                self.out.push_back(Output::Sleep { execution, ticks: 50 });
                Quantum::Suspended(Why::Sleeping)
            }
            _ => {
                self.out.push_back(Output::Ended(execution));
                Quantum::Ended
            }
        }
    }

    fn drain(&mut self, out: &mut VecDeque<Output>) {
        out.append(&mut self.out);
    }

    fn woken(&mut self, _execution: ExecutionId, now_ns: u64) {
        self.woken_ns.push(now_ns);
    }

    fn movable(&self, _execution: ExecutionId) -> bool {
        true
    }

    fn pack(&mut self, _execution: ExecutionId) -> Option<()> {
        None
    }

    fn unpack(&mut self, (): ()) -> Result<ExecutionId, ()> {
        Err(())
    }
}

// decisions:AVM-7, AVM-23: a sleep is a token in the future; the sleeper is no work until then, and a second wake changes nothing.
#[test]
fn a_sleeper_is_woken_at_its_tick_and_is_no_load_until_then() {
    let mut bytes = vec![0; CAPACITIES.bytes()];
    let avm = Avm::new(Sleeper::default(), Ports::none(), 12_288, 7);
    let mut torus = Torus::new(&CAPACITIES, &mut Carver::new(&mut bytes), avm, None).expect("sized");
    torus.reactor_mut().set_now(77);
    let inject = |torus: &mut Torus<'_, Avm<Sleeper>>| {
        while let Some((execution, cell, delay)) = torus.reactor_mut().next_ready() {
            assert_eq!((cell, delay), (cell_of(execution), 0));
            torus.apply(&Input::Inject { dst: cell, src: cell, payload: execution.0, count: 1 });
        }
    };
    torus.reactor_mut().wake(id(3));
    torus.reactor_mut().wake(id(3));
    inject(&mut torus);
    assert_eq!((torus.counters().pending, torus.load().total()), (1, 1));
    torus.run(1);
    let slept = torus.counters().clock;
    assert_eq!((torus.counters().pending, torus.load().total()), (1, 0), "an alarm");
    torus.reactor_mut().wake(id(3));
    assert!(torus.reactor_mut().next_ready().is_none(), "its time wakes it");
    torus.run(9);
    assert_eq!(torus.reactor().machine().woken_ns, [77]);
    assert_eq!(torus.counters().clock, slept + 50);
    assert_eq!(torus.reactor_mut().next_output(), Some(Output::Ended(id(3))));
    assert_eq!((torus.reactor().counts().quanta, torus.counters().pending), (2, 0));
    assert_eq!(torus.counters().executed, 2 + 3, "alarms after 32, 16 and 1 of 49 ticks");
}

// decisions:AVM-16: executions that found no place are tried again, and one that finds none keeps no other out.
#[test]
fn an_execution_without_a_place_keeps_no_other_out() {
    let mut ports = Ports::mesh(&[0, 1], 64);
    let mut away = ports.remove(0);
    let toys = Toys { refused: (0..40).collect(), ..Toys::default() };
    let mut avm = Avm::new(toys, ports.remove(0), 64, 7);
    for number in 0..40 {
        away.send(1, (number, FREE)).expect("room");
    }
    let token = torus::Token { payload: 39, ..torus::Token::default() };
    assert!(!torus::Reactor::admit(&mut avm, &token), "it has no place");
    assert_eq!(avm.counts().homeless, 40);
    avm.machine_mut().refused = vec![0, 1, 2];
    (0..4).for_each(|_| avm.settle());
    let woken: Vec<u64> = std::iter::from_fn(|| avm.next_ready()).map(|(execution, ..)| execution.0).collect();
    assert_eq!(woken.len(), 37);
    assert_eq!(avm.machine().here.len(), 37);
}
