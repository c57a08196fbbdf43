//! A list at an index is a value.

use crate::fd::domains::{Domains, Fail};
use crate::fd::universe::NONE;
use crate::value::Val;

/// list\[index\] == value.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Element {
    pub(in crate::fd) index: u32,
    pub(in crate::fd) value: u32,
    /// For every place of the index, the place of the value it leads to.
    target: Vec<u32>,
    reached: Vec<u64>,
}

impl Element {
    pub(super) fn new(domains: &Domains, list: &[Val], index: u32, value: u32) -> Self {
        let (indices, values) = (domains.universe(index), domains.universe(value));
        let at = |place| indices.number(place).and_then(|number| usize::try_from(number).ok());
        let target = |place| at(place).and_then(|at| list.get(at)).and_then(|item| values.place(item));
        let target = (0..indices.len()).map(|place| target(place).map_or(NONE, |there| there as u32)).collect();
        Self { index, value, target, reached: vec![0; domains.bits(value).len()] }
    }

    pub(super) fn run(&mut self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        let (value, target) = (self.value, &self.target);
        domains.filter(self.index, cause, |d, place| target[place] != NONE && d.has(value, target[place] as usize))?;
        self.reached.fill(0);
        for place in domains.places(self.index) {
            let there = self.target[place] as usize;
            self.reached[there / 64] |= 1 << (there % 64);
        }
        for (word, reached) in self.reached.iter().enumerate() {
            let bits = domains.bits(value)[word];
            domains.keep(value, word, bits & reached, cause)?;
        }
        Ok(())
    }
}
