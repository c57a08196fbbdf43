//! One watched peer: what was measured of it, and the instants at which it becomes late and silent.

use super::{Config, Health, Input, Transition};
use crate::fixed::Q16;
use crate::id::Identity;
use crate::time::{Span, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) identity: Identity,
    pub(super) health: Health,
    /// Round of the last own stall after which it was heard.
    pub(super) round: u8,
    /// Mean length of its runs of lost heartbeats, 16 fraction bits.
    run: u32,
    sequence: u32,
    /// Mean time between two heartbeats of neighbouring sequences, and mean deviation from it, in nanoseconds.
    mean: u64,
    deviation: u64,
    /// When it was last heard; since when it is watched if never.
    pub(super) last_heard: Time,
    pub(super) suspect_at: Time,
    pub(super) dead_at: Time,
}

/// A run of one lost heartbeat.
const RUN_ONE: u32 = 1 << 16;
/// Longer runs teach nothing new: the threshold is at its bound long before.
const RUN_MAX: u32 = 64;

impl Peer {
    pub(super) const NOBODY: Peer = Peer {
        identity: Identity { id: crate::id::NodeId::NONE, boot_inc: 0, life: 0 },
        health: Health::Unknown,
        round: 0,
        run: RUN_ONE,
        sequence: 0,
        mean: 0,
        deviation: 0,
        last_heard: Time::ZERO,
        suspect_at: Time::NEVER,
        dead_at: Time::NEVER,
    };

    pub(super) fn new(now: Time, identity: Identity, config: &Config) -> Peer {
        let end = now.after(config.probation);
        let mean = config.period.0;
        Peer { identity, mean, last_heard: now, suspect_at: end, dead_at: end, ..Peer::NOBODY }
    }

    /// A later being of the same node: its sequences start anew, what was measured of the path stays.
    pub(super) fn reborn(&mut self, identity: Identity, sequence: u32, _config: &Config) {
        self.identity = identity;
        self.sequence = sequence;
    }

    #[inline]
    pub(super) fn is_newer(&self, sequence: u32, config: &Config) -> bool {
        !config.doubts() || self.health == Health::Unknown || (sequence.wrapping_sub(self.sequence) as i32) > 0
    }

    /// Learns from the gap before a newer heartbeat; returns how many were lost in it.
    #[inline]
    pub(super) fn learn(&mut self, now: Time, sequence: u32, config: &Config) -> u32 {
        if self.health == Health::Unknown || !config.doubts() {
            return 0;
        }
        let steps = sequence.wrapping_sub(self.sequence);
        let gap = now.since(self.last_heard).0;
        let lost = steps - 1;
        // Far below 2^63: a gap of our clock over at least one step, cut at four periods.
        let each = if lost == 0 { gap } else { gap / u64::from(steps) }.min(config.period.0 * 4);
        let off = each as i64 - self.mean as i64;
        self.mean = (self.mean as i64 + (off >> 3)) as u64;
        self.deviation = (self.deviation as i64 + ((off.abs() - self.deviation as i64) >> 2)) as u64;
        // Runs are remembered for long: without losses their mean fades over some thousand heartbeats.
        self.run = if lost == 0 {
            self.run - (self.run.saturating_sub(RUN_ONE) >> 12)
        } else {
            let run = lost.min(RUN_MAX) << 16;
            self.run - self.run / 8 + run / 8
        };
        lost
    }

    #[inline]
    pub(super) fn heard(&mut self, now: Time, sequence: u32, multiplier: u8, config: &Config) {
        self.sequence = sequence;
        self.last_heard = self.last_heard.max(now);
        self.judge_heard(multiplier, config);
    }

    /// Works both instants out anew, unless it was never heard.
    pub(super) fn judge(&mut self, multiplier: u8, config: &Config) {
        if self.health != Health::Unknown {
            self.judge_heard(multiplier, config);
        }
    }

