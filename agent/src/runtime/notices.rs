//! The torus thread's way to say something: a bounded ring of its own that the keeper polls ([`super::ring`] says why a ring).

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::Clock;
use super::events::{Happening, Notice};
use super::ring::Sender;

/// Notices of one torus that may wait for the keeper.
pub const CAPACITY: usize = 2048;

/// Sends notices of one torus; never waits for another thread, allocates nothing, and makes no system call.
#[derive(Debug)]
pub struct Notices<'a> {
    /// Torus id.
    pub torus: u8,
    /// Where they go.
    pub sender: Sender<Notice>,
    /// Counts those that found the ring full.
    pub dropped: &'a AtomicU64,
    /// Turns the loop's time into wall time.
    pub clock: Clock,
}

impl Notices<'_> {
    /// Says it, or counts that it could not be said.
    pub fn say(&mut self, now_ns: u64, what: Happening) {
        let notice = Notice { torus: self.torus, at_unix_ns: self.clock.unix_ns(now_ns), what };
        if self.sender.try_send(notice).is_err() {
            self.dropped.store(self.dropped.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::ring;
    use super::*;

    // decisions:NODE-14: a keeper that takes nothing costs notices, which are counted, and never time.
    #[test]
    fn a_full_ring_counts_what_it_could_not_take() {
        let dropped = AtomicU64::new(0);
        let (sender, mut taken) = ring(4);
        let mut notices = Notices { torus: 2, sender, dropped: &dropped, clock: Clock::new() };
        for _ in 0..10 {
            notices.say(0, Happening::Paused);
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 6);
        assert_eq!(taken.try_recv().map(|notice| (notice.torus, notice.what)), Ok((2, Happening::Paused)));
        notices.say(0, Happening::Resumed);
        assert_eq!(dropped.load(Ordering::Relaxed), 6, "a place was free again");
    }
}
