//! Every operation in full: kinds that do not fit, nodes of the heap, deferred values, frames that checkpoints ask for.

use super::convert::kind;
use super::deferred::{Arith, Order};
use super::exec::{Enter, Exec, Fault, type_error};
use super::interp::enter;
use super::loaded::Code;
use super::word::{FUNCTION, NOTHING, Node, T_FUNCTION, TRUE, Value};
use super::world::{Did, Flow, World};
use crate::code::Op;
use crate::error::{IntrospectError, ProgramError};

/// Frames of functions for every nested call.
pub(super) const FRAMES: usize = 4;

impl World {
    /// One operation; the frame's counter stands behind it.
    pub(super) fn step(&mut self, code: &Code, x: &mut Exec, op: Op) -> Flow {
        let done = self.operation(code, x, op);
        match done.and_then(|flow| Self::settle_standing(code, x).map(|()| flow)) {
            Ok(flow) => flow,
            Err(fault) => self.fail(code, x, fault),
        }
    }

    fn operation(&mut self, code: &Code, x: &mut Exec, op: Op) -> Result<Flow, Fault> {
        let base = x.frame().base as usize;
        let (dst, value) = match op {
            Op::Jump { to } => {
                Self::jump(x, to);
                return Ok(Flow::Next);
            }
            Op::JumpIf { cond, to } => {
                if self.branch(x, x.regs[base + cond as usize])? {
                    Self::jump(x, to);
                }
                return Ok(Flow::Next);
            }
            Op::JumpIfNot { cond, to } => {
                if !self.branch(x, x.regs[base + cond as usize])? {
                    Self::jump(x, to);
                }
                return Ok(Flow::Next);
            }
            Op::Invoke { dst, start, function } => {
                let function = code.functions[x.frame().func as usize].functions + u32::from(function);
                self.invoke(code, x, function, base + start as usize, dst)?;
                return Ok(Flow::Next);
            }
            Op::TailInvoke { start, function } => {
                self.tail_invoke(code, x, start, function);
                return Ok(Flow::Next);
            }
            Op::InvokeValue { dst, f, start, count } => {
                self.invoke_value(code, x, dst, f, (start, count))?;
                return Ok(Flow::Next);
            }
            Op::Return { src } => {
                // It stays where it is: the operation is done again when the end has to wait.
                let value = self.heap.retain(x.regs[base + src as usize]);
                return self.returned(code, x, value);
            }
            Op::NoMatch { src } => {
                let value = self.settle_deep(x, x.regs[base + src as usize])?;
                let val = self.val(value);
                self.heap.release(value);
                return Err(ProgramError::Match(val).into());
            }
            Op::Instr { dst, start, which } => {
                return Ok(match self.instr(code, x, which, dst, start)? {
                    Did::Value(value) => {
                        x.set(&mut self.heap, dst, value);
                        Flow::Next
                    }
                    Did::Switched => Flow::Next,
                    Did::Flow(flow) => flow,
                });
            }
            Op::Builtin { dst, start, which } => {
                let mut args = [NOTHING; 3];
                let count = usize::from(which.arity());
                args[..count].copy_from_slice(&x.regs[base + start as usize..base + start as usize + count]);
                let value = self.builtin(x, which, args)?;
                // What makes much costs much.
                x.left -= (self.heap.size(value) / 32).min(x.left);
                (dst, value)
            }
            op => self.plain_operation(code, x, op, base)?,
        };
        x.set(&mut self.heap, dst, value);
        Ok(Flow::Next)
    }

    fn jump(x: &mut Exec, to: u32) {
        if let Some(frame) = x.frames.last_mut() {
            frame.pc = to;
        }
    }

