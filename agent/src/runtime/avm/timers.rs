//! What executions of a torus wait for by its clock: the ends of sleeps, and deadlines (`decisions:AVM-7`, `decisions:AVM-23`).
//!
//! A token in the queue of the torus for every sleeper would stay there when the sleeper is ended by hand, until its tick comes:
//! whoever starts and ends sleepers would fill the queue. So the times are kept here, and the queue holds alarms: tokens that mean
//! nothing but "look". An alarm goes off at most half of the way to what it is for, a power of two of ticks ahead, and is followed
//! by the next; a new one is set only when it comes before all others. So each is for a smaller power of two than the one before
//! it, and never more than 64 are in the queue, whatever is begun and given up. The last goes off one tick before the time, when
//! the token of the execution itself can still be put at it.

use std::collections::{BTreeSet, HashMap};

use avm::id::ExecutionId;

/// What an execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// The end of its sleep.
    Wake,
    /// The tick at which it is ended.
    Deadline,
}

/// Times of executions, ticks of one torus.
#[derive(Debug, Default)]
pub struct Timers {
    order: BTreeSet<(u64, u64, Due)>,
    times: HashMap<(u64, Due), u64>,
    /// Alarms in the queue, the earliest last.
    alarms: Vec<u64>,
}

impl Timers {
    /// With room for so many executions.
    #[must_use]
    pub fn new(executions: usize) -> Self {
        Self { times: HashMap::with_capacity(executions), alarms: Vec::with_capacity(64), ..Self::default() }
    }

    /// An execution waits until a tick; what it waited for before is forgotten.
    pub fn set(&mut self, execution: ExecutionId, due: Due, time: u64) {
        self.cancel(execution, due);
        self.times.insert((execution.0, due), time);
        self.order.insert((time, execution.0, due));
    }

    /// It waits no more; until when it did.
    pub fn cancel(&mut self, execution: ExecutionId, due: Due) -> Option<u64> {
        let time = self.times.remove(&(execution.0, due))?;
        self.order.remove(&(time, execution.0, due));
        Some(time)
    }

    /// It waits for nothing more.
    pub fn forget(&mut self, execution: ExecutionId) {
        self.cancel(execution, Due::Wake);
        self.cancel(execution, Due::Deadline);
    }

    /// Until when an execution waits.
    #[must_use]
    pub fn get(&self, execution: ExecutionId, due: Due) -> Option<u64> {
        self.times.get(&(execution.0, due)).copied()
    }

    /// Takes what is due at or before a tick out, the earliest first.
    pub fn take(&mut self, until: u64) -> Option<(ExecutionId, Due)> {
        let (time, execution, due) = *self.order.first()?;
        if time > until {
            return None;
        }
        self.cancel(ExecutionId(execution), due);
        Some((ExecutionId(execution), due))
    }

    /// In how many ticks an alarm is to go off that is not in the queue yet.
    #[must_use]
    pub fn alarm(&self, now: u64) -> Option<u64> {
        let (time, ..) = self.order.first()?;
        // One tick before, but never at the current tick: an event makes later ones only.
        let ahead = time.saturating_sub(now).saturating_sub(1).max(1);
        let delay = 1 << ahead.ilog2();
        let at = now.saturating_add(delay);
        // One that has gone off or is to go off before is soon enough; at the end of time they are all at the same tick.
        self.alarms.last().is_none_or(|earliest| at < *earliest).then_some(delay)
    }

    /// It is in the queue.
    pub fn alarm_set(&mut self, time: u64) {
        self.alarms.push(time);
    }

    /// One went off.
    pub fn alarm_over(&mut self, now: u64) {
        while self.alarms.last().is_some_and(|time| *time <= now) {
            self.alarms.pop();
        }
    }

    /// Alarms in the queue.
    #[must_use]
    pub fn alarms(&self) -> usize {
        self.alarms.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u64) -> ExecutionId {
        ExecutionId(number)
    }

    /// Sets the alarm that is wanted.
    fn arm(timers: &mut Timers, now: u64) {
        if let Some(delay) = timers.alarm(now) {
            timers.alarm_set(now.saturating_add(delay));
        }
    }

    #[test]
    fn what_is_due_first_comes_first_and_what_is_given_up_never() {
        let mut timers = Timers::new(8);
        timers.set(id(1), Due::Wake, 30);
        timers.set(id(2), Due::Wake, 10);
        timers.set(id(3), Due::Deadline, 20);
        timers.set(id(4), Due::Wake, 15);
        timers.set(id(2), Due::Wake, 25);
        assert_eq!(timers.cancel(id(4), Due::Wake), Some(15));
        assert_eq!((timers.take(19), timers.get(id(2), Due::Wake)), (None, Some(25)));
        let taken: Vec<_> = std::iter::from_fn(|| timers.take(30)).collect();
        assert_eq!(taken, [(id(3), Due::Deadline), (id(2), Due::Wake), (id(1), Due::Wake)]);
        assert_eq!(timers.alarm(30), None);
    }

    proptest! {
        // decisions:AVM-7: whatever is begun and given up, alarms are few, and one always goes off in time.
        #[test]
        fn alarms_are_few_and_in_time(steps in prop::collection::vec((1u64..1 << 40, any::<bool>(), 0u64..64), 1..400)) {
            let mut timers = Timers::new(8);
            let mut now = 0;
            for (number, (ticks, give_up, jump)) in steps.into_iter().enumerate() {
                timers.set(id(number as u64), Due::Wake, now + ticks);
                arm(&mut timers, now);
                prop_assert!(timers.alarms() <= 64, "{}", timers.alarms());
                let first = timers.order.first().map(|(time, ..)| *time);
                let alarm = timers.alarms.last().copied();
                prop_assert!(alarm.is_some() && alarm <= first.map(|time| (time - 1).max(now + 1)), "{alarm:?} {first:?} {now}");
                if give_up {
                    timers.cancel(id(number as u64), Due::Wake);
                }
                // The clock goes from alarm to alarm at most.
                now = (now + jump).min(timers.alarms.last().copied().unwrap_or(u64::MAX));
                timers.alarm_over(now);
                while let Some((_, due)) = timers.take(now + 1) {
                    prop_assert_eq!(due, Due::Wake);
                }
                arm(&mut timers, now);
            }
        }

        // A sleep is found at its very tick less one, after few alarms, also at the end of time.
        #[test]
        fn each_alarm_halves_the_way(start: u64, ticks in 1u64..) {
            let mut timers = Timers::new(8);
            let (mut now, mut alarms) = (start, 0);
            let time = start.saturating_add(ticks);
            timers.set(id(1), Due::Wake, time);
            while timers.take(now.saturating_add(1)).is_none() {
                let delay = timers.alarm(now);
                prop_assert!(delay.is_some(), "it is never forgotten");
                now = now.saturating_add(delay.unwrap_or(0));
                timers.alarm_set(now);
                timers.alarm_over(now);
                alarms += 1;
                prop_assert!(alarms <= 64);
            }
            prop_assert!(now <= time && time - now <= 1, "{now} {time}");
        }
    }
}
