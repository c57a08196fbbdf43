//! Recorded snapshots: one JSON line each, so that a bug report can be drawn again with the same keys.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use control::Snapshot;
use control::page::MAX_TORI;

/// Longest line read, bytes.
const LINE_MAX: u64 = 8 << 20;
/// Most snapshots read from a file.
pub const SNAPSHOTS_MAX: usize = 20_000;
/// Most bytes a recorder writes.
pub const RECORD_MAX_BYTES: u64 = 1 << 30;

/// Why a recording could not be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The system said no.
    #[error("{name}: {source}; expected a file written by `trefoil console --record FILE`")]
    Io {
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not a snapshot.
    #[error(
        "{name}, line {line}: {problem}; expected one JSON snapshot a line, as `trefoil console --record` writes them"
    )]
    Line {
        /// The file.
        name: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is nothing in it.
    #[error("{name}: no snapshot in it; record for longer than one poll")]
    Empty {
        /// The file.
        name: String,
    },
}

/// Why recording ended early. The console goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The system said no.
    #[error("recording ends: {0}")]
    Io(#[from] std::io::Error),
    /// The file is as long as it may be.
    #[error("recording ends: the file holds {RECORD_MAX_BYTES} bytes, its limit; start another")]
    Full,
    /// A snapshot does not turn into JSON.
    #[error("recording ends: {0}")]
    Json(#[from] serde_json::Error),
}

/// A recorded stretch of a node's life.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Where it came from.
    pub name: String,
    /// Its snapshots, oldest first; at least one.
    pub snapshots: Vec<Snapshot>,
    /// True when the last line was cut off, or the file held more than [`SNAPSHOTS_MAX`] snapshots.
    pub truncated: bool,
}

/// Reads a recording from a file.
///
/// # Errors
/// [`RecordingError`] names the line.
pub fn open_recording(path: &Path) -> Result<Recording, RecordingError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| RecordingError::Io { name: name.clone(), source })?;
    read_recording(BufReader::new(file), name)
}

/// Reads a recording. Any bytes are safe to give: too long a line or too many tori is an error, a last line cut off is not.
///
/// # Errors
/// [`RecordingError`] names the line.
pub fn read_recording(mut reader: impl BufRead, name: String) -> Result<Recording, RecordingError> {
    let mut snapshots = Vec::new();
    let mut truncated = false;
    let mut bytes = Vec::new();
    for line in 1.. {
        if snapshots.len() == SNAPSHOTS_MAX {
            truncated = true;
            break;
        }
        bytes.clear();
        let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes);
        let length = read.map_err(|source| RecordingError::Io { name: name.clone(), source })?;
        if length == 0 {
            break;
        }
        let whole = bytes.last() == Some(&b'\n');
        if !whole && length as u64 == LINE_MAX {
            let problem = format!("longer than {LINE_MAX} bytes");
            return Err(RecordingError::Line { name, line, problem });
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Snapshot>(&bytes) {
            Ok(snapshot) if snapshot.tori.len() > MAX_TORI => {
                let problem = format!("{} tori, expected at most {MAX_TORI}", snapshot.tori.len());
                return Err(RecordingError::Line { name, line, problem });
            }
            Ok(snapshot) => snapshots.push(snapshot),
            // A console that was killed leaves half a line behind.
            Err(_) if !whole && !snapshots.is_empty() => truncated = true,
            Err(error) => return Err(RecordingError::Line { name, line, problem: error.to_string() }),
        }
    }
    if snapshots.is_empty() {
        return Err(RecordingError::Empty { name });
    }
    Ok(Recording { name, snapshots, truncated })
}

/// Writes snapshots, one JSON line each; every event once.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: BufWriter<W>,
    written: u64,
    last_event: (u64, u64),
    last_heartbeat_ns: Option<u64>,
}

impl Recorder<File> {
    /// Starts a new file.
    ///
    /// # Errors
    /// [`RecordError::Io`] when it cannot be made.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        Ok(Self::new(File::create(path)?))
    }
}

impl<W: Write> Recorder<W> {
    /// Writes to anything.
    pub fn new(out: W) -> Self {
        Self { out: BufWriter::new(out), written: 0, last_event: (0, 0), last_heartbeat_ns: None }
    }

    /// Writes one snapshot, unless the node has not written since the last.
    ///
    /// # Errors
    /// [`RecordError`]; the recorder is of no further use then.
    pub fn write(&mut self, snapshot: &Snapshot) -> Result<(), RecordError> {
        if self.last_heartbeat_ns == Some(snapshot.node.heartbeat_ns) {
            return Ok(());
        }
        let mut snapshot = snapshot.clone();
        let (boot, number) = self.last_event;
        if boot == snapshot.node.boot_id {
            snapshot.events.retain(|event| event.number > number);
        }
        let newest = snapshot.events.last().map(|event| event.number);
        let mut line = serde_json::to_vec(&snapshot)?;
        line.push(b'\n');
        if self.written + line.len() as u64 > RECORD_MAX_BYTES {
            return Err(RecordError::Full);
        }
        self.out.write_all(&line)?;
        self.out.flush()?;
        self.written += line.len() as u64;
        self.last_heartbeat_ns = Some(snapshot.node.heartbeat_ns);
        if let Some(newest) = newest {
            self.last_event = (snapshot.node.boot_id, newest);
        }
        Ok(())
    }
}
