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
    lookahead: Option<u32>,
}

impl Source {
    /// Makes a source of `events`, which are in logical order (time, dst, src, payload). `repeats` further rounds follow the first;
    /// `None` repeats for ever.
    #[must_use]
    pub fn new(events: Arc<[Event]>, repeats: Option<u32>) -> Self {
        debug_assert!(events.is_sorted());
        // A repetition begins one tick after the last event, as far from it as the first event is from time zero.
        let span = events.last().map_or(0, |last| last.time.saturating_add(1));
        Self { events, next: 0, repeats, offset: 0, span, lookahead: None }
    }

    /// Lets [`crate::Input::Feed`] stop when this many events wait, so that what they make finds room. Without it the limit is half of
    /// what the torus itself may hold.
    #[must_use]
    pub const fn with_lookahead(mut self, events: u32) -> Self {
        self.lookahead = Some(events);
        self
    }

    pub(crate) const fn lookahead(&self) -> Option<u32> {
        self.lookahead
    }

    /// Time of the next arrival, ticks; `None` when the source has run dry.
    #[must_use]
    pub fn next_time(&self) -> Option<u64> {
        if let Some(event) = self.events.get(self.next) {
            return Some(event.time.saturating_add(self.offset));
        }
        let again = if self.repeats == Some(0) { None } else { self.events.first() };
        again.map(|event| event.time.saturating_add(self.offset.saturating_add(self.span)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_shifted_by_the_span_of_the_file() {
        let event = |time| Event { time, ..Event::default() };
        let mut source = Source::new(vec![event(5), event(5), event(9)].into(), Some(1));
        let mut times = Vec::new();
        while let Some(next) = source.next_time() {
            times.push(next);
            assert_eq!(source.take().map(|event| event.time), Some(next));
        }
        assert_eq!(times, [5, 5, 9, 15, 15, 19]);
        assert_eq!((source.take(), source.len()), (None, 3));
        let mut endless = Source::new(vec![event(u64::MAX - 1)].into(), None);
        assert!((0..10).all(|_| endless.take().is_some()));
        assert_eq!(Source::new(Vec::new().into(), None).next_time(), None);
        assert_eq!(Source::new(Vec::new().into(), None).take(), None);
    }
}
