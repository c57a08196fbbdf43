//! Commands that ask the agent to change something.

use std::path::Path;

use control::Steering;
use control::api::Request;

use super::args::{Inject, Torus};
use super::{Failure, out};
use crate::control_plane::Client;

pub(super) fn inject(inject: Inject, runtime_dir: &Path) -> Result<(), Failure> {
    let Inject { torus, dst, src, payload, count } = inject;
    ask(&Request::Inject { torus, dst, src, payload, count }, runtime_dir)
}

pub(super) fn torus(torus: Torus, runtime_dir: &Path) -> Result<(), Failure> {
    let request = match torus {
        Torus::Pause { torus } => Request::Pause { torus },
        Torus::Resume { torus } => Request::Resume { torus },
        Torus::Step { torus, count } => Request::Step { torus, count },
        Torus::Interval { torus, ticks } => Request::Interval { torus, ticks: ticks.0 },
        Torus::Mode { mode } => Request::Mode { mode },
    };
    ask(&request, runtime_dir)
}

pub(super) fn stop(runtime_dir: &Path) -> Result<(), Failure> {
    ask(&Request::Stop {}, runtime_dir)
}

pub(super) fn ask(request: &Request, runtime_dir: &Path) -> Result<(), Failure> {
    let reply = Client::new(runtime_dir).send(request)?;
    out::line(&reply.message);
    Ok(())
}
