//! Time for the torus loop: `CLOCK_MONOTONIC` by the vDSO, which reads the counter without entering the kernel.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` and the distance of the wall clock from it, measured once.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    unix_offset_ns: u64,
}

impl Clock {
    /// Measures the distance.
    #[must_use]
    pub fn new() -> Self {
        Self { unix_offset_ns: read_ns(ClockId::CLOCK_REALTIME).wrapping_sub(read_ns(ClockId::CLOCK_MONOTONIC)) }
    }

    /// Now, ns.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        read_ns(ClockId::CLOCK_MONOTONIC)
    }

    /// Unix time of a monotonic time, ns; off by what the wall clock was set since start.
    #[must_use]
    pub fn unix_ns(&self, now_ns: u64) -> u64 {
        now_ns.wrapping_add(self.unix_offset_ns)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// CPU time of a thread of this process, ns; 0 when it is gone. A system call: not for the loop.
#[must_use]
pub fn thread_cpu_ns(tid: u32) -> u64 {
    // The kernel's encoding of a per-thread CPU clock: complement of the id, 3 bits of kind (4 = thread, 2 = precise).
    let id = (!(tid as i32) << 3) | 6;
    if tid == 0 { 0 } else { read_ns(ClockId::from_raw(id)) }
}

/// CPU time of the process, ns. A system call: not for the loop.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    read_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read_ns(id: ClockId) -> u64 {
    let Ok(time) = clock_gettime(id) else { return 0 };
    (time.tv_sec() as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_and_a_thread_has_a_cpu_clock() {
        let clock = Clock::new();
        let before = clock.now_ns();
        let tid = nix::unistd::gettid().as_raw() as u32;
        let mut sum = 0u64;
        while thread_cpu_ns(tid) == 0 || sum < 100_000 {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(clock.now_ns() > before);
        assert!(clock.unix_ns(before) > 1_600_000_000_000_000_000);
        assert_eq!(thread_cpu_ns(0), 0);
    }
}
