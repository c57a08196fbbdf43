//! What is known of one thing, line by line. Every line can be selected, so that long sheets scroll; those that are about another
//! thing lead there.

use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use crate::state::State;
use crate::target::Target;
use crate::text;

/// Columns of the labels.
const LABEL: usize = 13;

/// Lines being put together.
pub struct Sheet {
    rows: Vec<(String, Vec<Part>, Target)>,
    width: usize,
}

impl Sheet {
    /// An empty sheet for an area.
    pub fn new(area: Rect) -> Self {
        Self { rows: Vec::new(), width: usize::from(area.width).saturating_sub(LABEL + 4).max(8) }
    }

    /// A line that leads somewhere.
    pub fn link(&mut self, label: &str, parts: Vec<Part>, target: Target) {
        self.rows.push((label.to_owned(), parts, target));
    }

    /// A line.
    pub fn line(&mut self, label: &str, parts: Vec<Part>) {
        self.link(label, parts, Target::Here);
    }

    /// A line about an id, unless it is empty.
    pub fn id(&mut self, label: &str, id: &str) {
        if !id.is_empty() {
            self.link(label, vec![(text::clean(id), PLAIN)], super::leads(id));
        }
    }

    /// A text on as many lines as it takes, at most `most`; nothing when it is empty.
    pub fn text(&mut self, label: &str, words: &str, most: usize) {
        if words.is_empty() {
            return;
        }
        for (at, line) in super::super::frame::wrap(words, self.width).into_iter().take(most).enumerate() {
            self.line(if at == 0 { label } else { "" }, vec![(line, PLAIN)]);
        }
    }

    /// A heading between groups of lines.
    pub fn heading(&mut self, words: &str) {
        self.rows.push((String::new(), vec![(format!("── {words}"), PLAIN)], Target::Heading));
    }

    /// Draws the lines around the selected one.
    pub fn draw(self, pen: &mut Pen<'_>, state: &State, area: Rect) {
        let quiet = pen.theme.quiet();
        let count = self.rows.len();
        let room = usize::from(area.height);
        // Headings cannot be selected: the number of a line among those that can is not its row.
        let lines = self.rows.iter().enumerate().filter(|(_, row)| row.2 != Target::Heading).map(|(at, _)| at);
        let lines: Vec<usize> = lines.collect();
        let selected = lines.get(state.focus.min(lines.len().saturating_sub(1))).copied().unwrap_or(0);
        let more = count > room && room > 1;
        let room = if more { room - 1 } else { room };
        let first = (selected + 1).saturating_sub(room.max(1));
        for (at, (label, parts, target)) in self.rows.into_iter().enumerate() {
            let line = at.checked_sub(first).filter(|line| *line < room);
            let y = area.y + line.unwrap_or(0) as u16;
            if target == Target::Heading {
                if line.is_some() {
                    let words = parts.first().map_or("", |part| part.0.as_str());
                    pen.put_within(area.x + 2, y, area.right(), words, quiet);
                }
                continue;
            }
            if line.is_some() {
                let x = pen.put_within(area.x + 2, y, area.right(), &text::left(&label, LABEL), quiet);
                pen.parts(x, y, area.right() - 1, &parts);
            }
            let place = Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1);
            pen.selectable(if line.is_some() { place } else { Rect::ZERO }, target);
        }
        if more {
            let words = format!("{}–{} of {count} lines", first + 1, (first + room).min(count));
            pen.put_right(area.x + 2, area.right() - 1, area.bottom() - 1, &words, quiet);
        }
    }
}

/// The first line of a sheet: what it is about.
pub fn title(pen: &mut Pen<'_>, area: Rect, kind: &str, name: &str, rest: &str) {
    let quiet = pen.theme.quiet();
    let x = pen.put_within(area.x + 2, area.y, area.right(), kind, quiet);
    let x = pen.put_within(x + 2, area.y, area.right(), &text::ellipsize(name, 30), pen.theme.strong());
    let room = usize::from(area.right().saturating_sub(x + 1));
    pen.put_within(x, area.y, area.right(), &text::ellipsize(&format!("  {rest}"), room), quiet);
}
