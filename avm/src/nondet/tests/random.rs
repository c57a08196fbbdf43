//! Random questions.

use std::sync::Arc;

use super::Random;
use crate::fd::Constraint;
use crate::id::{ChoiceId, ObjectId, VarId};
use crate::nondet::{Asserted, Choice, Expr, Ir, Objective, Ordering, Soft};
use crate::value::{INT_MAX, INT_MIN, Val};

/// A value: mostly small numbers, some truth values and texts, and numbers at the ends of the range.
pub(super) fn value(random: &mut Random) -> Val {
    match random.below(20) {
        0 => Val::Bool(random.chance(50)),
        1 => Val::text(["a", "b", "|x|"][random.below(3) as usize]),
        2 => random.pick(&[Val::Int(INT_MAX), Val::Int(INT_MIN), Val::Int(1 << 63), Val::Nothing]).clone(),
        3 => Val::List(vec![Val::from(random.below(3) as i64)]),
        _ => Val::from(random.below(6) as i64 - 1),
    }
}

struct Shape {
    choices: u64,
    vars: u64,
}

impl Shape {
    fn leaf(&self, random: &mut Random) -> Arc<Expr> {
        match random.below(5) {
            0..=1 if self.choices > 0 => Expr::choice(random.below(self.choices) as u32),
            2 if self.vars > 0 => Expr::var(1 + random.below(self.vars) as u32),
            _ => Expr::constant(value(random)),
        }
    }

    fn term(&self, random: &mut Random, depth: u32) -> Arc<Expr> {
        if depth == 0 || random.chance(40) {
            return self.leaf(random);
        }
        let a = self.term(random, depth - 1);
        let b = self.term(random, depth - 1);
        match random.below(8) {
            0..=1 => Expr::plus(&a, &b),
            2 => Expr::minus(&a, &b),
            3 => Expr::times(&a, &b),
            4 => Expr::quotient(&a, &b),
            5 => Expr::remainder(&a, &b),
            6 => Expr::negated(&a),
            _ => Expr::ite(&self.condition(random, depth - 1), &a, &b),
        }
    }

    fn condition(&self, random: &mut Random, depth: u32) -> Arc<Expr> {
        let a = self.term(random, depth.min(2));
        let b = self.term(random, depth.min(1));
        match random.below(if depth == 0 { 8 } else { 15 }) {
            0 => Expr::equal(&a, &b),
            1 => Expr::unequal(&a, &b),
            2 => Expr::less(&a, &b),
            3 => Expr::at_most(&a, &b),
            4 => Expr::greater(&a, &b),
            5 => Expr::at_least(&a, &b),
            6 => Expr::among(&a, (0..random.below(4)).map(|_| value(random)).collect()),
            7 => self.leaf(random),
            8 => Expr::both(&self.condition(random, depth - 1), &self.condition(random, depth - 1)),
            9..=10 => Expr::either(&self.condition(random, depth - 1), &self.condition(random, depth - 1)),
            11 => Expr::not(&self.condition(random, depth - 1)),
            12 => Expr::defined(&a),
            13 if self.choices > 0 => {
                let ids: Vec<ChoiceId> =
                    (0..1 + random.below(2)).map(|_| ChoiceId(random.below(self.choices) as u32)).collect();
                let rows = (0..random.below(5)).map(|_| ids.iter().map(|_| value(random)).collect()).collect();
                Arc::new(Expr::Table(ids, rows))
            }
            _ => Expr::all_different(&[a, b, self.leaf(random)]),
        }
    }

    fn constraint(&self, random: &mut Random) -> Constraint {
        let (x, y) = (VarId(1 + random.below(self.vars) as u32), VarId(1 + random.below(self.vars) as u32));
        let k = random.below(5) as i64 - 2;
        match random.below(19) {
            0 => Constraint::Eq(x, y),
            1 => Constraint::Neq(x, y),
            2 => Constraint::Leq(x, y),
            3 => Constraint::Lt(x, y),
            4 => Constraint::Geq(x, y),
            5 => Constraint::Gt(x, y),
            6 => Constraint::AllDiff((1..=self.vars as u32).map(VarId).collect()),
            7 => Constraint::ValEq(x, value(random)),
            8 => Constraint::ValLeq(x, value(random)),
            9 => Constraint::ValLt(x, value(random)),
            10 => Constraint::ValGeq(x, value(random)),
            11 => Constraint::ValGt(x, value(random)),
            12 => Constraint::NeqOff(x, y, k),
            13 => Constraint::EqOff(x, y, k),
            14 => Constraint::LeqOff(x, y, k),
            15 => Constraint::SumEq(vec![(k, x), (1, y)], random.below(6) as i64),
            16 => Constraint::SumLeq(vec![(1, x), (k, y)], random.below(6) as i64),
            17 => {
                let rows = (0..random.below(5)).map(|_| vec![value(random), value(random)]).collect();
                Constraint::Table(vec![x, y], rows)
            }
            _ => {
                let list = (0..random.below(4)).map(|_| value(random)).collect();
                Constraint::Element { list, index: x, value: y }
            }
        }
    }
}

