//! The owned form of the status page: what `status --json` prints, what the console draws, what a recording holds.
//!
//! Every number keeps the name and unit of its page field. [`Snapshot::from_pages`] checks every enumeration and length, so a
//! damaged page becomes an error or an `unknown` state, never a panic.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::avm::AvmSnapshot;
use crate::cluster::ClusterSnapshot;
use crate::page::{self, EventsPage, FACE, HostPage, NodePage, Reading, TorusPage};
use crate::seed::{SeedSnapshot, seed_of};

/// A node at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The node.
    pub node: NodeSnapshot,
    /// Its host.
    pub host: HostSnapshot,
    /// Its tori, in configuration order.
    pub tori: Vec<TorusSnapshot>,
    /// Newest events, oldest first.
    pub events: Vec<EventSnapshot>,
    /// Events that rate limiting kept out of the log.
    pub events_suppressed: u64,
    /// CLOCK_MONOTONIC of the reader when the page was read, ns; ages are judged against it.
    pub read_ns: u64,
    /// The cluster, when the node belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Box<ClusterSnapshot>>,
    /// Its programs, when it runs any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avm: Option<Box<AvmSnapshot>>,
}

/// Phase of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Coming up.
    Starting,
    /// Working.
    Running,
    /// Going down.
    Stopping,
    /// Ended in order.
    Stopped,
    /// Ended by a failure.
    Failed,
    /// The page holds a value this program does not know.
    Unknown,
}

/// State of a torus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TorusState {
    /// Coming up.
    Starting,
    /// Executing.
    Run,
    /// Paused by hand; heartbeat and watchdog go on.
    Paused,
    /// Nothing to do; sleeping until woken.
    Waiting,
    /// Ended in order.
    Stopped,
    /// Ended by a failure.
    Failed,
    /// The page holds a value this program does not know.
    Unknown,
}

/// State of a peer torus in the eyes of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerState {
    /// Never seen.
    Absent,
    /// Its heartbeat moves.
    Alive,
    /// Silent for three liveness rounds.
    Suspect,
    /// Silent, and a majority of live peers agrees.
    Failed,
    /// Seen again under a new boot id.
    Returning,
    /// The page holds a value this program does not know.
    Unknown,
}

/// Kind of memory pages behind a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    /// 4 KiB.
    Base,
    /// Transparent huge pages asked for.
    Transparent,
    /// 2 MiB from the pool.
    Huge,
}

/// What a constraint or a correction is about; index into the counters of [`TorusPage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QuantityKind {
    /// Load (runnable + pending + suspended).
    Load,
    /// Activity of the facing cells.
    Face,
    /// Event rate.
    Rate,
    /// Lag in braid rounds.
    Round,
    /// Conservation of messages.
    Conservation,
}

impl QuantityKind {
    /// All kinds, in counter order.
    pub const ALL: [Self; 5] = [Self::Load, Self::Face, Self::Rate, Self::Round, Self::Conservation];

    /// The word shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Face => "face",
            Self::Rate => "rate",
            Self::Round => "round",
            Self::Conservation => "conservation",
        }
    }
}

/// The node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of page::NodePage, documented there")]
pub struct NodeSnapshot {
    pub name: String,
    pub pid: u32,
    pub boot_id: u64,
    pub phase: Phase,
    pub mode: String,
    pub spin: bool,
    pub heartbeat_ns: u64,
    pub started_unix_ns: u64,
    pub now_unix_ns: u64,
    pub region_path: String,
    pub region_bytes: u64,
    pub region_pages: Pages,
    pub region_join: String,
    pub region_epoch: u64,
    pub backing_reason: String,
    pub config_path: String,
    pub build: String,
    pub worst: String,
}

