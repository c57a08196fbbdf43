//! What one node remembers of others without a link: a passive view, tombstones, and what news it has seen.

use super::config::PASSIVE_MAX;
use super::record::MemberRecord;
use crate::hash::{Digest, Rng};
use crate::id::{Identity, NodeId};
use crate::time::{Span, Time};
use core::hash::Hasher;

/// How long a tombstone keeps the last being of a node (`membership:MB-12`).
pub const TOMB_SPAN: Span = Span::from_s(24 * 3_600);
/// A higher incarnation may jump by this much at once (`membership:MB-12`).
pub const JUMP_MAX: u32 = 1 << 16;

/// A member known without a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// Its latest being known here.
    pub identity: Identity,
    /// Digest of its zone label; zero without one.
    pub zone: u32,
}

/// Digest of a zone label; zero for the empty one.
#[must_use]
pub fn zone_digest(record: &MemberRecord) -> u32 {
    if record.zone.is_empty() {
        return 0;
    }
    let mut digest = Digest::new(0x7a6f);
    digest.write(record.zone.as_str().as_bytes());
    digest.finish() as u32 | 1
}

/// The passive view: at most 64 members (`decisions:CLU-3`), a random one gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Passive {
    members: [Option<Known>; PASSIVE_MAX],
    len: u8,
}

impl Default for Passive {
    fn default() -> Self {
        Self { members: [None; PASSIVE_MAX], len: 0 }
    }
}

impl Passive {
    /// All members in the view; the first `len` places are filled.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.members[..usize::from(self.len)].iter().flatten()
    }

    /// Number of members in the view.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the view is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A member of the view.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Known> {
        self.iter().find(|known| known.identity.id == id)
    }

    /// Takes a member in, or its later being; true when the id was not in the view.
    pub fn insert(&mut self, known: Known, rng: &mut Rng) -> bool {
        let len = usize::from(self.len);
        if let Some(old) = self.members[..len].iter_mut().flatten().find(|old| old.identity.id == known.identity.id) {
            if known.identity.rank() >= old.identity.rank() {
                *old = known;
            }
            return false;
        }
        if len < PASSIVE_MAX {
            self.members[len] = Some(known);
            self.len += 1;
        } else {
            self.members[rng.below(PASSIVE_MAX as u64) as usize] = Some(known);
        }
        true
    }

    /// Takes a member out.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let len = usize::from(self.len);
        let Some(at) = self.members[..len].iter().flatten().position(|known| known.identity.id == id) else {
            return false;
        };
        self.members[at] = self.members[len - 1];
        self.members[len - 1] = None;
        self.len -= 1;
        true
    }

    /// The member at a place below [`Passive::len`].
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Known> {
        self.members.get(place)?.as_ref()
    }
}

/// Why a member is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Gone {
    /// By certificate: a later life undoes it.
    Dead,
    /// By its own word: final for the incarnation (`membership:MB-11`).
    Left,
}

/// The last being of a member that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tomb {
    /// Its last being.
    pub identity: Identity,
    /// When it was accepted here.
    pub at: Time,
    /// Why.
    pub gone: Gone,
}

/// Tombstones: at most `N`, the oldest gives way (`membership:MB-12`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tombs<const N: usize> {
    stones: [Option<Tomb>; N],
    len: u32,
    /// Tombstones that gave way before their time.
    pub evicted: u32,
}

impl<const N: usize> Default for Tombs<N> {
    fn default() -> Self {
        Self { stones: [None; N], len: 0, evicted: 0 }
    }
}

