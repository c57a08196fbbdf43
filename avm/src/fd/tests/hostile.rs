//! Anything may come from a program: any value as a constraint, any operations in any order. Nothing panics, and what is refused
//! changes nothing.

use super::model::{Rng, constraint, domain};
use super::{ints, left, post, var};
use crate::fd::search::{Branching, Progress, Search};
use crate::fd::{Attempt, Constraint, Label, Limit, Limits, Mark, Refusal, Saved, Store, fuzz_operations};
use crate::id::VarId;
use crate::value::{INT_MAX, INT_MIN, Val};

/// Any value at all, extremes among them.
fn anything(rng: &mut Rng, depth: usize) -> Val {
    match rng.below(if depth == 0 { 9 } else { 14 }) {
        0 => Val::Nothing,
        1 => Val::Bool(rng.below(2) == 0),
        2 => rng.pick(&[INT_MIN, INT_MAX, i64::MAX.into(), 0, -1, i128::MAX, i128::MIN].map(Val::Int)),
        3 => Val::Int(rng.below(9) as i128 - 4),
        4 => rng.pick(&["", "eq", "table", "sum-eq", "all-diff", "element", "neq-off", "val-eq", "x"].map(Val::text)),
        5..=7 => Val::Var(VarId(rng.below(6) as u32)),
        8 => Val::Bytes(vec![7; rng.below(3)].into()),
        9 => Val::just(anything(rng, depth - 1)),
        10 => Val::pair(anything(rng, depth - 1), anything(rng, depth - 1)),
        11 => Val::record([("a".into(), anything(rng, depth - 1))]),
        _ => Val::List((0..rng.below(5)).map(|_| anything(rng, depth - 1)).collect()),
    }
}

/// A value that is nearly a constraint.
fn nearly(rng: &mut Rng) -> Val {
    let mut value = constraint(rng, 5).to_val();
    let depth = rng.below(4);
    spoil(rng, &mut value, depth);
    value
}

fn spoil(rng: &mut Rng, part: &mut Val, depth: usize) {
    match part {
        Val::List(parts) if depth > 0 && !parts.is_empty() => {
            let at = rng.below(parts.len());
            match rng.below(8) {
                0 => parts.truncate(at),
                _ => spoil(rng, &mut parts[at], depth - 1),
            }
        }
        part => *part = anything(rng, 2),
    }
}

/// Ids, domains and constraints: everything that can be seen.
fn seen(store: &Store) -> Saved {
    store.save()
}

fn step(rng: &mut Rng, store: &mut Store, marks: &mut Vec<(Mark, Saved)>, labels: &mut Vec<Label>) {
    let v = VarId(rng.below(7) as u32);
    let before = seen(store);
    let refused = match rng.below(14) {
        0 => store.new_var(&domain(rng)).is_err(),
        1 => store.new_var(&(0..rng.below(70)).map(|_| anything(rng, 1)).collect::<Vec<_>>()).is_err(),
        2 => store.narrow(v, &(0..rng.below(9)).map(|_| anything(rng, 1)).collect::<Vec<_>>()).is_err(),
        3 => store.try_assign(v, &anything(rng, 1)).is_err(),
        4 => {
            marks.push((store.mark(), before.clone()));
            true
        }
        5 if !marks.is_empty() => {
            let (mark, then) = marks[rng.below(marks.len())].clone();
            marks.retain(|(_, saved)| saved.vars.len() <= then.vars.len());
            store.undo_to(&mark);
            return;
        }
        6 if !marks.is_empty() => {
            store.settle(&marks[rng.below(marks.len())].0.clone());
            return;
        }
        7 => store.refute(&(0..rng.below(3)).map(|_| (v, anything(rng, 0))).collect::<Vec<_>>()).is_err(),
        8 => {
            labels.extend(store.label(v));
            true
        }
        9 if !labels.is_empty() => {
            let at = rng.below(labels.len());
            store.label_next(&mut labels[at]).is_none()
        }
        10 => store.refute_frame(labels).is_err(),
        _ => {
            let value = if rng.below(3) == 0 { anything(rng, 3) } else { nearly(rng) };
            match Constraint::from_val(&value) {
                Ok(constraint) => {
                    assert_eq!(Constraint::from_val(&constraint.to_val()).as_ref(), Ok(&constraint));
                    let _ = store.explain(&Attempt::Post(&constraint));
                    store.post(constraint).is_err()
                }
                Err(text) => {
                    assert!(text.contains("expect") && text.len() < 400, "{text}");
                    true
                }
            }
        }
    };
    if refused {
        assert_eq!(seen(store), before);
    }
}

#[test]
fn nothing_a_program_does_breaks_a_store() {
    let mut rng = Rng(23);
    for _ in 0..4000 {
        let limits = Limits { variables: 6, values: 200, constraints: 12, refutations: 9, cells: 4000 };
        let mut store = Store::new(limits);
        let (mut marks, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            step(&mut rng, &mut store, &mut marks, &mut labels);
        }
        let saved = store.save();
        let loaded = Store::load(&saved, limits).expect("what a store saved");
        assert_eq!(loaded.save(), saved);
        let vars = store.vars().to_vec();
        let branching = rng.pick(&[Branching::InputOrder, Branching::FirstFail, Branching::DomWdeg]);
        let mut search = Search::new(&store, &vars, branching).expect("known");
        for _ in 0..20 {
            if search.run(&mut store, 5) == Progress::Exhausted {
                assert_eq!(store.save(), saved);
                break;
            }
        }
        search.leave(&mut store);
        assert_eq!(store.save(), saved);
    }
}

