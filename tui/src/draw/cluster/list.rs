//! A table whose least needed columns give way when there is no room, and whose rows lead somewhere.

use ratatui::layout::Rect;

use super::super::Pen;
use super::super::pen::Part;
use crate::target::Target;
use crate::text;

/// Heading, columns, how needed it is (0 = always), whether it is aligned to the right.
pub struct Column(pub &'static str, pub usize, pub u8, pub bool);

/// One row: a cell for each column, and where it leads.
pub struct Row {
    pub cells: Vec<Vec<Part>>,
    pub target: Option<Target>,
}

/// Draws headings and as many rows as there is room for; the selected one stays in sight. Returns the row after the last.
pub fn list(pen: &mut Pen<'_>, focus: usize, area: Rect, columns: &[Column], rows: Vec<Row>) -> u16 {
    if area.height == 0 {
        return area.y;
    }
    let width = usize::from(area.width.saturating_sub(3));
    let mut least = columns.iter().map(|column| column.2).max().unwrap_or(0);
    while least > 0 && columns.iter().filter(|column| column.2 <= least).map(|column| column.1).sum::<usize>() > width {
        least -= 1;
    }
    let quiet = pen.theme.quiet();
    let mut x = area.x + 2;
    for column in columns.iter().filter(|column| column.2 <= least) {
        let heading = if column.3 { text::right(column.0, column.1 - 2) } else { column.0.to_owned() };
        pen.put_within(x, area.y, area.right(), &heading, quiet);
        x += column.1 as u16;
    }
    let room = usize::from(area.height - 1);
    let base = pen.focusables();
    let selected = focus.saturating_sub(base).min(rows.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(room.max(1));
    let shown = rows.len().min(room);
    for (at, row) in rows.into_iter().enumerate() {
        let line = at.checked_sub(first).filter(|line| *line < room);
        let y = area.y + 1 + line.unwrap_or(0) as u16;
        if line.is_some() {
            cells(pen, area, y, columns, least, &row.cells);
        }
        if let Some(target) = row.target {
            let place = Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1);
            pen.selectable(if line.is_some() { place } else { Rect::ZERO }, target);
        }
    }
    area.y + 1 + shown as u16
}

fn cells(pen: &mut Pen<'_>, area: Rect, y: u16, columns: &[Column], least: u8, cells: &[Vec<Part>]) {
    let mut x = area.x + 2;
    for (Column(_, wide, need, right), parts) in columns.iter().zip(cells) {
        if *need > least {
            continue;
        }
        let long: usize = parts.iter().map(|part| text::width(&part.0)).sum();
        let indent = if *right { (wide - 2).saturating_sub(long) } else { 0 };
        pen.parts(x + indent as u16, y, (x + *wide as u16 - 1).min(area.right()), parts);
        x += *wide as u16;
    }
}
