//! The configuration file as written: plain values with their defaults and ranges.
//!
//! The JSON schema made of these types is also what a file is checked against ([`super::schema`]), so a range, a default and
//! its documentation stand in one place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw_avm::RawAvm;
use super::raw_cluster::{RawCluster, RawPeer, RawRemote};

/// A whole configuration file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// The process.
    pub node: RawNode,
    /// What to do when the host cannot give what is asked for.
    pub resources: RawResources,
    /// The shared-memory region the tori exchange projections through.
    pub region: RawRegion,
    /// The rules by which tori balance each other.
    pub braid: RawBraid,
    /// Recording of everything that enters a torus (`trefoil run --record FILE`).
    pub record: RawRecord,
    /// The cluster this node belongs to; absent: the node stands alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<RawCluster>,
    /// Other nodes of the cluster, one table each.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<RawPeer>,
    /// Tori of the braid that other nodes run, one table each.
    #[schemars(length(max = 15))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote: Vec<RawRemote>,
    /// Programs, on the tori whose workload is `kind = "avm"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avm: Option<RawAvm>,
    /// The tori of this process, one table each.
    #[schemars(length(min = 1, max = 16))]
    pub torus: Vec<RawTorus>,
}

/// Who may look at or change a running node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Others {
    /// Users outside the group may read status and metrics, not change anything.
    ReadOnly,
    /// Users outside the group are refused.
    Refuse,
}

/// How a torus thread waits when it has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Busy loop without system calls; needs a core per torus.
    Spin,
    /// Bounded timed sleep, woken by peers.
    Adaptive,
    /// `spin` when every torus has a core of its own and one is left for the host, `adaptive` otherwise.
    Auto,
}

/// What to do when the host cannot give a resource (`decisions:NODE-20`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Refuse to start, saying why and what mends it.
    Strict,
    /// Go on without it, and say so in the status page and the log.
    Degrade,
    /// Do not ask for it.
    Off,
}

/// Kind of memory pages asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    /// 2 MiB pages of the pool (`vm.nr_hugepages`).
    Huge,
    /// Transparent huge pages.
    Transparent,
    /// 4 KiB pages.
    Base,
}

/// Which projections a reader applies (`decisions:NODE-6`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The source of a round is round modulo the live tori.
    Rotate,
    /// The source is the live predecessor.
    Ring,
}

/// What happens to an event for which the queue has no room (`decisions:NODE-5`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnOverflow {
    /// It is refused and counted.
    Reject,
    /// The torus stops, visibly.
    Stop,
}

/// What happens when the recorder cannot keep up (`decisions:NODE-2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// The torus waits for the writer; the recording stays whole.
    Stall,
    /// The torus goes on; the recording is marked broken, visibly.
    Break,
}

/// What a torus runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing; events come only by `trefoil inject` or from other tori.
    Idle,
    /// Tokens go round a cycle of cells.
    Cycle,
    /// Tokens spread over a grid, right and down.
    Grid,
    /// Tokens wander over a random graph made from a seed.
    RandomGraph,
    /// The compute reactor: every process hashes what it receives and passes it on, as fast as it can.
    Firehose,
    /// Events read from a CSV file (time, dst, src, payload), in logical order.
    EventsFile,
    /// Programs: see the table `[avm]`. With `load = false` the torus starts none of its own and takes what others hand over.
    Avm,
}

/// The process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawNode {
    /// Name of the node, shown everywhere.
    #[schemars(length(min = 1, max = 48))]
    pub name: String,
    /// Folder of the control socket and the status page (tmpfs). Default: `$RUNTIME_DIRECTORY` (set by systemd), else
    /// `$XDG_RUNTIME_DIR/trefoil`, else `/tmp/trefoil-UID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_dir: Option<String>,
    /// Folder of what outlives the process; one agent each. Default: `$STATE_DIRECTORY` (set by systemd), else
    /// `RUNTIME_DIR/state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
    /// Group whose members may change a running node, beside root and the agent's own user. Must exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What users outside the group may do.
    pub others: Others,
    /// How torus threads wait.
    pub waiting: Waiting,
    /// Log filter: a level (`error`, `warn`, `info`, `debug`, `trace`) or `target=level,...`.
    #[schemars(length(min = 1, max = 200))]
    pub log: String,
    /// Most lines a second the log takes; the rest is counted and reported.
    #[schemars(range(min = 1, max = 10_000))]
    pub log_lines_per_s: u32,
}

impl Default for RawNode {
    fn default() -> Self {
        Self {
            name: "trefoil".to_owned(),
            runtime_dir: None,
            state_dir: None,
            group: None,
            others: Others::ReadOnly,
            waiting: Waiting::Auto,
            log: "info".to_owned(),
            log_lines_per_s: 50,
        }
    }
}

