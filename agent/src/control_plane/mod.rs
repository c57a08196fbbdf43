//! The control thread: socket, metrics, sensors, watchdog, signals. Also the client of the socket.
//!
//! It runs beside the torus threads and never on their cores; it only talks to them through [`NodeHandle`], so nothing here
//! can slow a torus down. It wakes twenty times a second, which costs an idle agent far less than 2 % of a core.

pub mod claim;
pub mod client;
pub mod metrics;
pub mod peer;
mod programs;
pub mod routes;
pub mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use control::Snapshot;
use control::api::{Refusal, Reply, Request};
use control::avm::{AvmReply, AvmRequest};
use control::page::SOCKET_NAME;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::link::Teller;
use crate::cluster::start::{Around, ClusterError, Desk, Running};
use crate::config::Config;
use crate::config::cluster::StartTori;
use crate::runtime::events::Severity;
use crate::runtime::fault::Fault;
use crate::runtime::{Final, Node, NodeHandle, Options, StartError};
use crate::sensors::Sensors;
use crate::systemd::Systemd;

pub use claim::{Claim, ClaimError};
pub use client::Client;
pub use server::SocketError;

/// How often the control thread looks whether something is to be done.
const TICK: Duration = Duration::from_millis(50);
/// How often sensors are read and the service manager's status line is renewed.
const SENSE: Duration = Duration::from_secs(1);

/// How often a start or a stop under way is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long a start that was called off may take to come home.
const LEAVE: Duration = Duration::from_secs(2);

/// What the socket needs of a node; [`NodeHandle`] is one, tests have another.
pub trait Gate: Send + Sync + 'static {
    /// Carries out a request, bounded in time.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed then.
    fn request(&self, request: &Request) -> Result<Reply, Refusal>;

    /// Carries out a request to the AVM of a user, bounded in time.
    ///
    /// # Errors
    /// [`Refusal`].
    fn avm(&self, _uid: u32, _request: &AvmRequest) -> Result<AvmReply, Refusal> {
        Err(Refusal::new("this node runs no programs"))
    }

    /// The node now; `None` before its first status.
    fn snapshot(&self) -> Option<Snapshot>;
}

impl Gate for NodeHandle {
    fn request(&self, request: &Request) -> Result<Reply, Refusal> {
        Self::request(self, request)
    }

    fn avm(&self, uid: u32, request: &AvmRequest) -> Result<AvmReply, Refusal> {
        self.avm_request(uid, request)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Self::snapshot(self)
    }
}

/// What a run is to be.
#[derive(Debug)]
pub struct Plan {
    /// The checked configuration.
    pub config: Config,
    /// What the command line adds for the runtime.
    pub options: Options,
    /// Stop after so long; `None` = when told to.
    pub limit: Option<Duration>,
}

/// How other threads of the process follow a run and end it.
#[derive(Debug, Default)]
pub struct Switch {
    /// Set by whoever wants the run to end (the console that started it).
    pub stop: AtomicBool,
    /// Set once the node runs and the socket answers.
    pub ready: AtomicBool,
}

/// Why a node did not run. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another agent is there, or a folder cannot be used.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The control socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The node does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node cannot take its part in the cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster did not form, and the configuration says to give up then.
    #[error("{0}")]
    GaveUp(String),
    /// The system gives the control thread not what it needs.
    #[error("control thread: {0}; check the limits of this user (ulimit -a)")]
    System(#[from] std::io::Error),
}

/// Runs a node on the calling thread until it is told to stop, its time is over, or a torus failed.
///
/// # Errors
/// [`RunError`] when it did not come up.
pub fn run(plan: Plan, switch: &Switch) -> Result<Final, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let answer = runtime.block_on(attend(plan, switch));
    // A request that still waits for a torus must not hold the process up.
    runtime.shutdown_timeout(Duration::from_millis(50));
    answer
}

