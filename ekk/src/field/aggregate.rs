//! What the neighbours say together, and the slope toward them.

use super::{COMPONENTS, FieldError, Region, Rules};
use crate::fixed::Q16;
use crate::heartbeat::Health;
use crate::id::NodeId;
use crate::profile::Profile;
use crate::time::{Span, Time};
use crate::topology::Neighbour;

/// More neighbours than this are not aggregated: the sums of [`product`] are proven for it.
pub const NEIGHBOURS_MAX: usize = 15;

/// Fraction bits of a weight.
const WEIGHT_BITS: u32 = 28;
// Fifteen weights of at most 2^28, each times a value of at most 2^31, stay below 2^63.
const _: () = assert!((NEIGHBOURS_MAX as i128) << (WEIGHT_BITS + 31) < i64::MAX as i128);

/// How much a field counts at that distance: `1 / (1 + d / 256)` with 28 fraction bits; never zero up to the greatest distance.
pub const fn distance_weight(distance: u32) -> u32 {
    ((1_u64 << (WEIGHT_BITS + 8)) / (256 + distance as u64)) as u32
}

/// How the sampling went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// At least one neighbour was sampled.
    Ok,
    /// There was nobody to ask.
    #[default]
    Nobody,
    /// There were neighbours to ask and none of them had a field: degraded.
    Degraded,
}

/// What the neighbours say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// One value a component; `None` without a signal (`ekk:D-06`). Under the seed's rules zero instead.
    pub values: [Option<Q16>; COMPONENTS],
    /// The newest stamp among the samples.
    pub newest: Time,
    /// Neighbours alive or suspect.
    pub eligible: u8,
    /// Neighbours that had a field.
    pub sampled: u8,
    /// How the sampling went.
    pub sampling: Sampling,
}

/// The slope of one component: the aggregate less our own; `None` without a signal.
#[inline]
pub fn gradient(own: Q16, aggregate: Option<Q16>) -> Option<Q16> {
    aggregate.map(|value| value.sub(own))
}

/// The slopes of all components.
#[inline]
pub fn gradients(own: &[Q16; COMPONENTS], aggregate: &Aggregate) -> [Option<Q16>; COMPONENTS] {
    core::array::from_fn(|i| gradient(own[i], aggregate.values[i]))
}

impl<const N: usize> Region<N> {
    /// Aggregates the fields of those neighbours that are alive or suspect, by the rules of this region. Neighbours beyond
    /// [`NEIGHBOURS_MAX`] are not asked.
    pub fn aggregate(&self, now: Time, neighbours: &[Neighbour]) -> Aggregate {
        let neighbours = &neighbours[..neighbours.len().min(NEIGHBOURS_MAX)];
        match self.rules().profile() {
            Profile::Seed => self.aggregate_seed(now, neighbours),
            Profile::Product => {
                let read = |id: NodeId| {
                    self.read(now, id).map(|(field, age)| Sample { values: &field.values, age, stamp: field.stamp })
                };
                product(self.rules(), neighbours, read)
            }
        }
    }

    /// The seed's: decayed values, weights of 16 bits, every term rounded down, zero from nobody.
    fn aggregate_seed(&self, now: Time, neighbours: &[Neighbour]) -> Aggregate {
        let mut aggregate = Aggregate { sampling: Sampling::Ok, ..Aggregate::default() };
        let (mut sums, mut total) = ([0_i64; COMPONENTS], 0_i64);
        for neighbour in neighbours {
            let mut weight = match neighbour.health {
                Health::Unknown | Health::Dead => continue,
                Health::Alive => Q16::ONE,
                Health::Suspect => Q16(Q16::ONE.0 / 2),
            };
            aggregate.eligible += 1;
            let Ok(field) = self.sample(now, neighbour.id) else { continue };
            if neighbour.distance > 0 {
                let far = Q16::ONE.add(Q16((u64::from(neighbour.distance) * 256).min(i32::MAX as u64) as i32));
                weight = weight.mul(Q16::ONE.div(far));
            }
            aggregate.sampled += 1;
            aggregate.newest = aggregate.newest.max(field.stamp);
            total += i64::from(weight.0);
            for (sum, value) in sums.iter_mut().zip(&field.values) {
                *sum += i64::from(value.mul(weight).0);
            }
        }
        if aggregate.eligible > 0 && aggregate.sampled == 0 {
            aggregate.sampling = Sampling::Degraded;
        }
        aggregate.values = sums.map(|sum| Some(if total == 0 { Q16::ZERO } else { Q16::ratio(sum, total) }));
        aggregate
    }
}

