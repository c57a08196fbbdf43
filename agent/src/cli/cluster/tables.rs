//! What `mesh`, `bootstrap` and `ballots` print.

use control::cluster::{COMPONENTS, ClusterSnapshot, Health, MeshState};

use super::super::table::{aligned, clean};
use super::super::units::{nanoseconds, si};

pub(super) const fn health(health: Health) -> &'static str {
    match health {
        Health::Unknown => "o unknown",
        Health::Alive => "* alive",
        Health::Suspect => "! suspect",
        Health::Dead => "x dead",
    }
}

const fn state(state: MeshState) -> &'static str {
    match state {
        MeshState::Init => "not started",
        MeshState::Discovering => "discovering",
        MeshState::Active => "active",
        MeshState::Degraded => "degraded: fewer neighbours than wanted",
        MeshState::Isolated => "isolated: no neighbour",
        MeshState::Reforming => "reforming: a neighbour was lost",
        MeshState::Shutdown => "left",
        MeshState::Unknown => "in a state this program does not know",
    }
}

/// A node by name, or by number while its name is not known.
pub(super) fn named(name: &str, id: u32) -> String {
    if name.is_empty() { format!("#{id}") } else { clean(name) }
}

fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut all: Vec<Vec<String>> = vec![titles.map(str::to_owned).to_vec()];
    all.extend(rows.into_iter().map(|row| row.to_vec()));
    aligned(&all)
}

/// The first lines: who, formed or not, the worst things.
fn head(cluster: &ClusterSnapshot) -> String {
    let boot = &cluster.bootstrap;
    let formed = if boot.waiting.is_empty() {
        format!("formed, epoch {}{}", boot.epoch, if boot.adopted { ", adopted" } else { "" })
    } else {
        format!("not formed: {} of {} ready (trefoil bootstrap)", boot.ready, boot.quorum)
    };
    let mut out = format!(
        "cluster {}  node {} incarnation {}.{}  {}  {formed}\n{} members, {} removed, {} left  preset {}  period {}  doubt {:.2}{}\n",
        clean(&cluster.name),
        cluster.node_id,
        cluster.boot_inc,
        cluster.life,
        state(cluster.state),
        cluster.members.known,
        cluster.members.removed,
        cluster.members.left,
        clean(&cluster.preset),
        nanoseconds(cluster.period_ns),
        cluster.doubt,
        if cluster.muted { ", own statements muted" } else { "" },
    );
    let plane = &cluster.plane;
    out.push_str(&format!(
        "link {} on {}  {}B/s coordination  {} datagrams out, {} in\n",
        clean(&plane.mode),
        clean(&plane.listen),
        si(plane.coordination_bytes_per_s as f64),
        si(plane.sent as f64).trim_end(),
        si(plane.received as f64).trim_end(),
    ));
    let mut warn = |text: &str| {
        if !text.is_empty() {
            out.push_str(&format!("  ! {}\n", clean(text)));
        }
    };
    warn(&plane.reason);
    warn(&plane.certificate_warning);
    warn(&cluster.duplicate_identity);
    warn(&cluster.valve);
    warn(if cluster.alone {
        "alone: no link to anybody lives; seeds, founders and last members are tried for ever"
    } else {
        ""
    });
    warn(if cluster.draining { "draining: the load field says no (trefoil drain off ends it)" } else { "" });
    for note in &cluster.notes {
        warn(note);
    }
    for (reason, count) in plane.dropped.iter().filter(|(_, count)| *count > 0) {
        out.push_str(&format!("  dropped {count} datagrams: {}\n", clean(reason)));
    }
    out
}

