//! The screens of the AVM: Executions, Objects, Transactions, Trace, Solver; and its line on the overview.

mod chart;
mod executions;
mod list;
mod objects;
mod sheet;
mod solver;
mod trace;
mod transactions;

use control::AvmSnapshot;
use control::avm::ExecutionState;
use ratatui::layout::Rect;

use super::pen::Part;
use super::{PLAIN, Pen};
use crate::avm;
use crate::history::Scene;
use crate::state::State;
use crate::target::{AVM_SCREENS, Id, Screen, Target};
use crate::text;
use crate::theme::Shape;

/// Below this many columns only the name of the screen stands in its first line.
const PARTS_COLUMNS: u16 = 70;

/// The screen shown.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(record) = scene.now.avm.as_deref() else {
        let words = "this node runs no programs; load one with: trefoil avm load FILE, start it with: trefoil avm start \
                     PROGRAM#ENTRY";
        for (row, line) in super::frame::wrap(words, usize::from(area.width.saturating_sub(4))).iter().enumerate() {
            pen.put_within(area.x + 2, area.y + 1 + row as u16, area.right(), line, pen.theme.quiet());
        }
        return;
    };
    parts(pen, state, record, area);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    match (state.screen, avm::opened(state)) {
        (Screen::Executions, Some(id)) => executions::one(pen, state, id, body),
        (Screen::Executions, None) => executions::list(pen, state, scene, record, body),
        (Screen::Objects, Some(id)) => objects::one(pen, state, id, body),
        (Screen::Objects, None) => objects::list(pen, state, scene, record, body),
        (Screen::Transactions, Some(id)) => transactions::one(pen, state, id, body),
        (Screen::Transactions, None) => transactions::list(pen, state, scene, record, body),
        (Screen::Trace, _) => trace::draw(pen, state, body),
        _ => solver::draw(pen, state, scene, record, body),
    }
}

/// The five screens with how much is on each.
fn parts(pen: &mut Pen<'_>, state: &State, record: &AvmSnapshot, area: Rect) {
    let narrow = area.width < PARTS_COLUMNS;
    let mut x = area.x + 2;
    for (screen, name) in AVM_SCREENS {
        if narrow && screen != state.screen {
            continue;
        }
        let count = match screen {
            Screen::Executions => Some(record.executions.total),
            Screen::Objects => Some(record.objects.total),
            Screen::Transactions => Some(record.transactions.total),
            _ => None,
        };
        let style = if screen == state.screen { pen.theme.accent() } else { pen.theme.quiet() };
        let end = pen.put_within(x, area.y, area.right(), name, style);
        pen.clickable(Rect::new(x, area.y, end - x, 1), Target::Go(screen));
        x = end;
        if let Some(count) = count {
            x = pen.put_within(x + 1, area.y, area.right(), &text::count(count, 7), PLAIN);
        }
        x += 2;
    }
    if narrow {
        pen.put_within(x, area.y, area.right(), "tab: next", pen.theme.quiet());
    }
}

/// The shape of an execution's state.
const fn shape(state: ExecutionState) -> Shape {
    match state {
        ExecutionState::Running => Shape::Well,
        ExecutionState::Suspended => Shape::Paused,
        ExecutionState::Ended | ExecutionState::Terminated => Shape::Absent,
        ExecutionState::Failed => Shape::Failed,
        ExecutionState::Unknown => Shape::Degraded,
    }
}

/// `1 question`, `2 questions`.
fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", text::grouped(number), if number == 1 { "" } else { "s" })
}

/// The room below the title of a sheet: after an empty line where there is room for one.
fn below_title(area: Rect) -> Rect {
    let skip = if area.height > 9 { 2 } else { 1 };
    Rect { y: area.y + skip, height: area.height.saturating_sub(skip), ..area }
}

/// Where an id leads; nowhere when it is none.
fn leads(id: &str) -> Target {
    Id::new(id).and_then(Id::target).unwrap_or(Target::Here)
}

/// A word from a record, or a dash.
fn or_dash(pen: &Pen<'_>, word: &str) -> Part {
    if word.is_empty() { ("-".into(), pen.theme.quiet()) } else { (text::clean(word), PLAIN) }
}

