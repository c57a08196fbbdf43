//! Notes a program makes for whoever watches it (`decisions:AVM-23a`): they come out whatever its trace holds, in order, once it is
//! decided that they were made. What waits for that is bounded; what does not fit is counted and said.

use std::collections::VecDeque;

use super::config::Output;
use super::convert::to_val;
use super::exec::Exec;
use super::heap::Heap;
use super::word::Value;
use super::world::World;

/// Most notes of one execution that wait.
const MOST: usize = 4096;
/// Most nodes in them.
const MOST_NODES: u64 = 1 << 18;

/// Notes that wait to come out.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Position in the trace, ascending, and what is noted.
    waiting: VecDeque<(u64, Value)>,
    nodes: u64,
    /// Notes that did not fit, since the start.
    lost: u64,
    /// How many of them were told.
    told: u64,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A note; its reference is the taker's.
    Made(Value),
    /// So many did not fit.
    Lost(u64),
}

impl Notes {
    /// Keeps a note that is made at a position of the trace.
    pub(super) fn keep(&mut self, heap: &mut Heap, at: u64, value: Value) {
        let nodes = 1 + u64::from(heap.size(value));
        if self.lost > self.told || self.waiting.len() >= MOST || self.nodes + nodes > MOST_NODES {
            self.lost += 1;
            return;
        }
        self.nodes += nodes;
        self.waiting.push_back((at, heap.retain(value)));
    }

    /// How many did not fit so far: part of a mark.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == self.told
    }

    /// The next note made before position `before`; after the last of them those that did not fit, `lost` so far.
    pub(super) fn next(&mut self, heap: &Heap, before: u64, lost: u64) -> Option<Note> {
        match self.waiting.front() {
            Some((at, value)) if *at < before => {
                let value = *value;
                self.nodes = self.nodes.saturating_sub(1 + u64::from(heap.size(value)));
                self.waiting.pop_front();
                Some(Note::Made(value))
            }
            _ if lost > self.told => {
                let fresh = lost - self.told;
                self.told = lost;
                Some(Note::Lost(fresh))
            }
            _ => None,
        }
    }

    /// Notes from a position on were not made.
    pub(super) fn rewind(&mut self, heap: &mut Heap, at: u64, lost: u64) {
        while let Some((_, value)) = self.waiting.back().copied().filter(|(made, _)| *made >= at) {
            self.waiting.pop_back();
            self.nodes = self.nodes.saturating_sub(1 + u64::from(heap.size(value)));
            heap.release(value);
        }
        self.lost = lost;
    }

    /// Starts anew.
    pub(super) fn clear(&mut self, heap: &mut Heap) {
        self.rewind(heap, 0, 0);
        self.told = 0;
    }
}

impl World {
    /// Puts out the notes of an execution that are decided.
    pub(super) fn put_out_notes(&mut self, x: &mut Exec) {
        while let Some(note) = x.trace.next_note(&self.heap, x.decided) {
            let execution = x.id;
            self.outputs.push(match note {
                Note::Made(value) => {
                    let noted = to_val(&self.heap, &self.names, value);
                    self.heap.release(value);
                    Output::Noted { execution, value: noted }
                }
                Note::Lost(count) => Output::NotesLost { execution, count },
            });
        }
    }
}
