//! An execution as plain data: saved between transactions, gone on with elsewhere (`avm:R4`). Executions that move between tori of a
//! node are saved in the same way (`travel.rs`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Lane;
use super::config::{Decision, Start, StartError, Status};
use super::convert::{from_val, kind, to_val};
use super::exec::{Context, Enter, Exec, Fault, Frame};
use super::heap::{Full, MAX_DEPTH};
use super::loaded::Code;
use super::trace::What;
use super::tx::{Mode, NO_ENTRY};
use super::word::{FUNCTION, Node, T_FUNCTION, T_MACHINE, Value};
use super::world::World;
use crate::code::ContentHash;
use crate::error::{AvmError, MachineError, ProgramError};
use crate::event::{LogEntry, TraceLevel};
use crate::fd;
use crate::id::{ControllerId, ExecutionId, MachineId, ObjectId};
use crate::value::{Kind, Val};

/// A saved execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedExecution {
    /// Which: it keeps its id.
    pub id: ExecutionId,
    /// Machine of the lane it comes from.
    pub machine: MachineId,
    /// Modules its code is of; they must be loaded where it goes on.
    pub modules: Vec<(Arc<str>, ContentHash)>,
    module: u32,
    entry: Arc<str>,
    pinned: bool,
    frames: Vec<SavedFrame>,
    registers: Vec<Plain>,
    contexts: Vec<SavedContext>,
    state: Plain,
    args: Plain,
    mailbox: Vec<Plain>,
    fuel: u64,
    done: u64,
    random: u64,
    now_ns: u64,
    authority: Option<ControllerId>,
    blocking: bool,
    words: i64,
    level: TraceLevel,
    trace: Vec<LogEntry>,
    events: u64,
    lost: u64,
    /// What the trace is charged, bytes.
    charged: u64,
    finished: Vec<(u64, u64, bool)>,
    fd: Option<fd::Saved>,
    decisions: Vec<Decision>,
    counts: [u64; 4],
    named: u32,
    carried: super::past::Carried,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedFrame {
    module: u32,
    function: u16,
    pc: u32,
    base: u32,
    dst: u8,
    enter: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedContext {
    id: ObjectId,
    input: Plain,
    sender: Option<ObjectId>,
    machine: MachineId,
    replica: bool,
}

/// A value, functions included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Plain {
    Val(Val),
    Function { module: u32, function: u16, captured: Vec<Plain> },
    Node(Kind, Vec<Plain>),
}

/// Modules of a saved execution, by their number over the lane.
pub(super) struct Modules<'a> {
    code: &'a Code,
    numbers: Vec<u32>,
}

impl<'a> Modules<'a> {
    pub(super) const fn new(code: &'a Code) -> Self {
        Self { code, numbers: Vec::new() }
    }

    /// What the modules met so far are.
    pub(super) fn hashes(&self) -> Vec<ContentHash> {
        self.numbers.iter().map(|number| self.code.modules[*number as usize].hash).collect()
    }

    fn number(&mut self, module: u32) -> u32 {
        let found = self.numbers.iter().position(|number| *number == module);
        found.unwrap_or_else(|| {
            self.numbers.push(module);
            self.numbers.len() - 1
        }) as u32
    }

    /// Module and place in it of a function.
    fn function(&mut self, function: u32) -> (u32, u16) {
        let module = self.code.functions[function as usize].module;
        let first = self.code.modules[module as usize].functions;
        (self.number(module), (function - first) as u16)
    }

    pub(super) fn plain(&mut self, world: &World, value: Value) -> Plain {
        if value.flags() & FUNCTION == 0 {
            return Plain::Val(to_val(&world.heap, &world.names, value));
        }
        if value.tag() == T_FUNCTION {
            let (module, function) = self.function(value.bits32());
            return Plain::Function { module, function, captured: Vec::new() };
        }
        let all: Vec<Value> = world.heap.children(value).collect();
        if value.is_node(Node::Closure) {
            let (module, function) = self.function(all[0].bits32());
            let captured = all[1..].iter().map(|child| self.plain(world, *child)).collect();
            return Plain::Function { module, function, captured };
        }
        let children = all.into_iter().map(|child| self.plain(world, child)).collect();
        Plain::Node(kind(&world.heap, value), children)
    }
}

