//! The loop of the link thread, one turn at a time: receive, bridge, tick, mirrors, sessions, show, sleep.
//!
//! Everything the thread owns is in [`Engine`]; nothing here takes a lock or allocates for a datagram. What `ekk` wants done while
//! it is borrowed waits in the [`Outbox`] and is carried out right after.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ekk::id::NodeId;
use ekk::membership::record::MemberRecord;
use ekk::node::{Formation, Node};
use ekk::sign::Crypto;
use ekk::sink::Class;
use ekk::time::{Span, Time};
use link::aead::RingAead;
use link::{Deliver, Endpoint, Gone, KeptFor, Kind, Out};
use shm_transport::udp::{Doorbell, Udp};

use super::dialer::Dialer;
use super::leaving::Leaving;
use super::outbox::Outbox;
use super::show::Shown;
use super::{LinkShared, Teller};
use crate::cluster::bridge::{LinkEnd, ToReliable, Why};
use crate::cluster::directory::Directory;
use crate::cluster::mirror::Mirrors;
use crate::cluster::mirror::rsepx::Carrier;
use crate::cluster::settings::{Peer, Settings};
use crate::runtime::clock::Clock;
use crate::runtime::events::Severity;

/// Datagrams taken in one turn.
const RECEIVE: usize = 256;
/// Messages of the bridge taken in one turn.
const BRIDGE: usize = 64;
/// How often wanted sessions are looked through, ns.
const SESSIONS_NS: u64 = 50_000_000;
/// How often the snapshot is made, ns: five times a second.
const SHOW_NS: u64 = 200_000_000;
/// A session that something wants is wanted for so long after it was last asked for, ns.
const WANTED_NS: u64 = 10_000_000_000;
/// Longest sleep, ns.
const SLEEP_NS: u64 = 50_000_000;
/// Longest sleep while frames of the seed may come, ns.
const GUEST_NS: u64 = 1_000_000;
/// In this order messages leave, whatever the order in which they came up: a cap on bandwidth shall not hold up signs of life.
const ORDER: [Class; 5] = [Class::Heartbeat, Class::Bootstrap, Class::Membership, Class::Ballot, Class::Field];

/// The link thread's own.
pub(super) struct Engine<'r, C> {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Clock,
    pub(super) udp: Udp,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) endpoint: Endpoint<RingAead>,
    pub(super) node: Node,
    pub(super) crypto: C,
    pub(super) bridge: LinkEnd,
    pub(super) outbox: Outbox,
    pub(super) out: Out,
    pub(super) directory: Directory,
    pub(super) dialer: Dialer,
    pub(super) mirrors: Option<Mirrors<'r>>,
    pub(super) rsepx: Option<Carrier<'r>>,
    pub(super) tell: Teller,
    pub(super) shared: Arc<LinkShared>,
    pub(super) shown: Shown,
    pub(super) started_ns: u64,
    pub(super) overdue: bool,
    pub(super) stopping: bool,
    pub(super) sessions_ns: u64,
    pub(super) show_ns: u64,
    pub(super) mirrors_ns: u64,
    /// A list of members that is being taken in, and who sent it.
    pub(super) joining: Option<(Formation, u32, VecDeque<MemberRecord>)>,
    /// Peers of the file whose names were resolved after the start.
    pub(super) found: Vec<Peer>,
    /// A leave under way.
    pub(super) leaving: Option<Leaving>,
    /// When member lists are compared next, `u64::MAX` = not planned.
    pub(super) compare_ns: [u64; 2],
    /// Messages to peers whose address is not known yet.
    pub(super) unaddressed: u64,
}

/// Receiver of what verified datagrams carry.
struct Hearing<'e, 'r, C> {
    now_ns: u64,
    node: &'e mut Node,
    crypto: &'e mut C,
    outbox: &'e mut Outbox,
    mirrors: &'e mut Option<Mirrors<'r>>,
    tell: &'e mut Teller,
}

