//! Transactions: what is read and checked on the way, begin, commit, abort (`avm:3`, `avm:4.5`, `avm:7.3`). Outside every
//! transaction of the program one is open all the same while an outermost call or instruction runs; nobody sees it
//! (`decisions:AVM-1`).

use super::config::{Refused, Why};
use super::exec::{Exec, Fault};
use super::loaded::Code;
use super::remote::Step;
use super::store::{ABSENT, Found, Version};
use super::trace::What;
use super::tx::{
    Begun, CANCELLED, CREATED, DAMAGED, DESTROYED, ELSEWHERE, EXISTS, Entry, MOVED, Mode, OBSERVED, STATE, Staged,
    TRANSFERRED,
};
use super::word::{EMPTY, NOTHING, Value};
use super::world::{Did, Flow, World};
use crate::error::{ControllerError, ObjError, TxError};
use crate::id::{ObjectId, ROOT, TxId};
use crate::nondet::Expr;
use crate::value::Val;

/// How an outermost commit ended.
pub(super) enum Committed {
    Yes,
    No(Refused),
    /// Not yet; the instruction is done again, or the run begins anew.
    Later(Flow),
}

impl World {
    /// Opens an implicit transaction where none is open.
    #[inline]
    pub(super) fn open(&mut self, x: &mut Exec) {
        if x.tx.mode == Mode::None {
            x.tx.mode = Mode::Implicit;
            x.tx.snapshot = self.store.clock;
            x.decided = Some(x.trace.mark());
        }
    }

    /// The snapshot of an implicit transaction is kept from here on: others run before it ends.
    pub(super) fn keep_snapshot(&mut self, x: &mut Exec) {
        if x.tx.mode == Mode::Implicit && !x.tx.kept {
            self.store.keep(x.tx.snapshot);
            x.tx.kept = true;
        }
    }

    pub(super) fn end_snapshot(&mut self, x: &mut Exec) {
        if std::mem::take(&mut x.tx.kept) {
            self.store.end(&mut self.heap, x.tx.snapshot);
        } else {
            self.store.tidy(&mut self.heap);
        }
    }

    /// Position of an object in the table of the open transaction.
    #[inline]
    pub(super) fn touch(&mut self, x: &mut Exec, id: ObjectId) -> Result<u32, Fault> {
        match x.tx.lookup(id) {
            Some(at) => Ok(at),
            None => self.take_in(x, id),
        }
    }

    #[inline]
    fn take_in(&mut self, x: &mut Exec, id: ObjectId) -> Result<u32, Fault> {
        if id == ROOT {
            let version = Version { state: x.state, exists: true, machine: self.machine, ..ABSENT };
            return Ok(x.tx.insert(&mut self.heap, Entry::of(ROOT, &version)));
        }
        if !self.remotes.idle() && self.undecided_write(id, x.tx.snapshot) {
            return Err(Self::want_decision(x));
        }
        let version = match self.store.find(id, x.tx.snapshot) {
            Found::Here(version) => version,
            Found::Elsewhere(torus) if self.config.homes.contains(&torus) => return Err(self.want(x, id, torus)),
            Found::Elsewhere(_) => ABSENT,
            Found::Evicted => return Err(Self::evicted(x)),
        };
        let mut entry = Entry::of(id, &version);
        if x.tx.mode == Mode::Implicit {
            entry.flags |= OBSERVED;
        }
        Ok(x.tx.insert(&mut self.heap, entry))
    }

    /// Whether an entry stands for an object that can be used now.
    #[inline]
    pub(super) fn visible(x: &Exec, entry: &Entry) -> bool {
        entry.flags & (EXISTS | CANCELLED | DAMAGED) == EXISTS && !(entry.has(DESTROYED) && x.tx.mode == Mode::Implicit)
    }

    /// find(o) (`avm:3`).
    #[inline]
    pub(super) fn find(&mut self, x: &mut Exec, id: ObjectId) -> Result<u32, Fault> {
        if id == ROOT {
            return Err(ObjError::ObjectNotFound(id).into());
        }
        let at = self.touch(x, id)?;
        if Self::visible(x, &x.tx.table[at as usize]) {
            return Ok(at);
        }
        self.observe(x, at);
        Err(ObjError::ObjectNotFound(id).into())
    }

