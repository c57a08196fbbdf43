//! Projection figures, one thread: extract, integrity, verify and apply, and a full exchange in process.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;

use shm_transport::slot::{self, Read, SLOTS, SlotReader, SlotWriter};
use torus::memory::Capacities;
use torus::projection::native::{self, Facts, Projection};
use torus::relay::Relay;
use torus::{Reactor, Torus};

use crate::measure::{interleave, ns_per_call, pin, unpin};
use crate::report::{Bar, Row};
use crate::seed::{ArrayHeap, SeedProjection, SeedTorus, fnv1a};
use crate::torus_rows::ring;

const CALLS: u32 = 20_000;

/// What the torus loop does to project, without the braid's own words.
pub fn extract(torus: &Torus<'_, Relay<'_>>, into: &mut Projection) {
    let counters = torus.counters();
    into.fill(&Facts {
        counters: &counters,
        faces: torus.faces(),
        load: torus.load(),
        room: torus.admission_room(),
        state_digest: torus.digest(),
        graph_digest: torus.reactor().graph_digest(),
        coupled: torus.reactor().coupled(),
        cpu_permille: 0,
        health: 0,
    });
}

/// A projection of a braid that has begun: sequence and round are never 0.
fn started() -> Projection {
    let mut projection = Projection::new(0, 3, 1);
    (projection.seq, projection.round) = (1, 1);
    projection
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    pin(0);
    let mut memory = vec![0; Capacities::default().bytes()];
    let mut torus = ring(&mut memory, 1000, 1000);
    torus.run(100_000);
    let mut seed = SeedTorus::<ArrayHeap>::ring(1000, 1000);
    seed.run(100_000);
    let mut rows = vec![extract_row(&torus, &seed), integrity_row(&torus)];
    rows.extend(exchange_rows(&torus, &seed));
    unpin();
    rows
}

fn extract_row(torus: &Torus<'_, Relay<'_>>, seed: &SeedTorus<ArrayHeap>) -> Row {
    let mut mine = Projection::new(0, 3, 1);
    let mut theirs = SeedProjection::new();
    let pairs = interleave(
        7,
        || ns_per_call(CALLS, || extract(black_box(torus), black_box(&mut mine))),
        || ns_per_call(CALLS, || black_box(seed).extract(black_box(&mut theirs))),
    );
    Row::against("projection extract", "ns", &pairs, "seed-shaped extract", Bar::AtMost(1.0 / 3.0))
        .note(format!("{} B against 4,216 B; the seed's extract includes its sampled state hash", native::SIZE))
}

fn integrity_row(torus: &Torus<'_, Relay<'_>>) -> Row {
    let mut mine = Projection::new(0, 3, 1);
    extract(torus, &mut mine);
    mine.seal();
    let bytes = vec![7u8; native::SIZE];
    let pairs = interleave(
        7,
        || ns_per_call(CALLS, || black_box(&mut mine).seal()),
        || {
            ns_per_call(CALLS / 10, || {
                black_box(fnv1a(black_box(&bytes)));
            })
        },
    );
    Row::against("projection integrity check, every byte", "ns", &pairs, "FNV-1a by bytes", Bar::AtMost(1.0 / 20.0))
}

fn exchange_rows(torus: &Torus<'_, Relay<'_>>, seed: &SeedTorus<ArrayHeap>) -> Vec<Row> {
    let words: Vec<AtomicU64> = (0..slot::words_needed(native::WORDS, SLOTS)).map(|_| AtomicU64::new(0)).collect();
    let mut writer = SlotWriter::new(&words, native::WORDS, SLOTS).expect("words_needed words");
    let mut reader = SlotReader::new(&words, native::WORDS, SLOTS).expect("words_needed words");
    let mut mine = started();
    let mut read = vec![0u64; native::WORDS];
    let mut exchange = || {
        extract(torus, &mut mine);
        mine.seq += 1;
        mine.seal();
        writer.publish(1, 0, mine.words());
        assert!(matches!(reader.read(&mut read), Read::Fresh { .. }));
        black_box(Projection::parse_words(&read).expect("what was sealed parses"));
    };
    let mut theirs = SeedProjection::new();
    let mut copy = vec![0u8; 4216];
    let mut seed_exchange = || {
        // Extract, the frame's hash, and the state hash checked by both receivers (rse sections 4.3, 5, 6.1).
        seed.extract(&mut theirs);
        copy.fill(theirs.state_hash() as u8);
        black_box(fnv1a(black_box(&copy)));
        black_box(theirs.verify());
        black_box(theirs.verify());
    };
    let pairs = interleave(7, || ns_per_call(CALLS / 4, &mut exchange), || ns_per_call(CALLS / 4, &mut seed_exchange));
    let mut verified = started();
    extract(torus, &mut verified);
    verified.seal();
    let mut apply = || {
        black_box(Projection::parse_words(black_box(verified.words())).expect("what was sealed parses"));
    };
    let mut theirs = SeedProjection::new();
    seed.extract(&mut theirs);
    let verify = interleave(
        7,
        || ns_per_call(CALLS, &mut apply),
        || {
            ns_per_call(CALLS, || {
                black_box(black_box(&theirs).verify());
            })
        },
    );
    vec![
        Row::against(
            "projection verify (parse, every field, every byte)",
            "ns",
            &verify,
            "seed-shaped verify (15 %)",
            Bar::None,
        ),
        Row::against("projection exchange in process, single thread", "ns", &pairs, "seed-shaped exchange", Bar::None)
            .note("extract, seal, publish in 8 slots, read, verify; the seed's published exchange: 7,500 ns"),
    ]
}
