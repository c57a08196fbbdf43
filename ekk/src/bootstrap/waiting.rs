//! Why the cluster is not formed here: a stable list, empty exactly when it is (`bootstrap:E2`, `bootstrap:E3`).

use super::config::{Field, Role};
use super::machine::{Found, Machine};
use super::table::State;
use crate::id::NodeId;
use core::fmt;

/// What stands between a peer and being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    None,
    Mismatch(Field),
    NotListed,
    Unverified,
    Version(u8),
}

/// What is known of one member besides the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) inc: Option<u32>,
    pub(super) trouble: Trouble,
    pub(super) restarted: bool,
    /// Epoch it tells of; zero when it told of none.
    pub(super) notice: u64,
    /// Number of the input since which its reason holds.
    pub(super) since: u64,
}

impl Peer {
    pub(super) const UNKNOWN: Peer = Peer { inc: None, trouble: Trouble::None, restarted: false, notice: 0, since: 0 };
}

/// What one who is no member wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestKind {
    /// Signals although it is not listed here.
    Stranger,
    /// As that, and its configuration differs in this field.
    Mismatch(Field),
    /// Could not be authenticated.
    Unverified,
    /// Speaks this version.
    Version(u8),
    /// Asked to join; an operator decides.
    Pending,
}

/// One who is no member; for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guest {
    /// Who.
    pub peer: NodeId,
    /// What it wants.
    pub kind: GuestKind,
    /// Number of the input since when.
    pub since: u64,
}

/// Guests that are remembered; the oldest gives way.
pub(super) const GUESTS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Guests {
    list: [Option<Guest>; GUESTS_MAX],
    displaced: u64,
}

impl Guests {
    fn put(&mut self, peer: NodeId, kind: GuestKind, since: u64) {
        let free = self.list.iter().position(|slot| slot.is_none_or(|guest| guest.peer == peer));
        let oldest = || (0..GUESTS_MAX).min_by_key(|&at| self.list[at].map_or(0, |guest| guest.since)).unwrap_or(0);
        let at = free.unwrap_or_else(oldest);
        match self.list[at] {
            Some(guest) if guest.peer == peer && guest.kind == kind => {}
            Some(guest) if guest.peer == peer && guest.kind == GuestKind::Pending && kind == GuestKind::Stranger => {}
            there => {
                self.displaced += u64::from(there.is_some_and(|guest| guest.peer != peer));
                self.list[at] = Some(Guest { peer, kind, since });
            }
        }
    }

    pub(super) fn pend(&mut self, peer: NodeId, since: u64) {
        self.put(peer, GuestKind::Pending, since);
    }

    pub(super) fn stranger(&mut self, peer: NodeId, since: u64) {
        self.put(peer, GuestKind::Stranger, since);
    }

    pub(super) fn remove(&mut self, peer: NodeId) {
        for slot in &mut self.list {
            if slot.is_some_and(|guest| guest.peer == peer) {
                *slot = None;
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = Guest> + '_ {
        self.list.iter().flatten().copied()
    }
}

/// One reason why the cluster is not formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Own start-up work is not finished.
    LocalNotDone,
    /// Nothing was heard of the peer.
    NeverHeard,
    /// Heard, not ready.
    NotReady,
    /// Restarted, and not ready again.
    Restarted,
    /// The peer's configuration differs in this field.
    Mismatch(Field),
    /// The peer does not list us.
    NotListed,
    /// The peer could not be authenticated.
    Unverified,
    /// The peer speaks this version.
    Version(u8),
    /// More are needed than there are.
    Unreachable {
        /// Needed.
        quorum: usize,
        /// There are.
        members: usize,
    },
    /// The deadline passed; so many are missing.
    Deadline {
        /// Missing.
        missing: usize,
    },
    /// Somebody asked to join; an operator decides.
    JoinPending,
    /// Formed peers contradict each other.
    Split,
    /// This node joins and nobody has told it of the formation.
    NoFormation,
}

/// A reason with its peer and the number of the input since which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The reason.
    pub reason: Reason,
    /// The peer, where one applies.
    pub peer: Option<NodeId>,
    /// Number of the input since which it holds; zero is the construction.
    pub since: u64,
}

