//! Pure functions that all tori share (`avm:4.6`, `decisions:AVM-9`).

use super::*;
use crate::vm::Failure;

fn numbers(all: &[i64]) -> Val {
    Val::List(all.iter().map(|n| Val::from(*n)).collect())
}

fn failure(lanes: &Lanes, lane: usize, id: ExecutionId) -> Option<Failure> {
    lanes.lanes[lane].result(id).expect("it is over").err()
}

/// What `double(1)` is on each lane.
fn everywhere(lanes: &mut Lanes) -> Vec<Val> {
    let all: Vec<_> = (0..lanes.lanes.len()).map(|lane| (lane, lanes.start(lane, "asks", &[Val::from(1)]))).collect();
    lanes.finish(|_| 0);
    all.into_iter().map(|(lane, id)| lanes.value(lane, id)).collect()
}

/// Runs a case under the first orders of steps, and under some that are drawn from all of them.
fn many_orders(most: usize, mut case: impl FnMut(&mut dyn FnMut(usize) -> usize)) {
    let orders = every_order(most, &mut case);
    assert!(orders > 10, "{orders} orders");
    (0..most as u64).for_each(|seed| case(&mut seeded(seed)));
}

// Nobody sees the old function after somebody has seen the new one, and when its maker goes on it is in force everywhere.
#[test]
fn avm_9_an_update_is_in_force_on_every_torus_in_every_order() {
    for maker in 0..3 {
        let mut seen = std::collections::BTreeSet::new();
        many_orders(300, |choose| {
            let mut lanes = Lanes::new(3, 10_000);
            let update = lanes.start(maker, "updates", &[Val::from(10), Val::Nothing]);
            let readers = [0, 2].map(|lane| (lane, lanes.start(lane, "asks_twice", &[Val::from(1)])));
            lanes.finish(choose);
            assert_eq!(lanes.value(maker, update), Val::List(vec![true.into(), 10.into()]));
            for (lane, reader) in readers {
                let value = lanes.value(lane, reader);
                assert!([[2, 2], [2, 10], [10, 10]].map(|pair| numbers(&pair)).contains(&value), "{value}");
                seen.insert(value.to_string());
            }
            assert_eq!(everywhere(&mut lanes), [10, 10, 10].map(Val::from));
            lanes.close();
        });
        assert!(seen.len() > 1, "some readers come before and some after: {seen:?}");
    }
}

// Of two updates of one version exactly one wins, whoever asks first, and all tori have the same.
#[test]
fn avm_9_of_two_updates_one_has_lost_the_race_in_every_order() {
    let mut winners = std::collections::BTreeSet::new();
    for tori in [[0, 1], [1, 2], [1, 1]] {
        many_orders(200, |choose| {
            let mut lanes = Lanes::new(3, 10_000);
            let both = [(tori[0], 10), (tori[1], 20)]
                .map(|(lane, by)| (lane, by, lanes.start(lane, "updates", &[Val::from(by), Val::from(0)])));
            lanes.finish(choose);
            let won: Vec<i64> = both
                .iter()
                .filter(|(lane, _, id)| failure(&lanes, *lane, *id).is_none())
                .map(|(_, by, _)| *by)
                .collect();
            let lost = both.iter().find_map(|(lane, _, id)| failure(&lanes, *lane, *id)).expect("one has lost");
            assert_eq!(lost.error, crate::error::PureError::VersionConflict("double".to_owned(), 0, 1).into());
            assert_eq!(won.len(), 1);
            winners.insert(won[0]);
            assert_eq!(everywhere(&mut lanes), [won[0]; 3].map(Val::from));
            lanes.close();
        });
    }
    assert_eq!(winners.len(), 2, "either can win");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    // A transaction keeps the version it saw, cut anywhere.
    #[test]
    fn avm_9_a_transaction_keeps_the_version_it_saw(seed: u64, quantum in 1u32..60) {
        let mut lanes = Lanes::new(3, quantum);
        let readers = [0, 1, 2].map(|lane| (lane, lanes.start(lane, "keeps", &[Val::from(1)])));
        lanes.start(1, "updates", &[Val::from(10), Val::Nothing]);
        lanes.start(2, "updates", &[Val::from(20), Val::Nothing]);
        lanes.finish(seeded(seed));
        for (lane, reader) in readers {
            let value = lanes.value(lane, reader);
            prop_assert!([[2, 2], [10, 10], [20, 20]].map(|pair| numbers(&pair)).contains(&value), "{value}");
        }
        let all = everywhere(&mut lanes);
        prop_assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        lanes.close();
    }
}

