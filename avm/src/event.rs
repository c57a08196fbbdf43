//! What an execution tells of itself: the fourteen events of `avm:6`, the extended ones, and the entries of a trace.
//! The trace is complete and ordered (`avm:R3`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::AvmError;
use crate::fd::Constraint;
use crate::id::{ControllerId, MachineId, ObjectId, TxId, VarId};
use crate::value::Val;

/// An event. Values are those of the observable run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Event {
    ObjectCreated(ObjectId, Arc<str>),
    ObjectDestroyed(ObjectId),
    /// Object, message, output (`None`: no output).
    ObjectCalled(ObjectId, Val, Option<Val>),
    MessageReceived(ObjectId, Val),
    /// Object, from, to.
    ObjectMoved(ObjectId, MachineId, MachineId),
    /// From, to.
    ExecutionMoved(MachineId, MachineId),
    ObjectFetched(ObjectId, MachineId),
    /// Object, from (`unknown` for a first controller), to.
    ObjectTransferred(ObjectId, ControllerId, ControllerId),
    ObjectFrozen(ObjectId, ControllerId),
    FunctionUpdated(Arc<str>),
    TransactionStarted(TxId),
    TransactionCommitted(TxId),
    TransactionAborted(TxId),
    ErrorOccurred(AvmError),
    // Extended events, only in the extended trace.
    StateUpdated(ObjectId),
    FunctionRegistered(Arc<str>),
    VarCreated(VarId, Vec<Val>),
    ConstraintPosted(Constraint),
    DomainNarrowed(VarId, Vec<Val>),
    Labeled(VarId, Val),
    /// The variable or the constraint that failed.
    ConstraintFailure(FailedOn),
    /// Ours: what a program wrote with `note`.
    Noted(Val),
    /// Ours: object, behaviour before, behaviour from here on.
    ObjectUpgraded(ObjectId, Arc<str>, Arc<str>),
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum FailedOn {
    Var(VarId),
    Constraint(Constraint),
}

/// One entry of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogEntry {
    /// Event counter of the execution: 0, 1, 2, ... without gaps.
    pub timestamp: u64,
    /// What happened.
    pub event: Event,
    /// Controller of the transaction at that time.
    pub controller: Option<ControllerId>,
    /// Calls around it: 0 = by the program itself. A call stands at the depth of its caller, behind what its callee did one deeper
    /// (`avm:7.6`): with this the brackets of calls are found again.
    #[serde(default)]
    pub depth: u32,
}

/// How much a trace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceLevel {
    /// Nothing is kept; timestamps still count.
    Off,
    /// The fourteen events and notes.
    #[default]
    Default,
    /// All events.
    Extended,
}

impl fmt::Display for Event {
    /// `ObjectCalled(o0, ["inc"]) -> 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ObjectCreated(o, name) => write!(f, "ObjectCreated({o}, {name})"),
            Self::ObjectDestroyed(o) => write!(f, "ObjectDestroyed({o})"),
            Self::ObjectCalled(o, input, None) => write!(f, "ObjectCalled({o}, {input})"),
            Self::ObjectCalled(o, input, Some(output)) => write!(f, "ObjectCalled({o}, {input}) -> {output}"),
            Self::MessageReceived(o, input) => write!(f, "MessageReceived({}, {input})", Val::Object(*o)),
            Self::ObjectMoved(o, from, to) => write!(f, "ObjectMoved({o}, {from}, {to})"),
            Self::ObjectUpgraded(o, from, to) => write!(f, "ObjectUpgraded({o}, {from}, {to})"),
            Self::ExecutionMoved(from, to) => write!(f, "ExecutionMoved({from}, {to})"),
            Self::ObjectFetched(o, machine) => write!(f, "ObjectFetched({o}, {machine})"),
            Self::ObjectTransferred(o, from, to) => write!(f, "ObjectTransferred({o}, {from}, {to})"),
            Self::ObjectFrozen(o, controller) => write!(f, "ObjectFrozen({o}, {controller})"),
            Self::FunctionUpdated(name) => write!(f, "FunctionUpdated({name})"),
            Self::TransactionStarted(t) => write!(f, "TransactionStarted({t})"),
            Self::TransactionCommitted(t) => write!(f, "TransactionCommitted({t})"),
            Self::TransactionAborted(t) => write!(f, "TransactionAborted({t})"),
            Self::ErrorOccurred(error) => write!(f, "ErrorOccurred({}: {error})", error.name()),
            Self::StateUpdated(o) => write!(f, "StateUpdated({})", Val::Object(*o)),
            Self::FunctionRegistered(name) => write!(f, "FunctionRegistered({name})"),
            Self::VarCreated(v, domain) => write!(f, "VarCreated(v{}, {domain:?})", v.0),
            Self::ConstraintPosted(constraint) => write!(f, "ConstraintPosted({constraint})"),
            Self::DomainNarrowed(v, domain) => write!(f, "DomainNarrowed(v{}, {domain:?})", v.0),
            Self::Labeled(v, value) => write!(f, "Labeled(v{}, {value})", v.0),
            Self::ConstraintFailure(FailedOn::Var(v)) => write!(f, "ConstraintFailure(v{})", v.0),
            Self::ConstraintFailure(FailedOn::Constraint(c)) => write!(f, "ConstraintFailure({c})"),
            Self::Noted(value) => write!(f, "Noted({value})"),
        }
    }
}

impl fmt::Display for LogEntry {
    /// `[4] TransactionCommitted(t0) @c1`, `@-` without a controller.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {} @", self.timestamp, self.event)?;
        match &self.controller {
            Some(controller) => write!(f, "{controller}"),
            None => f.write_str("-"),
        }
    }
}