/// A value from its plain form; functions by the numbers their modules have here.
pub(super) fn value(world: &mut World, code: &Code, modules: &[u32], plain: &Plain, room: u16) -> Result<Value, Full> {
    let room = room.checked_sub(1).ok_or(Full(u64::from(MAX_DEPTH)))?;
    let many = |world: &mut World, parts: &[Plain], first: Option<Value>| {
        let mut made: Vec<Value> = first.into_iter().collect();
        for part in parts {
            match value(world, code, modules, part, room) {
                Ok(value) => made.push(value),
                Err(full) => {
                    made.into_iter().for_each(|value| world.heap.release(value));
                    return Err(full);
                }
            }
        }
        Ok(made)
    };
    match plain {
        Plain::Val(val) => from_val(&mut world.heap, &mut world.names, val),
        Plain::Function { module, function, captured } => {
            let module = modules.get(*module as usize).copied().ok_or(Full(0))?;
            let number = code.modules[module as usize].functions + u32::from(*function);
            let function = Value::word32(T_FUNCTION, number);
            if captured.is_empty() {
                return Ok(function);
            }
            let made = many(world, captured, Some(function))?;
            world.heap.node_of(Node::Closure, &made)
        }
        Plain::Node(kind, parts) => {
            let made = many(world, parts, None)?;
            let node = match kind {
                Kind::Pair => Node::Pair,
                Kind::Just => Node::Just,
                Kind::Record => Node::Record,
                _ => Node::List,
            };
            world.heap.node_of(node, &made)
        }
    }
}

const ENTERS: [Enter; 6] = [Enter::Root, Enter::Invoke, Enter::Call, Enter::Pure, Enter::Scry, Enter::Replay];

impl Lane {
    /// An execution as plain data. It stays here as it is: who goes on with it elsewhere terminates it here.
    ///
    /// # Errors
    /// `ErrTeleportDuringTx` while a transaction or an outermost call is open, `ErrProgramCapability` while the machine is at work for it.
    pub fn export(&self, execution: ExecutionId) -> Result<SavedExecution, AvmError> {
        let found = self.execs.get(&execution).filter(|x| x.status != Status::Terminated);
        let Some(x) = found else { return Err(ProgramError::Capability(format!("{execution} is not running")).into()) };
        if x.tx.mode != Mode::None || x.segments.is_some() || x.registering.is_some() {
            return Err(MachineError::TeleportDuringTx.into());
        }
        if !x.natives.is_empty() || !x.replicas.is_empty() {
            return Err(ProgramError::Capability("to be saved in the middle of a search".to_owned()).into());
        }
        Ok(self.saved(x))
    }

    /// An execution between transactions as it stands.
    pub(super) fn saved(&self, x: &Exec) -> SavedExecution {
        let world = &self.world;
        let mut modules = Modules::new(&self.code);
        let module = modules.number(x.module);
        let frames = x.frames.iter().map(|frame| Self::saved_frame(&mut modules, frame)).collect();
        let upper = x.upper(&self.code, 0);
        let registers = x.regs[..upper].iter().map(|value| modules.plain(world, *value)).collect();
        let contexts = x.contexts.iter().map(|context| SavedContext {
            id: context.id,
            input: modules.plain(world, context.input),
            sender: context.sender,
            machine: world.names.name(context.machine),
            replica: context.replica,
        });
        let contexts = contexts.collect();
        let (state, args) = (modules.plain(world, x.state), modules.plain(world, x.args));
        let mailbox = x.mailbox.iter().map(|value| modules.plain(world, *value)).collect();
        let named = modules.numbers.iter().map(|number| {
            let loaded = &self.code.modules[*number as usize];
            (loaded.module.name.clone(), loaded.hash)
        });
        SavedExecution {
            id: x.id,
            machine: world.names.name(world.machine),
            modules: named.collect(),
            module,
            entry: x.entry.clone(),
            pinned: x.pinned,
            frames,
            registers,
            contexts,
            state,
            args,
            mailbox,
            fuel: x.fuel,
            done: x.done,
            random: x.random,
            now_ns: x.now_ns,
            authority: world.names.option(x.authority),
            blocking: x.blocking,
            words: x.words,
            level: x.trace.level,
            trace: self.trace(x.id),
            events: x.trace.next,
            lost: x.trace.lost(),
            charged: x.trace.bytes(),
            finished: x.finished_all(),
            fd: x.fd.as_ref().map(|fd| fd.save()),
            decisions: x.decisions.iter().cloned().collect(),
            counts: x.counts(),
            named: x.named,
            carried: x.carried,
        }
    }

    fn saved_frame(modules: &mut Modules<'_>, frame: &Frame) -> SavedFrame {
        let (module, function) = modules.function(frame.func);
        SavedFrame {
            module,
            function,
            pc: frame.pc - modules.code.functions[frame.func as usize].start,
            base: frame.base,
            dst: frame.dst,
            enter: ENTERS.iter().position(|enter| *enter == frame.enter).unwrap_or(0) as u8,
        }
    }

