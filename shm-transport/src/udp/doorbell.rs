//! The doorbell of a thread that sleeps in [`super::Udp::wait`]: others say that they left it something.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::wake::{Futex, SystemFutex};

const AWAKE: u64 = 0;
/// What the word holds while the thread sleeps, and what the ring's futex wait expects.
pub(super) const ASLEEP: u64 = 1;

/// One sleeper, any number of ringers. Ringing is one fence and two words while the sleeper is awake, one system call while it
/// sleeps. The protocol is that of [`crate::wake`]: whoever is second sees what the first one did.
#[derive(Debug, Default)]
pub struct Doorbell {
    /// Low half = the futex. Alone on its lines: ringers write it.
    word: Apart,
    rung: AtomicBool,
    /// Where the kernel has no ring, the sleeper polls this beside its socket.
    event: OnceLock<EventFd>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart(AtomicU64);

impl Doorbell {
    /// Not rung, nobody asleep.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the sleeper, or keeps it from falling asleep. Call it after the work was made visible.
    pub fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.word.0.load(Ordering::Relaxed) == AWAKE || self.word.0.swap(AWAKE, Ordering::Relaxed) == AWAKE {
            return;
        }
        match self.event.get() {
            // Full means that it was rung 2^64 times: it is readable all the same.
            Some(event) => drop(event.write(1)),
            None => SystemFutex.wake(&self.word.0),
        }
    }

    /// Takes the ring off the bell; `true` if it was rung since the last time.
    pub fn answer(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::AcqRel)
    }

    /// The sleeper is about to sleep; `false` = it was rung meanwhile and must not.
    pub(super) fn doze(&self) -> bool {
        self.word.0.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.rung.load(Ordering::Relaxed) {
            self.word.0.store(AWAKE, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// The sleeper is awake.
    pub(super) fn rise(&self) {
        self.word.0.store(AWAKE, Ordering::Relaxed);
    }

    pub(super) fn futex(&self) -> *const u32 {
        self.word.0.as_ptr().cast::<u32>().cast_const()
    }

    /// Makes the descriptor for pollers.
    pub(super) fn event(&self) -> nix::Result<&EventFd> {
        if self.event.get().is_none() {
            let made = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
            let _ = self.event.set(made);
        }
        self.event.get().ok_or(nix::errno::Errno::EINVAL)
    }
}
