//! Several real nodes that exchange nothing but messages, under one virtual clock.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;

use ekk::fixed::Q16;
use ekk::hash::Rng;
use ekk::id::{Identity, NodeId};
use ekk::membership::MemberRecord;
use ekk::node::{Drop, Formation, Founders, Node, NodeConfig, Outcome, State};
use ekk::profile::Preset;
use ekk::sign::{Crypto, Signature, Verdict};
use ekk::sink::{Class, Event, Sink};
use ekk::time::{Span, Time};

/// Signs with a digest: enough to see whether a message was altered, no defence.
#[derive(Clone, Copy, Default)]
pub struct Digests(pub u32);

impl Digests {
    fn over(signer: u32, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&ekk::hash::digest(message).to_le_bytes());
        bytes[8..12].copy_from_slice(&signer.to_le_bytes());
        Signature(bytes)
    }
}

impl Crypto for Digests {
    fn sign(&mut self, message: &[u8]) -> Signature {
        Self::over(self.0, message)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        if *signature == Self::over(signer.get(), message) { Verdict::Good } else { Verdict::Bad }
    }

    fn admit(&mut self, _: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}

/// Keeps what a node did.
#[derive(Default)]
pub struct Kept {
    pub sent: Vec<(NodeId, Class, Vec<u8>)>,
    pub events: Vec<String>,
    pub tasks: Vec<u8>,
    pub states: Vec<(u8, u8)>,
    pub sessions: Vec<NodeId>,
}

impl Sink for Kept {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        assert!(bytes.len() <= ekk::wire::v1::MESSAGE_BYTES_MAX, "a message fits");
        self.sent.push((to, class, bytes.to_vec()));
    }

    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::RunTask(task) => self.tasks.push(task),
            Event::StateChanged { from, to } => self.states.push((from, to)),
            Event::NeedSession { id, .. } => self.sessions.push(id),
            _ => {}
        }
        self.events.push(format!("{event:?}"));
    }
}

pub fn id(raw: u32) -> NodeId {
    NodeId::new(raw).unwrap()
}

pub fn record(raw: u32, position: [i16; 3]) -> MemberRecord {
    let mut record = MemberRecord::bare(Identity { id: id(raw), boot_inc: 1, life: 0 });
    record.position = position;
    record.public_key[..4].copy_from_slice(&raw.to_le_bytes());
    record.signature = Digests::over(raw, &record.signed_bytes());
    record
}

pub fn config(founders: &[u32]) -> NodeConfig {
    let ids: Vec<NodeId> = founders.iter().map(|&raw| id(raw)).collect();
    NodeConfig::new(7, Preset::Fast, Founders::new(&ids).unwrap())
}

/// A node on a line at its id, started at time zero.
pub fn node(raw: u32, founders: &[u32]) -> Node {
    Node::new(config(founders), record(raw, [raw as i16, 0, 0]), u64::from(raw)).unwrap()
}

pub struct Member {
    pub node: Node,
    pub crypto: Digests,
    pub kept: Kept,
    pub up: bool,
    pub outcomes: Vec<Outcome>,
}

/// From whom, to whom, what.
type Message = (u32, u32, Class, Vec<u8>);