    /// Operations that give a value.
    fn plain_operation(&mut self, code: &Code, x: &mut Exec, op: Op, base: usize) -> Result<(u8, Value), Fault> {
        let constants = code.functions[x.frame().func as usize].constants as usize;
        let constant = |k: u16| code.constants[constants + usize::from(k)];
        let r = |x: &Exec, register: u8| x.regs[base + register as usize];
        Ok(match op {
            Op::Const { dst, k } => (dst, self.heap.retain(constant(k))),
            Op::Int { dst, number } => (dst, Value::int32(number)),
            Op::Bool { dst, truth } => (dst, Value::bool(truth)),
            Op::Move { dst, src } => (dst, self.heap.retain(r(x, src))),
            Op::List { dst, start, count } => {
                let from = base + start as usize;
                (dst, self.heap.list(&x.regs[from..from + count as usize])?)
            }
            Op::Pair { dst, a, b } => (dst, self.heap.node(Node::Pair, &[r(x, a), r(x, b)])?),
            Op::Just { dst, a } => (dst, self.heap.node(Node::Just, &[r(x, a)])?),
            Op::Record { dst, start, k } => {
                let names = constant(k);
                let from = base + start as usize;
                let mut children = vec![names];
                children.extend_from_slice(&x.regs[from..from + self.heap.len(names)]);
                (dst, self.heap.node(Node::Record, &children)?)
            }
            Op::Field { dst, a, k } => (dst, self.field(x, r(x, a), constant(k))?),
            Op::HasField { dst, a, k } => {
                let record = self.settle(x, r(x, a));
                (dst, Value::bool(self.field_at(record, constant(k)).is_some()))
            }
            Op::KindIs { dst, a, kind } => (dst, Value::bool(self.kind_is(x, r(x, a), kind))),
            Op::LenIs { dst, a, len } => {
                let list = self.settle(x, r(x, a));
                (dst, Value::bool(list.is_list() && self.heap.len(list) == usize::from(len)))
            }
            Op::LenAtLeast { dst, a, len } => {
                let list = self.settle(x, r(x, a));
                (dst, Value::bool(list.is_list() && self.heap.len(list) >= usize::from(len)))
            }
            Op::Item { dst, a, index } => (dst, self.item(x, r(x, a), usize::from(index))?),
            Op::Rest { dst, a, from } => {
                let all = self.elements(x, r(x, a))?;
                (dst, self.heap.list(all.get(usize::from(from)..).unwrap_or_default())?)
            }
            Op::First { dst, a } => {
                let pair = self.settled_node(x, r(x, a), Node::Pair, "a pair")?;
                (dst, self.heap.retain(self.heap.child(pair, 0)))
            }
            Op::Second { dst, a } => {
                let pair = self.settled_node(x, r(x, a), Node::Pair, "a pair")?;
                (dst, self.heap.retain(self.heap.child(pair, 1)))
            }
            Op::Unwrap { dst, a } => {
                let just = self.settled_node(x, r(x, a), Node::Just, "a just")?;
                (dst, self.heap.retain(self.heap.child(just, 0)))
            }
            Op::Closure { dst, start, captured, function } => {
                let number = code.functions[x.frame().func as usize].functions + u32::from(function);
                let mut children = vec![Value::word32(T_FUNCTION, number)];
                let from = base + start as usize;
                children.extend_from_slice(&x.regs[from..from + captured as usize]);
                if captured == 0 { (dst, children[0]) } else { (dst, self.heap.node(Node::Closure, &children)?) }
            }
            Op::Nothing { dst } => (dst, NOTHING),
            op => self.term_operation(x, op, base)?,
        })
    }

    fn item(&mut self, x: &mut Exec, list: Value, index: usize) -> Result<Value, Fault> {
        let list = self.settle(x, list);
        if !list.is_list() {
            return Err(type_error("a list", kind(&self.heap, list)));
        }
        if index >= self.heap.len(list) {
            return Err(super::exec::arithmetic("the index is past the end of the list"));
        }
        Ok(self.heap.retain(self.heap.child(list, index)))
    }

    /// Operations that have terms.
    fn term_operation(&mut self, x: &mut Exec, op: Op, base: usize) -> Result<(u8, Value), Fault> {
        let r = |x: &Exec, register: u8| x.regs[base + register as usize];
        Ok(match op {
            Op::Add { dst, a, b }
            | Op::Sub { dst, a, b }
            | Op::Mul { dst, a, b }
            | Op::Div { dst, a, b }
            | Op::Mod { dst, a, b } => {
                let arith = Arith::of(op).unwrap_or(Arith::Add);
                (dst, self.arith(x, arith, r(x, a), r(x, b))?)
            }
            Op::AddInt { dst, a, number } => {
                (dst, self.arith(x, Arith::Add, r(x, a), Value::int32(i32::from(number)))?)
            }
            Op::Neg { dst, a } => (dst, self.arith(x, Arith::Sub, Value::int32(0), r(x, a))?),
            Op::Eq { dst, a, b } => (dst, self.equality(x, r(x, a), r(x, b), true)?),
            Op::Ne { dst, a, b } => (dst, self.equality(x, r(x, a), r(x, b), false)?),
            Op::Lt { dst, a, b } => (dst, self.order(x, Order::Less, r(x, a), r(x, b))?),
            Op::Le { dst, a, b } => (dst, self.order(x, Order::AtMost, r(x, a), r(x, b))?),
            Op::Not { dst, a } => (dst, self.not(x, r(x, a))?),
            Op::And { dst, a, b } => (dst, self.both(x, r(x, a), r(x, b), true)?),
            Op::Or { dst, a, b } => (dst, self.both(x, r(x, a), r(x, b), false)?),
            // Those without a value are done before.
            _ => (0, self.heap.retain(r(x, 0))),
        })
    }

    /// Position of a field of a record among its children.
    pub(super) fn field_at(&self, record: Value, name: Value) -> Option<usize> {
        if !record.is_node(Node::Record) {
            return None;
        }
        let names = self.heap.child(record, 0);
        let found = self.heap.children(names).position(|own| super::convert::equal(&self.heap, own, name));
        found.map(|at| at + 1)
    }

    fn field(&mut self, x: &mut Exec, record: Value, name: Value) -> Result<Value, Fault> {
        let record = self.settled_node(x, record, Node::Record, "a record")?;
        match self.field_at(record, name) {
            Some(at) => {
                let field = self.heap.child(record, at);
                Ok(self.heap.retain(field))
            }
            None => Err(ProgramError::Type(format!("the record has no field {}", self.heap.string(name))).into()),
        }
    }

