//! What is left of the domains, with a trail, and the filtering of constraints.

use super::super::bounds::{Leaves, Reach, reach_all};
use super::super::eval::evaluate;
use super::super::flat::Node;
use super::problem::{Con, Left, Picks, Problem, Slot, What};
use crate::value::Val;

/// Most combinations of a constraint that are tried one by one.
const TRIED: u64 = 256;

/// Why propagation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nondet) enum Stop {
    /// This constraint cannot hold any more.
    Fails(u32),
    /// No steps are left.
    Steps,
}

/// Domains of a search.
#[derive(Debug)]
pub(in crate::nondet) struct State<'a> {
    pub(super) problem: &'a Problem,
    words: Vec<Vec<u64>>,
    counts: Vec<u32>,
    reach: Vec<Reach>,
    trail: Vec<(Slot, u32)>,
    queue: std::collections::VecDeque<u32>,
    queued: Vec<bool>,
    picks: Vec<u32>,
    /// Steps left.
    pub(super) steps: u64,
}

impl<'a> State<'a> {
    /// All domains whole; every constraint is to be looked at.
    pub(in crate::nondet) fn new(problem: &'a Problem, steps: u64) -> Self {
        let words = |values: &Vec<Val>| {
            let mut words = vec![u64::MAX; values.len().div_ceil(64)];
            if let Some(last) = words.last_mut().filter(|_| !values.len().is_multiple_of(64)) {
                *last = (1 << (values.len() % 64)) - 1;
            }
            words
        };
        Self {
            problem,
            words: problem.values.iter().map(words).collect(),
            counts: problem.values.iter().map(|values| values.len() as u32).collect(),
            reach: problem.values.iter().map(Reach::of).collect(),
            trail: Vec::new(),
            queue: (0..problem.cons.len() as u32).collect(),
            queued: vec![true; problem.cons.len()],
            picks: vec![0; problem.values.len()],
            steps,
        }
    }

    /// How many values are left.
    pub(super) fn count(&self, slot: Slot) -> u32 {
        self.counts[slot as usize]
    }

    /// Whether a position is left.
    pub(in crate::nondet) fn has(&self, slot: Slot, at: u32) -> bool {
        self.words[slot as usize][at as usize / 64] >> (at % 64) & 1 == 1
    }

