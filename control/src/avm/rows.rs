//! The things of the AVM, one row each, and what is known of one of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of an execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionState {
    /// It runs, or would if its torus had time.
    Running,
    /// It waits; `why` says for what.
    Suspended,
    /// It ended well; `why` is its result, shortened.
    Ended,
    /// It ended by an error; `why` is that error with file and line.
    Failed,
    /// It was terminated by hand.
    Terminated,
    /// The record holds a word this program does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExecutionSnapshot {
    /// Id.
    pub id: String,
    /// Program and entry: `bank#main`.
    pub program: String,
    /// State.
    pub state: ExecutionState,
    /// Why the state is what it is: `by hand`, `waits for a message`, `waits for o3 on torus B`, `waits for the solver`, the error
    /// with its file and line, the result.
    pub why: String,
    /// Object, transaction or execution it waits for; empty = none.
    pub waits_for: String,
    /// Since when it is in that state, Unix ns.
    pub since_unix_ns: u64,
    /// When it was started, Unix ns.
    pub started_unix_ns: u64,
    /// Operations used.
    pub fuel: u64,
    /// Operations it may use; 0 = as many as it likes.
    pub fuel_limit: u64,
    /// Memory in use, bytes.
    pub memory_bytes: u64,
    /// Memory it may use, bytes; 0 = the node's.
    pub memory_limit_bytes: u64,
    /// Name of the torus it is on.
    pub torus: String,
    /// Times it was moved between tori.
    pub moves: u32,
    /// True when its program uses machine instructions, so that the braid does not move it (`decisions:AVM-6`).
    pub pinned: bool,
    /// Machine as the program sees it.
    pub machine: String,
    /// The outermost open transaction; empty = none is open.
    pub transaction: String,
    /// Depth of nested transactions.
    pub depth: u32,
    /// The execution that started it; empty = a person did.
    pub parent: String,
    /// Transactions it committed.
    pub commits: u64,
    /// Transactions it aborted.
    pub aborts: u64,
    /// Entries of its trace.
    pub trace_entries: u64,
}

/// What is known of one execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExecutionDetail {
    /// The row.
    pub row: ExecutionSnapshot,
    /// Arguments it was started with, as the language writes them.
    pub arguments: Vec<String>,
    /// Its result, as the language writes it; empty = none yet.
    pub result: String,
    /// The error in full; empty = none.
    pub error: String,
    /// The calls it is in, innermost first: function, file and line.
    pub stack: Vec<FrameSnapshot>,
    /// Executions it started.
    pub children: Vec<String>,
    /// Seed of its random numbers.
    pub seed: u64,
    /// It is ended so many ticks after its start (`decisions:AVM-23`); 0 = it has as long as it likes.
    pub deadline_ticks: u64,
    /// Hash of its trace without events of placement, hexadecimal (`decisions:AVM-5`).
    pub trace_hash: String,
    /// `off`, `default` or `extended`.
    pub trace_level: String,
    /// Moves between tori, oldest first, e.g. `A → B: load 71 vs 52`.
    pub moved: Vec<String>,
    /// What it wrote with `note`, oldest first: the last of them.
    pub notes: Vec<String>,
    /// How many it wrote.
    pub notes_total: u64,
}

/// One call an execution is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FrameSnapshot {
    /// Function or handler.
    pub function: String,
    /// Object it runs on; empty = none.
    pub object: String,
    /// `bank.avm:12`.
    pub place: String,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ObjectSnapshot {
    /// Id.
    pub id: String,
    /// Behaviour: `bank.account`.
    pub behaviour: String,
    /// Machine, as programs see it.
    pub machine: String,
    /// Controller now; empty = none.
    pub controller: String,
    /// Controller at its creation; empty = none.
    pub creating_controller: String,
    /// Committed version.
    pub version: u64,
    /// Name of the torus it lives on.
    pub torus: String,
    /// Messages that wait.
    pub mailbox: u32,
    /// Bytes of its state.
    pub state_bytes: u64,
    /// Execution that changed it last; empty = not known any more.
    pub last_writer: String,
    /// When, Unix ns.
    pub changed_unix_ns: u64,
    /// Transaction whose intent is in it (`decisions:AVM-2`); empty = none.
    pub intent: String,
    /// Replicas of it on this node.
    pub replicas: u32,
}

/// What is known of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ObjectDetail {
    /// The row.
    pub row: ObjectSnapshot,
    /// Its state, as the language writes it, shortened.
    pub state: String,
    /// Content hash of its behaviour, hexadecimal.
    pub behaviour_hash: String,
    /// Its last versions, newest first.
    pub history: Vec<VersionSnapshot>,
    /// Messages that wait, oldest first, as the language writes them.
    pub messages: Vec<String>,
}

/// One version of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VersionSnapshot {
    /// The version.
    pub version: u64,
    /// Execution that wrote it.
    pub execution: String,
    /// Its transaction; empty = written outside one.
    pub transaction: String,
    /// When, Unix ns.
    pub at_unix_ns: u64,
    /// What changed: `created`, `state`, `controller`, `machine`, `destroyed`, `frozen`.
    pub what: String,
    /// The value after it, shortened; empty = evicted.
    pub value: String,
}

