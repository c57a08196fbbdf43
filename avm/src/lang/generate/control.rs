//! What steers: conditions, loops, transactions, leaving.

use super::body::{Atomic, Body, Dest, Label, Loop, Role};
use super::types::{BOOL, INT, Ty};
use crate::code::{Builtin, Instr, Op, Reg};
use crate::lang::ast::{Arm, Block, Expr, ExprKind, Pattern, PatternKind};
use crate::lang::codes::Code;
use crate::lang::source::Span;
use crate::lang::walk;
use crate::value::{Kind, Val};

impl Body<'_, '_> {
    pub fn conditional(
        &mut self,
        condition: &Expr,
        then: &Block,
        otherwise: Option<&Block>,
        dest: Dest,
        span: Span,
    ) -> Ty {
        let mark = self.mark();
        let (cond, ty) = self.any(condition);
        self.expect(&ty, &[BOOL], condition.span, " as a condition");
        self.release(mark);
        let (mut not, mut end) = (Label::default(), Label::default());
        self.jump_if_not(&mut not, cond, condition.span);
        let fresh = self.fresh();
        let one = self.block(then, dest);
        let after = self.dead || self.fresh();
        if otherwise.is_some() || dest != Dest::Discard {
            self.jump(&mut end, span);
        }
        self.land(not);
        self.set_fresh(fresh);
        let two = match otherwise {
            Some(otherwise) => self.block(otherwise, dest),
            None => self.unit(dest, span),
        };
        let both = after && (self.dead || self.fresh());
        self.land(end);
        self.set_fresh(both);
        one.join(two)
    }

    pub fn matching(&mut self, value: &Expr, arms: &[Arm], dest: Dest, span: Span) -> Ty {
        let mark = self.mark();
        let (reg, ty) = self.stable(value);
        self.exhaustive(&ty, arms, value.span);
        let mut end = Label::default();
        let mut out = Ty::Never;
        let (before, mut fresh) = (self.fresh(), true);
        let mut caught: Option<Span> = None;
        let dead = self.dead;
        for arm in arms {
            if let Some(first) = caught {
                let error = crate::lang::diagnostic::Diagnostic::new(
                    Code::Shadowed,
                    arm.pattern.span,
                    "this arm is never reached",
                )
                .other(first, "matches everything")
                .help("remove it, or put it before");
                self.g.report(error);
                // One remark is enough.
                self.dead = dead;
            }
            let inner = self.mark();
            self.push_scope();
            self.set_fresh(before);
            let mut next = Label::default();
            self.pattern(&arm.pattern, reg, &ty, &mut next);
            if let Some(guard) = &arm.guard {
                let held = self.mark();
                let (cond, ty) = self.any(guard);
                self.expect(&ty, &[BOOL], guard.span, " as a condition");
                self.release(held);
                self.jump_if_not(&mut next, cond, guard.span);
            } else if walk::catches_all(&arm.pattern) && caught.is_none() {
                caught = Some(arm.pattern.span);
            }
            let found = self.block(&arm.body, dest);
            out = out.join(found);
            fresh &= self.dead || self.fresh();
            self.jump(&mut end, arm.body.span);
            self.pop_scope();
            self.release(inner);
            self.land(next);
        }
        self.emit(Op::NoMatch { src: reg }, span);
        self.dead = true;
        self.land(end);
        self.set_fresh(fresh && before);
        self.release(mark);
        out
    }

