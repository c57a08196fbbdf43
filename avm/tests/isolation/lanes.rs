//! Histories over several lanes of one node: a step is a quantum of an execution or the arrival of the next message between two
//! tori, which of all that are possible is the seed's choice.

use std::collections::{BTreeMap, VecDeque};

use avm::code::Verified;
use avm::dsl::FromVal;
use avm::event::TraceLevel;
use avm::id::{ExecutionId, ObjectId};
use avm::value::Val;
use avm::vm::{Config, Envelope, Input, Lane, Output, Quantum, Start};

use super::checker::Observed;
use super::history::{Planned, Rng, Shape, numbers, observed, plan, planned};

/// Lanes of a node.
const LANES: u8 = 3;

struct Node {
    lanes: Vec<Lane>,
    /// Messages on their way, in order, for each pair of tori.
    wires: Vec<VecDeque<Envelope>>,
    runnable: Vec<ExecutionId>,
}

impl Node {
    fn new(module: &Verified, quantum_ops: u32) -> Self {
        let lanes = (0..LANES).map(|torus| {
            let config = Config {
                torus,
                homes: (0..LANES).collect(),
                heap_bytes: 8 << 20,
                quantum_ops,
                trace: TraceLevel::Off,
                versions: 64,
                ..Config::default()
            };
            let mut lane = Lane::new(config);
            lane.load(module).unwrap();
            lane
        });
        let wires = vec![VecDeque::new(); usize::from(LANES) * usize::from(LANES)];
        Self { lanes: lanes.collect(), wires, runnable: Vec::new() }
    }

    fn start(&mut self, lane: usize, entry: &str, args: Vec<Val>) -> ExecutionId {
        let id = self.lanes[lane].start(&Start { args, ..Start::new("iso", entry) }).unwrap();
        self.runnable.push(id);
        id
    }

    fn collect(&mut self, lane: usize) {
        for output in self.lanes[lane].outputs() {
            match output {
                Output::Send { to, envelope } => {
                    self.wires[lane * usize::from(LANES) + usize::from(to)].push_back(envelope);
                }
                Output::Ready(id) => self.runnable.push(id),
                Output::Ended(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Makes steps until nothing is possible.
    fn finish(&mut self, rng: &mut Rng) {
        loop {
            let busy = (0..self.wires.len()).filter(|wire| !self.wires[*wire].is_empty());
            let count = self.runnable.len() + busy.clone().count();
            if count == 0 {
                return;
            }
            let pick = rng.below(count as u64) as usize;
            let lane = if let Some(id) = self.runnable.get(pick).copied() {
                let lane = usize::from(id.torus());
                if self.lanes[lane].quantum(id) != Quantum::Yielded {
                    self.runnable.swap_remove(pick);
                }
                lane
            } else {
                let wire = busy.clone().nth(pick - self.runnable.len()).unwrap();
                let envelope = self.wires[wire].pop_front().unwrap();
                let (from, to) = (wire / usize::from(LANES), wire % usize::from(LANES));
                self.lanes[to].input(Input::Envelope { from: from as u8, envelope }).unwrap();
                to
            };
            self.collect(lane);
        }
    }
}

/// Runs a history over three lanes; what every session saw, and what the keys hold in the end.
pub fn over_lanes(seed: u64, shape: &Shape, module: &Verified) -> (Vec<Observed>, BTreeMap<u64, Vec<i64>>) {
    let mut rng = Rng(seed);
    let mut node = Node::new(module, shape.quantum);
    let mut objects: Vec<ObjectId> = Vec::new();
    for _ in 0..shape.keys {
        let lane = rng.below(u64::from(LANES)) as usize;
        let made = node.start(lane, "make", vec![Val::from(1)]);
        node.finish(&mut rng);
        objects.extend(Vec::<ObjectId>::from_val(&node.lanes[lane].result(made).unwrap().unwrap()).unwrap());
    }
    let keys = Val::List(objects.iter().map(|object| Val::Object(*object)).collect());
    let started = |node: &mut Node, lane: usize, plan: &[Planned]| {
        node.start(lane, "main", vec![keys.clone(), Val::List(plan.iter().map(planned).collect())])
    };
    // Everybody has heard of the objects before it begins: no clock is behind.
    let look: Planned = (0, (0..shape.keys).map(|key| (key, None)).collect());
    for lane in 0..usize::from(LANES) {
        started(&mut node, lane, std::slice::from_ref(&look));
        node.finish(&mut rng);
    }
    let mut next = 0;
    let sessions: Vec<_> = (0..shape.sessions)
        .map(|_| {
            let plan = plan(&mut rng, shape, &mut next);
            let lane = rng.below(u64::from(LANES)) as usize;
            (lane, started(&mut node, lane, &plan), plan)
        })
        .collect();
    node.finish(&mut rng);
    assert!(node.lanes.iter().all(|lane| lane.undecided() == 0), "seed {seed}: an intent is left");
    let mut history = Vec::new();
    for (session, (lane, execution, plan)) in (0..).zip(&sessions) {
        let value = node.lanes[*lane].result(*execution).unwrap().unwrap_or_else(|why| panic!("{seed}: {}", why.error));
        let answers: Vec<Val> = Vec::from_val(&value).unwrap();
        assert_eq!(answers.len(), plan.len());
        history.extend(plan.iter().zip(&answers).map(|((_, ops), answer)| observed(session, ops, answer)));
    }
    let state = |object: &ObjectId| numbers(&node.lanes[usize::from(object.torus())].state(*object).unwrap());
    (history, (0..).zip(&objects).map(|(key, object)| (key, state(object))).collect())
}
