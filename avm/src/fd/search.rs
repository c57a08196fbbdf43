//! Search for assignments of some variables: ours, beside `label`. A search is plain data that a caller moves on a bounded number of
//! steps at a time; what it found so far can be saved, and goes on elsewhere from a store in the same state.
//!
//! ```
//! use avm::Val;
//! use avm::fd::search::{Branching, Progress, Search};
//! use avm::fd::{Constraint, Store};
//!
//! let mut store = Store::default();
//! let values: Vec<Val> = (1..=3).map(Val::from).collect();
//! let (x, y) = (store.new_var(&values)?, store.new_var(&values)?);
//! store.post(Constraint::Lt(x, y))?;
//! let mut search = Search::new(&store, &[x, y], Branching::InputOrder)?;
//! assert_eq!(search.run(&mut store, 100), Progress::Solution);
//! assert_eq!(search.values(&store), [Val::from(1), Val::from(2)]);
//! # Ok::<(), avm::fd::Refusal>(())
//! ```

use serde::{Deserialize, Serialize};

use super::domains::INPUT;
use super::limits::Refusal;
use super::store::{Mark, Store};
use crate::id::VarId;
use crate::value::Val;

/// Which open variable is decided next. Values are tried in the order of the domain, and of equal variables the first is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Branching {
    /// The first open one: solutions come in lexicographic order.
    InputOrder,
    /// The one with the fewest values left.
    #[default]
    FirstFail,
    /// The one with the fewest values for the failures its constraints took part in.
    DomWdeg,
}

/// Where a search stands after some steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Progress {
    /// The variables are fixed to a solution in the store; the next run looks for another.
    Solution,
    /// There is no further solution; the store is as it was when the search began.
    Exhausted,
    /// The steps are used up.
    Paused,
    /// The store was changed since the last run: the search cannot go on.
    Lost,
}

/// A variable that is being decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Level {
    /// Its position among the variables of the search.
    at: u32,
    /// The place in its values to go on from; the one before it was tried last.
    next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Phase {
    /// Choose a variable.
    Descend,
    /// Try the next value of the last variable.
    Next,
    Done,
}

/// Depth-first search with the value order of the domains.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Search {
    vars: Vec<VarId>,
    branching: Branching,
    path: Vec<Level>,
    phase: Phase,
    /// Failures by variable of the search ([`Branching::DomWdeg`]).
    weights: Vec<u64>,
    steps: u64,
    failures: u64,
    solutions: u64,
    #[serde(skip)]
    place: Option<Place>,
}

/// What ties a search to a store; found again after loading.
#[derive(Debug, Clone)]
struct Place {
    base: Mark,
    /// The store after the last run.
    last: Mark,
    slots: Vec<u32>,
    /// Length of the trail when each level was begun.
    trail: Vec<u32>,
    /// Variables of the search in each constraint, by position.
    scopes: Vec<Vec<u32>>,
}

impl Search {
    /// A search over these variables.
    ///
    /// # Errors
    /// [`Refusal::UnknownVar`].
    pub fn new(store: &Store, vars: &[VarId], branching: Branching) -> Result<Self, Refusal> {
        vars.iter().try_for_each(|var| store.slot(*var).map(|_| ()))?;
        Ok(Self {
            vars: vars.to_vec(),
            branching,
            path: Vec::with_capacity(vars.len()),
            phase: Phase::Descend,
            weights: vec![1; vars.len()],
            steps: 0,
            failures: 0,
            solutions: 0,
            place: None,
        })
    }

    /// Values tried so far: the same in every run of the same search, however it is cut into runs.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Values that failed so far.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Solutions found so far.
    #[must_use]
    pub fn solutions(&self) -> u64 {
        self.solutions
    }

    /// Its variables.
    #[must_use]
    pub fn vars(&self) -> &[VarId] {
        &self.vars
    }

    /// The values of its variables in the store after [`Progress::Solution`].
    #[must_use]
    pub fn values(&self, store: &Store) -> Vec<Val> {
        self.vars.iter().filter_map(|var| store.value(*var).cloned()).collect()
    }

