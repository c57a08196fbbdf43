//! Vectors and regressions of the election.

use std::vec::Vec;

use super::*;
use crate::profile::{Preset, Timing};

type Seed = Topology<7, 64, 128, 0>;
type Product = Topology<7, 64, 128, 16>;

fn node(raw: u32) -> NodeId {
    NodeId::new(raw).expect("a node")
}

fn being(raw: u32, boot_inc: u32) -> Identity {
    Identity { id: node(raw), boot_inc, life: 0 }
}

fn at(raw: u32, position: Position) -> Candidate {
    Candidate::new(being(raw, 0), position)
}

fn on_axis(raw: u32, x: i16) -> Candidate {
    at(raw, [x, 0, 0])
}

fn seed(k: u8, metric: Metric, me: u32, x: i16) -> Seed {
    let config = Config { k, min: k.min(3), metric, ..Config::seed() };
    Topology::new(config, node(me), [x, 0, 0]).expect("valid")
}

fn product(config: Config) -> Product {
    Topology::new(config, node(1), [0; 3]).expect("valid")
}

fn calm() -> Config {
    Config { residence: Span::ZERO, ..Config::product(&Timing::preset(Preset::Lan)) }
}

fn pairs<const K: usize, const N: usize, const C: usize, const T: usize>(
    topology: &Topology<K, N, C, T>,
) -> Vec<(u32, u32)> {
    topology.list().iter().map(|neighbour| (neighbour.id.get(), neighbour.distance)).collect()
}

const T0: Time = Time::from_ms(1);

/// `ekk:V2`.
#[test]
fn v02_two_topologies_do_not_touch_each_other() {
    let (mut first, mut second) = (seed(2, Metric::Physical, 1, 0), seed(2, Metric::Physical, 9, 1000));
    assert_eq!(first.offer(T0, &on_axis(2, 1)), Ok(true));
    assert_eq!(first.offer(T0, &on_axis(3, 100)), Ok(true));
    assert_eq!((second.counters().changes, pairs(&first)), (0, [(2, 1), (3, 100)].to_vec()));
    assert_eq!(second.offer(T0, &on_axis(20, 1001)), Ok(true));
    assert_eq!(second.offer(T0, &on_axis(21, 1002)), Ok(true));
    assert_eq!(pairs(&second), [(20, 1), (21, 2)]);
    assert_eq!((first.counters().changes, pairs(&first)), (2, [(2, 1), (3, 100)].to_vec()));
}

/// `ekk:V3`, `ekk:V4`, `ekk:V5`.
#[test]
fn v03_v04_v05_nearer_replaces_farther_whatever_the_order() {
    let mut topology = seed(2, Metric::Physical, 1, 0);
    for (id, x) in [(2, 1), (3, 100)] {
        assert_eq!(topology.offer(T0, &on_axis(id, x)), Ok(true));
    }
    assert_eq!(pairs(&topology), [(2, 1), (3, 100)]);
    assert_eq!(topology.offer(T0, &on_axis(4, 2)), Ok(true));
    assert_eq!(pairs(&topology), [(2, 1), (4, 2)], "V3");
    assert_eq!(topology.offer(T0, &on_axis(5, 200)), Ok(false));
    assert_eq!(pairs(&topology), [(2, 1), (4, 2)], "V4");
    let mut other = seed(2, Metric::Physical, 1, 0);
    for (id, x) in [(3, 100), (4, 2), (2, 1)] {
        other.offer(T0, &on_axis(id, x)).expect("room");
    }
    assert_eq!(pairs(&other), pairs(&topology), "V5");
}

/// `ekk:V6`, and what the seed forgot to refuse (ekk:D-38).
#[test]
fn v06_d38_bad_configurations_are_refused() {
    let new = |config: Config, me: u32| Seed::new(config, NodeId::from_raw(me), [0; 3]).map(|_| ());
    assert_eq!(new(Config::seed(), 1), Ok(()));
    assert_eq!(new(Config { k: 0, ..Config::seed() }, 1), Err(ConfigError::Neighbours(0)));
    assert_eq!(new(Config { k: 8, ..Config::seed() }, 1), Err(ConfigError::Neighbours(8)));
    assert_eq!(new(Config { k: 3, min: 4, ..Config::seed() }, 1), Err(ConfigError::Min(4)));
    assert_eq!(new(Config { discovery: Span::ZERO, ..Config::seed() }, 1), Err(ConfigError::Discovery));
    assert_eq!(Metric::from_raw(255), None);
    assert_eq!(Metric::from_raw(3), Some(Metric::Custom));
    assert_eq!(new(Config { min: 0, ..Config::seed() }, 1), Err(ConfigError::Min(0)));
    assert_eq!(new(Config::seed(), 0), Err(ConfigError::Id(NodeId::NONE)));
    assert_eq!(new(Config::seed(), u32::MAX), Err(ConfigError::Id(NodeId::BROADCAST)));
    assert_eq!(new(Config { id_limit: Some(64), ..Config::seed() }, 64), Err(ConfigError::Id(node(64))));
    assert_eq!(new(Config { probation: Span::ZERO, ..Config::seed() }, 1), Err(ConfigError::Probation));
}

