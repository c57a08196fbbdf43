//! Events beyond the wheel: a min-max heap, so that the earliest can be promoted and the latest given away, each in O(log n).
//!
//! Even levels are ordered for the least, odd levels for the greatest: a node on an even level is the least of its subtree, one on an
//! odd level the greatest.

use crate::Event;

#[derive(Debug)]
pub(super) struct Overflow<'m> {
    heap: &'m mut [Event],
    len: usize,
}

/// Whether a node lies on a level for the least.
const fn for_least(at: usize) -> bool {
    (at + 1).ilog2().is_multiple_of(2)
}

impl<'m> Overflow<'m> {
    pub(super) const fn new(heap: &'m mut [Event]) -> Self {
        Self { heap, len: 0 }
    }

    #[inline]
    pub(super) fn least_time(&self) -> Option<u64> {
        if self.len == 0 { None } else { Some(self.heap[0].time) }
    }

    /// Adds an event; there is room (the queue has counted).
    pub(super) fn push(&mut self, event: Event) {
        let at = self.len;
        self.heap[at] = event;
        self.len += 1;
        if at == 0 {
            return;
        }
        let parent = (at - 1) / 2;
        let least = for_least(at);
        // A node that breaks the order with its parent belongs to the parent's kind of level.
        if before(&self.heap[parent], &self.heap[at], least) {
            self.heap.swap(at, parent);
            self.rise(parent, !least);
        } else {
            self.rise(at, least);
        }
    }

    fn rise(&mut self, mut at: usize, least: bool) {
        while at > 2 {
            let grandparent = ((at - 1) / 2 - 1) / 2;
            if !before(&self.heap[at], &self.heap[grandparent], least) {
                return;
            }
            self.heap.swap(at, grandparent);
            at = grandparent;
        }
    }

    pub(super) fn pop_least(&mut self) -> Option<Event> {
        if self.len == 0 { None } else { Some(self.remove(0)) }
    }

    pub(super) fn pop_greatest(&mut self) -> Option<Event> {
        let at = match self.len {
            0 => return None,
            1 => 0,
            2 => 1,
            _ => 1 + usize::from(self.heap[2] > self.heap[1]),
        };
        Some(self.remove(at))
    }

    fn remove(&mut self, at: usize) -> Event {
        let event = self.heap[at];
        self.len -= 1;
        if at < self.len {
            self.heap[at] = self.heap[self.len];
            self.sink(at, for_least(at));
        }
        event
    }

    fn sink(&mut self, mut at: usize, least: bool) {
        loop {
            let first_child = 2 * at + 1;
            if first_child >= self.len {
                return;
            }
            let first_grandchild = 2 * first_child + 1;
            let mut best = first_child;
            let family = (first_child + 1..first_child + 2).chain(first_grandchild..first_grandchild + 4);
            for one in family.take_while(|&one| one < self.len) {
                if before(&self.heap[one], &self.heap[best], least) {
                    best = one;
                }
            }
            if !before(&self.heap[best], &self.heap[at], least) {
                return;
            }
            self.heap.swap(best, at);
            if best < first_grandchild {
                return;
            }
            let parent = (best - 1) / 2;
            if before(&self.heap[parent], &self.heap[best], least) {
                self.heap.swap(best, parent);
            }
            at = best;
        }
    }

    pub(super) fn scan(&self, see: &mut impl FnMut(Event)) {
        self.heap[..self.len].iter().for_each(|&event| see(event));
    }
}

/// Whether `one` comes before `other` on a level for the least (or for the greatest).
#[inline]
fn before(one: &Event, other: &Event, least: bool) -> bool {
    if least { one < other } else { one > other }
}
