//! The same seed gives the same run (`ekk:P22`, `decisions:CLU-15`), and another seed another one.

mod common;

use common::run;

#[test]
fn the_same_seed_gives_the_same_state() {
    for name in ["burst", "churn", "byzantine"] {
        let hash = |seed| run(name, 30, seed).state_hash;
        let first = hash(5);
        assert_eq!(first, hash(5), "{name}");
        assert_ne!(first, hash(6), "{name}");
    }
}

/// foca is as repeatable in here as our own nodes: what is compared is compared on the same terms.
#[test]
fn the_peer_repeats_itself_too() {
    let scenario = common::scenario("loss10");
    let run = |seed| {
        let options = sim::run::Options { nodes: Some(40), seed, until_ns: None };
        sim::run::foca(&scenario, &options, 1.0, &mut |_| true).expect("started").state_hash
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
