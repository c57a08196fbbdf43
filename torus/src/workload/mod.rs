//! Built-in workloads: graphs, event files, sources of arrivals.

mod source;

pub use source::Source;
