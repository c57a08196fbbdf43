//! The cluster part of a snapshot: what `mesh`, `why`, `bootstrap`, `ballots` print and what the console's Mesh, Fields, Ballots
//! and Bootstrap screens draw. Owned, checked, serialisable; `decisions:NODE-15` rules hold (every number with its unit).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::Snapshot;

/// Bytes of JSON the cluster's record of the page holds.
pub const CLUSTER_BYTES: usize = 65_528;

/// The cluster's record of the status page: a [`ClusterSnapshot`] as JSON. Its lists have no fixed shape, and it is written by the
/// control thread a few times a second, never by a torus; so it is text, while the records of tori are plain.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ClusterPage {
    /// Bytes used; 0 = no cluster.
    pub len: u64,
    /// JSON, zero beyond `len`.
    pub bytes: [u8; CLUSTER_BYTES],
}

const _: () = assert!(core::mem::size_of::<ClusterPage>() == 65_536);

impl ClusterPage {
    /// The record of a snapshot. What is too long for it loses the oldest removals, then ballots, then sessions, and says so in
    /// `notes`. `None` when memory is short.
    #[must_use]
    pub fn new(cluster: &ClusterSnapshot) -> Option<Box<Self>> {
        let mut page = Self::new_box_zeroed().ok()?;
        let mut text = serde_json::to_vec(cluster).ok()?;
        if text.len() > CLUSTER_BYTES {
            let mut cut = cluster.clone();
            cut.notes.push("the record was too long: the oldest removals, ballots or sessions are left out".to_owned());
            while text.len() > CLUSTER_BYTES {
                let longest = [cut.removals.len(), cut.ballots.len(), cut.sessions.len()];
                if longest == [0; 3] {
                    return None;
                }
                cut.removals.truncate(longest[0] / 2);
                cut.ballots.truncate(longest[1] - longest[1] / 4 - usize::from(longest[1] > 0 && longest[1] < 4));
                if longest[0] == 0 {
                    cut.sessions.truncate(longest[2] / 2);
                }
                text = serde_json::to_vec(&cut).ok()?;
            }
        }
        page.len = text.len() as u64;
        page.bytes[..text.len()].copy_from_slice(&text);
        Some(page)
    }

    /// The snapshot; `None` when there is no cluster or the record is damaged.
    #[must_use]
    pub fn snapshot(&self) -> Option<Box<ClusterSnapshot>> {
        let used = usize::try_from(self.len).ok().filter(|used| *used > 0)?;
        serde_json::from_slice(self.bytes.get(..used)?).ok()
    }
}

impl Snapshot {
    /// With the cluster's record.
    #[must_use]
    pub fn with_cluster(mut self, page: Option<&ClusterPage>) -> Self {
        self.cluster = page.and_then(ClusterPage::snapshot);
        self
    }
}

/// Field components in wire order (`ekk` section 2): the words shown to people.
pub const COMPONENTS: [&str; 6] = ["load", "thermal", "power", "custom0", "custom1", "slack"];

/// What a node knows of its cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterSnapshot {
    /// Name of the cluster.
    pub name: String,
    /// Number of this node in its certificate.
    pub node_id: u32,
    /// Boot incarnation (`decisions:CLU-7`).
    pub boot_inc: u32,
    /// Life within the boot: raised by each refutation.
    pub life: u16,
    /// Failure domain.
    pub zone: String,
    /// Preset of all periods: `fast`, `lan` or `wan` (`decisions:CLU-10`).
    pub preset: String,
    /// Heartbeat period, ns.
    pub period_ns: u64,
    /// State of the node's own machine (`ekk` section 8), e.g. `active`.
    pub state: MeshState,
    /// Own doubt: factor on own thresholds, 1.0..8.0 (`decisions:CLU-13`).
    pub doubt: f64,
    /// True while own silence statements are muted by doubt.
    pub muted: bool,
    /// True while no link to anybody lives (`membership:MB-13`).
    pub alone: bool,
    /// True while `drain` is on: the load field says no.
    pub draining: bool,
    /// Why removals are stopped, when the safety valve is shut (`decisions:CLU-14`); empty otherwise.
    pub valve: String,
    /// Set when two live boots use one certificate (`decisions:CLU-7`): what was seen.
    pub duplicate_identity: String,
    /// How the cluster formed, or what it waits for.
    pub bootstrap: BootstrapSnapshot,
    /// How many members are known, by state.
    pub members: MemberTotals,
    /// Neighbours: the k nearest, by (distance, id).
    pub neighbours: Vec<NeighbourSnapshot>,
    /// Watch links.
    pub watches: Vec<WatchSnapshot>,
    /// Sessions of the link.
    pub sessions: Vec<SessionSnapshot>,
    /// The fast plane.
    pub plane: PlaneSnapshot,
    /// Own field and those of the neighbours.
    pub fields: FieldsSnapshot,
    /// Open ballots first, then decided ones that are retained, newest first.
    pub ballots: Vec<BallotSnapshot>,
    /// Removals, newest first: why a node was removed (`membership:MB-15`).
    pub removals: Vec<RemovalSnapshot>,
    /// Remote torus edges served by this node.
    pub edges: Vec<EdgeSnapshot>,
    /// Operations under way by name, e.g. `maintenance n3: 8 m 12 s left`.
    pub notes: Vec<String>,
}

