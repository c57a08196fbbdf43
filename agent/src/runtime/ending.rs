//! The bounded stop of a node (`rse:B7`): the tori get their time, then the recorder's last write, then the keeper's last page.
//! Who does not end in its time is given up: its counters are those of its last page, the node has failed, and its thread goes
//! with the process.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::page::{Text, TorusPage};
use torus::Counters;

use super::events::Severity;
use super::handle::Lead;
use super::keeper::Phase;
use super::node::Node;
use super::shared::{Ended, State};

/// How long the tori may take; a loop that comes round takes less than 100 ms.
const TORI: Duration = Duration::from_secs(1);
/// How long the recorder may take after them: its last write.
const WRITER: Duration = Duration::from_secs(2);
/// How long the keeper may take after that: it looks 50 times a second.
const KEEPER: Duration = Duration::from_millis(500);
/// How long all of it may take when it is asked for a second time.
const HURRY: Duration = Duration::from_millis(300);
/// How often [`Node::stop`] looks.
const LOOK: Duration = Duration::from_millis(1);

// The unit's TimeoutStopSec is 5 s, and its watchdog 4 s: the end must come before both.
const _: () = assert!(TORI.as_millis() + WRITER.as_millis() + KEEPER.as_millis() < 4_000);

/// How one torus ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorusFinal {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub id: u8,
    /// Counters at the end; those of its last page when it did not stop.
    pub counters: Counters,
    /// State digest at the end.
    pub digest: u64,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// How the node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// Its tori, in configuration order; none when it was told to stop before it ran.
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

/// How far a stop has come.
#[derive(Debug)]
pub(super) struct Stopping {
    began: Instant,
    hurried: bool,
    /// How long the tori took, once they are done or given up.
    took: Option<Duration>,
    outcome: Option<Final>,
}

impl Stopping {
    /// Whether what takes so long after the start of the stop is given up now.
    fn over(&self, patience: Duration) -> bool {
        self.began.elapsed() >= if self.hurried { HURRY } else { patience }
    }
}

