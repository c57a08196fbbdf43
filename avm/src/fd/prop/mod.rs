//! Propagators: one for each posted constraint, each reaching on its own everything that can be said of its variables (bounds for
//! sums), so that one run after a change is enough.

mod alldiff;
mod binary;
mod build;
mod element;
mod matching;
mod sum;
mod table;

use super::domains::{Domains, Fail};
use super::universe::Map;

pub(super) use alldiff::AllDiff;
pub(super) use binary::{Equal, Order, Pairs};
pub(super) use build::{Stop, build};
pub(super) use element::Element;
pub(super) use sum::Sum;
pub(super) use table::Table;

/// What is left of a constraint after it was posted.
#[derive(Debug, Clone)]
pub(super) enum Prop {
    /// Holds from now on whatever happens.
    Held,
    /// Two variables differ; acts the moment one is fixed. Each map goes from the fixed one to the other.
    Differ {
        x: u32,
        y: u32,
        from_x: Map,
        from_y: Map,
    },
    Equal(Equal),
    Order(Order),
    Pairs(Box<Pairs>),
    AllDiff(Box<AllDiff>),
    Element(Box<Element>),
    Sum(Box<Sum>),
    Table(Box<Table>),
}

/// Queues: cheap propagators run first.
pub(super) const LEVELS: usize = 3;

impl Prop {
    /// Which queue it waits in; lower runs first.
    pub(super) fn level(&self) -> usize {
        match self {
            Self::Held | Self::Differ { .. } | Self::Equal(_) | Self::Order(_) => 0,
            Self::Pairs(_) | Self::Element(_) | Self::Sum(_) => 1,
            Self::Table(_) | Self::AllDiff(_) => 2,
        }
    }

    /// Variables any change of which concerns it, each once.
    pub(super) fn watched(&self, out: &mut Vec<u32>) {
        out.clear();
        match self {
            Self::Held | Self::Differ { .. } => {}
            Self::Equal(prop) => out.extend([prop.x, prop.y]),
            Self::Order(prop) => out.extend([prop.x, prop.y]),
            Self::Pairs(prop) => out.extend([prop.x, prop.y]),
            Self::AllDiff(prop) => out.extend(prop.slots()),
            Self::Element(prop) => out.extend([prop.index, prop.value]),
            Self::Sum(prop) => out.extend(prop.slots()),
            Self::Table(prop) => out.extend(prop.slots()),
        }
    }

    /// Takes out everything it can; `cause` is its own number.
    pub(super) fn run(&mut self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        match self {
            Self::Held => Ok(()),
            Self::Differ { x, y, from_x, from_y } => {
                differ(domains, *x, *y, from_x, cause)?;
                differ(domains, *y, *x, from_y, cause)
            }
            Self::Equal(prop) => prop.run(domains, cause),
            Self::Order(prop) => prop.run(domains, cause),
            Self::Pairs(prop) => prop.run(domains, cause),
            Self::AllDiff(prop) => prop.run(domains, cause),
            Self::Element(prop) => prop.run(domains, cause),
            Self::Sum(prop) => prop.run(domains, cause),
            Self::Table(prop) => prop.run(domains, cause),
        }
    }
}

/// When `fixed` is fixed, takes what it maps to out of `other`.
#[inline]
fn differ(domains: &mut Domains, fixed: u32, other: u32, map: &Map, cause: u32) -> Result<(), Fail> {
    if !domains.fixed(fixed) {
        return Ok(());
    }
    match map.get(domains.first(fixed), domains.len(other)) {
        Some(place) => domains.remove(other, place, cause),
        None => Ok(()),
    }
}
