//! Replay of a recording: each torus is made again from the recorded configuration, gets the recorded inputs at the recorded
//! places, and must end with the recorded digest (`decisions:NODE-2`).

use std::path::{Path, PathBuf};

use torus::Reactor;
use torus::memory::Carver;
use torus::record::{self, End, Entry, RecordError, Recording, ReplayError};

use crate::config::{self, Problems};

use super::build::{self, FileError, Work};
use super::record::Origin;

/// A recording cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayFailure {
    /// Not readable.
    #[error("{path}: {source}; name a recording made by: trefoil run --record FILE")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a recording, or damaged.
    #[error("{path}: {source}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The text of its header is not what this program writes.
    #[error("{path}: the header does not say what was recorded: {source}; replay with the program that wrote it")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The recorded configuration is refused here.
    #[error("the recorded configuration cannot be used here: {0}")]
    Config(Problems),
    /// An event file is not the recorded one.
    #[error("event file {path} has {found} bytes, recorded with {recorded}; put the recorded one there")]
    File {
        /// The file.
        path: PathBuf,
        /// Its length, bytes.
        found: u64,
        /// Its length when it was recorded, bytes.
        recorded: u64,
    },
    /// An event file cannot be used.
    #[error(transparent)]
    Events(#[from] FileError),
}

/// What the replay of one torus gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorusReplay {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub id: u8,
    /// Inputs applied.
    pub inputs: u64,
    /// The recorded end; `None` when the recording was cut off or broken.
    pub end: Option<End>,
    /// The digest reached, or where the replay left the recorded path.
    pub outcome: Result<u64, String>,
}

/// What a replay gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Each torus.
    pub tori: Vec<TorusReplay>,
}

impl Replayed {
    /// Whether every torus has a recorded end and reached its digest.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.tori.iter().all(|torus| torus.end.is_some() && torus.outcome.is_ok())
    }
}

/// Replays a recording.
///
/// # Errors
/// [`ReplayFailure`] when it cannot be replayed at all; a torus that diverges is part of the answer.
pub fn replay(path: &Path) -> Result<Replayed, ReplayFailure> {
    let read = |source| ReplayFailure::Read { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(read)?;
    let damaged = |source| ReplayFailure::Damaged { path: path.to_owned(), source };
    let recording = record::decode(&bytes).map_err(damaged)?;
    let header = |source| ReplayFailure::Header { path: path.to_owned(), source };
    let origin: Origin = serde_json::from_str(&recording.header.text).map_err(header)?;
    check_files(&origin)?;
    let config = config::parse_as(&origin.config, &origin.path).map_err(ReplayFailure::Config)?;
    let works = build::works(&config)?;
    let tori = config.tori.iter().zip(works);
    Ok(Replayed { tori: tori.map(|(torus, work)| one(torus, &work, &recording)).collect() })
}

fn check_files(origin: &Origin) -> Result<(), ReplayFailure> {
    for (path, recorded) in &origin.files {
        let read = |source| ReplayFailure::Read { path: path.clone(), source };
        let found = std::fs::metadata(path).map_err(read)?.len();
        if found != *recorded {
            return Err(ReplayFailure::File { path: path.clone(), found, recorded: *recorded });
        }
    }
    Ok(())
}

fn one(own: &config::Torus, work: &Work, recording: &Recording) -> TorusReplay {
    let entries: Vec<&Entry> = recording.entries.iter().filter(|entry| entry.torus == own.id).collect();
    let end = recording.ends.iter().find(|end| end.torus == own.id).copied();
    let capacities = build::capacities(own);
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let outcome = if work.is_compute() {
        let reactor = work.compute(&mut carver);
        reactor.and_then(|reactor| follow(own, work, &mut carver, reactor, recording, &entries, end.as_ref()))
    } else {
        let reactor = work.relay(&capacities, &mut carver);
        reactor.and_then(|reactor| follow(own, work, &mut carver, reactor, recording, &entries, end.as_ref()))
    };
    TorusReplay { name: own.name.clone(), id: own.id, inputs: entries.len() as u64, end, outcome }
}

fn follow<'m, R: Reactor>(
    own: &config::Torus,
    work: &Work,
    carver: &mut Carver<'m>,
    reactor: R,
    recording: &Recording,
    entries: &[&Entry],
    end: Option<&End>,
) -> Result<u64, String> {
    let mut torus = build::torus(own, carver, reactor, work.source())?;
    let digest = torus.digest();
    let start = recording.header.starts.iter().find(|start| start.torus == own.id);
    match start {
        None => return Err("the recording does not know this torus".to_owned()),
        Some(start) if start.digest != digest => {
            return Err(format!(
                "starts with digest {digest:#018x}, recorded {:#018x}: configuration, event file or program differ",
                start.digest
            ));
        }
        Some(_) => {}
    }
    let replayed = record::replay(&mut torus, entries.iter().copied(), end);
    replayed.map_err(|error: ReplayError| error.to_string())
}
