//! A small deterministic hash and generator: digests that fit a heartbeat, and walks that a seed repeats.

use core::hash::{Hash, Hasher};

/// Multiplier of the splitmix generator (2^64 divided by the golden ratio, odd).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads the bits of `value` over the whole word; a bijection.
pub const fn mix(value: u64) -> u64 {
    let a = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    b ^ (b >> 31)
}

/// Digest of bytes, 64 bits, the same on every machine; not a defence against forgery.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = Digest::new(bytes.len() as u64);
    hasher.write(bytes);
    hasher.finish()
}

/// A [`Hasher`] with a fixed result for a fixed sequence of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Starts from `seed`.
    pub const fn new(seed: u64) -> Digest {
        Digest(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The digest of one value.
    pub fn of<T: Hash>(value: &T) -> u64 {
        let mut digest = Digest::new(0);
        value.hash(&mut digest);
        digest.finish()
    }

    /// The digest so far.
    pub const fn value(&self) -> u64 {
        self.0
    }

    /// Takes one word in.
    pub const fn word(&mut self, word: u64) {
        self.0 = mix(self.0.wrapping_add(GOLDEN) ^ word);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            // The length keeps a short tail apart from the same tail with zeroes behind it.
            self.word(u64::from_le_bytes(word) ^ (rest.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }
}

/// A splitmix generator: the same seed gives the same walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rng(u64);

impl Rng {
    /// Starts from `seed`.
    pub const fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next word.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// The next half word.
    pub const fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number below `bound`; zero when `bound` is zero. The bias is below `bound` / 2^64.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }
}
