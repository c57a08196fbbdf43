//! The seed's projection, version 1: exactly 4,216 bytes, little-endian, field by field (`rse:P2`, rse.md section 4).
//!
//! | offset | bytes | field | unit |
//! | ---: | ---: | --- | --- |
//! | 0 | 4 | torus id, u32 | 0, 1, 2 |
//! | 4 | 4 | hole, zero | |
//! | 8 | 8 | timestamp, u64 | ticks |
//! | 16 | 8 | events executed, u64 | events |
//! | 24 | 8 | current time, u64 | ticks |
//! | 32 | 4 | active processes, u32 | processes |
//! | 36 | 4 | pending events, u32 | events |
//! | 40 | 4 | edges, u32 | edges |
//! | 44 | 4,096 | face x = 0, u32 x 1024, index y * 32 + z | processes |
//! | 4140 | 64 | constraint vector, i32 x 16 | see [`runtime_constraints`] |
//! | 4204 | 4 | hole, zero | |
//! | 4208 | 8 | state hash, u64 | |
//!
//! The state hash covers 624 of the 4,216 byte positions; that weakness is the format's and is reproduced on purpose. The
//! native profile covers every byte.

use crate::FACE;

/// Bytes of an encoded projection.
pub const SIZE: usize = 4_216;
/// Bytes of an encoded [`Header`].
pub const HEADER_SIZE: usize = 52;
/// Bytes of a fragment's payload in the seed's frames.
pub const FRAGMENT: u32 = 1_024;
/// Largest clock difference the seed accepts before it calls a projection inconsistent, ticks (rse.md section 6.1).
pub const CLOCK_TOLERANCE_TICKS: u64 = 10_000;

const AT_TIMESTAMP: usize = 8;
const AT_BOUNDARY: usize = 44;
const AT_CONSTRAINTS: usize = 4_140;
const AT_STATE_HASH: usize = 4_208;
const _: () = assert!(AT_CONSTRAINTS == AT_BOUNDARY + 4 * FACE);
const _: () = assert!(AT_STATE_HASH == AT_CONSTRAINTS + 4 * 16 + 4);
const _: () = assert!(SIZE == AT_STATE_HASH + 8);

const FNV_OFFSET: u64 = 14_695_981_039_346_656_037;
const FNV_PRIME: u64 = 1_099_511_628_211;

/// FNV-1a, 64 bit, byte by byte: the seed's payload hash.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, &byte| fnv_word(hash, u64::from(byte)))
}

const fn fnv_word(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FNV_PRIME)
}

/// Why bytes are not a seed projection. Nothing was changed by the attempt; the peer or the carrier is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeedRefused {
    /// Fewer bytes than a projection has.
    #[error("a seed projection has {SIZE} bytes, got {bytes}: the sender is no seed V1 peer or the carrier cut it")]
    Short {
        /// Bytes given.
        bytes: usize,
    },
    /// The state hash does not fit the fields.
    #[error(
        "state_hash at byte 4208 is {found:016x}, the fields give {expected:016x}: damaged on the way, read it again"
    )]
    StateHash {
        /// Hash found.
        found: u64,
        /// Hash of the fields.
        expected: u64,
    },
    /// A torus id the seed does not know.
    #[error("torus_id at byte 0 is {found}, a seed braid has 0, 1 and 2: the sender is misconfigured")]
    Torus {
        /// Id found.
        found: u32,
    },
}

/// A seed projection as fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedProjection {
    /// Torus id, 0..=2.
    pub torus_id: u32,
    /// Logical time at extraction, ticks.
    pub timestamp: u64,
    /// Events executed in the life of the torus.
    pub total_events: u64,
    /// Logical time, ticks; the runtime profile repeats `timestamp`.
    pub current_time: u64,
    /// Processes.
    pub active_processes: u32,
    /// Events in the queue.
    pub pending_events: u32,
    /// Edges.
    pub edge_count: u32,
    /// Processes in each cell of the face x = 0, index y * 32 + z.
    pub boundary: [u32; FACE],
    /// Sixteen values; see [`runtime_constraints`].
    pub constraints: [i32; 16],
    /// Hash of the fields above; [`SeedProjection::seal`] sets it.
    pub state_hash: u64,
}

impl Default for SeedProjection {
    /// All fields zero, not sealed.
    fn default() -> Self {
        Self {
            torus_id: 0,
            timestamp: 0,
            total_events: 0,
            current_time: 0,
            active_processes: 0,
            pending_events: 0,
            edge_count: 0,
            boundary: [0; FACE],
            constraints: [0; 16],
            state_hash: 0,
        }
    }
}

