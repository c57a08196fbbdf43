//! Is everything all right? Findings of one moment, worst first, each with the place that shows it (`console` law 1).

use control::ClusterSnapshot;
use control::cluster::Health;
use control::snapshot::{PeerState, Phase, TorusSnapshot, TorusState};

use crate::history::Scene;
use crate::target::{Screen, Target};
use crate::text;
use crate::theme::Shape;

/// A torus that has not written for this long is looked at askance.
const SILENT_SUSPECT_NS: u64 = 1_000_000_000;
/// And after this long it hangs, whatever its last state said.
const SILENT_HUNG_NS: u64 = 3_000_000_000;

/// One thing that is not all right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub shape: Shape,
    /// Order: lower is worse.
    pub rank: u8,
    /// One line: what and why.
    pub text: String,
    /// Where it is shown.
    pub target: Target,
}

/// The shape of a torus when its silence counts as well as its state.
#[must_use]
pub fn torus_shape(scene: &Scene, torus: &TorusSnapshot) -> Shape {
    let ended = matches!(torus.state, TorusState::Stopped | TorusState::Failed);
    let silent = scene.torus_silent_ns(torus);
    let degraded = torus.recording_broken || torus.core_shared || torus.alone;
    match Shape::of_torus(torus.state) {
        _ if !ended && silent >= SILENT_HUNG_NS => Shape::Failed,
        _ if !ended && silent >= SILENT_SUSPECT_NS => Shape::Degraded,
        Shape::Well if degraded => Shape::Degraded,
        shape => shape,
    }
}

/// All findings of a moment, worst first; the order among equals is that of the tori.
#[must_use]
pub fn findings(scene: &Scene) -> Vec<Finding> {
    let mut found = Vec::new();
    of_node(scene, &mut found);
    for (at, torus) in scene.now.tori.iter().enumerate() {
        of_torus(scene, at, torus, &mut found);
    }
    if let Some(cluster) = &scene.now.cluster {
        of_cluster(scene, cluster, &mut found);
    }
    if let Some(avm) = &scene.now.avm {
        let of_avm = crate::avm::findings::findings(scene, avm);
        found.extend(of_avm.into_iter().map(|(shape, rank, text, target)| finding(shape, rank, text, target)));
    }
    if found.is_empty() && !scene.now.node.worst.is_empty() {
        found.push(finding(Shape::Degraded, 60, scene.now.node.worst.clone(), Target::Events));
    }
    found.sort_by_key(|finding| finding.rank);
    found
}

fn finding(shape: Shape, rank: u8, text: String, target: Target) -> Finding {
    Finding { shape, rank, text: text::clean(&text), target }
}

fn of_node(scene: &Scene, found: &mut Vec<Finding>) {
    let node = &scene.now.node;
    match node.phase {
        Phase::Failed => found.push(finding(Shape::Failed, 0, "node failed".into(), Target::Events)),
        Phase::Starting => found.push(finding(Shape::Degraded, 50, "node starting".into(), Target::Events)),
        Phase::Stopping => found.push(finding(Shape::Degraded, 51, "node stopping".into(), Target::Events)),
        Phase::Stopped => found.push(finding(Shape::Absent, 52, "node stopped".into(), Target::Events)),
        Phase::Unknown => found.push(finding(Shape::Degraded, 53, "node phase unknown".into(), Target::Events)),
        Phase::Running => {}
    }
    if !node.backing_reason.is_empty() {
        let reason = format!("degraded memory: {}", node.backing_reason);
        found.push(finding(Shape::Degraded, 80, reason, Target::Host));
    }
    if scene.now.events_suppressed > 0 && scene.changed(|at| at.events_suppressed) {
        let text = format!("{} events kept out of the log", text::grouped(scene.now.events_suppressed));
        found.push(finding(Shape::Degraded, 75, text, Target::Events));
    }
}

/// A removal stays a finding for so long.
const REMOVED_NS: u64 = 600_000_000_000;

fn of_cluster(scene: &Scene, cluster: &ClusterSnapshot, found: &mut Vec<Finding>) {
    let mesh = Target::Go(Screen::Mesh);
    let mut add = |shape, rank, text: String, target| found.push(finding(shape, rank, text, target));
    if !cluster.duplicate_identity.is_empty() {
        add(Shape::Failed, 7, format!("duplicate identity: {}", cluster.duplicate_identity), mesh);
    }
    if cluster.alone {
        add(Shape::Failed, 8, "alone: no link to anybody lives".into(), mesh);
    }
    if !cluster.valve.is_empty() {
        add(Shape::Failed, 9, cluster.valve.clone(), mesh);
    }
    let now = scene.now.node.now_unix_ns;
    let recent = |at_unix_ns: u64| now.saturating_sub(at_unix_ns) < REMOVED_NS;
    for removal in cluster.removals.iter().filter(|removal| recent(removal.at_unix_ns)).take(3) {
        let (id, ago) = (removal.id, text::age(now.saturating_sub(removal.at_unix_ns)));
        let name = if removal.name.is_empty() { format!("#{id}") } else { removal.name.clone() };
        match removal.kind.as_str() {
            "dead" => add(Shape::Failed, 12, format!("{name} removed {ago} ago"), Target::Node(id)),
            "quarantined" => add(Shape::Failed, 13, format!("{name} quarantined {ago} ago"), Target::Node(id)),
            _ => {}
        }
    }
    let boot = &cluster.bootstrap;
    if let Some(first) = boot.waiting.first() {
        let late = if boot.overdue { "overdue: " } else { "" };
        let text = format!("{late}not formed, {} of {} ready: {}", boot.ready, boot.quorum, first.text);
        add(Shape::Degraded, 20, text, Target::Go(Screen::Bootstrap));
    }
    for watch in cluster.watches.iter().filter(|watch| watch.health == Health::Suspect) {
        let name = if watch.name.is_empty() { format!("#{}", watch.id) } else { watch.name.clone() };
        add(Shape::Degraded, 32, format!("{name} suspect, {} heartbeats missed", watch.missed), Target::Node(watch.id));
    }
    let doubtful: u64 = cluster.edges.iter().map(|edge| edge.in_doubt).sum();
    if doubtful > 0 {
        add(Shape::Degraded, 41, format!("{} hand-overs in doubt", text::grouped(doubtful)), mesh);
    }
    if cluster.muted {
        add(Shape::Degraded, 42, format!("doubts itself ({:.1}): says nothing about others", cluster.doubt), mesh);
    }
    if !cluster.plane.certificate_warning.is_empty() {
        add(Shape::Degraded, 45, cluster.plane.certificate_warning.clone(), mesh);
    }
    let asked = cluster.ballots.iter().position(|ballot| ballot.result == "open" && ballot.own_vote == "ask");
    if let Some(row) = asked {
        add(Shape::Degraded, 55, "a ballot waits for your vote".into(), Target::Ballot(row));
    }
    if cluster.draining {
        add(Shape::Paused, 71, "draining: work goes to the neighbours".into(), mesh);
    }
    if !cluster.plane.reason.is_empty() {
        add(Shape::Degraded, 82, format!("plain sockets: {}", cluster.plane.reason), mesh);
    }
}

