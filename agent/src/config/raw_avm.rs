//! The AVM part of a configuration file as written; see [`super::raw`].

use avm::vm::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Programs on the tori whose workload is `kind = "avm"`. All bounds are for each torus unless they say otherwise; state is in
/// memory only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAvm {
    /// Program files loaded at start, relative to this configuration file.
    #[schemars(length(max = 256), inner(length(min = 1)))]
    pub load: Vec<String>,
    /// Names of the machines as programs see them, one for each torus that runs programs, in file order. Default: the names of
    /// the tori.
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machines: Option<Vec<String>>,
    /// Controllers that can be reached; a program that names another gets ErrControllerUnreachable. Empty: all can.
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub controllers: Vec<String>,
    /// What programs may not do here; who tries fails with ErrProgramCapability.
    #[schemars(length(max = 6))]
    pub denied: Vec<RawCapability>,
    /// Machines, of those above, that take no objects from others: moveObject there fails with ErrInvalidMachineTransfer.
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub sealed_machines: Vec<String>,
    /// Memory for all values, taken at start, MiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub heap_mib: u32,
    /// Executions, ended ones that are remembered included; at most `capacities.events - capacities.admission` of the torus.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub executions: u32,
    /// Ended executions that are remembered, with result and trace; the oldest is forgotten first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub remember: u32,
    /// Objects.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub objects: u64,
    /// Nested calls of one execution.
    #[schemars(range(min = 16, max = 10_000_000))]
    pub call_depth: u32,
    /// Operations of one quantum: what one torus event executes at most.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub quantum_ops: u32,
    /// Operations one execution may use; 0: as many as it likes.
    pub fuel: u64,
    /// Memory one execution may use, MiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub memory_mib: u32,
    /// Messages in one mailbox.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub mailbox: u32,
    /// Older versions kept of an object, for transactions that began before it changed.
    #[schemars(range(min = 1, max = 1_024))]
    pub versions: u32,
    /// Changes of objects that are remembered for whoever looks, of all objects together; 0: none.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub history: u32,
    /// Decided transactions that are remembered with what they read and wrote: so many commits, and so many that had choices or
    /// were not committed; 0: none.
    #[schemars(range(min = 0, max = 65_536))]
    pub transactions: u32,
    /// What traces hold.
    pub trace: RawTrace,
    /// Memory of the trace of one execution, KiB; what does not fit is counted as a gap.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub trace_kib: u32,
    /// Whether everybody who may change the node may load programs that say `unsafe`; an identity below can be given it alone.
    pub grant_unsafe: bool,
    /// Executions of one user that have not ended, on all tori; an identity below can have its own number.
    #[schemars(range(min = 1, max = 16_000_000))]
    pub quota_executions: u32,
    /// Programs one user has loaded, on the node; an identity below can have its own number.
    #[schemars(range(min = 0, max = 4_096))]
    pub quota_programs: u32,
    /// The solver pool of the node.
    pub solver: RawSolver,
    /// Users with rights of their own, one table each.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<RawAvmIdentity>,
    /// Executions started with the node, one table each.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<RawAvmStart>,
}

impl Default for RawAvm {
    fn default() -> Self {
        Self {
            load: Vec::new(),
            machines: None,
            controllers: Vec::new(),
            denied: Vec::new(),
            sealed_machines: Vec::new(),
            heap_mib: 64,
            executions: 4096,
            remember: 1024,
            objects: 1_000_000,
            call_depth: 100_000,
            quantum_ops: 1024,
            fuel: 0,
            memory_mib: 32,
            mailbox: 4096,
            versions: 16,
            history: 16_384,
            transactions: 1024,
            trace: RawTrace::Default,
            trace_kib: 1024,
            grant_unsafe: false,
            quota_executions: 1_000_000,
            quota_programs: 256,
            solver: RawSolver::default(),
            identity: Vec::new(),
            start: Vec::new(),
        }
    }
}

/// What a trace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawTrace {
    /// Nothing.
    Off,
    /// The specified events and notes.
    Default,
    /// All events.
    Extended,
}

/// Something a node may deny to programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawCapability {
    /// `now` and `sleep`.
    Clock,
    /// `random`.
    Random,
    /// `send`.
    Send,
    /// `reflect`, `scryMeta` and `scryDeep`.
    Reflect,
    /// `registerPure` and `updatePure`.
    Registry,
    /// `teleport`, `moveObject` and `fetch`.
    Machines,
}

impl RawCapability {
    /// As the machine calls it.
    #[must_use]
    pub const fn capability(self) -> Capability {
        match self {
            Self::Clock => Capability::Clock,
            Self::Random => Capability::Random,
            Self::Send => Capability::Send,
            Self::Reflect => Capability::Reflect,
            Self::Registry => Capability::Registry,
            Self::Machines => Capability::Machines,
        }
    }
}

/// The solver pool of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawSolver {
    /// Who answers.
    pub kind: SolverKind,
    /// Threads that solve.
    #[schemars(range(min = 1, max = 16))]
    pub threads: u32,
    /// Questions of one torus that may wait; executions beyond that wait with their question.
    #[schemars(range(min = 1, max = 65_536))]
    pub queue: u32,
    /// Time after which a question is interrupted, milliseconds; the execution gets ErrProgramSolverUnknown.
    #[schemars(range(min = 10, max = 3_600_000))]
    pub timeout_ms: u64,
    /// Steps of the search; the resource limit of Z3 follows from it. Deterministic, unlike the time.
    #[schemars(range(min = 1_000))]
    pub steps: u64,
    /// Nodes of one question.
    #[schemars(range(min = 16, max = 100_000_000))]
    pub nodes: u32,
    /// Memory of all questions that Z3 is asked at a time, MiB, as Z3 counts it: it looks while it searches, gives a question up
    /// beyond it, and the execution gets ErrProgramSolverUnknown. The built-in search is bounded by `nodes` and `steps` alone.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub memory_mib: u32,
}

impl Default for RawSolver {
    fn default() -> Self {
        Self {
            kind: if cfg!(feature = "z3") { SolverKind::Z3 } else { SolverKind::BuiltIn },
            threads: 1,
            queue: 1024,
            timeout_ms: 10_000,
            steps: 50_000_000,
            nodes: 200_000,
            memory_mib: 1024,
        }
    }
}

/// Who answers questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SolverKind {
    /// The solver Z3.
    Z3,
    /// The complete search that is built in.
    BuiltIn,
}

/// A user with rights of its own; what is absent is as for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAvmIdentity {
    /// Name or number of the user, as the socket sees the caller.
    #[schemars(length(min = 1, max = 64))]
    pub user: String,
    /// Whether it may load programs that say `unsafe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_unsafe: Option<bool>,
    /// Its executions that have not ended.
    #[schemars(range(min = 0, max = 16_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions: Option<u32>,
    /// Its loaded programs.
    #[schemars(range(min = 0, max = 4_096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<u32>,
}

/// Executions started with the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAvmStart {
    /// Name of the program: that of its file without `.avm`.
    #[schemars(length(min = 1, max = 64))]
    pub program: String,
    /// Entry.
    #[schemars(length(min = 1, max = 64))]
    pub entry: String,
    /// Arguments, as the language writes values.
    #[schemars(length(max = 64))]
    pub arguments: Vec<String>,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Torus they start on, by name. Absent: the first that runs programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torus: Option<String>,
    /// Seed of the first; each following one has the next. Absent: drawn and recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for RawAvmStart {
    fn default() -> Self {
        Self {
            program: String::new(),
            entry: "main".to_owned(),
            arguments: Vec::new(),
            count: 1,
            torus: None,
            seed: None,
        }
    }
}
