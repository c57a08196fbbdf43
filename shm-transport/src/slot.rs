//! The *latest* link: one writer, many readers, the newest value wins (rse:M2, rse:M3, rse:M5, rse:M7).
//!
//! Layout, in words of 8 bytes (transport-figures section 7, points 1 and 2):
//!
//! | words | content |
//! |---|---|
//! | 0 | `newest`: sequence number of the newest complete slot, 0 = nothing yet; alone on its 128 bytes |
//! | 16 + i x stride | version of slot i: `2 seq - 1` while written, `2 seq` when complete |
//! | + 1 | payload length in words, low half; flags in the high half (bit 32: the checksum is valid) |
//! | + 2 | boot id of the writer |
//! | + 3 | time of the publication, `CLOCK_MONOTONIC` ns, by the writer |
//! | + 4 | XXH3-64 of the payload when the flag says so |
//! | + 8 ... | payload, from byte 64 of the slot; the stride is a whole number of lines |
//!
//! The slot of a publication is `seq mod slots`. The writer never waits: it writes the slot after the newest one, so a
//! reader is disturbed only when the writer goes once around while it copies. A writer that dies inside a write leaves
//! one odd version behind `newest`; the other slots stay readable. The next boot continues the sequence above anything
//! it finds in the words: a version never comes back, so no reader can take two halves for a whole.

use crate::sync::{AtomicU64, Ordering, fence, spin_loop};
use crate::words::{APART_WORDS, LINE_WORDS, LayoutError, check, load_words, store_words, whole_lines};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::IntoBytes;

/// Slots per writer: with 8 a reader needs 1 to 5 tries under a writer that never pauses (transport-figures section 1).
pub const SLOTS: usize = 8;

/// Most tries of one [`SlotReader::read`]; the models take fewer, every try multiplies their states.
pub const MAX_TRIES: u32 = if cfg!(loom) { 2 } else { 8 };

/// Most slots of one link.
pub const MAX_SLOTS: usize = 64;

const VERSION: usize = 0;
const LENGTH: usize = 1;
const BOOT: usize = 2;
const TIME: usize = 3;
const CHECKSUM: usize = 4;
const PAYLOAD: usize = LINE_WORDS;
const CHECKED: u64 = 1 << 32;
const LENGTH_MASK: u64 = CHECKED - 1;

/// Sequence numbers at or above this are not ours: 2^61 publications do not happen, damage does.
const SEQ_LIMIT: u64 = 1 << 61;

const fn stride(payload_words: usize) -> usize {
    PAYLOAD + whole_lines(payload_words)
}

/// Words a link of `slots` slots with payloads of `payload_words` words takes.
pub const fn words_needed(payload_words: usize, slots: usize) -> usize {
    APART_WORDS + slots * stride(payload_words)
}

fn check_layout(words: &[AtomicU64], payload_words: usize, slots: usize) -> Result<(), LayoutError> {
    check("a latest link", words.len(), payload_words, slots, (2, MAX_SLOTS), words_needed)
}

/// The words of a link, after its geometry was checked.
#[derive(Debug, Clone, Copy)]
struct Link<'r> {
    newest: &'r AtomicU64,
    slots: &'r [AtomicU64],
    stride: usize,
    payload_words: usize,
    mask: u64,
}

impl<'r> Link<'r> {
    fn new(words: &'r [AtomicU64], payload_words: usize, slots: usize) -> Result<Self, LayoutError> {
        check_layout(words, payload_words, slots)?;
        let stride = stride(payload_words);
        Ok(Self {
            newest: &words[0],
            slots: &words[APART_WORDS..APART_WORDS + slots * stride],
            stride,
            payload_words,
            mask: slots as u64 - 1,
        })
    }

    #[inline]
    fn slot(&self, seq: u64) -> &'r [AtomicU64] {
        let at = (seq & self.mask) as usize * self.stride;
        &self.slots[at..at + self.stride]
    }
}

/// The writing side. There is one per link by the caller's word (the region's claim); two would spoil values, which the
/// payload's own checksum shows, but never memory.
#[derive(Debug)]
pub struct SlotWriter<'r> {
    link: Link<'r>,
    seq: u64,
    checksum: bool,
}

