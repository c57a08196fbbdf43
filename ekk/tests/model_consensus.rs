//! Every order of events of a small electorate, by exhaustive search over the real machine: messages stay in the network, so each
//! may be lost, delivered later, or delivered again; each node's deadline may pass at any moment.
//!
//! Bounded here; `TREFOIL_DEEP=1` (make check-deep) searches larger ones.

use std::collections::{BTreeMap, BTreeSet};

use ekk::consensus::{BallotKey, Consensus, Kind, Outcome, Proposal, Rules, Scope, Threshold};
use ekk::hash::digest;
use ekk::id::{Identity, NodeId};
use ekk::membership::record::MemberRecord;
use ekk::profile::{Preset, Profile, Timing};
use ekk::sign::{Crypto, Signature, Verdict};
use ekk::sink::{Class, Event, Sink};
use ekk::time::Time;
use ekk::wire::v1::Header;
use stateright::{Checker, Model, Property};

struct Keys(NodeId);

fn mac(signer: NodeId, message: &[u8]) -> Signature {
    let mut out = [0; 64];
    out[..8].copy_from_slice(&digest(message).to_le_bytes());
    out[8..12].copy_from_slice(&signer.get().to_le_bytes());
    Signature(out)
}

impl Crypto for Keys {
    fn sign(&mut self, message: &[u8]) -> Signature {
        mac(self.0, message)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        if mac(signer, message) == *signature { Verdict::Good } else { Verdict::Bad }
    }

    fn admit(&mut self, _record: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}

#[derive(Default)]
struct Out {
    sent: Vec<(u32, Vec<u8>)>,
    decided: Vec<(u32, u32, u8)>,
}

impl Sink for Out {
    fn send(&mut self, to: NodeId, _class: Class, bytes: &[u8]) {
        self.sent.push((to.get(), bytes.to_vec()));
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Event::BallotDecided { proposer, ballot, result } = event {
            self.decided.push((proposer.get(), *ballot, *result));
        }
    }
}

/// The electorate and who proposes what in it.
#[derive(Clone)]
struct Election {
    nodes: u32,
    scope: Scope,
    proposers: Vec<u32>,
    threshold: Threshold,
}

/// One moment of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Moment {
    nodes: Vec<Consensus>,
    late: Vec<bool>,
    network: BTreeSet<(u32, u32, Vec<u8>)>,
    /// First outcome each node told, by (node, proposer, ballot); the second value counts different later ones.
    told: BTreeMap<(u32, u32, u32), (u8, u8)>,
    keys: Vec<BallotKey>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Deliver((u32, u32, Vec<u8>)),
    Deadline(u32),
}

fn id(raw: u32) -> NodeId {
    NodeId::new(raw).expect("a node")
}

fn being(raw: u32) -> Identity {
    Identity { id: id(raw), boot_inc: 1, life: 0 }
}

impl Moment {
    fn now(&self, node: u32) -> Time {
        // Long after every deadline, before any retention ends.
        if self.late[node as usize - 1] { Time::from_ms(5_000) } else { Time::ZERO }
    }

    fn take(&mut self, node: u32, out: Out) {
        for (to, bytes) in out.sent {
            self.network.insert((node, to, bytes));
        }
        for (proposer, ballot, result) in out.decided {
            let told = self.told.entry((node, proposer, ballot)).or_insert((result, 0));
            // Unknown is no decision; a real one may come after it.
            if told.0 == Outcome::Unknown.code() {
                told.0 = result;
            } else if told.0 != result {
                told.1 += 1;
            }
        }
    }

    fn outcomes(&self, key: BallotKey) -> impl Iterator<Item = u8> + '_ {
        let of = move |(told, _): &(&(u32, u32, u32), &(u8, u8))| (told.1, told.2) == (key.proposer.get(), key.number);
        self.told.iter().filter(of).map(|(_, (result, _))| *result).filter(|result| *result != Outcome::Unknown.code())
    }
}

impl Model for Election {
    type State = Moment;
    type Action = Step;

    fn init_states(&self) -> Vec<Moment> {
        let all: Vec<NodeId> = (1..=self.nodes).map(id).collect();
        let mut rules = Rules::new(Profile::Product, 1, Timing::preset(Preset::Lan), 7).with_voters(&all);
        rules.quorum_min = 1;
        let machine = |raw: u32| {
            let mut machine = Consensus::new(rules, id(raw), 1);
            machine.set_electorate(all.iter().copied());
            machine.set_known(self.nodes);
            machine
        };
        let mut moment = Moment {
            nodes: (1..=self.nodes).map(machine).collect(),
            late: vec![false; self.nodes as usize],
            network: BTreeSet::new(),
            told: BTreeMap::new(),
            keys: vec![],
        };
        for &proposer in &self.proposers {
            let mut out = Out::default();
            let proposal = Proposal::new(Kind::Mode, self.scope, proposer, self.threshold);
            let node = &mut moment.nodes[proposer as usize - 1];
            let key = node.propose(Time::ZERO, being(proposer), &[], proposal, &mut Keys(id(proposer)), &mut out);
            moment.keys.push(key.expect("a slot is free"));
            moment.take(proposer, out);
        }
        vec![moment]
    }

