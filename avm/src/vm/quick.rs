//! The commonest calls at once: of an object of this lane outside every transaction of the program, and their ends. What they do
//! not expect they leave untouched to [`World::call`] and [`World::call_returned`], which do the same in full.

use super::exec::{Context, Enter, Exec, Frame, Restart};
use super::heap::Heap;
use super::loaded::{Behaviour, Code};
use super::store::Version;
use super::trace::What;
use super::tx::{CANCELLED, DAMAGED, DESTROYED, EXISTS, Entry, Mode, NO_ENTRY, OBSERVED, OWNED, STATE, Tx};
use super::word::{FUNCTION, NOTHING, T_OBJECT, Value};
use super::world::World;
use crate::id::{ObjectId, ROOT};

/// Flags of an entry that is there and stays.
const THERE: u16 = EXISTS | CANCELLED | DAMAGED | DESTROYED;

/// An outermost call that has done no more yet than read and write the state of its object: all that there is of its implicit
/// transaction. Whatever else comes, or the end of the quantum, makes a whole one of it ([`World::spread`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    /// Frames below that of the call; 0: no call is one.
    frames: u32,
    written: bool,
    /// State of the object; its reference is counted when it is written.
    state: Value,
}

impl Leaf {
    pub(super) const NONE: Self = Self { frames: 0, written: false, state: NOTHING };

    #[inline(always)]
    pub(super) const fn is_open(&self) -> bool {
        self.frames != 0
    }

    /// Sets the state; counts the reference anew.
    #[inline(always)]
    pub(super) fn set(&mut self, heap: &mut Heap, state: Value) {
        heap.retain(state);
        if self.written {
            heap.release(self.state);
        }
        self.written = true;
        self.state = state;
    }
}

/// Whether quick ends of calls are to be thought of: found out anew after whatever is done in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ease {
    Unknown,
    Yes,
    No,
}

/// The state that `getState` gives, where it is known at once.
#[inline(always)]
pub(super) fn state(context: &Context, leaf: &Leaf, tx: &Tx, root: Value) -> Option<Value> {
    if leaf.is_open() {
        return Some(leaf.state);
    }
    if context.epoch == tx.epoch {
        return Some(tx.table[context.entry as usize].state);
    }
    if context.id == ROOT && tx.mode == Mode::None { Some(root) } else { None }
}

/// `setState`, where all it does is to keep a state; counts its reference anew.
#[inline(always)]
pub(super) fn keep(
    context: Option<&Context>,
    (leaf, tx, root): (&mut Leaf, &mut Tx, &mut Value),
    heap: &mut Heap,
    state: Value,
) -> bool {
    let Some(context) = context.filter(|_| state.is_list() && state.flags() & FUNCTION == 0) else {
        return false;
    };
    if leaf.is_open() {
        leaf.set(heap, state);
        return true;
    }
    let place = if context.epoch == tx.epoch {
        let saved = tx.is_saved(&tx.table[context.entry as usize]);
        let entry = &mut tx.table[context.entry as usize];
        let ready = match tx.mode {
            Mode::Implicit => entry.flags & THERE == EXISTS,
            _ => entry.has(STATE) && entry.has(OWNED),
        };
        if !ready || !saved {
            return false;
        }
        entry.flags |= STATE;
        &mut entry.state
    } else if context.id == ROOT && tx.mode == Mode::None {
        root
    } else {
        return false;
    };
    heap.retain(state);
    let before = std::mem::replace(place, state);
    heap.release(before);
    true
}

impl Behaviour {
    /// Whether it takes a message, where words tell.
    #[inline(always)]
    fn takes_words(&self, heap: &Heap, message: Value) -> bool {
        self.messages.is_none() || self.takes_form(heap, message)
    }

    fn takes_form(&self, heap: &Heap, message: Value) -> bool {
        let mut parts = heap.elements(message).iter();
        let Some(tag) = parts.next() else {
            return false;
        };
        let fits = |(part, tags): (&u64, &u16)| tags >> (part & 15) & 1 != 0;
        self.forms.iter().any(|form| {
            form.tag.0 == *tag && parts.len() == form.parts.len() && parts.clone().zip(&form.parts).all(fits)
        })
    }
}

impl World {
    /// Whether calls and their ends are as simple as they can be: nobody else is concerned, nothing waits, nothing can be gone
    /// back to.
    #[inline(always)]
    fn easy(&self, x: &mut Exec) -> bool {
        if x.ease == Ease::Unknown {
            x.ease = if self.is_easy(x) { Ease::Yes } else { Ease::No };
        }
        x.ease == Ease::Yes
    }

