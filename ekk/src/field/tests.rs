//! Vectors and regressions of fields.

use std::vec::Vec;

use super::*;
use crate::fixed::{Decay, Q16};
use crate::heartbeat::Health;
use crate::profile::{Preset, Timing};
use crate::time::Span;
use crate::topology::Neighbour;

fn node(raw: u32) -> NodeId {
    NodeId::from_raw(raw)
}

fn load(value: i32) -> [Q16; COMPONENTS] {
    let mut values = [Q16::ZERO; COMPONENTS];
    values[0] = Q16(value);
    values
}

fn neighbour(raw: u32, health: Health, distance: u32) -> Neighbour {
    Neighbour { id: node(raw), health, distance, weight: distance_weight(distance), since: Time::ZERO }
}

fn seed() -> Region<64> {
    Region::new(Rules::seed())
}

/// The product's rules with the seed's time constant.
fn product() -> Region<64> {
    let rule = ComponentRule::new(Decay::Exp, Span::from_us(100_000));
    Region::new(Rules::new([rule; COMPONENTS], Span::from_us(20_000)))
}

const fn us(us: u64) -> Time {
    Time::from_us(us)
}

/// `ekk:V10`.
#[test]
fn v10_aggregate_of_one_neighbour() {
    let mut region = seed();
    region.publish(us(1_000), node(2), &load(65_536), 0).expect("room");
    let aggregate = region.aggregate(us(2_000), &[neighbour(2, Health::Alive, 1)]);
    assert_eq!((aggregate.sampling, aggregate.newest), (Sampling::Ok, us(1_000)));
    assert!(aggregate.values[0] > Some(Q16::ZERO));
}

/// `ekk:N4` under the seed's rules, and what the one rounding of the product makes of it.
#[test]
fn n04_seven_neighbours() {
    let fill = |region: &mut Region<64>| {
        for i in 0..7_i32 {
            let values = [(i + 1) * 10_000, -(i + 1) * 777, 1, -1, 0, 0].map(Q16);
            let at = us(100_000 - 1_000 * i as u64);
            region.publish(at, node(i as u32 + 2), &values, 0).expect("room");
        }
    };
    let neighbours: Vec<Neighbour> = (2..9).map(|id| neighbour(id, Health::Alive, 0)).collect();
    let mut region = seed();
    fill(&mut region);
    let aggregate = region.aggregate(us(100_000), &neighbours);
    assert_eq!(aggregate.values[..4], [38_437, -2_987, 0, -1].map(|raw| Some(Q16(raw))));
    assert_eq!((aggregate.newest, aggregate.sampled), (us(100_000), 7));
    let mut region = product();
    fill(&mut region);
    let aggregate = region.aggregate(us(100_000), &neighbours);
    assert_eq!(aggregate.values[2..4], [1, -1].map(|raw| Some(Q16(raw))), "small values do not vanish");
}

/// `ekk:N5`.
#[test]
fn n05_what_cannot_be_sampled() {
    let mut region = seed();
    assert_eq!(region.sample(us(0), node(5)), Err(FieldError::Unknown));
    assert_eq!(region.sample(us(0), node(0)), Err(FieldError::Invalid));
    assert_eq!(region.sample(us(0), node(64)), Err(FieldError::Invalid));
    assert_eq!(region.publish(us(0), node(64), &load(1), 0), Err(FieldError::Invalid));
    region.publish(us(0), node(5), &load(65_536), 3).expect("room");
    assert_eq!(region.sample(us(500_001), node(5)), Err(FieldError::Expired));
    let sample = region.sample(us(500_000), node(5)).expect("the seed lets the boundary pass");
    assert_eq!((sample.values[0], sample.stamp, sample.source, sample.sequence), (Q16::ZERO, us(0), node(5), 3));
}

/// At five time constants the product's field is expired, and not before.
#[test]
fn the_boundary_agrees() {
    let mut region = product();
    region.publish(us(0), node(5), &load(65_536), 0).expect("room");
    assert!(region.sample(us(499_999), node(5)).is_ok_and(|sample| sample.values[0] > Q16::ZERO));
    assert_eq!(region.sample(us(500_000), node(5)), Err(FieldError::Expired));
}

/// N18: a lone module has no slope; the seed's is minus its own value (ekk:D-06).
#[test]
fn n18_d06_nobody_to_ask_is_no_signal() {
    let own = load(30_000);
    let lone = product().aggregate(us(0), &[]);
    assert_eq!((lone.sampling, gradients(&own, &lone)), (Sampling::Nobody, [None; COMPONENTS]));
    let unheard = product().aggregate(us(0), &[neighbour(2, Health::Unknown, 1), neighbour(3, Health::Dead, 1)]);
    assert_eq!((unheard.sampling, unheard.eligible), (Sampling::Nobody, 0));
    let silent = product().aggregate(us(0), &[neighbour(2, Health::Alive, 1)]);
    assert_eq!((silent.sampling, gradients(&own, &silent)), (Sampling::Degraded, [None; COMPONENTS]));
    let seeds = seed().aggregate(us(0), &[]);
    assert_eq!((seeds.sampling, gradients(&own, &seeds)[0]), (Sampling::Ok, Some(Q16(-30_000))));
    assert_eq!(seed().aggregate(us(0), &[neighbour(2, Health::Alive, 1)]).sampling, Sampling::Degraded);
}

