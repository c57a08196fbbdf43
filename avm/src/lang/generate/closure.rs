//! Closures: functions of their own, which get copies of what they use from outside.

use std::sync::Arc;

use super::body::{Body, Dest, Local, MAX_ARGS, Role};
use super::types::Ty;
use crate::code::{Op, Reg};
use crate::lang::ast::{Block, ExprKind, Name, Param};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::lang::walk;
use crate::value::Kind;

impl Body<'_, '_> {
    pub fn closure(&mut self, params: &[Param], block: &Block, dst: Reg, span: Span) -> Ty {
        let captured = self.captured(params, block);
        if captured.len() + params.len() > MAX_ARGS {
            let what = format!("the closure has more than {MAX_ARGS} parameters and names from outside");
            self.error(Code::Arguments, span, what, "", "put what it needs into a record");
            return Ty::Is(Kind::Function);
        }
        let Some(function) = self.g.reserve(span) else { return Ty::Is(Kind::Function) };
        let mark = self.mark();
        let start = self.window(captured.len(), span);
        let mut locals = Vec::with_capacity(captured.len());
        for (name, reg) in captured.iter().zip(start..) {
            let (ty, trusted) = self.copy(name, reg, span);
            let ty = if ty == Ty::Never { Ty::Any } else { ty };
            locals.push((name.clone(), ty, trusted));
        }
        let name: Arc<str> = format!("{}.closure", self.name).into();
        let unit = self.unit;
        let mut body = Body::new(&mut *self.g, unit, name, Role::Closure);
        let first = body.window(captured.len() + params.len(), span);
        for ((name, ty, trusted), reg) in locals.into_iter().zip(first..) {
            body.push_local(Local {
                name,
                reg,
                ty,
                trusted,
                mutable: false,
                captured: true,
                span,
                used: true,
                assigned: false,
                watched: false,
            });
        }
        body.bind_params(params, first.wrapping_add(captured.len() as u8), false);
        body.block(block, Dest::Return);
        body.finish(function, (captured.len() + params.len()) as u8, block.span);
        self.emit(Op::Closure { dst, start, captured: captured.len() as u8, function }, span);
        self.release(mark);
        Ty::Is(Kind::Function)
    }

    /// Names that a closure uses and that stand for values outside of it.
    fn captured(&mut self, params: &[Param], block: &Block) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut see = |name: &str| {
            if !names.iter().any(|other| **other == *name) {
                names.push(name.into());
            }
        };
        walk::all_of(block, &mut |expr| {
            if let ExprKind::Name(name) = &expr.kind {
                see(name);
            }
        });
        walk::assigned(block, &mut |name| {
            see(name);
            if let Some(local) = self.find(name) {
                local.assigned = true;
            }
        });
        names.retain(|name| !params.iter().any(|param| param.name.text == *name));
        names.retain(|name| {
            let field = self.state.as_ref().is_some_and(|state| state.fields.contains(name));
            field || self.find(name).is_some()
        });
        names
    }

    fn copy(&mut self, name: &Arc<str>, reg: Reg, span: Span) -> (Ty, bool) {
        if let Some(local) = self.find(name) {
            local.used = true;
            let out = (local.ty.clone(), local.trusted);
            let src = local.reg;
            self.emit(Op::Move { dst: reg, src }, span);
            return out;
        }
        if let Some(field) = self.state.as_ref().and_then(|state| state.fields.iter().position(|field| field == name)) {
            let state = self.current_state(span);
            self.emit(Op::Item { dst: reg, a: state, index: field as u16 }, span);
        }
        (Ty::Any, true)
    }

    /// Puts the body of a closure in place of its call; parameters are names of registers.
    pub fn inline(&mut self, params: &[Param], block: &Block, args: &[(Reg, Ty)], dst: Reg) -> Ty {
        self.push_scope();
        let loops = std::mem::take(&mut self.loops);
        self.inlined += 1;
        for (param, (reg, ty)) in params.iter().zip(args) {
            let declared = self.declared(param.ty.as_ref());
            if param.ty.is_some() {
                self.expect(ty, std::slice::from_ref(&declared), param.name.span, " as declared");
            }
            let known = *ty != Ty::Any;
            let name = Name { text: param.name.text.clone(), span: param.name.span };
            self.bind(&name, *reg, if known { ty.clone() } else { declared }, false);
            if let Some(local) = self.scopes.last_mut().and_then(|scope| scope.last_mut()) {
                local.trusted &= known || local.ty == Ty::Any;
                local.watched = false;
            }
        }
        let ty = self.block(block, Dest::To(dst));
        self.inlined -= 1;
        self.loops = loops;
        self.pop_scope();
        ty
    }
}
