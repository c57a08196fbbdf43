//! A model of the store that is too simple to be wrong: domains as lists, constraints by their meaning, supports by trying
//! everything. Random instances and random operations are compared with it.

use std::cmp::Ordering;

use crate::fd::{Constraint, Store};
use crate::id::VarId;
use crate::value::Val;

/// A small generator: the same numbers in every run.
#[derive(Debug, Clone)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Whether a constraint holds under an assignment.
pub(super) fn holds(constraint: &Constraint, value: &dyn Fn(VarId) -> Val) -> bool {
    let order = |x: &VarId, y: &VarId| value(*x).compare(&value(*y));
    let against = |x: &VarId, a: &Val| value(*x).compare(a);
    let number = |x: &VarId| if let Val::Int(number) = value(*x) { Some(number) } else { None };
    let offset = |x: &VarId, y: &VarId, k: &i64| Some(number(x)?.cmp(&(number(y)? + i128::from(*k))));
    let sum =
        |terms: &[(i64, VarId)]| terms.iter().map(|(f, x)| Some(i128::from(*f) * number(x)?)).sum::<Option<i128>>();
    let at_most = |order: Option<Ordering>| matches!(order, Some(Ordering::Less | Ordering::Equal));
    let at_least = |order: Option<Ordering>| matches!(order, Some(Ordering::Greater | Ordering::Equal));
    match constraint {
        Constraint::Eq(x, y) => value(*x) == value(*y),
        Constraint::Neq(x, y) => value(*x) != value(*y),
        Constraint::Leq(x, y) => at_most(order(x, y)),
        Constraint::Lt(x, y) => order(x, y) == Some(Ordering::Less),
        Constraint::Geq(x, y) => at_least(order(x, y)),
        Constraint::Gt(x, y) => order(x, y) == Some(Ordering::Greater),
        Constraint::AllDiff(vars) => {
            (0..vars.len()).all(|i| vars[..i].iter().all(|other| value(*other) != value(vars[i])))
        }
        Constraint::ValEq(x, a) => value(*x) == *a,
        Constraint::ValLeq(x, a) => at_most(against(x, a)),
        Constraint::ValLt(x, a) => against(x, a) == Some(Ordering::Less),
        Constraint::ValGeq(x, a) => at_least(against(x, a)),
        Constraint::ValGt(x, a) => against(x, a) == Some(Ordering::Greater),
        Constraint::NeqOff(x, y, k) => offset(x, y, k) != Some(Ordering::Equal),
        Constraint::EqOff(x, y, k) => offset(x, y, k) == Some(Ordering::Equal),
        Constraint::LeqOff(x, y, k) => at_most(offset(x, y, k)),
        Constraint::SumEq(terms, total) => sum(terms) == Some((*total).into()),
        Constraint::SumLeq(terms, total) => sum(terms).is_some_and(|sum| sum <= (*total).into()),
        Constraint::Table(vars, rows) => {
            rows.iter().any(|row| vars.iter().zip(row).all(|(x, expected)| value(*x) == *expected))
        }
        Constraint::Element { list, index, value: v } => {
            number(index).and_then(|at| usize::try_from(at).ok()).and_then(|at| list.get(at)) == Some(&value(*v))
        }
    }
}

