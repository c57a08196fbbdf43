#[cfg(feature = "z3")]
mod against_z3;
mod hostile;
mod label;
mod model;
mod search;
mod spec;
mod sudoku;

use super::{Constraint, Store};
use crate::id::VarId;
use crate::nondet::tests::deep;
use crate::value::Val;

/// Numbers as values.
fn ints(numbers: impl IntoIterator<Item = i64>) -> Vec<Val> {
    numbers.into_iter().map(Val::from).collect()
}

/// The domain of a variable of numbers.
fn left(store: &Store, var: VarId) -> Vec<i64> {
    let number = |value: &Val| match value {
        Val::Int(number) => *number as i64,
        other => panic!("{other} is no number"),
    };
    store.domain(var).map(number).collect()
}

fn var(store: &mut Store, numbers: impl IntoIterator<Item = i64>) -> VarId {
    store.new_var(&ints(numbers)).expect("within limits")
}

fn post(store: &mut Store, constraint: Constraint) -> bool {
    store.post(constraint).is_ok()
}