    #[inline]
    fn judge_heard(&mut self, multiplier: u8, config: &Config) {
        let period = config.period.0;
        let (each, slack, threshold) = if config.doubts() {
            (self.mean.clamp(period, period * 4), (self.deviation * 4).min(period), self.threshold(config))
        } else {
            (period, 0, config.threshold)
        };
        let patience = |misses: u8| Span((each * u64::from(misses) + slack) * u64::from(multiplier));
        self.suspect_at = self.last_heard.after(patience(config.suspect));
        self.dead_at = self.last_heard.after(patience(threshold));
    }

    /// Missed heartbeats until it is silent: the configured number, and twice what its runs of losses are longer than one.
    #[inline]
    fn threshold(&self, config: &Config) -> u8 {
        let extra = (self.run.saturating_sub(RUN_ONE) * 2) >> 16;
        (u32::from(config.threshold) + extra).min(u32::from(Config::THRESHOLD_MAX)) as u8
    }

    /// Moves everything that is counted from the past by the time we did not run.
    pub(super) fn shift(&mut self, gap: Span, multiplier: u8, config: &Config) {
        self.last_heard = self.last_heard.after(gap);
        if self.health == Health::Unknown {
            self.suspect_at = self.suspect_at.after(gap);
            self.dead_at = self.suspect_at;
        } else {
            self.judge(multiplier, config);
        }
    }

    #[inline]
    pub(super) fn input(&self, now: Time) -> Input {
        if now >= self.dead_at {
            Input::Silent
        } else if now >= self.suspect_at {
            Input::Late
        } else {
            Input::Fresh
        }
    }

    /// When its verdict can change next by time alone.
    #[inline]
    pub(super) fn next_due(&self) -> Time {
        match self.health {
            Health::Unknown | Health::Suspect => self.dead_at,
            Health::Alive => self.suspect_at,
            Health::Dead => Time::NEVER,
        }
    }

    pub(super) fn transition(&self, now: Time, to: Health) -> Transition {
        Transition {
            identity: self.identity,
            from: self.health,
            to,
            silent: now.since(self.last_heard),
            sequence: self.sequence,
        }
    }

    pub(super) fn view(&self, now: Time, multiplier: u8, config: &Config) -> PeerView {
        let silent = now.since(self.last_heard);
        let known = self.health != Health::Unknown;
        let misses = if known { (silent.0 / config.period.0).min(255) as u8 } else { 0 };
        // 28 462 / 65 536 is the common logarithm of e.
        let phi = Q16::ratio((silent.0 >> 10) as i64, (self.mean >> 10).max(1) as i64).mul(Q16(28_462));
        PeerView {
            identity: self.identity,
            health: self.health,
            last_heard: known.then_some(self.last_heard),
            sequence: self.sequence,
            misses,
            threshold: if config.doubts() { self.threshold(config) } else { config.threshold },
            doubt: multiplier,
            mean: Span(self.mean),
            deviation: Span(self.deviation),
            run: Q16(self.run as i32),
            phi: if known { phi } else { Q16::ZERO },
            suspect_at: self.suspect_at,
            dead_at: self.dead_at,
        }
    }
}

/// A watched peer as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Who.
    pub identity: Identity,
    /// Verdict.
    pub health: Health,
    /// When it was last heard; `None` if never.
    pub last_heard: Option<Time>,
    /// Sequence of its last heartbeat.
    pub sequence: u32,
    /// Whole periods of silence, at most 255.
    pub misses: u8,
    /// Missed heartbeats until it is silent, before own doubt.
    pub threshold: u8,
    /// Own doubt, by which the threshold is multiplied.
    pub doubt: u8,
    /// Mean time between its heartbeats.
    pub mean: Span,
    /// Mean deviation from it.
    pub deviation: Span,
    /// Mean length of its runs of lost heartbeats.
    pub run: Q16,
    /// Suspicion as the negative logarithm of the chance that it is merely late, for display.
    pub phi: Q16,
    /// From when it is late.
    pub suspect_at: Time,
    /// From when it is silent.
    pub dead_at: Time,
}
