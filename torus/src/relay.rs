//! The seed's reactor: events travel along edges whose delays adapt (rse sections 3.4 and 3.5).

mod edges;
mod processes;

use std::num::NonZeroU64;

use crate::emitter::fold;
use crate::memory::{Carver, TooSmall};
use crate::{Capacities, Cell, Emitter, Event, Reactor, Token};
use edges::Edges;
pub use edges::{Edge, EdgeError};
use processes::Processes;
pub use processes::{ProcessId, SpawnError};

/// An i32 as an event payload: the order of the numbers is the order of the payloads (`decisions:NODE-11`).
#[inline]
#[must_use]
pub const fn encode(value: i32) -> u64 {
    (value as u32 ^ 0x8000_0000) as u64
}

/// The i32 in a payload; a payload beyond the range of i32 is taken as [`i32::MAX`].
#[inline]
#[must_use]
pub const fn decode(payload: u64) -> i32 {
    if payload > u32::MAX as u64 { i32::MAX } else { (payload as u32 ^ 0x8000_0000) as i32 }
}

/// Bytes a relay of these capacities takes, or the compute variant where that is more.
pub(crate) const fn bytes(capacities: &Capacities) -> usize {
    let relay = edges::bytes(capacities.edges) + processes::bytes(capacities.processes);
    let compute = crate::compute::bytes();
    if relay > compute { relay } else { compute }
}

/// Takes up to `count` pending events, latest first, as tokens: the hand-over of reactors whose work is its events.
pub(crate) fn give_latest(count: u32, queue: &mut Emitter<'_>, sink: &mut dyn FnMut(Token)) -> u32 {
    let now = queue.now();
    let mut given = 0;
    while given < count {
        let Some(event) = queue.take_latest() else { break };
        sink(Token {
            delay_ticks: (event.time - now).max(1),
            dst: Cell::wrapped(event.dst),
            src: Cell::wrapped(event.src),
            payload: event.payload,
        });
        given += 1;
    }
    given
}

/// Edges and processes of a torus. Executing an event with payload p at a cell first moves the delay of each out-edge, in insertion
/// order (p > 0: one tick shorter, at least 1; else one longer), then emits p + 1 along it; processes in the cell count the delivery.
#[derive(Debug)]
pub struct Relay<'m> {
    edges: Edges<'m>,
    processes: Processes<'m>,
    corrects: bool,
}

impl<'m> Relay<'m> {
    /// Makes a relay without edges and processes.
    ///
    /// # Errors
    /// [`TooSmall`] when the bytes left in `carver` do not hold it.
    pub fn new(capacities: &Capacities, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        Ok(Self {
            edges: Edges::new(capacities.edges, carver)?,
            processes: Processes::new(capacities.processes, capacities.processes_per_cell, carver)?,
            corrects: false,
        })
    }

    /// Lets corrections make synthetic events; off by default (`decisions:NODE-3`).
    #[must_use]
    pub const fn with_corrections(mut self) -> Self {
        self.corrects = true;
        self
    }

    /// Leaves the delays of edges as they are connected instead of moving them with each use (rse section 3.4 moves them).
    #[must_use]
    pub const fn with_fixed_delays(mut self) -> Self {
        self.edges.fix_delays();
        self
    }

    /// Adds an edge, or replaces the delay of the one there is; a delay of 0 becomes 1 (`rse:T2`).
    ///
    /// # Errors
    /// [`EdgeError`] when the table is full; nothing is changed then.
    pub fn connect(&mut self, from: Cell, to: Cell, delay_ticks: u64) -> Result<(), EdgeError> {
        self.edges.connect(from, to, delay_ticks)
    }

    /// Out-edges of a cell in insertion order.
    pub fn edges_of(&self, from: Cell) -> impl Iterator<Item = Edge> {
        self.edges.of(from)
    }

    /// Puts a process into a cell.
    ///
    /// # Errors
    /// [`SpawnError`] when the cell or the table is full; nothing is taken then.
    pub fn spawn(&mut self, cell: Cell) -> Result<ProcessId, SpawnError> {
        self.processes.spawn(cell)
    }

    /// Takes a process out; false when there is none with that id.
    pub fn remove(&mut self, id: ProcessId) -> bool {
        self.processes.remove(id)
    }

    /// Events delivered to a process since it was spawned (`rse:T8`).
    #[must_use]
    pub fn delivered(&self, id: ProcessId) -> Option<u64> {
        self.processes.delivered(id)
    }

    /// Processes in a cell.
    #[must_use]
    pub fn processes_in(&self, cell: Cell) -> u32 {
        self.processes.count_in(cell)
    }
}

impl Reactor for Relay<'_> {
    #[inline]
    fn react(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let cell = event.cell();
        self.processes.deliver(cell);
        let payload = decode(event.payload);
        let next = encode(payload.saturating_add(1));
        self.edges.fire(cell, payload > 0, |delay: NonZeroU64, to| {
            out.emit(delay, to, next);
        });
    }

    fn hand_over(&mut self, _to: u8, count: u32, queue: &mut Emitter<'_>, sink: &mut dyn FnMut(Token)) -> u32 {
        give_latest(count, queue, sink)
    }

    fn correct(&mut self, correction: &crate::Correction) -> Option<(Cell, u64)> {
        self.corrects.then(|| (correction.cell, encode(correction.amount)))
    }

    fn digest(&self) -> u64 {
        fold(self.edges.digest() ^ 0x589C_4B3F_2F6E_9D1B, 0x8EBC_6AF0_9C88_C6E3).wrapping_add(self.processes.digest())
    }

    fn digest_full(&self) -> u64 {
        fold(self.edges.digest_full() ^ 0x589C_4B3F_2F6E_9D1B, 0x8EBC_6AF0_9C88_C6E3)
            .wrapping_add(self.processes.digest_full())
    }

    fn graph_digest(&self) -> u64 {
        self.edges.graph_digest()
    }

    fn processes(&self) -> u32 {
        self.processes.count()
    }

    fn edges(&self) -> u32 {
        self.edges.count()
    }

    fn delay_histogram(&self, histogram: &mut [u32; 32]) {
        self.edges.histogram(histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Torus};

    /// `rse:T2`: a use moves the delay of an edge, unless delays are fixed; the digests agree with the edges in both cases.
    #[test]
    fn delays_move_with_use_unless_they_are_fixed() {
        for (fixed, after) in [(false, 7), (true, 10)] {
            let capacities = Capacities::default();
            let mut bytes = vec![0; capacities.bytes()];
            let mut carver = Carver::new(&mut bytes);
            let mut relay = Relay::new(&capacities, &mut carver).expect("sized by bytes()");
            if fixed {
                relay = relay.with_fixed_delays();
            }
            let (from, to) = (Cell::wrapped(1), Cell::wrapped(2));
            relay.connect(from, to, 10).expect("room for one");
            let mut torus = Torus::new(&capacities, &mut carver, relay, None).expect("sized by bytes()");
            torus.apply(&Input::Inject { dst: from, src: from, payload: encode(1), count: 3 });
            torus.run(3);
            let delays: Vec<u64> = torus.reactor().edges_of(from).map(|edge| edge.delay_ticks).collect();
            assert_eq!(delays, [after], "fixed: {fixed}");
            assert_eq!(torus.digest(), torus.digest_full());
        }
    }
}
