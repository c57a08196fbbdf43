//! Writing into a buffer, clipped, with what can be selected collected beside.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::target::Target;
use crate::text;
use crate::theme::{Colours, Shape, Theme};

/// A place on the screen that leads somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Where.
    pub area: Rect,
    /// Whereto.
    pub target: Target,
    /// Its number in the order of selection, when keys can select it too.
    pub focus: Option<usize>,
}

/// A part of a line: text and style.
pub type Part = (String, Style);

/// Writes into a buffer; never outside it.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    /// Styles.
    pub theme: Theme,
    /// What was collected.
    pub hits: Vec<Hit>,
    focusables: usize,
    /// First row that may not be written: the body stays out of the footer.
    pub floor: u16,
}

impl<'a> Pen<'a> {
    /// A pen for a buffer.
    pub fn new(buffer: &'a mut Buffer, theme: Theme) -> Self {
        let floor = buffer.area.bottom();
        Self { buffer, theme, hits: Vec::new(), focusables: 0, floor }
    }

    /// Writes text from a cell on, clipped at the edge of the buffer; returns the column after it.
    pub fn put(&mut self, x: u16, y: u16, content: &str, style: Style) -> u16 {
        let right = self.buffer.area.right();
        self.put_within(x, y, right, content, style)
    }

    /// Writes text, clipped before column `right`.
    pub fn put_within(&mut self, x: u16, y: u16, right: u16, content: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        let right = right.min(area.right());
        if y < area.y || y >= area.bottom().min(self.floor) || x < area.x || x >= right {
            return x;
        }
        // What stood there before lends no colour to what is written over it.
        self.buffer.set_stringn(x, y, content, usize::from(right - x), Style::reset().patch(style)).0
    }

    /// Writes parts one after another; what does not fit before column `right` is ellipsized.
    pub fn parts(&mut self, x: u16, y: u16, right: u16, parts: &[Part]) -> u16 {
        let right = right.min(self.buffer.area.right());
        let mut x = x;
        for (content, style) in parts {
            let room = usize::from(right.saturating_sub(x));
            if room == 0 {
                break;
            }
            x = self.put_within(x, y, right, &text::ellipsize(content, room), *style);
        }
        x
    }

    /// Writes text so that it ends before column `right`; what does not fit is ellipsized.
    pub fn put_right(&mut self, left: u16, right: u16, y: u16, content: &str, style: Style) {
        let room = usize::from(right.saturating_sub(left));
        let cut = text::ellipsize(content, room);
        let x = right.saturating_sub(text::width(&cut) as u16);
        self.put_within(x, y, right, &cut, style);
    }

    /// A shape in its style.
    pub fn shape(&mut self, x: u16, y: u16, shape: Shape) -> u16 {
        let style = self.theme.shape(shape);
        self.put(x, y, shape.symbol(), style)
    }

    /// A quiet horizontal rule with a word in it.
    pub fn rule(&mut self, area: Rect, y: u16, word: &str) {
        let quiet = self.theme.quiet();
        let width = usize::from(area.width.saturating_sub(2));
        self.put_within(area.x + 1, y, area.right(), &"─".repeat(width), quiet);
        if !word.is_empty() {
            self.put_within(area.x + 3, y, area.right(), &format!(" {word} "), quiet);
        }
    }

    /// A place keys and mouse can select.
    pub fn selectable(&mut self, area: Rect, target: Target) {
        self.selectable_as(area, target, self.focusables);
    }

    /// How many places can be selected so far.
    pub const fn focusables(&self) -> usize {
        self.focusables
    }

    /// A place whose number in the order of selection is given.
    pub fn selectable_as(&mut self, area: Rect, target: Target, focus: usize) {
        let area = if area.y < self.floor { area } else { Rect::ZERO };
        self.hits.push(Hit { area, target, focus: Some(focus) });
        self.focusables = self.focusables.max(focus + 1);
    }

    /// A place only the mouse can reach.
    pub fn clickable(&mut self, area: Rect, target: Target) {
        if area.y < self.floor {
            self.hits.push(Hit { area, target, focus: None });
        }
    }

    /// Lays a style over an area.
    pub fn restyle(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        self.buffer.set_style(area, style);
    }

    /// Greys an area: it no longer shows what is.
    pub fn fade(&mut self, area: Rect) {
        let style = match self.theme.colours {
            Colours::None => {
                Style::new().add_modifier(Modifier::DIM).remove_modifier(Modifier::BOLD | Modifier::REVERSED)
            }
            _ => Style::new().fg(Color::DarkGray).remove_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        };
        self.restyle(area, style);
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// Underlined when it changed within the last second (`console` law 4).
    pub fn fresh(&self, style: Style, changed: bool) -> Style {
        if changed { style.add_modifier(Modifier::UNDERLINED) } else { style }
    }
}
