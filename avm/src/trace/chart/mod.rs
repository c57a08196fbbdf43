//! A trace as a sequence chart in text: a line down the page for the program and each object, arrows for calls and their outputs,
//! transactions with what became of them.
//!
//! ```text
//!    main            o0 acct           o1 acct
//!     │ beginTx t0 ──────────────────────┤ c1
//!     │── withdraw 30 ─▶│                │
//!     │◀──── ok ────────│                │
//!     │── deposit 30 ──────────────────▶│
//!     │ commitTx t0  ✓ 2 objects
//! ```

mod row;

use std::collections::{BTreeMap, BTreeSet};

use row::{CALL_LEAD, Columns, Row};

use super::calls::{Calls, Step};
use super::query::{kind, object, transaction};
use crate::event::{Event, LogEntry};
use crate::id::{ControllerId, ObjectId, ROOT, TxId};
use crate::value::Val;
use crate::vm::{Decision, Refused};

/// How a chart is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Columns of the page; no line is wider. 40 at least.
    pub width: usize,
    /// Names of objects beyond the behaviours that the trace tells.
    pub names: BTreeMap<ObjectId, String>,
    /// What became of transactions, in words: see [`reason`].
    pub notes: BTreeMap<TxId, String>,
    /// Entries that were lost before these (`decisions:AVM-21`).
    pub lost: u64,
}

impl Default for Chart {
    fn default() -> Self {
        Self { width: 80, names: BTreeMap::new(), notes: BTreeMap::new(), lost: 0 }
    }
}

/// Why a transaction was not committed, in one line; `None` when it was.
#[must_use]
pub fn reason(decision: &Decision) -> Option<String> {
    Some(match decision.refused.as_ref()? {
        Refused::Changed { object, by: Some(by) } => format!("conflict: {object} was changed by {by}"),
        Refused::Changed { object, by: None } => format!("conflict: {object} was changed"),
        Refused::Updated { function } => format!("conflict: {function} was updated"),
        Refused::Unsatisfiable { names, .. } if names.is_empty() => "no choice leads to a commit".into(),
        Refused::Unsatisfiable { names, .. } if names.len() == 1 => format!("no choice satisfies {}", names[0]),
        Refused::Unsatisfiable { names, .. } => format!("no choice satisfies all of: {}", names.join("; ")),
        Refused::Dropped { error: Some(error) } => error.clone(),
        Refused::Dropped { error: None } => "by the program".into(),
    })
}

/// Draws a trace.
#[must_use]
pub fn chart(trace: &[LogEntry], how: &Chart) -> String {
    let calls = Calls::of(trace);
    let steps = calls.steps(trace);
    let ends = ends(trace);
    let columns = Columns::new(how.width.max(40), &lifelines(trace, &steps, how));
    let drawing = Drawing { trace, how, columns: &columns, ends: &ends };
    let mut out = columns.head();
    if how.lost > 0 {
        drawing.at(&mut out, Some(ROOT), &format!("... {} entries did not fit the trace", how.lost));
    }
    if trace.is_empty() {
        drawing.at(&mut out, Some(ROOT), "nothing was logged");
    }
    steps.iter().for_each(|step| drawing.step(&mut out, *step));
    out
}

/// How the transactions of a trace ended: stamp of the end, and objects called between start and end.
fn ends(trace: &[LogEntry]) -> BTreeMap<TxId, (Option<ControllerId>, usize)> {
    let mut open: BTreeMap<TxId, BTreeSet<ObjectId>> = BTreeMap::new();
    let mut out = BTreeMap::new();
    for entry in trace {
        match entry.event {
            Event::TransactionStarted(t) => {
                open.insert(t, BTreeSet::new());
            }
            Event::TransactionCommitted(t) | Event::TransactionAborted(t) => {
                let objects = open.remove(&t).map_or(0, |objects| objects.len());
                out.insert(t, (entry.controller.clone(), objects));
            }
            _ => {
                if let Some(object) = object(&entry.event) {
                    open.values_mut().for_each(|objects| {
                        objects.insert(object);
                    });
                }
            }
        }
    }
    out
}

/// Lifelines in the order of their first step, with their labels; the program first.
fn lifelines(trace: &[LogEntry], steps: &[Step], how: &Chart) -> Vec<(Option<ObjectId>, String)> {
    let mut names = BTreeMap::new();
    for entry in trace {
        if let Event::ObjectCreated(object, behaviour) = &entry.event {
            names.insert(*object, last_part(behaviour).to_owned());
        }
    }
    names.extend(how.names.clone());
    let mut out = vec![(Some(ROOT), "main".to_owned())];
    let mut see = |line: Option<ObjectId>| {
        if out.iter().all(|(seen, _)| *seen != line) {
            let label = match line {
                None => "(unfinished)".to_owned(),
                Some(object) => match names.get(&object) {
                    Some(name) => format!("{object} {}", printable(name)),
                    None => object.to_string(),
                },
            };
            out.push((line, label));
        }
    };
    for step in steps {
        match step {
            Step::Call { from, to, .. } | Step::Return { from, to, .. } => {
                see(*from);
                see(Some(*to));
            }
            Step::At { entry, by } => {
                see(*by);
                if let Event::ObjectCreated(object, _) = trace[*entry].event {
                    see(Some(object));
                }
            }
        }
    }
    out
}

