//! Mapping shared memory: anonymous (`memfd`) and named files (tmpfs, hugetlbfs, PCI resource files).
//!
//! The one `unsafe` line of this module turns mapped bytes into `&[AtomicU64]`.

use super::hugepages::{observed, rung, why_no_huge_pages, why_no_transparent_pages};
use super::{BASE_PAGE_BYTES, Backing, HUGE_PAGE_BYTES, MapError, Pages, round_up};
use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::{FsType, HUGETLBFS_MAGIC, TMPFS_MAGIC, fstatfs};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

/// `SYSFS_MAGIC` of linux/magic.h: where PCI resource files live.
const SYSFS_MAGIC: FsType = FsType(0x6265_6572);

/// Shared memory of this process, with the file that holds it.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
    file: File,
    path: Option<PathBuf>,
    backing: Backing,
}

/// What a file is made of; it decides page size, reservation and whether pages can be faulted in ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hugetlb,
    Tmpfs,
    Device,
    Other,
}

impl Mapping {
    /// Anonymous shared memory of at least `bytes`, zeroed, sealed against resizing, faulted in.
    pub(crate) fn anonymous(name: &str, bytes: usize, asked: Pages, lock: bool) -> Result<Self, MapError> {
        let mut notes = Vec::new();
        if asked == Pages::Huge {
            match Self::memfd(name, round_up(bytes, HUGE_PAGE_BYTES)?, MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB) {
                Ok((file, map)) => return Ok(Self::finish(file, map, None, asked, Kind::Hugetlb, notes, lock)),
                Err(error) => notes.push(why_no_huge_pages(bytes, &error.to_string())),
            }
        }
        let page = if asked == Pages::Base || bytes < HUGE_PAGE_BYTES { BASE_PAGE_BYTES } else { HUGE_PAGE_BYTES };
        let bytes = round_up(bytes, page)?;
        let (file, map) =
            Self::memfd(name, bytes, MFdFlags::empty()).map_err(|source| MapError::Refused { bytes, source })?;
        Ok(Self::finish(file, map, None, asked, Kind::Tmpfs, notes, lock))
    }

