//! The protocol between nodes, pure: frames, replay window, acknowledgements, reassembly, key epochs (`decisions:CLU-4`).
//!
//! An [`Endpoint`] is what one node keeps about its links. It owns no clock, socket, thread or random source: time is the
//! argument `now_ns` (monotonic, any origin), datagrams go in through [`Endpoint::receive`] and come out of
//! [`Endpoint::seal`], [`Endpoint::seal_projection`], [`Endpoint::send_command`] and [`Endpoint::poll`]. All memory is taken
//! in [`Endpoint::new`]; nothing is allocated afterwards.
//!
//! Three kinds of traffic run over one session:
//! - messages of `ekk`: sent once, never repeated;
//! - projections: latest value, any newer sequence of the same boot is taken, at most once, never repeated (`decisions:CLU-11`);
//! - commands: in order, exactly once for each boot of the peer, repeated until acknowledged (`rse:U3`, `decisions:CLU-12`).
#![forbid(unsafe_code)]

pub mod aead;
pub mod bench;
mod bucket;
mod command;
mod config;
mod deliver;
mod doubt;
mod dropped;
mod endpoint;
mod error;
pub mod frame;
mod fuzz;
mod hash;
mod index;
mod keys;
mod out;
mod projection;
pub mod rsepx;
mod rtt;
mod view;
pub mod window;

pub use aead::{Aead, SessionKeys};
pub use config::Config;
pub use deliver::Deliver;
pub use dropped::{DropReason, Drops};
pub use endpoint::{CommandId, Endpoint, Gone, InDoubt, Installed, KeptFor, PeerInfo};
pub use error::{CommandError, ConfigError, InstallError, SendError};
pub use frame::{Kind, Versions};
pub use fuzz::fuzz_frame;
pub use out::Out;
pub use rsepx::fuzz_rsepx;
pub use view::{EdgeView, SessionView, Totals};
