//! Values that depend on choices: what they are now and the term they are (`decisions:AVM-3`). What has no term takes the value it
//! has now and adds that to the conditions of the path.

use std::sync::Arc;

use super::convert::{equal, fits, is_text, kind, to_val};
use super::exec::{Exec, Fault, Term, arithmetic, type_error};
use super::heap::Heap;
use super::word::{NOTHING, Node, Value};
use super::world::World;
use crate::code::{MessageShape, Op, Shape};
use crate::nondet::Expr;
use crate::value::{INT_MAX, INT_MIN, Kind, Val};

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Arith {
    pub(super) const fn of(op: Op) -> Option<Self> {
        match op {
            Op::Add { .. } | Op::AddInt { .. } => Some(Self::Add),
            Op::Sub { .. } | Op::Neg { .. } => Some(Self::Sub),
            Op::Mul { .. } => Some(Self::Mul),
            Op::Div { .. } => Some(Self::Div),
            Op::Mod { .. } => Some(Self::Mod),
            _ => None,
        }
    }

    /// The result, or why there is none.
    fn apply(self, a: i128, b: i128) -> Result<i128, Fault> {
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div | Self::Mod if b == 0 => return Err(arithmetic("division by zero")),
            // Towards minus infinity, and the remainder with the sign of the divisor.
            Self::Div => a.checked_div(b).map(|q| if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q }),
            Self::Mod => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        };
        let result = result.filter(|result| (INT_MIN..=INT_MAX).contains(result));
        result.ok_or_else(|| arithmetic("the number is out of range, -2^63 to 2^64 - 1"))
    }

    fn expr(self, a: &Arc<Expr>, b: &Arc<Expr>) -> Arc<Expr> {
        match self {
            Self::Add => Expr::plus(a, b),
            Self::Sub => Expr::minus(a, b),
            Self::Mul => Expr::times(a, b),
            Self::Div => Expr::quotient(a, b),
            Self::Mod => Expr::remainder(a, b),
        }
    }

    /// Bounds of the result when it is surely defined.
    fn bounds(self, a: &Term, b: &Term) -> Option<(i128, i128)> {
        if a.kind != Some(Kind::Int) || b.kind != Some(Kind::Int) {
            return None;
        }
        let corners = |f: fn(i128, i128) -> Option<i128>| {
            let all = [f(a.low, b.low)?, f(a.low, b.high)?, f(a.high, b.low)?, f(a.high, b.high)?];
            Some((*all.iter().min()?, *all.iter().max()?))
        };
        let bounds = match self {
            Self::Add => corners(i128::checked_add),
            Self::Sub => corners(i128::checked_sub),
            Self::Mul => corners(i128::checked_mul),
            Self::Div | Self::Mod => None,
        }?;
        (bounds.0 >= INT_MIN && bounds.1 <= INT_MAX).then_some(bounds)
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
}

/// What is known of an equality.
enum Same {
    Known(bool),
    /// With whether it depends on variables.
    Term(Arc<Expr>, bool),
}

impl World {
    /// What is known of a value; a plain one is a constant.
    fn term(&self, x: &Exec, value: Value) -> Term {
        if value.is_deferred()
            && let Some(term) = x.terms.get(self.heap.term(value) as usize)
        {
            return term.clone();
        }
        let val = to_val(&self.heap, &self.names, value);
        let number = self.heap.as_number(value).unwrap_or_default();
        Term { kind: Some(val.kind()), expr: Expr::constant(val), low: number, high: number, open: false }
    }

    /// A deferred value; takes over the reference of what it is now.
    pub(super) fn defer(&mut self, x: &mut Exec, now: Value, term: Term) -> Result<Value, Fault> {
        if let Expr::Const(_) = &*term.expr {
            return Ok(now);
        }
        let number = x.terms.len() as u32;
        x.terms.push(term);
        Ok(self.heap.deferred(now, number)?)
    }

    /// Adds a condition to the path.
    pub(super) fn condition(x: &mut Exec, expr: &Arc<Expr>) {
        let made = x.tx.choices.len() as u32;
        if !matches!(&**expr, Expr::Const(Val::Bool(true))) && x.tx.path.last().is_none_or(|(_, last)| last != &**expr)
        {
            x.tx.path.push((made, Expr::clone(expr)));
        }
    }