fn of_torus(scene: &Scene, at: usize, torus: &TorusSnapshot, found: &mut Vec<Finding>) {
    let name = &torus.name;
    let target = Target::Torus(at);
    let mut add = |shape, rank, text: String| found.push(finding(shape, rank, text, target));
    let because = if torus.reason.is_empty() { String::new() } else { format!(": {}", torus.reason) };
    let silent = scene.torus_silent_ns(torus);
    match torus.state {
        TorusState::Failed => add(Shape::Failed, 1, format!("torus {name} failed{because}")),
        TorusState::Stopped => add(Shape::Absent, 54, format!("torus {name} stopped{because}")),
        _ if silent >= SILENT_HUNG_NS => {
            add(Shape::Failed, 2, format!("torus {name} silent since {}", text::age(silent)));
        }
        _ if silent >= SILENT_SUSPECT_NS => {
            add(Shape::Degraded, 30, format!("torus {name} silent since {}", text::age(silent)));
        }
        TorusState::Paused => add(Shape::Paused, 70, format!("torus {name} paused{because}")),
        TorusState::Starting => add(Shape::Degraded, 50, format!("torus {name} starting{because}")),
        TorusState::Unknown => add(Shape::Degraded, 53, format!("torus {name}: state unknown")),
        TorusState::Run | TorusState::Waiting => {}
    }
    if !torus.conserved() {
        add(Shape::Failed, 3, format!("torus {name}: conservation does not add up"));
    } else if torus.conservation_breaks > 0 {
        let breaks = torus.conservation_breaks;
        let times = if breaks == 1 { "once".to_owned() } else { format!("{} times", text::grouped(breaks)) };
        add(Shape::Failed, 4, format!("torus {name}: conservation broken {times}"));
    }
    if torus.recording_broken {
        add(Shape::Failed, 5, format!("torus {name}: recording broken"));
    }
    if let Some(rejected) = scene.rates.get(at).and_then(|rates| rates.rejected).filter(|rate| *rate > 0.0) {
        add(Shape::Degraded, 10, format!("torus {name} rejects {}", text::rate(Some(rejected), "ev/s")));
    }
    if let Some(refused) = scene.rates.get(at).and_then(|rates| rates.refused).filter(|rate| *rate > 0.0) {
        add(Shape::Degraded, 15, format!("torus {name} refuses projections, {}", text::rate(Some(refused), "/s")));
    }
    if torus.lost > 0 {
        add(Shape::Degraded, 40, format!("torus {name}: {} events lost with a dead boot", text::grouped(torus.lost)));
    }
    for peer in &torus.peers {
        // A peer in this process that failed is reported by itself, with its reason.
        let own = scene.now.tori.iter().any(|other| other.id == peer.id);
        let whom = member_name(scene, peer.id);
        match peer.state {
            PeerState::Failed if !own => {
                let text = format!("torus {whom} failed, judged by {name}");
                if !found.iter().any(|finding| finding.text.starts_with(&format!("torus {whom} failed"))) {
                    found.push(finding(Shape::Failed, 6, text, target));
                }
            }
            PeerState::Suspect => {
                let missed = peer.missed_rounds;
                found.push(finding(
                    Shape::Degraded,
                    31,
                    format!("torus {whom} suspect to {name}, {missed} rounds missed"),
                    target,
                ));
            }
            _ => {}
        }
    }
    if torus.alone {
        found.push(finding(Shape::Degraded, 35, format!("torus {name} is alone, decides nothing"), target));
    }
    if torus.core_shared {
        let core = torus.core.map_or_else(|| "its core".to_owned(), |core| format!("core {core}"));
        found.push(finding(Shape::Degraded, 85, format!("torus {name} shares {core}"), Target::Host));
    }
}

/// Name of a member of the braid: its configured name when it is a torus of this node, else a letter by its id.
#[must_use]
pub fn member_name(scene: &Scene, id: u32) -> String {
    scene.now.tori.iter().find(|torus| torus.id == id).map_or_else(
        || if id < 26 { char::from(b'A' + id as u8).to_string() } else { format!("#{id}") },
        |torus| text::clean(&torus.name),
    )
}
