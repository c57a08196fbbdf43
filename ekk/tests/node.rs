//! A node as a whole: real nodes that exchange only messages (`ekk` sections 8, 12, 13).
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod node_support;

use ekk::fixed::Q16;
use ekk::hash::Digest;
use ekk::node::{Drop, Health, Outcome, State};
use ekk::time::{Span, Time};
use ekk::wire::v1::field::{FIELD_BYTES_MAX, encode_bare, encode_subscribe};
use ekk::wire::v1::{Header, Kind};
use node_support::{Digests, Kept, Net, id, node, record};

const IDS: [u32; 7] = [1, 2, 3, 4, 5, 6, 7];

/// ekk:P23 ekk:D-05 ekk:D-30: two nodes that exchange only messages converge to gradient = other - own.
#[test]
fn two_nodes_converge_to_the_difference() {
    let mut net = Net::warm(1, &[1, 2]);
    net.node(1).set_component(0, Q16(10_000));
    net.node(2).set_component(0, Q16(50_000));
    net.run(Span::from_ms(500));
    assert_eq!(net.gradient(1, 0), Some(Q16(40_000)));
    assert_eq!(net.gradient(2, 0), Some(Q16(-40_000)));
    let now = net.now;
    let health: Vec<Health> = net.node(1).neighbours(now).map(|view| view.health).collect();
    assert_eq!(health, [Health::Alive]);
    assert_eq!(net.state(1), State::Active, "a cluster of two is whole with one neighbour (ekk:D-37)");
    assert_eq!(
        net.node(1).neighbours(now).next().unwrap().its_neighbours[0],
        id(1),
        "its neighbours travel for drawing"
    );
}

/// ekk:P23: a mesh of seven survives the death of one: elected anew in time, nobody else lost, also under loss.
#[test]
fn a_mesh_of_seven_survives_a_death() {
    let mut net = Net::warm(2, &IDS);
    net.loss = 50;
    net.run(Span::from_ms(1_000));
    for raw in IDS {
        assert_eq!(net.state(raw), State::Active, "node {raw}");
        assert_eq!(net.node(raw).neighbours(Time::ZERO).count(), 6);
    }
    net.get(4).up = false;
    // Neighbours are judged by fields, each two periods of 10 ms: seven of them, and two ticks.
    let mut seen_reforming = 0;
    for _ in 0..7 * 20 + 2 * 10 + 60 {
        net.run(Span::from_ms(1));
        seen_reforming += u32::from(net.state(3) == State::Reforming);
    }
    assert!(seen_reforming > 0, "REFORMING is held between ticks (ekk:D-36)");
    for raw in IDS.into_iter().filter(|&raw| raw != 4) {
        let near: Vec<u32> = net.node(raw).neighbours(Time::ZERO).map(|view| view.id.get()).collect();
        assert_eq!(near.len(), 5, "node {raw} sees {near:?}");
        assert!(!near.contains(&4));
        assert!(net.get(raw).kept.states.contains(&(2, 5)), "REFORMING was entered and told (ekk:D-36)");
    }
    net.run(Span::from_ms(1_000));
    for raw in IDS.into_iter().filter(|&raw| raw != 4) {
        assert_eq!(net.state(raw), State::Active);
        assert_eq!(net.node(raw).neighbours(Time::ZERO).filter(|view| view.health == Health::Alive).count(), 5);
    }
}

/// ekk:N18 ekk:D-06: nobody to ask is no signal, not a slope of minus own.
#[test]
fn a_lone_node_has_no_signal() {
    let mut net = Net::warm(3, &[1]);
    net.node(1).set_component(0, Q16(30_000));
    net.run(Span::from_ms(300));
    assert_eq!(net.node(1).gradients(), &[None; 6]);
    assert!(net.get(1).outcomes.iter().all(|&outcome| outcome == Outcome::Ok));
}

/// ekk:D-37: a node that finds nobody says so after its time for looking; it does not look for ever.
#[test]
fn a_lone_node_becomes_isolated_at_last() {
    let mut net = Net::warm(4, &[1]);
    net.run(Span::from_ms(900));
    assert_eq!(net.state(1), State::Discovering);
    net.run(Span::from_ms(200));
    assert_eq!(net.state(1), State::Isolated);
}

