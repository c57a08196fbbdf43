//! Constraints as values of the language: lists that begin with a word (`Instr::Post`).

use super::constraint::Constraint;
use crate::id::VarId;
use crate::value::Val;

const WORDS: &str = "eq, neq, leq, lt, geq, gt, all-diff, val-eq, val-leq, val-lt, val-geq, val-gt, neq-off, eq-off, leq-off, \
                     sum-eq, sum-leq, table or element";

impl Constraint {
    /// The word it begins with as a value.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Eq(..) => "eq",
            Self::Neq(..) => "neq",
            Self::Leq(..) => "leq",
            Self::Lt(..) => "lt",
            Self::Geq(..) => "geq",
            Self::Gt(..) => "gt",
            Self::AllDiff(_) => "all-diff",
            Self::ValEq(..) => "val-eq",
            Self::ValLeq(..) => "val-leq",
            Self::ValLt(..) => "val-lt",
            Self::ValGeq(..) => "val-geq",
            Self::ValGt(..) => "val-gt",
            Self::NeqOff(..) => "neq-off",
            Self::EqOff(..) => "eq-off",
            Self::LeqOff(..) => "leq-off",
            Self::SumEq(..) => "sum-eq",
            Self::SumLeq(..) => "sum-leq",
            Self::Table(..) => "table",
            Self::Element { .. } => "element",
        }
    }

    /// As a value: `["leq", v1, v2]`, `["val-eq", v1, 5]`, `["neq-off", v1, v2, 3]`, `["all-diff", [v1, v2]]`,
    /// `["sum-eq", [[2, v1], [-1, v2]], 7]`, `["table", [v1, v2], [[1, 2], [3, 4]]]`, `["element", [10, 20], v1, v2]`.
    #[must_use]
    pub fn to_val(&self) -> Val {
        let var = |v: &VarId| Val::Var(*v);
        let vars = |list: &[VarId]| Val::List(list.iter().map(var).collect());
        let mut parts = vec![Val::text(self.word())];
        match self {
            Self::Eq(x, y) | Self::Neq(x, y) | Self::Leq(x, y) | Self::Lt(x, y) | Self::Geq(x, y) | Self::Gt(x, y) => {
                parts.extend([var(x), var(y)]);
            }
            Self::AllDiff(list) => parts.push(vars(list)),
            Self::ValEq(x, a) | Self::ValLeq(x, a) | Self::ValLt(x, a) | Self::ValGeq(x, a) | Self::ValGt(x, a) => {
                parts.extend([var(x), a.clone()]);
            }
            Self::NeqOff(x, y, k) | Self::EqOff(x, y, k) | Self::LeqOff(x, y, k) => {
                parts.extend([var(x), var(y), Val::from(*k)]);
            }
            Self::SumEq(terms, total) | Self::SumLeq(terms, total) => {
                let term = |(factor, v): &(i64, VarId)| Val::List(vec![Val::from(*factor), var(v)]);
                parts.extend([Val::List(terms.iter().map(term).collect()), Val::from(*total)]);
            }
            Self::Table(list, rows) => {
                parts.extend([vars(list), Val::List(rows.iter().cloned().map(Val::List).collect())]);
            }
            Self::Element { list, index, value } => parts.extend([Val::List(list.clone()), var(index), var(value)]),
        }
        Val::List(parts)
    }

    /// From a value as [`Self::to_val`] makes it.
    ///
    /// # Errors
    /// A text that says what was expected.
    pub fn from_val(value: &Val) -> Result<Self, String> {
        let Val::List(parts) = value else {
            return Err(format!(
                "expected a list that begins with {WORDS}, found a value of kind {}",
                value.kind().word()
            ));
        };
        let Some((Val::Text(word), rest)) = parts.split_first() else {
            return Err(format!("expected a list that begins with {WORDS}"));
        };
        match &**word {
            "eq" => pair(word, rest).map(|(x, y)| Self::Eq(x, y)),
            "neq" => pair(word, rest).map(|(x, y)| Self::Neq(x, y)),
            "leq" => pair(word, rest).map(|(x, y)| Self::Leq(x, y)),
            "lt" => pair(word, rest).map(|(x, y)| Self::Lt(x, y)),
            "geq" => pair(word, rest).map(|(x, y)| Self::Geq(x, y)),
            "gt" => pair(word, rest).map(|(x, y)| Self::Gt(x, y)),
            "val-eq" => bound(word, rest).map(|(x, a)| Self::ValEq(x, a)),
            "val-leq" => bound(word, rest).map(|(x, a)| Self::ValLeq(x, a)),
            "val-lt" => bound(word, rest).map(|(x, a)| Self::ValLt(x, a)),
            "val-geq" => bound(word, rest).map(|(x, a)| Self::ValGeq(x, a)),
            "val-gt" => bound(word, rest).map(|(x, a)| Self::ValGt(x, a)),
            "neq-off" => offset(word, rest).map(|(x, y, k)| Self::NeqOff(x, y, k)),
            "eq-off" => offset(word, rest).map(|(x, y, k)| Self::EqOff(x, y, k)),
            "leq-off" => offset(word, rest).map(|(x, y, k)| Self::LeqOff(x, y, k)),
            "sum-eq" => sum(word, rest).map(|(terms, total)| Self::SumEq(terms, total)),
            "sum-leq" => sum(word, rest).map(|(terms, total)| Self::SumLeq(terms, total)),
            "all-diff" => match rest {
                [list] => variables(word, list).map(Self::AllDiff),
                _ => Err(shape(word, "a list of variables")),
            },
            "table" => match rest {
                [list, Val::List(rows)] => {
                    let list = variables(word, list)?;
                    let rows = rows.iter().map(|row| row_of(row, list.len())).collect::<Result<_, _>>()?;
                    Ok(Self::Table(list, rows))
                }
                _ => Err(shape(word, "a list of variables and a list of rows")),
            },
            "element" => match rest {
                [Val::List(list), Val::Var(index), Val::Var(value)] => {
                    Ok(Self::Element { list: list.clone(), index: *index, value: *value })
                }
                _ => Err(shape(word, "a list of values, an index variable and a value variable")),
            },
            other => Err(format!("no constraint is called {other:?}: expected {WORDS}")),
        }
    }
}

