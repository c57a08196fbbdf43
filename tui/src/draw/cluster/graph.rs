//! The graph of the nearest: this node in the middle, its neighbours around it, and what they say of each other.

use std::f64::consts::TAU;

use control::ClusterSnapshot;
use ratatui::layout::Rect;

use super::super::Pen;
use super::{named, shape};
use crate::text;

/// Dots of braille, two columns and four rows a character.
struct Plot {
    columns: usize,
    rows: usize,
    dots: Vec<u8>,
}

impl Plot {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, dots: vec![0; columns * rows] }
    }

    fn dot(&mut self, x: i32, y: i32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let (column, row) = (x / 2, y / 4);
        if column < self.columns && row < self.rows {
            const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
            self.dots[row * self.columns + column] |= BITS[x % 2][y % 4];
        }
    }

    /// A line by Bresenham; `step` leaves dots out.
    fn line(&mut self, (mut x, mut y): (i32, i32), to: (i32, i32), step: u32) {
        let (across, down) = ((to.0 - x).abs(), -(to.1 - y).abs());
        let (right, below) = ((to.0 - x).signum(), (to.1 - y).signum());
        let (mut error, mut count) = (across + down, 0u32);
        loop {
            if count.is_multiple_of(step) {
                self.dot(x, y);
            }
            count += 1;
            if (x, y) == to {
                break;
            }
            let twice = 2 * error;
            if twice >= down {
                error += down;
                x += right;
            }
            if twice <= across {
                error += across;
                y += below;
            }
        }
    }

    fn row(&self, row: usize) -> String {
        let dots = &self.dots[row * self.columns..(row + 1) * self.columns];
        dots.iter().map(|dots| char::from_u32(0x2800 + u32::from(*dots)).filter(|_| *dots > 0).unwrap_or(' ')).collect()
    }
}

/// Draws the graph into an area of at least 24 by 7.
pub fn draw(pen: &mut Pen<'_>, cluster: &ClusterSnapshot, area: Rect) {
    if area.width < 24 || area.height < 7 || cluster.neighbours.is_empty() {
        return;
    }
    let (columns, rows) = (usize::from(area.width), usize::from(area.height));
    let mut plot = Plot::new(columns, rows);
    let count = cluster.neighbours.len();
    let centre = (columns as i32, rows as i32 * 2);
    let place = |at: usize| {
        let angle = TAU * at as f64 / count as f64 - TAU / 4.0;
        let (wide, high) = (f64::from(centre.0) - 14.0, f64::from(centre.1) - 4.0);
        (centre.0 + (wide * angle.cos()) as i32, centre.1 + (high * angle.sin()) as i32)
    };
    for (at, node) in cluster.neighbours.iter().enumerate() {
        plot.line(centre, place(at), 1);
        // What a neighbour says of another of ours: dotted.
        for other in &node.its_neighbours {
            if let Some(to) = cluster.neighbours.iter().position(|node| node.id == *other).filter(|to| *to > at) {
                plot.line(place(at), place(to), 3);
            }
        }
    }
    let quiet = pen.theme.quiet();
    for row in 0..rows {
        pen.put_within(area.x, area.y + row as u16, area.right(), &plot.row(row), quiet);
    }
    let strong = pen.theme.strong();
    let mut label = |(x, y): (i32, i32), words: &str, symbol: Option<crate::theme::Shape>| {
        let long = text::width(words) as i32 + if symbol.is_some() { 2 } else { 0 };
        let left = (x / 2 - long / 2).clamp(0, (columns as i32 - long).max(0)) as u16;
        let (mut column, row) = (area.x + left, area.y + (y / 4).clamp(0, rows as i32 - 1) as u16);
        if let Some(symbol) = symbol {
            column = pen.shape(column, row, symbol);
            column = pen.put_within(column, row, area.right(), " ", quiet);
        }
        pen.put_within(column, row, area.right(), words, strong);
    };
    label(centre, " this node ", None);
    for (at, node) in cluster.neighbours.iter().enumerate() {
        label(place(at), &text::ellipsize(&named(&node.name, node.id), 12), Some(shape(node.health)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_from_end_to_end_in_every_direction() {
        for to in [(9, 0), (0, 19), (9, 19), (3, 17), (9, 2)] {
            for (from, to) in [((0, 0), to), (to, (0, 0))] {
                let mut plot = Plot::new(5, 5);
                plot.line(from, to, 1);
                let dots: u32 = plot.dots.iter().map(|dots| dots.count_ones()).sum();
                let long = (to.0 - from.0).abs().max((to.1 - from.1).abs()) as u32 + 1;
                assert_eq!(dots, long, "{from:?} to {to:?}");
            }
        }
        let mut plot = Plot::new(2, 1);
        plot.dot(-1, 0);
        plot.dot(100, 100);
        assert_eq!(plot.row(0), "  ");
    }
}
