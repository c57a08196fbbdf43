//! A sequence chart of trace entries. It is laid out here and not by the agent: its width is that of this terminal, its lines lead
//! to things and are selected one by one, and a recording is drawn anew at any size.

use control::avm::{TraceEntry, TraceSnapshot};

use crate::text;

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call begins.
    Call,
    /// A call returns.
    Return,
    /// A transaction begins.
    Begin,
    /// It is committed.
    Commit,
    /// It is aborted, or an error occurred.
    Bad,
    /// Anything else.
    Other,
}

/// One line of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Index of its entry.
    pub entry: usize,
    /// What it shows.
    pub kind: Kind,
    /// Lane it starts on.
    pub from: usize,
    /// Lane it goes to; the same = it stays there.
    pub to: usize,
    /// What is said.
    pub text: String,
    depth: u32,
}

/// A chart: lanes and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Titles of the lanes.
    pub lanes: Vec<String>,
    /// Lines, in the order in which things began.
    pub lines: Vec<Line>,
}

/// Makes the chart of a stretch with at most `most` lanes; those that find no room share the last.
#[must_use]
pub fn chart(trace: &TraceSnapshot, most: usize) -> Chart {
    let most = most.max(1);
    let takes_part = |id: &str| trace.entries.iter().any(|entry| entry.from == id || entry.to == id);
    let mut known: Vec<(&str, &str)> =
        trace.lifelines.iter().map(|line| (line.id.as_str(), line.name.as_str())).collect();
    for entry in &trace.entries {
        for id in [entry.from.as_str(), entry.to.as_str()] {
            if !id.is_empty() && !known.iter().any(|(known, _)| *known == id) {
                known.push((id, ""));
            }
        }
    }
    known.retain(|(id, _)| takes_part(id));
    let shared = known.len() > most;
    let own = if shared { most - 1 } else { known.len() };
    let mut lanes: Vec<String> =
        known[..own].iter().map(|(id, name)| format!("{id} {name}").trim().to_owned()).collect();
    if shared {
        lanes.push(format!("{} others", known.len() - own));
    }
    let lane = |id: &str| known.iter().position(|(known, _)| *known == id).map(|at| at.min(own));
    let mut lines: Vec<Line> = Vec::new();
    for (at, entry) in trace.entries.iter().enumerate() {
        let from = lane(&entry.from).unwrap_or(0);
        let to = lane(&entry.to).unwrap_or(from);
        add(&mut lines, at, entry, from, to);
    }
    Chart { lanes, lines }
}

fn add(lines: &mut Vec<Line>, at: usize, entry: &TraceEntry, from: usize, to: usize) {
    let depth = entry.depth;
    let line = |kind, from, to, text: String| Line { entry: at, kind, from, to, text: text::clean(&text), depth };
    let transaction = &entry.transaction;
    let note = if entry.note.is_empty() { String::new() } else { format!("  {}", entry.note) };
    let controller = if entry.controller.is_empty() { String::new() } else { format!(" @{}", entry.controller) };
    match entry.event.as_str() {
        "ObjectCalled" => {
            // Entries of the callee stand before its call; the call began before them.
            let inner = lines.iter().rev().take_while(|line| line.depth > depth).count();
            lines.insert(lines.len() - inner, line(Kind::Call, from, to, entry.text.clone()));
            let output = entry.output.clone().unwrap_or_else(|| "declines".to_owned());
            lines.push(line(Kind::Return, to, from, output + &note));
        }
        "TransactionStarted" => {
            lines.push(line(Kind::Begin, from, from, format!("beginTx {transaction}{controller}{note}")));
        }
        "TransactionCommitted" => {
            lines.push(line(Kind::Commit, from, from, format!("commitTx {transaction}  ✓{note}")));
        }
        "TransactionAborted" => {
            lines.push(line(Kind::Bad, from, from, format!("abortTx {transaction}  ✕{note}")));
        }
        "ErrorOccurred" => lines.push(line(Kind::Bad, from, to, format!("✕ {}{note}", entry.text))),
        "ObjectCreated" => lines.push(line(Kind::Call, from, to, format!("createObj {}{note}", entry.text))),
        "Noted" => lines.push(line(Kind::Other, from, to, format!("note {}{note}", entry.text))),
        other => lines.push(line(Kind::Other, from, to, format!("{other} {}{note}", entry.text))),
    }
}

