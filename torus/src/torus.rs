//! The torus: queue, accounts, faces and a reactor behind one entrance.

use crate::emitter::{Emitter, fold, fold_in, hash};
use crate::memory::{Carver, TooSmall};
use crate::queue::Item;
use crate::workload::Source;
use crate::{Applied, CELLS, Capacities, Cell, Counters, Event, FACE, FACES, Input, Load, Mode, Reactor, Token};

/// What a torus does when its own queue is full (`rse:T4`, `decisions:NODE-5`). Either way the event is counted rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnOverflow {
    /// Go on.
    #[default]
    Reject,
    /// Execute nothing more until [`Input::Resume`].
    Stop,
}

/// Why [`Torus::run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The asked number of events was executed.
    Exhausted,
    /// The next event is later than the horizon.
    Horizon,
    /// Nothing is pending.
    Empty,
    /// The torus is paused.
    Paused,
    /// An event was rejected and the policy is to stop.
    Overflow,
}

/// What [`Torus::run`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Events executed in this call.
    pub executed: u64,
    /// Why it returned.
    pub stopped: Stop,
}

/// Most fired events a step reports.
pub const FIRED: usize = 16;

/// What one step executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// The executed event.
    pub event: Event,
    /// The first events it made, as (destination, delay in ticks); `fired_total` tells how many are valid.
    pub fired: [(Cell, u64); FIRED],
    /// How many events it made, refused ones included; may be more than [`FIRED`].
    pub fired_total: u32,
}

impl Stepped {
    /// The recorded fired events.
    #[must_use]
    pub fn fired(&self) -> &[(Cell, u64)] {
        &self.fired[..(self.fired_total as usize).min(FIRED)]
    }
}

/// What inputs have set: not state of the lattice, but part of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Braid mode.
    pub mode: Mode,
    /// Braid interval, executed events.
    pub interval_ticks: u32,
    /// Events per batch.
    pub batch_events: u32,
    /// No event later than this is executed.
    pub horizon: u64,
    /// Paused by hand.
    pub paused: bool,
    /// Stopped by an overflow.
    pub overflowed: bool,
    /// Overflow policy.
    pub on_overflow: OnOverflow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Rotate,
            interval_ticks: 1000,
            batch_events: 1000,
            horizon: u64::MAX,
            paused: false,
            overflowed: false,
            on_overflow: OnOverflow::Reject,
        }
    }
}

/// A torus.
#[derive(Debug)]
pub struct Torus<'m, R> {
    core: Emitter<'m>,
    reactor: R,
    faces: [u16; FACES],
    executed: u64,
    executed_fold: u64,
    injected: u64,
    corrective: u64,
    handed_in: u64,
    handed_out: u64,
    lost: u64,
    settings: Settings,
    source: Option<Source>,
    /// Executed count at which the last input was applied, and how many were applied there: the place of the next in a recording.
    applied_at: u64,
    ordinal: u32,
}

impl<'m, R: Reactor> Torus<'m, R> {
    /// Makes an empty torus; its queue is taken from `carver` and nothing is allocated afterwards.
    ///
    /// # Errors
    /// [`TooSmall`] when the bytes left in `carver` do not hold the queue.
    pub fn new(
        capacities: &Capacities,
        carver: &mut Carver<'m>,
        reactor: R,
        source: Option<Source>,
    ) -> Result<Self, TooSmall> {
        Ok(Self {
            core: Emitter::new(capacities, carver)?,
            reactor,
            faces: [0; FACES],
            executed: 0,
            executed_fold: 0,
            injected: 0,
            corrective: 0,
            handed_in: 0,
            handed_out: 0,
            lost: 0,
            settings: Settings::default(),
            source,
            applied_at: 0,
            ordinal: 0,
        })
    }

    /// Sets the overflow policy (a matter of configuration, so it comes with the header of a recording, not as an input).
    #[must_use]
    pub fn with_overflow(mut self, policy: OnOverflow) -> Self {
        self.settings.on_overflow = policy;
        self
    }