/// How long ago.
fn ago(scene: &Scene, at_unix_ns: u64) -> String {
    if at_unix_ns == 0 { "-".into() } else { text::age(scene.now.node.now_unix_ns.saturating_sub(at_unix_ns)) }
}

/// The torus of a name.
fn torus_target(scene: &Scene, name: &str) -> Target {
    let at = scene.now.tori.iter().position(|torus| torus.name == name);
    at.map_or(Target::Here, Target::Torus)
}

/// Why there is less than was wanted, when so.
fn missing(state: &State) -> Option<String> {
    let missing = &avm::avm_of(state)?.details.missing;
    (!missing.is_empty()).then(|| text::clean(missing))
}

/// Parts one after another with dots between, as many as there is room for.
fn dotted(pen: &mut Pen<'_>, area: Rect, y: u16, facts: &[Vec<Part>]) {
    dotted_leading(pen, area, y, facts, &[]);
}

/// As [`dotted`]; a part leads to what it counts, as far as there is something.
fn dotted_leading(pen: &mut Pen<'_>, area: Rect, y: u16, facts: &[Vec<Part>], targets: &[Target]) {
    let mut x = area.x + 2;
    for (at, fact) in facts.iter().enumerate() {
        let wide: usize = fact.iter().map(|part| text::width(&part.0)).sum();
        if usize::from(x) + wide + 3 > usize::from(area.right()) {
            break;
        }
        if at > 0 {
            x = pen.put(x, y, " · ", pen.theme.quiet());
        }
        let from = x;
        x = pen.parts(x, y, area.right(), fact);
        if let Some(target) = targets.get(at) {
            pen.clickable(Rect::new(from, y, x - from, 1), *target);
        }
    }
}

/// The AVM in one line, for the overview.
pub fn line(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let Some(record) = scene.now.avm.as_deref() else { return };
    let quiet = pen.theme.quiet();
    let totals = &record.totals;
    let rates = scene.avm.clone().unwrap_or_default();
    pen.put_within(area.x + 2, area.y, area.right(), "AVM", quiet);
    let changed = |of: fn(&AvmSnapshot) -> u64| scene.changed(|at| at.avm.as_deref().map(of));
    let running = pen.fresh(PLAIN, changed(|avm| avm.totals.running));
    let suspended = pen.fresh(PLAIN, changed(|avm| avm.totals.suspended));
    let queue = pen.fresh(PLAIN, changed(|avm| avm.solver.queued));
    let wide = area.width >= 96;
    let word = |words: &str, narrow: &str| (if wide { words } else { narrow }.to_owned(), quiet);
    let mut facts: Vec<Vec<Part>> = vec![
        vec![
            ("● ".into(), pen.theme.shape(Shape::Well)),
            (text::count(totals.running, 7), running),
            word(" running ", " "),
            ("‖ ".into(), pen.theme.shape(Shape::Paused)),
            (text::count(totals.suspended, 7), suspended),
            word(" suspended", ""),
        ],
        vec![("commits ".into(), quiet), (text::rate(rates.commits, "/s"), PLAIN)],
        vec![("aborts ".into(), quiet), (text::rate(rates.aborts, "/s"), PLAIN)],
        vec![("solver queue ".into(), quiet), (text::count(record.solver.queued, 7), queue)],
    ];
    // The sparklines give way before the solver's queue does.
    if area.width >= 116 {
        facts[1].push((format!(" {}", text::spark(&rates.commits_minute, 8).trim_start()), quiet));
        facts[2].push((format!(" {}", text::spark(&rates.aborts_minute, 8).trim_start()), quiet));
    }
    if totals.failed > 0 {
        let failed = pen.theme.shape(Shape::Failed);
        let number = text::count(totals.failed, 7);
        facts[0].extend([(" ✕ ".into(), failed), (number, failed), word(" failed", "")]);
    }
    dotted(pen, Rect { x: area.x + 5, width: area.width.saturating_sub(5), ..area }, area.y, &facts);
    pen.selectable(Rect::new(area.x + 2, area.y, area.width.saturating_sub(3), 1), Target::Go(Screen::Executions));
}
