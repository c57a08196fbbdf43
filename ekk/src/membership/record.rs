//! The signed record by which a member is known.

use crate::id::Identity;
use crate::sign::Signature;

/// A member as all others know it; certified by a card of the authority and signed by the member itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberRecord {
    /// Node id, incarnation and life.
    pub identity: Identity,
    /// Ed25519 public key of the member.
    pub public_key: [u8; 32],
    /// The authority's signature over the card.
    pub card: Signature,
    /// The member's own signature over everything else.
    pub signature: Signature,
}