    #[inline(never)]
    fn is_easy(&self, x: &Exec) -> bool {
        !self.config.multi_controller
            && !self.config.records
            && self.config.call_depth > 0
            && self.store.replicas.is_empty()
            && !self.jointly(x)
            && (x.tx.mode == Mode::None || x.tx.mode == Mode::Implicit && self.store.clock == x.tx.snapshot)
            && !x.tx.kept
            && x.tx.only_objects()
            && x.points.is_empty()
            && x.saved.is_empty()
            && x.floor | x.context_floor == 0
            && x.terms.is_empty()
            && x.replicas.is_empty()
            && x.base.is_none()
            && x.exploring.is_none()
            && x.joint.is_none()
            && x.pures == 0
    }

    /// A call; whether it was done.
    pub(super) fn quick_call(&mut self, code: &Code, x: &mut Exec, dst: u8, start: u8) -> bool {
        let frame = x.frame();
        let base = frame.base as usize + usize::from(start);
        let Some(&[target, message]) = x.regs.get(base..base + 2) else { return false };
        if target.tag() != T_OBJECT || message.flags() != 0 || !self.easy(x) {
            return false;
        }
        let id = ObjectId(target.id_bits());
        let called = if x.contexts.len() == 1 && x.tx.mode == Mode::None {
            self.quick_leaf(code, x, id, message)
        } else {
            self.quick_nested(code, x, id, message)
        };
        let Some(function) = called else { return false };
        // As `enter` does: a behaviour takes no arguments. What stood in its first two registers has no node, or is the input.
        x.reserve(base);
        if let Some(arguments) = x.regs.get_mut(base..base + 2) {
            arguments.fill(NOTHING);
        }
        let end = frame.base as usize + usize::from(code.functions[frame.func as usize].registers);
        if base + 2 < end {
            x.wipe(&mut self.heap, base + 2, end);
        }
        let pc = code.functions[function as usize].start;
        x.frames.push(Frame { pc, base: base as u32, func: function, dst, enter: Enter::Call });
        true
    }

    /// Begins an outermost call; the function of the object.
    #[inline(always)]
    fn quick_leaf(&mut self, code: &Code, x: &mut Exec, id: ObjectId, message: Value) -> Option<u32> {
        let (version, behaviour) = self.quick_find(code, x, id, message)?;
        x.leaf = Leaf { frames: x.frames.len() as u32, written: false, state: version.state };
        x.contexts.push(Context {
            id,
            input: message,
            sender: Some(x.contexts[0].id),
            machine: self.machine,
            entry: NO_ENTRY,
            epoch: 0,
            replica: false,
        });
        Some(behaviour.function)
    }

