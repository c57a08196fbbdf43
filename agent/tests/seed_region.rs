//! A live node whose torus stands in a seed region beside scripted seed nodes (rse-v1-region section 4; `rse:P2`, `rse:M3`,
//! `rse:M4`, `rse:M5`).
//!
//! Method: the scripted nodes are the model of shm-transport's own tests, written from the document, defects included; they
//! work on the same file by a mapping of their own. States and counts are asserted, never times.

mod common;
#[allow(dead_code, reason = "the model serves shm-transport's tests as well")]
#[path = "../../shm-transport/tests/seed_peer/mod.rs"]
mod seed_peer;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use agent::runtime::NodeHandle;
use common::{TempDir, config, guard, tori};
use control::seed::{SeedPeerState, SeedSnapshot};
use seed_peer::{SeedPeer, projection};
use shm_transport::seed_v1::{SeedRegion, Start};

#[global_allocator]
static ALLOCATOR: shm_transport::counting::CountingAllocator = shm_transport::counting::CountingAllocator;

/// First ack word; ack[reader][sender] is 3 * reader + sender further.
const ACKS: usize = 1590;

/// Torus 1 of three, its seed region in `file`.
fn standing(dir: &TempDir, file: &Path) -> String {
    format!(
        "{}seed_v1 = \"{}\"\n[braid]\ntori = 3\ninterval_ticks = 100\nfloor_us = 1000\n[[torus]]\nname = \"B\"\nid = 1\n\
         [torus.workload]\nkind = \"cycle\"\nnodes = 100\ntokens = 50\npace_ticks_per_s = 2000\n",
        common::head(dir),
        file.display()
    )
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("seed")
}

fn seed(handle: &NodeHandle) -> SeedSnapshot {
    guard("the page shows the seed region", || tori(handle).first().is_some_and(|torus| torus.seed.is_some()));
    tori(handle)[0].seed.clone().expect("just seen")
}

fn state(handle: &NodeHandle, id: u32) -> SeedPeerState {
    seed(handle).peers.iter().find(|peer| peer.id == id).expect("both others are shown").state
}

fn told(handle: &NodeHandle, what: &str) -> bool {
    common::events(handle).iter().any(|text| text.contains(what))
}

// rse:P2, rse:M4, decisions:NODE-1, decisions:NODE-14: two seed nodes that boot one after the other complete their exchange
// with ours: acked, received, ours consumed by both; and the torus thread allocates nothing for it.
#[test]
fn a_round_with_two_seed_nodes_is_completed() {
    let dir = TempDir::new("seed-round");
    let mut node = common::start(config(&standing(&dir, &file(&dir))));
    let handle = node.handle();
    let (region, found) = SeedRegion::open(&file(&dir)).expect("the node made it");
    assert_eq!(region.words().len() * 8, 65_536, "the seed's size");
    guard("published at once (rule 4)", || seed(&handle).published > 0);
    assert!(found == Start::Used || found == Start::Blank);
    let counts = || handle.probes().iter().map(|probe| probe.allocations).collect::<Vec<u64>>();
    let before = counts();
    let (mut first, mut second) = (SeedPeer::new(0, projection(0, 1000)), SeedPeer::new(2, projection(2, 3000)));
    guard("the first is taken, and takes ours, before the second boots", || {
        (0..2_000).for_each(|_| first.step(region.words()));
        told(&handle, "received the projection of seed peer A") && told(&handle, "seed peer A consumed ours")
    });
    assert!(!first.is_done() && seed(&handle).rounds == 0, "half a round is none");
    // A seed node copies for milliseconds and polls on: ours is up again by its next pass (rule 5). Here it waits for that, so
    // that a busy test machine does not decide.
    let word = |at: usize| region.words()[at].load(Ordering::SeqCst);
    let ours_is_fresh = || word(530) != word(ACKS + 1);
    let others_done = || word(ACKS + 2) == 1 && word(ACKS + 6) == 1;
    guard("both are acked and have received", || {
        for _ in 0..200 {
            guard("ours is up again", || ours_is_fresh() || others_done());
            first.step(region.words());
            second.step(region.words());
        }
        first.is_done() && second.is_done()
    });
    guard("the round is complete on our side", || seed(&handle).rounds > 0);
    let shown = seed(&handle);
    assert_eq!(shown.delivered, 2, "each projection once: {shown:?}");
    let ack = |sender: usize| region.words()[ACKS + 3 + sender].load(Ordering::SeqCst);
    assert_eq!((ack(0), ack(2)), (1, 1), "exactly what was read is acked");
    assert!(shown.seq != 0 && region.words()[530 + 2].load(Ordering::SeqCst) >> 32 == 1, "the slot stays up");
    guard("it is told", || told(&handle, "seed round complete"));
    guard("rule 8", || state(&handle, 0) == SeedPeerState::Done && told(&handle, "one-shot peer, done"));
    assert_eq!(counts(), before, "allocations of the torus thread");
    assert_eq!((first.invalid(), second.invalid()), (0, 0), "what they read was whole");
    assert!(!node.stop().failed());
}

