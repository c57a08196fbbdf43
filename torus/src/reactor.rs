//! What executing an event does.

use crate::{Cell, Emitter, Event, Load, Token};

/// A correction that asks for a synthetic event (`decisions:NODE-3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Correction {
    /// Cell whose constraint was violated.
    pub cell: Cell,
    /// Expected minus actual.
    pub amount: i32,
}

/// The program of a torus: what an event does at its cell. The relay and the compute variant are here; others implement it.
///
/// Everything must be a function of the events and inputs seen: no clock, no random source (`decisions:NODE-2`).
pub trait Reactor {
    /// Executes one event; new events go out by [`Emitter::emit`].
    fn react(&mut self, event: &Event, out: &mut Emitter<'_>);

    /// Whether a token of another torus is wanted; a refused one is counted rejected.
    fn admit(&mut self, _token: &Token) -> bool {
        true
    }

    /// Picks up to `count` pieces of work to give away to torus `to`, latest first and deterministically, and passes them to
    /// `sink`; returns how many. The default gives nothing. [`Emitter::take_latest`] takes pending events out,
    /// [`Emitter::put_back`] returns those that cannot be given.
    fn hand_over(&mut self, _to: u8, _count: u32, _queue: &mut Emitter<'_>, _sink: &mut dyn FnMut(Token)) -> u32 {
        0
    }

    /// The event a correction makes, as (destination, payload); `None` (the default) makes none: corrections never invent work
    /// unless a reactor opts in (`decisions:NODE-3`).
    fn correct(&mut self, _correction: &Correction) -> Option<(Cell, u64)> {
        None
    }

    /// What there is to do, given how many events wait.
    fn load(&self, pending: u64) -> Load {
        Load { runnable: 0, pending, suspended: 0 }
    }

    /// False when events say nothing about cells, so that faces mean nothing (`decisions:NODE-13`).
    fn coupled(&self) -> bool {
        true
    }

    /// Digest of the reactor's state, kept incrementally (`decisions:NODE-12`).
    fn digest(&self) -> u64;

    /// The same digest by a full scan.
    fn digest_full(&self) -> u64 {
        self.digest()
    }

    /// Digest of what must be equal for tokens to mean the same on two tori (`decisions:NODE-7`); adaptive delays are not in it.
    fn graph_digest(&self) -> u64;

    /// How many processes there are.
    fn processes(&self) -> u32 {
        0
    }

    /// How many edges there are.
    fn edges(&self) -> u32 {
        0
    }

    /// Counts edges by delay: slot i holds delays 2^i .. 2^(i+1) - 1 ticks, the last one everything above.
    fn delay_histogram(&self, histogram: &mut [u32; 32]) {
        histogram.fill(0);
    }
}
