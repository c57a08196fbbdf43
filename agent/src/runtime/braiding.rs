//! The braid as the loop drives it: heartbeats of peers, exchanges when due, messages in and out.
//!
//! The decisions are [`torus::braid::Braid`]'s; here is what it costs to carry them out: slots are read, rings are filled with
//! room reserved first (`decisions:NODE-5`), inputs are applied, notices are sent. Nothing allocates after [`Braiding::new`].

use std::sync::atomic::Ordering;

use shm_transport::region::{RECORD_WORDS, Side, State};
use shm_transport::slot::{Read, SlotReader};
use shm_transport::spsc;
use shm_transport::wake::Waker;
use torus::braid::{Braid, Change, Decision, HandOver, Link, Own, Verdict};
use torus::message::{Kind, Message};
use torus::projection::native::{Facts, Projection, WORDS};
use torus::{Input, MAX_TORI, Mode, Reactor, Torus};

use crate::config;

use super::build;
use super::clock::Clock;
use super::events::Happening;
use super::exchange::ExchangeStats;
use super::inputs::Inputs;
use super::notices::Notices;
use super::shared::{DRAIN, NodeShared};

/// How long a damaged ring stays as it is before this side sets it right, ns: what its writer stores next may mend it.
const PATIENCE_NS: u64 = 100_000_000;

/// Our ends of everything shared with one peer.
#[derive(Debug)]
struct Ends<'a> {
    reader: SlotReader<'a>,
    sender: spsc::Sender<'a>,
    receiver: spsc::Receiver<'a>,
    waker: Waker<'a>,
    /// Absolute count of what was sent when the link was looked at last.
    sent_total: u64,
    /// Boot of the peer that attached last.
    known_boot: u64,
    /// Messages sent to a boot that is over and still in the ring for the next one: drained by it, not lost.
    left_for_next: u64,
    bad_messages: u64,
    bad_said: u64,
    refused_said: u64,
    refused: u64,
    /// Projections that were whole and not taken.
    outdated: u64,
    outdated_said: u64,
    /// What the peer refused of ours, over all boots, when it was looked at last.
    nacks: Option<u64>,
    refused_by: u64,
    /// Since when each end of the rings was seen damaged, sender and receiver.
    damaged_ns: [Option<u64>; 2],
    damaged_said: bool,
    repaired: bool,
}

/// The braid of one running torus.
#[derive(Debug)]
pub struct Braiding<'a> {
    braid: Braid,
    me: u8,
    boot: u64,
    ends: Vec<Option<Ends<'a>>>,
    links: [Link; MAX_TORI],
    projection: Box<Projection>,
    words: Box<[u64; WORDS]>,
    full_batch: u32,
    batch: u32,
    heard_ns: u64,
    listen_ns: u64,
    exchanged_ns: u64,
    wakes: u64,
    clock: Clock,
    shown: Shown,
    pids: [u32; MAX_TORI],
    own_pid: u32,
    /// Boots that left in order.
    left: [u64; MAX_TORI],
    /// Boots whose process is gone.
    killed: [u64; MAX_TORI],
}

/// What the status page shows of the last exchanges.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Braid interval before the last change, ticks.
    pub interval_before: u32,
    /// Violation rate at the last change, parts per million.
    pub rate_ppm: u32,
    /// 0 never, 1 above the upper threshold, 2 below the lower one, 3 by hand.
    pub interval_reason: u32,
    /// Unix time of the change, ns.
    pub interval_changed_unix_ns: u64,
    /// Projections refused.
    pub refused: u64,
    /// Read tries beyond the first.
    pub retries: u64,
    /// Largest difference of facing cells at the last comparison.
    pub face_spread: u64,
    /// Breaks of conservation.
    pub breaks: u64,
    /// Unix time of the last break, ns.
    pub break_unix_ns: u64,
    /// Faces of the peer applied last.
    pub peer_faces: Box<[u16; torus::FACES]>,
    /// Which peer that is; 255 = none.
    pub peer_faces_of: u32,
}

