//! The election of the k nearest for a node: [`Topology`] without its tombstones (the membership keeps those), and with a memory
//! of candidates that were silent (`ekk:D-13`).

use super::{ConfigError, NEIGHBOURS_MAX, NodeConfig};
use crate::heartbeat::Health;
use crate::id::{Identity, NodeId};
use crate::profile::Profile;
use crate::time::{Span, Time};
use crate::topology::{self, Candidate, Neighbour, Topology};

/// Candidates kept (`decisions:CLU-3`).
pub const CANDIDATES_MAX: usize = 64;
/// Silent candidates remembered; the one whose time ends first makes room.
const AWAY_MAX: usize = 8;

/// Candidates and the election of the k nearest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Nearest {
    topology: Topology<NEIGHBOURS_MAX, CANDIDATES_MAX, 128, 0>,
    away: [(NodeId, Time); AWAY_MAX],
    changed: bool,
    /// The caller should be asked for candidates.
    pub(super) starved: bool,
}

impl Nearest {
    pub(super) fn new(config: &NodeConfig, me: NodeId, position: [i16; 3]) -> Result<Self, ConfigError> {
        let base = match config.profile {
            Profile::Seed => topology::Config::seed(),
            Profile::Product => topology::Config::product(&config.timing),
        };
        let wanted = topology::Config { k: config.k, min: config.neighbours_min, metric: config.metric, ..base };
        let topology = Topology::new(wanted, me, position).map_err(ConfigError::Topology)?;
        Ok(Self { topology, away: [(NodeId::NONE, Time::ZERO); AWAY_MAX], changed: false, starved: false })
    }

    /// A candidate whose record was checked, unless it is away.
    pub(super) fn offer(&mut self, now: Time, identity: Identity, position: [i16; 3]) -> Result<(), topology::Refused> {
        if self.away.iter().any(|&(id, until)| id == identity.id && now < until) {
            return Ok(());
        }
        // What was measured of it stays.
        let reading = self.topology.candidate(identity.id).map_or(u32::MAX, |known| known.reading);
        let candidate = Candidate { reading, ..Candidate::vouched(identity, position) };
        self.changed |= self.topology.offer(now, &candidate)?;
        Ok(())
    }

    pub(super) fn remove(&mut self, now: Time, id: NodeId) {
        self.changed |= self.topology.removed(now, id);
        self.starved = true;
    }

    /// It came back: it may be offered again, and the caller knows where it is.
    pub(super) fn welcome(&mut self, id: NodeId) {
        for slot in self.away.iter_mut().filter(|slot| slot.0 == id) {
            *slot = (NodeId::NONE, Time::ZERO);
        }
        self.starved = true;
    }

    /// It was silent: no candidate before `until`.
    pub(super) fn shun(&mut self, now: Time, id: NodeId, until: Time) {
        self.remove(now, id);
        let held = self.away.iter_mut().min_by_key(|slot| if slot.0 == id { Time::ZERO } else { slot.1 });
        if let Some(slot) = held {
            *slot = (id, until);
        }
    }

    /// A round-trip time; kept also while another metric is in force.
    pub(super) fn rtt(&mut self, now: Time, id: NodeId, rtt: Span) {
        let Some(known) = self.topology.candidate(id) else { return };
        let sample = u32::try_from(rtt.as_us()).unwrap_or(u32::MAX - 1);
        // Smoothed by an eighth, as transports do.
        let smoothed = match known.reading {
            u32::MAX => sample,
            old => ((u64::from(old) * 7 + u64::from(sample)) / 8) as u32,
        };
        self.changed |= self.topology.reading(now, id, smoothed);
    }

    /// Phase 3; whether the list of neighbours is another one than after the last tick, and how many announcements the seed
    /// wants sent.
    pub(super) fn tick(&mut self, now: Time) -> (bool, u8) {
        let mut announce = 0;
        if now >= self.topology.next_due() {
            let tick = self.topology.tick(now);
            self.changed |= tick.changed;
            self.starved |= tick.starved;
            announce = tick.announce;
        }
        (core::mem::take(&mut self.changed), announce)
    }

    /// Changes of the list so far.
    pub(super) fn changes(&self) -> u32 {
        self.topology.counters().changes
    }

    pub(super) fn identity(&self, id: NodeId) -> Option<Identity> {
        self.topology.candidate(id).map(|known| known.identity)
    }

    /// Copies a verdict into the neighbour entry (`ekk:D-05`).
    pub(super) fn set_health(&mut self, id: NodeId, health: Health) {
        self.topology.set_health(id, health);
    }

    pub(super) fn is_neighbour(&self, id: NodeId) -> bool {
        self.topology.is_neighbour(id)
    }

    pub(super) fn elected(&self) -> &[Neighbour] {
        self.topology.list()
    }

    pub(super) fn settled(&self) -> bool {
        self.topology.settled()
    }

    pub(super) fn enough(&self, members: u32) -> usize {
        self.topology.enough(members as usize)
    }

    pub(super) fn known(&self) -> usize {
        self.topology.known()
    }
}
