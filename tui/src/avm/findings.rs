//! What is not all right with the programs of a node, and where it is shown.

use control::avm::{AvmSnapshot, Capacity, ExecutionState};

use crate::history::Scene;
use crate::target::{Screen, Target};
use crate::text;
use crate::theme::Shape;

/// A failed execution stays a finding for so long.
const FAILED_NS: u64 = 600_000_000_000;
/// A question that takes so many times its limit does not end.
const STUCK: u64 = 2;
/// And so long without a limit.
const STUCK_NS: u64 = 60_000_000_000;
/// Parts in a hundred from which something is nearly full.
const NEARLY: u64 = 90;

/// The findings: shape, rank, sentence, place.
#[must_use]
pub fn findings(scene: &Scene, avm: &AvmSnapshot) -> Vec<(Shape, u8, String, Target)> {
    let mut found = Vec::new();
    failed(scene, avm, &mut found);
    for capacity in &avm.capacities {
        found.extend(full(scene, capacity));
    }
    solver(scene, avm, &mut found);
    if let Some(rates) = &scene.avm
        && let (Some(commits), Some(aborts)) = (rates.commits, rates.aborts)
        && aborts >= 1.0
        && aborts > commits
    {
        let (aborts, commits) = (text::rate(Some(aborts), "/s"), text::rate(Some(commits), "/s"));
        let said = format!("more aborts than commits, {aborts} against {commits}: mostly {}", mostly(scene, avm));
        found.push((Shape::Degraded, 57, said, Target::Go(Screen::Transactions)));
    }
    if scene.changed(|at| at.avm.as_ref().map_or(0, |avm| avm.totals.trace_dropped)) {
        found.push((Shape::Degraded, 58, "traces are full: entries are lost".into(), Target::Go(Screen::Solver)));
    }
    found
}

fn failed(scene: &Scene, avm: &AvmSnapshot, found: &mut Vec<(Shape, u8, String, Target)>) {
    let since = scene.now.node.now_unix_ns.saturating_sub(avm.totals.failed_unix_ns);
    if avm.totals.failed_unix_ns == 0 || since >= FAILED_NS {
        return;
    }
    let failed = avm.executions.rows.iter().filter(|row| row.state == ExecutionState::Failed);
    let last = failed.max_by_key(|row| row.since_unix_ns).filter(|row| row.since_unix_ns >= avm.totals.failed_unix_ns);
    let many = avm.totals.failed.max(1);
    let said = match last {
        Some(row) if many == 1 => format!("execution {} failed {} ago: {}", row.id, text::age(since), row.why),
        Some(row) => {
            let many = text::grouped(many);
            format!("{many} executions failed, last {} {} ago: {}", row.id, text::age(since), row.why)
        }
        None if many == 1 => format!("an execution failed {} ago", text::age(since)),
        None => format!("{} executions failed, the last {} ago", text::grouped(many), text::age(since)),
    };
    found.push((Shape::Failed, 14, said, Target::Failed));
}

/// Name of something bounded, with its torus.
#[must_use]
pub fn capacity_name(capacity: &Capacity) -> String {
    let name = text::ellipsize(&text::clean(&capacity.name), 24);
    if capacity.torus.is_empty() {
        name
    } else {
        format!("{name} of torus {}", text::ellipsize(&text::clean(&capacity.torus), 12))
    }
}

fn full(scene: &Scene, capacity: &Capacity) -> Option<(Shape, u8, String, Target)> {
    let name = capacity_name(capacity);
    let target = Target::Go(Screen::Solver);
    let before = scene.before.as_ref().and_then(|before| before.avm.as_ref()).and_then(|avm| {
        let same = |other: &&Capacity| other.name == capacity.name && other.torus == capacity.torus;
        avm.capacities.iter().find(same)
    });
    if before.is_some_and(|before| before.hits < capacity.hits) {
        let who = if capacity.last_hit.is_empty() { String::new() } else { format!(": {}", capacity.last_hit) };
        return Some((Shape::Failed, 11, format!("{name} full{who}"), target));
    }
    let share = u128::from(capacity.used) * 100 / u128::from(capacity.limit.max(1));
    (capacity.limit > 0 && share >= u128::from(NEARLY)).then(|| {
        // What is full already and refuses is worse than what will be.
        let shape = if capacity.used >= capacity.limit { Shape::Failed } else { Shape::Degraded };
        (shape, 36, format!("{name} {share} % full"), target)
    })
}

fn solver(scene: &Scene, avm: &AvmSnapshot, found: &mut Vec<(Shape, u8, String, Target)>) {
    let solver = &avm.solver;
    let target = Target::Go(Screen::Solver);
    let limit = if solver.limit_ns == 0 { STUCK_NS } else { solver.limit_ns.saturating_mul(STUCK) };
    if solver.busy > 0 && solver.oldest_running_ns > limit {
        let said = format!("solver stuck: {} asks for {}", solver.oldest_running, text::age(solver.oldest_running_ns));
        found.push((Shape::Failed, 13, said, target));
    }
    if solver.workers == 0 && solver.queued > 0 {
        found.push((Shape::Failed, 13, format!("no solver runs, {} questions wait", solver.queued), target));
    }
    if solver.queue_limit > 0 && solver.queued.saturating_mul(100) / solver.queue_limit >= NEARLY {
        let (queued, limit) = (text::grouped(solver.queued), text::grouped(solver.queue_limit));
        found.push((Shape::Degraded, 37, format!("solver queue {queued} of {limit}"), target));
    }
    if scene.changed(|at| at.avm.as_ref().map_or(0, |avm| avm.solver.unknown)) {
        found.push((Shape::Degraded, 56, "the solver leaves questions undecided".into(), target));
    }
    if scene.changed(|at| at.avm.as_ref().map_or(0, |avm| avm.solver.restarts)) {
        found.push((Shape::Degraded, 38, format!("solver restarted: {}", solver.restart_reason), target));
    }
}

/// The cause that grew most over the last second; over all time when none did.
fn mostly(scene: &Scene, avm: &AvmSnapshot) -> &'static str {
    let past = scene.before.as_ref().and_then(|before| before.avm.as_ref()).map(|avm| avm.totals).unwrap_or_default();
    let now = &avm.totals;
    let causes = [
        ("conflict", now.aborts_conflict, past.aborts_conflict),
        ("unsatisfiable", now.aborts_unsatisfiable, past.aborts_unsatisfiable),
        ("undecided", now.aborts_unknown, past.aborts_unknown),
        ("error", now.aborts_error, past.aborts_error),
        ("the program's own", now.aborts_program, past.aborts_program),
    ];
    let most = causes.iter().rev().max_by_key(|(_, now, past)| now.saturating_sub(*past));
    most.map_or("", |(name, _, _)| *name)
}