    /// The one entrance (`decisions:NODE-2`): everything from outside comes through here.
    pub fn apply(&mut self, input: &Input) -> Applied {
        self.note_place();
        match *input {
            Input::Inject { dst, src, payload, count } => self.inject(dst, src, payload, count),
            Input::InjectAt { time, dst, src, payload } => {
                self.injected += 1;
                self.put(time, dst, src, payload)
            }
            Input::Admit { from: _, token } => self.admit(&token),
            Input::Feed { count } => self.feed(count),
            Input::Horizon { time } => self.set(|settings| settings.horizon = time),
            Input::HandOver { to, count } => {
                let accepted = u64::from(self.give(to, count, &mut |_| ()));
                Applied { accepted, rejected: 0 }
            }
            Input::Lost { peer: _, count } => {
                self.lost = self.lost.saturating_add(count);
                Applied::default()
            }
            Input::Batch { events } => self.set(|settings| settings.batch_events = events.max(1)),
            Input::Interval { ticks } => self.set(|settings| settings.interval_ticks = ticks.max(1)),
            Input::Mode(mode) => self.set(|settings| settings.mode = mode),
            Input::Pause => self.set(|settings| settings.paused = true),
            Input::Resume => self.set(|settings| {
                settings.paused = false;
                settings.overflowed = false;
            }),
            Input::Step { count } => self.step_many(count),
            Input::Corrective(correction) => match self.reactor.correct(&correction) {
                Some((dst, payload)) => {
                    self.corrective += 1;
                    self.put(0, dst, dst, payload)
                }
                None => Applied::default(),
            },
        }
    }

    /// [`Input::HandOver`] with the tokens delivered; recorded and replayed as that input. The receiver's room has been reserved
    /// (`decisions:NODE-5`): `sink` cannot refuse.
    pub fn hand_over(&mut self, to: u8, count: u32, sink: &mut dyn FnMut(Token)) -> u32 {
        self.note_place();
        self.give(to, count, sink)
    }

    /// Executes up to `n` events in canonical order; splitting a run changes nothing (`rse:T1`, `rse:T6`).
    pub fn run(&mut self, n: u64) -> Ran {
        if self.settings.paused {
            return Ran { executed: 0, stopped: Stop::Paused };
        }
        if self.settings.overflowed {
            return Ran { executed: 0, stopped: Stop::Overflow };
        }
        let before = self.executed;
        let stopped = self.advance(n);
        Ran { executed: self.executed - before, stopped }
    }

    fn advance(&mut self, n: u64) -> Stop {
        let mut left = n;
        while left > 0 {
            let ready = self.core.queue.ready(self.settings.horizon) as u64;
            if ready == 0 {
                return if self.core.queue.len() == 0 { Stop::Empty } else { Stop::Horizon };
            }
            let now = self.core.queue.now();
            // At the end of time an event may make another at the same time, so the order must be looked at again after each.
            let batch = if now == u64::MAX { 1 } else { ready.min(left) };
            for done in 1..=batch {
                self.execute(now);
                if self.core.overflowed && self.overflow_stops() {
                    self.executed += done;
                    return Stop::Overflow;
                }
            }
            self.executed += batch;
            left -= batch;
        }
        Stop::Exhausted
    }

    /// Executes the next ready event; the caller counts it.
    #[inline]
    fn execute(&mut self, now: u64) {
        let item = self.core.queue.take();
        let hashed = hash(now, item);
        self.core.pending_hash = self.core.pending_hash.wrapping_sub(hashed);
        self.executed_fold = fold_in(self.executed_fold, hashed);
        let event = item.at(now);
        let face = (event.dst as usize + FACE) % CELLS;
        if face < FACES {
            // The last face comes first here, the first second; swap the halves.
            let counter = &mut self.faces[face ^ FACE];
            *counter = counter.wrapping_add(1);
        }
        self.core.src = event.dst;
        self.reactor.react(&event, &mut self.core);
    }