    /// The value as it is now; that it is so becomes a condition. Counts no reference.
    #[inline]
    pub(super) fn settle(&mut self, x: &mut Exec, value: Value) -> Value {
        if value.is_deferred() { self.settle_cold(x, value) } else { value }
    }

    #[cold]
    fn settle_cold(&mut self, x: &mut Exec, value: Value) -> Value {
        let now = self.heap.now(value);
        self.charge_later(x, size_of::<Val>() as u64 * u64::from(self.heap.size(now)));
        let term = self.term(x, value);
        if term.open {
            Self::goes_by(x, &term);
            return now;
        }
        let condition = Expr::equal(&term.expr, &Expr::constant(to_val(&self.heap, &self.names, now)));
        Self::condition(x, &condition);
        now
    }

    /// A copy without deferred values, all that is in it as it is now; one reference for the caller.
    pub(super) fn settle_deep(&mut self, x: &mut Exec, value: Value) -> Result<Value, Fault> {
        if value.tainted() {
            self.settle_inside(x, value);
        }
        Ok(self.heap.plain(value)?)
    }

    fn settle_inside(&mut self, x: &mut Exec, value: Value) {
        if value.is_deferred() {
            let now = self.settle_cold(x, value);
            if now.tainted() {
                self.settle_inside(x, now);
            }
            return;
        }
        let tainted: Vec<Value> = self.heap.children(value).filter(|child| child.tainted()).collect();
        tainted.into_iter().for_each(|child| self.settle_inside(x, child));
    }

    /// a op b of numbers.
    pub(super) fn arith(&mut self, x: &mut Exec, op: Arith, a: Value, b: Value) -> Result<Value, Fault> {
        let numbers = (self.heap.as_number(self.heap.now(a)), self.heap.as_number(self.heap.now(b)));
        let now = match numbers {
            (Some(a), Some(b)) => op.apply(a, b),
            (Some(_), None) => Err(type_error("a number", kind(&self.heap, b))),
            (None, _) => Err(type_error("a number", kind(&self.heap, a))),
        };
        if !a.is_deferred() && !b.is_deferred() {
            return Ok(self.heap.number(now?)?);
        }
        let (a, b) = (self.term(x, a), self.term(x, b));
        let number = |term: &Term| term.kind.is_none_or(|kind| kind == Kind::Int);
        let open = (a.open || b.open) && number(&a) && number(&b);
        let expr = op.expr(&a.expr, &b.expr);
        let bounds = op.bounds(&a, &b);
        if bounds.is_none() {
            let defined = Expr::defined(&expr);
            Self::guard(x, &if now.is_ok() || open { defined } else { Expr::not(&defined) }, open);
        }
        let now = if now.is_err() && Self::guess(x, open) { 0 } else { now? };
        let now = self.heap.number(now)?;
        let (low, high) = bounds.unwrap_or((INT_MIN, INT_MAX));
        self.defer(x, now, Term { expr, kind: Some(Kind::Int), low, high, open })
    }

    fn defer_truth(&mut self, x: &mut Exec, now: bool, expr: Arc<Expr>, open: bool) -> Result<Value, Fault> {
        self.defer(x, Value::bool(now), Term { expr, kind: Some(Kind::Bool), low: 0, high: 0, open })
    }

    /// a == b, or its opposite.
    pub(super) fn equality(&mut self, x: &mut Exec, a: Value, b: Value, equals: bool) -> Result<Value, Fault> {
        if !a.tainted() && !b.tainted() {
            return Ok(Value::bool(equal(&self.heap, a, b) == equals));
        }
        let now = equal(&self.heap, a, b) == equals;
        match self.same(x, a, b) {
            Same::Known(truth) => Ok(Value::bool(truth == equals)),
            Same::Term(expr, open) => self.defer_truth(x, now, if equals { expr } else { Expr::not(&expr) }, open),
        }
    }

    /// Whether two values are equal, as a term.
    pub(super) fn same_term(&mut self, x: &mut Exec, a: Value, b: Value) -> Arc<Expr> {
        match self.same(x, a, b) {
            Same::Known(truth) => Expr::constant(truth),
            Same::Term(expr, _) => expr,
        }
    }

