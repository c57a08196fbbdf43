//! `trefoil replay`.

use super::args::Replay;
use super::table::grouped;
use super::{Failure, out};
use crate::runtime::{self, TorusReplay};

pub(super) fn replay(arguments: &Replay) -> Result<(), Failure> {
    let replayed = runtime::replay(&arguments.file).map_err(Failure::failed)?;
    for torus in &replayed.tori {
        out::line(&line(torus));
    }
    if replayed.equal() {
        return Ok(());
    }
    Err(Failure::failed("the replay did not reach the recorded state of every torus"))
}

fn line(torus: &TorusReplay) -> String {
    let inputs = grouped(torus.inputs);
    match (&torus.outcome, torus.end) {
        (Ok(digest), Some(_)) => format!("{}: equal; {inputs} inputs, digest {digest:016x}", torus.name),
        (Ok(digest), None) => {
            format!("{}: the recording has no end to compare with; {inputs} inputs, digest {digest:016x}", torus.name)
        }
        (Err(why), _) => format!("{}: DIFFERENT after {inputs} inputs: {why}", torus.name),
    }
}
