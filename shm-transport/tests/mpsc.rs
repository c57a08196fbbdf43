//! The injection ring: order, fullness, senders that stop between claim and publication, load, and words of any content
//! (rse:M7).
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shm_transport::mpsc::{Attached, Claim, Damaged, Receiver, SendError, Sender, Stuck, words_needed};
use shm_transport::sync::{AtomicU64, Ordering};
use shm_transport::words::LayoutError;

const WORDS: usize = 7;
const RECORDS: usize = 4;

fn ring() -> Vec<AtomicU64> {
    (0..words_needed(WORDS, RECORDS)).map(|_| AtomicU64::new(0)).collect()
}

fn sender(words: &[AtomicU64]) -> Sender<'_> {
    Sender::new(words, WORDS, RECORDS).unwrap()
}

fn receiver(words: &[AtomicU64]) -> Receiver<'_> {
    Receiver::attach(words, WORDS, RECORDS, 1).unwrap().0
}

fn take(receiver: &mut Receiver<'_>) -> Option<u64> {
    let mut out = [0; WORDS];
    let took = receiver.recv(&mut out).unwrap();
    assert!(!took || out == [out[0]; WORDS], "torn: {out:?}");
    took.then_some(out[0])
}

#[test]
fn a_geometry_that_does_not_fit_is_refused_with_its_numbers() {
    let words = ring();
    assert!(matches!(Sender::new(&words, WORDS, 5), Err(LayoutError::Entries { given: 5, .. })));
    assert!(matches!(Receiver::attach(&words, 1 << 20, RECORDS, 1), Err(LayoutError::Payload { .. })));
    assert!(matches!(Sender::new(&words[1..], WORDS, RECORDS), Err(LayoutError::TooShort { .. })));
    assert_eq!(words_needed(7, 1024), 32 + 1024 * 8, "seven words and the state fill one line");
}

#[test]
fn it_is_a_bounded_queue_in_order_of_claims() {
    let words = ring();
    let (one, mut receiver) = (sender(&words), receiver(&words));
    let two = one.clone();
    for lap in 0..5 {
        for value in 0..4 {
            [&one, &two][value as usize % 2].send(&[10 * lap + value; WORDS]).unwrap();
        }
        assert_eq!((one.send(&[9; WORDS]), one.backlog()), (Err(SendError::Full), 4));
        for value in 0..4 {
            assert_eq!(take(&mut receiver), Some(10 * lap + value));
        }
        assert_eq!(take(&mut receiver), None);
    }
    assert_eq!((receiver.received(), receiver.backlog()), (20, 0));
}

/// A claimed place holds the receiver up, then is given up by the times passed in; the late publication is told so and
/// the place comes back.
#[test]
fn a_stopped_sender_is_passed_after_the_patience_and_harmless_later() {
    let words = ring();
    let (sender, mut receiver) = (sender(&words), receiver(&words));
    let claim = sender.claim().unwrap();
    sender.send(&[2; WORDS]).unwrap();
    assert_eq!(take(&mut receiver), None, "order of claims: nothing overtakes");
    assert_eq!(receiver.skip_stuck(1000, 50), Ok(Stuck::Waiting { for_ns: 0 }));
    assert_eq!(receiver.skip_stuck(1049, 50), Ok(Stuck::Waiting { for_ns: 49 }));
    assert_eq!(receiver.skip_stuck(1050, 50), Ok(Stuck::Abandoned));
    assert_eq!((take(&mut receiver), receiver.abandoned(), receiver.holes()), (Some(2), 1, 1));
    assert_eq!(receiver.skip_stuck(2000, 50), Ok(Stuck::No));
    // Without the place of the stopped sender the ring holds three, lap after lap.
    for lap in 0..3 {
        for value in 0..3 {
            sender.send(&[10 * lap + value; WORDS]).unwrap();
        }
        assert_eq!(sender.send(&[9; WORDS]), Err(SendError::Full));
        for value in 0..3 {
            assert_eq!(take(&mut receiver), Some(10 * lap + value));
        }
    }
    assert_eq!(claim.publish(&[1; WORDS]), Err(SendError::GivenUp));
    for lap in 0..3 {
        for value in 0..4 {
            if let Err(error) = sender.send(&[10 * lap + value; WORDS]) {
                assert_eq!((error, lap), (SendError::Full, 0), "the place is back after one lap");
            }
        }
        while take(&mut receiver).is_some() {}
    }
    assert_eq!((receiver.holes(), receiver.abandoned(), receiver.received()), (0, 1, 1 + 9 + 3 + 4 + 4));
}

