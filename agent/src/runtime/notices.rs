//! The torus thread's way to say something: a bounded channel that is polled on the other side.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;

use super::clock::Clock;
use super::events::{Happening, Notice};

/// Notices that may wait for the keeper, over all tori.
pub const CAPACITY: usize = 4096;

/// Sends notices of one torus; never waits, allocates nothing, and makes no system call, because nobody ever blocks on the
/// receiving side.
#[derive(Debug)]
pub struct Notices<'a> {
    /// Torus id.
    pub torus: u8,
    /// Where they go.
    pub sender: Sender<Notice>,
    /// Counts those that found the channel full.
    pub dropped: &'a AtomicU64,
    /// Turns the loop's time into wall time.
    pub clock: Clock,
}

impl Notices<'_> {
    /// Says it, or counts that it could not be said.
    pub fn say(&self, now_ns: u64, what: Happening) {
        let notice = Notice { torus: self.torus, at_unix_ns: self.clock.unix_ns(now_ns), what };
        if self.sender.try_send(notice).is_err() {
            self.dropped.store(self.dropped.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}
