//! The life of a cluster as its operator leads it: restart without state, ballots, drain, leave, maintenance, a smaller MTU.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::cluster::Health;
use nix::sys::signal::Signal;
use trefoil_tests::harness::cluster::{Cluster, formed, health, seen, sees};
use trefoil_tests::harness::lab::lacks_lab;
use trefoil_tests::harness::node::{Node, said};
use trefoil_tests::harness::{guard, lane, skipped};

const BUDGET: Duration = Duration::from_secs(600);

fn asks(node: &Node, words: &[&str]) -> String {
    let output = node.ask(words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

// decisions:CLU-7: a node that comes back without its state begins at incarnation 1 again; the others know better,
// and it returns in a later life; nobody else is removed. One that is killed and started at once returns as well.
#[test]
fn clu_7_a_node_without_its_state_returns() {
    if skipped("clu_7_a_node_without_its_state_returns", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_7_a_node_without_its_state_returns", BUDGET);
    let cluster = Cluster::new("stateless", 3, 1500);
    let mut nodes = cluster.form(|_| {});
    nodes[2].signal(Signal::SIGKILL);
    nodes[2].end();
    sees(&nodes[0], "n3 to be removed", |view| view.members.removed == 1);
    std::fs::remove_dir_all(cluster.scratch.join("state-n3")).unwrap();
    nodes[2] = cluster.start(&cluster.plan(3));
    for node in &nodes {
        formed(node, 3);
    }
    let view = seen(&nodes[0]);
    let back = view.watches.iter().find(|watch| watch.id == 3).unwrap();
    assert!((back.boot_inc, back.life) > (1, 0), "newer than what was removed: {}.{}", back.boot_inc, back.life);
    assert!(view.removals.iter().all(|removal| removal.id == 3), "{:?}", view.removals);

    // Started again at once, as an init system does: its former self's ring may still hold its address.
    let before = (back.boot_inc, back.life);
    nodes[2].signal(Signal::SIGKILL);
    nodes[2].end();
    nodes[2] = cluster.start(&cluster.plan(3));
    let newer = |view: &control::ClusterSnapshot| {
        view.watches.iter().any(|watch| watch.id == 3 && (watch.boot_inc, watch.life) > before)
    };
    for node in &nodes[..2] {
        sees(node, "n3 in a later incarnation", newer);
    }
    for node in &nodes {
        formed(node, 3);
    }
}

// decisions:CLU-9, decisions:CLU-11: over links of MTU 1 400 the braid works as ever, nothing is too long; ballots from the command
// line are decided everywhere, by policy and by hand.
#[test]
fn clu_9_ballots_are_decided_and_a_small_mtu_is_enough() {
    if skipped("clu_9_ballots_are_decided_and_a_small_mtu_is_enough", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_9_ballots_are_decided_and_a_small_mtu_is_enough", BUDGET);
    let cluster = Cluster::new("ballots", 3, 1400);
    let nodes = cluster.form(|plan| {
        plan.cluster = "[cluster.link]\nmtu = 1400".to_owned();
    });
    for node in &nodes {
        let view = sees(node, "projections", |view| view.edges.iter().all(|edge| edge.applied > 20));
        assert!(!view.plane.dropped.iter().any(|(reason, _)| reason.contains("too long")), "{:?}", view.plane);
    }
    asks(&nodes[0], &["propose", "power-limit", "500", "--scope", "cluster"]);
    for node in &nodes {
        let view = sees(node, "the decision", |view| view.ballots.iter().any(|ballot| ballot.result == "approved"));
        let yes = view.ballots[0].votes.iter().filter(|(_, vote)| vote == "yes").count();
        assert!(yes >= 2, "{:?}", view.ballots);
    }
    asks(&nodes[1], &["propose", "custom0", "7", "--scope", "cluster"]);
    let mine = |node: &Node| {
        let asked = |view: &control::ClusterSnapshot| {
            view.ballots.iter().any(|ballot| ballot.proposer == 2 && ballot.own_vote == "ask")
        };
        sees(node, "to be asked", asked).ballots.iter().find(|ballot| ballot.proposer == 2).unwrap().number
    };
    for node in [&nodes[0], &nodes[2]] {
        let number = mine(node).to_string();
        asks(node, &["ballots", "vote", "2", &number, "no"]);
    }
    for node in &nodes {
        sees(node, "the rejection", |view| {
            view.ballots.iter().any(|ballot| ballot.proposer == 2 && ballot.result == "rejected")
        });
        assert!(asks(node, &["ballots"]).contains("rejected"));
    }
}

// decisions:CLU-19, membership:MB-11: a node that drains says no; one under maintenance may be silent and is not removed; one that
// leaves hands its work over first and is told of as left, not as dead.
#[test]
fn clu_19_drain_maintenance_and_leave() {
    if skipped("clu_19_drain_maintenance_and_leave", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_19_drain_maintenance_and_leave", BUDGET);
    let cluster = Cluster::new("operator", 3, 1500);
    let mut nodes = cluster.form(|_| {});

    asks(&nodes[1], &["drain", "on"]);
    sees(&nodes[0], "n2 to say no", |view| {
        view.fields.neighbours.iter().any(|field| field.id == 2 && field.values[0] >= 0.99)
    });
    asks(&nodes[1], &["drain", "off"]);
    sees(&nodes[0], "n2 to take work again", |view| {
        view.fields.neighbours.iter().any(|field| field.id == 2 && field.values[0] < 0.99)
    });

    asks(&nodes[0], &["maintenance", "n3", "10m"]);
    for node in &nodes {
        sees(node, "the maintenance", |view| view.notes.iter().any(|note| note.contains("maintenance n3")));
    }
    nodes[2].signal(Signal::SIGSTOP);
    for node in &nodes[..2] {
        let silent = |view: &control::ClusterSnapshot| {
            view.watches.iter().any(|watch| watch.id == 3 && watch.missed > 3 * watch.threshold)
        };
        assert!(sees(node, "n3 to be silent for long", silent).removals.is_empty());
    }
    nodes[2].signal(Signal::SIGCONT);
    for node in &nodes {
        assert!(formed(node, 3).removals.is_empty());
    }
    asks(&nodes[0], &["maintenance", "n3", "end"]);

    nodes[2].wait("work on n3", |snapshot| snapshot.tori[0].pending > 0);
    assert!(asks(&nodes[2], &["leave"]).contains("handing work over"));
    for node in &nodes[..2] {
        let view = sees(node, "n3 to have left", |view| view.members.left == 1);
        assert_eq!((view.members.known, view.members.removed), (2, 0), "{:?}", view.removals);
        assert_ne!(health(&view, 3), Some(Health::Alive));
    }
    let told = |snapshot: &control::Snapshot| {
        snapshot.events.iter().any(|event| event.text.contains("leaving the cluster: all work was handed over"))
    };
    assert_eq!(nodes[2].wait("the last word", told).tori[0].pending, 0);
    nodes[0].wait("all work on n1 and n2", |here| {
        nodes[1].status().is_some_and(|there| here.tori[0].pending + there.tori[0].pending == 900)
    });
    asks(&nodes[2], &["stop"]);
    nodes[2].end();
    nodes[2] = cluster.start(&cluster.plan(3));
    for node in &nodes {
        formed(node, 3);
    }
}
