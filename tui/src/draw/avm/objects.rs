//! Objects: all of them, and one with its last versions.

use control::AvmSnapshot;
use control::avm::{ObjectDetail, ObjectSnapshot};
use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::list::{id_width, left, right, window};
use super::sheet::{Sheet, title};
use super::{ago, below_title, counted, dotted, leads, missing, or_dash, torus_target};
use crate::avm::rows::{Listed, object, shown};
use crate::history::Scene;
use crate::state::State;
use crate::target::{Id, Target};
use crate::text;

/// All objects.
pub fn list(pen: &mut Pen<'_>, state: &State, scene: &Scene, record: &AvmSnapshot, area: Rect) {
    let mut y = area.y;
    if area.height > 7 {
        let quiet = pen.theme.quiet();
        let mut facts: Vec<Vec<Part>> =
            vec![vec![(text::grouped(record.totals.objects), PLAIN), (" objects".into(), quiet)]];
        for lane in &record.lanes {
            let (used, limit) = (text::bytes(lane.heap_bytes as f64), text::bytes(lane.heap_limit_bytes as f64));
            facts.push(vec![
                (format!("{} ", text::ellipsize(&lane.torus, 8)), pen.theme.strong()),
                (text::count(lane.objects, 7), PLAIN),
                (format!(", heap {used} of {limit}"), quiet),
            ]);
        }
        dotted(pen, area, y, &facts);
        y += 1;
    }
    let rows = shown::<ObjectSnapshot>(state).map_or_else(Vec::new, |list| list.rows);
    let ids = rows.iter().flat_map(|row| [row.id.as_str(), row.last_writer.as_str()]);
    let wide = id_width(ids);
    let columns = vec![
        left("ID", "id", wide, 0),
        left("BEHAVIOUR", "behaviour", 20, 0),
        right("VERSION", "version", 10, 0),
        left("CONTROLLER", "controller", 12, 1),
        left("TORUS", "torus", 8, 1),
        right("MAILBOX", "mailbox", 10, 4),
        right("BYTES", "bytes", 11, 3),
        left("CHANGED", "changed", 11, 2),
        left("BY", "", wide, 2),
        left("MACHINE", "", 10, 6),
        left("INTENT", "", wide, 5),
    ];
    let at = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    window(pen, state, at, columns, |pen, row, column| cell(pen, scene, row, column));
}

fn past<'s>(scene: &'s Scene, id: &str) -> Option<&'s ObjectSnapshot> {
    let avm = scene.before.as_ref()?.avm.as_deref()?;
    let answered = ObjectSnapshot::answer(avm).into_iter().flat_map(|listing| &listing.rows);
    avm.objects.rows.iter().chain(answered).find(|row| row.id == id)
}

fn cell(pen: &Pen<'_>, scene: &Scene, row: &ObjectSnapshot, column: &str) -> Vec<Part> {
    let quiet = pen.theme.quiet();
    let past = past(scene, &row.id);
    match column {
        "ID" => vec![(text::clean(&row.id), pen.theme.strong())],
        "BEHAVIOUR" => vec![(text::clean(&row.behaviour), PLAIN)],
        "CONTROLLER" => {
            let (word, style) = or_dash(pen, &row.controller);
            vec![(word, pen.fresh(style, past.is_some_and(|past| past.controller != row.controller)))]
        }
        "VERSION" => {
            let changed = past.is_some_and(|past| past.version != row.version);
            vec![(text::count(row.version, 8), pen.fresh(PLAIN, changed))]
        }
        "TORUS" => vec![(text::clean(&row.torus), PLAIN)],
        "MAILBOX" => vec![(text::count(u64::from(row.mailbox), 7), if row.mailbox > 0 { PLAIN } else { quiet })],
        "BYTES" => vec![(text::bytes(row.state_bytes as f64), PLAIN)],
        "CHANGED" => vec![(ago(scene, row.changed_unix_ns), quiet)],
        "BY" => vec![or_dash(pen, &row.last_writer)],
        "MACHINE" => vec![or_dash(pen, &row.machine)],
        _ => vec![or_dash(pen, &row.intent)],
    }
}

/// One object.
pub fn one(pen: &mut Pen<'_>, state: &State, id: Id, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(record) = scene.now.avm.as_deref() else { return };
    let detail = record.details.object.as_deref().filter(|detail| detail.row.id == id.as_str());
    let row = detail.map(|detail| &detail.row).or_else(|| object(state, id.as_str()));
    let Some(row) = row else {
        title(pen, area, "OBJECT", id.as_str(), "esc: back");
        let words =
            missing(state).unwrap_or_else(|| "asking the agent; an object that was destroyed stays unknown".into());
        pen.put_within(area.x + 2, area.y + 2, area.right(), &words, pen.theme.quiet());
        return;
    };
    title(pen, area, "OBJECT", &row.id, &format!("{} · esc: back", text::clean(&row.behaviour)));
    let body = below_title(area);
    let mut sheet = Sheet::new(body);
    standing(pen, scene, row, &mut sheet);
    match detail {
        Some(detail) => known(pen, scene, detail, &mut sheet),
        None => sheet.text("more", &missing(state).unwrap_or_else(|| "asking the agent".into()), 2),
    }
    sheet.draw(pen, state, body);
}

fn standing(pen: &Pen<'_>, scene: &Scene, row: &ObjectSnapshot, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    let made = if row.creating_controller == row.controller {
        String::new()
    } else {
        format!(
            " · created by {}",
            if row.creating_controller.is_empty() { "nobody" } else { &row.creating_controller }
        )
    };
    sheet.line("controller", vec![or_dash(pen, &row.controller), (text::clean(&made), quiet)]);
    let version = format!(" · changed {} ago", ago(scene, row.changed_unix_ns));
    sheet.line("version", vec![(text::grouped(row.version), PLAIN), (version, quiet)]);
    sheet.id("written by", &row.last_writer);
    let machine = format!(" · machine {} · {}", text::clean(&row.machine), counted(u64::from(row.replicas), "replica"));
    sheet.link("torus", vec![(text::clean(&row.torus), PLAIN), (machine, quiet)], torus_target(scene, &row.torus));
    sheet.id("intent of", &row.intent);
    let size =
        format!("{} · {} waiting", text::bytes(row.state_bytes as f64), counted(u64::from(row.mailbox), "message"));
    sheet.line("size", vec![(size, PLAIN)]);
}

fn known(pen: &Pen<'_>, scene: &Scene, detail: &ObjectDetail, sheet: &mut Sheet) {
    let quiet = pen.theme.quiet();
    sheet.text("behaviour", &format!("hash {}", detail.behaviour_hash), 1);
    sheet.text("state", &detail.state, 6);
    if !detail.history.is_empty() {
        sheet.heading("versions, newest first: who wrote them");
    }
    for version in &detail.history {
        let target = match leads(&version.transaction) {
            Target::Here => leads(&version.execution),
            target => target,
        };
        let value = if version.value.is_empty() { String::new() } else { format!(" {}", text::clean(&version.value)) };
        let parts = vec![
            (text::left(&version.execution, 10), PLAIN),
            (text::left(&version.transaction, 10), PLAIN),
            (text::left(&ago(scene, version.at_unix_ns), 10), quiet),
            (text::clean(&version.what), PLAIN),
            (value, quiet),
        ];
        sheet.link(&format!("  {}", text::grouped(version.version)), parts, target);
    }
    if !detail.messages.is_empty() {
        sheet.heading("messages, oldest first");
    }
    detail.messages.iter().for_each(|message| sheet.text("", message, 2));
}
