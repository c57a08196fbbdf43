//! Search: any solution by the hardest slots first, and the best one by what remains possible below it.

use super::super::bounds::{Reach, reach_all};
use super::problem::{Left, Problem, Slot};
use super::state::{State, Stop};

/// How many dead ends the plain search in order of the slots may meet before the other way is taken.
const PATIENCE: u64 = 2_000;

/// Sum of weights of soft requirements, then of options.
type Score = (i128, i128);

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A position for each slot.
    Picks(Vec<u32>),
    /// There is none.
    Nothing,
    /// No steps are left.
    Steps,
}

/// Which slot is decided next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// In order of the slots, least position first: the first solution is the least. Gives up after so many dead ends.
    Lexicographic(u64),
    /// The slot with the smallest domain for its weight of failures.
    Hardest,
}

/// A decision: the slot, the positions still to be tried (last first), and the trail before it.
struct Decision {
    slot: Slot,
    left: Vec<u32>,
    mark: usize,
}

/// A search over one problem.
pub(super) struct Search<'a> {
    problem: &'a Problem,
    state: State<'a>,
    failures: Vec<u64>,
    /// A solution must score at least this.
    wanted: Option<Score>,
}

impl<'a> Search<'a> {
    /// A search that may take so many steps.
    pub(super) fn new(problem: &'a Problem, steps: u64) -> Self {
        let failures = vec![1; problem.cons.len()];
        Self { problem, state: State::new(problem, steps), failures, wanted: None }
    }

    /// Steps not taken.
    pub(super) const fn steps_left(&self) -> u64 {
        self.state.steps
    }

    /// Any solution.
    pub(super) fn any(&mut self) -> Found {
        match self.consistent().and_then(|()| self.run(Order::Hardest)) {
            Ok(Some(picks)) => Found::Picks(picks),
            Ok(None) | Err(Stop::Fails(_)) => Found::Nothing,
            Err(Stop::Steps) => Found::Steps,
        }
    }

    /// The best solution: greatest score, then least positions in order of the slots.
    pub(super) fn best(&mut self) -> Found {
        match self.consistent().and_then(|()| self.best_below()) {
            Ok(Some(picks)) => Found::Picks(picks),
            Ok(None) | Err(Stop::Fails(_)) => Found::Nothing,
            Err(Stop::Steps) => Found::Steps,
        }
    }

    fn best_below(&mut self) -> Result<Option<Vec<u32>>, Stop> {
        let weighted = !self.problem.wishes.is_empty() || self.problem.weights.iter().any(|w| !w.is_empty());
        if weighted {
            let bottom = self.state.mark();
            while let Some(picks) = self.another()? {
                let (soft, weight) = self.problem.score(&picks);
                self.wanted = Some((soft, weight + 1));
                self.state.undo_to(bottom);
            }
            let Some((soft, weight)) = self.wanted else { return Ok(None) };
            self.wanted = Some((soft, weight - 1));
            self.state.undo_to(bottom);
        }
        self.least()
    }

