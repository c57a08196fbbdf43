//! The store: a bounded ring of snapshots and of log events, and the rates read off successive snapshots.

use std::collections::VecDeque;
use std::sync::Arc;

use control::Snapshot;
use control::snapshot::{EventSnapshot, TorusSnapshot};

/// Most events kept; older ones are in the agent's log.
pub const EVENTS_KEPT: usize = 4_096;
/// Samples of a sparkline, one a second.
pub const MINUTE: usize = 60;
/// Rates are read over about this span.
const RATE_SPAN_NS: u64 = 900_000_000;
/// A span longer than this says nothing about now.
const RATE_SPAN_MAX_NS: u64 = 5_000_000_000;

/// Snapshots of one or more boots of a node, oldest first; events are kept beside, once each.
#[derive(Debug, Clone)]
pub struct History {
    ring: VecDeque<Arc<Snapshot>>,
    capacity: usize,
    /// Number of the first snapshot in the ring since the start, so that a place in time survives eviction.
    first: u64,
    log: VecDeque<LoggedEvent>,
    /// Events that fell out of the log.
    pub log_dropped: u64,
}

/// An event and the boot it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Boot id of the node.
    pub boot: u64,
    /// The event.
    pub event: EventSnapshot,
}

impl History {
    /// An empty history that keeps at most `capacity` snapshots (at least 2).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { ring: VecDeque::new(), capacity: capacity.max(2), first: 0, log: VecDeque::new(), log_dropped: 0 }
    }

    /// Takes a snapshot in. One that shows no sign of life since the last is not a new moment: it is not kept, and the answer
    /// is false.
    pub fn push(&mut self, snapshot: Snapshot) -> bool {
        if let Some(last) = self.ring.back()
            && !moved(last, &snapshot)
        {
            return false;
        }
        let mut snapshot = snapshot;
        self.take_events(snapshot.node.boot_id, std::mem::take(&mut snapshot.events));
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
            self.first += 1;
        }
        self.ring.push_back(Arc::new(snapshot));
        true
    }

    fn take_events(&mut self, boot: u64, events: Vec<EventSnapshot>) {
        let newest = self.log.iter().rev().find(|logged| logged.boot == boot).map_or(0, |logged| logged.event.number);
        for event in events.into_iter().filter(|event| event.number > newest) {
            if self.log.len() == EVENTS_KEPT {
                self.log.pop_front();
                self.log_dropped = self.log_dropped.saturating_add(1);
            }
            self.log.push_back(LoggedEvent { boot, event });
        }
    }

    /// Snapshots kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// True before the first snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Place of the oldest snapshot kept.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.first
    }

    /// Place of the newest snapshot; meaningless when empty.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.first + self.ring.len().saturating_sub(1) as u64
    }

    /// The snapshot at a place; places that were evicted give the oldest kept.
    #[must_use]
    pub fn at(&self, place: u64) -> Option<&Arc<Snapshot>> {
        let index = usize::try_from(place.saturating_sub(self.first)).ok()?;
        self.ring.get(index.min(self.ring.len().saturating_sub(1)))
    }

    /// The newest snapshot.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<Snapshot>> {
        self.ring.back()
    }

    /// Snapshots up to and including a place, newest first.
    pub fn back_from(&self, place: u64) -> impl Iterator<Item = &Arc<Snapshot>> {
        let index = usize::try_from(place.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = index.saturating_add(1).min(self.ring.len());
        self.ring.range(..end).rev()
    }

    /// Events known at a place in time, newest first.
    pub fn events_at(&self, place: u64) -> impl Iterator<Item = &LoggedEvent> {
        let limit = (place < self.newest()).then(|| self.at(place).map_or(u64::MAX, |at| at.node.now_unix_ns));
        self.log.iter().rev().filter(move |logged| limit.is_none_or(|limit| logged.event.at_unix_ns <= limit))
    }
}

/// True when something in the node has written since: a heartbeat moved, or it is another boot.
fn moved(last: &Snapshot, next: &Snapshot) -> bool {
    last.node.boot_id != next.node.boot_id
        || last.node.heartbeat_ns != next.node.heartbeat_ns
        || last.tori.len() != next.tori.len()
        || last.tori.iter().zip(&next.tori).any(|(a, b)| a.heartbeat_ns != b.heartbeat_ns)
        || last.host != next.host
}

