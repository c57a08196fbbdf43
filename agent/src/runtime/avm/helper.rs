//! The module every node has: what `trefoil avm call` and `upgrade` start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use avm::code::{Entry, Function, Instr, Module, Op, Verified, verify};
use control::api::Refusal;

use super::manager::{Manager, lock, refuse};

/// Its name; programs of users are refused under it.
pub const MODULE: &str = avm::lang::NODE_MODULE;
/// Its entry: (object, message) -> output of the call.
pub const CALL: &str = "call";
/// Its entry: (object, full name of a behaviour) -> true.
pub const UPGRADE: &str = "upgrade";

/// Makes it.
///
/// # Errors
/// Never, unless the bytecode has changed under it.
pub fn module() -> Result<Verified, String> {
    let entries: [(Arc<str>, Instr); 2] = [(CALL.into(), Instr::Call), (UPGRADE.into(), Instr::Upgrade)];
    let function = |(name, which): &(Arc<str>, Instr)| Function {
        name: name.clone(),
        arity: 2,
        registers: 2,
        code: vec![Op::Instr { dst: 0, start: 0, which: *which }, Op::Return { src: 0 }],
        ..Function::default()
    };
    let module = Module {
        name: MODULE.into(),
        functions: entries.iter().map(function).collect(),
        entries: (0u16..).zip(&entries).map(|(function, (name, _))| Entry { name: name.clone(), function }).collect(),
        ..Module::default()
    };
    verify(module).map_err(|errors| format!("the module of the node is refused: {errors:?}"))
}

impl Manager {
    /// Loads it unless it is loaded.
    pub(super) fn helper(&self) -> Result<(), Refusal> {
        let _one = lock(&self.loading);
        if self.helped.load(Ordering::Acquire) {
            return Ok(());
        }
        self.spread(&[module().map_err(refuse)?])?;
        self.helped.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_the_node_is_accepted() {
        let module = module().expect("it is accepted");
        let names: Vec<&str> = module.module().entries.iter().map(|entry| &*entry.name).collect();
        assert_eq!(names, [CALL, UPGRADE]);
    }
}
