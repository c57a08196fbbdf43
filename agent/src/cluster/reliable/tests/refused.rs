//! Who is not let in, with the reason on both sides.

use quinn::{Connection, RecvStream, SendStream};

use super::super::failure::Failure;
use super::super::frames::{Frame, FrameReader, send};
use super::super::hello::{Fast, Hello};
use super::super::tls::{Found, SERVER_NAME, Tls};
use super::*;
use crate::cluster::identity::Trust;

fn after_the_end() -> u64 {
    unix_now_s() + 101 * 86_400
}

/// A CA that one side does not trust is named by both, whichever of them finds out.
#[tokio::test]
async fn the_wrong_ca_is_refused_with_the_reason_on_both_sides() {
    let (ours, theirs) = (TestCa::new("demo"), TestCa::new("demo"));
    let (mut a, b) = (Node::of(&ours, 1), Node::of(&theirs, 2));
    a.dial(b.target());
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("wrong-ca") && why.contains("trefoil ca show"), "{why}");
    a.until_refused(Refused::WrongCa).await;
    b.until("told", |counters| counters.refused_by.contains_key(&Refused::WrongCa)).await;

    // The dialler trusts both CAs, the other one only its own: it is the dialler that is told.
    let old = TestCa::new("demo");
    let new = old.successor("demo");
    new.issue(1);
    let mut files = new.files(1);
    files.ca.push(old.certificate_path());
    let identity = Identity::load(&files, 1, unix_now_s()).expect("loaded");
    let (mut a, b) = (Node::start(settings(identity, 1, 1)), Node::of(&old, 2));
    a.dial(b.target());
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("does not trust the CA of this node"), "{why}");
    b.until_refused(Refused::WrongCa).await;
    assert_eq!(b.reliable.view().peers, []);
}

/// `decisions:CLU-19`: while one CA replaces another, nodes of both understand each other.
#[tokio::test]
async fn two_authorities_at_once() {
    let old = TestCa::new("demo");
    let new = old.successor("demo");
    let node = |ca: &TestCa, id: u32| {
        ca.issue(id);
        let mut files = ca.files(id);
        files.ca = vec![old.certificate_path(), new.certificate_path()];
        let identity = Identity::load(&files, id, unix_now_s()).expect("loaded");
        Node::start(settings(identity, id.into(), 1))
    };
    let (mut a, mut b) = (node(&old, 1), node(&new, 2));
    a.dial(b.target());
    joined(&mut a, &mut b).await;
}

/// A certificate that has ended is refused, and the other side is told to renew it.
#[tokio::test]
async fn ended_certificates_are_refused() {
    let ca = TestCa::new("demo");
    let late = Settings { clock: after_the_end, ..settings(ca.identity(2), 2, 1) };
    let (mut a, mut b) = (Node::of(&ca, 1), Node::start(late));
    a.dial(b.target());
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("has ended") && why.contains("--renew"), "{why}");
    b.until_refused(Refused::Ended).await;
    b.dial(a.target());
    let (why, _) = b.failed().await;
    assert!(why.contains("certificate-ended"), "{why}");
}

/// A node that is revoked is put out of a running cluster within one look at the list, and is not let in again.
#[tokio::test]
async fn a_revoked_node_is_put_out() {
    let ca = TestCa::new("demo");
    ca.issue(9);
    ca.authority.revoke(crate::cluster::identity::testing::node(9), None).expect("revoked");
    ca.issue(2);
    let mut files = ca.files(2);
    files.revoked = Some(ca.dir().join("revoked.list"));
    let identity = Identity::load(&files, 2, unix_now_s()).expect("loaded");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::start(settings(identity, 2, 1)));
    a.dial(b.target());
    joined(&mut a, &mut b).await;
    ca.authority.revoke(crate::cluster::identity::testing::node(1), None).expect("revoked");
    let (peer, why) = b.down().await;
    assert!(peer == 1 && why.contains("revoked"), "{why}");
    let (peer, why) = a.down().await;
    assert!(peer == 2 && why.contains("the certificate of this node is revoked"), "{why}");
    b.until_refused(Refused::Revoked).await;
    a.dial(b.target());
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("revoked"), "{why}");
}

/// Dialling the wrong node, oneself, or nobody is said as what it is.
#[tokio::test]
async fn wrong_addresses_are_told() {
    let ca = TestCa::new("demo");
    let quick = Times { dial: Duration::from_millis(300), ..times() };
    let (mut a, b) = (Node::start(Settings { times: quick, ..settings(ca.identity(1), 1, 1) }), Node::of(&ca, 2));
    a.dial(Target::Node { id: 7, address: b.address() });
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("node 7 was dialled, node 2 answers"), "{why}");
    b.until("told", |counters| counters.refused_by.contains_key(&Refused::NotExpected)).await;
    a.dial(Target::Seed { address: a.address() });
    let (why, hopeless) = a.failed().await;
    assert!(hopeless && why.contains("this node itself"), "{why}");
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    a.dial(Target::Seed { address: nobody.local_addr().expect("an address") });
    let (why, hopeless) = a.failed().await;
    assert!(!hopeless && why.contains("no answer"), "{why}");
    assert_eq!(a.reliable.view().counters.sessions + b.reliable.view().counters.sessions, 0);
}

