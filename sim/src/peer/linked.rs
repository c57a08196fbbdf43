//! Whole link endpoints under the nodes: real encryption, real frames, commands with acknowledgements (`decisions:CLU-15`, `link`).
//!
//! The reliable plane is two datagrams here, a greeting and its answer, after which both sides derive the same keys from the seed,
//! as they would from the exporter of their TLS session. Beside the node's own traffic each member sends numbered commands to
//! those it watches: they must be taken exactly once and in order, and whatever was sent must end up taken or in doubt.

use std::collections::BTreeMap;

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use ekk::hash::mix;
use link::aead::{Algorithm, KEY_BYTES, RingAead};
use link::{Config, Deliver, Endpoint, KeptFor, Kind, Out, PeerInfo, SessionKeys, Versions};

use super::rider::{Line, Nothing, Rider, STREAM};
use super::{Boot, Outbox, Protocol, SESSION, View};

/// First byte of a greeting; no frame of the link begins so.
const GREETING: u8 = 0xf5;
const ANSWER: u8 = 0xf6;
/// Greeting, boot id, number of the keys.
const GREETING_BYTES: usize = 13;
/// Least time between two greetings to one peer, ns.
const GREET_NS: u64 = 300_000_000;
/// Messages that wait for a session.
const HELD_MAX: usize = 4;
/// Between two commands of a member, ns.
const COMMAND_NS: u64 = 500_000_000;
/// IPv4 and UDP headers.
const IP_UDP: usize = 28;

/// What became of commands, all members together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commands {
    /// Given to an endpoint.
    pub sent: u64,
    /// Taken by a receiver.
    pub taken: u64,
    /// Known to the sender as taken.
    pub acknowledged: u64,
    /// Nobody can say whether the receiver took them (`decisions:CLU-12`).
    pub in_doubt: u64,
    /// Taken twice or out of order: must stay 0.
    pub wrong: u64,
}

/// One member with its endpoint.
pub struct Member<M, S = ()> {
    inner: M,
    seat: Option<S>,
    endpoint: Endpoint<RingAead>,
    index: u32,
    boot: u64,
    held: Vec<(u32, Vec<u8>)>,
    greeted: BTreeMap<u32, u64>,
    command_ns: u64,
    number: u64,
    sent: u64,
    settled: u64,
    /// Highest command number taken from each boot of each peer.
    taken: BTreeMap<(u32, u64), u64>,
    now_ns: u64,
}

/// A protocol over whole links.
pub struct Linked<P, R = Nothing> {
    inner: P,
    rider: R,
    seed: u64,
    boots: u64,
    epochs: BTreeMap<(u32, u32), u32>,
    /// What became of commands.
    pub commands: Commands,
    buffer: Out,
    inbox: Outbox,
}

impl<P: Protocol> Linked<P> {
    /// Puts links under `inner`.
    #[must_use]
    pub fn new(inner: P, seed: u64) -> Self {
        Self::with_rider(inner, seed, Nothing)
    }
}

impl<P: Protocol, R: Rider> Linked<P, R> {
    /// Puts links under `inner` and lets `rider` use them too.
    #[must_use]
    pub fn with_rider(inner: P, seed: u64, rider: R) -> Self {
        let (boots, epochs) = (0, BTreeMap::new());
        let (commands, buffer, inbox) = (Commands::default(), Out::new(), Outbox::default());
        Self { inner, rider, seed, boots, epochs, commands, buffer, inbox }
    }

    /// What rides.
    #[must_use]
    pub const fn rider(&self) -> &R {
        &self.rider
    }

    fn key(&self, from: u64, to: u64, epoch: u32) -> RingAead {
        let mut bytes = [0; KEY_BYTES];
        for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            let word = mix(self.seed ^ mix(from) ^ mix(to).rotate_left(17) ^ mix(u64::from(epoch) << 8 | at as u64));
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        RingAead::new(Algorithm::Aes128Gcm, &bytes)
    }

