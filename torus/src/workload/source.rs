//! Arrivals for [`crate::Input::Feed`].

use std::sync::Arc;

use crate::Event;

/// A deterministic iterator of arrivals in logical order, optionally repeated: each repetition is shifted by the span of the whole.
///
/// The events are shared, so several tori can read one file.
#[derive(Debug, Clone)]
pub struct Source {
    events: Arc<[Event]>,
    next: usize,
    /// Repetitions left after this one; `None` = for ever.
    repeats: Option<u32>,
    offset: u64,
    span: u64,
}

impl Source {
    /// Makes a source of `events`, which are in logical order (time, dst, src, payload). `repeats` further rounds follow the first;
    /// `None` repeats for ever.
    #[must_use]
    pub fn new(events: Arc<[Event]>, repeats: Option<u32>) -> Self {
        debug_assert!(events.is_sorted());
        // A repetition begins one tick after the last event, as far from it as the first event is from time zero.
        let span = events.last().map_or(0, |last| last.time.saturating_add(1));
        Self { events, next: 0, repeats, offset: 0, span }
    }

    /// Time of the next arrival, ticks; `None` when the source has run dry.
    #[must_use]
    pub fn next_time(&self) -> Option<u64> {
        let mut ahead = self.clone();
        ahead.take().map(|event| event.time)
    }

    /// Events per repetition.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is no event at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn take(&mut self) -> Option<Event> {
        if self.next == self.events.len() {
            if self.events.is_empty() || self.repeats == Some(0) {
                return None;
            }
            self.repeats = self.repeats.map(|left| left - 1);
            self.offset = self.offset.saturating_add(self.span);
            self.next = 0;
        }
        let event = self.events[self.next];
        self.next += 1;
        Some(Event { time: event.time.saturating_add(self.offset), ..event })
    }
}