/// A peer with a good certificate that says what it likes.
struct Liar {
    _endpoint: quinn::Endpoint,
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    hello: Hello,
}

async fn liar(identity: Identity, to: &Node) -> Liar {
    let cluster_id = identity.trust.cluster_id();
    let settings = settings(identity, 77, 1);
    let tls = Tls::new(&settings.identity, unix_now_s, Duration::from_secs(5)).expect("TLS");
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let config = tls.client(&Found::default()).expect("TLS");
    let connecting = endpoint.connect_with(config, to.address(), SERVER_NAME).expect("dialling");
    let connection = connecting.await.expect("connected");
    let (send, receive) = connection.open_bi().await.expect("a stream");
    let hello = Hello {
        lowest: 1,
        highest: 1,
        suites: 3,
        cluster_id,
        node: settings.identity.id().get(),
        boot_id: 77,
        boot_inc: 1,
        epoch: 0,
        fast: Fast::Port(1),
        digest: 0,
        formation: 0,
        record: settings.record,
    };
    Liar { _endpoint: endpoint, connection, send, receive, hello }
}

async fn lie(ca: &TestCa, to: &Node, id: u32, bytes: impl FnOnce(Hello) -> Vec<u8>) -> Failure {
    let mut liar = liar(ca.identity(id), to).await;
    let bytes = bytes(liar.hello.clone());
    liar.send.write_all(&bytes).await.expect("sent");
    Failure::of(&liar.connection.closed().await, &Found::default())
}

/// A hello that contradicts the certificate, or is none, closes the connection with the reason.
#[tokio::test]
async fn lies_are_refused_by_name() {
    let ca = TestCa::new("demo");
    let a = Node::of(&ca, 1);
    let other = settings(ca.identity(99), 9, 1).record;
    type Lie = Box<dyn FnOnce(&mut Hello)>;
    let lies: [(Refused, Lie); 7] = [
        (Refused::WrongCluster, Box::new(|hello| hello.cluster_id ^= 1)),
        (Refused::Hello, Box::new(|hello| hello.node = 1)),
        (Refused::Hello, Box::new(|hello| hello.boot_inc = 2)),
        (Refused::Hello, Box::new(move |hello| hello.record = other)),
        (Refused::Hello, Box::new(|hello| hello.record[5] ^= 1)),
        (Refused::Version, Box::new(|hello| (hello.lowest, hello.highest) = (7, 9))),
        (Refused::Version, Box::new(|hello| hello.suites = 128)),
    ];
    for (at, (reason, lie_)) in lies.into_iter().enumerate() {
        let end = lie(&ca, &a, 10 + at as u32, |mut hello| {
            lie_(&mut hello);
            Frame::Hello(Box::new(hello)).encode()
        });
        let end = end.await;
        assert!(matches!(&end, Failure::They(found, _) if *found == reason), "lie {at}: {end:?}");
    }
    for (at, bytes) in [vec![0xFF; 64], Frame::Begin { epoch: 9 }.encode(), vec![1, 0, 1]].into_iter().enumerate() {
        let end = lie(&ca, &a, 30 + at as u32, |_| bytes).await;
        assert!(matches!(end, Failure::They(Refused::Hello, _)), "bytes {at}: {end:?}");
    }
    // A key epoch of before, or a second beginning.
    let mut liar = liar(ca.identity(40), &a).await;
    send(&mut liar.send, &Frame::Hello(Box::new(liar.hello.clone()))).await.expect("sent");
    let mut reader = FrameReader::new(liar.receive);
    assert!(matches!(reader.next().await, Ok(Frame::Hello(_))));
    send(&mut liar.send, &Frame::Begin { epoch: 0 }).await.expect("sent");
    let end = Failure::of(&liar.connection.closed().await, &Found::default());
    assert!(matches!(end, Failure::They(Refused::Hello, _)), "{end:?}");
    assert_eq!(a.reliable.view().counters.sessions, 0, "nobody came in");
}

/// Without a certificate, or with bytes that are no QUIC at all, nobody comes in, and the node goes on.
#[tokio::test]
async fn strangers_do_not_come_in() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::of(&ca, 2));
    let trust = Trust::load(&[ca.certificate_path()], None, unix_now_s()).expect("trust");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.authority.certificate().der.clone()).expect("a root");
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(trust.provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"trefoil/1".to_vec()];
    let quic = quinn::crypto::rustls::QuicClientConfig::try_from(config).expect("QUIC");
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let config = quinn::ClientConfig::new(Arc::new(quic));
    let connecting = endpoint.connect_with(config, a.address(), "n1.demo.trefoil").expect("dialling");
    let connection = connecting.await.expect("the client's half is done before it is judged");
    let end = Failure::of(&connection.closed().await, &Found::default());
    assert!(matches!(end, Failure::They(Refused::Malformed, _)), "{end:?}");
    a.until_refused(Refused::Malformed).await;
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    for length in (0..1_400).step_by(7) {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8 | 0x40).collect();
        noise.send_to(&bytes, a.address()).expect("sent");
    }
    b.dial(a.target());
    joined(&mut a, &mut b).await;
}
