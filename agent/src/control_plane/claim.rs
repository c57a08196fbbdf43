//! One agent per state folder and per runtime folder: lock files that hold the pid (`decisions:NODE-20`).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Name of the lock file in both folders.
const LOCK: &str = "lock";

/// Both folders, ours until dropped; the kernel frees them when the process dies, however it dies.
#[derive(Debug)]
pub struct Claim {
    _locks: Vec<Flock<File>>,
}

/// Why the folders could not be claimed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another agent runs there.
    #[error(
        "{dir}: agent with pid {holder} runs on this {what} folder; look at it with: trefoil status --runtime-dir {runtime_dir}, \
         stop it with: trefoil stop --runtime-dir {runtime_dir}, or give this one its own node.{what}_dir"
    )]
    Held {
        /// `state` or `runtime`.
        what: &'static str,
        /// The folder.
        dir: PathBuf,
        /// Pid of the agent that holds it, as it wrote it down.
        holder: String,
        /// Where the commands find it.
        runtime_dir: PathBuf,
    },
    /// The folder belongs to somebody else, who could exchange the files in it.
    #[error("{dir}: belongs to user {owner}, not to {me}; name another folder in node.{what}_dir, or chown this one")]
    Foreign {
        /// `state` or `runtime`.
        what: &'static str,
        /// The folder.
        dir: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this.
        me: u32,
    },
    /// The system said no.
    #[error("{path}: {source}; make it writable for this user, or name another folder in node.{what}_dir")]
    System {
        /// `state` or `runtime`.
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Claim {
    /// Creates the folders where they are missing and locks both.
    ///
    /// # Errors
    /// [`ClaimError`] names the holder, or what is in the way.
    pub fn take(runtime_dir: &Path, state_dir: &Path) -> Result<Self, ClaimError> {
        // State first: it is what two agents would ruin.
        let mut locks = vec![lock("state", state_dir, runtime_dir)?];
        if fs::canonicalize(state_dir).ok() != fs::canonicalize(runtime_dir).ok() || !runtime_dir.exists() {
            locks.push(lock("runtime", runtime_dir, runtime_dir)?);
        }
        Ok(Self { _locks: locks })
    }
}

fn lock(what: &'static str, dir: &Path, runtime_dir: &Path) -> Result<Flock<File>, ClaimError> {
    let system = |path: &Path| {
        let path = path.to_owned();
        move |source| ClaimError::System { what, path, source }
    };
    // The runtime folder is passable: the page and the socket in it have their own access control.
    fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(system(dir))?;
    let (owner, me) = (fs::metadata(dir).map_err(system(dir))?.uid(), nix::unistd::geteuid().as_raw());
    // Root too: whoever owns the folder can exchange the socket and the page in it.
    if owner != me {
        return Err(ClaimError::Foreign { what, dir: dir.to_owned(), owner, me });
    }
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    // O_NOFOLLOW: in a folder others can write to, a link could lead anywhere.
    options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW);
    let file = options.open(&path).map_err(system(&path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut locked) => {
            write_pid(&mut locked).map_err(system(&path))?;
            Ok(locked)
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let read = Read::by_ref(&mut file).take(32).read_to_string(&mut holder);
            let holder = match read {
                Ok(_) if !holder.trim().is_empty() => holder.trim().to_owned(),
                _ => "unknown".to_owned(),
            };
            Err(ClaimError::Held { what, dir: dir.to_owned(), holder, runtime_dir: runtime_dir.to_owned() })
        }
        Err((_, errno)) => Err(system(&path)(errno.into())),
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `decisions:NODE-20`: a second agent is refused and told who holds the folder; a dead one leaves nothing behind.
    #[test]
    fn a_second_agent_is_refused_with_the_holders_pid() {
        let dir = std::env::temp_dir().join(format!("trefoil-claim-{}", std::process::id()));
        let (runtime, state, other) = (dir.join("run"), dir.join("state"), dir.join("other"));
        let first = Claim::take(&runtime, &state).expect("free");
        let refused = Claim::take(&other, &state).expect_err("state is held").to_string();
        assert!(
            refused.contains(&format!("pid {}", std::process::id())) && refused.contains("state folder"),
            "{refused}"
        );
        let refused = Claim::take(&runtime, &other).expect_err("runtime is held").to_string();
        assert!(refused.contains("runtime folder"), "{refused}");
        drop(first);
        Claim::take(&runtime, &state).expect("free again");
        fs::remove_dir_all(&dir).expect("removed");
    }

    /// `decisions:NODE-20`: the owner of a folder can exchange what is in it, so not even root uses one of somebody else.
    #[test]
    fn a_folder_of_another_user_is_refused() {
        let dir = std::env::temp_dir().join(format!("trefoil-claim-owner-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary folder");
        let me = nix::unistd::geteuid().as_raw();
        // Only root can give a folder away; others look at one of root.
        let foreign = if me == 0 {
            std::os::unix::fs::chown(&dir, Some(65_534), None).map(|()| dir.clone())
        } else {
            Ok("/usr".into())
        };
        let foreign = foreign.expect("given away");
        let refused = Claim::take(&foreign, &foreign).expect_err("not ours");
        assert!(matches!(refused, ClaimError::Foreign { owner, .. } if owner != me), "{refused}");
        fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let dir = std::env::temp_dir().join(format!("trefoil-claim-link-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary folder");
        std::os::unix::fs::symlink("/etc/hostname", dir.join(LOCK)).expect("linked");
        let refused = Claim::take(&dir, &dir).expect_err("a link");
        assert!(matches!(refused, ClaimError::System { .. }), "{refused}");
        fs::remove_dir_all(&dir).expect("removed");
    }
}
