//! Ballots: threshold votes over a fixed electorate, without leader, log or order (`ekk` section 6).
//!
//! A proposer opens a ballot ([`Consensus::propose`]) and asks the voters until its deadline; each answers once, signed; the
//! proposer ends it and tells the signed decision, which carries the yes votes that prove an approval. Who never hears the
//! decision reports *unknown*, never *rejected* (`ekk:D-19`). Of two competing ballots (same kind and scope, a voter in common)
//! the one of lower (priority, proposer, boot, number) goes on; voters tell the other's proposer (`ekk:D-24`).
//!
//! The machine is a plain value: `Clone + Eq + Hash`, no clock, no allocation; [`table`] is its life cycle.

pub mod ballot;
pub mod evidence;
mod inhibit;
mod own;
mod remote;
mod signatures;
pub mod table;
pub mod tally;
#[cfg(test)]
mod tests;

pub use ballot::{
    BallotKey, BallotView, CLUSTER_VOTERS_MAX, Kind, LOCAL_VOTERS_MAX, Outcome, OwnVote, Proposal, Scope, Vote,
};
pub use inhibit::INHIBITIONS_MAX;
pub use signatures::SIGNATURES_MAX;
pub use table::Phase;
pub use tally::Threshold;

use core::fmt;

use self::ballot::electorate_digest;
use self::evidence::EvidenceStore;
use self::inhibit::Inhibitions;
use self::own::Own;
use self::remote::Remote;
use self::signatures::Signatures;
use crate::id::{Identity, NodeId};
use crate::profile::{Profile, Timing};
use crate::sign::Crypto;
use crate::sink::{Class, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::consensus as wire;
use crate::wire::v1::{Header, Kind as MessageKind, MESSAGE_BYTES_MAX, Reader, WireError};

/// Ballots a node has open or retained of its own (`ekk` section 2).
pub const OWN_MAX: usize = 4;
/// Ballots of others followed at once.
pub const REMOTE_MAX: usize = 8;
/// Ballots of one proposer followed at once (`ekk:D-22`).
pub const PER_PROPOSER_MAX: usize = 2;
/// Decided ballots of a node that act on it and were not fetched yet.
pub const ACTS_MAX: usize = 4;

/// How this node answers a kind of ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// With this vote.
    Vote(Vote),
    /// The operator says ([`Consensus::vote`]).
    Ask,
}

/// Answers by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policies {
    /// Change of mode.
    pub mode: Policy,
    /// Limit of power.
    pub power_limit: Policy,
    /// Shutdown.
    pub shutdown: Policy,
    /// Reformation.
    pub reformation: Policy,
    /// Quarantine with evidence that was checked; without evidence the operator is asked, whatever stands here.
    pub quarantine: Policy,
    /// End of a quarantine.
    pub rehabilitation: Policy,
    /// A user's own.
    pub custom: Policy,
}

impl Policies {
    /// The seed's: yes to everything.
    pub const YES: Policies = {
        let yes = Policy::Vote(Vote::Yes);
        Policies {
            mode: yes,
            power_limit: yes,
            shutdown: yes,
            reformation: yes,
            quarantine: yes,
            rehabilitation: yes,
            custom: yes,
        }
    };
    /// The product's: what stops or expels somebody, and what only the user understands, is not agreed to by itself.
    pub const CAREFUL: Policies = Policies {
        shutdown: Policy::Vote(Vote::No),
        rehabilitation: Policy::Ask,
        custom: Policy::Ask,
        ..Policies::YES
    };

    const fn of(&self, kind: Kind) -> Policy {
        match kind {
            Kind::Mode => self.mode,
            Kind::PowerLimit => self.power_limit,
            Kind::Shutdown => self.shutdown,
            Kind::Reformation => self.reformation,
            Kind::Quarantine => self.quarantine,
            Kind::Rehabilitation => self.rehabilitation,
            Kind::Custom(_) => self.custom,
        }
    }
}

