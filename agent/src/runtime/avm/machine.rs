//! The machine of a torus: an [`avm::vm::Lane`] and what the node remembers of its executions.

use std::collections::{HashMap, VecDeque};

use avm::error::ProgramError;
use avm::id::{ExecutionId, TxId};
use avm::nondet::Ir;
use avm::vm::{Composition, Failure, Input, Lane, Output, Quantum, Segment, Start, StartError};
use avm::{AvmError, Val};

use super::quotas::Place;
use super::reactor::Machine;

/// What the node remembers of an execution; it travels with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// User that started it; `None` = the configuration.
    pub owner: Option<u32>,
    /// Arguments, as the language writes them.
    pub arguments: Vec<String>,
    /// Seed of its random numbers.
    pub seed: u64,
    /// When it was started, Unix ns.
    pub started_unix_ns: u64,
    /// When it came into its state, Unix ns.
    pub since_unix_ns: u64,
    /// Operations it may use; `u64::MAX` = as many as it likes.
    pub fuel: u64,
    /// Segments of a composition: `A#f`; empty for another start.
    pub segments: Vec<String>,
    /// Moves between tori, oldest first, the last ones.
    pub moved: VecDeque<String>,
    /// How many there were.
    pub moves: u32,
    /// After so many ticks from its start it is ended; 0 = never.
    pub deadline_ticks: u64,
    /// Ticks left until then, while it is on its way to another torus.
    pub left: Option<u64>,
    /// It was ended by hand.
    pub terminated: bool,
    /// It is over.
    pub over: bool,
}

/// Moves of one execution that are remembered.
const MOVES: usize = 16;

/// Questions to the solver that are remembered on one torus.
const QUESTIONS: usize = 64;
/// Transactions of which it is remembered what they asked the solver.
const ASKED: usize = 1024;

/// What a transaction asked the solver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Questions that were answered.
    pub questions: u32,
    /// Time they took, ns, without the wait in the queue.
    pub took_ns: u64,
}

/// Notes of one execution that are remembered.
const NOTES: usize = 64;

/// What an execution has noted (`decisions:AVM-23a`); it travels with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The last of them, as the language writes them, shortened, oldest first.
    pub last: VecDeque<String>,
    /// How many there were.
    pub total: u64,
}

/// Counters since the start, and what changed last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Executions started.
    pub started: u64,
    /// Executions that failed.
    pub failures: u64,
    /// When the last one failed, Unix ns.
    pub failed_unix_ns: u64,
    /// Starts refused because the lane was full.
    pub full: u64,
    /// Messages from other tori for mailboxes that were gone or full.
    pub lost_messages: u64,
    /// Operations of executions that are forgotten.
    pub operations: u64,
    /// Transactions of executions that are forgotten.
    pub commits: u64,
    /// See `commits`: refused at their commit.
    pub refused: u64,
    /// Of those refused: nothing that was required could hold together.
    pub unsatisfiable: u64,
    /// See `commits`: aborted by the program or an error.
    pub aborted: u64,
    /// Of those aborted: the solver did not decide.
    pub undecided: u64,
    /// Of those aborted: another error.
    pub errors: u64,
    /// Trace entries of executions that are forgotten.
    pub events: u64,
    /// Trace entries that did not fit, of executions that are forgotten.
    pub lost: u64,
    /// Executions that failed because the heap was used up.
    pub out_of_memory: u64,
    /// The last of them.
    pub last_out_of_memory: Option<ExecutionId>,
}

/// Who starts an execution.
#[derive(Debug, Default)]
pub struct Owner {
    /// User; `None` = the configuration.
    pub user: Option<u32>,
    /// Place in the quota of the user.
    pub place: Option<Place>,
}

/// An execution on its way to another torus.
#[derive(Debug)]
pub struct Parcel {
    execution: ExecutionId,
    saved: Box<avm::vm::SavedExecution>,
    info: Info,
    place: Option<Place>,
    notes: Option<Notes>,
}

