//! The frame: a header, sealed content, a tag (`rse:U1`).
//!
//! Numbers are little-endian. Version 2 adds phase and round (`rse:U6`); both versions are spoken, so that a cluster can be
//! upgraded node by node (`decisions:CLU-19`).
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 1 | wire version |
//! | 1 | 1 | kind |
//! | 2 | 1 | key epoch, lowest byte |
//! | 3 | 1 | phase (version 2), zero (version 1) |
//! | 4 | 4 | sender |
//! | 8 | 2 | cluster, folded |
//! | 10 | 2 | boots of sender and receiver, folded |
//! | 12 | 8 | sequence, from 1 for each key: the counter of the nonce |
//! | 20 | 4 | round (version 2 only) |
//! | 20 or 24 | | sealed content |
//! | | 16 | tag |
//!
//! What is folded or left out of the header is whole in the associated data ([`Binding`]), so a frame is good for exactly one
//! cluster, sender, receiver, pair of boots and epoch. The folds only let a receiver refuse strangers without opening anything.

use crate::aead::{NONCE_BYTES, TAG_BYTES};

/// Bytes of the header of version 2, the longest.
pub const HEADER_BYTES_MAX: usize = 24;
/// Bytes of the header of version 1.
const HEADER_BYTES_V1: usize = 20;
/// Bytes of the associated data that are not on the wire.
pub const BINDING_BYTES: usize = 36;
/// Bytes of the longest datagram taken: a jumbo frame.
pub const DATAGRAM_BYTES_MAX: usize = 9_216;
/// Bytes of all associated data.
const ASSOCIATED_BYTES_MAX: usize = HEADER_BYTES_MAX + BINDING_BYTES;

const _: () = assert!(HEADER_BYTES_V1 <= HEADER_BYTES_MAX);

/// Wire versions a node speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Oldest.
    pub low: u8,
    /// Newest.
    pub high: u8,
}

impl Versions {
    /// All versions of this code.
    pub const ALL: Self = Self { low: 1, high: 2 };

    /// True when `version` is spoken.
    #[must_use]
    pub const fn contains(self, version: u8) -> bool {
        self.low <= version && version <= self.high
    }

    /// The newest version both speak (`decisions:CLU-19`); `None` when there is none.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.high.min(other.high);
        (newest >= self.low && newest >= other.low).then_some(newest)
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message of `ekk`.
    Ekk = 1,
    /// A segment of a projection.
    Projection = 2,
    /// A command.
    Command = 3,
    /// Acknowledgement of commands.
    Ack = 4,
    /// Question for a round-trip time.
    Ping = 5,
    /// Its answer.
    Pong = 6,
    /// A sign of life of the link.
    Heartbeat = 7,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Ekk, Self::Projection, Self::Command, Self::Ack, Self::Ping, Self::Pong, Self::Heartbeat];

    /// The kind with this number.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The header as fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Wire version.
    pub version: u8,
    /// Kind of the content.
    pub kind: Kind,
    /// Lowest byte of the key epoch.
    pub epoch: u8,
    /// Phase of the sender; 0 in version 1.
    pub phase: u8,
    /// Node id of the sender.
    pub sender: u32,
    /// Cluster, folded.
    pub cluster: u16,
    /// Boots of sender and receiver, folded.
    pub boots: u16,
    /// Counter of the key, from 1.
    pub sequence: u64,
    /// Round of the sender; 0 in version 1.
    pub round: u32,
}

/// Why bytes have no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than header and tag.
    TooShort,
    /// A version this code does not know.
    Version(u8),
    /// A kind this version does not know.
    Kind(u8),
}

/// Bytes of the header of a wire version.
#[must_use]
pub const fn header_bytes(version: u8) -> usize {
    if version == 1 { HEADER_BYTES_V1 } else { HEADER_BYTES_MAX }
}

/// Bytes that a frame adds to its content.
#[must_use]
pub const fn overhead_bytes(version: u8) -> usize {
    header_bytes(version) + TAG_BYTES
}

