//! Join, leave, return, partitions and what operators say, on a small network of real memberships.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod membership_net;

use ekk::membership::evidence::Certificate;
use ekk::time::{Span, Time};
use ekk::wire::v1::membership::{Cause, Message};
use membership_net::*;

/// membership:MB-10 membership:MB-1: three founders and newcomers one by one, each visible when half of its links live.
#[test]
fn a_cluster_grows_one_by_one() {
    let mut net = Net::formed(3, 11);
    net.run_s(2);
    for raw in 4..=30 {
        net.join(raw, 1, "");
        assert!(!net.m(raw).is_visible());
        net.run_s(2);
        assert!(net.m(raw).is_visible(), "{raw}");
    }
    net.run_s(15);
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    for raw in net.up() {
        assert_eq!(net.m(raw).members(), 30, "{raw}");
        assert_eq!(net.m(raw).passive().count(), 29, "{raw}");
        assert_eq!(net.told(raw, &Told::Alone), usize::from(net.told(raw, &Told::Alone) > 0), "at most once");
    }
    assert_eq!(net.told(1, &Told::Joined(17)), 1, "told once");
    assert_eq!(net.deaths(), 0);
}

/// membership:MB-10: a record with a bad card or signature is nobody's.
#[test]
fn only_certified_members_join() {
    let mut net = Net::formed(12, 12);
    net.run_s(2);
    let mut record = signed_record(50, 1, 0, "");
    record.address[0] ^= 1;
    let mut uncertified = signed_record(51, 1, 0, "");
    uncertified.card.0[0] ^= 1;
    uncertified.signature = mac(secret(51), &uncertified.signed_bytes());
    for (raw, record) in [(50, record), (51, uncertified)] {
        for to in 1..=12 {
            let who = identity(raw, 1, 0);
            net.put_message(raw, to, who, &Message::Record { cause: Cause::Joined, record });
            net.put_message(raw, to, who, &Message::WatchTake { roles: 1 << 9, member: record });
            net.put_message(raw, to, who, &Message::WatchAsk { ring: 0, hops: 0, origin: record });
        }
    }
    net.run_s(2);
    for raw in 1..=12 {
        assert_eq!(net.m(raw).members(), 12);
        assert!(net.m(raw).known(id(50)).is_none() && net.m(raw).known(id(51)).is_none());
        assert!(is_refused(&net.members[&raw], "BadSignature"));
    }
}

/// membership:MB-11: a farewell is immediate, closes the rings, and is final for the incarnation.
#[test]
fn leaving_is_immediate_and_final() {
    let mut net = Net::formed(20, 13);
    net.run_s(3);
    net.with(5, |m, now, keys, out| m.leave(now, keys, out));
    assert!(net.m(5).has_left());
    net.run_ms(200);
    assert_eq!(net.removed_by(5).len(), 19);
    assert_eq!(net.told(1, &Told::Left(identity(5, 1, 0))), 1);
    net.run_s(8);
    assert_eq!(net.deaths(), 0, "nobody has to be called dead for it");
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    // Its own later life does not come back; its next incarnation does.
    let zombie = Message::Record { cause: Cause::Undone, record: signed_record(5, 1, 9, "") };
    net.put_message(6, 1, identity(6, 1, 0), &zombie);
    net.run_s(1);
    assert_eq!(net.removed_by(5).len(), 19);
    net.join(5, 2, "");
    net.run_s(5);
    assert!(net.removed_by(5).is_empty());
    assert_eq!(net.told(1, &Told::Returned(identity(5, 2, 0))), 1);
}

/// membership:MB-12 decisions:CLU-7: a restart returns with a higher incarnation; one that lost its count is told its next life.
#[test]
fn returning_after_a_crash() {
    let mut net = Net::formed(20, 14);
    net.run_s(3);
    net.crash(5);
    net.run_s(3);
    assert_eq!(net.removed_by(5).len(), 19);
    net.join(5, 2, "");
    net.run_s(5);
    assert!(net.removed_by(5).is_empty() && net.m(5).is_visible());
    net.crash(6);
    net.run_s(3);
    net.join(6, 1, "");
    net.run_s(6);
    assert!(net.removed_by(6).is_empty());
    assert_eq!(net.m(6).me().identity, identity(6, 1, 1), "YouAre told it");
    // The old certificate, replayed, is about a life that is over.
    let certificate: Certificate =
        net.m(1).removals().find(|removal| removal.certificate.subject.id == id(6)).unwrap().certificate;
    for to in [1, 2, 3, 6] {
        net.put_message(9, to, identity(9, 1, 0), &Message::Certificate(certificate));
    }
    net.run_s(2);
    assert!(net.removed_by(6).is_empty());
    let removal = *net.m(1).removals().find(|removal| removal.certificate.subject.id == id(6)).unwrap();
    assert!(removal.undone_at.is_some(), "the verdict says that it is undone");
}

