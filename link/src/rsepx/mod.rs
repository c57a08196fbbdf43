//! RSEPX version 1: whole Ethernet frames of seed peers, carried one in a datagram (`decisions:CLU-17`).
//!
//! For peers that speak only that: big-endian headers of 52 bytes behind 14 bytes of Ethernet, a projection of 4,216 bytes in five
//! fragments, an acknowledgement of the whole. Nothing here is authenticated, so it is a carrier of its own: off unless
//! configured, on its own port, one named slot, shown as unauthenticated. Everything is checked that can be: every
//! accept rule of the format, both hashes (the seed checks one), and that header and payload name the same torus.

mod frame;
mod station;

pub use frame::{ACK_FRAME_BYTES, Body, Frame, FrameError, encode_ack, encode_fragment};
pub use station::{Counts, Dropped, Station, Times};

/// Bytes of a projection.
pub const PAYLOAD_BYTES: usize = 4_216;
/// Bytes of a fragment but the last.
pub const FRAGMENT_BYTES: usize = 1_024;
/// Fragments of a projection.
pub const FRAGMENTS: usize = PAYLOAD_BYTES.div_ceil(FRAGMENT_BYTES);
/// Bytes of the Ethernet header.
pub const ETHERNET_BYTES: usize = 14;
/// Bytes of the RSEPX header.
pub const HEADER_BYTES: usize = 52;
/// Bytes of the longest frame sent.
pub const FRAME_BYTES_MAX: usize = ETHERNET_BYTES + HEADER_BYTES + FRAGMENT_BYTES;
/// EtherType of the frames.
pub const ETHERTYPE: u16 = 0x88b5;
/// Tori of a seed braid.
pub const TORI: u8 = 3;

const _: () = assert!(FRAGMENTS == 5 && FRAME_BYTES_MAX == 1_090);

/// A hardware address.
pub type Mac = [u8; 6];
/// Everybody.
pub const BROADCAST: Mac = [0xff; 6];

/// Address of a torus.
#[must_use]
pub const fn mac_of(torus: u8) -> Mac {
    [0x52, 0x54, 0x00, 0x12, 0x34, torus]
}

const FNV_OFFSET: u64 = 14_695_981_039_346_656_037;
const FNV_PRIME: u64 = 1_099_511_628_211;

const AT_BOUNDARY: usize = 44;
const AT_CONSTRAINTS: usize = 4_140;
const AT_STATE_HASH: usize = 4_208;
/// Bytes of a projection.
type Payload = [u8; PAYLOAD_BYTES];

const fn fnv(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FNV_PRIME)
}

/// FNV-1a by byte.
#[must_use]
pub fn payload_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, &byte| fnv(hash, u64::from(byte)))
}

/// The seed's hash over 151 words of a projection; it leaves out padding and seven of eight boundary words.
#[must_use]
pub fn state_hash(payload: &Payload) -> u64 {
    let u32_at = |at| u64::from(crate::frame::u32_at(payload, at));
    let u64_at = |at| crate::frame::u64_at(payload, at);
    let head = [u32_at(0), u64_at(8), u64_at(16), u64_at(24), u32_at(32), u32_at(36), u32_at(40)];
    let boundary = (0..1_024).step_by(8).map(|index| u32_at(AT_BOUNDARY + 4 * index));
    let constraints = (0..16).map(|index| crate::frame::u32_at(payload, AT_CONSTRAINTS + 4 * index).cast_signed());
    let constraints = constraints.map(|value| i64::from(value).cast_unsigned());
    head.into_iter().chain(boundary).chain(constraints).fold(FNV_OFFSET, fnv)
}

/// True when the hash a projection carries is that of its fields.
#[must_use]
pub fn is_whole(payload: &Payload) -> bool {
    state_hash(payload) == crate::frame::u64_at(payload, AT_STATE_HASH)
}

