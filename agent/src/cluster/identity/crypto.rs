//! [`Crypto`] for the `ekk` node: Ed25519 by ring, and the keys of the members learned from their records.

use std::collections::BTreeMap;
use std::sync::Arc;

use ekk::id::NodeId;
use ekk::membership::record::MemberRecord;
use ekk::sign::{Crypto, Signature, Verdict};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::card::is_signed_by;
use super::{Trust, unix_now_s};

/// Members whose keys are held; the directory of members holds as many.
pub const MAX_KEYS: usize = crate::cluster::directory::MAX_MEMBERS;

/// Counters of a [`MemberCrypto`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CryptoCounters {
    /// Signatures made.
    pub signed: u64,
    /// Signatures that were good.
    pub good: u64,
    /// Signatures that were not.
    pub bad: u64,
    /// Checks that had no key.
    pub unknown: u64,
    /// Records whose card was refused.
    pub cards_refused: u64,
    /// Records not admitted because [`MAX_KEYS`] are held.
    pub full: u64,
}

/// The key of a member and until when its card holds.
#[derive(Debug, Clone, Copy)]
struct Known {
    key: [u8; 32],
    ends_unix_s: u64,
    rank: u64,
}

/// Signs for this node and checks for others.
#[derive(Debug)]
pub struct MemberCrypto {
    signer: Arc<Ed25519KeyPair>,
    trust: Arc<Trust>,
    keys: BTreeMap<NodeId, Known>,
    now_unix_s: u64,
    counters: CryptoCounters,
}

impl MemberCrypto {
    pub(super) fn new(me: NodeId, signer: Arc<Ed25519KeyPair>, trust: Arc<Trust>, now_unix_s: u64) -> Self {
        let mut keys = BTreeMap::new();
        if let Ok(key) = signer.public_key().as_ref().try_into() {
            keys.insert(me, Known { key, ends_unix_s: u64::MAX, rank: 0 });
        }
        Self { signer, trust, keys, now_unix_s, counters: CryptoCounters::default() }
    }

    /// Tells the time, against which cards end, where it is later than the wall clock's.
    pub fn set_time(&mut self, now_unix_s: u64) {
        self.now_unix_s = now_unix_s;
    }

    /// The wall clock, and never less than what was told: a card that has ended does not come back when a clock is set back.
    fn now(&mut self) -> u64 {
        self.now_unix_s = unix_now_s().max(self.now_unix_s);
        self.now_unix_s
    }

    /// Drops the key of a member that is gone.
    pub fn forget(&mut self, node: NodeId) {
        self.keys.remove(&node);
    }

    /// Keys held, the own one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> CryptoCounters {
        self.counters
    }

    fn remember(&mut self, record: &MemberRecord) {
        let (id, rank) = (record.identity.id, record.identity.rank());
        let fresh = Known { key: record.public_key, ends_unix_s: record.card_ends_unix_s, rank };
        let room = self.keys.len() < MAX_KEYS;
        match self.keys.get_mut(&id) {
            // An old record that comes late must not bring back the key of before a renewal.
            Some(known) if known.rank > rank => {}
            Some(known) => *known = fresh,
            None if room => {
                self.keys.insert(id, fresh);
            }
            None => self.counters.full += 1,
        }
    }

    fn count(&mut self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Good => self.counters.good += 1,
            Verdict::Bad => self.counters.bad += 1,
            Verdict::UnknownKey => self.counters.unknown += 1,
        }
        verdict
    }
}

impl Crypto for MemberCrypto {
    fn sign(&mut self, message: &[u8]) -> Signature {
        self.counters.signed += 1;
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.signer.sign(message).as_ref());
        Signature(bytes)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        let now = self.now();
        let verdict = match self.keys.get(&signer) {
            None => Verdict::UnknownKey,
            // A key that ended or was revoked after its record was admitted counts for nothing from then on.
            Some(known) if known.ends_unix_s <= now || self.trust.revoked().has(&known.key) => Verdict::Bad,
            Some(known) if is_signed_by(&known.key, message, signature) => Verdict::Good,
            Some(_) => Verdict::Bad,
        };
        self.count(verdict)
    }

    fn admit(&mut self, record: &MemberRecord) -> Verdict {
        let parts = (record.identity.id, &record.public_key, record.card_ends_unix_s);
        let now = self.now();
        if self.trust.check_card(record.ca_id, parts, &record.card, now).is_err() {
            self.counters.cards_refused += 1;
            return self.count(Verdict::Bad);
        }
        if !is_signed_by(&record.public_key, &record.signed_bytes(), &record.signature) {
            return self.count(Verdict::Bad);
        }
        self.remember(record);
        self.count(Verdict::Good)
    }
}
