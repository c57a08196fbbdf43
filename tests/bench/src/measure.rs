//! How figures are taken: pinned, interleaved, medians, with the machine's mode beside them (transport-figures section 0).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Pins the calling thread to one core; says whether it worked.
pub fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
}

/// The cores this process may use, as they were before anything was pinned.
fn allowed() -> &'static CpuSet {
    static ALLOWED: OnceLock<CpuSet> = OnceLock::new();
    ALLOWED.get_or_init(|| sched_getaffinity(Pid::from_raw(0)).unwrap_or_default())
}

/// Releases the calling thread to all cores.
pub fn unpin() {
    // A thread that stays pinned only measures a little worse.
    let _ = sched_setaffinity(Pid::from_raw(0), allowed());
}

/// Cores of this machine that the process may use; call it once before pinning.
pub fn cores() -> usize {
    (0..CpuSet::count()).filter(|&core| allowed().is_set(core).unwrap_or(false)).count()
}

/// Whether the two cores behave like hyper-threads of one core at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One core only: nothing between cores can be measured.
    OneCore,
    /// A word goes there and back in less than 120 ns.
    Siblings,
    /// Slower: separate cores.
    Separate,
}

/// The mode and the round trip of one word between cores 0 and 1, ns.
pub fn machine_mode() -> (Mode, f64) {
    if cores() < 2 {
        return (Mode::OneCore, 0.0);
    }
    let rtt_ns = word_round_trip_ns(20_000);
    (if rtt_ns < 120.0 { Mode::Siblings } else { Mode::Separate }, rtt_ns)
}

#[repr(align(128))]
struct Line(AtomicU64);

fn word_round_trip_ns(rounds: u64) -> f64 {
    let ping = Line(AtomicU64::new(0));
    let pong = Line(AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            for round in 1..=rounds {
                while ping.0.load(Ordering::Acquire) != round {
                    std::hint::spin_loop();
                }
                pong.0.store(round, Ordering::Release);
            }
        });
        pin(0);
        let mut taken = Vec::with_capacity(rounds as usize);
        for round in 1..=rounds {
            let start = Instant::now();
            ping.0.store(round, Ordering::Release);
            while pong.0.load(Ordering::Acquire) != round {
                std::hint::spin_loop();
            }
            taken.push(start.elapsed().as_nanos() as f64);
        }
        unpin();
        crate::report::median(taken.split_off(rounds as usize / 20))
    })
}

/// Runs ours and the peer alternately, `rounds` times, and returns the pairs.
pub fn interleave(rounds: usize, mut ours: impl FnMut() -> f64, mut peer: impl FnMut() -> f64) -> Vec<(f64, f64)> {
    assert!(rounds >= 5, "medians of at least 5");
    // One unmeasured pass of each: caches, page faults, branch predictors.
    ours();
    peer();
    alternate(rounds, ours, peer)
}

/// Runs ours and the peer alternately, `rounds` times, without a pass to warm up.
pub fn alternate<T>(rounds: usize, mut ours: impl FnMut() -> T, mut peer: impl FnMut() -> T) -> Vec<(T, T)> {
    (0..rounds)
        .map(|round| {
            // Alternate who goes first, so that a drift of the machine favours nobody.
            if round % 2 == 0 {
                let ours = ours();
                (ours, peer())
            } else {
                let peer = peer();
                (ours(), peer)
            }
        })
        .collect()
}

/// Seconds that `work` took.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Nanoseconds per call of `work`, over `calls` calls.
pub fn ns_per_call(calls: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// Percentile (0..=100) of samples.
pub fn percentile(samples: &mut [u64], percent: f64) -> f64 {
    assert!(!samples.is_empty(), "a percentile needs samples");
    samples.sort_unstable();
    let at = ((samples.len() - 1) as f64 * percent / 100.0).round() as usize;
    samples[at] as f64
}
