//! Sealing and opening behind a trait: AES-128-GCM and ChaCha20-Poly1305 from ring, and a keyed tag for simulations.

use std::fmt;
use std::hash::{Hash, Hasher};

use ring::aead as ring_aead;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes of key material that one direction takes; AES-128 uses the first half.
pub const KEY_BYTES: usize = 32;

/// The bytes are not what the holder of the key sealed. Nothing was learned and nothing may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tag does not fit: forged, damaged or sealed under another key")]
pub struct Forged;

/// One key of one direction.
///
/// `Hash` is for state hashes and may leave the key out.
///
/// The caller never gives the same nonce twice to [`Aead::seal`] of one value; that is what the counters of a session are for.
pub trait Aead: Hash {
    /// Seals `bytes` in place and returns the tag over `bytes` and `aad`.
    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES];

    /// Opens `bytes` = sealed bytes and their tag, in place; returns how many bytes were opened (the rest is the tag).
    ///
    /// # Errors
    /// [`Forged`]; the content of `bytes` is then undefined.
    fn open(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> Result<usize, Forged>;
}

/// Keys of a session, one for each direction.
///
/// They are moved into the session and cannot be copied: a counter that starts again must start under another key.
#[derive(Debug, Hash)]
pub struct SessionKeys<A> {
    /// What this node seals with.
    pub send: A,
    /// What the peer seals with.
    pub receive: A,
}

/// Which of ring's algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES-128-GCM, where the processor has AES instructions.
    Aes128Gcm,
    /// ChaCha20-Poly1305, where it has not.
    ChaCha20Poly1305,
}

/// AES-128-GCM or ChaCha20-Poly1305 from ring.
pub struct RingAead {
    key: ring_aead::LessSafeKey,
    algorithm: Algorithm,
}

impl RingAead {
    /// A key. Both sides must name the same algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8; KEY_BYTES]) -> Self {
        let chosen = match algorithm {
            Algorithm::Aes128Gcm => &ring_aead::AES_128_GCM,
            Algorithm::ChaCha20Poly1305 => &ring_aead::CHACHA20_POLY1305,
        };
        let bytes = &key[..chosen.key_len()];
        let key = ring_aead::UnboundKey::new(chosen, bytes).expect("the slice has the length the algorithm names");
        Self { key: ring_aead::LessSafeKey::new(key), algorithm }
    }

    /// Which algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Debug for RingAead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingAead({:?})", self.algorithm)
    }
}

impl Hash for RingAead {
    /// The algorithm only: a key has no business in a hash.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.algorithm.hash(state);
    }
}

impl Aead for RingAead {
    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = ring_aead::Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, ring_aead::Aad::from(aad), bytes)
            .expect("ring refuses only more than 64 GiB");
        let mut out = [0; TAG_BYTES];
        out.copy_from_slice(tag.as_ref());
        out
    }

    fn open(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> Result<usize, Forged> {
        let nonce = ring_aead::Nonce::assume_unique_for_key(*nonce);
        match self.key.open_in_place(nonce, ring_aead::Aad::from(aad), bytes) {
            Ok(opened) => Ok(opened.len()),
            Err(ring::error::Unspecified) => Err(Forged),
        }
    }
}

/// No secrecy and no strength: a keyed checksum of the length of a tag, for simulated networks only (`decisions:CLU-15`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plain {
    key: u64,
}

impl Plain {
    /// A key; both sides take the same for one direction.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self { key }
    }

    fn tag(self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &[u8]) -> [u8; TAG_BYTES] {
        let mut low = mix(self.key ^ 0x9e37_79b9_7f4a_7c15, nonce);
        low = mix(low, aad);
        low = mix(low ^ bytes.len() as u64, bytes);
        let high = mix(low ^ self.key.rotate_left(32), &[]);
        let mut tag = [0; TAG_BYTES];
        tag[..8].copy_from_slice(&low.to_le_bytes());
        tag[8..].copy_from_slice(&high.to_le_bytes());
        tag
    }
}

/// Eight bytes a step; each step is a bijection of the state, so one flipped bit always shows.
fn mix(mut state: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        state = step(state ^ u64::from_le_bytes(eight));
    }
    let rest = words.remainder();
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    step(state ^ u64::from_le_bytes(eight))
}

const fn step(state: u64) -> u64 {
    let state = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    state ^ (state >> 29)
}

impl Aead for Plain {
    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        self.tag(nonce, aad, bytes)
    }

    fn open(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], bytes: &mut [u8]) -> Result<usize, Forged> {
        let length = bytes.len().checked_sub(TAG_BYTES).ok_or(Forged)?;
        let (content, tag) = bytes.split_at(length);
        if self.tag(nonce, aad, content) == *tag { Ok(length) } else { Err(Forged) }
    }
}
