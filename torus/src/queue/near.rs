//! The whole queue while it holds few events: a short sorted array. A ring with a handful of events in flight pops at the front and
//! appends at the back; a wheel would pay for a bucket with every event.

use crate::Event;

/// Most events held here; one more moves all of them to the wheels.
pub(super) const NEAR: usize = 24;
const PLACES: usize = 64;

#[derive(Debug)]
pub(super) struct Near {
    /// Sorted events at `head..tail`.
    events: [Event; PLACES],
    head: usize,
    tail: usize,
}

impl Near {
    pub(super) const fn new() -> Self {
        Self { events: [Event { time: 0, dst: 0, src: 0, payload: 0 }; PLACES], head: 0, tail: 0 }
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events[self.head..self.tail]
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Event> {
        if self.head == self.tail { None } else { Some(&self.events[self.head % PLACES]) }
    }

    /// Adds an event; fewer than [`NEAR`] are held.
    #[inline]
    pub(super) fn insert(&mut self, event: Event) {
        if self.tail == PLACES {
            self.events.copy_within(self.head.., 0);
            self.tail -= self.head;
            self.head = 0;
        }
        let mut at = self.tail;
        self.tail += 1;
        while at > self.head && event < self.events[(at - 1) % PLACES] {
            self.events[at % PLACES] = self.events[(at - 1) % PLACES];
            at -= 1;
        }
        self.events[at % PLACES] = event;
    }

    /// Takes the earliest event; there is one.
    #[inline]
    pub(super) fn pop(&mut self) -> Event {
        let event = self.events[self.head % PLACES];
        self.head += 1;
        event
    }

    pub(super) fn pop_greatest(&mut self) -> Option<Event> {
        if self.head == self.tail {
            return None;
        }
        self.tail -= 1;
        Some(self.events[self.tail])
    }

    pub(super) fn clear(&mut self) {
        (self.head, self.tail) = (0, 0);
    }
}
