//! Whether some way through a transaction may weigh choices or state a preference (`decisions:AVM-20`): then the first valid
//! resolution need not be the best one, and every way has to be looked at. What is loaded beside a program says nothing about it:
//! only what its entry reaches counts, and the behaviours of objects it may call.

use std::sync::Arc;

use super::exec::Exec;
use super::loaded::Code;
use super::world::World;
use crate::code::{Flow, Function, Instr, Module, Op, Reg};
use crate::value::Val;

/// What a function holds and what it leads to.
#[derive(Debug, Default)]
pub(super) struct Leads {
    /// It weighs.
    pub(super) weighs: bool,
    /// It calls objects.
    calls: bool,
    /// It makes objects of behaviours whose names are not known before.
    makes_any: bool,
    /// Functions of its module that it calls or makes values of, by their number in the module.
    functions: Vec<u16>,
    /// Behaviours that it makes objects of.
    makes: Vec<Arc<str>>,
}

/// The name of the behaviour that an operation makes an object of, where a constant surely stands in its first register.
fn named(module: &Module, function: &Function, at: usize, start: Reg) -> Option<Arc<str>> {
    let writes = |op: &Op| {
        let operands = op.operands();
        // What a call leaves in its window is not known.
        let leaves = matches!(op, Op::Invoke { .. } | Op::InvokeValue { .. } | Op::Builtin { .. } | Op::Instr { .. });
        operands.dst == Some(start) || leaves && operands.window.is_some_and(|(first, _)| first <= start)
    };
    let made = function.code[..at].iter().rposition(writes)?;
    let Op::Const { dst, k } = function.code[made] else { return None };
    let enters = |(from, op): (usize, &Op)| match op.flow() {
        Flow::Jump(to) | Flow::Branch(to) => (made + 1..=at).contains(&(to as usize)) && !(made..at).contains(&from),
        Flow::Next | Flow::End => false,
    };
    if dst != start || function.code.iter().enumerate().any(enters) {
        return None;
    }
    match module.constants.get(usize::from(k)) {
        Some(Val::Text(name)) => Some(name.clone()),
        _ => None,
    }
}

/// What a function of a module leads to.
pub(super) fn leads(module: &Module, function: &Function) -> Leads {
    let mut leads = Leads::default();
    for (at, op) in function.code.iter().enumerate() {
        leads.functions.extend(op.function());
        match *op {
            Op::Instr { which: Instr::Prefer | Instr::ChooseWeighted, .. } => leads.weighs = true,
            Op::Instr { which: Instr::Call | Instr::Freeze, .. } => leads.calls = true,
            Op::Instr { which: Instr::CreateObj, start, .. } => match named(module, function, at, start) {
                Some(name) => leads.makes.push(name),
                None => leads.makes_any = true,
            },
            _ => {}
        }
    }
    leads
}

impl World {
    /// Whether another way through the open transaction may weigh, even if none has so far.
    pub(super) fn may_weigh(&self, code: &Code, x: &Exec) -> bool {
        if !code.weighs {
            return false;
        }
        let mut work: Vec<u32> = match &x.segments {
            Some(segments) => segments.functions().collect(),
            None => code.entry_function(x.module, &x.entry).into_iter().collect(),
        };
        if work.is_empty() {
            return true;
        }
        // Objects of other tori may be of any behaviour.
        let mut any = self.config.homes.iter().any(|torus| *torus != self.config.torus);
        let (mut calls, mut taken) = (false, [false; 2]);
        let mut seen = vec![false; code.functions.len()];
        while let Some(at) = work.pop() {
            if std::mem::replace(&mut seen[at as usize], true) {
                continue;
            }
            let (leads, func) = (&code.leads[at as usize], &code.functions[at as usize]);
            if leads.weighs {
                return true;
            }
            work.extend(leads.functions.iter().map(|function| func.functions + u32::from(*function)));
            let made = leads.makes.iter().filter_map(|name| code.behaviour(func.module, name));
            work.extend(made.map(|behaviour| code.behaviours[behaviour as usize].function));
            calls |= leads.calls;
            any |= leads.makes_any;
            // Who calls objects may call those that are here, and all that may be made or be elsewhere.
            for (at, taken) in taken.iter_mut().enumerate() {
                if calls && (at == 0 || any) && !std::mem::replace(taken, true) {
                    let some = code.behaviours.iter().zip(&self.made).filter(|(_, made)| at == 1 || **made);
                    work.extend(some.map(|(behaviour, _)| behaviour.function));
                }
            }
        }
        false
    }
}
