//! A store that is damaged: how that is found (`avm:4.3`), and how it is brought about for tests and drills.

use super::super::heap::Heap;
use super::{PAGE, Store, Version};
use crate::error::ReflectError;
use crate::id::ObjectId;

/// Damage to the store of a lane, done on purpose: for tests, and for drills that show what programs, scans and
/// [`super::super::Lane::check_store`] make of it. Nothing else does this to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// An object keeps behaviour and state and loses its metadata: `destroyObj` fails with `ErrMetadataCorruption`.
    LoseMetadata(ObjectId),
    /// The metadata of an object says that it is another's: `reflect` and scans fail with `ErrMetadataInconsistent`.
    Misfile {
        /// Whose metadata.
        object: ObjectId,
        /// Whose it says it is.
        says: ObjectId,
    },
    /// The counter of object ids falls back: `createObj` fails with `ErrObjectAlreadyExists`, scans with `ErrStoreCorruption`.
    IdCounter(u64),
    /// The page that holds an object is lost, 256 objects with their states: scans fail with `ErrStoreCorruption`.
    LosePage(ObjectId),
}

fn corrupt(what: String) -> Result<(), ReflectError> {
    Err(ReflectError::StoreCorruption(what))
}

impl Store {
    /// Does damage; whether there was something to damage.
    pub(in crate::vm) fn damage(&mut self, heap: &mut Heap, damage: Damage) -> bool {
        match damage {
            Damage::LoseMetadata(id) => {
                let here = self.newest(id).exists;
                if let Some(slot) = self.slot_mut(id).filter(|_| here) {
                    slot.now.damaged = true;
                }
                here
            }
            Damage::Misfile { object, says } => {
                let here = self.newest(object).exists && object != says;
                if here {
                    self.misfiled.insert(object, says);
                }
                here
            }
            Damage::IdCounter(next) => {
                let lower = next < self.next;
                self.next = self.next.min(next);
                lower
            }
            Damage::LosePage(id) => {
                let page = if self.is_here(id) { self.pages.get_mut(id.counter() as usize / PAGE) } else { None };
                let Some(lost) = page.and_then(Option::take) else { return false };
                lost.slots.iter().for_each(|slot| heap.release(slot.now.state));
                true
            }
        }
    }

    /// Whether the metadata under an id is that object's.
    ///
    /// # Errors
    /// `ErrMetadataInconsistent`.
    pub(in crate::vm) fn filed(&self, id: ObjectId) -> Result<(), ReflectError> {
        match self.misfiled.get(&id) {
            Some(says) => Err(ReflectError::MetadataInconsistent(id, format!("it says that it is of {says}"))),
            None => Ok(()),
        }
    }

    /// Whether the store holds what it counts, and every object is one that it can have: one pass over all slots, no memory.
    ///
    /// # Errors
    /// `ErrStoreCorruption`, `ErrMetadataInconsistent`.
    pub(in crate::vm) fn check(&self, behaviours: usize) -> Result<(), ReflectError> {
        self.check_pages()?;
        (0..self.pages.len()).try_for_each(|number| self.check_page(number))?;
        self.from(0).try_for_each(|(id, version)| self.check_object(id, &version, behaviours))?;
        self.misfiled.keys().filter(|id| self.newest(**id).exists).try_for_each(|id| self.filed(*id))
    }

    /// Whether the pages count as many objects as the store.
    ///
    /// # Errors
    /// `ErrStoreCorruption`.
    pub(in crate::vm) fn check_pages(&self) -> Result<(), ReflectError> {
        let there: u64 = self.pages.iter().flatten().map(|page| u64::from(page.live)).sum();
        if there != self.count {
            return corrupt(format!("{} objects are counted and {there} are there", self.count));
        }
        Ok(())
    }

    /// Whether a page holds what it counts.
    fn check_page(&self, number: usize) -> Result<(), ReflectError> {
        let Some(page) = &self.pages[number] else { return Ok(()) };
        let there = page.slots.iter().filter(|slot| slot.now.exists).count();
        if there != page.live as usize {
            return corrupt(format!("page {number} counts {} objects and holds {there}", page.live));
        }
        Ok(())
    }

    /// What a scan asks of an object: whether it is one that the store can have, and in a page that holds what it counts. `before` is the
    /// object before it.
    ///
    /// # Errors
    /// `ErrStoreCorruption`, `ErrMetadataInconsistent`.
    pub(in crate::vm) fn check_row(
        &self,
        (id, version): (ObjectId, &Version),
        before: Option<u64>,
        behaviours: usize,
    ) -> Result<(), ReflectError> {
        let page = id.counter() as usize / PAGE;
        if before.is_none_or(|before| before as usize / PAGE != page) {
            self.check_page(page)?;
        }
        self.check_object(id, version, behaviours)?;
        self.filed(id)
    }

    fn check_object(&self, id: ObjectId, version: &Version, behaviours: usize) -> Result<(), ReflectError> {
        if id.counter() >= self.next {
            return corrupt(format!("object {id} is there, and ids from {} on are given out", self.next));
        }
        if version.stamp > self.clock {
            return corrupt(format!("object {id} is of commit {}, the newest is {}", version.stamp, self.clock));
        }
        if version.behaviour as usize >= behaviours {
            return corrupt(format!("object {id} has behaviour {} of {behaviours}", version.behaviour));
        }
        Ok(())
    }

    /// First object that has lost its metadata.
    pub(in crate::vm) fn without_metadata(&self) -> Option<ObjectId> {
        self.from(0).find(|(_, version)| version.damaged).map(|(id, _)| id)
    }
}