/// The machine.
#[derive(Debug)]
pub struct LaneMachine {
    /// The lane.
    pub lane: Lane,
    /// What is remembered of its executions.
    pub info: HashMap<ExecutionId, Info>,
    /// What they have noted; of most nothing.
    notes: HashMap<ExecutionId, Notes>,
    /// Counters.
    pub tally: Tally,
    /// Places in the quota of whoever started them, while they have not ended.
    places: HashMap<ExecutionId, Place>,
    /// The last questions to the solver, by who asked, oldest first.
    questions: VecDeque<(ExecutionId, Box<Ir>)>,
    /// What transactions asked the solver, oldest first.
    asked: VecDeque<(TxId, Asked)>,
    /// Executions that are over, oldest first.
    ended: VecDeque<ExecutionId>,
    /// How many of them are remembered.
    remember: usize,
    /// Name of its torus.
    name: String,
    unix_ns: u64,
}

impl LaneMachine {
    /// Over a lane of the torus `name` that remembers so many executions that are over.
    #[must_use]
    pub fn new(lane: Lane, name: &str, remember: usize) -> Self {
        let places = lane.config().executions as usize;
        Self {
            lane,
            info: HashMap::with_capacity(2 * places),
            notes: HashMap::new(),
            tally: Tally::default(),
            places: HashMap::with_capacity(places),
            questions: VecDeque::with_capacity(QUESTIONS + 1),
            asked: VecDeque::with_capacity(ASKED),
            ended: VecDeque::with_capacity(remember + 1),
            remember,
            name: name.to_owned(),
            unix_ns: 0,
        }
    }

    /// Tells the time, Unix ns.
    pub fn set_unix(&mut self, unix_ns: u64) {
        self.lane.set_time(unix_ns);
        self.unix_ns = unix_ns;
    }

    /// Starts an execution; the caller wakes it.
    ///
    /// # Errors
    /// As the lane says; the tally counts a lane that is full.
    pub fn start(&mut self, start: &Start, owner: Owner) -> Result<ExecutionId, StartError> {
        let started = self.lane.start(start);
        let arguments = start.args.iter().map(Val::to_string).collect();
        self.note_start(started, (arguments, Vec::new()), start, owner)
    }

    /// Whether one more execution is started here: `most` may be that have not ended.
    ///
    /// # Errors
    /// A sentence; the tally counts it.
    pub fn room(&mut self, most: u32) -> Result<(), String> {
        let alive = self.info.len() as u64;
        if alive >= u64::from(most) + self.remembered() {
            self.tally.full += 1;
            return Err(format!("{most} executions are on this torus (avm.executions)"));
        }
        Ok(())
    }

    /// Starts several entries as one commit; the caller wakes it.
    ///
    /// # Errors
    /// As [`LaneMachine::start`].
    pub fn compose(
        &mut self,
        segments: &[Segment],
        how: Composition,
        common: &Start,
        owner: Owner,
    ) -> Result<ExecutionId, StartError> {
        let started = self.lane.compose(segments, how, common);
        let names = segments.iter().map(|segment| format!("{}#{}", segment.module, segment.entry)).collect();
        let arguments = segments.iter().flat_map(|segment| segment.args.iter().map(Val::to_string)).collect();
        self.note_start(started, (arguments, names), common, owner)
    }

    fn note_start(
        &mut self,
        started: Result<ExecutionId, StartError>,
        (arguments, segments): (Vec<String>, Vec<String>),
        start: &Start,
        owner: Owner,
    ) -> Result<ExecutionId, StartError> {
        let execution = started.inspect_err(|error| {
            self.tally.full += u64::from(matches!(error, StartError::Full(_)));
        })?;
        self.tally.started += 1;
        if let Some(place) = owner.place {
            self.places.insert(execution, place);
        }
        let info = Info {
            owner: owner.user,
            arguments,
            seed: start.seed,
            started_unix_ns: self.unix_ns,
            since_unix_ns: self.unix_ns,
            fuel: start.fuel.unwrap_or(self.lane.config().fuel),
            segments,
            ..Info::default()
        };
        self.info.insert(execution, info);
        Ok(execution)
    }

