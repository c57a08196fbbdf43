//! Values that are known when the program is compiled.

use std::sync::Arc;

use crate::id::{ControllerId, MachineId, ROOT};
use crate::lang::ast::{Expr, ExprKind};
use crate::value::Val;

/// Longest range that becomes a constant.
const MAX_RANGE: i128 = 1024;
/// Highest tree that becomes a constant.
const MAX_HEIGHT: u16 = 40;

/// The value of an expression that is made of literals only.
pub fn constant(expr: &Expr) -> Option<Val> {
    if expr.height > MAX_HEIGHT {
        return None;
    }
    Some(match &expr.kind {
        ExprKind::Nothing => Val::Nothing,
        ExprKind::Root => Val::Object(ROOT),
        ExprKind::Bool(truth) => Val::Bool(*truth),
        ExprKind::Int(number) => Val::Int(*number),
        ExprKind::Text(text) => Val::Text(text.clone()),
        ExprKind::Bytes(bytes) => Val::Bytes(bytes.clone()),
        ExprKind::Machine(name) => Val::Machine(MachineId::new(name)),
        ExprKind::Controller(name) => Val::Controller(ControllerId::new(name)),
        ExprKind::Just(inner) => Val::just(constant(inner)?),
        ExprKind::Pair(one, two) => Val::pair(constant(one)?, constant(two)?),
        ExprKind::Range { from, to, inclusive } => range(from, to, *inclusive)?,
        ExprKind::List(elements) => {
            let mut out = Vec::with_capacity(elements.len());
            for element in elements {
                let value = constant(&element.value)?;
                let spread = element.spread || matches!(element.value.kind, ExprKind::Range { .. });
                match (spread, value) {
                    (true, Val::List(values)) => out.extend(values),
                    (true, _) => return None,
                    (false, value) => out.push(value),
                }
            }
            Val::List(out)
        }
        ExprKind::Record(fields) => {
            let mut out: Vec<(Arc<str>, Val)> = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                if out.iter().any(|(other, _)| *other == name.text) {
                    return None;
                }
                out.push((name.text.clone(), constant(value)?));
            }
            Val::record(out)
        }
        _ => return None,
    })
}

fn range(from: &Expr, to: &Expr, inclusive: bool) -> Option<Val> {
    let (Val::Int(from), Val::Int(to)) = (constant(from)?, constant(to)?) else { return None };
    let end = if inclusive { to.checked_add(1)? } else { to };
    (end - from <= MAX_RANGE).then(|| Val::List((from..end).map(Val::Int).collect()))
}
