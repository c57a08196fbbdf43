//! Events and tokens.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Cell;

/// A timestamped message to a cell: the only thing that is executed. 24 bytes (`decisions:NODE-11`).
///
/// `Ord` is the canonical order: time, then dst, then src, then payload, all ascending (rse section 3.3).
#[repr(C)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
pub struct Event {
    /// Logical time, ticks of the torus that holds it (`decisions:NODE-1`: never compared with another torus).
    pub time: u64,
    /// Destination cell, below [`crate::CELLS`].
    pub dst: u32,
    /// Source cell, below [`crate::CELLS`].
    pub src: u32,
    /// Opaque to the torus; the relay keeps an order-preserving i32 in it ([`crate::relay::encode`]).
    pub payload: u64,
}

const _: () = assert!(size_of::<Event>() == 24);

impl Event {
    /// The cell the event is for.
    #[must_use]
    pub const fn cell(&self) -> Cell {
        Cell::wrapped(self.dst)
    }
}

/// An event on its way to another torus (`decisions:NODE-1`): it carries a delay, not a time, and the receiver stamps its own
/// clock plus the delay when it admits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Token {
    /// Ticks after admission at which the event is due; 0 is taken as 1 (`rse:T2`).
    pub delay_ticks: u64,
    /// Destination cell.
    pub dst: Cell,
    /// Source cell.
    pub src: Cell,
    /// Opaque payload.
    pub payload: u64,
}
