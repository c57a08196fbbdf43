//! The signed record by which a member is known (`membership:MB-10`, `decisions:CLU-6`, `decisions:CLU-8`).
//!
//! A record certifies itself: the cluster's authority signed the card (cluster, node, key, end), and the member signed all
//! the rest with that key. Whoever holds the authority's key can check it without asking anybody.

use core::fmt;

use crate::hash::Digest;
use crate::id::{Identity, NodeId};
use crate::sign::Signature;
use crate::wire::v1::{Reader, WireError, Writer};
use core::hash::Hasher;

/// Longest name, bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 24;
/// Longest zone label, bytes of UTF-8.
pub const ZONE_BYTES_MAX: usize = 16;
/// Bytes of an encoded record: always the same.
pub const RECORD_BYTES: usize = 10 + (1 + NAME_BYTES_MAX) + (1 + ZONE_BYTES_MAX) + 6 + 18 + 1 + 32 + 8 + 8 + 64 + 64;
/// Bytes that the authority signs.
pub const CARD_BYTES: usize = CARD_DOMAIN.len() + 8 + 4 + 32 + 8;
/// Bytes that the member signs.
pub const SIGNED_BYTES: usize = RECORD_DOMAIN.len() + RECORD_BYTES - 64;

const CARD_DOMAIN: &[u8] = b"trefoil card 1\0";
const RECORD_DOMAIN: &[u8] = b"trefoil record 1\0";

const _: () = assert!(RECORD_BYTES == 253);

/// A short text: UTF-8 without control characters, the rest of the field zero, so that equal texts are equal bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

/// The name of a node.
pub type Name = Label<NAME_BYTES_MAX>;
/// The label of a failure domain.
pub type Zone = Label<ZONE_BYTES_MAX>;

impl<const N: usize> Label<N> {
    /// No text.
    pub const EMPTY: Self = Label { bytes: [0; N], len: 0 };

    /// Takes a text; `None` when it is too long or holds a control character.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > N || text.len() > usize::from(u8::MAX) || text.chars().any(char::is_control) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Label { bytes, len: text.len() as u8 })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8(self.len)?;
        writer.put(&self.bytes)
    }

    fn decode(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        let len = reader.u8()?;
        let bytes: [u8; N] = reader.array()?;
        let (text, rest) = bytes.split_at_checked(usize::from(len)).ok_or(WireError::Value(field))?;
        let text = core::str::from_utf8(text).map_err(|_| WireError::Value(field))?;
        if rest.iter().any(|&byte| byte != 0) {
            return Err(WireError::Value(field));
        }
        Label::new(text).ok_or(WireError::Value(field))
    }
}

impl<const N: usize> Default for Label<N> {
    fn default() -> Self {
        Label::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A member as all others know it; certified by a card of the authority and signed by the member itself.
///
/// Encoded: identity (10), name (1 + 24), zone (1 + 16), position (6), address (18: IPv6 or mapped IPv4, then the port
/// little-endian), flags (1), public key (32), end of the card (8), authority (8), card (64), signature (64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberRecord {
    /// Node id, incarnation and life.
    pub identity: Identity,
    /// Name for people.
    pub name: Name,
    /// Failure domain; empty when none is told.
    pub zone: Zone,
    /// Place of the node, in the units of the installation.
    pub position: [i16; 3],
    /// Address of the reliable plane, where whoever needs a session dials: 16 bytes IPv6 (or mapped IPv4), then the port,
    /// little-endian. Addresses of the fast plane are told session by session.
    pub address: [u8; 18],
    /// Bits, see `FLAG_*`.
    pub flags: u8,
    /// Ed25519 public key of the member.
    pub public_key: [u8; 32],
    /// When the card ends, seconds since 1970.
    pub card_ends_unix_s: u64,
    /// Which authority signed the card (two may be trusted at once).
    pub ca_id: u64,
    /// The authority's signature over the card.
    pub card: Signature,
    /// The member's own signature over everything else.
    pub signature: Signature,
}

impl MemberRecord {
    /// Flag: the member takes no new work ([`MemberRecord::flags`]).
    pub const FLAG_DRAINING: u8 = 1;

