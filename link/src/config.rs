//! What an endpoint is made from.

use crate::error::ConfigError;
use crate::frame::Versions;

/// Limits, times and identity of an endpoint. [`Config::new`] has the defaults; every limit names its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Cluster; frames of another one are dropped.
    pub cluster_id: u64,
    /// This node.
    pub me: u32,
    /// This boot of this node's link.
    pub boot_id: u64,
    /// Wire versions spoken.
    pub versions: Versions,
    /// Sessions with keys, 1 to 128 (`decisions:CLU-5`: 32).
    pub max_sessions: usize,
    /// Peers remembered without keys, so that nothing is applied twice when they come back, 0 to 1024.
    pub max_parked: usize,
    /// Remote edges for each peer, 0 to 64.
    pub max_edges: usize,
    /// Bytes of a projection, at most 8192; 0 when projections are not used.
    pub projection_bytes_max: usize,
    /// Least time between two projections of one edge, ns (`decisions:CLU-11`: 1 kHz).
    pub projection_interval_ns: u64,
    /// How long a partial projection is kept, ns.
    pub reassembly_ns: u64,
    /// Commands in flight to a peer, 8 to 64.
    pub command_window: usize,
    /// Bytes of a command, at most 1200; 0 when commands are not used.
    pub command_bytes_max: usize,
    /// Tries of a command before it counts as missed; it is tried on, 1 to 100 (`rse:U3`: 5).
    pub command_tries: u32,
    /// Commands in doubt that are remembered with their bytes, 0 to 4096 (`decisions:CLU-12`).
    pub in_doubt_max: usize,
    /// Time between pings of a session, ns; 0 = none.
    pub ping_interval_ns: u64,
    /// A link heartbeat is sent when nothing else was for so long, ns; 0 = none (`rse:U6`).
    pub heartbeat_interval_ns: u64,
    /// How long frames still go out under the old key after a new one is installed, unless the peer uses the new one earlier, ns.
    pub epoch_switch_ns: u64,
    /// How long the old key is accepted after the switch, ns.
    pub epoch_keep_ns: u64,
    /// Frames taken under the new key after which the old one is dropped, whatever the time.
    pub epoch_keep_frames: u64,
    /// Frames after which a session asks for new keys ([`crate::SessionView::wants_rotation`]).
    pub rotate_after_frames: u64,
    /// Frames a key seals at most.
    pub key_frames_max: u64,
    /// Bandwidth cap over all peers, bytes a second; 0 = none (`decisions:CLU-19`).
    pub bandwidth_bytes_per_s: u64,
    /// Bytes that may go at once under the cap.
    pub bandwidth_burst_bytes: u64,
    /// Path MTU of a new session, bytes, 576 to 9216.
    pub mtu_bytes: usize,
}

impl Config {
    /// Defaults for a node of a cluster.
    #[must_use]
    pub fn new(cluster_id: u64, me: u32, boot_id: u64) -> Self {
        Self {
            cluster_id,
            me,
            boot_id,
            versions: Versions::ALL,
            max_sessions: 32,
            max_parked: 32,
            max_edges: 8,
            projection_bytes_max: 8_192,
            projection_interval_ns: 1_000_000,
            reassembly_ns: 20_000_000,
            command_window: 32,
            command_bytes_max: 1_024,
            command_tries: 5,
            in_doubt_max: 256,
            ping_interval_ns: 1_000_000_000,
            heartbeat_interval_ns: 1_000_000_000,
            epoch_switch_ns: 200_000_000,
            epoch_keep_ns: 5_000_000_000,
            epoch_keep_frames: 100_000,
            rotate_after_frames: 1 << 23,
            key_frames_max: 1 << 32,
            bandwidth_bytes_per_s: 0,
            bandwidth_burst_bytes: 256 * 1024,
            mtu_bytes: 1_500,
        }
    }

    /// For simulated nodes that speak `ekk` only: no projections, commands, pings or heartbeats; the least memory.
    #[must_use]
    pub fn mesh(cluster_id: u64, me: u32, boot_id: u64) -> Self {
        Self {
            max_parked: 0,
            max_edges: 0,
            projection_bytes_max: 0,
            command_bytes_max: 0,
            command_window: 8,
            in_doubt_max: 0,
            ping_interval_ns: 0,
            heartbeat_interval_ns: 0,
            ..Self::new(cluster_id, me, boot_id)
        }
    }

    /// # Errors
    /// The first field outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let range = |key, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError { key, value, min, max }) }
        };
        range("me", u64::from(self.me), 1, u64::from(u32::MAX) - 1)?;
        range("versions.low", u64::from(self.versions.low), 1, u64::from(Versions::ALL.high))?;
        range("versions.high", u64::from(self.versions.high), self.versions.low.into(), Versions::ALL.high.into())?;
        range("max_sessions", self.max_sessions as u64, 1, 128)?;
        range("max_parked", self.max_parked as u64, 0, 1_024)?;
        range("max_edges", self.max_edges as u64, 0, 64)?;
        range("projection_bytes_max", self.projection_bytes_max as u64, 0, 8_192)?;
        range("command_window", self.command_window as u64, 8, 64)?;
        range("command_bytes_max", self.command_bytes_max as u64, 0, 1_200)?;
        range("command_tries", u64::from(self.command_tries), 1, 100)?;
        range("in_doubt_max", self.in_doubt_max as u64, 0, 4_096)?;
        range("key_frames_max", self.key_frames_max, 1, u64::MAX - 1)?;
        range("mtu_bytes", self.mtu_bytes as u64, 576, 9_216)
    }
}
