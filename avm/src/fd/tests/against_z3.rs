//! Search against Z3, which is asked by the meaning of each constraint: one truth value for each value of each variable.

use z3::ast::Bool;
use z3::{SatResult, Solver};

use super::ints;
use super::model::{Rng, constraint, holds};
use crate::fd::search::{Branching, Progress, Search};
use crate::fd::{Constraint, Store};
use crate::id::VarId;
use crate::value::Val;

/// "This variable has this value", for each.
struct Question {
    domains: Vec<Vec<Val>>,
    picks: Vec<Vec<Bool>>,
    solver: Solver,
}

impl Question {
    fn new(domains: Vec<Vec<Val>>) -> Self {
        let name = |v: usize, i: usize| Bool::new_const(format!("v{v}_{i}"));
        let picks: Vec<Vec<Bool>> =
            domains.iter().enumerate().map(|(v, values)| (0..values.len()).map(|i| name(v, i)).collect()).collect();
        let solver = Solver::new();
        for picks in &picks {
            let one: Vec<(&Bool, i32)> = picks.iter().map(|pick| (pick, 1)).collect();
            solver.assert(Bool::pb_eq(&one, 1));
        }
        Self { domains, picks, solver }
    }

    /// Sums as pseudo-Booleans, all-different value by value, everything else by the pairs or rows it forbids.
    fn assert(&self, constraint: &Constraint) {
        let at = |var: &VarId| var.0 as usize - 1;
        match constraint {
            Constraint::SumEq(terms, total) | Constraint::SumLeq(terms, total) => {
                let mut parts: Vec<(&Bool, i32)> = Vec::new();
                for (factor, var) in terms {
                    for (pick, value) in self.picks[at(var)].iter().zip(&self.domains[at(var)]) {
                        let Val::Int(number) = value else { panic!("numbers only") };
                        parts.push((pick, *factor as i32 * *number as i32));
                    }
                }
                let total = *total as i32;
                match constraint {
                    Constraint::SumEq(..) => self.solver.assert(Bool::pb_eq(&parts, total)),
                    _ => self.solver.assert(Bool::pb_le(&parts, total)),
                }
            }
            Constraint::AllDiff(vars) => {
                for (i, x) in vars.iter().enumerate() {
                    vars[..i].iter().for_each(|y| self.forbid(&Constraint::Neq(*x, *y), &[*x, *y]));
                }
            }
            Constraint::Table(vars, rows) => {
                let row = |row: &Vec<Val>| {
                    let cells = vars.iter().zip(row).map(|(var, value)| {
                        let place = self.domains[at(var)].iter().position(|other| other == value);
                        place.map_or_else(|| Bool::from_bool(false), |place| self.picks[at(var)][place].clone())
                    });
                    Bool::and(&cells.collect::<Vec<_>>())
                };
                self.solver.assert(Bool::or(&rows.iter().map(row).collect::<Vec<_>>()));
            }
            other => {
                let mut vars = other.vars();
                vars.dedup();
                self.forbid(other, &vars);
            }
        }
    }

    fn forbid(&self, constraint: &Constraint, vars: &[VarId]) {
        let (first, last) = (vars[0], vars[vars.len() - 1]);
        let (one, two) = (first.0 as usize - 1, last.0 as usize - 1);
        for (a, pick) in self.domains[one].iter().zip(&self.picks[one]) {
            for (b, other) in self.domains[two].iter().zip(&self.picks[two]) {
                let value = |var: VarId| if var == first { a.clone() } else { b.clone() };
                if (first != last || a == b) && !holds(constraint, &value) {
                    self.solver.assert(Bool::and(&[pick, other]).not());
                }
            }
        }
    }
}

#[test]
fn search_and_z3_agree() {
    // Larger than can be tried out: six variables of nine values. For the first variable, which values are in a solution.
    let mut rng = Rng(5);
    let (mut yes, mut no) = (0, 0);
    for _ in 0..super::deep(150) {
        let domains: Vec<Vec<Val>> = (0..6).map(|_| ints(-3..3 + rng.below(4) as i64)).collect();
        let mut store = Store::default();
        domains.iter().for_each(|values| assert!(store.new_var(values).is_ok()));
        let question = Question::new(domains.clone());
        let mut alive = true;
        for _ in 0..6 + rng.below(5) {
            let constraint = constraint(&mut rng, 6);
            let unary = matches!(constraint.word(), "val-eq" | "val-leq" | "val-lt" | "val-geq" | "val-gt");
            if unary
                || constraint.vars().is_empty()
                || matches!(&constraint, Constraint::Table(_, rows) if rows.len() < 40)
            {
                continue;
            }
            question.assert(&constraint);
            alive &= store.post(constraint).is_ok();
        }
        let vars = store.vars().to_vec();
        for (pick, value) in question.picks[0].iter().zip(&domains[0]) {
            let expected = question.solver.check_assumptions(std::slice::from_ref(pick)) == SatResult::Sat;
            let mark = store.mark();
            let mut found = alive && store.try_assign(vars[0], value).is_ok();
            if found {
                let mut search = Search::new(&store, &vars, Branching::DomWdeg).expect("known");
                found = search.run(&mut store, u64::MAX) == Progress::Solution;
            }
            assert!(store.undo_to(&mark));
            assert_eq!(found, expected, "v1 = {value} under {:?}", store.constraints());
            if found { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > 100 && no > 100, "{yes} {no}");
}