/// Takes frames of any content: parses them, gives them to a station, and checks that what parses encodes to the same bytes.
/// Returns how many were taken.
///
/// # Panics
/// A rule of the format is broken.
#[must_use]
pub fn fuzz_rsepx(bytes: &[u8]) -> u64 {
    let mut station = Station::new(0, Times::default());
    station.publish(0, 7, 1, &[0; PAYLOAD_BYTES], 0b110);
    let mut taken = 0;
    // The first byte of each piece gives its length, so that one input holds several frames.
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        let (frame, later) = after.split_at((usize::from(length) * 8).min(after.len()));
        rest = later;
        if let Ok(parsed) = Frame::parse(frame) {
            assert!(parsed.torus < TORI, "a torus of the braid");
            if let Body::Fragment { index, payload_bytes, bytes, .. } = parsed.body {
                assert!(usize::from(index) * FRAGMENT_BYTES + bytes.len() <= payload_bytes, "inside the payload");
            }
            taken += 1;
        }
        taken += u64::from(station.receive(1, frame, |_, _, _| {}, |_, _| {}).is_ok());
    }
    station.poll(u64::MAX, |_, _| {});
    taken
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use super::{
        AT_BOUNDARY, AT_CONSTRAINTS, AT_STATE_HASH, PAYLOAD_BYTES, Payload, is_whole, payload_hash, state_hash,
    };

    fn put(payload: &mut Payload, at: usize, bytes: &[u8]) {
        payload[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The vector of the format's description with id 1, and "F0" of rse.md, which the seed made.
    pub(crate) fn vectors() -> [(Payload, u64, u64); 3] {
        let mut one = [0; PAYLOAD_BYTES];
        put(&mut one, 0, &1_u32.to_le_bytes());
        [8, 16, 24].iter().for_each(|&at| put(&mut one, at, &1_001_u64.to_le_bytes()));
        [(32, 8_u32), (36, 3), (40, 2)].iter().for_each(|&(at, value)| put(&mut one, at, &value.to_le_bytes()));
        (0..1_024_u32).for_each(|i| put(&mut one, AT_BOUNDARY + 4 * i as usize, &(3 * i + 1).to_le_bytes()));
        (0..16_i32).for_each(|i| put(&mut one, AT_CONSTRAINTS + 4 * i as usize, &(i - 5).to_le_bytes()));
        let mut f0 = [0; PAYLOAD_BYTES];
        [(8, 1_000_u64), (16, 5_000), (24, 1_000)].iter().for_each(|&(at, v)| put(&mut f0, at, &v.to_le_bytes()));
        [(32, 16_u32), (36, 3), (40, 24)].iter().for_each(|&(at, value)| put(&mut f0, at, &value.to_le_bytes()));
        (0..1_024_u32).for_each(|i| put(&mut f0, AT_BOUNDARY + 4 * i as usize, &(i % 256).to_le_bytes()));
        let constraints = [5_000, 16, 24, 1_000, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7_i32];
        (0..16).for_each(|i| put(&mut f0, AT_CONSTRAINTS + 4 * i, &constraints[i].to_le_bytes()));
        let known = [
            ([0; PAYLOAD_BYTES], 0xe4f5_62fd_0d77_0a67, 0x2324_3b70_1c49_6fe2),
            (one, 0x2f00_5b23_9670_ff6e, 0x0757_ed1d_1987_288c),
            (f0, 0x9687_eaf5_c343_71bc, 0xceb4_b547_9a49_1339),
        ];
        known.map(|(mut payload, state, whole)| {
            put(&mut payload, AT_STATE_HASH, &u64::to_le_bytes(state));
            (payload, state, whole)
        })
    }

    // decisions:CLU-17, rse:V10: both hashes of the vectors the seed accepted.
    #[test]
    fn both_hashes_are_the_seeds() {
        for (payload, state, whole) in vectors() {
            assert_eq!(state_hash(&payload), state);
            assert_eq!(payload_hash(&payload), whole);
            assert!(is_whole(&payload));
            let mut damaged = payload;
            damaged[AT_BOUNDARY + 32] ^= 1;
            assert!(!is_whole(&damaged));
        }
    }
}
