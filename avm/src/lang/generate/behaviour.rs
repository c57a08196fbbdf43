//! Behaviours: one function that looks at the message and runs the handler for it.

use super::body::{Body, Dest, Label, MAX_ARGS, Role, State};
use super::expr::MAX_PARTS;
use super::types::{self, Ty};
use super::{Generator, Unit};
use crate::code::{Instr, MessageShape, Op, Reg, limits};
use crate::lang::ast::{Behaviour, Handler};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;

impl<'w> Generator<'w> {
    /// Messages that a behaviour takes; any, when it has a catch-all.
    pub fn messages(&mut self, behaviour: &Behaviour) -> Option<Vec<MessageShape>> {
        if behaviour.handlers.iter().any(|handler| handler.catch_all) {
            return None;
        }
        let shape = |handler: &Handler| {
            let parts =
                handler.params.iter().map(|param| types::shape(param.ty.as_ref()).unwrap_or(crate::code::Shape::Any));
            MessageShape { tag: handler.tag.text.clone(), parts: parts.collect() }
        };
        Some(behaviour.handlers.iter().map(shape).collect())
    }

    /// Compiles a behaviour. `checked`: the machine lets only its messages in.
    pub fn behaviour(&mut self, unit: &'w Unit, behaviour: &Behaviour, index: u16, checked: bool) {
        self.check_handlers(behaviour);
        let mut body = Body::new(self, unit, behaviour.name.text.clone(), Role::Handler);
        body.behaviour(behaviour, checked);
        body.finish(index, 0, behaviour.name.span);
    }

    fn check_handlers(&mut self, behaviour: &Behaviour) {
        if behaviour.state.len() > MAX_PARTS {
            let what = format!("a state of more than {MAX_PARTS} fields");
            self.report(
                Diagnostic::new(Code::Elements, behaviour.name.span, what).help("keep lists or records in fields"),
            );
        }
        if behaviour.handlers.len() > limits::SHAPES {
            let what = format!("more than {} handlers", limits::SHAPES);
            self.report(
                Diagnostic::new(Code::Elements, behaviour.name.span, what).help("take fewer messages with more parts"),
            );
        }
        for (i, (name, _)) in behaviour.state.iter().enumerate() {
            if let Some((first, _)) = behaviour.state.iter().take(i).find(|(other, _)| other.text == name.text) {
                self.duplicate(name, first.span);
            }
        }
        for (i, handler) in behaviour.handlers.iter().enumerate() {
            let same = |other: &&Handler| {
                other.catch_all == handler.catch_all
                    && (handler.catch_all
                        || (other.tag.text == handler.tag.text && other.params.len() == handler.params.len()))
            };
            if let Some(first) = behaviour.handlers.iter().take(i).find(same) {
                self.duplicate(&handler.tag, first.tag.span);
            }
            if handler.params.len() > MAX_ARGS {
                let what = format!("more than {MAX_ARGS} parameters");
                self.report(Diagnostic::new(Code::Arguments, handler.tag.span, what).help("take a list or a record"));
            }
            if let Some(caught) = behaviour.handlers.iter().take(i).find(|other| other.catch_all) {
                let error = Diagnostic::new(Code::Shadowed, handler.tag.span, "this handler is never reached")
                    .other(caught.tag.span, "takes every message")
                    .help("put `on message` last");
                self.report(error);
            }
        }
    }
}

impl Body<'_, '_> {
    fn behaviour(&mut self, behaviour: &Behaviour, checked: bool) {
        if behaviour.state.len() > MAX_PARTS {
            return;
        }
        let span = behaviour.name.span;
        self.load_state(behaviour);
        let message = self.temp(span);
        let tag = self.temp(span);
        self.emit(Op::Instr { dst: message, start: tag, which: Instr::Input }, span);
        let mut none = Label::default();
        let tagged = behaviour.handlers.iter().filter(|handler| !handler.catch_all && handler.params.len() <= MAX_ARGS);
        let fresh = self.fresh();
        if tagged.clone().next().is_some() {
            if !checked {
                self.length(message, 1, false, &mut none, span);
            }
            self.emit(Op::Item { dst: tag, a: message, index: 0 }, span);
            for handler in tagged {
                self.set_fresh(fresh);
                let alone = behaviour.handlers.iter().filter(|other| other.tag.text == handler.tag.text).count() == 1;
                self.handler(handler, message, tag, checked, alone);
            }
        }
        self.land(none);
        self.set_fresh(fresh);
        match behaviour.handlers.iter().find(|handler| handler.catch_all) {
            Some(handler) => {
                self.push_scope();
                self.bind(&handler.tag, message, Ty::Any, false);
                self.result = handler.result.as_ref().map(|ty| (self.declared(Some(ty)), ty.span));
                self.block(&handler.body, Dest::Return);
                self.pop_scope();
            }
            None => {
                self.emit(Op::Instr { dst: tag, start: tag, which: Instr::Reject }, span);
                self.emit(Op::Return { src: tag }, span);
                self.dead = true;
            }
        }
    }

    /// Reads the state; the first message fills it.
    fn load_state(&mut self, behaviour: &Behaviour) {
        if behaviour.state.is_empty() {
            return;
        }
        let span = behaviour.name.span;
        let reg = self.temp(span);
        self.emit(Op::Instr { dst: reg, start: reg, which: Instr::GetState }, span);
        let mut filled = Label::default();
        self.length(reg, 0, true, &mut filled, span);
        let mark = self.mark();
        let start = self.window(behaviour.state.len(), span);
        for ((_, value), slot) in behaviour.state.iter().zip(start..) {
            self.expr(value, Dest::To(slot));
        }
        self.emit(Op::List { dst: reg, start, count: behaviour.state.len() as u8 }, span);
        self.store_state(reg, start, span);
        self.release(mark);
        self.land(filled);
        let fields = behaviour.state.iter().map(|(name, _)| name.text.clone()).collect();
        self.state = Some(State { fields, reg, fresh: true });
    }

    fn handler(&mut self, handler: &Handler, message: Reg, tag: Reg, checked: bool, alone: bool) {
        let span = handler.tag.span;
        let mark = self.mark();
        let mut next = Label::default();
        self.equals(tag, &crate::value::Val::Text(handler.tag.text.clone()), &mut next, span);
        if !(checked && alone) {
            self.length(message, handler.params.len() + 1, true, &mut next, span);
        }
        let start = self.window(handler.params.len(), span);
        for (index, (param, reg)) in (1..).zip(handler.params.iter().zip(start..)) {
            self.emit(Op::Item { dst: reg, a: message, index }, param.name.span);
            let kind = param.ty.as_ref().and_then(Ty::declared).and_then(|ty| ty.kind());
            if let Some(kind) = kind.filter(|_| !checked || !alone) {
                self.kind_is(reg, kind, &mut next, param.name.span);
            }
        }
        self.push_scope();
        self.bind_params(&handler.params, start, checked && alone);
        self.result = handler.result.as_ref().map(|ty| (self.declared(Some(ty)), ty.span));
        self.block(&handler.body, Dest::Return);
        self.result = None;
        self.pop_scope();
        self.release(mark);
        self.land(next);
    }
}