    fn install(&mut self, member: &mut Member<P::Member, R::Seat>, peer: u32, peer_boot: u64, epoch: u32) {
        let keys = SessionKeys {
            send: self.key(member.boot, peer_boot, epoch),
            receive: self.key(peer_boot, member.boot, epoch),
        };
        let info = PeerInfo {
            id: peer + 1,
            boot_id: peer_boot,
            epoch,
            wire_version: Versions::ALL.high,
            address: Some(address(peer)),
            kept_for: KeptFor::RECENT,
        };
        if let Ok(installed) = member.endpoint.install(member.now_ns, info, keys) {
            self.commands.in_doubt += installed.in_doubt as u64;
            member.settled += installed.in_doubt as u64;
            if let Some(seat) = &mut member.seat {
                self.rider.session(seat, peer, peer_boot, member.now_ns);
            }
        }
    }

    /// The rider's turn.
    fn ride(&mut self, member: &mut Member<P::Member, R::Seat>, out: &mut Outbox) {
        let Some(seat) = &mut member.seat else { return };
        if self.rider.next_ns(seat) > member.now_ns {
            return;
        }
        let (now_ns, endpoint, buffer) = (member.now_ns, &mut member.endpoint, &mut self.buffer);
        let mut line = Line { now_ns, endpoint, buffer, out: &mut *out, greet: Vec::new() };
        self.rider.turn(seat, &mut line);
        for peer in line.greet {
            greet(member, peer, out);
        }
    }

    /// Hands over to the rider what came for it.
    fn hand_in(&mut self, member: &mut Member<P::Member, R::Seat>, got: &mut Got) {
        let Some(seat) = &mut member.seat else { return };
        for (peer, command) in got.ridden.drain(..) {
            self.rider.command(seat, peer, &command);
        }
        for (peer, boot, projection) in got.projections.drain(..) {
            self.rider.projection(seat, peer, boot, &projection, member.now_ns);
        }
    }

    /// Carries out what the node wants sent: sealed where there is a session, held and greeted where there is none.
    fn pass_on(&mut self, member: &mut Member<P::Member, R::Seat>, inner: &mut Outbox, out: &mut Outbox) {
        for (parcel, bytes) in inner.parcels() {
            if member.endpoint.seal(member.now_ns, parcel.to + 1, Kind::Ekk, bytes, &mut self.buffer).is_ok() {
                out.send(parcel.to, usize::from(parcel.class), self.buffer.bytes());
            } else {
                greet(member, parcel.to, out);
                if member.held.iter().filter(|held| held.0 == parcel.to).count() < HELD_MAX {
                    member.held.push((parcel.to, bytes.to_vec()));
                }
            }
        }
        for &peer in &inner.wishes {
            if !member.endpoint.has_session(peer + 1) && peer != member.index {
                greet(member, peer, out);
            }
        }
        out.seen.append(&mut inner.seen);
        inner.clear();
        self.poll(member, out);
    }

    fn poll(&mut self, member: &mut Member<P::Member, R::Seat>, out: &mut Outbox) {
        let now_ns = member.now_ns;
        member.endpoint.poll(now_ns, |peer, _, bytes| out.send(peer - 1, SESSION, bytes));
    }

