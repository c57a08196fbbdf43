//! What happens to hosts of a cluster: death, a freeze, a partition, loss in one direction.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::Snapshot;
use control::cluster::{ClusterSnapshot, Health};
use nix::sys::signal::Signal;
use trefoil_tests::harness::cluster::{Cluster, formed, health, seen, sees};
use trefoil_tests::harness::lab::{Host, lacks_lab};
use trefoil_tests::harness::node::{Node, said};
use trefoil_tests::harness::{guard, lane, skipped};

const BUDGET: Duration = Duration::from_secs(600);

fn removed(view: &ClusterSnapshot, id: u32) -> bool {
    view.removals.iter().any(|removal| removal.id == id && removal.kind == "dead")
}

fn told(snapshot: &Snapshot, words: &str) -> bool {
    snapshot.events.iter().any(|event| event.text.contains(words))
}

/// Does something to hosts 1 to 3, to all at the same time: on a busy machine the kernel takes seconds to change rules.
fn near(cluster: &Cluster, change: impl Fn(&Host) + Sync) {
    std::thread::scope(|scope| {
        for id in 1..=3 {
            let change = &change;
            scope.spawn(move || change(cluster.host(id)));
        }
    });
}

fn works(node: &Node) {
    let before = node.status().unwrap().tori[0].executed;
    let after = node.wait("its torus to go on", |snapshot| snapshot.tori[0].executed > before + 1_000);
    assert!(after.tori[0].conserved(), "{:?}", after.tori[0]);
}

// membership:MB-4, membership:MB-15, decisions:CLU-6: seven form; one is killed hard and removed by certificate; whoever is asked
// can say who heard it last; nobody else is removed and the tori go on.
#[test]
fn mb_15_a_killed_host_is_removed_by_certificate_and_everybody_can_say_why() {
    if skipped("mb_15_a_killed_host_is_removed_by_certificate_and_everybody_can_say_why", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("mb_15_a_killed_host_is_removed_by_certificate_and_everybody_can_say_why", BUDGET);
    let cluster = Cluster::new("killed", 7, 1500);
    let mut nodes = cluster.form(|_| {});
    nodes[4].signal(Signal::SIGKILL);
    assert!(!nodes[4].end().success());
    nodes.remove(4);
    for node in &nodes {
        let view = sees(node, "n5 to be removed", |view| removed(view, 5));
        let removal = &view.removals[0];
        let stated: Vec<_> = removal.statements.iter().filter(|statement| statement.stated).collect();
        assert!(stated.len() as u32 >= removal.quorum && removal.quorum >= 2, "{removal:?}");
        assert!(stated.iter().all(|statement| statement.missed >= removal.threshold), "{removal:?}");
        assert_eq!((view.members.known, view.members.removed), (6, 1), "{:?}", view.removals);
        let why = said(&node.ask(&["why", "n5"]));
        for statement in stated {
            assert!(why.contains(&format!("n{}", statement.watcher)), "{why}");
        }
        assert!(why.contains("heartbeat"), "{why}");
    }
    nodes[..3].iter().for_each(works);
    for node in &nodes {
        assert_eq!(seen(node).members.removed, 1, "nobody else");
    }
}

// decisions:CLU-7, decisions:CLU-13: a frozen host is removed; thawed, it removes nobody, hears of its death and
// returns in a later life.
#[test]
fn clu_7_a_frozen_host_returns_in_a_later_life() {
    if skipped("clu_7_a_frozen_host_returns_in_a_later_life", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_7_a_frozen_host_returns_in_a_later_life", BUDGET);
    let cluster = Cluster::new("frozen", 3, 1500);
    let nodes = cluster.form(|_| {});
    nodes[2].signal(Signal::SIGSTOP);
    for node in &nodes[..2] {
        sees(node, "n3 to be removed", |view| removed(view, 3));
    }
    nodes[2].signal(Signal::SIGCONT);
    for node in &nodes {
        formed(node, 3);
    }
    for node in &nodes[..2] {
        let view = sees(node, "n3 to live again", |view| health(view, 3) == Some(Health::Alive));
        let back = view.watches.iter().find(|watch| watch.id == 3).unwrap();
        assert_eq!((back.boot_inc, back.life), (1, 1), "the same process in a later life");
    }
    assert!(!removed(&seen(&nodes[2]), 1) && !removed(&seen(&nodes[2]), 2), "a late riser removes nobody");
    nodes.iter().for_each(works);
}

// membership:MB-14, decisions:CLU-19: two of five are cut off; each part goes on; healed, they are one again and say what was undone.
#[test]
fn mb_14_a_partition_heals_and_says_what_was_undone() {
    if skipped("mb_14_a_partition_heals_and_says_what_was_undone", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("mb_14_a_partition_heals_and_says_what_was_undone", BUDGET);
    let cluster = Cluster::new("partition", 5, 1500);
    let nodes = cluster.form(|_| {});
    let formation = seen(&nodes[0]).bootstrap.formation;
    let far = [cluster.host(4).address, cluster.host(5).address];
    near(&cluster, |host| host.cut_off(&far));
    for node in &nodes[..3] {
        sees(node, "the far side to be removed", |view| removed(view, 4) && removed(view, 5));
    }
    nodes[..3].iter().for_each(works);
    for node in &nodes[3..] {
        let view = seen(node);
        assert!(!(1..=3).any(|id| removed(&view, id)), "the smaller part removes nobody: {:?}", view.removals);
    }
    near(&cluster, Host::heal);
    for node in &nodes {
        let view = formed(node, 5);
        assert_eq!(view.bootstrap.formation, formation, "no split");
        let lives: Vec<_> = view.watches.iter().filter(|watch| watch.id >= 4).map(|watch| watch.life).collect();
        assert!(lives.iter().all(|life| *life == 1), "{lives:?}");
    }
    for node in &nodes[..3] {
        node.wait("a heal report", |snapshot| told(snapshot, "two parts of the cluster met"));
    }
    nodes[..3].iter().for_each(works);
}

// membership:MB-7, decisions:CLU-16, decisions:CLU-13: a host that hears nothing removes nobody; one that loses some of
// what it says is not removed.
#[test]
fn clu_16_loss_in_one_direction_removes_nobody_wrongly() {
    if skipped("clu_16_loss_in_one_direction_removes_nobody_wrongly", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_16_loss_in_one_direction_removes_nobody_wrongly", BUDGET);
    let cluster = Cluster::new("oneway", 5, 1500);
    let nodes = cluster.form(|_| {});
    cluster.host(5).lose(100, 0);
    sees(&nodes[4], "the deaf one to doubt itself", |view| view.doubt > 1.0 || view.muted);
    // Far longer than a threshold takes.
    let received = |node: &Node| seen(node).sessions.iter().map(|session| session.received).sum::<u64>();
    let before = received(&nodes[0]);
    nodes[0].wait("many more heartbeats", |_| received(&nodes[0]) > before + 300);
    for node in &nodes {
        assert!(seen(node).removals.is_empty(), "{:?}", seen(node).removals);
    }
    cluster.host(5).lose(0, 30);
    for node in &nodes {
        formed(node, 5);
    }
    let before = received(&nodes[0]);
    nodes[0].wait("many more heartbeats", |_| received(&nodes[0]) > before + 300);
    cluster.host(5).heal();
    for node in &nodes {
        assert!(formed(node, 5).removals.is_empty(), "{:?}", seen(node).removals);
    }
}
