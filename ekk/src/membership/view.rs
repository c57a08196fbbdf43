//! What is shown of the membership: values and copies, never references into its machines.

use super::Membership;
use super::case::Suspicion;
use super::evidence::{Certificate, Proof};
use super::memory::Tomb;
use super::record::MemberRecord;
use crate::id::{Identity, NodeId};
use crate::time::{Span, Time};

/// One watch link as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkView {
    /// Who is watched and watches.
    pub identity: Identity,
    /// The peer's record, when it is known here.
    pub record: Option<MemberRecord>,
    /// 0 unknown (never heard), 1 alive, 2 suspect, 3 dead (a quorum stands).
    pub health: u8,
    /// Heartbeats missed in a row.
    pub missed: u32,
    /// Misses at which a statement is signed, own doubt included.
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
    /// Since when the link counts (or is offered).
    pub since: Time,
    /// State of the peer's own machine as it last said.
    pub state: u8,
}

/// One removal and why (`membership:MB-15`): the certificate holds subject, incarnation, watchers, and for each watcher that
/// stated what it last heard, its misses, T and doubt; a watcher of the set without a statement said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Removal {
    /// Statements and watch set.
    pub certificate: Certificate,
    /// How many stated, how many had to, how many lived.
    pub proof: Proof,
    /// Who told this node; `None` when the certificate was completed here.
    pub told_by: Option<NodeId>,
    /// When the first statement was known here, if this node watched the subject.
    pub opened: Option<Time>,
    /// When the quorum stood here.
    pub quorum_at: Option<Time>,
    /// When the removal was accepted here.
    pub removed_at: Time,
    /// When a later being of the subject was accepted here.
    pub undone_at: Option<Time>,
}

/// What a node counts about its membership; every counter only grows, and stops at its greatest value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Statements of silence signed here.
    pub statements: u32,
    /// Certificates completed here.
    pub certificates: u32,
    /// Removals accepted here.
    pub removed: u32,
    /// Removals undone here by a later being.
    pub undone: u32,
    /// Refutations by this node of statements about itself.
    pub refuted: u32,
    /// Vetoes against statements or certificates of others.
    pub vetoes: u32,
    /// Stalls of this node noticed (`decisions:CLU-13`).
    pub stalls: u32,
    /// Questions for news that this node lacked.
    pub asks: u32,
    /// Watch sets and records with a bad signature.
    pub bad_signatures: u32,
    /// Subjects that had to wait because all cases were taken.
    pub cases_full: u32,
    /// Beings refused because their incarnation jumps too far (`membership:MB-12`).
    pub jumps_refused: u32,
    /// News that waited because all slots of a heartbeat were taken.
    pub news_waited: u32,
    /// News lost because the queue was full.
    pub news_lost: u32,
    /// Tombstones that gave way before their time.
    pub tombs_evicted: u32,
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// The own record as it is now: its life may have risen.
    #[must_use]
    pub const fn me(&self) -> &MemberRecord {
        &self.me
    }

    /// The watch links.
    pub fn links(&self, now: Time) -> impl Iterator<Item = LinkView> + '_ {
        let period = self.config.timing.period;
        let factor = self.doubt.factor();
        self.links.iter().map(move |link| {
            let missed = link.heard.missed(now, period);
            let suspicion = self.cases.get(link.peer()).map(|case| case.suspicion);
            let health = match suspicion {
                _ if !link.is_live() => 0,
                Some(Suspicion::Quorum | Suspicion::Condemned | Suspicion::Removed) => 3,
                _ if missed >= u32::from(link.heard.threshold(16)).min(super::death::SUSPECT_MISSED) => 2,
                _ => 1,
            };
            LinkView {
                identity: link.identity,
                record: link.record,
                health,
                missed,
                threshold: u32::from(link.heard.threshold(factor)),
                phi: link.heard.phi(now),
                doubt: link.doubt,
                age: link.heard.age(now),
                roles: link.roles,
                since: link.since,
                state: link.peer_state,
            }
        })
    }

    /// Number of watch links that count.
    #[must_use]
    pub fn live_links(&self) -> usize {
        self.links.live()
    }

    /// The latest being of `id` known here; false with one that is gone.
    #[must_use]
    pub fn known(&self, id: NodeId) -> Option<(Identity, bool)> {
        if id == self.me.identity.id {
            return Some((self.me.identity, !self.life.has_left()));
        }
        if let Some(tomb) = self.tombs.get(id) {
            return Some((tomb.identity, false));
        }
        let linked = self.links.get(id).map(|link| link.identity);
        linked.or_else(|| self.passive.get(id).map(|known| known.identity)).map(|identity| (identity, true))
    }

    /// A record kept here: of a watch link, or among the latest ones.
    #[must_use]
    pub fn record(&self, id: NodeId) -> Option<&MemberRecord> {
        if id == self.me.identity.id {
            return Some(&self.me);
        }
        let linked = self.links.get(id).and_then(|link| link.record.as_ref());
        linked.or_else(|| self.records.iter().find(|record| record.identity.id == id))
    }

    /// Removals, newest first (`membership:MB-15`).
    pub fn removals(&self) -> impl Iterator<Item = &Removal> {
        self.verdicts.iter()
    }

    /// Everybody who is gone and remembered.
    pub fn tombs(&self) -> impl Iterator<Item = &Tomb> {
        self.tombs.iter()
    }

    /// Members of the passive view.
    pub fn passive(&self) -> impl Iterator<Item = Identity> + '_ {
        self.passive.iter().map(|known| known.identity)
    }

    /// Members known, this node included; see [`Membership::set_known`].
    #[must_use]
    pub const fn members(&self) -> u32 {
        self.known
    }

    /// The own doubt, in sixteenths, and whether it mutes own statements.
    #[must_use]
    pub const fn doubt(&self) -> (u8, bool) {
        (self.doubt.factor(), self.doubt.muted())
    }

    /// Since when the safety valve is shut (`decisions:CLU-14`).
    #[must_use]
    pub const fn valve_shut(&self) -> Option<Time> {
        self.valve.shut
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.news_waited = self.news.waited;
        counters.news_lost = self.news.lost;
        counters.tombs_evicted = self.tombs.evicted;
        counters
    }
}
