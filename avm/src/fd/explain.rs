//! Why an operation fails: the constraints that took part, found along the trail and made few.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::domains::{INPUT, STATE, ones};
use super::limits::{Limits, Refusal};
use super::store::Store;
use crate::id::VarId;
use crate::value::Val;

/// An operation that is to be explained.
#[derive(Debug, Clone, Copy)]
pub enum Attempt<'a> {
    /// [`Store::narrow`].
    Narrow(VarId, &'a [Val]),
    /// [`Store::try_assign`].
    Assign(VarId, &'a Val),
    /// [`Store::post`].
    Post(&'a Constraint),
}

/// Why it fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Explanation {
    /// The constraints that together, with what the program narrowed, leave a domain empty: positions in
    /// [`Store::constraints`], ascending; one past the last for the constraint that was to be posted.
    pub constraints: Vec<u32>,
    /// The same in words.
    pub names: Vec<String>,
    /// None of them can be left out.
    pub minimal: bool,
}

impl fmt::Display for Explanation {
    /// `v1 != v2 + 1, all-different [v1, v2]`; `no value` when no constraint took part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() { f.write_str("no value") } else { f.write_str(&self.names.join(", ")) }
    }
}

/// More constraints, or more values in their variables, than this are not tried one by one.
const MOST_CONSTRAINTS: usize = 48;
const MOST_VALUES: u64 = 20_000;

impl Store {
    /// Explains why an operation fails; `None` when it does not. Nothing is changed. Costs up to as many propagations as there are
    /// constraints that took part, so it is for people, not for loops.
    #[must_use]
    pub fn explain(&mut self, attempt: &Attempt<'_>) -> Option<Explanation> {
        let mark = self.mark();
        let failed = self.fail_with(attempt);
        let result = failed.map(|found| {
            let suspects = self.suspects(attempt, found, mark.vars());
            self.undo_to(&mark);
            suspects
        });
        self.undo_to(&mark);
        let mut suspects = result?;
        let own = self.constraints.len() as u32;
        let minimal = self.shrink(attempt, &mut suspects);
        let names = suspects.iter().map(|number| match attempt {
            Attempt::Post(constraint) if *number == own => constraint.to_string(),
            _ => self.constraints[*number as usize].to_string(),
        });
        Some(Explanation { names: names.collect(), constraints: suspects, minimal })
    }

    /// Does the operation and leaves the store where it failed; the constraint that found it.
    fn fail_with(&mut self, attempt: &Attempt<'_>) -> Option<Option<u32>> {
        let refusal = match attempt {
            Attempt::Narrow(var, values) => self.narrow_open(*var, values).err(),
            Attempt::Assign(var, value) => self.assign_open(*var, value).err(),
            Attempt::Post(constraint) => self.add(constraint).err(),
        };
        match refusal {
            Some(Refusal::Inconsistent(found)) => Some(found.constraint),
            _ => None,
        }
    }

    /// Every constraint that changed, directly or through others, a variable that matters.
    fn suspects(&self, attempt: &Attempt<'_>, found: Option<u32>, vars: usize) -> Vec<u32> {
        let own = self.constraints.len() as u32;
        let scope = |number: u32| match attempt {
            Attempt::Post(constraint) if number == own => constraint.vars(),
            _ => self.constraints.get(number as usize).map(Constraint::vars).unwrap_or_default(),
        };
        let mut matters = vec![false; vars];
        let mut suspects = BTreeSet::new();
        let mut suspect = |number: u32, matters: &mut Vec<bool>| {
            if suspects.insert(number) {
                for slot in scope(number).into_iter().filter_map(|var| self.slot(var).ok()) {
                    matters[slot as usize] = true;
                }
            }
        };
        match (found, attempt) {
            (Some(number), _) => suspect(number, &mut matters),
            (None, Attempt::Narrow(var, _) | Attempt::Assign(var, _)) => {
                if let Ok(slot) = self.slot(*var) {
                    matters[slot as usize] = true;
                }
            }
            (None, Attempt::Post(_)) => {}
        }
        for entry in self.engine.domains.trail.iter().rev().filter(|entry| entry.slot != STATE && entry.cause != INPUT)
        {
            if matters[entry.slot as usize] {
                suspect(entry.cause, &mut matters);
            }
        }
        suspects.into_iter().collect()
    }

    /// Leaves out one suspect after the other, while the operation fails without it; false when that was not tried.
    fn shrink(&self, attempt: &Attempt<'_>, suspects: &mut Vec<u32>) -> bool {
        let vars = self.concerned(attempt, suspects);
        let values: u64 = vars.iter().map(|slot| u64::from(self.engine.domains.len(*slot))).sum();
        if suspects.len() > MOST_CONSTRAINTS || values > MOST_VALUES {
            return false;
        }
        let given = self.given();
        if !self.fails_with(attempt, suspects, &given) {
            // Earlier causes were cut off with a transaction: the domains of today are given then.
            return false;
        }
        let mut at = 0;
        while at < suspects.len() {
            let without: Vec<u32> = suspects.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, s)| *s).collect();
            if self.fails_with(attempt, &without, &given) {
                *suspects = without;
            } else {
                at += 1;
            }
        }
        true
    }

    fn concerned(&self, attempt: &Attempt<'_>, suspects: &[u32]) -> BTreeSet<u32> {
        let mut vars: Vec<VarId> = match attempt {
            Attempt::Narrow(var, _) | Attempt::Assign(var, _) => vec![*var],
            Attempt::Post(constraint) => constraint.vars(),
        };
        vars.extend(
            suspects.iter().filter_map(|number| self.constraints.get(*number as usize)).flat_map(Constraint::vars),
        );
        vars.into_iter().filter_map(|var| self.slot(var).ok()).collect()
    }

    /// The domains without what constraints took out, as words.
    pub(super) fn given(&self) -> Vec<u64> {
        let domains = &self.engine.domains;
        let mut now = domains.words.clone();
        let mut narrowed = vec![0; now.len()];
        for entry in domains.trail.iter().rev().filter(|entry| entry.slot != STATE) {
            let word = entry.word as usize;
            if entry.cause == INPUT {
                narrowed[word] |= entry.old & !now[word];
            }
            now[word] = entry.old;
        }
        now.iter().zip(narrowed).map(|(first, narrowed)| first & !narrowed).collect()
    }

    /// Whether the operation fails beside these constraints alone.
    fn fails_with(&self, attempt: &Attempt<'_>, constraints: &[u32], given: &[u64]) -> bool {
        let mut store = Store::new(Limits { variables: u32::MAX, values: u32::MAX, ..self.limits });
        for slot in self.concerned(attempt, constraints) {
            let values = self.engine.domains.universe(slot).values();
            let kept: Vec<Val> = ones(&given[self.engine.domains.spans[slot as usize].range()])
                .map(|place| values[place].clone())
                .collect();
            store.skip_ids(self.ids[slot as usize]);
            if store.new_var(&kept).is_err() {
                return true;
            }
        }
        let own = self.constraints.len() as u32;
        let known = constraints.iter().filter(|number| **number != own);
        if known.map(|number| store.post(self.constraints[*number as usize].clone())).any(|posted| posted.is_err()) {
            return true;
        }
        match attempt {
            Attempt::Narrow(var, values) => store.narrow(*var, values).is_err(),
            Attempt::Assign(var, value) => store.try_assign(*var, value).is_err(),
            Attempt::Post(constraint) => constraints.contains(&own) && store.post((*constraint).clone()).is_err(),
        }
    }
}
