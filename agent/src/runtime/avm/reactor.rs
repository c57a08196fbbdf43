//! The reactor of a torus that runs programs (`decisions:AVM-7`).
//!
//! A torus event is a wake token: its payload is the id of an execution, its cell the one that execution lives in. Executing it is
//! one bounded quantum; an execution that can go on gets its next token one tick later, so executions of a torus take turns in the
//! canonical order of events. An execution that waits has no token; one that sleeps gets it for the tick it sleeps until, from the
//! [`Timers`]. What reaches the reactor from outside (answers, messages,
//! orders by hand) only makes executions ready: their tokens are injected by the loop as inputs of the torus, as far as its queue
//! has room.
//!
//! The braid moves executions as it moves any work (`decisions:AVM-16`): [`Reactor::hand_over`] takes wake tokens out, latest first,
//! and sends the execution of each ahead of it ([`Ports`]). Executions that must stay (bound to their machine by the program,
//! inside a transaction, bound to objects of this torus) are put back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroU64;

use avm::id::ExecutionId;
use avm::vm::{Output, Quantum};
use torus::{CELLS, Cell, Emitter, Event, Load, Reactor, Token};

use super::ports::Ports;
use super::timers::{Due, Timers};

/// How long an execution that came without its token waits for it, ns; then it is woken all the same.
const TOKENLESS_NS: u64 = 5_000_000_000;
/// Payload of an alarm of the [`Timers`]; no execution has this id.
const ALARM: ExecutionId = ExecutionId(u64::MAX);
/// Sleeps that one event ends: it stays bounded. The others end one tick later.
const DUE: u32 = 1024;
/// Executions without a place that are tried again in one turn.
const HOMELESS: usize = 16;

/// What the reactor needs of a machine; [`super::machine::LaneMachine`] is one, tests have another.
pub trait Machine {
    /// An execution on its way to another torus.
    type Parcel: Send;

    /// One bounded step.
    fn quantum(&mut self, execution: ExecutionId) -> Quantum;

    /// Moves what has come out into `out`.
    fn drain(&mut self, out: &mut VecDeque<Output>);

    /// The sleep of an execution is over.
    fn woken(&mut self, execution: ExecutionId, now_ns: u64);

    /// The deadline of an execution has come.
    fn expire(&mut self, _execution: ExecutionId) {}

    /// In how many ticks the deadline of an execution comes, for its way to another torus.
    fn set_left(&mut self, _execution: ExecutionId, _ticks: Option<u64>) {}

    /// What [`Machine::set_left`] said, here or where it came from.
    fn left(&self, _execution: ExecutionId) -> Option<u64> {
        None
    }

    /// Whether the balancer may ever move it: it is not bound to a machine.
    fn movable(&self, execution: ExecutionId) -> bool;

    /// Takes an execution out to send it away; `None` when it must stay for now.
    fn pack(&mut self, execution: ExecutionId) -> Option<Self::Parcel>;

    /// Takes an execution in; `None` when there is no place for it.
    fn unpack(&mut self, parcel: Self::Parcel) -> Result<ExecutionId, Self::Parcel>;
}

/// What happened since the start, for whoever shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Quanta executed.
    pub quanta: u64,
    /// Executions that came from other tori.
    pub moved_in: u64,
    /// Executions given to other tori.
    pub moved_out: u64,
    /// Tokens for executions that are gone or wait.
    pub stale: u64,
    /// Executions that came and for which there was no place; they are tried again.
    pub homeless: u64,
}

/// The reactor.
#[derive(Debug)]
pub struct Avm<M: Machine> {
    machine: M,
    ports: Ports<M::Parcel>,
    /// Executions with a token in the queue, and whether they may be moved.
    queued: HashMap<u64, bool>,
    movable: u64,
    /// Executions that sleep, until the token comes that wakes them.
    sleeping: HashSet<u64>,
    /// Until when.
    timers: Timers,
    /// Executions that can go on and have no token yet, each once.
    ready: VecDeque<ExecutionId>,
    /// The same, to look one up.
    in_ready: HashSet<u64>,
    /// Executions that came, whose token has not, and since when.
    arrived: HashMap<u64, u64>,
    homeless: VecDeque<M::Parcel>,
    /// Outputs for somebody outside.
    out: VecDeque<Output>,
    /// Scratch of a drain.
    fresh: VecDeque<Output>,
    /// Scratch of a hand-over.
    kept: Vec<Event>,
    /// Tokens of its own the queue takes.
    own_limit: u64,
    /// Same on all tori among which executions can move.
    home: u64,
    /// Tick of the last event.
    clock: u64,
    now_ns: u64,
    counts: Counts,
    digest: u64,
}

