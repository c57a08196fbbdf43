//! The home's side: versions for others, intents, decisions.

use super::super::config::{Envelope, Output};
use super::super::convert::{from_val, to_val};
use super::super::heap::Full;
use super::super::loaded::Code;
use super::super::store::{ABSENT, Found, Version};
use super::super::world::World;
use super::{About, Held, Key, Remote, Shipped, WaitingPrepare};
use crate::id::ObjectId;

/// What became of a prepare.
pub(super) enum Placed {
    /// Intents stand.
    Yes,
    /// Another transaction has to be decided before.
    Wait,
    /// This is no longer what was read.
    Changed(ObjectId),
}

impl World {
    /// Says something to another torus.
    pub(in crate::vm) fn say(&mut self, to: u8, about: About) {
        let envelope = Envelope::Remote(Box::new(Remote { clock: self.store.clock, about }));
        self.outputs.push(Output::Send { to, envelope });
    }

    /// A version as it travels.
    pub(in crate::vm) fn ship(&self, code: &Code, version: &Version) -> Shipped {
        let behaviour = &code.behaviours[version.behaviour as usize];
        let module = code.functions[behaviour.function as usize].module as usize;
        Shipped {
            stamp: version.stamp,
            behaviour: (behaviour.name.clone(), code.modules[module].hash),
            state: to_val(&self.heap, &self.names, version.state),
            machine: self.names.name(version.machine),
            creating: self.names.option(version.creating),
            current: self.names.option(version.current),
            exists: version.exists,
            damaged: version.damaged,
            replicas: Vec::new(),
        }
    }

    fn ship_all(&self, code: &Code, object: ObjectId, version: &Version) -> Shipped {
        Shipped { replicas: self.replicas_for(object), ..self.ship(code, version) }
    }

    fn nothing(&self) -> Shipped {
        Shipped {
            stamp: 0,
            behaviour: ("".into(), Default::default()),
            state: crate::value::Val::List(Vec::new()),
            machine: self.names.name(self.machine),
            creating: None,
            current: None,
            exists: false,
            damaged: false,
            replicas: Vec::new(),
        }
    }

    /// A version that has arrived; its state counts a reference. None when its behaviour is not loaded here.
    pub(super) fn unship(&mut self, code: &Code, shipped: &Shipped) -> Result<Option<Version>, Full> {
        if !shipped.exists {
            return Ok(Some(Version { stamp: shipped.stamp, ..ABSENT }));
        }
        let (name, hash) = &shipped.behaviour;
        let here = code.behaviours.iter().rposition(|behaviour| {
            let module = code.functions[behaviour.function as usize].module as usize;
            behaviour.name == *name && code.modules[module].hash == *hash
        });
        let Some(behaviour) = here else { return Ok(None) };
        let machine = self.names.number(shipped.machine.as_str())?;
        let mut named = |name: &Option<crate::id::Name>| match name {
            Some(name) => self.names.number(name.as_str()),
            None => Ok(0),
        };
        let (creating, current) = (named(&shipped.creating)?, named(&shipped.current)?);
        self.heap.allow(usize::MAX);
        let state = from_val(&mut self.heap, &mut self.names, &shipped.state)?;
        Ok(Some(Version {
            state,
            stamp: shipped.stamp,
            behaviour: behaviour as u32,
            machine,
            creating,
            current,
            exists: true,
            damaged: shipped.damaged,
        }))
    }

    /// Takes what another torus asks of this one as a home.
    pub(in crate::vm) fn asked(&mut self, code: &Code, from: u8, about: About) {
        match about {
            About::Fetch { key, object, snapshot } => self.fetch_for(code, from, key, object, snapshot),
            About::Check { key, reads, snapshot } => self.check_for(from, key, reads, snapshot),
            About::Look { key, object, from: first } => self.look_for(code, from, key, object, first),
            About::Replicate { object, machine } => {
                if let Ok(machine) = self.names.number(machine.as_str()) {
                    self.replicate(object, machine);
                }
            }
            About::Replayed { object, replica } => {
                // A heap that is full keeps the replica as it was.
                if self.replica_took(object, &replica).is_err() {
                    self.remotes.lost += 1;
                }
            }
            About::Prepare { key, reads, writes, frozen } => {
                self.prepare_for(code, WaitingPrepare { from, key, reads, writes, frozen });
            }
            About::Decide { key, stamp } => {
                self.decided(key, stamp);
                self.record_part(code, key.execution);
            }
            About::Fetched { .. }
            | About::Checked { .. }
            | About::Looked { .. }
            | About::Prepared { .. }
            | About::Registry(_) => {}
        }
    }

