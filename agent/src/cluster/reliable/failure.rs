//! Why a connection did not come about, or ended.

use std::fmt;

use quinn::{ConnectionError, VarInt};

use super::frames::{FrameError, printable};
use super::tls::Found;
use crate::cluster::identity::Refused;

/// Code: another connection of the same two nodes is kept.
pub(super) const SUPERSEDED: u32 = 0x7EE0;
/// Code: this node dialled itself.
pub(super) const OWN: u32 = 0x7EE1;
/// Code: the session is not needed any longer.
pub(super) const DONE: u32 = 0x7EE2;
/// Code: the node stops.
pub(super) const STOPPING: u32 = 0x7EE3;

const CONNECTION_REFUSED: u64 = 2;

/// Why a connection did not come about, or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// We refuse the peer.
    We(Refused, String),
    /// The peer refuses us.
    They(Refused, String),
    /// We dialled ourselves.
    Own,
    /// Another connection of the same two nodes is kept.
    Superseded,
    /// The peer closed it, with words.
    Closed(String),
    /// It was lost, or nobody answers.
    Lost(String),
}

impl Failure {
    /// Reads a connection's end; `found` is what its verifier found.
    pub(super) fn of(error: &ConnectionError, found: &Found) -> Self {
        if let Some(Err(reason)) = found.get() {
            return Self::We(reason, String::new());
        }
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let text = printable(&close.reason);
                match u32::try_from(close.error_code.into_inner()).unwrap_or(0) {
                    SUPERSEDED => Self::Superseded,
                    OWN => Self::Own,
                    code => match Refused::from_code(code.into()) {
                        Some(reason) => Self::They(reason, text),
                        None => Self::Closed(text),
                    },
                }
            }
            ConnectionError::ConnectionClosed(close) => {
                let code = u64::from(close.error_code);
                match alert(code).and_then(Refused::from_alert) {
                    Some(reason) => Self::They(reason, String::new()),
                    None if code == CONNECTION_REFUSED => Self::They(Refused::Busy, String::new()),
                    None => Self::Lost(format!("the peer gave up: {error}")),
                }
            }
            ConnectionError::TransportError(local) => match alert(u64::from(local.code)) {
                // The verifier was not even asked: the peer showed no certificate.
                Some(116) => Self::We(Refused::Malformed, "it shows no certificate".to_owned()),
                _ => Self::Lost(error.to_string()),
            },
            ConnectionError::TimedOut => Self::Lost("no answer".to_owned()),
            other => Self::Lost(other.to_string()),
        }
    }

    /// Reads the end of a control stream.
    pub(super) fn of_frame(error: &FrameError, connection: &quinn::Connection, found: &Found) -> Self {
        match (connection.close_reason(), error) {
            (Some(reason), _) => Self::of(&reason, found),
            (None, FrameError::Malformed(what)) => Self::We(Refused::Hello, what.to_string()),
            (None, other) => Self::Lost(other.to_string()),
        }
    }

    /// Whether another try cannot help before a person changes something.
    pub(super) fn is_hopeless(&self) -> bool {
        match self {
            Self::We(reason, _) | Self::They(reason, _) => reason.is_hopeless(),
            Self::Own => true,
            Self::Superseded | Self::Closed(_) | Self::Lost(_) => false,
        }
    }
}

fn alert(code: u64) -> Option<u8> {
    (0x100..0x200).contains(&code).then_some((code & 0xFF) as u8)
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = |text: &String| if text.is_empty() { String::new() } else { format!(" ({text})") };
        match self {
            Self::We(reason, text) => write!(out, "{reason}{}", detail(text)),
            Self::They(reason, text) => {
                write!(out, "the peer refuses this node: {}: {}{}", reason.word(), reason.told(), detail(text))
            }
            Self::Own => {
                out.write_str("that is this node itself: take its own address out of [[peer]] and cluster.seeds")
            }
            Self::Superseded => out.write_str("another connection of the same two nodes is kept"),
            Self::Closed(text) if text.is_empty() => out.write_str("closed by the peer"),
            Self::Closed(text) => write!(out, "closed by the peer: {text}"),
            Self::Lost(text) => out.write_str(text),
        }
    }
}

/// Closes a connection so that the other side can tell why.
pub(super) fn close(connection: &quinn::Connection, code: u32, text: &str) {
    connection.close(VarInt::from_u32(code), text.as_bytes());
}
