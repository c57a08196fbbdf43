//! Recordings: the inputs of tori, each at the executed-event count it was applied at (`decisions:NODE-2`), and their replay.
//!
//! A recording is a header, then records of [`RECORD_BYTES`] bytes: entries in the order they were applied (per torus; tori may
//! interleave) and one end per torus. The header carries what the tori are made from (configuration, workload, seed) as a text the
//! agent understands, and the digest each torus starts with. Each record carries a checksum over itself and its number, so damage,
//! loss and reordering are found. Pure bytes: reading and writing files is the agent's.

mod codec;
mod replay;

pub use codec::{
    End, Entry, HEADER_TEXT_MAX, Header, MAGIC, RECORD_BYTES, Record, RecordError, Recording, Start, VERSION, decode,
};
pub use replay::{ReplayError, replay};

#[cfg(test)]
mod tests;
