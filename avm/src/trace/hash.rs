//! Hashes of traces (`decisions:AVM-5`). The *full* hash covers every entry as it is. The *semantic* hash covers what a program
//! did, wherever it ran and however much was logged: no moves, no fetches, no extended events, timestamps counted anew, no depth,
//! ids numbered by their first appearance. Of two runs of the same program, one local and one remote or migrated, it is the same
//! (`avm:11` R3, R4). Both cover how many entries did not fit, so that a cut trace is not taken for a whole one.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::numbering::Numbering;
use crate::code::ContentHash;
use crate::event::{Event, LogEntry};

/// Both hashes of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceHash {
    /// Of what was done.
    pub semantic: ContentHash,
    /// Of every entry.
    pub full: ContentHash,
}

/// Takes entries one by one, so that a trace can be hashed as it grows.
#[derive(Debug, Clone, Default)]
pub struct TraceHasher {
    semantic: Sha256,
    full: Sha256,
    counted: u64,
    numbering: Numbering,
    room: Vec<u8>,
}

impl TraceHasher {
    /// Before the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next entry.
    pub fn push(&mut self, entry: &LogEntry) {
        let mut room = std::mem::take(&mut self.room);
        room = encode(entry, room);
        self.full.update((room.len() as u64).to_le_bytes());
        self.full.update(&room);
        if is_semantic(&entry.event) {
            room.clear();
            let mut event = entry.event.clone();
            self.numbering.event(&mut event);
            room = encode(&(self.counted, &event, &entry.controller), room);
            self.semantic.update((room.len() as u64).to_le_bytes());
            self.semantic.update(&room);
            self.counted += 1;
        }
        room.clear();
        self.room = room;
    }

    /// The hashes so far, of a trace that has lost so many entries.
    #[must_use]
    pub fn finish(&self, dropped: u64) -> TraceHash {
        let of = |hasher: &Sha256| {
            ContentHash(hasher.clone().chain_update(b"dropped").chain_update(dropped.to_le_bytes()).finalize().into())
        };
        TraceHash { semantic: of(&self.semantic), full: of(&self.full) }
    }
}

/// Hashes of a trace that has lost so many entries.
#[must_use]
pub fn trace_hash(trace: &[LogEntry], dropped: u64) -> TraceHash {
    let mut hasher = TraceHasher::new();
    trace.iter().for_each(|entry| hasher.push(entry));
    hasher.finish(dropped)
}

fn encode(value: &impl Serialize, room: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, room).expect("memory takes every byte of an entry")
}

/// Whether an event tells what a program did, not where.
const fn is_semantic(event: &Event) -> bool {
    !matches!(
        event,
        Event::ObjectMoved(..)
            | Event::ExecutionMoved(..)
            | Event::ObjectFetched(..)
            | Event::StateUpdated(_)
            | Event::FunctionRegistered(_)
            | Event::VarCreated(..)
            | Event::ConstraintPosted(_)
            | Event::DomainNarrowed(..)
            | Event::Labeled(..)
            | Event::ConstraintFailure(_)
    )
}