    /// An object of this lane that can be called.
    #[inline(always)]
    fn quick_find<'a>(
        &self,
        code: &'a Code,
        x: &Exec,
        id: ObjectId,
        message: Value,
    ) -> Option<(&Version, &'a Behaviour)> {
        let version = self.store.here(id)?;
        let behaviour = &code.behaviours[version.behaviour as usize];
        let fits = version.exists
            && !version.damaged
            && self.quick_reach(x, version.current, version.machine)
            && behaviour.takes_words(&self.heap, message);
        if fits { Some((version, behaviour)) } else { None }
    }

    /// Begins a call inside of another; the function of the object.
    #[inline(never)]
    fn quick_nested(&mut self, code: &Code, x: &mut Exec, id: ObjectId, message: Value) -> Option<u32> {
        self.spread(x);
        if x.tx.mode != Mode::Implicit || x.contexts.len() == 1 || x.contexts.len() > self.config.call_depth as usize {
            return None;
        }
        let (entry, function) = if let Some(at) = x.tx.lookup(id) {
            let entry = &x.tx.table[at as usize];
            let behaviour = &code.behaviours[entry.behaviour as usize];
            let fits = entry.flags & THERE == EXISTS
                && self.quick_reach(x, entry.authority, entry.machine)
                && behaviour.takes_words(&self.heap, message);
            if !fits {
                return None;
            }
            (at, behaviour.function)
        } else {
            let (version, behaviour) = self.quick_find(code, x, id, message)?;
            let mut entry = Entry::of(id, version);
            entry.flags |= OBSERVED;
            (x.tx.insert(&mut self.heap, entry), behaviour.function)
        };
        x.contexts.push(Context {
            id,
            input: message,
            sender: x.contexts.last().map(|caller| caller.id),
            machine: self.machine,
            entry,
            epoch: x.tx.epoch,
            replica: false,
        });
        Some(function)
    }

    /// Whether the execution may call an object, and it is on this machine.
    #[inline(always)]
    fn quick_reach(&self, x: &Exec, controller: u32, machine: u32) -> bool {
        machine == self.machine && (x.authority == 0 || controller == 0 || x.authority == controller)
    }

    /// Makes a whole transaction of a call that was a leaf.
    #[inline(always)]
    pub(super) fn spread(&mut self, x: &mut Exec) {
        if x.leaf.is_open() {
            self.spread_leaf(x);
        }
    }

    #[inline(never)]
    fn spread_leaf(&mut self, x: &mut Exec) {
        let leaf = std::mem::replace(&mut x.leaf, Leaf::NONE);
        let trace = x.trace.mark();
        x.tx.mode = Mode::Implicit;
        x.tx.snapshot = self.store.clock;
        x.decided = Some(trace);
        x.restart = Some(Restart {
            trace,
            frame: leaf.frames,
            func: x.frames[leaf.frames as usize].func,
            natives: x.natives.len(),
            random: x.random,
            fd: x.fd.as_ref().map(|fd| fd.mark()),
            again: 0,
        });
        let id = x.contexts[1].id;
        let mut entry = Entry::of(id, &self.store.newest(id));
        entry.state = leaf.state;
        entry.flags |= if leaf.written { OBSERVED | STATE } else { OBSERVED };
        let at = x.tx.insert(&mut self.heap, entry);
        if leaf.written {
            self.heap.release(leaf.state);
        }
        (x.contexts[1].entry, x.contexts[1].epoch) = (at, x.tx.epoch);
    }

    /// The end of a function that the program calls; whether it was done.
    #[inline]
    pub(super) fn quick_end(&mut self, code: &Code, x: &mut Exec, src: u8) -> bool {
        if x.frames.len() <= x.floor as usize + 1 {
            return false;
        }
        let Some(frame) = x.frames.pop() else {
            return false;
        };
        let base = frame.base as usize;
        let value = std::mem::replace(&mut x.regs[base + usize::from(src)], NOTHING);
        x.wipe(&mut self.heap, base, base + usize::from(code.functions[frame.func as usize].registers));
        x.set(&mut self.heap, frame.dst, value);
        true
    }

    /// The end of a behaviour with its first output; whether it was done.
    pub(super) fn quick_return(&mut self, code: &Code, x: &mut Exec, output: Option<Value>) -> bool {
        if x.leaf.is_open() {
            let leaf = std::mem::replace(&mut x.leaf, Leaf::NONE);
            if leaf.written {
                let id = x.contexts[x.contexts.len() - 1].id;
                self.store.clock += 1;
                self.store.renew(&mut self.heap, id, leaf.state, x.id);
            }
            self.store.tidy(&mut self.heap);
        } else if !self.quick_commit(x) {
            return false;
        }
        let value = self.heap.retain(output.unwrap_or(NOTHING));
        let (Some(frame), Some(context)) = (x.frames.pop(), x.contexts.pop()) else {
            return false;
        };
        let base = frame.base as usize;
        x.wipe(&mut self.heap, base, base + usize::from(code.functions[frame.func as usize].registers));
        let what = if output.is_some() { What::Called } else { What::CalledWithoutOutput };
        self.log(x, what, context.id.0, context.input, value);
        self.heap.release(context.input);
        x.set(&mut self.heap, frame.dst, value);
        true
    }

    /// At the end of a call that is no leaf: whether all there is to do for its implicit transaction is nothing, because it goes on, or
    /// to keep the states of some objects, and that is done.
    #[inline(never)]
    fn quick_commit(&mut self, x: &mut Exec) -> bool {
        if x.tx.mode != Mode::Implicit || !self.easy(x) {
            return false;
        }
        if x.contexts.len() != 2 {
            return true;
        }
        const MORE: u16 = !(EXISTS | OBSERVED | STATE | OWNED);
        let alike = |entry: &Entry| entry.flags & MORE == 0 && entry.id != ROOT;
        if !x.tx.table.iter().all(alike) {
            return false;
        }
        let writer = x.id;
        for entry in &x.tx.table {
            if entry.has(STATE) {
                self.store.clock = x.tx.snapshot + 1;
                self.store.renew(&mut self.heap, entry.id, entry.state, writer);
            } else {
                self.heap.release(entry.state);
            }
        }
        x.tx.table.clear();
        x.tx.clear_quickly();
        self.store.tidy(&mut self.heap);
        x.decided = None;
        x.restart = None;
        x.alone = 0;
        if self.alone == Some(x.id) {
            self.alone = None;
        }
        true
    }
}
