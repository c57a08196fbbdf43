//! Drawing: a pure function of the state and a buffer. What can be selected or clicked is collected on the way, so that keys
//! and mouse always agree with the picture.

mod avm;
mod cluster;
mod events;
mod frame;
mod histogram;
mod host;
mod overlay;
mod overview;
mod pen;
mod table;
mod torus;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::state::State;
use crate::target::{Screen, Target};
pub(crate) use pen::{Hit, Pen};

/// Below this many columns or rows only the header, the tori and the worst thing remain (`console` law 7).
pub(crate) const COMPACT: (u16, u16) = (72, 18);

/// Draws the console.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    paint(state, frame.buffer_mut());
}

/// Draws the console into a buffer.
pub fn paint(state: &State, buffer: &mut Buffer) -> Vec<Hit> {
    let area = buffer.area;
    let mut pen = Pen::new(buffer, state.theme);
    if area.width == 0 || area.height == 0 {
        return Vec::new();
    }
    let compact = area.width < COMPACT.0 || area.height < COMPACT.1;
    let header_rows = frame::header(&mut pen, state, area, compact);
    let footer_rows = u16::from(area.height > header_rows + 1);
    let body = Rect { y: area.y + header_rows, height: area.height.saturating_sub(header_rows + footer_rows), ..area };
    let first_hit = pen.hits.len();
    pen.floor = body.bottom();
    if body.height > 0 {
        if state.scene.is_none() {
            frame::nothing_yet(&mut pen, state, body);
        } else if compact && state.screen == Screen::Overview {
            overview::compact(&mut pen, state, body);
        } else {
            match state.screen {
                Screen::Overview => overview::draw(&mut pen, state, body),
                Screen::Torus => torus::draw(&mut pen, state, body),
                Screen::Mesh => cluster::mesh(&mut pen, state, body),
                Screen::Fields => cluster::fields(&mut pen, state, body),
                Screen::Ballots => cluster::ballots(&mut pen, state, body),
                Screen::Bootstrap => cluster::bootstrap(&mut pen, state, body),
                Screen::Host => host::draw(&mut pen, state, body),
                Screen::Events => events::draw(&mut pen, state, body),
                _ => avm::draw(&mut pen, state, body),
            }
        }
    }
    mark_selected(&mut pen, state, first_hit);
    pen.floor = area.bottom();
    if state.gone() {
        pen.fade(body);
    }
    if footer_rows > 0 {
        frame::footer(&mut pen, state, Rect { y: area.bottom() - 1, height: 1, ..area });
    }
    if state.help {
        overlay::help(&mut pen, state, area);
    }
    if let Some(question) = &state.question {
        overlay::question(&mut pen, question, area);
    }
    pen.hits
}

/// The selected thing carries the accent and a mark before it: shape says it again.
fn mark_selected(pen: &mut Pen<'_>, state: &State, first_hit: usize) {
    let chosen = pen.hits[first_hit..].iter().filter(|hit| hit.focus.is_some()).map(|hit| (hit.area, hit.focus));
    let chosen: Vec<_> = chosen.collect();
    let count = chosen.iter().filter_map(|(_, focus)| *focus).max().map_or(0, |most| most + 1);
    let wanted = state.focus.min(count.saturating_sub(1));
    // A picture for scripts has nothing selected.
    if state.focus == usize::MAX {
        return;
    }
    let Some((area, _)) = chosen.into_iter().find(|(_, focus)| *focus == Some(wanted)) else { return };
    let accent = pen.theme.accent();
    pen.restyle(area, accent);
    if let Some(x) = area.x.checked_sub(1) {
        pen.put(x, area.y, "▸", accent);
    }
}

/// The same picture as [`draw`] makes, for asking what lies where.
fn scratch(state: &State) -> Vec<Hit> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    paint(state, &mut buffer)
}

/// Everything on the screen that can be selected, in the order of selection.
#[must_use]
pub fn focusables(state: &State) -> Vec<Target> {
    let mut found: Vec<(usize, Target)> =
        scratch(state).into_iter().filter_map(|hit| hit.focus.map(|focus| (focus, hit.target))).collect();
    found.sort_by_key(|(focus, _)| *focus);
    if state.screen == Screen::Events {
        // The log is longer than the screen: its selection counts rows of the log.
        return (0..state.events().len()).map(Target::Event).collect();
    }
    found.into_iter().map(|(_, target)| target).collect()
}

/// Where Enter leads: the thing that is selected.
#[must_use]
pub fn selected(state: &State) -> Option<Target> {
    let hits = scratch(state);
    let chosen = hits.iter().find(|hit| hit.focus == Some(state.focus));
    chosen.map(|hit| hit.target)
}

/// What lies at a place of the screen, and which selectable thing it is.
#[must_use]
pub fn hit(state: &State, column: u16, row: u16) -> Option<(Target, Option<usize>)> {
    let inside = |area: &Rect| area.x <= column && column < area.right() && area.y <= row && row < area.bottom();
    scratch(state).into_iter().rev().find(|hit| inside(&hit.area)).map(|hit| (hit.target, hit.focus))
}

/// Rows of the help, for scrolling.
#[must_use]
pub fn help_rows() -> usize {
    overlay::help_lines().len()
}

/// The text of a buffer, line by line, without styles; wide characters once.
#[must_use]
pub fn buffer_text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            x += crate::text::width(symbol).max(1) as u16;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// No style at all.
pub(crate) const PLAIN: Style = Style::new();
