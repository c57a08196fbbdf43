//! What the braid costs: three tori on one thread, real slots, every step of an exchange, at the effective cadence
//! (`decisions:NODE-9`: the larger of interval 1000 and the wall floor of 500 us), and at interval 1000 alone.

use std::sync::atomic::AtomicU64;

use shm_transport::slot::{self, Read, SLOTS, SlotReader, SlotWriter};
use torus::braid::{Braid, BraidConfig, Link, Own};
use torus::memory::Capacities;
use torus::projection::native::{Facts, Projection, WORDS};
use torus::relay::Relay;
use torus::{MAX_TORI, Reactor, Torus};

use crate::measure::{interleave, ns_per_call, pin, seconds, unpin};
use crate::report::{Bar, Row, median};
use crate::seed::{ArrayHeap, SeedProjection, SeedTorus, fnv1a};
use crate::torus_rows::ring;

const TORI: u8 = 3;
const EXCHANGES: u32 = 3_000;
const EVENTS: u64 = 1_000_000;

struct Member<'m> {
    torus: Torus<'m, Relay<'m>>,
    braid: Braid,
    writer: SlotWriter<'m>,
    readers: Vec<Option<SlotReader<'m>>>,
    projection: Projection,
    links: [Link; MAX_TORI],
    words: Box<[u64; WORDS]>,
}

fn own<'a>(torus: &'a Torus<'_, Relay<'_>>, counters: &'a torus::Counters, links: &'a [Link; MAX_TORI]) -> Own<'a> {
    let facts = Facts {
        counters,
        faces: torus.faces(),
        load: torus.load(),
        room: torus.admission_room(),
        state_digest: torus.digest(),
        graph_digest: torus.reactor().graph_digest(),
        coupled: true,
        cpu_permille: 0,
        health: 0,
    };
    Own { facts, links }
}

impl Member<'_> {
    /// One exchange of this torus, as its thread does it.
    fn exchange(&mut self, now_ns: u64) {
        for peer in self.braid.sources() {
            let Some(reader) = &mut self.readers[usize::from(peer)] else { continue };
            if let Read::Fresh { .. } = reader.read(&mut self.words[..]) {
                let projection = Projection::parse_words(&self.words[..]).expect("what was sealed parses");
                self.braid.observe(peer, projection, now_ns);
            }
        }
        let counters = self.torus.counters();
        self.braid.decide(&own(&self.torus, &counters, &self.links), now_ns);
        let own = own(&self.torus, &counters, &self.links);
        self.braid.project(&mut self.projection, &own, now_ns);
        self.writer.publish(1, now_ns, self.projection.words());
    }
}

fn with_members<T>(work: impl FnOnce(&mut Vec<Member<'_>>) -> T) -> T {
    let mut memories: Vec<Vec<u8>> = (0..TORI).map(|_| vec![0; Capacities::default().bytes()]).collect();
    let size = slot::words_needed(WORDS, SLOTS);
    let slots: Vec<Vec<AtomicU64>> = (0..TORI).map(|_| (0..size).map(|_| AtomicU64::new(0)).collect()).collect();
    let mut members: Vec<Member<'_>> = memories
        .iter_mut()
        .zip(0..TORI)
        .map(|(memory, me)| {
            let reader = |peer: u8| {
                let words = &slots[usize::from(peer)];
                (peer != me).then(|| SlotReader::new(words, WORDS, SLOTS).expect("words_needed words"))
            };
            Member {
                torus: ring(memory, 100, 100),
                braid: Braid::new(BraidConfig::default(), me, u64::from(me) + 1, TORI).expect("default settings"),
                writer: SlotWriter::new(&slots[usize::from(me)], WORDS, SLOTS).expect("words_needed words"),
                readers: (0..TORI).map(reader).collect(),
                projection: Projection::new(me, TORI, u64::from(me) + 1),
                links: [Link::default(); MAX_TORI],
                words: Box::new([0; WORDS]),
            }
        })
        .collect();
    work(&mut members)
}

/// Nanoseconds of one exchange of one torus.
fn exchange_ns(members: &mut [Member<'_>], now_ns: &mut u64, counter: &mut u64) -> f64 {
    ns_per_call(EXCHANGES, || {
        *now_ns += 500_000;
        *counter += 1;
        for member in members.iter_mut() {
            for peer in 0..TORI {
                member.braid.heard(peer, u64::from(peer) + 1, *counter, *now_ns);
            }
            member.braid.due(0, *now_ns);
            member.exchange(*now_ns);
        }
    }) / f64::from(TORI)
}

fn seed_exchange_ns(seed: &SeedTorus<ArrayHeap>, into: &mut SeedProjection, copy: &mut [u8]) -> f64 {
    ns_per_call(EXCHANGES, || {
        seed.extract(into);
        copy.fill(into.state_hash() as u8);
        std::hint::black_box(fnv1a(std::hint::black_box(copy)));
        std::hint::black_box((into.verify(), into.verify()));
    })
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    pin(0);
    let rows = with_members(|members| {
        let (mut now_ns, mut counter) = (0, 0);
        let mut seed = SeedTorus::<ArrayHeap>::ring(100, 100);
        seed.run(EVENTS / 10);
        let (mut into, mut copy) = (SeedProjection::new(), vec![0; 4216]);
        let mut overheads = (Vec::new(), Vec::new());
        let pairs = interleave(
            7,
            || {
                let rate = EVENTS as f64
                    / seconds(|| {
                        members[0].torus.run(EVENTS);
                    });
                let exchange = exchange_ns(members, &mut now_ns, &mut counter);
                let interval_ns = 1_000.0 / rate * 1e9;
                overheads.0.push(100.0 * exchange / interval_ns.max(500_000.0));
                overheads.1.push(100.0 * exchange / interval_ns);
                exchange
            },
            || seed_exchange_ns(&seed, &mut into, &mut copy),
        );
        let exchange = median(pairs.iter().map(|pair| pair.0).collect());
        vec![
            Row::against("braid exchange, every step, ns per torus", "ns", &pairs, "seed-shaped exchange", Bar::None)
                .note("read, verify, observe, decide, project, publish; the seed applies nothing"),
            Row::alone("braid overhead at the effective cadence", "%", overheads.0, Bar::ValueAtMost(1.0))
                .note(format!("interval 1000 with the wall floor of 500 us; {exchange:.0} ns an exchange")),
            Row::alone("braid overhead at interval 1000 without the floor", "%", overheads.1, Bar::None),
        ]
    });
    unpin();
    rows
}
