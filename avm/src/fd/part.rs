//! The part of a store that a question to a solver needs (`decisions:AVM-20`): the variables that stand in it and what is tied to them.

use std::collections::BTreeSet;

use super::constraint::Constraint;
use super::domains::ones;
use super::store::Store;
use crate::id::VarId;
use crate::value::Val;

/// With more values than this the domains are given as they are now; with fewer without what the constraints took out, so that a core
/// can name the constraint that did.
const MOST_GIVEN: usize = 4_096;

/// Variables, and all that ties them to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Variables with their domains, ascending.
    pub vars: Vec<(VarId, Vec<Val>)>,
    /// Constraints among them, as positions in [`Store::constraints`], ascending.
    pub constraints: Vec<u32>,
    /// Refuted combinations of them.
    pub refutations: Vec<Vec<(VarId, Val)>>,
}

impl Store {
    /// What is tied to `roots` by constraints and refutations, over any number of steps. Roots that are not known are left out.
    #[must_use]
    pub fn part(&self, roots: impl IntoIterator<Item = VarId>) -> Part {
        let scopes: Vec<Vec<VarId>> = self.constraints().iter().map(Constraint::vars).collect();
        let refuted: Vec<Vec<(VarId, Val)>> = self.refutations().collect();
        let mut ties: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); self.vars().len()];
        let all = scopes.iter().cloned().chain(refuted.iter().map(|all| all.iter().map(|(var, _)| *var).collect()));
        let slots_of = |vars: &[VarId]| vars.iter().filter_map(|var| self.slot(*var).ok()).collect::<Vec<u32>>();
        let all: Vec<Vec<u32>> = all.map(|vars: Vec<VarId>| slots_of(&vars)).collect();
        for (number, slots) in all.iter().enumerate() {
            for slot in slots {
                ties[*slot as usize].insert(number as u32);
            }
        }
        let mut todo: Vec<u32> = roots.into_iter().filter_map(|var| self.slot(var).ok()).collect();
        let (mut slots, mut tied) = (BTreeSet::new(), BTreeSet::new());
        while let Some(slot) = todo.pop() {
            if slots.insert(slot) {
                for number in &ties[slot as usize] {
                    if tied.insert(*number) {
                        todo.extend(&all[*number as usize]);
                    }
                }
            }
        }
        let split = scopes.len() as u32;
        Part {
            vars: self.domains_of(&slots),
            constraints: tied.range(..split).copied().collect(),
            refutations: tied.range(split..).map(|number| refuted[(*number - split) as usize].clone()).collect(),
        }
    }

    fn domains_of(&self, slots: &BTreeSet<u32>) -> Vec<(VarId, Vec<Val>)> {
        let domains = &self.engine.domains;
        let size: usize = slots.iter().map(|slot| domains.universe(*slot).values().len()).sum();
        let given = if size <= MOST_GIVEN { self.given() } else { domains.words.clone() };
        let left = |slot: u32| {
            let values = domains.universe(slot).values();
            ones(&given[domains.spans[slot as usize].range()]).map(|place| values[place].clone()).collect()
        };
        slots.iter().map(|slot| (self.ids[*slot as usize], left(*slot))).collect()
    }
}
