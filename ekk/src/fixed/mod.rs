//! Fixed-point numbers, exact roots and decay curves. Every operation saturates; none can panic (`ekk:D-04`, `ekk:D-42`).

mod decay;
#[cfg(test)]
mod tests;

pub use decay::{Curve, Decay, LIFETIMES};

/// A signed number with 16 integer and 16 fraction bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Q16(pub i32);

/// A signed fraction with 15 fraction bits, -1 up to just below 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Q15(pub i16);

/// Brings a wide number into the range of 32 bits.
const fn sat32(wide: i64) -> i32 {
    if wide > i32::MAX as i64 {
        i32::MAX
    } else if wide < i32::MIN as i64 {
        i32::MIN
    } else {
        wide as i32
    }
}

impl Q16 {
    /// Zero.
    pub const ZERO: Q16 = Q16(0);
    /// One.
    pub const ONE: Q16 = Q16(65_536);
    /// The greatest number, just below 32 768.
    pub const MAX: Q16 = Q16(i32::MAX);
    /// The least number, -32 768.
    pub const MIN: Q16 = Q16(i32::MIN);

    /// A whole number, saturated.
    pub const fn from_int(whole: i32) -> Q16 {
        Q16(sat32((whole as i64) << 16))
    }

    /// The quotient `numerator / denominator`, truncated and saturated; see [`Q16::div`] for a zero denominator.
    pub const fn ratio(numerator: i64, denominator: i64) -> Q16 {
        if denominator == 0 {
            return if numerator >= 0 { Q16::MAX } else { Q16::MIN };
        }
        let wide = numerator as i128 * 65_536 / denominator as i128;
        if wide > i32::MAX as i128 {
            Q16::MAX
        } else if wide < i32::MIN as i128 {
            Q16::MIN
        } else {
            Q16(wide as i32)
        }
    }

    /// The sum, saturated.
    #[must_use]
    pub const fn add(self, other: Q16) -> Q16 {
        Q16(self.0.saturating_add(other.0))
    }

    /// The difference, saturated.
    #[must_use]
    pub const fn sub(self, other: Q16) -> Q16 {
        Q16(self.0.saturating_sub(other.0))
    }

    /// The product, rounded toward minus infinity and saturated.
    #[must_use]
    pub const fn mul(self, other: Q16) -> Q16 {
        Q16(sat32((self.0 as i64 * other.0 as i64) >> 16))
    }

    /// The quotient, truncated and saturated; a zero divisor gives the extreme with the sign of the dividend.
    #[must_use]
    pub const fn div(self, other: Q16) -> Q16 {
        if other.0 == 0 {
            return if self.0 >= 0 { Q16::MAX } else { Q16::MIN };
        }
        Q16(sat32(((self.0 as i64) << 16) / other.0 as i64))
    }

    /// The magnitude; that of [`Q16::MIN`] is [`Q16::MAX`].
    #[must_use]
    pub const fn abs(self) -> Q16 {
        Q16(self.0.saturating_abs())
    }

    /// The way from `self` at `t` = 0 to `other` at `t` = 1; `t` outside that range is clamped. Equal ends give that value.
    #[must_use]
    pub const fn lerp(self, other: Q16, t: Q16) -> Q16 {
        if t.0 <= 0 {
            return self;
        }
        if t.0 >= Q16::ONE.0 {
            return other;
        }
        Q16(sat32(self.0 as i64 + (((other.0 as i64 - self.0 as i64) * t.0 as i64) >> 16)))
    }

    /// The square root, rounded down, exact over the whole range; zero for negative numbers.
    #[must_use]
    pub const fn sqrt(self) -> Q16 {
        if self.0 <= 0 {
            return Q16::ZERO;
        }
        // The root of 47 bits has 24.
        Q16(((self.0 as u64) << 16).isqrt() as i32)
    }

    /// This number kept within `low..=high`; `low` wins when the two are crossed.
    #[must_use]
    pub const fn within(self, low: Q16, high: Q16) -> Q16 {
        if self.0 < low.0 || high.0 < low.0 {
            low
        } else if self.0 > high.0 {
            high
        } else {
            self
        }
    }
}

impl core::fmt::Display for Q16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let magnitude = u64::from(self.0.unsigned_abs());
        let thousandths = (magnitude * 1_000) >> 16;
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    }
}

impl Q15 {
    /// Just below one.
    pub const MAX: Q15 = Q15(i16::MAX);
    /// Minus one.
    pub const MIN: Q15 = Q15(i16::MIN);

    const fn sat(wide: i32) -> Q15 {
        if wide > i16::MAX as i32 {
            Q15::MAX
        } else if wide < i16::MIN as i32 {
            Q15::MIN
        } else {
            Q15(wide as i16)
        }
    }

    /// The nearest fraction at or below `number`, saturated.
    pub const fn from_q16(number: Q16) -> Q15 {
        Q15::sat(number.0 >> 1)
    }

    /// The same number with more room.
    pub const fn to_q16(self) -> Q16 {
        Q16((self.0 as i32) << 1)
    }

    /// The product, rounded toward minus infinity; minus one squared is just below one.
    #[must_use]
    pub const fn mul(self, other: Q15) -> Q15 {
        Q15::sat((self.0 as i32 * other.0 as i32) >> 15)
    }

    /// The sum, saturated.
    #[must_use]
    pub const fn add(self, other: Q15) -> Q15 {
        Q15(self.0.saturating_add(other.0))
    }

    /// The difference, saturated.
    #[must_use]
    pub const fn sub(self, other: Q15) -> Q15 {
        Q15(self.0.saturating_sub(other.0))
    }
}
