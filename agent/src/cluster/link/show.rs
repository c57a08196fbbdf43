//! The snapshot for whoever watches: every number the node, the link and the mirrors have, in the words of the contract.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use control::cluster::{
    BootstrapSnapshot, ClusterSnapshot, EdgeSnapshot, FieldsSnapshot, FounderSnapshot, Health, MemberTotals, MeshState,
    NeighbourField, NeighbourSnapshot, PlaneSnapshot, RemovalSnapshot, SessionSnapshot, StatementSnapshot,
    WaitingSnapshot, WatchSnapshot,
};
use ekk::fixed::Q16;
use ekk::id::NodeId;
use ekk::membership::evidence::Certificate;
use ekk::membership::record::MemberRecord;
use ekk::node::{Node, State};
use ekk::sign::Crypto;
use ekk::time::Time;
use ekk::wire::v1::Reader;

use super::engine::Engine;
use crate::cluster::bridge::Target;
use crate::cluster::directory::{Directory, Removal};
use crate::cluster::mirror::{MirrorView, Mirrors};

/// How long a refused request for keys rests, ns.
const KEYS_AGAIN_NS: u64 = 5_000_000_000;
/// Names remembered of peers that are no members yet.
const MET_MAX: usize = 256;

/// What only the display needs to remember.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) valve: String,
    pub(super) duplicate: String,
    pub(super) certificate: (u64, String),
    pub(super) adopted: bool,
    pub(super) ballots: super::ballots::History,
    met: BTreeMap<u32, MemberRecord>,
    /// By peer: epoch, since when it is used, when keys were asked for.
    keys: BTreeMap<u32, (u32, u64, u64)>,
    /// Why the last dial of a node failed.
    dials: BTreeMap<u32, String>,
    /// Coordination bytes when they were looked at last, and bytes a second since the time before.
    rate: (u64, u64, u64),
    neighbours: u64,
}

impl Shown {
    pub(super) fn met(&mut self, record: &MemberRecord) {
        let id = record.identity.id.get();
        if self.met.len() < MET_MAX || self.met.contains_key(&id) {
            self.met.insert(id, *record);
        }
        self.dials.remove(&id);
    }

    pub(super) fn name<'n>(&'n self, directory: &'n Directory, id: u32) -> &'n str {
        match directory.name(id) {
            "" => self.met.get(&id).map_or("", |record| record.name.as_str()),
            name => name,
        }
    }

    pub(super) fn note_dial(&mut self, target: &Target, why: &str) {
        if let Target::Node { id, .. } = target
            && (self.dials.len() < MET_MAX || self.dials.contains_key(id))
        {
            self.dials.insert(*id, why.to_owned());
        }
    }

    pub(super) fn neighbours_changed(&mut self, _node: &Node, now_ns: u64) {
        self.neighbours = now_ns;
    }

    /// How long the keys of a session have been in use.
    pub(super) fn key_age_ns(&mut self, peer: u32, epoch: u32, now_ns: u64) -> u64 {
        let keys = self.keys.entry(peer).or_insert((epoch, now_ns, 0));
        if keys.0 != epoch {
            *keys = (epoch, now_ns, 0);
        }
        now_ns.saturating_sub(keys.1)
    }

    /// Whether new keys may be asked for now; it then counts as asked.
    pub(super) fn may_ask_for_keys(&mut self, peer: u32, now_ns: u64) -> bool {
        let Some(keys) = self.keys.get_mut(&peer) else { return false };
        let may = keys.2 == 0 || now_ns.saturating_sub(keys.2) >= KEYS_AGAIN_NS;
        if may {
            keys.2 = now_ns;
        }
        may
    }

