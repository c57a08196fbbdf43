//! Isolation as others see it (`avm:10.2`, `decisions:AVM-19`): random transactions that append to lists and read them,
//! interleaved at quanta; from what they read the order of versions is recovered, from it the dependencies, and cycles of
//! dependencies are anomalies. Transactions that came to nothing count by what they read: no program sees a mix.
//! `TREFOIL_DEEP=1` for ten times as many (`make check-deep`).
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

#[path = "isolation/broken.rs"]
mod broken;
#[path = "isolation/checker.rs"]
mod checker;
#[path = "isolation/history.rs"]
mod history;
#[path = "isolation/lanes.rs"]
mod lanes;
#[path = "isolation/weak.rs"]
mod weak;

use std::collections::BTreeMap;

use checker::{Anomaly, Observed, Op, check};
use history::{Rng, Shape, concurrent, module};
use lanes::over_lanes;
use weak::{Weakness, weak};

/// Transactions of the short run.
const TRANSACTIONS: usize = 100_000;

fn found(histories: impl Iterator<Item = (Vec<Observed>, BTreeMap<u64, Vec<i64>>)>) -> BTreeMap<Anomaly, usize> {
    let mut all = BTreeMap::new();
    for (history, last) in histories {
        for anomaly in check(&history, &last) {
            *all.entry(anomaly).or_insert(0) += 1;
        }
    }
    all
}

/// A history, and what its transactions that came to nothing have read, as transactions of their own.
fn with_doomed(history: &[Observed]) -> Vec<Observed> {
    let mut all = history.to_vec();
    for (at, tx) in history.iter().enumerate().filter(|(_, tx)| !tx.committed) {
        let mut own: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        let mut ops = Vec::new();
        for op in &tx.ops {
            match op {
                Op::Append(key, value) => own.entry(*key).or_default().push(*value),
                Op::Read(key, values) => {
                    let mine = own.get(key).map(Vec::as_slice).unwrap_or_default();
                    ops.push(Op::Read(*key, values.strip_suffix(mine).unwrap_or(values).to_vec()));
                }
            }
        }
        all.push(Observed { session: u64::MAX - at as u64, ops, committed: true, refused: false });
    }
    all
}

/// Runs histories until there are enough transactions; none may show an anomaly.
fn all_serialisable(of: impl Fn(u64, &Shape) -> (Vec<Observed>, BTreeMap<u64, Vec<i64>>)) {
    let deep = std::env::var_os("TREFOIL_DEEP").is_some_and(|value| value == "1");
    let wanted = if deep { 10 * TRANSACTIONS } else { TRANSACTIONS };
    let (mut done, mut committed, mut refused) = (0, 0, 0);
    let mut seed = 0;
    while done < wanted {
        let shape = Shape::of(seed);
        let (history, last) = of(seed, &shape);
        done += history.len();
        committed += history.iter().filter(|tx| tx.committed).count();
        refused += history.iter().filter(|tx| tx.refused).count();
        let anomalies = check(&with_doomed(&history), &last);
        assert!(anomalies.is_empty(), "seed {seed}: {anomalies:?}");
        seed += 1;
    }
    // Otherwise nothing was tested: they must meet, and they must get through.
    assert!(committed * 10 > done, "{committed} of {done} committed");
    assert!(refused * 100 > done, "{refused} of {done} refused");
}

#[test]
fn transactions_are_serialisable() {
    all_serialisable(concurrent);
}

// decisions:AVM-2, decisions:AVM-22: objects on three tori, executions on all of them, messages in any order.
#[test]
fn transactions_over_three_tori_are_serialisable() {
    let module = module();
    all_serialisable(|seed, shape| over_lanes(seed, shape, &module));
}

