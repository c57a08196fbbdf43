//! What may be asked of the AVM over the control socket: `POST /v1/avm` with an [`AvmRequest`], answered by an [`AvmReply`] or an
//! [`crate::api::Refusal`]. A route of its own: a program is larger than any other request, and most of these questions change
//! nothing, so whoever may look may ask them ([`AvmRequest::changes`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ExecutionDetail, ExecutionSnapshot, Listing, ObjectDetail, ObjectSnapshot, PAGE_ROWS, ProgramSnapshot,
    SolverSnapshot, TraceSnapshot, TransactionSnapshot,
};

/// Most bytes of a request.
pub const REQUEST_BYTES: usize = 4 << 20;

/// Which rows of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// First row, from 0.
    pub from: u64,
    /// How many, at most [`PAGE_ROWS`]; 0 = as many as that.
    pub count: u32,
    /// A column of [`EXECUTION_COLUMNS`], [`OBJECT_COLUMNS`] or [`TRANSACTION_COLUMNS`]; empty = the natural order.
    pub sort: String,
    /// Largest first.
    pub descending: bool,
    /// Rows that contain this in any of their words (id, program, state, torus, ...), case apart; empty = all.
    pub filter: String,
}

/// Columns executions can be sorted by.
pub const EXECUTION_COLUMNS: [&str; 9] =
    ["id", "program", "state", "fuel", "memory", "torus", "moves", "since", "aborts"];
/// Columns objects can be sorted by.
pub const OBJECT_COLUMNS: [&str; 8] =
    ["id", "behaviour", "controller", "version", "torus", "mailbox", "bytes", "changed"];
/// Columns transactions can be sorted by.
pub const TRANSACTION_COLUMNS: [&str; 8] = ["id", "execution", "state", "reads", "writes", "solver", "runs", "began"];

impl Query {
    /// How many rows an answer may have.
    #[must_use]
    pub fn rows(&self) -> usize {
        let asked = if self.count == 0 { PAGE_ROWS } else { self.count.min(PAGE_ROWS) };
        asked as usize
    }

    /// As options of a command line, with a leading blank when there are any.
    fn options(&self) -> String {
        let mut out = String::new();
        if !self.filter.is_empty() {
            out += &format!(" --filter {}", quoted(&self.filter));
        }
        if !self.sort.is_empty() {
            out += &format!(" --sort {}", self.sort);
        }
        if self.descending {
            out += " --descending";
        }
        if self.from > 0 {
            out += &format!(" --from {}", self.from);
        }
        if self.count > 0 {
            out += &format!(" --count {}", self.count);
        }
        out
    }
}

/// One file of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the file, for messages: `bank.avm`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One part of a composed transaction (`avm:11` R2): an entry with arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Program.
    pub program: String,
    /// Entry.
    pub entry: String,
    /// Arguments, as the language writes values.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// What is to be started, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// Program.
    pub program: String,
    /// Entry.
    pub entry: String,
    /// Arguments, as the language writes values.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// How many equal executions.
    #[serde(default = "one")]
    pub count: u32,
    /// Torus it starts on; `None` = the least loaded.
    #[serde(default)]
    pub torus: Option<String>,
    /// Seed of its random numbers; `None` = drawn and recorded.
    #[serde(default)]
    pub seed: Option<u64>,
    /// `off`, `default` or `extended`; `None` = the node's.
    #[serde(default)]
    pub trace: Option<String>,
    /// Operations it may use; `None` = the node's limit.
    #[serde(default)]
    pub fuel: Option<u64>,
    /// Memory it may use, bytes; `None` = the node's limit, which it never exceeds.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Controller whose authority it has.
    #[serde(default)]
    pub authority: Option<String>,
    /// Wait in `receive` instead of getting `nothing`.
    #[serde(default)]
    pub blocking: bool,
    /// Execution whose child it is: it starts on the same torus and ends no later; `None` = nobody's.
    #[serde(default)]
    pub parent: Option<String>,
    /// It is ended after so many ticks of its torus (`decisions:AVM-23`); `None` = it has as long as it likes.
    #[serde(default)]
    pub deadline: Option<u64>,
}

impl StartRequest {
    /// One execution of an entry, everything else as the node has it.
    #[must_use]
    pub fn new(program: &str, entry: &str) -> Self {
        Self { program: program.to_owned(), entry: entry.to_owned(), count: 1, ..Self::default() }
    }

