//! Tests of the module, and what they share: a random source of fixed seeds and a solver that tries everything.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod builtin;
mod explorer;
mod forms;
mod fuzzed;
mod random;
#[cfg(feature = "z3")]
mod z3;

use std::collections::BTreeMap;

use super::flat::Flat;
use super::{Answer, Ir, Limits, Objective, Outcome, Solver};

/// How many cases: these, ten times as many with `TREFOIL_DEEP=1` (`make check-deep`).
pub(crate) fn deep(cases: u64) -> u64 {
    if std::env::var_os("TREFOIL_DEEP").is_some() { cases * 10 } else { cases }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// Tries every resolution in order: the oracle.
pub(crate) struct Everything;

impl Everything {
    pub(super) fn best(ir: &Ir) -> Option<Answer> {
        let sizes = ir.choices.iter().map(|choice| choice.options.len());
        let sizes: Vec<usize> = sizes.chain(ir.fd.vars.iter().map(|(_, domain)| domain.len())).collect();
        if sizes.contains(&0) {
            return None;
        }
        let mut flat = Flat::default();
        let hard = ir.path.iter().chain(ir.requires.iter().map(|asserted| &asserted.expr));
        let roots: Vec<u32> = hard.map(|expr| flat.add(expr)).collect();
        let mut best: Option<((i128, i128), Answer)> = None;
        let mut picks = vec![0usize; sizes.len()];
        loop {
            let made = ir.choices.len();
            let choices = picks[..made].iter().map(|pick| *pick as u32).collect();
            let vars = ir.fd.vars.iter().zip(&picks[made..]).map(|((id, domain), pick)| (*id, domain[*pick].clone()));
            let answer = Answer { choices, vars: vars.collect::<BTreeMap<_, _>>() };
            if ir.keeps(&flat.nodes, &roots, &answer) {
                if ir.objective == Objective::LexFirst {
                    return Some(answer);
                }
                let score = ir.score(&answer);
                if best.as_ref().is_none_or(|(have, _)| score > *have) {
                    best = Some((score, answer));
                }
            }
            let Some(at) = (0..picks.len()).rev().find(|at| picks[*at] + 1 < sizes[*at]) else {
                return best.map(|(_, answer)| answer);
            };
            picks[at] += 1;
            picks[at + 1..].fill(0);
        }
    }

    /// Indices of the requirements, and behind them of the constraints, that deletion in this order leaves.
    pub(super) fn core(ir: &Ir) -> Vec<u32> {
        let requires = ir.requires.len() as u32;
        let mut kept: Vec<u32> = (0..requires + ir.fd.constraints.len() as u32).collect();
        for candidate in kept.clone() {
            let fewer: Vec<u32> = kept.iter().copied().filter(|at| *at != candidate).collect();
            let mut smaller = ir.clone();
            smaller.objective = Objective::LexFirst;
            let (asserted, posted): (Vec<u32>, Vec<u32>) = fewer.iter().partition(|at| **at < requires);
            smaller.requires = asserted.iter().map(|at| ir.requires[*at as usize].clone()).collect();
            let constraint = |at: &u32| ir.fd.constraints[(*at - requires) as usize].clone();
            smaller.fd.constraints = posted.iter().map(constraint).collect();
            if Self::best(&smaller).is_none() {
                kept = fewer;
            }
        }
        kept
    }
}

impl Solver for Everything {
    fn solve(&mut self, ir: &Ir, _: &Limits) -> Outcome {
        Self::best(ir).map_or_else(|| Outcome::Unsat(Self::core(ir)), Outcome::Sat)
    }
}