    #[cold]
    fn overflow_stops(&mut self) -> bool {
        self.core.overflowed = false;
        self.settings.overflowed = self.settings.on_overflow == OnOverflow::Stop;
        self.settings.overflowed
    }

    /// Executes one event even when paused, and tells what it was and what it made; recorded and replayed as [`Input::Step`] with
    /// count 1. `None` when nothing is pending at or before the horizon.
    pub fn step(&mut self) -> Option<Stepped> {
        self.note_place();
        self.step_once()
    }

    fn step_once(&mut self) -> Option<Stepped> {
        if self.core.queue.ready(self.settings.horizon) == 0 {
            return None;
        }
        let now = self.core.queue.now();
        let event = self.core.queue.peek()?.at(now);
        self.core.watch = Some(Watch::default());
        self.execute(now);
        self.executed += 1;
        if self.core.overflowed {
            self.overflow_stops();
        }
        let watch = self.core.watch.take().unwrap_or_default();
        Some(Stepped { event, fired: watch.fired, fired_total: watch.total })
    }

    fn step_many(&mut self, count: u32) -> Applied {
        let mut accepted = 0;
        while accepted < u64::from(count) && self.step_once().is_some() {
            accepted += 1;
        }
        Applied { accepted, rejected: 0 }
    }

    fn set(&mut self, change: impl FnOnce(&mut Settings)) -> Applied {
        change(&mut self.settings);
        Applied::default()
    }

    fn put(&mut self, time: u64, dst: Cell, src: Cell, payload: u64) -> Applied {
        let taken = self.core.put(time, Item::new(dst.get(), src.get(), payload), self.core.own_limit);
        if !taken && self.settings.on_overflow == OnOverflow::Stop {
            self.settings.overflowed = true;
        }
        Applied { accepted: u64::from(taken), rejected: u64::from(!taken) }
    }

    fn inject(&mut self, dst: Cell, src: Cell, payload: u64, count: u32) -> Applied {
        let room = self.core.own_limit.saturating_sub(self.core.queue.len());
        let accepted = (count as usize).min(room);
        for _ in 0..accepted {
            self.put(0, dst, src, payload);
        }
        // What does not fit is counted at once: a hostile count costs no time.
        let rejected = u64::from(count) - accepted as u64;
        self.core.rejected += rejected;
        self.injected += u64::from(count);
        if rejected > 0 && self.settings.on_overflow == OnOverflow::Stop {
            self.settings.overflowed = true;
        }
        Applied { accepted: accepted as u64, rejected }
    }

    fn admit(&mut self, token: &Token) -> Applied {
        self.handed_in += 1;
        let item = Item::new(token.dst.get(), token.src.get(), token.payload);
        let time = self.core.queue.now().saturating_add(token.delay_ticks.max(1));
        let taken = if self.reactor.admit(token) {
            self.core.put(time, item, self.core.queue.capacity())
        } else {
            self.core.rejected += 1;
            false
        };
        Applied { accepted: u64::from(taken), rejected: u64::from(!taken) }
    }

    fn feed(&mut self, count: u32) -> Applied {
        let mut accepted = 0;
        let lookahead = self.source.as_ref().and_then(Source::lookahead);
        let limit =
            lookahead.map_or(self.core.own_limit.div_ceil(2), |events| self.core.own_limit.min(events as usize));
        while accepted < u64::from(count) && self.core.queue.len() < limit {
            let Some(arrival) = self.source.as_mut().and_then(Source::take) else { break };
            self.injected += 1;
            self.put(arrival.time, Cell::wrapped(arrival.dst), Cell::wrapped(arrival.src), arrival.payload);
            accepted += 1;
        }
        Applied { accepted, rejected: 0 }
    }

