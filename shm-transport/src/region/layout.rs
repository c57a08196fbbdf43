//! Where everything in a region lies: computed from the geometry with checked arithmetic, verified against the header
//! and the mapping before any use (`rse:M1`, `rse:M7`).
//!
//! Offsets in bytes; everything that is written by different sides stands 128 bytes apart.
//!
//! | part | count | bytes each | written by |
//! |---|---|---:|---|
//! | header page | 1 | 4096 | who creates or renews |
//! | line of a torus: identity 128, heartbeat 128 | tori | 256 | the torus |
//! | ack line (reader, writer) | tori x tori | 128 | the reader |
//! | waiter | tori | 128 | the torus and who wakes it |
//! | latest link (projection) | tori | see [`crate::slot`] | the torus |
//! | ring, see [`crate::spsc`] | tori x (tori - 1) | | its two ends |
//! | injection ring, see [`crate::mpsc`] | tori | | anybody in, the torus out |
//!
//! Header, in words of 8 bytes: 0 magic (written last), 1 layout version, 2 tori, 3 payload bytes, 4 slots, 5 ring
//! records, 6 injection records, 7 total bytes, 8 creation epoch (random), 9 XXH3-64 of words 1 to 8.

use crate::backing::MAPPED_BYTES_MAX;
use crate::words::APART_WORDS;
use crate::{mpsc, slot, spsc, wake};
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::IntoBytes;

/// "TRFLREG1" in memory order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TRFLREG1");
/// Stands in the place of [`MAGIC`] while a region is being written.
pub const UNDER_CONSTRUCTION: u64 = u64::from_le_bytes(*b"TRFLREG?");
/// Version of this layout.
pub const LAYOUT_VERSION: u64 = 1;
/// Most tori in one region; as many as a braid has (`decisions:NODE-8`).
pub const MAX_TORI: u8 = 16;
/// Words of the header page.
pub const HEADER_WORDS: usize = 512;
/// Words of one message record between two tori: a cache line.
pub const RECORD_WORDS: usize = spsc::RECORD_WORDS;
/// Words of one injected record: with the ring's state word a cache line.
pub const INJECT_WORDS: usize = mpsc::PAYLOAD_WORDS;

const HEADER_FIELDS: usize = 10;
pub(super) const LINE_WORDS: usize = 2 * APART_WORDS;

const _: () = assert!(HEADER_WORDS * 8 == 4096 && HEADER_FIELDS <= HEADER_WORDS);
const _: () = assert!(wake::WORDS <= APART_WORDS);
const _: () = assert!(APART_WORDS * 8 == 128 && LINE_WORDS * 8 == 256);

/// The shape of a region: agreed by configuration, held in its header, compared field by field on joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Tori, 1 to [`MAX_TORI`].
    pub tori: u8,
    /// Bytes of one projection, a multiple of 8, at most 1 MiB.
    pub payload_bytes: u32,
    /// Slots of one latest link, a power of two from 2 to 64.
    pub slots: u32,
    /// Records of one ring between two tori, a power of two.
    pub ring_records: u32,
    /// Records of one injection ring, a power of two.
    pub inject_records: u32,
}

/// A geometry or a header that is not ours. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A field out of range.
    #[error("{field} is {value}, expected {expected}; correct it in the configuration")]
    Field {
        /// The field of the geometry.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The range.
        expected: &'static str,
    },
    /// The whole is too large.
    #[error("the region would take more than {max} bytes; lower the records, the payload or the tori",
        max = MAPPED_BYTES_MAX)]
    TooLarge,
    /// The memory ends before the region does.
    #[error("the memory has {actual} bytes, the region needs {expected}; make the file larger or lower the geometry")]
    Short {
        /// Bytes there are.
        actual: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// Not a region.
    #[error(
        "the header starts with {found:#018x}, expected {MAGIC:#018x} (TRFLREG1): not a region of this program; \
         give another path, or remove the file if nobody needs it"
    )]
    Foreign {
        /// The first word.
        found: u64,
    },
    /// Another layout.
    #[error(
        "layout version {found}, expected {LAYOUT_VERSION}: written by another release; stop its users and remove \
         the file"
    )]
    Version {
        /// The version found.
        found: u64,
    },
    /// The header does not match its own check word.
    #[error(
        "the header's check word is {found:#018x}, expected {expected:#018x}: the header is damaged; stop its users \
         and remove the file"
    )]
    Damaged {
        /// The check word found.
        found: u64,
        /// What its fields give.
        expected: u64,
    },
    /// Somebody is writing it, or died doing so.
    #[error("the region is under construction; try again, and remove the file if that goes on")]
    UnderConstruction,
    /// The header's fields differ from the geometry that was asked for.
    #[error(
        "{field} differs: the region has {region}, the configuration asks for {wanted}; give all participants the \
         same, or stop them and remove the file"
    )]
    Mismatch {
        /// The field.
        field: &'static str,
        /// The value in the region's header.
        region: u64,
        /// The value asked for.
        wanted: u64,
    },
}

