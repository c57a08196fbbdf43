//! Three live threads in a braid: work levels, messages are conserved, what was recorded replays to the same digests.
//!
//! Method: real nodes on a private region, adaptive waiting, counts and states asserted, never times; one generous hang guard.

mod common;

use common::{TempDir, config, guard, tori};

/// A graph all three share, all tokens on A; ten thousand ticks a second, so that nothing spins through the test.
fn skewed(dir: &TempDir, tokens: u32) -> String {
    let torus = |name: &str, load: bool| {
        format!(
            "[[torus]]\nname = \"{name}\"\n[torus.workload]\nkind = \"cycle\"\nnodes = 500\ntokens = {tokens}\nload = {load}\n\
             delay_ticks = 40\npace_ticks_per_s = 2000\n"
        )
    };
    format!(
        "{}[braid]\ntori = 3\ninterval_ticks = 100\nadaptive = false\nfloor_us = 1000\n[braid.tolerance]\nload = 16\n{}{}{}",
        common::head(dir),
        torus("A", true),
        torus("B", false),
        torus("C", false)
    )
}

// rse:B2, rse:B8, decisions:NODE-4, decisions:NODE-7: a skewed load levels to within the tolerance across three live threads,
// and no token is lost or invented on the way (rse:T4, decisions:NODE-8).
#[test]
fn a_skewed_load_levels_across_three_threads() {
    let dir = TempDir::new("levels");
    let mut node = common::start(config(&skewed(&dir, 1500)));
    let handle = node.handle();
    guard("the load levels", || {
        let tori = tori(&handle);
        let pending: Vec<u64> = tori.iter().map(|torus| torus.pending).collect();
        let (most, least) = (pending.iter().max().copied(), pending.iter().min().copied());
        tori.len() == 3 && least > Some(0) && most.zip(least).is_some_and(|(most, least)| most - least <= 16)
    });
    let ended = node.stop();
    assert!(!ended.failed(), "{ended:?}");
    let sum = |of: fn(&torus::Counters) -> u64| ended.tori.iter().map(|torus| of(&torus.counters)).sum::<u64>();
    assert!(ended.tori.iter().all(|torus| torus.counters.conserved()), "{ended:?}");
    let (out, taken) = (sum(|c| c.handed_out), sum(|c| c.handed_in));
    assert!(out >= 900, "two thirds moved: {ended:?}");
    // What is still in a ring is neither pending nor lost; a ring holds at most 1024.
    assert!(out >= taken && out - taken <= 1024);
    assert_eq!(sum(|c| c.pending) + (out - taken), 1500, "tokens are conserved: {ended:?}");
    let texts = common::events(&handle);
    assert!(texts.iter().any(|text| text.contains("A→") && text.contains("handed over")), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("conservation broken")), "{texts:?}");
}

// decisions:NODE-2: everything that entered three braided threads, hand-overs included, replays to the same digests.
#[test]
fn a_recording_of_live_hand_overs_replays_to_the_same_digests() {
    let dir = TempDir::new("record");
    let file = dir.path().join("run.rec");
    let options = agent::runtime::Options { record: Some(file.clone()), ..Default::default() };
    let mut node = agent::runtime::Node::start(config(&skewed(&dir, 900)), options).expect("starts");
    let handle = node.handle();
    guard("work has moved both ways of the braid", || {
        let tori = tori(&handle);
        tori.len() == 3 && tori.iter().map(|torus| torus.handed_in).sum::<u64>() > 300
    });
    common::ask(&handle, r#"{"do":"inject","torus":"B","dst":7,"payload":3,"count":5}"#);
    common::ask(&handle, r#"{"do":"pause","torus":"A"}"#);
    common::ask(&handle, r#"{"do":"step","torus":"A","count":3}"#);
    common::ask(&handle, r#"{"do":"resume","torus":"A"}"#);
    common::ask(&handle, r#"{"do":"interval","torus":"C","ticks":300}"#);
    common::ask(&handle, r#"{"do":"mode","mode":"ring"}"#);
    guard("the injection has arrived", || tori(&handle).iter().any(|torus| torus.name == "B" && torus.injected == 5));
    let ended = node.stop();
    assert!(!ended.failed(), "{ended:?}");
    let replayed = agent::runtime::replay(&file).expect("a whole recording");
    assert!(replayed.equal(), "{replayed:?}");
    for (live, again) in ended.tori.iter().zip(&replayed.tori) {
        assert_eq!(again.outcome.as_ref(), Ok(&live.digest), "{}", live.name);
        assert!(again.inputs > 10, "{again:?}");
    }
    let mut bytes = std::fs::read(&file).expect("the recording");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).expect("the recording can be written");
    let damaged = agent::runtime::replay(&file).expect_err("a flipped bit is found");
    assert!(damaged.to_string().contains("damaged"), "{damaged}");
}
