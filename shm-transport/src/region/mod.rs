//! A region: one stretch of shared memory with everything the tori of a braid exchange (`rse:M1`, `rse:M3` to
//! `rse:M7`).
//!
//! It holds, for every torus, a line (who holds it, its heartbeat), a latest link for its projection, an injection ring
//! and a waiter; for every ordered pair of tori a ring for messages and an ack line. Threads, processes and virtual
//! machines that map the same bytes are the same to it. Who takes part claims a torus and gets a [`Side`].
//!
//! No lock lives in the shared memory, so a participant killed at any instruction leaves nothing to recover: the next
//! boot of its torus claims the line, continues the sequence of its link above anything found, and takes up its rings
//! where they stand. What a killed torus held in its private memory is gone; what lies unread in its rings is
//! delivered to its next boot or counted lost (`decisions:NODE-17`).
//!
//! A named file can be cut off by whoever may write to it, and touching the lost part raises `SIGBUS`. Anonymous
//! regions are sealed against that. For named ones: keep the file's mode tight, and call [`Region::verify`] off the
//! hot path.

mod claim;
mod error;
mod hostile;
mod layout;
mod line;
mod open;
mod receipts;
mod side;
mod view;

pub use error::{ClaimError, RegionError, SideError};
#[doc(hidden)]
pub use hostile::fuzz_region;
pub use layout::{
    Geometry, HEADER_WORDS, Header, INJECT_WORDS, LAYOUT_VERSION, Layout, LayoutError, MAGIC, MAX_TORI, RECORD_WORDS,
    UNDER_CONSTRUCTION,
};
pub use line::{Ack, LineView, State};
pub use open::{Join, Options, Remains};
pub use receipts::{Noted, Receipts};
pub use side::Side;
pub use view::{Unread, View};

use crate::backing::{Backing, MapError, Mapping, Pages};
use crate::{mpsc, wake};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// A mapped region. `Send` and `Sync`: sides of several threads borrow from one.
#[derive(Debug)]
pub struct Region {
    mapping: Mapping,
    layout: Layout,
    epoch: u64,
    named: bool,
    patience: Duration,
    /// Claims of one process go one after another; between processes the file lock and the line's state word do it.
    claims: Mutex<()>,
}

impl Region {
    /// An anonymous region, for the threads of one process, or to be passed on by descriptor. Sealed, so that nobody
    /// can cut it off.
    ///
    /// # Errors
    /// [`RegionError::Geometry`], [`RegionError::Map`].
    pub fn private(geometry: Geometry, pages: Pages) -> Result<Self, RegionError> {
        Self::private_locked(geometry, pages, false)
    }

    /// Like [`Region::private`], locked in memory when `lock` is set; [`Region::backing`] says whether that worked.
    ///
    /// # Errors
    /// As [`Region::private`].
    pub fn private_locked(geometry: Geometry, pages: Pages, lock: bool) -> Result<Self, RegionError> {
        open::private(geometry, pages, lock)
    }

    /// Opens the region in the file `path` and says what it found: the life cycle of `decisions:NODE-16`.
    ///
    /// Under a file lock: absent or blank -> created; a region in which somebody lives -> joined; one in which all are
    /// gone -> renewed with a new epoch, and what lay in it is reported; anything else -> refused. Somebody lives when
    /// another process of this host has it open, when a holder's process exists, or when a heartbeat moves within
    /// [`Options::patience`].
    ///
    /// # Errors
    /// See [`RegionError`]. Nothing is ever zeroed under a live participant.
    pub fn open(path: &Path, options: &Options) -> Result<(Self, Join), RegionError> {
        open::named(path, options)
    }

    /// Joins the anonymous region behind a descriptor that another process passed on.
    ///
    /// # Errors
    /// [`RegionError::Unsealed`] when its giver could cut it off, otherwise as [`Region::open`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self, RegionError> {
        open::by_descriptor(fd, options)
    }

    /// The words and the layout.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::of_checked(self.mapping.words(), self.layout, self.epoch)
    }

    /// The geometry.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.layout.geometry()
    }

    /// The creation epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What kind of memory it lies in, and why.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
    }

    /// Checks that the file under the mapping is still whole and still the one its path names. Off the hot path.
    ///
    /// # Errors
    /// [`MapError::Shrunk`] (stop touching the region), [`MapError::Replaced`] (open it again).
    pub fn verify(&self) -> Result<(), MapError> {
        self.mapping.verify()
    }

    /// The line of a torus, or `None` when there is no such torus.
    #[must_use]
    pub fn line(&self, torus: u8) -> Option<LineView> {
        self.view().torus(torus)
    }

    /// The sending end of a torus' injection ring; any number of them.
    #[must_use]
    pub fn injector(&self, torus: u8) -> Option<mpsc::Sender<'_>> {
        self.view().injector(torus)
    }

    /// The waking side of a torus' waiter, for whoever sent it something.
    #[must_use]
    pub fn waker(&self, torus: u8) -> Option<wake::Waker<'_>> {
        self.view().waker(torus)
    }

    /// Takes `torus` for the boot `boot` of process `pid` (a running process of this host, normally the caller's own).
    ///
    /// A dead holder is replaced; a live one is not. Dead means: given back, dropped, its process gone, or, where the
    /// process cannot be seen from here, no heartbeat within [`Options::patience`].
    ///
    /// # Errors
    /// [`ClaimError::Held`] says by whom.
    pub fn claim(&self, torus: u8, boot: u64, pid: u32) -> Result<Side<'_>, ClaimError> {
        claim::claim(self, torus, boot, pid)
    }
}

impl AsFd for Region {
    /// The descriptor of the memory, to be passed to another process (`SCM_RIGHTS`).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd().as_fd()
    }
}
