//! Mirrors over pairs of endpoints in one process, without sockets or torus threads: each rule by itself.

use std::net::SocketAddr;

use link::aead::Plain;
use link::{Config, Deliver, KeptFor, PeerInfo, SessionKeys};
use shm_transport::backing::Pages;
use shm_transport::region::{Geometry, RECORD_WORDS, Side};
use shm_transport::spsc;
use torus::message::{Kind, Message};
use torus::projection::native::Projection;
use torus::{Cell, Token};

use super::*;

const RING: u32 = 16;
const MS: u64 = 1_000_000;

fn region() -> Region {
    let payload_bytes = size_of::<Projection>() as u32;
    let geometry = Geometry { tori: 2, payload_bytes, slots: 8, ring_records: RING, inject_records: 8 };
    Region::private(geometry, Pages::Base).expect("a region")
}

/// A torus as its thread would be: only what mirrors see of it.
struct Own<'r> {
    side: Side<'r>,
    sender: spsc::Sender<'r>,
    receiver: spsc::Receiver<'r>,
    projection: Box<Projection>,
    id: u8,
}

impl<'r> Own<'r> {
    fn new(region: &'r Region, id: u8, boot: u64) -> Self {
        let mut side = region.claim(id, boot, std::process::id()).expect("free");
        let (receiver, _) = side.receiver(1 - id).expect("its own");
        let (sender, _) = side.sender(1 - id).expect("its own");
        side.beat(1).expect("held");
        Self { side, sender, receiver, projection: Box::new(Projection::new(id, 2, boot)), id }
    }

    /// Publishes what a torus would: counts of the pair under the boot that the peer has here.
    fn publish(&mut self, now_ns: u64) {
        let other = usize::from(1 - self.id);
        self.projection.seq += 1;
        let account = &mut self.projection.accounts[other];
        account.boot = self.sender.peer_boot();
        account.sent = self.sender.sent_in_pair();
        account.received = self.receiver.received_in_pair();
        self.projection.seal();
        self.side.publish(now_ns, self.projection.words());
        self.side.beat(now_ns).expect("held");
    }

    fn hand_over(&mut self, payload: u64) -> bool {
        let token = Token { delay_ticks: 1, dst: Cell::at(0, 0, 0), src: Cell::at(0, 0, 0), payload };
        let message = Message { kind: Kind::Token, from: self.id, boot: self.side.boot(), seq: 1, token };
        self.sender.send(&message.to_words()).is_ok()
    }

    fn take(&mut self) -> Vec<u64> {
        let mut words = [0; RECORD_WORDS];
        let mut taken = Vec::new();
        while self.receiver.recv(&mut words) == Ok(true) {
            let message = Message::from_words(&words).expect("a message");
            assert_eq!(message.from, 1 - self.id);
            taken.push(message.token.payload);
        }
        taken
    }
}

/// One node: endpoint and mirrors.
struct Host<'r> {
    id: u32,
    endpoint: Endpoint<Plain>,
    mirrors: Mirrors<'r>,
    out: Out,
    said: Vec<String>,
}

struct Ear<'h, 'r> {
    mirrors: &'h mut Mirrors<'r>,
    said: &'h mut Vec<String>,
    now_ns: u64,
}

impl Deliver for Ear<'_, '_> {
    fn ekk(&mut self, _peer: u32, _bytes: &[u8]) {}

    fn projection(&mut self, peer: u32, edge: u8, boot: u64, seq: u64, bytes: &[u8]) {
        self.mirrors.projection(peer, edge, boot, seq, bytes, self.now_ns);
    }

    fn command(&mut self, peer: u32, _stream: u8, _seq: u64, bytes: &[u8]) -> bool {
        let said = &mut *self.said;
        self.mirrors.command(peer, bytes, self.now_ns, &mut |_, text| said.push(text))
    }
}

fn address(id: u32) -> SocketAddr {
    ([127, 0, 0, 1], id as u16).into()
}

