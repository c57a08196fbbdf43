//! Who is a member: watch links, statements of silence, certificates of death (`membership:MB-1` to `membership:MB-15`,
//! `decisions:CLU-2`).
//!
//! [`Membership`] is one value without clock, threads or allocation. The caller hands it verified messages
//! ([`Membership::receive`]), calls [`Membership::tick`] once a period and carries out what arrives at the
//! [`Sink`](crate::sink::Sink). It keeps what one node needs (at most 12 watch links, a passive view of 64, tombstones) and
//! never a list of all members, nor does a message hold one (`membership:MB-9`): the caller folds the events into a
//! directory (`decisions:CLU-3`).
//!
//! Where to start: [`link`] is the lease between two watchers, [`heard`] judges silence, `death` turns statements into a
//! certificate, `graph` keeps the rings, `life` joins, leaves, refutes and returns, [`news`] tells the rest.

pub mod case;
pub mod config;
pub mod doubt;
pub mod evidence;
pub mod heard;
pub mod link;
pub mod member;
pub mod memory;
pub mod news;
pub mod record;

mod beat;
mod death;
mod graph;
mod heal;
mod life;
mod records;
mod view;

pub use config::{Config, Refused, quorum};
pub use heal::Heal;
pub use record::MemberRecord;
pub use view::{Counters, LinkView, Removal};

use crate::hash::Rng;
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Signature};
use crate::sink::{Class, Sink};
use crate::time::Time;
use crate::wire::v1::membership::{Heartbeat, Message, News, NewsKind, Notice};
use crate::wire::v1::{Header, Kind, MESSAGE_BYTES_MAX, Reader};
use case::Cases;
use doubt::Doubt;
use evidence::WatchSet;
use link::Links;
use memory::{Known, Latest, Passive, Seen, Tombs, zone_digest};
use news::Queue;

/// Seeds, founders and last known that are tried for ever (`membership:MB-13`).
pub const SEEDS_MAX: usize = 16;
/// Records kept to be given to who asks.
const RECORDS_MAX: usize = 16;
/// Farewells and notices kept to be given to who asks.
const NOTES_MAX: usize = 8;
/// Nodes under maintenance or quarantine at once.
const LISTED_MAX: usize = 16;

/// The membership of one node; `TOMBS` tombstones, `SEEN` remembered news (a multiple of 4), `VERDICTS` stored certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Membership<const TOMBS: usize = 1024, const SEEN: usize = 4096, const VERDICTS: usize = 16> {
    config: Config,
    /// Least and greatest threshold of a watcher, doubt apart.
    bounds: (u16, u16),
    me: MemberRecord,
    rng: Rng,
    links: Links,
    passive: Passive,
    tombs: Tombs<TOMBS>,
    seen: Seen<SEEN>,
    verdicts: Latest<Removal, VERDICTS>,
    records: Latest<MemberRecord, RECORDS_MAX>,
    farewells: Latest<(Identity, Signature), NOTES_MAX>,
    notices: Latest<Notice, NOTES_MAX>,
    maintenance: Latest<(NodeId, Time), LISTED_MAX>,
    quarantine: Latest<NodeId, LISTED_MAX>,
    seeds: [NodeId; SEEDS_MAX],
    news: Queue,
    cases: Cases,
    doubt: Doubt,
    /// Own signed watch set, and whether it has to be signed anew.
    set: WatchSet,
    set_dirty: bool,
    /// Sequence of the last heartbeat.
    sequence: u32,
    state: u8,
    /// Members known, this node included.
    known: u32,
    /// Nothing happens before the first tick or link.
    last_tick: Option<Time>,
    graph: graph::Plan,
    life: life::Standing,
    heal: heal::Healing,
    valve: death::Valve,
    counters: Counters,
}

