//! Ballots of others: one answer each, the decision adopted when it is proven, never invented.

use super::ballot::{
    BallotKey, BallotView, CLUSTER_VOTERS_MAX, Kind, LOCAL_VOTERS_MAX, Outcome, OwnVote, Proposal, Scope, Vote,
    electorate_digest, rank,
};
use super::evidence::Evidence;
use super::table::{self, Input, Phase};
use super::tally::Threshold;
use super::{Consensus, Desk, Ignored, PER_PROPOSER_MAX, Policy, REMOTE_MAX, Refused, Rules};
use crate::id::NodeId;
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::{Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::consensus as wire;
use crate::wire::v1::{Header, MESSAGE_BYTES_MAX, Reader};

/// One ballot of another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Remote {
    pub(super) phase: Phase,
    pub(super) key: BallotKey,
    pub(super) proposal: Proposal,
    content: u64,
    /// Voters of scope `local`; those of scope `cluster` are configured.
    voters: [NodeId; LOCAL_VOTERS_MAX],
    count: u8,
    /// Voters whose signed yes was checked, by place.
    yes: u64,
    own: OwnVote,
    signature: Signature,
    /// Cast, yes and no, as the decision says.
    tally: [u8; 3],
    opened: Time,
    deadline: Time,
    again: Time,
    pub(super) outcome: Option<Outcome>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            phase: Phase::Free,
            key: BallotKey::default(),
            proposal: Proposal::new(Kind::Mode, Scope::Local, 0, Threshold::All),
            content: 0,
            voters: [NodeId::NONE; LOCAL_VOTERS_MAX],
            count: 0,
            yes: 0,
            own: OwnVote::NotAVoter,
            signature: Signature::EMPTY,
            tally: [0; 3],
            opened: Time::ZERO,
            deadline: Time::ZERO,
            again: Time::ZERO,
            outcome: None,
        }
    }
}

impl Remote {
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

    /// Who may vote: the listed, or the configured without a suspect.
    fn voters<'a>(&'a self, rules: &'a Rules) -> &'a [NodeId] {
        match self.proposal.scope {
            Scope::Local => &self.voters[..usize::from(self.count)],
            Scope::Cluster => rules.listed(),
        }
    }

    fn suspect(&self) -> Option<NodeId> {
        (self.proposal.kind == Kind::Quarantine).then_some(NodeId::from_raw(self.proposal.value))
    }

    fn place(&self, rules: &Rules, voter: NodeId) -> Option<usize> {
        let found = self.voters(rules).iter().position(|&id| id == voter)?;
        (self.suspect() != Some(voter)).then_some(found)
    }

    fn electorate_size(&self, rules: &Rules) -> u32 {
        let all = self.voters(rules);
        all.len() as u32 - u32::from(self.suspect().is_some_and(|suspect| all.contains(&suspect)))
    }

    pub(super) fn view<'a>(&'a self, rules: &'a Rules) -> BallotView<'a> {
        let mut votes = [None; CLUSTER_VOTERS_MAX];
        for (at, vote) in votes.iter_mut().enumerate() {
            *vote = (self.yes >> at & 1 == 1).then_some(Vote::Yes);
        }
        BallotView {
            key: self.key,
            proposal: &self.proposal,
            phase: self.phase,
            outcome: self.outcome,
            voters: self.voters(rules),
            votes,
            tally: self.tally,
            needed: self.proposal.threshold.needed(self.electorate_size(rules)),
            own: self.own,
            opened: self.opened,
            deadline: self.deadline,
        }
    }
}

impl Consensus {
    /// Digest of the electorate of a proposal as this node computes it; `None` when it cannot be.
    fn digest_of(&self, proposal: &Proposal, electorate: &wire::Electorate) -> Option<u64> {
        match (electorate, proposal.scope) {
            (wire::Electorate::Listed(voters, count), Scope::Local) => {
                Some(electorate_digest(&voters[..usize::from(*count)]))
            }
            (wire::Electorate::Configured(digest), Scope::Cluster) => {
                let own = match (proposal.kind, NodeId::from_raw(proposal.value)) {
                    (Kind::Quarantine, suspect) => {
                        let mut rest = [NodeId::NONE; CLUSTER_VOTERS_MAX];
                        let mut count = 0;
                        for &id in self.rules.listed().iter().filter(|id| **id != suspect) {
                            rest[count] = id;
                            count += 1;
                        }
                        electorate_digest(&rest[..count])
                    }
                    _ => self.configured(),
                };
                (own == *digest).then_some(own)
            }
            _ => None,
        }
    }

