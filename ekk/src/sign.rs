//! Signatures behind a trait: the core says what is signed, the caller knows how (`decisions:CLU-6`).

use core::fmt;

use crate::id::NodeId;
use crate::membership::record::MemberRecord;

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// A signature that nobody made; place holder before signing.
    pub const EMPTY: Signature = Signature([0; 64]);
}

impl Default for Signature {
    fn default() -> Self {
        Signature::EMPTY
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Signature({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// What a check of a signature found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The signer made it.
    Good,
    /// The signer did not make it, or the card is not from a known authority or has ended.
    Bad,
    /// The public key of the signer is not known here; its record has to be fetched first.
    UnknownKey,
}

impl Verdict {
    /// Whether the check passed.
    pub const fn is_good(self) -> bool {
        matches!(self, Verdict::Good)
    }
}

/// Signs for this node and checks for others.
pub trait Crypto {
    /// This node's signature over `message`.
    fn sign(&mut self, message: &[u8]) -> Signature;

    /// Whether `signer` made `signature` over `message`.
    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict;

    /// Checks the authority's card and the member's own signature in `record`, and remembers the public key when both are good.
    fn admit(&mut self, record: &MemberRecord) -> Verdict;
}