    fn same(&mut self, x: &mut Exec, a: Value, b: Value) -> Same {
        if !a.tainted() && !b.tainted() {
            return Same::Known(equal(&self.heap, a, b));
        }
        if a.is_deferred() || b.is_deferred() {
            for value in [a, b] {
                if value.tainted() && !value.is_deferred() {
                    self.settle_inside(x, value);
                }
            }
            let (one, two) = (self.term(x, a), self.term(x, b));
            if let (Some(one), Some(two)) = (one.kind, two.kind)
                && one != two
            {
                return Same::Known(false);
            }
            return Same::Term(Expr::equal(&one.expr, &two.expr), one.open || two.open);
        }
        if !a.is_ref() || !b.is_ref() || a.node_kind() != b.node_kind() || self.heap.len(a) != self.heap.len(b) {
            return Same::Known(false);
        }
        let pairs: Vec<(Value, Value)> = self.heap.children(a).zip(self.heap.children(b)).collect();
        let mut all: Option<Arc<Expr>> = None;
        let mut opens = false;
        for (a, b) in pairs {
            match self.same(x, a, b) {
                Same::Known(true) => {}
                Same::Known(false) => return Same::Known(false),
                Same::Term(expr, open) => {
                    opens |= open;
                    all = Some(all.map_or_else(|| expr.clone(), |all| Expr::both(&all, &expr)));
                }
            }
        }
        all.map_or(Same::Known(true), |all| Same::Term(all, opens))
    }

    /// a < b or a <= b; values that cannot be compared are a type error.
    pub(super) fn order(&mut self, x: &mut Exec, order: Order, a: Value, b: Value) -> Result<Value, Fault> {
        let direct = |value: Value| value.is_deferred() || !value.tainted();
        if !direct(a) || !direct(b) {
            for value in [a, b] {
                if value.tainted() {
                    self.settle_inside(x, value);
                }
            }
        }
        let found = super::convert::compare(&self.heap, &self.names, a, b);
        let now = found.map(|found| match order {
            Order::Less => found.is_lt(),
            Order::AtMost => found.is_le(),
        });
        let wrong = |heap: &Heap| {
            let (one, two) = (kind(heap, a), kind(heap, b));
            Fault::from(crate::error::ProgramError::Type(format!(
                "{} and {} are not comparable",
                one.word(),
                two.word()
            )))
        };
        if !direct(a) || !direct(b) || !a.is_deferred() && !b.is_deferred() {
            return now.map(Value::bool).ok_or_else(|| wrong(&self.heap));
        }
        let (one, two) = (self.term(x, a), self.term(x, b));
        let expr = match order {
            Order::Less => Expr::less(&one.expr, &two.expr),
            Order::AtMost => Expr::at_most(&one.expr, &two.expr),
        };
        let kinds = one.kind.zip(two.kind);
        let open = (one.open || two.open) && kinds.is_none_or(|(one, two)| one == two);
        if one.kind != Some(Kind::Int) || two.kind != Some(Kind::Int) {
            let defined = Expr::defined(&expr);
            Self::guard(x, &if now.is_some() || open { defined } else { Expr::not(&defined) }, open);
        }
        let guessed = now.is_none() && Self::guess(x, open);
        let now = now.or(guessed.then_some(false)).ok_or_else(|| wrong(&self.heap))?;
        self.defer_truth(x, now, expr, open)
    }

    /// A truth value as it is now, and its term when it is deferred.
    fn truth(&mut self, x: &mut Exec, value: Value) -> Result<(bool, Option<Term>), Fault> {
        let now = Heap::as_bool(self.heap.now(value));
        if !value.is_deferred() {
            return now.map(|truth| (truth, None)).ok_or_else(|| type_error("a truth value", kind(&self.heap, value)));
        }
        let term = self.term(x, value);
        let guessed = now.is_none() && term.kind.is_none() && Self::guess(x, term.open);
        let Some(truth) = now.or(guessed.then_some(false)) else {
            if !term.open {
                self.settle_cold(x, value);
            }
            return Err(type_error("a truth value", kind(&self.heap, value)));
        };
        if term.kind != Some(Kind::Bool) {
            Self::guard(x, &Expr::among(&term.expr, vec![Val::Bool(false), Val::Bool(true)]), term.open);
        }
        Ok((truth, Some(term)))
    }

