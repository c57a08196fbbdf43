//! Screen 4: own values, gradients, and what the neighbours say, weighted by age.

use control::cluster::COMPONENTS;
use ratatui::layout::Rect;

use super::super::{PLAIN, Pen};
use super::list::{Column, Row, list};
use super::name_of;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

const OWN: [Column; 5] = [
    Column("COMPONENT", 12, 0, false),
    Column("OWN", 9, 0, true),
    Column("", 12, 1, false),
    Column("GRADIENT", 28, 0, false),
    Column("LAST MINUTE", 22, 2, false),
];

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(cluster) = super::cluster(pen, state, area) else { return };
    let quiet = pen.theme.quiet();
    let fields = &cluster.fields;
    let x = pen.put_within(area.x + 2, area.y, area.right(), "FIELDS", quiet);
    let words =
        format!("gradient: neighbours minus own; half the weight is gone after {}", text::nanos(fields.half_life_ns));
    pen.put_within(x + 2, area.y, area.right(), &words, quiet);
    let rows = COMPONENTS.iter().enumerate().map(|(at, name)| {
        let gradient = match fields.gradients[at] {
            None => vec![("no signal".to_owned(), quiet)],
            Some(value) => {
                let arrow = if value > 0.005 {
                    "▲"
                } else if value < -0.005 {
                    "▼"
                } else {
                    "="
                };
                let meaning = match (*name, arrow) {
                    ("load", "▲") => "  neighbours are busier",
                    ("load", "▼") => "  work may flow out",
                    _ => "",
                };
                vec![(format!("{arrow} {value:+.3}"), pen.theme.strong()), (meaning.to_owned(), quiet)]
            }
        };
        let past: Vec<Option<f64>> = minute(state, at);
        Row {
            cells: vec![
                vec![((*name).to_owned(), PLAIN)],
                vec![(format!("{:.3}", fields.own[at]), pen.theme.strong())],
                vec![(text::gauge(fields.own[at], 10), pen.theme.bar())],
                gradient,
                vec![(text::spark_to(&past, 20, 1.0), quiet)],
            ],
            target: None,
        }
    });
    let rows: Vec<Row> = rows.collect();
    let height = (rows.len() as u16 + 1).min(area.height.saturating_sub(2));
    let y = list(pen, state.focus, Rect { y: area.y + 2, height, ..area }, &OWN, rows);
    if y + 3 > area.bottom() {
        return;
    }
    pen.rule(area, y, "neighbours");
    let mut columns = vec![Column("NODE", 13, 0, false), Column("AGE", 10, 1, true), Column("WEIGHT", 18, 0, false)];
    columns.extend(COMPONENTS.iter().zip([0u8, 2, 3, 5, 6, 4]).map(|(name, need)| Column(name, 9, need, true)));
    let rows = fields.neighbours.iter().map(|node| {
        let faint = if node.weight < 0.25 { pen.theme.shape(Shape::Degraded) } else { PLAIN };
        let mut cells = vec![
            vec![(text::ellipsize(&name_of(cluster, node.id), 12), pen.theme.strong())],
            vec![(text::nanos(node.age_ns), faint)],
            vec![(text::gauge(node.weight, 10), pen.theme.bar()), (format!(" {:.2}", node.weight), faint)],
        ];
        cells.extend(node.values.iter().map(|value| vec![(format!("{value:.3}"), PLAIN)]));
        Row { cells, target: Some(Target::Node(node.id)) }
    });
    let rows: Vec<Row> = rows.collect();
    if rows.is_empty() {
        pen.put_within(area.x + 2, y + 2, area.right(), "nobody is heard: no gradient, nothing flows", quiet);
        return;
    }
    list(pen, state.focus, Rect { y: y + 1, height: area.bottom().saturating_sub(y + 1), ..area }, &columns, rows);
}

/// The own value of a component over the last minute, one sample a second, oldest first.
fn minute(state: &State, component: usize) -> Vec<Option<f64>> {
    let Some(scene) = &state.scene else { return Vec::new() };
    let now = scene.now.read_ns;
    let mut samples = vec![None; 60];
    for snapshot in state.history.back_from(scene.place) {
        let second = (now.saturating_sub(snapshot.read_ns) / 1_000_000_000) as usize;
        if second >= samples.len() {
            break;
        }
        let value = snapshot.cluster.as_ref().map(|cluster| cluster.fields.own[component]);
        let at = samples.len() - 1 - second;
        if samples[at].is_none() {
            samples[at] = value;
        }
    }
    samples
}
