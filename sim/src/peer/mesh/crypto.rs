//! Signatures of a `mesh` run: a keyed 64-bit hash in the place of Ed25519, with the same lengths and the same rules about who is
//! known. It costs nanoseconds and nobody but a scenario's forger would know a key (`decisions:CLU-15`).

use std::hash::Hasher;

use ekk::hash::{Digest, mix};
use ekk::id::NodeId;
use ekk::membership::record::MemberRecord;
use ekk::sign::{Crypto, Signature, Verdict};

/// Cluster of every run.
pub const CLUSTER_ID: u64 = 0x7472_6566;
const AUTHORITY: u64 = u64::MAX;

/// Keys of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys(pub u64);

impl Keys {
    const fn of(self, holder: u64) -> u64 {
        mix(self.0 ^ mix(holder))
    }

    fn tag(self, holder: u64, message: &[u8]) -> Signature {
        let mut digest = Digest::new(self.of(holder));
        digest.write(message);
        let first = digest.finish();
        let mut bytes = [0; 64];
        for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&mix(first ^ at as u64).to_le_bytes());
        }
        Signature(bytes)
    }

    /// The public key of a node; who holds the run's keys can check with it.
    fn public(self, id: NodeId) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&mix(self.of(u64::from(id.get()))).to_le_bytes());
        key
    }

    /// Completes a record: public key, card and the member's own signature.
    pub fn certify(self, record: &mut MemberRecord) {
        let id = record.identity.id;
        record.public_key = self.public(id);
        record.card_ends_unix_s = u64::from(u32::MAX);
        record.ca_id = 1;
        record.card = self.tag(AUTHORITY, &record.card_bytes(CLUSTER_ID));
        record.signature = self.tag(u64::from(id.get()), &record.signed_bytes());
    }
}

/// Signs for one node and checks for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    keys: Keys,
    me: NodeId,
    /// Nodes whose card was checked; `None` = all, after a warm start.
    known: Option<Vec<u64>>,
}

impl Signer {
    /// A signer for `me` that knows everybody or only itself.
    #[must_use]
    pub fn new(keys: Keys, me: NodeId, nodes: u32, knows_all: bool) -> Self {
        let known = (!knows_all).then(|| vec![0; (nodes as usize + 1).div_ceil(64)]);
        let mut signer = Self { keys, me, known };
        signer.remember(me);
        signer
    }

    fn remember(&mut self, id: NodeId) {
        if let Some(word) = self.known.as_mut().and_then(|known| known.get_mut(id.get() as usize / 64)) {
            *word |= 1 << (id.get() % 64);
        }
    }

    fn knows(&self, id: NodeId) -> bool {
        let Some(known) = self.known.as_ref() else { return true };
        known.get(id.get() as usize / 64).is_some_and(|word| word >> (id.get() % 64) & 1 == 1)
    }
}

impl Crypto for Signer {
    fn sign(&mut self, message: &[u8]) -> Signature {
        self.keys.tag(u64::from(self.me.get()), message)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        if !self.knows(signer) {
            return Verdict::UnknownKey;
        }
        if self.keys.tag(u64::from(signer.get()), message) == *signature { Verdict::Good } else { Verdict::Bad }
    }

    fn admit(&mut self, record: &MemberRecord) -> Verdict {
        let id = record.identity.id;
        let card = self.keys.tag(AUTHORITY, &record.card_bytes(CLUSTER_ID));
        let own = self.keys.tag(u64::from(id.get()), &record.signed_bytes());
        if record.public_key != self.keys.public(id) || record.card != card || record.signature != own {
            return Verdict::Bad;
        }
        self.remember(id);
        Verdict::Good
    }
}

#[cfg(test)]
mod tests {
    use ekk::id::Identity;

    use super::*;

    /// Only the holder's signature over exactly this message is good, and only for whom is known.
    #[test]
    fn signatures_bind_signer_and_message() {
        let [one, two] = [1, 2].map(|raw| NodeId::new(raw).expect("a node"));
        let mut a = Signer::new(Keys(7), one, 10, true);
        let mut b = Signer::new(Keys(7), two, 10, false);
        let signature = a.sign(b"x");
        assert_eq!(b.verify(one, b"x", &signature), Verdict::UnknownKey);
        let mut record = MemberRecord::bare(Identity { id: one, boot_inc: 1, life: 0 });
        assert_eq!(b.admit(&record), Verdict::Bad);
        Keys(7).certify(&mut record);
        assert_eq!(b.admit(&record), Verdict::Good);
        assert_eq!(b.verify(one, b"x", &signature), Verdict::Good);
        assert_eq!(b.verify(one, b"y", &signature), Verdict::Bad);
        assert_eq!(a.verify(two, b"x", &signature), Verdict::Bad);
        record.identity.life = 1;
        assert_eq!(b.admit(&record), Verdict::Bad, "changed after signing");
    }
}