/// ekk:D-33 ekk:P16: a failed transport is reported, and the tick does all its work; counters add up.
#[test]
fn a_failed_transport_suspends_nothing() {
    let mut net = Net::warm(5, &[1, 2]);
    net.run(Span::from_ms(100));
    let (ticks, published) = (net.node(1).counters().ticks, net.node(1).counters().publish_ok);
    net.node(1).receive_failed();
    let now = net.now;
    assert_eq!(net.tick(1), Outcome::Hard);
    let counters = *net.node(1).counters();
    assert_eq!((counters.ticks, counters.publish_ok, counters.ticks_hard), (ticks + 1, published + 1, 1));
    assert_eq!(net.node(1).last_tick(), now);
    assert_eq!(net.node(1).drops().of(Drop::Transport), 1);
    assert_eq!(net.tick(1), Outcome::Ok, "the report is made once");
}

/// ekk:V13 ekk:P16: a field that cannot be stamped makes the tick degraded; all phases ran, last_tick is kept up.
#[test]
fn a_field_that_cannot_be_stamped_degrades_the_tick() {
    let mut net = Net::warm(6, &[8]);
    net.run(Span::from_ms(25));
    let ok = *net.node(8).counters();
    net.now = Time::from_ms(1_000);
    assert_eq!(net.tick(8), Outcome::Degraded);
    let counters = *net.node(8).counters();
    assert_eq!(counters.ticks_degraded, ok.ticks_degraded + 1);
    assert_eq!((counters.ticks_hard, counters.publish_failed, counters.publish_ok), (0, 1, ok.publish_ok));
    assert_eq!(net.node(8).last_tick(), Time::from_ms(1_000));
}

/// ekk:V12: the own field is stamped with the time of the tick.
#[test]
fn the_own_field_is_stamped_with_the_tick() {
    let mut net = Net::new(7);
    net.now = Time::from_us(1_234);
    net.add(node(8, &[8]));
    net.now = Time::from_us(5_000);
    assert_eq!(net.tick(8), Outcome::Ok);
    assert_eq!(net.node(8).published_at(), Some(Time::from_us(5_000)));
    assert_eq!(net.node(8).last_tick(), Time::from_us(5_000));
    assert_eq!(net.node(8).counters().publish_ok, 1);
}

/// ekk:P20: a message whose sender is not the verified one changes nothing but a counter.
#[test]
fn a_false_sender_changes_nothing() {
    let mut net = Net::warm(8, &[1, 2, 3]);
    net.run(Span::from_ms(200));
    let (now, before) = (net.now, net.node(1).clone());
    let mut buffer = [0; FIELD_BYTES_MAX];
    let identity = record(2, [0; 3]).identity;
    let bytes = encode_subscribe(identity, 77, 500, &mut buffer).unwrap();
    let member = net.get(1);
    let refused = member.node.receive(now, id(3), bytes, &mut Digests(1), &mut member.kept);
    assert_eq!(refused, Err(Drop::SenderMismatch));
    assert_eq!(member.node.drops().of(Drop::SenderMismatch), 1);
    assert_eq!(member.node.drops().total(), before.drops().total() + 1);
    let mut expected = before;
    expected.receive(now, id(3), bytes, &mut Digests(1), &mut Kept::default()).unwrap_err();
    assert_eq!(member.node, expected);
    assert!(member.node.gradients() == expected.gradients() && member.node.fields() == expected.fields());
}

