//! The seed profile: the same machines behind the packed messages of wire version 0, for conformance vectors only
//! (`decisions:CLU-10`). Ids are below 255, discovery and heartbeats are broadcast, membership and bootstrap rest.

use super::{Drop, NodeWith, State};
use crate::heartbeat::{AddError, Receipt};
use crate::id::{Identity, NodeId};
use crate::sink::{Class, Sink};
use crate::time::Time;
use crate::topology;
use crate::wire::v0::{self, Envelope, Message, ModuleState};

impl From<v0::Refused> for Drop {
    fn from(refused: v0::Refused) -> Self {
        match refused {
            v0::Refused::Length => Drop::Short,
            v0::Refused::Kind | v0::Refused::Unused | v0::Refused::Application | v0::Refused::Unknown => {
                Drop::UnknownKind
            }
            v0::Refused::Identity => Drop::SenderMismatch,
            v0::Refused::Id | v0::Refused::Number | v0::Refused::Threshold | v0::Refused::Ballot => Drop::BadValue,
        }
    }
}

const fn module_state(state: State) -> ModuleState {
    match state {
        State::Init => ModuleState::Init,
        State::Discovering => ModuleState::Discovering,
        State::Active => ModuleState::Active,
        State::Degraded => ModuleState::Degraded,
        State::Isolated => ModuleState::Isolated,
        State::Reforming => ModuleState::Reforming,
        State::Shutdown => ModuleState::Shutdown,
    }
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// Own id as the seed carries it; zero for an id it cannot carry, which its receivers refuse.
    fn short_id(&self) -> u8 {
        u8::try_from(self.identity().id.get()).unwrap_or(0)
    }

    /// Phase 1 of the seed profile.
    pub(super) fn take_v0(&mut self, now: Time, from: NodeId, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Drop> {
        let sender = u8::try_from(from.get()).map_err(|_| Drop::BadValue)?;
        let kind = *bytes.first().ok_or(Drop::Short)?;
        let message = Message::decode(Envelope { sender, kind }, bytes)?;
        let identity = Identity { id: from, boot_inc: 0, life: 0 };
        match message {
            Message::Heartbeat { sequence, .. } => {
                let receipt = self.peers.received(now, &identity, u32::from(sequence));
                self.fresh_verdicts |= matches!(receipt, Receipt::Found | Receipt::Recovered | Receipt::Returned);
                self.counters.health_changes = self.peers.counters().changes;
                Ok(())
            }
            Message::Discovery { position, .. } => self.discover(now, identity, position),
            _ => {
                let me = self.identity();
                self.ballots_at = Time::ZERO;
                self.ballots.receive_v0(now, me, from, &message, &mut self.counters, sink)
            }
        }
    }

    fn discover(&mut self, now: Time, identity: Identity, position: [i16; 3]) -> Result<(), Drop> {
        let offered = self.nearest.offer(now, identity, position);
        self.counters.neighbour_changes = self.nearest.changes();
        match (offered, self.peers.add(now, identity)) {
            (Err(topology::Refused::Full), _) | (_, Err(AddError::Full)) => {
                // The next tick says so too: a full table is a degraded tick.
                self.full = true;
                Err(Drop::Full)
            }
            (Err(_), _) => Err(Drop::BadValue),
            (Ok(()), _) => Ok(()),
        }
    }

    /// Broadcasts what phases 2 and 3 asked for.
    pub(super) fn broadcast_v0(&mut self, now: Time, beat: Option<u32>, announce: u8, sink: &mut impl Sink) {
        let sender = self.short_id();
        let mut bytes = [0; v0::ENCODED_MAX];
        let mut send = |message: &Message, class: Class| {
            if let Some(length) = message.encode(&mut bytes) {
                sink.send(NodeId::BROADCAST, class, &bytes[..length]);
            }
        };
        if let Some(sequence) = beat {
            let tracked = u8::try_from(self.peers.len()).unwrap_or(u8::MAX);
            let state = module_state(self.state);
            let (sequence, load, thermal, flags) = (sequence as u8, 0, 0, 0);
            send(&Message::Heartbeat { sender, sequence, state, tracked, load, thermal, flags }, Class::Heartbeat);
            self.peers.sent(now, true);
        }
        for _ in 0..announce {
            self.counters.discovery_broadcasts = self.counters.discovery_broadcasts.saturating_add(1);
            let (position, neighbours) = (self.me().position, self.neighbours.all().len() as u8);
            let sequence = self.counters.discovery_broadcasts as u16;
            let state = ModuleState::Active;
            send(&Message::Discovery { sender, position, neighbours, state, sequence }, Class::Membership);
        }
    }
}
