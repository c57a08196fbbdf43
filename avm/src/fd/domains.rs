//! Domains as bits on a trail: every change is written down with its cause, so that it is undone exactly, woken for and explained.

use std::sync::Arc;

use super::universe::Universe;

/// Cause of a change that the program itself asked for.
pub(super) const INPUT: u32 = u32::MAX;
/// Stands for the variable in an entry about a word of a propagator's state.
pub(super) const STATE: u32 = u32::MAX;
const FIXED: u32 = 1 << 31;
/// Entries that are reserved at most; a search beyond lets the trail grow.
const ROOM: usize = 1 << 18;

/// A domain would become empty; carries the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fail(pub(super) u32);

/// One word changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its bits before.
    pub(super) old: u64,
    pub(super) word: u32,
    /// The variable, or [`STATE`].
    pub(super) slot: u32,
    /// The constraint that did it, or [`INPUT`].
    pub(super) cause: u32,
    /// Size of the domain before; the top bit says that it has one value since.
    size: u32,
}

impl Entry {
    /// With this change the domain came down to one value.
    pub(super) fn fixed(&self) -> bool {
        self.size & FIXED != 0
    }
}

/// Where the bits of a variable stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) words: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.words) as usize
    }
}

/// All domains, the reversible words of propagators, and the trail.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Domains {
    pub(super) spans: Vec<Span>,
    pub(super) universes: Vec<Arc<Universe>>,
    pub(super) words: Vec<u64>,
    pub(super) sizes: Vec<u32>,
    pub(super) state: Vec<u64>,
    pub(super) trail: Vec<Entry>,
}

impl Domains {
    /// A new variable with every value of the list.
    pub(super) fn push(&mut self, universe: Arc<Universe>) -> u32 {
        let len = universe.len();
        let span = Span { start: self.words.len() as u32, words: len.div_ceil(64) as u32, len: len as u32 };
        self.words.extend((0..span.words).map(|_| u64::MAX));
        if let Some(last) = self.words.last_mut().filter(|_| !len.is_multiple_of(64)) {
            *last = (1 << (len % 64)) - 1;
        }
        self.spans.push(span);
        self.sizes.push(len as u32);
        self.universes.push(universe);
        self.spans.len() as u32 - 1
    }

    /// Forgets variables from `count` on.
    pub(super) fn truncate(&mut self, count: usize) {
        if let Some(span) = self.spans.get(count) {
            self.words.truncate(span.start as usize);
        }
        self.spans.truncate(count);
        self.sizes.truncate(count);
        self.universes.truncate(count);
    }

    #[inline]
    pub(super) fn universe(&self, slot: u32) -> &Universe {
        &self.universes[slot as usize]
    }

    #[inline]
    pub(super) fn bits(&self, slot: u32) -> &[u64] {
        &self.words[self.spans[slot as usize].range()]
    }

    #[inline]
    pub(super) fn len(&self, slot: u32) -> u32 {
        self.spans[slot as usize].len
    }

    #[inline]
    pub(super) fn size(&self, slot: u32) -> u32 {
        self.sizes[slot as usize]
    }

    #[inline]
    pub(super) fn fixed(&self, slot: u32) -> bool {
        self.sizes[slot as usize] == 1
    }

    #[inline]
    pub(super) fn has(&self, slot: u32, place: usize) -> bool {
        self.words[self.spans[slot as usize].start as usize + place / 64] >> (place % 64) & 1 != 0
    }

    /// First place at or after `from` that is in the domain.
    #[inline]
    pub(super) fn next(&self, slot: u32, from: usize) -> Option<usize> {
        let bits = self.bits(slot);
        let mut word = from / 64;
        let mut left = *bits.get(word)? & (u64::MAX << (from % 64));
        loop {
            if left != 0 {
                return Some(word * 64 + left.trailing_zeros() as usize);
            }
            word += 1;
            left = *bits.get(word)?;
        }
    }

    /// Last place in the domain.
    #[inline]
    pub(super) fn last(&self, slot: u32) -> usize {
        let bits = self.bits(slot);
        let word = bits.iter().rposition(|bits| *bits != 0).unwrap_or(0);
        word * 64 + 63 - (bits[word] | 1).leading_zeros() as usize
    }

    /// First place in the domain; of a fixed variable, its place.
    #[inline]
    pub(super) fn first(&self, slot: u32) -> usize {
        let span = self.spans[slot as usize];
        if span.words == 1 {
            return self.words[span.start as usize].trailing_zeros() as usize;
        }
        self.next(slot, 0).unwrap_or(0)
    }

