//! What a lane is made with, what goes in and what comes out: plain data (`avm:11`, `decisions:AVM-5`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::code::Place;
use crate::error::AvmError;
use crate::event::TraceLevel;
use crate::id::{ControllerId, ExecutionId, MachineId, ObjectId, TxId, VarId};
use crate::nondet::{Ir, Limits, Outcome};
use crate::value::Val;

/// How a lane is made. Everything bounded is bounded here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Node, in the ids this lane gives out.
    pub node: u16,
    /// Torus, in the ids this lane gives out.
    pub torus: u8,
    /// Tori of the node whose objects are reached (`decisions:AVM-2`), this one may be among them; objects of others do not exist.
    pub homes: Vec<u8>,
    /// Machine on which executions start.
    pub machine: MachineId,
    /// Reachable machines; empty: all.
    pub machines: Vec<MachineId>,
    /// Reachable controllers; empty: all.
    pub controllers: Vec<ControllerId>,
    /// Several controllers that may be lost: an owner that is not reachable makes its objects unavailable (`avm:3`).
    pub multi_controller: bool,
    /// Heap of all values of the lane, bytes; taken at start.
    pub heap_bytes: usize,
    /// Most executions, ended ones that are still asked about included.
    pub executions: u32,
    /// Most objects.
    pub objects: u64,
    /// Most nested calls; and four times as many function frames.
    pub call_depth: u32,
    /// Operations of one quantum.
    pub quantum_ops: u32,
    /// Operations of an execution that asks for no other number; `u64::MAX`: without end.
    pub fuel: u64,
    /// Net growth of the heap one execution may cause, with its registers, trace, transaction, choices and finite domains, bytes; what
    /// stands beside the heap is counted about.
    pub memory_bytes: u64,
    /// Trace of executions that ask for no other.
    pub trace: TraceLevel,
    /// Most memory of one execution's trace, bytes; what does not fit is counted as a gap.
    pub trace_bytes: u64,
    /// Whether programs that say `unsafe` are loaded.
    pub grant_unsafe: bool,
    /// What programs may not do here (`decisions:AVM-15`): who tries fails with `ErrProgramCapability`; for [`Capability::Reflect`] with
    /// `ErrReflectionDenied` or `ErrTxStateAccessDenied` (`avm:4.3`, `avm:4.4`).
    pub denied: Vec<Capability>,
    /// Machines that take no objects from others: `moveObject` there fails with `ErrInvalidMachineTransfer` (`avm:4.7`).
    pub sealed_machines: Vec<MachineId>,
    /// Whether there are finite domains.
    pub fd: bool,
    /// Whether there are choices that are decided at commit; without, those of a transaction fail with `ErrNotImplemented`.
    pub choices: bool,
    /// Most names of machines and controllers. One execution brings at most 1 024; a quarter is kept for what comes in from outside.
    pub names: u32,
    /// Most messages in one mailbox, and most that a replica has taken and no `freeze` has brought home.
    pub mailbox: u32,
    /// Most older versions kept of one object.
    pub versions: u32,
    /// Most nodes of one value, shared parts counted each time.
    pub value_nodes: u32,
    /// Most runs of one transaction while its choices are decided.
    pub runs: u32,
    /// Changes of objects that are remembered for whoever looks ([`super::Lane::history`]); 0: none.
    pub history: u32,
    /// Decided transactions that are remembered with what they read and wrote ([`super::Lane::decided`]): so many plain commits,
    /// and so many others; 0: none.
    pub transactions: u32,
    /// What a question to the solver may cost.
    pub solver: Limits,
    /// Whether changes of the store go out as records that are acknowledged; otherwise the state is in memory only.
    pub records: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: 0,
            torus: 0,
            homes: Vec::new(),
            machine: "m0".into(),
            machines: Vec::new(),
            controllers: Vec::new(),
            multi_controller: false,
            heap_bytes: 256 << 20,
            executions: 4096,
            objects: 1 << 24,
            call_depth: 100_000,
            quantum_ops: 1024,
            fuel: u64::MAX,
            memory_bytes: 128 << 20,
            trace: TraceLevel::Default,
            trace_bytes: 16 << 20,
            grant_unsafe: false,
            denied: Vec::new(),
            sealed_machines: Vec::new(),
            fd: true,
            choices: true,
            names: 1 << 20,
            mailbox: 4096,
            versions: 16,
            value_nodes: 1 << 22,
            runs: 10_000,
            history: 0,
            transactions: 0,
            solver: Limits::default(),
            records: false,
        }
    }
}

