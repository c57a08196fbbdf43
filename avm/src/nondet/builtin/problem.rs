//! A question made ready for search: slots with finite domains, and constraints that know which slots they are about.

use super::super::bounds::{Leaves, Reach};
use super::super::eval::{Picked, evaluate};
use super::super::flat::{Map, Node, Two, unflatten};
use super::super::ir::{Expr, Ir};
use crate::fd::Constraint;
use crate::id::{ChoiceId, VarId};
use crate::value::Val;

/// Position of a choice or a variable; choices first.
pub(in crate::nondet) type Slot = u32;

/// Largest number, factor and count with which a sum is plain arithmetic of numbers of the machine.
const PLAIN_NUMBER: i128 = 1 << 40;
const PLAIN_FACTOR: i64 = 1 << 12;
const PLAIN_TERMS: usize = 1 << 10;

/// An expression of its own: leaves are slots ([`Node::Choice`] holds a slot, whatever it is), the last node is the root.
#[derive(Debug)]
pub(in crate::nondet) struct Local {
    pub(in crate::nondet) nodes: Vec<Node>,
    pub(in crate::nondet) scope: Vec<Slot>,
}

/// What must hold.
#[derive(Debug)]
pub(in crate::nondet) enum What {
    /// The expression is true.
    Expr(Vec<Node>),
    /// All values differ.
    Different,
    /// The values of the scope, as positions in the domains of its slots, are one of these rows.
    Rows(Vec<Vec<u32>>),
    /// A constraint in its own words; the scope has its variables in order of mention.
    Ground(Constraint),
    /// Not all slots of the scope have these positions.
    Refuted(Vec<u32>),
}

/// A constraint and its slots. In `Expr` and `Different` each slot is there once.
#[derive(Debug)]
pub(in crate::nondet) struct Con {
    pub(in crate::nondet) what: What,
    pub(in crate::nondet) scope: Vec<Slot>,
    /// The requirement it is a part of, or behind all of these the constraint; `None`: it always holds.
    #[cfg_attr(not(feature = "z3"), allow(dead_code, reason = "Z3 guards requirements one by one"))]
    pub(in crate::nondet) of: Option<u32>,
}

/// A soft requirement.
#[derive(Debug)]
pub(in crate::nondet) struct Wish {
    pub(in crate::nondet) local: Local,
    pub(in crate::nondet) weight: i128,
}

/// The question.
#[derive(Debug)]
pub(in crate::nondet) struct Problem {
    /// Values of each slot, in order of preference.
    pub(in crate::nondet) values: Vec<Vec<Val>>,
    /// How many slots are choices.
    pub(in crate::nondet) choices: usize,
    /// Weights of the options of choices; empty for slots without.
    pub(in crate::nondet) weights: Vec<Vec<i128>>,
    pub(in crate::nondet) cons: Vec<Con>,
    pub(in crate::nondet) wishes: Vec<Wish>,
    /// Constraints of each slot.
    pub(in crate::nondet) watch: Vec<Vec<u32>>,
    ids: Map<VarId, Slot>,
    /// The same value, the same number, in all domains.
    pub(in crate::nondet) symbols: Vec<Vec<u32>>,
    /// Requirement whose parts are being put in.
    of: Option<u32>,
}

/// Numbers of all requirements, and behind them of all constraints.
pub(in crate::nondet) fn everything(ir: &Ir) -> Vec<u32> {
    (0..(ir.requires.len() + ir.fd.constraints.len()) as u32).collect()
}

