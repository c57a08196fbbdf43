//! The one task that owns the table of connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::Connection;
use tokio::sync::{mpsc, oneshot};

use super::admit::Side;
use super::board::PeerView;
use super::dials::{AfterFailure, Bucket, Dials};
use super::failure::{DONE, Failure, STOPPING, close};
use super::handshake::{self, Fresh};
use super::serve::{Command, Event, Which};
use super::shared::Shared;
use super::snapshot;
use crate::cluster::bridge::{Keys, NotTaken, ReliableEnd, SessionUp, Target, ToLink, ToReliable, Why};
use crate::cluster::identity::Refused;

/// How often waits are looked at.
const TICK: Duration = Duration::from_millis(25);
/// Messages to the link thread that wait for room.
const OUTBOX_MAX: usize = 1_024;
/// Incarnations that are over, remembered.
const GONE_MAX: usize = 4_096;
/// How often the own certificate is spoken of.
const CERTIFICATE: Duration = Duration::from_secs(3_600);
/// Events that wait for the plane.
pub(super) const EVENTS: usize = 256;

/// A connection the plane has taken.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) side: Side,
    pub(super) public_key: [u8; 32],
    pub(super) ends_unix_s: u64,
    pub(super) target: Option<(Target, Why)>,
    pub(super) up: SessionUp,
    pub(super) began: bool,
    pub(super) keyed: Instant,
    pub(super) digest: u64,
    pub(super) formation: u64,
}

/// A connection that waits until it is known whether the former one lives.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) fresh: Box<Fresh>,
    pub(super) target: Option<(Target, Why)>,
    pub(super) ping: u64,
    pub(super) until: Instant,
}

/// The one task that owns the table of connections.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) shared: Arc<Shared>,
    pub(super) from_link: mpsc::Receiver<ToReliable>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) tell: mpsc::Sender<Event>,
    pub(super) peers: BTreeMap<u32, Peer>,
    pub(super) held: BTreeMap<u32, (Box<Fresh>, Instant)>,
    pub(super) probes: BTreeMap<u32, Probe>,
    pub(super) dials: Dials,
    pub(super) gone: BTreeMap<u32, u32>,
    pub(super) numbers: u64,
    incoming: Bucket,
    handshakes: usize,
    outbox: VecDeque<ToLink>,
    refreshed: Instant,
    told_certificate: Option<Instant>,
}

impl Plane {
    pub(super) fn new(
        shared: Arc<Shared>,
        end: ReliableEnd,
        channel: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    ) -> Self {
        let now = Instant::now();
        let settings = &shared.settings;
        let dials = Dials::new(settings.times, settings.handshakes_per_s, settings.boot_id | 1, now);
        let incoming = Bucket::new(settings.handshakes_per_s, now);
        Self {
            from_link: end.from_link,
            events: channel.1,
            tell: channel.0,
            peers: BTreeMap::new(),
            held: BTreeMap::new(),
            probes: BTreeMap::new(),
            dials,
            gone: BTreeMap::new(),
            numbers: 0,
            incoming,
            handshakes: 0,
            outbox: VecDeque::new(),
            refreshed: now,
            told_certificate: None,
            shared,
        }
    }

