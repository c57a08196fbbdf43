//! The operations of one function.

use super::{Check, Problem};
use crate::code::{Count, Flow, Op, Safety};
use crate::value::Val;

impl Check<'_> {
    /// Every operation of a function, then its end.
    pub(super) fn ops(&mut self, index: usize) {
        let function = &self.module.functions[index];
        for (at, op) in function.code.iter().enumerate() {
            if self.full() {
                return;
            }
            self.registers(index, at, *op);
            self.names_of(index, at, *op);
        }
        match function.code.last() {
            None => self.of_function(index, None, Problem::NoCode),
            Some(last) if matches!(last.flow(), Flow::Next | Flow::Branch(_)) => {
                self.of_function(index, Some(function.code.len() - 1), Problem::FallsThrough);
            }
            Some(_) => {}
        }
    }

    /// Registers and windows of registers exist.
    fn registers(&mut self, index: usize, at: usize, op: Op) {
        let registers = self.module.functions[index].registers;
        let operands = op.operands();
        for reg in operands.dst.into_iter().chain(operands.reads.into_iter().flatten()) {
            if reg >= registers {
                self.of_function(index, Some(at), Problem::Register { reg, registers });
            }
        }
        let Some((start, count)) = operands.window else { return };
        // A constant or function that does not exist is told by `names_of`.
        let count = match count {
            Count::Exactly(count) => Some(usize::from(count)),
            Count::ArityOf(function) => self.callee(function).map(|callee| usize::from(callee.arity)),
            Count::FieldsOf(k) => match self.module.constants.get(usize::from(k)) {
                Some(Val::List(names)) => Some(names.len()),
                _ => None,
            },
        };
        if let Some(count) = count.filter(|count| usize::from(start) + count > usize::from(registers)) {
            self.of_function(index, Some(at), Problem::Window { start, count, registers });
        }
    }

    /// What an operation names exists and is of the form it needs.
    fn names_of(&mut self, index: usize, at: usize, op: Op) {
        let wrong = |check: &mut Self, problem| check.of_function(index, Some(at), problem);
        if let Some(function) = op.function()
            && self.callee(function).is_none()
        {
            wrong(self, Problem::Function { function, functions: self.module.functions.len() });
        }
        if let Some(k) = op.constant() {
            match self.module.constants.get(usize::from(k)) {
                None => wrong(self, Problem::Constant { k, constants: self.module.constants.len() }),
                Some(constant) => {
                    if let Some(expected) = expectation(op).filter(|_| !suits(op, constant)) {
                        wrong(self, Problem::ConstantKind { k, found: constant.kind(), expected });
                    }
                }
            }
        }
        if let Flow::Jump(to) | Flow::Branch(to) = op.flow() {
            let ops = self.module.functions[index].code.len();
            if usize::try_from(to).map_or(true, |to| to >= ops) {
                wrong(self, Problem::Target { to, ops });
            }
        }
        match op {
            Op::Closure { captured, function, .. } => {
                if let Some(callee) = self.callee(function).filter(|callee| captured > callee.arity) {
                    let problem = Problem::Captured { captured, arity: callee.arity, function: callee.name.clone() };
                    wrong(self, problem);
                }
            }
            Op::Instr { which, .. } if which.safety() == Safety::Unsafe && !self.module.needs_unsafe => {
                wrong(self, Problem::Unsafe(which.name()));
            }
            _ => {}
        }
    }
}

/// What an operation wants its constant to be; `None`: anything.
const fn expectation(op: Op) -> Option<&'static str> {
    match op {
        Op::Field { .. } | Op::HasField { .. } => Some("text"),
        Op::Record { .. } => Some("a list of texts, ascending, each once"),
        _ => None,
    }
}

fn suits(op: Op, constant: &Val) -> bool {
    match (op, constant) {
        (Op::Field { .. } | Op::HasField { .. }, constant) => matches!(constant, Val::Text(_)),
        (Op::Record { .. }, Val::List(names)) => {
            names.iter().all(|name| matches!(name, Val::Text(_)))
                && names.windows(2).all(|two| match two {
                    [Val::Text(one), Val::Text(two)] => one < two,
                    _ => false,
                })
        }
        (Op::Record { .. }, _) => false,
        _ => true,
    }
}
