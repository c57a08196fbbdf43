//! The trace of one execution: a sequence chart that breathes, the same with vector clocks, the same as JSON.

use control::avm::{TraceEntry, TraceSnapshot};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::{PLAIN, Pen};
use super::chart::{Kind, Line, arrow, chart};
use super::{leads, missing};
use crate::avm::{TraceForm, trace, traced};
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

/// Columns of the timestamps.
const STAMP: u16 = 8;
/// Least columns of a lane.
const LANE: u16 = 14;
/// Most columns of a lane.
const LANE_MAX: u16 = 24;

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let quiet = pen.theme.quiet();
    let Some(id) = traced(state) else {
        pen.put_within(area.x + 2, area.y + 1, area.right(), "no execution to trace", quiet);
        return;
    };
    let Some(shown) = trace(state) else {
        let x = pen.put_within(area.x + 2, area.y, area.right(), "TRACE", quiet);
        pen.put_within(x + 2, area.y, area.right(), id.as_str(), pen.theme.strong());
        let words = missing(state).unwrap_or_else(|| "asking the agent for the trace".into());
        for (row, line) in
            super::super::frame::wrap(&words, usize::from(area.width.saturating_sub(4))).iter().enumerate()
        {
            pen.put_within(area.x + 2, area.y + 2 + row as u16, area.right(), line, quiet);
        }
        return;
    };
    title(pen, state, shown, area);
    let foot = u16::from(area.height > 5);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + foot), ..area };
    if shown.entries.is_empty() {
        let why = match (shown.level.as_str(), state.avm.trace_filter.is_empty()) {
            (_, false) => "no entry passes the filter; esc clears it",
            ("off", _) => "its trace is off; start it with --trace default to have one",
            _ => "nothing happened yet",
        };
        pen.put_within(area.x + 2, area.y + 2, area.right(), why, quiet);
        return;
    }
    let selected = (state.focus as u64).saturating_sub(shown.from).min(shown.entries.len() as u64 - 1) as usize;
    match state.avm.form {
        TraceForm::Chart => charted(pen, shown, selected, body),
        TraceForm::Clocks => rows(pen, shown, selected, body, clocks),
        TraceForm::Json => as_json(pen, shown, selected, body),
    }
    if foot > 0 {
        spelled(pen, &shown.entries[selected], Rect { y: area.bottom() - 1, height: 1, ..area });
    }
}

fn title(pen: &mut Pen<'_>, state: &State, shown: &TraceSnapshot, area: Rect) {
    let quiet = pen.theme.quiet();
    let x = pen.put_within(area.x + 2, area.y, area.right(), "TRACE", quiet);
    let x = pen.put_within(x + 2, area.y, area.right(), &text::ellipsize(&shown.execution, 30), pen.theme.strong());
    let mut facts =
        vec![text::ellipsize(&text::clean(&shown.program), 30), format!("{} entries", text::grouped(shown.total))];
    if shown.dropped > 0 {
        facts.push(format!("✕ {} lost", text::grouped(shown.dropped)));
    }
    if !state.avm.trace_filter.is_empty() {
        facts.push(format!("with \"{}\"", text::ellipsize(&state.avm.trace_filter, 16)));
    }
    facts.push(if state.avm.away { "G: to the newest".to_owned() } else { "follows the newest".to_owned() });
    facts.push(format!("{}, hash {}", text::clean(&shown.level), text::ellipsize(&text::clean(&shown.hash), 12)));
    let room = usize::from(area.right().saturating_sub(x + 3));
    pen.put_within(x + 2, area.y, area.right(), &text::ellipsize(&facts.join(" · "), room), quiet);
}

/// What an entry is about: the object, else the transaction.
fn about(entry: &TraceEntry) -> Target {
    match (leads(&entry.to), leads(&entry.from)) {
        (Target::Here, _) if !entry.transaction.is_empty() => leads(&entry.transaction),
        (Target::Here, from) => from,
        (to, _) => to,
    }
}

fn charted(pen: &mut Pen<'_>, shown: &TraceSnapshot, selected: usize, area: Rect) {
    let wide = area.width.saturating_sub(STAMP + 2);
    let chart = chart(shown, usize::from(wide / LANE));
    let lane = (wide / (chart.lanes.len().max(1) as u16)).clamp(4, LANE_MAX);
    let x_of = |at: usize| area.x + STAMP + 1 + at as u16 * lane;
    for (at, name) in chart.lanes.iter().enumerate() {
        let room = usize::from(lane) - 2;
        let x = x_of(at).saturating_sub(1);
        pen.put_within(x, area.y, area.right(), &text::ellipsize(name, room), pen.theme.strong());
        let id = name.split(' ').next().unwrap_or_default();
        pen.clickable(Rect::new(x, area.y, lane - 2, 1), leads(id));
    }
    let room = usize::from(area.height.saturating_sub(1));
    let chosen = chart.lines.iter().rposition(|line| line.entry == selected).unwrap_or(0);
    let first = (chosen + 1).saturating_sub(room.max(1));
    for (row, line) in chart.lines.iter().skip(first).take(room).enumerate() {
        let y = area.y + 1 + row as u16;
        for at in 0..chart.lanes.len() {
            pen.put_within(x_of(at), y, area.right(), "│", pen.theme.quiet());
        }
        let entry = &shown.entries[line.entry];
        put_line(pen, line, entry, area, y, &x_of);
        let last = chart.lines[first + row + 1..].iter().all(|later| later.entry != line.entry);
        let place = Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1);
        if last {
            let stamp = text::right(&text::count(entry.timestamp, 6), 6);
            pen.put_within(area.x + 1, y, area.right(), &stamp, pen.theme.quiet());
            pen.selectable_as(place, about(entry), shown.from as usize + line.entry);
        } else {
            pen.clickable(place, about(entry));
        }
    }
}

