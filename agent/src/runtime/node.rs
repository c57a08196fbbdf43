//! Assembly of a node: region, arenas, workloads, threads. How it stops is in [`super::ending`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::page::Text;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use shm_transport::board::BoardError;
use shm_transport::liveness::boot_id;
use shm_transport::region::{Geometry, Join, Options as RegionOptions, Region, RegionError};
use shm_transport::seed_v1::{SeedError, SeedRegion};
use torus::Mode;
use torus::record::{Record, Start};

use crate::config::{self, Config, Policy};

use super::avm::parts::Parts;
use super::build;
use super::clock::Clock;
use super::cores::{self, HostCores};
use super::ending::{Final, Stopping};
use super::events::{EventLog, Notice, Severity};
use super::handle::{Commands, Inner, Lead, NodeHandle};
use super::keeper::{Inbox, Keeper, Phase};
use super::neighbours::Neighbours;
use super::notices;
use super::pages::Pages;
use super::pinning::{self, CoreRequest, Plan};
use super::record::{self, Origin, Recorder, Tape};
use super::report;
use super::ring::{self, Gather};
use super::shared::{Gate, NodeShared};
use super::thread::{self, Ready, Setup, Standing};

/// Longest a start may take until the torus threads stand ready: mapping and zeroing memory, building graphs. Below
/// `TimeoutStartSec` of the unit, so that our own words are said before the service manager ends us.
const READY: Duration = Duration::from_secs(15);
/// How often a start looks whether it is called off.
const LOOK: Duration = Duration::from_millis(20);
/// How long threads that are sent home may take; one that hangs in a system call goes with the process.
const HOME: Duration = Duration::from_secs(1);
/// Commands that may wait for a torus.
const COMMANDS: usize = 64;

/// What is decided on the command line, not in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// File to record everything into that enters a torus.
    pub record: Option<PathBuf>,
    /// The tori stand ready and do not run before [`NodeHandle::open_gate`]: they wait for their cluster.
    pub hold: bool,
}

/// Why a node did not start. Nothing is left running, and the status page says `failed` and why, unless the page itself is
/// what failed.
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
    /// The seed region cannot be had.
    #[error("region.seed_v1: {0}")]
    Seed(#[from] SeedError),
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
    /// It was told to stop before it ran.
    #[error("told to stop before it ran")]
    Cancelled,
    /// There is a file where the recording should go.
    #[error("recording {path}: there is a file already, and it may be another recording; name a new one, or remove it")]
    RecordExists {
        /// The file.
        path: PathBuf,
    },
    /// The recording cannot be written.
    #[error("recording {path}: {source}; name a file that can be written")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Programs and recordings do not go together yet.
    #[error(
        "recording {path}: a node that runs programs cannot be recorded: programs, starts, answers of the solver and messages between \
         tori are no part of a recording, so that a replay would differ; leave --record out, or start without tori of kind \"avm\""
    )]
    RecordAvm {
        /// The file.
        path: PathBuf,
    },
    /// A program of the configuration cannot be loaded or started.
    #[error("{0}")]
    Program(String),
    /// The system has no thread or no random number for us.
    #[error("{what}: {source}; the host is short of resources")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running node. Dropping it stops it.
#[derive(Debug)]
pub struct Node {
    pub(super) handle: NodeHandle,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) keeper: Option<JoinHandle<()>>,
    pub(super) writer: Option<JoinHandle<std::io::Result<()>>>,
    pub(super) tape: Option<Arc<Tape>>,
    pub(super) stopping: Option<Stopping>,
    pub(super) ended: Option<Final>,
}

