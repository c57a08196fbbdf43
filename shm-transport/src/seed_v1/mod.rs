//! The seed's region, byte for byte: a torus of ours beside seed-compatible peers (rse-v1-region sections 1 and 4).
//!
//! Three rings of one slot each and nine ack words; no magic, no epoch, no heartbeat. What the bytes of a projection
//! mean is not known here: the two hashes and the torus id inside are checked through [`Verify`].
//!
//! | offset | size | content |
//! |---:|---:|---|
//! | 4240 t | 8 | sequence number |
//! | + 8 | 8 | payload hash |
//! | + 16 | 4 | payload length |
//! | + 20 | 4 | ready |
//! | + 24 | 4216 | payload |
//! | 12720 + 24 r + 8 s | 8 | last sequence of sender s that reader r consumed |

mod torus;

pub use torus::{Counts, Delivery, PeerState, SeedTorus, Verify, WINDOW_NS};

use crate::backing::{Backing, MapError, Mapping, Pages};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tori of a seed region.
pub const TORI: u8 = 3;
/// Bytes of a projection V1.
pub const PAYLOAD_BYTES: usize = 4216;
/// Bytes of a projection V1 in words.
pub const PAYLOAD_WORDS: usize = PAYLOAD_BYTES / 8;
/// Bytes of the ring of one torus.
pub const RING_BYTES: usize = 4240;
/// Offset of the ack words.
pub const ACKS_OFFSET: usize = 12_720;
/// Bytes used.
pub const REGION_BYTES: usize = 12_792;
/// Bytes of the file the seed uses.
pub const FILE_BYTES: usize = 65_536;

const SEQ: usize = 0;
const HASH: usize = 1;
const LENGTH_READY: usize = 2;
const PAYLOAD: usize = 3;
const RING_WORDS: usize = RING_BYTES / 8;
const REGION_WORDS: usize = REGION_BYTES / 8;
/// Word of the payload that holds its timestamp.
const TIMESTAMP: usize = PAYLOAD + 1;

const fn seq_offset(torus: usize) -> usize {
    (torus * RING_WORDS + SEQ) * 8
}
const fn hash_offset(torus: usize) -> usize {
    (torus * RING_WORDS + HASH) * 8
}
const fn payload_offset(torus: usize) -> usize {
    (torus * RING_WORDS + PAYLOAD) * 8
}
const fn ack_word(reader: usize, sender: usize) -> usize {
    ACKS_OFFSET / 8 + 3 * reader + sender
}
/// The word of length (low half) and ready (high half): on a little-endian machine ready is 4 bytes further.
const fn length_offset(torus: usize) -> usize {
    (torus * RING_WORDS + LENGTH_READY) * 8
}

// rse-v1-region section 1, number by number.
const _: () = assert!(PAYLOAD_WORDS * 8 == PAYLOAD_BYTES && RING_WORDS * 8 == RING_BYTES);
const _: () = assert!(seq_offset(0) == 0 && seq_offset(1) == 4240 && seq_offset(2) == 8480);
const _: () = assert!(hash_offset(0) == 8 && hash_offset(1) == 4248 && hash_offset(2) == 8488);
const _: () = assert!(length_offset(0) == 16 && length_offset(1) == 4256 && length_offset(2) == 8496);
const _: () = assert!(length_offset(0) + 4 == 20 && length_offset(1) + 4 == 4260 && length_offset(2) + 4 == 8500);
const _: () = assert!(payload_offset(0) == 24 && payload_offset(1) == 4264 && payload_offset(2) == 8504);
const _: () = assert!(payload_offset(0) + PAYLOAD_BYTES == 4240 && payload_offset(2) + PAYLOAD_BYTES == ACKS_OFFSET);
const _: () = assert!(ack_word(0, 0) * 8 == 12_720 && ack_word(0, 1) * 8 == 12_728 && ack_word(0, 2) * 8 == 12_736);
const _: () = assert!(ack_word(1, 0) * 8 == 12_744 && ack_word(1, 1) * 8 == 12_752 && ack_word(1, 2) * 8 == 12_760);
const _: () = assert!(ack_word(2, 0) * 8 == 12_768 && ack_word(2, 1) * 8 == 12_776 && ack_word(2, 2) * 8 == 12_784);
const _: () = assert!((ack_word(2, 2) + 1) * 8 == REGION_BYTES && REGION_BYTES <= FILE_BYTES);

