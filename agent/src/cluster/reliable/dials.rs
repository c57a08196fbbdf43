//! Whom to dial and when: one dial for each target at a time, waits that double, a cap for each second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::settings::Times;
use crate::cluster::bridge::{Target, Why};

/// Targets wanted or remembered at once.
pub(super) const TARGETS_MAX: usize = 512;
/// Tries to take up a connection that was lost, before the link is told and decides.
const RETRIES: u32 = 5;

/// A cap on events in a second, refilled all the time.
#[derive(Debug)]
pub(super) struct Bucket {
    per_s: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(per_s: u32, now: Instant) -> Self {
        let per_s = f64::from(per_s.max(1));
        Self { per_s, tokens: per_s, at: now }
    }

    /// Whether more than half of a second's share was taken.
    pub(super) fn is_low(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens <= self.per_s / 2.0
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let fine = self.tokens >= 1.0;
        if fine {
            self.tokens -= 1.0;
        }
        fine
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + since * self.per_s).min(self.per_s);
    }
}

#[derive(Debug)]
struct Want {
    why: Why,
    /// The link asked and gets an answer for each dial that fails.
    asked: bool,
    retries: u32,
    due: Instant,
    running: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    delay: Duration,
    until: Instant,
}

/// What a failed dial means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// The link is told.
    Tell,
    /// It is tried again later.
    Again,
}

/// Whom to dial and when.
#[derive(Debug)]
pub(super) struct Dials {
    times: Times,
    wants: HashMap<Target, Want>,
    waits: HashMap<Target, Wait>,
    bucket: Bucket,
    seed: u64,
}

impl Dials {
    pub(super) fn new(times: Times, per_s: u32, seed: u64, now: Instant) -> Self {
        let bucket = Bucket::new(per_s, now);
        Self { times, wants: HashMap::new(), waits: HashMap::new(), bucket, seed }
    }

    /// The link wants a session; `false` when too many are wanted at once.
    pub(super) fn ask(&mut self, target: Target, why: Why, now: Instant) -> bool {
        if let Some(want) = self.wants.get_mut(&target) {
            want.asked = true;
            want.why = why;
            return true;
        }
        self.want(target, why, true, 0, now)
    }

    /// A connection this node dialled was lost: it is taken up again for a while.
    pub(super) fn lost(&mut self, target: Target, why: Why, now: Instant) {
        if why != Why::Message && !self.wants.contains_key(&target) {
            self.want(target, why, false, RETRIES, now);
        }
    }

    fn want(&mut self, target: Target, why: Why, asked: bool, retries: u32, now: Instant) -> bool {
        if self.wants.len() >= TARGETS_MAX {
            return false;
        }
        let due = self.waits.get(&target).map_or(now, |wait| wait.until.max(now));
        self.wants.insert(target, Want { why, asked, retries, due, running: false });
        true
    }

