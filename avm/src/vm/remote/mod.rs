//! Objects of other tori (`decisions:AVM-2`). An object stays on the torus of its id, its home; executions move. Inside a transaction
//! data is shipped, not control: who needs an object elsewhere waits until its version as of the snapshot has come, and runs on
//! the overlay. A commit that touched several tori prepares them in ascending order; each validates and leaves an intent in every
//! object that was read or written, which is data and no mutex: who meets it waits. The decision carries one stamp for all.
//!
//! A program sees one state of all tori, also when its commit will be refused. An object that has changed since the snapshot comes as
//! of the clock of its home, and the snapshot moves on to there if what was read so far is the same then; every home of that is
//! asked (`snapshot.rs`). If not, an implicit transaction begins anew; one of the program goes on with the version of its snapshot,
//! to be refused by its commit, or fails with `ErrProgramSnapshotEvicted` when that is no longer kept.
//!
//! Clocks are Lamport clocks: every message carries the sender's, and a stamp is greater than all that its maker has seen. That
//! tori are prepared in order, and that what waits in a torus holds nothing there, excludes a circle of waiting. What waits is
//! bounded by the number of executions, for each waits for one thing at a time.

mod asker;
mod home;
mod look;
mod lost;
mod registry;
mod replicas;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::store::Version;
use crate::code::ContentHash;
use crate::error::AvmError;
use crate::id::{ControllerId, ExecutionId, MachineId, ObjectId};
use crate::value::Val;

pub use look::Row;
pub use replicas::Replicated;

pub(super) use asker::{Joint, Step};
pub(super) use registry::Registering;
pub use registry::{Function, Registry};

/// What lanes of one node say to each other about objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Clock of the sender.
    pub clock: u64,
    /// What is said.
    pub about: About,
}

/// One transaction of one execution; an attempt that begins anew is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Whose.
    pub execution: ExecutionId,
    /// Number of the lane that runs it.
    pub attempt: u64,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// To the home: the object as of a stamp is wanted.
    Fetch {
        /// For whom.
        key: Key,
        /// Which.
        object: ObjectId,
        /// As of this stamp.
        snapshot: u64,
    },
    /// Answer to a fetch.
    Fetched {
        /// For whom.
        key: Key,
        /// Which.
        object: ObjectId,
        /// What it is; a version that never existed has stamp 0.
        shipped: Box<Shipped>,
        /// Whether it is as of the snapshot; otherwise it has changed since, and this is the newest.
        exact: bool,
        /// If not, what it was as of the snapshot, as long as that is kept.
        older: Option<Box<Shipped>>,
    },
    /// To a home: are these objects as of a stamp what was read?
    Check {
        /// For whom.
        key: Key,
        /// Objects with the versions that were read.
        reads: Vec<(ObjectId, u64)>,
        /// As of this stamp.
        snapshot: u64,
    },
    /// Answer to a check.
    Checked {
        /// For whom.
        key: Key,
        /// Whether they are.
        same: bool,
    },
    /// To a home: rows about objects as they are now.
    Look {
        /// For whom.
        key: Key,
        /// About which; none: about all.
        object: Option<ObjectId>,
        /// From this counter on.
        from: u64,
    },
    /// Answer to a look: a page of rows, ascending.
    Looked {
        /// For whom.
        key: Key,
        /// The rows, or what is wrong with the store.
        rows: Result<Vec<Row>, Box<AvmError>>,
    },
    /// To a home: make or refresh the replica of a machine.
    Replicate {
        /// Of which object.
        object: ObjectId,
        /// For which machine.
        machine: MachineId,
    },
    /// To a home: what a replica has taken.
    Replayed {
        /// Of which object.
        object: ObjectId,
        /// The replica as it is now, with its new messages.
        replica: Box<Replicated>,
    },
    /// To a home: validate and leave intents.
    Prepare {
        /// Of which transaction.
        key: Key,
        /// Objects that were read, with their versions.
        reads: Vec<(ObjectId, u64)>,
        /// What is to be written.
        writes: Vec<(ObjectId, Shipped)>,
        /// Objects that are frozen, with the replicas they were frozen from: machine and stamp.
        frozen: Vec<(ObjectId, Vec<(MachineId, u64)>)>,
    },
    /// Answer to prepare: the object that is no longer what was read, if any.
    Prepared {
        /// Of which transaction.
        key: Key,
        /// What refused it.
        refused: Option<(ObjectId, Option<ExecutionId>)>,
    },
    /// To a home: apply with this stamp, or forget.
    Decide {
        /// Of which transaction.
        key: Key,
        /// Stamp of the commit; none: aborted.
        stamp: Option<u64>,
    },
    /// About the pure functions of all tori (`decisions:AVM-9`).
    Registry(Registry),
}

