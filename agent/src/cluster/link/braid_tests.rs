//! A braid whose tori run on three nodes, each with a region of its own, joined by link threads over loopback: it must do what
//! three tori in one region do.

use std::path::PathBuf;
use std::time::Duration;

use control::snapshot::{PeerState, TorusSnapshot};

use super::tests::{Net, settings};
use crate::cluster::settings::Remote;
use crate::config;
use crate::runtime::{Node, Options};

struct Host {
    node: Node,
    folder: PathBuf,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn host(test: &str, id: u8, tori: u8) -> Host {
    let folder = std::env::temp_dir().join(format!("trefoil-{test}-{}-{id}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in the temporary folder");
    let (dir, name) = (folder.display(), char::from(b'A' + id));
    let text = format!(
        "[node]\nname = \"{name}\"\nruntime_dir = \"{dir}/run\"\nstate_dir = \"{dir}/state\"\nwaiting = \"adaptive\"\n\
         [resources]\nmlock = \"off\"\n[region]\npages = \"base\"\npath = \"{dir}/region\"\n\
         [braid]\ntori = {tori}\ninterval_ticks = 100\nadaptive = false\nfloor_us = 1000\nliveness_ms = 200\n\
         [braid.tolerance]\nload = 16\n\
         [[torus]]\nname = \"{name}\"\nid = {id}\n[torus.workload]\nkind = \"cycle\"\nnodes = 300\ntokens = 900\nload = {}\n\
         delay_ticks = 40\npace_ticks_per_s = 500\n",
        id == 0
    );
    let config = config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let node = Node::start(config, Options::default()).unwrap_or_else(|error| panic!("{error}"));
    Host { node, folder }
}

fn remote(torus: u8) -> Remote {
    Remote { name: char::from(b'A' + torus).to_string(), torus, node: u32::from(torus) + 1 }
}

fn torus(host: &Host) -> Option<TorusSnapshot> {
    Some(host.node.handle().snapshot()?.tori.first()?.clone())
}

fn events(host: &Host) -> Vec<String> {
    let snapshot = host.node.handle().snapshot();
    snapshot.map(|snapshot| snapshot.events.iter().map(|event| event.text.clone()).collect()).unwrap_or_default()
}

fn sees(host: &Host, peer: u32, state: PeerState) -> bool {
    torus(host).is_some_and(|torus| torus.peers.iter().any(|other| other.id == peer && other.state == state))
}

fn joined(test: &str, tori: u8) -> (Vec<Host>, Net) {
    let hosts: Vec<Host> = (0..tori).map(|id| host(test, id, tori)).collect();
    let founders: Vec<u32> = (1..=u32::from(tori)).collect();
    let mut net = Net::new();
    for (id, host) in (0..tori).zip(&hosts) {
        let mut own = settings(u32::from(id) + 1, &founders, 100 + u64::from(id));
        own.remotes = (0..tori).filter(|other| *other != id).map(remote).collect();
        net.add(own, Some(host.node.handle().region()));
    }
    (hosts, net)
}

// architecture: "a braid of A on host 1, B on host 2, C on host 3 works exactly as one in one process": all see each other alive,
// work moves from the loaded one to the others until they are level, every message is accounted for on both sides at all times
// (decisions:NODE-8), and nothing is lost or done twice.
#[test]
fn three_hosts_braid_like_one() {
    let (mut hosts, mut net) = joined("three-hosts", 3);
    net.until("all see all alive", |_| {
        (0..3u32)
            .all(|me| (0..3).filter(|peer| *peer != me).all(|peer| sees(&hosts[me as usize], peer, PeerState::Alive)))
    });
    net.until("work moved to both others", |_| {
        hosts[1..].iter().all(|host| torus(host).is_some_and(|torus| torus.pending > 200))
    });
    net.until("nobody holds far more than the others", |_| {
        let loads: Vec<u64> = hosts.iter().filter_map(torus).map(|torus| torus.pending).collect();
        let (most, least) = (loads.iter().max().copied(), loads.iter().min().copied());
        loads.len() == 3 && most.zip(least).is_some_and(|(most, least)| most - least < 100)
    });
    net.until("projections came and went", |net| {
        (1..=3).all(|id| net.see(id).edges.iter().all(|edge| edge.applied > 50 && edge.sent > 50))
    });
    for (host, id) in hosts.iter().zip(1..) {
        let events = events(host);
        assert!(!events.iter().any(|text| text.contains("conservation")), "{events:#?}");
        assert!(net.see(id).edges.iter().all(|edge| edge.in_doubt == 0), "{:#?}", net.see(id).edges);
    }
    let ended: Vec<_> = hosts.iter_mut().map(|host| host.node.stop()).collect();
    for ended in &ended {
        assert!(!ended.failed() && ended.tori[0].counters.conserved(), "{ended:?}");
        assert_eq!(ended.tori[0].counters.lost, 0, "{ended:?}");
    }
}

// decisions:CLU-12: a host that is gone is given up, hand-overs in doubt are counted and taken back; the others go on, and a host
// that comes back under a new boot braids again.
#[test]
fn a_host_that_dies_is_given_up_and_taken_up_again() {
    let (mut hosts, mut net) = joined("host-dies", 3);
    net.form();
    net.until("all see all alive", |net| {
        (0..3u32)
            .all(|me| (0..3).filter(|peer| *peer != me).all(|peer| sees(&hosts[me as usize], peer, PeerState::Alive)))
            && (1..=3).all(|id| net.see(id).members.known == 3 && net.see(id).watches.len() == 2)
    });
    net.kill(3);
    drop(hosts.pop());
    net.until("C is given up", |net| {
        (0..2).all(|me| sees(&hosts[me], 2, PeerState::Failed)) && (1..=2).all(|id| net.see(id).members.removed == 1)
    });
    assert!(net.said(1, "torus C of n3 is given up: it was removed as dead"));
    assert!(sees(&hosts[0], 1, PeerState::Alive), "B is not touched by it");
    hosts.push(host("host-dies", 2, 3));
    let mut again = settings(3, &[1, 2, 3], 333);
    again.me.identity.boot_inc = 2;
    again.remotes = vec![remote(0), remote(1)];
    net.add(again, Some(hosts[2].node.handle().region()));
    net.until("C braids again", |_| {
        sees(&hosts[0], 2, PeerState::Alive)
            && sees(&hosts[2], 0, PeerState::Alive)
            && sees(&hosts[2], 1, PeerState::Alive)
    });
    net.until("C gets work again", |_| torus(&hosts[2]).is_some_and(|torus| torus.pending > 100));
    for host in &hosts {
        let events = events(host);
        assert!(!events.iter().any(|text| text.contains("conservation")), "{events:#?}");
    }
    std::thread::sleep(Duration::from_millis(10));
}
