//! The status page: fixed-size plain records, one latest-value slot each.
//!
//! Little-endian, `repr(C)`, no padding that is not named. A torus thread writes its [`TorusPage`] itself (no system call, no
//! allocation); the control thread writes [`NodePage`], [`HostPage`] and [`EventsPage`]. All content is untrusted to the
//! reader: lengths and enumerations are checked when a [`crate::Snapshot`] is made of it.

use crate::seed::SeedPage;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First word of [`NodePage`]: `b"TREFOIL1"` read as a little-endian number.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TREFOIL1");
/// Version of this layout; a reader of another version refuses (`decisions:NODE-15`).
pub const VERSION: u32 = 4;
/// Most tori a node can hold (`decisions:NODE-8`).
pub const MAX_TORI: usize = 16;
/// Cells of one face of the lattice (x = 0 or x = 31), index y * 32 + z.
pub const FACE: usize = 1024;
/// Events kept in the page; older ones are in the log.
pub const EVENTS: usize = 256;
/// Bytes of an event's text.
pub const EVENT_TEXT: usize = 216;
/// Kinds of violation and correction; see [`crate::snapshot::QuantityKind`].
pub const KINDS: usize = 8;
/// Buckets of a power-of-two histogram: bucket b counts values v with floor(log2(max(v,1))) = b; the last takes the rest.
pub const BUCKETS: usize = 32;
/// Most out-edges shown of a stepped event.
pub const FIRED: usize = 8;

/// Name of the page file inside the runtime directory.
pub const FILE_NAME: &str = "status";
/// Name of the control socket inside the runtime directory.
pub const SOCKET_NAME: &str = "control.sock";

/// Slot index of the node record in the page.
pub const SLOT_NODE: usize = 0;
/// Slot index of the host record in the page.
pub const SLOT_HOST: usize = 1;
/// Slot index of the event log in the page.
pub const SLOT_EVENTS: usize = 2;
/// Slot index of the cluster's record ([`crate::cluster::ClusterPage`]).
pub const SLOT_CLUSTER: usize = 3;
/// Slot index of the AVM's record ([`crate::avm::AvmPage`]).
pub const SLOT_AVM: usize = 4;
/// Slot index of the first torus; torus i of the node is at `SLOT_TORUS + i`.
pub const SLOT_TORUS: usize = 5;

/// A short text in a fixed field: length, then UTF-8 bytes. Of alignment 1, so that it fits anywhere without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Text<const N: usize> {
    /// Bytes used, a little-endian u64; more than `N` means damage and reads as empty.
    pub len: [u8; 8],
    /// UTF-8, zero beyond `len`.
    pub bytes: [u8; N],
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { len: [0; 8], bytes: [0; N] }
    }
}

impl<const N: usize> Text<N> {
    /// Stores as much of `text` as fits, cut at a character boundary.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut cut = text.len().min(N);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let mut bytes = [0; N];
        bytes[..cut].copy_from_slice(&text.as_bytes()[..cut]);
        Self { len: (cut as u64).to_le_bytes(), bytes }
    }

    /// The text; empty when the field is damaged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let used = usize::try_from(u64::from_le_bytes(self.len)).ok();
        used.and_then(|used| self.bytes.get(..used)).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

