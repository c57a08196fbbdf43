//! What stands beside the AVM: a loop of known cost, the interpreter rhai, Gecode by its FlatZinc front end, pumpkin-solver.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

/// Clock of the machine on which the reference figures of the specification were taken, Hz.
const REFERENCE_HZ: f64 = 2.5e9;
/// Cycles that one step of the calibration loop takes on every x86-64 of the last ten years: a multiplication that waits for the one
/// before (3) and an addition that waits for it (1).
const CYCLES_A_STEP: f64 = 4.0;

/// How much faster than the reference machine this one runs at this moment: 1.0 is as fast. A hand-written loop of dependent
/// operations, so that neither caches nor width of the core matter.
pub fn calibration() -> f64 {
    const STEPS: u64 = 4_000_000;
    let start = Instant::now();
    let mut state = black_box(1u64);
    for _ in 0..STEPS {
        state = black_box(state).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    }
    black_box(state);
    STEPS as f64 * CYCLES_A_STEP / REFERENCE_HZ / start.elapsed().as_secs_f64()
}

/// FlatZinc of `n` queens: three all-different constraints, first fail, least value, every solution.
fn queens_flatzinc(n: i64) -> String {
    let mut model = String::from("predicate all_different_int(array [int] of var int: x);\n");
    for i in 0..n {
        let _ = writeln!(model, "var 1..{n}: q{i}:: output_var;");
        let _ = writeln!(model, "var {}..{}: u{i}:: var_is_introduced;", 1 + i, n + i);
        let _ = writeln!(model, "var {}..{}: d{i}:: var_is_introduced;", 1 - i, n - i);
    }
    for i in 0..n {
        let _ = writeln!(model, "constraint int_lin_eq([1,-1],[u{i},q{i}],{i});");
        let _ = writeln!(model, "constraint int_lin_eq([1,-1],[d{i},q{i}],{});", -i);
    }
    let names = |letter: &str| (0..n).map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(",");
    for letter in ["q", "u", "d"] {
        let _ = writeln!(model, "constraint all_different_int([{}]);", names(letter));
    }
    let _ = writeln!(model, "solve :: int_search([{}], first_fail, indomain_min, complete) satisfy;", names("q"));
    model
}

/// Seconds that Gecode searches for all solutions of `n` queens, as it says itself, and how many it finds.
pub fn gecode_queens(n: i64) -> Result<(f64, u64), String> {
    let path = std::env::temp_dir().join(format!("trefoil-bench-queens-{}.fzn", std::process::id()));
    std::fs::write(&path, queens_flatzinc(n)).map_err(|error| format!("{}: {error}", path.display()))?;
    let ran = Command::new("fzn-gecode").args(["-a", "-s"]).arg(&path).output();
    // A file left in /tmp does not matter.
    let _ = std::fs::remove_file(&path);
    let ran = ran.map_err(|error| format!("fzn-gecode: {error}: apt-get install flatzinc"))?;
    let text = String::from_utf8_lossy(&ran.stdout);
    let stat = |name: &str| {
        let line = text.lines().find_map(|line| line.split_once(name));
        line.and_then(|(_, value)| value.trim().parse::<f64>().ok())
            .ok_or_else(|| format!("fzn-gecode prints no {name}"))
    };
    Ok((stat("solveTime=")?, stat("solutions=")? as u64))
}

/// Seconds that pumpkin-solver takes for all solutions of `n` queens, making the model included, and how many it finds.
#[cfg(feature = "avm-peers")]
pub fn pumpkin_queens(n: i32) -> (f64, u64) {
    use pumpkin_conflict_resolvers::resolvers::ResolutionResolver;
    use pumpkin_solver::core::results::solution_iterator::IteratedSolution;
    use pumpkin_solver::core::termination::Indefinite;
    use pumpkin_solver::core::variables::TransformableVariable;

    let start = Instant::now();
    let mut solver = pumpkin_solver::Solver::default();
    let queens: Vec<_> = (0..n).map(|_| solver.new_bounded_integer(1, n)).collect();
    for slope in [0, 1, -1] {
        let tag = solver.new_constraint_tag();
        let shifted: Vec<_> = queens.iter().enumerate().map(|(i, queen)| queen.offset(slope * i as i32)).collect();
        // A model of queens is consistent before the search.
        solver.add_constraint(pumpkin_constraints::all_different(shifted, tag)).post();
    }
    let mut brancher = solver.default_brancher();
    let (mut resolver, mut termination) = (ResolutionResolver::default(), Indefinite);
    let mut found = 0;
    let mut solutions = solver.get_solution_iterator(&mut brancher, &mut termination, &mut resolver);
    while let IteratedSolution::Solution(..) = solutions.next_solution() {
        found += 1;
    }
    (start.elapsed().as_secs_f64(), found)
}

/// Nanoseconds of one turn of a loop that reads, adds to and writes a variable, in the interpreter rhai.
#[cfg(feature = "avm-peers")]
pub fn rhai_loop_ns(turns: i64) -> f64 {
    let engine = rhai::Engine::new();
    let source = format!("let state = 0; for i in 0..{turns} {{ state = state + 1; }} state");
    let program = engine.compile(&source).expect("a loop");
    let start = Instant::now();
    let end = engine.eval_ast::<i64>(&program).expect("a number");
    assert_eq!(end, turns, "the loop counts");
    start.elapsed().as_nanos() as f64 / turns as f64
}

/// Nanoseconds of one call of a function of one parameter, in the interpreter rhai.
#[cfg(feature = "avm-peers")]
pub fn rhai_call_ns(turns: i64) -> f64 {
    let engine = rhai::Engine::new();
    let source = format!("fn echo(x) {{ x }} let state = 0; for i in 0..{turns} {{ state = echo(i); }} state");
    let program = engine.compile(&source).expect("a loop");
    let start = Instant::now();
    let end = engine.eval_ast::<i64>(&program).expect("a number");
    assert_eq!(end, turns - 1, "the last call answers");
    start.elapsed().as_nanos() as f64 / turns as f64
}
