//! One watch link: a lease held by both ends, worth nothing until its first heartbeat (`membership:MB-1`, `membership:MB-2`).

use super::config::{LINKS_MAX, RINGS};
use super::evidence::WatchSet;
use super::heard::Heard;
use super::record::MemberRecord;
use crate::id::{Identity, NodeId};
use crate::time::Time;

/// Bit of the previous node in ring `ring`; [`next`] is the bit above. The mirror of a role is its partner.
#[must_use]
pub const fn previous(ring: usize) -> u16 {
    1 << (2 * ring)
}

/// Bit of the next node in ring `ring`.
#[must_use]
pub const fn next(ring: usize) -> u16 {
    2 << (2 * ring)
}

/// All ring roles.
pub const ROLES_RING: u16 = (1 << (2 * RINGS)) - 1;
/// Role: everybody watches everybody in a small cluster.
pub const ROLE_MESH: u16 = 1 << 8;
/// Role: a link outside the rings, where the rings give fewer than eight peers.
pub const ROLE_EXTRA: u16 = 1 << 9;
/// Every role there is.
pub const ROLES_ALL: u16 = ROLES_RING | ROLE_MESH | ROLE_EXTRA;

const PREVIOUS_ALL: u16 = 0b0101_0101;

/// The roles by which the other end holds this link: previous and next change places.
#[must_use]
pub const fn mirrored(roles: u16) -> u16 {
    let ring = roles & ROLES_RING;
    (ring & PREVIOUS_ALL) << 1 | (ring >> 1) & PREVIOUS_ALL | roles & (ROLE_MESH | ROLE_EXTRA)
}

/// What a watch link is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LinkState {
    /// No link.
    Free,
    /// Held here; nothing heard yet, so it counts for nothing.
    Offered,
    /// Heard.
    Live,
    /// Live and without a role: kept until what replaces it is heard.
    Fading,
}

/// What can happen to a watch link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LinkEvent {
    /// This end takes the lease up, by its own search or by word of the other end.
    Take,
    /// A heartbeat with a newer sequence.
    Beat,
    /// The last role went to another peer.
    RolesGone,
    /// A role came.
    RoleCame,
    /// The other end holds the link no longer.
    Dropped,
    /// The lease ran out: never heard, or faded long enough.
    Expired,
    /// The peer is dead, has left or is quarantined.
    Removed,
}

/// What follows from a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkAction {
    /// Nothing.
    None,
    /// Say `WatchTake` until the first heartbeat.
    Offer,
    /// The watch set has one more member: sign it anew.
    CameAlive,
    /// Tell the other end and sign the set anew.
    Close,
    /// Sign the set anew; the other end knows.
    Forget,
    /// Sign the set anew and repair the rings before anything else.
    Repair,
}

impl LinkState {
    /// All states.
    pub const ALL: [LinkState; 4] = [LinkState::Free, LinkState::Offered, LinkState::Live, LinkState::Fading];
}

impl LinkEvent {
    /// All events.
    pub const ALL: [LinkEvent; 7] = [
        LinkEvent::Take,
        LinkEvent::Beat,
        LinkEvent::RolesGone,
        LinkEvent::RoleCame,
        LinkEvent::Dropped,
        LinkEvent::Expired,
        LinkEvent::Removed,
    ];
}

type Move = Option<(LinkState, LinkAction)>;

/// State x event; `None` cannot happen and changes nothing.
pub const LINK_TABLE: [[Move; 7]; 4] = {
    use LinkAction as A;
    use LinkState as S;
    [
        // Free: Take, Beat, RolesGone, RoleCame, Dropped, Expired, Removed
        [Some((S::Offered, A::Offer)), None, None, None, None, None, None],
        // Offered
        [
            Some((S::Offered, A::None)),
            Some((S::Live, A::CameAlive)),
            Some((S::Free, A::Close)),
            Some((S::Offered, A::Offer)),
            Some((S::Free, A::Forget)),
            Some((S::Free, A::Close)),
            Some((S::Free, A::Repair)),
        ],
        // Live
        [
            Some((S::Live, A::None)),
            Some((S::Live, A::None)),
            Some((S::Fading, A::None)),
            Some((S::Live, A::None)),
            Some((S::Free, A::Forget)),
            None,
            Some((S::Free, A::Repair)),
        ],
        // Fading
        [
            Some((S::Live, A::None)),
            Some((S::Fading, A::None)),
            Some((S::Fading, A::None)),
            Some((S::Live, A::None)),
            Some((S::Free, A::Forget)),
            Some((S::Free, A::Close)),
            Some((S::Free, A::Repair)),
        ],
    ]
};

