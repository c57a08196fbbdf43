//! Memory of a torus: taken once, from bytes handed in (`rse:T7`, `decisions:NODE-10`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Every slice starts on a boundary of this many bytes: no two share a cache line.
pub const ALIGN: usize = 64;

/// The bytes handed in do not hold what the capacities ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{left} bytes left, {wanted} wanted for the next table; hand in at least Capacities::bytes() or lower the capacities"
)]
pub struct TooSmall {
    /// Bytes the next table needs.
    pub wanted: usize,
    /// Bytes that were left.
    pub left: usize,
}

/// Cuts typed, zeroed slices off a byte slice; safe, by zerocopy.
#[derive(Debug)]
pub struct Carver<'m> {
    rest: &'m mut [u8],
    used: usize,
}

impl<'m> Carver<'m> {
    /// Starts with all of `bytes`, whose content does not matter.
    #[must_use]
    pub fn new(bytes: &'m mut [u8]) -> Self {
        Self { rest: bytes, used: 0 }
    }

    /// Takes `count` zeroed elements.
    ///
    /// # Errors
    /// [`TooSmall`] when the bytes left do not hold them; nothing is taken then.
    pub fn take<T: FromBytes + IntoBytes + KnownLayout + Immutable>(
        &mut self,
        count: usize,
    ) -> Result<&'m mut [T], TooSmall> {
        let left = self.rest.len();
        let skip = self.rest.as_ptr().align_offset(ALIGN);
        let wanted = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(skip)).unwrap_or(usize::MAX);
        if wanted > left {
            return Err(TooSmall { wanted, left });
        }
        let (mine, rest) = std::mem::take(&mut self.rest).split_at_mut(wanted);
        self.rest = rest;
        self.used += wanted;
        let mine = &mut mine[skip..];
        mine.fill(0);
        <[T]>::mut_from_bytes_with_elems(mine, count).map_err(|_| TooSmall { wanted, left })
    }

    /// Bytes taken so far, alignment included.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }
}

/// Bounds of a torus, all taken at start (`rse:T7`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacities {
    /// Events that may wait at once.
    pub events: u32,
    /// Edges of the relay.
    pub edges: u32,
    /// Processes in all.
    pub processes: u32,
    /// Processes in one cell.
    pub processes_per_cell: u8,
    /// Part of `events` that only tokens of other tori may use (`decisions:NODE-5`).
    pub admission: u32,
}

impl Default for Capacities {
    /// The seed's bounds (rse section 3.2); of 8192 events 192 are kept for admissions.
    fn default() -> Self {
        Self { events: 8192, edges: 8192, processes: 4096, processes_per_cell: 8, admission: 192 }
    }
}

impl Capacities {
    /// Bytes that hold a torus and any of this crate's reactors with these capacities.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        crate::queue::bytes(self.events) + crate::relay::bytes(self) + ALIGN
    }
}

/// Bytes that `count` elements of `size` bytes take at most, alignment included.
#[must_use]
pub(crate) const fn slice_bytes(count: usize, size: usize) -> usize {
    (count * size).next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_aligned_zeroed_disjoint_and_bounded() {
        // rse:T7: memory comes from the bytes handed in, and a shortage is an error before anything is used.
        let mut bytes = vec![0xAAu8; 1000];
        let mut carver = Carver::new(&mut bytes);
        let first = carver.take::<u64>(10).expect("fits");
        let second = carver.take::<u32>(3).expect("fits");
        assert!(first.iter().all(|&value| value == 0) && second.iter().all(|&value| value == 0));
        assert_eq!(first.as_ptr().align_offset(ALIGN), 0);
        assert_eq!(second.as_ptr().align_offset(ALIGN), 0);
        let used = carver.used();
        assert!(carver.take::<u64>(1000).is_err() && carver.take::<u64>(usize::MAX).is_err());
        assert_eq!(carver.used(), used);
    }
}
