//! The injection ring: many senders in many processes, one receiver, bounded, no lock (rse:M7).
//!
//! Layout, in words of 8 bytes; zeroed words are an empty ring:
//!
//! | words | content | written by |
//! |---|---|---|
//! | 0 | `tail`: positions claimed | senders |
//! | 16 | `head`: positions passed | receiver |
//! | 17 | boot id of the receiver | receiver |
//! | 32 + i x stride | state of place i | both |
//! | + 1 ... | payload | senders |
//!
//! Position p uses place `p mod records` in lap `p / records`. In lap L the state of a place goes
//! `2L` (free or claimed) -> `2L + 1` (published) -> `2(L + 1)` (taken, free for the next lap).
//!
//! # A sender that dies between claim and publication
//! Its place stays at `2L` while `tail` has passed it. The receiver would wait for ever, so after a patience the caller
//! chooses, [`Receiver::skip_stuck`] gives the place up: `2L -> GIVEN_UP + 2L` by compare-and-swap, and goes on; the
//! record counts as abandoned. The place is then *not used again*: all sides pass it as a hole, because the sender may
//! be only stopped and still write into it. If it does wake, its own compare-and-swap `2L -> 2L + 1` fails, it learns
//! [`SendError::GivenUp`], and hands the place back (`RETURNED`), after which the receiver frees it for the next lap.
//! So a late publication can neither be delivered nor touch another sender's record. A dead sender costs one place
//! until the region is renewed; [`Receiver::holes`] counts them.

use crate::sync::{AtomicU64, Ordering, spin_loop};
use crate::words::{APART_WORDS, LayoutError, MAX_RECORDS, check, load_words, store_words, whole_lines};

/// Words of payload unless the caller says otherwise: with the state word it fills one cache line.
pub const PAYLOAD_WORDS: usize = 7;

/// Most rounds of one [`Sender::send`]: other senders finish in between, so only damage or a crowd of thousands gets here.
pub const MAX_ROUNDS: u32 = 10_000;

const BOOT: usize = 1;
const RECEIVER: usize = APART_WORDS;
const RECORDS: usize = 2 * APART_WORDS;
const GIVEN_UP: u64 = 1 << 63;
const RETURNED: u64 = GIVEN_UP | 1 << 62;

/// Words a ring of `records` records with payloads of `payload_words` words takes.
pub const fn words_needed(payload_words: usize, records: usize) -> usize {
    RECORDS + records * whole_lines(1 + payload_words)
}

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver is a whole ring behind; nothing was written. Count it and refuse or retry later.
    #[error("the injection ring is full: the receiver is behind")]
    Full,
    /// This sender was stopped between claim and publication for longer than the receiver's patience: the record is
    /// not delivered and may be sent again.
    #[error("the receiver gave the record up while its sender was stopped: send it again")]
    GivenUp,
    /// Other senders won every round; nothing was written.
    #[error("no place could be claimed in {MAX_ROUNDS} rounds: too many senders at once")]
    Crowded,
    /// The state of a place contradicts the count of claims (rse:M7); nothing was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// The words of the ring contradict each other: damage or a hostile peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the injection ring holds {what} {found} at position {position}: it is damaged, renew the region")]
pub struct Damaged {
    /// Which word.
    pub what: &'static str,
    /// Its value.
    pub found: u64,
    /// The position this side was at.
    pub position: u64,
}

/// The words of a ring after its geometry was checked.
#[derive(Debug, Clone, Copy)]
struct Ring<'r> {
    tail: &'r AtomicU64,
    receiver: &'r [AtomicU64],
    records: &'r [AtomicU64],
    payload_words: usize,
    stride: usize,
    capacity: u64,
    lap_shift: u32,
}

impl<'r> Ring<'r> {
    fn new(words: &'r [AtomicU64], payload_words: usize, records: usize) -> Result<Self, LayoutError> {
        check("an mpsc ring", words.len(), payload_words, records, (2, MAX_RECORDS), words_needed)?;
        let stride = whole_lines(1 + payload_words);
        Ok(Self {
            tail: &words[0],
            receiver: &words[RECEIVER..RECORDS],
            records: &words[RECORDS..RECORDS + records * stride],
            payload_words,
            stride,
            capacity: records as u64,
            lap_shift: records.trailing_zeros(),
        })
    }

