//! A seed node as rse-v1-region section 4 describes it ([S], defects included), advanced one memory access at a time;
//! and the two hashes of section 3.

use shm_transport::seed_v1::Verify;
use std::sync::atomic::{AtomicU64, Ordering};

const BYTES: usize = 4216;
const WORDS: usize = BYTES / 8;
/// Words copied by one step.
const CHUNK: usize = 67;

/// The hashes of projection V1.
pub struct Hashes;

impl Hashes {
    const START: u64 = 14_695_981_039_346_656_037;
    const PRIME: u64 = 1_099_511_628_211;

    fn fold(words: impl Iterator<Item = u64>) -> u64 {
        words.fold(Self::START, |hash, word| (hash ^ word).wrapping_mul(Self::PRIME))
    }

    /// By bytes, over all of it.
    pub fn payload(payload: &[u8]) -> u64 {
        Self::fold(payload.iter().map(|byte| u64::from(*byte)))
    }

    /// By words, over what section 3 names.
    pub fn state(payload: &[u8]) -> u64 {
        let u32_at = |at: usize| u64::from(u32::from_le_bytes(payload[at..at + 4].try_into().expect("4 bytes")));
        let u64_at = |at: usize| u64::from_le_bytes(payload[at..at + 8].try_into().expect("8 bytes"));
        let head = [u32_at(0), u64_at(8), u64_at(16), u64_at(24), u32_at(32), u32_at(36), u32_at(40)];
        let boundary = (0..1024).step_by(8).map(|i| u32_at(44 + 4 * i));
        let constraint = (0..16).map(|i| u32_at(4140 + 4 * i) as u32 as i32 as i64 as u64);
        Self::fold(head.into_iter().chain(boundary).chain(constraint))
    }

    /// Writes the state hash into the payload.
    pub fn seal(payload: &mut [u8; BYTES]) {
        let hash = Self::state(payload);
        payload[4208..].copy_from_slice(&hash.to_le_bytes());
    }

    /// State hash and torus id.
    pub fn is_good(ring: u8, payload: &[u8]) -> bool {
        Self::state(payload).to_le_bytes() == payload[4208..] && payload[..4] == u32::from(ring).to_le_bytes()
    }
}

impl Verify for Hashes {
    fn payload_hash(&self, payload: &[u8]) -> u64 {
        Self::payload(payload)
    }

    fn is_sound(&self, ring: u8, payload: &[u8]) -> bool {
        Self::is_good(ring, payload)
    }
}

