//! The AVM part of a snapshot, and what may be asked of it: the words of `trefoil avm`, of the socket and of the console's screens.
//!
//! How it travels, and why in two ways:
//!
//! * An [`AvmSnapshot`] stands as JSON in a link of the status page ([`AvmPage`]), as the cluster's does: written by the control
//!   thread a few times a second, never by a torus; at most [`AVM_BYTES`]. It holds all totals and the *head* of each list, so the
//!   overview, the header and small nodes need nothing else, and it is read even while the agent hangs.
//! * What does not fit (10 000 executions, a million objects, a trace) is asked for over the socket with an [`AvmRequest`], a page
//!   at a time: [`Query`] says which rows, [`Listing`] how many there are. A watcher lays the answers into [`Details`] of its
//!   newest snapshot, so that freezing, stepping back and recordings hold what was on the screen.
//!
//! Ids are text (`x7`, `o1.2.7`, `t3`): prefixed ids exceed 2^53 (`avm:2`). Times are Unix ns, spans ns, sizes bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::Snapshot;

pub mod ask;
pub mod rows;

pub use ask::{AvmReply, AvmRequest, Query, Segment, Source, StartRequest};
pub use rows::*;

/// Bytes of JSON the AVM's record of the page holds.
pub const AVM_BYTES: usize = 131_064;
/// Most rows of each list in the record; more are asked for.
pub const HEAD_ROWS: usize = 64;
/// Most rows of one answer.
pub const PAGE_ROWS: u32 = 500;
/// Most entries of one list inside a row (conflicts, reads, writes, core); the count beside it tells of the rest.
pub const ROW_ITEMS: usize = 8;

/// The AVM's record of the status page: an [`AvmSnapshot`] as JSON.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AvmPage {
    /// Bytes used; 0 = this node runs no programs.
    pub len: u64,
    /// JSON, zero beyond `len`.
    pub bytes: [u8; AVM_BYTES],
}

const _: () = assert!(core::mem::size_of::<AvmPage>() == 131_072);

impl AvmPage {
    /// The record of a snapshot, without [`Details`]. What is too long for it loses rows from the end of its longest list until it
    /// fits; the totals of the lists stay, so nobody takes a head for the whole. `None` when memory is short.
    #[must_use]
    pub fn new(avm: &AvmSnapshot) -> Option<Box<Self>> {
        let mut page = Self::new_box_zeroed().ok()?;
        let mut cut = AvmSnapshot { details: Details::default(), ..avm.clone() };
        cut.executions.rows.truncate(HEAD_ROWS);
        cut.objects.rows.truncate(HEAD_ROWS);
        cut.transactions.rows.truncate(HEAD_ROWS);
        let mut text = serde_json::to_vec(&cut).ok()?;
        while text.len() > AVM_BYTES {
            if !cut.shorten() {
                return None;
            }
            text = serde_json::to_vec(&cut).ok()?;
        }
        page.len = text.len() as u64;
        page.bytes[..text.len()].copy_from_slice(&text);
        Some(page)
    }

    /// The snapshot; `None` when the node runs no programs or the record is damaged.
    #[must_use]
    pub fn snapshot(&self) -> Option<Box<AvmSnapshot>> {
        let used = usize::try_from(self.len).ok().filter(|used| *used > 0)?;
        serde_json::from_slice(self.bytes.get(..used)?).ok()
    }
}

impl Snapshot {
    /// With the AVM's record.
    #[must_use]
    pub fn with_avm(mut self, page: Option<&AvmPage>) -> Self {
        self.avm = page.and_then(AvmPage::snapshot);
        self
    }
}

/// What a node knows of its programs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AvmSnapshot {
    /// CLOCK_MONOTONIC when the record was made, ns: rates of the totals are read over it.
    pub at_ns: u64,
    /// Counters and numbers of the whole node.
    pub totals: Totals,
    /// What is bounded: how full it is and how often its limit was hit.
    pub capacities: Vec<Capacity>,
    /// The tori, in the order of the configuration.
    pub lanes: Vec<LaneSnapshot>,
    /// Loaded programs, by name.
    pub programs: Vec<ProgramSnapshot>,
    /// Executions, ascending by id unless the query says otherwise.
    pub executions: Listing<ExecutionSnapshot>,
    /// Objects, ascending by id unless the query says otherwise.
    pub objects: Listing<ObjectSnapshot>,
    /// Transactions, open ones first, then ended ones that are remembered, newest first, unless the query says otherwise.
    pub transactions: Listing<TransactionSnapshot>,
    /// The solver pool.
    pub solver: SolverSnapshot,
    /// What everybody should know, e.g. `state is in memory only`.
    pub notes: Vec<String>,
    /// Answers of the socket that a watcher laid in; the agent leaves it empty.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