    /// Looks for an object and observes what is found, its absence too; its entry when the transaction sees it.
    pub(super) fn observed(&mut self, x: &mut Exec, target: Value) -> Result<Option<Entry>, Fault> {
        let id = self.object_arg(x, target)?;
        self.open(x);
        let at = self.touch(x, id)?;
        self.observe(x, at);
        let entry = x.tx.table[at as usize];
        Ok((id != ROOT && Self::visible(x, &entry)).then_some(entry))
    }

    /// observe(o) (`avm:3`).
    #[inline]
    pub(super) fn observe(&mut self, x: &mut Exec, at: u32) {
        let entry = &x.tx.table[at as usize];
        if !entry.has(OBSERVED | CREATED) && entry.id != ROOT {
            x.tx.change(&mut self.heap, at).flags |= OBSERVED;
        }
    }

    /// Appends to the trace with the controller's stamp.
    #[inline]
    pub(super) fn log(&mut self, x: &mut Exec, what: What, id: u64, one: Value, two: Value) {
        let stamp = (x.tx.controller, x.contexts.len() as u32 - 1);
        x.trace.log(&mut self.heap, what, stamp, id, one, two);
    }

    /// Appends a rare event.
    pub(super) fn log_wide(&mut self, x: &mut Exec, event: impl FnOnce() -> crate::event::Event) {
        let stamp = (x.tx.controller, (x.contexts.len() as u32).saturating_sub(1));
        x.trace.log_wide(&mut self.heap, stamp, event);
    }

    /// Staged effects of a run that is not the observable one.
    pub(super) fn drop_staged(&mut self, x: &mut Exec, from: usize) {
        for staged in x.tx.staged.drain(from..) {
            match staged {
                Staged::Pure { function, .. } => self.heap.release(function),
                Staged::Fetch { id, machine } => {
                    x.tx.fetched.remove(&(id, machine));
                }
            }
        }
    }

    /// beginTx (`avm:4.5`).
    pub(super) fn begin_tx(&mut self, code: &Code, x: &mut Exec, controller: u32) -> Result<Did, Fault> {
        if controller != 0 && !self.controller_reachable(controller) {
            return Err(ControllerError::ControllerUnreachable(self.names.name(controller)).into());
        }
        if controller != 0 && x.tx.controller != 0 && x.tx.controller != controller {
            return Err(ControllerError::CrossControllerTx(x.context().id, self.names.name(x.tx.controller)).into());
        }
        if let Some(did) = self.await_joint(code, x)? {
            return Ok(did);
        }
        if x.tx.mode == Mode::Implicit && !self.publish(code, x)? {
            return Ok(Did::Switched);
        }
        let outermost = x.tx.mode == Mode::None;
        if outermost {
            x.tx.mode = Mode::Explicit;
            x.tx.snapshot = self.store.begin();
            x.tx.kept = true;
            x.decided = Some(x.trace.mark());
            x.carried.began_ns = self.told_ns();
        }
        let id = self.fresh_tx(x);
        self.log(x, What::Started, id.0, NOTHING, NOTHING);
        let fd = x.fd.as_ref().map(|fd| fd.mark());
        let mark = if outermost { x.tx.outermost_mark(fd) } else { x.tx.mark(fd) };
        let order = x.tx.tick();
        x.tx.begun.push(Begun { id, mark, order, decisions: Vec::new() });
        if controller != 0 && x.tx.controller == 0 {
            self.resolve(x, controller);
        }
        Ok(Did::Value(self.heap.identity(super::word::T_TX, super::word::Node::Tx, id.0)?))
    }

    /// How a transaction that is not open ended: an error.
    fn not_open(x: &Exec, tx: TxId, otherwise: TxError) -> Fault {
        match x.ended(tx) {
            Some(true) => TxError::TxAlreadyCommitted(tx).into(),
            Some(false) => TxError::TxAlreadyAborted(tx).into(),
            None => otherwise.into(),
        }
    }

