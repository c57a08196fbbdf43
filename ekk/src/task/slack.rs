//! Slack: how much time a task has before it must start (`ekk` section 8).

use crate::fixed::Q16;
use crate::time::{Span, Time};

/// Slack below this makes a task critical, strictly.
pub const CRITICAL: Span = Span::from_s(10);
/// Slack that reads as one in the slack component.
pub const FULL: Span = Span::from_s(100);
/// One in Q16.16.
const ONE: i128 = Q16::ONE.0 as i128;

/// deadline - (now + estimate), ns, saturated: far deadlines stay far (`ekk` section 8, slack).
#[must_use]
pub fn slack_ns(deadline: Time, now: Time, estimate: Span) -> i64 {
    let slack = i128::from(deadline.0) - i128::from(now.0) - i128::from(estimate.0);
    slack.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Whether a task with this slack goes before all that are not critical.
#[must_use]
pub const fn is_critical(slack_ns: i64) -> bool {
    slack_ns < CRITICAL.0 as i64
}

/// Slack as Q16.16 of [`FULL`], truncated toward zero and saturated.
#[must_use]
pub fn stored(slack_ns: i64) -> Q16 {
    let scaled = i128::from(slack_ns) * ONE / i128::from(FULL.0);
    Q16(scaled.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32)
}

/// The slack component of a field from the least slack of all tasks with a deadline: 0..=one, one without any.
#[must_use]
pub fn component(least_ns: Option<i64>) -> Q16 {
    least_ns.map_or(Q16::ONE, |slack| stored(slack).within(Q16::ZERO, Q16::ONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ekk:N12
    #[test]
    fn slack_follows_the_vector() {
        let far = slack_ns(Time::from_us(50_000_000), Time::from_us(5), Span::ZERO);
        assert_eq!(stored(far), Q16(32_767));
        assert!(!is_critical(far));
        let edge = slack_ns(Time::from_us(10_000_000), Time::ZERO, Span::ZERO);
        assert_eq!(stored(edge), Q16(6_553));
        assert!(!is_critical(edge));
        assert!(is_critical(slack_ns(Time::from_us(10_000_000), Time::from_us(1), Span::ZERO)));
        assert_eq!(component(None), Q16::ONE);
    }

    /// The seed overflows beyond 37.9 days and reads the last instant as overdue.
    #[test]
    fn far_deadlines_stay_far() {
        let days = Span::from_s(76 * 86_400);
        let far = slack_ns(Time::ZERO.after(days), Time::ZERO, Span::ZERO);
        assert!(stored(far) > Q16::ONE);
        let last = slack_ns(Time::NEVER, Time::ZERO, Span::ZERO);
        assert!(!is_critical(last));
        assert_eq!(component(Some(last)), Q16::ONE);
        let gone = slack_ns(Time::ZERO, Time::NEVER, Span::MAX);
        assert_eq!(gone, i64::MIN);
        assert!(is_critical(gone));
        assert_eq!(component(Some(gone)), Q16::ZERO);
    }

    proptest::proptest! {
        /// ekk:P18: the formula against wide integers; critical below 10 s; the component stays within 0..=one.
        #[test]
        fn slack_matches_wide_integers(deadline: u64, now: u64, estimate: u64) {
            let wide = i128::from(deadline) - i128::from(now) - i128::from(estimate);
            let slack = slack_ns(Time(deadline), Time(now), Span(estimate));
            proptest::prop_assert_eq!(is_critical(slack), wide < 10_000_000_000);
            let narrow = wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            let expected = (narrow * 65_536 / 100_000_000_000).clamp(i128::from(i32::MIN), i128::from(i32::MAX));
            proptest::prop_assert_eq!(i128::from(stored(slack).0), expected);
            proptest::prop_assert!((Q16::ZERO..=Q16::ONE).contains(&component(Some(slack))));
        }
    }
}
