//! Traces after the fact: queries, brackets of calls, sequence charts, vector clocks, order between executions, JSON and hashes
//! (`avm:6`, `avm:7.6`, `avm:11` R3, `decisions:AVM-5`, `AVM-21`). Everything here is derived from the entries when it is asked
//! for; nothing is kept while an execution runs.

mod calls;
mod chart;
mod clock;
mod hash;
mod json;
mod numbering;
mod query;
#[cfg(test)]
mod tests;

pub use calls::{Calls, Step};
pub use chart::{Chart, chart, reason};
pub use clock::{Cause, Clock, ClockError, Clocked, Lifeline, Link, Relation, clocks, clocks_at, merge};
pub use hash::{TraceHash, TraceHasher, trace_hash};
pub use json::{ValueError, entry_json, to_json, value_from_json, value_json};
pub use query::{Query, kind, object, transaction};
