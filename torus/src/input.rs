//! Everything that reaches a torus from outside (`decisions:NODE-2`).

use crate::reactor::Correction;
use crate::{Cell, Token};

/// Which projections a torus applies (`rse:B1`, `decisions:NODE-6`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The source of a round is round mod live tori.
    #[default]
    Rotate,
    /// The live predecessor.
    Ring,
}

/// One thing that reaches a torus from outside. A sequence of inputs, each with the executed-event count it was applied at, is a
/// recording; applied to the same torus it gives the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Put `count` equal events in, stamped with the current clock.
    Inject {
        /// Destination cell.
        dst: Cell,
        /// Source cell the events carry.
        src: Cell,
        /// Payload.
        payload: u64,
        /// How many.
        count: u32,
    },
    /// Put one event in at a time; an earlier time than the clock is lifted to it (`rse:T3`).
    InjectAt {
        /// Logical time, ticks.
        time: u64,
        /// Destination cell.
        dst: Cell,
        /// Source cell.
        src: Cell,
        /// Payload.
        payload: u64,
    },
    /// Admit a token of another torus: it is due at clock + delay.
    Admit {
        /// Torus it comes from.
        from: u8,
        /// The token.
        token: Token,
    },
    /// Take up to `count` arrivals from the torus's own [`crate::workload::Source`]; stops, without rejecting, when as many
    /// events wait as the source's lookahead allows.
    Feed {
        /// How many at most.
        count: u32,
    },
    /// From now on no event later than this is executed (pacing); `u64::MAX` lifts it.
    Horizon {
        /// Logical time, ticks.
        time: u64,
    },
    /// Give up to `count` pieces of work away.
    HandOver {
        /// Torus they go to.
        to: u8,
        /// How many at most.
        count: u32,
    },
    /// Messages that went down with a dead boot of a peer (`decisions:NODE-8`).
    Lost {
        /// The peer.
        peer: u8,
        /// How many.
        count: u64,
    },
    /// Most events per batch between two braid checks (a correction that shapes rate, `decisions:NODE-3`).
    Batch {
        /// Events.
        events: u32,
    },
    /// Braid interval.
    Interval {
        /// Executed events between exchanges.
        ticks: u32,
    },
    /// Braid mode.
    Mode(Mode),
    /// Execute nothing until [`Input::Resume`]; inputs are still taken.
    Pause,
    /// Go on after a pause or after an overflow that stopped the torus.
    Resume,
    /// Execute up to `count` events of a paused torus.
    Step {
        /// How many at most.
        count: u32,
    },
    /// A synthetic corrective event, for reactors that opt in (`decisions:NODE-3`).
    Corrective(Correction),
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Events (tokens, executed steps) it moved; 0 for inputs that move none.
    pub accepted: u64,
    /// Events refused, counted in [`crate::Counters::rejected`].
    pub rejected: u64,
}
