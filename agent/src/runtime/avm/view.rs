//! From the machine's own words to those of the contract: rows, traces, transactions.

use std::collections::BTreeSet;

use avm::event::{Event, LogEntry, TraceLevel};
use avm::id::{ExecutionId, ObjectId, ROOT};
use avm::trace::{self, Calls};
use avm::vm::{
    Changed, Decision, ExecutionSummary, Failure, ObjectSummary, Refused, Sets, StackEntry, Status, Waits, Why,
};
use avm::{AvmError, Val};
use control::avm::{
    ConflictSnapshot, ExecutionSnapshot, ExecutionState, FrameSnapshot, LifelineSnapshot, ObjectSnapshot, ReadSnapshot,
    RequirementSnapshot, TraceEntry, TraceSnapshot, TransactionSnapshot, TransactionState, VersionSnapshot,
    WriteSnapshot,
};

use super::look::{Begun, Known};
use super::machine::{Asked, Info};

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

/// A failure in full: the error, and the calls it happened in, innermost first (`decisions:AVM-23i`).
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

/// An execution as a row; `home` names the torus of an object.
#[must_use]
pub fn execution(row: &Row, torus: &str, machine: &str, home: &dyn Fn(u8) -> Option<String>) -> ExecutionSnapshot {
    let (summary, info) = (&row.summary, &row.info);
    let (state, why) = state_of(row, home);
    let waits_for = match summary.waits_for {
        Some(Waits::Object(object)) => object.to_string(),
        Some(Waits::Transaction(tx)) => tx.to_string(),
        None => String::new(),
    };
    let program = summary
        .program
        .rsplit_once('.')
        .map_or_else(|| summary.program.clone(), |(module, entry)| format!("{module}#{entry}"));
    ExecutionSnapshot {
        id: summary.id.to_string(),
        program,
        state,
        why,
        waits_for,
        since_unix_ns: info.since_unix_ns,
        started_unix_ns: info.started_unix_ns,
        fuel: summary.operations,
        fuel_limit: if info.fuel == u64::MAX { 0 } else { info.fuel },
        memory_bytes: summary.memory_bytes,
        memory_limit_bytes: summary.memory_limit,
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

fn state_of(row: &Row, home: &dyn Fn(u8) -> Option<String>) -> (ExecutionState, String) {
    match (row.summary.status, &row.result) {
        (Status::Running, _) => (ExecutionState::Running, String::new()),
        (Status::Suspended(why), _) => (ExecutionState::Suspended, waits(why, row.summary.waits_for, home)),
        (Status::Terminated, _) if row.info.terminated => (ExecutionState::Terminated, "by hand".to_owned()),
        (Status::Terminated, Some(Err(failure))) => (ExecutionState::Failed, short(&failure_line(failure))),
        (Status::Terminated, Some(Ok(value))) => (ExecutionState::Ended, short(&value.to_string())),
        (Status::Terminated, None) => (ExecutionState::Terminated, String::new()),
    }
}

fn waits(why: Why, what: Option<Waits>, home: &dyn Fn(u8) -> Option<String>) -> String {
    let words = match (why, what) {
        (Why::Elsewhere, Some(Waits::Object(object))) => {
            let torus = home(object.torus()).map_or_else(String::new, |name| format!(" of torus {name}"));
            return format!("waits for {object}{torus}");
        }
        (Why::Elsewhere, Some(Waits::Transaction(_))) => "waits for other tori to decide",
        (Why::Receiving, Some(Waits::Object(object))) => return format!("waits for a message to {object}"),
        (Why::Asked, _) => "by hand",
        (Why::Solving, _) => "waits for the solver",
        (Why::Receiving, _) => "waits for a message",
        (Why::Sleeping, _) => "sleeps",
        (Why::Elsewhere, None) => "waits for another torus",
        (Why::Recording, _) => "waits for the journal",
    };
    words.to_owned()
}

/// What a trace holds, in the word of the command line.
#[must_use]
pub const fn level(level: TraceLevel) -> &'static str {
    match level {
        TraceLevel::Off => "off",
        TraceLevel::Default => "default",
        TraceLevel::Extended => "extended",
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
        last_writer: summary.writer.map(|writer| writer.to_string()).unwrap_or_default(),
        changed_unix_ns: summary.changed_ns,
        intent: summary.intent.map(|writer| writer.to_string()).unwrap_or_default(),
        replicas: summary.replicas,
    }
}

/// One remembered version of an object.
#[must_use]
pub fn version(changed: &Changed) -> VersionSnapshot {
    VersionSnapshot {
        version: changed.version,
        execution: changed.by.to_string(),
        transaction: changed.tx.map(|tx| tx.to_string()).unwrap_or_default(),
        at_unix_ns: changed.at_ns,
        what: changed.what.word().to_owned(),
        value: changed.state.as_ref().map(|state| short(&state.to_string())).unwrap_or_default(),
    }
}

/// What a transaction read and wrote, into its row.
fn with_sets(row: TransactionSnapshot, sets: &Sets, asked: Option<Asked>) -> TransactionSnapshot {
    let read = |(object, version): &(_, Option<u64>)| ReadSnapshot { object: name(*object), version: *version };
    let write = |(object, what): &(_, avm::vm::Change)| WriteSnapshot {
        object: name(*object),
        what: what.word().to_owned(),
        value: String::new(),
    };
    TransactionSnapshot {
        controller: sets.controller.as_ref().map(ToString::to_string).unwrap_or_default(),
        began_unix_ns: sets.began_ns,
        ended_unix_ns: sets.ended_ns,
        reads: sets.read_count,
        writes: sets.write_count,
        read_set: sets.reads.iter().map(read).collect(),
        write_set: sets.writes.iter().map(write).collect(),
        solver_ns: asked.map(|asked| asked.took_ns),
        questions: asked.map_or(0, |asked| asked.questions),
        ..row
    }
}

fn name(object: avm::id::ObjectId) -> String {
    object.to_string()
}

/// The word for why a transaction was not committed; empty for one that was.
const fn cause(refused: Option<&Refused>, error: bool) -> &'static str {
    match refused {
        None => "",
        Some(Refused::Changed { .. } | Refused::Updated { .. }) => "conflict",
        Some(Refused::Unsatisfiable { .. }) => "unsatisfiable",
        Some(Refused::Dropped { error: Some(_) }) if error => "unknown",
        Some(Refused::Dropped { error: Some(_) }) => "error",
        Some(Refused::Dropped { error: None }) => "program",
    }
}

