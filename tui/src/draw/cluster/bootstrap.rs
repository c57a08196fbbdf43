//! Screen 0: whether the cluster is formed here, and otherwise whom it waits for and why.

use ratatui::layout::Rect;

use super::super::frame::wrap;
use super::super::{PLAIN, Pen};
use super::list::{Column, Row, list};
use super::named;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

const COLUMNS: [Column; 4] = [
    Column("FOUNDER", 16, 0, false),
    Column("HEARD", 10, 0, false),
    Column("READY", 10, 0, false),
    Column("INCARNATION", 13, 1, true),
];

fn how_well(formed: bool, overdue: bool) -> Shape {
    match (formed, overdue) {
        (true, _) => Shape::Well,
        (false, true) => Shape::Failed,
        (false, false) => Shape::Degraded,
    }
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(cluster) = super::cluster(pen, state, area) else { return };
    let boot = &cluster.bootstrap;
    let quiet = pen.theme.quiet();
    let formed = boot.waiting.is_empty();
    let symbol = how_well(formed, boot.overdue);
    let x = pen.put_within(area.x + 2, area.y, area.right(), "BOOTSTRAP", quiet);
    let x = pen.shape(x + 2, area.y, symbol);
    let late = if boot.overdue && !formed { ", overdue" } else { "" };
    let words = format!(" {}{late}", text::clean(&boot.label));
    let x = pen.put_within(x, area.y, area.right(), &words, pen.theme.shape(symbol));
    let words = format!(" · {} ready, {} needed · epoch {}", boot.ready, boot.quorum, boot.epoch);
    pen.put_within(x, area.y, area.right(), &words, PLAIN);
    let how = match (boot.formation, boot.adopted) {
        (0, _) => format!("configuration digest {:016x}", boot.digest),
        (id, true) => format!("formation {id:016x}, adopted from a member · configuration digest {:016x}", boot.digest),
        (id, false) => format!("formation {id:016x}, by own quorum · configuration digest {:016x}", boot.digest),
    };
    pen.put_within(
        area.x + 2,
        area.y + 1,
        area.right(),
        &text::ellipsize(&how, usize::from(area.width.saturating_sub(3))),
        quiet,
    );
    let mark = |is: bool| if is { (Shape::Well, "yes") } else { (Shape::Absent, "no") };
    let rows = boot.founders.iter().map(|founder| {
        let cell = |(symbol, word): (Shape, &str)| {
            vec![(format!("{} ", symbol.symbol()), pen.theme.shape(symbol)), (word.to_owned(), PLAIN)]
        };
        let own = if founder.id == cluster.node_id { " (this)" } else { "" };
        Row {
            cells: vec![
                vec![
                    (text::ellipsize(&named(&founder.name, founder.id), 8), pen.theme.strong()),
                    (own.to_owned(), quiet),
                ],
                cell(mark(founder.seen || founder.id == cluster.node_id)),
                cell(mark(founder.ready)),
                vec![(founder.boot_inc.to_string(), PLAIN)],
            ],
            target: Some(Target::Node(founder.id)),
        }
    });
    let rows: Vec<Row> = rows.collect();
    let height = (rows.len() as u16 + 1).min(area.height.saturating_sub(3));
    let mut y = list(pen, state.focus, Rect { y: area.y + 3, height, ..area }, &COLUMNS, rows) + 1;
    if formed {
        return;
    }
    if y < area.bottom() {
        pen.rule(area, y.saturating_sub(1), "waits for");
    }
    for waiting in &boot.waiting {
        let columns = usize::from(area.width.saturating_sub(6));
        for (at, line) in wrap(&text::clean(&waiting.text), columns).iter().enumerate() {
            if y >= area.bottom() {
                return;
            }
            if at == 0 {
                pen.shape(area.x + 2, y, Shape::Degraded);
            }
            pen.put_within(area.x + 4, y, area.right(), line, PLAIN);
            y += 1;
        }
    }
}
