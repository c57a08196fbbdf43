//! Bodies of the heartbeat and of the membership kinds (`membership:MB-2`, `membership:MB-4`, `membership:MB-8`).
//!
//! ```text
//! heartbeat: state u8, doubt u8 (sixteenths), flags u8, degree u8, roles u16, digest of own set u32, digest of the
//!            receiver's set as held here u32, 4 news of 15 (kind u8, identity 10, digest u32), [watch set 135 if flag 1]
//! ```
//! The sequence of the header counts heartbeats; of all other kinds it is zero unless said otherwise.

use super::{Kind, MESSAGE_BYTES_MAX, Reader, WireError, Writer};
use crate::id::{Identity, NodeId};
use crate::membership::config::NEWS_SLOTS;
use crate::membership::evidence::{Certificate, Statement, WATCH_SET_BYTES, WatchSet};
use crate::membership::record::{MemberRecord, decode_identity, encode_identity};
use crate::sign::Signature;

/// "Find a place for me in a ring": a random walk.
pub const WATCH_ASK: Kind = Kind(0x10);
/// "I hold you as a watch link": record of the sender or of a third node, and the role.
pub const WATCH_TAKE: Kind = Kind(0x11);
/// "I hold you no longer."
pub const WATCH_DROP: Kind = Kind(0x12);
/// A signed statement of silence.
pub const SILENCE: Kind = Kind(0x13);
/// "I heard it later than you."
pub const FRESH: Kind = Kind(0x14);
/// A certificate of death.
pub const CERTIFICATE: Kind = Kind(0x15);
/// A member's record: joined, returned, refuted.
pub const RECORD: Kind = Kind(0x16);
/// A signed farewell.
pub const LEFT: Kind = Kind(0x17);
/// "Give me what this news is about."
pub const ASK: Kind = Kind(0x18);
/// "You are known as": to a sender whose being is over.
pub const YOU_ARE: Kind = Kind(0x19);
/// "Nobody states silence about this node for a while", signed.
pub const MAINTENANCE: Kind = Kind(0x1a);

/// Most hops of a random walk.
pub const HOPS_MAX: u8 = 16;
/// The ring number that asks for an extra link outside the rings.
pub const RING_EXTRA: u8 = 0xff;

/// What a piece of news is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NewsKind {
    /// A member joined, returned or refuted: there is a record.
    Record = 1,
    /// A member died: there is a certificate.
    Dead = 2,
    /// A member left: there is a farewell.
    Left = 3,
    /// A member is under maintenance: there is a notice.
    Maintenance = 4,
}

impl NewsKind {
    /// Reads the number.
    ///
    /// # Errors
    /// A number that no kind has.
    pub const fn from_u8(raw: u8) -> Result<Self, WireError> {
        match raw {
            1 => Ok(NewsKind::Record),
            2 => Ok(NewsKind::Dead),
            3 => Ok(NewsKind::Left),
            4 => Ok(NewsKind::Maintenance),
            _ => Err(WireError::Value("news kind")),
        }
    }
}

/// Why a record is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// For the receiver alone: an answer, or a refutation among watchers.
    Direct = 0,
    /// A member announces itself: it joined, or returned with a higher incarnation. Pass it on.
    Joined = 1,
    /// A member that was removed lives. Pass it on.
    Undone = 2,
    /// A member's record changed: its address, say. Pass it on.
    Changed = 3,
}

impl Cause {
    /// Reads the number.
    ///
    /// # Errors
    /// A number that no cause has.
    pub const fn from_u8(raw: u8) -> Result<Self, WireError> {
        match raw {
            0 => Ok(Cause::Direct),
            1 => Ok(Cause::Joined),
            2 => Ok(Cause::Undone),
            3 => Ok(Cause::Changed),
            _ => Err(WireError::Value("record cause")),
        }
    }

    /// Whether everybody shall know.
    #[must_use]
    pub const fn is_for_all(self) -> bool {
        !matches!(self, Cause::Direct)
    }
}

/// One news slot of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct News {
    /// What it is about.
    pub kind: NewsKind,
    /// Whom it is about.
    pub identity: Identity,
    /// Digest of what can be asked for; tells two contents of one kind and identity apart.
    pub digest: u32,
}

/// The body of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// State of the sender's own machine.
    pub state: u8,
    /// The sender's doubt in itself, sixteenths: 16 = 1.0 to 128 = 8.0.
    pub doubt: u8,
    /// The sender mutes its own statements.
    pub muted: bool,
    /// Watch links the sender holds.
    pub degree: u8,
    /// Roles by which the sender holds the receiver (see `membership::link`).
    pub roles: u16,
    /// Digest of the sender's signed watch set.
    pub set_digest: u32,
    /// Digest of the receiver's watch set as the sender holds it; zero when it holds none.
    pub held_digest: u32,
    /// News, newest first.
    pub news: [Option<News>; NEWS_SLOTS],
    /// The sender's watch set, while the receiver has not got it.
    pub set: Option<WatchSet>,
}

