//! Pieces to bytecode. Bound values keep their register; everything else lives on a stack of registers above them.

use std::panic::Location;
use std::sync::Arc;

use super::code::{Code, Node, One, Token, Two};
use super::program::{BuildError, Draft};
use crate::code::{Builtin, Function, Module, Op, Place, Reg, limits};
use crate::fixed::FixedMap;
use crate::value::Val;

/// Compiles all functions into a module.
pub(super) fn compile(module: &mut Module, drafts: &[Draft]) -> Result<(), BuildError> {
    if drafts.len() > limits::FUNCTIONS {
        return Err(BuildError::TooMany("functions", limits::FUNCTIONS));
    }
    let mut numbers = FixedMap::default();
    for (number, draft) in drafts.iter().enumerate() {
        if numbers.insert(draft.name.clone(), number).is_some() {
            return Err(BuildError::Twice(draft.name.clone()));
        }
    }
    let mut shared = Shared { drafts, numbers, constants: FixedMap::default(), files: FixedMap::default(), module };
    for draft in drafts {
        let mut work = Work {
            shared: &mut shared,
            name: draft.name.clone(),
            code: Vec::new(),
            places: Vec::new(),
            place: Place::default(),
            locals: Vec::new(),
            next: draft.arity,
            most: draft.arity,
        };
        work.tail(&draft.body)?;
        let (code, mut places, registers) = (work.code, work.places, work.most);
        if shared.module.files.is_empty() {
            places = Vec::new();
        }
        let (name, arity) = (draft.name.clone(), draft.arity);
        shared.module.functions.push(Function { name, arity, registers, code, places, pinned: false });
    }
    // Places of functions compiled before the first file was known are none.
    let files = !module.files.is_empty();
    for function in &mut module.functions {
        if files && function.places.is_empty() {
            function.places = vec![Place::default(); function.code.len()];
        }
    }
    Ok(())
}

struct Shared<'d> {
    drafts: &'d [Draft],
    numbers: FixedMap<Arc<str>, usize>,
    constants: FixedMap<Val, u16>,
    files: FixedMap<&'static str, u16>,
    module: &'d mut Module,
}

struct Work<'s, 'd> {
    shared: &'s mut Shared<'d>,
    name: Arc<str>,
    code: Vec<Op>,
    places: Vec<Place>,
    place: Place,
    locals: Vec<(Token, Reg)>,
    next: Reg,
    most: Reg,
}

type Done<T = ()> = Result<T, BuildError>;

impl Work<'_, '_> {
    fn emit(&mut self, op: Op) -> usize {
        self.code.push(op);
        self.places.push(self.place);
        self.code.len() - 1
    }

    /// A fresh register on the stack.
    fn fresh(&mut self) -> Done<Reg> {
        let reg = self.next;
        self.next = reg.checked_add(1).ok_or_else(|| BuildError::Registers(self.name.clone()))?;
        self.most = self.most.max(self.next);
        Ok(reg)
    }

    fn constant(&mut self, value: &Val) -> Done<u16> {
        if let Some(k) = self.shared.constants.get(value) {
            return Ok(*k);
        }
        let k = u16::try_from(self.shared.module.constants.len())
            .map_err(|_| BuildError::TooMany("constants", limits::CONSTANTS))?;
        self.shared.module.constants.push(value.clone());
        self.shared.constants.insert(value.clone(), k);
        Ok(k)
    }

    fn stand(&mut self, at: &'static Location<'static>) -> Done {
        let file = match self.shared.files.get(at.file()) {
            Some(file) => *file,
            None => {
                let file = u16::try_from(self.shared.module.files.len())
                    .map_err(|_| BuildError::TooMany("source files", limits::FILES))?;
                self.shared.module.files.push(at.file().into());
                self.shared.files.insert(at.file(), file);
                file
            }
        };
        let column = u16::try_from(at.column()).unwrap_or(u16::MAX);
        self.place = Place { file, line: at.line(), column };
        Ok(())
    }

