//! Z3 against the built-in solver.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Random;
use super::random::{any, question};
use crate::fd::Constraint;
use crate::id::VarId;
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::z3::Z3Solver;
use crate::nondet::{FdPart, Ir, Limits, Outcome, Solver};
use crate::value::Val;

/// 10^4 questions; 10^5 with `TREFOIL_DEEP`. Choices, variables with constraints and refutations, weights, orders of calls.
#[test]
fn equals_the_builtin_solver() {
    let count = super::deep(10_000);
    let mut solver = Z3Solver::new();
    let limits = Limits::default();
    for seed in 0..count {
        let ir = any(&mut Random(seed));
        assert_eq!(solver.solve(&ir, &limits), BuiltinSolver.solve(&ir, &limits), "seed {seed}: {ir:#?}");
    }
}

#[test]
fn large_domains_go_as_numbers() {
    use crate::nondet::{Asserted, Choice, Expr};
    let mut solver = Z3Solver::new();
    let choice = |id: u32| Choice {
        id: crate::id::ChoiceId(id),
        options: (-100..200).map(Val::from).collect(),
        weights: None,
        place: None,
    };
    let c = |id| Expr::choice(id);
    let n = |n: i64| Expr::constant(n);
    let cases = [
        Expr::equal(&Expr::plus(&c(0), &Expr::times(&n(7), &c(1))), &n(1_000)),
        Expr::equal(&Expr::quotient(&Expr::minus(&c(0), &c(1)), &n(-7)), &n(3)),
        Expr::equal(&Expr::remainder(&Expr::plus(&c(0), &c(1)), &n(-7)), &n(-2)),
        Expr::both(&Expr::greater(&Expr::plus(&c(0), &c(1)), &n(390)), &Expr::unequal(&c(0), &c(1))),
        Expr::not(&Expr::defined(&Expr::times(&c(0), &Expr::plus(&c(1), &n(1 << 62))))),
        Expr::equal(&Expr::times(&c(0), &c(1)), &n(199 * 197)),
        Expr::among(&Expr::plus(&c(0), &c(1)), vec![397.into(), Val::text("a")]),
        Expr::less(&Expr::ite(&Expr::less(&c(0), &c(1)), &c(0), &n(1_000)), &Expr::minus(&c(1), &n(290))),
    ];
    for (at, case) in cases.iter().enumerate() {
        let expr = Expr::clone(case);
        let ir = Ir {
            choices: vec![choice(0), choice(1)],
            requires: vec![Asserted { expr, name: None, place: None }],
            ..Ir::default()
        };
        let (one, two) = (solver.solve(&ir, &Limits::default()), BuiltinSolver.solve(&ir, &Limits::default()));
        assert_eq!(one, two, "case {at}: {case}");
        assert!(matches!(one, Outcome::Sat(_)), "case {at}: {case}");
    }
}

#[test]
fn large_numbers_in_constraints() {
    let values: Vec<Val> = (0..40).map(|n| Val::Int((1 << 62) + n * (1 << 57))).collect();
    let vars: Vec<(VarId, Vec<Val>)> = (1..=3).map(|id| (VarId(id), values.clone())).collect();
    let (x, y, z) = (VarId(1), VarId(2), VarId(3));
    let mut solver = Z3Solver::new();
    for constraints in [
        vec![Constraint::SumEq(vec![(3, x), (-2, y), (-1, z)], 0), Constraint::NeqOff(x, y, 0)],
        vec![Constraint::SumLeq(vec![(i64::MAX, x), (i64::MAX, y), (i64::MIN, z)], -1)],
        vec![Constraint::LeqOff(y, x, -(3 << 57)), Constraint::EqOff(z, y, -(1 << 57))],
    ] {
        let ir = Ir { fd: FdPart { vars: vars.clone(), constraints, ..FdPart::default() }, ..Ir::default() };
        let (one, two) = (solver.solve(&ir, &Limits::default()), BuiltinSolver.solve(&ir, &Limits::default()));
        assert_eq!(one, two, "{ir:?}");
        assert!(matches!(one, Outcome::Sat(_)), "{ir:?}");
    }
}

#[test]
fn work_is_bounded_and_the_engine_goes_on_after_it() {
    let vars = (1..=14).map(|id| (VarId(id), (1..=13).map(Val::from).collect())).collect();
    let pairs = (1..=14).flat_map(|x| (1..x).map(move |y| Constraint::Neq(VarId(x), VarId(y))));
    let ir = Ir { fd: FdPart { vars, constraints: pairs.collect(), ..FdPart::default() }, ..Ir::default() };
    let mut solver = Z3Solver::new();
    let few = Limits { steps: 100_000, ..Limits::default() };
    let outcome = solver.solve(&ir, &few);
    assert!(matches!(&outcome, Outcome::Unknown(reason) if reason.contains("Z3 gave up")), "{outcome:?}");
    let easy = question(&mut Random(1));
    assert_eq!(solver.solve(&easy, &Limits::default()), BuiltinSolver.solve(&easy, &Limits::default()));
}

/// Interrupts at any moment, also while constraints are taken in, never make an answer; the next question is answered.
#[test]
fn another_thread_can_interrupt() {
    let vars = (1..=14).map(|id| (VarId(id), (1..=13).map(Val::from).collect())).collect();
    let pairs = (1..=14).flat_map(|x| (1..x).map(move |y| Constraint::Neq(VarId(x), VarId(y))));
    let ir = Ir { fd: FdPart { vars, constraints: pairs.collect(), ..FdPart::default() }, ..Ir::default() };
    let mut solver = Z3Solver::new();
    let limits = Limits { steps: u64::MAX, ..Limits::default() };
    for _ in 0..20 {
        let outcome = solver.watched(|solver, watch| {
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    loop {
                        watch.interrupt();
                        if done.load(Ordering::SeqCst) {
                            break;
                        }
                        std::thread::yield_now();
                    }
                });
                let outcome = solver.solve(&ir, &limits);
                done.store(true, Ordering::SeqCst);
                outcome
            })
        });
        assert!(matches!(&outcome, Outcome::Unknown(_)), "{outcome:?}");
    }
    // The last interrupt may have come after the last question.
    let easy = question(&mut Random(1));
    let limits = Limits::default();
    let (first, second) = (solver.solve(&easy, &limits), solver.solve(&easy, &limits));
    assert!(first == second || matches!(first, Outcome::Unknown(_)), "{first:?}");
    assert_eq!(second, BuiltinSolver.solve(&easy, &limits));
}
