//! Tests of the lockstep drivers: the seed's braid vectors, and convergence with real events.

use proptest::prelude::*;

use super::{Lockstep, SeedLockstep, seed_projection};
use crate::braid::{BraidConfig, Kind};
use crate::memory::Carver;
use crate::relay::{Relay, encode};
use crate::{Capacities, Cell, Input, Mode, Torus, workload};

/// Makes `n` relay tori over the graph that `build` makes and hands them to `work`.
fn with_tori<T>(
    n: usize,
    capacities: &Capacities,
    build: impl Fn(&mut Relay<'_>),
    work: impl FnOnce(Vec<Torus<'_, Relay<'_>>>) -> T,
) -> T {
    let mut memory = vec![vec![0_u8; capacities.bytes()]; n];
    let make = |bytes| {
        let mut carver = Carver::new(bytes);
        let mut relay = Relay::new(capacities, &mut carver).expect("enough bytes");
        build(&mut relay);
        Torus::new(capacities, &mut carver, relay, None).expect("enough bytes")
    };
    let tori = memory.iter_mut().map(|bytes| make(bytes.as_mut_slice())).collect();
    work(tori)
}

fn inject(torus: &mut Torus<'_, Relay<'_>>, x: i64, y: i64, payload: i32) {
    let cell = Cell::at(x, y, 0);
    let applied = torus.apply(&Input::Inject { dst: cell, src: cell, payload: encode(payload), count: 1 });
    assert_eq!(applied.accepted, 1);
}

fn grid(relay: &mut Relay<'_>) {
    workload::grid(relay, 4, 4, 10).expect("24 edges, 16 processes");
}

fn seed_braid<T>(interval_ticks: u64, work: impl FnOnce(&mut SeedLockstep<'_>) -> T) -> T {
    with_tori(3, &Capacities::default(), grid, |mut tori| {
        inject(&mut tori[0], 0, 0, 1);
        inject(&mut tori[0], 1, 1, 2);
        inject(&mut tori[1], 0, 0, 1);
        inject(&mut tori[2], 2, 2, 3);
        let tori: [Torus<'_, Relay<'_>>; 3] = tori.try_into().expect("three");
        work(&mut SeedLockstep::new(tori, interval_ticks))
    })
}

/// Vector 5 (`rse:V5`, `rse:T1`): three grids of 4 x 4, 10,000 ticks, interval 1,000, seed projections, corrections off.
#[test]
fn vector_5_three_grids() {
    seed_braid(1_000, |braid| {
        braid.run(10_000);
        let results = [0, 1, 2].map(|id| {
            let counters = braid.tori()[id].counters();
            assert!(counters.conserved());
            (counters.executed, counters.clock)
        });
        assert_eq!(results, [(88, 42), (69, 48), (5, 18)]);
        assert_eq!((braid.exchanges(), braid.cycles(), braid.phase(), braid.violations()), (10, 3, 1, 0));
        for id in 0..3 {
            let projection = seed_projection(id, &braid.tori()[id as usize]);
            assert!(projection.verifies());
            assert_eq!((projection.active_processes, projection.edge_count), (16, 24));
            assert_eq!(projection.boundary.iter().sum::<u32>(), 4);
        }
        let a = seed_projection(0, &braid.tori()[0]);
        assert_eq!((a.total_events, a.timestamp, a.current_time, a.pending_events), (88, 42, 42, 0));
        assert_eq!(a.constraints[..6], [88, 16, 24, 42, 0, 0]);
    });
}

/// Vector 6 (`rse:V6`): exchanges, cycles and the next phase; splitting a run changes nothing (the seed stalled across calls).
#[test]
fn vector_6_exchanges_and_cycles() {
    seed_braid(100, |braid| {
        braid.run(300);
        assert_eq!((braid.exchanges(), braid.cycles(), braid.phase()), (3, 1, 0));
    });
    seed_braid(1_000, |braid| {
        braid.run(5_000);
        assert_eq!((braid.exchanges(), braid.cycles(), braid.phase()), (5, 1, 2));
    });
    seed_braid(1_000, |braid| {
        for _ in 0..50 {
            braid.run(100);
        }
        assert_eq!((braid.exchanges(), braid.cycles(), braid.phase()), (5, 1, 2));
    });
}

/// rse.md section 6.1: clocks more than 10,000 ticks apart are one violation an exchange.
#[test]
fn the_seed_braid_counts_inconsistent_clocks() {
    seed_braid(100, |braid| {
        let cell = Cell::at(9, 9, 9);
        braid.tori[2].apply(&Input::InjectAt { time: 20_000, dst: cell, src: cell, payload: encode(1) });
        braid.run(600);
        assert_eq!((braid.exchanges(), braid.violations()), (6, 6));
    });
}

const SMALL: Capacities =
    Capacities { events: 4_096, edges: 256, processes: 16, processes_per_cell: 8, admission: 192 };

fn skewed<T>(
    n: usize,
    tokens: u32,
    config: BraidConfig,
    together: bool,
    work: impl FnOnce(Lockstep<'_, Relay<'_>>) -> T,
) -> T {
    let ring = |relay: &mut Relay<'_>| workload::cycle(relay, 64, 3).expect("64 edges");
    with_tori(n, &SMALL, ring, |mut tori| {
        for token in 0..tokens {
            let cell = Cell::wrapped(token % 64);
            tori[0].apply(&Input::Inject { dst: cell, src: cell, payload: encode(1), count: 1 });
        }
        work(Lockstep::new(tori, config, together).expect("in range"))
    })
}

fn lockstep_config(mode: Mode) -> BraidConfig {
    BraidConfig { mode, interval_ticks: 200, ..BraidConfig::default() }
}

/// `rse:B2`, `rse:B3`, `decisions:NODE-3`: tokens that all start on one of three relay tori level out in either mode; nothing is
/// lost or invented on the way, no conservation bound breaks, and corrections stop.
#[test]
fn a_skewed_load_levels_out_b2_b3() {
    for (mode, together) in [Mode::Rotate, Mode::Ring].into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        skewed(3, 900, lockstep_config(mode), together, |mut braid| {
            assert_eq!(braid.loads(), [900, 0, 0]);
            let mut spread = 900;
            for _ in 0..150 {
                braid.round();
                assert!(braid.conserved());
                let loads = braid.loads();
                let now = loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0);
                assert!(now <= spread, "{mode:?}: {spread} -> {now}");
                spread = now;
            }
            assert!(spread <= 6, "{mode:?} {together}: {:?}", braid.loads());
            assert_eq!(braid.loads().iter().sum::<u64>() + braid.under_way(), 900);
            assert_eq!(braid.violations().1, 0);
            assert!(braid.violations().0[Kind::Load as usize] > 0);
            let counters = [0, 1, 2].map(|id| braid.torus(id).counters());
            let made = counters.iter().map(|c| c.injected + c.injected_corrective).sum::<u64>();
            assert_eq!((made, counters[0].injected_corrective), (900, 0), "corrections invent no work");
            let moves = braid.corrections()[Kind::Load as usize];
            assert!(moves > 0);
            (0..50).for_each(|_| braid.round());
            assert_eq!(braid.corrections()[Kind::Load as usize], moves, "at rest");
            let executed = (0..3).map(|id| braid.torus(id).counters().executed).collect::<Vec<_>>();
            assert!(executed.iter().all(|&executed| executed > 10_000), "{executed:?}");
        });
    }
}

