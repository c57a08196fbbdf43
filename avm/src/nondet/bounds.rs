//! What an expression can be at most, from what its choices and variables can still be: a sound and cheap answer to "can this still
//! hold" and "does this always hold". Used to drop questions that need no solver and to cut the built-in search.

use super::eval::{Picked, apply_one, apply_two, evaluate, floor_div, floor_mod};
use super::flat::{Flat, Node, One, Two};
use super::ir::{Choice, Expr};
use crate::id::{ChoiceId, VarId};
use crate::value::{INT_MAX, INT_MIN, Val};

/// Everything a node may be: a superset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    /// May be undefined.
    pub(crate) undefined: bool,
    /// May be true.
    pub(crate) yes: bool,
    /// May be false.
    pub(crate) no: bool,
    /// Numbers it may be, least and greatest.
    pub(crate) number: Option<(i128, i128)>,
    /// May be a value that is neither number nor truth value.
    pub(crate) other: bool,
    /// When it is defined, it is exactly this.
    pub(crate) exact: Option<Val>,
}

impl Reach {
    /// Reach of a set of values.
    pub(crate) fn of<'v>(values: impl IntoIterator<Item = &'v Val>) -> Self {
        let mut reach = Self::default();
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            reach.undefined = true;
            return reach;
        };
        reach.take(first);
        let mut same = true;
        for value in values {
            same &= value == first;
            reach.take(value);
        }
        reach.exact = same.then(|| first.clone());
        reach
    }

    fn take(&mut self, value: &Val) {
        match value {
            Val::Bool(true) => self.yes = true,
            Val::Bool(false) => self.no = true,
            Val::Int(n) => self.number = Some(self.number.map_or((*n, *n), |(low, high)| (low.min(*n), high.max(*n)))),
            _ => self.other = true,
        }
    }

    fn truth(yes: bool, no: bool, undefined: bool) -> Self {
        let exact = (yes != no).then_some(Val::Bool(yes));
        Self { undefined, yes, no, exact, ..Self::default() }
    }

    /// Whether it may be defined and true.
    pub(crate) const fn may_hold(&self) -> bool {
        self.yes
    }

    /// Whether it is surely defined and true.
    pub(crate) const fn holds(&self) -> bool {
        self.yes && !self.no && !self.undefined && self.number.is_none() && !self.other
    }

    const fn may_be_no_truth(&self) -> bool {
        self.number.is_some() || self.other
    }

    const fn may_be_defined(&self) -> bool {
        self.yes || self.no || self.number.is_some() || self.other
    }

    /// Either of two.
    fn join(mut self, two: &Self) -> Self {
        self.exact = match (self.may_be_defined(), two.may_be_defined()) {
            (true, true) if self.exact == two.exact => self.exact,
            (true, false) => self.exact,
            (false, true) => two.exact.clone(),
            _ => None,
        };
        self.undefined |= two.undefined;
        self.yes |= two.yes;
        self.no |= two.no;
        self.other |= two.other;
        self.number = match (self.number, two.number) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self
    }
}

/// What the leaves can still be.
pub(crate) trait Leaves {
    /// Reach of a choice.
    fn choice(&self, id: ChoiceId) -> Reach;
    /// Reach of a variable.
    fn var(&self, id: VarId) -> Reach;
    /// Whether one of the rows can still be picked, and whether one surely is.
    fn table(&self, ids: &[ChoiceId], rows: &[Vec<Val>]) -> (bool, bool);
}

/// Reach of every node.
pub(crate) fn reach_all(nodes: &[Node], leaves: &impl Leaves) -> Vec<Reach> {
    let mut all: Vec<Reach> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let reach = reach_of(node, &all, leaves);
        all.push(reach);
    }
    all
}

/// Reach of one node from those before it.
pub(crate) fn reach_of(node: &Node, all: &[Reach], leaves: &impl Leaves) -> Reach {
    let at = |part: &u32| &all[*part as usize];
    match node {
        Node::Const(value) => Reach::of([value]),
        Node::Choice(id) => leaves.choice(*id),
        Node::Fd(id) => leaves.var(*id),
        Node::Two(op, a, b) => two(*op, at(a), at(b)),
        Node::One(op, a) => one(*op, at(a)),
        Node::Ite(a, b, c) => {
            let condition = at(a);
            let mut reach = Reach { undefined: condition.undefined || condition.may_be_no_truth(), ..Reach::default() };
            if condition.yes {
                reach = reach.join(at(b));
            }
            if condition.no {
                reach = reach.join(at(c));
            }
            reach
        }
        Node::In(a, list) => {
            let reach = at(a);
            match &reach.exact {
                _ if !reach.may_be_defined() => Reach::truth(false, false, true),
                Some(value) => Reach::truth(list.contains(value), !list.contains(value), reach.undefined),
                None => {
                    let may = |value: &Val| may_be(reach, value);
                    Reach::truth(list.iter().any(may), true, reach.undefined)
                }
            }
        }
        Node::AllDiff(all) => all_diff(&all.iter().map(at).collect::<Vec<_>>()),
        Node::Table(ids, rows) => {
            let (may, surely) = leaves.table(ids, rows);
            Reach::truth(may, !surely, false)
        }
    }
}

