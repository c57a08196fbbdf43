//! Bytes of a recording, little-endian.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{Cell, Correction, Input, MAX_TORI, Mode, Token};

/// First eight bytes of a recording.
pub const MAGIC: [u8; 8] = *b"TREFOIL\x7F";
/// Version of the layout.
pub const VERSION: u32 = 1;
/// Bytes of a record.
pub const RECORD_BYTES: usize = 64;
/// Most bytes of a header's text.
pub const HEADER_TEXT_MAX: usize = 1 << 20;

/// A recording is damaged, cut short or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not a recording, or of another version.
    #[error(
        "not a recording of version {VERSION}: the first bytes or the version ({version}) differ; use the program that wrote it"
    )]
    Foreign {
        /// Version found, 0 when the magic is not there.
        version: u32,
    },
    /// The header is cut short or its checksum does not fit.
    #[error("the header of {length} bytes is cut short or damaged; record again")]
    Header {
        /// Length the file announces.
        length: u32,
    },
    /// A record's checksum does not fit: damaged, missing or out of order.
    #[error("record {index} (byte {offset}) is damaged, missing or out of order; what comes before it is intact")]
    Damaged {
        /// Number of the record, from 0.
        index: u64,
        /// Its place in the file.
        offset: u64,
    },
    /// A record is intact but holds a value this version does not know.
    #[error("record {index}: {field} is {value}, which this version does not know")]
    Value {
        /// Number of the record, from 0.
        index: u64,
        /// The field.
        field: &'static str,
        /// What was found.
        value: u64,
    },
}

/// How a torus starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Torus id.
    pub torus: u8,
    /// Digest before the first input.
    pub digest: u64,
}

/// What stands before the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Configuration, workload and seed, in a form the agent reads back; at most [`HEADER_TEXT_MAX`] bytes are kept.
    pub text: String,
    /// The recorded tori; at most [`MAX_TORI`] are kept.
    pub starts: Vec<Start>,
}

/// One input and where it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Torus id.
    pub torus: u8,
    /// Events the torus had executed before.
    pub executed: u64,
    /// Number among the inputs applied at that count, from 1 ([`crate::Torus::place`]).
    pub ordinal: u32,
    /// The input.
    pub input: Input,
}

/// How a torus ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Torus id.
    pub torus: u8,
    /// Events it had executed.
    pub executed: u64,
    /// Its digest.
    pub digest: u64,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// An input.
    Entry(Entry),
    /// The end of a torus.
    End(End),
}

/// A whole recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// What stands before the records.
    pub header: Header,
    /// Inputs in recorded order.
    pub entries: Vec<Entry>,
    /// One end per torus; fewer when the recorder was cut off.
    pub ends: Vec<End>,
}

/// Fixed part of the header; text and starts follow, then a checksum over everything before it.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct RawHeader {
    magic: [u8; 8],
    version: U32,
    text_bytes: U32,
    tori: U16,
    reserved: [u8; 6],
}

/// A record. Fields that a kind does not use are zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Raw {
    kind: u8,
    torus: u8,
    peer: u8,
    mode: u8,
    ordinal: U32,
    executed: U64,
    /// Time, delay or count of 64 bits; digest of an end.
    wide: U64,
    payload: U64,
    dst: U32,
    src: U32,
    count: U32,
    amount: I32,
    reserved: U64,
    check: U64,
}

const START_BYTES: usize = 16;
const CHECKED: usize = RECORD_BYTES - 8;
const _: () = assert!(size_of::<Raw>() == RECORD_BYTES && size_of::<RawHeader>() == 24);

/// Kind bytes: stable, new ones are added at the end.
mod kind {
    pub(super) const INJECT: u8 = 1;
    pub(super) const INJECT_AT: u8 = 2;
    pub(super) const ADMIT: u8 = 3;
    pub(super) const FEED: u8 = 4;
    pub(super) const HORIZON: u8 = 5;
    pub(super) const HAND_OVER: u8 = 6;
    pub(super) const LOST: u8 = 7;
    pub(super) const BATCH: u8 = 8;
    pub(super) const INTERVAL: u8 = 9;
    pub(super) const MODE: u8 = 10;
    pub(super) const PAUSE: u8 = 11;
    pub(super) const RESUME: u8 = 12;
    pub(super) const STEP: u8 = 13;
    pub(super) const CORRECTIVE: u8 = 14;
    pub(super) const END: u8 = 255;
}

