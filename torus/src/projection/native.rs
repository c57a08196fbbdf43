//! The native projection: what a torus tells the others about itself, always [`SIZE`] bytes (`rse:P1`, `rse:P3` to `rse:P6`).
//!
//! Little-endian, 8-byte aligned, no hidden padding. Cumulative counters are never reset within a boot; readers subtract two
//! samples, so a projection that was skipped loses nothing (`decisions:NODE-13`). A test compares this table with the struct.
//!
//! | offset | bytes | field | unit and meaning |
//! | ---: | ---: | --- | --- |
//! | 0 | 8 | `magic` | [`MAGIC`] |
//! | 8 | 4 | `profile` | [`PROFILE`]: lattice tori; other meanings get other numbers (`rse:P1`) |
//! | 12 | 4 | `schema` | [`SCHEMA`], version of this table (`rse:P1`) |
//! | 16 | 4 | `size` | bytes, [`SIZE`] |
//! | 20 | 1 | `torus` | id of the sender in the braid, below `tori` |
//! | 21 | 1 | `tori` | tori of the braid, 1..=16 |
//! | 22 | 1 | `health` | 0 healthy, 1 degraded, 2 failed |
//! | 23 | 1 | `mode` | 0 rotate, 1 ring |
//! | 24 | 8 | `boot` | boot id of the sender, never 0 (`rse:P5`) |
//! | 32 | 8 | `seq` | projections, counted from 1 in each boot |
//! | 40 | 8 | `round` | braid rounds, Lamport: highest seen + 1 (`decisions:NODE-6`), below 2^48 |
//! | 48 | 8 | `heartbeat_ns` | ns, monotonic clock of the sender's host; only differences mean anything elsewhere |
//! | 56 | 4 | `interval_ticks` | executed events between exchanges |
//! | 60 | 4 | `cpu_permille` | per mille, busy share of the host's CPUs by its sensors, 0..=1000; 0 = not read |
//! | 64 | 88 | `counters` | events; see [`Counters`], `rejected` among them |
//! | 152 | 24 | `load` | pieces of work: runnable, pending, suspended (blocked) |
//! | 176 | 8 | `room` | tokens the torus can still admit |
//! | 184 | 8 | `state_digest` | digest of the state (`decisions:NODE-12`) |
//! | 192 | 8 | `graph_digest` | digest of what tokens must agree on (`decisions:NODE-7`) |
//! | 200 | 4 | `suspects` | bit i: the sender suspects torus i (`rse:B5`) |
//! | 204 | 4 | `failed` | bit i: the sender holds torus i for failed |
//! | 208 | 4 | `coupled` | 1 when events are mapped to cells, 0 when faces mean nothing |
//! | 212 | 44 | `reserved` | zero |
//! | 256 | 512 | `accounts` | 16 x [`Account`], index = torus id: messages exchanged with each other torus |
//! | 768 | 240 | `expectations` | 5 x [`Expectation`], index = kind: the constraints the sender states |
//! | 1008 | 4096 | `faces` | events at each cell, u16, cumulative and wrapping: x = 0 (index y * 32 + z), then x = 31 |
//! | 5104 | 8 | `reserved_tail` | zero |
//! | 5112 | 8 | `checksum` | xxh3-64 of the 5,112 bytes before it (`rse:P3`) |

use core::mem::{offset_of, size_of};

use xxhash_rust::xxh3::xxh3_64;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{Counters, FACES, Load, MAX_TORI, Mode};

/// First word of every native projection: `b"TREFPROJ"` as a little-endian number.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TREFPROJ");
/// Profile id "torus": the quantities of a lattice torus. Host-load profiles would get another id (`rse:P1`).
pub const PROFILE: u32 = 1;
/// Version of the layout.
pub const SCHEMA: u32 = 1;
/// Bytes of a projection.
pub const SIZE: usize = size_of::<Projection>();
/// 64-bit words of a projection, for slots that copy words.
pub const WORDS: usize = SIZE / 8;
/// Kinds of constraint; see [`crate::braid::Kind`].
pub const KINDS: usize = 5;
/// Rounds at or above this are refused: a forged round must not exhaust the counter.
pub const ROUND_LIMIT: u64 = 1 << 48;
/// Largest gain a constraint may ask for, parts per million (`rse:B2`).
pub const GAIN_LIMIT_PPM: u32 = 500_000;

const _: () = assert!(cfg!(target_endian = "little"), "the layout is little-endian memory");
const _: () = assert!(SIZE <= 8_192 && SIZE.is_multiple_of(64));
const _: () = assert!(size_of::<Counters>() == 88 && size_of::<Load>() == 24);
const _: () = assert!(size_of::<Account>() == 32 && size_of::<Expectation>() == 48);
const _: () = assert!(offset_of!(Projection, boot) == 24 && offset_of!(Projection, counters) == 64);
const _: () = assert!(offset_of!(Projection, accounts) == 256 && offset_of!(Projection, expectations) == 768);
const _: () = assert!(offset_of!(Projection, faces) == 1_008);
const _: () = assert!(offset_of!(Projection, checksum) == SIZE - 8);