/// membership:MB-12: an incarnation may jump by 2^16 and no more; the refusal is counted.
#[test]
fn a_jump_of_the_incarnation_is_bounded() {
    let mut net = Net::formed(12, 15);
    net.run_s(2);
    for (boot_inc, accepted) in [(2 + (1 << 16), false), (1 + (1 << 16), true)] {
        let record = signed_record(5, boot_inc, 0, "");
        net.crash(5);
        net.put_message(5, 1, record.identity, &Message::Record { cause: Cause::Joined, record });
        net.run_ms(50);
        assert_eq!(net.m(1).known(id(5)) == Some((record.identity, true)), accepted, "{boot_inc}");
        assert_eq!(net.m(1).counters().jumps_refused, 1);
    }
    // And this node itself does not believe in a life far above its own.
    net.put_message(2, 3, identity(2, 1, 0), &Message::YouAre { known: identity(3, 1 + (1 << 17), 0) });
    net.put_message(2, 3, identity(2, 1, 0), &Message::YouAre { known: identity(3, 1, 60_000) });
    net.run_ms(50);
    assert_eq!(net.m(3).me().identity, identity(3, 1, 0));
    assert_eq!(net.m(3).counters().jumps_refused, 2);
}

/// membership:MB-12: tombstones keep the last being for a day, or until 256 later ones push the oldest out.
#[test]
fn tombstones_are_bounded_and_age() {
    use ekk::membership::memory::{Gone, TOMB_SPAN, Tomb, Tombs};
    let mut tombs = Tombs::<4>::default();
    let tomb = |raw, at| Tomb { identity: identity(raw, 1, 0), at: Time(at), gone: Gone::Dead };
    (1..=4).for_each(|raw| tombs.insert(tomb(raw, u64::from(raw))));
    tombs.insert(tomb(2, 9));
    assert_eq!((tombs.len(), tombs.evicted), (4, 0), "a later tombstone of a node replaces its earlier one");
    tombs.insert(tomb(5, 10));
    tombs.insert(tomb(6, 11));
    assert_eq!((tombs.len(), tombs.evicted), (4, 2));
    assert!(tombs.get(id(1)).is_none() && tombs.get(id(3)).is_none(), "the oldest gave way");
    tombs.expire(Time(11).after(TOMB_SPAN).before(Span(1)));
    assert_eq!(tombs.iter().count(), 1, "younger than a day");
    tombs.expire(Time(11).after(TOMB_SPAN));
    assert!(tombs.is_empty() && tombs.get(id(6)).is_none());
}

/// membership:MB-14 decisions:CLU-7: the smaller side is removed, comes back with higher lives on heal, and the heal is reported.
#[test]
fn a_partition_heals_with_a_report() {
    let mut net = Net::formed(30, 16);
    net.run_s(3);
    (1..=4).for_each(|raw| net.put_on_side(raw, 1));
    net.run_s(10);
    for raw in 1..=4 {
        assert_eq!(net.removed_by(raw).len(), 26);
    }
    for raw in 5..=30 {
        assert!(net.removed_by(raw).is_empty(), "four nodes are no quorum of anybody: {raw}");
    }
    net.side.clear();
    net.run_s(60);
    for raw in 1..=30 {
        assert!(net.removed_by(raw).is_empty(), "{raw}");
        assert_eq!(net.m(raw).members(), 30);
    }
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    assert!((1..=4).all(|raw| net.members[&raw].m.me().identity.life >= 1));
    let heal = net.m(20).last_heal().expect("a report");
    assert_eq!((heal.ours_count, heal.theirs_count, heal.still_removed), (4, 0, 0), "{heal:?}");
    let mut names: Vec<u32> = heal.ours[..4].iter().map(|id| id.get()).collect();
    names.sort_unstable();
    assert_eq!(names, [1, 2, 3, 4]);
}

/// membership:MB-14: the removed are asked now and then whether they live, the more seldom by each the more ask.
#[test]
fn the_removed_are_probed() {
    let mut net = Net::formed(12, 23);
    net.run_s(3);
    net.crash(7);
    net.run_s(5);
    net.tape = Some(Vec::new());
    net.run_s(16);
    let tape = net.tape.take().unwrap();
    let known = identity(7, 1, 0);
    let probe = |bytes: &[u8]| decode(bytes).1 == Some(Message::YouAre { known });
    let probes = tape.iter().filter(|(_, _, to, bytes)| *to == 7 && probe(bytes)).count();
    assert!((40..=60).contains(&probes), "eleven that ask every 32 periods or a little later: {probes}");
}