// The same histories, told by somebody who lies: each anomaly is found.
#[test]
fn an_anomaly_in_a_history_over_three_tori_is_found() {
    let module = module();
    for anomaly in [Anomaly::G0, Anomaly::G1a, Anomaly::G1b, Anomaly::G1c, Anomaly::GSingle, Anomaly::G2] {
        let mut seeds = 0..60;
        let found = seeds.any(|seed| {
            let (history, last) = over_lanes(seed, &Shape::of(seed), &module);
            broken::broken(&history, &last, anomaly, 20).iter().any(|(lie, end)| check(lie, end).contains(&anomaly))
        });
        assert!(found, "{anomaly:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    assert_eq!(concurrent(7, &Shape::of(7)), concurrent(7, &Shape::of(7)));
    let module = module();
    let over = || over_lanes(7, &Shape::of(7), &module);
    assert_eq!(over(), over());
}

#[test]
fn a_store_that_does_not_isolate_is_found_out() {
    let of = |weakness| found((0..300).map(move |seed| weak(seed, weakness)));
    assert!(of(Weakness::None).is_empty(), "{:?}", of(Weakness::None));
    let dirty = of(Weakness::Dirty);
    assert!(dirty.contains_key(&Anomaly::G1a) && dirty.contains_key(&Anomaly::G1b), "{dirty:?}");
    assert!(dirty.contains_key(&Anomaly::G1c) || dirty.contains_key(&Anomaly::G0), "{dirty:?}");
    let unchecked = of(Weakness::NoValidation);
    assert!(unchecked.contains_key(&Anomaly::Lost), "{unchecked:?}");
    let skewed = of(Weakness::WritesOnly);
    assert!(skewed.contains_key(&Anomaly::G2), "{skewed:?}");
    assert!(!skewed.contains_key(&Anomaly::GSingle), "snapshots exclude read skew: {skewed:?}");
    let torn = of(Weakness::ReadCommitted);
    assert!(torn.contains_key(&Anomaly::GSingle), "{torn:?}");
}

fn tx(ops: Vec<Op>, committed: bool) -> Observed {
    Observed { session: 0, ops, committed, refused: false }
}

fn of(history: &[(Vec<Op>, bool)], last: &[(u64, &[i64])]) -> Vec<Anomaly> {
    let history: Vec<Observed> = (0..)
        .zip(history)
        .map(|(session, (ops, committed))| Observed { session, ..tx(ops.clone(), *committed) })
        .collect();
    check(&history, &last.iter().map(|(key, values)| (*key, values.to_vec())).collect())
}

#[test]
fn each_anomaly_is_told_apart() {
    use Op::{Append as A, Read as R};
    let r = |key, values: &[i64]| R(key, values.to_vec());
    // Two writers interleave their writes of two keys.
    let g0 = [(vec![A(0, 1), A(1, 2)], true), (vec![A(0, 3), A(1, 4)], true)];
    assert_eq!(of(&g0, &[(0, &[1, 3]), (1, &[4, 2])]), [Anomaly::G0]);
    let aborted = [(vec![A(0, 1)], false), (vec![r(0, &[1])], true)];
    assert_eq!(of(&aborted, &[(0, &[])]), [Anomaly::G1a]);
    let intermediate = [(vec![A(0, 1), A(0, 2)], true), (vec![r(0, &[1])], true)];
    assert!(of(&intermediate, &[(0, &[1, 2])]).contains(&Anomaly::G1b));
    let circular = [(vec![A(0, 1), r(1, &[2])], true), (vec![A(1, 2), r(0, &[1])], true)];
    assert_eq!(of(&circular, &[(0, &[1]), (1, &[2])]), [Anomaly::G1c]);
    // Reads one key before and one after a writer of both.
    let skew = [(vec![A(0, 1), A(1, 2)], true), (vec![r(0, &[]), r(1, &[2])], true)];
    assert_eq!(of(&skew, &[(0, &[1]), (1, &[2])]), [Anomaly::GSingle]);
    let write_skew = [(vec![r(0, &[]), A(1, 1)], true), (vec![r(1, &[]), A(0, 2)], true)];
    assert_eq!(of(&write_skew, &[(0, &[2]), (1, &[1])]), [Anomaly::G2]);
    let lost = [(vec![r(0, &[]), A(0, 1)], true), (vec![r(0, &[]), A(0, 2)], true)];
    assert!(of(&lost, &[(0, &[2])]).contains(&Anomaly::Lost));
    let internal = [(vec![A(0, 1), r(0, &[])], true)];
    assert_eq!(of(&internal, &[(0, &[1])]), [Anomaly::Internal]);
    let forked = [(vec![A(0, 1)], true), (vec![A(0, 2)], true), (vec![r(0, &[1, 2])], true), (vec![r(0, &[2])], true)];
    assert!(of(&forked, &[(0, &[1, 2])]).contains(&Anomaly::Order));
    let fine = [(vec![A(0, 1), r(1, &[])], true), (vec![A(0, 9)], false), (vec![r(0, &[1]), A(1, 2)], true)];
    assert_eq!(of(&fine, &[(0, &[1]), (1, &[2])]), []);
    // One session sees its own past.
    let session = |n: u64, ops| Observed { session: n, ..tx(ops, true) };
    let back = [session(0, vec![A(0, 1)]), session(0, vec![r(0, &[])])];
    assert_eq!(check(&back, &BTreeMap::from([(0, vec![1])])), [Anomaly::Session]);
}

#[test]
fn random_numbers_are_spread() {
    let mut rng = Rng(1);
    let mut seen = [0; 8];
    (0..800).for_each(|_| seen[rng.below(8) as usize] += 1);
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}