async fn attend(plan: Plan, switch: &Switch) -> Result<Final, RunError> {
    let systemd = Systemd::new();
    // Before anything starts, so that no signal finds the default action and leaves a region behind.
    let mut signals = Signals::install()?;
    let node_config = &plan.config.node;
    let _claim = Claim::take(&node_config.runtime_dir, &node_config.state_dir)?;
    let rule = peer::Rule::new(node_config.group.clone(), node_config.others);
    let socket = node_config.runtime_dir.join(SOCKET_NAME);
    let listener = server::bind(&socket, &rule)?;
    let _file = SocketFile(socket);
    let limit = plan.limit;
    let (mut options, cluster) = (plan.options, plan.config.cluster.clone());
    let state_dir = node_config.state_dir.clone();
    let hold = cluster.as_ref().is_some_and(|cluster| cluster.start == StartTori::Formed);
    options.hold = hold;
    let mut node = match come_up(plan.config, options, &mut signals).await? {
        Came::Up(node) => node,
        Came::Down(end) => return Ok(end),
    };
    let handle = node.handle();
    avoid_cores(&handle);
    let cluster = match enter(&handle, cluster, state_dir, &mut signals).await {
        Ok(Entered::In(cluster)) => cluster.map(|running| *running),
        Ok(Entered::CalledOff) => return Ok(go_down(&mut node, &mut signals).await),
        Err(error) => {
            // Nothing is left running.
            go_down(&mut node, &mut signals).await;
            return Err(error.into());
        }
    };
    let shown = match programs::open(&handle, hold) {
        Ok(shown) => shown,
        Err(why) => {
            go_down(&mut node, &mut signals).await;
            return Err(StartError::Program(why).into());
        }
    };
    let gate = WholeGate { node: handle.clone(), cluster: cluster.as_ref().map(Running::desk) };
    let serving = tokio::spawn(server::serve(listener, routes::router(Arc::new(gate), rule)));
    let mut attendant = Attendant::new(handle, systemd, cluster);
    attendant.sense();
    attendant.systemd.ready();
    switch.ready.store(true, Ordering::Release);
    let started = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let why = loop {
        tokio::select! {
            _ = ticks.tick() => {}
            name = signals.next() => break name,
        }
        if let Some(why) = attendant.over(switch, limit.is_some_and(|limit| started.elapsed() >= limit)) {
            break why;
        }
        attendant.tick();
    };
    tracing::info!("stopping: {why}");
    attendant.systemd.stopping(why);
    // The others are told before the tori end, so that nobody takes a planned stop for a death.
    if let Some(cluster) = attendant.cluster.take() {
        let _ = tokio::task::spawn_blocking(move || cluster.stop(true)).await;
    }
    drop(shown);
    let end = go_down(&mut node, &mut signals).await;
    serving.abort();
    attendant.gave_up.map_or(Ok(end), |why| Err(RunError::GaveUp(why)))
}

/// What became of the node's part in its cluster.
enum Entered {
    /// It has one, or needs none.
    In(Option<Box<Running>>),
    /// It was told to stop before.
    CalledOff,
}

/// Starts both planes of the cluster, on the runtime of this thread, and hears signals meanwhile: a disk or an address that is
/// still in use may take its time.
async fn enter(
    handle: &NodeHandle,
    cluster: Option<crate::config::Cluster>,
    state_dir: std::path::PathBuf,
    signals: &mut Signals,
) -> Result<Entered, ClusterError> {
    let Some(cluster) = cluster else { return Ok(Entered::In(None)) };
    let inbox = handle.inbox();
    let tell = Teller::new(move |severity, text| inbox.line(severity, u8::MAX, text));
    let region = (!cluster.remotes.is_empty()).then(|| handle.region());
    let cancel = Arc::new(AtomicBool::new(false));
    let around = Around { region, tell, clock: handle.clock(), state_dir, cancel: Arc::clone(&cancel) };
    let runtime = tokio::runtime::Handle::current();
    let mut start = tokio::task::spawn_blocking(move || crate::cluster::start::start(&cluster, around, &runtime));
    let name = tokio::select! {
        started = &mut start => {
            let panicked = |_| ClusterError::Thread(std::io::Error::other("the start panicked; this is a bug"));
            return started.map_err(panicked)?.map(|running| Entered::In(Some(Box::new(running))));
        }
        name = signals.next() => name,
    };
    tracing::info!("stopping before it was part of its cluster: {name}");
    cancel.store(true, Ordering::Release);
    // What hangs in the system, on a disk, goes with the process.
    if let Ok(Ok(Ok(running))) = tokio::time::timeout(LEAVE, start).await {
        let _ = tokio::task::spawn_blocking(move || running.stop(true)).await;
    }
    Ok(Entered::CalledOff)
}

/// What the socket reaches: the node, and its part in the cluster.
struct WholeGate {
    node: NodeHandle,
    cluster: Option<Desk>,
}

impl Gate for WholeGate {
    fn request(&self, request: &Request) -> Result<Reply, Refusal> {
        match &self.cluster {
            Some(desk) if Desk::is_for_it(request) => desk.ask(request),
            _ => self.node.request(request),
        }
    }

    fn avm(&self, uid: u32, request: &AvmRequest) -> Result<AvmReply, Refusal> {
        self.node.avm_request(uid, request)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.node.snapshot()
    }
}

/// What became of a start.
enum Came {
    /// The node runs.
    Up(Box<Node>),
    /// It was told to stop before.
    Down(Final),
}

/// Starts the node on a thread of its own, so that a signal is heard meanwhile.
async fn come_up(config: Config, options: Options, signals: &mut Signals) -> Result<Came, RunError> {
    let cancel = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&cancel);
    let starter = std::thread::Builder::new()
        .name("starter".to_owned())
        .spawn(move || Node::start_unless(config, options, &theirs).map(Box::new))?;
    let mut told: Option<Instant> = None;
    let nothing = |took| Final { tori: Vec::new(), took, recording: None };
    while !starter.is_finished() {
        if let Some(told) = told.filter(|told| told.elapsed() > LEAVE) {
            // It hangs in the system, on a lock or a disk; it goes with the process.
            return Ok(Came::Down(nothing(told.elapsed())));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            name = signals.next() => {
                if told.is_none() {
                    tracing::info!("stopping before it ran: {name}");
                }
                told = told.or(Some(Instant::now()));
                cancel.store(true, Ordering::Release);
            }
        }
    }
    let started = starter.join().map_err(|_| std::io::Error::other("the start panicked; this is a bug"))?;
    match (started, told) {
        (Err(StartError::Cancelled), told) => Ok(Came::Down(nothing(told.map_or(Duration::ZERO, |at| at.elapsed())))),
        (Err(error), _) => Err(error.into()),
        (Ok(mut node), Some(_)) => Ok(Came::Down(go_down(&mut node, signals).await)),
        (Ok(node), None) => Ok(Came::Up(node)),
    }
}

