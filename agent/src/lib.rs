//! The node agent: where everything meets. Threads, sockets, files and signals live here and nowhere else.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`config`] | TOML file -> checked [`config::Config`] |
//! | [`cluster`] | the planes between nodes, identity, remote tori |
//! | [`runtime`] | torus threads, region, status page, recording |
//! | [`control_plane`] | the control thread: socket API, metrics, sensors, watchdog; and the client of the API |
//! | [`sensors`] | what the host says about itself |
//! | [`status_source`] | the status page read by other processes |
//! | [`systemd`] | READY, STATUS, WATCHDOG, STOPPING |
//! | [`cli`] | the command line |
#![forbid(unsafe_code)]

pub mod cli;
pub mod cluster;
pub mod config;
pub mod control_plane;
pub mod logging;
pub mod runtime;
pub mod sensors;
pub mod status_source;
pub mod systemd;
