//! `trefoil replay`.

use super::Failure;
use super::args::Replay;

pub(super) fn replay(arguments: &Replay) -> Result<(), Failure> {
    Err(Failure::failed(format!("{}: replay is not available yet", arguments.file.display())))
}
