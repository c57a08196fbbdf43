//! Blocks and statements.

use super::body::{Body, Dest, Label};
use super::types::{INT, Ty};
use crate::code::{Builtin, Instr, Op, Reg};
use crate::lang::ast::{BinaryOp, Block, Expr, ExprKind, Name, Pattern, PatternKind, Stmt, Type};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::value::{Kind, Val};

impl Body<'_, '_> {
    /// A block in a scope of its own; its value is that of its last statement.
    pub fn block(&mut self, block: &Block, dest: Dest) -> Ty {
        let mark = self.mark();
        self.push_scope();
        let mut ty = None;
        let mut said = false;
        for (i, statement) in block.statements.iter().enumerate() {
            if self.dead && !said {
                said = true;
                let help = "remove it, or the jump before it";
                self.error(Code::Unreachable, span_of(statement), "this is never reached", "", help);
            }
            let last = i + 1 == block.statements.len();
            match statement {
                Stmt::Expr(expr) if last => ty = Some(self.expr(expr, dest)),
                Stmt::Expr(expr) => drop(self.expr(expr, Dest::Discard)),
                Stmt::Let { mutable, pattern, ty, value, span } => {
                    self.let_statement(*mutable, pattern, ty.as_ref(), value, *span);
                }
                Stmt::Var { name, domain, span } => self.var(name, domain, *span),
                Stmt::Assign { name, op, value, span } => self.assign(name, *op, value, *span),
            }
        }
        let dead = self.dead;
        let ty = ty.unwrap_or_else(|| self.unit(dest, block.span));
        self.pop_scope();
        self.release(mark);
        if dead { Ty::Never } else { ty }
    }

    fn let_statement(&mut self, mutable: bool, pattern: &Pattern, ty: Option<&Type>, value: &Expr, span: Span) {
        let declared = ty.map(|ty| (self.declared(Some(ty)), ty.span));
        let reg = self.temp(span);
        let mark = self.mark();
        let found = self.expr(value, Dest::To(reg));
        self.release(mark);
        let mut known = found.clone();
        if let Some((declared, _)) = &declared {
            self.expect(&found, std::slice::from_ref(declared), value.span, " as declared");
            if found == Ty::Any {
                known = declared.clone();
            }
        }
        match &pattern.kind {
            PatternKind::Any => {}
            PatternKind::Bind(name, _) => {
                self.bind(name, reg, if mutable { Ty::Any } else { known }, mutable);
                self.distrust(found == Ty::Any);
            }
            _ => {
                if mutable {
                    let help = "take it apart with `let`, and make a `let mut` of the part that changes";
                    self.error(Code::UnneededMut, pattern.span, "`let mut` takes one name", "", help);
                }
                let mut fail = Label::default();
                self.pattern(pattern, reg, &known, &mut fail);
                self.fail_here(fail, reg, span);
            }
        }
    }

    /// What is known of the name that was bound last is only what was declared.
    fn distrust(&mut self, only_declared: bool) {
        if only_declared && let Some(local) = self.scopes.last_mut().and_then(|scope| scope.last_mut()) {
            local.trusted = local.ty == Ty::Any;
        }
    }

    fn var(&mut self, name: &Name, domain: &Expr, span: Span) {
        let reg = self.temp(span);
        let mark = self.mark();
        self.instr_on(Instr::NewVar, &[domain], Dest::To(reg), span);
        self.release(mark);
        self.bind(name, reg, Ty::Is(Kind::Var), false);
    }

    fn assign(&mut self, name: &Name, op: Option<BinaryOp>, value: &Expr, span: Span) {
        let joined;
        let value = match op {
            Some(op) => {
                let old = Expr { kind: ExprKind::Name(name.text.clone()), span: name.span, height: 1 };
                let kind = ExprKind::Binary(op, Box::new(old), Box::new(value.clone()));
                joined = Expr { kind, span, height: value.height + 1 };
                &joined
            }
            None => value,
        };
        let local = self.find(&name.text).map(|local| {
            local.assigned = true;
            (local.reg, local.mutable, local.captured, local.span)
        });
        let mark = self.mark();
        match local {
            Some((reg, true, ..)) => {
                if direct(value) {
                    self.expr(value, Dest::To(reg));
                } else {
                    let temp = self.temp(span);
                    self.expr(value, Dest::To(temp));
                    self.emit(Op::Move { dst: reg, src: temp }, span);
                }
            }
            Some((_, false, captured, declared)) => {
                let what = format!("cannot assign to `{}`", name.text);
                let error = if captured {
                    crate::lang::diagnostic::Diagnostic::new(Code::Captured, name.span, what)
                        .label("a closure has copies of what is outside of it")
                        .help("use `fold`, a `for` loop, or let the closure give the value back")
                } else {
                    crate::lang::diagnostic::Diagnostic::new(Code::Immutable, name.span, what)
                        .other(declared, "not declared `mut`")
                        .help(format!("declare it with `let mut {}`", name.text))
                };
                self.g.report(error);
            }
            None => match self.state.as_ref().and_then(|state| state.fields.iter().position(|f| *f == name.text)) {
                Some(field) => self.assign_field(field, value, span),
                None => self.unknown(&name.text, name.span),
            },
        }
        self.release(mark);
    }

