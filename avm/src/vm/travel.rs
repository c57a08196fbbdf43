//! Executions between tori (`avm:R4`, `decisions:AVM-16`): one that is between transactions and runs on behalf of no object is
//! taken out as plain data and goes on elsewhere as if nothing had happened. Objects stay where they are and are reached from
//! there; where a lane reaches no other torus, so does whoever knows one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::{Decision, Status};
use super::convert::{from_val, to_val};
use super::exec::{Context, Enter, Exec, Finished, Frame};
use super::heap::Heap;
use super::lane::Lane;
use super::loaded::Code;
use super::tx::Mode;
use super::word::{FUNCTION, NOTHING, Node, T_OBJECT, TAINT, Value};
use crate::code::ContentHash;
use crate::event::{LogEntry, TraceLevel};
use crate::fd;
use crate::id::{ControllerId, ExecutionId, MachineId, ROOT};
use crate::value::Val;

/// Largest value that travels, nodes: what is larger stays, for it is copied whole.
const MOST_NODES: u32 = 4096;
/// Most registers that travel.
const MOST_REGISTERS: usize = 4096;

/// A function that was running.
#[derive(Debug)]
struct SavedFrame {
    module: ContentHash,
    function: u16,
    /// Operation it goes on with, counted in its function.
    pc: u32,
    base: u32,
    dst: u8,
    root: bool,
}

/// An execution as plain data.
#[derive(Debug)]
pub struct Saved {
    id: ExecutionId,
    module: ContentHash,
    entry: Arc<str>,
    pinned: bool,
    frames: Vec<SavedFrame>,
    /// Registers, from the first to the last in use.
    registers: Vec<Val>,
    input: Val,
    machine: MachineId,
    state: Val,
    args: Val,
    mailbox: Vec<Val>,
    fuel: u64,
    done: u64,
    random: u64,
    now_ns: u64,
    authority: Option<ControllerId>,
    blocking: bool,
    words: i64,
    named: u32,
    fd: Option<Box<fd::Store>>,
    finished: Vec<Finished>,
    decisions: VecDeque<Decision>,
    counted: [u64; 4],
    carried: super::past::Carried,
    level: TraceLevel,
    trace: Vec<LogEntry>,
    trace_next: u64,
    trace_lost: u64,
    trace_bytes: u64,
}

impl Saved {
    /// Which execution it is.
    #[must_use]
    pub const fn id(&self) -> ExecutionId {
        self.id
    }
}

/// Whether a value means the same on another torus, and is small enough; `reached`: objects are reached from other tori.
fn portable(heap: &Heap, value: Value, reached: bool) -> bool {
    let mut left = MOST_NODES;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        if left == 0
            || value.flags() & (FUNCTION | TAINT) != 0
            || !reached && (value.tag() == T_OBJECT || value.is_node(Node::Object))
        {
            return false;
        }
        left -= 1;
        if value.is_ref() && value.node_kind().has_children() {
            open.extend(heap.children(value));
        }
    }
    true
}

/// Position of a function: module, and number in it.
fn place(code: &Code, func: u32) -> (ContentHash, u16, u32) {
    let found = code.functions[func as usize];
    let loaded = &code.modules[found.module as usize];
    (loaded.hash, (func - loaded.functions) as u16, found.start)
}

/// Number of a module that is here, with the very same content.
fn module_number(code: &Code, module: ContentHash) -> Option<u32> {
    code.modules.iter().rposition(|loaded| loaded.hash == module).map(|at| at as u32)
}

impl Lane {
    /// Whether an execution may ever be moved: it runs no machine instruction (`decisions:AVM-6`).
    #[must_use]
    pub fn movable(&self, execution: ExecutionId) -> bool {
        self.execs.get(&execution).is_some_and(|x| !x.pinned)
    }