#[test]
fn bytes_as_operations_break_nothing() {
    let mut rng = Rng(29);
    let mut taken = 0;
    for _ in 0..6000 {
        let bytes: Vec<u8> = (0..rng.below(300)).map(|_| rng.next() as u8).collect();
        taken += fuzz_operations(&bytes);
    }
    assert!(taken > 50_000, "{taken}");
}

#[test]
fn values_that_are_no_constraints_are_told_what_was_expected() {
    let told = |value: Val| Constraint::from_val(&value).expect_err("no constraint");
    let list = |word: &str, rest: Vec<Val>| Val::List([vec![Val::text(word)], rest].concat());
    let v = || Val::Var(VarId(1));
    let texts = [
        told(Val::from(5)),
        told(Val::List(vec![])),
        told(list("equal", vec![])),
        told(list("eq", vec![v(), Val::from(5)])),
        told(list("val-lt", vec![v()])),
        told(list("neq-off", vec![v(), v(), Val::Int(1 << 63)])),
        told(list("leq-off", vec![v(), v()])),
        told(list("all-diff", vec![v()])),
        told(list("sum-eq", vec![Val::List(vec![v()]), Val::from(1)])),
        told(list("table", vec![Val::List(vec![v()]), Val::List(vec![Val::List(vec![])])])),
        told(list("table", vec![Val::List(vec![v()]), Val::List(vec![Val::from(1)])])),
        told(list("element", vec![v(), v(), v()])),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn limits_are_named() {
    let limits = Limits { variables: 3, values: 300, constraints: 1, refutations: 1, cells: 3000 };
    let mut store = Store::new(limits);
    let x = store.new_var(&ints(0..100)).expect("fits");
    let y = store.new_var(&(0..100).map(|i| Val::text(&format!("{i}"))).collect::<Vec<_>>()).expect("fits");
    assert_eq!(store.new_var(&ints(0..101)), Err(Refusal::Limit(Limit::Values)));
    let z = store.new_var(&ints(0..2)).expect("fits");
    assert_eq!(store.new_var(&ints(0..2)), Err(Refusal::Limit(Limit::Variables)));
    assert_eq!(store.post(Constraint::Leq(y, x)), Err(Refusal::Limit(Limit::Cells)), "100 by 100 pairs, both ways");
    assert_eq!(store.post(Constraint::AllDiff(vec![x, y, z])), Err(Refusal::Limit(Limit::Cells)));
    let many: Vec<Vec<Val>> = (0..40).map(|i| ints([i])).collect();
    assert_eq!(store.post(Constraint::Table(vec![x], many)), Err(Refusal::Limit(Limit::Cells)));
    let short = store.post(Constraint::Table(vec![x], vec![vec![]]));
    assert_eq!(short, Err(Refusal::Malformed("a row of 0 values for 1 variables".to_owned())));
    let rows = |count: i64| (0..count).map(|i| ints([i])).collect::<Vec<_>>();
    let begin = store.mark();
    assert!(post(&mut store, Constraint::Table(vec![x], rows(20))));
    store.undo_to(&begin);
    assert!(post(&mut store, Constraint::Table(vec![x], rows(25))), "what was undone counts no more");
    assert_eq!(store.post(Constraint::Neq(x, z)), Err(Refusal::Limit(Limit::Constraints)));
    store.refute(&[(x, Val::from(1))]).expect("fits");
    assert_eq!(store.refute(&[(x, Val::from(2))]), Err(Refusal::Limit(Limit::Refutations)));
    let mut store = Store::default();
    let (x, y) = (store.new_var(&[Val::Int(INT_MIN), Val::Int(INT_MAX)]).expect("fits"), var(&mut store, 0..3));
    assert_eq!(store.post(Constraint::SumEq(vec![(i64::MIN, x)], 0)), Err(Refusal::Limit(Limit::Arithmetic)));
    assert!(post(&mut store, Constraint::LeqOff(x, y, i64::MIN)), "offsets never overflow");
    assert_eq!(store.value(x), Some(&Val::Int(INT_MIN)));
    assert_eq!(left(&store, y), [0, 1, 2]);
    assert!(!post(&mut store, Constraint::EqOff(x, y, i64::MAX)));
}

#[test]
fn a_store_is_saved_and_loaded() {
    let mut store = Store::default();
    let (x, y) = (store.new_var(&ints([5, 1, 3])).expect("fits"), var(&mut store, 1..=5));
    let begin = store.mark();
    let z = var(&mut store, 1..=2);
    store.settle(&begin);
    assert!(post(&mut store, Constraint::Lt(x, y)));
    store.refute(&[(x, Val::from(1)), (y, Val::from(4))]).expect("fits");
    let text = serde_json::to_string(&store.save()).expect("plain data");
    let mut loaded =
        Store::load(&serde_json::from_str(&text).expect("its own"), Limits::default()).expect("consistent");
    assert_eq!(loaded.save(), store.save());
    assert!(!loaded.known(z));
    assert_eq!(loaded.new_var(&ints([1])), store.new_var(&ints([1])));
    for store in [&mut store, &mut loaded] {
        assert_eq!(store.try_assign(x, &Val::from(1)), Ok(vec![x]));
        assert!(store.refuted(y, &Val::from(4)));
    }
    let good = store.save();
    let mut bad = good.clone();
    bad.vars[1].0 = VarId(1);
    assert!(matches!(Store::load(&bad, Limits::default()), Err(Refusal::Malformed(_))));
    let mut bad = good.clone();
    bad.vars[0].2 = vec![3];
    assert!(matches!(Store::load(&bad, Limits::default()), Err(Refusal::Malformed(_))));
    let mut bad = good;
    bad.next = VarId(2);
    assert!(matches!(Store::load(&bad, Limits::default()), Err(Refusal::Malformed(_))));
}
