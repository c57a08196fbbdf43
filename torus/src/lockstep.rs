//! N tori driven in one thread, tick-exact: the same engine, the same braid, no clock and no threads.
//!
//! [`SeedLockstep`] is the seed's sequential braid with the seed's projections and without corrections, for its vectors
//! (rse.md section 6.1). [`Lockstep`] runs native projections through [`Braid`]; rings between tori are bounded queues. Both
//! are deterministic: the same inputs give the same digests.

use std::collections::VecDeque;

use crate::braid::{Braid, BraidConfig, BraidError, Decision, KINDS, Link, Own};
use crate::projection::native::{Facts, Projection};
use crate::projection::seed_v1::{SeedProjection, runtime_constraints};
use crate::relay::Relay;
use crate::{Cell, FACE, Input, MAX_TORI, Reactor, Token, Torus};

/// A projection of a relay torus in the seed's runtime profile, sealed: counters, and the processes in each cell of x = 0.
#[must_use]
pub fn seed_projection(torus_id: u32, torus: &Torus<'_, Relay<'_>>) -> SeedProjection {
    let (counters, relay) = (torus.counters(), torus.reactor());
    let (processes, edges, pending) = (relay.processes(), relay.edges(), counters.pending as u32);
    let mut projection = SeedProjection {
        torus_id,
        timestamp: counters.clock,
        total_events: counters.executed,
        current_time: counters.clock,
        active_processes: processes,
        pending_events: pending,
        edge_count: edges,
        boundary: seed_boundary(torus),
        constraints: runtime_constraints(counters.executed, processes, edges, counters.clock, pending),
        state_hash: 0,
    };
    projection.seal();
    projection
}

fn seed_boundary(torus: &Torus<'_, Relay<'_>>) -> [u32; FACE] {
    // The cells of x = 0 are the first ones.
    core::array::from_fn(|i| Cell::new(i as u32).map_or(0, |cell| torus.reactor().processes_in(cell)))
}

/// The seed's sequential braid of three relay tori.
#[derive(Debug)]
pub struct SeedLockstep<'m> {
    tori: [Torus<'m, Relay<'m>>; 3],
    interval_ticks: u64,
    ticks: u64,
    phase: usize,
    exchanges: u64,
    cycles: u64,
    violations: u64,
}

impl<'m> SeedLockstep<'m> {
    /// Three tori that exchange every `interval_ticks` ticks (at least 1), A first.
    #[must_use]
    pub fn new(tori: [Torus<'m, Relay<'m>>; 3], interval_ticks: u64) -> Self {
        Self { tori, interval_ticks: interval_ticks.max(1), ticks: 0, phase: 0, exchanges: 0, cycles: 0, violations: 0 }
    }

    /// `ticks` times: one event of each torus that has one, then an exchange when the interval is full.
    pub fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            for torus in &mut self.tori {
                torus.run(1);
            }
            self.ticks += 1;
            if self.ticks.is_multiple_of(self.interval_ticks) {
                self.exchange();
            }
        }
    }

    fn exchange(&mut self) {
        let projection = seed_projection(self.phase as u32, &self.tori[self.phase]);
        let mut bytes = [0; crate::projection::seed_v1::SIZE];
        projection.encode(&mut bytes);
        match SeedProjection::decode(&bytes) {
            // The coordinator's check and the receivers' check each count.
            Err(_) => self.violations += 2,
            Ok(read) => {
                let phase = self.phase;
                let others = self.tori.iter().enumerate().filter(|(id, _)| *id != phase).map(|(_, torus)| torus);
                let consistent =
                    others.map(|torus| read.applied_by(torus.counters().clock, &seed_boundary(torus)).consistent);
                self.violations += u64::from(consistent.filter(|&consistent| !consistent).count() > 0);
            }
        }
        self.exchanges += 1;
        self.phase = (self.phase + 1) % 3;
        self.cycles += u64::from(self.phase == 0);
    }

    /// The tori A, B, C.
    #[must_use]
    pub const fn tori(&self) -> &[Torus<'m, Relay<'m>>; 3] {
        &self.tori
    }

    /// Exchanges done.
    #[must_use]
    pub const fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Times every torus has projected once.
    #[must_use]
    pub const fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Whose turn it is: 0 = A, 1 = B, 2 = C.
    #[must_use]
    pub const fn phase(&self) -> usize {
        self.phase
    }

    /// Projections that did not verify or were found inconsistent.
    #[must_use]
    pub const fn violations(&self) -> u64 {
        self.violations
    }
}

