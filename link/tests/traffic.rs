//! Traffic between two endpoints over a network with faults.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod support;

use link::aead::{Plain, RingAead};
use link::{CommandError, Kind, Out, SendError};
use support::{Faults, MS, Net, TestKey, address_of, pair};

const NONE: Faults = Faults { loss: 0, duplicate: 0, reorder: 0 };

/// Both send messages, projections and commands until `datagrams` went over the network, then only what is open is finished.
fn traffic<A: TestKey>(seed: u64, faults: Faults, datagrams: u64) {
    let (one, two) = pair::<A>(|config| config.mtu_bytes = 1_400);
    let mut net = Net::new(seed, faults, [one, two]);
    let mut out = Out::new();
    let (mut commands, mut seq) = ([0_u64; 3], 0_u64);
    let projection: Vec<u8> = (0..5_120_u32).map(|at| at as u8).collect();
    while net.sent < datagrams {
        seq += 1;
        for (from, to) in [(1_u32, 2_u32), (2, 1)] {
            net.ekk(from, to, &seq.to_le_bytes(), &mut out);
            let now_ns = net.now_ns;
            let end = &mut net.node(from).end;
            // Every third time a torus starts again under a new boot.
            let boot = 7 + seq / 300;
            end.seal_projection(now_ns, to, 3, boot, seq % 300 + 1, &projection, &mut out).unwrap();
            net.put_out(from, to, &out);
            while commands[from as usize] < seq * 3 {
                let number = commands[from as usize];
                match net.node(from).end.send_command(now_ns, to, 5, &number.to_le_bytes()) {
                    Ok(_) => commands[from as usize] += 1,
                    Err(CommandError::Full { window: 32 }) => break,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        net.step(MS);
    }
    for _ in 0..200_000 {
        net.step(MS);
        if [1, 2].iter().all(|&id| net.node(id).end.session(3 - id).unwrap().commands_open == 0) {
            break;
        }
    }
    for (id, other) in [(1, 2), (2, 1)] {
        let sent = commands[id as usize];
        let node = net.node(other);
        let taken: Vec<u64> =
            node.log.commands.iter().map(|(_, _, b)| u64::from_le_bytes(b[..].try_into().unwrap())).collect();
        assert_eq!(taken, (0..sent).collect::<Vec<_>>(), "in order, each once, none missing");
        let messages: std::collections::BTreeSet<_> = node.log.ekk.iter().collect();
        assert_eq!(messages.len(), node.log.ekk.len(), "no message twice");
        assert!(messages.len() as u64 * 100 >= seq * (95 - faults.loss), "{} of {seq}", messages.len());
        assert!(node.log.projections[&(id, 3)].2 > seq / 20, "projections get through");
        assert_eq!(node.log.last_projection, projection);
        let view = node.end.session(id).unwrap();
        let loss = u64::from(view.loss_ppm) / 10_000;
        assert!(loss <= faults.loss + 2 && loss + 2 >= faults.loss, "loss {loss} % is shown for {} %", faults.loss);
        assert_eq!(view.drops.of(link::DropReason::Forged), 0);
        assert_eq!(node.log.moves, []);
        let log = &net.node(id).log;
        assert_eq!(log.acked.len() as u64, sent);
    }
}

// rse:U8, rse:U3, rse:U4, decisions:CLU-11: loss, duplication and reordering at 0, 1, 10 and 40 % and nothing is applied twice, in
// more than 10^5 datagrams.
#[test]
fn rse_u8_nothing_is_applied_twice_whatever_the_network_does() {
    for (at, percent) in [0, 1, 10, 40].into_iter().enumerate() {
        let faults = Faults { loss: percent, duplicate: percent, reorder: percent };
        traffic::<Plain>(at as u64, faults, 30_000);
    }
}

#[test]
fn rse_u8_the_same_with_real_keys() {
    traffic::<RingAead>(17, Faults { loss: 10, duplicate: 40, reorder: 40 }, 12_000);
}

// rse:U1: three segments at an MTU of 1500, one send.
#[test]
fn a_projection_is_cut_by_the_path() {
    let (mut one, mut two) = pair::<RingAead>(|config| config.projection_interval_ns = 0);
    let mut out = Out::new();
    let bytes: Vec<u8> = (0..4_232_u32).map(|at| (at * 7) as u8).collect();
    let mut log = support::Log::default();
    for (seq, (mtu, segments)) in [(1_400, 4), (1_500, 3), (9_000, 1)].into_iter().enumerate() {
        assert!(one.set_mtu(2, mtu));
        let count = one.seal_projection(1, 2, 0, 9, seq as u64 + 1, &bytes, &mut out).unwrap();
        assert_eq!(count, segments);
        assert_eq!(out.datagrams().count(), segments);
        assert_eq!(out.address(), Some(address_of(2)));
        let sizes: Vec<usize> = out.datagrams().map(<[u8]>::len).collect();
        assert!(sizes.iter().all(|&size| size <= mtu - 28), "{sizes:?}");
        assert!(sizes[..segments - 1].iter().all(|&size| Some(size) == out.segment_bytes()), "{sizes:?}");
        assert!(sizes[segments - 1] <= sizes[0]);
        // Any order.
        for datagram in out.datagrams().collect::<Vec<_>>().into_iter().rev() {
            two.receive(2, address_of(1), &mut datagram.to_vec(), &mut log).unwrap();
        }
        assert_eq!(log.last_projection, bytes);
    }
    assert_eq!(log.projections[&(1, 0)], (9, 3, 3));
    assert_eq!(one.edge(2, 0).unwrap().sent, 3);
    let view = two.edge(1, 0).unwrap();
    assert_eq!((view.taken, view.missed, view.older, view.incomplete), (3, 0, 0, 0));
}

// decisions:CLU-11: a newer one is taken whatever is missing before it, an older one never; the cap of an edge is counted.
#[test]
fn the_newest_projection_wins() {
    let (mut one, mut two) = pair::<Plain>(|config| config.projection_interval_ns = 0);
    let (mut out, mut log) = (Out::new(), support::Log::default());
    let mut sealed = |boot, seq| {
        one.seal_projection(1, 2, 0, boot, seq, &[seq as u8; 3_000], &mut out).unwrap();
        out.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let parts: Vec<Vec<Vec<u8>>> =
        [(4, 1), (4, 5), (4, 6), (4, 7), (4, 9), (5, 1), (4, 10), (5, 1)].map(|(boot, seq)| sealed(boot, seq)).into();
    let mut give = |at: usize, part: usize, log: &mut support::Log| {
        two.receive(2, address_of(1), &mut parts[at][part].clone(), log)
    };
    // 1 whole; 5, 6 begun; 7 begun drops 5; 6 whole drops nothing newer; 9 whole drops 7; then 5 is late.
    (0..3).for_each(|part| give(0, part, &mut log).unwrap());
    give(1, 0, &mut log).unwrap();
    give(2, 0, &mut log).unwrap();
    give(3, 0, &mut log).unwrap();
    assert_eq!(give(1, 1, &mut log), Err(link::DropReason::NoRoom));
    (1..3).for_each(|part| give(2, part, &mut log).unwrap());
    (0..3).for_each(|part| give(4, part, &mut log).unwrap());
    assert_eq!(give(1, 2, &mut log), Err(link::DropReason::Older));
    assert_eq!(log.projections[&(1, 0)], (4, 9, 3));
    // Another boot, then an echo of the earlier one, sealed later by a confused sender; then the same one again.
    (0..3).for_each(|part| give(5, part, &mut log).unwrap());
    (0..3).for_each(|part| assert_eq!(give(6, part, &mut log), Err(link::DropReason::Older)));
    (0..3).for_each(|part| assert_eq!(give(7, part, &mut log), Err(link::DropReason::Older)));
    assert_eq!(log.projections[&(1, 0)], (5, 1, 4));
    let view = two.edge(1, 0).unwrap();
    assert_eq!((view.taken, view.missed, view.incomplete), (4, 3 + 1 + 2, 3));
}

#[test]
fn an_edge_is_capped_and_says_so() {
    let (mut one, _) = pair::<Plain>(|config| config.mtu_bytes = 1_500);
    let mut out = Out::new();
    let mut sent = 0;
    for step in 0..10_000_u64 {
        match one.seal_projection(step * 100_000, 2, 1, 9, step + 1, &[0; 64], &mut out) {
            Ok(1) => sent += 1,
            Err(SendError::Coalesced { again_ns }) => assert!(again_ns <= MS && out.bytes().is_empty()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sent, 1_000, "1 kHz for one second");
    assert_eq!(one.edge(2, 1).unwrap().coalesced, 9_000);
}

// rse:U6, rse:U7: heartbeats with phase and round; round-trip times and the time to an acknowledgement.
#[test]
fn a_quiet_link_beats_and_measures() {
    let (one, two) = pair::<RingAead>(|config| {
        config.ping_interval_ns = 100 * MS;
        config.heartbeat_interval_ns = 30 * MS;
    });
    let mut net = Net::new(3, NONE, [one, two]);
    net.node(1).end.set_round(2, 77);
    for _ in 0..1_000 {
        net.step(MS / 2);
    }
    net.node(1).end.send_command(500 * MS, 2, 0, b"once").unwrap();
    (0..10).for_each(|_| net.step(MS / 2));
    let heard = &net.node(2).log.heartbeats;
    assert!(heard.len() > 10, "{}", heard.len());
    assert!(heard.iter().zip(1..).all(|(&beat, count)| beat == (count, 2, 77)), "{heard:?}");
    assert!(net.node(1).log.rtts.len() >= 5);
    let view = net.node(1).end.session(2).unwrap();
    // Both ways take 100 us and wait for the next half millisecond; the time the pong was held is taken off.
    assert!((200_000..=1_100_000).contains(&view.srtt_ns), "{}", view.srtt_ns);
    assert!(view.rtt_p50_ns >= 200_000 && view.rtt_p99_ns >= view.rtt_p50_ns);
    assert!(view.ack_p50_ns >= 200_000 && view.ack_p99_ns <= 2_000_000);
    let view = net.node(2).end.session(1).unwrap();
    assert_eq!((view.phase, view.round), (2, 77));
    assert_eq!(view.lost, 0);
}

// decisions:CLU-19: projections and commands wait under the cap, coordination does not.
#[test]
fn the_bandwidth_cap_holds_back_and_counts() {
    let (mut one, _) = pair::<Plain>(|config| {
        config.bandwidth_bytes_per_s = 100_000;
        config.bandwidth_burst_bytes = 10_000;
        config.projection_interval_ns = 0;
    });
    let mut out = Out::new();
    let mut held = 0;
    for step in 0..1_000_u64 {
        match one.seal_projection(step * MS, 2, 0, 9, step + 1, &[1; 1_000], &mut out) {
            Ok(_) => {}
            Err(SendError::Bandwidth { again_ns }) => {
                assert!(again_ns > 0);
                held += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(one.totals().sent_bytes <= 112_000, "{}", one.totals().sent_bytes);
    assert_eq!(one.totals().held_back, held);
    let now_ns = 1_000 * MS;
    one.send_command(now_ns, 2, 0, b"wait").unwrap();
    // Coordination may run into debt by one burst.
    (0..30).for_each(|_| one.seal(now_ns, 2, Kind::Ekk, &[0; 1_000], &mut out).unwrap());
    let mut sent = 0;
    one.poll(now_ns, |_, _, _| sent += 1);
    let open = one.session(2).unwrap();
    assert_eq!((open.commands_open, open.retransmitted), (1, 0));
    let again_ns = one.next_deadline_ns().unwrap();
    assert!(again_ns > now_ns);
    let mut commands = 0;
    one.poll(now_ns + 200 * MS, |_, _, bytes| commands += usize::from(bytes[1] == Kind::Command as u8));
    assert_eq!(commands, 1);
}
