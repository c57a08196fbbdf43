//! Expressions.

use std::sync::Arc;

use super::body::{Body, Dest, Label, Role};
use super::literal;
use super::types::{BOOL, INT, NOTHING, Ty};
use super::values::{VARIABLE_HELP, Values};
use crate::code::{Builtin, Instr, Op, Reg};
use crate::lang::ast::{BinaryOp, Element, Expr, ExprKind, Name, UnaryOp};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::lang::walk;
use crate::value::{INT_MAX, INT_MIN, Kind, Val};

/// Most elements of a list that are put together at once.
const CHUNK: usize = 64;
/// Most parts of a record or a state.
pub const MAX_PARTS: usize = 200;

impl Body<'_, '_> {
    /// Compiles an expression; its value goes where `dest` says. Gives what is known of it.
    pub fn expr(&mut self, expr: &Expr, dest: Dest) -> Ty {
        self.value_read(expr, dest).unwrap_or_else(|| self.expr_as_it_is(expr, dest))
    }

    /// The same, where a variable stays a variable.
    pub fn expr_as_it_is(&mut self, expr: &Expr, dest: Dest) -> Ty {
        match &expr.kind {
            ExprKind::If { condition, then, otherwise } => {
                self.conditional(condition, then, otherwise.as_ref(), dest, expr.span)
            }
            ExprKind::Match(value, arms) => self.matching(value, arms, dest, expr.span),
            ExprKind::Block(block) => self.block(block, dest),
            ExprKind::For { pattern, list, body } => {
                self.for_loop(pattern, list, body, expr.span);
                self.unit(dest, expr.span)
            }
            ExprKind::While(condition, body) => {
                self.while_loop(condition, body, expr.span);
                self.unit(dest, expr.span)
            }
            ExprKind::Return(value) => self.returns(value.as_deref(), expr.span),
            ExprKind::Break | ExprKind::Continue => self.leaves_loop(matches!(expr.kind, ExprKind::Break), expr.span),
            ExprKind::Decline | ExprKind::Reject => self.refuses(matches!(expr.kind, ExprKind::Reject), expr.span),
            ExprKind::Abort => self.abort(expr.span),
            ExprKind::Call(callee, args) => self.call(callee, args, dest, expr.span),
            ExprKind::Require(condition, name) => self.require(condition, name.as_deref(), dest, expr.span),
            ExprKind::RequireOrder(calls, name) => self.require_order(calls, name.as_deref(), dest, expr.span),
            ExprKind::Prefer(condition, weight) => self.instr_on(Instr::Prefer, &[condition, weight], dest, expr.span),
            ExprKind::Message { send, target, message } => {
                let which = if *send { Instr::Send } else { Instr::Call };
                self.known_message(target, message);
                self.instr_on(which, &[target, message], dest, expr.span)
            }
            ExprKind::Word(Instr::SolveAll, list) => {
                let nothing = Expr { kind: ExprKind::Nothing, span: expr.span, height: 1 };
                self.instr_on(Instr::SolveAll, &[list, &nothing], dest, expr.span)
            }
            ExprKind::Word(which, value) => self.instr_on(*which, &[value], dest, expr.span),
            ExprKind::Assert(condition) => self.assert(condition, dest, expr.span),
            _ => self.simple(expr, dest),
        }
    }

    /// Expressions that give one value into a register.
    fn simple(&mut self, expr: &Expr, dest: Dest) -> Ty {
        let mark = self.mark();
        // A name needs no copy to be returned.
        let known = match (&expr.kind, dest) {
            (ExprKind::Name(_), Dest::Return) => Some(self.any(expr)),
            _ => None,
        };
        let (reg, ty) = known.unwrap_or_else(|| {
            let reg = self.target(dest, expr.span);
            let ty = self.value(expr, reg);
            (reg, ty)
        });
        if dest == Dest::Discard {
            self.unused(expr);
        }
        let ty = self.deliver(reg, ty, dest, expr.span);
        self.release(mark);
        ty
    }

