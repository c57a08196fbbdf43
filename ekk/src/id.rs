//! Who is who: node ids, incarnations and lives (`decisions:CLU-7`).

use core::fmt;

/// The number of a node, unique in its cluster; zero is nobody and the greatest number is everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Nobody.
    pub const NONE: NodeId = NodeId(0);
    /// Everybody.
    pub const BROADCAST: NodeId = NodeId(u32::MAX);

    /// The id of one node; `None` for the two numbers that name nobody and everybody.
    pub const fn new(raw: u32) -> Option<NodeId> {
        match raw {
            0 | u32::MAX => None,
            _ => Some(NodeId(raw)),
        }
    }

    /// The number as it was carried, including nobody and everybody; check with [`NodeId::is_node`].
    pub const fn from_raw(raw: u32) -> NodeId {
        NodeId(raw)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether this names exactly one node.
    pub const fn is_node(self) -> bool {
        self.0 != 0 && self.0 != u32::MAX
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NodeId::NONE => f.write_str("none"),
            NodeId::BROADCAST => f.write_str("all"),
            NodeId(raw) => write!(f, "{raw}"),
        }
    }
}

/// One run of a node: death is final for a pair of incarnation and life, and the next one is a new being.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The node.
    pub id: NodeId,
    /// Counts starts of the node; kept across restarts.
    pub boot_inc: u32,
    /// Counts refutations within one incarnation.
    pub life: u16,
}

impl Identity {
    /// Whether this is a later being of the same node than `other`.
    pub const fn newer_than(&self, other: &Identity) -> bool {
        self.id.0 == other.id.0
            && (self.boot_inc > other.boot_inc || (self.boot_inc == other.boot_inc && self.life > other.life))
    }

    /// The being as one number that grows with each return: incarnation above life.
    pub const fn rank(&self) -> u64 {
        (self.boot_inc as u64) << 16 | self.life as u64
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.id, self.boot_inc, self.life)
    }
}

/// Finds the place of an id in a table of at most half as many entries as there are cells; a find costs a few steps, not a search.
///
/// Open addressing over the golden-ratio hash: consecutive ids fall far apart. The ids themselves stay in the owner's table; each
/// operation gets a function from place to id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index<const CELLS: usize> {
    cells: [u16; CELLS],
}

impl<const CELLS: usize> Index<CELLS> {
    const EMPTY: u16 = u16::MAX;
    const SHIFT: u32 = 32 - CELLS.trailing_zeros();
    const MASK: usize = CELLS - 1;
    const VALID: () = assert!(CELLS.is_power_of_two() && CELLS >= 2 && CELLS <= 1 << 16);

    /// An index of nothing.
    pub const fn new() -> Index<CELLS> {
        let () = Self::VALID;
        Index { cells: [Self::EMPTY; CELLS] }
    }

    /// Whether a table of `entries` entries can be indexed.
    pub const fn holds(entries: usize) -> bool {
        entries <= CELLS / 2 && entries < Self::EMPTY as usize
    }

    #[inline]
    const fn home(id: NodeId) -> usize {
        (id.0.wrapping_mul(0x9E37_79B9) >> Self::SHIFT) as usize & Self::MASK
    }

    /// The place of `id`.
    #[inline]
    pub fn find(&self, id: NodeId, id_at: impl Fn(usize) -> NodeId) -> Option<usize> {
        let mut cell = Self::home(id);
        loop {
            let place = self.cells[cell & Self::MASK];
            if place == Self::EMPTY {
                return None;
            }
            if id_at(usize::from(place)) == id {
                return Some(usize::from(place));
            }
            cell += 1;
        }
    }

    /// Notes `place` for `id`, which is not in the index yet; the owner's table has room, so there is an empty cell.
    pub fn insert(&mut self, id: NodeId, place: usize) {
        let mut cell = Self::home(id);
        while self.cells[cell & Self::MASK] != Self::EMPTY {
            cell += 1;
        }
        self.cells[cell & Self::MASK] = place as u16;
    }

    /// Notes that the entry of `id` moved.
    pub fn moved(&mut self, id: NodeId, from: usize, to: usize) {
        let mut cell = Self::home(id);
        while self.cells[cell & Self::MASK] != Self::EMPTY {
            if usize::from(self.cells[cell & Self::MASK]) == from {
                self.cells[cell & Self::MASK] = to as u16;
                return;
            }
            cell += 1;
        }
    }

    /// Forgets the place of `id` and closes the gap, so that later finds stay short.
    pub fn remove(&mut self, id: NodeId, id_at: impl Fn(usize) -> NodeId) {
        let mut hole = Self::home(id);
        loop {
            let place = self.cells[hole & Self::MASK];
            if place == Self::EMPTY {
                return;
            }
            if id_at(usize::from(place)) == id {
                break;
            }
            hole += 1;
        }
        let mut next = hole + 1;
        loop {
            let place = self.cells[next & Self::MASK];
            if place == Self::EMPTY {
                break;
            }
            let home = Self::home(id_at(usize::from(place)));
            // An entry may fill the hole when its home is not between the hole and where it stands.
            if (next.wrapping_sub(home) & Self::MASK) >= (next.wrapping_sub(hole) & Self::MASK) {
                self.cells[hole & Self::MASK] = place;
                hole = next;
            }
            next += 1;
        }
        self.cells[hole & Self::MASK] = Self::EMPTY;
    }
}

impl<const CELLS: usize> Default for Index<CELLS> {
    fn default() -> Self {
        Index::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn later_beings_of_the_same_node_are_newer() {
        let at = |id, boot_inc, life| Identity { id: NodeId(id), boot_inc, life };
        assert!(at(1, 2, 0).newer_than(&at(1, 1, 9)) && at(1, 1, 1).newer_than(&at(1, 1, 0)));
        assert!(!at(1, 1, 0).newer_than(&at(1, 1, 0)) && !at(2, 9, 9).newer_than(&at(1, 0, 0)));
        assert!(at(1, 2, 0).rank() > at(1, 1, u16::MAX).rank());
        assert_eq!(NodeId::new(0), None);
        assert_eq!(NodeId::new(u32::MAX), None);
    }

    proptest! {
        /// Aim: the index answers as a plain search does. Method: random inserts and removals of clashing ids with swap-removal.
        #[test]
        fn index_answers_as_a_search(steps in proptest::collection::vec((any::<bool>(), 1_u32..40, any::<bool>()), 0..300)) {
            let mut index = Index::<32>::new();
            let mut ids: Vec<NodeId> = Vec::new();
            for (insert, raw, far) in steps {
                let id = NodeId(if far { raw << 26 } else { raw });
                let found = index.find(id, |place| ids[place]);
                prop_assert_eq!(found, ids.iter().position(|&other| other == id));
                match found {
                    None if insert && ids.len() < 16 => {
                        index.insert(id, ids.len());
                        ids.push(id);
                    }
                    Some(place) if !insert => {
                        index.remove(id, |place| ids[place]);
                        let last = ids.len() - 1;
                        if place != last {
                            index.moved(ids[last], last, place);
                        }
                        ids.swap_remove(place);
                    }
                    _ => {}
                }
                for (place, &id) in ids.iter().enumerate() {
                    prop_assert_eq!(index.find(id, |place| ids[place]), Some(place));
                }
            }
        }
    }
}
