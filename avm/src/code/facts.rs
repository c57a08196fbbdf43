//! What follows from the code of a module about each of its functions.
//!
//! A function *reaches* another when it calls it by number or makes a function value of it; what is called through a function
//! value was made somewhere by `Op::Closure`, so within one module nothing escapes. Function values that come from elsewhere
//! (arguments of a pure function, a predicate) are the machine's to refuse when it must: see [`Facts::pure`].

use super::{Family, Instr, Module, Op, Safety};

/// What is known of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Facts {
    /// Neither it nor what it reaches holds an instruction of the machine. It may call function values: those that it makes are
    /// reached, those handed in or captured are not covered, so the machine refuses instructions while a pure function runs.
    pub pure: bool,
    /// It or what it reaches holds an instruction of the machine family (`decisions:AVM-6`).
    pub pinned: bool,
    /// It or what it reaches holds an unsafe instruction.
    pub needs_unsafe: bool,
    /// It or what it reaches chooses, requires or prefers: commits may have to ask a solver.
    pub chooses: bool,
    /// It or what it reaches uses finite-domain variables.
    pub uses_fd: bool,
    /// It or what it reaches calls function values.
    pub calls_values: bool,
}

const INSTR: u8 = 1;
const PINNED: u8 = 2;
const UNSAFE: u8 = 4;
const CHOOSES: u8 = 8;
const FD: u8 = 16;
const VALUES: u8 = 32;

/// Marks of one operation by itself.
const fn marks(op: Op) -> u8 {
    match op {
        Op::Instr { which, .. } => {
            let family = match which.family() {
                Family::Machine => PINNED,
                Family::Fd => FD,
                Family::Nondet => CHOOSES,
                _ => 0,
            };
            let safety = match which.safety() {
                Safety::Unsafe => UNSAFE,
                Safety::Safe => 0,
            };
            let ours = match which {
                Instr::ChooseWeighted | Instr::Prefer => CHOOSES,
                Instr::Solve | Instr::SolveAll | Instr::DomainOf => FD,
                _ => 0,
            };
            INSTR | family | safety | ours
        }
        Op::InvokeValue { .. } => VALUES,
        _ => 0,
    }
}

/// Facts of every function of a module, in order. Works on any module, verified or not: functions that do not exist are taken to
/// hold nothing.
#[must_use]
pub fn facts(module: &Module) -> Vec<Facts> {
    let count = module.functions.len();
    let mut marked = vec![0_u8; count];
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, function) in module.functions.iter().enumerate() {
        for op in &function.code {
            marked[at] |= marks(*op);
            if let Some(callee) = op.function().map(usize::from).filter(|callee| *callee < count)
                && callers[callee].last() != Some(&at)
            {
                callers[callee].push(at);
            }
        }
    }
    let mut work: Vec<usize> = (0..count).filter(|at| marked[*at] != 0).collect();
    while let Some(callee) = work.pop() {
        for &caller in &callers[callee] {
            if marked[caller] | marked[callee] != marked[caller] {
                marked[caller] |= marked[callee];
                work.push(caller);
            }
        }
    }
    let has = |mark: u8, bit: u8| mark & bit != 0;
    marked
        .into_iter()
        .map(|mark| Facts {
            pure: !has(mark, INSTR),
            pinned: has(mark, PINNED),
            needs_unsafe: has(mark, UNSAFE),
            chooses: has(mark, CHOOSES),
            uses_fd: has(mark, FD),
            calls_values: has(mark, VALUES),
        })
        .collect()
}

/// Sets [`super::Function::pinned`] of every function to what follows from the code, as the verifier demands it.
pub fn set_pinned(module: &mut Module) {
    let facts = facts(module);
    for (function, facts) in module.functions.iter_mut().zip(facts) {
        function.pinned = facts.pinned;
    }
}

/// The first instruction that keeps a function from being pure: the function that holds it, and where.
#[must_use]
pub(super) fn impurity(module: &Module, function: u16) -> Option<(usize, usize, Instr)> {
    let mut seen = vec![false; module.functions.len()];
    let mut work = vec![usize::from(function)];
    while let Some(at) = work.pop() {
        if at >= seen.len() || std::mem::replace(&mut seen[at], true) {
            continue;
        }
        for (index, op) in module.functions[at].code.iter().enumerate() {
            if let Op::Instr { which, .. } = op {
                return Some((at, index, *which));
            }
            work.extend(op.function().map(usize::from));
        }
    }
    None
}
