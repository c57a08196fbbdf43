//! What the reliable plane is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::keys::End;
use crate::cluster::identity::{Identity, unix_now_s};
use crate::config::Cluster;

/// The wall clock, Unix s; certificates are judged by it.
pub type Clock = fn() -> u64;

/// What the reliable plane is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// Who this node is.
    pub identity: Arc<Identity>,
    /// Boot id of the fast plane: random, new at each start.
    pub boot_id: u64,
    /// Boot incarnation.
    pub boot_inc: u32,
    /// Member record, encoded; replaced by `ToReliable::OwnRecord`.
    pub record: Vec<u8>,
    /// Fast plane as others reach it, if configured; otherwise `ToReliable::Listening` tells.
    pub advertise: Option<SocketAddr>,
    /// Lowest and highest version of the fast plane's frames.
    pub versions: (u8, u8),
    /// Ciphers of the fast plane, see [`super::keys::suites`].
    pub suites: u8,
    /// Digest of founders and policy.
    pub digest: u64,
    /// Age at which keys are renewed.
    pub rekey: Duration,
    /// Most handshakes begun a second, in each direction.
    pub handshakes_per_s: u32,
    /// Most connections at once; the link keeps no more sessions.
    pub max_connections: usize,
    /// How long things may take.
    pub times: Times,
    /// The wall clock.
    pub clock: Clock,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A dial, from the first packet to the peer's hello.
    pub dial: Duration,
    /// Silence after which a connection is lost.
    pub idle: Duration,
    /// How long an old connection has to answer when a second one claims the same identity.
    pub probe: Duration,
    /// First wait after a dial that failed; doubles.
    pub backoff: Duration,
    /// Longest wait.
    pub backoff_max: Duration,
    /// How often the revocation list and the ends of certificates are looked at.
    pub refresh: Duration,
    /// A snapshot, from asking to its last record.
    pub snapshot: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            probe: Duration::from_secs(1),
            backoff: Duration::from_millis(250),
            backoff_max: Duration::from_secs(30),
            refresh: Duration::from_secs(5),
            snapshot: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Settings with the usual limits; the caller fills in what its configuration says.
    #[must_use]
    pub fn new(listen: SocketAddr, identity: Arc<Identity>, boot_id: u64, boot_inc: u32, record: Vec<u8>) -> Self {
        Self {
            listen,
            identity,
            boot_id,
            boot_inc,
            record,
            advertise: None,
            versions: (1, 1),
            suites: super::keys::suites(crate::config::cluster::Cipher::Auto, super::keys::has_aes()),
            digest: 0,
            rekey: Duration::from_secs(3_600),
            handshakes_per_s: 32,
            max_connections: 64,
            times: Times::default(),
            clock: unix_now_s,
        }
    }

    /// Settings as a configuration says.
    #[must_use]
    pub fn of(cluster: &Cluster, identity: Arc<Identity>, boot_id: u64, boot_inc: u32, record: Vec<u8>) -> Self {
        Self {
            advertise: cluster.advertise,
            suites: super::keys::suites(cluster.link.cipher, super::keys::has_aes()),
            rekey: cluster.link.rekey,
            handshakes_per_s: cluster.link.handshakes_per_s,
            ..Self::new(cluster.reliable, identity, boot_id, boot_inc, record)
        }
    }

    /// This end of every session.
    #[must_use]
    pub fn end(&self) -> End {
        End { node: self.identity.id().get(), boot_id: self.boot_id }
    }
}
