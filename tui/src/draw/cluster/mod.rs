//! The screens of the cluster: Mesh, Fields, Ballots, Bootstrap.

mod ballots;
mod bootstrap;
mod fields;
mod graph;
mod list;
mod mesh;
mod record;

use control::ClusterSnapshot;
use control::cluster::Health;
use ratatui::layout::Rect;

use super::{PLAIN, Pen};
use crate::state::State;
use crate::target::{Screen, Target};
use crate::text;
use crate::theme::Shape;

pub use ballots::draw as ballots;
pub use bootstrap::draw as bootstrap;
pub use fields::draw as fields;

/// Screen 3: the mesh, or the record of one node.
pub fn mesh(pen: &mut Pen<'_>, state: &State, area: Rect) {
    match state.node {
        Some(id) => record::draw(pen, state, id, area),
        None => mesh::draw(pen, state, area),
    }
}

const fn shape(health: Health) -> Shape {
    match health {
        Health::Unknown => Shape::Absent,
        Health::Alive => Shape::Well,
        Health::Suspect => Shape::Degraded,
        Health::Dead => Shape::Failed,
    }
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Alive => "alive",
        Health::Suspect => "suspect",
        Health::Dead => "dead",
    }
}

/// A node by name, or by number while its name is not known.
fn named(name: &str, id: u32) -> String {
    if name.is_empty() { format!("#{id}") } else { text::clean(name) }
}

/// The name of a node by number, from wherever it is known.
fn name_of(cluster: &ClusterSnapshot, id: u32) -> String {
    let all = cluster.watches.iter().map(|node| (node.id, &node.name));
    let all = all.chain(cluster.neighbours.iter().map(|node| (node.id, &node.name)));
    let all = all.chain(cluster.sessions.iter().map(|node| (node.id, &node.name)));
    let all = all.chain(cluster.bootstrap.founders.iter().map(|node| (node.id, &node.name)));
    let mut all = all.chain(cluster.removals.iter().map(|node| (node.id, &node.name)));
    all.find(|(known, name)| *known == id && !name.is_empty())
        .map_or_else(|| format!("#{id}"), |(_, name)| text::clean(name))
}

/// What the header says of the cluster: `cluster lab (3 members)`.
pub fn identity(cluster: &ClusterSnapshot) -> String {
    let boot = &cluster.bootstrap;
    let name = text::ellipsize(&text::clean(&cluster.name), 16);
    if boot.waiting.is_empty() {
        format!("cluster {name} ({} members)", cluster.members.known)
    } else {
        format!("cluster {name} ({} of {} ready)", boot.ready, boot.quorum)
    }
}

/// The sessions in one line, for the overview.
pub fn links_line(pen: &mut Pen<'_>, cluster: &ClusterSnapshot, area: Rect) {
    let quiet = pen.theme.quiet();
    let mut x = pen.put_within(area.x + 2, area.y, area.right(), "LINKS", quiet) + 1;
    if cluster.sessions.is_empty() {
        pen.put_within(x, area.y, area.right(), "none", quiet);
    }
    for session in &cluster.sessions {
        let health =
            cluster.watches.iter().find(|watch| watch.id == session.id).map_or(Health::Alive, |watch| watch.health);
        let rtt = if session.rtt_p50_ns == 0 { "-".to_owned() } else { text::nanos(session.rtt_p50_ns) };
        let words =
            format!(" {} {rtt} loss {:.1} %", text::clean(&session.via), f64::from(session.loss_ppm) / 10_000.0);
        let name = named(&session.name, session.id);
        if usize::from(x) + text::width(&name) + words.len() + 4 > usize::from(area.right()) {
            pen.put_within(x, area.y, area.right(), " …", quiet);
            break;
        }
        x = pen.put(x, area.y, &format!(" {name} "), PLAIN);
        x = pen.shape(x, area.y, shape(health));
        x = pen.put(x, area.y, &words, quiet) + 1;
    }
    pen.selectable(Rect::new(area.x + 2, area.y, area.width.saturating_sub(3), 1), Target::Go(Screen::Mesh));
}

/// The cluster of what is drawn; says so when there is none.
fn cluster<'s>(pen: &mut Pen<'_>, state: &'s State, area: Rect) -> Option<&'s ClusterSnapshot> {
    let cluster = state.now()?.cluster.as_deref();
    if cluster.is_none() {
        let quiet = pen.theme.quiet();
        let words =
            "this node belongs to no cluster; add [cluster] to its configuration (configs/three-hosts shows one)";
        for (row, line) in super::frame::wrap(words, usize::from(area.width.saturating_sub(4))).iter().enumerate() {
            pen.put_within(area.x + 2, area.y + 1 + row as u16, area.right(), line, quiet);
        }
    }
    cluster
}
