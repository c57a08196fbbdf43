//! Who is sent the own field: leases asked for by those that elected this node (`ekk:D-30`).

use super::Drop;
use crate::id::NodeId;
use crate::time::{Span, Time};

/// Most nodes that are sent the own field. k nearest of everybody give k on average; the excess of a hub is refused and
/// counted, and its neighbours elect somebody else.
pub const SUBSCRIBERS_MAX: usize = 16;

/// Those that are sent the own field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leases {
    slots: [(NodeId, Time); SUBSCRIBERS_MAX],
    count: u8,
    /// No lease ends before this.
    next_end: Time,
}

impl Leases {
    pub(super) const fn new() -> Self {
        Self { slots: [(NodeId::NONE, Time::ZERO); SUBSCRIBERS_MAX], count: 0, next_end: Time::NEVER }
    }

    /// Grants or renews a lease; true when it is new.
    pub(super) fn grant(&mut self, now: Time, id: NodeId, lease: Span) -> Result<bool, Drop> {
        self.expire(now);
        let until = now.after(lease);
        self.next_end = self.next_end.min(until);
        if let Some(slot) = self.slots[..usize::from(self.count)].iter_mut().find(|slot| slot.0 == id) {
            slot.1 = until;
            return Ok(false);
        }
        let free = self.slots.get_mut(usize::from(self.count)).ok_or(Drop::Full)?;
        *free = (id, until);
        self.count += 1;
        Ok(true)
    }

    /// Ends a lease; true when there was one.
    pub(super) fn end(&mut self, id: NodeId) -> bool {
        let Some(at) = self.ids().position(|held| held == id) else { return false };
        self.count -= 1;
        self.slots[at] = self.slots[usize::from(self.count)];
        self.slots[usize::from(self.count)] = (NodeId::NONE, Time::ZERO);
        true
    }

    /// Ends what has run out.
    pub(super) fn expire(&mut self, now: Time) {
        if now < self.next_end {
            return;
        }
        let mut at = 0;
        while at < usize::from(self.count) {
            let (id, until) = self.slots[at];
            if until > now {
                at += 1;
            } else {
                self.end(id);
            }
        }
        self.next_end = self.slots[..usize::from(self.count)].iter().map(|slot| slot.1).min().unwrap_or(Time::NEVER);
    }

    /// Moves all ends by the length of an own stall (`decisions:CLU-13`).
    pub(super) fn shift(&mut self, gap: Span) {
        for slot in &mut self.slots[..usize::from(self.count)] {
            slot.1 = slot.1.after(gap);
        }
        self.next_end = self.next_end.after(gap);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.slots[..usize::from(self.count)].iter().map(|slot| slot.0)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn id(raw: u32) -> NodeId {
        NodeId::new(raw).unwrap()
    }

    /// ekk:D-30: sixteen leases, renewed or ended, the seventeenth is refused.
    #[test]
    fn leases_are_bounded_and_end() {
        let mut leases = Leases::new();
        for raw in 1..=16 {
            assert_eq!(leases.grant(Time::ZERO, id(raw), Span(u64::from(raw) * 10)), Ok(true));
        }
        assert_eq!(leases.grant(Time::ZERO, id(17), Span(10)), Err(Drop::Full));
        assert_eq!(leases.grant(Time(5), id(1), Span(100)), Ok(false));
        leases.expire(Time(30));
        assert_eq!(leases.ids().count(), 14, "2 and 3 ran out, 1 was renewed");
        assert!(leases.ids().any(|held| held == id(1)));
        assert_eq!(leases.grant(Time(30), id(17), Span(10)), Ok(true));
        leases.shift(Span(1_000));
        leases.expire(Time(1_000));
        assert_eq!(leases.ids().count(), 15, "a stall of our own ends no lease");
        assert!(leases.end(id(17)) && !leases.end(id(17)));
        leases.expire(Time(2_000));
        assert_eq!(leases.ids().collect::<Vec<_>>(), []);
    }
}
