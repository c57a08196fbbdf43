//! Events per second of one torus against the seed-shaped engine and a standard heap, with 1 to 8,000 events in flight.

use torus::memory::{Capacities, Carver};
use torus::relay::{Relay, encode};
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
    rows.push(memory_row());
    unpin();
    rows
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
