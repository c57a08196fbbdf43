//! When work moves and how much (`rse:B8`, `decisions:NODE-4`, `decisions:NODE-7`), and the seed's own table for host loads.

use crate::Load;

/// Which threshold of `rse:B8` made a move; recorded with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Rule 1: more work in all.
    Total,
    /// Rule 2: more work that could go on now (runnable and pending).
    Ready,
    /// Rule 7: more ready work beyond what is suspended.
    Slack,
}

/// Whether `own` should give work to `peer`, by rules 0, 1, 2 and 7 with `tolerance` in the place of the seed's 3 (rules 3 and 4
/// weigh block and network cost, which a torus does not have), and the difference that counts. Rules 2 and 7 count no further
/// than the difference in all, so a move never makes the larger sum larger.
#[must_use]
pub fn trigger(own: &Load, peer: &Load, tolerance: u64, blocked_margin: u64) -> Option<(Cause, u64)> {
    if peer.suspended > own.suspended.saturating_add(blocked_margin) {
        return None;
    }
    let total = own.total().saturating_sub(peer.total());
    let ready = own.runnable.saturating_add(own.pending).saturating_sub(peer.runnable.saturating_add(peer.pending));
    let slack = slack(own).saturating_sub(slack(peer)).clamp(0, i128::from(u64::MAX)) as u64;
    [(Cause::Total, total), (Cause::Ready, ready), (Cause::Slack, slack)]
        .into_iter()
        .find(|&(_, difference)| difference > tolerance)
        .map(|(cause, difference)| (cause, difference.min(total)))
        .filter(|&(_, difference)| difference > tolerance)
}

fn slack(load: &Load) -> i128 {
    i128::from(load.runnable) + i128::from(load.pending) - i128::from(load.suspended)
}

/// The gain that counts among `tori` tori: min(gain, 1 / N) (`decisions:NODE-4`), parts per million.
#[must_use]
pub fn effective_gain_ppm(gain_ppm: u32, tori: u32) -> u32 {
    gain_ppm.min(500_000).min(1_000_000 / tori.max(1))
}

/// Gain x half the difference, rounded up, never more than half of it (`decisions:NODE-7`).
#[must_use]
pub fn amount(difference: u64, gain_ppm: u32) -> u64 {
    let half = u128::from(difference) * u128::from(gain_ppm);
    (half.div_ceil(2_000_000) as u64).min(difference / 2)
}

/// Gain x the difference, rounded down, never more than half of it (`decisions:AVM-16`): N - 1 givers with a gain of 1 / N each leave
/// the receiver no higher than themselves. Rounded up they could not.
#[must_use]
pub fn amount_whole(difference: u64, gain_ppm: u32) -> u64 {
    let whole = u128::from(difference) * u128::from(gain_ppm) / 1_000_000;
    (whole as u64).min(difference / 2)
}

/// Whether a gift of `count` into a difference of `difference` is safe although up to `rivals` others may be giving to the same
/// peer unseen, each at most `unseen`: what would be given into the difference from the peer to the highest load known. If so, the
/// peer ends no higher than the giver, so max - min cannot grow (`decisions:NODE-4`). The highest torus always passes.
#[must_use]
pub fn clear_of_rivals(difference: u64, count: u64, unseen: u64, rivals: u64) -> bool {
    let unseen = u128::from(unseen) * u128::from(rivals);
    u128::from(difference) >= 2 * u128::from(count) + unseen
}

/// Load of one torus in the seed's host profile (rse.md section 4.2); the source's comes from its projection, the
/// destination's is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostLoad {
    /// Ready, blocked and running tasks.
    pub active: i64,
    /// Ready tasks.
    pub ready: i64,
    /// Blocked tasks.
    pub blocked: i64,
    /// Block input/output, cycles per byte.
    pub block_cost: i64,
    /// Network input/output, cycles per byte.
    pub net_cost: i64,
}

/// Where the seed's table moves one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostMove {
    /// Nowhere.
    None,
    /// From source to destination, by the rule of that number.
    SourceToDestination(u8),
    /// From destination to source, by the rule of that number.
    DestinationToSource(u8),
}

