//! What a program can fail with: the named errors of `avm:5` in their families, and the errors of programs themselves
//! (`decisions:AVM-15`). Each variant is a failure of the program, never of the process; its message says what mends it.
//! Each error has a trigger, or says why it has none (`decisions:AVM-22`).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{ControllerId, MachineId, ObjectId, TxId, VarId};
use crate::value::Val;

/// Object family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum ObjError {
    #[error("object {0} does not exist")]
    ObjectNotFound(ObjectId),
    #[error("object {0} is already destroyed in this transaction")]
    ObjectAlreadyDestroyed(ObjectId),
    #[error("object {0} exists already: the store was restored from damaged data")]
    ObjectAlreadyExists(ObjectId),
    #[error("object {0} does not take the message {1}")]
    InvalidInput(ObjectId, Val),
    #[error("object {0} rejected the message {1}")]
    ObjectRejectedCall(ObjectId, Val),
    #[error("object {0} has a behaviour and no metadata: the store is damaged")]
    MetadataCorruption(ObjectId),
    #[error("no behaviour is called {0}: load the program that brings it")]
    BehaviourNotFound(String),
}

/// Introspection family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum IntrospectError {
    #[error("not available here: {0}")]
    ContextUnavailable(String),
}

/// Reflection family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum ReflectError {
    #[error("object {0} has no metadata")]
    MetadataNotFound(ObjectId),
    #[error("metadata under {0} is inconsistent: {1}")]
    MetadataInconsistent(ObjectId, String),
    #[error("the store is damaged: {0}")]
    StoreCorruption(String),
    #[error("the predicate failed: {0}")]
    ScryPredicateFailed(String),
    #[error("reflection on {0} is refused: the node denies reflect")]
    ReflectionDenied(ObjectId),
}

/// Reification family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum ReifyError {
    #[error("no context to reify: {0}")]
    ReifyContextFailed(String),
    #[error("no transaction to reify")]
    NoTransactionToReify,
    #[error("the transaction's state is refused: the node denies reflect")]
    TxStateAccessDenied,
    #[error("finite domains are switched off here")]
    ConstraintStoreUnavailable,
}

/// Transaction family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum TxError {
    #[error("transaction {0} is not the innermost one, or conflicts with another segment")]
    TxConflict(TxId),
    #[error("transaction {0} was never begun here")]
    TxNotFound(TxId),
    #[error("transaction {0} is already committed")]
    TxAlreadyCommitted(TxId),
    #[error("transaction {0} is already aborted")]
    TxAlreadyAborted(TxId),
    #[error("no transaction is open: begin one first")]
    NoActiveTx,
    #[error("{0} is not possible during a transaction")]
    InvalidDuringTx(String),
}

/// Pure-function family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum PureError {
    #[error("no pure function is called {0}")]
    FunctionNotFound(String),
    #[error("a pure function is already called {0}: update it instead")]
    FunctionAlreadyRegistered(String),
    #[error("pure function {0} is at version {2}, expected {1}")]
    VersionConflict(String, u64, u64),
}

/// Machine family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum MachineError {
    #[error("machine {0} is not reachable")]
    MachineUnreachable(MachineId),
    #[error("object {0} may not move to machine {1}")]
    InvalidMachineTransfer(ObjectId, MachineId),
    #[error("an execution does not move while its transaction is open")]
    TeleportDuringTx,
}

/// Controller family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum ControllerError {
    #[error("controller {0} is not reachable")]
    ControllerUnreachable(ControllerId),
    #[error("object {0} may not be transferred to controller {1} from here")]
    UnauthorizedTransfer(ObjectId, ControllerId),
    #[error("object {0} belongs to controller {1}, the transaction to another")]
    CrossControllerTx(ObjectId, ControllerId),
    #[error("the owner of object {0} is not reachable")]
    ObjectNotAvailable(ObjectId),
    #[error("replicas of object {0} are not reconciled: freeze it first")]
    ObjectNotConsistent(ObjectId),
    #[error("replicas of object {0} cannot be reconciled")]
    FreezeFailed(ObjectId),
    #[error("object {0} has no controller")]
    ObjectHasNoController(ObjectId),
}

