//! The encoding: one literal for each value of each slot, exactly one of which holds. What depends on few combinations is worked out
//! here, combination by combination, and goes to the solver as clauses; the rest as integers.

use z3::Solver as Engine;
use z3::ast::{Bool, Int};

use super::lit::Lit;
use super::term::Term;
use crate::fd::Constraint;
use crate::nondet::builtin::problem::{Con, Picks, Problem, Slot, What};
use crate::nondet::eval::evaluate;
use crate::nondet::flat::{Map, Node, One, Two};
use crate::nondet::ground;
use crate::value::Val;

/// Most combinations of a whole constraint that are worked out one by one.
const CLAUSES: u64 = 512;
/// Most combinations of a part of an expression that are worked out one by one.
const CASES: u64 = 64;

/// The literals of a problem, and how it is put into the solver.
pub(super) struct Encoding<'a> {
    problem: &'a Problem,
    /// Literal of each position of each slot.
    pub(super) picked: &'a [Vec<Lit>],
    leaves: Map<Slot, Term>,
}

impl<'a> Encoding<'a> {
    pub(super) fn new(problem: &'a Problem, picked: &'a [Vec<Lit>]) -> Self {
        Self { problem, picked, leaves: Map::default() }
    }

    /// Says of every slot that exactly one of its positions is picked.
    pub(super) fn domains(&self, engine: &Engine) {
        for lits in self.picked {
            engine.assert(Lit::any(lits).formula());
            let open: Vec<&Bool> =
                lits.iter().filter_map(|lit| if let Lit::Is(b) = lit { Some(b) } else { None }).collect();
            at_most_one(engine, &open);
        }
    }

    /// Puts a constraint in; with `guard` it holds only where that does.
    pub(super) fn constrain(&mut self, engine: &Engine, con: &Con, guard: Option<&Bool>) {
        let say = |lit: Lit| {
            if lit.is_true() {
                return;
            }
            match guard {
                Some(guard) => engine.assert(guard.implies(lit.formula())),
                None => engine.assert(lit.formula()),
            }
        };
        let problem = self.problem;
        match &con.what {
            What::Expr(nodes) => {
                let holds =
                    |picks: &[u32]| evaluate(nodes, &Picks { problem, picks }).pop().flatten() == Some(Val::Bool(true));
                match self.combinations(&con.scope, CLAUSES) {
                    Some(all) => self.exclude(&con.scope, &all, holds, say),
                    None => say(self.root(nodes)),
                }
            }
            What::Different => self.different(engine, &con.scope, guard),
            What::Rows(rows) => say(self.one_of(&con.scope, rows)),
            What::Refuted(positions) => {
                let all = con.scope.iter().zip(positions).map(|(slot, at)| self.lit(*slot, *at).not());
                say(Lit::any(&all.collect::<Vec<_>>()));
            }
            What::Ground(constraint) => self.ground(constraint, &con.scope, say),
        }
    }

    fn lit(&self, slot: Slot, at: u32) -> &Lit {
        &self.picked[slot as usize][at as usize]
    }

    /// Positions of a slot that can be picked.
    fn live(&self, slot: Slot) -> impl Iterator<Item = u32> {
        let lits = self.picked[slot as usize].iter().enumerate();
        lits.filter(|(_, lit)| !lit.is_false()).map(|(at, _)| at as u32)
    }

    /// Every combination of positions of the slots of a scope (each once), if there are not too many.
    fn combinations(&self, scope: &[Slot], most: u64) -> Option<Vec<Vec<u32>>> {
        let sizes = scope.iter().map(|slot| self.live(*slot).count() as u64);
        if sizes.fold(1u64, u64::saturating_mul) > most {
            return None;
        }
        let mut all = vec![Vec::new()];
        for slot in scope {
            let longer = |tuple: Vec<u32>| self.live(*slot).map(move |at| [&tuple[..], &[at]].concat());
            all = all.into_iter().flat_map(longer).collect();
        }
        Some(all)
    }

