//! Replicas of objects on machines (`avm:4.7`, `avm:10.4`): `fetch` makes them, calls from their machines run on them and are kept
//! in their order, `freeze` takes them again on the primary. A replica gives up what it has taken when the state that it went into
//! is the committed one, and not before.

use std::sync::Arc;

use super::config::Capability;
use super::exec::{Context, Enter, Exec, Fault};
use super::interp::enter;
use super::loaded::Code;
use super::native::{Native, Replay};
use super::remote::About;
use super::store::Replica;
use super::trace::What;
use super::tx::{Frozen, Mode, Staged};
use super::word::{FALSE, NOTHING, T_CONTROLLER, T_MACHINE, TRUE, Value};
use super::world::{Did, Flow, World};
use crate::error::ControllerError;
use crate::id::ObjectId;

impl World {
    /// fetch (`avm:4.7`).
    pub(super) fn fetch(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        self.capable(Capability::Machines)?;
        let Some(entry) = self.observed(x, target)? else { return Ok(Did::Value(FALSE)) };
        let id = entry.id;
        let machine = x.context().machine;
        if x.tx.fetched.insert((id, machine)) {
            x.tx.staged.push(Staged::Fetch { id, machine });
        }
        self.log(x, What::Fetched, id.0, Value::word32(T_MACHINE, machine), NOTHING);
        Ok(Did::Value(TRUE))
    }

    /// Makes or refreshes a replica. What it has taken and no `freeze` has brought home stays for that.
    pub(super) fn replicate(&mut self, id: ObjectId, machine: u32) {
        if !self.store.is_here(id) {
            // Replicas stand beside their primary.
            let about = About::Replicate { object: id, machine: self.names.name(machine) };
            self.say(id.torus(), about);
            return;
        }
        let version = self.store.newest(id);
        if !version.exists || version.machine == machine {
            return;
        }
        let state = self.heap.retain(version.state);
        match self.store.replicas.get_mut(&(id, machine)) {
            Some(replica) => self.heap.release(std::mem::replace(&mut replica.state, state)),
            None => {
                let stamp = self.store.replica_stamp();
                self.store.replicas.insert((id, machine), Replica { state, inputs: Vec::new(), stamp });
            }
        }
    }

    /// An object that is frozen and whose replicas have taken messages since, or have come or gone.
    pub(super) fn refilled(&self, x: &Exec) -> Option<ObjectId> {
        let same = |id: ObjectId, seen: &[(u32, u64)]| {
            self.store.replicas_of(id).map(|(machine, replica)| (machine, replica.stamp)).eq(seen.iter().copied())
        };
        // Others are validated at their homes.
        let here = |(id, _): &&Frozen| self.store.is_here(*id);
        x.tx.frozen.iter().filter(here).find(|(id, seen)| !same(*id, seen)).map(|(id, _)| *id)
    }

    /// The state of a frozen object is the committed one: its replicas have it, and nothing that is not in it.
    pub(super) fn freeze_replicas(&mut self, id: ObjectId) {
        if !self.store.is_here(id) {
            return;
        }
        let state = self.store.newest(id).state;
        let machines: Vec<u32> = self.store.replicas_of(id).map(|(machine, _)| machine).collect();
        for machine in machines {
            let stamp = self.store.replica_stamp();
            if let Some(replica) = self.store.replicas.get_mut(&(id, machine)) {
                self.heap.retain(state);
                self.heap.release(std::mem::replace(&mut replica.state, state));
                replica.inputs.drain(..).for_each(|input| self.heap.release(input));
                replica.stamp = stamp;
            }
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
        if !self.controller_reachable(entry.current) {
            return Err(ControllerError::ControllerUnreachable(self.names.name(entry.current)).into());
        }
        if x.tx.explicit() {
            // What its replicas have taken is what this brings home.
            self.own_only(x, at)?;
            self.observe(x, at);
        }
        let replicas = self.all_replicas(x, id);
        if replicas.iter().any(|(machine, ..)| !self.machine_reachable(*machine)) {
            return Ok(Did::Value(self.heap.just_of(FALSE)?));
        }
        let seen: Vec<(u32, u64)> = replicas.iter().map(|(machine, stamp, _)| (*machine, *stamp)).collect();
        let inputs = if x.tx.frozen(id) { Vec::new() } else { self.taken(replicas) };
        if inputs.is_empty() {
            return Ok(Did::Value(self.frozen(x, id, seen)?));
        }
        x.natives.push(Native::Freeze { replay: Arc::new(Replay { id, inputs, seen }), at: 0, base: start });
        x.mute_replays();
        self.replay_next(code, x, dst)?;
        Ok(Did::Switched)
    }

    /// What the replicas of an object have taken, in order of the names of their machines.
    fn taken(&mut self, mut replicas: Vec<(u32, u64, Vec<Value>)>) -> Vec<Value> {
        replicas.sort_by_cached_key(|(machine, ..)| self.names.name(*machine));
        let inputs: Vec<Value> = replicas.into_iter().flat_map(|(.., inputs)| inputs).collect();
        inputs.iter().for_each(|input| {
            self.heap.retain(*input);
        });
        inputs
    }

    fn frozen(&mut self, x: &mut Exec, id: ObjectId, seen: Vec<(u32, u64)>) -> Result<Value, Fault> {
        if !x.tx.frozen(id) {
            x.tx.frozen.push((id, seen));
        }
        let controller = x.tx.lookup(id).map_or(0, |at| x.tx.table[at as usize].current);
        self.log(x, What::Frozen, id.0, Value::word32(T_CONTROLLER, controller), NOTHING);
        Ok(self.heap.just_of(TRUE)?)
    }

    /// The next message on the primary's state, or the end.
    pub(super) fn replay_next(&mut self, code: &Code, x: &mut Exec, dst: u8) -> Result<Flow, Fault> {
        let Some(Native::Freeze { replay, at, base }) = x.natives.last_mut() else { return Ok(Flow::Next) };
        let (id, base) = (replay.id, *base);
        if let Some(input) = replay.inputs.get(*at).copied() {
            *at += 1;
            let entry = self.find(x, id)?;
            let entry_of = x.tx.table[entry as usize];
            let base = x.frame().base as usize + base as usize;
            self.heap.retain(input);
            let caller = x.context();
            x.contexts.push(Context {
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
        let seen = replay.seen.clone();
        let level = x.natives.len() - 1;
        x.drop_natives(&mut self.heap, level);
        let value = self.frozen(x, id, seen)?;
        let alone = x.contexts.len() == 1 && x.tx.mode == Mode::Implicit;
        if alone && self.jointly(x) {
            return Ok(match self.give_later(code, x, dst, value)? {
                Did::Value(value) => {
                    x.set(&mut self.heap, dst, value);
                    Flow::Next
                }
                Did::Flow(flow) => flow,
                Did::Switched => Flow::Next,
            });
        }
        x.set(&mut self.heap, dst, value);
        if alone {
            self.publish(code, x)?;
        }
        Ok(Flow::Next)
    }
}
