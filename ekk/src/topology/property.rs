//! Properties of the election over random histories.

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::profile::{Preset, Timing};

type Small = Topology<4, 24, 64, 8>;

fn being(raw: u32) -> Identity {
    Identity { id: NodeId::from_raw(raw), boot_inc: 0, life: 0 }
}

fn ids(topology: &Small) -> Vec<NodeId> {
    topology.list().iter().map(|neighbour| neighbour.id).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Offer(u32, i16),
    Remove(u32),
    Move(i16),
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_u32..20, -50_i16..50).prop_map(|(id, x)| Step::Offer(id, x)),
        2 => (1_u32..20).prop_map(Step::Remove),
        1 => (-50_i16..50).prop_map(Step::Move),
        2 => (0_u16..400).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..80)
}

fn config(residence_ms: u64, margin: u32) -> Config {
    let timing = Timing::preset(Preset::Lan);
    Config { k: 4, min: 1, residence: Span::from_ms(residence_ms), margin, ..Config::product(&timing) }
}

proptest! {
    /// ekk:P9: exactly the k least by (distance, id), never ourselves, no duplicates; electing again changes nothing; a notice is
    /// given exactly when the list is another one, and a loss gives exactly one.
    #[test]
    fn p09_the_k_least(steps in steps()) {
        let me = 10;
        let mut topology = Small::new(config(0, 0), NodeId::from_raw(me), [0; 3]).expect("valid");
        let (mut known, mut own, mut now) = (BTreeMap::new(), 0_i16, Time::from_ms(1));
        for step in steps {
            let (before, notices) = (ids(&topology), topology.counters().changes);
            let changed = match step {
                Step::Offer(id, x) => {
                    if id != me {
                        known.insert(id, x);
                    }
                    topology.offer(now, &Candidate::vouched(being(id), [x, 0, 0])).expect("room")
                }
                Step::Remove(id) => {
                    known.remove(&id);
                    topology.removed(now, NodeId::from_raw(id))
                }
                Step::Move(x) => {
                    own = x;
                    topology.moved(now, [x, 0, 0])
                }
                Step::Wait(ms) => {
                    now = now.after(Span::from_ms(ms.into()));
                    topology.tick(now).changed
                }
            };
            let mut expected: Vec<(u32, u32)> = known.iter().map(|(&id, &x)| (u32::from(x.abs_diff(own)), id)).collect();
            expected.sort_unstable();
            expected.truncate(4);
            let got: Vec<(u32, u32)> = topology.list().iter().map(|n| (n.distance, n.id.get())).collect();
            prop_assert_eq!(&got, &expected);
            prop_assert_eq!(changed, before != ids(&topology));
            prop_assert_eq!(topology.counters().changes - notices, u32::from(changed));
            let again = topology.clone();
            prop_assert!(!topology.elect(now));
            prop_assert_eq!(topology.list(), again.list());
        }
    }

    /// ekk:P9: the order of arrival does not matter.
    #[test]
    fn p09_order_of_arrival(points in proptest::collection::btree_map(1_u32..200, any::<[i16; 3]>(), 0..24), seed: u64) {
        let mut orders = [Vec::from_iter(points.clone()), Vec::from_iter(points)];
        let mut rng = crate::hash::Rng::new(seed);
        for i in (1..orders[1].len()).rev() {
            orders[1].swap(i, rng.below(i as u64 + 1) as usize);
        }
        let lists = orders.map(|order| {
            let mut topology = Small::new(config(0, 0), NodeId::from_raw(1000), [0; 3]).expect("valid");
            for (id, position) in order {
                topology.offer(Time::ZERO, &Candidate::vouched(being(id), position)).expect("room");
            }
            topology.list().to_vec()
        });
        prop_assert_eq!(&lists[0], &lists[1]);
    }

    /// ekk:P10: with damping, at most one replacement a place and residence window, except by loss; free places are filled at once;
    /// and without further news the list comes to within the margin of the best.
    #[test]
    fn p10_damped(steps in steps(), margin in 0_u32..8) {
        let residence = Span::from_ms(500);
        let mut topology = Small::new(config(500, margin), NodeId::from_raw(10), [0; 3]).expect("valid");
        let mut now = Time::from_ms(1);
        for step in steps {
            let before: Vec<Neighbour> = topology.list().to_vec();
            let gone = match step {
                Step::Offer(id, x) => {
                    topology.offer(now, &Candidate::vouched(being(id), [x, 0, 0])).expect("room");
                    0
                }
                Step::Remove(id) => {
                    topology.removed(now, NodeId::from_raw(id));
                    id
                }
                Step::Move(x) => {
                    topology.moved(now, [x, 0, 0]);
                    0
                }
                Step::Wait(ms) => {
                    now = now.after(Span::from_ms(ms.into()));
                    topology.tick(now);
                    0
                }
            };
            for old in before.iter().filter(|old| old.id.get() != gone) {
                let kept = topology.is_neighbour(old.id);
                prop_assert!(kept || now.since(old.since) >= residence, "{} left after {}", old.id, now.since(old.since));
            }
            prop_assert_eq!(topology.list().len(), topology.known().min(4));
            prop_assert!(topology.list().is_sorted_by_key(|n| (n.distance, n.id)));
        }
        for _ in 0..20 {
            now = now.after(residence);
            topology.tick(now);
        }
        let farthest = topology.list().last().map_or(0, |n| n.distance);
        let outside = (1..20).map(NodeId::from_raw).filter(|&id| !topology.is_neighbour(id));
        let nearest = outside.filter_map(|id| topology.candidate(id));
        let nearest = nearest.map(|c| distance(Metric::Physical, (NodeId::from_raw(10), topology.position), &c)).min();
        prop_assert!(nearest.is_none_or(|nearest| nearest.saturating_add(margin) >= farthest));
    }

    /// ekk:P12: whoever never came alive vanishes after probation; fakes never displace who is alive.
    #[test]
    fn p12_fakes(
        alive in proptest::collection::btree_set(1_u32..100, 1..12),
        fakes in proptest::collection::vec((100_u32..1000, any::<[i16; 3]>()), 0..100),
    ) {
        let mut topology = Small::new(config(0, 0), NodeId::from_raw(5000), [0; 3]).expect("valid");
        let mut now = Time::from_ms(1);
        for &id in &alive {
            topology.offer(now, &Candidate::new(being(id), [i16::MAX; 3])).expect("room");
            topology.vouch(now, NodeId::from_raw(id));
        }
        let honest = ids(&topology);
        for (id, position) in fakes {
            now = now.after(Span::from_ms(1));
            let _ = topology.offer(now, &Candidate::new(being(id), position));
            prop_assert!(honest.iter().all(|&id| topology.is_neighbour(id)));
        }
        topology.tick(now.after(config(0, 0).probation));
        prop_assert_eq!(topology.known(), alive.len());
        prop_assert_eq!(ids(&topology), honest);
    }

    /// ekk:P3: distances are symmetric, zero between equal positions only, bounded, and grow along each axis.
    #[test]
    fn p03_distances(a: [i16; 3], b: [i16; 3], axis in 0_usize..3) {
        let from = |me: Position, other: Position| distance(Metric::Physical, (NodeId::from_raw(1), me), &Candidate::new(being(2), other));
        let there = from(a, b);
        prop_assert_eq!(there, from(b, a));
        prop_assert_eq!(there == 0, a == b);
        prop_assert!(there <= 113_509);
        let square: u64 = (0..3).map(|i| (i64::from(a[i]) - i64::from(b[i])).pow(2) as u64).sum();
        let wide = u64::from(there);
        prop_assert!(wide * wide <= square && square < (wide + 1) * (wide + 1));
        let mut farther = b;
        farther[axis] = if b[axis] >= a[axis] { b[axis].saturating_add(1) } else { b[axis].saturating_sub(1) };
        prop_assert!(from(a, farther) >= there);
    }
}