    fn memfd(name: &str, bytes: usize, extra: MFdFlags) -> io::Result<(File, MmapRaw)> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | extra;
        let file = File::from(memfd_create(name, flags)?);
        file.set_len(bytes as u64)?;
        // From here on nobody, we included, can pull the memory from under a mapping.
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL))?;
        let map = map_populated(&file, bytes, extra.is_empty())?;
        Ok((file, map))
    }

    /// Maps `bytes` of an open file read-write and faults every page in.
    ///
    /// The file is grown when `grow` is set and it is an ordinary one (tmpfs, hugetlbfs, a disk); a PCI resource file
    /// has the size of its BAR. The descriptor is kept: [`Mapping::verify`] compares it with the path and the size.
    pub(crate) fn file(
        file: File,
        path: &Path,
        bytes: usize,
        asked: Pages,
        grow: bool,
        lock: bool,
    ) -> Result<Self, MapError> {
        let kind = kind(&file);
        let page = if kind == Kind::Hugetlb { HUGE_PAGE_BYTES } else { BASE_PAGE_BYTES };
        let mapped = round_up(bytes, page)?;
        let mut actual = size(&file, path, kind, grow)?;
        if actual < mapped as u64 && grow && kind != Kind::Device {
            file.set_len(mapped as u64).map_err(|source| refused(path, mapped, source, kind))?;
            actual = mapped as u64;
        }
        // A regular file whose last page is partly filled is whole for our purpose; beyond that page lies SIGBUS.
        if actual < bytes as u64 {
            return Err(MapError::Short { path: path.to_owned(), actual, expected: bytes as u64 });
        }
        if matches!(kind, Kind::Tmpfs | Kind::Other) {
            // Without a reservation a full file system would answer the first write with SIGBUS.
            match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, mapped as i64) {
                Ok(()) | Err(Errno::EOPNOTSUPP) => {}
                Err(errno) => return Err(refused(path, mapped, errno.into(), kind)),
            }
        }
        let map = if kind == Kind::Device {
            MmapOptions::new().len(mapped).map_raw(&file)
        } else {
            map_populated(&file, mapped, asked != Pages::Base && kind != Kind::Hugetlb)
        };
        let map = map.map_err(|source| refused(path, mapped, source, kind))?;
        Ok(Self::finish(file, map, Some(path.to_owned()), asked, kind, Vec::new(), lock))
    }

    /// Maps a file read-only as it stands. Any write through it is impossible: the pages are `PROT_READ`.
    pub(crate) fn read_only(file: File, path: &Path) -> Result<Self, MapError> {
        let kind = kind(&file);
        let actual = size(&file, path, kind, false)?;
        if actual < 8 {
            return Err(MapError::Short { path: path.to_owned(), actual, expected: 8 });
        }
        let bytes = usize::try_from(actual).unwrap_or(usize::MAX) & !7;
        round_up(bytes, BASE_PAGE_BYTES)?;
        let map = MmapOptions::new()
            .len(bytes)
            .map_raw_read_only(&file)
            .map_err(|source| refused(path, bytes, source, kind))?;
        Ok(Self::finish(file, map, Some(path.to_owned()), Pages::Base, kind, Vec::new(), false))
    }

    fn finish(
        file: File,
        map: MmapRaw,
        path: Option<PathBuf>,
        asked: Pages,
        kind: Kind,
        mut notes: Vec<String>,
        lock: bool,
    ) -> Self {
        let bytes = map.len();
        let (page, huge) = observed(map.as_ptr() as usize).unwrap_or((BASE_PAGE_BYTES, 0));
        let pages = rung(page, huge, bytes);
        match pages {
            Pages::Huge => notes.push(format!("{bytes} bytes on 2 MiB pages of the kernel's pool, all faulted in")),
            Pages::Transparent => notes.push(format!("{huge} of {bytes} bytes on transparent huge pages")),
            Pages::Base if kind == Kind::Device => {
                notes.push(format!("{bytes} bytes of device memory, backed by the host"))
            }
            Pages::Base if asked == Pages::Base => notes.push(format!("{bytes} bytes on 4 KiB pages, as asked")),
            Pages::Base => notes.push(why_no_transparent_pages(true, huge, bytes)),
        }
        if path.is_some() && asked == Pages::Huge && pages != Pages::Huge && kind != Kind::Device {
            let needed = bytes.div_ceil(HUGE_PAGE_BYTES);
            notes.push(format!(
                "the file is not on hugetlbfs; remedy (root): `mount -t hugetlbfs -o pagesize=2M none \
                 /dev/hugepages`, {needed} \
                 free pages by /proc/sys/vm/nr_hugepages, and a path below /dev/hugepages"
            ));
        }
        // A child made by fork must not inherit a writer's memory: it would be a second writer.
        let _ = map.advise(Advice::DontFork);
        let dump_excluded = map.advise(Advice::DontDump).is_ok();
        let mut backing = Backing {
            pages,
            asked,
            reason: notes.join("; "),
            mapped_bytes: bytes,
            locked: false,
            lock_reason: String::new(),
            dump_excluded,
        };
        if kind == Kind::Device {
            (backing.locked, backing.lock_reason) = (true, String::from("device memory is never swapped"));
        } else {
            backing.lock_with(lock, || map.lock());
        }
        Self { map, file, path, backing }
    }

    /// The mapped memory as words. Little-endian hosts only, as the formats are.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let pointer = self.map.as_mut_ptr().cast::<AtomicU64>();
        // SAFETY: the mapping is page aligned (so 8-byte aligned), `len() / 8` whole words lie inside it, and it
        // lives as long as `self`, from which the slice borrows. The memory is shared with other processes and
        // threads, which is what `AtomicU64` permits; no other reference type to it is ever made. A mapping made by
        // `read_only` is only handed to code that loads; a store there is a fault of the process, not undefined
        // behaviour. Shown by `tests/mappings.rs` and `tests/torture.rs`.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(pointer, self.map.len() / 8)
        }
    }

    /// What the mapping got and why.
    pub(crate) fn backing(&self) -> &Backing {
        &self.backing
    }

    /// The file that holds the memory.
    pub(crate) fn fd(&self) -> &File {
        &self.file
    }

    /// False for device memory: a file lock on it says nothing about the other virtual machines.
    pub(crate) fn lock_reaches_all(&self) -> bool {
        kind(&self.file) != Kind::Device
    }

    /// Checks that the file is still at least as large as the mapping and that its path still names it.
    ///
    /// `memfd` memory is sealed and needs no check. A named file can be truncated by whoever may write to it, and
    /// touching the lost part raises `SIGBUS`; this finds it before, it cannot prevent it.
    pub(crate) fn verify(&self) -> Result<(), MapError> {
        let Some(path) = &self.path else { return Ok(()) };
        let expected = self.map.len() as u64;
        let refused = |source| refused(path, self.map.len(), source, Kind::Other);
        let held = self.file.metadata().map_err(refused)?;
        let page = if kind(&self.file) == Kind::Hugetlb { HUGE_PAGE_BYTES as u64 } else { BASE_PAGE_BYTES as u64 };
        if held.len() > 0 && held.len().next_multiple_of(page) < expected || held.len() == 0 && held.is_file() {
            return Err(MapError::Shrunk { path: path.clone(), actual: held.len(), expected });
        }
        match std::fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => Ok(()),
            Ok(_) => Err(MapError::Replaced { path: path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(MapError::Replaced { path: path.clone() }),
            Err(error) => Err(refused(error)),
        }
    }
}

