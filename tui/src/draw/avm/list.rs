//! A list of which only a window is here: ten rows of a million, with where they stand.

use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::{leads, missing};
use crate::avm::rows::{Listed, Shown, shown};
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

/// A column.
pub struct Column {
    /// Heading.
    pub title: &'static str,
    /// The name it is sorted by; empty = it is not.
    pub sort: &'static str,
    /// Width with the gap after it; 0 = all that is left.
    pub wide: usize,
    /// How needed it is; 0 = always.
    pub need: u8,
    /// Aligned to the right.
    pub right: bool,
}

/// A column, aligned to the left.
pub const fn left(title: &'static str, sort: &'static str, wide: usize, need: u8) -> Column {
    Column { title, sort, wide, need, right: false }
}

/// A column of numbers.
pub const fn right(title: &'static str, sort: &'static str, wide: usize, need: u8) -> Column {
    Column { title, sort, wide, need, right: true }
}

/// Room the last column wants at least.
const REST: usize = 16;

/// Width of a column of ids: as wide as the longest that is here, within reason, in steps so that it does not swim.
pub fn id_width<'a>(ids: impl Iterator<Item = &'a str>) -> usize {
    let longest = ids.map(str::len).max().unwrap_or(0);
    if longest <= 8 {
        10
    } else if longest <= 14 {
        16
    } else {
        24
    }
}

/// Columns that fit: the least needed give way.
fn fitting(columns: Vec<Column>, width: usize) -> Vec<Column> {
    let mut most = columns.iter().map(|column| column.need).max().unwrap_or(0);
    let wide = |most: u8| -> usize {
        let kept = columns.iter().filter(|column| column.need <= most);
        kept.map(|column| if column.wide == 0 { REST } else { column.wide }).sum()
    };
    while most > 0 && wide(most) > width {
        most -= 1;
    }
    columns.into_iter().filter(|column| column.need <= most).collect()
}

/// Draws what is shown of a list: headings, the rows around the selected one, where they stand. `cells` gives the parts of a
/// column by its title.
pub fn window<T: Listed>(
    pen: &mut Pen<'_>,
    state: &State,
    area: Rect,
    columns: Vec<Column>,
    cells: impl Fn(&Pen<'_>, &T, &str) -> Vec<Part>,
) {
    let Some(list) = shown::<T>(state) else { return };
    if area.height == 0 {
        return;
    }
    let columns = fitting(columns, usize::from(area.width.saturating_sub(3)));
    let foot = u16::from(area.height > 3);
    let room = u64::from(area.height - 1 - foot);
    headings(pen, state, T::SCREEN, area, &columns);
    let selected = (state.focus as u64).min(list.matching.saturating_sub(1));
    let first = (selected + 1).saturating_sub(room.max(1));
    let last = (first + room).min(list.matching);
    for at in first..last {
        let y = area.y + 1 + (at - first) as u16;
        let place = Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1);
        let Some(row) = list.row(at) else {
            pen.put_within(area.x + 2, y, area.right(), "…", pen.theme.quiet());
            pen.selectable_as(place, Target::Here, at as usize);
            continue;
        };
        put_row(pen, area, y, &columns, |pen, title| cells(pen, row, title));
        pen.selectable_as(place, leads(row.id()), at as usize);
    }
    if list.matching == 0 {
        nothing(pen, state, &list, T::SCREEN, area);
    }
    if foot > 0 {
        let y = area.bottom() - 1;
        let words = standing(state, &list, T::SCREEN, first, last);
        pen.put_right(area.x + 2, area.right() - 1, y, &words, pen.theme.quiet());
    }
}

fn headings(pen: &mut Pen<'_>, state: &State, screen: crate::target::Screen, area: Rect, columns: &[Column]) {
    let Some(list) = state.avm.list(screen) else { return };
    let sort = list.sort(screen);
    let mut x = area.x + 2;
    for column in columns {
        let sorted = !sort.is_empty() && sort == column.sort;
        let mark = if list.descending { "▼" } else { "▲" };
        let title = if sorted { format!("{}{mark}", column.title) } else { column.title.to_owned() };
        let title = if column.right { text::right(&title, column.wide.saturating_sub(2)) } else { title };
        let style = if sorted { pen.theme.strong() } else { pen.theme.quiet() };
        pen.put_within(x, area.y, area.right(), &title, style);
        x = x.saturating_add(column.wide as u16);
    }
}

fn put_row(pen: &mut Pen<'_>, area: Rect, y: u16, columns: &[Column], cells: impl Fn(&Pen<'_>, &str) -> Vec<Part>) {
    let mut x = area.x + 2;
    for column in columns {
        let parts = cells(pen, column.title);
        let end = if column.wide == 0 { area.right() - 1 } else { (x + column.wide as u16 - 1).min(area.right()) };
        let long: usize = parts.iter().map(|part| text::width(&part.0)).sum();
        let indent = if column.right { column.wide.saturating_sub(2).saturating_sub(long) } else { 0 };
        pen.parts(x + indent as u16, y, end, &parts);
        x = x.saturating_add(column.wide as u16);
    }
}

/// Where the rows stand, and by what they were picked: `1–20 of 312, filter "failed" of 10 000, by fuel`.
fn standing<T>(state: &State, list: &Shown<'_, T>, screen: crate::target::Screen, first: u64, last: u64) -> String {
    let Some(view) = state.avm.list(screen) else { return String::new() };
    let mut words =
        format!("{}–{} of {}", text::grouped((first + 1).min(last)), text::grouped(last), text::grouped(list.matching));
    if !view.filter.is_empty() {
        let filter = text::ellipsize(&view.filter, 16);
        words += &format!(" with \"{filter}\" of {}", text::grouped(list.total));
    }
    let sort = view.sort(screen);
    if !sort.is_empty() {
        words += &format!(", by {sort}");
    }
    if list.partial {
        words += &match missing(state) {
            Some(why) => format!(", head of the list only: {why}"),
            None => ", head of the list only".to_owned(),
        };
    } else if let Some(why) = missing(state) {
        words += &format!(", no more: {why}");
    }
    words
}

fn nothing<T>(pen: &mut Pen<'_>, state: &State, list: &Shown<'_, T>, screen: crate::target::Screen, area: Rect) {
    let filtered = state.avm.list(screen).is_some_and(|view| !view.filter.is_empty());
    let words = if filtered && list.total > 0 {
        format!("none of {} passes the filter; esc clears it", text::grouped(list.total))
    } else {
        let name = match screen {
            crate::target::Screen::Objects => "no objects",
            crate::target::Screen::Transactions => "no transactions are remembered",
            _ => "no executions; start one with  :avm start PROGRAM#ENTRY",
        };
        name.to_owned()
    };
    pen.put_within(area.x + 2, area.y + 1, area.right(), &words, pen.theme.quiet());
}

/// The selected row's reason in full, on a line of its own: columns are too narrow for it.
pub fn spelled_out(pen: &mut Pen<'_>, area: Rect, shape: Shape, id: &str, words: &str) {
    if words.is_empty() || area.height == 0 {
        return;
    }
    let x = pen.shape(area.x + 2, area.y, shape);
    let x = pen.put_within(x + 1, area.y, area.right(), &format!("{} ", text::ellipsize(id, 30)), pen.theme.strong());
    let room = usize::from(area.right().saturating_sub(x + 1));
    pen.put_within(x, area.y, area.right(), &text::ellipsize(words, room), PLAIN);
}
