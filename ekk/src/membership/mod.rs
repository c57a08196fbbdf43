//! Who is a member: watch links, statements of silence, certificates of death (`membership:MB-1` to `membership:MB-15`).
//!
//! [`Membership`] is one value without clock, threads or allocation. The caller hands it verified messages
//! ([`Membership::receive`]), calls [`Membership::tick`] once a period and carries out what arrives at the
//! [`Sink`](crate::sink::Sink). It keeps what one node needs (at most 12 watch links, a passive view of 64, tombstones) and
//! never a list of all members: the caller folds the events into a directory (`decisions:CLU-3`).

pub mod config;
pub mod record;

pub use config::{Config, Refused, quorum};
pub use record::MemberRecord;

use crate::id::{Identity, NodeId};
use crate::sign::Crypto;
use crate::sink::Sink;
use crate::time::{Span, Time};
use crate::wire::v1::{Header, Reader};

/// The membership of one node; `TOMBS` tombstones, `SEEN` remembered news, `VERDICTS` stored certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Membership<const TOMBS: usize = 1024, const SEEN: usize = 4096, const VERDICTS: usize = 16> {
    config: Config,
    me: MemberRecord,
}

/// One watch link as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkView {
    /// Who is watched and watches.
    pub identity: Identity,
    /// The peer's record, when it is known here.
    pub record: Option<MemberRecord>,
    /// 0 unknown (never heard), 1 alive, 2 suspect, 3 dead (certificate under way).
    pub health: u8,
    /// Heartbeats missed in a row.
    pub missed: u32,
    /// Misses at which a statement is signed, doubt included.
    pub threshold: u32,
    /// Suspicion: excess of the last heartbeat's age over the mean gap in deviations, Q16.16.
    pub phi: i32,
    /// The peer's own doubt as it last said, in sixteenths (16 = 1.0).
    pub doubt: u8,
    /// Age of its last heartbeat.
    pub age: Span,
    /// Roles by which the link is held: bit 2r = previous in ring r, bit 2r+1 = next in ring r, bit 8 = small cluster,
    /// bit 9 = extra.
    pub roles: u16,
    /// Since when the link is held.
    pub since: Time,
    /// State of the peer's own machine as it last said.
    pub state: u8,
}

/// What a node counts about its membership.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Statements of silence signed here.
    pub statements: u32,
    /// Certificates completed here.
    pub certificates: u32,
    /// Removals accepted here.
    pub removed: u32,
    /// Refutations of statements about this node.
    pub refuted: u32,
    /// Vetoes (`Fresh`) answered.
    pub vetoes: u32,
    /// News that waited because all slots of a heartbeat were taken.
    pub news_waited: u32,
    /// News lost because the queue was full.
    pub news_lost: u32,
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// A membership of one; `me` is signed again whenever the life changes.
    #[must_use]
    pub fn new(config: Config, me: MemberRecord, _seed: u64) -> Self {
        Self { config, me }
    }

    /// The own record as it is now: its life may have risen.
    #[must_use]
    pub const fn me(&self) -> &MemberRecord {
        &self.me
    }

    /// Takes members known by other means: a snapshot of the reliable plane, a configuration, the caller's directory.
    /// Each record is checked through `crypto`; answers [`crate::sink::Event::NeedRecord`] are given by the same call.
    pub fn adopt(
        &mut self,
        _now: Time,
        _records: &mut dyn Iterator<Item = MemberRecord>,
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) {
    }

    /// Initial watch rings of a founding set: (ring, previous, next).
    pub fn link_rings(&mut self, _now: Time, _rings: &[(u8, NodeId, NodeId)]) {}

    /// Ids that are tried for ever when every link is gone: seeds, founders (`membership:MB-13`); the first 16 count.
    pub fn set_seeds(&mut self, _seeds: &[NodeId]) {}

    /// The state of the node's own machine, carried in heartbeats.
    pub fn set_state(&mut self, _state: u8) {}

    /// The caller's number of members, this node included, for the safety valve and the length of walks.
    pub fn set_known(&mut self, _members: u32) {}

    /// One message of the groups heartbeat and membership from a sender that the link verified.
    ///
    /// # Errors
    /// Why the message changed nothing.
    pub fn receive(
        &mut self,
        _now: Time,
        _header: &Header,
        _body: Reader<'_>,
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        Ok(())
    }

    /// Once a period: heartbeats, deadlines, repairs.
    pub fn tick(&mut self, _now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// Leaves for good in this incarnation (`membership:MB-11`).
    pub fn leave(&mut self, _now: Time, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// Nobody states silence about `node` nor accepts its removal here before `until` (`decisions:CLU-19`).
    pub fn maintenance(&mut self, _node: NodeId, _until: Time) {}

    /// Drops all memory of a removed node (`decisions:CLU-19`); false when nothing was known.
    pub fn forget(&mut self, _node: NodeId) -> bool {
        false
    }

    /// Opens the safety valve (`decisions:CLU-14`).
    pub fn resume_removals(&mut self, _now: Time) {}

    /// Drops everything of `node` until [`Membership::lift`].
    pub fn quarantine(&mut self, _now: Time, _node: NodeId, _crypto: &mut impl Crypto, _sink: &mut impl Sink) {}

    /// Ends a quarantine.
    pub fn lift(&mut self, _node: NodeId) {}

    /// The watch links.
    pub fn links(&self, _now: Time) -> impl Iterator<Item = LinkView> + '_ {
        core::iter::empty()
    }

    /// The latest being of `id` known here; also of removed ones (then the second value is false).
    #[must_use]
    pub fn known(&self, _id: NodeId) -> Option<(Identity, bool)> {
        None
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}
