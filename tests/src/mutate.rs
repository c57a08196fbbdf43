//! Seeded mutations of bytes: what a fuzzer does, repeatable and without one.

/// Values that break length and index arithmetic.
const EDGES: [u64; 10] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX, 1 << 48];

/// A source of mutations; the same seed gives the same.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next number (xorshift64*).
    pub fn number(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.number() % end as u64).expect("below a usize") }
    }

    /// `bytes` with one to eight changes; some take pieces of `other`.
    #[must_use]
    pub fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut out, other);
        }
        out
    }

    fn change(&mut self, out: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(out.len());
        match self.below(8) {
            0 if !out.is_empty() => out[at] ^= 1 << self.below(8),
            1 if !out.is_empty() => out[at] = self.number().to_le_bytes()[0],
            2 => out.truncate(at),
            3 => {
                let byte = self.number().to_le_bytes()[0];
                out.insert(at, byte);
            }
            4 if !out.is_empty() => {
                let _ = out.remove(at);
            }
            5 => {
                // A field set to a value at an edge, in one of the usual widths.
                let width = 1 << self.below(4);
                let value = EDGES[self.below(EDGES.len())].to_le_bytes();
                let from = at / width * width;
                if let Some(field) = out.get_mut(from..from + width) {
                    field.copy_from_slice(&value[..width]);
                }
            }
            6 if !other.is_empty() => {
                let from = self.below(other.len());
                let length = self.below((other.len() - from).min(64)) + 1;
                out.splice(at..at, other[from..from + length].iter().copied());
            }
            _ if !out.is_empty() => {
                let length = self.below((out.len() - at).min(64)) + 1;
                let piece = out[at..at + length].to_vec();
                out.splice(at..at, piece);
            }
            _ => out.push(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_something_else() {
        let make = |seed| Mutator::new(seed).mutate(b"some bytes to change", b"others");
        assert_eq!(make(7), make(7));
        let different = (1..100).filter(|&seed| make(seed) != make(seed + 1)).count();
        assert!(different > 90, "{different}");
    }

    #[test]
    fn nothing_can_be_mutated_too() {
        for seed in 0..200 {
            let _ = Mutator::new(seed).mutate(&[], &[]);
        }
    }
}