/// The second vector of section 3 for id 1 and number 1001; others alike.
pub fn projection(id: u32, number: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(&id.to_le_bytes());
    for at in [8, 16, 24] {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    for (at, value) in [(32, 8u32), (36, 3), (40, 2)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    // The vector's number is 1001; others differ in every boundary word, so that a mixture shows.
    let shift = (number as u32).wrapping_sub(1001);
    for i in 0..1024u32 {
        let at = 44 + 4 * i as usize;
        bytes[at..at + 4].copy_from_slice(&(3 * i + 1).wrapping_add(shift).to_le_bytes());
    }
    for i in 0..16i32 {
        let at = 4140 + 4 * i as usize;
        bytes[at..at + 4].copy_from_slice(&(i - 5).to_le_bytes());
    }
    Hashes::seal(&mut bytes);
    bytes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Publish(usize),
    /// Looking at the ring of a peer.
    Look(u8),
    /// Copying it: (ring, sequence read, words copied).
    Copy(u8, u64, usize),
}

/// A seed node: one publication per boot, then polling until acked and received.
#[derive(Debug)]
pub struct SeedPeer {
    torus: u8,
    seq: u64,
    payload: Box<[u8; BYTES]>,
    at: At,
    copy: Vec<u64>,
    last_seen: [u64; 3],
    fresh_in_pass: u8,
    received: bool,
    invalid: u64,
}

impl SeedPeer {
    /// A node that boots now.
    pub fn new(torus: u8, payload: [u8; BYTES]) -> Self {
        Self::with_seq(torus, payload, 1)
    }

    /// A writer of seed order that publishes under another number than a boot's 1.
    pub fn with_seq(torus: u8, payload: [u8; BYTES], seq: u64) -> Self {
        let copy = Vec::with_capacity(WORDS);
        let (at, payload) = (At::Publish(0), Box::new(payload));
        Self { torus, seq, payload, at, copy, last_seen: [0; 3], fresh_in_pass: 0, received: false, invalid: 0 }
    }

    pub fn torus(&self) -> u8 {
        self.torus
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload[..]
    }

    pub fn is_publishing(&self) -> bool {
        matches!(self.at, At::Publish(_))
    }

    /// Copies whose state hash did not hold.
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// Acked and received: it looks no more.
    pub fn is_done(&self) -> bool {
        self.received && self.last_seen[usize::from(self.torus)] == u64::MAX
    }

    /// One memory access.
    pub fn step(&mut self, region: &[AtomicU64]) {
        let word = |index: usize| region[index].load(Ordering::SeqCst);
        self.at = match self.at {
            At::Publish(step) => self.publish(region, step),
            At::Look(3) => self.end_of_pass(region),
            At::Look(ring) if ring == self.torus => At::Look(ring + 1),
            At::Look(ring) => {
                let base = 530 * usize::from(ring);
                let (ready, seq) = (word(base + 2) >> 32 != 0, word(base));
                self.copy.clear();
                if ready && seq != self.last_seen[usize::from(ring)] {
                    At::Copy(ring, seq, 0)
                } else {
                    At::Look(ring + 1)
                }
            }
            At::Copy(ring, seq, copied) if copied < WORDS => {
                let end = (copied + CHUNK).min(WORDS);
                let base = 530 * usize::from(ring) + 3;
                self.copy.extend((copied..end).map(|i| word(base + i)));
                At::Copy(ring, seq, end)
            }
            At::Copy(ring, seq, _) => {
                let bytes: Vec<u8> = self.copy.iter().flat_map(|word| word.to_le_bytes()).collect();
                let long_enough = (word(530 * usize::from(ring) + 2) as u32) >= BYTES as u32;
                // Only the state hash is looked at; an invalid one is acked and counts as received all the same.
                let valid = long_enough && Hashes::state(&bytes).to_le_bytes() == bytes[4208..];
                self.invalid += u64::from(!valid);
                self.last_seen[usize::from(ring)] = seq;
                region[1590 + 3 * usize::from(self.torus) + usize::from(ring)].store(seq, Ordering::SeqCst);
                self.fresh_in_pass += 1;
                At::Look(ring + 1)
            }
        };
    }

    /// seq, hash, length, payload, fence, ready; ready is never cleared.
    fn publish(&mut self, region: &[AtomicU64], step: usize) -> At {
        let base = 530 * usize::from(self.torus);
        let chunks = WORDS.div_ceil(CHUNK);
        match step {
            0 => region[base].store(self.seq, Ordering::SeqCst),
            1 => region[base + 1].store(Hashes::payload(&self.payload[..]), Ordering::SeqCst),
            2 => {
                let ready = region[base + 2].load(Ordering::SeqCst) >> 32;
                region[base + 2].store(BYTES as u64 | ready << 32, Ordering::SeqCst);
            }
            step if step < 3 + chunks => {
                let from = (step - 3) * CHUNK;
                for i in from..(from + CHUNK).min(WORDS) {
                    let word = u64::from_le_bytes(self.payload[8 * i..8 * i + 8].try_into().expect("8 bytes"));
                    region[base + 3 + i].store(word, Ordering::SeqCst);
                }
            }
            _ => {
                region[base + 2].store(BYTES as u64 | 1 << 32, Ordering::SeqCst);
                return At::Look(0);
            }
        }
        At::Publish(step + 1)
    }

    /// Received: both peers fresh within one pass. Acked: both acks equal, by equality.
    fn end_of_pass(&mut self, region: &[AtomicU64]) -> At {
        self.received |= self.fresh_in_pass == 2;
        self.fresh_in_pass = 0;
        let me = usize::from(self.torus);
        let acked = (0..3)
            .filter(|reader| *reader != me)
            .all(|reader| region[1590 + 3 * reader + me].load(Ordering::SeqCst) == self.seq);
        if acked {
            // Its own entry is not used otherwise: the mark that it was acked.
            self.last_seen[me] = u64::MAX;
        }
        At::Look(0)
    }
}
