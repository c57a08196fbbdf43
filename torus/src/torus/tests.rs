//! The vectors of rse section 10 that belong to the engine, and the accounts.

use std::num::NonZeroU64;

use super::*;
use crate::compute::Compute;
use crate::relay::{Relay, SpawnError, decode, encode};
use crate::workload::{cycle, firehose, firehose_round, grid, parse_events, random_graph, routes, tokens};
use crate::{Cell, Correction};

/// Calls `work` with a relay torus of these capacities, its graph made by `make`.
fn with<T>(
    capacities: Capacities,
    make: impl FnOnce(&mut Relay<'_>),
    work: impl FnOnce(&mut Torus<'_, Relay<'_>>) -> T,
) -> T {
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let mut relay = Relay::new(&capacities, &mut carver).expect("sized by bytes()");
    make(&mut relay);
    let mut torus = Torus::new(&capacities, &mut carver, relay, None).expect("sized by bytes()");
    work(&mut torus)
}

fn n(x: i64) -> Cell {
    Cell::at(x, 0, 0)
}

fn inject(cell: Cell, payload: i32, count: u32) -> Input {
    Input::Inject { dst: cell, src: cell, payload: encode(payload), count }
}

fn edge_cells(relay: &mut Relay<'_>, edges: &[(i64, i64, u64)]) {
    for &(from, to, delay) in edges {
        relay.connect(n(from), n(to), delay).expect("fits");
    }
}

/// A ring over (0,0,0), (1,0,0), ... as the vectors have it.
fn ring(relay: &mut Relay<'_>, cells: i64, delay: u64) {
    (0..cells).for_each(|at| relay.connect(n(at), n((at + 1) % cells), delay).expect("fits"));
}

#[test]
fn vector_1_a_chain_runs_to_its_end() {
    // rse:T1.
    with(
        Capacities::default(),
        |relay| edge_cells(relay, &[(0, 1, 10), (1, 2, 10)]),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            assert_eq!(torus.run(1000), Ran { executed: 3, stopped: Stop::Empty });
            assert_eq!(torus.counters().clock, 18);
        },
    );
}

#[test]
fn vector_2_rings_run_in_pieces() {
    // rse:T1.
    with(
        Capacities::default(),
        |relay| ring(relay, 5, 1),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            assert_eq!((torus.run(10).executed, torus.counters().clock), (10, 9));
            assert_eq!((torus.run(5).executed, torus.counters().executed, torus.counters().clock), (5, 15, 14));
        },
    );
    with(
        Capacities::default(),
        |relay| ring(relay, 3, 1),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            let lifetimes: Vec<u64> = (0..3)
                .map(|_| {
                    torus.run(10);
                    torus.counters().executed
                })
                .collect();
            assert_eq!(lifetimes, [10, 20, 30]);
        },
    );
}

#[test]
fn vector_3_any_interleaving_of_injections_is_the_same() {
    // rse:T1, rse:T8: the events meet at one entrance, so interleavings are orders; the process counts what it was delivered.
    let digest = |order: &dyn Fn(i32) -> i32| {
        with(
            Capacities::default(),
            |relay| assert!(relay.spawn(n(0)).is_ok()),
            |torus| {
                (0..100).for_each(|at| assert_eq!(torus.apply(&inject(n(0), order(at), 1)).accepted, 1));
                assert_eq!((torus.run(100).executed, torus.counters().clock), (100, 0));
                assert_eq!(torus.reactor().delivered(crate::relay::ProcessId(1)), Some(100));
                torus.digest()
            },
        )
    };
    assert_eq!(digest(&|at| at), digest(&|at| at * 37 % 100));
    assert_eq!(digest(&|at| at), digest(&|at| 99 - at));
}

#[test]
fn vector_4_used_delays_decay_to_one() {
    // rse:T1.
    with(
        Capacities::default(),
        |relay| ring(relay, 10, 10),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            assert_eq!(torus.run(100).executed, 100);
            assert_eq!(torus.counters().clock, 459);
            assert!((0..10).all(|at| torus.reactor().edges_of(n(at)).all(|edge| edge.delay_ticks == 1)));
            torus.run(100);
            assert_eq!(torus.counters().clock, 559);
        },
    );
}

