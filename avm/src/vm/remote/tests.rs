//! Several lanes of one node, driven step by step: a step is a quantum of an execution or the arrival of the next message between
//! two tori. Which comes next is a seed's choice, or every choice in turn (`decisions:AVM-22`).

mod endings;
mod snapshots;
mod table;

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use crate::Val;
use crate::code::verify;
use crate::id::{ExecutionId, ObjectId};
use crate::lang::{Source, compile};
use crate::vm::{Config, Envelope, Input, Lane, Output, Quantum, Start, Status};

const PROGRAM: &str = r#"
module lanes

behaviour account {
    state balance = 0

    on deposit(n: int) -> int {
        balance += n
        balance
    }
    on withdraw(n: int) -> bool {
        if n > balance { return false }
        balance -= n
        true
    }
    on balance() -> int { balance }
    on fail() { raise("no more") }
    on bounce(left: int, partner: object) -> int {
        balance += 1
        if left > 0 { partner.bounce(left - 1, self) + 1 } else { 0 }
    }
    on noted() { receive() }
    on nap() {
        balance += 1
        sleep(1)
    }
}

pure double(n: int) -> int { n + n }
fn asks(n: int) -> any { callPure("double", [n]) }
fn asks_twice(n: int) -> list { [asks(n), asks(n)] }
fn spins(n: int) -> int { if n == 0 { 0 } else { spins(n - 1) } }
fn keeps(n: int) -> list {
    let mut seen = []
    let _ = atomic {
        let a = asks(n)
        let _ = spins(20)
        seen = [a, asks(n)]
    }
    seen
}
fn updates(by: int, expected: any) -> list {
    let done = updatePure("double", |n| n * by, expected)
    [done, asks(1)]
}
fn updates_and_aborts(by: int) -> any {
    let _ = atomic {
        let _ = updatePure("double", |n| n * by)
        abort
    }
    asks(1)
}
fn updates_and_fails(by: int) {
    let _ = atomic {
        let _ = updatePure("double", |n| n * by)
        raise("after all")
    }
}
fn updates_twice(by: int) -> any {
    let _ = atomic {
        let _ = updatePure("double", |n| n * by)
        let _ = updatePure("double", |n| n * by + 1, 1)
    }
    asks(1)
}

fn open(n: int) -> object {
    let a = create account at %bank
    let _ = a.deposit(n)
    a
}

fn transfers(a: object, b: object, n: int, times: int) -> int {
    let mut refused = 0
    for _ in 0..<times {
        let mut moved = false
        while !moved {
            moved = atomic %bank {
                if a.withdraw(n) { let _ = b.deposit(n) }
            }
            if !moved { refused += 1 }
        }
    }
    refused
}

fn deposits(a: object, times: int) {
    for _ in 0..<times { let _ = a.deposit(1) }
}

// Takes one where both together allow it: two at once must not both take.
fn careful(mine: object, other: object) -> bool {
    let mut took = false
    let done = atomic %bank {
        took = false
        if mine.balance() + other.balance() >= 2 { took = mine.withdraw(1) }
    }
    done && took
}

behaviour auditor {
    state audits = 0

    on audit(a: object, b: object, sum: int) -> int {
        if a.balance() + b.balance() != sum { raise("broken") }
        audits += 1
        audits
    }
}

// What both hold together never changes: who sees anything else says so.
fn watches(a: object, b: object, sum: int, times: int) -> int {
    let mut refused = 0
    for _ in 0..<times {
        let done = atomic { if a.balance() + b.balance() != sum { raise("broken") } }
        if !done { refused += 1 }
    }
    refused
}

fn audits(a: object, b: object, sum: int, times: int) -> int {
    let auditor = create auditor
    for _ in 0..<times { let _ = auditor.audit(a, b, sum) }
    times
}

// Both are read in one transaction, one of them again in the next.
fn reads_both(a: object, b: object) -> bool {
    atomic %bank {
        let _ = a.balance()
        note "read"
        let _ = b.deposit(1)
    }
}

