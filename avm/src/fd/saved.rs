//! A store as plain data, for checkpoints: what stands, without the way there. Marks do not survive.

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::limits::{Limits, Refusal};
use super::store::Store;
use crate::id::VarId;
use crate::value::Val;

/// What stands in a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Saved {
    /// Id of the next variable.
    pub next: VarId,
    /// Variables ascending, with the values they were made with and which of those are left, by position.
    pub vars: Vec<(VarId, Vec<Val>, Vec<u32>)>,
    /// Constraints in order of posting.
    pub constraints: Vec<Constraint>,
    /// Combinations that are refuted, oldest first.
    pub refutations: Vec<Vec<(VarId, Val)>>,
}

impl Store {
    /// What stands now.
    #[must_use]
    pub fn save(&self) -> Saved {
        let domains = &self.engine.domains;
        let var = |(slot, id): (usize, &VarId)| {
            let slot = slot as u32;
            let left = domains.places(slot).map(|place| place as u32).collect();
            (*id, domains.universe(slot).values().to_vec(), left)
        };
        Saved {
            next: self.next_var(),
            vars: self.ids.iter().enumerate().map(var).collect(),
            constraints: self.constraints.clone(),
            refutations: self.refutations().collect(),
        }
    }

    /// A store in which this stands. The data may come from anywhere.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for variables out of order, without values or with positions that are none; what
    /// [`Store::post`] and [`Store::refute`] refuse.
    pub fn load(saved: &Saved, limits: Limits) -> Result<Self, Refusal> {
        let mut store = Self::new(limits);
        for (id, values, left) in &saved.vars {
            if *id < store.next_var() || left.is_empty() {
                return Err(Refusal::Malformed("expected variables ascending, each with a value".to_owned()));
            }
            store.skip_ids(*id);
            store.new_var(values)?;
            let slot = store.slot(*id)?;
            let known = store.engine.domains.len(slot);
            if left.iter().any(|place| *place >= known) {
                return Err(Refusal::Malformed("expected positions among the values of the variable".to_owned()));
            }
            let kept: Vec<Val> = left.iter().filter_map(|place| values.get(*place as usize)).cloned().collect();
            store.narrow(*id, &kept)?;
        }
        if saved.next < store.next_var() {
            return Err(Refusal::Malformed("expected the next id beyond all variables".to_owned()));
        }
        store.skip_ids(saved.next);
        saved.constraints.iter().try_for_each(|constraint| store.post(constraint.clone()).map(drop))?;
        saved.refutations.iter().try_for_each(|combination| store.refute(combination))?;
        Ok(store)
    }
}
