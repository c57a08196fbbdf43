//! A value in the encoding: what it may be, each with the literal that says it is. Undefined is what none of them says.

use std::cmp::Ordering;

use z3::ast::Int;

use super::lit::Lit;
use crate::nondet::flat::Two;
use crate::value::{INT_MAX, INT_MIN, Val};

/// What a node is worth.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Defined and true; defined and false.
    pub(super) yes: Lit,
    pub(super) no: Lit,
    /// Defined and a number, and which; its bounds.
    pub(super) number: Option<(Lit, Int, (i128, i128))>,
    /// Defined and this value, neither truth value nor number; they exclude each other.
    pub(super) others: Vec<(Lit, Val)>,
    /// All that it can be, one by one, when that is known.
    pub(super) cases: Option<Vec<(Lit, Option<Val>)>>,
}

impl Term {
    pub(super) fn truth(yes: Lit, no: Lit) -> Self {
        Self { yes, no, number: None, others: Vec::new(), cases: None }
    }

    pub(super) fn undefined() -> Self {
        Self::truth(Lit::False, Lit::False)
    }

    /// From all that it can be; the literals exclude each other and one of them holds.
    pub(super) fn of_cases(cases: Vec<(Lit, Option<Val>)>) -> Self {
        let mut term = Self::undefined();
        let mut numbers: Vec<(&Lit, i128)> = Vec::new();
        for (lit, value) in &cases {
            match value {
                None => {}
                Some(Val::Bool(true)) => term.yes = lit.clone(),
                Some(Val::Bool(false)) => term.no = lit.clone(),
                Some(Val::Int(n)) => numbers.push((lit, *n)),
                Some(other) => term.others.push((lit.clone(), other.clone())),
            }
        }
        if let Some((_, last)) = numbers.last() {
            let all = numbers.len() == cases.len();
            let is = if all { Lit::True } else { Lit::any(numbers.iter().map(|(lit, _)| *lit)) };
            let start = Int::from_i128(*last);
            let number =
                numbers.iter().rev().skip(1).fold(start, |rest, (lit, n)| lit.pick(&Int::from_i128(*n), &rest));
            let bounds = numbers.iter().fold((*last, *last), |(low, high), (_, n)| (low.min(*n), high.max(*n)));
            term.number = Some((is, number, bounds));
        }
        term.cases = Some(cases);
        term
    }

    pub(super) fn is_truth(&self) -> Lit {
        self.yes.either(&self.no)
    }

    pub(super) fn is_number(&self) -> Lit {
        self.number.as_ref().map_or(Lit::False, |(is, ..)| is.clone())
    }

    pub(super) fn defined(&self) -> Lit {
        if let Some(cases) = &self.cases {
            let undefined = cases.iter().find(|(_, value)| value.is_none());
            return undefined.map_or(Lit::True, |(lit, _)| lit.not());
        }
        let (truth, number) = (self.is_truth(), self.is_number());
        Lit::any([&truth, &number].into_iter().chain(self.others.iter().map(|(lit, _)| lit)))
    }

    /// Of three conditions of a branch: `self` where `yes`, `other` where `no`.
    pub(super) fn branch(yes: &Lit, one: &Self, no: &Lit, two: &Self) -> Self {
        let merge = |a: &Lit, b: &Lit| yes.both(a).either(&no.both(b));
        let number = match (&one.number, &two.number) {
            (None, None) => None,
            (Some((is, n, bounds)), None) => Some((yes.both(is), n.clone(), *bounds)),
            (None, Some((is, n, bounds))) => Some((no.both(is), n.clone(), *bounds)),
            (Some((is_one, a, x)), Some((is_two, b, y))) => {
                Some((merge(is_one, is_two), yes.pick(a, b), (x.0.min(y.0), x.1.max(y.1))))
            }
        };
        let mut others: Vec<(Lit, Val)> = one.others.iter().map(|(lit, v)| (yes.both(lit), v.clone())).collect();
        for (lit, value) in &two.others {
            let lit = no.both(lit);
            match others.iter_mut().find(|(_, have)| have == value) {
                Some((have, _)) => *have = have.either(&lit),
                None => others.push((lit, value.clone())),
            }
        }
        Self { yes: merge(&one.yes, &two.yes), no: merge(&one.no, &two.no), number, others, cases: None }
    }