/// Maps and faults in; a shortage is an error here and not a signal later.
fn map_populated(file: &File, bytes: usize, transparent: bool) -> io::Result<MmapRaw> {
    let map = MmapOptions::new().len(bytes).map_raw(file)?;
    if transparent {
        // Only a wish; what came of it is read from smaps afterwards.
        let _ = map.advise(Advice::HugePage);
    }
    match map.advise(Advice::PopulateWrite) {
        // Kernels before 5.14 have no MADV_POPULATE_WRITE; there MAP_POPULATE is the best there is.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            drop(map);
            MmapOptions::new().len(bytes).populate().map_raw(file)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(map),
    }
}

fn kind(file: &File) -> Kind {
    match fstatfs(file).map(|stat| stat.filesystem_type()) {
        Ok(HUGETLBFS_MAGIC) => Kind::Hugetlb,
        Ok(TMPFS_MAGIC) => Kind::Tmpfs,
        Ok(SYSFS_MAGIC) => Kind::Device,
        _ => Kind::Other,
    }
}

/// The size of a file: `stat`, and where that says nothing (devices), `lseek` to the end.
fn size(file: &File, path: &Path, kind: Kind, empty_is_fine: bool) -> Result<u64, MapError> {
    let metadata = file.metadata().map_err(|source| refused(path, 0, source, kind))?;
    if metadata.len() > 0 || (metadata.is_file() && kind != Kind::Device) {
        return match metadata.len() {
            0 if !empty_is_fine => Err(MapError::Short { path: path.to_owned(), actual: 0, expected: 8 }),
            bytes => Ok(bytes),
        };
    }
    let mut handle = file;
    match handle.seek(SeekFrom::End(0)) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(MapError::Unsized { path: path.to_owned() }),
    }
}

fn refused(path: &Path, bytes: usize, source: io::Error, kind: Kind) -> MapError {
    let remedy = match kind {
        Kind::Hugetlb => why_no_huge_pages(bytes, "the pool is exhausted"),
        Kind::Tmpfs => String::from("free space on that tmpfs or make it larger (`mount -o remount,size=...`)"),
        Kind::Device => {
            String::from("enable the device (`echo 1 > enable` beside the resource file) and check its permissions")
        }
        Kind::Other => String::from("check its permissions, and that the file system supports shared mappings"),
    };
    MapError::File { path: path.to_owned(), bytes, source, remedy }
}
