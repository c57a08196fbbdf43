//! The *stream* link: one sender, one receiver, fixed-size records, nothing lost, nothing twice (rse:M7,
//! decisions:NODE-5, decisions:NODE-8, decisions:NODE-17).
//!
//! Layout, in words of 8 bytes (transport-figures section 7, point 3):
//!
//! | words | content | written by |
//! |---|---|---|
//! | 0 | `tail`: records published since the ring was zeroed | sender |
//! | 1, 2 | boot id of the sender; `tail` when it attached | sender |
//! | 16 | `head`: records taken since the ring was zeroed | receiver |
//! | 17, 18 | boot id of the receiver; `head` when it attached | receiver |
//! | 32 ... | records, each on whole cache lines | sender |
//!
//! Both counts only rise, so they are also the sent and received counters of the pair. Zeroed words are an empty ring.
//! Either side may die: unpublished records vanish with the sender, published ones wait for the next receiver, which
//! finds them in [`Attached::unread`]. A receiver that dies between taking and acknowledging leaves the record to be
//! taken again: records carry (boot, seq) so that the layer above applies each once.

use crate::sync::{AtomicU64, Ordering};
use crate::words::{APART_WORDS, LayoutError, MAX_RECORDS, check, load_words, store_words, whole_lines};

/// Words of a record unless the caller says otherwise: one cache line.
pub const RECORD_WORDS: usize = 8;

const COUNT: usize = 0;
const BOOT: usize = 1;
const START: usize = 2;
const RECEIVER: usize = APART_WORDS;
const RECORDS: usize = 2 * APART_WORDS;

/// Words a ring of `records` records of `record_words` words takes.
pub const fn words_needed(record_words: usize, records: usize) -> usize {
    RECORDS + records * whole_lines(record_words)
}

/// What a side found when it took its end of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Boot id this side had before; 0 = never attached.
    pub previous_boot: u64,
    /// Boot id of the other side; 0 = not there yet.
    pub peer_boot: u64,
    /// Records published and not taken yet.
    pub unread: u64,
    /// The two counts contradicted each other; this side set its own so that the ring is empty.
    pub repaired: bool,
}

/// The counts of the ring contradict each other: damage or a hostile peer. This side moved nothing (rse:M7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{index} jumped to {found}, expected {least} to {most}: the ring is damaged, attach again to repair it")]
pub struct Damaged {
    /// `head` or `tail`.
    pub index: &'static str,
    /// Value found.
    pub found: u64,
    /// Smallest value that would have been in order.
    pub least: u64,
    /// Largest value that would have been in order.
    pub most: u64,
}

/// Why a record was not taken by the ring. The ring is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver is a whole ring behind; count it and keep the record.
    #[error("the ring is full: the receiver is behind")]
    Full,
    /// The receiver's count is out of order.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// `value` as the next reading of a count that was `known` and may rise up to `limit` (wrapping).
#[inline]
fn risen(index: &'static str, known: u64, limit: u64, value: u64) -> Result<u64, Damaged> {
    if value.wrapping_sub(known) <= limit.wrapping_sub(known) {
        return Ok(value);
    }
    Err(Damaged { index, found: value, least: known, most: limit })
}

/// `count` as seen from the later of two starts; a count below it (an earlier boot's records are still read) is 0.
fn in_pair(count: u64, own_start: u64, peer_start: u64) -> u64 {
    let since = |start: u64| count.wrapping_sub(start);
    // The later start is nearer. A start ahead of the count shows as a huge distance.
    let (own, peer) = (since(own_start), since(peer_start));
    if own > u64::MAX / 2 || peer > u64::MAX / 2 { 0 } else { own.min(peer) }
}

/// The words of a ring after its geometry was checked.
#[derive(Debug, Clone, Copy)]
struct Ring<'r> {
    sender: &'r [AtomicU64],
    receiver: &'r [AtomicU64],
    records: &'r [AtomicU64],
    record_words: usize,
    stride: usize,
    capacity: u64,
}

impl<'r> Ring<'r> {
    fn new(words: &'r [AtomicU64], record_words: usize, records: usize) -> Result<Self, LayoutError> {
        check("an spsc ring", words.len(), record_words, records, (2, MAX_RECORDS), words_needed)?;
        let stride = whole_lines(record_words);
        Ok(Self {
            sender: &words[..RECEIVER],
            receiver: &words[RECEIVER..RECORDS],
            records: &words[RECORDS..RECORDS + records * stride],
            record_words,
            stride,
            capacity: records as u64,
        })
    }

    #[inline]
    fn record(&self, index: u64) -> &'r [AtomicU64] {
        let at = (index & (self.capacity - 1)) as usize * self.stride;
        &self.records[at..at + self.record_words]
    }
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<'r> {
    ring: Ring<'r>,
    /// Next index to write; ahead of `published` by what is staged.
    tail: u64,
    published: u64,
    started: u64,
    /// The receiver's count when last looked at.
    head: u64,
}

