//! What the machine itself has going on over several steps, as a stack beside the frames: scans of the store, messages that a
//! `freeze` takes again, searches. A step back puts it where it was.

use std::sync::Arc;

use super::exec::Exec;
use super::heap::Heap;
use super::word::Value;
use crate::id::ObjectId;

/// Something of the machine's own that goes on over several steps.
#[derive(Debug)]
pub(super) enum Native {
    /// A scan: what is asked, about the row that is asked about, those taken, the counter of the next id and of the first that was
    /// not given out when it began, where windows begin.
    Scry {
        predicate: Value,
        deep: bool,
        row: Value,
        taken: Vec<Value>,
        next: u64,
        until: u64,
        base: u8,
        others: Others,
    },
    /// Messages to take again, and how many were.
    Freeze { replay: Arc<Replay>, at: usize, base: u8 },
    /// Search over variables.
    Search(Box<super::search::Searching>),
}

/// Rows of other tori for a scan, ascending, and how many were asked about.
#[derive(Debug, Clone)]
pub(super) struct Others {
    pub(super) rows: Arc<[super::remote::Row]>,
    pub(super) at: usize,
}

/// What a `freeze` brings together.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) id: ObjectId,
    pub(super) inputs: Vec<Value>,
    /// Replicas it was taken from, as they were: machine and stamp.
    pub(super) seen: Vec<(u32, u64)>,
}

impl Native {
    /// As it is now, for a step back. None for a search: nothing of the program runs while it is on top.
    fn saved(&self, heap: &mut Heap) -> Option<Self> {
        match self {
            Self::Scry { predicate, deep, row, taken, next, until, base, others } => Some(Self::Scry {
                others: others.clone(),
                predicate: heap.retain(*predicate),
                deep: *deep,
                row: heap.retain(*row),
                taken: taken.iter().map(|row| heap.retain(*row)).collect(),
                next: *next,
                until: *until,
                base: *base,
            }),
            Self::Freeze { replay, at, base } => Some(Self::Freeze { replay: replay.clone(), at: *at, base: *base }),
            Self::Search(_) => None,
        }
    }

    /// Gives back what it holds.
    pub(super) fn release(self, heap: &mut Heap) {
        match self {
            Self::Scry { predicate, row, taken, .. } => {
                heap.release(predicate);
                heap.release(row);
                taken.into_iter().for_each(|row| heap.release(row));
            }
            Self::Freeze { replay, .. } => {
                if let Some(replay) = Arc::into_inner(replay) {
                    replay.inputs.into_iter().for_each(|input| heap.release(input));
                }
            }
            Self::Search(_) => {}
        }
    }

    /// Memory beside the heap, bytes.
    pub(super) fn bytes(&self) -> u64 {
        64 + match self {
            Self::Scry { taken, others, .. } => 8 * taken.len() as u64 + 128 * others.rows.len() as u64,
            Self::Freeze { replay, .. } => 8 * replay.inputs.len() as u64,
            Self::Search(searching) => searching.bytes(),
        }
    }
}

impl Exec {
    /// What goes on now, for a step back.
    pub(super) fn natives_now(&self, heap: &mut Heap) -> Vec<Native> {
        self.natives.iter().filter_map(|native| native.saved(heap)).collect()
    }

    /// Puts in place what went on then.
    pub(super) fn natives_back(&mut self, heap: &mut Heap, then: &[Native]) {
        self.drop_natives(heap, 0);
        self.natives = then.iter().filter_map(|native| native.saved(heap)).collect();
        self.mute_replays();
    }

    /// Ends what goes on, from a level on.
    pub(super) fn drop_natives(&mut self, heap: &mut Heap, level: usize) {
        if self.natives.len() > level {
            self.natives.drain(level..).for_each(|native| native.release(heap));
            self.mute_replays();
        }
    }

    /// Whether the transaction has brought together what the replicas of an object have taken, or is about it.
    pub(super) fn freezes(&self, id: ObjectId) -> bool {
        let about = |native: &Native| matches!(native, Native::Freeze { replay, .. } if replay.id == id);
        self.tx.frozen(id) || self.natives.iter().any(about)
    }

    /// Messages were logged where they were taken first: taking them again is no event.
    pub(super) fn mute_replays(&mut self) {
        let replays = self.natives.iter().filter(|native| matches!(native, Native::Freeze { .. })).count();
        self.trace.mute(replays as u32);
    }
}
