//! Small tori in a braid, one a node, over whole links (`decisions:CLU-15`).
//!
//! As in the agent: projections are latest-value, messages are commands, a projection is looked at only when the messages it
//! counts as sent are there, and a message stays with its sender until a projection of the receiver confirms it; what a dead
//! boot left unconfirmed is in doubt and resolved by policy (`decisions:CLU-12`). A torus keeps nothing over a restart.

mod ledger;
mod seat;

pub use ledger::{Book, Flow, Ledger};
pub use seat::Seat;
use torus::Capacities;
use torus::braid::BraidConfig;

use super::rider::{Line, Rider};
use crate::scenario::Work;

/// Between two turns of a torus, ns: less than the cap of projections, which so has something to leave out.
pub const TURN_NS: u64 = 800_000;
/// Events of a turn.
const BATCH: u64 = 60;
/// Messages under way between two tori.
const RING: u64 = 64;
/// Starts of tori beside the first of each.
const STARTS_MAX: usize = 48;
const SMALL: Capacities =
    Capacities { events: 4_096, edges: 128, processes: 16, processes_per_cell: 8, admission: 192 };

fn braid_config() -> BraidConfig {
    BraidConfig {
        interval_ticks: 50,
        adaptive: false,
        floor_ns: 500_000,
        idle_ns: 5_000_000,
        ring_capacity: RING,
        ..BraidConfig::default()
    }
}

/// Memory of the tori of a run, for every start of one.
#[derive(Debug)]
pub struct Memory(Vec<Vec<u8>>);

impl Memory {
    /// For a braid of `tori`.
    #[must_use]
    pub fn new(tori: u8) -> Self {
        Self(vec![vec![0; SMALL.bytes()]; usize::from(tori) + STARTS_MAX])
    }
}

/// Something done wrongly on purpose, to show that it is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Now and then a message is not applied.
    Lose,
    /// Now and then a message is applied twice.
    Double,
    /// Now and then a command is taken twice.
    Replay,
    /// What is in doubt is said to be done again, and is not.
    Forget,
    /// Nobody hands anything over.
    Idle,
}

/// All tori of a run.
#[derive(Debug)]
pub struct Tori<'m> {
    memory: Vec<&'m mut [u8]>,
    work: Work,
    sabotage: Sabotage,
    /// Occasions for sabotage.
    occasions: u64,
    /// What they did.
    pub ledger: Ledger,
}

impl<'m> Tori<'m> {
    /// Tori for `work` in `memory`.
    #[must_use]
    pub fn new(memory: &'m mut Memory, work: Work, sabotage: Sabotage) -> Self {
        let memory = memory.0.iter_mut().map(Vec::as_mut_slice).collect();
        Self { memory, work, sabotage, occasions: 0, ledger: Ledger::default() }
    }

    /// True now and then when this is what is to go wrong.
    fn spoils(&mut self, sabotage: Sabotage) -> bool {
        if self.sabotage != sabotage {
            return false;
        }
        self.occasions += 1;
        sabotage == Sabotage::Forget || self.occasions.is_multiple_of(5)
    }
}

impl<'m> Rider for Tori<'m> {
    type Seat = Seat<'m>;
    const PROJECTS: bool = true;

    fn board(&mut self, node: u32, boot: u64, now_ns: u64) -> Option<Seat<'m>> {
        if node >= u32::from(self.work.tori) {
            return None;
        }
        let seat = self.memory.pop().and_then(|memory| Seat::new(memory, (node, boot), self.work.tori, now_ns));
        let Some(mut seat) = seat else {
            self.ledger.seatless += 1;
            return None;
        };
        if node == 0 && self.ledger.injected == 0 {
            self.ledger.injected = seat.inject(self.work.tokens);
        }
        seat.write_down(&mut self.ledger);
        Some(seat)
    }

    fn session(&mut self, seat: &mut Seat<'m>, peer: u32, boot: u64, now_ns: u64) {
        seat.session(self, peer, boot, now_ns);
    }

    fn projection(&mut self, seat: &mut Seat<'m>, peer: u32, boot: u64, bytes: &[u8], now_ns: u64) {
        seat.projection(peer, boot, bytes, now_ns);
    }

    fn command(&mut self, seat: &mut Seat<'m>, peer: u32, bytes: &[u8]) {
        let times = if self.spoils(Sabotage::Replay) { 2 } else { 1 };
        (0..times).for_each(|_| seat.command(&mut self.ledger, peer, bytes));
    }

    fn turn(&mut self, seat: &mut Seat<'m>, line: &mut Line<'_>) {
        seat.turn(self, line);
    }

    fn next_ns(&self, seat: &Seat<'m>) -> u64 {
        seat.next_ns()
    }

    fn digest(&self, seat: &Seat<'m>) -> u64 {
        seat.digest()
    }

    fn stopped(&mut self, node: u32) {
        for book in self.ledger.books.values_mut().filter(|book| book.node == node) {
            book.is_alive = false;
        }
    }
}
