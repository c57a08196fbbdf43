//! Ballots this node proposed: asking, counting, deciding, telling.

use super::ballot::{
    BallotKey, BallotView, CLUSTER_VOTERS_MAX, Kind, LOCAL_VOTERS_MAX, Outcome, OwnVote, Proposal, Scope, Vote,
    electorate_digest, rank,
};
use super::evidence::{Evidence, Unsound, Witness};
use super::table::{self, Input, Phase};
use super::tally::{Standing, Threshold, evaluate};
use super::{Consensus, Desk, Ignored, OWN_MAX, Policy, Refused};
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Signature};
use crate::sink::{Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::consensus as wire;
use crate::wire::v1::{Header, MESSAGE_BYTES_MAX, Reader};

/// One ballot of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Own {
    pub(super) phase: Phase,
    pub(super) key: BallotKey,
    pub(super) proposal: Proposal,
    content: u64,
    voters: [NodeId; CLUSTER_VOTERS_MAX],
    count: u8,
    votes: [Option<Vote>; CLUSTER_VOTERS_MAX],
    quorum: u32,
    opened: Time,
    /// By the clock of the caller, as everything here (`ekk:D-09`).
    deadline: Time,
    /// Next repetition while open, end of retention afterwards.
    again: Time,
    pub(super) outcome: Option<Outcome>,
    /// Over the decision, once made.
    signature: Signature,
    proven: bool,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            phase: Phase::Free,
            key: BallotKey::default(),
            proposal: Proposal::new(Kind::Mode, Scope::Local, 0, Threshold::All),
            content: 0,
            voters: [NodeId::NONE; CLUSTER_VOTERS_MAX],
            count: 0,
            votes: [None; CLUSTER_VOTERS_MAX],
            quorum: 0,
            opened: Time::ZERO,
            deadline: Time::ZERO,
            again: Time::ZERO,
            outcome: None,
            signature: Signature::EMPTY,
            proven: true,
        }
    }
}

impl Own {
    fn voters(&self) -> &[NodeId] {
        &self.voters[..usize::from(self.count)]
    }

    fn place(&self, voter: NodeId) -> Option<usize> {
        self.voters().iter().position(|&id| id == voter)
    }

    /// Votes cast, yes, no.
    fn tally(&self) -> [u8; 3] {
        let count = |wanted: fn(&Vote) -> bool| self.votes.iter().flatten().filter(|vote| wanted(vote)).count() as u8;
        [count(|_| true), count(|vote| *vote == Vote::Yes), count(|vote| *vote == Vote::No)]
    }

    fn electorate(&self) -> wire::Electorate {
        match self.proposal.scope {
            Scope::Cluster => wire::Electorate::Configured(electorate_digest(self.voters())),
            Scope::Local => {
                let mut listed = [NodeId::NONE; LOCAL_VOTERS_MAX];
                listed.copy_from_slice(&self.voters[..LOCAL_VOTERS_MAX]);
                wire::Electorate::Listed(listed, self.count)
            }
        }
    }

    /// Takes the step of the table; false where it changes nothing.
    pub(super) fn step(&mut self, input: Input) -> bool {
        let Some(next) = table::next(self.phase, input) else { return false };
        self.phase = next;
        true
    }

    pub(super) fn due(&self) -> Time {
        match self.phase {
            Phase::Free => Time::NEVER,
            Phase::Open => self.deadline.min(self.again),
            Phase::Decided => Time::ZERO,
            Phase::Retained => self.again,
        }
    }

    pub(super) fn shift(&mut self, gap: Span) {
        if self.phase == Phase::Open {
            (self.deadline, self.again) = (self.deadline.after(gap), self.again.after(gap));
        }
    }

    pub(super) fn view(&self, me: NodeId) -> BallotView<'_> {
        let own = match self.place(me) {
            None => OwnVote::NotAVoter,
            Some(at) => self.votes[at].map_or(OwnVote::Ask, OwnVote::Cast),
        };
        BallotView {
            key: self.key,
            proposal: &self.proposal,
            phase: self.phase,
            outcome: self.outcome,
            voters: self.voters(),
            votes: self.votes,
            tally: self.tally(),
            needed: self.proposal.threshold.needed(u32::from(self.count)),
            own,
            opened: self.opened,
            deadline: self.deadline,
        }
    }
}

