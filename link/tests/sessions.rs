//! Sessions: keys, epochs, places, and commands when a peer goes or forgets.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod support;

use link::aead::{Plain, RingAead};
use link::{
    CommandError, Config, DropReason, Endpoint, Gone, InstallError, KeptFor, Kind, Out, PeerInfo, SendError, Versions,
};
use support::{Faults, Log, MS, Net, address_of, boot_of, endpoint, keys, pair, peer};

const NONE: Faults = Faults { loss: 0, duplicate: 0, reorder: 0 };

fn sealed(end: &mut Endpoint<RingAead>, now_ns: u64, to: u32) -> Vec<u8> {
    let mut out = Out::new();
    end.seal(now_ns, to, Kind::Ekk, b"x", &mut out).unwrap();
    out.bytes().to_vec()
}

fn give(end: &mut Endpoint<RingAead>, now_ns: u64, datagram: &[u8]) -> Result<(), DropReason> {
    end.receive(now_ns, address_of(1), &mut datagram.to_vec(), &mut Log::default())
}

// Two epochs are accepted; sending goes over when the peer does or after a while; the old key goes by time and by count.
#[test]
fn keys_are_changed_without_a_gap() {
    let change = |config: &mut Config| {
        config.epoch_switch_ns = 10 * MS;
        config.epoch_keep_ns = 100 * MS;
        config.epoch_keep_frames = 50;
    };
    let (mut one, mut two) = pair::<RingAead>(change);
    let late = sealed(&mut one, 1, 2);
    one.install(2, peer(2, 2), keys(1, 2, 2)).unwrap();
    // The peer has no new keys yet: frames still go out under the old ones.
    let old = sealed(&mut one, 3, 2);
    assert_eq!(give(&mut two, 3, &old), Ok(()));
    assert_eq!(one.session(2).unwrap().epoch, 1);
    two.install(4, peer(1, 2), keys(2, 1, 2)).unwrap();
    let new = sealed(&mut one, 2 + 10 * MS, 2);
    assert_eq!(one.session(2).unwrap().epoch, 2);
    assert_eq!(two.session(1).unwrap().epoch, 1);
    assert_eq!(give(&mut two, 11 * MS, &new), Ok(()));
    assert_eq!(two.session(1).unwrap().epoch, 2, "the peer has the new keys, so use them");
    // Something late under the old key is still good, once.
    assert_eq!(give(&mut two, 12 * MS, &late), Ok(()));
    assert_eq!(give(&mut two, 12 * MS, &late), Err(DropReason::Replayed));
    // By time.
    let (mut three, mut four) = pair::<RingAead>(change);
    let late = [sealed(&mut three, 1, 2), sealed(&mut three, 1, 2)];
    for (end, other) in [(&mut three, 2), (&mut four, 1)] {
        end.install(2, peer(other, 2), keys(3 - other, other, 2)).unwrap();
    }
    let new = sealed(&mut three, 20 * MS, 2);
    assert_eq!(give(&mut four, 20 * MS, &new), Ok(()));
    assert_eq!(give(&mut four, 119 * MS, &late[0]), Ok(()));
    assert_eq!(give(&mut four, 120 * MS, &late[1]), Err(DropReason::Epoch));
    // By count.
    let late = sealed(&mut one, 1, 2);
    assert_eq!(one.session(2).unwrap().epoch, 2);
    assert_eq!(give(&mut two, 13 * MS, &late), Ok(()));
    two.install(14 * MS, peer(1, 3), keys(2, 1, 3)).unwrap();
    let late = sealed(&mut one, 14 * MS, 2);
    one.install(14 * MS, peer(2, 3), keys(1, 2, 3)).unwrap();
    for _ in 0..50 {
        let new = sealed(&mut one, 30 * MS, 2);
        assert_eq!(give(&mut two, 30 * MS, &new), Ok(()));
    }
    assert_eq!(give(&mut two, 30 * MS, &late), Err(DropReason::Epoch));
}

