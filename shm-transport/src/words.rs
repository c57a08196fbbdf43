//! What every structure over shared words needs: geometry errors and the race-free copy.

use crate::sync::{AtomicU64, Ordering};

/// Words in one cache line of 64 bytes.
pub const LINE_WORDS: usize = 8;

/// Words in two lines: what is written by different sides stands this far apart, because the adjacent-line prefetcher
/// pulls lines in pairs (transport-figures section 7, point 2).
pub const APART_WORDS: usize = 16;

/// A structure cannot be laid over the words it was given. Nothing was touched; the fault is the caller's geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The words end before the structure does.
    #[error("{what} needs {need} words of 8 bytes, the mapping gives {have}: map more or lower the geometry")]
    TooShort {
        /// Which structure.
        what: &'static str,
        /// Words it needs.
        need: usize,
        /// Words there are.
        have: usize,
    },
    /// A count of slots or records that the index mask cannot serve.
    #[error("{what} of {given} entries: give a power of two from {least} to {most}")]
    Entries {
        /// Which structure.
        what: &'static str,
        /// The count asked for.
        given: usize,
        /// Smallest allowed.
        least: usize,
        /// Largest allowed.
        most: usize,
    },
    /// A payload or record of no size, or of one beyond the limit.
    #[error("{what} with payloads of {given} words: give 1 to {most}")]
    Payload {
        /// Which structure.
        what: &'static str,
        /// The size asked for, in words.
        given: usize,
        /// Largest allowed, in words.
        most: usize,
    },
}

/// Largest payload of one slot or record, in words (1 MiB): keeps every size computation far from overflow.
pub const MAX_PAYLOAD_WORDS: usize = 1 << 17;

/// Largest number of records in a ring.
pub const MAX_RECORDS: usize = 1 << 20;

/// `words` rounded up to whole cache lines.
pub(crate) const fn whole_lines(words: usize) -> usize {
    words.div_ceil(LINE_WORDS) * LINE_WORDS
}

/// Checks a geometry once, so that every later index is in bounds by construction.
pub(crate) fn check(
    what: &'static str,
    have: usize,
    payload_words: usize,
    entries: usize,
    (least, most): (usize, usize),
    need: fn(usize, usize) -> usize,
) -> Result<(), LayoutError> {
    if payload_words == 0 || payload_words > MAX_PAYLOAD_WORDS {
        return Err(LayoutError::Payload { what, given: payload_words, most: MAX_PAYLOAD_WORDS });
    }
    if !entries.is_power_of_two() || entries < least || entries > most {
        return Err(LayoutError::Entries { what, given: entries, least, most });
    }
    let need = need(payload_words, entries);
    if have < need {
        return Err(LayoutError::TooShort { what, need, have });
    }
    Ok(())
}

/// Copies `from` into shared words, as far as both reach. Relaxed word stores: free of data races, and across cores as
/// fast as `memcpy` because the line transfer is the limit (transport-figures section 1).
#[inline]
pub fn store_words(to: &[AtomicU64], from: &[u64]) {
    let count = to.len().min(from.len());
    let (to, from) = (&to[..count], &from[..count]);
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    let (to, from) = {
        let done = crate::wide::store_lines(to, from);
        (&to[done..], &from[done..])
    };
    let (to_lines, from_lines) = (to.chunks_exact(LINE_WORDS), from.chunks_exact(LINE_WORDS));
    let (to_tail, from_tail) = (to_lines.remainder(), from_lines.remainder());
    for (to, from) in to_lines.zip(from_lines) {
        for (to, from) in to.iter().zip(from) {
            to.store(*from, Ordering::Relaxed);
        }
    }
    for (to, from) in to_tail.iter().zip(from_tail) {
        to.store(*from, Ordering::Relaxed);
    }
}

/// Copies shared words out, as far as both reach; the counterpart of [`store_words`].
#[inline]
pub fn load_words(to: &mut [u64], from: &[AtomicU64]) {
    let count = to.len().min(from.len());
    let (to, from) = (&mut to[..count], &from[..count]);
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    let (to, from) = {
        let done = crate::wide::load_lines(to, from);
        (&mut to[done..], &from[done..])
    };
    let from_lines = from.chunks_exact(LINE_WORDS);
    let tail = from_lines.remainder();
    let mut to_lines = to.chunks_exact_mut(LINE_WORDS);
    for (to, from) in (&mut to_lines).zip(from_lines) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.load(Ordering::Relaxed);
        }
    }
    for (to, from) in to_lines.into_remainder().iter_mut().zip(tail) {
        *to = from.load(Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Every length up to several lines and every misalignment to a line: exactly the asked words are copied.
    #[test]
    fn copies_of_every_length() {
        for offset in 0..LINE_WORDS {
            for length in 0..=100 {
                let from: Vec<u64> = (1000..1000 + length as u64).collect();
                let shared: Vec<AtomicU64> = (0..120).map(AtomicU64::new).collect();
                store_words(&shared[offset..offset + length], &from);
                for (i, word) in shared.iter().enumerate() {
                    let copied = (offset..offset + length).contains(&i);
                    let expected = if copied { 1000 + (i - offset) as u64 } else { i as u64 };
                    assert_eq!(word.load(Ordering::Relaxed), expected, "word {i} of {length} words at {offset}");
                }
                let mut to = vec![7; 110];
                load_words(&mut to[..length], &shared[offset..]);
                assert_eq!(to[..length], from);
                assert!(to[length..].iter().all(|word| *word == 7), "written beyond {length} words");
            }
        }
    }
}
