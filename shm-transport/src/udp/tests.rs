//! Both ways of moving datagrams on loopback: whole, alone, counted, without allocation, and the kernel's refusals.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use nix::libc;

use super::*;
use crate::counting::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Longest any of these tests waits for something that must happen.
const GUARD: Duration = Duration::from_secs(20);
const BOTH: [Mode; 2] = [Mode::IoUring, Mode::Sockets];

fn options(mode: Mode) -> UdpOptions {
    UdpOptions { mode, ..UdpOptions::new((Ipv4Addr::LOCALHOST, 0).into()) }
}

fn open(options: &UdpOptions) -> Udp {
    Udp::open(options, Arc::default()).expect("loopback")
}

/// Receives until `wanted` datagrams are there; each with its sender.
fn gather(udp: &mut Udp, wanted: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut got, begun) = (Vec::new(), Instant::now());
    while got.len() < wanted && begun.elapsed() < GUARD {
        udp.wait(10_000_000);
        udp.receive(usize::MAX, &mut |from, bytes| got.push((from, bytes.to_vec())));
    }
    got
}

// rse:U5: what is sent arrives, from whom it came, in both ways and between them; the spinning receiver sees it, too.
#[test]
fn both_ways_carry_datagrams() {
    for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut sender, mut receiver) = (open(&options(BOTH[from])), open(&options(BOTH[to])));
        assert_eq!((sender.mode(), receiver.mode()), (BOTH[from], BOTH[to]));
        assert!(sender.reason().is_empty());
        for (length, spin) in [(0, false), (1, true), (1_472, false), (9_000, true), (16_384, false)] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert!(sender.queue(receiver.local_addr(), &bytes, None));
            sender.flush();
            let (mut got, begun) = (Vec::new(), Instant::now());
            while spin && got.is_empty() && begun.elapsed() < GUARD {
                receiver.receive(1, &mut |from, bytes| got.push((from, bytes.to_vec())));
            }
            if !spin {
                // An empty datagram gives no chunk of a buffer, and is nothing anybody sends.
                got = if length == 0 { Vec::new() } else { gather(&mut receiver, 1) };
            }
            if length > 0 {
                assert_eq!(got, [(sender.local_addr(), bytes)], "{from} {to} {length}");
            }
        }
        assert!(!sender.queue(receiver.local_addr(), &[0; 16_385], None));
        assert_eq!(sender.counters().too_long, 1);
    }
}

// A projection of 4 232 bytes over MTU 1 500 and over MTU 1 400: one send, whole datagrams at the other end, whether the sending
// kernel cuts or we do, and whether the receiving one joins or not.
#[test]
fn segments_arrive_as_datagrams() {
    for mode in BOTH {
        for (gso, gro, segment) in
            [(true, true, 1_472), (true, false, 1_372), (false, true, 1_372), (false, false, 1_472)]
        {
            let mut sender = open(&UdpOptions { gso, ..options(mode) });
            let mut receiver = open(&UdpOptions { gro, ..options(mode) });
            let bytes: Vec<u8> = (0..4_232u32).map(|at| (at / 7) as u8).collect();
            assert!(sender.queue(receiver.local_addr(), &bytes, Some(segment)));
            sender.flush();
            let got = gather(&mut receiver, bytes.len().div_ceil(usize::from(segment)));
            let pieces: Vec<&[u8]> = bytes.chunks(usize::from(segment)).collect();
            assert_eq!(got.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), pieces, "{mode:?} {gso} {gro}");
            assert_eq!(sender.gso(), gso);
            assert_eq!(
                (receiver.counters().received, receiver.counters().received_bytes),
                (pieces.len() as u64, 4_232)
            );
            sender.wait(0);
            assert_eq!((sender.counters().sent, sender.counters().sent_bytes), (pieces.len() as u64, 4_232));
        }
    }
}

// One socket, many peers: each datagram goes to its own and comes from its own.
#[test]
fn many_peers_share_one_socket() {
    for mode in BOTH {
        let mut hub = open(&options(mode));
        let mut peers: Vec<Udp> = (0..16).map(|_| open(&options(Mode::Sockets))).collect();
        for (at, peer) in peers.iter_mut().enumerate() {
            assert!(peer.queue(hub.local_addr(), &[at as u8; 100], None));
            peer.flush();
        }
        let mut got = gather(&mut hub, peers.len());
        got.sort_unstable_by_key(|(_, bytes)| bytes[0]);
        assert_eq!(got.len(), peers.len());
        for (at, (from, bytes)) in got.iter().enumerate() {
            assert_eq!((*from, &bytes[..]), (peers[at].local_addr(), &[at as u8; 100][..]));
            assert!(hub.queue(*from, &[at as u8 + 100; 64], None));
        }
        hub.flush();
        for (at, peer) in peers.iter_mut().enumerate() {
            assert_eq!(gather(peer, 1), [(hub.local_addr(), vec![at as u8 + 100; 64])]);
        }
    }
}

