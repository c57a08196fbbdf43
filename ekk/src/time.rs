//! Instants and spans in nanoseconds; every operation saturates (`ekk:D-08`).

use core::fmt;

/// An instant on the caller's monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The start of the clock.
    pub const ZERO: Time = Time(0);
    /// An instant that never comes: a deadline that is not set.
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `us` microseconds after the start.
    pub const fn from_us(us: u64) -> Time {
        Time(us.saturating_mul(1_000))
    }

    /// The instant `ms` milliseconds after the start.
    pub const fn from_ms(ms: u64) -> Time {
        Time(ms.saturating_mul(1_000_000))
    }

    /// Whole microseconds since the start.
    pub const fn as_us(self) -> u64 {
        self.0 / 1_000
    }

    /// Time passed since `earlier`; zero when `earlier` lies ahead, so that a clock that steps back makes nobody old.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// This instant and `span` more; [`Time::NEVER`] at the end of the range.
    pub const fn after(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }

    /// This instant less `span`; [`Time::ZERO`] at the start of the range.
    pub const fn before(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest span.
    pub const MAX: Span = Span(u64::MAX);

    /// A span of `us` microseconds.
    pub const fn from_us(us: u64) -> Span {
        Span(us.saturating_mul(1_000))
    }

    /// A span of `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Span {
        Span(ms.saturating_mul(1_000_000))
    }

    /// A span of `s` seconds.
    pub const fn from_s(s: u64) -> Span {
        Span(s.saturating_mul(1_000_000_000))
    }

    /// Whole microseconds.
    pub const fn as_us(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `count` times this span.
    pub const fn times(self, count: u64) -> Span {
        Span(self.0.saturating_mul(count))
    }

    /// This span divided by `parts`; [`Span::MAX`] when `parts` is zero.
    pub const fn over(self, parts: u64) -> Span {
        match self.0.checked_div(parts) {
            Some(part) => Span(part),
            None => Span::MAX,
        }
    }

    /// The sum of two spans.
    pub const fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }

    /// This span less `other`, at least zero.
    pub const fn minus(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ns if ns < 10_000 => write!(f, "{ns} ns"),
            ns if ns < 10_000_000 => write!(f, "{} us", ns / 1_000),
            ns if ns < 10_000_000_000 => write!(f, "{} ms", ns / 1_000_000),
            ns => write!(f, "{} s", ns / 1_000_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// ekk:D-08: no sum or difference of times wraps.
    #[test]
    fn times_saturate() {
        assert_eq!(Time(5).since(Time(7)), Span::ZERO);
        assert_eq!(Time::NEVER.after(Span(1)), Time::NEVER);
        assert_eq!(Time(5).before(Span(7)), Time::ZERO);
        assert_eq!(Span::MAX.plus(Span(1)), Span::MAX);
        assert_eq!(Span(1).minus(Span(2)), Span::ZERO);
        assert_eq!(Span::from_s(u64::MAX), Span::MAX);
        assert_eq!((Span(10).over(4), Span(10).over(0), Span(10).times(3)), (Span(2), Span::MAX, Span(30)));
        assert_eq!((Time::from_ms(3).as_us(), Span::from_ms(3).as_ms()), (3_000, 3));
        assert_eq!(format!("{} {} {}", Span(7), Span::from_ms(20), Span::from_s(90)), "7 ns 20 ms 90 s");
    }
}