#[test]
fn keys_are_used_once_and_run_out_by_name() {
    let (mut one, _) = pair::<RingAead>(|config| {
        config.key_frames_max = 5;
        config.rotate_after_frames = 3;
    });
    let mut out = Out::new();
    assert_eq!(one.install(1, peer(2, 1), keys(1, 2, 1)), Err(InstallError::Reused { epoch: 1 }));
    for sent in 0..5 {
        assert_eq!(one.session(2).unwrap().wants_rotation, sent >= 3);
        one.seal(1, 2, Kind::Ekk, b"x", &mut out).unwrap();
    }
    assert_eq!(one.seal(1, 2, Kind::Ekk, b"x", &mut out), Err(SendError::KeysExhausted { epoch: 1 }));
    assert!(out.bytes().is_empty());
    // Nothing goes out by itself either, and polling ends.
    one.send_command(1, 2, 0, b"x").unwrap();
    one.poll(2, |_, _, _| panic!("sealed with a key that is used up"));
    assert!(one.next_deadline_ns().unwrap() > 2);
    // The session ends and comes back: the used keys are still known, another connection may count epochs from 1.
    one.remove(2, Gone::Closed);
    assert_eq!(one.install(3, peer(2, 1), keys(1, 2, 1)), Err(InstallError::Reused { epoch: 1 }));
    assert!(one.install(3, peer(2, 1), keys(1, 2, 77)).unwrap().resumed);
    one.seal(4, 2, Kind::Ekk, b"x", &mut out).unwrap();
    assert_eq!(one.install(5, peer(2, 2), keys(1, 2, 1)), Err(InstallError::Reused { epoch: 2 }));
}

// decisions:CLU-19: nodes of two versions talk in the older one; phase and round come with the newer one.
#[test]
fn two_wire_versions_are_spoken() {
    let old = Versions { low: 1, high: 1 };
    assert_eq!(Versions::ALL.common(old), Some(1));
    assert_eq!(Versions::ALL.common(Versions::ALL), Some(2));
    assert_eq!(old.common(Versions { low: 2, high: 2 }), None);
    let (mut one, mut two) = (endpoint::<RingAead>(1, |_| {}), endpoint::<RingAead>(2, |config| config.versions = old));
    assert_eq!(two.install(0, peer(1, 1), keys(2, 1, 1)), Err(InstallError::Version { version: 2 }));
    two.install(0, PeerInfo { wire_version: 1, ..peer(1, 1) }, keys(2, 1, 1)).unwrap();
    one.install(0, PeerInfo { wire_version: 1, ..peer(2, 1) }, keys(1, 2, 1)).unwrap();
    one.set_round(2, 9);
    let frame = sealed(&mut one, 1, 2);
    assert_eq!(give(&mut two, 1, &frame), Ok(()));
    assert_eq!(two.session(1).unwrap().round, 0);
    // The old node is replaced by a new one: the next keys come with version 2, in the same session.
    one.install(2, PeerInfo { wire_version: 2, ..peer(2, 2) }, keys(1, 2, 2)).unwrap();
    assert_eq!(sealed(&mut one, 2, 2)[0], 2);
}

// decisions:CLU-5: the least important, least recently used session gives way; it leaves a memory.
#[test]
fn sessions_give_way_by_class_and_use() {
    let mut one = endpoint::<Plain>(1, |config| {
        config.max_sessions = 4;
        config.max_parked = 2;
    });
    let kept = [KeptFor::BRAID, KeptFor::WATCH, KeptFor::NEIGHBOUR, KeptFor::RECENT];
    let install = |one: &mut Endpoint<Plain>, now_ns, id, kept_for| {
        one.install(now_ns, PeerInfo { kept_for, ..peer(id, 1) }, keys(1, id, now_ns as u32)).unwrap().evicted
    };
    for (at, kept_for) in kept.into_iter().enumerate() {
        assert_eq!(install(&mut one, at as u64, 10 + at as u32, kept_for), None);
    }
    assert_eq!(install(&mut one, 10, 20, KeptFor::NEIGHBOUR), Some(13), "recent first");
    let mut out = Out::new();
    one.seal(11, 12, Kind::Ekk, b"used", &mut out).unwrap();
    assert_eq!(install(&mut one, 12, 21, KeptFor::NEIGHBOUR), Some(20), "then the neighbour that was used longer ago");
    assert!(one.keep_for(12, KeptFor::WATCH.with(KeptFor::NEIGHBOUR)));
    assert_eq!(install(&mut one, 13, 22, KeptFor::WATCH), Some(21));
    assert_eq!(install(&mut one, 14, 23, KeptFor::WATCH), Some(11), "then watch links; a braid stays");
    assert_eq!(one.sessions().count(), 4);
    assert!(one.has_session(10) && !one.has_session(11));
    assert_eq!(one.seal(15, 11, Kind::Ekk, b"x", &mut out), Err(SendError::NoSession { peer: 11 }));
    assert_eq!((one.totals().evicted, one.totals().forgotten), (4, 2));
    assert_eq!(one.session(12).unwrap().kept_for.name(), "watch");
}