impl Node {
    /// Starts everything; returns when every torus thread runs, or why it does not.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config, options: Options) -> Result<Self, StartError> {
        Self::start_unless(config, options, &Arc::default())
    }

    /// As [`Node::start`]; `cancel` set by another thread calls the start off.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_unless(config: Config, options: Options, cancel: &Arc<AtomicBool>) -> Result<Self, StartError> {
        let began = Instant::now();
        let (config, clock) = (Arc::new(config), Clock::new());
        let (pages, boots) = (make_pages(&config)?, draw(config.tori.len() + 1)?);
        let mut page = report::first_page(&config, &clock, &boots);
        pages.write_node(clock.now_ns(), &page);
        let cancel = Arc::clone(cancel);
        let node = Self::assemble(config, &options, Arc::clone(&pages), clock, boots, cancel, began + READY);
        if let Err(error) = &node {
            let stopped = matches!(error, StartError::Cancelled);
            page.phase = if stopped { Phase::Stopped } else { Phase::Failed } as u32;
            page.heartbeat_ns = clock.now_ns();
            page.now_unix_ns = clock.unix_ns(page.heartbeat_ns);
            page.worst = Text::new(&error.to_string());
            pages.write_node(page.heartbeat_ns, &page);
        }
        node
    }

    fn assemble(
        config: Arc<Config>,
        options: &Options,
        pages: Arc<Pages>,
        clock: Clock,
        boots: Vec<u64>,
        cancel: Arc<AtomicBool>,
        deadline: Instant,
    ) -> Result<Self, StartError> {
        let host = HostCores::read();
        let plan = plan_cores(&config, &host)?;
        let works = build::works(&config)?;
        if let (Some(path), Some(_)) = (&options.record, &config.avm) {
            return Err(StartError::RecordAvm { path: path.clone() });
        }
        let (region, join) = open_region(&config)?;
        let (seed, found) = config.region.seed_v1.as_deref().map(SeedRegion::open).transpose()?.unzip();
        let seed = seed.map(Arc::new);
        let shared = Arc::new(NodeShared::with_cancel(config.tori.len(), cancel));
        let home = boots.last().copied().unwrap_or_default();
        let pool = |source| StartError::System { what: "solver threads", source };
        let (manager, parts) =
            super::avm::manager::Manager::start(&config, &region, clock, home).map_err(pool)?.unzip();
        let base = Base { region, seed, pages, shared, clock, boots, plan, config };
        let tape = options.record.as_ref().map(|_| Arc::new(Tape::default()));
        // From here on an error sends the threads home: `Starter` sees to it when it is dropped.
        let mut starter = Starter::new(&base.shared);
        let standings = starter.spawn_all(&base, works, parts.unwrap_or_default(), tape.as_ref(), deadline)?;
        let mut degraded: Vec<String> = base.plan.troubles.iter().map(ToString::to_string).collect();
        degraded.extend(clock_trouble());
        degraded.extend(check_standings(&standings, &base.config, &base.region, &host)?);
        let inbox = Arc::new(Inbox::default());
        let records = Gather::new(std::mem::take(&mut starter.records));
        let writer = match (&options.record, &tape) {
            (Some(path), Some(tape)) => {
                Some(start_recording(path, &base.config, &standings, records, &inbox, Arc::clone(tape))?)
            }
            _ => None,
        };
        if base.shared.gate() == Gate::Abort {
            return Err(StartError::Cancelled);
        }
        report::tell_start(&inbox, &base, &join, &standings, &degraded);
        report::tell_seed(&inbox, &base.config, found);
        inbox.phase.store(Phase::Running as u32, Ordering::Release);
        let notices = Gather::new(std::mem::take(&mut starter.notices));
        let keeper = start_keeper(&base, &inbox, &join, notices, degraded)?;
        if !options.hold {
            base.shared.gate.store(Gate::Open as u32, Ordering::Release);
        }
        let threads = std::mem::take(&mut starter.threads);
        let tori = std::mem::take(&mut starter.leads);
        let ring = base.config.braid.mode == config::Mode::Ring;
        let mode = Mutex::new(if ring { Mode::Ring } else { Mode::Rotate });
        let Base { shared, region, pages, clock, .. } = base;
        let avm = manager.map(Arc::new);
        let inner = Inner { shared, region, pages, inbox, clock, mode, tori, avm };
        let handle = NodeHandle { inner: Arc::new(inner) };
        Ok(Self { handle, threads, keeper: Some(keeper), writer, tape, stopping: None, ended: None })
    }

    /// A way to it for other threads.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }
}

/// What all parts of a node are made from.
pub(super) struct Base {
    pub(super) config: Arc<Config>,
    pub(super) plan: Plan,
    pub(super) region: Arc<Region>,
    pub(super) seed: Option<Arc<SeedRegion>>,
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
        neighbours: Neighbours::new(&base.region),
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
    fn spawn_all(
        &mut self,
        base: &Base,
        works: Vec<build::Work>,
        mut parts: BTreeMap<usize, Parts>,
        tape: Option<&Arc<Tape>>,
        deadline: Instant,
    ) -> Result<Vec<Standing>, StartError> {
        let (ready, reports) = crossbeam_channel::bounded(2 * base.config.tori.len());
        for (index, work) in works.into_iter().enumerate() {
            let (sender, commands) = ring::ring(COMMANDS);
            let (notices, taken) = ring::ring(notices::CAPACITY);
            self.notices.push(taken);
            let torus = &base.config.tori[index];
            let recorder = tape.map(|tape| {
                let (sender, taken) = ring::ring(base.config.record.ring_entries as usize);
                self.records.push(taken);
                let (tape, node) = (Arc::clone(tape), Arc::clone(&base.shared));
                Recorder::new((torus.id, index), sender, base.config.record.on_full, tape, node, base.clock)
            });
            let setup = Setup {
                index,
                config: Arc::clone(&base.config),
                work,
                boot: base.boots[index],
                place: base.plan.places[index],
                waiting: base.plan.waiting,
                region: Arc::clone(&base.region),
                seed: base.seed.clone(),
                pages: Arc::clone(&base.pages),
                node: Arc::clone(&base.shared),
                commands,
                notices,
                recorder,
                ready: ready.clone(),
                clock: base.clock,
                avm: parts.remove(&index),
            };
            let commands = Mutex::new(Commands { sender, last: 0 });
            self.leads.push(Lead { name: torus.name.clone(), id: torus.id, commands });
            self.spawn(&torus.name, move || thread::main(setup))?;
        }
        drop(ready);
        self.gather(&reports, &base.config, deadline)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        // The kernel cuts a name at 15 bytes.
        let thread = std::thread::Builder::new().name(format!("torus-{name}")).spawn(body);
        self.threads.push(thread.map_err(|source| StartError::System { what: "torus thread", source })?);
        Ok(())
    }