/// Who the node is. Written by the control thread at start and whenever something in it changes; heartbeat at least each 100 ms.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NodePage {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Process id of the agent.
    pub pid: u32,
    /// Random number drawn at start of the process.
    pub boot_id: u64,
    /// CLOCK_MONOTONIC at the last write of this record, ns.
    pub heartbeat_ns: u64,
    /// Unix time at start, ns.
    pub started_unix_ns: u64,
    /// Unix time at the last write, ns.
    pub now_unix_ns: u64,
    /// 0 starting, 1 running, 2 stopping, 3 stopped, 4 failed.
    pub phase: u32,
    /// 0 rotate, 1 ring.
    pub mode: u32,
    /// Tori of this node (slots used from `SLOT_TORUS`).
    pub tori: u32,
    /// 1 when loops spin, 0 when they wait adaptively.
    pub spin: u32,
    /// Mapped bytes of the region.
    pub region_bytes: u64,
    /// 0 = 4 KiB pages, 1 = transparent huge pages, 2 = 2 MiB pages.
    pub region_pages: u32,
    /// 0 created, 1 joined a live region, 2 renewed a dead one, 3 private to the process.
    pub region_join: u32,
    /// Epoch of the region.
    pub region_epoch: u64,
    /// Node name.
    pub name: Text<56>,
    /// Path of the region file, empty when anonymous.
    pub region_path: Text<120>,
    /// Why the backing is not what was asked for, with the command that mends it; empty when it is.
    pub backing_reason: Text<248>,
    /// Path of the configuration file.
    pub config_path: Text<184>,
    /// Name and version of the binary.
    pub build: Text<56>,
    /// The worst thing now, one line; empty when all is right.
    pub worst: Text<184>,
}

/// One torus as its own thread sees it. Written about ten times a second.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TorusPage {
    /// Index in the braid, 0..15; differs from the slot when other processes hold the other tori.
    pub id: u32,
    /// 0 starting, 1 run, 2 paused, 3 waiting, 4 stopped, 5 failed.
    pub state: u32,
    /// Core the thread is pinned to, -1 when not pinned.
    pub core: i32,
    /// Kernel thread id.
    pub tid: u32,
    /// Bit 0: core shared with another pinned thread. Bit 1: uncoupled (the reactor maps nothing to cells). Bit 2: interval
    /// fixed by hand. Bit 3: recording. Bit 4: recording broken. Bit 5: alone (no live peer).
    pub flags: u32,
    /// What the torus runs; see [`crate::snapshot::TorusSnapshot::workload`].
    pub reserved: u32,
    /// Boot id of the torus in its region.
    pub boot_id: u64,
    /// CLOCK_MONOTONIC of the last write, ns.
    pub heartbeat_ns: u64,
    /// Logical time, ticks (private to the torus, `decisions:NODE-1`).
    pub clock_ticks: u64,
    /// Events executed since boot.
    pub executed: u64,
    /// Events made by reactions.
    pub generated: u64,
    /// Events injected from outside.
    pub injected: u64,
    /// Corrective events (0 unless switched on).
    pub injected_corrective: u64,
    /// Events refused because something was full.
    pub rejected: u64,
    /// Events given to other tori.
    pub handed_out: u64,
    /// Events taken from other tori.
    pub handed_in: u64,
    /// Events known to be lost with a dead boot.
    pub lost: u64,
    /// Events in the queue.
    pub pending: u64,
    /// Most events the queue can hold.
    pub capacity: u64,
    /// Most events it ever held.
    pub high_water: u64,
    /// Bytes of private memory in use, and mapped.
    pub memory_used_bytes: u64,
    /// Mapped bytes of private memory.
    pub memory_mapped_bytes: u64,
    /// Pages behind the private memory: 0 = 4 KiB, 1 = transparent huge, 2 = 2 MiB.
    pub memory_pages: u32,
    /// Events a batch.
    pub batch: u32,
    /// Load: work that could run now, events.
    pub load_runnable: u64,
    /// Load: suspended work, events.
    pub load_suspended: u64,
    /// CPU time of the thread, ns.
    pub cpu_ns: u64,
    /// Processes (handlers) in the torus.
    pub processes: u32,
    /// Edges in the torus.
    pub edges: u32,
    /// State digest.
    pub digest: u64,
    /// Recorded inputs and recorder ring stalls.
    pub recorded_inputs: u64,
    /// Times the recorder ring was full.
    pub recorder_stalls: u64,

    /// Lamport round of the braid.
    pub round: u64,
    /// Ticks between exchanges, now.
    pub interval_ticks: u32,
    /// Ticks between exchanges, before the last change.
    pub interval_before_ticks: u32,
    /// Wall floor between exchanges, ns.
    pub floor_ns: u64,
    /// Violations per evaluated constraint over the sliding window, parts per million, at the last change of the interval.
    pub violation_rate_ppm: u32,
    /// Why the interval changed last: 0 never, 1 rate above the upper threshold, 2 rate below the lower, 3 by hand.
    pub interval_reason: u32,
    /// Unix time of that change, ns.
    pub interval_changed_unix_ns: u64,
    /// Exchanges done.
    pub exchanges: u64,
    /// Duration of an exchange, ns: median and 99th percentile.
    pub exchange_p50_ns: u64,
    /// 99th percentile of the duration of an exchange, ns.
    pub exchange_p99_ns: u64,
    /// Time spent in exchanges per time running, parts per million.
    pub exchange_overhead_ppm: u64,
    /// Projections of peers applied.
    pub applied: u64,
    /// Sequences of peers that were never seen (newer ones were).
    pub missed: u64,
    /// Projections refused by integrity or by parsing.
    pub refused: u64,
    /// Read tries beyond the first.
    pub retries: u64,
    /// Constraints evaluated.
    pub evaluated: u64,
    /// Violations by kind.
    pub violations: [u64; KINDS],
    /// Corrections by kind.
    pub corrections: [u64; KINDS],
    /// Largest difference of face activity to the last applied peer, events per round, and its tolerance.
    pub face_spread: u64,
    /// Tolerance of the face constraint, events per round.
    pub face_tolerance: u64,
    /// Conservation breaks seen since boot.
    pub conservation_breaks: u64,
    /// Unix time of the last conservation break, ns; 0 = none.
    pub conservation_break_unix_ns: u64,

    /// Name.
    pub name: Text<24>,
    /// Workload, one line.
    pub workload: Text<88>,
    /// Why the state is what it is (failed, waiting, degraded), empty when it runs well.
    pub reason: Text<184>,

    /// What this torus knows of each other torus of the braid; index = torus id.
    pub peers: [PeerPage; MAX_TORI],
    /// The seed region it stands in, if any.
    pub seed: SeedPage,
    /// The last stepped event.
    pub stepped: SteppedPage,
    /// Nanoseconds per event of recent batches, power-of-two buckets.
    pub service_ns: [u64; BUCKETS],
    /// Delays of the edges, ticks, power-of-two buckets.
    pub edge_delay_ticks: [u32; BUCKETS],
    /// Load counters of both faces, cumulative and wrapping; subtract two samples. Face x = 0, then x = 31.
    pub faces: [[u16; FACE]; 2],
    /// The facing counters of the last applied peer, for comparison, same order.
    pub peer_faces: [[u16; FACE]; 2],
    /// Torus id the peer faces came from; 255 = none.
    pub peer_faces_of: u32,
    /// Always zero.
    pub reserved_tail: u32,
}