/// The cell an execution lives in: the same wherever it is.
#[must_use]
pub fn cell_of(execution: ExecutionId) -> Cell {
    let spread = execution.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    Cell::wrapped((spread % CELLS as u64) as u32)
}

impl<M: Machine> Avm<M> {
    /// Over a machine. `own_limit` is how many events of its own the torus takes; `home` names the process, so that only its own
    /// tori hand executions to each other.
    #[must_use]
    pub fn new(machine: M, ports: Ports<M::Parcel>, own_limit: u64, home: u64) -> Self {
        let places = usize::try_from(own_limit).unwrap_or(1 << 16);
        Self {
            machine,
            ports,
            queued: HashMap::with_capacity(2 * places),
            movable: 0,
            sleeping: HashSet::with_capacity(places),
            timers: Timers::new(places),
            ready: VecDeque::with_capacity(places),
            in_ready: HashSet::with_capacity(places),
            arrived: HashMap::new(),
            homeless: VecDeque::new(),
            out: VecDeque::with_capacity(256),
            fresh: VecDeque::with_capacity(256),
            kept: Vec::with_capacity(places),
            own_limit,
            home,
            clock: 0,
            now_ns: 0,
            counts: Counts::default(),
            digest: 0,
        }
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for what comes from outside; what it makes ready is found by [`Avm::settle`].
    pub const fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// What happened since the start.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Executions that have a token and may be moved: what the braid levels.
    #[must_use]
    pub const fn movable(&self) -> u64 {
        self.movable
    }

    /// Tells the time, ns: what `now` returns after a sleep.
    pub const fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// An execution can go on: it gets a token unless it has one. One that sleeps is woken by its time only.
    pub fn wake(&mut self, execution: ExecutionId) {
        if self.timers.get(execution, Due::Wake).is_none()
            && !self.queued.contains_key(&execution.0)
            && self.in_ready.insert(execution.0)
        {
            self.ready.push_back(execution);
        }
    }

    /// Collects what the machine has put out, and makes ready what is ready.
    pub fn settle(&mut self) {
        self.machine.drain(&mut self.fresh);
        while let Some(output) = self.fresh.pop_front() {
            match output {
                Output::Ready(execution) => {
                    self.rouse(execution);
                    self.wake(execution);
                }
                other => self.note(other),
            }
        }
        // Each in its turn: one that finds no place must not keep the others out.
        for _ in 0..self.homeless.len().min(HOMELESS) {
            let Some(parcel) = self.homeless.pop_front() else { break };
            match self.take_in(parcel) {
                Ok(execution) => self.wake(execution),
                Err(parcel) => self.homeless.push_back(parcel),
            }
        }
        if !self.arrived.is_empty() {
            let late = |since: u64| self.now_ns.saturating_sub(since) > TOKENLESS_NS;
            let woken: Vec<u64> = self.arrived.iter().filter(|(_, since)| late(**since)).map(|(x, _)| *x).collect();
            for execution in woken {
                self.arrived.remove(&execution);
                self.wake(ExecutionId(execution));
            }
        }
    }

    /// An execution is ended after so many ticks from now, unless it is over before (`decisions:AVM-23`).
    pub fn set_deadline(&mut self, execution: ExecutionId, ticks: u64) {
        // What is due is looked at one tick before: see `Timers`.
        self.timers.set(execution, Due::Deadline, self.clock.saturating_add(ticks).saturating_add(1));
    }

    /// An execution waited for a message so long and no longer, and one has come.
    fn rouse(&mut self, execution: ExecutionId) {
        if self.sleeping.remove(&execution.0) {
            self.timers.cancel(execution, Due::Wake);
        }
    }

    fn take_in(&mut self, parcel: M::Parcel) -> Result<ExecutionId, M::Parcel> {
        let execution = self.machine.unpack(parcel)?;
        if let Some(ticks) = self.machine.left(execution) {
            self.set_deadline(execution, ticks);
        }
        Ok(execution)
    }

    /// Takes note of what the machine has put out, other than who is ready.
    fn note(&mut self, output: Output) {
        match output {
            Output::Sleep { execution, ticks } => {
                self.sleeping.insert(execution.0);
                self.timers.set(execution, Due::Wake, self.clock.saturating_add(ticks.max(1)));
            }
            other => {
                if let Output::Ended(execution) = other {
                    self.sleeping.remove(&execution.0);
                    self.timers.forget(execution);
                }
                self.out.push_back(other);
            }
        }
    }

    /// The next output for somebody outside; sleeps are the reactor's own.
    pub fn next_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// An output that could not be passed on: it comes first the next time.
    pub fn keep_output(&mut self, output: Output) {
        self.out.push_front(output);
    }

    /// The next token that is to be injected: its payload, its cell and in how many ticks it is due (0 = now); the caller injects
    /// it, whatever happens.
    pub fn next_ready(&mut self) -> Option<(ExecutionId, Cell, u64)> {
        if let Some(delay) = self.timers.alarm(self.clock) {
            self.timers.alarm_set(self.clock.saturating_add(delay));
            return Some((ALARM, Cell::wrapped(0), delay));
        }
        while let Some(execution) = self.ready.pop_front() {
            self.in_ready.remove(&execution.0);
            if !self.queued.contains_key(&execution.0) {
                self.note_queued(execution);
                return Some((execution, cell_of(execution), 0));
            }
        }
        None
    }

    /// Executions that wait for room in the queue.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.ready.len()
    }

