//! Replicas of objects of other tori (`avm:10.4`). A replica belongs to a machine, and executions of one machine may run on any
//! torus: so it stands beside its primary, at its home, wherever it was fetched. It comes along with its object; a call outside every
//! transaction of the program works on that shadow, and what it took and made of it goes back when the call is through. Two that
//! do so at once both leave their messages; which state stays is outside the guarantee (`decisions:AVM-19`).

use serde::{Deserialize, Serialize};

use super::super::convert::{from_val, to_val};
use super::super::exec::Exec;
use super::super::heap::Full;
use super::super::store::{Replica, Store};
use super::super::word::Value;
use super::super::world::World;
use super::About;
use crate::id::{MachineId, ObjectId};
use crate::value::Val;

/// A replica on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicated {
    /// Of which machine.
    pub machine: MachineId,
    /// Changes whenever its messages do.
    pub stamp: u64,
    /// Its state.
    pub state: Val,
    /// Messages it has taken; on the way back those taken since.
    pub inputs: Vec<Val>,
}

impl World {
    /// A replica that an execution works on.
    pub(in crate::vm) fn replica<'a>(
        store: &'a mut Store,
        x: &'a mut Exec,
        key: (ObjectId, u32),
    ) -> Option<&'a mut Replica> {
        match x.shadows.iter_mut().find(|(own, _)| *own == key) {
            Some((_, replica)) => Some(replica),
            None => store.replicas.get_mut(&key),
        }
    }

    /// Replicas of an object with their machines, wherever its home is.
    pub(in crate::vm) fn all_replicas(&self, x: &Exec, id: ObjectId) -> Vec<(u32, u64, Vec<Value>)> {
        let here = self.store.replicas_of(id);
        let shadows =
            x.shadows.iter().filter(|((own, _), _)| *own == id).map(|((_, machine), replica)| (*machine, replica));
        here.chain(shadows).map(|(machine, replica)| (machine, replica.stamp, replica.inputs.clone())).collect()
    }

    /// What a transaction has frozen of a torus, for the home.
    pub(super) fn frozen_at(&self, x: &Exec, torus: u8) -> Vec<(ObjectId, Vec<(MachineId, u64)>)> {
        let named = |(machine, stamp): &(u32, u64)| (self.names.name(*machine), *stamp);
        let of = x.tx.frozen.iter().filter(|(id, _)| id.torus() == torus);
        of.map(|(id, seen)| (*id, seen.iter().map(named).collect())).collect()
    }

    /// Whether the replicas of an object of this torus are those that a transaction of another one has frozen.
    pub(super) fn as_frozen(&self, id: ObjectId, seen: &[(MachineId, u64)]) -> bool {
        let now = self.store.replicas_of(id).map(|(machine, replica)| (self.names.name(machine), replica.stamp));
        let (mut now, mut seen) = (now.collect::<Vec<_>>(), seen.to_vec());
        now.sort_unstable();
        seen.sort_unstable();
        now == seen
    }

    /// Replicas of an object and how many messages they have.
    pub(super) fn freezing(&self, id: ObjectId) -> Vec<(u32, usize)> {
        self.store.replicas_of(id).map(|(machine, replica)| (machine, replica.inputs.len())).collect()
    }

    /// The state of an object that another torus has frozen is the committed one: its replicas have it, and give up what went into
    /// it. What they have taken since stays for the next.
    pub(super) fn freeze_some(&mut self, id: ObjectId, replicas: &[(u32, usize)]) {
        let state = self.store.newest(id).state;
        for (machine, taken) in replicas {
            let stamp = self.store.replica_stamp();
            if let Some(replica) = self.store.replicas.get_mut(&(id, *machine)) {
                self.heap.retain(state);
                self.heap.release(std::mem::replace(&mut replica.state, state));
                let taken = replica.inputs.len().min(*taken);
                replica.inputs.drain(..taken).for_each(|input| self.heap.release(input));
                replica.stamp = stamp;
            }
        }
    }

    /// Replicas of an object of this torus, for another one.
    pub(super) fn replicas_for(&self, id: ObjectId) -> Vec<Replicated> {
        let all = self.store.replicas.range((id, 0)..=(id, u32::MAX));
        all.map(|((_, machine), replica)| Replicated {
            machine: self.names.name(*machine),
            stamp: replica.stamp,
            state: to_val(&self.heap, &self.names, replica.state),
            inputs: replica.inputs.iter().map(|input| to_val(&self.heap, &self.names, *input)).collect(),
        })
        .collect()
    }

    fn values(&mut self, vals: &[Val]) -> Result<Vec<Value>, Full> {
        self.heap.allow(usize::MAX);
        let mut made = Vec::with_capacity(vals.len());
        for val in vals {
            match from_val(&mut self.heap, &mut self.names, val) {
                Ok(value) => made.push(value),
                Err(full) => {
                    made.into_iter().for_each(|value| self.heap.release(value));
                    return Err(full);
                }
            }
        }
        Ok(made)
    }

    /// Replicas that have come with their object.
    pub(super) fn shadow(&mut self, x: &mut Exec, id: ObjectId, replicas: &[Replicated]) -> Result<(), Full> {
        self.drop_shadows(x, |own| own == id);
        for replicated in replicas {
            let machine = self.names.number(replicated.machine.as_str())?;
            let inputs = self.values(&replicated.inputs)?;
            match from_val(&mut self.heap, &mut self.names, &replicated.state) {
                Ok(state) => x.shadows.push(((id, machine), Replica { state, inputs, stamp: replicated.stamp })),
                Err(full) => {
                    inputs.into_iter().for_each(|value| self.heap.release(value));
                    return Err(full);
                }
            }
        }
        Ok(())
    }

    /// Shadows go with the transaction that works on them.
    pub(in crate::vm) fn drop_shadows(&mut self, x: &mut Exec, of: impl Fn(ObjectId) -> bool) {
        let Self { heap, .. } = self;
        x.shadows.retain(|((id, _), replica)| {
            let goes = of(*id);
            if goes {
                heap.release(replica.state);
                replica.inputs.iter().for_each(|input| heap.release(*input));
            }
            !goes
        });
    }

    /// What the replicas of other tori have taken in the transaction that is through.
    pub(in crate::vm) fn tell_shadows(&mut self, x: &Exec) {
        for (id, machine, _, taken) in &x.replicas {
            let Some((_, replica)) = x.shadows.iter().find(|(key, _)| *key == (*id, *machine)) else { continue };
            let new = replica.inputs.get(*taken..).unwrap_or_default();
            let replica = Replicated {
                machine: self.names.name(*machine),
                stamp: 0,
                state: to_val(&self.heap, &self.names, replica.state),
                inputs: new.iter().map(|input| to_val(&self.heap, &self.names, *input)).collect(),
            };
            self.say(id.torus(), About::Replayed { object: *id, replica: Box::new(replica) });
        }
    }

    /// A replica has taken messages on another torus. One that is gone meanwhile takes them along.
    pub(super) fn replica_took(&mut self, id: ObjectId, replicated: &Replicated) -> Result<(), Full> {
        let machine = self.names.number(replicated.machine.as_str())?;
        if !self.store.replicas.contains_key(&(id, machine)) {
            return Ok(());
        }
        let mut values = self.values(&replicated.inputs)?;
        let state = match self.values(std::slice::from_ref(&replicated.state)) {
            Ok(state) => state,
            Err(full) => {
                values.into_iter().for_each(|value| self.heap.release(value));
                return Err(full);
            }
        };
        let stamp = self.store.replica_stamp();
        if let Some(replica) = self.store.replicas.get_mut(&(id, machine)) {
            replica.inputs.append(&mut values);
            replica.stamp = stamp;
            for state in state {
                let before = std::mem::replace(&mut replica.state, state);
                self.heap.release(before);
            }
        }
        Ok(())
    }
}
