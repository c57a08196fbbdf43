//! The record of one node: how it stands, and for each removal who said what, on a line of time.

use control::ClusterSnapshot;
use control::cluster::{RemovalSnapshot, StatementSnapshot};
use ratatui::layout::Rect;

use super::super::{PLAIN, Pen};
use super::{name_of, shape, word};
use crate::history::Scene;
use crate::state::State;
use crate::text;
use crate::theme::Shape;

/// Columns of the line of time.
const LINE: usize = 32;

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, id: u32, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(cluster) = super::cluster(pen, state, area) else { return };
    let quiet = pen.theme.quiet();
    let x = pen.put_within(area.x + 2, area.y, area.right(), "RECORD", quiet);
    let name = name_of(cluster, id);
    let x = pen.put_within(x + 2, area.y, area.right(), &text::ellipsize(&name, 24), pen.theme.strong());
    pen.put_within(x, area.y, area.right(), &format!(" · node {id} · esc: back to the mesh"), quiet);
    let mut y = standing(pen, scene, cluster, id, Rect { y: area.y + 2, ..area });
    let removals = cluster.removals.iter().filter(|removal| removal.id == id);
    let mut none = true;
    for removal in removals {
        if y + 3 > area.bottom() {
            break;
        }
        none = false;
        y = removed(
            pen,
            scene,
            cluster,
            removal,
            Rect { y: y + 1, height: area.bottom().saturating_sub(y + 1), ..area },
        );
    }
    if none {
        pen.put_within(area.x + 2, y + 1, area.right(), "never removed, as far as this node remembers", quiet);
    }
}

/// Lines of fact; returns the row after the last.
fn standing(pen: &mut Pen<'_>, scene: &Scene, cluster: &ClusterSnapshot, id: u32, area: Rect) -> u16 {
    let quiet = pen.theme.quiet();
    let now = scene.now.node.now_unix_ns;
    let mut y = area.y;
    let mut line = |label: &str, symbol: Option<Shape>, words: String| {
        let mut x = pen.put_within(area.x + 2, y, area.right(), &text::left(label, 12), quiet);
        if let Some(symbol) = symbol {
            x = pen.shape(x, y, symbol) + 1;
        }
        let room = usize::from(area.right().saturating_sub(x + 1));
        pen.put_within(x, y, area.right(), &text::ellipsize(&words, room), PLAIN);
        y += 1;
    };
    if let Some(near) = cluster.neighbours.iter().find(|node| node.id == id) {
        let since = text::age(now.saturating_sub(near.since_unix_ns));
        let words = format!("{}, {}, since {since}", word(near.health), text::clean(&near.why));
        line("neighbour", Some(shape(near.health)), words);
    }
    if let Some(watch) = cluster.watches.iter().find(|node| node.id == id) {
        let words = format!(
            "{}, {}: {} of {} misses, phi {:.1}, last heartbeat {} ago",
            word(watch.health),
            text::clean(&watch.why),
            watch.missed,
            watch.threshold,
            watch.phi,
            text::nanos(watch.age_ns),
        );
        line("watched", Some(shape(watch.health)), words);
        let zone = if watch.zone.is_empty() { "no zone" } else { &watch.zone };
        let words = format!("{}.{}, its doubt {:.2}, {}", watch.boot_inc, watch.life, watch.doubt, text::clean(zone));
        line("incarnation", None, words);
    }
    if let Some(session) = cluster.sessions.iter().find(|node| node.id == id) {
        let words = format!(
            "{} {}, {} p50, {} p99, loss {:.2} %, {} dropped, key epoch {}",
            text::clean(&session.via),
            text::clean(&session.address),
            text::nanos(session.rtt_p50_ns),
            text::nanos(session.rtt_p99_ns),
            f64::from(session.loss_ppm) / 10_000.0,
            text::grouped(session.dropped),
            session.key_epoch,
        );
        line("session", None, words);
    }
    y
}

/// One removal; returns the row after the last.
fn removed(pen: &mut Pen<'_>, scene: &Scene, cluster: &ClusterSnapshot, removal: &RemovalSnapshot, area: Rect) -> u16 {
    let quiet = pen.theme.quiet();
    let ago = text::age(scene.now.node.now_unix_ns.saturating_sub(removal.at_unix_ns));
    let title = format!("{} {ago} ago, incarnation {}.{}", text::clean(&removal.kind), removal.boot_inc, removal.life);
    pen.rule(area, area.y, &title);
    let mut y = area.y + 1;
    pen.put_within(
        area.x + 2,
        y,
        area.right(),
        &text::ellipsize(&text::clean(&removal.text), usize::from(area.width.saturating_sub(3))),
        PLAIN,
    );
    y += 1;
    if removal.statements.is_empty() {
        return y;
    }
    let said = removal.statements.iter().filter(|statement| statement.stated).count();
    let all = removal.statements.len();
    let words = format!(
        "{said} of {all} watchers stated silence, {} were needed; threshold {} misses. Time runs to the right: ● last heard, ✕ stated",
        removal.quorum, removal.threshold
    );
    pen.put_within(
        area.x + 2,
        y,
        area.right(),
        &text::ellipsize(&words, usize::from(area.width.saturating_sub(3))),
        quiet,
    );
    y += 1;
    let longest = removal.statements.iter().map(|statement| statement.age_ns).max().unwrap_or(1).max(1);
    for statement in &removal.statements {
        if y >= area.bottom() {
            break;
        }
        let mut x =
            pen.put_within(area.x + 2, y, area.right(), &text::left(&name_of(cluster, statement.watcher), 13), PLAIN);
        if statement.stated {
            x = pen.put_within(x, y, area.right(), &time_line(statement, longest), pen.theme.bar());
            let words = format!(
                "  {} silent, {} misses, last {}, doubt {:.2}",
                text::nanos(statement.age_ns),
                statement.missed,
                text::grouped(statement.last_sequence),
                statement.doubt
            );
            pen.put_within(
                x,
                y,
                area.right(),
                &text::ellipsize(&words, usize::from(area.right().saturating_sub(x + 1))),
                quiet,
            );
        } else {
            pen.put_within(x, y, area.right(), "said nothing", quiet);
        }
        y += 1;
    }
    y
}

/// From the last heartbeat to the statement, on a line as long as the longest silence.
fn time_line(statement: &StatementSnapshot, longest_ns: u64) -> String {
    let silent = (u128::from(statement.age_ns) * (LINE as u128 - 2) / u128::from(longest_ns)) as usize;
    let silent = silent.min(LINE - 2);
    format!("{}●{}✕", "·".repeat(LINE - 2 - silent), "─".repeat(silent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_time_ends_with_the_statement() {
        let statement =
            |age_ns| StatementSnapshot { watcher: 1, last_sequence: 1, age_ns, missed: 1, doubt: 1.0, stated: true };
        assert_eq!(time_line(&statement(100), 100), format!("●{}✕", "─".repeat(30)));
        assert_eq!(time_line(&statement(0), 100), format!("{}●✕", "·".repeat(30)));
        assert_eq!(text::width(&time_line(&statement(50), 100)), LINE);
        assert_eq!(text::width(&time_line(&statement(u64::MAX), 1)), LINE);
    }
}