    /// Whether other tori have sent something that is not taken in.
    #[must_use]
    pub fn waiting(&self) -> bool {
        !self.ready.is_empty() || self.ports.waiting()
    }

    fn note_queued(&mut self, execution: ExecutionId) {
        let movable = self.machine.movable(execution) && !self.sleeping.contains(&execution.0);
        if self.queued.insert(execution.0, movable).is_none() {
            self.movable += u64::from(movable);
        }
    }

    fn note_unqueued(&mut self, execution: ExecutionId) -> bool {
        match self.queued.remove(&execution.0) {
            Some(movable) => {
                self.movable -= u64::from(movable);
                true
            }
            None => false,
        }
    }

    /// A token for an execution, for the next tick; when the queue has no room it is injected when it has.
    fn emit(&mut self, execution: ExecutionId, out: &mut Emitter<'_>) {
        if self.queued.contains_key(&execution.0) || self.in_ready.contains(&execution.0) {
            return;
        }
        if out.pending() < self.own_limit && out.emit(NonZeroU64::MIN, cell_of(execution), execution.0) {
            self.note_queued(execution);
        } else {
            self.wake(execution);
        }
    }

    /// What a quantum put out: executions that became ready get tokens, sleeps start, the rest waits for the loop. `woken` is the
    /// one whose quantum is to follow: that it is ready is what its token has said.
    fn after_quantum(&mut self, woken: Option<ExecutionId>, out: &mut Emitter<'_>) {
        self.machine.drain(&mut self.fresh);
        while let Some(output) = self.fresh.pop_front() {
            match output {
                Output::Ready(execution) if Some(execution) == woken => {}
                Output::Ready(execution) => {
                    self.rouse(execution);
                    self.emit(execution, out);
                }
                other => self.note(other),
            }
        }
    }

    /// Ends the sleeps whose last tick this is, and the executions whose deadline has come, and sets the next alarm.
    fn tend(&mut self, out: &mut Emitter<'_>) {
        let mut expired = false;
        for _ in 0..DUE {
            match self.timers.take(self.clock.saturating_add(1)) {
                Some((execution, Due::Wake)) => self.emit(execution, out),
                Some((execution, Due::Deadline)) => {
                    self.machine.expire(execution);
                    expired = true;
                }
                None => break,
            }
        }
        if expired {
            self.after_quantum(None, out);
        }
        if let Some(delay) = self.timers.alarm(self.clock).and_then(NonZeroU64::new)
            && out.pending() < self.own_limit
            && out.emit(delay, Cell::wrapped(0), ALARM.0)
        {
            self.timers.alarm_set(self.clock.saturating_add(delay.get()));
        }
    }