impl<'a> Braiding<'a> {
    /// Takes the ends of all rings. Returns beside it what earlier boots of this torus left unread, by peer.
    ///
    /// # Errors
    /// A sentence about settings that do not fit, or about ends that are taken.
    pub fn new<R: Reactor>(
        config: &config::Config,
        own: &config::Torus,
        side: &mut Side<'a>,
        torus: &Torus<'_, R>,
        now_ns: u64,
        clock: Clock,
    ) -> Result<(Self, Vec<(u8, u64)>), String> {
        let (me, boot, tori) = (own.id, side.boot(), side.view().tori());
        let braid = Braid::new(build::braid(config), me, boot, tori).map_err(|error| error.to_string())?;
        let mut unread = Vec::new();
        let mut ends = Vec::with_capacity(usize::from(tori));
        for peer in 0..tori {
            if peer == me {
                ends.push(None);
                continue;
            }
            let (taken, left) = Ends::take(side, peer).map_err(|error| error.to_string())?;
            ends.push(Some(taken));
            if left > 0 {
                unread.push((peer, left));
            }
        }
        let batch = torus.settings().batch_events;
        let words = vec![0u64; WORDS].try_into().map_err(|_| "projection of another size".to_owned())?;
        let braiding = Self {
            braid,
            me,
            boot,
            ends,
            links: [Link::default(); MAX_TORI],
            projection: Box::new(Projection::new(me, tori, boot)),
            words,
            full_batch: batch,
            batch,
            heard_ns: 0,
            listen_ns: (config.braid.liveness.as_nanos() as u64 / 4).max(1),
            exchanged_ns: now_ns,
            wakes: 0,
            clock,
            shown: Shown::new(config.braid.interval_ticks),
            pids: [0; MAX_TORI],
            own_pid: std::process::id(),
            left: [0; MAX_TORI],
            killed: [0; MAX_TORI],
        };
        Ok((braiding, unread))
    }

    /// Admits up to `room` messages of one peer; what does not parse is counted and dropped. Whether there was any.
    pub fn receive<R: Reactor>(&mut self, peer: u8, room: u64, torus: &mut Torus<'_, R>, inputs: &mut Inputs) -> bool {
        let Some(ends) = self.ends.get_mut(usize::from(peer)).and_then(Option::as_mut) else { return false };
        let mut words = [0; RECORD_WORDS];
        let mut any = false;
        for _ in 0..room {
            match ends.receiver.recv(&mut words) {
                Ok(true) => {}
                Ok(false) => break,
                // Said and set right by `mend`.
                Err(_) => break,
            }
            any = true;
            match Message::from_words(&words) {
                Ok(message) if message.from == peer => {
                    inputs.apply(torus, Input::Admit { from: peer, token: message.token });
                }
                _ => ends.bad_messages += 1,
            }
        }
        any
    }

    /// Whether a peer has sent something that is not admitted yet.
    pub fn waiting(&mut self) -> bool {
        self.ends.iter_mut().flatten().any(|ends| ends.receiver.waiting().unwrap_or(0) > 0)
    }

    /// One turn of the loop: listens to heartbeats now and then, exchanges when due. Whether there was an exchange.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, borrowed apart")]
    pub fn turn<R: Reactor>(
        &mut self,
        torus: &mut Torus<'_, R>,
        side: &mut Side<'a>,
        inputs: &mut Inputs,
        stats: &mut ExchangeStats,
        notices: &mut Notices<'_>,
        now_ns: u64,
        node: &NodeShared,
    ) -> bool {
        let cpu_permille = node.cpu_permille.load(Ordering::Relaxed);
        let bias = node.load_bias.load(Ordering::Relaxed);
        if now_ns.saturating_sub(self.heard_ns) >= self.listen_ns {
            self.listen(side, node, now_ns);
            self.mend(side, now_ns);
            self.report(now_ns, notices);
        }
        if !self.braid.due(torus.counters().executed, now_ns) {
            return false;
        }
        let started_ns = self.clock.now_ns();
        self.exchanged_ns = now_ns;
        self.read_sources(side, now_ns);
        self.look_at_links();
        let own = facts(torus, cpu_permille, bias);
        let decision = self.braid.decide(&Own { facts: own.facts(torus), links: &self.links }, now_ns);
        self.carry_out(&decision, torus, inputs, notices, now_ns);
        self.look_at_links();
        let own = facts(torus, cpu_permille, bias);
        self.braid.project(&mut self.projection, &Own { facts: own.facts(torus), links: &self.links }, now_ns);
        side.publish(now_ns, self.projection.words());
        let ended_ns = self.clock.now_ns();
        stats.exchange(ended_ns.saturating_sub(started_ns), ended_ns);
        true
    }

