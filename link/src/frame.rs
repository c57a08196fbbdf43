//! The frame: header, kinds, wire versions.

/// Wire versions a node speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Oldest.
    pub low: u8,
    /// Newest.
    pub high: u8,
}

impl Versions {
    /// All versions of this code.
    pub const ALL: Self = Self { low: 1, high: 2 };

    /// True when `version` is spoken.
    #[must_use]
    pub const fn contains(self, version: u8) -> bool {
        self.low <= version && version <= self.high
    }

    /// The newest version both speak (`decisions:CLU-19`); `None` when there is none.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.high.min(other.high);
        (newest >= self.low && newest >= other.low).then_some(newest)
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message of `ekk`.
    Ekk = 1,
    /// A segment of a projection.
    Projection = 2,
    /// A command.
    Command = 3,
    /// Acknowledgement of commands.
    Ack = 4,
    /// Question for a round-trip time.
    Ping = 5,
    /// Its answer.
    Pong = 6,
    /// A sign of life of the link.
    Heartbeat = 7,
}