impl<'r> SlotWriter<'r> {
    /// Takes up the link where the words stand: zeroes, an earlier boot's content or damage.
    ///
    /// # Errors
    /// The words do not hold `slots` (a power of two from 2 to 64) slots of `payload_words`.
    pub fn new(words: &'r [AtomicU64], payload_words: usize, slots: usize) -> Result<Self, LayoutError> {
        let link = Link::new(words, payload_words, slots)?;
        let newest = link.newest.load(Ordering::Acquire);
        let versions = (0..slots as u64).map(|i| link.slot(i)[VERSION].load(Ordering::Acquire).div_ceil(2));
        // The highest number in use, whole or half written; numbers that cannot be ours count as damage, not as a start.
        let seq = versions.chain([newest]).filter(|seq| *seq < SEQ_LIMIT).max().unwrap_or(0);
        Ok(Self { link, seq, checksum: false })
    }

    /// Also writes an XXH3-64 of the payload, which readers then check. Off by default: a projection carries its own.
    pub fn with_checksum(mut self, checksum: bool) -> Self {
        self.checksum = checksum;
        self
    }

    /// Sequence number of the last publication by this writer or an earlier boot; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Publishes `payload`, never waits. Returns its sequence number, from 1, rising by 1; boots continue the count.
    ///
    /// # Panics
    /// When `payload` is longer than the link's payload: the sizes are constants of the caller.
    #[inline]
    pub fn publish(&mut self, boot: u64, time_ns: u64, payload: &[u64]) -> u64 {
        let length = payload.len();
        assert!(length <= self.link.payload_words, "payload longer than the slot");
        let checked = if self.checksum { CHECKED } else { 0 };
        let slot = self.begin();
        slot[LENGTH].store(length as u64 | checked, Ordering::Relaxed);
        if self.checksum {
            slot[CHECKSUM].store(xxh3_64(payload.as_bytes()), Ordering::Relaxed);
        }
        store_words(&slot[PAYLOAD..], payload);
        self.finish(slot, boot, time_ns)
    }

    /// Publishes `length` words that `fill` writes in place (relaxed stores), which saves a copy of a big payload.
    /// Carries no slot checksum, whatever [`with_checksum`](Self::with_checksum) says.
    ///
    /// # Panics
    /// When `length` is more than the link's payload.
    #[inline]
    pub fn publish_with(&mut self, boot: u64, time_ns: u64, length: usize, fill: impl FnOnce(&[AtomicU64])) -> u64 {
        assert!(length <= self.link.payload_words, "payload longer than the slot");
        let slot = self.begin();
        slot[LENGTH].store(length as u64, Ordering::Relaxed);
        fill(&slot[PAYLOAD..PAYLOAD + length]);
        self.finish(slot, boot, time_ns)
    }

    #[inline]
    fn begin(&mut self) -> &'r [AtomicU64] {
        self.seq += 1;
        let slot = self.link.slot(self.seq);
        slot[VERSION].store(2 * self.seq - 1, Ordering::Relaxed);
        // No store of the new value becomes visible before the odd version does.
        fence(Ordering::Release);
        slot
    }

    #[inline]
    fn finish(&mut self, slot: &[AtomicU64], boot: u64, time_ns: u64) -> u64 {
        slot[BOOT].store(boot, Ordering::Relaxed);
        slot[TIME].store(time_ns, Ordering::Relaxed);
        slot[VERSION].store(2 * self.seq, Ordering::Release);
        self.link.newest.store(self.seq, Ordering::Release);
        self.seq
    }
}

/// What one [`SlotReader::read`] found. Only `Fresh` filled the caller's buffer with something to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A value with a key (boot, seq) that this reader has not taken before (rse:M3).
    Fresh {
        /// Sequence number of the link; rises by 1 with every publication, so a gap is what was missed.
        seq: u64,
        /// Boot id of the writer.
        boot: u64,
        /// When it was published, by the writer's `CLOCK_MONOTONIC`, ns.
        time_ns: u64,
        /// Payload length in words; the buffer is valid up to here.
        words: usize,
        /// Tries it took, 1 to [`MAX_TRIES`].
        tries: u32,
    },
    /// The newest value is the one taken last time.
    Unchanged,
    /// The writer overtook every try; come back later.
    Busy,
    /// Nothing was ever published.
    Empty,
    /// The words contradict each other: damage or a hostile writer. Nothing was taken (rse:M7).
    Damaged(Damage),
}

