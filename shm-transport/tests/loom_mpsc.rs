//! Every interleaving of two senders and the receiver of an injection ring (decisions:NODE-19).
#![cfg(loom)]

use loom::thread;
use shm_transport::mpsc::{Receiver, SendError, Sender, Stuck, words_needed};
use shm_transport::sync::AtomicU64;
use std::sync::Arc;

const RECORDS: usize = 2;
const WORDS: usize = 1;

fn ring() -> Arc<Vec<AtomicU64>> {
    Arc::new((0..words_needed(WORDS, RECORDS)).map(|_| AtomicU64::new(0)).collect())
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

fn send(sender: &Sender<'_>, value: u64) {
    while let Err(error) = sender.send(&[value]) {
        assert_eq!(error, SendError::Full);
        thread::yield_now();
    }
}

/// Two senders into a ring with one free place, so that one of them needs the place the receiver is about to free: all
/// arrive, once, the waiting one first.
#[test]
fn two_senders_lose_nothing() {
    explore(3, || {
        let words = ring();
        send(&Sender::new(&words, WORDS, RECORDS).unwrap(), 1);
        let senders = [10, 20].map(|value| {
            let words = words.clone();
            thread::spawn(move || send(&Sender::new(&words, WORDS, RECORDS).unwrap(), value))
        });
        let (mut receiver, _) = Receiver::attach(&words, WORDS, RECORDS, 1).unwrap();
        let mut got = Vec::new();
        while got.len() < 3 {
            let mut out = [0; WORDS];
            if receiver.recv(&mut out).unwrap() {
                got.push(out[0]);
            } else {
                thread::yield_now();
            }
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(!receiver.recv(&mut [0; WORDS]).unwrap(), "a record nobody sent");
        assert!(got == [1, 10, 20] || got == [1, 20, 10], "lost or doubled: {got:?}");
    });
}

/// A sender is stopped between claim and publication and wakes late, while the receiver gives its place up and another
/// sender goes on for more than a lap. Either the record arrives or its sender is told; no other record is touched.
#[test]
fn a_late_publication_is_delivered_or_harmless() {
    explore(4, || {
        let words = ring();
        let claim_words = words.clone();
        let late = thread::spawn(move || {
            let sender = Sender::new(&claim_words, WORDS, RECORDS).unwrap();
            let claim = sender.claim().ok()?;
            Some(claim.publish(&[10]).is_ok())
        });
        let (mut receiver, _) = Receiver::attach(&words, WORDS, RECORDS, 1).unwrap();
        let sender = Sender::new(&words, WORDS, RECORDS).unwrap();
        let mut got = Vec::new();
        let mut sent = 20;
        for now_ns in 0..4 {
            if sent < 23 && sender.send(&[sent]).is_ok() {
                sent += 1;
            }
            let mut out = [0; WORDS];
            if receiver.recv(&mut out).unwrap() {
                got.push(out[0]);
            } else {
                // No patience: a claimed place is given up at once.
                let _: Stuck = receiver.skip_stuck(now_ns, 0).unwrap();
            }
        }
        let published = late.join().unwrap();
        let mut out = [0; WORDS];
        while receiver.recv(&mut out).unwrap() {
            got.push(out[0]);
        }
        assert_eq!(got.iter().filter(|value| **value == 10).count(), usize::from(published == Some(true)));
        assert_eq!(receiver.abandoned(), u64::from(published == Some(false)));
        got.retain(|value| *value != 10);
        assert_eq!(got, (20..sent).collect::<Vec<_>>(), "another sender's record was touched");
        // The place that was given up comes back: both places work again, in every later lap.
        for lap in 0..3 {
            sender.send(&[30 + lap]).unwrap();
            assert!(receiver.recv(&mut out).unwrap());
            assert_eq!(out, [30 + lap]);
        }
        assert_eq!(receiver.holes(), 0, "a place was lost though its sender gave it back");
    });
}
