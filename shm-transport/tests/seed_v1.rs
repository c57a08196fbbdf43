//! A torus of ours in a seed region beside seed-like peers: a model of the seed's behaviour written from
//! rse-v1-region section 4, stepped in single memory accesses, so that every interleaving can happen.
#![allow(clippy::print_stdout, reason = "counts and skips are for the reader of the test run")]

mod seed_peer;

use proptest::prelude::*;
use seed_peer::{Hashes, SeedPeer, projection};
use shm_transport::seed_v1::{
    ACKS_OFFSET, FILE_BYTES, PAYLOAD_WORDS, PeerState, REGION_BYTES, SeedError, SeedRegion, SeedTorus, Start, WINDOW_NS,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::{FromBytes, IntoBytes};

fn zeroed() -> Vec<AtomicU64> {
    (0..REGION_BYTES / 8).map(|_| AtomicU64::new(0)).collect()
}

fn words(payload: &[u8]) -> [u64; PAYLOAD_WORDS] {
    <[u64; PAYLOAD_WORDS]>::read_from_bytes(payload).expect("4216 bytes")
}

/// Bytes of the region as an outsider sees them.
fn bytes(region: &[AtomicU64]) -> Vec<u8> {
    region.iter().flat_map(|word| word.load(Ordering::SeqCst).to_le_bytes()).collect()
}

#[test]
fn both_hash_vectors_hold() {
    // rse-v1-region section 3.
    let mut zero = [0u8; 4216];
    assert_eq!(Hashes::state(&zero), 0xe4f5_62fd_0d77_0a67);
    Hashes::seal(&mut zero);
    assert_eq!(Hashes::payload(&zero), 0x2324_3b70_1c49_6fe2);
    let vector = projection(1, 1001);
    assert_eq!(Hashes::state(&vector), 0x2f00_5b23_9670_ff6e);
    assert_eq!(Hashes::payload(&vector), 0x0757_ed1d_1987_288c);
}

#[test]
fn a_publication_stands_where_the_seed_looks_for_it() {
    // rse-v1-region section 1, section 4 rule 3: byte exact.
    for me in 0..3u8 {
        let region = zeroed();
        let mut torus = SeedTorus::join(&region, me).expect("fits");
        let payload = projection(u32::from(me), 77);
        assert_eq!(torus.publish(&words(&payload), &Hashes), 1);
        let (at, seen) = (4240 * usize::from(me), bytes(&region));
        assert_eq!(seen[at..at + 8], 1u64.to_le_bytes());
        assert_eq!(seen[at + 8..at + 16], Hashes::payload(&payload).to_le_bytes());
        assert_eq!(seen[at + 16..at + 20], 4216u32.to_le_bytes());
        assert_eq!(seen[at + 20..at + 24], 1u32.to_le_bytes());
        assert_eq!(seen[at + 24..at + 4240], payload);
        let rest = seen[..at].iter().chain(&seen[at + 4240..]);
        assert!(rest.copied().all(|byte| byte == 0), "nothing else is touched");
    }
    assert!(matches!(SeedTorus::join(&zeroed(), 3), Err(SeedError::NoSuchTorus { torus: 3 })));
    assert!(matches!(SeedTorus::join(&zeroed()[1..], 0), Err(SeedError::Short { .. })));
}

#[test]
fn an_ack_is_exactly_what_was_read_and_each_projection_comes_once() {
    // rse-v1-region section 4, rules 6 and 7; rse:M4.
    let region = zeroed();
    let mut ours = SeedTorus::join(&region, 1).expect("fits");
    let mut peer = SeedTorus::join(&region, 2).expect("fits");
    for round in 1..=20u64 {
        let payload = projection(2, round * 10);
        let seq = peer.publish(&words(&payload), &Hashes);
        let mut got = Vec::new();
        for _ in 0..3 {
            ours.poll(round, &Hashes, |delivery| got.push((delivery.peer, delivery.seq, delivery.payload.to_vec())));
        }
        assert_eq!(got, [(2, seq, payload.to_vec())]);
        assert_eq!(region[ACKS_OFFSET / 8 + 3 + 2].load(Ordering::SeqCst), seq);
    }
    assert_eq!((ours.counts().delivered, ours.counts().unsound, ours.counts().late_acks), (20, 0, 0));
    assert_eq!(ours.peer(2, 20), Some(PeerState::Delivered));
    assert_eq!(ours.peer(2, 20 + WINDOW_NS + 1), Some(PeerState::Done), "rule 8: one-shot peer, done");
    assert_eq!((ours.peer(0, 0), ours.peer(1, 0)), (Some(PeerState::Absent), None));
}

#[test]
fn unsound_slots_are_retried_not_acked_and_given_up_after_a_window() {
    // rse-v1-region section 4, rule 6; rse:M5, rse:M7: hash, state hash, torus id, length, each alone.
    let good = projection(2, 5);
    let mut wrong_id = projection(0, 5);
    let mut wrong_state = good;
    wrong_state[8] ^= 1;
    Hashes::seal(&mut wrong_id);
    let cases = [
        (good, Some(9), 4216u64),
        (wrong_id, None, 4216),
        (wrong_state, None, 4216),
        (good, None, 4215),
        (good, None, 5000),
    ];
    for (case, (payload, hash, length)) in cases.into_iter().enumerate() {
        let region = zeroed();
        let mut ours = SeedTorus::join(&region, 0).expect("fits");
        let slot = &region[1060..1590];
        for (to, from) in slot[3..].iter().zip(words(&payload)) {
            to.store(from, Ordering::SeqCst);
        }
        slot[1].store(hash.unwrap_or(Hashes::payload(&payload)), Ordering::SeqCst);
        slot[0].store(1, Ordering::SeqCst);
        slot[2].store(length | 1 << 32, Ordering::SeqCst);
        let nothing = |_: shm_transport::seed_v1::Delivery<'_>| panic!("case {case}: delivered");
        assert_eq!(ours.poll(0, &Hashes, nothing), 0);
        assert_eq!(ours.poll(WINDOW_NS, &Hashes, nothing), 0);
        assert_eq!((ours.counts().unsound, ours.counts().given_up), (2, 0));
        assert_eq!(ours.peer(2, 0), Some(PeerState::Unsound));
        assert_eq!(ours.poll(WINDOW_NS + 1, &Hashes, nothing), 0);
        assert_eq!(ours.poll(WINDOW_NS + 2, &Hashes, nothing), 0);
        assert_eq!((ours.counts().unsound, ours.counts().given_up), (3, 1), "given up, so not looked at again");
        assert!(region[ACKS_OFFSET / 8..].iter().all(|ack| ack.load(Ordering::SeqCst) == 0), "never acked");
        // It changes: a new chance.
        let mut peer = SeedTorus::join(&region, 2).expect("fits");
        peer.publish(&words(&good), &Hashes);
        assert_eq!(ours.poll(WINDOW_NS + 3, &Hashes, |_| ()), 1);
    }
}

#[test]
fn a_left_over_file_satisfies_nothing() {
    // rse-v1-region section 4, rule 2; rse:M3: ready = 1, seq = 1 and acks = 1 of an earlier run, and nobody there.
    let region = zeroed();
    for torus in 0..3u8 {
        let mut old = SeedTorus::join(&region, torus).expect("fits");
        old.publish(&words(&projection(u32::from(torus), 1)), &Hashes);
    }
    region[ACKS_OFFSET / 8..].iter().for_each(|ack| ack.store(1, Ordering::SeqCst));
    for me in 0..3u8 {
        let mut alone = SeedTorus::join(&region, me).expect("fits");
        alone.poll(0, &Hashes, |_| panic!("a left-over was delivered"));
        let seq = alone.publish(&words(&projection(u32::from(me), 2)), &Hashes);
        assert!(seq > 1, "the old acks confirm 1");
        for now in 0..100 {
            alone.poll(now * 1_000_000, &Hashes, |_| panic!("a left-over was delivered"));
        }
        assert!(!alone.is_complete());
        assert_eq!(alone.counts().published, 1, "nobody consumed it, so it is not repeated");
        assert_eq!(alone.peer((me + 1) % 3, 0), Some(PeerState::Stale));
        region[530 * usize::from(me)].store(1, Ordering::SeqCst);
    }
    // A peer that starts afresh in the same file, again with sequence 1, is heard because its content differs.
    let mut alone = SeedTorus::join(&region, 0).expect("fits");
    alone.publish(&words(&projection(0, 3)), &Hashes);
    let mut booted = SeedPeer::new(1, projection(1, 99));
    let mut heard = Vec::new();
    for _ in 0..10_000 {
        booted.step(&region);
        alone.poll(0, &Hashes, |delivery| heard.push((delivery.peer, delivery.seq)));
    }
    assert_eq!(heard, [(1, 1)]);
}

#[test]
fn no_sequence_number_is_zero_or_already_acked() {
    // rse-v1-region section 4: seq 0 is never consumed; an ack counts by equality, so an old one must not fit.
    let region = zeroed();
    region[0].store(u64::MAX - 1, Ordering::SeqCst);
    region[ACKS_OFFSET / 8 + 3].store(u64::MAX, Ordering::SeqCst);
    region[ACKS_OFFSET / 8 + 6].store(1, Ordering::SeqCst);
    let mut torus = SeedTorus::join(&region, 0).expect("fits");
    assert_eq!(torus.publish(&words(&projection(0, 1)), &Hashes), 2);
}

/// A schedule: who moves next, drawn from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[test]
fn a_thousand_rounds_with_two_seed_peers_all_complete() {
    // rse-v1-region section 4, rules 3 to 7. Each round is a fresh region, two seed nodes of one publication each
    // that boot at any time, and one torus of ours between any two of their memory accesses. Every seed node must
    // come to "acked" and "received" (which needs our republications), and never judge a copy invalid.
    let mut dice = Dice(20);
    let (mut republished, mut unsound) = (0, 0);
    for round in 0..1000u64 {
        let region = zeroed();
        let me = (round % 3) as u8;
        let mut ours = SeedTorus::join(&region, me).expect("fits");
        let seed = |torus: u8| SeedPeer::new(torus, projection(u32::from(torus), 1000 + round));
        let mut seeds = [seed((me + 1) % 3), seed((me + 2) % 3)];
        let starts = [dice.roll(600), dice.roll(600)];
        ours.publish(&words(&projection(u32::from(me), round)), &Hashes);
        let mut got = Vec::new();
        let mut step = 0;
        while !(ours.is_complete() && seeds.iter().all(SeedPeer::is_done)) {
            assert!(step < 20_000, "round {round} does not end: {:?} {seeds:?}", ours.counts());
            let who = dice.roll(2) as usize;
            if step >= starts[who] && !seeds[who].is_done() {
                seeds[who].step(&region);
            }
            ours.poll(step * 1000, &Hashes, |delivery| got.push((delivery.peer, delivery.payload.to_vec())));
            step += 1;
        }
        got.sort();
        let mut expected: Vec<_> = seeds.iter().map(|seed| (seed.torus(), seed.payload().to_vec())).collect();
        expected.sort();
        assert_eq!(got, expected, "each peer's projection exactly once, round {round}");
        assert!(seeds.iter().all(|seed| seed.invalid() == 0), "round {round}: {seeds:?}");
        republished += ours.counts().published - 1;
        unsound += ours.counts().unsound;
    }
    assert!(republished > 0, "rule 5 was needed");
    println!("republished {republished}, unsound looks {unsound}");
}

#[test]
fn two_tori_of_ours_beside_one_seed_node() {
    // rse-v1-region section 4, rule 4: both are up before the seed node boots; its one pass finds both.
    for round in 0..300u64 {
        let region = zeroed();
        let mut ours = [0u8, 1].map(|torus| SeedTorus::join(&region, torus).expect("fits"));
        for (torus, side) in ours.iter_mut().enumerate() {
            side.publish(&words(&projection(torus as u32, round)), &Hashes);
        }
        let mut seed = SeedPeer::new(2, projection(2, round + 1));
        let mut steps = 0;
        while !(seed.is_done() && ours.iter().all(SeedTorus::is_complete)) {
            assert!(steps < 20_000, "round {round} does not end");
            seed.step(&region);
            ours.iter_mut().for_each(|side| {
                side.poll(steps, &Hashes, |_| ());
            });
            steps += 1;
        }
        assert_eq!(seed.invalid(), 0);
    }
}

#[test]
fn a_foreign_writer_that_republishes_in_seed_order_is_never_read_torn() {
    // rse-v1-region section 4, rule 6; X18 of rse.md: from the second publication on the sequence changes before the
    // payload while ready stays 1. Between any two stores we look; what we take is whole: the new content, or, under
    // the new number, the old one still standing.
    let region = zeroed();
    let mut ours = SeedTorus::join(&region, 0).expect("fits");
    for number in 1..=400u64 {
        let (old, new) = (projection(1, number - 1), projection(1, number));
        let mut writer = SeedPeer::with_seq(1, new, number);
        let mut last = Vec::new();
        while writer.is_publishing() {
            writer.step(&region);
            ours.poll(number, &Hashes, |delivery| {
                assert!(delivery.payload == new || delivery.payload == old, "a mixture was delivered");
                last = delivery.payload.to_vec();
            });
        }
        assert!(last == new, "delivered as soon as it is whole");
    }
    assert!(ours.counts().unsound > 400, "torn looks were there and refused: {:?}", ours.counts());
}

#[test]
fn a_reader_on_another_core_never_takes_a_mixture() {
    // rse-v1-region section 4, rule 3: our order, real threads.
    let region = zeroed();
    let mut ours = SeedTorus::join(&region, 0).expect("fits");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = SeedTorus::join(&region, 1).expect("fits");
            for number in 1..=3000u64 {
                writer.publish(&words(&projection(1, number)), &Hashes);
            }
        });
        let mut last = 0;
        while last < 3000 {
            ours.poll(0, &Hashes, |delivery| {
                let number = u64::from_le_bytes(delivery.payload[8..16].try_into().expect("8 bytes"));
                assert!(delivery.payload == projection(1, number), "a mixture was delivered");
                assert!(number > last, "never back");
                last = number;
            });
        }
    });
}

