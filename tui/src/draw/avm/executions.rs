//! Executions: all of them, and one.

use control::AvmSnapshot;
use control::avm::{ExecutionDetail, ExecutionSnapshot, ExecutionState};
use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::list::{id_width, left, right, spelled_out, window};
use super::sheet::{Sheet, title};
use super::{ago, below_title, counted, dotted_leading, leads, missing, or_dash, shape, torus_target};
use crate::avm::rows::{Listed, execution, execution_word, shown};
use crate::history::Scene;
use crate::state::State;
use crate::target::{Id, Screen, Target};
use crate::text;

/// All executions.
pub fn list(pen: &mut Pen<'_>, state: &State, scene: &Scene, record: &AvmSnapshot, area: Rect) {
    let mut y = area.y;
    if area.height > 7 {
        totals(pen, scene, record, area, y);
        y += 1;
    }
    if area.height > 10 && !record.lanes.is_empty() {
        lanes(pen, scene, record, area, y);
        y += 1;
    }
    let rest = area.bottom().saturating_sub(y);
    let spelled = u16::from(rest > 5);
    let rows = shown::<ExecutionSnapshot>(state).map_or_else(Vec::new, |list| list.rows);
    let wide = id_width(rows.iter().map(|row| row.id.as_str()));
    let columns = vec![
        left("ID", "id", wide, 0),
        left("PROGRAM", "program", 18, 0),
        left("STATE", "state", 12, 0),
        right("FUEL", "fuel", 9, 2),
        right("MEMORY", "memory", 11, 4),
        left("TORUS", "torus", 8, 1),
        right("MOVES", "moves", 8, 2),
        left("TX", "", wide, 5),
        right("ABORTS", "aborts", 9, 7),
        left("SINCE", "since", 11, 6),
        left("WHY", "", 0, 3),
    ];
    let at = Rect { y, height: rest - spelled, ..area };
    window(pen, state, at, columns, |pen, row, column| cell(pen, scene, row, column));
    if spelled > 0
        && let Some(row) = shown::<ExecutionSnapshot>(state).and_then(|list| list.row(state.focus as u64).cloned())
    {
        let between = if row.why.is_empty() { "" } else { ": " };
        let words = format!("{}{between}{}", text::ellipsize(&row.program, 30), row.why);
        spelled_out(pen, Rect { y: area.bottom() - 1, height: 1, ..area }, shape(row.state), &row.id, &words);
    }
}

fn totals(pen: &mut Pen<'_>, scene: &Scene, record: &AvmSnapshot, area: Rect, y: u16) {
    let quiet = pen.theme.quiet();
    let totals = &record.totals;
    let count = |state: ExecutionState, number: u64, word: &str| -> Vec<Part> {
        let style = if number > 0 { pen.theme.shape(shape(state)) } else { quiet };
        let symbol = (format!("{} ", shape(state).symbol()), style);
        vec![symbol, (text::count(number, 7), PLAIN), (format!(" {word}"), quiet)]
    };
    let mut facts = vec![
        count(ExecutionState::Running, totals.running, "running"),
        count(ExecutionState::Suspended, totals.suspended, "suspended"),
        count(ExecutionState::Failed, totals.failed, "failed"),
        count(ExecutionState::Ended, totals.ended, "ended"),
    ];
    if totals.suspended_by_hand > 0 {
        facts[1].push((format!(" ({} by hand)", text::count(totals.suspended_by_hand, 7)), quiet));
    }
    if let Some(rates) = &scene.avm {
        facts.push(vec![(text::rate(rates.operations, "op/s"), PLAIN)]);
        facts.push(vec![("moves ".into(), quiet), (text::rate(rates.moves, "/s"), PLAIN)]);
        facts.push(vec![("started ".into(), quiet), (text::rate(rates.started, "/s"), PLAIN)]);
    }
    for note in &record.notes {
        facts.push(vec![(text::clean(note), quiet)]);
    }
    let states = ["running", "suspended", "failed", "ended"];
    dotted_leading(pen, area, y, &facts, &states.map(|state| Target::Listed(Screen::Executions, state)));
}