    /// Says when a match visibly leaves values out.
    fn exhaustive(&mut self, ty: &Ty, arms: &[Arm], span: Span) {
        let mut patterns = Vec::new();
        for arm in arms.iter().filter(|arm| arm.guard.is_none()) {
            match &arm.pattern.kind {
                PatternKind::Or(parts) => patterns.extend(parts),
                _ => patterns.push(&arm.pattern),
            }
        }
        if patterns.iter().any(|pattern| walk::catches_all(pattern)) {
            return;
        }
        let literal = |wanted: &ExprKind| {
            patterns.iter().any(|pattern| matches!(&pattern.kind, PatternKind::Literal(found) if found.kind == *wanted))
        };
        let of = |test: &dyn Fn(&PatternKind) -> bool| patterns.iter().any(|pattern| test(&pattern.kind));
        let just = of(&|kind| matches!(kind, PatternKind::Just(inner) if walk::catches_all(inner)));
        let some_just = of(&|kind| matches!(kind, PatternKind::Just(_)));
        let nothing = literal(&ExprKind::Nothing);
        let only = |test: &dyn Fn(&PatternKind) -> bool| !patterns.is_empty() && patterns.iter().all(|p| test(&p.kind));
        let missing = if *ty == BOOL
            || only(&|kind| matches!(kind, PatternKind::Literal(e) if matches!(e.kind, ExprKind::Bool(_))))
        {
            [true, false].into_iter().find(|truth| !literal(&ExprKind::Bool(*truth))).map(|truth| truth.to_string())
        } else if matches!(ty, Ty::Option(_)) || (some_just && only(&|kind| matches!(kind, PatternKind::Just(_)))) {
            if !just {
                Some("just _".into())
            } else if !nothing {
                Some("nothing".into())
            } else {
                None
            }
        } else if only(&|kind| {
            matches!(kind, PatternKind::Literal(e)
                if matches!(e.kind, ExprKind::Int(_) | ExprKind::Text(_) | ExprKind::Bytes(_)))
        }) {
            Some("_".into())
        } else if only(&|kind| matches!(kind, PatternKind::List(..))) {
            self.lists_missing(&patterns)
        } else if arms.is_empty() {
            Some("_".to_owned())
        } else {
            None
        };
        if let Some(missing) = missing {
            let what = format!("the match does not cover `{missing}`");
            let help = format!("add an arm `{missing} => ...`");
            self.error(Code::NotExhaustive, span, what, "values that no arm matches end the program", &help);
        }
    }

    /// Lists that patterns of lists only leave out: a length that no pattern takes.
    fn lists_missing(&self, patterns: &[&Pattern]) -> Option<String> {
        let open = patterns.iter().filter_map(|pattern| match &pattern.kind {
            PatternKind::List(parts, Some(_)) if parts.iter().all(walk::catches_all) => Some(parts.len()),
            _ => None,
        });
        let Some(least) = open.min() else { return Some("[..]".into()) };
        let takes = |length: usize| {
            patterns.iter().any(|pattern| {
                matches!(&pattern.kind, PatternKind::List(parts, None)
                    if parts.len() == length && parts.iter().all(walk::catches_all))
            })
        };
        let missing = (0..least).find(|length| !takes(*length))?;
        Some(format!("[{}]", vec!["_"; missing].join(", ")))
    }

    pub fn while_loop(&mut self, condition: &Expr, body: &Block, span: Span) {
        self.stale();
        let head = self.here();
        let mark = self.mark();
        let (cond, ty) = self.any(condition);
        self.expect(&ty, &[BOOL], condition.span, " as a condition");
        self.release(mark);
        self.loops.push(Loop { atomics: self.atomics.len(), ..Loop::default() });
        let mut out = Label::default();
        self.jump_if_not(&mut out, cond, condition.span);
        self.block(body, Dest::Discard);
        let Loop { end, next, .. } = self.loops.pop().unwrap_or_default();
        self.land(next);
        self.jump_back(head, span);
        self.land(out);
        self.land(end);
        self.stale();
    }

    pub fn for_loop(&mut self, pattern: &Pattern, list: &Expr, body: &Block, span: Span) {
        self.loops.push(Loop { atomics: self.atomics.len(), ..Loop::default() });
        let out = self.each(list, span, |this, item, ty| {
            this.push_scope();
            let mut fail = Label::default();
            this.pattern(pattern, item, ty, &mut fail);
            this.block(body, Dest::Discard);
            this.pop_scope();
            let next = this.loops.last_mut().map(|inner| std::mem::take(&mut inner.next)).unwrap_or_default();
            this.fail_here(fail, item, pattern.span);
            this.land(next);
        });
        let Loop { end, .. } = self.loops.pop().unwrap_or_default();
        self.land(out);
        self.land(end);
    }

