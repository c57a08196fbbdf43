//! No step of the bootstrap allocates (`bootstrap:W11`, `decisions:CLU-3`): counted by the global allocator, in a binary of its own.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use ekk::bootstrap::{Config, Driver, Input, Machine, Policy, Ring, Settings, Signal};
use ekk::id::{Identity, NodeId};
use ekk::sink::Nowhere;
use ekk::time::Time;
use shm_transport::counting::{CountingAllocator, count};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn ids(n: u32) -> Vec<NodeId> {
    (1..=n).map(NodeId::from_raw).collect()
}

/// Both rule sets, every kind of input, 64 members, with the ring watching: nothing is allocated.
#[test]
fn no_step_of_the_machine_allocates() {
    let members = ids(64);
    let me = members[0];
    for config in [Config::seed(me, &members, 64), Config::product(me, &members, Policy::fixed(64))] {
        let (mut machine, _) = Machine::<2>::new(&config).unwrap();
        let mut ring = Ring::<16>::default();
        let ((steps, waiting), allocations) = count(|| {
            let mut waiting = 0;
            let mut steps = 0;
            for &peer in &members {
                let stamped = Signal::stamped(peer, machine.stamp());
                let inputs = [
                    Input::Seen(stamped),
                    Input::Ready(stamped),
                    Input::JoinAsk(peer),
                    Input::JoinGrant(NodeId::from_raw(peer.get() + 100)),
                    Input::LocalDone,
                    Input::Deadline,
                    Input::Query,
                    Input::Trouble { peer, version: Some(9) },
                ];
                for input in &inputs {
                    machine.step_observed(input, &mut ring);
                    steps += 1;
                }
                waiting += machine.waiting().count();
            }
            (steps, waiting)
        });
        assert_eq!(allocations, 0, "in {steps} steps");
        assert!(waiting > 64 && machine.view().concluded(), "the machine was at work");
    }
}

/// A driver that starts, repeats, hears noise and ticks allocates nothing.
#[test]
fn no_call_of_the_driver_allocates() {
    let members = ids(64);
    let me = Identity { id: members[0], boot_inc: 1, life: 0 };
    let config = Config::product(me.id, &members, Policy::fixed(33));
    let (mut driver, _) = Driver::<2>::new(&config, me, Settings::default(), 1).unwrap();
    let ((), allocations) = count(|| {
        driver.start(Time::ZERO, &mut Nowhere);
        driver.local_done(Time::from_ms(1), &mut Nowhere).unwrap();
        for ms in 2..5_000 {
            driver.tick(Time::from_ms(ms), &mut Nowhere);
            let _ = driver.receive(Time::from_ms(ms), members[1], &[1, 0x50, 0, 0], &mut Nowhere);
        }
    });
    assert_eq!(allocations, 0);
    assert!(driver.tally().sent > 200);
}