    /// Goes on with a saved execution, under its own id. Logs that it moved when the machine is another.
    ///
    /// # Errors
    /// When a module is not loaded here, the id is taken, or nothing is free.
    pub fn import(&mut self, saved: &SavedExecution) -> Result<ExecutionId, StartError> {
        self.take_in(saved, true)
    }

    /// As [`Lane::import`]; `machine`: it comes to the machine of this lane, otherwise only to its torus (`decisions:AVM-6`).
    pub(super) fn take_in(&mut self, saved: &SavedExecution, machine: bool) -> Result<ExecutionId, StartError> {
        let mut modules = Vec::with_capacity(saved.modules.len());
        for (name, hash) in &saved.modules {
            let found =
                self.code.modules.iter().rposition(|loaded| loaded.hash == *hash && loaded.module.name == *name);
            modules.push(found.ok_or_else(|| StartError::NoModule(name.clone()))? as u32);
        }
        if self.execs.contains_key(&saved.id) {
            return Err(StartError::Full(self.world.config.executions));
        }
        let start = Start {
            fuel: Some(saved.fuel),
            seed: saved.random,
            now_ns: saved.now_ns,
            trace: Some(saved.level),
            authority: saved.authority.clone(),
            blocking: saved.blocking,
            ..Start::new("", "")
        };
        let mut x = self.fresh(&start)?;
        x.id = saved.id;
        x.entry = saved.entry.clone();
        if self.fill(&mut x, saved, &modules, machine).is_err() {
            self.recycle(x);
            return Err(StartError::Memory);
        }
        self.execs.insert(saved.id, x);
        Ok(saved.id)
    }

    fn fill(&mut self, x: &mut Exec, saved: &SavedExecution, modules: &[u32], machine: bool) -> Result<(), Fault> {
        let Self { world, code, .. } = self;
        x.module = *modules.get(saved.module as usize).ok_or(Full(0))?;
        let top = saved.frames.iter().map(|frame| frame.base).max().unwrap_or(0) as usize;
        x.reserve(top.max(saved.registers.len()));
        for frame in &saved.frames {
            let module = *modules.get(frame.module as usize).ok_or(Full(0))?;
            let func = code.modules[module as usize].functions + u32::from(frame.function);
            let pc = code.functions[func as usize].start + frame.pc;
            let enter = ENTERS.get(usize::from(frame.enter)).copied().unwrap_or(Enter::Root);
            x.pures += u32::from(enter == Enter::Pure);
            x.frames.push(Frame { pc, base: frame.base, func, dst: frame.dst, enter });
        }
        for (at, plain) in saved.registers.iter().enumerate() {
            x.regs[at] = value(world, code, modules, plain, MAX_DEPTH)?;
        }
        let from = world.names.number(saved.machine.as_str())?;
        let comes = machine && from != world.machine;
        for context in x.contexts.drain(..) {
            world.heap.release(context.input);
        }
        for context in &saved.contexts {
            let machine = world.names.number(context.machine.as_str())?;
            x.contexts.push(Context {
                id: context.id,
                input: value(world, code, modules, &context.input, MAX_DEPTH)?,
                sender: context.sender,
                machine: if comes && machine == from { world.machine } else { machine },
                entry: NO_ENTRY,
                epoch: 0,
                replica: context.replica,
            });
        }
        x.state = value(world, code, modules, &saved.state, MAX_DEPTH)?;
        x.args = value(world, code, modules, &saved.args, MAX_DEPTH)?;
        for message in &saved.mailbox {
            let message = value(world, code, modules, message, MAX_DEPTH)?;
            x.mailbox.push_back(message);
        }
        x.done = saved.done;
        x.set_counts(saved.counts);
        x.named = saved.named;
        x.carried = saved.carried;
        x.finished_set(&saved.finished);
        if let Some(fd) = &saved.fd {
            let refused = |refusal| ProgramError::Raised(format!("finite domains: {refusal}"));
            x.fd = Some(Box::new(fd::Store::load(fd, fd::Limits::default()).map_err(refused)?));
        }
        x.decisions = saved.decisions.iter().cloned().collect();
        (x.pinned, x.words) = (saved.pinned, saved.words);
        x.trace.take_up(saved.level, saved.trace.clone(), (saved.events, saved.lost, saved.charged));
        if comes {
            let (one, two) = (Value::word32(T_MACHINE, from), Value::word32(T_MACHINE, world.machine));
            let depth = x.contexts.len() as u32 - 1;
            x.trace.log(&mut world.heap, What::ExecutionMoved, (0, depth), 0, one, two);
        }
        Ok(())
    }
}
