//! The wait ladder on the real futex (decisions:NODE-14). The interleavings are in loom_wake.rs.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use shm_transport::sync::{AtomicU64, Ordering};
use shm_transport::wake::{WORDS, Waited, Waiter, Waker};
use std::cell::Cell;

/// Only a hang guard: no test waits this long.
const LONG_NS: u64 = 30_000_000_000;

fn words() -> Vec<AtomicU64> {
    (0..WORDS).map(|_| AtomicU64::new(0)).collect()
}

/// decisions:NODE-14: nobody sleeps, so nobody calls the kernel.
#[test]
fn a_spinning_waiter_costs_nobody_a_system_call() {
    let words = words();
    let (waiter, waker) = (Waiter::new(&words).unwrap(), Waker::new(&words).unwrap());
    let looks = Cell::new(0);
    let ready = || {
        looks.set(looks.get() + 1);
        looks.get() == 5
    };
    assert_eq!(waiter.wait(10, LONG_NS, ready), Waited::Spinning);
    assert_eq!(looks.get(), 5);
    assert!(!waker.wake(), "no call was needed");
    assert!(Waiter::new(&[]).is_none() && Waker::new(&[]).is_none());
}

#[test]
fn the_last_look_finds_work_without_a_sleep() {
    let words = words();
    let looks = Cell::new(0);
    let ready = || {
        looks.set(looks.get() + 1);
        looks.get() == 4
    };
    assert_eq!(Waiter::new(&words).unwrap().wait(3, LONG_NS, ready), Waited::Woken { sleeps: 0 });
    assert_eq!(words[0].load(Ordering::Relaxed), 0, "awake again");
}

#[test]
fn a_sleep_ends_by_itself() {
    let words = words();
    assert_eq!(Waiter::new(&words).unwrap().wait(0, 1_000_000, || false), Waited::TimedOut);
    assert_eq!(words[0].load(Ordering::Relaxed), 0, "awake again");
}

/// Two threads hand a number to and fro, asleep in between: every wake arrives and each costs at most one system call.
#[test]
#[cfg_attr(
    miri,
    ignore = "the kernel compares the low half of a word; miri takes its look for a racing access of another size"
)]
fn a_sleeper_is_woken() {
    const ROUNDS: u64 = 2_000;
    let (left, right, turn) = (words(), words(), AtomicU64::new(0));
    let play = |mine: &[AtomicU64], theirs: &[AtomicU64], parity: u64| {
        let (waiter, waker) = (Waiter::new(mine).unwrap(), Waker::new(theirs).unwrap());
        let mut calls = 0;
        for round in 0..ROUNDS {
            let my_turn = || turn.load(Ordering::Acquire) == 2 * round + parity;
            while waiter.wait(0, LONG_NS, my_turn) == Waited::TimedOut {}
            turn.fetch_add(1, Ordering::Release);
            calls += u64::from(waker.wake());
        }
        calls
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| play(&right, &left, 1));
        let calls = play(&left, &right, 0) + other.join().unwrap();
        assert!(calls <= 2 * ROUNDS);
    });
}
