//! A cluster that has always been there: positions, the nearest of each node, watch rings.

use crate::random::{Random, Stream};

/// Random rings.
pub const RINGS: usize = 4;
/// Nearest others kept for each node.
pub const NEAREST: usize = 64;

/// Where nodes are and whom they know from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Position of each node.
    pub positions: Vec<[i16; 3]>,
    nearest: Vec<Vec<u32>>,
    /// For each ring the order of the nodes, and for each node its place in it.
    rings: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Layout {
    /// Draws a layout of `nodes` nodes, of which only `members` are in the rings.
    #[must_use]
    pub fn new(nodes: u32, seed: u64, members: &dyn Fn(u32) -> bool) -> Self {
        let mut random = Random::new(seed, Stream::Layout, 0);
        let mut axis = || (random.below(1 << 16) as i32 - (1 << 15)) as i16;
        let positions: Vec<[i16; 3]> = (0..nodes).map(|_| [axis(), axis(), axis()]).collect();
        let nearest = (0..nodes as usize).map(|me| nearest(&positions, me)).collect();
        let rings = (0..RINGS).map(|ring| draw_ring(nodes, seed, ring, members)).collect();
        Self { positions, nearest, rings }
    }

    /// The nearest others, nearest first.
    #[must_use]
    pub fn nearest(&self, node: u32) -> &[u32] {
        &self.nearest[node as usize]
    }

    /// Previous and next of `node` in a ring; `None` when it is in none.
    #[must_use]
    pub fn around(&self, ring: usize, node: u32) -> Option<(u32, u32)> {
        let (order, places) = &self.rings[ring];
        let place = places[node as usize] as usize;
        let count = order.len();
        (order.get(place) == Some(&node)).then(|| (order[(place + count - 1) % count], order[(place + 1) % count]))
    }
}

fn nearest(positions: &[[i16; 3]], me: usize) -> Vec<u32> {
    let key = |(other, position): (usize, &[i16; 3])| (squared(positions[me], *position), other as u32);
    let mut others: Vec<(u64, u32)> = positions.iter().enumerate().filter(|(other, _)| *other != me).map(key).collect();
    if others.len() > NEAREST {
        others.select_nth_unstable(NEAREST);
        others.truncate(NEAREST);
    }
    others.sort_unstable();
    others.into_iter().map(|(_, other)| other).collect()
}

fn squared(a: [i16; 3], b: [i16; 3]) -> u64 {
    (0..3).map(|axis| (i64::from(a[axis]) - i64::from(b[axis])).pow(2) as u64).sum()
}

fn draw_ring(nodes: u32, seed: u64, ring: usize, members: &dyn Fn(u32) -> bool) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<u32> = (0..nodes).filter(|&node| members(node)).collect();
    Random::new(seed, Stream::Layout, 1 + ring as u64).shuffle(&mut order);
    let mut places = vec![u32::MAX; nodes as usize];
    for (place, &node) in order.iter().enumerate() {
        places[node as usize] = place as u32;
    }
    (order, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_go_around_once_and_nearest_are_nearest() {
        let layout = Layout::new(100, 5, &|node| node != 3);
        for ring in 0..RINGS {
            let (mut at, mut seen) = (0, 0);
            loop {
                let (previous, next) = layout.around(ring, at).expect("a member");
                assert_eq!(layout.around(ring, next).map(|around| around.0), Some(at));
                assert_eq!(layout.around(ring, previous).map(|around| around.1), Some(at));
                (at, seen) = (next, seen + 1);
                if at == 0 {
                    break;
                }
            }
            assert_eq!((seen, layout.around(ring, 3)), (99, None));
        }
        let distance = |other: u32| squared(layout.positions[7], layout.positions[other as usize]);
        let least = (0..100).filter(|&other| other != 7).min_by_key(|&other| (distance(other), other));
        assert_eq!(layout.nearest(7).first().copied(), least);
        assert_eq!(layout.nearest(7).len(), NEAREST);
    }
}
