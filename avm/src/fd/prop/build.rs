//! From a constraint to its propagator: what concerns one variable only is done at once.

use std::cmp::Ordering;

use super::{AllDiff, Element, Equal, Order, Pairs, Prop, Sum, Table, alldiff, binary};
use crate::fd::Limit;
use crate::fd::constraint::Constraint;
use crate::fd::domains::{Domains, Fail};
use crate::fd::universe::Map;
use crate::id::VarId;
use crate::value::Val;

/// Why a constraint was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fd) enum Stop {
    Fail(Fail),
    Limit(Limit),
    Malformed(String),
}

impl From<Fail> for Stop {
    fn from(fail: Fail) -> Self {
        Self::Fail(fail)
    }
}

/// Builder of one propagator.
struct Builder<'a> {
    domains: &'a mut Domains,
    cause: u32,
    /// What may still be written out, and what was.
    cells: u64,
    used: u64,
}

/// Makes the propagator of a constraint whose variables all exist; `cells` bounds what it may write out, in bits. Beside it, what it
/// did write out.
pub(in crate::fd) fn build(
    domains: &mut Domains,
    constraint: &Constraint,
    slot: impl Fn(VarId) -> u32,
    cause: u32,
    cells: u64,
) -> Result<(Prop, u64), Stop> {
    let mut b = Builder { domains, cause, cells, used: 0 };
    let prop = match constraint {
        Constraint::Eq(x, y) => b.equal(slot(*x), slot(*y), None),
        Constraint::EqOff(x, y, k) => b.equal(slot(*x), slot(*y), Some(*k)),
        Constraint::Neq(x, y) => b.differ(slot(*x), slot(*y), None),
        Constraint::NeqOff(x, y, k) => b.differ(slot(*x), slot(*y), Some(*k)),
        Constraint::Leq(x, y) => b.order(slot(*x), slot(*y), false),
        Constraint::Lt(x, y) => b.order(slot(*x), slot(*y), true),
        Constraint::Geq(x, y) => b.order(slot(*y), slot(*x), false),
        Constraint::Gt(x, y) => b.order(slot(*y), slot(*x), true),
        Constraint::LeqOff(x, y, k) => b.at_most(slot(*x), slot(*y), *k),
        Constraint::ValEq(x, value) => b.unary(slot(*x), |it| it == value),
        Constraint::ValLeq(x, a) => {
            b.unary(slot(*x), |it| matches!(it.compare(a), Some(Ordering::Less | Ordering::Equal)))
        }
        Constraint::ValLt(x, a) => b.unary(slot(*x), |it| it.compare(a) == Some(Ordering::Less)),
        Constraint::ValGeq(x, a) => {
            b.unary(slot(*x), |it| matches!(it.compare(a), Some(Ordering::Greater | Ordering::Equal)))
        }
        Constraint::ValGt(x, a) => b.unary(slot(*x), |it| it.compare(a) == Some(Ordering::Greater)),
        Constraint::AllDiff(vars) => b.all_diff(&vars.iter().map(|v| slot(*v)).collect::<Vec<_>>()),
        Constraint::SumEq(terms, total) => b.sum(&resolve(terms, &slot), *total, true),
        Constraint::SumLeq(terms, total) => b.sum(&resolve(terms, &slot), *total, false),
        Constraint::Table(vars, rows) => b.table(&vars.iter().map(|v| slot(*v)).collect::<Vec<_>>(), rows),
        Constraint::Element { list, index, value } => b.element(list, slot(*index), slot(*value)),
    }?;
    Ok((prop, b.used))
}

fn resolve(terms: &[(i64, VarId)], slot: &impl Fn(VarId) -> u32) -> Vec<(i64, u32)> {
    terms.iter().map(|(factor, var)| (*factor, slot(*var))).collect()
}