/// A version on its way: nothing in it depends on the tables of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipped {
    /// Stamp of the commit that made it; 0: never.
    pub stamp: u64,
    /// `module.behaviour`, and the content hash of the module.
    pub behaviour: (Arc<str>, ContentHash),
    /// State.
    pub state: Val,
    /// Machine.
    pub machine: MachineId,
    /// Controller that created it.
    pub creating: Option<ControllerId>,
    /// Controller.
    pub current: Option<ControllerId>,
    /// Whether there is an object.
    pub exists: bool,
    /// Metadata was lost.
    pub damaged: bool,
    /// Its replicas, for who asks for it from another torus.
    pub replicas: Vec<Replicated>,
}

/// What an execution waits for, or has been refused.
#[derive(Debug)]
pub(super) enum Wanted {
    /// An object, from a torus.
    Object(ObjectId, u8),
    /// The decision about an intent.
    Decision,
    /// Its snapshot is to move on.
    Snapshot(Box<Moving>),
    /// Metadata of other tori.
    Look(Box<look::Looking>),
    /// Nothing any more: this is what came of it.
    Failed(Box<AvmError>),
}

/// A snapshot that is to move on because of an object that has changed since.
#[derive(Debug)]
pub(super) struct Moving {
    object: ObjectId,
    shipped: Box<Shipped>,
    older: Option<Box<Shipped>>,
    to: u64,
    /// Homes that have not answered yet.
    left: Vec<u8>,
}

/// What undecided transactions have left in an object.
#[derive(Debug, Default)]
struct Intent {
    /// Who will write it, and the clock when that was prepared.
    write: Option<(Key, u64)>,
    /// Who has read it.
    reads: Vec<Key>,
}

/// A transaction that is prepared here.
#[derive(Debug)]
struct Held {
    reads: Vec<ObjectId>,
    writes: Vec<(ObjectId, Option<Version>)>,
    /// Frozen objects with their replicas: machine, and how many messages it had.
    frozen: Vec<(ObjectId, Vec<(u32, usize)>)>,
}

/// A prepare that waits for decisions.
#[derive(Debug)]
struct WaitingPrepare {
    from: u8,
    key: Key,
    reads: Vec<(ObjectId, u64)>,
    writes: Vec<(ObjectId, Shipped)>,
    frozen: Vec<(ObjectId, Vec<(MachineId, u64)>)>,
}

/// A look whether what was read stands still: from which torus, of whom, objects with the stamps they were read at, the new snapshot.
type WaitingCheck = (u8, Key, Vec<(ObjectId, u64)>, u64);

/// What a lane knows of transactions over several tori.
#[derive(Debug, Default)]
pub(super) struct Remotes {
    attempts: u64,
    intents: BTreeMap<ObjectId, Intent>,
    held: BTreeMap<Key, Held>,
    fetches: VecDeque<(u8, Key, ObjectId, u64)>,
    checks: VecDeque<WaitingCheck>,
    prepares: VecDeque<WaitingPrepare>,
    /// Pure functions that change.
    pub(super) updates: registry::Updates,
    /// Intents went since the last look.
    pub(super) stirred: bool,
    /// Envelopes that found no way to their torus.
    pub(super) lost: u64,
}

impl Remotes {
    /// Whether no transaction has left anything here: then nothing of this concerns a local one.
    #[inline(always)]
    pub(super) fn idle(&self) -> bool {
        self.intents.is_empty()
    }

    /// Whose undecided transaction will write an object.
    pub(super) fn writer(&self, object: ObjectId) -> Option<ExecutionId> {
        self.intents.get(&object)?.write.map(|(key, _)| key.execution)
    }

    /// Intents, transactions prepared here, questions that wait and pure functions that change: none when all is decided.
    pub(super) fn open(&self) -> usize {
        self.intents.len()
            + self.held.len()
            + self.fetches.len()
            + self.checks.len()
            + self.prepares.len()
            + self.updates.open()
    }
}
