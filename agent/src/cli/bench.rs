//! `trefoil bench`: the benchmark is a program of its own, because it brings the peers along.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::Failure;
use super::args::Bench;

pub(super) fn bench(bench: &Bench) -> Result<(), Failure> {
    let beside = std::env::current_exe().ok().and_then(|this| Some(this.parent()?.join("trefoil-bench")));
    let Some(program) = beside.filter(|program| program.is_file()) else {
        let how = "the benchmark is not beside this program; in a checkout run: make bench (or make bench ONLY=torus)";
        return Err(Failure::failed(how));
    };
    // Returns only when the program could not be started.
    let error = Command::new(&program).args(&bench.arguments).exec();
    Err(Failure::failed(format!("{}: {error}", program.display())))
}