impl<'r> Host<'r> {
    fn new(region: &'r Region, id: u32, policy: InDoubt) -> Self {
        let remote = Remote { name: "far".to_owned(), torus: 2 - id as u8, node: 3 - id };
        let config = Config { projection_interval_ns: 0, ..Config::new(7, id, u64::from(id) * 100) };
        let mirrors = Mirrors::new(region, id, &[remote], policy, u64::from(id));
        Self { id, endpoint: Endpoint::new(config).expect("fits"), mirrors, out: Out::new(), said: Vec::new() }
    }

    fn connect(&mut self, peer_boot: u64, epoch: u32) {
        let (me, other) = (u64::from(self.id), u64::from(3 - self.id));
        let salt = u64::from(epoch) << 32 | peer_boot & !1;
        let _ = salt;
        let keys = SessionKeys {
            send: Plain::new(me + 10 * u64::from(epoch)),
            receive: Plain::new(other + 10 * u64::from(epoch)),
        };
        let peer = PeerInfo {
            id: 3 - self.id,
            boot_id: peer_boot,
            epoch,
            wire_version: 1,
            address: Some(address(3 - self.id)),
            kept_for: KeptFor::BRAID,
        };
        self.endpoint.install(0, peer, keys).expect("fresh keys");
        let said = &mut self.said;
        self.mirrors.session_up(3 - self.id, peer_boot, &mut |_, text| said.push(text));
    }

    /// One turn; returns the datagrams: true = of a projection.
    fn turn(&mut self, now_ns: u64) -> Vec<(bool, Vec<u8>)> {
        let mut sent = Vec::new();
        let said = &mut self.said;
        let mut send = |_, bytes: &[u8], segment: Option<u16>| {
            let size = segment.map_or(bytes.len(), usize::from);
            sent.extend(bytes.chunks(size).map(|piece| (true, piece.to_vec())));
        };
        self.mirrors.turn(now_ns, &mut self.endpoint, &mut self.out, &mut send, &mut |_, text| said.push(text));
        self.endpoint.poll(now_ns, |_, _, bytes| sent.push((false, bytes.to_vec())));
        sent
    }

    fn hear(&mut self, datagrams: Vec<(bool, Vec<u8>)>, now_ns: u64) {
        let from = address(3 - self.id);
        let mut ear = Ear { mirrors: &mut self.mirrors, said: &mut self.said, now_ns };
        for (_, mut datagram) in datagrams {
            let _ = self.endpoint.receive(now_ns, from, &mut datagram, &mut ear);
        }
        self.endpoint.poll_deliver(now_ns, &mut ear);
    }
}

/// Both hosts, turn by turn; `keep` says which datagrams of the first arrive.
fn turns(hosts: &mut [Host<'_>; 2], now_ns: &mut u64, count: u32, keep: impl Fn(bool) -> bool) {
    for _ in 0..count {
        *now_ns += MS;
        let mut first = hosts[0].turn(*now_ns);
        first.retain(|(projection, _)| keep(*projection));
        hosts[1].hear(first, *now_ns);
        let second = hosts[1].turn(*now_ns);
        hosts[0].hear(second, *now_ns);
    }
}

fn two<'r>(regions: &'r [Region; 2], policy: InDoubt) -> ([Host<'r>; 2], [Own<'r>; 2], u64) {
    let mut hosts = [Host::new(&regions[0], 1, policy), Host::new(&regions[1], 2, policy)];
    let tori = [Own::new(&regions[0], 0, 1_111), Own::new(&regions[1], 1, 2_222)];
    hosts[0].connect(200, 1);
    hosts[1].connect(100, 1);
    let mut now_ns = 0;
    turns(&mut hosts, &mut now_ns, 10, |_| true);
    (hosts, tori, now_ns)
}

fn stands(region: &Region, torus: u8) -> bool {
    region.line(torus).expect("it exists").state == State::Held
}

