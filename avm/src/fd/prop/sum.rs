//! Linear sums, bounds consistent: a value stays when it lies between what the least and the greatest numbers of the others allow.

use super::binary::{at_least, at_most};
use crate::fd::domains::{Domains, Fail};

/// Sum of factor times variable == total, or <= total.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Sum {
    terms: Vec<(i128, u32)>,
    total: i128,
    exact: bool,
}

impl Sum {
    /// Terms of one variable are added together, those that cancel out are left away. `None`: a sum could leave 127 bits.
    pub(super) fn new(domains: &Domains, terms: &[(i64, u32)], total: i64, exact: bool) -> Option<Self> {
        let mut merged: Vec<(i128, u32)> = Vec::with_capacity(terms.len());
        let mut sorted: Vec<(i64, u32)> = terms.to_vec();
        sorted.sort_unstable_by_key(|(_, slot)| *slot);
        for (factor, slot) in sorted {
            match merged.last_mut().filter(|last| last.1 == slot) {
                Some(last) => last.0 = last.0.checked_add(factor.into())?,
                None => merged.push((factor.into(), slot)),
            }
        }
        merged.retain(|(factor, _)| *factor != 0);
        let mut reach = i128::from(total).checked_abs()?;
        for (factor, slot) in &merged {
            let universe = domains.universe(*slot);
            let most = (0..universe.len()).filter_map(|place| universe.number(place)).map(i128::unsigned_abs).max();
            let part = factor.unsigned_abs().checked_mul(most.unwrap_or(0))?;
            // Twice: differences of bounds are taken.
            reach = reach.checked_add(i128::try_from(part).ok()?.checked_mul(2)?)?;
        }
        Some(Self { terms: merged, total: total.into(), exact })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.terms.iter().map(|(_, slot)| *slot)
    }

    pub(super) fn run(&self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        loop {
            let before = domains.trail.len();
            let (mut low, mut high) = (0, 0);
            for (factor, slot) in &self.terms {
                let (least, most) = part(domains, *factor, *slot);
                low += least;
                high += most;
            }
            if low > self.total || self.exact && high < self.total {
                return Err(Fail(cause));
            }
            for (factor, slot) in &self.terms {
                self.cut(domains, *factor, *slot, self.total - low, high - self.total, cause)?;
            }
            if domains.trail.len() == before {
                return Ok(());
            }
        }
    }

    /// Cuts one variable: its part may exceed its least by `above`, and fall short of its greatest by `below`. Both were computed
    /// before this pass; what changed since is seen in the next.
    fn cut(&self, d: &mut Domains, factor: i128, slot: u32, above: i128, below: i128, cause: u32) -> Result<(), Fail> {
        let (least, most) = part(d, factor, slot);
        if most - least > above {
            let limit = least + above;
            match factor > 0 {
                true => at_most(d, slot, floor(limit, factor), cause)?,
                false => at_least(d, slot, ceiling(limit, factor), cause)?,
            }
        }
        if self.exact && most - least > below {
            let limit = most - below;
            match factor > 0 {
                true => at_least(d, slot, ceiling(limit, factor), cause)?,
                false => at_most(d, slot, floor(limit, factor), cause)?,
            }
        }
        Ok(())
    }
}

fn part(domains: &Domains, factor: i128, slot: u32) -> (i128, i128) {
    let (least, most) = domains.bounds(slot);
    match factor > 0 {
        true => (factor * least, factor * most),
        false => (factor * most, factor * least),
    }
}

/// Greatest number not above the quotient.
fn floor(number: i128, by: i128) -> i128 {
    let (quotient, rest) = (number / by, number % by);
    if rest != 0 && (rest < 0) != (by < 0) { quotient - 1 } else { quotient }
}

/// Least number not below the quotient.
fn ceiling(number: i128, by: i128) -> i128 {
    let (quotient, rest) = (number / by, number % by);
    if rest != 0 && (rest < 0) == (by < 0) { quotient + 1 } else { quotient }
}