/// Rates of one torus at one moment; `None` = not known (first sample, restart, no heartbeat since).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TorusRates {
    /// Events executed, 1/s.
    pub events: Option<f64>,
    /// Share of one core, percent.
    pub cpu_percent: Option<f64>,
    /// Projections applied, 1/s.
    pub applied: Option<f64>,
    /// Exchanges, 1/s.
    pub exchanges: Option<f64>,
    /// Events refused, 1/s.
    pub rejected: Option<f64>,
    /// Sequences missed, 1/s.
    pub missed: Option<f64>,
    /// Projections refused, 1/s.
    pub refused: Option<f64>,
    /// Violations by kind, 1/s.
    pub violations: [Option<f64>; control::page::KINDS],
    /// Corrections by kind, 1/s.
    pub corrections: [Option<f64>; control::page::KINDS],
    /// Events executed, 1/s, one sample a second, oldest first.
    pub events_minute: Vec<Option<f64>>,
    /// Events pending, one sample a second, oldest first.
    pub pending_minute: Vec<Option<f64>>,
}

/// One moment, ready to be drawn: the snapshot, the one about a second before, and the rates between.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Place in the history.
    pub place: u64,
    /// The snapshot.
    pub now: Arc<Snapshot>,
    /// About a second before, of the same boot; what differs from it is underlined.
    pub before: Option<Arc<Snapshot>>,
    /// Rates, same order as the tori.
    pub rates: Vec<TorusRates>,
    /// CPU of the whole process, percent of one core.
    pub process_cpu_percent: Option<f64>,
    /// CPU of the control thread, percent of one core.
    pub control_cpu_percent: Option<f64>,
    /// CPU of the host, percent, one sample a second, oldest first.
    pub host_cpu_minute: Vec<Option<f64>>,
    /// Rates of the AVM, when the node runs programs.
    pub avm: Option<crate::avm::rates::AvmRates>,
}

impl Scene {
    /// The scene at a place of the history.
    #[must_use]
    pub fn at(history: &History, place: u64) -> Option<Self> {
        let now = Arc::clone(history.at(place)?);
        let same_boot = |other: &&Arc<Snapshot>| other.node.boot_id == now.node.boot_id;
        let earlier = |other: &&Arc<Snapshot>| {
            let span = now.read_ns.saturating_sub(other.read_ns);
            (RATE_SPAN_NS..RATE_SPAN_MAX_NS).contains(&span)
        };
        let in_span = |other: &&Arc<Snapshot>| now.read_ns.saturating_sub(other.read_ns) < RATE_SPAN_MAX_NS;
        let first_earlier = history.back_from(place).take_while(same_boot).find(earlier).cloned();
        // Right after start there is no second to look back on yet: the oldest there is must do.
        let before = first_earlier
            .or_else(|| history.back_from(place).take_while(same_boot).skip(1).take_while(in_span).last().cloned());
        let seconds = by_second(history, place, &now);
        let rates = now
            .tori
            .iter()
            .map(|torus| {
                let past = before.as_ref().and_then(|before| same_torus(before, torus));
                let mut rates = torus_rates(torus, past);
                rates.events_minute = minute_of_events(&seconds, torus);
                rates.pending_minute = seconds
                    .iter()
                    .skip(1)
                    .map(|second| second.and_then(|at| same_torus(at, torus)).map(|torus| torus.pending as f64))
                    .collect();
                rates
            })
            .collect();
        let host_cpu_minute = seconds.iter().skip(1).map(|second| second.and_then(|at| at.host.cpu_percent)).collect();
        let cpu = |of: fn(&Snapshot) -> u64| {
            let past = before.as_ref()?;
            per_second(of(&now), of(past), now.read_ns, past.read_ns).map(|per_second| per_second / 1e7)
        };
        let avm = crate::avm::rates::rates(&now, before.as_ref(), &seconds);
        Some(Self {
            place,
            avm,
            process_cpu_percent: cpu(|at| at.host.process_cpu_ns),
            control_cpu_percent: cpu(|at| at.host.control_cpu_ns),
            host_cpu_minute,
            rates,
            before,
            now,
        })
    }

    /// True when a value differs from a second ago (`console` law 4: underlined).
    pub fn changed<T: PartialEq>(&self, of: impl Fn(&Snapshot) -> T) -> bool {
        self.before.as_ref().is_some_and(|before| of(before) != of(&self.now))
    }

    /// True when a value of a torus differs from a second ago.
    pub fn torus_changed<T: PartialEq>(&self, torus: &TorusSnapshot, of: impl Fn(&TorusSnapshot) -> T) -> bool {
        let past = self.before.as_ref().and_then(|before| before.tori.iter().find(|past| past.id == torus.id));
        past.is_some_and(|past| of(past) != of(torus))
    }

