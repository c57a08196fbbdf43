//! Propagation to the fixpoint. The trail is the queue of events: what was written since the last event read is what happened.

use std::collections::VecDeque;
use std::sync::Arc;

use super::domains::{Domains, Fail, STATE};
use super::prop::{LEVELS, Prop};
use super::universe::Map;

/// Acts when a variable is fixed: what it maps to leaves `other`. Kept small: a search goes through these more than anything else.
#[derive(Debug, Clone)]
struct Watch {
    other: u32,
    cause: u32,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    Shift(i32),
    Table(Box<Arc<[u32]>>),
}

impl Watch {
    fn new(other: u32, cause: u32, map: &Map) -> Self {
        let step = match map {
            // Further than any place: reaches none.
            Map::Shift(shift) => Step::Shift(i32::try_from(*shift).unwrap_or(i32::MIN)),
            Map::Table(table) => Step::Table(Box::new(table.clone())),
        };
        Self { other, cause, step }
    }
}

/// Domains, propagators and who waits for what.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    pub(super) domains: Domains,
    pub(super) props: Vec<Prop>,
    watches: Vec<Vec<Watch>>,
    /// Memberships in all-different: propagator and position.
    cliques: Vec<Vec<(u32, u32)>>,
    changed: Vec<Vec<u32>>,
    queues: [VecDeque<u32>; LEVELS],
    queued: Vec<bool>,
    /// Entries of the trail that were acted on.
    head: usize,
    scratch: Vec<u32>,
    /// Propagators run so far.
    pub(super) runs: u64,
}

impl Engine {
    /// After variables were made.
    pub(super) fn grow(&mut self) {
        let count = self.domains.spans.len();
        self.watches.resize_with(count, Vec::new);
        self.cliques.resize_with(count, Vec::new);
        self.changed.resize_with(count, Vec::new);
    }

    /// Takes a propagator in; its number is `props.len()`. It runs with the next [`Self::propagate`].
    pub(super) fn add(&mut self, prop: Prop) {
        let number = self.props.len() as u32;
        if let Prop::Differ { x, y, from_x, from_y } = &prop {
            self.watches[*x as usize].push(Watch::new(*y, number, from_x));
            self.watches[*y as usize].push(Watch::new(*x, number, from_y));
        }
        if let Prop::AllDiff(all) = &prop {
            all.slots().enumerate().for_each(|(at, slot)| self.cliques[slot as usize].push((number, at as u32)));
        }
        prop.watched(&mut self.scratch);
        self.scratch.iter().for_each(|slot| self.changed[*slot as usize].push(number));
        self.props.push(prop);
        self.queued.push(false);
        self.schedule(number);
    }

    /// Takes the propagators from `count` on out again, latest first.
    pub(super) fn drop_props(&mut self, count: usize) {
        while self.props.len() > count {
            let Some(prop) = self.props.pop() else { return };
            self.queued.pop();
            if let Prop::Differ { x, y, .. } = &prop {
                self.watches[*x as usize].pop();
                self.watches[*y as usize].pop();
            }
            if let Prop::AllDiff(all) = &prop {
                for slot in all.slots() {
                    self.cliques[slot as usize].pop();
                }
            }
            prop.watched(&mut self.scratch);
            for slot in &self.scratch {
                self.changed[*slot as usize].pop();
            }
        }
    }

    /// Forgets variables from `count` on; no propagator may know them.
    pub(super) fn drop_vars(&mut self, count: usize) {
        self.domains.truncate(count);
        self.watches.truncate(count);
        self.cliques.truncate(count);
        self.changed.truncate(count);
    }

    /// Takes changes back to a length of the trail.
    pub(super) fn undo(&mut self, length: usize) {
        self.domains.undo(length);
        self.head = self.domains.trail.len();
    }

    /// Makes the variables of a new all-different lose what its fixed members take.
    pub(super) fn settle_fixed(&mut self, number: u32) -> Result<(), Fail> {
        if let Prop::AllDiff(all) = &self.props[number as usize] {
            for (at, slot) in all.slots().enumerate() {
                if self.domains.fixed(slot) {
                    all.on_fixed(&mut self.domains, at, number)?;
                }
            }
        }
        Ok(())
    }

    fn schedule(&mut self, number: u32) {
        if !self.queued[number as usize] {
            self.queued[number as usize] = true;
            self.queues[self.props[number as usize].level()].push_back(number);
        }
    }

    /// Runs until nothing changes. On failure the queues are empty and the caller takes the changes back.
    pub(super) fn propagate(&mut self) -> Result<(), Fail> {
        let result = self.run();
        if result.is_err() {
            self.clear_queues();
        }
        result
    }

    pub(super) fn clear_queues(&mut self) {
        for queue in &mut self.queues {
            queue.drain(..).for_each(|number| self.queued[number as usize] = false);
        }
    }

    fn run(&mut self) -> Result<(), Fail> {
        loop {
            while let Some(entry) = self.domains.trail.get(self.head).copied() {
                self.head += 1;
                if entry.slot == STATE {
                    continue;
                }
                if entry.fixed() {
                    self.on_fixed(entry.slot)?;
                }
                for i in 0..self.changed[entry.slot as usize].len() {
                    let number = self.changed[entry.slot as usize][i];
                    // A propagator leaves nothing to itself.
                    if number != entry.cause {
                        self.schedule(number);
                    }
                }
            }
            let Some(number) = self.queues.iter_mut().find_map(VecDeque::pop_front) else { return Ok(()) };
            self.queued[number as usize] = false;
            self.runs += 1;
            self.props[number as usize].run(&mut self.domains, number)?;
        }
    }

    fn on_fixed(&mut self, slot: u32) -> Result<(), Fail> {
        let place = self.domains.first(slot);
        for watch in &self.watches[slot as usize] {
            let there = match &watch.step {
                Step::Shift(shift) => place as i64 + i64::from(*shift),
                Step::Table(table) => table.get(place).map_or(-1, |there| i64::from(*there)),
            };
            self.domains.remove_at(watch.other, there, watch.cause)?;
        }
        for (number, at) in &self.cliques[slot as usize] {
            if let Prop::AllDiff(all) = &self.props[*number as usize] {
                all.on_fixed(&mut self.domains, *at as usize, *number)?;
            }
        }
        Ok(())
    }
}
