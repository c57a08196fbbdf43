//! Vector clocks and the order they tell, derived when asked (`avm:7.6`, `avm:11` R3). A component stands for a lifeline: the
//! program of an execution, or an object as seen by an execution. Inside one execution everything is ordered; between executions
//! only what a [`Link`] says: an object is made before others use it (found here), and what the host knows of commits, messages
//! and children.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use super::calls::{Calls, Step};
use super::query::object;
use crate::event::{Event, LogEntry};
use crate::id::{ExecutionId, ObjectId, ROOT};

/// One line of a chart: an object inside an execution, [`ROOT`] for its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifeline {
    /// The execution.
    pub execution: ExecutionId,
    /// The object.
    pub object: ObjectId,
}

impl fmt::Display for Lifeline {
    /// `x2` for the program of an execution, `x2:o7` for an object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.object == ROOT {
            write!(f, "{}", self.execution)
        } else {
            write!(f, "{}:{}", self.execution, self.object)
        }
    }
}

/// A vector clock: how far each lifeline is known to have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock(pub BTreeMap<Lifeline, u64>);

impl Clock {
    /// A component; 0 when nothing is known.
    #[must_use]
    pub fn of(&self, line: Lifeline) -> u64 {
        self.0.get(&line).copied().unwrap_or(0)
    }

    fn tick(&mut self, line: Lifeline) {
        *self.0.entry(line).or_insert(0) += 1;
    }

    fn join(&mut self, other: &Self) {
        for (line, at) in &other.0 {
            let mine = self.0.entry(*line).or_insert(0);
            *mine = (*mine).max(*at);
        }
    }
}

impl fmt::Display for Clock {
    /// `{x1: 3, x1:o0: 2}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(line, at)| format!("{line}: {at}")).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// An order between executions that the host knows: the one entry happened before the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Execution and timestamp of what came first.
    pub from: (ExecutionId, u64),
    /// Execution and timestamp of what it caused.
    pub to: (ExecutionId, u64),
    /// Why.
    pub cause: Cause,
}

/// Why one entry comes before another of a different execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The object was made.
    Created,
    /// A commit that the other saw.
    Commit,
    /// A message that the other received.
    Message,
    /// A child was started, or its end was waited for.
    Child,
}

/// An entry with its place in the order of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clocked<'t> {
    /// Its execution.
    pub execution: ExecutionId,
    /// The lifeline that wrote it.
    pub line: Lifeline,
    /// The entry.
    pub entry: &'t LogEntry,
    /// Its clock.
    pub clock: Clock,
}

/// How two entries stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The first happened before the second.
    Before,
    /// The second happened before the first.
    After,
    /// They are the same.
    Same,
    /// Neither is known to have come first.
    Concurrent,
}

impl Clocked<'_> {
    /// How this entry stands to another one of the same merge.
    #[must_use]
    pub fn relation(&self, other: &Self) -> Relation {
        if self.execution == other.execution && self.entry.timestamp == other.entry.timestamp {
            Relation::Same
        } else if self.clock.of(self.line) <= other.clock.of(self.line) {
            Relation::Before
        } else if other.clock.of(other.line) <= self.clock.of(other.line) {
            Relation::After
        } else {
            Relation::Concurrent
        }
    }
}

/// Why traces cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum ClockError {
    #[error("execution {0} is given twice")]
    Twice(ExecutionId),
    #[error("the links go round in a circle through {0} at {1}")]
    Circle(ExecutionId, u64),
}

/// Clocks of the entries of one execution, in its order. Each holds a component for every lifeline so far: who wants few entries of
/// a long trace asks for those with [`clocks_at`].
#[must_use]
pub fn clocks(execution: ExecutionId, trace: &[LogEntry]) -> Vec<Clocked<'_>> {
    clocks_at(execution, trace, |_| true)
}

/// Clocks of the entries at the positions that are wanted, in order. The trace is walked once and nothing is kept of the others.
#[must_use]
pub fn clocks_at(execution: ExecutionId, trace: &[LogEntry], wanted: impl Fn(usize) -> bool) -> Vec<Clocked<'_>> {
    let mut walk = Walk::new(execution, trace);
    let mut out = Vec::new();
    for (at, entry) in trace.iter().enumerate() {
        let line = walk.step(std::iter::empty());
        if wanted(at) {
            out.push(Clocked { execution, line, entry, clock: walk.clock.clone() });
        }
    }
    out
}