impl Node {
    /// Stops the tori, which takes less than 100 ms when their loops come round, and returns their final counters; again and
    /// again the same answer (`rse:B7`). No barrier: each loop looks at the flag once a turn, and a turn is bounded. Bounded
    /// also when a torus hangs or the recorder's disk does not answer: at most 3.5 s, and the answer says who was given up.
    pub fn stop(&mut self) -> Final {
        loop {
            if let Some(ended) = self.poll_stop() {
                return ended;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Begins to stop, or looks how far it has come; never waits.
    pub fn poll_stop(&mut self) -> Option<Final> {
        if let Some(ended) = &self.ended {
            return Some(ended.clone());
        }
        let mut stopping = self.stopping.take().unwrap_or_else(|| self.begin_stop());
        let ended = self.advance(&mut stopping);
        self.ended.clone_from(&ended);
        self.stopping = Some(stopping);
        ended
    }

    /// Asked to stop again: from now on nobody gets more than 300 ms in all.
    pub fn hurry(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            stopping.hurried = true;
        }
    }

    fn begin_stop(&self) -> Stopping {
        let inner = &self.handle.inner;
        inner.inbox.phase.store(Phase::Stopping as u32, Ordering::Release);
        inner.shared.stop.store(true, Ordering::Release);
        // Tori that still wait for their cluster end in order too: they pass the gate and find that they are to stop.
        let (closed, open) = (super::shared::Gate::Closed as u32, super::shared::Gate::Open as u32);
        let _ = inner.shared.gate.compare_exchange(closed, open, Ordering::AcqRel, Ordering::Acquire);
        for lead in &inner.tori {
            if let Some(waker) = inner.region.waker(lead.id) {
                waker.wake();
            }
        }
        Stopping { began: Instant::now(), hurried: false, took: None, outcome: None }
    }

    fn advance(&mut self, stopping: &mut Stopping) -> Option<Final> {
        let took = match stopping.took {
            Some(took) => took,
            None => {
                if !self.threads.iter().all(JoinHandle::is_finished) && !stopping.over(TORI) {
                    return None;
                }
                let took = stopping.began.elapsed();
                self.leave_tori(took);
                *stopping.took.insert(took)
            }
        };
        if stopping.outcome.is_none() {
            if !self.writer.as_ref().is_none_or(JoinHandle::is_finished) && !stopping.over(TORI + WRITER) {
                return None;
            }
            stopping.outcome = Some(self.conclude(took));
        }
        if !self.keeper.as_ref().is_none_or(JoinHandle::is_finished) && !stopping.over(TORI + WRITER + KEEPER) {
            return None;
        }
        self.keeper = None;
        stopping.outcome.clone()
    }

    /// The tori that have not ended get the word spoken for them. Their threads keep what they use: each holds its own share
    /// of the region and the page.
    fn leave_tori(&mut self, took: Duration) {
        let inner = &self.handle.inner;
        for (at, thread) in self.threads.drain(..).enumerate() {
            let shared = &inner.shared.tori[at];
            if thread.is_finished() {
                // The body catches its own panics.
                let _ = thread.join();
            }
            let mut given_up = false;
            shared.give_up(|| {
                given_up = true;
                let page = inner.pages.torus(at);
                let why = format!("did not stop within {} ms: its loop hangs", took.as_millis());
                Ended { counters: counters_of(&page), digest: page.digest, failed: Some(why) }
            });
            if given_up {
                if let Some(tape) = &self.tape {
                    tape.gap(inner.tori[at].id);
                }
                let why = shared.failed().unwrap_or_default();
                // The one place where a second thread writes this record; the first one hangs and ends with the process.
                inner.pages.amend_torus(at, inner.clock.now_ns(), |page| {
                    page.state = State::Failed as u32;
                    page.reason = Text::new(&why);
                });
            }
        }
        if let Some(tape) = &self.tape {
            tape.close();
        }
    }

    fn conclude(&mut self, took: Duration) -> Final {
        let recording = self.conclude_recording();
        let inner = &self.handle.inner;
        let tori = inner.tori.iter().zip(&inner.shared.tori);
        let tori = tori.map(|(lead, torus)| final_of(lead, torus.ended())).collect();
        let ended = Final { tori, took, recording };
        let phase = if ended.failed() { Phase::Failed } else { Phase::Stopped };
        inner.inbox.line(Severity::Notice, 255, format!("stopped; the tori took {} ms", took.as_millis()));
        inner.inbox.phase.store(phase as u32, Ordering::Release);
        ended
    }

    /// Why the recording is not whole.
    fn conclude_recording(&mut self) -> Option<String> {
        let writer = self.writer.take()?;
        if !writer.is_finished() {
            return Some(
                "its writer did not end: the disk does not answer; what was last recorded is missing".to_owned(),
            );
        }
        match writer.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(format!("writing failed: {error}; what follows is missing")),
            Err(_) => return Some("its writer panicked".to_owned()),
        }
        let gaps = self.tape.as_ref().map_or(0, |tape| tape.gaps());
        let tori = self.handle.inner.tori.iter().filter(|lead| gaps & (1 << lead.id) != 0);
        let names: Vec<&str> = tori.map(|lead| lead.name.as_str()).collect();
        (gaps != 0).then(|| {
            format!(
                "inputs of {} are missing: the writer did not keep up, or the torus did not stop; raise record.ring_entries, \
                 record to a faster disk, or set record.on_full = \"stall\"",
                names.join(", ")
            )
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

fn final_of(lead: &Lead, ended: Option<Ended>) -> TorusFinal {
    let (name, id) = (lead.name.clone(), lead.id);
    let ended = ended.unwrap_or_else(|| Ended {
        counters: Counters::default(),
        digest: 0,
        failed: Some("its thread ended without a word".to_owned()),
    });
    TorusFinal { name, id, counters: ended.counters, digest: ended.digest, failed: ended.failed }
}

fn counters_of(page: &TorusPage) -> Counters {
    Counters {
        injected: page.injected,
        injected_corrective: page.injected_corrective,
        generated: page.generated,
        executed: page.executed,
        pending: page.pending,
        rejected: page.rejected,
        handed_out: page.handed_out,
        handed_in: page.handed_in,
        lost: page.lost,
        clock: page.clock_ticks,
        high_water: page.high_water,
    }
}
