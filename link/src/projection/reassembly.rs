//! Memory where projections of several segments are put together, shared by all edges.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::Segment;

/// An edge's hold on a place of the pool. The turn tells whether the place is still the same one's: when the pool is full, the place
/// nearest to its deadline goes to whoever needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    at: u16,
    turn: u64,
    /// Sequence that is put together there.
    pub(crate) seq: u64,
}

/// How far a projection is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress<'a> {
    /// Parts are missing.
    More,
    /// This part was there.
    Repeated,
    /// The part belongs to a projection of another size or cut.
    Misfit,
    /// Complete.
    Whole(&'a [u8]),
}

#[derive(Debug, Clone, Copy, Hash, Default)]
struct Place {
    /// 0 = free.
    turn: u64,
    deadline_ns: u64,
    count: u8,
    total: u16,
    chunk: u16,
    arrived: u8,
}

/// The pool.
pub(crate) struct Pool {
    places: Box<[Place]>,
    bytes: Box<[u8]>,
    bytes_max: usize,
    keep_ns: u64,
    turns: u64,
}

impl Hash for Pool {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The bytes too: a stranger must not be able to write into a projection in the making.
        (&self.places, &self.bytes, self.turns).hash(state);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.places.iter().filter(|place| place.turn > 0).count();
        write!(f, "Pool({used} of {} places)", self.places.len())
    }
}

impl Pool {
    pub(crate) fn new(places: usize, bytes_max: usize, keep_ns: u64) -> Self {
        let places = if bytes_max == 0 { 0 } else { places };
        Self {
            places: vec![Place::default(); places].into_boxed_slice(),
            bytes: vec![0; places * bytes_max].into_boxed_slice(),
            bytes_max,
            keep_ns,
            turns: 0,
        }
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// A place for the projection of this segment.
    pub(crate) fn begin(&mut self, now_ns: u64, segment: &Segment<'_>) -> Option<Held> {
        let chunk = segment.chunk()? as u16;
        if usize::from(segment.total) > self.bytes_max {
            return None;
        }
        let (at, place) =
            self.places.iter_mut().enumerate().min_by_key(|(_, place)| (place.turn > 0, place.deadline_ns))?;
        self.turns += 1;
        *place = Place {
            turn: self.turns,
            deadline_ns: now_ns.saturating_add(self.keep_ns),
            count: segment.count,
            total: segment.total,
            chunk,
            arrived: 0,
        };
        Some(Held { at: at as u16, turn: self.turns, seq: segment.seq })
    }

    /// Puts a segment where it belongs.
    pub(crate) fn add(&mut self, held: Held, segment: &Segment<'_>) -> Progress<'_> {
        let Some(chunk) = segment.chunk() else { return Progress::Misfit };
        let place = &mut self.places[usize::from(held.at)];
        let fits = (place.turn, place.count, place.total, usize::from(place.chunk))
            == (held.turn, segment.count, segment.total, chunk);
        if !fits {
            return Progress::Misfit;
        }
        let bit = 1 << segment.index;
        if place.arrived & bit != 0 {
            return Progress::Repeated;
        }
        place.arrived |= bit;
        let all = &mut self.bytes[usize::from(held.at) * self.bytes_max..][..usize::from(segment.total)];
        all[chunk * usize::from(segment.index)..][..segment.bytes.len()].copy_from_slice(segment.bytes);
        if place.arrived.count_ones() == u32::from(place.count) { Progress::Whole(all) } else { Progress::More }
    }

    /// True while the place is still this one's and its time is not over.
    pub(crate) fn is_live(&self, held: Held, now_ns: u64) -> bool {
        let place = &self.places[usize::from(held.at)];
        place.turn == held.turn && now_ns < place.deadline_ns
    }

    /// Gives the place back, if it is still this one's.
    pub(crate) fn release(&mut self, held: Held) {
        let place = &mut self.places[usize::from(held.at)];
        if place.turn == held.turn {
            *place = Place::default();
        }
    }
}
