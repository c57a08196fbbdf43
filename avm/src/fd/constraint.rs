//! What may be posted (`avm:8.2`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::VarId;
use crate::value::Val;

/// A constraint over variables. The first twelve are the specified ones; those after `ValGt` are ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Constraint {
    Eq(VarId, VarId),
    Neq(VarId, VarId),
    /// x <= y.
    Leq(VarId, VarId),
    Lt(VarId, VarId),
    Geq(VarId, VarId),
    Gt(VarId, VarId),
    AllDiff(Vec<VarId>),
    ValEq(VarId, Val),
    ValLeq(VarId, Val),
    ValLt(VarId, Val),
    ValGeq(VarId, Val),
    ValGt(VarId, Val),
    /// x != y + k.
    NeqOff(VarId, VarId, i64),
    /// x == y + k.
    EqOff(VarId, VarId, i64),
    /// x <= y + k.
    LeqOff(VarId, VarId, i64),
    /// Sum of factor times variable == constant; bounds consistent.
    SumEq(Vec<(i64, VarId)>, i64),
    /// Sum of factor times variable <= constant.
    SumLeq(Vec<(i64, VarId)>, i64),
    /// The tuple of the variables is one of the rows.
    Table(Vec<VarId>, Vec<Vec<Val>>),
    /// list[index] == value, index from 0.
    Element {
        list: Vec<Val>,
        index: VarId,
        value: VarId,
    },
}

impl Constraint {
    /// Its variables, in order of mention.
    #[must_use]
    pub fn vars(&self) -> Vec<VarId> {
        match self {
            Self::Eq(x, y) | Self::Neq(x, y) | Self::Leq(x, y) | Self::Lt(x, y) | Self::Geq(x, y) | Self::Gt(x, y) => {
                vec![*x, *y]
            }
            Self::NeqOff(x, y, _) | Self::EqOff(x, y, _) | Self::LeqOff(x, y, _) => vec![*x, *y],
            Self::AllDiff(vars) | Self::Table(vars, _) => vars.clone(),
            Self::ValEq(x, _) | Self::ValLeq(x, _) | Self::ValLt(x, _) | Self::ValGeq(x, _) | Self::ValGt(x, _) => {
                vec![*x]
            }
            Self::SumEq(terms, _) | Self::SumLeq(terms, _) => terms.iter().map(|(_, var)| *var).collect(),
            Self::Element { index, value, .. } => vec![*index, *value],
        }
    }
}

impl fmt::Display for Constraint {
    /// `v1 != v2 + 1`, `all-different [v1, v2]`, `2*v1 + -1*v2 == 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = |f: &mut fmt::Formatter<'_>, x: &VarId, word: &str, y: &VarId, k: i64| {
            write!(f, "v{} {word} v{}", x.0, y.0)?;
            match k {
                0 => Ok(()),
                k if k < 0 => write!(f, " - {}", k.unsigned_abs()),
                k => write!(f, " + {k}"),
            }
        };
        let list = |vars: &[VarId]| vars.iter().map(|v| format!("v{}", v.0)).collect::<Vec<_>>().join(", ");
        let sum = |terms: &[(i64, VarId)]| {
            terms.iter().map(|(factor, v)| format!("{factor}*v{}", v.0)).collect::<Vec<_>>().join(" + ")
        };
        match self {
            Self::Eq(x, y) => offset(f, x, "==", y, 0),
            Self::Neq(x, y) => offset(f, x, "!=", y, 0),
            Self::Leq(x, y) => offset(f, x, "<=", y, 0),
            Self::Lt(x, y) => offset(f, x, "<", y, 0),
            Self::Geq(x, y) => offset(f, x, ">=", y, 0),
            Self::Gt(x, y) => offset(f, x, ">", y, 0),
            Self::AllDiff(vars) => write!(f, "all-different [{}]", list(vars)),
            Self::ValEq(x, value) => write!(f, "v{} == {value}", x.0),
            Self::ValLeq(x, value) => write!(f, "v{} <= {value}", x.0),
            Self::ValLt(x, value) => write!(f, "v{} < {value}", x.0),
            Self::ValGeq(x, value) => write!(f, "v{} >= {value}", x.0),
            Self::ValGt(x, value) => write!(f, "v{} > {value}", x.0),
            Self::NeqOff(x, y, k) => offset(f, x, "!=", y, *k),
            Self::EqOff(x, y, k) => offset(f, x, "==", y, *k),
            Self::LeqOff(x, y, k) => offset(f, x, "<=", y, *k),
            Self::SumEq(terms, total) => write!(f, "{} == {total}", sum(terms)),
            Self::SumLeq(terms, total) => write!(f, "{} <= {total}", sum(terms)),
            Self::Table(vars, rows) => write!(f, "table [{}] of {} rows", list(vars), rows.len()),
            Self::Element { list, index, value } => write!(f, "{:?}[v{}] == v{}", list, index.0, value.0),
        }
    }
}
