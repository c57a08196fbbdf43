//! The torus table of the overview, and the load bars that show levelling.

use control::snapshot::TorusSnapshot;
use ratatui::layout::Rect;

use super::pen::Part;
use super::{PLAIN, Pen};
use crate::heat::round_up;
use crate::history::{Scene, TorusRates};
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::{Shape, torus_word};
use crate::verdict::torus_shape;

/// Bars of the sparklines of the table.
const SPARK: usize = 6;
/// Columns of the load bar of the table.
const BAR: usize = 8;

/// One scale for all tori, so that what is drawn side by side can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Scales {
    /// Full sparkline of events, 1/s.
    events: f64,
    /// Full load bar and sparkline, pending events; round, so that it stands still.
    pub pending: f64,
}

impl Scales {
    /// The scales of a moment: the largest of any torus within the last minute.
    pub fn of(scene: &Scene) -> Self {
        let top = |of: fn(&TorusRates) -> &Vec<Option<f64>>, columns| {
            scene.rates.iter().map(|rates| text::spark_top(of(rates), columns)).fold(0.0_f64, f64::max)
        };
        let now = scene.now.tori.iter().map(|torus| torus.pending as f64).fold(0.0_f64, f64::max);
        Self {
            events: top(|rates| &rates.events_minute, SPARK),
            pending: round_up(now.max(top(|rates| &rates.pending_minute, usize::MAX))),
        }
    }

    /// Events per second over the last minute.
    pub fn events(&self, rates: &TorusRates, columns: usize) -> String {
        text::spark_to(&rates.events_minute, columns, self.events)
    }

    /// Pending events as a bar: three of equal length are level.
    pub fn load(&self, torus: &TorusSnapshot, columns: usize) -> String {
        text::gauge(torus.pending as f64 / self.pending, columns)
    }
}

/// One column of the table: heading, width, and how needed it is (0 = always).
const COLUMNS: [(&str, usize, u8); 11] = [
    ("TORUS", 8, 0),
    ("STATE", 11, 0),
    ("CORE", 5, 2),
    ("EVENTS/S", 17, 0),
    ("CLOCK", 14, 4),
    ("PENDING", 27, 0),
    ("REJECTED", 9, 1),
    ("CPU", 6, 3),
    ("LOAD", 8, 6),
    ("FACE SPREAD", 14, 5),
    ("WORKLOAD", 26, 7),
];

/// The torus table; columns that do not fit are left out, the least needed first. The selected row stays in sight; rows beyond
/// the room can be selected all the same.
pub fn table(pen: &mut Pen<'_>, state: &State, scene: &Scene, area: Rect) {
    let width = usize::from(area.width.saturating_sub(3));
    let mut least = 7;
    while least > 0 && COLUMNS.iter().filter(|column| column.2 <= least).map(|column| column.1).sum::<usize>() > width {
        least -= 1;
    }
    let scales = Scales::of(scene);
    let shown = || COLUMNS.iter().enumerate().filter(move |(_, column)| column.2 <= least);
    headings(pen, &scales, area, shown().map(|(at, column)| (at, column.0, column.1)));
    let rows = usize::from(area.height.saturating_sub(1));
    let tori = &scene.now.tori;
    let base = pen.focusables();
    let first = first_row(tori.len(), rows, state.focus.checked_sub(base));
    if rows < tori.len() {
        let words = format!(" {}–{} of {} ", first + 1, first + rows, tori.len());
        let right = area.right().saturating_sub(3);
        pen.put_right(area.x, right, area.y.saturating_sub(1), &words, pen.theme.quiet());
    }
    for at in 0..tori.len() {
        let Some(row) = at.checked_sub(first).filter(|row| *row < rows) else {
            pen.selectable(Rect::ZERO, Target::Torus(at));
            continue;
        };
        let y = area.y + 1 + row as u16;
        let mut x = area.x + 2;
        for (column, (_, wide, _)) in shown() {
            let parts = column_parts(pen, scene, &scales, at, column);
            let text_width: usize = parts.iter().map(|part| text::width(&part.0)).sum();
            let indent = if right_aligned(column) { (wide - 1).saturating_sub(text_width) } else { 0 };
            pen.parts(x + indent as u16, y, (x + *wide as u16 - 1).min(area.right()), &parts);
            x += *wide as u16;
        }
        pen.selectable(Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1), Target::Torus(at));
    }
}

