//! The record of an injection ring: what anybody who may write to the region can ask a torus to take in.
//!
//! Words: 0 magic and version, 1 destination (low half) and source (high half), 2 payload, 3 count, the rest zero. The torus
//! parses its copy; what does not parse is counted and dropped (`rse:M7`).

use shm_transport::region::INJECT_WORDS;
use torus::{Cell, Input};

/// "TRFINJ" and version 1.
const MAGIC: u64 = u64::from_le_bytes(*b"TRFINJ\0\x01");

/// Most equal events of one record: a batch stays bounded.
pub const MAX_COUNT: u32 = 65_536;

/// The record of an injection.
#[must_use]
pub fn encode(dst: Cell, src: Cell, payload: u64, count: u32) -> [u64; INJECT_WORDS] {
    let mut words = [0; INJECT_WORDS];
    words[..4].copy_from_slice(&[
        MAGIC,
        u64::from(dst.get()) | u64::from(src.get()) << 32,
        payload,
        u64::from(count.min(MAX_COUNT)),
    ]);
    words
}

/// Reads a record; `None` when it is none of ours or out of range.
#[must_use]
pub fn parse(words: &[u64; INJECT_WORDS]) -> Option<Input> {
    let count = u32::try_from(words[3]).ok().filter(|count| (1..=MAX_COUNT).contains(count))?;
    let known = words[0] == MAGIC && words[4..].iter().all(|word| *word == 0);
    let (dst, src) = (Cell::new(words[1] as u32)?, Cell::new((words[1] >> 32) as u32)?);
    known.then_some(Input::Inject { dst, src, payload: words[2], count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // rse:M7: any words give an input within range or nothing, and what was encoded comes back.
        #[test]
        fn a_record_survives_and_any_words_are_read_or_dropped(
            words in any::<[u64; INJECT_WORDS]>(), dst in 0..32_768u32, src in 0..32_768u32, payload: u64, count in 1..=MAX_COUNT,
        ) {
            let cell = |number| Cell::new(number).expect("in range");
            let input = Input::Inject { dst: cell(dst), src: cell(src), payload, count };
            let good = encode(cell(dst), cell(src), payload, count);
            prop_assert_eq!(parse(&good), Some(input));
            prop_assert_eq!(parse(&words), None);
            let mut bent = good;
            bent[1] ^= 1 << 20;
            prop_assert_eq!(parse(&bent), None);
            bent = good;
            bent[3] = 0;
            prop_assert_eq!(parse(&bent), None);
        }
    }
}
