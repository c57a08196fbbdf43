//! Which rules apply, and the times derived from one period (`decisions:CLU-10`).

use crate::time::Span;

/// Two rule sets of the same code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The rules of the seed, for conformance vectors only; no operator can choose them.
    Seed,
    /// All corrections applied.
    #[default]
    Product,
}

/// Named periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    /// 10 ms, for pinned cores on one rack.
    Fast,
    /// 100 ms.
    #[default]
    Lan,
    /// 1 s.
    Wan,
}

impl Preset {
    /// The heartbeat period of the preset.
    pub const fn period(self) -> Span {
        match self {
            Preset::Fast => Span::from_ms(10),
            Preset::Lan => Span::from_ms(100),
            Preset::Wan => Span::from_ms(1_000),
        }
    }
}

/// The period is zero, or so long that a multiple of it leaves the range of time (`ekk:D-17`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPeriod(pub Span);

impl core::fmt::Display for BadPeriod {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "period of {} is outside {}..={}", self.0, Timing::PERIOD_MIN, Timing::PERIOD_MAX)
    }
}

impl core::error::Error for BadPeriod {}

/// All times of a node; every one a multiple of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Between two heartbeats on one watch link.
    pub period: Span,
    /// Time to decide a ballot: 20 periods.
    pub ballot: Span,
    /// A ballot once cancelled stays cancelled: 40 periods.
    pub inhibition: Span,
    /// Time constant of field decay: 10 periods.
    pub tau: Span,
    /// A statement of silence can be refuted: 2 periods.
    pub refutation: Span,
    /// A gap between two ticks beyond this is a stall of our own: 2 periods.
    pub stall: Span,
    /// Between two field messages: 2 periods.
    pub field: Span,
    /// Announcements of ourselves: 100 periods.
    pub discovery: Span,
    /// A neighbour is kept at least this long unless it dies: 50 periods.
    pub residence: Span,
    /// An entry that never came alive is dropped after this: 50 periods.
    pub probation: Span,
}

impl Timing {
    /// The shortest period.
    pub const PERIOD_MIN: Span = Span::from_us(100);
    /// The longest period.
    pub const PERIOD_MAX: Span = Span::from_s(3_600);

    /// All times from the period; refuses a period outside [`Timing::PERIOD_MIN`]..=[`Timing::PERIOD_MAX`].
    pub const fn new(period: Span) -> Result<Timing, BadPeriod> {
        if period.0 < Timing::PERIOD_MIN.0 || period.0 > Timing::PERIOD_MAX.0 {
            return Err(BadPeriod(period));
        }
        Ok(Timing::derive(period))
    }

    /// All times of a preset.
    pub const fn preset(preset: Preset) -> Timing {
        Timing::derive(preset.period())
    }

    const fn derive(period: Span) -> Timing {
        Timing {
            period,
            ballot: period.times(20),
            inhibition: period.times(40),
            tau: period.times(10),
            refutation: period.times(2),
            stall: period.times(2),
            field: period.times(2),
            discovery: period.times(100),
            residence: period.times(50),
            probation: period.times(50),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// decisions:CLU-10: every time is a multiple of the period; ekk:D-17: periods that disable detection are refused.
    #[test]
    fn times_are_multiples_of_the_period() {
        for (preset, ms) in [(Preset::Fast, 10), (Preset::Lan, 100), (Preset::Wan, 1_000)] {
            let timing = Timing::preset(preset);
            assert_eq!(timing.period, Span::from_ms(ms));
            let multiples = [timing.ballot, timing.inhibition, timing.tau, timing.refutation];
            assert_eq!(multiples, [20, 40, 10, 2].map(|count| timing.period.times(count)));
            assert_eq!(Timing::new(timing.period), Ok(timing));
        }
        assert_eq!(Timing::new(Span::ZERO), Err(BadPeriod(Span::ZERO)));
        assert_eq!(Timing::new(Span::from_s(3_601)), Err(BadPeriod(Span::from_s(3_601))));
    }
}
