//! Who does not get in, and what both sides are told: a foreign CA, another configuration, a certificate used twice, an address
//! used twice.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::Snapshot;
use nix::sys::signal::Signal;
use trefoil_tests::harness::cluster::{Cluster, formed, seen, sees};
use trefoil_tests::harness::lab::lacks_lab;
use trefoil_tests::harness::node::said;
use trefoil_tests::harness::{guard, lane, skipped};

const BUDGET: Duration = Duration::from_secs(600);

fn told(snapshot: &Snapshot, words: &[&str]) -> bool {
    snapshot.events.iter().any(|event| words.iter().all(|word| event.text.contains(word)))
}

// membership:MB-10, decisions:CLU-8: a node whose certificate comes from another CA of the same name takes no part; both sides name
// the reason; the others form without it.
#[test]
fn clu_8_a_foreign_ca_is_named_on_both_sides() {
    if skipped("clu_8_a_foreign_ca_is_named_on_both_sides", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_8_a_foreign_ca_is_named_on_both_sides", BUDGET);
    let cluster = Cluster::new("ca", 3, 1500);
    cluster.authority("other");
    cluster.issue("other", 3);
    let mut nodes = vec![cluster.launch(&cluster.plan(1)), cluster.launch(&cluster.plan(2))];
    let mut foreign = cluster.plan(3);
    foreign.ca = cluster.scratch.join("other");
    nodes.push(cluster.launch(&foreign));
    for node in &nodes[..2] {
        formed(node, 2);
        node.wait("the foreign CA to be named", |snapshot| told(snapshot, &["n3", "CA"]));
        let view = seen(node);
        assert!(!view.sessions.iter().any(|session| session.id == 3), "{:?}", view.sessions);
    }
    nodes[2].wait("its CA to be named to itself", |snapshot| told(snapshot, &["CA"]));
    let view = sees(&nodes[2], "it to wait", |view| !view.bootstrap.waiting.is_empty());
    assert_eq!((view.bootstrap.formation, view.sessions.len()), (0, 0), "{view:?}");
    let shown = said(&nodes[2].ask(&["bootstrap"]));
    assert!(shown.contains("CA"), "{shown}");
}

// decisions:CLU-8: a founder that was told other founders takes no part; `trefoil bootstrap` shows on both sides which
// field differs.
#[test]
fn clu_8_a_config_mismatch_shows_the_field_on_both_sides() {
    if skipped("clu_8_a_config_mismatch_shows_the_field_on_both_sides", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_8_a_config_mismatch_shows_the_field_on_both_sides", BUDGET);
    let cluster = Cluster::new("mismatch", 3, 1500);
    let mut other = cluster.plan(2);
    other.founders = vec![1, 2];
    let nodes = [cluster.launch(&cluster.plan(1)), cluster.launch(&other)];
    for node in &nodes {
        sees(node, "the mismatch", |view| {
            view.bootstrap.waiting.iter().any(|waiting| waiting.reason == "config-mismatch")
        });
        let shown = said(&node.ask(&["bootstrap"]));
        assert!(shown.contains("founders"), "{shown}");
        assert_eq!(seen(node).bootstrap.formation, 0);
    }
}

// decisions:CLU-7: two live nodes with one certificate: both and their peers say so.
#[test]
fn clu_7_one_certificate_on_two_hosts_is_said() {
    if skipped("clu_7_one_certificate_on_two_hosts_is_said", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_7_one_certificate_on_two_hosts_is_said", BUDGET);
    let cluster = Cluster::new("twice", 3, 1500);
    let nodes = cluster.form(|_| {});
    let host = cluster.lab.host(9);
    let mut twin = cluster.plan(3);
    twin.tori = false;
    let twin = cluster.launch_on(&host, "twin", &twin);
    sees(&nodes[0], "the duplicate", |view| view.duplicate_identity.contains("node 3"));
    nodes[0].wait("an event about it", |snapshot| told(snapshot, &["n3", "both alive"]));
    // The one that was there first stays.
    for node in &nodes[..2] {
        formed(node, 3);
    }
    drop(twin);
}

// decisions:CLU-5: a second host takes the address of a node: what it sends proves nothing and changes nothing; when it is gone, all
// is as before.
#[test]
fn clu_5_an_address_used_twice_changes_nothing() {
    if skipped("clu_5_an_address_used_twice_changes_nothing", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_5_an_address_used_twice_changes_nothing", BUDGET);
    let cluster = Cluster::new("address", 3, 1500);
    let nodes = cluster.form(|_| {});
    let thief = cluster.lab.host(9);
    thief.address("add", cluster.host(3).address);
    let send = "for i in $(seq 200); do echo stolen-$i >/dev/udp/10.77.0.1/7946; sleep 0.01; done";
    let done = thief.command("bash").args(["-c", send]).status().unwrap();
    assert!(done.success());
    sees(&nodes[0], "datagrams that are none of ours", |view| {
        view.plane.dropped.iter().map(|(_, count)| count).sum::<u64>() >= 200
    });
    thief.address("del", cluster.host(3).address);
    for node in &nodes {
        formed(node, 3);
        let status = node.status().unwrap();
        assert!(status.tori[0].conserved(), "{:?}", status.tori[0]);
    }
}

// rse:B7: an address that somebody holds is said and waited for, a moment later it may be free; the wait hears a signal. Here the
// holder is another agent on the same host.
#[test]
fn rse_b7_a_wait_for_an_address_is_said_and_called_off() {
    if skipped("rse_b7_a_wait_for_an_address_is_said_and_called_off", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("rse_b7_a_wait_for_an_address_is_said_and_called_off", BUDGET);
    let cluster = Cluster::new("held", 1, 1500);
    let first = cluster.start(&cluster.plan(1));
    let mut second = cluster.launch_on(cluster.host(1), "second", &cluster.plan(1));
    second.wait("the address", |snapshot| told(snapshot, &["10.77.0.1:7946", "still in use"]));
    second.signal(Signal::SIGTERM);
    let code = second.end().code();
    assert_eq!(code, Some(0), "nothing failed, it never ran: {}", second.printed());
    assert!(second.printed().contains("before it was part of its cluster"), "{}", second.printed());
    assert!(first.status().is_some());
}
