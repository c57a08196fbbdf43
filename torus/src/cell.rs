//! Lattice sites.

/// Cells along one side of the lattice.
pub const SIDE: u32 = 32;
/// Cells of a torus.
pub const CELLS: usize = 32_768;
/// Cells of one face (x = 0 or x = 31).
pub const FACE: usize = 1024;
/// Most tori that may braid with each other (`decisions:NODE-8`).
pub const MAX_TORI: usize = 16;

const _: () = assert!(SIDE.pow(3) as usize == CELLS && (SIDE * SIDE) as usize == FACE);

/// A lattice site: x * 1024 + y * 32 + z, always below [`CELLS`] (rse section 3.1; the one linearisation everywhere, so the cells
/// of the face x = 0 are the first 1024 and those of x = 31 the last).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cell(u32);

impl Cell {
    /// The cell with that number; `None` at or above [`CELLS`].
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if (number as usize) < CELLS { Some(Self(number)) } else { None }
    }

    /// The cell at these coordinates, each reduced by a mathematical modulo: -1 is 31, 32 is 0.
    #[must_use]
    pub const fn at(x: i64, y: i64, z: i64) -> Self {
        let side = SIDE as i64;
        let reduced = [x.rem_euclid(side), y.rem_euclid(side), z.rem_euclid(side)];
        Self((reduced[0] * side * side + reduced[1] * side + reduced[2]) as u32)
    }

    /// The cell a number falls on when the lattice is wrapped: number mod [`CELLS`].
    #[must_use]
    pub const fn wrapped(number: u32) -> Self {
        Self(number & (CELLS as u32 - 1))
    }

    /// As an index, below [`CELLS`]; the mask lets the compiler drop bounds checks on lattice-sized arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize & (CELLS - 1)
    }

    /// As a number, below [`CELLS`].
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Coordinates, each below [`SIDE`].
    #[must_use]
    pub const fn xyz(self) -> (u32, u32, u32) {
        (self.0 / (SIDE * SIDE), self.0 / SIDE % SIDE, self.0 % SIDE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_wrap_like_a_torus_and_come_back() {
        // rse section 3.1 and vector 7: x = 32 is the cell of x = 0, -1 is 31, -32 is 0.
        assert_eq!(Cell::at(32, 0, 0), Cell::at(0, 0, 0));
        assert_eq!(Cell::at(-1, -32, 33).xyz(), (31, 0, 1));
        assert_eq!(Cell::at(i64::MIN, i64::MAX, -1).xyz(), (0, 31, 31));
        for number in 0..CELLS as u32 {
            let cell = Cell::new(number).expect("below CELLS");
            let (x, y, z) = cell.xyz();
            assert_eq!(Cell::at(i64::from(x), i64::from(y), i64::from(z)), cell);
        }
        assert_eq!(Cell::new(CELLS as u32), None);
        assert_eq!(Cell::at(0, 31, 31).index(), FACE - 1);
        assert_eq!(Cell::at(31, 0, 0).index(), CELLS - FACE);
        assert_eq!(Cell::wrapped(CELLS as u32 + 5).get(), 5);
    }
}
