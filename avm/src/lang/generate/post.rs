//! `post`: constraints as the machine reads them.

use super::body::{Body, Dest, Label};
use super::literal;
use super::types::{BOOL, INT, Ty};
use crate::code::{Builtin, Instr, Op, Reg};
use crate::lang::ast::{BinaryOp, Expr, ExprKind, Posted, UnaryOp};
use crate::lang::source::Span;
use crate::value::{Kind, Val};

/// One side of a comparison: a variable or a value, and a number added to it.
struct Side<'e> {
    base: &'e Expr,
    /// Added, or subtracted.
    offset: Option<(&'e Expr, bool)>,
}

impl Body<'_, '_> {
    pub fn post(&mut self, posted: &Posted, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let list = self.temp(span);
        match posted {
            Posted::Compare(op, left, right) => {
                self.post_compare(*op, left, right, dst, list, span);
                self.release(mark);
                return BOOL;
            }
            Posted::AllDifferent(vars) => self.parts("all-diff", &[vars], list, span),
            Posted::Table(vars, rows) => self.parts("table", &[vars, rows], list, span),
            Posted::Element(values, index, value) => self.parts("element", &[values, index, value], list, span),
            Posted::Sum(op, terms, total) => self.post_sum(*op, terms, total, list, span),
        }
        self.emit(Op::Instr { dst, start: list, which: Instr::Post }, span);
        self.release(mark);
        BOOL
    }

    /// `[word, part, ...]`
    fn parts(&mut self, word: &str, parts: &[&Expr], dst: Reg, span: Span) {
        let mark = self.mark();
        let start = self.window(parts.len() + 1, span);
        self.load(&Val::text(word), start, span);
        for (part, reg) in parts.iter().zip(start.wrapping_add(1)..) {
            self.expr(part, Dest::To(reg));
        }
        self.emit(Op::List { dst, start, count: parts.len() as u8 + 1 }, span);
        self.release(mark);
    }

    fn post_compare(&mut self, op: BinaryOp, left: &Expr, right: &Expr, dst: Reg, list: Reg, span: Span) {
        // A value on the left goes to the right.
        if literal::constant(left).is_some() && literal::constant(right).is_none() {
            return self.post_compare(flipped(op), right, left, dst, list, span);
        }
        let (one, two) = (side(left), side(right));
        let x = self.temp(span);
        let first = self.expr(one.base, Dest::To(x));
        self.expect(&first, &[Ty::Is(Kind::Var)], one.base.span, " to constrain");
        let y = self.temp(span);
        let second = self.expr(two.base, Dest::To(y));
        let shift = self.shift(&one, &two, span);
        let (mut value, mut end) = (Label::default(), Label::default());
        if second == Ty::Any {
            self.kind_is(y, Kind::Var, &mut value, span);
        }
        if second.meets(&Ty::Is(Kind::Var)) {
            self.between(op, x, y, shift, list, span);
            self.emit(Op::Instr { dst, start: list, which: Instr::Post }, span);
            self.jump(&mut end, span);
        } else {
            self.jump(&mut value, span);
        }
        self.land(value);
        if !self.dead {
            if let Some(shift) = shift {
                self.emit(Op::Add { dst: y, a: y, b: shift }, span);
            }
            self.against(op, x, y, dst, list, span);
        }
        self.land(end);
    }

    /// What is added on the right, less what is added on the left; `None` when nothing is.
    fn shift(&mut self, one: &Side<'_>, two: &Side<'_>, span: Span) -> Option<Reg> {
        if one.offset.is_none() && two.offset.is_none() {
            return None;
        }
        let sum = self.temp(span);
        self.load(&Val::Int(0), sum, span);
        for (offset, right) in [(&one.offset, false), (&two.offset, true)] {
            if let Some((number, added)) = offset {
                let mark = self.mark();
                let (b, ty) = self.any(number);
                self.expect(&ty, &[INT], number.span, " beside a variable");
                self.release(mark);
                self.emit(
                    if *added == right { Op::Add { dst: sum, a: sum, b } } else { Op::Sub { dst: sum, a: sum, b } },
                    span,
                );
            }
        }
        Some(sum)
    }

