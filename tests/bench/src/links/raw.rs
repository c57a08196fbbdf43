//! The physical limit: a ring and a seqlock with nothing in them but what the memory model asks for. No checks, no boots, no
//! counters; relaxed word copies, acquire and release on one index.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use shm_transport::words::{load_words as load, store_words as store};

use super::{RECORDS, Recv, Send};

const LINES_APART: usize = 16;

/// Words that one direction of a raw ring takes.
pub fn ring_words(payload: usize) -> usize {
    2 * LINES_APART + RECORDS * payload.next_multiple_of(8)
}

/// Sending end of a raw ring.
pub struct RingSend<'r> {
    words: &'r [AtomicU64],
    payload: usize,
    tail: u64,
    head: u64,
}

/// Receiving end of a raw ring.
pub struct RingRecv<'r> {
    words: &'r [AtomicU64],
    payload: usize,
    head: u64,
    tail: u64,
}

fn record(words: &[AtomicU64], payload: usize, index: u64) -> &[AtomicU64] {
    let stride = payload.next_multiple_of(8);
    let at = 2 * LINES_APART + (index as usize % RECORDS) * stride;
    &words[at..at + payload]
}

impl<'r> RingSend<'r> {
    /// Over zeroed words.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        Self { words, payload, tail: 0, head: 0 }
    }
}

impl<'r> RingRecv<'r> {
    /// Over zeroed words.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        Self { words, payload, head: 0, tail: 0 }
    }
}

impl Send for RingSend<'_> {
    #[inline]
    fn send(&mut self, payload: &[u64]) {
        while self.tail - self.head == RECORDS as u64 {
            self.head = self.words[LINES_APART].load(Ordering::Acquire);
            std::hint::spin_loop();
        }
        store(record(self.words, self.payload, self.tail), payload);
        self.tail += 1;
        self.words[0].store(self.tail, Ordering::Release);
    }
}

impl Recv for RingRecv<'_> {
    #[inline]
    fn recv(&mut self, out: &mut [u64]) -> bool {
        if self.head == self.tail {
            self.tail = self.words[0].load(Ordering::Acquire);
            if self.head == self.tail {
                return false;
            }
        }
        load(out, record(self.words, self.payload, self.head));
        self.head += 1;
        self.words[LINES_APART].store(self.head, Ordering::Release);
        true
    }
}

/// Words that one direction of a raw seqlock takes.
pub fn seqlock_words(payload: usize) -> usize {
    8 + payload.next_multiple_of(8)
}

/// Writing end of a raw one-slot seqlock.
pub struct SeqlockSend<'r> {
    words: &'r [AtomicU64],
    version: u64,
}

/// Reading end of a raw one-slot seqlock.
pub struct SeqlockRecv<'r> {
    words: &'r [AtomicU64],
    seen: u64,
}

impl<'r> SeqlockSend<'r> {
    /// Over zeroed words.
    pub fn new(words: &'r [AtomicU64]) -> Self {
        Self { words, version: 0 }
    }
}

impl<'r> SeqlockRecv<'r> {
    /// Over zeroed words.
    pub fn new(words: &'r [AtomicU64]) -> Self {
        Self { words, seen: 0 }
    }
}

impl Send for SeqlockSend<'_> {
    #[inline]
    fn send(&mut self, payload: &[u64]) {
        self.words[0].store(self.version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        store(&self.words[8..], payload);
        self.version += 2;
        self.words[0].store(self.version, Ordering::Release);
    }
}

impl Recv for SeqlockRecv<'_> {
    #[inline]
    fn recv(&mut self, out: &mut [u64]) -> bool {
        let before = self.words[0].load(Ordering::Acquire);
        if before == self.seen || before % 2 == 1 {
            return false;
        }
        load(out, &self.words[8..]);
        fence(Ordering::Acquire);
        if self.words[0].load(Ordering::Relaxed) != before {
            return false;
        }
        self.seen = before;
        true
    }
}
