//! Recording: what enters the tori goes through a bounded ring to a writer thread and into one file (`decisions:NODE-2`).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{TryRecvError, TrySendError};
use serde::{Deserialize, Serialize};
use torus::Input;
use torus::record::{End, Entry, Header, Record, Start};

use crate::config::{self, WorkloadKind};

use super::clock::Clock;
use super::ring::{Gather, Sender};
use super::shared::NodeShared;

/// Spins of a stalled torus before it begins to sleep.
const SPINS: u32 = 10_000;
/// Sleep of a stalled torus, and of a writer with nothing to write.
pub(super) const NAP: Duration = Duration::from_micros(200);
/// How long a torus that is to stop still waits for a writer that does not keep up, ns; then its recording has a gap.
const STOPPING_NS: u64 = 400_000_000;
/// With less than this part of the ring free the torus takes nothing in: what one turn records still fits.
const RESERVE: usize = 4;

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

/// What recorders, writer and node know together about one recording.
#[derive(Debug, Default)]
pub struct Tape {
    written: AtomicU64,
    failed: AtomicBool,
    closing: AtomicBool,
    gaps: AtomicU32,
}

impl Tape {
    /// Records written to the file.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether writing failed: nothing that follows is in the file.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Tori (bit = id) of which something is missing because the writer did not keep up.
    #[must_use]
    pub fn gaps(&self) -> u32 {
        self.gaps.load(Ordering::Acquire)
    }

    /// Something of a torus is missing.
    pub fn gap(&self, torus: u8) {
        self.gaps.fetch_or(1u32.checked_shl(u32::from(torus)).unwrap_or(0), Ordering::AcqRel);
    }

    /// Nothing follows but what is in the ring: the writer ends although a torus that was given up still holds its end.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

/// The torus's side of the recording.
#[derive(Debug)]
pub struct Recorder {
    torus: u8,
    index: usize,
    sender: Sender<Record>,
    stall: bool,
    recorded: u64,
    stalls: u64,
    gap: bool,
    tape: Arc<Tape>,
    node: Arc<NodeShared>,
    clock: Clock,
}

impl Recorder {
    /// For the torus `torus`, the `index`-th of the node.
    #[must_use]
    pub fn new(
        (torus, index): (u8, usize),
        sender: Sender<Record>,
        on_full: config::OnFull,
        tape: Arc<Tape>,
        node: Arc<NodeShared>,
        clock: Clock,
    ) -> Self {
        let stall = on_full == config::OnFull::Stall;
        Self { torus, index, sender, stall, recorded: 0, stalls: 0, gap: false, tape, node, clock }
    }

    /// Records an input that was applied.
    pub fn note(&mut self, executed: u64, ordinal: u32, input: Input) {
        self.put(Record::Entry(Entry { torus: self.torus, executed, ordinal, input }));
    }

    /// Records the end of the torus.
    pub fn close(&mut self, executed: u64, digest: u64) {
        self.put(Record::End(End { torus: self.torus, executed, digest }));
    }

    /// Inputs that can be taken in now without a wait for the writer, but for a reserve of half a quarter of the ring that one
    /// turn's own inputs (steps, corrections) need; unlimited when a full ring is no reason to wait.
    pub fn room(&self) -> u64 {
        if !self.stall || self.broken() {
            return u64::MAX;
        }
        self.sender.free().saturating_sub(self.sender.capacity() / (2 * RESERVE)) as u64
    }

    /// Whether the torus should take nothing in until the writer has caught up. A loop that looks at this between its turns
    /// stands still while it beats and sees the stop, instead of in the middle of a turn.
    pub fn crowded(&mut self) -> bool {
        let crowded = self.stall && !self.broken() && self.sender.free() < self.sender.capacity() / RESERVE;
        self.stalls += u64::from(crowded);
        crowded
    }

