//! The status board: a file of independent latest links that watchers map read-only (`decisions:NODE-15`).
//!
//! One process writes it, anybody its mode and group admit may read it, and reading costs the writer nothing: it can be
//! read while the writer hangs and after it died. A new writer never touches an old board: it prepares a file of its
//! own beside it and renames it into place, so that a reader sees either the whole old board or the whole new one and
//! notices the change by [`BoardReader::check`].
//!
//! Layout in words of 8 bytes: 0 magic, 1 layout version, 2 number of links, 3 total bytes, 4 epoch (random), 5
//! XXH3-64 of words 1 to 4 and the table; 16 heartbeat counter, 17 its `CLOCK_MONOTONIC` ns, 18 pid, 19 start time,
//! 20 host; 32 the table: per link payload bytes and slots; from byte 4096 the links (see [`crate::slot`]), each on
//! its own 128 bytes.

mod reader;

pub use reader::{BoardReader, Heartbeat};

use crate::backing::{Backing, MAPPED_BYTES_MAX, MapError, Mapping, Pages};
use crate::liveness::{Process, boot_id};
use crate::slot::{self, SlotReader, SlotWriter};
use crate::words::{APART_WORDS, MAX_PAYLOAD_WORDS};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::IntoBytes;

/// "TRFLBRD1" in memory order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TRFLBRD1");
/// Version of this layout.
pub const LAYOUT_VERSION: u64 = 1;
/// Most links on one board.
pub const MAX_LINKS: usize = 128;

const HEADER_WORDS: usize = 512;
const CHECK: usize = 5;
const BEATS: usize = 16;
const BEAT_NS: usize = 17;
const PID: usize = 18;
const TABLE: usize = 32;

const _: () = assert!(TABLE + 2 * MAX_LINKS <= HEADER_WORDS);

/// Why a board could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// Too many links, or none.
    #[error("a board of {links} links, expected 1 to {MAX_LINKS}; correct the list")]
    Links {
        /// Links asked for or found.
        links: u64,
    },
    /// A link that cannot be.
    #[error(
        "link {link} of the board: {payload_bytes} bytes in {slots} slots, expected 1 byte to 1 MiB and a power of \
         two from 2 to 64; correct the list"
    )]
    Link {
        /// Its index.
        link: usize,
        /// Its payload.
        payload_bytes: u64,
        /// Its slots.
        slots: u64,
    },
    /// The file could not be made, opened, given its mode or group, or put in place.
    #[error("status board {path}: {what}: {source}; check the directory, its permissions and the group")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file could not be mapped.
    #[error("status board: {0}")]
    Map(#[from] MapError),
    /// The file is no board, or a damaged one.
    #[error(
        "status board {path}: {what} is {found:#x}, expected {expected:#x}; not written by this program, or \
         damaged: restart the agent"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// Which field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The value expected.
        expected: u64,
    },
    /// A board of another release.
    #[error(
        "status board {path}: layout version {found}, expected {LAYOUT_VERSION}; use the console of the agent's own \
         release"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u64,
    },
    /// No such link.
    #[error("the board has {links} links, number {link} is not one of them; the agent is of another release")]
    NoSuchLink {
        /// The index asked for.
        link: usize,
        /// Links there are.
        links: usize,
    },
}

/// Where a link lies and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    first: usize,
    words: usize,
    payload_words: usize,
    slots: usize,
}

/// The places of all links and the total in words, with checked arithmetic.
fn plan(table: &[(u64, u64)]) -> Result<(Vec<Link>, usize), BoardError> {
    if table.is_empty() || table.len() > MAX_LINKS {
        return Err(BoardError::Links { links: table.len() as u64 });
    }
    let mut end = HEADER_WORDS;
    let mut links = Vec::with_capacity(table.len());
    for (link, &(payload_bytes, slots)) in table.iter().enumerate() {
        let fine = payload_bytes > 0
            && payload_bytes <= MAX_PAYLOAD_WORDS as u64 * 8
            && slots.is_power_of_two()
            && (2..=slot::MAX_SLOTS as u64).contains(&slots);
        if !fine {
            return Err(BoardError::Link { link, payload_bytes, slots });
        }
        // Both are small now: at most 1 MiB in 64 slots for each of 128 links stays far below the address space.
        let (payload_words, slots) = (payload_bytes.div_ceil(8) as usize, slots as usize);
        let words = slot::words_needed(payload_words, slots).next_multiple_of(APART_WORDS);
        links.push(Link { first: end, words, payload_words, slots });
        end += words;
    }
    if end > MAPPED_BYTES_MAX / 8 {
        return Err(BoardError::Map(MapError::Size { bytes: end * 8 }));
    }
    Ok((links, end))
}

/// The writing side of a board. Its links are written by [`Board::writer`]s, one each, on whatever threads.
#[derive(Debug)]
pub struct Board {
    mapping: Mapping,
    links: Vec<Link>,
    path: PathBuf,
    epoch: u64,
}