/// The seed's table of rse.md section 6.5, word for word, first match wins, rules 5, 6 and 8 included although nothing reaches
/// them. Native tori use [`trigger`]; this is for the host profile (`decisions:NODE-7`).
#[must_use]
pub fn host_rule(source: &HostLoad, destination: &HostLoad) -> HostMove {
    let (s, d) = (source, destination);
    match () {
        () if d.blocked > s.blocked + 2 => HostMove::None,
        () if s.active > d.active + 3 => HostMove::SourceToDestination(1),
        () if s.ready > d.ready + 3 => HostMove::SourceToDestination(2),
        () if s.block_cost > d.block_cost + 6 && d.active + 1 < s.active => HostMove::SourceToDestination(3),
        () if s.net_cost > d.net_cost + 6 && d.active + 1 < s.active => HostMove::SourceToDestination(4),
        () if s.ready > d.ready + 4 => HostMove::SourceToDestination(5),
        () if s.blocked + 4 < d.blocked && d.active > 2 => HostMove::DestinationToSource(6),
        () if (s.ready - s.blocked) > (d.ready - d.blocked) + 3 => HostMove::SourceToDestination(7),
        () if s.blocked + 2 < d.blocked && d.active > 2 => HostMove::DestinationToSource(8),
        () => HostMove::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(active: i64, ready: i64, blocked: i64, block_cost: i64, net_cost: i64) -> HostLoad {
        HostLoad { active, ready, blocked, block_cost, net_cost }
    }

    /// `rse:B8`: each reachable rule fires one above its threshold and not at it.
    #[test]
    fn host_rules_at_their_thresholds_b8() {
        let d = host(2, 1, 1, 10, 10);
        let cases = [
            (host(20, 20, -2, 0, 0), HostMove::None),
            (host(6, 1, 1, 0, 0), HostMove::SourceToDestination(1)),
            (host(5, 5, 1, 0, 0), HostMove::SourceToDestination(2)),
            (host(4, 1, 1, 17, 0), HostMove::SourceToDestination(3)),
            (host(4, 1, 1, 0, 17), HostMove::SourceToDestination(4)),
            (host(3, 1, 1, 17, 17), HostMove::None),
            (host(5, 4, 0, 16, 16), HostMove::SourceToDestination(7)),
            (host(5, 3, 0, 16, 16), HostMove::None),
        ];
        for (source, expected) in cases {
            assert_eq!(host_rule(&source, &d), expected, "{source:?}");
        }
    }

    /// rse.md section 6.5: rules 5, 6 and 8 cannot be reached. Method: every small load of either side.
    #[test]
    fn three_host_rules_are_unreachable_b8() {
        let mut seen = [0_u64; 9];
        let range = |most: i64| 0..=most;
        for (sr, sb, sx, sc) in range(9).flat_map(|a| range(9).flat_map(move |b| [0, 8].map(|c| (a, b, c, c / 8)))) {
            for (dr, db, dx) in range(9).flat_map(|a| range(9).flat_map(move |b| [0, 3].map(|c| (a, b, c)))) {
                let s = host(sr + sb + sc, sr, sb, sx, 8 - sx);
                match host_rule(&s, &host(dr + db + dx, dr, db, 0, 0)) {
                    HostMove::None => seen[0] += 1,
                    HostMove::SourceToDestination(rule) | HostMove::DestinationToSource(rule) => {
                        seen[usize::from(rule)] += 1;
                    }
                }
            }
        }
        assert_eq!([seen[5], seen[6], seen[8]], [0; 3]);
        assert!([0, 1, 2, 3, 4, 7].into_iter().all(|rule| seen[rule] > 0), "{seen:?}");
    }

    /// `rse:B8` on native quantities: thresholds trigger, a peer that is itself stuck gets nothing.
    #[test]
    fn native_thresholds_b8() {
        let load = |runnable, pending, suspended| Load { runnable, pending, suspended };
        assert_eq!(trigger(&load(0, 13, 0), &load(0, 10, 0), 3, 2), None);
        assert_eq!(trigger(&load(0, 14, 0), &load(0, 10, 0), 3, 2), Some((Cause::Total, 4)));
        assert_eq!(trigger(&load(0, 100, 0), &load(0, 10, 2), 3, 2), Some((Cause::Total, 88)));
        assert_eq!(trigger(&load(0, 100, 0), &load(0, 10, 3), 3, 2), None, "rule 0");
        // More ready work here but less in all: moving would widen the sum.
        assert_eq!(trigger(&load(0, 20, 0), &load(0, 10, 2), 100, 2), None);
        assert_eq!(trigger(&load(0, 20, 0), &load(5, 3, 12), 3, 20), None);
    }

    /// `decisions:NODE-4`: effective gain.
    #[test]
    fn gain_is_limited_by_the_number_of_tori() {
        assert_eq!(effective_gain_ppm(500_000, 2), 500_000);
        assert_eq!(effective_gain_ppm(500_000, 3), 333_333);
        assert_eq!(effective_gain_ppm(100_000, 3), 100_000);
        assert_eq!(effective_gain_ppm(900_000, 1), 500_000);
        assert_eq!(effective_gain_ppm(500_000, 16), 62_500);
    }

    proptest! {
        /// `rse:B2`: a volley of N - 1 givers into one taker never lifts it above the highest giver, if the difference is at
        /// least N (the dead band the braid uses).
        #[test]
        fn a_volley_does_not_overshoot_b2(n in 2_u64..=16, beyond in 0_u64..1_000_000) {
            let difference = n + beyond;
            for amount in [amount, amount_whole] {
                let each = amount(difference, effective_gain_ppm(500_000, n as u32));
                prop_assert!(each <= difference / 2);
                prop_assert!((n - 1) * each <= difference);
                prop_assert!(clear_of_rivals(difference, each, each, n - 2));
            }
            prop_assert!(amount(difference, effective_gain_ppm(500_000, n as u32)) >= 1);
        }

        /// Never panics, whatever a hostile projection says.
        #[test]
        fn hostile_loads_are_survived(a: [u64; 3], b: [u64; 3], t: u64, m: u64) {
            let load = |l: [u64; 3]| Load { runnable: l[0], pending: l[1], suspended: l[2] };
            if let Some((_, difference)) = trigger(&load(a), &load(b), t, m) {
                prop_assert!(amount(difference, u32::MAX) <= difference / 2);
            }
        }
    }
}