    fn put(&mut self, record: Record) {
        if self.broken() {
            return;
        }
        self.recorded += 1;
        let Err(error) = self.sender.try_send(record) else { return };
        self.stalls += 1;
        match error {
            TrySendError::Full(record) if self.stall => self.wait(record),
            TrySendError::Full(_) | TrySendError::Disconnected(_) => self.lose(),
        }
    }

    /// The torus stands still until the writer has caught up: visible in its counters, and better than a gap. It says that
    /// it lives, and a stop ends the waiting.
    #[cold]
    fn wait(&mut self, record: Record) {
        let mut record = record;
        let mut stop_seen_ns = None;
        for spins in 0u64.. {
            match self.sender.try_send(record) {
                Ok(()) => return,
                Err(TrySendError::Full(back)) => record = back,
                Err(TrySendError::Disconnected(_)) => return self.lose(),
            }
            if self.tape.failed() {
                return;
            }
            let now_ns = self.clock.now_ns();
            if let Some(shared) = self.node.tori.get(self.index) {
                shared.beat_ns.store(now_ns, Ordering::Relaxed);
            }
            if self.node.stop.load(Ordering::Relaxed)
                && now_ns.saturating_sub(*stop_seen_ns.get_or_insert(now_ns)) > STOPPING_NS
            {
                return self.lose();
            }
            if spins < u64::from(SPINS) {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(NAP);
            }
        }
    }

    fn lose(&mut self) {
        self.gap = true;
        self.tape.gap(self.torus);
    }

    /// Inputs recorded.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Times the ring was full, or nearly.
    #[must_use]
    pub fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Whether something of this torus is missing because the writer did not keep up.
    #[must_use]
    pub fn gap(&self) -> bool {
        self.gap
    }

    /// Whether something is missing from the recording, for whatever reason.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.gap || self.tape.failed()
    }
}

/// Opens the file of a recording and writes its header. An existing file is left alone: it may be another recording. A pipe
/// or a device is written to.
///
/// # Errors
/// What the system said; [`io::ErrorKind::AlreadyExists`] when there is a file.
pub fn create(path: &Path, origin: &Origin, starts: Vec<Start>) -> io::Result<BufWriter<File>> {
    let text = serde_json::to_string(origin).map_err(io::Error::other)?;
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kind = std::fs::metadata(path)?.file_type();
            if kind.is_file() || kind.is_dir() {
                return Err(error);
            }
            OpenOptions::new().write(true).open(path)?
        }
        opened => opened?,
    };
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.write_all(&Header { text, starts }.encode())?;
    file.flush()?;
    Ok(file)
}

/// The body of the writer thread: polls, so that no torus ever has to wake it; ends when every recorder is gone. `failed` is
/// called once, with the first write that failed; the ring is drained to the end all the same, so that no torus stalls.
///
/// # Errors
/// The first write that failed.
pub fn write(
    records: &mut Gather<Record>,
    mut file: BufWriter<File>,
    tape: &Tape,
    failed: impl FnOnce(&io::Error),
) -> io::Result<()> {
    let mut report = Some(failed);
    let mut index = 0;
    let mut outcome = Ok(());
    let mut check = |result: &io::Result<()>| {
        if let (Err(error), Some(report)) = (result, report.take_if(|_| result.is_err())) {
            tape.failed.store(true, Ordering::Relaxed);
            report(error);
        }
    };
    loop {
        match records.try_recv() {
            Ok(record) => {
                if outcome.is_ok() {
                    outcome = file.write_all(&record.encode(index));
                    index += 1;
                    tape.written.store(index, Ordering::Relaxed);
                }
            }
            Err(TryRecvError::Empty) => {
                if tape.closing.load(Ordering::Acquire) {
                    break;
                }
                if outcome.is_ok() {
                    outcome = file.flush();
                }
                std::thread::sleep(NAP);
            }
            Err(TryRecvError::Disconnected) => break,
        }
        check(&outcome);
    }
    if outcome.is_ok() {
        outcome = file.flush().and_then(|()| synced(file.get_ref()));
        check(&outcome);
    }
    outcome
}

