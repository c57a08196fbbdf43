//! The watch graph and the news on it.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod membership_net;

use std::collections::BTreeSet;

use ekk::time::Time;
use ekk::wire::v1::Kind;
use ekk::wire::v1::membership::Message;
use membership_net::*;

/// membership:MB-1 membership:MB-3 decisions:CLU-1: eight links, symmetric, nobody unwatched, none to itself; two zones.
#[test]
fn everybody_is_watched_by_eight_to_twelve() {
    let mut net = Net::formed(100, 31);
    net.run_s(30);
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    let reached = reach(&mut net, 1);
    assert_eq!(reached.len(), 100, "one graph");
}

fn reach(net: &mut Net, start: u32) -> BTreeSet<u32> {
    let (mut reached, mut todo) = (BTreeSet::from([start]), vec![start]);
    while let Some(raw) = todo.pop() {
        let now = net.now();
        let peers: Vec<u32> = net.m(raw).links(now).map(|link| link.identity.id.get()).collect();
        todo.extend(peers.into_iter().filter(|peer| reached.insert(*peer)));
    }
    reached
}

/// membership:MB-1: watchers in at least two failure domains, where there are two: also where the rings were drawn within each.
#[test]
fn watchers_are_of_two_zones() {
    let mut net = Net::empty(32);
    for raw in 1..=40 {
        net.add(raw, 1, if raw <= 20 { "east" } else { "west" });
    }
    let records: Vec<_> = (1..=40).map(|raw| *net.members[&raw].m.me()).collect();
    for raw in 1..=40_u32 {
        net.adopt(raw, &records);
        let (base, at, now) = (if raw <= 20 { 1 } else { 21 }, (raw - 1) % 20, net.now());
        for ring in 0..4_u8 {
            // Steps that are prime to 20 give four different rings.
            let step = [1, 3, 7, 9][usize::from(ring)];
            let (before, after) = (base + (at + 20 - step) % 20, base + (at + step) % 20);
            net.m(raw).link_rings(now, &[(ring, id(before), id(after))]);
        }
        net.m(raw).set_known(40);
    }
    net.run_s(60);
    for raw in 1..=40 {
        let now = net.now();
        let foreign = net.m(raw).links(now).filter(|link| (link.identity.id.get() <= 20) != (raw <= 20)).count();
        assert!(foreign >= 1, "{raw}");
    }
    assert_eq!(net.deaths(), 0);
}

/// membership:MB-1: after a crash of 30 % everybody has eight living watchers again, the valve opened by an operator.
#[test]
fn the_graph_is_repaired_after_many_crashes() {
    let mut net = Net::formed(60, 33);
    net.run_s(5);
    (1..=18).for_each(|raw| net.crash(raw));
    for _ in 0..40 {
        net.run_s(1);
        for raw in net.up() {
            let now = net.now();
            net.m(raw).resume_removals(now);
        }
    }
    for raw in 1..=18 {
        assert_eq!(net.removed_by(raw).len(), 42, "{raw}");
    }
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    assert_eq!(reach(&mut net, 60).len(), 42);
}

/// membership:MB-1: the neighbours of a dead node in a ring become neighbours of each other at once.
#[test]
fn survivors_close_the_rings() {
    let mut net = Net::formed(50, 34);
    net.run_s(5);
    let now = net.now();
    let links: Vec<(u32, u16)> = net.m(7).links(now).map(|link| (link.identity.id.get(), link.roles)).collect();
    net.crash(7);
    net.run_s(3);
    let mut closed = 0;
    for ring in 0..4 {
        let at = |bit: u16| links.iter().find(|(_, roles)| roles & bit != 0).map(|(raw, _)| *raw);
        let (Some(before), Some(after)) = (at(1 << (2 * ring)), at(2 << (2 * ring))) else { continue };
        let now = net.now();
        let next =
            net.m(before).links(now).find(|link| link.roles & (2 << (2 * ring)) != 0).map(|link| link.identity.id);
        closed += u32::from(next == Some(id(after)));
    }
    assert_eq!(closed, 4);
}

/// membership:MB-1 membership:MB-10: a newcomer is spliced between two nodes of each ring, and all three know it at once.
#[test]
fn a_newcomer_is_spliced_into_the_rings() {
    let mut net = Net::formed(50, 41);
    net.run_s(5);
    net.join(51, 1, "");
    net.run_ms(400);
    let mut spliced = 0;
    for ring in 0..4 {
        let now = net.now();
        let at = |net: &mut Net, raw: u32, bit: u16| {
            net.m(raw).links(now).find(|link| link.roles & bit != 0).map(|link| link.identity.id.get())
        };
        let (previous, next) = (1 << (2 * ring), 2 << (2 * ring));
        let (Some(before), Some(after)) = (at(&mut net, 51, previous), at(&mut net, 51, next)) else { continue };
        let mirrored = at(&mut net, before, next) == Some(51) && at(&mut net, after, previous) == Some(51);
        spliced += u32::from(mirrored && before != after);
    }
    assert_eq!(spliced, 4);
}