fn read(region: &Region, torus: u8) -> Option<Box<Projection>> {
    let mut words = vec![0; WORDS];
    let mut reader = region.view().reader(torus).expect("it exists");
    match reader.read(&mut words) {
        Read::Fresh { .. } => Some(Box::new(*Projection::parse_words(&words).expect("whole"))),
        _ => None,
    }
}

// Messages pass in order and once, in both directions, and both sides count the same pair under their own boots.
#[test]
fn tori_of_two_hosts_hand_over_and_count_alike() {
    let regions = [region(), region()];
    let (mut hosts, mut tori, mut now_ns) = two(&regions, InDoubt::Redo);
    assert!(stands(&regions[0], 1) && stands(&regions[1], 0), "{:?} {:?}", hosts[0].said, hosts[1].said);
    for round in 0..20u64 {
        assert!(tori[0].hand_over(round));
        if round % 4 == 0 {
            assert!(tori[1].hand_over(100 + round));
        }
        tori.iter_mut().for_each(|torus| torus.publish(now_ns));
        turns(&mut hosts, &mut now_ns, 3, |_| true);
        assert_eq!(tori[1].take(), [round]);
        assert_eq!(tori[0].take(), if round % 4 == 0 { vec![100 + round] } else { vec![] });
    }
    tori.iter_mut().for_each(|torus| torus.publish(now_ns));
    turns(&mut hosts, &mut now_ns, 5, |_| true);
    let of_second = read(&regions[0], 1).expect("published");
    assert_eq!((of_second.torus, of_second.boot), (1, regions[0].line(1).expect("it exists").boot));
    let account = of_second.accounts[0];
    assert_eq!((account.boot, account.sent, account.received), (1_111, 5, 20));
    assert_eq!((tori[0].sender.sent_in_pair(), tori[0].receiver.received_in_pair()), (20, 5));
}

// decisions:NODE-8: a projection that counts messages which are still under way is held until they are there.
#[test]
fn a_projection_does_not_overtake_the_messages_it_counts() {
    let regions = [region(), region()];
    let (mut hosts, mut tori, mut now_ns) = two(&regions, InDoubt::Redo);
    tori[0].publish(now_ns);
    turns(&mut hosts, &mut now_ns, 3, |_| true);
    let before = read(&regions[1], 0).expect("published").seq;
    for payload in 0..3 {
        assert!(tori[0].hand_over(payload));
    }
    tori[0].publish(now_ns);
    // Only projections arrive.
    turns(&mut hosts, &mut now_ns, 3, |projection| projection);
    assert_eq!(read(&regions[1], 0).expect("published").seq, before, "it counts 3, none is here");
    turns(&mut hosts, &mut now_ns, 100, |_| true);
    let after = read(&regions[1], 0).expect("published");
    assert_eq!((after.seq, after.accounts[1].sent, after.accounts[1].boot), (before + 1, 3, 2_222));
    assert_eq!(tori[1].take(), [0, 1, 2]);
}

// decisions:NODE-5, decisions:CLU-12: a message leaves the sender's ring when the receiver has it, so a ring across hosts is a
// credit, and nothing is sent twice.
#[test]
fn the_ring_of_the_sender_is_the_credit() {
    let regions = [region(), region()];
    let (mut hosts, mut tori, mut now_ns) = two(&regions, InDoubt::Redo);
    for payload in 0..u64::from(RING) {
        assert!(tori[0].hand_over(payload));
    }
    assert!(!tori[0].hand_over(99), "full");
    tori[1].publish(now_ns);
    turns(&mut hosts, &mut now_ns, 20, |_| true);
    assert!(!tori[0].hand_over(99), "everything has arrived there, nothing was taken");
    assert_eq!(tori[1].take().len(), RING as usize);
    turns(&mut hosts, &mut now_ns, 5, |_| true);
    assert!(!tori[0].hand_over(99), "taken, and not said yet");
    tori[1].publish(now_ns);
    turns(&mut hosts, &mut now_ns, 5, |_| true);
    assert_eq!(tori[0].sender.free(), Ok(u64::from(RING)));
    assert!(tori[0].hand_over(99));
    turns(&mut hosts, &mut now_ns, 5, |_| true);
    assert_eq!(tori[1].take(), [99]);
}

