//! Tests of the braid's bookkeeping: sources, freshness, liveness, constraints.

use super::conserve::Bound;
use super::{Braid, BraidConfig, BraidError, Change, Decision, Kind, Link, Own, PeerState, Verdict};
use crate::projection::native::{Facts, Projection};
use crate::{Counters, FACES, Load, MAX_TORI, Mode};

const MS: u64 = 1_000_000;

/// One torus's braid with peers played by hand: peer i has boot 100 + i.
struct Hand {
    braid: Braid,
    links: [Link; MAX_TORI],
    counters: Counters,
    faces: [u16; FACES],
    beats: [u64; MAX_TORI],
}

impl Hand {
    fn new(config: BraidConfig, me: u8, tori: u8) -> Self {
        let link = |id: usize| Link { boot: 100 + id as u64, credit: 1_000, ..Link::default() };
        Self {
            braid: Braid::new(config, me, 100 + u64::from(me), tori).expect("in range"),
            links: core::array::from_fn(link),
            counters: Counters::default(),
            faces: [0; FACES],
            beats: [0; MAX_TORI],
        }
    }

    fn alive(mut self, peers: &[u8]) -> Self {
        for _ in 0..2 {
            peers.iter().for_each(|&peer| self.beat(peer, 0));
        }
        self
    }

    fn beat(&mut self, peer: u8, now_ns: u64) {
        self.beats[usize::from(peer)] += 1;
        self.braid.heard(peer, 100 + u64::from(peer), self.beats[usize::from(peer)], now_ns);
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            counters: &self.counters,
            faces: &self.faces,
            load: Load { pending: self.counters.pending, ..Load::default() },
            room: 1_000,
            state_digest: 0,
            graph_digest: 1,
            coupled: true,
            cpu_permille: 0,
            health: 0,
        }
    }

    fn decide(&mut self, now_ns: u64) -> Decision {
        let (mut braid, links) = (self.braid.clone(), self.links);
        let decision = braid.decide(&Own { facts: self.facts(), links: &links }, now_ns);
        self.braid = braid;
        decision
    }

    fn project(&mut self, now_ns: u64) -> Projection {
        let mut out = Projection::new(self.braid.me, self.braid.tori, self.braid.boot);
        let (mut braid, links) = (self.braid.clone(), self.links);
        braid.project(&mut out, &Own { facts: self.facts(), links: &links }, now_ns);
        self.braid = braid;
        out
    }
}

fn three() -> Hand {
    Hand::new(BraidConfig::default(), 0, 3).alive(&[1, 2])
}

/// A projection of a peer with nothing wrong in it, `seq` and `round` equal to `at`.
fn from_peer(peer: u8, tori: u8, at: u64) -> Projection {
    let mut hand = Hand::new(BraidConfig::default(), peer, tori);
    let mut out = hand.project(0);
    (out.seq, out.round) = (at, at);
    out.seal();
    out
}

fn changes(decision: &Decision) -> Vec<Change> {
    decision.changes().collect()
}

/// `rse:B5`, `rse:M3`: each (boot, sequence) is taken once; gaps are missed; what a dead boot left is never news.
#[test]
fn a_projection_is_taken_once_for_each_boot_and_sequence_b5() {
    let mut hand = three();
    let see = |hand: &mut Hand, seq| hand.braid.observe(1, &from_peer(1, 3, seq), 0);
    assert_eq!(see(&mut hand, 3), Verdict::Fresh { missed: 0 }, "nothing was missed before the first");
    assert_eq!(see(&mut hand, 3), Verdict::Duplicate);
    assert_eq!(see(&mut hand, 2), Verdict::Stale);
    assert_eq!(see(&mut hand, 4), Verdict::Fresh { missed: 0 });
    assert_eq!(see(&mut hand, 9), Verdict::Fresh { missed: 4 });
    assert_eq!((hand.braid.totals().missed, hand.braid.peers()[1].missed()), (4, 4));

    let mut reborn = from_peer(1, 3, 1);
    reborn.boot = 999;
    reborn.seal();
    assert_eq!(hand.braid.observe(1, &reborn, 0), Verdict::OtherBoot, "only the life line introduces a boot");
    assert_eq!(see(&mut hand, 10), Verdict::Fresh { missed: 0 }, "and the living one goes on");
    hand.braid.heard(1, 999, 1, 0);
    assert_eq!(see(&mut hand, 11), Verdict::OldBoot);
    assert_eq!(hand.braid.observe(1, &reborn, 0), Verdict::Fresh { missed: 0 });
    assert_eq!(hand.braid.observe(1, &reborn, 0), Verdict::Duplicate);
    assert_eq!(hand.braid.observe(2, &from_peer(1, 3, 1), 0), Verdict::Foreign);
    assert_eq!(hand.braid.observe(0, &from_peer(0, 3, 1), 0), Verdict::Foreign);
    assert_eq!(hand.braid.observe(1, &from_peer(1, 4, 1), 0), Verdict::Foreign);
}

