//! What is remembered for whoever looks (`decisions:AVM-23`): the last changes of objects, and what decided transactions read and
//! wrote. Programs see nothing of it; both are bounded, and off unless the configuration asks for them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::config::{Decision, Failure, Refused};
use super::convert::to_val;
use super::exec::Exec;
use super::lane::Lane;
use super::remote::Wanted;
use super::store::Version;
use super::tx::{CANCELLED, CREATED, DESTROYED, EXISTS, Entry, MOVED, OBSERVED, STATE, TRANSFERRED};
use super::world::World;
use crate::error::{AvmError, ProgramError};
use crate::id::{ControllerId, ExecutionId, ObjectId, ROOT, TxId};
use crate::value::Val;

/// Objects of one set that are remembered of a decided transaction.
const DECIDED: usize = 16;
/// Decisions of one execution that travel with it.
const DECISIONS: usize = 1024;
/// Picks remembered in these, when the newest has as many as all.
const PICKS: usize = 1 << 20;
/// Nodes of the largest state that is shown with a version.
const SHOWN: u32 = 256;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It was made.
    Created,
    /// It has another state.
    State,
    /// It belongs to another controller.
    Controller,
    /// It is on another machine.
    Machine,
    /// It is gone.
    Destroyed,
}

impl Change {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::State => "state",
            Self::Controller => "controller",
            Self::Machine => "machine",
            Self::Destroyed => "destroyed",
        }
    }

    const fn between(before: &Version, after: &Version) -> Self {
        match (before.exists, after.exists) {
            (false, _) => Self::Created,
            (true, false) => Self::Destroyed,
            _ if before.current != after.current => Self::Controller,
            _ if before.machine != after.machine => Self::Machine,
            _ => Self::State,
        }
    }

    const fn of(entry: &Entry) -> Option<Self> {
        match entry.flags {
            flags if flags & CANCELLED != 0 || flags & (CREATED | DESTROYED) == CREATED | DESTROYED => None,
            flags if flags & DESTROYED != 0 => Some(Self::Destroyed),
            flags if flags & CREATED != 0 => Some(Self::Created),
            flags if flags & TRANSFERRED != 0 => Some(Self::Controller),
            flags if flags & MOVED != 0 => Some(Self::Machine),
            flags if flags & STATE != 0 => Some(Self::State),
            _ => None,
        }
    }
}

/// One version of an object, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The version.
    pub version: u64,
    /// Who wrote it.
    pub by: ExecutionId,
    /// In which transaction; none outside one, or when it came from another torus.
    pub tx: Option<TxId>,
    /// When, as [`Lane::set_time`] was told, ns; 0 = it was told nothing.
    pub at_ns: u64,
    /// What changed.
    pub what: Change,
    /// The state of that version, while it is kept and small enough to be shown.
    pub state: Option<Val>,
}

/// What a transaction read and wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sets {
    /// Controller it was resolved to.
    pub controller: Option<ControllerId>,
    /// When it began and ended, as [`Lane::set_time`] was told, ns; 0 = not yet, or not known.
    pub began_ns: u64,
    /// See `began_ns`.
    pub ended_ns: u64,
    /// The first objects read, with the version read; `None` = it was absent.
    pub reads: Vec<(ObjectId, Option<u64>)>,
    /// How many there were.
    pub read_count: u64,
    /// The first objects written.
    pub writes: Vec<(ObjectId, Change)>,
    /// How many there were.
    pub write_count: u64,
    /// Version of its own writes, when it was committed.
    pub version: Option<u64>,
    /// Version found of the object that refused it, where it is of this torus and exists.
    pub found: Option<u64>,
}

/// A decided transaction with what it read and wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Whose.
    pub execution: ExecutionId,
    /// How it was decided.
    pub decision: Decision,
    /// What it read and wrote.
    pub sets: Sets,
}