    #[inline]
    fn head(&self) -> &'r AtomicU64 {
        &self.receiver[0]
    }

    /// State word and payload of the place of `position`.
    #[inline]
    fn place(&self, position: u64) -> (&'r AtomicU64, &'r [AtomicU64]) {
        let at = (position & (self.capacity - 1)) as usize * self.stride;
        let place = &self.records[at..at + self.stride];
        (&place[0], &place[1..1 + self.payload_words])
    }

    /// The state of a free place in the lap of `position`.
    #[inline]
    fn free(&self, position: u64) -> u64 {
        (position >> self.lap_shift) << 1
    }
}

/// Positions at or above this are damage: the state word keeps its two top bits for holes.
const POSITION_LIMIT: u64 = 1 << 60;

/// A sending end; clone it for every thread, or build one over the same words in another process.
#[derive(Debug, Clone)]
pub struct Sender<'r> {
    ring: Ring<'r>,
}

impl<'r> Sender<'r> {
    /// A sending end over `words`.
    ///
    /// # Errors
    /// The words do not hold `records` (a power of two from 2) records with payloads of `payload_words`.
    pub fn new(words: &'r [AtomicU64], payload_words: usize, records: usize) -> Result<Self, LayoutError> {
        Ok(Self { ring: Ring::new(words, payload_words, records)? })
    }

    /// Sends one record, without waiting. A shorter record leaves the rest of its place as it was.
    ///
    /// # Errors
    /// [`SendError`]; in every case the record was not delivered and will not be.
    ///
    /// # Panics
    /// When `record` is longer than the ring's payload.
    #[inline]
    pub fn send(&self, record: &[u64]) -> Result<(), SendError> {
        assert!(record.len() <= self.ring.payload_words, "record longer than the ring's payload");
        self.claim()?.publish(record)
    }

    /// Claims a place; it counts against the receiver's patience until it is published. Dropping the claim leaves it to
    /// [`Receiver::skip_stuck`], as the death of a sender would.
    ///
    /// # Errors
    /// All of [`SendError`] but `GivenUp`.
    #[inline]
    pub fn claim(&self) -> Result<Claim<'r>, SendError> {
        for _ in 0..MAX_ROUNDS {
            let position = self.ring.tail.load(Ordering::Relaxed);
            if position >= POSITION_LIMIT {
                return Err(Damaged { what: "tail", found: position, position }.into());
            }
            let (state, payload) = self.ring.place(position);
            let free = self.ring.free(position);
            // Acquire: the receiver's loads of the lap before come before this sender's stores.
            let found = state.load(Ordering::Acquire);
            if found == free {
                if self.advance(position) {
                    return Ok(Claim { state, payload, free });
                }
            } else if found & GIVEN_UP != 0 {
                self.pass_hole(position)?;
            } else if found < free {
                // Published or claimed one lap ago: full. Anything older was never this ring's.
                return Err(match free - found {
                    1 | 2 => SendError::Full,
                    _ => Damaged { what: "state", found, position }.into(),
                });
            } else if self.ring.tail.load(Ordering::Relaxed) == position {
                // Higher means that the position was stale; but who sees the later state sees the later tail, too.
                return Err(Damaged { what: "state", found, position }.into());
            }
            spin_loop();
        }
        Err(SendError::Crowded)
    }

    #[inline]
    fn advance(&self, position: u64) -> bool {
        self.ring.tail.compare_exchange(position, position + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Moves the tail over a hole, unless the receiver has not even passed the hole's last lap.
    #[cold]
    fn pass_hole(&self, position: u64) -> Result<(), SendError> {
        let head = self.ring.head().load(Ordering::Acquire);
        if position.wrapping_sub(head) >= self.ring.capacity {
            // Either full, or the position is stale and the next round sees it.
            let full = self.ring.tail.load(Ordering::Relaxed) == position;
            return if full { Err(SendError::Full) } else { Ok(()) };
        }
        self.advance(position);
        Ok(())
    }

    /// Records claimed and not taken yet, as far as one glance can tell.
    pub fn backlog(&self) -> u64 {
        let head = self.ring.head().load(Ordering::Acquire);
        self.ring.tail.load(Ordering::Acquire).wrapping_sub(head).min(self.ring.capacity)
    }
}

/// A claimed place, not yet published.
#[derive(Debug)]
#[must_use = "an unpublished claim holds up the receiver until its patience ends"]
pub struct Claim<'r> {
    state: &'r AtomicU64,
    payload: &'r [AtomicU64],
    free: u64,
}

