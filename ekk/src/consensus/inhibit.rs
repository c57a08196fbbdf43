//! Keys that stay cancelled for a while, so that a late proposal does not open them again.

use super::ballot::BallotKey;
use crate::time::Time;

/// Keys kept at once; the oldest gives way (`ekk` section 6).
pub const INHIBITIONS_MAX: usize = 4;

/// The inhibited keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inhibitions {
    keys: [(BallotKey, Time); INHIBITIONS_MAX],
    /// Keys that gave way before their time.
    pub(super) evicted: u32,
}

impl Inhibitions {
    /// Keeps `key` until `until`; a repetition refreshes.
    pub(super) fn record(&mut self, key: BallotKey, until: Time, now: Time) {
        let same = self.keys.iter().position(|(known, _)| *known == key);
        let free = || self.keys.iter().position(|(_, until)| *until <= now);
        let at = match same.or_else(free) {
            Some(at) => at,
            None => {
                self.evicted = self.evicted.saturating_add(1);
                let oldest = self.keys.iter().enumerate().min_by_key(|(_, (_, until))| *until);
                oldest.map_or(0, |(at, _)| at)
            }
        };
        self.keys[at] = (key, until);
    }

    /// Active while its time is still to come.
    pub(super) fn holds(&self, key: BallotKey, now: Time) -> bool {
        self.keys.iter().any(|(known, until)| *known == key && *until > now)
    }
}
