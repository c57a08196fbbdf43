//! What is claimed in numbers (`decisions:CLU-16`): detection, false removals, constant cost, foca beside it.

mod common;

use common::{deep, holds, run, scenario};
use sim::Scenario;
use sim::invariants::Checks;
use sim::random::Chance;
use sim::run::{self, Options};

/// Coordination costs a node the same in a cluster of a hundred as in one many times as large.
#[test]
fn cost_does_not_grow_with_the_cluster_clu_16() {
    let sizes: &[u32] = if deep() { &[100, 1_000, 10_000] } else { &[100, 400] };
    let cost = |&nodes: &u32| run("quiet", nodes, 3).coordination_bytes_per_node_s;
    let costs: Vec<f64> = sizes.iter().map(cost).collect();
    let (least, most) = costs.iter().fold((f64::MAX, 0.0_f64), |(a, b), &cost| (a.min(cost), b.max(cost)));
    assert!(most / least < 1.10, "{costs:?} bytes a node and second");
}

/// `membership:MB-8`: ten thousand nodes know of a crash as fast as claimed. Long: only when asked for.
#[test]
fn ten_thousand_nodes_detect_in_time_clu_16() {
    let nodes = if deep() { 10_000 } else { 300 };
    let report = run("ten_thousand", nodes, 7);
    holds("ten_thousand", &report);
    assert_eq!(report.detected, report.crashes);
}

/// Nobody living is removed in 10^3 node-hours at 10 % loss (10^5 when asked for). The period is that of `wan`: an hour has a
/// tenth of the heartbeats of `lan`, and a mistake needs the same run of losses in either.
#[test]
fn no_false_removals_in_a_thousand_node_hours_clu_16() {
    let (nodes, hours): (u32, u64) = if deep() { (1_000, 100) } else { (100, 10) };
    let runs: Vec<f64> = std::thread::scope(|scope| {
        let halves = [11_u64, 12].map(|seed| {
            scope.spawn(move || {
                let mut scenario = Scenario::quiet(nodes / 2, hours * 3_600);
                scenario.preset = ekk::profile::Preset::Wan;
                scenario.network.loss = Chance::new(0.1);
                scenario.expect.false_removals = Some(0);
                let report = run::trefoil(&scenario, &Options { seed, ..Options::default() }, &mut |_| true);
                let report = report.expect("a run that can be started");
                assert_eq!(report.violation, None);
                assert_eq!(report.false_removals, 0);
                report.node_hours
            })
        });
        halves.map(|half| half.join().expect("no check failed")).to_vec()
    });
    let total: f64 = runs.iter().sum();
    assert!(total > 0.99 * f64::from(nodes) * hours as f64, "{total} node-hours");
}

/// The accelerated test: with a fixed threshold of T and independent loss p, a watcher speaks once in 1 / (p^T (1 - p)) periods of
/// a link. The rate of statements is within a factor of two of that; removals, which a single watcher that heard more prevents,
/// are rarer than a quorum of statements would be by chance.
#[test]
fn statements_come_as_often_as_the_binomial_says_clu_16() {
    let mut scenario = scenario("accelerated");
    scenario.until_ns = 120_000_000_000;
    let options = Options { nodes: Some(60), seed: 5, until_ns: None };
    let mut world = run::mesh_world(&scenario, &options, Checks::none()).expect("a run that can be started");
    while world.advance(world.now_ns() + 10_000_000_000) {}
    world.finish();
    let (mut statements, mut links) = (0_u64, 0_u64);
    for node in 0..60 {
        let member = world.member(node).expect("nobody crashes");
        statements += u64::from(member.node().membership().counters().statements);
        links += member.node().membership().live_links() as u64;
    }
    let (loss, threshold) = (0.35_f64, 4);
    let periods = 1_200.0 * links as f64;
    let expected = periods * loss.powi(threshold) * (1.0 - loss);
    let ratio = statements as f64 / expected;
    assert!((0.5..2.0).contains(&ratio), "{statements} statements, {expected:.0} expected, {ratio:.2} x");
    let silent = loss.powi(threshold);
    let quorum = 56.0 * silent.powi(5);
    let removals = world.measure().false_removals() as f64;
    assert!(removals <= 2.0 * (60.0 * 1_200.0 * quorum) + 1.0, "{removals} removals");
}

/// Beside foca on the same network: (a) five times as fast as its LAN preset; (b) at as many bytes, fewer mistakes and not twice as
/// slow. The larger the cluster, the slower foca is and the more it sends: this is not true of a handful of nodes.
#[test]
fn beside_foca_clu_16() {
    let names: &[&str] = if deep() { &["loss10", "burst", "one_way"] } else { &["loss10"] };
    let nodes = if deep() { 1_000 } else { 200 };
    for name in names {
        let mut scenario = scenario(name);
        if !deep() {
            scenario.until_ns = 30_000_000_000;
            scenario.calm_ns = scenario.until_ns;
        }
        let options = Options { nodes: Some(nodes), seed: 2, until_ns: None };
        let compared = run::compare(&scenario, &options, &mut |_| true).expect("started");
        let failed: Vec<_> = compared.claims.iter().filter(|claim| claim.holds == Some(false)).collect();
        assert!(failed.is_empty(), "{name}: {failed:#?}\n{}", compared.text());
        assert_eq!(compared.ours.false_removals, 0, "{name}");
    }
}
