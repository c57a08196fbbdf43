//! The store of one execution.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::domains::{Fail, INPUT};
use super::engine::Engine;
use super::limits::{Changes, Inconsistent, Limit, Limits, Refusal};
use super::prop::{Stop, build};
use super::refute::{Pick, Refutations};
use super::universe::Universe;
use crate::id::VarId;
use crate::value::Val;

/// Where a store stood; [`Store::undo_to`] goes back there. Plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    trail: u32,
    vars: u32,
    constraints: u32,
    state: u32,
    next_var: u32,
    refutations: (u32, u32),
    cells: u64,
    epoch: u32,
}

impl Mark {
    /// Number of variables there were.
    pub(super) fn vars(&self) -> usize {
        self.vars as usize
    }
}

/// Variables, constraints, refutations (`avm:8.1`).
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) limits: Limits,
    pub(super) engine: Engine,
    pub(super) constraints: Vec<Constraint>,
    pub(super) ids: Vec<VarId>,
    next_var: u32,
    values: u64,
    /// Bits that the constraints have written out.
    cells: u64,
    refutations: Refutations,
    epoch: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            engine: Engine::default(),
            constraints: Vec::new(),
            ids: Vec::new(),
            next_var: 1,
            values: 0,
            cells: 0,
            refutations: Refutations::default(),
            epoch: 0,
        }
    }

    /// Makes a variable over the values, each once, in their order (`newVar`, `avm:8.2`). Ids count from 1.
    ///
    /// # Errors
    /// [`Refusal::EmptyDomain`], [`Refusal::Limit`].
    pub fn new_var(&mut self, values: &[Val]) -> Result<VarId, Refusal> {
        if values.is_empty() {
            return Err(Refusal::EmptyDomain);
        }
        if self.ids.len() >= self.limits.variables as usize || self.next_var == u32::MAX {
            return Err(Refusal::Limit(Limit::Variables));
        }
        if self.values + values.len() as u64 > u64::from(self.limits.values) {
            return Err(Refusal::Limit(Limit::Values));
        }
        // Variables are often made many at a time over the same values.
        let known = self.engine.domains.universes.last().filter(|last| last.values() == values);
        let universe = known.cloned().unwrap_or_else(|| Arc::new(Universe::new(values)));
        let id = VarId(self.next_var);
        self.next_var += 1;
        self.values += universe.len() as u64;
        self.ids.push(id);
        self.engine.domains.push(universe);
        self.engine.grow();
        Ok(id)
    }

    /// The id the next variable gets.
    #[must_use]
    pub fn next_var(&self) -> VarId {
        VarId(self.next_var)
    }

    /// Makes the next variable's id at least this: for who must not meet an id again that was undone.
    pub fn skip_ids(&mut self, next: VarId) {
        self.next_var = self.next_var.max(next.0);
    }

    pub(super) fn slot(&self, var: VarId) -> Result<u32, Refusal> {
        let guess = (var.0 as usize).wrapping_sub(1);
        if self.ids.get(guess) == Some(&var) {
            return Ok(guess as u32);
        }
        self.ids.binary_search(&var).map(|slot| slot as u32).map_err(|_| Refusal::UnknownVar(var))
    }

    /// Whether the variable exists.
    #[must_use]
    pub fn known(&self, var: VarId) -> bool {
        self.slot(var).is_ok()
    }

    /// All variables, ascending.
    #[must_use]
    pub fn vars(&self) -> &[VarId] {
        &self.ids
    }

    /// All constraints, in order of posting.
    #[must_use]
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// What is left of a domain, in its order; nothing for an unknown variable.
    pub fn domain(&self, var: VarId) -> impl Iterator<Item = &Val> {
        let slot = self.slot(var).ok();
        slot.into_iter().flat_map(|slot| {
            let domains = &self.engine.domains;
            let values = domains.universe(slot).values();
            domains.places(slot).filter_map(|place| values.get(place))
        })
    }

    /// Number of values left; 0 for an unknown variable.
    #[must_use]
    pub fn size(&self, var: VarId) -> u32 {
        self.slot(var).map_or(0, |slot| self.engine.domains.size(slot))
    }

    /// Whether one value is left.
    #[must_use]
    pub fn is_fixed(&self, var: VarId) -> bool {
        self.size(var) == 1
    }

    /// The value of a fixed variable.
    #[must_use]
    pub fn value(&self, var: VarId) -> Option<&Val> {
        self.domain(var).next().filter(|_| self.is_fixed(var))
    }

    /// Propagators run so far: a measure of work, the same in every run of the same operations.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.engine.runs
    }

    /// Leaves of a domain what is in the list, and propagates (`narrow`, `avm:8.2`).
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], [`Refusal::UnknownVar`]; nothing is changed then.
    pub fn narrow(&mut self, var: VarId, values: &[Val]) -> Result<Changes, Refusal> {
        let start = self.engine.domains.trail.len();
        let result = self.narrow_open(var, values);
        self.close(start, result)
    }

    /// [`Self::narrow`] that leaves a failure as it stands.
    pub(super) fn narrow_open(&mut self, var: VarId, values: &[Val]) -> Result<(), Refusal> {
        let slot = self.slot(var)?;
        let domains = &mut self.engine.domains;
        let mut kept = vec![0u64; domains.bits(slot).len()];
        for place in values.iter().filter_map(|value| domains.universe(slot).place(value)) {
            kept[place / 64] |= 1 << (place % 64);
        }
        let narrowed = domains.filter(slot, INPUT, |_, place| kept[place / 64] >> (place % 64) & 1 != 0);
        narrowed.and_then(|()| self.engine.propagate()).map_err(inconsistent)
    }

    /// Leaves one value, and propagates; the step of `label` (`avm:8.3`).
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], [`Refusal::UnknownVar`]; nothing is changed then.
    pub fn try_assign(&mut self, var: VarId, value: &Val) -> Result<Changes, Refusal> {
        let start = self.engine.domains.trail.len();
        let result = self.assign_open(var, value);
        self.close(start, result)
    }

    /// [`Self::try_assign`] that leaves a failure as it stands.
    pub(super) fn assign_open(&mut self, var: VarId, value: &Val) -> Result<(), Refusal> {
        let slot = self.slot(var)?;
        let place = self.engine.domains.universe(slot).place(value).ok_or_else(|| inconsistent(Fail(INPUT)))?;
        let assigned = self.engine.domains.assign(slot, place, INPUT);
        assigned.and_then(|()| self.engine.propagate()).map_err(inconsistent)
    }

    /// Reports the changes since `start`, or takes them back.
    fn close(&mut self, start: usize, result: Result<(), Refusal>) -> Result<Changes, Refusal> {
        match result {
            Ok(()) => Ok(self.changes_since(start)),
            Err(refusal) => {
                self.engine.undo(start);
                Err(refusal)
            }
        }
    }

    fn changes_since(&self, start: usize) -> Changes {
        let mut changed: Vec<u32> = self.engine.domains.changed_since(start).collect();
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|slot| self.ids[slot as usize]).collect()
    }

    /// Adds a constraint and propagates (`post`, `avm:8.2`).
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], [`Refusal::UnknownVar`], [`Refusal::Limit`], [`Refusal::Malformed`]; nothing is changed then.
    pub fn post(&mut self, constraint: Constraint) -> Result<Changes, Refusal> {
        if self.constraints.len() >= self.limits.constraints as usize {
            return Err(Refusal::Limit(Limit::Constraints));
        }
        let before = self.mark();
        match self.add(&constraint) {
            Ok(()) => {
                self.constraints.push(constraint);
                Ok(self.changes_since(before.trail as usize))
            }
            Err(refusal) => {
                self.undo_to(&before);
                Err(refusal)
            }
        }
    }

    /// [`Self::post`] that leaves a failure as it stands, and does not list the constraint.
    pub(super) fn add(&mut self, constraint: &Constraint) -> Result<(), Refusal> {
        for var in constraint.vars() {
            self.slot(var)?;
        }
        let number = self.engine.props.len() as u32;
        let ids = &self.ids;
        let slot = |var: VarId| ids.binary_search(&var).unwrap_or(0) as u32;
        let prop =
            build(&mut self.engine.domains, constraint, slot, number, self.limits.cells.saturating_sub(self.cells));
        let (prop, cells) = prop.map_err(|stop| match stop {
            Stop::Fail(fail) => inconsistent(fail),
            Stop::Limit(limit) => Refusal::Limit(limit),
            Stop::Malformed(text) => Refusal::Malformed(text),
        })?;
        self.cells += cells;
        self.engine.add(prop);
        let done = self.engine.settle_fixed(number).and_then(|()| self.engine.propagate());
        done.map_err(|fail| {
            self.engine.clear_queues();
            inconsistent(fail)
        })
    }

    /// Where the store stands.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            trail: self.engine.domains.trail.len() as u32,
            vars: self.ids.len() as u32,
            constraints: self.engine.props.len() as u32,
            state: self.engine.domains.state.len() as u32,
            next_var: self.next_var,
            refutations: self.refutations.lengths(),
            cells: self.cells,
            epoch: self.epoch,
        }
    }

    /// Goes back to a mark: variables, domains, constraints, refutations and the next id are what they were. Marks may be nested
    /// and a mark may be gone back to again and again, until an older one was gone back to. False, and nothing happens, for a mark
    /// taken before a [`Self::settle`] that voided it, or that lies beyond what stands.
    pub fn undo_to(&mut self, mark: &Mark) -> bool {
        let now = self.mark();
        let reaches = mark.epoch == now.epoch
            && mark.trail <= now.trail
            && mark.vars <= now.vars
            && mark.constraints <= now.constraints
            && mark.state <= now.state
            && mark.refutations.0 <= now.refutations.0
            && mark.refutations.1 <= now.refutations.1;
        if !reaches {
            return false;
        }
        self.engine.drop_props(mark.constraints as usize);
        self.constraints.truncate(mark.constraints as usize);
        self.engine.undo(mark.trail as usize);
        self.engine.domains.state.truncate(mark.state as usize);
        let gone =
            self.engine.domains.spans.iter().skip(mark.vars as usize).map(|span| u64::from(span.len)).sum::<u64>();
        self.values -= gone;
        self.engine.drop_vars(mark.vars as usize);
        self.ids.truncate(mark.vars as usize);
        self.next_var = mark.next_var;
        self.cells = mark.cells;
        self.refutations.undo(mark.refutations);
        true
    }

    /// Memory it takes, bytes: about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        const VALUE: u64 = 2 * size_of::<Val>() as u64;
        let domains = &self.engine.domains;
        let (combinations, _) = self.refutations.lengths();
        VALUE * self.values
            + self.cells / 8
            + 16 * (domains.trail.len() + domains.state.len()) as u64
            + 128 * (self.ids.len() + self.constraints.len()) as u64
            + 96 * u64::from(combinations)
    }

    /// Empties the store; marks taken before are void. Ids go on from where they were.
    pub fn clear(&mut self) {
        let (next_var, epoch) = (self.next_var, self.epoch.wrapping_add(1));
        *self = Self { next_var, epoch, ..Self::new(self.limits) };
    }

    /// The outermost transaction, begun at the mark, has committed: variables made since vanish with the constraints on them, and
    /// refutations recorded since (`avm:8.1`, `avm:8.4`). Narrowings of older variables and constraints among them stay. When a
    /// variable vanishes, marks taken before are void.
    pub fn settle(&mut self, begin: &Mark) {
        if begin.epoch != self.epoch {
            return;
        }
        self.refutations.undo(begin.refutations);
        if begin.vars as usize >= self.ids.len() {
            return;
        }
        let stays = |constraint: &Constraint| {
            constraint.vars().iter().all(|var| self.slot(*var).is_ok_and(|slot| slot < begin.vars))
        };
        let kept: Vec<Constraint> = self.constraints.iter().filter(|c| stays(c)).cloned().collect();
        let refuted: Vec<Vec<Pick>> = self.refutations.standing().map(<[Pick]>::to_vec).collect();
        self.epoch = self.epoch.wrapping_add(1);
        self.engine.drop_props(0);
        self.engine.domains.trail.clear();
        self.engine.domains.state.clear();
        self.engine.undo(0);
        self.engine.drop_vars(begin.vars as usize);
        self.ids.truncate(begin.vars as usize);
        self.values = self.engine.domains.spans.iter().map(|span| u64::from(span.len)).sum();
        self.refutations = Refutations::default();
        refuted.into_iter().for_each(|picks| self.refutations.push(picks));
        self.constraints.clear();
        self.cells = 0;
        for constraint in kept {
            // The domains are a fixpoint of these constraints: nothing is taken out and none can fail.
            if self.add(&constraint).is_ok() {
                self.constraints.push(constraint);
            }
        }
    }

    /// Refutes a combination: not all of these at once (`avm:8.4`). With a variable that is gone or a value that its variable never
    /// had it could not come about anyway: nothing is recorded. Refutations do not propagate.
    ///
    /// # Errors
    /// [`Refusal::Limit`].
    pub fn refute(&mut self, combination: &[(VarId, Val)]) -> Result<(), Refusal> {
        if self.refutations.lengths().0 >= self.limits.refutations {
            return Err(Refusal::Limit(Limit::Refutations));
        }
        let mut picks = Vec::with_capacity(combination.len());
        for (var, value) in combination {
            let Ok(slot) = self.slot(*var) else { return Ok(()) };
            match self.engine.domains.universe(slot).place(value) {
                Some(place) => picks.push((slot, place as u32)),
                None => return Ok(()),
            }
        }
        picks.sort_unstable();
        picks.dedup();
        if !picks.is_empty() {
            self.refutations.push(picks);
        }
        Ok(())
    }

    /// Whether the value is refuted now: some combination holds it and all its other variables are fixed to its other values.
    #[must_use]
    pub fn refuted(&self, var: VarId, value: &Val) -> bool {
        let Ok(slot) = self.slot(var) else { return false };
        let domains = &self.engine.domains;
        let Some(place) = domains.universe(slot).place(value) else { return false };
        self.refutations.refuted((slot, place as u32), |(other, place)| {
            other != slot && domains.fixed(other) && domains.has(other, place as usize)
        })
    }

    /// The transaction begun at the mark has committed into another: refutations recorded since vanish. Undoing to an older mark
    /// or to one between brings back what stood there.
    pub fn forget_refutations(&mut self, begin: &Mark) {
        if begin.epoch == self.epoch && self.refutations.lengths().0 > begin.refutations.0 {
            self.refutations.forget(begin.refutations.0);
        }
    }

    /// As [`Self::forget_refutations`], of a transaction that was begun before there was a store.
    pub fn forget_all_refutations(&mut self) {
        if self.refutations.lengths().0 > 0 {
            self.refutations.forget(0);
        }
    }

    /// Combinations that are refuted, oldest first.
    pub fn refutations(&self) -> impl Iterator<Item = Vec<(VarId, Val)>> {
        let value = |(slot, place): &Pick| {
            let values = self.engine.domains.universe(*slot).values();
            (self.ids[*slot as usize], values[*place as usize].clone())
        };
        self.refutations.standing().map(move |picks| picks.iter().map(value).collect())
    }
}

fn inconsistent(fail: Fail) -> Refusal {
    Refusal::Inconsistent(Inconsistent { constraint: (fail.0 != INPUT).then_some(fail.0) })
}
