//! Pure functions and replicas (`avm:4.6`, `avm:10.4`): what no abort takes back, staged until the run is decided
//! (`decisions:AVM-9`).

use std::sync::Arc;

use super::config::Capability;
use super::convert::kind;
use super::exec::{Enter, Exec, Fault, Native, type_error};
use super::interp::enter;
use super::loaded::Code;
use super::store::Replica;
use super::trace::What;
use super::tx::{ELSEWHERE, Staged};
use super::word::{FALSE, FUNCTION, NOTHING, Node, T_CONTROLLER, T_FUNCTION, T_MACHINE, TRUE, Value};
use super::world::{Did, Flow, World};
use crate::error::{ControllerError, PureError};
use crate::event::{Event, TraceLevel};
use crate::id::ObjectId;

impl World {
    /// Version and function under a name, staged ones first.
    fn pure_named(&self, x: &Exec, name: &str) -> Option<(u64, Value)> {
        let staged = x.tx.staged.iter().rev().find_map(|staged| match staged {
            Staged::Pure { name: own, function, version } if &**own == name => Some((*version, *function)),
            _ => None,
        });
        staged.or_else(|| self.pures.get(name).map(|pure| (pure.version, pure.function)))
    }

    /// callPure (`avm:4.6`).
    pub(super) fn call_pure(
        &mut self,
        code: &Code,
        x: &mut Exec,
        (name, args): (Value, Value),
        (dst, start): (u8, u8),
    ) -> Result<Did, Fault> {
        let name = self.settle(x, name);
        if !name.is_text() {
            return Err(type_error("a text", kind(&self.heap, name)));
        }
        let recent = (name.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize;
        let found = if self.recent[recent].0 == name && x.tx.staged.is_empty() {
            Some(self.recent[recent].1)
        } else {
            let mut short = [0; 8];
            let text = std::str::from_utf8(self.heap.text_bytes(name, &mut short)).unwrap_or_default();
            let found = self.pure_named(x, text).map(|(_, function)| function);
            if let Some(function) = found
                && !name.is_ref()
                && x.tx.staged.is_empty()
            {
                self.recent[recent] = (name, function);
            }
            found
        };
        let args = self.settle(x, args);
        if !args.is_list() {
            return Err(type_error("a list", kind(&self.heap, args)));
        }
        let Some(function) = found else { return Ok(Did::Value(NOTHING)) };
        let (number, captured) = if function.is_ref() {
            (self.heap.child(function, 0).bits32(), self.heap.len(function) - 1)
        } else {
            (function.bits32(), 0)
        };
        let count = self.heap.len(args);
        if usize::from(code.functions[number as usize].arity) != captured + count {
            return Ok(Did::Value(NOTHING));
        }
        if x.frames.len() >= super::slow::FRAMES * self.config.call_depth as usize {
            return Err(self.too_deep());
        }
        let base = x.frame().base as usize + start as usize;
        x.reserve(base);
        // The window may cover the list.
        self.heap.retain(args);
        for at in 0..captured + count {
            let value =
                if at < captured { self.heap.child(function, at + 1) } else { self.heap.child(args, at - captured) };
            self.heap.retain(value);
            let before = std::mem::replace(&mut x.regs[base + at], value);
            self.heap.release(before);
        }
        self.heap.release(args);
        enter(self, code, x, number, base, dst, Enter::Pure);
        x.pures += 1;
        Ok(Did::Switched)
    }

    fn function_arg(&mut self, x: &mut Exec, function: Value) -> Result<Value, Fault> {
        let function = self.settle_deep(x, function)?;
        if function.flags() & FUNCTION != 0 && (function.tag() == T_FUNCTION || function.is_node(Node::Closure)) {
            return Ok(function);
        }
        let found = kind(&self.heap, function);
        self.heap.release(function);
        Err(type_error("a function", found))
    }

    fn stage_pure(&mut self, x: &mut Exec, name: Arc<str>, function: Value, version: u64) {
        self.open(x);
        x.tx.staged.push(Staged::Pure { name, function, version });
    }

    /// registerPure (`avm:4.6`).
    pub(super) fn register_pure(&mut self, x: &mut Exec, name: Value, function: Value) -> Result<Did, Fault> {
        self.capable(Capability::Registry)?;
        let name = self.text_arg(x, name)?;
        if self.pure_named(x, &name).is_some() {
            return Err(PureError::FunctionAlreadyRegistered(name.to_string()).into());
        }
        let function = self.function_arg(x, function)?;
        self.stage_pure(x, name.clone(), function, 0);
        if x.trace.level == TraceLevel::Extended {
            self.log_wide(x, || Event::FunctionRegistered(name));
        }
        Ok(Did::Value(TRUE))
    }

    /// updatePure (`avm:4.6`).
    pub(super) fn update_pure(
        &mut self,
        x: &mut Exec,
        name: Value,
        function: Value,
        expected: Value,
    ) -> Result<Did, Fault> {
        self.capable(Capability::Registry)?;
        let name = self.text_arg(x, name)?;
        let Some((version, _)) = self.pure_named(x, &name) else {
            return Err(PureError::FunctionNotFound(name.to_string()).into());
        };
        let mut expected = self.settle(x, expected);
        if expected.is_node(Node::Just) {
            expected = self.heap.child(expected, 0);
        }
        if expected != NOTHING {
            let expected = self.number_arg(x, expected)?;
            if expected != i128::from(version) {
                let expected = u64::try_from(expected).unwrap_or(u64::MAX);
                return Err(PureError::VersionConflict(name.to_string(), expected, version).into());
            }
        }
        let function = self.function_arg(x, function)?;
        self.stage_pure(x, name.clone(), function, version + 1);
        self.log_wide(x, || Event::FunctionUpdated(name));
        Ok(Did::Value(TRUE))
    }

    /// fetch (`avm:4.7`).
    pub(super) fn fetch(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        self.capable(Capability::Machines)?;
        let id = self.object_arg(x, target)?;
        self.open(x);
        let at = self.touch(x, id)?;
        self.observe(x, at);
        let entry = x.tx.table[at as usize];
        if id == crate::id::ROOT || !Self::visible(x, &entry) {
            return Ok(Did::Value(FALSE));
        }
        // Replicas stand beside their primary.
        if entry.has(ELSEWHERE) {
            return Err(ControllerError::ObjectNotAvailable(id).into());
        }
        let machine = x.context().machine;
        x.tx.staged.push(Staged::Fetch { id, machine });
        self.log(x, What::Fetched, id.0, Value::word32(T_MACHINE, machine), NOTHING);
        Ok(Did::Value(TRUE))
    }

    /// Makes or refreshes a replica.
    pub(super) fn replicate(&mut self, id: ObjectId, machine: u32) {
        let version = self.store.newest(id);
        if !version.exists || version.machine == machine {
            return;
        }
        let state = self.heap.retain(version.state);
        let before = self.store.replicas.insert((id, machine), Replica { state, inputs: Vec::new() });
        if let Some(before) = before {
            self.heap.release(before.state);
            before.inputs.into_iter().for_each(|input| self.heap.release(input));
        }
    }

    /// freeze (`avm:4.8`, `avm:10.4`).
    pub(super) fn freeze(
        &mut self,
        code: &Code,
        x: &mut Exec,
        target: Value,
        (dst, start): (u8, u8),
    ) -> Result<Did, Fault> {
        let id = self.object_arg(x, target)?;
        self.open(x);
        let at = self.find(x, id)?;
        let entry = x.tx.table[at as usize];
        if entry.current == 0 {
            return Ok(Did::Value(NOTHING));
        }
        if entry.has(ELSEWHERE) {
            return Err(ControllerError::ObjectNotAvailable(id).into());
        }
        if x.tx.explicit() {
            self.own(x, at)?;
            self.observe(x, at);
        }
        if !self.controller_reachable(entry.current) {
            return Err(ControllerError::ControllerUnreachable(self.names.name(entry.current)).into());
        }
        let range = (id, 0)..=(id, u32::MAX);
        if self.store.replicas.range(range.clone()).any(|((_, machine), _)| !self.machine_reachable(*machine)) {
            return Ok(Did::Value(self.heap.just_of(FALSE)?));
        }
        let inputs: Vec<Value> =
            self.store.replicas.range(range).flat_map(|(_, replica)| replica.inputs.clone()).collect();
        if inputs.is_empty() {
            return Ok(Did::Value(self.frozen(x, id)?));
        }
        inputs.iter().for_each(|input| {
            self.heap.retain(*input);
        });
        x.natives.push(Native::Freeze { id, inputs, at: 0, base: start });
        // The inputs were logged where they were taken: replaying them is no event, until the native is dropped.
        x.trace.mute();
        self.replay_next(code, x, dst)?;
        Ok(Did::Switched)
    }

    fn frozen(&mut self, x: &mut Exec, id: ObjectId) -> Result<Value, Fault> {
        let controller = x.tx.lookup(id).map_or(0, |at| x.tx.table[at as usize].current);
        self.log(x, What::Frozen, id.0, Value::word32(T_CONTROLLER, controller), NOTHING);
        Ok(self.heap.just_of(TRUE)?)
    }

    /// The next input on the primary's state, or the end: replicas get the result.
    pub(super) fn replay_next(&mut self, code: &Code, x: &mut Exec, dst: u8) -> Result<Flow, Fault> {
        let Some(Native::Freeze { id, inputs, at, base, .. }) = x.natives.last_mut() else { return Ok(Flow::Next) };
        let (id, base) = (*id, *base);
        if let Some(input) = inputs.get(*at).copied() {
            *at += 1;
            let entry = self.find(x, id)?;
            let entry_of = x.tx.table[entry as usize];
            let base = x.frame().base as usize + base as usize;
            self.heap.retain(input);
            let caller = x.context();
            x.contexts.push(super::exec::Context {
                id,
                input,
                sender: Some(caller.id),
                machine: entry_of.machine,
                entry,
                epoch: x.tx.epoch,
                replica: false,
            });
            enter(self, code, x, code.behaviours[entry_of.behaviour as usize].function, base, dst, Enter::Replay);
            return Ok(Flow::Next);
        }
        let level = x.natives.len() - 1;
        x.drop_natives(&mut self.heap, level);
        let machines: Vec<u32> =
            self.store.replicas.range((id, 0)..=(id, u32::MAX)).map(|((_, machine), _)| *machine).collect();
        x.tx.staged.extend(machines.into_iter().map(|machine| Staged::Fetch { id, machine }));
        let value = self.frozen(x, id)?;
        x.set(&mut self.heap, dst, value);
        if x.contexts.len() == 1 && x.tx.mode == super::tx::Mode::Implicit {
            self.publish(code, x)?;
        }
        Ok(Flow::Next)
    }
}
