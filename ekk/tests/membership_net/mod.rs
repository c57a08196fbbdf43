//! A small network of real memberships: messages with delay and loss, partitions, crashes, and keys that cannot be forged
//! without knowing a secret.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use ekk::hash::{Rng, digest};
use ekk::id::{Identity, NodeId};
use ekk::membership::record::{MemberRecord, Name, Zone};
use ekk::membership::{Config, Membership};
use ekk::profile::{Preset, Timing};
use ekk::sign::{Crypto, Signature, Verdict};
use ekk::sink::{Class, Event, Sink};
use ekk::time::Time;
use ekk::wire::v1::membership::{Heartbeat, Message};
use ekk::wire::v1::{Header, Kind};

pub const CLUSTER: u64 = 77;
pub const P_MS: u64 = 100;
pub type Small = Membership<256, 1024, 16>;

pub fn id(raw: u32) -> NodeId {
    NodeId::new(raw).unwrap()
}

pub fn identity(raw: u32, boot_inc: u32, life: u16) -> Identity {
    Identity { id: id(raw), boot_inc, life }
}

/// Keyed digests in place of Ed25519: who does not know the secret of a node cannot sign for it.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub me: u32,
    /// Keys known; empty = all.
    pub known: Option<BTreeSet<u32>>,
    pub verified: u64,
}

pub fn mac(secret: u64, message: &[u8]) -> Signature {
    let mut bytes = [0; 64];
    let word = ekk::hash::mix(secret ^ digest(message));
    for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&ekk::hash::mix(word.wrapping_add(at as u64)).to_le_bytes());
    }
    Signature(bytes)
}

pub const fn secret(node: u32) -> u64 {
    0x5ec2_e700 + node as u64
}

const CA: u64 = 0xca;

impl Crypto for Keys {
    fn sign(&mut self, message: &[u8]) -> Signature {
        mac(secret(self.me), message)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        self.verified += 1;
        if self.known.as_ref().is_some_and(|known| !known.contains(&signer.get())) {
            return Verdict::UnknownKey;
        }
        if mac(secret(signer.get()), message) == *signature { Verdict::Good } else { Verdict::Bad }
    }

    fn admit(&mut self, record: &MemberRecord) -> Verdict {
        let id = record.identity.id.get();
        let card = mac(CA, &record.card_bytes(CLUSTER)) == record.card;
        if !card || mac(secret(id), &record.signed_bytes()) != record.signature {
            return Verdict::Bad;
        }
        if let Some(known) = &mut self.known {
            known.insert(id);
        }
        Verdict::Good
    }
}

pub fn signed_record(raw: u32, boot_inc: u32, life: u16, zone: &str) -> MemberRecord {
    let mut record = MemberRecord::bare(identity(raw, boot_inc, life));
    record.name = Name::new(&format!("n{raw}")).unwrap();
    record.zone = Zone::new(zone).unwrap();
    record.card = mac(CA, &record.card_bytes(CLUSTER));
    record.signature = mac(secret(raw), &record.signed_bytes());
    record
}

/// An event, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Joined(u32),
    Dead(Identity),
    Left(Identity),
    Returned(Identity),
    Refuted(Identity),
    Undone(Identity),
    ValveShut,
    Alone,
    Duplicate(Identity),
    NeedRecord(u32),
    Other(String),
}

#[derive(Default)]
pub struct Out {
    pub sent: Vec<(NodeId, Class, Vec<u8>)>,
    pub told: Vec<Told>,
}

impl Sink for Out {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        self.sent.push((to, class, bytes.to_vec()));
    }

    fn event(&mut self, event: &Event<'_>) {
        self.told.push(match event {
            Event::Joined(record) => Told::Joined(record.identity.id.get()),
            Event::Dead { identity, .. } => Told::Dead(*identity),
            Event::Left(identity) => Told::Left(*identity),
            Event::Returned(identity) => Told::Returned(*identity),
            Event::Refuted(identity) => Told::Refuted(*identity),
            Event::Undone(identity) => Told::Undone(*identity),
            Event::ValveShut { .. } => Told::ValveShut,
            Event::Alone => Told::Alone,
            Event::DuplicateIdentity(identity) => Told::Duplicate(*identity),
            Event::NeedRecord(id) => Told::NeedRecord(id.get()),
            other => Told::Other(format!("{other:?}")),
        });
    }
}

pub struct Member {
    pub m: Small,
    pub keys: Keys,
    pub up: bool,
    pub next_tick: u64,
    pub told: Vec<(u64, Told)>,
    pub refused: BTreeMap<String, u64>,
    /// Parts per thousand lost on the way out and in.
    pub loss_out: u64,
    pub loss_in: u64,
    pub sent: u64,
    pub sent_bytes: u64,
}

/// When, from whom, to whom, what.
pub type Taped = (u64, u32, u32, Vec<u8>);