#[test]
fn vector_5_the_engine_part() {
    // The tori of vector 5, each on its own; the exchanges around them are the lockstep driver's.
    let run = |injections: &[(i64, i64, i32)]| {
        with(
            Capacities::default(),
            |relay| grid(relay, 4, 4, 10).expect("fits"),
            |torus| {
                for &(x, y, payload) in injections {
                    torus.apply(&inject(Cell::at(x, y, 0), payload, 1));
                }
                torus.run(10_000);
                assert_eq!((torus.reactor().processes(), torus.reactor().edges()), (16, 24));
                let face = (0..FACE as u32).map(|cell| torus.reactor().processes_in(Cell::wrapped(cell)));
                assert_eq!(face.sum::<u32>(), 4);
                (torus.counters().executed, torus.counters().clock)
            },
        )
    };
    assert_eq!(run(&[(0, 0, 1), (1, 1, 2)]), (88, 42));
    assert_eq!(run(&[(0, 0, 1)]), (69, 48));
    assert_eq!(run(&[(2, 2, 3)]), (5, 18));
}

#[test]
fn vector_7_every_table_has_its_bound() {
    // rse:T4, rse:T7, and defects X1, X2: a refusal is counted or an error, and it takes nothing.
    let capacities = Capacities { events: 8, admission: 0, processes_per_cell: 4, ..Capacities::default() };
    let edges = |relay: &mut Relay<'_>| {
        for at in 0..8192u32 {
            relay.connect(Cell::wrapped(at), Cell::wrapped(at + 9), 1).expect("8192 edges fit");
        }
        let refused = relay.connect(n(31), n(30), 1).expect_err("the table is full");
        assert_eq!(refused.capacity, 8192);
        relay.connect(Cell::wrapped(5), Cell::wrapped(14), 7).expect("replacing needs no room");
        for _ in 0..10 {
            let ids: Vec<_> = (0..4).map(|_| relay.spawn(Cell::at(32, 0, 0)).expect("room for four")).collect();
            assert_eq!(relay.spawn(n(0)), Err(SpawnError::Cell { cell: 0, limit: 4 }));
            assert!(ids.iter().all(|&id| relay.remove(id)) && !relay.remove(ids[0]));
        }
    };
    with(capacities, edges, |torus| {
        for (time, payload) in [(5, 1), (1, 1), (3, 1), (1, 0), (4, 1), (2, 1), (6, 1), (7, 1)] {
            let input = Input::InjectAt { time, dst: n(20), src: n(20), payload: encode(payload) };
            assert_eq!(torus.apply(&input).accepted, 1);
        }
        assert_eq!(torus.apply(&inject(n(0), 1, 1)), Applied { accepted: 0, rejected: 1 });
        let popped: Vec<(u64, i32)> =
            (0..3).filter_map(|_| torus.step()).map(|step| (step.event.time, decode(step.event.payload))).collect();
        assert_eq!(popped, [(1, 0), (1, 1), (2, 1)]);
        assert!(torus.counters().conserved());
    });
}

#[test]
fn vector_8_the_compute_variant() {
    // rse:T1, rse:T8.
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let mut compute = Compute::new(&mut carver).expect("sized");
    firehose(&mut compute, 1).expect("fits");
    let mut torus = Torus::new(&capacities, &mut carver, compute, None).expect("sized");
    (1..=3).flat_map(|value| firehose_round(1, value)).for_each(|input| assert_eq!(torus.apply(&input).accepted, 1));
    assert_eq!((torus.run(100).executed, torus.counters().clock), (30, 9));
    let states: Vec<Option<i64>> = (0..11).map(|x| torus.reactor().state(n(x))).collect();
    let expected: Vec<Option<i64>> = (2..12).map(|third| Some(3 * third)).chain([None]).collect();
    assert_eq!(states, expected);
    assert_eq!(torus.digest(), torus.digest_full());
    assert!(torus.counters().conserved());
}

#[test]
fn payloads_saturate_and_delays_are_at_least_one() {
    // rse:T2, defect X3: delay 0 becomes 1; p + 1 stops at i32::MAX; p <= 0 lengthens the delay before it is used.
    with(
        Capacities::default(),
        |relay| edge_cells(relay, &[(0, 0, 0), (1, 2, 5), (3, 4, u64::MAX)]),
        |torus| {
            torus.apply(&inject(n(0), i32::MAX - 1, 1));
            torus.run(50);
            assert_eq!(torus.counters().clock, 49);
            let step = torus.step().expect("one in flight");
            assert_eq!((decode(step.event.payload), step.fired()), (i32::MAX, &[(n(0), 1)][..]));
            torus.hand_over(1, 10, &mut |_| ());
            torus.apply(&inject(n(1), 0, 1));
            assert_eq!(torus.step().expect("injected").fired(), &[(n(2), 6)]);
            torus.apply(&inject(n(3), -5, 1));
            assert_eq!(torus.step().expect("injected").fired(), &[(n(4), u64::MAX)]);
            torus.run(1);
            assert_eq!(torus.next_time(), Some(u64::MAX));
            torus.run(10);
            assert_eq!((torus.counters().clock, torus.counters().pending), (u64::MAX, 0));
            torus.apply(&inject(n(0), 1, 2));
            assert_eq!(torus.run(100).executed, 100);
            assert!(torus.counters().conserved());
        },
    );
}

