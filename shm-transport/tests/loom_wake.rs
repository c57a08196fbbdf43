//! Every interleaving of a sleeper and a waker (decisions:NODE-14, decisions:NODE-19).
//!
//! The futex is a model: a lock (the kernel's bucket lock) around "compare, then sleep". It has no timeout, so a lost
//! wake-up is a deadlock, which loom reports.
#![cfg(loom)]

use loom::sync::{Condvar, Mutex};
use loom::thread;
use shm_transport::spsc::{Receiver, Sender, words_needed};
use shm_transport::sync::{AtomicU64, Ordering};
use shm_transport::wake::{Futex, Waited, Waiter, Waker};
use std::sync::Arc;

struct ModelFutex {
    bucket: Mutex<()>,
    sleepers: Condvar,
}

impl Futex for ModelFutex {
    fn wait(&self, word: &AtomicU64, expected: u32, _timeout_ns: u64) {
        let bucket = self.bucket.lock().unwrap();
        if word.load(Ordering::Relaxed) as u32 == expected {
            drop(self.sleepers.wait(bucket).unwrap());
        }
    }

    fn wake(&self, _word: &AtomicU64) {
        let _bucket = self.bucket.lock().unwrap();
        self.sleepers.notify_one();
    }
}

fn futex() -> Arc<ModelFutex> {
    Arc::new(ModelFutex { bucket: Mutex::new(()), sleepers: Condvar::new() })
}

/// Work made visible before `wake` is never slept through, though the waker calls the kernel only when it must.
#[test]
fn no_wake_is_lost() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(|| {
        let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let futex = futex();
        let waker = thread::spawn({
            let (words, futex) = (words.clone(), futex.clone());
            move || {
                words[1].store(1, Ordering::Relaxed);
                Waker::new(&words[..]).unwrap().wake_on(&*futex)
            }
        });
        let waiter = Waiter::new(&words[..]).unwrap();
        let mut sleeps = 0;
        while words[1].load(Ordering::Relaxed) == 0 {
            match waiter.wait_on(&*futex, 0, u64::MAX, || words[1].load(Ordering::Relaxed) == 1) {
                Waited::Spinning => {}
                Waited::Woken { sleeps: more } => sleeps += more,
                Waited::TimedOut => thread::yield_now(),
            }
        }
        let called = waker.join().unwrap();
        assert!(sleeps <= 1 && (sleeps == 0 || called || words[0].load(Ordering::Relaxed) == 0));
    });
}

/// The same with a ring between the two: the work is a record, and a second one follows.
#[test]
fn a_sleeping_receiver_gets_every_record() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let ring = Arc::new((0..words_needed(1, 2)).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        let word = Arc::new([AtomicU64::new(0)]);
        let futex = futex();
        let sending = thread::spawn({
            let (ring, word, futex) = (ring.clone(), word.clone(), futex.clone());
            move || {
                let (mut sender, _) = Sender::attach(&ring, 1, 2, 1).unwrap();
                for value in 1..=2 {
                    sender.send(&[value]).unwrap();
                    Waker::new(&word[..]).unwrap().wake_on(&*futex);
                }
            }
        });
        let (mut receiver, _) = Receiver::attach(&ring, 1, 2, 2).unwrap();
        let waiter = Waiter::new(&word[..]).unwrap();
        let mut out = [0];
        for value in 1..=2 {
            while !receiver.recv(&mut out).unwrap() {
                waiter.wait_on(&*futex, 0, u64::MAX, || receiver.waiting().unwrap() > 0);
            }
            assert_eq!(out, [value]);
        }
        sending.join().unwrap();
    });
}
