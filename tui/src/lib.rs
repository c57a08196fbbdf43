//! The terminal console of a node: an instrument, not a dashboard.
//!
//! Four steps, each alone: *collect* (a [`control::StatusSource`] is polled), *store* ([`history::History`]), *update*
//! ([`update::update`]: one event in, the state moves, at most one effect out), *draw* ([`draw::draw`]: a pure function of the
//! state). One key table ([`keys::BINDINGS`]) dispatches, draws the footer and is the help.
//!
//! The crate sees a node through `control` only: no mapping, no socket, no `unsafe` (`decisions:NODE-15`).
#![forbid(unsafe_code)]

pub mod avm;
pub mod commands;
mod console;
pub mod draw;
pub mod heat;
pub mod history;
pub mod keys;
mod link;
mod picture;
mod recording;
pub mod state;
pub mod target;
mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod verdict;

pub use console::{Exit, Options, TuiError, load_recording, run, run_recording};
pub use picture::{Format, FrameOptions, frame, frame_wants};
pub use recording::{RecordError, Recorder, Recording, RecordingError, open_recording, read_recording};