/// One other torus of the braid, as seen by the torus whose page this is in.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PeerPage {
    /// 0 absent, 1 alive, 2 suspect, 3 failed, 4 returning.
    pub state: u32,
    /// Missed liveness rounds in a row.
    pub missed_rounds: u32,
    /// Boot id last seen.
    pub boot_id: u64,
    /// Projection sequence last applied.
    pub applied_seq: u64,
    /// The reader's own time since the peer's counter last moved, ns.
    pub age_ns: u64,
    /// Messages sent to it (this boot of both).
    pub sent: u64,
    /// Messages received from it.
    pub received: u64,
    /// Process id that holds it, 0 when unknown.
    pub pid: u32,
    /// 0 same process, 1 other process on this host, 2 other host.
    pub via: u32,
}

/// What a single step executed.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SteppedPage {
    /// 0 when nothing was stepped yet; grows by one each step.
    pub count: u64,
    /// Logical time of the event, ticks.
    pub time_ticks: u64,
    /// Destination cell.
    pub dst: u32,
    /// Source cell.
    pub src: u32,
    /// Payload as the reactor shows it.
    pub payload: i64,
    /// How many events it made.
    pub fired_total: u32,
    /// Entries used below.
    pub fired_len: u32,
    /// Destination cell of each event made.
    pub fired_dst: [u32; FIRED],
    /// Delay of each event made, ticks.
    pub fired_delay_ticks: [u64; FIRED],
}