/// Word offsets of every part of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    geometry: Geometry,
    acks: usize,
    waiters: usize,
    links: usize,
    link_words: usize,
    rings: usize,
    ring_words: usize,
    injections: usize,
    injection_words: usize,
    total: usize,
}

/// A run of words: (first, count).
pub(super) type Span = (usize, usize);

impl Geometry {
    /// Words of one projection.
    #[must_use]
    pub fn payload_words(&self) -> usize {
        self.payload_bytes as usize / 8
    }

    fn fields(&self) -> [(&'static str, u64); 5] {
        [
            ("tori", u64::from(self.tori)),
            ("payload_bytes", u64::from(self.payload_bytes)),
            ("slots", u64::from(self.slots)),
            ("ring_records", u64::from(self.ring_records)),
            ("inject_records", u64::from(self.inject_records)),
        ]
    }

    fn check(&self) -> Result<(), LayoutError> {
        let [tori, payload, slots, ring, inject] = self.fields();
        let power =
            |count: u64, least: u64, most: usize| count.is_power_of_two() && count >= least && count <= most as u64;
        let payload_max = crate::words::MAX_PAYLOAD_WORDS as u64 * 8;
        let checks = [
            (tori, (1..=u64::from(MAX_TORI)).contains(&tori.1), "1 to 16"),
            (payload, payload.1 > 0 && payload.1 % 8 == 0 && payload.1 <= payload_max, "a multiple of 8 up to 1 MiB"),
            (slots, power(slots.1, 2, slot::MAX_SLOTS), "a power of two from 2 to 64"),
            (ring, power(ring.1, 2, crate::words::MAX_RECORDS), "a power of two from 2 to 1048576"),
            (inject, power(inject.1, 2, crate::words::MAX_RECORDS), "a power of two from 2 to 1048576"),
        ];
        match checks.into_iter().find(|(_, fine, _)| !fine) {
            Some(((field, value), _, expected)) => Err(LayoutError::Field { field, value, expected }),
            None => Ok(()),
        }
    }
}

impl Layout {
    /// Computes the layout of a geometry.
    ///
    /// # Errors
    /// [`LayoutError::Field`], [`LayoutError::TooLarge`].
    pub fn new(geometry: Geometry) -> Result<Self, LayoutError> {
        geometry.check()?;
        let tori = usize::from(geometry.tori);
        let apart = |words: usize| words.checked_next_multiple_of(APART_WORDS).ok_or(LayoutError::TooLarge);
        let mut end = HEADER_WORDS;
        let mut place = |count: usize, words: usize| -> Result<usize, LayoutError> {
            let start = end;
            let size = count.checked_mul(words).ok_or(LayoutError::TooLarge)?;
            end = start.checked_add(size).ok_or(LayoutError::TooLarge)?;
            Ok(start)
        };
        let link_words = apart(slot::words_needed(geometry.payload_words(), geometry.slots as usize))?;
        let ring_words = apart(spsc::words_needed(RECORD_WORDS, geometry.ring_records as usize))?;
        let injection_words = apart(mpsc::words_needed(INJECT_WORDS, geometry.inject_records as usize))?;
        place(tori, LINE_WORDS)?;
        let acks = place(tori * tori, APART_WORDS)?;
        let waiters = place(tori, APART_WORDS)?;
        let links = place(tori, link_words)?;
        let rings = place(tori * (tori - 1), ring_words)?;
        let injections = place(tori, injection_words)?;
        if end > MAPPED_BYTES_MAX / 8 {
            return Err(LayoutError::TooLarge);
        }
        let total = end;
        Ok(Self { geometry, acks, waiters, links, link_words, rings, ring_words, injections, injection_words, total })
    }

    /// The geometry this layout is of.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Bytes the region takes.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.total * 8
    }

    pub(super) fn words(&self) -> usize {
        self.total
    }

    pub(super) fn line(&self, torus: u8) -> Span {
        (HEADER_WORDS + usize::from(torus) * LINE_WORDS, LINE_WORDS)
    }

    pub(super) fn ack(&self, reader: u8, writer: u8) -> Span {
        let index = usize::from(reader) * usize::from(self.geometry.tori) + usize::from(writer);
        (self.acks + index * APART_WORDS, APART_WORDS)
    }

    pub(super) fn waiter(&self, torus: u8) -> Span {
        (self.waiters + usize::from(torus) * APART_WORDS, APART_WORDS)
    }