/// One torus of a [`Lockstep`] with its braid and its ends of the rings.
#[derive(Debug)]
struct Lane<'m, R> {
    torus: Torus<'m, R>,
    braid: Braid,
    links: [Link; MAX_TORI],
    projection: Projection,
    inbound: Vec<VecDeque<Token>>,
}

/// N tori with native projections and rings, one exchange of each per round.
#[derive(Debug)]
pub struct Lockstep<'m, R> {
    lanes: Vec<Lane<'m, R>>,
    interval_ticks: u64,
    ring_capacity: usize,
    together: bool,
    violations: [u64; KINDS],
    corrections: [u64; KINDS],
    breaks: u64,
}

/// Boot id of a lane; lockstep draws nothing at random.
const fn boot(id: usize) -> u64 {
    id as u64 + 1
}

impl<'m, R: Reactor> Lockstep<'m, R> {
    /// Braids these tori; `together` lets all decide on the projections of the round before, else one goes after the other.
    ///
    /// # Errors
    /// [`BraidError`] when the settings are out of range or there are no tori or too many.
    pub fn new(tori: Vec<Torus<'m, R>>, config: BraidConfig, together: bool) -> Result<Self, BraidError> {
        let n = tori.len().min(MAX_TORI + 1);
        let count = n as u8;
        let mut lanes = Vec::with_capacity(n);
        for (id, torus) in tori.into_iter().enumerate() {
            let mut braid = Braid::new(config, id.min(MAX_TORI) as u8, boot(id), count)?;
            for peer in 0..n {
                braid.heard(peer as u8, boot(peer), 0, 0);
                braid.heard(peer as u8, boot(peer), 1, 0);
            }
            let link = |to| Link { boot: if to < n { boot(to) } else { 0 }, ..Link::default() };
            let (links, projection) = (core::array::from_fn(link), Projection::new(id as u8, count, boot(id)));
            lanes.push(Lane { torus, braid, links, projection, inbound: vec![VecDeque::new(); n] });
        }
        let ring_capacity = config.ring_capacity.min(1 << 20) as usize;
        let interval_ticks = u64::from(config.interval_ticks);
        let (violations, corrections) = ([0; KINDS], [0; KINDS]);
        let mut lockstep = Self { lanes, interval_ticks, ring_capacity, together, violations, corrections, breaks: 0 };
        (0..n).for_each(|id| lockstep.publish(id));
        Ok(lockstep)
    }

    /// One round: each torus executes an interval, admits what came, exchanges and publishes.
    pub fn round(&mut self) {
        let before: Vec<Projection> = self.lanes.iter().map(|lane| lane.projection).collect();
        for id in 0..self.lanes.len() {
            self.lanes[id].torus.run(self.interval_ticks);
            self.admit(id);
            let seen = if self.together { before.clone() } else { self.projections() };
            self.exchange(id, &seen);
            if !self.together {
                self.publish(id);
            }
        }
        if self.together {
            (0..self.lanes.len()).for_each(|id| self.publish(id));
        }
    }

    fn projections(&self) -> Vec<Projection> {
        self.lanes.iter().map(|lane| lane.projection).collect()
    }

    /// Admits everything in the rings to torus `id`.
    fn admit(&mut self, id: usize) {
        let lane = &mut self.lanes[id];
        for from in 0..lane.inbound.len() {
            while let Some(token) = lane.inbound[from].pop_front() {
                lane.torus.apply(&Input::Admit { from: from as u8, token });
                lane.links[from].received += 1;
            }
        }
    }

