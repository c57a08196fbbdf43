//! What a torus thread and the threads around it share: atomics, each written by one side.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use torus::{Counters, MAX_TORI, Mode};

/// States of a torus; the codes of `control::page::TorusPage::state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Coming up.
    Starting = 0,
    /// Executing.
    Run = 1,
    /// Paused by hand.
    Paused = 2,
    /// Nothing to do.
    Waiting = 3,
    /// Ended in order.
    Stopped = 4,
    /// Ended by a failure.
    Failed = 5,
}

/// Bias of a node that drains: above every queue, so that no peer is ever more loaded.
pub const DRAIN: u64 = 1 << 32;

/// Start gate of the torus threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Gate {
    /// Others are still getting ready.
    Closed = 0,
    /// Go.
    Open = 1,
    /// Something failed elsewhere: end without running.
    Abort = 2,
}

/// Between one torus thread and the rest. On lines of its own: the loop writes here each time it comes round.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TorusShared {
    /// CLOCK_MONOTONIC when the loop last came round, ns. Written by the torus.
    pub beat_ns: AtomicU64,
    /// A [`State`]. Written by the torus; by whoever catches its panic.
    pub state: AtomicU32,
    /// Kernel thread id. Written by the torus once.
    pub tid: AtomicU32,
    /// Ticket of the last command it took. Written by the torus.
    pub done: AtomicU64,
    /// How many events that command moved. Written by the torus before `done`.
    pub done_count: AtomicU64,
    /// Notices that found the channel full. Written by the torus.
    pub notices_dropped: AtomicU64,
    /// Allocations of the thread since the loop began; only a counting allocator makes it move. Written by the torus.
    pub allocations: AtomicU64,
    /// Wakes it made by system call. Written by the torus.
    pub wakes: AtomicU64,
    /// CPU time of the thread, ns. Written by the control thread: reading it is a system call.
    pub cpu_ns: AtomicU64,
    /// How it ended. Written once, when the thread ends.
    pub ended: Mutex<Option<Ended>>,
}

/// How a torus thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Counters at the end; zero when it panicked.
    pub counters: Counters,
    /// State digest at the end.
    pub digest: u64,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

impl TorusShared {
    /// Stores how the thread ended.
    pub fn end(&self, ended: Ended) {
        let state = if ended.failed.is_some() { State::Failed } else { State::Stopped };
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        self.state.store(state as u32, Ordering::Release);
    }

    /// Stores how it ended for a thread that does not say so itself. A thread that did keeps its own word.
    pub fn give_up(&self, ended: impl FnOnce() -> Ended) {
        let mut place = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(ended());
            self.state.store(State::Failed as u32, Ordering::Release);
        }
    }

    /// Notes that the torus took a pause; the state of one that has ended stays.
    pub fn paused(&self) {
        let paused = |state| (state < State::Stopped as u32).then_some(State::Paused as u32);
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, paused);
    }

    /// Why the thread failed, if it did. Not from `state`, which the loop of a torus that was given up may still write.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.ended().and_then(|ended| ended.failed)
    }

    /// How the thread ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Between all threads of the node.
#[derive(Debug)]
pub struct NodeShared {
    /// The tori shall end. Written by the stopping thread.
    pub stop: AtomicBool,
    /// A [`Gate`]. Written by the starting thread.
    pub gate: AtomicU32,
    /// The start is called off. Written by whoever hears the signal.
    pub cancel: Arc<AtomicBool>,
    /// Somebody asked the node to stop, or a torus failed.
    pub stop_asked: AtomicBool,
    /// Mode asked for by hand: -1 as configured, 0 rotate, 1 ring.
    pub mode: AtomicI32,
    /// Busy share of the host's CPUs, per mille; 0 until it was read. Written by the control thread, put into projections.
    pub cpu_permille: AtomicU32,
    /// Events by which the tori of this node count as more loaded than they are: how a field between nodes moves work. A torus
    /// under [`DRAIN`] takes nothing and gives everything.
    pub load_bias: AtomicU64,
    /// By braid id the boot of a peer whose process is known to be gone; 0 = none. Written by the keeper, read by the tori.
    pub gone: [AtomicU64; MAX_TORI],
    /// One each, in configuration order.
    pub tori: Vec<TorusShared>,
}

impl NodeShared {
    /// For a node of `tori` tori.
    #[must_use]
    pub fn new(tori: usize) -> Self {
        Self::with_cancel(tori, Arc::default())
    }

    /// For a node of `tori` tori whose start `cancel` calls off.
    #[must_use]
    pub fn with_cancel(tori: usize, cancel: Arc<AtomicBool>) -> Self {
        Self {
            stop: AtomicBool::new(false),
            gate: AtomicU32::new(Gate::Closed as u32),
            cancel,
            stop_asked: AtomicBool::new(false),
            mode: AtomicI32::new(-1),
            cpu_permille: AtomicU32::new(0),
            load_bias: AtomicU64::new(0),
            gone: Default::default(),
            tori: (0..tori).map(|_| TorusShared::default()).collect(),
        }
    }

    /// The gate now.
    #[must_use]
    pub fn gate(&self) -> Gate {
        match self.gate.load(Ordering::Acquire) {
            1 => Gate::Open,
            2 => Gate::Abort,
            _ if self.cancel.load(Ordering::Acquire) => Gate::Abort,
            _ => Gate::Closed,
        }
    }
}

/// What the control side asks of a torus thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Execute nothing.
    Pause,
    /// Go on.
    Resume,
    /// Execute so many events although paused.
    Step {
        /// Events.
        count: u32,
    },
    /// Set the braid interval; `None` hands it back to the rule.
    Interval {
        /// Ticks.
        ticks: Option<u32>,
    },
    /// Change which projections are applied.
    Mode(Mode),
    /// Panic, so that a test can see what the node does then.
    Panic,
}

/// A command with the number its completion is reported under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Number, from 1.
    pub number: u64,
    /// What to do.
    pub command: Command,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Ended {
        Ended { counters: Counters::default(), digest: 0, failed: Some("panic".to_owned()) }
    }

    // decisions:NODE-20: a failure is not overwritten by a pause that was under way, nor by giving the thread up.
    #[test]
    fn a_pause_does_not_hide_a_failure() {
        let torus = TorusShared::default();
        torus.paused();
        assert_eq!(torus.state.load(Ordering::Acquire), State::Paused as u32);
        torus.end(failed());
        torus.paused();
        assert_eq!(torus.state.load(Ordering::Acquire), State::Failed as u32);
        torus.give_up(|| Ended { counters: Counters::default(), digest: 0, failed: Some("did not stop".to_owned()) });
        assert_eq!(torus.failed().as_deref(), Some("panic"));
    }

    #[test]
    fn a_start_that_is_called_off_sends_the_threads_home() {
        let cancel = Arc::new(AtomicBool::new(false));
        let node = NodeShared::with_cancel(1, Arc::clone(&cancel));
        assert_eq!(node.gate(), Gate::Closed);
        cancel.store(true, Ordering::Release);
        assert_eq!(node.gate(), Gate::Abort);
    }
}