    /// commitTx (`avm:4.5`).
    pub(super) fn commit_tx(&mut self, code: &Code, x: &mut Exec, tx: TxId) -> Result<Did, Fault> {
        let Some(innermost) = x.tx.begun.last().map(|begun| begun.id).filter(|_| x.tx.explicit()) else {
            return Err(Self::not_open(x, tx, TxError::NoActiveTx));
        };
        if innermost != tx {
            if x.tx.begun.iter().any(|begun| begun.id == tx) {
                return Err(TxError::TxConflict(tx).into());
            }
            return Err(Self::not_open(x, tx, TxError::TxNotFound(tx)));
        }
        if x.tx.controller != 0 && !self.controller_reachable(x.tx.controller) {
            return Err(ControllerError::ControllerUnreachable(self.names.name(x.tx.controller)).into());
        }
        let own = x.segments.as_ref().map_or(1, |segments| segments.opened());
        if x.segments.is_some() && x.tx.begun.len() <= own {
            return Err(TxError::InvalidDuringTx("commitTx of a segment".to_owned()).into());
        }
        if x.tx.begun.len() > own {
            self.merge(x);
            self.log(x, What::Committed, tx.0, NOTHING, NOTHING);
            x.finish(tx, true);
            return Ok(Did::Value(Value::bool(true)));
        }
        match self.decide(code, x)? {
            Committed::Later(flow) => Ok(Did::Flow(flow)),
            Committed::Yes => {
                self.committed(x);
                Ok(Did::Value(Value::bool(true)))
            }
            Committed::No(refused) => {
                self.refused(x, refused);
                Ok(Did::Value(Value::bool(false)))
            }
        }
    }

    /// The outermost transaction is committed: what it says in the trace, and its end.
    pub(super) fn committed(&mut self, x: &mut Exec) {
        for at in 0..x.tx.begun.len() {
            let id = x.tx.begun[at].id;
            if let Some(controller) = x.segments.as_ref().and_then(|segments| segments.controller(at)) {
                x.tx.controller = controller;
            }
            self.log(x, What::Committed, id.0, NOTHING, NOTHING);
            x.finish(id, true);
        }
        if let Some(id) = x.tx.begun.first().map(|begun| begun.id) {
            self.remember_decision(x, id, None);
        }
        if let Some(fd) = &mut x.fd {
            let before = if x.posted.is_empty() { Vec::new() } else { fd.constraints().to_vec() };
            match x.tx.begun.first().and_then(|begun| begun.mark.fd) {
                Some(mark) => fd.settle(&mark),
                // There was no store before it: all that is in it is its own.
                None => fd.clear(),
            }
            if fd.constraints().len() != before.len() {
                super::standing::keep_places(&mut x.posted, &before, fd.constraints());
            }
        }
        x.committed += 1;
        self.ended(x, false);
    }

    /// The outermost transaction is refused.
    pub(super) fn refused(&mut self, x: &mut Exec, refused: Refused) {
        x.unsatisfiable += u64::from(matches!(refused, Refused::Unsatisfiable { .. }));
        if let Some(tx) = x.tx.begun.first().map(|begun| begun.id) {
            self.remember_decision(x, tx, Some(refused));
        }
        self.abort_frames(x, 0, x.segments.is_some());
        x.aborted -= 1;
        x.refused += 1;
    }

    /// Nothing of the transaction is left.
    pub(super) fn ended(&mut self, x: &mut Exec, undone: bool) {
        if x.joint.is_some() {
            self.drop_joint(x);
        }
        if !x.tx.staged.is_empty() {
            self.apply_staged(x);
        }
        if !x.points.is_empty() || x.base.is_some() {
            x.drop_points(&mut self.heap, 0);
            if let Some(base) = x.base.take() {
                base.release(&mut self.heap);
            }
        }
        x.exploring = None;
        if !x.saved.is_empty() || x.floor != 0 || x.context_floor != 0 {
            x.forget_saved(&mut self.heap);
        }
        if !x.terms.is_empty() {
            self.forget_terms(x);
        }
        if !x.shadows.is_empty() {
            if !undone {
                self.tell_shadows(x);
            }
            self.drop_shadows(x, |_| true);
        }
        for (_, _, state, _) in &x.replicas {
            self.heap.release(*state);
        }
        x.replicas.clear();
        let back = x.tx.clear(&mut self.heap, undone);
        if !back.is_empty() {
            self.put_back(x, back);
        }
        if x.tx.kept {
            self.end_snapshot(x);
        }
        x.forget_finished();
        x.decided = None;
        x.restart = None;
        x.alone = 0;
        if self.alone == Some(x.id) {
            self.alone = None;
        }
    }

