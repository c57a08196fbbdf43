//! The add-on the seed only declares (`ekk:D-41`): heat leaves a mark on a node, marks fade, and work drifts to where there are fewer.

use crate::fixed::{Decay, Q16};
use crate::time::{Span, Time};

/// How marks are made and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Climate {
    /// Temperature aimed at, in kelvin.
    pub target: Q16,
    /// No mark is made within this of the target, in kelvin.
    pub band: Q16,
    /// Share of the excess that goes into the mark.
    pub rate: Q16,
    /// Time constant of fading.
    pub tau: Span,
    /// The greatest adjustment of the load, as a share of it.
    pub adjust_max: Q16,
    /// Shape of fading.
    pub decay: Decay,
}

impl Default for Climate {
    fn default() -> Self {
        Climate {
            target: Q16(22_806_528),
            band: Q16(327_680),
            rate: Q16(6_553),
            tau: Span::from_s(60),
            adjust_max: Q16(6_553),
            decay: Decay::Exp,
        }
    }
}

/// The mark of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Above zero: too hot; below: too cool.
    pub heat: Q16,
    /// When it was last updated.
    pub updated: Time,
}

impl Tag {
    /// Fades the mark and adds to it by a temperature in kelvin.
    pub fn update(&mut self, now: Time, climate: &Climate, temperature: Q16) {
        self.heat = self.heat.mul(climate.decay.factor(now.since(self.updated), climate.tau));
        self.updated = self.updated.max(now);
        let excess = temperature.sub(climate.target);
        if excess > climate.band || excess < Q16::ZERO.sub(climate.band) {
            self.heat = self.heat.add(climate.rate.mul(excess));
        }
    }

    /// The share by which to change the own load: `adjust_max · (k/2 - rank) / k` with `rank` the number of the `k` neighbours'
    /// marks that are cooler. Positive, take more, when we are cooler than most; zero without neighbours.
    pub fn load_factor(&self, climate: &Climate, neighbours: &[Q16]) -> Q16 {
        let k = neighbours.len() as i64;
        let rank = neighbours.iter().filter(|&&heat| heat < self.heat).count() as i64;
        if k == 0 { Q16::ZERO } else { climate.adjust_max.mul(Q16::ratio(k - 2 * rank, 2 * k)) }
    }
}
