//! What `ekk` wants done while something else is borrowed: messages and events, kept in memory taken at the start.

use ekk::id::{Identity, NodeId};
use ekk::membership::record::MemberRecord;
use ekk::sink::{Class, Event, Sink};

/// Messages that one turn may leave.
const MESSAGES: usize = 1_024;
/// Bytes of them.
const BYTES: usize = 512 * 1_024;
/// Events that one turn may leave.
const EVENTS: usize = 512;

/// A message that waits to be sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) to: u32,
    pub(super) class: Class,
    start: usize,
    length: usize,
}

/// An event that owns what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Joined(Box<MemberRecord>),
    Dead { identity: Identity, certificate: Vec<u8> },
    Left(Identity),
    Returned(Identity),
    Refuted(Identity),
    Undone(Identity),
    StateChanged { from: u8, to: u8 },
    NeighboursChanged,
    BallotOpened { proposer: u32, ballot: u32 },
    BallotDecided { proposer: u32, ballot: u32, result: u8 },
    ValveShut { removed: u32, known: u32 },
    Alone,
    NeedCandidates,
    NeedRecord(u32),
    NeedSession { id: u32, why: &'static str },
    Formed { epoch: u64, digest: u64 },
    Adopted { epoch: u64, digest: u64 },
    HealReport { undone: u32, removed_there: u32 },
    DuplicateIdentity(Identity),
    Quarantined(u32),
}

/// The sink of the link thread.
#[derive(Debug)]
pub(super) struct Outbox {
    messages: Vec<Waiting>,
    bytes: Vec<u8>,
    events: Vec<Told>,
    /// Messages and events that found no room.
    pub(super) overflowed: u64,
    /// Tasks chosen; the node runs none of its own.
    pub(super) tasks: u64,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            messages: Vec::with_capacity(MESSAGES),
            bytes: Vec::with_capacity(BYTES),
            events: Vec::with_capacity(EVENTS),
            overflowed: 0,
            tasks: 0,
        }
    }

    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// One message and its bytes.
    pub(super) fn message(&self, at: usize) -> (Waiting, &[u8]) {
        let waiting = self.messages[at];
        (waiting, &self.bytes[waiting.start..waiting.start + waiting.length])
    }

    /// Everything was sent.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes.clear();
    }

    /// Takes the oldest event away.
    pub(super) fn next_event(&mut self) -> Option<Told> {
        // Events are rare; their order counts, their number does not.
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }
}

impl Sink for Outbox {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        if self.messages.len() == MESSAGES || self.bytes.len() + bytes.len() > BYTES {
            self.overflowed += 1;
            return;
        }
        self.messages.push(Waiting { to: to.get(), class, start: self.bytes.len(), length: bytes.len() });
        self.bytes.extend_from_slice(bytes);
    }

    fn event(&mut self, event: &Event<'_>) {
        let told = match *event {
            Event::Joined(record) => Told::Joined(Box::new(*record)),
            Event::Dead { identity, certificate } => Told::Dead { identity, certificate: certificate.to_vec() },
            Event::Left(identity) => Told::Left(identity),
            Event::Returned(identity) => Told::Returned(identity),
            Event::Refuted(identity) => Told::Refuted(identity),
            Event::Undone(identity) => Told::Undone(identity),
            Event::StateChanged { from, to } => Told::StateChanged { from, to },
            Event::NeighboursChanged => Told::NeighboursChanged,
            Event::BallotOpened { proposer, ballot } => Told::BallotOpened { proposer: proposer.get(), ballot },
            Event::BallotDecided { proposer, ballot, result } => {
                Told::BallotDecided { proposer: proposer.get(), ballot, result }
            }
            Event::ValveShut { removed, known } => Told::ValveShut { removed, known },
            Event::Alone => Told::Alone,
            Event::NeedCandidates => Told::NeedCandidates,
            Event::NeedRecord(id) => Told::NeedRecord(id.get()),
            Event::NeedSession { id, why } => Told::NeedSession { id: id.get(), why },
            Event::Formed { epoch, digest } => Told::Formed { epoch, digest },
            Event::Adopted { epoch, digest } => Told::Adopted { epoch, digest },
            Event::HealReport { undone, removed_there } => Told::HealReport { undone, removed_there },
            Event::DuplicateIdentity(identity) => Told::DuplicateIdentity(identity),
            Event::QuarantineExecuted(id) => Told::Quarantined(id.get()),
            Event::RunTask(_) => {
                self.tasks += 1;
                return;
            }
            // Counted by reason in the node itself.
            _ => return,
        };
        if self.events.len() < EVENTS {
            self.events.push(told);
        } else {
            self.overflowed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut outbox = Outbox::new();
        let to = NodeId::new(7).expect("a node");
        for at in 0..MESSAGES + 3 {
            outbox.send(to, Class::Heartbeat, &[at as u8; 3]);
        }
        for _ in 0..EVENTS + 2 {
            outbox.event(&Event::Alone);
        }
        assert_eq!((outbox.messages(), outbox.overflowed), (MESSAGES, 5));
        assert_eq!((outbox.message(9).0.to, outbox.message(9).1), (7, &[9u8; 3][..]));
        assert_eq!(std::iter::from_fn(|| outbox.next_event()).count(), EVENTS);
        outbox.clear();
        assert_eq!(outbox.messages(), 0);
    }
}