    fn bytes_per_s(&mut self, bytes: u64, now_ns: u64) -> u64 {
        let (before, at_ns, rate) = self.rate;
        let passed_ns = now_ns.saturating_sub(at_ns);
        if at_ns == 0 || passed_ns >= 1_000_000_000 {
            let now = bytes.saturating_sub(before).saturating_mul(1_000_000_000) / passed_ns.max(1);
            self.rate = (bytes, now_ns, if at_ns == 0 { 0 } else { now });
        }
        if at_ns == 0 { 0 } else { rate }
    }
}

/// A value of Q16.16 as a number.
pub(super) fn number(value: Q16) -> f64 {
    f64::from(value.0) / 65_536.0
}

pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Node { id, address } => format!("n{id} at {address}"),
        Target::Seed { address } => format!("whoever is at {address}"),
    }
}

fn mesh_state(state: State) -> MeshState {
    match state {
        State::Init => MeshState::Init,
        State::Discovering => MeshState::Discovering,
        State::Active => MeshState::Active,
        State::Degraded => MeshState::Degraded,
        State::Isolated => MeshState::Isolated,
        State::Reforming => MeshState::Reforming,
        State::Shutdown => MeshState::Shutdown,
    }
}

pub(super) fn state_name(number: u8) -> &'static str {
    let all = [
        State::Init,
        State::Discovering,
        State::Active,
        State::Degraded,
        State::Isolated,
        State::Reforming,
        State::Shutdown,
    ];
    all.into_iter().find(|state| *state as u8 == number).map_or("unknown", State::name)
}

fn health(number: u8) -> Health {
    match number {
        1 => Health::Alive,
        2 => Health::Suspect,
        3 => Health::Dead,
        _ => Health::Unknown,
    }
}

/// Why a watch link is held, from its roles.
fn roles(bits: u16) -> String {
    if bits & 1 << 8 != 0 {
        return "small cluster".to_owned();
    }
    let side = |bit: u16| if bit & 1 == 0 { "previous" } else { "next" };
    let rings = (0..8u16).filter(|bit| bits >> bit & 1 == 1).map(|bit| format!("ring {} {}", bit / 2, side(bit)));
    let all: Vec<String> = rings.chain((bits & 1 << 9 != 0).then(|| "extra".to_owned())).collect();
    all.join(", ")
}

