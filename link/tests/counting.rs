//! Nothing is allocated after construction.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod support;

use link::aead::RingAead;
use link::{Deliver, Gone, Kind, Out};
use shm_transport::counting::{CountingAllocator, allocations, count};
use support::{MS, address_of, keys, pair, peer};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[derive(Default)]
struct Tally {
    taken: u64,
}

impl Deliver for Tally {
    fn ekk(&mut self, _: u32, _: &[u8]) {
        self.taken += 1;
    }

    fn projection(&mut self, _: u32, _: u8, _: u64, _: u64, _: &[u8]) {
        self.taken += 1;
    }

    fn command(&mut self, _: u32, _: u8, seq: u64, _: &[u8]) -> bool {
        self.taken += 1;
        !seq.is_multiple_of(7) || self.taken.is_multiple_of(2)
    }
}

// decisions:CLU-4: aim: the data path takes no memory. Method: all kinds of traffic, with losses, rekeying, closing and coming
// back, under an allocator that counts.
#[test]
fn the_data_path_allocates_nothing() {
    let (mut one, mut two) = pair::<RingAead>(|config| {
        config.ping_interval_ns = 5 * MS;
        config.heartbeat_interval_ns = 3 * MS;
    });
    let (mut out, mut tally) = (Out::new(), Tally::default());
    // Keys are made by the caller; what happens to them afterwards is the endpoint's.
    let mut made: Vec<_> = (2..12_u32).map(|epoch| (epoch, keys(1, 2, epoch), keys(2, 1, epoch))).collect();
    made.reverse();
    let mut wire = vec![0_u8; 64 * 2_048];
    let ((), counted) = count(|| {
        for step in 1..1_000_u64 {
            let now_ns = step * MS;
            one.seal(now_ns, 2, Kind::Ekk, &[1; 200], &mut out).unwrap();
            two.receive(now_ns, address_of(1), out_mut(&mut wire, out.bytes()), &mut tally).unwrap();
            one.seal_projection(now_ns, 2, 1, 9, step, &[2; 5_120], &mut out).unwrap();
            for (at, datagram) in out.datagrams().enumerate() {
                if !(step + at as u64).is_multiple_of(11) {
                    let _ = two.receive(now_ns, address_of(1), out_mut(&mut wire, datagram), &mut tally);
                }
            }
            let _ = one.send_command(now_ns, 2, 0, &[3; 300]);
            for turn in 0..2 {
                let (from, to) = if turn == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
                from.poll(now_ns, |_, _, bytes| {
                    if !(step + bytes.len() as u64).is_multiple_of(5) {
                        let _ = to.receive(now_ns, address_of(1 + turn), out_mut(&mut wire, bytes), &mut tally);
                    }
                });
                to.poll_deliver(now_ns, &mut tally);
            }
            if step.is_multiple_of(100) {
                let (epoch, mine, theirs) = made.pop().unwrap();
                if epoch.is_multiple_of(3) {
                    one.remove(2, Gone::Closed);
                }
                if epoch == 10 {
                    assert!(one.remove(2, Gone::BootEnded) > 0 || one.totals().in_doubt == 0);
                }
                one.install(now_ns, peer(2, epoch), mine).unwrap();
                two.install(now_ns, peer(1, epoch), theirs).unwrap();
                assert_eq!(two.sessions().count(), 1);
            }
        }
    });
    assert!(tally.taken > 2_000, "{}", tally.taken);
    assert_eq!(counted, 0);
    assert!(allocations() > 0, "the counter counts");
}

fn out_mut<'a>(wire: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    wire[..bytes.len()].copy_from_slice(bytes);
    &mut wire[..bytes.len()]
}
