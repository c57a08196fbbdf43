//! Recording: what enters the tori goes through a bounded ring to a writer thread and into one file (`decisions:NODE-2`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{TryRecvError, TrySendError};
use serde::{Deserialize, Serialize};
use torus::Input;
use torus::record::{End, Entry, Header, Record, Start};

use crate::config::{self, WorkloadKind};

use super::ring::{Gather, Sender};

/// Spins of a stalled torus before it begins to sleep.
const SPINS: u32 = 10_000;
/// Sleep of a stalled torus, and of a writer with nothing to write.
const NAP: Duration = Duration::from_micros(200);

/// What a recording is made from: the text of its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Program and version.
    pub build: String,
    /// The configuration as it was read.
    pub config: String,
    /// Where it was read: relative paths in it start from its folder.
    pub path: PathBuf,
    /// Event files and their length, bytes: replay needs the same.
    pub files: Vec<(PathBuf, u64)>,
}

impl Origin {
    /// Of a configuration.
    #[must_use]
    pub fn of(config: &config::Config) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let mut files: Vec<(PathBuf, u64)> = Vec::new();
        for torus in &config.tori {
            if let WorkloadKind::EventsFile { file, .. } = &torus.workload.kind
                && files.iter().all(|(known, _)| known != file)
            {
                let length = std::fs::metadata(file).map(|meta| meta.len()).unwrap_or(0);
                files.push((file.clone(), length));
            }
        }
        let path = config.path.clone().unwrap_or_else(|| PathBuf::from("config.toml"));
        Self {
            build: concat!("trefoil ", env!("CARGO_PKG_VERSION")).to_owned(),
            config: config.text.clone(),
            path: here.join(path),
            files: files.into_iter().map(|(file, length)| (here.join(file), length)).collect(),
        }
    }
}

/// The torus's side of the recording.
#[derive(Debug)]
pub struct Recorder {
    torus: u8,
    sender: Sender<Record>,
    stall: bool,
    recorded: u64,
    stalls: u64,
    broken: bool,
}

impl Recorder {
    /// For one torus.
    #[must_use]
    pub fn new(torus: u8, sender: Sender<Record>, on_full: config::OnFull) -> Self {
        Self { torus, sender, stall: on_full == config::OnFull::Stall, recorded: 0, stalls: 0, broken: false }
    }

    /// Records an input that was applied.
    pub fn note(&mut self, executed: u64, ordinal: u32, input: Input) {
        self.put(Record::Entry(Entry { torus: self.torus, executed, ordinal, input }));
    }

    /// Records the end of the torus.
    pub fn close(&mut self, executed: u64, digest: u64) {
        self.put(Record::End(End { torus: self.torus, executed, digest }));
    }

    fn put(&mut self, record: Record) {
        if self.broken {
            return;
        }
        self.recorded += 1;
        let Err(error) = self.sender.try_send(record) else { return };
        self.stalls += 1;
        match error {
            TrySendError::Full(record) if self.stall => self.wait(record),
            TrySendError::Full(_) | TrySendError::Disconnected(_) => self.broken = true,
        }
    }

    /// The torus stands still until the writer has caught up: visible in its counters, and better than a gap.
    #[cold]
    fn wait(&mut self, record: Record) {
        let mut record = record;
        for spins in 0u64.. {
            match self.sender.try_send(record) {
                Ok(()) => return,
                Err(TrySendError::Full(back)) => record = back,
                Err(TrySendError::Disconnected(_)) => {
                    self.broken = true;
                    return;
                }
            }
            if spins < u64::from(SPINS) {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Inputs recorded.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Times the ring was full.
    #[must_use]
    pub fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Whether something is missing from the recording.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.broken
    }
}

/// Opens the file of a recording and writes its header.
///
/// # Errors
/// What the system said.
pub fn create(path: &Path, origin: &Origin, starts: Vec<Start>) -> io::Result<BufWriter<File>> {
    let text = serde_json::to_string(origin).map_err(io::Error::other)?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&Header { text, starts }.encode())?;
    file.flush()?;
    Ok(file)
}

/// The body of the writer thread: polls, so that no torus ever has to wake it; ends when every recorder is gone.
///
/// # Errors
/// The first write that failed; the ring is drained to the end all the same, so that no torus stalls for ever.
pub fn write(records: &mut Gather<Record>, mut file: BufWriter<File>, written: &Arc<AtomicU64>) -> io::Result<()> {
    let mut index = 0;
    let mut outcome = Ok(());
    loop {
        match records.try_recv() {
            Ok(record) => {
                if outcome.is_ok() {
                    outcome = file.write_all(&record.encode(index));
                    index += 1;
                    written.store(index, Ordering::Relaxed);
                }
            }
            Err(TryRecvError::Empty) => {
                if outcome.is_ok() {
                    outcome = file.flush();
                }
                std::thread::sleep(NAP);
            }
            Err(TryRecvError::Disconnected) => break,
        }
    }
    outcome?;
    file.flush()?;
    file.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Receiver, ring};
    use super::*;

    fn recorder(on_full: config::OnFull, room: usize) -> (Recorder, Receiver<Record>) {
        let (sender, receiver) = ring(room);
        (Recorder::new(0, sender, on_full), receiver)
    }

    // decisions:NODE-2: a full ring marks the recording broken, and nothing follows the gap.
    #[test]
    fn a_full_ring_breaks_the_recording_visibly() {
        let (mut recorder, mut receiver) = recorder(config::OnFull::Break, 2);
        for ordinal in 1..=5 {
            recorder.note(7, ordinal, Input::Pause);
        }
        assert!(recorder.broken());
        assert_eq!((recorder.stalls(), std::iter::from_fn(|| receiver.try_recv().ok()).count()), (1, 2));
        recorder.close(7, 1);
        assert!(receiver.try_recv().is_err());
    }

    // decisions:NODE-2: a full ring stalls the torus until the writer has caught up, and nothing is missing.
    #[test]
    fn a_full_ring_stalls_and_loses_nothing() {
        let (mut recorder, mut receiver) = recorder(config::OnFull::Stall, 2);
        let writer = std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                std::thread::sleep(Duration::from_micros(50));
                match receiver.try_recv() {
                    Ok(record) => seen.push(record),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return seen,
                }
            }
        });
        for ordinal in 1..=100 {
            recorder.note(0, ordinal, Input::Resume);
        }
        assert!(recorder.stalls() > 0 && !recorder.broken());
        drop(recorder);
        let seen = writer.join().expect("no panic");
        assert_eq!(seen.len(), 100);
        assert!(matches!(seen[99], Record::Entry(Entry { ordinal: 100, .. })));
    }

    #[test]
    fn a_gone_writer_breaks_instead_of_stalling_for_ever() {
        let (mut recorder, receiver) = recorder(config::OnFull::Stall, 1);
        drop(receiver);
        recorder.note(0, 1, Input::Pause);
        assert!(recorder.broken());
    }
}
