//! The queue against a plain binary heap, on random steps of every kind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::workload::Rng;

/// Times both wheels together reach at least.
const REACH: u64 = BLOCK * (BUCKETS as u64 - 1);
/// Times of the first wheel.
const SPAN: u64 = 2 * BLOCK;

/// Delays that matter: the next tick, a few, around the span of the wheel, around twice it, far, and past the end of time.
fn delay(rng: &mut Rng, style: u64) -> u64 {
    match (style, rng.below(16)) {
        (0, _) => 1,
        (1, _) => 1 + rng.below(40),
        (2, _) => SPAN - 3 + rng.below(6),
        (3, _) => 1 + rng.below(20 * SPAN),
        (4, _) => REACH - 2 * BLOCK + rng.below(4 * BLOCK),
        (5, _) => BLOCK - 2 + rng.below(4),
        (_, 0..6) => 1,
        (_, 6..9) => 1 + rng.below(8),
        (_, 9..11) => SPAN - 2 + rng.below(4),
        (_, 11..13) => 2 * SPAN - 2 + rng.below(4),
        (_, 13) => 1 + rng.below(1 << 40),
        (_, 14) => u64::MAX - rng.below(3),
        _ => 1 + rng.below(SPAN),
    }
}

/// One world: a queue and the model, driven by the same steps.
struct World<'m> {
    queue: Queue<'m>,
    heap: BinaryHeap<Reverse<Event>>,
    rng: Rng,
    style: u64,
    steps: u64,
}

impl World<'_> {
    fn push(&mut self, time: u64) {
        if self.queue.len() == self.queue.capacity() {
            return;
        }
        let few = if self.rng.below(4) == 0 { 3 } else { 32_768 };
        let (dst, src) = (self.rng.below(few) as u32, self.rng.below(3) as u32);
        let event = Event { time, dst, src, payload: self.rng.below(4) };
        self.queue.push(time, Item::new(dst, src, event.payload));
        self.heap.push(Reverse(event));
    }

    /// A run of pops, each of which may push, as a torus does.
    fn run(&mut self, count: u64) {
        for _ in 0..count {
            if self.queue.ready(u64::MAX) == 0 {
                assert!(self.heap.is_empty());
                return;
            }
            let event = self.queue.take().at(self.queue.now());
            assert_eq!(Some(Reverse(event)), self.heap.pop(), "step {} style {}", self.steps, self.style);
            self.steps += 1;
            for _ in 0..self.rng.below(3) {
                let delay = delay(&mut self.rng, self.style);
                self.push(event.time.saturating_add(delay));
            }
        }
    }

    /// Events from outside: at the clock, late ones lifted to it, and later ones.
    fn inject(&mut self, count: u64) {
        for _ in 0..count {
            let ahead = if self.rng.below(2) == 0 { 0 } else { delay(&mut self.rng, self.style) };
            self.push(self.queue.now().saturating_add(ahead));
            self.steps += 1;
        }
    }

    fn give(&mut self, count: u64) {
        let mut all = std::mem::take(&mut self.heap).into_sorted_vec();
        // into_sorted_vec of Reverse is descending by event: the latest comes first.
        let taken = (count as usize).min(all.len());
        for Reverse(expected) in all.drain(..taken) {
            assert_eq!(self.queue.take_latest(), Some(expected), "step {} style {}", self.steps, self.style);
            self.steps += 1;
        }
        if all.is_empty() {
            assert_eq!(self.queue.take_latest(), None);
        }
        self.heap = all.into();
    }

    fn check(&self) {
        assert_eq!(self.queue.len(), self.heap.len());
        assert_eq!(self.queue.next_time(), self.heap.peek().map(|Reverse(event)| event.time));
    }
}

fn drive(seed: u64, style: u64, events: u32, steps: u64) -> u64 {
    let mut bytes = vec![0; bytes(events) + 64];
    let queue = Queue::new(events, &mut Carver::new(&mut bytes)).expect("sized by bytes()");
    let mut world = World { queue, heap: BinaryHeap::new(), rng: Rng::new(seed), style, steps: 0 };
    while world.steps < steps {
        match world.rng.below(16) {
            0..9 => {
                let count = world.rng.below(400);
                world.run(count);
            }
            9..14 => {
                let count = world.rng.below(60);
                world.inject(count);
            }
            14 => {
                let count = world.rng.below(20);
                world.give(count);
            }
            _ => {
                let fill = u64::from(world.rng.below(20) == 0) * u64::from(events);
                world.inject(fill);
            }
        }
        world.check();
        // A world that has reached the end of time is over.
        if world.queue.now() > u64::MAX - 2 {
            break;
        }
    }
    let mut scanned = Vec::new();
    world.queue.scan(|event| scanned.push(Reverse(event)));
    scanned.sort_unstable();
    assert_eq!(scanned, world.heap.clone().into_sorted_vec());
    world.run(20_000);
    world.steps
}

#[test]
fn the_queue_pops_what_a_binary_heap_pops_over_millions_of_steps() {
    // rse:T1, rse:T6, decisions:NODE-11: full canonical order under runs that stop anywhere, injections at the current time, far
    // and saturating times and hand-overs.
    let mut steps = 0;
    let mut seed = 0;
    while steps < 4_000_000 {
        seed += 1;
        let events = [1, 2, 17, 25, 100, 1000, 8192][(seed / 7) as usize % 7];
        steps += drive(seed, seed % 7, events, 60_000);
    }
}

#[test]
fn every_shape_of_bucket_is_sorted() {
    // rse:T6: one run, two that wrap, a few that overlap, many; with ties in destination and in everything.
    let mut rng = Rng::new(7);
    for round in 0..3000u64 {
        let count = 1 + rng.below(if round % 10 == 0 { 3000 } else { 120 }) as usize;
        let cells = [2, 30, 32_768][rng.below(3) as usize];
        let mut items: Vec<Item> =
            (0..count).map(|_| Item::new(rng.below(cells) as u32, rng.below(3) as u32, rng.below(3))).collect();
        let run = 1 + rng.below(count as u64) as usize;
        if round % 3 != 0 {
            items.chunks_mut(run).for_each(<[Item]>::sort_unstable);
        }
        if round % 5 == 0 {
            items.sort_unstable();
            items.rotate_left(run % count);
        }
        let mut expected = items.clone();
        expected.sort_unstable();
        let mut scratch = vec![Item::default(); count];
        let result = if sort::sort(&mut items, &mut scratch) { scratch } else { items };
        assert_eq!(result, expected);
    }
}

#[test]
fn the_end_of_time_is_a_time_like_any_other() {
    let mut bytes = vec![0; bytes(64) + 64];
    let mut queue = Queue::new(64, &mut Carver::new(&mut bytes)).expect("sized by bytes()");
    for back in [0, 1, SPAN - 1, SPAN, SPAN + 1] {
        queue.push(u64::MAX - back, Item::new(back as u32, 0, 0));
    }
    let mut seen = Vec::new();
    while queue.ready(u64::MAX) > 0 {
        seen.push(u64::MAX - u64::from(queue.take().dst()));
        if seen.len() == 5 {
            queue.push(u64::MAX, Item::new(0, 0, 0));
        }
    }
    assert_eq!(seen, [SPAN + 1, SPAN, SPAN - 1, 1, 0, 0].map(|back| u64::MAX - back));
    queue.push(u64::MAX, Item::new(3, 0, 0));
    assert_eq!(queue.next_time(), Some(u64::MAX));
    assert_eq!(queue.ready(u64::MAX - 1), 0);
    assert_eq!(queue.take_latest().map(|event| event.dst), Some(3));
}