/// ekk:D-05: once verdicts are copied into the neighbours, they are sampled; the suspect count half.
#[test]
fn d05_health_decides_who_counts() {
    let mut region = product();
    for (id, value) in [(2, 60_000), (3, 30_000), (4, 1_000_000)] {
        region.publish(us(0), node(id), &load(value), 0).expect("room");
    }
    let list = [neighbour(2, Health::Alive, 0), neighbour(3, Health::Suspect, 0), neighbour(4, Health::Dead, 0)];
    let aggregate = region.aggregate(us(0), &list);
    assert_eq!((aggregate.values[0], aggregate.eligible, aggregate.sampled), (Some(Q16(50_000)), 2, 2));
}

/// ekk:D-07: a silent neighbour looks neither idle nor urgent: its value stays and its weight goes, to fresher ones or to a
/// neutral value.
#[test]
fn d07_age_takes_weight_and_not_value() {
    let mut region = product();
    region.publish(us(0), node(2), &load(65_536), 0).expect("room");
    let alone = region.aggregate(us(400_000), &[neighbour(2, Health::Alive, 0)]);
    assert_eq!(alone.values[0], Some(Q16::ONE), "not idle");
    region.publish(us(400_000), node(3), &load(0), 0).expect("room");
    let both = region.aggregate(us(400_000), &[neighbour(2, Health::Alive, 0), neighbour(3, Health::Alive, 0)]);
    assert!(both.values[0] < Some(Q16(1_500)), "the fresh one outweighs: {:?}", both.values[0]);
    let mut rules = [ComponentRule::new(Decay::Exp, Span::from_us(100_000)); COMPONENTS];
    rules[5].neutral = Some(Q16::ONE);
    rules[5].ceiling = Q16::ONE;
    let mut region = Region::<8>::new(Rules::new(rules, Span::ZERO));
    region.publish(us(0), node(2), &[Q16(-5), Q16(9), Q16(0), Q16(0), Q16(0), Q16(0)], 0).expect("room");
    let old = region.aggregate(us(400_000), &[neighbour(2, Health::Alive, 0)]);
    assert_eq!(old.values[..2], [Some(Q16(-5)), Some(Q16(9))]);
    let expected = 65_536 - (65_536.0 * (-4.0_f64).exp()) as i32;
    assert!((old.values[5].expect("a signal").0 - expected).abs() <= 2, "old slack is not urgent: {:?}", old.values[5]);
    assert!((region.sample(us(400_000), node(2)).expect("fresh enough").values[5].0 - expected).abs() <= 2);
}

/// ekk:D-08: slightly ahead is fresh, far ahead is refused, neither is expired or collected.
#[test]
fn d08_stamps_ahead() {
    let mut region = product();
    region.publish(us(1_000_001), node(2), &load(7), 0).expect("room");
    assert_eq!(region.sample(us(1_000_000), node(2)).map(|field| field.values[0]), Ok(Q16(7)));
    assert_eq!(region.sample(us(980_001), node(2)).map(|field| field.values[0]), Ok(Q16(7)));
    assert_eq!(region.sample(us(980_000), node(2)), Err(FieldError::Future));
    assert_eq!(region.collect(us(1_000_000), Span::ZERO), 0);
    assert_eq!(region.accept(us(0), node(3), &load(1), 1, us(20_001)), Err(FieldError::Future));
    assert_eq!(region.accept(us(0), node(3), &load(1), 1, us(20_000)), Ok(()));
    assert_eq!(region.read(us(0), node(3)).map(|(field, _)| field.stamp), Ok(us(0)), "never kept ahead of our clock");
}

/// ekk:D-01, ekk:D-02, ekk:D-03: a region has one writer by construction; what the collector drops and a publisher then writes
/// is there, whole, and a verdict is taken on the same field that is returned.
#[test]
fn d01_d02_d03_one_writer_by_construction() {
    let mut region = product();
    region.publish(us(0), node(2), &load(1), 1).expect("room");
    assert_eq!(region.collect(us(600_000), Span::from_us(500_000)), 1);
    assert_eq!(region.sample(us(600_000), node(2)), Err(FieldError::Unknown));
    region.publish(us(600_000), node(2), &[Q16(9); COMPONENTS], 2).expect("room");
    assert_eq!(region.collect_expired(us(600_000)), 0);
    let (field, age) = region.read(us(600_001), node(2)).expect("published");
    assert_eq!((field.values, field.sequence, age), ([Q16(9); COMPONENTS], 2, Span::from_us(1)));
}

