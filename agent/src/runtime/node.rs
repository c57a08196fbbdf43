//! Assembly of a node: region, arenas, workloads, threads; and its bounded stop.

use std::path::PathBuf;
use std::time::Duration;

use torus::Counters;

use crate::config::Config;

use super::handle::NodeHandle;

/// What is decided on the command line, not in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// File to record everything into that enters a torus.
    pub record: Option<PathBuf>,
}

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Not there yet.
    #[error("the node cannot start yet")]
    Unfinished,
}

/// How one torus ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorusFinal {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub id: u8,
    /// Counters at the end.
    pub counters: Counters,
    /// State digest at the end.
    pub digest: u64,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// How the node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// Its tori, in configuration order.
    pub tori: Vec<TorusFinal>,
    /// How long the tori took to stop.
    pub took: Duration,
}

impl Final {
    /// Whether the process must exit with an error.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.tori.iter().any(|torus| torus.failed.is_some())
    }
}

/// A running node. Dropping it stops it.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
}

impl Node {
    /// Starts everything; returns when every torus thread runs, or why it does not.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(_config: Config, _options: Options) -> Result<Self, StartError> {
        Err(StartError::Unfinished)
    }

    /// A way to it for other threads.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Stops the tori within 100 ms and returns their final counters; again and again the same answer (`rse:B7`).
    pub fn stop(&mut self) -> Final {
        Final { tori: Vec::new(), took: Duration::ZERO }
    }
}
