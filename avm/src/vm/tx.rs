//! The open transaction of an execution: one table of touched objects with a trail, so that a nested abort and a step back cost what
//! was changed since (`avm:2.1`, `decisions:AVM-1`). Nested transactions are marks in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::heap::Heap;
use super::queue::Letter;
use super::store::Version;
use super::word::Value;
use crate::id::{ObjectId, TxId};
use crate::nondet::{Asserted, Choice, Expr, Soft};

/// Entries that are looked through one by one.
const SCANNED: usize = 8;
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// Is stored or a pending create.
pub(super) const EXISTS: u16 = 1;
pub(super) const CREATED: u16 = 1 << 1;
pub(super) const DESTROYED: u16 = 1 << 2;
/// Created and destroyed by the same frame.
pub(super) const CANCELLED: u16 = 1 << 3;
/// Has a pending state.
pub(super) const STATE: u16 = 1 << 4;
pub(super) const TRANSFERRED: u16 = 1 << 5;
/// Machine or behaviour is another one.
pub(super) const MOVED: u16 = 1 << 6;
pub(super) const OBSERVED: u16 = 1 << 7;
/// Passed `own` in this transaction.
pub(super) const OWNED: u16 = 1 << 8;
/// Metadata is missing.
pub(super) const DAMAGED: u16 = 1 << 9;
/// Its home is another torus (`decisions:AVM-2`).
pub(super) const ELSEWHERE: u16 = 1 << 10;

/// An object as the transaction sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: ObjectId,
    pub(super) state: Value,
    /// Version in the snapshot; 0: absent.
    pub(super) stamp: u64,
    pub(super) behaviour: u32,
    pub(super) creating: u32,
    /// Controller in the store, or of the pending create.
    pub(super) authority: u32,
    /// Controller with a pending transfer.
    pub(super) current: u32,
    pub(super) machine: u32,
    /// Order of creation, against the begin of frames.
    pub(super) made: u32,
    /// Mark for which it was saved last.
    saved: u32,
    pub(super) flags: u16,
    /// Flags of earlier segments of a composition.
    pub(super) past: u16,
}

impl Entry {
    pub(super) const fn of(id: ObjectId, version: &Version) -> Self {
        Self {
            id,
            state: version.state,
            stamp: version.stamp,
            behaviour: version.behaviour,
            creating: version.creating,
            authority: version.current,
            current: version.current,
            machine: version.machine,
            made: 0,
            saved: 0,
            past: 0,
            flags: if version.exists { EXISTS } else { 0 } | if version.damaged { DAMAGED } else { 0 },
        }
    }

    #[inline(always)]
    pub(super) const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// A fact the transaction depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// None is open.
    None,
    /// Of an outermost call or instruction outside every transaction (`decisions:AVM-1`).
    Implicit,
    /// Begun by the program.
    Explicit,
}

/// A point of the transaction to go back to.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    table: u32,
    trail: u32,
    log: u32,
    sends: u32,
    pops: u32,
    requires: u32,
    prefers: u32,
    frozen: u32,
    labels: u64,
    pub(super) controller: u32,
    pub(super) fd: Option<crate::fd::Mark>,
}

/// A transaction the program has begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: TxId,
    pub(super) mark: Mark,
    /// Order against creations.
    pub(super) order: u32,
    pub(super) decisions: Vec<crate::fd::Label>,
}

/// Effects that no abort takes back, applied when the observable run is decided (`decisions:AVM-9`).
#[derive(Debug, Clone)]
pub(super) enum Staged {
    /// A pure function at a version; one that is `asked` for was stated to be the next, and comes about as that or not at all.
    Pure { name: Arc<str>, function: Value, version: u64, asked: bool },
    /// Replica of an object on a machine.
    Fetch { id: ObjectId, machine: u32 },
}

/// A pure function as the transaction has seen it first: what it sees later is the same (`decisions:AVM-8`).
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: Arc<str>,
    /// The name where it stands inline, otherwise nothing.
    pub(super) key: Value,
    /// Which change of the registry made it; 0: there was none of the name.
    pub(super) stamp: u64,
    pub(super) version: u64,
    pub(super) function: Value,
}

/// Machine and stamp of every replica that a `freeze` brings together.
pub(super) type Frozen = (ObjectId, Vec<(u32, u64)>);

