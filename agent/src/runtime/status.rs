//! The page of one torus, filled by its own thread about ten times a second: copies of counters into memory taken at start.

use control::page::{FACE, FIRED, PeerPage, Text, TorusPage};
use control::seed::SeedPage;
use shm_transport::backing::{Backing, Pages};
use torus::{Reactor, Stepped, Torus, relay};
use zerocopy::FromZeros;

use crate::config;

use super::braiding::Braiding;
use super::clock::Clock;
use super::events::Happening;
use super::exchange::ExchangeStats;
use super::inputs::Inputs;
use super::notices::Notices;
use super::pages::TorusWriter;
use super::pinning::Place;
use super::shared::{State, TorusShared};

/// Time between two pages, ns.
const EVERY_NS: u64 = 100_000_000;
/// Time between two histograms of edge delays: it walks all edges, ns.
const HISTOGRAM_NS: u64 = 1_000_000_000;

const SHARED: u32 = 1;
const UNCOUPLED: u32 = 1 << 1;
const FIXED: u32 = 1 << 2;
const RECORDING: u32 = 1 << 3;
const BROKEN: u32 = 1 << 4;
const ALONE: u32 = 1 << 5;

/// What does not change while the torus runs.
#[derive(Debug)]
pub struct About<'a> {
    /// Its configuration.
    pub config: &'a config::Torus,
    /// Its boot id.
    pub boot: u64,
    /// Where it runs.
    pub place: Place,
    /// Its memory.
    pub backing: &'a Backing,
    /// Bytes of it in use.
    pub used_bytes: usize,
    /// What it runs, one line.
    pub workload: String,
    /// Time between exchanges at least, ns.
    pub floor_ns: u64,
    /// Tolerance of the face constraint, events per round.
    pub face_tolerance: u64,
}

/// The page and its writer.
#[derive(Debug)]
pub struct Status<'a> {
    page: Box<TorusPage>,
    writer: TorusWriter<'a>,
    due_ns: u64,
    histogram_ns: u64,
    rejected: u64,
    broken_said: bool,
    clock: Clock,
}

impl<'a> Status<'a> {
    /// Fills in what does not change.
    ///
    /// # Panics
    /// When 16 KiB cannot be had.
    #[must_use]
    pub fn new(about: &About<'_>, writer: TorusWriter<'a>, tid: u32, clock: Clock) -> Self {
        let mut page = TorusPage::new_box_zeroed().expect("the page is 16 KiB; without that the torus could not start");
        page.id = u32::from(about.config.id);
        page.core = about.place.core.map_or(-1, |core| core as i32);
        page.tid = tid;
        page.boot_id = about.boot;
        page.flags = if about.place.shared { SHARED } else { 0 };
        page.capacity = u64::from(about.config.capacities.events);
        page.memory_used_bytes = about.used_bytes as u64;
        page.memory_mapped_bytes = about.backing.mapped_bytes as u64;
        page.memory_pages = pages_code(about.backing.pages);
        page.floor_ns = about.floor_ns;
        page.face_tolerance = about.face_tolerance;
        page.name = Text::new(&about.config.name);
        page.workload = Text::new(&about.workload);
        let mut writer = writer;
        writer.write(clock.now_ns(), &page);
        Self { page, writer, due_ns: 0, histogram_ns: 0, rejected: 0, broken_said: false, clock }
    }

    /// Whether a page should be written now.
    #[must_use]
    pub fn due(&self, now_ns: u64) -> bool {
        now_ns >= self.due_ns
    }

    /// Notes a stepped event.
    pub fn stepped(&mut self, stepped: &Stepped) {
        let page = &mut self.page.stepped;
        page.count += 1;
        page.time_ticks = stepped.event.time;
        page.dst = stepped.event.dst;
        page.src = stepped.event.src;
        page.payload = i64::from(relay::decode(stepped.event.payload));
        page.fired_total = stepped.fired_total;
        let fired = stepped.fired();
        page.fired_len = fired.len().min(FIRED) as u32;
        for (at, (dst, delay)) in fired.iter().take(FIRED).enumerate() {
            page.fired_dst[at] = dst.get();
            page.fired_delay_ticks[at] = *delay;
        }
        self.due_ns = 0;
    }

    /// Notes how it stands in the seed region.
    pub fn seed(&mut self, seed: SeedPage) {
        self.page.seed = seed;
    }

    /// Says how many events were refused since the last time.
    pub fn report(&mut self, now_ns: u64, inputs: &Inputs, notices: &mut Notices<'_>) {
        let more = self.page.rejected.saturating_sub(self.rejected);
        self.rejected = self.page.rejected;
        if more > 0 {
            notices.say(now_ns, Happening::Rejected { more, total: self.rejected });
        }
        // A write that failed is said once for the node by who wrote.
        let gap = inputs.recorder().is_some_and(super::record::Recorder::gap);
        if gap && !std::mem::replace(&mut self.broken_said, true) {
            notices.say(now_ns, Happening::RecordingBroken);
        }
    }

