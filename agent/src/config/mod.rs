//! Configuration: a TOML file becomes a [`RawConfig`] (as written) and that a [`Config`] (checked, cannot be built wrong).
//!
//! Every problem of a file is reported in one go, each with file, line, key, value, what is allowed and the remedy.

pub mod avm;
mod check;
mod check_avm;
mod check_cluster;
pub mod cluster;
mod keys;
mod problem;
mod raw;
mod raw_avm;
mod raw_cluster;
mod schema;
mod show;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use avm::Avm;
pub use cluster::Cluster;
pub use problem::{Problem, Problems};
pub use raw::{Mode, OnFull, OnOverflow, Others, Pages, Policy, RawConfig, Waiting};
pub use schema::json_schema;
pub use show::effective;

/// A checked configuration. Only [`parse`] and [`load`] make one; its fields have been checked against each other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The process.
    pub node: Node,
    /// What to do when the host cannot give what is asked for (`decisions:NODE-20`).
    pub resources: Resources,
    /// The shared-memory region.
    pub region: Region,
    /// The rules by which tori balance each other.
    pub braid: Braid,
    /// Recording.
    pub record: Record,
    /// The cluster, `None` = the node stands alone.
    pub cluster: Option<Cluster>,
    /// Programs on tori, `None` = no torus runs any.
    pub avm: Option<Avm>,
    /// The tori of this process, in file order: 1 to 16, ids and names unique.
    pub tori: Vec<Torus>,
    /// The file it came from.
    pub path: Option<PathBuf>,
    /// The text it came from, for the header of a recording.
    pub text: String,
}

/// The process.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// Name, 1 to 48 bytes.
    pub name: String,
    /// Folder of the control socket and the status page.
    pub runtime_dir: PathBuf,
    /// Folder of what outlives the process.
    pub state_dir: PathBuf,
    /// Group whose members may change a running node.
    pub group: Option<Group>,
    /// What users outside the group may do.
    pub others: Others,
    /// How torus threads wait.
    pub waiting: Waiting,
    /// Log filter, accepted by `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// Most log lines a second.
    pub log_lines_per_s: NonZeroU32,
}

/// A group that exists on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
}

/// What to do when the host cannot give a resource (`decisions:NODE-20`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// Pinning and a core of its own.
    pub cores: Policy,
    /// 2 MiB pages.
    pub hugepages: Policy,
    /// Locked memory.
    pub mlock: Policy,
    /// Memory near the core.
    pub numa: Policy,
}

/// The shared-memory region.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Region {
    /// File, `None` = private to the process.
    pub path: Option<PathBuf>,
    /// File of the seed region the torus stands in as well, `None` = none. When set: one torus, a relay, of a braid of three.
    pub seed_v1: Option<PathBuf>,
    /// Pages asked for; `Base` when `resources.hugepages` is off.
    pub pages: Pages,
    /// Messages a ring between two tori holds, a power of two, at least [`Braid::cap`].
    pub ring_records: u32,
    /// Events an injection ring holds, a power of two.
    pub inject_records: u32,
}

/// The rules by which tori balance each other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Braid {
    /// Which projections a reader applies.
    pub mode: Mode,
    /// Tori of the whole braid, 1 to 16.
    pub tori: u8,
    /// Ticks between exchanges at start, 100 to 10000 (`rse:B4`).
    pub interval_ticks: u32,
    /// Whether the interval adapts.
    pub adaptive: bool,
    /// Shortest wall time between exchanges (`decisions:NODE-9`).
    pub floor: Duration,
    /// Gain, 0.01 to 0.5 (`rse:B2`).
    pub gain: f64,
    /// Share of the tolerance below which a difference is left alone, 0 to 1.
    pub dead_band: f64,
    /// Most events one correction hands over.
    pub cap: u32,
    /// Fewest pending events at the source of a hand-over (`rse:B8`).
    pub min_source: u32,
    /// Period of liveness (`rse:B5`).
    pub liveness: Duration,
    /// Silent periods after which a peer is suspected.
    pub suspect_after: u32,
    /// Rounds of the sliding window.
    pub window_rounds: u32,
    /// Violation rate above which the interval shrinks, percent.
    pub upper_percent: f64,
    /// Violation rate below which it grows, percent; less than `upper_percent`.
    pub lower_percent: f64,
    /// Factor by which it shrinks.
    pub shrink: f64,
    /// Factor by which it grows.
    pub grow: f64,
    /// Gain of the correction of event rates, 0 to 0.5; 0 = none (`decisions:NODE-3`: it shapes rate, it makes no work).
    pub rate_gain: f64,
    /// Differences that are no violation.
    pub tolerance: Tolerance,
}

/// Differences that are no violation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Tolerance {
    /// Load, events.
    pub load: u64,
    /// Activity of facing cells, events per round.
    pub face: u64,
    /// Event rate, percent of the larger.
    pub rate_percent: f64,
    /// Braid rounds.
    pub rounds: u64,
}

/// Recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// What happens when the recorder cannot keep up.
    pub on_full: OnFull,
    /// Entries of the ring between a torus and the writer.
    pub ring_entries: u32,
}

