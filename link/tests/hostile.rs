//! Strangers, tampering and replays: refused by name, at the cheapest point, and nothing changes.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod support;

use link::aead::{Plain, RingAead};
use link::frame::{Header, HeaderError, fold_boots, fold_cluster, header_bytes, overhead_bytes};
use link::{DropReason, Endpoint, Kind, Out};
use proptest::prelude::*;
use support::{CLUSTER, Log, TestKey, address_of, boot_of, endpoint, keys, pair, peer};

fn sealed<A: TestKey>(end: &mut Endpoint<A>, to: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Out::new();
    end.seal(1, to, Kind::Ekk, payload, &mut out).unwrap();
    out.bytes().to_vec()
}

/// Gives a datagram that must be refused; says why and holds that nothing but counts has changed, and how many were opened.
fn refused<A: TestKey>(end: &mut Endpoint<A>, datagram: &[u8]) -> (DropReason, u64) {
    let (hash, before) = (end.state_hash(), end.totals());
    let mut log = Log::default();
    // From an address that must not be learned, later than anything else.
    let reason = end.receive(9_999_999, address_of(99), &mut datagram.to_vec(), &mut log).unwrap_err();
    let after = end.totals();
    assert_eq!(end.state_hash(), hash, "{reason:?} changed the state");
    assert_eq!(after.drops.of(reason), before.drops.of(reason) + 1);
    assert_eq!(after.drops.total(), before.drops.total() + 1);
    assert_eq!(format!("{log:?}"), format!("{:?}", Log::default()), "nothing was handed over");
    assert!(reason.is_unproven());
    (reason, after.opened - before.opened)
}

// rse:U2, decisions:CLU-4: aim: whoever has no key costs no opening; each cheap check has its name.
#[test]
fn rse_u2_strangers_and_replays_are_refused_before_anything_is_opened() {
    let (mut one, mut two) = pair::<RingAead>(|_| {});
    let good = sealed(&mut one, 2, b"good");
    let (mut three, mut foreign) = (endpoint::<RingAead>(3, |_| {}), endpoint::<RingAead>(1, |c| c.cluster_id ^= 1));
    three.install(0, peer(2, 1), keys(3, 2, 1)).unwrap();
    foreign.install(0, peer(2, 1), keys(1, 2, 1)).unwrap();
    let mut reborn = endpoint::<RingAead>(1, |config| config.boot_id = 5);
    reborn.install(0, peer(2, 1), keys(1, 2, 1)).unwrap();
    let mut later = endpoint::<RingAead>(1, |_| {});
    later.install(0, peer(2, 9), keys(1, 2, 9)).unwrap();
    let mut narrow = endpoint::<RingAead>(4, |config| config.versions.high = 1);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (datagram, reason) in [
        (Vec::new(), DropReason::TooShort),
        (good[..overhead_bytes(1) - 1].to_vec(), DropReason::TooShort),
        (good[..overhead_bytes(2) - 1].to_vec(), DropReason::TooShort),
        (vec![1; 9_217], DropReason::TooLong),
        (with(0, 0), DropReason::Version),
        (with(0, 3), DropReason::Version),
        (with(1, 0), DropReason::Kind),
        (with(1, 8), DropReason::Kind),
        (sealed(&mut foreign, 2, b"x"), DropReason::Cluster),
        (sealed(&mut two, 1, b"x"), DropReason::Own),
        (sealed(&mut three, 2, b"x"), DropReason::UnknownSender),
        (sealed(&mut reborn, 2, b"x"), DropReason::Boot),
        (sealed(&mut later, 2, b"x"), DropReason::Epoch),
    ] {
        assert_eq!(refused(&mut two, &datagram), (reason, 0));
    }
    assert_eq!(refused(&mut narrow, &good), (DropReason::Version, 0));
    let mut log = Log::default();
    two.receive(5, address_of(1), &mut good.clone(), &mut log).unwrap();
    assert_eq!((log.ekk, two.totals().opened), (vec![b"good".to_vec()], 1));
    // The same again, as often as it pleases.
    for _ in 0..10 {
        assert_eq!(refused(&mut two, &good), (DropReason::Replayed, 0));
    }
    // Far ahead, then an old one that was never seen.
    let old = sealed(&mut one, 2, b"old");
    let mut last = Vec::new();
    (0..1_000).for_each(|_| last = sealed(&mut one, 2, b"new"));
    two.receive(6, address_of(1), &mut last, &mut Log::default()).unwrap();
    assert_eq!(refused(&mut two, &old), (DropReason::Stale, 0));
    assert_eq!(two.session(1).unwrap().lost, 1_000, "skipped and not seen");
}