    /// x op y + shift, of variables.
    fn between(&mut self, op: BinaryOp, x: Reg, y: Reg, shift: Option<Reg>, dst: Reg, span: Span) {
        let mark = self.mark();
        let start = self.window(4, span);
        let word = match (op, shift.is_some()) {
            (BinaryOp::Eq, false) => "eq",
            (BinaryOp::Ne, false) => "neq",
            (BinaryOp::Lt, false) => "lt",
            (BinaryOp::Le, false) => "leq",
            (BinaryOp::Gt, false) => "gt",
            (_, false) => "geq",
            (BinaryOp::Eq, true) => "eq-off",
            (BinaryOp::Ne, true) => "neq-off",
            (_, true) => "leq-off",
        };
        self.load(&Val::text(word), start, span);
        let (one, two, three) = (start.wrapping_add(1), start.wrapping_add(2), start.wrapping_add(3));
        // x >= y + k is y <= x - k.
        let swapped = shift.is_some() && matches!(op, BinaryOp::Gt | BinaryOp::Ge);
        let (first, second) = if swapped { (y, x) } else { (x, y) };
        self.emit(Op::Move { dst: one, src: first }, span);
        self.emit(Op::Move { dst: two, src: second }, span);
        let mut count = 3;
        if let Some(shift) = shift {
            count = 4;
            self.emit(
                if swapped { Op::Neg { dst: three, a: shift } } else { Op::Move { dst: three, src: shift } },
                span,
            );
            if matches!(op, BinaryOp::Lt | BinaryOp::Gt) {
                self.emit(Op::AddInt { dst: three, a: three, number: -1 }, span);
            }
        }
        self.emit(Op::List { dst, start, count }, span);
        self.release(mark);
    }

    /// x op value.
    fn against(&mut self, op: BinaryOp, x: Reg, value: Reg, dst: Reg, list: Reg, span: Span) {
        let word = match op {
            BinaryOp::Eq => "val-eq",
            BinaryOp::Le => "val-leq",
            BinaryOp::Lt => "val-lt",
            BinaryOp::Ge => "val-geq",
            BinaryOp::Gt => "val-gt",
            _ => return self.other_than(x, value, dst, span),
        };
        let mark = self.mark();
        let start = self.window(3, span);
        self.load(&Val::text(word), start, span);
        self.emit(Op::Move { dst: start.wrapping_add(1), src: x }, span);
        self.emit(Op::Move { dst: start.wrapping_add(2), src: value }, span);
        self.emit(Op::List { dst: list, start, count: 3 }, span);
        self.release(mark);
        self.emit(Op::Instr { dst, start: list, which: Instr::Post }, span);
    }

    /// x != value: the domain without the value. No constraint says it, and nothing stays to be watched.
    fn other_than(&mut self, x: Reg, value: Reg, dst: Reg, span: Span) {
        let mark = self.mark();
        let left = self.temp(span);
        let (at, end, item, cond) = (self.temp(span), self.temp(span), self.temp(span), self.temp(span));
        let domain = self.temp(span);
        let pair = self.window(2, span);
        let second = pair.wrapping_add(1);
        self.emit(Op::Move { dst: pair, src: x }, span);
        self.emit(Op::Instr { dst: domain, start: pair, which: Instr::DomainOf }, span);
        self.emit(Op::Move { dst: pair, src: domain }, span);
        self.emit(Op::Builtin { dst: end, start: pair, which: Builtin::Len }, span);
        self.load(&Val::Int(0), at, span);
        self.emit(Op::List { dst: left, start: left, count: 0 }, span);
        let head = self.here();
        let (mut out, mut same) = (Label::default(), Label::default());
        self.emit(Op::Lt { dst: cond, a: at, b: end }, span);
        self.jump_if_not(&mut out, cond, span);
        self.emit(Op::Move { dst: pair, src: domain }, span);
        self.emit(Op::Move { dst: second, src: at }, span);
        self.emit(Op::Builtin { dst: item, start: pair, which: Builtin::At }, span);
        self.emit(Op::AddInt { dst: at, a: at, number: 1 }, span);
        self.emit(Op::Eq { dst: cond, a: item, b: value }, span);
        self.jump_if(&mut same, cond, span);
        self.emit(Op::Move { dst: pair, src: left }, span);
        self.emit(Op::Move { dst: second, src: item }, span);
        self.emit(Op::Builtin { dst: left, start: pair, which: Builtin::Push }, span);
        self.land(same);
        self.jump_back(head, span);
        self.land(out);
        self.emit(Op::Move { dst: pair, src: x }, span);
        self.emit(Op::Move { dst: second, src: left }, span);
        self.emit(Op::Instr { dst, start: pair, which: Instr::Narrow }, span);
        self.release(mark);
    }