/// An arrow over `columns` cells with what is said on it.
#[must_use]
pub fn arrow(columns: usize, label: &str, rightwards: bool, dashed: bool) -> String {
    let dash = if dashed { '┄' } else { '─' };
    if columns == 0 {
        return String::new();
    }
    let room = columns.saturating_sub(6);
    let label = if room < 2 { String::new() } else { text::ellipsize(label, room) };
    let mut out = String::new();
    if !rightwards {
        out.push('◀');
    }
    let words = if label.is_empty() { String::new() } else { format!(" {label} ") };
    let used = text::width(&words) + 1;
    let before = 2.min(columns.saturating_sub(used));
    out.extend(std::iter::repeat_n(dash, before));
    out.push_str(&words);
    out.extend(std::iter::repeat_n(dash, columns.saturating_sub(used + before)));
    if rightwards {
        out.push('▶');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: &str, from: &str, to: &str, depth: u32) -> TraceEntry {
        TraceEntry { event: event.into(), from: from.into(), to: to.into(), depth, ..TraceEntry::default() }
    }

    /// Aim: calls are drawn where they began, although the trace holds them where they ended (`avm:7.6`).
    #[test]
    fn calls_inside_calls_are_drawn_inside_them() {
        let entries = vec![
            entry("TransactionStarted", "main", "", 0),
            entry("ObjectCalled", "o1", "o2", 1),
            entry("ObjectCreated", "o2", "o3", 2),
            entry("ObjectCalled", "o1", "o2", 1),
            entry("ObjectCalled", "main", "o1", 0),
            entry("ObjectCalled", "main", "o2", 0),
        ];
        let chart = chart(&TraceSnapshot { entries, ..TraceSnapshot::default() }, 9);
        let drawn: Vec<(usize, Kind)> = chart.lines.iter().map(|line| (line.entry, line.kind)).collect();
        let (call, back) = (Kind::Call, Kind::Return);
        // Entry 2 belongs to the call of entry 3: it has a deeper place than the call that had ended before.
        let wanted = [
            (0, Kind::Begin),
            (4, call),
            (1, call),
            (1, back),
            (3, call),
            (2, call),
            (3, back),
            (4, back),
            (5, call),
            (5, back),
        ];
        assert_eq!(drawn, wanted);
        assert_eq!(chart.lanes, ["main", "o1", "o2", "o3"]);
    }

    #[test]
    fn lanes_that_find_no_room_share_the_last() {
        let entries = (0..9).map(|at| entry("ObjectCalled", "main", &format!("o{at}"), 0)).collect();
        let chart = chart(&TraceSnapshot { entries, ..TraceSnapshot::default() }, 4);
        assert_eq!(chart.lanes, ["main", "o0", "o1", "7 others"]);
        assert!(chart.lines.iter().all(|line| line.from < 4 && line.to < 4));
    }

    #[test]
    fn arrows_are_exactly_as_long_as_there_is_room() {
        assert_eq!(arrow(16, "withdraw 30", true, false), "── withdraw … ─▶");
        assert_eq!(arrow(12, "ok", false, true), "◀┄┄ ok ┄┄┄┄┄");
        for columns in 0..40 {
            for label in ["", "ok", "環環環環環環環環"] {
                for rightwards in [true, false] {
                    assert_eq!(text::width(&arrow(columns, label, rightwards, false)), columns, "{columns} {label}");
                }
            }
        }
    }
}