impl Consensus {
    /// Opens a ballot and asks the voters. This node votes yes when it may; one voter can decide at once.
    ///
    /// # Errors
    /// [`Refused`] says why; nothing has changed.
    pub fn propose(
        &mut self,
        now: Time,
        me: Identity,
        links: &[NodeId],
        proposal: Proposal,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<BallotKey, Refused> {
        if proposal.kind.is_of_a_node() {
            if proposal.scope == Scope::Local {
                return Err(Refused::LocalOnly);
            }
            let suspect = NodeId::from_raw(proposal.value);
            if !suspect.is_node() || suspect == self.me {
                return Err(Refused::Suspect);
            }
            if proposal.evidence != 0 {
                self.check_evidence(suspect, proposal.evidence, crypto).map_err(Refused::Evidence)?;
            }
        }
        let (voters, count) = self.electorate_of(&proposal)?;
        let quorum = self.quorum_of(&proposal, u32::from(count))?;
        let slot = self.free_slot().ok_or(Refused::Busy)?;
        let key = BallotKey { proposer: self.me, boot_inc: self.boot_inc, number: self.next_number };
        // Zero names no ballot; after four billion the numbers start again (`ekk:D-35`).
        self.next_number = self.next_number.checked_add(1).unwrap_or(1);
        let content = proposal.digest(key, electorate_digest(&voters[..usize::from(count)]));
        let mut desk = Desk { now, me, links, crypto, sink };
        self.signatures.forget(slot as u8);
        self.own[slot] = Own {
            phase: Phase::Free,
            key,
            proposal,
            content,
            voters,
            count,
            quorum,
            opened: now,
            deadline: now.after(proposal.open.unwrap_or(self.rules.timing.ballot)),
            again: now.after(self.repeat()),
            ..Own::default()
        };
        self.own[slot].step(Input::Opens);
        self.tallies.opened = self.tallies.opened.saturating_add(1);
        desk.sink.event(&Event::BallotOpened { proposer: self.me, ballot: key.number });
        if let Some(at) = self.own[slot].place(self.me) {
            let text = wire::vote_text(self.rules.cluster_id, key, content, self.me, Vote::Yes);
            let signature = desk.crypto.sign(&text);
            self.count_vote(slot, at, Vote::Yes, signature);
        }
        self.ask(&mut desk, slot, None);
        self.judge(&mut desk, slot);
        Ok(key)
    }

    fn check_evidence(&self, suspect: NodeId, name: u64, crypto: &mut impl Crypto) -> Result<(), Unsound> {
        let bytes = self.evidence.bytes(name).ok_or(Unsound::Missing)?;
        let evidence = Evidence::decode(bytes).map_err(Unsound::Wire)?;
        evidence.verify(self.rules.cluster_id, suspect, self.me, self.witnesses(), crypto)
    }

    /// Keeps evidence and returns the name a proposal gives it.
    pub fn submit_evidence(&mut self, evidence: &Evidence) -> u64 {
        self.evidence.keep(evidence)
    }

    /// The newest evidence this node has, from its own observation or a ballot.
    #[must_use]
    pub fn newest_evidence(&self) -> Option<Evidence> {
        self.evidence.newest().and_then(|bytes| Evidence::decode(bytes).ok())
    }

    /// Withdraws an own ballot that is open.
    ///
    /// # Errors
    /// [`Refused::Closed`] when there is none.
    pub fn withdraw(
        &mut self,
        now: Time,
        me: Identity,
        links: &[NodeId],
        key: BallotKey,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        let open = |own: &Own| own.phase == Phase::Open && own.key == key;
        let slot = self.own.iter().position(open).ok_or(Refused::Closed)?;
        let mut desk = Desk { now, me, links, crypto, sink };
        self.end(&mut desk, slot, Outcome::Cancelled);
        Ok(())
    }

    /// How long until an unanswered question is repeated.
    pub(super) fn repeat(&self) -> Span {
        self.rules.timing.period.times(2)
    }

    fn electorate_of(&self, proposal: &Proposal) -> Result<([NodeId; CLUSTER_VOTERS_MAX], u8), Refused> {
        let mut voters = [NodeId::NONE; CLUSTER_VOTERS_MAX];
        let mut count = 0;
        // A suspect does not vote on itself (`ekk:D-26`): the list without it is what both sides compute.
        let suspect = (proposal.kind == Kind::Quarantine).then_some(NodeId::from_raw(proposal.value));
        let listed: &[NodeId] = match proposal.scope {
            Scope::Cluster => self.rules.listed(),
            Scope::Local => self.electorate(),
        };
        for &id in listed.iter().filter(|id| Some(**id) != suspect) {
            voters[count] = id;
            count += 1;
        }
        match proposal.scope {
            Scope::Cluster if !voters[..count].contains(&self.me) => return Err(Refused::NotAVoter),
            Scope::Cluster => {}
            Scope::Local => {
                voters[count] = self.me;
                count += 1;
            }
        }
        Ok((voters, count as u8))
    }

    /// Votes that must be cast before anything is approved.
    fn quorum_of(&self, proposal: &Proposal, have: u32) -> Result<u32, Refused> {
        let need = match (proposal.scope, self.is_seed()) {
            (_, true) => 0,
            // A majority of the whole list: two sides of a partition never both have it.
            (Scope::Cluster, false) => u32::from(self.rules.voter_count) / 2 + 1,
            (Scope::Local, false) => u32::from(self.rules.quorum_min).min(self.known),
        };
        if have < need { Err(Refused::NoQuorum { have, need }) } else { Ok(need) }
    }

    /// A free slot; the oldest outcome that nobody read gives way.
    fn free_slot(&self) -> Option<usize> {
        let free = self.own.iter().position(|own| own.phase == Phase::Free);
        let retained = || {
            let all = self.own.iter().enumerate().filter(|(_, own)| own.phase == Phase::Retained);
            all.min_by_key(|(_, own)| own.again).map(|(slot, _)| slot)
        };
        free.or_else(retained)
    }

    /// Asks one voter, or all that have not answered.
    fn ask<C: Crypto, S: Sink>(&self, desk: &mut Desk<'_, C, S>, slot: usize, one: Option<NodeId>) {
        let own = &self.own[slot];
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let header = desk.header(wire::PROPOSAL, own.key.number);
        let left = own.deadline.since(desk.now);
        let Ok(bytes) = wire::encode_proposal(&mut buffer, &header, &own.proposal, left, &own.electorate()) else {
            return;
        };
        for (at, &voter) in own.voters().iter().enumerate() {
            if own.votes[at].is_none() && one.is_none_or(|one| one == voter) {
                desk.send(voter, Ok(bytes), &buffer);
            }
        }
    }

    pub(super) fn count_vote(&mut self, slot: usize, at: usize, vote: Vote, signature: Signature) {
        let own = &mut self.own[slot];
        own.votes[at] = Some(vote);
        if vote == Vote::Yes && !self.signatures.keep(slot as u8, own.voters[at], signature) {
            own.proven = false;
        }
    }

    /// Ends the ballot when its votes decide it.
    pub(super) fn judge<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize) {
        let own = &self.own[slot];
        let [cast, yes, _] = own.tally().map(u32::from);
        match evaluate(u32::from(own.count), cast, yes, own.proposal.threshold, own.quorum) {
            Standing::Pending => {}
            Standing::Approved => self.end(desk, slot, Outcome::Approved),
            Standing::Rejected => self.end(desk, slot, Outcome::Rejected),
        }
    }