/// The constraint vector of the seed's runtime profile (rse.md section 4.2): events and time modulo 2^31 - 1, processes, edges,
/// pending events, zeros. The seed's host profile fills the same slots with other meanings; this project never emits it.
#[must_use]
pub fn runtime_constraints(events: u64, processes: u32, edges: u32, time: u64, pending: u32) -> [i32; 16] {
    let reduced = |value: u64| (value % (i32::MAX as u64)) as i32;
    let mut constraints = [0; 16];
    constraints[0] = reduced(events);
    constraints[1] = processes as i32;
    constraints[2] = edges as i32;
    constraints[3] = reduced(time);
    constraints[4] = pending as i32;
    constraints
}

impl SeedProjection {
    /// The hash of the fields by 64-bit words in the seed's order: seven scalars, every eighth face cell, the constraints
    /// sign-extended (rse.md section 4.3).
    #[must_use]
    pub fn fields_hash(&self) -> u64 {
        let scalars = [
            u64::from(self.torus_id),
            self.timestamp,
            self.total_events,
            self.current_time,
            u64::from(self.active_processes),
            u64::from(self.pending_events),
            u64::from(self.edge_count),
        ];
        let hash = scalars.into_iter().fold(FNV_OFFSET, fnv_word);
        let hash = self.boundary.iter().step_by(8).fold(hash, |hash, &cell| fnv_word(hash, u64::from(cell)));
        self.constraints.iter().fold(hash, |hash, &value| fnv_word(hash, i64::from(value) as u64))
    }

    /// Stores the hash of the fields.
    pub fn seal(&mut self) {
        self.state_hash = self.fields_hash();
    }

    /// Whether the stored hash fits the fields.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.state_hash == self.fields_hash()
    }

    /// Writes the projection field by field, both holes zero.
    pub fn encode(&self, out: &mut [u8; SIZE]) {
        out[0..4].copy_from_slice(&self.torus_id.to_le_bytes());
        out[4..AT_TIMESTAMP].fill(0);
        out[8..16].copy_from_slice(&self.timestamp.to_le_bytes());
        out[16..24].copy_from_slice(&self.total_events.to_le_bytes());
        out[24..32].copy_from_slice(&self.current_time.to_le_bytes());
        out[32..36].copy_from_slice(&self.active_processes.to_le_bytes());
        out[36..40].copy_from_slice(&self.pending_events.to_le_bytes());
        out[40..AT_BOUNDARY].copy_from_slice(&self.edge_count.to_le_bytes());
        for (place, cell) in out[AT_BOUNDARY..AT_CONSTRAINTS].chunks_exact_mut(4).zip(&self.boundary) {
            place.copy_from_slice(&cell.to_le_bytes());
        }
        for (place, value) in out[AT_CONSTRAINTS..AT_CONSTRAINTS + 64].chunks_exact_mut(4).zip(&self.constraints) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        out[AT_CONSTRAINTS + 64..AT_STATE_HASH].fill(0);
        out[AT_STATE_HASH..].copy_from_slice(&self.state_hash.to_le_bytes());
    }

    /// Reads the first [`SIZE`] bytes and checks torus id and state hash. The holes may hold anything: the seed's own check
    /// ignores them, and the payload hash of the carrier covers them.
    ///
    /// # Errors
    /// [`SeedRefused`] names what is wrong; total for any input.
    pub fn decode(bytes: &[u8]) -> Result<Self, SeedRefused> {
        let short = SeedRefused::Short { bytes: bytes.len() };
        let bytes: &[u8; SIZE] = bytes.first_chunk().ok_or(short)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let projection = Self {
            torus_id: word(0),
            timestamp: long(AT_TIMESTAMP),
            total_events: long(16),
            current_time: long(24),
            active_processes: word(32),
            pending_events: word(36),
            edge_count: word(40),
            boundary: core::array::from_fn(|i| word(AT_BOUNDARY + 4 * i)),
            constraints: core::array::from_fn(|i| word(AT_CONSTRAINTS + 4 * i) as i32),
            state_hash: long(AT_STATE_HASH),
        };
        if projection.torus_id > 2 {
            return Err(SeedRefused::Torus { found: projection.torus_id });
        }
        let expected = projection.fields_hash();
        if projection.state_hash != expected {
            return Err(SeedRefused::StateHash { found: projection.state_hash, expected });
        }
        Ok(projection)
    }

    /// What the seed's receiver does with a projection (rse.md section 6.1): verify, compare clocks, count differing face
    /// cells. It corrects nothing; the clock comparison exists only here (`decisions:NODE-1`).
    #[must_use]
    pub fn applied_by(&self, own_time: u64, own_boundary: &[u32; FACE]) -> SeedApplied {
        let differing = self.boundary.iter().zip(own_boundary).filter(|(theirs, ours)| theirs != ours).count() as u32;
        let consistent = self.verifies() && own_time.abs_diff(self.current_time) <= CLOCK_TOLERANCE_TICKS;
        SeedApplied { consistent, differing }
    }
}