/// What to do when the host cannot give what is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawResources {
    /// Pinning of each torus to the core it names, and that this core is its own.
    pub cores: Policy,
    /// 2 MiB pages where `pages = "huge"` asks for them.
    pub hugepages: Policy,
    /// Locking of memory, so that no page fault meets the loop.
    pub mlock: Policy,
    /// Memory of a torus on the NUMA node of its core.
    pub numa: Policy,
}

impl Default for RawResources {
    fn default() -> Self {
        Self { cores: Policy::Degrade, hugepages: Policy::Degrade, mlock: Policy::Degrade, numa: Policy::Degrade }
    }
}

/// The shared-memory region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRegion {
    /// File of the region, shared by every process of the braid. Absent: private to this process (then it must hold every
    /// torus of the braid).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// File of a seed region (a tmpfs file behind ivshmem, or a PCI resource file) in which the one torus of this process
    /// stands beside seed-compatible peers, whatever the braid does in its own region. Absent: none.
    #[schemars(length(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed_v1: Option<String>,
    /// Pages asked for, for the region and the memory of the tori.
    pub pages: Pages,
    /// Messages a ring between two tori holds; a power of two.
    #[schemars(range(min = 16, max = 65_536))]
    pub ring_records: u32,
    /// Events the injection ring of a torus holds; a power of two.
    #[schemars(range(min = 16, max = 65_536))]
    pub inject_records: u32,
}

impl Default for RawRegion {
    fn default() -> Self {
        Self { path: None, seed_v1: None, pages: Pages::Huge, ring_records: 1024, inject_records: 1024 }
    }
}

/// The rules by which tori balance each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawBraid {
    /// Which projections a reader applies.
    pub mode: Mode,
    /// Tori of the whole braid, in this and other processes.
    #[schemars(range(min = 1, max = 16))]
    pub tori: u32,
    /// Ticks between exchanges at start; for good when `adaptive` is false.
    #[schemars(range(min = 100, max = 10_000))]
    pub interval_ticks: u32,
    /// Whether the interval adapts to the rate of violations. `trefoil torus interval` changes it while the node runs.
    pub adaptive: bool,
    /// Shortest wall time between exchanges, microseconds.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub floor_us: u64,
    /// Share of half a difference that one correction moves; at most min(0.5, 1/tori) takes effect.
    #[schemars(range(min = 0.01, max = 0.5))]
    pub gain: f64,
    /// Share of the tolerance below which a difference is left alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dead_band: f64,
    /// Most events one correction hands over.
    #[schemars(range(min = 1, max = 65_536))]
    pub cap: u32,
    /// A torus with fewer pending events hands nothing over.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_source: u32,
    /// Period of liveness, milliseconds.
    #[schemars(range(min = 10, max = 60_000))]
    pub liveness_ms: u64,
    /// Silent liveness periods after which a peer is suspected.
    #[schemars(range(min = 2, max = 100))]
    pub suspect_after: u32,
    /// Rounds of the sliding window over which violations are counted.
    #[schemars(range(min = 4, max = 64))]
    pub window_rounds: u32,
    /// Violation rate above which the interval shrinks by `shrink`, percent.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub upper_percent: f64,
    /// Violation rate below which the interval grows by `grow`, percent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub lower_percent: f64,
    /// Factor by which the interval shrinks.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub shrink: f64,
    /// Factor by which the interval grows.
    #[schemars(range(min = 1.01, max = 10.0))]
    pub grow: f64,
    /// Share of half a difference of event rates by which the faster torus shortens its batches, a round; 0: rates are watched
    /// and never corrected. Given back in steps once the difference is within `tolerance.rate_percent`.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub rate_gain: f64,
    /// Differences that are no violation.
    pub tolerance: RawTolerance,
}

impl Default for RawBraid {
    fn default() -> Self {
        Self {
            mode: Mode::Rotate,
            tori: 3,
            interval_ticks: 1000,
            adaptive: true,
            floor_us: 500,
            gain: 0.33,
            dead_band: 0.25,
            cap: 256,
            min_source: 5,
            liveness_ms: 100,
            suspect_after: 3,
            window_rounds: 32,
            upper_percent: 5.0,
            lower_percent: 2.5,
            shrink: 0.8,
            grow: 1.2,
            rate_gain: 0.0,
            tolerance: RawTolerance::default(),
        }
    }
}

/// Differences between two tori that are no violation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTolerance {
    /// Load, events.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub load: u64,
    /// Activity of facing cells, events per round.
    #[schemars(range(min = 1, max = 65_535))]
    pub face: u64,
    /// Event rate, percent of the larger.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub rate_percent: f64,
    /// Braid rounds.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u64,
}

