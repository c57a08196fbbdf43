//! The running node: torus threads, the region between them, the status page, recording and replay.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`node`] | assembly: region, arenas, threads; start and stop |
//! | [`handle`] | how other threads ask and look |
//! | [`cores`], [`pinning`] | which cores there are, and where each torus thread goes |
//! | [`events`] | what torus threads report, and the log a person reads |
//! | [`exchange`] | what an exchange costs |

pub mod cores;
pub mod events;
pub mod exchange;
pub mod handle;
pub mod node;
pub mod pinning;

pub use handle::{Beat, NodeHandle};
pub use node::{Final, Node, Options, StartError, TorusFinal};
