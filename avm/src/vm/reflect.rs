//! What programs see of the machine: metadata, scans of the store, their own context and transaction (`avm:4.3`, `avm:4.4`).

use std::sync::Arc;

use super::config::Capability;
use super::convert::{kind, object};
use super::exec::{Enter, Exec, Fault, type_error};
use super::loaded::Code;
use super::native::{Native, Others};
use super::store::Version;
use super::tx::{CANCELLED, CREATED, DESTROYED, OBSERVED};
use super::word::{FUNCTION, NOTHING, Node, T_CONTROLLER, T_MACHINE, T_TX, Value};
use super::world::{Did, Flow, World};
use crate::error::{ReflectError, ReifyError};
use crate::id::ObjectId;

/// Operations that a row of a scan costs beside those of the predicate.
const ROW: u32 = 8;

impl World {
    /// reifyContext (`avm:4.4`).
    pub(super) fn reify_context(&mut self, x: &mut Exec) -> Result<Did, Fault> {
        let context = x.context();
        let me = object(&mut self.heap, context.id);
        let sender = context.sender.map_or(Ok(NOTHING), |sender| object(&mut self.heap, sender));
        let controller = match x.tx.controller {
            0 => self.heap.text("ambient"),
            number => Ok(Value::word32(T_CONTROLLER, number)),
        };
        let input = Ok(self.heap.retain(context.input));
        let machine = Ok(Value::word32(T_MACHINE, context.machine));
        Ok(Did::Value(self.heap.gather(Node::List, &[me, input, sender, machine, controller])?))
    }

    /// reifyTxState (`avm:4.4`).
    pub(super) fn reify_tx(&mut self, x: &mut Exec) -> Result<Did, Fault> {
        if self.denies(Capability::Reflect) {
            return Err(ReifyError::TxStateAccessDenied.into());
        }
        let Some(tx) = x.tx.begun.last().map(|begun| begun.id) else {
            return Ok(Did::Value(NOTHING));
        };
        let mut writes = Vec::with_capacity(x.tx.log.len());
        for (id, message) in &x.tx.log {
            let parts = [object(&mut self.heap, *id), Ok(self.heap.retain(*message))];
            writes.push(self.heap.gather(Node::Pair, &parts));
        }
        let mut parts = vec![self.heap.identity(T_TX, Node::Tx, tx.0), self.heap.gather(Node::List, &writes)];
        for flag in [CREATED, DESTROYED, OBSERVED] {
            let entries = x.tx.table.iter().filter(|entry| entry.has(flag) && !entry.has(CANCELLED));
            let ids: Vec<_> = entries.map(|entry| object(&mut self.heap, entry.id)).collect();
            parts.push(self.heap.gather(Node::List, &ids));
        }
        Ok(Did::Value(self.heap.gather(Node::List, &parts)?))
    }

    /// Metadata as a record.
    fn metadata(&mut self, id: ObjectId, version: &Version) -> Result<Value, super::heap::Full> {
        let names = ["creatingController", "currentController", "machine", "objectId"];
        let names = names.map(|name| self.heap.text(name));
        let parts = [
            self.heap.gather(Node::List, &names),
            Ok(Self::controller_value(version.creating)),
            Ok(Self::controller_value(version.current)),
            Ok(Value::word32(T_MACHINE, version.machine)),
            object(&mut self.heap, id),
        ];
        self.heap.gather(Node::Record, &parts)
    }

    /// reflect (`avm:4.3`): committed data only.
    pub(super) fn reflect(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        let id = self.object_arg(x, target)?;
        if self.denies(Capability::Reflect) {
            return Err(ReflectError::ReflectionDenied(id).into());
        }
        if self.reached(id) {
            return Ok(Did::Value(match self.looked(x, Some(id))?.first() {
                Some(row) => {
                    let version = self.row_version(row)?;
                    self.metadata(id, &version)?
                }
                None => NOTHING,
            }));
        }
        let version = self.store.newest(id);
        if !version.exists || version.damaged {
            return Ok(Did::Value(NOTHING));
        }
        self.store.filed(id)?;
        Ok(Did::Value(self.metadata(id, &version)?))
    }

