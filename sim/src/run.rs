//! A run as the command line and the tests start it: a scenario, a seed, a protocol.

use crate::invariants::Checks;
use crate::peer::Protocol;
use crate::peer::foca::Swim;
use crate::peer::linked::Linked;
use crate::peer::mesh::Mesh;
use crate::peer::tori::{Memory, Sabotage, Tori};
use crate::report::{Braided, Comparison, Report, ThresholdRow, Thresholds};
use crate::scenario::{Expect, Fidelity, Scenario, Work};
use crate::world::{Settings, World};

/// What may be said beside the scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// Nodes instead of the scenario's.
    pub nodes: Option<u32>,
    /// Seed.
    pub seed: u64,
    /// Where to stop, ns, instead of at the scenario's end.
    pub until_ns: Option<u64>,
}

/// Why a run cannot be started. Nothing was done; the caller is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no run of that kind.
    #[error("fidelity {0:?} has no such run: use fidelity = \"mesh\"")]
    Fidelity(Fidelity),
    /// The configuration of a node is refused.
    #[error("a node refuses its configuration: {0}: change the scenario")]
    Node(String),
    /// Too many or too few nodes.
    #[error("--nodes is {nodes}, expected 1 to {most} at this fidelity: give a number in that range")]
    Nodes {
        /// Asked for.
        nodes: u32,
        /// Allowed.
        most: u32,
    },
}

/// The nodes of a run.
///
/// # Errors
/// [`RunError::Nodes`] when there are too many for the fidelity.
pub fn nodes(scenario: &Scenario, options: &Options) -> Result<u32, RunError> {
    let nodes = options.nodes.unwrap_or(scenario.nodes);
    let most = scenario.nodes_max();
    if (1..=most).contains(&nodes) { Ok(nodes) } else { Err(RunError::Nodes { nodes, most }) }
}

fn settings(scenario: &Scenario, nodes: u32, seed: u64) -> Settings {
    Settings { nodes, seed, period_ns: scenario.preset.period().0 }
}

/// Runs to the end; `step` is called after each second of virtual time with its number, and may stop the run by false.
fn drive<P: Protocol>(world: &mut World<P>, until_ns: u64, step: &mut dyn FnMut(u64) -> bool) {
    let mut at_ns = 0;
    while at_ns < until_ns {
        at_ns = (at_ns + 1_000_000_000).min(until_ns);
        if !world.advance(at_ns) || !step(at_ns / 1_000_000_000) {
            break;
        }
    }
    world.finish();
}

/// Makes the world of this project's nodes, for callers that want to look inside.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn mesh_world(scenario: &Scenario, options: &Options, checks: Checks) -> Result<World<Mesh>, RunError> {
    if scenario.fidelity != Fidelity::Mesh {
        return Err(RunError::Fidelity(scenario.fidelity));
    }
    let nodes = nodes(scenario, options)?;
    let late = crate::world::late_nodes(scenario, nodes, options.seed);
    let protocol = Mesh::new(scenario, nodes, options.seed, &late).map_err(RunError::Node)?;
    Ok(World::new(protocol, scenario.clone(), settings(scenario, nodes, options.seed), checks))
}

/// Makes the world of nodes over whole links (`fidelity = "link"`).
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn link_world(scenario: &Scenario, options: &Options, checks: Checks) -> Result<World<Linked<Mesh>>, RunError> {
    let nodes = nodes(scenario, options)?;
    let late = crate::world::late_nodes(scenario, nodes, options.seed);
    let mesh = Mesh::new(scenario, nodes, options.seed, &late).map_err(RunError::Node)?;
    let protocol = Linked::new(mesh, options.seed);
    Ok(World::new(protocol, scenario.clone(), settings(scenario, nodes, options.seed), checks))
}

/// Runs this project's nodes through a scenario.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn trefoil(scenario: &Scenario, options: &Options, step: &mut dyn FnMut(u64) -> bool) -> Result<Report, RunError> {
    let until_ns = options.until_ns.unwrap_or(scenario.until_ns).min(scenario.until_ns);
    if scenario.fidelity == Fidelity::Braid {
        return braid(scenario, options, Sabotage::None, step);
    }
    if scenario.fidelity == Fidelity::Link {
        let mut world = link_world(scenario, options, Checks::all())?;
        drive(&mut world, until_ns, step);
        let mut report = Report::of("trefoil", &world);
        report.set_commands(world.protocol().commands);
        return Ok(report);
    }
    let mut world = mesh_world(scenario, options, Checks::all())?;
    drive(&mut world, until_ns, step);
    Ok(Report::of("trefoil", &world))
}