    /// What does not match ends the program.
    pub fn fail_here(&mut self, fail: Label, src: Reg, span: Span) {
        let dead = self.dead;
        let mut over = Label::default();
        let at = self.code.len();
        self.jump(&mut over, span);
        self.dead = true;
        self.land(fail);
        if self.dead {
            self.code.truncate(at);
            self.spans.truncate(at);
            self.dead = dead;
            return;
        }
        self.emit(Op::NoMatch { src }, span);
        self.dead = true;
        self.land(over);
    }

    pub fn leaves_loop(&mut self, breaks: bool, span: Span) -> Ty {
        let word = if breaks { "break" } else { "continue" };
        let Some(mut inner) = self.loops.pop() else {
            let help = "loops are `for` and `while`; a closure inside a loop is outside of it";
            self.error(Code::OutsideLoop, span, format!("`{word}` outside of a loop"), "", help);
            return Ty::Never;
        };
        if inner.atomics != self.atomics.len() {
            self.leaves_atomic(word, span);
        }
        self.jump(if breaks { &mut inner.end } else { &mut inner.next }, span);
        self.loops.push(inner);
        Ty::Never
    }

    fn leaves_atomic(&mut self, word: &str, span: Span) {
        let help = "leave the block with `abort`, or let it run to its end, and look at what it gives";
        self.error(
            Code::LeavesAtomic,
            span,
            format!("`{word}` would leave an `atomic` block"),
            "the transaction would stay open",
            help,
        );
    }

    pub fn returns(&mut self, value: Option<&Expr>, span: Span) -> Ty {
        if !self.atomics.is_empty() {
            self.leaves_atomic("return", span);
        }
        if self.inlined > 0 || self.role == Role::Closure {
            let help = "the value of a closure is its last expression; use `if` and `else`";
            self.error(Code::ReturnInClosure, span, "`return` inside a closure", "", help);
            return Ty::Never;
        }
        match value {
            Some(value) => drop(self.expr(value, Dest::Return)),
            None => drop(self.unit(Dest::Return, span)),
        }
        self.dead = true;
        Ty::Never
    }

    pub fn refuses(&mut self, rejects: bool, span: Span) -> Ty {
        let word = if rejects { "reject" } else { "decline" };
        if self.role != Role::Handler {
            let help = "only a behaviour's handler can refuse a message; elsewhere use `raise` or give `nothing`";
            self.error(Code::OutsideHandler, span, format!("`{word}` outside of a handler"), "", help);
            return Ty::Never;
        }
        if !rejects && !self.atomics.is_empty() {
            self.leaves_atomic(word, span);
        }
        let mark = self.mark();
        let reg = self.temp(span);
        if rejects {
            self.emit(Op::Instr { dst: reg, start: reg, which: Instr::Reject }, span);
        } else {
            self.emit(Op::List { dst: reg, start: reg, count: 0 }, span);
        }
        self.emit(Op::Return { src: reg }, span);
        self.release(mark);
        self.dead = true;
        Ty::Never
    }

    pub fn abort(&mut self, span: Span) -> Ty {
        let Some(mut atomic) = self.atomics.pop() else {
            let help =
                "`abort` leaves the innermost `atomic` block; a transaction of `beginTx` is ended by `abortTx(t)`";
            self.error(Code::OutsideAtomic, span, "`abort` outside of an `atomic` block", "", help);
            return Ty::Never;
        };
        self.jump(&mut atomic.aborted, span);
        self.atomics.push(atomic);
        Ty::Never
    }