impl<C: Crypto> Engine<'_, C> {
    /// Makes the snapshot and publishes it.
    pub(super) fn show(&mut self, now_ns: u64) {
        let formed = self.node.formation().is_some();
        self.shared.formed.store(formed, Ordering::Release);
        let snapshot = self.snapshot(now_ns);
        self.shared.publish(snapshot);
    }

    pub(super) fn snapshot(&mut self, now_ns: u64) -> ClusterSnapshot {
        let plane = self.plane(now_ns);
        let (now, identity) = (Time(now_ns), self.node.identity());
        let watches = self.watch_snapshots(now);
        let (doubt, muted) = self.doubt();
        let totals = self.directory.totals();
        ClusterSnapshot {
            name: self.settings.cluster.clone(),
            node_id: identity.id.get(),
            boot_inc: identity.boot_inc,
            life: identity.life,
            zone: self.settings.me.zone.as_str().to_owned(),
            preset: self.settings.preset.to_owned(),
            period_ns: self.settings.node.timing.period.0,
            state: mesh_state(self.node.state()),
            doubt,
            muted,
            alone: self.node.formation().is_some()
                && totals.live > 1
                && !watches.iter().any(|watch| matches!(watch.health, Health::Alive | Health::Suspect)),
            draining: self.node.draining(),
            // It may have opened by itself since it was told.
            valve: if self.node.membership().valve_shut().is_some() { self.shown.valve.clone() } else { String::new() },
            duplicate_identity: self.shown.duplicate.clone(),
            bootstrap: self.bootstrap_snapshot(),
            members: MemberTotals { known: totals.live, removed: totals.removed, left: totals.left },
            neighbours: self.neighbour_snapshots(now),
            watches,
            sessions: self.session_snapshots(),
            plane,
            fields: self.fields_snapshot(now),
            ballots: self.ballot_snapshots(now_ns),
            removals: self.directory.removals().map(|removal| self.removal_snapshot(removal)).collect(),
            edges: self.edge_snapshots(now_ns),
            notes: self.notes(now_ns),
        }
    }

    pub(super) fn known_name(&self, id: u32) -> String {
        match self.shown.name(&self.directory, id) {
            "" => self.settings.names.get(&id).cloned().unwrap_or_default(),
            name => name.to_owned(),
        }
    }

    fn neighbour_snapshots(&self, now: Time) -> Vec<NeighbourSnapshot> {
        let of = |view: ekk::node::NeighbourView| NeighbourSnapshot {
            id: view.id.get(),
            name: self.known_name(view.id.get()),
            health: health(view.health as u8),
            distance: view.distance,
            why: format!("nearest, d {}", view.distance),
            since_unix_ns: self.clock.unix_ns(view.since.0),
            load: view.field.map(|field| number(field[0])),
            its_neighbours: view.its_neighbours.iter().filter(|id| id.is_node()).map(|id| id.get()).collect(),
        };
        self.node.neighbours(now).map(of).collect()
    }

    fn watch_snapshots(&self, now: Time) -> Vec<WatchSnapshot> {
        let of = |view: ekk::membership::LinkView| {
            let id = view.identity.id.get();
            let zone = view.record.as_ref().or_else(|| self.directory.record(id)).map(|record| record.zone);
            WatchSnapshot {
                id,
                name: self.known_name(id),
                health: health(view.health),
                boot_inc: view.identity.boot_inc,
                life: view.identity.life,
                missed: view.missed,
                threshold: view.threshold,
                phi: number(Q16(view.phi)),
                doubt: f64::from(view.doubt) / 16.0,
                age_ns: view.age.0,
                why: roles(view.roles),
                since_unix_ns: self.clock.unix_ns(view.since.0),
                zone: zone.map_or_else(String::new, |zone| zone.as_str().to_owned()),
            }
        };
        self.node.watches(now).map(of).collect()
    }

    fn session_snapshots(&self) -> Vec<SessionSnapshot> {
        let of = |view: link::SessionView| SessionSnapshot {
            id: view.peer,
            name: self.known_name(view.peer),
            via: "udp".to_owned(),
            address: view.address.map_or_else(String::new, |address| address.to_string()),
            rtt_p50_ns: view.rtt_p50_ns,
            rtt_p99_ns: view.rtt_p99_ns,
            srtt_ns: view.srtt_ns,
            sent: view.sent,
            received: view.received,
            dropped: view.drops.total(),
            loss_ppm: view.loss_ppm,
            key_epoch: view.epoch,
            wire_version: u32::from(view.wire_version),
            kept_for: view.kept_for.name().to_owned(),
        };
        self.endpoint.sessions().map(of).collect()
    }

    fn plane(&mut self, now_ns: u64) -> PlaneSnapshot {
        let (udp, totals) = (self.udp.counters(), self.endpoint.totals());
        let mut dropped: Vec<(String, u64)> =
            totals.drops.iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect();
        let own = [
            ("socket overrun", udp.overrun),
            ("too long for a buffer", udp.truncated),
            ("send queue full", udp.queue_full),
            ("send refused", udp.send_failed + udp.too_long),
            ("no address yet", self.unaddressed),
            ("no session in time", self.dialer.dropped),
            ("turn overflowed", self.outbox.overflowed),
            ("bridge full", self.bridge.refused()),
            ("no such mirror", self.mirrors.as_ref().map_or(0, Mirrors::unknown)),
            ("directory full", self.directory.refused()),
        ];
        dropped.extend(own.map(|(reason, count)| (reason.to_owned(), count)));
        dropped.extend(
            ekk::node::Drop::ALL.map(|reason| (format!("ekk {reason}"), u64::from(self.node.drops().of(reason)))),
        );
        dropped.retain(|(_, count)| *count > 0);
        PlaneSnapshot {
            mode: self.udp.mode().text().to_owned(),
            reason: self.udp.reason().to_owned(),
            listen: self.udp.local_addr().to_string(),
            sent: udp.sent,
            received: udp.received,
            sent_bytes: udp.sent_bytes,
            received_bytes: udp.received_bytes,
            coordination_bytes_per_s: self.shown.bytes_per_s(totals.coordination_bytes, now_ns),
            dropped,
            certificate_ends_unix_s: self.shown.certificate.0,
            certificate_warning: self.shown.certificate.1.clone(),
        }
    }

    fn fields_snapshot(&self, now: Time) -> FieldsSnapshot {
        let of = |view: ekk::node::NeighbourView| {
            let values = view.field?.map(number);
            Some(NeighbourField { id: view.id.get(), values, age_ns: view.field_age.0, weight: number(view.weight) })
        };
        FieldsSnapshot {
            own: self.node.fields().map(number),
            gradients: self.node.gradients().map(|gradient| gradient.map(number)),
            half_life_ns: self.node.half_life().0,
            neighbours: self.node.neighbours(now).filter_map(of).collect(),
        }
    }

    fn removal_snapshot(&self, removal: &Removal) -> RemovalSnapshot {
        let id = removal.identity.id.get();
        let certificate = certificate(&removal.certificate);
        let statements = certificate.as_ref().map_or_else(Vec::new, statements);
        let proof = certificate.as_ref().map(|certificate| certificate.count(|_| false));
        RemovalSnapshot {
            id,
            name: self.known_name(id),
            boot_inc: removal.identity.boot_inc,
            life: removal.identity.life,
            kind: removal.kind.to_owned(),
            at_unix_ns: removal.at_unix_ns,
            threshold: certificate
                .iter()
                .flat_map(|c| c.statements().map(|s| u32::from(s.threshold)))
                .max()
                .unwrap_or(0),
            quorum: proof.map_or(0, |proof| u32::from(proof.quorum)),
            statements,
            text: match removal.kind {
                "dead" => why_dead(&self.name(id), &removal.certificate),
                kind => format!("{}: {kind}", self.name(id)),
            },
        }
    }

    fn edge_snapshots(&self, now_ns: u64) -> Vec<EdgeSnapshot> {
        let of = |view: MirrorView, unauthenticated| EdgeSnapshot {
            id: u32::from(view.torus),
            torus: view.name,
            node: view.node,
            applied: view.applied,
            missed: view.missed,
            sent: view.sent,
            coalesced: view.coalesced,
            in_doubt: view.in_doubt,
            unauthenticated,
            age_ns: if view.newest_ns == 0 { u64::MAX } else { now_ns.saturating_sub(view.newest_ns) },
        };
        let mirrors = self.mirrors.iter().flat_map(Mirrors::views).map(|view| of(view, false));
        mirrors.chain(self.rsepx.iter().map(|carrier| of(carrier.view(), true))).collect()
    }

    fn notes(&self, now_ns: u64) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for (id, until) in self.node.maintained(Time(now_ns)) {
            let left_s = until.0.saturating_sub(now_ns) / 1_000_000_000;
            notes.push(format!("maintenance {}: {} min {} s left", self.name(id.get()), left_s / 60, left_s % 60));
        }
        if self.node.draining() {
            notes.push("draining: no new work is taken".to_owned());
        }
        notes.extend(self.node.quarantined().iter().map(|id| format!("quarantine {}", self.name(id.get()))));
        for (id, why) in self.shown.dials.iter().filter(|(id, _)| !self.endpoint.has_session(**id)) {
            notes.push(format!("no session with {}: {why}", self.name(*id)));
        }
        notes
    }

    fn bootstrap_snapshot(&self) -> BootstrapSnapshot {
        let driver = self.node.bootstrap();
        let view = driver.view();
        // A founder that is a member has been heard and is done, whoever told this node so.
        let member = |id: NodeId| {
            self.node.formation().is_some() && self.node.membership().known(id).is_some_and(|(_, live)| live)
        };
        let founders = self.settings.node.founders.ids().iter().map(|id| FounderSnapshot {
            id: id.get(),
            name: self.known_name(id.get()),
            seen: *id == self.settings.me.identity.id || view.seen.contains(id) || member(*id),
            ready: view.ready.contains(id) || member(*id),
            boot_inc: self.node.membership().record(*id).map_or(0, |record| record.identity.boot_inc),
        });
        let waiting = driver.machine().waiting().map(|waiting| WaitingSnapshot {
            reason: waiting.word().to_owned(),
            peer: waiting.peer.map(NodeId::get),
            text: waiting.to_string(),
            since_input: waiting.since,
        });
        let formation = self.node.formation();
        BootstrapSnapshot {
            label: if formation.is_some() { "formed" } else { label(&view) }.to_owned(),
            overdue: view.late && formation.is_none(),
            adopted: view.adopted || self.shown.adopted,
            local_done: view.local_done,
            epoch: view.epoch,
            formation: formation.map_or(0, ekk::bootstrap::Formation::id),
            digest: formation.map_or(0, |formation| formation.digest),
            ready: view.ready.len() as u32,
            quorum: view.quorum as u32,
            founders: founders.collect(),
            waiting: if formation.is_some() { Vec::new() } else { waiting.collect() },
        }
    }

    fn doubt(&self) -> (f64, bool) {
        let (sixteenths, muted) = self.node.membership().doubt();
        (f64::from(sixteenths) / 16.0, muted)
    }
}