/// State of the node's coordination machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeshState {
    /// Not started.
    Init,
    /// Looking for peers.
    Discovering,
    /// At least the wanted number of neighbours.
    Active,
    /// Fewer neighbours than wanted.
    Degraded,
    /// No neighbour.
    Isolated,
    /// A neighbour died; electing anew.
    Reforming,
    /// Left, or stopping.
    Shutdown,
    /// The page holds a value this program does not know.
    Unknown,
}

/// How well a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Never heard.
    Unknown,
    /// Heard in time.
    Alive,
    /// Late.
    Suspect,
    /// Dead by certificate, or silent beyond the limit.
    Dead,
}

/// The bootstrap machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootstrapSnapshot {
    /// `fresh`, `gathering`, `confirming` or `formed`.
    pub label: String,
    /// The deadline passed while not formed.
    pub overdue: bool,
    /// Formed by adoption of a record instead of by own quorum.
    pub adopted: bool,
    /// Own start-up work is done.
    pub local_done: bool,
    /// Epoch of the formation (target epoch while not formed).
    pub epoch: u64,
    /// Formation id; zero while not formed.
    pub formation: u64,
    /// Digest of founders and policy.
    pub digest: u64,
    /// Ready founders.
    pub ready: u32,
    /// Needed.
    pub quorum: u32,
    /// The founders.
    pub founders: Vec<FounderSnapshot>,
    /// What is waited for, stable order; empty exactly when formed.
    pub waiting: Vec<WaitingSnapshot>,
}

/// One founder in the eyes of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FounderSnapshot {
    /// Number.
    pub id: u32,
    /// Name; empty while unknown.
    pub name: String,
    /// Heard.
    pub seen: bool,
    /// Ready.
    pub ready: bool,
    /// Incarnation heard.
    pub boot_inc: u32,
}

/// One reason why the cluster is not formed here (`bootstrap` section 8.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingSnapshot {
    /// Stable word: `never-heard`, `not-ready`, `config-mismatch`...
    pub reason: String,
    /// The peer, where one applies.
    pub peer: Option<u32>,
    /// A sentence with the remedy.
    pub text: String,
    /// Number of the input since which it holds.
    pub since_input: u64,
}

/// Members known, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberTotals {
    /// All that are not removed and did not leave, this node included.
    pub known: u32,
    /// Removed and remembered.
    pub removed: u32,
    /// Left in order and remembered.
    pub left: u32,
}

/// One of the k nearest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NeighbourSnapshot {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Health.
    pub health: Health,
    /// Distance by the metric in force.
    pub distance: u32,
    /// Why it is a neighbour, e.g. `nearest, d 1`.
    pub why: String,
    /// Since when, Unix ns.
    pub since_unix_ns: u64,
    /// Its load field, 0..1, if heard.
    pub load: Option<f64>,
    /// Its own neighbours as it last said, for the drawing of the graph.
    pub its_neighbours: Vec<u32>,
}