#[test]
fn an_existing_edge_is_replaced_in_place() {
    with(
        Capacities::default(),
        |relay| edge_cells(relay, &[(0, 1, 4), (0, 2, 4), (0, 3, 4), (0, 2, 9)]),
        |torus| {
            let edges: Vec<_> = torus.reactor().edges_of(n(0)).map(|edge| (edge.to, edge.delay_ticks)).collect();
            assert_eq!(edges, [(n(1), 4), (n(2), 9), (n(3), 4)]);
            assert_eq!(torus.reactor().edges(), 3);
            assert_eq!(torus.digest(), torus.digest_full());
            let mut histogram = [0; 32];
            torus.reactor().delay_histogram(&mut histogram);
            assert_eq!((histogram[2], histogram[3]), (2, 1));
        },
    );
}

#[test]
fn late_stamps_are_lifted_to_the_clock() {
    // rse:T3, defect X4.
    with(
        Capacities::default(),
        |relay| ring(relay, 4, 7),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            torus.run(9);
            let clock = torus.counters().clock;
            torus.apply(&Input::InjectAt { time: 3, dst: n(9), src: n(9), payload: 0 });
            assert_eq!(torus.next_time(), Some(clock));
            assert_eq!(torus.step().map(|step| step.event.time), Some(clock));
            let mut last = clock;
            for at in 0..500 {
                torus.apply(&Input::InjectAt { time: at % 90, dst: n(9), src: n(9), payload: 0 });
                torus.run(1);
                assert!(torus.counters().clock >= last);
                last = torus.counters().clock;
            }
        },
    );
}

#[test]
fn injections_at_the_current_time_join_in_canonical_order() {
    // decisions:NODE-11: also in the middle of the events of one time, few or many.
    for many in [10u32, 3000] {
        with(
            Capacities::default(),
            |_| (),
            |torus| {
                for at in 0..many {
                    torus.apply(&Input::InjectAt {
                        time: 5,
                        dst: Cell::wrapped(at * 7 % 1024 * 2),
                        src: n(0),
                        payload: 3,
                    });
                }
                torus.run(u64::from(many) / 2);
                let middle = torus.step().expect("half is left").event;
                for dst in [30_001, 1, middle.dst, middle.dst + 1] {
                    torus.apply(&inject(Cell::wrapped(dst), -4, 1));
                }
                let mut rest: Vec<Event> = std::iter::from_fn(|| torus.step().map(|step| step.event)).collect();
                assert_eq!(rest.len() as u32, many - many / 2 - 1 + 4);
                assert!(rest.is_sorted() && rest[0].dst == 1);
                rest.dedup_by_key(|event| event.time);
                assert_eq!(rest.len(), 1);
            },
        );
    }
}

#[test]
fn overflow_is_counted_and_stops_when_the_policy_says_so() {
    // rse:T4, decisions:NODE-5.
    let capacities = Capacities { events: 10, admission: 4, ..Capacities::default() };
    let fan = |relay: &mut Relay<'_>| (1..9).for_each(|to| relay.connect(n(0), n(to), 3).expect("fits"));
    for policy in [OnOverflow::Reject, OnOverflow::Stop] {
        with(capacities, fan, |torus| {
            torus.settings.on_overflow = policy;
            assert_eq!(torus.apply(&inject(n(0), 1, 3)).accepted, 3);
            let ran = torus.run(2);
            let stops = policy == OnOverflow::Stop;
            let expected = if stops { (1, Stop::Overflow) } else { (2, Stop::Exhausted) };
            assert_eq!((ran.executed, ran.stopped), expected);
            assert_eq!(torus.run(1).executed, u64::from(!stops));
            let token = Token { delay_ticks: 0, dst: n(9), src: n(9), payload: 0 };
            // The torus itself is full at 6; the other 4 places are for admissions, and no more.
            let room = torus.admission_room();
            let taken = (0..10).filter(|_| torus.apply(&Input::Admit { from: 1, token }).accepted == 1).count() as u64;
            assert_eq!((taken, torus.counters().handed_in, torus.counters().pending), (room, 10, 10));
            assert!(torus.counters().conserved() && torus.counters().rejected > 0);
            while torus.counters().pending > 0 {
                torus.apply(&Input::Resume);
                assert!(torus.run(100).executed > 0);
            }
            torus.apply(&Input::Resume);
            assert_eq!(torus.apply(&inject(n(1), 0, u32::MAX)).accepted, 6);
            assert!(torus.counters().conserved());
        });
    }
}

