//! What a program sees is one state of all tori, committed or not (`decisions:AVM-2`).

use super::*;
use crate::vm::Refused;

/// Whoever looks at two objects whose sum is constant, in transactions of its own and in calls: nobody sees it broken, and an
/// execution ends well or because its snapshot was evicted. How many did.
fn watched(mut lanes: Lanes, transfers: i64, watches: i64, mut choose: impl FnMut(usize) -> usize) -> usize {
    let count = lanes.lanes.len();
    let homes = [0, count - 1];
    let [a, b] = homes.map(|lane| lanes.account(lane, 10));
    for (lane, [from, to]) in [(0, [a, b]), (count - 1, [b, a])] {
        lanes.start(lane, "transfers", &[object(from), object(to), Val::from(2), Val::from(transfers)]);
    }
    for lane in 0..count {
        let args = [object(a), object(b), Val::from(20), Val::from(watches)];
        lanes.start(lane, "watches", &args);
        lanes.start(lane, "audits", &args);
    }
    lanes.finish(&mut choose);
    let mut evicted = 0;
    for (lane, id) in &lanes.all {
        if let Some(Err(failure)) = lanes.lanes[*lane].result(*id) {
            assert_eq!(failure.error.name(), "ErrProgramSnapshotEvicted", "{}", failure.error);
            evicted += 1;
        }
    }
    assert_eq!(lanes.balance(a) + lanes.balance(b), 20);
    lanes.close();
    evicted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn avm_2_no_program_sees_a_mix_of_two_states(seed: u64, quantum in 3u32..120, lanes in 2u8..4) {
        prop_assert_eq!(watched(Lanes::new(lanes, quantum), 6, 6, seeded(seed)), 0);
    }

    // Older versions are hardly kept: then snapshots move on, calls begin anew, transactions fail by name; nothing is mixed.
    #[test]
    fn avm_2_no_program_sees_a_mix_of_two_states_when_versions_are_evicted(seed: u64, quantum in 3u32..120) {
        watched(Lanes::with(3, quantum, 1), 6, 6, seeded(seed));
    }
}

// The small case: one that changes two objects on two tori, one on a third that looks at them, in the orders of steps around many.
#[test]
fn avm_2_no_program_sees_a_mix_of_two_states_in_every_order() {
    for (versions, watcher) in [(64, "watches"), (1, "watches"), (1, "audits")] {
        for seed in 0..12 {
            let orders = every_order(40, |choose| {
                let mut lanes = Lanes::with(3, 10_000, versions);
                let [a, b] = [0, 1].map(|lane| lanes.account(lane, 10));
                lanes.start(0, "transfers", &[object(a), object(b), Val::from(1), Val::from(2)]);
                let watcher = lanes.start(2, watcher, &[object(a), object(b), Val::from(20), Val::from(2)]);
                lanes.finish(turned(seed, choose));
                if let Some(Err(failure)) = lanes.lanes[2].result(watcher) {
                    assert_eq!(failure.error.name(), "ErrProgramSnapshotEvicted", "{}", failure.error);
                }
                lanes.close();
            });
            assert!(orders >= 40, "{orders} orders");
        }
    }
}

// Tori whose clocks are far apart: the version of the snapshot is long gone, and nothing that was read has changed since.
#[test]
fn avm_2_a_snapshot_moves_on_when_nothing_it_read_has_changed() {
    let mut lanes = Lanes::with(3, 10_000, 1);
    let [a, b, c] = [0, 1, 2].map(|lane| lanes.account(lane, 1));
    lanes.start(2, "deposits", &[object(c), Val::from(50)]);
    lanes.finish(|_| 0);
    let reader = lanes.start(0, "altogether", &[object(a), object(b), object(c)]);
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, reader), Val::from(53));
    lanes.close();
}

// An object that was made on a torus whose clock is ahead is known to whoever is told of it from outside.
#[test]
fn avm_2_an_object_of_a_torus_that_is_ahead_is_found() {
    let mut lanes = Lanes::new(3, 10_000);
    let a = lanes.account(1, 5);
    lanes.start(1, "deposits", &[object(a), Val::from(20)]);
    lanes.finish(|_| 0);
    lanes.lanes[0].world.store.clock = 0;
    let ids = [lanes.start(0, "altogether", &[object(a), object(a), object(a)]), lanes.start(0, "moves", &[object(a)])];
    lanes.finish(|_| 0);
    assert_eq!(lanes.value(0, ids[0]), Val::from(75));
    let _ = lanes.value(0, ids[1]);
    lanes.close();
}

// It was read, then changed, then another object was changed more often than versions are kept: the transaction ends by name.
#[test]
fn avm_2_an_evicted_snapshot_ends_the_transaction_by_name() {
    let mut lanes = Lanes::with(3, 10_000, 1);
    let [b, c] = [1, 2].map(|lane| lanes.account(lane, 1));
    let reader = lanes.start(0, "reads_both", &[object(b), object(c)]);
    let noted = |lanes: &Lanes| lanes.lanes[0].trace(reader).iter().any(|entry| entry.to_string().contains("read"));
    while !noted(&lanes) {
        lanes.step(0);
    }
    for (lane, object) in [(1, b), (2, c)] {
        let writer = lanes.start(lane, "deposits", &[super::object(object), Val::from(3)]);
        while lanes.lanes[lane].result(writer).is_none() {
            lanes.lanes[lane].quantum(writer);
        }
    }
    lanes.finish(|_| 0);
    let failure = lanes.lanes[0].result(reader).expect("it is over").expect_err("its snapshot is gone");
    assert_eq!(failure.error.name(), "ErrProgramSnapshotEvicted");
    lanes.close();
}

// Why a commit was refused names the execution that changed the object, wherever it runs (`decisions:AVM-23`).
#[test]
fn avm_23_the_writer_of_a_conflicting_change_is_named() {
    for (home, writes_from) in [(0, 0), (0, 2), (1, 1), (1, 0), (1, 2)] {
        let mut lanes = Lanes::new(3, 10_000);
        let [a, b] = [home, 2].map(|lane| lanes.account(lane, 1));
        let reader = lanes.start(0, "reads_both", &[object(a), object(b)]);
        let noted = |lanes: &Lanes| lanes.lanes[0].trace(reader).iter().any(|entry| entry.to_string().contains("read"));
        while !noted(&lanes) {
            lanes.step(0);
        }
        // The reader waits for the other object; its question stays on the way.
        let writer = lanes.start(writes_from, "deposits", &[object(a), Val::from(1)]);
        let held = lanes.wires.remove(&(0, 2));
        while lanes.lanes[writes_from].result(writer).is_none() {
            let which = lanes.choices() - 1;
            lanes.step(which);
        }
        lanes.wires.entry((0, 2)).or_default().extend(held.into_iter().flatten());
        lanes.finish(|_| 0);
        assert_eq!(lanes.value(0, reader), Val::Bool(false), "{home} {writes_from}");
        let decisions = lanes.lanes[0].decisions(reader);
        let refused = decisions.last().and_then(|decision| decision.refused.clone());
        assert_eq!(refused, Some(Refused::Changed { object: a, by: Some(writer) }));
        lanes.close();
    }
}