impl<'r> Sender<'r> {
    /// Takes the sending end for `boot` (not 0) and continues where an earlier boot ended.
    ///
    /// # Errors
    /// The words do not hold `records` (a power of two from 2) records of `record_words`.
    pub fn attach(
        words: &'r [AtomicU64],
        record_words: usize,
        records: usize,
        boot: u64,
    ) -> Result<(Self, Attached), LayoutError> {
        let ring = Ring::new(words, record_words, records)?;
        let head = ring.receiver[COUNT].load(Ordering::Acquire);
        let found = ring.sender[COUNT].load(Ordering::Acquire);
        let repaired = found.wrapping_sub(head) > ring.capacity;
        let tail = if repaired { head } else { found };
        let previous_boot = ring.sender[BOOT].load(Ordering::Relaxed);
        ring.sender[START].store(tail, Ordering::Relaxed);
        ring.sender[COUNT].store(tail, Ordering::Release);
        ring.sender[BOOT].store(boot, Ordering::Release);
        let peer_boot = ring.receiver[BOOT].load(Ordering::Acquire);
        let attached = Attached { previous_boot, peer_boot, unread: tail.wrapping_sub(head), repaired };
        Ok((Self { ring, tail, published: tail, started: tail, head }, attached))
    }

    /// Sends one record and publishes it, with all that was staged before. A shorter record leaves the rest of its
    /// place as it was.
    ///
    /// # Errors
    /// [`SendError::Full`], or [`SendError::Damaged`] for a receiver's count out of order.
    ///
    /// # Panics
    /// When `record` is longer than a record of the ring.
    #[inline]
    pub fn send(&mut self, record: &[u64]) -> Result<(), SendError> {
        self.stage(record)?;
        self.flush();
        Ok(())
    }

    /// Writes one record without publishing it: many records then cost one transfer of the count's line.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// As [`send`](Self::send).
    #[inline]
    pub fn stage(&mut self, record: &[u64]) -> Result<(), SendError> {
        assert!(record.len() <= self.ring.record_words, "record longer than the ring's records");
        self.stage_with(|place| store_words(place, record))
    }

    /// Like [`stage`](Self::stage), but `fill` writes the record in place (relaxed stores), which saves a copy.
    ///
    /// # Errors
    /// As [`send`](Self::send); `fill` is then not called.
    #[inline]
    pub fn stage_with(&mut self, fill: impl FnOnce(&[AtomicU64])) -> Result<(), SendError> {
        if self.tail.wrapping_sub(self.head) >= self.ring.capacity && self.look()? == 0 {
            return Err(SendError::Full);
        }
        fill(self.ring.record(self.tail));
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Publishes what was staged; returns how many records that were.
    #[inline]
    pub fn flush(&mut self) -> u64 {
        let staged = self.tail.wrapping_sub(self.published);
        if staged > 0 {
            self.ring.sender[COUNT].store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
        staged
    }

    /// Records that can be staged now without `Full`: what a hand-over reserves before it takes work out
    /// (decisions:NODE-5). Only this side takes places, so the number can only rise until they are used.
    ///
    /// # Errors
    /// The receiver's count is out of order.
    #[inline]
    pub fn free(&mut self) -> Result<u64, Damaged> {
        self.look()
    }

    #[inline]
    fn look(&mut self) -> Result<u64, Damaged> {
        // Acquire: the receiver's loads of a place come before this side's next stores into it.
        let head = self.ring.receiver[COUNT].load(Ordering::Acquire);
        self.head = risen("head", self.head, self.published, head)?;
        Ok(self.ring.capacity - self.tail.wrapping_sub(self.head))
    }

    /// Records published over the life of the ring (decisions:NODE-8).
    pub fn sent(&self) -> u64 {
        self.published
    }

    /// Records published by this boot.
    pub fn sent_by_this_boot(&self) -> u64 {
        self.published.wrapping_sub(self.started)
    }

    /// Boot id of the receiver now, 0 = none yet: a change means it was restarted.
    #[inline]
    pub fn peer_boot(&self) -> u64 {
        self.ring.receiver[BOOT].load(Ordering::Acquire)
    }

    /// Records the ring holds.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity
    }

    /// Where the receiver's boot began to count: records below this it did not take; untrusted.
    pub fn peer_start(&self) -> u64 {
        self.ring.receiver[START].load(Ordering::Acquire)
    }

    /// Records published since the later of the two present boots attached: what both sides of the pair mean by *sent*
    /// (decisions:NODE-8). The count starts where the receiver of that pair starts to count.
    pub fn sent_in_pair(&self) -> u64 {
        in_pair(self.published, self.started, self.peer_start())
    }

    /// Records taken over the life of the ring, as the receiver says; untrusted (decisions:NODE-8: read this one
    /// before [`sent`](Self::sent)).
    pub fn received_by_peer(&self) -> u64 {
        self.ring.receiver[COUNT].load(Ordering::Acquire)
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<'r> {
    ring: Ring<'r>,
    head: u64,
    started: u64,
    /// The sender's count when last looked at.
    tail: u64,
}

impl<'r> Receiver<'r> {
    /// Takes the receiving end for `boot` (not 0). What an earlier boot left unread is delivered first
    /// (decisions:NODE-17).
    ///
    /// # Errors
    /// The words do not hold `records` (a power of two from 2) records of `record_words`.
    pub fn attach(
        words: &'r [AtomicU64],
        record_words: usize,
        records: usize,
        boot: u64,
    ) -> Result<(Self, Attached), LayoutError> {
        let ring = Ring::new(words, record_words, records)?;
        let found = ring.receiver[COUNT].load(Ordering::Acquire);
        let tail = ring.sender[COUNT].load(Ordering::Acquire);
        let repaired = tail.wrapping_sub(found) > ring.capacity;
        let head = if repaired { tail } else { found };
        let previous_boot = ring.receiver[BOOT].load(Ordering::Relaxed);
        ring.receiver[START].store(head, Ordering::Relaxed);
        ring.receiver[COUNT].store(head, Ordering::Release);
        ring.receiver[BOOT].store(boot, Ordering::Release);
        let peer_boot = ring.sender[BOOT].load(Ordering::Acquire);
        let attached = Attached { previous_boot, peer_boot, unread: tail.wrapping_sub(head), repaired };
        Ok((Self { ring, head, started: head, tail }, attached))
    }

    /// Takes the oldest record into `out`; `false` = the ring is empty. One copy, so that what is parsed afterwards
    /// cannot change underneath (rse:M7).
    ///
    /// # Errors
    /// The sender's count is out of order; nothing was taken.
    #[inline]
    pub fn recv(&mut self, out: &mut [u64]) -> Result<bool, Damaged> {
        self.recv_with(|record| load_words(out, record))
    }

    /// Like [`recv`](Self::recv), but `take` reads the record in place. A hostile sender can change the words while
    /// they are read: what matters is read once.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_with(&mut self, take: impl FnOnce(&[AtomicU64])) -> Result<bool, Damaged> {
        if self.head == self.tail && self.look()? == 0 {
            return Ok(false);
        }
        take(self.ring.record(self.head));
        self.head = self.head.wrapping_add(1);
        self.ring.receiver[COUNT].store(self.head, Ordering::Release);
        Ok(true)
    }

    /// Copies the record `ahead` places behind the oldest one into `out` and leaves it there; `false` = there are not so many.
    /// Whoever passes records on keeps them until they have arrived, and then takes them with [`drain`](Self::drain).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn peek(&mut self, ahead: u64, out: &mut [u64]) -> Result<bool, Damaged> {
        if ahead >= self.tail.wrapping_sub(self.head) && ahead >= self.look()? {
            return Ok(false);
        }
        load_words(out, self.ring.record(self.head.wrapping_add(ahead)));
        Ok(true)
    }

