//! One frame: Ethernet header, RSEPX header, fragment or acknowledgement. Numbers are big-endian.
//!
//! | offset | bytes | field | | offset | bytes | field |
//! |---:|---:|---|---|---:|---:|---|
//! | 0 | 4 | `RSEP` | | 24 | 8 | sequence |
//! | 4 | 2 | version, 1 | | 32 | 4 | bytes of the payload |
//! | 6 | 2 | 1 projection, 2 acknowledgement | | 36 | 8 | hash of the payload |
//! | 8 | 4 | torus of the sender | | 44 | 2 | index of the fragment |
//! | 12 | 4 | phase | | 46 | 2 | fragments |
//! | 16 | 8 | timestamp of the projection | | 48 | 4 | bytes of the fragment |

use super::{
    ETHERNET_BYTES, ETHERTYPE, FRAGMENT_BYTES, FRAGMENTS, FRAME_BYTES_MAX, HEADER_BYTES, Mac, PAYLOAD_BYTES, TORI,
    mac_of,
};

const MAGIC: [u8; 4] = *b"RSEP";
const VERSION: u16 = 1;
const PROJECTION: u16 = 1;
const ACK: u16 = 2;
/// Bytes of an acknowledgement behind its header: sequence and hash.
const ACK_BYTES: usize = 16;
/// Bytes of a whole acknowledgement.
pub const ACK_FRAME_BYTES: usize = ETHERNET_BYTES + HEADER_BYTES + ACK_BYTES;
const AT_BODY: usize = ETHERNET_BYTES + HEADER_BYTES;

const _: () = assert!(ACK_FRAME_BYTES == 82);

/// Why a frame was not taken. In the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum FrameError {
    /// No room for an Ethernet header.
    #[error("shorter than an Ethernet header")]
    NoEthernet,
    /// Other traffic of the same link.
    #[error("another EtherType")]
    EtherType,
    /// No room for an RSEPX header.
    #[error("shorter than an RSEPX header")]
    Short,
    /// Not `RSEP`.
    #[error("magic is not RSEP")]
    Magic,
    /// Not version 1.
    #[error("version is not 1")]
    Version,
    /// Neither projection nor acknowledgement.
    #[error("type is neither projection nor acknowledgement")]
    Kind,
    /// A torus the seed does not know.
    #[error("torus is not 0, 1 or 2")]
    Torus,
    /// A payload longer than a projection.
    #[error("payload longer than 4216 bytes")]
    PayloadBytes,
    /// No fragments, or more than five.
    #[error("fragments are not 1 to 5")]
    Fragments,
    /// Index not below the number of fragments.
    #[error("index of the fragment is not below their number")]
    Index,
    /// A fragment longer than 1,024 bytes or than the frame.
    #[error("fragment longer than 1024 bytes or than the frame")]
    FragmentBytes,
    /// A fragment that reaches beyond the payload.
    #[error("fragment reaches beyond the payload")]
    Beyond,
    /// An acknowledgement without sequence and hash.
    #[error("acknowledgement too short")]
    ShortAck,
}

impl FrameError {
    /// Number of reasons.
    pub const COUNT: usize = Self::ShortAck as usize + 1;
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// A part of a projection.
    Fragment {
        /// Phase; the seed puts its torus there.
        phase: u32,
        /// Timestamp of the projection, ticks.
        timestamp: u64,
        /// Bytes of the whole payload.
        payload_bytes: usize,
        /// Index.
        index: u16,
        /// Fragments.
        count: u16,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A projection arrived.
    Ack,
}

/// A frame as fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who sent it, by hardware address.
    pub source: Mac,
    /// Torus that sent it, 0 to 2.
    pub torus: u8,
    /// Sequence of the projection sent or acknowledged.
    pub seq: u64,
    /// Hash of the payload sent or acknowledged.
    pub payload_hash: u64,
    /// What it carries.
    pub body: Body<'a>,
}

