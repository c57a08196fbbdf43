//! The built-in solver against the enumeration of everything, and questions of size.

use super::random::{any, ordered};
use super::{Everything, Random};
use crate::fd::Constraint;
use crate::id::{ChoiceId, VarId};
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::{Asserted, Choice, Expr, FdPart, Ir, Limits, Objective, Outcome, Solver};
use crate::value::Val;

fn numbers(range: std::ops::RangeInclusive<i64>) -> Vec<Val> {
    range.map(Val::from).collect()
}

fn choice(id: u32, options: Vec<Val>) -> Choice {
    Choice { id: ChoiceId(id), options, weights: None, place: None }
}

fn require(expr: &Expr) -> Asserted {
    Asserted { expr: expr.clone(), name: None, place: None }
}

fn solve(ir: &Ir) -> Outcome {
    BuiltinSolver.solve(ir, &Limits::default())
}

#[test]
fn equals_the_enumeration() {
    let mut verdicts = [0u32; 2];
    for seed in 0..super::deep(10_000) {
        let ir = any(&mut Random(seed));
        let expected = Everything.solve(&ir, &Limits::default());
        assert_eq!(solve(&ir), expected, "seed {seed}: {ir:#?}");
        verdicts[usize::from(matches!(expected, Outcome::Sat(_)))] += 1;
    }
    assert!(verdicts.iter().all(|n| *n > 1_200), "{verdicts:?}");
}

/// The term of an order says what a look at the calls in order says.
// avm:9.4
#[test]
fn orders_of_calls() {
    let mut seen = [0; 3];
    for seed in 0..2_000 {
        let (ir, calls) = ordered(&mut Random(seed));
        let Some(answer) = Everything::best(&Ir { requires: Vec::new(), path: Vec::new(), ..ir.clone() }) else {
            continue;
        };
        let worth = |(object, message): &(u64, std::sync::Arc<Expr>)| (*object, message.value(&ir, &answer));
        let made: Vec<_> = calls.made.iter().map(worth).collect();
        let at = |wanted| made.iter().position(|call| *call == wanted);
        let expected = match (at(worth(&calls.first)), at(worth(&calls.second))) {
            (Some(first), Some(second)) => first < second,
            _ => false,
        };
        assert_eq!(calls.order().holds(&ir, &answer), expected, "seed {seed}: {made:?}");
        seen[usize::from(expected) + usize::from(made.is_empty()) * 2] += 1;
    }
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

/// Four choices of ten: 10^4 combinations, of which one is left.
// avm:R1
#[test]
fn ten_thousand_combinations() {
    let c = |id| Expr::choice(id);
    let weigh = |factor: i64, id| Expr::times(&Expr::constant(factor), &c(id));
    let sum = Expr::plus(&Expr::plus(&weigh(1000, 0), &weigh(100, 1)), &Expr::plus(&weigh(10, 2), &c(3)));
    let mut ir = Ir { choices: (0..4).map(|id| choice(id, numbers(0..=9))).collect(), ..Ir::default() };
    ir.requires.push(require(&Expr::equal(&sum, &Expr::constant(9876))));
    let limits = Limits { steps: 200_000, ..Limits::default() };
    let outcome = BuiltinSolver.solve(&ir, &limits);
    assert!(matches!(&outcome, Outcome::Sat(answer) if answer.choices == [9, 8, 7, 6]), "{outcome:?}");
    ir.requires.push(require(&Expr::less(&c(0), &Expr::constant(9))));
    ir.requires.push(require(&Expr::less(&c(3), &Expr::constant(9))));
    assert_eq!(BuiltinSolver.solve(&ir, &limits), Outcome::Unsat(vec![0, 1]));
}

/// A thousand variables in order, decided by filtering alone.
// avm:R1
#[test]
fn a_thousand_variables() {
    let vars = (1..=1000).map(|id| (VarId(id), numbers(1..=1000))).collect();
    let constraints = (1..1000).map(|id| Constraint::Lt(VarId(id), VarId(id + 1))).collect();
    let ir = Ir { fd: FdPart { vars, constraints, ..FdPart::default() }, ..Ir::default() };
    let limits = Limits { nodes: 2_000_000, ..Limits::default() };
    let Outcome::Sat(answer) = BuiltinSolver.solve(&ir, &limits) else { panic!("there is a solution") };
    assert!(answer.vars.iter().all(|(id, value)| *value == Val::from(i64::from(id.0))));
}

#[test]
fn pigeons_are_counted() {
    let vars = (1..=10).map(|id| (VarId(id), numbers(1..=9))).collect();
    let constraints = vec![Constraint::AllDiff((1..=10).map(VarId).collect())];
    let ir = Ir { fd: FdPart { vars, constraints, ..FdPart::default() }, ..Ir::default() };
    let limits = Limits { steps: 10_000, ..Limits::default() };
    assert_eq!(BuiltinSolver.solve(&ir, &limits), Outcome::Unsat(vec![0]));
}

#[test]
fn unknown_when_steps_are_out_or_the_question_is_bad() {
    let options = numbers(1..=300);
    let mut ir = Ir { choices: (0..6).map(|id| choice(id, options.clone())).collect(), ..Ir::default() };
    let square = |id| Expr::times(&Expr::choice(id), &Expr::times(&Expr::choice(id), &Expr::choice(id)));
    let sum = (1..6).fold(square(0), |sum, id| Expr::plus(&sum, &square(id)));
    ir.requires.push(require(&Expr::equal(&Expr::remainder(&sum, &Expr::constant(9)), &Expr::constant(9))));
    let few = Limits { steps: 1_000, ..Limits::default() };
    let sum_is = Expr::equal(&sum, &Expr::constant(100_000_001));
    ir.requires[0] = require(&sum_is);
    let outcome = BuiltinSolver.solve(&ir, &few);
    assert!(matches!(&outcome, Outcome::Unknown(reason) if reason.contains("1000 steps")), "{outcome:?}");
    ir.choices[3].options.clear();
    assert!(matches!(solve(&ir), Outcome::Unknown(reason) if reason.contains("choice 3 has no options")));
    let small = Limits { nodes: 10, ..Limits::default() };
    assert!(matches!(BuiltinSolver.solve(&ir, &small), Outcome::Unknown(reason) if reason.contains("at most 10")));
}

/// `avm:9.5`.
#[test]
fn intent_match() {
    let mut ir = Ir { choices: vec![choice(0, numbers(1..=5)), choice(1, numbers(1..=4))], ..Ir::default() };
    let at_least = |id, n: i64| require(&Expr::at_least(&Expr::choice(id), &Expr::constant(n)));
    ir.requires = vec![at_least(1, 3), at_least(0, 2), require(&Expr::at_most(&Expr::choice(0), &Expr::constant(4)))];
    assert!(matches!(solve(&ir), Outcome::Sat(answer) if answer.choices == [1, 2]));
    ir.requires.push(require(&Expr::greater(&Expr::choice(0), &Expr::constant(4))));
    assert_eq!(solve(&ir), Outcome::Unsat(vec![2, 3]));
}

#[test]
fn weights_come_first() {
    let mut ir = Ir { choices: vec![choice(0, numbers(1..=5))], objective: Objective::MaxWeight, ..Ir::default() };
    ir.choices[0].weights = Some(vec![0, 3, 1, 3, 2]);
    assert!(matches!(solve(&ir), Outcome::Sat(answer) if answer.choices == [1]));
    ir.objective = Objective::LexFirst;
    assert!(matches!(solve(&ir), Outcome::Sat(answer) if answer.choices == [0]));
}