// decisions:CLU-12: what is unacknowledged when the peer's boot ends is in doubt, with its bytes; what follows starts anew.
#[test]
fn commands_come_into_doubt_when_a_boot_ends() {
    let (one, two) = pair::<Plain>(|_| {});
    let mut net = Net::new(1, NONE, [one, two]);
    let end = &mut net.node(1).end;
    let first = end.send_command(0, 2, 7, b"first").unwrap();
    (0..5).for_each(|_| net.step(MS));
    assert_eq!(net.node(2).log.commands.len(), 1);
    net.faults.loss = 100;
    let now_ns = net.now_ns;
    let second = net.node(1).end.send_command(now_ns, 2, 7, b"second").unwrap();
    net.step(MS);
    let now_ns = net.now_ns;
    let third = net.node(1).end.send_command(now_ns, 2, 8, b"third").unwrap();
    let end = &mut net.node(1).end;
    assert!(end.session(2).unwrap().commands_open == 2 && first != second);
    // The peer comes back as another boot.
    let reborn = PeerInfo { boot_id: 4_711, ..peer(2, 1) };
    let installed = end.install(now_ns, reborn, keys(1, 2, 50)).unwrap();
    assert_eq!((installed.in_doubt, installed.resumed), (2, false));
    let doubts: Vec<_> = end.in_doubt(2).map(|d| (d.id, d.stream, d.tries, d.bytes.to_vec())).collect();
    assert_eq!(doubts, [(second, 7, 1, b"second".to_vec()), (third, 8, 0, b"third".to_vec())]);
    assert_eq!(end.in_doubt(9).count(), 0);
    assert_eq!(end.in_doubt(0).count(), 2);
    assert_eq!(end.session(2).unwrap().commands_open, 0);
    assert!(end.resolve(second) && !end.resolve(second));
    assert_eq!((end.in_doubt(0).count(), end.totals().in_doubt), (1, 2));
    // Told dead: the same.
    assert_eq!(end.send_command(now_ns, 2, 0, b"fourth").unwrap().seq, 1);
    assert_eq!(end.remove(2, Gone::BootEnded), 1);
    assert_eq!(end.in_doubt(2).count(), 2);
    assert_eq!(end.send_command(now_ns, 2, 0, b"x"), Err(CommandError::NoSession { peer: 2 }));
}