impl Problem {
    /// Builds it with the requirements and constraints at `kept` alone, numbered as [`everything`] does.
    pub(in crate::nondet) fn new(ir: &Ir, kept: &[u32], weighted: bool) -> Self {
        let values: Vec<Vec<Val>> = ir.choices.iter().map(|choice| choice.options.clone()).collect();
        let values: Vec<Vec<Val>> = values.into_iter().chain(ir.fd.vars.iter().map(|(_, d)| d.clone())).collect();
        let choices = ir.choices.len();
        let ids = ir.fd.vars.iter().enumerate().map(|(at, (id, _))| (*id, (choices + at) as Slot)).collect();
        let mut known: Map<&Val, u32> = Map::default();
        let mut symbol = |value| {
            let next = known.len() as u32;
            *known.entry(value).or_insert(next)
        };
        let symbols = values.iter().map(|domain| domain.iter().map(&mut symbol).collect()).collect();
        let mut weights = vec![Vec::new(); values.len()];
        if weighted {
            for (at, choice) in ir.choices.iter().enumerate() {
                weights[at] = (0..choice.options.len() as u32).map(|option| choice.weight(option)).collect();
            }
        }
        let slots = values.len();
        let (cons, wishes, watch) = (Vec::new(), Vec::new(), vec![Vec::new(); slots]);
        let mut problem = Self { values, choices, weights, cons, wishes, watch, ids, symbols, of: None };
        for expr in &ir.path {
            problem.require(expr);
        }
        for at in kept {
            problem.of = Some(*at);
            match ir.requires.get(*at as usize) {
                Some(asserted) => problem.require(&asserted.expr),
                None => problem.post(&ir.fd.constraints[*at as usize - ir.requires.len()]),
            }
        }
        problem.of = None;
        for refuted in &ir.fd.refutations {
            problem.refute(refuted);
        }
        if weighted {
            for soft in &ir.prefers {
                let wish = Wish { local: problem.local(&soft.expr), weight: i128::from(soft.weight) };
                problem.wishes.push(wish);
            }
        }
        problem
    }

    fn slot(&self, id: VarId) -> Slot {
        self.ids.get(&id).copied().unwrap_or(0)
    }

    /// Puts in a condition; a conjunction is its parts.
    fn require(&mut self, expr: &Expr) {
        let mut parts = vec![expr];
        while let Some(expr) = parts.pop() {
            if let Expr::And(a, b) = expr {
                parts.extend([&**b, &**a]);
                continue;
            }
            match expr {
                Expr::Table(ids, rows) if ids.iter().all(|id| self.distinct(id.0)) => {
                    self.rows(ids.iter().map(|id| id.0).collect(), rows)
                }
                _ => {
                    let local = self.local(expr);
                    self.expression(local.nodes, local.scope);
                }
            }
        }
    }

    fn expression(&mut self, nodes: Vec<Node>, scope: Vec<Slot>) {
        let leaves = |all: &Vec<u32>| all.iter().all(|part| matches!(nodes[*part as usize], Node::Choice(_)));
        match nodes.last() {
            Some(Node::AllDiff(all)) if leaves(all) && scope.len() == all.len() => self.put(What::Different, scope),
            _ => self.put(What::Expr(nodes), scope),
        }
    }

    fn put(&mut self, what: What, scope: Vec<Slot>) {
        let at = self.cons.len() as u32;
        for slot in &scope {
            if self.watch[*slot as usize].last() != Some(&at) {
                self.watch[*slot as usize].push(at);
            }
        }
        self.cons.push(Con { what, scope, of: self.of });
    }

    /// A table of its own of an expression, with slots as leaves.
    fn local(&self, expr: &Expr) -> Local {
        let mut flat = super::super::flat::Flat::default();
        flat.add(expr);
        let mut nodes = flat.nodes;
        let mut scope = Vec::new();
        for node in &mut nodes {
            if let Node::Fd(id) = node {
                *node = Node::Choice(ChoiceId(self.slot(*id)));
            }
            match node {
                Node::Choice(slot) => scope.push(slot.0),
                Node::Table(ids, _) => scope.extend(ids.iter().map(|id| id.0)),
                _ => {}
            }
        }
        scope.sort_unstable();
        scope.dedup();
        Local { nodes, scope }
    }

