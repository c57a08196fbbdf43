//! Patterns: tests and names.

use super::body::{Body, Dest, Label};
use super::expr::MAX_PARTS;
use super::literal;
use super::types::{NOTHING, Ty};
use crate::code::{Op, Reg};
use crate::lang::ast::{Expr, ExprKind, Name, Pattern, PatternKind};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::value::{Kind, Val};

impl Body<'_, '_> {
    /// The value in a register that nothing changes while parts of it have names.
    pub fn stable(&mut self, expr: &Expr) -> (Reg, Ty) {
        let mutable = match &expr.kind {
            ExprKind::Name(name) => self.find(name).is_some_and(|local| local.mutable),
            _ => false,
        };
        if !mutable {
            return self.any(expr);
        }
        let reg = self.temp(expr.span);
        let ty = self.expr(expr, Dest::To(reg));
        (reg, ty)
    }

    /// Tests the value in `reg`; jumps to `fail` when it does not match, gives names to its parts when it does.
    pub fn pattern(&mut self, pattern: &Pattern, reg: Reg, ty: &Ty, fail: &mut Label) {
        let mut names = Vec::new();
        binders(pattern, &mut names);
        for (i, name) in names.iter().enumerate() {
            if let Some(first) = names.iter().take(i).find(|other| other.text == name.text) {
                self.g.duplicate(name, first.span);
            }
        }
        self.test(pattern, reg, ty, fail);
    }

    fn test(&mut self, pattern: &Pattern, reg: Reg, ty: &Ty, fail: &mut Label) {
        let span = pattern.span;
        match &pattern.kind {
            PatternKind::Any => {}
            PatternKind::Bind(name, None) => self.bind(name, reg, ty.clone(), false),
            PatternKind::Bind(name, Some(declared)) => {
                let declared = self.declared(Some(declared));
                self.never(ty, &declared, span);
                if let Some(kind) = declared.kind() {
                    self.kind_is(reg, kind, fail, span);
                }
                // Only the outermost kind is tested.
                let trusted = if let Some(kind) = declared.kind() { Ty::of(kind) } else { Ty::Any };
                self.bind(name, reg, trusted, false);
            }
            PatternKind::Literal(value) => self.literal(value, reg, ty, fail),
            PatternKind::Just(inner) => {
                self.never(ty, &Ty::Just(Box::new(Ty::Any)), span);
                self.kind_is(reg, Kind::Just, fail, span);
                let part = self.temp(span);
                self.emit(Op::Unwrap { dst: part, a: reg }, span);
                let known = match ty {
                    Ty::Option(inner) | Ty::Just(inner) => (**inner).clone(),
                    _ => Ty::Any,
                };
                self.test(inner, part, &known, fail);
            }
            PatternKind::Pair(one, two) => {
                self.never(ty, &Ty::of(Kind::Pair), span);
                self.kind_is(reg, Kind::Pair, fail, span);
                let (first, second) = match ty {
                    Ty::Pair(first, second) => ((**first).clone(), (**second).clone()),
                    _ => (Ty::Any, Ty::Any),
                };
                let part = self.temp(span);
                self.emit(Op::First { dst: part, a: reg }, span);
                self.test(one, part, &first, fail);
                let part = self.temp(span);
                self.emit(Op::Second { dst: part, a: reg }, span);
                self.test(two, part, &second, fail);
            }
            PatternKind::List(parts, rest) => self.list_pattern(parts, rest.as_ref(), reg, ty, fail, span),
            PatternKind::Tag(tag, parts) => {
                self.never(ty, &Ty::of(Kind::List), span);
                self.too_many(parts.len(), span);
                self.length(reg, parts.len() + 1, true, fail, span);
                self.tag_is(reg, tag, fail);
                for (part, index) in parts.iter().zip(1..) {
                    self.item(part, reg, index, &Ty::Any, fail);
                }
            }
            PatternKind::Record(fields) => {
                self.never(ty, &Ty::Is(Kind::Record), span);
                for (name, part) in fields {
                    let k = self.constant(&Val::Text(name.text.clone()), name.span);
                    let mark = self.mark();
                    let has = self.temp(span);
                    self.emit(Op::HasField { dst: has, a: reg, k }, span);
                    self.jump_if_not(fail, has, span);
                    self.release(mark);
                    let value = self.temp(span);
                    self.emit(Op::Field { dst: value, a: reg, k }, span);
                    self.test(part, value, &Ty::Any, fail);
                }
            }
            PatternKind::Or(parts) => self.or_pattern(parts, reg, ty, fail, span),
        }
    }

    fn or_pattern(&mut self, parts: &[Pattern], reg: Reg, ty: &Ty, fail: &mut Label, span: Span) {
        let mut names = Vec::new();
        parts.iter().for_each(|part| binders(part, &mut names));
        if let Some(name) = names.first() {
            let help = "write one arm for each, or use a guard";
            self.error(Code::Unexpected, name.span, "patterns joined by `|` give no names", "", help);
        }
        let mut matched = Label::default();
        for part in parts {
            let mut next = Label::default();
            self.test(part, reg, ty, &mut next);
            self.jump(&mut matched, span);
            self.land(next);
        }
        self.jump(fail, span);
        self.land(matched);
    }

