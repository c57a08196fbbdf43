//! Founders form, others join, restarted ones come back: bootstrap and membership within whole nodes (`decisions:CLU-8`).
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod node_support;

use ekk::bootstrap::{Formation, Refusal};
use ekk::node::{Drop, Node, State};
use ekk::time::{Span, Time};
use ekk::wire::v1::Kind;
use ekk::wire::v1::field::encode_bare;
use node_support::{Digests, Kept, Member, Net, config, node, record};

fn founders(seed: u64, ids: &[u32]) -> Net {
    let mut net = Net::new(seed);
    for &raw in ids {
        net.add(node(raw, ids));
    }
    net.meet();
    net
}

fn live_watches(net: &mut Net, raw: u32) -> usize {
    let now = net.now;
    net.node(raw).watches(now).filter(|link| link.health == 1).count()
}

/// decisions:CLU-8: founders form by their own quorum when their start-up work is done, then watch each other.
#[test]
fn founders_form_and_then_watch() {
    let mut net = founders(1, &[1, 2, 3]);
    net.loss = 100;
    net.run(Span::from_ms(500));
    assert!(net.members.values().all(|member| member.node.formation().is_none()), "nobody is done");
    assert_eq!(live_watches(&mut net, 1), 0, "the membership rests");
    for raw in [1, 2, 3] {
        net.done(raw);
    }
    net.run(Span::from_ms(3_000));
    let expected = net.node(1).config().formation(1);
    for raw in [1, 2, 3] {
        assert_eq!(net.node(raw).formation(), Some(&expected), "node {raw}");
        assert_eq!(live_watches(&mut net, raw), 2);
        assert_eq!(net.state(raw), State::Active);
        let told =
            net.get(raw).kept.events.iter().filter(|event| event.starts_with("Formed") || event.starts_with("Adopted"));
        assert_eq!(told.count(), 1);
    }
}

/// A heartbeat of one that has formed before us is not taken yet, and counted.
#[test]
fn the_membership_rests_until_formed() {
    let mut net = founders(2, &[1, 2, 3]);
    net.done(1);
    net.done(2);
    net.run(Span::from_ms(60));
    assert!(net.node(1).formation().is_some() && net.node(2).formation().is_some());
    assert!(net.node(3).formation().is_some(), "the notice of the formed ones is adopted in one round trip");
    let mut alone = node(3, &[1, 2, 3]);
    alone.start(net.now, &mut Kept::default());
    let mut bytes = [0; 16];
    let sender = record(1, [0; 3]).identity;
    let beat = encode_bare(Kind::HEARTBEAT, sender, 1, &mut bytes).unwrap();
    let said = alone.receive(net.now, sender.id, beat, &mut Digests(3), &mut Kept::default());
    assert_eq!(said, Err(Drop::NotRunning));
    let early = net.refused.iter().filter(|&&(_, to, reason)| to == 3 && reason == Drop::NotRunning);
    assert!(early.count() < 20);
}

/// membership:MB-10: one that is no founder adopts the formation from any member, gets records, and is watched.
#[test]
fn a_joiner_adopts_and_is_watched() {
    let mut net = founders(3, &[1, 2, 3]);
    for raw in [1, 2, 3] {
        net.done(raw);
    }
    net.run(Span::from_ms(1_000));
    net.add(node(9, &[1, 2, 3]));
    let (now, formation) = (net.now, net.node(1).config().formation(1));
    let records = [1, 2, 3].map(|raw| record(raw, [raw as i16, 0, 0]));
    let Member { node, crypto, kept, .. } = net.get(9);
    node.set_known(4);
    node.adopt(now, &mut records.into_iter(), formation, crypto, kept).unwrap();
    net.run(Span::from_ms(2_000));
    assert_eq!(live_watches(&mut net, 9), 3);
    for raw in [1, 2, 3] {
        let joined = |event: &&String| event.starts_with("Joined") && event.contains("NodeId(9)");
        assert_eq!(net.get(raw).kept.events.iter().filter(joined).count(), 1, "node {raw}");
    }
    assert_eq!(net.state(9), State::Active);
    assert_eq!(net.node(1).neighbours(Time::ZERO).count(), 3, "it is a neighbour as well");
}