    fn assign_field(&mut self, field: usize, value: &Expr, span: Span) {
        let window = self.window(3, span);
        let new = window.wrapping_add(2);
        self.expr(value, Dest::To(new));
        let (state, fields) = self.state.as_ref().map_or((0, 1), |state| (state.reg, state.fields.len()));
        if fields == 1 {
            self.emit(Op::List { dst: state, start: new, count: 1 }, span);
        } else {
            self.current_state(span);
            self.emit(Op::Move { dst: window, src: state }, span);
            self.load(&Val::Int(field as i128), window.wrapping_add(1), span);
            self.emit(Op::Builtin { dst: state, start: window, which: Builtin::SetAt }, span);
        }
        self.store_state(state, window, span);
    }

    /// Writes the state; `window` is free.
    pub fn store_state(&mut self, state: Reg, window: Reg, span: Span) {
        self.emit(Op::Move { dst: window, src: state }, span);
        self.emit(Op::Instr { dst: window, start: window, which: Instr::SetState }, span);
        self.set_fresh(true);
    }

    /// `assert e`: fails with its text, and with both sides of a comparison.
    pub fn assert(&mut self, condition: &Expr, dest: Dest, span: Span) -> Ty {
        let text = format!("assertion failed: {}", self.quote(condition));
        let mark = self.mark();
        let mut end = Label::default();
        let compared = match &condition.kind {
            ExprKind::Binary(op, one, two) if !matches!(op, BinaryOp::And | BinaryOp::Or) => Some((*op, one, two)),
            _ => None,
        };
        let sides = match compared {
            Some((op, one, two)) => {
                let left = self.temp(span);
                let right = self.temp(span);
                let first = self.expr(one, Dest::To(left));
                let second = self.expr(two, Dest::To(right));
                let cond = self.temp(span);
                if !first.meets(&second) && first.kind() != second.kind() {
                    let what =
                        format!("{} and {} are never equal and cannot be ordered", first.words(), second.words());
                    self.error(Code::Kind, condition.span, what, "", "compare values of one kind");
                }
                let ty = self.compare(op, cond, left, right, span);
                self.expect(&ty, &[super::types::BOOL], condition.span, "");
                self.jump_if(&mut end, cond, span);
                Some((left, right))
            }
            None => {
                let (cond, ty) = self.any(condition);
                self.expect(&ty, &[super::types::BOOL], condition.span, "");
                self.jump_if(&mut end, cond, span);
                None
            }
        };
        let pair = self.window(2, span);
        let second = pair.wrapping_add(1);
        self.load(&Val::Text(text.as_str().into()), pair, span);
        if let Some((left, right)) = sides {
            for (word, side) in [(", left: ", left), (", right: ", right)] {
                self.load(&Val::text(word), second, span);
                self.emit(Op::Builtin { dst: pair, start: pair, which: Builtin::Concat }, span);
                self.emit(Op::Move { dst: second, src: side }, span);
                self.emit(Op::Builtin { dst: second, start: second, which: Builtin::Text }, span);
                self.emit(Op::Builtin { dst: pair, start: pair, which: Builtin::Concat }, span);
            }
        }
        self.emit(Op::Instr { dst: pair, start: pair, which: Instr::Raise }, span);
        self.land(end);
        self.release(mark);
        self.unit(dest, span)
    }

    fn compare(&mut self, op: BinaryOp, dst: Reg, a: Reg, b: Reg, span: Span) -> Ty {
        self.emit(
            match op {
                BinaryOp::Eq => Op::Eq { dst, a, b },
                BinaryOp::Ne => Op::Ne { dst, a, b },
                BinaryOp::Lt => Op::Lt { dst, a, b },
                BinaryOp::Le => Op::Le { dst, a, b },
                BinaryOp::Gt => Op::Lt { dst, a: b, b: a },
                BinaryOp::Ge => Op::Le { dst, a: b, b: a },
                _ => return INT,
            },
            span,
        );
        super::types::BOOL
    }

    /// A remark on a value that is thrown away.
    pub fn unused(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Post(_) | ExprKind::Atomic(..) | ExprKind::Retry(..) => self.ignored(expr.span),
            ExprKind::Method(..) | ExprKind::Create { .. } | ExprKind::Bad | ExprKind::Nothing => {}
            _ => {
                let help = "remove it, or give it a name with `let`";
                self.error(Code::UnusedValue, expr.span, "the value is not used", "", help);
            }
        }
    }

    /// A remark on the result of something that can fail, when it is thrown away.
    pub fn ignored(&mut self, span: Span) {
        let help = "look at it (`if !... { }`, `assert ...`), or throw it away on purpose with `let _ = ...`";
        self.error(
            Code::UnusedResult,
            span,
            "the result says whether it worked, and nobody looks",
            "this can be false",
            help,
        );
    }
}

/// Whether the value can be computed into the variable it is assigned to: it reads all of its operands before.
fn direct(value: &Expr) -> bool {
    let simple =
        |expr: &Expr| matches!(expr.kind, ExprKind::Name(_) | ExprKind::Int(_) | ExprKind::Text(_) | ExprKind::Bool(_));
    match &value.kind {
        ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) => false,
        ExprKind::Binary(_, one, two) => simple(one) && simple(two),
        _ => simple(value),
    }
}

const fn span_of(statement: &Stmt) -> Span {
    match statement {
        Stmt::Let { span, .. } | Stmt::Var { span, .. } | Stmt::Assign { span, .. } => *span,
        Stmt::Expr(expr) => expr.span,
    }
}