    fn listen(&mut self, side: &Side<'_>, node: &NodeShared, now_ns: u64) {
        self.heard_ns = now_ns;
        for peer in 0..side.view().tori() {
            // Before the line: a process that leaves in order gives its line back before it ends.
            let gone = node.gone[usize::from(peer)].load(Ordering::Acquire);
            let Ok(line) = side.line(peer) else { continue };
            self.braid.heard(peer, line.boot, line.heartbeat, now_ns);
            self.pids[usize::from(peer)] = line.process.pid;
            self.killed[usize::from(peer)] = gone;
            if line.state == State::Retired {
                self.left[usize::from(peer)] = line.boot;
            }
            if matches!(line.state, State::Retired | State::Abandoned) || (gone != 0 && gone == line.boot) {
                self.braid.gone(peer, line.boot);
            }
            if let (Some(Some(ends)), Ok(ack)) = (self.ends.get_mut(usize::from(peer)), side.acked_by(peer)) {
                let before = ends.nacks.replace(ack.nacks).unwrap_or(ack.nacks);
                ends.refused_by += ack.nacks.saturating_sub(before);
            }
        }
    }

    /// Sets right the rings whose counts contradict each other and stay so (`rse:M7`): whoever wrote there, neither side may be
    /// kept from the other for ever. Each side moves its own count only.
    fn mend(&mut self, side: &Side<'a>, now_ns: u64) {
        for (peer, ends) in (0u8..).zip(&mut self.ends) {
            let Some(ends) = ends else { continue };
            let damaged = [ends.sender.free().is_err(), ends.receiver.waiting().is_err()];
            for (end, damaged) in damaged.into_iter().enumerate() {
                if !damaged {
                    ends.damaged_ns[end] = None;
                    continue;
                }
                let since_ns = *ends.damaged_ns[end].get_or_insert(now_ns);
                ends.damaged_said |= since_ns == now_ns;
                if now_ns.saturating_sub(since_ns) >= PATIENCE_NS {
                    ends.damaged_ns[end] = None;
                    ends.repaired = true;
                    match end {
                        0 => ends.sender = side.renew_sender(peer, &ends.sender),
                        _ => ends.receiver = side.renew_receiver(peer, &ends.receiver),
                    }
                }
            }
        }
    }

    fn read_sources(&mut self, side: &Side<'_>, now_ns: u64) {
        let (braid, ends, shown) = (&mut self.braid, &mut self.ends, &mut self.shown);
        for peer in braid.sources() {
            let Some(ends) = ends.get_mut(usize::from(peer)).and_then(Option::as_mut) else { continue };
            match ends.reader.read(&mut self.words[..]) {
                Read::Fresh { seq, boot, words, tries, .. } => {
                    shown.retries += u64::from(tries.saturating_sub(1));
                    let Ok(projection) = Projection::parse_words(&self.words[..words]) else {
                        ends.refused += 1;
                        let _ = side.nack(peer, seq);
                        continue;
                    };
                    match braid.observe(peer, projection, now_ns) {
                        Verdict::Fresh { .. } => {
                            let _ = side.ack(peer, boot, seq);
                            shown.peer_faces.copy_from_slice(&projection.faces);
                            shown.peer_faces_of = u32::from(peer);
                        }
                        Verdict::Foreign => {
                            ends.refused += 1;
                            let _ = side.nack(peer, seq);
                        }
                        Verdict::OtherBoot | Verdict::OldBoot | Verdict::Stale => ends.outdated += 1,
                        Verdict::Duplicate | Verdict::Unproven => {}
                    }
                }
                Read::Damaged(_) => ends.refused += 1,
                Read::Busy => shown.retries += u64::from(shm_transport::slot::MAX_TRIES),
                Read::Unchanged | Read::Empty => {}
            }
        }
        shown.refused = ends.iter().flatten().map(|ends| ends.refused).sum();
    }

