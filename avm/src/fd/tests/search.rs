//! Search against trying everything, cut into runs in every way.

use super::model::{Model, Rng, constraint, domain};
use super::{ints, left, post, var};
use crate::fd::search::{Branching, Progress, Search};
use crate::fd::{Attempt, Constraint, Store};
use crate::id::VarId;
use crate::value::Val;

pub(super) fn queens(size: i64, all_different: bool) -> (Store, Vec<VarId>) {
    let mut store = Store::default();
    let q: Vec<VarId> = (0..size).map(|_| var(&mut store, 1..=size)).collect();
    if all_different {
        assert!(post(&mut store, Constraint::AllDiff(q.clone())));
    }
    for i in 0..size {
        for j in i + 1..size {
            let (a, b) = (q[i as usize], q[j as usize]);
            let gaps = if all_different { vec![j - i, i - j] } else { vec![0, j - i, i - j] };
            for k in gaps {
                assert!(post(&mut store, Constraint::NeqOff(a, b, k)));
            }
        }
    }
    (store, q)
}

/// All solutions, taking `steps` at a time.
fn all(search: &mut Search, store: &mut Store, steps: u64) -> Vec<Vec<Val>> {
    let mut found = Vec::new();
    loop {
        match search.run(store, steps) {
            Progress::Solution => found.push(search.values(store)),
            Progress::Paused => {}
            Progress::Exhausted => return found,
            Progress::Lost => panic!("the store is the search's own"),
        }
    }
}

#[test]
fn the_queens_are_counted() {
    // The numbers of solutions and of values tried: changes of the search show here.
    let mut counted = Vec::new();
    for branching in [Branching::InputOrder, Branching::FirstFail, Branching::DomWdeg] {
        for all_different in [false, true] {
            let (mut store, q) = queens(8, all_different);
            let mut search = Search::new(&store, &q, branching).expect("known");
            assert_eq!(all(&mut search, &mut store, 7).len(), 92);
            assert_eq!(search.run(&mut store, 7), Progress::Exhausted);
            counted.push((search.steps(), search.failures(), store.runs()));
        }
    }
    insta::assert_compact_debug_snapshot!(counted);
}

#[test]
fn every_solution_is_found_once() {
    let mut rng = Rng(7);
    let mut solved = 0;
    for _ in 0..super::deep(1500) {
        let mut store = Store::default();
        let mut model = Model::new();
        let count = 1 + rng.below(4);
        for _ in 0..count {
            let values = domain(&mut rng);
            let v = store.new_var(&values).expect("fits");
            model.domains.push(store.domain(v).cloned().collect());
        }
        for _ in 0..1 + rng.below(4) {
            let constraint = constraint(&mut rng, count);
            if store.post(constraint.clone()).is_ok() {
                model.constraints.push(constraint);
            }
        }
        let expected = model.solutions();
        solved += expected.len();
        let vars = store.vars().to_vec();
        let before: Vec<Vec<Val>> = vars.iter().map(|v| store.domain(*v).cloned().collect()).collect();
        let mut search = Search::new(&store, &vars, Branching::InputOrder).expect("known");
        assert_eq!(all(&mut search, &mut store, 2), expected, "in lexicographic order: {:?}", model.constraints);
        for branching in [Branching::FirstFail, Branching::DomWdeg] {
            let mut search = Search::new(&store, &vars, branching).expect("known");
            let found = all(&mut search, &mut store, u64::MAX);
            assert_eq!(found.len(), expected.len());
            assert!(expected.iter().all(|solution| found.contains(solution)));
        }
        let after: Vec<Vec<Val>> = vars.iter().map(|v| store.domain(*v).cloned().collect()).collect();
        assert_eq!(before, after, "an exhausted search leaves the store as it was");
    }
    assert!(solved > 5000, "{solved}");
}

#[test]
fn a_search_is_cut_saved_and_loaded_anywhere() {
    for branching in [Branching::InputOrder, Branching::FirstFail, Branching::DomWdeg] {
        let (mut store, q) = queens(6, true);
        let mut whole = Search::new(&store, &q, branching).expect("known");
        let expected = all(&mut whole, &mut store, u64::MAX);
        for steps in 1..5 {
            let (mut store, q) = queens(6, true);
            let mut search = Search::new(&store, &q, branching).expect("known");
            let mut found = Vec::new();
            loop {
                match search.run(&mut store, steps) {
                    Progress::Solution => found.push(search.values(&store)),
                    Progress::Paused => {}
                    Progress::Exhausted => break,
                    Progress::Lost => panic!("loaded into a store like the first"),
                }
                let saved = serde_json::to_string(&search).expect("plain data");
                search = serde_json::from_str(&saved).expect("its own text");
                (store, _) = queens(6, true);
            }
            assert_eq!((found, search.steps(), search.failures()), (expected.clone(), whole.steps(), whole.failures()));
        }
    }
}

#[test]
fn a_search_leaves_and_comes_back() {
    let (mut store, q) = queens(6, false);
    let mut search = Search::new(&store, &q, Branching::FirstFail).expect("known");
    assert_eq!(search.run(&mut store, u64::MAX), Progress::Solution);
    let copy = (search.clone(), store.clone());
    search.leave(&mut store);
    assert_eq!(left(&store, q[0]), (1..=6).collect::<Vec<_>>());
    assert_eq!(all(&mut search, &mut store, 3).len(), 3);
    let (mut search, mut store) = copy;
    assert_eq!(all(&mut search, &mut store, 3).len(), 3, "a copy goes on by itself");
    let (mut store, q) = queens(6, false);
    let mut search = Search::new(&store, &q, Branching::FirstFail).expect("known");
    assert_eq!(search.run(&mut store, 1), Progress::Paused);
    store.narrow(q[5], &ints([1, 2, 3])).expect("consistent");
    assert_eq!(search.run(&mut store, 1), Progress::Lost, "someone else changed the store");
    assert!(Search::new(&store, &[VarId(99)], Branching::FirstFail).is_err());
}

