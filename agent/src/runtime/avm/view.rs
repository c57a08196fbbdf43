//! From the machine's own words to those of the contract: rows, traces, transactions.

use std::collections::BTreeSet;

use avm::event::{Event, LogEntry};
use avm::id::{ExecutionId, ObjectId, ROOT};
use avm::trace::{self, Calls};
use avm::vm::{Decision, ExecutionSummary, Failure, ObjectSummary, Refused, StackEntry, Status, Why};
use avm::{AvmError, Val};
use control::avm::{
    ExecutionSnapshot, ExecutionState, FrameSnapshot, LifelineSnapshot, ObjectSnapshot, RequirementSnapshot,
    TraceEntry, TraceSnapshot, TransactionSnapshot, TransactionState,
};

use super::machine::Info;

/// Longest result or value in a row, characters.
const SHORT: usize = 160;

/// What is gathered of an execution on its torus.
#[derive(Debug, Clone)]
pub struct Row {
    /// As the lane says.
    pub summary: ExecutionSummary,
    /// As the node remembers.
    pub info: Info,
    /// Its result, when it is over.
    pub result: Option<Result<Val, Failure>>,
}

/// At most [`SHORT`] characters of a text.
#[must_use]
pub fn short(text: &str) -> String {
    if text.chars().count() <= SHORT {
        text.to_owned()
    } else {
        text.chars().take(SHORT).chain("...".chars()).collect()
    }
}

/// A failure in one line: error, message, file and line.
#[must_use]
pub fn failure_line(failure: &Failure) -> String {
    let place = failure.stack.iter().find_map(place_of).map_or_else(String::new, |place| format!(" at {place}"));
    format!("{}: {}{place}", failure.error.name(), failure.error)
}

/// A failure in full: the error, and the calls it happened in, innermost first.
#[must_use]
pub fn failure_text(failure: &Failure) -> String {
    let mut out = format!("{}: {}", failure.error.name(), failure.error);
    for entry in &failure.stack {
        let place = place_of(entry).map_or_else(String::new, |place| format!("  {place}"));
        let object = entry.object.map_or_else(String::new, |object| format!(" of {}", Val::Object(object)));
        out += &format!("\n  in {}{object}{place}", entry.function);
    }
    out
}

/// `bank.avm:12:5`.
#[must_use]
pub fn place_of(entry: &StackEntry) -> Option<String> {
    let place = entry.place?;
    let file = entry.file.as_deref().unwrap_or("?");
    Some(format!("{file}:{}:{}", place.line, place.column))
}

/// The stack of a failure as rows.
#[must_use]
pub fn frames(failure: &Failure) -> Vec<FrameSnapshot> {
    let frame = |entry: &StackEntry| FrameSnapshot {
        function: entry.function.clone(),
        object: entry.object.map_or_else(String::new, |object| Val::Object(object).to_string()),
        place: place_of(entry).unwrap_or_default(),
    };
    failure.stack.iter().map(frame).collect()
}

/// An execution as a row.
#[must_use]
pub fn execution(row: &Row, torus: &str, machine: &str) -> ExecutionSnapshot {
    let (summary, info) = (&row.summary, &row.info);
    let (state, why) = state_of(row);
    let program = summary
        .program
        .rsplit_once('.')
        .map_or_else(|| summary.program.clone(), |(module, entry)| format!("{module}#{entry}"));
    ExecutionSnapshot {
        id: summary.id.to_string(),
        program,
        state,
        why,
        waits_for: String::new(),
        since_unix_ns: info.since_unix_ns,
        started_unix_ns: info.started_unix_ns,
        fuel: summary.operations,
        fuel_limit: if info.fuel == u64::MAX { 0 } else { info.fuel },
        memory_bytes: summary.memory_bytes,
        memory_limit_bytes: 0,
        torus: torus.to_owned(),
        moves: info.moves,
        pinned: summary.pinned,
        machine: machine.to_owned(),
        transaction: summary.transactions.first().map(ToString::to_string).unwrap_or_default(),
        depth: summary.transactions.len() as u32,
        parent: summary.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        commits: summary.committed,
        aborts: summary.refused + summary.aborted,
        trace_entries: summary.events,
    }
}

fn state_of(row: &Row) -> (ExecutionState, String) {
    match (row.summary.status, &row.result) {
        (Status::Running, _) => (ExecutionState::Running, String::new()),
        (Status::Suspended(why), _) => (ExecutionState::Suspended, waits(why).to_owned()),
        (Status::Terminated, _) if row.info.terminated => (ExecutionState::Terminated, "by hand".to_owned()),
        (Status::Terminated, Some(Err(failure))) => (ExecutionState::Failed, short(&failure_line(failure))),
        (Status::Terminated, Some(Ok(value))) => (ExecutionState::Ended, short(&value.to_string())),
        (Status::Terminated, None) => (ExecutionState::Terminated, String::new()),
    }
}

