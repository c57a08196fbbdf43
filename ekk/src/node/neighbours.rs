//! What the elected neighbours last said. Who they are and how well they are heard is kept by the election and the heartbeats;
//! the order here is that of the election.

use super::NEIGHBOURS_MAX;
use crate::field::{COMPONENTS, FieldError, Sample};
use crate::fixed::Q16;
use crate::id::NodeId;
use crate::time::{Span, Time};
use crate::topology;
use crate::wire::v1::field::FieldBody;

/// One of the k nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Neighbour {
    pub(super) id: NodeId,
    /// When the lease on its field is asked for again.
    pub(super) ask_at: Time,
    /// When its field arrived, by the own clock; `None` before the first.
    pub(super) field_at: Option<Time>,
    pub(super) body: FieldBody,
}

impl Neighbour {
    const EMPTY: Self = Self {
        id: NodeId::NONE,
        ask_at: Time::ZERO,
        field_at: None,
        body: FieldBody {
            draining: false,
            state: 0,
            capabilities: 0,
            components: [Q16::ZERO; COMPONENTS],
            neighbours: [NodeId::NONE; NEIGHBOURS_MAX],
        },
    };
}

/// What the elected neighbours last said, nearest first.
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

    pub(super) fn get(&self, id: NodeId) -> Option<&Neighbour> {
        self.all().iter().find(|neighbour| neighbour.id == id)
    }

    /// Takes the list of an election; who stays keeps what it said.
    pub(super) fn elect(&mut self, now: Time, elected: &[topology::Neighbour]) {
        let mut next = Self::new();
        for (slot, chosen) in next.slots.iter_mut().zip(elected) {
            let fresh = Neighbour { id: chosen.id, ask_at: now, ..Neighbour::EMPTY };
            *slot = self.get(chosen.id).copied().unwrap_or(fresh);
            next.count += 1;
        }
        *self = next;
    }

    /// Takes what a neighbour said; its sequence has been judged.
    pub(super) fn take(&mut self, now: Time, id: NodeId, body: &FieldBody) {
        if let Some(neighbour) = self.all_mut().iter_mut().find(|neighbour| neighbour.id == id) {
            neighbour.body = *body;
            neighbour.field_at = Some(now);
        }
    }

    /// A lease on the field of `id` is asked for in the next tick, if it has not answered yet.
    pub(super) fn ask_now(&mut self, id: NodeId) {
        if let Some(neighbour) = self.all_mut().iter_mut().find(|neighbour| neighbour.id == id)
            && neighbour.field_at.is_none()
        {
            neighbour.ask_at = Time::ZERO;
        }
    }

    /// A reader for [`crate::field::product`] that is asked in the order of the election.
    pub(super) fn samples<'a>(
        &'a self,
        now: Time,
        lifetime: Span,
    ) -> impl FnMut(NodeId) -> Result<Sample<'a>, FieldError> {
        let mut left = self.all();
        move |id| {
            // Nearly always the next one: only those that are not asked about lie between.
            let at = left.iter().position(|neighbour| neighbour.id == id).ok_or(FieldError::Unknown)?;
            let neighbour = &left[at];
            left = &left[at + 1..];
            let stamp = neighbour.field_at.ok_or(FieldError::Unknown)?;
            let age = now.since(stamp);
            if age >= lifetime {
                return Err(FieldError::Expired);
            }
            Ok(Sample { values: &neighbour.body.components, age, stamp })
        }
    }

    /// Moves all ages by the length of an own stall (`decisions:CLU-13`).
    pub(super) fn shift(&mut self, gap: Span) {
        for neighbour in self.all_mut() {
            neighbour.field_at = neighbour.field_at.map(|at| at.after(gap));
        }
    }
}
