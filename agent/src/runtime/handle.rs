//! How other threads of the process ask a running node for something, and look at it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use control::Snapshot;
use control::api::{Refusal, Reply, Request};
use control::avm::{AvmReply, AvmRequest};
use control::page::HostPage;
use shm_transport::region::Region;
use torus::{Cell, Mode, relay};

use super::avm::manager::Manager;
use super::clock::Clock;
use super::events::Severity;
use super::inject;
use super::keeper::Inbox;
use super::pages::Pages;
use super::ring::Sender;
use super::shared::{Command, NodeShared, State, Ticket};

/// Longest wait for a torus to take a command: the loop comes round in milliseconds, unless it hangs.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the wait looks.
const LOOK: Duration = Duration::from_micros(200);
/// Most events of one step: more would hold the loop up.
const MAX_STEP: u32 = 10_000;
/// Range of an interval set by hand, ticks (`rse:B4`).
const INTERVAL: std::ops::RangeInclusive<u32> = 100..=10_000;

/// A way to a running node: cheap to clone, usable from any thread. Every call is bounded in time.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    pub(super) inner: Arc<Inner>,
}

/// What all handles share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) shared: Arc<NodeShared>,
    pub(super) region: Arc<Region>,
    pub(super) pages: Arc<Pages>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) clock: Clock,
    /// The mode all tori have; held while it changes, so that they end up with the same.
    pub(super) mode: Mutex<Mode>,
    /// Name, braid id and way in of each torus, in configuration order.
    pub(super) tori: Vec<Lead>,
    /// Its programs, when a torus runs any.
    pub(super) avm: Option<Arc<Manager>>,
}

/// The way to one torus.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) name: String,
    pub(super) id: u8,
    pub(super) commands: Mutex<Commands>,
}

/// The sending end of the commands of one torus; locked while a command is under way, so that they go one after another. The
/// lock is the control side's: the torus thread has the other end of the ring.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) sender: Sender<Ticket>,
    /// Number of the last ticket.
    pub(super) last: u64,
}

/// The sign of life of one torus thread, for the watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Torus.
    pub name: String,
    /// How long its loop has not come round.
    pub age: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What can be seen of a torus thread beside its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Allocations of its thread so far, as of its last status page; only a counting allocator makes this move.
    pub allocations: u64,
    /// Kernel thread id.
    pub tid: u32,
    /// Wakes its loop made by system call.
    pub wakes: u64,
}

fn mode_name(mode: Mode) -> &'static str {
    if mode == Mode::Ring { "ring" } else { "rotate" }
}

fn refuse(error: String) -> Refusal {
    Refusal::new(error)
}

impl NodeHandle {
    /// Carries out a request; waits at most half a second for the torus to have taken it.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong; nothing was changed then, unless it says that the torus did not answer in time.
    pub fn request(&self, request: &Request) -> Result<Reply, Refusal> {
        match request {
            Request::Inject { torus, dst, src, payload, count } => self.inject(torus, *dst, *src, *payload, *count),
            Request::Pause { torus } => self.command(torus, Command::Pause, |name, _| format!("{name} paused")),
            Request::Resume { torus } => self.command(torus, Command::Resume, |name, _| format!("{name} goes on")),
            Request::Step { torus, count } => self.step(torus, *count),
            Request::Interval { torus, ticks } => self.interval(torus, *ticks),
            Request::Mode { mode } => self.mode(mode),
            Request::Stop {} => {
                self.inner.shared.stop_asked.store(true, Ordering::Release);
                Ok(Reply { message: "stopping".to_owned(), count: 0 })
            }
            _ => Err(refuse("this node belongs to no cluster; add [cluster] to its configuration".to_owned())),
        }
    }