    fn fetch_for(&mut self, code: &Code, from: u8, key: Key, object: ObjectId, snapshot: u64) {
        // Whatever is committed here from now on is later than what the asker sees.
        self.store.clock = self.store.clock.max(snapshot);
        let newest = self.store.newest(object);
        let (exact, older) = match self.store.find(object, snapshot) {
            Found::Here(version) if version.stamp == newest.stamp => (true, None),
            // That it was not there yet is nothing to go on with.
            Found::Here(version) if version.exists => (false, Some(Box::new(self.ship_all(code, object, &version)))),
            Found::Elsewhere(_) => (true, None),
            Found::Here(_) | Found::Evicted => (false, None),
        };
        // The newest is as of now.
        if self.undecided_write(object, if exact { snapshot } else { self.store.clock }) {
            self.remotes.fetches.push_back((from, key, object, snapshot));
            return;
        }
        let shipped = if newest.exists {
            self.ship_all(code, object, &newest)
        } else {
            Shipped { stamp: newest.stamp, ..self.nothing() }
        };
        self.say(from, About::Fetched { key, object, shipped: Box::new(shipped), exact, older });
    }

    fn check_for(&mut self, from: u8, key: Key, reads: Vec<(ObjectId, u64)>, snapshot: u64) {
        self.store.clock = self.store.clock.max(snapshot);
        if reads.iter().any(|(object, _)| self.undecided_write(*object, snapshot)) {
            self.remotes.checks.push_back((from, key, reads, snapshot));
            return;
        }
        let same = reads.iter().all(|(object, stamp)| self.same_at(*object, *stamp, snapshot));
        self.say(from, About::Checked { key, same });
    }

    /// Whether the version of an object of this torus as of a snapshot is the one with a stamp.
    pub(super) fn same_at(&self, object: ObjectId, stamp: u64, snapshot: u64) -> bool {
        matches!(self.store.find(object, snapshot), Found::Here(version) if version.stamp == stamp)
    }

    /// Whether a transaction may still write the object with a stamp that the snapshot would see.
    pub(in crate::vm) fn undecided_write(&self, object: ObjectId, snapshot: u64) -> bool {
        let write = self.remotes.intents.get(&object).and_then(|intent| intent.write);
        write.is_some_and(|(_, since)| since <= snapshot)
    }

    fn prepare_for(&mut self, code: &Code, asked: WaitingPrepare) {
        let written: Vec<ObjectId> = asked.writes.iter().map(|(object, _)| *object).collect();
        let changed =
            asked.frozen.iter().find(|(object, seen)| !self.as_frozen(*object, seen)).map(|(object, _)| *object);
        let placed = changed.map_or_else(|| self.place(asked.key, &asked.reads, &written), Placed::Changed);
        let refused = match placed {
            Placed::Wait => {
                self.remotes.prepares.push_back(asked);
                return;
            }
            Placed::Changed(object) => Some((object, self.store.writer(object))),
            Placed::Yes => {
                let frozen = asked.frozen.iter().map(|(object, _)| (*object, self.freezing(*object))).collect();
                let mut versions = Vec::with_capacity(asked.writes.len());
                let mut missing = None;
                for (object, shipped) in &asked.writes {
                    match self.unship(code, shipped) {
                        Ok(Some(version)) => versions.push((*object, Some(version))),
                        _ => missing = Some(*object),
                    }
                }
                if let Some(held) = self.remotes.held.get_mut(&asked.key) {
                    held.writes = versions;
                    held.frozen = frozen;
                }
                if let Some(object) = missing {
                    self.decided(asked.key, None);
                    self.lift(asked.key, &written);
                    Some((object, None))
                } else {
                    None
                }
            }
        };
        self.say(asked.from, About::Prepared { key: asked.key, refused });
    }

