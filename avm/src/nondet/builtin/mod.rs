//! The built-in solver: a complete search with filtering, deterministic in its steps. It decides in builds without Z3, and is the
//! oracle beside Z3 in tests.

mod different;
pub(in crate::nondet) mod problem;
mod search;
pub(in crate::nondet) mod state;

use super::core;
use super::ir::{Answer, Ir, Limits, Objective, Outcome, Solver};
use problem::Problem;
use search::{Found, Search};

/// Complete search. Holds nothing between questions.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltinSolver;

impl Solver for BuiltinSolver {
    fn solve(&mut self, ir: &Ir, limits: &Limits) -> Outcome {
        if let Err(error) = ir.check(limits) {
            return Outcome::Unknown(error.to_string());
        }
        let all = problem::everything(ir);
        let weighted = ir.objective == Objective::MaxWeight;
        let problem = Problem::new(ir, &all, weighted);
        let mut search = Search::new(&problem, limits.steps);
        match search.best() {
            Found::Picks(picks) => Outcome::Sat(answer(ir, &problem, &picks)),
            Found::Steps => Outcome::Unknown(format!("the search took more than {} steps", limits.steps)),
            Found::Nothing => {
                let mut left = search.steps_left();
                let (requires, constraints) = (ir.requires.len(), ir.fd.constraints.len());
                Outcome::Unsat(core::of_both(requires, constraints, limits.core, |kept| {
                    let problem = Problem::new(ir, kept, false);
                    let mut search = Search::new(&problem, left);
                    let found = search.any();
                    left = search.steps_left();
                    match found {
                        Found::Picks(_) => Some(false),
                        Found::Nothing => Some(true),
                        Found::Steps => None,
                    }
                }))
            }
        }
    }
}

/// The answer that positions in the domains of the slots stand for.
pub(in crate::nondet) fn answer(ir: &Ir, problem: &Problem, picks: &[u32]) -> Answer {
    let values = problem.values.iter().zip(picks).skip(problem.choices);
    let vars = ir.fd.vars.iter().zip(values).map(|((id, _), (domain, at))| (*id, domain[*at as usize].clone()));
    Answer { choices: picks[..problem.choices].to_vec(), vars: vars.collect() }
}