#[test]
fn pause_holds_step_reports_horizon_paces() {
    // decisions:NODE-2: all three are inputs.
    with(
        Capacities::default(),
        |relay| ring(relay, 5, 3),
        |torus| {
            torus.apply(&inject(n(0), 1, 1));
            torus.apply(&Input::Pause);
            assert_eq!(torus.run(5), Ran { executed: 0, stopped: Stop::Paused });
            let step = torus.step().expect("one event");
            assert_eq!((step.event.dst, step.fired(), step.fired_total), (0, &[(n(1), 2)][..], 1));
            assert_eq!(torus.apply(&Input::Step { count: 3 }).accepted, 3);
            torus.apply(&Input::Resume);
            torus.apply(&Input::Horizon { time: 10 });
            assert_eq!(torus.run(1000).stopped, Stop::Horizon);
            assert!(torus.counters().clock <= 10 && torus.next_time() > Some(10) && torus.step().is_none());
            torus.apply(&Input::Horizon { time: u64::MAX });
            assert_eq!(torus.run(10).stopped, Stop::Exhausted);
            assert_eq!(u64::from(torus.faces()[0]), torus.counters().executed.div_ceil(5));
        },
    );
}

#[test]
fn faces_count_both_sides_cumulatively_and_wrap() {
    // rse:P4, decisions:NODE-13.
    let edges = |relay: &mut Relay<'_>| edge_cells(relay, &[(0, 31, 1), (31, 15, 1), (15, 0, 1)]);
    with(Capacities::default(), edges, |torus| {
        torus.apply(&inject(n(0), 1, 1));
        torus.run(3 * 70_000);
        let mut expected = [0u16; FACES];
        expected[0] = 70_000u32 as u16;
        expected[FACE] = 70_000u32 as u16;
        assert_eq!(torus.faces(), &expected);
        torus.apply(&inject(Cell::at(31, 31, 31), 1, 1));
        torus.run(2);
        assert_eq!((torus.faces()[FACES - 1], torus.faces()[FACE - 1]), (1, 0));
    });
}

#[test]
fn handed_over_tokens_are_the_latest_and_arrive_whole() {
    // decisions:NODE-1, decisions:NODE-7, decisions:NODE-8.
    let (giving, tokens_given) = with(
        Capacities::default(),
        |relay| ring(relay, 20, 300),
        |torus| {
            (0..2000u64).for_each(|at| {
                let dst = n(at as i64 % 20);
                assert_eq!(
                    torus
                        .apply(&Input::InjectAt { time: at * 41 % 3001, dst, src: dst, payload: encode(at as i32) })
                        .accepted,
                    1
                );
            });
            torus.run(700);
            let mut given = Vec::new();
            assert_eq!(torus.hand_over(2, 900, &mut |token| given.push(token)), 900);
            assert!(given.is_sorted_by(|one, other| one.delay_ticks >= other.delay_ticks));
            assert!(torus.counters().conserved());
            assert_eq!(torus.digest(), torus.digest_full());
            let latest = given[899].delay_ticks + torus.counters().clock;
            let mut rest = Vec::new();
            while let Some(event) = torus.core.take_latest() {
                rest.push(event.time);
            }
            assert!(rest.iter().all(|&time| time <= latest) && rest.len() as u64 == 1100);
            (torus.counters(), given)
        },
    );
    assert_eq!(giving.handed_out, 900);
    with(
        Capacities::default(),
        |relay| ring(relay, 20, 300),
        |torus| {
            for &token in &tokens_given {
                assert_eq!(torus.apply(&Input::Admit { from: 0, token }).accepted, 1);
            }
            assert_eq!((torus.counters().handed_in, torus.counters().pending), (900, 900));
            assert!(torus.counters().conserved());
        },
    );
}

#[test]
fn corrections_make_no_work_unless_the_reactor_opts_in() {
    // decisions:NODE-3.
    with(
        Capacities::default(),
        |relay| ring(relay, 3, 1),
        |torus| {
            let input = Input::Corrective(Correction { cell: n(1), amount: -3 });
            assert_eq!(torus.apply(&input), Applied::default());
            assert_eq!(torus.counters(), Counters::default());
        },
    );
}