/// Executions by torus, with the last minute: one sees them level out.
fn lanes(pen: &mut Pen<'_>, scene: &Scene, record: &AvmSnapshot, area: Rect, y: u16) {
    let quiet = pen.theme.quiet();
    let minutes = scene.avm.as_ref().map(|rates| rates.lanes_minute.as_slice()).unwrap_or_default();
    let top = minutes.iter().map(|minute| text::spark_top(minute, 8)).fold(0.0, f64::max);
    let mut x = pen.put_within(area.x + 2, y, area.right(), "on", quiet) + 2;
    for (at, lane) in record.lanes.iter().enumerate() {
        let number = text::count(lane.running.saturating_add(lane.suspended), 7);
        let name = text::ellipsize(&text::clean(&lane.torus), 8);
        let wide = text::width(&name) + number.len() + 12;
        if usize::from(x) + wide > usize::from(area.right()) {
            pen.put_within(x, y, area.right(), "…", quiet);
            break;
        }
        let from = x;
        x = pen.put(x, y, &name, pen.theme.strong());
        x = pen.put(x + 1, y, &number, PLAIN);
        if let Some(minute) = minutes.get(at) {
            // What lies before the first sample takes no room here: bars of several tori would not stand together.
            x = pen.put(x + 1, y, text::spark_to(minute, 8, top).trim_start(), pen.theme.bar());
        }
        pen.clickable(Rect::new(from, y, x - from, 1), torus_target(scene, &lane.torus));
        x += 3;
    }
}

/// The row of a second ago.
fn past<'s>(scene: &'s Scene, id: &str) -> Option<&'s ExecutionSnapshot> {
    let avm = scene.before.as_ref()?.avm.as_deref()?;
    let answered = ExecutionSnapshot::answer(avm).into_iter().flat_map(|listing| &listing.rows);
    avm.executions.rows.iter().chain(answered).find(|row| row.id == id)
}

fn cell(pen: &Pen<'_>, scene: &Scene, row: &ExecutionSnapshot, column: &str) -> Vec<Part> {
    let quiet = pen.theme.quiet();
    let past = past(scene, &row.id);
    match column {
        "ID" => vec![(text::clean(&row.id), pen.theme.strong())],
        "PROGRAM" => vec![(text::clean(&row.program), PLAIN)],
        "STATE" => {
            let style = pen.theme.shape(shape(row.state));
            let changed = past.is_some_and(|past| past.state != row.state);
            let word = (execution_word(row.state).to_owned(), pen.fresh(style, changed));
            vec![(format!("{} ", shape(row.state).symbol()), style), word]
        }
        "FUEL" => vec![(text::count(row.fuel, 7), PLAIN)],
        "MEMORY" => vec![(text::bytes(row.memory_bytes as f64), PLAIN)],
        "TORUS" => {
            let changed = past.is_some_and(|past| past.torus != row.torus);
            let pinned = if row.pinned { "!" } else { "" };
            vec![(format!("{}{pinned}", text::clean(&row.torus)), pen.fresh(PLAIN, changed))]
        }
        "MOVES" => vec![(text::count(u64::from(row.moves), 6), PLAIN)],
        "TX" => vec![or_dash(pen, &row.transaction)],
        "ABORTS" => vec![(text::count(row.aborts, 7), PLAIN)],
        "SINCE" => vec![(ago(scene, row.since_unix_ns), quiet)],
        _ => vec![(text::clean(&row.why), quiet)],
    }
}

/// One execution.
pub fn one(pen: &mut Pen<'_>, state: &State, id: Id, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(record) = scene.now.avm.as_deref() else { return };
    let detail = record.details.execution.as_deref().filter(|detail| detail.row.id == id.as_str());
    let row = detail.map(|detail| &detail.row).or_else(|| execution(state, id.as_str()));
    let Some(row) = row else {
        title(pen, area, "EXECUTION", id.as_str(), "esc: back");
        let words = missing(state)
            .unwrap_or_else(|| "asking the agent; an execution that is no longer remembered stays unknown".into());
        pen.put_within(area.x + 2, area.y + 2, area.right(), &words, pen.theme.quiet());
        return;
    };
    title(pen, area, "EXECUTION", &row.id, &format!("{} · esc: back", text::clean(&row.program)));
    let body = below_title(area);
    let mut sheet = Sheet::new(body);
    standing(pen, scene, row, &mut sheet);
    match detail {
        Some(detail) => known(pen, detail, &mut sheet),
        None => sheet.text("more", &missing(state).unwrap_or_else(|| "asking the agent".into()), 2),
    }
    sheet.draw(pen, state, body);
}