/// `ekk:V7`.
#[test]
fn v07_never_more_than_seven() {
    let mut topology = seed(7, Metric::Logical, 1, 0);
    for id in 2..64 {
        topology.offer(T0, &on_axis(id, 0)).expect("room");
        assert!(topology.list().len() <= 7);
    }
    assert_eq!(topology.list().len(), 7);
    assert!(topology.list().iter().all(|neighbour| neighbour.id.is_node()));
}

/// `ekk:N7`.
#[test]
fn n07_logical_order() {
    let mut topology = seed(3, Metric::Logical, 10, 0);
    let expected: [(u32, &[u32]); 4] = [(13, &[13]), (7, &[7, 13]), (12, &[12, 7, 13]), (8, &[8, 12, 7])];
    for (id, list) in expected {
        topology.offer(T0, &on_axis(id, 0)).expect("room");
        assert_eq!(topology.list().iter().map(|neighbour| neighbour.id.get()).collect::<Vec<_>>(), list);
    }
}

/// `ekk:N8`.
#[test]
fn n08_physical_distances() {
    let from_origin = |position| distance(Metric::Physical, (node(1), [0; 3]), &at(2, position));
    assert_eq!(from_origin([3, 4, 0]), 5);
    assert_eq!(from_origin([1, 1, 1]), 1);
    assert_eq!(from_origin([2, 2, 1]), 3);
}

/// ekk:N9, ekk:D-04: the farthest module does not rank nearest.
#[test]
fn n09_d04_far_is_far() {
    let mut topology = seed(2, Metric::Physical, 1, -32_768);
    topology.offer(T0, &on_axis(2, -32_767)).expect("room");
    topology.offer(T0, &on_axis(3, 32_767)).expect("room");
    assert_eq!(pairs(&topology), [(2, 1), (3, 65_535)]);
    let corners = distance(Metric::Physical, (node(1), [i16::MIN; 3]), &at(2, [i16::MAX; 3]));
    assert_eq!(corners, 113_509);
}

/// ekk:D-05, ekk:D-10: verdicts reach the neighbour entry and touch neither position nor distance.
#[test]
fn d05_d10_health_is_set_and_moves_nobody() {
    let mut topology = seed(2, Metric::Physical, 1, 0);
    topology.offer(T0, &on_axis(2, 50)).expect("room");
    assert!(topology.set_health(node(2), Health::Alive));
    assert!(!topology.set_health(node(3), Health::Alive));
    assert_eq!(topology.neighbour(node(2)).map(|n| (n.health, n.distance)), Some((Health::Alive, 50)));
    topology.offer(T0, &on_axis(3, 7)).expect("room");
    assert_eq!(
        topology.neighbour(node(2)).map(|n| (n.health, n.distance)),
        Some((Health::Alive, 50)),
        "survivors keep it"
    );
    // ekk:D-10b: news of ourselves is ignored.
    assert_eq!(topology.offer(T0, &on_axis(1, 9)), Ok(false));
    assert_eq!(topology.known(), 2);
}

/// ekk:D-11: who died is no candidate any more, neighbour or not, and old news does not bring it back.
#[test]
fn d11_the_dead_are_not_elected() {
    let mut topology = product(Config { k: 2, min: 1, ..calm() });
    for (id, x) in [(2, 1), (3, 2), (4, 3)] {
        topology.offer(T0, &Candidate::vouched(being(id, 5), [x, 0, 0])).expect("room");
    }
    assert!(!topology.died(T0, &being(4, 5)), "no neighbour, no change");
    assert!(topology.died(T0, &being(2, 5)));
    assert_eq!(pairs(&topology), [(3, 2)], "the dead candidate did not move up");
    for boot_inc in [5, 4] {
        assert_eq!(topology.offer(T0, &Candidate::vouched(being(2, boot_inc), [1, 0, 0])), Err(Refused::Tombstoned));
    }
    assert_eq!(topology.counters().refused_dead, 2);
    assert_eq!(topology.offer(T0, &Candidate::vouched(being(2, 6), [1, 0, 0])), Ok(true));
    assert_eq!(pairs(&topology), [(2, 1), (3, 2)]);
}