impl Header {
    /// Writes the header to the beginning of `out`; returns its length.
    ///
    /// # Panics
    /// `out` is shorter than the header.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        out[0] = self.version;
        out[1] = self.kind as u8;
        out[2] = self.epoch;
        out[3] = if self.version == 1 { 0 } else { self.phase };
        out[4..8].copy_from_slice(&self.sender.to_le_bytes());
        out[8..10].copy_from_slice(&self.cluster.to_le_bytes());
        out[10..12].copy_from_slice(&self.boots.to_le_bytes());
        out[12..20].copy_from_slice(&self.sequence.to_le_bytes());
        if self.version != 1 {
            out[20..24].copy_from_slice(&self.round.to_le_bytes());
        }
        header_bytes(self.version)
    }

    /// Reads the header of a datagram and looks at nothing else but its length.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn parse(datagram: &[u8]) -> Result<Self, HeaderError> {
        if datagram.len() < overhead_bytes(1) {
            return Err(HeaderError::TooShort);
        }
        let version = datagram[0];
        if !Versions::ALL.contains(version) {
            return Err(HeaderError::Version(version));
        }
        if datagram.len() < overhead_bytes(version) {
            return Err(HeaderError::TooShort);
        }
        let kind = Kind::from_byte(datagram[1]).ok_or(HeaderError::Kind(datagram[1]))?;
        let (phase, round) = if version == 1 { (0, 0) } else { (datagram[3], u32_at(datagram, 20)) };
        Ok(Self {
            version,
            kind,
            epoch: datagram[2],
            phase,
            sender: u32_at(datagram, 4),
            cluster: u16_at(datagram, 8),
            boots: u16_at(datagram, 10),
            sequence: u64_at(datagram, 12),
            round,
        })
    }
}

/// The part of the associated data that both sides know without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding([u8; BINDING_BYTES]);

impl Binding {
    /// For frames from `sender` to `receiver`, each a node id with its boot id.
    #[must_use]
    pub fn new(cluster_id: u64, sender: (u32, u64), receiver: (u32, u64), epoch: u32) -> Self {
        let mut out = [0; BINDING_BYTES];
        out[..8].copy_from_slice(&cluster_id.to_le_bytes());
        out[8..12].copy_from_slice(&sender.0.to_le_bytes());
        out[12..16].copy_from_slice(&receiver.0.to_le_bytes());
        out[16..24].copy_from_slice(&sender.1.to_le_bytes());
        out[24..32].copy_from_slice(&receiver.1.to_le_bytes());
        out[32..].copy_from_slice(&epoch.to_le_bytes());
        Self(out)
    }

    /// Associated data of a frame: its header as sent and this binding.
    pub(crate) fn associated(&self, header: &[u8]) -> Associated {
        let mut bytes = [0; ASSOCIATED_BYTES_MAX];
        let length = header.len() + BINDING_BYTES;
        bytes[..header.len()].copy_from_slice(header);
        bytes[header.len()..length].copy_from_slice(&self.0);
        Associated { bytes, length }
    }
}

/// Associated data of one frame.
pub(crate) struct Associated {
    bytes: [u8; ASSOCIATED_BYTES_MAX],
    length: usize,
}

impl Associated {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The nonce of a sequence number. Each direction has its own key, so the counter alone makes it unique.
#[must_use]
pub fn nonce(sequence: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[4..].copy_from_slice(&sequence.to_be_bytes());
    nonce
}

/// Sixteen bits of a cluster id.
#[must_use]
pub const fn fold_cluster(cluster_id: u64) -> u16 {
    fold(cluster_id ^ 0x636c_7573_7465_7221)
}

/// Sixteen bits of a pair of boot ids; the order counts.
#[must_use]
pub const fn fold_boots(sender_boot: u64, receiver_boot: u64) -> u16 {
    fold(sender_boot.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ receiver_boot)
}

const fn fold(value: u64) -> u16 {
    let mixed = (value ^ (value >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 48) as u16
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}