    /// One clause for each combination that does not hold; for one slot a single disjunction of what is left.
    fn exclude(&self, scope: &[Slot], all: &[Vec<u32>], holds: impl Fn(&[u32]) -> bool, say: impl Fn(Lit)) {
        let mut picks = vec![0; self.problem.values.len()];
        for tuple in all {
            for (slot, at) in scope.iter().zip(tuple) {
                picks[*slot as usize] = *at;
            }
            if !holds(&picks) {
                let not: Vec<Lit> = scope.iter().zip(tuple).map(|(slot, at)| self.lit(*slot, *at).not()).collect();
                say(Lit::any(&not));
            }
        }
    }

    fn one_of(&self, scope: &[Slot], rows: &[Vec<u32>]) -> Lit {
        let row = |row: &Vec<u32>| {
            let parts: Vec<&Lit> = scope.iter().zip(row).map(|(slot, at)| self.lit(*slot, *at)).collect();
            Lit::all(parts)
        };
        Lit::any(&rows.iter().map(row).collect::<Vec<_>>())
    }

    fn different(&self, engine: &Engine, scope: &[Slot], guard: Option<&Bool>) {
        let mut users: std::collections::BTreeMap<u32, Vec<Vec<&Lit>>> = std::collections::BTreeMap::new();
        for (at, slot) in scope.iter().enumerate() {
            for (symbol, lit) in self.problem.symbols[*slot as usize].iter().zip(&self.picked[*slot as usize]) {
                let users = users.entry(*symbol).or_default();
                users.resize(at + 1, Vec::new());
                users[at].push(lit);
            }
        }
        for users in users.into_values() {
            let takes = users.into_iter().map(Lit::any).filter(|takes| !takes.is_false());
            let takes: Vec<Lit> = takes.collect();
            let formulas: Vec<Bool> = takes.iter().map(Lit::formula).collect();
            let formulas: Vec<&Bool> = formulas.iter().collect();
            match guard {
                None => at_most_one(engine, &formulas),
                Some(guard) if formulas.len() > 1 => {
                    let counted: Vec<(&Bool, i32)> = formulas.iter().map(|formula| (*formula, 1)).collect();
                    engine.assert(guard.implies(Bool::pb_le(&counted, 1)));
                }
                Some(_) => {}
            }
        }
    }

    /// Constraints whose arithmetic exceeds the numbers of the machine, and lookups.
    fn ground(&mut self, constraint: &Constraint, scope: &[Slot], say: impl Fn(Lit)) {
        let problem = self.problem;
        let vars = constraint.vars();
        let mut once = scope.to_vec();
        once.sort_unstable();
        once.dedup();
        if let Some(all) = self.combinations(&once, CLAUSES) {
            let holds = |picks: &[u32]| {
                let value = |id| {
                    let slot = vars.iter().zip(scope).find(|(var, _)| **var == id).map(|(_, slot)| *slot as usize)?;
                    problem.values[slot].get(picks[slot] as usize)
                };
                ground::holds(constraint, &value)
            };
            return self.exclude(&once, &all, holds, say);
        }
        let lit = self.wide(constraint, scope);
        say(lit);
    }

    fn wide(&mut self, constraint: &Constraint, scope: &[Slot]) -> Lit {
        if let Constraint::Element { list, .. } = constraint {
            let (index, value) = (self.leaf(scope[0]), self.leaf(scope[1]));
            let at = |(at, wanted): (usize, &Val)| index.equals(&Val::Int(at as i128)).both(&value.equals(wanted));
            return Lit::any(&list.iter().enumerate().map(at).collect::<Vec<_>>());
        }
        let terms: Vec<Term> = scope.iter().map(|slot| self.leaf(*slot)).collect();
        let numbers = Lit::all(&terms.iter().map(Term::is_number).collect::<Vec<_>>());
        let number = |at: usize| terms[at].number.as_ref().map(|(_, number, _)| number.clone());
        let total = |factors: &[(i64, crate::id::VarId)]| -> Option<Int> {
            let parts = factors.iter().enumerate().map(|(at, (factor, _))| Some(number(at)? * Int::from_i64(*factor)));
            let parts: Vec<Int> = parts.collect::<Option<_>>()?;
            Some(Int::add(&parts.iter().collect::<Vec<_>>()))
        };
        let formula = match constraint {
            Constraint::NeqOff(_, _, k) | Constraint::EqOff(_, _, k) | Constraint::LeqOff(_, _, k) => {
                number(0).zip(number(1)).map(|(x, y)| {
                    let y = y + Int::from_i64(*k);
                    if matches!(constraint, Constraint::LeqOff(..)) { x.le(&y) } else { x.eq(&y) }
                })
            }
            Constraint::SumEq(terms, n) => total(terms).map(|sum| sum.eq(Int::from_i64(*n))),
            Constraint::SumLeq(terms, n) => total(terms).map(|sum| sum.le(Int::from_i64(*n))),
            _ => None,
        };
        let holds = formula.map_or(Lit::False, |formula| numbers.both(&Lit::Is(formula)));
        if matches!(constraint, Constraint::NeqOff(..)) { holds.not() } else { holds }
    }

