//! The peer for torus figures: an engine shaped as `rse` section 3 describes the seed's (24-byte events in a binary heap, edge
//! lists per node, one event a tick), written for this benchmark (`decisions:NODE-18`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Heap capacity of the seed (`rse` section 3.2).
pub const HEAP: usize = 8192;
const CELLS: usize = 32_768;
const NONE: u32 = u32::MAX;

/// The seed's event: 24 bytes, ordered by its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Logical time.
    pub time: u64,
    /// Destination node.
    pub dst: i32,
    /// Source node.
    pub src: i32,
    /// Payload.
    pub payload: i32,
}

const _: () = assert!(size_of::<Event>() == 24);

/// A priority queue of events.
pub trait Queue {
    /// Empty, with room for [`HEAP`] events.
    fn new() -> Self;
    /// Adds an event; false when full.
    fn push(&mut self, event: Event) -> bool;
    /// Takes the least event.
    fn pop(&mut self) -> Option<Event>;
}

/// An array heap that swaps on the way up and down, as the seed's does.
pub struct ArrayHeap {
    events: Vec<Event>,
}

impl Queue for ArrayHeap {
    fn new() -> Self {
        Self { events: Vec::with_capacity(HEAP) }
    }

    fn push(&mut self, event: Event) -> bool {
        if self.events.len() == HEAP {
            return false;
        }
        self.events.push(event);
        let mut at = self.events.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.events[parent] <= self.events[at] {
                break;
            }
            self.events.swap(parent, at);
            at = parent;
        }
        true
    }

    fn pop(&mut self) -> Option<Event> {
        let last = self.events.len().checked_sub(1)?;
        self.events.swap(0, last);
        let least = self.events.pop();
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= last {
                return least;
            }
            let right = left + 1;
            let child = if right < last && self.events[right] < self.events[left] { right } else { left };
            if self.events[at] <= self.events[child] {
                return least;
            }
            self.events.swap(at, child);
            at = child;
        }
    }
}

/// The standard library's heap.
pub struct StdHeap {
    events: BinaryHeap<Reverse<Event>>,
}

impl Queue for StdHeap {
    fn new() -> Self {
        Self { events: BinaryHeap::with_capacity(HEAP) }
    }

    fn push(&mut self, event: Event) -> bool {
        if self.events.len() == HEAP {
            return false;
        }
        self.events.push(Reverse(event));
        true
    }

    fn pop(&mut self) -> Option<Event> {
        self.events.pop().map(|Reverse(event)| event)
    }
}

struct Edge {
    to: i32,
    next: u32,
    delay: u64,
}

/// The engine over one of the queues.
pub struct SeedTorus<Q> {
    queue: Q,
    first: Vec<u32>,
    edges: Vec<Edge>,
    processes: Vec<CellProcesses>,
    clock: u64,
    executed: u64,
}

/// A cell's process table as the seed lays it out: 72 bytes a cell, so that x = 0 counters lie 2,304 bytes apart (`rse` 3.1).
struct CellProcesses {
    count: u32,
    _slots: [u8; 68],
}

impl<Q: Queue> SeedTorus<Q> {
    /// A ring of `nodes` cells with delay 1 and `tokens` events spread over it.
    pub fn ring(nodes: i32, tokens: i32) -> Self {
        let mut torus = Self {
            queue: Q::new(),
            first: vec![NONE; CELLS],
            edges: Vec::with_capacity(HEAP),
            processes: (0..CELLS).map(|_| CellProcesses { count: 0, _slots: [0; 68] }).collect(),
            clock: 0,
            executed: 0,
        };
        for node in 0..nodes {
            torus.edge(node, (node + 1) % nodes, 1);
        }
        for token in 0..tokens {
            let dst = token % nodes;
            assert!(torus.queue.push(Event { time: 0, dst, src: dst, payload: 1 }), "within capacity");
        }
        torus
    }

