//! Fields: a few numbers each node publishes, which lose strength with age, and the gradients their neighbours feel.
//!
//! A [`Region`] is an owned value: writers need `&mut`, so that two of them, or a writer and the collector, cannot meet
//! (`ekk:D-01`, `ekk:D-02`, `ekk:D-03`). Where several threads share fields, they share them through the slots of `shm_transport`,
//! whose claim-by-exchange protocol is the one section 3.1 asks for and is proven there by loom (`ekk:P13`); what is read from such
//! a slot is then published here.

mod aggregate;
#[cfg(test)]
mod property;
mod region;
mod rules;
mod stigmergy;
#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, NEIGHBOURS_MAX, Sample, Sampling, distance_weight, gradient, gradients, product};
pub use region::Region;
pub use rules::{ComponentRule, Rules};
pub use stigmergy::{Climate, Tag};

use crate::fixed::Q16;
use crate::id::NodeId;
use crate::time::Time;

/// Components of a field.
pub const COMPONENTS: usize = 6;

/// The components by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Component {
    /// Share of the capacity in use.
    Load = 0,
    /// Heat.
    Thermal = 1,
    /// Power drawn.
    Power = 2,
    /// The caller's own.
    Custom0 = 3,
    /// The caller's own.
    Custom1 = 4,
    /// Time left before the nearest deadline, from none to plenty.
    Slack = 5,
}

impl Component {
    /// All components, in the order of a field's values.
    pub const ALL: [Component; COMPONENTS] = [
        Component::Load,
        Component::Thermal,
        Component::Power,
        Component::Custom0,
        Component::Custom1,
        Component::Slack,
    ];
}

/// What one node published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Field {
    /// One value a component, in the order of [`Component::ALL`].
    pub values: [Q16; COMPONENTS],
    /// When it was published, by the clock of whoever keeps it.
    pub stamp: Time,
    /// Who published it.
    pub source: NodeId,
    /// Grows with each publication of the source.
    pub sequence: u32,
}

impl Field {
    /// Sums by component, saturated; the newer stamp, source and sequence of `self`.
    #[must_use]
    pub fn add(&self, other: &Field) -> Field {
        Field {
            values: core::array::from_fn(|i| self.values[i].add(other.values[i])),
            stamp: self.stamp.max(other.stamp),
            ..*self
        }
    }

    /// Products with `factor` by component.
    #[must_use]
    pub fn scale(&self, factor: Q16) -> Field {
        Field { values: self.values.map(|value| value.mul(factor)), ..*self }
    }

    /// The way from `self` at `t` = 0 to `other` at `t` = 1; the newer stamp, source and sequence of `self`.
    #[must_use]
    pub fn lerp(&self, other: &Field, t: Q16) -> Field {
        Field {
            values: core::array::from_fn(|i| self.values[i].lerp(other.values[i], t)),
            stamp: self.stamp.max(other.stamp),
            ..*self
        }
    }
}

/// Why a field was not published or not sampled; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldError {
    /// The id names no node, or is beyond the limit.
    Invalid,
    /// That node never published.
    Unknown,
    /// Older than five time constants.
    Expired,
    /// Stamped further ahead than the tolerance for clocks (`ekk:D-08`).
    Future,
    /// Not newer than what is there.
    Stale,
    /// Every slot is taken.
    Full,
    /// The node is in quarantine.
    Ignored,
}

impl core::fmt::Display for FieldError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            FieldError::Invalid => "the id names no node that may publish here",
            FieldError::Unknown => "that node never published",
            FieldError::Expired => "the field is expired",
            FieldError::Future => "the field is stamped too far ahead",
            FieldError::Stale => "the field is not newer than the known one",
            FieldError::Full => "every slot for fields is taken",
            FieldError::Ignored => "the node is in quarantine",
        })
    }
}

impl core::error::Error for FieldError {}