/// Fields that travelled: only newer ones are taken, until the node is withdrawn; ids of any size find room.
#[test]
fn travelled_fields() {
    let mut region = Region::<4>::new(Rules::product(&Timing::preset(Preset::Lan)));
    let now = Time::from_ms(10_000);
    for id in [7, 4_000_000_003, 11, 15] {
        assert_eq!(region.accept(now, node(id), &load(id as i32 & 0xFF), 100, now), Ok(()));
    }
    assert_eq!(region.accept(now, node(8), &load(1), 1, now), Err(FieldError::Full));
    assert_eq!(region.accept(now, node(7), &load(1), 100, now), Err(FieldError::Stale));
    assert_eq!(region.accept(now, node(7), &load(1), 99, now), Err(FieldError::Stale));
    assert_eq!(region.accept(now, node(7), &load(2), 101, now), Ok(()));
    assert_eq!(region.accept(now, node(7), &load(3), 102, now.before(Span::from_ms(5_000))), Err(FieldError::Expired));
    assert_eq!(region.sample(now, node(7)).map(|field| field.values[0]), Ok(Q16(2)));
    assert!(region.withdraw(node(7)) && !region.withdraw(node(7)) && !region.withdraw(NodeId::NONE));
    assert_eq!(region.accept(now, node(7), &load(4), 1, now), Ok(()), "another being starts over");
    assert_eq!((region.len(), region.is_empty()), (4, false));
    assert_eq!(region.sample(now, node(15)).map(|field| field.values[0]), Ok(Q16(15)));
}

/// A node in quarantine has no field here until it is heeded again.
#[test]
fn quarantine() {
    let mut region = product();
    region.publish(us(0), node(2), &load(1), 0).expect("room");
    region.ignore(node(2)).expect("room");
    assert_eq!(region.sample(us(0), node(2)), Err(FieldError::Unknown));
    assert_eq!(region.publish(us(0), node(2), &load(1), 1), Err(FieldError::Ignored));
    assert_eq!(region.aggregate(us(0), &[neighbour(2, Health::Alive, 0)]).sampling, Sampling::Degraded);
    assert_eq!(region.ignore(NodeId::NONE), Err(FieldError::Invalid));
    for id in 3..18 {
        region.ignore(node(id)).expect("room for sixteen");
    }
    assert_eq!(region.ignore(node(18)), Err(FieldError::Full));
    assert_eq!(region.ignore(node(2)), Ok(()), "again is fine");
    assert!(region.heed(node(2)) && !region.heed(node(2)));
    assert_eq!(region.publish(us(0), node(2), &load(1), 1), Ok(()));
}

/// Fields add, scale and mix by component; equal ends mix to themselves (the seed's did not).
#[test]
fn field_arithmetic() {
    let field =
        |value, stamp, source| Field { values: [Q16(value); 6], stamp: us(stamp), source: node(source), sequence: 5 };
    let (a, b) = (field(3, 10, 1), field(i32::MAX, 20, 2));
    assert_eq!(a.add(&b), Field { sequence: 5, ..field(i32::MAX, 20, 1) });
    assert_eq!(field(65_536, 1, 1).scale(Q16(32_768)), field(32_768, 1, 1));
    assert_eq!(a.lerp(&a, Q16(32_768)), a);
    assert_eq!(field(0, 1, 1).lerp(&field(100, 2, 2), Q16(32_768)), field(50, 2, 1));
    assert_eq!(gradient(Q16::MIN, Some(Q16::MAX)), Some(Q16::MAX), "saturates");
    assert_eq!(Component::ALL.map(|component| component as u8), [0, 1, 2, 3, 4, 5]);
}

/// ekk:D-41: the add-on of marks, implemented: heat adds, fades, and cooler nodes take more.
#[test]
fn d41_marks() {
    let climate = Climate::default();
    let mut tag = Tag::default();
    tag.update(us(0), &climate, Q16(22_806_528 + 327_680));
    assert_eq!(tag.heat, Q16::ZERO, "within the band");
    tag.update(us(0), &climate, Q16(22_806_528 + 10 * 65_536));
    assert_eq!(tag.heat, Q16(65_530), "a tenth of ten kelvin");
    tag.update(Time::ZERO.after(Span::from_s(60)), &climate, Q16(22_806_528));
    assert!((tag.heat.0 - (65_530.0 * (-1.0_f64).exp()) as i32).abs() <= 1);
    let mut cool = Tag::default();
    cool.update(us(0), &climate, Q16(22_806_528 - 10 * 65_536));
    assert!(cool.heat < Q16::ZERO);
    let marks = [1, 2, 3, 4].map(Q16::from_int);
    let factor = |heat| Tag { heat: Q16::from_int(heat), updated: Time::ZERO }.load_factor(&climate, &marks);
    assert_eq!([0, 3, 9].map(factor), [Q16(3_276), Q16(0), Q16(-3_277)]);
    assert_eq!(tag.load_factor(&climate, &[]), Q16::ZERO);
}

/// ekk:footprint: a slot is no greater than the seed's.
#[test]
fn footprint() {
    assert!(size_of::<Field>() <= 48);
    assert!(size_of::<Region<64>>() <= 64 * 48 + 400, "{}", size_of::<Region<64>>());
}