// rse:U8: every single flipped bit is refused, for every kind, both wire versions and both algorithms.
#[test]
fn every_flipped_bit_is_refused_and_changes_nothing() {
    // Little memory: the state is hashed twice for each bit.
    let small = |config: &mut link::Config| {
        (config.max_sessions, config.max_parked, config.max_edges) = (1, 0, 1);
        (config.command_window, config.command_bytes_max, config.projection_bytes_max) = (8, 32, 600);
        config.in_doubt_max = 0;
    };
    for (epoch, version) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let (mut one, mut two) = (endpoint::<RingAead>(1, small), endpoint::<RingAead>(2, small));
        one.install(0, link::PeerInfo { wire_version: version, ..peer(2, epoch) }, keys(1, 2, epoch)).unwrap();
        two.install(0, link::PeerInfo { wire_version: version, ..peer(1, epoch) }, keys(2, 1, epoch)).unwrap();
        one.set_round(3, 0x0102_0304);
        let mut frames = vec![sealed(&mut one, 2, b"a message")];
        let mut out = Out::new();
        one.set_mtu(2, 576);
        one.seal_projection(1, 2, 0, 4, 5, &[1; 600], &mut out).unwrap();
        frames.extend(out.datagrams().map(<[u8]>::to_vec));
        one.send_command(1, 2, 0, b"a command").unwrap();
        one.poll(2, |_, _, bytes| frames.push(bytes.to_vec()));
        assert!(frames.len() >= 5, "{} frames: message, segments, command, ping, heartbeat or less", frames.len());
        for frame in &frames {
            let mut opened = 0;
            for bit in 0..frame.len() * 8 {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                opened += refused(&mut two, &bad).1;
            }
            // What lies behind the header is found by the tag only; in the header, sequence and round as well.
            assert!(opened >= (frame.len() - header_bytes(version)) as u64 * 8);
        }
        for frame in &frames {
            for cut in 0..frame.len() {
                refused(&mut two, &frame[..cut]);
            }
            two.receive(3, address_of(1), &mut frame.clone(), &mut Log::default()).unwrap();
        }
    }
}

// Frames of one direction, one pair, one epoch are good for no other.
#[test]
fn a_frame_is_good_for_one_receiver_only() {
    // The same key everywhere: only the associated data tells them apart.
    let same = || link::SessionKeys { send: Plain::new(7), receive: Plain::new(7) };
    let (mut one, mut two) = (endpoint::<Plain>(1, |_| {}), endpoint::<Plain>(2, |_| {}));
    // Boots that fold to the same sixteen bits, a cluster that does too.
    let twin =
        (0_u64..).map(|n| 0xffff_0000 + n).find(|&b| fold_boots(boot_of(1), b) == fold_boots(boot_of(1), boot_of(2)));
    let cluster = (0_u64..).find(|&c| c != CLUSTER && fold_cluster(c) == fold_cluster(CLUSTER)).unwrap();
    one.install(0, peer(2, 1), same()).unwrap();
    two.install(0, peer(1, 1), same()).unwrap();
    let good = sealed(&mut one, 2, b"good");
    let mut others = [
        endpoint::<Plain>(2, |config| config.boot_id = twin.unwrap()),
        endpoint::<Plain>(2, |config| config.cluster_id = cluster),
        endpoint::<Plain>(5, |config| config.boot_id = boot_of(2)),
        endpoint::<Plain>(2, |_| {}),
    ];
    for (at, other) in others.iter_mut().enumerate() {
        let epoch = if at == 3 { 257 } else { 1 };
        other.install(0, peer(1, epoch), same()).unwrap();
        assert_eq!(refused(other, &good), (DropReason::Forged, 1));
    }
    // Back to its sender under the peer's name.
    let mut back = good.clone();
    back[4..8].copy_from_slice(&2_u32.to_le_bytes());
    back[10..12].copy_from_slice(&fold_boots(boot_of(2), boot_of(1)).to_le_bytes());
    assert_eq!(refused(&mut one, &back), (DropReason::Forged, 1));
    two.receive(1, address_of(1), &mut good.clone(), &mut Log::default()).unwrap();
}

// decisions:CLU-19: the address follows the newest proven datagram, not an old one, not a forged one.
#[test]
fn the_address_follows_the_newest_proven_datagram() {
    let (mut one, mut two) = pair::<RingAead>(|_| {});
    let (first, second, third) = (sealed(&mut one, 2, b"1"), sealed(&mut one, 2, b"2"), sealed(&mut one, 2, b"3"));
    let mut log = Log::default();
    two.receive(1, address_of(1), &mut first.clone(), &mut log).unwrap();
    assert_eq!(log.moves, []);
    two.receive(2, address_of(50), &mut third.clone(), &mut log).unwrap();
    assert_eq!(log.moves, [(Some(address_of(1)), address_of(50))]);
    two.receive(3, address_of(60), &mut second.clone(), &mut log).unwrap();
    assert_eq!(
        two.session(1).unwrap().address,
        Some(address_of(50)),
        "an older one, delayed by whoever, moves nothing"
    );
    assert_eq!((log.moves.len(), two.session(1).unwrap().moves), (1, 1));
    let mut out = Out::new();
    two.seal(4, 1, Kind::Ekk, b"back", &mut out).unwrap();
    assert_eq!(out.address(), Some(address_of(50)));
}

proptest! {
    #[test]
    fn headers_round_trip(
        version in 1_u8..3, kind in 0_usize..7, epoch: u8, phase: u8, sender: u32, cluster: u16, boots: u16,
        sequence: u64, round: u32,
    ) {
        let (phase, round) = if version == 1 { (0, 0) } else { (phase, round) };
        let header =
            Header { version, kind: Kind::ALL[kind], epoch, phase, sender, cluster, boots, sequence, round };
        let mut bytes = [0; 64];
        let length = header.encode(&mut bytes);
        prop_assert!(length <= 24, "at most 24 bytes on the wire");
        prop_assert_eq!(Header::parse(&bytes), Ok(header));
        prop_assert_eq!(Header::parse(&bytes[..length + 15]), Err(HeaderError::TooShort));
    }

    #[test]
    fn any_datagram_from_a_stranger_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), flip in 0_usize..24) {
        let (mut one, mut two) = pair::<Plain>(|config| { config.max_sessions = 2; config.max_parked = 0; });
        refused(&mut two, &bytes);
        // A good header with anything behind it.
        let good = sealed(&mut one, 2, &bytes);
        let mut bad = good.clone();
        bad[24 + flip % (good.len() - 24)] ^= 0x40;
        prop_assert_eq!(refused(&mut two, &bad), (DropReason::Forged, 1));
    }
}
