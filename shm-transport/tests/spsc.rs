//! The stream ring against a queue, under load, and over words of any content (rse:M7, decisions:NODE-5,
//! decisions:NODE-8, decisions:NODE-17).
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shm_transport::spsc::{Attached, Damaged, RECORD_WORDS, Receiver, SendError, Sender, words_needed};
use shm_transport::sync::{AtomicU64, Ordering};
use shm_transport::words::LayoutError;
use std::collections::VecDeque;

const WORDS: usize = RECORD_WORDS;
const RECORDS: usize = 8;

fn zeroed(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

fn ring() -> Vec<AtomicU64> {
    zeroed(words_needed(WORDS, RECORDS))
}

fn sender(words: &[AtomicU64], boot: u64) -> (Sender<'_>, Attached) {
    Sender::attach(words, WORDS, RECORDS, boot).unwrap()
}

fn receiver(words: &[AtomicU64], boot: u64) -> (Receiver<'_>, Attached) {
    Receiver::attach(words, WORDS, RECORDS, boot).unwrap()
}

#[test]
fn a_geometry_that_does_not_fit_is_refused_with_its_numbers() {
    let words = ring();
    assert!(matches!(Sender::attach(&words, WORDS, 12, 1), Err(LayoutError::Entries { given: 12, .. })));
    assert!(matches!(Receiver::attach(&words, 0, RECORDS, 1), Err(LayoutError::Payload { .. })));
    assert!(matches!(Receiver::attach(&words[..9], WORDS, RECORDS, 1), Err(LayoutError::TooShort { have: 9, .. })));
    assert_eq!(words_needed(529, 64), 32 + 64 * 536, "records stand on whole lines");
}

/// decisions:NODE-5: what `free` promised is there, a full ring says so and takes nothing.
#[test]
fn a_reservation_holds_and_full_is_said() {
    let words = ring();
    let (mut sender, _) = sender(&words, 1);
    let (mut receiver, _) = receiver(&words, 2);
    assert_eq!(sender.free(), Ok(8));
    for value in 0..8 {
        sender.stage(&[value; WORDS]).unwrap();
    }
    assert_eq!((sender.free(), sender.stage(&[9; WORDS])), (Ok(0), Err(SendError::Full)));
    let mut out = [0; WORDS];
    assert_eq!(receiver.recv(&mut out), Ok(false), "staged is not published");
    assert_eq!((sender.flush(), sender.flush()), (8, 0));
    assert_eq!(receiver.waiting(), Ok(8));
    assert_eq!((receiver.recv(&mut out), out), (Ok(true), [0; WORDS]));
    assert_eq!(sender.free(), Ok(1));
    let mut got = Vec::new();
    assert_eq!(receiver.drain(100, |record| got.push(record[7].load(Ordering::Relaxed))), Ok(7));
    assert_eq!(got, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((sender.free(), sender.sent(), sender.received_by_peer()), (Ok(8), 8, 8));
}

/// decisions:NODE-17: published records outlive both sides, unpublished ones do not; each side sees the other's new boot.
#[test]
fn a_new_boot_of_either_side_finds_the_unread_remainder() {
    let words = ring();
    let (mut first, attached) = sender(&words, 11);
    assert_eq!(attached, Attached { previous_boot: 0, peer_boot: 0, unread: 0, repaired: false });
    let (mut reading, attached) = receiver(&words, 21);
    assert_eq!((attached.previous_boot, attached.peer_boot), (0, 11));
    assert_eq!(first.peer_boot(), 21);
    for value in 1..=5 {
        first.send(&[value; WORDS]).unwrap();
    }
    first.stage(&[666; WORDS]).unwrap();
    let mut out = [0; WORDS];
    assert_eq!((reading.recv(&mut out), out[0]), (Ok(true), 1));
    // Both die.
    let (mut second, attached) = sender(&words, 12);
    assert_eq!(attached, Attached { previous_boot: 11, peer_boot: 21, unread: 4, repaired: false });
    assert_eq!(reading.peer_boot(), 12);
    let (mut reading, attached) = receiver(&words, 22);
    assert_eq!(attached, Attached { previous_boot: 21, peer_boot: 12, unread: 4, repaired: false });
    assert_eq!(second.peer_boot(), 22);
    second.send(&[6; WORDS]).unwrap();
    for value in 2..=6 {
        assert_eq!(reading.next_is_from_earlier_boot(), value < 6);
        assert_eq!((reading.recv(&mut out), out), (Ok(true), [value; WORDS]));
    }
    assert_eq!(reading.recv(&mut out), Ok(false));
    assert_eq!((second.sent(), second.sent_by_this_boot()), (6, 1));
    assert_eq!((reading.received(), reading.received_by_this_boot()), (6, 5));
}

/// rse:M7: a count out of order is named and nothing moves; attaching again repairs.
#[test]
fn hostile_counts_are_named() {
    let words = ring();
    let (mut sending, _) = sender(&words, 1);
    let (mut receiving, _) = receiver(&words, 2);
    sending.send(&[1; WORDS]).unwrap();
    let mut out = [0; WORDS];
    for tail in [9, 100, u64::MAX, 1 << 63] {
        words[0].store(tail, Ordering::Relaxed);
        let damaged = Damaged { index: "tail", found: tail, least: 0, most: 8 };
        assert_eq!(receiving.recv(&mut out), Err(damaged));
        assert_eq!(receiving.waiting(), Err(damaged));
        assert_eq!(receiving.received(), 0);
    }
    words[0].store(1, Ordering::Relaxed);
    assert_eq!((receiving.recv(&mut out), out), (Ok(true), [1; WORDS]));
    for head in [u64::MAX, 2] {
        words[16].store(head, Ordering::Relaxed);
        assert_eq!(sending.free(), Err(Damaged { index: "head", found: head, least: 0, most: 1 }));
    }
    let (mut receiving, attached) = receiver(&words, 3);
    assert!(attached.repaired && attached.unread == 0);
    sending.send(&[2; WORDS]).unwrap();
    assert_eq!((receiving.recv(&mut out), out), (Ok(true), [2; WORDS]));
}

/// Counts wrap around the end of u64 like any other step.
#[test]
fn the_counts_may_wrap() {
    let words = ring();
    words[0].store(u64::MAX - 2, Ordering::Relaxed);
    words[16].store(u64::MAX - 2, Ordering::Relaxed);
    let (mut sender, _) = sender(&words, 1);
    let (mut receiver, _) = receiver(&words, 2);
    let mut out = [0; WORDS];
    for value in 0..20 {
        sender.send(&[value; WORDS]).unwrap();
        assert_eq!((receiver.recv(&mut out), out), (Ok(true), [value; WORDS]));
    }
    assert_eq!(sender.sent_by_this_boot(), 20);
}

#[test]
fn a_stream_between_threads_loses_nothing() {
    const COUNT: u64 = if cfg!(miri) { 100 } else { 500_000 };
    let words = ring();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut sender, _) = sender(&words, 1);
            for value in 0..COUNT {
                while sender.stage(&[value; WORDS]) == Err(SendError::Full) {
                    sender.flush();
                    std::thread::yield_now();
                }
                if value % 3 == 0 {
                    sender.flush();
                }
            }
            sender.flush();
        });
        let (mut receiver, _) = receiver(&words, 2);
        let mut out = [0; WORDS];
        let mut next = 0;
        while next < COUNT {
            if receiver.recv(&mut out).unwrap() {
                assert_eq!(out, [next; WORDS]);
                next += 1;
            } else {
                std::thread::yield_now();
            }
        }
        assert_eq!(receiver.recv(&mut out), Ok(false));
    });
}