    /// Ends the ballot and tells everybody it binds.
    pub(super) fn end<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize, outcome: Outcome) {
        let input = if outcome == Outcome::Cancelled { Input::Cancelled } else { Input::Decides };
        let cluster_id = self.rules.cluster_id;
        let own = &mut self.own[slot];
        if !own.step(input) {
            return;
        }
        own.outcome = Some(outcome);
        let text = wire::decision_text(cluster_id, own.key, own.content, outcome, own.tally());
        own.signature = desk.crypto.sign(&text);
        let (key, proposal, proven) = (own.key, own.proposal, own.proven);
        let count = match outcome {
            Outcome::Approved | Outcome::Rejected => &mut self.tallies.completed,
            Outcome::Cancelled => &mut self.tallies.cancelled,
            _ => &mut self.tallies.timed_out,
        };
        *count = count.saturating_add(1);
        if outcome == Outcome::Approved && !proven {
            self.tallies.unproven = self.tallies.unproven.saturating_add(1);
        }
        self.act(&proposal, outcome);
        desk.sink.event(&Event::BallotDecided { proposer: key.proposer, ballot: key.number, result: outcome.code() });
        for at in 0..usize::from(self.own[slot].count) {
            let voter = self.own[slot].voters[at];
            self.tell(desk, slot, voter);
        }
        if proposal.scope == Scope::Cluster {
            for &link in desk.links {
                if self.own[slot].place(link).is_none() {
                    self.tell(desk, slot, link);
                }
            }
        }
    }

    /// Sends the decision with the votes that prove it, in as many parts as that takes.
    fn tell<C: Crypto, S: Sink>(&self, desk: &mut Desk<'_, C, S>, slot: usize, to: NodeId) {
        let own = &self.own[slot];
        let Some(outcome) = own.outcome else { return };
        let approved = outcome == Outcome::Approved;
        let mut signed = self.signatures.of(slot as u8).filter(|_| approved).peekable();
        let mut part = 0;
        loop {
            let mut yes = [(NodeId::NONE, Signature::EMPTY); wire::YES_PER_PART];
            let mut yes_count = 0;
            while let Some(place) = yes.get_mut(usize::from(yes_count)) {
                let Some(next) = signed.next() else { break };
                *place = (next.voter, next.signature);
                yes_count += 1;
            }
            let decision = wire::Decision {
                key: own.key,
                proposal: own.proposal,
                electorate: own.electorate(),
                outcome,
                tally: own.tally(),
                signature: own.signature,
                yes,
                yes_count,
            };
            let mut buffer = [0; MESSAGE_BYTES_MAX];
            let written = wire::encode_decision(&mut buffer, &desk.header(wire::DECISION, part), &decision);
            desk.send(to, written, &buffer);
            part += 1;
            if signed.peek().is_none() {
                return;
            }
        }
    }

    /// An answer to an own ballot.
    pub(super) fn on_answer<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let (key, answer) = wire::decode_answer(body).map_err(Ignored::Wire)?;
        let voter = header.sender.id;
        let found = self.own.iter().position(|own| own.phase != Phase::Free && own.key == key);
        let slot = found.ok_or(Ignored::Unknown)?;
        let at = self.own[slot].place(voter).ok_or(Ignored::NotEligible)?;
        let wire::Answer::Vote(vote, signature) = answer else {
            // Busy and other lists are shown by the missing vote; the question is repeated until the deadline.
            return Ok(());
        };
        if self.own[slot].phase == Phase::Open && self.own[slot].deadline <= desk.now {
            // The tick that ends it is late; the deadline is not (`ekk:D-28`).
            return Err(Ignored::Late);
        }
        if self.own[slot].phase != Phase::Open {
            // Who still votes has not heard the decision.
            self.tell(desk, slot, voter);
            return Err(Ignored::Late);
        }
        if let Some(first) = self.own[slot].votes[at] {
            return Err(self.voted_before(desk, slot, voter, first, (vote, signature)));
        }
        let text = wire::vote_text(self.rules.cluster_id, key, self.own[slot].content, voter, vote);
        if !self.is_seed() {
            match desk.crypto.verify(voter, &text, &signature) {
                crate::sign::Verdict::Good => {}
                crate::sign::Verdict::Bad => return Err(Ignored::Signature),
                crate::sign::Verdict::UnknownKey => {
                    desk.sink.event(&Event::NeedRecord(voter));
                    return Err(Ignored::UnknownKey);
                }
            }
        }
        self.count_vote(slot, at, vote, signature);
        self.judge(desk, slot);
        Ok(())
    }

    /// The same voter again (`ekk:D-20`): the same word is a repetition; a signed different one is evidence (`ekk` section 6.1).
    fn voted_before<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        slot: usize,
        voter: NodeId,
        first: Vote,
        (second, signature): (Vote, Signature),
    ) -> Ignored {
        if first == second || self.is_seed() {
            return Ignored::Duplicate;
        }
        let own = &self.own[slot];
        let text = |vote| wire::vote_text(self.rules.cluster_id, own.key, own.content, voter, vote);
        let kept = self.signatures.of(slot as u8).find(|signed| signed.voter == voter).map(|signed| signed.signature);
        // Only yes votes are kept with their signature; without the first signature nothing can be proven.
        if let Some(kept) = kept
            && desk.crypto.verify(voter, &text(second), &signature).is_good()
        {
            let evidence =
                Evidence::equivocation(voter, Witness::new(&text(first), kept), Witness::new(&text(second), signature));
            self.evidence.keep(&evidence);
            self.tallies.equivocations = self.tallies.equivocations.saturating_add(1);
        }
        Ignored::Duplicate
    }

    /// A competing ballot goes first: the sender must have a word in ours, and the other must really come first (`ekk:D-24`).
    /// A proposer may withdraw its own ballot.
    pub(super) fn on_inhibit<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let (loser, winner, priority) = wire::decode_inhibit(body).map_err(Ignored::Wire)?;
        let sender = header.sender.id;
        if sender == self.me {
            return Err(Ignored::Echo);
        }
        let until = desk.now.after(self.rules.timing.inhibition);
        let open = self.own.iter().position(|own| own.phase == Phase::Open && own.key == loser);
        match open {
            Some(slot) => {
                let own = &self.own[slot];
                let first = rank(winner, priority) < rank(loser, own.proposal.priority);
                if !self.is_seed() && (own.place(sender).is_none() || !first) {
                    return Err(Ignored::NotEligible);
                }
                self.inhibitions.record(loser, until, desk.now);
                self.end(desk, slot, Outcome::Cancelled);
                Ok(())
            }
            None if loser.proposer == sender || self.is_seed() => {
                self.inhibitions.record(loser, until, desk.now);
                self.cancel_remote(desk, loser);
                Ok(())
            }
            None => Err(Ignored::NotEligible),
        }
    }

    pub(super) fn tick_own<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>) {
        for slot in 0..OWN_MAX {
            match self.own[slot].phase {
                Phase::Free => {}
                Phase::Open if self.own[slot].deadline <= desk.now => {
                    let own = &self.own[slot];
                    let [cast, yes, _] = own.tally().map(u32::from);
                    let needed = own.proposal.threshold.needed(u32::from(own.count));
                    let missing = cast < u32::from(own.count);
                    let outcome = if self.rules.require_all && missing {
                        Outcome::Timeout
                    } else if !self.is_seed() && missing && (cast < needed || (yes >= needed && cast < own.quorum)) {
                        Outcome::NoQuorum
                    } else {
                        Outcome::Rejected
                    };
                    self.end(desk, slot, outcome);
                    self.retain_own(desk.now, slot);
                }
                Phase::Open if self.own[slot].again <= desk.now => {
                    self.own[slot].again = desk.now.after(self.repeat());
                    self.ask(desk, slot, None);
                }
                Phase::Open => {}
                Phase::Decided => self.retain_own(desk.now, slot),
                Phase::Retained if self.own[slot].again <= desk.now => {
                    if self.own[slot].step(Input::Expires) {
                        self.signatures.forget(slot as u8);
                    }
                }
                Phase::Retained => {}
            }
        }
    }

    fn retain_own(&mut self, now: Time, slot: usize) {
        let until = now.after(self.rules.timing.ballot.times(10));
        if self.own[slot].step(Input::Tick) {
            self.own[slot].again = until;
        }
    }

    /// The operator's word on an own or followed ballot that waits for it.
    ///
    /// # Errors
    /// [`Refused::Closed`], [`Refused::Given`], [`Refused::NotAVoter`].
    #[expect(clippy::too_many_arguments, reason = "the key, the word, and what a step needs")]
    pub fn vote(
        &mut self,
        now: Time,
        me: Identity,
        links: &[NodeId],
        key: BallotKey,
        vote: Vote,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        if self.own.iter().any(|own| own.phase == Phase::Open && own.key == key) {
            return Err(Refused::Given);
        }
        let mut desk = Desk { now, me, links, crypto, sink };
        self.vote_remote(&mut desk, key, vote)
    }

    /// How this node answers a kind by itself.
    pub(super) fn policy(&self, proposal: &Proposal) -> Policy {
        match proposal.kind {
            Kind::Quarantine if proposal.evidence == 0 && !self.is_seed() => Policy::Ask,
            kind => self.rules.policies.of(kind),
        }
    }
}
