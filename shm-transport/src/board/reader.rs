//! The reading side of a board: maps it read-only, believes nothing (`rse:M7`).

use super::{BEAT_NS, BEATS, BoardError, CHECK, LAYOUT_VERSION, Link, MAGIC, MAX_LINKS, PID, TABLE};
use super::{HEADER_WORDS, check_word, failed, part, plan, reader_of};
use crate::backing::{MapError, Mapping};
use crate::liveness::Process;
use crate::slot::{Read, SlotReader};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A board mapped read-only. It survives its writer: the last content stays readable.
#[derive(Debug)]
pub struct BoardReader {
    mapping: Mapping,
    links: Vec<Link>,
    epoch: u64,
}

/// The heartbeat of a board's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Beats so far; it moves while the writer lives.
    pub count: u64,
    /// `CLOCK_MONOTONIC` of the last beat, ns.
    pub at_ns: u64,
    /// The writing process.
    pub process: Process,
}

impl BoardReader {
    /// Opens the board at `path`.
    ///
    /// # Errors
    /// [`BoardError::File`] (`NotFound`: no agent has run here), [`BoardError::Version`], [`BoardError::Content`],
    /// [`BoardError::Map`] for a file too short.
    pub fn open(path: &Path) -> Result<Self, BoardError> {
        let file = File::open(path).map_err(failed(path, "opening it"))?;
        if !file.metadata().map_err(failed(path, "looking at it"))?.is_file() {
            return Err(BoardError::Map(MapError::Unsized { path: path.to_owned() }));
        }
        let mapping = Mapping::read_only(file, path)?;
        let (links, epoch) = parse(mapping.words(), path)?;
        Ok(Self { mapping, links, epoch })
    }

    /// Number of links.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Words of a link's payload: the buffer [`BoardReader::read`] needs.
    #[must_use]
    pub fn payload_words(&self, link: usize) -> Option<usize> {
        self.links.get(link).map(|link| link.payload_words)
    }

    /// The epoch of this board.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A reader of a link that remembers what it has seen.
    ///
    /// # Errors
    /// [`BoardError::NoSuchLink`].
    pub fn reader(&self, link: usize) -> Result<SlotReader<'_>, BoardError> {
        reader_of(self.mapping.words(), &self.links, link)
    }

    /// Reads the newest value of a link whether it was seen before or not: [`Read::Fresh`], [`Read::Empty`] before
    /// the first, [`Read::Busy`] under a furious writer, [`Read::Damaged`]. A buffer that is too short is not filled.
    ///
    /// # Errors
    /// [`BoardError::NoSuchLink`], also for a buffer shorter than [`BoardReader::payload_words`].
    pub fn read(&self, link: usize, out: &mut [u64]) -> Result<Read, BoardError> {
        let (_, found) = part(self.mapping.words(), &self.links, link)?;
        if out.len() < found.payload_words {
            return Err(BoardError::Link { link, payload_bytes: out.len() as u64 * 8, slots: found.slots as u64 });
        }
        Ok(self.reader(link)?.read(out))
    }

    /// The writer's heartbeat.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        let words = self.mapping.words();
        let word = |index: usize| words[index].load(Ordering::Acquire);
        let pid = u32::try_from(word(PID)).unwrap_or(0);
        let process = Process { pid, start_ticks: word(PID + 1), host: word(PID + 2) };
        Heartbeat { count: word(BEATS), at_ns: word(BEAT_NS), process }
    }

    /// Whether the path still names this board and the file is whole. To be called before a round of reading: a file
    /// cut off by its owner would raise `SIGBUS`.
    ///
    /// # Errors
    /// [`MapError::Replaced`]: a new agent started, or the old one removed it; open again. [`MapError::Shrunk`].
    pub fn check(&self) -> Result<(), MapError> {
        self.mapping.verify()
    }
}

/// Reads the header once and checks the copy.
fn parse(words: &[AtomicU64], path: &Path) -> Result<(Vec<Link>, u64), BoardError> {
    let actual = words.len() as u64 * 8;
    let short = |expected| BoardError::Map(MapError::Short { path: path.to_owned(), actual, expected });
    let content = |what, found, expected| BoardError::Content { path: path.to_owned(), what, found, expected };
    let words = words.get(..HEADER_WORDS).ok_or_else(|| short(HEADER_WORDS as u64 * 8))?;
    let copy: Vec<u64> = words.iter().map(|word| word.load(Ordering::Acquire)).collect();
    if copy[0] != MAGIC {
        return Err(content("the first word", copy[0], MAGIC));
    }
    if copy[1] != LAYOUT_VERSION {
        return Err(BoardError::Version { path: path.to_owned(), found: copy[1] });
    }
    let count = usize::try_from(copy[2]).unwrap_or(usize::MAX);
    if count == 0 || count > MAX_LINKS {
        return Err(BoardError::Links { links: copy[2] });
    }
    let table: Vec<(u64, u64)> =
        copy[TABLE..TABLE + 2 * count].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let expected = check_word([copy[1], copy[2], copy[3], copy[4]], &table);
    if copy[CHECK] != expected {
        return Err(content("the check word", copy[CHECK], expected));
    }
    let (links, total) = plan(&table)?;
    let total = total as u64 * 8;
    if copy[3] != total {
        return Err(content("the total size", copy[3], total));
    }
    if actual < total {
        return Err(short(total));
    }
    Ok((links, copy[4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        #[cfg_attr(miri, ignore = "proptest reads the file system")]
        fn m7_any_bytes_as_a_board_header_are_refused_without_a_panic(
            bytes in prop::collection::vec(any::<u64>(), 0..600),
        ) {
            // rse:M7: a header is a claim. Random words never pass the check word.
            let words: Vec<AtomicU64> = bytes.into_iter().map(AtomicU64::new).collect();
            if let Some(word) = words.first() {
                word.store(MAGIC, Ordering::Relaxed);
            }
            if let Some(word) = words.get(1) {
                word.store(LAYOUT_VERSION, Ordering::Relaxed);
            }
            if let Some(word) = words.get(2) {
                word.store(word.load(Ordering::Relaxed) % 140, Ordering::Relaxed);
            }
            prop_assert!(parse(&words, Path::new("x")).is_err());
        }
    }
}