    /// A record with nothing but an identity; unsigned.
    #[must_use]
    pub const fn bare(identity: Identity) -> Self {
        Self {
            identity,
            name: Name::EMPTY,
            zone: Zone::EMPTY,
            position: [0; 3],
            address: [0; 18],
            flags: 0,
            public_key: [0; 32],
            card_ends_unix_s: 0,
            ca_id: 0,
            card: Signature::EMPTY,
            signature: Signature::EMPTY,
        }
    }

    /// Appends the record.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.encode_signed_part(writer)?;
        writer.put(&self.signature.0)
    }

    /// Reads a record; total on hostile bytes. The signatures are not checked here.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let identity = decode_identity(reader)?;
        let name = Name::decode(reader, "name")?;
        let zone = Zone::decode(reader, "zone")?;
        let position = [reader.i16()?, reader.i16()?, reader.i16()?];
        Ok(Self {
            identity,
            name,
            zone,
            position,
            address: reader.array()?,
            flags: reader.u8()?,
            public_key: reader.array()?,
            card_ends_unix_s: reader.u64()?,
            ca_id: reader.u64()?,
            card: Signature(reader.array()?),
            signature: Signature(reader.array()?),
        })
    }

    /// The record as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        // The buffer has exactly the length of the layout, which a test holds.
        let _ = self.encode(&mut Writer::new(&mut bytes));
        bytes
    }

    /// What the member signs: the domain, then everything but the signature.
    #[must_use]
    pub fn signed_bytes(&self) -> [u8; SIGNED_BYTES] {
        let mut bytes = [0; SIGNED_BYTES];
        let mut writer = Writer::new(&mut bytes);
        let _ = writer.put(RECORD_DOMAIN).and_then(|()| self.encode_signed_part(&mut writer));
        bytes
    }

    /// What the authority signs for this member of the cluster `cluster_id`.
    #[must_use]
    pub fn card_bytes(&self, cluster_id: u64) -> [u8; CARD_BYTES] {
        card_bytes(cluster_id, self.identity.id, &self.public_key, self.card_ends_unix_s)
    }

    /// A short digest by which two copies are compared.
    #[must_use]
    pub fn digest(&self) -> u32 {
        let mut digest = Digest::new(0x7265_636f);
        digest.word(u64::from(self.identity.id.get()));
        digest.word(self.identity.rank());
        digest.write(&self.address);
        digest.write(&self.signature.0);
        digest.finish() as u32
    }

    fn encode_signed_part(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        encode_identity(&self.identity, writer)?;
        self.name.encode(writer)?;
        self.zone.encode(writer)?;
        for axis in self.position {
            writer.i16(axis)?;
        }
        writer.put(&self.address)?;
        writer.u8(self.flags)?;
        writer.put(&self.public_key)?;
        writer.u64(self.card_ends_unix_s)?;
        writer.u64(self.ca_id)?;
        writer.put(&self.card.0)
    }
}

/// What the authority signs: domain, cluster id, node id, public key, end of the card; little-endian.
#[must_use]
pub fn card_bytes(cluster_id: u64, node: NodeId, public_key: &[u8; 32], ends_unix_s: u64) -> [u8; CARD_BYTES] {
    let mut bytes = [0; CARD_BYTES];
    let mut writer = Writer::new(&mut bytes);
    let _ = writer
        .put(CARD_DOMAIN)
        .and_then(|()| writer.u64(cluster_id))
        .and_then(|()| writer.u32(node.get()))
        .and_then(|()| writer.put(public_key))
        .and_then(|()| writer.u64(ends_unix_s));
    bytes
}

