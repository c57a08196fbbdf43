//! Finite domains against Gecode and pumpkin-solver; choices at commit against Z3 itself.

use std::time::Instant;

use avm::Val;
use avm::nondet::builtin::BuiltinSolver;
use avm::nondet::z3::Z3Solver;
use avm::vm::Config;
use z3::ast::Int;

use super::peers::gecode_queens;
use super::{figures, module, solo, timed};
use crate::measure::{alternate, interleave, pin, unpin};
use crate::report::{Bar, Row};

const QUEENS: i64 = 12;
/// Solutions of twelve queens.
const SOLUTIONS: u64 = 14_200;

/// Rows of the solvers.
pub fn rows() -> Vec<Row> {
    pin(0);
    let mut rows = queens();
    rows.push(commit());
    unpin();
    rows
}

fn our_queens() -> f64 {
    let code = module("n_queens.avm", include_str!("../../../../avm/examples/n_queens.avm"));
    let mut solo = solo(Config::default(), Box::new(BuiltinSolver), &code);
    let (taken, value) = timed(&mut solo, "n_queens", "count", &[QUEENS]);
    assert_eq!(value, Val::Int(i128::from(SOLUTIONS)), "all solutions are found");
    taken
}

fn queens() -> Vec<Row> {
    const NAME: &str = "avm 12 queens, all solutions, solveAll";
    let mut rows = Vec::new();
    match gecode_queens(QUEENS) {
        Ok((_, found)) => {
            assert_eq!(found, SOLUTIONS, "Gecode solves the same problem");
            let theirs = || gecode_queens(QUEENS).map_or(f64::NAN, |(taken, _)| taken);
            rows.push(Row::against(NAME, "s", &alternate(5, our_queens, theirs), "Gecode", Bar::AtMost(0.31)));
        }
        Err(why) => rows.push(Row::absent(NAME, "Gecode", why)),
    }
    #[cfg(feature = "avm-peers")]
    {
        const FEWER: i32 = 8;
        let ours = || {
            let code = module("n_queens.avm", include_str!("../../../../avm/examples/n_queens.avm"));
            let mut solo = solo(Config::default(), Box::new(BuiltinSolver), &code);
            timed(&mut solo, "n_queens", "count", &[i64::from(FEWER)]).0
        };
        let pairs = alternate(5, ours, || super::peers::pumpkin_queens(FEWER).0);
        rows.push(Row::against("avm 8 queens, all solutions, solveAll", "s", &pairs, "pumpkin-solver", Bar::None));
    }
    let label = || {
        let code = module("n_queens.avm", include_str!("../../../../avm/examples/n_queens.avm"));
        let mut solo = solo(Config::default(), Box::new(BuiltinSolver), &code);
        timed(&mut solo, "n_queens", "queens", &[QUEENS]).0 * 1e3
    };
    rows.push(Row::alone("avm 12 queens, first solution, label", "ms", (0..5).map(|_| label()).collect(), Bar::None));
    rows
}

/// The question of the worked intent match, asked of Z3 as directly as its interface allows.
fn native(times: u32) -> f64 {
    let solver = z3::Solver::new();
    let start = Instant::now();
    for _ in 0..times {
        solver.push();
        let (x, y) = (Int::fresh_const("x"), Int::fresh_const("y"));
        solver.assert(x.ge(0));
        solver.assert(x.le(4));
        solver.assert(y.ge(0));
        solver.assert(y.le(3));
        solver.assert((&y + 1).ge(3));
        solver.assert((&x + 1).ge(2));
        solver.assert((&x + 1).le(4));
        assert_eq!(solver.check(), z3::SatResult::Sat, "it has a solution");
        let model = solver.get_model().expect("after sat");
        assert!(model.eval(&x, true).and_then(|value| value.as_i64()).is_some(), "a number");
        solver.pop(1);
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn commit() -> Row {
    const TIMES: i64 = 200;
    let mut ours = solo(Config::default(), Box::new(Z3Solver::new()), &figures());
    let us = || {
        let (taken, value) = timed(&mut ours, "figures", "chosen", &[TIMES]);
        assert_eq!(value, Val::from(TIMES), "every one commits");
        taken * 1e6 / TIMES as f64
    };
    let pairs = interleave(7, us, || native(TIMES as u32));
    Row::against(
        "avm commit of two choices, Z3",
        "us",
        &pairs,
        "Z3 push, check, model, pop, one context",
        Bar::AtMost(1.5),
    )
}
