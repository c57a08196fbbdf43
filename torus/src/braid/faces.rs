//! The face constraint: my x = 31 face against x = 0 of the next torus, my x = 0 face against x = 31 of the one before.
//!
//! Compared is activity, events at a cell between two samples, scaled to the same length of time, so clocks never meet. The
//! constraint has no correction of its own: activity follows the load, and handing load over is what moves it; a violation is
//! counted and shortens the interval.

use crate::{FACE, FACES};

/// One of the two faces of a torus with the facing one of its neighbour.
#[derive(Debug, Clone, Copy)]
pub(super) struct FacePair {
    /// The neighbour in the ring of configured tori.
    pub peer: u8,
    /// Where my half starts in the faces array; theirs is the other half.
    mine_at: usize,
    incoming: Sample,
    theirs: Sample,
    ours: Sample,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    boot: u64,
    at_ns: u64,
    cells: [u16; FACE],
}

const NOTHING: Sample = Sample { boot: 0, at_ns: 0, cells: [0; FACE] };

/// What one comparison of facing faces gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FaceReading {
    /// Largest difference of a cell pair, events.
    pub spread: u64,
    /// Cell pairs that differ by more than the tolerance.
    pub cells_out: u32,
}

impl FacePair {
    /// The pairs of torus `me` among `tori`: with the next one, and with the one before.
    pub fn both(me: u8, tori: u8) -> [Self; 2] {
        let pair = |peer, mine_at| Self { peer, mine_at, incoming: NOTHING, theirs: NOTHING, ours: NOTHING };
        [pair((me + 1) % tori, FACE), pair((me + tori - 1) % tori, 0)]
    }

    /// Keeps the facing half of a projection until the next comparison.
    pub fn arrived(&mut self, boot: u64, at_ns: u64, faces: &[u16; FACES]) {
        let theirs_at = FACE - self.mine_at;
        self.incoming.boot = boot;
        self.incoming.at_ns = at_ns;
        self.incoming.cells.copy_from_slice(&faces[theirs_at..theirs_at + FACE]);
    }

    /// Compares what happened at both faces since the last comparison; `None` the first time, after a new boot, or when the two
    /// spans of time differ by more than sixteen times.
    pub fn compare(&mut self, now_ns: u64, faces: &[u16; FACES], tolerance: u64) -> Option<FaceReading> {
        let mine = faces[self.mine_at..].first_chunk::<FACE>()?;
        let reading = self.read(now_ns, mine, tolerance);
        self.theirs = self.incoming;
        self.ours = Sample { boot: self.incoming.boot, at_ns: now_ns, cells: *mine };
        reading
    }

    fn read(&self, now_ns: u64, mine: &[u16; FACE], tolerance: u64) -> Option<FaceReading> {
        let comparable = self.theirs.boot == self.incoming.boot && self.ours.boot == self.incoming.boot;
        let own_ns = now_ns.saturating_sub(self.ours.at_ns);
        let peer_ns = self.incoming.at_ns.saturating_sub(self.theirs.at_ns);
        // Lockstep passes no time: the spans count as equal.
        let ratio_256 = if own_ns == peer_ns { 256 } else { own_ns.saturating_mul(256).checked_div(peer_ns)? };
        if !comparable || !(16..=4_096).contains(&ratio_256) {
            return None;
        }
        let tolerance = tolerance.min(u64::from(u32::MAX)) as u32;
        let ratio = ratio_256 as u32;
        let (mut spread, mut cells_out) = (0_u32, 0_u32);
        let own_cells = mine.iter().zip(&self.ours.cells);
        let peer_cells = self.incoming.cells.iter().zip(&self.theirs.cells);
        for ((own, own_before), (peer, peer_before)) in own_cells.zip(peer_cells) {
            let own = u32::from(own.wrapping_sub(*own_before));
            let peer = (u32::from(peer.wrapping_sub(*peer_before)) * ratio) >> 8;
            let difference = own.abs_diff(peer);
            spread = spread.max(difference);
            cells_out += u32::from(difference > tolerance);
        }
        Some(FaceReading { spread: spread.into(), cells_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(first: u16, last: u16) -> [u16; FACES] {
        core::array::from_fn(|i| if i < FACE { first } else { last })
    }

    /// `decisions:NODE-13`: x = 31 faces x = 0 of the next torus; counters wrap; the first sample compares with nothing.
    #[test]
    fn facing_cells_are_compared_by_difference() {
        let [mut next, mut before] = FacePair::both(0, 3);
        assert_eq!((next.peer, before.peer), (1, 2));
        next.arrived(7, 100, &faces(65_530, 1));
        assert_eq!(next.compare(100, &faces(3, 65_000), 0), None, "nothing to subtract from");
        // They: x = 0 went on by 10 across the wrap. We: x = 31 went on by 12.
        next.arrived(7, 200, &faces(4, 500));
        assert_eq!(next.compare(200, &faces(3, 65_012), 1), Some(FaceReading { spread: 2, cells_out: 1_024 }));
        next.arrived(7, 300, &faces(6, 0));
        assert_eq!(next.compare(300, &faces(3, 65_014), 0), Some(FaceReading { spread: 0, cells_out: 0 }));
        before.arrived(9, 0, &faces(1, 50));
        before.compare(0, &faces(50, 1), 0);
        before.arrived(9, 10, &faces(1, 60));
        assert_eq!(before.compare(10, &faces(55, 1), 4), Some(FaceReading { spread: 5, cells_out: 1_024 }));
    }

    /// Different spans of time are scaled; a new boot starts over; far too different spans say nothing.
    #[test]
    fn spans_are_scaled_and_boots_start_over() {
        let [mut next, _] = FacePair::both(1, 2);
        next.arrived(7, 0, &faces(0, 0));
        next.compare(0, &faces(0, 0), 0);
        next.arrived(7, 1_000, &faces(100, 0));
        assert_eq!(next.compare(2_000, &faces(0, 200), 0).map(|r| r.spread), Some(0), "half the time, half the events");
        next.arrived(7, 2_000, &faces(100, 0));
        assert_eq!(next.compare(2_000_000, &faces(0, 200), 0), None);
        next.arrived(8, 3_000, &faces(0, 0));
        assert_eq!(next.compare(2_001_000, &faces(0, 200), 0), None, "counters of another boot");
    }
}