    fn rows(&mut self, scope: Vec<Slot>, rows: &[Vec<Val>]) {
        // One map for each column: rows may be many, and domains long.
        let by_value = |slot: &Slot| -> Map<&Val, u32> { self.values[*slot as usize].iter().zip(0..).collect() };
        let maps: Vec<Map<&Val, u32>> = scope.iter().map(by_value).collect();
        let tuple = |row: &Vec<Val>| {
            let tuple: Option<Vec<u32>> = maps.iter().zip(row).map(|(map, value)| map.get(value).copied()).collect();
            let tuple = tuple?;
            // A slot that is mentioned twice has one value.
            let of = |slot: Slot| scope.iter().zip(&tuple).find(|(s, _)| **s == slot).map(|(_, at)| *at);
            let one = scope.iter().zip(&tuple).all(|(slot, at)| of(*slot) == Some(*at));
            one.then_some(tuple)
        };
        let found = rows.iter().filter_map(tuple).collect();
        self.put(What::Rows(found), scope);
    }

    /// Whether no value is there twice in the domain of a slot.
    fn distinct(&self, slot: Slot) -> bool {
        let mut symbols = self.symbols[slot as usize].clone();
        symbols.sort_unstable();
        symbols.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn refute(&mut self, refuted: &[(VarId, Val)]) {
        let mut scope = Vec::new();
        let mut positions = Vec::new();
        for (id, value) in refuted {
            let slot = self.slot(*id);
            // A value that is gone cannot be picked: nothing to refute.
            let Some(at) = self.values[slot as usize].iter().position(|have| have == value) else { return };
            scope.push(slot);
            positions.push(at as u32);
        }
        self.put(What::Refuted(positions), scope);
    }

    fn post(&mut self, constraint: &Constraint) {
        let var = |id: &VarId| Node::Choice(ChoiceId(self.slot(*id)));
        let pair = |op, x: &VarId, y: &VarId| vec![var(x), var(y), Node::Two(op, 0, 1)];
        let single = |op, x: &VarId, value: &Val| vec![var(x), Node::Const(value.clone()), Node::Two(op, 0, 1)];
        let offset = |op, x: &VarId, y: &VarId, k: i64| {
            vec![var(x), var(y), Node::Const(k.into()), Node::Two(Two::Add, 1, 2), Node::Two(op, 0, 3)]
        };
        let nodes = match constraint {
            Constraint::Eq(x, y) => pair(Two::Eq, x, y),
            Constraint::Neq(x, y) => pair(Two::Neq, x, y),
            Constraint::Leq(x, y) => pair(Two::Leq, x, y),
            Constraint::Lt(x, y) => pair(Two::Lt, x, y),
            Constraint::Geq(x, y) => pair(Two::Geq, x, y),
            Constraint::Gt(x, y) => pair(Two::Gt, x, y),
            Constraint::ValEq(x, value) => single(Two::Eq, x, value),
            Constraint::ValLeq(x, value) => single(Two::Leq, x, value),
            Constraint::ValLt(x, value) => single(Two::Lt, x, value),
            Constraint::ValGeq(x, value) => single(Two::Geq, x, value),
            Constraint::ValGt(x, value) => single(Two::Gt, x, value),
            Constraint::NeqOff(x, y, k) if self.plain(constraint) => offset(Two::Neq, x, y, *k),
            Constraint::EqOff(x, y, k) if self.plain(constraint) => offset(Two::Eq, x, y, *k),
            Constraint::LeqOff(x, y, k) if self.plain(constraint) => offset(Two::Leq, x, y, *k),
            Constraint::SumEq(terms, total) if self.plain(constraint) => self.sum(Two::Eq, terms, *total),
            Constraint::SumLeq(terms, total) if self.plain(constraint) => self.sum(Two::Leq, terms, *total),
            Constraint::Table(vars, rows) => return self.rows(vars.iter().map(|id| self.slot(*id)).collect(), rows),
            Constraint::AllDiff(vars) => {
                let nodes = vars.iter().map(var).collect::<Vec<_>>();
                let all = (0..nodes.len() as u32).collect();
                [nodes, vec![Node::AllDiff(all)]].concat()
            }
            other => {
                let scope = other.vars().iter().map(|id| self.slot(*id)).collect();
                return self.put(What::Ground(other.clone()), scope);
            }
        };
        let mut scope: Vec<Slot> = constraint.vars().iter().map(|id| self.slot(*id)).collect();
        scope.sort_unstable();
        scope.dedup();
        self.expression(nodes, scope);
    }

    /// Whether the arithmetic of a constraint stays among numbers of the machine.
    fn plain(&self, constraint: &Constraint) -> bool {
        let number = |value: &Val| matches!(value, Val::Int(n) if n.abs() < PLAIN_NUMBER);
        let vars = constraint.vars();
        let small = vars.len() <= PLAIN_TERMS
            && match constraint {
                Constraint::SumEq(terms, _) | Constraint::SumLeq(terms, _) => {
                    terms.iter().all(|(factor, _)| factor.abs() < PLAIN_FACTOR)
                }
                Constraint::NeqOff(_, _, k) | Constraint::EqOff(_, _, k) | Constraint::LeqOff(_, _, k) => {
                    i128::from(*k).abs() < PLAIN_NUMBER
                }
                _ => true,
            };
        small && vars.iter().all(|id| self.values[self.slot(*id) as usize].iter().all(number))
    }

    fn sum(&self, op: Two, terms: &[(i64, VarId)], total: i64) -> Vec<Node> {
        let mut nodes = vec![Node::Const(0.into())];
        for (factor, id) in terms {
            let sum = nodes.len() as u32 - 1;
            nodes.push(Node::Const((*factor).into()));
            nodes.push(Node::Choice(ChoiceId(self.slot(*id))));
            nodes.push(Node::Two(Two::Mul, sum + 1, sum + 2));
            nodes.push(Node::Two(Two::Add, sum, sum + 3));
        }
        let sum = nodes.len() as u32 - 1;
        nodes.push(Node::Const(total.into()));
        nodes.push(Node::Two(op, sum, sum + 1));
        debug_assert!(unflatten(&nodes).is_ok());
        nodes
    }
}

impl Problem {
    /// Weights of the soft requirements that hold, and of the options picked.
    pub(in crate::nondet) fn score(&self, picks: &[u32]) -> (i128, i128) {
        let values = Picks { problem: self, picks };
        let holds = |wish: &&Wish| evaluate(&wish.local.nodes, &values).pop().flatten() == Some(Val::Bool(true));
        let soft = self.wishes.iter().filter(holds).map(|wish| wish.weight).sum();
        let weights = self.weights.iter().zip(picks);
        (soft, weights.filter_map(|(weights, at)| weights.get(*at as usize)).sum())
    }
}

/// Values picked, by position in each domain.
pub(in crate::nondet) struct Picks<'a> {
    pub(in crate::nondet) problem: &'a Problem,
    pub(in crate::nondet) picks: &'a [u32],
}

