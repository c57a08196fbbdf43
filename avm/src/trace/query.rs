//! What an event is about, and which entries are wanted.

use crate::event::{Event, FailedOn, LogEntry};
use crate::id::{ControllerId, ObjectId, TxId};

/// Name of an event, as the specification writes it (`avm:6`).
#[must_use]
pub const fn kind(event: &Event) -> &'static str {
    match event {
        Event::ObjectCreated(..) => "ObjectCreated",
        Event::ObjectDestroyed(_) => "ObjectDestroyed",
        Event::ObjectCalled(..) => "ObjectCalled",
        Event::MessageReceived(..) => "MessageReceived",
        Event::ObjectMoved(..) => "ObjectMoved",
        Event::ExecutionMoved(..) => "ExecutionMoved",
        Event::ObjectFetched(..) => "ObjectFetched",
        Event::ObjectTransferred(..) => "ObjectTransferred",
        Event::ObjectFrozen(..) => "ObjectFrozen",
        Event::FunctionUpdated(_) => "FunctionUpdated",
        Event::TransactionStarted(_) => "TransactionStarted",
        Event::TransactionCommitted(_) => "TransactionCommitted",
        Event::TransactionAborted(_) => "TransactionAborted",
        Event::ErrorOccurred(_) => "ErrorOccurred",
        Event::StateUpdated(_) => "StateUpdated",
        Event::FunctionRegistered(_) => "FunctionRegistered",
        Event::VarCreated(..) => "VarCreated",
        Event::ConstraintPosted(_) => "ConstraintPosted",
        Event::DomainNarrowed(..) => "DomainNarrowed",
        Event::Labeled(..) => "Labeled",
        Event::ConstraintFailure(FailedOn::Var(_) | FailedOn::Constraint(_)) => "ConstraintFailure",
        Event::ObjectUpgraded(..) => "ObjectUpgraded",
        Event::Noted(_) => "Noted",
    }
}

/// The object an event is about.
#[must_use]
pub const fn object(event: &Event) -> Option<ObjectId> {
    match event {
        Event::ObjectCreated(o, _)
        | Event::ObjectDestroyed(o)
        | Event::ObjectCalled(o, ..)
        | Event::MessageReceived(o, _)
        | Event::ObjectMoved(o, ..)
        | Event::ObjectUpgraded(o, ..)
        | Event::ObjectFetched(o, _)
        | Event::ObjectTransferred(o, ..)
        | Event::ObjectFrozen(o, _)
        | Event::StateUpdated(o) => Some(*o),
        _ => None,
    }
}

/// The transaction an event is about.
#[must_use]
pub const fn transaction(event: &Event) -> Option<TxId> {
    match event {
        Event::TransactionStarted(t) | Event::TransactionCommitted(t) | Event::TransactionAborted(t) => Some(*t),
        _ => None,
    }
}

/// Which entries are wanted: all that meet every condition set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Only events about this object.
    pub object: Option<ObjectId>,
    /// Only events of this name, as [`kind`] gives it; case does not matter.
    pub event: Option<String>,
    /// Only from this timestamp on.
    pub since: Option<u64>,
    /// Only before this timestamp.
    pub until: Option<u64>,
    /// Only from the start to the end of this transaction.
    pub transaction: Option<TxId>,
    /// Only under this controller.
    pub controller: Option<ControllerId>,
    /// No more than so many.
    pub most: Option<usize>,
}

impl Query {
    /// The entries of a trace that are wanted, in their order.
    #[must_use]
    pub fn of<'t>(&self, trace: &'t [LogEntry]) -> Vec<&'t LogEntry> {
        let mut inside = self.transaction.is_none();
        let mut out = Vec::new();
        for entry in trace {
            let about = self.transaction.is_some() && transaction(&entry.event) == self.transaction;
            inside |= about;
            if out.len() >= self.most.unwrap_or(usize::MAX) {
                break;
            }
            if inside && self.takes(entry) {
                out.push(entry);
            }
            if about && !matches!(entry.event, Event::TransactionStarted(_)) {
                inside = false;
            }
        }
        out
    }

    /// Whether one entry meets the conditions that need no other entry.
    fn takes(&self, entry: &LogEntry) -> bool {
        self.object.is_none_or(|wanted| object(&entry.event) == Some(wanted))
            && self.event.as_ref().is_none_or(|wanted| kind(&entry.event).eq_ignore_ascii_case(wanted))
            && self.since.is_none_or(|since| entry.timestamp >= since)
            && self.until.is_none_or(|until| entry.timestamp < until)
            && self.controller.as_ref().is_none_or(|wanted| entry.controller.as_ref() == Some(wanted))
    }

    /// Names of all events a query may ask for.
    pub const EVENTS: [&'static str; 23] = [
        "ObjectCreated",
        "ObjectDestroyed",
        "ObjectCalled",
        "MessageReceived",
        "ObjectMoved",
        "ExecutionMoved",
        "ObjectUpgraded",
        "ObjectFetched",
        "ObjectTransferred",
        "ObjectFrozen",
        "FunctionUpdated",
        "TransactionStarted",
        "TransactionCommitted",
        "TransactionAborted",
        "ErrorOccurred",
        "StateUpdated",
        "FunctionRegistered",
        "VarCreated",
        "ConstraintPosted",
        "DomainNarrowed",
        "Labeled",
        "ConstraintFailure",
        "Noted",
    ];
}