    /// As it is written after `trefoil avm`.
    fn line(&self) -> String {
        let mut out =
            format!("start {}{}", quoted(&format!("{}#{}", self.program, self.entry)), words(&self.arguments));
        if self.count != 1 {
            out += &format!(" --count {}", self.count);
        }
        let options = [
            ("torus", self.torus.clone()),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("trace", self.trace.clone()),
            ("fuel", self.fuel.map(|fuel| fuel.to_string())),
            ("memory", self.memory_bytes.map(|bytes| bytes.to_string())),
            ("authority", self.authority.clone()),
            ("parent", self.parent.clone()),
            ("deadline", self.deadline.map(|ticks| ticks.to_string())),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                out += &format!(" --{name} {}", quoted(&value));
            }
        }
        if self.blocking {
            out += " --blocking";
        }
        out
    }
}

/// What may be asked. Each has a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AvmRequest {
    /// `trefoil avm load FILE...`: check, compile and load programs.
    Load {
        /// The files; the first is the one meant, the others are what it imports.
        sources: Vec<Source>,
    },
    /// `trefoil avm programs`: what is loaded.
    Programs {},
    /// `trefoil avm start PROGRAM#ENTRY [ARGUMENT...]`.
    Start(StartRequest),
    /// `trefoil avm ps`: executions.
    Ps {
        /// Which.
        #[serde(default)]
        query: Query,
    },
    /// `trefoil avm show ID`: an execution (`x7`), an object (`o3`) or a transaction (`t4`).
    Show {
        /// The id.
        id: String,
    },
    /// `trefoil avm suspend ID`.
    Suspend {
        /// The execution.
        id: String,
    },
    /// `trefoil avm resume ID`.
    Resume {
        /// The execution.
        id: String,
    },
    /// `trefoil avm kill ID`: end it and its children; open transactions abort.
    Kill {
        /// The execution.
        id: String,
    },
    /// `trefoil avm call OBJECT MESSAGE`: one call as an execution of its own; the answer is its output.
    Call {
        /// The object.
        object: String,
        /// The message, as the language writes values.
        message: String,
        /// Controller whose authority it has.
        #[serde(default)]
        authority: Option<String>,
    },
    /// `trefoil avm upgrade OBJECT BEHAVIOUR`: another behaviour for a living object, which keeps its state.
    Upgrade {
        /// The object.
        object: String,
        /// `module.behaviour`, of the text loaded last.
        behaviour: String,
        /// Controller whose authority it has.
        #[serde(default)]
        authority: Option<String>,
    },
    /// `trefoil avm send OBJECT MESSAGE`: into its mailbox.
    Send {
        /// The object.
        object: String,
        /// The message, as the language writes values.
        message: String,
    },
    /// `trefoil avm trace ID`.
    Trace {
        /// The execution.
        id: String,
        /// First entry, from 0; `None` = so that the newest are in it.
        #[serde(default)]
        from: Option<u64>,
        /// How many, at most [`PAGE_ROWS`]; 0 = as many as that.
        #[serde(default)]
        count: u32,
        /// Only entries about this object; empty = all.
        #[serde(default)]
        object: String,
        /// Only entries of this event; empty = all.
        #[serde(default)]
        event: String,
        /// Only entries from this timestamp on.
        #[serde(default)]
        since: u64,
        /// As a sequence chart of so many columns ([`AvmReply::Text`]); 0 = as rows.
        #[serde(default)]
        width: u32,
    },
    /// `trefoil avm objects`.
    Objects {
        /// Which.
        #[serde(default)]
        query: Query,
    },
    /// `trefoil avm tx`: transactions.
    Tx {
        /// Which.
        #[serde(default)]
        query: Query,
    },
    /// `trefoil avm solver`: the whole record of the solver pool.
    Solver {},
    /// `trefoil avm constraints ID [--smtlib]`: what an execution's open transaction, or a transaction that is remembered, asks of
    /// the solver.
    Constraints {
        /// Execution or transaction.
        id: String,
        /// SMT-LIB 2 instead of JSON.
        #[serde(default)]
        smtlib: bool,
    },
    /// `trefoil avm compose A#f B#g [--parallel]`: several entries in one atomic commit.
    Compose {
        /// The parts.
        segments: Vec<Segment>,
        /// On one snapshot and disjoint, instead of one after the other.
        #[serde(default)]
        parallel: bool,
    },
}

fn one() -> u32 {
    1
}

fn authority_option(authority: Option<&str>) -> String {
    authority.map_or_else(String::new, |name| format!(" --authority {}", quoted(name)))
}