    /// The value of a slot.
    fn leaf(&mut self, slot: Slot) -> Term {
        if let Some(term) = self.leaves.get(&slot) {
            return term.clone();
        }
        let values = &self.problem.values[slot as usize];
        let picked = &self.picked[slot as usize];
        let mut cases: Vec<(Vec<&Lit>, &Val)> = Vec::new();
        let mut at_symbol: Map<u32, usize> = Map::default();
        for ((value, symbol), lit) in values.iter().zip(&self.problem.symbols[slot as usize]).zip(picked) {
            if lit.is_false() {
                continue;
            }
            let at = *at_symbol.entry(*symbol).or_insert(cases.len());
            if at == cases.len() {
                cases.push((Vec::new(), value));
            }
            cases[at].0.push(lit);
        }
        let cases = cases.into_iter().map(|(lits, value)| (Lit::any(lits), Some(value.clone())));
        let term = Term::of_cases(cases.collect());
        self.leaves.insert(slot, term.clone());
        term
    }

    /// That an expression holds.
    fn root(&mut self, nodes: &[Node]) -> Lit {
        self.terms(nodes).pop().map_or(Lit::False, |term| term.yes)
    }

    /// That a soft requirement holds.
    pub(super) fn wish(&mut self, nodes: &[Node]) -> Lit {
        self.root(nodes)
    }

