//! Names of a module, and what stands behind them: behaviours, pure functions, entries, tests.

use std::collections::BTreeSet;

use super::{Check, Problem};
use crate::code::{Behaviour, MessageShape, Shape, limits};

impl Check<'_> {
    /// Every name.
    pub(super) fn names(&mut self) {
        let module = self.module;
        self.name("module", &module.name);
        let mut seen = BTreeSet::new();
        for behaviour in &module.behaviours {
            self.named("behaviour", "behaviours", &behaviour.name, behaviour.function, &mut seen);
            self.without_parameters("behaviour", &behaviour.name, behaviour.function);
            self.messages(behaviour);
        }
        let mut seen = BTreeSet::new();
        for pure in &module.pures {
            self.named("pure function", "pure functions", &pure.name, pure.function, &mut seen);
            self.pure(&pure.name, pure.function);
        }
        let mut seen = BTreeSet::new();
        for entry in &module.entries {
            self.named("entry", "entries", &entry.name, entry.function, &mut seen);
        }
        let mut seen = BTreeSet::new();
        for test in &module.tests {
            self.named("test", "tests", &test.name, test.function, &mut seen);
            self.without_parameters("test", &test.name, test.function);
        }
    }

    fn name(&mut self, what: &'static str, name: &str) {
        if name.is_empty() {
            self.wrong(Problem::EmptyName(what));
        }
        if name.len() > limits::NAME_BYTES {
            self.wrong(Problem::LongName(what));
        }
    }

    fn named<'n>(
        &mut self,
        what: &'static str,
        many: &'static str,
        name: &'n str,
        function: u16,
        seen: &mut BTreeSet<&'n str>,
    ) {
        self.name(what, name);
        if !seen.insert(name) {
            self.wrong(Problem::Twice { what: many, name: name.to_owned() });
        }
        if self.callee(function).is_none() {
            let functions = self.module.functions.len();
            self.wrong(Problem::Missing { what, name: name.to_owned(), function, functions });
        }
    }

    fn without_parameters(&mut self, what: &'static str, name: &str, function: u16) {
        if let Some(arity) = self.callee(function).map(|callee| callee.arity).filter(|arity| *arity > 0) {
            self.wrong(Problem::Arity { what, name: name.to_owned(), arity });
        }
    }

    fn messages(&mut self, behaviour: &Behaviour) {
        let Some(messages) = &behaviour.messages else { return };
        self.at_most("message shapes of a behaviour", messages.len(), limits::SHAPES);
        for message in messages.iter().take(limits::SHAPES) {
            if let Some(what) = fault(message) {
                let (behaviour, tag) = (behaviour.name.to_string(), message.tag.to_string());
                self.wrong(Problem::Shape { behaviour, tag, what });
            }
        }
    }
}

fn fault(message: &MessageShape) -> Option<&'static str> {
    if message.tag.is_empty() {
        return Some("its tag is empty");
    }
    if message.tag.len() > limits::NAME_BYTES {
        return Some("its tag is longer than 256 bytes");
    }
    if message.parts.len() > limits::SHAPES {
        return Some("it has more than 1024 parts");
    }
    let deep = |part| !shallow(part, limits::SHAPE_DEPTH);
    message.parts.iter().any(deep).then_some("a shape is nested deeper than 16 levels")
}

/// Whether a shape is nested no deeper than `depth`.
pub(in crate::code) fn shallow(shape: &Shape, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match shape {
        Shape::Any | Shape::Is(_) => true,
        Shape::Option(inner) | Shape::List(inner) => shallow(inner, depth),
        Shape::Pair(both) => shallow(&both.0, depth) && shallow(&both.1, depth),
    }
}