impl AvmSnapshot {
    /// Takes the later half of the longest list away; false when there is nothing left to take.
    fn shorten(&mut self) -> bool {
        let lengths = [
            self.executions.rows.len(),
            self.objects.rows.len(),
            self.transactions.rows.len(),
            self.programs.len(),
            self.capacities.len(),
            self.lanes.len(),
            self.solver.questions.len(),
            self.notes.len(),
        ];
        let Some((at, longest)) = lengths.iter().enumerate().max_by_key(|(_, length)| **length) else { return false };
        let keep = longest / 2;
        match at {
            0 => self.executions.rows.truncate(keep),
            1 => self.objects.rows.truncate(keep),
            2 => self.transactions.rows.truncate(keep),
            3 => self.programs.truncate(keep),
            4 => self.capacities.truncate(keep),
            5 => self.lanes.truncate(keep),
            6 => self.solver.questions.truncate(keep),
            _ => self.notes.truncate(keep),
        }
        *longest > 0
    }
}

/// Answers of the socket, laid beside the record by a watcher.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    /// A page of executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executions: Option<Listing<ExecutionSnapshot>>,
    /// A page of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Listing<ObjectSnapshot>>,
    /// A page of transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<Listing<TransactionSnapshot>>,
    /// One execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Box<ExecutionDetail>>,
    /// One object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectDetail>>,
    /// One transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Box<TransactionSnapshot>>,
    /// A stretch of a trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<TraceSnapshot>>,
    /// Why there is nothing, when the socket refused or did not answer; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub missing: String,
}

impl Details {
    /// True when nothing was laid in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes an answer in; one of another kind changes nothing.
    pub fn take(&mut self, reply: AvmReply) {
        match reply {
            AvmReply::Executions(listing) => self.executions = Some(listing),
            AvmReply::Objects(listing) => self.objects = Some(listing),
            AvmReply::Transactions(listing) => self.transactions = Some(listing),
            AvmReply::Execution(detail) => self.execution = Some(detail),
            AvmReply::Object(detail) => self.object = Some(detail),
            AvmReply::Transaction(row) => self.transaction = Some(row),
            AvmReply::Trace(trace) => self.trace = Some(trace),
            _ => return,
        }
        self.missing.clear();
    }
}

/// Some rows of a list, and how many there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Listing<T> {
    /// What was asked.
    #[serde(default)]
    pub query: Query,
    /// Rows that match the filter.
    pub matching: u64,
    /// Rows there are.
    pub total: u64,
    /// Number of the first row below among the matching ones, from 0.
    pub from: u64,
    /// The rows.
    pub rows: Vec<T>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { query: Query::default(), matching: 0, total: 0, from: 0, rows: Vec::new() }
    }
}

impl<T> Listing<T> {
    /// A list that is shown from its start.
    #[must_use]
    pub fn head(rows: Vec<T>, total: u64) -> Self {
        Self { query: Query::default(), matching: total, total, from: 0, rows }
    }

    /// True when every matching row is here.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.from == 0 && self.rows.len() as u64 == self.matching
    }
}

/// Counters of the whole node since its start, and numbers of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Totals {
    /// Executions that run or could run, now.
    pub running: u64,
    /// Executions that are suspended, now, for any reason.
    pub suspended: u64,
    /// Of those, suspended by hand.
    pub suspended_by_hand: u64,
    /// Executions that ended well and are remembered.
    pub ended: u64,
    /// Executions that failed and are remembered.
    pub failed: u64,
    /// Executions ever started.
    pub started: u64,
    /// Executions that ever failed.
    pub failures: u64,
    /// When the last one failed, Unix ns; 0 = none did.
    pub failed_unix_ns: u64,
    /// Objects, now.
    pub objects: u64,
    /// Transactions open, now.
    pub open: u64,
    /// Outermost transactions committed.
    pub commits: u64,
    /// Outermost transactions aborted, for any reason.
    pub aborts: u64,
    /// Of those: an object that was read had changed.
    pub aborts_conflict: u64,
    /// Of those: no resolution satisfies the requirements.
    pub aborts_unsatisfiable: u64,
    /// Of those: the solver did not decide within its limits.
    pub aborts_unknown: u64,
    /// Of those: an error ended the program.
    pub aborts_error: u64,
    /// Of those: the program said so, or ended with the transaction open.
    pub aborts_program: u64,
    /// Operations executed (fuel).
    pub operations: u64,
    /// Executions moved between tori by the braid's corrections.
    pub moves: u64,
    /// Trace entries written.
    pub trace_entries: u64,
    /// Trace entries dropped because a trace was full.
    pub trace_dropped: u64,
}