    /// Register for a value that goes to `dest`.
    pub fn target(&mut self, dest: Dest, span: Span) -> Reg {
        match dest {
            Dest::To(reg) => reg,
            Dest::Return | Dest::Discard => self.temp(span),
        }
    }

    /// A value stands in `reg`, the register of `dest`; returns it when it is to be returned.
    pub fn deliver(&mut self, reg: Reg, ty: Ty, dest: Dest, span: Span) -> Ty {
        if dest != Dest::Return {
            return ty;
        }
        if let Some((wanted, _)) = self.result.clone() {
            self.expect(&ty, &[wanted], span, " as the result");
        }
        match self.role {
            Role::Handler => {
                let list = self.temp(span);
                self.emit(Op::List { dst: list, start: reg, count: 1 }, span);
                self.emit(Op::Return { src: list }, span);
            }
            Role::Function | Role::Closure => self.emit(Op::Return { src: reg }, span),
        }
        self.dead = true;
        Ty::Never
    }

    /// There is no value: `nothing` is it, and a handler gives no output.
    pub fn unit(&mut self, dest: Dest, span: Span) -> Ty {
        match dest {
            Dest::To(reg) => self.emit(Op::Nothing { dst: reg }, span),
            Dest::Discard => {}
            Dest::Return => {
                if let Some((wanted, _)) = self.result.clone()
                    && !self.dead
                {
                    self.expect(&NOTHING, &[wanted], span, " as the result");
                }
                let mark = self.mark();
                let reg = self.temp(span);
                match self.role {
                    Role::Handler => self.emit(Op::List { dst: reg, start: reg, count: 0 }, span),
                    Role::Function | Role::Closure => self.emit(Op::Nothing { dst: reg }, span),
                }
                self.emit(Op::Return { src: reg }, span);
                self.release(mark);
                self.dead = true;
                return Ty::Never;
            }
        }
        NOTHING
    }

    /// The value in some register: that of the name it is, or a new one.
    pub fn any(&mut self, expr: &Expr) -> (Reg, Ty) {
        if let ExprKind::Name(name) = &expr.kind
            && !self.reads_variable(name)
            && let Some(local) = self.find(name)
        {
            local.used = true;
            return (local.reg, local.ty.clone());
        }
        let reg = self.temp(expr.span);
        let ty = self.expr(expr, Dest::To(reg));
        (reg, ty)
    }

    /// Like `any`, when other expressions are evaluated before the value is used: they must not change it.
    pub fn held(&mut self, expr: &Expr, later: &[&Expr]) -> (Reg, Ty) {
        let mutable = match &expr.kind {
            ExprKind::Name(name) => self.find(name).is_some_and(|local| local.mutable),
            _ => false,
        };
        if mutable && later.iter().any(|later| assigns(later)) {
            let reg = self.temp(expr.span);
            let ty = self.expr(expr, Dest::To(reg));
            return (reg, ty);
        }
        self.any(expr)
    }