/// ekk:D-12: a loss without a replacement, and the last loss, are changes.
#[test]
fn d12_every_loss_is_noticed_once() {
    let mut topology = seed(2, Metric::Physical, 1, 0);
    topology.offer(T0, &on_axis(2, 1)).expect("room");
    topology.offer(T0, &on_axis(3, 2)).expect("room");
    topology.offer(T0, &on_axis(4, 3)).expect("room");
    let changes = topology.counters().changes;
    assert!(topology.removed(T0, node(2)));
    assert_eq!(topology.counters().changes, changes + 1, "replaced: one notice");
    assert!(topology.removed(T0, node(3)));
    assert!(topology.removed(T0, node(4)));
    assert_eq!(topology.counters().changes, changes + 3);
    assert!(!topology.removed(T0, node(4)));
    assert!(topology.list().is_empty());
}

/// ekk:D-13: an incumbent stays for its residence time, unless it is lost; a margin keeps near rivals from taking turns.
#[test]
fn d13_residence_and_margin() {
    let residence = Span::from_ms(500);
    let mut topology = product(Config { k: 2, min: 1, residence, margin: 10, ..calm() });
    let vouched = |id, x| Candidate::vouched(being(id, 0), [x, 0, 0]);
    topology.offer(T0, &vouched(2, 100)).expect("room");
    topology.offer(T0, &vouched(3, 200)).expect("room");
    assert_eq!(topology.offer(T0, &vouched(4, 50)), Ok(false), "held back");
    assert!(!topology.settled());
    assert!(!topology.tick(T0.after(Span::from_ms(499))).changed);
    assert!(topology.tick(T0.after(residence)).changed);
    assert_eq!(pairs(&topology), [(4, 50), (2, 100)]);
    assert!(topology.settled());
    let later = T0.after(Span::from_s(10));
    assert_eq!(topology.offer(later, &vouched(5, 90)), Ok(false), "not nearer by more than the margin");
    assert_eq!(topology.offer(later, &vouched(6, 89)), Ok(true));
    assert!(topology.removed(later, node(6)), "a loss is repaired at once");
    assert_eq!(pairs(&topology), [(4, 50), (5, 90)]);
}

/// ekk:D-16: fakes vanish after probation, never displace who is alive, and do not fill the table for ever.
#[test]
fn d16_fakes_do_not_stay() {
    let mut topology = product(calm());
    for id in 2..9 {
        topology.offer(T0, &at(id, [100, 0, 0])).expect("room");
        topology.vouch(T0, node(id));
    }
    let honest = pairs(&topology);
    for fake in 1000..1200 {
        topology.offer(T0.after(Span(u64::from(fake))), &on_axis(fake, 1)).expect("the oldest fake makes room");
    }
    assert_eq!(pairs(&topology), honest);
    assert_eq!(topology.known(), 64);
    assert_eq!(topology.offer(T0, &Candidate::vouched(being(9, 0), [1, 0, 0])), Ok(true), "real modules find room");
    let tick = topology.tick(T0.after(Span::from_s(3600)));
    assert_eq!((tick.expired, topology.known()), (56, 8));
}

/// A full table of good candidates keeps the nearest.
#[test]
fn a_full_table_keeps_the_nearest() {
    let mut topology = product(calm());
    for id in 2..66 {
        topology.offer(T0, &Candidate::vouched(being(id, 0), [id as i16, 0, 0])).expect("room");
    }
    assert_eq!(topology.offer(T0, &Candidate::vouched(being(500, 0), [500, 0, 0])), Err(Refused::Full));
    assert_eq!(topology.offer(T0, &Candidate::vouched(being(501, 0), [64, 0, 0])), Ok(false));
    assert_eq!((topology.known(), topology.candidate(node(65))), (64, None));
    assert_eq!((topology.counters().refused_full, topology.counters().evicted), (1, 1));
    let mut full = seed(7, Metric::Logical, 1, 0);
    for id in 2..66 {
        full.offer(T0, &on_axis(id, 0)).expect("room");
    }
    assert_eq!(full.offer(T0, &on_axis(66, 0)), Err(Refused::Full), "the seed pushes nobody out");
}

