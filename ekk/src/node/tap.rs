//! Between the machines and the caller: what a machine reports is noted for the other machines, then passed on. Nothing is
//! called back from here (`ekk:D-39`); the notes are taken up in the next phase.

use super::nearest::Nearest;
use crate::id::NodeId;
use crate::sink::{Class, Event, Sink};
use crate::time::Time;

/// Members that ended within one phase, at most; more than that sets [`Ended::more`] and every neighbour is looked up.
const ENDED_MAX: usize = 16;

/// Members that ended since the last look.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ended {
    ids: [NodeId; ENDED_MAX],
    count: u8,
    pub(super) more: bool,
}

impl Ended {
    pub(super) const fn new() -> Self {
        Self { ids: [NodeId::NONE; ENDED_MAX], count: 0, more: false }
    }

    pub(super) fn note(&mut self, id: NodeId) {
        match self.ids.get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = id;
                self.count += 1;
            }
            None => self.more = true,
        }
    }

    pub(super) fn ids(&self) -> &[NodeId] {
        &self.ids[..usize::from(self.count)]
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0 && !self.more
    }
}

/// A sink that listens.
pub(super) struct Tap<'a, S: Sink> {
    pub(super) now: Time,
    pub(super) sink: &'a mut S,
    pub(super) nearest: &'a mut Nearest,
    pub(super) ended: &'a mut Ended,
}

impl<S: Sink> Sink for Tap<'_, S> {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        self.sink.send(to, class, bytes);
    }

    fn event(&mut self, event: &Event<'_>) {
        match *event {
            // A refusal means that nearer ones are known.
            Event::Joined(record) => drop(self.nearest.offer(self.now, record.identity, record.position)),
            Event::Dead { identity, .. } | Event::Left(identity) => {
                self.nearest.remove(self.now, identity.id);
                self.ended.note(identity.id);
            }
            Event::Returned(identity) | Event::Undone(identity) => self.nearest.welcome(identity.id),
            _ => {}
        }
        self.sink.event(event);
    }
}