/// A hole at the tail of a full ring is not passed: the receiver has not taken what stands before it.
#[test]
fn a_full_ring_with_a_hole_at_its_tail_says_full() {
    let words = ring();
    let (sender, mut receiver) = (sender(&words), receiver(&words));
    let _stopped = sender.claim().unwrap();
    assert_eq!(receiver.skip_stuck(0, 0), Ok(Stuck::Abandoned));
    for value in 1..=3 {
        sender.send(&[value; WORDS]).unwrap();
    }
    // The tail is at the hole; its last lap was passed. One more record goes after it, if there is a place: there is none.
    for _ in 0..3 {
        assert_eq!(sender.send(&[9; WORDS]), Err(SendError::Full));
        assert!(sender.backlog() <= RECORDS as u64);
    }
    for value in 1..=3 {
        assert_eq!(take(&mut receiver), Some(value));
    }
    assert_eq!(take(&mut receiver), None);
    assert_eq!(receiver.skip_stuck(9, 0), Ok(Stuck::No), "an empty ring is not stuck");
}

/// With every place given up nothing can be sent, and the ring says so instead of going round for ever.
#[test]
fn a_ring_of_holes_is_full_and_recovers_with_its_senders() {
    let words = ring();
    let (sender, mut receiver) = (sender(&words), receiver(&words));
    let claims: Vec<Claim<'_>> = (0..RECORDS).map(|_| sender.claim().unwrap()).collect();
    for now_ns in 0..RECORDS as u64 {
        assert_eq!(receiver.skip_stuck(now_ns, 0), Ok(Stuck::Abandoned));
    }
    assert_eq!(receiver.holes(), 4);
    for _ in 0..3 {
        assert_eq!(sender.send(&[1; WORDS]), Err(SendError::Full));
        assert_eq!(take(&mut receiver), None);
    }
    for claim in claims {
        assert_eq!(claim.publish(&[2; WORDS]), Err(SendError::GivenUp));
    }
    let _ = sender.send(&[3; WORDS]);
    while take(&mut receiver).is_some() {}
    for value in 0..8 {
        sender.send(&[value; WORDS]).unwrap();
        assert_eq!(take(&mut receiver), Some(value));
    }
    assert_eq!(receiver.holes(), 0);
}

/// A receiver that dies is followed by one that goes on, also when it died between freeing a place and saying so.
#[test]
fn a_new_receiver_goes_on() {
    let words = ring();
    let sender = sender(&words);
    for value in 1..=3 {
        sender.send(&[value; WORDS]).unwrap();
    }
    let (mut first, attached) = Receiver::attach(&words, WORDS, RECORDS, 41).unwrap();
    assert_eq!(attached, Attached { previous_boot: 0, backlog: 3 });
    assert_eq!(take(&mut first), Some(1));
    // Dies after record 2 was taken and before the head moved.
    words[32 + 8].store(2, Ordering::Relaxed);
    let (mut second, attached) = Receiver::attach(&words, WORDS, RECORDS, 42).unwrap();
    assert_eq!(attached, Attached { previous_boot: 41, backlog: 1 });
    assert_eq!((take(&mut second), take(&mut second)), (Some(3), None));
}