impl Default for RawTolerance {
    fn default() -> Self {
        Self { load: 32, face: 10, rate_percent: 50.0, rounds: 8 }
    }
}

/// Recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRecord {
    /// What happens when the recorder cannot keep up.
    pub on_full: OnFull,
    /// Entries of the ring between a torus and the writer.
    #[schemars(range(min = 64, max = 1_048_576))]
    pub ring_entries: u32,
}

impl Default for RawRecord {
    fn default() -> Self {
        Self { on_full: OnFull::Stall, ring_entries: 16_384 }
    }
}

/// One torus.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTorus {
    /// Name, unique in the node. Default: A for id 0, B for id 1 and so on.
    #[schemars(length(min = 1, max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Index in the braid, unique in all its processes. Default: the position in the file.
    #[schemars(range(min = 0, max = 15))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Core to pin the thread to. Absent: a free one is chosen, shared in turn when there are too few.
    #[schemars(range(min = 0, max = 4095))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<u32>,
    /// Bounds; all memory is taken at start.
    pub capacities: RawCapacities,
    /// What it runs.
    pub workload: RawWorkload,
}

/// Bounds of a torus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCapacities {
    /// Events in the queue.
    #[schemars(range(min = 64, max = 1_048_576))]
    pub events: u32,
    /// Edges.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub edges: u32,
    /// Processes (handlers).
    #[schemars(range(min = 1, max = 262_144))]
    pub processes: u32,
    /// Processes of one cell.
    #[schemars(range(min = 1, max = 64))]
    pub processes_per_cell: u8,
    /// Share of `events` kept for what comes from other tori; less than `events`.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub admission: u32,
}

impl Default for RawCapacities {
    fn default() -> Self {
        Self { events: 8192, edges: 8192, processes: 4096, processes_per_cell: 8, admission: 1024 }
    }
}

/// Logical ticks a second, or `any`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawPace {
    /// At most so many ticks of logical time a second.
    Ticks(#[schemars(range(min = 0.001, max = 1_000_000_000.0))] f64),
    /// The word `any`: as fast as possible.
    Word(AnyPace),
}

/// The word `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnyPace {
    /// As fast as possible.
    Any,
}

/// What a torus runs. Keys that do not belong to the kind are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawWorkload {
    /// Kind of workload.
    pub kind: Kind,
    /// Whether this torus starts with the load. With `false` it has the same graph but no events of its own, so that others
    /// can hand theirs to it.
    pub load: bool,
    /// Logical ticks a second, or `"any"` for as fast as possible.
    pub pace_ticks_per_s: RawPace,
    /// Events executed between two looks at the outside.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch: u32,
    /// What happens to an event for which the queue has no room.
    pub on_overflow: OnOverflow,
    /// cycle, grid, random-graph, events-file: delay of each edge at start, ticks. Edges adapt: each use shortens theirs by one.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub delay_ticks: u32,
    /// Whether edges adapt their delay: one tick shorter or longer with each use. With `false` it stays `delay_ticks`.
    pub adaptive_delay: bool,
    /// cycle, random-graph, firehose: cells used.
    #[schemars(range(min = 1, max = 32_768))]
    pub nodes: u32,
    /// random-graph: edges drawn.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub edges: u32,
    /// cycle, grid, random-graph, firehose: events the torus starts with.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub tokens: u32,
    /// random-graph: seed of the graph.
    pub seed: u64,
    /// grid: cells in x.
    #[schemars(range(min = 1, max = 32))]
    pub width: u32,
    /// grid: cells in y.
    #[schemars(range(min = 1, max = 32))]
    pub height: u32,
    /// events-file: the CSV file, relative to this configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// events-file: whether it starts again at its end, shifted in time.
    pub repeat: bool,
    /// events-file: how far ahead of the clock events are taken from the file, ticks.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub lookahead_ticks: u64,
    /// events-file: cells by which all events are moved along x, around the lattice; choose it so that the busy cells lie on a
    /// face (x = 0 or 31), which the braid compares and the console draws.
    #[schemars(range(min = 0, max = 31))]
    pub shift_x: u32,
}

impl Default for RawWorkload {
    fn default() -> Self {
        Self {
            kind: Kind::Idle,
            load: true,
            pace_ticks_per_s: RawPace::Word(AnyPace::Any),
            batch: 256,
            on_overflow: OnOverflow::Reject,
            delay_ticks: 10,
            adaptive_delay: true,
            nodes: 1000,
            edges: 4000,
            tokens: 100,
            seed: 1,
            width: 16,
            height: 16,
            file: None,
            repeat: true,
            lookahead_ticks: 1440,
            shift_x: 0,
        }
    }
}
