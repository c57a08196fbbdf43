//! The compute variant (rse section 3.7).

use std::num::NonZeroU64;

use crate::emitter::fold;
use crate::memory::{Carver, TooSmall};
use crate::relay::{decode, encode};
use crate::{CELLS, Cell, Emitter, Event, Reactor, Token};

/// Chains end before this x.
const LENGTH: u32 = 10;

/// Executing an event adds its value to the accumulator of the process in its cell, if there is one (`rse:T8`), then sends value + 1
/// to the next x one tick later, up to x = 9: one injection at x = 0 makes exactly 10 events.
#[derive(Debug)]
pub struct Compute<'m> {
    cells: &'m mut [u64; CELLS],
    spawned: &'m mut [u8; CELLS],
    processes: u32,
    digest: u64,
    graph: u64,
}

impl<'m> Compute<'m> {
    /// Makes a lattice without processes.
    ///
    /// # Errors
    /// [`TooSmall`] when the bytes left in `carver` do not hold it.
    pub fn new(carver: &mut Carver<'m>) -> Result<Self, TooSmall> {
        let wanted = bytes();
        let cells: &mut [u64] = carver.take(CELLS)?;
        let spawned: &mut [u8] = carver.take(CELLS)?;
        let short = |_| TooSmall { wanted, left: 0 };
        Ok(Self {
            cells: cells.try_into().map_err(short)?,
            spawned: spawned.try_into().map_err(short)?,
            processes: 0,
            digest: 0,
            graph: 0,
        })
    }

    /// Puts a process into a cell; its pid is the cell number. False when there is one already.
    pub fn spawn(&mut self, cell: Cell) -> bool {
        if self.spawned[cell.index()] == 1 {
            return false;
        }
        self.spawned[cell.index()] = 1;
        self.processes += 1;
        self.graph = self.graph.wrapping_add(weight(cell));
        true
    }

    /// Accumulator of the process in a cell (wrapping sum of values); `None` where there is no process.
    #[must_use]
    pub fn state(&self, cell: Cell) -> Option<i64> {
        (self.spawned[cell.index()] == 1).then(|| self.cells[cell.index()] as i64)
    }
}

/// Bytes the compute variant takes.
pub(crate) const fn bytes() -> usize {
    CELLS * (size_of::<u64>() + 1)
}

/// Odd weight of a cell's accumulator in the digest.
const fn weight(cell: Cell) -> u64 {
    fold(cell.get() as u64 ^ 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3) | 1
}

impl Reactor for Compute<'_> {
    #[inline]
    fn react(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let cell = event.cell();
        let value = decode(event.payload);
        if self.spawned[cell.index()] == 1 {
            let add = i64::from(value) as u64;
            self.cells[cell.index()] = self.cells[cell.index()].wrapping_add(add);
            self.digest = self.digest.wrapping_add(add.wrapping_mul(weight(cell)));
        }
        let (x, _, _) = cell.xyz();
        if x + 1 < LENGTH {
            let next = Cell::wrapped(cell.get() + crate::FACE as u32);
            out.emit(NonZeroU64::MIN, next, encode(value.saturating_add(1)));
        }
    }

    fn hand_over(&mut self, _to: u8, count: u32, queue: &mut Emitter<'_>, sink: &mut dyn FnMut(Token)) -> u32 {
        crate::relay::give_latest(count, queue, sink)
    }

    fn digest(&self) -> u64 {
        fold(self.digest ^ 0x589C_4B3F_2F6E_9D1B, self.graph | 1) ^ self.digest
    }

    fn digest_full(&self) -> u64 {
        let cells = (0..CELLS as u32).map(Cell::wrapped);
        let digest =
            cells.fold(0u64, |sum, cell| sum.wrapping_add(self.cells[cell.index()].wrapping_mul(weight(cell))));
        fold(digest ^ 0x589C_4B3F_2F6E_9D1B, self.graph | 1) ^ digest
    }

    fn graph_digest(&self) -> u64 {
        self.graph
    }

    fn processes(&self) -> u32 {
        self.processes
    }
}
