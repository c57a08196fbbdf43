//! The AVM part of a checked configuration.

use std::path::PathBuf;
use std::time::Duration;

use avm::event::TraceLevel;
use avm::vm::Capability;

pub use super::raw_avm::SolverKind;

/// Programs on the tori of a node; all bounds are for each torus unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Avm {
    /// Program files loaded at start.
    pub load: Vec<PathBuf>,
    /// Name of the machine of each torus that runs programs, in file order.
    pub machines: Vec<String>,
    /// Reachable controllers; empty = all.
    pub controllers: Vec<String>,
    /// What programs may not do.
    pub denied: Vec<Capability>,
    /// Machines that take no objects from others; each is one of `machines`.
    pub sealed_machines: Vec<String>,
    /// Heap, bytes.
    pub heap_bytes: usize,
    /// Executions.
    pub executions: u32,
    /// Ended executions that are remembered.
    pub remember: u32,
    /// Objects.
    pub objects: u64,
    /// Nested calls.
    pub call_depth: u32,
    /// Operations of a quantum.
    pub quantum_ops: u32,
    /// Operations of an execution; `u64::MAX` = without end.
    pub fuel: u64,
    /// Memory of an execution, bytes.
    pub memory_bytes: u64,
    /// Messages in a mailbox.
    pub mailbox: u32,
    /// Older versions of an object.
    pub versions: u32,
    /// Changes of objects that are remembered.
    pub history: u32,
    /// Decided transactions that are remembered: so many commits, so many others.
    pub transactions: u32,
    /// Trace.
    pub trace: TraceLevel,
    /// Bytes of a trace.
    pub trace_bytes: u64,
    /// Rights of everybody who may change the node.
    pub everybody: Rights,
    /// Users with rights of their own, by number.
    pub identities: Vec<(u32, Rights)>,
    /// The solver pool.
    pub solver: Solver,
    /// Executions started with the node.
    pub start: Vec<Start>,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Load programs that say `unsafe`.
    pub grant_unsafe: bool,
    /// Executions that have not ended.
    pub executions: u32,
    /// Loaded programs.
    pub programs: u32,
}

/// The solver pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solver {
    /// Who answers.
    pub kind: SolverKind,
    /// Threads.
    pub threads: u32,
    /// Questions of one torus that may wait.
    pub queue: u32,
    /// After so long a question is interrupted.
    pub timeout: Duration,
    /// Steps.
    pub steps: u64,
    /// Nodes of a question.
    pub nodes: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// Executions started with the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Program.
    pub program: String,
    /// Entry.
    pub entry: String,
    /// Arguments, as the language writes values.
    pub arguments: Vec<String>,
    /// How many.
    pub count: u32,
    /// Torus, by name.
    pub torus: Option<String>,
    /// Seed of the first; `None` = drawn.
    pub seed: Option<u64>,
}

impl Avm {
    /// What a user may do.
    #[must_use]
    pub fn rights(&self, uid: u32) -> Rights {
        self.identities.iter().find(|(user, _)| *user == uid).map_or(self.everybody, |(_, rights)| *rights)
    }

    /// Whether anybody may load programs that say `unsafe`.
    #[must_use]
    pub fn any_unsafe(&self) -> bool {
        self.everybody.grant_unsafe || self.identities.iter().any(|(_, rights)| rights.grant_unsafe)
    }
}
