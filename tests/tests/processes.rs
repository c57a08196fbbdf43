//! Three processes, one torus each, one region file: the same braid across processes.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::Snapshot;
use control::snapshot::PeerState;
use nix::sys::signal::Signal;
use trefoil_tests::harness::node::Node;
use trefoil_tests::harness::{Scratch, guard, lane};

fn torus(region: &str, id: u32, load: bool) -> String {
    let name = ["A", "B", "C"][id as usize];
    format!(
        "[node]\nwaiting = \"adaptive\"\n[region]\npath = \"{region}\"\npages = \"base\"\n[braid]\ntori = 3\nfloor_us = 20000\n\
         [[torus]]\nname = \"{name}\"\nid = {id}\n[torus.workload]\nkind = \"cycle\"\nnodes = 500\ntokens = 900\nload = {load}\n\
         pace_ticks_per_s = 2000\n"
    )
}

fn peer(snapshot: &Snapshot, id: u32) -> PeerState {
    snapshot.tori[0].peers.iter().find(|peer| peer.id == id).map_or(PeerState::Absent, |peer| peer.state)
}

fn boot(snapshot: &Snapshot, id: u32) -> u64 {
    snapshot.tori[0].peers.iter().find(|peer| peer.id == id).map_or(0, |peer| peer.boot_id)
}

// rse:B5, rse:M3, decisions:NODE-17, decisions:NODE-8: three processes share load; one is killed hard: the others suspect it, go on,
// lose nothing of their own and say so; restarted, it comes back under a new boot id and is fed again.
#[test]
fn node_17_a_killed_process_returns_with_a_new_boot_id() {
    let _lane = lane();
    let _guard = guard("node_17_a_killed_process_returns_with_a_new_boot_id", Duration::from_secs(600));
    let scratch = Scratch::new("three");
    let region = scratch.join("region").display().to_string();
    let a = Node::start(&scratch, "a", &torus(&region, 0, true), &[]);
    let mut b = Node::start(&scratch, "b", &torus(&region, 1, false), &[]);
    let c = Node::start(&scratch, "c", &torus(&region, 2, false), &[]);

    b.wait("B to be fed", |snapshot| snapshot.tori[0].handed_in > 50);
    c.wait("C to be fed", |snapshot| snapshot.tori[0].handed_in > 50);
    let before = a.wait("A to see both", |snapshot| {
        peer(snapshot, 1) == PeerState::Alive && peer(snapshot, 2) == PeerState::Alive
    });
    assert!(before.tori[0].conserved());

    b.signal(Signal::SIGKILL);
    assert!(!b.end().success());
    for survivor in [&a, &c] {
        let seen = survivor
            .wait("B to be suspected", |snapshot| matches!(peer(snapshot, 1), PeerState::Suspect | PeerState::Failed));
        survivor.wait("the worst thing to be B's failure", |snapshot| snapshot.node.worst.contains("torus B failed"));
        let went_on = survivor.wait("it to go on", |snapshot| snapshot.tori[0].executed > seen.tori[0].executed);
        assert!(went_on.tori[0].conserved());
        survivor.wait("an event about B", |snapshot| snapshot.events.iter().any(|event| event.text.contains('B')));
    }

    let b = Node::start(&scratch, "b", &torus(&region, 1, false), &[]);
    let back = a.wait("B to be alive again", |snapshot| {
        peer(snapshot, 1) == PeerState::Alive && boot(snapshot, 1) != boot(&before, 1)
    });
    assert_ne!(boot(&back, 1), boot(&before, 1));
    b.wait("B to be fed again", |snapshot| snapshot.tori[0].handed_in > 0);
    for node in [&a, &b, &c] {
        let snapshot = node.status().expect("it runs");
        assert!(snapshot.tori[0].conserved(), "{:?}", snapshot.tori[0]);
    }
}