fn may_be(reach: &Reach, value: &Val) -> bool {
    match value {
        Val::Bool(true) => reach.yes,
        Val::Bool(false) => reach.no,
        Val::Int(n) => reach.number.is_some_and(|(low, high)| (low..=high).contains(n)),
        _ => reach.other,
    }
}

fn all_diff(parts: &[&Reach]) -> Reach {
    if parts.iter().any(|reach| !reach.may_be_defined()) {
        return Reach::truth(false, false, true);
    }
    let undefined = parts.iter().any(|reach| reach.undefined);
    let exact: Vec<&Val> = parts.iter().filter_map(|reach| reach.exact.as_ref()).collect();
    let distinct = exact.iter().collect::<crate::fixed::FixedSet<_>>().len();
    let clash = distinct < exact.len();
    Reach::truth(!clash, clash || exact.len() < parts.len(), undefined)
}

fn one(op: One, a: &Reach) -> Reach {
    match op {
        One::Defined => Reach::truth(a.may_be_defined(), a.undefined, false),
        One::Not => {
            let mut reach = Reach::truth(a.no, a.yes, a.undefined || a.may_be_no_truth());
            if !a.yes && !a.no {
                reach.undefined = true;
            }
            reach
        }
        One::Neg => {
            let mut reach = number(a.number.map(|(low, high)| (-high, -low)));
            reach.undefined |= a.undefined || a.yes || a.no || a.other;
            if let Some(value) = a.exact.as_ref().and_then(|value| apply_one(op, value)) {
                reach.exact = Some(value);
            }
            reach
        }
    }
}

/// Reach of numbers between bounds, cut to what a number can be.
fn number(bounds: Option<(i128, i128)>) -> Reach {
    let Some((low, high)) = bounds else { return Reach { undefined: true, ..Reach::default() } };
    let inside = (low.max(INT_MIN), high.min(INT_MAX));
    let number = (inside.0 <= inside.1).then_some(inside);
    Reach {
        undefined: low < INT_MIN || high > INT_MAX,
        number,
        exact: number.filter(|(low, high)| low == high).map(|(n, _)| Val::Int(n)),
        ..Reach::default()
    }
}

fn two(op: Two, a: &Reach, b: &Reach) -> Reach {
    let undefined = a.undefined || b.undefined;
    if let (Some(x), Some(y)) = (&a.exact, &b.exact) {
        let mut reach = apply_two(op, x, y).map_or_else(Reach::default, |value| Reach::of([&value]));
        reach.undefined = undefined || !reach.may_be_defined();
        return reach;
    }
    let mut reach = match op {
        Two::Add | Two::Sub | Two::Mul | Two::Div | Two::Mod => {
            let mut reach = match (a.number, b.number) {
                (Some(x), Some(y)) => arithmetic(op, x, y),
                _ => number(None),
            };
            reach.undefined |= [a, b].iter().any(|part| part.yes || part.no || part.other);
            reach
        }
        Two::Eq | Two::Neq => {
            let equal = may_be_equal(a, b);
            let defined = a.may_be_defined() && b.may_be_defined();
            // Two exact values were decided above; any other pair may differ.
            if op == Two::Eq { Reach::truth(equal, defined, false) } else { Reach::truth(defined, equal, false) }
        }
        Two::Lt | Two::Leq | Two::Gt | Two::Geq => comparison(op, a, b),
        Two::And => {
            let mut reach = Reach::truth(a.yes && b.yes, (a.no && (b.yes || b.no)) || (b.no && a.yes), false);
            reach.undefined = a.may_be_no_truth() || b.may_be_no_truth();
            reach
        }
        Two::Or => {
            let mut reach = Reach::truth((a.yes && (b.yes || b.no)) || (b.yes && a.no), a.no && b.no, false);
            reach.undefined = a.may_be_no_truth() || b.may_be_no_truth();
            reach
        }
    };
    reach.undefined |= undefined || !reach.may_be_defined();
    reach
}

fn may_be_equal(a: &Reach, b: &Reach) -> bool {
    let numbers = match (a.number, b.number) {
        (Some(x), Some(y)) => x.0 <= y.1 && y.0 <= x.1,
        _ => false,
    };
    numbers || (a.yes && b.yes) || (a.no && b.no) || (a.other && b.other)
}

fn comparison(op: Two, a: &Reach, b: &Reach) -> Reach {
    let (mut yes, mut no) = (false, false);
    if let (Some(x), Some(y)) = (a.number, b.number) {
        let (may, may_not) = match op {
            Two::Lt => (x.0 < y.1, x.1 >= y.0),
            Two::Leq => (x.0 <= y.1, x.1 > y.0),
            Two::Gt => (x.1 > y.0, x.0 <= y.1),
            _ => (x.1 >= y.0, x.0 < y.1),
        };
        (yes, no) = (may, may_not);
    }
    let truths = (a.yes || a.no) && (b.yes || b.no);
    let others = a.other && b.other;
    yes |= truths || others;
    no |= truths || others;
    let kinds = |reach: &Reach| [reach.number.is_some(), reach.yes || reach.no, reach.other];
    let (of_a, of_b) = (kinds(a), kinds(b));
    let mixed = (0..3).any(|i| (0..3).any(|j| i != j && of_a[i] && of_b[j]));
    Reach::truth(yes, no, mixed || others)
}