impl Board {
    /// Makes a board at `path` with the given mode (exact, the umask does not count) and group, and links of
    /// (payload bytes, slots). A board that was there is replaced, never changed.
    ///
    /// # Errors
    /// See [`BoardError`]; nothing is left behind then.
    pub fn create(path: &Path, mode: u32, group: Option<u32>, links: &[(u32, u32)]) -> Result<Self, BoardError> {
        let table: Vec<(u64, u64)> =
            links.iter().map(|(bytes, slots)| (u64::from(*bytes), u64::from(*slots))).collect();
        let (links, total) = plan(&table)?;
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".new.{}", std::process::id()));
        let draft = path.with_file_name(name);
        let made = Self::draft(&draft, mode, group, &table, total).and_then(|(mapping, epoch)| {
            fs::rename(&draft, path).map_err(failed(path, "putting it in place"))?;
            Ok((mapping, epoch))
        });
        if made.is_err() {
            let _ = fs::remove_file(&draft);
        }
        let (mapping, epoch) = made?;
        Ok(Self { mapping, links, path: path.to_owned(), epoch })
    }

    fn draft(
        draft: &Path,
        mode: u32,
        group: Option<u32>,
        table: &[(u64, u64)],
        total: usize,
    ) -> Result<(Mapping, u64), BoardError> {
        let _ = fs::remove_file(draft);
        let mut open = OpenOptions::new();
        // Private until its mode and group are set.
        open.read(true).write(true).create_new(true).mode(0o600);
        let file = open.open(draft).map_err(failed(draft, "creating it"))?;
        own(&file, mode, group).map_err(failed(draft, "setting its mode and group"))?;
        let epoch = boot_id().map_err(failed(draft, "drawing an epoch"))?;
        let mapping = Mapping::file(file, draft, total * 8, Pages::Base, true, false)?;
        let words = mapping.words();
        let header = [LAYOUT_VERSION, table.len() as u64, total as u64 * 8, epoch];
        for (word, field) in words[1..CHECK].iter().zip(header) {
            word.store(field, Ordering::Relaxed);
        }
        for (pair, (bytes, slots)) in words[TABLE..].chunks_exact(2).zip(table) {
            pair[0].store(*bytes, Ordering::Relaxed);
            pair[1].store(*slots, Ordering::Relaxed);
        }
        let me = Process::current();
        for (word, field) in words[PID..].iter().zip([u64::from(me.pid), me.start_ticks, me.host]) {
            word.store(field, Ordering::Relaxed);
        }
        words[CHECK].store(check_word(header, table), Ordering::Relaxed);
        words[0].store(MAGIC, Ordering::SeqCst);
        Ok((mapping, epoch))
    }

    /// The writer of a link; one at a time by the caller's word.
    ///
    /// # Errors
    /// [`BoardError::NoSuchLink`].
    pub fn writer(&self, link: usize) -> Result<BoardWriter<'_>, BoardError> {
        let (words, link) = part(self.mapping.words(), &self.links, link)?;
        let writer = SlotWriter::new(words, link.payload_words, link.slots).expect("planned by the same functions");
        Ok(BoardWriter { writer: writer.with_checksum(true), epoch: self.epoch })
    }

    /// Moves the heartbeat of the board: the sign that its process, not each of its links, is alive.
    pub fn beat(&self, now_ns: u64) {
        let words = self.mapping.words();
        words[BEAT_NS].store(now_ns, Ordering::Relaxed);
        words[BEATS].fetch_add(1, Ordering::Release);
    }

    /// The random epoch: links carry it as the boot id of their writer.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the file lies on.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
    }

    /// Removes the file, if it is still this board; readers that have it open keep the last content.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let held = self.mapping.fd().metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

/// Writes one link of a board. `Send`.
#[derive(Debug)]
pub struct BoardWriter<'b> {
    writer: SlotWriter<'b>,
    epoch: u64,
}

impl BoardWriter<'_> {
    /// Publishes `payload`, with a checksum; never waits, no system call. Returns the sequence number.
    ///
    /// # Panics
    /// When `payload` is longer than the link's payload.
    #[inline]
    pub fn publish(&mut self, now_ns: u64, payload: &[u64]) -> u64 {
        self.writer.publish(self.epoch, now_ns, payload)
    }
}

fn own(file: &File, mode: u32, group: Option<u32>) -> io::Result<()> {
    if group.is_some() {
        fchown(file, None, group)?;
    }
    // After the group: a change of owner clears bits.
    file.set_permissions(Permissions::from_mode(mode))
}

fn check_word(header: [u64; 4], table: &[(u64, u64)]) -> u64 {
    let mut fields = header.to_vec();
    fields.extend(table.iter().flat_map(|(bytes, slots)| [*bytes, *slots]));
    xxh3_64(fields.as_bytes())
}

fn part<'w>(words: &'w [AtomicU64], links: &[Link], link: usize) -> Result<(&'w [AtomicU64], Link), BoardError> {
    let missing = BoardError::NoSuchLink { link, links: links.len() };
    let Some(found) = links.get(link).copied() else { return Err(missing) };
    words.get(found.first..found.first + found.words).map(|words| (words, found)).ok_or(missing)
}

fn reader_of<'w>(words: &'w [AtomicU64], links: &[Link], link: usize) -> Result<SlotReader<'w>, BoardError> {
    let (words, found) = part(words, links, link)?;
    let missing = BoardError::NoSuchLink { link, links: links.len() };
    SlotReader::new(words, found.payload_words, found.slots).map_err(|_| missing)
}

fn failed<'p>(path: &'p Path, what: &'static str) -> impl FnOnce(io::Error) -> BoardError + 'p {
    move |source| BoardError::File { path: path.to_owned(), what, source }
}
