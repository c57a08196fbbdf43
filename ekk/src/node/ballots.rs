//! Ballots of this node: [`crate::consensus`] in the order of a tick. Phase 5 calls [`Ballots::tick`], phase 1
//! [`Ballots::receive`]; phase 3 hands over the electorate.

use super::{Counters, Drop, NodeConfig, NodeWith};
use crate::consensus::evidence::Evidence;
use crate::consensus::{
    BallotKey, BallotView, Consensus, Ignored, Kind, LOCAL_VOTERS_MAX, Proposal, Refused, Rules, Scope, Tallies,
    Threshold, Vote,
};
use crate::id::{Identity, NodeId};
use crate::profile::Profile;
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::Sink;
use crate::time::{Span, Time};
use crate::wire::v0;
use crate::wire::v1::consensus::{self as wire, Answer, Electorate};
use crate::wire::v1::{Header, Reader};

/// Links a decision is passed on by, at most (`membership:MB-1`).
const LINKS_MAX: usize = 12;

/// Watch links, copied where they are needed.
pub(super) struct Links([NodeId; LINKS_MAX], usize);

impl Links {
    pub(super) fn of(ids: impl Iterator<Item = NodeId>) -> Self {
        let mut links = Self([NodeId::NONE; LINKS_MAX], 0);
        for id in ids.take(LINKS_MAX) {
            links.0[links.1] = id;
            links.1 += 1;
        }
        links
    }

    fn ids(&self) -> &[NodeId] {
        &self.0[..self.1]
    }
}

/// Signs nothing and believes everything: the seed knows no signatures.
struct NoKeys;

impl Crypto for NoKeys {
    fn sign(&mut self, _message: &[u8]) -> Signature {
        Signature::EMPTY
    }

    fn verify(&mut self, _signer: NodeId, _message: &[u8], _signature: &Signature) -> Verdict {
        Verdict::Good
    }

    fn admit(&mut self, _record: &crate::membership::record::MemberRecord) -> Verdict {
        Verdict::Good
    }
}

impl From<Ignored> for Drop {
    fn from(ignored: Ignored) -> Self {
        match ignored {
            Ignored::Wire(error) => error.into(),
            Ignored::Identity => Drop::SenderMismatch,
            Ignored::Echo => Drop::Echo,
            Ignored::Unknown | Ignored::Late | Ignored::Unproven => Drop::Unwanted,
            Ignored::Duplicate => Drop::OldSequence,
            Ignored::Busy => Drop::Full,
            Ignored::Signature | Ignored::Evidence => Drop::BadSignature,
            Ignored::UnknownKey => Drop::UnknownKey,
            Ignored::NotEligible | Ignored::Inhibited | Ignored::OtherElectorate => Drop::Refused,
        }
    }
}

/// The ballots of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ballots(pub(super) Consensus);

impl Ballots {
    pub(super) fn new(config: &NodeConfig, me: Identity) -> Self {
        let mut rules = Rules::new(config.profile, config.cluster_id, config.timing, config.k);
        if config.profile == Profile::Product {
            rules.policies = config.policies;
        }
        Self(Consensus::new(rules.with_voters(config.voters.ids()), me.id, me.boot_inc))
    }

    /// The neighbours that may vote on a ballot opened from now on; open ones keep theirs.
    pub(super) fn set_electorate(&mut self, ids: impl Iterator<Item = NodeId>) {
        self.0.set_electorate(ids);
    }

    /// One message of the ballot kinds.
    #[expect(clippy::too_many_arguments, reason = "one message with everything it may need")]
    pub(super) fn receive(
        &mut self,
        now: Time,
        me: Identity,
        header: &Header,
        body: Reader<'_>,
        links: &Links,
        counters: &mut Counters,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let taken = self.0.receive(now, me, header, body, links.ids(), crypto, sink);
        count(self.0.tallies(), counters);
        Ok(taken?)
    }

