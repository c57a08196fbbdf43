//! Death and its proof, on a small network of real memberships.

mod membership_net;

use membership_net::*;

/// membership:MB-4 membership:MB-5: a crash is known to all within (T + window + hops), with a certificate that stays.
#[test]
fn a_crash_is_certified_and_everybody_knows() {
    let mut net = Net::formed(40, 1);
    net.run_s(3);
    assert_eq!(net.check_graph().0 >= 6, true, "{:?}", net.check_graph());
    assert_eq!(net.deaths(), 0);
    net.crash(7);
    let crashed = net.now_us;
    net.run_s(3);
    assert_eq!(net.removed_by(7).len(), 39, "{:?}", net.removed_by(7));
    let worst = net.removal_times(7).into_iter().max().unwrap() - crashed;
    println!("worst {worst} us");
    assert!(worst < 1_500_000, "{worst} us");
    assert_eq!(net.deaths(), 39);
}

#[test]
fn small_clusters() {
    for n in 3..=9 {
        let mut net = Net::formed(n, n as u64);
        net.run_s(3);
        assert_eq!(net.check_graph(), (n as usize - 1, n as usize - 1), "{n}");
        net.crash(2);
        net.run_s(4);
        assert_eq!(net.removed_by(2).len(), n as usize - 1, "{n}");
    }
}