    /// scryMeta and scryDeep (`avm:4.3`): all objects there are at its begin, ascending; the predicate runs as frames of the program,
    /// and a row is made when it is asked about.
    pub(super) fn scry(
        &mut self,
        code: &Code,
        x: &mut Exec,
        predicate: Value,
        (dst, start): (u8, u8),
        deep: bool,
    ) -> Result<Did, Fault> {
        if self.denies(Capability::Reflect) {
            return Err(ReflectError::ReflectionDenied(x.context().id).into());
        }
        if predicate.flags() & FUNCTION == 0 {
            return Err(type_error("a function", kind(&self.heap, predicate)));
        }
        let mut rows = self.looked(x, None)?;
        rows.sort_unstable_by_key(|row| row.id);
        let others = Others { rows: rows.into(), at: 0 };
        self.store.check_pages()?;
        let predicate = self.heap.retain(predicate);
        let (taken, until) = (Vec::new(), self.store.unused());
        x.natives.push(Native::Scry { predicate, deep, row: NOTHING, taken, next: 0, until, base: start, others });
        self.scry_next(code, x, dst)?;
        Ok(Did::Switched)
    }

    /// The next object of a scan: of this torus or of another, whichever comes first.
    fn scry_object(&mut self, code: &Code, x: &mut Exec) -> Result<Option<(ObjectId, Version, Arc<str>)>, Fault> {
        loop {
            let Some(Native::Scry { next, until, others, .. }) = x.natives.last_mut() else { return Ok(None) };
            let own = self.store.first_from(*next);
            if let Some((id, version)) = &own {
                self.store.check_row((*id, version), next.checked_sub(1), code.behaviours.len())?;
            }
            let own = own.filter(|(id, _)| id.counter() < *until);
            x.left -= ROW.min(x.left);
            if let Some(row) = others.rows.get(others.at)
                && own.is_none_or(|(id, _)| row.id < id)
            {
                others.at += 1;
                let row = row.clone();
                return Ok(Some((row.id, self.row_version(&row)?, row.behaviour)));
            }
            let Some((id, version)) = own else { return Ok(None) };
            *next = id.counter() + 1;
            if !version.damaged {
                return Ok(Some((id, version, code.behaviours[version.behaviour as usize].name.clone())));
            }
        }
    }

    /// The next row of a scan, with the predicate it is asked by.
    fn scry_row(&mut self, code: &Code, x: &mut Exec) -> Result<Option<(Value, Value)>, Fault> {
        if let Some(Native::Scry { row, .. }) = x.natives.last_mut() {
            self.heap.release(std::mem::replace(row, NOTHING));
        }
        let Some((id, version, behaviour)) = self.scry_object(code, x)? else { return Ok(None) };
        let Some(Native::Scry { predicate, deep, row, .. }) = x.natives.last_mut() else { return Ok(None) };
        let (metadata, id) = (self.metadata(id, &version), object(&mut self.heap, id));
        *row = if *deep {
            let name = self.heap.text(&behaviour);
            self.heap.gather(Node::List, &[id, name, metadata])?
        } else {
            self.heap.gather(Node::Pair, &[id, metadata])?
        };
        Ok(Some((*row, *predicate)))
    }

    /// Asks the predicate about the next row, or ends.
    fn scry_next(&mut self, code: &Code, x: &mut Exec, dst: u8) -> Result<(), Fault> {
        if let Some((row, predicate)) = self.scry_row(code, x)? {
            let args: Vec<Value> = self.heap.children(row).skip(1).collect();
            let Some(Native::Scry { base, .. }) = x.natives.last() else { return Ok(()) };
            let base = x.frame().base as usize + *base as usize;
            return self.enter_value(code, x, predicate, &args, (base, dst, Enter::Scry));
        }
        let Some(Native::Scry { predicate, taken, .. }) = x.natives.pop() else { return Ok(()) };
        self.heap.release(predicate);
        let list = self.heap.list_of(&taken)?;
        x.set(&mut self.heap, dst, list);
        Ok(())
    }

    /// The predicate has answered; takes over the reference.
    pub(super) fn scry_returned(&mut self, code: &Code, x: &mut Exec, value: Value, dst: u8) -> Result<Flow, Fault> {
        let holds = self.holds(x, value);
        self.heap.release(value);
        let holds = holds.map_err(|fault| ReflectError::ScryPredicateFailed(super::world::error_text(&fault)))?;
        if let Some(Native::Scry { row, taken, .. }) = x.natives.last_mut()
            && holds
        {
            taken.push(std::mem::replace(row, NOTHING));
        }
        self.scry_next(code, x, dst)?;
        Ok(Flow::Next)
    }
}