    fn greeting(&mut self, member: &mut Member<P::Member, R::Seat>, from: u32, bytes: &[u8], out: &mut Outbox) {
        let Ok(bytes) = <&[u8; GREETING_BYTES]>::try_from(bytes) else { return };
        let mut boot = [0; 8];
        boot.copy_from_slice(&bytes[1..9]);
        let peer_boot = u64::from_le_bytes(boot);
        let pair = (from.min(member.index), from.max(member.index));
        if bytes[0] == GREETING {
            let epoch = self.epochs.entry(pair).or_insert(0);
            *epoch += 1;
            let epoch = *epoch;
            self.install(member, from, peer_boot, epoch);
            out.send(from, SESSION, &greeting_bytes(ANSWER, member.boot, epoch));
        } else {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[9..]);
            self.install(member, from, peer_boot, u32::from_le_bytes(number));
        }
        let waiting = std::mem::take(&mut member.held);
        for (to, message) in waiting {
            let sealed = to == from
                && member.endpoint.seal(member.now_ns, to + 1, Kind::Ekk, &message, &mut self.buffer).is_ok();
            if sealed {
                out.send(to, 1, self.buffer.bytes());
            } else {
                member.held.push((to, message));
            }
        }
    }

    /// One numbered command to somebody there is a session with.
    fn command(&mut self, member: &mut Member<P::Member, R::Seat>) {
        let watches = self.inner.view(&member.inner).watches;
        let Some(&peer) = watches.get(member.number as usize % watches.len().max(1)) else { return };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&member.boot.to_le_bytes());
        bytes[8..].copy_from_slice(&(member.number + 1).to_le_bytes());
        if member.endpoint.send_command(member.now_ns, peer + 1, 0, &bytes).is_ok() {
            member.number += 1;
            member.sent += 1;
            self.commands.sent += 1;
        }
    }
}

fn address(node: u32) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(0x0a00_0000 | (node + 1)), 7_000))
}

fn greeting_bytes(kind: u8, boot: u64, epoch: u32) -> [u8; GREETING_BYTES] {
    let mut bytes = [0; GREETING_BYTES];
    bytes[0] = kind;
    bytes[1..9].copy_from_slice(&boot.to_le_bytes());
    bytes[9..].copy_from_slice(&epoch.to_le_bytes());
    bytes
}

fn greet<M, S>(member: &mut Member<M, S>, peer: u32, out: &mut Outbox) {
    let now_ns = member.now_ns;
    let last = member.greeted.entry(peer).or_insert(0);
    if *last == 0 || now_ns.saturating_sub(*last) >= GREET_NS {
        *last = now_ns;
        out.send(peer, SESSION, &greeting_bytes(GREETING, member.boot, 0));
    }
}

/// What a verified datagram carried.
#[derive(Default)]
struct Got {
    messages: Vec<(u32, Vec<u8>)>,
    commands: Vec<(u32, Vec<u8>)>,
    ridden: Vec<(u32, Vec<u8>)>,
    projections: Vec<(u32, u64, Vec<u8>)>,
    acknowledged: u64,
}

impl Deliver for Got {
    fn ekk(&mut self, peer: u32, bytes: &[u8]) {
        self.messages.push((peer - 1, bytes.to_vec()));
    }

    fn projection(&mut self, peer: u32, _edge: u8, boot: u64, _seq: u64, bytes: &[u8]) {
        self.projections.push((peer - 1, boot, bytes.to_vec()));
    }

    fn command(&mut self, peer: u32, stream: u8, _seq: u64, bytes: &[u8]) -> bool {
        let commands = if stream == STREAM { &mut self.ridden } else { &mut self.commands };
        commands.push((peer - 1, bytes.to_vec()));
        true
    }

    fn acked(&mut self, _peer: u32, stream: u8, _seq: u64) {
        self.acknowledged += u64::from(stream != STREAM);
    }
}

impl<P: Protocol, R: Rider> Protocol for Linked<P, R> {
    type Member = Member<P::Member, R::Seat>;

    fn boot(&mut self, node: u32, boot: Boot, now_ns: u64, out: &mut Outbox) -> Self::Member {
        self.boots += 1;
        let boot_id = mix(self.seed ^ self.boots) | 1;
        let mut inner_out = std::mem::take(&mut self.inbox);
        let inner = self.inner.boot(node, boot, now_ns, &mut inner_out);
        let mut config = Config::new(super::mesh::CLUSTER_ID, node + 1, boot_id);
        if R::PROJECTS {
            config.max_edges = torus::MAX_TORI;
        } else {
            (config.projection_bytes_max, config.max_edges) = (0, 0);
        }
        let endpoint = Endpoint::new(config).expect("the defaults of the link are inside their ranges");
        let mut member = Member {
            inner,
            seat: self.rider.board(node, boot_id, now_ns),
            endpoint,
            index: node,
            boot: boot_id,
            held: Vec::new(),
            greeted: BTreeMap::new(),
            command_ns: now_ns + COMMAND_NS,
            number: 0,
            sent: 0,
            settled: 0,
            taken: BTreeMap::new(),
            now_ns,
        };
        self.pass_on(&mut member, &mut inner_out, out);
        self.inbox = inner_out;
        member
    }

