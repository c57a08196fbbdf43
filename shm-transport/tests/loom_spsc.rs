//! Every interleaving of the two ends of a stream ring (decisions:NODE-5, decisions:NODE-8, decisions:NODE-19).
#![cfg(loom)]

use loom::thread;
use shm_transport::spsc::{Receiver, SendError, Sender, words_needed};
use shm_transport::sync::AtomicU64;
use std::sync::Arc;

const RECORDS: usize = 2;
const WORDS: usize = 2;

fn ring() -> Arc<Vec<AtomicU64>> {
    Arc::new((0..words_needed(WORDS, RECORDS)).map(|_| AtomicU64::new(0)).collect())
}

/// More records than places, so that places are used again: all arrive, once, whole, in order.
#[test]
fn nothing_is_lost_torn_or_doubled() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let words = ring();
        let sender = thread::spawn({
            let words = words.clone();
            move || {
                let (mut sender, _) = Sender::attach(&words, WORDS, RECORDS, 1).unwrap();
                for value in 1..=3 {
                    while let Err(error) = sender.send(&[value, value + 100]) {
                        assert_eq!(error, SendError::Full);
                        thread::yield_now();
                    }
                }
            }
        });
        let (mut receiver, _) = Receiver::attach(&words, WORDS, RECORDS, 2).unwrap();
        for value in 1..=3 {
            let mut out = [0; WORDS];
            while !receiver.recv(&mut out).unwrap() {
                thread::yield_now();
            }
            assert_eq!(out, [value, value + 100]);
        }
        sender.join().unwrap();
        assert!(!receiver.recv(&mut [0; WORDS]).unwrap(), "a record nobody sent");
    });
}

/// decisions:NODE-8: whoever reads `received` before `sent` never sees more received than sent, nor more on the way than
/// the ring holds. Records are staged and published in one batch.
#[test]
fn counters_conserve_while_both_ends_move() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let words = ring();
        let sender = thread::spawn({
            let words = words.clone();
            move || {
                let (mut sender, _) = Sender::attach(&words, WORDS, RECORDS, 1).unwrap();
                sender.stage(&[1, 101]).unwrap();
                sender.stage(&[2, 102]).unwrap();
                assert_eq!(sender.flush(), 2);
                let received = sender.received_by_peer();
                assert!(received <= sender.sent(), "more received than sent");
            }
        });
        let (mut receiver, _) = Receiver::attach(&words, WORDS, RECORDS, 2).unwrap();
        let mut next = 1;
        while next <= 2 {
            let took = receiver.drain(8, |record| {
                let word = |i: usize| record[i].load(loom::sync::atomic::Ordering::Relaxed);
                assert_eq!((word(0), word(1)), (next, next + 100));
                next += 1;
            });
            if took.unwrap() == 0 {
                thread::yield_now();
            }
        }
        sender.join().unwrap();
        assert_eq!(receiver.received(), 2);
    });
}