impl Totals {
    /// Takes what is told apart out of what was counted whole: of the refused those that were unsatisfiable, of the aborted those an
    /// error ended; and sums all up.
    pub const fn split_aborts(&mut self) {
        self.aborts_conflict = self.aborts_conflict.saturating_sub(self.aborts_unsatisfiable);
        self.aborts_program = self.aborts_program.saturating_sub(self.aborts_unknown + self.aborts_error);
        let causes = [self.aborts_conflict, self.aborts_unsatisfiable, self.aborts_unknown, self.aborts_error];
        self.aborts = causes[0] + causes[1] + causes[2] + causes[3] + self.aborts_program;
    }
}

/// Something bounded (`decisions:AVM-5`, `AVM-12`, `AVM-21`): heap, executions, objects, mailboxes, traces, the solver's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// What: `heap`, `executions`, `objects`, `mailboxes`, `traces`, `solver queue`...
    pub name: String,
    /// Name of the torus it belongs to; empty = the node's.
    pub torus: String,
    /// In use.
    pub used: u64,
    /// At most; 0 = not bounded.
    pub limit: u64,
    /// `bytes`, or empty for a number of things.
    pub unit: String,
    /// How often something was refused because it was full.
    pub hits: u64,
    /// Who hit it last, e.g. `x7: ErrProgramMemory`; empty = nobody.
    pub last_hit: String,
}

/// The AVM of one torus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LaneSnapshot {
    /// Name of the torus.
    pub torus: String,
    /// Its index in the braid.
    pub id: u32,
    /// Executions that run or could run.
    pub running: u64,
    /// Executions that are suspended.
    pub suspended: u64,
    /// Objects that live here.
    pub objects: u64,
    /// Quanta executed.
    pub quanta: u64,
    /// Operations executed.
    pub operations: u64,
    /// Executions taken from other tori.
    pub moved_in: u64,
    /// Executions given to other tori.
    pub moved_out: u64,
    /// Messages to tori that were not reached: who waited for an answer has failed.
    pub lost: u64,
    /// Heap in use, bytes.
    pub heap_bytes: u64,
    /// Heap taken at start, bytes.
    pub heap_limit_bytes: u64,
}

/// A loaded program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProgramSnapshot {
    /// Name of its module.
    pub name: String,
    /// Content hash, hexadecimal.
    pub hash: String,
    /// Entries that can be started.
    pub entries: Vec<String>,
    /// Behaviours it brings.
    pub behaviours: Vec<String>,
    /// When it was loaded, Unix ns.
    pub loaded_unix_ns: u64,
    /// Executions of it that have not ended.
    pub executions: u64,
    /// True when it asks for unsafe instructions.
    pub capability: bool,
}

/// The solver pool (`decisions:AVM-10`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SolverSnapshot {
    /// `z3 4.8.12` or `built-in`.
    pub name: String,
    /// Threads or processes that solve.
    pub workers: u32,
    /// Of those, busy now.
    pub busy: u32,
    /// Questions that wait.
    pub queued: u64,
    /// Most questions that may wait.
    pub queue_limit: u64,
    /// Age of the oldest question that waits, ns.
    pub oldest_queued_ns: u64,
    /// How long the slowest question that is being solved has taken, ns.
    pub oldest_running_ns: u64,
    /// The execution that question belongs to; empty = none runs.
    pub oldest_running: String,
    /// Time after which a question is interrupted, ns.
    pub limit_ns: u64,
    /// Questions answered: yes.
    pub sat: u64,
    /// Questions answered: no.
    pub unsat: u64,
    /// Questions not decided.
    pub unknown: u64,
    /// Workers started again after a panic, a leak or a question that would not end.
    pub restarts: u64,
    /// Why the last one was; empty = none was.
    pub restart_reason: String,
    /// Time a question took, ns: buckets of powers of two, as in [`crate::page::BUCKETS`].
    pub times_ns: Vec<u64>,
    /// Median, ns.
    pub p50_ns: u64,
    /// 99th percentile, ns.
    pub p99_ns: u64,
    /// The questions that run, then the last ones answered, newest first.
    pub questions: Vec<QuestionSnapshot>,
}

/// One question to the solver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QuestionSnapshot {
    /// Execution whose commit asked.
    pub execution: String,
    /// Its transaction.
    pub transaction: String,
    /// `queued`, `running`, `sat`, `unsat`, `unknown`.
    pub outcome: String,
    /// Why it is not decided, or the core in short; empty otherwise.
    pub reason: String,
    /// Choices in it.
    pub choices: u32,
    /// Requirements in it.
    pub requires: u32,
    /// Variables in it.
    pub variables: u32,
    /// Nodes of its expressions.
    pub nodes: u64,
    /// Time in the queue, ns.
    pub waited_ns: u64,
    /// Time it took, ns; so far, while it runs.
    pub took_ns: u64,
    /// When it was asked, Unix ns.
    pub asked_unix_ns: u64,
}

#[cfg(test)]
mod tests;
