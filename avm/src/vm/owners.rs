//! Who may change an object, and whether it is available (`avm:3`, `avm:10.3`).

use super::exec::{Exec, Fault};
use super::tx::{CREATED, Entry, OWNED, TRANSFERRED};
use super::world::World;
use crate::error::ControllerError;
use crate::id::ROOT;

impl World {
    /// own(o) inside a transaction (`avm:3`, `avm:R5`); whether the object has a controller.
    pub(super) fn own(&mut self, x: &mut Exec, at: u32) -> Result<bool, Fault> {
        let entry = x.tx.table[at as usize];
        if entry.has(OWNED) || entry.id == ROOT {
            return Ok(entry.authority != 0);
        }
        self.available(x, &entry)?;
        self.own_only(x, at)
    }

    /// own(o) of an object that need not be available.
    pub(super) fn own_only(&mut self, x: &mut Exec, at: u32) -> Result<bool, Fault> {
        let entry = x.tx.table[at as usize];
        if entry.authority != 0 {
            if x.tx.controller == 0 {
                self.resolve(x, entry.authority);
            } else if x.tx.controller != entry.authority {
                return Err(ControllerError::CrossControllerTx(entry.id, self.names.name(entry.authority)).into());
            }
        }
        // Owners and replicas of others may be lost or written any time: then it is asked at every access.
        if !self.config.multi_controller {
            x.tx.change(&mut self.heap, at).flags |= OWNED;
        }
        Ok(entry.authority != 0)
    }

    /// With several controllers: the owner is reachable and no replica is ahead (`avm:3`).
    pub(super) fn available(&self, x: &Exec, entry: &Entry) -> Result<(), Fault> {
        if !self.config.multi_controller {
            return Ok(());
        }
        if entry.authority != 0 && !self.controller_reachable(entry.authority) {
            return Err(ControllerError::ObjectNotAvailable(entry.id).into());
        }
        let ahead = || self.all_replicas(x, entry.id).iter().any(|(.., inputs)| !inputs.is_empty());
        if x.tx.explicit() && !x.freezes(entry.id) && ahead() {
            return Err(ControllerError::ObjectNotConsistent(entry.id).into());
        }
        Ok(())
    }

    /// The transaction's controller is known from here on; pending creates without one get it.
    pub(super) fn resolve(&mut self, x: &mut Exec, controller: u32) {
        x.tx.controller = controller;
        for at in 0..x.tx.table.len() as u32 {
            let entry = &x.tx.table[at as usize];
            if entry.has(CREATED) && entry.authority == 0 && entry.creating == 0 {
                let entry = x.tx.change(&mut self.heap, at);
                entry.creating = controller;
                entry.authority = controller;
                if !entry.has(TRANSFERRED) {
                    entry.current = controller;
                }
            }
        }
    }

    /// Outside a transaction of the program: the authority of the execution covers the object (`avm:10.3`).
    pub(super) fn covered(&self, x: &Exec, entry: &Entry) -> Result<(), Fault> {
        self.available(x, entry)?;
        if x.authority != 0 && entry.authority != 0 && x.authority != entry.authority {
            return Err(ControllerError::CrossControllerTx(entry.id, self.names.name(entry.authority)).into());
        }
        Ok(())
    }
}