/// What ballots are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Which rules.
    pub profile: Profile,
    /// Number of the cluster; part of every signature.
    pub cluster_id: u64,
    /// All times.
    pub timing: Timing,
    /// Neighbours that vote on a local ballot at most, beside the proposer.
    pub electorate_max: u8,
    /// Votes below which nothing of scope `local` is approved; never more than the cluster has (`ekk:D-23`).
    pub quorum_min: u8,
    /// Whether a ballot on which not all voted in time is a timeout.
    pub require_all: bool,
    /// How this node answers.
    pub policies: Policies,
    /// Who may vote on ballots of scope `cluster`.
    pub voters: [NodeId; CLUSTER_VOTERS_MAX],
    /// How many of them.
    pub voter_count: u8,
}

impl Rules {
    /// Rules of a profile with nobody in the list of voters. `k` is the number of neighbours wanted.
    #[must_use]
    pub const fn new(profile: Profile, cluster_id: u64, timing: Timing, k: u8) -> Self {
        let (quorum_min, policies) = match profile {
            Profile::Seed => (0, Policies::YES),
            Profile::Product => (k / 2 + 1, Policies::CAREFUL),
        };
        let electorate_max = if k as usize >= LOCAL_VOTERS_MAX { LOCAL_VOTERS_MAX as u8 - 1 } else { k };
        Self {
            profile,
            cluster_id,
            timing,
            electorate_max,
            quorum_min,
            require_all: false,
            policies,
            voters: [NodeId::NONE; CLUSTER_VOTERS_MAX],
            voter_count: 0,
        }
    }

    /// With the voters of scope `cluster`, sorted, each once; what exceeds [`CLUSTER_VOTERS_MAX`] is left out.
    #[must_use]
    pub fn with_voters(mut self, ids: &[NodeId]) -> Self {
        let mut count = 0;
        for &id in ids.iter().filter(|id| id.is_node()) {
            if count < CLUSTER_VOTERS_MAX && !self.voters[..count].contains(&id) {
                self.voters[count] = id;
                count += 1;
            }
        }
        self.voters[..count].sort_unstable();
        self.voter_count = count as u8;
        self
    }

    fn listed(&self) -> &[NodeId] {
        &self.voters[..usize::from(self.voter_count)]
    }
}

/// Why a ballot was not opened. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// As many are open as there are slots; wait for one to end.
    Busy,
    /// Too few may vote.
    NoQuorum {
        /// Who may.
        have: u32,
        /// How many must.
        need: u32,
    },
    /// This node is not in the configured list of voters.
    NotAVoter,
    /// Quarantine and its end are of scope `cluster`.
    LocalOnly,
    /// The value is no node, or this node itself.
    Suspect,
    /// The evidence does not hold.
    Evidence(evidence::Unsound),
    /// No such ballot here, or it is decided.
    Closed,
    /// This node's word is given already; a vote is final.
    Given,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Busy => write!(f, "{OWN_MAX} ballots of this node are open or just decided; wait for one to end"),
            Refused::NoQuorum { have, need } => write!(f, "no quorum: {have} may vote, {need} must"),
            Refused::NotAVoter => f.write_str("this node is not in the configured list of voters (cluster.voters)"),
            Refused::LocalOnly => f.write_str("this kind binds everybody: its scope is cluster"),
            Refused::Suspect => f.write_str("the value has to be the number of another node"),
            Refused::Evidence(why) => write!(f, "the evidence does not hold: {why}"),
            Refused::Closed => f.write_str("no such ballot is open here"),
            Refused::Given => f.write_str("this node has voted; a vote is final"),
        }
    }
}

impl core::error::Error for Refused {}

/// Why a message changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The bytes are no message.
    Wire(WireError),
    /// It speaks for somebody else (`ekk:P20`).
    Identity,
    /// It is about this node's own proposal and comes from itself.
    Echo,
    /// No such ballot here.
    Unknown,
    /// The sender may not vote on it, or not cancel it (`ekk:D-24`).
    NotEligible,
    /// It was heard before.
    Duplicate,
    /// The ballot is decided.
    Late,
    /// The ballot is cancelled.
    Inhibited,
    /// No slot; the proposer was told (`ekk:D-22`).
    Busy,
    /// Another list of voters; the proposer was told.
    OtherElectorate,
    /// A signature does not hold.
    Signature,
    /// A signer's key is not known here yet.
    UnknownKey,
    /// Fewer signed yes votes than the decision claims; more parts may follow.
    Unproven,
    /// The evidence does not hold.
    Evidence,
}