pub struct Net {
    pub now_us: u64,
    pub members: BTreeMap<u32, Member>,
    queue: BTreeMap<(u64, u64), (u32, u32, Vec<u8>)>,
    number: u64,
    pub rng: Rng,
    /// Parts per thousand lost on every path.
    pub loss: u64,
    /// Side of each node; messages between sides are lost.
    pub side: BTreeMap<u32, u8>,
    /// Paths (from, to) that are cut.
    pub cut: BTreeSet<(u32, u32)>,
    /// A copy of all messages while it runs.
    pub tape: Option<Vec<Taped>>,
}

impl Net {
    pub fn empty(seed: u64) -> Self {
        Net {
            now_us: 1_000_000,
            members: BTreeMap::new(),
            queue: BTreeMap::new(),
            number: 0,
            rng: Rng::new(seed),
            loss: 0,
            side: BTreeMap::new(),
            cut: BTreeSet::new(),
            tape: None,
        }
    }

    /// `count` members that know each other; beyond nine also their rings.
    pub fn formed(count: u32, seed: u64) -> Self {
        let mut net = Net::empty(seed);
        for raw in 1..=count {
            net.add(raw, 1, "");
        }
        let records: Vec<_> = (1..=count).map(|raw| *net.members[&raw].m.me()).collect();
        for raw in 1..=count {
            net.adopt(raw, &records);
            net.m(raw).set_known(count);
        }
        if count > 9 {
            net.link_rings(count);
        }
        net
    }

