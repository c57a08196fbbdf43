//! A bias between nodes moves work: the hook through which a node drains, and through which a field between nodes steers
//! hand-over. Two nodes over one region file, with the relay; counts and states asserted, never times.

mod common;

use agent::runtime::NodeHandle;
use common::{TempDir, config, guard, tori};

/// One node of two: its torus, and the region file both share.
fn one(dir: &TempDir, name: &str, id: u32, load: bool) -> String {
    let place = dir.path().join(name);
    format!(
        "[node]\nname = \"{name}\"\nruntime_dir = \"{place}/run\"\nstate_dir = \"{place}/state\"\nwaiting = \"adaptive\"\n\
         [region]\npath = \"{region}\"\npages = \"base\"\n\
         [braid]\ntori = 2\nmode = \"ring\"\ninterval_ticks = 100\nadaptive = false\nfloor_us = 1000\n[braid.tolerance]\nload = 16\n\
         [[torus]]\nname = \"{name}\"\nid = {id}\n[torus.workload]\nkind = \"cycle\"\nnodes = 500\ntokens = 1000\nload = {load}\n\
         delay_ticks = 40\npace_ticks_per_s = 2000\n",
        place = place.display(),
        region = dir.path().join("region").display(),
    )
}

fn pending(handle: &NodeHandle) -> Option<u64> {
    tori(handle).first().map(|torus| torus.pending)
}

// decisions:CLU-19: a node that drains gives all its work away and takes none; when it ends, the work levels again. Nothing is
// lost on the way.
#[test]
fn clu_19_a_draining_node_gives_its_work_away_and_takes_none() {
    let dir = TempDir::new("drain");
    let mut first = common::start(config(&one(&dir, "A", 0, true)));
    let mut second = common::start(config(&one(&dir, "B", 1, false)));
    let (a, b) = (first.handle(), second.handle());
    let level = || pending(&a).zip(pending(&b)).is_some_and(|(a, b)| a.abs_diff(b) <= 32 && a + b > 900);
    guard("the load levels", level);
    a.drain(true);
    guard("A is empty and B has it all", || pending(&a) == Some(0) && pending(&b) == Some(1000));
    // Draining goes on: nothing comes back, although B is far above A.
    let out = || tori(&b).first().map(|torus| torus.handed_out);
    let given = out();
    let rounds = || tori(&b).first().map_or(0, |torus| torus.round);
    let then = rounds();
    guard("B has decided many times since", || rounds() > then + 50);
    assert_eq!((out(), pending(&a)), (given, Some(0)));
    a.drain(false);
    guard("the load levels again", level);
    let (ended_a, ended_b) = (first.stop(), second.stop());
    assert!(!ended_a.failed() && !ended_b.failed(), "{ended_a:?} {ended_b:?}");
    assert!(ended_a.tori[0].counters.conserved() && ended_b.tori[0].counters.conserved());
}

// A smaller bias moves as much as it says: a node that is to take less of the work levels below the other by the bias.
#[test]
fn a_bias_shifts_the_level_by_its_size() {
    let dir = TempDir::new("bias");
    let mut first = common::start(config(&one(&dir, "A", 0, true)));
    let mut second = common::start(config(&one(&dir, "B", 1, false)));
    let (a, b) = (first.handle(), second.handle());
    a.bias_load(400);
    guard("A stands 400 below B", || {
        pending(&a).zip(pending(&b)).is_some_and(|(a, b)| a + b > 900 && b.saturating_sub(a).abs_diff(400) <= 40)
    });
    assert!(!first.stop().failed() && !second.stop().failed());
}
