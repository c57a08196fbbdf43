//! Ids counted by their first appearance in a trace: an id tells on which torus it was given out and after how many others, and what
//! a program did does not depend on either (`decisions:AVM-5`, `decisions:AVM-14`). Texts stay as they are, also those that a
//! program has made of an id.

use std::collections::BTreeMap;

use crate::error::{
    AvmError, BaseError, ControllerError, MachineError, ObjError, ProgramError, PureLayerError, ReflectError, TxError,
    TxLayerError,
};
use crate::event::{Event, FailedOn};
use crate::fd::Constraint;
use crate::id::{ExecutionId, ObjectId, ROOT, TxId};
use crate::value::Val;

/// Numbers of the ids met so far, each kind by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbering {
    objects: BTreeMap<u64, u64>,
    transactions: BTreeMap<u64, u64>,
    executions: BTreeMap<u64, u64>,
}

fn number(of: &mut BTreeMap<u64, u64>, id: &mut u64) {
    let next = of.len() as u64;
    *id = *of.entry(*id).or_insert(next);
}

impl Numbering {
    fn object(&mut self, object: &mut ObjectId) {
        if *object != ROOT {
            number(&mut self.objects, &mut object.0);
        }
    }

    fn transaction(&mut self, TxId(id): &mut TxId) {
        number(&mut self.transactions, id);
    }

    fn vals<'v>(&mut self, vals: impl IntoIterator<Item = &'v mut Val>) {
        vals.into_iter().for_each(|one| self.val(one));
    }

    fn val(&mut self, val: &mut Val) {
        match val {
            Val::Object(object) => self.object(object),
            Val::Tx(tx) => self.transaction(tx),
            Val::Execution(ExecutionId(id)) => number(&mut self.executions, id),
            Val::Just(inner) => self.val(inner),
            Val::List(all) => self.vals(all),
            Val::Pair(both) => self.vals([&mut both.0, &mut both.1]),
            Val::Record(fields) => self.vals(fields.iter_mut().map(|(_, field)| field)),
            _ => {}
        }
    }

    fn constraint(&mut self, constraint: &mut Constraint) {
        match constraint {
            Constraint::ValEq(_, value)
            | Constraint::ValLeq(_, value)
            | Constraint::ValLt(_, value)
            | Constraint::ValGeq(_, value)
            | Constraint::ValGt(_, value) => self.val(value),
            Constraint::Table(_, rows) => rows.iter_mut().for_each(|row| self.vals(row)),
            Constraint::Element { list, .. } => self.vals(list),
            _ => {}
        }
    }

    fn error(&mut self, error: &mut AvmError) {
        let tx_layer = match error {
            AvmError::PureLayer(PureLayerError::TxLayer(layer)) => layer,
            AvmError::Machine(MachineError::InvalidMachineTransfer(object, _)) => return self.object(object),
            AvmError::Controller(
                ControllerError::UnauthorizedTransfer(object, _)
                | ControllerError::CrossControllerTx(object, _)
                | ControllerError::ObjectNotAvailable(object)
                | ControllerError::ObjectNotConsistent(object)
                | ControllerError::FreezeFailed(object)
                | ControllerError::ObjectHasNoController(object),
            ) => return self.object(object),
            AvmError::Program(ProgramError::SnapshotEvicted(tx)) => return self.transaction(tx),
            AvmError::Program(ProgramError::Match(value)) => return self.val(value),
            _ => return,
        };
        match tx_layer {
            TxLayerError::Base(BaseError::Obj(error)) => match error {
                ObjError::InvalidInput(object, value) | ObjError::ObjectRejectedCall(object, value) => {
                    self.object(object);
                    self.val(value);
                }
                ObjError::ObjectNotFound(object)
                | ObjError::ObjectAlreadyDestroyed(object)
                | ObjError::ObjectAlreadyExists(object)
                | ObjError::MetadataCorruption(object) => self.object(object),
                ObjError::BehaviourNotFound(_) => {}
            },
            TxLayerError::Base(BaseError::Reflect(
                ReflectError::MetadataNotFound(object)
                | ReflectError::MetadataInconsistent(object, _)
                | ReflectError::ReflectionDenied(object),
            )) => self.object(object),
            TxLayerError::Tx(
                TxError::TxConflict(tx)
                | TxError::TxNotFound(tx)
                | TxError::TxAlreadyCommitted(tx)
                | TxError::TxAlreadyAborted(tx),
            ) => self.transaction(tx),
            _ => {}
        }
    }

    /// Puts numbers in the place of the ids of an event.
    pub(super) fn event(&mut self, event: &mut Event) {
        match event {
            Event::ObjectCalled(object, input, output) => {
                self.object(object);
                self.val(input);
                self.vals(output);
            }
            Event::MessageReceived(object, message) => {
                self.object(object);
                self.val(message);
            }
            Event::ObjectCreated(object, _)
            | Event::ObjectDestroyed(object)
            | Event::ObjectMoved(object, ..)
            | Event::ObjectUpgraded(object, ..)
            | Event::ObjectFetched(object, _)
            | Event::ObjectTransferred(object, ..)
            | Event::ObjectFrozen(object, _)
            | Event::StateUpdated(object) => self.object(object),
            Event::TransactionStarted(tx) | Event::TransactionCommitted(tx) | Event::TransactionAborted(tx) => {
                self.transaction(tx);
            }
            Event::ErrorOccurred(error) => self.error(error),
            Event::VarCreated(_, domain) | Event::DomainNarrowed(_, domain) => self.vals(domain),
            Event::ConstraintPosted(constraint) | Event::ConstraintFailure(FailedOn::Constraint(constraint)) => {
                self.constraint(constraint);
            }
            Event::Labeled(_, value) | Event::Noted(value) => self.val(value),
            Event::ConstraintFailure(FailedOn::Var(_))
            | Event::ExecutionMoved(..)
            | Event::FunctionUpdated(_)
            | Event::FunctionRegistered(_) => {}
        }
    }
}
