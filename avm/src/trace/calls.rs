//! Brackets: where each call began and on whose behalf each entry was written. Entries stand in the order of ends (`avm:7.6`);
//! their depth tells what belongs inside.

use crate::event::{Event, LogEntry};
use crate::id::{ObjectId, ROOT};

/// The calls of one trace. Positions are indices into the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// On whose behalf; `None`: of a call that never ended.
    actors: Vec<Option<ObjectId>>,
    /// Where the callee of this entry began; of an entry that is no call, its own position.
    begins: Vec<usize>,
}

/// What happens, in the order of beginnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A call begins; it ends with the entry.
    Call {
        /// Position of the entry.
        entry: usize,
        /// Caller.
        from: Option<ObjectId>,
        /// Callee.
        to: ObjectId,
    },
    /// A call ends.
    Return {
        /// Position of the entry.
        entry: usize,
        /// Caller.
        from: Option<ObjectId>,
        /// Callee.
        to: ObjectId,
    },
    /// Anything else.
    At {
        /// Position of the entry.
        entry: usize,
        /// On whose behalf.
        by: Option<ObjectId>,
    },
}

impl Step {
    /// Position of its entry.
    #[must_use]
    pub const fn entry(&self) -> usize {
        match self {
            Self::Call { entry, .. } | Self::Return { entry, .. } | Self::At { entry, .. } => *entry,
        }
    }
}

impl Calls {
    /// Matches the brackets of a whole trace; linear in its length.
    #[must_use]
    pub fn of(trace: &[LogEntry]) -> Self {
        let mut begins: Vec<usize> = (0..trace.len()).collect();
        // Positions with growing depth: the last of them not deeper than an entry stands before its callee's first entry.
        let mut open: Vec<usize> = Vec::new();
        for (at, entry) in trace.iter().enumerate() {
            while open.last().is_some_and(|last| trace[*last].depth > entry.depth) {
                open.pop();
            }
            if let Event::ObjectCalled(..) = entry.event {
                begins[at] = open.last().map_or(0, |last| last + 1);
            }
            open.push(at);
        }
        let mut actors = vec![None; trace.len()];
        let mut later: Vec<usize> = Vec::new();
        for (at, entry) in trace.iter().enumerate().rev() {
            while later.last().is_some_and(|next| trace[*next].depth >= entry.depth) {
                later.pop();
            }
            actors[at] = match later.last().map(|next| &trace[*next]) {
                _ if entry.depth == 0 => Some(ROOT),
                Some(LogEntry { event: Event::ObjectCalled(object, ..), depth, .. }) if depth + 1 == entry.depth => {
                    Some(*object)
                }
                _ => None,
            };
            later.push(at);
        }
        Self { actors, begins }
    }

    /// On whose behalf an entry was written: an object, [`ROOT`] for the program itself, `None` for a call that never ended.
    #[must_use]
    pub fn actor(&self, entry: usize) -> Option<ObjectId> {
        self.actors.get(entry).copied().flatten()
    }

    /// Position of the first entry that the callee of this entry wrote; its own position when it wrote none or it is no call.
    #[must_use]
    pub fn begin(&self, entry: usize) -> usize {
        self.begins.get(entry).copied().unwrap_or(entry)
    }

    /// Everything in the order of beginnings: a call before what its callee does, its return after it.
    #[must_use]
    pub fn steps(&self, trace: &[LogEntry]) -> Vec<Step> {
        let callee = |at: usize| match &trace[at].event {
            Event::ObjectCalled(object, ..) => Some(*object),
            _ => None,
        };
        let mut calls: Vec<usize> = (0..trace.len()).filter(|at| callee(*at).is_some()).collect();
        // Of calls that begin together the outer one ends last and stands first.
        calls.sort_by_key(|at| (self.begins[*at], usize::MAX - at));
        let mut calls = calls.into_iter().peekable();
        let mut steps = Vec::with_capacity(2 * trace.len());
        for at in 0..trace.len() {
            while let Some(entry) = calls.next_if(|entry| self.begins[*entry] == at) {
                if let Some(to) = callee(entry) {
                    steps.push(Step::Call { entry, from: self.actors[entry], to });
                }
            }
            steps.push(match callee(at) {
                Some(to) => Step::Return { entry: at, from: self.actors[at], to },
                None => Step::At { entry: at, by: self.actors[at] },
            });
        }
        steps
    }
}