    /// Deferred values become what they are: the run is decided.
    fn forget_terms(&mut self, x: &mut Exec) {
        x.terms.clear();
        for at in 0..x.regs.len() {
            let value = x.regs[at];
            if value.tainted() {
                let plain = self.heap.plain(value).unwrap_or(NOTHING);
                x.regs[at] = plain;
                self.heap.release(value);
            }
        }
        for at in 0..x.contexts.len() {
            let value = x.contexts[at].input;
            if value.tainted() {
                let plain = self.heap.plain(value).unwrap_or(NOTHING);
                x.contexts[at].input = plain;
                self.heap.release(value);
            }
        }
    }

    /// Messages that were taken go back to the front, newest first.
    pub(super) fn put_back(&mut self, x: &mut Exec, back: Vec<(ObjectId, Value)>) {
        for (id, message) in back {
            if id == ROOT {
                x.mailbox.push_front(message);
            } else if !self.store.newest(id).exists {
                self.heap.release(message);
            } else {
                self.store.mailboxes.entry(id).or_default().push_front(message);
            }
        }
    }

    /// An inner transaction goes into its parent (`avm:7.3`).
    fn merge(&mut self, x: &mut Exec) {
        let Some(inner) = x.tx.begun.pop() else { return };
        let Some(parent) = x.tx.begun.last().map(|parent| parent.order) else { return };
        for at in 0..x.tx.table.len() as u32 {
            let entry = &x.tx.table[at as usize];
            if entry.has(DESTROYED) && entry.has(CREATED) && !entry.has(CANCELLED) && entry.made > parent {
                x.tx.change(&mut self.heap, at).flags |= CANCELLED;
                x.tx.epoch += 1;
            }
        }
        if let Some(fd) = &mut x.fd {
            match &inner.mark.fd {
                Some(mark) => fd.forget_refutations(mark),
                None => fd.forget_all_refutations(),
            }
        }
        if let Some(parent) = x.tx.begun.last_mut() {
            parent.decisions.extend(inner.decisions);
        }
        if x.certain() {
            x.tx.certain_since(&inner.mark);
        }
        let depth = x.tx.begun.len();
        x.points.iter_mut().for_each(|point| point.depth = point.depth.min(depth));
    }

    /// First object whose version is no longer what was read (`avm:7.3`, 1).
    #[inline]
    pub(super) fn changed(&self, x: &Exec) -> Option<ObjectId> {
        if self.store.clock == x.tx.snapshot {
            return None;
        }
        let changed = |entry: &&Entry| {
            entry.flags & (OBSERVED | ELSEWHERE) == OBSERVED && self.store.newest(entry.id).stamp != entry.stamp
        };
        x.tx.table.iter().find(changed).map(|entry| entry.id)
    }

    /// Whether others have changed what was read: objects, pure functions, what replicas have taken.
    #[inline]
    pub(super) fn stale(&self, x: &Exec) -> bool {
        self.changed(x).is_some() || self.updated(x).is_some() || !x.tx.frozen.is_empty() && self.refilled(x).is_some()
    }

    pub(super) fn conflict(&self, x: &Exec) -> Option<Refused> {
        if let Some(function) = self.updated(x) {
            return Some(Refused::Updated { function });
        }
        if let Some(object) = self.refilled(x) {
            return Some(Refused::Changed { object, by: None });
        }
        self.changed(x).map(|object| Refused::Changed { object, by: self.store.writer(object) })
    }

