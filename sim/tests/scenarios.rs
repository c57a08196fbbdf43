//! The scenarios of the repository at moderate size: every check holds, for seeds of the night and for those kept because they
//! once failed (`configs/sim/regressions.txt`). TREFOIL_DEEP=1 runs many seeds at full size.

mod common;

use std::path::Path;

use common::{deep, holds, run, scenario};
use sim::Fidelity;

/// `rse:U3`, `rse:U8`, `decisions:CLU-15`: over whole links every command is taken at most once and in order, under loss,
/// duplication, reordering and restarts, and most are acknowledged.
#[test]
fn commands_over_whole_links_are_taken_once() {
    for seed in seeds() {
        let report = run("link", 12, seed);
        holds("link", &report);
        let [sent, taken, acknowledged, in_doubt, wrong] = report.commands.expect("a run over links");
        assert_eq!(wrong, 0);
        assert!(sent > 500 && taken >= acknowledged && taken <= sent, "{:?}", report.commands);
        assert!(acknowledged + in_doubt + 64 * 12 >= sent && acknowledged * 10 > sent * 8, "{:?}", report.commands);
    }
}

/// Scenarios with what they are run with here: name, nodes.
const SCENARIOS: [(&str, u32); 17] = [
    ("partition", 60),
    ("loss10", 100),
    ("burst", 100),
    ("one_way", 60),
    ("deaf", 60),
    ("outbound50", 60),
    ("outbound95", 60),
    ("crash30", 100),
    ("churn", 60),
    ("flapping", 60),
    ("clock_jump", 60),
    ("slow", 60),
    ("byzantine", 60),
    ("uplink", 64),
    ("rejoin", 60),
    ("rolling_upgrade", 30),
    ("ballots", 40),
];

fn seeds() -> std::ops::Range<u64> {
    if deep() { 1..21 } else { 1..2 }
}

/// `membership:MB-1` to `membership:MB-14`, `decisions:CLU-14`, `decisions:CLU-16`: crashes are known, the living stay, partitions
/// heal, clocks and stalls kill nobody.
#[test]
fn every_scenario_holds() {
    // One thread for each half: the runs share nothing.
    let (even, odd): (Vec<_>, Vec<_>) = SCENARIOS.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            scope.spawn(move || {
                for (_, (name, nodes)) in half {
                    for seed in seeds() {
                        let nodes = if deep() { scenario(name).nodes } else { nodes };
                        holds(name, &run(name, nodes, seed));
                    }
                }
            });
        }
    });
}

/// `bootstrap:C1`, `bootstrap:E5`: founders form, late nodes and restarts adopt the same formation.
#[test]
fn a_cold_start_forms_one_cluster() {
    for seed in seeds() {
        let report = run("bootstrap", 20, seed);
        holds("bootstrap", &report);
        assert!(report.formed.count >= 20, "all formed, one of them twice: {:?}", report.formed);
    }
}

/// A seed that once failed is kept and run again: `SCENARIO NODES SEED`, one a line.
#[test]
fn seeds_that_once_failed_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sim/regressions.txt");
    let text = std::fs::read_to_string(path).expect("the list of seeds");
    let mut ran = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, nodes, seed] = words.as_slice() else { panic!("expected SCENARIO NODES SEED: {line}") };
        let report = run(name, nodes.parse().expect("nodes"), seed.parse().expect("seed"));
        holds(name, &report);
        ran += 1;
    }
    assert!(ran > 0, "the list is not empty");
}

/// Every file in the folder is a scenario that can be read, says what it shows and is not forgotten here.
#[test]
fn every_file_is_a_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sim");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let read = scenario(&name);
            assert_ne!(read.about, "nothing happens", "{name} says what it shows");
            assert!(read.fidelity != Fidelity::Mesh || read.nodes >= 20, "{name}");
            count += 1;
        }
    }
    assert!(count >= SCENARIOS.len() + 4, "{count} scenarios");
}