// decisions:CLU-12: what was sent and never confirmed is in doubt when the peer dies: taken back or given up, as the policy says;
// what was never sent is taken back in any case. Then both begin anew.
#[test]
fn hand_overs_in_doubt_are_resolved_by_policy() {
    for (policy, back) in [(InDoubt::Redo, vec![0, 1, 2, 3, 4]), (InDoubt::Drop, vec![3, 4])] {
        let regions = [region(), region()];
        let (mut hosts, mut tori, mut now_ns) = two(&regions, policy);
        for payload in 0..3 {
            assert!(tori[0].hand_over(payload));
        }
        turns(&mut hosts, &mut now_ns, 2, |_| false);
        // Sent into the void; two more come up after the last turn.
        for payload in 3..5 {
            assert!(tori[0].hand_over(payload));
        }
        let said = &mut hosts[0].said;
        hosts[0].mirrors.gone(2, "it was removed as dead", false, &mut |_, text| said.push(text));
        assert_eq!(tori[0].take(), back, "{policy:?}");
        assert_eq!(hosts[0].mirrors.views().next().expect("one").in_doubt, 3);
        assert_eq!(regions[0].line(1).expect("it exists").state, State::Abandoned);
        assert!(hosts[0].said.iter().any(|text| text.contains("3 hand-overs in doubt")), "{:?}", hosts[0].said);
        // It was no death after all: both begin anew, under new boots, with counts from zero.
        turns(&mut hosts, &mut now_ns, 200, |_| true);
        assert!(stands(&regions[0], 1) && stands(&regions[1], 0), "{:?}", hosts[1].said);
        tori[1].take();
        assert!(tori[0].hand_over(77));
        tori[0].publish(now_ns);
        turns(&mut hosts, &mut now_ns, 5, |_| true);
        assert_eq!(tori[1].take(), [77]);
        assert_eq!((tori[0].sender.sent_in_pair(), tori[1].receiver.received_in_pair()), (1, 1));
    }
}

// Foreign and damaged projections change nothing; a braid of another size is said once.
#[test]
fn what_does_not_fit_is_refused() {
    let regions = [region(), region()];
    let (mut hosts, mut tori, mut now_ns) = two(&regions, InDoubt::Redo);
    tori[1].publish(now_ns);
    turns(&mut hosts, &mut now_ns, 3, |_| true);
    let pair = hosts[0].mirrors.hosts[0].pairing.pair(true).expect("paired");
    let before = read(&regions[0], 1).expect("published").seq;
    let mut bent = Box::new(*tori[1].projection);
    bent.seq += 1;
    for (edge, pair, bytes) in [
        (1, pair, &bent.as_bytes()[..100]),
        (1, pair, bent.as_bytes()),
        (0, pair, tori[1].projection.as_bytes()),
        (1, pair + 1, tori[1].projection.as_bytes()),
    ] {
        hosts[0].mirrors.projection(2, edge, pair, 1_000, bytes, now_ns);
    }
    assert_eq!(read(&regions[0], 1).expect("published").seq, before);
    assert_eq!((hosts[0].mirrors.views().next().expect("one").refused, hosts[0].mirrors.unknown()), (2, 2));
    let mut greeting = [0; wire::BYTES_MAX];
    let length = wire::put_greeting(3, (5, 6), &[], &mut greeting);
    let said = &mut hosts[0].said;
    for _ in 0..3 {
        assert!(hosts[0].mirrors.command(2, &greeting[..length], now_ns, &mut |_, text| said.push(text)));
    }
    assert_eq!(said.iter().filter(|text| text.contains("n2 braids 3 tori, this node 2")).count(), 1);
}
