//! Assembly of a node: region, arenas, workloads, threads; and its bounded stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use shm_transport::board::BoardError;
use shm_transport::liveness::boot_id;
use shm_transport::region::{Geometry, Join, Options as RegionOptions, Region, RegionError};
use torus::Counters;
use torus::record::{Record, Start};

use crate::config::{self, Config, Policy};

use super::build;
use super::clock::Clock;
use super::cores::{self, HostCores};
use super::events::{EventLog, Notice, Severity};
use super::handle::{Commands, Inner, Lead, NodeHandle};
use super::keeper::{Inbox, Keeper, Phase};
use super::notices;
use super::pages::Pages;
use super::pinning::{self, CoreRequest, Plan};
use super::record::{self, Origin, Recorder};
use super::report;
use super::ring::{self, Gather};
use super::shared::{Gate, NodeShared};
use super::thread::{self, Ready, Setup, Standing};

/// Longest wait for the torus threads to stand ready: mapping and zeroing memory, building graphs.
const READY: Duration = Duration::from_secs(30);
/// Commands that may wait for a torus.
const COMMANDS: usize = 64;

/// What is decided on the command line, not in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// File to record everything into that enters a torus.
    pub record: Option<PathBuf>,
}

/// Why a node did not start. Nothing is left running; the status page says `failed`, if it was there already.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something the configuration insists on (`strict`) cannot be had.
    #[error("resources.{key} is strict: {what}")]
    Strict {
        /// Key of the configuration.
        key: &'static str,
        /// What is missing, and the remedy.
        what: String,
    },
    /// An event file cannot be used.
    #[error(transparent)]
    File(#[from] build::FileError),
    /// The region cannot be had.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The status page cannot be made.
    #[error(transparent)]
    Page(#[from] BoardError),
    /// A torus cannot run.
    #[error("torus {torus}: {why}")]
    Torus {
        /// Its name.
        torus: String,
        /// Why.
        why: String,
    },
    /// The recording cannot be written.
    #[error("recording {path}: {source}; name a file that can be written")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system has no thread or no random number for us.
    #[error("{what}: {source}; the host is short of resources")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How one torus ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorusFinal {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub id: u8,
    /// Counters at the end.
    pub counters: Counters,
    /// State digest at the end.
    pub digest: u64,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// How the node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// Its tori, in configuration order.
    pub tori: Vec<TorusFinal>,
    /// How long the tori took to stop.
    pub took: Duration,
    /// Why the recording is not whole, if one was asked for and it is not.
    pub recording: Option<String>,
}

impl Final {
    /// Whether the process must exit with an error.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.recording.is_some() || self.tori.iter().any(|torus| torus.failed.is_some())
    }
}

/// A running node. Dropping it stops it.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    threads: Vec<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<std::io::Result<()>>>,
    ended: Option<Final>,
}

