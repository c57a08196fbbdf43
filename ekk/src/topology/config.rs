//! What counts as near, and how eagerly the list follows.

use super::Candidate;
use crate::id::NodeId;
use crate::profile::{Profile, Timing};
use crate::time::{Span, Time};

/// Position of a node in its caller's units.
pub type Position = [i16; 3];

/// Distances are clamped to this, so that the weight `1 / (1 + d / 256)` neither overflows nor vanishes (`ekk:D-42`).
pub const DISTANCE_MAX: u32 = (1 << 23) - 1;

/// What distance means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Difference of the ids.
    Logical,
    /// Length of the straight line between positions, rounded down.
    #[default]
    Physical,
    /// Measured round-trip time in microseconds; unmeasured candidates are farthest.
    Rtt,
    /// A number the caller supplies.
    Custom,
}

impl Metric {
    /// The metric with that number, as the seed counts them.
    pub const fn from_raw(raw: u8) -> Option<Metric> {
        Some(match raw {
            0 => Metric::Logical,
            1 => Metric::Physical,
            2 => Metric::Rtt,
            3 => Metric::Custom,
            _ => return None,
        })
    }
}

/// Distance of a candidate from `me`, 0..=[`DISTANCE_MAX`]; exact for every pair of positions (`ekk:D-04`).
pub fn distance(metric: Metric, me: (NodeId, Position), candidate: &Candidate) -> u32 {
    let wide = match metric {
        Metric::Logical => me.0.get().abs_diff(candidate.identity.id.get()),
        Metric::Physical => {
            let axis = |i: usize| u64::from(me.1[i].abs_diff(candidate.position[i])).pow(2);
            // At most 113 509.
            (axis(0) + axis(1) + axis(2)).isqrt() as u32
        }
        Metric::Rtt | Metric::Custom => candidate.reading,
    };
    wide.min(DISTANCE_MAX)
}

/// How the neighbourhood behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Neighbours wanted, 1..=`K`.
    pub k: u8,
    /// Fewer neighbours than this is degraded, 1..=`k`.
    pub min: u8,
    /// What distance means.
    pub metric: Metric,
    /// Between two announcements.
    pub discovery: Span,
    /// A neighbour stays at least this long unless it is lost; zero replaces at once.
    pub residence: Span,
    /// A challenger must be nearer by more than this.
    pub margin: u32,
    /// A candidate that never came alive is dropped after this; [`Span::MAX`] keeps it for ever.
    pub probation: Span,
    /// Candidates' ids are below this; `None` for no limit.
    pub id_limit: Option<u32>,
    /// Which rules apply.
    pub profile: Profile,
}

impl Config {
    /// The seed's defaults.
    pub const fn seed() -> Config {
        Config {
            k: 7,
            min: 3,
            metric: Metric::Logical,
            discovery: Span::from_s(1),
            residence: Span::ZERO,
            margin: 0,
            probation: Span::MAX,
            id_limit: None,
            profile: Profile::Seed,
        }
    }

    /// Defaults for those times.
    pub const fn product(timing: &Timing) -> Config {
        Config {
            k: 7,
            min: 3,
            metric: Metric::Physical,
            discovery: timing.discovery,
            residence: timing.residence,
            margin: 0,
            probation: timing.probation,
            id_limit: None,
            profile: Profile::Product,
        }
    }

    /// The seed counts its first announcement from the start of the clock; we announce at once.
    pub(super) const fn first_announce(&self) -> Option<Time> {
        match self.profile {
            Profile::Seed => Some(Time::ZERO),
            Profile::Product => None,
        }
    }

    pub(super) fn check(&self, me: NodeId, most: usize, candidates: usize) -> Result<(), ConfigError> {
        if !me.is_node() || self.id_limit.is_some_and(|limit| me.get() >= limit) {
            return Err(ConfigError::Id(me));
        }
        if self.k == 0 || usize::from(self.k) > most || most > candidates {
            return Err(ConfigError::Neighbours(self.k));
        }
        if self.min == 0 || self.min > self.k {
            return Err(ConfigError::Min(self.min));
        }
        if self.discovery == Span::ZERO {
            return Err(ConfigError::Discovery);
        }
        if self.probation == Span::ZERO {
            return Err(ConfigError::Probation);
        }
        Ok(())
    }
}

/// The configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The own id names no node, or is beyond the limit of ids.
    Id(NodeId),
    /// No neighbours wanted, or more than there is room for.
    Neighbours(u8),
    /// No least number of neighbours, or a greater one than wanted.
    Min(u8),
    /// Announcements without a pause.
    Discovery,
    /// Probation without time to come alive.
    Probation,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ConfigError::Id(id) => write!(f, "own id {id} names no node or is beyond the limit"),
            ConfigError::Neighbours(k) => write!(f, "{k} neighbours wanted: none, or more than there is room for"),
            ConfigError::Min(min) => write!(f, "least number of neighbours {min} is zero or more than wanted"),
            ConfigError::Discovery => f.write_str("time between announcements is zero"),
            ConfigError::Probation => f.write_str("time of probation is zero"),
        }
    }
}

impl core::error::Error for ConfigError {}
