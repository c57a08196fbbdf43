//! The event queue (`avm:11`, `decisions:AVM-7`): messages between objects wait in one bounded table and go to their mailboxes in an
//! order that does not depend on how the deliveries of different pairs fell between each other: by the receiver's controller, the
//! receiver, the sender; first in, first out between the same two. Whatever order messages come in from other tori between two looks,
//! mailboxes, and so the store and the traces, are the same.

use super::config::{Envelope, Output, StartError, Status, Why};
use super::lane::Lane;
use super::word::Value;
use super::world::World;
use crate::id::{ControllerId, ExecutionId, ObjectId, ROOT};
use crate::value::Val;

/// A message on its way to a mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    pub(super) to: ObjectId,
    /// Who sent it: an object, or the root of an execution.
    pub(super) sender: ObjectId,
    /// In which execution; the least one for what comes from outside of all.
    pub(super) execution: ExecutionId,
    /// Counts a reference.
    pub(super) message: Value,
}

impl Letter {
    /// What tells senders apart: objects by themselves, programs by their executions.
    fn pair(&self) -> (ObjectId, Option<ExecutionId>) {
        (self.sender, (self.sender == ROOT).then_some(self.execution))
    }
}

impl World {
    /// Messages in the mailbox of an object and on their way to it.
    pub(super) fn waiting_for(&self, id: ObjectId) -> usize {
        let inside = self.store.mailboxes.get(&id).map_or(0, std::collections::VecDeque::len);
        inside + self.letters.iter().filter(|letter| letter.to == id).count()
    }

    /// Takes a message over: of this torus into the table, of another on its way there.
    pub(super) fn deliver(&mut self, letter: Letter) {
        let Letter { to, sender, execution, message } = letter;
        if self.store.is_here(to) {
            self.letters.push(letter);
            return;
        }
        let envelope = Envelope::Message { to, sender, execution, message: self.val(message) };
        self.heap.release(message);
        self.outputs.push(Output::Send { to: to.torus(), envelope });
    }
}

impl World {
    /// Puts what waits at this moment into the mailboxes, least first. A commit ends with it, too: what a program has sent to itself it
    /// can receive at once.
    pub(super) fn process_letters(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let mut letters = std::mem::take(&mut self.letters);
        letters.sort_by_cached_key(|letter| {
            let controller: Option<ControllerId> = self.names.option(self.store.newest(letter.to).current);
            (controller, letter.to, letter.pair())
        });
        for letter in letters.drain(..) {
            if !self.store.newest(letter.to).exists {
                self.heap.release(letter.message);
                continue;
            }
            self.store.mailboxes.entry(letter.to).or_default().push_back(letter.message);
            self.delivered.push(letter.to);
        }
        // The table keeps its room.
        self.letters = letters;
    }
}

impl Lane {
    /// Takes in the messages that wait at this moment, and lets those go on that waited for them. A quantum begins and ends with it; a
    /// host calls it when it has handed over all messages it has.
    pub fn process_queue(&mut self) {
        self.world.process_letters();
        if !self.world.delivered.is_empty() {
            self.wake_receivers();
        }
    }

    /// Lets those go on that wait for messages which have come.
    fn wake_receivers(&mut self) {
        let delivered = std::mem::take(&mut self.world.delivered);
        if self.receiving == 0 {
            return;
        }
        for x in self.execs.values_mut() {
            let waits = x.status == Status::Suspended(Why::Receiving);
            if waits && delivered.contains(&x.context().id) {
                x.status = Status::Running;
                self.receiving -= 1;
                self.world.outputs.push(Output::Ready(x.id));
            }
        }
    }

    /// A message from outside of all executions, or from another torus.
    pub(super) fn message(
        &mut self,
        to: ObjectId,
        (sender, execution): (ObjectId, ExecutionId),
        message: &Val,
    ) -> Result<(), StartError> {
        if !self.world.store.newest(to).exists || self.world.waiting_for(to) >= self.world.config.mailbox as usize {
            return Err(StartError::Mailbox(to));
        }
        for message in self.values(std::slice::from_ref(message))? {
            self.world.deliver(Letter { to, sender, execution, message });
        }
        Ok(())
    }
}
