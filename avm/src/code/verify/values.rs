//! Constants: numbers in range, records in order, bounded in depth and number.

use super::{Check, Problem};
use crate::code::limits;
use crate::value::{INT_MAX, INT_MIN, Val};

impl Check<'_> {
    /// Every constant.
    pub(super) fn values(&mut self) {
        let mut left = limits::VALUES;
        for (k, constant) in self.module.constants.iter().enumerate() {
            if let Err(what) = value(constant, limits::VALUE_DEPTH, &mut left) {
                self.wrong(Problem::Value { k, what });
            }
            if self.full() || left == 0 {
                return;
            }
        }
    }
}

/// Whether a value is one that the machine could have made, nested no deeper than `depth` and of no more than `left` values,
/// which is lowered by what it holds.
///
/// # Errors
/// What is wrong with it.
pub(in crate::code) fn value(value: &Val, depth: usize, left: &mut usize) -> Result<(), &'static str> {
    let Some(depth) = depth.checked_sub(1) else { return Err("nested deeper than 48 levels") };
    *left = left.checked_sub(1).filter(|left| *left > 0).ok_or("more than 1048576 values in constants")?;
    let mut inner = |one: &Val| self::value(one, depth, left);
    match value {
        Val::Int(number) if !(INT_MIN..=INT_MAX).contains(number) => Err("a number outside -2^63 to 2^64 - 1"),
        Val::Just(one) => inner(one),
        Val::List(values) => values.iter().try_for_each(inner),
        Val::Pair(both) => inner(&both.0).and_then(|()| inner(&both.1)),
        Val::Record(fields) => {
            if fields.windows(2).any(|two| two[0].0 >= two[1].0) {
                return Err("fields of a record that are not ascending, each once");
            }
            fields.iter().try_for_each(|(_, one)| inner(one))
        }
        _ => Ok(()),
    }
}