/// Stops the node; a second signal shortens what it waits for.
async fn go_down(node: &mut Node, signals: &mut Signals) -> Final {
    loop {
        if let Some(end) = node.poll_stop() {
            return end;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            name = signals.next() => {
                tracing::warn!("{name} again: not waiting any longer");
                node.hurry();
            }
        }
    }
}

/// The socket's file goes with the run.
#[derive(Debug)]
struct SocketFile(std::path::PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Signals that end a run in order.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// What is done from time to time.
struct Attendant {
    handle: NodeHandle,
    systemd: Systemd,
    sensors: Sensors,
    sensed: Instant,
    executed: u64,
    started: Instant,
    fault: Option<Fault>,
    cluster: Option<Running>,
    /// Why the node gives up.
    gave_up: Option<String>,
}

impl Attendant {
    fn new(handle: NodeHandle, systemd: Systemd, cluster: Option<Running>) -> Self {
        let now = Instant::now();
        let (sensors, fault) = (Sensors::new(), Fault::from_env());
        Self { handle, systemd, sensors, sensed: now, executed: 0, started: now, fault, cluster, gave_up: None }
    }

    /// Why the node is to end now.
    fn over(&self, switch: &Switch, late: bool) -> Option<&'static str> {
        let reasons = [
            (switch.stop.load(Ordering::Acquire), "the console was closed"),
            (self.handle.stop_asked(), "asked to, or a torus failed"),
            (self.gave_up.is_some(), "its part in the cluster ended"),
            (late, "its time is over"),
        ];
        reasons.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
    }

    fn sense(&mut self) {
        let now_ns = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| (time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64);
        self.handle.publish_host(&self.sensors.read(now_ns));
    }

    fn tick(&mut self) {
        if let Some(fault) = self.fault.take_if(|fault| self.started.elapsed() >= fault.after) {
            self.handle.panic_torus(&fault.torus);
        }
        self.tick_cluster();
        let since = self.sensed.elapsed();
        if since >= SENSE {
            self.sensed = Instant::now();
            self.sense();
            if let (Some(cluster), Some(snapshot)) = (&self.cluster, self.handle.snapshot()) {
                cluster.feed(&snapshot);
            }
            if self.systemd.is_present()
                && let Some(snapshot) = self.handle.snapshot()
            {
                let status = self.status_line(&snapshot, since);
                self.systemd.status(&status);
            }
        }
        if self.systemd.feed_due() {
            let beats = self.handle.beats();
            self.systemd.feed(&beats);
        }
    }

    fn tick_cluster(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        let handle = &self.handle;
        let news = cluster.tick(|| Some(handle.snapshot()?.tori.iter().map(|torus| torus.pending).sum()));
        if let Some(page) = &news.page {
            self.handle.publish_cluster(page);
        }
        if let Some(on) = news.drain {
            self.handle.drain(on);
        }
        if news.open {
            let why = if news.overdue {
                "the cluster did not form in time: the tori start all the same (cluster.on_deadline = \"fail-open\")"
            } else {
                "the cluster is formed: the tori start"
            };
            self.handle.log(if news.overdue { Severity::Warning } else { Severity::Notice }, why);
            self.handle.open_gate();
        }
        self.gave_up = self.gave_up.take().or(news.give_up).or(cluster.broken().map(str::to_owned));
    }

    fn status_line(&mut self, snapshot: &Snapshot, since: Duration) -> String {
        let executed: u64 = snapshot.tori.iter().map(|torus| torus.executed).sum();
        let rate = executed.saturating_sub(self.executed) as f64 / since.as_secs_f64().max(0.001);
        self.executed = executed;
        let worst = if snapshot.node.worst.is_empty() { "all right" } else { snapshot.node.worst.as_str() };
        format!("{} tori, {} ev/s, {worst}", snapshot.tori.len(), crate::cli::units::si(rate).trim_end())
    }
}

/// Keeps this thread off the cores of the tori, where any other core is left.
fn avoid_cores(handle: &NodeHandle) {
    let Some(snapshot) = handle.snapshot() else { return };
    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else { return };
    let taken: Vec<usize> = snapshot.tori.iter().filter_map(|torus| torus.core).map(|core| core as usize).collect();
    let mut left = CpuSet::new();
    let free = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false) && !taken.contains(core));
    let mut any = false;
    for core in free {
        any |= left.set(core).is_ok();
    }
    if any && !taken.is_empty() {
        let _ = sched_setaffinity(this, &left);
    }
}
