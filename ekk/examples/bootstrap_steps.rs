//! Steps of the bootstrap machine and of the `faction` crate side by side, 64 members, the same inputs: nanoseconds a step.
//! `cargo run --release -p trefoil-ekk --example bootstrap_steps`
#![allow(clippy::unwrap_used, reason = "a measurement for people")]

use ekk::bootstrap::{Config, Input, Machine, Signal};
use ekk::id::NodeId;
use faction::command::Command;
use faction::config::Config as TheirConfig;
use faction::faction::Faction;
use faction::no_op_observer::NoOpObserver;
use faction::quorum_policy::QuorumPolicy;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

const N: u32 = 64;

/// One life of a cluster of 64: all are seen, all but one ready, done, all are seen and ready again. 256 inputs.
fn script() -> Vec<(Input, Command)> {
    let mut script = Vec::new();
    let seen = |p: u32| {
        (Input::Seen(Signal::plain(NodeId::from_raw(p))), Command::ParticipationObserved { peer_id: p.into() })
    };
    let ready =
        |p: u32| (Input::Ready(Signal::plain(NodeId::from_raw(p))), Command::ReadyObserved { peer_id: p.into() });
    script.extend((0..N).map(seen));
    script.extend((1..N - 1).map(ready));
    script.push((Input::LocalDone, Command::LocalParticipationCompleted));
    script.push((Input::Deadline, Command::DeadlineExpired));
    script.extend((0..N).map(seen));
    script.extend((0..N).map(ready));
    script
}

fn main() {
    let members: Vec<NodeId> = (0..N).map(NodeId::from_raw).collect();
    let peers: Vec<u64> = (0..u64::from(N)).collect();
    let script = script();
    let mut best = [f64::MAX; 2];
    for _ in 0..200 {
        let (mut ours, _) = Machine::<1>::new(&Config::seed(members[0], &members, N as u16)).unwrap();
        let start = Instant::now();
        for (input, _) in &script {
            black_box(ours.step(black_box(input)));
        }
        best[0] = best[0].min(start.elapsed().as_nanos() as f64);
        let config = TheirConfig::new(0, peers.clone(), QuorumPolicy::new(N as usize));
        let mut theirs = Faction::new(config, Box::new(NoOpObserver));
        let start = Instant::now();
        for (_, command) in &script {
            black_box(theirs.process(black_box(*command)));
        }
        best[1] = best[1].min(start.elapsed().as_nanos() as f64);
    }
    let [ours, theirs] = best.map(|total| total / script.len() as f64);
    let _ = writeln!(std::io::stdout(), "ours {ours:.1} ns, faction {theirs:.1} ns a step: {:.1} times", theirs / ours);
}