/// The verdict of a seed receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedApplied {
    /// False counts as one violation.
    pub consistent: bool,
    /// Face cells that differ from the receiver's own.
    pub differing: u32,
}

/// The seed's message header, 52 bytes packed, little-endian as in rse.md section 5 (on Ethernet the same fields are
/// big-endian; that carrier is not part of this crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 1 projection, 2 ack, 3 heartbeat.
    pub kind: u16,
    /// Sender.
    pub torus_id: u32,
    /// Whose turn it is to project.
    pub phase: u32,
    /// Timestamp of the projection, ticks.
    pub timestamp: u64,
    /// Sequence of the sender, from 1.
    pub seq: u64,
    /// Bytes of the whole payload.
    pub payload_len: u32,
    /// [`fnv1a`] of the whole payload.
    pub payload_hash: u64,
    /// Which fragment this is.
    pub frag_index: u16,
    /// Fragments of the payload.
    pub frag_count: u16,
    /// Bytes of this fragment.
    pub frag_len: u32,
}

impl Header {
    /// The header of fragment `index` (0..=4) of an encoded projection.
    #[must_use]
    pub fn of_projection(projection: &SeedProjection, payload: &[u8; SIZE], seq: u64, phase: u32, index: u16) -> Self {
        let start = u32::from(index) * FRAGMENT;
        Self {
            kind: 1,
            torus_id: projection.torus_id,
            phase,
            timestamp: projection.timestamp,
            seq,
            payload_len: SIZE as u32,
            payload_hash: fnv1a(payload),
            frag_index: index,
            frag_count: (SIZE as u32).div_ceil(FRAGMENT) as u16,
            frag_len: (SIZE as u32).saturating_sub(start).min(FRAGMENT),
        }
    }

