//! The values a variable was made with, in their order: its domain is a set of positions in this list.

use crate::fixed::FixedMap;
use crate::value::Val;

/// "No position" in a table from positions to positions.
pub(super) const NONE: u32 = u32::MAX;

/// Distinct values in order, with a view of the numbers among them.
#[derive(Debug, PartialEq)]
pub(super) struct Universe {
    values: Vec<Val>,
    /// First number, when the values are this and the numbers that follow it one by one.
    first: Option<i128>,
    /// The numbers, when all values are numbers.
    numbers: Vec<i128>,
    ascending: bool,
    /// Where each value stands; empty when `first` tells it.
    places: FixedMap<Val, u32>,
}

impl Universe {
    /// Of the values in order, each once.
    pub(super) fn new(values: &[Val]) -> Self {
        let all_numbers = values.iter().all(|value| matches!(value, Val::Int(_)));
        let mut numbers: Vec<i128> =
            if all_numbers { values.iter().filter_map(number_of).collect() } else { Vec::new() };
        let follows = |pair: &[i128]| pair[0].checked_add(1) == Some(pair[1]);
        if !numbers.is_empty() && numbers.windows(2).all(follows) {
            let values = values.to_vec();
            return Self {
                values,
                first: numbers.first().copied(),
                numbers,
                ascending: true,
                places: FixedMap::default(),
            };
        }
        let mut kept = Vec::with_capacity(values.len());
        let mut places = FixedMap::default();
        for value in values {
            if !places.contains_key(value) {
                places.insert(value.clone(), kept.len() as u32);
                kept.push(value.clone());
            }
        }
        if all_numbers {
            numbers = kept.iter().filter_map(number_of).collect();
        }
        let ascending = !numbers.is_empty() && numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let first = numbers.first().copied().filter(|_| numbers.windows(2).all(follows));
        if first.is_some() {
            places = FixedMap::default();
        }
        Self { values: kept, first, numbers, ascending, places }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn values(&self) -> &[Val] {
        &self.values
    }

    /// Where the value stands.
    pub(super) fn place(&self, value: &Val) -> Option<usize> {
        match (self.first, value) {
            (Some(_), Val::Int(number)) => self.place_of_number(*number),
            (Some(_), _) => None,
            (None, value) => self.places.get(value).map(|place| *place as usize),
        }
    }

    /// Where the number stands.
    pub(super) fn place_of_number(&self, number: i128) -> Option<usize> {
        match self.first {
            Some(first) => {
                let place = number.checked_sub(first).and_then(|place| usize::try_from(place).ok())?;
                (place < self.values.len()).then_some(place)
            }
            None => self.places.get(&Val::Int(number)).map(|place| *place as usize),
        }
    }

    /// The number at a place; `None` for another kind.
    pub(super) fn number(&self, place: usize) -> Option<i128> {
        match self.numbers.get(place) {
            Some(number) => Some(*number),
            None => self.values.get(place).and_then(number_of),
        }
    }

    /// First number of a run of consecutive ones.
    pub(super) fn first(&self) -> Option<i128> {
        self.first
    }

    /// Numbers by place when all values are numbers, else nothing.
    pub(super) fn numbers(&self) -> &[i128] {
        &self.numbers
    }

    /// All values are numbers and they ascend.
    pub(super) fn ascending(&self) -> bool {
        self.ascending
    }
}

fn number_of(value: &Val) -> Option<i128> {
    match value {
        Val::Int(number) => Some(*number),
        _ => None,
    }
}

/// From places in one list to places in another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Map {
    /// Both lists are runs of consecutive numbers: add this.
    Shift(i64),
    /// By table; [`NONE`] where there is none.
    Table(std::sync::Arc<[u32]>),
}

/// Shifts beyond this reach no place, since places are 32 bits.
const FAR: i128 = 1 << 40;

impl Map {
    /// Where in `to` the value of `from` stands after `k` was added to it; `k` of `None` takes values of every kind as they are.
    pub(super) fn between(from: &Universe, to: &Universe, k: Option<i128>) -> Self {
        if let (Some(one), Some(two)) = (from.first(), to.first()) {
            return Self::Shift(one.saturating_sub(two).saturating_add(k.unwrap_or(0)).clamp(-FAR, FAR) as i64);
        }
        let place = |i: usize| match k {
            None => to.place(&from.values()[i]),
            Some(k) => from.number(i)?.checked_add(k).and_then(|number| to.place_of_number(number)),
        };
        Self::Table((0..from.len()).map(|i| place(i).map_or(NONE, |place| place as u32)).collect())
    }

    /// Place in the other list, which has `len` values.
    #[inline]
    pub(super) fn get(&self, place: usize, len: u32) -> Option<usize> {
        match self {
            Self::Shift(shift) => {
                let there = place as i64 + shift;
                (there >= 0 && there < i64::from(len)).then_some(there as usize)
            }
            Self::Table(table) => table.get(place).filter(|there| **there != NONE).map(|there| *there as usize),
        }
    }
}
