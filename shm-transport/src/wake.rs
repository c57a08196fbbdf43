//! The wait ladder: spin with `pause`, then sleep on a futex word in shared memory (decisions:NODE-14).
//!
//! One sleeper and any number of wakers share one word: 0 = awake, 1 = asleep or about to be. The sleeper sets it, puts
//! a full fence, looks once more for work, and only then sleeps while the word is still 1; a waker makes its work
//! visible, puts a full fence, and looks at the word. Of the two fences one is first, so either the sleeper sees the
//! work or the waker sees the 1 (Dekker). A waker that sees 0 makes no system call, which is every wake of a
//! spinning sleeper. The futex is not private: it works between processes that map the same page.

use crate::sync::{AtomicU64, Ordering, fence, spin_loop};

/// Words of one waiter: alone on its 128 bytes.
pub const WORDS: usize = crate::words::APART_WORDS;

/// Words a waiter takes.
pub const fn words_needed() -> usize {
    WORDS
}

/// Spins before the first sleep, about 2 us: less than half of what a futex sleep costs (transport-figures section 1).
pub const SPINS: u32 = 200;

const AWAKE: u64 = 0;
const ASLEEP: u64 = 1;

/// Sleeping on a word and waking its sleeper; the kernel's in production, a model under loom.
pub trait Futex {
    /// Sleeps while the low half of `word` is `expected`, until woken or `timeout_ns` have passed. May return early.
    fn wait(&self, word: &AtomicU64, expected: u32, timeout_ns: u64);
    /// Wakes one sleeper of `word`.
    fn wake(&self, word: &AtomicU64);
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// There was work within the spins: no system call was made.
    Spinning,
    /// There was work when looking again before or after a sleep.
    Woken {
        /// Sleeps it took, each one system call; 0 = the last look found it.
        sleeps: u32,
    },
    /// The time is over and there is no work.
    TimedOut,
}

/// The sleeping side of one word.
#[derive(Debug)]
pub struct Waiter<'r> {
    word: &'r AtomicU64,
}

impl<'r> Waiter<'r> {
    /// The sleeping side over the first of `words`; `None` when there is no word.
    pub fn new(words: &'r [AtomicU64]) -> Option<Self> {
        Some(Self { word: words.first()? })
    }

    /// Spins until `ready` says so, at most `spins` times. No system call.
    #[inline]
    pub fn spin(&self, spins: u32, mut ready: impl FnMut() -> bool) -> bool {
        for _ in 0..spins {
            if ready() {
                return true;
            }
            spin_loop();
        }
        false
    }

    /// Waits for `ready`: spins, then sleeps once for at most `timeout_ns`. Returns early on a spurious wake, as
    /// `TimedOut`: callers loop anyway, with their heartbeat in between.
    #[cfg(not(loom))]
    pub fn wait(&self, spins: u32, timeout_ns: u64, ready: impl FnMut() -> bool) -> Waited {
        self.wait_on(&SystemFutex, spins, timeout_ns, ready)
    }

    /// [`wait`](Self::wait) on a futex of the caller's choice.
    pub fn wait_on(&self, futex: &impl Futex, spins: u32, timeout_ns: u64, mut ready: impl FnMut() -> bool) -> Waited {
        if self.spin(spins, &mut ready) {
            return Waited::Spinning;
        }
        self.word.store(ASLEEP, Ordering::Relaxed);
        // Pairs with the fence in `wake_on`: the 1 is visible before the last look, or the work is seen by it.
        fence(Ordering::SeqCst);
        if ready() {
            self.word.store(AWAKE, Ordering::Relaxed);
            return Waited::Woken { sleeps: 0 };
        }
        futex.wait(self.word, ASLEEP as u32, timeout_ns);
        self.word.store(AWAKE, Ordering::Relaxed);
        if ready() { Waited::Woken { sleeps: 1 } } else { Waited::TimedOut }
    }
}

/// The waking side of one word; any number of them.
#[derive(Debug, Clone, Copy)]
pub struct Waker<'r> {
    word: &'r AtomicU64,
}

impl<'r> Waker<'r> {
    /// The waking side over the first of `words`; `None` when there is no word.
    pub fn new(words: &'r [AtomicU64]) -> Option<Self> {
        Some(Self { word: words.first()? })
    }

    /// Wakes the sleeper if there is one; to be called after the work was made visible. `true` = one system call was
    /// made, `false` = none was needed.
    #[cfg(not(loom))]
    #[inline]
    pub fn wake(&self) -> bool {
        self.wake_on(&SystemFutex)
    }

    /// [`wake`](Self::wake) on a futex of the caller's choice.
    #[inline]
    pub fn wake_on(&self, futex: &impl Futex) -> bool {
        // Pairs with the fence in `wait_on`.
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) == AWAKE {
            return false;
        }
        // Of several wakers one makes the call. The sleeper that has not slept yet finds the word changed and does not.
        if self.word.swap(AWAKE, Ordering::Relaxed) == AWAKE {
            return false;
        }
        futex.wake(self.word);
        true
    }
}

/// The kernel's futex, not private, on the low half of the word.
#[cfg(not(loom))]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFutex;

#[cfg(not(loom))]
impl Futex for SystemFutex {
    fn wait(&self, word: &AtomicU64, expected: u32, timeout_ns: u64) {
        system::wait(word, expected, timeout_ns);
    }

    fn wake(&self, word: &AtomicU64) {
        system::wake(word);
    }
}

#[cfg(not(loom))]
#[allow(unsafe_code)]
mod system {
    use super::AtomicU64;
    use nix::libc;

    const NS_PER_S: u64 = 1_000_000_000;

    pub(super) fn wait(word: &AtomicU64, expected: u32, timeout_ns: u64) {
        let timeout = libc::timespec {
            tv_sec: (timeout_ns / NS_PER_S).min(i32::MAX as u64) as libc::time_t,
            tv_nsec: (timeout_ns % NS_PER_S) as libc::c_long,
        };
        // SAFETY: the word lives as long as the borrow and is aligned to 8; on a little-endian machine (checked in
        // lib.rs) its first four bytes are its low half. The kernel only reads them. Result ignored: every reason to
        // return is a reason to look again. Test: wake::tests::a_sleeper_is_woken.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr().cast::<u32>(),
                libc::FUTEX_WAIT,
                expected,
                &raw const timeout,
                std::ptr::null::<u32>(),
                0u32,
            );
        }
    }

    pub(super) fn wake(word: &AtomicU64) {
        // SAFETY: as above; FUTEX_WAKE touches no memory. Test: wake::tests::a_sleeper_is_woken.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr().cast::<u32>(),
                libc::FUTEX_WAKE,
                1i32,
                std::ptr::null::<libc::timespec>(),
                std::ptr::null::<u32>(),
                0u32,
            );
        }
    }
}
