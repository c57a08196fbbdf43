//! Steps of the bootstrap machine against the `faction` crate: 64 members, the same inputs, interleaved; and what either allocates.

use std::hint::black_box;
use std::time::Instant;

use ekk::bootstrap::{Config, Input, Machine, Signal};
use ekk::id::NodeId;
use faction::command::Command;
use faction::config::Config as TheirConfig;
use faction::faction::Faction;
use faction::no_op_observer::NoOpObserver;
use faction::quorum_policy::QuorumPolicy;
use shm_transport::counting::count;

use crate::measure::{interleave, pin, unpin};
use crate::report::{Bar, Row};

const MEMBERS: u32 = 64;
/// Lives a round; each is a few hundred steps.
const LIVES: u32 = 40;

/// One life of a cluster of 64: all are seen, all but one ready, done, the deadline, then all once more.
fn script() -> Vec<(Input, Command)> {
    let mut script = Vec::new();
    let signal = |peer: u32| Signal::plain(NodeId::from_raw(peer));
    let seen = |peer: u32| (Input::Seen(signal(peer)), Command::ParticipationObserved { peer_id: peer.into() });
    let ready = |peer: u32| (Input::Ready(signal(peer)), Command::ReadyObserved { peer_id: peer.into() });
    script.extend((0..MEMBERS).map(seen));
    script.extend((1..MEMBERS - 1).map(ready));
    script.push((Input::LocalDone, Command::LocalParticipationCompleted));
    script.push((Input::Deadline, Command::DeadlineExpired));
    script.extend((0..MEMBERS).map(seen));
    script.extend((0..MEMBERS).map(ready));
    script
}

fn machine() -> Machine<1> {
    let members: Vec<NodeId> = (0..MEMBERS).map(NodeId::from_raw).collect();
    Machine::new(&Config::seed(members[0], &members, MEMBERS as u16)).expect("64 members").0
}

fn faction() -> Faction {
    let peers = (0..u64::from(MEMBERS)).collect();
    let config = TheirConfig::new(0, peers, QuorumPolicy::new(MEMBERS as usize));
    Faction::new(config, Box::new(NoOpObserver))
}

/// Nanoseconds of a step, and allocations over all steps; making the machine is not counted.
fn lives<M>(make: impl Fn() -> M, mut life: impl FnMut(&mut M), steps: usize) -> (f64, u64) {
    let (mut taken_ns, mut allocations) = (0, 0);
    for _ in 0..LIVES {
        let mut machine = make();
        let start = Instant::now();
        let ((), made) = count(|| life(&mut machine));
        taken_ns += start.elapsed().as_nanos();
        allocations += made;
    }
    (taken_ns as f64 / (steps * LIVES as usize) as f64, allocations)
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    pin(0);
    let script = script();
    let (mut our_allocations, mut their_allocations) = (0, 0);
    let ours = || {
        let life = |machine: &mut Machine<1>| {
            for (input, _) in &script {
                black_box(machine.step(black_box(input)));
            }
        };
        let (ns, allocations) = lives(machine, life, script.len());
        our_allocations += allocations;
        ns
    };
    let theirs = || {
        let life = |machine: &mut Faction| {
            for (_, command) in &script {
                black_box(machine.process(black_box(*command)));
            }
        };
        let (ns, allocations) = lives(faction, life, script.len());
        their_allocations += allocations;
        ns
    };
    let pairs = interleave(9, ours, theirs);
    unpin();
    let faster: Vec<(f64, f64)> = pairs.iter().map(|&(ours, theirs)| (1e9 / ours, 1e9 / theirs)).collect();
    // Each of the nine rounds and the pass before them.
    let steps = f64::from(LIVES * 10) * script.len() as f64;
    vec![
        Row::against("bootstrap steps, 64 members", "/s", &faster, "faction", Bar::AtLeast(10.0))
            .note("the same life of a cluster; the machines are made outside the clock"),
        Row::against("bootstrap step, 64 members", "ns", &pairs, "faction", Bar::None),
        Row::alone(
            "bootstrap allocations of a step",
            "per step",
            vec![our_allocations as f64 / steps],
            Bar::ValueAtMost(0.0),
        )
        .note(format!("counted; faction: {:.1} a step", their_allocations as f64 / steps)),
    ]
}
