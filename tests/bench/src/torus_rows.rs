//! Events per second of one torus against the seed-shaped engine and a standard heap, with 1 to 8,000 events in flight.

use torus::memory::{Capacities, Carver};
use torus::relay::{Relay, encode};
use torus::workload::Rng;
use torus::{Cell, Input, Torus};

use crate::measure::{interleave, pin, seconds, unpin};
use crate::report::{Bar, Row};
use crate::seed::{ArrayHeap, Queue, SeedTorus, StdHeap};

/// Nodes of the ring, events in flight, the seed's published figure (quiet, M ev/s, `rse` section 15), events a run.
const CASES: [(i32, i32, f64, u64); 5] = [
    (100, 1, 59.9, 2_000_000),
    (100, 10, 31.6, 2_000_000),
    (100, 100, 12.2, 2_000_000),
    (1000, 1000, 8.4, 2_000_000),
    (1000, 8000, 6.2, 2_000_000),
];

/// A ring of `nodes` cells with delay 1 and `tokens` events spread over it, as [`SeedTorus::ring`].
pub fn ring<'m>(memory: &'m mut [u8], nodes: i32, tokens: i32) -> Torus<'m, Relay<'m>> {
    let capacities = Capacities::default();
    let mut carver = Carver::new(memory);
    let mut relay = Relay::new(&capacities, &mut carver).expect("Capacities::bytes() bytes");
    let cell = |node: i32| Cell::new(node as u32).expect("fewer nodes than cells");
    for node in 0..nodes {
        relay.connect(cell(node), cell((node + 1) % nodes), 1).expect("within capacity");
    }
    let mut torus = Torus::new(&capacities, &mut carver, relay, None).expect("Capacities::bytes() bytes");
    for token in 0..tokens {
        let dst = cell(token % nodes);
        let applied = torus.apply(&Input::Inject { dst, src: dst, payload: encode(1), count: 1 });
        assert_eq!(applied.accepted, 1, "within capacity");
    }
    torus
}

fn ours(nodes: i32, tokens: i32, events: u64) -> f64 {
    let mut memory = vec![0; Capacities::default().bytes()];
    let mut torus = ring(&mut memory, nodes, tokens);
    torus.run(events / 10);
    let taken = seconds(|| assert_eq!(torus.run(events).executed, events));
    events as f64 / taken
}

fn seed<Q: Queue>(nodes: i32, tokens: i32, events: u64) -> f64 {
    let mut torus = SeedTorus::<Q>::ring(nodes, tokens);
    torus.run(events / 10);
    let taken = seconds(|| assert_eq!(torus.run(events), events));
    events as f64 / taken
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    pin(0);
    let mut rows = Vec::new();
    for (nodes, tokens, published, events) in CASES {
        let bar = if tokens >= 100 { Bar::AtLeast(2.0) } else { Bar::None };
        let name = format!("torus, ring of {nodes}, {tokens} in flight");
        let pairs = interleave(7, || ours(nodes, tokens, events), || seed::<ArrayHeap>(nodes, tokens, events));
        rows.push(
            Row::against(name.clone(), "ev/s", &pairs, "seed-shaped engine", bar)
                .note(format!("the seed's published figure on its own host: {published} M ev/s")),
        );
        let pairs = interleave(5, || ours(nodes, tokens, events), || seed::<StdHeap>(nodes, tokens, events));
        rows.push(Row::against(name, "ev/s", &pairs, "std BinaryHeap", Bar::None));
    }
    rows.extend(SPARSE.map(sparse_row));
    rows.push(memory_row());
    unpin();
    rows
}

fn sparse_row(tokens: usize) -> Row {
    const EVENTS: u64 = 1_000_000;
    let graph = Graph::new(tokens);
    let bar = if tokens >= 1000 { Bar::AtLeast(2.0) } else { Bar::None };
    let pairs = interleave(7, || graph.ours(EVENTS), || graph.seed(EVENTS));
    let note = "one edge per cell of a random cycle, random growing delays, about one event per time";
    let note = if tokens >= 1000 { note.to_owned() } else { format!("{note}; 2 x is not reached, so no bar") };
    Row::against(format!("torus, random cycle, {tokens} in flight"), "ev/s", &pairs, "seed-shaped engine", bar)
        .note(note)
}

/// Events in flight on the random cycle.
const SPARSE: [usize; 4] = [10, 100, 1000, 8000];
/// Cells of the random cycle.
const SPARSE_CELLS: usize = 8000;
/// A payload that stays below zero for the whole run, so that delays grow instead of falling to 1.
const SPARSE_PAYLOAD: i32 = -1_000_000_000;

/// A random cycle: every cell has one edge, so events neither die nor multiply.
struct Graph {
    edges: Vec<(i32, i32, u64)>,
    events: Vec<(u64, i32)>,
}

impl Graph {
    fn new(tokens: usize) -> Self {
        let mut rng = Rng::new(tokens as u64);
        let mut cells: Vec<i32> = (0..torus::CELLS as i32).collect();
        for at in 0..SPARSE_CELLS {
            let other = at + rng.below((cells.len() - at) as u64) as usize;
            cells.swap(at, other);
        }
        let delays = 2 * tokens as u64;
        let next = |at: usize| cells[(at + 1) % SPARSE_CELLS];
        Self {
            edges: (0..SPARSE_CELLS).map(|at| (cells[at], next(at), 1 + rng.below(delays))).collect(),
            events: (0..tokens).map(|at| (rng.below(delays), cells[at * SPARSE_CELLS / tokens])).collect(),
        }
    }

    fn ours(&self, events: u64) -> f64 {
        let capacities = Capacities::default();
        let mut memory = vec![0; capacities.bytes()];
        let mut carver = Carver::new(&mut memory);
        let mut relay = Relay::new(&capacities, &mut carver).expect("Capacities::bytes() bytes");
        for &(from, to, delay) in &self.edges {
            relay.connect(Cell::wrapped(from as u32), Cell::wrapped(to as u32), delay).expect("within capacity");
        }
        let mut torus = Torus::new(&capacities, &mut carver, relay, None).expect("Capacities::bytes() bytes");
        for &(time, cell) in &self.events {
            let dst = Cell::wrapped(cell as u32);
            let applied = torus.apply(&Input::InjectAt { time, dst, src: dst, payload: encode(SPARSE_PAYLOAD) });
            assert_eq!(applied.accepted, 1, "within capacity");
        }
        torus.run(events / 10);
        let taken = seconds(|| assert_eq!(torus.run(events).executed, events));
        events as f64 / taken
    }

    fn seed(&self, events: u64) -> f64 {
        let mut torus = SeedTorus::<ArrayHeap>::graph(&self.edges, &self.events, SPARSE_PAYLOAD);
        torus.run(events / 10);
        let taken = seconds(|| assert_eq!(torus.run(events), events));
        events as f64 / taken
    }
}

fn memory_row() -> Row {
    let mut memory = vec![0; Capacities::default().bytes()];
    let torus = ring(&mut memory, 1000, 8000);
    let used = memory_used(&torus);
    Row::alone(
        "memory used per torus at the seed's capacities",
        "B",
        vec![used],
        Bar::ValueAtMost(4.0 * 1024.0 * 1024.0),
    )
    .note("the seed: 3,702,888 B")
}

fn memory_used(torus: &Torus<'_, Relay<'_>>) -> f64 {
    (size_of_val(torus) + Capacities::default().bytes()) as f64
}
