//! Sessions come up with the same keys on both ends, whoever dials.

use ekk::membership::record::MemberRecord;
use ekk::wire::v1::Reader;

use super::*;
use crate::cluster::bridge::Keys;

/// The keys of the two ends fit; record, boot and address of the other are known; a second wish is answered at once.
#[tokio::test]
async fn keys_are_equal_on_both_ends() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::of(&ca, 2));
    let target = b.target();
    a.dial(target);
    let (at_a, at_b) = joined(&mut a, &mut b).await;
    assert_eq!((at_a.peer, at_a.boot_id, at_a.boot_inc, at_a.epoch, at_a.version), (2, 2, 1, 1, 1));
    assert_eq!((at_b.peer, at_b.boot_id), (1, 1));
    assert_eq!(at_a.address, Some("127.0.0.1:7946".parse().expect("an address")));
    let record = MemberRecord::decode(&mut Reader::new(&at_a.record)).expect("a record");
    assert_eq!(record.identity.id.get(), 2);
    a.dial(target);
    let again = a.up().await;
    assert_eq!((again.epoch, again.keys.send), (1, at_a.keys.send));
    // A seed is dialled without knowing who answers.
    let mut c = Node::of(&ca, 3);
    c.dial(Target::Seed { address: b.address() });
    joined(&mut c, &mut b).await;
    assert_eq!(b.reliable.view().peers.len(), 2);
}

/// When both dial in the same moment, one connection is left, the same on both ends; sessions that come after it have later
/// epochs, because keys of one epoch must never differ.
#[tokio::test]
async fn simultaneous_dials_leave_one_connection() {
    let ca = TestCa::new("demo");
    for round in 0..12_u32 {
        let (mut a, mut b) = (Node::of(&ca, 2 * round + 1), Node::of(&ca, 2 * round + 2));
        let (to_a, to_b) = (a.target(), b.target());
        a.dial(to_b);
        if round % 3 == 1 {
            tokio::task::yield_now().await;
        }
        b.dial(to_a);
        let (mut at_a, mut at_b) = (a.up().await, b.up().await);
        // Later ones replace earlier ones; wait until the two agree.
        while at_a.epoch != at_b.epoch || at_a.keys.send != at_b.keys.receive {
            if at_a.epoch < at_b.epoch || at_a.keys.send != at_b.keys.receive {
                at_a = a.up().await;
            } else {
                at_b = b.up().await;
            }
        }
        fits(&at_a, &at_b);
        let shown = |node: &Node| node.reliable.view().peers.iter().map(|peer| peer.dialled).collect::<Vec<_>>();
        let one = async {
            while shown(&a).len() != 1 || shown(&b).len() != 1 {
                sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, one).await.expect("one connection is left");
        assert_eq!((shown(&a), shown(&b)), (vec![true], vec![false]), "the lower one dialled: round {round}");
        assert_eq!(a.reliable.view().counters.sessions + b.reliable.view().counters.sessions, 2, "round {round}");
    }
}

async fn rekeyed(node: &mut Node, epoch: u32) -> Keys {
    match node.next().await {
        ToLink::Rekey { epoch: found, keys, .. } => {
            assert_eq!(found, epoch);
            keys
        }
        other => panic!("new keys were to come: {other:?}"),
    }
}

/// Key epochs go up by one on both ends, whoever asks, and if both ask at once; each has keys of its own (`decisions:CLU-11`).
#[tokio::test]
async fn epochs_rotate_together() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::of(&ca, 2));
    a.dial(b.target());
    let (first, _) = joined(&mut a, &mut b).await;
    let mut former = vec![first.keys.send];
    for epoch in 2..8 {
        if epoch % 3 != 0 {
            assert!(a.link.send(ToReliable::Rotate { peer: 2 }));
        }
        if epoch % 3 != 1 {
            assert!(b.link.send(ToReliable::Rotate { peer: 1 }));
        }
        let (at_a, at_b) = (rekeyed(&mut a, epoch).await, rekeyed(&mut b, epoch).await);
        assert_eq!((at_a.send, at_a.receive), (at_b.receive, at_b.send));
        assert!(!former.contains(&at_a.send), "epoch {epoch} has keys of its own");
        former.push(at_a.send);
        // Crossing answers are on their way still.
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(a.reliable.view().counters.rotations, 6);
    assert_eq!(b.reliable.view().counters.rotations, 6);
}

/// Keys are renewed by age without being asked for.
#[tokio::test]
async fn old_keys_are_renewed() {
    let ca = TestCa::new("demo");
    let soon = |id| Settings { rekey: Duration::from_millis(60), ..settings(ca.identity(id), id.into(), 1) };
    let (mut a, mut b) = (Node::start(soon(1)), Node::start(soon(2)));
    b.dial(a.target());
    joined(&mut a, &mut b).await;
    for epoch in 2..5 {
        let (at_a, at_b) = (rekeyed(&mut a, epoch).await, rekeyed(&mut b, epoch).await);
        assert_eq!(at_a.send, at_b.receive);
    }
}

/// A session taken up again between the same two boots has a later epoch than any before.
#[tokio::test]
async fn a_session_taken_up_again_has_a_later_epoch() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::of(&ca, 2));
    let mut keys = Vec::new();
    for epoch in 1..4 {
        // The side that dials changes, and with it who remembers.
        let (from, to) = if epoch % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        from.dial(to.target());
        let (up, _) = joined(&mut a, &mut b).await;
        assert_eq!(up.epoch, epoch);
        assert!(!keys.contains(&up.keys.send));
        keys.push(up.keys.send);
        assert!(a.link.send(ToReliable::Disconnect { peer: 2, why: "not needed" }));
        let (peer, why) = b.down().await;
        assert_eq!((peer, why.as_str()), (1, "closed by the peer: not needed"));
    }
}

/// A dial to an address that is no longer right does not keep the peer out that dials meanwhile.
#[tokio::test]
async fn a_stale_address_keeps_nobody_out() {
    let ca = TestCa::new("demo");
    let patient = Times { dial: 2 * PATIENCE, ..times() };
    let patient = Settings { times: patient, ..settings(ca.identity(1), 1, 1) };
    let (mut a, mut b) = (Node::start(patient), Node::of(&ca, 2));
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    a.dial(Target::Node { id: 2, address: nobody.local_addr().expect("an address") });
    a.until("dialled", |counters| counters.dials == 1).await;
    b.dial(a.target());
    joined(&mut a, &mut b).await;
    assert_eq!(a.reliable.view().counters.dials_failed, 0, "its own dial is still under way");
}

/// `decisions:CLU-5`: handshakes are capped for each second; who comes too early is told to try again, and then comes in.
#[tokio::test]
async fn handshakes_are_capped() {
    let ca = TestCa::new("demo");
    let narrow = Settings { handshakes_per_s: 1, ..settings(ca.identity(9), 9, 1) };
    let hub = Node::start(narrow);
    let mut others: Vec<Node> = (1..4).map(|id| Node::of(&ca, id)).collect();
    for other in &mut others {
        other.dial(hub.target());
    }
    let mut told = 0;
    for other in &mut others {
        loop {
            match other.next().await {
                ToLink::SessionUp(_) => break,
                ToLink::ConnectFailed { why, hopeless: false, .. } if why.contains("busy") => {
                    told += 1;
                    other.dial(hub.target());
                }
                other => panic!("up, or told to try again: {other:?}"),
            }
        }
    }
    let counters = hub.reliable.view().counters;
    assert!(told >= 2, "two of three came too early");
    assert_eq!((counters.accepted, counters.capped), (3, told));
}