/// What passed, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tallies {
    /// Ballots opened here.
    pub opened: u32,
    /// Ballots of others followed.
    pub followed: u32,
    /// Own ballots approved or rejected.
    pub completed: u32,
    /// Own ballots cancelled.
    pub cancelled: u32,
    /// Own ballots that ended without a decision of the voters.
    pub timed_out: u32,
    /// Followed ballots whose decision was never heard.
    pub unknown: u32,
    /// Answers "busy" sent.
    pub refused_busy: u32,
    /// Approvals that carry no proof because the room for signatures was used up.
    pub unproven: u32,
    /// Voters caught at two different votes.
    pub equivocations: u32,
    /// Decisions to act that were lost because nobody fetched them.
    pub acts_lost: u32,
}

/// A decision that acts on the node; fetch with [`Consensus::take_act`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Act(Option<(Kind, u32)>);

/// All ballots of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consensus {
    rules: Rules,
    me: NodeId,
    boot_inc: u32,
    next_number: u32,
    /// Members the cluster has, as far as known here; bounds the quorum.
    known: u32,
    neighbours: [NodeId; LOCAL_VOTERS_MAX],
    neighbour_count: u8,
    own: [Own; OWN_MAX],
    remote: [Remote; REMOTE_MAX],
    inhibitions: Inhibitions,
    signatures: Signatures,
    evidence: EvidenceStore,
    acts: [Act; ACTS_MAX],
    tallies: Tallies,
}

/// What a step needs beside the machine.
struct Desk<'a, C, S> {
    now: Time,
    me: Identity,
    /// Where decisions of scope `cluster` are passed on to.
    links: &'a [NodeId],
    crypto: &'a mut C,
    sink: &'a mut S,
}

impl<C: Crypto, S: Sink> Desk<'_, C, S> {
    fn header(&self, kind: MessageKind, sequence: u32) -> Header {
        Header { kind, sender: self.me, sequence }
    }

    fn send(&mut self, to: NodeId, written: Result<usize, WireError>, buffer: &[u8; MESSAGE_BYTES_MAX]) {
        // The largest message of this module is below the bound: tests write each at its largest.
        if let Ok(bytes) = written
            && to != self.me.id
        {
            self.sink.send(to, Class::Ballot, &buffer[..bytes]);
        }
    }
}

impl Consensus {
    /// No ballots. `boot_inc` keeps the keys of one boot apart from those of the next.
    #[must_use]
    pub fn new(rules: Rules, me: NodeId, boot_inc: u32) -> Self {
        Self {
            rules,
            me,
            boot_inc,
            next_number: 1,
            known: 1,
            neighbours: [NodeId::NONE; LOCAL_VOTERS_MAX],
            neighbour_count: 0,
            own: core::array::from_fn(|_| Own::default()),
            remote: core::array::from_fn(|_| Remote::default()),
            inhibitions: Inhibitions::default(),
            signatures: Signatures::new(),
            evidence: EvidenceStore::new(),
            acts: [Act(None); ACTS_MAX],
            tallies: Tallies::default(),
        }
    }

    /// Who votes on local ballots opened from now on: nobody twice, not this node, the first `electorate_max`. Open ballots keep
    /// theirs.
    pub fn set_electorate(&mut self, ids: impl Iterator<Item = NodeId>) {
        let mut count = 0;
        for id in ids {
            if count == usize::from(self.rules.electorate_max) {
                break;
            }
            if id.is_node() && id != self.me && !self.neighbours[..count].contains(&id) {
                self.neighbours[count] = id;
                count += 1;
            }
        }
        self.neighbours[count..].fill(NodeId::NONE);
        self.neighbour_count = count as u8;
    }

    /// Who would vote on a local ballot opened now, beside this node.
    #[must_use]
    pub fn electorate(&self) -> &[NodeId] {
        &self.neighbours[..usize::from(self.neighbour_count)]
    }

    /// Members the cluster has, this node included; the least quorum never exceeds it (`decisions:CLU-9`).
    pub fn set_known(&mut self, members: u32) {
        self.known = members.max(1);
    }

    /// What passed.
    #[must_use]
    pub const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The next decided quarantine or rehabilitation, and the node it is about.
    pub fn take_act(&mut self) -> Option<(Kind, NodeId)> {
        let act = self.acts[0].0.take()?;
        self.acts.rotate_left(1);
        Some((act.0, NodeId::from_raw(act.1)))
    }

