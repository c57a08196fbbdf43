//! Screen 3: neighbours and watch links, the graph of the nearest, what was removed.

use control::ClusterSnapshot;
use control::cluster::{Health, NeighbourSnapshot, SessionSnapshot, WatchSnapshot};
use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::list::{Column, Row, list};
use super::{graph, named, shape, word};
use crate::history::Scene;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

/// Rows of the graph, where there is room for it.
const GRAPH_ROWS: u16 = 9;

const COLUMNS: [Column; 12] = [
    Column("NODE", 13, 0, false),
    Column("HEALTH", 11, 0, false),
    Column("RTT p50/p99", 19, 1, false),
    Column("MISSED", 9, 0, true),
    Column("PHI", 7, 2, true),
    Column("SELF-DOUBT", 12, 4, true),
    Column("INC", 8, 3, true),
    Column("VIA", 6, 5, false),
    Column("LOAD", 7, 2, true),
    Column("LOSS", 9, 6, true),
    Column("SINCE", 12, 7, false),
    Column("WHY", 34, 0, false),
];

/// All that is known of one node.
struct Known<'c> {
    id: u32,
    near: Option<&'c NeighbourSnapshot>,
    watch: Option<&'c WatchSnapshot>,
    session: Option<&'c SessionSnapshot>,
}

/// Neighbours first, in their order; then watched nodes that are none; then nodes with a session only.
fn known(cluster: &ClusterSnapshot) -> Vec<Known<'_>> {
    let mut ids: Vec<u32> = cluster.neighbours.iter().map(|node| node.id).collect();
    let others = cluster.watches.iter().map(|node| node.id).chain(cluster.sessions.iter().map(|node| node.id));
    for id in others {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let of = |id: u32| Known {
        id,
        near: cluster.neighbours.iter().find(|node| node.id == id),
        watch: cluster.watches.iter().find(|node| node.id == id),
        session: cluster.sessions.iter().find(|node| node.id == id),
    };
    ids.into_iter().map(of).collect()
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(cluster) = super::cluster(pen, state, area) else { return };
    head(pen, cluster, area);
    let rows: Vec<Row> = known(cluster).iter().map(|node| row(pen, scene, node)).collect();
    let wanted = rows.len() as u16 + 1;
    let room = area.height.saturating_sub(2);
    let below = 2 + cluster.removals.len().min(4) as u16;
    let graphed = area.width >= 72 && room >= wanted + GRAPH_ROWS + below;
    let height = if graphed { wanted } else { room.min(wanted) };
    let mut y = list(pen, state.focus, Rect { y: area.y + 2, height, ..area }, &COLUMNS, rows);
    if graphed {
        pen.rule(area, y, "the nearest, as they see each other (dotted: neighbours of each other)");
        let high = (area.bottom().saturating_sub(y + 1 + below)).min(16);
        graph::draw(pen, cluster, Rect { x: area.x + 2, y: y + 1, width: area.width.saturating_sub(4), height: high });
        y += 1 + high;
    }
    removed(pen, scene, cluster, Rect { y, height: area.bottom().saturating_sub(y), ..area });
}

fn head(pen: &mut Pen<'_>, cluster: &ClusterSnapshot, area: Rect) {
    let quiet = pen.theme.quiet();
    let mut x = pen.put_within(area.x + 2, area.y, area.right(), "MESH", quiet) + 2;
    let doubt = format!("doubt {:.2}{}", cluster.doubt, if cluster.muted { ", says nothing of others" } else { "" });
    let facts = [
        (format!("{:?}", cluster.state).to_lowercase(), PLAIN),
        (
            format!(
                "{} members, {} removed, {} left",
                cluster.members.known, cluster.members.removed, cluster.members.left
            ),
            PLAIN,
        ),
        (doubt, if cluster.muted { pen.theme.shape(Shape::Degraded) } else { PLAIN }),
        (format!("{} {}", text::clean(&cluster.preset), text::nanos(cluster.period_ns)), quiet),
        (format!("{}B/s coordination", text::si(cluster.plane.coordination_bytes_per_s as f64)), quiet),
        (format!("{} on {}", text::clean(&cluster.plane.mode), text::clean(&cluster.plane.listen)), quiet),
    ];
    for (at, (words, style)) in facts.iter().enumerate() {
        if usize::from(x) + text::width(words) + 4 > usize::from(area.right()) {
            break;
        }
        if at > 0 {
            x = pen.put(x, area.y, " · ", quiet);
        }
        x = pen.put(x, area.y, words, *style);
    }
    let dropped: u64 = cluster.plane.dropped.iter().map(|(_, count)| count).sum();
    let mut words = String::new();
    if dropped > 0 {
        let most = cluster.plane.dropped.iter().max_by_key(|(_, count)| *count);
        let (reason, count) = most.map_or(("", 0), |(reason, count)| (reason.as_str(), *count));
        words = format!(
            "{} datagrams dropped, mostly {} ({})",
            text::grouped(dropped),
            text::clean(reason),
            text::grouped(count)
        );
    }
    for note in &cluster.notes {
        let between = if words.is_empty() { "" } else { " · " };
        words = format!("{words}{between}{}", text::clean(note));
    }
    pen.put_within(
        area.x + 8,
        area.y + 1,
        area.right(),
        &text::ellipsize(&words, usize::from(area.width.saturating_sub(10))),
        quiet,
    );
}

