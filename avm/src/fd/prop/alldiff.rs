//! All different: what a fixed variable takes is taken from the others at once; the rest by matching and strong components
//! (Regin's filter), in words of 64 values where they fit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::matching::Matching;
use crate::fd::domains::{Domains, Fail};
use crate::fd::universe::{Map, NONE};
use crate::fixed::FixedMap;
use crate::value::Val;

/// Values that fit in one word.
const SMALL: usize = 64;

/// Every two of the variables differ.
#[derive(Debug, Clone)]
pub(in crate::fd) struct AllDiff {
    members: Vec<Member>,
    /// Number of values of the constraint: numbered 0, 1, ...
    values: u32,
    /// Variables by size of domain, to see at a glance that nothing can be said.
    counts: Vec<u32>,
    filter: Filter,
}

#[derive(Debug, Clone)]
struct Member {
    slot: u32,
    /// From its places to values of the constraint, and back.
    to: Map,
    from: Map,
}

#[derive(Debug, Clone)]
enum Filter {
    /// At most 64 variables and values; the matching found last, by variable.
    Small(Box<[u8; SMALL]>),
    Large(Box<Matching>),
}

impl AllDiff {
    /// Of variables that are all different, at least one; `None` when it takes more than `cells` bits.
    pub(super) fn new(domains: &Domains, slots: &[u32], cells: u64) -> Option<Self> {
        let (members, values) = match consecutive(domains, slots) {
            Some(members) => members,
            None => listed(domains, slots, cells)?,
        };
        let filter = match slots.len() <= SMALL && values as usize <= SMALL {
            true => Filter::Small(Box::new([0; SMALL])),
            false => Filter::Large(Box::new(Matching::new(slots.len(), values as usize))),
        };
        Some(Self { members, values, counts: vec![0; slots.len() + 2], filter })
    }

    pub(in crate::fd) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().map(|member| member.slot)
    }

    /// Bits of its tables of values.
    pub(super) fn cells(&self) -> u64 {
        let tables = self.members.iter().filter(|member| matches!(member.to, Map::Table(_))).count();
        tables as u64 * u64::from(self.values) * 32
    }

    /// Takes the value of the member at a position, which is fixed, from all others.
    #[inline]
    pub(in crate::fd) fn on_fixed(&self, domains: &mut Domains, position: usize, cause: u32) -> Result<(), Fail> {
        let fixed = &self.members[position];
        let Some(value) = fixed.to.get(domains.first(fixed.slot), self.values) else { return Ok(()) };
        for (at, member) in self.members.iter().enumerate() {
            if at != position {
                let place = match &member.from {
                    Map::Shift(shift) => value as i64 + shift,
                    Map::Table(table) => i64::from(table[value]),
                };
                domains.remove_at(member.slot, place, cause)?;
            }
        }
        Ok(())
    }

    /// The full filter; the values of fixed variables are out of the other domains already.
    pub(super) fn run(&mut self, domains: &mut Domains, cause: u32) -> Result<(), Fail> {
        if self.nothing_to_say(domains) {
            return Ok(());
        }
        match &mut self.filter {
            Filter::Small(mates) => small(&self.members, self.values, mates, domains, cause),
            Filter::Large(matching) => {
                let domains_seen = &*domains;
                let open = self.members.iter().enumerate().filter(|(_, member)| !domains_seen.fixed(member.slot));
                matching.begin(open.map(|(at, _)| at as u32));
                let members = &self.members;
                let next = |at: u32, from: usize| {
                    let member = &members[at as usize];
                    let place = domains_seen.next(member.slot, from)?;
                    Some((place, member.to.get(place, self.values)?))
                };
                if !matching.complete(&next) {
                    return Err(Fail(cause));
                }
                matching.components(&next);
                for (at, member) in members.iter().enumerate().filter(|(at, _)| matching.is_open(*at)) {
                    domains.filter(member.slot, cause, |_, place| {
                        member.to.get(place, self.values).is_some_and(|value| matching.stays(at, value))
                    })?;
                }
                Ok(())
            }
        }
    }

    /// No set of open variables can exhaust as many values: a set of k variables over k values has k domains of at most k values.
    fn nothing_to_say(&mut self, domains: &Domains) -> bool {
        let counts = &mut self.counts;
        counts.fill(0);
        let most = counts.len() - 1;
        let mut open = 0;
        for member in &self.members {
            let size = domains.size(member.slot) as usize;
            if size > 1 {
                counts[size.min(most)] += 1;
                open += 1;
            }
        }
        let mut so_far = 0;
        (1..open).all(|size| {
            so_far += counts[size] as usize;
            so_far < size
        })
    }
}

