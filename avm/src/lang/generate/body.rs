//! One function in the making: its code, its registers, its names.

use std::sync::Arc;

use super::types::Ty;
use super::values::{VARIABLE_HELP, Values};
use super::{Generator, Unit};
use crate::code::{Function, Op, Reg, limits};
use crate::lang::ast::{Expr, Name, Param, Type};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::value::Val;

/// Most registers that the compiler gives to a function.
pub const MAX_REGISTERS: u16 = 250;
/// Most operations of a function.
const MAX_CODE: usize = limits::FUNCTION_OPS - 16;
/// Longest name of a function, bytes.
const MAX_NAME: usize = 240;
/// Most parameters and arguments.
pub const MAX_ARGS: usize = 32;

/// What kind of function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Function,
    Handler,
    Closure,
}

/// A name that stands for a register.
#[derive(Debug, Clone)]
pub struct Local {
    pub name: Arc<str>,
    pub reg: Reg,
    pub ty: Ty,
    /// The kind is proven, not only declared.
    pub trusted: bool,
    pub mutable: bool,
    /// Comes from outside of a closure.
    pub captured: bool,
    pub span: Span,
    pub used: bool,
    pub assigned: bool,
    /// Whether a remark is due when it is not used.
    pub watched: bool,
}

/// A place in the code that jumps go to.
#[derive(Debug, Default)]
pub struct Label {
    jumps: Vec<usize>,
}

/// A loop, for `break` and `continue`.
#[derive(Debug, Default)]
pub struct Loop {
    pub end: Label,
    pub next: Label,
    /// Atomic blocks open around it.
    pub atomics: usize,
}

/// An atomic block that is open.
#[derive(Debug)]
pub struct Atomic {
    pub tx: Reg,
    pub aborted: Label,
    pub chose: bool,
}

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dest {
    To(Reg),
    Return,
    Discard,
}

/// State fields of the behaviour whose handler this is.
#[derive(Debug, Clone)]
pub struct State {
    pub fields: Vec<Arc<str>>,
    /// Holds the whole list.
    pub reg: Reg,
    /// The register is known to hold the state as it is.
    pub fresh: bool,
}

pub struct Body<'g, 'w> {
    pub g: &'g mut Generator<'w>,
    pub unit: &'w Unit,
    pub name: Arc<str>,
    pub role: Role,
    pub code: Vec<Op>,
    pub spans: Vec<Span>,
    next: u16,
    most: u16,
    pub scopes: Vec<Vec<Local>>,
    pub loops: Vec<Loop>,
    pub atomics: Vec<Atomic>,
    pub state: Option<State>,
    /// Kind of the result, when declared.
    pub result: Option<(Ty, Span)>,
    /// The code is not reached here; nothing is emitted.
    pub dead: bool,
    /// Inside a closure that was put in place of its call: `return` means nothing here.
    pub inlined: u32,
    /// Inside a condition of `require` or `prefer`, or of what it calls.
    pub values: Values,
    full: bool,
}

impl<'g, 'w> Body<'g, 'w> {
    pub fn new(g: &'g mut Generator<'w>, unit: &'w Unit, name: Arc<str>, role: Role) -> Self {
        Self {
            g,
            unit,
            // Names of closures inside closures grow; the whole name is of no use then.
            name: if name.len() > MAX_NAME { "closure".into() } else { name },
            role,
            code: Vec::new(),
            spans: Vec::new(),
            next: 0,
            most: 0,
            scopes: vec![Vec::new()],
            loops: Vec::new(),
            atomics: Vec::new(),
            state: None,
            result: None,
            dead: false,
            inlined: 0,
            values: Values::Plain,
            full: false,
        }
    }