    /// Validates and leaves intents, all or none.
    pub(super) fn place(&mut self, key: Key, reads: &[(ObjectId, u64)], writes: &[ObjectId]) -> Placed {
        if let Some((object, _)) = reads.iter().find(|(object, stamp)| self.store.newest(*object).stamp != *stamp) {
            return Placed::Changed(*object);
        }
        let intent = |object: &ObjectId| self.remotes.intents.get(object);
        let other = |reader: &Key| *reader != key;
        let read_blocked = |(object, _): &(ObjectId, u64)| intent(object).is_some_and(|intent| intent.write.is_some());
        let write_blocked = |object: &ObjectId| {
            intent(object).is_some_and(|intent| intent.write.is_some() || intent.reads.iter().any(other))
        };
        if reads.iter().any(read_blocked) || writes.iter().any(write_blocked) {
            return Placed::Wait;
        }
        self.store.clock += 1;
        let since = self.store.clock;
        for (object, _) in reads {
            self.remotes.intents.entry(*object).or_default().reads.push(key);
        }
        for object in writes {
            self.remotes.intents.entry(*object).or_default().write = Some((key, since));
        }
        let held = Held {
            reads: reads.iter().map(|(object, _)| *object).collect(),
            writes: writes.iter().map(|object| (*object, None)).collect(),
            frozen: Vec::new(),
        };
        self.remotes.held.insert(key, held);
        Placed::Yes
    }

    /// A transaction that was prepared here, or waits to be, is decided. Its own lane applies its part itself.
    pub(super) fn decided(&mut self, key: Key, stamp: Option<u64>) {
        self.remotes.prepares.retain(|waiting| waiting.key != key);
        let Some(held) = self.remotes.held.remove(&key) else { return };
        for object in held.reads.iter().chain(held.writes.iter().map(|(object, _)| object)) {
            self.lift(key, std::slice::from_ref(object));
        }
        if let Some(stamp) = stamp {
            self.store.clock = self.store.clock.max(stamp);
        }
        for (object, version) in held.writes {
            let Some(version) = version else { continue };
            match stamp {
                Some(stamp) => {
                    if !version.exists {
                        self.drop_beside(object);
                    }
                    let put = Version { stamp, ..version };
                    self.store.put(&mut self.heap, object, put, (key.execution, None));
                    if self.config.records {
                        self.unrecorded.push(object);
                    }
                }
                None => self.heap.release(version.state),
            }
        }
        for (object, replicas) in held.frozen.into_iter().filter(|_| stamp.is_some()) {
            self.freeze_some(object, &replicas);
        }
        self.store.tidy(&mut self.heap);
    }

    fn lift(&mut self, key: Key, objects: &[ObjectId]) {
        self.remotes.stirred = true;
        for object in objects {
            if let Some(intent) = self.remotes.intents.get_mut(object) {
                intent.reads.retain(|reader| *reader != key);
                if intent.write.is_some_and(|(writer, _)| writer == key) {
                    intent.write = None;
                }
                if intent.write.is_none() && intent.reads.is_empty() {
                    self.remotes.intents.remove(object);
                }
            }
        }
    }

    /// Looks again at what waited for decisions.
    pub(in crate::vm) fn look_again(&mut self, code: &Code) {
        self.remotes.stirred = false;
        for (from, key, object, snapshot) in std::mem::take(&mut self.remotes.fetches) {
            self.fetch_for(code, from, key, object, snapshot);
        }
        for (from, key, reads, snapshot) in std::mem::take(&mut self.remotes.checks) {
            self.check_for(from, key, reads, snapshot);
        }
        for waiting in std::mem::take(&mut self.remotes.prepares) {
            self.prepare_for(code, waiting);
        }
    }

    /// Gives back what undecided transactions would have written.
    pub(in crate::vm) fn forget_remotes(&mut self) {
        let held: Vec<Key> = self.remotes.held.keys().copied().collect();
        held.into_iter().for_each(|key| self.decided(key, None));
        self.forget_updates();
    }
}