/// Domains by variable (`None`: gone), constraints, refutations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) domains: Vec<Vec<Val>>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) refutations: Vec<Vec<(VarId, Val)>>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { domains: Vec::new(), constraints: Vec::new(), refutations: Vec::new() }
    }

    fn domain(&self, var: VarId) -> &Vec<Val> {
        &self.domains[var.0 as usize - 1]
    }

    /// The common fixpoint; false when a domain is empty there.
    pub(super) fn close(&mut self) -> bool {
        loop {
            let before = self.domains.clone();
            for constraint in self.constraints.clone() {
                match &constraint {
                    Constraint::SumEq(terms, total) => self.bounds(terms, *total, true),
                    Constraint::SumLeq(terms, total) => self.bounds(terms, *total, false),
                    constraint => self.supports(constraint),
                }
                if self.domains.iter().any(Vec::is_empty) {
                    return false;
                }
                if !constraint.vars().is_empty() || holds(&constraint, &|_| Val::Nothing) {
                    continue;
                }
                return false;
            }
            if before == self.domains {
                return true;
            }
        }
    }

    /// Leaves the values that occur in a tuple that satisfies the constraint.
    fn supports(&mut self, constraint: &Constraint) {
        let mut vars = constraint.vars();
        vars.sort_unstable();
        vars.dedup();
        let mut kept: Vec<Vec<Val>> = vec![Vec::new(); vars.len()];
        let mut at = vec![0; vars.len()];
        'tuples: while !vars.is_empty() {
            let value = |var: VarId| {
                let position = vars.iter().position(|other| *other == var).expect("its own");
                self.domain(var)[at[position]].clone()
            };
            if holds(constraint, &value) {
                for (position, var) in vars.iter().enumerate() {
                    kept[position].push(value(*var));
                }
            }
            for position in 0..vars.len() {
                at[position] += 1;
                if at[position] < self.domain(vars[position]).len() {
                    continue 'tuples;
                }
                at[position] = 0;
            }
            break;
        }
        for (var, kept) in vars.iter().zip(kept) {
            self.domains[var.0 as usize - 1].retain(|value| kept.contains(value));
        }
    }

    /// Leaves the numbers that the least and greatest of the other variables allow.
    fn bounds(&mut self, terms: &[(i64, VarId)], total: i64, exact: bool) {
        let mut merged: std::collections::BTreeMap<VarId, i128> = std::collections::BTreeMap::new();
        terms.iter().for_each(|(factor, var)| *merged.entry(*var).or_default() += i128::from(*factor));
        for var in merged.keys() {
            self.domains[var.0 as usize - 1].retain(|value| matches!(value, Val::Int(_)));
        }
        let part = |model: &Self, var: VarId, factor: i128| -> (i128, i128) {
            let number = |value: &Val| if let Val::Int(number) = value { *number * factor } else { unreachable!() };
            let parts = || model.domain(var).iter().map(number);
            (parts().min().unwrap_or(0), parts().max().unwrap_or(0))
        };
        for (var, factor) in &merged {
            if self.domains.iter().any(Vec::is_empty) {
                return;
            }
            let others = merged.iter().filter(|(other, _)| *other != var);
            let (low, high) = others
                .map(|(other, factor)| part(self, *other, *factor))
                .fold((0, 0), |(low, high), (least, most)| (low + least, high + most));
            self.domains[var.0 as usize - 1].retain(|value| {
                let Val::Int(number) = value else { return false };
                let own = number * factor;
                own + low <= total.into() && (!exact || own + high >= total.into())
            });
        }
    }

    /// Assignments of all variables that satisfy everything, by trying all in order.
    pub(super) fn solutions(&self) -> Vec<Vec<Val>> {
        let mut found = Vec::new();
        let mut at = vec![0; self.domains.len()];
        loop {
            let value = |var: VarId| self.domain(var)[at[var.0 as usize - 1]].clone();
            if self.constraints.iter().all(|constraint| holds(constraint, &value)) {
                found.push((0..at.len()).map(|i| self.domains[i][at[i]].clone()).collect());
            }
            let Some(last) = (0..at.len()).rev().find(|i| at[*i] + 1 < self.domains[*i].len()) else { return found };
            at[last] += 1;
            at[last + 1..].fill(0);
        }
    }

    pub(super) fn refuted(&self, var: VarId, value: &Val) -> bool {
        let now = |(other, value): &(VarId, Val)| *other != var && *self.domain(*other) == [value.clone()];
        self.refutations.iter().any(|combination| {
            let own = |pick: &(VarId, Val)| pick.0 == var && pick.1 == *value;
            combination.iter().any(own) && combination.iter().all(|pick| own(pick) || now(pick))
        })
    }
}

