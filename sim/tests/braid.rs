//! Small tori in a braid over whole links (`decisions:CLU-15`): nothing is lost, invented or applied twice, work levels out.

mod common;

use common::{deep, holds, run, scenario};
use sim::peer::tori::Sabotage;
use sim::report::Report;
use sim::run::{Options, braid};

fn seeds() -> std::ops::Range<u64> {
    if deep() { 1..21 } else { 1..3 }
}

/// `rse:T4`, `rse:B2`, `decisions:CLU-11`: a skewed start levels out over lossy links and through a partition; the cap leaves
/// projections out and nothing is missed for it.
#[test]
fn a_skewed_start_levels_over_the_link() {
    for seed in seeds() {
        let report = run("braid", 5, seed);
        holds("braid", &report);
        let done = report.braid.expect("a braid");
        assert_eq!((done.injected, done.loads.len(), done.in_doubt), (2_000, 3, [0; 3]), "{done:?}");
        assert_eq!(done.loads.iter().sum::<u64>() + done.under_way, 2_000, "{done:?}");
        assert!(done.level_after.is_some_and(|rounds| rounds > 0), "one torus was cut off until then: {done:?}");
        assert!(done.handed_over > 1_000 && done.projections.iter().all(|&count| count > 1_000), "{done:?}");
    }
}

/// `decisions:CLU-12`: what a dead node had not confirmed is in doubt, and done again or dropped; every token is accounted for.
#[test]
fn hand_overs_in_doubt_are_resolved() {
    let mut doubts = 0;
    for seed in seeds() {
        let report = run("braid_crash", 4, seed);
        holds("braid_crash", &report);
        let done = report.braid.expect("a braid");
        assert!(done.in_doubt[1] >= done.in_doubt[0] && done.in_doubt[2] == 0 && done.seatless == 0, "{done:?}");
        assert_eq!(done.loads.len(), 4);
        doubts += done.in_doubt[0];
        let mut dropping = scenario("braid_crash");
        dropping.work.redo = false;
        let report = spoiled(&dropping, seed, Sabotage::None);
        holds("braid_crash", &report);
        let done = report.braid.expect("a braid");
        assert_eq!(done.in_doubt[0], done.in_doubt[2], "{done:?}");
    }
    assert!(doubts > 0, "nodes died with hand-overs under way");
}

fn spoiled(scenario: &sim::Scenario, seed: u64, sabotage: Sabotage) -> Report {
    let options = Options { nodes: None, seed, until_ns: None };
    braid(scenario, &options, sabotage, &mut |_| true).expect("a run that can be started")
}

/// Each check fails when what it is about goes wrong (`rse:T4`, `rse:U8`, `rse:B2`, `decisions:CLU-12`).
#[test]
fn what_goes_wrong_is_noticed() {
    for (name, sabotage, word) in [
        ("braid", Sabotage::Lose, "conservation"),
        ("braid", Sabotage::Double, "conservation"),
        ("braid", Sabotage::Replay, "messages applied once"),
        ("braid", Sabotage::Idle, "levelling"),
        ("braid_crash", Sabotage::Forget, "conservation (rse:T4, decisions:CLU-12)"),
    ] {
        let violation = spoiled(&scenario(name), 1, sabotage).violation.unwrap_or_default();
        assert!(violation.starts_with(word), "{sabotage:?}: {violation:?}");
    }
}

/// The same seed gives the same braid, another seed another one.
#[test]
fn a_braid_repeats_itself() {
    let hash = |seed| {
        let options = Options { nodes: None, seed, until_ns: Some(2_000_000_000) };
        sim::run::trefoil(&scenario("braid_crash"), &options, &mut |_| true).expect("started").state_hash
    };
    assert_eq!(hash(4), hash(4));
    assert_ne!(hash(4), hash(5));
}