/// Members whose values are all runs of consecutive numbers that lie close together.
fn consecutive(domains: &Domains, slots: &[u32]) -> Option<(Vec<Member>, u32)> {
    let ends = |slot: &u32| {
        let first = domains.universe(*slot).first()?;
        Some((first, first + i128::from(domains.len(*slot))))
    };
    let all: Vec<(i128, i128)> = slots.iter().map(ends).collect::<Option<_>>()?;
    let base = all.iter().map(|(first, _)| *first).min()?;
    let values = all.iter().map(|(_, end)| *end).max()?.checked_sub(base)?;
    let total: u64 = slots.iter().map(|slot| u64::from(domains.len(*slot))).sum();
    if values > i128::from(total.max(SMALL as u64)) {
        return None;
    }
    let member = |(slot, (first, _)): (&u32, &(i128, i128))| {
        let shift = (first - base) as i64;
        Member { slot: *slot, to: Map::Shift(shift), from: Map::Shift(-shift) }
    };
    Some((slots.iter().zip(&all).map(member).collect(), u32::try_from(values).ok()?))
}

/// Members with values of any kind, numbered in order of appearance.
fn listed(domains: &Domains, slots: &[u32], cells: u64) -> Option<(Vec<Member>, u32)> {
    let mut numbers: FixedMap<&Val, u32> = FixedMap::default();
    let mut to: Vec<Arc<[u32]>> = Vec::with_capacity(slots.len());
    for slot in slots {
        let values = domains.universe(*slot).values();
        to.push(
            values
                .iter()
                .map(|value| {
                    let next = numbers.len() as u32;
                    *numbers.entry(value).or_insert(next)
                })
                .collect(),
        );
    }
    let values = numbers.len();
    if values as u64 * slots.len() as u64 * 32 > cells {
        return None;
    }
    let member = |(slot, to): (&u32, Arc<[u32]>)| {
        let mut from = vec![NONE; values];
        to.iter().enumerate().for_each(|(place, value)| from[*value as usize] = place as u32);
        Member { slot: *slot, to: Map::Table(to), from: Map::Table(from.into()) }
    };
    Some((slots.iter().zip(to).map(member).collect(), values as u32))
}

/// Whether one of the variables is named twice.
pub(super) fn repeats(slots: &[u32]) -> bool {
    let mut seen = BTreeSet::new();
    !slots.iter().all(|slot| seen.insert(*slot))
}

/// The values of a member as bits of the constraint's numbering.
fn mask(domains: &Domains, member: &Member, values: u32) -> u64 {
    match &member.to {
        Map::Shift(shift) => domains.bits(member.slot).first().map_or(0, |bits| bits << shift),
        Map::Table(_) => domains
            .places(member.slot)
            .filter_map(|place| member.to.get(place, values))
            .fold(0, |mask, value| mask | 1 << value),
    }
}