/// One torus.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Torus {
    /// Name, unique in the node.
    pub name: String,
    /// Index in the braid, less than [`Braid::tori`], unique in the node.
    pub id: u8,
    /// Core to pin to.
    pub core: Option<u32>,
    /// Bounds.
    pub capacities: Capacities,
    /// What it runs.
    pub workload: Workload,
}

/// Bounds of a torus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacities {
    /// Events in the queue.
    pub events: u32,
    /// Edges.
    pub edges: u32,
    /// Processes.
    pub processes: u32,
    /// Processes of one cell.
    pub processes_per_cell: u8,
    /// Share of `events` kept for admissions, less than `events` (`decisions:NODE-5`).
    pub admission: u32,
}

/// What a torus runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Workload {
    /// Kind and its parameters.
    pub kind: WorkloadKind,
    /// Whether this torus starts with the load; `false` = same graph, no events of its own.
    pub load: bool,
    /// Logical ticks a second; `None` = as fast as possible.
    pub pace_ticks_per_s: Option<f64>,
    /// Events executed between two looks at the outside.
    pub batch: NonZeroU32,
    /// What happens to an event for which the queue has no room.
    pub on_overflow: OnOverflow,
    /// Delay of each edge at start, ticks, at least 1.
    pub delay_ticks: NonZeroU32,
    /// Whether edges adapt their delay.
    pub adaptive_delay: bool,
}

/// Kind of workload and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Nothing.
    Idle,
    /// Tokens go round a cycle of `nodes` cells.
    Cycle {
        /// Cells.
        nodes: u32,
        /// Events at start.
        tokens: u32,
    },
    /// Tokens spread over a grid, right and down.
    Grid {
        /// Cells in x, 1 to 32.
        width: u32,
        /// Cells in y, 1 to 32.
        height: u32,
        /// Events at start.
        tokens: u32,
    },
    /// Tokens wander over a random graph.
    RandomGraph {
        /// Cells.
        nodes: u32,
        /// Edges drawn, at most [`Capacities::edges`].
        edges: u32,
        /// Events at start.
        tokens: u32,
        /// Seed of the graph.
        seed: u64,
    },
    /// The compute reactor on `nodes` cells.
    Firehose {
        /// Cells.
        nodes: u32,
        /// Events at start.
        tokens: u32,
    },
    /// Programs ([`Config::avm`]).
    Avm,
    /// Events of a CSV file over the graph of their own routes.
    EventsFile {
        /// The file, existing and readable when the configuration was checked; absolute or relative to the working folder.
        file: PathBuf,
        /// Whether it starts again at its end, shifted in time.
        repeat: bool,
        /// How far ahead of the clock events are taken from the file, ticks.
        lookahead_ticks: u64,
        /// Cells by which all events are moved along x, around the lattice, 0..=31.
        shift_x: u32,
    },
}

/// Parses and checks a configuration text; relative paths are taken from the working folder. Never panics.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it, in file order.
pub fn parse(text: &str) -> Result<Config, Problems> {
    check::parse(text, None)
}

/// Parses and checks a configuration text as if it stood in `path`: relative paths are taken from its folder.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it, in file order.
pub fn parse_as(text: &str, path: &Path) -> Result<Config, Problems> {
    check::parse(text, Some(path))
}

/// Reads, parses and checks a configuration file; relative paths are taken from its folder.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it, in file order, or why it cannot be read.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let text = read(path)?;
    check::parse(&text, Some(path))
}

/// Reads a configuration file, bounded to 1 MiB.
///
/// # Errors
/// [`Problems`] with the one reason why it cannot be read.
pub fn read(path: &Path) -> Result<String, Problems> {
    let refused = |value: String, remedy: &str| Problems::one(Problem::about_file(path, value, remedy));
    let length = std::fs::metadata(path).map(|meta| meta.len());
    match length {
        Ok(length) if length > 1 << 20 => {
            return Err(refused(
                format!("{length} bytes"),
                "a configuration is at most 1048576 bytes; name another file",
            ));
        }
        Ok(_) => {}
        Err(error) => return Err(refused(error.to_string(), "name an existing file, for example configs/demo.toml")),
    }
    std::fs::read_to_string(path)
        .map_err(|error| refused(error.to_string(), "name a readable UTF-8 text file, for example configs/demo.toml"))
}

/// Where the control socket and the status page are when nothing says otherwise: `$RUNTIME_DIRECTORY` (systemd), else
/// `$XDG_RUNTIME_DIR/trefoil`, else `/tmp/trefoil-UID`.
#[must_use]
pub fn default_runtime_dir() -> PathBuf {
    if let Some(dir) = first_of("RUNTIME_DIRECTORY") {
        return dir;
    }
    match first_of("XDG_RUNTIME_DIR") {
        Some(dir) => dir.join("trefoil"),
        None => PathBuf::from(format!("/tmp/trefoil-{}", nix::unistd::getuid())),
    }
}

fn default_state_dir(runtime_dir: &Path) -> PathBuf {
    first_of("STATE_DIRECTORY").unwrap_or_else(|| runtime_dir.join("state"))
}

/// systemd lists several folders separated by colons; the first is ours.
fn first_of(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable)?;
    let first = value.to_str().and_then(|value| value.split(':').next()).unwrap_or_default();
    let path = PathBuf::from(first);
    path.is_absolute().then_some(path)
}