    /// The function and, checked, the number of its arguments.
    fn callee(&self, name: &Arc<str>, fits: impl Fn(usize) -> bool, given: usize) -> Done<u16> {
        let number = self.shared.numbers.get(name).copied();
        let missing = || BuildError::NoFunction { function: self.name.clone(), callee: name.clone() };
        let number = number.ok_or_else(missing)?;
        let takes = usize::from(self.shared.drafts[number].arity);
        if !fits(takes) {
            return Err(BuildError::Arguments { function: self.name.clone(), callee: name.clone(), given, takes });
        }
        u16::try_from(number).map_err(|_| BuildError::TooMany("functions", limits::FUNCTIONS))
    }

    /// A piece whose value ends the function.
    fn tail(&mut self, code: &Code) -> Done {
        let (mut code, depth, next) = (code, self.locals.len(), self.next);
        loop {
            match &*code.0 {
                Node::Let(token, value, rest) => {
                    self.bound(token, value)?;
                    code = rest;
                }
                Node::Then(first, rest) => {
                    self.effect(first)?;
                    code = rest;
                }
                Node::Return(value) => code = value,
                Node::If(cond, yes, no) => {
                    let to = self.branch(cond)?;
                    self.tail(yes)?;
                    self.patch(to);
                    code = no;
                }
                Node::Invoke(name, args) => {
                    let function = self.callee(name, |takes| takes == args.len(), args.len())?;
                    let start = self.window(args)?;
                    self.emit(Op::TailInvoke { start, function });
                    break;
                }
                _ => {
                    let src = self.operand(code)?;
                    self.emit(Op::Return { src });
                    break;
                }
            }
        }
        self.locals.truncate(depth);
        self.next = next;
        Ok(())
    }

    fn bound(&mut self, token: &Token, value: &Code) -> Done {
        let reg = self.fresh()?;
        self.into(value, reg)?;
        self.locals.push((token.clone(), reg));
        Ok(())
    }

    /// A piece for what it does.
    fn effect(&mut self, code: &Code) -> Done {
        let mut code = code;
        while let Node::Then(first, rest) = &*code.0 {
            self.effect(first)?;
            code = rest;
        }
        let next = self.next;
        let reg = self.fresh()?;
        self.into(code, reg)?;
        self.next = next;
        Ok(())
    }

    /// A jump to be patched, taken when the condition is false.
    fn branch(&mut self, cond: &Code) -> Done<usize> {
        let next = self.next;
        let cond = self.operand(cond)?;
        self.next = next;
        Ok(self.emit(Op::JumpIfNot { cond, to: 0 }))
    }

    /// Lets a jump go to the next operation.
    fn patch(&mut self, at: usize) {
        let here = self.code.len() as u32;
        match &mut self.code[at] {
            Op::Jump { to } | Op::JumpIf { to, .. } | Op::JumpIfNot { to, .. } => *to = here,
            _ => {}
        }
    }

    fn local(&self, token: &Token) -> Done<Reg> {
        let found = self.locals.iter().rev().find(|(seen, _)| seen.is(token));
        found.map(|(_, reg)| *reg).ok_or_else(|| BuildError::Unbound(self.name.clone()))
    }

    /// A register that holds the value: its own when it is bound, else a fresh one.
    fn operand(&mut self, code: &Code) -> Done<Reg> {
        match &*code.0 {
            Node::Local(token) => self.local(token),
            Node::Param(param) => Ok(*param),
            _ => {
                let reg = self.fresh()?;
                self.into(code, reg)?;
                Ok(reg)
            }
        }
    }

    /// Values in consecutive fresh registers.
    fn window(&mut self, codes: &[Code]) -> Done<Reg> {
        let start = self.next;
        for code in codes {
            let reg = self.fresh()?;
            self.into(code, reg)?;
        }
        Ok(start)
    }