/// One torus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of page::TorusPage, documented there")]
pub struct TorusSnapshot {
    pub id: u32,
    pub name: String,
    pub state: TorusState,
    pub reason: String,
    pub workload: String,
    pub core: Option<u32>,
    pub tid: u32,
    pub core_shared: bool,
    pub uncoupled: bool,
    pub interval_fixed: bool,
    pub recording: bool,
    pub recording_broken: bool,
    pub alone: bool,
    pub boot_id: u64,
    pub heartbeat_ns: u64,
    pub clock_ticks: u64,
    pub executed: u64,
    pub generated: u64,
    pub injected: u64,
    pub injected_corrective: u64,
    pub rejected: u64,
    pub handed_out: u64,
    pub handed_in: u64,
    pub lost: u64,
    pub pending: u64,
    pub capacity: u64,
    pub high_water: u64,
    pub memory_used_bytes: u64,
    pub memory_mapped_bytes: u64,
    pub memory_pages: Pages,
    pub batch: u32,
    pub load_runnable: u64,
    pub load_suspended: u64,
    pub cpu_ns: u64,
    pub processes: u32,
    pub edges: u32,
    pub digest: u64,
    pub recorded_inputs: u64,
    pub recorder_stalls: u64,
    pub round: u64,
    pub interval_ticks: u32,
    pub interval_before_ticks: u32,
    pub floor_ns: u64,
    pub violation_rate_ppm: u32,
    pub interval_reason: String,
    pub interval_changed_unix_ns: u64,
    pub exchanges: u64,
    pub exchange_p50_ns: u64,
    pub exchange_p99_ns: u64,
    pub exchange_overhead_ppm: u64,
    pub applied: u64,
    pub missed: u64,
    pub refused: u64,
    pub retries: u64,
    pub evaluated: u64,
    pub violations: [u64; page::KINDS],
    pub corrections: [u64; page::KINDS],
    pub face_spread: u64,
    pub face_tolerance: u64,
    pub conservation_breaks: u64,
    pub conservation_break_unix_ns: u64,
    pub peers: Vec<PeerSnapshot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<SeedSnapshot>,
    pub stepped: Option<SteppedSnapshot>,
    pub service_ns: Vec<u64>,
    pub edge_delay_ticks: Vec<u32>,
    pub faces: [Vec<u16>; 2],
    pub peer_faces: [Vec<u16>; 2],
    pub peer_faces_of: Option<u32>,
}

impl TorusSnapshot {
    /// The conservation identity `rse:T4` as `decisions:NODE-8` extends it:
    /// injected + corrective + generated + handed in = executed + pending + handed out + rejected.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let made = u128::from(self.injected)
            + u128::from(self.injected_corrective)
            + u128::from(self.generated)
            + u128::from(self.handed_in);
        let gone = u128::from(self.executed)
            + u128::from(self.pending)
            + u128::from(self.handed_out)
            + u128::from(self.rejected);
        made == gone
    }
}

/// A peer torus in the eyes of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of page::PeerPage, documented there")]
pub struct PeerSnapshot {
    pub id: u32,
    pub state: PeerState,
    pub missed_rounds: u32,
    pub boot_id: u64,
    pub applied_seq: u64,
    pub age_ns: u64,
    pub sent: u64,
    pub received: u64,
    pub pid: u32,
    pub via: String,
}

/// What a single step executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of page::SteppedPage, documented there")]
pub struct SteppedSnapshot {
    pub count: u64,
    pub time_ticks: u64,
    pub dst: u32,
    pub src: u32,
    pub payload: i64,
    pub fired_total: u32,
    /// Destination cell and delay in ticks of the first events it made.
    pub fired: Vec<(u32, u64)>,
}

/// The host's sensors; `None` = absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of page::HostPage, documented there")]
pub struct HostSnapshot {
    pub cpu_percent: Option<f64>,
    pub psi_cpu_percent: Option<f64>,
    pub psi_memory_percent: Option<f64>,
    pub psi_io_percent: Option<f64>,
    pub temperature_c: Option<f64>,
    pub power_w: Option<f64>,
    pub battery_percent: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub memory_available_bytes: Option<f64>,
    pub hugepages_total: Option<f64>,
    pub hugepages_free: Option<f64>,
    pub quota_cores: Option<f64>,
    pub load_1m: Option<f64>,
    pub control_cpu_ns: u64,
    pub process_cpu_ns: u64,
    pub resident_bytes: u64,
    pub locked_bytes: u64,
    pub cores: u32,
    pub cores_allowed: u32,
    pub allowed: Vec<u32>,
    pub kernel: String,
    pub cpu_model: String,
    pub temperature_source: String,
    pub power_source: String,
}

/// Severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something happened as it should.
    Info,
    /// Something worth a look.
    Notice,
    /// Something is degraded.
    Warning,
    /// Something failed.
    Error,
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventSnapshot {
    /// Number, from 1.
    pub number: u64,
    /// Unix time, ns.
    pub at_unix_ns: u64,
    /// Severity.
    pub severity: Severity,
    /// Torus id it is about.
    pub torus: Option<u32>,
    /// What happened and why.
    pub text: String,
}