    fn list_pattern(
        &mut self,
        parts: &[Pattern],
        rest: Option<&Option<Name>>,
        reg: Reg,
        ty: &Ty,
        fail: &mut Label,
        span: Span,
    ) {
        self.never(ty, &Ty::of(Kind::List), span);
        self.too_many(parts.len(), span);
        self.length(reg, parts.len(), rest.is_none(), fail, span);
        let element = ty.element();
        for (part, index) in parts.iter().zip(0..) {
            self.item(part, reg, index, &element, fail);
        }
        if let Some(Some(name)) = rest {
            let part = self.temp(span);
            self.emit(Op::Rest { dst: part, a: reg, from: parts.len() as u16 }, span);
            self.bind(name, part, Ty::List(Box::new(element)), false);
        }
    }

    fn item(&mut self, part: &Pattern, reg: Reg, index: u16, ty: &Ty, fail: &mut Label) {
        if matches!(part.kind, PatternKind::Any) {
            return;
        }
        let value = self.temp(part.span);
        self.emit(Op::Item { dst: value, a: reg, index }, part.span);
        self.test(part, value, ty, fail);
    }

    fn too_many(&mut self, count: usize, span: Span) {
        if count > MAX_PARTS {
            self.error(Code::Elements, span, format!("a pattern of more than {MAX_PARTS} parts"), "", "use a loop");
        }
    }

    /// Jumps away unless the list has that length, or at least.
    pub fn length(&mut self, reg: Reg, length: usize, exact: bool, fail: &mut Label, span: Span) {
        let mark = self.mark();
        let dst = self.temp(span);
        let len = length.min(usize::from(u16::MAX)) as u16;
        let op = if exact { Op::LenIs { dst, a: reg, len } } else { Op::LenAtLeast { dst, a: reg, len } };
        self.emit(op, span);
        self.jump_if_not(fail, dst, span);
        self.release(mark);
    }

    /// Jumps away unless the first element is the tag.
    pub fn tag_is(&mut self, reg: Reg, tag: &Name, fail: &mut Label) {
        let mark = self.mark();
        let first = self.temp(tag.span);
        self.emit(Op::Item { dst: first, a: reg, index: 0 }, tag.span);
        self.equals(first, &Val::Text(tag.text.clone()), fail, tag.span);
        self.release(mark);
    }

    /// Jumps away unless the value is that constant.
    pub fn equals(&mut self, reg: Reg, value: &Val, fail: &mut Label, span: Span) {
        let mark = self.mark();
        let dst = self.temp(span);
        self.load(value, dst, span);
        self.emit(Op::Eq { dst, a: reg, b: dst }, span);
        self.jump_if_not(fail, dst, span);
        self.release(mark);
    }

    /// Jumps away unless the value is of a kind.
    pub fn kind_is(&mut self, reg: Reg, kind: Kind, fail: &mut Label, span: Span) {
        let mark = self.mark();
        let dst = self.temp(span);
        self.emit(Op::KindIs { dst, a: reg, kind }, span);
        self.jump_if_not(fail, dst, span);
        self.release(mark);
    }

    fn literal(&mut self, value: &Expr, reg: Reg, ty: &Ty, fail: &mut Label) {
        let Some(value_of) = literal::constant(value) else { return };
        let known = Ty::of_val(&value_of);
        self.never(ty, &known, value.span);
        if known == NOTHING {
            self.kind_is(reg, Kind::Nothing, fail, value.span);
        } else {
            self.equals(reg, &value_of, fail, value.span);
        }
    }

    fn never(&mut self, found: &Ty, wanted: &Ty, span: Span) {
        if !wanted.meets(found) {
            let what = format!("the pattern is for {}, the value is {}", wanted.words(), found.words());
            self.error(Code::Kind, span, what, "this never matches", "match what the value can be");
        }
    }
}

fn binders<'p>(pattern: &'p Pattern, out: &mut Vec<&'p Name>) {
    match &pattern.kind {
        PatternKind::Any | PatternKind::Literal(_) => {}
        PatternKind::Bind(name, _) => out.push(name),
        PatternKind::Just(inner) => binders(inner, out),
        PatternKind::Pair(one, two) => {
            binders(one, out);
            binders(two, out);
        }
        PatternKind::List(parts, rest) => {
            parts.iter().for_each(|part| binders(part, out));
            out.extend(rest.iter().flatten());
        }
        PatternKind::Tag(_, parts) | PatternKind::Or(parts) => parts.iter().for_each(|part| binders(part, out)),
        PatternKind::Record(fields) => fields.iter().for_each(|(_, part)| binders(part, out)),
    }
}
