//! How a node answers ballots by itself, from its configuration.

use ekk::consensus::{Policies, Policy, Vote};

use crate::config::cluster::{Answer, Votes};

/// The answers by kind, for [`ekk::node::NodeConfig::policies`]. The end of a quarantine is always the operator's.
#[must_use]
pub fn policies(votes: &Votes) -> Policies {
    let of = |answer| match answer {
        Answer::Yes => Policy::Vote(Vote::Yes),
        Answer::No => Policy::Vote(Vote::No),
        Answer::Ask => Policy::Ask,
    };
    Policies {
        mode: of(votes.mode),
        power_limit: of(votes.power_limit),
        shutdown: of(votes.shutdown),
        reformation: of(votes.reformation),
        quarantine: of(votes.quarantine),
        rehabilitation: Policy::Ask,
        custom: of(votes.custom),
    }
}
