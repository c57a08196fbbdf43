//! Going over a tree.

use super::ast::{Arm, Block, Expr, ExprKind, Pattern, PatternKind, Posted, Stmt};

/// The expressions directly below an expression.
pub fn children(kind: &ExprKind, see: &mut dyn FnMut(&Expr)) {
    match kind {
        ExprKind::Just(one)
        | ExprKind::Unary(_, one)
        | ExprKind::Field(one, _)
        | ExprKind::Word(_, one)
        | ExprKind::Assert(one) => see(one),
        ExprKind::Pair(one, two)
        | ExprKind::Binary(_, one, two)
        | ExprKind::Index(one, two)
        | ExprKind::Prefer(one, two)
        | ExprKind::Retry(one, two)
        | ExprKind::Message { target: one, message: two, .. }
        | ExprKind::Range { from: one, to: two, .. } => {
            see(one);
            see(two);
        }
        ExprKind::List(elements) => elements.iter().for_each(|element| see(&element.value)),
        ExprKind::Record(fields) => fields.iter().for_each(|(_, value)| see(value)),
        ExprKind::Call(callee, args) => {
            see(callee);
            args.iter().for_each(see);
        }
        ExprKind::Method(target, _, args) => {
            see(target);
            args.iter().for_each(see);
        }
        ExprKind::Create { at, .. } => at.iter().for_each(|at| see(at)),
        ExprKind::RequireOrder(calls, name) => {
            calls.iter().for_each(&mut *see);
            name.iter().for_each(|name| see(name));
        }
        ExprKind::Require(condition, name) => {
            see(condition);
            name.iter().for_each(|name| see(name));
        }
        ExprKind::Post(posted) => posted_children(posted, see),
        ExprKind::Return(value) => value.iter().for_each(|value| see(value)),
        _ => with_blocks(kind, see),
    }
}

fn with_blocks(kind: &ExprKind, see: &mut dyn FnMut(&Expr)) {
    match kind {
        ExprKind::If { condition, then, otherwise } => {
            see(condition);
            block(then, see);
            otherwise.iter().for_each(|otherwise| block(otherwise, see));
        }
        ExprKind::Match(value, arms) => {
            see(value);
            for Arm { guard, body, .. } in arms {
                guard.iter().for_each(&mut *see);
                block(body, see);
            }
        }
        ExprKind::For { list, body, .. } => {
            see(list);
            block(body, see);
        }
        ExprKind::While(condition, body) => {
            see(condition);
            block(body, see);
        }
        ExprKind::Block(body) | ExprKind::Lambda(_, body) => block(body, see),
        ExprKind::Atomic(controller, body) => {
            controller.iter().for_each(|controller| see(controller));
            block(body, see);
        }
        _ => {}
    }
}

fn posted_children(posted: &Posted, see: &mut dyn FnMut(&Expr)) {
    match posted {
        Posted::AllDifferent(list) => see(list),
        Posted::Compare(_, one, two) | Posted::Sum(_, one, two) | Posted::Table(one, two) => {
            see(one);
            see(two);
        }
        Posted::Element(list, index, value) => [list, index, value].into_iter().for_each(see),
    }
}

/// The expressions directly in a block.
pub fn block(block: &Block, see: &mut dyn FnMut(&Expr)) {
    for statement in &block.statements {
        match statement {
            Stmt::Let { value, .. }
            | Stmt::Var { domain: value, .. }
            | Stmt::Assign { value, .. }
            | Stmt::Expr(value) => {
                see(value);
            }
        }
    }
}

/// An expression and all below it.
pub fn all(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    children(&expr.kind, &mut |child| all(child, see));
}

/// All expressions of a block.
pub fn all_of(body: &Block, see: &mut dyn FnMut(&Expr)) {
    block(body, &mut |expr| all(expr, see));
}

/// All names that a block assigns to.
pub fn assigned(body: &Block, see: &mut dyn FnMut(&str)) {
    let mut blocks = |statements: &[Stmt]| {
        for statement in statements {
            if let Stmt::Assign { name, .. } = statement {
                see(&name.text);
            }
        }
    };
    blocks(&body.statements);
    all_of(body, &mut |expr| match &expr.kind {
        ExprKind::If { then, otherwise, .. } => {
            blocks(&then.statements);
            otherwise.iter().for_each(|otherwise| blocks(&otherwise.statements));
        }
        ExprKind::Match(_, arms) => arms.iter().for_each(|arm| blocks(&arm.body.statements)),
        ExprKind::For { body, .. }
        | ExprKind::While(_, body)
        | ExprKind::Block(body)
        | ExprKind::Atomic(_, body)
        | ExprKind::Lambda(_, body) => blocks(&body.statements),
        _ => {}
    });
}

/// Whether a pattern matches everything.
pub fn catches_all(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Any | PatternKind::Bind(_, None) => true,
        PatternKind::Or(parts) => parts.iter().any(catches_all),
        _ => false,
    }
}
