//! The keeper: the thread beside the tori that turns their notices into the log, keeps the node's page alive, and watches
//! whether every loop still comes round. It polls; a torus thread never has to wake it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control::page::{HostPage, NodePage, Text};

use super::clock::{Clock, thread_cpu_ns};
use torus::braid::Change;

use super::events::{EventLog, Happening, Notice, Severity};
use super::neighbours::Neighbours;
use super::pages::Pages;
use super::ring::Gather;
use super::shared::{NodeShared, State};

/// How often the keeper looks.
const POLL: Duration = Duration::from_millis(20);
/// How often it writes its pages, ns.
const WRITE_NS: u64 = 100_000_000;
/// A loop that has not come round for so long hangs, ns.
const HUNG_NS: u64 = 1_000_000_000;
/// How long something bad stays the worst thing of the node's page, ns.
const RECENT_NS: u64 = 60_000_000_000;

/// Phases of the node; the codes of `control::page::NodePage::phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Coming up.
    Starting = 0,
    /// Working.
    Running = 1,
    /// Going down.
    Stopping = 2,
    /// Ended in order.
    Stopped = 3,
    /// Ended by a failure.
    Failed = 4,
}

/// What other threads leave for the keeper.
#[derive(Debug, Default)]
pub struct Inbox {
    /// A [`Phase`].
    pub phase: AtomicU32,
    /// Newest readings of the host's sensors, once.
    pub host: Mutex<Option<Box<HostPage>>>,
    /// Lines of the control side: severity, torus (255 = node), text.
    pub lines: Mutex<Vec<(Severity, u8, String)>>,
}

/// Most lines that wait in the inbox.
const LINES: usize = 256;

impl Inbox {
    /// Leaves a line for the log.
    pub fn line(&self, severity: Severity, torus: u8, text: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push((severity, torus, text));
        }
    }
}

/// The keeper's state.
#[derive(Debug)]
pub struct Keeper {
    pub(super) shared: Arc<NodeShared>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) pages: Arc<Pages>,
    pub(super) notices: Gather<Notice>,
    pub(super) log: EventLog,
    pub(super) neighbours: Neighbours,
    pub(super) clock: Clock,
    pub(super) node: Box<NodePage>,
    /// Names and braid ids of the tori, in configuration order.
    pub(super) names: Vec<(String, u8)>,
    /// What is degraded since start, worst first; shown when nothing is worse.
    pub(super) degraded: Vec<String>,
    pub(super) hung: Vec<bool>,
    pub(super) failed: Vec<bool>,
    pub(super) trouble: Option<(u64, String)>,
    pub(super) dropped: u64,
    pub(super) written_ns: u64,
}

