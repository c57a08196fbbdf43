//! Why a datagram was dropped, and how often.

/// Why a received datagram had no effect. In the order of the checks: the cheap ones come first, and everything up to
/// [`DropReason::Stale`] is found before a single byte is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Fewer bytes than a frame has.
    TooShort,
    /// More bytes than a frame may have.
    TooLong,
    /// A wire version outside the range this node speaks.
    Version,
    /// A kind this wire version does not know.
    Kind,
    /// Sent in another cluster.
    Cluster,
    /// This node's own id as the sender.
    Own,
    /// No session with the sender (`rse:U2`).
    UnknownSender,
    /// Sealed for another boot of this node or by another boot of the peer.
    Boot,
    /// Sealed under a key that is not, or no longer, accepted.
    Epoch,
    /// A sequence number that was taken before.
    Replayed,
    /// A sequence number older than the replay window.
    Stale,
    /// The tag does not fit.
    Forged,
    /// Authentic, but its content is not what its kind prescribes: a fault of the peer.
    Malformed,
    /// Authentic projection of an edge outside the configured range.
    Edge,
    /// Authentic projection that is older than one already taken.
    Older,
    /// Authentic segment without a free place.
    NoRoom,
    /// Authentic command outside the window, or of an earlier stream.
    Window,
    /// Authentic acknowledgement or pong of nothing that is open.
    Unasked,
}

impl DropReason {
    /// All reasons, in order.
    pub const ALL: [Self; 18] = [
        Self::TooShort,
        Self::TooLong,
        Self::Version,
        Self::Kind,
        Self::Cluster,
        Self::Own,
        Self::UnknownSender,
        Self::Boot,
        Self::Epoch,
        Self::Replayed,
        Self::Stale,
        Self::Forged,
        Self::Malformed,
        Self::Edge,
        Self::Older,
        Self::NoRoom,
        Self::Window,
        Self::Unasked,
    ];

    /// The reason in a word or two, as shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too short",
            Self::TooLong => "too long",
            Self::Version => "wire version",
            Self::Kind => "kind",
            Self::Cluster => "other cluster",
            Self::Own => "own id",
            Self::UnknownSender => "unknown sender",
            Self::Boot => "other boot",
            Self::Epoch => "key epoch",
            Self::Replayed => "replayed",
            Self::Stale => "too old",
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Edge => "unknown edge",
            Self::Older => "older projection",
            Self::NoRoom => "no room",
            Self::Window => "outside the window",
            Self::Unasked => "unasked",
        }
    }

    /// True when the datagram was refused without proof of who sent it: it changed nothing but a count.
    #[must_use]
    pub fn is_unproven(self) -> bool {
        self <= Self::Forged
    }
}

/// A count for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Drops for this reason.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// All drops.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Reasons and counts in order, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn note(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }
}