    fn give(&mut self, to: u8, count: u32, sink: &mut dyn FnMut(Token)) -> u32 {
        let given = self.reactor.hand_over(to, count, &mut self.core, sink);
        self.handed_out += u64::from(given);
        given
    }

    fn note_place(&mut self) {
        if self.applied_at != self.executed {
            self.applied_at = self.executed;
            self.ordinal = 0;
        }
        self.ordinal += 1;
    }

    /// Where the last applied input stands in a recording: executed events before it, and its number (from 1) among the inputs
    /// applied there.
    #[must_use]
    pub const fn place(&self) -> (u64, u32) {
        (self.applied_at, self.ordinal)
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            injected: self.injected,
            injected_corrective: self.corrective,
            generated: self.core.generated,
            executed: self.executed,
            pending: self.core.pending(),
            rejected: self.core.rejected,
            handed_out: self.handed_out,
            handed_in: self.handed_in,
            lost: self.lost,
            clock: self.core.now(),
            high_water: self.core.high_water as u64,
        }
    }

    /// Executed events per face cell: x = 0 (index y * 32 + z), then x = 31; cumulative, wrapping (`rse:P4`, `decisions:NODE-13`).
    #[must_use]
    pub const fn faces(&self) -> &[u16; FACES] {
        &self.faces
    }

    /// What there is to do.
    #[must_use]
    pub fn load(&self) -> Load {
        self.reactor.load(self.core.pending())
    }

    /// Time of the next event, whatever the horizon.
    #[must_use]
    pub fn next_time(&self) -> Option<u64> {
        self.core.queue.next_time()
    }

    /// How many tokens could be admitted now: the credit towards other tori (`decisions:NODE-5`).
    #[must_use]
    pub fn admission_room(&self) -> u64 {
        (self.core.queue.capacity() - self.core.queue.len()) as u64
    }

    /// Events the queue can hold.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.core.queue.capacity() as u64
    }

    /// What inputs have set.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The source of [`Input::Feed`], if there is one.
    #[must_use]
    pub const fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The reactor.
    #[must_use]
    pub const fn reactor(&self) -> &R {
        &self.reactor
    }

    /// The reactor, to be set up (edges, processes) before the first input; later changes are not in a recording.
    pub const fn reactor_mut(&mut self) -> &mut R {
        &mut self.reactor
    }

    /// State digest, kept incrementally (`decisions:NODE-12`): fold of executed
    /// events, multiset hash of pending ones, fold of given ones, reactor, clock, counters. Equal states give equal digests however
    /// the events were put in.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest_of(self.core.pending_hash, self.reactor.digest())
    }

    /// The same digest by a full scan of queue and reactor.
    #[must_use]
    pub fn digest_full(&self) -> u64 {
        self.digest_of(self.core.pending_hash_full(), self.reactor.digest_full())
    }

    fn digest_of(&self, pending: u64, reactor: u64) -> u64 {
        let counted = [self.executed, self.injected, self.corrective, self.core.generated, self.core.rejected];
        let moved = [self.handed_in, self.handed_out, self.lost, self.core.given_fold];
        let state = [self.executed_fold, self.core.now(), pending, reactor];
        let parts = counted.into_iter().chain(moved).chain(state);
        parts.fold(0x2D35_8DCC_AA6C_78A5, |digest, part| {
            fold(digest ^ part, 0x9FB2_1C65_1E98_DF25) ^ part.rotate_left(32)
        })
    }
}

/// What an emitter notes during a step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch {
    pub(crate) fired: [(Cell, u64); FIRED],
    pub(crate) total: u32,
}

impl Watch {
    #[cold]
    pub(crate) fn note(&mut self, dst: Cell, delay_ticks: u64) {
        if let Some(place) = self.fired.get_mut(self.total as usize) {
            *place = (dst, delay_ticks);
        }
        self.total += 1;
    }
}

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod tests;
