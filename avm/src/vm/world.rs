//! What all executions of a lane share, and what one operation may do to an execution.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Capability, Config, Output, Why};
use super::convert::{Names, kind};
use super::exec::{Exec, Fault, type_error};
use super::heap::{Full, Heap};
use super::store::Store;
use super::word::{NOTHING, Node, T_CONTROLLER, T_MACHINE, T_TX, Value};
use crate::error::{AvmError, ProgramError};
use crate::id::{ExecutionId, ObjectId, TxId};

/// Most bytes of the name of a machine or controller that a program makes.
const LONGEST_NAME: usize = 100;

/// How an execution goes on after an operation.
#[derive(Debug)]
pub(super) enum Flow {
    /// With its running frame.
    Next,
    /// Not before something comes; the operation is done again then.
    Park(Why),
    /// Not in this quantum.
    Yield,
    /// It is over.
    Over,
}

/// What an instruction gives.
#[derive(Debug)]
pub(super) enum Did {
    /// A value for its register.
    Value(Value),
    /// Frames are as they should be already.
    Switched,
    /// Something else.
    Flow(Flow),
}

/// A registered pure function (`avm:2`).
#[derive(Debug)]
pub(super) struct Pure {
    pub(super) version: u64,
    /// Which change of the registry made it.
    pub(super) stamp: u64,
    pub(super) function: Value,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Config,
    pub(super) heap: Heap,
    pub(super) names: Names,
    pub(super) store: Store,
    pub(super) pures: BTreeMap<Arc<str>, Pure>,
    /// Changes of the registry so far.
    pub(super) registry: u64,
    /// Functions of short names that were called lately: a name that stands inline is its own key.
    pub(super) recent: [(Value, Value); 16],
    pub(super) outputs: Vec<Output>,
    pub(super) next_tx: u64,
    /// Behaviours of which objects were made here, by number.
    pub(super) made: Vec<bool>,
    /// Machine on which executions start.
    pub(super) machine: u32,
    machines: Vec<u32>,
    controllers: Vec<u32>,
    /// Machines that take no objects from others.
    sealed: Vec<u32>,
    /// Execution that runs alone until its implicit transaction is over (`decisions:AVM-1`).
    pub(super) alone: Option<ExecutionId>,
    /// Messages on their way to mailboxes.
    pub(super) letters: Vec<super::queue::Letter>,
    /// Objects that got a message.
    pub(super) delivered: Vec<ObjectId>,
    /// Objects that were changed since the last record, and records so far.
    pub(super) unrecorded: Vec<ObjectId>,
    pub(super) records: u64,
    /// Decided transactions that are remembered.
    pub(super) decided: super::past::AllDecided,
    /// Transactions over several tori.
    pub(super) remotes: super::remote::Remotes,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let mut names = Names::new(config.names.max(16));
        let mut number = |name: &crate::id::Name| names.number(name.as_str()).unwrap_or(0);
        let machine = number(&config.machine);
        let mut machines: Vec<u32> = config.machines.iter().map(&mut number).collect();
        let controllers = config.controllers.iter().map(&mut number).collect();
        let sealed = config.sealed_machines.iter().map(&mut number).collect();
        if !machines.is_empty() {
            machines.push(machine);
        }
        let shared = config.homes.iter().any(|home| *home != config.torus);
        let mut heap = Heap::new(config.heap_bytes, config.value_nodes);
        heap.set_quota(config.memory_bytes);
        Self {
            heap,
            store: Store::new(config.node, config.torus, config.versions, config.history, shared),
            names,
            pures: BTreeMap::new(),
            registry: 0,
            recent: [(NOTHING, NOTHING); 16],
            outputs: Vec::new(),
            next_tx: 0,
            made: Vec::new(),
            machine,
            machines,
            controllers,
            sealed,
            alone: None,
            letters: Vec::new(),
            delivered: Vec::new(),
            unrecorded: Vec::new(),
            records: 0,
            decided: super::past::AllDecided::default(),
            remotes: super::remote::Remotes::default(),
            config,
        }
    }

    pub(super) fn machine_reachable(&self, machine: u32) -> bool {
        self.machines.is_empty() || self.machines.contains(&machine)
    }

    /// Whether the platform refuses to move objects to a machine (`avm:4.7`).
    pub(super) fn machine_sealed(&self, machine: u32) -> bool {
        self.sealed.contains(&machine)
    }

    /// Whether the node denies something to programs.
    pub(super) fn denies(&self, of: Capability) -> bool {
        self.config.denied.contains(&of)
    }

    /// Refuses what the node denies to programs.
    pub(super) fn capable(&self, of: Capability) -> Result<(), Fault> {
        if self.denies(of) {
            return Err(ProgramError::Capability(of.name().to_owned()).into());
        }
        Ok(())
    }

    pub(super) fn controller_reachable(&self, controller: u32) -> bool {
        self.controllers.is_empty() || self.controllers.contains(&controller)
    }

    /// A fresh transaction id; one that an earlier run of the same transaction was given, when there is one.
    pub(super) fn fresh_tx(&mut self, x: &mut Exec) -> TxId {
        if let Some(id) = Self::again(x) {
            return TxId(id);
        }
        let id = TxId::new(self.config.node, self.config.torus, self.next_tx);
        self.next_tx += 1;
        Self::remember(x, id.0);
        id
    }

    /// A fresh object id, in the same way.
    pub(super) fn fresh_object(&mut self, x: &mut Exec) -> ObjectId {
        if let Some(id) = Self::again(x) {
            return ObjectId(id);
        }
        let id = self.store.fresh();
        Self::remember(x, id.0);
        id
    }

    fn again(x: &mut Exec) -> Option<u64> {
        let id = x.tx.ids.get(x.tx.ids_used).copied()?;
        x.tx.ids_used += 1;
        Some(id)
    }

    fn remember(x: &mut Exec, id: u64) {
        if x.tx.mode != super::tx::Mode::None {
            x.tx.ids.push(id);
            x.tx.ids_used += 1;
        }
    }

    /// A machine given as such or as a text.
    pub(super) fn machine_arg(&mut self, x: &mut Exec, value: Value) -> Result<u32, Fault> {
        self.name_arg(x, value, T_MACHINE, "a machine")?.ok_or_else(|| type_error("a machine", kind(&self.heap, value)))
    }

    /// A controller given as such or as a text.
    pub(super) fn controller_arg(&mut self, x: &mut Exec, value: Value) -> Result<u32, Fault> {
        let found = self.name_arg(x, value, T_CONTROLLER, "a controller")?;
        found.ok_or_else(|| type_error("a controller", kind(&self.heap, value)))
    }

    /// A controller, or none for `nothing`.
    pub(super) fn controller_option(&mut self, x: &mut Exec, value: Value) -> Result<u32, Fault> {
        Ok(self.name_arg(x, value, T_CONTROLLER, "a controller or nothing")?.unwrap_or(0))
    }

    fn name_arg(&mut self, x: &mut Exec, value: Value, tag: u64, expected: &str) -> Result<Option<u32>, Fault> {
        let mut value = self.settle(x, value);
        if value.is_node(Node::Just) {
            value = self.heap.child(value, 0);
        }
        if value == NOTHING {
            return Ok(None);
        }
        if value.tag() == tag {
            return Ok(Some(value.bits32()));
        }
        if value.is_text() {
            let text = self.heap.string(value);
            return Ok(Some(self.number_of_name(&text, &mut x.named)?));
        }
        Err(type_error(expected, kind(&self.heap, value)))
    }

    /// Number of the name of a machine or controller, of which the language has the same bounds; `made` counts those an execution
    /// brings.
    pub(super) fn number_of_name(&mut self, name: &str, made: &mut u32) -> Result<u32, Fault> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(ProgramError::Type("a name of a machine or controller has 1 to 100 bytes".to_owned()).into());
        }
        Ok(self.names.number_of(name, made)?)
    }

    pub(super) fn object_arg(&mut self, x: &mut Exec, value: Value) -> Result<ObjectId, Fault> {
        let value = self.settle(x, value);
        Self::undecided_way(x)?;
        super::convert::object_of(&self.heap, value).ok_or_else(|| type_error("an object", kind(&self.heap, value)))
    }

    pub(super) fn tx_arg(&mut self, x: &mut Exec, value: Value) -> Result<TxId, Fault> {
        let value = self.settle(x, value);
        let bits = self.heap.as_identity(value, T_TX, Node::Tx);
        bits.map(TxId).ok_or_else(|| type_error("a transaction", kind(&self.heap, value)))
    }

    pub(super) fn text_arg(&mut self, x: &mut Exec, value: Value) -> Result<Arc<str>, Fault> {
        let value = self.settle(x, value);
        super::convert::text_of(&self.heap, value).ok_or_else(|| type_error("a text", kind(&self.heap, value)))
    }

    /// A number of a range.
    pub(super) fn number_arg(&mut self, x: &mut Exec, value: Value) -> Result<i128, Fault> {
        let value = self.settle(x, value);
        self.heap.as_number(value).ok_or_else(|| type_error("a number", kind(&self.heap, value)))
    }

    /// Owned form of a value, deferred ones as they are now.
    pub(super) fn val(&self, value: Value) -> crate::value::Val {
        super::convert::to_val(&self.heap, &self.names, value)
    }

    /// Refuses functions where a value leaves its execution.
    pub(super) fn no_function(&self, value: Value) -> Result<(), Fault> {
        if value.flags() & super::word::FUNCTION != 0 {
            return Err(ProgramError::Type("a function does not leave its execution".to_owned()).into());
        }
        Ok(())
    }

    pub(super) fn machine_name(&self, number: u32) -> crate::id::MachineId {
        self.names.name(number)
    }

    /// What the memory quota of an execution leaves, words; counted from what it was charged. Negative: it has taken too much.
    pub(super) fn quota(&self, x: &Exec) -> i64 {
        let most = (x.carried.memory_bytes / 8) as i64;
        most.saturating_sub((x.beside() / 8) as i64).saturating_sub(x.words)
    }

    /// Charges what a run holds of its choices and conditions.
    pub(super) fn charge(&mut self, x: &mut Exec, bytes: u64) -> Result<(), Fault> {
        x.tx.weight += bytes;
        Ok(self.heap.charge(bytes)?)
    }

    /// As [`Self::charge`] where nothing may fail: too much ends the quantum, and before the next the execution.
    pub(super) fn charge_later(&mut self, x: &mut Exec, bytes: u64) {
        x.tx.weight += bytes;
        if self.heap.charge(bytes).is_err() {
            x.left = 0;
        }
    }
}

/// An error as a text, for errors that carry one.
pub(super) fn error_text(error: &AvmError) -> String {
    format!("{}: {error}", error.name())
}

impl From<Full> for AvmError {
    fn from(full: Full) -> Self {
        ProgramError::Memory(full.0).into()
    }
}
