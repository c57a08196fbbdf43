//! Code of all loaded modules in flat tables: one row of operations, of functions, of constants. Nothing is ever taken out: live
//! objects and executions keep what they were made with (`decisions:AVM-17`). So what is loaded is bounded, and a module that was
//! loaded before takes no room again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::LoadError;
use super::convert::{Names, from_val};
use super::fast::{Fast, Place as Standing};
use super::heap::Heap;
use super::weighing;
use super::word::{T_INT, T_OBJECT, T_TEXT, Value};
use crate::code::{ContentHash, MessageShape, Module, Op, Place, Shape, Verified};
use crate::value::Kind;

/// Most modules, replaced ones included.
pub(super) const MOST_MODULES: usize = 1024;
/// Most lists of one module that stand ready; others are made when they are asked for.
const MOST_READY: usize = 64;
/// Most operations of all of them.
const MOST_OPS: usize = 1 << 24;

/// A function, by its number over all modules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Func {
    /// First operation.
    pub(super) start: u32,
    /// First constant of its module.
    pub(super) constants: u32,
    /// First function of its module.
    pub(super) functions: u32,
    pub(super) module: u32,
    pub(super) arity: u8,
    pub(super) registers: u8,
}

#[derive(Debug)]
pub(super) struct Behaviour {
    /// `module.behaviour`.
    pub(super) name: Arc<str>,
    pub(super) function: u32,
    pub(super) messages: Option<Vec<MessageShape>>,
    /// The same for the commonest messages.
    pub(super) forms: Box<[Form]>,
}

/// A message whose tag and parts need no node, as words.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) tag: Value,
    /// For each part which tags of words it may have.
    pub(super) parts: Box<[u16]>,
}

impl Form {
    fn of(shape: &MessageShape) -> Option<Self> {
        let parts = shape.parts.iter().map(|part| match part {
            Shape::Any => u16::MAX,
            Shape::Is(Kind::Int) => 1 << T_INT,
            Shape::Is(Kind::Text) => 1 << T_TEXT,
            Shape::Is(Kind::Object) => 1 << T_OBJECT,
            _ => 0,
        });
        Some(Self { tag: Value::short(shape.tag.as_bytes())?, parts: parts.collect() })
    }
}

#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) module: Arc<Module>,
    pub(super) hash: ContentHash,
    pub(super) functions: u32,
    behaviours: BTreeMap<Arc<str>, u32>,
}

#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    /// The same as the loop takes them, position for position.
    pub(super) fast: Vec<Fast>,
    pub(super) functions: Vec<Func>,
    /// What each of them leads to.
    pub(super) leads: Vec<weighing::Leads>,
    pub(super) constants: Vec<Value>,
    pub(super) behaviours: Vec<Behaviour>,
    pub(super) modules: Vec<Loaded>,
    latest: BTreeMap<Arc<str>, u32>,
    by_name: BTreeMap<Arc<str>, u32>,
    /// Heap their constants take, words.
    words: usize,
    /// Some function weighs choices or states preferences.
    pub(super) weighs: bool,
}

impl Code {
    /// Appends a module, or finds it where it is here already; nothing finds it by its name until it is published.
    pub(super) fn append(&mut self, heap: &mut Heap, names: &mut Names, verified: &Verified) -> Result<u32, LoadError> {
        let module = verified.module().clone();
        let same = |loaded: &Loaded| loaded.hash == verified.hash() && loaded.module.name == module.name;
        if let Some(number) = self.modules.iter().rposition(same) {
            // Its places in the source may be others.
            self.modules[number].module = module;
            return Ok(number as u32);
        }
        let ops: usize = module.functions.iter().map(|function| function.code.len()).sum();
        if self.modules.len() >= MOST_MODULES || self.ops.len() + ops > MOST_OPS {
            return Err(LoadError::Code(module.name.clone(), self.modules.len()));
        }
        let constants = self.take_constants(heap, names, &module)?;
        let number = self.modules.len() as u32;
        let functions = self.functions.len() as u32;
        let mut ready: Vec<(Value, Value)> = Vec::new();
        for function in &module.functions {
            let start = self.ops.len() as u32;
            self.ops.extend(function.code.iter().map(|op| moved(*op, start)));
            let standing = Standing { start, functions, constants: &self.constants[constants..] };
            self.fast.extend(
                (0..function.code.len())
                    .map(|at| standing.at(&function.code, at, |part| stands_ready(heap, &mut ready, part))),
            );
            self.functions.push(Func {
                start,
                constants: constants as u32,
                functions,
                module: number,
                arity: function.arity,
                registers: function.registers.max(function.arity),
            });
            let leads = weighing::leads(&module, function);
            self.weighs |= leads.weighs;
            self.leads.push(leads);
        }
        self.words += ready.len() * Heap::ONE_WORDS;
        self.constants.extend(ready.into_iter().map(|(_, list)| list));
        let mut behaviours = BTreeMap::new();
        for behaviour in &module.behaviours {
            let full: Arc<str> = format!("{}.{}", module.name, behaviour.name).into();
            let at = self.behaviours.len() as u32;
            self.behaviours.push(Behaviour {
                name: full,
                function: functions + u32::from(behaviour.function),
                messages: behaviour.messages.clone(),
                forms: behaviour.messages.iter().flatten().filter_map(Form::of).collect(),
            });
            behaviours.insert(behaviour.name.clone(), at);
        }
        self.modules.push(Loaded { module, hash: verified.hash(), functions, behaviours });
        Ok(number)
    }

