//! Drives the real binary: [`node`] starts it, [`terminal`] shows it a screen, [`init`] runs it under a real systemd, [`hang`]
//! stops one of its threads. Each test has a folder of its own and a hang guard; children die with the thread that made them.

pub mod cluster;
pub mod hang;
pub mod init;
pub mod lab;
pub mod node;
pub mod terminal;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::tidy::root;

/// The binary just built (`decisions:NODE-19`): `TREFOIL_BIN` when the caller built it, else built here, once.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("TREFOIL_BIN") {
            return PathBuf::from(path);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--bin", "trefoil"])
            .current_dir(root())
            .stdin(Stdio::null())
            .status()
            .expect("cargo runs");
        assert!(build.success(), "the binary does not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        root().join(target).join("debug/trefoil")
    })
}

/// A command whose process dies with the thread that started it, so that a failed test leaves nothing behind.
#[must_use]
pub fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

/// A folder of its own for one test, removed at its end unless the test fails.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new empty folder whose name tells the test.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trefoil-{test}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file inside and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note(&format!("kept for a look: {}", self.path.display()));
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Ends the whole test process when the test takes longer than any test should; dropped, it does nothing.
#[derive(Debug)]
pub struct Guard {
    _alive: Sender<()>,
}

/// Starts a hang guard.
#[must_use]
pub fn guard(test: &'static str, limit: Duration) -> Guard {
    let (alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            note(&format!("{test} hangs for {limit:?}: giving up"));
            std::process::exit(101);
        }
    });
    Guard { _alive: alive }
}

/// One lane for tests that need the machine's cores for themselves, across processes too. Taken before the test's [`guard`]: how
/// long others are in it is no part of what the test may take.
///
/// # Panics
/// When the lock file cannot be made.
#[must_use]
pub fn lane() -> Flock<fs::File> {
    let path = std::env::temp_dir().join("trefoil-tests.lane");
    let file =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).expect("the lock file opens");
    Flock::lock(file, FlockArg::LockExclusive).unwrap_or_else(|(_, error)| panic!("{}: {error}", path.display()))
}

/// True when the test must be left out because `lacks` says what is missing; an error under `TREFOIL_NO_SKIP=1`.
///
/// # Panics
/// When something is missing and nothing may be skipped.
#[must_use]
pub fn skipped(test: &str, lacks: Option<String>) -> bool {
    let Some(lacks) = lacks else { return false };
    assert!(std::env::var_os("TREFOIL_NO_SKIP").is_none_or(|value| value != "1"), "{test} may not be skipped: {lacks}");
    note(&format!("SKIPPED: {test}: {lacks}"));
    true
}

/// What is missing to act as root with these commands; `None` when all is there.
#[must_use]
pub fn lacks_root_or(commands: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    lacks(commands)
}

/// Which of the commands are missing.
#[must_use]
pub fn lacks(commands: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |command: &&&str| path.split(':').any(|folder| Path::new(folder).join(command).is_file());
    let missing: Vec<&str> = commands.iter().filter(|command| !there(command)).copied().collect();
    (!missing.is_empty()).then(|| format!("needs {} (make deps)", missing.join(", ")))
}

/// A line that the test runner does not swallow.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Waits until `ready` gives something, looking every 20 ms.
///
/// # Panics
/// After `limit`, with `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(lacks(&["sh"]), None);
        assert!(lacks(&["sh", "no-such-command"]).unwrap().contains("no-such-command"));
    }

    #[test]
    fn scratch_is_removed() {
        let scratch = Scratch::new("scratch");
        let path = scratch.path().to_owned();
        let _ = scratch.file("a", "b");
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_tied_process_dies_with_its_thread() {
        let spawn = || {
            let child = tied(Path::new("/bin/sleep")).arg("60").spawn().unwrap();
            let comm = format!("/proc/{}/comm", child.id());
            until("setpriv to become sleep", Duration::from_secs(120), || {
                fs::read_to_string(&comm).ok().filter(|name| name.trim() == "sleep")
            });
            child
        };
        let mut child = std::thread::spawn(spawn).join().unwrap();
        until("the child to die", Duration::from_secs(120), || child.try_wait().unwrap());
    }
}
