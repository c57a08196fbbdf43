//! What the verifier finds wrong, and where.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::code::Module;
use crate::value::Kind;

/// One thing that is wrong with a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyError {
    /// Function: its number and name; `None` where the module as a whole is meant.
    pub function: Option<(usize, Arc<str>)>,
    /// Operation of that function, from 0.
    pub op: Option<usize>,
    /// File, line and column of the operation, where the module knows them.
    pub place: Option<(Arc<str>, u32, u16)>,
    /// What is wrong, and what was expected.
    pub problem: Problem,
}

impl VerifyError {
    pub(super) const fn of_module(problem: Problem) -> Self {
        Self { function: None, op: None, place: None, problem }
    }

    pub(super) fn of_function(module: &Module, index: usize, op: Option<usize>, problem: Problem) -> Self {
        let function = &module.functions[index];
        let place = op.and_then(|op| function.places.get(op)).and_then(|place| {
            let file = module.files.get(usize::from(place.file))?;
            Some((file.clone(), place.line, place.column))
        });
        Self { function: Some((index, function.name.clone())), op, place, problem }
    }
}

impl fmt::Display for VerifyError {
    /// `function 2 'main', operation 3 (ctr.avm:4:7): register r9 does not exist: the function has 4 registers`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((index, name)) = &self.function {
            write!(f, "function {index} '{name}'")?;
            if let Some(op) = self.op {
                write!(f, ", operation {op}")?;
            }
            if let Some((file, line, column)) = &self.place {
                write!(f, " ({file}:{line}:{column})")?;
            }
            f.write_str(": ")?;
        }
        fmt::Display::fmt(&self.problem, f)
    }
}

impl std::error::Error for VerifyError {}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Problem {
    #[error("{count} {what}: at most {most} are allowed")]
    TooMuch { what: &'static str, count: usize, most: usize },
    #[error("register r{reg} does not exist: the function has {registers} registers")]
    Register { reg: u8, registers: u8 },
    #[error("{count} registers from r{start} are needed: the function has {registers} registers")]
    Window { start: u8, count: usize, registers: u8 },
    #[error("constant {k} does not exist: the module has {constants} constants")]
    Constant { k: u16, constants: usize },
    #[error("constant {k} is of kind {}: expected {expected}", .found.word())]
    ConstantKind { k: u16, found: Kind, expected: &'static str },
    #[error("function {function} does not exist: the module has {functions} functions")]
    Function { function: u16, functions: usize },
    #[error("jumps to operation {to}: the function has {ops} operations")]
    Target { to: u32, ops: usize },
    #[error("the last operation goes on past the end: expected a return, a jump, a tail call or a failure")]
    FallsThrough,
    #[error("the function has no operations: expected at least a return")]
    NoCode,
    #[error("{arity} parameters do not fit in {registers} registers")]
    Frame { arity: u8, registers: u8 },
    #[error("{places} places for {ops} operations: expected one each, or none")]
    Places { places: usize, ops: usize },
    #[error("its place names source file {file}: the module has {files}")]
    PlaceFile { file: u16, files: usize },
    #[error("{0} is an unsafe instruction: the module must declare 'unsafe'")]
    Unsafe(&'static str),
    #[error("declared {}, found {}", pinned(.declared), pinned(.found))]
    Pinned { declared: bool, found: bool },
    #[error("binds {captured} parameters of '{function}', which has {arity}")]
    Captured { captured: u8, arity: u8, function: Arc<str> },
    #[error("{what} '{name}' names function {function}: the module has {functions} functions")]
    Missing { what: &'static str, name: String, function: u16, functions: usize },
    #[error("{what} '{name}' has a function of {arity} parameters: expected none")]
    Arity { what: &'static str, name: String, arity: u8 },
    #[error("pure function '{name}' reaches the instruction {instruction}: a pure function may hold none")]
    NotPure { name: String, instruction: &'static str },
    #[error("a {0} has no name")]
    EmptyName(&'static str),
    #[error("the name of a {0} is longer than 256 bytes")]
    LongName(&'static str),
    #[error("two {what} are called '{name}'")]
    Twice { what: &'static str, name: String },
    #[error("constant {k}: {what}")]
    Value { k: usize, what: &'static str },
    #[error("message '{tag}' of behaviour '{behaviour}': {what}")]
    Shape { behaviour: String, tag: String, what: &'static str },
    #[error("the module cannot be encoded: {0}")]
    Encoding(String),
}

const fn pinned(is: &bool) -> &'static str {
    if *is { "pinned (uses machine instructions)" } else { "not pinned" }
}
