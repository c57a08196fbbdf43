//! Transactions: all that are remembered, and one with its sets, its conflicts and why it was aborted.

use control::AvmSnapshot;
use control::avm::{ConflictSnapshot, RequirementSnapshot, TransactionSnapshot, TransactionState};
use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::list::{id_width, left, right, spelled_out, window};
use super::sheet::{Sheet, title};
use super::{ago, below_title, counted, dotted_leading, leads, missing, or_dash};
use crate::avm::rows::{shown, transaction, transaction_word};
use crate::history::Scene;
use crate::state::State;
use crate::target::{Id, Screen, Target};
use crate::text;
use crate::theme::Shape;

const fn shape(state: TransactionState) -> Shape {
    match state {
        TransactionState::Committed => Shape::Well,
        TransactionState::Open | TransactionState::Deciding | TransactionState::Unknown => Shape::Degraded,
        TransactionState::Aborted => Shape::Failed,
    }
}

/// All transactions.
pub fn list(pen: &mut Pen<'_>, state: &State, scene: &Scene, record: &AvmSnapshot, area: Rect) {
    let mut y = area.y;
    if area.height > 7 {
        totals(pen, scene, record, area, y);
        y += 1;
    }
    let rest = area.bottom().saturating_sub(y);
    let rows = shown::<TransactionSnapshot>(state).map_or_else(Vec::new, |list| list.rows);
    let wide = id_width(rows.iter().flat_map(|row| [row.id.as_str(), row.execution.as_str()]));
    let selected = shown::<TransactionSnapshot>(state).and_then(|list| list.row(state.focus as u64).cloned());
    let below = selected.as_ref().map_or(0, |row| below_rows(row, rest));
    let columns = vec![
        left("ID", "id", wide, 0),
        left("STATE", "state", 13, 0),
        left("EXECUTION", "execution", wide.max(11), 0),
        left("CONTROLLER", "", 12, 3),
        right("READS", "reads", 8, 1),
        right("WRITES", "writes", 9, 1),
        right("SOLVER", "solver", 10, 2),
        right("RUNS", "runs", 7, 4),
        left("BEGAN", "began", 11, 3),
        left("WHY", "", 0, 0),
    ];
    let at = Rect { y, height: rest - below, ..area };
    window(pen, state, at, columns, |pen, row, column| cell(pen, scene, row, column));
    if let Some(row) = selected.filter(|_| below > 0) {
        reasons(pen, &row, Rect { y: area.bottom() - below, height: below, ..area });
    }
}

/// Rows for the selected one's reasons: a line, and one for each conflict and requirement, as far as there is room.
fn below_rows(row: &TransactionSnapshot, rest: u16) -> u16 {
    if rest < 6 {
        return 0;
    }
    let lines = (1 + row.conflicts.len() + row.core.len()).min(7) as u16;
    lines.min(rest / 3).max(1)
}

fn totals(pen: &mut Pen<'_>, scene: &Scene, record: &AvmSnapshot, area: Rect, y: u16) {
    let quiet = pen.theme.quiet();
    let totals = &record.totals;
    let rates = scene.avm.clone().unwrap_or_default();
    let mut facts: Vec<Vec<Part>> = vec![
        vec![
            ("commits ".into(), quiet),
            (text::rate(rates.commits, "/s"), PLAIN),
            (format!(" {}", text::spark(&rates.commits_minute, 8).trim_start()), quiet),
        ],
        vec![
            ("aborts ".into(), quiet),
            (text::rate(rates.aborts, "/s"), PLAIN),
            (format!(" {}", text::spark(&rates.aborts_minute, 8).trim_start()), quiet),
        ],
        vec![(text::count(totals.open, 7), PLAIN), (" open".into(), quiet)],
    ];
    let mut targets = vec![
        Target::Listed(Screen::Transactions, "committed"),
        Target::Listed(Screen::Transactions, "aborted"),
        Target::Listed(Screen::Transactions, "open"),
    ];
    let causes = [
        ("conflict", "conflict", totals.aborts_conflict),
        ("unsatisfiable", "unsatisfiable", totals.aborts_unsatisfiable),
        ("undecided", "unknown", totals.aborts_unknown),
        ("error", "error", totals.aborts_error),
        ("by the program", "program", totals.aborts_program),
    ];
    for (word, cause, count) in causes {
        if count > 0 {
            targets.push(Target::Listed(Screen::Transactions, cause));
            facts.push(vec![(format!("{word} "), quiet), (text::count(count, 7), PLAIN)]);
        }
    }
    dotted_leading(pen, area, y, &facts, &targets);
}