    /// not a.
    pub(super) fn not(&mut self, x: &mut Exec, a: Value) -> Result<Value, Fault> {
        match self.truth(x, a)? {
            (now, None) => Ok(Value::bool(!now)),
            (now, Some(term)) => self.defer_truth(x, !now, Expr::not(&term.expr), term.open),
        }
    }

    /// a and b, or a or b.
    pub(super) fn both(&mut self, x: &mut Exec, a: Value, b: Value, and: bool) -> Result<Value, Fault> {
        let ((one, one_term), (two, two_term)) = (self.truth(x, a)?, self.truth(x, b)?);
        let now = if and { one && two } else { one || two };
        match (one_term, two_term) {
            (None, None) => Ok(Value::bool(now)),
            (one_term, two_term) => {
                let open = [&one_term, &two_term].into_iter().flatten().any(|term| term.open);
                let expr = |term: Option<Term>, now: bool| term.map_or_else(|| Expr::constant(now), |term| term.expr);
                let (one, two) = (expr(one_term, one), expr(two_term, two));
                let expr = if and { Expr::both(&one, &two) } else { Expr::either(&one, &two) };
                self.defer_truth(x, now, expr, open)
            }
        }
    }

    /// Whether a condition is known to be `wanted` now; one that is decided at commit is not. Of choices it becomes a condition of the
    /// path.
    pub(super) fn known_to_be(&mut self, x: &mut Exec, cond: Value, wanted: Value) -> Result<Value, Fault> {
        let (now, term) = self.truth(x, cond)?;
        let wanted = self.branch(x, wanted)?;
        match term {
            Some(term) if term.open => Ok(super::word::FALSE),
            Some(_) => Ok(Value::bool(self.branch(x, cond)? == wanted)),
            None => Ok(Value::bool(now == wanted)),
        }
    }

    /// One of two values by a condition, as a term where that depends on choices or variables.
    pub(super) fn select(&mut self, x: &mut Exec, cond: Value, a: Value, b: Value) -> Result<Value, Fault> {
        let (now, term) = self.truth(x, cond)?;
        let taken = if now { a } else { b };
        let Some(condition) = term else { return Ok(self.heap.retain(taken)) };
        if [a, b].into_iter().any(|value| value.tainted() && !value.is_deferred()) {
            // Parts of them have terms, they have none: the way is gone by.
            self.branch(x, cond)?;
            return Ok(self.heap.retain(taken));
        }
        let (one, two) = (self.term(x, a), self.term(x, b));
        let expr = Expr::ite(&condition.expr, &one.expr, &two.expr);
        let now = self.heap.now(taken);
        self.heap.retain(now);
        let kind = if one.kind == two.kind { one.kind } else { None };
        let open = condition.open || one.open || two.open;
        self.defer(x, now, Term { expr, kind, low: one.low.min(two.low), high: one.high.max(two.high), open })
    }

    /// Whether all elements of a list differ.
    pub(super) fn distinct(&mut self, x: &mut Exec, list: Value) -> Result<Value, Fault> {
        let all = self.elements(x, list)?;
        for element in all.iter().filter(|element| element.tainted() && !element.is_deferred()) {
            self.settle_inside(x, *element);
        }
        let now: Vec<Value> = all.iter().map(|element| self.heap.now(*element)).collect();
        let now = self.all_differ(&now);
        if !all.iter().any(|element| element.is_deferred()) {
            return Ok(Value::bool(now));
        }
        let terms: Vec<Term> = all.iter().map(|element| self.term(x, *element)).collect();
        let exprs: Vec<Arc<Expr>> = terms.iter().map(|term| Arc::clone(&term.expr)).collect();
        self.defer_truth(x, now, Expr::all_different(&exprs), terms.iter().any(|term| term.open))
    }

    /// The way a condition goes now; becomes a condition of the path when it is deferred.
    pub(super) fn branch(&mut self, x: &mut Exec, cond: Value) -> Result<bool, Fault> {
        let (now, term) = self.truth(x, cond)?;
        if let Some(term) = term {
            if term.open {
                Self::goes_by(x, &term);
                Self::undecided_way(x)?;
            }
            Self::condition(x, &if now { term.expr } else { Expr::not(&term.expr) });
        }
        Ok(now)
    }