/// First row shown of a list: it moves only when the selection would leave the room.
fn first_row(count: usize, rows: usize, selected: Option<usize>) -> usize {
    let selected = selected.unwrap_or(0).min(count.saturating_sub(1));
    (selected + 1).saturating_sub(rows)
}

fn headings<'a>(
    pen: &mut Pen<'_>,
    scales: &Scales,
    area: Rect,
    columns: impl Iterator<Item = (usize, &'a str, usize)>,
) {
    let quiet = pen.theme.quiet();
    let mut x = area.x + 2;
    for (at, heading, wide) in columns {
        let heading = match at {
            // The bar has its scale above it.
            5 => format!("{} 0 to {}", text::right(heading, 7), text::whole_or_si(scales.pending)),
            _ if right_aligned(at) => text::right(heading, wide - 1),
            _ => heading.to_owned(),
        };
        pen.put_within(x, area.y, area.right(), &heading, quiet);
        x += wide as u16;
    }
}

const fn right_aligned(column: usize) -> bool {
    matches!(column, 4 | 6..=8)
}

fn column_parts(pen: &Pen<'_>, scene: &Scene, scales: &Scales, at: usize, column: usize) -> Vec<Part> {
    let (rates, torus) = (&scene.rates[at], &scene.now.tori[at]);
    let quiet = pen.theme.quiet();
    let wide = COLUMNS[column].1 - 1;
    match column {
        0 => vec![(text::ellipsize(&torus.name, wide), pen.theme.strong())],
        1 => {
            let shape = torus_shape(scene, torus);
            let word = if scene.torus_silent_ns(torus) >= 3_000_000_000 && shape == Shape::Failed {
                "silent"
            } else {
                torus_word(torus.state)
            };
            let style = pen.fresh(pen.theme.shape(shape), scene.torus_changed(torus, |at| at.state));
            vec![(format!("{} ", shape.symbol()), pen.theme.shape(shape)), (word.to_owned(), style)]
        }
        2 => {
            let shared = if torus.core_shared { "+" } else { "" };
            vec![(torus.core.map_or_else(|| "none".into(), |core| format!("{core}{shared}")), PLAIN)]
        }
        3 => {
            let rate = rates.events.map_or_else(|| text::UNKNOWN.to_owned(), text::whole_or_si);
            vec![(text::right(&rate, 7), PLAIN), (format!("  {}", scales.events(rates, SPARK)), quiet)]
        }
        4 => vec![(text::count(torus.clock_ticks, wide), PLAIN)],
        5 => vec![
            (text::right(&text::count(torus.pending, 7), 7), PLAIN),
            (format!(" {} ", scales.load(torus, BAR)), pen.theme.bar()),
            (text::spark_to(&rates.pending_minute, SPARK, scales.pending), quiet),
        ],
        6 => {
            let style =
                if rates.rejected.is_some_and(|rate| rate > 0.0) { pen.theme.shape(Shape::Degraded) } else { PLAIN };
            let style = pen.fresh(style, scene.torus_changed(torus, |at| at.rejected));
            vec![(text::count(torus.rejected, wide), style)]
        }
        7 => vec![(rates.cpu_percent.map_or_else(|| format!("{} %", text::UNKNOWN), text::percent), PLAIN)],
        8 => vec![(
            text::count(torus.load_runnable.saturating_add(torus.pending).saturating_add(torus.load_suspended), wide),
            PLAIN,
        )],
        9 if torus.uncoupled => vec![("uncoupled".into(), quiet)],
        9 => {
            let over = torus.face_spread > torus.face_tolerance;
            let style = if over { pen.theme.shape(Shape::Degraded) } else { PLAIN };
            let (spread, tolerance) = (text::count(torus.face_spread, 5), text::count(torus.face_tolerance, 5));
            vec![(spread, style), (format!(" of {tolerance}"), quiet)]
        }
        _ => vec![(text::ellipsize(&torus.workload, wide), quiet)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_follows_the_selection_and_no_further() {
        assert_eq!(first_row(3, 3, Some(2)), 0);
        assert_eq!(first_row(16, 4, None), 0);
        assert_eq!([3, 4, 9].map(|row| first_row(16, 4, Some(row))), [0, 1, 6]);
        assert_eq!(first_row(16, 4, Some(99)), 12, "a selection below the table leaves its end in sight");
    }
}