/// `rse:M3`: what an earlier boot left in the slot does not shut out the boot whose life line moves.
#[test]
fn a_left_over_projection_does_not_shut_the_living_boot_out_b5() {
    let mut hand = Hand::new(BraidConfig::default(), 0, 3);
    hand.braid.heard(1, 202, 1, 0);
    hand.braid.heard(1, 202, 2, 0);
    assert_eq!(hand.braid.observe(1, &from_peer(1, 3, 7), 0), Verdict::OtherBoot);
    assert_eq!((hand.braid.peers()[1].boot(), hand.braid.peers()[1].state()), (202, PeerState::Alive));
    let mut living = from_peer(1, 3, 1);
    living.boot = 202;
    living.seal();
    assert_eq!(hand.braid.observe(1, &living, 0), Verdict::Fresh { missed: 0 });
}

/// `rse:M3`: a slot with content of a process that is gone proves nothing: only movement does.
#[test]
fn what_does_not_move_is_not_taken_b5() {
    let mut hand = Hand::new(BraidConfig::default(), 0, 3);
    assert_eq!(hand.braid.observe(1, &from_peer(1, 3, 7), 0), Verdict::Unproven);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Absent);
    assert_eq!(hand.braid.observe(1, &from_peer(1, 3, 7), 0), Verdict::Duplicate);
    assert_eq!(hand.braid.observe(1, &from_peer(1, 3, 8), 0), Verdict::Fresh { missed: 0 });
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Alive);
    let mut hand = Hand::new(BraidConfig::default(), 0, 3);
    hand.braid.heard(2, 102, 55, 0);
    hand.braid.heard(2, 102, 55, 9);
    assert!(hand.braid.alone());
    hand.braid.heard(2, 102, 56, 9);
    assert!(!hand.braid.alone());
    assert_eq!(changes(&hand.decide(9)), [Change::Joined { peer: 2, boot: 102 }, Change::Company]);
}

/// `decisions:NODE-6`: a round is one more than the highest round seen, of anybody.
#[test]
fn rounds_are_lamports() {
    let mut hand = three();
    assert_eq!(hand.decide(0).round, 1);
    let source = hand.braid.sources().next().expect("two live peers");
    let mut seen = from_peer(source, 3, 1);
    seen.round = 41;
    seen.seal();
    hand.braid.observe(source, &seen, 0);
    assert_eq!(hand.decide(0).round, 42);
    assert_eq!(hand.project(0).round, 42);
    assert_eq!(hand.decide(0).round, 43);
}

/// `rse:B1`, `decisions:NODE-6`: rotate takes round mod the live tori, skipping the dead; ring takes the live predecessor.
#[test]
fn modes_select_sources_b1() {
    let turn = |hand: &mut Hand| {
        hand.decide(0);
        hand.braid.sources().collect::<Vec<_>>()
    };
    let mut hand = Hand::new(BraidConfig::default(), 0, 4).alive(&[1, 2, 3]);
    let turns: Vec<Vec<u8>> = (0..8).map(|_| turn(&mut hand)).collect();
    assert_eq!(
        turns,
        [vec![2], vec![3], vec![], vec![1], vec![2], vec![3], vec![], vec![1]],
        "own turn: nothing to apply"
    );
    hand.braid.gone(2, 102);
    let turns: Vec<Vec<u8>> = (0..6).map(|_| turn(&mut hand)).collect();
    assert_eq!(turns.iter().filter(|turn| **turn == [2]).count(), 0);
    assert_eq!(turns.iter().filter(|turn| turn.is_empty()).count(), 2);
    hand.braid.set_mode(Mode::Ring);
    assert_eq!(turn(&mut hand), [3]);
    hand.braid.gone(3, 103);
    assert_eq!(turn(&mut hand), [1], "2 and 3 are gone");
    assert_eq!(
        Hand::new(BraidConfig { mode: Mode::Ring, ..BraidConfig::default() }, 2, 3).alive(&[0, 1]).braid.source,
        Some(1)
    );
}

