//! Why something was refused. None of these changes the state of the endpoint.

/// A configuration that cannot be used; the operator is asked to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}: it must be {min} to {max}")]
pub struct ConfigError {
    /// Name of the field.
    pub key: &'static str,
    /// What it holds.
    pub value: u64,
    /// Smallest value.
    pub min: u64,
    /// Largest value.
    pub max: u64,
}

/// Why keys were not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// The peer is this node.
    #[error("a session with oneself")]
    Own,
    /// Keys that this peer had before: their counters would begin again. Agree on fresh ones.
    #[error("the keys of epoch {epoch} were in use before: keys must be fresh")]
    Reused {
        /// Epoch given.
        epoch: u32,
    },
    /// A wire version outside the range of this node.
    #[error("wire version {version} is not spoken here")]
    Version {
        /// Version given.
        version: u8,
    },
}

/// Why a datagram was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No session with this peer: shake hands first.
    #[error("no session with node {peer}")]
    NoSession {
        /// The peer.
        peer: u32,
    },
    /// More bytes than the path or the frame takes.
    #[error("{bytes} bytes, at most {max} fit")]
    TooLong {
        /// Bytes given.
        bytes: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The key has sealed as many frames as it may: rotate.
    #[error("the key of epoch {epoch} is used up: rotate")]
    KeysExhausted {
        /// Its epoch.
        epoch: u32,
    },
    /// The bandwidth cap holds it back; counted.
    #[error("over the bandwidth cap, again in {again_ns} ns")]
    Bandwidth {
        /// When there is room again, from now.
        again_ns: u64,
    },
    /// The edge was served less than one interval ago; counted. Offer the newest value again then.
    #[error("the edge is capped, again in {again_ns} ns")]
    Coalesced {
        /// When it may be sent again, from now.
        again_ns: u64,
    },
    /// An edge outside the configured range.
    #[error("edge {edge} is not below {max}")]
    Edge {
        /// Edge given.
        edge: u8,
        /// Configured number of edges.
        max: usize,
    },
    /// A kind that the endpoint builds itself.
    #[error("frames of this kind are made by the endpoint")]
    Kind,
}

/// Why a command was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No session with this peer: shake hands first.
    #[error("no session with node {peer}")]
    NoSession {
        /// The peer.
        peer: u32,
    },
    /// The window is full: wait for acknowledgements.
    #[error("{window} commands are unacknowledged: the window is full")]
    Full {
        /// Size of the window.
        window: usize,
    },
    /// More bytes than a command may have.
    #[error("{bytes} bytes, a command has at most {max}")]
    TooLong {
        /// Bytes given.
        bytes: usize,
        /// Configured limit.
        max: usize,
    },
}
