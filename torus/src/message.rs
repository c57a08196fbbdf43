//! What travels between tori in a ring: one 64-byte record.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Cell, MAX_TORI, Token};

/// Bytes of a record: one cache line.
pub const RECORD_BYTES: usize = 64;
/// First two bytes of every record.
pub const MAGIC: u16 = 0x7F05;
/// Version of the layout.
pub const VERSION: u8 = 1;

/// Kind of a record. New kinds get new numbers; an unknown one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A token handed over (`decisions:NODE-7`).
    Token = 1,
}

/// One message from torus to torus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Torus that sent it, below [`MAX_TORI`].
    pub from: u8,
    /// Boot id of the sender.
    pub boot: u64,
    /// Number of the message on its ring in this boot, from 1.
    pub seq: u64,
    /// The token.
    pub token: Token,
}

/// A record that does not hold a message; it is counted and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not one of our records, or of another version.
    #[error("record starts with {magic:#06x} version {version}, expected {MAGIC:#06x} version {VERSION}")]
    Foreign {
        /// First two bytes.
        magic: u16,
        /// Version byte.
        version: u8,
    },
    /// Unknown kind.
    #[error("record kind {kind}, expected 1 (token)")]
    Kind {
        /// What was found.
        kind: u8,
    },
    /// Sender out of range.
    #[error("record from torus {from}, expected 0 to {max}", max = MAX_TORI - 1)]
    From {
        /// What was found.
        from: u8,
    },
    /// A cell out of range.
    #[error("record names cell {cell}, expected 0 to {max}", max = crate::CELLS - 1)]
    Cell {
        /// What was found.
        cell: u32,
    },
    /// A delay of zero.
    #[error("record carries a delay of 0 ticks, expected at least 1")]
    Delay,
    /// Reserved bytes are not zero.
    #[error("record has non-zero reserved bytes")]
    Reserved,
}

/// The record, little-endian. Offsets: magic 0, version 2, kind 3, from 4, reserved 5, boot 8, seq 16, delay 24 (ticks), dst 32,
/// src 36, payload 40, reserved 48.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Record {
    magic: U16,
    version: u8,
    kind: u8,
    from: u8,
    reserved: [u8; 3],
    boot: U64,
    seq: U64,
    delay_ticks: U64,
    dst: U32,
    src: U32,
    payload: U64,
    tail: [u8; 16],
}

const _: () = assert!(size_of::<Record>() == RECORD_BYTES && align_of::<Record>() == 1);

impl Message {
    /// As a record.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let record = Record {
            magic: U16::new(MAGIC),
            version: VERSION,
            kind: self.kind as u8,
            from: self.from,
            reserved: [0; 3],
            boot: U64::new(self.boot),
            seq: U64::new(self.seq),
            delay_ticks: U64::new(self.token.delay_ticks.max(1)),
            dst: U32::new(self.token.dst.get()),
            src: U32::new(self.token.src.get()),
            payload: U64::new(self.token.payload),
            tail: [0; 16],
        };
        zerocopy::transmute!(record)
    }

    /// As eight words, the shape of a ring slot: word i holds bytes 8 i .. 8 i + 8, little-endian.
    #[must_use]
    pub fn to_words(&self) -> [u64; RECORD_BYTES / 8] {
        let words: [U64; RECORD_BYTES / 8] = zerocopy::transmute!(self.encode());
        words.map(U64::get)
    }

    /// Reads a record; total: any bytes give a message or an error (`rse:M7`).
    ///
    /// # Errors
    /// [`MessageError`] names the first field that does not fit.
    pub fn parse(bytes: &[u8; RECORD_BYTES]) -> Result<Self, MessageError> {
        let record: Record = zerocopy::transmute!(*bytes);
        if record.magic.get() != MAGIC || record.version != VERSION {
            return Err(MessageError::Foreign { magic: record.magic.get(), version: record.version });
        }
        if record.kind != Kind::Token as u8 {
            return Err(MessageError::Kind { kind: record.kind });
        }
        if usize::from(record.from) >= MAX_TORI {
            return Err(MessageError::From { from: record.from });
        }
        let cell = |number: U32| Cell::new(number.get()).ok_or(MessageError::Cell { cell: number.get() });
        let (dst, src) = (cell(record.dst)?, cell(record.src)?);
        if record.delay_ticks.get() == 0 {
            return Err(MessageError::Delay);
        }
        if record.reserved != [0; 3] || record.tail != [0; 16] {
            return Err(MessageError::Reserved);
        }
        let token = Token { delay_ticks: record.delay_ticks.get(), dst, src, payload: record.payload.get() };
        Ok(Self { kind: Kind::Token, from: record.from, boot: record.boot.get(), seq: record.seq.get(), token })
    }

    /// Reads eight words of a ring slot.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn from_words(words: &[u64; RECORD_BYTES / 8]) -> Result<Self, MessageError> {
        let words: [U64; RECORD_BYTES / 8] = words.map(U64::new);
        Self::parse(&zerocopy::transmute!(words))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        (0..16u8, any::<u64>(), any::<u64>(), 1..=u64::MAX, 0..32_768u32, 0..32_768u32, any::<u64>()).prop_map(
            |(from, boot, seq, delay_ticks, dst, src, payload)| {
                let token = Token { delay_ticks, dst: Cell::wrapped(dst), src: Cell::wrapped(src), payload };
                Message { kind: Kind::Token, from, boot, seq, token }
            },
        )
    }

    proptest! {
        #[test]
        fn a_message_survives_the_record(message in message()) {
            prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
            prop_assert_eq!(Message::from_words(&message.to_words()), Ok(message));
        }

        /// rse:M7: any bytes parse to a message or an error, and what parses encodes to the same bytes again.
        #[test]
        fn any_record_is_read_or_refused(bytes in any::<[u8; 64]>(), message in message(), at in 0..64usize, value: u8) {
            if let Ok(read) = Message::parse(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
            let mut bent = message.encode();
            bent[at] = value;
            if let Ok(read) = Message::parse(&bent) {
                prop_assert_eq!(read.encode(), bent);
            }
        }
    }

    #[test]
    fn each_field_out_of_range_is_named() {
        let token = Token { delay_ticks: 7, dst: Cell::at(1, 2, 3), src: Cell::at(3, 2, 1), payload: 9 };
        let good = Message { kind: Kind::Token, from: 2, boot: 5, seq: 6, token }.encode();
        let bent = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Message::parse(&bytes)
        };
        assert_eq!(bent(0, 0), Err(MessageError::Foreign { magic: 0x7F00, version: 1 }));
        assert_eq!(bent(3, 9), Err(MessageError::Kind { kind: 9 }));
        assert_eq!(bent(4, 16), Err(MessageError::From { from: 16 }));
        assert_eq!(bent(33, 0x80), Err(MessageError::Cell { cell: 0x8043 }));
        assert_eq!(bent(24, 0), Err(MessageError::Delay));
        assert_eq!(bent(63, 1), Err(MessageError::Reserved));
    }
}