fn cell(pen: &Pen<'_>, scene: &Scene, row: &TransactionSnapshot, column: &str) -> Vec<Part> {
    let quiet = pen.theme.quiet();
    match column {
        "ID" => vec![(text::clean(&row.id), pen.theme.strong())],
        "STATE" => {
            let style = pen.theme.shape(shape(row.state));
            let fresh = scene.now.node.now_unix_ns.saturating_sub(row.ended_unix_ns) < 1_000_000_000;
            let word = transaction_word(row.state).to_owned();
            vec![(format!("{} ", shape(row.state).symbol()), style), (word, pen.fresh(style, fresh))]
        }
        "EXECUTION" => vec![(text::clean(&row.execution), PLAIN)],
        "CONTROLLER" => vec![or_dash(pen, &row.controller)],
        "READS" => vec![(text::count(row.reads, 6), PLAIN)],
        "WRITES" => vec![(text::count(row.writes, 6), PLAIN)],
        "SOLVER" => vec![row.solver_ns.map_or_else(|| ("-".into(), quiet), |ns| (text::nanos(ns), PLAIN))],
        "RUNS" => vec![(text::count(u64::from(row.runs), 5), PLAIN)],
        "BEGAN" => vec![(ago(scene, row.began_unix_ns), quiet)],
        _ => vec![(text::clean(&row.why), quiet)],
    }
}

/// `o17 version 3 read, 5 found, changed by x9 in t12`.
fn conflict_words(conflict: &ConflictSnapshot) -> String {
    let version = |version: Option<u64>| version.map_or_else(|| "absent".to_owned(), |version| version.to_string());
    let by = if conflict.changed_by.is_empty() {
        ", by whom is no longer known".to_owned()
    } else if conflict.transaction.is_empty() {
        format!(", changed by {}", text::clean(&conflict.changed_by))
    } else {
        format!(", changed by {} in {}", text::clean(&conflict.changed_by), text::clean(&conflict.transaction))
    };
    format!(
        "{} version {} read, {} found{by}",
        text::clean(&conflict.object),
        version(conflict.read),
        version(conflict.found)
    )
}

/// `require enough: balance >= 20`, its place beside it.
fn core_words(requirement: &RequirementSnapshot) -> String {
    let name =
        if requirement.name.is_empty() { String::new() } else { format!("{}: ", text::clean(&requirement.name)) };
    format!("{name}{}", text::clean(&requirement.text))
}

/// Why the selected one is what it is, below the list.
fn reasons(pen: &mut Pen<'_>, row: &TransactionSnapshot, area: Rect) {
    let why = if row.why.is_empty() { transaction_word(row.state) } else { row.why.as_str() };
    spelled_out(pen, area, shape(row.state), &row.id, why);
    let quiet = pen.theme.quiet();
    let conflicts = row.conflicts.iter().map(|conflict| ("conflict", conflict_words(conflict), String::new()));
    let core = row.core.iter().map(|require| ("require", core_words(require), text::clean(&require.place)));
    for (at, (label, words, place)) in
        conflicts.chain(core).take(usize::from(area.height.saturating_sub(1))).enumerate()
    {
        let y = area.y + 1 + at as u16;
        let x = pen.put_within(area.x + 4, y, area.right(), &text::left(label, 10), quiet);
        let room = usize::from(area.right().saturating_sub(x + 2)).saturating_sub(text::width(&place));
        let x = pen.put_within(x, y, area.right(), &text::ellipsize(&words, room), PLAIN);
        pen.put_within(x + 1, y, area.right(), &place, quiet);
    }
}

