//! Compositions of several programs (`avm:R2`, `decisions:AVM-18`): choices and variables of all of them are decided together, their
//! operations and values are counted as those of one execution.

use super::{config, main, short};
use crate::Val;
use crate::code::verify;
use crate::lang::{Source, build};
use crate::nondet::Solver;
use crate::nondet::builtin::BuiltinSolver;
use crate::vm::solo::{Finished, Solo};
use crate::vm::{Composition, Config, Decision, Refused, Segment, Start};

const SHELF: &str = "
module shelf
behaviour shelf {
    state given = []
    on put(n: any) { given = push(given, n) }
    on all() -> list { given }
}
fn setup() -> object { create shelf at %c1 }
fn total(s: object, most: int) -> any {
    require sum(s.all()) <= most as \"the shelf holds so much\"
    s.all()
}
";

const BAKER: &str = "
module baker
fn bake(s: object) -> int {
    let loaves = choose 1..6
    s.put(loaves)
    require loaves > 1 as \"a loaf is not worth it\"
    loaves
}
";

const DAIRY: &str = "
module dairy
fn churn(s: object, least: int) -> int {
    var pounds in 1..9
    assert post pounds >= least
    let found = valueOf(pounds)
    s.put(found)
    require found < 2 * s.all()[0]
    found
}
";

fn solo(config: Config, solver: Box<dyn Solver>, programs: &[&str]) -> Solo {
    let mut solo = Solo::new(config, solver);
    for program in programs {
        let name = program.split_whitespace().nth(1).unwrap_or_default();
        let source = Source::new(&format!("{name}.avm"), program.trim_start());
        let built = build(&[source], &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
        let module = verify(built.module).unwrap_or_else(|errors| panic!("{errors:#?}"));
        solo.load(&module).unwrap_or_else(|error| panic!("{error}"));
    }
    solo
}

fn segment(module: &str, entry: &str, args: &[Val]) -> Segment {
    Segment { module: module.into(), entry: entry.into(), args: args.to_vec() }
}

/// Baker, dairy and the shelf as one commit.
fn market(solver: Box<dyn Solver>, most: i64, least: i64) -> (String, Vec<Decision>) {
    let mut solo = solo(config(), solver, &[SHELF, BAKER, DAIRY]);
    let made = solo.run(&Start::new("shelf", "setup")).unwrap_or_else(|error| panic!("{error}"));
    let shelf = made.result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let segments = [
        segment("baker", "bake", std::slice::from_ref(&shelf)),
        segment("dairy", "churn", &[shelf.clone(), least.into()]),
        segment("shelf", "total", &[shelf, most.into()]),
    ];
    let execution = solo.lane.compose(&segments, Composition::Sequential, &main());
    let execution = execution.unwrap_or_else(|error| panic!("{error}"));
    while solo.step(execution) == Some(false) {}
    let decisions = solo.lane.decisions(execution);
    let (result, _) = short(&solo.finish(execution));
    super::close(solo.lane);
    (result, decisions)
}

// avm:R2, decisions:AVM-18, decisions:AVM-20
#[test]
fn choices_and_variables_of_several_programs_are_decided_together() {
    let (result, decisions) = market(Box::new(BuiltinSolver), 9, 5);
    assert_eq!(result, "(true, [3, 5, [3, 5]])");
    assert_eq!((decisions[0].choices.as_slice(), decisions[0].vars.len()), (&[2][..], 1));
    #[cfg(feature = "z3")]
    assert_eq!(market(Box::new(crate::nondet::z3::Z3Solver::new()), 9, 5).0, result);
}

/// Its twin without a resolution: each part of the core says which program and which line.
#[test]
fn the_unsatisfiable_twin_names_program_and_line_of_each_part() {
    let (result, decisions) = market(Box::new(BuiltinSolver), 7, 5);
    assert!(result.starts_with("(false"), "{result}");
    let Some(Refused::Unsatisfiable { names, places, .. }) = &decisions[0].refused else { panic!("{decisions:?}") };
    let parts: Vec<String> = names.iter().zip(places).map(|(name, place)| format!("{name} at {place}")).collect();
    let expected = [
        "dairy.avm:7:5 at dairy.avm:7:5",
        "the shelf holds so much at shelf.avm:9:5",
        "post v1 >= 5 at dairy.avm:4:12",
    ];
    assert_eq!(parts, expected);
}

const SPIN: &str = "
module spin
fn turn(times: int) -> int {
    let mut n = 0
    while n < times { n += 1 }
    n
}
fn hold(times: int) -> list {
    let mut all = []
    for n in 0..<times { all = push(all, [n]) }
    all
}
";

fn spin(config: Config, entry: &str, times: i64, start: &Start) -> Finished {
    let mut solo = solo(config, Box::new(BuiltinSolver), &[SPIN]);
    let segments = [segment("spin", entry, &[times.into()]), segment("spin", entry, &[times.into()])];
    let execution = solo.lane.compose(&segments, Composition::Sequential, start);
    let finished = solo.finish(execution.unwrap_or_else(|error| panic!("{error}")));
    super::close(solo.lane);
    finished
}

/// The segments of a composition share the operations of one execution.
#[test]
fn segments_are_held_to_the_quota_of_operations() {
    let used = |times: i64, fuel: u64| {
        let start = Start { fuel: Some(fuel), ..main() };
        short(&spin(config(), "turn", times, &start)).0
    };
    assert_eq!(used(1_000, u64::MAX), "(true, [1000, 1000])");
    let one = (1..).map(|n| n * 100).find(|fuel| !used(10, *fuel).starts_with("Err")).unwrap_or_default();
    assert!(one < 1_000, "{one}");
    // What one of them needs is not enough for both.
    assert!(used(1_000, 5_000).starts_with("ErrProgramFuel"), "{}", used(1_000, 5_000));
    assert!(used(1_000, 20_000).starts_with("(true"), "{}", used(1_000, 20_000));
    let lane = Config { fuel: 5_000, ..config() };
    assert!(short(&spin(lane, "turn", 1_000, &main())).0.starts_with("ErrProgramFuel"));
}

/// And its memory.
#[test]
fn segments_are_held_to_the_quota_of_memory() {
    let with = |memory_bytes: u64| short(&spin(Config { memory_bytes, ..config() }, "hold", 1_000, &main())).0;
    assert!(with(8 << 20).starts_with("(true"));
    let one = (1..).map(|n| n << 13).find(|bytes| with(*bytes).starts_with("(true")).unwrap_or_default();
    assert!(with(one * 2 / 3).starts_with("ErrProgramMemory"), "{one}");
}