    fn gather(&self, ready: &Receiver<Ready>, config: &Config, deadline: Instant) -> Result<Vec<Standing>, StartError> {
        let mut standings: Vec<Option<Standing>> = config.tori.iter().map(|_| None).collect();
        while standings.iter().any(Option::is_none) {
            if self.shared.gate() == Gate::Abort {
                return Err(StartError::Cancelled);
            }
            match ready.recv_timeout(LOOK) {
                Ok(Ready { index, result }) => {
                    let why = |why| StartError::Torus { torus: config.tori[index].name.clone(), why };
                    standings[index] = Some(result.map_err(why)?);
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(_) => return Err(late(config, &standings)),
            }
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
            let deadline = Instant::now() + HOME;
            for thread in self.threads.drain(..) {
                while !thread.is_finished() && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if thread.is_finished() {
                    let _ = thread.join();
                }
            }
        }
    }
}

/// Which tori were not ready in time.
fn late(config: &Config, standings: &[Option<Standing>]) -> StartError {
    let late = config.tori.iter().zip(standings).filter(|(_, standing)| standing.is_none());
    let names: Vec<&str> = late.map(|(torus, _)| torus.name.as_str()).collect();
    let why = format!(
        "not ready {} s after the start: taking and locking its memory, or building its workload, takes longer; ask for less \
         (capacities of the torus, nodes of its workload), or set resources.mlock = \"off\"",
        READY.as_secs()
    );
    StartError::Torus { torus: names.join(", "), why }
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
    super::standings::check(standings, config, region.backing(), host)
}

fn start_recording(
    path: &std::path::Path,
    config: &Config,
    standings: &[Standing],
    mut records: Gather<Record>,
    inbox: &Arc<Inbox>,
    tape: Arc<Tape>,
) -> Result<JoinHandle<std::io::Result<()>>, StartError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => StartError::RecordExists { path: path.to_owned() },
        _ => StartError::Record { path: path.to_owned(), source },
    };
    let starts = config.tori.iter().zip(standings);
    let starts = starts.map(|(torus, standing)| Start { torus: torus.id, digest: standing.digest }).collect();
    let file = record::create(path, &Origin::of(config), starts).map_err(failed)?;
    let inbox = Arc::clone(inbox);
    let body = move || {
        record::write(&mut records, file, &tape, |error| {
            let text = format!("recording failed: {error}; what follows is not in it; make room and start again");
            inbox.line(Severity::Error, 255, text);
        })
    };
    std::thread::Builder::new().name("recorder".to_owned()).spawn(body).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    // decisions:NODE-20: our own words come before the service manager's patience is over, and name who was late.
    #[test]
    fn a_late_torus_is_named_before_the_service_manager_gives_up() {
        let unit = include_str!("../../../systemd/trefoil.service");
        let timeout = unit.lines().find_map(|line| line.strip_prefix("TimeoutStartSec=")).expect("the unit has one");
        assert!(READY + HOME + Duration::from_secs(2) < Duration::from_secs(timeout.parse().expect("seconds")));
        let text = "[braid]\ntori = 2\n[[torus]]\nname = \"east\"\n[torus.workload]\nkind = \"idle\"\n\
                    [[torus]]\nname = \"west\"\n[torus.workload]\nkind = \"idle\"\n";
        let config = config::parse(text).expect("it is valid");
        let error = late(&config, &[None, None]).to_string();
        assert!(error.starts_with("torus east, west: not ready 15 s after the start"), "{error}");
        assert!(error.contains("resources.mlock"), "{error}");
    }
}
