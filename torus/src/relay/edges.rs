//! Directed links with adaptive delays, a list per source cell.
//!
//! The first edge of a cell lies in the table of cells itself: most cells have one, and an event then touches one cache line here.

use std::num::NonZeroU64;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::emitter::fold;
use crate::memory::{Carver, TooSmall, slice_bytes};
use crate::{CELLS, Cell};

/// End of a list, or no edge; links and destinations are kept plus 1, so that zeroed memory is an empty table.
const NONE: u32 = 0;

/// An edge as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Where it leads.
    pub to: Cell,
    /// Its delay now, ticks, at least 1.
    pub delay_ticks: u64,
}

/// The edge table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("edge {from} -> {to} refused: the table holds its {capacity} edges; raise capacities.edges")]
pub struct EdgeError {
    /// Source cell.
    pub from: u32,
    /// Destination cell.
    pub to: u32,
    /// Edges the table can hold.
    pub capacity: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Slot {
    delay: u64,
    /// Destination + 1.
    to: u32,
    /// Next edge of the same cell, index in `more` + 1.
    next: u32,
}

#[derive(Debug)]
pub(super) struct Edges<'m> {
    /// First edge of each cell.
    firsts: &'m mut [Slot; CELLS],
    /// Further edges, `count - cells` of them.
    more: &'m mut [Slot],
    /// The cells with an edge, in the order they got it.
    sources: &'m mut [u32],
    cells: u32,
    count: u32,
    capacity: u32,
    /// Sum of delay x weight over all edges: a change of delay by one changes it by one weight.
    delays: u64,
    graph: u64,
    /// No use moves a delay.
    fixed: bool,
}

pub(super) const fn bytes(edges: u32) -> usize {
    let sources = if edges as usize > CELLS { CELLS } else { edges as usize };
    slice_bytes(CELLS, size_of::<Slot>())
        + slice_bytes(edges as usize, size_of::<Slot>())
        + slice_bytes(sources, size_of::<u32>())
}

/// Odd weight of an edge's delay in the digest.
#[inline]
const fn weight(from: u32, to: u32) -> u64 {
    ((from as u64) << 32 | to as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(31)
        .wrapping_mul(0xD6E8_FEB8_6659_FD93)
        | 1
}

impl<'m> Edges<'m> {
    pub(super) fn new(edges: u32, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let firsts: &mut [Slot] = carver.take(CELLS)?;
        let firsts = firsts.try_into().map_err(|_| TooSmall { wanted: bytes(edges), left: 0 })?;
        let more = carver.take(edges as usize)?;
        let sources = carver.take(CELLS.min(edges as usize))?;
        Ok(Self { firsts, more, sources, cells: 0, count: 0, capacity: edges, delays: 0, graph: 0, fixed: false })
    }

    /// From now on no use of an edge moves its delay.
    pub(super) const fn fix_delays(&mut self) {
        self.fixed = true;
    }

    pub(super) fn connect(&mut self, from: Cell, to: Cell, delay: u64) -> Result<(), EdgeError> {
        let delay = delay.max(1);
        let weight = weight(from.get(), to.get());
        let fresh = Slot { delay, to: to.get() + 1, next: NONE };
        let mut position = 0u64;
        let mut slot = &mut self.firsts[from.index()];
        while slot.to != NONE {
            if slot.to == fresh.to {
                self.delays = self.delays.wrapping_add(delay.wrapping_sub(slot.delay).wrapping_mul(weight));
                slot.delay = delay;
                return Ok(());
            }
            position += 1;
            if slot.next == NONE {
                break;
            }
            slot = &mut self.more[slot.next as usize - 1];
        }
        if self.count == self.capacity {
            return Err(EdgeError { from: from.get(), to: to.get(), capacity: self.capacity });
        }
        if position == 0 {
            *slot = fresh;
            self.sources[self.cells as usize] = from.get();
            self.cells += 1;
        } else {
            let index = (self.count - self.cells) as usize;
            slot.next = index as u32 + 1;
            self.more[index] = fresh;
        }
        self.count += 1;
        self.delays = self.delays.wrapping_add(delay.wrapping_mul(weight));
        self.graph = self.graph.wrapping_add(fold(weight ^ position, 0xA076_1D64_78BD_642F));
        Ok(())
    }

    /// Moves the delay of each out-edge, then calls `emit` with it, in insertion order.
    #[inline]
    pub(super) fn fire(&mut self, cell: Cell, shorten: bool, mut emit: impl FnMut(NonZeroU64, Cell)) {
        let fixed = self.fixed;
        let mut slot = &mut self.firsts[cell.index()];
        if slot.to == NONE {
            return;
        }
        loop {
            let to = slot.to - 1;
            let before = slot.delay;
            let moved = if shorten { before.saturating_sub(1).max(1) } else { before.saturating_add(1) };
            let after = if fixed { before } else { moved };
            if after != before {
                slot.delay = after;
                let change = after.wrapping_sub(before);
                self.delays = self.delays.wrapping_add(change.wrapping_mul(weight(cell.get(), to)));
            }
            let next = slot.next;
            emit(NonZeroU64::new(after).unwrap_or(NonZeroU64::MIN), Cell::wrapped(to));
            if next == NONE {
                return;
            }
            slot = &mut self.more[next as usize - 1];
        }
    }

    pub(super) fn of(&self, from: Cell) -> impl Iterator<Item = Edge> {
        let mut next = Some(&self.firsts[from.index()]).filter(|slot| slot.to != NONE);
        std::iter::from_fn(move || {
            let slot = next?;
            next = (slot.next as usize).checked_sub(1).and_then(|index| self.more.get(index));
            Some(Edge { to: Cell::wrapped(slot.to - 1), delay_ticks: slot.delay })
        })
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn digest(&self) -> u64 {
        self.delays
    }

    pub(super) fn digest_full(&self) -> u64 {
        let cells = (0..CELLS as u32).map(Cell::wrapped);
        cells.flat_map(|from| self.of(from).map(move |edge| (from, edge))).fold(0, |sum, (from, edge)| {
            sum.wrapping_add(edge.delay_ticks.wrapping_mul(weight(from.get(), edge.to.get())))
        })
    }

    pub(super) const fn graph_digest(&self) -> u64 {
        self.graph
    }

    pub(super) fn histogram(&self, histogram: &mut [u32; 32]) {
        histogram.fill(0);
        let firsts = self.sources[..self.cells as usize].iter().map(|&cell| &self.firsts[cell as usize % CELLS]);
        for slot in firsts.chain(&self.more[..(self.count - self.cells) as usize]) {
            histogram[(slot.delay.max(1).ilog2() as usize).min(31)] += 1;
        }
    }
}