// Registry changes are not rolled back, and an execution that is over leaves them all the same.
#[test]
fn avm_9_an_update_of_an_aborted_or_failed_run_is_in_force() {
    for lane in 0..3 {
        let mut lanes = Lanes::new(3, 1000);
        let aborts = lanes.start(lane, "updates_and_aborts", &[Val::from(10)]);
        lanes.finish(|_| 0);
        assert_eq!(lanes.value(lane, aborts), Val::from(10));
        lanes.start(lane, "updates_and_fails", &[Val::from(20)]);
        lanes.finish(|_| 0);
        assert_eq!(everywhere(&mut lanes), [20, 20, 20].map(Val::from));
        lanes.close();
    }
    let mut lanes = Lanes::new(3, 1000);
    let twice = lanes.start(1, "updates_twice", &[Val::from(10)]);
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(1, twice), Val::from(11));
    assert_eq!(everywhere(&mut lanes), [11, 11, 11].map(Val::from));
    lanes.close();
}

// Where a torus lacks the module of the function nothing changes anywhere, and the maker is told.
#[test]
fn avm_9_an_update_that_a_torus_cannot_take_changes_nothing() {
    let text = "module other\nfn go() -> bool { updatePure(\"double\", |n| 0) }";
    let module = compile(&[Source::new("other.avm", text)], &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let verified = verify(module).expect("it is sound");
    for maker in 0..2 {
        let mut lanes = Lanes::new(3, 1000);
        lanes.lanes[..2].iter_mut().for_each(|lane| lane.load(&verified).expect("it fits"));
        let id = lanes.lanes[maker].start(&Start::new("other", "go")).expect("it starts");
        lanes.running.push((maker, id));
        lanes.all.push((maker, id));
        lanes.finish(|_| 0);
        let failure = failure(&lanes, maker, id).expect("it fails");
        assert!(failure.error.to_string().contains("not loaded on every torus"), "{}", failure.error);
        assert_eq!(everywhere(&mut lanes), [2, 2, 2].map(Val::from));
        lanes.close();
    }
}

// Terminated anywhere, a maker leaves the registry the same on all tori.
#[test]
fn avm_9_a_terminated_maker_leaves_one_registry() {
    for after in 0..12 {
        let mut lanes = Lanes::new(3, 1000);
        let victim = lanes.start(2, "updates", &[Val::from(10), Val::Nothing]);
        for _ in 0..after {
            if lanes.choices() > 0 {
                lanes.step(0);
            }
        }
        lanes.lanes[2].terminate(victim);
        lanes.running.retain(|(_, id)| *id != victim);
        lanes.collect(2);
        lanes.finish(|_| 0);
        let all = everywhere(&mut lanes);
        assert!(all.iter().all(|one| *one == all[0]), "{after}: {all:?}");
        lanes.close();
    }
}

// Stopped after any number of steps: who asks after somebody has seen the new function sees it too, on whichever torus.
#[test]
fn avm_9_nobody_sees_the_old_function_after_the_new_one_was_seen() {
    let mut news = 0;
    for seed in 0..300 {
        let mut choose = seeded(seed);
        let mut lanes = Lanes::new(3, 10_000);
        lanes.start(1, "updates", &[Val::from(10), Val::Nothing]);
        for _ in 0..seed % 13 {
            if lanes.choices() > 0 {
                let which = choose(lanes.choices());
                lanes.step(which);
            }
        }
        let mut seen = Vec::new();
        for lane in [seed as usize % 3, (seed as usize + 1) % 3] {
            let asks = lanes.start(lane, "asks", &[Val::from(1)]);
            // It alone goes on, unless it has to wait.
            while lanes.lanes[lane].status(asks) != Some(Status::Terminated) {
                let own = lanes.runnable().iter().position(|(_, id)| *id == asks);
                let which = own.unwrap_or_else(|| choose(lanes.choices()));
                lanes.step(which);
            }
            seen.push(lanes.value(lane, asks));
        }
        assert!(seen != [10, 2].map(Val::from), "{seed}");
        news += u32::from(seen == [10, 10].map(Val::from));
        lanes.finish(choose);
        lanes.close();
    }
    assert!(news > 0, "some see the new one");
}