// rse:M3: ready = 1, seq = 1 and acks = 1 of an earlier run, and nobody there: nothing is received, no round is complete, and
// what then comes alive counts.
#[test]
fn a_left_over_file_is_no_success() {
    let dir = TempDir::new("seed-stale");
    let (region, found) = SeedRegion::open(&file(&dir)).expect("a new file");
    assert_eq!(found, Start::Blank);
    for torus in [0, 1, 2] {
        let mut old = SeedPeer::new(torus, projection(u32::from(torus), 7));
        while old.is_publishing() {
            old.step(region.words());
        }
    }
    region.words()[ACKS..ACKS + 9].iter().for_each(|ack| ack.store(1, Ordering::SeqCst));
    let mut node = common::start(config(&standing(&dir, &file(&dir))));
    let handle = node.handle();
    guard("it is told", || told(&handle, "what an earlier run left") && told(&handle, "holds an earlier exchange"));
    guard("both are stale", || [0, 2].iter().all(|id| state(&handle, *id) == SeedPeerState::Stale));
    let shown = seed(&handle);
    assert_eq!((shown.delivered, shown.rounds), (0, 0), "{shown:?}");
    assert!(shown.seq > 1 && shown.peers.iter().all(|peer| !peer.acked), "old acks confirm nothing: {shown:?}");
    let (mut first, mut second) =
        (SeedPeer::with_seq(0, projection(0, 8), 1), SeedPeer::with_seq(2, projection(2, 8), 1));
    guard("the living complete a round", || {
        for _ in 0..2_000 {
            first.step(region.words());
            second.step(region.words());
        }
        seed(&handle).rounds > 0
    });
    assert_eq!(seed(&handle).delivered, 2);
    assert!(!node.stop().failed());
}

// rse:M5, rse:M7: a projection whose state hash does not hold is looked at again, counted, told, and never acked; a sound one
// in its place is.
#[test]
fn an_invalid_projection_is_not_acked() {
    let dir = TempDir::new("seed-invalid");
    let mut node = common::start(config(&standing(&dir, &file(&dir))));
    let handle = node.handle();
    let (region, _) = SeedRegion::open(&file(&dir)).expect("the node made it");
    let mut broken = projection(2, 5);
    broken[8] ^= 1;
    let mut peer = SeedPeer::new(2, broken);
    while peer.is_publishing() {
        peer.step(region.words());
    }
    guard("it is told", || told(&handle, "does not check out"));
    assert!(seed(&handle).unsound > 1 && state(&handle, 2) == SeedPeerState::Unsound);
    assert_eq!((seed(&handle).delivered, region.words()[ACKS + 3 + 2].load(Ordering::SeqCst)), (0, 0), "never acked");
    let mut sound = SeedPeer::with_seq(2, projection(2, 6), 2);
    while sound.is_publishing() {
        sound.step(region.words());
    }
    guard("the sound one is acked", || region.words()[ACKS + 3 + 2].load(Ordering::SeqCst) == 2);
    guard("and shown", || seed(&handle).delivered == 1);
    assert!(!node.stop().failed());
}