    /// Ends an execution by hand, and those it has started; whether it was not over yet.
    pub fn terminate(&mut self, execution: ExecutionId) -> bool {
        let family = self.lane.descendants(execution);
        let done = self.lane.terminate(execution);
        if done {
            for ended in family.into_iter().chain([execution]) {
                if let Some(info) = self.info.get_mut(&ended) {
                    info.terminated = true;
                }
            }
        }
        done
    }

    /// Notes after how many ticks from its start an execution is ended.
    pub fn set_deadline(&mut self, execution: ExecutionId, ticks: u64) {
        if let Some(info) = self.info.get_mut(&execution) {
            info.deadline_ticks = ticks;
        }
    }

    /// An execution is over: it is remembered, and the oldest that was is forgotten.
    pub fn note_end(&mut self, execution: ExecutionId) {
        let failure = self.lane.failure(execution);
        let failed = failure.is_some();
        // The error carries the bound that was met: that of the heap, or one of its own.
        let heap = self.lane.config().heap_bytes as u64;
        if let Some(AvmError::Program(ProgramError::Memory(bound))) = failure.map(|failure| &failure.error)
            && bound.saturating_add(64) >= heap
        {
            self.tally.out_of_memory += 1;
            self.tally.last_out_of_memory = Some(execution);
        }
        self.tally.failures += u64::from(failed);
        if failed {
            self.tally.failed_unix_ns = self.unix_ns;
        }
        let Some(info) = self.info.get_mut(&execution) else { return };
        if std::mem::replace(&mut info.over, true) {
            return;
        }
        info.since_unix_ns = self.unix_ns;
        self.places.remove(&execution);
        self.ended.push_back(execution);
        while self.ended.len() > self.remember {
            let Some(oldest) = self.ended.pop_front() else { break };
            if let Some(summary) = self.lane.summary(oldest) {
                self.tally.operations += summary.operations;
                self.tally.commits += summary.committed;
                self.tally.refused += summary.refused;
                self.tally.unsatisfiable += summary.unsatisfiable;
                self.tally.aborted += summary.aborted;
                self.tally.undecided += summary.undecided;
                self.tally.errors += summary.failures;
                self.tally.events += summary.events;
                self.tally.lost += summary.lost;
            }
            self.lane.forget(oldest);
            self.info.remove(&oldest);
            self.notes.remove(&oldest);
        }
    }

    /// A message from another torus found no mailbox, or a full one.
    pub const fn note_lost_message(&mut self) {
        self.tally.lost_messages += 1;
    }

    /// What an execution has noted.
    #[must_use]
    pub fn notes(&self, execution: ExecutionId) -> Notes {
        self.notes.get(&execution).cloned().unwrap_or_default()
    }

    /// Remembers what an execution asks the solver.
    pub fn note_question(&mut self, execution: ExecutionId, ir: &Ir) {
        self.questions.retain(|(asked, _)| *asked != execution);
        self.questions.push_back((execution, Box::new(ir.clone())));
        if self.questions.len() > QUESTIONS {
            self.questions.pop_front();
        }
    }

    /// Counts an answer of the solver to the open transaction of an execution.
    pub fn note_answer(&mut self, execution: ExecutionId, took_ns: u64) {
        let Some(tx) = self.lane.open_transaction(execution) else { return };
        let known = self.asked.iter_mut().rev().find(|(known, _)| *known == tx);
        match known {
            Some((_, asked)) => {
                asked.questions += 1;
                asked.took_ns += took_ns;
            }
            None => {
                if self.asked.len() >= ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back((tx, Asked { questions: 1, took_ns }));
            }
        }
    }

    /// What a transaction asked the solver; `None` = nothing that is remembered.
    #[must_use]
    pub fn asked(&self, tx: TxId) -> Option<Asked> {
        self.asked.iter().rev().find(|(known, _)| *known == tx).map(|(_, asked)| *asked)
    }