impl Waiting {
    /// A stable word.
    pub const fn word(&self) -> &'static str {
        match self.reason {
            Reason::LocalNotDone => "local-not-done",
            Reason::NeverHeard => "never-heard",
            Reason::NotReady => "not-ready",
            Reason::Restarted => "restarted",
            Reason::Mismatch(_) => "config-mismatch",
            Reason::NotListed => "not-listed-there",
            Reason::Unverified => "authentication-failed",
            Reason::Version(_) => "wrong-version",
            Reason::Unreachable { .. } => "quorum-unreachable",
            Reason::Deadline { .. } => "deadline-passed",
            Reason::JoinPending => "join-pending",
            Reason::Split => "split-suspected",
            Reason::NoFormation => "no-formation",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer.unwrap_or(NodeId::NONE);
        match self.reason {
            Reason::LocalNotDone => f.write_str("own start-up is not finished: see the node's own log"),
            Reason::NeverHeard => write!(f, "{peer} was never heard: is it started, and its address right?"),
            Reason::NotReady => write!(f, "{peer} is heard and still starting"),
            Reason::Restarted => write!(f, "{peer} restarted and is not ready again"),
            Reason::Mismatch(field) => {
                write!(f, "{peer} has another configuration: {} differs; make both files alike", field.name())
            }
            Reason::NotListed => write!(f, "{peer} does not list this node among its founders: add it there"),
            Reason::Unverified => write!(f, "{peer} could not be authenticated: check its certificate"),
            Reason::Version(version) => write!(f, "{peer} speaks version {version} of the protocol: upgrade one side"),
            Reason::Unreachable { quorum, members } => {
                write!(
                    f,
                    "{quorum} ready ones are needed and there are {members} members: lower the quorum or admit more"
                )
            }
            Reason::Deadline { missing } => write!(f, "the deadline passed with {missing} missing"),
            Reason::JoinPending => write!(f, "{peer} asked to join: grant or refuse it"),
            Reason::Split => write!(f, "{peer} tells of another formation: two clusters may have formed; stop one"),
            Reason::NoFormation => f.write_str("no member has told this node of the formation yet"),
        }
    }
}

/// How many of how many, and who is missing: `3 of 4 ready, missing one of: 2, 3`.
#[derive(Debug)]
pub struct Progress<'a, const W: usize>(&'a Machine<W>);

impl<const W: usize> fmt::Display for Progress<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.0;
        let (ready, quorum) = (machine.ready.len(), machine.quorum);
        write!(f, "{ready} of {quorum} ready")?;
        let missing = quorum.saturating_sub(ready);
        if machine.state == State::Formed || missing == 0 {
            return Ok(());
        }
        let mut between = match missing {
            1 => ", missing one of: ",
            _ => ", missing some of: ",
        };
        for (index, id) in machine.members.list().iter().enumerate() {
            if !machine.ready_set.has(index) && machine.members.find(*id) == Some(index) {
                write!(f, "{between}{id}")?;
                between = ", ";
            }
        }
        Ok(())
    }
}