/// Why a seed region could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// No such torus.
    #[error("seed torus {torus}, expected 0 to 2; correct the torus id")]
    NoSuchTorus {
        /// The id asked for.
        torus: u8,
    },
    /// The memory is too small.
    #[error(
        "a seed region of {actual} bytes, expected at least {REGION_BYTES}; make the file larger (`truncate -s \
         {FILE_BYTES}`)"
    )]
    Short {
        /// Its size.
        actual: usize,
    },
    /// The file could not be opened.
    #[error("seed region {path}: {source}; check the path and its permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file could not be mapped.
    #[error("seed region: {0}")]
    Map(#[from] MapError),
}

/// What the file held when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing: absent, empty or blank. It is now the seed's size, zeroed.
    Blank,
    /// Something: an exchange under way, or left over from an earlier run (nothing in the bytes tells which).
    Used,
}

/// A mapped seed region. It is never zeroed under a running node: a used one is taken as it stands (rule 2).
#[derive(Debug)]
pub struct SeedRegion {
    mapping: Mapping,
}

impl SeedRegion {
    /// Opens the file (tmpfs, hugetlbfs, or a PCI resource file), making it with the seed's size when absent.
    ///
    /// # Errors
    /// [`SeedError::File`], [`SeedError::Map`] for a file shorter than [`REGION_BYTES`].
    pub fn open(path: &Path) -> Result<(Self, Start), SeedError> {
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false).mode(0o660);
        let file = open.open(path).map_err(|source| SeedError::File { path: path.to_owned(), source })?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let bytes = if size == 0 { FILE_BYTES } else { usize::try_from(size).unwrap_or(FILE_BYTES).min(FILE_BYTES) };
        let mapping = Mapping::file(file, path, bytes.max(REGION_BYTES), Pages::Base, size == 0, false)?;
        let blank = mapping.words()[..REGION_WORDS].iter().all(|word| word.load(Ordering::Acquire) == 0);
        Ok((Self { mapping }, if blank { Start::Blank } else { Start::Used }))
    }

    /// Its words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// What it lies on.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
    }

    /// Checks that the file is whole and still the one its path names.
    ///
    /// # Errors
    /// [`MapError::Shrunk`], [`MapError::Replaced`].
    pub fn verify(&self) -> Result<(), MapError> {
        self.mapping.verify()
    }
}

/// The ring of one torus.
#[derive(Debug, Clone, Copy)]
struct Slot<'r>(&'r [AtomicU64]);

/// A slot's key: what must change for its content to be new (rule 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    seq: u64,
    hash: u64,
    timestamp: u64,
}

impl<'r> Slot<'r> {
    /// `words` is at least a region, `torus` below [`TORI`].
    fn new(words: &'r [AtomicU64], torus: u8) -> Self {
        let first = usize::from(torus) * RING_WORDS;
        Self(&words[first..first + RING_WORDS])
    }

    fn seq(&self) -> u64 {
        self.0[SEQ].load(Ordering::Acquire)
    }

    fn length(&self) -> u32 {
        self.0[LENGTH_READY].load(Ordering::Acquire) as u32
    }

    fn is_ready(&self) -> bool {
        self.0[LENGTH_READY].load(Ordering::Acquire) >> 32 != 0
    }

    fn key(&self) -> Key {
        let word = |index: usize| self.0[index].load(Ordering::Acquire);
        Key { seq: word(SEQ), hash: word(HASH), timestamp: word(TIMESTAMP) }
    }
}
