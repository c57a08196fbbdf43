//! Each property of the network is measured on many datagrams.

use super::*;

const MS: u64 = 1_000_000;

fn network(conditions: Conditions) -> Network {
    Network::new(8, 2, conditions, 7)
}

/// Sends `count` datagrams from 0 to 1, one a millisecond; true = arrived.
fn fates(network: &mut Network, count: u64) -> Vec<bool> {
    (0..count).map(|at| network.carry(at * MS, 0, 1, 100)[0].is_some()).collect()
}

fn lost(fates: &[bool]) -> f64 {
    fates.iter().filter(|came| !**came).count() as f64 / fates.len() as f64
}

#[test]
fn independent_loss_is_what_it_says_and_alone() {
    let mut network = network(Conditions { loss: Chance::new(0.1), ..Conditions::default() });
    let fates = fates(&mut network, 50_000);
    assert!((0.095..0.105).contains(&lost(&fates)), "{}", lost(&fates));
    let pairs = fates.windows(2).filter(|pair| !pair[0] && !pair[1]).count() as f64 / 50_000.0;
    assert!((0.008..0.012).contains(&pairs), "a loss says nothing about the next: {pairs}");
    assert_eq!(network.lost()[Lost::Random as usize], fates.iter().filter(|came| !**came).count() as u64);
}

#[test]
fn bursts_have_their_mean_and_their_length() {
    let mut network = network(Conditions { burst: Some(Burst::new(0.1, 3.0)), ..Conditions::default() });
    let fates = fates(&mut network, 100_000);
    assert!((0.09..0.11).contains(&lost(&fates)), "{}", lost(&fates));
    let bursts = fates.windows(2).filter(|pair| pair[0] && !pair[1]).count() as f64;
    let length = fates.iter().filter(|came| !**came).count() as f64 / bursts;
    assert!((2.8..3.2).contains(&length), "{length}");
}

#[test]
fn one_direction_can_be_lost_and_the_other_not() {
    let mut network = network(Conditions::default());
    network.set_one_way(0, Chance::ALWAYS, Chance::NEVER);
    assert_eq!(network.carry(0, 1, 0, 100), [None, None]);
    assert!(network.carry(0, 0, 1, 100)[0].is_some());
    assert!(!network.reaches(1, 0) && network.reaches(0, 1));
    network.calm();
    assert!(network.carry(0, 1, 0, 100)[0].is_some());
}

#[test]
fn a_partition_separates_sides_only() {
    let mut network = network(Conditions::default());
    network.set_side(0, 1);
    network.set_side(2, 1);
    assert_eq!(network.carry(0, 0, 1, 100), [None, None]);
    assert!(network.carry(0, 0, 2, 100)[0].is_some() && network.carry(0, 1, 3, 100)[0].is_some());
    assert_eq!(network.lost()[Lost::Partition as usize], 1);
}

#[test]
fn flapping_links_are_down_for_their_share() {
    let mut network = network(Conditions::default());
    network.set_flap(1, Some(Flap { period_ns: 100 * MS, down_ns: 30 * MS, phase_ns: 0 }));
    let fates = fates(&mut network, 1_000);
    assert!((lost(&fates) - 0.3).abs() < 1e-9, "{}", lost(&fates));
    assert!(!fates[29] && fates[30]);
}

#[test]
fn an_uplink_fails_for_all_behind_it_at_once() {
    let mut network = network(Conditions::default());
    network.add_uplink(&[0, 2], Uplink::new(0.2, 300 * MS, None));
    let mut down = 0;
    for at in 0..50_000 {
        let both = [0, 2].map(|node| network.carry(at * MS, node, 1, 100)[0].is_some());
        assert_eq!(both[0], both[1], "at {at} ms");
        assert!(network.carry(at * MS, 0, 2, 100)[0].is_some(), "not over the uplink");
        down += u32::from(!both[0]);
    }
    assert!((7_500..12_500).contains(&down), "{down}");
}

#[test]
fn bandwidth_delays_and_then_drops() {
    let mut network =
        network(Conditions { bandwidth: Some(1_000_000), delay_ns: 0, jitter_ns: 0, ..Conditions::default() });
    assert_eq!(network.carry(0, 0, 2, 1_000), [Some(MS), None]);
    assert_eq!(network.carry(0, 0, 2, 1_000), [Some(2 * MS), None]);
    let came = (0..1_000).filter(|_| network.carry(0, 0, 2, 1_000)[0].is_some()).count();
    assert_eq!(came, 199, "200 ms of queue, of which 2 were taken");
    assert!(network.lost()[Lost::Bandwidth as usize] > 0);
}

#[test]
fn delay_jitter_reordering_and_duplication() {
    let conditions = Conditions {
        delay_ns: MS,
        jitter_ns: MS,
        zone_delay_ns: 5 * MS,
        duplicate: Chance::new(0.5),
        reorder: Chance::new(0.25),
        reorder_ns: 20 * MS,
        ..Conditions::default()
    };
    let mut network = network(conditions);
    let (mut twice, mut late) = (0, 0);
    for _ in 0..10_000 {
        let [Some(first), second] = network.carry(0, 0, 2, 100) else { panic!("nothing is lost") };
        let early = MS..=2 * MS;
        let overtaken = 21 * MS..=22 * MS;
        assert!(early.contains(&first) || overtaken.contains(&first), "{first}");
        late += u32::from(overtaken.contains(&first));
        twice += u32::from(second.is_some());
    }
    assert!((4_800..5_200).contains(&twice), "{twice}");
    assert!((2_300..2_700).contains(&late), "{late}");
    let across = network.carry(0, 0, 1, 100)[0].expect("nothing is lost");
    assert!(across >= 6 * MS, "another zone is farther: {across}");
}
