//! Ballots: proposing, voting by hand, showing (`decisions:CLU-9`). How the node votes by itself is in its configuration.

use std::collections::VecDeque;

use control::api::{Refusal, Reply};
use control::cluster::BallotSnapshot;
use ekk::consensus::{BallotKey, BallotView, Kind, Outcome, OwnVote, Proposal, Refused, Scope, Threshold, Vote};
use ekk::sign::Crypto;
use ekk::time::{Span, Time};

use super::engine::Engine;

/// Decided ballots remembered for the display, beyond what the node keeps.
const HISTORY: usize = 32;

/// Ballots that are decided, newest first, as they stood last.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<BallotSnapshot>);

pub(super) fn result_name(result: u8) -> &'static str {
    match result {
        0 => "open",
        6 => Outcome::Unknown.word(),
        code => Outcome::from_code(code).map_or("unknown", Outcome::word),
    }
}

fn refuse<T>(error: impl ToString) -> Result<T, Refusal> {
    Err(Refusal::new(error.to_string()))
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "mode" => Kind::Mode,
        "power-limit" => Kind::PowerLimit,
        "shutdown" => Kind::Shutdown,
        "reformation" => Kind::Reformation,
        "quarantine" => Kind::Quarantine,
        "rehabilitation" => Kind::Rehabilitation,
        "custom0" => Kind::Custom(0),
        "custom1" => Kind::Custom(1),
        "custom2" => Kind::Custom(2),
        "custom3" => Kind::Custom(3),
        _ => return None,
    })
}

fn threshold_of(word: &str) -> Option<Threshold> {
    match word {
        "more-than-half" => Some(Threshold::MoreThanHalf),
        "two-thirds" => Some(Threshold::TwoThirds),
        "all" => Some(Threshold::All),
        _ => None,
    }
}

/// A kind of ballot as people write it.
fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Mode => "mode".to_owned(),
        Kind::PowerLimit => "power-limit".to_owned(),
        Kind::Shutdown => "shutdown".to_owned(),
        Kind::Reformation => "reformation".to_owned(),
        Kind::Quarantine => "quarantine".to_owned(),
        Kind::Rehabilitation => "rehabilitation".to_owned(),
        Kind::Custom(which) => format!("custom{which}"),
    }
}

fn vote_name(vote: Vote) -> &'static str {
    match vote {
        Vote::Yes => "yes",
        Vote::No => "no",
        Vote::Abstain => "abstain",
    }
}

