//! The contract between the agent and whoever watches or steers it.
//!
//! Two halves, both plain data:
//!
//! * [`page`]: what the agent writes into its status page, a tmpfs file of latest-value slots that `trefoil status` and the
//!   console map read-only (`decisions:NODE-15`). Reading it costs the agent nothing and works while the agent hangs.
//! * [`api`]: what may be asked over the control socket (HTTP + JSON on a Unix socket); of the AVM: [`avm::ask`].
//!
//! [`snapshot`] is the owned form of the page that programs draw or print; [`StatusSource`] is how they obtain one. The
//! crate holds no logic beyond turning one form into the other, no I/O and no `unsafe`.
#![forbid(unsafe_code)]

pub mod api;
pub mod avm;
pub mod cluster;
pub mod page;
pub mod seed;
pub mod snapshot;
mod source;

pub use avm::AvmSnapshot;
pub use cluster::ClusterSnapshot;
pub use snapshot::Snapshot;
pub use source::{SourceError, StatusSource, SteerError, Steering};