impl Node {
    /// Starts everything; returns when every torus thread runs, or why it does not.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let host = HostCores::read();
        let plan = plan_cores(&config, &host)?;
        let works = build::works(&config)?;
        let (region, join) = open_region(&config)?;
        let base = Base {
            region,
            pages: make_pages(&config)?,
            shared: Arc::new(NodeShared::new(config.tori.len())),
            clock: Clock::new(),
            boots: draw(config.tori.len() + 1)?,
            plan,
            config,
        };
        // From here on an error sends the threads home: `Starter` sees to it when it is dropped.
        let mut starter = Starter::new(&base.shared);
        let standings = starter.spawn_all(&base, works, options.record.is_some())?;
        let mut degraded: Vec<String> = base.plan.troubles.iter().map(ToString::to_string).collect();
        degraded.extend(clock_trouble());
        degraded.extend(check_standings(&standings, &base.config, &base.region, &host)?);
        let inbox = Arc::new(Inbox::default());
        let records = Gather::new(std::mem::take(&mut starter.records));
        let writer = match &options.record {
            Some(path) => Some(start_recording(path, &base.config, &standings, records, &inbox)?),
            None => None,
        };
        report::tell_start(&inbox, &base, &join, &standings, &degraded);
        inbox.phase.store(Phase::Running as u32, Ordering::Release);
        let notices = Gather::new(std::mem::take(&mut starter.notices));
        let keeper = start_keeper(&base, &inbox, &join, notices, degraded)?;
        base.shared.gate.store(Gate::Open as u32, Ordering::Release);
        let threads = std::mem::take(&mut starter.threads);
        let tori = std::mem::take(&mut starter.leads);
        let Base { shared, region, pages, clock, .. } = base;
        let inner = Inner { shared, region, pages, inbox, clock, tori };
        Ok(Self { handle: NodeHandle { inner: Arc::new(inner) }, threads, keeper: Some(keeper), writer, ended: None })
    }

    /// A way to it for other threads.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Stops the tori within 100 ms and returns their final counters; again and again the same answer (`rse:B7`). No
    /// barrier: each loop looks at the flag once a turn, and a turn is bounded.
    pub fn stop(&mut self) -> Final {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let inner = &self.handle.inner;
        inner.inbox.phase.store(Phase::Stopping as u32, Ordering::Release);
        let began = Instant::now();
        inner.shared.stop.store(true, Ordering::Release);
        for lead in &inner.tori {
            if let Some(waker) = inner.region.waker(lead.id) {
                waker.wake();
            }
        }
        for thread in self.threads.drain(..) {
            // The body catches its own panics.
            let _ = thread.join();
        }
        let took = began.elapsed();
        let recording = self.writer.take().and_then(|writer| match writer.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("writing failed: {error}")),
            Err(_) => Some("its writer panicked".to_owned()),
        });
        let tori = inner.tori.iter().zip(&inner.shared.tori);
        let tori = tori.map(|(lead, torus)| final_of(lead, torus.ended())).collect();
        let ended = Final { tori, took, recording };
        let phase = if ended.failed() { Phase::Failed } else { Phase::Stopped };
        inner.inbox.line(Severity::Notice, 255, format!("stopped; the tori took {} ms", took.as_millis()));
        inner.inbox.phase.store(phase as u32, Ordering::Release);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        self.ended = Some(ended.clone());
        ended
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

fn final_of(lead: &Lead, ended: Option<super::shared::Ended>) -> TorusFinal {
    let (name, id) = (lead.name.clone(), lead.id);
    match ended {
        Some(ended) => TorusFinal { name, id, counters: ended.counters, digest: ended.digest, failed: ended.failed },
        None => TorusFinal {
            name,
            id,
            counters: Counters::default(),
            digest: 0,
            failed: Some("its thread ended without a word".to_owned()),
        },
    }
}

/// What all parts of a node are made from.
pub(super) struct Base {
    pub(super) config: Arc<Config>,
    pub(super) plan: Plan,
    pub(super) region: Arc<Region>,
    pub(super) pages: Arc<Pages>,
    pub(super) shared: Arc<NodeShared>,
    pub(super) clock: Clock,
    /// Boot ids: one for each torus, the last one the node's.
    pub(super) boots: Vec<u64>,
}

fn start_keeper(
    base: &Base,
    inbox: &Arc<Inbox>,
    join: &Option<Join>,
    notices: Gather<Notice>,
    degraded: Vec<String>,
) -> Result<JoinHandle<()>, StartError> {
    let tori = base.config.tori.len();
    let node = report::node_page(base, join);
    base.pages.write_node(base.clock.now_ns(), &node);
    let keeper = Keeper {
        shared: Arc::clone(&base.shared),
        inbox: Arc::clone(inbox),
        pages: Arc::clone(&base.pages),
        notices,
        log: EventLog::new(report::names(&base.config)),
        clock: base.clock,
        node,
        names: base.config.tori.iter().map(|torus| (torus.name.clone(), torus.id)).collect(),
        degraded,
        hung: vec![false; tori],
        failed: vec![false; tori],
        trouble: None,
        dropped: 0,
        written_ns: 0,
    };
    let control = base.plan.control.clone();
    let body = move || {
        // Off the cores of the tori where there are others; if that fails it is only slower.
        let _ = pinning::pin_current_thread(&control);
        keeper.run();
    };
    let thread = std::thread::Builder::new().name("keeper".to_owned()).spawn(body);
    thread.map_err(|source| StartError::System { what: "keeper thread", source })
}