/// `trefoil mesh`.
pub(super) fn mesh(cluster: &ClusterSnapshot) -> String {
    let mut out = head(cluster);
    let rows = cluster.neighbours.iter().map(|node| {
        let load = node.load.map_or_else(|| "-".to_owned(), |load| format!("{load:.2}"));
        [named(&node.name, node.id), health(node.health).to_owned(), node.distance.to_string(), load, clean(&node.why)]
    });
    out.push_str("\nneighbours: the nearest; fields, gradients, hand-over\n");
    out.push_str(&table(["NODE", "HEALTH", "DISTANCE", "LOAD", "WHY"], rows.collect()));
    let rows = cluster.watches.iter().map(|node| {
        [
            named(&node.name, node.id),
            health(node.health).to_owned(),
            format!("{} of {}", node.missed, node.threshold),
            format!("{:.1}", node.phi),
            format!("{:.2}", node.doubt),
            format!("{}.{}", node.boot_inc, node.life),
            clean(&node.zone),
            clean(&node.why),
        ]
    });
    out.push_str("\nwatch links: liveness and news\n");
    let titles = ["NODE", "HEALTH", "MISSED", "PHI", "ITS DOUBT", "INC", "ZONE", "WHY"];
    out.push_str(&table(titles, rows.collect()));
    let rows = cluster.sessions.iter().map(|node| {
        [
            named(&node.name, node.id),
            clean(&node.via),
            clean(&node.address),
            format!("{} / {}", nanoseconds(node.rtt_p50_ns), nanoseconds(node.rtt_p99_ns)),
            format!("{:.2} %", f64::from(node.loss_ppm) / 1e4),
            node.dropped.to_string(),
            node.key_epoch.to_string(),
            clean(&node.kept_for),
        ]
    });
    out.push_str("\nsessions\n");
    let titles = ["NODE", "VIA", "ADDRESS", "RTT P50/P99", "LOSS", "DROPPED", "KEY EPOCH", "FOR"];
    out.push_str(&table(titles, rows.collect()));
    if !cluster.edges.is_empty() {
        let rows = cluster.edges.iter().map(|edge| {
            let node =
                if edge.unauthenticated { "seed peer, unauthenticated".to_owned() } else { format!("#{}", edge.node) };
            [
                clean(&edge.torus),
                node,
                edge.applied.to_string(),
                edge.missed.to_string(),
                edge.sent.to_string(),
                edge.coalesced.to_string(),
                edge.in_doubt.to_string(),
                nanoseconds(edge.age_ns),
            ]
        });
        out.push_str("\nremote tori of the braid\n");
        let titles = ["TORUS", "NODE", "RECEIVED", "MISSED", "SENT", "COALESCED", "IN DOUBT", "AGE"];
        out.push_str(&table(titles, rows.collect()));
    }
    out.push_str(&fields(cluster));
    out.push_str(&removals(cluster));
    out
}

fn fields(cluster: &ClusterSnapshot) -> String {
    let rows = COMPONENTS.iter().enumerate().map(|(at, name)| {
        let gradient =
            cluster.fields.gradients[at].map_or_else(|| "no signal".to_owned(), |value| format!("{value:+.3}"));
        [(*name).to_owned(), format!("{:.3}", cluster.fields.own[at]), gradient]
    });
    format!("\nfields\n{}", table(["COMPONENT", "OWN", "GRADIENT"], rows.collect()))
}

fn removals(cluster: &ClusterSnapshot) -> String {
    if cluster.removals.is_empty() {
        return String::new();
    }
    let mut out = "\nremoved, newest first (trefoil why NODE)\n".to_owned();
    for removal in cluster.removals.iter().take(8) {
        out.push_str(&format!("  {}: {}\n", named(&removal.name, removal.id), clean(&removal.text)));
    }
    out
}

/// `trefoil bootstrap`.
pub(super) fn bootstrap(cluster: &ClusterSnapshot) -> String {
    let boot = &cluster.bootstrap;
    let mut out = format!(
        "cluster {}  {}{}  {} of {} ready  epoch {}  local start-up {}\n",
        clean(&cluster.name),
        clean(&boot.label),
        if boot.overdue { ", overdue" } else { "" },
        boot.ready,
        boot.quorum,
        boot.epoch,
        if boot.local_done { "done" } else { "not done" },
    );
    if boot.formation != 0 {
        let how = if boot.adopted { "adopted from a member" } else { "by own quorum" };
        out.push_str(&format!("formation {:016x}, {how}; configuration digest {:016x}\n", boot.formation, boot.digest));
    } else {
        out.push_str(&format!("configuration digest {:016x}\n", boot.digest));
    }
    let rows = boot.founders.iter().map(|founder| {
        let word = |is: bool| if is { "yes" } else { "no" }.to_owned();
        [named(&founder.name, founder.id), word(founder.seen), word(founder.ready), founder.boot_inc.to_string()]
    });
    out.push_str(&table(["FOUNDER", "HEARD", "READY", "INCARNATION"], rows.collect()));
    for waiting in &boot.waiting {
        out.push_str(&format!("  waits: {}\n", clean(&waiting.text)));
    }
    out
}

/// `trefoil ballots`.
pub(super) fn ballots(cluster: &ClusterSnapshot) -> String {
    if cluster.ballots.is_empty() {
        return "no ballots; open one with: trefoil propose KIND VALUE\n".to_owned();
    }
    let rows = cluster.ballots.iter().map(|ballot| {
        let yes = ballot.votes.iter().filter(|(_, vote)| vote == "yes").count();
        let no = ballot.votes.iter().filter(|(_, vote)| vote == "no").count();
        let left = if ballot.left_ns > 0 { nanoseconds(ballot.left_ns) } else { "-".to_owned() };
        [
            ballot.proposer.to_string(),
            ballot.number.to_string(),
            clean(&ballot.scope),
            clean(&ballot.about),
            clean(&ballot.result),
            format!("{yes} yes, {no} no of {}, {} needed", ballot.votes.len(), ballot.needed),
            clean(&ballot.own_vote),
            left,
            clean(&ballot.why),
        ]
    });
    table(["PROPOSER", "NUMBER", "SCOPE", "ABOUT", "RESULT", "TALLY", "OWN VOTE", "LEFT", "WHY"], rows.collect())
}
