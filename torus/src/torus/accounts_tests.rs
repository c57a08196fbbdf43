//! Accounts to the unit: who an event comes from, how full the queue was, what counts as what.

use super::*;
use crate::Correction;
use crate::compute::Compute;
use crate::relay::{ProcessId, Relay, encode};
use crate::workload::{Source, cycle, routes};

fn cell(number: u32) -> Cell {
    Cell::wrapped(number)
}

/// Calls `work` with a relay torus of the default capacities, made ready by `make`.
fn with<T>(
    source: Option<Source>,
    make: impl FnOnce(Relay<'_>) -> Relay<'_>,
    work: impl FnOnce(&mut Torus<'_, Relay<'_>>) -> T,
) -> T {
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let relay = make(Relay::new(&capacities, &mut carver).expect("sized by bytes()"));
    let mut torus = Torus::new(&capacities, &mut carver, relay, source).expect("sized by bytes()");
    work(&mut torus)
}

#[test]
fn an_emitted_event_names_the_cell_it_comes_from() {
    // rse:T1: src is the executed cell, not what an earlier one left.
    with(
        None,
        |mut relay| {
            cycle(&mut relay, 8, 1).expect("fits");
            relay
        },
        |torus| {
            torus.apply(&Input::Inject { dst: cell(0), src: cell(0), payload: encode(1), count: 1 });
            torus.run(1);
            let sources: Vec<(u32, u32)> =
                (0..9).filter_map(|_| torus.step()).map(|step| (step.event.src, step.event.dst)).collect();
            assert!(sources.iter().all(|&(src, dst)| dst == (src + 1) % 8), "{sources:?}");
            assert_eq!((torus.counters().high_water, torus.counters().pending), (1, 1));
            torus.apply(&Input::Inject { dst: cell(0), src: cell(0), payload: encode(1), count: 4 });
            torus.run(20);
            assert_eq!(torus.counters().high_water, 5);
        },
    );
}

#[test]
fn corrections_count_apart_when_the_reactor_opts_in() {
    // decisions:NODE-3: off by default (see `tests`), counted as injected_corrective when on.
    with(
        None,
        |relay| relay.with_corrections(),
        |torus| {
            let input = Input::Corrective(Correction { cell: cell(5), amount: -3 });
            assert_eq!(torus.apply(&input), Applied { accepted: 1, rejected: 0 });
            let counters = torus.counters();
            assert_eq!((counters.injected, counters.injected_corrective, counters.pending), (0, 1, 1));
            assert!(counters.conserved());
            let event = torus.step().expect("the correction").event;
            assert_eq!((event.dst, event.payload), (5, encode(-3)));
        },
    );
}

#[test]
fn feeding_stops_at_the_lookahead() {
    // decisions:NODE-2.
    let arrivals: Vec<Event> = (0..50).map(|time| Event { time, ..Event::default() }).collect();
    with(
        Some(Source::new(arrivals.into(), Some(0)).with_lookahead(7)),
        |relay| relay,
        |torus| {
            assert_eq!(torus.apply(&Input::Feed { count: 40 }).accepted, 7);
            assert_eq!(torus.apply(&Input::Feed { count: 40 }).accepted, 0);
            torus.run(3);
            assert_eq!(torus.apply(&Input::Feed { count: 2 }).accepted, 2);
            assert_eq!(torus.counters().pending, 6);
        },
    );
}

#[test]
fn an_admitted_token_is_due_its_delay_after_the_clock() {
    // decisions:NODE-1, and rse:T2: a delay of 0 is taken as 1.
    with(
        None,
        |relay| relay,
        |torus| {
            torus.apply(&Input::InjectAt { time: 1000, dst: cell(1), src: cell(1), payload: 0 });
            torus.run(1);
            for (delay_ticks, due) in [(40, 1040), (0, 1001)] {
                let token = Token { delay_ticks, dst: cell(2), src: cell(3), payload: 9 };
                assert_eq!(torus.apply(&Input::Admit { from: 1, token }).accepted, 1);
                assert_eq!(torus.next_time(), Some(due));
            }
        },
    );
}

#[test]
fn routes_lead_back_from_arrivals_with_the_delay_asked_for() {
    // decisions:NODE-2: the graph of an event file, in order of first appearance, each leg once.
    let flight = |time, src, dst| Event { time, dst, src, payload: 0 };
    let flights = [flight(1, 10, 20), flight(2, 11, 20), flight(3, 10, 20), flight(4, 20, 10)];
    with(
        None,
        |mut relay| {
            let built = routes(&mut relay, &flights, 30).expect("fits");
            assert_eq!((built.edges, built.processes), (3, 2));
            relay
        },
        |torus| {
            let legs = |from| -> Vec<(u32, u64)> {
                torus.reactor().edges_of(cell(from)).map(|edge| (edge.to.get(), edge.delay_ticks)).collect()
            };
            assert_eq!((legs(20), legs(10), legs(11)), (vec![(10, 30), (11, 30)], vec![(20, 30)], vec![]));
            assert_eq!([10, 11, 20].map(|at| torus.reactor().processes_in(cell(at))), [1, 0, 1]);
        },
    );
}

#[test]
fn the_compute_variant_hands_over_its_latest_events() {
    // decisions:NODE-7, rse:T4.
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let compute = Compute::new(&mut carver).expect("sized");
    let mut torus = Torus::new(&capacities, &mut carver, compute, None).expect("sized");
    for time in 0..40 {
        torus.apply(&Input::InjectAt { time, dst: cell(0), src: cell(0), payload: encode(1) });
    }
    let mut given = Vec::new();
    assert_eq!(torus.hand_over(1, 5, &mut |token| given.push(token.delay_ticks)), 5);
    assert_eq!(given, [39, 38, 37, 36, 35]);
    assert_eq!((torus.counters().handed_out, torus.counters().pending), (5, 35));
    assert!(torus.counters().conserved() && torus.digest() == torus.digest_full());
}

#[test]
fn a_torus_of_the_seeds_capacities_takes_at_most_4_mib() {
    // decisions:NODE-10, rse:T7.
    let used = Capacities::default().bytes() + size_of::<Torus<'_, Relay<'_>>>();
    assert!(used <= 4 << 20, "{used} bytes");
}

#[test]
fn the_digest_tells_order_and_source_of_what_was_executed() {
    // decisions:NODE-12: the same events at the same time in another order, and an event from elsewhere.
    let digest = |events: [(u32, u32); 2]| {
        with(
            None,
            |relay| relay,
            |torus| {
                for (dst, src) in events {
                    torus.apply(&Input::Inject { dst: cell(dst), src: cell(src), payload: 1, count: 1 });
                    torus.run(1);
                }
                torus.digest()
            },
        )
    };
    let one = digest([(1, 0), (2, 0)]);
    assert_eq!(one, digest([(1, 0), (2, 0)]));
    assert_ne!(one, digest([(2, 0), (1, 0)]));
    assert_ne!(one, digest([(1, 0), (2, 7)]));
}

#[test]
fn an_event_due_now_is_handed_over_with_a_delay_of_one() {
    // decisions:NODE-1, rse:T2.
    with(
        None,
        |relay| relay,
        |torus| {
            torus.apply(&Input::Inject { dst: cell(4), src: cell(4), payload: 1, count: 2 });
            torus.run(1);
            let mut given = Vec::new();
            assert_eq!(torus.hand_over(1, 9, &mut |token| given.push(token.delay_ticks)), 1);
            assert_eq!(given, [1]);
        },
    );
}

#[test]
fn a_source_repeats_as_often_as_asked() {
    // decisions:NODE-2.
    for (repeats, total) in [(0, 3), (1, 6), (2, 9), (5, 18)] {
        let arrivals: Vec<Event> = (0..3).map(|time| Event { time, ..Event::default() }).collect();
        let source = Source::new(arrivals.into(), Some(repeats));
        with(Some(source), |relay| relay, |torus| assert_eq!(torus.apply(&Input::Feed { count: 99 }).accepted, total));
    }
}

#[test]
fn a_cell_that_loses_one_of_its_processes_still_delivers_to_the_others() {
    // rse:T8.
    let kept = ProcessId(1);
    with(
        None,
        |mut relay| {
            assert_eq!(relay.spawn(cell(7)), Ok(kept));
            let gone = relay.spawn(cell(7)).expect("fits");
            assert!(relay.remove(gone));
            relay
        },
        |torus| {
            torus.apply(&Input::Inject { dst: cell(7), src: cell(7), payload: 1, count: 3 });
            torus.run(9);
            assert_eq!(torus.reactor().delivered(kept), Some(3));
            assert!(torus.reactor_mut().remove(kept));
            assert_eq!((torus.reactor().processes_in(cell(7)), torus.digest()), (0, torus.digest_full()));
        },
    );
}

/// Gives away only events with an even payload.
#[derive(Debug)]
struct Picky;

impl crate::Reactor for Picky {
    fn react(&mut self, _event: &Event, _out: &mut crate::Emitter<'_>) {}

    fn hand_over(&mut self, to: u8, count: u32, queue: &mut crate::Emitter<'_>, sink: &mut dyn FnMut(Token)) -> u32 {
        let (mut given, mut kept) = (0, Vec::new());
        while given < count {
            let Some(event) = queue.take_latest() else { break };
            if event.payload.is_multiple_of(2) {
                sink(Token {
                    delay_ticks: u64::from(to),
                    dst: event.cell(),
                    src: event.cell(),
                    payload: event.payload,
                });
                given += 1;
            } else {
                kept.push(event);
            }
        }
        kept.into_iter().for_each(|event| queue.put_back(event));
        given
    }

    fn digest(&self) -> u64 {
        0
    }

    fn graph_digest(&self) -> u64 {
        0
    }
}

#[test]
fn what_a_reactor_keeps_back_stays_where_it_was() {
    // decisions:NODE-7, rse:T4: the torus tells to whom; the accounts hold; what was put back is executed at its time.
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    let mut torus = Torus::new(&capacities, &mut Carver::new(&mut bytes), Picky, None).expect("sized");
    for time in 0..40 {
        torus.apply(&Input::InjectAt { time, dst: cell(0), src: cell(0), payload: time });
    }
    torus.run(3);
    let mut given = Vec::new();
    assert_eq!(torus.hand_over(5, 9, &mut |token| given.push((token.delay_ticks, token.payload))), 9);
    assert_eq!(given, [38, 36, 34, 32, 30, 28, 26, 24, 22].map(|payload| (5, payload)));
    assert_eq!((torus.counters().handed_out, torus.counters().pending), (9, 28));
    assert!(torus.counters().conserved() && torus.digest() == torus.digest_full());
    let mut left = Vec::new();
    while let Some(stepped) = torus.step() {
        left.push(stepped.event.payload);
    }
    let expected: Vec<u64> = (3..40u64).filter(|payload| *payload < 22 || !payload.is_multiple_of(2)).collect();
    assert_eq!(left, expected);
}
