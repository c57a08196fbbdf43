//! How often: capped exponential back-off with jitter, a budget of messages per second, least gaps between answers (`bootstrap:W9`).

use crate::hash::Rng;
use crate::time::{Span, Time};

/// Doubles from `first` to `max`; each span is spread over 75 to 125 % so that nodes started together drift apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Backoff {
    first: Span,
    max: Span,
    now: Span,
    rng: Rng,
}

impl Backoff {
    pub(super) const fn new(first: Span, max: Span, seed: u64) -> Backoff {
        Backoff { first, max, now: first, rng: Rng::new(seed) }
    }

    pub(super) const fn reset(&mut self) {
        self.now = self.first;
    }

    /// The next span to wait.
    pub(super) fn next(&mut self) -> Span {
        let base = self.now;
        self.now = base.times(2).min(self.max).max(self.first);
        let jitter = self.rng.below((base.0 / 2).max(1));
        Span(base.0.saturating_sub(base.0 / 4).saturating_add(jitter))
    }
}

/// At most `per_second` messages in any second: half of them at once, half as time goes by (`bootstrap:E6`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    gap: Span,
    burst: Span,
    /// When the budget is whole again.
    whole: Time,
}

impl Budget {
    pub(super) const fn new(per_second: u32) -> Budget {
        let half = if per_second < 2 { 1 } else { per_second as u64 / 2 };
        let gap = Span(1_000_000_000 / half);
        Budget { gap, burst: gap.times(half - 1), whole: Time::ZERO }
    }

    /// Takes one message out; false when there is none left.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let from = self.whole.max(now);
        if from.since(now) > self.burst {
            return false;
        }
        self.whole = from.after(self.gap);
        true
    }
}

/// A least gap between two answers to one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Gate(Option<Time>);

impl Gate {
    pub(super) const SHUT_NEVER: Gate = Gate(None);

    /// Whether an answer may go now; remembers it.
    pub(super) fn pass(&mut self, now: Time, gap: Span) -> bool {
        let open = self.0.is_none_or(|last| now.since(last) >= gap);
        if open {
            self.0 = Some(now);
        }
        open
    }
}