impl<const W: usize> Machine<W> {
    /// Why the cluster is not formed here: own work, then the members in their order, then the rest; empty exactly when formed.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> + '_ {
        let open = self.state != State::Formed;
        let own = (!self.local_done).then_some(Waiting { reason: Reason::LocalNotDone, peer: None, since: 0 });
        let joiner =
            (self.role == Role::Joiner).then_some(Waiting { reason: Reason::NoFormation, peer: None, since: 0 });
        let peers = (0..self.members.len()).filter_map(|index| {
            let id = self.members.list()[index];
            let counts = id != self.me && self.members.find(id) == Some(index);
            let reason = self.reason_code(index).filter(|_| counts)?;
            Some(Waiting { reason, peer: Some(id), since: self.peer(index).since })
        });
        own.into_iter().chain(joiner).chain(peers).chain(self.waiting_rest()).filter(move |_| open)
    }

    fn waiting_rest(&self) -> impl Iterator<Item = Waiting> + '_ {
        let members = usize::from(self.distinct) + usize::from(self.me_index.is_none() && self.role == Role::Founder);
        let quorum = self.quorum;
        let unreachable = (quorum > members && self.role == Role::Founder).then_some(Waiting {
            reason: Reason::Unreachable { quorum, members },
            peer: None,
            since: 0,
        });
        let late = self.late.then_some(Waiting {
            reason: Reason::Deadline { missing: quorum.saturating_sub(self.ready.len()) },
            peer: None,
            since: self.late_since,
        });
        let guests = self.guests.iter().filter(|guest| guest.kind == GuestKind::Pending);
        let pending =
            guests.map(|guest| Waiting { reason: Reason::JoinPending, peer: Some(guest.peer), since: guest.since });
        let split =
            self.split.map(|(peer, _)| Waiting { reason: Reason::Split, peer: Some(peer), since: self.split_since });
        unreachable.into_iter().chain(late).chain(pending).chain(split)
    }

    /// Those who are no members: strangers and who asks to join.
    pub fn guests(&self) -> impl Iterator<Item = Guest> + '_ {
        self.guests.iter()
    }

    /// Guests that had to give way to others in the display.
    pub const fn guests_displaced(&self) -> u64 {
        self.guests.displaced
    }

    /// The arithmetic of the quorum.
    pub const fn progress(&self) -> Progress<'_, W> {
        Progress(self)
    }

    /// Whether the member was heard, is ready now and in which incarnation; `None` for one who is no member.
    pub fn peer_now(&self, id: NodeId) -> Option<(bool, bool, Option<u32>)> {
        let index = self.members.find(id)?;
        let ready = self.up_ready.has(index);
        Some((ready || self.up_seen.has(index), ready, self.peer(index).inc))
    }

    /// Whether the member restarted since it was first heard.
    pub fn restarted(&self, id: NodeId) -> bool {
        self.members.find(id).is_some_and(|index| self.peer(index).restarted)
    }

    /// Why the peer is not counted; `None` when it is, or is no member.
    pub(super) fn reason_code(&self, index: usize) -> Option<Reason> {
        if index >= self.members.len() || self.ready_set.has(index) {
            return None;
        }
        let peer = self.peer(index);
        Some(match peer.trouble {
            Trouble::Mismatch(field) => Reason::Mismatch(field),
            Trouble::NotListed => Reason::NotListed,
            Trouble::Unverified => Reason::Unverified,
            Trouble::Version(version) => Reason::Version(version),
            Trouble::None if peer.restarted => Reason::Restarted,
            Trouble::None if self.up_seen.has(index) => Reason::NotReady,
            Trouble::None => Reason::NeverHeard,
        })
    }

    /// Renews the number since which the peer's reason holds when the reason is another one than before the step.
    #[inline]
    pub(super) fn stamp_reason(&mut self, index: usize, before: Option<Reason>) {
        if index < self.members.len() && self.reason_code(index) != before {
            self.peer_mut(index).since = self.inputs;
        }
    }

    /// Notes what stands against a peer, member or not.
    pub(super) fn trouble(&mut self, found: &Found, id: NodeId) {
        let inputs = self.inputs;
        let Some(index) = self.members.find(id) else {
            let kind = match found.trouble {
                Trouble::Mismatch(field) => GuestKind::Mismatch(field),
                Trouble::Unverified => GuestKind::Unverified,
                Trouble::Version(version) => GuestKind::Version(version),
                Trouble::None | Trouble::NotListed => GuestKind::Stranger,
            };
            self.guests.put(id, kind, inputs);
            return;
        };
        let before = self.reason_code(index);
        self.peer_mut(index).trouble = found.trouble;
        self.stamp_reason(index, before);
    }
}