/// Something a node may deny to programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// `now` and `sleep`.
    Clock,
    /// `random`.
    Random,
    /// `send`.
    Send,
    /// `reflect`, `scryMeta`, `scryDeep` and `reifyTxState`.
    Reflect,
    /// `registerPure` and `updatePure`.
    Registry,
    /// `teleport`, `moveObject` and `fetch`.
    Machines,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Clock, Self::Random, Self::Send, Self::Reflect, Self::Registry, Self::Machines];

    /// What errors and configurations call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Send => "send",
            Self::Reflect => "reflect",
            Self::Registry => "registry",
            Self::Machines => "machines",
        }
    }
}

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Name of a loaded module.
    pub module: Arc<str>,
    /// One of its entries.
    pub entry: Arc<str>,
    /// Arguments: the parameters of the entry, and what `args` returns.
    pub args: Vec<Val>,
    /// What `input` returns at top level.
    pub input: Val,
    /// Seed of `random`.
    pub seed: u64,
    /// Time `now` returns, ns.
    pub now_ns: u64,
    /// Trace level; `None`: the lane's.
    pub trace: Option<TraceLevel>,
    /// Operations it may take; `None`: the lane's.
    pub fuel: Option<u64>,
    /// Memory it may use, bytes; `None`: the lane's. It is never more than that.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Authority it runs under (`avm:10.3`).
    pub authority: Option<ControllerId>,
    /// Execution that started it: it ends no later than that one.
    pub parent: Option<ExecutionId>,
    /// Whether `receive` waits for a message.
    pub blocking: bool,
    /// How the outermost transactions of the same execution were decided before, in order, as [`super::Lane::decisions`] tells: they
    /// are decided so again and nobody is asked (`decisions:AVM-10`). Empty: nothing is known.
    pub decided: Vec<Decision>,
}

impl Start {
    /// An entry without arguments, everything else as the lane has it.
    #[must_use]
    pub fn new(module: &str, entry: &str) -> Self {
        Self {
            module: module.into(),
            entry: entry.into(),
            args: Vec::new(),
            input: Val::Nothing,
            seed: 0,
            now_ns: 0,
            trace: None,
            fuel: None,
            memory_bytes: None,
            authority: None,
            parent: None,
            blocking: false,
            decided: Vec::new(),
        }
    }
}

/// Why a module is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// It says `unsafe` and the node does not grant it.
    #[error("module {0} needs 'unsafe' and this node does not grant it: set avm.grant_unsafe")]
    UnsafeRefused(Arc<str>),
    /// Its constants do not fit the heap.
    #[error("module {0} does not fit the heap: raise avm.heap_mib")]
    Memory(Arc<str>),
    /// It registers a pure function that another module has.
    #[error("module {0} brings the pure function {1}, which another module has registered")]
    FunctionTaken(Arc<str>, Arc<str>),
    /// Too much code: replaced modules count, for objects and executions live by them.
    #[error(
        "module {0} does not fit beside {1} modules and replaced versions of modules, which are kept for what was made with them: \
         restart the node to drop those, or raise avm.heap_mib"
    )]
    Code(Arc<str>, usize),
}

/// Why an execution is not started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StartError {
    /// No such module.
    #[error("module {0} is not loaded")]
    NoModule(Arc<str>),
    /// No such entry.
    #[error("module {0} has no entry {1}; it has: {2}")]
    NoEntry(Arc<str>, Arc<str>, String),
    /// Other number of arguments.
    #[error("entry {0} takes {1} arguments, {2} were given")]
    Arity(Arc<str>, u8, usize),
    /// Too many executions.
    #[error("{0} executions are there already: end or forget one")]
    Full(u32),
    /// Arguments do not fit.
    #[error("the arguments do not fit the heap, or are nested too deeply")]
    Memory,
    /// Parent is not running.
    #[error("parent {0} is not running")]
    NoParent(ExecutionId),
    /// Message to an object that is not here, or to a full mailbox.
    #[error("the mailbox of {0} does not exist or is full")]
    Mailbox(ObjectId),
}

