//! Randomness from one seed. Every user draws from a stream of its own, so that one more draw here changes nothing there.

use ekk::hash::{Rng, mix};

/// Who draws. The number is part of every seed that was ever reported: append, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Loss, delay and order of packets.
    Network = 1,
    /// Phases of the nodes' ticks.
    Phase = 2,
    /// Who is hit by a fault, and when.
    Fault = 3,
    /// Watch rings and positions of a warm start.
    Layout = 4,
    /// What the nodes themselves are seeded with.
    Node = 5,
    /// What Byzantine nodes do.
    Byzantine = 6,
    /// Which sessions are lost and how long handshakes take.
    Session = 7,
    /// Load of tori.
    Work = 8,
}

/// A generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random(Rng);

impl Random {
    /// The generator of `stream` in a run with `seed`; `index` tells streams of one kind apart.
    #[must_use]
    pub const fn new(seed: u64, stream: Stream, index: u64) -> Self {
        Self(Rng::new(mix(seed ^ mix((stream as u64) << 56 ^ index))))
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True with probability `chance`; draws only when the outcome is open.
    pub fn happens(&mut self, chance: Chance) -> bool {
        match chance.0 {
            0 => false,
            Chance::ALWAYS_RAW => true,
            share => self.next() >> 32 < share,
        }
    }

    /// Brings a list into random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end as u64 + 1) as usize;
            list.swap(end, other);
        }
    }
}

/// A probability in units of 2^-32, so that no platform rounds it differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u64);

impl Chance {
    const ALWAYS_RAW: u64 = 1 << 32;
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(Self::ALWAYS_RAW);

    /// The nearest probability to `share`, which is taken as 0..=1.
    #[must_use]
    pub fn new(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * Self::ALWAYS_RAW as f64) as u64)
    }

    /// The probability as a number.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0 as f64 / Self::ALWAYS_RAW as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams differ from each other, repeat themselves, and a chance comes true as often as it says.
    #[test]
    fn streams_are_separate_and_repeat() {
        let draw = |seed, stream, index| {
            let mut random = Random::new(seed, stream, index);
            [random.next(), random.next()]
        };
        assert_eq!(draw(7, Stream::Network, 1), draw(7, Stream::Network, 1));
        assert_ne!(draw(7, Stream::Network, 1), draw(8, Stream::Network, 1));
        assert_ne!(draw(7, Stream::Network, 1), draw(7, Stream::Phase, 1));
        assert_ne!(draw(7, Stream::Network, 1), draw(7, Stream::Network, 2));
        let mut random = Random::new(1, Stream::Network, 0);
        let hits = (0..100_000).filter(|_| random.happens(Chance::new(0.1))).count();
        assert!((9_700..10_300).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| random.happens(Chance::ALWAYS) && !random.happens(Chance::NEVER)));
        let mut list: Vec<u32> = (0..50).collect();
        random.shuffle(&mut list);
        assert_ne!(list, (0..50).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
    }
}
