//! The life cycle of a region (`decisions:NODE-16`).
//!
//! Two advisory locks on the file, both released by the kernel when their holder dies, however it dies:
//! byte 0, exclusive, while somebody creates, joins, renews or claims; byte 1, shared, as long as a process has the
//! region open. Who gets byte 1 exclusively knows that no other process of this host has it open.

use super::Region;
use super::error::RegionError;
use super::layout::{Geometry, HEADER_WORDS, Header, Layout, LayoutError};
use super::line::LineView;
use super::view::{Unread, View};
use crate::backing::{Mapping, Pages};
use crate::liveness::{Existence, boot_id};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LIFE_CYCLE_BYTE: i64 = 0;
const PRESENCE_BYTE: i64 = 1;
const LOCK_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(1);
const REOPENS: u32 = 8;

/// How a region is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The geometry; must equal that of an existing region.
    pub geometry: Geometry,
    /// The rung of the ladder wanted.
    pub pages: Pages,
    /// Lock the memory.
    pub lock: bool,
    /// Mode of a file that is created, before the umask.
    pub mode: u32,
    /// How long to watch a heartbeat of somebody whose process cannot be seen from here (another virtual machine or pid
    /// namespace) before it counts as still. Longer than the longest heartbeat period.
    pub patience: Duration,
}

impl Options {
    /// The usual: huge pages wanted, not locked, mode 0660, half a second of patience.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry, pages: Pages::Huge, lock: false, mode: 0o660, patience: Duration::from_millis(500) }
    }
}

/// What opening a region found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Join {
    /// Nothing, or blank bytes: the region is new.
    Created,
    /// A region in use: the lines that are held.
    Joined {
        /// Lines that somebody holds.
        holders: Vec<LineView>,
    },
    /// A region nobody lives in: it was cleared, and this is what lay in it.
    Renewed {
        /// The old content.
        remains: Remains,
    },
}

/// What a region held when it was renewed: an inventory of what was lost (`decisions:NODE-17`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// Its epoch; 0 when it was never completed.
    pub epoch: u64,
    /// Tori that some boot had held.
    pub lines: Vec<LineView>,
    /// Messages between tori that nobody read.
    pub unread: Vec<Unread>,
}

impl Remains {
    fn of(view: &View<'_>) -> Self {
        let lines = view.lines().filter(|line| line.boot != 0).collect();
        Self { epoch: view.epoch(), lines, unread: view.all_unread().collect() }
    }

    /// Messages that nobody read, over all rings.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.unread.iter().map(|unread| unread.records).sum()
    }
}

pub(super) fn private(geometry: Geometry, pages: Pages, lock: bool) -> Result<Region, RegionError> {
    let layout = Layout::new(geometry).map_err(RegionError::Geometry)?;
    let mapping = Mapping::anonymous("trefoil-region", layout.total_bytes(), pages, lock)?;
    let epoch = write_fresh(mapping.words(), layout, Path::new("(anonymous)"))?;
    let patience = Options::new(geometry).patience;
    Ok(Region { mapping, layout, epoch, named: false, patience, claims: Mutex::new(()) })
}

pub(super) fn by_descriptor(fd: OwnedFd, options: &Options) -> Result<Region, RegionError> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let layout = Layout::new(options.geometry).map_err(RegionError::Geometry)?;
    let file = File::from(fd);
    let found = fcntl(&file, FcntlArg::F_GET_SEALS).map_err(|errno| RegionError::File {
        path: path.clone(),
        what: "reading its seals",
        source: errno.into(),
    })?;
    let needed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    if !SealFlag::from_bits_truncate(found).contains(needed) {
        return Err(RegionError::Unsealed { found });
    }
    let mapping = Mapping::file(file, &path, layout.total_bytes(), options.pages, false, options.lock)?;
    let header = Header::read(mapping.words()).map_err(|source| RegionError::Content { path: path.clone(), source })?;
    header.expect(options.geometry).map_err(|source| RegionError::Content { path, source })?;
    let epoch = header.epoch;
    Ok(Region { mapping, layout, epoch, named: false, patience: options.patience, claims: Mutex::new(()) })
}

pub(super) fn named(path: &Path, options: &Options) -> Result<(Region, Join), RegionError> {
    let layout = Layout::new(options.geometry).map_err(RegionError::Geometry)?;
    let (file, fresh) = open_locked(path, options)?;
    let mapping = map(file, path, layout, fresh, options)?;
    let alone = lock_byte(mapping.fd(), PRESENCE_BYTE, libc::F_WRLCK).is_ok();
    let (epoch, join) = settle(&mapping, path, layout, alone, options)?;
    // From exclusive to shared in one step; a shared lock can only be refused by somebody who is settling, and the
    // life-cycle lock is ours.
    lock_byte(mapping.fd(), PRESENCE_BYTE, libc::F_RDLCK).map_err(|source| RegionError::File {
        path: path.to_owned(),
        what: "marking it open",
        source,
    })?;
    lock_byte(mapping.fd(), LIFE_CYCLE_BYTE, libc::F_UNLCK).map_err(|source| RegionError::File {
        path: path.to_owned(),
        what: "unlocking it",
        source,
    })?;
    Ok((Region { mapping, layout, epoch, named: true, patience: options.patience, claims: Mutex::new(()) }, join))
}