fn altogether(a: object, b: object, c: object) -> int {
    let mut total = 0
    let done = atomic { total = a.balance() + b.balance() + c.balance() }
    if done { total } else { 0 - 1 }
}

fn bounce(a: object, b: object, times: int) -> int { a.bounce(times, b) }
fn broken(a: object) { a.fail() }
fn naps(a: object) {
    let _ = a.deposit(1)
    a.nap()
}
fn destroys(a: object) -> list { [destroyObj(a), getMachine(a)] }
fn moves(a: object) -> list { [moveObject(a, @m9), getMachine(a), getController(a), transferObject(a, %other), getController(a)] }
fn sends(a: object) { send a.hello(1) }
fn takes(a: object) { a.noted() }
fn chosen(a: object, b: object) -> list {
    let mut x = 0
    let done = atomic %bank {
        x = choose [30, 20, 10]
        let _ = a.deposit(x)
        require a.balance() <= 25 as "not too much"
        let _ = b.deposit(a.balance())
    }
    [done, x]
}
"#;

mod registry;

struct Lanes {
    lanes: Vec<Lane>,
    wires: BTreeMap<(u8, u8), VecDeque<Envelope>>,
    /// Executions that are not over: lane and id.
    running: Vec<(usize, ExecutionId)>,
    /// All that were started.
    all: Vec<(usize, ExecutionId)>,
}

impl Lanes {
    fn new(count: u8, quantum_ops: u32) -> Self {
        Self::with(count, quantum_ops, 64)
    }

    /// Lanes that keep so many older versions of an object.
    fn with(count: u8, quantum_ops: u32, versions: u32) -> Self {
        let module = compile(&[Source::new("lanes.avm", PROGRAM)], &|_| None).unwrap_or_else(|why| panic!("{why}"));
        let verified = verify(module).expect("it is sound");
        let lanes = (0..count).map(|torus| {
            let machine = ["m0", "m1", "m2"][usize::from(torus)].into();
            let config = Config {
                torus,
                homes: (0..count).collect(),
                machine,
                quantum_ops,
                versions,
                heap_bytes: 1 << 20,
                ..Config::default()
            };
            let mut lane = Lane::new(config);
            lane.load(&verified).expect("it fits");
            lane
        });
        Self { lanes: lanes.collect(), wires: BTreeMap::new(), running: Vec::new(), all: Vec::new() }
    }

    fn start(&mut self, lane: usize, entry: &str, args: &[Val]) -> ExecutionId {
        let mut start = Start::new("lanes", entry);
        start.args = args.to_vec();
        let id = self.lanes[lane].start(&start).expect("it starts");
        self.running.push((lane, id));
        self.all.push((lane, id));
        id
    }

    /// An account on a lane.
    fn account(&mut self, lane: usize, balance: i64) -> ObjectId {
        let id = self.start(lane, "open", &[Val::from(balance)]);
        while self.choices() > 0 {
            self.step(0);
        }
        match self.lanes[lane].result(id) {
            Some(Ok(Val::Object(object))) => {
                // Who gets it from outside is to know of it: no clock is behind.
                let newest = self.lanes.iter().map(|lane| lane.world.store.clock).max().unwrap_or(0);
                self.lanes.iter_mut().for_each(|lane| lane.world.store.clock = newest);
                object
            }
            other => panic!("{other:?}"),
        }
    }

    fn runnable(&self) -> Vec<(usize, ExecutionId)> {
        let runs = |(lane, id): &&(usize, ExecutionId)| self.lanes[*lane].status(*id) == Some(Status::Running);
        self.running.iter().filter(runs).copied().collect()
    }

    /// Steps that are possible now.
    fn choices(&self) -> usize {
        self.runnable().len() + self.wires.values().filter(|wire| !wire.is_empty()).count()
    }

