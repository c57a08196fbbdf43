//! Whether constraints hold once every variable has a value (`avm:8.2`): the oracle of propagation and of the solvers.

use std::cmp::Ordering;

use crate::fd::Constraint;
use crate::id::VarId;
use crate::value::Val;

/// Whether a constraint holds; `value` gives the value of a variable. A variable without value makes it false. Order between
/// values that cannot be compared is false; offsets and sums are of numbers of any size, and false for anything else, except that
/// what is no number differs from every number.
pub(crate) fn holds<'v>(constraint: &Constraint, value: &impl Fn(VarId) -> Option<&'v Val>) -> bool {
    known(constraint, value).unwrap_or(false)
}

fn known<'v>(constraint: &Constraint, value: &impl Fn(VarId) -> Option<&'v Val>) -> Option<bool> {
    let order = |x: &Val, y: &Val, f: fn(Ordering) -> bool| x.compare(y).is_some_and(f);
    let offset = |x: VarId, y: VarId, k: i64| -> Option<Option<Ordering>> {
        Some(match (value(x)?, value(y)?) {
            (Val::Int(x), Val::Int(y)) => Some(x.cmp(&(y + i128::from(k)))),
            _ => None,
        })
    };
    Some(match constraint {
        Constraint::Eq(x, y) => value(*x)? == value(*y)?,
        Constraint::Neq(x, y) => value(*x)? != value(*y)?,
        Constraint::Leq(x, y) => order(value(*x)?, value(*y)?, Ordering::is_le),
        Constraint::Lt(x, y) => order(value(*x)?, value(*y)?, Ordering::is_lt),
        Constraint::Geq(x, y) => order(value(*x)?, value(*y)?, Ordering::is_ge),
        Constraint::Gt(x, y) => order(value(*x)?, value(*y)?, Ordering::is_gt),
        Constraint::AllDiff(vars) => {
            let values = vars.iter().map(|x| value(*x)).collect::<Option<Vec<_>>>()?;
            let mut seen = crate::fixed::FixedSet::default();
            values.into_iter().all(|value| seen.insert(value))
        }
        Constraint::ValEq(x, a) => value(*x)? == a,
        Constraint::ValLeq(x, a) => order(value(*x)?, a, Ordering::is_le),
        Constraint::ValLt(x, a) => order(value(*x)?, a, Ordering::is_lt),
        Constraint::ValGeq(x, a) => order(value(*x)?, a, Ordering::is_ge),
        Constraint::ValGt(x, a) => order(value(*x)?, a, Ordering::is_gt),
        Constraint::NeqOff(x, y, k) => offset(*x, *y, *k)? != Some(Ordering::Equal),
        Constraint::EqOff(x, y, k) => offset(*x, *y, *k)? == Some(Ordering::Equal),
        Constraint::LeqOff(x, y, k) => offset(*x, *y, *k)?.is_some_and(Ordering::is_le),
        Constraint::SumEq(terms, total) => sum_against(terms, *total, value)? == Some(Ordering::Equal),
        Constraint::SumLeq(terms, total) => sum_against(terms, *total, value)?.is_some_and(Ordering::is_le),
        Constraint::Table(vars, rows) => {
            let values = vars.iter().map(|x| value(*x)).collect::<Option<Vec<_>>>()?;
            rows.iter().any(|row| row.len() == values.len() && row.iter().zip(&values).all(|(a, b)| a == *b))
        }
        Constraint::Element { list, index, value: wanted } => match value(*index)? {
            Val::Int(at) => {
                let wanted = value(*wanted)?;
                usize::try_from(*at).ok().and_then(|at| list.get(at)).is_some_and(|have| have == wanted)
            }
            _ => false,
        },
    })
}

/// Order of a sum and its total; the inner `None` when something is no number. Two halves, so that no sum is too large.
fn sum_against<'v>(
    terms: &[(i64, VarId)],
    total: i64,
    value: &impl Fn(VarId) -> Option<&'v Val>,
) -> Option<Option<Ordering>> {
    let (mut high, mut low) = (0i128, 0i128);
    let half = i128::from(u64::MAX);
    for (factor, var) in terms {
        let Val::Int(number) = value(*var)? else { return Some(None) };
        let term = i128::from(*factor) * number;
        high += term >> 64;
        low += term & half;
    }
    high += low >> 64;
    let total = i128::from(total);
    Some(Some((high, low & half).cmp(&(total >> 64, total & half))))
}