    /// From here on an appended module is what its name means.
    pub(super) fn publish(&mut self, number: u32) {
        let loaded = &self.modules[number as usize];
        self.latest.insert(loaded.module.name.clone(), number);
        for at in loaded.behaviours.values() {
            self.by_name.insert(self.behaviours[*at as usize].name.clone(), *at);
        }
    }

    /// Module of a behaviour.
    pub(super) fn module_of(&self, behaviour: u32) -> Option<&Loaded> {
        let function = self.functions.get(self.behaviours.get(behaviour as usize)?.function as usize)?;
        self.modules.get(function.module as usize)
    }

    /// Constants of a module; all of them together leave most of the heap to programs.
    fn take_constants(&mut self, heap: &mut Heap, names: &mut Names, module: &Module) -> Result<usize, LoadError> {
        let (first, before) = (self.constants.len(), heap.live());
        let mut refused = None;
        for constant in &module.constants {
            match from_val(heap, names, constant) {
                Ok(value) => self.constants.push(value),
                Err(_) => refused = Some(LoadError::Memory(module.name.clone())),
            }
            if refused.is_none() && self.words + (heap.live() - before) > heap.size_words() / 4 {
                refused = Some(match self.modules.len() {
                    0 => LoadError::Memory(module.name.clone()),
                    count => LoadError::Code(module.name.clone(), count),
                });
            }
            if let Some(refused) = refused {
                self.constants.drain(first..).for_each(|value| heap.release(value));
                return Err(refused);
            }
        }
        self.words += heap.live() - before;
        Ok(first)
    }

    /// Newest module of a name.
    pub(super) fn module(&self, name: &str) -> Option<(u32, &Loaded)> {
        let number = *self.latest.get(name)?;
        Some((number, &self.modules[number as usize]))
    }

    /// Function of an entry or test of a module.
    pub(super) fn entry_function(&self, module: u32, entry: &str) -> Option<u32> {
        let loaded = &self.modules[module as usize];
        let mut all = loaded.module.entries.iter().chain(&loaded.module.tests);
        all.find(|known| &*known.name == entry).map(|known| loaded.functions + u32::from(known.function))
    }

    /// A behaviour by its name in a module, or by its full name.
    pub(super) fn behaviour(&self, module: u32, name: &str) -> Option<u32> {
        let own = self.modules[module as usize].behaviours.get(name);
        own.or_else(|| self.by_name.get(name)).copied()
    }

    /// Name of a function and place of one of its operations.
    pub(super) fn place(&self, function: u32, pc: u32) -> (String, Option<Arc<str>>, Option<Place>) {
        let func = self.functions[function as usize];
        let loaded = &self.modules[func.module as usize];
        let source = &loaded.module.functions[(function - loaded.functions) as usize];
        let place = source.places.get(pc.saturating_sub(func.start) as usize).copied();
        let file = place.and_then(|place| loaded.module.files.get(usize::from(place.file)).cloned());
        (format!("{}.{}", loaded.module.name, source.name), file, place)
    }
}

/// A list of one value that stays as long as the code; made once.
fn stands_ready(heap: &mut Heap, ready: &mut Vec<(Value, Value)>, part: Value) -> Option<Value> {
    if let Some((_, list)) = ready.iter().find(|(known, _)| *known == part) {
        return Some(*list);
    }
    if ready.len() >= MOST_READY {
        return None;
    }
    let list = heap.list(&[part]).ok()?;
    ready.push((part, list));
    Some(list)
}

/// An operation with its target counted over all code.
fn moved(op: Op, start: u32) -> Op {
    match op {
        Op::Jump { to } => Op::Jump { to: to + start },
        Op::JumpIf { cond, to } => Op::JumpIf { cond, to: to + start },
        Op::JumpIfNot { cond, to } => Op::JumpIfNot { cond, to: to + start },
        other => other,
    }
}
