//! What the commands print of a made-up cluster.

use control::page::{EventsPage, HostPage, MAGIC, NodePage, VERSION};
use zerocopy::FromZeros;

use super::*;

fn sample() -> ClusterSnapshot {
    serde_json::from_str(include_str!("../../../../control/samples/cluster.json")).expect("a snapshot")
}

fn node() -> Snapshot {
    let mut node = NodePage::new_zeroed();
    (node.magic, node.version, node.now_unix_ns) = (MAGIC, VERSION, 1_700_000_000_000_000_000);
    let events = EventsPage::new_box_zeroed().expect("memory");
    Snapshot::from_pages(&node, &HostPage::default(), &[], &events, 1).expect("sound")
}

#[test]
fn the_mesh_is_shown() {
    insta::assert_snapshot!(tables::mesh(&sample()));
}

#[test]
fn what_is_wrong_stands_above_the_tables() {
    let mut cluster = sample();
    cluster.alone = true;
    cluster.valve = "removals stopped: 4 of 9 members in one window; look, then: trefoil mesh resume".into();
    cluster.plane.mode = "sockets".into();
    cluster.plane.reason = "io_uring refused (EPERM): kernel.io_uring_disabled = 2".into();
    let shown = tables::mesh(&cluster);
    let warned: Vec<&str> = shown.lines().filter(|line| line.starts_with("  ! ")).collect();
    assert_eq!(warned.len(), 4, "{shown}");
    assert!(warned[0].contains("EPERM") && warned[1].contains("resume") && warned[2].contains("alone"), "{warned:?}");
}

#[test]
fn the_bootstrap_says_whom_it_waits_for() {
    let mut cluster = sample();
    let formed = tables::bootstrap(&cluster);
    assert!(!formed.contains("waits"), "{formed}");
    (cluster.bootstrap.label, cluster.bootstrap.overdue, cluster.bootstrap.formation) = ("gathering".into(), true, 0);
    cluster.bootstrap.founders[2].seen = false;
    cluster.bootstrap.waiting = vec![control::cluster::WaitingSnapshot {
        reason: "never-heard".into(),
        peer: Some(3),
        text: "n3 was never heard; is it started, and is 10.0.0.3:7947 reachable from here?".into(),
        since_input: 4,
    }];
    insta::assert_snapshot!(tables::bootstrap(&cluster));
}

#[test]
fn ballots_are_shown() {
    insta::assert_snapshot!(tables::ballots(&sample()));
    let mut cluster = sample();
    cluster.ballots.clear();
    assert!(tables::ballots(&cluster).contains("trefoil propose"));
}

#[test]
fn a_removed_node_is_explained_by_its_record() {
    let cluster = sample();
    insta::assert_snapshot!(why::why(&node(), &cluster, "n8").expect("known"));
    assert_eq!(why::why(&node(), &cluster, "8"), why::why(&node(), &cluster, "#8"));
    cluster_without_names_is_found_by_number(&node());
}

fn cluster_without_names_is_found_by_number(now: &Snapshot) {
    let mut nameless = sample();
    nameless.removals[0].name.clear();
    assert!(why::why(now, &nameless, "n8").is_ok(), "as messages call it");
}

#[test]
fn a_living_node_is_explained_and_an_unknown_one_refused_with_who_is_known() {
    let cluster = sample();
    let shown = why::why(&node(), &cluster, "n3").expect("known");
    assert!(
        shown.contains("nearest, d 2") && shown.contains("4 of 8 misses") && shown.contains("never removed"),
        "{shown}"
    );
    let refused = why::why(&node(), &cluster, "n77").expect_err("unknown");
    assert!(refused.text.contains("n2, n3, n8, n9"), "{}", refused.text);
}

#[test]
fn what_a_hostile_page_says_cannot_steer_the_terminal() {
    let mut cluster = sample();
    cluster.neighbours[0].name = "\x1b[2J".into();
    cluster.removals[0].text = "a\nb\x07".into();
    let shown = tables::mesh(&cluster);
    assert!(!shown.contains('\x1b') && !shown.contains('\x07') && !shown.contains("a\nb"), "{shown}");
}