    /// Enters a function of the same or another module.
    pub(super) fn invoke(
        &mut self,
        code: &Code,
        x: &mut Exec,
        function: u32,
        base: usize,
        dst: u8,
    ) -> Result<(), Fault> {
        if x.frames.len() >= FRAMES * self.config.call_depth as usize {
            return Err(self.too_deep());
        }
        enter(self, code, x, function, base, dst, Enter::Invoke);
        Ok(())
    }

    /// The error of a nesting that is too deep.
    pub(super) fn too_deep(&self) -> Fault {
        let text = format!("calls are nested more than {} deep", self.config.call_depth);
        IntrospectError::ContextUnavailable(text).into()
    }

    /// The running function gives its frame to another.
    fn tail_invoke(&mut self, code: &Code, x: &mut Exec, start: u8, function: u16) {
        let frame = x.frame();
        let old = &code.functions[frame.func as usize];
        let number = old.functions + u32::from(function);
        let func = &code.functions[number as usize];
        let base = frame.base as usize;
        let arity = usize::from(func.arity);
        x.reserve(base);
        for at in 0..arity {
            let value = std::mem::replace(&mut x.regs[base + start as usize + at], NOTHING);
            let before = std::mem::replace(&mut x.regs[base + at], value);
            self.heap.release(before);
        }
        let reach = usize::from(old.registers.max(func.registers));
        x.wipe(&mut self.heap, base + arity, base + reach.max(arity));
        if let Some(frame) = x.frames.last_mut() {
            frame.func = number;
            frame.pc = func.start;
        }
    }

    fn invoke_value(
        &mut self,
        code: &Code,
        x: &mut Exec,
        dst: u8,
        f: u8,
        (start, count): (u8, u8),
    ) -> Result<(), Fault> {
        let base = x.frame().base as usize;
        let function = self.settle(x, x.regs[base + f as usize]);
        if function.flags() & FUNCTION == 0 || !(function.tag() == T_FUNCTION || function.is_node(Node::Closure)) {
            return Err(type_error("a function", kind(&self.heap, function)));
        }
        let from = base + start as usize;
        let args: Vec<Value> = x.regs[from..from + count as usize].to_vec();
        self.enter_value(code, x, function, &args, (from, dst, Enter::Invoke))
    }

    /// Enters a function value with arguments whose references are counted anew; its window begins at a register.
    pub(super) fn enter_value(
        &mut self,
        code: &Code,
        x: &mut Exec,
        function: Value,
        args: &[Value],
        (base, dst, how): (usize, u8, Enter),
    ) -> Result<(), Fault> {
        let (number, captured): (u32, Vec<Value>) = if function.is_ref() {
            (self.heap.child(function, 0).bits32(), self.heap.children(function).skip(1).collect())
        } else {
            (function.bits32(), Vec::new())
        };
        let arity = usize::from(code.functions[number as usize].arity);
        if captured.len() + args.len() != arity {
            let text = format!(
                "the function takes {} arguments, {} were given",
                arity - captured.len().min(arity),
                args.len()
            );
            return Err(ProgramError::Type(text).into());
        }
        if x.frames.len() >= FRAMES * self.config.call_depth as usize {
            return Err(self.too_deep());
        }
        x.reserve(base);
        let values: Vec<Value> = captured.iter().chain(args).map(|value| self.heap.retain(*value)).collect();
        for (at, value) in values.into_iter().enumerate() {
            let before = std::mem::replace(&mut x.regs[base + at], value);
            self.heap.release(before);
        }
        enter(self, code, x, number, base, dst, how);
        Ok(())
    }

    /// Ends the running function with a value whose reference it takes over.
    pub(super) fn returned(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Flow, Fault> {
        let frame = x.frame();
        match frame.enter {
            Enter::Root => return self.root_returned(code, x, value),
            Enter::Call | Enter::Replay => return self.call_returned(code, x, value),
            Enter::Scry => {
                self.leave(code, x);
                return self.scry_returned(code, x, value, frame.dst);
            }
            Enter::Pure => x.pures -= 1,
            Enter::Invoke => {}
        }
        self.leave(code, x);
        x.set(&mut self.heap, frame.dst, value);
        Ok(Flow::Next)
    }

    /// Drops the running frame.
    #[inline]
    pub(super) fn leave(&mut self, code: &Code, x: &mut Exec) {
        let frame = x.frame();
        let base = frame.base as usize;
        x.wipe(&mut self.heap, base, base + usize::from(code.functions[frame.func as usize].registers));
        x.frames.pop();
        if x.frames.len() as u32 <= x.floor && !x.frames.is_empty() {
            x.save_frame(&mut self.heap, frame.base);
        }
    }

    /// Text of a truth value for the tests of predicates.
    pub(super) fn holds(&mut self, x: &mut Exec, value: Value) -> Result<bool, Fault> {
        if value == TRUE { Ok(true) } else { self.branch(x, value) }
    }
}