    /// How long a torus has not written its page, ns; zero when its clock is ahead of the reader's.
    #[must_use]
    pub fn torus_silent_ns(&self, torus: &TorusSnapshot) -> u64 {
        self.now.read_ns.saturating_sub(torus.heartbeat_ns)
    }
}

/// The same torus of the same boot in another snapshot.
#[must_use]
pub fn same_torus<'a>(snapshot: &'a Snapshot, torus: &TorusSnapshot) -> Option<&'a TorusSnapshot> {
    snapshot.tori.iter().find(|other| other.id == torus.id && other.boot_id == torus.boot_id)
}

/// Growth per second between two readings; `None` when time stood still or ran back, or the counter fell.
pub(crate) fn per_second(count: u64, count_before: u64, ns: u64, ns_before: u64) -> Option<f64> {
    let span = ns.checked_sub(ns_before).filter(|span| *span > 0)?;
    Some(count.checked_sub(count_before)? as f64 * 1e9 / span as f64)
}

fn torus_rates(now: &TorusSnapshot, past: Option<&TorusSnapshot>) -> TorusRates {
    let Some(past) = past else { return TorusRates::default() };
    // The torus stamps its counters itself: its own heartbeat is the time they were true at.
    let rate = |of: fn(&TorusSnapshot) -> u64| per_second(of(now), of(past), now.heartbeat_ns, past.heartbeat_ns);
    let kinds = |now_of: &[u64], past_of: &[u64]| {
        std::array::from_fn(|kind| {
            let (now_count, past_count) = (now_of.get(kind)?, past_of.get(kind)?);
            per_second(*now_count, *past_count, now.heartbeat_ns, past.heartbeat_ns)
        })
    };
    TorusRates {
        events: rate(|torus| torus.executed),
        cpu_percent: rate(|torus| torus.cpu_ns).map(|per_second| per_second / 1e7),
        applied: rate(|torus| torus.applied),
        exchanges: rate(|torus| torus.exchanges),
        rejected: rate(|torus| torus.rejected),
        missed: rate(|torus| torus.missed),
        refused: rate(|torus| torus.refused),
        violations: kinds(&now.violations, &past.violations),
        corrections: kinds(&now.corrections, &past.corrections),
        events_minute: Vec::new(),
        pending_minute: Vec::new(),
    }
}

/// The last snapshot of each of the last 61 whole seconds, oldest first. Seconds are absolute, so bars do not swim.
fn by_second<'a>(history: &'a History, place: u64, now: &Snapshot) -> Vec<Option<&'a Snapshot>> {
    let mut seconds: Vec<Option<&Snapshot>> = vec![None; MINUTE + 1];
    let this = now.read_ns / 1_000_000_000;
    for snapshot in history.back_from(place) {
        let second = snapshot.read_ns / 1_000_000_000;
        let Some(back) = this.checked_sub(second) else { break };
        let Some(slot) = usize::try_from(back).ok().and_then(|back| MINUTE.checked_sub(back)) else { break };
        let slot = &mut seconds[slot];
        if slot.is_none() {
            *slot = Some(snapshot);
        }
    }
    seconds
}

fn minute_of_events(seconds: &[Option<&Snapshot>], torus: &TorusSnapshot) -> Vec<Option<f64>> {
    let mut past: Option<&TorusSnapshot> = None;
    let mut out = Vec::with_capacity(MINUTE);
    for second in seconds {
        let here = second.and_then(|snapshot| same_torus(snapshot, torus));
        out.push(match (here, past) {
            (Some(here), Some(past)) => per_second(here.executed, past.executed, here.heartbeat_ns, past.heartbeat_ns),
            _ => None,
        });
        past = here.or(past);
    }
    out.remove(0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aim: a rate is never made up. A counter that fell, a clock that stands or runs back: not known.
    #[test]
    fn a_rate_needs_a_counter_that_grows_and_a_clock_that_goes() {
        assert_eq!(per_second(110, 100, 3_000_000_000, 1_000_000_000), Some(5.0));
        assert_eq!(per_second(100, 100, 3_000_000_000, 1_000_000_000), Some(0.0));
        assert_eq!(per_second(99, 100, 3_000_000_000, 1_000_000_000), None, "the counter fell");
        assert_eq!(per_second(110, 100, 1_000_000_000, 1_000_000_000), None, "the clock stood");
        assert_eq!(per_second(110, 100, 1_000_000_000, 3_000_000_000), None, "the clock ran back");
        assert_eq!(per_second(u64::MAX, 0, u64::MAX, 0).map(|rate| rate.is_finite()), Some(true));
    }
}