fn arithmetic(op: Two, x: (i128, i128), y: (i128, i128)) -> Reach {
    let corners = |f: fn(i128, i128) -> Option<i128>, y: (i128, i128)| -> (i128, i128) {
        // What exceeds 128 bits is out of range anyway; its sign is all that counts.
        let wide = |a: i128, b: i128| f(a, b).unwrap_or(if (a < 0) == (b < 0) { i128::MAX } else { i128::MIN });
        let all = [wide(x.0, y.0), wide(x.0, y.1), wide(x.1, y.0), wide(x.1, y.1)];
        all.into_iter().fold((i128::MAX, i128::MIN), |(low, high), n| (low.min(n), high.max(n)))
    };
    match op {
        Two::Add => number(Some((x.0 + y.0, x.1 + y.1))),
        Two::Sub => number(Some((x.0 - y.1, x.1 - y.0))),
        Two::Mul => number(Some(corners(i128::checked_mul, y))),
        _ => {
            let parts = [(y.0, y.1.min(-1)), (y.0.max(1), y.1)];
            let mut reach = Reach { undefined: y.0 <= 0 && y.1 >= 0, ..Reach::default() };
            for part in parts.into_iter().filter(|(low, high)| low <= high) {
                let bounds = match op {
                    Two::Div => corners(floor_div, part),
                    _ if x.0 == x.1 && part.0 == part.1 => corners(floor_mod, part),
                    _ => ((part.0 + 1).min(0), (part.1 - 1).max(0)),
                };
                reach = reach.join(&number(Some(bounds)));
            }
            reach.exact = reach.number.filter(|(low, high)| low == high).map(|(n, _)| Val::Int(n));
            reach
        }
    }
}

/// Choices with all their options.
struct Open<'a>(&'a [Choice]);

impl Leaves for Open<'_> {
    fn choice(&self, id: ChoiceId) -> Reach {
        match self.0.get(id.0 as usize) {
            Some(choice) => Reach::of(&choice.options),
            None => Reach {
                undefined: true,
                yes: true,
                no: true,
                number: Some((INT_MIN, INT_MAX)),
                other: true,
                exact: None,
            },
        }
    }

    fn var(&self, _: VarId) -> Reach {
        Reach { undefined: true, yes: true, no: true, number: Some((INT_MIN, INT_MAX)), other: true, exact: None }
    }

    fn table(&self, _: &[ChoiceId], rows: &[Vec<Val>]) -> (bool, bool) {
        (!rows.is_empty(), false)
    }
}

/// Takes away the options with which a condition on one choice alone does not hold; the options that are left keep no places, so
/// these choices serve [`may_hold`] and [`always_holds`] only.
pub(crate) fn keep_options(choices: &mut [Choice], condition: &Expr) {
    let mut flat = Flat::default();
    let root = flat.add(condition) as usize;
    let mut about: Option<ChoiceId> = None;
    for node in &flat.nodes {
        match node {
            Node::Choice(id) if about.is_none_or(|have| have == *id) => about = Some(*id),
            Node::Choice(_) | Node::Fd(_) | Node::Table(..) => return,
            _ => {}
        }
    }
    let Some(choice) = about.and_then(|id| choices.get_mut(id.0 as usize)) else { return };
    choice.options.retain(|option| evaluate(&flat.nodes, &Single(option)).swap_remove(root) == Some(Val::Bool(true)));
}

/// One choice, and this is its value.
struct Single<'a>(&'a Val);

impl Picked for Single<'_> {
    fn choice(&self, _: ChoiceId) -> Option<&Val> {
        Some(self.0)
    }

    fn var(&self, _: VarId) -> Option<&Val> {
        None
    }
}

/// Whether all of these may hold together, as far as each says alone and those on one choice say together.
pub(crate) fn may_hold(choices: &[Choice], all: &[Expr]) -> bool {
    let mut left = choices.to_vec();
    all.iter().for_each(|expr| keep_options(&mut left, expr));
    let mut flat = Flat::default();
    let roots: Vec<u32> = all.iter().map(|expr| flat.add(expr)).collect();
    let reach = reach_all(&flat.nodes, &Open(&left));
    roots.iter().all(|root| reach[*root as usize].may_hold())
}

/// Whether this holds whatever is chosen.
pub(crate) fn always_holds(choices: &[Choice], expr: &Expr) -> bool {
    let mut flat = Flat::default();
    let root = flat.add(expr) as usize;
    reach_all(&flat.nodes, &Open(choices))[root].holds()
}