/// Threads that are started and not yet running; dropping it sends them home.
struct Starter {
    threads: Vec<JoinHandle<()>>,
    leads: Vec<Lead>,
    /// Receiving ends of what the tori say and record, one ring for each.
    notices: Vec<ring::Receiver<Notice>>,
    records: Vec<ring::Receiver<Record>>,
    shared: Arc<NodeShared>,
}

impl Starter {
    fn new(shared: &Arc<NodeShared>) -> Self {
        let (threads, leads, notices, records) = Default::default();
        Self { threads, leads, notices, records, shared: Arc::clone(shared) }
    }

    /// Starts a thread for each torus and waits until all stand ready.
    fn spawn_all(&mut self, base: &Base, works: Vec<build::Work>, record: bool) -> Result<Vec<Standing>, StartError> {
        let (ready, reports) = crossbeam_channel::bounded(2 * base.config.tori.len());
        for (index, work) in works.into_iter().enumerate() {
            let (sender, commands) = ring::ring(COMMANDS);
            let (notices, taken) = ring::ring(notices::CAPACITY);
            self.notices.push(taken);
            let torus = &base.config.tori[index];
            let recorder = record.then(|| {
                let (sender, taken) = ring::ring(base.config.record.ring_entries as usize);
                self.records.push(taken);
                Recorder::new(torus.id, sender, base.config.record.on_full)
            });
            let setup = Setup {
                index,
                config: Arc::clone(&base.config),
                work,
                boot: base.boots[index],
                place: base.plan.places[index],
                waiting: base.plan.waiting,
                region: Arc::clone(&base.region),
                pages: Arc::clone(&base.pages),
                node: Arc::clone(&base.shared),
                commands,
                notices,
                recorder,
                ready: ready.clone(),
                clock: base.clock,
            };
            let commands = Mutex::new(Commands { sender, last: 0 });
            self.leads.push(Lead { name: torus.name.clone(), id: torus.id, commands });
            self.spawn(&torus.name, move || thread::main(setup))?;
        }
        drop(ready);
        self.gather(&reports, &base.config)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        // The kernel cuts a name at 15 bytes.
        let thread = std::thread::Builder::new().name(format!("torus-{name}")).spawn(body);
        self.threads.push(thread.map_err(|source| StartError::System { what: "torus thread", source })?);
        Ok(())
    }

    fn gather(&self, ready: &Receiver<Ready>, config: &Config) -> Result<Vec<Standing>, StartError> {
        let mut standings: Vec<Option<Standing>> = config.tori.iter().map(|_| None).collect();
        let deadline = Instant::now() + READY;
        for _ in &config.tori {
            let late = |_| StartError::Torus { torus: "?".to_owned(), why: "not ready after 30 s".to_owned() };
            let report = ready.recv_deadline(deadline).map_err(late)?;
            let why = |why| StartError::Torus { torus: config.tori[report.index].name.clone(), why };
            standings[report.index] = Some(report.result.map_err(why)?);
        }
        Ok(standings.into_iter().flatten().collect())
    }