    /// `sum(terms) op total`, as factors and variables.
    fn post_sum(&mut self, op: BinaryOp, terms: &Expr, total: &Expr, dst: Reg, span: Span) {
        let mark = self.mark();
        let start = self.window(3, span);
        let (list, number) = (start.wrapping_add(1), start.wrapping_add(2));
        let turned = matches!(op, BinaryOp::Gt | BinaryOp::Ge);
        self.load(&Val::text(if op == BinaryOp::Eq { "sum-eq" } else { "sum-leq" }), start, span);
        match &terms.kind {
            ExprKind::List(elements) if elements.len() <= 64 && elements.iter().all(|element| !element.spread) => {
                let inner = self.mark();
                let all = self.window(elements.len(), span);
                for (element, reg) in elements.iter().zip(all..) {
                    self.term(&element.value, turned, reg);
                }
                self.emit(Op::List { dst: list, start: all, count: elements.len() as u8 }, span);
                self.release(inner);
            }
            _ => self.ones(terms, turned, list, span),
        }
        let ty = self.expr(total, Dest::To(number));
        self.expect(&ty, &[INT], total.span, " as a sum");
        if turned {
            self.emit(Op::Neg { dst: number, a: number }, span);
        }
        if matches!(op, BinaryOp::Lt | BinaryOp::Gt) {
            self.emit(Op::AddInt { dst: number, a: number, number: -1 }, span);
        }
        self.emit(Op::List { dst, start, count: 3 }, span);
        self.release(mark);
    }

    /// `[factor, variable]` of `x`, `-x`, `k * x` or `x * k`.
    fn term(&mut self, term: &Expr, turned: bool, dst: Reg) {
        let span = term.span;
        let mark = self.mark();
        let start = self.window(2, span);
        let var = start.wrapping_add(1);
        let mut turned = turned;
        let known = match &term.kind {
            ExprKind::Binary(BinaryOp::Mul, one, two) => {
                let (factor, base) = if literal::constant(two).is_some() { (two, one) } else { (one, two) };
                let ty = self.expr(factor, Dest::To(start));
                self.expect(&ty, &[INT], factor.span, " as a factor");
                self.expr(base, Dest::To(var))
            }
            ExprKind::Unary(UnaryOp::Neg, inner) => {
                turned = !turned;
                self.load(&Val::Int(1), start, span);
                self.expr(inner, Dest::To(var))
            }
            _ => {
                self.load(&Val::Int(1), start, span);
                self.expr(term, Dest::To(var))
            }
        };
        self.expect(&known, &[Ty::Is(Kind::Var)], span, " in a sum");
        if turned {
            self.emit(Op::Neg { dst: start, a: start }, span);
        }
        self.emit(Op::List { dst, start, count: 2 }, span);
        self.release(mark);
    }

    /// A factor of one for every variable of a list.
    fn ones(&mut self, terms: &Expr, turned: bool, dst: Reg, span: Span) {
        let mark = self.mark();
        let sum = self.temp(span);
        self.emit(Op::List { dst: sum, start: sum, count: 0 }, span);
        let out = self.each(terms, span, |this, item, _| {
            let pair = this.window(3, span);
            let (second, third) = (pair.wrapping_add(1), pair.wrapping_add(2));
            this.emit(Op::Move { dst: pair, src: sum }, span);
            this.emit(Op::Nothing { dst: sum }, span);
            this.load(&Val::Int(if turned { -1 } else { 1 }), second, span);
            this.emit(Op::Move { dst: third, src: item }, span);
            this.emit(Op::List { dst: second, start: second, count: 2 }, span);
            this.emit(Op::Builtin { dst: sum, start: pair, which: Builtin::Push }, span);
        });
        self.land(out);
        self.emit(Op::Move { dst, src: sum }, span);
        self.release(mark);
    }
}

fn side(expr: &Expr) -> Side<'_> {
    match &expr.kind {
        ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), base, number) => {
            if *op == BinaryOp::Add && literal::constant(base).is_some() {
                return Side { base: number, offset: Some((base, true)) };
            }
            Side { base, offset: Some((number, *op == BinaryOp::Add)) }
        }
        _ => Side { base: expr, offset: None },
    }
}

const fn flipped(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}