impl Picked for Picks<'_> {
    fn choice(&self, id: ChoiceId) -> Option<&Val> {
        self.problem.values.get(id.0 as usize)?.get(self.picks[id.0 as usize] as usize)
    }

    fn var(&self, _: VarId) -> Option<&Val> {
        None
    }
}

/// What the slots can still be.
pub(in crate::nondet) struct Left<'a> {
    pub(in crate::nondet) reach: &'a [Reach],
    /// A slot looked at as if it were this.
    pub(in crate::nondet) probe: Option<(Slot, Reach)>,
}

impl Leaves for Left<'_> {
    fn choice(&self, id: ChoiceId) -> Reach {
        match &self.probe {
            Some((slot, reach)) if *slot == id.0 => reach.clone(),
            _ => self.reach[id.0 as usize].clone(),
        }
    }

    fn var(&self, _: VarId) -> Reach {
        Reach { undefined: true, ..Reach::default() }
    }

    fn table(&self, ids: &[ChoiceId], rows: &[Vec<Val>]) -> (bool, bool) {
        let exact: Option<Vec<Val>> = ids.iter().map(|id| self.choice(*id).exact).collect();
        match exact {
            Some(values) => {
                let found = rows.contains(&values);
                (found, found)
            }
            None => (!rows.is_empty(), false),
        }
    }
}
