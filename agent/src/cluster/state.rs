//! What a node keeps of its cluster across restarts: its incarnation (`decisions:CLU-7`) and the formation it belongs to
//! (`bootstrap` section 8.2). One small text file, replaced as a whole: a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

/// Name of the file in the state folder.
pub const FILE: &str = "cluster.state";

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system said no.
    #[error("{path}: {source}; make the state folder writable, or name another in node.state_dir")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "{path}: line {line} is {found:?}, expected `incarnation N`, `epoch N` or `formation HEX`; restore it, or remove it: \
         the node then starts from incarnation 1 and takes a higher one when its cluster tells it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there, cut.
        found: String,
    },
    /// No thread.
    #[error("state thread: {0}; the host is short of resources")]
    Thread(std::io::Error),
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Highest incarnation this node had.
    pub incarnation: u32,
    /// Epoch of the formation it belonged to last, 0 = none.
    pub epoch: u64,
    /// Its id, 0 = none.
    pub formation: u64,
}

impl Kept {
    /// With what is new; the incarnation only grows, and so does the epoch.
    #[must_use]
    pub fn with(mut self, incarnation: u32, epoch: u64, formation: u64) -> Self {
        self.incarnation = self.incarnation.max(incarnation);
        if formation != 0 && epoch >= self.epoch {
            (self.epoch, self.formation) = (epoch, formation);
        }
        self
    }
}

/// The file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    kept: Kept,
}

impl StateFile {
    /// Reads it; one that is not there is empty.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(state_dir: &Path) -> Result<Self, StateError> {
        let path = state_dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(StateError::File { path, source }),
        };
        let kept = parse(&text).map_err(|(line, found)| StateError::Damaged { path: path.clone(), line, found })?;
        Ok(Self { path, kept })
    }

    /// What it holds.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Takes the next incarnation; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StateError::File`]; nothing has changed.
    pub fn next_incarnation(&mut self) -> Result<u32, StateError> {
        let next = Kept { incarnation: self.kept.incarnation.saturating_add(1), ..self.kept };
        self.write(next)?;
        Ok(next.incarnation)
    }

    fn write(&mut self, next: Kept) -> Result<(), StateError> {
        let failed = |source| StateError::File { path: self.path.clone(), source };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let new = self.path.with_extension("state.new");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
        let text =
            format!("incarnation {}\nepoch {}\nformation {:016x}\n", next.incarnation, next.epoch, next.formation);
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&new, &self.path).map_err(failed)?;
        // The name is on disk only when its folder is.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        self.kept = next;
        Ok(())
    }
}