/// The values that instances are made of: mostly numbers.
fn pool(rng: &mut Rng, numbers_only: bool) -> Val {
    match rng.below(if numbers_only { 12 } else { 18 }) {
        small @ 0..12 => Val::from(small as i64 - 3),
        12 => Val::text("a"),
        13 => Val::text("b"),
        14 => Val::from(true),
        15 => Val::List(vec![Val::from(1), Val::text("a")]),
        16 => Val::List(vec![Val::from(1), Val::from(2)]),
        _ => Val::List(vec![Val::from(rng.below(3) as i64)]),
    }
}

/// A random domain: a run of numbers, some numbers, or values of every kind.
pub(super) fn domain(rng: &mut Rng) -> Vec<Val> {
    let size = 1 + rng.below(5);
    match rng.below(4) {
        0 | 1 => {
            let first = rng.below(6) as i64 - 3;
            (first..first + size as i64).map(Val::from).collect()
        }
        kind => (0..size).map(|_| pool(rng, kind == 2)).collect(),
    }
}

/// A random constraint of any kind over the variables 1 to `vars`.
pub(super) fn constraint(rng: &mut Rng, vars: usize) -> Constraint {
    let mut rng_var = rng.clone();
    rng.next();
    let mut v = || VarId(1 + rng_var.below(vars) as u32);
    let k = rng.below(5) as i64 - 2;
    let value = pool(rng, rng.0.is_multiple_of(2));
    let mut terms = |rng: &mut Rng| (0..rng.below(4)).map(|_| (rng.below(7) as i64 - 3, v())).collect::<Vec<_>>();
    match rng.below(19) {
        0 => Constraint::SumEq(terms(rng), rng.below(12) as i64 - 4),
        1 => Constraint::SumLeq(terms(rng), rng.below(12) as i64 - 4),
        2 => Constraint::Eq(v(), v()),
        3 => Constraint::Neq(v(), v()),
        4 => Constraint::Leq(v(), v()),
        5 => Constraint::Lt(v(), v()),
        6 => Constraint::Geq(v(), v()),
        7 => Constraint::Gt(v(), v()),
        8 => Constraint::ValEq(v(), value),
        9 => Constraint::ValLeq(v(), value),
        10 => Constraint::ValLt(v(), value),
        11 => Constraint::ValGeq(v(), value),
        12 => Constraint::ValGt(v(), value),
        13 => Constraint::NeqOff(v(), v(), k),
        14 => Constraint::EqOff(v(), v(), k),
        15 => Constraint::LeqOff(v(), v(), k),
        16 => {
            let list = (0..rng.below(6)).map(|_| pool(rng, k > 0)).collect();
            Constraint::Element { list, index: v(), value: v() }
        }
        17 => {
            let over: Vec<VarId> = (0..rng.below(4)).map(|_| v()).collect();
            let row = |rng: &mut Rng| over.iter().map(|_| pool(rng, k > -1)).collect();
            let rows = (0..rng.below(90)).map(|_| row(rng)).collect();
            Constraint::Table(over, rows)
        }
        _ => {
            let mut all: Vec<VarId> = (1..=vars as u32).map(VarId).collect();
            if rng.below(3) == 0 {
                all = (0..rng.below(4)).map(|_| v()).collect();
            }
            Constraint::AllDiff(all)
        }
    }
}

/// Everything that can be seen of the store is as in the model.
pub(super) fn same(store: &Store, model: &Model) {
    for (at, expected) in model.domains.iter().enumerate() {
        let found: Vec<Val> = store.domain(VarId(at as u32 + 1)).cloned().collect();
        assert_eq!(found, *expected, "v{} under {:?}", at + 1, model.constraints);
        assert_eq!(store.size(VarId(at as u32 + 1)) as usize, expected.len());
    }
    assert_eq!(store.vars().len(), model.domains.len());
    for (at, values) in model.domains.iter().enumerate() {
        let v = VarId(at as u32 + 1);
        assert!(
            values.iter().all(|value| store.refuted(v, value) == model.refuted(v, value)),
            "{:?}",
            model.refutations
        );
    }
    assert_eq!(store.constraints(), model.constraints);
}