    /// Reads what both sides of each pair have counted. Both ends of a ring start counting where the later of the two
    /// attached, so the two sides mean the same messages without having spoken (`decisions:NODE-8`).
    fn look_at_links(&mut self) {
        for (ends, link) in self.ends.iter_mut().zip(&mut self.links) {
            let Some(ends) = ends else { continue };
            let (boot, incoming) = (ends.sender.peer_boot(), ends.receiver.peer_boot());
            if boot != ends.known_boot && boot != 0 {
                let left = ends.sent_total.wrapping_sub(ends.sender.peer_start());
                let known = ends.known_boot != 0 && left <= ends.sender.capacity();
                ends.left_for_next = if known { left } else { 0 };
                ends.known_boot = boot;
            }
            // A peer attaches its two ends one after the other; in between nothing is said about the pair.
            *link = if boot == incoming { ends.link(boot) } else { Link { boot: 0, ..Link::default() } };
            ends.sent_total = ends.sender.sent();
        }
    }

    fn carry_out<R: Reactor>(
        &mut self,
        decision: &Decision,
        torus: &mut Torus<'_, R>,
        inputs: &mut Inputs,
        notices: &mut Notices<'_>,
        now_ns: u64,
    ) {
        if let Some(given) = &decision.hand_over {
            self.hand_over(given, torus, inputs, notices, now_ns);
        }
        for (peer, &lost) in decision.lost.iter().enumerate() {
            self.count_lost(peer, lost, torus, inputs, notices, now_ns);
        }
        if let Some(change) = decision.interval {
            inputs.apply(torus, Input::Interval { ticks: change.to });
            self.shown.changed(&change, notices.clock.unix_ns(now_ns));
            let config = self.braid.config();
            let (above_ppm, below_ppm) = (config.shrink_above_ppm, config.grow_below_ppm);
            notices.say(now_ns, Happening::Interval { change, above_ppm, below_ppm });
        }
        let batch = (u64::from(self.full_batch) * u64::from(decision.throttle_permille) / 1_000).max(1) as u32;
        if batch != self.batch {
            self.batch = batch;
            inputs.apply(torus, Input::Batch { events: batch });
        }
        if let Some(spread) = decision.face_spread {
            self.shown.face_spread = spread;
        }
        if let Some(broken) = decision.broken {
            self.shown.breaks += 1;
            self.shown.break_unix_ns = notices.clock.unix_ns(now_ns);
            notices.say(now_ns, Happening::Broken(broken));
        }
        for change in decision.changes() {
            notices.say(now_ns, self.told(change));
        }
    }

    /// What is said of a change: a peer known to be gone either left in order, or its process is gone, or it gave up its place.
    fn told(&self, change: Change) -> Happening {
        match change {
            Change::Failed { peer, boot, votes: 0, unconfirmed, .. } => {
                let at = usize::from(peer);
                if self.left[at] == boot {
                    Happening::Left { peer, boot, unconfirmed }
                } else if self.killed[at] == boot {
                    Happening::Killed { peer, boot, unconfirmed }
                } else {
                    Happening::Change(change)
                }
            }
            change => Happening::Change(change),
        }
    }