/// One watch link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchSnapshot {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Health.
    pub health: Health,
    /// Incarnation.
    pub boot_inc: u32,
    /// Life.
    pub life: u16,
    /// Heartbeats missed in a row.
    pub missed: u32,
    /// Misses at which a silence statement is signed, doubt included.
    pub threshold: u32,
    /// Suspicion: age of the last heartbeat against mean and deviation of the gaps (0 = on time).
    pub phi: f64,
    /// The peer's own doubt as it last said.
    pub doubt: f64,
    /// Heartbeat age, ns.
    pub age_ns: u64,
    /// `ring 2 next`, `ring 0 previous`, `small cluster`...
    pub why: String,
    /// Since when, Unix ns.
    pub since_unix_ns: u64,
    /// Failure domain.
    pub zone: String,
}

/// One session of the link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSnapshot {
    /// Number of the peer.
    pub id: u32,
    /// Name.
    pub name: String,
    /// `shm`, `udp`.
    pub via: String,
    /// Address.
    pub address: String,
    /// Round-trip time, median, ns; 0 = not measured.
    pub rtt_p50_ns: u64,
    /// Round-trip time, 99th percentile, ns.
    pub rtt_p99_ns: u64,
    /// Smoothed round-trip time, ns.
    pub srtt_ns: u64,
    /// Datagrams out.
    pub sent: u64,
    /// Datagrams in that were taken.
    pub received: u64,
    /// Datagrams in that were dropped, all reasons.
    pub dropped: u64,
    /// Sequence numbers never seen / sequence numbers expected, parts per million.
    pub loss_ppm: u32,
    /// Key epoch in use.
    pub key_epoch: u32,
    /// Wire version in use.
    pub wire_version: u32,
    /// Why the session is kept: `watch`, `neighbour`, `braid`, `recent`.
    pub kept_for: String,
}

/// The fast plane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaneSnapshot {
    /// `io_uring` or `sockets`.
    pub mode: String,
    /// Why it is not io_uring; empty when it is.
    pub reason: String,
    /// Address it listens on.
    pub listen: String,
    /// Datagrams out.
    pub sent: u64,
    /// Datagrams in.
    pub received: u64,
    /// Bytes out.
    pub sent_bytes: u64,
    /// Bytes in.
    pub received_bytes: u64,
    /// Coordination bytes out per second over the last window (projections apart).
    pub coordination_bytes_per_s: u64,
    /// Dropped datagrams by reason, in declaration order, zero counts left out.
    pub dropped: Vec<(String, u64)>,
    /// When the own certificate ends, Unix s.
    pub certificate_ends_unix_s: u64,
    /// Warning about it, empty when there is none.
    pub certificate_warning: String,
}

/// Own field and those of the neighbours; arrays are in the order of [`COMPONENTS`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldsSnapshot {
    /// Own values, 0..1 as published.
    pub own: [f64; 6],
    /// Gradient per component: neighbours' aggregate minus own; `None` = no signal (`ekk:D-06`).
    pub gradients: [Option<f64>; 6],
    /// Time after which a value has half its weight, ns.
    pub half_life_ns: u64,
    /// The neighbours' fields.
    pub neighbours: Vec<NeighbourField>,
}

/// Field of one neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NeighbourField {
    /// Number.
    pub id: u32,
    /// Values as published.
    pub values: [f64; 6],
    /// Age, ns.
    pub age_ns: u64,
    /// Weight it counts with now, 0..1.
    pub weight: f64,
}

/// One ballot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BallotSnapshot {
    /// Proposer.
    pub proposer: u32,
    /// Number of the proposer's boot and ballot: the key together with `proposer`.
    pub number: u64,
    /// `local` or `cluster` (`decisions:CLU-9`).
    pub scope: String,
    /// `mode`, `power-limit`, `quarantine`, `custom`...
    pub kind: String,
    /// What it is about, in words.
    pub about: String,
    /// `open`, `approved`, `rejected`, `timeout`, `cancelled`, `no-quorum`, `unknown`.
    pub result: String,
    /// Who may vote and what they said: `yes`, `no`, `abstain`, `-`.
    pub votes: Vec<(u32, String)>,
    /// Yes votes needed.
    pub needed: u32,
    /// Own vote, or `ask` while the operator has to say.
    pub own_vote: String,
    /// Time left, ns; 0 when decided.
    pub left_ns: u64,
    /// When it was opened, Unix ns.
    pub opened_unix_ns: u64,
    /// Why it ended as it did.
    pub why: String,
}