/// Appends an identity: id, incarnation, life; 10 bytes.
///
/// # Errors
/// [`WireError::Long`] when the buffer is full.
pub fn encode_identity(identity: &Identity, writer: &mut Writer<'_>) -> Result<(), WireError> {
    writer.u32(identity.id.get())?;
    writer.u32(identity.boot_inc)?;
    writer.u16(identity.life)
}

/// Reads an identity of exactly one node.
///
/// # Errors
/// Missing bytes, or an id that names no single node.
pub fn decode_identity(reader: &mut Reader<'_>) -> Result<Identity, WireError> {
    let id = NodeId::new(reader.u32()?).ok_or(WireError::Value("node id"))?;
    Ok(Identity { id, boot_inc: reader.u32()?, life: reader.u16()? })
}

/// For fuzzing: decoding is total, and what decodes encodes to the same bytes.
pub fn fuzz_record(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(record) = MemberRecord::decode(&mut reader) {
        assert!(bytes.starts_with(&record.to_bytes()), "a decoded record encodes to what was read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> MemberRecord {
        let mut record =
            MemberRecord::bare(Identity { id: NodeId::new(7).unwrap(), boot_inc: 0x0102_0304, life: 0x0506 });
        record.name = Name::new("n\u{e9}ud").unwrap();
        record.zone = Zone::new("rack-1").unwrap();
        record.position = [-1, 2, -3];
        record.address = core::array::from_fn(|at| at as u8);
        record.flags = MemberRecord::FLAG_DRAINING;
        record.public_key = [9; 32];
        record.card_ends_unix_s = 11;
        record.ca_id = 12;
        record.card = Signature([13; 64]);
        record.signature = Signature([14; 64]);
        record
    }

    /// membership:MB-10 decisions:CLU-6: a record survives its encoding, and each byte matters to what is signed.
    #[test]
    fn a_record_survives_its_encoding() {
        let bytes = record().to_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(MemberRecord::decode(&mut reader), Ok(record()));
        assert_eq!(reader.done(), Ok(()));
        let signed = record().signed_bytes();
        assert!(signed.starts_with(b"trefoil record 1\0"));
        assert_eq!(signed[RECORD_DOMAIN.len()..], bytes[..RECORD_BYTES - 64]);
        for at in 0..RECORD_BYTES {
            assert!(MemberRecord::decode(&mut Reader::new(&bytes[..at])).is_err(), "cut at {at}");
        }
    }

    /// decisions:CLU-8: the card binds cluster, node, key and end.
    #[test]
    fn the_card_binds_cluster_node_key_and_end() {
        let base = record().card_bytes(1);
        assert!(base.starts_with(b"trefoil card 1\0"));
        assert_ne!(base, record().card_bytes(2));
        let mut other = record();
        other.public_key[31] ^= 1;
        assert_ne!(base, other.card_bytes(1));
        other = record();
        other.card_ends_unix_s += 1;
        assert_ne!(base, other.card_bytes(1));
        other = record();
        other.identity.id = NodeId::new(8).unwrap();
        assert_ne!(base, other.card_bytes(1));
        other = record();
        other.identity.life += 1;
        assert_eq!(base, other.card_bytes(1), "a card outlives a life");
    }

    #[test]
    fn labels_are_canonical_texts() {
        assert_eq!(Name::new("abc").unwrap().as_str(), "abc");
        assert!(Name::new("1234567890123456789012345").is_none());
        assert!(Zone::new("a\nb").is_none());
        let mut bytes = record().to_bytes();
        bytes[10 + 1 + NAME_BYTES_MAX - 1] = b'x';
        assert_eq!(MemberRecord::decode(&mut Reader::new(&bytes)), Err(WireError::Value("name")), "text after the end");
        bytes = record().to_bytes();
        bytes[11] = 0xff;
        assert_eq!(MemberRecord::decode(&mut Reader::new(&bytes)), Err(WireError::Value("name")), "not UTF-8");
        bytes = record().to_bytes();
        bytes[..4].fill(0);
        assert_eq!(MemberRecord::decode(&mut Reader::new(&bytes)), Err(WireError::Value("node id")));
    }
}