/// A decided transaction as a row.
#[must_use]
pub fn decided((known, asked): &Known, torus: &str) -> TransactionSnapshot {
    let (decision, sets) = (&known.decision, &known.sets);
    let conflicts = match &decision.refused {
        Some(Refused::Changed { object, by }) => vec![ConflictSnapshot {
            object: name(*object),
            changed_by: by.map(|by| by.to_string()).unwrap_or_default(),
            read: sets.reads.iter().find(|(read, _)| read == object).and_then(|(_, version)| *version),
            found: sets.found,
            ..ConflictSnapshot::default()
        }],
        _ => Vec::new(),
    };
    let core = match &decision.refused {
        Some(Refused::Unsatisfiable { names, places, .. }) => {
            names.iter().zip(places).map(|(name, place)| requirement(name, place)).collect()
        }
        _ => Vec::new(),
    };
    let undecided = match &decision.refused {
        Some(Refused::Dropped { error: Some(error) }) => error.starts_with("ErrProgramSolverUnknown"),
        _ => false,
    };
    let choice = |(at, option): (usize, &u32)| format!("choice {at}: option {option}");
    let row = TransactionSnapshot {
        id: decision.tx.to_string(),
        execution: known.execution.to_string(),
        state: if decision.refused.is_some() { TransactionState::Aborted } else { TransactionState::Committed },
        cause: cause(decision.refused.as_ref(), undecided).to_owned(),
        why: why_not(decision).unwrap_or_default(),
        tori: vec![torus.to_owned()],
        conflicts,
        core,
        choices: (decision.choices.iter().enumerate().map(choice))
            .chain(decision.vars.iter().map(|(var, value)| format!("variable v{}: {value}", var.0)))
            .collect(),
        runs: decision.runs,
        ..TransactionSnapshot::default()
    };
    with_sets(row, sets, *asked)
}

/// A member of a core; one without a name is called by its place.
fn requirement(name: &str, place: &str) -> RequirementSnapshot {
    let name = if name == place { "" } else { name };
    RequirementSnapshot { name: name.to_owned(), place: place.to_owned(), ..RequirementSnapshot::default() }
}

/// Why a commit answered false (`decisions:AVM-23j`), in the program's own words: `object o17 changed by execution x9`, or the
/// requirements that cannot hold together.
#[must_use]
pub fn why_not(decision: &Decision) -> Option<String> {
    Some(match decision.refused.as_ref()? {
        Refused::Changed { object, by: Some(by) } => format!("object {object} changed by execution {by}"),
        Refused::Changed { object, by: None } => format!("object {object} changed"),
        Refused::Updated { function } => format!("pure function {function} updated"),
        Refused::Unsatisfiable { names, places, .. } => {
            let named = |(name, place): (&String, &String)| match place.is_empty() || place == name {
                true => name.clone(),
                false => format!("{name} ({place})"),
            };
            let names: Vec<String> = names.iter().zip(places).map(named).collect();
            match names.as_slice() {
                [] => "no choice leads to a commit".to_owned(),
                [one] => format!("no choice satisfies: {one}"),
                _ => format!("no choice satisfies all of: {}", names.join("; ")),
            }
        }
        Refused::Dropped { error: Some(error) } => short(error),
        Refused::Dropped { error: None } => "the program aborted it, or ended with it open".to_owned(),
    })
}

/// A question to the solver as JSON, in the form that is read back.
#[must_use]
pub fn question(ir: &avm::nondet::Ir) -> String {
    let text = avm::nondet::json::to_json(ir);
    let pretty = |value: serde_json::Value| serde_json::to_string_pretty(&value).ok();
    serde_json::from_str(&text).ok().and_then(pretty).unwrap_or(text)
}

/// An open transaction as a row.
#[must_use]
pub fn open((summary, sets, asked): &Begun, torus: &str) -> TransactionSnapshot {
    let waits = matches!(summary.status, Status::Suspended(Why::Solving | Why::Elsewhere));
    let row = TransactionSnapshot {
        id: summary.transactions.first().map(ToString::to_string).unwrap_or_default(),
        execution: summary.id.to_string(),
        state: if waits { TransactionState::Deciding } else { TransactionState::Open },
        tori: vec![torus.to_owned()],
        ..TransactionSnapshot::default()
    };
    with_sets(row, sets, *asked)
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

/// The entries of a trace that are wanted, and how many stand before them.
pub struct Cut {
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// Entries before the first.
    pub before: u64,
}

/// Cuts what is wanted out of a trace.
#[must_use]
pub fn cut(whole: &[LogEntry], want: &Stretch) -> Cut {
    let wanted = want.query.of(whole);
    let total = wanted.len() as u64;
    let from = want.from.unwrap_or_else(|| total.saturating_sub(want.count as u64)).min(total);
    let entries = wanted.into_iter().skip(from as usize).take(want.count).cloned().collect();
    Cut { entries, before: from }
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