/// What an execution did in one quantum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantum {
    /// It can go on.
    Yielded,
    /// It waits.
    Suspended(Why),
    /// It is over; see [`super::Lane::result`].
    Ended,
}

/// What an execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// `suspend` was asked for.
    Asked,
    /// The answer of the solver.
    Solving,
    /// A message.
    Receiving,
    /// The end of a sleep.
    Sleeping,
    /// An object or an answer of another torus.
    Elsewhere,
    /// The acknowledgement of a commit record.
    Recording,
}

/// State of an execution (`avm:11`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Can go on.
    Running,
    /// Waits.
    Suspended(Why),
    /// Over.
    Terminated,
}

/// What goes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Answer to [`Output::Solve`].
    Solved {
        /// Who asked.
        execution: ExecutionId,
        /// The answer.
        outcome: Outcome,
    },
    /// The sleep of an execution is over.
    Woken {
        /// Who slept.
        execution: ExecutionId,
        /// What `now` returns from here on, ns.
        now_ns: u64,
    },
    /// Records up to a number are written down.
    Recorded {
        /// Number of the last of them.
        number: u64,
    },
    /// A message for the mailbox of an object, from outside every execution.
    Message {
        /// To whom.
        to: ObjectId,
        /// What.
        message: Val,
    },
    /// A message for the mailbox of the root of an execution.
    RootMessage {
        /// To whom.
        to: ExecutionId,
        /// What.
        message: Val,
    },
    /// From another torus.
    Envelope {
        /// From which.
        from: u8,
        /// What.
        envelope: Envelope,
    },
    /// An envelope that was to go to a torus to which there is no way: who waits for an answer to it fails with
    /// `ErrMachineUnreachable` (`avm:10.1`).
    Undeliverable {
        /// To which.
        to: u8,
        /// What.
        envelope: Envelope,
    },
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// A question to a solver; answered by [`Input::Solved`].
    Solve {
        /// Who asks.
        execution: ExecutionId,
        /// The question.
        ir: Box<Ir>,
        /// What it may cost.
        limits: Limits,
    },
    /// To another torus.
    Send {
        /// To which.
        to: u8,
        /// What.
        envelope: Envelope,
    },
    /// A change of the store, to be written down; answered by [`Input::Recorded`].
    Record(Box<super::record::Record>),
    /// An execution sleeps, or waits for a message so long and no longer; answered by [`Input::Woken`], unless [`Output::Ready`]
    /// says first that a message has come.
    Sleep {
        /// Who sleeps.
        execution: ExecutionId,
        /// How long, ticks.
        ticks: u64,
    },
    /// A note a program has made (`decisions:AVM-23a`), whatever its trace holds; in order.
    Noted {
        /// Who made it.
        execution: ExecutionId,
        /// What it says.
        value: Val,
    },
    /// Notes that did not fit: of one transaction or quantum at most 4 096 with 262 144 nodes wait.
    NotesLost {
        /// Who made them.
        execution: ExecutionId,
        /// How many.
        count: u64,
    },
    /// An execution that waited can go on.
    Ready(ExecutionId),
    /// An execution is over.
    Ended(ExecutionId),
}

/// Between tori.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Envelope {
    /// A message for a mailbox, sent with `send`.
    Message {
        /// To whom.
        to: ObjectId,
        /// From whom: an object, or the root of an execution.
        sender: ObjectId,
        /// In which execution.
        execution: ExecutionId,
        /// What.
        message: Val,
    },
    /// About objects and commits over several tori (`decisions:AVM-2`).
    Remote(Box<super::remote::Remote>),
}

/// How an execution ended without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub error: AvmError,
    /// Where, innermost first; cut after 64.
    pub stack: Vec<StackEntry>,
}

