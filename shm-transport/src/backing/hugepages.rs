//! The kernel's own numbers about huge pages, and the sentences made from them.

use super::{HUGE_PAGE_BYTES, Pages};
use std::fs;

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const THP: &str = "/sys/kernel/mm/transparent_hugepage";

/// The state of the kernel's pool of 2 MiB pages, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HugePages {
    /// Pages in the pool.
    pub total: u64,
    /// Pages nobody has faulted in.
    pub free: u64,
    /// Free pages already promised to a mapping.
    pub reserved: u64,
}

impl HugePages {
    /// Reads the pool, or `None` where the kernel has no 2 MiB pages.
    #[must_use]
    pub fn read() -> Option<Self> {
        Some(Self {
            total: number("nr_hugepages")?,
            free: number("free_hugepages")?,
            reserved: number("resv_hugepages")?,
        })
    }

    /// Pages a new mapping can still have.
    #[must_use]
    pub fn available(self) -> u64 {
        self.free.saturating_sub(self.reserved)
    }

    /// The pool size with which `pages` more would fit.
    #[must_use]
    pub fn total_for(self, pages: u64) -> u64 {
        self.total + pages.saturating_sub(self.available())
    }
}

fn number(file: &str) -> Option<u64> {
    fs::read_to_string(format!("{POOL}/{file}")).ok()?.trim().parse().ok()
}

/// One sentence about why `bytes` of 2 MiB pages were not to be had, with the command that mends it.
pub(super) fn why_no_huge_pages(bytes: usize, error: &str) -> String {
    let needed = bytes.div_ceil(HUGE_PAGE_BYTES) as u64;
    match HugePages::read() {
        None => format!(
            "no 2 MiB pages in this kernel ({POOL} is missing); remedy: boot with `hugepagesz=2M hugepages={needed}`"
        ),
        Some(pool) => format!(
            "no 2 MiB pages: {error}; {needed} needed, {} free of {} (/proc/sys/vm/nr_hugepages), {} promised; \
             remedy (root): `echo {} > /proc/sys/vm/nr_hugepages`, and `vm.nr_hugepages = {}` in /etc/sysctl.d to \
              keep it",
            pool.free,
            pool.total,
            pool.reserved,
            pool.total_for(needed),
            pool.total_for(needed),
        ),
    }
}

/// One sentence about why the kernel assembled only `got` of `bytes` into transparent huge pages.
pub(super) fn why_no_transparent_pages(shared: bool, got: usize, bytes: usize) -> String {
    let (file, value) = if shared { ("shmem_enabled", "advise") } else { ("enabled", "madvise") };
    let now = fs::read_to_string(format!("{THP}/{file}")).map_or_else(|error| error.to_string(), |text| chosen(&text));
    let held = format!("transparent huge pages hold {got} of {bytes} bytes ({THP}/{file} is {now})");
    if bytes < HUGE_PAGE_BYTES {
        return format!("{held}: the mapping is smaller than one 2 MiB page");
    }
    if [value, "always", "force"].contains(&now.as_str()) {
        return format!(
            "{held}: the kernel found no free 2 MiB run; remedy (root): `echo 1 > /proc/sys/vm/compact_memory`, then start again"
        );
    }
    format!("{held}; remedy (root): `echo {value} > {THP}/{file}`")
}

/// The word in brackets of a sysfs choice such as `always [madvise] never`.
fn chosen(text: &str) -> String {
    let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(word, _)| word);
    inside.unwrap_or(text).trim().to_owned()
}

/// The rung of a mapping whose kernel page size and huge-page share are known.
pub(super) fn rung(page: usize, huge: usize, bytes: usize) -> Pages {
    if page >= HUGE_PAGE_BYTES {
        Pages::Huge
    } else if huge * 2 > bytes {
        Pages::Transparent
    } else {
        Pages::Base
    }
}

/// What the kernel says about the mapping that starts at `address`: (kernel page size, bytes held by huge pages).
pub(super) fn observed(address: usize) -> Option<(usize, usize)> {
    let text = fs::read_to_string("/proc/self/smaps").ok()?;
    parse_smaps(&text, address)
}

fn parse_smaps(text: &str, address: usize) -> Option<(usize, usize)> {
    let mut inside = false;
    let (mut page, mut huge) = (None, 0usize);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        if let Some((start, end)) = first.split_once('-')
            && let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
        {
            if inside {
                break;
            }
            inside = (start..end).contains(&address);
            continue;
        }
        if !inside {
            continue;
        }
        let bytes = second.parse::<usize>().unwrap_or(0).saturating_mul(1024);
        match first {
            "KernelPageSize:" => page = Some(bytes),
            "AnonHugePages:" | "ShmemPmdMapped:" | "FilePmdMapped:" | "Shared_Hugetlb:" | "Private_Hugetlb:" => {
                huge += bytes
            }
            _ => {}
        }
    }
    page.map(|page| (page, huge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_size_that_would_do_counts_what_is_promised() {
        let pool = HugePages { total: 8, free: 5, reserved: 2 };
        assert_eq!(pool.available(), 3);
        assert_eq!(pool.total_for(2), 8);
        assert_eq!(pool.total_for(7), 12);
    }

    #[test]
    fn a_sysfs_choice_and_an_smaps_entry_are_read() {
        assert_eq!(chosen("always [madvise] never\n"), "madvise");
        let text = "00400000-00600000 rw-s 00000000 00:01 7 /memfd:x\nSize: 2048 kB\nKernelPageSize: 4 \
         kB\nShmemPmdMapped: 2048 kB\n\
                    7f0000000000-7f0000200000 rw-p 0 00:00 0\nKernelPageSize: 2048 kB\n";
        assert_eq!(parse_smaps(text, 0x0050_0000), Some((4096, 2 << 20)));
        assert_eq!(parse_smaps(text, 0x7f00_0000_1000), Some((2 << 20, 0)));
        assert_eq!(parse_smaps(text, 0x1000), None);
    }
}