/// Why a page could not be turned into a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The first word is not the magic number.
    #[error("first word is {found:#018x}, expected {expected:#018x}", expected = page::MAGIC)]
    Magic {
        /// What was found.
        found: u64,
    },
    /// The page has another version.
    #[error("version {found}, expected {expected}", expected = page::VERSION)]
    Version {
        /// What was found.
        found: u32,
    },
    /// More tori than a node can hold.
    #[error("{found} tori, expected at most {max}", max = page::MAX_TORI)]
    Tori {
        /// What was found.
        found: u32,
    },
}

impl Snapshot {
    /// Makes a snapshot of raw pages; `read_ns` is CLOCK_MONOTONIC of the reader.
    ///
    /// # Errors
    /// [`PageError`] when the node page is not one of ours.
    pub fn from_pages(
        node: &NodePage,
        host: &HostPage,
        tori: &[&TorusPage],
        events: &EventsPage,
        read_ns: u64,
    ) -> Result<Self, PageError> {
        check_node(node)?;
        Ok(Self {
            node: node_of(node),
            host: host_of(host),
            tori: tori.iter().map(|torus| torus_of(torus)).collect(),
            events: events_of(events),
            events_suppressed: events.suppressed,
            read_ns,
            cluster: None,
            avm: None,
        })
    }

    /// How long the node has not written its page: zero when its clock is ahead of the reader's.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        Duration::from_nanos(self.read_ns.saturating_sub(self.node.heartbeat_ns))
    }
}

/// Checks that a node page is one of ours and returns how many tori it announces.
///
/// # Errors
/// [`PageError`] names what does not fit.
pub fn check_node(node: &NodePage) -> Result<usize, PageError> {
    if node.magic != page::MAGIC {
        return Err(PageError::Magic { found: node.magic });
    }
    if node.version != page::VERSION {
        return Err(PageError::Version { found: node.version });
    }
    if node.tori as usize > page::MAX_TORI {
        return Err(PageError::Tori { found: node.tori });
    }
    Ok(node.tori as usize)
}

fn pages_of(code: u32) -> Pages {
    match code {
        2 => Pages::Huge,
        1 => Pages::Transparent,
        _ => Pages::Base,
    }
}

fn node_of(node: &NodePage) -> NodeSnapshot {
    NodeSnapshot {
        name: node.name.as_str().to_owned(),
        pid: node.pid,
        boot_id: node.boot_id,
        phase: match node.phase {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Stopping,
            3 => Phase::Stopped,
            4 => Phase::Failed,
            _ => Phase::Unknown,
        },
        mode: if node.mode == 1 { "ring" } else { "rotate" }.to_owned(),
        spin: node.spin == 1,
        heartbeat_ns: node.heartbeat_ns,
        started_unix_ns: node.started_unix_ns,
        now_unix_ns: node.now_unix_ns,
        region_path: node.region_path.as_str().to_owned(),
        region_bytes: node.region_bytes,
        region_pages: pages_of(node.region_pages),
        region_join: match node.region_join {
            0 => "created",
            1 => "joined",
            2 => "renewed",
            3 => "private",
            _ => "unknown",
        }
        .to_owned(),
        region_epoch: node.region_epoch,
        backing_reason: node.backing_reason.as_str().to_owned(),
        config_path: node.config_path.as_str().to_owned(),
        build: node.build.as_str().to_owned(),
        worst: node.worst.as_str().to_owned(),
    }
}

