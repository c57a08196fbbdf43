//! Clusters of real processes on hosts of their own: forming, braiding over the network, death and what is told about it.
//! Each host is a namespace of its own, made without root where that is allowed (`decisions:CLU-18`).
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::cluster::{ClusterSnapshot, Health, MeshState};
use nix::sys::signal::Signal;
use trefoil_tests::harness::cluster::{Cluster, formed, health, seen, sees};
use trefoil_tests::harness::lab::lacks_lab;
use trefoil_tests::harness::node::{Node, said};
use trefoil_tests::harness::{guard, lane, skipped};

const BUDGET: Duration = Duration::from_secs(600);

fn dropped(view: &ClusterSnapshot, reason: &str) -> u64 {
    view.plane.dropped.iter().filter(|(name, _)| name.contains(reason)).map(|(_, count)| count).sum()
}

fn level(node: &Node, what: &str) {
    let near = |load: u64| (200..=400).contains(&load);
    node.wait(what, |snapshot| near(snapshot.tori[0].pending) && snapshot.tori[0].conserved());
}

// bootstrap:P4, decisions:CLU-8, decisions:CLU-12: three hosts form; work that starts on one levels out over the network and none
// of it is lost. One is killed hard: the others go on, remove it by certificate and can say why; it returns and braids again.
#[test]
fn clu_12_three_hosts_braid_and_a_killed_one_returns() {
    if skipped("clu_12_three_hosts_braid_and_a_killed_one_returns", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_12_three_hosts_braid_and_a_killed_one_returns", BUDGET);
    let cluster = Cluster::new("braid", 3, 1500);
    let mut nodes = cluster.form(|_| {});
    for node in &nodes {
        level(node, "a third of the work");
        let view = sees(node, "projections of both others", |view| {
            view.state == MeshState::Active && view.edges.len() == 2 && view.edges.iter().all(|edge| edge.applied > 0)
        });
        assert!(view.edges.iter().all(|edge| edge.in_doubt == 0), "{:?}", view.edges);
        assert_eq!(dropped(&view, "tag"), 0, "{:?}", view.plane);
    }
    let formations: Vec<_> = nodes.iter().map(|node| seen(node).bootstrap.formation).collect();
    assert!(formations.iter().all(|formation| *formation == formations[0]), "{formations:?}");

    nodes[1].signal(Signal::SIGKILL);
    assert!(!nodes[1].end().success());
    for node in [&nodes[0], &nodes[2]] {
        let view = sees(node, "n2 to be removed", |view| view.removals.iter().any(|removal| removal.id == 2));
        assert_eq!((view.removals[0].kind.as_str(), view.removals[0].boot_inc), ("dead", 1), "{view:?}");
        let why = said(&node.ask(&["why", "n2"]));
        assert!(why.contains("dead") || why.contains("removed"), "{why}");
        let before = node.status().unwrap().tori[0].executed;
        let after = node.wait("it to go on", |snapshot| snapshot.tori[0].executed > before + 1_000);
        assert!(after.tori[0].conserved(), "{:?}", after.tori[0]);
    }

    nodes[1] = cluster.start(&cluster.plan(2));
    for node in &nodes {
        formed(node, 3);
    }
    let view = seen(&nodes[0]);
    let back = view.watches.iter().find(|watch| watch.id == 2).unwrap();
    assert_eq!((back.boot_inc, health(&view, 2)), (2, Some(Health::Alive)));
    nodes[1].wait("n2 to be fed again", |snapshot| snapshot.tori[0].handed_in > 0);
}