/// Bytes of the longest body of a heartbeat.
pub const HEARTBEAT_BYTES_MAX: usize = 14 + 15 * NEWS_SLOTS + WATCH_SET_BYTES;

const FLAG_SET: u8 = 1;
const FLAG_MUTED: u8 = 2;

impl Heartbeat {
    /// Appends the body.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8(self.state)?;
        writer.u8(self.doubt)?;
        let set = if self.set.is_some() { FLAG_SET } else { 0 };
        writer.u8(set | if self.muted { FLAG_MUTED } else { 0 })?;
        writer.u8(self.degree)?;
        writer.u16(self.roles)?;
        writer.u32(self.set_digest)?;
        writer.u32(self.held_digest)?;
        for slot in &self.news {
            match slot {
                None => writer.put(&[0; 15])?,
                Some(news) => {
                    writer.u8(news.kind as u8)?;
                    encode_identity(&news.identity, writer)?;
                    writer.u32(news.digest)?;
                }
            }
        }
        self.set.as_ref().map_or(Ok(()), |set| set.encode(writer))
    }

    /// Reads the body; total on hostile bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let (state, doubt, flags, degree) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        if flags & !(FLAG_SET | FLAG_MUTED) != 0 {
            return Err(WireError::Value("heartbeat flags"));
        }
        let (roles, set_digest, held_digest) = (reader.u16()?, reader.u32()?, reader.u32()?);
        let mut news = [None; NEWS_SLOTS];
        for slot in &mut news {
            let bytes: [u8; 15] = reader.array()?;
            if bytes != [0; 15] {
                let mut item = Reader::new(&bytes);
                let kind = NewsKind::from_u8(item.u8()?)?;
                *slot = Some(News { kind, identity: decode_identity(&mut item)?, digest: item.u32()? });
            }
        }
        let set = if flags & FLAG_SET == 0 { None } else { Some(WatchSet::decode(&mut reader)?) };
        reader.done()?;
        let muted = flags & FLAG_MUTED != 0;
        Ok(Self { state, doubt, muted, degree, roles, set_digest, held_digest, news, set })
    }
}

/// "Nobody states silence about this node for a while", signed by the member at whose console it was said
/// (`decisions:CLU-19`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Whom it is about.
    pub subject: NodeId,
    /// Who says so.
    pub issuer: NodeId,
    /// Tells two notices about one subject apart; the greater one counts.
    pub number: u32,
    /// For how long, milliseconds from receipt; zero ends it.
    pub span_ms: u32,
    /// The issuer's signature.
    pub signature: Signature,
}

impl Notice {
    /// The name by which news tells of it.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        Identity { id: self.subject, boot_inc: self.number, life: 0 }
    }

    /// What the issuer signs.
    #[must_use]
    pub fn signed_bytes(&self, cluster_id: u64) -> [u8; 46] {
        let mut bytes = [0; 46];
        let mut writer = Writer::new(&mut bytes);
        // 22 + 8 + 16 bytes.
        let _ = writer
            .put(b"trefoil maintenance 1\0")
            .and_then(|()| writer.u64(cluster_id))
            .and_then(|()| self.encode_body(&mut writer));
        bytes
    }

    fn encode_body(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u32(self.subject.get())?;
        writer.u32(self.issuer.get())?;
        writer.u32(self.number)?;
        writer.u32(self.span_ms)
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.encode_body(writer)?;
        writer.put(&self.signature.0)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            subject: NodeId::new(reader.u32()?).ok_or(WireError::Value("subject"))?,
            issuer: NodeId::new(reader.u32()?).ok_or(WireError::Value("issuer"))?,
            number: reader.u32()?,
            span_ms: reader.u32()?,
            signature: Signature(reader.array()?),
        })
    }
}

/// A message of the membership, heartbeats apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)]
pub enum Message {
    /// A walk for a place in `ring`; `origin` wants it.
    WatchAsk {
        /// 0..=3, or [`RING_EXTRA`].
        ring: u8,
        /// Hops left.
        hops: u8,
        /// Who wants the place.
        origin: MemberRecord,
    },
    /// The receiver shall hold `member` in `roles`.
    WatchTake {
        /// Roles from the receiver's side.
        roles: u16,
        /// Whom to hold: the sender, or whom the sender splices in.
        member: MemberRecord,
    },
    /// The sender holds the receiver no longer.
    WatchDrop,
    /// The sender, a watcher, states silence.
    Silence(Statement),
    /// The sender heard `subject` later: `last_sequence`, `age_us` ago.
    Fresh {
        /// Who is alive.
        subject: Identity,
        /// Its heartbeat heard last.
        last_sequence: u32,
        /// Age of that heartbeat, microseconds.
        age_us: u64,
    },
    /// A removal.
    Certificate(Certificate),
    /// A member's record.
    Record {
        /// Why it is told, and to whom.
        cause: Cause,
        /// The record.
        record: MemberRecord,
    },
    /// A farewell, signed by who leaves.
    Left {
        /// Who leaves.
        identity: Identity,
        /// Its signature.
        signature: Signature,
    },
    /// Asks for what a piece of news is about.
    Ask {
        /// The kind of news.
        kind: NewsKind,
        /// Whom it is about.
        identity: Identity,
    },
    /// The receiver is known as a later being, or as one that is over.
    YouAre {
        /// The latest being known to the sender.
        known: Identity,
    },
    /// Nobody shall state silence about a node for a while.
    Maintenance(Notice),
}