/// decisions:CLU-7 bootstrap:K3: a restarted founder adopts, comes back with its higher incarnation, and nobody stays dead.
#[test]
fn a_restarted_founder_comes_back() {
    let mut net = founders(4, &[1, 2, 3]);
    for raw in [1, 2, 3] {
        net.done(raw);
    }
    net.run(Span::from_ms(1_000));
    net.get(2).up = false;
    net.run(Span::from_ms(500));
    let dead = |net: &mut Net, raw: u32| net.node(raw).membership().removals().count();
    assert_eq!((dead(&mut net, 1), dead(&mut net, 3)), (1, 1), "two watchers of three remove the third");
    let mut later = record(2, [2, 0, 0]);
    later.identity.boot_inc = 2;
    net.add(Node::new(config(&[1, 2, 3]), later, 2).unwrap());
    net.meet();
    net.done(2);
    net.run(Span::from_ms(2_000));
    assert_eq!(net.node(2).formation().map(|formation| formation.epoch), Some(1));
    assert!(net.node(2).bootstrap().view().adopted);
    assert_eq!(live_watches(&mut net, 2), 2);
    assert_eq!(net.state(2), State::Active);
    for raw in [1, 3] {
        assert_eq!(net.state(raw), State::Active, "node {raw}");
        assert_eq!(live_watches(&mut net, raw), 2);
    }
}

/// A large founding set draws its rings alike on every node: each link is held by both ends, eight a node.
#[test]
fn many_founders_draw_the_same_rings() {
    let ids: Vec<u32> = (1..=20).collect();
    let mut net = founders(5, &ids);
    for &raw in &ids {
        net.done(raw);
    }
    net.run(Span::from_ms(120));
    let now = net.now;
    let holds = |net: &mut Net, raw: u32, bit: u16| {
        let held = net.node(raw).watches(now).filter(|link| link.roles & 1 << bit != 0);
        held.map(|link| link.identity.id.get()).collect::<Vec<_>>()
    };
    for ring in 0..4 {
        for &raw in &ids {
            // Bit 2r is the one before, bit 2r + 1 the one after.
            for next in holds(&mut net, raw, 2 * ring + 1) {
                assert!(holds(&mut net, next, 2 * ring).contains(&raw), "ring {ring}: {raw} -> {next}");
            }
        }
    }
    net.run(Span::from_ms(3_000));
    let now = net.now;
    let mut links = Vec::new();
    for &raw in &ids {
        let live: Vec<u32> =
            net.node(raw).watches(now).filter(|link| link.health == 1).map(|link| link.identity.id.get()).collect();
        assert!((5..=12).contains(&live.len()), "node {raw} has {} links", live.len());
        links.extend(live.into_iter().map(|other| (raw, other)));
    }
    for &(a, b) in &links {
        assert!(links.contains(&(b, a)), "{a} watches {b} one way");
    }
}

/// bootstrap:W7: the formation of another configuration is refused; no member is taken.
#[test]
fn a_foreign_formation_is_refused() {
    let mut net = Net::new(6);
    net.add(node(9, &[1, 2, 3]));
    let (now, own) = (net.now, net.node(9).config().formation(1));
    let foreign = Formation { digest: own.digest ^ 1, ..own };
    let Member { node, crypto, kept, .. } = net.get(9);
    let refused = node.adopt(now, &mut [record(1, [0; 3])].into_iter(), foreign, crypto, kept);
    assert_eq!(refused, Err(Refusal::OtherFormation));
    assert_eq!((node.formation(), node.candidates()), (None, 0));
    assert_eq!(config(&[3, 2, 1]).formation(1), own, "the order of founders does not matter");
}

/// membership:MB-11: a planned leave is told to all at once, and nobody calls it a death.
#[test]
fn a_leave_is_told_and_is_no_death() {
    let mut net = founders(7, &[1, 2, 3, 4]);
    for raw in [1, 2, 3, 4] {
        net.done(raw);
    }
    net.run(Span::from_ms(1_000));
    let now = net.now;
    let Member { node, crypto, kept, .. } = net.get(4);
    node.leave(now, crypto, kept);
    assert_eq!(node.state(), State::Shutdown);
    net.flush(4);
    net.run(Span::from_ms(300));
    for raw in [1, 2, 3] {
        net.node(raw).set_known(3);
    }
    net.run(Span::from_ms(300));
    for raw in [1, 2, 3] {
        let events = &net.members[&raw].kept.events;
        assert_eq!(events.iter().filter(|event| event.starts_with("Left")).count(), 1, "node {raw}");
        assert_eq!(events.iter().filter(|event| event.starts_with("Dead")).count(), 0);
        assert_eq!(net.node(raw).neighbours(Time::ZERO).count(), 2);
        assert_eq!(net.state(raw), State::Active);
    }
}