/// Finite-domain family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum FdError {
    #[error("not implemented: {0}")]
    NotImplemented(String),
    #[error("variable v{} has no value left{}", .0.0, if .1.is_empty() { String::new() } else { format!(": {}", .1) })]
    EmptyDomain(VarId, String),
    #[error("variable v{} does not exist", .0.0)]
    UnknownVar(VarId),
}

/// Nondeterminism family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum NondetError {
    #[error("not implemented: {0}")]
    NotImplemented(String),
    #[error("choose needs at least one alternative")]
    NoAlternatives,
}

/// Errors of programs themselves (`decisions:AVM-15`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum ProgramError {
    #[error("arithmetic: {0}")]
    Arithmetic(String),
    #[error("no arm matches {0}")]
    Match(Val),
    #[error("type: {0}")]
    Type(String),
    #[error("fuel is used up after {0} operations")]
    Fuel(u64),
    #[error("memory is used up at {0} bytes")]
    Memory(u64),
    #[error("the solver gave no answer: {0}")]
    SolverUnknown(String),
    #[error("the snapshot of transaction {0} is no longer kept: run it again")]
    SnapshotEvicted(TxId),
    #[error("capability {0} is not granted")]
    Capability(String),
    #[error("the deadline has come, {0} ticks after the start")]
    Deadline(u64),
    #[error("{0}")]
    Raised(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the execution was terminated")]
    Terminated,
}