/// ekk:D-40: over the budget of a tick, fields give way first and are counted; the next tick brings a new budget.
#[test]
fn the_inbox_has_a_budget_and_an_order() {
    let mut config = node_support::config(&[1]);
    config.inbox_per_tick = 8;
    let mut net = Net::new(9);
    net.add(ekk::node::Node::new(config, record(1, [0; 3]), 1).unwrap());
    let now = net.now;
    let mut buffer = [0; FIELD_BYTES_MAX];
    let mut taken = |net: &mut Net, kind: Kind| {
        let member = net.get(1);
        let mut taken = 0;
        for raw in 10..60 {
            let bytes = encode_bare(kind, record(raw, [0; 3]).identity, raw, &mut buffer).unwrap();
            let said = member.node.receive(now, id(raw), bytes, &mut Digests(1), &mut member.kept);
            taken += u32::from(said != Err(Drop::Budget));
        }
        taken
    };
    assert_eq!(taken(&mut net, Kind::SHUTDOWN), 4, "fields get half of the budget");
    assert_eq!(taken(&mut net, Kind::BALLOT), 2, "ballots get three quarters");
    assert_eq!(taken(&mut net, Kind::MEMBERSHIP), 2, "membership gets the rest");
    assert_eq!(taken(&mut net, Kind::HEARTBEAT), 32, "heartbeats have their own");
    let over = 46 + 48 + 48 + 18;
    assert_eq!(net.node(1).counters().over_budget, over);
    assert_eq!(net.node(1).drops().of(Drop::Budget), over);
    net.tick(1);
    assert_eq!(taken(&mut net, Kind::SHUTDOWN), 4);
}