/// What contradicts what in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// `newest` holds a number no writer reaches.
    #[error("the newest sequence number {newest} is out of range: the region is damaged, recreate it")]
    Newest {
        /// The number found.
        newest: u64,
    },
    /// The slot `newest` points at holds an older version.
    #[error("slot version {version} is behind the newest sequence number {newest}: the region is damaged, recreate it")]
    Version {
        /// The version found in the slot.
        version: u64,
        /// The sequence number that pointed at it.
        newest: u64,
    },
    /// The length is more than a slot holds.
    #[error("a payload of {words} words in a slot for {limit}: the writer has another layout or is hostile")]
    Length {
        /// The length found.
        words: u64,
        /// What a slot holds.
        limit: usize,
    },
    /// The payload does not match its checksum.
    #[error("the payload does not match its checksum")]
    Checksum,
    /// The same boot went back in its sequence.
    #[error("the sequence went back from {seen} to {seq} within one boot: the region was overwritten under its writer")]
    WentBack {
        /// What this reader had taken.
        seen: u64,
        /// What it found now.
        seq: u64,
    },
}

/// A reading side; any number of them. A reader writes nothing to the link, so it cannot hold up the writer (rse:M5).
#[derive(Debug, Clone)]
pub struct SlotReader<'r> {
    link: Link<'r>,
    seen: u64,
    seen_boot: u64,
}

impl<'r> SlotReader<'r> {
    /// Reads the link over `words`.
    ///
    /// # Errors
    /// The words do not hold `slots` (a power of two from 2 to 64) slots of `payload_words`.
    pub fn new(words: &'r [AtomicU64], payload_words: usize, slots: usize) -> Result<Self, LayoutError> {
        Ok(Self { link: Link::new(words, payload_words, slots)?, seen: 0, seen_boot: 0 })
    }

    /// Key (boot, seq) of the last value taken; (0, 0) before the first.
    pub fn seen(&self) -> (u64, u64) {
        (self.seen_boot, self.seen)
    }

    /// Sequence number of the newest publication as the header says it: one load, for polling.
    #[inline]
    pub fn newest(&self) -> u64 {
        self.link.newest.load(Ordering::Acquire)
    }

    /// Takes the newest value into `out` if it is a new one, in at most [`MAX_TRIES`] tries.
    ///
    /// # Panics
    /// When `out` is shorter than the link's payload.
    #[inline]
    pub fn read(&mut self, out: &mut [u64]) -> Read {
        assert!(out.len() >= self.link.payload_words, "buffer shorter than the slot's payload");
        for tries in 1..=MAX_TRIES {
            let newest = self.newest();
            if newest == 0 {
                return Read::Empty;
            }
            if newest == self.seen {
                return Read::Unchanged;
            }
            match self.attempt(newest, out) {
                Attempt::Overtaken => spin_loop(),
                Attempt::Damaged(damage) => return Read::Damaged(damage),
                Attempt::Whole { boot, time_ns, words } => {
                    if boot == self.seen_boot && newest < self.seen {
                        return Read::Damaged(Damage::WentBack { seen: self.seen, seq: newest });
                    }
                    (self.seen, self.seen_boot) = (newest, boot);
                    return Read::Fresh { seq: newest, boot, time_ns, words, tries };
                }
            }
        }
        Read::Busy
    }

    #[inline]
    fn attempt(&self, newest: u64, out: &mut [u64]) -> Attempt {
        if newest >= SEQ_LIMIT {
            return Attempt::Damaged(Damage::Newest { newest });
        }
        let slot = self.link.slot(newest);
        let version = slot[VERSION].load(Ordering::Acquire);
        if version != 2 * newest {
            // Odd or higher: the writer has come around. Lower cannot be: `newest` was released after the version.
            let behind = version < 2 * newest;
            return if behind { Attempt::Damaged(Damage::Version { version, newest }) } else { Attempt::Overtaken };
        }
        let length = slot[LENGTH].load(Ordering::Relaxed);
        let boot = slot[BOOT].load(Ordering::Relaxed);
        let time_ns = slot[TIME].load(Ordering::Relaxed);
        let checksum = slot[CHECKSUM].load(Ordering::Relaxed);
        let limit = self.link.payload_words;
        let words = (length & LENGTH_MASK).min(limit as u64) as usize;
        load_words(&mut out[..words], &slot[PAYLOAD..PAYLOAD + words]);
        // No load above may be satisfied after the version is looked at again.
        fence(Ordering::Acquire);
        if slot[VERSION].load(Ordering::Relaxed) != version {
            return Attempt::Overtaken;
        }
        if length & LENGTH_MASK > limit as u64 {
            return Attempt::Damaged(Damage::Length { words: length & LENGTH_MASK, limit });
        }
        if length & CHECKED != 0 && xxh3_64(out[..words].as_bytes()) != checksum {
            return Attempt::Damaged(Damage::Checksum);
        }
        Attempt::Whole { boot, time_ns, words }
    }
}

enum Attempt {
    Whole { boot: u64, time_ns: u64, words: usize },
    Overtaken,
    Damaged(Damage),
}