    /// Ends the function and puts it into the module.
    pub fn finish(mut self, index: u16, arity: u8, end: Span) {
        self.pop_scope();
        // A label may stand behind the last operation.
        let last = self.code.last();
        let ends =
            matches!(last, Some(Op::Return { .. } | Op::TailInvoke { .. } | Op::Jump { .. } | Op::NoMatch { .. }));
        let length = self.code.len() as u32;
        let meant =
            |op: &Op| matches!(op, Op::Jump { to } | Op::JumpIf { to, .. } | Op::JumpIfNot { to, .. } if *to == length);
        if !ends || self.code.iter().any(meant) {
            self.dead = false;
            let reg = self.temp(end);
            self.emit(Op::Nothing { dst: reg }, end);
            self.emit(Op::Return { src: reg }, end);
        }
        let places = self.spans.iter().map(|span| self.g.place(*span)).collect();
        let registers = self.most.max(u16::from(arity)).clamp(1, 255) as u8;
        let function = Function { name: self.name.clone(), arity, registers, code: self.code, places, pinned: false };
        self.g.put(index, function, self.spans);
    }

    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: &str, help: &str) {
        let mut error = Diagnostic::new(code, span, message).label(label);
        if !help.is_empty() {
            error = error.help(help);
        }
        self.g.report(error);
    }

    pub fn emit(&mut self, op: Op, span: Span) {
        if self.dead || self.full {
            return;
        }
        if self.code.len() >= MAX_CODE {
            self.full = true;
            self.error(Code::CodeSize, span, "the function is too long", "", "make functions of its parts");
            return;
        }
        self.code.push(op);
        self.spans.push(span);
    }

    /// Takes registers in a row.
    pub fn window(&mut self, count: usize, span: Span) -> Reg {
        let start = self.next;
        let end = usize::from(start) + count;
        if end > usize::from(MAX_REGISTERS) {
            if !self.full {
                let what = format!("the function `{}` needs more than {MAX_REGISTERS} values at once", self.name);
                self.error(Code::Registers, span, what, "", "make functions of its parts, or keep values in a list");
            }
            self.full = true;
            return 0;
        }
        self.next = end as u16;
        self.most = self.most.max(self.next);
        start as Reg
    }

    pub fn temp(&mut self, span: Span) -> Reg {
        self.window(1, span)
    }

    /// Registers taken so far; giving it back to [`Self::release`] frees those taken since.
    pub const fn mark(&self) -> u16 {
        self.next
    }

    pub const fn release(&mut self, mark: u16) {
        self.next = mark;
    }

    pub fn jump(&mut self, label: &mut Label, span: Span) {
        self.branch(label, Op::Jump { to: 0 }, span);
        self.dead = true;
    }

    pub fn jump_if(&mut self, label: &mut Label, cond: Reg, span: Span) {
        self.branch(label, Op::JumpIf { cond, to: 0 }, span);
    }

    pub fn jump_if_not(&mut self, label: &mut Label, cond: Reg, span: Span) {
        self.branch(label, Op::JumpIfNot { cond, to: 0 }, span);
    }

    fn branch(&mut self, label: &mut Label, op: Op, span: Span) {
        if !self.dead && !self.full {
            label.jumps.push(self.code.len());
            self.emit(op, span);
        }
    }

    /// The label stands here.
    pub fn land(&mut self, label: Label) {
        let here = self.code.len() as u32;
        if !label.jumps.is_empty() {
            self.dead = false;
        }
        for at in label.jumps {
            if let Some(Op::Jump { to } | Op::JumpIf { to, .. } | Op::JumpIfNot { to, .. }) = self.code.get_mut(at) {
                *to = here;
            }
        }
    }

    /// Where the code goes on, to jump back to.
    pub const fn here(&self) -> u32 {
        self.code.len() as u32
    }

    pub fn jump_back(&mut self, to: u32, span: Span) {
        self.emit(Op::Jump { to }, span);
        self.dead = true;
    }

    pub fn constant(&mut self, value: &Val, span: Span) -> u16 {
        self.g.constant(value, span)
    }

    /// Loads a constant.
    pub fn load(&mut self, value: &Val, dst: Reg, span: Span) {
        let op = match value {
            Val::Nothing => Op::Nothing { dst },
            Val::Bool(truth) => Op::Bool { dst, truth: *truth },
            Val::Int(number) => match i32::try_from(*number) {
                Ok(number) => Op::Int { dst, number },
                Err(_) => Op::Const { dst, k: self.constant(value, span) },
            },
            value => Op::Const { dst, k: self.constant(value, span) },
        };
        self.emit(op, span);
    }

    pub fn push_scope(&mut self) {
        self.scopes.push(Vec::new());
    }

    pub fn pop_scope(&mut self) {
        for local in self.scopes.pop().unwrap_or_default() {
            if !local.used && local.watched && !local.name.starts_with('_') {
                let what = format!("`{}` is never used", local.name);
                let help = format!("name it `_{}`, or write `_`", local.name);
                self.error(Code::UnusedName, local.span, what, "", &help);
            } else if local.mutable && !local.assigned && local.watched {
                let what = format!("`{}` is never assigned to", local.name);
                self.error(Code::UnneededMut, local.span, what, "", "remove `mut`");
            }
        }
    }

    /// Gives a name to a register.
    pub fn bind(&mut self, name: &Name, reg: Reg, ty: Ty, mutable: bool) {
        if &*name.text == "_" {
            return;
        }
        let local = Local {
            name: name.text.clone(),
            reg,
            ty,
            trusted: true,
            mutable,
            captured: false,
            span: name.span,
            used: false,
            assigned: false,
            watched: true,
        };
        self.push_local(local);
    }

    pub fn push_local(&mut self, local: Local) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(local);
        }
    }

    /// Names parameters; they stand in registers from `start`.
    pub fn bind_params(&mut self, params: &[Param], start: Reg, trusted: bool) {
        for (i, param) in params.iter().enumerate() {
            if let Some(other) =
                params.iter().take(i).find(|other| other.name.text == param.name.text && &*other.name.text != "_")
            {
                self.g.duplicate(&param.name, other.name.span);
            }
            let ty = self.declared(param.ty.as_ref());
            self.bind(&param.name, start.wrapping_add(i as u8), ty, false);
            if let Some(local) = self.scopes.last_mut().and_then(|scope| scope.last_mut()) {
                local.trusted = trusted;
                local.watched = false;
            }
        }
    }

    /// The kind that is declared, or anything.
    pub fn declared(&mut self, ty: Option<&Type>) -> Ty {
        let Some(ty) = ty else { return Ty::Any };
        Ty::declared(ty).unwrap_or_else(|| {
            let words: Vec<&str> = super::types::KINDS.iter().map(|kind| kind.word()).collect();
            let help = format!(
                "kinds are any, {}; `[int]` is a list, `(int, text)` a pair, `int?` an option",
                words.join(", ")
            );
            self.error(Code::UnknownType, ty.span, "no kind of value has this name", "", &help);
            Ty::Any
        })
    }

    pub fn find(&mut self, name: &str) -> Option<&mut Local> {
        self.scopes.iter_mut().rev().flat_map(|scope| scope.iter_mut().rev()).find(|local| &*local.name == name)
    }

    /// The state may be another now.
    pub fn stale(&mut self) {
        if let Some(state) = &mut self.state {
            state.fresh = false;
        }
    }

    pub fn fresh(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.fresh)
    }

    pub fn set_fresh(&mut self, fresh: bool) {
        if let Some(state) = &mut self.state {
            state.fresh = fresh;
        }
    }

    /// The text of an expression as the source has it, shortened.
    pub fn quote(&self, expr: &Expr) -> String {
        let text = self.g.text(expr.span);
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() > 80 { line.chars().take(77).collect::<String>() + "..." } else { line }
    }

    /// A remark on kinds, when a value cannot be what is wanted.
    pub fn expect(&mut self, found: &Ty, wanted: &[Ty], span: Span, place: &str) {
        if wanted.iter().any(|wanted| wanted.meets(found)) {
            return;
        }
        let words: Vec<String> = wanted.iter().map(Ty::words).collect();
        let is_variable = *found == Ty::Is(crate::value::Kind::Var);
        let (wanted, found) = (words.join(" or "), found.words());
        let label = format!("this is {found}");
        let help = if is_variable { VARIABLE_HELP } else { "" };
        self.error(Code::Kind, span, format!("expected {wanted}{place}, found {found}"), &label, help);
    }
}
