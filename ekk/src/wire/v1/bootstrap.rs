//! Messages of the bootstrap, kinds 0x50 to 0x54 (`bootstrap` sections 6 and 8).
//!
//! ```text
//! offset size field, after the header of 16 bytes
//!  0      1   version of the protocol
//!  1      8   cluster id
//!  9      8   digest of the founders
//! 17      8   digest of the policy
//! 25      8   epoch the sender wants to form, or has formed
//! 33      ..  by kind: Ping nothing; Ready 1 byte (1 = asks for ours); Notice epoch 8, digest 8, count 1, ids 4 each;
//!             Refusal 1 byte (1 = you are listed here); Ask nothing
//! ```

use super::{Header, Kind, Reader, WireError};
use crate::bootstrap::{Formation, Signal, Stamp};
use crate::id::{Identity, NodeId};

/// Founders a notice can name (`decisions:CLU-8`).
pub const NOTICE_IDS_MAX: usize = 64;
/// Bytes of the longest message.
pub const BOOTSTRAP_BYTES_MAX: usize = super::HEADER_BYTES + 33 + 17 + 4 * NOTICE_IDS_MAX;

const PING: Kind = Kind(Kind::BOOTSTRAP.0);
const READY: Kind = Kind(Kind::BOOTSTRAP.0 + 1);
const NOTICE: Kind = Kind(Kind::BOOTSTRAP.0 + 2);
const REFUSAL: Kind = Kind(Kind::BOOTSTRAP.0 + 3);
const ASK: Kind = Kind(Kind::BOOTSTRAP.0 + 4);

/// The founders of a formation as they travel: four bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids<'a>(&'a [u8]);

impl<'a> Ids<'a> {
    /// The ids in their order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + 'a {
        let (ids, _) = self.0.as_chunks::<4>();
        ids.iter().map(|raw| NodeId::from_raw(u32::from_le_bytes(*raw)))
    }
}

/// What a message says besides its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// "I am here and not formed."
    Ping,
    /// "My start-up is finished."
    Ready {
        /// "And I am not formed: tell me yours."
        asking: bool,
    },
    /// "We are formed."
    Notice {
        /// How.
        formation: Formation,
        /// The founders.
        founders: Ids<'a>,
    },
    /// "I do not count you": the stamp says why.
    Refusal {
        /// Whether the receiver is on the sender's list.
        listed: bool,
    },
    /// "I am no founder and want to join."
    Ask,
}

/// A message of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who says it; its incarnation is that of the stamp.
    pub sender: Identity,
    /// Counts the sender's messages; for traces.
    pub sequence: u32,
    /// Configuration, epoch and incarnation of the sender.
    pub stamp: Stamp,
    /// What it says.
    pub body: Body<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// Names what is wrong with the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Message<'a>, WireError> {
        let (header, mut reader) = Header::decode(bytes)?;
        let stamp = Stamp {
            version: reader.u8()?,
            cluster_id: reader.u64()?,
            founders: reader.u64()?,
            policy: reader.u64()?,
            epoch: reader.u64()?,
            boot_inc: header.sender.boot_inc,
        };
        let body = match header.kind {
            PING => Body::Ping,
            READY => Body::Ready { asking: flag(&mut reader, "asking")? },
            NOTICE => notice(&mut reader, stamp.cluster_id)?,
            REFUSAL => Body::Refusal { listed: flag(&mut reader, "listed")? },
            ASK => Body::Ask,
            other => return Err(WireError::Kind(other.0)),
        };
        reader.done()?;
        Ok(Message { sender: header.sender, sequence: header.sequence, stamp, body })
    }

    /// The message as a signal of the verified sender `from`.
    pub const fn signal(&self, from: NodeId) -> Signal {
        Signal { peer: from, claimed: self.sender.id, stamp: Some(self.stamp) }
    }
}

fn flag(reader: &mut Reader<'_>, name: &'static str) -> Result<bool, WireError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Value(name)),
    }
}

fn notice<'a>(reader: &mut Reader<'a>, cluster_id: u64) -> Result<Body<'a>, WireError> {
    let formation = Formation { cluster_id, epoch: reader.u64()?, digest: reader.u64()? };
    if formation.epoch == 0 {
        return Err(WireError::Value("epoch"));
    }
    let count = usize::from(reader.u8()?);
    if count > NOTICE_IDS_MAX {
        return Err(WireError::Value("founders"));
    }
    Ok(Body::Notice { formation, founders: Ids(reader.take(4 * count)?) })
}