    /// Outermost commit: reads, requirements, authority, application (`avm:7.3`).
    pub(super) fn decide(&mut self, code: &Code, x: &mut Exec) -> Result<Committed, Fault> {
        if !x.tx.orders.is_empty() {
            self.state_orders(x);
        }
        // Before the search, and again on the run that was chosen (`decisions:AVM-8`).
        if x.joint.is_some() {
            return self.decide_jointly(code, x);
        }
        let at_ends = x.exploring.as_ref().is_none_or(|exploring| exploring.is_final());
        if at_ends && let Some(refused) = self.conflict(x) {
            return Ok(Committed::No(refused));
        }
        if (x.undecided() || x.tx.requires.iter().any(|r| !matches!(r.expr, Expr::Const(_))))
            && let Some(other) = self.explore_commit(code, x)?
        {
            return Ok(other);
        }
        if !x.undecided()
            && let Some(at) = x.tx.requires.iter().position(|asserted| asserted.expr == Expr::Const(Val::Bool(false)))
        {
            let (names, places) = Self::core_member(x, at as u32).into_iter().unzip();
            return Ok(Committed::No(Refused::Unsatisfiable { core: vec![at as u32], names, places }));
        }
        if self.jointly(x) {
            return self.decide_jointly(code, x);
        }
        self.apply(x)?;
        self.record_commit(code, x);
        Ok(Committed::Yes)
    }

    /// The last part of a commit that concerns several tori, or meets the intents of others.
    fn decide_jointly(&mut self, code: &Code, x: &mut Exec) -> Result<Committed, Fault> {
        match self.joint(code, x)? {
            Step::Wait => Ok(Committed::Later(Self::park(x, Why::Elsewhere))),
            Step::Refused(refused) => Ok(Committed::No(refused)),
            Step::Done => {
                self.apply(x)?;
                self.record_commit(code, x);
                Ok(Committed::Yes)
            }
        }
    }

    /// Applies the table to the store; the transaction is over but for its last words.
    pub(super) fn apply(&mut self, x: &mut Exec) -> Result<(), Fault> {
        if !x.terms.is_empty() {
            self.make_plain(x)?;
        }
        const CHANGES: u16 = STATE | CREATED | TRANSFERRED | MOVED | DESTROYED;
        self.end_snapshot(x);
        let frozen = std::mem::take(&mut x.tx.frozen);
        // A commit over several tori has its stamp.
        let mut stamped = x.joint.is_some();
        let stamp = x.joint.as_ref().and_then(|joint| joint.decided);
        for at in 0..x.tx.table.len() {
            let flags = x.tx.table[at].flags;
            if flags & CHANGES == 0 || flags & CANCELLED != 0 || flags & (CREATED | DESTROYED) == CREATED | DESTROYED {
                continue;
            }
            let entry = x.tx.table[at];
            let state = std::mem::replace(&mut x.tx.table[at].state, EMPTY);
            if entry.id == ROOT {
                let before = std::mem::replace(&mut x.state, state);
                self.heap.release(before);
                continue;
            }
            if entry.has(ELSEWHERE) {
                self.heap.release(state);
                continue;
            }
            if !stamped {
                self.store.clock += 1;
                stamped = true;
            }
            let mut version = Version {
                state,
                stamp: stamp.unwrap_or(self.store.clock),
                behaviour: entry.behaviour,
                machine: entry.machine,
                creating: entry.creating,
                current: entry.current,
                exists: true,
                damaged: entry.has(DAMAGED),
            };
            if entry.has(DESTROYED) {
                self.heap.release(state);
                version = Version { state: EMPTY, exists: false, ..version };
                self.drop_beside(entry.id);
            }
            let tx = x.tx.begun.first().map(|begun| begun.id);
            self.store.put(&mut self.heap, entry.id, version, (x.id, tx));
            if self.config.records {
                self.unrecorded.push(entry.id);
            }
        }
        frozen.into_iter().for_each(|(id, _)| self.freeze_replicas(id));
        if !x.tx.sends.is_empty() {
            for letter in std::mem::take(&mut x.tx.sends) {
                self.deliver(letter);
            }
            self.process_letters();
        }
        Ok(())
    }

    /// Pending values without deferred ones.
    pub(super) fn make_plain(&mut self, x: &mut Exec) -> Result<(), Fault> {
        for at in 0..x.tx.table.len() {
            let state = x.tx.table[at].state;
            if state.tainted() {
                x.tx.table[at].state = self.heap.plain(state)?;
                self.heap.release(state);
            }
        }
        for at in 0..x.tx.sends.len() {
            let message = x.tx.sends[at].message;
            if message.tainted() {
                x.tx.sends[at].message = self.heap.plain(message)?;
                self.heap.release(message);
            }
        }
        Ok(())
    }