/// A field as it was published, and its age.
pub struct Sample<'a> {
    /// One value a component.
    pub values: &'a [Q16; COMPONENTS],
    /// Time since it was published.
    pub age: Span,
    /// When it was published.
    pub stamp: Time,
}

/// Weight of a neighbour by nearness and health, with 28 fraction bits; `None` when it is not to be asked.
#[inline]
fn nearness(neighbour: &Neighbour) -> Option<i64> {
    let halved = match neighbour.health {
        Health::Alive => 0,
        Health::Suspect => 1,
        Health::Unknown | Health::Dead => return None,
    };
    Some(i64::from(neighbour.weight >> halved))
}

/// The weighted mean of the samples: a sample counts by nearness, by health and by freshness. What age takes from its weight goes
/// to the neutral value of the component, or to nobody where there is none: then fresher samples count for more, and a lone old
/// one keeps its value until it expires. Products are full width and the quotient is rounded once, toward zero.
#[inline]
pub fn product<'a>(
    rules: &Rules,
    neighbours: &[Neighbour],
    mut read: impl FnMut(NodeId) -> Result<Sample<'a>, FieldError>,
) -> Aggregate {
    let neighbours = &neighbours[..neighbours.len().min(NEIGHBOURS_MAX)];
    let (mut sums, mut total) = ([0_i64; COMPONENTS], 0_i64);
    // One a component, used where components differ.
    let mut totals = [0_i64; COMPONENTS];
    let (mut newest, mut eligible, mut sampled) = (Time::ZERO, 0, 0);
    let uniform = rules.uniform();
    let curve = &rules.components()[0].curve;
    for neighbour in neighbours {
        let Some(near) = nearness(neighbour) else { continue };
        eligible += 1;
        let Ok(Sample { values, age, stamp }) = read(neighbour.id) else { continue };
        sampled += 1;
        newest = newest.max(stamp);
        if !uniform {
            mix(rules, near, values, age, &mut totals, &mut sums);
            continue;
        }
        // One weight serves all. 28 + 16 fraction bits fit easily.
        let weight = (near * i64::from(curve.factor(age).0)) >> 16;
        total += weight;
        for i in 0..COMPONENTS {
            sums[i] += i64::from(values[i].0) * weight;
        }
    }
    let mut aggregate = Aggregate { newest, eligible, sampled, ..Aggregate::default() };
    aggregate.sampling = match (eligible, sampled) {
        (0, _) => Sampling::Nobody,
        (_, 0) => Sampling::Degraded,
        _ => Sampling::Ok,
    };
    // A mean of 32-bit values is one.
    if !uniform {
        aggregate.values = core::array::from_fn(|i| (totals[i] > 0).then(|| Q16((sums[i] / totals[i]) as i32)));
    } else if total > 0 {
        aggregate.values = sums.map(|sum| Some(Q16((sum / total) as i32)));
    }
    aggregate
}

/// Adds one sample where components age differently or have neutral values.
#[inline(never)]
fn mix(
    rules: &Rules,
    near: i64,
    values: &[Q16; COMPONENTS],
    age: Span,
    totals: &mut [i64; COMPONENTS],
    sums: &mut [i64; COMPONENTS],
) {
    for (i, rule) in rules.components().iter().enumerate() {
        let weight = (near * i64::from(rule.curve.factor(age).0)) >> 16;
        let lost = rule.neutral.map_or(0, |_| near - weight);
        totals[i] += weight + lost;
        sums[i] += i64::from(values[i].0) * weight + i64::from(rule.neutral.unwrap_or(Q16::ZERO).0) * lost;
    }
}
