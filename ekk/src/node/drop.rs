//! Why a message was dropped, and how often: nothing is dropped silently (`ekk:D-31`, section 8).

/// Why a message changed nothing. The order is the order of the counters and of the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Drop {
    /// Fewer bytes than its layout needs.
    Short,
    /// More bytes than its layout has.
    Long,
    /// A wire version that is not spoken here.
    Version,
    /// A kind that is not known here.
    UnknownKind,
    /// A value outside its range.
    BadValue,
    /// The sender in the message is not the verified sender (`ekk` section 8, identity check).
    SenderMismatch,
    /// It claims to be from this node.
    Echo,
    /// The node is not started, or has stopped.
    NotRunning,
    /// Over the inbox budget of this tick (`ekk:D-40`).
    Budget,
    /// The sender is quarantined (`ekk:D-26`).
    Quarantined,
    /// The sender is no member known here.
    Stranger,
    /// A life or a boot of the sender that is over (`decisions:CLU-7`).
    Stale,
    /// A sequence that is not newer than one seen (`ekk:D-15`).
    OldSequence,
    /// A signature that does not verify.
    BadSignature,
    /// A signer whose key is not known yet.
    UnknownKey,
    /// A table is full.
    Full,
    /// Nothing here asked for it.
    Unwanted,
    /// The sender says more than it may in this time.
    RateLimited,
    /// A rule of the group refuses it.
    Refused,
    /// The transport failed hard; the tick goes on without messages (`ekk:D-33`).
    Transport,
}

impl Drop {
    /// All reasons, in order.
    pub const ALL: [Drop; 20] = [
        Drop::Short,
        Drop::Long,
        Drop::Version,
        Drop::UnknownKind,
        Drop::BadValue,
        Drop::SenderMismatch,
        Drop::Echo,
        Drop::NotRunning,
        Drop::Budget,
        Drop::Quarantined,
        Drop::Stranger,
        Drop::Stale,
        Drop::OldSequence,
        Drop::BadSignature,
        Drop::UnknownKey,
        Drop::Full,
        Drop::Unwanted,
        Drop::RateLimited,
        Drop::Refused,
        Drop::Transport,
    ];

    /// The word shown to people and used as a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Drop::Short => "short",
            Drop::Long => "long",
            Drop::Version => "version",
            Drop::UnknownKind => "unknown-kind",
            Drop::BadValue => "bad-value",
            Drop::SenderMismatch => "sender-mismatch",
            Drop::Echo => "echo",
            Drop::NotRunning => "not-running",
            Drop::Budget => "budget",
            Drop::Quarantined => "quarantined",
            Drop::Stranger => "stranger",
            Drop::Stale => "stale",
            Drop::OldSequence => "old-sequence",
            Drop::BadSignature => "bad-signature",
            Drop::UnknownKey => "unknown-key",
            Drop::Full => "full",
            Drop::Unwanted => "unwanted",
            Drop::RateLimited => "rate-limited",
            Drop::Refused => "refused",
            Drop::Transport => "transport",
        }
    }
}

impl core::fmt::Display for Drop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Drop {}

impl From<crate::wire::v1::WireError> for Drop {
    fn from(error: crate::wire::v1::WireError) -> Self {
        use crate::wire::v1::WireError;
        match error {
            WireError::Short => Drop::Short,
            WireError::Long => Drop::Long,
            WireError::Version(_) => Drop::Version,
            WireError::Kind(_) => Drop::UnknownKind,
            WireError::Sender => Drop::SenderMismatch,
            WireError::Value(_) => Drop::BadValue,
        }
    }
}

/// How many messages were dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Drops([u32; Drop::ALL.len()]);

impl Drops {
    /// Counts one.
    pub fn count(&mut self, reason: Drop) {
        let slot = &mut self.0[reason as usize];
        *slot = slot.saturating_add(1);
    }

    /// How many for this reason.
    #[must_use]
    pub const fn of(&self, reason: Drop) -> u32 {
        self.0[reason as usize]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&n| u64::from(n)).sum()
    }
}