fn row(pen: &Pen<'_>, scene: &Scene, node: &Known<'_>) -> Row {
    let quiet = pen.theme.quiet();
    let plain = |words: String| vec![(words, PLAIN)];
    let none = || vec![("-".to_owned(), quiet)];
    let health = node.watch.map(|watch| watch.health).or(node.near.map(|near| near.health));
    let name = node
        .near
        .map(|near| &near.name)
        .or(node.watch.map(|watch| &watch.name))
        .or(node.session.map(|session| &session.name));
    let since = node.near.map(|near| near.since_unix_ns).or(node.watch.map(|watch| watch.since_unix_ns));
    let missed = node.watch.map(|watch| {
        let style = if watch.missed > 0 { pen.theme.shape(Shape::Degraded) } else { PLAIN };
        vec![(format!("{}", watch.missed), style), (format!("/{}", watch.threshold), quiet)]
    });
    let rtt = node
        .session
        .filter(|session| session.rtt_p50_ns > 0)
        .map(|session| plain(format!("{} / {}", text::nanos(session.rtt_p50_ns), text::nanos(session.rtt_p99_ns))));
    let cells = vec![
        vec![(text::ellipsize(&named(name.map_or("", String::as_str), node.id), 12), pen.theme.strong())],
        vitality(pen, scene, node.id, health),
        rtt.unwrap_or_else(none),
        missed.unwrap_or_else(none),
        node.watch.map_or_else(none, |watch| plain(format!("{:.1}", watch.phi))),
        node.watch.map_or_else(none, |watch| plain(format!("{:.2}", watch.doubt))),
        node.watch.map_or_else(none, |watch| plain(format!("{}.{}", watch.boot_inc, watch.life))),
        node.session.map_or_else(none, |session| plain(text::clean(&session.via))),
        node.near.and_then(|near| near.load).map_or_else(none, |load| plain(format!("{load:.2}"))),
        node.session.map_or_else(none, |session| plain(format!("{:.2} %", f64::from(session.loss_ppm) / 10_000.0))),
        since.map_or_else(none, |since| plain(text::age(scene.now.node.now_unix_ns.saturating_sub(since)))),
        vec![(why(node), quiet)],
    ];
    Row { cells, target: Some(Target::Node(node.id)) }
}

fn vitality(pen: &Pen<'_>, scene: &Scene, id: u32, health: Option<Health>) -> Vec<Part> {
    let Some(health) = health else { return vec![("○ relay".to_owned(), pen.theme.quiet())] };
    let before = scene.before.as_ref().and_then(|before| before.cluster.as_ref()).and_then(|cluster| {
        let watch = cluster.watches.iter().find(|watch| watch.id == id).map(|watch| watch.health);
        watch.or_else(|| cluster.neighbours.iter().find(|near| near.id == id).map(|near| near.health))
    });
    let style = pen.theme.shape(shape(health));
    let changed = before.is_some_and(|before| before != health);
    vec![(format!("{} ", shape(health).symbol()), style), (word(health).to_owned(), pen.fresh(style, changed))]
}

fn why(node: &Known<'_>) -> String {
    let reasons = [
        node.near.map(|near| text::clean(&near.why)),
        node.watch.map(|watch| text::clean(&watch.why)),
        node.session
            .filter(|_| node.near.is_none() && node.watch.is_none())
            .map(|session| text::clean(&session.kept_for)),
    ];
    reasons.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn removed(pen: &mut Pen<'_>, scene: &Scene, cluster: &ClusterSnapshot, area: Rect) {
    if cluster.removals.is_empty() || area.height < 2 {
        return;
    }
    pen.rule(area, area.y, "removed: ⏎ shows who said what");
    for (at, removal) in cluster.removals.iter().take(usize::from(area.height - 1)).enumerate() {
        let y = area.y + 1 + at as u16;
        let ago = text::age(scene.now.node.now_unix_ns.saturating_sub(removal.at_unix_ns));
        let dead = matches!(removal.kind.as_str(), "dead" | "quarantined");
        let x = pen.shape(area.x + 2, y, if dead { Shape::Failed } else { Shape::Absent });
        let words = format!(
            " {} {} {ago} ago: {}",
            named(&removal.name, removal.id),
            text::clean(&removal.kind),
            text::clean(&removal.text)
        );
        pen.put_within(
            x,
            y,
            area.right(),
            &text::ellipsize(&words, usize::from(area.right().saturating_sub(x + 1))),
            PLAIN,
        );
        pen.selectable(Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1), Target::Node(removal.id));
    }
}
