//! `map`, `filter`, `fold`, `any`, `all`: loops. A closure written in place becomes the body of the loop.

use super::body::{Body, Dest, Label};
use super::types::{BOOL, Ty};
use super::units::FORMS;
use crate::code::{Builtin, Op, Reg};
use crate::lang::ast::{Block, Expr, ExprKind, Param};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::value::{Kind, Val};

/// What is done with each element.
enum Each<'e> {
    Inline(&'e [Param], &'e Block),
    Function(u16),
    Builtin(Builtin),
    Value(Reg),
}

impl Body<'_, '_> {
    pub fn form(&mut self, name: &str, args: &[Expr], dest: Dest, span: Span) -> Ty {
        let count = FORMS.iter().find(|(form, _)| *form == name).map_or(2, |(_, count)| *count);
        let [list, rest @ .., f] = args else { return self.wrong_form(name, count, span) };
        if args.len() != count {
            return self.wrong_form(name, count, span);
        }
        let mark = self.mark();
        let out = self.target(dest, span);
        // The result may be a name that the closure reads: it gets the value at the end.
        let result = self.temp(span);
        let each = self.each_of(f, if name == "fold" { 2 } else { 1 });
        let ty = match name {
            "map" | "filter" => self.collect(name == "map", list, &each, f, result, span),
            "fold" => self.fold(list, &rest[0], &each, f, result, span),
            _ => self.search(name == "any", list, &each, f, result, span),
        };
        if dest == Dest::Discard && matches!(each, Each::Builtin(_)) {
            self.error(Code::UnusedValue, span, "the value is not used", "", "use a `for` loop for what is done only");
        }
        self.emit(Op::Move { dst: out, src: result }, span);
        let ty = self.deliver(out, ty, dest, span);
        self.release(mark);
        ty
    }

    fn wrong_form(&mut self, name: &str, count: usize, span: Span) -> Ty {
        let usage = if name == "fold" {
            "fold(list, start, |sum, x| ...)".to_owned()
        } else {
            format!("{name}(list, |x| ...)")
        };
        let error = Diagnostic::new(Code::Arity, span, format!("`{name}` takes {count} arguments"))
            .help(format!("write `{usage}`"));
        self.g.report(error);
        Ty::Any
    }