#[test]
fn the_file_is_made_with_the_seeds_size_and_never_cleared() {
    // rse-v1-region section 1 and section 4, rules 1 and 2.
    let path = PathBuf::from(format!("/dev/shm/trefoil-seed-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (region, start) = SeedRegion::open(&path).expect("create");
    assert_eq!((start, std::fs::metadata(&path).expect("stat").len()), (Start::Blank, FILE_BYTES as u64));
    SeedTorus::join(region.words(), 2).expect("fits").publish(&words(&projection(2, 1)), &Hashes);
    let before = std::fs::read(&path).expect("read");
    let (again, start) = SeedRegion::open(&path).expect("open");
    assert_eq!(start, Start::Used);
    assert_eq!(std::fs::read(&path).expect("read"), before);
    again.verify().expect("whole");
    std::fs::write(&path, [0u8; 12_791]).expect("write");
    let error = SeedRegion::open(&path).expect_err("too short").to_string();
    assert!(error.contains("12792") && error.contains("truncate"), "{error}");
    let _ = std::fs::remove_file(&path);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn m7_any_content_is_survived_and_never_delivered_unsound(
        changes in prop::collection::vec((0usize..1599, any::<u64>()), 0..60), ready in any::<bool>(),
    ) {
        // rse:M7: the region has no check of its own; every word may be anything.
        let region = zeroed();
        let mut ours = SeedTorus::join(&region, 0).expect("fits");
        for (index, value) in changes {
            region[index].store(value, Ordering::SeqCst);
        }
        if ready {
            region[532].store(4216 | 1 << 32, Ordering::SeqCst);
        }
        ours.publish(&words(&projection(0, 1)), &Hashes);
        for now in 0..4 {
            ours.poll(now * WINDOW_NS, &Hashes, |delivery| assert!(Hashes::is_good(delivery.peer, delivery.payload)));
        }
        prop_assert!(region.as_slice().len() == REGION_BYTES / 8 && !bytes(&region).as_bytes().is_empty());
    }
}