/// `decisions:NODE-6`: when everybody's rounds advance by the number of tori, round mod N alone would always name the same
/// torus; one passed over for two turns comes first.
#[test]
fn no_source_is_starved_b1() {
    let mut hand = three();
    let mut read = [0; 3];
    for _ in 0..60 {
        hand.decide(0);
        hand.braid.highest_seen = hand.braid.round + 2;
        hand.braid.sources().for_each(|source| read[usize::from(source)] += 1);
    }
    assert!(read[1] >= 8 && read[2] >= 8, "{read:?}");
}

/// `decisions:NODE-9`: an exchange is due when the ticks and the floor have passed, or after long idling.
#[test]
fn both_cadences_must_have_passed() {
    let mut braid = Braid::new(BraidConfig::default(), 0, 1, 1).expect("in range");
    assert!(!braid.due(999, 600_000), "999 ticks");
    assert!(!braid.due(5_000, 499_999), "below the floor");
    assert!(braid.due(5_000, 500_000));
    assert!(!braid.due(5_999, 2_000_000) && !braid.due(6_000, 900_000) && braid.due(6_000, 1_000_000));
    assert!(!braid.due(6_000, 10_999_999) && braid.due(6_000, 11 * MS), "idle");
}

fn quiet_for(hand: &mut Hand, from_ms: u64, to_ms: u64, beating: &[u8]) {
    for at in (from_ms..to_ms).step_by(10) {
        beating.iter().for_each(|&peer| hand.beat(peer, at * MS));
        hand.braid.due(0, at * MS);
    }
}

fn accuse(hand: &mut Hand, voter: u8, suspects: u32, seq: u64) {
    let mut vote = from_peer(voter, hand.braid.tori, seq);
    vote.suspects = suspects;
    vote.seal();
    assert!(hand.braid.sources().any(|source| source == voter), "votes are read from every live peer");
    assert!(hand.braid.observe(voter, &vote, 0).is_taken());
}

/// `rse:B5`, `decisions:NODE-9`: suspect after three missed periods, failed when a majority of the live tori says so (2 of 3),
/// known to all by their projections.
#[test]
fn a_dead_peer_fails_by_majority_b5() {
    let mut hand = three();
    quiet_for(&mut hand, 0, 300, &[2]);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Alive);
    quiet_for(&mut hand, 300, 420, &[2]);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Suspect);
    assert_eq!(hand.project(0).suspects, 0b010);
    quiet_for(&mut hand, 420, 2_000, &[2]);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Suspect, "one voice of two is no majority");
    accuse(&mut hand, 2, 0b010, 1);
    quiet_for(&mut hand, 2_000, 2_110, &[2]);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Failed);
    let failed = Change::Failed { peer: 1, boot: 101, votes: 2, voters: 2, unconfirmed: 0 };
    assert!(changes(&hand.decide(0)).contains(&failed));
    let projection = hand.project(0);
    assert_eq!((projection.suspects, projection.failed), (0, 0b010));
    hand.beat(1, 2_200 * MS);
    assert_eq!(changes(&hand.decide(0)), [Change::Recovered { peer: 1 }]);
}

/// `decisions:NODE-9`: five tori, four live: two accusers are no majority, three are.
#[test]
fn half_is_no_majority_b5() {
    let mut hand = Hand::new(BraidConfig::default(), 0, 5).alive(&[1, 2, 3, 4]);
    quiet_for(&mut hand, 0, 500, &[1, 2, 3]);
    accuse(&mut hand, 1, 1 << 4, 1);
    quiet_for(&mut hand, 500, 700, &[1, 2, 3]);
    assert_eq!(hand.braid.peers()[4].state(), PeerState::Suspect);
    accuse(&mut hand, 3, 1 << 4, 1);
    quiet_for(&mut hand, 700, 900, &[1, 2, 3]);
    assert_eq!(hand.braid.peers()[4].state(), PeerState::Failed);
}

