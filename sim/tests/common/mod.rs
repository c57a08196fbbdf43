//! What the tests of the simulator share.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::Path;

use sim::Scenario;
use sim::report::Report;
use sim::run::{self, Options};

/// Whether the long runs were asked for.
pub fn deep() -> bool {
    std::env::var_os("TREFOIL_DEEP").is_some_and(|value| value == "1")
}

/// A scenario of the repository by name.
pub fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sim").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Scenario::parse(&text).unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()))
}

/// Runs a scenario of the repository.
pub fn run(name: &str, nodes: u32, seed: u64) -> Report {
    let options = Options { nodes: Some(nodes), seed, until_ns: None };
    run::trefoil(&scenario(name), &options, &mut |_| true).expect("a run that can be started")
}

/// Fails with the line that repeats the run when a check did not hold.
pub fn holds(name: &str, report: &Report) {
    if let Some(violation) = &report.violation {
        panic!("{violation}\n  {}", report.reproduce(&format!("configs/sim/{name}.toml")));
    }
}