    /// Makes one of the possible steps.
    fn step(&mut self, which: usize) {
        let runnable = self.runnable();
        if let Some((lane, id)) = runnable.get(which).copied() {
            if self.lanes[lane].quantum(id) == Quantum::Ended {
                self.running.retain(|one| *one != (lane, id));
            }
            self.collect(lane);
            return;
        }
        let full = self.wires.iter().filter(|(_, wire)| !wire.is_empty()).map(|(key, _)| *key);
        let key = full.collect::<Vec<_>>()[which - runnable.len()];
        let envelope = self.wires.get_mut(&key).and_then(VecDeque::pop_front).expect("not empty");
        let to = usize::from(key.1);
        self.lanes[to].input(Input::Envelope { from: key.0, envelope }).expect("taken");
        self.collect(to);
    }

    fn collect(&mut self, lane: usize) {
        let outputs: Vec<Output> = self.lanes[lane].outputs().collect();
        for output in outputs {
            match output {
                Output::Send { to, envelope } => {
                    self.wires.entry((lane as u8, to)).or_default().push_back(envelope);
                }
                Output::Solve { execution, ir, limits } => {
                    let outcome =
                        crate::nondet::Solver::solve(&mut crate::nondet::builtin::BuiltinSolver, &ir, &limits);
                    self.lanes[lane].input(Input::Solved { execution, outcome }).expect("taken");
                }
                _ => {}
            }
        }
    }

    /// Makes steps by a choice until nothing is possible; every execution is over then.
    fn finish(&mut self, mut choose: impl FnMut(usize) -> usize) {
        let mut steps = 0;
        while self.choices() > 0 {
            let which = choose(self.choices());
            self.step(which);
            steps += 1;
            assert!(steps < 1_000_000, "it comes to an end");
        }
        for (lane, id) in &self.all {
            assert_eq!(self.lanes[*lane].status(*id), Some(Status::Terminated), "{id} waits for nothing that comes");
        }
        assert!(self.lanes.iter().all(|lane| lane.undecided() == 0), "no intent is left");
    }

    fn value(&self, lane: usize, id: ExecutionId) -> Val {
        self.lanes[lane].result(id).expect("it is over").unwrap_or_else(|failure| panic!("{}", failure.error))
    }