    /// A piece whose value goes into a register; what it needed above is free again. `dst` is written last.
    fn into(&mut self, code: &Code, dst: Reg) -> Done {
        let (mut code, depth, next) = (code, self.locals.len(), self.next);
        loop {
            match &*code.0 {
                Node::Let(token, value, rest) => {
                    self.bound(token, value)?;
                    code = rest;
                }
                Node::Then(first, rest) => {
                    self.effect(first)?;
                    code = rest;
                }
                _ => break,
            }
        }
        self.plain(code, dst)?;
        self.locals.truncate(depth);
        self.next = next;
        Ok(())
    }

    fn plain(&mut self, code: &Code, dst: Reg) -> Done {
        let op = match &*code.0 {
            Node::Const(value) => self.load(value, dst)?,
            Node::Local(token) => Op::Move { dst, src: self.local(token)? },
            Node::Param(param) => Op::Move { dst, src: *param },
            Node::One(how, inner) => {
                let a = self.operand(inner)?;
                self.one(how, dst, a)?
            }
            Node::Two(how, a, b) => self.two(*how, dst, a, b)?,
            Node::List(parts) => {
                let count = u8::try_from(parts.len()).map_err(|_| BuildError::Registers(self.name.clone()))?;
                Op::List { dst, start: self.window(parts)?, count }
            }
            Node::Record(fields) => {
                let names = Val::List(fields.iter().map(|(name, _)| Val::Text(name.clone())).collect());
                let k = self.constant(&names)?;
                let values: Vec<Code> = fields.iter().map(|(_, value)| value.clone()).collect();
                Op::Record { dst, start: self.window(&values)?, k }
            }
            Node::Builtin(which, args) => {
                self.counted(which.name(), which.arity(), args.len())?;
                Op::Builtin { dst, start: self.window(args)?, which: *which }
            }
            Node::Instr(which, args, at) => {
                let start = self.window(args)?;
                self.stand(at)?;
                Op::Instr { dst, start, which: *which }
            }
            Node::Invoke(name, args) => {
                let function = self.callee(name, |takes| takes == args.len(), args.len())?;
                Op::Invoke { dst, start: self.window(args)?, function }
            }
            Node::Closure(name, bound) => {
                let function = self.callee(name, |takes| takes >= bound.len(), bound.len())?;
                Op::Closure { dst, start: self.window(bound)?, captured: bound.len() as u8, function }
            }
            Node::InvokeValue(f, args) => {
                let f = self.operand(f)?;
                let count = u8::try_from(args.len()).map_err(|_| BuildError::Registers(self.name.clone()))?;
                Op::InvokeValue { dst, f, start: self.window(args)?, count }
            }
            Node::Return(value) => Op::Return { src: self.operand(value)? },
            Node::NoMatch(value) => Op::NoMatch { src: self.operand(value)? },
            _ => return self.control(code, dst),
        };
        self.emit(op);
        Ok(())
    }

    fn counted(&self, name: &'static str, takes: u8, given: usize) -> Done {
        let (function, takes) = (self.name.clone(), usize::from(takes));
        if given == takes { Ok(()) } else { Err(BuildError::Arguments { function, callee: name.into(), given, takes }) }
    }

    /// Pieces that branch. Their value is put together in a register of its own: what runs may still read `dst`.
    fn control(&mut self, code: &Code, dst: Reg) -> Done {
        let own = self.fresh()?;
        match &*code.0 {
            Node::If(cond, yes, no) => {
                let to_no = self.branch(cond)?;
                self.into(yes, own)?;
                let to_end = self.emit(Op::Jump { to: 0 });
                self.patch(to_no);
                self.into(no, own)?;
                self.patch(to_end);
            }
            Node::And(a, b) => {
                self.into(a, own)?;
                let to_end = self.emit(Op::JumpIfNot { cond: own, to: 0 });
                self.into(b, own)?;
                self.patch(to_end);
            }
            Node::Or(a, b) => {
                self.into(a, own)?;
                let to_end = self.emit(Op::JumpIf { cond: own, to: 0 });
                self.into(b, own)?;
                self.patch(to_end);
            }
            Node::Fold { list, first, so_far, item, body } => {
                self.into(first, own)?;
                self.fold((list, body), (so_far, own), item)?;
            }
            _ => return Err(BuildError::Unbound(self.name.clone())),
        }
        self.emit(Op::Move { dst, src: own });
        Ok(())
    }