/// State of a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionState {
    /// Begun, not decided.
    Open,
    /// It waits for the solver or for other tori to decide.
    Deciding,
    /// Applied.
    Committed,
    /// Dropped; `why` says why.
    Aborted,
    /// The record holds a word this program does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One outermost transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TransactionSnapshot {
    /// Id.
    pub id: String,
    /// Its execution.
    pub execution: String,
    /// State.
    pub state: TransactionState,
    /// `conflict`, `unsatisfiable`, `unknown`, `error`, `program`; empty while it is not aborted.
    pub cause: String,
    /// One sentence: `object o17 changed by execution x9`.
    pub why: String,
    /// Controller; empty = not resolved.
    pub controller: String,
    /// When it began, Unix ns.
    pub began_unix_ns: u64,
    /// When it ended, Unix ns; 0 = it did not.
    pub ended_unix_ns: u64,
    /// Objects read.
    pub reads: u64,
    /// Objects written.
    pub writes: u64,
    /// Tori that took part.
    pub tori: Vec<String>,
    /// The first objects read; `show` gives all that are remembered.
    pub read_set: Vec<ReadSnapshot>,
    /// The first objects written.
    pub write_set: Vec<WriteSnapshot>,
    /// What it collided with.
    pub conflicts: Vec<ConflictSnapshot>,
    /// Requirements that cannot hold together, in program order.
    pub core: Vec<RequirementSnapshot>,
    /// What was chosen: `amount = 20 (2 of 3), bank.avm:12`.
    pub choices: Vec<String>,
    /// Time the solver took, ns; `None` = it was not asked.
    pub solver_ns: Option<u64>,
    /// Questions it asked.
    pub questions: u32,
    /// Runs it took to find the resolution.
    pub runs: u32,
    /// Segments that were composed into it: `A#f`.
    pub segments: Vec<String>,
}

/// An object in a read set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReadSnapshot {
    /// The object.
    pub object: String,
    /// Version read; `None` = it was absent.
    pub version: Option<u64>,
}

/// An object in a write set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WriteSnapshot {
    /// The object.
    pub object: String,
    /// `created`, `state`, `controller`, `machine`, `destroyed`.
    pub what: String,
    /// The value written, shortened.
    pub value: String,
}

/// Why a read was not valid any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConflictSnapshot {
    /// The object.
    pub object: String,
    /// Execution that changed it; empty = not known any more.
    pub changed_by: String,
    /// Its transaction; empty = it had none.
    pub transaction: String,
    /// Version read; `None` = it was absent.
    pub read: Option<u64>,
    /// Version found at the commit; `None` = it was absent.
    pub found: Option<u64>,
}

/// A requirement in the program's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RequirementSnapshot {
    /// Its name in the program; empty = it has none.
    pub name: String,
    /// The condition as written.
    pub text: String,
    /// `bank.avm:12`.
    pub place: String,
}

/// A stretch of the trace of one execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TraceSnapshot {
    /// The execution.
    pub execution: String,
    /// Its program and entry.
    pub program: String,
    /// Entries there are that pass what was asked for.
    pub total: u64,
    /// Number of the first entry below among those, from 0.
    pub from: u64,
    /// Entries lost because the trace was full (`decisions:AVM-21`).
    pub dropped: u64,
    /// `off`, `default` or `extended`.
    pub level: String,
    /// Hash of the trace so far, hexadecimal.
    pub hash: String,
    /// Who takes part, in the order of their first entry; the first is the program itself.
    pub lifelines: Vec<LifelineSnapshot>,
    /// How many more take part that are not among them, nor in the clocks; those the entries below speak of always are.
    pub lifelines_left_out: u64,
    /// The entries.
    pub entries: Vec<TraceEntry>,
}

/// A line of a sequence chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LifelineSnapshot {
    /// Id of the object, `main` for the program.
    pub id: String,
    /// Its behaviour; empty for the program.
    pub name: String,
}

/// One entry of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TraceEntry {
    /// Event counter of the execution.
    pub timestamp: u64,
    /// Name of the event: `ObjectCalled` (`avm:6`).
    pub event: String,
    /// Lifeline it comes from: the caller. Ids as in [`LifelineSnapshot::id`].
    pub from: String,
    /// Lifeline it goes to; empty = it concerns `from` alone.
    pub to: String,
    /// What is said: the message of a call, the arguments of an event.
    pub text: String,
    /// Output of a call; `None` = it gave none, or it is no call.
    pub output: Option<String>,
    /// Calls around this one: 0 = by the program itself. Entries of a callee stand before its call (`avm:7.6`); with this number
    /// the order of beginnings is found again.
    pub depth: u32,
    /// Its transaction; empty = none.
    pub transaction: String,
    /// Controller at that time; empty = none.
    pub controller: String,
    /// Where in the program; empty = not known.
    pub place: String,
    /// Why: of an abort, of an error, of a commit (`2 objects, 0 conflicts, 11 us`); empty = nothing to add.
    pub note: String,
    /// Torus it happened on.
    pub torus: String,
    /// Vector clock: a component for each lifeline that is known to have moved, by id.
    pub clock: Vec<(String, u64)>,
    /// True while its transaction is not decided.
    pub provisional: bool,
}