#[test]
fn the_january_flights_run_over_their_own_routes() {
    // decisions:NODE-2 (Feed), rse:T4: the whole file goes in, in step with the queue, and everything is accounted for.
    let events = parse_events(include_bytes!("../../../configs/data/flights-2013-01-events.csv")).expect("sample data");
    let capacities = Capacities { events: 4000, ..Capacities::default() };
    let run = |batch: u64| {
        let mut bytes = vec![0; capacities.bytes()];
        let mut carver = Carver::new(&mut bytes);
        let mut relay = Relay::new(&capacities, &mut carver).expect("sized");
        let built = routes(&mut relay, &events, 30).expect("fits");
        assert_eq!(built.processes, 85);
        let source = Source::new(events.clone().into(), Some(0));
        let mut torus = Torus::new(&capacities, &mut carver, relay, Some(source)).expect("sized");
        while torus.source().is_some_and(|source| source.next_time().is_some()) || torus.counters().pending > 0 {
            torus.apply(&Input::Feed { count: 64 });
            torus.run(batch);
        }
        let counters = torus.counters();
        assert!(counters.conserved() && counters.injected == 26_398 && counters.rejected == 0);
        assert_eq!(counters.executed, counters.injected + counters.generated);
        assert_eq!(torus.digest(), torus.digest_full());
        torus.digest()
    };
    assert_eq!(run(64), run(64));
}

#[test]
fn any_graph_runs_the_same_in_one_piece_and_in_many() {
    // rse:T1, rse:T6, decisions:NODE-12.
    let digest = |piece: u64| {
        let capacities = Capacities { events: 2000, ..Capacities::default() };
        let mut bytes = vec![0; capacities.bytes()];
        let mut carver = Carver::new(&mut bytes);
        let mut relay = Relay::new(&capacities, &mut carver).expect("sized");
        let cells = random_graph(&mut relay, 300, 900, 2000, 11).expect("fits");
        let mut torus = Torus::new(&capacities, &mut carver, relay, None).expect("sized");
        tokens(&cells, 50).for_each(|input| assert_eq!(torus.apply(&input).accepted, 1));
        let mut left = 100_000;
        while left > 0 {
            left -= torus.run(piece.min(left)).executed;
        }
        assert!(torus.counters().conserved());
        assert_eq!(torus.digest(), torus.digest_full());
        torus.digest()
    };
    let whole = digest(100_000);
    assert_eq!([1, 7, 1000].map(digest), [whole; 3]);
}

/// A reactor that emits a fixed fan, to see what a step reports of it.
struct Fan;

impl Reactor for Fan {
    fn react(&mut self, event: &Event, out: &mut Emitter<'_>) {
        if event.payload == 0 {
            for at in 0..20u64 {
                out.emit(NonZeroU64::MIN.saturating_add(at), Cell::wrapped(at as u32), 1);
            }
        }
    }

    fn admit(&mut self, token: &Token) -> bool {
        token.payload != 9
    }

    fn digest(&self) -> u64 {
        0
    }

    fn graph_digest(&self) -> u64 {
        0
    }
}

#[test]
fn a_step_reports_the_first_of_many_and_a_reactor_may_refuse() {
    // rse:T4: a refused admission is counted.
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    let mut torus = Torus::new(&capacities, &mut Carver::new(&mut bytes), Fan, None).expect("sized");
    torus.apply(&Input::Inject { dst: n(1), src: n(1), payload: 0, count: 1 });
    let step = torus.step().expect("one event");
    assert_eq!((step.fired_total, step.fired().len(), step.fired()[3]), (20, FIRED, (Cell::wrapped(3), 4)));
    let token = Token { delay_ticks: 5, dst: n(2), src: n(2), payload: 9 };
    assert_eq!(torus.apply(&Input::Admit { from: 2, token }), Applied { accepted: 0, rejected: 1 });
    assert_eq!(torus.hand_over(1, 5, &mut |_| ()), 0);
    assert!(torus.counters().conserved());
}

#[test]
fn a_cycle_is_one_and_settings_follow_inputs() {
    with(
        Capacities::default(),
        |relay| cycle(relay, 100, 1).expect("fits"),
        |torus| {
            assert_eq!(torus.reactor().edges(), 100);
            for input in [Input::Batch { events: 0 }, Input::Interval { ticks: 250 }, Input::Mode(Mode::Ring)] {
                torus.apply(&input);
            }
            let settings = torus.settings();
            assert_eq!((settings.batch_events, settings.interval_ticks, settings.mode), (1, 250, Mode::Ring));
            torus.apply(&Input::Lost { peer: 2, count: 7 });
            assert_eq!((torus.counters().lost, torus.place()), (7, (0, 4)));
        },
    );
}