    fn exchange(&mut self, id: usize, seen: &[Projection]) {
        for source in self.lanes[id].braid.sources() {
            if let Ok(projection) = Projection::parse_words(seen[usize::from(source)].words()) {
                self.lanes[id].braid.observe(source, projection, 0);
            }
        }
        for to in 0..self.lanes.len() {
            let free = self.ring_capacity - self.lanes[to].inbound[id].len();
            self.lanes[id].links[to].credit = free as u64;
            // Whatever a projection counts as sent was in the ring before it was published, so before the rings were emptied.
            self.lanes[id].links[to].drained = self.lanes[id].inbound[to].is_empty();
        }
        let decision = self.lanes[id].with_own(|braid, _, own| braid.decide(own, 0));
        for kind in 0..KINDS {
            self.violations[kind] += u64::from(decision.violations[kind]);
            self.corrections[kind] += u64::from(decision.corrections[kind]);
        }
        self.breaks += u64::from(decision.broken.is_some());
        self.hand_over(id, &decision);
    }

    fn hand_over(&mut self, id: usize, decision: &Decision) {
        let Some(given) = decision.hand_over else { return };
        let mut sent = Vec::new();
        self.lanes[id].torus.hand_over(given.to, given.count, &mut |token| sent.push(token));
        self.lanes[id].links[usize::from(given.to)].sent += sent.len() as u64;
        self.lanes[usize::from(given.to)].inbound[id].extend(sent);
    }

    fn publish(&mut self, id: usize) {
        self.lanes[id].with_own(|braid, projection, own| braid.project(projection, own, 0));
    }

    /// Torus `id`.
    #[must_use]
    pub fn torus(&self, id: usize) -> &Torus<'m, R> {
        &self.lanes[id].torus
    }

    /// The braid of torus `id`.
    #[must_use]
    pub fn braid(&self, id: usize) -> &Braid {
        &self.lanes[id].braid
    }

    /// Puts something into torus `id`.
    pub fn apply(&mut self, id: usize, input: &Input) {
        self.lanes[id].torus.apply(input);
    }

    /// Load of each torus.
    #[must_use]
    pub fn loads(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.torus.load().total()).collect()
    }

    /// Digest of each torus.
    #[must_use]
    pub fn digests(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.torus.digest()).collect()
    }

    /// Messages in all rings.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.lanes.iter().flat_map(|lane| &lane.inbound).map(|ring| ring.len() as u64).sum()
    }

    /// Whether the identity of `rse:T4` holds for every torus and, summed, what was handed out and is not under way was handed in
    /// (`rse:B3`).
    #[must_use]
    pub fn conserved(&self) -> bool {
        let counters = self.lanes.iter().map(|lane| lane.torus.counters());
        let (out, taken) = counters.clone().fold((0, 0), |sum, c| (sum.0 + c.handed_out, sum.1 + c.handed_in));
        counters.into_iter().all(|counters| counters.conserved()) && out == taken + self.under_way()
    }

    /// Violations by kind, and breaks of conservation.
    #[must_use]
    pub const fn violations(&self) -> (&[u64; KINDS], u64) {
        (&self.violations, self.breaks)
    }

    /// Corrections by kind.
    #[must_use]
    pub const fn corrections(&self) -> &[u64; KINDS] {
        &self.corrections
    }
}

impl<R: Reactor> Lane<'_, R> {
    fn with_own<T>(&mut self, run: impl FnOnce(&mut Braid, &mut Projection, &Own<'_>) -> T) -> T {
        let counters = self.torus.counters();
        let facts = Facts {
            counters: &counters,
            faces: self.torus.faces(),
            load: self.torus.load(),
            room: self.torus.admission_room(),
            state_digest: self.torus.digest(),
            graph_digest: self.torus.reactor().graph_digest(),
            coupled: self.torus.reactor().coupled(),
            cpu_permille: 0,
            health: 0,
        };
        run(&mut self.braid, &mut self.projection, &Own { facts, links: &self.links })
    }
}

#[cfg(test)]
mod tests;