/// Opens or creates the file and takes the life-cycle lock on the very file the path names. True = it is empty.
fn open_locked(path: &Path, options: &Options) -> Result<(File, bool), RegionError> {
    let failed = |what| move |source| RegionError::File { path: path.to_owned(), what, source };
    for _ in 0..REOPENS {
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false).mode(options.mode);
        // Regions lie in folders anybody may write to (/dev/shm): a link put there first could lead to any file. Who else owns the
        // file is not asked: members of a group share a region.
        open.custom_flags(nix::libc::O_NOFOLLOW);
        let file = open.open(path).map_err(failed("opening it"))?;
        lock_life_cycle(&file, path)?;
        let held = file.metadata().map_err(failed("looking at it"))?;
        match std::fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {
                return Ok((file, held.is_file() && held.len() == 0));
            }
            // Removed or replaced between opening and locking: that lock protects nothing.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("looking at it")(error)),
        }
    }
    Err(RegionError::Unstable { path: path.to_owned(), times: REOPENS })
}

fn map(file: File, path: &Path, layout: Layout, fresh: bool, options: &Options) -> Result<Mapping, RegionError> {
    let wanted = layout.total_bytes();
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let content = |source| RegionError::Content { path: path.to_owned(), source };
    let header_bytes = HEADER_WORDS as u64 * 8;
    if !fresh && size > 0 && size < header_bytes {
        return Err(content(LayoutError::Short { actual: size, expected: wanted as u64 }));
    }
    // An existing file is mapped as far as it goes, so that a short one can still be asked what it is.
    let there = usize::try_from(size).unwrap_or(usize::MAX);
    let bytes = if fresh || size == 0 { wanted } else { wanted.min(there) };
    Ok(Mapping::file(file, path, bytes, options.pages, fresh, options.lock)?)
}

/// Decides what the content is and makes a valid region of it, or refuses. The life-cycle lock is held.
fn settle(
    mapping: &Mapping,
    path: &Path,
    layout: Layout,
    alone: bool,
    options: &Options,
) -> Result<(u64, Join), RegionError> {
    let content = |source| RegionError::Content { path: path.to_owned(), source };
    let words = mapping.words();
    let header = match Header::read(words) {
        Ok(header) => header,
        Err(LayoutError::Foreign { found: 0 }) if is_blank(words) => {
            return Ok((write_fresh(words, layout, path)?, Join::Created));
        }
        // Its creator died; the lock we hold proves that nobody is at it now, on a file system of this host.
        Err(LayoutError::UnderConstruction) if alone && mapping.lock_reaches_all() => {
            return Ok((write_fresh(words, layout, path)?, Join::Created));
        }
        Err(error) => return Err(content(error)),
    };
    header.expect(options.geometry).map_err(content)?;
    header.fits(words.len() * 8).map_err(content)?;
    let view = View::of_checked(words, header.layout, header.epoch);
    // Where our locks reach nobody (a PCI resource file), an idle region may have been made a moment ago by a guest
    // that has not claimed yet: it is joined as it is.
    let idle = !mapping.lock_reaches_all() && !view.lines().any(|line| line.is_occupied());
    if !alone || idle || anybody_lives(&view, options.patience) {
        let holders = view.lines().filter(LineView::is_occupied).collect();
        return Ok((header.epoch, Join::Joined { holders }));
    }
    let remains = Remains::of(&view);
    let epoch = write_fresh(words, layout, path)?;
    Ok((epoch, Join::Renewed { remains }))
}

fn is_blank(words: &[AtomicU64]) -> bool {
    words.iter().all(|word| word.load(Ordering::Acquire) == 0)
}

/// Whether any holder's process exists, or, for those whose process cannot be seen, any heartbeat moves in time.
fn anybody_lives(view: &View<'_>, patience: Duration) -> bool {
    let held: Vec<LineView> = view.lines().filter(LineView::is_occupied).collect();
    if held.iter().any(|line| line.existence() == Existence::Alive) {
        return true;
    }
    let unseen: Vec<LineView> = held.into_iter().filter(|line| line.existence() == Existence::Unknown).collect();
    !unseen.is_empty() && wait_for_motion(view, &unseen, patience)
}

/// Watches lines until one changes or time is up.
pub(super) fn wait_for_motion(view: &View<'_>, lines: &[LineView], patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        if lines.iter().any(|seen| view.torus(seen.torus).as_ref() != Some(seen)) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(POLL);
    }
}

fn write_fresh(words: &[AtomicU64], layout: Layout, path: &Path) -> Result<u64, RegionError> {
    let epoch =
        boot_id().map_err(|source| RegionError::File { path: path.to_owned(), what: "drawing an epoch", source })?;
    Header::write(words, layout, epoch).map_err(|source| RegionError::Content { path: path.to_owned(), source })?;
    Ok(epoch)
}

/// Takes the life-cycle lock within [`LOCK_WAIT`].
pub(super) fn lock_life_cycle(file: &File, path: &Path) -> Result<(), RegionError> {
    let end = Instant::now() + LOCK_WAIT;
    loop {
        match lock_byte(file, LIFE_CYCLE_BYTE, libc::F_WRLCK) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                return Err(RegionError::File { path: path.to_owned(), what: "locking it", source: error });
            }
            Err(_) if Instant::now() >= end => {
                return Err(RegionError::Locked { path: path.to_owned(), waited: LOCK_WAIT });
            }
            Err(_) => sleep(POLL),
        }
    }
}

/// Gives the life-cycle lock back.
pub(super) fn unlock_life_cycle(file: &File) {
    let _ = lock_byte(file, LIFE_CYCLE_BYTE, libc::F_UNLCK);
}

/// Sets or clears an open-file-description lock on one byte; `WouldBlock` when another open file holds it.
fn lock_byte(file: &File, byte: i64, kind: i32) -> io::Result<()> {
    let lock = libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: byte, l_len: 1, l_pid: 0 };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(io::ErrorKind::WouldBlock.into()),
        Err(errno) => Err(errno.into()),
    }
}
