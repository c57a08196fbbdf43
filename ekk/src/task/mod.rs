//! Local tasks: at most one is chosen per tick, the caller runs it (`ekk` section 8, `ekk:D-34`).
//!
//! Order of choice: a critical task before all others (earliest deadline first); within its class whoever waited
//! [`WAIT_TICKS_MAX`] ticks goes first; else the [`TaskSelector`] says. So every task that stays ready runs, unless critical
//! tasks alone fill every tick.

mod selector;
pub mod slack;

pub use selector::{ByGradient, ByPriority, Offer, TaskSelector};

use crate::fixed::Q16;
use crate::time::{Span, Time};

/// Tasks of one node (`ekk` section 2).
pub const TASKS_MAX: usize = 8;
/// A task that waited this many ticks goes first in its class.
pub const WAIT_TICKS_MAX: u16 = 64;

/// Index of a task in its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u8);

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// A task that runs once and has.
    Idle,
    /// It runs when it is due.
    Ready,
    /// It was chosen and its end was not reported.
    Running,
    /// It waits for [`Tasks::ready`].
    Blocked,
}

/// When a task has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// Never.
    None,
    /// Then.
    At(Time),
    /// So long after each release.
    Within(Span),
}

/// What happens to runs of a periodic task that could not take place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CatchUp {
    /// Each takes place, late: the count over a long time is right.
    Burst,
    /// They are skipped and counted: the next run is the next multiple of the period.
    Skip,
}

/// A task to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskSpec {
    /// For the display; UTF-8, zero-padded.
    pub name: [u8; 16],
    /// 0 goes first.
    pub priority: u8,
    /// Between two releases; zero = runs once each time it is made ready.
    pub period: Span,
    /// When it has to be done.
    pub deadline: Deadline,
    /// How long it is believed to run: part of the slack, and its budget; zero = no budget.
    pub estimate: Span,
    /// Capabilities it needs, bits of `ekk` section 2.
    pub needs: u16,
    /// How it likes each gradient, see [`Offer::affinity`].
    pub affinity: [i8; 6],
    /// What happens to late runs.
    pub catch_up: CatchUp,
}

impl TaskSpec {
    /// A task without period, deadline, needs and preferences.
    #[must_use]
    pub fn new(name: &str, priority: u8) -> Self {
        let mut bytes = [0; 16];
        let cut = (0..=name.len().min(bytes.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        bytes[..cut].copy_from_slice(&name.as_bytes()[..cut]);
        Self {
            name: bytes,
            priority,
            period: Span::ZERO,
            deadline: Deadline::None,
            estimate: Span::ZERO,
            needs: 0,
            affinity: [0; 6],
            catch_up: CatchUp::Burst,
        }
    }
}

/// A task and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Task {
    /// As it was added.
    pub spec: TaskSpec,
    /// What it does.
    pub state: TaskState,
    /// When it may run next.
    pub release: Time,
    /// When it has to be done; [`Time::NEVER`] = no deadline.
    pub deadline: Time,
    /// Runs begun.
    pub runs: u64,
    /// Releases skipped ([`CatchUp::Skip`]).
    pub skipped: u64,
    /// Runs longer than the estimate.
    pub overruns: u32,
    /// Time beyond the estimate, summed, ns.
    pub overrun_ns: u64,
    /// Time of all runs, ns.
    pub runtime_ns: u64,
    /// Ticks for which it could have run and did not.
    pub waited: u16,
    /// Made ready again while it ran.
    again: bool,
}

impl Task {
    fn new(spec: TaskSpec, now: Time) -> Self {
        let mut task = Self {
            spec,
            state: TaskState::Ready,
            release: now,
            deadline: Time::NEVER,
            runs: 0,
            skipped: 0,
            overruns: 0,
            overrun_ns: 0,
            runtime_ns: 0,
            waited: 0,
            again: false,
        };
        task.set_deadline();
        task
    }

    fn set_deadline(&mut self) {
        self.deadline = match self.spec.deadline {
            Deadline::None => Time::NEVER,
            Deadline::At(at) => at,
            Deadline::Within(span) => self.release.after(span),
        };
    }

    /// Slack at `now`, ns; `None` without a deadline.
    #[must_use]
    pub fn slack_ns(&self, now: Time) -> Option<i64> {
        (self.deadline != Time::NEVER).then(|| slack::slack_ns(self.deadline, now, self.spec.estimate))
    }

    fn can_run(&self, now: Time, capabilities: u16) -> bool {
        self.state == TaskState::Ready && self.release <= now && self.spec.needs & !capabilities == 0
    }