    /// Over the given edges (from, to, delay), with an event of `payload` for each (time, node).
    pub fn graph(edges: &[(i32, i32, u64)], events: &[(u64, i32)], payload: i32) -> Self {
        let mut torus = Self::ring(0, 0);
        for &(from, to, delay) in edges {
            torus.edge(from, to, delay);
        }
        for &(time, dst) in events {
            assert!(torus.queue.push(Event { time, dst, src: dst, payload }), "within capacity");
        }
        torus
    }

    fn edge(&mut self, from: i32, to: i32, delay: u64) {
        let index = self.edges.len() as u32;
        self.edges.push(Edge { to, next: self.first[from as usize], delay });
        self.first[from as usize] = index;
    }

    /// Executes up to `events` events, one by one.
    pub fn run(&mut self, events: u64) -> u64 {
        for done in 0..events {
            let Some(event) = self.queue.pop() else { return done };
            self.clock = event.time;
            self.executed += 1;
            let mut at = self.first[event.dst as usize];
            while at != NONE {
                let edge = &mut self.edges[at as usize];
                edge.delay = if event.payload > 0 { edge.delay.saturating_sub(1).max(1) } else { edge.delay + 1 };
                let made = Event {
                    time: event.time + edge.delay,
                    dst: edge.to,
                    src: event.dst,
                    payload: event.payload.saturating_add(1),
                };
                at = edge.next;
                self.queue.push(made);
            }
        }
        events
    }

    /// Extracts a V1 projection: 1,024 process counts from cells one cache line apart or more, and the 151-word hash.
    pub fn extract(&self, into: &mut SeedProjection) {
        into.timestamp = self.clock;
        into.events = self.executed;
        for (index, boundary) in into.boundary.iter_mut().enumerate() {
            // The seed's process container is x + 32 * (y + 32 * z), so the x = 0 cells lie 32 cells apart.
            let (y, z) = (index / 32, index % 32);
            *boundary = self.processes[32 * (y + 32 * z)].count;
        }
        into.constraints[0] = (self.executed % 0x7fff_ffff) as i32;
        into.constraints[3] = (self.clock % 0x7fff_ffff) as i32;
        into.state_hash = into.hash();
    }
}

/// The seed's V1 projection in memory (`rse` section 4.1).
#[repr(C)]
pub struct SeedProjection {
    torus_id: u32,
    pad: u32,
    timestamp: u64,
    events: u64,
    time: u64,
    active: u32,
    pending: u32,
    edges: u32,
    boundary: [u32; 1024],
    constraints: [i32; 16],
    tail: u32,
    state_hash: u64,
}

const _: () = assert!(size_of::<SeedProjection>() == 4216);

impl SeedProjection {
    /// All zero.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            torus_id: 0,
            pad: 0,
            timestamp: 0,
            events: 0,
            time: 0,
            active: 0,
            pending: 0,
            edges: 0,
            boundary: [0; 1024],
            constraints: [0; 16],
            tail: 0,
            state_hash: 0,
        })
    }

    /// The sampled word-wise hash of `rse` section 4.3.
    fn hash(&self) -> u64 {
        let head = [
            u64::from(self.torus_id),
            self.timestamp,
            self.events,
            self.time,
            u64::from(self.active),
            u64::from(self.pending),
            u64::from(self.edges),
        ];
        let sampled = self.boundary.iter().step_by(8).map(|&word| u64::from(word));
        let constraints = self.constraints.iter().map(|&word| i64::from(word) as u64);
        head.into_iter()
            .chain(sampled)
            .chain(constraints)
            .fold(FNV_OFFSET, |hash, word| (hash ^ word).wrapping_mul(FNV_PRIME))
    }

    /// The seed's receive-side check.
    pub fn verify(&self) -> bool {
        self.hash() == self.state_hash
    }

    /// The state hash, so that nothing is optimised away.
    pub fn state_hash(&self) -> u64 {
        self.state_hash ^ u64::from(self.pad ^ self.tail)
    }
}

const FNV_OFFSET: u64 = 14_695_981_039_346_656_037;
const FNV_PRIME: u64 = 1_099_511_628_211;

/// FNV-1a by bytes: the seed's integrity check of a frame.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}
