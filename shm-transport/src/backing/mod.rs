//! The backing ladder: what kind of memory a mapping got, and why not a better one.
//!
//! 2 MiB pages first (`memfd` with `MFD_HUGETLB`, or a hugetlbfs file), then transparent huge pages (`madvise`), then
//! 4 KiB pages. Huge pages are taken for determinism (populated, never swapped, never split), not for speed
//! (transport-figures section 1), so every rung works; what must never happen is that an operator does not know which
//! one it is. [`Backing`] therefore always carries the reason, the numbers behind it and the command that mends it
//! (`rse:M6`).
//!
//! Every page is faulted in before the mapping is handed out, so that "no memory left" is an error value at start and
//! not a `SIGBUS` in the middle of a batch.

mod hugepages;
mod map;
mod shared;

pub use hugepages::HugePages;
pub(crate) use map::Mapping;
pub use shared::SharedWords;

use std::io;
use std::path::PathBuf;

/// Size of one huge page, in bytes.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Size of one base page, in bytes.
pub const BASE_PAGE_BYTES: usize = 4096;
/// Largest mapping this crate makes, in bytes. A size field read from a file can ask for no more than this.
pub const MAPPED_BYTES_MAX: usize = 1 << 36;

/// A rung of the ladder, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pages {
    /// 2 MiB pages from the kernel's pool (`hugetlb`): reserved, populated, never swapped.
    Huge,
    /// 2 MiB pages assembled by the kernel where it can (`MADV_HUGEPAGE`).
    Transparent,
    /// 4 KiB pages.
    Base,
}

impl Pages {
    /// The name used in configuration and on the console.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pages::Huge => "huge",
            Pages::Transparent => "transparent",
            Pages::Base => "base",
        }
    }
}

/// What a mapping got, what was asked, and why they differ. Source: `rse:M6`, `decisions:NODE-20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// The rung that was reached.
    pub pages: Pages,
    /// The rung that was asked for.
    pub asked: Pages,
    /// Why this rung: one sentence with the numbers; when it is not the one asked for, also the command that mends it.
    pub reason: String,
    /// Bytes mapped, rounded up to whole pages of the kind reached.
    pub mapped_bytes: usize,
    /// True when the memory cannot be swapped out.
    pub locked: bool,
    /// Why it is locked or not, with the remedy.
    pub lock_reason: String,
    /// True when core dumps leave the mapping out (`MADV_DONTDUMP`).
    pub dump_excluded: bool,
}

impl Backing {
    /// True when the rung reached is at least as good as the one asked for; what `strict` looks at.
    #[must_use]
    pub fn met(&self) -> bool {
        self.pages <= self.asked
    }
}

/// Why memory could not be mapped. Nothing of the host has changed when one of these is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Zero bytes, or more than [`MAPPED_BYTES_MAX`].
    #[error("a mapping of {bytes} bytes was asked for; expected 1 to {max}; correct the geometry or the size",
        max = MAPPED_BYTES_MAX)]
    Size {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The kernel refused even 4 KiB pages.
    #[error(
        "cannot map {bytes} bytes of 4 KiB pages: {source}; free memory, or raise the unit's MemoryMax or `ulimit -v`"
    )]
    Refused {
        /// Bytes asked for.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file could not be mapped.
    #[error("cannot map {bytes} bytes of {path}: {source}; {remedy}")]
    File {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
        /// What to do.
        remedy: String,
    },
    /// A file is smaller than what must be mapped.
    #[error(
        "{path} has {actual} bytes, expected at least {expected}; make it larger (`truncate -s {expected} {path}`) \
         or lower the geometry"
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        actual: u64,
        /// The size needed in bytes.
        expected: u64,
    },
    /// Neither `stat` nor `lseek` gives a size.
    #[error(
        "{path} reports no size, expected a regular file, a hugetlbfs file or a PCI resource file; give the path of one"
    )]
    Unsized {
        /// The file.
        path: PathBuf,
    },
    /// The file shrank after it was mapped: touching it may raise `SIGBUS`.
    #[error(
        "{path} shrank to {actual} bytes under a mapping of {expected}; stop using it, and find who truncated it \
         (`fuser -v {path}`)"
    )]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// Its size now, in bytes.
        actual: u64,
        /// Bytes mapped.
        expected: u64,
    },
    /// The path names another file than the one mapped.
    #[error("{path} is not the file that was mapped (removed or replaced); open it again")]
    Replaced {
        /// The path.
        path: PathBuf,
    },
}