    fn begin(&mut self, now: Time) {
        self.state = TaskState::Running;
        self.runs += 1;
        self.waited = 0;
        self.again = false;
        let period = self.spec.period;
        if period == Span::ZERO {
            return;
        }
        // The next release follows from the last one, not from now: rates stay exact on coarse ticks.
        self.release = self.release.after(period);
        if self.spec.catch_up == CatchUp::Skip && self.release <= now {
            let missed = now.since(self.release).0 / period.0 + 1;
            self.skipped += missed;
            self.release = self.release.after(period.times(missed));
        }
        if matches!(self.spec.deadline, Deadline::Within(_)) {
            self.set_deadline();
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskEnd {
    /// Done: a periodic task waits for its next release, another one is idle.
    Done,
    /// It waits for [`Tasks::ready`].
    Block,
}

/// Why a request about tasks changed nothing. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskError {
    /// [`TASKS_MAX`] tasks exist.
    Full,
    /// No such task.
    Unknown,
    /// It is not running.
    NotRunning,
}

impl core::fmt::Display for TaskError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            TaskError::Full => "all places for tasks are taken",
            TaskError::Unknown => "no such task",
            TaskError::NotRunning => "the task is not running",
        })
    }
}

impl core::error::Error for TaskError {}

/// The tasks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tasks {
    slots: [Option<Task>; TASKS_MAX],
    /// Places that are taken, and those of tasks with a deadline, one bit each: a tick looks at nothing else.
    used: u8,
    timed: u8,
}

const _: () = assert!(TASKS_MAX <= u8::BITS as usize);

