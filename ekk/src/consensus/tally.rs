//! When a ballot is decided: exact thresholds and the evaluation of section 6.

use core::fmt;

/// How many of the electorate must say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// More than half.
    MoreThanHalf,
    /// At least two thirds, exactly: 2 of 3 and 4 of 6 pass (`ekk:D-25`).
    TwoThirds,
    /// Everybody.
    All,
    /// The seed's fraction in units of 1/65536, 1..=65536; exactly half satisfies 32768.
    Q16(u32),
}

/// A threshold that is no fraction above zero and at most one (`ekk:D-21`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadThreshold(pub i32);

impl fmt::Display for BadThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threshold {} is outside 1..=65536 parts of 65536", self.0)
    }
}

impl core::error::Error for BadThreshold {}

impl Threshold {
    /// The seed's "simple".
    pub const SIMPLE: Threshold = Threshold::Q16(32_768);
    /// The seed's "super".
    pub const SUPER: Threshold = Threshold::Q16(43_908);
    /// The seed's "unanimous".
    pub const UNANIMOUS: Threshold = Threshold::Q16(65_536);

    /// A threshold as the seed carries it.
    ///
    /// # Errors
    /// [`BadThreshold`] outside 1..=65536.
    pub const fn from_q16(raw: i32) -> Result<Threshold, BadThreshold> {
        if raw >= 1 && raw <= 65_536 { Ok(Threshold::Q16(raw as u32)) } else { Err(BadThreshold(raw)) }
    }

    /// Yes votes needed of an electorate of `n`; more than `n` never happens for `n` > 0.
    #[must_use]
    pub const fn needed(self, n: u32) -> u32 {
        match self {
            Threshold::MoreThanHalf => n / 2 + 1,
            Threshold::TwoThirds => (2 * n).div_ceil(3),
            Threshold::All => n,
            Threshold::Q16(t) => (n as u64 * t as u64).div_ceil(65_536) as u32,
        }
    }

    /// As it travels: tag and parameter.
    #[must_use]
    pub const fn code(self) -> (u8, u32) {
        match self {
            Threshold::MoreThanHalf => (0, 0),
            Threshold::TwoThirds => (1, 0),
            Threshold::All => (2, 0),
            Threshold::Q16(t) => (3, t),
        }
    }

    /// From its code; `None` for what no threshold is.
    #[must_use]
    pub const fn from_code(tag: u8, parameter: u32) -> Option<Threshold> {
        match (tag, parameter) {
            (0, 0) => Some(Threshold::MoreThanHalf),
            (1, 0) => Some(Threshold::TwoThirds),
            (2, 0) => Some(Threshold::All),
            (3, 1..=65_536) => Some(Threshold::Q16(parameter)),
            _ => None,
        }
    }
}

/// Where a ballot stands by its votes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Votes that are missing can still decide either way.
    Pending,
    /// Enough said yes.
    Approved,
    /// The votes that are missing cannot make it enough any more.
    Rejected,
}

/// Where a ballot of `n` eligible voters stands, of which `cast` have voted and `yes` said yes; nothing is approved before
/// `quorum` have voted (`ekk:D-23`). An empty electorate rejects.
#[must_use]
pub const fn evaluate(n: u32, cast: u32, yes: u32, threshold: Threshold, quorum: u32) -> Standing {
    let needed = threshold.needed(n);
    if n == 0 {
        Standing::Rejected
    } else if yes >= needed {
        if cast >= quorum { Standing::Approved } else { Standing::Pending }
    } else if yes + (n - cast) < needed {
        Standing::Rejected
    } else {
        Standing::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ekk:P4`: the evaluation against the integer form of section 6, for every electorate up to 16 and thresholds over the whole
    /// range; approval and early rejection are stable under every completion, and more yes never turns approval into rejection.
    #[test]
    fn evaluation_is_the_integer_form_and_stable() {
        for n in 0_u32..=16 {
            for t in (1..=65_536).step_by(97).chain([32_767, 32_768, 32_769, 43_690, 43_691, 43_908, 65_536]) {
                for cast in 0..=n {
                    for yes in 0..=cast {
                        let form = if n == 0 {
                            Standing::Rejected
                        } else if u64::from(yes) * 65_536 >= u64::from(n) * u64::from(t) {
                            Standing::Approved
                        } else if cast == n || u64::from(yes + n - cast) * 65_536 < u64::from(n) * u64::from(t) {
                            Standing::Rejected
                        } else {
                            Standing::Pending
                        };
                        assert_eq!(evaluate(n, cast, yes, Threshold::Q16(t), 0), form, "{n} {cast} {yes} {t}");
                    }
                }
            }
            for threshold in [Threshold::MoreThanHalf, Threshold::TwoThirds, Threshold::All, Threshold::SUPER] {
                for cast in 0..n {
                    for yes in 0..=cast {
                        let now = evaluate(n, cast, yes, threshold, 0);
                        for more in [0, 1] {
                            let then = evaluate(n, cast + 1, yes + more, threshold, 0);
                            assert!(now == Standing::Pending || now == then, "{threshold:?} {n} {cast} {yes}");
                        }
                        assert!(
                            yes == 0 || now != Standing::Rejected || evaluate(n, cast, yes - 1, threshold, 0) == now
                        );
                    }
                }
            }
        }
    }

    /// Yes votes needed for 1 to 8 voters, as the seed counts them, and the exact fractions beside (`ekk:D-25`).
    #[test]
    fn thresholds_are_exact() {
        let of = |threshold: Threshold| core::array::from_fn::<u32, 8, _>(|at| threshold.needed(at as u32 + 1));
        assert_eq!(of(Threshold::SIMPLE), [1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(of(Threshold::UNANIMOUS), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(of(Threshold::MoreThanHalf), [1, 2, 2, 3, 3, 4, 4, 5]);
        assert_eq!(of(Threshold::TwoThirds), [1, 2, 2, 3, 4, 4, 5, 6]);
        assert_eq!(of(Threshold::SUPER)[2], 3, "the seed's two thirds are not two thirds");
        assert_eq!(of(Threshold::All), of(Threshold::UNANIMOUS));
        for raw in [i32::MIN, -1, 0, 65_537] {
            assert_eq!(Threshold::from_q16(raw), Err(BadThreshold(raw)));
        }
        assert_eq!(Threshold::from_q16(65_536), Ok(Threshold::UNANIMOUS));
    }

    #[test]
    fn nothing_is_approved_below_the_quorum() {
        assert_eq!(evaluate(1, 1, 1, Threshold::All, 4), Standing::Pending);
        assert_eq!(evaluate(4, 4, 3, Threshold::MoreThanHalf, 4), Standing::Approved);
        assert_eq!(evaluate(4, 3, 3, Threshold::MoreThanHalf, 4), Standing::Pending);
    }

    #[test]
    fn codes_come_back() {
        for threshold in [Threshold::MoreThanHalf, Threshold::TwoThirds, Threshold::All, Threshold::Q16(7)] {
            let (tag, parameter) = threshold.code();
            assert_eq!(Threshold::from_code(tag, parameter), Some(threshold));
        }
        for (tag, parameter) in [(0, 1), (3, 0), (3, 65_537), (4, 0)] {
            assert_eq!(Threshold::from_code(tag, parameter), None);
        }
    }
}