fn style(pen: &Pen<'_>, kind: Kind, entry: &TraceEntry) -> Style {
    match kind {
        Kind::Commit => pen.theme.shape(Shape::Well),
        Kind::Bad => pen.theme.shape(Shape::Failed),
        // Not decided yet: it may never have happened.
        _ if entry.provisional => pen.theme.quiet(),
        Kind::Return | Kind::Other => pen.theme.quiet(),
        Kind::Call | Kind::Begin => PLAIN,
    }
}

fn put_line(pen: &mut Pen<'_>, line: &Line, entry: &TraceEntry, area: Rect, y: u16, x_of: &impl Fn(usize) -> u16) {
    let style = style(pen, line.kind, entry);
    let (from, to) = (x_of(line.from), x_of(line.to));
    if from == to {
        let x = pen.put_within(from + 1, y, area.right() - 1, " ", style);
        let room = usize::from((area.right() - 1).saturating_sub(x));
        let sign = match line.kind {
            Kind::Call => "↻ ",
            Kind::Return => "↺ ",
            _ => "",
        };
        let x = pen.put_within(x, y, area.right() - 1, &text::ellipsize(&format!("{sign}{} ", line.text), room), style);
        if line.kind == Kind::Begin {
            let rest = usize::from((area.right() - 1).saturating_sub(x));
            pen.put_within(x, y, area.right() - 1, &"─".repeat(rest), pen.theme.quiet());
        }
        return;
    }
    let (left, right) = (from.min(to), from.max(to));
    let words = arrow(usize::from(right - left - 1), &line.text, from < to, line.kind == Kind::Return);
    pen.put_within(left + 1, y, area.right(), &words, style);
}

/// Rows of text, one an entry.
fn rows(pen: &mut Pen<'_>, shown: &TraceSnapshot, selected: usize, area: Rect, words: fn(&TraceEntry) -> String) {
    let room = usize::from(area.height);
    let first = (selected + 1).saturating_sub(room.max(1));
    for (row, entry) in shown.entries.iter().enumerate().skip(first).take(room) {
        let y = area.y + (row - first) as u16;
        let style = if entry.provisional { pen.theme.quiet() } else { PLAIN };
        let stamp = text::right(&text::count(entry.timestamp, 6), 6);
        let x = pen.put_within(area.x + 1, y, area.right(), &stamp, pen.theme.quiet());
        let room = usize::from(area.right().saturating_sub(x + 2));
        pen.put_within(x + 1, y, area.right(), &text::ellipsize(&words(entry), room), style);
        let place = Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1);
        pen.selectable_as(place, about(entry), shown.from as usize + row);
    }
}

fn clocks(entry: &TraceEntry) -> String {
    let clock: Vec<String> = entry.clock.iter().map(|(id, count)| format!("{id}:{count}")).collect();
    let to = if entry.to.is_empty() { String::new() } else { format!(" → {}", entry.to) };
    let who = text::left(&format!("{}{to}", entry.from), 16);
    format!("{} {who} [{}]", text::left(&entry.event, 20), clock.join(" "))
}

fn json(entry: &TraceEntry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

/// Lines of JSON; the selected one broken into its fields where there is room.
fn as_json(pen: &mut Pen<'_>, shown: &TraceSnapshot, selected: usize, area: Rect) {
    let fields = serde_json::to_string_pretty(&shown.entries[selected]).unwrap_or_default();
    let fields: Vec<&str> = fields.lines().collect();
    let below = if area.height >= 16 { (fields.len() as u16).min(area.height / 2) } else { 0 };
    rows(pen, shown, selected, Rect { height: area.height - below, ..area }, json);
    if below > 0 {
        let y = area.bottom() - below;
        pen.rule(area, y, "the selected entry");
        for (row, line) in fields.iter().take(usize::from(below - 1)).enumerate() {
            let room = usize::from(area.width.saturating_sub(4));
            pen.put_within(area.x + 2, y + 1 + row as u16, area.right(), &text::ellipsize(line, room), PLAIN);
        }
    }
}

/// The selected entry in full.
fn spelled(pen: &mut Pen<'_>, entry: &TraceEntry, area: Rect) {
    let mut words = format!("[{}] {}", entry.timestamp, entry.event);
    for part in [&entry.to, &entry.text] {
        if !part.is_empty() {
            words += &format!(" {part}");
        }
    }
    if let Some(output) = &entry.output {
        words += &format!(" → {output}");
    }
    for (sign, part) in
        [("@", &entry.controller), ("· ", &entry.note), ("· ", &entry.place), ("· torus ", &entry.torus)]
    {
        if !part.is_empty() {
            words += &format!(" {sign}{part}");
        }
    }
    if entry.provisional {
        words += " · provisional: its transaction is not decided";
    }
    let room = usize::from(area.width.saturating_sub(3));
    pen.put_within(area.x + 2, area.y, area.right(), &text::ellipsize(&words, room), pen.theme.strong());
}