    /// Mailbox and replicas of an object that is gone.
    pub(super) fn drop_beside(&mut self, id: ObjectId) {
        for message in self.store.mailboxes.remove(&id).into_iter().flatten() {
            self.heap.release(message);
        }
        let gone: Vec<_> = self.store.replicas.range((id, 0)..=(id, u32::MAX)).map(|(key, _)| *key).collect();
        for key in gone {
            if let Some(replica) = self.store.replicas.remove(&key) {
                self.heap.release(replica.state);
                replica.inputs.into_iter().for_each(|value| self.heap.release(value));
            }
        }
    }

    /// Aborts the transactions from `level` on, innermost first (`avm:4.5`); those of a composition in order of segments.
    pub(super) fn abort_frames(&mut self, x: &mut Exec, level: usize, in_order: bool) {
        if in_order {
            let ids: Vec<TxId> = x.tx.begun.iter().map(|begun| begun.id).collect();
            for (at, id) in ids.into_iter().enumerate() {
                if let Some(controller) = x.segments.as_ref().and_then(|segments| segments.controller(at)) {
                    x.tx.controller = controller;
                }
                self.log(x, What::Aborted, id.0, NOTHING, NOTHING);
                x.finish(id, false);
            }
        }
        while x.tx.begun.len() > level {
            let Some(begun) = x.tx.begun.pop() else { break };
            if !in_order {
                self.log(x, What::Aborted, begun.id.0, NOTHING, NOTHING);
                x.finish(begun.id, false);
            }
            x.drop_points(&mut self.heap, x.tx.begun.len());
            let next = x.fd.as_ref().map(|fd| fd.next_var());
            if let (Some(fd), Some(mark)) = (&mut x.fd, &begun.mark.fd) {
                fd.undo_to(mark);
            } else if begun.mark.fd.is_none() {
                // There was no finite-domain store before it.
                if let Some(fd) = &mut x.fd {
                    fd.clear();
                }
            }
            if let (Some(fd), Some(next)) = (&mut x.fd, next) {
                fd.skip_ids(next);
            }
            Self::refute(x, &begun.decisions);
            if x.tx.begun.is_empty() {
                x.aborted += 1;
                self.ended(x, true);
            } else {
                let back = x.tx.undo(&mut self.heap, &begun.mark);
                self.put_back(x, back);
            }
        }
    }

    /// abortTx (`avm:4.5`).
    pub(super) fn abort_tx(&mut self, code: &Code, x: &mut Exec, tx: TxId) -> Result<Did, Fault> {
        let Some(level) = x.tx.begun.iter().position(|begun| begun.id == tx) else {
            return match x.ended(tx) {
                Some(true) => Err(TxError::TxAlreadyCommitted(tx).into()),
                Some(false) => Ok(Did::Value(NOTHING)),
                None => Err(TxError::TxNotFound(tx).into()),
            };
        };
        if x.segments.as_ref().is_some_and(|segments| level < segments.opened()) {
            return Err(TxError::InvalidDuringTx("abortTx of a segment".to_owned()).into());
        }
        if level == 0
            && x.undecided()
            && let Some(flow) = self.leave_early(code, x)?
        {
            return Ok(Did::Flow(flow));
        }
        if level == 0 {
            self.remember_dropped(x, None);
        }
        self.abort_frames(x, level, false);
        Self::remembers_refutations(x)?;
        Ok(Did::Value(NOTHING))
    }

    /// Commits the implicit transaction; false when it begins anew instead.
    pub(super) fn publish(&mut self, code: &Code, x: &mut Exec) -> Result<bool, Fault> {
        if x.joint.is_none()
            && self.stale(x)
            && let Some(refused) = self.conflict(x)
        {
            self.call_again(code, x, &refused)?;
            return Ok(false);
        }
        self.apply(x)?;
        self.record_commit(code, x);
        self.ended(x, false);
        Ok(true)
    }
}
