//! The elected neighbours: what each of them last said, and how well it is heard (`ekk:D-05`, `ekk:D-07`, `ekk:D-15`).

use super::{Drop, NEIGHBOURS_MAX};
use crate::fixed::Q16;
use crate::id::{Identity, NodeId};
use crate::time::{Span, Time};
use crate::wire::v1::field::{COMPONENTS, FieldBody};

/// Health of a peer, by the numbers of `ekk` section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Health {
    /// Never heard.
    Unknown = 0,
    /// Heard in time.
    Alive = 1,
    /// Late.
    Suspect = 2,
    /// Silent beyond the limit.
    Dead = 3,
}

/// Periods of silence after which a neighbour is late: two field messages in a row and a half.
const SUSPECT_PERIODS: u64 = 5;
/// Periods of silence after which a neighbour gives way to another one: nine field messages in a row.
const SILENT_PERIODS: u64 = 20;

/// One of the k nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Neighbour {
    pub(super) id: NodeId,
    pub(super) distance: u32,
    pub(super) since: Time,
    pub(super) health: Health,
    /// When anything of it was taken last; counts from its election before the first message.
    pub(super) heard: Time,
    /// When the lease on its field is asked for again.
    pub(super) ask_at: Time,
    /// When its field arrived; `None` before the first.
    pub(super) field_at: Option<Time>,
    /// Being and sequence of the newest field.
    pub(super) rank: u64,
    pub(super) sequence: u32,
    pub(super) body: FieldBody,
}

impl Neighbour {
    const EMPTY: Self = Self {
        id: NodeId::NONE,
        distance: 0,
        since: Time::ZERO,
        health: Health::Unknown,
        heard: Time::ZERO,
        ask_at: Time::ZERO,
        field_at: None,
        rank: 0,
        sequence: 0,
        body: FieldBody {
            draining: false,
            state: 0,
            capabilities: 0,
            components: [Q16::ZERO; COMPONENTS],
            neighbours: [NodeId::NONE; super::NEIGHBOURS_MAX],
        },
    };

    fn new(now: Time, id: NodeId, distance: u32) -> Self {
        Self { id, distance, since: now, heard: now, ask_at: now, ..Self::EMPTY }
    }
}

/// The elected neighbours, nearest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Neighbours {
    slots: [Neighbour; NEIGHBOURS_MAX],
    count: u8,
}

impl Neighbours {
    pub(super) const fn new() -> Self {
        Self { slots: [Neighbour::EMPTY; NEIGHBOURS_MAX], count: 0 }
    }

    pub(super) fn all(&self) -> &[Neighbour] {
        &self.slots[..usize::from(self.count)]
    }

    pub(super) fn all_mut(&mut self) -> &mut [Neighbour] {
        &mut self.slots[..usize::from(self.count)]
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Neighbour> {
        self.all_mut().iter_mut().find(|neighbour| neighbour.id == id)
    }

    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.all().iter().any(|neighbour| neighbour.id == id)
    }

    /// Takes the list of an election, nearest first; who stays keeps what it said. Calls `gone` for each that left.
    pub(super) fn elect(
        &mut self,
        now: Time,
        elected: impl Iterator<Item = (NodeId, u32)>,
        mut gone: impl FnMut(NodeId),
    ) {
        let mut next = Self::new();
        for (id, distance) in elected.take(NEIGHBOURS_MAX) {
            let kept = self.all().iter().find(|neighbour| neighbour.id == id);
            next.slots[usize::from(next.count)] =
                kept.map_or_else(|| Neighbour::new(now, id, distance), |&kept| Neighbour { distance, ..kept });
            next.count += 1;
        }
        for neighbour in self.all().iter().filter(|neighbour| !next.contains(neighbour.id)) {
            gone(neighbour.id);
        }
        *self = next;
    }

    /// Takes a field message of a neighbour. Newer beings replace older ones; within a being only newer sequences count.
    pub(super) fn take_field(
        &mut self,
        now: Time,
        sender: Identity,
        sequence: u32,
        body: &FieldBody,
    ) -> Result<(), Drop> {
        let neighbour = self.get_mut(sender.id).ok_or(Drop::Unwanted)?;
        let rank = sender.rank();
        if neighbour.field_at.is_some() {
            if rank < neighbour.rank {
                return Err(Drop::Stale);
            }
            // Serial comparison: a counter that wraps goes on.
            if rank == neighbour.rank && sequence.wrapping_sub(neighbour.sequence) as i32 <= 0 {
                return Err(Drop::OldSequence);
            }
        }
        neighbour.rank = rank;
        neighbour.sequence = sequence;
        neighbour.body = *body;
        neighbour.field_at = Some(now);
        neighbour.heard = neighbour.heard.max(now);
        Ok(())
    }

    /// Verdicts for this tick (`ekk:D-05`); returns how many changed, and calls `silent` for each that is silent for so
    /// long that another one should take its place.
    pub(super) fn judge(&mut self, now: Time, period: Span, mut silent: impl FnMut(NodeId)) -> u32 {
        let mut changes = 0;
        for neighbour in &mut self.slots[..usize::from(self.count)] {
            let age = now.since(neighbour.heard);
            let health = if age > period.times(SILENT_PERIODS) {
                Health::Dead
            } else if neighbour.field_at.is_none() {
                Health::Unknown
            } else if age > period.times(SUSPECT_PERIODS) {
                Health::Suspect
            } else {
                Health::Alive
            };
            if health != neighbour.health {
                neighbour.health = health;
                changes += 1;
            }
            if health == Health::Dead {
                silent(neighbour.id);
            }
        }
        changes
    }

    /// Moves all ages by the length of an own stall (`decisions:CLU-13`).
    pub(super) fn shift(&mut self, gap: Span) {
        for neighbour in &mut self.slots[..usize::from(self.count)] {
            neighbour.heard = neighbour.heard.after(gap);
            neighbour.field_at = neighbour.field_at.map(|at| at.after(gap));
        }
    }
}
