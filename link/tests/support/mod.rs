//! Two or more endpoints and a network between them that loses, repeats and reorders by a seed, in its own time.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use link::aead::{Algorithm, KEY_BYTES, Plain, RingAead};
use link::{Aead, Config, Deliver, DropReason, Endpoint, KeptFor, Kind, Out, PeerInfo, SessionKeys};

pub const CLUSTER: u64 = 0x7472_6566_6f69_6c31;
pub const MS: u64 = 1_000_000;

pub fn boot_of(node: u32) -> u64 {
    0xb007_0000_0000_0000 + u64::from(node)
}

pub fn address_of(node: u32) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, node as u8), 7_000))
}

/// Keys that tests can make for any direction and epoch.
pub trait TestKey: Aead {
    fn made(from: u32, to: u32, epoch: u32) -> Self;
}

fn material(from: u32, to: u32, epoch: u32) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&from.to_le_bytes());
    key[4..8].copy_from_slice(&to.to_le_bytes());
    key[8..12].copy_from_slice(&epoch.to_le_bytes());
    key
}

impl TestKey for RingAead {
    fn made(from: u32, to: u32, epoch: u32) -> Self {
        // Both algorithms are in use: one for odd epochs, one for even ones.
        let algorithm = if epoch % 2 == 1 { Algorithm::Aes128Gcm } else { Algorithm::ChaCha20Poly1305 };
        RingAead::new(algorithm, &material(from, to, epoch))
    }
}

impl TestKey for Plain {
    fn made(from: u32, to: u32, epoch: u32) -> Self {
        Plain::new(u64::from(from) << 40 | u64::from(to) << 16 | u64::from(epoch))
    }
}

pub fn keys<A: TestKey>(me: u32, peer: u32, epoch: u32) -> SessionKeys<A> {
    SessionKeys { send: A::made(me, peer, epoch), receive: A::made(peer, me, epoch) }
}

pub fn peer(id: u32, epoch: u32) -> PeerInfo {
    PeerInfo {
        id,
        boot_id: boot_of(id),
        epoch,
        wire_version: 2,
        address: Some(address_of(id)),
        kept_for: KeptFor::BRAID,
    }
}

pub fn endpoint<A: TestKey>(me: u32, change: impl FnOnce(&mut Config)) -> Endpoint<A> {
    let mut config = Config::new(CLUSTER, me, boot_of(me));
    change(&mut config);
    Endpoint::new(config).unwrap()
}

/// Two endpoints, 1 and 2, with keys of epoch 1.
pub fn pair<A: TestKey>(change: impl Fn(&mut Config)) -> (Endpoint<A>, Endpoint<A>) {
    let (mut one, mut two) = (endpoint(1, &change), endpoint(2, &change));
    one.install(0, peer(2, 1), keys(1, 2, 1)).unwrap();
    two.install(0, peer(1, 1), keys(2, 1, 1)).unwrap();
    (one, two)
}

/// Everything that was handed over; what must never happen fails here.
#[derive(Debug, Default)]
pub struct Log {
    pub ekk: Vec<Vec<u8>>,
    /// (stream, seq, bytes).
    pub commands: Vec<(u8, u64, Vec<u8>)>,
    /// Newest (boot, seq) and number of projections for each (peer, edge).
    pub projections: BTreeMap<(u32, u8), (u64, u64, u64)>,
    pub seen: BTreeSet<(u32, u8, u64, u64)>,
    pub last_projection: Vec<u8>,
    pub heartbeats: Vec<(u64, u8, u32)>,
    pub rtts: Vec<u64>,
    pub acked: Vec<(u8, u64)>,
    pub moves: Vec<(Option<SocketAddr>, SocketAddr)>,
    /// Commands are refused while this is set.
    pub is_full: bool,
    pub refused: u64,
}

impl Deliver for Log {
    fn ekk(&mut self, _: u32, bytes: &[u8]) {
        self.ekk.push(bytes.to_vec());
    }

    fn projection(&mut self, peer: u32, edge: u8, boot: u64, seq: u64, bytes: &[u8]) {
        assert!(self.seen.insert((peer, edge, boot, seq)), "({boot}, {seq}) of edge {edge} was applied twice");
        let entry = self.projections.entry((peer, edge)).or_insert((boot, 0, 0));
        assert!(entry.0 != boot || seq > entry.1, "sequence {seq} after {}", entry.1);
        *entry = (boot, seq, entry.2 + 1);
        self.last_projection = bytes.to_vec();
    }