/// One level of a failed execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEntry {
    /// `module.function`.
    pub function: String,
    /// Source file, where known.
    pub file: Option<Arc<str>>,
    /// Place, where known.
    pub place: Option<Place>,
    /// Object on whose behalf, at the entry of its behaviour.
    pub object: Option<ObjectId>,
}

/// How a transaction was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which.
    pub tx: TxId,
    /// Option index of each of its choices, in order of execution.
    pub choices: Vec<u32>,
    /// Value of each variable that stood in a requirement, and of those tied to them, when it was committed.
    pub vars: Vec<(VarId, Val)>,
    /// Runs that were needed.
    pub runs: u32,
    /// Why it was not committed, if so.
    pub refused: Option<Refused>,
}

/// Why a commit answered false (`decisions:AVM-23j`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// An object it had read was changed.
    Changed {
        /// Which.
        object: ObjectId,
        /// Who changed it, where still known.
        by: Option<ExecutionId>,
    },
    /// A pure function it had used was updated.
    Updated {
        /// Its name.
        function: Arc<str>,
    },
    /// No resolution makes all requirements true: a canonical core of the observable run in order of execution, with names and places.
    /// Behind the requirements it has the constraints that take part, and behind those what excludes the other ways through the
    /// transaction.
    Unsatisfiable {
        /// Positions; from the number of requirements on those of constraints.
        core: Vec<u32>,
        /// What they are called: name, or file:line:column, or the position; `post v1 <= 3` of a constraint; `others` at the end when
        /// there are too many.
        names: Vec<String>,
        /// Where each stands: file:line:column; empty where that is not known.
        places: Vec<String>,
    },
    /// It never came to its commit: the program aborted it, or ended with it open; remembered only where
    /// [`Config::transactions`] asks for it.
    Dropped {
        /// The error that ended the program.
        error: Option<String>,
    },
}

/// An execution at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionSummary {
    /// Which.
    pub id: ExecutionId,
    /// Module and entry.
    pub program: String,
    /// State.
    pub status: Status,
    /// Whether it failed; only when terminated.
    pub failed: bool,
    /// Operations done.
    pub operations: u64,
    /// Events counted.
    pub events: u64,
    /// Entries that its trace had no room for.
    pub lost: u64,
    /// Nested calls now.
    pub depth: u32,
    /// Open transactions now, outermost first.
    pub transactions: Vec<TxId>,
    /// Objects its open transaction holds.
    pub touched: u32,
    /// Heap it is charged for, bytes.
    pub memory_bytes: u64,
    /// Memory it may use, bytes.
    pub memory_limit: u64,
    /// What its trace holds.
    pub trace: TraceLevel,
    /// What it waits for, while it waits for a thing.
    pub waits_for: Option<super::past::Waits>,
    /// Who started it.
    pub parent: Option<ExecutionId>,
    /// Whether it holds machine instructions: the balancer leaves it where it is.
    pub pinned: bool,
    /// Outermost transactions committed, refused and aborted so far.
    pub committed: u64,
    /// See `committed`.
    pub refused: u64,
    /// See `committed`.
    pub aborted: u64,
    /// Of those refused: no resolution satisfies the requirements.
    pub unsatisfiable: u64,
    /// Of those aborted: the solver did not decide.
    pub undecided: u64,
    /// Of those aborted: another error ended the program.
    pub failures: u64,
}

/// An object at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSummary {
    /// Which.
    pub id: ObjectId,
    /// `module.behaviour`.
    pub behaviour: Arc<str>,
    /// Machine.
    pub machine: MachineId,
    /// Controller that created it.
    pub creating_controller: Option<ControllerId>,
    /// Controller now.
    pub controller: Option<ControllerId>,
    /// Version.
    pub version: u64,
    /// Nodes of its state.
    pub state_nodes: u32,
    /// Messages in its mailbox.
    pub mailbox: u32,
    /// Execution that changed it last, where known.
    pub writer: Option<ExecutionId>,
    /// When, as [`super::Lane::set_time`] was told, ns; 0 = that is not remembered.
    pub changed_ns: u64,
    /// Execution whose undecided transaction will write it (`decisions:AVM-2`).
    pub intent: Option<ExecutionId>,
    /// Replicas of it here.
    pub replicas: u32,
}
