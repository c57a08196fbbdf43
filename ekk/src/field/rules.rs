//! How fields age.

use super::COMPONENTS;
use crate::fixed::{Curve, Decay, Q16};
use crate::profile::{Profile, Timing};
use crate::time::Span;

/// How one component ages, and the range it is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComponentRule {
    /// The loss of strength.
    pub curve: Curve,
    /// The value an old sample tends to; `None` lets it lose weight against fresher samples instead, so that a silent neighbour
    /// looks neither idle nor urgent (`ekk:D-07`).
    pub neutral: Option<Q16>,
    /// Least value published.
    pub floor: Q16,
    /// Greatest value published.
    pub ceiling: Q16,
}

impl ComponentRule {
    /// An unbounded component without a neutral value.
    pub const fn new(decay: Decay, tau: Span) -> ComponentRule {
        ComponentRule { curve: Curve::new(decay, tau), neutral: None, floor: Q16::MIN, ceiling: Q16::MAX }
    }
}

/// How all components age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    components: [ComponentRule; COMPONENTS],
    /// All components age alike: one factor serves all.
    uniform: bool,
    lifetime: Span,
    skew: Span,
    profile: Profile,
}

impl Rules {
    /// The seed's: 100 ms, rational, values themselves decay.
    pub const fn seed() -> Rules {
        let rule = ComponentRule::new(Decay::Rational, Span::from_us(100_000));
        Rules {
            components: [rule; COMPONENTS],
            uniform: true,
            lifetime: rule.curve.lifetime(),
            skew: Span::ZERO,
            profile: Profile::Seed,
        }
    }

    /// Exponential with the time constant of those times; stamps up to two periods ahead are taken as fresh.
    pub fn product(timing: &Timing) -> Rules {
        Rules::new([ComponentRule::new(Decay::Exp, timing.tau); COMPONENTS], timing.period.times(2))
    }

    /// Own rules a component; stamps up to `skew` ahead are taken as fresh.
    pub fn new(components: [ComponentRule; COMPONENTS], skew: Span) -> Rules {
        let [first, ..] = components;
        let uniform = components.iter().all(|rule| rule.curve == first.curve && rule.neutral.is_none());
        let lifetime = components.iter().map(|rule| rule.curve.lifetime()).max().unwrap_or(Span::ZERO);
        Rules { components, uniform, lifetime, skew, profile: Profile::Product }
    }

    /// The rule of each component.
    pub const fn components(&self) -> &[ComponentRule; COMPONENTS] {
        &self.components
    }

    /// Whether one factor serves all components.
    pub(super) const fn uniform(&self) -> bool {
        self.uniform
    }

    /// The age at which a field is expired: that of its slowest component.
    pub const fn lifetime(&self) -> Span {
        self.lifetime
    }

    /// How far ahead a stamp may lie.
    pub const fn skew(&self) -> Span {
        self.skew
    }

    /// Which rules apply.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// `values` within the range of each component.
    pub(super) fn bound(&self, values: &[Q16; COMPONENTS]) -> [Q16; COMPONENTS] {
        core::array::from_fn(|i| values[i].within(self.components[i].floor, self.components[i].ceiling))
    }
}