    fn link_rings(&mut self, count: u32) {
        for ring in 0..4 {
            let mut order: Vec<u32> = (1..=count).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, self.rng.below(at as u64 + 1) as usize);
            }
            let n = order.len();
            for at in 0..n {
                let (before, after) = (order[(at + n - 1) % n], order[(at + 1) % n]);
                let now = self.now();
                self.m(order[at]).link_rings(now, &[(ring, id(before), id(after))]);
            }
        }
    }

    pub fn add(&mut self, raw: u32, boot_inc: u32, zone: &str) {
        let config = Config { cluster_id: CLUSTER, timing: Timing::preset(Preset::Lan) };
        let seed = self.rng.next_u64();
        let m = Small::new(config, signed_record(raw, boot_inc, 0, zone), seed);
        let phase = self.rng.below(P_MS * 1_000);
        let member = Member {
            m,
            keys: Keys { me: raw, ..Keys::default() },
            up: true,
            next_tick: self.now_us + phase,
            told: Vec::new(),
            refused: BTreeMap::new(),
            loss_out: 0,
            loss_in: 0,
            sent: 0,
            sent_bytes: 0,
        };
        self.members.insert(raw, member);
    }

    pub fn adopt(&mut self, raw: u32, records: &[MemberRecord]) {
        let now = self.now();
        let member = self.members.get_mut(&raw).unwrap();
        let mut out = Out::default();
        member.m.adopt(now, &mut records.iter().copied(), &mut member.keys, &mut out);
        self.carry(raw, out);
    }

    /// A newcomer with a snapshot of everybody who is up.
    pub fn join(&mut self, raw: u32, boot_inc: u32, zone: &str) {
        let records: Vec<_> = self.members.values().filter(|member| member.up).map(|member| *member.m.me()).collect();
        self.add(raw, boot_inc, zone);
        self.adopt(raw, &records);
        self.m(raw).set_known(records.len() as u32 + 1);
    }

    pub fn now(&self) -> Time {
        Time::from_us(self.now_us)
    }

    pub fn m(&mut self, raw: u32) -> &mut Small {
        &mut self.members.get_mut(&raw).unwrap().m
    }

    pub fn with<R>(&mut self, raw: u32, act: impl FnOnce(&mut Small, Time, &mut Keys, &mut Out) -> R) -> R {
        let now = self.now();
        let member = self.members.get_mut(&raw).unwrap();
        let mut out = Out::default();
        let result = act(&mut member.m, now, &mut member.keys, &mut out);
        self.carry(raw, out);
        result
    }

    fn carry(&mut self, from: u32, out: Out) {
        let now_us = self.now_us;
        let member = self.members.get_mut(&from).unwrap();
        member.told.extend(out.told.into_iter().map(|told| (now_us, told)));
        let loss_out = member.loss_out;
        for (to, _, bytes) in out.sent {
            let member = self.members.get_mut(&from).unwrap();
            member.sent += 1;
            member.sent_bytes += bytes.len() as u64;
            if let Some(tape) = &mut self.tape {
                tape.push((now_us, from, to.get(), bytes.clone()));
            }
            let apart = self.side.get(&from) != self.side.get(&to.get()) || self.cut.contains(&(from, to.get()));
            let Some(target) = self.members.get(&to.get()) else { continue };
            let lost = [self.loss, loss_out, target.loss_in].iter().any(|&loss| self.rng.below(1_000) < loss);
            if !apart && !lost {
                self.put(from, to.get(), bytes);
            }
        }
    }

    /// Puts a message on the way.
    pub fn put(&mut self, from: u32, to: u32, bytes: Vec<u8>) {
        let at = self.now_us + 200 + self.rng.below(1_800);
        self.number += 1;
        self.queue.insert((at, self.number), (from, to, bytes));
    }

    pub fn put_message(&mut self, from: u32, to: u32, sender: Identity, message: &Message) {
        let header = Header { kind: message.kind(), sender, sequence: 0 };
        let mut buffer = [0; 1_400];
        let mut writer = header.begin(&mut buffer).unwrap();
        message.encode(&mut writer).unwrap();
        let bytes = writer.done().to_vec();
        self.put(from, to, bytes);
    }

    pub fn run_s(&mut self, seconds: u64) {
        self.run_ms(seconds * 1_000);
    }

    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1_000;
        loop {
            let message = self.queue.first_key_value().map(|(key, _)| key.0).unwrap_or(u64::MAX);
            let up = self.members.iter().filter(|(_, member)| member.up);
            let (tick, who) = up.map(|(raw, member)| (member.next_tick, *raw)).min().unwrap_or((u64::MAX, 0));
            let next = message.min(tick);
            if next > end {
                self.now_us = end;
                return;
            }
            self.now_us = next;
            if message <= tick {
                let (_, (from, to, bytes)) = self.queue.pop_first().unwrap();
                self.deliver(from, to, &bytes);
            } else {
                self.members.get_mut(&who).unwrap().next_tick += P_MS * 1_000;
                self.with(who, |m, now, keys, out| m.tick(now, keys, out));
            }
        }
    }

    fn deliver(&mut self, from: u32, to: u32, bytes: &[u8]) {
        if !self.members.get(&to).is_some_and(|member| member.up) {
            return;
        }
        let (header, body) = Header::decode(bytes).unwrap();
        assert_eq!(header.sender.id.get(), from, "the link verifies the sender");
        let result = self.with(to, |m, now, keys, out| m.receive(now, &header, body, keys, out));
        if let Err(refused) = result {
            let name = format!("{refused:?}:{:02x}", header.kind.0);
            *self.members.get_mut(&to).unwrap().refused.entry(name).or_default() += 1;
        }
    }

    pub fn put_on_side(&mut self, raw: u32, side: u8) {
        self.side.insert(raw, side);
    }

    pub fn crash(&mut self, raw: u32) {
        self.members.get_mut(&raw).unwrap().up = false;
    }

    pub fn up(&self) -> Vec<u32> {
        self.members.iter().filter(|(_, member)| member.up && !member.m.has_left()).map(|(raw, _)| *raw).collect()
    }

    /// Who of those up holds `raw` as gone.
    pub fn removed_by(&self, raw: u32) -> Vec<u32> {
        let gone = |m: &Small| m.known(id(raw)).is_some_and(|(_, here)| !here);
        self.up().into_iter().filter(|who| *who != raw && gone(&self.members[who].m)).collect()
    }

    /// When each of those up accepted the death of `raw`.
    pub fn removal_times(&self, raw: u32) -> Vec<u64> {
        let of_it = |(at, told): &(u64, Told)| match told {
            Told::Dead(identity) if identity.id == id(raw) => Some(*at),
            _ => None,
        };
        self.up().iter().filter_map(|who| self.members[who].told.iter().find_map(of_it)).collect()
    }

    pub fn deaths(&self) -> usize {
        let dead = |member: &Member| member.told.iter().filter(|(_, told)| matches!(told, Told::Dead(_))).count();
        self.members.values().map(dead).sum()
    }

    pub fn told(&self, raw: u32, wanted: &Told) -> usize {
        self.members[&raw].told.iter().filter(|(_, told)| told == wanted).count()
    }

    /// Every live link of who is up is held by both ends; the smallest and greatest number of links.
    pub fn check_graph(&self) -> (usize, usize) {
        let now = self.now();
        let up = self.up();
        let (mut low, mut high) = (usize::MAX, 0);
        for &raw in &up {
            let links: Vec<_> = self.members[&raw].m.links(now).filter(|link| link.health != 0).collect();
            low = low.min(links.len());
            high = high.max(links.len());
            for link in &links {
                let peer = link.identity.id.get();
                assert_ne!(peer, raw, "nobody watches itself");
                assert!(up.contains(&peer), "{raw} still watches {peer}, who is gone");
                let back = self.members[&peer].m.links(now).any(|back| back.identity.id.get() == raw);
                assert!(back, "{raw} watches {peer}, not the other way");
            }
        }
        (low, high)
    }
}

pub fn decode(bytes: &[u8]) -> (Header, Option<Message>) {
    let (header, body) = Header::decode(bytes).unwrap();
    let message = if header.kind == Kind::HEARTBEAT { None } else { Some(Message::decode(header.kind, body).unwrap()) };
    (header, message)
}

pub fn decode_beat(bytes: &[u8]) -> Option<Heartbeat> {
    let (header, body) = Header::decode(bytes).unwrap();
    (header.kind == Kind::HEARTBEAT).then(|| Heartbeat::decode(body).unwrap())
}

pub fn is_refused(member: &Member, name: &str) -> bool {
    member.refused.keys().any(|key| key.starts_with(name))
}