/// One transaction.
pub fn one(pen: &mut Pen<'_>, state: &State, id: Id, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(row) = transaction(state, id.as_str()) else {
        title(pen, area, "TRANSACTION", id.as_str(), "esc: back");
        let words =
            missing(state).unwrap_or_else(|| "asking the agent; one that is no longer remembered stays unknown".into());
        pen.put_within(area.x + 2, area.y + 2, area.right(), &words, pen.theme.quiet());
        return;
    };
    title(pen, area, "TRANSACTION", &row.id, "esc: back");
    let body = below_title(area);
    let mut sheet = Sheet::new(body);
    standing(pen, scene, row, &mut sheet);
    sets(pen, row, &mut sheet);
    if let Some(why) = missing(state) {
        sheet.text("more", &why, 2);
    }
    sheet.draw(pen, state, body);
}

fn standing(pen: &Pen<'_>, scene: &Scene, row: &TransactionSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let style = pen.theme.shape(shape(row.state));
    let took = if row.ended_unix_ns == 0 {
        format!(" · began {} ago", ago(scene, row.began_unix_ns))
    } else {
        let took = text::nanos(row.ended_unix_ns.saturating_sub(row.began_unix_ns));
        format!(" · ended {} ago, took {took}", ago(scene, row.ended_unix_ns))
    };
    let cause = if row.cause.is_empty() { String::new() } else { format!(": {}", text::clean(&row.cause)) };
    let word = format!("{} {}{cause}", shape(row.state).symbol(), transaction_word(row.state));
    sheet.line("state", vec![(word, style), (took, quiet)]);
    sheet.text("why", &row.why, 4);
    sheet.id("execution", &row.execution);
    let tori =
        if row.tori.is_empty() { String::new() } else { format!(" · on {}", text::clean(&row.tori.join(", "))) };
    sheet.line("controller", vec![or_dash(pen, &row.controller), (tori, quiet)]);
    let solver = match row.solver_ns {
        Some(ns) => {
            let (questions, runs) =
                (counted(u64::from(row.questions), "question"), counted(u64::from(row.runs), "run"));
            format!("{}, {questions}, {runs}", text::nanos(ns))
        }
        None => "not asked".to_owned(),
    };
    sheet.line("solver", vec![(solver, PLAIN)]);
    sheet.text("segments", &row.segments.join(", "), 3);
}

fn sets(pen: &Pen<'_>, row: &TransactionSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    if !row.conflicts.is_empty() {
        sheet.heading("conflicts: ⏎ leads to who changed it");
    }
    for conflict in &row.conflicts {
        let by = if conflict.changed_by.is_empty() { &conflict.object } else { &conflict.changed_by };
        sheet.link("", vec![(conflict_words(conflict), PLAIN)], leads(by));
    }
    if !row.core.is_empty() {
        sheet.heading("requirements that cannot hold together");
    }
    for requirement in &row.core {
        let parts = vec![(core_words(requirement), PLAIN), (format!("  {}", text::clean(&requirement.place)), quiet)];
        sheet.line("", parts);
    }
    if !row.choices.is_empty() {
        sheet.heading("choices");
    }
    row.choices.iter().for_each(|choice| sheet.text("", choice, 2));
    let more =
        |shown: usize, all: u64| if (shown as u64) < all { format!(", the first {shown}") } else { String::new() };
    sheet.heading(&format!("read set: {}{}", counted(row.reads, "object"), more(row.read_set.len(), row.reads)));
    for read in &row.read_set {
        let version = read.version.map_or_else(|| "absent".to_owned(), |version| format!("version {version}"));
        let parts = vec![(text::left(&read.object, 12), PLAIN), (version, quiet)];
        sheet.link("", parts, leads(&read.object));
    }
    sheet.heading(&format!("write set: {}{}", counted(row.writes, "object"), more(row.write_set.len(), row.writes)));
    for write in &row.write_set {
        let parts = vec![
            (text::left(&write.object, 12), PLAIN),
            (text::clean(&write.what), PLAIN),
            (format!(" {}", text::clean(&write.value)), quiet),
        ];
        sheet.link("", parts, leads(&write.object));
    }
}
