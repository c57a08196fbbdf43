//! Hooks for measurements: the same bytes sealed by the endpoint and by the bare AEAD. No clock here; the caller times the calls.

use crate::aead::{Aead, Algorithm, KEY_BYTES, NONCE_BYTES, RingAead, SessionKeys};
use crate::config::Config;
use crate::endpoint::{Endpoint, KeptFor, PeerInfo};
use crate::error::SendError;
use crate::frame::{BINDING_BYTES, HEADER_BYTES_MAX, Kind};
use crate::out::Out;
use crate::projection::SEGMENT_HEADER_BYTES;

/// A sending endpoint and what is needed to compare it with the bare AEAD.
#[derive(Debug)]
pub struct Sealing {
    end: Endpoint<RingAead>,
    raw: RingAead,
    out: Out,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    count: u64,
}

impl Sealing {
    /// For content of `bytes` bytes over paths of `mtu_bytes`.
    ///
    /// # Panics
    /// The path is outside 576 to 9216 bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: usize, mtu_bytes: usize) -> Self {
        let config = Config { projection_interval_ns: 0, mtu_bytes, ..Config::new(1, 1, 11) };
        let mut end = Endpoint::new(config).expect("defaults and a path in range");
        let key = |byte| RingAead::new(algorithm, &[byte; KEY_BYTES]);
        // Many sessions: finding one is part of the work.
        for id in 2..33_u32 {
            let keys = SessionKeys { send: key(id as u8), receive: key(100 + id as u8) };
            let peer = PeerInfo {
                id,
                boot_id: 12,
                epoch: 1,
                wire_version: 2,
                address: Some(([127, 0, 0, 1], 7_000).into()),
                kept_for: KeptFor::BRAID,
            };
            end.install(0, peer, keys).expect("fresh keys for a new peer");
        }
        let bytes: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        Self { end, raw: key(200), out: Out::new(), scratch: bytes.clone(), bytes, count: 0 }
    }

    /// Seals one projection as the link does; returns the bytes that would be sent.
    ///
    /// # Errors
    /// The projection does not fit the path.
    pub fn projection(&mut self) -> Result<usize, SendError> {
        self.count += 1;
        let Self { end, out, bytes, count, .. } = self;
        end.seal_projection(*count, 17, 0, 1, *count, bytes, out)?;
        Ok(self.out.bytes().len())
    }

    /// Seals one message as the link does.
    ///
    /// # Errors
    /// The message does not fit one datagram.
    pub fn message(&mut self) -> Result<usize, SendError> {
        self.count += 1;
        self.end.seal(self.count, 17, Kind::Ekk, &self.bytes, &mut self.out)?;
        Ok(self.out.bytes().len())
    }

    /// Seals what the datagrams of [`Sealing::projection`] hold, with the same associated data and nothing but the AEAD: the least that
    /// this many authenticated datagrams can cost.
    pub fn raw_alike(&mut self, pieces: usize) -> usize {
        let mut sealed = 0;
        let piece = self.bytes.len().div_ceil(pieces.max(1)).max(1);
        for from in self.bytes.chunks(piece) {
            self.count += 1;
            let to = &mut self.out.bytes[..from.len() + SEGMENT_HEADER_BYTES];
            to[SEGMENT_HEADER_BYTES..].copy_from_slice(from);
            let mut nonce = [0; NONCE_BYTES];
            nonce[..8].copy_from_slice(&self.count.to_le_bytes());
            sealed += to.len() + self.raw.seal(&nonce, &[7; HEADER_BYTES_MAX + BINDING_BYTES], to).len();
        }
        sealed
    }

    /// Seals the same bytes with nothing but the AEAD, copied once to where they are sealed, in `pieces` equal pieces.
    pub fn raw(&mut self, pieces: usize) -> usize {
        let mut sealed = 0;
        let piece = self.bytes.len().div_ceil(pieces.max(1)).max(1);
        for (from, to) in self.bytes.chunks(piece).zip(self.scratch.chunks_mut(piece)) {
            self.count += 1;
            to.copy_from_slice(from);
            let mut nonce = [0; NONCE_BYTES];
            nonce[..8].copy_from_slice(&self.count.to_le_bytes());
            sealed += to.len() + self.raw.seal(&nonce, &[], to).len();
        }
        sealed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use super::Sealing;
    use crate::aead::Algorithm;

    #[test]
    fn both_sides_of_the_comparison_seal_the_same_bytes() {
        let mut sealing = Sealing::new(Algorithm::Aes128Gcm, 4_232, 1_500);
        assert_eq!(sealing.raw(3), 4_232 + 3 * 16);
        assert_eq!(sealing.raw_alike(3), 4_232 + 3 * (16 + 20));
        assert_eq!(sealing.projection().unwrap(), 4_232 + 3 * (16 + 24 + 20));
        let mut sealing = Sealing::new(Algorithm::ChaCha20Poly1305, 64, 1_500);
        assert_eq!(sealing.message().unwrap(), 64 + 40);
    }
}