    /// Prepares the function; what is a value is computed once, before the loop.
    fn each_of<'e>(&mut self, f: &'e Expr, count: usize) -> Each<'e> {
        let unit = self.unit;
        match &f.kind {
            ExprKind::Lambda(params, body) => {
                self.takes_count("the closure", params.len(), count, f.span);
                return Each::Inline(params, body);
            }
            ExprKind::Name(name) if self.find(name).is_none() => {
                if let Some(function) = unit.functions.get(name) {
                    self.takes_count(name, function.params.len(), count, f.span);
                    return Each::Function(self.function(unit, function).unwrap_or(0));
                }
                if let Some(builtin) = Builtin::named(name) {
                    self.takes_count(name, usize::from(builtin.arity()), count, f.span);
                    return Each::Builtin(builtin);
                }
            }
            _ => {}
        }
        let reg = self.temp(f.span);
        let ty = self.expr(f, Dest::To(reg));
        self.expect(&ty, &[Ty::Is(Kind::Function)], f.span, "");
        Each::Value(reg)
    }

    fn takes_count(&mut self, name: &str, found: usize, wanted: usize, span: Span) {
        if found != wanted {
            let plural = if wanted == 1 { "" } else { "s" };
            let what = format!("{name} takes {found}, and gets {wanted} argument{plural}");
            self.error(Code::Arity, span, what, "", "");
        }
    }

    fn apply(&mut self, each: &Each<'_>, args: &[(Reg, Ty)], dst: Reg, span: Span) -> Ty {
        if let Each::Inline(params, body) = each {
            return self.inline(params, body, args, dst);
        }
        let mark = self.mark();
        let start = self.window(args.len(), span);
        for ((src, _), reg) in args.iter().zip(start..) {
            self.emit(Op::Move { dst: reg, src: *src }, span);
        }
        match each {
            Each::Function(function) => self.emit(Op::Invoke { dst, start, function: *function }, span),
            Each::Builtin(which) => self.emit(Op::Builtin { dst, start, which: *which }, span),
            Each::Value(f) => self.emit(Op::InvokeValue { dst, f: *f, start, count: args.len() as u8 }, span),
            Each::Inline(..) => {}
        }
        self.stale();
        self.release(mark);
        Ty::Any
    }

    fn collect(&mut self, map: bool, list: &Expr, each: &Each<'_>, f: &Expr, result: Reg, span: Span) -> Ty {
        let mut ty = Ty::Never;
        let sum = self.temp(span);
        self.emit(Op::List { dst: sum, start: sum, count: 0 }, span);
        let out = self.each(list, span, |this, item, element| {
            let value = this.temp(span);
            let found = this.apply(each, &[(item, element.clone())], value, f.span);
            let mut skip = Label::default();
            if map {
                ty = found;
            } else {
                this.expect(&found, &[BOOL], f.span, " from the closure");
                this.jump_if_not(&mut skip, value, span);
                ty = element.clone();
            }
            let pair = this.window(2, span);
            this.emit(Op::Move { dst: pair, src: sum }, span);
            // The list has one holder while it grows: it need not be copied.
            this.emit(Op::Nothing { dst: sum }, span);
            this.emit(Op::Move { dst: pair.wrapping_add(1), src: if map { value } else { item } }, span);
            this.emit(Op::Builtin { dst: sum, start: pair, which: Builtin::Push }, span);
            this.land(skip);
        });
        self.land(out);
        self.emit(Op::Move { dst: result, src: sum }, span);
        Ty::List(Box::new(ty))
    }

    fn fold(&mut self, list: &Expr, start: &Expr, each: &Each<'_>, f: &Expr, result: Reg, span: Span) -> Ty {
        let sum = self.temp(span);
        let first = self.expr(start, Dest::To(sum));
        let out = self.each(list, span, |this, item, element| {
            let value = this.temp(span);
            let (sum_ty, element) = (widen(&first), element.clone());
            this.apply(each, &[(sum, sum_ty), (item, element)], value, f.span);
            this.emit(Op::Move { dst: sum, src: value }, span);
        });
        self.land(out);
        self.emit(Op::Move { dst: result, src: sum }, span);
        Ty::Any
    }

    fn search(&mut self, any: bool, list: &Expr, each: &Each<'_>, f: &Expr, result: Reg, span: Span) -> Ty {
        let mut found = Label::default();
        let terms = self.keeps_terms() && self.harmless_each(f);
        self.load(&Val::Bool(!any), result, span);
        let out = self.each(list, span, |this, item, element| {
            let value = this.temp(span);
            let ty = this.apply(each, &[(item, element.clone())], value, f.span);
            this.expect(&ty, &[BOOL], f.span, " from the closure");
            if terms {
                this.jump_decided(&mut found, value, any, span);
                let (a, b) = (result, value);
                this.emit(if any { Op::Or { dst: result, a, b } } else { Op::And { dst: result, a, b } }, span);
                return;
            }
            let mut next = Label::default();
            if any {
                this.jump_if_not(&mut next, value, span);
            } else {
                this.jump_if(&mut next, value, span);
            }
            this.load(&Val::Bool(any), result, span);
            this.jump(&mut found, span);
            this.land(next);
        });
        self.land(out);
        if terms {
            let mut end = Label::default();
            self.jump(&mut end, span);
            self.land(found);
            self.load(&Val::Bool(any), result, span);
            self.land(end);
        } else {
            self.land(found);
        }
        BOOL
    }
}

/// What is known of the sum of a fold while it grows: nothing but what cannot change.
fn widen(_: &Ty) -> Ty {
    Ty::Any
}