impl Header {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut cut = self.text.len().min(HEADER_TEXT_MAX);
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        let starts = &self.starts[..self.starts.len().min(MAX_TORI)];
        let raw = RawHeader {
            magic: MAGIC,
            version: U32::new(VERSION),
            text_bytes: U32::new(cut as u32),
            tori: U16::new(starts.len() as u16),
            reserved: [0; 6],
        };
        let mut bytes = raw.as_bytes().to_vec();
        bytes.extend_from_slice(&self.text.as_bytes()[..cut]);
        for start in starts {
            bytes.extend_from_slice(&u64::from(start.torus).to_le_bytes());
            bytes.extend_from_slice(&start.digest.to_le_bytes());
        }
        let check = xxh3_64_with_seed(&bytes, 0);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads a header; also returns where the records begin.
    ///
    /// # Errors
    /// [`RecordError::Foreign`] or [`RecordError::Header`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), RecordError> {
        let (raw, _) = RawHeader::read_from_prefix(bytes).map_err(|_| RecordError::Foreign { version: 0 })?;
        if raw.magic != MAGIC || raw.version.get() != VERSION {
            let version = if raw.magic == MAGIC { raw.version.get() } else { 0 };
            return Err(RecordError::Foreign { version });
        }
        let damaged = RecordError::Header { length: raw.text_bytes.get() };
        let (text_bytes, tori) = (raw.text_bytes.get() as usize, usize::from(raw.tori.get()));
        if text_bytes > HEADER_TEXT_MAX || tori > MAX_TORI || raw.reserved != [0; 6] {
            return Err(damaged);
        }
        let text_end = size_of::<RawHeader>() + text_bytes;
        let end = text_end + tori * START_BYTES;
        let body = bytes.get(..end).ok_or(damaged)?;
        let check = bytes.get(end..end + 8).and_then(word).ok_or(damaged)?;
        if check != xxh3_64_with_seed(body, 0) {
            return Err(damaged);
        }
        let text = String::from_utf8(body[size_of::<RawHeader>()..text_end].to_vec()).map_err(|_| damaged)?;
        let mut starts = Vec::with_capacity(tori);
        for start in body[text_end..].chunks_exact(START_BYTES) {
            let torus = word(&start[..8]).and_then(|torus| u8::try_from(torus).ok()).ok_or(damaged)?;
            starts.push(Start { torus, digest: word(&start[8..]).ok_or(damaged)? });
        }
        Ok((Self { text, starts }, end + 8))
    }
}