/// What the store said to an operation, and the model after it.
type Outcome = (Result<Vec<VarId>, crate::fd::Refusal>, Model);

fn distinct(values: Vec<Val>) -> Vec<Val> {
    let mut kept: Vec<Val> = Vec::new();
    values.into_iter().for_each(|value| {
        if !kept.contains(&value) {
            kept.push(value);
        }
    });
    kept
}

fn new_var(rng: &mut Rng, store: &mut Store, model: &mut Model) {
    let values = domain(rng);
    assert_eq!(store.new_var(&values), Ok(VarId(model.domains.len() as u32 + 1)));
    model.domains.push(distinct(values));
}

fn refute(rng: &mut Rng, store: &mut Store, model: &mut Model) {
    let vars = model.domains.len();
    let pick = |_| {
        let v = VarId(1 + rng.below(vars) as u32);
        (v, rng.pick(model.domain(v)))
    };
    let combination: Vec<(VarId, Val)> = (0..1 + vars / 2).map(pick).collect();
    assert_eq!(store.refute(&combination), Ok(()));
    model.refutations.push(combination);
}

/// Narrows, assigns or posts; the model's domains are not closed yet.
fn operation(rng: &mut Rng, store: &mut Store, model: &Model) -> Outcome {
    let target = VarId(1 + rng.below(model.domains.len()) as u32);
    let mut next = model.clone();
    let said = match rng.below(9) {
        0 | 1 => {
            let values: Vec<Val> = (0..6).map(|_| pool(rng, false)).collect();
            next.domains[target.0 as usize - 1].retain(|value| values.contains(value));
            store.narrow(target, &values)
        }
        2 | 3 => {
            let value = rng.pick(model.domain(target));
            next.domains[target.0 as usize - 1] = vec![value.clone()];
            store.try_assign(target, &value)
        }
        _ => {
            let constraint = constraint(rng, model.domains.len());
            next.constraints.push(constraint.clone());
            assert_eq!(Constraint::from_val(&constraint.to_val()), Ok(constraint.clone()));
            store.post(constraint)
        }
    };
    (said, next)
}

#[test]
fn every_operation_reaches_the_fixpoint_and_is_undone_exactly() {
    // avm:8.2 strength, failed operations change nothing, changes are reported; avm:8.4 marks restore, refutations.
    let mut rng = Rng(1);
    let (mut accepted, mut refused, mut undone) = (0, 0, 0);
    for _ in 0..super::deep(6000) {
        let (mut store, mut model, mut marks) = (Store::default(), Model::new(), Vec::new());
        (0..1 + rng.below(4)).for_each(|_| new_var(&mut rng, &mut store, &mut model));
        for _ in 0..8 {
            match rng.below(12) {
                0 => marks.push((store.mark(), model.clone())),
                1 if !marks.is_empty() => {
                    marks.truncate(rng.below(marks.len()) + 1);
                    let (mark, then) = &marks[marks.len() - 1];
                    assert!(store.undo_to(mark));
                    model = then.clone();
                    undone += 1;
                }
                2 if model.domains.len() < 5 => new_var(&mut rng, &mut store, &mut model),
                3 => refute(&mut rng, &mut store, &mut model),
                _ => {
                    let (said, mut next) = operation(&mut rng, &mut store, &model);
                    let consistent = next.domains.iter().all(|domain| !domain.is_empty()) && next.close();
                    assert_eq!(said.is_ok(), consistent, "{model:?} {:?}", next.constraints.last());
                    if let Ok(changes) = said {
                        let changed = (0..model.domains.len()).filter(|i| model.domains[*i] != next.domains[*i]);
                        assert_eq!(changes, changed.map(|i| VarId(i as u32 + 1)).collect::<Vec<_>>());
                        model = next;
                        accepted += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
            same(&store, &model);
        }
    }
    assert!(accepted > 10_000 && refused > 3_000 && undone > 500, "{accepted} {refused} {undone}");
}