    /// The 52 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        out[0..4].copy_from_slice(b"RSEP");
        out[4..6].copy_from_slice(&1_u16.to_le_bytes());
        out[6..8].copy_from_slice(&self.kind.to_le_bytes());
        out[8..12].copy_from_slice(&self.torus_id.to_le_bytes());
        out[12..16].copy_from_slice(&self.phase.to_le_bytes());
        out[16..24].copy_from_slice(&self.timestamp.to_le_bytes());
        out[24..32].copy_from_slice(&self.seq.to_le_bytes());
        out[32..36].copy_from_slice(&self.payload_len.to_le_bytes());
        out[36..44].copy_from_slice(&self.payload_hash.to_le_bytes());
        out[44..46].copy_from_slice(&self.frag_index.to_le_bytes());
        out[46..48].copy_from_slice(&self.frag_count.to_le_bytes());
        out[48..52].copy_from_slice(&self.frag_len.to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f0() -> SeedProjection {
        let mut constraints = [0; 16];
        constraints[..5].copy_from_slice(&[5000, 16, 24, 1000, 3]);
        constraints[15] = -7;
        let mut projection = SeedProjection {
            timestamp: 1000,
            total_events: 5000,
            current_time: 1000,
            active_processes: 16,
            pending_events: 3,
            edge_count: 24,
            boundary: core::array::from_fn(|i| (i % 256) as u32),
            constraints,
            ..SeedProjection::default()
        };
        projection.seal();
        projection
    }

    fn encoded(projection: &SeedProjection) -> [u8; SIZE] {
        let mut bytes = [0xAA; SIZE];
        projection.encode(&mut bytes);
        bytes
    }

    /// Vector 9 (`rse:V9`).
    #[test]
    fn vector_9_fnv1a_by_bytes() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    /// Vector 10 (`rse:V10`), `rse:P2`: hashes of the all-zero projection and of F0; without sign extension F0 has another.
    #[test]
    fn vector_10_state_and_payload_hash_p2() {
        let mut zero = SeedProjection::default();
        zero.seal();
        assert_eq!(zero.state_hash, 0xe4f5_62fd_0d77_0a67);
        let f0 = f0();
        assert_eq!(f0.state_hash, 0x9687_eaf5_c343_71bc);
        assert_eq!(fnv1a(&encoded(&f0)), 0xceb4_b547_9a49_1339);
    }

    /// The two vectors of rse-v1-region.md section 3, the second accepted by the seed's kernel (`rse:P2`).
    #[test]
    fn region_document_vectors_p2() {
        let mut zero = SeedProjection::default();
        zero.seal();
        assert_eq!((zero.state_hash, fnv1a(&encoded(&zero))), (0xe4f5_62fd_0d77_0a67, 0x2324_3b70_1c49_6fe2));
        let mut one = SeedProjection {
            torus_id: 1,
            timestamp: 1001,
            total_events: 1001,
            current_time: 1001,
            active_processes: 8,
            pending_events: 3,
            edge_count: 2,
            boundary: core::array::from_fn(|i| 3 * i as u32 + 1),
            constraints: core::array::from_fn(|i| i as i32 - 5),
            state_hash: 0,
        };
        one.seal();
        assert_eq!((one.state_hash, fnv1a(&encoded(&one))), (0x2f00_5b23_9670_ff6e, 0x0757_ed1d_1987_288c));
    }

    /// Vector 11 (`rse:V11`).
    #[test]
    fn vector_11_header() {
        let f0 = f0();
        let header = Header::of_projection(&f0, &encoded(&f0), 1, 0, 0).encode();
        let hex: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "52534550 0100 0100 00000000 00000000 e803000000000000 0100000000000000 78100000 \
                        3913499a47b5b4ce 0000 0500 00040000";
        assert_eq!(hex, expected.replace(' ', ""));
        let last = Header::of_projection(&f0, &encoded(&f0), 1, 0, 4);
        assert_eq!((last.frag_count, last.frag_len), (5, 120));
    }

    /// Vector 12 (`rse:V12`), seed part: boundary[1] is outside the hash, boundary[8] inside.
    #[test]
    fn vector_12_tampering_with_the_seed_form() {
        let bytes = encoded(&f0());
        let mut flipped = bytes;
        flipped[AT_BOUNDARY + 4] ^= 1;
        assert!(SeedProjection::decode(&flipped).is_ok(), "the seed's hash does not see boundary[1]");
        let mut flipped = bytes;
        flipped[AT_BOUNDARY + 4 * 8] ^= 1;
        assert!(matches!(SeedProjection::decode(&flipped), Err(SeedRefused::StateHash { .. })));
    }

    /// rse.md section 4.3: exactly 624 of the 4,216 byte positions are protected, those of the hash itself included.
    #[test]
    fn detected_positions_are_those_of_the_seed() {
        let bytes = encoded(&f0());
        let detected = (0..SIZE)
            .filter(|&at| {
                let mut flipped = bytes;
                flipped[at] ^= 0x10;
                SeedProjection::decode(&flipped).is_err()
            })
            .count();
        assert_eq!(detected, 624);
    }

    /// rse.md section 6.1: 10,000 ticks apart is consistent, one more is not, and nothing else is judged.
    #[test]
    fn the_seed_receiver_compares_clocks() {
        let f0 = f0();
        let own = [0; FACE];
        assert_eq!(f0.applied_by(11_000, &own), SeedApplied { consistent: true, differing: 1020 });
        assert!(!f0.applied_by(11_001, &own).consistent);
        let broken = SeedProjection { state_hash: 1, ..f0 };
        assert!(!broken.applied_by(1000, &own).consistent);
    }

    proptest! {
        /// `rse:P2`: encode then decode gives the same fields; holes are zero whatever the buffer held.
        #[test]
        fn encoding_round_trips_p2(id in 0_u32..3, t: u64, e: u64, c: [i32; 16], b in any::<[u32; 32]>()) {
            let mut projection = SeedProjection {
                torus_id: id, timestamp: t, total_events: e, current_time: !t, constraints: c,
                boundary: core::array::from_fn(|i| b[i % 32].rotate_left(i as u32)), ..SeedProjection::default()
            };
            projection.seal();
            let bytes = encoded(&projection);
            prop_assert_eq!(&bytes[4..8], &[0; 4]);
            prop_assert_eq!(&bytes[4204..4208], &[0; 4]);
            prop_assert_eq!(SeedProjection::decode(&bytes), Ok(projection));
        }

        /// Any bytes of any length are refused or read, never a panic.
        #[test]
        fn hostile_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(SeedProjection::decode(&bytes).is_err());
        }
    }
}