fn shape(word: &str, expected: &str) -> String {
    format!("{word} expects {expected}")
}

fn pair(word: &str, rest: &[Val]) -> Result<(VarId, VarId), String> {
    match rest {
        [Val::Var(x), Val::Var(y)] => Ok((*x, *y)),
        _ => Err(shape(word, "two variables")),
    }
}

fn bound(word: &str, rest: &[Val]) -> Result<(VarId, Val), String> {
    match rest {
        [Val::Var(x), a] => Ok((*x, a.clone())),
        _ => Err(shape(word, "a variable and a value")),
    }
}

fn offset(word: &str, rest: &[Val]) -> Result<(VarId, VarId, i64), String> {
    match rest {
        [Val::Var(x), Val::Var(y), k] => Ok((*x, *y, number(word, k)?)),
        _ => Err(shape(word, "two variables and a number")),
    }
}

fn number(word: &str, value: &Val) -> Result<i64, String> {
    match value {
        Val::Int(number) => i64::try_from(*number).ok(),
        _ => None,
    }
    .ok_or_else(|| shape(word, "numbers from -2^63 to 2^63 - 1"))
}

fn sum(word: &str, rest: &[Val]) -> Result<(Vec<(i64, VarId)>, i64), String> {
    let expected = || shape(word, "a list of [factor, variable] and a number");
    let [Val::List(terms), total] = rest else { return Err(expected()) };
    let term = |term: &Val| match term {
        Val::List(parts) => match &parts[..] {
            [factor, Val::Var(v)] => Ok((number(word, factor)?, *v)),
            _ => Err(expected()),
        },
        _ => Err(expected()),
    };
    Ok((terms.iter().map(term).collect::<Result<_, _>>()?, number(word, total)?))
}

fn variables(word: &str, value: &Val) -> Result<Vec<VarId>, String> {
    let expected = || shape(word, "a list of variables");
    let Val::List(items) = value else { return Err(expected()) };
    items.iter().map(|item| if let Val::Var(v) = item { Ok(*v) } else { Err(expected()) }).collect()
}

fn row_of(value: &Val, width: usize) -> Result<Vec<Val>, String> {
    match value {
        Val::List(row) if row.len() == width => Ok(row.clone()),
        Val::List(row) => Err(format!("table expects rows of {width} values, found one of {}", row.len())),
        _ => Err(shape("table", "rows that are lists of values")),
    }
}