/// The places of the bits that are set.
fn places(mut mask: u8) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (place < TASKS_MAX).then_some(place)
    })
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: [None; TASKS_MAX], used: 0, timed: 0 }
    }

    /// Adds a task, ready at once (`ekk:D-34`).
    ///
    /// # Errors
    /// [`TaskError::Full`].
    pub fn add(&mut self, now: Time, spec: TaskSpec) -> Result<TaskId, TaskError> {
        let at = self.slots.iter().position(Option::is_none).ok_or(TaskError::Full)?;
        self.slots[at] = Some(Task::new(spec, now));
        self.used |= 1 << at;
        if spec.deadline != Deadline::None {
            self.timed |= 1 << at;
        }
        Ok(TaskId(at as u8))
    }

    /// Removes a task.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn remove(&mut self, id: TaskId) -> Result<Task, TaskError> {
        let task = self.slots.get_mut(usize::from(id.0)).and_then(Option::take).ok_or(TaskError::Unknown)?;
        self.used &= !(1 << id.0);
        self.timed &= self.used;
        Ok(task)
    }

    /// Makes a task ready: an idle or blocked one may run, a running one may run again after its end.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn ready(&mut self, now: Time, id: TaskId) -> Result<(), TaskError> {
        let task = self.slot(id)?;
        match task.state {
            TaskState::Running => task.again = true,
            TaskState::Ready => {}
            TaskState::Idle | TaskState::Blocked => {
                task.state = TaskState::Ready;
                if task.spec.period == Span::ZERO {
                    task.release = now;
                    task.set_deadline();
                }
            }
        }
        Ok(())
    }

    /// Blocks a task; one that blocks itself while it runs stays blocked (`ekk:D-34`).
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn block(&mut self, id: TaskId) -> Result<(), TaskError> {
        self.slot(id)?.state = TaskState::Blocked;
        Ok(())
    }

    /// The caller reports the end of a run and how long it took.
    ///
    /// # Errors
    /// [`TaskError::Unknown`]; [`TaskError::NotRunning`] when it neither runs nor was blocked while it ran.
    pub fn done(&mut self, id: TaskId, ran: Span, end: TaskEnd) -> Result<(), TaskError> {
        let task = self.slot(id)?;
        if !matches!(task.state, TaskState::Running | TaskState::Blocked) {
            return Err(TaskError::NotRunning);
        }
        task.runtime_ns = task.runtime_ns.saturating_add(ran.0);
        if task.spec.estimate != Span::ZERO && ran > task.spec.estimate {
            task.overruns = task.overruns.saturating_add(1);
            task.overrun_ns = task.overrun_ns.saturating_add(ran.minus(task.spec.estimate).0);
        }
        task.state = match (task.state, end) {
            (TaskState::Blocked, _) => TaskState::Blocked,
            (_, TaskEnd::Block) => TaskState::Blocked,
            (_, TaskEnd::Done) if task.again || task.spec.period != Span::ZERO => TaskState::Ready,
            (_, TaskEnd::Done) => TaskState::Idle,
        };
        Ok(())
    }

    /// A task.
    #[must_use]
    pub fn get(&self, id: TaskId) -> Option<&Task> {
        self.slots.get(usize::from(id.0))?.as_ref()
    }

    /// All tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.slots.iter().enumerate().filter_map(|(at, task)| Some((TaskId(at as u8), task.as_ref()?)))
    }

    /// True without any task.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The slack component of the own field, Q16.16: the least slack of all that are not idle and have a deadline.
    #[must_use]
    pub fn slack_component(&self, now: Time) -> Q16 {
        if self.timed == 0 {
            return Q16::ONE;
        }
        let open =
            places(self.timed).filter_map(|at| self.slots[at].as_ref()).filter(|task| task.state != TaskState::Idle);
        slack::component(open.filter_map(|task| task.slack_ns(now)).min())
    }

    /// Chooses at most one task and marks it running; everybody else who could have run waited one tick more.
    pub fn choose(
        &mut self,
        now: Time,
        capabilities: u16,
        gradients: &[Option<Q16>; 6],
        selector: &mut impl TaskSelector,
    ) -> Option<TaskId> {
        let can_run = |at: &usize| self.slots[*at].as_ref().is_some_and(|task| task.can_run(now, capabilities));
        let runnable = places(self.used).filter(can_run).fold(0, |mask, at| mask | 1 << at);
        if runnable == 0 {
            return None;
        }
        let critical = self.critical(now, runnable & self.timed);
        let chosen = critical.or_else(|| self.offered(now, runnable, gradients, selector));
        for at in places(runnable) {
            let Some(task) = &mut self.slots[at] else { continue };
            if chosen == Some(TaskId(at as u8)) {
                task.begin(now);
            } else {
                task.waited = task.waited.saturating_add(1);
            }
        }
        chosen
    }

    /// When the next task may run; [`Time::NEVER`] when none will.
    #[must_use]
    pub fn next_release(&self) -> Time {
        let ready = self.slots.iter().flatten().filter(|task| task.state == TaskState::Ready);
        ready.map(|task| task.release).min().unwrap_or(Time::NEVER)
    }

    fn critical(&self, now: Time, timed: u8) -> Option<TaskId> {
        if timed == 0 {
            return None;
        }
        let runnable = places(timed).filter_map(|at| Some((TaskId(at as u8), self.slots[at].as_ref()?)));
        let critical = runnable.filter(|(_, task)| task.slack_ns(now).is_some_and(slack::is_critical));
        critical.min_by_key(|&(id, task)| (hurry(task.waited), task.deadline, task.spec.priority, id)).map(|(id, _)| id)
    }

    fn offered(
        &self,
        now: Time,
        runnable: u8,
        gradients: &[Option<Q16>; 6],
        selector: &mut impl TaskSelector,
    ) -> Option<TaskId> {
        let mut offers = [Offer { id: TaskId(u8::MAX), priority: u8::MAX, waited: 0, affinity: [0; 6] }; TASKS_MAX];
        let mut count = 0;
        for at in places(runnable) {
            let Some(Task { spec, waited, .. }) = &self.slots[at] else { continue };
            offers[count] =
                Offer { id: TaskId(at as u8), priority: spec.priority, waited: *waited, affinity: spec.affinity };
            count += 1;
        }
        let offers = &offers[..count];
        let patient = offers.iter().filter(|o| o.waited >= WAIT_TICKS_MAX).max_by_key(|o| (o.waited, u8::MAX - o.id.0));
        if let Some(offer) = patient {
            return Some(offer.id);
        }
        let chosen = selector.select(now, gradients, offers)?;
        // A selector that names somebody else is at fault; the usual order stands in for it.
        if offers.iter().any(|o| o.id == chosen) { Some(chosen) } else { ByPriority.select(now, gradients, offers) }
    }

    fn slot(&mut self, id: TaskId) -> Result<&mut Task, TaskError> {
        self.slots.get_mut(usize::from(id.0)).and_then(Option::as_mut).ok_or(TaskError::Unknown)
    }
}

/// Sorts those that waited too long before the others, longest first.
const fn hurry(waited: u16) -> u16 {
    if waited >= WAIT_TICKS_MAX { u16::MAX - waited } else { u16::MAX }
}

#[cfg(test)]
mod tests;
