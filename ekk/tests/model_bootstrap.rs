//! The real bootstrap machine in every order of events (`decisions:CLU-3`): a few nodes, messages that may be lost, late, twice
//! and out of order, and a node that restarts with or without its memory.
//!
//! A delivered message stays in the network, so that duplication is everywhere, and one that is never delivered is a loss.
//! `TREFOIL_DEEP=1` visits more.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use ekk::bootstrap::Over;
use ekk::bootstrap::{Config, Formation, Input, Machine, Output, Policy, Rule, Signal, Stamp, State, Verdict};
use ekk::id::NodeId;
use stateright::{Checker, Model, Property};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Say {
    Ping,
    Ready,
    Notice(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Letter {
    from: u8,
    to: u8,
    inc: u32,
    epoch: u64,
    say: Say,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    nodes: Vec<Machine<1>>,
    letters: BTreeSet<Letter>,
    incs: Vec<u32>,
    records: Vec<Option<Formation>>,
    restarts: u8,
    /// Who finished in which life: what a truthful ready stands on.
    done: BTreeSet<(u8, u32)>,
    broken: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Tell(u8),
    Done(u8),
    Deliver(Letter),
    Restart(u8, bool),
    Deadline(u8),
}

struct Cluster {
    size: u8,
    rule: Rule,
    restarts: u8,
    deadlines: bool,
}

impl Cluster {
    fn ids(&self) -> Vec<NodeId> {
        (1..=u32::from(self.size)).map(NodeId::from_raw).collect()
    }

    fn node(&self, at: u8, boot_inc: u32, record: Option<Formation>) -> Machine<1> {
        let ids = self.ids();
        let policy = Policy { rule: self.rule, over: Over::Genesis };
        let config = Config { boot_inc, record, ..Config::product(ids[usize::from(at)], &ids, policy) };
        Machine::new(&config).unwrap().0
    }

    /// One input of one node, and what a driver would send for its outputs.
    fn feed(&self, world: &mut World, at: u8, input: &Input) {
        let node = &mut world.nodes[usize::from(at)];
        let step = node.step(input);
        if let Verdict::Refused(_) = step.verdict {
            return;
        }
        let outputs = step.outputs;
        for output in outputs.iter() {
            match *output {
                Output::Announce => self.tell(world, at),
                Output::Reassure(peer) | Output::Ahead(peer) | Output::Stale(peer) => self.answer(world, at, peer),
                Output::Formed | Output::Adopted => {
                    world.records[usize::from(at)] = world.nodes[usize::from(at)].view().formation;
                }
                _ => {}
            }
        }
        let node = &world.nodes[usize::from(at)];
        if node.waiting().next().is_none() != (node.state() == State::Formed) {
            world.broken = Some("waiting is empty exactly when formed");
        }
        for &peer in node.view().ready.iter().filter(|_| node.state() != State::Formed) {
            let who = (peer.get() - 1) as u8;
            let inc =
                if who == at { Some(world.incs[usize::from(at)]) } else { node.peer_now(peer).and_then(|now| now.2) };
            if !inc.is_some_and(|inc| world.done.contains(&(who, inc))) {
                world.broken = Some("a counted ready was said in the highest life heard of");
            }
        }
        world.nodes[usize::from(at)] = world.nodes[usize::from(at)].clone().without_history();
    }

    fn letter(&self, world: &World, from: u8, to: u8, say: Say) -> Letter {
        let stamp = world.nodes[usize::from(from)].stamp();
        Letter { from, to, inc: stamp.boot_inc, epoch: stamp.epoch, say }
    }

    fn tell(&self, world: &mut World, at: u8) {
        let view = world.nodes[usize::from(at)].view();
        let say = if view.local_done { Say::Ready } else { Say::Ping };
        for to in (0..self.size).filter(|&to| to != at) {
            let letter = self.letter(world, at, to, say);
            world.letters.insert(letter);
        }
    }

    fn answer(&self, world: &mut World, at: u8, peer: NodeId) {
        let view = world.nodes[usize::from(at)].view();
        let say = match view.formation {
            Some(formation) => Say::Notice(formation.epoch),
            None if view.local_done => Say::Ready,
            None => return,
        };
        let letter = self.letter(world, at, (peer.get() - 1) as u8, say);
        world.letters.insert(letter);
    }

    fn deliver(&self, world: &mut World, letter: Letter) {
        let from = NodeId::from_raw(u32::from(letter.from) + 1);
        let stamp = Stamp { boot_inc: letter.inc, epoch: letter.epoch, ..world.nodes[0].stamp() };
        let signal = Signal::stamped(from, stamp);
        match letter.say {
            Say::Ping => self.feed(world, letter.to, &Input::Seen(signal)),
            Say::Ready => {
                self.feed(world, letter.to, &Input::Ready(signal));
                // One that is not formed asks with its readiness.
                self.feed(world, letter.to, &Input::Seen(signal));
            }
            Say::Notice(epoch) => {
                let formation = Formation { cluster_id: stamp.cluster_id, epoch, digest: stamp.digest() };
                self.feed(world, letter.to, &Input::Notice(signal, formation));
            }
        }
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let size = usize::from(self.size);
        vec![World {
            nodes: (0..self.size).map(|at| self.node(at, 1, None)).collect(),
            letters: BTreeSet::new(),
            incs: vec![1; size],
            records: vec![None; size],
            restarts: self.restarts,
            done: BTreeSet::new(),
            broken: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        for at in 0..self.size {
            let view = world.nodes[usize::from(at)].view();
            if !view.concluded() {
                acts.push(Act::Tell(at));
            }
            if !view.local_done {
                acts.push(Act::Done(at));
            }
            if self.deadlines && !view.late && !view.concluded() {
                acts.push(Act::Deadline(at));
            }
            if world.restarts > 0 {
                acts.push(Act::Restart(at, true));
                acts.push(Act::Restart(at, false));
            }
        }
        acts.extend(world.letters.iter().map(|&letter| Act::Deliver(letter)));
    }

    fn next_state(&self, last: &World, act: Act) -> Option<World> {
        let mut world = last.clone();
        match act {
            Act::Tell(at) => self.tell(&mut world, at),
            Act::Done(at) => {
                world.done.insert((at, world.incs[usize::from(at)]));
                self.feed(&mut world, at, &Input::LocalDone);
            }
            Act::Deliver(letter) => self.deliver(&mut world, letter),
            Act::Deadline(at) => self.feed(&mut world, at, &Input::Deadline),
            Act::Restart(at, keeps) => {
                let slot = usize::from(at);
                world.restarts -= 1;
                world.incs[slot] += 1;
                world.records[slot] = world.records[slot].filter(|_| keeps);
                world.nodes[slot] = self.node(at, world.incs[slot], world.records[slot]);
            }
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("bootstrap:E5 one formation an epoch", |_, world: &World| {
                let formed: Vec<_> = world.nodes.iter().filter_map(|node| node.view().formation).collect();
                formed.iter().all(|a| formed.iter().all(|b| a.epoch != b.epoch || a.id() == b.id()))
            }),
            Property::always(
                "bootstrap:P4 formed by the own quorum only when done and enough are ready",
                |_, world: &World| {
                    world.nodes.iter().map(Machine::view).all(|view| {
                        !view.concluded() || view.adopted || view.local_done && view.ready.len() >= view.quorum
                    })
                },
            ),
            Property::always("bootstrap:C2 quorums of one epoch share a node", |_, world: &World| {
                let views: Vec<_> = world.nodes.iter().map(Machine::view).collect();
                let formed: Vec<_> = views.iter().filter(|view| view.concluded() && !view.adopted).collect();
                formed.iter().all(|a| formed.iter().all(|b| a.ready.iter().any(|id| b.ready.contains(id))))
            }),
            Property::always("bootstrap:E1, bootstrap:E2 reasons and truthful readies", |_, world: &World| {
                world.broken.is_none()
            }),
            Property::always("somebody formed by its own quorum before anybody adopted", |_, world: &World| {
                world.incs.iter().any(|&inc| inc > 1)
                    || !world.nodes.iter().any(|node| node.view().adopted)
                    || world.nodes.iter().any(|node| node.view().concluded() && !node.view().adopted)
            }),
            Property::sometimes("all formed", |_, world: &World| {
                world.nodes.iter().all(|node| node.view().concluded())
            }),
            Property::sometimes("adopted", |_, world: &World| world.nodes.iter().any(|node| node.view().adopted)),
            Property::sometimes("formed again after a restart", |model: &Cluster, world: &World| {
                world.restarts < model.restarts && world.nodes.iter().all(|node| node.view().concluded())
                    || model.restarts == 0
            }),
            Property::sometimes("a second epoch formed", |model: &Cluster, world: &World| {
                model.restarts == 0
                    || world
                        .nodes
                        .iter()
                        .any(|node| node.view().formation.is_some_and(|formation| formation.epoch == 2))
            }),
        ]
    }
}

/// Checks all states, or as many as `most`; says how many were visited.
fn check(cluster: Cluster, most: Option<usize>) -> usize {
    let builder = cluster.checker().threads(2);
    let builder = match most {
        Some(most) => builder.target_state_count(most),
        None => builder,
    };
    let checker = builder.spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

fn deep() -> bool {
    std::env::var_os("TREFOIL_DEEP").is_some_and(|value| value == "1")
}

/// All states of two nodes that need each other, one of which restarts once, with or without its record, at any moment.
#[test]
fn two_nodes_and_a_restart_exhaustively() {
    let visited = check(Cluster { size: 2, rule: Rule::All, restarts: 1, deadlines: true }, None);
    assert!(visited > 1_000, "{visited} states are too few to be the whole space");
}

/// Three nodes of which two are enough: all states without a restart.
#[test]
fn three_nodes_and_a_majority() {
    let most = if deep() { None } else { Some(150_000) };
    let visited = check(Cluster { size: 3, rule: Rule::Majority, restarts: 0, deadlines: false }, most);
    assert!(visited > 10_000, "{visited} states are too few");
}

/// Three nodes and a restart: deep only.
#[test]
fn three_nodes_and_a_restart_deep() {
    if deep() {
        check(Cluster { size: 3, rule: Rule::Majority, restarts: 1, deadlines: false }, Some(20_000_000));
        check(Cluster { size: 2, rule: Rule::All, restarts: 2, deadlines: false }, None);
    }
}
