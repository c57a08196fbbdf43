//! Replay: the same torus, the same inputs at the same places, the same digest.

use super::{End, Entry};
use crate::{Reactor, Stop, Torus};

/// A replay left the recorded path: the torus, the configuration or the program is not the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The torus could not execute as many events as were recorded before an input.
    #[error(
        "torus {torus}: executed {executed} events where the recording has {recorded} ({stopped:?}); the configuration or the \
         program differs from the recorded one"
    )]
    Short {
        /// Torus id.
        torus: u8,
        /// Events executed.
        executed: u64,
        /// Events recorded.
        recorded: u64,
        /// Why it stopped.
        stopped: Stop,
    },
    /// An entry lies before the point already reached, or inputs are missing between.
    #[error(
        "torus {torus}: input {ordinal} at {recorded} executed events comes after input {at_ordinal} at {executed}; inputs are missing or out of order"
    )]
    Order {
        /// Torus id.
        torus: u8,
        /// Events executed.
        executed: u64,
        /// Number of the input applied last.
        at_ordinal: u32,
        /// Events recorded before the input.
        recorded: u64,
        /// Number of the input.
        ordinal: u32,
    },
    /// The end was reached with another digest.
    #[error("torus {torus}: digest {found:#018x} after {executed} events, recorded {recorded:#018x}")]
    Digest {
        /// Torus id.
        torus: u8,
        /// Events executed.
        executed: u64,
        /// Digest of the replay.
        found: u64,
        /// Digest recorded.
        recorded: u64,
    },
}

/// Applies the entries of one torus to it, as it was configured when the recording began, and executes what lies between them. With
/// an `end`, executes up to it and compares. Returns the digest reached.
///
/// Entries of other tori are skipped by the caller; they may be replayed in any order.
///
/// # Errors
/// [`ReplayError`] when the torus does not follow the recording.
pub fn replay<'e, R: Reactor>(
    torus: &mut Torus<'_, R>,
    entries: impl IntoIterator<Item = &'e Entry>,
    end: Option<&End>,
) -> Result<u64, ReplayError> {
    for entry in entries {
        reach(torus, entry.torus, entry.executed)?;
        torus.apply(&entry.input);
        let (executed, at_ordinal) = torus.place();
        if (executed, at_ordinal) != (entry.executed, entry.ordinal) {
            let (recorded, ordinal) = (entry.executed, entry.ordinal);
            return Err(ReplayError::Order { torus: entry.torus, executed, at_ordinal, recorded, ordinal });
        }
    }
    let Some(end) = end else { return Ok(torus.digest()) };
    reach(torus, end.torus, end.executed)?;
    let found = torus.digest();
    if found == end.digest {
        Ok(found)
    } else {
        Err(ReplayError::Digest { torus: end.torus, executed: end.executed, found, recorded: end.digest })
    }
}

fn reach<R: Reactor>(torus: &mut Torus<'_, R>, id: u8, recorded: u64) -> Result<(), ReplayError> {
    let missing = recorded.saturating_sub(torus.counters().executed);
    let ran = torus.run(missing);
    let executed = torus.counters().executed;
    if executed == recorded {
        return Ok(());
    }
    Err(ReplayError::Short { torus: id, executed, recorded, stopped: ran.stopped })
}