/// The newest decided transactions of a lane, oldest first: plain commits beside those that had choices or were not committed, so
/// that many commits leave the others where they can be seen.
#[derive(Debug, Default)]
pub(super) struct AllDecided {
    plain: VecDeque<Decided>,
    others: VecDeque<Decided>,
}

/// What an execution has beside what it runs with: its own bound, and how its transactions ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    /// Memory it may use, bytes.
    pub(super) memory_bytes: u64,
    /// When its open transaction began, ns.
    pub(super) began_ns: u64,
    /// Of those aborted: the solver did not decide.
    pub(super) undecided: u64,
    /// Of those aborted: another error ended the program.
    pub(super) failed: u64,
}

/// One change in the ring.
#[derive(Debug, Clone, Copy)]
struct Noted {
    object: ObjectId,
    version: u64,
    by: ExecutionId,
    /// `u64::MAX`: none.
    tx: u64,
    at_ns: u64,
    what: Change,
    /// Number of the change before it of the same place of the index; 0: none.
    before: u64,
}

/// The last changes of all objects of a lane, in a ring that is taken at start.
#[derive(Debug)]
pub(super) struct Past {
    ring: Vec<Noted>,
    most: usize,
    /// Number of the newest change by a hash of the object; 0: none. Numbers begin at 1.
    heads: Vec<u64>,
    last: u64,
    now_ns: u64,
}

impl Past {
    /// For so many changes; `None` for none.
    pub(super) fn new(most: u32) -> Option<Box<Self>> {
        let places = (most as usize).next_power_of_two();
        let made =
            || Self { ring: Vec::with_capacity(places), most: places, heads: vec![0; places], last: 0, now_ns: 0 };
        (most > 0).then(|| Box::new(made()))
    }

    fn place(&self, object: ObjectId) -> usize {
        (object.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize & (self.most - 1)
    }

    /// Remembers a change.
    pub(super) fn note(
        &mut self,
        object: ObjectId,
        before: &Version,
        after: &Version,
        by: ExecutionId,
        tx: Option<TxId>,
    ) {
        let place = self.place(object);
        self.last += 1;
        let noted = Noted {
            object,
            version: after.stamp,
            by,
            tx: tx.map_or(u64::MAX, |tx| tx.0),
            at_ns: self.now_ns,
            what: Change::between(before, after),
            before: std::mem::replace(&mut self.heads[place], self.last),
        };
        let at = (self.last as usize - 1) & (self.most - 1);
        match self.ring.get_mut(at) {
            Some(old) => *old = noted,
            None => self.ring.push(noted),
        }
    }

    /// Changes of an object, newest first, as far as they are remembered.
    fn of(&self, object: ObjectId) -> impl Iterator<Item = &Noted> {
        let kept = |number: &u64| *number > 0 && self.last - number < self.most as u64;
        let noted = |number: u64| &self.ring[(number as usize - 1) & (self.most - 1)];
        let first = Some(self.heads[self.place(object)]).filter(kept);
        std::iter::successors(first, move |number| Some(noted(*number).before).filter(kept))
            .map(noted)
            .filter(move |noted| noted.object == object)
    }
}

impl Sets {
    fn fill(&mut self, world: &World, x: &Exec, most: usize) {
        self.reads.clear();
        self.writes.clear();
        (self.read_count, self.write_count) = (0, 0);
        for entry in x.tx.table.iter().filter(|entry| entry.id != ROOT) {
            if entry.has(OBSERVED) && !entry.has(CREATED) {
                self.read_count += 1;
                if self.reads.len() < most {
                    self.reads.push((entry.id, (entry.stamp != 0 && entry.has(EXISTS)).then_some(entry.stamp)));
                }
            }
            if let Some(change) = Change::of(entry) {
                self.write_count += 1;
                if self.writes.len() < most {
                    self.writes.push((entry.id, change));
                }
            }
        }
        self.controller = world.names.option(x.tx.controller);
        self.began_ns = x.carried.began_ns;
        (self.ended_ns, self.version, self.found) = (0, None, None);
    }
}

impl World {
    /// Time for whoever looks, ns; 0 = nobody told.
    pub(super) fn told_ns(&self) -> u64 {
        self.store.past.as_ref().map_or(0, |past| past.now_ns)
    }