/// Messages exchanged with one other torus (`decisions:NODE-8`). Both counters start at 0 for each pair of boots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Account {
    /// Boot id of the other torus these counters are about; 0 = never met.
    pub boot: u64,
    /// Messages sent to it.
    pub sent: u64,
    /// Messages received from it: the echo its corrections wait for (`decisions:NODE-4`).
    pub received: u64,
    /// Sequence of its projection applied last.
    pub applied_seq: u64,
}

/// A constraint as the sender states it (`rse:B2`): what it measures, how far a reader may be off, how strongly to correct.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Expectation {
    /// Quantity: equals its index (load, face, rate, round, conservation).
    pub kind: u32,
    /// Gain of a correction, parts per million, at most [`GAIN_LIMIT_PPM`]; 0 = observed, never corrected.
    pub gain_ppm: u32,
    /// First cell it is about.
    pub cell_first: u32,
    /// Cells it is about; 0 = the torus as a whole.
    pub cells: u32,
    /// The sender's own value, in the unit of the quantity.
    pub expected: u64,
    /// A difference above this is a violation; `u64::MAX` = not stated.
    pub tolerance: u64,
    /// A difference up to this is never corrected.
    pub dead_band: u64,
    /// Most units one correction may move; at most one correction per cell and round.
    pub cap: u64,
}

/// A native projection; the fields are described in the table of the module.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the module's table documents each field, and a test compares them")]
pub struct Projection {
    pub magic: u64,
    pub profile: u32,
    pub schema: u32,
    pub size: u32,
    pub torus: u8,
    pub tori: u8,
    pub health: u8,
    pub mode: u8,
    pub boot: u64,
    pub seq: u64,
    pub round: u64,
    pub heartbeat_ns: u64,
    pub interval_ticks: u32,
    pub cpu_permille: u32,
    pub counters: Counters,
    pub load: Load,
    pub room: u64,
    pub state_digest: u64,
    pub graph_digest: u64,
    pub suspects: u32,
    pub failed: u32,
    pub coupled: u32,
    pub reserved: [u32; 11],
    pub accounts: [Account; MAX_TORI],
    pub expectations: [Expectation; KINDS],
    pub faces: [u16; FACES],
    pub reserved_tail: u64,
    pub checksum: u64,
}

/// Why bytes are not a projection that may be used. Nothing was changed by the attempt; the sender or the carrier is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another number of bytes than [`SIZE`].
    #[error("a projection has {SIZE} bytes, got {bytes}: sender and reader are of different versions")]
    Length {
        /// Bytes given.
        bytes: usize,
    },
    /// The buffer does not start at a multiple of eight.
    #[error("the buffer is not 8-byte aligned: read the slot into words")]
    Alignment,
    /// The checksum does not fit the bytes.
    #[error("checksum is {found:016x}, the bytes give {expected:016x}: torn or damaged, read it again")]
    Checksum {
        /// Checksum found.
        found: u64,
        /// Checksum of the bytes.
        expected: u64,
    },
    /// A field holds a value it must not have.
    #[error(
        "field {field} is {value}, expected {expected}: the sender is of another version, misconfigured or hostile"
    )]
    Field {
        /// Name of the field as in the module's table.
        field: &'static str,
        /// Value found.
        value: u64,
        /// What it must be.
        expected: &'static str,
    },
}

/// What a torus knows of itself when it projects; the rest of a projection is the braid's ([`crate::braid::Braid::project`]).
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Counters of the torus.
    pub counters: &'a Counters,
    /// Face counters of the torus.
    pub faces: &'a [u16; FACES],
    /// Load of the torus.
    pub load: Load,
    /// Tokens it can still admit.
    pub room: u64,
    /// Digest of its state.
    pub state_digest: u64,
    /// Digest of its graph.
    pub graph_digest: u64,
    /// Whether events are mapped to cells.
    pub coupled: bool,
    /// Busy share of the host's CPUs by its sensors, per mille; 0 = not read.
    pub cpu_permille: u32,
    /// 0 healthy, 1 degraded, 2 failed.
    pub health: u8,
}

impl Projection {
    /// A projection of nothing yet, for torus `torus` of `tori` in boot `boot`. Made once, filled each round.
    #[must_use]
    pub fn new(torus: u8, tori: u8, boot: u64) -> Self {
        let mut new = Self::new_zeroed();
        new.magic = MAGIC;
        new.profile = PROFILE;
        new.schema = SCHEMA;
        new.size = SIZE as u32;
        new.torus = torus;
        new.tori = tori;
        new.boot = boot;
        for (kind, expectation) in new.expectations.iter_mut().enumerate() {
            expectation.kind = kind as u32;
            expectation.tolerance = u64::MAX;
        }
        new
    }

