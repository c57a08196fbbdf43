//! Histories from a lane: several executions of random transactions, one quantum at a time in a random order.

use std::collections::BTreeMap;

use avm::code::Builtin;
use avm::dsl::*;
use avm::event::TraceLevel;
use avm::id::ObjectId;
use avm::nondet::{Ir, Limits, Outcome, Solver};
use avm::program;
use avm::value::Val;
use avm::vm::solo::Solo;
use avm::vm::{Config, Quantum, Start};

use super::checker::{Observed, Op};

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    /// A number below another.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % n
    }
}

/// Size of a history.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Executions side by side.
    pub sessions: u64,
    /// Transactions of each.
    pub each: u64,
    /// Objects.
    pub keys: u64,
    /// Operations of one quantum.
    pub quantum: u32,
}

impl Shape {
    /// A shape for each seed: few and many keys, short and long quanta.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0x5eed);
        Self {
            sessions: 2 + rng.below(7),
            each: 40,
            keys: 1 + rng.below(6),
            quantum: [1, 3, 7, 20, 60, 200][rng.below(6) as usize],
        }
    }
}

struct NoSolver;

impl Solver for NoSolver {
    fn solve(&mut self, _: &Ir, _: &Limits) -> Outcome {
        Outcome::Unknown("nothing is chosen here".into())
    }
}

/// A transaction that is planned: its kind, then keys with the value to append or nothing to read.
pub type Planned = (i64, Vec<(u64, Option<i64>)>);

/// A random plan: transactions of `[kind, [[key, value or nothing], ..]]`; kind 0 commits, 1 aborts, 2 is one call without a
/// transaction, 3 commits an inner transaction first and aborts a second one.
pub fn plan(rng: &mut Rng, shape: &Shape, next: &mut i64) -> Vec<Planned> {
    let plans = (0..shape.each).map(|_| {
        let kind = [0, 0, 0, 0, 0, 1, 2, 3][rng.below(8) as usize];
        let ops = if kind == 2 { 1 } else { 1 + rng.below(5) };
        let ops = (0..ops).map(|_| {
            let append = rng.below(2) == 0;
            *next += i64::from(append);
            (rng.below(shape.keys), append.then_some(*next))
        });
        (kind, ops.collect())
    });
    plans.collect()
}

/// The program: `main(objects, plan)` answers for each transaction `[committed, refused, outputs]`.
pub fn module() -> avm::code::Verified {
    let access = |objects: &Code, op: &Code| {
        let object = objects.at(op.item(0));
        let read = || call(&object, list(["read"]));
        let append = call(&object, list([value("append"), op.item(1)]));
        when(op.item(1).equals(nothing()), read(), append)
    };
    let all = |objects: &Code, ops: &Code| {
        fold(ops, list(Vec::<Code>::new()), |outs, op| builtin(Builtin::Push, [outs.clone(), access(objects, op)]))
    };
    Program::new("iso")
        .behaviour("reg", |b| {
            b.on("append", 1, |parts| {
                program! {
                    let more <- builtin(Builtin::Push, [get_state(), parts[0].clone()]);
                    set_state(more);
                    nothing()
                }
            })
            .on("read", 0, |_| get_state())
        })
        .function("all", 2, move |args| all(&args[0], &args[1]))
        .function("one", 2, |args| {
            let (objects, tx) = (&args[0], &args[1]);
            let ops = || tx.item(1);
            let plain =
                invoke("all", [objects.clone(), ops()]).bind(|outs| list([value(true), value(false), outs.clone()]));
            let transaction = program! {
                let t <- begin_tx(nothing());
                let inner <- when(tx.item(0).equals(3), begin_tx(nothing()), nothing());
                let outs <- invoke("all", [objects.clone(), ops()]);
                choose_if(tx.item(0).equals(3), commit_tx(inner).then(begin_tx(nothing()).bind(|second| {
                    // What an inner abort takes back nobody sees.
                    call(objects.at(0), list([value("append"), value(-1)])).then(abort_tx(second))
                })));
                when(
                    tx.item(0).equals(1),
                    abort_tx(t).then(list([value(false), value(false), outs.clone()])),
                    commit_tx(t).bind(|ok| list([ok.clone(), !ok, outs.clone()]))
                )
            };
            when(tx.item(0).equals(2), plain, transaction)
        })
        .entry("make", 1, |args| {
            fold(builtin(Builtin::Range, [value(0), args[0].clone()]), list(Vec::<Code>::new()), |made, _| {
                builtin(Builtin::Push, [made.clone(), create("reg", "c1")])
            })
        })
        .entry("main", 2, |args| {
            fold(&args[1], list(Vec::<Code>::new()), |done, tx| {
                builtin(Builtin::Push, [done.clone(), invoke("one", [args[0].clone(), tx.clone()])])
            })
        })
        .build()
        .unwrap()
}