/// The nodes and the messages between them.
pub struct Net {
    pub now: Time,
    pub members: BTreeMap<u32, Member>,
    queue: BTreeMap<(Time, u64), Message>,
    sequence: u64,
    rng: Rng,
    /// Lost messages in a thousand.
    pub loss: u64,
    /// Delay, and jitter above it.
    pub delay: Span,
    pub jitter: Span,
    pub delivered: u64,
    /// Messages to ids that are no member of the net.
    pub delivered_to_nobody: u64,
    pub refused: Vec<(u32, u32, Drop)>,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Time::from_ms(1_000),
            members: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            rng: Rng::new(seed),
            loss: 0,
            delay: Span::from_us(200),
            jitter: Span::from_us(300),
            delivered: 0,
            delivered_to_nobody: 0,
            refused: Vec::new(),
        }
    }

    /// Adds nodes on a line that know each other and have adopted a formation.
    pub fn warm(seed: u64, ids: &[u32]) -> Self {
        let mut net = Self::new(seed);
        for &raw in ids {
            net.add(node(raw, ids));
        }
        let records: Vec<MemberRecord> = ids.iter().map(|&raw| *net.members[&raw].node.me()).collect();
        let now = net.now;
        for (&raw, member) in &mut net.members {
            let Member { node, crypto, kept, .. } = member;
            node.set_known(ids.len() as u32);
            let mut others = records.iter().copied().filter(|record| record.identity.id.get() != raw);
            let formation: Formation = node.config().formation(1);
            node.adopt(now, &mut others, formation, crypto, kept).unwrap();
            for record in records.iter().filter(|record| record.identity.id.get() != raw) {
                node.offer(now, record).unwrap();
            }
        }
        net
    }

    /// Sessions of everybody with everybody: records are exchanged, nothing is formed.
    pub fn meet(&mut self) {
        let records: Vec<MemberRecord> = self.members.values().map(|member| *member.node.me()).collect();
        for (&raw, member) in &mut self.members {
            let Member { node, crypto, kept, .. } = member;
            for record in records.iter().filter(|record| record.identity.id.get() != raw) {
                node.met(self.now, record, crypto, kept);
                node.session_up(self.now, record.identity.id, kept);
            }
        }
    }

    /// Start-up work of one node is done.
    pub fn done(&mut self, raw: u32) {
        let now = self.now;
        let Member { node, crypto, kept, .. } = self.members.get_mut(&raw).unwrap();
        node.local_done(now, crypto, kept).unwrap();
        self.collect(raw);
    }

    pub fn add(&mut self, mut node: Node) {
        let raw = node.identity().id.get();
        let mut kept = Kept::default();
        node.start(self.now, &mut kept);
        let member = Member { node, crypto: Digests(raw), kept, up: true, outcomes: Vec::new() };
        self.members.insert(raw, member);
        self.collect(raw);
    }

    pub fn get(&mut self, raw: u32) -> &mut Member {
        self.members.get_mut(&raw).unwrap()
    }

    pub fn node(&mut self, raw: u32) -> &mut Node {
        &mut self.get(raw).node
    }

    pub fn gradient(&self, raw: u32, component: usize) -> Option<Q16> {
        self.members[&raw].node.gradients()[component]
    }

    pub fn state(&self, raw: u32) -> State {
        self.members[&raw].node.state()
    }

    /// Sends what a node was made to say outside of a tick.
    pub fn flush(&mut self, raw: u32) {
        self.collect(raw);
    }

    fn collect(&mut self, raw: u32) {
        let member = self.members.get_mut(&raw).unwrap();
        for (to, class, bytes) in member.kept.sent.drain(..) {
            if self.rng.below(1_000) < self.loss {
                continue;
            }
            let at = self.now.after(self.delay).after(Span(self.rng.below(self.jitter.0 + 1)));
            self.sequence += 1;
            self.queue.insert((at, self.sequence), (raw, to.get(), class, bytes));
        }
    }

    /// Lets time pass: ticks and deliveries in their order.
    pub fn run(&mut self, span: Span) {
        let end = self.now.after(span);
        loop {
            let up = self.members.iter().filter(|(_, member)| member.up);
            let tick = up.map(|(&raw, member)| (member.node.next_tick(), raw)).min();
            let message = self.queue.keys().next().map(|&(at, _)| at);
            let next = tick.map_or(Time::NEVER, |(at, _)| at).min(message.unwrap_or(Time::NEVER));
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if message == Some(next) {
                self.deliver();
            } else if let Some((_, raw)) = tick {
                self.tick(raw);
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        let Some((_, (from, to, _, bytes))) = self.queue.pop_first() else { return };
        let Some(member) = self.members.get_mut(&to) else {
            self.delivered_to_nobody += 1;
            return;
        };
        if !member.up {
            return;
        }
        self.delivered += 1;
        let Member { node, crypto, kept, .. } = member;
        if let Err(reason) = node.receive(self.now, id(from), &bytes, crypto, kept) {
            self.refused.push((from, to, reason));
        }
        self.collect(to);
    }

    pub fn tick(&mut self, raw: u32) -> Outcome {
        let now = self.now;
        let member = self.members.get_mut(&raw).unwrap();
        let Member { node, crypto, kept, outcomes, .. } = member;
        let outcome = node.tick(now, crypto, kept);
        outcomes.push(outcome);
        self.collect(raw);
        outcome
    }
}
