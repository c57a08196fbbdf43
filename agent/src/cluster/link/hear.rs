//! What comes over the bridge, and what `ekk` tells: sessions, snapshots, members, the node's log.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ekk::fixed::Q16;
use ekk::id::NodeId;
use ekk::membership::record::MemberRecord;
use ekk::node::Formation;
use ekk::sign::{Crypto, Verdict};
use ekk::time::Time;
use ekk::wire::v1::Reader;
use link::aead::{Algorithm, RingAead};
use link::{Gone, KeptFor, Kind, PeerInfo, SessionKeys};

use super::engine::Engine;
use super::outbox::Told;
use crate::cluster::bridge::{Keys, SessionUp, Snapshot, Suite, ToLink, ToReliable, Why};
use crate::cluster::directory::{Removal, Standing};
use crate::cluster::settings::Peer;
use crate::runtime::events::Severity;

/// Candidates offered to the node when it asks.
const CANDIDATES: usize = 64;

pub(super) fn session_keys(keys: &Keys) -> SessionKeys<RingAead> {
    let algorithm = match keys.suite {
        Suite::Aes128Gcm => Algorithm::Aes128Gcm,
        Suite::ChaCha20Poly1305 => Algorithm::ChaCha20Poly1305,
    };
    SessionKeys { send: RingAead::new(algorithm, &keys.send), receive: RingAead::new(algorithm, &keys.receive) }
}

/// A record as bytes, checked for its shape.
pub(super) fn record(bytes: &[u8]) -> Option<MemberRecord> {
    let mut reader = Reader::new(bytes);
    let record = MemberRecord::decode(&mut reader).ok()?;
    reader.done().ok().map(|()| record)
}

/// The formation in a snapshot: cluster, epoch, digest, little-endian.
pub(super) fn formation(bytes: &[u8]) -> Option<Formation> {
    let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    (bytes.len() == 24).then_some(Formation { cluster_id: word(0)?, epoch: word(8)?, digest: word(16)? })
}