    fn act(&mut self, proposal: &Proposal, outcome: Outcome) {
        if outcome != Outcome::Approved || !proposal.kind.is_of_a_node() {
            return;
        }
        match self.acts.iter_mut().find(|act| act.0.is_none()) {
            Some(free) => free.0 = Some((proposal.kind, proposal.value)),
            None => self.tallies.acts_lost = self.tallies.acts_lost.saturating_add(1),
        }
    }

    /// One message of the ballot kinds from `header.sender`, whom the link has verified. `links` are the watch links.
    ///
    /// # Errors
    /// [`Ignored`]: why it changed nothing.
    #[expect(clippy::too_many_arguments, reason = "one message with everything it may need; all of one type each")]
    pub fn receive(
        &mut self,
        now: Time,
        me: Identity,
        header: &Header,
        body: Reader<'_>,
        links: &[NodeId],
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) -> Result<(), Ignored> {
        let mut desk = Desk { now, me, links, crypto, sink };
        match header.kind {
            wire::PROPOSAL => self.on_proposal(&mut desk, header, body),
            wire::VOTE => self.on_answer(&mut desk, header, body),
            wire::INHIBIT => self.on_inhibit(&mut desk, header, body),
            wire::DECISION => self.on_decision(&mut desk, header, body),
            wire::ASK_EVIDENCE => self.on_ask_evidence(&mut desk, header, body),
            wire::EVIDENCE => self.on_evidence(&mut desk, header, body),
            other => Err(Ignored::Wire(WireError::Kind(other.0))),
        }
    }

    /// Deadlines, repetitions, slots: phase 5 of a tick.
    pub fn tick(&mut self, now: Time, me: Identity, links: &[NodeId], crypto: &mut impl Crypto, sink: &mut impl Sink) {
        if self.next_due() > now {
            return;
        }
        let mut desk = Desk { now, me, links, crypto, sink };
        self.tick_own(&mut desk);
        self.tick_remote(&mut desk);
    }

    /// When a tick has something to do; [`Time::NEVER`] when nothing is open or retained.
    #[must_use]
    pub fn next_due(&self) -> Time {
        let own = self.own.iter().map(Own::due);
        let remote = self.remote.iter().map(Remote::due);
        own.chain(remote).min().unwrap_or(Time::NEVER)
    }

    /// Moves all deadlines by an own stall (`decisions:CLU-13`).
    pub fn shift(&mut self, gap: Span) {
        self.own.iter_mut().for_each(|own| own.shift(gap));
        self.remote.iter_mut().for_each(|remote| remote.shift(gap));
    }

    /// All ballots that are open or remembered: own first.
    pub fn ballots(&self) -> impl Iterator<Item = BallotView<'_>> {
        let own = self.own.iter().filter(|own| own.phase != Phase::Free).map(|own| own.view(self.me));
        let remote = self.remote.iter().filter(|remote| remote.phase != Phase::Free);
        own.chain(remote.map(|remote| remote.view(&self.rules)))
    }

    /// How a ballot ended; `None` while it is open, [`Outcome::Unknown`] when it is not known here (`ekk:D-27`).
    #[must_use]
    pub fn outcome(&self, key: BallotKey) -> Option<Outcome> {
        let own = self.own.iter().find(|own| own.phase != Phase::Free && own.key == key).map(|own| own.outcome);
        let remote = || self.remote.iter().find(|remote| remote.phase != Phase::Free && remote.key == key);
        own.or_else(|| remote().map(|remote| remote.outcome)).unwrap_or(Some(Outcome::Unknown))
    }

    /// Reads how an own or followed ballot ended and frees its slot.
    pub fn read(&mut self, key: BallotKey) -> Option<Outcome> {
        let outcome = self.outcome(key)?;
        for (slot, own) in self.own.iter_mut().enumerate() {
            if own.key == key && own.step(table::Input::Read) {
                self.signatures.forget(slot as u8);
            }
        }
        for remote in self.remote.iter_mut().filter(|remote| remote.key == key) {
            remote.step(table::Input::Read);
        }
        Some(outcome)
    }

    fn configured(&self) -> u64 {
        electorate_digest(self.rules.listed())
    }

    fn is_seed(&self) -> bool {
        self.rules.profile == Profile::Seed
    }
}