    /// Runs until the link thread has ended or it is told to stop.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let endpoint = self.shared.endpoint.clone();
        loop {
            tokio::select! {
                _ = &mut stop => break,
                message = self.from_link.recv() => match message {
                    Some(message) => self.obey(message),
                    None => break,
                },
                event = self.events.recv() => if let Some(event) = event { self.hear(event) },
                incoming = endpoint.accept(), if self.shared.is_listening() => match incoming {
                    Some(incoming) => self.accept(incoming),
                    None => break,
                },
                _ = ticks.tick() => self.tick(Instant::now()),
            }
            self.flush();
        }
        endpoint.close(quinn::VarInt::from_u32(STOPPING), b"the node stops");
        // The words need a moment to leave.
        let _ = tokio::time::timeout(Duration::from_millis(200), endpoint.wait_idle()).await;
    }

    fn obey(&mut self, message: ToReliable) {
        match message {
            ToReliable::Connect { target, why } => self.connect(target, why),
            ToReliable::Disconnect { peer, why } => {
                self.dials.forget(peer);
                self.drop_peer(peer, DONE, why);
            }
            ToReliable::Rotate { peer } => self.command(peer, Command::Rotate),
            ToReliable::WantSnapshot { peer } => self.want_snapshot(peer),
            ToReliable::OwnRecord { record } => self.shared.set_record(record),
            ToReliable::Listening { address } => self.shared.set_listening(address),
            ToReliable::Gone { peer, boot_inc } => self.set_gone(peer, boot_inc),
        }
    }

    fn connect(&mut self, target: Target, why: Why) {
        let address = |target: &Target| match target {
            Target::Node { address, .. } | Target::Seed { address } => *address,
        };
        let is_it = |(id, peer): &(&u32, &Peer)| match target {
            Target::Node { id: wanted, .. } => **id == wanted,
            Target::Seed { address } => peer.side.address == address,
        };
        if let Some((_, peer)) = self.peers.iter().find(is_it) {
            if peer.began {
                let up = Box::new(peer.up.clone());
                self.post(ToLink::SessionUp(up));
            }
            // Otherwise the link hears of it in a moment.
            return;
        }
        if address(&target).port() == 0 || !self.dials.ask(target, why, Instant::now()) {
            let why = "too many sessions are wanted at once, or the port is 0".to_owned();
            self.post(ToLink::ConnectFailed { target, why, hopeless: false });
        }
    }

    fn set_gone(&mut self, peer: u32, boot_inc: u32) {
        if self.gone.len() >= GONE_MAX && !self.gone.contains_key(&peer) {
            // The link refuses such a peer too; forgetting one costs a handshake.
            self.gone.pop_first();
        }
        let known = self.gone.entry(peer).or_default();
        *known = boot_inc.max(*known);
        self.dials.forget(peer);
        if self.peers.get(&peer).is_some_and(|present| present.side.boot_inc <= boot_inc) {
            self.drop_peer(peer, Refused::Gone.code(), "removed in this incarnation");
        }
    }

    fn want_snapshot(&mut self, peer: u32) {
        let connection = self.peers.get(&peer).filter(|peer| peer.began).map(|peer| peer.connection.clone());
        let (shared, tell) = (Arc::clone(&self.shared), self.tell.clone());
        tokio::spawn(async move {
            let taken = match connection {
                Some(connection) => snapshot::take(&shared, &connection, peer).await,
                None => Err(super::streams::StreamError::NotConnected(peer)),
            };
            let _ = tell.send(Event::Snapshot(peer, taken.map_err(|error| error.to_string()))).await;
        });
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Dialled(target, result) => self.dialled(target, result),
            Event::Came(address, result) => {
                self.handshakes = self.handshakes.saturating_sub(1);
                match result {
                    Ok(fresh) => self.consider(fresh, None),
                    Err(failure) => self.failed(&failure, &address.to_string()),
                }
            }
            Event::Began(which, epoch, keys) => self.began(which, epoch, keys),
            Event::Rekeyed(which, epoch, keys) => self.rekeyed(which, epoch, keys),
            Event::Pong(which, ping) => self.pong(which, ping),
            Event::Duplicate(which, text) => {
                if self.is_current(which) {
                    let peer = self.shared.me().node;
                    self.duplicate(peer, format!("{text} (says node {})", which.peer));
                }
            }
            Event::Ended(which, failure) => self.ended(which, &failure),
            Event::Snapshot(peer, Ok(snapshot)) => {
                self.shared.board.count(|counters| counters.snapshots_taken += 1);
                self.post(ToLink::Snapshot { from: peer, snapshot });
            }
            Event::Snapshot(peer, Err(why)) => {
                self.shared.board.count(|counters| counters.snapshots_failed += 1);
                tracing::warn!("snapshot of node {peer}: {why}; it is asked for again");
            }
        }
    }

    fn dialled(&mut self, target: Target, result: Result<Box<Fresh>, Failure>) {
        match result {
            Ok(fresh) => {
                let id = fresh.id();
                let why = self.dials.done(&target).unwrap_or(Why::Message);
                self.consider(fresh, Some((target, why)));
                if let Some((held, _)) = self.held.remove(&id) {
                    close(&held.connection, super::failure::SUPERSEDED, "");
                }
            }
            Err(failure) => {
                let held = match target {
                    Target::Node { id, .. } => self.held.remove(&id),
                    Target::Seed { .. } => None,
                };
                if let Some((held, _)) = held {
                    let why = self.dials.done(&target);
                    return self.consider(held, why.map(|why| (target, why)));
                }
                self.dial_failed(target, &failure);
            }
        }
    }

    pub(super) fn dial_failed(&mut self, target: Target, failure: &Failure) {
        self.shared.board.count(|counters| counters.dials_failed += 1);
        let who = match target {
            Target::Node { id, address } => format!("node {id} at {address}"),
            Target::Seed { address } => format!("seed {address}"),
        };
        self.failed(failure, &who);
        let hopeless = failure.is_hopeless();
        let then = self.dials.failed(target, hopeless, Instant::now());
        let up = matches!(target, Target::Node { id, .. } if self.peers.contains_key(&id));
        if then == AfterFailure::Tell && !up {
            self.post(ToLink::ConnectFailed { target, why: format!("{who}: {failure}"), hopeless });
        }
    }

    /// A handshake came to nothing.
    fn failed(&mut self, failure: &Failure, who: &str) {
        self.shared.board.failure(failure, who);
        match failure {
            Failure::We(Refused::Duplicate, text) | Failure::They(Refused::Duplicate, text) => {
                let peer = self.shared.me().node;
                self.duplicate(peer, text.clone());
            }
            _ => {}
        }
    }

    /// Two live boots use one certificate (`decisions:CLU-7`).
    pub(super) fn duplicate(&mut self, peer: u32, text: String) {
        self.post(ToLink::DuplicateIdentity { peer, text });
    }

    fn accept(&mut self, incoming: quinn::Incoming) {
        let busy = self.handshakes + self.peers.len() >= self.shared.settings.max_connections * 2;
        let now = Instant::now();
        if !busy && self.incoming.is_low(now) && !incoming.remote_address_validated() && incoming.may_retry() {
            // A sender of forged addresses does not come back, and so does not use the cap up for others.
            let _ = incoming.retry();
            return;
        }
        if busy || !self.incoming.take(now) {
            self.shared.board.count(|counters| counters.capped += 1);
            return incoming.refuse();
        }
        self.handshakes += 1;
        self.shared.board.count(|counters| counters.accepted += 1);
        let (shared, tell, address) = (Arc::clone(&self.shared), self.tell.clone(), incoming.remote_address());
        tokio::spawn(async move {
            let result = handshake::receive(&shared, incoming).await;
            let _ = tell.send(Event::Came(address, result.map(Box::new))).await;
        });
    }

    fn began(&mut self, which: Which, epoch: u32, keys: Keys) {
        let Some(peer) = self.peers.get_mut(&which.peer).filter(|peer| peer.number == which.number) else { return };
        peer.began = true;
        peer.keyed = Instant::now();
        (peer.up.epoch, peer.up.keys) = (epoch, keys);
        let up = Box::new(peer.up.clone());
        self.shared.set_live(which.peer, Some(peer.connection.clone()));
        self.shared.board.count(|counters| counters.sessions += 1);
        self.show();
        self.post(ToLink::SessionUp(up));
    }

    fn rekeyed(&mut self, which: Which, epoch: u32, keys: Keys) {
        let Some(peer) = self.peers.get_mut(&which.peer).filter(|peer| peer.number == which.number) else { return };
        peer.keyed = Instant::now();
        (peer.up.epoch, peer.up.keys) = (epoch, keys.clone());
        let boot_id = peer.up.boot_id;
        self.shared.board.count(|counters| counters.rotations += 1);
        self.post(ToLink::Rekey { peer: which.peer, boot_id, epoch, keys });
    }

    fn ended(&mut self, which: Which, failure: &Failure) {
        if !self.is_current(which) {
            return;
        }
        let Some(peer) = self.peers.remove(&which.peer) else { return };
        self.shared.set_live(which.peer, None);
        self.show();
        self.failed(failure, &format!("node {}", which.peer));
        if peer.began {
            let why = failure.to_string();
            self.post(ToLink::SessionDown { peer: which.peer, boot_id: peer.up.boot_id, why });
        }
        if let Some(probe) = self.probes.remove(&which.peer) {
            return self.take(probe.fresh, probe.target);
        }
        match (peer.target, failure) {
            (Some((target, why)), Failure::Lost(_)) => self.dials.lost(target, why, Instant::now()),
            (Some((target, _)), _) if !peer.began => self.dial_failed(target, failure),
            _ => {}
        }
    }

    pub(super) fn is_current(&self, which: Which) -> bool {
        self.peers.get(&which.peer).is_some_and(|peer| peer.number == which.number)
    }

    /// Closes a connection; the link is told unless it asked for it.
    pub(super) fn drop_peer(&mut self, peer: u32, code: u32, why: &str) {
        let Some(present) = self.peers.remove(&peer) else { return };
        self.shared.set_live(peer, None);
        close(&present.connection, code, why);
        if present.began && code != DONE {
            self.post(ToLink::SessionDown { peer, boot_id: present.up.boot_id, why: why.to_owned() });
        }
    }

    pub(super) fn command(&mut self, peer: u32, command: Command) {
        if let Some(present) = self.peers.get(&peer) {
            // A connection that is that far behind has other troubles; keys are asked for again in time.
            let _ = present.commands.try_send(command);
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.shared.is_listening() {
            self.dial_due(now);
        }
        self.probe_due(now);
        self.held_due(now);
        let me = self.shared.me().node;
        let rekey = self.shared.settings.rekey;
        let old: Vec<u32> = self
            .peers
            .iter()
            .filter(|(id, peer)| {
                // The lower end leads; the other steps in should it not.
                let age = if me < **id { rekey } else { rekey + rekey / 4 };
                peer.began && now.duration_since(peer.keyed) >= age
            })
            .map(|(id, _)| *id)
            .collect();
        for peer in old {
            self.command(peer, Command::Rotate);
        }
        if now.duration_since(self.refreshed) >= self.shared.settings.times.refresh {
            self.refreshed = now;
            self.refresh();
        }
        if self.told_certificate.is_none_or(|told| now.duration_since(told) >= CERTIFICATE) {
            self.told_certificate = Some(now);
            let identity = &self.shared.settings.identity;
            let warning = identity.warning((self.shared.settings.clock)());
            if !warning.is_empty() {
                tracing::warn!("{warning}");
            }
            self.post(ToLink::Certificate { ends_unix_s: identity.ends_unix_s(), warning });
        }
        self.show();
    }

    fn dial_due(&mut self, now: Instant) {
        for (target, _) in self.dials.due(now) {
            self.shared.board.count(|counters| counters.dials += 1);
            let (shared, tell) = (Arc::clone(&self.shared), self.tell.clone());
            tokio::spawn(async move {
                let result = match target {
                    Target::Node { id, address } => handshake::dial(&shared, address, Some(id)).await,
                    Target::Seed { address } => handshake::dial(&shared, address, None).await,
                };
                let _ = tell.send(Event::Dialled(target, result.map(Box::new))).await;
            });
        }
    }

    /// Takes the revocation list in, and lets nobody stay who would not be let in now.
    fn refresh(&mut self) {
        let trust = Arc::clone(&self.shared.settings.identity.trust);
        if let Err(error) = trust.reload() {
            tracing::warn!("{error}; the list of before stays in force");
        }
        let revoked = trust.revoked();
        let now = (self.shared.settings.clock)();
        let judge = |peer: &Peer| match () {
            () if revoked.has(&peer.public_key) => Some(Refused::Revoked),
            () if peer.ends_unix_s <= now => Some(Refused::Ended),
            () => None,
        };
        let out: Vec<(u32, Refused)> =
            self.peers.iter().filter_map(|(id, peer)| judge(peer).map(|reason| (*id, reason))).collect();
        for (id, reason) in out {
            self.shared.board.failure(&Failure::We(reason, String::new()), &format!("node {id}"));
            self.drop_peer(id, reason.code(), reason.text());
        }
    }

    fn show(&self) {
        let view = |(id, peer): (&u32, &Peer)| PeerView {
            id: *id,
            boot_id: peer.side.boot_id,
            boot_inc: peer.side.boot_inc,
            address: peer.connection.remote_address(),
            dialled: peer.side.dialled,
            epoch: peer.up.epoch,
            version: peer.up.version,
            rtt_ns: u64::try_from(peer.connection.rtt().as_nanos()).unwrap_or(u64::MAX),
            digest: peer.digest,
            formation: peer.formation,
        };
        self.shared.board.peers(self.peers.iter().filter(|(_, peer)| peer.began).map(view).collect());
    }

    /// Sends to the link thread, later if it is behind.
    pub(super) fn post(&mut self, message: ToLink) {
        if self.outbox.len() >= OUTBOX_MAX {
            self.shared.board.count(|counters| counters.lost_to_link += 1);
            return;
        }
        self.outbox.push_back(message);
    }

    fn flush(&mut self) {
        while let Some(message) = self.outbox.pop_front() {
            match self.shared.to_link.send(message) {
                Ok(()) => {}
                Err(NotTaken::Full(message)) => return self.outbox.push_front(*message),
                Err(NotTaken::Gone(_)) => return,
            }
        }
    }
}
