//! A snapshot that moves on (`decisions:AVM-2`): an object has changed since, and its home says the newest version and its clock. As of
//! that clock everything read so far has to be what it was; then the transaction might as well have begun there. Nothing is held
//! while homes are asked: their answers stay true, for what they commit from then on is later.

use super::super::exec::{Exec, Fault};
use super::super::loaded::Code;
use super::super::tx::{CREATED, Entry};
use super::super::world::World;
use super::{About, Key, Moving, Wanted};
use crate::error::ProgramError;
use crate::id::{ROOT, TxId};

/// Whether the program may have seen it.
fn seen(entry: &&Entry) -> bool {
    entry.id != ROOT && !entry.has(CREATED)
}

impl World {
    /// The version of the snapshot is no longer kept.
    pub(in crate::vm) fn evicted(x: &Exec) -> Fault {
        ProgramError::SnapshotEvicted(x.tx.begun.first().map_or(TxId(u64::MAX), |begun| begun.id)).into()
    }

    /// An object has come as of a clock that is later than the snapshot.
    pub(super) fn move_on(&mut self, code: &Code, x: &mut Exec, mut moving: Box<Moving>) {
        let to = moving.to;
        let here = |entry: &&Entry| self.store.is_here(entry.id);
        if x.tx.table.iter().filter(seen).filter(here).any(|entry| self.undecided_write(entry.id, to)) {
            // Its intent goes some day; then the object is asked for again.
            x.wanted = Some(Wanted::Decision);
            return;
        }
        if !x.tx.table.iter().filter(seen).filter(here).all(|entry| self.same_at(entry.id, entry.stamp, to)) {
            self.stays(code, x, &moving);
            return;
        }
        let elsewhere = x.tx.table.iter().filter(seen).filter(|entry| !here(entry));
        moving.left = elsewhere.map(|entry| entry.id.torus()).collect();
        moving.left.retain(|torus| self.config.homes.contains(torus));
        moving.left.sort_unstable();
        moving.left.dedup();
        if moving.left.is_empty() {
            self.moved_on(code, x, &moving);
            return;
        }
        self.remotes.attempts += 1;
        let key = Key { execution: x.id, attempt: self.remotes.attempts };
        x.attempt = key.attempt;
        for torus in moving.left.iter().copied() {
            let of = |entry: &&Entry| entry.id.torus() == torus;
            let reads = x.tx.table.iter().filter(seen).filter(of).map(|entry| (entry.id, entry.stamp)).collect();
            self.say(torus, About::Check { key, reads, snapshot: to });
        }
        x.wanted = Some(Wanted::Snapshot(moving));
    }

    /// A home has answered whether what was read there is still the same.
    pub(super) fn checked(&mut self, code: &Code, x: &mut Exec, from: u8, same: bool) {
        let Some(Wanted::Snapshot(mut moving)) = x.wanted.take_if(|wanted| matches!(wanted, Wanted::Snapshot(_)))
        else {
            return;
        };
        moving.left.retain(|torus| *torus != from);
        if !same {
            self.stays(code, x, &moving);
        } else if moving.left.is_empty() {
            self.moved_on(code, x, &moving);
        } else {
            x.wanted = Some(Wanted::Snapshot(moving));
        }
    }

    /// What was read has changed: the commit will be refused. A transaction of the program is told so by its commit.
    fn stays(&mut self, code: &Code, x: &mut Exec, moving: &Moving) {
        match &moving.older {
            Some(older) if x.tx.explicit() => self.arrived(code, x, moving.object, older),
            _ => x.wanted = Some(Wanted::Failed(Self::evicted(x))),
        }
    }

    fn moved_on(&mut self, code: &Code, x: &mut Exec, moving: &Moving) {
        // The new one is open before the old one is closed: what it reads here stays.
        self.store.keep(moving.to);
        if std::mem::replace(&mut x.tx.kept, true) {
            self.store.end(&mut self.heap, x.tx.snapshot);
        }
        x.tx.snapshot = moving.to;
        self.arrived(code, x, moving.object, &moving.shipped);
    }
}