    /// A condition as an expression.
    pub(super) fn condition_of(&mut self, x: &mut Exec, value: Value) -> Result<Expr, Fault> {
        let (now, term) = self.truth(x, value)?;
        Ok(term.map_or(Expr::Const(Val::Bool(now)), |term| Expr::clone(&term.expr)))
    }

    /// Whether a value is of a kind.
    pub(super) fn kind_is(&mut self, x: &mut Exec, value: Value, of: Kind) -> bool {
        if value.is_deferred() && self.term(x, value).kind.is_none() {
            self.settle_cold(x, value);
        }
        kind(&self.heap, value) == of
    }

    /// Whether a behaviour takes a message. What the shapes read of one that depends on choices is settled: with others it may be
    /// taken, or not.
    pub(super) fn understood(&mut self, x: &mut Exec, shapes: &[MessageShape], message: Value) -> bool {
        shapes.iter().any(|shape| {
            let message = self.settle(x, message);
            if !message.is_list() || self.heap.len(message) != shape.parts.len() + 1 {
                return false;
            }
            let tag = self.settle(x, self.heap.child(message, 0));
            is_text(&self.heap, tag, &shape.tag)
                && shape.parts.iter().enumerate().all(|(at, shape)| {
                    let part = self.heap.child(message, at + 1);
                    self.fits(x, shape, part)
                })
        })
    }

    fn fits(&mut self, x: &mut Exec, shape: &Shape, value: Value) -> bool {
        if !value.tainted() {
            return fits(&self.heap, shape, value);
        }
        if let Shape::Is(of) = shape {
            return self.kind_is(x, value, *of);
        }
        if *shape == Shape::Any {
            return true;
        }
        let value = self.settle(x, value);
        let part = |world: &Self, at: usize| world.heap.child(value, at);
        match shape {
            Shape::Any | Shape::Is(_) => true,
            Shape::Option(inner) => value == NOTHING || value.is_node(Node::Just) && self.fits(x, inner, part(self, 0)),
            Shape::List(inner) => {
                value.is_list() && (0..self.heap.len(value)).all(|at| self.fits(x, inner, part(self, at)))
            }
            Shape::Pair(both) => {
                value.is_node(Node::Pair)
                    && self.fits(x, &both.0, part(self, 0))
                    && self.fits(x, &both.1, part(self, 1))
            }
        }
    }

    /// The lesser or the greater.
    pub(super) fn extreme(&mut self, x: &mut Exec, a: Value, b: Value, least: bool) -> Result<Value, Fault> {
        let first = self.order(x, Order::AtMost, if least { a } else { b }, if least { b } else { a })?;
        if !first.is_deferred() {
            return Ok(self.heap.retain(if first == super::word::TRUE { a } else { b }));
        }
        let selected = self.select(x, first, a, b);
        self.heap.release(first);
        selected
    }

    /// A choice as a deferred value.
    pub(super) fn choice(&mut self, x: &mut Exec, id: u32, options: &[Val], now: Value) -> Result<Value, Fault> {
        let first = options.first().map(Val::kind);
        let kind = first.filter(|kind| options.iter().all(|option| option.kind() == *kind));
        let numbers =
            options.iter().filter_map(|option| if let Val::Int(number) = option { Some(*number) } else { None });
        let (low, high) = (numbers.clone().min().unwrap_or_default(), numbers.max().unwrap_or_default());
        let number = x.terms.len() as u32;
        x.terms.push(Term { expr: Expr::choice(id), kind, low, high, open: false });
        Ok(self.heap.deferred(now, number)?)
    }

    /// Elements of a list.
    pub(super) fn elements(&mut self, x: &mut Exec, value: Value) -> Result<Vec<Value>, Fault> {
        let value = self.settle(x, value);
        if !value.is_list() {
            return Err(type_error("a list", kind(&self.heap, value)));
        }
        Ok(self.heap.children(value).collect())
    }

    /// Whether a value is a node of a kind, once it is settled.
    pub(super) fn settled_node(
        &mut self,
        x: &mut Exec,
        value: Value,
        node: Node,
        expected: &str,
    ) -> Result<Value, Fault> {
        let value = self.settle(x, value);
        if value.is_node(node) { Ok(value) } else { Err(type_error(expected, kind(&self.heap, value))) }
    }
}