    /// The region of the braid, for whoever stands in it for tori of other nodes.
    #[must_use]
    pub fn region(&self) -> Arc<Region> {
        Arc::clone(&self.inner.region)
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    fn lead(&self, name: &str) -> Result<(usize, &Lead), Refusal> {
        let found = self.inner.tori.iter().enumerate().find(|(_, lead)| lead.name == name);
        let names: Vec<&str> = self.inner.tori.iter().map(|lead| lead.name.as_str()).collect();
        let (at, lead) = found.ok_or_else(|| {
            refuse(format!("torus {name:?} is not one of this node's: {}; name one of them", names.join(", ")))
        })?;
        match self.inner.shared.tori[at].ended() {
            None => Ok((at, lead)),
            Some(_) => Err(refuse(format!("torus {name} has ended; start the node again"))),
        }
    }

    fn inject(&self, name: &str, dst: u32, src: u32, payload: i64, count: u32) -> Result<Reply, Refusal> {
        let (_, lead) = self.lead(name)?;
        let cell = |what: &str, number: u32| {
            Cell::new(number).ok_or_else(|| refuse(format!("{what} is {number}, expected a cell, 0 to 32767")))
        };
        let (dst, src) = (cell("dst", dst)?, cell("src", src)?);
        let payload = i32::try_from(payload)
            .map_err(|_| refuse(format!("payload is {payload}, expected {} to {}", i32::MIN, i32::MAX)))?;
        if count == 0 || count > inject::MAX_COUNT {
            return Err(refuse(format!("count is {count}, expected 1 to {}", inject::MAX_COUNT)));
        }
        let record = inject::encode(dst, src, relay::encode(payload), count);
        let sender = self.inner.region.injector(lead.id).ok_or_else(|| refuse(format!("torus {name} has no ring")))?;
        sender.send(&record).map_err(|error| refuse(format!("torus {name}: {error}; try again")))?;
        self.wake(lead.id);
        let plural = if count == 1 { "" } else { "s" };
        Ok(Reply { message: format!("{count} event{plural} on the way to {name}"), count: u64::from(count) })
    }

    fn step(&self, name: &str, count: u32) -> Result<Reply, Refusal> {
        let (at, _) = self.lead(name)?;
        if self.inner.shared.tori[at].state.load(Ordering::Acquire) != State::Paused as u32 {
            return Err(refuse(format!("torus {name} is not paused; pause it first: trefoil torus pause {name}")));
        }
        if count == 0 || count > MAX_STEP {
            return Err(refuse(format!("count is {count}, expected 1 to {MAX_STEP}")));
        }
        self.command(name, Command::Step { count }, |name, done| format!("{name} executed {done} of {count} events"))
    }

    fn interval(&self, name: &str, ticks: Option<u32>) -> Result<Reply, Refusal> {
        if let Some(ticks) = ticks.filter(|ticks| !INTERVAL.contains(ticks)) {
            return Err(refuse(format!("interval is {ticks} ticks, expected 100 to 10000, or adaptive")));
        }
        self.command(name, Command::Interval { ticks }, |name, _| match ticks {
            Some(ticks) => format!("{name} exchanges every {ticks} ticks"),
            None => format!("{name} adapts its interval"),
        })
    }

    fn mode(&self, mode: &str) -> Result<Reply, Refusal> {
        let (mode, code) = match mode {
            "rotate" => (Mode::Rotate, 0),
            "ring" => (Mode::Ring, 1),
            other => return Err(refuse(format!("mode is {other:?}, expected rotate or ring"))),
        };
        let mut now = self.inner.mode.lock().unwrap_or_else(PoisonError::into_inner);
        let (former, mut taken) = (*now, Vec::new());
        for lead in &self.inner.tori {
            if let Err(refusal) = self.command(&lead.name, Command::Mode(mode), |_, _| String::new()) {
                return Err(self.undo_mode(former, &taken, lead, &refusal));
            }
            taken.push(lead);
        }
        *now = mode;
        self.inner.shared.mode.store(code, Ordering::Relaxed);
        let text = mode_name(mode);
        self.inner.inbox.line(Severity::Notice, 255, format!("braid mode is {text} now, set by hand"));
        Ok(Reply { message: format!("every torus applies by mode {text}"), count: 0 })
    }

    /// One torus did not take the new mode: those that did get the former one back, and so does the late one, behind the
    /// order that still waits for it.
    fn undo_mode(&self, former: Mode, taken: &[&Lead], late: &Lead, why: &Refusal) -> Refusal {
        let back = |lead: &Lead| self.command(&lead.name, Command::Mode(former), |_, _| String::new());
        let stuck: Vec<&str> = taken.iter().filter(|lead| back(lead).is_err()).map(|lead| lead.name.as_str()).collect();
        // Whether it had room for the first order or not: this one leaves it with the former mode.
        let _ = back(late);
        let name = mode_name(former);
        let state = match (taken.is_empty(), stuck.is_empty()) {
            (true, _) => format!("the mode stays {name}"),
            (false, true) => format!("the mode stays {name}; the tori before it were set back"),
            (false, false) => format!("the mode is to stay {name}, but {} did not take that either", stuck.join(", ")),
        };
        refuse(format!("{}; {state}", why.error))
    }

    /// Sends a command and waits, bounded, until the torus has taken it. Both sides only poll: a sender that slept in the
    /// channel would cost the torus a system call.
    fn command(&self, name: &str, command: Command, message: impl Fn(&str, u64) -> String) -> Result<Reply, Refusal> {
        let (at, lead) = self.lead(name)?;
        let torus = &self.inner.shared.tori[at];
        let mut commands = lead.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let number = commands.last + 1;
        let full = |_| refuse(format!("torus {name} has not taken earlier commands yet; it may hang: trefoil status"));
        commands.sender.try_send(Ticket { number, command }).map_err(full)?;
        commands.last = number;
        self.wake(lead.id);
        let deadline = Instant::now() + PATIENCE;
        while torus.done.load(Ordering::Acquire) < number {
            if Instant::now() > deadline {
                let age_ms = PATIENCE.as_millis();
                return Err(refuse(format!(
                    "torus {name} did not answer within {age_ms} ms; it will do so when its loop comes round: trefoil status"
                )));
            }
            std::thread::sleep(LOOK);
        }
        let count = torus.done_count.load(Ordering::Relaxed);
        if command == Command::Pause {
            torus.paused();
        }
        Ok(Reply { message: message(name, count), count })
    }

    fn wake(&self, id: u8) {
        if let Some(waker) = self.inner.region.waker(id) {
            waker.wake();
        }
    }

    /// The node as its status page shows it now.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.inner.pages.snapshot(self.inner.clock.now_ns())
    }

