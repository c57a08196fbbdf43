//! What a host asks that insists on an answer (`avm:4.3`, `avm:4.4`): where programs get `nothing`, it gets the named error.

use super::config::{ObjectSummary, Status};
use super::convert::to_val;
use super::lane::Lane;
use super::store::Damage;
use super::tx::{CANCELLED, CREATED, DESTROYED, OBSERVED};
use crate::error::{AvmError, ObjError, ReflectError, ReifyError};
use crate::id::{ControllerId, ExecutionId, MachineId, ObjectId, TxId};
use crate::value::Val;

/// On whose behalf an execution runs: `reifyContext` for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextView {
    /// Object that runs; the root at top level.
    pub object: ObjectId,
    /// Its message.
    pub input: Val,
    /// Who called; none at top level.
    pub sender: Option<ObjectId>,
    /// Machine it runs on.
    pub machine: MachineId,
    /// Controller of its transaction, where resolved.
    pub controller: Option<ControllerId>,
}

/// What the open transaction of an execution has done: `reifyTxState` for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxView {
    /// Innermost transaction that is open.
    pub tx: TxId,
    /// Calls, in order.
    pub writes: Vec<(ObjectId, Val)>,
    /// Objects created, in the order they were touched; so are the others.
    pub creates: Vec<ObjectId>,
    /// Objects destroyed.
    pub destroys: Vec<ObjectId>,
    /// Objects observed.
    pub observed: Vec<ObjectId>,
}

impl Lane {
    /// Metadata of an object of this torus, as committed.
    ///
    /// # Errors
    /// `ErrMetadataNotFound` when there is no such object or its metadata is lost; `ErrMetadataInconsistent` when it is
    /// another's.
    pub fn meta(&self, object: ObjectId) -> Result<ObjectSummary, AvmError> {
        let version = self.world.store.newest(object);
        if !version.exists || version.damaged {
            return Err(ReflectError::MetadataNotFound(object).into());
        }
        self.world.store.filed(object)?;
        Ok(self.summarise_object(object, &version))
    }

    /// On whose behalf an execution runs now.
    ///
    /// # Errors
    /// `ErrReifyContextFailed` when it is unknown or over.
    pub fn context(&self, execution: ExecutionId) -> Result<ContextView, AvmError> {
        let running = self.execs.get(&execution).filter(|x| x.status != Status::Terminated);
        let Some((x, context)) = running.and_then(|x| Some((x, x.contexts.last()?))) else {
            return Err(ReifyError::ReifyContextFailed(format!("execution {execution} does not run")).into());
        };
        let names = &self.world.names;
        Ok(ContextView {
            object: context.id,
            input: to_val(&self.world.heap, names, context.input),
            sender: context.sender,
            machine: names.name(context.machine),
            controller: names.option(x.tx.controller),
        })
    }

    /// What the open transaction of an execution has done so far.
    ///
    /// # Errors
    /// `ErrNoTransactionToReify` when none is open that the program has begun.
    pub fn tx_state(&self, execution: ExecutionId) -> Result<TxView, AvmError> {
        let open = self.execs.get(&execution).and_then(|x| Some((x, x.tx.begun.last()?)));
        let Some((x, begun)) = open else { return Err(ReifyError::NoTransactionToReify.into()) };
        let with = |flag: u16| {
            let entries = x.tx.table.iter().filter(|entry| entry.has(flag) && !entry.has(CANCELLED));
            entries.map(|entry| entry.id).collect()
        };
        let val = |message| to_val(&self.world.heap, &self.world.names, message);
        Ok(TxView {
            tx: begun.id,
            writes: x.tx.log.iter().map(|(id, message)| (*id, val(*message))).collect(),
            creates: with(CREATED),
            destroys: with(DESTROYED),
            observed: with(OBSERVED),
        })
    }

    /// Whether the store is whole: what scans check, and that no metadata is lost. One pass over all objects.
    ///
    /// # Errors
    /// `ErrStoreCorruption`, `ErrMetadataInconsistent`, `ErrMetadataCorruption`.
    pub fn check_store(&self) -> Result<(), AvmError> {
        let store = &self.world.store;
        store.check(self.code.behaviours.len())?;
        match store.without_metadata() {
            Some(object) => Err(ObjError::MetadataCorruption(object).into()),
            None => Ok(()),
        }
    }

    /// Damages the store on purpose, for tests and drills; whether there was something to damage. Transactions that are open keep
    /// what they have seen.
    pub fn damage(&mut self, damage: Damage) -> bool {
        self.world.store.damage(&mut self.world.heap, damage)
    }
}