    /// Writes the page as the torus stands now.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, borrowed apart")]
    pub fn write<R: Reactor>(
        &mut self,
        state: State,
        reason: &str,
        now_ns: u64,
        shared: &TorusShared,
        torus: &Torus<'_, R>,
        braiding: &Braiding<'_>,
        stats: &ExchangeStats,
        inputs: &Inputs,
    ) {
        self.due_ns = now_ns + EVERY_NS;
        let page = &mut *self.page;
        page.state = state as u32;
        page.heartbeat_ns = now_ns;
        page.cpu_ns = shared.cpu_ns.load(std::sync::atomic::Ordering::Relaxed);
        page.reason = Text::new(reason);
        fill_torus(page, torus);
        if now_ns.saturating_sub(self.histogram_ns) >= HISTOGRAM_NS {
            self.histogram_ns = now_ns;
            torus.reactor().delay_histogram(&mut page.edge_delay_ticks);
        }
        fill_braid(page, braiding, now_ns);
        let figures = stats.figures(now_ns);
        page.exchanges = figures.exchanges;
        page.exchange_p50_ns = figures.p50_ns;
        page.exchange_p99_ns = figures.p99_ns;
        page.exchange_overhead_ppm = figures.overhead_ppm;
        page.service_ns = *stats.service_ns();
        if let Some(recorder) = inputs.recorder() {
            page.recorded_inputs = recorder.recorded();
            page.recorder_stalls = recorder.stalls();
        }
        let recording = inputs.recorder().is_some();
        let broken = inputs.recorder().is_some_and(super::record::Recorder::broken);
        set(page, RECORDING, recording);
        set(page, BROKEN, broken);
        set(page, UNCOUPLED, !torus.reactor().coupled());
        set(page, FIXED, braiding.braid().interval_fixed());
        set(page, ALONE, braiding.braid().alone());
        let written_ns = self.clock.now_ns();
        page.heartbeat_ns = page.heartbeat_ns.max(written_ns);
        self.writer.write(now_ns, page);
    }
}

fn set(page: &mut TorusPage, flag: u32, on: bool) {
    page.flags = if on { page.flags | flag } else { page.flags & !flag };
}

/// The code of a kind of pages in the status page.
#[must_use]
pub fn pages_code(pages: Pages) -> u32 {
    match pages {
        Pages::Huge => 2,
        Pages::Transparent => 1,
        Pages::Base => 0,
    }
}

fn fill_torus<R: Reactor>(page: &mut TorusPage, torus: &Torus<'_, R>) {
    let (counters, load) = (torus.counters(), torus.load());
    page.clock_ticks = counters.clock;
    page.executed = counters.executed;
    page.generated = counters.generated;
    page.injected = counters.injected;
    page.injected_corrective = counters.injected_corrective;
    page.rejected = counters.rejected;
    page.handed_out = counters.handed_out;
    page.handed_in = counters.handed_in;
    page.lost = counters.lost;
    page.pending = counters.pending;
    page.high_water = counters.high_water;
    page.batch = torus.settings().batch_events;
    page.load_runnable = load.runnable;
    page.load_suspended = load.suspended;
    page.processes = torus.reactor().processes();
    page.edges = torus.reactor().edges();
    page.digest = torus.digest();
    let (first, last) = torus.faces().split_at(FACE);
    page.faces[0].copy_from_slice(first);
    page.faces[1].copy_from_slice(last);
}

fn fill_braid(page: &mut TorusPage, braiding: &Braiding<'_>, now_ns: u64) {
    let (braid, shown) = (braiding.braid(), braiding.shown());
    let totals = braid.totals();
    page.round = braid.round();
    page.interval_ticks = braid.interval_ticks();
    page.interval_before_ticks = shown.interval_before;
    page.violation_rate_ppm = if shown.interval_reason == 0 { braid.violation_rate_ppm() } else { shown.rate_ppm };
    page.interval_reason = shown.interval_reason;
    page.interval_changed_unix_ns = shown.interval_changed_unix_ns;
    page.applied = totals.applied;
    page.missed = totals.missed;
    page.refused = shown.refused;
    page.retries = shown.retries;
    page.evaluated = totals.evaluated;
    page.violations[..totals.violations.len()].copy_from_slice(&totals.violations);
    page.corrections[..totals.corrections.len()].copy_from_slice(&totals.corrections);
    page.face_spread = shown.face_spread;
    page.conservation_breaks = shown.breaks;
    page.conservation_break_unix_ns = shown.break_unix_ns;
    let (first, last) = shown.peer_faces.split_at(FACE);
    page.peer_faces[0].copy_from_slice(first);
    page.peer_faces[1].copy_from_slice(last);
    page.peer_faces_of = shown.peer_faces_of;
    for (id, (peer, link)) in braid.peers().iter().zip(braiding.links()).enumerate() {
        page.peers[id] = PeerPage {
            // Gone in order is not failed.
            state: if braiding.left(id) { 0 } else { peer.state() as u32 },
            missed_rounds: peer.missed_periods(),
            boot_id: peer.boot(),
            applied_seq: peer.applied_seq(),
            age_ns: peer.age_ns(now_ns),
            sent: link.sent,
            received: link.received,
            pid: braiding.pid(id),
            via: u32::from(braiding.pid(id) != 0 && braiding.pid(id) != braiding.own_pid()),
        };
    }
}