impl<C: Crypto> Deliver for Hearing<'_, '_, C> {
    fn ekk(&mut self, peer: u32, bytes: &[u8]) {
        if let Some(peer) = NodeId::new(peer) {
            // Refusals are counted by reason in the node.
            let _ = self.node.receive(Time(self.now_ns), peer, bytes, self.crypto, self.outbox);
        }
    }

    fn projection(&mut self, peer: u32, edge: u8, boot: u64, seq: u64, bytes: &[u8]) {
        if let Some(mirrors) = self.mirrors {
            mirrors.projection(peer, edge, boot, seq, bytes, self.now_ns);
        }
    }

    fn command(&mut self, peer: u32, _stream: u8, _seq: u64, bytes: &[u8]) -> bool {
        let Some(mirrors) = self.mirrors else { return true };
        let (tell, now_ns) = (&mut *self.tell, self.now_ns);
        mirrors.command(peer, bytes, now_ns, &mut |severity, text| tell.say(severity, text))
    }

    fn rtt(&mut self, peer: u32, rtt_ns: u64) {
        if let Some(peer) = NodeId::new(peer) {
            self.node.rtt_sample(Time(self.now_ns), peer, Span(rtt_ns));
        }
    }

    fn moved(&mut self, peer: u32, from: Option<std::net::SocketAddr>, to: std::net::SocketAddr) {
        if let Some(from) = from {
            self.tell.say(Severity::Notice, format!("n{peer} sends from {to} now, before from {from}: followed"));
        }
    }
}

