//! The replay window: which sequence numbers of one key were taken.

/// What the window says about a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not taken yet.
    Fresh,
    /// Taken before; also 0, which no sender uses.
    Replayed,
    /// Too far behind to know.
    Stale,
}

/// A ring of `WORDS * 64` bits that ends in the word of the highest number taken. Numbers up to [`Window::SPAN`]` - 1` behind the
/// highest are known exactly; advancing clears whole words, so its cost is bounded by `WORDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window<const WORDS: usize> {
    highest: u64,
    bits: [u64; WORDS],
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> Window<WORDS> {
    /// Numbers told apart: the highest and so many less one below it.
    pub const SPAN: u64 = (WORDS as u64 - 1) * 64 + 1;

    /// An empty window.
    #[must_use]
    pub const fn new() -> Self {
        assert!(WORDS >= 2, "one word cannot slide");
        Self { highest: 0, bits: [0; WORDS] }
    }

    /// Highest number taken; 0 = none.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Says whether `sequence` may be taken; changes nothing.
    #[must_use]
    pub fn check(&self, sequence: u64) -> Verdict {
        if sequence == 0 {
            return Verdict::Replayed;
        }
        if sequence > self.highest {
            return Verdict::Fresh;
        }
        if self.highest - sequence >= Self::SPAN {
            return Verdict::Stale;
        }
        let (word, bit) = Self::place(sequence);
        if self.bits[word] & bit == 0 { Verdict::Fresh } else { Verdict::Replayed }
    }

    /// Takes a number that [`Window::check`] calls fresh, once its datagram is proven. Returns by how much the highest grew.
    pub fn take(&mut self, sequence: u64) -> u64 {
        debug_assert_eq!(self.check(sequence), Verdict::Fresh);
        let grown = sequence.saturating_sub(self.highest);
        if grown > 0 {
            let words = (sequence / 64 - self.highest / 64).min(WORDS as u64);
            for step in 0..words {
                let (word, _) = Self::place(sequence - step * 64);
                self.bits[word] = 0;
            }
            self.highest = sequence;
        }
        let (word, bit) = Self::place(sequence);
        self.bits[word] |= bit;
        grown
    }

    const fn place(sequence: u64) -> (usize, u64) {
        ((sequence / 64 % WORDS as u64) as usize, 1 << (sequence % 64))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Verdict, Window};

    /// What a window must do, without a ring: remember everything.
    #[derive(Clone, Default)]
    struct Naive {
        taken: BTreeSet<u64>,
    }

    impl Naive {
        fn check(&self, sequence: u64, span: u64) -> Verdict {
            let highest = self.taken.last().copied().unwrap_or(0);
            if sequence == 0 {
                Verdict::Replayed
            } else if sequence <= highest && highest - sequence >= span {
                Verdict::Stale
            } else if self.taken.contains(&sequence) {
                Verdict::Replayed
            } else {
                Verdict::Fresh
            }
        }
    }

    fn agree<const WORDS: usize>(sequences: &[u64]) {
        let (mut window, mut naive) = (Window::<WORDS>::new(), Naive::default());
        for &sequence in sequences {
            let verdict = naive.check(sequence, Window::<WORDS>::SPAN);
            assert_eq!(window.check(sequence), verdict, "{sequence} after {:?}", naive.taken);
            if verdict == Verdict::Fresh {
                let grown = window.take(sequence);
                assert_eq!(grown, sequence.saturating_sub(naive.taken.last().copied().unwrap_or(0)));
                naive.taken.insert(sequence);
            }
            assert_eq!(window.highest(), naive.taken.last().copied().unwrap_or(0));
        }
    }

    // rse:U2, rse:U4: nothing is taken twice and nothing fresh is refused, whatever the order.
    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(
            near in prop::collection::vec(0_u64..400, 1..200),
            far in prop::collection::vec(0_u64..20_000, 1..200),
            top in prop::collection::vec(u64::MAX - 300..=u64::MAX, 1..100),
        ) {
            agree::<2>(&near);
            agree::<16>(&near);
            agree::<16>(&far);
            agree::<3>(&far);
            agree::<16>(&top);
        }
    }

    /// Every sequence of up to `left` numbers from `alphabet`.
    fn every(window: Window<2>, naive: &mut Naive, alphabet: &[u64], left: u32, seen: &mut u64) {
        *seen += 1;
        if left == 0 {
            return;
        }
        for &sequence in alphabet {
            let verdict = naive.check(sequence, Window::<2>::SPAN);
            assert_eq!(window.check(sequence), verdict, "{sequence} after {:?}", naive.taken);
            let mut next = window;
            if verdict == Verdict::Fresh {
                next.take(sequence);
                naive.taken.insert(sequence);
            }
            every(next, naive, alphabet, left - 1, seen);
            if verdict == Verdict::Fresh {
                naive.taken.remove(&sequence);
            }
        }
    }

    // rse:U2: aim: no short history confuses the window. Method: every sequence of up to five numbers out of all that lie at a
    // border of the ring: beginning, ends of words, the span, one more turn, and the largest numbers.
    #[test]
    fn every_short_history_agrees_with_a_set() {
        let alphabet = [0, 1, 2, 63, 64, 65, 66, 127, 128, 129, 191, 192, 193, u64::MAX - 64, u64::MAX];
        let mut seen = 0;
        every(Window::new(), &mut Naive::default(), &alphabet, 5, &mut seen);
        assert_eq!(seen, 1 + 15 + 225 + 3_375 + 50_625 + 759_375);
    }

    // Aim: the same, dense. Method: every history of up to seven numbers of one short range that crosses the span.
    #[test]
    fn every_dense_history_agrees_with_a_set() {
        let alphabet = [60, 61, 62, 124, 125, 126];
        let mut seen = 0;
        every(Window::new(), &mut Naive::default(), &alphabet, 7, &mut seen);
        assert_eq!(seen, (0..=7).map(|length| 6_u64.pow(length)).sum::<u64>());
    }
}
