//! Pure functions (`avm:4.6`): what no abort takes back, staged until the run is decided (`decisions:AVM-9`); a transaction keeps
//! the versions it saw, and ends as it would had nobody changed them, or not at all (`decisions:AVM-8`).

use std::sync::Arc;

use super::config::Capability;
use super::convert::kind;
use super::exec::{Enter, Exec, Fault, type_error};
use super::interp::enter;
use super::loaded::Code;
use super::tx::{Mode, Seen, Staged};
use super::word::{FUNCTION, NOTHING, Node, T_FUNCTION, TRUE, Value};
use super::world::{Did, Pure, World};
use crate::error::PureError;
use crate::event::{Event, TraceLevel};

impl World {
    /// Version and function under a name: staged ones first, then what the open transaction has seen, then the newest; one that
    /// changes on all tori now is waited for.
    fn pure_named(&mut self, x: &mut Exec, name: &str, key: Value) -> Result<Option<(u64, Value)>, Fault> {
        let staged = x.tx.staged.iter().rev().find_map(|staged| match staged {
            Staged::Pure { name: own, function, version, .. } if &**own == name => Some((*version, *function)),
            _ => None,
        });
        if staged.is_some() {
            return Ok(staged);
        }
        let at = match x.tx.seen.binary_search_by(|seen| (*seen.name).cmp(name)) {
            Ok(at) => at,
            Err(_) if self.remotes.updates.holds(name) => return Err(Self::want_decision(x)),
            Err(_) if x.tx.mode == Mode::None => {
                return Ok(self.pures.get(name).map(|pure| (pure.version, pure.function)));
            }
            Err(at) => {
                let key = if key.is_ref() { NOTHING } else { key };
                let seen = match self.pures.get_key_value(name) {
                    Some((name, pure)) => {
                        let function = self.heap.retain(pure.function);
                        Seen { name: name.clone(), key, stamp: pure.stamp, version: pure.version, function }
                    }
                    None => Seen { name: name.into(), key, stamp: 0, version: 0, function: NOTHING },
                };
                x.tx.seen.insert(at, seen);
                at
            }
        };
        let seen = &x.tx.seen[at];
        Ok((seen.stamp != 0).then_some((seen.version, seen.function)))
    }

    /// A pure function that the transaction has used and others have changed since (`decisions:AVM-8`).
    pub(super) fn updated(&self, x: &Exec) -> Option<Arc<str>> {
        let stamp = |seen: &Seen| self.pures.get(&*seen.name).map_or(0, |pure| pure.stamp);
        x.tx.seen.iter().find(|seen| stamp(seen) != seen.stamp).map(|seen| seen.name.clone())
    }

    /// Puts a function into the registry; takes over the reference.
    pub(super) fn put_pure(&mut self, name: Arc<str>, function: Value, version: u64) {
        self.recent = [(NOTHING, NOTHING); 16];
        self.registry += 1;
        let pure = Pure { version, stamp: self.registry, function };
        if let Some(before) = self.pures.insert(name, pure) {
            self.heap.release(before.function);
        }
    }

    /// Effects that no abort takes back. After an abort others may have been quicker: then an update comes after theirs, and one that
    /// asked for a version does not come about.
    pub(super) fn apply_staged(&mut self, x: &mut Exec) {
        let mut updates = Vec::new();
        for staged in std::mem::take(&mut x.tx.staged) {
            match staged {
                Staged::Pure { name, function, version, .. } if self.shared() => {
                    updates.push((name, function, version));
                }
                Staged::Pure { name, function, version, asked } => {
                    let next = self.pures.get(&name).map_or(0, |pure| pure.version + 1);
                    if asked && version != next {
                        self.heap.release(function);
                    } else {
                        self.put_pure(name, function, next);
                    }
                }
                Staged::Fetch { id, machine } => self.replicate(id, machine),
            }
        }
        if !updates.is_empty() {
            self.register(x, updates);
        }
    }

    /// A function under a short name as it was found the last time.
    #[inline]
    fn found_lately(&self, x: &Exec, name: Value) -> Option<Value> {
        if name.is_ref() || !x.tx.staged.is_empty() {
            return None;
        }
        if x.tx.mode == Mode::None {
            let (known, function) = self.recent[Self::place_of_name(name)];
            return (known == name).then_some(function);
        }
        x.tx.seen.iter().take(4).find(|seen| seen.key == name && seen.stamp != 0).map(|seen| seen.function)
    }

    const fn place_of_name(name: Value) -> usize {
        (name.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize
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
        let mut found = self.found_lately(x, name);
        if found.is_none() {
            // The common names stand inline, and cost no memory.
            let (mut short, mut copy) = ([0; 8], [0; 8]);
            let bytes = self.heap.text_bytes(name, &mut short);
            let long = if bytes.len() > copy.len() { bytes.to_vec() } else { Vec::new() };
            let len = bytes.len();
            if long.is_empty() {
                copy[..len].copy_from_slice(bytes);
            }
            let bytes = if long.is_empty() { &copy[..len] } else { &long[..] };
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            found = self.pure_named(x, text, name)?.map(|(_, function)| function);
            if let Some(function) = found
                && !name.is_ref()
                && x.tx.mode == Mode::None
            {
                self.recent[Self::place_of_name(name)] = (name, function);
            }
        }
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

    /// registerPure (`avm:4.6`).
    pub(super) fn register_pure(&mut self, x: &mut Exec, name: Value, function: Value) -> Result<Did, Fault> {
        self.capable(Capability::Registry)?;
        let text = self.text_arg(x, name)?;
        self.open(x);
        if self.pure_named(x, &text, NOTHING)?.is_some() {
            return Err(PureError::FunctionAlreadyRegistered(text.to_string()).into());
        }
        let function = self.function_arg(x, function)?;
        x.tx.staged.push(Staged::Pure { name: text.clone(), function, version: 0, asked: true });
        if x.trace.level == TraceLevel::Extended {
            self.log_wide(x, || Event::FunctionRegistered(text));
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
        self.open(x);
        let Some((version, _)) = self.pure_named(x, &name, NOTHING)? else {
            return Err(PureError::FunctionNotFound(name.to_string()).into());
        };
        let mut expected = self.settle(x, expected);
        if expected.is_node(Node::Just) {
            expected = self.heap.child(expected, 0);
        }
        let asked = expected != NOTHING;
        if asked {
            let expected = self.number_arg(x, expected)?;
            if expected != i128::from(version) {
                let expected = u64::try_from(expected).unwrap_or(u64::MAX);
                return Err(PureError::VersionConflict(name.to_string(), expected, version).into());
            }
        }
        let function = self.function_arg(x, function)?;
        x.tx.staged.push(Staged::Pure { name: name.clone(), function, version: version + 1, asked });
        self.log_wide(x, || Event::FunctionUpdated(name));
        Ok(Did::Value(TRUE))
    }
}