impl Builder<'_> {
    fn unary(&mut self, x: u32, stays: impl Fn(&Val) -> bool) -> Result<Prop, Stop> {
        self.domains.filter(x, self.cause, |d, place| stays(&d.universe(x).values()[place]))?;
        Ok(Prop::Held)
    }

    /// Takes out what is no number.
    fn numbers(&mut self, x: u32) -> Result<(), Stop> {
        if self.domains.universe(x).numbers().is_empty() {
            self.unary(x, |value| matches!(value, Val::Int(_)))?;
        }
        Ok(())
    }

    /// Holds, or can never.
    fn decided(&self, holds: bool) -> Result<Prop, Stop> {
        if holds { Ok(Prop::Held) } else { Err(Fail(self.cause).into()) }
    }

    fn room(&mut self, cells: u64) -> Result<(), Stop> {
        self.used = cells;
        if cells > self.cells { Err(Stop::Limit(Limit::Cells)) } else { Ok(()) }
    }

    /// Room for two tables of places, where the values are not runs of numbers.
    fn room_for_maps(&mut self, x: u32, y: u32) -> Result<(), Stop> {
        let runs = [x, y].iter().all(|slot| self.domains.universe(*slot).first().is_some());
        let places = u64::from(self.domains.len(x)) + u64::from(self.domains.len(y));
        self.room(if runs { 0 } else { 32 * places })
    }

    fn equal(&mut self, x: u32, y: u32, k: Option<i64>) -> Result<Prop, Stop> {
        if x != y {
            self.room_for_maps(x, y)?;
            return Ok(Prop::Equal(Equal::new(self.domains, x, y, k)));
        }
        match k {
            None => Ok(Prop::Held),
            Some(0) => self.numbers(x).map(|()| Prop::Held),
            Some(_) => self.decided(false),
        }
    }

    /// A value that is no number differs from every sum.
    fn differ(&mut self, x: u32, y: u32, k: Option<i64>) -> Result<Prop, Stop> {
        if x == y {
            return match k {
                None => self.decided(false),
                Some(0) => self.unary(x, |value| !matches!(value, Val::Int(_))),
                Some(_) => Ok(Prop::Held),
            };
        }
        self.room_for_maps(x, y)?;
        let k = k.map(i128::from);
        let (one, two) = (self.domains.universe(x), self.domains.universe(y));
        let (from_x, from_y) = (Map::between(one, two, k.map(|k| -k)), Map::between(two, one, k));
        Ok(Prop::Differ { x, y, from_x, from_y })
    }

    fn order(&mut self, x: u32, y: u32, strict: bool) -> Result<Prop, Stop> {
        if x == y {
            return self.decided(!strict);
        }
        let (one, two) = (self.domains.universe(x), self.domains.universe(y));
        if !one.numbers().is_empty() && !two.numbers().is_empty() {
            return Ok(Prop::Order(Order { x, y, k: -i128::from(strict) }));
        }
        let cells = binary::Pairs::cells(one, two);
        self.room(cells)?;
        Ok(Prop::Pairs(Box::new(Pairs::order(self.domains, x, y, strict))))
    }

    fn at_most(&mut self, x: u32, y: u32, k: i64) -> Result<Prop, Stop> {
        self.numbers(x)?;
        self.numbers(y)?;
        if x == y {
            return self.decided(k >= 0);
        }
        Ok(Prop::Order(Order { x, y, k: k.into() }))
    }

    fn all_diff(&mut self, slots: &[u32]) -> Result<Prop, Stop> {
        if alldiff::repeats(slots) {
            return self.decided(false);
        }
        if slots.len() < 2 {
            return Ok(Prop::Held);
        }
        let total: u64 = slots.iter().map(|slot| u64::from(self.domains.len(*slot))).sum();
        self.room(total)?;
        let all = AllDiff::new(self.domains, slots, self.cells).ok_or(Stop::Limit(Limit::Cells))?;
        self.used = all.cells();
        Ok(Prop::AllDiff(Box::new(all)))
    }

    fn sum(&mut self, terms: &[(i64, u32)], total: i64, exact: bool) -> Result<Prop, Stop> {
        for (_, slot) in terms {
            self.numbers(*slot)?;
        }
        let sum = Sum::new(self.domains, terms, total, exact).ok_or(Stop::Limit(Limit::Arithmetic))?;
        if sum.slots().next().is_none() {
            return self.decided(if exact { total == 0 } else { total >= 0 });
        }
        Ok(Prop::Sum(Box::new(sum)))
    }

    fn table(&mut self, slots: &[u32], rows: &[Vec<Val>]) -> Result<Prop, Stop> {
        if let Some(row) = rows.iter().find(|row| row.len() != slots.len()) {
            let text = format!("a row of {} values for {} variables", row.len(), slots.len());
            return Err(Stop::Malformed(text));
        }
        let total: u64 = slots.iter().map(|slot| u64::from(self.domains.len(*slot))).sum();
        self.room(total.saturating_mul(rows.len() as u64))?;
        let (slots, places) = Table::places(self.domains, slots, rows);
        if places.is_empty() || slots.is_empty() {
            return self.decided(!places.is_empty());
        }
        let start = self.domains.state.len();
        self.domains.state.extend(Table::state(places.len()));
        Ok(Prop::Table(Box::new(Table::new(self.domains, &slots, &places, start))))
    }

    fn element(&mut self, list: &[Val], index: u32, value: u32) -> Result<Prop, Stop> {
        if index == value {
            return self.unary(index, |it| match it {
                Val::Int(number) => usize::try_from(*number).ok().and_then(|at| list.get(at)) == Some(it),
                _ => false,
            });
        }
        Ok(Prop::Element(Box::new(Element::new(self.domains, list, index, value))))
    }
}
