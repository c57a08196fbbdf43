//! The solver: queue, times, outcomes, the last questions; and everything else that is bounded.

use control::AvmSnapshot;
use control::avm::{Capacity, QuestionSnapshot};
use ratatui::layout::Rect;

use super::super::histogram::histogram;
use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::sheet::Sheet;
use super::{ago, leads, torus_target};
use crate::avm::findings::capacity_name;
use crate::history::Scene;
use crate::state::State;
use crate::target::{Id, Target};
use crate::text;
use crate::theme::Shape;

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, scene: &Scene, record: &AvmSnapshot, area: Rect) {
    let skip = u16::from(area.height > 9);
    let body = Rect { y: area.y + skip, height: area.height - skip, ..area };
    let mut sheet = Sheet::new(body);
    standing(pen, scene, record, &mut sheet);
    if !record.capacities.is_empty() {
        sheet.heading("limits: how full, how often hit, by whom last");
    }
    for capacity in &record.capacities {
        limit(pen, scene, capacity, area, &mut sheet);
    }
    sheet.heading("questions: those that run, then the last ones");
    if record.solver.questions.is_empty() {
        sheet.line("", vec![("none were asked".into(), pen.theme.quiet())]);
    }
    for question in &record.solver.questions {
        asked(pen, scene, question, &mut sheet);
    }
    sheet.draw(pen, state, body);
}

fn standing(pen: &Pen<'_>, scene: &Scene, record: &AvmSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let solver = &record.solver;
    let rates = scene.avm.clone().unwrap_or_default();
    let changed = |of: fn(&AvmSnapshot) -> u64| scene.changed(|at| at.avm.as_deref().map(of));
    let number = |value: u64, changed: bool| (text::grouped(value), pen.fresh(PLAIN, changed));
    let name = if solver.name.is_empty() { "no solver".to_owned() } else { text::clean(&solver.name) };
    let restarts = if solver.restarts == 0 {
        (", never restarted".to_owned(), quiet)
    } else {
        let why = format!(", restarted {} times, last: {}", solver.restarts, text::clean(&solver.restart_reason));
        (why, pen.theme.shape(Shape::Degraded))
    };
    sheet.line(
        "solver",
        vec![(name, PLAIN), (format!(" · {} of {} busy", solver.busy, solver.workers), PLAIN), restarts],
    );
    let limit =
        if solver.queue_limit == 0 { String::new() } else { format!(" of {}", text::grouped(solver.queue_limit)) };
    let oldest =
        if solver.queued == 0 { String::new() } else { format!(", oldest {}", text::nanos(solver.oldest_queued_ns)) };
    sheet.line(
        "queue",
        vec![
            number(solver.queued, changed(|avm| avm.solver.queued)),
            (limit + &oldest, quiet),
            (format!(" {}", text::spark(&rates.queue_minute, 20).trim_start()), quiet),
        ],
    );
    let stuck = solver.limit_ns > 0 && solver.oldest_running_ns > solver.limit_ns;
    let (words, target) = if solver.busy == 0 {
        ("nothing".to_owned(), Target::Here)
    } else {
        (
            format!("{} for {}", text::clean(&solver.oldest_running), text::nanos(solver.oldest_running_ns)),
            leads(&solver.oldest_running),
        )
    };
    let style = if stuck { pen.theme.shape(Shape::Failed) } else { PLAIN };
    sheet.link("running", vec![(words, style), (format!(", limit {}", text::nanos(solver.limit_ns)), quiet)], target);
    sheet.line(
        "outcomes",
        vec![
            number(solver.sat, changed(|avm| avm.solver.sat)),
            (" sat  ".into(), quiet),
            number(solver.unsat, changed(|avm| avm.solver.unsat)),
            (" unsat  ".into(), quiet),
            number(solver.unknown, changed(|avm| avm.solver.unknown)),
            (" unknown  ".into(), quiet),
            (text::rate(rates.solved, "/s"), PLAIN),
            (format!(" {}", text::spark(&rates.solved_minute, 20).trim_start()), quiet),
        ],
    );
    let times = if solver.times_ns.iter().all(|count| *count == 0) {
        vec![("nothing measured yet".into(), quiet)]
    } else {
        vec![
            (text::nanos(solver.p50_ns), PLAIN),
            (" p50  ".into(), quiet),
            (text::nanos(solver.p99_ns), PLAIN),
            (" p99  ".into(), quiet),
            (histogram(&solver.times_ns, 32), PLAIN),
        ]
    };
    sheet.line("times", times);
}

fn limit(pen: &Pen<'_>, scene: &Scene, capacity: &Capacity, area: Rect, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let amount = |value: u64| if capacity.unit == "bytes" { text::bytes(value as f64) } else { text::count(value, 9) };
    let share = if capacity.limit == 0 { 0.0 } else { capacity.used as f64 / capacity.limit as f64 };
    let shape = if capacity.limit > 0 && capacity.used >= capacity.limit {
        Some(Shape::Failed)
    } else if share >= 0.9 {
        Some(Shape::Degraded)
    } else {
        None
    };
    let style = shape.map_or(PLAIN, |shape| pen.theme.shape(shape));
    let limit = if capacity.limit == 0 { "not bounded".to_owned() } else { format!("of {}", amount(capacity.limit)) };
    let mut parts: Vec<Part> = vec![
        (shape.map_or(" ", |shape| shape.symbol()).to_owned() + " ", style),
        (text::left(&capacity_name(capacity), 20), PLAIN),
        (text::right(&amount(capacity.used), 10), style),
        (format!(" {}", text::left(&limit, 13)), quiet),
    ];
    if area.width >= 100 {
        parts.push((format!("{} ", text::gauge(share, 10)), pen.theme.bar()));
    }
    if capacity.hits > 0 {
        parts.push((format!("hit {} times", text::grouped(capacity.hits)), pen.theme.shape(Shape::Degraded)));
        parts.push((format!(", last {}", text::clean(&capacity.last_hit)), quiet));
    }
    // Who hit it stands first in its words.
    let who = capacity.last_hit.split([':', ' ']).next().and_then(Id::new).and_then(Id::target);
    sheet.link("", parts, who.unwrap_or_else(|| torus_target(scene, &capacity.torus)));
}

fn asked(pen: &Pen<'_>, scene: &Scene, question: &QuestionSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let (shape, word) = match question.outcome.as_str() {
        "sat" => (Shape::Well, "sat"),
        "unsat" => (Shape::Absent, "unsat"),
        "queued" => (Shape::Paused, "queued"),
        "running" => (Shape::Degraded, "running"),
        _ => (Shape::Failed, "unknown"),
    };
    let size = format!(
        "{} choices {} requires {} variables {} nodes",
        question.choices,
        question.requires,
        question.variables,
        text::count(question.nodes, 7)
    );
    let reason =
        if question.reason.is_empty() { String::new() } else { format!(": {}", text::clean(&question.reason)) };
    let parts = vec![
        (format!("{} {}", shape.symbol(), text::left(word, 8)), pen.theme.shape(shape)),
        (text::left(&question.execution, 9), PLAIN),
        (text::left(&question.transaction, 9), PLAIN),
        (text::right(&text::nanos(question.took_ns), 9), PLAIN),
        (format!(" after {}  ", text::nanos(question.waited_ns)), quiet),
        (size, quiet),
        (reason, PLAIN),
    ];
    let target = match leads(&question.transaction) {
        Target::Here => leads(&question.execution),
        target => target,
    };
    sheet.link(&format!("{} ago", ago(scene, question.asked_unix_ns)), parts, target);
}
