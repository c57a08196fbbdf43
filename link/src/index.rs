//! Finding a session by its peer in constant time.

/// Free place.
const FREE: (u32, u16) = (0, 0);

/// Node id to place, open addressing with a quarter of the places used at most; node id 0 names nobody.
#[derive(Debug, Hash)]
pub(crate) struct Index {
    places: Box<[(u32, u16)]>,
}

impl Index {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { places: vec![FREE; (entries_max * 4).next_power_of_two()].into_boxed_slice() }
    }

    pub(crate) fn get(&self, peer: u32) -> Option<usize> {
        if peer == 0 {
            return None;
        }
        let mut at = self.home(peer);
        loop {
            match self.places[at] {
                (found, slot) if found == peer => return Some(usize::from(slot)),
                FREE => return None,
                _ => at = self.after(at),
            }
        }
    }

    pub(crate) fn insert(&mut self, peer: u32, slot: usize) {
        debug_assert!(peer != 0 && self.get(peer).is_none());
        let mut at = self.home(peer);
        while self.places[at].0 != 0 {
            at = self.after(at);
        }
        self.places[at] = (peer, slot as u16);
    }

    /// Takes a peer out and closes the gap, so that no chain is cut.
    pub(crate) fn remove(&mut self, peer: u32) {
        let mut gap = self.home(peer);
        while self.places[gap].0 != peer {
            if self.places[gap].0 == 0 {
                return;
            }
            gap = self.after(gap);
        }
        let mut at = gap;
        loop {
            at = self.after(at);
            if self.places[at].0 == 0 {
                break;
            }
            let home = self.home(self.places[at].0);
            // It may move into the gap unless its home lies between the two.
            let (mask, distance) = (self.places.len() - 1, |from: usize, to: usize| to.wrapping_sub(from));
            if distance(home, at) & mask >= distance(gap, at) & mask {
                self.places[gap] = self.places[at];
                gap = at;
            }
        }
        self.places[gap] = FREE;
    }

    fn home(&self, peer: u32) -> usize {
        (peer.wrapping_mul(0x9e37_79b1) >> 8) as usize & (self.places.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Index;

    proptest! {
        // rse:U2: the table agrees with a map under any order of insertions and removals.
        #[test]
        fn the_index_agrees_with_a_map(steps in prop::collection::vec((1_u32..40, any::<bool>()), 1..400)) {
            let (mut index, mut map) = (Index::new(16), BTreeMap::new());
            for (peer, insert) in steps {
                // Multiples of a large power of two share their home.
                let peer = if peer % 2 == 0 { peer << 20 } else { peer };
                if insert && map.len() < 16 && !map.contains_key(&peer) {
                    index.insert(peer, map.len());
                    map.insert(peer, map.len());
                } else if !insert {
                    index.remove(peer);
                    map.remove(&peer);
                }
                for peer in (1..40).flat_map(|peer| [peer, peer << 20]) {
                    prop_assert_eq!(index.get(peer), map.get(&peer).copied());
                }
            }
            prop_assert_eq!(index.get(0), None);
        }
    }
}