impl<const N: usize> Tombs<N> {
    /// The tombstone of a node.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Tomb> {
        if self.len == 0 {
            return None;
        }
        self.stones.iter().flatten().find(|tomb| tomb.identity.id == id)
    }

    /// All tombstones.
    pub fn iter(&self) -> impl Iterator<Item = &Tomb> {
        self.stones.iter().flatten()
    }

    /// Number of tombstones.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a tombstone; an older one of the same node is replaced.
    pub fn insert(&mut self, tomb: Tomb) {
        self.remove(tomb.identity.id);
        let free = self.stones.iter().position(Option::is_none);
        let oldest = || (0..N).min_by_key(|&at| self.stones[at].map(|tomb| tomb.at));
        let Some(at) = free.or_else(oldest) else { return };
        if free.is_none() {
            self.evicted = self.evicted.saturating_add(1);
        } else {
            self.len += 1;
        }
        self.stones[at] = Some(tomb);
    }

    /// Takes a tombstone away.
    pub fn remove(&mut self, id: NodeId) -> Option<Tomb> {
        if self.len == 0 {
            return None;
        }
        let slot = self.stones.iter_mut().find(|slot| slot.as_ref().is_some_and(|tomb| tomb.identity.id == id))?;
        self.len -= 1;
        slot.take()
    }

    /// Takes away what is older than a day.
    pub fn expire(&mut self, now: Time) {
        for slot in &mut self.stones {
            if slot.as_ref().is_some_and(|tomb| now.since(tomb.at) >= TOMB_SPAN) {
                *slot = None;
                self.len -= 1;
            }
        }
    }

    /// The first tombstone at or after a place, going round: for probing one after the other.
    #[must_use]
    pub fn from(&self, place: usize) -> Option<(usize, &Tomb)> {
        if N == 0 || self.len == 0 {
            return None;
        }
        (0..N).map(|step| (place + step) % N).find_map(|at| Some((at, self.stones[at].as_ref()?)))
    }
}

/// Which news was seen: a table of fingerprints in groups of four, the oldest of a group gives way. A fingerprint that gives
/// way costs a repetition; two equal ones hide news (once in 2^30 pairs), which the repair of the next asker mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen<const N: usize> {
    prints: [u32; N],
}

impl<const N: usize> Default for Seen<N> {
    fn default() -> Self {
        const { assert!(N >= 4 && N.is_multiple_of(4), "groups of four") };
        Self { prints: [0; N] }
    }
}

impl<const N: usize> Seen<N> {
    fn place(kind: u8, identity: &Identity) -> (usize, u32) {
        let mut digest = Digest::new(u64::from(kind));
        digest.word(u64::from(identity.id.get()));
        digest.word(identity.rank());
        let hash = digest.finish();
        let group = (hash as usize & 0xffff_ffff) % (N / 4);
        (group * 4, (hash >> 32) as u32 | 1)
    }

    /// Whether news of this kind about this being was seen.
    #[must_use]
    pub fn has(&self, kind: u8, identity: &Identity) -> bool {
        let (at, print) = Self::place(kind, identity);
        self.prints[at..at + 4].contains(&print)
    }

    /// Notes it; false when it was there.
    pub fn insert(&mut self, kind: u8, identity: &Identity) -> bool {
        let (at, print) = Self::place(kind, identity);
        let group = &mut self.prints[at..at + 4];
        if group.contains(&print) {
            return false;
        }
        group.copy_within(0..3, 1);
        group[0] = print;
        true
    }

    /// Forgets it, so that it can be heard again.
    pub fn remove(&mut self, kind: u8, identity: &Identity) {
        let (at, print) = Self::place(kind, identity);
        for slot in &mut self.prints[at..at + 4] {
            if *slot == print {
                *slot = 0;
            }
        }
    }
}

/// The latest `N` values, the oldest gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Latest<T, const N: usize> {
    items: [Option<T>; N],
    next: u32,
}

impl<T: Copy, const N: usize> Default for Latest<T, N> {
    fn default() -> Self {
        Self { items: [None; N], next: 0 }
    }
}

impl<T: Copy + PartialEq, const N: usize> Latest<T, N> {
    /// Whether a value is among them.
    #[must_use]
    pub fn contains(&self, wanted: &T) -> bool {
        self.items.iter().any(|item| item.as_ref() == Some(wanted))
    }
}

impl<T: Copy, const N: usize> Latest<T, N> {
    /// Adds a value.
    pub fn push(&mut self, item: T) {
        if N > 0 {
            self.items[self.next as usize % N] = Some(item);
            self.next = (self.next + 1) % N as u32;
        }
    }

    /// The values, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let next = self.next as usize;
        // Newest first: down from the place before the next one, then down from the end.
        let (newer, older) = self.items.split_at(next);
        newer.iter().rev().chain(older.iter().rev()).flatten()
    }

    /// The first value, newest first, of which `wanted` holds.
    pub fn find_mut(&mut self, wanted: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.items.iter_mut().flatten().find(|item| wanted(item))
    }

    /// Takes out all of which `unwanted` holds.
    pub fn drop_if(&mut self, unwanted: impl Fn(&T) -> bool) {
        for slot in &mut self.items {
            if slot.as_ref().is_some_and(&unwanted) {
                *slot = None;
            }
        }
    }
}