    fn terms(&mut self, nodes: &[Node]) -> Vec<Term> {
        let mut scopes: Vec<Option<Vec<Slot>>> = Vec::with_capacity(nodes.len());
        let mut terms: Vec<Term> = Vec::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            if let Node::Table(ids, _) = node {
                ids.iter().for_each(|id| {
                    self.leaf(id.0);
                });
            }
            let scope = self.small_scope(node, &scopes);
            let combinations = scope.as_ref().and_then(|scope| self.combinations(scope, CASES));
            let term = match (node, &scope, combinations) {
                (Node::Const(value), ..) => Term::of_cases(vec![(Lit::True, Some(value.clone()))]),
                (Node::Choice(slot), ..) => self.leaf(slot.0),
                (_, Some(scope), Some(all)) => self.worked_out(&nodes[..=at], scope, &all),
                _ => self.structural(node, &terms),
            };
            scopes.push(scope);
            terms.push(term);
        }
        terms
    }

    /// Slots of a node, ascending, when they have few combinations.
    fn small_scope(&self, node: &Node, scopes: &[Option<Vec<Slot>>]) -> Option<Vec<Slot>> {
        let mut scope: Vec<Slot> = match node {
            Node::Choice(slot) => vec![slot.0],
            Node::Table(ids, _) => ids.iter().map(|id| id.0).collect(),
            _ => Vec::new(),
        };
        let mut small = true;
        node.each(|part| match &scopes[part as usize] {
            Some(part) if scope.len() < 64 => scope.extend(part),
            _ => small = false,
        });
        scope.sort_unstable();
        scope.dedup();
        let combinations = scope.iter().map(|slot| self.live(*slot).count() as u64);
        let few = combinations.fold(1u64, u64::saturating_mul) <= CASES;
        (small && few).then_some(scope)
    }

    fn worked_out(&self, nodes: &[Node], scope: &[Slot], all: &[Vec<u32>]) -> Term {
        let mut picks = vec![0; self.problem.values.len()];
        let mut ways: Vec<(Option<Val>, Vec<Lit>)> = Vec::new();
        for tuple in all {
            for (slot, at) in scope.iter().zip(tuple) {
                picks[*slot as usize] = *at;
            }
            let value = evaluate(nodes, &Picks { problem: self.problem, picks: &picks }).pop().flatten();
            let parts: Vec<&Lit> = scope.iter().zip(tuple).map(|(slot, at)| self.lit(*slot, *at)).collect();
            let way = Lit::all(parts);
            match ways.iter_mut().find(|(have, _)| *have == value) {
                Some((_, ways)) => ways.push(way),
                None => ways.push((value, vec![way])),
            }
        }
        let single = ways.len() == 1;
        let case = |(value, ways): (Option<Val>, Vec<Lit>)| (if single { Lit::True } else { Lit::any(&ways) }, value);
        Term::of_cases(ways.into_iter().map(case).collect())
    }

    fn structural(&self, node: &Node, terms: &[Term]) -> Term {
        let at = |part: &u32| &terms[*part as usize];
        match node {
            Node::Two(op, a, b) => two(*op, at(a), at(b)),
            Node::One(One::Not, a) => Term::truth(at(a).no.clone(), at(a).yes.clone()),
            Node::One(One::Defined, a) => {
                let defined = at(a).defined();
                Term::truth(defined.clone(), defined.not())
            }
            Node::One(One::Neg, a) => match &at(a).number {
                Some((is, n, (low, high))) => Term::of_number(is, n.unary_minus(), (-high, -low)),
                None => Term::undefined(),
            },
            Node::Ite(a, b, c) => Term::branch(&at(a).yes, at(b), &at(a).no, at(c)),
            Node::In(a, values) => {
                let found = Lit::any(&values.iter().map(|value| at(a).equals(value)).collect::<Vec<_>>());
                Term::truth(found.clone(), at(a).defined().both(&found.not()))
            }
            Node::AllDiff(all) => {
                let parts: Vec<&Term> = all.iter().map(at).collect();
                let defined = Lit::all(&parts.iter().map(|part| part.defined()).collect::<Vec<_>>());
                let pairs = (0..parts.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
                let clash = Lit::any(&pairs.map(|(i, j)| parts[i].same(parts[j])).collect::<Vec<_>>());
                Term::truth(defined.both(&clash.not()), defined.both(&clash))
            }
            Node::Table(ids, rows) => {
                let parts: Vec<Term> = ids.iter().filter_map(|id| self.leaves.get(&id.0).cloned()).collect();
                let row =
                    |row: &Vec<Val>| Lit::all(&parts.iter().zip(row).map(|(p, v)| p.equals(v)).collect::<Vec<_>>());
                let found = Lit::any(&rows.iter().map(row).collect::<Vec<_>>());
                Term::truth(found.clone(), found.not())
            }
            Node::Const(_) | Node::Choice(_) | Node::Fd(_) => Term::undefined(),
        }
    }
}

/// At most one of these.
fn at_most_one(engine: &Engine, all: &[&Bool]) {
    match all {
        [] | [_] => {}
        _ if all.len() <= 8 => {
            for (at, one) in all.iter().enumerate() {
                for two in &all[..at] {
                    engine.assert(Bool::or(&[one.not(), two.not()]));
                }
            }
        }
        _ => engine.assert(Bool::pb_le(&all.iter().map(|one| (*one, 1)).collect::<Vec<_>>(), 1)),
    }
}

fn two(op: Two, a: &Term, b: &Term) -> Term {
    match op {
        Two::Add | Two::Sub | Two::Mul | Two::Div | Two::Mod => arithmetic(op, a, b),
        Two::Eq | Two::Neq => {
            let same = a.same(b);
            let differ = Lit::all([&a.defined(), &b.defined(), &same.not()]);
            if op == Two::Eq { Term::truth(same, differ) } else { Term::truth(differ, same) }
        }
        Two::Lt | Two::Leq | Two::Gt | Two::Geq => {
            let (holds, comparable) = a.compare(op, b);
            Term::truth(holds.clone(), comparable.both(&holds.not()))
        }
        Two::And | Two::Or => {
            let truths = a.is_truth().both(&b.is_truth());
            let yes = if op == Two::And { a.yes.both(&b.yes) } else { truths.both(&a.yes.either(&b.yes)) };
            let no = if op == Two::And { truths.both(&a.no.either(&b.no)) } else { a.no.both(&b.no) };
            Term::truth(yes, no)
        }
    }
}