impl Message {
    /// The kind that the header names.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Message::WatchAsk { .. } => WATCH_ASK,
            Message::WatchTake { .. } => WATCH_TAKE,
            Message::WatchDrop => WATCH_DROP,
            Message::Silence(_) => SILENCE,
            Message::Fresh { .. } => FRESH,
            Message::Certificate(_) => CERTIFICATE,
            Message::Record { .. } => RECORD,
            Message::Left { .. } => LEFT,
            Message::Ask { .. } => ASK,
            Message::YouAre { .. } => YOU_ARE,
            Message::Maintenance(_) => MAINTENANCE,
        }
    }

    /// Appends the body.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        match self {
            Message::WatchAsk { ring, hops, origin } => {
                writer.u8(*ring)?;
                writer.u8(*hops)?;
                origin.encode(writer)
            }
            Message::WatchTake { roles, member } => {
                writer.u16(*roles)?;
                member.encode(writer)
            }
            Message::WatchDrop => Ok(()),
            Message::Silence(statement) => statement.encode(writer),
            Message::Fresh { subject, last_sequence, age_us } => {
                encode_identity(subject, writer)?;
                writer.u32(*last_sequence)?;
                writer.u64(*age_us)
            }
            Message::Certificate(certificate) => certificate.encode(writer),
            Message::Record { cause, record } => {
                writer.u8(*cause as u8)?;
                record.encode(writer)
            }
            Message::Left { identity, signature } => {
                encode_identity(identity, writer)?;
                writer.put(&signature.0)
            }
            Message::Ask { kind, identity } => {
                writer.u8(*kind as u8)?;
                encode_identity(identity, writer)
            }
            Message::YouAre { known } => encode_identity(known, writer),
            Message::Maintenance(notice) => notice.encode(writer),
        }
    }

    /// Reads the body of `kind`; total on hostile bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(kind: Kind, mut reader: Reader<'_>) -> Result<Self, WireError> {
        let r = &mut reader;
        let message = match kind {
            WATCH_ASK => {
                let (ring, hops) = (r.u8()?, r.u8()?);
                if (ring >= 4 && ring != RING_EXTRA) || hops > HOPS_MAX {
                    return Err(WireError::Value("walk"));
                }
                Message::WatchAsk { ring, hops, origin: MemberRecord::decode(r)? }
            }
            WATCH_TAKE => Message::WatchTake { roles: r.u16()?, member: MemberRecord::decode(r)? },
            WATCH_DROP => Message::WatchDrop,
            SILENCE => Message::Silence(Statement::decode(r)?),
            FRESH => Message::Fresh { subject: decode_identity(r)?, last_sequence: r.u32()?, age_us: r.u64()? },
            CERTIFICATE => Message::Certificate(Certificate::decode(r)?),
            RECORD => Message::Record { cause: Cause::from_u8(r.u8()?)?, record: MemberRecord::decode(r)? },
            LEFT => Message::Left { identity: decode_identity(r)?, signature: Signature(r.array()?) },
            ASK => Message::Ask { kind: NewsKind::from_u8(r.u8()?)?, identity: decode_identity(r)? },
            YOU_ARE => Message::YouAre { known: decode_identity(r)? },
            MAINTENANCE => Message::Maintenance(Notice::decode(r)?),
            Kind(other) => return Err(WireError::Kind(other)),
        };
        reader.done()?;
        Ok(message)
    }
}

/// For fuzzing: the first byte is the kind, the rest a body. Decoding is total, and what decodes encodes to the same bytes.
pub fn fuzz_membership(bytes: &[u8]) {
    let Some((&kind, body)) = bytes.split_first() else { return };
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let mut writer = Writer::new(&mut buffer);
    let written = if Kind(kind) == Kind::HEARTBEAT {
        Heartbeat::decode(Reader::new(body)).map(|beat| beat.encode(&mut writer))
    } else {
        Message::decode(Kind(kind), Reader::new(body)).map(|message| message.encode(&mut writer))
    };
    if let Ok(written) = written {
        assert!(written.is_ok() && writer.done() == body, "one message has one encoding");
    }
}
