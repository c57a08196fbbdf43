//! The dead, so that old news does not bring them back.

use crate::id::{Identity, NodeId};
use crate::time::{Span, Time};

/// The last dead being of at most `N` nodes, oldest first; the oldest makes room, and each is forgotten after 24 hours
/// (`membership:MB-12`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tombstones<const N: usize> {
    /// Ids apart from the rest: a look-up reads four bytes an entry.
    ids: [NodeId; N],
    boot_incs: [u32; N],
    lives: [u16; N],
    /// Seconds of the caller's clock.
    buried_s: [u32; N],
    count: u16,
}

impl<const N: usize> Tombstones<N> {
    /// How long the dead are remembered.
    pub const KEPT: Span = Span::from_s(24 * 3_600);
    const VALID: () = assert!(N <= u16::MAX as usize);

    /// Nobody died yet.
    pub const fn new() -> Self {
        let () = Self::VALID;
        Tombstones { ids: [NodeId::NONE; N], boot_incs: [0; N], lives: [0; N], buried_s: [0; N], count: 0 }
    }

    fn seconds(now: Time) -> u32 {
        u32::try_from(now.0 / 1_000_000_000).unwrap_or(u32::MAX)
    }

    fn place(&self, id: NodeId) -> Option<usize> {
        self.ids[..usize::from(self.count)].iter().position(|&other| other == id)
    }

    /// Remembers a dead being; an earlier one of the same node is not remembered any more, a later one stays.
    pub fn bury(&mut self, now: Time, identity: &Identity) {
        if N == 0 {
            return;
        }
        if let Some(place) = self.place(identity.id) {
            if self.at(place).newer_than(identity) {
                return;
            }
            self.dig(place);
        } else if usize::from(self.count) == N {
            self.dig(0);
        }
        let place = usize::from(self.count);
        self.ids[place] = identity.id;
        self.boot_incs[place] = identity.boot_inc;
        self.lives[place] = identity.life;
        self.buried_s[place] = Self::seconds(now);
        self.count += 1;
    }

    /// Whether that being, or a later one of its node, is known to be dead.
    pub fn blocks(&self, now: Time, identity: &Identity) -> bool {
        let Some(place) = self.place(identity.id) else { return false };
        !self.old(now, place) && !identity.newer_than(&self.at(place))
    }

    /// The last dead being of a node.
    pub fn get(&self, now: Time, id: NodeId) -> Option<Identity> {
        self.place(id).filter(|&place| !self.old(now, place)).map(|place| self.at(place))
    }

    /// Forgets a node. False when it was not remembered.
    pub fn forget(&mut self, id: NodeId) -> bool {
        self.place(id).map(|place| self.dig(place)).is_some()
    }

    /// Drops who is remembered for longer than [`Tombstones::KEPT`]; returns how many.
    pub fn expire(&mut self, now: Time) -> usize {
        let mut dropped = 0;
        while self.count > 0 && self.old(now, 0) {
            self.dig(0);
            dropped += 1;
        }
        dropped
    }

    /// How many are remembered.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nobody is remembered.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn at(&self, place: usize) -> Identity {
        Identity { id: self.ids[place], boot_inc: self.boot_incs[place], life: self.lives[place] }
    }

    fn old(&self, now: Time, place: usize) -> bool {
        u64::from(Self::seconds(now).saturating_sub(self.buried_s[place])) >= Self::KEPT.0 / 1_000_000_000
    }

    fn dig(&mut self, place: usize) {
        let count = usize::from(self.count);
        self.ids.copy_within(place + 1..count, place);
        self.boot_incs.copy_within(place + 1..count, place);
        self.lives.copy_within(place + 1..count, place);
        self.buried_s.copy_within(place + 1..count, place);
        let last = count - 1;
        (self.ids[last], self.boot_incs[last], self.lives[last], self.buried_s[last]) = (NodeId::NONE, 0, 0, 0);
        self.count -= 1;
    }
}

impl<const N: usize> Default for Tombstones<N> {
    fn default() -> Self {
        Tombstones::new()
    }
}
