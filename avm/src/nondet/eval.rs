//! What an expression is worth under a resolution (`avm:9.4`, `decisions:AVM-4`): a value, or undefined. Every operand of an
//! operation is evaluated, as the machine does, so an operation with an undefined operand is undefined; the exceptions are
//! if-then-else, which evaluates the branch it takes, and `Defined`.

use std::cmp::Ordering;

use super::flat::{Flat, Node, One, Two};
use super::ir::{Answer, Expr, Ir};
use crate::id::{ChoiceId, VarId};
use crate::value::Val;

/// An operation of two values; `None` where it is undefined.
#[must_use]
pub(crate) fn apply_two(op: Two, a: &Val, b: &Val) -> Option<Val> {
    let number = |f: fn(i128, i128) -> Option<i128>| match (a, b) {
        (Val::Int(a), Val::Int(b)) => f(*a, *b).and_then(Val::int),
        _ => None,
    };
    let order = |f: fn(Ordering) -> bool| a.compare(b).map(|order| Val::Bool(f(order)));
    match op {
        Two::Add => number(i128::checked_add),
        Two::Sub => number(i128::checked_sub),
        Two::Mul => number(i128::checked_mul),
        Two::Div => number(floor_div),
        Two::Mod => number(floor_mod),
        Two::Eq => Some(Val::Bool(a == b)),
        Two::Neq => Some(Val::Bool(a != b)),
        Two::Lt => order(Ordering::is_lt),
        Two::Leq => order(Ordering::is_le),
        Two::Gt => order(Ordering::is_gt),
        Two::Geq => order(Ordering::is_ge),
        Two::And | Two::Or => match (a, b) {
            (Val::Bool(a), Val::Bool(b)) => Some(Val::Bool(if op == Two::And { *a && *b } else { *a || *b })),
            _ => None,
        },
    }
}

/// An operation of one value; `None` where it is undefined. `Defined` of a value is true.
#[must_use]
pub(crate) fn apply_one(op: One, a: &Val) -> Option<Val> {
    match (op, a) {
        (One::Neg, Val::Int(a)) => Val::int(-*a),
        (One::Not, Val::Bool(a)) => Some(Val::Bool(!*a)),
        (One::Defined, _) => Some(Val::Bool(true)),
        _ => None,
    }
}

/// Quotient towards minus infinity; `None` when the divisor is 0.
pub(crate) fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// Remainder with the sign of the divisor; `None` when the divisor is 0.
pub(crate) fn floor_mod(a: i128, b: i128) -> Option<i128> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

/// What is picked: the value of each choice and of each variable.
pub(crate) trait Picked {
    /// Value of a choice; `None` when there is none.
    fn choice(&self, id: ChoiceId) -> Option<&Val>;
    /// Value of a variable; `None` when there is none.
    fn var(&self, id: VarId) -> Option<&Val>;
}

/// Values of all nodes under what is picked.
pub(crate) fn evaluate(nodes: &[Node], picked: &impl Picked) -> Vec<Option<Val>> {
    let mut values: Vec<Option<Val>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let value = value_of(node, &values, picked);
        values.push(value);
    }
    values
}

fn value_of(node: &Node, values: &[Option<Val>], picked: &impl Picked) -> Option<Val> {
    let at = |part: u32| values[part as usize].as_ref();
    match node {
        Node::Const(value) => Some(value.clone()),
        Node::Choice(id) => picked.choice(*id).cloned(),
        Node::Fd(id) => picked.var(*id).cloned(),
        Node::Two(op, a, b) => apply_two(*op, at(*a)?, at(*b)?),
        Node::One(One::Defined, a) => Some(Val::Bool(at(*a).is_some())),
        Node::One(op, a) => apply_one(*op, at(*a)?),
        Node::Ite(a, b, c) => match at(*a)? {
            Val::Bool(true) => at(*b).cloned(),
            Val::Bool(false) => at(*c).cloned(),
            _ => None,
        },
        Node::In(a, list) => Some(Val::Bool(list.contains(at(*a)?))),
        Node::AllDiff(all) => {
            let mut seen = crate::fixed::FixedSet::default();
            let mut differ = true;
            for part in all {
                differ &= seen.insert(at(*part)?);
            }
            Some(Val::Bool(differ))
        }
        Node::Table(ids, rows) => {
            let picks = ids.iter().map(|id| picked.choice(*id)).collect::<Option<Vec<_>>>()?;
            let fits = |row: &Vec<Val>| row.len() == picks.len() && row.iter().zip(&picks).all(|(a, b)| a == *b);
            Some(Val::Bool(rows.iter().any(fits)))
        }
    }
}

