//! What a node keeps of its cluster across restarts: its incarnation (`decisions:CLU-7`) and the formation it belongs to
//! (`bootstrap` section 8.2). One small text file, replaced as a whole: a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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

    /// Keeps what has changed; the incarnation only grows, and so does the epoch.
    ///
    /// # Errors
    /// [`StateError::File`]; the old content stands.
    pub fn keep(&mut self, incarnation: u32, epoch: u64, formation: u64) -> Result<(), StateError> {
        let mut next = self.kept;
        next.incarnation = next.incarnation.max(incarnation);
        if formation != 0 && epoch >= next.epoch {
            (next.epoch, next.formation) = (epoch, formation);
        }
        if next == self.kept { Ok(()) } else { self.write(next) }
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
        let mut state = StateFile::open(&dir).expect("there");
        state.keep(9, 4, 0xABCD).expect("written");
        state.keep(2, 3, 0x1111).expect("an older formation changes nothing");
        assert_eq!(StateFile::open(&dir).expect("there").kept(), Kept { incarnation: 9, epoch: 4, formation: 0xABCD });
        assert_eq!(state.next_incarnation().expect("written"), 10);
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