    /// Goes on for at most `steps` values. The store must be as the last run left it, or, for a search that was loaded or that has
    /// [left](Self::leave), as it was at the beginning.
    pub fn run(&mut self, store: &mut Store, steps: u64) -> Progress {
        let mut place = match self.place.take() {
            Some(place) if place.last == store.mark() => place,
            Some(_) => return Progress::Lost,
            None => match self.enter(store) {
                Some(place) => place,
                None => return Progress::Lost,
            },
        };
        let progress = self.work(store, &mut place, self.steps.saturating_add(steps));
        place.last = store.mark();
        self.place = Some(place);
        progress
    }

    /// Takes the search out of the store, which is then as it was at the beginning; a later run finds its way back.
    pub fn leave(&mut self, store: &mut Store) {
        if let Some(place) = self.place.take()
            && place.last == store.mark()
        {
            store.undo_to(&place.base);
        }
    }

    /// Puts the decisions of the path into the store.
    fn enter(&self, store: &mut Store) -> Option<Place> {
        let slots: Vec<u32> = self.vars.iter().map(|var| store.slot(*var).ok()).collect::<Option<_>>()?;
        let base = store.mark();
        let position = |var: VarId| self.vars.iter().position(|other| *other == var).map(|at| at as u32);
        let scopes = match self.branching {
            Branching::DomWdeg => {
                store.constraints.iter().map(|c| c.vars().into_iter().filter_map(position).collect()).collect()
            }
            Branching::InputOrder | Branching::FirstFail => Vec::new(),
        };
        store.engine.domains.reserve();
        let mut place = Place { base, last: base, slots, trail: Vec::with_capacity(self.vars.len()), scopes };
        for (depth, level) in self.path.iter().enumerate() {
            place.trail.push(store.engine.domains.trail.len() as u32);
            let open = depth + 1 == self.path.len() && self.phase != Phase::Descend;
            if open {
                break;
            }
            let slot = *place.slots.get(level.at as usize)?;
            let value = level.next.checked_sub(1).filter(|value| *value < store.engine.domains.len(slot))?;
            if store.engine.domains.assign(slot, value as usize, INPUT).and_then(|()| store.engine.propagate()).is_err()
            {
                store.engine.undo(place.trail[0] as usize);
                return None;
            }
        }
        Some(place)
    }

    fn work(&mut self, store: &mut Store, place: &mut Place, end: u64) -> Progress {
        let engine = &mut store.engine;
        loop {
            match self.phase {
                Phase::Done => return Progress::Exhausted,
                Phase::Descend => {
                    self.phase = Phase::Next;
                    let Some(at) = self.choose(engine, &place.slots) else {
                        self.solutions += 1;
                        return Progress::Solution;
                    };
                    self.path.push(Level { at, next: 0 });
                    place.trail.push(engine.domains.trail.len() as u32);
                }
                Phase::Next => {
                    let (Some(level), Some(trail)) = (self.path.last_mut(), place.trail.last()) else {
                        self.phase = Phase::Done;
                        continue;
                    };
                    engine.undo(*trail as usize);
                    let slot = place.slots[level.at as usize];
                    let Some(value) = engine.domains.next(slot, level.next as usize) else {
                        self.path.pop();
                        place.trail.pop();
                        continue;
                    };
                    if self.steps == end {
                        return Progress::Paused;
                    }
                    self.steps += 1;
                    level.next = value as u32 + 1;
                    match engine.domains.assign(slot, value, INPUT).and_then(|()| engine.propagate()) {
                        Ok(()) => self.phase = Phase::Descend,
                        Err(fail) => {
                            self.failures += 1;
                            for at in place.scopes.get(fail.0 as usize).into_iter().flatten() {
                                self.weights[*at as usize] += 1;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Position of the variable to decide; `None` when all are fixed.
    fn choose(&self, engine: &super::engine::Engine, slots: &[u32]) -> Option<u32> {
        let sizes = slots.iter().map(|slot| engine.domains.size(*slot));
        let mut open = sizes.enumerate().filter(|(_, size)| *size > 1);
        let best = match self.branching {
            Branching::InputOrder => open.next(),
            Branching::FirstFail => open.min_by_key(|(_, size)| *size),
            Branching::DomWdeg => open.reduce(|best, other| {
                let (one, two) = (u128::from(self.weights[best.0]), u128::from(self.weights[other.0]));
                if u128::from(other.1) * one < u128::from(best.1) * two { other } else { best }
            }),
        };
        best.map(|(at, _)| at as u32)
    }
}