pub(super) fn formation_bytes(formation: &Formation) -> Vec<u8> {
    [formation.cluster_id, formation.epoch, formation.digest].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Members of a list taken in one turn of the loop: each is two signatures to check and an event to tell.
const MEMBERS_A_TURN: usize = 64;
/// Member lists are compared so long after the node formed, and after two parts of the cluster met, ns.
const COMPARE_NS: [u64; 2] = [3_000_000_000, 10_000_000_000];

impl<C: Crypto> Engine<'_, C> {
    pub(super) fn hear_bridge(&mut self, message: ToLink, now_ns: u64) {
        match message {
            ToLink::SessionUp(up) => self.session_up(&up, now_ns),
            ToLink::Rekey { peer, boot_id, epoch, keys } => self.rekey(peer, boot_id, epoch, &keys, now_ns),
            ToLink::SessionDown { peer, boot_id, why } => {
                let same = self.endpoint.session(peer).is_some_and(|session| session.peer_boot == boot_id);
                if same {
                    self.tell.say(Severity::Info, format!("session with {} ended: {why}", self.name(peer)));
                    self.drop_session(peer, Gone::Closed, now_ns);
                }
            }
            ToLink::ConnectFailed { target, why, hopeless } => {
                self.dialer.failed(target, hopeless, now_ns);
                self.shown.note_dial(&target, &why);
                if hopeless {
                    self.tell
                        .say(Severity::Warning, format!("no session with {}: {why}", super::show::target(&target)));
                }
            }
            ToLink::Snapshot { from, snapshot } => self.take_snapshot(from, &snapshot, now_ns),
            ToLink::GiveSnapshot { reply } => {
                let formation = self.node.formation().map(formation_bytes).unwrap_or_default();
                let records = self.directory.live().map(|record| record.to_bytes().to_vec()).collect();
                let _ = reply.send(Snapshot { formation, records });
            }
            ToLink::DuplicateIdentity { peer, text } => {
                self.tell.say(Severity::Error, format!("duplicate identity n{peer}: {text}"));
                self.shown.duplicate = text;
            }
            ToLink::Certificate { ends_unix_s, warning } => {
                if !warning.is_empty() && warning != self.shown.certificate.1 {
                    self.tell.say(Severity::Warning, warning.clone());
                }
                self.shown.certificate = (ends_unix_s, warning);
            }
            ToLink::Ask { request, reply } => {
                let answer = self.ask(&request, now_ns);
                let _ = reply.send(answer);
            }
            ToLink::Component { index, ppm } => {
                let value = Q16(((i64::from(ppm.min(1_000_000)) << 16) / 1_000_000) as i32);
                self.node.set_component(usize::from(index), value);
            }
            ToLink::Resolved { peer, name, address } => self.resolved(peer, &name, address),
            ToLink::Pending { events } => self.hear_pending(events),
            // Said twice, or after forming: nothing is left to do.
            ToLink::LocalDone => drop(self.node.local_done(Time(now_ns), &mut self.crypto, &mut self.outbox)),
            ToLink::Stop { leave } => {
                if leave && !self.stopping {
                    self.node.leave(Time(now_ns), &mut self.crypto, &mut self.outbox);
                }
                self.stopping = true;
            }
        }
    }

    /// A name of the file leads somewhere now: it is dialled like those that did from the start.
    fn resolved(&mut self, peer: Option<u32>, name: &str, address: SocketAddr) {
        match peer {
            Some(id) => self.found.push(Peer { id, address }),
            None => self.dialer.seed(address),
        }
        self.tell.say(Severity::Notice, format!("{name} is {address}: dialled from now on"));
    }

    fn session_up(&mut self, up: &SessionUp, now_ns: u64) {
        let Some(id) = NodeId::new(up.peer).filter(|id| *id != self.settings.me.identity.id) else { return };
        let why = self.dialer.why(up.peer);
        let info = PeerInfo {
            id: up.peer,
            boot_id: up.boot_id,
            epoch: up.epoch,
            wire_version: up.version,
            address: up.address,
            kept_for: if why == Some(Why::Braid) { KeptFor::BRAID } else { KeptFor::RECENT },
        };
        match self.endpoint.install(now_ns, info, session_keys(&up.keys)) {
            Ok(installed) => {
                if let Some(evicted) = installed.evicted {
                    self.bridge.send(ToReliable::Disconnect { peer: evicted, why: "another session needed its place" });
                    if let Some(evicted) = NodeId::new(evicted) {
                        self.node.session_down(Time(now_ns), evicted, &mut self.outbox);
                    }
                }
            }
            // The same keys once more: an answer to a dial of a session that stands.
            Err(link::InstallError::Reused { .. }) => return,
            Err(error) => {
                self.tell.say(Severity::Warning, format!("session with n{} not taken up: {error}", up.peer));
                return;
            }
        }
        // Hand-overs in doubt are resolved from the rings they still lie in; the link's own list of commands is not needed.
        let doubtful: Vec<link::CommandId> = self.endpoint.in_doubt(up.peer).map(|command| command.id).collect();
        for command in doubtful {
            self.endpoint.resolve(command);
        }
        self.meet(&up.record, id, now_ns);
        let name = self.name(up.peer);
        let reason = why.map_or("it asked", Why::text);
        self.tell.say(Severity::Info, format!("session with {name} ({reason})"));
        self.node.session_up(Time(now_ns), id, &mut self.outbox);
        let (endpoint, out, udp, dialer) = (&mut self.endpoint, &mut self.out, &mut self.udp, &mut self.dialer);
        dialer.connected(up.peer, |bytes| {
            if endpoint.seal(now_ns, up.peer, Kind::Ekk, bytes, out).is_ok()
                && let Some(address) = out.address()
            {
                udp.queue(address, out.bytes(), None);
            }
        });
        if let Some(mirrors) = &mut self.mirrors {
            let tell = &mut self.tell;
            mirrors.session_up(up.peer, up.boot_id, &mut |severity, text| tell.say(severity, text));
        }
        if self.node.formation().is_none() {
            self.bridge.send(ToReliable::WantSnapshot { peer: up.peer });
        }
    }

    /// Learns who is at the other end of a new session.
    fn meet(&mut self, bytes: &[u8], id: NodeId, now_ns: u64) {
        let Some(record) = record(bytes).filter(|record| record.identity.id == id) else {
            self.tell.say(Severity::Warning, format!("n{id} sent no record of itself that can be read"));
            return;
        };
        if self.crypto.admit(&record) == Verdict::Good {
            self.node.met(Time(now_ns), &record, &mut self.crypto, &mut self.outbox);
            self.shown.met(&record);
        } else {
            self.tell.say(Severity::Warning, format!("the record of n{id} is not signed as it should be"));
        }
    }

    fn rekey(&mut self, peer: u32, boot_id: u64, epoch: u32, keys: &Keys, now_ns: u64) {
        let Some(session) = self.endpoint.session(peer).filter(|session| session.peer_boot == boot_id) else { return };
        let (wire_version, address, kept_for) = (session.wire_version, session.address, session.kept_for);
        let info = PeerInfo { id: peer, boot_id, epoch, wire_version, address, kept_for };
        if let Err(error) = self.endpoint.install(now_ns, info, session_keys(keys)) {
            self.tell.say(Severity::Warning, format!("new keys for n{peer} not taken: {error}"));
        }
    }

    /// Takes a list of members in; it is worked off a piece a turn, so that neither the loop nor what `ekk` tells is held up.
    fn take_snapshot(&mut self, from: u32, snapshot: &Snapshot, now_ns: u64) {
        let Some(formation) = formation(&snapshot.formation) else { return };
        let first = self.node.formation().is_none();
        let records: VecDeque<MemberRecord> = snapshot.records.iter().filter_map(|bytes| record(bytes)).collect();
        let (name, refused) = (self.name(from), snapshot.records.len() - records.len());
        if first {
            let text = format!("snapshot of {} members from {name}, epoch {}", snapshot.records.len(), formation.epoch);
            self.tell.say(Severity::Info, text);
        }
        if refused > 0 {
            self.tell
                .say(Severity::Warning, format!("{refused} records of the snapshot from {name} could not be read"));
        }
        self.joining = Some((formation, from, records));
        self.take_members(now_ns);
    }

    /// The next piece of a list of members.
    pub(super) fn take_members(&mut self, now_ns: u64) {
        let Some((formation, from, mut records)) = self.joining.take() else { return };
        let piece = MEMBERS_A_TURN.min(records.len());
        let adopted = {
            let mut some = records.drain(..piece);
            self.node.adopt(Time(now_ns), &mut some, formation, &mut self.crypto, &mut self.outbox)
        };
        match adopted {
            Err(refusal) => {
                let name = self.name(from);
                self.tell.say(Severity::Warning, format!("snapshot from {name} not taken: {refusal}"));
            }
            Ok(_) if !records.is_empty() => self.joining = Some((formation, from, records)),
            Ok(_) => {}
        }
    }

    /// Compares member lists with a peer later on: news that overflowed while many came at once are found there
    /// (`membership:MB-9`, `membership:MB-14`).
    fn compare_later(&mut self, now_ns: u64) {
        self.compare_ns = COMPARE_NS.map(|later_ns| now_ns + later_ns);
    }

    /// Asks a watched peer for its list when one of those times has come.
    pub(super) fn compare(&mut self, now_ns: u64) {
        let Some(due) = self.compare_ns.iter_mut().find(|due| **due <= now_ns) else { return };
        let now = Time(now_ns);
        let peer =
            self.node.watches(now).map(|watch| watch.identity.id.get()).find(|id| self.endpoint.has_session(*id));
        // Without a session the time stays due until there is one.
        if let Some(peer) = peer {
            *due = u64::MAX;
            self.bridge.send(ToReliable::WantSnapshot { peer });
        }
    }

    /// Carries out what `ekk` told since the last time.
    pub(super) fn carry_out(&mut self, now_ns: u64) {
        while let Some(told) = self.outbox.next_event() {
            self.hear_node(told, now_ns);
        }
    }

    fn hear_node(&mut self, told: Told, now_ns: u64) {
        let unix_ns = self.clock.unix_ns(now_ns);
        match told {
            Told::Joined(record) => self.joined(&record, now_ns),
            Told::Dead { identity, certificate } => {
                let name = self.name(identity.id.get());
                let text = super::show::why_dead(&name, &certificate);
                self.directory.ended(identity, Standing::Removed, &certificate, unix_ns);
                self.node.set_known(self.directory.totals().live);
                self.end_mirrors(identity.id.get(), "it was removed as dead", false);
                self.tell.say(Severity::Warning, text);
            }
            Told::Left(identity) => {
                let text = format!("{} left", self.name(identity.id.get()));
                self.directory.ended(identity, Standing::Left, &[], unix_ns);
                self.node.set_known(self.directory.totals().live);
                self.end_mirrors(identity.id.get(), "it left", true);
                self.bridge.send(ToReliable::Gone { peer: identity.id.get(), boot_inc: identity.boot_inc });
                self.tell.say(Severity::Notice, text);
            }
            Told::Returned(identity) => {
                let text = format!("{} is back as {identity}", self.name(identity.id.get()));
                self.tell.say(Severity::Notice, text);
                self.back(identity.id, now_ns);
            }
            Told::Refuted(identity) => {
                let text = format!("{} refuted its death and lives on as {identity}", self.name(identity.id.get()));
                self.tell.say(Severity::Notice, text);
                if identity.id == self.settings.me.identity.id {
                    self.bridge.send(ToReliable::OwnRecord { record: self.node.me().to_bytes().to_vec() });
                }
            }
            Told::Undone(identity) => {
                let removal = Removal { identity, kind: "undone", at_unix_ns: unix_ns, certificate: Vec::new() };
                self.directory.remember(removal);
                let text = format!("the removal of {} is undone: it lives as {identity}", self.name(identity.id.get()));
                self.tell.say(Severity::Notice, text);
                self.back(identity.id, now_ns);
            }
            Told::NeedCandidates => self.offer_candidates(now_ns),
            Told::NeedRecord(id) => {
                if let Some(record) = self.directory.record(id) {
                    let record = *record;
                    let _ = self.node.offer(Time(now_ns), &record);
                }
            }
            Told::NeedSession { id, why } => {
                let why = if why == "watch" { Why::Watch } else { Why::Neighbour };
                self.dialer.want(id, why, now_ns, 10_000_000_000);
            }
            Told::NeighboursChanged => self.shown.neighbours_changed(&self.node, now_ns),
            other => self.hear_rest(other, now_ns),
        }
    }

    fn hear_rest(&mut self, told: Told, now_ns: u64) {
        match told {
            Told::StateChanged { from, to } => {
                let text = format!("mesh: {} -> {}", super::show::state_name(from), super::show::state_name(to));
                self.tell.say(Severity::Info, text);
            }
            Told::BallotOpened { proposer, ballot } => self.answer_ballot(proposer, ballot, now_ns),
            Told::BallotDecided { proposer, ballot, result } => {
                let text = format!("ballot {proposer}/{ballot}: {}", super::ballots::result_name(result));
                self.tell.say(Severity::Notice, text);
            }
            Told::ValveShut { removed, known } => {
                self.shown.valve = format!(
                    "{removed} of {known} members were removed in one window: no more removals until somebody looked; then \
                     `trefoil mesh resume`"
                );
                self.tell.say(Severity::Error, self.shown.valve.clone());
            }
            // Whoever has not met anybody yet waits, which the bootstrap says in its own words.
            Told::Alone if self.node.formation().is_none() || self.directory.totals().live <= 1 => {}
            Told::Alone => self.tell.say(Severity::Error, "no watch link lives: this node is alone".to_owned()),
            Told::Formed { epoch, digest } => {
                self.compare_later(now_ns);
                self.shown.adopted = false;
                self.tell.say(Severity::Notice, format!("the cluster is formed: epoch {epoch}, digest {digest:016x}"));
            }
            Told::Adopted { epoch, digest } => {
                self.compare_later(now_ns);
                self.shown.adopted = true;
                let text = format!("joined a formed cluster: epoch {epoch}, digest {digest:016x}");
                self.tell.say(Severity::Notice, text);
            }
            Told::HealReport { undone, removed_there } => {
                self.compare_later(now_ns);
                let text = format!(
                    "two parts of the cluster met: {undone} removals of this side undone, {removed_there} members had been \
                     removed by the other"
                );
                self.tell.say(Severity::Notice, text);
            }
            Told::DuplicateIdentity(identity) => {
                let text = format!("two live nodes use the certificate of {}", self.name(identity.id.get()));
                self.shown.duplicate.clone_from(&text);
                self.tell.say(Severity::Error, text);
            }
            Told::Quarantined(id) => {
                let text = format!("{} is in quarantine: nothing of it is taken", self.name(id));
                self.drop_session(id, Gone::BootEnded, now_ns);
                self.end_mirrors(id, "it is in quarantine", false);
                self.bridge.send(ToReliable::Disconnect { peer: id, why: "quarantine" });
                self.tell.say(Severity::Warning, text);
            }
            _ => {}
        }
    }

    fn joined(&mut self, record: &MemberRecord, now_ns: u64) {
        let id = record.identity.id.get();
        let known = self.directory.standing(id) == Some(Standing::Live);
        let unix_ns = self.clock.unix_ns(now_ns);
        if !self.directory.joined(record, unix_ns) {
            return;
        }
        self.node.set_known(self.directory.totals().live);
        if !known && record.identity.id != self.settings.me.identity.id {
            self.tell.say(Severity::Info, format!("{} joined", self.name(id)));
        }
        let _ = self.node.offer(Time(now_ns), record);
    }

    /// One that was out takes part again, by the record that the node has of it.
    fn back(&mut self, id: NodeId, now_ns: u64) {
        if let Some(record) = self.node.membership().record(id) {
            let record = *record;
            self.joined(&record, now_ns);
        }
    }

    fn offer_candidates(&mut self, now_ns: u64) {
        let me = self.settings.me;
        let Self { directory, node, .. } = self;
        for record in directory.nearest(me.identity.id.get(), me.position, CANDIDATES) {
            let _ = node.offer(Time(now_ns), record);
        }
    }

    fn end_mirrors(&mut self, node: u32, why: &str, in_order: bool) {
        if let Some(mirrors) = &mut self.mirrors {
            let tell = &mut self.tell;
            mirrors.gone(node, why, in_order, &mut |severity, text| tell.say(severity, text));
        }
    }

    /// A node as people call it.
    pub(super) fn name(&self, id: u32) -> String {
        match self.known_name(id).as_str() {
            "" => format!("n{id}"),
            name if name == format!("n{id}") => name.to_owned(),
            name => format!("{name} (n{id})"),
        }
    }
}
