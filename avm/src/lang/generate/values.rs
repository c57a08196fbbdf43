//! Conditions of `require` and `prefer`: a variable in them is its value (`decisions:AVM-20`). What is read there goes through
//! `valueOf`, and `&&`, `||`, `if`, `any` and `all` do not go by what is decided at commit, nor do the pure functions that are called:
//! where the condition is not known both sides are evaluated, if that changes nothing, and a term says which it is.

use super::Unit;
use super::body::{Body, Dest, Label};
use super::types::{BOOL, Ty};
use super::units::FORMS;
use crate::code::{Builtin, Instr, Op, Reg};
use crate::lang::ast::{BinaryOp, Block, Element, Expr, ExprKind, Function, Stmt};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::lang::walk;
use crate::value::{Kind, Val};

/// What to do where a variable stands for its value.
pub const VARIABLE_HELP: &str = "`require` and `prefer` take variables as their values; elsewhere `label` it, or take `valueOf(..)`, \
                                 which is decided at commit";

/// How an expression is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// As everywhere.
    Plain,
    /// It does not go by what is decided at commit: the body of a pure function.
    Terms,
    /// The same, and variables are read as their values.
    Read,
}

impl<'w> Body<'_, 'w> {
    /// Number of a function to be called from here: of a pure one that which keeps terms, where terms are to be kept.
    pub fn function(&mut self, unit: &'w Unit, function: &Function) -> Option<u16> {
        if self.values == Values::Plain || !function.pure {
            return self.g.function(unit, &function.name.text);
        }
        self.g.function_in_terms(unit, &function.name.text)
    }

    /// Whether terms are to be kept.
    pub fn keeps_terms(&self) -> bool {
        self.values != Values::Plain
    }

    /// Whether evaluating changes nothing, so that it may be done although a condition before it is decided at commit.
    pub fn harmless(&self, expr: &Expr) -> bool {
        let mut harms = false;
        walk::all(expr, &mut |expr| {
            harms |= match &expr.kind {
                ExprKind::Return(_) | ExprKind::Break | ExprKind::Continue | ExprKind::Abort => true,
                ExprKind::Decline | ExprKind::Reject | ExprKind::Assert(_) | ExprKind::Word(..) => true,
                ExprKind::Method(..) | ExprKind::Message { .. } | ExprKind::Create { .. } => true,
                ExprKind::Post(_) | ExprKind::Atomic(..) | ExprKind::Retry(..) => true,
                ExprKind::Require(..) | ExprKind::RequireOrder(..) | ExprKind::Prefer(..) => true,
                ExprKind::Call(callee, _) => match &callee.kind {
                    ExprKind::Name(name) => match self.unit.functions.get(name) {
                        Some(function) => !function.pure,
                        None => Builtin::named(name).is_none() && !FORMS.iter().any(|(form, _)| *form == &**name),
                    },
                    _ => true,
                },
                ExprKind::If { then, otherwise, .. } => assigns(then) || otherwise.as_ref().is_some_and(assigns),
                ExprKind::Block(block) | ExprKind::For { body: block, .. } | ExprKind::While(_, block) => {
                    assigns(block)
                }
                ExprKind::Match(_, arms) => arms.iter().any(|arm| assigns(&arm.body)),
                _ => false,
            };
        });
        !harms
    }

    /// The same of what is done with each element.
    pub fn harmless_each(&mut self, f: &Expr) -> bool {
        match &f.kind {
            ExprKind::Name(name) if self.find(name).is_some() => false,
            ExprKind::Name(name) => self.unit.functions.get(name).is_none_or(|function| function.pure),
            _ => self.harmless(f),
        }
    }

    /// Compiles with variables as their values, or as variables.
    pub fn with_values<R>(&mut self, values: Values, body: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.values, values);
        let result = body(self);
        self.values = before;
        result
    }

    /// Compiles something of which a part is taken: the values of all of its variables are not asked for.
    pub fn whole<R>(&mut self, of: &Expr, body: impl FnOnce(&mut Self) -> R) -> R {
        let named = matches!(of.kind, ExprKind::Name(_) | ExprKind::Field(..) | ExprKind::Index(..));
        self.with_values(if named && self.values == Values::Read { Values::Terms } else { self.values }, body)
    }

    /// Compiles an operand of an instruction: those of the finite-domain family take variables.
    pub fn operand(&mut self, which: Instr, at: usize, arg: &Expr, dst: Reg) -> Ty {
        let values = match which {
            Instr::Require | Instr::Prefer if at == 0 => Values::Read,
            Instr::RequireOrder if at < 4 => Values::Read,
            Instr::NewVar | Instr::Narrow | Instr::Post | Instr::Label => Values::Plain,
            Instr::Solve | Instr::SolveAll | Instr::DomainOf | Instr::ValueOf => Values::Plain,
            _ => self.values,
        };
        self.with_values(values, |this| this.expr(arg, Dest::To(dst)))
    }

    /// Whether a name, read as it is, may give a variable where its value is wanted.
    pub fn reads_variable(&mut self, name: &str) -> bool {
        self.values == Values::Read && self.find(name).is_none_or(|local| may_hold(&local.ty))
    }

    /// An expression whose value may be a variable, as the value of that variable; none where there is nothing to do.
    pub fn value_read(&mut self, expr: &Expr, dest: Dest) -> Option<Ty> {
        if self.values == Values::Plain || dest == Dest::Discard {
            return None;
        }
        if let ExprKind::If { condition, then, otherwise: Some(otherwise) } = &expr.kind
            && self.harmless(expr)
        {
            let mark = self.mark();
            let reg = self.target(dest, expr.span);
            let ty = self.selected(condition, [then, otherwise], reg, expr.span);
            let ty = self.deliver(reg, ty, dest, expr.span);
            self.release(mark);
            return Some(ty);
        }
        let Dest::To(dst) = dest else { return None };
        if self.values != Values::Read {
            return None;
        }
        match &expr.kind {
            ExprKind::Name(name) if !self.reads_variable(name) => return None,
            ExprKind::Name(_) | ExprKind::Field(..) | ExprKind::Index(..) | ExprKind::Call(..) => {}
            ExprKind::Method(..) | ExprKind::Message { .. } => {}
            _ => return None,
        }
        let ty = self.expr_as_it_is(expr, dest);
        if !may_hold(&ty) {
            return Some(ty);
        }
        let mark = self.mark();
        let start = self.temp(expr.span);
        self.emit(Op::Move { dst: start, src: dst }, expr.span);
        self.emit(Op::Instr { dst, start, which: Instr::ValueOf }, expr.span);
        self.release(mark);
        Some(valued(ty))
    }

    /// Jumps where a condition is known now to be `wanted`.
    pub fn jump_decided(&mut self, label: &mut Label, cond: Reg, wanted: bool, span: Span) {
        let mark = self.mark();
        let start = self.window(2, span);
        self.emit(Op::Move { dst: start, src: cond }, span);
        self.load(&Val::Bool(wanted), start.wrapping_add(1), span);
        self.emit(Op::Builtin { dst: start, start, which: Builtin::Decided }, span);
        self.jump_if(label, start, span);
        self.release(mark);
    }

    /// `if`: a branch that is known not to be taken is not evaluated, else both are, and a term says which it is.
    fn selected(&mut self, condition: &Expr, branches: [&Block; 2], dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let start = self.window(3, span);
        let ty = self.expr(condition, Dest::To(start));
        self.expect(&ty, &[BOOL], condition.span, " as a condition");
        let mut join = Ty::Never;
        for (at, block) in branches.into_iter().enumerate() {
            let reg = start.wrapping_add(1 + at as u8);
            self.emit(Op::Nothing { dst: reg }, span);
            let mut skip = Label::default();
            self.jump_decided(&mut skip, start, at == 1, condition.span);
            join = join.join(self.block(block, Dest::To(reg)));
            self.land(skip);
        }
        self.emit(Op::Builtin { dst, start, which: Builtin::Select }, span);
        self.release(mark);
        join
    }

    /// `&&` and `||` whose right side may fail: it is not evaluated where the left side is known to decide.
    pub fn logic_of_values(&mut self, op: BinaryOp, [one, two]: [&Expr; 2], dst: Reg, span: Span) {
        let (a, b) = (self.temp(span), self.temp(span));
        let first = self.expr(one, Dest::To(a));
        self.expect(&first, &[BOOL], one.span, "");
        let mut end = Label::default();
        self.jump_decided(&mut end, a, op == BinaryOp::Or, span);
        let fresh = self.fresh();
        let second = self.expr(two, Dest::To(b));
        self.expect(&second, &[BOOL], two.span, "");
        let both = fresh && self.fresh();
        self.set_fresh(both);
        self.emit(if op == BinaryOp::And { Op::And { dst: a, a, b } } else { Op::Or { dst: a, a, b } }, span);
        self.land(end);
        self.emit(Op::Move { dst, src: a }, span);
    }
}