const fn waits(why: Why) -> &'static str {
    match why {
        Why::Asked => "by hand",
        Why::Solving => "waits for the solver",
        Why::Receiving => "waits for a message",
        Why::Sleeping => "sleeps",
        Why::Elsewhere => "waits for another torus",
        Why::Recording => "waits for the journal",
    }
}

/// An object as a row.
#[must_use]
pub fn object(summary: &ObjectSummary, torus: &str) -> ObjectSnapshot {
    ObjectSnapshot {
        id: summary.id.to_string(),
        behaviour: summary.behaviour.to_string(),
        machine: summary.machine.to_string(),
        controller: summary.controller.as_ref().map(ToString::to_string).unwrap_or_default(),
        creating_controller: summary.creating_controller.as_ref().map(ToString::to_string).unwrap_or_default(),
        version: summary.version,
        torus: torus.to_owned(),
        mailbox: summary.mailbox,
        state_bytes: u64::from(summary.state_nodes) * 8,
        ..ObjectSnapshot::default()
    }
}

/// A decided transaction as a row.
#[must_use]
pub fn decision(execution: ExecutionId, decision: &Decision, torus: &str) -> TransactionSnapshot {
    let cause = match &decision.refused {
        None => "",
        Some(Refused::Changed { .. } | Refused::Updated { .. }) => "conflict",
        Some(Refused::Unsatisfiable { .. }) => "unsatisfiable",
    };
    let conflicts = match &decision.refused {
        Some(Refused::Changed { object, by }) => vec![control::avm::ConflictSnapshot {
            object: object.to_string(),
            changed_by: by.map(|by| by.to_string()).unwrap_or_default(),
            ..Default::default()
        }],
        _ => Vec::new(),
    };
    let core = match &decision.refused {
        Some(Refused::Unsatisfiable { names, places, .. }) => {
            names.iter().zip(places).map(|(name, place)| requirement(name, place)).collect()
        }
        _ => Vec::new(),
    };
    TransactionSnapshot {
        id: decision.tx.to_string(),
        execution: execution.to_string(),
        state: if decision.refused.is_some() { TransactionState::Aborted } else { TransactionState::Committed },
        cause: cause.to_owned(),
        why: why_not(decision).unwrap_or_default(),
        tori: vec![torus.to_owned()],
        conflicts,
        core,
        choices: decision
            .choices
            .iter()
            .enumerate()
            .map(|(at, option)| format!("choice {at}: option {option}"))
            .chain(decision.vars.iter().map(|(var, value)| format!("variable v{}: {value}", var.0)))
            .collect(),
        runs: decision.runs,
        ..TransactionSnapshot::default()
    }
}

/// A member of a core; one without a name is called by its place.
fn requirement(name: &str, place: &str) -> RequirementSnapshot {
    let name = if name == place { "" } else { name };
    RequirementSnapshot { name: name.to_owned(), place: place.to_owned(), ..RequirementSnapshot::default() }
}

/// Why a commit answered false, in the program's own words: `object o17 changed by execution x9`, or the requirements that cannot
/// hold together.
#[must_use]
pub fn why_not(decision: &Decision) -> Option<String> {
    Some(match decision.refused.as_ref()? {
        Refused::Changed { object, by: Some(by) } => format!("object {object} changed by execution {by}"),
        Refused::Changed { object, by: None } => format!("object {object} changed"),
        Refused::Updated { function } => format!("pure function {function} updated"),
        Refused::Unsatisfiable { names, .. } if names.is_empty() => "no choice leads to a commit".to_owned(),
        Refused::Unsatisfiable { names, .. } if names.len() == 1 => format!("no choice satisfies: {}", names[0]),
        Refused::Unsatisfiable { names, .. } => format!("no choice satisfies all of: {}", names.join("; ")),
    })
}

/// An open transaction as a row.
#[must_use]
pub fn open(summary: &ExecutionSummary, torus: &str) -> Option<TransactionSnapshot> {
    let first = summary.transactions.first()?;
    let deciding = summary.status == Status::Suspended(Why::Solving);
    Some(TransactionSnapshot {
        id: first.to_string(),
        execution: summary.id.to_string(),
        state: if deciding { TransactionState::Deciding } else { TransactionState::Open },
        reads: u64::from(summary.touched),
        tori: vec![torus.to_owned()],
        ..TransactionSnapshot::default()
    })
}

/// What of a trace is wanted.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// First entry; `None` = so that the newest are in it.
    pub from: Option<u64>,
    /// How many.
    pub count: usize,
    /// Which entries.
    pub query: trace::Query,
}

/// Most lifelines of a stretch, beside those its entries speak of.
const LIFELINES: usize = 256;