#[derive(Debug)]
pub(super) struct Tx {
    pub(super) mode: Mode,
    pub(super) snapshot: u64,
    /// The store knows of the snapshot; it need not while nobody else runs.
    pub(super) kept: bool,
    /// Changes whenever positions in the table may have changed their meaning.
    pub(super) epoch: u32,
    /// Resolved controller, 0: none.
    pub(super) controller: u32,
    pub(super) table: Vec<Entry>,
    /// An object of another torus has been in the table.
    pub(super) elsewhere: bool,
    index: Vec<u32>,
    trail: Vec<(u32, Entry)>,
    marks: u32,
    /// Newest mark; 0: none, nothing is saved.
    newest: u32,
    order: u32,
    pub(super) begun: Vec<Begun>,
    /// Calls, in order.
    pub(super) log: Vec<(ObjectId, Value)>,
    /// Messages sent, with who sent them.
    pub(super) sends: Vec<Letter>,
    /// Messages taken, to be put back.
    pub(super) pops: Vec<(ObjectId, Value)>,
    pub(super) requires: Vec<Asserted>,
    /// For each of them the length of the path when it was certain to stay; the largest number: not known.
    pub(super) required_at: Vec<u32>,
    /// Orders of calls that are required.
    pub(super) orders: Vec<super::order::Required>,
    pub(super) prefers: Vec<Soft>,
    pub(super) choices: Vec<Choice>,
    pub(super) path: Vec<(u32, Expr)>,
    /// Variables that stand in what is required.
    pub(super) standing: super::standing::Standing,
    /// Option of each choice in this run; further ones 0.
    pub(super) plan: Vec<u32>,
    pub(super) staged: Vec<Staged>,
    /// Replicas that are staged.
    pub(super) fetched: BTreeSet<(ObjectId, u32)>,
    /// Replicas that get the state of their object when the transaction commits, and give up what they have taken: one unit with the
    /// state.
    pub(super) frozen: Vec<Frozen>,
    /// Pure functions it has used, by name.
    pub(super) seen: Vec<Seen>,
    /// Memory of the values in choices and conditions of this run, of runs before it, and of the decisions of `label`, bytes.
    pub(super) weight: u64,
    pub(super) explored: u64,
    pub(super) labels: u64,
    /// Ids given out, to be given out again by a later run.
    pub(super) ids: Vec<u64>,
    pub(super) ids_used: usize,
}

impl Tx {
    pub(super) const fn new() -> Self {
        Self {
            mode: Mode::None,
            snapshot: 0,
            kept: false,
            epoch: 1,
            controller: 0,
            table: Vec::new(),
            elsewhere: false,
            index: Vec::new(),
            trail: Vec::new(),
            marks: 0,
            newest: 0,
            order: 0,
            begun: Vec::new(),
            log: Vec::new(),
            sends: Vec::new(),
            pops: Vec::new(),
            requires: Vec::new(),
            required_at: Vec::new(),
            orders: Vec::new(),
            prefers: Vec::new(),
            choices: Vec::new(),
            path: Vec::new(),
            standing: super::standing::Standing::new(),
            plan: Vec::new(),
            staged: Vec::new(),
            fetched: BTreeSet::new(),
            frozen: Vec::new(),
            seen: Vec::new(),
            weight: 0,
            explored: 0,
            labels: 0,
            ids: Vec::new(),
            ids_used: 0,
        }
    }

    /// Whether the program has begun one.
    #[inline(always)]
    pub(super) fn explicit(&self) -> bool {
        self.mode == Mode::Explicit
    }

    /// Memory of choices, requirements and conditions, bytes.
    pub(super) fn run_bytes(&self) -> u64 {
        let fixed = self.requires.len() * size_of::<Asserted>()
            + self.prefers.len() * size_of::<Soft>()
            + self.choices.len() * size_of::<Choice>()
            + self.path.len() * (2 * size_of::<Expr>() + 24)
            + self.required_at.len() * 4
            + self.orders.len() * size_of::<super::order::Required>()
            + self.standing.now.len() * 128;
        fixed as u64 + self.weight
    }

    /// Memory of all it holds beside the heap, bytes.
    pub(super) fn bytes(&self) -> u64 {
        let pairs = self.log.len() + self.sends.len() + self.pops.len();
        let fixed = self.table.len() * size_of::<Entry>()
            + self.index.len() * 4
            + self.trail.len() * size_of::<(u32, Entry)>()
            + pairs * size_of::<(ObjectId, Value)>()
            + (self.staged.len() + self.fetched.len()) * size_of::<Staged>()
            + self.seen.len() * (size_of::<Seen>() + 32)
            + self.begun.len() * size_of::<Begun>()
            + self.ids.len() * 8;
        fixed as u64 + self.run_bytes() + self.explored + self.labels
    }