impl Claim<'_> {
    /// Writes and publishes the record.
    ///
    /// # Errors
    /// [`SendError::GivenUp`]: too late, the receiver has passed the place.
    #[inline]
    pub fn publish(self, record: &[u64]) -> Result<(), SendError> {
        store_words(self.payload, record);
        // Release: the payload is complete when the state says so. A swap against the lap, not a store: a place that
        // was given up meanwhile must not come back to life.
        let published = self.state.compare_exchange(self.free, self.free + 1, Ordering::Release, Ordering::Relaxed);
        if published.is_ok() {
            return Ok(());
        }
        // This sender is done with the words: from here on the place may be used again.
        let (given_up, returned) = (GIVEN_UP | self.free, RETURNED | self.free);
        let _ = self.state.compare_exchange(given_up, returned, Ordering::Release, Ordering::Relaxed);
        Err(SendError::GivenUp)
    }
}

/// What the receiver found when it took its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Boot id the receiver had before; 0 = never attached.
    pub previous_boot: u64,
    /// Positions claimed and not passed: records that wait, and claims under way.
    pub backlog: u64,
}

/// What stands at the head of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Nothing waits, or a record is ready.
    No,
    /// A place is claimed and not published, for so many ns by the times passed in.
    Waiting {
        /// Time since this was first seen, ns.
        for_ns: u64,
    },
    /// The patience is over: the place was given up and counted.
    Abandoned,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<'r> {
    ring: Ring<'r>,
    head: u64,
    /// Position seen claimed but unpublished, and when it was first seen so.
    stuck: Option<(u64, u64)>,
    received: u64,
    abandoned: u64,
    holes: u64,
}

impl<'r> Receiver<'r> {
    /// Takes the receiving end for `boot` (not 0) and continues where an earlier boot ended. A boot that died between
    /// taking a record and freeing its place leaves it to be taken again.
    ///
    /// # Errors
    /// The words do not hold `records` (a power of two from 2) records with payloads of `payload_words`.
    pub fn attach(
        words: &'r [AtomicU64],
        payload_words: usize,
        records: usize,
        boot: u64,
    ) -> Result<(Self, Attached), LayoutError> {
        let ring = Ring::new(words, payload_words, records)?;
        let mut head = ring.head().load(Ordering::Acquire).min(POSITION_LIMIT);
        // The state of a place is written before the head: a boot that died in between has passed one place more.
        if ring.place(head).0.load(Ordering::Acquire) == ring.free(head) + 2 {
            head += 1;
        }
        ring.head().store(head, Ordering::Release);
        let previous_boot = ring.receiver[BOOT].load(Ordering::Relaxed);
        ring.receiver[BOOT].store(boot, Ordering::Release);
        let backlog = ring.tail.load(Ordering::Acquire).wrapping_sub(head).min(ring.capacity);
        let given_up = |i: &u64| ring.place(*i).0.load(Ordering::Relaxed) & GIVEN_UP != 0;
        let holes = (0..ring.capacity).filter(given_up).count() as u64;
        Ok((Self { ring, head, stuck: None, received: 0, abandoned: 0, holes }, Attached { previous_boot, backlog }))
    }

    /// Takes the oldest record into `out`; `false` = nothing is ready (empty, or the next is claimed but not published:
    /// see [`skip_stuck`](Self::skip_stuck)). One copy, so that what is parsed afterwards cannot change underneath.
    ///
    /// # Errors
    /// The state of the next place is none a sender could have left; nothing was taken (rse:M7).
    #[inline]
    pub fn recv(&mut self, out: &mut [u64]) -> Result<bool, Damaged> {
        self.recv_with(|payload| load_words(out, payload))
    }