/// Runs a history; what every session saw, and what the keys hold in the end.
pub fn concurrent(seed: u64, shape: &Shape) -> (Vec<Observed>, BTreeMap<u64, Vec<i64>>) {
    let mut rng = Rng(seed);
    let config = Config {
        heap_bytes: 8 << 20,
        quantum_ops: shape.quantum,
        trace: TraceLevel::Off,
        versions: 64,
        ..Config::default()
    };
    let mut solo = Solo::new(config, Box::new(NoSolver));
    solo.load(&module()).unwrap();
    let count = Val::from(shape.keys as i64);
    let made = solo.run(&Start { args: vec![count], ..Start::new("iso", "make") }).unwrap().result.unwrap();
    let objects: Vec<ObjectId> = Vec::from_val(&made).unwrap();
    let mut next = 0;
    let plans: Vec<_> = (0..shape.sessions).map(|_| plan(&mut rng, shape, &mut next)).collect();
    let started: Vec<_> = plans
        .iter()
        .map(|plan| {
            let args = vec![made.clone(), Val::List(plan.iter().map(planned).collect())];
            solo.lane.start(&Start { args, ..Start::new("iso", "main") }).unwrap()
        })
        .collect();
    let mut running: Vec<usize> = (0..started.len()).collect();
    while !running.is_empty() {
        let pick = rng.below(running.len() as u64) as usize;
        if solo.lane.quantum(started[running[pick]]) == Quantum::Ended {
            running.swap_remove(pick);
        }
    }
    let mut history = Vec::new();
    for (session, (execution, plan)) in (0..).zip(started.iter().zip(&plans)) {
        let value = solo.lane.result(*execution).unwrap().unwrap();
        let answers: Vec<Val> = Vec::from_val(&value).unwrap();
        assert_eq!(answers.len(), plan.len());
        history.extend(plan.iter().zip(&answers).map(|((_, ops), answer)| observed(session, ops, answer)));
    }
    let last = (0..).zip(&objects).map(|(key, object)| (key, numbers(&solo.lane.state(*object).unwrap())));
    (history, last.collect())
}

/// A planned transaction as the program takes it.
pub fn planned((kind, ops): &Planned) -> Val {
    let op = |(key, value): &(u64, Option<i64>)| {
        Val::List(vec![Val::from(*key as i64), value.map_or(Val::Nothing, Val::from)])
    };
    Val::List(vec![Val::from(*kind), Val::List(ops.iter().map(op).collect())])
}

/// What a transaction says it saw.
pub fn observed(session: u64, ops: &[(u64, Option<i64>)], answer: &Val) -> Observed {
    let Val::List(parts) = answer else { panic!("{answer}") };
    let outs: Vec<Val> = Vec::from_val(&parts[2]).unwrap();
    let op = |((key, value), out): (&(u64, Option<i64>), &Val)| match value {
        Some(value) => Op::Append(*key, *value),
        None => Op::Read(*key, numbers(out)),
    };
    Observed {
        session,
        ops: ops.iter().zip(&outs).map(op).collect(),
        committed: parts[0] == Val::Bool(true),
        refused: parts[1] == Val::Bool(true),
    }
}

/// A list of numbers.
pub fn numbers(list: &Val) -> Vec<i64> {
    Vec::from_val(list).unwrap()
}
