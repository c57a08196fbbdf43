//! Private memory for a torus: `&mut [u8]` on huge pages where there are any (`decisions:NODE-10`).
//!
//! A torus keeps its state in slices carved from memory that is handed to it. This is that memory on a real node: taken
//! once at start, zeroed, faulted in, excluded from core dumps and from forked children, locked if asked. Nothing
//! here is shared, and nothing here is `unsafe`.

use crate::backing::{BASE_PAGE_BYTES, Backing, HUGE_PAGE_BYTES, MapError, Pages, anonymous_backing, round_up};
use memmap2::{Advice, MmapMut, MmapOptions};
use std::io;
use std::ops::{Deref, DerefMut};

/// Bits of a 2 MiB page, for `MAP_HUGETLB`.
const HUGE_PAGE_BITS: u8 = HUGE_PAGE_BYTES.trailing_zeros() as u8;

/// Zeroed, faulted-in memory of this process alone. Dereferences to `[u8]`, page aligned.
#[derive(Debug)]
pub struct Arena {
    map: MmapMut,
    bytes: usize,
    backing: Backing,
}

impl Arena {
    /// Takes `bytes` of memory, from the rung `asked` of the ladder downwards, locked when `lock` is set.
    ///
    /// # Errors
    /// [`MapError::Size`] for zero or an absurd number of bytes, [`MapError::Refused`] when the kernel has not even 4
    /// KiB pages. A worse rung, or a refused lock, is no error: see [`Arena::backing`].
    pub fn new(bytes: usize, asked: Pages, lock: bool) -> Result<Self, MapError> {
        let mut shortage = None;
        if asked == Pages::Huge {
            let mapped = round_up(bytes, HUGE_PAGE_BYTES)?;
            match anonymous(mapped, Some(HUGE_PAGE_BITS), false) {
                Ok(map) => return Ok(Self::finish(map, bytes, asked, shortage, lock)),
                Err(error) => shortage = Some(error),
            }
        }
        // More than half of a 2 MiB page is worth the whole of one: a torus of the default size lies here.
        let transparent = asked != Pages::Base && bytes > HUGE_PAGE_BYTES / 2;
        let mapped = round_up(bytes, if transparent { HUGE_PAGE_BYTES } else { BASE_PAGE_BYTES })?;
        let map = anonymous(mapped, None, transparent).map_err(|source| MapError::Refused { bytes: mapped, source })?;
        Ok(Self::finish(map, bytes, asked, shortage, lock))
    }

    fn finish(map: MmapMut, bytes: usize, asked: Pages, shortage: Option<io::Error>, lock: bool) -> Self {
        let mut backing = anonymous_backing(map.as_ptr() as usize, map.len(), asked, shortage);
        // Private pages and fork do not mix: the first write after it would move them, huge ones by SIGBUS.
        let _ = map.advise(Advice::DontFork);
        backing.dump_excluded = map.advise(Advice::DontDump).is_ok();
        backing.lock_with(lock, || map.lock());
        Self { map, bytes, backing }
    }

    /// What the memory is made of, and why.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        &self.backing
    }
}

impl Deref for Arena {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.get(..self.bytes).unwrap_or_default()
    }
}

impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map.get_mut(..self.bytes).unwrap_or_default()
    }
}

fn anonymous(bytes: usize, huge: Option<u8>, transparent: bool) -> io::Result<MmapMut> {
    let mut options = MmapOptions::new();
    options.len(bytes);
    if let Some(bits) = huge {
        options.huge(Some(bits));
    }
    let mut map = options.map_anon()?;
    if transparent {
        // Only a wish; what came of it is read from smaps afterwards.
        let _ = map.advise(Advice::HugePage);
    }
    if map.advise(Advice::PopulateWrite).is_err() {
        // Kernels before 5.14: touch every page instead.
        map.iter_mut().step_by(BASE_PAGE_BYTES).for_each(|byte| *byte = 0);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "mmap")]
    fn node_10_an_arena_is_zeroed_aligned_writable_and_says_what_it_got() {
        // decisions:NODE-10: memory handed to a torus. Every rung gives the same memory and tells its own truth.
        for asked in [Pages::Huge, Pages::Transparent, Pages::Base] {
            let mut arena = Arena::new(3 << 20, asked, true).expect("memory");
            assert_eq!(arena.len(), 3 << 20);
            assert_eq!(arena.as_ptr() as usize % BASE_PAGE_BYTES, 0);
            assert!(arena.iter().all(|byte| *byte == 0));
            arena.fill(7);
            let backing = arena.backing().clone();
            assert_eq!(backing.asked, asked);
            assert!(backing.pages >= asked, "{backing:?}");
            assert_eq!(backing.met(), backing.pages == asked);
            assert!(backing.mapped_bytes >= 3 << 20);
            assert!(backing.dump_excluded, "decisions:NODE-20: out of core dumps");
            assert!(!backing.reason.is_empty() && !backing.lock_reason.is_empty());
            if asked == Pages::Huge && !backing.met() {
                assert!(backing.reason.contains("/proc/sys/vm/nr_hugepages"), "{}", backing.reason);
            }
        }
    }

    #[test]
    fn an_absurd_size_is_an_error() {
        assert!(matches!(Arena::new(0, Pages::Base, false), Err(MapError::Size { .. })));
        assert!(matches!(Arena::new(usize::MAX, Pages::Huge, false), Err(MapError::Size { .. })));
    }
}