#[test]
fn a_thousand_variables_are_solved() {
    // R1: 1 000 variables finish, also where matchings and components are that long.
    let mut store = Store::default();
    let v: Vec<VarId> = (0..1000).map(|_| var(&mut store, 0..1000)).collect();
    assert!(post(&mut store, Constraint::AllDiff(v.clone())));
    for pair in v.windows(2) {
        assert!(post(&mut store, Constraint::NeqOff(pair[0], pair[1], -1)));
    }
    let mut search = Search::new(&store, &v, Branching::InputOrder).expect("known");
    assert_eq!(search.run(&mut store, 100_000), Progress::Solution);
    let values: Vec<i64> = v.iter().map(|v| left(&store, *v)[0]).collect();
    assert!(values.windows(2).all(|pair| pair[0] + 1 != pair[1]));
    assert_eq!(values.iter().collect::<std::collections::BTreeSet<_>>().len(), 1000);

    // A chain in which the first takes its value from the last through all others, one ring of a thousand.
    let mut store = Store::default();
    let v: Vec<VarId> = (0..1000).map(|i| var(&mut store, [i, (i + 1) % 1000])).collect();
    assert!(post(&mut store, Constraint::AllDiff(v.clone())));
    assert_eq!(store.try_assign(v[0], &Val::from(1)).map(|changes| changes.len()), Ok(1000));
    assert_eq!(left(&store, v[999]), [0]);

    // An ascending chain is fixed by its ends.
    let mut store = Store::default();
    let v: Vec<VarId> = (0..1000).map(|_| var(&mut store, 1..=1000)).collect();
    for pair in v.windows(2) {
        assert!(post(&mut store, Constraint::Lt(pair[0], pair[1])));
    }
    assert!(v.iter().zip(1..).all(|(v, i)| left(&store, *v) == [i]));
}

#[test]
fn failures_are_explained_by_name() {
    let mut store = Store::default();
    let v: Vec<VarId> = (0..4).map(|_| var(&mut store, 1..=3)).collect();
    assert!(post(&mut store, Constraint::Leq(v[3], v[0])));
    assert!(post(&mut store, Constraint::Lt(v[0], v[1])));
    assert!(post(&mut store, Constraint::AllDiff(vec![v[1], v[2]])));
    assert!(post(&mut store, Constraint::Eq(v[2], v[3])));
    store.narrow(v[3], &ints([2, 3])).expect("consistent");
    let why = store.explain(&Attempt::Assign(v[1], &Val::from(2))).expect("fails");
    assert_eq!(why.to_string(), "v4 <= v1, v1 < v2");
    assert_eq!((why.constraints, why.minimal), (vec![0, 1], true));
    let mut store = Store::default();
    let v: Vec<VarId> = (0..4).map(|_| var(&mut store, 1..=3)).collect();
    assert!(post(&mut store, Constraint::Lt(v[0], v[1])));
    assert!(post(&mut store, Constraint::Neq(v[2], v[3])));
    let last = Constraint::Lt(v[1], v[0]);
    let why = store.explain(&Attempt::Post(&last)).expect("fails");
    assert_eq!((why.to_string().as_str(), why.constraints), ("v1 < v2, v2 < v1", vec![0, 2]));
    assert_eq!(store.explain(&Attempt::Post(&Constraint::Neq(v[0], v[3]))), None);
    let why = store.explain(&Attempt::Narrow(v[3], &ints([7]))).expect("fails");
    assert_eq!((why.to_string().as_str(), why.constraints), ("no value", vec![]));
    assert_eq!(store.constraints().len(), 2, "explaining changes nothing");
    assert_eq!(left(&store, v[3]), [1, 2, 3]);
}

#[test]
fn explanations_suffice() {
    // The constraints named fail by themselves beside what was narrowed, in random stores.
    let mut rng = Rng(11);
    let mut explained = 0;
    for _ in 0..super::deep(1500) {
        let mut store = Store::default();
        let count = 2 + rng.below(3);
        let domains: Vec<Vec<Val>> = (0..count).map(|_| domain(&mut rng)).collect();
        assert!(domains.iter().all(|values| store.new_var(values).is_ok()));
        for _ in 0..5 {
            let constraint = constraint(&mut rng, count);
            let Some(why) = store.explain(&Attempt::Post(&constraint)) else {
                let known = store.post(constraint.clone());
                assert!(known.is_ok() || matches!(constraint, Constraint::Table(..)), "{known:?}");
                continue;
            };
            assert!(store.post(constraint.clone()).is_err() && why.minimal);
            explained += 1;
            let mut alone = Store::default();
            assert!(domains.iter().all(|values| alone.new_var(values).is_ok()));
            let own = store.constraints().len() as u32;
            let of = |number: &u32| if *number == own { &constraint } else { &store.constraints()[*number as usize] };
            let posted: Vec<bool> = why.constraints.iter().map(|n| alone.post(of(n).clone()).is_ok()).collect();
            assert!(posted.contains(&false), "{why}");
        }
    }
    assert!(explained > 1000, "{explained}");
}
