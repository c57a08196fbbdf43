//! How other threads of the process ask a running node for something, and look at it.

use std::time::Duration;

use control::Snapshot;
use control::api::{Refusal, Reply, Request};
use control::page::HostPage;

/// A way to a running node: cheap to clone, usable from any thread. Every call is bounded in time.
#[derive(Debug, Clone)]
pub struct NodeHandle {}

/// The sign of life of one torus thread, for the watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Torus.
    pub name: String,
    /// How long its loop has not come round.
    pub age: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

impl NodeHandle {
    /// Carries out a request; waits at most half a second for the torus to have taken it.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong; nothing was changed then.
    pub fn request(&self, request: &Request) -> Result<Reply, Refusal> {
        Err(Refusal { error: format!("{} is not available yet", request.command_line()), read_only: false })
    }

    /// The node as its status page shows it now.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        None
    }

    /// Puts the host's sensors on the status page, and the busy share of its CPUs into the projections
    /// (`decisions:NODE-20`: shown to peers, not steering a braid on the same host).
    pub fn publish_host(&self, _page: &HostPage) {}

    /// Signs of life of all torus threads.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        Vec::new()
    }

    /// Whether someone asked the node to stop, or a torus thread failed so that it must.
    #[must_use]
    pub fn stop_asked(&self) -> bool {
        false
    }
}