/// ekk:P22: the same start and the same inputs give the same state, bit for bit; another seed of the network another one.
#[test]
fn a_run_is_a_function_of_its_inputs() {
    let run = |seed: u64| {
        let mut net = Net::warm(seed, &IDS);
        net.loss = 100;
        net.node(3).set_component(1, Q16(777));
        net.run(Span::from_ms(700));
        net.get(5).up = false;
        net.run(Span::from_ms(700));
        let digests: Vec<u64> = net.members.values().map(|member| Digest::of(&member.node)).collect();
        (digests, net.delivered)
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}

/// A stopped node tells its neighbours, does nothing, and may start again; every change of state is told.
#[test]
fn a_node_stops_and_starts_again() {
    let mut net = Net::warm(13, &[1, 2, 3]);
    net.run(Span::from_ms(300));
    let now = net.now;
    let member = net.get(2);
    member.node.stop(now, &mut member.kept);
    assert_eq!(member.kept.states.last(), Some(&(2, 6)));
    let told: Vec<u32> = member
        .kept
        .sent
        .drain(..)
        .map(|(to, _, bytes)| {
            assert_eq!(Header::decode(&bytes).unwrap().0.kind, Kind::SHUTDOWN);
            to.get()
        })
        .collect();
    assert_eq!(told, [1, 3]);
    assert_eq!(member.node.next_tick(), Time::NEVER);
    let before = member.node.clone();
    assert_eq!(net.tick(2), Outcome::Ok);
    assert_eq!(*net.node(2), before, "a stopped node counts nothing");
    let mut buffer = [0; FIELD_BYTES_MAX];
    let bytes = encode_subscribe(record(1, [0; 3]).identity, 1, 500, &mut buffer).unwrap();
    let member = net.get(2);
    assert_eq!(member.node.receive(now, id(1), bytes, &mut Digests(2), &mut member.kept), Err(Drop::NotRunning));
    member.node.start(now, &mut member.kept);
    assert_eq!(member.kept.states.last(), Some(&(6, 1)));
    net.run(Span::from_ms(300));
    assert_eq!(net.state(2), State::Active);
}

/// decisions:CLU-13: after a stall of our own nobody is late and no lease has ended.
#[test]
fn an_own_stall_blames_nobody() {
    let mut net = Net::warm(14, &[1, 2, 3]);
    net.run(Span::from_ms(500));
    net.now = net.now.after(Span::from_ms(700));
    let (now, mut kept) = (net.now, Kept::default());
    let member = net.get(1);
    member.node.tick(now, &mut member.crypto, &mut kept);
    let fields = kept.sent.iter().filter(|(_, _, bytes)| bytes[1] == Kind::FIELD.0).count();
    assert_eq!(fields, 2, "the leases of both stand");
    assert_eq!(net.node(1).counters().stalls, 1);
    assert_eq!(net.node(1).neighbours(Time::ZERO).filter(|view| view.health == Health::Alive).count(), 2);
    assert_eq!(net.state(1), State::Active);
}

/// decisions:CLU-19: a draining node says that it is full, with a flag, and its neighbours feel it.
#[test]
fn a_draining_node_says_no() {
    let mut net = Net::warm(15, &[1, 2]);
    net.node(2).drain(true);
    net.run(Span::from_ms(300));
    assert_eq!(net.gradient(1, 0), Some(Q16::ONE));
    let now = net.now;
    assert!(net.node(1).neighbours(now).next().unwrap().draining);
    net.node(2).drain(false);
    net.run(Span::from_ms(300));
    assert_eq!(net.gradient(1, 0), Some(Q16::ZERO));
}

/// ekk:D-26: a quarantined neighbour is dropped from the election, its messages are refused, and lifting it lets it return.
#[test]
fn a_quarantined_node_is_not_heard() {
    let mut net = Net::warm(16, &[1, 2, 3]);
    net.run(Span::from_ms(300));
    let now = net.now;
    let member = net.get(1);
    assert!(member.node.quarantine(now, id(2), &mut member.crypto, &mut member.kept));
    net.run(Span::from_ms(300));
    assert_eq!(net.node(1).neighbours(Time::ZERO).map(|view| view.id).collect::<Vec<_>>(), [id(3)]);
    assert!(net.node(1).drops().of(Drop::Quarantined) > 0);
    assert!(net.node(1).lift(id(2)));
    let now = net.now;
    net.node(1).offer(now, &record(2, [2, 0, 0])).unwrap();
    net.run(Span::from_ms(300));
    assert_eq!(net.node(1).neighbours(Time::ZERO).count(), 2);
}

/// decisions:CLU-3: what is left without membership, ballots and bootstrap stays within 16 KiB, with the latter two within 32, and
/// ten thousand small nodes within 700 MB.
#[test]
fn a_node_is_small() {
    let parts = ekk::node::footprint();
    let of = |name: &str| parts.iter().find(|(part, _)| *part == name).map(|&(_, bytes)| bytes).unwrap();
    let core = of("node") - of("membership");
    assert!(core <= 32 * 1_024, "core of {core} B: {parts:?}");
    assert!(core - of("ballots") - of("bootstrap") <= 16 * 1_024, "{parts:?}");
    assert!(of("small node") <= 68 * 1_024, "{parts:?}");
}

/// ekk:D-30: sixteen are sent the field, the seventeenth is refused and counted; a lease that is not renewed ends.
#[test]
fn the_field_is_sent_to_sixteen() {
    let mut net = Net::new(20);
    net.add(node(1, &[1]));
    net.run(Span::from_ms(20));
    let now = net.now;
    let mut buffer = [0; FIELD_BYTES_MAX];
    let member = net.get(1);
    member.kept.sent.clear();
    for raw in 2..=18 {
        let bytes = encode_subscribe(record(raw, [0; 3]).identity, 1, 100, &mut buffer).unwrap();
        let said = member.node.receive(now, id(raw), bytes, &mut Digests(1), &mut member.kept);
        assert_eq!(said, if raw == 18 { Err(Drop::Full) } else { Ok(()) });
    }
    assert_eq!(member.kept.sent.drain(..).count(), 16, "a new lease is answered at once");
    let sent = |net: &mut Net, ms: u64| {
        let before = net.delivered_to_nobody;
        net.run(Span::from_ms(ms));
        net.delivered_to_nobody - before
    };
    assert_eq!(sent(&mut net, 45), 32, "two fields to sixteen");
    sent(&mut net, 80);
    assert_eq!(sent(&mut net, 200), 0, "the leases have ended");
}

/// ekk:P9: by round-trip time the measured ones come first, whatever the positions say; samples are smoothed.
#[test]
fn neighbours_can_be_elected_by_round_trip() {
    let mut config = node_support::config(&[1]);
    (config.metric, config.k, config.neighbours_min) = (ekk::topology::Metric::Rtt, 2, 1);
    let mut net = Net::new(21);
    net.add(ekk::node::Node::new(config, record(1, [0; 3]), 1).unwrap());
    let now = net.now;
    for raw in 2..=5 {
        net.node(1).offer(now, &record(raw, [raw as i16; 3])).unwrap();
        net.node(1).rtt_sample(now, id(raw), Span::from_us(1_000 * u64::from(10 - raw)));
    }
    let near = |net: &mut Net| {
        net.node(1).neighbours(Time::ZERO).map(|view| (view.id.get(), view.distance)).collect::<Vec<_>>()
    };
    net.tick(1);
    assert_eq!(near(&mut net), [(3, 7_000), (2, 8_000)], "the first ones stay for their residence");
    // They are silent (nobody is there), so the nearest by round trip take their places.
    net.run(Span::from_ms(300));
    assert_eq!(near(&mut net), [(5, 5_000), (4, 6_000)]);
    net.node(1).rtt_sample(now, id(5), Span::from_us(5_800));
    assert_eq!(near(&mut net), [(5, 5_100), (4, 6_000)], "an eighth of the new sample");
    net.run(Span::from_ms(300));
    assert_eq!(near(&mut net), [], "these were silent, too");
    let offer = |net: &mut Net| {
        let now = net.now;
        net.node(1).offer(now, &record(2, [2; 3])).unwrap();
        net.run(Span::from_ms(20));
    };
    offer(&mut net);
    assert_eq!(near(&mut net), [], "who was silent is away for a while");
    net.run(Span::from_ms(800));
    offer(&mut net);
    assert_eq!(near(&mut net).len(), 1);
}

/// ekk:D-13: who is silent gives way to another candidate, and is not elected again before its time.
#[test]
fn a_silent_neighbour_gives_way() {
    let mut net = Net::warm(22, &[1, 2, 3]);
    let mut config = node_support::config(&[1, 2, 3]);
    (config.k, config.neighbours_min) = (2, 1);
    net.members.remove(&1);
    net.add(ekk::node::Node::new(config, record(1, [1, 0, 0]), 1).unwrap());
    net.node(1).set_known(3);
    let now = net.now;
    for raw in [2, 3] {
        net.node(1).offer(now, &record(raw, [raw as i16, 0, 0])).unwrap();
    }
    net.run(Span::from_ms(100));
    let near = |net: &mut Net| net.node(1).neighbours(Time::ZERO).map(|view| view.id.get()).collect::<Vec<_>>();
    assert_eq!(near(&mut net), [2, 3]);
    net.get(2).up = false;
    net.run(Span::from_ms(250));
    assert_eq!(near(&mut net), [3]);
    let now = net.now;
    let refused = net.node(1).offer(now, &record(2, [2, 0, 0]));
    assert_eq!(refused, Err(ekk::topology::Refused::Tombstoned), "3 and 1 have certified its death (ekk:D-11)");
    net.run(Span::from_ms(100));
    assert_eq!(near(&mut net), [3]);
    assert!(net.get(1).kept.events.iter().any(|event| event == "NeedCandidates"));
}

proptest::proptest! {
    /// ekk:P16 ekk:P22: whatever happens, each tick has one outcome, counters only grow and add up, a degraded tick still does
    /// its work, and the same inputs give the same state.
    #[test]
    fn every_tick_has_one_outcome(steps in proptest::collection::vec((0_u8..8, 0_u64..40, 0_u32..4), 1..80)) {
        let build = || {
            let mut net = Net::warm(25, &[1, 2]);
            net.run(Span::from_ms(100));
            net.members.remove(&1).unwrap()
        };
        let (mut one, mut two) = (build(), build());
        let mut now = Time::from_ms(1_100);
        let mut outcomes = [one.node.counters().ticks, 0, 0];
        outcomes[1] = one.node.counters().ticks_degraded;
        outcomes[0] -= outcomes[1];
        let mut buffer = [0; FIELD_BYTES_MAX];
        for (what, ms, raw) in steps {
            let before = *one.node.counters();
            let act = |member: &mut node_support::Member, now: Time, buffer: &mut [u8; FIELD_BYTES_MAX]| match what {
                0 => member.node.receive_failed(),
                1 => drop(member.node.set_component(raw as usize, Q16(ms as i32))),
                2 => {
                    let bytes = encode_subscribe(record(raw + 1, [0; 3]).identity, 1, 50, buffer).unwrap();
                    let _ = member.node.receive(now, id(2), bytes, &mut member.crypto, &mut member.kept);
                }
                _ => {}
            };
            act(&mut one, now, &mut buffer);
            act(&mut two, now, &mut buffer);
            // Now and then the clock steps back: the field cannot be stamped.
            now = if what == 3 { now.before(Span::from_ms(ms)) } else { now.after(Span::from_ms(ms)) };
            let outcome = one.node.tick(now, &mut one.crypto, &mut one.kept);
            proptest::prop_assert_eq!(outcome, two.node.tick(now, &mut two.crypto, &mut two.kept));
            outcomes[match outcome { Outcome::Ok => 0, Outcome::Degraded => 1, Outcome::Hard => 2 }] += 1;
            let counters = *one.node.counters();
            proptest::prop_assert_eq!(counters.ticks, before.ticks + 1);
            proptest::prop_assert_eq!(counters.publish_ok + counters.publish_failed, before.publish_ok + before.publish_failed + 1);
            proptest::prop_assert_eq!([counters.ticks - counters.ticks_degraded - counters.ticks_hard,
                counters.ticks_degraded, counters.ticks_hard], outcomes);
            proptest::prop_assert_eq!(one.node.last_tick(), now);
            proptest::prop_assert!(one.node == two.node && one.kept.events == two.kept.events && one.kept.sent == two.kept.sent);
        }
    }
}

/// A task of a node runs once per tick at most, and the gradients it feels choose it.
#[test]
fn a_node_runs_tasks_by_its_gradients() {
    use ekk::task::{TaskEnd, TaskId, TaskSpec};
    let mut net = Net::warm(23, &[1, 2]);
    net.node(2).set_component(0, Q16(60_000));
    net.run(Span::from_ms(200));
    let now = net.now;
    let spec =
        |affinity| TaskSpec { period: Span::from_ms(10), affinity: [affinity, 0, 0, 0, 0, 0], ..TaskSpec::new("t", 3) };
    net.node(1).add_task(now, spec(-1)).unwrap();
    let accepts = net.node(1).add_task(now, spec(1)).unwrap();
    net.tick(1);
    assert_eq!(net.get(1).kept.tasks, [accepts.0]);
    net.node(1).task_done(TaskId(1), Span::from_us(3), TaskEnd::Done).unwrap();
    net.tick(1);
    assert_eq!(net.get(1).kept.tasks, [1, 0], "one a tick; the other one had its turn");
    assert_eq!(net.node(1).task(accepts).unwrap().runs, 1);
}

/// ekk:V8 ekk:V15: a ballot over the neighbours and the proposer; ballots are counted by how they end.
#[test]
fn ballots_run_within_the_tick() {
    use ekk::consensus::{Kind, Proposal, Scope, Threshold};
    let mut net = Net::warm(24, &[5, 1, 8, 15]);
    net.run(Span::from_ms(200));
    let now = net.now;
    let member = net.get(5);
    let proposal = Proposal::new(Kind::Mode, Scope::Local, 42, Threshold::MoreThanHalf);
    member.node.propose(now, proposal, &mut member.crypto, &mut member.kept).unwrap();
    let mut voters: Vec<u32> = member.node.ballots().next().unwrap().voters.iter().map(|id| id.get()).collect();
    voters.sort_unstable();
    assert_eq!(voters, [1, 5, 8, 15]);
    net.flush(5);
    net.run(Span::from_ms(400));
    let counters = net.node(5).counters();
    assert_eq!((counters.ballots_started, counters.ballots_completed), (1, 1));
}

/// membership:MB-4 membership:MB-5: watchers certify a death and every node is told; nobody else is removed.
#[test]
fn a_death_is_certified_and_told() {
    let mut net = Net::warm(17, &IDS);
    net.run(Span::from_ms(1_000));
    for raw in IDS {
        let now = net.now;
        let live = net.node(raw).watches(now).filter(|link| link.health == 1).count();
        assert_eq!(live, 6, "node {raw} watches everybody in a small cluster");
    }
    net.get(4).up = false;
    net.run(Span::from_ms(400));
    for raw in IDS.into_iter().filter(|&raw| raw != 4) {
        let dead: Vec<&String> =
            net.members[&raw].kept.events.iter().filter(|event| event.starts_with("Dead")).collect();
        assert_eq!(dead.len(), 1, "node {raw}: {dead:?}");
        assert!(dead[0].contains("NodeId(4)"), "{dead:?}");
        assert_eq!(net.node(raw).membership().removals().count(), 1);
    }
}

proptest::proptest! {
    /// ekk:P19 ekk:P20: hostile bytes neither panic nor break a rule of the node.
    #[test]
    fn hostile_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        ekk::node::fuzz_node(&bytes);
    }

    /// The same with kinds that exist and bodies of their lengths, so that decoders are reached.
    #[test]
    fn hostile_bodies_are_survived(
        messages in proptest::collection::vec(
            (0_u8..6, 0_u8..8, 0_usize..14, proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)), 1..12),
    ) {
        let kinds = [0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x19, 0x30, 0x31, 0x40, 0x50];
        let mut script = vec![0];
        script.clear();
        for (sender, flags, kind, mut body) in messages {
            body.splice(0..0, [1, kinds[kind], 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
            script.extend([body.len() as u8, sender, flags | 1]);
            script.extend(body);
        }
        ekk::node::fuzz_node(&script);
    }
}

/// ekk:V14: discovery of 2 changes the list once, its first heartbeat its health once; the first tick announces once.
#[test]
fn the_seed_profile_counts_as_the_vector_says() {
    use ekk::wire::v0::{ENCODED_MAX, Message, ModuleState};
    let mut net = Net::new(18);
    net.now = Time::ZERO;
    let mut config = node_support::config(&[8]);
    config.profile = ekk::profile::Profile::Seed;
    net.add(ekk::node::Node::new(config, record(8, [0; 3]), 8).unwrap());
    let mut bytes = [0; ENCODED_MAX];
    let member = net.get(8);
    let mut receive = |message: Message| {
        let length = message.encode(&mut bytes).unwrap();
        member.node.receive(Time::ZERO, id(2), &bytes[..length], &mut Digests(8), &mut member.kept).unwrap();
    };
    receive(Message::Discovery { sender: 2, position: [0; 3], neighbours: 0, state: ModuleState::Active, sequence: 1 });
    let flags = 0;
    receive(Message::Heartbeat {
        sender: 2,
        sequence: 1,
        state: ModuleState::Active,
        tracked: 0,
        load: 0,
        thermal: 0,
        flags,
    });
    let counters = member.node.counters();
    assert_eq!((counters.neighbour_changes, counters.health_changes), (1, 1));
    net.now = Time::from_us(2_000_000);
    assert_eq!(net.tick(8), Outcome::Ok);
    assert_eq!(net.node(8).counters().discovery_broadcasts, 1);
}

/// ekk:V9 ekk:P16: under the seed's rules a hard error gives up the tick: nothing is published, last_tick stands.
#[test]
fn the_seed_profile_gives_up_a_hard_tick() {
    let mut net = Net::new(19);
    net.now = Time::ZERO;
    let mut config = node_support::config(&[8]);
    config.profile = ekk::profile::Profile::Seed;
    net.add(ekk::node::Node::new(config, record(8, [0; 3]), 8).unwrap());
    net.node(8).receive_failed();
    net.now = Time::from_us(5_000);
    assert_eq!(net.tick(8), Outcome::Hard);
    let counters = *net.node(8).counters();
    assert_eq!((counters.ticks, counters.ticks_degraded, counters.ticks_hard, counters.publish_ok), (1, 0, 1, 0));
    assert_eq!(net.node(8).last_tick(), Time::ZERO);
}
