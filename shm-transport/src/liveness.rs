//! Who is alive: boot ids, processes told apart by their start time, and a watch on a process (`rse:M3`).
//!
//! A boot id is drawn once for every start of a torus and never comes back; a key (boot id, sequence) is therefore
//! unique over restarts. A pid alone identifies nobody, it is reused; a pid together with its start time does, on one
//! host and within one pid namespace, which is what [`Process::host`] names. Across virtual machines only the
//! heartbeat counts.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use xxhash_rust::xxh3::xxh3_64;

/// Draws a boot id: 64 random bits, never zero (zero means "nobody" in shared memory).
///
/// # Errors
/// The kernel gave no random bytes (before its pool is initialised, or `getrandom` is filtered out by seccomp).
pub fn boot_id() -> io::Result<u64> {
    loop {
        match getrandom::u64().map_err(io::Error::other)? {
            0 => {}
            id => return Ok(id),
        }
    }
}

/// A process, told apart from later ones with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Process {
    /// Process id in its own pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since the kernel booted (`/proc/PID/stat`, field 22); 0 when it could not be read.
    pub start_ticks: u64,
    /// Hash of the kernel's boot id and the pid namespace: pids can be compared only where this is equal. 0 = unknown.
    pub host: u64,
}

/// What is known about a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    /// It runs (or is stopped): it may still write.
    Alive,
    /// It is gone, a zombie, or the pid belongs to a later process.
    Gone,
    /// It lives in another kernel or pid namespace: nothing can be said from here.
    Unknown,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has `pid` now, in this pid namespace.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self { pid, start_ticks: stat(pid).map_or(0, |(_, start)| start), host: host() }
    }

    /// Whether this very process still exists.
    #[must_use]
    pub fn existence(&self) -> Existence {
        if self.host == 0 || self.host != host() || self.start_ticks == 0 {
            return Existence::Unknown;
        }
        match stat(self.pid) {
            Some((state, start)) if start == self.start_ticks && !matches!(state, 'Z' | 'X') => Existence::Alive,
            _ => Existence::Gone,
        }
    }
}

/// (state, start time) of a process. The name in the second field may hold anything, so parsing starts behind it.
fn stat(pid: u32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is the state; the start time is field 22.
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

/// See [`Process::host`].
fn host() -> u64 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => xxh3_64(format!("{} {}", boot.trim(), namespace.display()).as_bytes()).max(1),
        _ => 0,
    }
}

/// A watch on a process of this host: says when it is gone, without a race with pid reuse.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    process: Process,
}

impl Watch {
    /// Watches `process`.
    ///
    /// # Errors
    /// `NotFound` when it is gone already or its pid belongs to another; the kernel's answer otherwise.
    pub fn new(process: Process) -> io::Result<Self> {
        let fd = pidfd_open(process.pid)?;
        // Checked after the descriptor exists: from here on the pid cannot be reused unnoticed.
        if process.existence() == Existence::Gone {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("process {} is gone", process.pid)));
        }
        Ok(Self { fd, process })
    }

    /// The watched process.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process
    }

    /// True when the process is gone; waits up to `wait_ms` for it.
    ///
    /// # Errors
    /// What `poll` says.
    pub fn gone(&self, wait_ms: u16) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, PollTimeout::from(wait_ms))? > 0)
    }
}

impl AsFd for Watch {
    /// Readable when the process is gone; for an event loop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    // SAFETY: pidfd_open takes two integers and touches no memory of ours. Shown by `a_watch_sees_a_process_end`.
    #[allow(unsafe_code)]
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        let gone = error.raw_os_error() == Some(libc::ESRCH);
        return Err(if gone {
            io::Error::new(io::ErrorKind::NotFound, format!("process {pid} is gone"))
        } else {
            error
        });
    }
    // SAFETY: the call above returned a new descriptor that nobody else owns. Shown by `a_watch_sees_a_process_end`.
    #[allow(unsafe_code)]
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    #[cfg_attr(miri, ignore = "getrandom")]
    fn m3_boot_ids_are_random_and_never_zero() {
        // rse:M3: keys are (boot id, seq); two starts never share one.
        let (a, b) = (boot_id().expect("random"), boot_id().expect("random"));
        assert!(a != 0 && b != 0 && a != b);
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let text = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(parse_stat(text), Some(('S', 4711)));
        for bad in ["", "12 (x", "12 (x) S 1 2", "12 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"] {
            assert_eq!(parse_stat(bad), None, "{bad}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "processes")]
    fn a_watch_sees_a_process_end() {
        let mut child = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().expect("sleep");
        let process = Process::of(child.id());
        assert_eq!(process.existence(), Existence::Alive);
        let watch = Watch::new(process).expect("watch");
        assert!(!watch.gone(0).expect("poll"));
        child.kill().expect("kill");
        assert!(watch.gone(60_000).expect("poll"), "a killed process is gone");
        // Not yet reaped, so still in /proc; a zombie writes nothing any more.
        assert_eq!(process.existence(), Existence::Gone);
        child.wait().expect("reap");
        assert_eq!(process.existence(), Existence::Gone);
        assert_eq!(Watch::new(process).expect_err("gone").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    #[cfg_attr(miri, ignore = "processes")]
    fn a_reused_pid_is_another_process_and_another_host_is_unknown() {
        let me = Process::current();
        assert_eq!(me.existence(), Existence::Alive);
        assert_eq!(Process { start_ticks: me.start_ticks + 1, ..me }.existence(), Existence::Gone);
        assert_eq!(Process { host: me.host ^ 1, ..me }.existence(), Existence::Unknown);
    }
}