    fn abort(&self) {
        self.shared.gate.store(Gate::Abort as u32, Ordering::Release);
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.abort();
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

fn plan_cores(config: &Config, host: &HostCores) -> Result<Plan, StartError> {
    let ask = config.resources.cores != Policy::Off;
    let request = |torus: &config::Torus| CoreRequest { torus: torus.name.clone(), core: torus.core.filter(|_| ask) };
    let requests: Vec<CoreRequest> = config.tori.iter().map(request).collect();
    let spin = match config.node.waiting {
        config::Waiting::Spin => Some(true),
        config::Waiting::Adaptive => Some(false),
        config::Waiting::Auto => None,
    };
    let plan = pinning::plan(&requests, spin, host);
    match plan.troubles.first() {
        Some(trouble) if config.resources.cores == Policy::Strict => {
            Err(StartError::Strict { key: "cores", what: trouble.to_string() })
        }
        _ => Ok(plan),
    }
}

fn open_region(config: &Config) -> Result<(Arc<Region>, Option<Join>), StartError> {
    let geometry = Geometry {
        tori: config.braid.tori,
        payload_bytes: torus::projection::native::SIZE as u32,
        slots: shm_transport::slot::SLOTS as u32,
        ring_records: config.region.ring_records,
        inject_records: config.region.inject_records,
    };
    let (pages, lock) = (build::pages(config.region.pages), config.resources.mlock != Policy::Off);
    match &config.region.path {
        None => Ok((Arc::new(Region::private_locked(geometry, pages, lock)?), None)),
        Some(path) => {
            let options = RegionOptions { pages, lock, ..RegionOptions::new(geometry) };
            let (region, join) = Region::open(path, &options)?;
            Ok((Arc::new(region), Some(join)))
        }
    }
}

/// The page file: readable by everybody or by the group, as the configuration says.
fn make_pages(config: &Config) -> Result<Arc<Pages>, StartError> {
    let folder = &config.node.runtime_dir;
    let path = folder.join(control::page::FILE_NAME);
    std::fs::create_dir_all(folder).map_err(|source| StartError::System { what: "runtime folder", source })?;
    let mode = if config.node.others == config::Others::ReadOnly { 0o644 } else { 0o640 };
    let group = config.node.group.as_ref().map(|group| group.gid);
    Ok(Arc::new(Pages::create(&path, mode, group, config.tori.len())?))
}

fn draw(count: usize) -> Result<Vec<u64>, StartError> {
    (0..count).map(|_| boot_id().map_err(|source| StartError::System { what: "random boot id", source })).collect()
}

fn clock_trouble() -> Option<String> {
    let source = cores::clock_source().filter(|source| !cores::clock_is_vdso(source))?;
    Some(format!(
        "clock source is {source}: reading the time is a system call, so spinning loops make some; boot with clocksource=tsc if the CPU allows"
    ))
}

/// What is not as asked; `strict` makes an error of it.
fn check_standings(
    standings: &[Standing],
    config: &Config,
    region: &Region,
    host: &HostCores,
) -> Result<Vec<String>, StartError> {
    let mut degraded = Vec::new();
    let mut note = |policy: Policy, key: &'static str, what: String| match policy {
        Policy::Strict => Err(StartError::Strict { key, what }),
        Policy::Degrade => {
            degraded.push(what);
            Ok(())
        }
        Policy::Off => Ok(()),
    };
    let resources = &config.resources;
    let named = |at: usize| format!("memory of torus {}", config.tori[at].name);
    let memory = standings.iter().enumerate().map(|(at, standing)| (named(at), &standing.backing));
    for (what, backing) in memory.chain([("region".to_owned(), region.backing())]) {
        if !backing.met() {
            note(resources.hugepages, "hugepages", format!("{what}: {}", backing.reason))?;
        }
        if !backing.locked {
            note(resources.mlock, "mlock", format!("{what}: {}", backing.lock_reason))?;
        }
    }
    for trouble in standings.iter().filter_map(|standing| standing.unpinned.clone()) {
        note(resources.cores, "cores", trouble)?;
    }
    let nodes: std::collections::BTreeSet<u32> = host.node.values().copied().collect();
    if nodes.len() > 1 {
        let loose = config.tori.iter().zip(standings).filter(|(_, standing)| standing.unpinned.is_some());
        for (torus, _) in loose {
            let what = format!(
                "torus {}: not pinned on a host with {} memory nodes, its memory may be far; set `core`",
                torus.name,
                nodes.len()
            );
            note(resources.numa, "numa", what)?;
        }
    }
    Ok(degraded)
}

fn start_recording(
    path: &std::path::Path,
    config: &Config,
    standings: &[Standing],
    mut records: Gather<Record>,
    inbox: &Arc<Inbox>,
) -> Result<JoinHandle<std::io::Result<()>>, StartError> {
    let failed = |source| StartError::Record { path: path.to_owned(), source };
    let starts = config.tori.iter().zip(standings);
    let starts = starts.map(|(torus, standing)| Start { torus: torus.id, digest: standing.digest }).collect();
    let file = record::create(path, &Origin::of(config), starts).map_err(failed)?;
    let inbox = Arc::clone(inbox);
    let body = move || {
        let written = Arc::new(AtomicU64::new(0));
        let outcome = record::write(&mut records, file, &written);
        inbox.recorded.store(written.load(Ordering::Relaxed), Ordering::Relaxed);
        if let Err(error) = &outcome {
            inbox.line(Severity::Error, 255, format!("recording failed: {error}; what follows is not in it"));
        }
        outcome
    };
    std::thread::Builder::new().name("recorder".to_owned()).spawn(body).map_err(failed)
}
