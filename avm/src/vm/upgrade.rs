//! Behaviours by name, and another behaviour for a living object (`decisions:AVM-17`, `decisions:AVM-23`): loading a module again
//! never changes objects, so whoever wants them to run the new text says so, object by object.

use super::config::Capability;
use super::convert::kind;
use super::exec::{Exec, Fault, type_error};
use super::loaded::Code;
use super::trace::What;
use super::tx::MOVED;
use super::word::{T_FUNCTION, TRUE, Value};
use super::world::{Did, World};
use crate::error::ObjError;
use crate::id::ROOT;

impl World {
    /// A behaviour by its name in the running module, or by its full name.
    pub(super) fn behaviour_named(&mut self, code: &Code, x: &mut Exec, name: Value) -> Result<u32, Fault> {
        let name = self.settle(x, name);
        let mut short = [0; 8];
        if !name.is_text() {
            return Err(type_error("a text", kind(&self.heap, name)));
        }
        let module = code.functions[x.frame().func as usize].module;
        let text = std::str::from_utf8(self.heap.text_bytes(name, &mut short)).unwrap_or_default();
        code.behaviour(module, text).ok_or_else(|| ObjError::BehaviourNotFound(text.to_owned()).into())
    }

    /// upgrade (ours): the checks of a change of the object, then its behaviour is another one. Its state stays as it is, and calls that
    /// run at this moment end as they began. A transaction may take it back; the full name of a behaviour means the text loaded last.
    pub(super) fn upgrade(&mut self, code: &Code, x: &mut Exec, target: Value, name: Value) -> Result<Did, Fault> {
        self.capable(Capability::Registry)?;
        let id = self.object_arg(x, target)?;
        if id == ROOT {
            return Err(ObjError::ObjectNotFound(id).into());
        }
        let behaviour = self.behaviour_named(code, x, name)?;
        self.open(x);
        let at = self.find(x, id)?;
        if x.tx.explicit() {
            self.own(x, at)?;
        } else {
            let entry = x.tx.table[at as usize];
            self.covered(x, &entry)?;
        }
        self.observe(x, at);
        let entry = x.tx.change(&mut self.heap, at);
        let before = std::mem::replace(&mut entry.behaviour, behaviour);
        entry.flags |= MOVED;
        self.log(x, What::Upgraded, id.0, Value::word32(T_FUNCTION, before), Value::word32(T_FUNCTION, behaviour));
        Ok(Did::Value(TRUE))
    }
}
