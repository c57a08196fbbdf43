//! Processes of the relay: each counts the events delivered to its cell (`rse:T8`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::emitter::fold;
use crate::memory::{Carver, TooSmall, slice_bytes};
use crate::{CELLS, Cell};

/// End of a list; links are index + 1, so that zeroed memory is an empty table.
const NONE: u32 = 0;

/// Name of a process, counted from 1 and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u64);

/// A process was refused; nothing was taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// The cell holds its share.
    #[error("cell {cell} holds {limit} processes, its limit; raise capacities.processes_per_cell or use another cell")]
    Cell {
        /// The cell.
        cell: u32,
        /// Processes a cell may hold.
        limit: u8,
    },
    /// The torus holds all it can.
    #[error("the torus holds {limit} processes, its limit; raise capacities.processes")]
    Torus {
        /// Processes the torus may hold.
        limit: u32,
    },
}

#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Slot {
    /// 0 = free.
    id: u64,
    delivered: u64,
    cell: u32,
    /// Next process of the cell, or next free slot, index + 1.
    next: u32,
}

#[derive(Debug)]
pub(super) struct Processes<'m> {
    /// Bit c % 64 of word c / 64: cell c holds processes. Small enough to stay in the first cache, so that an event at a cell
    /// without one costs no more than a look.
    inhabited: &'m mut [u64; CELLS / 64],
    heads: &'m mut [u32; CELLS],
    slots: &'m mut [Slot],
    free: u32,
    /// Slots at and above this were never used.
    fresh: u32,
    count: u32,
    per_cell: u8,
    next_id: u64,
    digest: u64,
}

pub(super) const fn bytes(processes: u32) -> usize {
    slice_bytes(CELLS / 64, size_of::<u64>())
        + slice_bytes(CELLS, size_of::<u32>())
        + slice_bytes(processes as usize, size_of::<Slot>())
}

/// Share of one process in the digest.
#[inline]
const fn share(slot: &Slot) -> u64 {
    fold(slot.id ^ 0xD6E8_FEB8_6659_FD93, slot.delivered ^ 0x9E37_79B9_7F4A_7C15) ^ slot.cell as u64
}

impl<'m> Processes<'m> {
    pub(super) fn new(processes: u32, per_cell: u8, carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let short = |_| TooSmall { wanted: bytes(processes), left: 0 };
        let inhabited: &mut [u64] = carver.take(CELLS / 64)?;
        let inhabited = inhabited.try_into().map_err(short)?;
        let heads: &mut [u32] = carver.take(CELLS)?;
        let heads = heads.try_into().map_err(short)?;
        let slots = carver.take(processes as usize)?;
        Ok(Self { inhabited, heads, slots, free: NONE, fresh: 0, count: 0, per_cell, next_id: 1, digest: 0 })
    }

    pub(super) fn spawn(&mut self, cell: Cell) -> Result<ProcessId, SpawnError> {
        // Both limits are looked at before anything is taken: a refusal leaks nothing.
        if self.count_in(cell) >= u32::from(self.per_cell) {
            return Err(SpawnError::Cell { cell: cell.get(), limit: self.per_cell });
        }
        let limit = self.slots.len() as u32;
        if self.count == limit {
            return Err(SpawnError::Torus { limit });
        }
        let index = if self.free == NONE {
            self.fresh += 1;
            self.fresh as usize - 1
        } else {
            let index = self.free as usize - 1;
            self.free = self.slots[index].next;
            index
        };
        let slot = Slot { id: self.next_id, delivered: 0, cell: cell.get(), next: self.heads[cell.index()] };
        self.slots[index] = slot;
        self.heads[cell.index()] = index as u32 + 1;
        self.inhabited[cell.index() / 64] |= 1 << (cell.index() % 64);
        self.digest = self.digest.wrapping_add(share(&slot));
        self.next_id += 1;
        self.count += 1;
        Ok(ProcessId(slot.id))
    }

    pub(super) fn remove(&mut self, id: ProcessId) -> bool {
        let Some(index) = self.find(id) else { return false };
        let slot = self.slots[index];
        self.digest = self.digest.wrapping_sub(share(&slot));
        let link = index as u32 + 1;
        let head = &mut self.heads[slot.cell as usize % CELLS];
        if *head == link {
            *head = slot.next;
            if slot.next == NONE {
                let cell = slot.cell as usize % CELLS;
                self.inhabited[cell / 64] &= !(1 << (cell % 64));
            }
        } else {
            let mut before = *head as usize - 1;
            while self.slots[before].next != link {
                before = self.slots[before].next as usize - 1;
            }
            self.slots[before].next = slot.next;
        }
        self.slots[index] = Slot { id: 0, delivered: 0, cell: 0, next: self.free };
        self.free = link;
        self.count -= 1;
        true
    }

    /// Counts one delivery at a cell.
    #[inline]
    pub(super) fn deliver(&mut self, cell: Cell) {
        if self.inhabited[cell.index() / 64] >> (cell.index() % 64) & 1 == 1 {
            self.deliver_all(cell);
        }
    }

    fn deliver_all(&mut self, cell: Cell) {
        let mut link = self.heads[cell.index()];
        while link != NONE {
            let slot = &mut self.slots[link as usize - 1];
            let before = share(slot);
            slot.delivered += 1;
            self.digest = self.digest.wrapping_add(share(slot)).wrapping_sub(before);
            link = slot.next;
        }
    }

    fn find(&self, id: ProcessId) -> Option<usize> {
        if id.0 == 0 {
            return None;
        }
        self.slots[..self.fresh as usize].iter().position(|slot| slot.id == id.0)
    }

    pub(super) fn delivered(&self, id: ProcessId) -> Option<u64> {
        self.find(id).map(|index| self.slots[index].delivered)
    }

    pub(super) fn count_in(&self, cell: Cell) -> u32 {
        let mut count = 0;
        let mut link = self.heads[cell.index()];
        while link != NONE {
            count += 1;
            link = self.slots[link as usize - 1].next;
        }
        count
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn digest_full(&self) -> u64 {
        let used = self.slots[..self.fresh as usize].iter().filter(|slot| slot.id != 0);
        used.fold(0, |sum, slot| sum.wrapping_add(share(slot)))
    }
}