fn word(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

impl Record {
    /// As bytes; `index` is the number of the record in its recording, from 0. No allocation.
    #[must_use]
    pub fn encode(&self, index: u64) -> [u8; RECORD_BYTES] {
        let mut raw = match self {
            Self::Entry(entry) => {
                let raw = raw_of(&entry.input);
                Raw { torus: entry.torus, executed: U64::new(entry.executed), ordinal: U32::new(entry.ordinal), ..raw }
            }
            Self::End(end) => Raw {
                torus: end.torus,
                executed: U64::new(end.executed),
                wide: U64::new(end.digest),
                ..blank(kind::END)
            },
        };
        raw.check = U64::new(xxh3_64_with_seed(&raw.as_bytes()[..CHECKED], index.wrapping_add(1)));
        zerocopy::transmute!(raw)
    }

    /// Reads the record with that number.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] or [`RecordError::Value`].
    pub fn decode(bytes: &[u8; RECORD_BYTES], index: u64) -> Result<Self, RecordError> {
        let raw: Raw = zerocopy::transmute!(*bytes);
        if raw.check.get() != xxh3_64_with_seed(&bytes[..CHECKED], index.wrapping_add(1)) {
            return Err(RecordError::Damaged { index, offset: 0 });
        }
        if usize::from(raw.torus) >= MAX_TORI {
            return Err(RecordError::Value { index, field: "torus", value: raw.torus.into() });
        }
        if raw.kind == kind::END {
            return Ok(Self::End(End { torus: raw.torus, executed: raw.executed.get(), digest: raw.wide.get() }));
        }
        let input = input_of(&raw, index)?;
        let (executed, ordinal) = (raw.executed.get(), raw.ordinal.get());
        Ok(Self::Entry(Entry { torus: raw.torus, executed, ordinal, input }))
    }
}

fn blank(kind: u8) -> Raw {
    Raw { kind, ..Raw::new_zeroed() }
}

fn raw_of(input: &Input) -> Raw {
    let cells = |kind, dst: Cell, src: Cell, payload: u64| Raw {
        dst: U32::new(dst.get()),
        src: U32::new(src.get()),
        payload: U64::new(payload),
        ..blank(kind)
    };
    let counted = |kind, count: u32| Raw { count: U32::new(count), ..blank(kind) };
    match *input {
        Input::Inject { dst, src, payload, count } => {
            Raw { count: U32::new(count), ..cells(kind::INJECT, dst, src, payload) }
        }
        Input::InjectAt { time, dst, src, payload } => {
            Raw { wide: U64::new(time), ..cells(kind::INJECT_AT, dst, src, payload) }
        }
        Input::Admit { from, token } => Raw {
            peer: from,
            wide: U64::new(token.delay_ticks),
            ..cells(kind::ADMIT, token.dst, token.src, token.payload)
        },
        Input::Feed { count } => counted(kind::FEED, count),
        Input::Horizon { time } => Raw { wide: U64::new(time), ..blank(kind::HORIZON) },
        Input::HandOver { to, count } => Raw { peer: to, ..counted(kind::HAND_OVER, count) },
        Input::Lost { peer, count } => Raw { peer, wide: U64::new(count), ..blank(kind::LOST) },
        Input::Batch { events } => counted(kind::BATCH, events),
        Input::Interval { ticks } => counted(kind::INTERVAL, ticks),
        Input::Mode(mode) => Raw { mode: u8::from(mode == Mode::Ring), ..blank(kind::MODE) },
        Input::Pause => blank(kind::PAUSE),
        Input::Resume => blank(kind::RESUME),
        Input::Step { count } => counted(kind::STEP, count),
        Input::Corrective(Correction { cell, amount }) => {
            Raw { amount: I32::new(amount), ..cells(kind::CORRECTIVE, cell, Cell::default(), 0) }
        }
    }
}

fn input_of(raw: &Raw, index: u64) -> Result<Input, RecordError> {
    let cell = |field, number: U32| {
        Cell::new(number.get()).ok_or(RecordError::Value { index, field, value: number.get().into() })
    };
    let (dst, src) = (cell("dst", raw.dst)?, cell("src", raw.src)?);
    let (wide, payload, count) = (raw.wide.get(), raw.payload.get(), raw.count.get());
    Ok(match raw.kind {
        kind::INJECT => Input::Inject { dst, src, payload, count },
        kind::INJECT_AT => Input::InjectAt { time: wide, dst, src, payload },
        kind::ADMIT => Input::Admit { from: raw.peer, token: Token { delay_ticks: wide, dst, src, payload } },
        kind::FEED => Input::Feed { count },
        kind::HORIZON => Input::Horizon { time: wide },
        kind::HAND_OVER => Input::HandOver { to: raw.peer, count },
        kind::LOST => Input::Lost { peer: raw.peer, count: wide },
        kind::BATCH => Input::Batch { events: count },
        kind::INTERVAL => Input::Interval { ticks: count },
        kind::MODE => match raw.mode {
            0 => Input::Mode(Mode::Rotate),
            1 => Input::Mode(Mode::Ring),
            mode => return Err(RecordError::Value { index, field: "mode", value: mode.into() }),
        },
        kind::PAUSE => Input::Pause,
        kind::RESUME => Input::Resume,
        kind::STEP => Input::Step { count },
        kind::CORRECTIVE => Input::Corrective(Correction { cell: dst, amount: raw.amount.get() }),
        kind => return Err(RecordError::Value { index, field: "kind", value: kind.into() }),
    })
}

/// Reads a whole recording. A file that ends in the middle of a record, or without ends, is what a killed recorder leaves: the whole
/// records count, and replay has fewer ends to compare with.
///
/// # Errors
/// [`RecordError`] names the first thing that does not fit.
pub fn decode(bytes: &[u8]) -> Result<Recording, RecordError> {
    let (header, from) = Header::decode(bytes)?;
    let (mut entries, mut ends) = (Vec::new(), Vec::new());
    let (records, _cut) = bytes[from..].as_chunks::<RECORD_BYTES>();
    for (index, record) in records.iter().enumerate() {
        let offset = (from + index * RECORD_BYTES) as u64;
        match Record::decode(record, index as u64) {
            Ok(Record::Entry(entry)) => entries.push(entry),
            Ok(Record::End(end)) => ends.push(end),
            Err(RecordError::Damaged { index, .. }) => return Err(RecordError::Damaged { index, offset }),
            Err(other) => return Err(other),
        }
    }
    Ok(Recording { header, entries, ends })
}