/// One watch link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The latest being of the peer known here; incarnation 0 before anything is known.
    pub identity: Identity,
    /// Its record, once known.
    pub record: Option<MemberRecord>,
    /// State of the lease.
    pub state: LinkState,
    /// Roles from this end.
    pub roles: u16,
    /// Heartbeats in a row in which the peer did not hold what this end holds.
    pub mismatch: u8,
    /// Since when the link is held.
    pub since: Time,
    /// When an offered or fading link ends; when an offer is repeated.
    pub expires: Time,
    /// When something is said about the lease next: an offer, a question for the record.
    pub speak: Time,
    /// Its heartbeats.
    pub heard: Heard,
    /// The peer is an announced member, not yet somebody who is still joining.
    pub member: bool,
    /// Heard since this node last stalled.
    pub fresh: bool,
    /// Its watch set.
    pub set: Option<WatchSet>,
    /// Digest of our watch set that it holds.
    pub held_digest: u32,
    /// Its doubt in itself, sixteenths.
    pub doubt: u8,
    /// State of its machine.
    pub peer_state: u8,
    /// Links it holds.
    pub degree: u8,
}

impl Link {
    /// A link as it begins.
    #[must_use]
    pub const fn new(identity: Identity, now: Time, expires: Time) -> Self {
        Self {
            identity,
            record: None,
            state: LinkState::Free,
            roles: 0,
            mismatch: 0,
            since: now,
            expires,
            speak: now,
            heard: Heard::nothing(),
            member: false,
            fresh: false,
            set: None,
            held_digest: 0,
            doubt: 16,
            peer_state: 0,
            degree: 0,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> NodeId {
        self.identity.id
    }

    /// Whether the lease counts: something was heard.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.state, LinkState::Live | LinkState::Fading)
    }

    /// Moves by the table.
    pub fn step(&mut self, event: LinkEvent) -> LinkAction {
        match LINK_TABLE[self.state as usize][event as usize] {
            Some((state, action)) => {
                self.state = state;
                action
            }
            None => LinkAction::None,
        }
    }
}

/// The links of a node, each in a slot that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Links {
    /// Peers of the slots, together in one cache line: most messages look a peer up.
    peers: [NodeId; LINKS_MAX],
    slots: [Option<Link>; LINKS_MAX],
}

impl Default for Links {
    fn default() -> Self {
        Self { peers: [NodeId::NONE; LINKS_MAX], slots: [None; LINKS_MAX] }
    }
}

impl Links {
    /// The slot of the link to `peer`.
    #[must_use]
    pub fn slot_of(&self, peer: NodeId) -> Option<usize> {
        if !peer.is_node() {
            return None;
        }
        self.peers.iter().position(|&known| known == peer)
    }

    /// The link to `peer`.
    #[must_use]
    pub fn get(&self, peer: NodeId) -> Option<&Link> {
        self.at(self.slot_of(peer)?)
    }

    /// The link to `peer`.
    pub fn get_mut(&mut self, peer: NodeId) -> Option<&mut Link> {
        let slot = self.slot_of(peer)?;
        self.at_mut(slot)
    }

    /// The link in a slot.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<&Link> {
        self.slots.get(slot)?.as_ref()
    }

    /// The link in a slot.
    pub fn at_mut(&mut self, slot: usize) -> Option<&mut Link> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// All links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.slots.iter().flatten()
    }

    /// All links.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.slots.iter_mut().flatten()
    }

    /// Number of links, those that count for nothing included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of links that count.
    #[must_use]
    pub fn live(&self) -> usize {
        self.iter().filter(|link| link.is_live()).count()
    }

    /// Puts a link into a free slot; `None` when all are taken.
    pub fn insert(&mut self, link: Link) -> Option<usize> {
        let slot = self.slots.iter().position(Option::is_none)?;
        self.peers[slot] = link.peer();
        self.slots[slot] = Some(link);
        Some(slot)
    }

    /// Empties the slot of `peer`.
    pub fn take(&mut self, peer: NodeId) -> Option<(usize, Link)> {
        let slot = self.slot_of(peer)?;
        self.peers[slot] = NodeId::NONE;
        self.slots[slot].take().map(|link| (slot, link))
    }

    /// Who holds a role.
    #[must_use]
    pub fn holder(&self, role: u16) -> Option<NodeId> {
        self.iter().find(|link| link.roles & role != 0).map(Link::peer)
    }
}
