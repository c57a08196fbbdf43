//! A tampering proxy between two agents: it flips, drops, replays and reorders datagrams of the fast plane.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use control::cluster::ClusterSnapshot;
use trefoil_tests::harness::cluster::{Cluster, LONG, formed, seen, sees};
use trefoil_tests::harness::lab::lacks_lab;
use trefoil_tests::harness::{guard, lane, skipped, until};

const BUDGET: Duration = Duration::from_secs(600);
/// Where the proxy listens: both agents advertise it as their own address.
const PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 9)), 7946);
const ENDS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), 7946),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2)), 7946),
];
const VARIABLE: &str = "TREFOIL_TEST_PROXY";

/// The proxy: this test program once more, on a host of its own. By hand it does nothing.
#[test]
#[ignore = "a helper process of the test below"]
fn proxy() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let socket = UdpSocket::bind(PROXY).unwrap();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut buffer = [0; 65_536];
    let mut late: Option<(Vec<u8>, SocketAddr)> = None;
    let mut old: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(end) = ENDS.iter().position(|end| *end == from) else { continue };
        let to = ENDS[1 - end];
        let mut datagram = buffer[..length].to_vec();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match random % 32 {
            0 => {
                let bit = (random >> 8) as usize % (length * 8);
                datagram[bit / 8] ^= 1 << (bit % 8);
            }
            1 => continue,
            2 => drop(socket.send_to(&datagram, to)),
            3 => old.push((datagram.clone(), to)),
            4 if late.is_none() => {
                late = Some((datagram, to));
                continue;
            }
            5 if old.len() > 16 => {
                let (datagram, to) = old.remove(0);
                let _ = socket.send_to(&datagram, to);
            }
            _ => {}
        }
        let _ = socket.send_to(&datagram, to);
        if let Some((datagram, to)) = late.take_if(|_| random >> 32 & 1 == 0) {
            let _ = socket.send_to(&datagram, to);
        }
    }
}

fn dropped(view: &ClusterSnapshot, reason: &str) -> u64 {
    view.plane.dropped.iter().filter(|(name, _)| name == reason).map(|(_, count)| count).sum()
}

// rse:U3, rse:U5, decisions:CLU-12: whatever the path does to datagrams, nothing is applied twice or altered: what one torus gave is
// what the other took, to the last event, and what did not fit was counted by reason.
#[test]
fn clu_12_a_tampering_path_alters_nothing() {
    if skipped("clu_12_a_tampering_path_alters_nothing", lacks_lab()) {
        return;
    }
    let _lane = lane();
    let _guard = guard("clu_12_a_tampering_path_alters_nothing", BUDGET);
    let cluster = Cluster::new("tamper", 3, 1500);
    let host = cluster.lab.host(9);
    let program = std::env::current_exe().unwrap();
    let mut proxy = host
        .command(&program)
        .args(["--ignored", "--exact", "proxy", "--nocapture"])
        .env(VARIABLE, "1")
        .spawn()
        .unwrap();
    let nodes: Vec<_> = [1, 2]
        .map(|id| {
            let mut plan = cluster.plan(id);
            plan.cluster = format!("advertise = \"{PROXY}\"");
            cluster.launch(&plan)
        })
        .into();
    for node in &nodes {
        formed(node, 2);
        sees(node, "every kind of tampering to be noticed", |view| {
            dropped(view, "forged") > 0
                && dropped(view, "replayed") > 0
                && view.edges.iter().any(|edge| edge.applied > 100)
        });
    }
    nodes[1].wait("work from n1", |snapshot| snapshot.tori[0].handed_in > 50);
    until("what was given to be what was taken", LONG, || {
        let [a, b] = [0, 1].map(|at: usize| nodes[at].status().unwrap().tori[0].clone());
        assert!(a.conserved() && b.conserved(), "{a:?} {b:?}");
        let same = (a.handed_out, b.handed_out) == (b.handed_in, a.handed_in) && a.pending + b.pending == 900;
        same.then_some(())
    });
    for node in &nodes {
        let view = seen(node);
        assert!(view.removals.is_empty(), "{:?}", view.removals);
        assert!(view.edges.iter().all(|edge| edge.in_doubt == 0), "{:?}", view.edges);
    }
    assert!(proxy.try_wait().unwrap().is_none(), "the proxy ran all along");
    let _ = proxy.kill();
    let _ = proxy.wait();
}
