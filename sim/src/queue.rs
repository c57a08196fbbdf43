//! What happens next: events in order of (time, order of scheduling), so that equal times never depend on anything else.
//!
//! A wheel of buckets takes what is due soon; only the bucket in progress is kept as a heap. What lies beyond the wheel waits in
//! a heap of its own. Nearly all events of a cluster are packets due within a few milliseconds, for which this costs a push to a
//! vector and a small heap instead of a heap of a hundred thousand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Width of a bucket: 2^16 ns, about 66 us.
const BUCKET_BITS: u32 = 16;
/// Buckets of the wheel: a horizon of 0.27 s.
const BUCKETS: usize = 4_096;

#[derive(Debug, Clone)]
struct Entry<T> {
    at_ns: u64,
    seq: u64,
    event: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.seq) == (other.at_ns, other.seq)
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.seq).cmp(&(other.at_ns, other.seq))
    }
}

/// Events by time.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    now_ns: u64,
    /// Bucket number whose events are in `near`; everything before has been taken.
    bucket: u64,
    near: BinaryHeap<Reverse<Entry<T>>>,
    wheel: Vec<Vec<Entry<T>>>,
    in_wheel: usize,
    far: BinaryHeap<Reverse<Entry<T>>>,
    seq: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Queue<T> {
    /// Empty, at time 0.
    #[must_use]
    pub fn new() -> Self {
        let wheel = std::iter::repeat_with(Vec::new).take(BUCKETS).collect();
        let (near, far) = (BinaryHeap::new(), BinaryHeap::new());
        Self { now_ns: 0, bucket: 0, near, wheel, in_wheel: 0, far, seq: 0 }
    }

    /// Time of the last event taken, ns.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Events waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.near.len() + self.in_wheel + self.far.len()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Schedules an event; a time that has passed means now.
    pub fn push(&mut self, at_ns: u64, event: T) {
        let at_ns = at_ns.max(self.now_ns);
        self.seq += 1;
        self.place(Entry { at_ns, seq: self.seq, event });
    }

    fn place(&mut self, entry: Entry<T>) {
        let bucket = entry.at_ns >> BUCKET_BITS;
        if bucket <= self.bucket {
            self.near.push(Reverse(entry));
        } else if bucket - self.bucket < BUCKETS as u64 {
            self.wheel[bucket as usize % BUCKETS].push(entry);
            self.in_wheel += 1;
        } else {
            self.far.push(Reverse(entry));
        }
    }

    /// Takes the next event that is due at or before `until_ns`.
    pub fn pop(&mut self, until_ns: u64) -> Option<(u64, T)> {
        while self.near.is_empty() {
            let next = self.next_bucket()?;
            if next << BUCKET_BITS > until_ns {
                return None;
            }
            self.advance(next);
        }
        if self.near.peek()?.0.at_ns > until_ns {
            return None;
        }
        let Reverse(entry) = self.near.pop()?;
        self.now_ns = entry.at_ns;
        Some((entry.at_ns, entry.event))
    }

    /// The first bucket after the current one that has something in it.
    fn next_bucket(&self) -> Option<u64> {
        let far = self.far.peek().map(|Reverse(entry)| entry.at_ns >> BUCKET_BITS);
        if self.in_wheel == 0 {
            return far;
        }
        let ahead = (1..BUCKETS as u64).map(|step| self.bucket + step);
        let wheel = ahead.into_iter().find(|bucket| !self.wheel[*bucket as usize % BUCKETS].is_empty());
        [wheel, far].into_iter().flatten().min()
    }

    fn advance(&mut self, bucket: u64) {
        self.bucket = bucket;
        let slot = bucket as usize % BUCKETS;
        let mut due = std::mem::take(&mut self.wheel[slot]);
        self.in_wheel -= due.len();
        self.near.extend(due.drain(..).map(Reverse));
        // The vector keeps its room: buckets fill again and again.
        self.wheel[slot] = due;
        while self.far.peek().is_some_and(|Reverse(entry)| (entry.at_ns >> BUCKET_BITS) < bucket + BUCKETS as u64) {
            if let Some(Reverse(entry)) = self.far.pop() {
                self.place(entry);
            }
        }
    }

    /// Moves the time to `at_ns` once everything before has been taken.
    pub fn rest_until(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Events come in order of (time, scheduling), also when more are scheduled on the way, near and far.
        #[test]
        fn events_come_in_order(
            first in proptest::collection::vec(0_u64..2_000_000_000, 1..200),
            more in proptest::collection::vec((0_u64..600_000_000, 0_usize..4), 0..200),
        ) {
            let mut queue = Queue::new();
            let mut expected: Vec<(u64, u64)> = Vec::new();
            let mut number = 0;
            for at in first {
                queue.push(at, number);
                expected.push((at, number));
                number += 1;
            }
            let mut got = Vec::new();
            let mut more = more.into_iter();
            while let Some((at, event)) = queue.pop(u64::MAX) {
                got.push((at, event));
                if let Some((delay, times)) = more.next() {
                    for _ in 0..times {
                        queue.push(at + delay, number);
                        expected.push((at + delay, number));
                        number += 1;
                    }
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
            prop_assert!(queue.is_empty());
        }

        /// Nothing beyond the limit is taken, and it is still there afterwards.
        #[test]
        fn the_limit_holds(times in proptest::collection::vec(0_u64..1_000_000_000, 1..100), limit in 0_u64..1_000_000_000) {
            let mut queue = Queue::new();
            for &at in &times {
                queue.push(at, at);
            }
            let mut taken = 0;
            while let Some((at, event)) = queue.pop(limit) {
                prop_assert!(at <= limit && at == event);
                taken += 1;
            }
            prop_assert_eq!(taken, times.iter().filter(|&&at| at <= limit).count());
            prop_assert_eq!(queue.len(), times.len() - taken);
        }
    }

    #[test]
    fn the_past_is_now() {
        let mut queue = Queue::new();
        queue.push(1_000_000_000, 'a');
        assert_eq!(queue.pop(u64::MAX), Some((1_000_000_000, 'a')));
        queue.push(5, 'b');
        assert_eq!(queue.pop(u64::MAX), Some((1_000_000_000, 'b')));
        queue.rest_until(2_000_000_000);
        assert_eq!(queue.now_ns(), 2_000_000_000);
    }
}