#[derive(Debug, Clone)]
enum Step {
    Stage,
    Flush,
    Recv,
    Drain(u64),
    Free,
    SenderDies,
    ReceiverDies,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Stage),
        3 => Just(Step::Flush),
        5 => Just(Step::Recv),
        1 => (0..12_u64).prop_map(Step::Drain),
        1 => Just(Step::Free),
        1 => Just(Step::SenderDies),
        1 => Just(Step::ReceiverDies),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 40 } else { 400 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// decisions:NODE-8, decisions:NODE-17: any sequence of steps and deaths behaves like a bounded queue.
    #[test]
    fn it_is_a_bounded_queue(steps in steps()) {
        let words = ring();
        let (mut sending, mut receiving) = (sender(&words, 1).0, receiver(&words, 2).0);
        let (mut staged, mut queue) = (VecDeque::new(), VecDeque::new());
        let (mut value, mut sent, mut received, mut boot) = (0, 0, 0, 2);
        for step in steps {
            let free = RECORDS - staged.len() - queue.len();
            match step {
                Step::Stage => {
                    value += 1;
                    let answer = sending.stage(&[value; WORDS]);
                    prop_assert_eq!(answer, if free == 0 { Err(SendError::Full) } else { Ok(()) });
                    if free > 0 {
                        staged.push_back(value);
                    }
                }
                Step::Flush => {
                    prop_assert_eq!(sending.flush(), staged.len() as u64);
                    sent += staged.len() as u64;
                    queue.append(&mut staged);
                }
                Step::Recv => {
                    let mut out = [0; WORDS];
                    prop_assert_eq!(receiving.recv(&mut out), Ok(!queue.is_empty()));
                    if let Some(value) = queue.pop_front() {
                        prop_assert_eq!(out, [value; WORDS]);
                        received += 1;
                    }
                }
                Step::Drain(most) => {
                    let mut got = Vec::new();
                    let count = receiving.drain(most, |record| got.push(record[3].load(Ordering::Relaxed))).unwrap();
                    prop_assert!(count <= most && (count > 0 || most == 0 || queue.is_empty()));
                    let expected: Vec<u64> = queue.drain(..count as usize).collect();
                    prop_assert_eq!(got, expected);
                    received += count;
                }
                Step::Free => prop_assert_eq!(sending.free(), Ok(free as u64)),
                Step::SenderDies => {
                    boot += 1;
                    staged.clear();
                    let (next, attached) = sender(&words, boot);
                    prop_assert_eq!((attached.unread, attached.repaired), (queue.len() as u64, false));
                    sending = next;
                }
                Step::ReceiverDies => {
                    boot += 1;
                    let (next, attached) = receiver(&words, boot);
                    prop_assert_eq!((attached.unread, attached.repaired), (queue.len() as u64, false));
                    receiving = next;
                }
            }
            prop_assert_eq!((sending.sent(), receiving.received()), (sent, received));
        }
    }

    /// rse:M7: over words of any content, changing all the time, both sides answer without a panic and stay in bounds.
    #[test]
    fn any_words_are_survived(
        content in prop::collection::vec(prop_oneof![any::<u64>(), 0..20_u64], words_needed(2, 4)),
        changes in prop::collection::vec(
            (prop_oneof![Just(0_usize), Just(16), Just(2), Just(18)], prop_oneof![any::<u64>(), 0..20_u64], 0..8_u8),
            0..60,
        ),
    ) {
        let words: Vec<AtomicU64> = content.into_iter().map(AtomicU64::new).collect();
        let (mut sender, _) = Sender::attach(&words, 2, 4, 1).unwrap();
        let (mut receiver, _) = Receiver::attach(&words, 2, 4, 2).unwrap();
        for (index, value, step) in changes {
            match step {
                0 => { let _ = sender.send(&[1, 2]); }
                1 => { let _ = sender.stage(&[1]); }
                2 => { let _ = receiver.recv(&mut [0; 2]); }
                3 => { prop_assert!(receiver.drain(9, |_| ()).unwrap_or(0) <= 4); }
                4 => { prop_assert!(sender.free().unwrap_or(0) <= 4); }
                5 => { prop_assert!(receiver.waiting().unwrap_or(0) <= 4); }
                6 => { let _ = receiver.next_is_from_earlier_boot(); }
                _ => words[index].store(value, Ordering::Relaxed),
            }
        }
    }
}

#[test]
fn a_record_is_looked_at_and_stays() {
    // decisions:CLU-12: whoever passes records on to another host keeps them until they have arrived.
    let words: Vec<AtomicU64> = (0..words_needed(2, 4)).map(|_| AtomicU64::new(0)).collect();
    let (mut sender, _) = Sender::attach(&words, 2, 4, 1).expect("it fits");
    let (mut receiver, _) = Receiver::attach(&words, 2, 4, 2).expect("it fits");
    let mut out = [0; 2];
    assert_eq!(receiver.peek(0, &mut out), Ok(false));
    for value in 1..=4 {
        sender.send(&[value, value]).expect("there is room");
    }
    assert_eq!((receiver.peek(2, &mut out), out), (Ok(true), [3, 3]));
    assert_eq!((receiver.peek(0, &mut out), out), (Ok(true), [1, 1]));
    assert_eq!(receiver.peek(4, &mut out), Ok(false));
    assert_eq!((sender.free(), receiver.received()), (Ok(0), 0), "nothing was taken");
    assert_eq!(receiver.drain(3, |_| {}), Ok(3));
    assert_eq!((receiver.peek(0, &mut out), out, receiver.peek(1, &mut out)), (Ok(true), [4, 4], Ok(false)));
}
