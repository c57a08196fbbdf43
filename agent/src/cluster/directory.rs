//! Who is and was a member, as this node knows it (`decisions:CLU-3`).

/// Members remembered at most; beyond it the oldest removed ones go first.
pub const MAX_MEMBERS: usize = 16_384;