/// membership:MB-2 membership:MB-8: idle cost is the same in a small and in a large cluster, and sets travel once per change.
#[test]
fn idle_cost_is_constant() {
    let cost = |count: u32| {
        let mut net = Net::formed(count, 35);
        net.run_s(60);
        let degree: usize = (1..=count).map(|raw| net.members[&raw].m.live_links()).sum();
        let before: u64 = net.members.values().map(|member| member.sent_bytes).sum();
        net.tape = Some(Vec::new());
        net.run_s(5);
        let bytes: u64 = net.members.values().map(|member| member.sent_bytes).sum::<u64>() - before;
        let tape = net.tape.take().unwrap();
        let beats: Vec<_> = tape.iter().filter_map(|(_, _, _, bytes)| decode_beat(bytes)).collect();
        assert_eq!(beats.len(), tape.len(), "nothing but heartbeats");
        assert!(beats.iter().all(|beat| beat.set.is_none()), "the digest in place of the set");
        assert!(beats.iter().all(|beat| beat.set_digest != 0 && beat.held_digest != 0));
        bytes as f64 / 5.0 / degree as f64
    };
    let (small, large) = (cost(12), cost(150));
    assert!((small / large - 1.0).abs() < 0.02, "{small} and {large} bytes per second and link");
    assert!((small - 900.0).abs() < 1.0, "ten heartbeats of 90 bytes: {small}");
}

/// membership:MB-8: who missed the flood learns from the slots of heartbeats and asks.
#[test]
fn news_repairs_what_the_flood_lost() {
    let mut net = Net::formed(60, 36);
    net.loss = 200;
    net.run_s(10);
    let deafened: Vec<u32> = (41..=50).collect();
    deafened.iter().for_each(|raw| net.members.get_mut(raw).unwrap().loss_in = 1_000);
    net.with(5, |m, now, keys, out| m.leave(now, keys, out));
    net.run_ms(100);
    assert!(net.removed_by(5).len() < 50);
    deafened.iter().for_each(|raw| net.members.get_mut(raw).unwrap().loss_in = 0);
    net.run_s(1);
    assert_eq!(net.removed_by(5).len(), 59);
    let asked: u32 = deafened.iter().map(|raw| net.members[raw].m.counters().asks).sum();
    assert!(asked > 0, "the flood was over: somebody had to ask");
}

/// membership:MB-8: each piece of news goes over a link log2 N + 4 times; more than the slots hold waits and is counted.
#[test]
fn news_is_bounded_and_waiting_is_counted() {
    let mut net = Net::formed(32, 37);
    net.run_s(10);
    net.tape = Some(Vec::new());
    net.with(5, |m, now, keys, out| m.leave(now, keys, out));
    net.run_s(5);
    let tape = net.tape.take().unwrap();
    let mut carried = std::collections::BTreeMap::new();
    for (_, from, to, bytes) in &tape {
        for news in decode_beat(bytes).iter().flat_map(|beat| beat.news.iter().flatten()) {
            *carried.entry((*from, *to, news.identity.id, news.kind as u8)).or_insert(0_u32) += 1;
        }
    }
    assert!(!carried.is_empty());
    assert!(carried.values().all(|count| *count <= 5 + 4), "log2 of 31 is 4, of 32 is 5");
    assert!(carried.values().any(|count| *count >= 8));
    assert_eq!(net.m(1).counters().news_waited, 0);
    for raw in 6..=14 {
        net.with(raw, |m, now, keys, out| m.leave(now, keys, out));
    }
    net.run_s(3);
    assert!(net.m(1).counters().news_waited > 0, "nine pieces for four slots");
    assert_eq!(net.m(1).counters().news_lost, 0);
}

/// membership:MB-9 ekk:D-15: nothing travels that grows with the cluster, and replayed heartbeats keep nobody alive.
#[test]
fn replayed_heartbeats_keep_nobody_alive() {
    let mut net = Net::formed(20, 38);
    net.run_s(2);
    net.tape = Some(Vec::new());
    net.run_s(2);
    let tape = net.tape.take().unwrap();
    assert!(tape.iter().all(|(_, _, _, bytes)| bytes.len() <= 300), "idle messages are small");
    net.crash(9);
    let beats: Vec<_> =
        tape.into_iter().filter(|(_, from, _, bytes)| *from == 9 && bytes[1] == Kind::HEARTBEAT.0).collect();
    for _ in 0..20 {
        for (_, from, to, bytes) in &beats {
            net.put(*from, *to, bytes.clone());
        }
        net.run_ms(100);
    }
    assert_eq!(net.removed_by(9).len(), 19);
}

/// decisions:CLU-3: the machine is a value: equal inputs give equal states, and copies go their own way.
#[test]
fn the_machine_is_a_value() {
    let run = || {
        let mut net = Net::formed(20, 39);
        net.loss = 50;
        net.run_s(5);
        net.crash(3);
        net.run_s(5);
        net
    };
    let (mut one, other) = (run(), run());
    for raw in one.up() {
        assert!(one.members[&raw].m == other.members[&raw].m);
        assert_eq!(ekk::hash::Digest::of(&one.members[&raw].m), ekk::hash::Digest::of(&other.members[&raw].m));
    }
    let copy = one.members[&1].m.clone();
    one.run_ms(200);
    assert!(copy != one.members[&1].m);
    assert!(copy.links(Time::ZERO).count() >= 8);
}

/// membership:MB-2: a lease that is never answered ends, and who is not held is told so.
#[test]
fn leases_need_both_ends() {
    let mut net = Net::formed(20, 40);
    net.run_s(5);
    let stranger = signed_record(77, 1, 0, "");
    // Node 77 never runs: it is offered as a link and never heard.
    net.put_message(77, 1, stranger.identity, &Message::WatchTake { roles: 1 << 9, member: stranger });
    net.run_ms(100);
    let now = net.now();
    let link = net.m(1).links(now).find(|link| link.identity.id == id(77));
    assert_eq!(link.map(|link| (link.health, link.missed)), Some((0, 0)), "counts for nothing");
    net.run_s(4);
    let now = net.now();
    assert!(net.m(1).links(now).all(|link| link.identity.id != id(77)));
    assert_eq!(net.deaths(), 0);
}