fn arithmetic(op: Two, a: &Term, b: &Term) -> Term {
    let (Some((is_a, x, of_x)), Some((is_b, y, of_y))) = (&a.number, &b.number) else { return Term::undefined() };
    let is = is_a.both(is_b);
    match op {
        Two::Add => Term::of_number(&is, x + y, (of_x.0 + of_y.0, of_x.1 + of_y.1)),
        Two::Sub => Term::of_number(&is, x - y, (of_x.0 - of_y.1, of_x.1 - of_y.0)),
        Two::Mul => {
            // A product of two unknowns is split by the values of one of them, so that no product of unknowns is left.
            if let Some(cases) = &b.cases {
                return split(cases, a, |n| (x * Int::from_i128(n), product(*of_x, (n, n))));
            }
            if let Some(cases) = &a.cases {
                return split(cases, b, |n| (y * Int::from_i128(n), product(*of_y, (n, n))));
            }
            Term::of_number(&is, x * y, product(*of_x, *of_y))
        }
        Two::Div | Two::Mod => {
            let Some(cases) = &b.cases else { return by_unknown(op, &is, (x, *of_x), (y, *of_y)) };
            let cases: Vec<_> = cases.iter().filter(|(_, v)| *v != Some(Val::Int(0))).cloned().collect();
            split(&cases, a, |n| divided(op, (x, *of_x), n))
        }
        _ => Term::undefined(),
    }
}

/// An operation by cases of one operand; the other must be a number too.
fn split(cases: &[(Lit, Option<Val>)], other: &Term, of: impl Fn(i128) -> (Int, (i128, i128))) -> Term {
    let mut result = Term::undefined();
    for (lit, value) in cases {
        if let Some(Val::Int(n)) = value {
            let (number, bounds) = of(*n);
            let one = Term::of_number(&other.is_number(), number, bounds);
            result = Term::branch(lit, &one, &lit.not(), &result);
        }
    }
    result
}

fn product(x: (i128, i128), y: (i128, i128)) -> (i128, i128) {
    let wide = |a: i128, b: i128| a.checked_mul(b).unwrap_or(if (a < 0) == (b < 0) { i128::MAX } else { i128::MIN });
    let all = [wide(x.0, y.0), wide(x.0, y.1), wide(x.1, y.0), wide(x.1, y.1)];
    all.into_iter().fold((i128::MAX, i128::MIN), |(low, high), n| (low.min(n), high.max(n)))
}

/// Quotient or remainder by a number that is not 0. The solver's own leave a remainder that is never negative.
fn divided(op: Two, (x, bounds): (&Int, (i128, i128)), n: i128) -> (Int, (i128, i128)) {
    let by = Int::from_i128(n);
    let (quotient, rest) = (x.div(&by), x.modulo(&by));
    let zero = rest.eq(Int::from_i64(0));
    let most = bounds.0.abs().max(bounds.1.abs());
    match (op, n > 0) {
        (Two::Div, true) => (quotient, (-most, most)),
        (Two::Div, false) => (zero.ite(&quotient, &(&quotient - Int::from_i64(1))), (-most, most)),
        (_, true) => (rest, (0, n - 1)),
        (_, false) => (zero.ite(&rest, &(&rest + &by)), (n + 1, 0)),
    }
}

fn by_unknown(op: Two, is: &Lit, (x, of_x): (&Int, (i128, i128)), (y, of_y): (&Int, (i128, i128))) -> Term {
    let nought = Int::from_i64(0);
    let is = is.both(&Lit::Is(y.eq(&nought).not()));
    let (quotient, rest) = (x.div(y), x.modulo(y));
    let down = Bool::and(&[y.lt(&nought), rest.eq(&nought).not()]);
    let most = |bounds: (i128, i128)| bounds.0.abs().max(bounds.1.abs());
    match op {
        Two::Div => {
            let quotient = down.ite(&(&quotient - Int::from_i64(1)), &quotient);
            Term::of_number(&is, quotient, (-most(of_x), most(of_x)))
        }
        _ => Term::of_number(&is, down.ite(&(&rest + y), &rest), (-most(of_y), most(of_y))),
    }
}
