//! A transaction keeps the pure functions it saw, and meets those who change them (`decisions:AVM-8`, `decisions:AVM-9`).

use super::replays::{result, started, until_note};
use super::{close, config, short, solo_with};
use crate::vm::solo::Solo;
use crate::vm::{Config, Refused};

const ENTRIES: &str = r#"
behaviour asker {
    state n = 0
    on twice() -> list {
        let a = callPure("add", [1, 2])
        note "here"
        [a, callPure("add", [1, 2])]
    }
}
fn make() -> object { create asker }
fn twice(o: object) -> list { o.twice() }
fn read() -> list {
    let t = beginTx()
    let a = callPure("add", [1, 2])
    note "here"
    [a, callPure("add", [1, 2]), commitTx(t)]
}
fn update() -> list {
    let t = beginTx()
    let a = updatePure("add", |x, y| x + 100, 0)
    note "here"
    [a, commitTx(t)]
}
fn undone(version) -> list {
    let t = beginTx()
    let a = updatePure("add", |x, y| x + 100, version)
    note "here"
    abortTx(t)
    [a, callPure("add", [1, 2])]
}
fn other() -> bool { updatePure("add", |x, y| x * 1000) }
fn from(version: int) -> bool { updatePure("add", |x, y| x + y, version) }
"#;

fn lane() -> Solo {
    solo_with(Config { quantum_ops: 1, ..config() }, ENTRIES)
}

/// Result of an entry while another updates `add` after its note, and how its transaction was refused.
fn while_updated(entry: &str, args: Vec<crate::Val>) -> (String, Option<Refused>, Solo) {
    let mut solo = lane();
    let execution = started(&mut solo, entry, args);
    until_note(&mut solo, execution);
    assert_eq!(result(&mut solo, "other", vec![]), "true");
    while solo.step(execution) == Some(false) {}
    let refused = solo.lane.decisions(execution).last().and_then(|decision| decision.refused.clone());
    (short(&solo.finish(execution)).0, refused, solo)
}

#[test]
fn a_transaction_sees_one_version_and_meets_the_update() {
    let (result, refused, solo) = while_updated("read", vec![]);
    assert_eq!(result, "[3, 3, false]");
    assert_eq!(refused, Some(Refused::Updated { function: "add".into() }));
    close(solo.lane);
}

#[test]
fn of_two_updates_from_one_version_one_commits() {
    let (found, _, mut solo) = while_updated("update", vec![]);
    assert_eq!(found, "[true, false]");
    assert_eq!(result(&mut solo, "from", vec![1.into()]), "true");
    assert!(result(&mut solo, "from", vec![1.into()]).starts_with("ErrVersionConflict"));
    close(solo.lane);
}

// What no abort takes back comes after what was quicker; an update that asked for a version does not.
#[test]
fn an_update_of_an_aborted_transaction_comes_after_the_others() {
    let (found, _, mut solo) = while_updated("undone", vec![crate::Val::Nothing]);
    assert_eq!(found, "[true, 101]");
    assert_eq!(result(&mut solo, "from", vec![2.into()]), "true");
    close(solo.lane);
    let (found, _, solo) = while_updated("undone", vec![0.into()]);
    assert_eq!(found, "[true, 1000]");
    close(solo.lane);
}

#[test]
fn a_call_begins_anew_when_a_function_it_used_is_updated() {
    let mut solo = lane();
    let made = started(&mut solo, "make", vec![]);
    let made = solo.finish(made).result.unwrap_or_else(|failure| panic!("{failure:?}"));
    let execution = started(&mut solo, "twice", vec![made]);
    until_note(&mut solo, execution);
    assert_eq!(result(&mut solo, "other", vec![]), "true");
    assert_eq!(short(&solo.finish(execution)).0, "[1000, 1000]");
    close(solo.lane);
}