    /// Remembers how the outermost transaction was decided.
    pub(super) fn remember_decision(&mut self, x: &mut Exec, tx: TxId, refused: Option<Refused>) {
        let choices = x.tx.choices.len();
        let vars = Self::witness(x);
        let plain = choices == 0 && vars.is_empty() && refused.is_none();
        if plain && self.config.transactions == 0 {
            return;
        }
        let picks = (0..choices).map(|at| x.tx.plan.get(at).copied().unwrap_or(0)).collect();
        let runs = x.exploring.as_ref().map_or(1, |exploring| exploring.runs());
        let decision = Decision { tx, choices: picks, vars, runs, refused };
        if self.config.transactions > 0 {
            self.remember_sets(x, plain, decision.clone());
        }
        if !plain && !matches!(decision.refused, Some(Refused::Dropped { .. })) {
            x.known.pop_front();
            // Of those with very many choices fewer are kept.
            while x.decisions.len() >= DECISIONS.min(PICKS / (choices + 1)).max(1) {
                x.decisions.pop_front();
            }
            x.decisions.push_back(decision);
        }
    }

    fn remember_sets(&mut self, x: &Exec, plain: bool, decision: Decision) {
        let most = self.config.transactions as usize;
        let mut ring = std::mem::take(if plain { &mut self.decided.plain } else { &mut self.decided.others });
        let oldest = if ring.len() >= most { ring.pop_front() } else { None };
        let mut sets = oldest.map(|decided| decided.sets).unwrap_or_default();
        sets.fill(self, x, DECIDED);
        sets.ended_ns = self.told_ns();
        match &decision.refused {
            None if sets.write_count > 0 => {
                sets.version = x.joint.as_ref().and_then(|joint| joint.decided).or(Some(self.store.clock));
            }
            Some(Refused::Changed { object, .. }) => {
                let newest = self.store.newest(*object);
                sets.found = newest.exists.then_some(newest.stamp);
            }
            _ => {}
        }
        ring.push_back(Decided { execution: x.id, decision, sets });
        *(if plain { &mut self.decided.plain } else { &mut self.decided.others }) = ring;
    }

    /// Remembers an outermost transaction that never came to its commit.
    pub(super) fn remember_dropped(&mut self, x: &mut Exec, error: Option<&AvmError>) {
        let Some(tx) = x.tx.begun.first().map(|begun| begun.id).filter(|_| x.tx.explicit()) else { return };
        match error {
            Some(AvmError::Program(ProgramError::SolverUnknown(_))) => x.carried.undecided += 1,
            Some(_) => x.carried.failed += 1,
            None => {}
        }
        if self.config.transactions > 0 {
            self.remember_decision(x, tx, Some(Refused::Dropped { error: error.map(super::world::error_text) }));
        }
    }
}

/// What an execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waits {
    /// An object: its version, or a message in its mailbox.
    Object(ObjectId),
    /// A transaction: the answer of the solver, or the decision of tori.
    Transaction(TxId),
}

impl Lane {
    /// Tells the time, ns, that remembered changes and transactions are stamped with; no program sees it.
    pub fn set_time(&mut self, now_ns: u64) {
        if let Some(past) = &mut self.world.store.past {
            past.now_ns = now_ns;
        }
    }