    fn balance(&self, object: ObjectId) -> i128 {
        match self.lanes[usize::from(object.torus())].state(object) {
            Some(Val::List(fields)) => match fields[..] {
                [Val::Int(balance)] => balance,
                ref other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Ends all; nothing of any heap is left.
    fn close(self) {
        assert!(self.lanes.into_iter().all(|lane| lane.close() == 0), "no word is left");
    }
}

/// Runs a case under every order of steps, up to `most` orders; how many there were.
fn every_order(most: usize, mut case: impl FnMut(&mut dyn FnMut(usize) -> usize)) -> usize {
    let mut path: Vec<(usize, usize)> = Vec::new();
    for run in 1..=most {
        let mut at = 0;
        case(&mut |choices| {
            if at == path.len() {
                path.push((0, choices));
            }
            at += 1;
            path[at - 1].0
        });
        while path.last().is_some_and(|(which, choices)| which + 1 == *choices) {
            path.pop();
        }
        let Some(last) = path.last_mut() else { return run };
        last.0 += 1;
    }
    most
}

/// Turns the numbers of steps by a seed, so that the orders tried first are others.
fn turned(seed: u64, choose: &mut dyn FnMut(usize) -> usize) -> impl FnMut(usize) -> usize {
    let mut turn = seeded(seed);
    move |choices| (choose(choices) + turn(choices)) % choices
}

fn seeded(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |choices| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % choices
    }
}

fn object(id: ObjectId) -> Val {
    Val::Object(id)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    // Transfers between accounts of three tori, in any order of steps and cut anywhere: no money is made or lost.
    #[test]
    fn avm_2_transfers_over_three_tori_conserve(seed: u64, quantum in 5u32..200) {
        let mut lanes = Lanes::new(3, quantum);
        let accounts: Vec<ObjectId> = (0..3).map(|lane| lanes.account(lane, 100)).collect();
        for lane in 0..3 {
            for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                let args = [object(accounts[from]), object(accounts[to]), Val::from(7), Val::from(3)];
                lanes.start(lane, "transfers", &args);
            }
        }
        lanes.finish(seeded(seed));
        prop_assert_eq!(accounts.iter().map(|account| lanes.balance(*account)).sum::<i128>(), 300);
        for (lane, id) in lanes.all.clone() {
            let _ = lanes.value(lane, id);
        }
        lanes.close();
    }

    // Calls outside transactions from three tori: no update is lost, and nobody sees that some began anew.
    #[test]
    fn avm_2_updates_from_elsewhere_are_not_lost(seed: u64, quantum in 5u32..200) {
        let mut lanes = Lanes::new(3, quantum);
        let account = lanes.account(1, 0);
        for lane in 0..3 {
            lanes.start(lane, "deposits", &[object(account), Val::from(10)]);
        }
        lanes.finish(seeded(seed));
        prop_assert_eq!(lanes.balance(account), 30);
        lanes.close();
    }

    // A reader of three tori sees a sum that was there, or its transaction is refused.
    #[test]
    fn avm_2_what_commits_has_read_one_state(seed: u64, quantum in 5u32..200) {
        let mut lanes = Lanes::new(3, quantum);
        let accounts: Vec<ObjectId> = (0..3).map(|lane| lanes.account(lane, 50)).collect();
        let args = [object(accounts[0]), object(accounts[2]), Val::from(5), Val::from(4)];
        lanes.start(1, "transfers", &args);
        let all: Vec<Val> = accounts.iter().map(|account| object(*account)).collect();
        let readers: Vec<_> = (0..3).map(|lane| (lane, lanes.start(lane, "altogether", &all))).collect();
        lanes.finish(seeded(seed));
        for (lane, reader) in readers {
            let sum = lanes.value(lane, reader);
            prop_assert!(sum == Val::from(150) || sum == Val::from(-1), "{sum}");
        }
        lanes.close();
    }

    // Terminated anywhere, an execution leaves no intent and the others end.
    #[test]
    fn avm_2_a_terminated_execution_leaves_nothing(seed: u64, after in 0usize..60) {
        let mut lanes = Lanes::new(3, 50);
        let accounts: Vec<ObjectId> = (0..3).map(|lane| lanes.account(lane, 100)).collect();
        let args = [object(accounts[1]), object(accounts[2]), Val::from(7), Val::from(2)];
        let victim = lanes.start(0, "transfers", &args);
        lanes.start(1, "transfers", &[object(accounts[2]), object(accounts[1]), Val::from(3), Val::from(2)]);
        let mut choose = seeded(seed);
        for _ in 0..after {
            if lanes.choices() > 0 {
                let which = choose(lanes.choices());
                lanes.step(which);
            }
        }
        lanes.lanes[0].terminate(victim);
        lanes.running.retain(|(_, id)| *id != victim);
        lanes.collect(0);
        lanes.finish(choose);
        prop_assert_eq!(accounts.iter().map(|account| lanes.balance(*account)).sum::<i128>(), 300);
        lanes.close();
    }
}

// Two transactions that each write what the other has read, in every order of steps: they never both take.
#[test]
fn avm_2_write_skew_is_impossible_in_every_order() {
    let mut took_one = 0;
    let orders = every_order(1000, |choose| {
        let mut lanes = Lanes::new(2, 10_000);
        let (a, b) = (lanes.account(0, 1), lanes.account(1, 1));
        let one = lanes.start(0, "careful", &[object(a), object(b)]);
        let two = lanes.start(1, "careful", &[object(b), object(a)]);
        lanes.finish(choose);
        let took = [lanes.value(0, one), lanes.value(1, two)];
        assert!(took != [Val::Bool(true), Val::Bool(true)], "both took");
        took_one += u32::from(took.contains(&Val::Bool(true)));
        assert_eq!(lanes.balance(a) + lanes.balance(b), 2 - i128::from(took.contains(&Val::Bool(true))));
        lanes.close();
    });
    assert!(orders > 100, "{orders} orders");
    assert!(took_one > 0, "some order lets one take");
}

// Two increments of one object from two other tori, in every order: both count.
#[test]
fn avm_2_two_increments_count_in_every_order() {
    let orders = every_order(1000, |choose| {
        let mut lanes = Lanes::new(3, 10_000);
        let account = lanes.account(0, 0);
        lanes.start(1, "deposits", &[object(account), Val::from(1)]);
        lanes.start(2, "deposits", &[object(account), Val::from(1)]);
        lanes.finish(choose);
        assert_eq!(lanes.balance(account), 2);
        lanes.close();
    });
    assert!(orders > 100, "{orders} orders");
}

// Objects that call each other over a border, many times around, in one transaction nobody sees.
#[test]
fn avm_2_calls_go_around_over_the_border() {
    let mut lanes = Lanes::new(2, 1000);
    let (a, b) = (lanes.account(0, 0), lanes.account(1, 0));
    let id = lanes.start(0, "bounce", &[object(a), object(b), Val::from(20)]);
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, id), Val::from(20));
    assert_eq!((lanes.balance(a), lanes.balance(b)), (11, 10));
    lanes.close();
}

