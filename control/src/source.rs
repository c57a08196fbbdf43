//! How a watcher obtains snapshots and how it steers, as traits: the agent crate implements them over a mapping and a socket,
//! tests over recordings.

use crate::Snapshot;
use crate::api::{Reply, Request};
use crate::avm::{AvmReply, AvmRequest};

/// Where snapshots come from: the mapped status page of a live agent, a recorded file, a test.
pub trait StatusSource {
    /// The newest snapshot. Never blocks for longer than a bounded number of slot read tries.
    ///
    /// # Errors
    /// [`SourceError`] says whether no agent is there, it is gone, its page is of another version, or it may not be read.
    fn poll(&mut self) -> Result<Snapshot, SourceError>;

    /// Whether the process that wrote a page that stands still is there; `None` when that cannot be known.
    fn process_alive(&self, _pid: u32) -> Option<bool> {
        None
    }
}

/// Why no snapshot could be had. Each variant says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no page at the path.
    #[error("no agent at {path}; start it with: trefoil run --config FILE")]
    NoAgent {
        /// Where the page was looked for.
        path: String,
    },
    /// The page may not be read by this user.
    #[error("{path}: permission denied; join group {group} (usermod -aG {group} USER), or run as the agent's user")]
    Denied {
        /// Where the page is.
        path: String,
        /// The group that may read it.
        group: String,
    },
    /// The page was written by another version of the layout.
    #[error(
        "{path}: status page version {found}, this program reads {expected}; use the trefoil binary the agent runs"
    )]
    Version {
        /// Where the page is.
        path: String,
        /// Version found in the page.
        found: u32,
        /// Version this program reads.
        expected: u32,
    },
    /// The page does not parse; it may be damaged or foreign.
    #[error("{path}: not a trefoil status page: {what}")]
    Damaged {
        /// Where the page is.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

/// How a watcher asks the agent to change something: the control socket, or a recorder in tests.
pub trait Steering {
    /// Sends one request and waits, bounded, for its reply.
    ///
    /// # Errors
    /// [`SteerError`] tells a refusal (with the agent's reason) from an agent that cannot be reached.
    fn send(&mut self, request: &Request) -> Result<Reply, SteerError>;

    /// Asks the AVM one thing and waits, bounded, for its answer.
    ///
    /// # Errors
    /// As [`Steering::send`].
    fn avm(&mut self, _request: &AvmRequest) -> Result<AvmReply, SteerError> {
        Err(SteerError::Refused { reason: "nothing is connected here that runs programs".to_owned() })
    }
}

/// Why a request was not carried out. In every case nothing was changed unless the variant says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SteerError {
    /// The agent answered no; the text is its reason and remedy.
    #[error("refused: {reason}")]
    Refused {
        /// The agent's reason, with the remedy.
        reason: String,
    },
    /// It was carried out, and the program that it ran failed; what that program had committed stays.
    #[error("{reason}")]
    Failed {
        /// Its error, and the calls it happened in.
        reason: String,
    },
    /// The program is refused: it does not compile, or asks for what is not granted.
    #[error("{reason}")]
    Program {
        /// The remarks, or the right that is missing and who grants it.
        reason: String,
    },
    /// This user may look but not change.
    #[error("read-only: {reason}")]
    ReadOnly {
        /// Who may change, and how to become one of them.
        reason: String,
    },
    /// The socket could not be reached.
    #[error("no answer at {path}: {reason}")]
    Unreachable {
        /// Path of the control socket.
        path: String,
        /// What the system said.
        reason: String,
    },
}