    /// Takes an execution out, to go on elsewhere; `None` when it must stay for now: it is bound to its machine, in a transaction,
    /// in a call, waits, is related to others, or knows an object that would not be reached.
    pub fn save(&mut self, execution: ExecutionId) -> Option<Saved> {
        let x = self.execs.get(&execution)?;
        if !self.at_rest(x) {
            return None;
        }
        let (code, heap, names) = (&self.code, &self.world.heap, &self.world.names);
        let reach = |frame: &Frame| frame.base as usize + usize::from(code.functions[frame.func as usize].registers);
        let upper = x.frames.iter().map(reach).max().unwrap_or(0).min(x.regs.len());
        let context = x.context();
        let may = {
            let mut all = x.regs[..upper].iter().chain([&context.input, &x.state, &x.args]).chain(&x.mailbox);
            let reached = !self.world.config.homes.is_empty();
            upper <= MOST_REGISTERS && all.all(|value| portable(heap, *value, reached))
        };
        if !may {
            return None;
        }
        let frames = x.frames.iter().map(|frame| {
            let (module, function, start) = place(code, frame.func);
            let root = frame.enter == Enter::Root;
            SavedFrame { module, function, pc: frame.pc - start, base: frame.base, dst: frame.dst, root }
        });
        let frames = frames.collect();
        let val = |value: Value| to_val(heap, names, value);
        let saved = Saved {
            id: x.id,
            module: code.modules[x.module as usize].hash,
            entry: x.entry.clone(),
            pinned: x.pinned,
            frames,
            registers: x.regs[..upper].iter().map(|value| val(*value)).collect(),
            input: val(context.input),
            machine: names.name(context.machine),
            state: val(x.state),
            args: val(x.args),
            mailbox: x.mailbox.iter().map(|value| val(*value)).collect(),
            fuel: x.fuel,
            done: x.done,
            random: x.random,
            now_ns: x.now_ns,
            authority: names.option(x.authority),
            blocking: x.blocking,
            words: x.words,
            named: x.named,
            fd: None,
            finished: x.finished.clone(),
            decisions: x.decisions.clone(),
            counted: x.counts(),
            carried: x.carried,
            level: x.trace.level,
            trace: x.trace.entries(heap, names, code, (0, u64::MAX, usize::MAX)),
            trace_next: x.trace.next,
            trace_lost: x.trace.lost(),
            trace_bytes: x.trace.bytes(),
        };
        let mut x = self.execs.remove(&execution)?;
        let saved = Saved { fd: x.fd.take(), ..saved };
        self.recycle(x);
        Some(saved)
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
            && x.segments.is_none()
            && x.parent.is_none()
            && !x.family
            && self.world.alone != Some(x.id)
    }

    /// Takes an execution in; it can go on.
    ///
    /// # Errors
    /// Gives it back when there is no place for it: too many executions, no heap, or its module is not loaded here.
    pub fn restore(&mut self, saved: Box<Saved>) -> Result<ExecutionId, Box<Saved>> {
        let numbers: Option<Vec<u32>> =
            saved.frames.iter().map(|frame| module_number(&self.code, frame.module)).collect();
        let (Some(numbers), Some(module)) = (numbers, module_number(&self.code, saved.module)) else {
            return Err(saved);
        };
        if self.execs.len() >= self.world.config.executions as usize || self.execs.contains_key(&saved.id) {
            return Err(saved);
        }
        let Some(values) = self.arrive(&saved) else { return Err(saved) };
        let Some((machine, authority)) = self.names_of(&saved) else {
            values.into_iter().for_each(|value| self.world.heap.release(value));
            return Err(saved);
        };
        let saved = *saved;
        let mut x = Box::new(Exec::new(self.world.config.trace_bytes));
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or(NOTHING);
        let input = next();
        x.state = next();
        x.args = next();
        x.reserve(saved.registers.len());
        for at in 0..saved.registers.len() {
            x.regs[at] = next();
        }
        x.mailbox = values.collect();
        for (frame, number) in saved.frames.iter().zip(numbers) {
            let func = self.code.modules[number as usize].functions + u32::from(frame.function);
            let pc = self.code.functions[func as usize].start + frame.pc;
            let enter = if frame.root { Enter::Root } else { Enter::Invoke };
            x.frames.push(Frame { pc, base: frame.base, func, dst: frame.dst, enter });
        }
        x.contexts.push(Context { machine, ..Exec::root_context(input, machine) });
        x.id = saved.id;
        x.status = Status::Running;
        x.module = module;
        x.entry = saved.entry;
        x.pinned = saved.pinned;
        (x.fuel, x.done, x.random, x.now_ns) = (saved.fuel, saved.done, saved.random, saved.now_ns);
        (x.authority, x.blocking, x.words, x.fd) = (authority, saved.blocking, saved.words, saved.fd);
        x.named = saved.named;
        (x.finished, x.decisions) = (saved.finished, saved.decisions);
        x.set_counts(saved.counted);
        x.carried = saved.carried;
        let counted = (saved.trace_next, saved.trace_lost, saved.trace_bytes);
        x.trace.take_up(saved.level, saved.trace, counted);
        self.execs.insert(saved.id, x);
        Ok(saved.id)
    }

    /// Its values in this heap: input, state, arguments, registers, mailbox.
    fn arrive(&mut self, saved: &Saved) -> Option<Vec<Value>> {
        let world = &mut self.world;
        world.heap.allow(usize::MAX);
        let mut made = Vec::with_capacity(3 + saved.registers.len() + saved.mailbox.len());
        let all = [&saved.input, &saved.state, &saved.args].into_iter().chain(&saved.registers).chain(&saved.mailbox);
        for val in all {
            match from_val(&mut world.heap, &mut world.names, val) {
                Ok(value) => made.push(value),
                Err(_) => {
                    made.into_iter().for_each(|value| world.heap.release(value));
                    return None;
                }
            }
        }
        Some(made)
    }

    fn names_of(&mut self, saved: &Saved) -> Option<(u32, u32)> {
        let names = &mut self.world.names;
        let machine = names.number(saved.machine.as_str()).ok()?;
        let authority = match &saved.authority {
            Some(name) => names.number(name.as_str()).ok()?,
            None => 0,
        };
        Some((machine, authority))
    }
}

#[cfg(test)]
mod tests;