    /// Segments of a composition: `A#f`.
    #[must_use]
    pub fn segments(&self, execution: ExecutionId) -> Vec<String> {
        self.info.get(&execution).map(|info| info.segments.clone()).unwrap_or_default()
    }

    /// The last question of an execution to the solver, while it is remembered.
    #[must_use]
    pub fn question(&self, execution: ExecutionId) -> Option<&Ir> {
        self.questions.iter().find(|(asked, _)| *asked == execution).map(|(_, ir)| &**ir)
    }

    /// Executions that are over and remembered.
    #[must_use]
    pub fn remembered(&self) -> u64 {
        self.ended.len() as u64
    }

    /// Result of an execution that is over.
    #[must_use]
    pub fn result(&self, execution: ExecutionId) -> Option<Result<Val, Failure>> {
        self.lane.result(execution)
    }
}

/// Remembers what an execution has noted; without a value: that so many notes are lost.
fn note_note(all: &mut HashMap<ExecutionId, Notes>, execution: ExecutionId, count: u64, value: Option<&Val>) {
    let notes = all.entry(execution).or_default();
    notes.total += count;
    if let Some(value) = value {
        notes.last.push_back(super::view::short(&value.to_string()));
        if notes.last.len() > NOTES {
            notes.last.pop_front();
        }
    }
}

impl Machine for LaneMachine {
    type Parcel = Parcel;

    fn quantum(&mut self, execution: ExecutionId) -> Quantum {
        let stepped = self.lane.quantum(execution);
        if matches!(stepped, Quantum::Suspended(_))
            && let Some(info) = self.info.get_mut(&execution)
        {
            info.since_unix_ns = self.unix_ns;
        }
        stepped
    }

    fn drain(&mut self, out: &mut VecDeque<Output>) {
        let Self { lane, notes, .. } = self;
        for output in lane.outputs() {
            // Here and not where others are passed on: the execution may move before that.
            match output {
                Output::Noted { execution, value } => note_note(notes, execution, 1, Some(&value)),
                Output::NotesLost { execution, count } => note_note(notes, execution, count, None),
                other => out.push_back(other),
            }
        }
    }

    fn woken(&mut self, execution: ExecutionId, now_ns: u64) {
        // Nobody waits for it when it was ended meanwhile.
        let _ = self.lane.input(Input::Woken { execution, now_ns });
    }

    fn expire(&mut self, execution: ExecutionId) {
        let ticks = self.info.get(&execution).map_or(0, |info| info.deadline_ticks);
        self.lane.expire(execution, ticks);
    }

    fn set_left(&mut self, execution: ExecutionId, ticks: Option<u64>) {
        if let Some(info) = self.info.get_mut(&execution) {
            info.left = ticks;
        }
    }

    fn left(&self, execution: ExecutionId) -> Option<u64> {
        self.info.get(&execution)?.left
    }

    fn movable(&self, execution: ExecutionId) -> bool {
        self.lane.movable(execution)
    }

    fn pack(&mut self, execution: ExecutionId) -> Option<Parcel> {
        let saved = self.lane.save(execution)?;
        let info = self.info.remove(&execution).unwrap_or_default();
        let (place, notes) = (self.places.remove(&execution), self.notes.remove(&execution));
        Some(Parcel { execution, saved: Box::new(saved), info, place, notes })
    }

    fn unpack(&mut self, parcel: Parcel) -> Result<ExecutionId, Parcel> {
        let Parcel { execution, saved, mut info, place, notes } = parcel;
        if let Err(saved) = self.lane.restore(saved) {
            return Err(Parcel { execution, saved, info, place, notes });
        }
        if let Some(place) = place {
            self.places.insert(execution, place);
        }
        self.notes.extend(notes.map(|notes| (execution, notes)));
        info.moves += 1;
        info.moved.push_back(format!("to {}", self.name));
        if info.moved.len() > MOVES {
            info.moved.pop_front();
        }
        self.info.insert(execution, info);
        Ok(execution)
    }
}
