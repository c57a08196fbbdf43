//! Properties of sampling and aggregation.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fixed::{Decay, Q16};
use crate::heartbeat::Health;
use crate::time::Span;
use crate::topology::Neighbour;

const TAU: Span = Span::from_us(100_000);

fn region(decay: Decay) -> Region<16> {
    Region::new(Rules::new([ComponentRule::new(decay, TAU); COMPONENTS], Span::from_us(1_000)))
}

fn values() -> impl Strategy<Value = [Q16; COMPONENTS]> {
    any::<[i32; COMPONENTS]>().prop_map(|raw| raw.map(Q16))
}

/// One neighbour: verdict, distance, age in microseconds, and values.
type Case = (u8, u32, u64, [Q16; COMPONENTS]);

fn cases() -> impl Strategy<Value = Vec<Case>> {
    proptest::collection::vec((0_u8..4, 0_u32..1 << 23, 0_u64..600_000, values()), 0..=15)
}

const NOW: Time = Time::from_us(10_000_000);

fn fill(cases: &[Case]) -> (Region<16>, Vec<Neighbour>) {
    let mut region = region(Decay::Exp);
    let mut neighbours = Vec::new();
    for (i, &(health, distance, age, values)) in cases.iter().enumerate() {
        let id = NodeId::from_raw(i as u32 + 1);
        region.publish(NOW.before(Span::from_us(age)), id, &values, 0).expect("room");
        let health = Health::ALL[usize::from(health)];
        neighbours.push(Neighbour { id, health, distance, weight: distance_weight(distance), since: Time::ZERO });
    }
    (region, neighbours)
}

proptest! {
    /// ekk:P14: a sample at some age is each value times what is left of it; never refused up to the tolerance ahead; expired
    /// exactly from the limit on.
    #[test]
    fn p14_samples(values in values(), age_us in 0_u64..700_000, ahead_us in 0_u64..3_000, shape in 0..4_usize) {
        let decay = [Decay::Rational, Decay::Exp, Decay::Linear, Decay::Step][shape];
        let mut region = region(decay);
        let id = NodeId::from_raw(3);
        region.publish(NOW, id, &values, 1).expect("room");
        let (age, ahead) = (Span::from_us(age_us), Span::from_us(ahead_us));
        match region.sample(NOW.after(age), id) {
            Ok(sample) => {
                prop_assert!(age < TAU.times(5));
                prop_assert_eq!(sample.values, values.map(|value| value.mul(decay.factor(age, TAU))));
            }
            Err(error) => {
                prop_assert_eq!(error, FieldError::Expired);
                prop_assert!(age >= TAU.times(5));
            }
        }
        let early = region.sample(NOW.before(ahead), id);
        let expected = if ahead_us <= 1_000 { Ok(values) } else { Err(FieldError::Future) };
        prop_assert_eq!(early.map(|sample| sample.values), expected);
    }

    /// ekk:P15: the aggregate lies between the least and the greatest value that counts, is that value when all agree, does not
    /// depend on the order, and is missing exactly when nobody counts.
    #[test]
    fn p15_aggregates(cases in cases(), turn in 0_usize..15) {
        let (region, mut neighbours) = fill(&cases);
        let aggregate = region.aggregate(NOW, &neighbours);
        let counts = |case: &&Case| matches!(case.0, 1 | 2) && case.2 < 500_000;
        let eligible: Vec<&Case> = cases.iter().filter(counts).collect();
        prop_assert_eq!(usize::from(aggregate.sampled), eligible.len());
        for i in 0..COMPONENTS {
            let range = eligible.iter().map(|case| case.3[i]);
            match aggregate.values[i] {
                None => prop_assert!(eligible.is_empty()),
                Some(value) => {
                    let (low, high) = (range.clone().min(), range.max());
                    prop_assert!(low <= Some(value) && Some(value) <= high, "{value:?} in {low:?}..{high:?}");
                }
            }
        }
        let len = neighbours.len().max(1);
        neighbours.rotate_left(turn % len);
        prop_assert_eq!(region.aggregate(NOW, &neighbours), aggregate);
    }

    /// ekk:P15: the quotient is rounded once: it is the exact weighted mean, truncated.
    #[test]
    fn p15_one_rounding(cases in cases(), neutral in proptest::option::of(any::<i32>().prop_map(Q16))) {
        let (_, neighbours) = fill(&cases);
        let mut rules = [ComponentRule::new(Decay::Exp, TAU); COMPONENTS];
        rules[1].neutral = neutral;
        rules[2] = ComponentRule::new(Decay::Exp, TAU.over(2));
        let mut region = Region::<16>::new(Rules::new(rules, Span::ZERO));
        for (i, case) in cases.iter().enumerate() {
            region.publish(NOW.before(Span::from_us(case.2)), NodeId::from_raw(i as u32 + 1), &case.3, 0).expect("room");
        }
        let aggregate = region.aggregate(NOW, &neighbours);
        for (i, rule) in rules.iter().enumerate() {
            let (mut sum, mut total) = (0_i128, 0_i128);
            for (case, neighbour) in cases.iter().zip(&neighbours) {
                if !matches!(case.0, 1 | 2) || case.2 >= 500_000 {
                    continue;
                }
                let near = i128::from(neighbour.weight >> (case.0 - 1));
                let left = i128::from(rule.curve.factor(Span::from_us(case.2)).0);
                let weight = (near * left) >> 16;
                let lost = rule.neutral.map_or(0, |_| near - weight);
                sum += weight * i128::from(case.3[i].0) + lost * i128::from(rule.neutral.unwrap_or(Q16::ZERO).0);
                total += weight + lost;
            }
            let expected = (total > 0).then(|| Q16((sum / total) as i32));
            prop_assert_eq!(aggregate.values[i], expected, "component {}", i);
        }
    }

    /// ekk:P15: two modules with samples of equal age feel opposite slopes.
    #[test]
    fn p15_antisymmetry(a in values(), b in values(), age in 0_u64..500_000, distance in 0_u32..1 << 23) {
        let (a, b) = (a.map(|v| Q16(v.0 / 2)), b.map(|v| Q16(v.0 / 2)));
        let (region, neighbours) = fill(&[(1, distance, age, a), (1, distance, age, b)]);
        let there = gradients(&a, &region.aggregate(NOW, &neighbours[1..]));
        let back = gradients(&b, &region.aggregate(NOW, &neighbours[..1]));
        for (there, back) in there.iter().zip(back) {
            prop_assert_eq!(there.map(|slope| -slope.0), back.map(|slope| slope.0));
            prop_assert!(there.is_some());
        }
    }
}