    /// Takes an execution out, with what is left until its deadline: the other torus has a clock of its own.
    fn send_off(&mut self, execution: ExecutionId) -> Option<M::Parcel> {
        let left = self.timers.get(execution, Due::Deadline);
        let left = left.map(|time| time.saturating_sub(self.clock).saturating_sub(1));
        self.machine.set_left(execution, left);
        self.machine.pack(execution)
    }

    fn take_parcels(&mut self) {
        while let Some((_, parcel)) = self.ports.take() {
            self.counts.moved_in += 1;
            match self.take_in(parcel) {
                Ok(execution) => {
                    self.arrived.insert(execution.0, self.now_ns);
                }
                Err(parcel) => {
                    self.counts.homeless += 1;
                    self.homeless.push_back(parcel);
                }
            }
        }
    }
}

impl<M: Machine> Reactor for Avm<M> {
    fn react(&mut self, event: &Event, out: &mut Emitter<'_>) {
        self.clock = event.time;
        let execution = ExecutionId(event.payload);
        if execution == ALARM {
            self.timers.alarm_over(event.time);
            self.tend(out);
            return;
        }
        if !self.note_unqueued(execution) {
            self.counts.stale += 1;
            return;
        }
        if self.sleeping.contains(&execution.0) {
            if self.timers.get(execution, Due::Wake).is_some() {
                // It was ready for some other reason before it went to sleep.
                self.counts.stale += 1;
                return;
            }
            self.sleeping.remove(&execution.0);
            self.machine.woken(execution, self.now_ns);
            self.after_quantum(Some(execution), out);
        }
        self.counts.quanta += 1;
        let stepped = self.machine.quantum(execution);
        let code = match &stepped {
            Quantum::Yielded => 1,
            Quantum::Suspended(_) => 2,
            Quantum::Ended => 3,
        };
        self.digest = (self.digest ^ execution.0 ^ code << 62).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        if stepped == Quantum::Yielded {
            self.emit(execution, out);
        }
        self.after_quantum(None, out);
        self.tend(out);
    }

    fn admit(&mut self, token: &Token) -> bool {
        self.take_parcels();
        let execution = ExecutionId(token.payload);
        if self.arrived.remove(&execution.0).is_none() {
            return false;
        }
        self.note_queued(execution);
        true
    }

    fn hand_over(&mut self, to: u8, count: u32, queue: &mut Emitter<'_>, sink: &mut dyn FnMut(Token)) -> u32 {
        let count = count.min(u32::try_from(self.ports.free(to)).unwrap_or(u32::MAX));
        // Bounded: a torus full of executions that must stay costs no more than one that gives.
        let mut looked = u64::from(count) * 4 + 128;
        let now = queue.now();
        let mut given = 0;
        self.kept.clear();
        while given < count && looked > 0 {
            looked -= 1;
            let Some(event) = queue.take_latest() else { break };
            let execution = ExecutionId(event.payload);
            let may = self.queued.get(&execution.0) == Some(&true);
            let Some(parcel) = (if may { self.send_off(execution) } else { None }) else {
                self.kept.push(event);
                continue;
            };
            if let Err(parcel) = self.ports.send(to, parcel) {
                // Cannot be: room was counted, and only this side fills it. The execution stays.
                match self.take_in(parcel) {
                    Ok(_) => self.kept.push(event),
                    Err(parcel) => self.homeless.push_back(parcel),
                }
                break;
            }
            self.note_unqueued(execution);
            self.timers.forget(execution);
            self.counts.moved_out += 1;
            let delay_ticks = event.time.saturating_sub(now).max(1);
            sink(Token { delay_ticks, dst: event.cell(), src: event.cell(), payload: event.payload });
            given += 1;
        }
        self.kept.drain(..).for_each(|event| queue.put_back(event));
        given
    }

    /// What is levelled: executions that can go on and may be moved.
    fn load(&self, _pending: u64) -> Load {
        Load { runnable: self.movable, pending: 0, suspended: 0 }
    }

    /// Executions live in cells by their id, so events say nothing about neighbouring cells (`decisions:NODE-13`).
    fn coupled(&self) -> bool {
        false
    }

    fn digest(&self) -> u64 {
        self.digest
    }

    fn graph_digest(&self) -> u64 {
        self.home
    }
}
