//! The running node: torus threads, the region between them, the status page, recording and replay.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`node`], [`ending`] | assembly: region, arenas, threads; the bounded stop |
//! | [`handle`] | how other threads ask and look |
//! | [`fault`] | a panic on purpose, for tests of debug builds |
//! | [`thread`], [`lane`] | a torus thread, and its loop |
//! | [`avm`] | programs on the tori |
//! | [`braiding`], [`exchange`] | the braid as the loop drives it, and what it costs |
//! | [`seed`] | a torus in a seed region, beside seed-compatible peers |
//! | [`inputs`], [`record`], [`replay`] | the one entrance, its recording, and the way back |
//! | [`build`], [`pace`], [`inject`] | what a torus runs, how fast, and what anybody may put in |
//! | [`cores`], [`pinning`] | which cores there are, and where each torus thread goes |
//! | [`keeper`], [`events`], [`pages`], [`status`] | the thread beside the tori, the log, the status page |

mod aside;
pub mod avm;
pub mod braiding;
pub mod build;
pub mod clock;
pub mod cores;
pub mod ending;
pub mod events;
pub mod exchange;
pub mod fault;
pub mod handle;
pub mod inject;
pub mod inputs;
pub mod keeper;
pub mod lane;
mod neighbours;
pub mod node;
pub mod notices;
pub mod pace;
pub mod pages;
pub mod pinning;
pub mod record;
pub mod replay;
mod report;
pub mod ring;
pub mod seed;
pub mod shared;
mod standings;
pub mod status;
pub mod thread;

pub use ending::{Final, TorusFinal};
pub use events::Severity;
pub use handle::{Beat, NodeHandle, Probe};
pub use node::{Node, Options, StartError};
pub use replay::{ReplayFailure, Replayed, TorusReplay, replay};
