//! The torus: a wrap-around 32x32x32 lattice that executes events in logical-time order.
//!
//! Pure: no clock, no thread, no socket, no random source. What reaches a torus from outside is an [`Input`]
//! (`decisions:NODE-2`); the sequence of inputs, each at its executed-event count, is the recording, and replaying it gives the
//! same digests. Memory is handed in once ([`memory::Carver`], `rse:T7`); nothing is allocated after [`Torus::new`].
//!
//! Start reading at [`Torus`], then [`Reactor`], then `queue`.

pub mod braid;
mod cell;
pub mod compute;
mod counters;
mod emitter;
mod event;
mod input;
pub mod lockstep;
pub mod memory;
pub mod message;
pub mod projection;
mod queue;
mod reactor;
pub mod record;
pub mod relay;
mod torus;
pub mod workload;

pub use crate::cell::{CELLS, Cell, FACE, MAX_TORI, SIDE};
pub use crate::counters::{Counters, FACES, Load};
pub use crate::emitter::Emitter;
pub use crate::event::{Event, Token};
pub use crate::input::{Applied, Input, Mode};
pub use crate::memory::Capacities;
pub use crate::reactor::{Correction, Reactor};
pub use crate::torus::{FIRED, OnOverflow, Ran, Settings, Stepped, Stop, Torus};