/// Runs small tori in a braid over whole links; `sabotage` shows that what goes wrong is noticed.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn braid(
    scenario: &Scenario,
    options: &Options,
    sabotage: Sabotage,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Report, RunError> {
    let nodes = nodes(scenario, options)?;
    let late = crate::world::late_nodes(scenario, nodes, options.seed);
    let mesh = Mesh::new(scenario, nodes, options.seed, &late).map_err(RunError::Node)?;
    let work = Work { tori: scenario.work.tori.min(nodes as u8), ..scenario.work };
    let mut memory = Memory::new(work.tori);
    let protocol = Linked::with_rider(mesh, options.seed, Tori::new(&mut memory, work, sabotage));
    let mut world = World::new(protocol, scenario.clone(), settings(scenario, nodes, options.seed), Checks::all());
    let until_ns = options.until_ns.unwrap_or(scenario.until_ns).min(scenario.until_ns);
    let mut braided = Braided::default();
    let mut at_ns = 0;
    while at_ns < until_ns && braided.problem.is_none() {
        at_ns = (at_ns + LOOK_NS).min(until_ns);
        let goes_on = world.advance(at_ns);
        braided.look(&world.protocol().rider().ledger, at_ns >= scenario.calm_ns);
        if !goes_on || at_ns.is_multiple_of(1_000_000_000) && !step(at_ns / 1_000_000_000) {
            break;
        }
    }
    world.finish();
    if at_ns >= scenario.until_ns && scenario.calm_ns < scenario.until_ns {
        braided.judge(&world.protocol().rider().ledger);
    }
    let mut report = Report::of("trefoil", &world);
    report.set_commands(world.protocol().commands);
    report.set_braid(braided);
    Ok(report)
}

/// Between two looks at a braid, ns.
const LOOK_NS: u64 = 100_000_000;

/// Runs foca through a scenario, with every period of its LAN preset divided by `speed`.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn foca(
    scenario: &Scenario,
    options: &Options,
    speed: f64,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Report, RunError> {
    let nodes = nodes(scenario, options)?;
    let protocol = Swim::new(nodes, options.seed, speed);
    let mut world = World::new(protocol, scenario.clone(), settings(scenario, nodes, options.seed), Checks::none());
    drive(&mut world, options.until_ns.unwrap_or(scenario.until_ns).min(scenario.until_ns), step);
    Ok(Report::of("foca", &world))
}

/// Runs ours, foca with its LAN preset and foca with as many bytes as ours through one scenario. The bytes matched are those of
/// failure detection, hand-shakes and encryption of ours included: foca has no fields and no ballots, and is not encrypted.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn compare(
    scenario: &Scenario,
    options: &Options,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Comparison, RunError> {
    let ours = trefoil(scenario, options, step)?;
    let lan = foca(scenario, options, 1.0, step)?;
    // Bytes grow nearly in proportion to the rate of probes and gossip: two or three corrections are enough.
    let wanted = ours.detection_bytes_per_node_s;
    let mut speed = wanted / lan.detection_bytes_per_node_s.max(1.0);
    let mut matched = foca(scenario, options, speed, step)?;
    for _ in 0..MATCH_TRIES {
        let ratio = matched.detection_bytes_per_node_s / wanted.max(1.0);
        if (ratio - 1.0).abs() <= MATCH_WITHIN {
            break;
        }
        speed /= ratio;
        matched = foca(scenario, options, speed, step)?;
    }
    Ok(Comparison::new(ours, lan, matched, speed))
}

/// Corrections of foca's periods until its bytes are as many as ours.
const MATCH_TRIES: u32 = 4;
/// How near they must be.
const MATCH_WITHIN: f64 = 0.08;

/// Runs the scenario with several fixed thresholds and the adaptive one.
///
/// # Errors
/// [`RunError`] when it cannot be started.
pub fn thresholds(scenario: &Scenario, options: &Options) -> Result<Thresholds, RunError> {
    let mut rows = Vec::new();
    for threshold in [Some(4), Some(6), Some(8), Some(10), None] {
        let mut scenario = scenario.clone();
        scenario.tuning.threshold = threshold;
        scenario.expect = Expect::default();
        let report = trefoil(&scenario, options, &mut |_| true)?;
        rows.push(ThresholdRow::of(threshold, &report));
    }
    Ok(Thresholds { rows })
}
