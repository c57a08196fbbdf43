//! Equality and order of two variables by supports.

use std::cmp::Ordering;

use crate::fd::domains::{Domains, Fail};
use crate::fd::universe::{Map, Universe};

/// x is y, or y plus a constant.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Equal {
    pub(in crate::fd) x: u32,
    pub(in crate::fd) y: u32,
    to_y: Map,
    to_x: Map,
}

impl Equal {
    pub(super) fn new(domains: &Domains, x: u32, y: u32, k: Option<i64>) -> Self {
        let (one, two) = (domains.universe(x), domains.universe(y));
        let k = k.map(i128::from);
        Self { x, y, to_y: Map::between(one, two, k.map(|k| -k)), to_x: Map::between(two, one, k) }
    }

    pub(super) fn run(&self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        let (x, y) = (self.x, self.y);
        let (x_len, y_len) = (domains.len(x), domains.len(y));
        domains.filter(x, cause, |d, place| self.to_y.get(place, y_len).is_some_and(|there| d.has(y, there)))?;
        domains.filter(y, cause, |d, place| self.to_x.get(place, x_len).is_some_and(|there| d.has(x, there)))
    }
}

/// x <= y + k over numbers.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Order {
    pub(in crate::fd) x: u32,
    pub(in crate::fd) y: u32,
    pub(super) k: i128,
}

impl Order {
    pub(super) fn run(&self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        let (x_least, x_most) = domains.bounds(self.x);
        let (y_least, y_most) = domains.bounds(self.y);
        // The ends stay what they are in every case but failure: each side is cut by the far end of the other.
        let ceiling = y_most.saturating_add(self.k);
        if x_most > ceiling {
            at_most(domains, self.x, ceiling, cause)?;
        }
        let floor = x_least.saturating_sub(self.k);
        if y_least < floor {
            at_least(domains, self.y, floor, cause)?;
        }
        Ok(())
    }
}

/// Takes out the numbers above `limit` and whatever is no number.
pub(super) fn at_most(domains: &mut Domains, slot: u32, limit: i128, cause: u32) -> Result<(), Fail> {
    let numbers = domains.universe(slot).ascending().then(|| domains.universe(slot).numbers());
    match numbers.map(|numbers| numbers.partition_point(|number| *number <= limit)) {
        Some(end) => keep_range(domains, slot, 0, end, cause),
        None => domains.filter(slot, cause, |d, place| d.universe(slot).number(place).is_some_and(|n| n <= limit)),
    }
}

/// Takes out the numbers below `limit` and whatever is no number.
pub(super) fn at_least(domains: &mut Domains, slot: u32, limit: i128, cause: u32) -> Result<(), Fail> {
    let numbers = domains.universe(slot).ascending().then(|| domains.universe(slot).numbers());
    match numbers.map(|numbers| numbers.partition_point(|number| *number < limit)) {
        Some(start) => keep_range(domains, slot, start, usize::MAX, cause),
        None => domains.filter(slot, cause, |d, place| d.universe(slot).number(place).is_some_and(|n| n >= limit)),
    }
}

/// Leaves the places from `start` to before `end`.
fn keep_range(domains: &mut Domains, slot: u32, start: usize, end: usize, cause: u32) -> Result<(), Fail> {
    let low = |limit: usize, word: usize| match limit.saturating_sub(word * 64) {
        over if over >= 64 => u64::MAX,
        count => (1 << count) - 1,
    };
    for word in 0..domains.bits(slot).len() {
        let mask = low(end, word) & !low(start, word);
        let bits = domains.bits(slot)[word];
        domains.keep(slot, word, bits & mask, cause)?;
    }
    Ok(())
}

/// A relation written out: for every place of the one variable the places of the other that go with it.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Pairs {
    pub(in crate::fd) x: u32,
    pub(in crate::fd) y: u32,
    of_x: Vec<u64>,
    of_y: Vec<u64>,
}

impl Pairs {
    /// x before y, or equal to it when not `strict`, where the two can be compared.
    pub(super) fn order(domains: &Domains, x: u32, y: u32, strict: bool) -> Self {
        let holds = |order: Option<Ordering>| match order {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => !strict,
            _ => false,
        };
        let (one, two) = (domains.universe(x), domains.universe(y));
        let (wide_x, wide_y) = (one.len().div_ceil(64), two.len().div_ceil(64));
        let mut of_x = vec![0; one.len() * wide_y];
        let mut of_y = vec![0; two.len() * wide_x];
        for (i, a) in one.values().iter().enumerate() {
            for (j, b) in two.values().iter().enumerate() {
                if holds(a.compare(b)) {
                    of_x[i * wide_y + j / 64] |= 1 << (j % 64);
                    of_y[j * wide_x + i / 64] |= 1 << (i % 64);
                }
            }
        }
        Self { x, y, of_x, of_y }
    }

    /// Bits it takes to write the relation out.
    pub(super) fn cells(one: &Universe, two: &Universe) -> u64 {
        2 * one.len() as u64 * two.len() as u64
    }

    pub(super) fn run(&self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        filter(domains, self.x, self.y, &self.of_x, cause)?;
        filter(domains, self.y, self.x, &self.of_y, cause)
    }
}

fn filter(domains: &mut Domains, slot: u32, other: u32, supports: &[u64], cause: u32) -> Result<(), Fail> {
    domains.filter(slot, cause, |d, place| {
        let there = d.bits(other);
        let row = &supports[place * there.len()..(place + 1) * there.len()];
        row.iter().zip(there).any(|(one, two)| one & two != 0)
    })
}