    /// That the value is this one.
    pub(super) fn equals(&self, value: &Val) -> Lit {
        match value {
            Val::Bool(true) => self.yes.clone(),
            Val::Bool(false) => self.no.clone(),
            Val::Int(n) => match &self.number {
                Some((is, number, (low, high))) if (*low..=*high).contains(n) => {
                    is.both(&Lit::Is(number.eq(Int::from_i128(*n))))
                }
                _ => Lit::False,
            },
            other => self.others.iter().find(|(_, have)| have == other).map_or(Lit::False, |(lit, _)| lit.clone()),
        }
    }

    /// That both are defined and equal.
    pub(super) fn same(&self, other: &Self) -> Lit {
        let mut ways = vec![self.yes.both(&other.yes), self.no.both(&other.no)];
        if let (Some((is_a, a, x)), Some((is_b, b, y))) = (&self.number, &other.number)
            && x.0 <= y.1
            && y.0 <= x.1
        {
            ways.push(Lit::all([is_a, is_b, &Lit::Is(a.eq(b))]));
        }
        for (lit, value) in &self.others {
            ways.extend(other.others.iter().filter(|(_, have)| have == value).map(|(second, _)| lit.both(second)));
        }
        Lit::any(&ways)
    }

    /// A comparison: whether it holds, and whether the two can be compared.
    pub(super) fn compare(&self, op: Two, other: &Self) -> (Lit, Lit) {
        let fits = |order: Ordering| match op {
            Two::Lt => order.is_lt(),
            Two::Leq => order.is_le(),
            Two::Gt => order.is_gt(),
            _ => order.is_ge(),
        };
        let (mut holds, mut comparable) = (Vec::new(), Vec::new());
        if let (Some((is_a, a, _)), Some((is_b, b, _))) = (&self.number, &other.number) {
            let formula = match op {
                Two::Lt => a.lt(b),
                Two::Leq => a.le(b),
                Two::Gt => a.gt(b),
                _ => a.ge(b),
            };
            let both = is_a.both(is_b);
            holds.push(both.both(&Lit::Is(formula)));
            comparable.push(both);
        }
        let truths = |term: &Self| [(term.no.clone(), false), (term.yes.clone(), true)];
        for (one, x) in truths(self) {
            for (two, y) in truths(other) {
                let both = one.both(&two);
                if fits(x.cmp(&y)) {
                    holds.push(both.clone());
                }
                comparable.push(both);
            }
        }
        for (one, x) in &self.others {
            for (two, y) in &other.others {
                if let Some(order) = x.compare(y) {
                    let both = one.both(two);
                    if fits(order) {
                        holds.push(both.clone());
                    }
                    comparable.push(both);
                }
            }
        }
        (Lit::any(&holds), Lit::any(&comparable))
    }

    /// A number that is defined where `is` and it is in range.
    pub(super) fn of_number(is: &Lit, number: Int, bounds: (i128, i128)) -> Self {
        if is.is_false() || bounds.0 > INT_MAX || bounds.1 < INT_MIN {
            return Self::undefined();
        }
        let mut is = is.clone();
        if bounds.0 < INT_MIN {
            is = is.both(&Lit::Is(number.ge(Int::from_i128(INT_MIN))));
        }
        if bounds.1 > INT_MAX {
            is = is.both(&Lit::Is(number.le(Int::from_i128(INT_MAX))));
        }
        let bounds = (bounds.0.max(INT_MIN), bounds.1.min(INT_MAX));
        Self { number: Some((is, number, bounds)), ..Self::undefined() }
    }
}