/// membership:MB-14 decisions:CLU-14: two halves remove each other only as far as the valve lets them, and are one again.
#[test]
fn two_halves_heal() {
    let mut net = Net::formed(40, 17);
    net.run_s(3);
    (1..=20).for_each(|raw| net.put_on_side(raw, 1));
    net.run_s(15);
    for raw in 1..=40 {
        assert!(net.m(raw).counters().removed <= 6, "{raw}");
    }
    net.side.clear();
    net.run_s(90);
    for raw in 1..=40 {
        assert!(net.removed_by(raw).is_empty(), "{raw} by {:?}", net.removed_by(raw));
    }
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
}

/// membership:MB-13: a node cut off for long says that it is alone, never gives up, and comes back.
#[test]
fn a_lonely_node_tries_for_ever() {
    let mut net = Net::formed(12, 18);
    net.run_s(3);
    net.m(4).set_seeds(&[id(1), id(2)]);
    net.side.insert(4, 1);
    net.run_s(120);
    assert!(net.m(4).is_alone());
    assert_eq!(net.told(4, &Told::Alone), 1);
    net.tape = Some(Vec::new());
    net.run_s(60);
    let tried = net.tape.take().unwrap();
    let asks = tried
        .iter()
        .filter(|(_, from, _, bytes)| *from == 4 && matches!(decode(bytes).1, Some(Message::WatchAsk { .. })));
    assert!((5..=120).contains(&asks.count()), "with pauses, for ever");
    net.side.clear();
    net.run_s(30);
    assert!(!net.m(4).is_alone() && net.removed_by(4).is_empty());
    assert!(net.m(4).live_links() >= 8, "{}", net.m(4).live_links());
}

/// decisions:CLU-7: two nodes that run with one certificate are noticed.
#[test]
fn a_duplicate_identity_is_noticed() {
    let mut net = Net::formed(12, 19);
    net.run_s(3);
    let later = signed_record(5, 2, 0, "");
    for _ in 0..30 {
        // A second node 5, of a later boot, announces itself while the first goes on.
        for to in [1, 2, 3] {
            net.put_message(5, to, later.identity, &Message::Record { cause: Cause::Joined, record: later });
        }
        net.run_ms(100);
    }
    let noticed = (1..=12).any(|raw| net.members[&raw].told.iter().any(|(_, told)| matches!(told, Told::Duplicate(_))));
    assert!(noticed);
}

/// decisions:CLU-19: under maintenance a silent node stays, everywhere; afterwards it does not.
#[test]
fn maintenance_holds_removals_back() {
    let mut net = Net::formed(20, 20);
    net.run_s(3);
    net.with(1, |m, now, keys, out| m.announce_maintenance(now, id(9), Span::from_s(20), keys, out));
    net.run_s(1);
    for raw in 1..=20 {
        let now = net.now();
        assert_eq!(net.m(raw).maintained(now).count(), 1, "{raw}");
    }
    net.crash(9);
    net.run_s(15);
    assert_eq!(net.deaths(), 0);
    net.run_s(10);
    assert_eq!(net.removed_by(9).len(), 19);
}

/// decisions:CLU-19: a forgotten node returns as a new one; a moved one is known by its new address everywhere.
#[test]
fn forget_and_change_of_address() {
    let mut net = Net::formed(15, 21);
    net.run_s(3);
    net.with(4, |m, now, keys, out| m.update_me(now, |record| record.address = [7; 18], keys, out));
    net.run_s(1);
    for raw in 1..=15 {
        assert_eq!(net.m(raw).known(id(4)), Some((identity(4, 1, 1), true)), "{raw}");
        assert!(net.m(raw).record(id(4)).is_none_or(|record| record.address == [7; 18]), "{raw}");
    }
    net.crash(5);
    net.run_s(3);
    for raw in net.up() {
        assert!(net.m(raw).forget(id(5)));
        assert!(!net.m(raw).forget(id(5)), "nothing is left to forget");
        assert_eq!(net.m(raw).known(id(5)), None);
    }
}

/// Everything of a quarantined node is dropped until the quarantine is lifted.
#[test]
fn quarantine_drops_everything() {
    let mut net = Net::formed(15, 22);
    net.run_s(3);
    for raw in (1..=15).filter(|raw| *raw != 6) {
        net.with(raw, |m, now, keys, out| m.quarantine(now, id(6), keys, out));
    }
    net.run_s(3);
    for raw in (1..=15).filter(|raw| *raw != 6) {
        let now = net.now();
        assert!(net.m(raw).links(now).all(|link| link.identity.id != id(6)));
        assert!(net.m(raw).known(id(6)).is_none());
    }
    assert!(is_refused(&net.members[&1], "Quarantined") || is_refused(&net.members[&2], "Quarantined"));
    assert_eq!(net.deaths(), 0);
    (1..=15).for_each(|raw| net.m(raw).lift(id(6)));
    net.run_s(90);
    assert!(net.m(6).live_links() >= 4, "it finds its way back by itself: {}", net.m(6).live_links());
}
