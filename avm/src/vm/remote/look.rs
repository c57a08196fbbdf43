//! Reflection on objects of other tori (`avm:4.3`): what is committed at their homes just then, with nothing observed and nothing
//! validated (`decisions:AVM-19`). A scan takes tori one after the other, pages of each in turn: what is changed meanwhile may be
//! seen or not.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::exec::{Exec, Fault};
use super::super::lane::Lane;
use super::super::loaded::Code;
use super::super::store::{ABSENT, Version};
use super::super::world::World;
use super::{About, Key, Wanted};
use crate::error::{AvmError, ProgramError};
use crate::id::{ControllerId, MachineId, ObjectId};

/// Rows of one answer.
const PAGE: usize = 256;
/// What a row costs while it is collected, bytes.
const ROW_BYTES: u64 = 128;

/// Metadata of an object, and what its behaviour is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Which.
    pub id: ObjectId,
    /// `module.behaviour`.
    pub behaviour: Arc<str>,
    /// Machine.
    pub machine: MachineId,
    /// Controller that created it.
    pub creating: Option<ControllerId>,
    /// Controller.
    pub current: Option<ControllerId>,
}

/// A look at other tori.
#[derive(Debug)]
pub(in crate::vm) struct Looking {
    /// One object, or all.
    of: Option<ObjectId>,
    /// Tori that are still to be asked, the next one last.
    tori: Vec<u8>,
    /// First counter that is asked for.
    from: u64,
    rows: Vec<Row>,
}

impl World {
    /// Whether an object is of another torus that is reached.
    pub(in crate::vm) fn reached(&self, id: ObjectId) -> bool {
        id != crate::id::ROOT
            && id.node() == self.config.node
            && id.torus() != self.config.torus
            && self.config.homes.contains(&id.torus())
    }

    /// Rows of one object of another torus, or of all objects of all others, once they have come.
    pub(in crate::vm) fn looked(&mut self, x: &mut Exec, of: Option<ObjectId>) -> Result<Vec<Row>, Fault> {
        match x.wanted.take() {
            Some(Wanted::Failed(error)) => return Err(error),
            Some(Wanted::Look(looking)) if looking.tori.is_empty() => return Ok(looking.rows),
            _ => {}
        }
        let tori: Vec<u8> = match of {
            Some(id) => vec![id.torus()],
            None => self.config.homes.iter().copied().filter(|home| *home != self.config.torus).collect(),
        };
        if tori.is_empty() {
            return Ok(Vec::new());
        }
        x.wanted = Some(Wanted::Look(Box::new(Looking { of, tori, from: 0, rows: Vec::new() })));
        Err(ProgramError::Raised(String::new()).into())
    }

    /// Asks the next torus for the next rows.
    pub(super) fn look(&mut self, x: &mut Exec) {
        self.remotes.attempts += 1;
        let key = Key { execution: x.id, attempt: self.remotes.attempts };
        x.attempt = key.attempt;
        if let Some(Wanted::Look(looking)) = &x.wanted
            && let Some(torus) = looking.tori.last()
        {
            let (torus, about) = (*torus, About::Look { key, object: looking.of, from: looking.from });
            self.say(torus, about);
        }
    }

    /// Rows for another torus.
    pub(super) fn look_for(&mut self, code: &Code, from: u8, key: Key, object: Option<ObjectId>, first: u64) {
        let rows = self.rows_for(code, object, first).map_err(|error| Box::new(AvmError::from(error)));
        self.say(from, About::Looked { key, rows });
    }

    fn rows_for(
        &self,
        code: &Code,
        object: Option<ObjectId>,
        first: u64,
    ) -> Result<Vec<Row>, crate::error::ReflectError> {
        let row = |(id, version): (ObjectId, Version)| Row {
            id,
            behaviour: code.behaviours[version.behaviour as usize].name.clone(),
            machine: self.names.name(version.machine),
            creating: self.names.option(version.creating),
            current: self.names.option(version.current),
        };
        if let Some(id) = object {
            let version = self.store.newest(id);
            if !version.exists || version.damaged {
                return Ok(Vec::new());
            }
            self.store.filed(id)?;
            return Ok(vec![row((id, version))]);
        }
        if first == 0 {
            self.store.check_pages()?;
        }
        Ok(self.store.from(first).filter(|(_, version)| !version.damaged).take(PAGE).map(row).collect())
    }

    /// A row as a version without state, for its metadata.
    pub(in crate::vm) fn row_version(&mut self, row: &Row) -> Result<Version, Fault> {
        let mut named = |name: &Option<ControllerId>| match name {
            Some(name) => self.names.number(name.as_str()),
            None => Ok(0),
        };
        let (creating, current) = (named(&row.creating)?, named(&row.current)?);
        let machine = self.names.number(row.machine.as_str())?;
        Ok(Version { machine, creating, current, exists: true, ..ABSENT })
    }
}

impl Lane {
    /// Rows have come.
    pub(super) fn rows(&mut self, key: Key, rows: Result<Vec<Row>, Box<AvmError>>) {
        let Some(x) = self.execs.get_mut(&key.execution).filter(|x| x.attempt == key.attempt) else { return };
        let Some(Wanted::Look(looking)) = &mut x.wanted else { return };
        match rows {
            Err(error) => x.wanted = Some(Wanted::Failed(error)),
            Ok(rows) => {
                let full = looking.of.is_none() && rows.len() == PAGE;
                match rows.last().filter(|_| full) {
                    Some(last) => looking.from = last.id.counter() + 1,
                    None => {
                        looking.tori.pop();
                        looking.from = 0;
                    }
                }
                looking.rows.extend(rows);
                if looking.rows.len() as u64 * ROW_BYTES > self.world.config.memory_bytes {
                    let error = ProgramError::Memory(self.world.config.memory_bytes).into();
                    x.wanted = Some(Wanted::Failed(Box::new(error)));
                } else if !looking.tori.is_empty() {
                    self.world.look(x);
                    return;
                }
            }
        }
        self.ready(key.execution);
    }
}