/// The filter where values fit in a word. A value stands for the variable it is matched to: an arc from it leads to every value
/// this variable could have instead.
fn small(
    members: &[Member],
    values: u32,
    mates: &mut [u8; SMALL],
    domains: &mut Domains,
    cause: u32,
) -> Result<(), Fail> {
    let mut masks = [0u64; SMALL];
    let mut open = [0u8; SMALL];
    let mut count = 0;
    for (at, member) in members.iter().enumerate() {
        if !domains.fixed(member.slot) {
            masks[at] = mask(domains, member, values);
            open[count] = at as u8;
            count += 1;
        }
    }
    let open = &open[..count];
    let mut owner = [0u8; SMALL];
    let used = match_small(&masks, open, mates, &mut owner).ok_or(Fail(cause))?;
    let free = open.iter().fold(0, |all, at| all | masks[usize::from(*at)]) & !used;
    let stays = keep_small(&masks, used, free, &owner);
    for at in open.iter().map(|at| usize::from(*at)) {
        let value = usize::from(mates[at]);
        let kept = masks[at] & stays[value];
        if kept == masks[at] {
            continue;
        }
        let member = &members[at];
        match &member.to {
            Map::Shift(shift) => domains.keep(member.slot, 0, kept >> shift, cause)?,
            Map::Table(_) => domains.filter(member.slot, cause, |_, place| {
                member.to.get(place, values).is_some_and(|value| kept >> value & 1 != 0)
            })?,
        }
    }
    Ok(())
}

/// Matches every open variable to a value, starting from what was matched before; the values used, or `None`.
fn match_small(masks: &[u64; SMALL], open: &[u8], mates: &mut [u8; SMALL], owner: &mut [u8; SMALL]) -> Option<u64> {
    let mut used = 0u64;
    let mut lost = [0u8; SMALL];
    let mut count = 0;
    for at in open {
        let (x, bit) = (usize::from(*at), 1u64 << mates[usize::from(*at)]);
        if masks[x] & bit & !used != 0 {
            used |= bit;
            owner[usize::from(mates[x])] = *at;
        } else {
            lost[count] = *at;
            count += 1;
        }
    }
    for root in &lost[..count] {
        // Breadth first over variables that could give up their value; `via[v]` is who reached value v.
        let mut via = [0u8; SMALL];
        let mut queue = [0u8; SMALL];
        let (mut head, mut tail) = (0, 1);
        queue[0] = *root;
        let mut seen = 0u64;
        let mut end = loop {
            if head == tail {
                return None;
            }
            let at = queue[head];
            head += 1;
            let fresh = masks[usize::from(at)] & !seen;
            if fresh & !used != 0 {
                let value = (fresh & !used).trailing_zeros() as usize;
                via[value] = at;
                break value;
            }
            seen |= fresh;
            let mut left = fresh;
            while left != 0 {
                let value = left.trailing_zeros() as usize;
                left &= left - 1;
                via[value] = at;
                queue[tail] = owner[value];
                tail += 1;
            }
        };
        used |= 1 << end;
        loop {
            let at = via[end];
            let before = usize::from(mates[usize::from(at)]);
            mates[usize::from(at)] = end as u8;
            owner[end] = at;
            if at == *root {
                break;
            }
            end = before;
        }
    }
    Some(used)
}

/// Positions of the bits of a word.
fn each(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(at)
    })
}

/// For each used value, the values its owner may keep.
fn keep_small(masks: &[u64; SMALL], used: u64, free: u64, owner: &[u8; SMALL]) -> [u64; SMALL] {
    let arcs = |value: usize| masks[usize::from(owner[value])];
    let mut closed = used;
    // Whoever can move on to a free value, at one or more removes, may move; its old value becomes free then.
    let mut ends = free;
    let mut grown = free != 0;
    while grown {
        grown = false;
        for value in each(closed) {
            if arcs(value) & ends != 0 {
                ends |= 1 << value;
                closed &= !(1 << value);
                grown = true;
            }
        }
    }
    // One that can move keeps only values that are free or become so.
    let mut stays = [ends; SMALL];
    // The others: the transitive closure, then what leads back.
    let mut reach = [0u64; SMALL];
    each(closed).for_each(|value| reach[value] = arcs(value));
    for middle in each(closed) {
        let onward = reach[middle];
        for value in each(closed) {
            if reach[value] >> middle & 1 != 0 {
                reach[value] |= onward;
            }
        }
    }
    for value in each(closed) {
        stays[value] = each(arcs(value))
            .filter(|other| reach[*other] >> value & 1 != 0)
            .fold(1 << value, |all, other| all | 1 << other);
    }
    stays
}
