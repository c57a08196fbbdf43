//! Stops one thread of another process as a debugger would, so that it hangs while the rest of the process goes on.

use std::fs;
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Hangs thread `tid` until its process ends or [`Hang::release`] is called. Returns once it stands still.
///
/// # Panics
/// When the thread cannot be traced.
pub fn hang(tid: i32) -> Hang {
    let (stopped, is_stopped) = channel();
    let (release, released) = channel::<()>();
    // All requests of a tracer come from one thread, and the tracee goes on when that thread ends.
    let tracer = thread::spawn(move || {
        let tid = Pid::from_raw(tid);
        ptrace::seize(tid, Options::empty()).unwrap_or_else(|error| panic!("seize {tid}: {error}"));
        ptrace::interrupt(tid).unwrap_or_else(|error| panic!("interrupt {tid}: {error}"));
        let status = waitpid(tid, Some(WaitPidFlag::__WALL));
        assert!(matches!(status, Ok(WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..))), "{status:?}");
        stopped.send(()).expect("the caller waits for the stop");
        // The exit of a traced thread must be collected here, else its process never ends.
        loop {
            let status = waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
            if !matches!(status, Ok(WaitStatus::StillAlive | WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..))) {
                return;
            }
            if released.recv_timeout(std::time::Duration::from_millis(5)).is_ok() {
                let _ = ptrace::detach(tid, None);
                return;
            }
        }
    });
    is_stopped.recv().expect("the thread could be stopped");
    Hang { release, tracer }
}

/// A hanging thread.
#[derive(Debug)]
pub struct Hang {
    release: std::sync::mpsc::Sender<()>,
    tracer: thread::JoinHandle<()>,
}

impl Hang {
    /// Lets the thread go on.
    ///
    /// # Panics
    /// When the tracer failed.
    pub fn release(self) {
        let _ = self.release.send(());
        self.tracer.join().expect("the tracer ends in order");
    }
}

/// Thread ids of `pid` by name.
#[must_use]
pub fn threads(pid: u32) -> Vec<(String, i32)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if let Ok(tid) = entry.file_name().to_string_lossy().parse() {
            found.push((name.trim().to_owned(), tid));
        }
    }
    found.sort();
    found
}

/// State letter of a thread (`/proc/PID/task/TID/stat`): R, S, t, ...
#[must_use]
pub fn state(pid: u32, tid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Command, until};
    use std::time::Duration;

    #[test]
    fn a_thread_stands_still_and_goes_on() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let tid = i32::try_from(child.id()).unwrap();
        let held = hang(tid);
        assert_eq!(state(child.id(), tid), Some('t'));
        held.release();
        until("it to go on", Duration::from_secs(120), || (state(child.id(), tid) != Some('t')).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_hanging_process_can_still_be_killed() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let _held = hang(pid);
        nix::sys::signal::kill(Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        until("it to end", Duration::from_secs(120), || state(child.id(), pid).is_none().then_some(()));
        // The tracer, being the parent's process too, has collected it.
        assert!(child.wait().is_err());
    }
}