impl<'a> Frame<'a> {
    /// Reads a frame by the accept rules of the format.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let Some((ethernet, rest)) = frame.split_at_checked(ETHERNET_BYTES) else { return Err(FrameError::NoEthernet) };
        if be16(ethernet, 12) != ETHERTYPE {
            return Err(FrameError::EtherType);
        }
        let Some((header, body)) = rest.split_at_checked(HEADER_BYTES) else { return Err(FrameError::Short) };
        let mut source = Mac::default();
        source.copy_from_slice(&ethernet[6..12]);
        if header[..4] != MAGIC {
            return Err(FrameError::Magic);
        }
        if be16(header, 4) != VERSION {
            return Err(FrameError::Version);
        }
        let kind = be16(header, 6);
        if kind != PROJECTION && kind != ACK {
            return Err(FrameError::Kind);
        }
        let torus = u8::try_from(be32(header, 8)).ok().filter(|&torus| torus < TORI).ok_or(FrameError::Torus)?;
        if kind == ACK {
            let body = body.get(..ACK_BYTES).ok_or(FrameError::ShortAck)?;
            return Ok(Self { source, torus, seq: be64(body, 0), payload_hash: be64(body, 8), body: Body::Ack });
        }
        let fragment = fragment(header, body)?;
        Ok(Self { source, torus, seq: be64(header, 24), payload_hash: be64(header, 36), body: fragment })
    }
}

fn fragment<'a>(header: &[u8], body: &'a [u8]) -> Result<Body<'a>, FrameError> {
    let payload_bytes = be32(header, 32) as usize;
    if payload_bytes > PAYLOAD_BYTES {
        return Err(FrameError::PayloadBytes);
    }
    let (index, count, length) = (be16(header, 44), be16(header, 46), be32(header, 48) as usize);
    if count == 0 || usize::from(count) > FRAGMENTS {
        return Err(FrameError::Fragments);
    }
    if index >= count {
        return Err(FrameError::Index);
    }
    if length > FRAGMENT_BYTES || length > body.len() {
        return Err(FrameError::FragmentBytes);
    }
    if usize::from(index) * FRAGMENT_BYTES + length > payload_bytes {
        return Err(FrameError::Beyond);
    }
    let (phase, timestamp) = (be32(header, 12), be64(header, 16));
    Ok(Body::Fragment { phase, timestamp, payload_bytes, index, count, bytes: &body[..length] })
}

/// Writes fragment `index` of a projection; returns its length. `out` holds [`FRAME_BYTES_MAX`] bytes.
pub fn encode_fragment(
    out: &mut [u8; FRAME_BYTES_MAX],
    to: Mac,
    torus: u8,
    (seq, timestamp, payload_hash): (u64, u64, u64),
    payload: &[u8; PAYLOAD_BYTES],
    index: usize,
) -> usize {
    let from = index.min(FRAGMENTS - 1) * FRAGMENT_BYTES;
    let part = &payload[from..(from + FRAGMENT_BYTES).min(PAYLOAD_BYTES)];
    ethernet(out, to, torus);
    let header = &mut out[ETHERNET_BYTES..AT_BODY];
    head(header, PROJECTION, torus);
    // The seed's tori put their number in the phase.
    header[12..16].copy_from_slice(&u32::from(torus).to_be_bytes());
    header[16..24].copy_from_slice(&timestamp.to_be_bytes());
    header[24..32].copy_from_slice(&seq.to_be_bytes());
    header[32..36].copy_from_slice(&(PAYLOAD_BYTES as u32).to_be_bytes());
    header[36..44].copy_from_slice(&payload_hash.to_be_bytes());
    header[44..46].copy_from_slice(&((from / FRAGMENT_BYTES) as u16).to_be_bytes());
    header[46..48].copy_from_slice(&(FRAGMENTS as u16).to_be_bytes());
    header[48..52].copy_from_slice(&(part.len() as u32).to_be_bytes());
    out[AT_BODY..AT_BODY + part.len()].copy_from_slice(part);
    AT_BODY + part.len()
}

/// The acknowledgement of a projection.
#[must_use]
pub fn encode_ack(to: Mac, torus: u8, seq: u64, payload_hash: u64) -> [u8; ACK_FRAME_BYTES] {
    let mut out = [0; ACK_FRAME_BYTES];
    ethernet(&mut out, to, torus);
    let header = &mut out[ETHERNET_BYTES..AT_BODY];
    head(header, ACK, torus);
    header[24..32].copy_from_slice(&seq.to_be_bytes());
    header[32..36].copy_from_slice(&(ACK_BYTES as u32).to_be_bytes());
    header[36..44].copy_from_slice(&payload_hash.to_be_bytes());
    header[46..48].copy_from_slice(&1_u16.to_be_bytes());
    header[48..52].copy_from_slice(&(ACK_BYTES as u32).to_be_bytes());
    out[AT_BODY..AT_BODY + 8].copy_from_slice(&seq.to_be_bytes());
    out[AT_BODY + 8..].copy_from_slice(&payload_hash.to_be_bytes());
    out
}

