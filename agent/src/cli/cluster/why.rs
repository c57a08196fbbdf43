//! `trefoil why NODE`: what this node knows about another and, when it was removed, who said what.

use control::Snapshot;
use control::cluster::{ClusterSnapshot, NeighbourSnapshot, RemovalSnapshot, SessionSnapshot, WatchSnapshot};
use serde::Serialize;

use super::super::Failure;
use super::super::table::{aligned, clean};
use super::super::units::nanoseconds;
use super::tables::{health, named};

/// All that is known of one node.
#[derive(Debug, Serialize)]
pub(super) struct Facts<'c> {
    id: u32,
    neighbour: Option<&'c NeighbourSnapshot>,
    watch: Option<&'c WatchSnapshot>,
    session: Option<&'c SessionSnapshot>,
    /// Newest first.
    removals: Vec<&'c RemovalSnapshot>,
}

/// What is known of the node with that name or number.
pub(super) fn facts<'c>(cluster: &'c ClusterSnapshot, node: &str) -> Option<Facts<'c>> {
    let known = cluster
        .neighbours
        .iter()
        .map(|known| (known.id, &known.name))
        .chain(cluster.watches.iter().map(|known| (known.id, &known.name)))
        .chain(cluster.sessions.iter().map(|known| (known.id, &known.name)))
        .chain(cluster.removals.iter().map(|known| (known.id, &known.name)))
        .chain(cluster.bootstrap.founders.iter().map(|known| (known.id, &known.name)));
    // Messages say `n4` of a node whose name is not known.
    let number = node.trim_start_matches(['#', 'n']).parse::<u32>().ok();
    let id = known.into_iter().find(|(id, name)| *name == node || Some(*id) == number).map(|(id, _)| id)?;
    Some(Facts {
        id,
        neighbour: cluster.neighbours.iter().find(|known| known.id == id),
        watch: cluster.watches.iter().find(|known| known.id == id),
        session: cluster.sessions.iter().find(|known| known.id == id),
        removals: cluster.removals.iter().filter(|known| known.id == id).collect(),
    })
}

/// There is no such node here.
pub(super) fn nobody(cluster: &ClusterSnapshot, node: &str) -> Failure {
    let mut names: Vec<String> = cluster
        .watches
        .iter()
        .map(|known| named(&known.name, known.id))
        .chain(cluster.neighbours.iter().map(|known| named(&known.name, known.id)))
        .chain(cluster.removals.iter().map(|known| named(&known.name, known.id)))
        .collect();
    names.sort();
    names.dedup();
    let known = if names.is_empty() { "nobody yet".to_owned() } else { names.join(", ") };
    Failure::failed(format!(
        "this node neither watches, neighbours nor remembers {node:?}; it knows {known}. Ask a node that watches it"
    ))
}

/// The text.
pub(super) fn why(now: &Snapshot, cluster: &ClusterSnapshot, node: &str) -> Result<String, Failure> {
    let facts = facts(cluster, node).ok_or_else(|| nobody(cluster, node))?;
    let mut out = format!("node {}\n", facts.id);
    if let Some(near) = facts.neighbour {
        out.push_str(&format!("  neighbour, {}: {}\n", health(near.health), clean(&near.why)));
    }
    if let Some(watch) = facts.watch {
        out.push_str(&format!(
            "  watched ({}), {}: {} of {} misses, phi {:.1}, last heartbeat {} ago, incarnation {}.{}\n",
            clean(&watch.why),
            health(watch.health),
            watch.missed,
            watch.threshold,
            watch.phi,
            nanoseconds(watch.age_ns),
            watch.boot_inc,
            watch.life,
        ));
    }
    if let Some(session) = facts.session {
        out.push_str(&format!(
            "  session by {} to {}, round trip {} p50, loss {:.2} %, kept as {}\n",
            clean(&session.via),
            clean(&session.address),
            nanoseconds(session.rtt_p50_ns),
            f64::from(session.loss_ppm) / 1e4,
            clean(&session.kept_for),
        ));
    }
    for removal in &facts.removals {
        out.push_str(&removed(now, removal));
    }
    if facts.removals.is_empty() {
        out.push_str("  never removed, as far as this node remembers\n");
    }
    Ok(out)
}

fn removed(now: &Snapshot, removal: &RemovalSnapshot) -> String {
    let ago = now.node.now_unix_ns.saturating_sub(removal.at_unix_ns);
    let mut out = format!(
        "  {} {} ago, incarnation {}.{}: {}\n",
        clean(&removal.kind),
        nanoseconds(ago),
        removal.boot_inc,
        removal.life,
        clean(&removal.text),
    );
    if removal.statements.is_empty() {
        return out;
    }
    out.push_str(&format!(
        "  {} of {} watchers said so, {} were needed, threshold {} misses\n",
        removal.statements.iter().filter(|statement| statement.stated).count(),
        removal.statements.len(),
        removal.quorum,
        removal.threshold,
    ));
    let mut rows = vec![["WATCHER", "SAID", "LAST HEARD", "AGE", "MISSED", "ITS DOUBT"].map(str::to_owned).to_vec()];
    rows.extend(removal.statements.iter().map(|statement| {
        if statement.stated {
            vec![
                format!("#{}", statement.watcher),
                "silent".to_owned(),
                format!("heartbeat {}", statement.last_sequence),
                nanoseconds(statement.age_ns),
                statement.missed.to_string(),
                format!("{:.2}", statement.doubt),
            ]
        } else {
            let mut row = vec![format!("#{}", statement.watcher), "nothing".to_owned()];
            row.extend(std::iter::repeat_n("-".to_owned(), 4));
            row
        }
    }));
    out.push_str(&aligned(&rows));
    out
}