    fn fold(&mut self, (list, body): (&Code, &Code), (so_far, own): (&Token, Reg), item: &Token) -> Done {
        let all = self.fresh()?;
        self.into(list, all)?;
        let (len, index, each) = (self.fresh()?, self.fresh()?, self.fresh()?);
        let window = self.window(&[])?;
        for _ in 0..2 {
            self.fresh()?;
        }
        self.emit(Op::Move { dst: window, src: all });
        self.emit(Op::Builtin { dst: len, start: window, which: Builtin::Len });
        self.emit(Op::Int { dst: index, number: 0 });
        let again = self.code.len() as u32;
        self.emit(Op::Lt { dst: each, a: index, b: len });
        let to_end = self.emit(Op::JumpIfNot { cond: each, to: 0 });
        self.emit(Op::Move { dst: window, src: all });
        self.emit(Op::Move { dst: window + 1, src: index });
        self.emit(Op::Builtin { dst: each, start: window, which: Builtin::At });
        self.next = window;
        self.locals.push((so_far.clone(), own));
        self.locals.push((item.clone(), each));
        let value = self.fresh()?;
        self.into(body, value)?;
        self.emit(Op::Move { dst: own, src: value });
        self.emit(Op::AddInt { dst: index, a: index, number: 1 });
        self.emit(Op::Jump { to: again });
        self.patch(to_end);
        Ok(())
    }

    fn load(&mut self, value: &Val, dst: Reg) -> Done<Op> {
        Ok(match value {
            Val::Nothing => Op::Nothing { dst },
            Val::Bool(truth) => Op::Bool { dst, truth: *truth },
            Val::Int(number) => match i32::try_from(*number) {
                Ok(number) => Op::Int { dst, number },
                Err(_) => Op::Const { dst, k: self.constant(value)? },
            },
            _ => Op::Const { dst, k: self.constant(value)? },
        })
    }

    fn one(&mut self, how: &One, dst: Reg, a: Reg) -> Done<Op> {
        Ok(match how {
            One::Neg => Op::Neg { dst, a },
            One::Not => Op::Not { dst, a },
            One::Just => Op::Just { dst, a },
            One::First => Op::First { dst, a },
            One::Second => Op::Second { dst, a },
            One::Unwrap => Op::Unwrap { dst, a },
            One::Item(index) => Op::Item { dst, a, index: *index },
            One::Rest(from) => Op::Rest { dst, a, from: *from },
            One::Field(name) => Op::Field { dst, a, k: self.constant(&Val::Text(name.clone()))? },
            One::HasField(name) => Op::HasField { dst, a, k: self.constant(&Val::Text(name.clone()))? },
            One::KindIs(kind) => Op::KindIs { dst, a, kind: *kind },
            One::LenIs(len) => Op::LenIs { dst, a, len: *len },
        })
    }

    fn two(&mut self, how: Two, dst: Reg, a: &Code, b: &Code) -> Done<Op> {
        let a = self.operand(a)?;
        if let (Two::Add, Node::Const(Val::Int(number))) = (how, &*b.0)
            && let Ok(number) = i16::try_from(*number)
        {
            return Ok(Op::AddInt { dst, a, number });
        }
        let b = self.operand(b)?;
        Ok(match how {
            Two::Add => Op::Add { dst, a, b },
            Two::Sub => Op::Sub { dst, a, b },
            Two::Mul => Op::Mul { dst, a, b },
            Two::Div => Op::Div { dst, a, b },
            Two::Mod => Op::Mod { dst, a, b },
            Two::Eq => Op::Eq { dst, a, b },
            Two::Ne => Op::Ne { dst, a, b },
            Two::Lt => Op::Lt { dst, a, b },
            Two::Le => Op::Le { dst, a, b },
            Two::Pair => Op::Pair { dst, a, b },
        })
    }
}
