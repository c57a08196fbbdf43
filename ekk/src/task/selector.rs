//! Which task runs: a policy that sees the gradients (`ekk` section 8, selection).

use super::TaskId;
use crate::fixed::Q16;
use crate::time::Time;

/// A task that may run now and is not critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Which one.
    pub id: TaskId,
    /// 0 goes first.
    pub priority: u8,
    /// Ticks for which it could have run and did not.
    pub waited: u16,
    /// How it likes each component to be higher around than here: positive = run when neighbours have more of it.
    pub affinity: [i8; 6],
}

/// Chooses among tasks that may run. Critical tasks and tasks that waited too long are chosen before a selector is asked, so
/// no policy can starve anybody.
pub trait TaskSelector {
    /// One of `offers` (never empty, in order of their ids), or none to leave this tick idle. A gradient is Q16.16,
    /// neighbours minus own, `None` without a signal.
    fn select(&mut self, now: Time, gradients: &[Option<Q16>; 6], offers: &[Offer]) -> Option<TaskId>;
}

/// The lower priority number, then who waited longest, then the lower id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ByPriority;

impl TaskSelector for ByPriority {
    fn select(&mut self, _now: Time, _gradients: &[Option<Q16>; 6], offers: &[Offer]) -> Option<TaskId> {
        offers.iter().min_by_key(|o| (o.priority, u16::MAX - o.waited, o.id)).map(|o| o.id)
    }
}

/// The lower priority number; among equals the task that the gradients favour most, e.g. one that accepts load while the
/// neighbours carry more; then who waited longest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ByGradient;

impl ByGradient {
    /// How much the gradients favour a task: sum of affinity times gradient.
    #[must_use]
    pub fn favour(gradients: &[Option<Q16>; 6], affinity: &[i8; 6]) -> i64 {
        gradients.iter().zip(affinity).map(|(g, &a)| i64::from(g.unwrap_or(Q16::ZERO).0) * i64::from(a)).sum()
    }
}

impl TaskSelector for ByGradient {
    fn select(&mut self, _now: Time, gradients: &[Option<Q16>; 6], offers: &[Offer]) -> Option<TaskId> {
        let key = |o: &Offer| (o.priority, -Self::favour(gradients, &o.affinity), u16::MAX - o.waited, o.id);
        offers.iter().min_by_key(|o| key(o)).map(|o| o.id)
    }
}
