//! What is simulated: a protocol, and what one member of it does and tells.
//!
//! [`mesh`] is this project's node, [`foca`] the SWIM of the crate of that name. The driver treats both alike: same network, same
//! faults, same measures.

pub mod foca;
pub mod linked;
pub mod mesh;
pub mod rider;
pub mod tori;

use ekk::sink::Class;

/// Classes of traffic that are counted apart: those of [`Class`], then hand-shakes of sessions.
pub const CLASSES: usize = 6;
/// Their names.
pub const CLASS_NAMES: [&str; CLASSES] = ["heartbeat", "membership", "field", "ballot", "bootstrap", "session"];
/// Index of hand-shakes.
pub const SESSION: usize = 5;

/// Index of a class in the counters.
#[must_use]
pub const fn class_index(class: Class) -> usize {
    match class {
        Class::Heartbeat => 0,
        Class::Membership => 1,
        Class::Field => 2,
        Class::Ballot => 3,
        Class::Bootstrap => 4,
    }
}

/// What a member tells its caller. Nodes are indices; `rank` grows with every life of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A member is known that was not.
    Joined {
        /// Who.
        subject: u32,
        /// Its life.
        rank: u64,
    },
    /// A member was removed. `proof` = what an independent check of the certificate says, `Ok` when there is none.
    Removed {
        /// Who.
        subject: u32,
        /// Its life.
        rank: u64,
        /// What is wrong with the certificate.
        proof: Result<(), String>,
    },
    /// A member left by its own word.
    Left {
        /// Who.
        subject: u32,
    },
    /// A removed member is back in a later life.
    Returned {
        /// Who.
        subject: u32,
        /// Its life.
        rank: u64,
    },
    /// A removal was undone.
    Undone {
        /// Who.
        subject: u32,
        /// Its life.
        rank: u64,
    },
    /// Statements about a member were refuted.
    Refuted {
        /// Who.
        subject: u32,
    },
    /// The process started anew, without memory of what it told before.
    Started,
    /// This node formed or adopted a formation.
    Formed {
        /// Which formation.
        formation: u64,
    },
    /// A ballot was decided here.
    Decided {
        /// Proposer and number.
        ballot: (u32, u32),
        /// Result.
        result: u8,
    },
    /// The safety valve shut.
    ValveShut,
    /// Every watch link is gone.
    Alone,
    /// A heal report was made.
    Healed,
}

/// One datagram to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parcel {
    /// To whom.
    pub to: u32,
    /// Counted as, index into [`CLASS_NAMES`].
    pub class: u8,
    start: u32,
    len: u32,
}

/// Effects of one step of a member.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    parcels: Vec<Parcel>,
    bytes: Vec<u8>,
    /// What it told.
    pub seen: Vec<Seen>,
    /// Certificates of the removals in `seen`, in order, until they are judged.
    pub certificates: Vec<Vec<u8>>,
    /// Nodes it wants a session with.
    pub wishes: Vec<u32>,
}

impl Outbox {
    /// Takes a datagram.
    pub fn send(&mut self, to: u32, class: usize, bytes: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.parcels.push(Parcel { to, class: class as u8, start, len: bytes.len() as u32 });
    }

    /// The datagrams, in order of sending.
    pub fn parcels(&self) -> impl Iterator<Item = (Parcel, &[u8])> {
        let bytes = |parcel: &Parcel| &self.bytes[parcel.start as usize..(parcel.start + parcel.len) as usize];
        self.parcels.iter().map(move |parcel| (*parcel, bytes(parcel)))
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.parcels.clear();
        self.bytes.clear();
        self.seen.clear();
        self.certificates.clear();
        self.wishes.clear();
    }
}

/// How a member comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Member of a formed cluster that has always been there.
    Warm,
    /// First start into a cluster that does not know it.
    Fresh,
    /// Restart that knows its last incarnation.
    Kept,
    /// Restart that has lost everything but its identity.
    Lost,
}

/// What the checks look at; indices of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The k nearest it takes for its neighbours.
    pub neighbours: Vec<u32>,
    /// Whom it watches.
    pub watches: Vec<u32>,
    /// The formation it belongs to.
    pub formation: Option<u64>,
    /// It takes itself for healthy.
    pub is_active: bool,
    /// Its life.
    pub rank: u64,
    /// Factor on own thresholds, in thousandths.
    pub doubt_permille: u32,
}

/// A protocol under simulation.
pub trait Protocol {
    /// One member.
    type Member;

    /// Starts a member; `now_ns` is its own clock.
    fn boot(&mut self, node: u32, boot: Boot, now_ns: u64, out: &mut Outbox) -> Self::Member;

    /// A datagram from `from`.
    fn receive(&mut self, member: &mut Self::Member, now_ns: u64, from: u32, bytes: &[u8], out: &mut Outbox);

    /// Its own time has come.
    fn tick(&mut self, member: &mut Self::Member, now_ns: u64, out: &mut Outbox);

    /// When its own time comes next, on its clock.
    fn next_ns(&self, member: &Self::Member) -> u64;

    /// What a check sees.
    fn view(&self, member: &Self::Member) -> View;

    /// Digest of its state.
    fn digest(&self, member: &Self::Member) -> u64;

    /// A planned leave.
    fn leave(&mut self, member: &mut Self::Member, now_ns: u64, out: &mut Outbox);

    /// Proposes a ballot.
    fn propose(&mut self, _member: &mut Self::Member, _cluster: bool, _now_ns: u64, _out: &mut Outbox) {}

    /// Behaves badly, beside what it does anyway.
    fn misbehave(
        &mut self,
        _member: &mut Self::Member,
        _behaviour: crate::scenario::Behaviour,
        _now_ns: u64,
        _out: &mut Outbox,
    ) {
    }

    /// From its next start on, a node runs the next version of the program.
    fn upgrade(&mut self, _node: u32) {}

    /// The session with a peer is up or gone.
    fn session(&mut self, _member: &mut Self::Member, _peer: u32, _up: bool, _now_ns: u64, _out: &mut Outbox) {}

    /// Bytes of a datagram beside the payload: IP and UDP headers, and the link's frame where there is one.
    fn overhead(&self) -> usize;

    /// Whether datagrams need a session between the two.
    fn sessions(&self) -> bool;

    /// Pairs that have a session when a warm cluster starts.
    fn warm_sessions(&self, _node: u32) -> Vec<u32> {
        Vec::new()
    }

    /// The others by distance, nearest first, as many as the protocol keeps; none = it has no neighbours.
    fn nearest(&self, _node: u32) -> &[u32] {
        &[]
    }

    /// The life of a member; cheaper than its view.
    fn rank(&self, member: &Self::Member) -> u64 {
        self.view(member).rank
    }

    /// The process of a node has ended.
    fn stopped(&mut self, _node: u32) {}

    /// Bytes of memory of one member.
    fn member_bytes(&self) -> usize {
        std::mem::size_of::<Self::Member>()
    }
}