// More datagrams than there are buffers, again and again: buffers go back to the kernel, the request is made anew when it ran out.
#[test]
fn more_than_all_buffers_pass() {
    let mut receiver = open(&UdpOptions { buffers: 8, ..options(Mode::IoUring) });
    let mut sender = open(&options(Mode::IoUring));
    for round in 0..20u8 {
        for at in 0..20u8 {
            assert!(sender.queue(receiver.local_addr(), &[round, at], None));
        }
        sender.flush();
        let got = gather(&mut receiver, 20);
        let expected: Vec<Vec<u8>> = (0..20).map(|at| vec![round, at]).collect();
        assert_eq!(got.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), expected);
    }
    assert!(receiver.counters().starved > 0, "{:?}", receiver.counters());
}

// What the queue has no place for is refused and counted; nothing else is lost by it.
#[test]
fn a_full_queue_is_counted() {
    for mode in BOTH {
        let mut receiver = open(&options(mode));
        let mut sender = open(&UdpOptions { queue: 8, gso: false, ..options(mode) });
        assert!(!sender.queue(receiver.local_addr(), &[7; 100], Some(10)), "ten datagrams, eight places");
        assert_eq!((sender.counters().queue_full, sender.counters().sent), (1, 0));
        // Singly they pass: the queue is emptied into the kernel when it is full.
        for at in 0..20u8 {
            assert!(sender.queue(receiver.local_addr(), &[at], None));
        }
        sender.flush();
        assert_eq!(gather(&mut receiver, 20).len(), 20);
        assert_eq!(sender.counters().queue_full, 1);
    }
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_goes() {
    for mode in BOTH {
        let (mut sender, mut receiver) = (open(&options(mode)), open(&options(mode)));
        // A socket bound to loopback reaches no other host; one of IPv4 no address of IPv6.
        assert!(!sender.queue((Ipv6Addr::LOCALHOST, 9).into(), &[1], None));
        assert!(sender.queue((Ipv4Addr::new(192, 0, 2, 1), 9).into(), &[2], None));
        assert!(sender.queue(receiver.local_addr(), &[3], None));
        sender.flush();
        assert_eq!(gather(&mut receiver, 1), [(sender.local_addr(), vec![3])]);
        sender.wait(0);
        let counters = sender.counters();
        assert_eq!((counters.send_failed, counters.sent), (2, 1), "{counters:?}");
        assert_eq!(counters.send_errno, libc::EINVAL);
    }
}

// What the kernel drops because nobody takes it is counted, also by us.
#[test]
fn an_overrun_of_the_socket_is_counted() {
    let receiver_options = options(Mode::Sockets);
    let (mut sender, mut receiver) = (open(&options(Mode::Sockets)), open(&receiver_options));
    let sent = 20_000;
    for _ in 0..sent {
        assert!(sender.queue(receiver.local_addr(), &[0; 8_000], None));
    }
    sender.flush();
    receiver.receive(usize::MAX, &mut |_, _| {});
    // The count comes with the next datagram that is taken.
    assert!(sender.queue(receiver.local_addr(), &[1], None));
    sender.flush();
    assert_eq!(gather(&mut receiver, 1).len(), 1);
    let counters = receiver.counters();
    assert!(counters.overrun > 0, "{counters:?}");
    assert_eq!(counters.overrun + counters.received, sent + 1, "{counters:?}");
}

#[test]
fn the_doorbell_ends_a_wait_and_keeps_from_sleeping() {
    for mode in BOTH {
        let doorbell = Arc::new(Doorbell::new());
        let mut udp = Udp::open(&options(mode), Arc::clone(&doorbell)).expect("loopback");
        // Rung before: the sleep does not begin, or this test hangs.
        doorbell.ring();
        udp.wait(u64::MAX);
        assert!(doorbell.answer());
        assert!(!doorbell.answer());
        for _ in 0..20 {
            let ringer = Arc::clone(&doorbell);
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                ringer.ring();
            });
            while !doorbell.answer() {
                udp.wait(u64::MAX);
            }
            thread.join().expect("it does not panic");
        }
        // And a time that is over ends it, too.
        udp.wait(1_000_000);
        assert!(!doorbell.answer());
    }
}