/// A stretch of a trace that has lost so many entries, with what is derived from the whole of it. It costs what the trace is long and
/// the stretch holds: of a trace over very many objects the first lifelines are shown, and the number of the others.
#[must_use]
pub fn stretch(
    execution: ExecutionId,
    program: &str,
    (whole, dropped): (&[LogEntry], u64),
    want: &Stretch,
    torus: &str,
) -> TraceSnapshot {
    let wanted = want.query.of(whole);
    let total = wanted.len() as u64;
    let from = want.from.unwrap_or_else(|| total.saturating_sub(want.count as u64)).min(total);
    let rows = wanted.into_iter().skip(from as usize).take(want.count);
    let rows: BTreeSet<u64> = rows.map(|entry| entry.timestamp).collect();
    let chosen = |at: usize| whole.get(at).is_some_and(|entry| rows.contains(&entry.timestamp));
    let calls = Calls::of(whole);
    let spoken: BTreeSet<ObjectId> = (0..whole.len())
        .filter(|at| chosen(*at))
        .flat_map(|at| [calls.actor(at), trace::object(&whole[at].event)])
        .flatten()
        .collect();
    let (lifelines, shown, left_out) = lifelines(whole, spoken);
    let clocks = trace::clocks_at(execution, whole, chosen);
    let mut clocks = clocks.iter().map(|clocked| clock_of(clocked, &shown));
    let mut entries = Vec::with_capacity(rows.len());
    let mut transaction = None;
    for (at, entry) in whole.iter().enumerate() {
        if let Event::TransactionStarted(id) = &entry.event {
            transaction = transaction.or(Some(*id));
        }
        if chosen(at) {
            let mut row = entry_row(entry, calls.actor(at), torus);
            row.transaction = transaction.map(|id| id.to_string()).unwrap_or_default();
            row.clock = clocks.next().unwrap_or_default();
            entries.push(row);
        }
        if let Event::TransactionCommitted(id) | Event::TransactionAborted(id) = &entry.event {
            transaction = transaction.filter(|open| open != id);
        }
    }
    TraceSnapshot {
        execution: execution.to_string(),
        program: program.to_owned(),
        total,
        from,
        dropped,
        hash: trace::trace_hash(whole, dropped).semantic.to_string(),
        lifelines,
        lifelines_left_out: left_out,
        entries,
        ..TraceSnapshot::default()
    }
}

/// The lifelines that are shown, in the order of their first entry: those spoken of, and the first others; which they are, and how
/// many are left out.
fn lifelines(whole: &[LogEntry], spoken: BTreeSet<ObjectId>) -> (Vec<LifelineSnapshot>, BTreeSet<ObjectId>, u64) {
    let mut lines = vec![LifelineSnapshot { id: "main".to_owned(), name: String::new() }];
    let mut seen = BTreeSet::from([ROOT]);
    let (mut others, mut shown) = (LIFELINES, spoken.clone());
    shown.insert(ROOT);
    for entry in whole {
        let (id, name) = match &entry.event {
            Event::ObjectCreated(id, name) => (*id, name.to_string()),
            Event::ObjectCalled(id, ..) => (*id, String::new()),
            _ => continue,
        };
        if !seen.insert(id) || !spoken.contains(&id) && others == 0 {
            continue;
        }
        others -= usize::from(shown.insert(id));
        lines.push(LifelineSnapshot { id: id.to_string(), name });
    }
    let left_out = (seen.len() - lines.len()) as u64;
    (lines, shown, left_out)
}

/// A clock, of the lifelines that are shown.
fn clock_of(clocked: &trace::Clocked<'_>, shown: &BTreeSet<ObjectId>) -> Vec<(String, u64)> {
    let known = clocked.clock.0.iter().filter(|(line, _)| shown.contains(&line.object));
    known.map(|(line, count)| (lifeline(Some(line.object)), *count)).collect()
}

fn lifeline(object: Option<avm::id::ObjectId>) -> String {
    match object {
        None => "main".to_owned(),
        Some(ROOT) => "main".to_owned(),
        Some(object) => object.to_string(),
    }
}

fn entry_row(entry: &LogEntry, actor: Option<avm::id::ObjectId>, torus: &str) -> TraceEntry {
    let (to, text, output) = match &entry.event {
        Event::ObjectCalled(object, input, output) => {
            (object.to_string(), input.to_string(), output.as_ref().map(Val::to_string))
        }
        Event::ErrorOccurred(error) => (String::new(), error_text(error), None),
        event => {
            let to = trace::object(event).filter(|object| *object != ROOT).map(|object| object.to_string());
            let shown = event.to_string();
            let inside =
                shown.split_once('(').map_or(shown.as_str(), |(_, rest)| rest.strip_suffix(')').unwrap_or(rest));
            (to.unwrap_or_default(), inside.to_owned(), None)
        }
    };
    TraceEntry {
        timestamp: entry.timestamp,
        event: trace::kind(&entry.event).to_owned(),
        from: lifeline(actor),
        to,
        text: short(&text),
        output,
        depth: entry.depth,
        controller: entry.controller.as_ref().map(ToString::to_string).unwrap_or_default(),
        torus: torus.to_owned(),
        ..TraceEntry::default()
    }
}

fn error_text(error: &AvmError) -> String {
    format!("{}: {error}", error.name())
}
