//! Activity of a face, read from cumulative wrapping counters (`decisions:NODE-13`), and the scale it is shown on.

use control::page::FACE;
use control::snapshot::TorusSnapshot;

use crate::history::{History, same_torus};

/// Sums reach back about this far, so that a map does not flicker.
const SPAN_NS: u64 = 1_000_000_000;
/// In mode `rotate` a given neighbour comes round more rarely; its counters may reach back this far.
const PEER_SPAN_NS: u64 = 4_000_000_000;

/// Events at each cell of both faces over the last second, own and the facing neighbour's.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Events per second of each cell: face x = 0, then x = 31; index y * 32 + z.
    pub own: [Vec<f64>; 2],
    /// The same of the neighbour whose projection was applied last, when two of its projections are known.
    pub peer: Option<[Vec<f64>; 2]>,
    /// Torus id of that neighbour.
    pub peer_id: Option<u32>,
    /// Braid rounds per second, to turn the above into events per round.
    pub rounds_per_second: f64,
    /// A counter moved so far between two samples that it may have wrapped: values are lower bounds.
    pub may_wrap: bool,
}

/// Sums one kind of counter over successive snapshots.
struct Sum {
    counts: [Vec<u64>; 2],
    span_ns: u64,
    largest: u16,
}

impl Sum {
    fn new() -> Self {
        Self { counts: [vec![0; FACE], vec![0; FACE]], span_ns: 0, largest: 0 }
    }

    fn add(&mut self, newer: &[Vec<u16>; 2], older: &[Vec<u16>; 2], span_ns: u64) {
        for (face, counts) in self.counts.iter_mut().enumerate() {
            for ((count, new), old) in counts.iter_mut().zip(&newer[face]).zip(&older[face]) {
                let grown = new.wrapping_sub(*old);
                self.largest = self.largest.max(grown);
                *count += u64::from(grown);
            }
        }
        self.span_ns += span_ns;
    }

    fn per_second(&self) -> Option<[Vec<f64>; 2]> {
        (self.span_ns > 0).then(|| {
            let scale = 1e9 / self.span_ns as f64;
            self.counts.clone().map(|face| face.into_iter().map(|count| count as f64 * scale).collect())
        })
    }
}

impl Activity {
    /// Of the torus at index `torus` of the snapshot at a place of the history. `None` until two snapshots of it are known.
    #[must_use]
    pub fn at(history: &History, place: u64, torus: usize) -> Option<Self> {
        let now = history.at(place)?.tori.get(torus)?;
        let (mut own, mut peer) = (Sum::new(), Sum::new());
        let mut newer = now;
        let mut newer_peer: Option<&TorusSnapshot> = now.peer_faces_of.is_some().then_some(now);
        let mut oldest = now;
        for snapshot in history.back_from(place).skip(1) {
            let Some(older) = same_torus(snapshot, now) else { break };
            let Some(back) = now.heartbeat_ns.checked_sub(older.heartbeat_ns) else { break };
            if back > PEER_SPAN_NS {
                break;
            }
            if own.span_ns < SPAN_NS && newer.heartbeat_ns > older.heartbeat_ns {
                own.add(&newer.faces, &older.faces, newer.heartbeat_ns - older.heartbeat_ns);
                oldest = older;
            }
            newer = older;
            if let Some(new) = newer_peer
                && peer.span_ns < SPAN_NS
                && older.peer_faces_of == new.peer_faces_of
                && new.heartbeat_ns > older.heartbeat_ns
            {
                peer.add(&new.peer_faces, &older.peer_faces, new.heartbeat_ns - older.heartbeat_ns);
                newer_peer = Some(older);
            }
        }
        let rounds = now.round.saturating_sub(oldest.round) as f64;
        Some(Self {
            may_wrap: own.largest.max(peer.largest) > 49_152,
            rounds_per_second: if own.span_ns > 0 { rounds * 1e9 / own.span_ns as f64 } else { 0.0 },
            peer: peer.per_second(),
            peer_id: now.peer_faces_of,
            own: own.per_second()?,
        })
    }
}

/// Cells of a face at which anything happened, and the most that happened at one, events per second.
#[must_use]
pub fn active(values: &[f64]) -> (usize, f64) {
    let moving = values.iter().filter(|value| **value > 0.0);
    moving.fold((0, 0.0), |(count, most), value| (count + 1, value.max(most)))
}

/// A scale of few steps over a wide range: level 0 is rest, the others grow by equal factors up to a round top.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Lowest value of each level from 1 on.
    pub floors: Vec<f64>,
    /// The top: the largest value, rounded up to 1, 2 or 5 times a power of ten, so that the scale stands still.
    pub top: f64,
}

impl Scale {
    /// The scale for a largest value and a number of levels above zero.
    #[must_use]
    pub fn new(largest: f64, levels: usize) -> Self {
        let top = round_up(largest);
        // Three decades, or down to one event a second where there is less.
        let bottom = (top / 1000.0).max(1.0_f64.min(top / 10.0));
        let step = (top / bottom).powf(1.0 / levels.max(1) as f64);
        let floors = (0..levels).map(|level| if level == 0 { 0.0 } else { bottom * step.powi(level as i32) });
        Self { floors: floors.collect(), top }
    }

    /// The level of a value: 0 at rest, then 1 to the number of levels.
    #[must_use]
    pub fn level(&self, value: f64) -> usize {
        if !value.is_finite() || value <= 0.0 {
            return 0;
        }
        self.floors.iter().rposition(|floor| value >= *floor).map_or(1, |level| level + 1)
    }
}

/// The next of 1, 2, 5 times a power of ten; at least 10.
pub(crate) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 10.0 {
        return 10.0;
    }
    let decade = 10.0_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|step| step * decade).find(|top| *top >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_cells_are_those_that_moved() {
        assert_eq!(active(&[0.0, 2.5, 0.0, 1.0]), (2, 2.5));
        assert_eq!(active(&[0.0; 4]), (0, 0.0));
        assert_eq!(active(&[]), (0, 0.0));
    }

    #[test]
    fn levels_grow_by_equal_factors_and_the_top_is_round() {
        let scale = Scale::new(8_700.0, 4);
        assert_eq!(scale.top, 10_000.0);
        assert_eq!(scale.level(0.0), 0);
        assert_eq!(scale.level(0.5), 1);
        assert_eq!(scale.level(10_000.0), 4);
        assert_eq!(scale.level(f64::INFINITY), 0);
        let ratio = scale.floors[3] / scale.floors[2];
        assert!((ratio - scale.floors[2] / scale.floors[1]).abs() < 1e-6, "{scale:?}");
        // The scale stands still while the largest value moves a little.
        assert_eq!(Scale::new(8_700.0, 4), Scale::new(9_900.0, 4));
        assert_eq!(Scale::new(f64::NAN, 4).top, 10.0);
    }
}
