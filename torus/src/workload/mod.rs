//! Built-in workloads: graphs, event files, sources of arrivals, host loops with known checksums.

mod rng;
mod source;

pub use rng::Rng;
pub use source::Source;
