//! How fast the AVM's totals grow, read off successive records.

use std::sync::Arc;

use control::Snapshot;
use control::avm::{AvmSnapshot, Totals};

use crate::history::per_second;

/// Samples of a minute, one a second, oldest first.
type Minute = Vec<Option<f64>>;

/// Rates of one moment; `None` = not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AvmRates {
    /// Commits, 1/s.
    pub commits: Option<f64>,
    /// Aborts, 1/s.
    pub aborts: Option<f64>,
    /// Executions started, 1/s.
    pub started: Option<f64>,
    /// Operations, 1/s.
    pub operations: Option<f64>,
    /// Moves between tori, 1/s.
    pub moves: Option<f64>,
    /// Trace entries, 1/s.
    pub trace: Option<f64>,
    /// Questions the solver answered, 1/s.
    pub solved: Option<f64>,
    /// Commits, 1/s.
    pub commits_minute: Minute,
    /// Aborts, 1/s.
    pub aborts_minute: Minute,
    /// Questions answered, 1/s.
    pub solved_minute: Minute,
    /// Questions waiting.
    pub queue_minute: Minute,
    /// By torus, as in the record: executions there.
    pub lanes_minute: Vec<Minute>,
}

fn solved(avm: &AvmSnapshot) -> u64 {
    avm.solver.sat.saturating_add(avm.solver.unsat).saturating_add(avm.solver.unknown)
}

/// Rates from a moment, the one about a second before, and the last of each second.
#[must_use]
pub fn rates(now: &Snapshot, before: Option<&Arc<Snapshot>>, seconds: &[Option<&Snapshot>]) -> Option<AvmRates> {
    let here = now.avm.as_deref()?;
    let past = before.and_then(|before| before.avm.as_deref());
    let rate = |of: &dyn Fn(&AvmSnapshot) -> u64| {
        let past = past?;
        per_second(of(here), of(past), here.at_ns, past.at_ns)
    };
    let total = |of: fn(&Totals) -> u64| rate(&|avm| of(&avm.totals));
    let value = |of: &dyn Fn(&AvmSnapshot) -> Option<u64>| -> Minute {
        let samples = seconds.iter().skip(1);
        samples.map(|at| at.and_then(|at| of(at.avm.as_deref()?)).map(|value| value as f64)).collect()
    };
    Some(AvmRates {
        commits: total(|totals| totals.commits),
        aborts: total(|totals| totals.aborts),
        started: total(|totals| totals.started),
        operations: total(|totals| totals.operations),
        moves: total(|totals| totals.moves),
        trace: total(|totals| totals.trace_entries),
        solved: rate(&solved),
        commits_minute: growth(seconds, |avm| avm.totals.commits),
        aborts_minute: growth(seconds, |avm| avm.totals.aborts),
        solved_minute: growth(seconds, solved),
        queue_minute: value(&|avm| Some(avm.solver.queued)),
        lanes_minute: (0..here.lanes.len())
            .map(|at| {
                value(&|avm| {
                    let lane = avm.lanes.get(at).filter(|lane| lane.id == here.lanes[at].id)?;
                    Some(lane.running.saturating_add(lane.suspended))
                })
            })
            .collect(),
    })
}

/// Growth per second of a counter, a sample a second.
fn growth(seconds: &[Option<&Snapshot>], of: impl Fn(&AvmSnapshot) -> u64) -> Minute {
    let mut past: Option<&AvmSnapshot> = None;
    let mut out = Vec::with_capacity(seconds.len());
    for second in seconds {
        let here = second.and_then(|at| at.avm.as_deref());
        out.push(match (here, past) {
            (Some(here), Some(past)) => per_second(of(here), of(past), here.at_ns, past.at_ns),
            _ => None,
        });
        past = here.or(past);
    }
    out.drain(..out.len().min(1));
    out
}
