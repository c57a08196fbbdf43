//! Executions between tori (`avm:R4`, `decisions:AVM-16`): one that is between transactions and runs on behalf of no object is
//! taken out as plain data (`saved.rs`) and goes on elsewhere as if nothing had happened. Objects stay where they are and are
//! reached from there; where a lane reaches no other torus, so does whoever knows one.

use super::config::Status;
use super::exec::{Enter, Exec, Frame};
use super::heap::Heap;
use super::lane::Lane;
use super::saved::SavedExecution;
use super::tx::Mode;
use super::word::{Node, T_OBJECT, TAINT, Value};
use crate::id::{ExecutionId, ROOT};

/// Largest value that travels, nodes: what is larger stays, for it is copied whole.
const MOST_NODES: u32 = 4096;
/// Most registers that travel.
const MOST_REGISTERS: usize = 4096;

/// Whether a value means the same on another torus, and is small enough; `reached`: objects are reached from other tori.
fn portable(heap: &Heap, value: Value, reached: bool) -> bool {
    let mut left = MOST_NODES;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let object = value.tag() == T_OBJECT || value.is_node(Node::Object);
        if left == 0 || value.flags() & TAINT != 0 || !reached && object {
            return false;
        }
        left -= 1;
        if value.is_ref() && value.node_kind().has_children() {
            open.extend(heap.children(value));
        }
    }
    true
}

impl Lane {
    /// Whether an execution may ever be moved: it runs no machine instruction (`decisions:AVM-6`).
    #[must_use]
    pub fn movable(&self, execution: ExecutionId) -> bool {
        self.execs.get(&execution).is_some_and(|x| !x.pinned)
    }

    /// Takes an execution out, to go on elsewhere; `None` when it must stay for now: it is bound to its machine, in a transaction,
    /// in a call, waits, is related to others, or knows an object that would not be reached.
    pub fn save(&mut self, execution: ExecutionId) -> Option<SavedExecution> {
        let x = self.execs.get(&execution).filter(|x| self.at_rest(x))?;
        let upper = x.upper(&self.code, 0);
        if upper > MOST_REGISTERS || !self.all_portable(x, upper) {
            return None;
        }
        let saved = self.saved(x);
        let x = self.execs.remove(&execution)?;
        self.recycle(x);
        Some(saved)
    }

    fn all_portable(&self, x: &Exec, upper: usize) -> bool {
        let (heap, reached) = (&self.world.heap, !self.world.config.homes.is_empty());
        let context = x.context();
        let mut all = x.regs[..upper].iter().chain([&context.input, &x.state, &x.args]).chain(&x.mailbox);
        all.all(|value| portable(heap, *value, reached))
    }

    /// Whether nothing of an execution is under way but its own functions.
    fn at_rest(&self, x: &Exec) -> bool {
        let own = |frame: &Frame| matches!(frame.enter, Enter::Root | Enter::Invoke);
        x.status == Status::Running
            && !x.held
            && !x.woken
            && !x.pinned
            && x.tx.mode == Mode::None
            && x.restart.is_none()
            && x.registering.is_none()
            && x.contexts.len() == 1
            && x.context().id == ROOT
            && x.frames.iter().all(own)
            && x.points.is_empty()
            && x.saved.is_empty()
            && x.base.is_none()
            && x.exploring.is_none()
            && x.natives.is_empty()
            && x.pures == 0
            && x.replicas.is_empty()
            && x.wanted.is_none()
            && x.later.is_none()
            && x.recording.is_none()
            && x.segments.is_none()
            && x.parent.is_none()
            && !x.family
            && self.world.alone != Some(x.id)
    }

    /// Takes an execution in; it can go on, on the machine where it was (`decisions:AVM-6`).
    ///
    /// # Errors
    /// Gives it back when there is no place for it: too many executions, no heap, or a module of it is not loaded here.
    pub fn restore(&mut self, saved: Box<SavedExecution>) -> Result<ExecutionId, Box<SavedExecution>> {
        self.take_in(&saved, false).map_err(|_| saved)
    }
}

#[cfg(test)]
mod tests;