    fn command(&mut self, _: u32, stream: u8, seq: u64, bytes: &[u8]) -> bool {
        if self.is_full {
            self.refused += 1;
            return false;
        }
        self.commands.push((stream, seq, bytes.to_vec()));
        true
    }

    fn heartbeat(&mut self, _: u32, count: u64, phase: u8, round: u32) {
        self.heartbeats.push((count, phase, round));
    }

    fn rtt(&mut self, _: u32, rtt_ns: u64) {
        self.rtts.push(rtt_ns);
    }

    fn acked(&mut self, _: u32, stream: u8, seq: u64) {
        self.acked.push((stream, seq));
    }

    fn moved(&mut self, _: u32, from: Option<SocketAddr>, to: SocketAddr) {
        self.moves.push((from, to));
    }
}

/// splitmix64.
#[derive(Debug, Clone)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What the network does to datagrams, percent each.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub loss: u64,
    pub duplicate: u64,
    pub reorder: u64,
}

/// One node of the network.
pub struct Node<A> {
    pub end: Endpoint<A>,
    pub log: Log,
}

/// Nodes by id and what is under way between them.
pub struct Net<A> {
    pub nodes: BTreeMap<u32, Node<A>>,
    pub now_ns: u64,
    pub faults: Faults,
    pub seeded: Seeded,
    pub delay_ns: u64,
    /// By time of arrival and number: from, to, bytes.
    under_way: BTreeMap<(u64, u64), (u32, u32, Vec<u8>)>,
    pub sent: u64,
}

impl<A: TestKey> Net<A> {
    pub fn new(seed: u64, faults: Faults, ends: impl IntoIterator<Item = Endpoint<A>>) -> Self {
        let nodes = ends.into_iter().map(|end| (end.config().me, Node { end, log: Log::default() })).collect();
        Self { nodes, now_ns: 0, faults, seeded: Seeded(seed), delay_ns: 100_000, under_way: BTreeMap::new(), sent: 0 }
    }

    pub fn put(&mut self, from: u32, to: u32, bytes: &[u8]) {
        self.sent += 1;
        let copies = if self.seeded.percent(self.faults.loss) {
            0
        } else {
            1 + u64::from(self.seeded.percent(self.faults.duplicate))
        };
        for _ in 0..copies {
            let late = if self.seeded.percent(self.faults.reorder) { self.seeded.below(30 * self.delay_ns) } else { 0 };
            let at = self.now_ns + self.delay_ns + late;
            self.under_way.insert((at, self.sent * 2 + self.under_way.len() as u64 % 2), (from, to, bytes.to_vec()));
        }
    }

    pub fn put_out(&mut self, from: u32, to: u32, out: &Out) {
        for datagram in out.datagrams() {
            self.put(from, to, datagram);
        }
    }

    pub fn ekk(&mut self, from: u32, to: u32, bytes: &[u8], out: &mut Out) {
        let now_ns = self.now_ns;
        self.nodes.get_mut(&from).unwrap().end.seal(now_ns, to, Kind::Ekk, bytes, out).unwrap();
        self.put_out(from, to, out);
    }

    /// Lets time go on by `step_ns`: arrivals, then everybody's polls.
    pub fn step(&mut self, step_ns: u64) {
        self.now_ns += step_ns;
        let later = self.under_way.split_off(&(self.now_ns + 1, 0));
        let due = std::mem::replace(&mut self.under_way, later);
        for (_, (from, to, mut bytes)) in due {
            if let Some(node) = self.nodes.get_mut(&to) {
                let _: Result<(), DropReason> =
                    node.end.receive(self.now_ns, address_of(from), &mut bytes, &mut node.log);
            }
        }
        self.poll();
    }

    pub fn poll(&mut self) {
        let mut out = Vec::new();
        for (&from, node) in &mut self.nodes {
            node.end.poll_deliver(self.now_ns, &mut node.log);
            node.end.poll(self.now_ns, |to, _, bytes| out.push((from, to, bytes.to_vec())));
        }
        for (from, to, bytes) in out {
            self.put(from, to, &bytes);
        }
    }

    pub fn node(&mut self, id: u32) -> &mut Node<A> {
        self.nodes.get_mut(&id).unwrap()
    }
}