    /// `atomic c { }`: gives whether it was committed.
    pub fn atomic(&mut self, controller: Option<&Expr>, body: &Block, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let tx = self.temp(span);
        match controller {
            Some(controller) => drop(self.instr_on(Instr::BeginTx, &[controller], Dest::To(tx), span)),
            None => {
                let nothing = Expr { kind: ExprKind::Nothing, span, height: 1 };
                self.instr_on(Instr::BeginTx, &[&nothing], Dest::To(tx), span);
            }
        }
        self.atomics.push(Atomic { tx, aborted: Label::default(), chose: false });
        self.block(body, Dest::Discard);
        let Some(atomic) = self.atomics.pop() else { return BOOL };
        let window = self.temp(span);
        let mut end = Label::default();
        self.emit(Op::Move { dst: window, src: atomic.tx }, span);
        self.emit(Op::Instr { dst, start: window, which: Instr::CommitTx }, span);
        self.jump(&mut end, span);
        self.land(atomic.aborted);
        self.emit(Op::Move { dst: window, src: atomic.tx }, span);
        self.emit(Op::Instr { dst: window, start: window, which: Instr::AbortTx }, span);
        self.emit(Op::Bool { dst, truth: false }, span);
        self.land(end);
        self.stale();
        self.release(mark);
        BOOL
    }

    /// `retry n atomic { }`: again, at most `n` times more, until it is committed (`decisions:AVM-23f`).
    pub fn retry(&mut self, times: &Expr, atomic: &Expr, dst: Reg, span: Span) -> Ty {
        let mark = self.mark();
        let left = self.temp(span);
        let ty = self.expr(times, Dest::To(left));
        self.expect(&ty, &[INT], times.span, " as a number of times");
        let (done, more) = (self.temp(span), self.temp(span));
        self.stale();
        let head = self.here();
        let mut end = Label::default();
        self.expr(atomic, Dest::To(done));
        self.jump_if(&mut end, done, span);
        self.emit(Op::Int { dst: more, number: 0 }, span);
        self.emit(Op::Lt { dst: more, a: more, b: left }, span);
        self.emit(Op::AddInt { dst: left, a: left, number: -1 }, span);
        let mut out = Label::default();
        self.jump_if_not(&mut out, more, span);
        self.jump_back(head, span);
        self.land(end);
        self.land(out);
        self.emit(Op::Move { dst, src: done }, span);
        self.release(mark);
        BOOL
    }

    /// Goes over a list or a range; `one` gets each element in a register. Gives the label behind the loop.
    pub fn each(&mut self, list: &Expr, span: Span, one: impl FnOnce(&mut Self, Reg, &Ty)) -> Label {
        let mark = self.mark();
        let item = self.temp(span);
        let (at, end, cond) = (self.temp(span), self.temp(span), self.temp(span));
        let mut out = Label::default();
        let head;
        if let ExprKind::Range { from, to, inclusive } = &list.kind {
            let first = self.expr(from, Dest::To(at));
            let last = self.expr(to, Dest::To(end));
            self.expect(&first, &[INT], from.span, " as a border of a range");
            self.expect(&last, &[INT], to.span, " as a border of a range");
            self.stale();
            head = self.here();
            self.emit(
                if *inclusive { Op::Le { dst: cond, a: at, b: end } } else { Op::Lt { dst: cond, a: at, b: end } },
                span,
            );
            self.jump_if_not(&mut out, cond, span);
            self.emit(Op::Move { dst: item, src: at }, span);
            let bounds = match (first, last) {
                (Ty::Int(low, _), Ty::Int(_, high)) => Ty::Int(low, high),
                _ => INT,
            };
            one(self, item, &bounds);
        } else {
            let values = self.temp(span);
            let found = self.expr(list, Dest::To(values));
            self.expect(&found, &[Ty::of(Kind::List)], list.span, " to go over");
            let pair = self.window(2, span);
            self.emit(Op::Move { dst: pair, src: values }, span);
            self.emit(Op::Builtin { dst: end, start: pair, which: Builtin::Len }, span);
            self.load(&Val::Int(0), at, span);
            self.stale();
            head = self.here();
            self.emit(Op::Lt { dst: cond, a: at, b: end }, span);
            self.jump_if_not(&mut out, cond, span);
            self.emit(Op::Move { dst: pair, src: values }, span);
            self.emit(Op::Move { dst: pair.wrapping_add(1), src: at }, span);
            self.emit(Op::Builtin { dst: item, start: pair, which: Builtin::At }, span);
            one(self, item, &found.element());
        }
        self.emit(Op::AddInt { dst: at, a: at, number: 1 }, span);
        self.jump_back(head, span);
        self.stale();
        self.release(mark);
        out
    }
}
