//! Which programs search for the greatest weight: those that may come to weigh, not those that are loaded beside one that does
//! (`decisions:AVM-20`).

use super::{close, compiled, config, main, solo, solo_with};
use crate::vm::solo::Solo;
use crate::vm::{Config, Start};

/// Result, and how many runs the newest decision took.
fn runs(solo: &mut Solo, start: &Start) -> (String, u32) {
    let execution = solo.lane.start(start).unwrap_or_else(|error| panic!("{error}"));
    while let Some(false) = solo.step(execution) {}
    let runs = solo.lane.decisions(execution).last().map_or(0, |decision| decision.runs);
    let result = solo.lane.result(execution).unwrap_or_else(|| panic!("it is over"));
    solo.lane.forget(execution);
    (result.map_or_else(|failure| failure.error.name().to_owned(), |value| value.to_string()), runs)
}

/// Five choices with a branch each: 32 ways.
const WAYS: &str = r#"
fn ways(o: object) -> int {
    let mut sum = 0
    let done = atomic {
        for _ in 0..<5 {
            if choose [0, 1] == 1 { sum += 1 }
        }
        let _ = call o "x"
        require sum >= 0
    }
    if done { sum } else { 0 - 1 }
}
fn plain() -> int {
    let mut sum = 0
    let done = atomic {
        for _ in 0..<5 {
            if choose [0, 1] == 1 { sum += 1 }
        }
        require sum >= 0
    }
    if done { sum } else { 0 - 1 }
}
fn main() -> int { plain() }
fn called() -> int { ways(create echo) }
fn unused() { let _ = atomic { prefer true weight 1 } }
behaviour fond { on message m { prefer true weight 1 } }
fn fond_too() -> int {
    let _ = create fond
    called()
}
fn as_text() -> int { ways(createObj("ec" ++ "ho", nothing)) }
"#;

// decisions:AVM-20
#[test]
fn a_preference_that_is_not_reached_changes_no_search() {
    let mut solo = solo(WAYS);
    let start = |entry: &str| Start::new("kit", entry);
    assert_eq!(runs(&mut solo, &start("main")), ("0".to_owned(), 1));
    assert_eq!(runs(&mut solo, &start("called")), ("0".to_owned(), 1));
    // Of which behaviour the object is only the run knows: it may be one that prefers.
    assert_eq!(runs(&mut solo, &start("as_text")), ("0".to_owned(), 32));
    // From here on there is an object that prefers, and who calls objects may come to call it.
    assert_eq!(runs(&mut solo, &start("fond_too")), ("0".to_owned(), 32));
    assert_eq!(runs(&mut solo, &start("called")), ("0".to_owned(), 32));
    assert_eq!(runs(&mut solo, &start("main")), ("0".to_owned(), 1));
    close(solo.lane);
}

#[test]
fn a_module_that_prefers_changes_no_search_of_another_one() {
    let mut solo = solo("fn main() -> int { 0 }");
    let other = "module other\nfn main() { let _ = atomic { let _ = chooseWeighted([(1, 1), (2, 2)]) } }";
    solo.load(&compiled(other)).unwrap_or_else(|error| panic!("{error}"));
    let third = format!(
        "module third\nbehaviour echo {{ on message m {{ m }} }}\n{}",
        WAYS.replace("prefer true weight 1", "0")
    );
    solo.load(&compiled(&third)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(runs(&mut solo, &Start::new("third", "called")), ("0".to_owned(), 1));
    close(solo.lane);
}

// An object that another torus holds may be of any behaviour.
#[test]
fn where_objects_of_other_tori_are_reached_any_behaviour_may_be_called() {
    let mut solo = solo_with(Config { homes: vec![0, 1], ..config() }, WAYS);
    assert_eq!(runs(&mut solo, &main()), ("0".to_owned(), 1));
    assert_eq!(runs(&mut solo, &Start::new("kit", "called")), ("0".to_owned(), 32));
    close(solo.lane);
}

// decisions:AVM-3: a preference that only a later way states is found, wherever it stands.
#[test]
fn a_preference_of_a_later_way_is_found() {
    let functions = r#"
behaviour fond { on message m { prefer true weight 5 } }
fn wish() { prefer true weight 5 }
fn tail(x: int) { if x == 2 { wish() } }
fn way(how: int) -> int {
    let mut picked = 0
    let _ = atomic {
        let x = choose [1, 2]
        picked = x
        if how == 0 { tail(x) }
        if how == 1 && x == 2 {
            let o = create fond
            let _ = call o "x"
        }
        if how == 2 {
            let wishes = |y| if y == 2 { wish() }
            wishes(x)
        }
        if how == 3 && x == 2 {
            let o = createObj("fo" ++ "nd", nothing)
            let _ = call o "x"
        }
    }
    picked
}"#;
    for how in 0..4 {
        let mut solo = solo(functions);
        let start = Start { args: vec![crate::Val::from(how)], ..Start::new("kit", "way") };
        assert_eq!(runs(&mut solo, &start).0, "2", "{how}");
        close(solo.lane);
    }
}