    /// A proposal: followed, answered once, repeated on repetition.
    pub(super) fn on_proposal<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let (proposal, left, electorate) = wire::decode_proposal(body).map_err(Ignored::Wire)?;
        let sender = header.sender;
        if sender.id == self.me {
            return Err(Ignored::Echo);
        }
        if header.sequence == 0 {
            return Err(Ignored::Wire(crate::wire::v1::WireError::Value("number")));
        }
        let key = BallotKey { proposer: sender.id, boot_inc: sender.boot_inc, number: header.sequence };
        if self.inhibitions.holds(key, desk.now) {
            self.answer(desk, key, &wire::Answer::Inhibited);
            return Err(Ignored::Inhibited);
        }
        if let Some(slot) = self.remote.iter().position(|remote| remote.phase != Phase::Free && remote.key == key) {
            return match self.remote[slot].own {
                OwnVote::Cast(vote) => {
                    let signature = self.remote[slot].signature;
                    self.answer(desk, key, &wire::Answer::Vote(vote, signature));
                    Err(Ignored::Duplicate)
                }
                _ => Err(Ignored::Duplicate),
            };
        }
        let Some(digest) = self.digest_of(&proposal, &electorate) else {
            self.answer(desk, key, &wire::Answer::OtherElectorate);
            return Err(Ignored::OtherElectorate);
        };
        let Some(slot) = self.slot_for(sender.id) else {
            self.tallies.refused_busy = self.tallies.refused_busy.saturating_add(1);
            self.answer(desk, key, &wire::Answer::Busy);
            return Err(Ignored::Busy);
        };
        let (voters, count) = match electorate {
            wire::Electorate::Listed(voters, count) => (voters, count),
            wire::Electorate::Configured(_) => ([NodeId::NONE; LOCAL_VOTERS_MAX], 0),
        };
        // A proposer cannot keep a slot for ever.
        let left = left.0.min(self.rules.timing.ballot.times(200).0);
        let deadline = desk.now.after(Span(left)).after(self.rules.timing.ballot.over(2));
        self.remote[slot] = Remote {
            key,
            proposal,
            content: proposal.digest(key, digest),
            voters,
            count,
            opened: desk.now,
            deadline,
            again: Time::NEVER,
            ..Remote::default()
        };
        self.remote[slot].step(Input::Opens);
        self.tallies.followed = self.tallies.followed.saturating_add(1);
        desk.sink.event(&Event::BallotOpened { proposer: key.proposer, ballot: key.number });
        if self.remote[slot].place(&self.rules, self.me).is_none() {
            return Ok(());
        }
        if !self.is_seed() && self.settle_competition(desk, slot) {
            self.remote[slot].own = OwnVote::Inhibited;
            return Ok(());
        }
        self.answer_by_policy(desk, slot);
        Ok(())
    }

    fn answer_by_policy<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize) {
        let (key, proposal) = (self.remote[slot].key, self.remote[slot].proposal);
        if proposal.kind == Kind::Quarantine && proposal.evidence != 0 && !self.evidence.holds(proposal.evidence) {
            self.remote[slot].own = OwnVote::Waits;
            self.ask_evidence(desk, key.proposer, proposal.evidence);
            self.remote[slot].again = desk.now.after(self.repeat());
            return;
        }
        match self.policy(&proposal) {
            Policy::Ask => self.remote[slot].own = OwnVote::Ask,
            Policy::Vote(vote) => self.cast(desk, slot, vote),
        }
    }

    fn cast<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize, vote: Vote) {
        let remote = &self.remote[slot];
        let text = wire::vote_text(self.rules.cluster_id, remote.key, remote.content, self.me, vote);
        let signature = desk.crypto.sign(&text);
        let again = desk.now.after(self.repeat());
        let remote = &mut self.remote[slot];
        (remote.own, remote.signature, remote.again) = (OwnVote::Cast(vote), signature, again);
        let key = remote.key;
        self.answer(desk, key, &wire::Answer::Vote(vote, signature));
    }

    pub(super) fn vote_remote<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        key: BallotKey,
        vote: Vote,
    ) -> Result<(), Refused> {
        let open = |remote: &Remote| remote.phase == Phase::Open && remote.key == key;
        let slot = self.remote.iter().position(open).ok_or(Refused::Closed)?;
        match self.remote[slot].own {
            OwnVote::Ask | OwnVote::Waits => {
                self.cast(desk, slot, vote);
                Ok(())
            }
            OwnVote::NotAVoter => Err(Refused::NotAVoter),
            OwnVote::Cast(_) | OwnVote::Inhibited => Err(Refused::Given),
        }
    }

    fn answer<C: Crypto, S: Sink>(&self, desk: &mut Desk<'_, C, S>, key: BallotKey, answer: &wire::Answer) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let written = wire::encode_answer(&mut buffer, &desk.header(wire::VOTE, 0), key, answer);
        desk.send(key.proposer, written, &buffer);
    }

    /// A slot for a ballot of `proposer`: free, or the oldest that is only remembered; at most two of one proposer (`ekk:D-22`).
    fn slot_for(&self, proposer: NodeId) -> Option<usize> {
        let open = self.remote.iter().filter(|remote| remote.phase == Phase::Open && remote.key.proposer == proposer);
        if open.count() >= PER_PROPOSER_MAX {
            return None;
        }
        let free = self.remote.iter().position(|remote| remote.phase == Phase::Free);
        free.or_else(|| {
            let all = self.remote.iter().enumerate().filter(|(_, remote)| remote.phase == Phase::Retained);
            all.min_by_key(|(_, remote)| remote.again).map(|(slot, _)| slot)
        })
    }

    /// Compares a new ballot with every open one of its kind and scope that shares a voter; the proposer of the one that comes
    /// later is told. True when the new one is it.
    fn settle_competition<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize) -> bool {
        let new = &self.remote[slot];
        let (key, priority) = (new.key, new.proposal.priority);
        let alike = |proposal: &Proposal| proposal.kind == new.proposal.kind && proposal.scope == new.proposal.scope;
        // This node is a voter of the new one, so any open ballot it follows or proposed shares a voter with it.
        let mut lost = None;
        let mut beaten: [Option<BallotKey>; REMOTE_MAX] = [None; REMOTE_MAX];
        for (at, other) in self.remote.iter().enumerate() {
            if at == slot || other.phase != Phase::Open || !alike(&other.proposal) {
                continue;
            }
            if rank(other.key, other.proposal.priority) < rank(key, priority) {
                lost = Some((other.key, other.proposal.priority));
            } else {
                beaten[at] = Some(other.key);
            }
        }
        let mut own_beaten = None;
        for (at, own) in self.own.iter().enumerate() {
            if own.phase != Phase::Open || !alike(&own.proposal) {
                continue;
            }
            if rank(own.key, own.proposal.priority) < rank(key, priority) {
                lost = Some((own.key, own.proposal.priority));
            } else {
                own_beaten = Some(at);
            }
        }
        if let Some((winner, winner_priority)) = lost {
            self.inhibit(desk, key, winner, winner_priority);
            return true;
        }
        for loser in beaten.into_iter().flatten() {
            self.inhibit(desk, loser, key, priority);
        }
        if let Some(at) = own_beaten {
            let loser = self.own[at].key;
            self.inhibitions.record(loser, desk.now.after(self.rules.timing.inhibition), desk.now);
            self.end(desk, at, Outcome::Cancelled);
        }
        false
    }

    fn inhibit<C: Crypto, S: Sink>(
        &self,
        desk: &mut Desk<'_, C, S>,
        loser: BallotKey,
        winner: BallotKey,
        priority: u8,
    ) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let header = desk.header(wire::INHIBIT, 0);
        let written = wire::encode_inhibit(&mut buffer, &header, loser, winner, priority);
        desk.send(loser.proposer, written, &buffer);
    }

    pub(super) fn cancel_remote<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, key: BallotKey) {
        let open = |remote: &Remote| remote.phase == Phase::Open && remote.key == key;
        if let Some(slot) = self.remote.iter().position(open) {
            self.close(desk, slot, Outcome::Cancelled);
        }
    }

    fn close<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>, slot: usize, outcome: Outcome) {
        let remote = &mut self.remote[slot];
        let input = match outcome {
            Outcome::Cancelled => Input::Cancelled,
            Outcome::Unknown => Input::Deadline,
            _ => Input::Decides,
        };
        if !remote.step(input) {
            return;
        }
        remote.outcome = Some(outcome);
        let (key, proposal) = (remote.key, remote.proposal);
        if outcome == Outcome::Unknown {
            self.tallies.unknown = self.tallies.unknown.saturating_add(1);
        }
        self.act(&proposal, outcome);
        desk.sink.event(&Event::BallotDecided { proposer: key.proposer, ballot: key.number, result: outcome.code() });
    }

    /// A decision: of scope `local` from the proposer itself; of scope `cluster` from anybody, then passed on once. Approval is
    /// adopted when as many signed yes votes were checked as it takes.
    pub(super) fn on_decision<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let bytes = body.rest();
        let decision = wire::decode_decision(body).map_err(Ignored::Wire)?;
        let key = decision.key;
        if key.proposer == self.me {
            return Err(Ignored::Echo);
        }
        if decision.proposal.scope == Scope::Local && header.sender.id != key.proposer {
            return Err(Ignored::Identity);
        }
        let known = self.remote.iter().position(|remote| remote.phase != Phase::Free && remote.key == key);
        if let Some(slot) = known
            && matches!(self.remote[slot].phase, Phase::Decided | Phase::Retained)
            && self.remote[slot].outcome != Some(Outcome::Unknown)
        {
            return Err(Ignored::Duplicate);
        }
        let digest = self.digest_of(&decision.proposal, &decision.electorate).ok_or(Ignored::OtherElectorate)?;
        let content = decision.proposal.digest(key, digest);
        self.check_decision(desk, &decision, content)?;
        let slot = match known {
            Some(slot) if self.remote[slot].content == content => slot,
            Some(_) => return Err(Ignored::Signature),
            None => self.follow_decided(desk, &decision, content)?,
        };
        let before = self.remote[slot].yes;
        self.check_yes_votes(desk, &decision, slot)?;
        let needed = decision.proposal.threshold.needed(self.remote[slot].electorate_size(&self.rules));
        let proven =
            decision.outcome != Outcome::Approved || self.is_seed() || self.remote[slot].yes.count_ones() >= needed;
        if decision.proposal.scope == Scope::Cluster && (proven || self.remote[slot].yes != before) {
            self.pass_on(desk, header, bytes);
        }
        if !proven {
            return Err(Ignored::Unproven);
        }
        self.remote[slot].tally = decision.tally;
        // One that was given up as unknown is known after all.
        self.remote[slot].phase = Phase::Open;
        self.close(desk, slot, decision.outcome);
        Ok(())
    }

    /// The proposer's own signature.
    fn check_decision<C: Crypto, S: Sink>(
        &self,
        desk: &mut Desk<'_, C, S>,
        decision: &wire::Decision,
        content: u64,
    ) -> Result<(), Ignored> {
        if self.is_seed() {
            return Ok(());
        }
        let cluster_id = self.rules.cluster_id;
        let text = wire::decision_text(cluster_id, decision.key, content, decision.outcome, decision.tally);
        match desk.crypto.verify(decision.key.proposer, &text, &decision.signature) {
            Verdict::Good => Ok(()),
            Verdict::Bad => Err(Ignored::Signature),
            Verdict::UnknownKey => {
                desk.sink.event(&Event::NeedRecord(decision.key.proposer));
                Err(Ignored::UnknownKey)
            }
        }
    }

    fn check_yes_votes<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        decision: &wire::Decision,
        slot: usize,
    ) -> Result<(), Ignored> {
        if decision.outcome != Outcome::Approved || self.is_seed() {
            return Ok(());
        }
        let mut unknown = None;
        for (voter, signature) in decision.yes.iter().take(usize::from(decision.yes_count)) {
            let remote = &self.remote[slot];
            let at = remote.place(&self.rules, *voter).ok_or(Ignored::NotEligible)?;
            if remote.yes >> at & 1 == 1 {
                continue;
            }
            let text = wire::vote_text(self.rules.cluster_id, decision.key, remote.content, *voter, Vote::Yes);
            match desk.crypto.verify(*voter, &text, signature) {
                Verdict::Good => self.remote[slot].yes |= 1 << at,
                Verdict::Bad => return Err(Ignored::Signature),
                Verdict::UnknownKey => unknown = Some(*voter),
            }
        }
        match unknown {
            None => Ok(()),
            Some(voter) => {
                desk.sink.event(&Event::NeedRecord(voter));
                let needed = decision.proposal.threshold.needed(self.remote[slot].electorate_size(&self.rules));
                if self.remote[slot].yes.count_ones() >= needed { Ok(()) } else { Err(Ignored::UnknownKey) }
            }
        }
    }

    /// A slot for a ballot of which only the decision was heard.
    fn follow_decided<C: Crypto, S: Sink>(
        &mut self,
        desk: &Desk<'_, C, S>,
        decision: &wire::Decision,
        content: u64,
    ) -> Result<usize, Ignored> {
        let slot = self.slot_for(decision.key.proposer).ok_or(Ignored::Busy)?;
        let (voters, count) = match decision.electorate {
            wire::Electorate::Listed(voters, count) => (voters, count),
            wire::Electorate::Configured(_) => ([NodeId::NONE; LOCAL_VOTERS_MAX], 0),
        };
        self.remote[slot] = Remote {
            phase: Phase::Open,
            key: decision.key,
            proposal: decision.proposal,
            content,
            voters,
            count,
            opened: desk.now,
            deadline: desk.now.after(self.rules.timing.ballot),
            again: Time::NEVER,
            ..Remote::default()
        };
        Ok(slot)
    }

    /// To every link but the one it came by; the header names this node, the content stays as signed.
    fn pass_on<C: Crypto, S: Sink>(&self, desk: &mut Desk<'_, C, S>, header: &Header, body: &[u8]) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let written = desk.header(wire::DECISION, header.sequence).begin(&mut buffer).and_then(|mut writer| {
            writer.put(body)?;
            Ok(writer.len())
        });
        for &link in desk.links {
            if link != header.sender.id {
                desk.send(link, written, &buffer);
            }
        }
    }

    fn ask_evidence<C: Crypto, S: Sink>(&self, desk: &mut Desk<'_, C, S>, of: NodeId, digest: u64) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let written = wire::encode_ask(&mut buffer, &desk.header(wire::ASK_EVIDENCE, 0), digest);
        desk.send(of, written, &buffer);
    }

    pub(super) fn on_ask_evidence<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        mut body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let digest = body.u64().map_err(Ignored::Wire)?;
        body.done().map_err(Ignored::Wire)?;
        let Some(bytes) = self.evidence.bytes(digest) else { return Err(Ignored::Unknown) };
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let written = wire::encode_evidence(&mut buffer, &desk.header(wire::EVIDENCE, 0), bytes);
        desk.send(header.sender.id, written, &buffer);
        Ok(())
    }

    /// Evidence that was asked for: checked before it counts, and only about the node the ballot names.
    pub(super) fn on_evidence<C: Crypto, S: Sink>(
        &mut self,
        desk: &mut Desk<'_, C, S>,
        header: &Header,
        body: Reader<'_>,
    ) -> Result<(), Ignored> {
        let evidence = Evidence::decode(body.rest()).map_err(|_| Ignored::Evidence)?;
        let digest = evidence.digest();
        let waits = |remote: &Remote| {
            remote.phase == Phase::Open
                && remote.own == OwnVote::Waits
                && remote.proposal.evidence == digest
                && remote.key.proposer == header.sender.id
        };
        let slot = self.remote.iter().position(waits).ok_or(Ignored::Unknown)?;
        let suspect = NodeId::from_raw(self.remote[slot].proposal.value);
        let sound = evidence.verify(self.rules.cluster_id, suspect, header.sender.id, self.witnesses(), desk.crypto);
        if sound.is_err() {
            self.cast(desk, slot, Vote::No);
            return Err(Ignored::Evidence);
        }
        self.evidence.keep(&evidence);
        self.answer_by_policy(desk, slot);
        if self.remote[slot].own == OwnVote::Ask {
            // Told again: now there is something to say yes or no to.
            let key = self.remote[slot].key;
            desk.sink.event(&Event::BallotOpened { proposer: key.proposer, ballot: key.number });
        }
        Ok(())
    }

    /// Witnesses that outnumber the liars a list of voters can bear: f + 1 of 3 f + 1.
    pub(super) fn witnesses(&self) -> usize {
        usize::from(self.rules.voter_count.saturating_sub(1)) / 3 + 1
    }

    pub(super) fn tick_remote<C: Crypto, S: Sink>(&mut self, desk: &mut Desk<'_, C, S>) {
        for slot in 0..REMOTE_MAX {
            let remote = &self.remote[slot];
            match remote.phase {
                Phase::Open if remote.deadline <= desk.now => {
                    self.close(desk, slot, Outcome::Unknown);
                    self.retain_remote(desk.now, slot);
                }
                Phase::Open if remote.again <= desk.now => {
                    let (key, own, signature, digest) =
                        (remote.key, remote.own, remote.signature, remote.proposal.evidence);
                    self.remote[slot].again = desk.now.after(self.repeat());
                    match own {
                        OwnVote::Cast(vote) => self.answer(desk, key, &wire::Answer::Vote(vote, signature)),
                        OwnVote::Waits => self.ask_evidence(desk, key.proposer, digest),
                        _ => self.remote[slot].again = Time::NEVER,
                    }
                }
                Phase::Decided => self.retain_remote(desk.now, slot),
                Phase::Retained if remote.again <= desk.now => {
                    self.remote[slot].step(Input::Expires);
                }
                _ => {}
            }
        }
    }

    fn retain_remote(&mut self, now: Time, slot: usize) {
        let until = now.after(self.rules.timing.ballot.times(10));
        if self.remote[slot].step(Input::Tick) {
            self.remote[slot].again = until;
        }
    }
}
