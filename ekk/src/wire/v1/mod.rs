//! Wire version 1: one header for all messages, then a body by kind. Little-endian, at most 1 400 bytes (`ekk:D-30`).
//!
//! ```text
//! offset size field
//!  0      1   version (1)
//!  1      1   kind
//!  2      4   node id of the sender, never 0 nor u32::MAX
//!  6      4   boot incarnation of the sender
//! 10      2   life of the sender
//! 12      4   sequence: its meaning belongs to the kind
//! 16      ..  body
//! ```
//!
//! The link authenticates a datagram and hands over the verified sender; a sender in the header that differs changes
//! nothing and is counted. Exact lengths: bytes after the body are refused as well as missing ones.

pub mod bootstrap;
pub mod bytes;
pub mod consensus;
pub mod field;
pub mod membership;

use crate::id::{Identity, NodeId};
pub use bytes::{Reader, Writer};

/// The version this module speaks.
pub const VERSION: u8 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 16;
/// Longest message, header included: one datagram at any sane MTU, the link's frame around it.
pub const MESSAGE_BYTES_MAX: usize = 1_400;

/// What a message is about. Kinds of one group form a range, so that a receiver can sort before it decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u8);

/// Who handles a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Heartbeats: taken first (`ekk:D-40`).
    Heartbeat,
    /// Watch links, silence, certificates, news.
    Membership,
    /// Fields and the leases on them.
    Field,
    /// Ballots.
    Ballot,
    /// Forming the cluster.
    Bootstrap,
}

impl Kind {
    /// The beat of a watch link.
    pub const HEARTBEAT: Kind = Kind(0x01);
    /// First kind of membership; the range ends before [`Kind::FIELD`].
    pub const MEMBERSHIP: Kind = Kind(0x10);
    /// Six components and the sender's neighbours.
    pub const FIELD: Kind = Kind(0x30);
    /// "Send me your field for a while."
    pub const SUBSCRIBE: Kind = Kind(0x31);
    /// "No longer."
    pub const UNSUBSCRIBE: Kind = Kind(0x32);
    /// "I stop": the sender is no neighbour any more.
    pub const SHUTDOWN: Kind = Kind(0x33);
    /// First kind of ballots; the range ends before [`Kind::BOOTSTRAP`].
    pub const BALLOT: Kind = Kind(0x40);
    /// First kind of the bootstrap; the range ends at 0x5f.
    pub const BOOTSTRAP: Kind = Kind(0x50);

    /// The group of a kind; `None` for a kind this version does not know.
    #[must_use]
    pub const fn group(self) -> Option<Group> {
        match self.0 {
            0x01 => Some(Group::Heartbeat),
            0x10..=0x2f => Some(Group::Membership),
            0x30..=0x33 => Some(Group::Field),
            0x40..=0x4f => Some(Group::Ballot),
            0x50..=0x5f => Some(Group::Bootstrap),
            _ => None,
        }
    }
}

/// Why bytes are no message. Nothing has changed when one of these is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireError {
    /// Fewer bytes than the layout needs.
    Short,
    /// Bytes left after the body, or more than a message may have.
    Long,
    /// A version this program does not speak.
    Version(u8),
    /// A kind this version does not have.
    Kind(u8),
    /// A sender id that nobody can have.
    Sender,
    /// A value outside its range; the name of the field.
    Value(&'static str),
}

impl core::fmt::Display for WireError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            WireError::Short => f.write_str("too short"),
            WireError::Long => f.write_str("too long"),
            WireError::Version(v) => write!(f, "version {v} is not spoken here"),
            WireError::Kind(k) => write!(f, "unknown kind {k:#04x}"),
            WireError::Sender => f.write_str("impossible sender id"),
            WireError::Value(name) => write!(f, "bad value of {name}"),
        }
    }
}

impl core::error::Error for WireError {}

/// What every message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// What it is about.
    pub kind: Kind,
    /// Who says it.
    pub sender: Identity,
    /// Its meaning belongs to the kind.
    pub sequence: u32,
}

impl Header {
    /// Reads the header; the second value reads the body.
    ///
    /// # Errors
    /// Names what is wrong with the bytes.
    pub fn decode(message: &[u8]) -> Result<(Header, Reader<'_>), WireError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(WireError::Long);
        }
        // One check of the length for all fields: this runs for every message.
        let (head, body) = message.split_first_chunk::<HEADER_BYTES>().ok_or(WireError::Short)?;
        let [version, kind, i0, i1, i2, i3, b0, b1, b2, b3, l0, l1, s0, s1, s2, s3] = *head;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let kind = Kind(kind);
        if kind.group().is_none() {
            return Err(WireError::Kind(kind.0));
        }
        let id = NodeId::new(u32::from_le_bytes([i0, i1, i2, i3])).ok_or(WireError::Sender)?;
        let boot_inc = u32::from_le_bytes([b0, b1, b2, b3]);
        let sender = Identity { id, boot_inc, life: u16::from_le_bytes([l0, l1]) };
        let sequence = u32::from_le_bytes([s0, s1, s2, s3]);
        let reader = Reader::new(body);
        Ok((Header { kind, sender, sequence }, reader))
    }

    /// Begins a message in `buffer`; append the body and take [`Writer::done`].
    ///
    /// # Errors
    /// [`WireError::Short`] when the buffer cannot hold a header.
    pub fn begin<'a>(&self, buffer: &'a mut [u8]) -> Result<Writer<'a>, WireError> {
        let mut writer = Writer::new(buffer);
        let [i0, i1, i2, i3] = self.sender.id.get().to_le_bytes();
        let [b0, b1, b2, b3] = self.sender.boot_inc.to_le_bytes();
        let [l0, l1] = self.sender.life.to_le_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        let kind = self.kind.0;
        writer.put(&[VERSION, kind, i0, i1, i2, i3, b0, b1, b2, b3, l0, l1, s0, s1, s2, s3])?;
        Ok(writer)
    }
}
