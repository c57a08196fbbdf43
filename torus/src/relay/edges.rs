//! Directed links with adaptive delays, a list per source cell.

use std::num::NonZeroU64;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::emitter::fold;
use crate::memory::{Carver, TooSmall, slice_bytes};
use crate::{CELLS, Cell};

/// End of a list; links are index + 1, so that zeroed memory is an empty table.
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
    to: u32,
    /// Next edge of the same cell, index + 1.
    next: u32,
    delay: u64,
}

#[derive(Debug)]
pub(super) struct Edges<'m> {
    /// First edge of each cell, index + 1.
    heads: &'m mut [u32; CELLS],
    slots: &'m mut [Slot],
    used: u32,
    /// Sum of delay x weight over all edges: a change of delay by one changes it by one weight.
    delays: u64,
    graph: u64,
}

pub(super) const fn bytes(edges: u32) -> usize {
    slice_bytes(CELLS, size_of::<u32>()) + slice_bytes(edges as usize, size_of::<Slot>())
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
        let heads: &mut [u32] = carver.take(CELLS)?;
        let heads = heads.try_into().map_err(|_| TooSmall { wanted: bytes(edges), left: 0 })?;
        Ok(Self { heads, slots: carver.take(edges as usize)?, used: 0, delays: 0, graph: 0 })
    }

    pub(super) fn connect(&mut self, from: Cell, to: Cell, delay: u64) -> Result<(), EdgeError> {
        let delay = delay.max(1);
        let weight = weight(from.get(), to.get());
        let mut last = None;
        let mut link = self.heads[from.index()];
        let mut position = 0u64;
        while link != NONE {
            let index = link as usize - 1;
            let slot = &mut self.slots[index];
            if slot.to == to.get() {
                self.delays = self.delays.wrapping_add(delay.wrapping_sub(slot.delay).wrapping_mul(weight));
                slot.delay = delay;
                return Ok(());
            }
            last = Some(index);
            link = slot.next;
            position += 1;
        }
        let capacity = self.slots.len() as u32;
        if self.used == capacity {
            return Err(EdgeError { from: from.get(), to: to.get(), capacity });
        }
        self.slots[self.used as usize] = Slot { to: to.get(), next: NONE, delay };
        self.used += 1;
        match last {
            Some(index) => self.slots[index].next = self.used,
            None => self.heads[from.index()] = self.used,
        }
        self.delays = self.delays.wrapping_add(delay.wrapping_mul(weight));
        self.graph = self.graph.wrapping_add(fold(weight ^ position, 0xA076_1D64_78BD_642F));
        Ok(())
    }

    /// Moves the delay of each out-edge, then calls `emit` with it, in insertion order.
    #[inline]
    pub(super) fn fire(&mut self, cell: Cell, shorten: bool, mut emit: impl FnMut(NonZeroU64, Cell)) {
        let mut link = self.heads[cell.index()];
        while link != NONE {
            let slot = &mut self.slots[link as usize - 1];
            let before = slot.delay;
            let after = if shorten { before.saturating_sub(1).max(1) } else { before.saturating_add(1) };
            if after != before {
                slot.delay = after;
                let change = after.wrapping_sub(before);
                self.delays = self.delays.wrapping_add(change.wrapping_mul(weight(cell.get(), slot.to)));
            }
            link = slot.next;
            emit(NonZeroU64::new(after).unwrap_or(NonZeroU64::MIN), Cell::wrapped(slot.to));
        }
    }

    pub(super) fn of(&self, from: Cell) -> impl Iterator<Item = Edge> {
        let mut link = self.heads[from.index()];
        std::iter::from_fn(move || {
            let slot = self.slots.get((link as usize).checked_sub(1)?)?;
            link = slot.next;
            Some(Edge { to: Cell::wrapped(slot.to), delay_ticks: slot.delay })
        })
    }

    pub(super) const fn count(&self) -> u32 {
        self.used
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
        for slot in &self.slots[..self.used as usize] {
            histogram[(slot.delay.max(1).ilog2() as usize).min(31)] += 1;
        }
    }
}