// What fails in an object elsewhere is the same error as here, and leaves nothing.
#[test]
fn avm_2_errors_come_back_unchanged() {
    let mut lanes = Lanes::new(2, 1000);
    let (here, there) = (lanes.account(0, 1), lanes.account(1, 1));
    let [near, far] = [here, there].map(|account| lanes.start(0, "broken", &[object(account)]));
    let gone = lanes.start(0, "broken", &[object(ObjectId::new(0, 1, 999))]);
    let nowhere = lanes.start(0, "broken", &[object(ObjectId::new(0, 7, 1))]);
    lanes.finish(|_| 0);
    let error = |id| lanes.lanes[0].result(id).expect("over").expect_err("it fails").error;
    assert_eq!(error(near), error(far));
    assert_eq!(error(gone).name(), "ErrObjectNotFound");
    assert_eq!(error(nowhere).name(), "ErrObjectNotFound");
    lanes.close();
}

// The other instructions on an object elsewhere: destroyed, moved, transferred, sent to.
#[test]
fn avm_2_instructions_reach_objects_elsewhere() {
    let mut lanes = Lanes::new(2, 1000);
    let (a, b) = (lanes.account(1, 1), lanes.account(1, 1));
    let moved = lanes.start(0, "moves", &[object(a)]);
    lanes.finish(|_| 0);
    let controller = |name: &str| Val::just(Val::Controller(name.into()));
    let machine = Val::just(Val::Machine("m9".into()));
    let seen = lanes.value(0, moved);
    let plain = Val::List(vec![
        true.into(),
        Val::Machine("m9".into()),
        Val::Controller("bank".into()),
        true.into(),
        Val::Controller("other".into()),
    ]);
    let options = Val::List(vec![true.into(), machine, controller("bank"), true.into(), controller("other")]);
    assert!(seen == plain || seen == options, "{seen}");
    lanes.start(0, "sends", &[object(b)]);
    lanes.finish(|_| 0);
    let taken = lanes.start(1, "takes", &[object(b)]);
    lanes.finish(|_| 0);
    assert!(lanes.value(1, taken).to_string().contains("hello"), "{}", lanes.value(1, taken));
    let destroyed = lanes.start(0, "destroys", &[object(b)]);
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, destroyed), Val::List(vec![true.into(), Val::Nothing]));
    assert_eq!(lanes.lanes[1].state(b), None);
    lanes.close();
}