    /// Places in the domain, in order.
    pub(super) fn places(&self, slot: u32) -> impl Iterator<Item = usize> + '_ {
        ones(self.bits(slot))
    }

    /// Sets one word of a domain to `new`, a subset of what it is.
    #[inline]
    pub(super) fn keep(&mut self, slot: u32, word: usize, new: u64, cause: u32) -> Result<(), Fail> {
        let at = self.spans[slot as usize].start as usize + word;
        let old = self.words[at];
        let gone = (old & !new).count_ones();
        if gone == 0 {
            return Ok(());
        }
        let size = self.sizes[slot as usize];
        if gone >= size {
            return Err(Fail(cause));
        }
        let fixed = if size - gone == 1 { FIXED } else { 0 };
        self.trail.push(Entry { old, word: at as u32, slot, cause, size: size | fixed });
        self.words[at] = old & new;
        self.sizes[slot as usize] = size - gone;
        Ok(())
    }

    /// Takes one place out of a domain.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32, place: usize, cause: u32) -> Result<(), Fail> {
        self.remove_at(slot, place as i64, cause)
    }

    /// Takes one place out of a domain, if it is a place at all.
    #[inline]
    pub(super) fn remove_at(&mut self, slot: u32, place: i64, cause: u32) -> Result<(), Fail> {
        let span = self.spans[slot as usize];
        if place as u64 >= u64::from(span.len) {
            return Ok(());
        }
        let place = place as usize;
        let at = span.start as usize + place / 64;
        let bit = 1 << (place % 64);
        let old = self.words[at];
        if old & bit == 0 {
            return Ok(());
        }
        let size = self.sizes[slot as usize];
        let fixed = match size {
            1 => return Err(Fail(cause)),
            2 => FIXED,
            _ => 0,
        };
        self.trail.push(Entry { old, word: at as u32, slot, cause, size: size | fixed });
        self.words[at] = old & !bit;
        self.sizes[slot as usize] = size - 1;
        Ok(())
    }

    /// Leaves one place only.
    #[inline]
    pub(super) fn assign(&mut self, slot: u32, place: usize, cause: u32) -> Result<(), Fail> {
        if !self.has(slot, place) {
            return Err(Fail(cause));
        }
        let span = self.spans[slot as usize];
        if span.words == 1 {
            let (at, size) = (span.start as usize, self.sizes[slot as usize]);
            if size > 1 {
                self.trail.push(Entry { old: self.words[at], word: span.start, slot, cause, size: size | FIXED });
                self.words[at] = 1 << place;
                self.sizes[slot as usize] = 1;
            }
            return Ok(());
        }
        for word in 0..span.words as usize {
            let bit = if word == place / 64 { 1 << (place % 64) } else { 0 };
            self.keep(slot, word, bit, cause)?;
        }
        Ok(())
    }

    /// Leaves the places for which `stays` holds.
    pub(super) fn filter(
        &mut self,
        slot: u32,
        cause: u32,
        mut stays: impl FnMut(&Self, usize) -> bool,
    ) -> Result<(), Fail> {
        for word in 0..self.spans[slot as usize].words as usize {
            let bits = self.bits(slot)[word];
            let mut new = bits;
            let mut left = bits;
            while left != 0 {
                if !stays(self, word * 64 + left.trailing_zeros() as usize) {
                    new &= !(left & left.wrapping_neg());
                }
                left &= left - 1;
            }
            self.keep(slot, word, new, cause)?;
        }
        Ok(())
    }

    /// Variables changed after the first `start` entries of the trail, with repeats.
    pub(super) fn changed_since(&self, start: usize) -> impl Iterator<Item = u32> + '_ {
        self.trail[start..].iter().map(|entry| entry.slot).filter(|slot| *slot != STATE)
    }

    /// Sets a reversible word.
    pub(super) fn set_state(&mut self, word: usize, new: u64) {
        let old = self.state[word];
        if old != new {
            self.trail.push(Entry { old, word: word as u32, slot: STATE, cause: INPUT, size: 0 });
            self.state[word] = new;
        }
    }

    /// Makes room on the trail, so that it need not grow while a search runs: no entry is without a bit that went.
    pub(super) fn reserve(&mut self) {
        let values: usize = self.sizes.iter().map(|size| *size as usize).sum();
        let states: usize = self.state.iter().map(|word| word.count_ones() as usize).sum();
        self.trail.reserve((values + states).min(ROOM));
    }

    /// Takes back every change after the first `length` entries of the trail.
    pub(super) fn undo(&mut self, length: usize) {
        while self.trail.len() > length {
            let Some(entry) = self.trail.pop() else { return };
            if entry.slot == STATE {
                self.state[entry.word as usize] = entry.old;
            } else {
                self.words[entry.word as usize] = entry.old;
                self.sizes[entry.slot as usize] = entry.size & !FIXED;
            }
        }
    }

    /// Least and greatest number of a domain of numbers, by places.
    pub(super) fn bounds(&self, slot: u32) -> (i128, i128) {
        let universe = self.universe(slot);
        let numbers = universe.numbers();
        if universe.ascending() {
            let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
            return (at(self.first(slot)), at(self.last(slot)));
        }
        let of = |place| universe.number(place);
        let least = self.places(slot).filter_map(of).min().unwrap_or(0);
        let most = self.places(slot).filter_map(of).max().unwrap_or(0);
        (least, most)
    }
}

/// Positions of the bits that are set.
pub(super) fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(at, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            Some(at * 64 + place)
        })
    })
}