/// A word of a shell command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:#@,+=%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn words(arguments: &[String]) -> String {
    arguments.iter().map(|argument| format!(" {}", quoted(argument))).collect()
}

impl AvmRequest {
    /// True when it changes something: only whoever may change may ask it.
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Programs {}
                | Self::Ps { .. }
                | Self::Show { .. }
                | Self::Trace { .. }
                | Self::Objects { .. }
                | Self::Tx { .. }
                | Self::Solver {}
                | Self::Constraints { .. }
        )
    }

    /// The command line that does the same.
    #[must_use]
    pub fn command_line(&self) -> String {
        let rest = match self {
            Self::Load { sources } => {
                let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
                format!("load{}", words(&names))
            }
            Self::Programs {} => "programs".to_owned(),
            Self::Start(start) => start.line(),
            Self::Ps { query } => format!("ps{}", query.options()),
            Self::Show { id } => format!("show {}", quoted(id)),
            Self::Suspend { id } => format!("suspend {}", quoted(id)),
            Self::Resume { id } => format!("resume {}", quoted(id)),
            Self::Kill { id } => format!("kill {}", quoted(id)),
            Self::Call { object, message, authority } => {
                format!("call {} {}{}", quoted(object), quoted(message), authority_option(authority.as_deref()))
            }
            Self::Upgrade { object, behaviour, authority } => {
                format!("upgrade {} {}{}", quoted(object), quoted(behaviour), authority_option(authority.as_deref()))
            }
            Self::Send { object, message } => format!("send {} {}", quoted(object), quoted(message)),
            Self::Trace { .. } => self.trace_line(),
            Self::Objects { query } => format!("objects{}", query.options()),
            Self::Tx { query } => format!("tx{}", query.options()),
            Self::Solver {} => "solver".to_owned(),
            Self::Constraints { id, smtlib } => {
                format!("constraints {}{}", quoted(id), if *smtlib { " --smtlib" } else { "" })
            }
            Self::Compose { segments, parallel } => {
                // A part with arguments is one word: `A#f(5)`.
                let parts: String = segments
                    .iter()
                    .map(|part| {
                        let arguments = if part.arguments.is_empty() {
                            String::new()
                        } else {
                            format!("({})", part.arguments.join(", "))
                        };
                        format!(" {}", quoted(&format!("{}#{}{arguments}", part.program, part.entry)))
                    })
                    .collect();
                format!("compose{parts}{}", if *parallel { " --parallel" } else { "" })
            }
        };
        format!("trefoil avm {rest}")
    }

    fn trace_line(&self) -> String {
        let Self::Trace { id, from, count, object, event, since, width } = self else { return String::new() };
        let mut out = format!("trace {}", quoted(id));
        for (name, value) in [("object", object), ("event", event)] {
            if !value.is_empty() {
                out += &format!(" --{name} {}", quoted(value));
            }
        }
        for (name, value) in [("since", *since), ("from", from.unwrap_or(0)), ("count", u64::from(*count))] {
            if value > 0 {
                out += &format!(" --{name} {value}");
            }
        }
        if *width > 0 {
            out += " --chart";
        }
        out
    }
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", content = "value", rename_all = "kebab-case")]
pub enum AvmReply {
    /// Done: one line for a person.
    Done(String),
    /// What was loaded, and what is loaded.
    Programs(Vec<ProgramSnapshot>),
    /// Ids of the executions started; of many the first [`PAGE_ROWS`].
    Started(Vec<String>),
    /// A page of executions.
    Executions(Listing<ExecutionSnapshot>),
    /// A page of objects.
    Objects(Listing<ObjectSnapshot>),
    /// A page of transactions.
    Transactions(Listing<TransactionSnapshot>),
    /// One execution.
    Execution(Box<ExecutionDetail>),
    /// One object.
    Object(Box<ObjectDetail>),
    /// One transaction, with all of its sets that is remembered.
    Transaction(Box<TransactionSnapshot>),
    /// A stretch of a trace.
    Trace(Box<TraceSnapshot>),
    /// The solver pool.
    Solver(Box<SolverSnapshot>),
    /// The output of a call, as the language writes it; `None` = it gave none.
    Output(Option<String>),
    /// Constraints, as JSON or SMT-LIB 2.
    Text(String),
    /// How a composed transaction ended.
    Composed {
        /// True = committed.
        committed: bool,
        /// The transaction, with why not when it did not.
        transaction: Box<TransactionSnapshot>,
        /// Result of each segment, as the language writes it.
        results: Vec<String>,
    },
}