/// What a handler may do to the world.
struct Io<'a, C, S> {
    crypto: &'a mut C,
    sink: &'a mut S,
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// A membership of one. `me` is signed; it is signed again whenever the life changes.
    #[must_use]
    pub fn new(config: Config, me: MemberRecord, seed: u64) -> Self {
        Self {
            config,
            bounds: (heard::T_MIN, heard::T_MAX),
            rng: Rng::new(seed),
            links: Links::default(),
            passive: Passive::default(),
            tombs: Tombs::default(),
            seen: Seen::default(),
            verdicts: Latest::default(),
            records: Latest::default(),
            farewells: Latest::default(),
            notices: Latest::default(),
            maintenance: Latest::default(),
            quarantine: Latest::default(),
            seeds: [NodeId::NONE; SEEDS_MAX],
            news: Queue::default(),
            cases: Cases::default(),
            doubt: Doubt::default(),
            set: WatchSet::empty(me.identity, 0),
            set_dirty: false,
            sequence: 0,
            state: 0,
            known: 1,
            last_tick: None,
            graph: graph::Plan::default(),
            life: life::Standing::default(),
            heal: heal::Healing::default(),
            valve: death::Valve::default(),
            counters: Counters::default(),
            me,
        }
    }

    /// Takes members known by other means: a snapshot of the reliable plane, a configuration, the caller's directory. Each
    /// record is checked through `crypto`. [`crate::sink::Event::NeedRecord`] is answered by the same call.
    pub fn adopt(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = MemberRecord>,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) {
        for record in records {
            let _ = self.learn(now, &record, &mut Io { crypto, sink });
        }
    }

    /// Ids that are tried for ever when every link is gone: seeds, founders (`membership:MB-13`); the first 16 count.
    pub fn set_seeds(&mut self, seeds: &[NodeId]) {
        self.seeds = [NodeId::NONE; SEEDS_MAX];
        for (slot, &seed) in self.seeds.iter_mut().zip(seeds) {
            *slot = seed;
        }
    }

    /// The state of the node's own machine, carried in heartbeats.
    pub const fn set_state(&mut self, state: u8) {
        self.state = state;
    }

    /// The caller's number of members, this node included: the base of the safety valve and of the length of walks.
    pub const fn set_known(&mut self, members: u32) {
        self.known = if members == 0 { 1 } else { members };
    }

    /// One message of the groups heartbeat and membership from a sender that the link verified.
    ///
    /// # Errors
    /// Why the message changed nothing.
    pub fn receive(
        &mut self,
        now: Time,
        header: &Header,
        body: Reader<'_>,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        let io = &mut Io { crypto, sink };
        let from = header.sender.id;
        if from == self.me.identity.id {
            return Err(Refused::Echo);
        }
        if self.is_quarantined(from) {
            return Err(Refused::Quarantined);
        }
        if self.life.has_left() {
            return Err(Refused::Unwanted);
        }
        if header.kind == Kind::HEARTBEAT {
            let beat = Heartbeat::decode(body)?;
            return self.on_beat(now, header, &beat, io);
        }
        let message = Message::decode(header.kind, body)?;
        self.check_sender(now, header, &message, io)?;
        match message {
            Message::WatchAsk { ring, hops, origin } => self.on_ask_watch(now, from, ring, hops, &origin, io),
            Message::WatchTake { roles, member } => self.on_take(now, from, roles, &member, io),
            Message::WatchDrop => self.on_drop(now, from, io),
            Message::Silence(statement) => self.on_silence(now, from, &statement, io),
            Message::Fresh { subject, last_sequence, age_us } => {
                self.on_fresh(now, from, &subject, last_sequence, age_us)
            }
            Message::Certificate(certificate) => self.on_certificate(now, Some(from), &certificate, io),
            Message::Record { cause, record } => self.on_record(now, from, cause, &record, io),
            Message::Left { identity, signature } => self.on_left(now, Some(from), &identity, &signature, io),
            Message::Ask { kind, identity } => self.on_ask(from, kind, &identity, io),
            Message::YouAre { known } => self.on_you_are(now, from, &known, io),
            Message::Maintenance(notice) => self.on_maintenance(now, from, &notice, io),
        }
    }

    /// Once a period: deadlines, cases, repairs, then heartbeats.
    pub fn tick(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        if self.life.has_left() {
            return;
        }
        let io = &mut Io { crypto, sink };
        self.notice_stall(now);
        self.tick_links(now, io);
        self.tick_cases(now, io);
        self.tick_graph(now, io);
        self.tick_life(now, io);
        self.tick_valve(now);
        self.tick_heal(now, io);
        self.sign_set(io);
        self.send_beats(now, io);
        self.last_tick = Some(now);
    }

    /// Drops everything of `node` until [`Membership::lift`]; its links end and are replaced.
    pub fn quarantine(&mut self, now: Time, node: NodeId, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        if node == self.me.identity.id || self.is_quarantined(node) {
            return;
        }
        self.quarantine.push(node);
        let io = &mut Io { crypto, sink };
        self.remove_link(now, node, io);
        self.passive.remove(node);
    }

    /// Ends a quarantine.
    pub fn lift(&mut self, node: NodeId) {
        self.quarantine.drop_if(|&listed| listed == node);
    }

    fn is_quarantined(&self, node: NodeId) -> bool {
        self.quarantine.contains(&node)
    }

    /// Nobody is called silent here nor is its removal accepted while it is under maintenance.
    fn is_maintained(&self, now: Time, node: NodeId) -> bool {
        self.maintenance.iter().any(|&(listed, until)| listed == node && now < until)
    }

    /// Sends one message of the membership.
    fn say(&self, to: NodeId, message: &Message, sink: &mut impl Sink) {
        let header = Header { kind: message.kind(), sender: self.me.identity, sequence: 0 };
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        // The longest message is shorter than the buffer: the constants of `evidence` hold that.
        if let Ok(mut writer) = header.begin(&mut buffer)
            && message.encode(&mut writer).is_ok()
        {
            sink.send(to, Class::Membership, writer.done());
        }
    }

    /// Sends one message over all watch links but that of the teller (`ekk:D-29`), and queues the news that repairs its losses.
    fn flood(&mut self, teller: Option<NodeId>, message: &Message, news: News, sink: &mut impl Sink) {
        for link in self.links.iter().filter(|link| Some(link.peer()) != teller) {
            self.say(link.peer(), message, sink);
        }
        self.news.push(news);
    }

    /// How often one piece of news goes over one link: log2 of the members and four.
    const fn repeats(&self) -> u8 {
        (self.known.ilog2() + 4) as u8
    }

    /// Period of the heartbeats, and multiples of it.
    const fn periods(&self, count: u64) -> crate::time::Span {
        self.config.timing.period.times(count)
    }

    /// Remembers a member, checked, without telling anybody; true when the id was new here.
    fn note_member(&mut self, record: &MemberRecord) -> bool {
        let known = Known { identity: record.identity, zone: zone_digest(record) };
        let linked = self.links.get(record.identity.id).is_some();
        let fresh = self.passive.insert(known, &mut self.rng) && !linked;
        let kept = self.records.find_mut(|kept| kept.identity.id == record.identity.id);
        match kept {
            Some(kept) => *kept = *record,
            None => self.records.push(*record),
        }
        fresh
    }

    /// News about a record.
    fn record_news(record: &MemberRecord) -> News {
        News { kind: NewsKind::Record, identity: record.identity, digest: record.digest() }
    }
}