    /// Takes over what the torus knows of itself: a few words and one copy of the faces, which the torus keeps up to date
    /// (`rse:P4`), so it stops the torus for well under 2 us (`rse:P6`). Allocates nothing.
    pub fn fill(&mut self, facts: &Facts<'_>) {
        self.counters = *facts.counters;
        self.load = facts.load;
        self.room = facts.room;
        self.state_digest = facts.state_digest;
        self.graph_digest = facts.graph_digest;
        self.coupled = u32::from(facts.coupled);
        self.cpu_permille = facts.cpu_permille.min(1_000);
        self.health = facts.health.min(2);
        self.faces.copy_from_slice(facts.faces);
    }

    /// Sets the checksum over every other byte. Call last.
    pub fn seal(&mut self) {
        self.checksum = self.digest();
    }

    /// The checksum these bytes should carry.
    #[must_use]
    pub fn digest(&self) -> u64 {
        xxh3_64(&self.as_bytes()[..SIZE - 8])
    }

    /// The projection as words, for a slot.
    #[must_use]
    pub fn words(&self) -> &[u64; WORDS] {
        zerocopy::transmute_ref!(self)
    }

    /// Reads bytes from outside as a projection, in place: length, alignment, identity, checksum, then every field that has a
    /// range. A projection that parses is well-formed; whether it is fresh is the braid's business.
    ///
    /// # Errors
    /// [`Refused`] names the field; total for any input.
    pub fn parse(bytes: &[u8]) -> Result<&Self, Refused> {
        if bytes.len() != SIZE {
            return Err(Refused::Length { bytes: bytes.len() });
        }
        let projection = Self::ref_from_bytes(bytes).map_err(|_| Refused::Alignment)?;
        projection.checked()?;
        Ok(projection)
    }

    /// [`Projection::parse`] for the words of a slot.
    ///
    /// # Errors
    /// As [`Projection::parse`].
    pub fn parse_words(words: &[u64]) -> Result<&Self, Refused> {
        Self::parse(words.as_bytes())
    }

    /// The braid mode the sender is in.
    #[must_use]
    pub fn braid_mode(&self) -> Mode {
        if self.mode == 0 { Mode::Rotate } else { Mode::Ring }
    }

    fn checked(&self) -> Result<(), Refused> {
        // Identity first: a foreign record should be called foreign, not damaged.
        field("magic", self.magic, self.magic == MAGIC, "TREFPROJ")?;
        field("profile", self.profile.into(), self.profile == PROFILE, "1 (torus)")?;
        field("schema", self.schema.into(), self.schema == SCHEMA, "1")?;
        field("size", self.size.into(), self.size as usize == SIZE, "5120")?;
        let expected = self.digest();
        if self.checksum != expected {
            return Err(Refused::Checksum { found: self.checksum, expected });
        }
        let tori = usize::from(self.tori);
        field("tori", tori as u64, (1..=MAX_TORI).contains(&tori), "1..=16")?;
        field("torus", self.torus.into(), self.torus < self.tori, "below tori")?;
        field("health", self.health.into(), self.health <= 2, "0, 1 or 2")?;
        field("mode", self.mode.into(), self.mode <= 1, "0 or 1")?;
        field("boot", self.boot, self.boot != 0, "not 0")?;
        field("seq", self.seq, self.seq != 0, "not 0")?;
        field("round", self.round, self.round < ROUND_LIMIT, "below 2^48")?;
        field("cpu_permille", self.cpu_permille.into(), self.cpu_permille <= 1_000, "0..=1000")?;
        field("suspects", self.suspects.into(), self.suspects >> self.tori == 0, "bits below tori")?;
        field("failed", self.failed.into(), self.failed >> self.tori == 0, "bits below tori")?;
        field("coupled", self.coupled.into(), self.coupled <= 1, "0 or 1")?;
        for &word in &self.reserved {
            field("reserved", word.into(), word == 0, "0")?;
        }
        field("reserved_tail", self.reserved_tail, self.reserved_tail == 0, "0")?;
        self.expectations.iter().enumerate().try_for_each(|(kind, stated)| stated.checked(kind))
    }
}

impl Expectation {
    fn checked(&self, kind: usize) -> Result<(), Refused> {
        let end = u64::from(self.cell_first) + u64::from(self.cells);
        field("expectations.kind", self.kind.into(), self.kind as usize == kind, "its index")?;
        field("expectations.gain_ppm", self.gain_ppm.into(), self.gain_ppm <= GAIN_LIMIT_PPM, "0..=500000")?;
        field("expectations.cells", end, end <= crate::CELLS as u64, "at most 32768 with cell_first")
    }
}

fn field(field: &'static str, value: u64, holds: bool, expected: &'static str) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(Refused::Field { field, value, expected }) }
}