/// `decisions:NODE-2`, `decisions:NODE-12`: the same tori in lockstep end with the same digests, incremental and scanned; other
/// settings give others.
#[test]
fn digests_are_reproducible() {
    let run = |tokens, mode| {
        skewed(3, tokens, lockstep_config(mode), false, |mut braid| {
            (0..40).for_each(|_| braid.round());
            let scanned: Vec<u64> = (0..3).map(|id| braid.torus(id).digest_full()).collect();
            assert_eq!(braid.digests(), scanned);
            scanned
        })
    };
    assert_eq!(run(500, Mode::Rotate), run(500, Mode::Rotate));
    assert_ne!(run(500, Mode::Rotate), run(501, Mode::Rotate));
    assert_ne!(run(500, Mode::Rotate), run(500, Mode::Ring));
}

/// `decisions:NODE-5`, `decisions:NODE-8`: a ring of eight records bounds what is under way, and levelling still ends.
#[test]
fn a_small_ring_bounds_what_moves() {
    let config = BraidConfig { ring_capacity: 8, ..lockstep_config(Mode::Ring) };
    skewed(3, 300, config, true, |mut braid| {
        for _ in 0..400 {
            braid.round();
            assert!(braid.under_way() <= 3 * 8 && braid.conserved());
        }
        assert_eq!(braid.violations().1, 0);
        let loads = braid.loads();
        assert!(loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0) <= 6, "{loads:?}");
    });
}

/// `rse:B3`: a message that vanishes from a ring is seen by its receiver.
#[test]
fn a_vanished_message_is_seen_b3() {
    skewed(3, 900, lockstep_config(Mode::Ring), true, |mut braid| {
        while braid.under_way() == 0 {
            braid.round();
        }
        let ring = braid.lanes.iter_mut().flat_map(|lane| &mut lane.inbound).find(|ring| !ring.is_empty());
        ring.expect("something is under way").pop_back();
        assert!(!braid.conserved());
        (0..5).for_each(|_| braid.round());
        assert!(braid.violations().1 > 0);
        assert!(braid.violations().0[Kind::Conservation as usize] > 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// `rse:B2`: with real events, for 2 to 5 tori and any number of tokens, the spread never grows and nothing is lost.
    #[test]
    fn spread_never_grows_with_real_events_b2(n in 2_usize..=5, tokens in 0_u32..1_500, ring: bool, together: bool) {
        let mode = if ring { Mode::Ring } else { Mode::Rotate };
        skewed(n, tokens, lockstep_config(mode), together, |mut braid| {
            let mut spread = u64::from(tokens);
            for _ in 0..60 {
                braid.round();
                let loads = braid.loads();
                let now = loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0);
                prop_assert!(now <= spread && braid.conserved() && braid.violations().1 == 0, "{:?}", loads);
                prop_assert_eq!(loads.iter().sum::<u64>() + braid.under_way(), u64::from(tokens));
                spread = now;
            }
            Ok(())
        })?;
    }
}