impl Backing {
    /// Locks through `lock` when asked and useful, and records what came of it.
    pub(crate) fn lock_with(&mut self, asked: bool, lock: impl FnOnce() -> io::Result<()>) {
        (self.locked, self.lock_reason) = if self.pages == Pages::Huge {
            (true, String::from("huge pages are never swapped"))
        } else if asked {
            lock_outcome(lock(), self.mapped_bytes)
        } else {
            (false, String::from("not locked: not asked for"))
        };
    }
}

/// The backing of anonymous private memory at `address`, from what the kernel says about it.
pub(crate) fn anonymous_backing(address: usize, bytes: usize, asked: Pages, shortage: Option<io::Error>) -> Backing {
    let (page, huge) = hugepages::observed(address).unwrap_or((BASE_PAGE_BYTES, 0));
    // Neighbouring mappings of equal flags are one entry of smaps; what is ours of it is at most all of ours.
    let huge = huge.min(bytes);
    let mut notes: Vec<String> =
        shortage.iter().map(|error| hugepages::why_no_huge_pages(bytes, &error.to_string())).collect();
    let pages = hugepages::rung(page, huge, bytes);
    notes.push(match pages {
        Pages::Huge => format!("{bytes} bytes on 2 MiB pages of the kernel's pool, all faulted in"),
        Pages::Transparent => format!("{huge} of {bytes} bytes on transparent huge pages"),
        Pages::Base if asked == Pages::Base => format!("{bytes} bytes on 4 KiB pages, as asked"),
        Pages::Base => hugepages::why_no_transparent_pages(false, huge, bytes),
    });
    Backing {
        pages,
        asked,
        reason: notes.join("; "),
        mapped_bytes: bytes,
        locked: false,
        lock_reason: String::new(),
        dump_excluded: false,
    }
}

/// `bytes` rounded up to a multiple of `page`, or the error that names the size.
pub(crate) fn round_up(bytes: usize, page: usize) -> Result<usize, MapError> {
    debug_assert!(page.is_power_of_two());
    if bytes == 0 || bytes > MAPPED_BYTES_MAX {
        return Err(MapError::Size { bytes });
    }
    Ok((bytes + page - 1) & !(page - 1))
}

/// What `mlock` came to, as (locked, reason).
pub(crate) fn lock_outcome(result: io::Result<()>, bytes: usize) -> (bool, String) {
    match result {
        Ok(()) => (true, format!("{bytes} bytes locked in memory")),
        Err(error) => {
            let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK);
            let soft = limit.map_or_else(|_| String::from("unknown"), |(soft, _)| soft.to_string());
            let kib = bytes.div_ceil(1024);
            let reason = format!(
                "not locked: mlock of {bytes} bytes: {error}; RLIMIT_MEMLOCK is {soft} bytes; remedy: `ulimit -l \
                 {kib}` or more, \
                 `LimitMEMLOCK=infinity` in the systemd unit, or CAP_IPC_LOCK"
            );
            (false, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_checked() {
        assert_eq!(round_up(1, BASE_PAGE_BYTES).expect("in range"), BASE_PAGE_BYTES);
        assert_eq!(round_up(HUGE_PAGE_BYTES, HUGE_PAGE_BYTES).expect("in range"), HUGE_PAGE_BYTES);
        assert!(matches!(round_up(0, BASE_PAGE_BYTES), Err(MapError::Size { bytes: 0 })));
        assert!(matches!(round_up(usize::MAX, HUGE_PAGE_BYTES), Err(MapError::Size { .. })));
    }

    #[test]
    #[cfg_attr(miri, ignore = "getrlimit")]
    fn node_20_a_refused_lock_names_the_limit_and_the_remedy() {
        // decisions:NODE-20: what is not had is said, with the remedy.
        let (locked, reason) = lock_outcome(Err(io::Error::from_raw_os_error(12)), 4096);
        assert!(!locked);
        for word in ["RLIMIT_MEMLOCK", "ulimit -l 4", "LimitMEMLOCK=infinity"] {
            assert!(reason.contains(word), "{word} missing in {reason}");
        }
    }
}