/// A pipe or a device has nothing to put on a disk.
fn synced(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Receiver, ring};
    use super::*;

    fn recorder(on_full: config::OnFull, room: usize) -> (Recorder, Receiver<Record>) {
        let (sender, receiver) = ring(room);
        let node = Arc::new(NodeShared::new(1));
        (Recorder::new((0, 0), sender, on_full, Arc::new(Tape::default()), node, Clock::new()), receiver)
    }

    // decisions:NODE-2: a full ring marks the recording broken, and nothing follows the gap.
    #[test]
    fn a_full_ring_breaks_the_recording_visibly() {
        let (mut recorder, mut receiver) = recorder(config::OnFull::Break, 2);
        for ordinal in 1..=5 {
            recorder.note(7, ordinal, Input::Pause);
        }
        assert!(recorder.broken());
        assert_eq!(recorder.tape.gaps(), 1, "the node is told");
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

    // rse:B7: a torus that waits for the writer lives, and a stop ends the waiting with a gap that the node knows of.
    #[test]
    fn a_stalled_torus_beats_and_a_stop_ends_its_waiting() {
        let (mut recorder, _receiver) = recorder(config::OnFull::Stall, 4);
        let node = Arc::clone(&recorder.node);
        for ordinal in 1..=4 {
            assert!(!recorder.crowded());
            recorder.note(0, ordinal, Input::Pause);
        }
        assert!(recorder.crowded());
        assert_eq!(recorder.room(), 0, "nothing more is taken in");
        let torus = std::thread::spawn(move || {
            recorder.note(0, 5, Input::Pause);
            recorder
        });
        let beat_ns = || node.tori[0].beat_ns.load(Ordering::Relaxed);
        while beat_ns() == 0 {
            std::thread::yield_now();
        }
        let first_ns = beat_ns();
        while beat_ns() == first_ns {
            std::thread::yield_now();
        }
        assert!(!torus.is_finished());
        node.stop.store(true, Ordering::Relaxed);
        let recorder = torus.join().expect("no panic");
        assert_eq!((recorder.gap(), recorder.tape.gaps()), (true, 1));
    }

    // decisions:NODE-2: the first write that fails is reported while the recording runs, and every torus sees it.
    #[test]
    fn a_failed_write_is_reported_at_once_and_stops_every_recorder() {
        let (mut recorder, receiver) = recorder(config::OnFull::Stall, 8);
        let file = BufWriter::with_capacity(1, OpenOptions::new().write(true).open("/dev/full").expect("a device"));
        let tape = Arc::clone(&recorder.tape);
        let (told, heard) = crossbeam_channel::bounded(1);
        let writer = std::thread::spawn(move || {
            write(&mut Gather::new(vec![receiver]), file, &tape, |error| {
                told.send(error.kind()).expect("the test waits")
            })
        });
        recorder.note(0, 1, Input::Pause);
        assert_eq!(heard.recv(), Ok(io::ErrorKind::StorageFull), "said before the recorder is gone");
        assert!(recorder.broken() && !recorder.gap());
        for ordinal in 2..100 {
            recorder.note(0, ordinal, Input::Pause);
        }
        assert_eq!(recorder.recorded(), 1);
        drop(recorder);
        assert!(writer.join().expect("no panic").is_err());
    }

    // A recording is never overwritten; what is no file is written to.
    #[test]
    fn an_existing_file_is_left_alone() {
        let path = std::env::temp_dir().join(format!("trefoil-record-{}", std::process::id()));
        let origin = Origin { build: String::new(), config: String::new(), path: PathBuf::new(), files: Vec::new() };
        create(&path, &origin, Vec::new()).expect("a new file");
        let before = std::fs::read(&path).expect("it is there");
        let error = create(&path, &origin, Vec::new()).expect_err("it is there already");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("it is still there"), before);
        std::fs::remove_file(&path).expect("it can be removed");
        create(Path::new("/dev/null"), &origin, Vec::new()).expect("a device");
    }
}
