//! Pieces put together to a module.

use std::sync::Arc;

use thiserror::Error;

use super::code::{Code, Node, list, when};
use super::compile::compile;
use super::instr::input;
use crate::code::{Behaviour, Entry, MessageShape, Module, PureFunction, Verified, VerifyError, set_pinned, verify};

/// Why a program is no module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BuildError {
    #[error("function {0} needs more than 255 registers: split it")]
    Registers(Arc<str>),
    #[error("function {function} invokes {callee}, which the program does not have")]
    NoFunction { function: Arc<str>, callee: Arc<str> },
    #[error("function {function} gives {given} arguments to {callee}, which takes {takes}")]
    Arguments { function: Arc<str>, callee: Arc<str>, given: usize, takes: usize },
    #[error("function {0} uses a value outside the piece that binds it")]
    Unbound(Arc<str>),
    #[error("two functions are called {0}")]
    Twice(Arc<str>),
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
    #[error("the module is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<VerifyError>),
}

/// A program in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct Program {
    pub(super) module: Module,
    pub(super) functions: Vec<Draft>,
}

/// A function that is not compiled yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) name: Arc<str>,
    pub(super) arity: u8,
    pub(super) body: Code,
}

impl Program {
    /// An empty program.
    pub fn new(name: &str) -> Self {
        Self { module: Module { name: name.into(), ..Module::default() }, functions: Vec::new() }
    }

    /// Declares `unsafe`: unsafe instructions may stand in it, and a node must grant it.
    pub const fn needs_unsafe(mut self) -> Self {
        self.module.needs_unsafe = true;
        self
    }

    /// A function that others [`super::invoke`] by name.
    pub fn function(mut self, name: &str, arity: u8, body: impl FnOnce(&[Code]) -> Code) -> Self {
        self.draft(name, arity, body);
        self
    }

    /// A pure function, registered under its name when the module is loaded.
    pub fn pure(mut self, name: &str, arity: u8, body: impl FnOnce(&[Code]) -> Code) -> Self {
        let function = self.draft(name, arity, body);
        self.module.pures.push(PureFunction { name: name.into(), function });
        self
    }

    /// A function that can be started.
    pub fn entry(mut self, name: &str, arity: u8, body: impl FnOnce(&[Code]) -> Code) -> Self {
        let function = self.draft(name, arity, body);
        self.module.entries.push(Entry { name: name.into(), function });
        self
    }

    /// A behaviour from handlers of messages.
    pub fn behaviour(mut self, name: &str, build: impl FnOnce(BehaviourBuilder) -> BehaviourBuilder) -> Self {
        let builder = build(BehaviourBuilder::default());
        let messages = builder.messages.clone();
        let function = self.draft(name, 0, |_| builder.body());
        self.module.behaviours.push(Behaviour { name: name.into(), function, messages });
        self
    }

    /// A behaviour from a whole function: its value is the list of outputs.
    pub fn raw_behaviour(mut self, name: &str, body: Code) -> Self {
        let function = self.draft(name, 0, |_| body);
        self.module.behaviours.push(Behaviour { name: name.into(), function, messages: None });
        self
    }

    fn draft(&mut self, name: &str, arity: u8, body: impl FnOnce(&[Code]) -> Code) -> u16 {
        let params: Vec<Code> = (0..arity).map(|param| Code::new(Node::Param(param))).collect();
        self.functions.push(Draft { name: name.into(), arity, body: body(&params) });
        // More than fit are refused when the program is built.
        u16::try_from(self.functions.len() - 1).unwrap_or(u16::MAX)
    }

    /// The module, before the verifier has seen it.
    ///
    /// # Errors
    /// What cannot be compiled.
    pub fn module(&self) -> Result<Module, BuildError> {
        let mut module = self.module.clone();
        compile(&mut module, &self.functions)?;
        set_pinned(&mut module);
        Ok(module)
    }

    /// The verified module.
    ///
    /// # Errors
    /// What cannot be compiled, or what the verifier refuses.
    pub fn build(&self) -> Result<Verified, BuildError> {
        verify(self.module()?).map_err(BuildError::Refused)
    }
}

/// What a behaviour answers to which message.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct BehaviourBuilder {
    messages: Option<Vec<MessageShape>>,
    handlers: Vec<(Arc<str>, u8, Code)>,
    otherwise: Option<Code>,
    message: Option<Code>,
}

impl BehaviourBuilder {
    /// The messages it takes; others are refused with `ErrInvalidInput` before it runs.
    pub fn takes(mut self, messages: Vec<MessageShape>) -> Self {
        self.messages = Some(messages);
        self
    }

    /// Answers `[tag, part, ...]`; the value of the piece is the output.
    pub fn on(self, tag: &str, parts: u8, body: impl FnOnce(&[Code]) -> Code) -> Self {
        self.outputs(tag, parts, |parts| list([body(parts)]))
    }

    /// Answers `[tag, part, ...]` with a list of outputs; the empty list declines.
    pub fn outputs(mut self, tag: &str, parts: u8, body: impl FnOnce(&[Code]) -> Code) -> Self {
        let message = self.message();
        let parts_of: Vec<Code> = (1..=u16::from(parts)).map(|part| message.item(part)).collect();
        self.handlers.push((tag.into(), parts, body(&parts_of)));
        self
    }

    /// Answers every other message with a list of outputs; without it they are declined.
    pub fn otherwise(mut self, body: impl FnOnce(&Code) -> Code) -> Self {
        let message = self.message();
        self.otherwise = Some(body(&message));
        self
    }

    fn message(&mut self) -> Code {
        // All handlers read one bound message.
        self.message.get_or_insert_with(|| Code::new(Node::Local(super::code::Token::fresh()))).clone()
    }

    fn body(mut self) -> Code {
        let message = self.message();
        let otherwise = self.otherwise.unwrap_or_else(|| list(Vec::<Code>::new()));
        let body = self.handlers.into_iter().rev().fold(otherwise, |rest, (tag, parts, body)| {
            let fits = message.len_is(1 + u16::from(parts)).and(message.item(0).equals(&*tag));
            when(fits, body, rest)
        });
        match &*message.0 {
            Node::Local(token) => Code::new(Node::Let(token.clone(), input(), body)),
            _ => body,
        }
    }
}