fn torus_of(torus: &TorusPage) -> TorusSnapshot {
    let flag = |bit: u32| torus.flags & (1 << bit) != 0;
    TorusSnapshot {
        id: torus.id,
        name: torus.name.as_str().to_owned(),
        state: match torus.state {
            0 => TorusState::Starting,
            1 => TorusState::Run,
            2 => TorusState::Paused,
            3 => TorusState::Waiting,
            4 => TorusState::Stopped,
            5 => TorusState::Failed,
            _ => TorusState::Unknown,
        },
        reason: torus.reason.as_str().to_owned(),
        workload: torus.workload.as_str().to_owned(),
        core: u32::try_from(torus.core).ok(),
        tid: torus.tid,
        core_shared: flag(0),
        uncoupled: flag(1),
        interval_fixed: flag(2),
        recording: flag(3),
        recording_broken: flag(4),
        alone: flag(5),
        boot_id: torus.boot_id,
        heartbeat_ns: torus.heartbeat_ns,
        clock_ticks: torus.clock_ticks,
        executed: torus.executed,
        generated: torus.generated,
        injected: torus.injected,
        injected_corrective: torus.injected_corrective,
        rejected: torus.rejected,
        handed_out: torus.handed_out,
        handed_in: torus.handed_in,
        lost: torus.lost,
        pending: torus.pending,
        capacity: torus.capacity,
        high_water: torus.high_water,
        memory_used_bytes: torus.memory_used_bytes,
        memory_mapped_bytes: torus.memory_mapped_bytes,
        memory_pages: pages_of(torus.memory_pages),
        batch: torus.batch,
        load_runnable: torus.load_runnable,
        load_suspended: torus.load_suspended,
        cpu_ns: torus.cpu_ns,
        processes: torus.processes,
        edges: torus.edges,
        digest: torus.digest,
        recorded_inputs: torus.recorded_inputs,
        recorder_stalls: torus.recorder_stalls,
        round: torus.round,
        interval_ticks: torus.interval_ticks,
        interval_before_ticks: torus.interval_before_ticks,
        floor_ns: torus.floor_ns,
        violation_rate_ppm: torus.violation_rate_ppm,
        interval_reason: interval_reason_of(torus.interval_reason).to_owned(),
        interval_changed_unix_ns: torus.interval_changed_unix_ns,
        exchanges: torus.exchanges,
        exchange_p50_ns: torus.exchange_p50_ns,
        exchange_p99_ns: torus.exchange_p99_ns,
        exchange_overhead_ppm: torus.exchange_overhead_ppm,
        applied: torus.applied,
        missed: torus.missed,
        refused: torus.refused,
        retries: torus.retries,
        evaluated: torus.evaluated,
        violations: torus.violations,
        corrections: torus.corrections,
        face_spread: torus.face_spread,
        face_tolerance: torus.face_tolerance,
        conservation_breaks: torus.conservation_breaks,
        conservation_break_unix_ns: torus.conservation_break_unix_ns,
        peers: peers_of(torus),
        seed: seed_of(torus.id, &torus.seed),
        stepped: stepped_of(torus),
        service_ns: torus.service_ns.to_vec(),
        edge_delay_ticks: torus.edge_delay_ticks.to_vec(),
        faces: torus.faces.map(|face: [u16; FACE]| face.to_vec()),
        peer_faces: torus.peer_faces.map(|face: [u16; FACE]| face.to_vec()),
        peer_faces_of: (torus.peer_faces_of < page::MAX_TORI as u32).then_some(torus.peer_faces_of),
    }
}

fn interval_reason_of(code: u32) -> &'static str {
    match code {
        0 => "",
        1 => "violation rate above the upper threshold",
        2 => "violation rate below the lower threshold",
        3 => "set by hand",
        _ => "unknown",
    }
}

fn peers_of(torus: &TorusPage) -> Vec<PeerSnapshot> {
    let known = torus.peers.iter().enumerate().filter(|(_, peer)| peer.state != 0);
    known
        .map(|(id, peer)| PeerSnapshot {
            id: id as u32,
            state: match peer.state {
                0 => PeerState::Absent,
                1 => PeerState::Alive,
                2 => PeerState::Suspect,
                3 => PeerState::Failed,
                4 => PeerState::Returning,
                _ => PeerState::Unknown,
            },
            missed_rounds: peer.missed_rounds,
            boot_id: peer.boot_id,
            applied_seq: peer.applied_seq,
            age_ns: peer.age_ns,
            sent: peer.sent,
            received: peer.received,
            pid: peer.pid,
            via: match peer.via {
                0 => "thread",
                1 => "shm",
                2 => "udp",
                _ => "unknown",
            }
            .to_owned(),
        })
        .collect()
}

fn stepped_of(torus: &TorusPage) -> Option<SteppedSnapshot> {
    let stepped = &torus.stepped;
    let used = (stepped.fired_len as usize).min(page::FIRED);
    (stepped.count > 0).then(|| SteppedSnapshot {
        count: stepped.count,
        time_ticks: stepped.time_ticks,
        dst: stepped.dst,
        src: stepped.src,
        payload: stepped.payload,
        fired_total: stepped.fired_total,
        fired: (0..used).map(|at| (stepped.fired_dst[at], stepped.fired_delay_ticks[at])).collect(),
    })
}