/// `decisions:NODE-6`: a projection read for its vote is heard but not applied: the mode alone selects what is applied.
#[test]
fn votes_are_read_but_not_applied_b1() {
    let mut hand = Hand::new(BraidConfig::default(), 0, 4).alive(&[1, 2, 3]);
    quiet_for(&mut hand, 0, 500, &[1, 2]);
    for seq in 1..10 {
        let source = hand.braid.source;
        [1, 2].into_iter().for_each(|voter| accuse(&mut hand, voter, 0, seq));
        assert_eq!(hand.decide(0).applied, source.map_or(0, |source| 1 << source));
    }
    assert_eq!(hand.braid.peers()[3].state(), PeerState::Suspect);
}

/// `decisions:NODE-9`: a lone survivor says so and decides nothing.
#[test]
fn a_lone_survivor_decides_nothing_b5() {
    let mut hand = three();
    quiet_for(&mut hand, 0, 5_000, &[]);
    assert!(hand.braid.peers()[1..].iter().all(|peer| peer.state() == PeerState::Suspect));
    let decision = hand.decide(0);
    assert!(decision.alone && changes(&decision).contains(&Change::Alone));
    assert!(!changes(&decision).iter().any(|change| matches!(change, Change::Failed { .. })));
    assert_eq!(hand.braid.sources().count(), 0);
}

/// `decisions:NODE-9`: if my own loop stalled, nobody is suspected for it; a stall shorter than the deadline is nobody's age
/// either.
#[test]
fn my_own_stall_is_not_their_silence_b5() {
    for stall_ms in [150, 290, 1_000, 60_000] {
        let mut hand = three();
        quiet_for(&mut hand, 0, 250, &[1, 2]);
        let resumed = 250 + stall_ms;
        hand.braid.due(0, resumed * MS);
        quiet_for(&mut hand, resumed, resumed + 200, &[]);
        assert!(hand.braid.peers()[1..].iter().all(|peer| peer.state() == PeerState::Alive), "{stall_ms}");
        quiet_for(&mut hand, resumed + 200, resumed + 500, &[]);
        assert!(hand.braid.peers()[1..].iter().all(|peer| peer.state() == PeerState::Suspect), "{stall_ms}");
    }
}

/// `rse:B5`, `decisions:NODE-8`: a torus that comes back has a new boot id; what the old one never confirmed is lost, once.
#[test]
fn a_returning_peer_is_a_new_boot_b5() {
    let mut hand = three();
    hand.links[1].sent = 40;
    while hand.braid.source != Some(1) {
        hand.decide(0);
    }
    let mut confirmed = from_peer(1, 3, 1);
    confirmed.accounts[0] = crate::projection::native::Account { boot: 100, received: 25, ..Default::default() };
    confirmed.seal();
    assert!(hand.braid.observe(1, &confirmed, 0).is_taken());
    assert_eq!(hand.decide(0).lost, [0; MAX_TORI]);
    hand.braid.gone(1, 101);
    let failed = Change::Failed { peer: 1, boot: 101, votes: 0, voters: 0, unconfirmed: 15 };
    assert_eq!(changes(&hand.decide(0)), [failed]);
    // The owner of the rings may meet the new boot before the braid hears of it.
    hand.links[1] = Link { boot: 777, credit: 1_000, ..Link::default() };
    hand.project(0);
    hand.decide(0);
    hand.braid.heard(1, 777, 1, 0);
    assert_eq!(hand.braid.peers()[1].state(), PeerState::Returning);
    let decision = hand.decide(0);
    assert_eq!(changes(&decision), [Change::Returned { peer: 1, boot: 777, previous: 101 }]);
    assert_eq!((decision.lost[1], decision.lost.iter().sum::<u64>(), hand.braid.totals().lost), (15, 15, 15));
    assert_eq!(hand.decide(0).lost, [0; MAX_TORI]);
    hand.braid.heard(1, 101, 9, 0);
    assert_eq!(hand.braid.peers()[1].boot(), 777, "the old boot's line is not believed");
}

fn applied(hand: &mut Hand, peer: u8, change: impl FnOnce(&mut Projection)) -> Decision {
    while hand.braid.source != Some(peer) {
        hand.decide(0);
    }
    let mut projection = from_peer(peer, hand.braid.tori, hand.braid.peers()[usize::from(peer)].seen_seq + 1);
    projection.round = hand.braid.round;
    change(&mut projection);
    projection.seal();
    assert!(hand.braid.observe(peer, &projection, 0).is_taken());
    hand.decide(0)
}

