//! Screen 9: the event log, newest first; and its head on the overview.

use control::snapshot::{EventSnapshot, Severity};
use ratatui::layout::Rect;

use super::{PLAIN, Pen};
use crate::history::Scene;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

/// An event newer than this is underlined.
const FRESH_NS: u64 = 1_000_000_000;

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

const fn severity_shape(severity: Severity) -> Option<Shape> {
    match severity {
        Severity::Info | Severity::Notice => None,
        Severity::Warning => Some(Shape::Degraded),
        Severity::Error => Some(Shape::Failed),
    }
}

/// The newest events, as many as there are rows.
pub fn newest(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let events = state.history.events_at(scene.place).map(|logged| &logged.event);
    for (row, event) in events.take(usize::from(area.height)).enumerate() {
        let y = area.y + row as u16;
        line(pen, scene, event, Rect { y, height: 1, ..area }, false);
        pen.selectable(Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1), Target::Events);
    }
}

fn line(pen: &mut Pen<'_>, scene: &Scene, event: &EventSnapshot, area: Rect, whole: bool) {
    let quiet = pen.theme.quiet();
    let fresh = scene.now.node.now_unix_ns.saturating_sub(event.at_unix_ns) < FRESH_NS;
    let y = area.y;
    let mut x = pen.put(area.x + 2, y, &text::time_of_day(event.at_unix_ns), quiet) + 1;
    match severity_shape(event.severity) {
        Some(shape) => drop(pen.shape(x, y, shape)),
        None if event.severity == Severity::Notice => drop(pen.put(x, y, "·", quiet)),
        None => {}
    }
    x += 2;
    if whole {
        x = pen.put(x, y, &text::left(severity_word(event.severity), 9), quiet);
        let torus = scene.now.tori.iter().find(|torus| Some(torus.id) == event.torus);
        let name = torus.map_or_else(|| "node".to_owned(), |torus| text::ellipsize(&torus.name, 7));
        x = pen.put(x, y, &text::left(&name, 8), PLAIN);
    }
    let room = usize::from(area.right().saturating_sub(x + 1));
    let style = pen.fresh(PLAIN, fresh);
    pen.put(x, y, &text::ellipsize(&event.text, room), style);
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let quiet = pen.theme.quiet();
    let events = state.events();
    let mut x = pen.put(area.x + 2, area.y, "EVENTS", quiet) + 2;
    x = pen.put(x, area.y, &text::grouped(events.len() as u64), PLAIN);
    x = pen.put(x, area.y, " shown, times UTC · severity ", quiet);
    x = pen.put(x, area.y, severity_word(state.severity), PLAIN);
    x = pen.put(x, area.y, if state.severity == Severity::Error { "" } else { " and above" }, quiet);
    if !state.filter.is_empty() {
        x = pen.put(x, area.y, " · filter ", quiet);
        x = pen.put(x, area.y, &text::ellipsize(&state.filter, 24), pen.theme.accent());
    }
    if scene.now.events_suppressed > 0 {
        let words = format!(" · {} kept out by rate limit", text::grouped(scene.now.events_suppressed));
        pen.put(x, area.y, &words, pen.theme.shape(Shape::Degraded));
    }
    let rows = usize::from(area.height.saturating_sub(1));
    if events.is_empty() {
        let words = if state.filter.is_empty() { "no events" } else { "no event passes the filter; esc clears it" };
        pen.put(area.x + 2, area.y + 2, words, quiet);
        return;
    }
    let chosen = state.focus.min(events.len() - 1);
    // The log moves only when the selection would leave it.
    let first = chosen.saturating_sub(rows.saturating_sub(1));
    // The selected event may be longer than the line: it is spelled out at the foot.
    for (row, event) in events.iter().enumerate().skip(first).take(rows) {
        let y = area.y + 1 + (row - first) as u16;
        line(pen, scene, event, Rect { y, height: 1, ..area }, area.width >= 60);
        pen.selectable_as(Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1), Target::Event(row), row);
    }
}
