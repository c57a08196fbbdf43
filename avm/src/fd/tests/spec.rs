//! The tables and traces of the specification, at the store.

use super::{ints, left, post, var};
use crate::fd::{Constraint, Inconsistent, Refusal, Store};
use crate::id::VarId;
use crate::value::Val;

#[test]
fn posts_do_what_the_table_says() {
    // avm:8.2: x in {1,2,3}, y in {2,3,4}, one post.
    let (x, y) = (VarId(1), VarId(2));
    let (all_x, all_y) = (vec![1, 2, 3], vec![2, 3, 4]);
    let two = || Val::from(2);
    let table: Vec<(Constraint, Vec<i64>, Vec<i64>)> = vec![
        (Constraint::Eq(x, y), vec![2, 3], vec![2, 3]),
        (Constraint::Neq(x, y), all_x.clone(), all_y.clone()),
        (Constraint::Leq(x, y), all_x.clone(), all_y.clone()),
        (Constraint::Lt(x, y), all_x.clone(), all_y.clone()),
        (Constraint::AllDiff(vec![x, y]), all_x.clone(), all_y.clone()),
        (Constraint::Geq(x, y), vec![2, 3], vec![2, 3]),
        (Constraint::Gt(x, y), vec![3], vec![2]),
        (Constraint::ValEq(x, two()), vec![2], all_y.clone()),
        (Constraint::ValLeq(x, two()), vec![1, 2], all_y.clone()),
        (Constraint::ValLt(x, two()), vec![1], all_y.clone()),
        (Constraint::ValGeq(x, two()), vec![2, 3], all_y.clone()),
        (Constraint::ValGt(x, two()), vec![3], all_y.clone()),
    ];
    for (constraint, of_x, of_y) in table {
        let mut store = Store::default();
        assert_eq!((var(&mut store, 1..=3), var(&mut store, 2..=4)), (x, y));
        let changes = store.post(constraint.clone()).expect("consistent");
        assert_eq!((left(&store, x), left(&store, y)), (of_x.clone(), of_y.clone()), "{constraint}");
        let changed = [(x, of_x != all_x), (y, of_y != all_y)];
        let changed: Vec<VarId> = changed.into_iter().filter(|(_, changed)| *changed).map(|(v, _)| v).collect();
        assert_eq!(changes, changed, "{constraint}");
        assert_eq!(store.constraints(), [constraint]);
    }
    let mut store = Store::default();
    let (x, y) = (var(&mut store, 1..=3), var(&mut store, 2..=4));
    let refusal = store.post(Constraint::ValEq(x, Val::from(9)));
    assert_eq!(refusal, Err(Refusal::Inconsistent(Inconsistent { constraint: Some(0) })));
    assert_eq!((left(&store, x), left(&store, y), store.constraints().len()), (all_x, all_y, 0));
}

#[test]
fn all_different_counts() {
    // avm:8.2: three over two values fail at once; two over two values take them from a third.
    let mut store = Store::default();
    let three: Vec<VarId> = (0..3).map(|_| var(&mut store, 1..=2)).collect();
    assert!(!post(&mut store, Constraint::AllDiff(three)));
    assert!(store.constraints().is_empty());

    let mut store = Store::default();
    let (a, b, c) = (var(&mut store, 1..=2), var(&mut store, 1..=2), var(&mut store, 1..=3));
    assert_eq!(store.post(Constraint::AllDiff(vec![a, b, c])), Ok(vec![c]));
    assert_eq!(left(&store, c), [3]);
    let fresh = var(&mut store, 1..=2);
    assert!(!post(&mut store, Constraint::AllDiff(vec![a, b, fresh])));
    assert!(store.narrow(c, &ints([1, 2])).is_err());
    assert_eq!(store.narrow(c, &ints([3, 9])), Ok(vec![]));
    assert_eq!(left(&store, c), [3]);
}

#[test]
fn kinds_are_not_compared() {
    // avm:8.2: incomparable kinds: order false, equality false, difference true.
    let mixed = [Val::from(1), Val::text("b"), Val::from(true), Val::text("a")];
    let make = || {
        let mut store = Store::default();
        let x = store.new_var(&mixed).expect("fits");
        let y = store.new_var(&[Val::text("a"), Val::text("aa")]).expect("fits");
        (store, x, y)
    };
    let texts = |store: &Store, v: VarId| store.domain(v).cloned().collect::<Vec<_>>();
    let (mut store, x, y) = make();
    assert!(post(&mut store, Constraint::Leq(x, y)));
    assert_eq!((texts(&store, x), texts(&store, y).len()), (vec![Val::text("a")], 2));
    let (mut store, x, y) = make();
    assert!(post(&mut store, Constraint::Gt(x, y)));
    assert_eq!((texts(&store, x), texts(&store, y).len()), (vec![Val::text("b")], 2));
    let (mut store, x, y) = make();
    assert!(post(&mut store, Constraint::Eq(x, y)));
    assert_eq!((texts(&store, x), texts(&store, y)), (vec![Val::text("a")], vec![Val::text("a")]));
    let (mut store, x, y) = make();
    assert_eq!(store.post(Constraint::Neq(x, y)), Ok(vec![]));
    assert_eq!(store.try_assign(y, &Val::text("a")), Ok(vec![x, y]));
    assert_eq!(texts(&store, x), mixed[..3]);
    let (mut store, x, _) = make();
    assert!(post(&mut store, Constraint::ValLt(x, Val::from(2))));
    assert_eq!(texts(&store, x), [Val::from(1)]);
    let (mut store, x, y) = make();
    assert_eq!(store.post(Constraint::NeqOff(x, y, 0)), Ok(vec![]), "a text is no sum");
    assert!(!post(&mut store, Constraint::EqOff(x, y, 0)));
    assert!(!post(&mut store, Constraint::LeqOff(x, y, 9)));
}

#[test]
fn domains_are_made_of_distinct_values_in_order() {
    let mut store = Store::default();
    let x = store.new_var(&ints([3, 1, 3, 2, 1])).expect("fits");
    assert_eq!(left(&store, x), [3, 1, 2]);
    assert_eq!(store.narrow(x, &ints([2, 3, 7])), Ok(vec![x]));
    assert_eq!(left(&store, x), [3, 2], "the variable's order is kept");
    assert_eq!(store.new_var(&[]), Err(Refusal::EmptyDomain));
    assert_eq!(store.narrow(VarId(9), &ints([1])), Err(Refusal::UnknownVar(VarId(9))));
    assert_eq!(store.post(Constraint::Eq(x, VarId(0))), Err(Refusal::UnknownVar(VarId(0))));
    assert_eq!(store.try_assign(VarId(7), &Val::from(1)), Err(Refusal::UnknownVar(VarId(7))));
}
