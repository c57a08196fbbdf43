//! Sorting the items of one time, without allocation.
//!
//! What a bucket holds was pushed while earlier buckets ran in canonical order, so it is nearly always a few ascending runs: a ring
//! makes two, of which one lies wholly before the other. Few runs are merged; many (a random graph) are sorted by radix.

use super::Item;

/// Most runs that are merged; more are sorted by radix.
const RUNS: usize = 8;
/// Up to this many items the standard library's small sort is quicker than anything with a setup.
const SMALL: usize = 96;

/// Sorts `items`; `scratch` has the same length. True when the result is in `scratch`.
pub(super) fn sort(items: &mut [Item], scratch: &mut [Item]) -> bool {
    let mut starts = [0usize; RUNS + 1];
    let mut runs = 1;
    for at in 1..items.len() {
        if items[at] < items[at - 1] {
            if runs == RUNS || items.len() <= 8 {
                return unordered(items, scratch);
            }
            starts[runs] = at;
            runs += 1;
        }
    }
    if runs == 1 {
        return false;
    }
    starts[runs] = items.len();
    merge_all(items, scratch, &mut starts, runs)
}

fn unordered(items: &mut [Item], scratch: &mut [Item]) -> bool {
    if items.len() <= SMALL {
        items.sort_unstable();
    } else {
        by_destination(items, scratch);
        order_ties(items);
    }
    false
}

/// Merges neighbouring runs until one is left; true when it ends in `scratch`.
fn merge_all<'a>(
    mut from: &'a mut [Item],
    mut to: &'a mut [Item],
    starts: &mut [usize; RUNS + 1],
    mut runs: usize,
) -> bool {
    let mut swapped = false;
    while runs > 1 {
        let mut kept = 0;
        let mut run = 0;
        while run < runs {
            let begin = starts[run];
            let last = run + 1 == runs;
            let end = if last { starts[runs] } else { starts[run + 2] };
            if last {
                to[begin..end].copy_from_slice(&from[begin..end]);
            } else {
                merge(&from[begin..starts[run + 1]], &from[starts[run + 1]..end], &mut to[begin..end]);
            }
            starts[kept] = begin;
            kept += 1;
            run += 2;
        }
        starts[kept] = from.len();
        runs = kept;
        std::mem::swap(&mut from, &mut to);
        swapped = !swapped;
    }
    swapped
}

/// Merges two ascending, non-empty runs into `out`.
fn merge(first: &[Item], second: &[Item], out: &mut [Item]) {
    // The runs of a ring do not overlap: the one that wrapped comes first.
    if second[second.len() - 1] <= first[0] {
        let (low, high) = out.split_at_mut(second.len());
        low.copy_from_slice(second);
        high.copy_from_slice(first);
        return;
    }
    let (mut left, mut right) = (0, 0);
    for place in out {
        let from_left = right == second.len() || (left < first.len() && first[left] <= second[right]);
        if from_left {
            *place = first[left];
            left += 1;
        } else {
            *place = second[right];
            right += 1;
        }
    }
}

/// Stable radix sort by destination: two passes of 8 bits, which is more than the 15 a cell has.
fn by_destination(items: &mut [Item], scratch: &mut [Item]) {
    let mut low = [0u32; 256];
    let mut high = [0u32; 256];
    for item in items.iter() {
        let dst = item.dst();
        low[(dst & 0xFF) as usize] += 1;
        high[(dst >> 8 & 0xFF) as usize] += 1;
    }
    sums(&mut low);
    sums(&mut high);
    for &item in items.iter() {
        let place = &mut low[(item.dst() & 0xFF) as usize];
        scratch[*place as usize] = item;
        *place += 1;
    }
    for &item in scratch.iter() {
        let place = &mut high[(item.dst() >> 8 & 0xFF) as usize];
        items[*place as usize] = item;
        *place += 1;
    }
}

/// Turns counts into the places where each group begins.
fn sums(counts: &mut [u32; 256]) {
    let mut place = 0;
    for count in counts {
        place += std::mem::replace(count, place);
    }
}

/// Orders items of equal destination among themselves, where they are not yet.
fn order_ties(items: &mut [Item]) {
    let mut begin = 0;
    let mut ordered = true;
    for at in 1..=items.len() {
        if at < items.len() && items[at].dst() == items[begin].dst() {
            ordered &= items[at - 1] <= items[at];
        } else {
            if !ordered {
                items[begin..at].sort_unstable();
            }
            begin = at;
            ordered = true;
        }
    }
}
