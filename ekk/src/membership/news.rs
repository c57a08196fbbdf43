//! News that travel in the slots of heartbeats (`membership:MB-8`): newest first, each a bounded number of times per link.

use super::config::{LINKS_MAX, NEWS_SLOTS};
use crate::wire::v1::membership::News;

/// News that can be on their way at once; more push out the oldest, which is counted.
pub const QUEUE_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Item {
    news: News,
    /// Grows with each item: the greatest is the newest.
    number: u32,
    /// How often each link slot has carried it.
    carried: [u8; LINKS_MAX],
}

/// News on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    items: [Option<Item>; QUEUE_MAX],
    number: u32,
    len: u8,
    /// Slots wanted beyond those of a heartbeat: news that waited for the next one.
    pub waited: u32,
    /// News pushed out before they were carried often enough.
    pub lost: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items: [None; QUEUE_MAX], number: 0, len: 0, waited: 0, lost: 0 }
    }
}

impl Queue {
    /// Adds a piece of news as the newest; one of the same kind about the same node gives way to it.
    pub fn push(&mut self, news: News) {
        let same = |item: &Item| item.news.kind == news.kind && item.news.identity.id == news.identity.id;
        let number = self.number;
        self.number = self.number.wrapping_add(1);
        let item = Item { news, number, carried: [0; LINKS_MAX] };
        let place = self.items.iter().position(|slot| slot.as_ref().is_some_and(same));
        if let Some(at) = place {
            self.items[at] = Some(item);
        } else if let Some(at) = self.items.iter().position(Option::is_none) {
            self.items[at] = Some(item);
            self.len += 1;
        } else if let Some(oldest) = self.items.iter_mut().flatten().min_by_key(|item| age_order(item.number, number)) {
            *oldest = item;
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Fills the slots of one heartbeat over the link in `slot`; each piece goes at most `repeats` times.
    pub fn fill(&mut self, slot: usize, repeats: u8) -> [Option<News>; NEWS_SLOTS] {
        let mut slots = [None; NEWS_SLOTS];
        if self.len == 0 {
            return slots;
        }
        let mut taken = [false; QUEUE_MAX];
        for out in &mut slots {
            let newest = (0..QUEUE_MAX)
                .filter(|&at| !taken[at])
                .filter_map(|at| Some((at, self.items[at].as_ref()?)))
                .filter(|(_, item)| item.carried[slot] < repeats)
                .max_by_key(|(_, item)| age_order(item.number, self.number))
                .map(|(at, _)| at);
            let Some(at) = newest else { return slots };
            taken[at] = true;
            if let Some(item) = &mut self.items[at] {
                item.carried[slot] += 1;
                *out = Some(item.news);
            }
        }
        let waits = |at: &usize| !taken[*at] && self.items[*at].is_some_and(|item| item.carried[slot] < repeats);
        let waiting = (0..QUEUE_MAX).filter(waits).count();
        self.waited = self.waited.saturating_add(waiting as u32);
        slots
    }

    /// Ends what every link of `live` slots has carried `repeats` times.
    pub fn retire(&mut self, live: impl Fn(usize) -> bool, repeats: u8) {
        if self.len == 0 {
            return;
        }
        for slot in &mut self.items {
            let done = |item: &Item| (0..LINKS_MAX).all(|at| !live(at) || item.carried[at] >= repeats);
            if slot.as_ref().is_some_and(done) {
                *slot = None;
                self.len -= 1;
            }
        }
    }

    /// A new link is in `slot`: it has carried nothing.
    pub fn reset(&mut self, slot: usize) {
        for item in self.items.iter_mut().flatten() {
            item.carried[slot] = 0;
        }
    }

    /// Number of news on their way.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Order by age that survives the wrap of the count: smaller is older.
const fn age_order(number: u32, current: u32) -> u32 {
    u32::MAX - current.wrapping_sub(number)
}