impl Keeper {
    /// Polls until the phase is one of the last two; then writes everything once more and ends.
    pub fn run(mut self) {
        loop {
            let phase = self.inbox.phase.load(Ordering::Acquire);
            let last = phase >= Phase::Stopped as u32;
            self.tick(phase, last);
            if last {
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    fn tick(&mut self, phase: u32, last: bool) {
        let now_ns = self.clock.now_ns();
        let unix_ns = self.clock.unix_ns(now_ns);
        for _ in 0..super::notices::CAPACITY {
            let Ok(notice) = self.notices.try_recv() else { break };
            self.remember(&notice, now_ns);
            self.log.take(notice);
        }
        self.neighbours.look(&self.shared);
        let dropped = self.shared.tori.iter().map(|torus| torus.notices_dropped.load(Ordering::Relaxed)).sum::<u64>();
        self.log.suppressed(dropped.saturating_sub(self.dropped));
        self.dropped = dropped;
        let lines = std::mem::take(&mut *self.inbox.lines.lock().unwrap_or_else(PoisonError::into_inner));
        for (severity, torus, text) in lines {
            if severity == Severity::Error {
                self.trouble = Some((now_ns, text.clone()));
            }
            self.log.about(unix_ns, severity, torus, &text);
        }
        if last || now_ns.saturating_sub(self.written_ns) >= WRITE_NS {
            self.written_ns = now_ns;
            if let Some(why) = self.neighbours.damage() {
                self.log.node(unix_ns, Severity::Error, &format!("{why}; the node stops"));
                self.trouble = Some((now_ns, "the region is damaged".to_owned()));
                self.shared.stop_asked.store(true, Ordering::Release);
            }
            self.watch(now_ns, unix_ns, phase);
            self.log.tick(unix_ns, last);
            self.write(now_ns, unix_ns, phase);
        }
    }

    /// Bad news stay the worst thing of the node's page for a while.
    fn remember(&mut self, notice: &Notice, now_ns: u64) {
        let name = |id: u8| {
            let own = self.names.iter().find(|(_, own)| *own == id);
            own.map_or_else(|| char::from(b'A' + id.min(25)).to_string(), |(name, _)| name.clone())
        };
        let text = match notice.what {
            Happening::Broken(broken) => {
                format!("messages of {} and {} do not add up", name(notice.torus), name(broken.peer))
            }
            Happening::Change(Change::Failed { peer, .. }) | Happening::Killed { peer, .. } => {
                format!("torus {} failed", name(peer))
            }
            Happening::Change(Change::Alone) => format!("torus {} is alone", name(notice.torus)),
            Happening::Overflow => format!("torus {} stopped: queue full", name(notice.torus)),
            Happening::RecordingBroken => "the recording is broken".to_owned(),
            _ => return,
        };
        self.trouble = Some((now_ns, text));
    }

    /// Hung and failed loops; CPU time of the threads, which they cannot read themselves without a system call.
    fn watch(&mut self, now_ns: u64, unix_ns: u64, phase: u32) {
        for (at, torus) in self.shared.tori.iter().enumerate() {
            torus.cpu_ns.store(thread_cpu_ns(torus.tid.load(Ordering::Relaxed)), Ordering::Relaxed);
            let (name, id) = &self.names[at];
            let state = torus.state.load(Ordering::Acquire);
            if let Some(why) = torus.failed() {
                if !std::mem::replace(&mut self.failed[at], true) {
                    self.log.about(unix_ns, Severity::Error, *id, &format!("{name} failed: {why}; the node stops"));
                    self.shared.stop_asked.store(true, Ordering::Release);
                }
                continue;
            }
            let beat_ns = torus.beat_ns.load(Ordering::Acquire);
            let age_ns = now_ns.saturating_sub(beat_ns);
            let hung =
                phase == Phase::Running as u32 && beat_ns != 0 && age_ns > HUNG_NS && state < State::Stopped as u32;
            if hung != self.hung[at] {
                self.hung[at] = hung;
                let text = if hung {
                    format!(
                        "{name} hangs: its loop has not come round for {} ms; watchdog withheld",
                        age_ns / 1_000_000
                    )
                } else {
                    format!("{name} comes round again")
                };
                let severity = if hung { Severity::Error } else { Severity::Notice };
                self.log.about(unix_ns, severity, *id, &text);
            }
        }
    }

    fn worst(&self, now_ns: u64) -> String {
        if let Some(at) = self.failed.iter().position(|failed| *failed) {
            return format!("torus {} failed", self.names[at].0);
        }
        if let Some(at) = self.hung.iter().position(|hung| *hung) {
            return format!("torus {} hangs", self.names[at].0);
        }
        match &self.trouble {
            Some((at_ns, text)) if now_ns.saturating_sub(*at_ns) < RECENT_NS => text.clone(),
            _ => self.degraded.first().cloned().unwrap_or_default(),
        }
    }

    fn write(&mut self, now_ns: u64, unix_ns: u64, phase: u32) {
        let worst = self.worst(now_ns);
        self.node.phase = phase;
        self.node.heartbeat_ns = now_ns;
        self.node.now_unix_ns = unix_ns;
        self.node.worst = Text::new(&worst);
        if let mode @ (0 | 1) = self.shared.mode.load(Ordering::Relaxed) {
            self.node.mode = mode as u32;
        }
        self.pages.write_node(now_ns, &self.node);
        self.pages.write_events(now_ns, self.log.page());
        let host = self.inbox.host.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(host) = host {
            self.pages.write_host(now_ns, &host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keeper over a page of one torus, with nobody else there.
    fn keeper(folder: &std::path::Path) -> Keeper {
        std::fs::create_dir_all(folder).expect("a folder in the temporary folder");
        let mut node = Box::new(NodePage::default());
        (node.magic, node.version, node.tori) = (control::page::MAGIC, control::page::VERSION, 1);
        Keeper {
            shared: Arc::new(NodeShared::new(1)),
            inbox: Arc::new(Inbox::default()),
            pages: Arc::new(Pages::create(&folder.join("status"), 0o600, None, 1).expect("a page")),
            notices: Gather::new(Vec::new()),
            log: EventLog::new(vec!["A".to_owned()]),
            neighbours: Neighbours::default(),
            clock: Clock::new(),
            node,
            names: vec![("A".to_owned(), 0)],
            degraded: vec!["core 9 is absent".to_owned()],
            hung: vec![false],
            failed: vec![false],
            trouble: None,
            dropped: 0,
            written_ns: 0,
        }
    }

    // decisions:NODE-20: a loop that does not come round is said, is the worst thing of the page, and is taken back when it does.
    #[test]
    fn a_hung_loop_is_said_and_taken_back() {
        let folder = std::env::temp_dir().join(format!("trefoil-keeper-{}", std::process::id()));
        let mut keeper = keeper(&folder);
        let running = Phase::Running as u32;
        let torus = Arc::clone(&keeper.shared);
        let now_ns = keeper.clock.now_ns();
        torus.tori[0].state.store(State::Run as u32, Ordering::Relaxed);
        torus.tori[0].beat_ns.store(now_ns, Ordering::Relaxed);
        keeper.tick(running, true);
        let worst = |keeper: &Keeper| keeper.pages.snapshot(0).expect("a page").node.worst;
        assert_eq!(worst(&keeper), "core 9 is absent");
        torus.tori[0].beat_ns.store(now_ns.saturating_sub(2 * HUNG_NS), Ordering::Relaxed);
        keeper.tick(running, true);
        assert_eq!(worst(&keeper), "torus A hangs");
        torus.tori[0].beat_ns.store(keeper.clock.now_ns(), Ordering::Relaxed);
        keeper.tick(running, true);
        assert_eq!(worst(&keeper), "core 9 is absent");
        let events = keeper.pages.snapshot(0).expect("a page").events;
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        assert!(texts[0].starts_with("A hangs: its loop has not come round for"), "{texts:?}");
        assert_eq!(texts[1..], ["A comes round again"]);
        let _ = std::fs::remove_dir_all(&folder);
    }

    // decisions:NODE-20: what is folded when the node ends carries the time of the end, and a failure counts whatever the loop of
    // a torus that was given up still writes as its state.
    #[test]
    fn the_last_lines_carry_their_time() {
        let folder = std::env::temp_dir().join(format!("trefoil-keeper-last-{}", std::process::id()));
        let mut keeper = keeper(&folder);
        for count in 1..=3 {
            let what = Happening::HandedOver { to: 0, count, own: 9, peer: 1, cause: torus::braid::Cause::Total };
            keeper.log.take(Notice { torus: 0, at_unix_ns: keeper.clock.unix_ns(keeper.clock.now_ns()), what });
        }
        let torus = Arc::clone(&keeper.shared);
        let why = Some("did not stop".to_owned());
        torus.tori[0].give_up(|| super::super::shared::Ended {
            counters: torus::Counters::default(),
            digest: 0,
            failed: why,
        });
        torus.tori[0].state.store(State::Run as u32, Ordering::Relaxed);
        keeper.tick(Phase::Stopped as u32, true);
        let now_unix_ns = keeper.clock.unix_ns(keeper.clock.now_ns());
        let page = keeper.pages.snapshot(0).expect("a page");
        assert_eq!(page.events.len(), 3, "{:?}", page.events);
        assert!(page.events.iter().all(|event| event.at_unix_ns <= now_unix_ns), "{:?}", page.events);
        assert_eq!(page.node.worst, "torus A failed");
        let _ = std::fs::remove_dir_all(&folder);
    }
}
