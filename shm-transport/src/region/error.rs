//! What can go wrong with a region, each with its place, the value found, the value expected, and the remedy.

use super::layout::LayoutError;
use super::line::LineView;
use crate::backing::MapError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a region could not be opened. The file is as it was found, but for an empty file made on the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The geometry cannot be.
    #[error("region geometry: {0}")]
    Geometry(LayoutError),
    /// The file is no region, or another one than asked for.
    #[error("region {path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LayoutError,
    },
    /// Memory or file could not be mapped.
    #[error("region: {0}")]
    Map(#[from] MapError),
    /// The file could not be opened, looked at or locked.
    #[error("region {path}: {what}: {source}; check the path and its permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another process holds the life-cycle lock.
    #[error(
        "region {path}: its life-cycle lock was held by another process for {waited:?}; see who (`fuser -v {path}`) \
         and try again"
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long it was tried.
        waited: Duration,
    },
    /// The file was replaced again and again while it was being opened.
    #[error("region {path}: the file was replaced {times} times while being opened; stop whoever removes it")]
    Unstable {
        /// The file.
        path: PathBuf,
        /// How often.
        times: u32,
    },
    /// Memory handed over by descriptor that its giver could still cut off.
    #[error(
        "region by descriptor: seals are {found:#x}, expected F_SEAL_SHRINK and F_SEAL_GROW; the giver must seal \
         the memfd before passing it on"
    )]
    Unsealed {
        /// The seals found.
        found: i32,
    },
}

/// Why a torus could not be claimed. The holder, if there is one, noticed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The region has no such torus.
    #[error("torus {torus} does not exist, the region has {tori} (0 to {last}); correct the torus id",
        last = tori.saturating_sub(1))]
    NoSuchTorus {
        /// The id asked for.
        torus: u8,
        /// Tori of the region.
        tori: u8,
    },
    /// Zero is no boot id.
    #[error("boot id 0 means nobody, expected a random one; draw it by liveness::boot_id")]
    ZeroBoot,
    /// A live process holds the torus.
    #[error(
        "torus {} is held by boot {:#018x}, pid {} ({evidence}), last heartbeat {age_ms} ms ago; stop that process \
         first (`kill {}`), or \
         take another torus id",
        holder.torus, holder.boot, holder.process.pid, holder.process.pid
    )]
    Held {
        /// Who.
        holder: LineView,
        /// Why it counts as alive.
        evidence: &'static str,
        /// Milliseconds since its last heartbeat, by this host's clock.
        age_ms: u64,
    },
    /// Another process took it at the same moment.
    #[error("torus {torus} was claimed by somebody else at the same moment; try again to see who")]
    Raced {
        /// The torus.
        torus: u8,
    },
    /// The region was renewed or overwritten since it was opened.
    #[error("the region is not the one that was opened (epoch {expected:#018x} is gone); open it again")]
    Renewed {
        /// The epoch it had.
        expected: u64,
    },
    /// The life-cycle lock could not be had.
    #[error(transparent)]
    Lock(#[from] RegionError),
}

/// Why a side cannot do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SideError {
    /// No such torus, or the side's own.
    #[error("torus {peer} is no peer of torus {me} in a region of {tori}; correct the id")]
    NoSuchPeer {
        /// The id asked for.
        peer: u8,
        /// The side's own id.
        me: u8,
        /// Tori of the region.
        tori: u8,
    },
    /// The end of a ring was handed out before; a second one would break its order.
    #[error("torus {me} took its end of the ring with torus {peer} before; use that one")]
    AlreadyTaken {
        /// The other torus, or the side's own id for its injection ring.
        peer: u8,
        /// The side's own id.
        me: u8,
    },
    /// Another boot holds the torus now: this one was taken for dead.
    #[error("torus {torus} belongs to boot {holder:#018x} now: this boot was taken for dead; stop, and claim anew")]
    Usurped {
        /// The torus.
        torus: u8,
        /// Who holds it.
        holder: u64,
    },
    /// The region was renewed or overwritten.
    #[error("the region is not the one torus {torus} was claimed in; stop, and open it again")]
    Renewed {
        /// The torus.
        torus: u8,
    },
}
