//! The heap: random graphs of copies and drops end with nothing; full heaps lose nothing; values at borders.

use crate::Val;
use crate::vm::convert::{Names, compare, equal, from_val, hash, to_val};
use crate::vm::heap::Heap;
use crate::vm::word::{Node, Value};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % bound
    }
}

fn random_val(random: &mut Random, depth: u64) -> Val {
    match random.below(if depth == 0 { 8 } else { 12 }) {
        0 => Val::Nothing,
        1 => Val::Bool(random.below(2) == 0),
        2 => Val::Int(i128::from(random.below(10)) - 5),
        3 => Val::Int(i128::from(u64::MAX) - i128::from(random.below(3))),
        4 => Val::text(&"abcdefghijkl"[..random.below(13) as usize]),
        5 => Val::Bytes(vec![random.below(256) as u8; random.below(20) as usize].into()),
        6 => Val::Object(crate::id::ObjectId::new(random.below(3) as u16, 1, random.below(1 << 39))),
        7 => Val::Machine("m1".into()),
        8 => Val::List((0..random.below(5)).map(|_| random_val(random, depth - 1)).collect()),
        9 => Val::pair(random_val(random, depth - 1), random_val(random, depth - 1)),
        10 => Val::just(random_val(random, depth - 1)),
        _ => Val::record((0..random.below(4)).map(|at| (format!("field{at}").into(), random_val(random, depth - 1)))),
    }
}

// decisions:AVM-12
#[test]
fn random_copies_and_drops_end_with_nothing() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut heap = Heap::new(if seed % 2 == 0 { 1 << 20 } else { 20_000 }, 1 << 12);
        let mut held: Vec<Value> = Vec::new();
        for _ in 0..4000 {
            match random.below(5) {
                0 if !held.is_empty() => {
                    let at = random.below(held.len() as u64) as usize;
                    heap.release(held.swap_remove(at));
                }
                1 if !held.is_empty() => {
                    let value = held[random.below(held.len() as u64) as usize];
                    held.push(heap.retain(value));
                }
                2 => held.extend(heap.text("a text that does not stand inline").ok()),
                3 => held.extend(heap.number(i128::from(u64::MAX)).ok()),
                _ => {
                    let count = random.below(6) as usize;
                    let some = (0..count.min(held.len())).map(|_| held[random.below(held.len() as u64) as usize]);
                    let some: Vec<Value> = some.collect();
                    held.extend(heap.list(&some).ok());
                }
            }
            if held.len() > 300 {
                held.drain(..200).for_each(|value| heap.release(value));
            }
        }
        held.into_iter().for_each(|value| heap.release(value));
        heap.settle();
        assert_eq!(heap.live(), 0, "seed {seed}");
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    let mut random = Random(11);
    let (mut heap, mut names) = (Heap::new(1 << 22, 1 << 16), Names::new(16));
    for _ in 0..500 {
        let (one, two) = (random_val(&mut random, 4), random_val(&mut random, 2));
        let a = from_val(&mut heap, &mut names, &one).unwrap_or_else(|full| panic!("{full:?}"));
        let b = from_val(&mut heap, &mut names, &two).unwrap_or_else(|full| panic!("{full:?}"));
        let again = from_val(&mut heap, &mut names, &one).unwrap_or_else(|full| panic!("{full:?}"));
        assert_eq!(to_val(&heap, &names, a), one);
        assert_eq!(equal(&heap, a, b), one == two);
        assert!(equal(&heap, a, again));
        assert_eq!(hash(&heap, a), hash(&heap, again));
        assert_eq!(compare(&heap, &names, a, b), one.compare(&two), "{one} {two}");
        [a, b, again].into_iter().for_each(|value| heap.release(value));
    }
    heap.settle();
    assert_eq!(heap.live(), 0);
}

// decisions:AVM-12
#[test]
fn a_value_is_neither_too_deep_nor_too_large() {
    let mut heap = Heap::new(1 << 20, 1000);
    let mut deep = crate::vm::word::NOTHING;
    let mut levels = 0;
    while let Ok(deeper) = heap.node(Node::Just, &[deep]) {
        heap.release(deep);
        deep = deeper;
        levels += 1;
    }
    assert_eq!(levels, 512);
    heap.release(deep);
    let mut wide = heap.list(&[Value::int32(1)]).unwrap_or_else(|full| panic!("{full:?}"));
    while let Ok(wider) = heap.list(&[wide, wide]) {
        heap.release(wide);
        wide = wider;
    }
    assert!(heap.size(wide) <= 1000 && heap.size(wide) > 400);
    heap.release(wide);
    heap.settle();
    assert_eq!(heap.live(), 0);
}

#[test]
fn hostile_depth_is_refused_at_the_border() {
    let (mut heap, mut names) = (Heap::new(1 << 20, 1 << 20), Names::new(16));
    let mut val = Val::Nothing;
    for _ in 0..2000 {
        val = Val::just(val);
    }
    assert!(from_val(&mut heap, &mut names, &val).is_err());
    heap.settle();
    assert_eq!(heap.live(), 0);
}
