//! The verifier: what it accepts cannot make the machine read a register, constant, function, place or operation that does not
//! exist, run off the end of a function, or do what the module did not declare. Kinds and ranges of values at run time stay the
//! machine's to check: they end in named errors of the program (`decisions:AVM-15`).

mod error;
mod names;
mod ops;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

pub use error::{Problem, VerifyError};
pub(super) use names::shallow;
pub(super) use values::value as value_fault;

use super::facts::impurity;
use super::hash::{ContentHash, content_hash};
use super::{Facts, Function, Module, facts, limits};

/// Most errors that are collected; the rest is left out.
pub const MOST_ERRORS: usize = 64;

/// A module that the verifier has accepted: the only thing a lane loads. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    module: Arc<Module>,
    hash: ContentHash,
    facts: Arc<[Facts]>,
}

impl Verified {
    /// The module.
    #[must_use]
    pub const fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Hash of its content: equal for modules that behave alike by construction, whatever their file names and places.
    #[must_use]
    pub const fn hash(&self) -> ContentHash {
        self.hash
    }

    /// What follows from the code of function `function`.
    ///
    /// # Panics
    /// When the module has no such function; none of its operations names one.
    #[must_use]
    pub fn facts(&self, function: u16) -> Facts {
        self.facts[usize::from(function)]
    }

    /// Facts of all functions, in order.
    #[must_use]
    pub const fn all_facts(&self) -> &Arc<[Facts]> {
        &self.facts
    }
}

/// Checks a module whole.
///
/// # Errors
/// Everything that is wrong with it, in order of the module, [`MOST_ERRORS`] at most.
pub fn verify(module: Module) -> Result<Verified, Vec<VerifyError>> {
    let mut check = Check { module: &module, facts: Vec::new(), errors: Vec::new() };
    check.sizes();
    if check.errors.is_empty() {
        check.facts = facts(&module);
        check.values();
        check.names();
        for index in 0..module.functions.len() {
            if check.full() {
                break;
            }
            check.function(index);
        }
    }
    let Check { facts, mut errors, .. } = check;
    errors.truncate(MOST_ERRORS);
    if !errors.is_empty() {
        return Err(errors);
    }
    match content_hash(&module) {
        Ok(hash) => Ok(Verified { module: Arc::new(module), hash, facts: facts.into() }),
        Err(error) => Err(vec![VerifyError::of_module(Problem::Encoding(error.to_string()))]),
    }
}

/// The work so far.
struct Check<'m> {
    module: &'m Module,
    facts: Vec<Facts>,
    errors: Vec<VerifyError>,
}

impl Check<'_> {
    fn full(&self) -> bool {
        self.errors.len() >= MOST_ERRORS
    }

    fn wrong(&mut self, problem: Problem) {
        if !self.full() {
            self.errors.push(VerifyError::of_module(problem));
        }
    }

    fn at_most(&mut self, what: &'static str, count: usize, most: usize) {
        if count > most {
            self.wrong(Problem::TooMuch { what, count, most });
        }
    }

    /// Counts against limits; nothing else is looked at when one is exceeded.
    fn sizes(&mut self) {
        let module = self.module;
        self.at_most("source files", module.files.len(), limits::FILES);
        self.at_most("constants", module.constants.len(), limits::CONSTANTS);
        self.at_most("functions", module.functions.len(), limits::FUNCTIONS);
        self.at_most("behaviours", module.behaviours.len(), limits::NAMED);
        self.at_most("pure functions", module.pures.len(), limits::NAMED);
        self.at_most("entries", module.entries.len(), limits::NAMED);
        self.at_most("tests", module.tests.len(), limits::NAMED);
        let ops = module.functions.iter().fold(0_usize, |sum, function| sum.saturating_add(function.code.len()));
        self.at_most("operations of the module", ops, limits::MODULE_OPS);
        for function in &module.functions {
            self.at_most("operations of one function", function.code.len(), limits::FUNCTION_OPS);
        }
    }

    /// One function: its frame, its operations, its end.
    fn function(&mut self, index: usize) {
        let function = &self.module.functions[index];
        let wrong = |check: &mut Self, problem| check.of_function(index, None, problem);
        if function.name.is_empty() {
            wrong(self, Problem::EmptyName("function"));
        }
        if function.name.len() > limits::NAME_BYTES {
            wrong(self, Problem::LongName("function"));
        }
        if function.arity > function.registers {
            wrong(self, Problem::Frame { arity: function.arity, registers: function.registers });
        }
        if !function.places.is_empty() && function.places.len() != function.code.len() {
            wrong(self, Problem::Places { places: function.places.len(), ops: function.code.len() });
        }
        let files = self.module.files.len();
        if let Some(at) = function.places.iter().position(|place| usize::from(place.file) >= files) {
            self.of_function(index, Some(at), Problem::PlaceFile { file: function.places[at].file, files });
        }
        let found = self.facts[index].pinned;
        if function.pinned != found {
            wrong(self, Problem::Pinned { declared: function.pinned, found });
        }
        self.ops(index);
    }

    fn of_function(&mut self, index: usize, op: Option<usize>, problem: Problem) {
        if !self.full() {
            let error = VerifyError::of_function(self.module, index, op, problem);
            self.errors.push(error);
        }
    }

    /// Purity of the functions that the module registers as pure.
    fn pure(&mut self, name: &str, function: u16) {
        if let Some((holder, op, instruction)) = impurity(self.module, function) {
            let problem = Problem::NotPure { name: name.to_owned(), instruction: instruction.name() };
            self.of_function(holder, Some(op), problem);
        }
    }

    fn callee(&self, function: u16) -> Option<&Function> {
        self.module.functions.get(usize::from(function))
    }
}