    /// Puts the host's sensors on the status page, and the busy share of its CPUs into the projections
    /// (`decisions:NODE-20`: shown to peers, not steering a braid on the same host).
    pub fn publish_host(&self, page: &HostPage) {
        self.inner.shared.cpu_permille.store(crate::sensors::cpu_permille(page), Ordering::Relaxed);
        *self.inner.inbox.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(*page));
    }

    /// Counts the tori of this node as more loaded by so many events than they are, in what they say and in what they decide: the
    /// braid then moves their work to other nodes. This is where a field between nodes steers hand-over; 0 ends it.
    pub fn bias_load(&self, events: u64) {
        self.inner.shared.load_bias.store(events, Ordering::Relaxed);
    }

    /// Lets the tori of this node take nothing and give everything they have; or ends that.
    pub fn drain(&self, on: bool) {
        self.bias_load(if on { super::shared::DRAIN } else { 0 });
    }

    /// Lets tori run that were held at the start; once is enough.
    pub fn open_gate(&self) {
        let (closed, open) = (super::shared::Gate::Closed as u32, super::shared::Gate::Open as u32);
        let _ = self.inner.shared.gate.compare_exchange(closed, open, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether the tori run.
    #[must_use]
    pub fn gate_is_open(&self) -> bool {
        self.inner.shared.gate() == super::shared::Gate::Open
    }

    /// Puts the cluster's record on the status page.
    pub fn publish_cluster(&self, page: &control::cluster::ClusterPage) {
        self.inner.pages.write_cluster(self.inner.clock.now_ns(), page);
    }

    /// Its programs, when a torus runs any.
    #[must_use]
    pub fn avm(&self) -> Option<&Arc<Manager>> {
        self.inner.avm.as_ref()
    }

    /// Carries out a request to the AVM of a user.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong.
    pub fn avm_request(&self, uid: u32, request: &AvmRequest) -> Result<AvmReply, Refusal> {
        match &self.inner.avm {
            Some(manager) => manager.request(uid, request),
            None => Err(refuse(
                "this node runs no programs; give a torus workload.kind = \"avm\", as configs/avm.toml does".to_owned(),
            )),
        }
    }

    /// Puts the AVM's record on the status page.
    pub fn publish_avm(&self, page: &control::avm::AvmPage) {
        self.inner.pages.write_avm(self.inner.clock.now_ns(), page);
    }

    /// Where lines for the event log are left, for threads of the cluster.
    #[must_use]
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inner.inbox)
    }

    /// Adds a line of the control plane to the event log.
    pub fn log(&self, severity: Severity, text: &str) {
        self.inner.inbox.line(severity, 255, text.to_owned());
    }

    /// Signs of life of all torus threads.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        let now_ns = self.inner.clock.now_ns();
        let pairs = self.inner.tori.iter().zip(&self.inner.shared.tori);
        pairs
            .map(|(lead, torus)| {
                let beat_ns = torus.beat_ns.load(Ordering::Acquire);
                Beat {
                    name: lead.name.clone(),
                    // Before its first turn a loop has no age; Node::start bounds that time.
                    age: Duration::from_nanos(if beat_ns == 0 { 0 } else { now_ns.saturating_sub(beat_ns) }),
                    failed: torus.ended().and_then(|ended| ended.failed),
                }
            })
            .collect()
    }

    /// What can be seen of each torus thread beside its page, in configuration order.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let probe = |torus: &super::shared::TorusShared| Probe {
            allocations: torus.allocations.load(Ordering::Relaxed),
            tid: torus.tid.load(Ordering::Relaxed),
            wakes: torus.wakes.load(Ordering::Relaxed),
        };
        self.inner.shared.tori.iter().map(probe).collect()
    }

    /// Whether someone asked the node to stop, or a torus thread failed so that it must.
    #[must_use]
    pub fn stop_asked(&self) -> bool {
        let failed = |torus: &super::shared::TorusShared| torus.failed().is_some();
        self.inner.shared.stop_asked.load(Ordering::Acquire) || self.inner.shared.tori.iter().any(failed)
    }

    /// Makes a torus thread panic, so that a test can see what the node does then.
    #[doc(hidden)]
    pub fn panic_torus(&self, name: &str) {
        let _ = self.command(name, Command::Panic, |_, _| String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Receiver, ring};
    use super::super::shared::Ended;
    use super::*;
    use shm_transport::backing::Pages as Backing;
    use shm_transport::region::Geometry;

    /// A handle on tori whose loops are this test: the other ends of their commands.
    fn handle(names: &[&str], folder: &std::path::Path) -> (NodeHandle, Vec<Receiver<Ticket>>) {
        std::fs::create_dir_all(folder).expect("a folder in the temporary folder");
        let (payload_bytes, slots) = (torus::projection::native::SIZE as u32, shm_transport::slot::SLOTS as u32);
        let count = names.len() as u8;
        let geometry = Geometry { tori: count, payload_bytes, slots, ring_records: 64, inject_records: 64 };
        let (mut tori, mut ends) = (Vec::new(), Vec::new());
        for (id, name) in names.iter().enumerate() {
            let (sender, receiver) = ring(8);
            let commands = Mutex::new(Commands { sender, last: 0 });
            tori.push(Lead { name: (*name).to_owned(), id: id as u8, commands });
            ends.push(receiver);
        }
        let inner = Inner {
            shared: Arc::new(NodeShared::new(names.len())),
            region: Arc::new(Region::private(geometry, Backing::Base).expect("memory")),
            pages: Arc::new(Pages::create(&folder.join("status"), 0o600, None, names.len()).expect("a page")),
            inbox: Arc::new(Inbox::default()),
            clock: Clock::new(),
            mode: Mutex::new(Mode::Rotate),
            tori,
            avm: None,
        };
        (NodeHandle { inner: Arc::new(inner) }, ends)
    }

    // A mode that one torus does not take is taken back from the others, and behind its order the late one finds the former mode.
    #[test]
    fn a_mode_is_taken_by_all_tori_or_given_back() {
        let folder = std::env::temp_dir().join(format!("trefoil-handle-{}", std::process::id()));
        let (handle, mut ends) = handle(&["A", "B"], &folder);
        let shared = Arc::clone(&handle.inner.shared);
        let mut late = ends.pop().expect("B");
        let mut prompt = ends.pop().expect("A");
        let a = std::thread::spawn(move || {
            let mut taken = Vec::new();
            while taken.len() < 2 {
                let Ok(ticket) = prompt.try_recv() else {
                    std::thread::yield_now();
                    continue;
                };
                taken.push(ticket.command);
                shared.tori[0].done.store(ticket.number, Ordering::Release);
            }
            taken
        });
        let refusal = handle.request(&Request::Mode { mode: "ring".to_owned() }).expect_err("B does not answer");
        assert!(refusal.error.contains("torus B did not answer"), "{}", refusal.error);
        assert!(
            refusal.error.ends_with("the mode stays rotate; the tori before it were set back"),
            "{}",
            refusal.error
        );
        let both = [Command::Mode(Mode::Ring), Command::Mode(Mode::Rotate)];
        assert_eq!(a.join().expect("no panic"), both);
        let taken: Vec<Command> = std::iter::from_fn(|| late.try_recv().ok()).map(|ticket| ticket.command).collect();
        assert_eq!(taken, both);
        assert_eq!(handle.inner.shared.mode.load(Ordering::Relaxed), -1, "the page keeps the former mode");
        let _ = std::fs::remove_dir_all(&folder);
    }

    // decisions:NODE-20: a torus that has failed stops the node, whatever its state was overwritten with.
    #[test]
    fn a_failed_torus_stops_the_node() {
        let folder = std::env::temp_dir().join(format!("trefoil-handle-failed-{}", std::process::id()));
        let (handle, _ends) = handle(&["A"], &folder);
        assert!(!handle.stop_asked());
        let torus = &handle.inner.shared.tori[0];
        torus.end(Ended { counters: torus::Counters::default(), digest: 0, failed: Some("panic".to_owned()) });
        torus.state.store(State::Paused as u32, Ordering::Release);
        assert!(handle.stop_asked());
        let _ = std::fs::remove_dir_all(&folder);
    }
}