/// An answer read against its question.
pub(crate) struct Reading<'a> {
    /// The question.
    pub(crate) ir: &'a Ir,
    /// The answer.
    pub(crate) answer: &'a Answer,
}

impl Picked for Reading<'_> {
    fn choice(&self, id: ChoiceId) -> Option<&Val> {
        let option = *self.answer.choices.get(id.0 as usize)?;
        self.ir.choices.get(id.0 as usize)?.options.get(option as usize)
    }

    fn var(&self, id: VarId) -> Option<&Val> {
        self.answer.vars.get(&id)
    }
}

impl Expr {
    /// Its value under an answer; `None` where it is undefined, also when it names a choice or a variable that the question or the
    /// answer does not have.
    #[must_use]
    pub fn value(&self, ir: &Ir, answer: &Answer) -> Option<Val> {
        let mut flat = Flat::default();
        let at = flat.add(self) as usize;
        evaluate(&flat.nodes, &Reading { ir, answer }).swap_remove(at)
    }

    /// Whether it holds under an answer: it is defined and true.
    #[must_use]
    pub fn holds(&self, ir: &Ir, answer: &Answer) -> bool {
        self.value(ir, answer) == Some(Val::Bool(true))
    }
}

impl Ir {
    /// Whether an answer is a resolution of this question: an option for each choice, a value of its domain for each variable,
    /// and path, requirements, constraints and refutations all kept.
    #[must_use]
    pub fn admits(&self, answer: &Answer) -> bool {
        let options = self.choices.len() == answer.choices.len()
            && self.choices.iter().zip(&answer.choices).all(|(choice, pick)| (*pick as usize) < choice.options.len());
        let values = self.fd.vars.len() == answer.vars.len()
            && self.fd.vars.iter().all(|(id, domain)| answer.vars.get(id).is_some_and(|value| domain.contains(value)));
        if !options || !values {
            return false;
        }
        let mut flat = Flat::default();
        let roots: Vec<u32> =
            self.path.iter().chain(self.requires.iter().map(|a| &a.expr)).map(|e| flat.add(e)).collect();
        self.keeps(&flat.nodes, &roots, answer)
    }

    /// Whether roots, constraints and refutations are kept by an answer that picks what there is.
    pub(crate) fn keeps(&self, nodes: &[Node], roots: &[u32], answer: &Answer) -> bool {
        let value = |id| answer.vars.get(&id);
        let refuted = |combination: &Vec<(VarId, Val)>| {
            !combination.is_empty() && combination.iter().all(|(id, refuted)| value(*id) == Some(refuted))
        };
        if self.fd.refutations.iter().any(refuted) {
            return false;
        }
        let worth = evaluate(nodes, &Reading { ir: self, answer });
        roots.iter().all(|root| worth[*root as usize] == Some(Val::Bool(true)))
            && self.fd.constraints.iter().all(|constraint| super::ground::holds(constraint, &value))
    }

    /// What an answer is worth: weights of the soft requirements that hold, and weights of the options picked.
    #[must_use]
    pub fn score(&self, answer: &Answer) -> (i128, i128) {
        let mut flat = Flat::default();
        let roots: Vec<u32> = self.prefers.iter().map(|soft| flat.add(&soft.expr)).collect();
        let worth = evaluate(&flat.nodes, &Reading { ir: self, answer });
        let soft = self.prefers.iter().zip(&roots).filter(|(_, root)| worth[**root as usize] == Some(Val::Bool(true)));
        let weight = self.choices.iter().zip(&answer.choices).map(|(choice, pick)| choice.weight(*pick));
        (soft.map(|(soft, _)| i128::from(soft.weight)).sum(), weight.sum())
    }
}

impl super::Choice {
    /// Weight of an option; 0 without weights.
    #[must_use]
    pub fn weight(&self, option: u32) -> i128 {
        self.weights.as_ref().and_then(|weights| weights.get(option as usize)).copied().map_or(0, i128::from)
    }
}
