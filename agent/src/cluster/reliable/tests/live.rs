//! What runs over connections: snapshots, streams, a change of address.

use super::*;
use crate::cluster::bridge::Snapshot;

async fn connected(ca: &TestCa) -> (Node, Node) {
    let (mut a, mut b) = (Node::of(ca, 1), Node::of(ca, 2));
    a.dial(b.target());
    joined(&mut a, &mut b).await;
    (a, b)
}

/// `membership:MB-9`, `membership:MB-10`: a joiner gets ten thousand records and the formation whole and in order, over a
/// connection whose window holds a fiftieth of them.
#[tokio::test]
async fn a_snapshot_of_ten_thousand_records() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = connected(&ca).await;
    let record = |number: u32| {
        let mut record = vec![number as u8; 253];
        record[..4].copy_from_slice(&number.to_le_bytes());
        record
    };
    let all = Snapshot { formation: vec![7; 40], records: (0..10_000).map(record).collect() };
    assert!(a.link.send(ToReliable::WantSnapshot { peer: 2 }));
    let ToLink::GiveSnapshot { reply } = b.next().await else { panic!("asked for a snapshot") };
    reply.send(all.clone()).expect("it waits");
    let ToLink::Snapshot { from, snapshot } = a.next().await else { panic!("a snapshot") };
    assert_eq!(from, 2);
    assert!(snapshot == all, "{} records", snapshot.records.len());
    b.until("given", |counters| counters.snapshots_given == 1).await;
    assert_eq!(a.reliable.view().counters.snapshots_taken, 1);
    // A link thread that gives none, and a peer that is not there, are counted.
    assert!(a.link.send(ToReliable::WantSnapshot { peer: 2 }));
    let ToLink::GiveSnapshot { reply } = b.next().await else { panic!("asked for a snapshot") };
    drop(reply);
    assert!(a.link.send(ToReliable::WantSnapshot { peer: 9 }));
    a.until("failed", |counters| counters.snapshots_failed == 2).await;
}

/// Messages of a stream arrive whole and in order; a service that is not there, or full, refuses.
#[tokio::test]
async fn ordered_streams_by_name() {
    let ca = TestCa::new("demo");
    let (a, b) = connected(&ca).await;
    let mut service = b.reliable.serve("log").expect("room");
    let mut there = a.reliable.open(2, "log").await.expect("opened");
    let sending = async {
        for number in 0..300_u32 {
            there.send(&number.to_le_bytes().repeat(number as usize)).await.expect("sent");
        }
        there.finish();
        there.receive().await.expect("answered")
    };
    let receiving = async {
        let mut here = service.recv().await.expect("a stream");
        assert_eq!(here.peer, 1);
        let mut number = 0_u32;
        while let Some(message) = here.receive().await.expect("received") {
            assert_eq!(message, number.to_le_bytes().repeat(number as usize));
            number += 1;
        }
        here.send(b"all").await.expect("sent");
        number
    };
    let (answer, count) = tokio::join!(sending, receiving);
    assert_eq!((answer.as_deref(), count), (Some(b"all".as_slice()), 300));
    let mut nobody = a.reliable.open(2, "nothing").await.expect("opened");
    assert!(nobody.receive().await.is_err());
    assert!(matches!(a.reliable.open(7, "log").await, Err(StreamError::NotConnected(7))));
    assert!(matches!(a.reliable.open(2, "").await, Err(StreamError::Name)));
    let long = vec![0; streams::MESSAGE_BYTES_MAX + 1];
    let mut more = a.reliable.open(2, "log").await.expect("opened");
    assert!(matches!(more.send(&long).await, Err(StreamError::Long(_))));
    assert_eq!(b.reliable.view().counters.streams_refused, 1);
}

/// `decisions:CLU-19`: a node whose address changes keeps its connections.
#[tokio::test]
async fn connections_survive_a_change_of_address() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = connected(&ca).await;
    let before = a.address();
    a.reliable.rebind("127.0.0.1:0".parse().expect("an address")).expect("rebound");
    assert_ne!(a.address(), before);
    assert!(a.link.send(ToReliable::Rotate { peer: 2 }));
    for node in [&mut a, &mut b] {
        let ToLink::Rekey { epoch: 2, .. } = node.next().await else { panic!("new keys") };
    }
    let seen = async {
        while b.reliable.view().peers[0].address != a.address() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the new address is seen");
}

/// A plane that ends says so.
#[tokio::test]
async fn stopping_is_said() {
    let ca = TestCa::new("demo");
    let (a, mut b) = connected(&ca).await;
    let target = a.target();
    a.reliable.stop().await;
    let (peer, why) = b.down().await;
    assert!(peer == 1 && why.contains("the node stops"), "{why}");
    b.dial(target);
    assert!(!b.failed().await.1);
}

/// The end of the certificate is told at the start.
#[tokio::test]
async fn the_certificate_is_spoken_of() {
    let ca = TestCa::new("demo");
    let mut a = Node::of(&ca, 1);
    let told = async {
        loop {
            match a.link.take() {
                Some(ToLink::Certificate { ends_unix_s, warning }) => return (ends_unix_s, warning),
                _ => sleep(Duration::from_millis(2)).await,
            }
        }
    };
    let (ends_unix_s, warning) = tokio::time::timeout(PATIENCE, told).await.expect("told");
    assert!(ends_unix_s > unix_now_s() + 99 * 86_400);
    assert_eq!(warning, "");
}