impl<C: Crypto> Engine<'_, C> {
    pub(super) fn propose(
        &mut self,
        kind: &str,
        value: u32,
        scope: &str,
        threshold: &str,
        now_ns: u64,
    ) -> Result<Reply, Refusal> {
        let Some(what) = kind_of(kind) else {
            return refuse(format!(
                "{kind}: no kind of ballot; expected mode, power-limit, shutdown, reformation, quarantine, \
                 rehabilitation, custom0 to custom3"
            ));
        };
        let scope = match scope {
            "local" => Scope::Local,
            "cluster" => Scope::Cluster,
            other => return refuse(format!("{other}: no scope; expected local or cluster")),
        };
        let Some(threshold) = threshold_of(threshold) else {
            return refuse(format!("{threshold}: no threshold; expected more-than-half, two-thirds or all"));
        };
        let mut proposal = Proposal::new(what, scope, value, threshold);
        proposal.open = Some(Span(self.settings.open_ns));
        // Evidence this node saw itself goes with the proposal; without it the voters' operators are asked.
        if what == Kind::Quarantine
            && let Some(evidence) = self.node.consensus().newest_evidence()
            && evidence.suspect().get() == value
        {
            proposal.evidence = self.node.submit_evidence(&evidence);
        }
        match self.node.propose(Time(now_ns), proposal, &mut self.crypto, &mut self.outbox) {
            Ok(key) => Ok(Reply {
                message: format!("ballot {} is open: {kind} {value}; watch it with: trefoil ballots", key.number),
                count: 0,
            }),
            Err(refused) => refuse(refused),
        }
    }

    pub(super) fn vote(&mut self, proposer: u32, number: u64, vote: &str, now_ns: u64) -> Result<Reply, Refusal> {
        let word = match vote {
            "yes" => Vote::Yes,
            "no" => Vote::No,
            "abstain" => Vote::Abstain,
            other => return refuse(format!("{other}: no vote; expected yes, no or abstain")),
        };
        let named = |view: &BallotView<'_>| view.key.proposer.get() == proposer && u64::from(view.key.number) == number;
        let found = self.node.ballots().filter(named).map(|view| view.key).max();
        let Some(key) = found else { return refuse(Refused::Closed) };
        match self.node.vote(Time(now_ns), key, word, &mut self.crypto, &mut self.outbox) {
            Ok(()) => Ok(Reply { message: format!("voted {vote} on ballot {number} of n{proposer}"), count: 0 }),
            Err(refused) => refuse(refused),
        }
    }

    /// Says that a ballot waits for the operator.
    pub(super) fn answer_ballot(&mut self, proposer: u32, ballot: u32, _now_ns: u64) {
        let asked = self
            .node
            .ballots()
            .any(|view| (view.key.proposer.get(), view.key.number) == (proposer, ballot) && view.own == OwnVote::Ask);
        if asked {
            let name = self.name(proposer);
            let text =
                format!("ballot {ballot} of {name} waits for a vote: trefoil ballots vote {proposer} {ballot} yes|no");
            self.tell.say(crate::runtime::events::Severity::Notice, text);
        }
    }

    /// Open ballots, then decided ones, newest first.
    pub(super) fn ballot_snapshots(&mut self, now_ns: u64) -> Vec<BallotSnapshot> {
        let mut views: Vec<BallotSnapshot> = Vec::new();
        for view in self.node.ballots() {
            views.push(self.ballot_snapshot(&view, now_ns));
        }
        let same = |a: &BallotSnapshot, b: &BallotSnapshot| {
            (a.proposer, a.number, a.opened_unix_ns / 1_000_000_000)
                == (b.proposer, b.number, b.opened_unix_ns / 1_000_000_000)
        };
        let history = &mut self.shown.ballots.0;
        for decided in views.iter().filter(|ballot| ballot.result != "open") {
            history.retain(|old| !same(old, decided));
            history.push_front(decided.clone());
        }
        history.truncate(HISTORY);
        let mut out: Vec<BallotSnapshot> = views.into_iter().filter(|ballot| ballot.result == "open").collect();
        let mut decided: Vec<BallotSnapshot> = history.iter().cloned().collect();
        decided.sort_by_key(|ballot| std::cmp::Reverse(ballot.opened_unix_ns));
        out.extend(decided);
        out
    }

    fn ballot_snapshot(&self, view: &BallotView<'_>, now_ns: u64) -> BallotSnapshot {
        let BallotKey { proposer, number, .. } = view.key;
        let said = |at: usize| match view.votes[at] {
            Some(vote) => vote_name(vote).to_owned(),
            None => match view.own {
                OwnVote::Cast(vote) if view.voters[at] == self.node.identity().id => vote_name(vote).to_owned(),
                _ => "-".to_owned(),
            },
        };
        let votes: Vec<(u32, String)> =
            view.voters.iter().enumerate().map(|(at, voter)| (voter.get(), said(at))).collect();
        let open = view.outcome.is_none();
        let own_vote = match view.own {
            OwnVote::Cast(vote) => vote_name(vote),
            OwnVote::Ask => "ask",
            OwnVote::Waits => "waits for evidence",
            OwnVote::Inhibited => "inhibited",
            OwnVote::NotAVoter => "no voter",
        };
        BallotSnapshot {
            proposer: proposer.get(),
            number: u64::from(number),
            scope: if view.proposal.scope == Scope::Cluster { "cluster" } else { "local" }.to_owned(),
            kind: kind_name(view.proposal.kind),
            about: self.about(view),
            result: view.outcome.map_or("open", Outcome::word).to_owned(),
            why: why(view),
            votes,
            needed: view.needed,
            own_vote: own_vote.to_owned(),
            left_ns: if open { view.deadline.since(Time(now_ns)).0 } else { 0 },
            opened_unix_ns: self.clock.unix_ns(view.opened.0),
        }
    }

    fn about(&self, view: &BallotView<'_>) -> String {
        let value = view.proposal.value;
        match view.proposal.kind {
            Kind::Mode => format!("mode {value}"),
            Kind::PowerLimit => format!("power limit {value} W"),
            Kind::Shutdown => "shutdown".to_owned(),
            Kind::Reformation => "reformation".to_owned(),
            Kind::Quarantine if view.proposal.evidence == 0 => format!("quarantine {}, no evidence", self.name(value)),
            Kind::Quarantine => format!("quarantine {}, with evidence", self.name(value)),
            Kind::Rehabilitation => format!("end the quarantine of {}", self.name(value)),
            Kind::Custom(which) => format!("custom{which} {value}"),
        }
    }
}

/// Why a ballot ended as it did; empty while it is open.
fn why(view: &BallotView<'_>) -> String {
    let ([cast, yes, no], all) = (view.tally, view.voters.len());
    match view.outcome {
        None => String::new(),
        Some(Outcome::Approved) => format!("{yes} of {all} said yes, {} needed", view.needed),
        Some(Outcome::Rejected) => format!("{yes} of {all} said yes, {no} no; {} were needed", view.needed),
        Some(Outcome::Timeout) => "not everybody voted in time".to_owned(),
        Some(Outcome::NoQuorum) => format!("{cast} of {all} voted: too few to decide"),
        Some(Outcome::Cancelled) => "withdrawn, or a competing ballot went first".to_owned(),
        Some(Outcome::Unknown) => "its decision was never heard here".to_owned(),
    }
}