    /// Like [`recv`](Self::recv), but `take` reads the payload in place, each word once.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_with(&mut self, take: impl FnOnce(&[AtomicU64])) -> Result<bool, Damaged> {
        // Bounded: behind at most a whole ring of holes there is a record or nothing.
        for _ in 0..=self.ring.capacity {
            let (state, payload) = self.ring.place(self.head);
            let free = self.ring.free(self.head);
            // Acquire: the payload is complete when the state says so.
            let found = state.load(Ordering::Acquire);
            if found == free + 1 {
                take(payload);
                // Release: the loads above come before the next lap's stores.
                state.store(free + 2, Ordering::Release);
                self.pass();
                self.received += 1;
                return Ok(true);
            }
            if found == free {
                return Ok(false);
            }
            if found & GIVEN_UP == 0 {
                return Err(Damaged { what: "state", found, position: self.head });
            }
            if !self.pass_hole(state, found, free)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    #[inline]
    fn pass(&mut self) {
        self.head += 1;
        self.ring.head().store(self.head, Ordering::Release);
    }

    /// Passes a hole once a sender has; frees its place for the next lap if its owner has handed it back.
    #[cold]
    fn pass_hole(&mut self, state: &AtomicU64, found: u64, free: u64) -> Result<bool, Damaged> {
        if self.tail()? == self.head {
            return Ok(false);
        }
        // Acquire pairs with the owner's hand-back: its stores into the payload come before the next lap's.
        let back = found & RETURNED == RETURNED;
        if back && state.compare_exchange(found, free + 2, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.holes = self.holes.saturating_sub(1);
        }
        self.pass();
        Ok(true)
    }

    fn tail(&self) -> Result<u64, Damaged> {
        let tail = self.ring.tail.load(Ordering::Acquire);
        // `head` is at most `tail`, and no sender claims more than a ring ahead of it.
        if tail.wrapping_sub(self.head) > self.ring.capacity {
            return Err(Damaged { what: "tail", found: tail, position: self.head });
        }
        Ok(tail)
    }

    /// To be called now and then when [`recv`](Self::recv) finds nothing: gives up a place that stays claimed but
    /// unpublished for `patience_ns`, measured in the `now_ns` passed in. At most one place a call.
    ///
    /// # Errors
    /// The count of claims is out of order (rse:M7).
    pub fn skip_stuck(&mut self, now_ns: u64, patience_ns: u64) -> Result<Stuck, Damaged> {
        let (state, _) = self.ring.place(self.head);
        let free = self.ring.free(self.head);
        if state.load(Ordering::Acquire) != free || self.tail()? == self.head {
            self.stuck = None;
            return Ok(Stuck::No);
        }
        let since_ns = match self.stuck {
            Some((position, since_ns)) if position == self.head => since_ns,
            _ => {
                self.stuck = Some((self.head, now_ns));
                now_ns
            }
        };
        let for_ns = now_ns.saturating_sub(since_ns);
        if for_ns < patience_ns {
            return Ok(Stuck::Waiting { for_ns });
        }
        self.stuck = None;
        if state.compare_exchange(free, GIVEN_UP | free, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            // Published in the last moment: the next `recv` takes it.
            return Ok(Stuck::No);
        }
        self.abandoned += 1;
        self.holes += 1;
        self.pass();
        Ok(Stuck::Abandoned)
    }

    /// Sets the ring right after [`Damaged`] that stayed (rse:M7); returns the places passed over or freed. A sender that held
    /// one of them finds it changed and its record is not published.
    pub fn repair(&mut self) -> u64 {
        self.stuck = None;
        let tail = self.ring.tail.load(Ordering::Acquire);
        if tail.wrapping_sub(self.head) > self.ring.capacity {
            // The count of claims is wild: it starts again where this side stands, over free places.
            for position in self.head..self.head + self.ring.capacity {
                self.ring.place(position).0.store(self.ring.free(position), Ordering::Release);
            }
            self.ring.tail.store(self.head, Ordering::Release);
            self.holes = 0;
            return self.ring.capacity;
        }
        let (state, _) = self.ring.place(self.head);
        let free = self.ring.free(self.head);
        if tail == self.head {
            state.store(free, Ordering::Release);
        } else {
            state.store(free + 2, Ordering::Release);
            self.pass();
        }
        1
    }

    /// Records taken by this boot.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Records given up by this boot.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Places out of use until their senders hand them back.
    pub fn holes(&self) -> u64 {
        self.holes
    }

    /// Positions claimed and not passed.
    pub fn backlog(&self) -> u64 {
        self.ring.tail.load(Ordering::Acquire).wrapping_sub(self.head).min(self.ring.capacity)
    }
}