fn standing(pen: &Pen<'_>, scene: &Scene, row: &ExecutionSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let style = pen.theme.shape(shape(row.state));
    let since = format!(" for {}", ago(scene, row.since_unix_ns));
    sheet.line(
        "state",
        vec![
            (format!("{} {}", shape(row.state).symbol(), execution_word(row.state)), style),
            (since, quiet),
            (format!(", started {} ago", ago(scene, row.started_unix_ns)), quiet),
        ],
    );
    sheet.text("why", &row.why, 4);
    sheet.id("waits for", &row.waits_for);
    let moves =
        if row.pinned { "stays there: it uses machines".to_owned() } else { counted(u64::from(row.moves), "move") };
    sheet.link(
        "torus",
        vec![(text::clean(&row.torus), PLAIN), (format!(" · {moves} · machine {}", text::clean(&row.machine)), quiet)],
        torus_target(scene, &row.torus),
    );
    if !row.transaction.is_empty() {
        let depth = if row.depth > 1 { format!(" · {} nested", row.depth) } else { String::new() };
        let parts = vec![(text::clean(&row.transaction), PLAIN), (format!(" open{depth}"), quiet)];
        sheet.link("transaction", parts, leads(&row.transaction));
    }
    sheet.id("parent", &row.parent);
    let limit = |limit: u64, words: String| if limit == 0 { String::new() } else { format!(" of {words}") };
    sheet.line(
        "fuel",
        vec![
            (text::grouped(row.fuel), PLAIN),
            (limit(row.fuel_limit, text::grouped(row.fuel_limit)), quiet),
            (" operations".into(), quiet),
        ],
    );
    sheet.line(
        "memory",
        vec![
            (text::bytes(row.memory_bytes as f64), PLAIN),
            (limit(row.memory_limit_bytes, text::bytes(row.memory_limit_bytes as f64)), quiet),
        ],
    );
    let counts = format!("{} committed · {} aborted", text::grouped(row.commits), text::grouped(row.aborts));
    sheet.line("transactions", vec![(counts, PLAIN)]);
    if let Some(id) = Id::new(&row.id) {
        let words = format!("{} entries", text::grouped(row.trace_entries));
        sheet.link("trace", vec![(words, PLAIN)], Target::Trace(id));
    }
}

fn known(pen: &Pen<'_>, detail: &ExecutionDetail, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    if !detail.trace_level.is_empty() {
        let words = format!("{} · hash {} · seed {}", detail.trace_level, detail.trace_hash, detail.seed);
        sheet.text("", &words, 2);
    }
    sheet.text("arguments", &detail.arguments.join(", "), 3);
    sheet.text("result", &detail.result, 4);
    sheet.text("error", &detail.error, 8);
    if !detail.stack.is_empty() {
        sheet.heading("stack, innermost first");
    }
    for frame in &detail.stack {
        let parts = vec![
            (text::left(&frame.function, 28), PLAIN),
            (format!(" {} ", text::clean(&frame.place)), quiet),
            (text::clean(&frame.object), PLAIN),
        ];
        sheet.link("", parts, leads(&frame.object));
    }
    if !detail.children.is_empty() {
        sheet.heading("children");
    }
    detail.children.iter().for_each(|id| sheet.id("child", id));
    for (heading, lines) in [("moves between tori", &detail.moved), ("notes of the program", &detail.notes)] {
        if !lines.is_empty() {
            sheet.heading(heading);
        }
        lines.iter().for_each(|line| sheet.text("", line, 3));
    }
}