struct Drawing<'d> {
    trace: &'d [LogEntry],
    how: &'d Chart,
    columns: &'d Columns,
    ends: &'d BTreeMap<TxId, (Option<ControllerId>, usize)>,
}

impl Drawing<'_> {
    fn step(&self, out: &mut String, step: Step) {
        let event = &self.trace[step.entry()].event;
        match (step, event) {
            (Step::Call { from, to, .. }, Event::ObjectCalled(_, input, _)) => {
                self.arrow(out, from, Some(to), &said(input), CALL_LEAD);
            }
            (Step::Return { from, to, .. }, Event::ObjectCalled(_, _, output)) => {
                let text = output.as_ref().map_or_else(String::new, said);
                self.arrow(out, Some(to), from, &text, 2 * CALL_LEAD);
            }
            (Step::At { by, .. }, Event::ObjectCreated(object, behaviour)) => {
                self.arrow(
                    out,
                    by,
                    Some(*object),
                    &format!("createObj {}", printable(last_part(behaviour))),
                    CALL_LEAD,
                );
            }
            (Step::At { by, .. }, Event::TransactionStarted(t)) => {
                let end = self.ends.get(t).and_then(|(controller, _)| controller.clone());
                let stamp = end.or_else(|| self.trace[step.entry()].controller.clone());
                let stamp = stamp.map_or_else(|| "-".to_owned(), |controller| controller.to_string());
                let mut row = Row::new(self.columns);
                row.bar(by, &format!("beginTx {t}"), &printable(&stamp));
                row.write(out);
            }
            (Step::At { by, .. }, event) => self.at(out, by, &self.words(event)),
            _ => {}
        }
    }

    fn arrow(&self, out: &mut String, from: Option<ObjectId>, to: Option<ObjectId>, text: &str, lead: usize) {
        let mut row = Row::new(self.columns);
        row.arrow(from, to, &printable(text), lead);
        row.write(out);
    }

    /// Text beside a lifeline, on as many rows as it takes.
    fn at(&self, out: &mut String, by: Option<ObjectId>, text: &str) {
        for part in self.columns.wrap(by, &printable(text)) {
            let mut row = Row::new(self.columns);
            row.text(by, &part);
            row.write(out);
        }
    }

    fn words(&self, event: &Event) -> String {
        let note = |t: &TxId| self.how.notes.get(t).map(|note| printable(note));
        match event {
            Event::TransactionCommitted(t) => {
                let objects = self.ends.get(t).map_or(0, |(_, objects)| *objects);
                let counted = || format!("{objects} object{}", if objects == 1 { "" } else { "s" });
                format!("commitTx {t}  ✓ {}", note(t).unwrap_or_else(counted))
            }
            Event::TransactionAborted(t) => match note(t) {
                Some(note) => format!("abortTx {t}  ✗ {note}"),
                None => format!("abortTx {t}  ✗"),
            },
            Event::ErrorOccurred(error) => format!("✗ {}: {}", error.name(), printable(&error.to_string())),
            Event::MessageReceived(_, message) => format!("received {}", said(message)),
            Event::ObjectDestroyed(object) => format!("destroyObj {object}"),
            Event::ObjectMoved(object, from, to) => format!("moveObject {object}: {from} to {to}"),
            Event::ObjectUpgraded(object, from, to) => {
                format!("upgrade {object}: {} to {}", printable(from), printable(to))
            }
            Event::ExecutionMoved(from, to) => format!("moves from {from} to {to}"),
            Event::ObjectFetched(object, machine) => format!("fetch {object} to {machine}"),
            Event::ObjectTransferred(object, from, to) => format!("transferObject {object}: {from} to {to}"),
            Event::ObjectFrozen(object, controller) => format!("freeze {object} by {controller}"),
            Event::FunctionUpdated(name) => format!("updatePure {}", printable(name)),
            Event::Labeled(var, value) => format!("label v{} = {value}", var.0),
            Event::Noted(value) => format!("note {value}"),
            Event::StateUpdated(_) => "setState".to_owned(),
            other if transaction(other).is_none() => printable(&other.to_string()),
            other => kind(other).to_owned(),
        }
    }
}

/// A message as people say it: `deposit 5` for `["deposit", 5]`.
fn said(message: &Val) -> String {
    match message {
        Val::Text(word) => printable(word),
        Val::List(parts) => match parts.split_first() {
            Some((Val::Text(tag), rest)) if !tag.is_empty() => {
                rest.iter().fold(printable(tag), |line, part| format!("{line} {part}"))
            }
            _ => message.to_string(),
        },
        _ => message.to_string(),
    }
}

/// `module.behaviour` is known by its last part.
fn last_part(behaviour: &str) -> &str {
    behaviour.rsplit('.').next().unwrap_or(behaviour)
}

/// A text without anything that would leave its line.
fn printable(text: &str) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.to_owned() }
}