    /// Compiles an expression of one value into a register.
    fn value(&mut self, expr: &Expr, dst: Reg) -> Ty {
        let span = expr.span;
        if let Some(value) = literal::constant(expr) {
            self.load(&value, dst, span);
            return Ty::of_val(&value);
        }
        match &expr.kind {
            ExprKind::Name(name) => self.name(name, dst, span),
            ExprKind::Just(inner) => {
                let (a, ty) = self.any(inner);
                self.emit(Op::Just { dst, a }, span);
                Ty::Just(Box::new(ty))
            }
            ExprKind::Pair(one, two) => {
                let (a, first) = self.held(one, &[two]);
                let (b, second) = self.any(two);
                self.emit(Op::Pair { dst, a, b }, span);
                Ty::Pair(Box::new(first), Box::new(second))
            }
            ExprKind::List(elements) => self.list(elements, dst, span),
            ExprKind::Record(fields) => self.record(fields, dst, span),
            ExprKind::Range { from, to, inclusive } => self.range(from, to, *inclusive, dst, span),
            ExprKind::Unary(op, one) => self.unary(*op, one, dst, span),
            ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) => self.logic(expr, dst),
            ExprKind::Binary(op, one, two) => self.binary(*op, one, two, dst, span),
            ExprKind::Method(target, tag, args) => self.method(target, tag, args, dst, span),
            ExprKind::Field(target, name) => {
                let (a, ty) = self.whole(target, |this| this.any(target));
                self.expect(&ty, &[Ty::Is(Kind::Record)], target.span, " to take a field of");
                let k = self.constant(&Val::Text(name.text.clone()), name.span);
                self.emit(Op::Field { dst, a, k }, span);
                Ty::Any
            }
            ExprKind::Index(target, index) => self.index(target, index, dst, span),
            ExprKind::Create { module, name, at } => self.create(module.as_ref(), name, at.as_deref(), dst, span),
            ExprKind::Post(posted) => self.with_values(Values::Plain, |this| this.post(posted, dst, span)),
            ExprKind::Atomic(controller, body) => {
                self.with_values(Values::Plain, |this| this.atomic(controller.as_deref(), body, dst, span))
            }
            ExprKind::Retry(times, atomic) => self.retry(times, atomic, dst, span),
            ExprKind::Lambda(params, body) => self.closure(params, body, dst, span),
            // Everything else is a literal, which is loaded above.
            _ => Ty::Any,
        }
    }

    fn name(&mut self, name: &Arc<str>, dst: Reg, span: Span) -> Ty {
        if let Some(local) = self.find(name) {
            local.used = true;
            let (src, ty) = (local.reg, local.ty.clone());
            if src != dst {
                self.emit(Op::Move { dst, src }, span);
            }
            return ty;
        }
        if let Some(field) = self.state.as_ref().and_then(|state| state.fields.iter().position(|field| field == name)) {
            let state = self.current_state(span);
            self.emit(Op::Item { dst, a: state, index: field as u16 }, span);
            return Ty::Any;
        }
        let instr = match &**name {
            "self" => Some(Instr::SelfId),
            "sender" => Some(Instr::Sender),
            "input" => Some(Instr::Input),
            _ => None,
        };
        if let Some(which) = instr {
            return self.instr_on(which, &[], Dest::To(dst), span);
        }
        let unit = self.unit;
        if unit.functions.contains_key(name) {
            if let Some(function) = self.g.function(unit, name) {
                self.emit(Op::Closure { dst, start: 0, captured: 0, function }, span);
            }
            return Ty::Is(Kind::Function);
        }
        self.unknown(name, span);
        Ty::Any
    }

    /// The register that holds the state as it is now.
    pub fn current_state(&mut self, span: Span) -> Reg {
        let (reg, fresh) = self.state.as_ref().map_or((0, true), |state| (state.reg, state.fresh));
        if !fresh {
            self.emit(Op::Instr { dst: reg, start: self.mark() as u8, which: Instr::GetState }, span);
            self.set_fresh(true);
        }
        reg
    }

    fn list(&mut self, elements: &[Element], dst: Reg, span: Span) -> Ty {
        let spread = |element: &Element| element.spread || matches!(element.value.kind, ExprKind::Range { .. });
        let mark = self.mark();
        // Two registers in a row for joining: what there is, and what comes.
        let joins = elements.len() > CHUNK || elements.iter().any(spread);
        let pair = if joins { self.window(2, span) } else { 0 };
        let mut ty = Ty::Never;
        let mut some = false;
        let mut at = 0;
        while at < elements.len() || !some {
            let rest = elements.get(at..).unwrap_or_default();
            let to = if !joins {
                dst
            } else if some {
                pair.wrapping_add(1)
            } else {
                pair
            };
            let inner = self.mark();
            if let Some(first) = rest.first().filter(|element| spread(element)) {
                let found = self.expr(&first.value, Dest::To(to));
                self.expect(&found, &[Ty::of(Kind::List)], first.value.span, " to take elements of");
                ty = ty.join(found.element());
                at += 1;
            } else {
                let count = rest.iter().take(CHUNK).take_while(|element| !spread(element)).count();
                let start = self.window(count, span);
                for (element, reg) in rest.iter().take(count).zip(start..) {
                    let found = self.expr(&element.value, Dest::To(reg));
                    ty = ty.join(found);
                }
                self.emit(Op::List { dst: to, start, count: count as u8 }, span);
                at += count;
            }
            self.release(inner);
            if some {
                self.emit(Op::Builtin { dst: pair, start: pair, which: Builtin::Concat }, span);
            }
            some = true;
        }
        if joins {
            self.emit(Op::Move { dst, src: pair }, span);
        }
        self.release(mark);
        Ty::List(Box::new(ty))
    }

    fn record(&mut self, fields: &[(Name, Expr)], dst: Reg, span: Span) -> Ty {
        let mut names: Vec<Arc<str>> = fields.iter().map(|(name, _)| name.text.clone()).collect();
        names.sort();
        for (i, (name, _)) in fields.iter().enumerate() {
            if let Some((first, _)) = fields.iter().take(i).find(|(other, _)| other.text == name.text) {
                self.g.duplicate(name, first.span);
                return Ty::Is(Kind::Record);
            }
        }
        if names.len() > MAX_PARTS {
            self.error(
                Code::Elements,
                span,
                format!("a record of more than {MAX_PARTS} fields"),
                "",
                "use lists, or records in records",
            );
            return Ty::Is(Kind::Record);
        }
        let mark = self.mark();
        let start = self.window(names.len(), span);
        for (name, value) in fields {
            let at = names.iter().position(|other| *other == name.text).unwrap_or(0);
            self.expr(value, Dest::To(start.wrapping_add(at as u8)));
        }
        let names = Val::List(names.into_iter().map(Val::Text).collect());
        let k = self.constant(&names, span);
        self.emit(Op::Record { dst, start, k }, span);
        self.release(mark);
        Ty::Is(Kind::Record)
    }

    fn range(&mut self, from: &Expr, to: &Expr, inclusive: bool, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let start = self.window(2, span);
        let end = start.wrapping_add(1);
        let first = self.expr(from, Dest::To(start));
        let last = self.expr(to, Dest::To(end));
        self.expect(&first, &[INT], from.span, " as a border of a range");
        self.expect(&last, &[INT], to.span, " as a border of a range");
        if inclusive {
            self.emit(Op::AddInt { dst: end, a: end, number: 1 }, span);
        }
        self.emit(Op::Builtin { dst, start, which: Builtin::Range }, span);
        self.release(mark);
        let bounds = match (first, last) {
            (Ty::Int(low, _), Ty::Int(_, high)) => Ty::Int(low, high),
            _ => INT,
        };
        Ty::List(Box::new(bounds))
    }

    fn unary(&mut self, op: UnaryOp, one: &Expr, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let (a, ty) = self.any(one);
        self.release(mark);
        match op {
            UnaryOp::Not => {
                self.expect(&ty, &[BOOL], one.span, "");
                self.emit(Op::Not { dst, a }, span);
                BOOL
            }
            UnaryOp::Neg => {
                self.expect(&ty, &[INT], one.span, "");
                self.emit(Op::Neg { dst, a }, span);
                match ty {
                    Ty::Int(low, high) => bounded(-high, -low),
                    _ => INT,
                }
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, one: &Expr, two: &Expr, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        if op == BinaryOp::Concat {
            let start = self.window(2, span);
            let first = self.expr(one, Dest::To(start));
            let second = self.expr(two, Dest::To(start.wrapping_add(1)));
            let wanted = [Ty::of(Kind::List), Ty::Is(Kind::Text), Ty::Is(Kind::Bytes)];
            self.expect(&first, &wanted, one.span, " to join");
            self.expect(&second, &wanted, two.span, " to join");
            if !first.meets(&second) && first.kind() != second.kind() {
                let what = format!("cannot join {} and {}", first.words(), second.words());
                self.error(Code::Kind, span, what, "", "`text(x)` makes a text of any value");
            }
            self.emit(Op::Builtin { dst, start, which: Builtin::Concat }, span);
            self.release(mark);
            return first.join(second);
        }
        let (a, first) = self.held(one, &[two]);
        if let (BinaryOp::Add | BinaryOp::Sub, ExprKind::Int(number)) = (op, &two.kind)
            && let Ok(number) = i16::try_from(if op == BinaryOp::Add { *number } else { -*number })
        {
            self.release(mark);
            self.expect(&first, &[INT], one.span, "");
            self.emit(Op::AddInt { dst, a, number }, span);
            let number = i128::from(number);
            return arithmetic(BinaryOp::Add, &first, &Ty::Int(number, number));
        }
        let (b, second) = self.any(two);
        self.release(mark);
        let arith = matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod);
        if arith {
            self.expect(&first, &[INT], one.span, "");
            self.expect(&second, &[INT], two.span, "");
        } else if !first.meets(&second)
            && first.kind().is_some()
            && second.kind().is_some()
            && first.kind() != second.kind()
        {
            let what = format!("{} and {} are never equal and cannot be ordered", first.words(), second.words());
            let variable = [&first, &second].into_iter().any(|ty| ty.kind() == Some(Kind::Var));
            self.error(Code::Kind, span, what, "", if variable { VARIABLE_HELP } else { "compare values of one kind" });
        }
        self.emit(
            match op {
                BinaryOp::Add => Op::Add { dst, a, b },
                BinaryOp::Sub => Op::Sub { dst, a, b },
                BinaryOp::Mul => Op::Mul { dst, a, b },
                BinaryOp::Div => Op::Div { dst, a, b },
                BinaryOp::Mod => Op::Mod { dst, a, b },
                BinaryOp::Ne => Op::Ne { dst, a, b },
                BinaryOp::Lt => Op::Lt { dst, a, b },
                BinaryOp::Le => Op::Le { dst, a, b },
                BinaryOp::Gt => Op::Lt { dst, a: b, b: a },
                BinaryOp::Ge => Op::Le { dst, a: b, b: a },
                _ => Op::Eq { dst, a, b },
            },
            span,
        );
        if arith { arithmetic(op, &first, &second) } else { BOOL }
    }

    /// `&&` and `||`. Where the right side cannot fail and does nothing, both sides are evaluated: choices in them stay terms.
    fn logic(&mut self, expr: &Expr, dst: Reg) -> Ty {
        let ExprKind::Binary(op, one, two) = &expr.kind else { return BOOL };
        let span = expr.span;
        let mark = self.mark();
        if self.total(two).is_some_and(|ty| ty == BOOL) {
            let (a, first) = self.any(one);
            let (b, _) = self.any(two);
            self.expect(&first, &[BOOL], one.span, "");
            self.release(mark);
            self.emit(if *op == BinaryOp::And { Op::And { dst, a, b } } else { Op::Or { dst, a, b } }, span);
            return BOOL;
        }
        if self.keeps_terms() && self.harmless(two) {
            self.logic_of_values(*op, [one, two], dst, span);
            self.release(mark);
            return BOOL;
        }
        let reg = self.temp(span);
        let mut end = Label::default();
        let first = self.expr(one, Dest::To(reg));
        self.expect(&first, &[BOOL], one.span, "");
        if *op == BinaryOp::And {
            self.jump_if_not(&mut end, reg, span);
        } else {
            self.jump_if(&mut end, reg, span);
        }
        let fresh = self.fresh();
        let second = self.expr(two, Dest::To(reg));
        self.expect(&second, &[BOOL], two.span, "");
        let both = fresh && self.fresh();
        self.set_fresh(both);
        self.land(end);
        self.emit(Op::Move { dst, src: reg }, span);
        self.release(mark);
        BOOL
    }

    /// What an expression gives, when it can be proven that it neither fails nor does anything.
    fn total(&mut self, expr: &Expr) -> Option<Ty> {
        match &expr.kind {
            ExprKind::Name(name) => self.find(name).filter(|local| local.trusted).map(|local| local.ty.clone()),
            ExprKind::Unary(UnaryOp::Not, one) => self.total(one).filter(|ty| *ty == BOOL),
            ExprKind::Binary(BinaryOp::And | BinaryOp::Or, one, two) => {
                let both = self.total(one)? == BOOL && self.total(two)? == BOOL;
                both.then_some(BOOL)
            }
            ExprKind::Binary(BinaryOp::Eq | BinaryOp::Ne, one, two) => {
                self.total(one)?;
                self.total(two).map(|_| BOOL)
            }
            ExprKind::Binary(BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, one, two) => {
                let numbers = matches!((self.total(one)?, self.total(two)?), (Ty::Int(..), Ty::Int(..)));
                numbers.then_some(BOOL)
            }
            ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), one, two) => {
                let (one, two) = (self.total(one)?, self.total(two)?);
                let (Ty::Int(..), Ty::Int(..)) = (&one, &two) else { return None };
                Some(arithmetic(*op, &one, &two)).filter(|ty| *ty != INT)
            }
            _ => literal::constant(expr).map(|value| Ty::of_val(&value)),
        }
    }

    fn index(&mut self, target: &Expr, index: &Expr, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        if let ExprKind::Range { from, to, inclusive } = &index.kind {
            let start = self.window(3, span);
            let found = self.whole(target, |this| this.expr(target, Dest::To(start)));
            self.expr(from, Dest::To(start.wrapping_add(1)));
            let end = start.wrapping_add(2);
            self.expr(to, Dest::To(end));
            if *inclusive {
                self.emit(Op::AddInt { dst: end, a: end, number: 1 }, span);
            }
            self.emit(Op::Builtin { dst, start, which: Builtin::Slice }, span);
            self.release(mark);
            return found;
        }
        let wanted = [Ty::of(Kind::List)];
        let found = if let ExprKind::Int(number) = index.kind
            && let Ok(number) = u16::try_from(number)
        {
            let (a, found) = self.whole(target, |this| this.any(target));
            self.emit(Op::Item { dst, a, index: number }, span);
            found
        } else {
            let start = self.window(2, span);
            let found = self.whole(target, |this| this.expr(target, Dest::To(start)));
            let at = self.expr(index, Dest::To(start.wrapping_add(1)));
            self.expect(&at, &[INT], index.span, " as an index");
            self.emit(Op::Builtin { dst, start, which: Builtin::At }, span);
            found
        };
        self.expect(&found, &wanted, target.span, " to take an element of");
        self.release(mark);
        found.element()
    }
}

