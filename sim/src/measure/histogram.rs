//! Values in order, for percentiles: exact, since a run has few of them.

/// Measured values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<u64>);

impl Values {
    /// Takes one.
    pub fn add(&mut self, value: u64) {
        self.0.push(value);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The least value that `permille` of all do not exceed; `None` without values.
    #[must_use]
    pub fn at_permille(&self, permille: u64) -> Option<u64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as u64 * permille.min(1_000)).div_ceil(1_000).max(1);
        sorted.get(rank as usize - 1).copied()
    }

    /// The middle one.
    #[must_use]
    pub fn p50(&self) -> Option<u64> {
        self.at_permille(500)
    }

    /// The 99th percentile.
    #[must_use]
    pub fn p99(&self) -> Option<u64> {
        self.at_permille(990)
    }

    /// The greatest.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.at_permille(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let mut values = Values::default();
        assert_eq!(values.p50(), None);
        (1..=200).rev().for_each(|value| values.add(value));
        assert_eq!((values.p50(), values.p99(), values.max()), (Some(100), Some(198), Some(200)));
        let mut one = Values::default();
        one.add(7);
        assert_eq!((one.p50(), one.p99()), (Some(7), Some(7)));
    }
}