    /// Whether it has frozen an object.
    pub(super) fn frozen(&self, id: ObjectId) -> bool {
        self.frozen.iter().any(|(frozen, _)| *frozen == id)
    }

    /// Next number in the order of creations and begins.
    pub(super) const fn tick(&mut self) -> u32 {
        self.order += 1;
        self.order
    }

    /// Position of an object in the table.
    #[inline]
    pub(super) fn lookup(&self, id: ObjectId) -> Option<u32> {
        if self.table.len() <= SCANNED {
            return self.table.iter().position(|entry| entry.id == id).map(|at| at as u32);
        }
        let mask = self.index.len() - 1;
        let mut at = spread(id) & mask;
        loop {
            match self.index[at] {
                0 => return None,
                found if self.table[found as usize - 1].id == id => return Some(found - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Takes an object into the table; counts the reference of its state anew.
    #[inline]
    pub(super) fn insert(&mut self, heap: &mut Heap, entry: Entry) -> u32 {
        heap.retain(entry.state);
        self.table.push(entry);
        let len = self.table.len();
        if len > SCANNED {
            if len * 2 > self.index.len() || len == SCANNED + 1 {
                self.rebuild();
            } else {
                self.put_index(len);
            }
        }
        len as u32 - 1
    }

    fn put_index(&mut self, position: usize) {
        let mask = self.index.len() - 1;
        let mut at = spread(self.table[position - 1].id) & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = position as u32;
    }

    #[cold]
    fn rebuild(&mut self) {
        let len = self.table.len();
        self.index.clear();
        if len > SCANNED {
            self.index.resize((len * 4).next_power_of_two(), 0);
            (1..=len).for_each(|position| self.put_index(position));
        }
    }

    /// An entry that is about to change: saved when a mark may ask for it.
    #[inline]
    pub(super) fn change(&mut self, heap: &mut Heap, at: u32) -> &mut Entry {
        let entry = &mut self.table[at as usize];
        if self.newest != 0 && entry.saved != self.newest {
            heap.retain(entry.state);
            self.trail.push((at, *entry));
            entry.saved = self.newest;
        }
        entry
    }

    /// Whether a change of an entry needs no saving.
    #[inline(always)]
    pub(super) fn is_saved(&self, entry: &Entry) -> bool {
        self.newest == 0 || entry.saved == self.newest
    }

    /// Puts another entry of the same object in the place of one.
    pub(super) fn replace(&mut self, heap: &mut Heap, at: u32, entry: Entry) {
        heap.retain(entry.state);
        let old = self.change(heap, at);
        let before = old.state;
        *old = Entry { saved: old.saved, ..entry };
        heap.release(before);
    }

    /// Sets the state of an entry; takes over the reference.
    #[inline]
    pub(super) fn set_state(&mut self, heap: &mut Heap, at: u32, state: Value) {
        let entry = self.change(heap, at);
        let before = std::mem::replace(&mut entry.state, state);
        entry.flags |= STATE;
        heap.release(before);
    }

    /// A point to go back to.
    pub(super) fn mark(&mut self, fd: Option<crate::fd::Mark>) -> Mark {
        self.marks += 1;
        self.newest = self.marks;
        self.epoch += 1;
        Mark {
            table: self.table.len() as u32,
            trail: self.trail.len() as u32,
            log: self.log.len() as u32,
            sends: self.sends.len() as u32,
            pops: self.pops.len() as u32,
            requires: self.requires.len() as u32,
            prefers: self.prefers.len() as u32,
            frozen: self.frozen.len() as u32,
            labels: self.labels,
            controller: self.controller,
            fd,
        }
    }

    /// The begin of an outermost transaction: going back there is [`Self::clear`].
    pub(super) const fn outermost_mark(&self, fd: Option<crate::fd::Mark>) -> Mark {
        Mark {
            table: 0,
            trail: 0,
            log: 0,
            sends: 0,
            pops: 0,
            requires: 0,
            prefers: 0,
            frozen: 0,
            labels: 0,
            controller: 0,
            fd,
        }
    }

    /// Goes back to a mark, which stays. Choices and conditions stay: they were met on the way. Messages taken since come back to
    /// the caller, newest first.
    pub(super) fn undo(&mut self, heap: &mut Heap, mark: &Mark) -> Vec<(ObjectId, Value)> {
        for (at, saved) in self.trail.drain(mark.trail as usize..).rev() {
            let entry = &mut self.table[at as usize];
            heap.release(entry.state);
            *entry = saved;
        }
        for entry in self.table.drain(mark.table as usize..) {
            heap.release(entry.state);
        }
        self.rebuild();
        self.log.drain(mark.log as usize..).for_each(|(_, message)| heap.release(message));
        self.sends.drain(mark.sends as usize..).for_each(|letter| heap.release(letter.message));
        self.drop_requires(heap, mark.requires as usize);
        self.prefers.truncate(mark.prefers as usize);
        self.frozen.truncate(mark.frozen as usize);
        self.labels = mark.labels;
        self.controller = mark.controller;
        self.epoch += 1;
        // What is changed from here on is saved anew for whoever goes back further.
        self.marks += 1;
        self.newest = self.marks;
        let mut back: Vec<_> = self.pops.drain(mark.pops as usize..).collect();
        back.reverse();
        back
    }

    /// Requires something; `certain`: nothing but the end of the transaction takes it back.
    pub(super) fn require(&mut self, asserted: Asserted, certain: bool) {
        self.requires.push(asserted);
        self.required_at.push(if certain { self.path.len() as u32 } else { u32::MAX });
    }

    /// What was required since a mark is certain to stay from here on.
    pub(super) fn certain_since(&mut self, mark: &Mark) {
        let at = self.path.len() as u32;
        self.required_at.iter_mut().skip(mark.requires as usize).for_each(|from| *from = (*from).min(at));
        // What an order of calls says is known at the end only.
        for order in &self.orders {
            self.required_at[order.at as usize] = u32::MAX;
        }
    }

    fn drop_requires(&mut self, heap: &mut Heap, left: usize) {
        self.requires.truncate(left);
        self.required_at.truncate(left);
        while self.orders.last().is_some_and(|order| order.at as usize >= left) {
            if let Some(order) = self.orders.pop() {
                order.release(heap);
            }
        }
    }

    /// What only transactions of the program have.
    fn clear_explicit(&mut self, heap: &mut Heap) {
        for (_, entry) in &self.trail {
            heap.release(entry.state);
        }
        self.trail.clear();
        for (_, message) in &self.log {
            heap.release(*message);
        }
        self.log.clear();
        self.drop_requires(heap, 0);
        self.prefers.clear();
        self.choices.clear();
        self.path.clear();
        self.standing.begin(std::collections::BTreeMap::new());
        self.plan.clear();
        self.begun.clear();
        (self.weight, self.explored, self.labels) = (0, 0, 0);
        self.controller = 0;
        self.marks = 0;
        self.newest = 0;
    }

    /// Whether there is nothing in it but objects: no message was sent or taken, no pure function used, nothing is staged.
    pub(super) fn only_objects(&self) -> bool {
        let messages = self.sends.is_empty() && self.pops.is_empty();
        messages && self.seen.is_empty() && self.staged.is_empty() && self.fetched.is_empty() && self.frozen.is_empty()
    }

    /// Forgets an implicit transaction whose table is empty and in which there was nothing else.
    #[inline(always)]
    pub(super) fn clear_quickly(&mut self) {
        self.index.clear();
        self.ids.clear();
        self.ids_used = 0;
        self.elsewhere = false;
        self.mode = Mode::None;
        self.order = 0;
        self.epoch += 1;
    }

    /// Forgets all. Messages taken come back to the caller, newest first, when `undone`.
    pub(super) fn clear(&mut self, heap: &mut Heap, undone: bool) -> Vec<(ObjectId, Value)> {
        for entry in &self.table {
            heap.release(entry.state);
        }
        self.table.clear();
        if self.mode == Mode::Explicit {
            self.clear_explicit(heap);
        }
        if !self.sends.is_empty() {
            self.sends.drain(..).for_each(|letter| heap.release(letter.message));
        }
        self.seen.drain(..).for_each(|seen| heap.release(seen.function));
        self.frozen.clear();
        self.fetched.clear();
        self.clear_quickly();
        if self.pops.is_empty() {
            return Vec::new();
        }
        if undone {
            return self.pops.drain(..).rev().collect();
        }
        self.pops.drain(..).for_each(|(_, message)| heap.release(message));
        Vec::new()
    }
}

fn spread(id: ObjectId) -> usize {
    (id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize
}