/// Calls of a run on one of two objects, with messages that depend on choices and variables; and two of which an order is required.
pub(super) struct Calls {
    pub(super) made: Vec<(u64, Arc<Expr>)>,
    pub(super) first: (u64, Arc<Expr>),
    pub(super) second: (u64, Arc<Expr>),
}

impl Calls {
    fn random(random: &mut Random, shape: &Shape) -> Self {
        let made: Vec<_> = (0..random.below(6)).map(|_| (random.below(2), shape.leaf(random))).collect();
        // Mostly calls that are made.
        let wanted = |random: &mut Random| {
            if made.is_empty() || random.chance(15) {
                (random.below(2), shape.leaf(random))
            } else {
                random.pick(&made).clone()
            }
        };
        let (first, second) = (wanted(random), wanted(random));
        Self { made, first, second }
    }

    /// As the machine states it.
    pub(super) fn order(&self) -> Arc<Expr> {
        let is = |call: &(u64, Arc<Expr>), wanted: &(u64, Arc<Expr>)| {
            if call.0 == wanted.0 { Expr::equal(&call.1, &wanted.1) } else { Expr::constant(false) }
        };
        let calls: Vec<_> = self.made.iter().map(|call| (is(call, &self.first), is(call, &self.second))).collect();
        Expr::before(&calls)
    }

    /// As the machine shows it under its present choices.
    fn shown(&self) -> Ordering {
        let shown = |(object, message): &(u64, Arc<Expr>)| match &**message {
            Expr::Const(value) => (ObjectId(*object), value.clone()),
            _ => (ObjectId(*object), Val::Nothing),
        };
        Ordering::Before(shown(&self.first), shown(&self.second))
    }
}

/// A question, and an order of calls that is one of its requirements.
pub(super) fn ordered(random: &mut Random) -> (Ir, Calls) {
    let mut ir = question(random);
    let shape = Shape { choices: ir.choices.len() as u64, vars: ir.fd.vars.len() as u64 };
    let calls = Calls::random(random, &shape);
    ir.requires.insert(random.below(ir.requires.len() as u64 + 1) as usize, asserted(&calls.order()));
    ir.msc.push(calls.shown());
    (ir, calls)
}

fn asserted(expr: &Arc<Expr>) -> Asserted {
    Asserted { expr: Expr::clone(expr), name: None, place: None }
}

/// One in three with an order of calls.
pub(super) fn any(random: &mut Random) -> Ir {
    if random.below(3) == 0 { ordered(random).0 } else { question(random) }
}

/// A question of up to four choices and three variables.
pub(super) fn question(random: &mut Random) -> Ir {
    let shape = Shape { choices: random.below(5), vars: random.below(4) };
    let weighted = random.chance(30);
    let mut ir = Ir { objective: if weighted { Objective::MaxWeight } else { Objective::LexFirst }, ..Ir::default() };
    for id in 0..shape.choices as u32 {
        let options: Vec<Val> = (0..1 + random.below(5)).map(|_| value(random)).collect();
        let weights = random.chance(50).then(|| options.iter().map(|_| random.below(7) as i64 - 2).collect());
        ir.choices.push(Choice { id: ChoiceId(id), options, weights, place: None });
    }
    for id in 1..=shape.vars as u32 {
        let mut domain: Vec<Val> = Vec::new();
        for _ in 0..1 + random.below(5) {
            let value = value(random);
            if !domain.contains(&value) {
                domain.push(value);
            }
        }
        ir.fd.vars.push((VarId(id), domain));
    }
    if shape.vars > 0 {
        ir.fd.constraints = (0..random.below(3)).map(|_| shape.constraint(random)).collect();
        if random.chance(30) {
            let combination = (1..=shape.vars as u32).map(|id| (VarId(id), value(random))).collect();
            ir.fd.refutations.push(combination);
        }
    }
    ir.path = (0..random.below(2)).map(|_| Expr::clone(&shape.condition(random, 1))).collect();
    ir.requires = (0..random.below(4)).map(|_| asserted(&shape.condition(random, 2))).collect();
    if weighted {
        let soft = |random: &mut Random| Soft {
            expr: Expr::clone(&shape.condition(random, 1)),
            weight: 1 + random.below(5) as i64,
        };
        ir.prefers = (0..random.below(4)).map(|_| soft(random)).collect();
    }
    ir
}