/// ekk:D-31: an announcement that could not be sent is asked for again; ekk:D-37: small clusters have enough.
#[test]
fn d31_d37_announcements() {
    let mut topology = product(calm());
    assert_eq!(topology.tick(T0).announce, 1, "at once");
    assert_eq!(topology.tick(T0.after(Span(1))).announce, 0);
    topology.announce_failed();
    assert_eq!(topology.tick(T0.after(Span(2))).announce, 1);
    assert_eq!(topology.counters().announcements_failed, 1);
    assert_eq!([1, 2, 3, 4, 100].map(|members| topology.enough(members)), [1, 1, 2, 3, 3]);
    let mut seed = seed(7, Metric::Logical, 1, 0);
    let announces = [249, 250, 499, 500, 750].map(|ms| seed.tick(Time::from_ms(ms)).announce);
    assert_eq!(announces, [0, 1, 0, 1, 1], "the seed's boot");
    assert_eq!(seed.tick(Time::from_ms(2_000)).announce, 1, "V14");
}

/// ekk:D-42: distances beyond the range are the greatest, and never weigh nothing.
#[test]
fn d42_huge_distances_are_clamped() {
    let mut topology = product(Config { metric: Metric::Custom, ..calm() });
    for (id, reading) in [(2, 1 << 23), (3, u32::MAX), (4, (1 << 23) - 1), (5, 10)] {
        topology.offer(T0, &Candidate { reading, ..Candidate::vouched(being(id, 0), [0; 3]) }).expect("room");
    }
    assert_eq!(pairs(&topology), [(5, 10), (2, DISTANCE_MAX), (3, DISTANCE_MAX), (4, DISTANCE_MAX)]);
    let weights: Vec<u32> = topology.list().iter().map(|neighbour| neighbour.weight).collect();
    assert!(weights[0] > weights[1] && weights[1] > 0 && weights[1] == weights[3]);
}

/// The round-trip time as a metric: measured ones come first, and a new reading re-elects.
#[test]
fn round_trip_times_as_metric() {
    let mut topology = product(Config { metric: Metric::Rtt, k: 2, min: 1, ..calm() });
    for id in 2..5 {
        topology.offer(T0, &Candidate::vouched(being(id, 0), [0; 3])).expect("room");
    }
    assert_eq!(pairs(&topology), [(2, DISTANCE_MAX), (3, DISTANCE_MAX)]);
    assert!(topology.reading(T0, node(4), 150));
    assert_eq!(pairs(&topology), [(4, 150), (2, DISTANCE_MAX)]);
    assert!(!topology.reading(T0, node(77), 1));
}

/// A move of our own changes every distance.
#[test]
fn moving_elects_anew() {
    let mut topology = seed(1, Metric::Physical, 1, 0);
    topology.offer(T0, &on_axis(2, 10)).expect("room");
    topology.offer(T0, &on_axis(3, 100)).expect("room");
    assert!(topology.moved(T0, [99, 0, 0]));
    assert_eq!(pairs(&topology), [(3, 1)]);
    assert!(!topology.moved(T0, [98, 0, 0]), "another distance, the same list");
    assert_eq!(pairs(&topology), [(3, 2)]);
}

/// membership:MB-12: the dead are kept for 24 hours or until the oldest makes room.
#[test]
fn tombstones_are_bounded_in_time_and_number() {
    let mut stones = Tombstones::<4>::new();
    let hour = |h: u64| Time(h * 3_600_000_000_000);
    for id in 1..=5 {
        stones.bury(hour(u64::from(id)), &being(id, 3));
    }
    assert_eq!((stones.len(), stones.get(hour(5), node(1))), (4, None), "the oldest made room");
    assert!(stones.blocks(hour(5), &being(2, 3)) && stones.blocks(hour(5), &being(2, 2)));
    assert!(!stones.blocks(hour(5), &being(2, 4)));
    stones.bury(hour(6), &being(2, 1));
    assert_eq!(stones.get(hour(6), node(2)), Some(being(2, 3)), "an earlier death is no news");
    assert!(!stones.blocks(hour(26), &being(2, 3)) && stones.blocks(hour(26), &being(3, 3)));
    assert_eq!(stones.expire(hour(26)), 1);
    assert!(stones.forget(node(5)) && !stones.forget(node(5)));
    assert_eq!(stones.len(), 2);
}

/// ekk:footprint: 64 candidates and 7 neighbours; the dead are counted apart, 14 bytes each.
#[test]
fn footprint() {
    assert!(size_of::<Topology<7, 64, 128, 0>>() <= 4_400, "{}", size_of::<Topology<7, 64, 128, 0>>());
    assert!(size_of::<Tombstones<1024>>() <= 14 * 1024 + 8);
}
