//! The command line; its exit codes tell who failed (`decisions:AVM-23c`).
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | done |
//! | 1 | it failed, a program did, or a resource asked for with `strict` is not to be had; standard error says which and why |
//! | 2 | the command line or the configuration is wrong |
//! | 3 | there is no agent, it has ended, or it does not answer |
//! | 4 | the agent refused; nothing was changed |
//! | 5 | a program is refused: it does not compile, or asks for what is not granted |

mod args;
mod avm;
mod bench;
mod ca;
mod cluster;
mod configuration;
mod console;
mod out;
mod replay;
mod run;
mod sim;
mod status;
mod steer;
mod table;
pub mod units;

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
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
            SteerError::Failed { .. } => 1,
            SteerError::Refused { .. } | SteerError::ReadOnly { .. } => 4,
            SteerError::Program { .. } => 5,
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
            // Remarks on a program end with a line of their own.
            out::error(failure.text.trim_end());
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let named = arguments.runtime_dir;
    let runtime_dir = || named.clone().map_or_else(find_runtime_dir, Ok);
    match arguments.command {
        Command::Run(run) => run::run(run, named),
        Command::Status(status) => status::status(&status, &runtime_dir()?),
        Command::Console(console) => console::console(&console, &runtime_dir()?),
        Command::Inject(inject) => steer::inject(inject, &runtime_dir()?),
        Command::Torus(torus) => steer::torus(torus, &runtime_dir()?),
        Command::Stop => steer::stop(&runtime_dir()?),
        Command::Events(events) => cluster::events(&events, &runtime_dir()?),
        Command::Mesh(mesh) => cluster::mesh(&mesh, &runtime_dir()?),
        Command::Why(why) => cluster::why(&why, &runtime_dir()?),
        Command::Bootstrap(bootstrap) => cluster::bootstrap(&bootstrap, &runtime_dir()?),
        Command::Propose(propose) => cluster::propose(propose, &runtime_dir()?),
        Command::Ballots(ballots) => cluster::ballots(ballots, &runtime_dir()?),
        Command::Leave => cluster::leave(&runtime_dir()?),
        Command::Drain(drain) => cluster::drain(&drain, &runtime_dir()?),
        Command::Maintenance(maintenance) => cluster::maintenance(maintenance, &runtime_dir()?),
        Command::Forget(forget) => cluster::forget(forget, &runtime_dir()?),
        Command::Join(join) => cluster::join(&join, &runtime_dir()?),
        Command::Ca(ca) => ca::ca(ca),
        Command::Config(config) => configuration::configuration(&config),
        Command::Replay(replay) => replay::replay(&replay),
        Command::Sim(command) => sim::sim(&command),
        Command::Avm(command) => avm::avm(command, runtime_dir),
        Command::Bench(bench) => bench::bench(&bench),
    }
}

/// Where the agent is when nothing was said: the default folder of this user or that of the system service, whichever has a
/// living agent in it, else whichever has the last page of one.
fn find_runtime_dir() -> Result<PathBuf, Failure> {
    let service = Path::new("/run/trefoil");
    choose_runtime_dir(&crate::config::default_runtime_dir(), service)
}

fn choose_runtime_dir(own: &Path, service: &Path) -> Result<PathBuf, Failure> {
    // A caller that may not even connect still sees that somebody is there.
    let denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let alive = |dir: &Path| UnixStream::connect(dir.join(SOCKET_NAME)).map_or_else(denied, |_| true);
    let left = |dir: &Path| dir.join(FILE_NAME).exists();
    let foreign = foreign_owner(own);
    let candidates: &[&Path] = if foreign.is_some() { &[service] } else { &[own, service] };
    let found = candidates.iter().find(|dir| alive(dir)).or_else(|| candidates.iter().find(|dir| left(dir)));
    match (found, foreign) {
        (Some(dir), _) => Ok((*dir).to_owned()),
        (None, None) => Ok(own.to_owned()),
        (None, Some(owner)) => Err(Failure::failed(format!(
            "{}: belongs to user {owner}, who could show anything there; if that is meant, say --runtime-dir {}",
            own.display(),
            own.display()
        ))),
    }
}

/// The owner of a folder nobody named, when that is neither this user nor root: in /tmp anybody can be first.
fn foreign_owner(dir: &Path) -> Option<u32> {
    let owner = std::fs::symlink_metadata(dir).ok()?.uid();
    (owner != 0 && owner != nix::unistd::geteuid().as_raw()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::chown;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_the_agent_answers_has_its_exit_code() {
        let reason = || "no".to_owned();
        let code = |error: SteerError| Failure::from(error).code;
        assert_eq!(code(SteerError::Failed { reason: reason() }), 1);
        assert_eq!(code(SteerError::Unreachable { path: reason(), reason: reason() }), 3);
        assert_eq!(code(SteerError::Refused { reason: reason() }), 4);
        assert_eq!(code(SteerError::ReadOnly { reason: reason() }), 4);
        assert_eq!(code(SteerError::Program { reason: reason() }), 5);
    }

    /// A living agent comes before the last page of a dead one, whosever it is, and nobody else's folder is looked into.
    #[test]
    fn the_folder_with_a_living_agent_is_found() {
        let dir = std::env::temp_dir().join(format!("trefoil-find-{}", std::process::id()));
        let (own, service) = (dir.join("own"), dir.join("service"));
        fs::create_dir_all(&own).expect("temporary folder");
        fs::create_dir_all(&service).expect("temporary folder");
        let found = || choose_runtime_dir(&own, &service);
        assert_eq!(found(), Ok(own.clone()), "nobody anywhere");
        fs::write(own.join(FILE_NAME), "").expect("written");
        drop(UnixListener::bind(own.join(SOCKET_NAME)).expect("bound"));
        fs::write(service.join(FILE_NAME), "").expect("written");
        assert_eq!(found(), Ok(own.clone()), "both dead, the socket was left behind");
        let listening = UnixListener::bind(service.join(SOCKET_NAME)).expect("bound");
        assert_eq!(found(), Ok(service.clone()), "the service lives");
        if nix::unistd::geteuid().is_root() {
            chown(&own, Some(65_534), None).expect("given away");
            drop(listening);
            fs::remove_file(service.join(FILE_NAME)).expect("removed");
            let refused = found().expect_err("somebody else's").text;
            assert!(refused.contains("belongs to user 65534"), "{refused}");
        }
        fs::remove_dir_all(&dir).expect("removed");
    }
}
