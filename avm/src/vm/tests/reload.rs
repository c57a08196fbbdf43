//! Modules that are loaded again (`decisions:AVM-17`, `avm:4.6`).

use super::{close, compiled, config, main, short, solo_with};
use crate::vm::solo::Solo;
use crate::vm::{Config, LoadError, Start};

const PURES: &str = r#"
pure twice(n: int) -> int { n + n }
fn main() -> any { callPure("twice", [10]) }
fn update(expected: any) { let _ = updatePure("twice", |n| n + 1, expected) }
"#;

fn run(solo: &mut Solo, entry: &str, args: &[crate::Val]) -> String {
    let start = Start { args: args.to_vec(), ..Start::new("kit", entry) };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
    short(&finished).0
}

fn load(solo: &mut Solo, functions: &str) -> Result<(), LoadError> {
    solo.load(&compiled(&format!("{}\n{functions}", super::KIT)))
}

// avm:4.6: +1 for each update.
#[test]
fn a_module_loaded_again_keeps_updates_of_its_pure_functions() {
    let mut solo = solo_with(config(), PURES);
    assert_eq!(run(&mut solo, "main", &[]), "20");
    assert_eq!(run(&mut solo, "update", &[0.into()]), "nothing");
    assert_eq!(run(&mut solo, "main", &[]), "11");
    let words = solo.lane.live_words();
    for _ in 0..100 {
        assert_eq!(load(&mut solo, PURES), Ok(()));
    }
    assert_eq!(solo.lane.live_words(), words, "the same again takes no room");
    assert_eq!(run(&mut solo, "main", &[]), "11");
    // Another text of the module is the next version: whoever expects an earlier one is refused.
    let other = PURES.replace("n + n", "3 * n");
    assert_eq!(load(&mut solo, &other), Ok(()));
    assert_eq!(run(&mut solo, "main", &[]), "30");
    for expected in [0, 1] {
        let refused = run(&mut solo, "update", &[expected.into()]);
        assert_eq!(refused, format!("ErrVersionConflict pure function twice is at version 2, expected {expected}"));
    }
    assert_eq!(run(&mut solo, "update", &[2.into()]), "nothing");
    assert_eq!(run(&mut solo, "main", &[]), "11");
    // The first text again is what it was, and the version after that.
    let words = solo.lane.live_words();
    assert_eq!(load(&mut solo, PURES), Ok(()));
    assert!(solo.lane.live_words() <= words, "it is here already");
    assert_eq!(run(&mut solo, "main", &[]), "20");
    assert_eq!(run(&mut solo, "update", &[4.into()]), "nothing");
    close(solo.lane);
}

// decisions:AVM-17: what is kept for live objects is bounded, and whoever meets the bound is told what to do.
#[test]
fn modules_that_are_replaced_again_and_again_are_refused_in_the_end() {
    let mut solo = solo_with(Config { heap_bytes: 1 << 20, ..config() }, "fn main() -> int { 0 }");
    let big = |n: usize| format!("fn main() -> text {{ \"{n} {}\" }}", "word ".repeat(1000));
    let refused = (1..2000).find_map(|n| load(&mut solo, &big(n)).err().map(|error| (n, error)));
    let (n, error) = refused.unwrap_or_else(|| panic!("nothing is refused"));
    assert!(n > 10 && matches!(error, LoadError::Code(_, count) if count == n), "{n}: {error}");
    assert!(error.to_string().contains("restart the node"), "{error}");
    // What is loaded runs on, with room for what it does.
    assert!(solo.lane.live_words() < (1 << 17) / 2, "{} words", solo.lane.live_words());
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    assert!(short(&finished).0.starts_with(&format!("\"{} word", n - 1)));
    close(solo.lane);
}

#[test]
fn so_many_modules_are_refused() {
    let mut solo = Solo::new(config(), Box::new(super::Everything));
    let mut loads = (0..2000).map(|n| solo.load(&compiled(&format!("module m\nfn main() -> int {{ {n} }}"))));
    let refused = loads.position(|loaded| loaded.is_err());
    assert_eq!(refused, Some(crate::vm::loaded::MOST_MODULES));
    close(solo.lane);
}