impl<C: Crypto> Engine<'_, C> {
    /// Runs until it is told to stop.
    pub(super) fn run(&mut self) {
        let now_ns = self.clock.now_ns();
        self.begin(now_ns);
        while !self.stopping {
            let now_ns = self.clock.now_ns();
            self.shared.beat_ns.store(now_ns, Ordering::Relaxed);
            self.obey(now_ns);
            self.turn(now_ns);
            let sleep_ns = self.sleep_ns(self.clock.now_ns());
            self.udp.wait(sleep_ns);
            self.doorbell.answer();
        }
        self.finish();
    }

    /// Told to stop by whoever owns the thread, whether or not the message got through.
    fn obey(&mut self, now_ns: u64) {
        let told = self.shared.stop.load(Ordering::Acquire);
        if told == 2 && !self.stopping {
            self.node.leave(Time(now_ns), &mut self.crypto, &mut self.outbox);
        }
        self.stopping |= told != 0;
    }

    fn begin(&mut self, now_ns: u64) {
        self.started_ns = now_ns;
        let me = *self.node.me();
        self.directory.joined(&me, self.clock.unix_ns(now_ns));
        self.bridge.send(ToReliable::Listening { address: self.udp.local_addr() });
        self.node.start(Time(now_ns), &mut self.outbox);
        let (mode, reason) = (self.udp.mode().text(), self.udp.reason());
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let severity = if reason.is_empty() { Severity::Info } else { Severity::Warning };
        let text = format!("the link listens on {} by {mode}{why}", self.udp.local_addr());
        self.tell.say(severity, text);
    }

    /// One turn.
    pub(super) fn turn(&mut self, now_ns: u64) {
        self.receive(now_ns);
        for _ in 0..BRIDGE {
            let Some(message) = self.bridge.take() else { break };
            self.hear_bridge(message, now_ns);
        }
        if Time(now_ns) >= self.node.next_tick() {
            self.node.tick(Time(now_ns), &mut self.crypto, &mut self.outbox);
            self.judge_deadline(now_ns);
            self.judge_leave(now_ns);
        }
        self.take_members(now_ns);
        self.carry_out(now_ns);
        self.send_messages(now_ns);
        if now_ns >= self.mirrors_ns {
            self.turn_mirrors(now_ns);
        }
        if let Some(carrier) = &mut self.rsepx {
            let tell = &mut self.tell;
            carrier.turn(now_ns, &mut |severity, text| tell.say(severity, text));
        }
        if now_ns >= self.sessions_ns {
            self.sessions_ns = now_ns + SESSIONS_NS;
            self.turn_sessions(now_ns);
            self.compare(now_ns);
        }
        let udp = &mut self.udp;
        let mut unaddressed = 0;
        self.endpoint.poll(now_ns, |_, address, bytes| match address {
            Some(address) => {
                // A full queue is counted there, and what is not acknowledged comes again.
                let _ = udp.queue(address, bytes, None);
            }
            None => unaddressed += 1,
        });
        self.unaddressed += unaddressed;
        if now_ns >= self.show_ns {
            self.show_ns = now_ns + SHOW_NS;
            self.show(now_ns);
        }
    }

    fn receive(&mut self, now_ns: u64) {
        let Self { udp, endpoint, node, crypto, outbox, mirrors, tell, .. } = self;
        let mut hearing = Hearing { now_ns, node, crypto, outbox, mirrors, tell };
        udp.receive(RECEIVE, &mut |from, datagram| {
            // Drops are counted by reason in the endpoint.
            let _ = endpoint.receive(now_ns, from, datagram, &mut hearing);
        });
        endpoint.poll_deliver(now_ns, &mut hearing);
    }

    fn judge_deadline(&mut self, now_ns: u64) {
        let deadline_ns = self.settings.deadline_ns;
        if !self.overdue && deadline_ns != 0 && now_ns.saturating_sub(self.started_ns) >= deadline_ns {
            self.overdue = true;
            // Refused once the cluster has formed: then there is nothing to be late for.
            let _ = self.node.deadline(Time(now_ns), &mut self.crypto, &mut self.outbox);
        }
    }

    /// Seals and queues what `ekk` wants sent.
    pub(super) fn send_messages(&mut self, now_ns: u64) {
        for class in ORDER {
            for at in 0..self.outbox.messages() {
                let (waiting, bytes) = self.outbox.message(at);
                if waiting.class != class {
                    continue;
                }
                if self.endpoint.has_session(waiting.to) {
                    // A refusal (cap, keys used up) is counted by the endpoint; what matters is said again by `ekk`.
                    if self.endpoint.seal(now_ns, waiting.to, Kind::Ekk, bytes, &mut self.out).is_ok() {
                        match self.out.address() {
                            Some(address) => {
                                let _ = self.udp.queue(address, self.out.bytes(), None);
                            }
                            None => self.unaddressed += 1,
                        }
                    }
                } else {
                    self.dialer.want(waiting.to, Why::Message, now_ns, WANTED_NS);
                    self.dialer.hold(waiting.to, bytes, now_ns);
                }
            }
        }
        self.outbox.clear();
    }

    fn turn_mirrors(&mut self, now_ns: u64) {
        let Self { mirrors: Some(mirrors), endpoint, out, udp, tell, .. } = self else {
            self.mirrors_ns = u64::MAX;
            return;
        };
        let mut send = |address, bytes: &[u8], segment| {
            // A full queue is counted there; the next projection is newer anyway.
            let _ = udp.queue(address, bytes, segment);
        };
        mirrors.turn(now_ns, endpoint, out, &mut send, &mut |severity, text| tell.say(severity, text));
        self.mirrors_ns = now_ns + 1_000_000_000 / u64::from(self.settings.projections_per_s.max(1));
    }

    /// Says what sessions are kept for, dials those that are missing, renews keys.
    fn turn_sessions(&mut self, now_ns: u64) {
        let now = Time(now_ns);
        let formed = self.node.formation().is_some();
        let me = self.settings.me.identity.id;
        let mut wanted: [(u32, Why); 128] = [(0, Why::Message); 128];
        let mut count = 0;
        let mut want = |id: u32, why| {
            if id != me.get() && count < wanted.len() {
                wanted[count] = (id, why);
                count += 1;
            }
        };
        self.node.neighbours(now).for_each(|view| want(view.id.get(), Why::Neighbour));
        self.node.watches(now).for_each(|view| want(view.identity.id.get(), Why::Watch));
        self.mirrors.iter().flat_map(Mirrors::nodes).for_each(|node| want(node, Why::Braid));
        if !formed {
            self.settings.node.founders.ids().iter().for_each(|id| want(id.get(), Why::Bootstrap));
            self.settings.peers.iter().chain(&self.found).for_each(|peer| want(peer.id, Why::Bootstrap));
        }
        let wanted = &wanted[..count];
        for &(peer, why) in wanted {
            if self.endpoint.has_session(peer) {
                self.endpoint.keep_for(peer, kept_for(wanted, peer));
            } else {
                self.dialer.want(peer, why, now_ns, WANTED_NS);
            }
        }
        let alone = self.endpoint.sessions().next().is_none();
        let Self { dialer, settings, directory, endpoint, bridge, found, .. } = self;
        let address = |id| {
            let known = settings.peers.iter().chain(&*found).find(|peer| peer.id == id).map(|peer| peer.address);
            known.or_else(|| directory.record(id).and_then(super::address_of))
        };
        let connected = |id| endpoint.has_session(id);
        let dial = |target, why| bridge.send(ToReliable::Connect { target, why });
        dialer.turn(now_ns, alone || !formed, address, connected, dial);
        self.renew_keys(now_ns);
    }

    /// Asks for new keys where they are old or much used. Of the two sides the one with the lower number asks, unless its keys
    /// are about to be used up.
    fn renew_keys(&mut self, now_ns: u64) {
        let (me, rekey_ns) = (self.settings.me.identity.id.get(), self.settings.rekey_ns);
        let Self { endpoint, shown, bridge, .. } = self;
        for session in endpoint.sessions() {
            let old = shown.key_age_ns(session.peer, session.epoch, now_ns) >= rekey_ns && me < session.peer;
            if (old || session.wants_rotation) && shown.may_ask_for_keys(session.peer, now_ns) {
                bridge.send(ToReliable::Rotate { peer: session.peer });
            }
        }
    }

    fn sleep_ns(&self, now_ns: u64) -> u64 {
        let poll_ns = self.endpoint.next_deadline_ns().unwrap_or(u64::MAX);
        let next_ns = self.node.next_tick().0.min(poll_ns).min(self.mirrors_ns).min(self.sessions_ns).min(self.show_ns);
        // The seed's frames come by a socket of their own, which is looked at now and then: it is a guest, not a plane.
        let longest_ns = if self.rsepx.is_some() { GUEST_NS } else { SLEEP_NS };
        next_ns.saturating_sub(now_ns).min(longest_ns)
    }

    fn finish(&mut self) {
        let now_ns = self.clock.now_ns();
        if let Some(mirrors) = &mut self.mirrors {
            let tell = &mut self.tell;
            mirrors.finish(&mut |severity, text| tell.say(severity, text));
        }
        self.node.stop(Time(now_ns), &mut self.outbox);
        self.carry_out(now_ns);
        self.send_messages(now_ns);
        self.udp.flush();
        self.show(now_ns);
    }

    /// Gives a session up.
    pub(super) fn drop_session(&mut self, peer: u32, why: Gone, now_ns: u64) {
        if self.endpoint.has_session(peer) {
            self.endpoint.remove(peer, why);
            if let Some(id) = NodeId::new(peer) {
                self.node.session_down(Time(now_ns), id, &mut self.outbox);
            }
        }
    }
}

fn kept_for(wanted: &[(u32, Why)], peer: u32) -> KeptFor {
    wanted.iter().filter(|(id, _)| *id == peer).fold(KeptFor::RECENT, |kept, (_, why)| match why {
        Why::Neighbour => kept.with(KeptFor::NEIGHBOUR),
        Why::Watch => kept.with(KeptFor::WATCH),
        Why::Braid => kept.with(KeptFor::BRAID),
        Why::Bootstrap | Why::Message => kept,
    })
}