fn ethernet(out: &mut [u8], to: Mac, torus: u8) {
    out[..6].copy_from_slice(&to);
    out[6..12].copy_from_slice(&mac_of(torus));
    out[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
}

fn head(header: &mut [u8], kind: u16, torus: u8) {
    header.fill(0);
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_be_bytes());
    header[6..8].copy_from_slice(&kind.to_be_bytes());
    header[8..12].copy_from_slice(&u32::from(torus).to_be_bytes());
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    crate::frame::u32_at(bytes, at).swap_bytes()
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    crate::frame::u64_at(bytes, at).swap_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use super::super::tests::vectors;
    use super::{Body, FRAME_BYTES_MAX, Frame, FrameError, encode_ack, encode_fragment, mac_of};

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    // decisions:CLU-17: bytes on the wire, written out by hand from the format's description.
    #[test]
    fn fragments_are_byte_for_byte() {
        let (payload, _, hash) = vectors()[2];
        let mut out = [0; FRAME_BYTES_MAX];
        let first = encode_fragment(&mut out, mac_of(1), 0, (1, 1_000, hash), &payload, 0);
        assert_eq!(first, 1_090);
        let golden = "525400123401 525400123400 88b5  52534550 0001 0001 00000000 00000000 00000000000003e8 \
                      0000000000000001 00001078 ceb4b5479a491339 0000 0005 00000400";
        assert_eq!(out[..66], hex(golden)[..]);
        assert_eq!(out[66..1_090], payload[..1_024]);
        let last = encode_fragment(&mut out, mac_of(1), 0, (1, 1_000, hash), &payload, 4);
        assert_eq!(last, 186);
        assert_eq!(out[58..66], hex("0004 0005 00000078")[..]);
        assert_eq!(out[66..186], payload[4_096..]);
    }

    #[test]
    fn an_acknowledgement_is_byte_for_byte() {
        let golden = "525400123400 525400123402 88b5  52534550 0001 0002 00000002 00000000 0000000000000000 \
                      0000000000000001 00000010 ceb4b5479a491339 0000 0001 00000010  0000000000000001 ceb4b5479a491339";
        let frame = encode_ack(mac_of(0), 2, 1, 0xceb4_b547_9a49_1339);
        assert_eq!(frame[..], hex(golden)[..]);
        let parsed = Frame::parse(&frame).unwrap();
        assert_eq!((parsed.torus, parsed.seq, parsed.body), (2, 1, Body::Ack));
    }

    // Every accept rule: one field is changed, the named rule answers.
    #[test]
    fn each_rule_refuses_by_name() {
        let (payload, _, hash) = vectors()[1];
        let mut good = [0; FRAME_BYTES_MAX];
        let length = encode_fragment(&mut good, mac_of(0), 1, (1, 1_001, hash), &payload, 4);
        let good = &good[..length];
        assert!(Frame::parse(good).is_ok());
        let cases: [(usize, &[u8], FrameError); 11] = [
            (13, &[0], FrameError::EtherType),
            (14, b"X", FrameError::Magic),
            (19, &[2], FrameError::Version),
            (21, &[3], FrameError::Kind),
            (22, &[0, 0, 0, 3], FrameError::Torus),
            (22, &[1, 0, 0, 1], FrameError::Torus),
            (46, &[0, 0, 16, 121], FrameError::PayloadBytes),
            (60, &[0, 6], FrameError::Fragments),
            (58, &[0, 5], FrameError::Index),
            (62, &[0, 0, 0, 121], FrameError::FragmentBytes),
            (46, &[0, 0, 16, 119], FrameError::Beyond),
        ];
        for (at, bytes, error) in cases {
            let mut bad = good.to_vec();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Frame::parse(&bad), Err(error));
        }
        assert_eq!(Frame::parse(&good[..13]), Err(FrameError::NoEthernet));
        assert_eq!(Frame::parse(&good[..65]), Err(FrameError::Short));
        assert_eq!(Frame::parse(&encode_ack(mac_of(0), 2, 1, 9)[..81]), Err(FrameError::ShortAck));
        let mut none = good.to_vec();
        none[58..62].fill(0);
        assert_eq!(Frame::parse(&none), Err(FrameError::Fragments));
        // Padding behind a fragment is allowed.
        assert!(Frame::parse(&[good, &[0; 60]].concat()).is_ok());
    }
}