/// Writes the file on a thread of its own: a disk may take a minute for it when others write much, and whoever learns what is to
/// be kept has better to do than to wait. What is not on disk when the process dies, the cluster tells it again at its next start.
#[derive(Debug)]
pub struct Keeper {
    next: Sender<Kept>,
    /// What the thread was told last.
    told: Kept,
    /// The last write failed: told again.
    failed: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StateError::Thread`].
    pub fn start(mut file: StateFile) -> Result<Self, StateError> {
        let (next, wanted) = bounded::<Kept>(1);
        let (failed, told) = (Arc::new(AtomicBool::new(false)), file.kept());
        let mark = Arc::clone(&failed);
        let body = move || {
            while let Ok(next) = wanted.recv() {
                if let Err(error) = file.write(next) {
                    tracing::warn!("{error}");
                    mark.store(true, Ordering::Release);
                }
            }
        };
        let thread = std::thread::Builder::new().name("state".to_owned()).spawn(body).map_err(StateError::Thread)?;
        Ok(Self { next, told, failed, thread })
    }

    /// Has kept what has changed, as [`Kept::with`]; never waits. While a write takes its time, only the newest waits behind it, and
    /// what finds no place comes with the next call.
    pub fn keep(&mut self, incarnation: u32, epoch: u64, formation: u64) {
        let next = self.told.with(incarnation, epoch, formation);
        let again = self.failed.swap(false, Ordering::AcqRel);
        if next == self.told && !again {
            return;
        }
        if self.next.try_send(next).is_ok() {
            self.told = next;
        } else {
            self.failed.fetch_or(again, Ordering::AcqRel);
        }
    }

    /// Ends the thread; waits so long at most for what is still being written.
    pub fn stop(self, limit: Duration) {
        let Self { next, thread, .. } = self;
        drop(next);
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The line that is wrong and what it says, else what the text holds.
fn parse(text: &str) -> Result<Kept, (usize, String)> {
    let mut kept = Kept::default();
    for (at, line) in text.lines().enumerate() {
        let wrong = || (at + 1, line.chars().filter(|c| !c.is_control()).take(60).collect());
        let (key, value) = line.split_once(' ').ok_or_else(wrong)?;
        match key {
            "incarnation" => kept.incarnation = value.parse().map_err(|_| wrong())?,
            "epoch" => kept.epoch = value.parse().map_err(|_| wrong())?,
            "formation" => kept.formation = u64::from_str_radix(value, 16).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(60);

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("trefoil-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    /// `decisions:CLU-7`: each start has a higher incarnation, whatever happened before; what the cluster knows better is kept.
    #[test]
    fn incarnations_only_grow() {
        let dir = folder("grow");
        for expected in 1..=3 {
            assert_eq!(StateFile::open(&dir).expect("there").next_incarnation().expect("written"), expected);
        }
        let mut keeper = Keeper::start(StateFile::open(&dir).expect("there")).expect("a thread");
        keeper.keep(9, 4, 0xABCD);
        keeper.keep(2, 3, 0x1111);
        keeper.stop(GUARD);
        let mut state = StateFile::open(&dir).expect("there");
        assert_eq!(state.kept(), Kept { incarnation: 9, epoch: 4, formation: 0xABCD }, "what is older changes nothing");
        assert_eq!(state.next_incarnation().expect("written"), 10);
        fs::remove_dir_all(&dir).expect("removed");
    }

    /// A disk that does not come back holds up nobody but the thread; one that refuses is asked again with the next news.
    #[test]
    fn a_slow_disk_is_not_waited_for_and_a_failed_write_is_made_again() {
        let dir = folder("slow");
        fs::create_dir_all(&dir).expect("made");
        let file = StateFile::open(&dir).expect("empty");
        // A pipe that nobody reads: whoever opens it to write stands still, as on a disk that hangs.
        let new = dir.join(FILE).with_extension("state.new");
        nix::unistd::mkfifo(&new, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let mut keeper = Keeper::start(file).expect("a thread");
        for epoch in 1..10 {
            keeper.keep(1, epoch, 0xA);
        }
        keeper.stop(Duration::ZERO);
        assert!(!dir.join(FILE).exists());
        // The reader comes: the write goes on and fails, a pipe has no disk to be on.
        drop(fs::read(&new));
        fs::remove_dir_all(&dir).expect("removed");
        fs::write(&dir, "not a folder").expect("a file");
        let mut keeper = Keeper::start(StateFile { path: dir.join(FILE), kept: Kept::default() }).expect("a thread");
        keeper.keep(1, 1, 0xA);
        let start = Instant::now();
        while !keeper.failed.load(Ordering::Acquire) && start.elapsed() < GUARD {
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::remove_file(&dir).expect("removed");
        keeper.keep(1, 1, 0xA);
        keeper.stop(GUARD);
        assert_eq!(StateFile::open(&dir).expect("there").kept(), Kept { incarnation: 1, epoch: 1, formation: 0xA });
        fs::remove_dir_all(&dir).expect("removed");
    }

    /// A crash between writing and renaming leaves the old content; a file that is something else is named, not overwritten.
    #[test]
    fn a_torn_write_is_not_read_and_damage_is_named() {
        let dir = folder("torn");
        let mut state = StateFile::open(&dir).expect("empty");
        state.next_incarnation().expect("written");
        fs::write(dir.join("cluster.state.new"), "incarn").expect("a torn write");
        assert_eq!(StateFile::open(&dir).expect("there").kept().incarnation, 1);
        fs::write(dir.join(FILE), "incarnation 7\nepoch x\n").expect("damage");
        let error = StateFile::open(&dir).expect_err("damaged").to_string();
        assert!(error.contains("line 2") && error.contains("epoch x") && error.contains("remove it"), "{error}");
        fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let dir = folder("file");
        fs::write(&dir, "not a folder").expect("a file");
        let error = StateFile::open(&dir).and_then(|mut state| state.next_incarnation()).expect_err("no folder");
        assert!(error.to_string().contains("node.state_dir"), "{error}");
        fs::remove_file(&dir).expect("removed");
    }
}