/// `rse:B4`: each constraint counts once per peer applied, however far it is off; nothing is counted without a projection.
#[test]
fn violations_count_once_per_pair_and_kind_b4() {
    let mut hand = three();
    let calm = applied(&mut hand, 1, |_| ());
    assert_eq!((calm.evaluated, calm.violations), ([1, 0, 0, 1, 1], [0; 5]), "no earlier sample for faces and rates");
    hand.braid.highest_seen = 1_000;
    let far = applied(&mut hand, 1, |projection| {
        projection.load.pending = 1_000_000;
        projection.faces[0] = 30_000;
        projection.faces[1] = 30_000;
        projection.counters.executed = 5;
        projection.round = 1;
    });
    assert_eq!((far.evaluated, far.violations), ([1, 1, 0, 1, 1], [1, 1, 0, 1, 1]));
    assert_eq!((far.face_spread, far.broken.map(|found| found.bound)), (Some(30_000), Some(Bound::Unbalanced)));
    assert_eq!(hand.decide(0).evaluated, [0; 5]);
    assert_eq!(hand.braid.totals().violations, [1, 1, 0, 1, 1]);
}

/// `decisions:NODE-4`, `decisions:NODE-7`: one hand-over, then none until the peer has confirmed it; none to another graph; the
/// decision carries what it was derived from (`decisions:NODE-2`).
#[test]
fn a_hand_over_waits_for_its_echo_b2_b8() {
    let mut hand = three();
    (hand.counters.injected, hand.counters.pending) = (600, 600);
    assert_eq!(applied(&mut hand, 1, |projection| projection.graph_digest = 2).hand_over, None);
    let decision = applied(&mut hand, 1, |_| ());
    let given = decision.hand_over.expect("600 against 0");
    assert_eq!((given.to, given.count, given.difference, given.boot, given.seq), (1, 100, 600, 101, 2));
    assert_eq!(decision.corrections, [1, 0, 0, 0, 0]);
    hand.links[1].sent = 100;
    hand.counters.pending = 500;
    assert_eq!(applied(&mut hand, 1, |_| ()).hand_over, None, "not confirmed");
    let echo = |received| {
        move |projection: &mut Projection| {
            projection.accounts[0] = crate::projection::native::Account { boot: 100, received, ..Default::default() };
            projection.load.pending = received;
            (projection.counters.handed_in, projection.counters.pending) = (received, received);
        }
    };
    assert_eq!(applied(&mut hand, 1, echo(99)).hand_over, None, "99 of 100 confirmed");
    assert_eq!(applied(&mut hand, 1, echo(100)).hand_over.map(|given| given.count), Some(67));
}

/// `rse:B8`: hysteresis of one round: what a peer sent in the last round does not go straight back.
#[test]
fn work_does_not_bounce_b8() {
    let mut hand = three();
    (hand.counters.injected, hand.counters.pending) = (600, 600);
    hand.links[1].received = 4;
    hand.decide(0);
    assert_eq!(applied(&mut hand, 1, |_| ()).hand_over.map(|given| given.to), Some(1), "received before this round");
    let mut hand = three();
    (hand.counters.injected, hand.counters.pending) = (600, 600);
    while hand.braid.source != Some(1) {
        hand.decide(0);
    }
    hand.links[1].received = 4;
    assert_eq!(applied(&mut hand, 1, |_| ()).hand_over, None, "received in this round");
}

/// `rse:B1`: settings out of range are named.
#[test]
fn settings_out_of_range_are_named() {
    let error = |config: BraidConfig, me, boot, tori| match Braid::new(config, me, boot, tori).err() {
        Some(BraidError::Range { key, .. }) => key,
        None => "none",
    };
    let good = BraidConfig::default();
    assert_eq!(error(good, 0, 1, 3), "none");
    assert_eq!([error(good, 3, 1, 3), error(good, 0, 0, 3), error(good, 0, 1, 17)], ["torus id", "boot id", "tori"]);
    let mut steep = good;
    steep.rules[Kind::Load as usize].gain_ppm = 500_001;
    assert_eq!(error(steep, 0, 1, 3), "gain_ppm");
    assert_eq!(error(BraidConfig { window: 65, ..good }, 0, 1, 3), "window");
}
