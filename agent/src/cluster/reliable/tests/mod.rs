//! Reliable planes in one process, on loopback.

mod identity;
mod live;
mod refused;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shm_transport::udp::Doorbell;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::*;
use crate::cluster::bridge::{LinkEnd, SessionUp, Target, ToLink, ToReliable, Why, pair};
use crate::cluster::identity::load::{Being, address_bytes};
use crate::cluster::identity::testing::TestCa;
use crate::cluster::identity::{Identity, Refused, unix_now_s};

/// Long enough for any machine; nothing asserts how long anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node without a link thread: the test plays it.
struct Node {
    id: u32,
    reliable: Reliable,
    link: LinkEnd,
}

fn times() -> Times {
    Times {
        probe: Duration::from_millis(300),
        backoff: Duration::from_millis(20),
        refresh: Duration::from_millis(50),
        ..Times::default()
    }
}

fn settings(identity: Identity, boot_id: u64, boot_inc: u32) -> Settings {
    let record = identity.record(Being {
        boot_inc,
        life: 0,
        zone: "r1",
        position: [0; 3],
        address: address_bytes("127.0.0.1:7946".parse().expect("an address")),
        flags: 0,
    });
    let listen = "127.0.0.1:0".parse().expect("an address");
    let record = record.to_bytes().to_vec();
    Settings { times: times(), ..Settings::new(listen, Arc::new(identity), boot_id, boot_inc, record) }
}

impl Node {
    fn start(settings: Settings) -> Self {
        Self::start_on(settings, &Handle::current())
    }

    fn start_on(settings: Settings, runtime: &Handle) -> Self {
        let (mut link, end) = pair(Arc::new(Doorbell::new()));
        let id = settings.identity.id().get();
        let reliable = Reliable::spawn(settings, end, runtime).expect("started");
        let address = "0.0.0.0:7946".parse().expect("an address");
        assert!(link.send(ToReliable::Listening { address }));
        Self { id, reliable, link }
    }

    /// A node of a CA, its boot id its number.
    fn of(ca: &TestCa, id: u32) -> Self {
        Self::start(settings(ca.identity(id), u64::from(id), 1))
    }

    fn address(&self) -> SocketAddr {
        self.reliable.local_addr().expect("it listens")
    }

    fn target(&self) -> Target {
        Target::Node { id: self.id, address: self.address() }
    }

    fn dial(&mut self, target: Target) {
        assert!(self.link.send(ToReliable::Connect { target, why: Why::Watch }));
    }

    /// What the plane says next; word of the certificate is left out.
    async fn next(&mut self) -> ToLink {
        let wait = async {
            loop {
                match self.link.take() {
                    None => sleep(Duration::from_millis(2)).await,
                    Some(ToLink::Certificate { .. }) => {}
                    Some(message) => return message,
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the plane says something")
    }

    async fn up(&mut self) -> SessionUp {
        match self.next().await {
            ToLink::SessionUp(up) => *up,
            other => panic!("a session was to come up: {other:?}"),
        }
    }

    async fn failed(&mut self) -> (String, bool) {
        match self.next().await {
            ToLink::ConnectFailed { why, hopeless, .. } => (why, hopeless),
            other => panic!("a dial was to fail: {other:?}"),
        }
    }

    async fn down(&mut self) -> (u32, String) {
        match self.next().await {
            ToLink::SessionDown { peer, why, .. } => (peer, why),
            other => panic!("a session was to end: {other:?}"),
        }
    }

    /// Waits until the counters say something.
    async fn until(&self, what: &str, says: impl Fn(&Counters) -> bool) {
        let wait = async {
            while !says(&self.reliable.view().counters) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.reliable.view().counters);
    }

    async fn until_refused(&self, reason: Refused) {
        self.until("refused", |counters| counters.refused.contains_key(&reason)).await;
    }
}

/// Both have a session, and its keys fit.
async fn joined(a: &mut Node, b: &mut Node) -> (SessionUp, SessionUp) {
    let (at_a, at_b) = (a.up().await, b.up().await);
    fits(&at_a, &at_b);
    (at_a, at_b)
}

/// `decisions:CLU-5`: what one end seals the other opens, in both directions, and the directions differ.
fn fits(at_a: &SessionUp, at_b: &SessionUp) {
    assert_eq!(at_a.epoch, at_b.epoch);
    assert_eq!(at_a.keys.suite, at_b.keys.suite);
    assert_eq!(at_a.keys.send, at_b.keys.receive);
    assert_eq!(at_a.keys.receive, at_b.keys.send);
    assert_ne!(at_a.keys.send, at_a.keys.receive);
    assert_ne!(at_a.keys.send, [0; 32]);
}