/// The label, also where "overdue" hides it: that is a field of its own.
fn label(view: &ekk::bootstrap::View<'_>) -> &'static str {
    use ekk::bootstrap::Label;
    match view.label {
        Label::Overdue if view.local_done => Label::Confirming.name(),
        Label::Overdue if view.seen.is_empty() => Label::Fresh.name(),
        Label::Overdue => Label::Gathering.name(),
        label => label.name(),
    }
}

fn certificate(bytes: &[u8]) -> Option<Certificate> {
    Certificate::decode(&mut Reader::new(bytes)).ok()
}

/// What each watcher of a certificate said; one that said nothing is shown, too.
fn statements(certificate: &Certificate) -> Vec<StatementSnapshot> {
    let of = |watcher: &NodeId| {
        let said = certificate.statement_of(*watcher);
        StatementSnapshot {
            watcher: watcher.get(),
            last_sequence: said.map_or(0, |said| u64::from(said.last_sequence)),
            age_ns: said.map_or(0, |said| said.age_us.saturating_mul(1_000)),
            missed: said.map_or(0, |said| u32::from(said.missed)),
            doubt: said.map_or(0.0, |said| f64::from(said.doubt) / 16.0),
            stated: said.is_some(),
        }
    };
    certificate.set.ids().iter().filter(|id| id.is_node()).map(of).collect()
}

/// One sentence about a death: how many said so, and how long nothing was heard.
pub(super) fn why_dead(name: &str, bytes: &[u8]) -> String {
    let Some(certificate) = certificate(bytes) else { return format!("{name} was removed as dead") };
    let all = statements(&certificate);
    let stated = all.iter().filter(|statement| statement.stated).count();
    let longest_ms = all.iter().map(|statement| statement.age_ns).max().unwrap_or(0) / 1_000_000;
    let who: Vec<String> =
        all.iter().filter(|statement| statement.stated).map(|said| format!("n{}", said.watcher)).collect();
    format!(
        "{name} was removed as dead: {stated} of {} watchers heard nothing for up to {longest_ms} ms ({})",
        all.len(),
        who.join(", ")
    )
}