    fn actions(&self, state: &Moment, actions: &mut Vec<Step>) {
        actions.extend(state.network.iter().cloned().map(Step::Deliver));
        actions.extend((1..=self.nodes).filter(|node| !state.late[*node as usize - 1]).map(Step::Deadline));
    }

    fn next_state(&self, last: &Moment, action: Step) -> Option<Moment> {
        let mut next = last.clone();
        let mut out = Out::default();
        let node = match action {
            Step::Deliver((_, to, bytes)) => {
                let now = next.now(to);
                let (header, body) = Header::decode(&bytes).expect("written by the machine");
                let machine = &mut next.nodes[to as usize - 1];
                let _ = machine.receive(now, being(to), &header, body, &[], &mut Keys(id(to)), &mut out);
                to
            }
            Step::Deadline(node) => {
                next.late[node as usize - 1] = true;
                let now = next.now(node);
                next.nodes[node as usize - 1].tick(now, being(node), &[], &mut Keys(id(node)), &mut out);
                node
            }
        };
        next.take(node, out);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            // ekk:P8: no two nodes hold different outcomes of one key.
            Property::always("agreement", |_, state: &Moment| {
                state.keys.iter().all(|key| {
                    let mut outcomes = state.outcomes(*key);
                    let first = outcomes.next();
                    outcomes.all(|other| Some(other) == first)
                })
            }),
            // ekk:P6: what was told is never told otherwise.
            Property::always("final", |_, state: &Moment| state.told.values().all(|(_, changed)| *changed == 0)),
            // ekk:P8: an approval anywhere means a quorum of real yes votes at the proposer.
            Property::always("validity", |model: &Election, state: &Moment| {
                state.keys.iter().all(|key| {
                    let approved = state.outcomes(*key).any(|result| result == Outcome::Approved.code());
                    let proposer = &state.nodes[key.proposer.get() as usize - 1];
                    let view = proposer.ballots().find(|view| view.key == *key);
                    let yes = view.map_or(0, |view| view.votes.iter().flatten().filter(|v| v.code() == 1).count());
                    !approved || yes as u32 >= model.threshold.needed(model.nodes)
                })
            }),
            // Of ballots that compete at most one is approved.
            Property::always("one winner", |model: &Election, state: &Moment| {
                let approved =
                    |key: &&BallotKey| state.outcomes(**key).any(|result| result == Outcome::Approved.code());
                model.threshold != Threshold::All || state.keys.iter().filter(approved).count() <= 1
            }),
            // ekk:P8: the proposer has decided once its deadline is past.
            Property::always("termination", |_, state: &Moment| {
                state.keys.iter().all(|key| {
                    let late = state.late[key.proposer.get() as usize - 1];
                    !late || state.nodes[key.proposer.get() as usize - 1].outcome(*key).is_some()
                })
            }),
            Property::sometimes("all hear an approval", |model: &Election, state: &Moment| {
                state.keys.iter().any(|key| {
                    state.outcomes(*key).filter(|result| *result == Outcome::Approved.code()).count() as u32
                        == model.nodes
                })
            }),
            Property::sometimes("a follower never hears", |_, state: &Moment| {
                state.told.values().any(|(result, _)| *result == Outcome::Unknown.code())
            }),
        ]
    }
}

fn search(election: Election, least: usize) {
    let checker = election.checker().threads(2).spawn_dfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() >= least, "only {} states", checker.unique_state_count());
}

#[test]
fn one_ballot_of_three_in_every_order() {
    for (scope, threshold) in [(Scope::Local, Threshold::MoreThanHalf), (Scope::Cluster, Threshold::TwoThirds)] {
        search(Election { nodes: 3, scope, proposers: vec![1], threshold }, 100);
    }
}

#[test]
fn two_competing_ballots_in_every_order() {
    search(Election { nodes: 2, scope: Scope::Local, proposers: vec![1, 2], threshold: Threshold::All }, 50);
}

/// `make check-deep`: three nodes, two of which propose; four nodes.
#[test]
fn deeper() {
    if std::env::var_os("TREFOIL_DEEP").is_none() {
        return;
    }
    search(Election { nodes: 3, scope: Scope::Cluster, proposers: vec![1, 2], threshold: Threshold::All }, 10_000);
    search(Election { nodes: 4, scope: Scope::Local, proposers: vec![1], threshold: Threshold::TwoThirds }, 1_000);
}