    /// The last changes of an object, newest first, at most so many, as far as they are remembered.
    #[must_use]
    pub fn history(&self, object: ObjectId, most: usize) -> Vec<Changed> {
        let world = &self.world;
        let Some(past) = &world.store.past else { return Vec::new() };
        let changed = |noted: &Noted| {
            let version = world.store.version(object, noted.version);
            let shown = version.filter(|version| version.exists && world.heap.size(version.state) <= SHOWN);
            Changed {
                version: noted.version,
                by: noted.by,
                tx: (noted.tx != u64::MAX).then_some(TxId(noted.tx)),
                at_ns: noted.at_ns,
                what: noted.what,
                state: shown.map(|version| to_val(&world.heap, &world.names, version.state)),
            }
        };
        past.of(object).take(most).map(changed).collect()
    }

    /// When an object was changed last, ns; 0 = that is not remembered.
    #[must_use]
    pub(super) fn changed_ns(&self, object: ObjectId) -> u64 {
        let past = self.world.store.past.as_ref();
        past.and_then(|past| past.of(object).next()).map_or(0, |noted| noted.at_ns)
    }

    /// State of an object as of a version, while that is kept and small enough to be shown.
    #[must_use]
    pub fn state_at(&self, object: ObjectId, version: u64) -> Option<Val> {
        let world = &self.world;
        let found = world.store.version(object, version)?;
        let shown = found.exists && world.heap.size(found.state) <= SHOWN;
        shown.then(|| to_val(&world.heap, &world.names, found.state))
    }

    /// The first messages that wait in the mailbox of an object, oldest first.
    #[must_use]
    pub fn messages(&self, object: ObjectId, most: usize) -> Vec<Val> {
        let world = &self.world;
        let inside = world.store.mailboxes.get(&object).into_iter().flatten();
        let coming = world.letters.iter().filter(|letter| letter.to == object).map(|letter| &letter.message);
        inside.chain(coming).take(most).map(|message| to_val(&world.heap, &world.names, *message)).collect()
    }

    /// Decided transactions that are remembered with their sets, in no order: plain commits, and the others.
    pub fn decided(&self) -> impl Iterator<Item = &Decided> {
        self.world.decided.plain.iter().chain(&self.world.decided.others)
    }

    /// The failure of an execution that ended by one.
    #[must_use]
    pub fn failure(&self, execution: ExecutionId) -> Option<&Failure> {
        match self.execs.get(&execution)?.result.as_ref()? {
            Err(failure) => Some(failure),
            Ok(_) => None,
        }
    }

    /// Executions that wait for the solver among the first `look`, with their open transactions, at most so many.
    #[must_use]
    pub fn solving(&self, most: usize, look: usize) -> Vec<(ExecutionId, Option<TxId>)> {
        let solving = super::config::Status::Suspended(super::config::Why::Solving);
        let all = self.execs.values().take(look).filter(|x| x.status == solving).take(most);
        all.map(|x| (x.id, x.tx.begun.first().map(|begun| begun.id))).collect()
    }

    /// The outermost open transaction of an execution.
    #[must_use]
    pub fn open_transaction(&self, execution: ExecutionId) -> Option<TxId> {
        self.execs.get(&execution)?.tx.begun.first().map(|begun| begun.id)
    }

    /// What the open transaction of an execution has read and written so far, at most so many of each.
    #[must_use]
    pub fn open_sets(&self, execution: ExecutionId, most: usize) -> Option<Sets> {
        let x = self.execs.get(&execution).filter(|x| x.tx.explicit())?;
        let mut sets = Sets::default();
        sets.fill(&self.world, x, most);
        Some(sets)
    }

    pub(super) fn waits_for(x: &Exec) -> Option<Waits> {
        use super::config::{Status, Why};
        let Status::Suspended(why) = x.status else { return None };
        let open = x.tx.begun.first().map(|begun| Waits::Transaction(begun.id));
        match (why, &x.wanted) {
            (Why::Elsewhere, Some(Wanted::Object(object, _))) => Some(Waits::Object(*object)),
            (Why::Receiving, _) => Some(x.context().id).filter(|id| *id != ROOT).map(Waits::Object),
            (Why::Elsewhere | Why::Solving | Why::Recording, _) => open,
            (Why::Asked | Why::Sleeping, _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
