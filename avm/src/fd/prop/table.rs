//! Tables: which rows are still possible, as bits; a value stays while a possible row holds it.

use crate::fd::domains::{Domains, Fail};
use crate::value::Val;

/// The tuple of the variables is one of the rows.
#[derive(Debug, Clone)]
pub(in crate::fd) struct Table {
    columns: Vec<Column>,
    /// Where in the reversible words the possible rows stand.
    start: usize,
    /// Words of 64 rows.
    wide: usize,
    scratch: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Column {
    slot: u32,
    /// For every place of the variable, the rows that hold that value.
    rows: Vec<u64>,
}

impl Table {
    /// Rows as places, one for each of the variables, all different. `start` is where its words in the state begin.
    pub(super) fn new(domains: &Domains, slots: &[u32], rows: &[Vec<u32>], start: usize) -> Self {
        let wide = rows.len().div_ceil(64);
        let column = |(at, slot): (usize, &u32)| {
            let mut held = vec![0; domains.len(*slot) as usize * wide];
            for (number, row) in rows.iter().enumerate() {
                held[row[at] as usize * wide + number / 64] |= 1 << (number % 64);
            }
            Column { slot: *slot, rows: held }
        };
        Self { columns: slots.iter().enumerate().map(column).collect(), start, wide, scratch: vec![0; wide] }
    }

    /// The rows `slots` can take among those given, by place: of a variable that stands twice its values must agree. The second
    /// part names each variable once, in the order of the places.
    pub(super) fn places(domains: &Domains, slots: &[u32], rows: &[Vec<Val>]) -> (Vec<u32>, Vec<Vec<u32>>) {
        let mut distinct: Vec<u32> = slots.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut kept = Vec::new();
        'rows: for row in rows {
            let mut places = vec![u32::MAX; distinct.len()];
            for (slot, value) in slots.iter().zip(row) {
                let at = distinct.binary_search(slot).unwrap_or(0);
                match domains.universe(*slot).place(value).filter(|place| domains.has(*slot, *place)) {
                    Some(place) if places[at] == u32::MAX || places[at] == place as u32 => places[at] = place as u32,
                    _ => continue 'rows,
                }
            }
            kept.push(places);
        }
        (distinct, kept)
    }

    /// Reversible words it needs for that many rows.
    pub(super) fn state(rows: usize) -> impl Iterator<Item = u64> {
        (0..rows.div_ceil(64)).map(move |word| match rows - word * 64 {
            left if left >= 64 => u64::MAX,
            left => (1 << left) - 1,
        })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.columns.iter().map(|column| column.slot)
    }

    pub(super) fn run(&mut self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        let (start, wide) = (self.start, self.wide);
        for column in &self.columns {
            self.scratch.fill(0);
            for place in domains.places(column.slot) {
                let rows = &column.rows[place * wide..(place + 1) * wide];
                self.scratch.iter_mut().zip(rows).for_each(|(held, rows)| *held |= rows);
            }
            for (word, held) in self.scratch.iter().enumerate() {
                let possible = domains.state[start + word];
                domains.set_state(start + word, possible & held);
            }
        }
        if domains.state[start..start + wide].iter().all(|word| *word == 0) {
            return Err(Fail(cause));
        }
        for column in &self.columns {
            domains.filter(column.slot, cause, |d, place| {
                let rows = &column.rows[place * wide..(place + 1) * wide];
                rows.iter().zip(&d.state[start..start + wide]).any(|(held, possible)| held & possible != 0)
            })?;
        }
        Ok(())
    }
}