    /// Room in the ring is reserved before work is taken out, so nothing is ever held that cannot be sent.
    fn hand_over<R: Reactor>(
        &mut self,
        given: &HandOver,
        torus: &mut Torus<'_, R>,
        inputs: &mut Inputs,
        notices: &mut Notices<'_>,
        now_ns: u64,
    ) {
        let (own_load, peer_load) = (torus.load().total(), self.braid.peers()[usize::from(given.to)].load().total());
        let Some(ends) = self.ends.get_mut(usize::from(given.to)).and_then(Option::as_mut) else { return };
        let free = ends.sender.free().unwrap_or(0);
        let count = given.count.min(u32::try_from(free).unwrap_or(u32::MAX));
        if count == 0 {
            return;
        }
        let (me, boot, sender) = (self.me, self.boot, &mut ends.sender);
        let mut seq = sender.sent_by_this_boot();
        let mut unsent = 0;
        let moved = inputs.hand_over(torus, given.to, count, &mut |token| {
            seq += 1;
            let message = Message { kind: Kind::Token, from: me, boot, seq, token };
            // `count` places were free, and only this side fills them: it fails only when the ring is damaged in between.
            unsent += u64::from(sender.stage(&message.to_words()).is_err());
        });
        sender.flush();
        if unsent > 0 {
            inputs.apply(torus, Input::Lost { peer: given.to, count: unsent });
            notices.say(now_ns, Happening::Unsent { peer: given.to, count: unsent });
        }
        if moved > 0 {
            self.wakes += u64::from(ends.waker.wake());
            let (to, own, peer, cause) = (given.to, own_load, peer_load, given.cause);
            notices.say(now_ns, Happening::HandedOver { to, count: moved, own, peer, cause });
        }
    }

    /// Messages that died with a boot; what it left unread in the ring goes to its next boot and is not lost.
    fn count_lost<R: Reactor>(
        &mut self,
        peer: usize,
        unconfirmed: u64,
        torus: &mut Torus<'_, R>,
        inputs: &mut Inputs,
        notices: &mut Notices<'_>,
        now_ns: u64,
    ) {
        let Some(Some(ends)) = self.ends.get_mut(peer) else { return };
        if unconfirmed == 0 {
            return;
        }
        let left = std::mem::take(&mut ends.left_for_next);
        let (peer, lost) = (peer as u8, unconfirmed.saturating_sub(left));
        if lost > 0 {
            inputs.apply(torus, Input::Lost { peer, count: lost });
            notices.say(now_ns, Happening::Lost { peer, count: lost, left: left.min(unconfirmed) });
        }
    }

    /// Says what was refused since the last time.
    fn report(&mut self, now_ns: u64, notices: &mut Notices<'_>) {
        for (peer, ends) in self.ends.iter_mut().enumerate() {
            let Some(ends) = ends else { continue };
            let peer = peer as u8;
            let more = ends.refused - std::mem::replace(&mut ends.refused_said, ends.refused);
            if more > 0 {
                notices.say(now_ns, Happening::Refused { peer, more });
            }
            let more = ends.bad_messages - std::mem::replace(&mut ends.bad_said, ends.bad_messages);
            if more > 0 {
                notices.say(now_ns, Happening::BadMessage { peer, more });
            }
            let more = ends.outdated - std::mem::replace(&mut ends.outdated_said, ends.outdated);
            if more > 0 {
                notices.say(now_ns, Happening::Outdated { peer, more });
            }
            let more = std::mem::take(&mut ends.refused_by);
            if more > 0 {
                notices.say(now_ns, Happening::RefusedBy { peer, more });
            }
            if std::mem::take(&mut ends.damaged_said) {
                notices.say(now_ns, Happening::RingDamaged { peer });
            }
            if std::mem::take(&mut ends.repaired) {
                notices.say(now_ns, Happening::RingRepaired { peer });
            }
        }
    }

    /// Fixes the interval, or gives it back to the rule.
    pub fn set_interval(&mut self, ticks: Option<u32>) {
        self.braid.set_interval(ticks);
    }

    /// Changes which projections are applied.
    pub fn set_mode(&mut self, mode: Mode) {
        self.braid.set_mode(mode);
    }

    /// The braid, to be shown.
    #[must_use]
    pub fn braid(&self) -> &Braid {
        &self.braid
    }

    /// What the last exchanges left to be shown.
    #[must_use]
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Our side of each pair.
    #[must_use]
    pub fn links(&self) -> &[Link; MAX_TORI] {
        &self.links
    }

    /// Process that holds a peer's place, 0 = none.
    #[must_use]
    pub fn pid(&self, peer: usize) -> u32 {
        self.pids.get(peer).copied().unwrap_or(0)
    }