/// Innermost layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum BaseError {
    #[error(transparent)]
    Obj(#[from] ObjError),
    #[error(transparent)]
    Introspect(#[from] IntrospectError),
    #[error(transparent)]
    Reflect(#[from] ReflectError),
    #[error(transparent)]
    Reify(#[from] ReifyError),
}

/// Base and transactions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum TxLayerError {
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error(transparent)]
    Tx(#[from] TxError),
}

/// Base, transactions and pure functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum PureLayerError {
    #[error(transparent)]
    TxLayer(#[from] TxLayerError),
    #[error(transparent)]
    Pure(#[from] PureError),
}

/// Any error of a program, nested as in `avm:5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[allow(missing_docs)]
pub enum AvmError {
    #[error(transparent)]
    PureLayer(#[from] PureLayerError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Controller(#[from] ControllerError),
    #[error(transparent)]
    Fd(#[from] FdError),
    #[error(transparent)]
    Nondet(#[from] NondetError),
    #[error(transparent)]
    Program(#[from] ProgramError),
}

macro_rules! lift {
    ($($inner:ty),*) => {$(
        impl From<$inner> for AvmError {
            fn from(error: $inner) -> Self {
                Self::PureLayer(PureLayerError::TxLayer(TxLayerError::Base(error.into())))
            }
        }
    )*};
}
lift!(ObjError, IntrospectError, ReflectError, ReifyError);

impl From<TxError> for AvmError {
    fn from(error: TxError) -> Self {
        Self::PureLayer(PureLayerError::TxLayer(TxLayerError::Tx(error)))
    }
}

impl From<PureError> for AvmError {
    fn from(error: PureError) -> Self {
        Self::PureLayer(PureLayerError::Pure(error))
    }
}

impl AvmError {
    /// Name as the specification writes it, for example `ErrObjectNotFound`; the program family is `ErrProgram...`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PureLayer(PureLayerError::TxLayer(TxLayerError::Base(base))) => base.name(),
            Self::PureLayer(PureLayerError::TxLayer(TxLayerError::Tx(error))) => match error {
                TxError::TxConflict(_) => "ErrTxConflict",
                TxError::TxNotFound(_) => "ErrTxNotFound",
                TxError::TxAlreadyCommitted(_) => "ErrTxAlreadyCommitted",
                TxError::TxAlreadyAborted(_) => "ErrTxAlreadyAborted",
                TxError::NoActiveTx => "ErrNoActiveTx",
                TxError::InvalidDuringTx(_) => "ErrInvalidDuringTx",
            },
            Self::PureLayer(PureLayerError::Pure(error)) => match error {
                PureError::FunctionNotFound(_) => "ErrFunctionNotFound",
                PureError::FunctionAlreadyRegistered(_) => "ErrFunctionAlreadyRegistered",
                PureError::VersionConflict(..) => "ErrVersionConflict",
            },
            Self::Machine(error) => match error {
                MachineError::MachineUnreachable(_) => "ErrMachineUnreachable",
                MachineError::InvalidMachineTransfer(..) => "ErrInvalidMachineTransfer",
                MachineError::TeleportDuringTx => "ErrTeleportDuringTx",
            },
            Self::Controller(error) => match error {
                ControllerError::ControllerUnreachable(_) => "ErrControllerUnreachable",
                ControllerError::UnauthorizedTransfer(..) => "ErrUnauthorizedTransfer",
                ControllerError::CrossControllerTx(..) => "ErrCrossControllerTx",
                ControllerError::ObjectNotAvailable(_) => "ErrObjectNotAvailable",
                ControllerError::ObjectNotConsistent(_) => "ErrObjectNotConsistent",
                ControllerError::FreezeFailed(_) => "ErrFreezeFailed",
                ControllerError::ObjectHasNoController(_) => "ErrObjectHasNoController",
            },
            Self::Fd(error) => match error {
                FdError::NotImplemented(_) => "ErrNotImplemented",
                FdError::EmptyDomain(..) => "ErrEmptyDomain",
                FdError::UnknownVar(_) => "ErrUnknownVar",
            },
            Self::Nondet(error) => match error {
                NondetError::NotImplemented(_) => "ErrNotImplemented",
                NondetError::NoAlternatives => "ErrNoAlternatives",
            },
            Self::Program(error) => match error {
                ProgramError::Arithmetic(_) => "ErrProgramArithmetic",
                ProgramError::Match(_) => "ErrProgramMatch",
                ProgramError::Type(_) => "ErrProgramType",
                ProgramError::Fuel(_) => "ErrProgramFuel",
                ProgramError::Memory(_) => "ErrProgramMemory",
                ProgramError::SolverUnknown(_) => "ErrProgramSolverUnknown",
                ProgramError::SnapshotEvicted(_) => "ErrProgramSnapshotEvicted",
                ProgramError::Capability(_) => "ErrProgramCapability",
                ProgramError::Deadline(_) => "ErrProgramDeadline",
                ProgramError::Raised(_) => "ErrProgramRaised",
                ProgramError::Conflict(_) => "ErrProgramConflict",
                ProgramError::Terminated => "ErrProgramTerminated",
            },
        }
    }
}

impl BaseError {
    const fn name(&self) -> &'static str {
        match self {
            Self::Obj(error) => match error {
                ObjError::ObjectNotFound(_) => "ErrObjectNotFound",
                ObjError::ObjectAlreadyDestroyed(_) => "ErrObjectAlreadyDestroyed",
                ObjError::ObjectAlreadyExists(_) => "ErrObjectAlreadyExists",
                ObjError::InvalidInput(..) => "ErrInvalidInput",
                ObjError::ObjectRejectedCall(..) => "ErrObjectRejectedCall",
                ObjError::MetadataCorruption(_) => "ErrMetadataCorruption",
                ObjError::BehaviourNotFound(_) => "ErrBehaviourNotFound",
            },
            Self::Introspect(IntrospectError::ContextUnavailable(_)) => "ErrContextUnavailable",
            Self::Reflect(error) => match error {
                ReflectError::MetadataNotFound(_) => "ErrMetadataNotFound",
                ReflectError::MetadataInconsistent(..) => "ErrMetadataInconsistent",
                ReflectError::StoreCorruption(_) => "ErrStoreCorruption",
                ReflectError::ScryPredicateFailed(_) => "ErrScryPredicateFailed",
                ReflectError::ReflectionDenied(_) => "ErrReflectionDenied",
            },
            Self::Reify(error) => match error {
                ReifyError::ReifyContextFailed(_) => "ErrReifyContextFailed",
                ReifyError::NoTransactionToReify => "ErrNoTransactionToReify",
                ReifyError::TxStateAccessDenied => "ErrTxStateAccessDenied",
                ReifyError::ConstraintStoreUnavailable => "ErrConstraintStoreUnavailable",
            },
        }
    }
}