    /// Targets whose time has come, as many as the cap lets through.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Target, Why)> {
        let mut due = Vec::new();
        for (target, want) in &mut self.wants {
            if !want.running && want.due <= now && self.bucket.take(now) {
                want.running = true;
                due.push((*target, want.why));
            }
        }
        due
    }

    /// Whether a dial to a node is under way.
    pub(super) fn is_dialling(&self, peer: u32) -> bool {
        let to = |target: &Target| matches!(target, Target::Node { id, .. } if *id == peer);
        self.wants.iter().any(|(target, want)| want.running && to(target))
    }

    /// A dial succeeded, or is not needed any longer.
    pub(super) fn done(&mut self, target: &Target) -> Option<Why> {
        self.waits.remove(target);
        self.wants.remove(target).map(|want| want.why)
    }

    /// Nothing is wanted of a node any longer.
    pub(super) fn forget(&mut self, peer: u32) {
        self.wants.retain(|target, want| want.running || !matches!(target, Target::Node { id, .. } if *id == peer));
        for (target, want) in &mut self.wants {
            if matches!(target, Target::Node { id, .. } if *id == peer) {
                want.retries = 0;
            }
        }
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, target: Target, hopeless: bool, now: Instant) -> AfterFailure {
        let delay = self.waits.get(&target).map_or(self.times.backoff, |wait| wait.delay * 2);
        let delay = delay.min(self.times.backoff_max);
        let until = now + self.jitter(delay);
        if self.waits.len() >= TARGETS_MAX {
            self.waits.retain(|_, wait| wait.until > now);
        }
        if self.waits.len() < TARGETS_MAX {
            self.waits.insert(target, Wait { delay, until });
        }
        let Some(want) = self.wants.get_mut(&target) else { return AfterFailure::Tell };
        want.running = false;
        want.due = until;
        if want.asked || hopeless || want.retries == 0 {
            self.wants.remove(&target);
            return AfterFailure::Tell;
        }
        want.retries -= 1;
        AfterFailure::Again
    }

    /// Three quarters to five quarters of it, so that nodes that lost the same peer do not come back in step.
    fn jitter(&mut self, delay: Duration) -> Duration {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let share = (self.seed >> 11) as f64 / (1_u64 << 53) as f64;
        delay.mul_f64(0.75 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: u32) -> Target {
        Target::Node { id, address: "10.0.0.1:1".parse().expect("an address") }
    }

    /// Waits double up to their limit, within the jitter; a success starts over.
    #[test]
    fn waits_double() {
        let start = Instant::now();
        let times = Times::default();
        let mut dials = Dials::new(times, 100, 7, start);
        let mut now = start;
        let mut delay = times.backoff;
        for _ in 0..12 {
            assert!(dials.ask(target(2), Why::Watch, now));
            assert_eq!(dials.due(now), [(target(2), Why::Watch)], "its time has come");
            assert_eq!(dials.due(now), [], "one dial at a time");
            assert!(dials.is_dialling(2));
            assert_eq!(dials.failed(target(2), false, now), AfterFailure::Tell);
            assert!(dials.ask(target(2), Why::Watch, now));
            assert_eq!(dials.due(now + delay.mul_f64(0.74)), [], "not before its time");
            assert!(dials.done(&target(2)).is_some());
            dials.waits.insert(target(2), Wait { delay, until: now });
            now += delay.mul_f64(1.26);
            delay = (delay * 2).min(times.backoff_max);
        }
        assert_eq!(delay, times.backoff_max);
        dials.done(&target(2));
        dials.ask(target(2), Why::Watch, now);
        assert_eq!(dials.due(now).len(), 1);
    }

    /// What was lost is tried again some times; what is hopeless is not; what nobody wants is forgotten.
    #[test]
    fn lost_connections_are_taken_up_again() {
        let mut now = Instant::now();
        let mut dials = Dials::new(Times::default(), 100, 7, now);
        dials.lost(target(2), Why::Message, now);
        assert_eq!(dials.due(now), [], "it was for one message");
        dials.lost(target(2), Why::Watch, now);
        for left in (0..=RETRIES).rev() {
            assert_eq!(dials.due(now).len(), 1, "{left}");
            let then = dials.failed(target(2), false, now);
            assert_eq!(then, if left > 0 { AfterFailure::Again } else { AfterFailure::Tell });
            now += Duration::from_secs(60);
        }
        dials.lost(target(3), Why::Watch, now);
        assert_eq!(dials.due(now).len(), 1);
        assert_eq!(dials.failed(target(3), true, now), AfterFailure::Tell);
        dials.lost(target(4), Why::Watch, now);
        dials.forget(4);
        assert_eq!(dials.due(now), []);
    }

    /// No more handshakes begin in a second than the cap says.
    #[test]
    fn handshakes_are_capped() {
        let now = Instant::now();
        let mut dials = Dials::new(Times::default(), 5, 7, now);
        for id in 1..=50 {
            dials.ask(target(id), Why::Watch, now);
        }
        assert_eq!(dials.due(now).len(), 5);
        assert_eq!(dials.due(now).len(), 0);
        assert_eq!(dials.due(now + Duration::from_secs(1)).len(), 5);
        for id in 51..=TARGETS_MAX as u32 {
            assert!(dials.ask(target(id), Why::Watch, now));
        }
        assert!(!dials.ask(target(9_999), Why::Watch, now));
    }
}