/// Merges the traces of several executions into one order that keeps every execution's own order and every link; what is not
/// ordered stands by timestamp, then execution. Links to entries that are not there are left out.
///
/// # Errors
/// [`ClockError`] when an execution is given twice or the links contradict each other.
pub fn merge<'t>(traces: &[(ExecutionId, &'t [LogEntry])], links: &[Link]) -> Result<Vec<Clocked<'t>>, ClockError> {
    let mut seen = BTreeSet::new();
    if let Some((twice, _)) = traces.iter().find(|(execution, _)| !seen.insert(*execution)) {
        return Err(ClockError::Twice(*twice));
    }
    let mut lanes: BTreeMap<ExecutionId, Walk<'t>> =
        traces.iter().map(|(execution, trace)| (*execution, Walk::new(*execution, trace))).collect();
    let mut before: BTreeMap<(ExecutionId, u64), Vec<(ExecutionId, u64)>> = BTreeMap::new();
    let there = |(execution, timestamp): (ExecutionId, u64)| {
        lanes.get(&execution).is_some_and(|walk| walk.position(timestamp).is_some())
    };
    for link in links.iter().copied().chain(creations(traces)).filter(|link| there(link.from) && there(link.to)) {
        before.entry(link.to).or_default().push(link.from);
    }
    let mut ready: BTreeSet<(u64, ExecutionId)> = BTreeSet::new();
    ready.extend(lanes.iter().filter_map(|(execution, walk)| Some((walk.next_timestamp()?, *execution))));
    let mut done: BTreeMap<(ExecutionId, u64), Clock> = BTreeMap::new();
    let wanted: BTreeSet<(ExecutionId, u64)> = before.values().flatten().copied().collect();
    let mut out = Vec::new();
    while !ready.is_empty() {
        let free = |(timestamp, execution): &&(u64, ExecutionId)| {
            before.get(&(*execution, *timestamp)).is_none_or(|all| all.iter().all(|from| done.contains_key(from)))
        };
        let Some(&(timestamp, execution)) = ready.iter().find(free) else {
            let (timestamp, execution) = ready.first().copied().unwrap_or_default();
            return Err(ClockError::Circle(execution, timestamp));
        };
        ready.remove(&(timestamp, execution));
        let Some(walk) = lanes.get_mut(&execution) else { continue };
        let causes = before.get(&(execution, timestamp)).into_iter().flatten().filter_map(|from| done.get(from));
        let line = walk.step(causes);
        let entry = &walk.trace[walk.entry - 1];
        let clocked = Clocked { execution, line, entry, clock: walk.clock.clone() };
        if wanted.contains(&(execution, timestamp)) {
            done.insert((execution, timestamp), clocked.clock.clone());
        }
        out.push(clocked);
        ready.extend(walk.next_timestamp().map(|timestamp| (timestamp, execution)));
    }
    Ok(out)
}

/// An object is made before another execution calls it, receives for it or moves it: ids are never used again (`avm:2`).
fn creations(traces: &[(ExecutionId, &[LogEntry])]) -> Vec<Link> {
    let mut made: BTreeMap<ObjectId, (ExecutionId, u64)> = BTreeMap::new();
    for (execution, trace) in traces {
        for entry in *trace {
            if let Event::ObjectCreated(object, _) = entry.event {
                made.insert(object, (*execution, entry.timestamp));
            }
        }
    }
    let mut links = Vec::new();
    for (execution, trace) in traces {
        // Its first use is enough: the rest comes after it.
        let mut used = BTreeSet::new();
        for entry in *trace {
            let Some(object) = object(&entry.event) else { continue };
            if let Some(from) = made.get(&object).filter(|from| from.0 != *execution)
                && used.insert(object)
            {
                links.push(Link { from: *from, to: (*execution, entry.timestamp), cause: Cause::Created });
            }
        }
    }
    links
}

/// One execution on its way.
struct Walk<'t> {
    execution: ExecutionId,
    trace: &'t [LogEntry],
    steps: Vec<Step>,
    at: usize,
    entry: usize,
    /// What the lifeline knows that runs now. One runs at a time and tells all it knows to whom it calls or returns to, so this is
    /// all that is known in the execution, and no lifeline needs a clock of its own.
    clock: Clock,
}

impl<'t> Walk<'t> {
    fn new(execution: ExecutionId, trace: &'t [LogEntry]) -> Self {
        let steps = Calls::of(trace).steps(trace);
        Self { execution, trace, steps, at: 0, entry: 0, clock: Clock::default() }
    }

    fn position(&self, timestamp: u64) -> Option<usize> {
        self.trace.binary_search_by_key(&timestamp, |entry| entry.timestamp).ok()
    }

    fn next_timestamp(&self) -> Option<u64> {
        self.trace.get(self.entry).map(|entry| entry.timestamp)
    }

    fn line(&self, object: Option<ObjectId>) -> Lifeline {
        Lifeline { execution: self.execution, object: object.unwrap_or(ROOT) }
    }

    /// Goes up to and over the next entry; who wrote it. What it was caused by is known to whoever runs when it is written.
    fn step<'c>(&mut self, causes: impl Iterator<Item = &'c Clock>) -> Lifeline {
        // The causes of an entry reach the program before what it calls for it.
        causes.for_each(|cause| self.clock.join(cause));
        loop {
            let step = self.steps[self.at];
            self.at += 1;
            let line = match step {
                Step::Call { from, to, .. } => {
                    self.pass(self.line(from), self.line(Some(to)));
                    continue;
                }
                Step::Return { from, to, .. } => {
                    let from = self.line(from);
                    self.pass(self.line(Some(to)), from);
                    from
                }
                Step::At { by, .. } => {
                    let line = self.line(by);
                    self.clock.tick(line);
                    line
                }
            };
            self.entry += 1;
            return line;
        }
    }

    /// A message from one line to the other.
    fn pass(&mut self, from: Lifeline, to: Lifeline) {
        self.clock.tick(from);
        self.clock.tick(to);
    }
}