#[test]
fn the_list_of_doubts_is_bounded_and_says_what_it_lost() {
    let (mut one, _) = pair::<Plain>(|config| config.in_doubt_max = 5);
    for number in 0..8_u8 {
        one.send_command(0, 2, 0, &[number]).unwrap();
    }
    assert_eq!(one.remove(2, Gone::BootEnded), 8);
    assert_eq!(one.in_doubt(2).map(|doubt| doubt.bytes[0]).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert_eq!((one.totals().in_doubt, one.totals().in_doubt_lost), (8, 3));
}

// rse:U3, decisions:CLU-12: five tries, then it counts as missed, and it is tried on until the boot ends.
#[test]
fn rse_u3_a_command_is_missed_and_tried_on() {
    let (one, two) = pair::<Plain>(|config| config.ping_interval_ns = 0);
    let mut net = Net::new(1, Faults { loss: 100, duplicate: 0, reorder: 0 }, [one, two]);
    net.node(1).end.send_command(0, 2, 0, b"patience").unwrap();
    let mut tries = Vec::new();
    for step in 0..40_000_u64 {
        net.now_ns = step * MS / 10;
        let mut sent = 0;
        let now_ns = net.now_ns;
        net.node(1).end.poll(now_ns, |_, _, bytes| sent += u32::from(bytes[1] == Kind::Command as u8));
        if sent > 0 {
            tries.push(step / 10);
            assert_eq!(net.node(1).end.session(2).unwrap().missed, u64::from(tries.len() > 5));
        }
    }
    // Unknown round-trip time: 50 ms, doubled each time up to a second.
    assert_eq!(tries, [0, 50, 150, 350, 750, 1_550, 2_550, 3_550]);
    net.faults.loss = 0;
    (0..20_000).for_each(|_| net.step(MS / 10));
    assert_eq!(net.node(2).log.commands, [(0, 1, b"patience".to_vec())]);
    let view = net.node(1).end.session(2).unwrap();
    assert_eq!((view.commands_open, view.commands_acked, view.missed), (0, 1, 1));
}

// A session that is closed and comes back goes on where it was: nothing twice, nothing lost, nothing in doubt.
#[test]
fn a_session_that_comes_back_goes_on() {
    let (one, two) = pair::<Plain>(|_| {});
    let mut net = Net::new(5, Faults { loss: 30, duplicate: 20, reorder: 20 }, [one, two]);
    let mut number = 0_u64;
    for epoch in 2..40_u32 {
        for _ in 0..10 {
            let now_ns = net.now_ns;
            if net.node(1).end.send_command(now_ns, 2, 0, &number.to_le_bytes()).is_ok() {
                number += 1;
            }
            net.step(MS);
        }
        for (id, other) in [(1, 2), (2, 1)] {
            let now_ns = net.now_ns;
            let end = &mut net.node(id).end;
            end.remove(other, Gone::Closed);
            assert!(end.install(now_ns, peer(other, epoch), keys(id, other, epoch)).unwrap().resumed);
        }
    }
    (0..20_000).for_each(|_| net.step(MS));
    let taken: Vec<u64> =
        net.node(2).log.commands.iter().map(|(_, _, b)| u64::from_le_bytes(b[..].try_into().unwrap())).collect();
    assert_eq!(taken, (0..number).collect::<Vec<_>>());
    assert_eq!(net.node(1).end.totals().in_doubt, 0);
}

// Aim: a receiver that has forgotten its peer never takes a command twice. Method: it takes one whose acknowledgement is lost, forgets,
// and comes back; with the sender's session gone too, and with it still there.
#[test]
fn a_receiver_that_forgot_takes_nothing_twice() {
    for both in [false, true] {
        let one = endpoint::<Plain>(1, |_| {});
        let two = endpoint::<Plain>(2, |config| {
            config.max_sessions = 1;
            config.max_parked = 0;
        });
        let mut net = Net::new(1, NONE, [one, two]);
        net.node(1).end.install(0, peer(2, 1), keys(1, 2, 1)).unwrap();
        net.node(2).end.install(0, peer(1, 1), keys(2, 1, 1)).unwrap();
        let sent = net.node(1).end.send_command(0, 2, 3, b"once").unwrap();
        net.step(MS);
        net.faults.loss = 100;
        net.step(MS);
        assert_eq!(net.node(2).log.commands.len(), 1, "taken, and the acknowledgement is lost");
        assert_eq!(net.node(1).end.session(2).unwrap().commands_open, 1);
        // Another peer takes the only place; then the first one comes back.
        let now_ns = net.now_ns;
        let end = &mut net.node(2).end;
        assert_eq!(end.install(now_ns, peer(9, 1), keys(2, 9, 1)).unwrap().evicted, Some(1));
        assert!(!end.install(now_ns, peer(1, 2), keys(2, 1, 2)).unwrap().resumed);
        if both {
            net.node(1).end.remove(2, Gone::Closed);
        }
        net.node(1).end.install(now_ns, peer(2, 2), keys(1, 2, 2)).unwrap();
        net.faults.loss = 0;
        (0..1_000).for_each(|_| net.step(MS));
        assert_eq!(net.node(2).log.commands.len(), 1, "not taken twice");
        let end = &mut net.node(1).end;
        assert_eq!(end.in_doubt(2).map(|doubt| doubt.id).collect::<Vec<_>>(), [sent]);
        // The stream goes on under another generation.
        let now_ns = net.now_ns;
        let next = net.node(1).end.send_command(now_ns, 2, 3, b"next").unwrap();
        assert!(next.generation > sent.generation && next.seq == 1);
        (0..10).for_each(|_| net.step(MS));
        assert_eq!(net.node(2).log.commands[1].2, b"next");
    }
}

// The other way round: a sender that forgot its receiver begins a stream that the receiver does not mistake for the old one.
#[test]
fn a_sender_that_forgot_begins_anew() {
    let one = endpoint::<Plain>(1, |config| {
        config.max_sessions = 1;
        config.max_parked = 0;
    });
    let mut net = Net::new(1, NONE, [one, endpoint::<Plain>(2, |_| {})]);
    for epoch in 1..5_u32 {
        for (id, other) in [(1, 2), (2, 1)] {
            let now_ns = net.now_ns;
            net.node(id).end.install(now_ns, peer(other, epoch), keys(id, other, epoch)).unwrap();
        }
        let now_ns = net.now_ns;
        net.node(1).end.send_command(now_ns, 2, 0, &epoch.to_le_bytes()).unwrap();
        // The new keys are used after a while.
        (0..400).for_each(|_| net.step(MS));
        let now_ns = net.now_ns;
        net.node(1).end.install(now_ns, peer(9, epoch), keys(1, 9, epoch)).unwrap();
    }
    let taken: Vec<&Vec<u8>> = net.node(2).log.commands.iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(taken, [1_u32, 2, 3, 4].map(u32::to_le_bytes).each_ref());
}

// No room at the receiver's caller: the command waits there, unacknowledged, and the order holds.
#[test]
fn a_full_receiver_holds_commands_back() {
    let (one, two) = pair::<Plain>(|config| config.command_window = 8);
    let mut net = Net::new(1, NONE, [one, two]);
    net.node(2).log.is_full = true;
    for number in 0..8_u8 {
        net.node(1).end.send_command(0, 2, 0, &[number]).unwrap();
    }
    assert_eq!(net.node(1).end.send_command(0, 2, 0, b"9"), Err(CommandError::Full { window: 8 }));
    (0..10).for_each(|_| net.step(MS));
    assert_eq!(net.node(1).end.session(2).unwrap().commands_open, 8, "arrived is not taken");
    assert!(net.node(2).log.refused > 0);
    let retransmitted = net.node(1).end.session(2).unwrap().retransmitted;
    net.node(2).log.is_full = false;
    (0..200).for_each(|_| net.step(MS));
    assert_eq!(net.node(2).log.commands.iter().map(|(_, _, b)| b[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    let view = net.node(1).end.session(2).unwrap();
    assert_eq!(view.commands_open, 0);
    assert!(view.retransmitted <= retransmitted + 1, "what has arrived is not sent again: {}", view.retransmitted);
}

#[test]
fn what_does_not_fit_is_refused_with_the_limit() {
    let (mut one, _) = pair::<Plain>(|_| {});
    let mut out = Out::new();
    let max = 1_472 - 40;
    one.seal(1, 2, Kind::Ekk, &vec![0; max], &mut out).unwrap();
    assert_eq!(out.bytes().len(), 1_472);
    let error = one.seal(1, 2, Kind::Ekk, &vec![0; max + 1], &mut out);
    assert_eq!(error, Err(SendError::TooLong { bytes: max + 1, max }));
    assert_eq!(one.seal(1, 2, Kind::Ack, b"x", &mut out), Err(SendError::Kind));
    assert_eq!(one.seal_projection(1, 2, 8, 1, 1, b"x", &mut out), Err(SendError::Edge { edge: 8, max: 8 }));
    assert_eq!(
        one.seal_projection(1, 2, 0, 1, 1, &[0; 8_193], &mut out),
        Err(SendError::TooLong { bytes: 8_193, max: 8_192 })
    );
    assert_eq!(one.send_command(1, 2, 0, &[0; 1_025]), Err(CommandError::TooLong { bytes: 1_025, max: 1_024 }));
    let bad = Endpoint::<Plain>::new(Config { command_window: 65, ..Config::new(1, 1, 1) }).unwrap_err();
    assert_eq!((bad.key, bad.value, bad.min, bad.max), ("command_window", 65, 8, 64));
    assert_eq!(one.install(1, PeerInfo { boot_id: boot_of(1), ..peer(1, 1) }, keys(1, 1, 1)), Err(InstallError::Own));
}