/// What is to be written; founders are given as ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say<'a> {
    /// [`Body::Ping`].
    Ping,
    /// [`Body::Ready`].
    Ready {
        /// Asks for the receiver's.
        asking: bool,
    },
    /// [`Body::Notice`].
    Notice(Formation, &'a [NodeId]),
    /// [`Body::Refusal`].
    Refusal {
        /// The receiver is on our list.
        listed: bool,
    },
    /// [`Body::Ask`].
    Ask,
}

/// Writes a message into `buffer` and gives the part that was used.
///
/// # Errors
/// [`WireError::Long`] when the buffer is shorter than [`BOOTSTRAP_BYTES_MAX`] or more than [`NOTICE_IDS_MAX`] founders are named.
pub fn encode<'b>(
    buffer: &'b mut [u8],
    sender: Identity,
    sequence: u32,
    stamp: &Stamp,
    say: Say<'_>,
) -> Result<&'b [u8], WireError> {
    let kind = match say {
        Say::Ping => PING,
        Say::Ready { .. } => READY,
        Say::Notice(..) => NOTICE,
        Say::Refusal { .. } => REFUSAL,
        Say::Ask => ASK,
    };
    let mut writer = Header { kind, sender, sequence }.begin(buffer)?;
    writer.u8(stamp.version)?;
    writer.u64(stamp.cluster_id)?;
    writer.u64(stamp.founders)?;
    writer.u64(stamp.policy)?;
    writer.u64(stamp.epoch)?;
    match say {
        Say::Ping | Say::Ask => {}
        Say::Ready { asking: flag } | Say::Refusal { listed: flag } => writer.u8(u8::from(flag))?,
        Say::Notice(formation, founders) => {
            if founders.len() > NOTICE_IDS_MAX {
                return Err(WireError::Long);
            }
            writer.u64(formation.epoch)?;
            writer.u64(formation.digest)?;
            writer.u8(founders.len() as u8)?;
            for id in founders {
                writer.u32(id.get())?;
            }
        }
    }
    Ok(writer.done())
}

/// Fuzz entry: what decodes is written again to the same bytes.
pub fn fuzz_bootstrap(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let mut ids = [NodeId::NONE; NOTICE_IDS_MAX];
    let say = match message.body {
        Body::Ping => Say::Ping,
        Body::Ready { asking } => Say::Ready { asking },
        Body::Refusal { listed } => Say::Refusal { listed },
        Body::Ask => Say::Ask,
        Body::Notice { formation, founders } => {
            let count = founders.iter().zip(&mut ids).map(|(id, slot)| *slot = id).count();
            Say::Notice(formation, &ids[..count])
        }
    };
    let mut buffer = [0; BOOTSTRAP_BYTES_MAX];
    let again = encode(&mut buffer, message.sender, message.sequence, &message.stamp, say);
    assert_eq!(again, Ok(bytes), "a message has one form");
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { version: 1, cluster_id: 7, founders: 8, policy: 9, epoch: 2, boot_inc: 5 };

    fn sender() -> Identity {
        Identity { id: NodeId::from_raw(3), boot_inc: 5, life: 1 }
    }

    /// Each kind comes back as it was; every shorter and longer form is refused, and no flipped bit panics.
    #[test]
    fn messages_round_trip_and_damage_is_refused() {
        let formation = Formation { cluster_id: 7, epoch: 2, digest: 11 };
        let ids = [NodeId::from_raw(1), NodeId::from_raw(3)];
        let says = [
            Say::Ping,
            Say::Ask,
            Say::Ready { asking: true },
            Say::Refusal { listed: false },
            Say::Notice(formation, &ids),
        ];
        for say in says {
            let mut buffer = [0; BOOTSTRAP_BYTES_MAX + 1];
            let length = encode(&mut buffer, sender(), 4, &STAMP, say).unwrap().len();
            let message = Message::decode(&buffer[..length]).unwrap();
            assert_eq!((message.sender, message.sequence, message.stamp), (sender(), 4, STAMP));
            match (say, message.body) {
                (Say::Notice(..), Body::Notice { formation: got, founders }) => {
                    assert_eq!(got, formation);
                    assert!(founders.iter().eq(ids));
                }
                (Say::Ready { asking }, Body::Ready { asking: got }) => assert_eq!(asking, got),
                (Say::Refusal { listed }, Body::Refusal { listed: got }) => assert_eq!(listed, got),
                (say, body) => assert_eq!((say == Say::Ping, say == Say::Ask), (body == Body::Ping, body == Body::Ask)),
            }
            for cut in 0..length {
                assert!(Message::decode(&buffer[..cut]).is_err(), "{say:?} cut to {cut}");
            }
            assert_eq!(Message::decode(&buffer[..=length]), Err(WireError::Long));
            for bit in 0..length * 8 {
                buffer[bit / 8] ^= 1 << (bit % 8);
                fuzz_bootstrap(&buffer[..length]);
                buffer[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