    /// Positions left, ascending.
    pub(super) fn left(&self, slot: Slot) -> Vec<u32> {
        let mut all = Vec::with_capacity(self.count(slot) as usize);
        for (at, word) in self.words[slot as usize].iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                all.push(at as u32 * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        all
    }

    /// Least position left; 0 when there is none.
    pub(super) fn least(&self, slot: Slot) -> u32 {
        let found = self.words[slot as usize].iter().enumerate().find(|(_, word)| **word != 0);
        found.map_or(0, |(at, word)| at as u32 * 64 + word.trailing_zeros())
    }

    /// Reach of each slot.
    pub(super) fn reach(&self) -> &[Reach] {
        &self.reach
    }

    /// Where the trail is.
    pub(super) fn mark(&self) -> usize {
        self.trail.len()
    }

    /// Puts everything back as it was at a mark; nothing is queued then.
    pub(super) fn undo_to(&mut self, mark: usize) {
        let mut changed = Vec::new();
        while self.trail.len() > mark {
            if let Some((slot, at)) = self.trail.pop() {
                self.words[slot as usize][at as usize / 64] |= 1 << (at % 64);
                self.counts[slot as usize] += 1;
                changed.push(slot);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().for_each(|slot| self.refresh(slot));
        self.queue.drain(..).for_each(|con| self.queued[con as usize] = false);
    }

    fn refresh(&mut self, slot: Slot) {
        let values = &self.problem.values[slot as usize];
        self.reach[slot as usize] = Reach::of(self.left(slot).iter().map(|at| &values[*at as usize]));
    }

    /// Takes positions away; constraints of the slot are queued. False: nothing is left.
    pub(super) fn remove(&mut self, slot: Slot, gone: &[u32]) -> bool {
        let mut changed = false;
        for at in gone {
            if self.has(slot, *at) {
                self.words[slot as usize][*at as usize / 64] &= !(1 << (at % 64));
                self.counts[slot as usize] -= 1;
                self.trail.push((slot, *at));
                changed = true;
            }
        }
        if changed {
            self.refresh(slot);
            for con in &self.problem.watch[slot as usize] {
                if !std::mem::replace(&mut self.queued[*con as usize], true) {
                    self.queue.push_back(*con);
                }
            }
        }
        self.count(slot) > 0
    }

    /// Leaves one position.
    pub(super) fn assign(&mut self, slot: Slot, at: u32) -> bool {
        let gone: Vec<u32> = self.left(slot).into_iter().filter(|other| *other != at).collect();
        self.remove(slot, &gone)
    }

    /// Filters until nothing changes.
    pub(in crate::nondet) fn propagate(&mut self) -> Result<(), Stop> {
        if let Some(empty) = (0..self.counts.len()).find(|slot| self.counts[*slot] == 0) {
            return Err(Stop::Fails(self.problem.watch[empty].first().copied().unwrap_or(0)));
        }
        while let Some(con) = self.queue.pop_front() {
            self.queued[con as usize] = false;
            if !self.filter(con)? {
                return Err(Stop::Fails(con));
            }
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps as u64).ok_or(Stop::Steps)?;
        Ok(())
    }

    fn filter(&mut self, con: u32) -> Result<bool, Stop> {
        let problem = self.problem;
        let Con { what, scope, .. } = &problem.cons[con as usize];
        match what {
            What::Expr(nodes) => self.filter_expr(nodes, scope),
            What::Different => super::different::filter(self, scope),
            What::Rows(rows) => self.filter_rows(rows, scope),
            What::Ground(_) => self.filter_ground(what, scope),
            What::Refuted(positions) => self.filter_refuted(positions, scope),
        }
    }

    /// Slots of a scope that have more than one value left, each once.
    fn open(&self, scope: &[Slot]) -> Vec<Slot> {
        let mut open: Vec<Slot> = scope.iter().copied().filter(|slot| self.count(*slot) > 1).collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    fn filter_expr(&mut self, nodes: &[Node], scope: &[Slot]) -> Result<bool, Stop> {
        let open = self.open(scope);
        let tuples = open.iter().fold(1u64, |all, slot| all.saturating_mul(u64::from(self.count(*slot))));
        if tuples <= TRIED {
            let root = nodes.len() - 1;
            return self.try_all(scope, &open, nodes.len(), |problem, picks| {
                evaluate(nodes, &Picks { problem, picks }).swap_remove(root) == Some(Val::Bool(true))
            });
        }
        self.spend(nodes.len())?;
        let all = reach_all(nodes, &Left { reach: &self.reach, probe: None });
        let Some(root) = all.last() else { return Ok(true) };
        if root.holds() || !root.may_hold() {
            return Ok(root.may_hold());
        }
        for slot in open {
            if !self.probe(nodes, slot)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes values away with which an expression cannot hold: numbers from both ends, anything else one by one.
    fn probe(&mut self, nodes: &[Node], slot: Slot) -> Result<bool, Stop> {
        let mut order = self.left(slot);
        let values = &self.problem.values[slot as usize];
        let numbers = order.iter().all(|at| matches!(values[*at as usize], Val::Int(_)));
        if numbers {
            order
                .sort_by(|a, b| values[*a as usize].compare(&values[*b as usize]).unwrap_or(std::cmp::Ordering::Equal));
        }
        let mut gone = Vec::new();
        let mut last = None;
        for at in order.iter().copied() {
            if self.possible(nodes, slot, at)? {
                last = Some(at);
                if numbers {
                    break;
                }
            } else {
                gone.push(at);
            }
        }
        if numbers && last.is_some() {
            for at in order.into_iter().rev().take_while(|at| Some(*at) != last) {
                if self.possible(nodes, slot, at)? {
                    break;
                }
                gone.push(at);
            }
        }
        Ok(self.remove(slot, &gone))
    }

    fn possible(&mut self, nodes: &[Node], slot: Slot, at: u32) -> Result<bool, Stop> {
        self.spend(nodes.len())?;
        let reach = Reach::of([&self.problem.values[slot as usize][at as usize]]);
        let left = Left { reach: &self.reach, probe: Some((slot, reach)) };
        debug_assert!(left.choice(crate::id::ChoiceId(slot)).exact.is_some());
        Ok(reach_all(nodes, &left).last().is_some_and(Reach::may_hold))
    }

    /// Tries every combination of the open slots; what no combination supports goes.
    fn try_all(
        &mut self,
        scope: &[Slot],
        open: &[Slot],
        cost: usize,
        holds: impl Fn(&Problem, &[u32]) -> bool,
    ) -> Result<bool, Stop> {
        for slot in scope {
            self.picks[*slot as usize] = self.least(*slot);
        }
        let domains: Vec<Vec<u32>> = open.iter().map(|slot| self.left(*slot)).collect();
        let mut supported: Vec<Vec<bool>> = domains.iter().map(|domain| vec![false; domain.len()]).collect();
        let mut missing: usize = domains.iter().map(Vec::len).sum();
        let mut at = vec![0usize; open.len()];
        let mut found = false;
        loop {
            for (slot, (domain, at)) in open.iter().zip(domains.iter().zip(&at)) {
                self.picks[*slot as usize] = domain[*at];
            }
            self.spend(cost + 1)?;
            if holds(self.problem, &self.picks) {
                found = true;
                for (seen, at) in supported.iter_mut().zip(&at) {
                    missing -= usize::from(!std::mem::replace(&mut seen[*at], true));
                }
                if missing == 0 {
                    return Ok(true);
                }
            }
            let Some(next) = (0..at.len()).rev().find(|i| at[*i] + 1 < domains[*i].len()) else { break };
            at[next] += 1;
            at[next + 1..].fill(0);
        }
        if !found {
            return Ok(false);
        }
        for (slot, (domain, supported)) in open.iter().zip(domains.iter().zip(&supported)) {
            let gone: Vec<u32> = domain.iter().zip(supported).filter(|(_, s)| !**s).map(|(at, _)| *at).collect();
            self.remove(*slot, &gone);
        }
        Ok(true)
    }

    fn filter_rows(&mut self, rows: &[Vec<u32>], scope: &[Slot]) -> Result<bool, Stop> {
        self.spend(1 + rows.len() * scope.len())?;
        let mut seen: Vec<Vec<bool>> =
            scope.iter().map(|slot| vec![false; self.problem.values[*slot as usize].len()]).collect();
        let mut found = false;
        for row in rows {
            if scope.iter().zip(row).all(|(slot, at)| self.has(*slot, *at)) {
                found = true;
                for (seen, at) in seen.iter_mut().zip(row) {
                    seen[*at as usize] = true;
                }
            }
        }
        if !found {
            return Ok(false);
        }
        for (slot, seen) in scope.iter().zip(&seen) {
            let gone: Vec<u32> = self.left(*slot).into_iter().filter(|at| !seen[*at as usize]).collect();
            if !self.remove(*slot, &gone) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn filter_ground(&mut self, what: &What, scope: &[Slot]) -> Result<bool, Stop> {
        let What::Ground(constraint) = what else { return Ok(true) };
        let open = self.open(scope);
        let tuples = open.iter().fold(1u64, |all, slot| all.saturating_mul(u64::from(self.count(*slot))));
        if tuples > TRIED && open.len() > 1 {
            return Ok(true);
        }
        let vars = constraint.vars();
        self.try_all(scope, &open, scope.len(), |problem, picks| {
            let value = |id| {
                let slot = vars.iter().zip(scope).find(|(var, _)| **var == id).map(|(_, slot)| *slot as usize)?;
                problem.values[slot].get(picks[slot] as usize)
            };
            super::super::ground::holds(constraint, &value)
        })
    }

    fn filter_refuted(&mut self, positions: &[u32], scope: &[Slot]) -> Result<bool, Stop> {
        self.spend(1 + scope.len())?;
        let picked = |slot: &Slot, at: &u32| self.count(*slot) == 1 && self.has(*slot, *at);
        let mut other: Option<(Slot, u32)> = None;
        for (slot, at) in scope.iter().zip(positions) {
            if picked(slot, at) {
                continue;
            }
            // Something else is picked, or a second slot is open: kept, or not yet decided.
            if !self.has(*slot, *at) || other.is_some_and(|have| have != (*slot, *at)) {
                return Ok(true);
            }
            other = Some((*slot, *at));
        }
        match other {
            None => Ok(false),
            Some((slot, at)) => Ok(self.remove(slot, &[at])),
        }
    }
}
