//! One row of a chart: lifelines, and on them an arrow, a bar or text. Nothing leaves the width of the page.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::id::ObjectId;

/// Where the first lifeline stands.
const FIRST: usize = 4;
/// Least and greatest distance of lifelines.
const GAP: (usize, usize) = (16, 22);
/// Dashes before the words of a call; an output has more.
pub(super) const CALL_LEAD: usize = 2;
/// Room right of the last lifeline.
const MARGIN: usize = 8;

/// Where the lifelines stand.
pub(super) struct Columns {
    width: usize,
    labels: Vec<String>,
    at: Vec<usize>,
    lines: Vec<Option<ObjectId>>,
    /// More lifelines than fit share the last column.
    shared: usize,
}

impl Columns {
    /// Places lifelines on a page; those that do not fit share the last column.
    pub(super) fn new(width: usize, lifelines: &[(Option<ObjectId>, String)]) -> Self {
        let room = width - FIRST - MARGIN;
        let most = 1 + room / GAP.0;
        let shown = lifelines.len().min(most);
        let gap = if shown > 1 { (room / (shown - 1)).clamp(GAP.0, GAP.1) } else { GAP.1 };
        let mut labels: Vec<String> = lifelines.iter().take(shown).map(|(_, label)| label.clone()).collect();
        let shared = lifelines.len() - shown;
        if shared > 0
            && let Some(last) = labels.last_mut()
        {
            *last = format!("{} more", shared + 1);
        }
        let last = shown - 1;
        for (number, label) in labels.iter_mut().enumerate() {
            // The first label has only the room left of the next one; the last ends with the page.
            let most = if number == 0 { 2 * FIRST - 1 } else { gap - 2 };
            let most = if number == last { most.clamp(4, 2 * MARGIN - 2) } else { most };
            *label = cut(label, most);
        }
        let lines = lifelines.iter().map(|(line, _)| *line).collect();
        Self { width, labels, at: (0..shown).map(|number| FIRST + number * gap).collect(), lines, shared }
    }

    /// The row of labels.
    pub(super) fn head(&self) -> String {
        let mut row = Row { cells: vec![Cell::Space; self.width], columns: self };
        for (label, at) in self.labels.iter().zip(&self.at) {
            row.put(at.saturating_sub((label.width() - 1) / 2), label);
        }
        let mut out = String::new();
        row.write(&mut out);
        out
    }

    /// Column of a lifeline, and what must be said of it when it shares one.
    fn column(&self, line: Option<ObjectId>) -> (usize, Option<Option<ObjectId>>) {
        let position = self.lines.iter().position(|seen| *seen == line).unwrap_or(0);
        let last = self.at.len() - 1;
        (position.min(last), (self.shared > 0 && position >= last).then_some(line))
    }

    /// Room for words beside a lifeline, and whether it is to its left: where the right edge leaves too little.
    fn side(&self, column: usize) -> (usize, bool) {
        let (left, right) = (self.at[column].saturating_sub(2), self.width - self.at[column] - 2);
        if right < 24 && left > right { (left, true) } else { (right, false) }
    }

    fn prefix(shared: Option<Option<ObjectId>>) -> String {
        match shared {
            Some(Some(object)) => format!("{object}: "),
            Some(None) => "?: ".into(),
            None => String::new(),
        }
    }

    /// Cuts text beside a lifeline into rows; the later ones are set in by two.
    pub(super) fn wrap(&self, by: Option<ObjectId>, text: &str) -> Vec<String> {
        let (column, shared) = self.column(by);
        let text = format!("{}{text}", Self::prefix(shared));
        let (room, _) = self.side(column);
        let mut rows = Vec::new();
        let mut row = String::new();
        for word in text.split_inclusive(' ') {
            if !row.trim().is_empty() && row.width() + word.trim_end().width() > room {
                rows.push(row.trim_end().to_owned());
                row = "  ".to_owned();
            }
            row.push_str(word);
        }
        rows.push(row.trim_end().to_owned());
        rows.iter().map(|row| cut(row, room)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Space,
    Char(char),
    /// Taken by the wide character to its left.
    Taken,
}

/// A row.
pub(super) struct Row<'c> {
    cells: Vec<Cell>,
    columns: &'c Columns,
}

impl<'c> Row<'c> {
    /// All lifelines.
    pub(super) fn new(columns: &'c Columns) -> Self {
        let mut cells = vec![Cell::Space; columns.width];
        columns.at.iter().for_each(|at| cells[*at] = Cell::Char('│'));
        Self { cells, columns }
    }