    fn receive(&mut self, member: &mut Self::Member, now_ns: u64, from: u32, bytes: &[u8], out: &mut Outbox) {
        member.now_ns = now_ns;
        if matches!(bytes.first(), Some(&GREETING | &ANSWER)) && bytes.len() == GREETING_BYTES {
            self.greeting(member, from, bytes, out);
            self.poll(member, out);
            return;
        }
        let mut got = Got::default();
        let mut datagram = bytes.to_vec();
        if member.endpoint.receive(now_ns, address(from), &mut datagram, &mut got).is_err() {
            // Keys of an earlier boot or none: a greeting brings new ones, at most once in a while.
            if !member.endpoint.has_session(from + 1) {
                greet(member, from, out);
            }
        }
        self.hand_in(member, &mut got);
        member.settled += got.acknowledged;
        self.commands.acknowledged += got.acknowledged;
        for (peer, command) in got.commands {
            let word =
                |at: usize| u64::from_le_bytes(std::array::from_fn(|i| command.get(at + i).copied().unwrap_or(0)));
            let last = member.taken.entry((peer, word(0))).or_insert(0);
            self.commands.wrong += u64::from(word(8) <= *last);
            *last = word(8).max(*last);
            self.commands.taken += 1;
        }
        let mut inner_out = std::mem::take(&mut self.inbox);
        for (peer, message) in got.messages {
            self.inner.receive(&mut member.inner, now_ns, peer, &message, &mut inner_out);
        }
        self.pass_on(member, &mut inner_out, out);
        self.inbox = inner_out;
    }

    fn tick(&mut self, member: &mut Self::Member, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        let mut inner_out = std::mem::take(&mut self.inbox);
        if self.inner.next_ns(&member.inner) <= now_ns {
            self.inner.tick(&mut member.inner, now_ns, &mut inner_out);
        }
        if now_ns >= member.command_ns {
            member.command_ns = now_ns + COMMAND_NS;
            self.command(member);
        }
        self.ride(member, out);
        self.pass_on(member, &mut inner_out, out);
        self.inbox = inner_out;
    }

    fn next_ns(&self, member: &Self::Member) -> u64 {
        let link = member.endpoint.next_deadline_ns().unwrap_or(u64::MAX).max(member.now_ns + 1_000);
        let ride = member.seat.as_ref().map_or(u64::MAX, |seat| self.rider.next_ns(seat));
        self.inner.next_ns(&member.inner).min(member.command_ns).min(link).min(ride)
    }

    fn view(&self, member: &Self::Member) -> View {
        self.inner.view(&member.inner)
    }

    fn rank(&self, member: &Self::Member) -> u64 {
        self.inner.rank(&member.inner)
    }

    fn digest(&self, member: &Self::Member) -> u64 {
        let seat = member.seat.as_ref().map_or(0, |seat| self.rider.digest(seat));
        mix(seat ^ self.inner.digest(&member.inner) ^ member.endpoint.state_hash() ^ member.sent << 32 ^ member.settled)
    }

    fn leave(&mut self, member: &mut Self::Member, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        let mut inner_out = std::mem::take(&mut self.inbox);
        self.inner.leave(&mut member.inner, now_ns, &mut inner_out);
        self.pass_on(member, &mut inner_out, out);
        self.inbox = inner_out;
    }

    fn stopped(&mut self, node: u32) {
        self.inner.stopped(node);
        self.rider.stopped(node);
    }

    fn overhead(&self) -> usize {
        IP_UDP
    }

    fn sessions(&self) -> bool {
        false
    }

    fn nearest(&self, node: u32) -> &[u32] {
        self.inner.nearest(node)
    }
}