fn host_of(host: &HostPage) -> HostSnapshot {
    let value = |reading: Reading| (reading.present == 1 && reading.value.is_finite()).then_some(reading.value);
    HostSnapshot {
        cpu_percent: value(host.cpu_percent),
        psi_cpu_percent: value(host.psi_cpu_percent),
        psi_memory_percent: value(host.psi_memory_percent),
        psi_io_percent: value(host.psi_io_percent),
        temperature_c: value(host.temperature_c),
        power_w: value(host.power_w),
        battery_percent: value(host.battery_percent),
        memory_total_bytes: value(host.memory_total_bytes),
        memory_available_bytes: value(host.memory_available_bytes),
        hugepages_total: value(host.hugepages_total),
        hugepages_free: value(host.hugepages_free),
        quota_cores: value(host.quota_cores),
        load_1m: value(host.load_1m),
        control_cpu_ns: host.control_cpu_ns,
        process_cpu_ns: host.process_cpu_ns,
        resident_bytes: host.resident_bytes,
        locked_bytes: host.locked_bytes,
        cores: host.cores,
        cores_allowed: host.cores_allowed,
        allowed: (0..128u32).filter(|core| host.allowed_mask[(core / 64) as usize] & (1 << (core % 64)) != 0).collect(),
        kernel: host.kernel.as_str().to_owned(),
        cpu_model: host.cpu_model.as_str().to_owned(),
        temperature_source: host.temperature_source.as_str().to_owned(),
        power_source: host.power_source.as_str().to_owned(),
    }
}

fn events_of(events: &EventsPage) -> Vec<EventSnapshot> {
    let oldest = events.newest.saturating_sub(page::EVENTS as u64 - 1).max(1);
    (oldest..=events.newest)
        .map(|number| (number, &events.ring[(number % page::EVENTS as u64) as usize]))
        .filter(|(number, record)| record.number == *number)
        .map(|(_, record)| EventSnapshot {
            number: record.number,
            at_unix_ns: record.at_unix_ns,
            severity: match record.severity {
                0 => Severity::Info,
                1 => Severity::Notice,
                2 => Severity::Warning,
                _ => Severity::Error,
            },
            torus: (record.torus < page::MAX_TORI as u32).then_some(record.torus),
            text: record.text.as_str().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{EventRecord, Text};

    #[test]
    fn a_foreign_page_is_refused_and_a_damaged_one_does_not_panic() {
        let mut node = NodePage::default();
        assert_eq!(check_node(&node), Err(PageError::Magic { found: 0 }));
        node.magic = page::MAGIC;
        node.version = 99;
        assert_eq!(check_node(&node), Err(PageError::Version { found: 99 }));
        node.version = page::VERSION;
        node.tori = 17;
        assert_eq!(check_node(&node), Err(PageError::Tori { found: 17 }));
        node.tori = 1;
        node.phase = 77;
        let torus = TorusPage { state: 99, peer_faces_of: 255, ..TorusPage::default() };
        let events = EventsPage { newest: u64::MAX, ..EventsPage::default() };
        let snapshot = Snapshot::from_pages(&node, &HostPage::default(), &[&torus], &events, 5).expect("valid header");
        assert_eq!(snapshot.node.phase, Phase::Unknown);
        assert_eq!(snapshot.tori[0].state, TorusState::Unknown);
        assert_eq!(snapshot.tori[0].peer_faces_of, None);
        assert!(snapshot.events.is_empty());
        assert_eq!(snapshot.host.cpu_percent, None);
    }

    #[test]
    fn events_come_out_oldest_first_and_only_the_kept_ones() {
        let mut events = EventsPage { newest: 300, ..EventsPage::default() };
        for number in 1..=300u64 {
            events.ring[(number % 256) as usize] =
                EventRecord { number, torus: 255, text: Text::new("x"), ..EventRecord::default() };
        }
        let listed = events_of(&events);
        assert_eq!((listed.len(), listed[0].number, listed[255].number), (256, 45, 300));
    }

    #[test]
    fn conservation_names_every_term() {
        let node = NodePage { magic: page::MAGIC, version: page::VERSION, tori: 1, ..NodePage::default() };
        let page =
            TorusPage { injected: 5, generated: 4, handed_in: 2, executed: 6, pending: 1, ..TorusPage::default() };
        let (host, events) = (HostPage::default(), EventsPage::default());
        let made = |page: &TorusPage| {
            Snapshot::from_pages(&node, &host, &[page], &events, 0).expect("valid").tori[0].conserved()
        };
        assert!(!made(&page) && made(&TorusPage { handed_out: 1, rejected: 3, ..page }));
    }
}