// rse:U5: no memory is taken for a datagram, in or out.
#[test]
fn datagrams_take_no_memory() {
    for mode in BOTH {
        let (mut sender, mut receiver) = (open(&options(mode)), open(&options(mode)));
        let (to, bytes) = (receiver.local_addr(), [5; 4_232]);
        let mut got = 0;
        let mut round = |sender: &mut Udp, receiver: &mut Udp| {
            for _ in 0..8 {
                assert!(sender.queue(to, &bytes, Some(1_448)));
                assert!(sender.queue(to, &bytes[..64], None));
            }
            sender.flush();
            receiver.wait(1_000_000);
            got += receiver.receive(usize::MAX, &mut |_, _| {});
        };
        round(&mut sender, &mut receiver);
        let ((), allocations) = crate::counting::count(|| (0..50).for_each(|_| round(&mut sender, &mut receiver)));
        assert_eq!(allocations, 0, "{mode:?}");
        assert!(got > 1_000, "{got}");
    }
}

#[test]
fn an_open_ring_can_be_dropped_at_any_time() {
    for round in 0..50 {
        let (mut sender, mut receiver) = (open(&options(Mode::IoUring)), open(&options(Mode::IoUring)));
        if round % 2 == 0 {
            receiver.wait(1_000);
        }
        assert!(sender.queue(receiver.local_addr(), &[1; 4_000], Some(1_000)));
        sender.flush();
        drop(receiver);
        assert!(sender.queue(sender.local_addr(), &[2; 100], None));
    }
}

// The port is free again when the ring is gone: left to itself, the kernel closes a ring's files some time later, and a node
// that starts again at once finds its own address in use.
#[test]
fn a_dropped_socket_leaves_its_port_at_once() {
    for mode in BOTH {
        // An address that no other test takes a port of.
        let mut address = (Ipv4Addr::new(127, 0, 77, 1), 0).into();
        for round in 0..50 {
            let mut udp = Udp::open(&UdpOptions { mode, ..UdpOptions::new(address) }, Arc::default())
                .unwrap_or_else(|error| panic!("{mode:?} {round}: {error}"));
            address = udp.local_addr();
            assert!(udp.queue(address, &[1; 4_000], Some(1_000)));
            udp.wait(if round % 2 == 0 { 1_000 } else { 0 });
        }
    }
}

#[test]
fn options_that_are_off_work_when_they_are_on() {
    let mut receiver = open(&options(Mode::Sockets));
    for (send_zc, sqpoll) in [(true, false), (false, true)] {
        let mut sender = open(&UdpOptions { send_zc, sqpoll, dscp: 46, ..options(Mode::IoUring) });
        assert_eq!(sender.mode(), Mode::IoUring);
        for round in 0..10u8 {
            for at in 0..100 {
                let begun = Instant::now();
                while !sender.queue(receiver.local_addr(), &[round, at], None) && begun.elapsed() < GUARD {
                    sender.wait(1_000_000);
                }
            }
            sender.flush();
            assert_eq!(gather(&mut receiver, 100).len(), 100, "{send_zc} {sqpoll}");
        }
        assert!(sender.queue(sender.local_addr(), &[9; 300], None));
        sender.flush();
        assert_eq!(gather(&mut sender, 1), [(sender.local_addr(), vec![9; 300])], "{send_zc} {sqpoll}");
    }
}

#[test]
fn a_refused_ring_is_replaced_and_the_reason_kept() {
    for (errno, word) in [(libc::EPERM, "seccomp"), (libc::ENOSYS, "ENOSYS"), (libc::EINVAL, "older than 6.1")] {
        let refused = UdpOptions { refuse: Some(errno), ..options(Mode::Auto) };
        let udp = open(&refused);
        assert_eq!(udp.mode(), Mode::Sockets);
        assert!(udp.reason().contains(word), "{}", udp.reason());
        let error = Udp::open(&UdpOptions { mode: Mode::IoUring, ..refused }, Arc::default()).expect_err("refused");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Forbids `io_uring_setup` to the calling thread, for good.
#[allow(unsafe_code)]
fn forbid_io_uring(errno: i32) {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        // The number of the call is the first word of what the filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its statements outlive the calls; the filter is put on this thread alone.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

// The kernel's own refusal, as in a container or a hardened unit: the node runs on plain sockets and says why.
#[test]
fn a_seccomp_filter_leads_to_plain_sockets() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let forbidden = std::thread::spawn(move || {
            forbid_io_uring(errno);
            let mut udp = open(&options(Mode::Auto));
            assert_eq!(udp.mode(), Mode::Sockets);
            assert!(udp.reason().contains("seccomp"), "{}", udp.reason());
            assert!(udp.queue(udp.local_addr(), &[1, 2, 3], None));
            udp.flush();
            assert_eq!(gather(&mut udp, 1).len(), 1);
        });
        forbidden.join().expect("the fallback carries datagrams");
    }
}