    /// Ends the row.
    pub(super) fn write(&self, out: &mut String) {
        let mut line = String::new();
        for cell in &self.cells {
            match cell {
                Cell::Space => line.push(' '),
                Cell::Char(c) => line.push(*c),
                Cell::Taken => {}
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    fn put(&mut self, at: usize, text: &str) {
        let mut at = at;
        for c in text.chars() {
            let wide = c.width().unwrap_or(0);
            if wide == 0 || at + wide > self.cells.len() {
                continue;
            }
            self.cells[at] = Cell::Char(c);
            self.cells[at + 1..at + wide].fill(Cell::Taken);
            at += wide;
        }
    }

    fn line(&mut self, from: usize, to: usize) {
        if from < to {
            self.cells[from..to].fill(Cell::Char('─'));
        }
    }

    /// Text beside a lifeline.
    pub(super) fn text(&mut self, by: Option<ObjectId>, text: &str) {
        self.beside(self.columns.column(by).0, text);
    }

    fn beside(&mut self, column: usize, text: &str) {
        let (room, left) = self.columns.side(column);
        let text = cut(text, room);
        let at = self.columns.at[column];
        self.put(if left { at - 1 - text.width() } else { at + 2 }, &text);
    }

    /// A line from a lifeline to the last one, with words at both ends.
    pub(super) fn bar(&mut self, by: Option<ObjectId>, text: &str, end: &str) {
        let (column, shared) = self.columns.column(by);
        let text = format!("{}{text}", Columns::prefix(shared));
        let at = self.columns.at[column] + 2;
        let last = self.columns.at[self.columns.at.len() - 1];
        if at + text.width() + 3 > last {
            return self.beside(column, &format!("{text} {end}"));
        }
        self.put(at, &text);
        self.line(at + text.width() + 1, last);
        self.put(last, &format!("┤ {}", cut(end, self.columns.width - last - 2)));
    }

    /// An arrow between two lifelines; its words start `lead` dashes behind its left end.
    pub(super) fn arrow(&mut self, from: Option<ObjectId>, to: Option<ObjectId>, text: &str, lead: usize) {
        let ((from, caller), (to, callee)) = (self.columns.column(from), self.columns.column(to));
        let shared = if lead == CALL_LEAD { callee } else { caller };
        let text = format!("{}{text}", Columns::prefix(shared));
        let (start, end) = (self.columns.at[from], self.columns.at[to]);
        if start == end {
            // To itself, or inside the shared column.
            let word = if lead == CALL_LEAD { "↻" } else { "↩" };
            return self.beside(from, &format!("{word} {text}"));
        }
        let (left, right) = (start.min(end), start.max(end));
        self.line(left + 1, right);
        let words = left + 1 + lead + usize::from(start > end);
        // A blank at each side, one dash and the head behind.
        let text = cut(&text, right.saturating_sub(words + 4));
        if !text.is_empty() {
            self.put(words, &format!(" {text} "));
        }
        if start < end {
            self.put(right - 1, "▶");
        } else {
            self.put(left + 1, "◀");
        }
    }
}

/// A text of at most so many columns, with an ellipsis where it is cut.
fn cut(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut width = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if width + wide + 1 > most {
            break;
        }
        width += wide;
        out.push(c);
    }
    if most > 0 {
        out.push('…');
    }
    out
}