    pub(super) fn link(&self, torus: u8) -> Span {
        (self.links + usize::from(torus) * self.link_words, self.link_words)
    }

    /// The ring from one torus to another; `from != to`.
    pub(super) fn ring(&self, from: u8, to: u8) -> Span {
        let (from, to) = (usize::from(from), usize::from(to));
        let column = if to > from { to - 1 } else { to };
        (self.rings + (from * (usize::from(self.geometry.tori) - 1) + column) * self.ring_words, self.ring_words)
    }

    pub(super) fn injection(&self, torus: u8) -> Span {
        (self.injections + usize::from(torus) * self.injection_words, self.injection_words)
    }
}

/// A header that was read once and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The layout its geometry gives.
    pub layout: Layout,
    /// The creation epoch.
    pub epoch: u64,
}

impl Header {
    /// Reads and checks the header of the region in `words`. Total: any content gives a value or an error (`rse:M7`).
    /// Whether the memory holds what the header promises is for [`Header::fits`].
    ///
    /// # Errors
    /// The first thing that is wrong, see [`LayoutError`].
    pub fn read(words: &[AtomicU64]) -> Result<Self, LayoutError> {
        let actual = (words.len() as u64) * 8;
        let Some(words) = words.get(..HEADER_FIELDS) else {
            return Err(LayoutError::Short { actual, expected: HEADER_WORDS as u64 * 8 });
        };
        // One copy, then only the copy: a hostile writer cannot change a field between check and use.
        let mut field = [0u64; HEADER_FIELDS];
        for (field, word) in field.iter_mut().zip(words) {
            *field = word.load(Ordering::Acquire);
        }
        match field[0] {
            MAGIC => {}
            UNDER_CONSTRUCTION => return Err(LayoutError::UnderConstruction),
            found => return Err(LayoutError::Foreign { found }),
        }
        if field[1] != LAYOUT_VERSION {
            return Err(LayoutError::Version { found: field[1] });
        }
        let expected = xxh3_64(field[1..9].as_bytes());
        if field[9] != expected {
            return Err(LayoutError::Damaged { found: field[9], expected });
        }
        let narrow = |index: usize| u32::try_from(field[index]).unwrap_or(u32::MAX);
        let geometry = Geometry {
            tori: u8::try_from(field[2]).unwrap_or(u8::MAX),
            payload_bytes: narrow(3),
            slots: narrow(4),
            ring_records: narrow(5),
            inject_records: narrow(6),
        };
        let layout = Layout::new(geometry)?;
        let total = layout.total_bytes() as u64;
        if field[7] != total {
            return Err(LayoutError::Mismatch { field: "total_bytes", region: field[7], wanted: total });
        }
        Ok(Self { layout, epoch: field[8] })
    }

    /// Checks that memory of `bytes` holds all of it.
    ///
    /// # Errors
    /// [`LayoutError::Short`].
    pub fn fits(&self, bytes: usize) -> Result<(), LayoutError> {
        let (actual, expected) = (bytes as u64, self.layout.total_bytes() as u64);
        if actual < expected { Err(LayoutError::Short { actual, expected }) } else { Ok(()) }
    }

    /// Compares with the geometry a participant was configured with.
    ///
    /// # Errors
    /// [`LayoutError::Mismatch`] names the first field that differs, with both values (`decisions:NODE-16`).
    pub fn expect(&self, wanted: Geometry) -> Result<(), LayoutError> {
        let pairs = self.layout.geometry.fields().into_iter().zip(wanted.fields());
        for ((field, region), (_, wanted)) in pairs {
            if region != wanted {
                return Err(LayoutError::Mismatch { field, region, wanted });
            }
        }
        Ok(())
    }

    /// Makes a fresh region of `words`: everything zeroed, the header complete, the magic written last.
    pub(super) fn write(words: &[AtomicU64], layout: Layout, epoch: u64) -> Result<(), LayoutError> {
        let (actual, expected) = (words.len() as u64 * 8, layout.total_bytes() as u64);
        let Some(words) = words.get(..layout.words()) else { return Err(LayoutError::Short { actual, expected }) };
        words[0].store(UNDER_CONSTRUCTION, Ordering::SeqCst);
        words[1..].iter().for_each(|word| word.store(0, Ordering::Relaxed));
        let geometry = layout.geometry.fields().map(|(_, value)| value);
        let mut fields = [LAYOUT_VERSION, 0, 0, 0, 0, 0, expected, epoch];
        fields[1..6].copy_from_slice(&geometry);
        for (word, field) in words[1..].iter().zip(fields) {
            word.store(field, Ordering::Relaxed);
        }
        words[9].store(xxh3_64(fields.as_bytes()), Ordering::Relaxed);
        words[0].store(MAGIC, Ordering::SeqCst);
        Ok(())
    }
}