    /// Takes up to `most` records in place and acknowledges them together: one store of the count for a batch.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn drain(&mut self, most: u64, mut take: impl FnMut(&[AtomicU64])) -> Result<u64, Damaged> {
        let mut there = self.tail.wrapping_sub(self.head);
        if there == 0 {
            there = self.look()?;
        }
        let count = there.min(most);
        for _ in 0..count {
            take(self.ring.record(self.head));
            self.head = self.head.wrapping_add(1);
        }
        if count > 0 {
            self.ring.receiver[COUNT].store(self.head, Ordering::Release);
        }
        Ok(count)
    }

    /// Records that wait to be taken.
    ///
    /// # Errors
    /// The sender's count is out of order.
    #[inline]
    pub fn waiting(&mut self) -> Result<u64, Damaged> {
        self.look()
    }

    #[inline]
    fn look(&mut self) -> Result<u64, Damaged> {
        // Acquire: the records below this count are complete.
        let tail = self.ring.sender[COUNT].load(Ordering::Acquire);
        self.tail = risen("tail", self.tail, self.head.wrapping_add(self.ring.capacity), tail)?;
        Ok(self.tail.wrapping_sub(self.head))
    }

    /// Records taken over the life of the ring (decisions:NODE-8).
    pub fn received(&self) -> u64 {
        self.head
    }

    /// Records taken since the later of the two present boots attached: what both sides of the pair mean by *received*
    /// (decisions:NODE-8).
    pub fn received_in_pair(&self) -> u64 {
        in_pair(self.head, self.started, self.ring.sender[START].load(Ordering::Acquire))
    }

    /// Records taken by this boot.
    pub fn received_by_this_boot(&self) -> u64 {
        self.head.wrapping_sub(self.started)
    }

    /// Boot id of the sender now, 0 = none yet: a change means it was restarted.
    #[inline]
    pub fn peer_boot(&self) -> u64 {
        self.ring.sender[BOOT].load(Ordering::Acquire)
    }

    /// The next record to be taken was published by an earlier boot of the sender than the present one.
    pub fn next_is_from_earlier_boot(&self) -> bool {
        let start = self.ring.sender[START].load(Ordering::Acquire);
        let before_start = start.wrapping_sub(self.head);
        before_start > 0 && before_start <= self.ring.capacity
    }
}
