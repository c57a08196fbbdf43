//! A torus allocates nothing after it was made (`rse:T5`, `rse:T7`): counted by the global allocator, in a binary of its own.

use shm_transport::counting::{CountingAllocator, allocations, count};
use torus::memory::Carver;
use torus::record::{Entry, Record};
use torus::relay::{Relay, encode};
use torus::workload::{Rng, Source, random_graph};
use torus::{Capacities, Cell, Event, Input, Token, Torus};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_torus_allocates_nothing_after_it_was_made() {
    // rse:T5, rse:T7: runs, inputs of every kind, overflow, hand-over, digests and the encoding of records.
    let before = allocations();
    let capacities = Capacities::default();
    let mut bytes = vec![0; capacities.bytes()];
    assert!(allocations() > before, "the counter counts");
    let mut carver = Carver::new(&mut bytes);
    let mut relay = Relay::new(&capacities, &mut carver).expect("sized");
    let cells = random_graph(&mut relay, 500, 4000, 900_000, 3).expect("fits");
    let arrivals: Vec<Event> =
        (0..5000).map(|at| Event { time: at * 400, dst: 7, src: 1, payload: encode(-3) }).collect();
    let source = Source::new(arrivals.into(), None);
    let mut torus = Torus::new(&capacities, &mut carver, relay, Some(source)).expect("sized");
    let mut rng = Rng::new(5);
    let (executed, allocated) = count(|| {
        for round in 0..2000u64 {
            let dst = cells[rng.below(500) as usize];
            let token = Token { delay_ticks: 1 + rng.below(2_000_000), dst, src: Cell::default(), payload: encode(-2) };
            let input = match round % 8 {
                0 => Input::Inject { dst, src: dst, payload: encode(0), count: 5 },
                1 => Input::InjectAt { time: rng.below(1 << 40), dst, src: dst, payload: encode(-9) },
                2 => Input::Admit { from: 1, token },
                3 => Input::Feed { count: 40 },
                4 => Input::HandOver { to: 2, count: rng.below(600) as u32 },
                5 => Input::Step { count: 3 },
                6 => Input::Horizon { time: u64::MAX },
                _ => Input::Interval { ticks: 500 },
            };
            torus.apply(&input);
            let (executed, ordinal) = torus.place();
            let record = Record::Entry(Entry { torus: 0, executed, ordinal, input }).encode(round);
            assert_eq!(record.len(), 64);
            torus.run(300);
        }
        assert_eq!(torus.digest(), torus.digest_full());
        torus.counters().executed
    });
    assert_eq!(allocated, 0);
    assert!(executed > 100_000 && torus.counters().rejected > 0 && torus.counters().conserved());
}