/// Whether evaluating it may assign to a variable.
fn assigns(expr: &Expr) -> bool {
    let mut found = false;
    walk::all(expr, &mut |expr| {
        found |= matches!(
            expr.kind,
            ExprKind::If { .. }
                | ExprKind::Match(..)
                | ExprKind::Block(_)
                | ExprKind::For { .. }
                | ExprKind::While(..)
                | ExprKind::Atomic(..)
                | ExprKind::Lambda(..)
        );
    });
    found
}

fn bounded(low: i128, high: i128) -> Ty {
    if low >= INT_MIN && high <= INT_MAX { Ty::Int(low, high) } else { INT }
}

/// Bounds of a result; any number when it may overflow.
fn arithmetic(op: BinaryOp, one: &Ty, two: &Ty) -> Ty {
    let (Ty::Int(a, b), Ty::Int(c, d)) = (one, two) else { return INT };
    match op {
        BinaryOp::Add => bounded(a + c, b + d),
        BinaryOp::Sub => bounded(a - d, b - c),
        BinaryOp::Mul => {
            let products = [(a, c), (a, d), (b, c), (b, d)].map(|(x, y)| x.checked_mul(*y));
            let known: Option<Vec<i128>> = products.into_iter().collect();
            let bounds = known.and_then(|all| Some((*all.iter().min()?, *all.iter().max()?)));
            bounds.map_or(INT, |(low, high)| bounded(low, high))
        }
        _ => INT,
    }
}
