//! The life of a node: start, requests, pause, failure of one torus, stop, strict resources, several nodes in one region.

mod common;

use std::time::Duration;

use agent::runtime::{Node, Options, StartError};
use common::{TempDir, config, guard, tori};
use control::snapshot::{Phase, TorusState};

/// `names` tori with a cycle each, of a braid of `braid` tori.
fn tables(braid: u8, tori: &[(&str, u8)], extra: &str) -> String {
    let mut text =
        format!("[braid]\ntori = {braid}\ninterval_ticks = 100\nfloor_us = 1000\nliveness_ms = 20\n{extra}\n");
    for (name, id) in tori {
        text.push_str(&format!(
            "[[torus]]\nname = \"{name}\"\nid = {id}\n[torus.workload]\nkind = \"cycle\"\nnodes = 100\ntokens = 50\n\
             pace_ticks_per_s = 2000\n"
        ));
    }
    text
}

fn three(dir: &TempDir) -> String {
    format!("{}{}", common::head(dir), tables(3, &[("A", 0), ("B", 1), ("C", 2)], ""))
}

// rse:B7, decisions:NODE-20: stop is bounded and idempotent, returns the final counters, and the page says stopped.
#[test]
fn stopping_twice_gives_the_same_answer_and_leaves_the_page_whole() {
    let dir = TempDir::new("stop");
    let mut node = common::start(config(&three(&dir)));
    let handle = node.handle();
    guard("all execute", || tori(&handle).iter().all(|torus| torus.executed > 100));
    let first = node.stop();
    assert_eq!(node.stop(), first);
    assert!(!first.failed() && first.tori.iter().all(|torus| torus.counters.executed > 100), "{first:?}");
    let page = handle.snapshot().expect("the page stays");
    assert_eq!(page.node.phase, Phase::Stopped);
    assert!(page.tori.iter().all(|torus| torus.state == TorusState::Stopped && torus.conserved()));
    for (torus, ended) in page.tori.iter().zip(&first.tori) {
        assert_eq!((torus.executed, torus.digest), (ended.counters.executed, ended.digest));
    }
    let refusal = common::try_ask(&handle, r#"{"do":"pause","torus":"A"}"#).expect_err("it has ended");
    assert!(refusal.error.contains("has ended"), "{}", refusal.error);
}

// decisions:NODE-20: a panic of one torus thread marks it failed with the reason, keeps the page, asks the node to stop, and the
// others end in order.
#[test]
fn a_panic_of_one_torus_is_said_and_the_others_end_in_order() {
    let dir = TempDir::new("panic");
    let mut node = common::start(config(&three(&dir)));
    let handle = node.handle();
    guard("all see each other", || common::all_alive(&handle));
    handle.panic_torus("B");
    guard("the page says so", || tori(&handle)[1].state == TorusState::Failed);
    assert!(handle.stop_asked());
    guard("the log says so", || common::events(&handle).iter().any(|text| text.contains("B failed: panic")));
    // By its abandoned place in the region, or by a vote when printing the panic took longer than the liveness deadline.
    let gone = |text: &String| text.starts_with("A: B is gone") || text.starts_with("A: B failed, 2 of 2 agree");
    guard("its peers say so", || common::events(&handle).iter().any(gone));
    let ended = node.stop();
    assert!(ended.failed());
    let failed: Vec<bool> = ended.tori.iter().map(|torus| torus.failed.is_some()).collect();
    assert_eq!(failed, [false, true, false]);
    let page = handle.snapshot().expect("the page stays");
    assert_eq!(page.node.phase, Phase::Failed);
    assert!(page.tori[1].reason.contains("panic"), "{}", page.tori[1].reason);
    assert_eq!(page.node.worst, "torus B failed");
}

// decisions:NODE-20: pause keeps heartbeat and watchdog going; a paused torus steps event by event.
#[test]
fn a_paused_torus_beats_and_steps() {
    let dir = TempDir::new("pause");
    let node = common::start(config(&three(&dir)));
    let handle = node.handle();
    guard("it executes", || tori(&handle)[0].executed > 0);
    let early = common::try_ask(&handle, r#"{"do":"step","torus":"A","count":1}"#).expect_err("not paused");
    assert!(early.error.contains("trefoil torus pause A"), "{}", early.error);
    common::ask(&handle, r#"{"do":"pause","torus":"A"}"#);
    guard("the page says paused", || tori(&handle)[0].state == TorusState::Paused);
    let before = tori(&handle)[0].clone();
    guard("pages go on", || tori(&handle)[0].heartbeat_ns > before.heartbeat_ns + 500_000_000);
    let after = tori(&handle)[0].clone();
    assert_eq!(after.executed, before.executed);
    assert!(after.exchanges > before.exchanges, "a paused torus still tells the others how it stands");
    assert!(handle.beats()[0].age < Duration::from_millis(500), "{:?}", handle.beats());
    let reply = common::ask(&handle, r#"{"do":"step","torus":"A","count":2}"#);
    assert_eq!(reply.count, 2);
    guard("the page shows the step", || tori(&handle)[0].stepped.as_ref().is_some_and(|stepped| stepped.count == 2));
    assert_eq!(tori(&handle)[0].executed, before.executed + 2);
    common::ask(&handle, r#"{"do":"resume","torus":"A"}"#);
    guard("it goes on", || tori(&handle)[0].executed > before.executed + 10);
}

// Each refusal names the value and what was expected.
#[test]
fn requests_out_of_range_are_refused_with_the_range() {
    let dir = TempDir::new("refuse");
    let node = common::start(config(&three(&dir)));
    let handle = node.handle();
    let cases = [
        (r#"{"do":"pause","torus":"X"}"#, "A, B, C"),
        (r#"{"do":"inject","torus":"A","dst":32768}"#, "0 to 32767"),
        (r#"{"do":"inject","torus":"A","dst":1,"payload":3000000000}"#, "2147483647"),
        (r#"{"do":"inject","torus":"A","dst":1,"count":0}"#, "1 to 65536"),
        (r#"{"do":"interval","torus":"A","ticks":99}"#, "100 to 10000"),
        (r#"{"do":"mode","mode":"star"}"#, "rotate or ring"),
    ];
    for (json, expected) in cases {
        let refusal = common::try_ask(&handle, json).expect_err(json);
        assert!(refusal.error.contains(expected), "{json}: {}", refusal.error);
    }
    common::ask(&handle, r#"{"do":"interval","torus":"A","ticks":250}"#);
    guard("the interval is fixed", || tori(&handle)[0].interval_ticks == 250 && tori(&handle)[0].interval_fixed);
    common::ask(&handle, r#"{"do":"mode","mode":"ring"}"#);
    guard("the mode is shown", || handle.snapshot().is_some_and(|page| page.node.mode == "ring"));
    common::ask(&handle, r#"{"do":"stop"}"#);
    assert!(handle.stop_asked());
}

// decisions:NODE-20: strict refuses to start over a core that is not there, degrade starts and says so.
#[test]
fn strict_refuses_an_absent_core_and_degrade_says_it() {
    let dir = TempDir::new("strict");
    let with = |policy: &str| {
        let text = three(&dir).replace("[resources]\n", &format!("[resources]\ncores = \"{policy}\"\n"));
        text.replacen("[[torus]]\n", "[[torus]]\ncore = 4000\n", 1)
    };
    let error = Node::start(config(&with("strict")), Options::default()).map(|_| ()).expect_err("no core 4000");
    assert!(matches!(error, StartError::Strict { key: "cores", .. }), "{error}");
    assert!(error.to_string().contains("core 4000 does not exist here"), "{error}");
    let node = common::start(config(&with("degrade")));
    let handle = node.handle();
    guard("it is said", || common::events(&handle).iter().any(|text| text.contains("core 4000 does not exist here")));
    guard("it is the worst thing", || handle.snapshot().is_some_and(|page| page.node.worst.contains("core 4000")));
}

// decisions:NODE-20: strict refuses to start without 2 MiB pages, and says which command mends it.
#[test]
fn strict_refuses_missing_huge_pages_with_the_command() {
    let free = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").unwrap_or_default();
    // Three tori and their region take four pages at the very least.
    if free.trim().parse::<u64>().unwrap_or(0) >= 4 {
        return common::skip("this host has enough free huge pages; there is nothing to refuse");
    }
    let dir = TempDir::new("huge");
    let text =
        three(&dir).replace("[resources]\n", "[resources]\nhugepages = \"strict\"\n").replace("\"base\"", "\"huge\"");
    let error = Node::start(config(&text), Options::default()).map(|_| ()).expect_err("no huge pages");
    assert!(error.to_string().contains("/proc/sys/vm/nr_hugepages"), "{error}");
}

// decisions:NODE-6, decisions:NODE-16: nodes that share a region file are one braid; one that leaves and comes back has a new
// boot id, and the others say both.
#[test]
fn three_nodes_in_one_region_file_are_one_braid() {
    let dir = TempDir::new("region");
    let node_of = |name: &str, id: u8| {
        let own = TempDir::new(&format!("region-{name}"));
        let head = common::head(&own)
            .replace("[region]\n", &format!("[region]\npath = \"{}/region\"\n", dir.path().display()));
        let node = common::start(config(&format!("{head}{}", tables(3, &[(name, id)], ""))));
        (node, own)
    };
    let nodes = [node_of("A", 0), node_of("B", 1)];
    let (mut gone, _own) = node_of("C", 2);
    let handle = nodes[0].0.handle();
    let peer = |id: u32| tori(&handle)[0].peers.iter().find(|peer| peer.id == id).cloned();
    let alive = |id| peer(id).is_some_and(|peer| peer.state == control::snapshot::PeerState::Alive);
    guard("A sees both", || alive(1) && alive(2));
    let boot = peer(2).expect("alive").boot_id;
    gone.stop();
    guard("A says C left", || common::events(&handle).iter().any(|text| text.contains("C left in order")));
    // An orderly leave is no failure: not in the log, not as a state, not as the worst thing.
    let failed = || peer(2).is_some_and(|peer| peer.state == control::snapshot::PeerState::Failed);
    guard("the page does not show it failed", || !failed());
    let worst = handle.snapshot().expect("a page").node.worst;
    assert!(!worst.contains("failed"), "{worst}");
    assert!(!common::events(&handle).iter().any(|text| text.contains("failed")), "{:?}", common::events(&handle));
    let executed = tori(&handle)[0].executed;
    let (_back, _own) = node_of("C", 2);
    guard("A sees the new boot", || alive(2) && peer(2).is_some_and(|peer| peer.boot_id != boot));
    guard("A went on", || tori(&handle)[0].executed > executed);
    guard("A says so", || common::events(&handle).iter().any(|text| text.contains("C returned with new boot")));
    let held = node_result(&dir);
    assert!(held.contains("is held by boot"), "{held}");
}

/// Why a second holder of torus 0 does not start.
fn node_result(dir: &TempDir) -> String {
    let own = TempDir::new("region-second");
    let head =
        common::head(&own).replace("[region]\n", &format!("[region]\npath = \"{}/region\"\n", dir.path().display()));
    let config = config(&format!("{head}{}", tables(3, &[("A", 0)], "")));
    Node::start(config, Options::default()).map(|_| ()).expect_err("torus 0 is held").to_string()
}

// rse:M7: damage of an injection ring is said and set right, and events come in again.
#[test]
fn a_damaged_injection_ring_is_said_and_set_right() {
    use std::os::unix::fs::FileExt as _;
    let dir = TempDir::new("damaged");
    let path = dir.path().join("region");
    let head = common::head(&dir).replace("[region]\n", &format!("[region]\npath = \"{}\"\n", path.display()));
    let mut node = common::start(config(&format!("{head}{}", tables(3, &[("A", 0)], ""))));
    let handle = node.handle();
    guard("it runs", || tori(&handle).first().is_some_and(|torus| torus.exchanges > 0));
    let words = || -> Vec<u64> {
        let bytes = std::fs::read(&path).expect("the region file");
        bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect()
    };
    let inject = || common::ask(&handle, r#"{"do":"inject","torus":"A","dst":7,"payload":3,"count":1}"#);
    let before = words();
    let injected = tori(&handle)[0].injected;
    for _ in 0..3 {
        inject();
    }
    guard("three came in", || tori(&handle)[0].injected == injected + 3);
    // Claims are counted at the start of the ring, what was taken 128 bytes further on.
    let after = words();
    let is_count = |at: &usize| [*at, *at + 16].iter().all(|&at| (before[at], after[at]) == (0, 3));
    let at = (0..after.len() - 16).find(is_count).expect("the ring of A");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the region file");
    file.write_all_at(&(u64::MAX / 3).to_le_bytes(), at as u64 * 8).expect("written");
    let says = |part: &str| common::events(&handle).iter().any(|text| text.contains(part));
    guard("A says so", || says("A: the injection ring is damaged"));
    guard("A sets it right", || says("A set the injection ring right"));
    inject();
    guard("events come in again", || tori(&handle)[0].injected == injected + 4);
    assert!(!node.stop().failed());
}

// A region file that was taken away under a running node is told, and the node stops in order.
#[test]
fn a_replaced_region_file_stops_the_node_in_order() {
    let dir = TempDir::new("replaced");
    let path = dir.path().join("region");
    let head = common::head(&dir).replace("[region]\n", &format!("[region]\npath = \"{}\"\n", path.display()));
    let mut node = common::start(config(&format!("{head}{}", tables(3, &[("A", 0)], ""))));
    let handle = node.handle();
    guard("it runs", || tori(&handle).first().is_some_and(|torus| torus.exchanges > 0));
    std::fs::remove_file(&path).expect("the region file");
    guard("the node asks to be stopped", || handle.stop_asked());
    guard("the log says why", || common::events(&handle).iter().any(|text| text.contains("the node stops")));
    assert_eq!(node.stop().tori[0].failed, None);
}
