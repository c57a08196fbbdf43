//! The command line.
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | done |
//! | 1 | it failed; standard error says why |
//! | 2 | the command line or the configuration is wrong |
//! | 3 | there is no agent, or it does not answer |
//! | 4 | the agent refused; nothing was changed |

mod args;
mod bench;
mod configuration;
mod console;
mod out;
mod replay;
mod run;
mod status;
mod steer;
mod table;
pub mod units;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use control::page::{FILE_NAME, SOCKET_NAME};
use control::{SourceError, SteerError};

use self::args::{Arguments, Command};

/// Why a command did not do what was asked, in words, with its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn failed(text: impl ToString) -> Self {
        Self { code: 1, text: text.to_string() }
    }

    fn usage(text: impl ToString) -> Self {
        Self { code: 2, text: text.to_string() }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let code = match error {
            SourceError::NoAgent { .. } => 3,
            SourceError::Denied { .. } => 4,
            SourceError::Version { .. } | SourceError::Damaged { .. } => 1,
        };
        Self { code, text: error.to_string() }
    }
}

impl From<SteerError> for Failure {
    fn from(error: SteerError) -> Self {
        let code = match error {
            SteerError::Refused { .. } | SteerError::ReadOnly { .. } => 4,
            SteerError::Unreachable { .. } => 3,
        };
        Self { code, text: error.to_string() }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap knows where each goes.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::error(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let named = arguments.runtime_dir;
    let runtime_dir = || named.clone().unwrap_or_else(find_runtime_dir);
    match arguments.command {
        Command::Run(run) => run::run(run, named),
        Command::Status(status) => status::status(&status, &runtime_dir()),
        Command::Console(console) => console::console(&console, &runtime_dir()),
        Command::Inject(inject) => steer::inject(inject, &runtime_dir()),
        Command::Torus(torus) => steer::torus(torus, &runtime_dir()),
        Command::Stop => steer::stop(&runtime_dir()),
        Command::Config(config) => configuration::configuration(&config),
        Command::Replay(replay) => replay::replay(&replay),
        Command::Bench(bench) => bench::bench(&bench),
    }
}

/// Where the agent is when nothing was said: the default folder of this user, else that of the system service, whichever has
/// something of an agent in it.
fn find_runtime_dir() -> PathBuf {
    let own = crate::config::default_runtime_dir();
    let service = Path::new("/run/trefoil");
    let lived_in = |dir: &Path| dir.join(SOCKET_NAME).exists() || dir.join(FILE_NAME).exists();
    if !lived_in(&own) && lived_in(service) { service.to_owned() } else { own }
}
