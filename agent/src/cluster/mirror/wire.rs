//! What nodes of one braid send each other as commands: greetings and messages between tori.

use torus::MAX_TORI;
use torus::message::RECORD_BYTES;

/// Stream of commands that mirrors use.
pub const STREAM: u8 = 0;
/// Messages in one command.
pub const MESSAGES_MAX: usize = 15;
/// Bytes of the longest command.
pub const BYTES_MAX: usize = HEAD + MESSAGES_MAX * RECORD_BYTES;

const GREETING: u8 = 1;
const MESSAGES: u8 = 2;
const HEAD: usize = 16;
const GREETING_HEAD: usize = 24;
const TORUS_BYTES: usize = 16;

const _: () = assert!(BYTES_MAX <= 1_024 && GREETING_HEAD + MAX_TORI * TORUS_BYTES <= BYTES_MAX);

/// A torus and the boot id it has at home.
pub type Told = (u8, u64);

/// A command that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// Epochs and tori of the sender.
    Greeting {
        /// Tori of its braid.
        tori: u8,
        /// Its epoch.
        own: u64,
        /// Ours as it heard it.
        echo: u64,
        /// Its tori: number u8, 7 zero bytes, boot u64 each.
        told: &'a [u8],
    },
    /// Messages of one of its tori for one of ours.
    Messages {
        /// From which.
        from: u8,
        /// To which.
        to: u8,
        /// Within which pairing.
        pair: u64,
        /// Records of [`RECORD_BYTES`] each.
        records: &'a [u8],
    },
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl<'a> Command<'a> {
    /// Reads a command; total: `None` for whatever no node sends (`rse:M7`).
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        match *bytes.first()? {
            GREETING => {
                let (tori, count) = (*bytes.get(1)?, usize::from(*bytes.get(2)?));
                let told = bytes.get(GREETING_HEAD..)?;
                let fits = told.len() == count * TORUS_BYTES && count <= MAX_TORI && usize::from(tori) <= MAX_TORI;
                let (own, echo) = (u64_at(bytes, 8)?, u64_at(bytes, 16)?);
                fits.then_some(Self::Greeting { tori, own, echo, told })
            }
            MESSAGES => {
                let (from, to, count) = (*bytes.get(1)?, *bytes.get(2)?, usize::from(*bytes.get(3)?));
                let records = bytes.get(HEAD..)?;
                let fits = records.len() == count * RECORD_BYTES && (1..=MESSAGES_MAX).contains(&count);
                let tori = usize::from(from) < MAX_TORI && usize::from(to) < MAX_TORI;
                (fits && tori).then_some(Self::Messages { from, to, pair: u64_at(bytes, 8)?, records })
            }
            _ => None,
        }
    }
}

/// The tori of a greeting.
pub fn told(bytes: &[u8]) -> impl Iterator<Item = Told> + '_ {
    bytes.chunks_exact(TORUS_BYTES).filter_map(|torus| Some((torus[0], u64_at(torus, 8)?)))
}

/// Writes a greeting; its length.
pub fn put_greeting(tori: u8, (own, echo): (u64, u64), told: &[Told], out: &mut [u8; BYTES_MAX]) -> usize {
    let told = &told[..told.len().min(MAX_TORI)];
    out.fill(0);
    (out[0], out[1], out[2]) = (GREETING, tori, told.len() as u8);
    out[8..16].copy_from_slice(&own.to_le_bytes());
    out[16..24].copy_from_slice(&echo.to_le_bytes());
    for (place, (torus, boot)) in out[GREETING_HEAD..].chunks_exact_mut(TORUS_BYTES).zip(told) {
        place[0] = *torus;
        place[8..].copy_from_slice(&boot.to_le_bytes());
    }
    GREETING_HEAD + told.len() * TORUS_BYTES
}

/// Writes the head of a command of messages.
pub fn put_messages_head(from: u8, to: u8, count: usize, pair: u64, out: &mut [u8; BYTES_MAX]) -> usize {
    out[..HEAD].fill(0);
    (out[0], out[1], out[2], out[3]) = (MESSAGES, from, to, count as u8);
    out[8..16].copy_from_slice(&pair.to_le_bytes());
    HEAD + count * RECORD_BYTES
}

/// Where record `at` of a command of messages lies.
pub fn record_place(at: usize, out: &mut [u8; BYTES_MAX]) -> &mut [u8] {
    &mut out[HEAD + at * RECORD_BYTES..HEAD + (at + 1) * RECORD_BYTES]
}

/// Fuzz entry: any bytes are a command or are not.
pub fn fuzz_mirror_command(bytes: &[u8]) {
    if let Some(Command::Greeting { tori, own, echo, told: bytes }) = Command::parse(bytes) {
        let tori_told: Vec<Told> = told(bytes).collect();
        let mut out = [0; BYTES_MAX];
        let length = put_greeting(tori, (own, echo), &tori_told, &mut out);
        assert!(Command::parse(&out[..length]).is_some(), "what was read can be written and read again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn greetings_survive(own: u64, echo: u64, tori in 0..=16u8, all in prop::collection::vec((0..16u8, any::<u64>()), 0..=16)) {
            let mut out = [0xEE; BYTES_MAX];
            let length = put_greeting(tori, (own, echo), &all, &mut out);
            let Some(Command::Greeting { tori: t, own: o, echo: e, told: bytes }) = Command::parse(&out[..length]) else {
                return Err(TestCaseError::fail("it parses"));
            };
            prop_assert_eq!((t, o, e), (tori, own, echo));
            prop_assert_eq!(told(bytes).collect::<Vec<_>>(), all);
            prop_assert!(Command::parse(&out[..length - 1]).is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..1100), kind in 0..4u8) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            fuzz_mirror_command(&bytes);
        }
    }

    #[test]
    fn messages_are_counted_and_named() {
        let mut out = [0; BYTES_MAX];
        record_place(1, &mut out).fill(7);
        let length = put_messages_head(2, 0, 2, 0x55, &mut out);
        let Some(Command::Messages { from, to, pair, records }) = Command::parse(&out[..length]) else {
            panic!("parses")
        };
        assert_eq!((from, to, pair, records.len()), (2, 0, 0x55, 128));
        assert!(records[..64].iter().all(|byte| *byte == 0) && records[64..].iter().all(|byte| *byte == 7));
        assert_eq!(Command::parse(&out[..length - 1]), None);
        out[1] = 16;
        assert_eq!(Command::parse(&out[..length]), None, "no such torus");
    }
}