/// One removal (`membership:MB-15`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RemovalSnapshot {
    /// Who was removed.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Incarnation.
    pub boot_inc: u32,
    /// Life.
    pub life: u16,
    /// `dead`, `left`, `forgotten`, `quarantined`, `undone` (a later life was accepted).
    pub kind: String,
    /// When, Unix ns.
    pub at_unix_ns: u64,
    /// Threshold T in force.
    pub threshold: u32,
    /// Statements needed.
    pub quorum: u32,
    /// The watchers' statements.
    pub statements: Vec<StatementSnapshot>,
    /// One sentence for a person.
    pub text: String,
}

/// One silence statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatementSnapshot {
    /// Watcher.
    pub watcher: u32,
    /// Last heartbeat it heard.
    pub last_sequence: u64,
    /// Age of it when the statement was signed, ns.
    pub age_ns: u64,
    /// Misses counted.
    pub missed: u32,
    /// The watcher's doubt.
    pub doubt: f64,
    /// False when the watcher said nothing.
    pub stated: bool,
}

/// A braid edge that crosses the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeSnapshot {
    /// Name of the remote torus.
    pub torus: String,
    /// Its index in the braid.
    #[serde(default)]
    pub id: u32,
    /// Node it lives on.
    pub node: u32,
    /// Projections applied from it.
    pub applied: u64,
    /// Missed (sequence gaps).
    pub missed: u64,
    /// Sent to it.
    pub sent: u64,
    /// Left out because the edge is capped per second (`decisions:CLU-11`).
    pub coalesced: u64,
    /// Hand-overs in doubt (`decisions:CLU-12`).
    pub in_doubt: u64,
    /// True for an unauthenticated seed peer (`decisions:CLU-17`).
    pub unauthenticated: bool,
    /// Age of the newest projection, ns.
    pub age_ns: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A cluster of one with nothing in its lists.
    pub(crate) fn plain() -> ClusterSnapshot {
        ClusterSnapshot {
            name: "lab".into(),
            node_id: 1,
            boot_inc: 2,
            life: 0,
            zone: String::new(),
            preset: "lan".into(),
            period_ns: 100_000_000,
            state: MeshState::Active,
            doubt: 1.0,
            muted: false,
            alone: false,
            draining: false,
            valve: String::new(),
            duplicate_identity: String::new(),
            bootstrap: BootstrapSnapshot {
                label: "formed".into(),
                overdue: false,
                adopted: false,
                local_done: true,
                epoch: 1,
                formation: 7,
                digest: 8,
                ready: 3,
                quorum: 2,
                founders: Vec::new(),
                waiting: Vec::new(),
            },
            members: MemberTotals::default(),
            neighbours: Vec::new(),
            watches: Vec::new(),
            sessions: Vec::new(),
            plane: PlaneSnapshot::default(),
            fields: FieldsSnapshot::default(),
            ballots: Vec::new(),
            removals: Vec::new(),
            edges: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn removal(id: u32) -> RemovalSnapshot {
        RemovalSnapshot {
            id,
            name: "n".repeat(24),
            boot_inc: 1,
            life: 0,
            kind: "dead".into(),
            at_unix_ns: 5,
            threshold: 6,
            quorum: 5,
            statements: Vec::new(),
            text: "x".repeat(200),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut cluster = plain();
        cluster.removals = (0..16).map(removal).collect();
        cluster.fields.gradients[0] = Some(0.25);
        let page = ClusterPage::new(&cluster).expect("fits");
        assert_eq!(page.snapshot().as_deref(), Some(&cluster));
    }

    #[test]
    fn a_record_that_is_too_long_loses_its_oldest_and_says_so() {
        let mut cluster = plain();
        cluster.removals = (0..1000).map(removal).collect();
        let cut = ClusterPage::new(&cluster).and_then(|page| page.snapshot()).expect("cut to fit");
        assert!(!cut.removals.is_empty() && cut.removals.len() < 1000);
        assert_eq!(cut.removals[0].id, 0, "the newest are kept");
        assert!(cut.notes[0].contains("too long"), "{:?}", cut.notes);
    }

    #[test]
    fn a_damaged_record_is_no_cluster() {
        let mut page = ClusterPage::new(&plain()).expect("fits");
        page.bytes[0] = b'x';
        assert!(page.snapshot().is_none());
        page.len = u64::MAX;
        assert!(page.snapshot().is_none());
        page.len = 0;
        assert!(page.snapshot().is_none());
    }
}
