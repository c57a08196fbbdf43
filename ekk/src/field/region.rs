//! The slots: one a node, found without a search when ids are dense.

use super::{COMPONENTS, Field, FieldError, Rules};
use crate::fixed::{LIFETIMES, Q16};
use crate::id::NodeId;
use crate::profile::Profile;
use crate::time::{Span, Time};

/// Nodes in quarantine; one more is refused.
const IGNORED_MAX: usize = 16;

/// The fields of at most `N` nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region<const N: usize> {
    rules: Rules,
    slots: [Field; N],
    ignored: [NodeId; IGNORED_MAX],
}

impl<const N: usize> Region<N> {
    /// An empty region. Under the seed's rules ids are 1..`N`; otherwise any `N` nodes find room.
    pub fn new(rules: Rules) -> Region<N> {
        Region { rules, slots: [Field::default(); N], ignored: [NodeId::NONE; IGNORED_MAX] }
    }

    /// How fields age here.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    #[inline]
    fn place(&self, id: NodeId) -> Option<usize> {
        let home = id.get() as usize % N.max(1);
        match self.slots.get(home) {
            Some(slot) if slot.source == id => Some(home),
            _ => self.slots.iter().position(|slot| slot.source == id),
        }
    }

    #[inline]
    fn check(&self, id: NodeId) -> Result<(), FieldError> {
        let beyond = self.rules.profile() == Profile::Seed && id.get() as usize >= N;
        if !id.is_node() || beyond { Err(FieldError::Invalid) } else { Ok(()) }
    }

    fn room(&mut self, id: NodeId) -> Result<&mut Field, FieldError> {
        let home = id.get() as usize % N.max(1);
        let free = |slot: &Field| slot.source == NodeId::NONE;
        let place = self.place(id);
        let place = place.or_else(|| self.slots.get(home).is_some_and(free).then_some(home));
        let place = place.or_else(|| self.slots.iter().position(free)).ok_or(FieldError::Full)?;
        self.slots.get_mut(place).ok_or(FieldError::Full)
    }

    /// Publishes `values` of `id`, stamped `now`, within the range of each component.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::Ignored`] or [`FieldError::Full`].
    pub fn publish(
        &mut self,
        now: Time,
        id: NodeId,
        values: &[Q16; COMPONENTS],
        sequence: u32,
    ) -> Result<(), FieldError> {
        self.check(id)?;
        if self.is_ignored(id) {
            return Err(FieldError::Ignored);
        }
        let values = self.rules.bound(values);
        *self.room(id)? = Field { values, stamp: now, source: id, sequence };
        Ok(())
    }

    /// Takes a field that travelled, if it is newer than the known one by sequence (a later being starts over: see
    /// [`Region::withdraw`]). `stamp` is when it was published by our clock, as well as the receiver can tell.
    ///
    /// # Errors
    /// As [`Region::publish`], and [`FieldError::Future`], [`FieldError::Stale`] or [`FieldError::Expired`].
    pub fn accept(
        &mut self,
        now: Time,
        id: NodeId,
        values: &[Q16; COMPONENTS],
        sequence: u32,
        stamp: Time,
    ) -> Result<(), FieldError> {
        self.check(id)?;
        self.age(now, stamp)?;
        if let Some(place) = self.place(id)
            && sequence.wrapping_sub(self.slots[place].sequence) as i32 <= 0
        {
            return Err(FieldError::Stale);
        }
        self.publish(stamp.min(now), id, values, sequence)
    }

    /// Age of a stamp; one slightly ahead is fresh.
    #[inline]
    fn age(&self, now: Time, stamp: Time) -> Result<Span, FieldError> {
        if stamp > now {
            return if stamp.since(now) <= self.rules.skew() { Ok(Span::ZERO) } else { Err(FieldError::Future) };
        }
        let age = now.since(stamp);
        let expired = match self.rules.profile() {
            // The seed lets a field of exactly five time constants pass, with nothing left of it.
            Profile::Seed => age > self.rules.lifetime(),
            Profile::Product => age >= self.rules.lifetime(),
        };
        if expired { Err(FieldError::Expired) } else { Ok(age) }
    }

    /// The field of a node as it was published, and its age.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::Unknown`], [`FieldError::Expired`] or [`FieldError::Future`].
    #[inline(always)]
    pub fn read(&self, now: Time, id: NodeId) -> Result<(&Field, Span), FieldError> {
        self.check(id)?;
        let place = self.place(id).ok_or(FieldError::Unknown)?;
        let field = self.slots.get(place).ok_or(FieldError::Unknown)?;
        // Whoever is in quarantine has no slot: it was withdrawn, and publishing is refused.
        Ok((field, self.age(now, field.stamp)?))
    }

    /// The field of a node with each value decayed: toward zero, or toward the neutral value of its component.
    ///
    /// # Errors
    /// As [`Region::read`].
    pub fn sample(&self, now: Time, id: NodeId) -> Result<Field, FieldError> {
        let (field, age) = self.read(now, id)?;
        let mut sample = *field;
        if self.rules.uniform() {
            let factor = self.rules.components()[0].curve.factor(age);
            sample.values = sample.values.map(|value| value.mul(factor));
            return Ok(sample);
        }
        for (value, rule) in sample.values.iter_mut().zip(self.rules.components()) {
            let factor = rule.curve.factor(age);
            *value = match rule.neutral {
                None => value.mul(factor),
                Some(neutral) => neutral.lerp(*value, factor),
            };
        }
        Ok(sample)
    }

    /// Drops fields older than `age_max`; returns how many. A field stamped ahead is not old (`ekk:D-08`).
    pub fn collect(&mut self, now: Time, age_max: Span) -> usize {
        let mut dropped = 0;
        for slot in &mut self.slots {
            if slot.source != NodeId::NONE && now.since(slot.stamp) > age_max {
                *slot = Field::default();
                dropped += 1;
            }
        }
        dropped
    }

    /// Drops fields that are expired by all components.
    pub fn collect_expired(&mut self, now: Time) -> usize {
        self.collect(now, Span(self.rules.lifetime().0.max(LIFETIMES)))
    }

    /// Drops the field of one node: it died, or it is another being now. False when there was none.
    pub fn withdraw(&mut self, id: NodeId) -> bool {
        let place = if id.is_node() { self.place(id) } else { None };
        place.and_then(|place| self.slots.get_mut(place)).map(|slot| *slot = Field::default()).is_some()
    }

    /// Puts a node in quarantine: its field is dropped and no other is taken.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], or [`FieldError::Full`] when sixteen others are in quarantine.
    pub fn ignore(&mut self, id: NodeId) -> Result<(), FieldError> {
        if !id.is_node() {
            return Err(FieldError::Invalid);
        }
        if !self.is_ignored(id) {
            let free = self.ignored.iter_mut().find(|other| !other.is_node()).ok_or(FieldError::Full)?;
            *free = id;
        }
        self.withdraw(id);
        Ok(())
    }

    /// Ends the quarantine of a node. False when it was in none.
    pub fn heed(&mut self, id: NodeId) -> bool {
        let found = if id.is_node() { self.ignored.iter_mut().find(|other| **other == id) } else { None };
        found.map(|other| *other = NodeId::NONE).is_some()
    }

    /// Whether a node is in quarantine.
    #[inline]
    pub fn is_ignored(&self, id: NodeId) -> bool {
        id.is_node() && self.ignored.contains(&id)
    }

    /// Number of fields kept.
    pub fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.source != NodeId::NONE).count()
    }

    /// Whether no field is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