    /// Whether the boot of a peer known last left in order.
    #[must_use]
    pub fn left(&self, peer: usize) -> bool {
        let boot = self.braid.peers().get(peer).map_or(0, torus::braid::Peer::boot);
        boot != 0 && self.left.get(peer) == Some(&boot)
    }

    /// Process this torus is in; asking the system each time would be a system call.
    #[must_use]
    pub fn own_pid(&self) -> u32 {
        self.own_pid
    }

    /// Wakes made by system call.
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Wall time until the braid wants to be asked again, ns, for a loop that has nothing else to do.
    #[must_use]
    pub fn until_due_ns(&self, now_ns: u64) -> u64 {
        let idle_ns = self.braid.config().idle_ns;
        idle_ns.saturating_sub(now_ns.saturating_sub(self.exchanged_ns)).min(self.listen_ns).max(1)
    }
}

impl<'a> Ends<'a> {
    fn take(side: &mut Side<'a>, peer: u8) -> Result<(Self, u64), shm_transport::region::SideError> {
        // Receiver first: once the peer sees both ends, the pair counts.
        let (receiver, found) = side.receiver(peer)?;
        let (sender, _) = side.sender(peer)?;
        let (reader, waker) = (side.reader(peer)?, side.waker(peer)?);
        let ends = Self {
            reader,
            sent_total: sender.sent(),
            sender,
            receiver,
            waker,
            known_boot: 0,
            left_for_next: 0,
            bad_messages: 0,
            bad_said: 0,
            refused_said: 0,
            refused: 0,
            outdated: 0,
            outdated_said: 0,
            nacks: None,
            refused_by: 0,
            damaged_ns: [None; 2],
            damaged_said: false,
            repaired: false,
        };
        Ok((ends, found.unread))
    }

    fn link(&mut self, boot: u64) -> Link {
        // Empty before counted: then everything the peer's last projection counts as sent is in the count.
        let drained = self.receiver.waiting().unwrap_or(1) == 0;
        let credit = self.sender.free().unwrap_or(0);
        Link { boot, sent: self.sender.sent_in_pair(), received: self.receiver.received_in_pair(), credit, drained }
    }
}

impl Shown {
    fn new(interval: u32) -> Self {
        Self {
            interval_before: interval,
            rate_ppm: 0,
            interval_reason: 0,
            interval_changed_unix_ns: 0,
            refused: 0,
            retries: 0,
            face_spread: 0,
            breaks: 0,
            break_unix_ns: 0,
            peer_faces: Box::new([0; torus::FACES]),
            peer_faces_of: 255,
        }
    }

    fn changed(&mut self, change: &torus::braid::IntervalChange, unix_ns: u64) {
        use torus::braid::IntervalReason;
        self.interval_before = change.from;
        self.rate_ppm = change.rate_ppm;
        self.interval_changed_unix_ns = unix_ns;
        self.interval_reason = match change.reason {
            IntervalReason::Violations => 1,
            IntervalReason::Quiet => 2,
            IntervalReason::Hand => 3,
        };
    }
}

/// What a torus says of itself, gathered once for an exchange.
struct Gathered {
    counters: torus::Counters,
    cpu_permille: u32,
    /// Events by which the load counts as higher than it is.
    bias: u64,
}

fn facts<R: Reactor>(torus: &Torus<'_, R>, cpu_permille: u32, bias: u64) -> Gathered {
    Gathered { counters: torus.counters(), cpu_permille, bias }
}

impl Gathered {
    fn facts<'t, R: Reactor>(&'t self, torus: &'t Torus<'_, R>) -> Facts<'t> {
        let mut load = torus.load();
        load.suspended = load.suspended.saturating_add(self.bias);
        // Who drains has no room: nobody hands over to it, however the loads compare.
        let room = if self.bias >= DRAIN { 0 } else { torus.admission_room() };
        Facts {
            counters: &self.counters,
            faces: torus.faces(),
            load,
            room,
            state_digest: torus.digest(),
            graph_digest: torus.reactor().graph_digest(),
            coupled: torus.reactor().coupled(),
            cpu_permille: self.cpu_permille,
            health: u8::from(torus.settings().overflowed),
        }
    }
}
