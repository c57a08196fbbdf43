//! Calls: of functions, library functions, instructions, objects.

use std::sync::Arc;

use super::body::{Body, Dest, MAX_ARGS, Role};
use super::signatures::{self, Signature, can_fail, may_change_state};
use super::types::{NOTHING, Ty};
use super::units::FORMS;
use crate::code::{Builtin, Instr, Op, Reg, Safety};
use crate::lang::ast::{Expr, ExprKind, Function, Name};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::value::{Kind, Val};

impl<'w> Body<'_, 'w> {
    pub fn call(&mut self, callee: &Expr, args: &[Expr], dest: Dest, span: Span) -> Ty {
        let ExprKind::Name(name) = &callee.kind else { return self.call_value(callee, args, dest, span) };
        if self.find(name).is_some() {
            return self.call_value(callee, args, dest, span);
        }
        if FORMS.iter().any(|(form, _)| *form == &**name) {
            return self.form(name, args, dest, span);
        }
        let unit = self.unit;
        if let Some(function) = unit.functions.get(name) {
            let index = self.function(unit, function);
            return self.invoke(function, index, args, dest, span);
        }
        if let Some(which) = Instr::named(name) {
            return self.call_instr(which, args, dest, span);
        }
        if let Some(which) = Builtin::named(name) {
            return self.call_builtin(which, args, dest, span);
        }
        if self.state.as_ref().is_some_and(|state| state.fields.contains(name)) {
            self.error(
                Code::NotCallable,
                callee.span,
                format!("`{name}` is a field of the state"),
                "states hold no functions",
                "",
            );
            return Ty::Any;
        }
        self.unknown(name, callee.span);
        for arg in args {
            let mark = self.mark();
            let temp = self.temp(arg.span);
            self.expr(arg, Dest::To(temp));
            self.release(mark);
        }
        Ty::Any
    }

    /// A call of a function known by name.
    pub fn invoke(&mut self, function: &Function, index: Option<u16>, args: &[Expr], dest: Dest, span: Span) -> Ty {
        self.arity(
            &function.name.text,
            function.params.len(),
            function.params.len(),
            args,
            span,
            Some(function.name.span),
        );
        let mark = self.mark();
        let (start, found) = self.args(args, span);
        for ((param, found), arg) in function.params.iter().zip(found).zip(args) {
            if let Some(wanted) = param.ty.as_ref().and_then(Ty::declared) {
                self.expect(&found, &[wanted], arg.span, &format!(" for `{}`", param.name.text));
            }
        }
        let index = index.unwrap_or(0);
        let ty = function.result.as_ref().and_then(Ty::declared).unwrap_or(Ty::Any);
        let out = if dest == Dest::Return && self.role != Role::Handler {
            if let Some((wanted, _)) = self.result.clone() {
                self.expect(&ty, &[wanted], span, " as the result");
            }
            self.emit(Op::TailInvoke { start, function: index }, span);
            self.dead = true;
            Ty::Never
        } else {
            let dst = if let Dest::To(reg) = dest { reg } else { start };
            self.emit(Op::Invoke { dst, start, function: index }, span);
            self.stale();
            self.release(mark);
            let held = self.temp(span);
            let reg = if let Dest::To(reg) = dest { reg } else { held };
            self.deliver(reg, ty, dest, span)
        };
        self.release(mark);
        out
    }

    /// Arguments into a window of registers.
    fn args(&mut self, args: &[Expr], span: Span) -> (Reg, Vec<Ty>) {
        let start = self.window(args.len().min(MAX_ARGS + 1), span);
        let found = args.iter().take(MAX_ARGS).zip(start..).map(|(arg, reg)| self.expr(arg, Dest::To(reg))).collect();
        (start, found)
    }

    fn arity(
        &mut self,
        name: &str,
        least: usize,
        most: usize,
        args: &[Expr],
        span: Span,
        declared: Option<Span>,
    ) -> bool {
        if args.len() > MAX_ARGS {
            self.error(Code::Arguments, span, format!("more than {MAX_ARGS} arguments"), "", "pass a list or a record");
            return false;
        }
        if (least..=most).contains(&args.len()) {
            return true;
        }
        let wanted = if least == most { most.to_string() } else { format!("{least} to {most}") };
        let plural = if most == 1 { "" } else { "s" };
        let message = format!("`{name}` takes {wanted} argument{plural}, here are {}", args.len());
        let mut error = Diagnostic::new(Code::Arity, span, message);
        if let Some(declared) = declared {
            error = error.other(declared, "declared here");
        } else if let Some(about) = Instr::named(name).map(Instr::about).or(Builtin::named(name).map(Builtin::about)) {
            error = error.help(format!("`{name}`: {about}"));
        }
        self.g.report(error);
        false
    }

    fn call_value(&mut self, callee: &Expr, args: &[Expr], dest: Dest, span: Span) -> Ty {
        let mark = self.mark();
        self.arity("a function", 0, MAX_ARGS, args, span, None);
        let (f, ty) = self.held(callee, &args.iter().collect::<Vec<_>>());
        if !Ty::Is(Kind::Function).meets(&ty) {
            let label = format!("this is {}", ty.words());
            self.error(Code::NotCallable, callee.span, "what is called is no function", &label, "");
        }
        let (start, _) = self.args(args, span);
        let dst = self.target(dest, span);
        self.emit(Op::InvokeValue { dst, f, start, count: args.len().min(MAX_ARGS) as u8 }, span);
        self.stale();
        let ty = self.deliver(dst, Ty::Any, dest, span);
        self.release(mark);
        ty
    }

    fn call_instr(&mut self, which: Instr, args: &[Expr], dest: Dest, span: Span) -> Ty {
        let signature = signatures::of_instr(which);
        if !self.arity(which.name(), signature.least, signature.params.len(), args, span, None) {
            return signature.result;
        }
        if matches!(which, Instr::Reject) {
            return self.refuses(true, span);
        }
        let nothing = Expr { kind: ExprKind::Nothing, span, height: 1 };
        let mut all: Vec<&Expr> = args.iter().collect();
        all.resize(signature.params.len(), &nothing);
        // A behaviour of this module by its short name.
        let full = match (which, args.first().map(|arg| &arg.kind)) {
            (Instr::CreateObj, Some(ExprKind::Text(name))) if self.unit.behaviours.contains_key(name) => {
                let text = format!("{}.{name}", self.unit.name);
                Some(Expr { kind: ExprKind::Text(text.into()), span: args[0].span, height: 1 })
            }
            _ => None,
        };
        if let Some(full) = &full {
            all[0] = full;
        }
        self.instr_on(which, &all, dest, span)
    }

    /// An instruction with all of its arguments.
    pub fn instr_on(&mut self, which: Instr, args: &[&Expr], dest: Dest, span: Span) -> Ty {
        if which.safety() == Safety::Unsafe {
            let unit = self.unit;
            self.g.unsafe_instruction(unit, which.name(), span);
        }
        let Signature { params, mut result, .. } = signatures::of_instr(which);
        let mark = self.mark();
        let start = self.window(args.len(), span);
        for (i, (arg, wanted)) in args.iter().zip(&params).enumerate() {
            let found = self.operand(which, i, arg, start.wrapping_add(i as u8));
            self.expect(&found, wanted, arg.span, &format!(" for `{}`", which.name()));
            match (which, i) {
                (Instr::Choose, 0) => result = found.element(),
                (Instr::ChooseWeighted, 0) => {
                    result = if let Ty::Pair(first, _) = found.element() { *first } else { Ty::Any };
                }
                _ => {}
            }
        }
        self.in_atomic(which, span);
        let dst = self.target(dest, span);
        self.emit(Op::Instr { dst, start, which }, span);
        if may_change_state(which) {
            self.stale();
        }
        if which == Instr::Raise {
            self.release(mark);
            self.dead = true;
            return Ty::Never;
        }
        if dest == Dest::Discard && can_fail(which) {
            self.ignored(span);
        }
        let ty = if dest == Dest::Return && result == NOTHING {
            self.unit(dest, span)
        } else {
            self.deliver(dst, result, dest, span)
        };
        self.release(mark);
        ty
    }

    /// What is to be said of instructions inside atomic blocks.
    fn in_atomic(&mut self, which: Instr, span: Span) {
        if matches!(which, Instr::Choose | Instr::ChooseWeighted) {
            self.atomics.iter_mut().for_each(|atomic| atomic.chose = true);
        }
        if matches!(which, Instr::Receive | Instr::ReceiveFor) && self.atomics.iter().any(|atomic| atomic.chose) {
            let help = "receive before the block, or start the execution without blocking";
            let what = format!("`{}` in an `atomic` block that made a choice", which.name());
            self.error(Code::ReceiveWithChoices, span, what, "fails when the execution was started to block", help);
        }
    }

    pub fn require(&mut self, condition: &Expr, name: Option<&Expr>, dest: Dest, span: Span) -> Ty {
        let nothing = Expr { kind: ExprKind::Nothing, span, height: 1 };
        self.instr_on(Instr::Require, &[condition, name.unwrap_or(&nothing)], dest, span)
    }

    fn call_builtin(&mut self, which: Builtin, args: &[Expr], dest: Dest, span: Span) -> Ty {
        let signature = signatures::of_builtin(which);
        self.arity(which.name(), signature.least, signature.params.len(), args, span, None);
        let mark = self.mark();
        let (start, found) = self.args(args, span);
        for ((found, wanted), arg) in found.iter().zip(&signature.params).zip(args) {
            self.expect(found, wanted, arg.span, &format!(" for `{}`", which.name()));
        }
        let first = found.first().cloned().unwrap_or(Ty::Any);
        let second = found.get(1).cloned().unwrap_or(Ty::Any);
        let ty = match which {
            Builtin::At => first.element(),
            Builtin::Reverse | Builtin::Sort | Builtin::Unique => first,
            Builtin::Push => Ty::List(Box::new(first.element().join(second))),
            Builtin::Min | Builtin::Max | Builtin::Concat => first.join(second),
            _ => signature.result,
        };
        if dest == Dest::Discard {
            let help = "remove it, or give it a name with `let`";
            self.error(Code::UnusedValue, span, "the value is not used", "", help);
        }
        let dst = self.target(dest, span);
        self.emit(Op::Builtin { dst, start, which }, span);
        let ty = self.deliver(dst, ty, dest, span);
        self.release(mark);
        ty
    }

    /// `o.tag(args)`, or a function of another module.
    pub fn method(&mut self, target: &Expr, tag: &Name, args: &[Expr], dst: Reg, span: Span) -> Ty {
        if let ExprKind::Name(module) = &target.kind
            && self.find(module).is_none()
            && !self.state.as_ref().is_some_and(|state| state.fields.contains(module))
        {
            let unit = self.unit;
            if let Some(other) = self.g.used_unit(unit, module) {
                let Some(function) = other.functions.get(&tag.text) else {
                    self.error(
                        Code::UnknownName,
                        tag.span,
                        format!("`{module}` has no function `{}`", tag.text),
                        "",
                        "",
                    );
                    return Ty::Any;
                };
                let index = self.function(other, function);
                return self.invoke(function, index, args, Dest::To(dst), span);
            }
            if self.g.knows(module) {
                let what = format!("the module `{module}` is not named by `use`");
                self.error(Code::UnknownModule, target.span, what, "", &format!("write `use {module}` above"));
                return Ty::Any;
            }
        }
        if args.len() > MAX_ARGS {
            self.error(Code::Arguments, span, format!("more than {MAX_ARGS} arguments"), "", "pass a list or a record");
            return Ty::Any;
        }
        let mark = self.mark();
        let start = self.window(2, span);
        let message = start.wrapping_add(1);
        let ty = self.expr(target, Dest::To(start));
        self.expect(&ty, &[Ty::Object(None)], target.span, " to send a message to");
        let inner = self.mark();
        let parts = self.window(args.len() + 1, span);
        self.load(&Val::Text(tag.text.clone()), parts, tag.span);
        let found: Vec<Ty> =
            args.iter().zip(parts.wrapping_add(1)..).map(|(arg, reg)| self.expr(arg, Dest::To(reg))).collect();
        self.emit(Op::List { dst: message, start: parts, count: args.len() as u8 + 1 }, span);
        self.release(inner);
        self.takes(&ty, tag, &found, args, span);
        self.emit(Op::Instr { dst, start, which: Instr::Call }, span);
        self.stale();
        self.release(mark);
        Ty::Any
    }

    /// `call o ["tag", ...]` of an object whose behaviour is known.
    pub fn known_message(&mut self, target: &Expr, message: &Expr) {
        let ExprKind::Name(name) = &target.kind else { return };
        let Some(ty) = self.find(name).map(|local| local.ty.clone()) else { return };
        let ExprKind::List(elements) = &message.kind else { return };
        let Some((first, rest)) = elements.split_first() else { return };
        if let ExprKind::Text(tag) = &first.value.kind
            && !elements.iter().any(|element| element.spread)
        {
            let tag = Name { text: tag.clone(), span: first.value.span };
            let values: Vec<Expr> = rest.iter().map(|element| element.value.clone()).collect();
            let found = vec![Ty::Any; values.len()];
            self.takes(&ty, &tag, &found, &values, message.span);
        }
    }

    /// Says when the behaviour of an object, as far as it is known, does not take a message.
    fn takes(&mut self, object: &Ty, tag: &Name, found: &[Ty], args: &[Expr], span: Span) {
        let Ty::Object(Some(full)) = object else { return };
        let Some(behaviour) = self.g.behaviour_named(full) else { return };
        if behaviour.handlers.iter().any(|handler| handler.catch_all) {
            return;
        }
        let of_tag: Vec<_> = behaviour.handlers.iter().filter(|handler| handler.tag.text == tag.text).collect();
        let Some(handler) = of_tag.iter().find(|handler| handler.params.len() == args.len()) else {
            let known: Vec<String> = behaviour
                .handlers
                .iter()
                .map(|handler| format!("{}/{}", handler.tag.text, handler.params.len()))
                .collect();
            let what = format!("the behaviour `{full}` takes no message `{}` of {} parts", tag.text, args.len());
            let help = format!("it takes {} (tag/parts)", known.join(", "));
            self.error(Code::Message, span, what, "refused with ErrInvalidInput", &help);
            return;
        };
        for ((param, found), arg) in handler.params.iter().zip(found).zip(args) {
            if let Some(wanted) = param.ty.as_ref().and_then(Ty::declared) {
                self.expect(found, &[wanted], arg.span, &format!(" for `{}` of `{}`", param.name.text, tag.text));
            }
        }
    }

    pub fn create(&mut self, module: Option<&Name>, name: &Name, at: Option<&Expr>, dst: Reg, span: Span) -> Ty {
        let unit = self.unit;
        let home = match module {
            Some(module) => self.g.used_unit(unit, &module.text),
            None => Some(unit),
        };
        let full: Arc<str> = match (home, module) {
            (Some(home), _) if home.behaviours.contains_key(&name.text) => {
                format!("{}.{}", home.name, name.text).into()
            }
            (None, Some(module)) => {
                let what = format!("the module `{}` is not named by `use`", module.text);
                self.error(Code::UnknownModule, module.span, what, "", &format!("write `use {}` above", module.text));
                return Ty::Object(None);
            }
            (home, _) => {
                let known = home.map(|home| home.behaviours.keys().cloned().collect()).unwrap_or_default();
                let help = suggestion(&name.text, known).unwrap_or_else(|| {
                    "a behaviour of another module is `module.name`; by a text: `createObj(name)`".into()
                });
                self.error(
                    Code::UnknownBehaviour,
                    name.span,
                    format!("no behaviour is called `{}`", name.text),
                    "",
                    &help,
                );
                return Ty::Object(None);
            }
        };
        let text = Expr { kind: ExprKind::Text(full.clone()), span: name.span, height: 1 };
        let nothing = Expr { kind: ExprKind::Nothing, span, height: 1 };
        self.instr_on(Instr::CreateObj, &[&text, at.unwrap_or(&nothing)], Dest::To(dst), span);
        Ty::Object(Some(full))
    }

    /// Says that nothing has a name, and what may be meant.
    pub fn unknown(&mut self, name: &str, span: Span) {
        if self.g.said_enough() {
            self.error(Code::UnknownName, span, format!("nothing is called `{name}`"), "not known here", "");
            return;
        }
        let mut known: Vec<Arc<str>> = self.scopes.iter().flatten().map(|local| local.name.clone()).collect();
        known.extend(self.state.iter().flat_map(|state| state.fields.iter().cloned()));
        known.extend(self.unit.functions.keys().cloned());
        known.extend(Instr::ALL.iter().map(|instr| instr.name().into()));
        known.extend(Builtin::ALL.iter().map(|builtin| builtin.name().into()));
        known.extend(FORMS.iter().map(|(form, _)| (*form).into()));
        let help = if known.iter().any(|known| **known == *name) {
            format!("it is called: `{name}(...)`")
        } else {
            suggestion(name, known)
                .unwrap_or_else(|| "names come from `let`, parameters, `state`, `fn` and `use`".into())
        };
        self.error(Code::UnknownName, span, format!("nothing is called `{name}`"), "not known here", &help);
    }
}

/// A name close to the one that is not known.
fn suggestion(name: &str, known: Vec<Arc<str>>) -> Option<String> {
    let limit = if name.chars().count() < 4 { 1 } else { 2 };
    let best = known.iter().map(|known| (distance(name, known), known)).filter(|(far, _)| *far <= limit).min();
    best.map(|(_, known)| format!("did you mean `{known}`?"))
}

/// How many characters must be added, removed or changed.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.chars().take(64).enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, b) in two.iter().enumerate() {
            let changed = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