/// A sensor reading that may be absent: `present` 0 or 1, and the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Reading {
    /// 1 when the sensor exists and was read.
    pub present: u64,
    /// The value in the unit of the field.
    pub value: f64,
}

/// The host's sensors. Absent sensors are absent, not zero. Written about once a second by the control thread.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HostPage {
    /// Busy share of all CPUs, percent.
    pub cpu_percent: Reading,
    /// Pressure stall, "some" over 10 s, percent: CPU.
    pub psi_cpu_percent: Reading,
    /// Pressure stall, "some" over 10 s, percent: memory.
    pub psi_memory_percent: Reading,
    /// Pressure stall, "some" over 10 s, percent: I/O.
    pub psi_io_percent: Reading,
    /// Hottest thermal zone, degrees Celsius.
    pub temperature_c: Reading,
    /// Power drawn (RAPL, else battery), watts.
    pub power_w: Reading,
    /// Battery charge, percent.
    pub battery_percent: Reading,
    /// Memory, bytes.
    pub memory_total_bytes: Reading,
    /// Memory available, bytes.
    pub memory_available_bytes: Reading,
    /// 2 MiB pages in the pool.
    pub hugepages_total: Reading,
    /// 2 MiB pages free.
    pub hugepages_free: Reading,
    /// CPU quota of the agent's cgroup, cores.
    pub quota_cores: Reading,
    /// One minute load average.
    pub load_1m: Reading,
    /// CPU time of the control thread, ns.
    pub control_cpu_ns: u64,
    /// CPU time of the whole process, ns.
    pub process_cpu_ns: u64,
    /// Resident memory of the process, bytes.
    pub resident_bytes: u64,
    /// Bytes locked in memory.
    pub locked_bytes: u64,
    /// Cores of the host, and cores this process may use.
    pub cores: u32,
    /// Cores this process may use.
    pub cores_allowed: u32,
    /// Bitmap of allowed cores (first 128).
    pub allowed_mask: [u64; 2],
    /// Kernel release.
    pub kernel: Text<56>,
    /// CPU model.
    pub cpu_model: Text<56>,
    /// Where the temperature comes from.
    pub temperature_source: Text<56>,
    /// Where the power comes from.
    pub power_source: Text<56>,
}

/// One line of the event log.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EventRecord {
    /// Number of the event, from 1.
    pub number: u64,
    /// Unix time, ns.
    pub at_unix_ns: u64,
    /// 0 information, 1 notice, 2 warning, 3 error.
    pub severity: u32,
    /// Torus id it is about, 255 = the node.
    pub torus: u32,
    /// What happened and why.
    pub text: Text<EVENT_TEXT>,
}

/// The newest events, a ring indexed by `number % EVENTS`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EventsPage {
    /// Number of the newest event, 0 = none.
    pub newest: u64,
    /// Events that rate limiting kept out.
    pub suppressed: u64,
    /// The ring.
    pub ring: [EventRecord; EVENTS],
}

macro_rules! zeroed {
    ($($name:ty),*) => {$(
        impl Default for $name {
            /// All fields zero or empty.
            fn default() -> Self {
                <Self as zerocopy::FromZeros>::new_zeroed()
            }
        }
    )*};
}
zeroed!(NodePage, TorusPage, EventRecord, EventsPage);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        let text = Text::<4>::new("aé€");
        assert_eq!(text.as_str(), "aé");
        let damaged = Text::<4> { len: [9, 0, 0, 0, 0, 0, 0, 0], ..text };
        assert_eq!(damaged.as_str(), "");
    }
}
