//! What the reliable plane shows: connections, and refusals by reason.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::failure::Failure;
use crate::cluster::identity::Refused;

/// One line in the log for each reason in this time; what is left out is counted.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// One connection, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Number of the peer.
    pub id: u32,
    /// Boot id of its fast plane.
    pub boot_id: u64,
    /// Its boot incarnation.
    pub boot_inc: u32,
    /// Address of its reliable plane.
    pub address: SocketAddr,
    /// True when this node dialled.
    pub dialled: bool,
    /// Key epoch in force.
    pub epoch: u32,
    /// Version of the fast plane's frames.
    pub version: u8,
    /// Smoothed round trip of QUIC, ns.
    pub rtt_ns: u64,
    /// Its digest of founders and policy.
    pub digest: u64,
    /// Its formation.
    pub formation: u64,
}

/// Counters of the reliable plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Dials begun.
    pub dials: u64,
    /// Dials that came to nothing, all reasons.
    pub dials_failed: u64,
    /// Handshakes that came in.
    pub accepted: u64,
    /// Handshakes put off by the cap.
    pub capped: u64,
    /// Sessions handed to the link.
    pub sessions: u64,
    /// Key epochs agreed on live sessions.
    pub rotations: u64,
    /// Snapshots given.
    pub snapshots_given: u64,
    /// Snapshots taken.
    pub snapshots_taken: u64,
    /// Snapshots that failed, either way.
    pub snapshots_failed: u64,
    /// Streams nobody serves, or refused because their service is full.
    pub streams_refused: u64,
    /// Messages that did not fit on the bridge to the link thread.
    pub lost_to_link: u64,
    /// Peers this node refused, by reason.
    pub refused: BTreeMap<Refused, u64>,
    /// Peers that refused this node, by reason.
    pub refused_by: BTreeMap<Refused, u64>,
}

/// What is shown, for whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Connections, by number of the peer.
    pub peers: Vec<PeerView>,
    /// Counters.
    pub counters: Counters,
}

#[derive(Debug, Default)]
struct Inner {
    view: View,
    said: BTreeMap<Refused, (Option<Instant>, u64)>,
}

/// The board on which all of the reliable plane writes.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Inner>>);

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands on it.
    #[must_use]
    pub fn view(&self) -> View {
        self.inner().view.clone()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.inner().view.counters);
    }

    pub(super) fn peers(&self, peers: Vec<PeerView>) {
        self.inner().view.peers = peers;
    }

    /// Counts a failure that is a refusal and says it, not too often.
    pub(super) fn failure(&self, failure: &Failure, who: &str) {
        let mut inner = self.inner();
        let counters = &mut inner.view.counters;
        let reason = match failure {
            Failure::We(reason, _) => {
                *counters.refused.entry(*reason).or_default() += 1;
                *reason
            }
            Failure::They(reason, _) => {
                *counters.refused_by.entry(*reason).or_default() += 1;
                *reason
            }
            _ => {
                tracing::debug!("{who}: {failure}");
                return;
            }
        };
        let (last, left_out) = inner.said.entry(reason).or_default();
        if last.is_some_and(|last| last.elapsed() < LOG_EVERY) {
            *left_out += 1;
            return;
        }
        let more =
            if *left_out > 0 { format!(" ({left_out} more of the kind were not written)") } else { String::new() };
        (*last, *left_out) = (Some(Instant::now()), 0);
        drop(inner);
        tracing::warn!("{who}: {failure}{more}");
    }
}