/// rse:M7: a state or a count no sender leaves is named, by both sides.
#[test]
fn damage_is_named() {
    let words = ring();
    let (sender, mut receiver) = (sender(&words), receiver(&words));
    let mut out = [0; WORDS];
    words[32].store(77, Ordering::Relaxed);
    let state = Damaged { what: "state", found: 77, position: 0 };
    assert_eq!(sender.send(&[1; WORDS]), Err(SendError::Damaged(state)));
    assert_eq!(receiver.recv(&mut out), Err(state));
    words[32].store(0, Ordering::Relaxed);
    words[0].store(5, Ordering::Relaxed);
    assert_eq!(receiver.skip_stuck(0, 0), Err(Damaged { what: "tail", found: 5, position: 0 }));
    words[0].store(u64::MAX, Ordering::Relaxed);
    assert!(matches!(sender.send(&[1; WORDS]), Err(SendError::Damaged(Damaged { what: "tail", .. }))));
    words[0].store(40, Ordering::Relaxed);
    assert!(matches!(sender.send(&[1; WORDS]), Err(SendError::Damaged(Damaged { what: "state", found: 0, .. }))));
}

/// Four senders, one receiver, some claims dropped on the way: everything published arrives once and in order per sender.
#[test]
fn four_senders_under_load_lose_nothing() {
    const COUNT: u64 = if cfg!(miri) { 20 } else { 50_000 };
    const PLACES: usize = if cfg!(miri) { 64 } else { 1024 };
    let words: Vec<AtomicU64> = (0..words_needed(WORDS, PLACES)).map(|_| AtomicU64::new(0)).collect();
    let dropped_each = COUNT / 10_000;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let words = &words;
            scope.spawn(move || {
                let sender = Sender::new(words, WORDS, PLACES).unwrap();
                for value in 0..COUNT {
                    if value % 10_000 == 5_000 {
                        while sender.claim().is_err() {
                            std::thread::yield_now();
                        }
                    }
                    while let Err(error) = sender.send(&[thread << 32 | value; WORDS]) {
                        assert!(matches!(error, SendError::Full | SendError::GivenUp), "{error}");
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut receiver = Receiver::attach(&words, WORDS, PLACES, 1).unwrap().0;
        let (mut next, mut polls) = ([0; 4], 0);
        while next != [COUNT; 4] {
            if let Some(value) = take(&mut receiver) {
                let thread = (value >> 32) as usize;
                assert_eq!(value & 0xffff_ffff, next[thread], "lost, doubled or out of order");
                next[thread] += 1;
            } else {
                polls += 1;
                receiver.skip_stuck(polls, 100).unwrap();
                std::thread::yield_now();
            }
        }
        while receiver.backlog() > 0 {
            polls += 1;
            receiver.skip_stuck(polls, 100).unwrap();
            assert_eq!(take(&mut receiver), None);
        }
        assert!(receiver.abandoned() >= 4 * dropped_each);
        assert!(receiver.holes() >= 4 * dropped_each, "the place of a dead sender is not used again");
    });
}

#[derive(Debug, Clone)]
enum Step {
    Send,
    Claim,
    Publish(prop::sample::Index),
    Die(prop::sample::Index),
    Recv,
    Skip(u64),
    ReceiverDies,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Send),
        3 => Just(Step::Claim),
        3 => any::<prop::sample::Index>().prop_map(Step::Publish),
        1 => any::<prop::sample::Index>().prop_map(Step::Die),
        8 => Just(Step::Recv),
        2 => (0..20_u64).prop_map(Step::Skip),
        1 => Just(Step::ReceiverDies),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 40 } else { 300 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any sequence of claims, publications, deaths and skips: what was published is delivered once, in order of claims;
    /// what was given up never; each sender knows which.
    #[test]
    fn published_is_delivered_and_given_up_is_not(steps in steps()) {
        let words = ring();
        let (sender, mut receiver) = (sender(&words), receiver(&words));
        let mut claims: Vec<(u64, Claim<'_>)> = Vec::new();
        let (mut published, mut delivered) = (Vec::new(), Vec::new());
        let (mut order, mut clock, mut abandoned) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Send => {
                    order += 1;
                    match sender.send(&[order; WORDS]) {
                        Ok(()) => published.push(order),
                        Err(error) => prop_assert_eq!(error, SendError::Full),
                    }
                }
                Step::Claim => {
                    order += 1;
                    if let Ok(claim) = sender.claim() {
                        claims.push((order, claim));
                    }
                }
                Step::Publish(which) if !claims.is_empty() => {
                    let (order, claim) = claims.remove(which.index(claims.len()));
                    match claim.publish(&[order; WORDS]) {
                        Ok(()) => published.push(order),
                        Err(error) => prop_assert_eq!(error, SendError::GivenUp),
                    }
                }
                Step::Die(which) if !claims.is_empty() => drop(claims.remove(which.index(claims.len()))),
                Step::Publish(_) | Step::Die(_) => {}
                Step::Recv => delivered.extend(take(&mut receiver)),
                Step::Skip(ns) => {
                    clock += ns;
                    abandoned += u64::from(receiver.skip_stuck(clock, 30).unwrap() == Stuck::Abandoned);
                }
                Step::ReceiverDies => receiver = Receiver::attach(&words, WORDS, RECORDS, 2).unwrap().0,
            }
            prop_assert!(receiver.backlog() <= RECORDS as u64);
            prop_assert!(receiver.holes() <= abandoned);
        }
        for round in 0..4 * RECORDS as u64 {
            delivered.extend(take(&mut receiver));
            receiver.skip_stuck(clock + 100 * round, 30).unwrap();
        }
        prop_assert!(delivered.is_sorted(), "out of order of claims: {:?}", delivered);
        published.sort_unstable();
        prop_assert_eq!(delivered, published);
    }

    /// rse:M7: over words of any content, changing all the time, every call answers, without a panic and in bounds.
    #[test]
    fn any_words_are_survived(
        content in prop::collection::vec(prop_oneof![any::<u64>(), 0..20_u64, Just(1 << 63), Just(3 << 62)], words_needed(2, 4)),
        changes in prop::collection::vec(
            (prop_oneof![Just(0_usize), Just(16), 32..64_usize], prop_oneof![any::<u64>(), 0..20_u64], 0..6_u8),
            0..60,
        ),
    ) {
        let words: Vec<AtomicU64> = content.into_iter().map(AtomicU64::new).collect();
        let sender = Sender::new(&words, 2, 4).unwrap();
        let (mut receiver, _) = Receiver::attach(&words, 2, 4, 2).unwrap();
        for (now_ns, (index, value, step)) in changes.into_iter().enumerate() {
            match step {
                0 => { let _ = sender.send(&[1, 2]); }
                1 => { let _ = receiver.recv(&mut [0; 2]); }
                2 => { let _ = receiver.skip_stuck(now_ns as u64, 1); }
                3 => { prop_assert!(receiver.backlog() <= 4 && sender.backlog() <= 4); }
                4 => { let _ = receiver.holes(); }
                _ => words[index].store(value, Ordering::Relaxed),
            }
        }
    }
}

// rse:M7: whatever stands in the ring, one repair lets records through again.
#[test]
fn a_damaged_ring_is_set_right() {
    let head_place = 32;
    for (at, value) in [(head_place, 77), (0, u64::MAX / 3), (0, 1 << 40)] {
        let words = ring();
        let (sender, mut receiver) = (sender(&words), receiver(&words));
        sender.send(&[1; WORDS]).unwrap();
        assert_eq!(take(&mut receiver), Some(1));
        let at = if at == head_place { head_place + 8 } else { at };
        words[at].store(value, Ordering::Relaxed);
        let mut out = [0; WORDS];
        let damaged = receiver.recv(&mut out).and_then(|_| receiver.skip_stuck(0, 1).map(|_| false));
        assert!(damaged.is_err(), "word {at} = {value}: {damaged:?}");
        assert!(receiver.repair() > 0);
        for record in 0..2 * RECORDS as u64 {
            sender.send(&[record; WORDS]).unwrap();
            assert_eq!(take(&mut receiver), Some(record), "word {at} = {value}");
        }
    }
}