    /// Any solution that scores as wanted.
    fn another(&mut self) -> Result<Option<Vec<u32>>, Stop> {
        match self.consistent() {
            Ok(()) => self.run(Order::Hardest),
            Err(Stop::Fails(_)) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// The least solution from here.
    fn least(&mut self) -> Result<Option<Vec<u32>>, Stop> {
        let bottom = self.state.mark();
        match self.run(Order::Lexicographic(PATIENCE)) {
            Err(Stop::Fails(_)) => self.state.undo_to(bottom),
            decided => return decided,
        }
        let Some(mut have) = self.run(Order::Hardest)? else { return Ok(None) };
        self.state.undo_to(bottom);
        for slot in 0..have.len() as Slot {
            for at in self.state.left(slot) {
                if at >= have[slot as usize] {
                    break;
                }
                let mark = self.state.mark();
                let found = match self.try_position(slot, at) {
                    Ok(()) => self.run(Order::Hardest)?,
                    Err(Stop::Fails(_)) => None,
                    Err(stop) => return Err(stop),
                };
                self.state.undo_to(mark);
                match found {
                    Some(better) => {
                        have = better;
                        break;
                    }
                    None => self.exclude(slot, at)?,
                }
            }
            self.try_position(slot, have[slot as usize])?;
        }
        Ok(Some(have))
    }

    /// Takes a position away for good; that a solution is left is known.
    fn exclude(&mut self, slot: Slot, at: u32) -> Result<(), Stop> {
        self.state.remove(slot, &[at]);
        self.consistent()
    }

    fn try_position(&mut self, slot: Slot, at: u32) -> Result<(), Stop> {
        self.state.assign(slot, at);
        self.consistent()
    }

    /// Filters, then asks whether the score can still be reached.
    fn consistent(&mut self) -> Result<(), Stop> {
        let result = self.state.propagate();
        if let Err(Stop::Fails(con)) = result
            && let Some(weight) = self.failures.get_mut(con as usize)
        {
            *weight += 1;
        }
        result?;
        let Some(wanted) = self.wanted else { return Ok(()) };
        if self.reachable()? < wanted { Err(Stop::Fails(u32::MAX)) } else { Ok(()) }
    }

    /// The greatest score that may be possible.
    fn reachable(&mut self) -> Result<Score, Stop> {
        let mut soft = 0;
        for wish in &self.problem.wishes {
            self.state.spend(wish.local.nodes.len())?;
            let reach: Vec<Reach> = self.state.reach_all(&wish.local.nodes);
            if reach.last().is_some_and(Reach::may_hold) {
                soft += wish.weight;
            }
        }
        let most = |(slot, weights): (usize, &Vec<i128>)| {
            self.state.left(slot as Slot).iter().filter_map(|at| weights.get(*at as usize)).max().copied().unwrap_or(0)
        };
        Ok((soft, self.problem.weights.iter().enumerate().map(most).sum()))
    }

    /// Depth first from here; `Ok(None)`: nothing below. `Err(Fails)`: out of patience. The state is left wherever it ended, or as
    /// it was when nothing was found.
    fn run(&mut self, order: Order) -> Result<Option<Vec<u32>>, Stop> {
        let mut patience = if let Order::Lexicographic(most) = order { most } else { u64::MAX };
        let mut decisions: Vec<Decision> = Vec::new();
        loop {
            let Some(slot) = self.next_slot(order) else {
                return Ok(Some((0..self.problem.values.len() as Slot).map(|slot| self.state.least(slot)).collect()));
            };
            let mark = self.state.mark();
            decisions.push(Decision { slot, left: self.positions(slot, order), mark });
            loop {
                let Some(decision) = decisions.last_mut() else { return Ok(None) };
                let Some(at) = decision.left.pop() else {
                    decisions.pop();
                    if let Some(before) = decisions.last() {
                        let mark = before.mark;
                        self.state.undo_to(mark);
                    }
                    continue;
                };
                let slot = decision.slot;
                let mark = decision.mark;
                match self.try_position(slot, at) {
                    Ok(()) => break,
                    Err(Stop::Steps) => return Err(Stop::Steps),
                    Err(Stop::Fails(con)) => {
                        self.state.undo_to(mark);
                        patience = patience.checked_sub(1).ok_or(Stop::Fails(con))?;
                    }
                }
            }
        }
    }

    fn next_slot(&self, order: Order) -> Option<Slot> {
        let mut open = (0..self.problem.values.len() as Slot).filter(|slot| self.state.count(*slot) > 1);
        if matches!(order, Order::Lexicographic(_)) {
            return open.next();
        }
        // Domain size over weight, compared crosswise; of equals the first.
        let weight = |slot: Slot| -> u128 {
            self.problem.watch[slot as usize].iter().map(|con| u128::from(self.failures[*con as usize])).sum::<u128>()
                + 1
        };
        let rank = |slot: Slot| (u128::from(self.state.count(slot)), weight(slot));
        open.map(|slot| (rank(slot), slot))
            .reduce(|best, other| if other.0.0 * best.0.1 < best.0.0 * other.0.1 { other } else { best })
            .map(|(_, slot)| slot)
    }

    /// Positions in reverse order of trying.
    fn positions(&self, slot: Slot, order: Order) -> Vec<u32> {
        let mut left = self.state.left(slot);
        left.reverse();
        let weights = &self.problem.weights[slot as usize];
        if order == Order::Hardest && self.problem.wishes.is_empty() && !weights.is_empty() {
            left.sort_by_key(|at| weights[*at as usize]);
        }
        left
    }
}

impl State<'_> {
    /// Reach of every node of an expression now.
    pub(super) fn reach_all(&self, nodes: &[super::super::flat::Node]) -> Vec<Reach> {
        reach_all(nodes, &Left { reach: self.reach(), probe: None })
    }
}
