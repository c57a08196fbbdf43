//! How much of a value is left after some time.

use super::Q16;
use crate::time::Span;

/// Time constants after which a value is expired; at exactly this age it already is.
pub const LIFETIMES: u64 = 5;

/// The shape of a decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decay {
    /// `1 / (1 + x + x²/2)`, bit for bit the seed's; cut to zero at five time constants.
    Rational,
    /// `exp(-x)` to within one unit of the last place, without a cliff.
    #[default]
    Exp,
    /// `1 - x`, zero from one time constant on.
    Linear,
    /// One before one time constant, zero from then on.
    Step,
}

impl Decay {
    /// What is left after `elapsed` with time constant `tau`, from zero to one: one at zero, never growing with `elapsed`, zero for
    /// a zero `tau`.
    pub fn factor(self, elapsed: Span, tau: Span) -> Q16 {
        if tau.0 == 0 {
            return Q16::ZERO;
        }
        match self {
            Decay::Rational => rational(elapsed, tau),
            Decay::Exp => exp(scaled(elapsed, tau, 32)),
            Decay::Linear if elapsed < tau => Q16(65_536 - scaled(elapsed, tau, 16) as i32),
            Decay::Step if elapsed < tau => Q16::ONE,
            Decay::Linear | Decay::Step => Q16::ZERO,
        }
    }
}

/// A decay with a fixed time constant; the division by it is done once, ahead of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Curve {
    decay: Decay,
    tau: Span,
    /// 2^64 / tau, used by `Exp` while the error it brings is far below a unit.
    reciprocal: u64,
    /// Times below this are multiplied by the reciprocal; zero where only a division is exact enough.
    reach: u64,
}

/// Below this time constant (about a minute) the rounded reciprocal moves an exponent by less than 2^-24.
const RECIPROCAL_TAU_MAX: u64 = 1 << 36;

impl Curve {
    /// A curve of that shape and time constant.
    pub const fn new(decay: Decay, tau: Span) -> Curve {
        if matches!(decay, Decay::Exp) && tau.0 > 1 && tau.0 < RECIPROCAL_TAU_MAX {
            let reciprocal = ((1_u128 << 64) / tau.0 as u128) as u64;
            return Curve { decay, tau, reciprocal, reach: tau.0 * 16 };
        }
        Curve { decay, tau, reciprocal: 0, reach: 0 }
    }

    /// The shape.
    pub const fn decay(&self) -> Decay {
        self.decay
    }

    /// The time constant.
    pub const fn tau(&self) -> Span {
        self.tau
    }

    /// The age at which a value is expired.
    pub const fn lifetime(&self) -> Span {
        self.tau.times(LIFETIMES)
    }

    /// As [`Decay::factor`], with the curve's time constant.
    #[inline]
    pub fn factor(&self, elapsed: Span) -> Q16 {
        if elapsed.0 < self.reach {
            // Below 2^36, as the exponent is below 16.
            return exp(((u128::from(elapsed.0) * u128::from(self.reciprocal)) >> 32) as u64);
        }
        self.decay.factor(elapsed, self.tau)
    }
}

/// `elapsed / tau` with `bits` fraction bits, rounded down and saturated; `tau` is not zero.
fn scaled(elapsed: Span, tau: Span, bits: u32) -> u64 {
    let wide = (u128::from(elapsed.0) << bits) / u128::from(tau.0);
    u64::try_from(wide).unwrap_or(u64::MAX)
}

fn rational(elapsed: Span, tau: Span) -> Q16 {
    if elapsed.0 == 0 {
        return Q16::ONE;
    }
    if u128::from(elapsed.0) >= u128::from(tau.0) * u128::from(LIFETIMES) {
        return Q16::ZERO;
    }
    let x = if elapsed.0 < 1 << 48 { (elapsed.0 << 16) / tau.0 } else { scaled(elapsed, tau, 16) };
    let divisor = 65_536 + x + (((x * x) >> 16) >> 1);
    Q16(((1_u64 << 32) / divisor) as i32)
}

/// Steps of the table in one unit of the exponent, as a power of two.
const STEP_BITS: u32 = 6;
/// At an exponent of 12 less than half a unit of the last place is left.
const UNITS: usize = 12;
const STEPS: usize = UNITS << STEP_BITS;

/// `exp(-i / 64)` with 31 fraction bits.
static EXP: [u32; STEPS] = exp_table();

/// `exp(-1 / 64)` with 63 fraction bits, by its series.
const fn exp_step() -> u64 {
    let one = 1_u128 << 96;
    let (mut sum, mut term, mut n) = (one, one, 1_u128);
    while n < 16 {
        term = (term / n) >> STEP_BITS;
        sum = if n % 2 == 1 { sum - term } else { sum + term };
        n += 1;
    }
    (sum >> 33) as u64
}

const fn exp_table() -> [u32; STEPS] {
    let mut table = [0; STEPS];
    let step = exp_step() as u128;
    let mut value = 1_u128 << 63;
    let mut i = 0;
    while i < STEPS {
        table[i] = ((value + (1 << 31)) >> 32) as u32;
        value = (value * step) >> 63;
        i += 1;
    }
    table
}

/// `exp(-x)` of an exponent with 32 fraction bits, rounded to the nearest.
///
/// The rest below one table step is taken by `1 - r + r²/2`, which lies above the true curve by less than 2^-20: the end of each
/// step is therefore not below the start of the next, and the whole curve never grows.
#[inline]
fn exp(x: u64) -> Q16 {
    const REST_BITS: u32 = 32 - STEP_BITS;
    let Some(&base) = EXP.get(usize::try_from(x >> REST_BITS).unwrap_or(usize::MAX)) else { return Q16::ZERO };
    let rest = x & ((1 << REST_BITS) - 1);
    let factor = (1_u64 << 32) - rest + ((rest * rest) >> 33);
    // 31 + 32 fraction bits fit 64 exactly: the greatest product is 2^63.
    let product = u64::from(base) * factor;
    Q16(((product + (1 << 46)) >> 47) as i32)
}
