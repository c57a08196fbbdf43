//! Built-in workloads: graphs, event files, sources of arrivals, host loops with known checksums.

mod events_file;
mod graph;
mod host;
mod rng;
mod source;

pub use events_file::{EventsError, MAX_EVENTS, parse_events};
pub use graph::{GraphError, Routes, cycle, firehose, firehose_round, grid, random_graph, routes, tokens};
pub use host::{
    COMPUTE_CHECKSUM, COMPUTE_OPERATIONS, INIT_COMPUTE_CHECKSUM, INIT_COMPUTE_OPERATIONS, compute, init_compute,
};
pub use rng::Rng;
pub use source::Source;