// Choices are decided over objects of two tori, and what is chosen is written to both.
#[test]
fn avm_2_choices_over_two_tori() {
    let mut lanes = Lanes::new(2, 1000);
    let (a, b) = (lanes.account(0, 0), lanes.account(1, 0));
    let id = lanes.start(0, "chosen", &[object(a), object(b)]);
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, id), Val::List(vec![true.into(), Val::from(20)]));
    assert_eq!((lanes.balance(a), lanes.balance(b)), (20, 20));
    lanes.close();
}

// A program gives the same value and the same events whether its objects are here or on other tori (`avm:11` R3).
#[test]
fn avm_r3_objects_elsewhere_leave_the_same_trace() {
    let traces: Vec<(Val, String)> = [[0, 0], [1, 0], [1, 1]]
        .map(|homes| {
            let mut lanes = Lanes::new(2, 100);
            let [a, b] = homes.map(|lane| lanes.account(lane, 9));
            let id = lanes.start(0, "chosen", &[object(a), object(b)]);
            lanes.finish(|_| 0);
            let mut trace = String::new();
            for entry in lanes.lanes[0].trace(id) {
                trace.push_str(&format!("{entry}\n"));
            }
            for (name, id) in [("A", a), ("B", b)] {
                trace = trace.replace(&format!("{id},"), name);
            }
            let value = lanes.value(0, id);
            lanes.close();
            (value, trace.replace("t0.1.", "t"))
        })
        .into();
    assert!(traces[0].1.contains("ObjectCalled(A"), "{}", traces[0].1);
    assert_eq!(traces[0], traces[1]);
    assert_eq!(traces[0], traces[2]);
}

// Every change goes out as a record before its maker goes on, here and where it is written (`decisions:AVM-14`).
#[test]
fn avm_14_changes_are_recorded_before_their_maker_goes_on() {
    let mut lanes = Lanes::new(2, 1000);
    let (a, b) = (lanes.account(0, 10), lanes.account(1, 0));
    lanes.lanes.iter_mut().for_each(Lane::keep_records);
    let id = lanes.start(0, "transfers", &[object(a), object(b), Val::from(3), Val::from(1)]);
    let mut records = Vec::new();
    for _ in 0..100 {
        for lane in 0..2 {
            let outputs: Vec<Output> = lanes.lanes[lane].outputs().collect();
            assert!(outputs.is_empty());
        }
        if lanes.choices() == 0 {
            break;
        }
        let runnable = lanes.runnable();
        if let Some((lane, id)) = runnable.first().copied() {
            lanes.lanes[lane].quantum(id);
        } else {
            let key = lanes.wires.iter().find(|(_, wire)| !wire.is_empty()).map(|(key, _)| *key).expect("one");
            let envelope = lanes.wires.get_mut(&key).and_then(VecDeque::pop_front).expect("not empty");
            lanes.lanes[usize::from(key.1)].input(Input::Envelope { from: key.0, envelope }).expect("taken");
        }
        for lane in 0..2 {
            for output in lanes.lanes[lane].outputs().collect::<Vec<_>>() {
                match output {
                    Output::Record(record) => records.push((lane, record)),
                    Output::Send { to, envelope } => {
                        lanes.wires.entry((lane as u8, to)).or_default().push_back(envelope);
                    }
                    _ => {}
                }
            }
        }
    }
    // It is committed on both sides, and its maker waits.
    assert_eq!((lanes.balance(a), lanes.balance(b)), (7, 3));
    assert_eq!(lanes.lanes[0].status(id), Some(Status::Suspended(crate::vm::Why::Recording)));
    let [(0, own), (1, part)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((own.execution, part.execution), (id, id));
    assert_eq!(own.stamp, part.stamp);
    assert_eq!((own.objects[0].0, part.objects[0].0), (a, b));
    assert_eq!(part.objects[0].1.state, Val::List(vec![Val::from(3)]));
    lanes.lanes[0].input(Input::Recorded { number: own.number }).expect("taken");
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, id), Val::from(0));
    lanes.close();
}