    /// One message of the ballot kinds of wire version 0 (seed profile): put into the form of version 1, so that both take the
    /// same way.
    pub(super) fn receive_v0(
        &mut self,
        now: Time,
        me: Identity,
        from: NodeId,
        message: &v0::Message,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let sender = Identity { id: from, boot_inc: me.boot_inc, life: 0 };
        let key = |proposer: u8, ballot: u16| BallotKey {
            proposer: NodeId::from_raw(u32::from(proposer)),
            boot_inc: me.boot_inc,
            number: u32::from(ballot),
        };
        let mut buffer = [0; 256];
        let bytes = match *message {
            v0::Message::Proposal { ballot, kind, data, threshold, .. } => {
                let kind = Kind::from_code(kind.raw()).ok_or(Drop::BadValue)?;
                let threshold = Threshold::from_q16(threshold.0).map_err(|_| Drop::BadValue)?;
                let mut voters = [NodeId::NONE; LOCAL_VOTERS_MAX];
                (voters[0], voters[1]) = (from, me.id);
                let header = Header { kind: wire::PROPOSAL, sender, sequence: u32::from(ballot) };
                let proposal = Proposal::new(kind, Scope::Local, data, threshold);
                let left = Span::from_ms(50);
                wire::encode_proposal(&mut buffer, &header, &proposal, left, &Electorate::Listed(voters, 2))
            }
            v0::Message::Vote { proposer, ballot, vote, .. } => {
                let vote = Vote::from_code(vote as u8).ok_or(Drop::BadValue)?;
                let header = Header { kind: wire::VOTE, sender, sequence: 0 };
                let answer = Answer::Vote(vote, Signature::EMPTY);
                wire::encode_answer(&mut buffer, &header, key(proposer, ballot), &answer)
            }
            v0::Message::Inhibit { proposer, ballot, .. } => {
                let header = Header { kind: wire::INHIBIT, sender, sequence: 0 };
                let loser = key(proposer, ballot);
                wire::encode_inhibit(&mut buffer, &header, loser, loser, 0)
            }
            _ => return Err(Drop::UnknownKind),
        };
        let (header, body) = Header::decode(&buffer[..bytes?])?;
        let taken = self.0.receive(now, me, &header, body, &[], &mut NoKeys, sink);
        count(self.0.tallies(), counters);
        Ok(taken?)
    }

    /// Phase 5: deadlines, retransmissions, reclaimed slots.
    pub(super) fn tick(
        &mut self,
        now: Time,
        me: Identity,
        links: &Links,
        counters: &mut Counters,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) {
        self.0.tick(now, me, links.ids(), crypto, sink);
        count(self.0.tallies(), counters);
    }

    /// Moves all deadlines by the length of an own stall (`decisions:CLU-13`).
    pub(super) fn shift(&mut self, gap: Span) {
        self.0.shift(gap);
    }
}

fn count(tallies: &Tallies, counters: &mut Counters) {
    counters.ballots_started = tallies.opened.saturating_add(tallies.followed);
    counters.ballots_completed = tallies.completed;
    counters.ballots_cancelled = tallies.cancelled;
    counters.ballots_timed_out = tallies.timed_out;
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> NodeWith<TOMBS, SEEN, VERDICTS> {
    /// The watch links, for whoever is about to touch the ballots: the next tick looks at their deadlines again.
    pub(super) fn watch_links(&mut self, now: Time) -> Links {
        self.ballots_at = Time::ZERO;
        Links::of(self.membership.links(now).map(|link| link.identity.id))
    }

    /// Opens a ballot (`ekk` section 6).
    ///
    /// # Errors
    /// [`Refused`] says why; nothing has changed.
    pub fn propose(
        &mut self,
        now: Time,
        proposal: Proposal,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<BallotKey, Refused> {
        let (me, links) = (self.identity(), self.watch_links(now));
        self.ballots.0.set_known(self.known);
        self.ballots.set_electorate(self.neighbours.all().iter().map(|neighbour| neighbour.id));
        let key = self.ballots.0.propose(now, me, links.ids(), proposal, crypto, sink)?;
        count(self.ballots.0.tallies(), &mut self.counters);
        self.act_on_decisions(now, crypto, sink);
        Ok(key)
    }

    /// The operator's word on a ballot that policy leaves to him; final.
    ///
    /// # Errors
    /// [`Refused`] says why; nothing has changed.
    pub fn vote(
        &mut self,
        now: Time,
        key: BallotKey,
        vote: Vote,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        let (me, links) = (self.identity(), self.watch_links(now));
        self.ballots.0.vote(now, me, links.ids(), key, vote, crypto, sink)
    }

    /// Withdraws an own ballot that is open.
    ///
    /// # Errors
    /// [`Refused::Closed`] when there is none.
    pub fn withdraw(
        &mut self,
        now: Time,
        key: BallotKey,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        let (me, links) = (self.identity(), self.watch_links(now));
        self.ballots.0.withdraw(now, me, links.ids(), key, crypto, sink)
    }

    /// Keeps evidence against a node and returns the name its proposal gives it.
    pub fn submit_evidence(&mut self, evidence: &Evidence) -> u64 {
        self.ballots.0.submit_evidence(evidence)
    }

    /// Ballots that are open or remembered, own ones first.
    pub fn ballots(&self) -> impl Iterator<Item = BallotView<'_>> {
        self.ballots.0.ballots()
    }

    /// The ballots machine, for its views.
    #[must_use]
    pub const fn consensus(&self) -> &Consensus {
        &self.ballots.0
    }

    /// Carries out what was decided (`ekk:D-26`).
    pub(super) fn act_on_decisions(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        while let Some((kind, node)) = self.ballots.0.take_act() {
            match kind {
                Kind::Quarantine => drop(self.quarantine(now, node, crypto, sink)),
                _ => drop(self.lift(node)),
            }
        }
    }
}