impl Body<'_, '_> {
    /// `require o.a(x) before p.b(y)`: the calls are named, not made.
    pub fn require_order(&mut self, calls: &[Expr; 2], name: Option<&Expr>, dest: Dest, span: Span) -> Ty {
        let nothing = Expr { kind: ExprKind::Nothing, span, height: 1 };
        let mut args = Vec::with_capacity(5);
        for call in calls {
            let (target, message) = match &call.kind {
                ExprKind::Method(target, tag, args) => {
                    let tag = Expr { kind: ExprKind::Text(tag.text.clone()), span: tag.span, height: 1 };
                    let parts = std::iter::once(tag).chain(args.iter().cloned());
                    let parts = parts.map(|value| Element { spread: false, value }).collect();
                    (&**target, Expr { kind: ExprKind::List(parts), span: call.span, height: call.height })
                }
                ExprKind::Message { send: false, target, message } => (&**target, Expr::clone(message)),
                _ => {
                    let help = "name two calls: `require o.first(x) before p.second(y)`";
                    self.error(Code::NotCallable, call.span, "`before` stands between two calls", "not a call", help);
                    return Ty::Any;
                }
            };
            self.known_message(target, &message);
            args.extend([target.clone(), message]);
        }
        args.push(name.cloned().unwrap_or(nothing));
        self.instr_on(Instr::RequireOrder, &args.iter().collect::<Vec<_>>(), dest, span)
    }
}

/// Whether a block assigns, or makes variables.
fn assigns(block: &Block) -> bool {
    block.statements.iter().any(|statement| matches!(statement, Stmt::Assign { .. } | Stmt::Var { .. }))
}

/// Whether a value may be a variable, or hold one.
fn may_hold(ty: &Ty) -> bool {
    match ty {
        Ty::Any | Ty::Is(Kind::Var | Kind::Record) => true,
        Ty::List(inner) | Ty::Just(inner) | Ty::Option(inner) => may_hold(inner),
        Ty::Pair(one, two) => may_hold(one) || may_hold(two),
        Ty::Never | Ty::Int(..) | Ty::Object(_) | Ty::Is(_) => false,
    }
}

/// What is known when the variables in it are values.
fn valued(ty: Ty) -> Ty {
    match ty {
        Ty::Is(Kind::Var) => Ty::Any,
        Ty::List(inner) => Ty::List(Box::new(valued(*inner))),
        Ty::Just(inner) => Ty::Just(Box::new(valued(*inner))),
        Ty::Option(inner) => Ty::Option(Box::new(valued(*inner))),
        Ty::Pair(one, two) => Ty::Pair(Box::new(valued(*one)), Box::new(valued(*two))),
        other => other,
    }
}
